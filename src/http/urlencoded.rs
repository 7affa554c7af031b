//! Percent-encoding, and the forms and queries made of it: RFC 3986 2.1, and `application/x-www-form-urlencoded` of
//! the WHATWG URL Standard, 5.1.
//!
//! Stricter than the Standard, whose parser fails never: a percent sign needs its two digits, and names and values
//! must be UTF-8, since what two programs read in two ways passes the checks of one for the use of the other.
//! Everything is decoded exactly once.
//!
//! Left out: other charsets, `_charset_` and `isindex`, which the Standard has left behind as well.

use std::borrow::Cow;
use std::fmt;
use std::str;

use super::head::{Refusal, refuse};
use crate::fault::{self, Fault};
use crate::limits;

/// Why a text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEncoding {
    /// A percent sign without two hexadecimal digits behind it.
    Percent,
    /// Bytes that are not UTF-8, written as they are or by percent signs.
    NotUtf8,
}

impl BadEncoding {
    const fn detail(self) -> &'static str {
        match self {
            Self::Percent => "a percent sign without two hexadecimal digits",
            Self::NotUtf8 => "a name or value that is not UTF-8",
        }
    }
}

impl fmt::Display for BadEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for BadEncoding {}

impl From<BadEncoding> for Refusal {
    fn from(bad: BadEncoding) -> Self {
        refuse(400, bad.detail())
    }
}

/// The bytes that a text stands for: RFC 3986 2.1. A plus sign is itself. Whoever decodes a path must cut it first
/// and judge what comes out: `%2F`, `%2E` and `%00` become what they stand for.
pub fn percent_decode(text: &str) -> Result<Cow<'_, [u8]>, BadEncoding> {
    decode(text.as_bytes(), b'+')
}

/// The names and values of a query or a form, in their order, decoded: a plus sign is a space, `a` is `a=`, and
/// where there is nothing between two ampersands there is nothing. Any name may come twice, and be empty.
///
/// A pair that cannot be decoded is an error in its place; the others come all the same.
pub fn pairs(text: &[u8]) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), BadEncoding>> {
    text.split(|&b| b == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        let equals = piece.iter().position(|&b| b == b'=');
        let (name, value) = equals.map_or((piece, &[][..]), |at| (&piece[..at], &piece[at + 1..]));
        Ok((decode_text(name)?, decode_text(value)?))
    })
}

/// A form that was read whole.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body, or a query. Refused by 400 if any of it cannot be decoded, by 413 if there are more fields than
    /// [`limits::FORM_FIELDS`].
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Vec::new();
        for pair in pairs(text) {
            if fields.len() == limits::FORM_FIELDS {
                return Err(refuse(413, "the form has too many fields"));
            }
            let (name, value) = pair?;
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The values of all fields of this name, in their order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// All names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never what was typed: no body reaches a log.
        write!(f, "Form({} fields)", self.0.len())
    }
}

fn decode_text(text: &[u8]) -> Result<Cow<'_, str>, BadEncoding> {
    match decode(text, b' ')? {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| BadEncoding::NotUtf8),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| BadEncoding::NotUtf8),
    }
}

/// Decodes once; `plus` is what a plus sign stands for.
fn decode(text: &[u8], plus: u8) -> Result<Cow<'_, [u8]>, BadEncoding> {
    let is_coded = |&b: &u8| b == b'%' || b == b'+' && plus != b'+';
    let Some(plain) = text.iter().position(is_coded) else { return Ok(Cow::Borrowed(text)) };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..plain]);
    let mut rest = text[plain..].iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'%' => hex(rest.next())? << 4 | hex(rest.next())?,
            b'+' => plus,
            _ => byte,
        });
    }
    if fault::is(Fault::DecodedTwice) {
        return Ok(Cow::Owned(decode(&out, plus).unwrap_or_default().into_owned()));
    }
    Ok(Cow::Owned(out))
}

