//! The head of a form's part: RFC 7578 4.2, 4.4, 4.7 and 4.8.
//!
//! Lines end in CRLF, and none is folded. `filename*` is not looked at: RFC 7578 4.2 forbids it, and a name that is
//! told in two ways may be two names. Names are UTF-8, as browsers send them.

use bytes::{Buf, Bytes};

use super::{malformed, spend};
use crate::http::head::{Refusal, refuse};
use crate::http::parameters::{Parameters, Quoting, trim};
use crate::http::scanner::is_token;

/// What the head of a part says. All of it is the client's word: names may have control characters in them (browsers
/// send `%0D%0A` for a line break, which is decoded), and a file's name may be a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name.
    pub name: String,
    /// The file's name, if it is a file; empty where a form's file was not chosen. RFC 7578 4.2: not to be used as
    /// the name of a file here.
    pub file_name: Option<String>,
    /// The media type, as it was sent. RFC 7578 4.4: none is `text/plain`.
    pub content_type: Option<String>,
}

/// Reads a head that arrives in pieces.
#[derive(Default)]
pub(super) struct HeadReader {
    line: Vec<u8>,
    disposition: Option<Disposition>,
    content_type: Option<String>,
}

/// What Content-Disposition says: RFC 7578 4.2.
struct Disposition {
    name: String,
    file_name: Option<String>,
}

impl HeadReader {
    /// Takes the head off the front of `input`, and gives it once its empty line has come.
    pub(super) fn read(&mut self, input: &mut Bytes, spent: &mut usize) -> Result<Option<PartHead>, Refusal> {
        while input.has_remaining() {
            spend(spent, 1)?;
            match (self.line.last(), input.get_u8()) {
                (Some(b'\r'), b'\n') => {
                    self.line.pop();
                    if self.line.is_empty() {
                        return self.take().map(Some);
                    }
                    self.read_field()?;
                    self.line.clear();
                }
                (Some(b'\r'), _) => return Err(malformed("a CR without LF in the head of a part")),
                (_, b'\n') => return Err(malformed("a bare LF in the head of a part")),
                (_, byte @ (b'\t' | b'\r' | b' '..=b'~' | 0x80..)) => self.line.push(byte),
                _ => return Err(malformed("a control character in the head of a part")),
            }
        }
        Ok(None)
    }

    fn take(&mut self) -> Result<PartHead, Refusal> {
        let Self { line: _, disposition, content_type } = std::mem::take(self);
        // RFC 7578 4.2: each part must have one.
        let Disposition { name, file_name } =
            disposition.ok_or(malformed("a part has no Content-Disposition"))?;
        Ok(PartHead { name, file_name, content_type })
    }

    fn read_field(&mut self) -> Result<(), Refusal> {
        let name_len = self.line.iter().take_while(|&&b| is_token(b)).count();
        let (name, rest) = self.line.split_at(name_len);
        let value = rest.strip_prefix(b":").filter(|_| name_len > 0);
        let value = trim(value.ok_or(malformed("a field in the head of a part is malformed"))?);
        if name.eq_ignore_ascii_case(b"Content-Disposition") {
            if self.disposition.replace(disposition(value)?).is_some() {
                return Err(malformed("more than one Content-Disposition"));
            }
        } else if name.eq_ignore_ascii_case(b"Content-Type") {
            if self.content_type.replace(text(value.to_vec())?).is_some() {
                return Err(malformed("more than one Content-Type"));
            }
        } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
            // RFC 7578 4.7: nobody sends others; RFC 2045 6.2: these change nothing.
            let is_identity =
                [&b"7bit"[..], b"8bit", b"binary"].iter().any(|e| value.eq_ignore_ascii_case(e));
            if !is_identity {
                return Err(refuse(415, "a part has a transfer encoding"));
            }
        }
        // RFC 7578 4.8: all others must be ignored.
        Ok(())
    }
}

/// RFC 7578 4.2: `form-data` with a name.
fn disposition(value: &[u8]) -> Result<Disposition, Refusal> {
    let end = value.iter().position(|&b| b == b';').unwrap_or(value.len());
    let (kind, rest) = value.split_at(end);
    if !trim(kind).eq_ignore_ascii_case(b"form-data") {
        return Err(malformed("a part is not form-data"));
    }
    let (mut name, mut file_name) = (None, None);
    for parameter in Parameters::new(rest, Quoting::Form) {
        let (key, value) = parameter.map_err(|_| malformed("a Content-Disposition is malformed"))?;
        let place = match &key.to_ascii_lowercase()[..] {
            b"name" => &mut name,
            b"filename" => &mut file_name,
            _ => continue,
        };
        if place.replace(text(value)?).is_some() {
            return Err(malformed("a Content-Disposition tells a name twice"));
        }
    }
    let name = name.ok_or(malformed("a part has no name"))?;
    Ok(Disposition { name, file_name })
}

/// RFC 7578 5.1.1: UTF-8 throughout.
fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|_| malformed("the head of a part is not UTF-8"))
}
