//! Responses, and their heads on the wire: RFC 9112 4 and 6.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::cookie::{CookieError, SetCookie};
use super::problem::Problem;

/// A status code: RFC 9110 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// The reason phrase.
    pub fn reason(self) -> &'static str {
        match self.0 {
            100 => "Continue",
            101 => "Switching Protocols",
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            204 => "No Content",
            301 => "Moved Permanently",
            302 => "Found",
            303 => "See Other",
            304 => "Not Modified",
            307 => "Temporary Redirect",
            308 => "Permanent Redirect",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            408 => "Request Timeout",
            409 => "Conflict",
            410 => "Gone",
            411 => "Length Required",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            417 => "Expectation Failed",
            422 => "Unprocessable Content",
            426 => "Upgrade Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            505 => "HTTP Version Not Supported",
            _ => "",
        }
    }

    /// An answer of it can have content: RFC 9110 15.2, 15.3.5, 15.3.6 and 15.4.5 are of those that cannot.
    pub(super) fn has_content(self) -> bool {
        !matches!(self.0, 100..=199 | 204 | 205 | 304)
    }
}

/// A body to send.
pub enum Body {
    /// Nothing.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// All of it, in pieces.
    Pieces(Vec<Bytes>),
    /// As there is room.
    Source(Box<dyn BodySource>),
}

impl Body {
    /// Its length, if that is known.
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Pieces(pieces) => Some(pieces.iter().map(|p| p.len() as u64).sum()),
            Self::Source(source) => source.len(),
        }
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes: no body reaches a log.
        write!(f, "Body({:?} bytes)", self.len())
    }
}

/// Gives a response's body, piece by piece, as there is room.
pub trait BodySource: Send {
    /// Its length, if that is known.
    fn len(&self) -> Option<u64>;

    /// There is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The next piece of at most `room` bytes, which is not zero.
    fn poll_body(&mut self, room: usize) -> Piece;
}

/// What a body gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some bytes, not none.
    Chunk(Bytes),
    /// Nothing now; the connection is woken when there is something.
    Pending,
    /// All was given.
    End,
}

/// An answer. Date, Connection, Content-Length and Transfer-Encoding are added on the wire.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The media type of the body, if there is one.
    pub content_type: Option<Cow<'static, str>>,
    /// Further fields.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Body,
}

impl Response {
    /// An answer with a body of a media type.
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, body: Body) -> Self {
        Self { status: Status(status), content_type: Some(content_type.into()), fields: Vec::new(), body }
    }

    /// An answer in plain text.
    pub fn text(status: u16, text: impl Into<Bytes>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Body::Whole(text.into()))
    }

    /// A page, which may run no script, be in no frame of another page, and tell nobody where its reader came from,
    /// unless `with` says otherwise.
    pub fn html(status: u16, page: impl Into<Bytes>) -> Self {
        const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'none'; \
                              object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
        Self::new(status, "text/html; charset=utf-8", Body::Whole(page.into()))
            .with("Content-Security-Policy", POLICY)
            .with("Referrer-Policy", "no-referrer")
    }

    /// An answer in JSON.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, "application/json", Body::Whole(format!("{value}\n").into()))
    }

    /// An answer without content.
    pub fn empty(status: u16) -> Self {
        Self { status: Status(status), content_type: None, fields: Vec::new(), body: Body::Empty }
    }

    /// A problem (RFC 9457).
    pub fn problem(status: u16, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::new(status, detail).into()
    }

    /// With a cookie.
    ///
    /// # Errors
    /// The cookie cannot be as it is.
    pub fn with_cookie(self, cookie: &SetCookie) -> Result<Self, CookieError> {
        Ok(self.with("Set-Cookie", cookie.value()?))
    }

    /// With this field, in place of one of that name.
    ///
    /// # Panics
    /// The value holds a control character, a line break say, or the field is one of those that are added on the wire
    /// and tell where the answer ends.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let value = value.into();
        assert_clean(name, &value);
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        assert!(!is("Content-Length") && !is("Transfer-Encoding"), "{name} is added on the wire");
        if is("Content-Type") {
            self.content_type = Some(value);
            return self;
        }
        // What is said once is said anew; Set-Cookie is the one that has no list form (RFC 9110 5.3).
        if !is("Set-Cookie") && !is("Vary") {
            self.fields.retain(|(known, _)| !is(known));
        }
        self.fields.push((name, value));
        self
    }
}

/// What somebody else has written may stand in a value, and must not end it (RFC 9110 5.5). What is borrowed for ever
/// is a text of the program's own.
#[expect(clippy::ptr_arg, reason = "whether it is borrowed is what matters")]
fn assert_clean(name: &str, value: &Cow<'static, str>) {
    if let Cow::Owned(value) = value {
        let is_clean = !value.bytes().any(|b| b.is_ascii_control() && b != b'\t');
        assert!(is_clean, "{name} would hold a control character");
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Content-Length, or none is needed.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// The connection ends with it: to HTTP/1.0, without a length.
    UntilClose,
}

/// The head of a response. `closes` says that the connection ends after it; `keeps_1_0` that an HTTP/1.0 client
/// asked to keep it.
pub(super) fn head(
    response: &Response,
    framing: Framing,
    date: &str,
    closes: bool,
    keeps_1_0: bool,
) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    let status = response.status;
    // Pieces, and no formatting: every answer comes this way.
    let mut put = |pieces: &[&str]| pieces.iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
    let mut digits = [0; 20];
    put(&["HTTP/1.1 ", decimal(status.0.into(), &mut digits), " ", status.reason(), "\r\nDate: ", date]);
    put(&["\r\nServer: taphouse\r\n"]);
    if let Some(content_type) = &response.content_type {
        assert_clean("Content-Type", content_type);
        // No browser shall take it for anything else.
        put(&["Content-Type: ", content_type, "\r\nX-Content-Type-Options: nosniff\r\n"]);
    }
    for (name, value) in &response.fields {
        assert_clean(name, value);
        put(&[name, ": ", value, "\r\n"]);
    }
    match framing {
        // RFC 9110 8.6: none of these has a length, 304 but that of the answer that it stands for.
        Framing::Length(_) if matches!(status.0, 0..=199 | 204 | 304) => {}
        Framing::Length(n) => put(&["Content-Length: ", decimal(n, &mut digits), "\r\n"]),
        Framing::Chunked => put(&["Transfer-Encoding: chunked\r\n"]),
        Framing::UntilClose => {}
    }
    match (closes, keeps_1_0) {
        (true, _) => put(&["Connection: close\r\n"]),
        (false, true) => put(&["Connection: keep-alive\r\n"]),
        (false, false) => {}
    }
    put(&["\r\n"]);
    out.freeze()
}

/// The digits of a number, written from the end of a buffer that holds any.
fn decimal(mut n: u64, buffer: &mut [u8; 20]) -> &str {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    std::str::from_utf8(&buffer[at..]).expect("digits are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_complete() {
        let response = Response::text(200, "hi").with("Allow", "GET");
        let head = head(&response, Framing::Length(2), "Sun, 06 Nov 1994 08:49:37 GMT", true, false);
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: taphouse\r\n\
             Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nAllow: GET\r\nContent-Length: 2\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn numbers_have_their_digits() {
        for n in [0, 7, 10, 200, 65_536, u64::MAX] {
            assert_eq!(decimal(n, &mut [0; 20]), n.to_string());
        }
    }
}
