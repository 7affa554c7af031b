//! Bodies that are read whole, as what they say they are: JSON (RFC 8259), forms, XML, HTML, text, bytes.
//!
//! Another media type than a handler takes is 415, with what it takes (RFC 9110 15.5.16); a body that is not of its own
//! type is 400, one of the right type with other content than is wanted 422. XML has no document type and no entities
//! but the five of its own, so none can be expanded.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::handler::{BodySink, IntoOutcome, Outcome};
use super::head::{Refusal, Request};
use super::multipart::{Event, Multipart, PartHead, boundary_of};
use super::problem::{Invalid, Place, Problem};
use super::response::Response;
use super::urlencoded::Form;
use crate::fault::{self, Fault};
use crate::limits;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
const XML: &str = "application/xml";
const TEXT: &str = "text/plain";
const HTML: &str = "text/html";

/// A body, and what it says it is.
pub struct Content {
    content_type: Option<String>,
    data: Bytes,
}

/// A part of a multipart form.
pub struct Part {
    /// Its name, and that of its file. The latter is the client's word, and no path to be trusted.
    pub head: PartHead,
    /// What it holds.
    pub data: Bytes,
}

impl Content {
    /// A body of a media type.
    pub fn new(content_type: Option<String>, data: impl Into<Bytes>) -> Self {
        Self { content_type, data: data.into() }
    }

    /// Its bytes.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The media type in small letters, without its parameters.
    pub fn media_type(&self) -> Option<String> {
        let whole = self.content_type.as_deref()?;
        Some(whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// Reads JSON, a form or XML, whichever it is, into a type of the program's.
    ///
    /// # Errors
    /// The refusal: 415, 400 or 422.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Response> {
        match self.media_type().as_deref() {
            Some(json) if is_json(json) => self.json(),
            Some(FORM) => self.form_as(),
            Some(XML | "text/xml") => self.xml(),
            _ => Err(unsupported(&[JSON, FORM, XML])),
        }
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// The refusal: 415, 400 or 422.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Response> {
        if !self.media_type().as_deref().is_some_and(is_json) {
            return Err(unsupported(&[JSON]));
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.data);
        let read = serde_path_to_error::deserialize(&mut reader);
        let value = read.map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            match inner.classify() {
                serde_json::error::Category::Data => unprocessable(&path, &without_place(&inner)),
                _ => malformed(format!(
                    "the JSON breaks off at line {}, column {}",
                    inner.line(),
                    inner.column()
                )),
            }
        })?;
        reader.end().map_err(|_| malformed("there is more behind the JSON"))?;
        Ok(value)
    }

    /// Reads an urlencoded form.
    ///
    /// # Errors
    /// The refusal: 415, 400 or 413.
    pub fn form(&self) -> Result<Form, Response> {
        self.must_be(&[FORM])?;
        Form::parse(&self.data).map_err(refused)
    }

    /// Reads an urlencoded form into a type of the program's.
    ///
    /// # Errors
    /// The refusal: 415, 400, 413 or 422.
    pub fn form_as<T: DeserializeOwned>(&self) -> Result<T, Response> {
        // Whether it is a form at all, and not too large, is judged as everywhere.
        self.form()?;
        let reader = serde_html_form::Deserializer::from_bytes(&self.data);
        serde_path_to_error::deserialize(reader)
            .map_err(|error| unprocessable(&error.path().to_string(), &error.inner().to_string()))
    }

    /// Reads a multipart form (RFC 7578).
    ///
    /// # Errors
    /// The refusal: 415, 400 or 413.
    pub fn multipart(&self) -> Result<Vec<Part>, Response> {
        self.must_be(&[MULTIPART])?;
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let boundary = boundary_of(content_type.as_bytes()).map_err(refused)?;
        let mut reader = Multipart::new(&boundary).map_err(refused)?;
        reader.handle_bytes(self.data.clone());
        let mut parts = Vec::new();
        let mut data = Vec::new();
        while let Some(event) = reader.poll_event().map_err(refused)? {
            match event {
                Event::Part(head) => parts.push(Part { head, data: Bytes::new() }),
                Event::Data(piece) => data.push(piece),
                Event::PartEnd => {
                    let part = parts.last_mut().expect("a part begins before it ends");
                    part.data = match &data[..] {
                        [whole] => whole.clone(),
                        pieces => pieces.concat().into(),
                    };
                    data.clear();
                }
                Event::End => {}
            }
        }
        reader.handle_end().map_err(refused)?;
        Ok(parts)
    }

    /// Reads XML into a type of the program's.
    ///
    /// # Errors
    /// The refusal: 415, 400 or 422.
    pub fn xml<T: DeserializeOwned>(&self) -> Result<T, Response> {
        self.must_be(&[XML, "text/xml"])?;
        let text = self.utf8("the XML is not UTF-8")?;
        judge_xml(text)?;
        let mut reader = quick_xml::de::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| unprocessable(&error.path().to_string(), &error.inner().to_string()))
    }

    /// Reads plain text.
    ///
    /// # Errors
    /// The refusal: 415 or 400.
    pub fn text(&self) -> Result<&str, Response> {
        self.must_be(&[TEXT])?;
        self.utf8("the text is not UTF-8")
    }

    /// Reads a page.
    ///
    /// # Errors
    /// The refusal: 415 or 400.
    pub fn html(&self) -> Result<&str, Response> {
        self.must_be(&[HTML])?;
        self.utf8("the page is not UTF-8")
    }

    fn must_be(&self, types: &[&str]) -> Result<(), Response> {
        match self.media_type() {
            Some(is) if types.contains(&&*is) => Ok(()),
            _ if fault::is(Fault::TypesUnchecked) => Ok(()),
            _ => Err(unsupported(types)),
        }
    }

    /// No other charset is read, whatever the type says: what is UTF-8 is taken for that, and the rest refused.
    fn utf8(&self, otherwise: &'static str) -> Result<&str, Response> {
        std::str::from_utf8(&self.data).map_err(|_| malformed(otherwise))
    }
}

