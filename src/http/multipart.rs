//! Forms that hold files, read as they arrive: `multipart/form-data`, RFC 7578, on RFC 2046 5.1.1.
//!
//! ```text
//! body     = [preamble CRLF] --boundary padding CRLF part *(CRLF --boundary padding CRLF part)
//!            CRLF --boundary-- padding [CRLF epilogue]
//! ```
//!
//! Data is handed on as slices of the input, without waiting for the end of a part; all that is ever held of it is
//! the length of a boundary that may have begun. A form without any part is taken, since browsers send it.
//!
//! Every doubt is a refusal, since what two programs read in two ways passes the checks of one for the use of the
//! other: a line in the data that begins like a boundary and goes on otherwise (RFC 2046 5.1.1 forbids it), bare CR
//! or LF and folded lines in heads.
//!
//! Left out: `multipart/mixed` inside a part, which RFC 7578 4.3 deprecates (it is data here); transfer encodings,
//! which 4.7 deprecates (refused by 415); charsets but UTF-8, and so `_charset_` (a field like any other).

mod delimiter;
mod head;

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes};

use self::delimiter::{Delimiter, Found};
use self::head::HeadReader;
use super::head::{Refusal, refuse};
use super::parameters::{Parameters, Quoting, is_blank, trim};
use crate::limits;

pub use self::head::PartHead;

/// Takes a form apart. It is whole once [`Multipart::handle_end`] has said so.
pub struct Multipart {
    input: VecDeque<Bytes>,
    delimiter: Delimiter,
    state: State,
    head: HeadReader,
    /// Bytes of the head with its padding, of the preamble, or of the epilogue, as the state has it.
    spent: usize,
    parts: usize,
}

/// What a form brings.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins. Two may have the same name: RFC 7578 5.2.
    Part(PartHead),
    /// Some of its content, not none.
    Data(Bytes),
    /// It is whole.
    PartEnd,
    /// No part comes any more.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Line(Line),
    Head,
    Data,
    Epilogue,
    Refused(Refusal),
}

/// What of a boundary's line has come behind the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    Hyphen,
    Padding { closes: bool },
    Cr { closes: bool },
}

/// The boundary in the value of a Content-Type field: RFC 7578 4.1. Refused by 415 if it is of another type, by 400
/// if it tells no boundary that can be used.
pub fn boundary_of(content_type: &[u8]) -> Result<String, Refusal> {
    let end = content_type.iter().position(|&b| b == b';').unwrap_or(content_type.len());
    let (media_type, rest) = content_type.split_at(end);
    if !trim(media_type).eq_ignore_ascii_case(b"multipart/form-data") {
        return Err(refuse(415, "the form is not multipart/form-data"));
    }
    let mut boundary = None;
    for parameter in Parameters::new(rest, Quoting::Http) {
        let (name, value) =
            parameter.map_err(|_| malformed("the parameters of the form's type are malformed"))?;
        if name.eq_ignore_ascii_case(b"boundary") && boundary.replace(value).is_some() {
            return Err(malformed("more than one boundary"));
        }
    }
    let boundary = boundary.ok_or(malformed("the form's type has no boundary"))?;
    String::from_utf8(boundary).ok().filter(|b| is_boundary(b)).ok_or(UNUSABLE)
}

impl Multipart {
    /// A form with this boundary, as [`boundary_of`] gives it. Refused by 400 if it can be none.
    pub fn new(boundary: &str) -> Result<Self, Refusal> {
        if !is_boundary(boundary) {
            return Err(UNUSABLE);
        }
        Ok(Self {
            input: VecDeque::new(),
            delimiter: Delimiter::new(boundary),
            state: State::Preamble,
            head: HeadReader::default(),
            spent: 0,
            parts: 0,
        })
    }