fn hex(digit: Option<&u8>) -> Result<u8, BadEncoding> {
    match digit {
        Some(b @ b'0'..=b'9') => Ok(b - b'0'),
        Some(b @ b'a'..=b'f') => Ok(b - b'a' + 10),
        Some(b @ b'A'..=b'F') => Ok(b - b'A' + 10),
        _ => Err(BadEncoding::Percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percent_signs_are_decoded_once() {
        for (text, wanted) in [
            // RFC 3986 2.1: both cases of the digits; 2.4: once.
            ("", Ok(&b""[..])),
            ("a+b", Ok(b"a+b")),
            ("%41%2f%2F%00", Ok(b"A//\0")),
            ("%2541", Ok(b"%41")),
            ("%e9x\u{e9}", Ok(b"\xe9x\xc3\xa9")),
            // RFC 3986 2.1: two hexadecimal digits.
            ("%", Err(BadEncoding::Percent)),
            ("a%4", Err(BadEncoding::Percent)),
            ("%zz", Err(BadEncoding::Percent)),
            ("%4g", Err(BadEncoding::Percent)),
            ("%+1", Err(BadEncoding::Percent)),
            ("%%41", Err(BadEncoding::Percent)),
            ("%u0041", Err(BadEncoding::Percent)),
        ] {
            assert_eq!(percent_decode(text).as_deref(), wanted.as_deref(), "{text:?}");
        }
    }

    #[test]
    fn what_needs_no_decoding_is_borrowed() {
        assert!(matches!(percent_decode("a+b"), Ok(Cow::Borrowed(b"a+b"))));
        let all: Vec<_> = pairs(b"a=b&c=d+e").map(Result::unwrap).collect();
        assert!(matches!(
            &all[..],
            [(Cow::Borrowed("a"), Cow::Borrowed("b")), (Cow::Borrowed("c"), Cow::Owned(_))]
        ));
    }

    #[test]
    fn forms_are_read_as_the_url_standard_says() {
        type Fields = [(&'static str, &'static str)];
        let cases: &[(&[u8], &Fields)] = &[
            // URL Standard 5.1, step 3.1: empty pieces.
            (b"", &[]),
            (b"&&&", &[]),
            (b"&a=1&&b=2&", &[("a", "1"), ("b", "2")]),
            // Steps 3.2 and 3.3: the first equals sign, or none.
            (b"a", &[("a", "")]),
            (b"a=b=c", &[("a", "b=c")]),
            (b"=a&=", &[("", "a"), ("", "")]),
            // Steps 3.4 and 3.5: plus signs first, then percent signs, each once.
            (b"a+b=c+d", &[("a b", "c d")]),
            (b"a=%2B%26%3D%25%32%35", &[("a", "+&=%25")]),
            (b"Utf%C3%B6r=\xc3\xb6%00", &[("Utf\u{f6}r", "\u{f6}\0")]),
            // A semicolon parts nothing, and names may come twice.
            (b"a=1;b=2&a=3", &[("a", "1;b=2"), ("a", "3")]),
        ];
        for (text, wanted) in cases {
            let form = Form::parse(text).unwrap();
            assert_eq!(&form.iter().collect::<Vec<_>>(), wanted, "{text:?}");
        }
    }

    #[test]
    fn fields_are_found_by_their_name() {
        let form = Form::parse(b"a=1&b=2&a=3").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (Some("1"), Some("2"), None));
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(form.all("c").count(), 0);
        assert_eq!(format!("{form:?}"), "Form(3 fields)");
    }

    #[test]
    fn malformed_forms_are_refused() {
        for bad in [
            // RFC 3986 2.1, where the URL Standard would take the percent sign as it is.
            &b"a=%"[..],
            b"a=%4",
            b"%zz",
            b"a=1&b=%G0&c=2",
            // Not UTF-8, where the Standard would put U+FFFD.
            b"Utf%F6r=Send",
            b"a=\xff",
            b"a=%C3&b=%B6",
            b"a=%ED%A0%80",
            b"a=%C0%80",
        ] {
            assert_eq!(Form::parse(bad).map_err(|r| r.status.0), Err(400), "{bad:?}");
        }
        let mixed: Vec<_> = pairs(b"a=1&b=%&c=3").map(|p| p.is_ok()).collect();
        assert_eq!(mixed, [true, false, true]);
    }

    #[test]
    fn too_many_fields_are_refused() {
        let at_limit = "a&".repeat(limits::FORM_FIELDS);
        assert_eq!(Form::parse(at_limit.as_bytes()).unwrap().iter().count(), limits::FORM_FIELDS);
        assert_eq!(Form::parse((at_limit + "a").as_bytes()).map_err(|r| r.status.0), Err(413));
    }

    /// The URL Standard's serializer.
    fn encode(text: &str) -> String {
        let each = |b: u8| match b {
            b' ' => "+".to_owned(),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => (b as char).to_string(),
            _ => format!("%{b:02X}"),
        };
        text.bytes().map(each).collect()
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'%'), Just(b'&')], 0..200)) {
            let _ = Form::parse(&bytes);
        }

        #[test]
        fn what_was_encoded_comes_back(fields in proptest::collection::vec((any::<String>(), any::<String>()), 0..20)) {
            let text = fields.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect::<Vec<_>>().join("&");
            prop_assert_eq!(Form::parse(text.as_bytes()).unwrap(), Form(fields));
        }

        #[test]
        fn any_bytes_can_be_percent_encoded(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let text: String = bytes.iter().map(|b| format!("%{b:02x}")).collect();
            prop_assert_eq!(percent_decode(&text).unwrap(), &bytes[..]);
        }
    }
}