/// RFC 6839 3.1: also what is built on JSON.
fn is_json(media_type: &str) -> bool {
    media_type == JSON || media_type.starts_with("application/") && media_type.ends_with("+json")
}

/// Well-formed, one element, no document type.
fn judge_xml(text: &str) -> Result<(), Response> {
    use quick_xml::events::Event;

    let mut reader = quick_xml::Reader::from_str(text);
    let (mut depth, mut roots) = (0_usize, 0);
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        match event.map_err(|_| malformed(format!("the XML is malformed at byte {at}")))? {
            Event::DocType(_) => return Err(malformed("XML with a document type is not taken here")),
            Event::Start(_) => {
                roots += usize::from(depth == 0);
                depth += 1;
                if depth > limits::XML_DEPTH {
                    return Err(malformed("the XML is too deep"));
                }
            }
            Event::Empty(_) => roots += usize::from(depth == 0),
            Event::End(_) => depth -= 1,
            Event::Eof if depth == 0 && roots == 1 => return Ok(()),
            Event::Eof => return Err(malformed("XML is one element, from its begin to its end")),
            _ => {}
        }
    }
}

fn malformed(detail: impl Into<Cow<'static, str>>) -> Response {
    Problem::new(400, detail).into()
}

fn refused(refusal: Refusal) -> Response {
    Problem::new(refusal.status.0, refusal.detail).into()
}

fn unsupported(types: &[&str]) -> Response {
    let taken = types.join(", ");
    let response: Response = Problem::new(415, format!("what is taken here is {taken}")).into();
    response.with("Accept", taken)
}

/// What serde says, without what the body said.
fn unprocessable(path: &str, message: &str) -> Response {
    let detail = match message.split_once("expected ") {
        Some((_, wanted)) => format!("is not what it must be: {}", wanted.trim()),
        None => message.trim().to_owned(),
    };
    let name = if path == "." { "the body".to_owned() } else { path.to_owned() };
    Problem::invalid(vec![Invalid { place: Place::Body, name: name.into(), detail: detail.into() }]).into()
}

/// The message without ` at line 1 column 2`.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.clone(), |(said, _)| said.to_owned())
}

/// Takes a body whole, up to so many bytes, and then does what the function says.
pub fn collect<R: IntoOutcome>(
    request: &Request<'_>,
    limit: u64,
    then: impl FnOnce(Content) -> R + Send + 'static,
) -> Outcome {
    // RFC 9110 8.4: nothing is uncompressed here.
    if request.list("Content-Encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        let response: Response = Problem::new(415, "a coded body is not taken here").into();
        return Outcome::Respond(response.with("Accept-Encoding", "identity"));
    }
    let content_type = request.field("Content-Type").and_then(|value| std::str::from_utf8(value).ok());
    let content_type = content_type.filter(|value| !value.is_empty()).map(str::to_owned);
    Outcome::Read(Box::new(Collect { limit, content_type, data: Vec::new(), then }))
}

struct Collect<F> {
    limit: u64,
    content_type: Option<String>,
    data: Vec<u8>,
    then: F,
}

impl<R: IntoOutcome, F: FnOnce(Content) -> R + Send> BodySink for Collect<F> {
    fn limit(&self) -> u64 {
        self.limit
    }

    fn handle_piece(&mut self, piece: Bytes) {
        self.data.extend_from_slice(&piece);
    }

    fn held(&self) -> usize {
        self.data.len()
    }

    fn finish(self: Box<Self>) -> Outcome {
        (self.then)(Content::new(self.content_type, self.data)).into_outcome()
    }
}

#[cfg(test)]
mod tests;