    /// Takes the next bytes of the body.
    pub fn handle_bytes(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.input.push_back(bytes);
        }
    }

    /// The next event, or None if more bytes are needed for one. After a refusal there is nothing but that refusal.
    pub fn poll_event(&mut self) -> Result<Option<Event>, Refusal> {
        if let State::Refused(refusal) = self.state {
            return Err(refusal);
        }
        let event = self.advance();
        if let Err(refusal) = event {
            self.state = State::Refused(refusal);
            self.input.clear();
        }
        event
    }

    /// The body has ended, and its events were polled. Refused by 400 if the form has not ended with it.
    pub fn handle_end(&mut self) -> Result<(), Refusal> {
        if self.is_closed() {
            // Nothing behind the last boundary is an event, so nobody need have polled; but it is judged.
            self.poll_event()?;
        }
        match self.state {
            State::Refused(refusal) => Err(refusal),
            State::Epilogue | State::Line(Line::Padding { closes: true }) => Ok(()),
            _ => Err(malformed("the form ends early")),
        }
    }

    fn is_closed(&self) -> bool {
        let closing = [Line::Padding { closes: true }, Line::Cr { closes: true }];
        self.state == State::Epilogue || closing.map(State::Line).contains(&self.state)
    }

    fn advance(&mut self) -> Result<Option<Event>, Refusal> {
        while let Some(mut input) = self.input.pop_front() {
            let event = self.step(&mut input)?;
            if !input.is_empty() {
                self.input.push_front(input);
            }
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// Takes something off the front of `input`, which is not empty.
    fn step(&mut self, input: &mut Bytes) -> Result<Option<Event>, Refusal> {
        match self.state {
            State::Preamble => match self.delimiter.find(input) {
                Found::Data(data) => self.spend(data.len())?,
                Found::Delimiter => self.begin(State::Line(Line::Nothing)),
                Found::NeedMore => {}
            },
            State::Line(line) => return self.read_line_end(line, input.get_u8()),
            State::Head => {
                if let Some(head) = self.head.read(input, &mut self.spent)? {
                    self.delimiter.begin_line();
                    self.begin(State::Data);
                    return Ok(Some(Event::Part(head)));
                }
            }
            State::Data => match self.delimiter.find(input) {
                Found::Data(data) => return Ok(Some(Event::Data(data))),
                Found::Delimiter => {
                    self.begin(State::Line(Line::Nothing));
                    return Ok(Some(Event::PartEnd));
                }
                Found::NeedMore => {}
            },
            State::Epilogue => {
                self.spend(input.len())?;
                input.clear();
            }
            State::Refused(refusal) => return Err(refusal),
        }
        Ok(None)
    }

    /// RFC 2046 5.1.1: two hyphens or none, padding, CRLF.
    fn read_line_end(&mut self, line: Line, byte: u8) -> Result<Option<Event>, Refusal> {
        self.spend(1)?;
        self.state = match (line, byte) {
            (Line::Nothing, b'-') => State::Line(Line::Hyphen),
            (Line::Hyphen, b'-') => {
                self.begin(State::Line(Line::Padding { closes: true }));
                return Ok(Some(Event::End));
            }
            (Line::Nothing, b' ' | b'\t') => State::Line(Line::Padding { closes: false }),
            (Line::Nothing, b'\r') => State::Line(Line::Cr { closes: false }),
            (Line::Padding { .. }, _) if is_blank(byte) => State::Line(line),
            (Line::Padding { closes }, b'\r') => State::Line(Line::Cr { closes }),
            (Line::Cr { closes: true }, b'\n') => State::Epilogue,
            (Line::Cr { closes: false }, b'\n') => {
                self.parts += 1;
                if self.parts > limits::FORM_FIELDS {
                    return Err(refuse(413, "the form has too many parts"));
                }
                State::Head
            }
            _ => return Err(malformed("a line begins like a boundary, but is none")),
        };
        Ok(None)
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.spent = 0;
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        spend(&mut self.spent, bytes)
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes: no body reaches a log.
        write!(f, "Multipart({:?}, part {})", self.state, self.parts)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(head) => write!(f, "Part({head:?})"),
            // Never the bytes: no body reaches a log.
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
            Self::PartEnd => f.write_str("PartEnd"),
            Self::End => f.write_str("End"),
        }
    }
}

const fn malformed(detail: &'static str) -> Refusal {
    refuse(400, detail)
}

const UNUSABLE: Refusal = malformed("the form's boundary cannot be used");

/// RFC 2046 5.1.1: 1 to 70 characters of `bchars`, not ending with a space.
fn is_boundary(boundary: &str) -> bool {
    let is_char = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    (1..=70).contains(&boundary.len()) && boundary.bytes().all(is_char) && !boundary.ends_with(' ')
}

/// Counts bytes that must be kept, or looked at for nothing. They are content of the request, and none of its own
/// fields, so too many of them are 413 and not 431.
fn spend(spent: &mut usize, bytes: usize) -> Result<(), Refusal> {
    *spent += bytes;
    if *spent > limits::PART_HEAD_BYTES {
        return Err(refuse(413, "the form has too many bytes outside its fields"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
