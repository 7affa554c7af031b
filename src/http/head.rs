//! Request heads: RFC 9112 3 to 6, RFC 9110 5 to 9.
//!
//! The scanner has found the end of a head and judged its line ends; `httparse` cuts it into tokens, once. It knows no
//! relation between fields, so what they say together is judged here.

use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::{fmt, str};

use super::arguments::Arguments;
use super::cookie::cookies;
use super::handler::{House, Wake};
use super::problem::{Place, Problem};
use super::response::Status;
use super::target::{self, Authority};
use crate::fault::{self, Fault};
use crate::limits;
use crate::mail::Line;
use crate::time::Now;

/// Why a request is refused, before anybody looks at what it asks for. The connection ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: Status,
    /// What was wrong.
    pub detail: &'static str,
}

pub(super) const fn refuse(status: u16, detail: &'static str) -> Refusal {
    Refusal { status: Status(status), detail }
}

/// Methods of RFC 9110 9 and RFC 5789.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFC names them")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Connect,
}

impl Method {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Trace => "TRACE",
            Self::Connect => "CONNECT",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "TRACE" => Self::Trace,
            "CONNECT" => Self::Connect,
            _ => return None,
        })
    }
}

/// The minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the end of a request's body is told: RFC 9112 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    Exactly(u64),
    Chunked,
}

/// A request's head, lent from the buffer in which it arrived.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path of the target, as it was sent; `*` for the server as a whole.
    pub path: &'a str,
    /// The query of the target, without its question mark.
    pub query: Option<&'a str>,
    /// The version.
    pub version: Version,
    /// The host that is asked, with its port if there is one.
    pub host: &'a str,
    /// When it is asked.
    pub now: Now,
    pub(super) house: &'a dyn House,
    /// The parameters of its path, as they were sent, by the router.
    pub(super) captured: &'a [(&'a str, &'a str)],
    pub(super) fields: &'a [httparse::Header<'a>],
    pub(super) body: BodyLength,
    pub(super) keeps: bool,
    pub(super) expects_continue: bool,
}

impl<'a> Request<'a> {
    /// Whose request it is.
    pub fn peer(&self) -> SocketAddrV4 {
        self.house.peer()
    }

    /// What the house counts, in the text format of Prometheus.
    pub fn metrics(&self) -> String {
        let mut text = String::with_capacity(8 << 10);
        self.house.write_metrics(&mut text);
        text
    }

    /// A line to the connection, to wake a body of it.
    pub fn wake_line(&self) -> Line<Wake> {
        self.house.wake_line()
    }

    /// A parameter of the path, typed: `let id: i64 = request.parameter("id")?` on `/users/{id}`. Or several, so that
    /// all that are wrong are told at once: `let (a, b): (i64, String) = request.parameter(["a", "b"])?`.
    ///
    /// # Errors
    /// 422, with what is wrong.
    ///
    /// # Panics
    /// The route has no such parameter.
    pub fn parameter<T: Arguments<N>, N>(&self, names: N) -> Result<T, Problem> {
        T::read_all(self, Place::Path, names)
    }

    /// A parameter of the query, typed, or several, in the same way. One that may be missing is an `Option`.
    ///
    /// # Errors
    /// 422, with what is wrong.
    pub fn query_parameter<T: Arguments<N>, N>(&self, names: N) -> Result<T, Problem> {
        T::read_all(self, Place::Query, names)
    }

    /// The cookies that came, in their order (RFC 6265 5.4). A name may come twice.
    pub fn cookies(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.values("Cookie").flat_map(cookies)
    }

    /// The value of the first field of this name, white space around it removed.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The values of all fields of this name, in their order.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.fields.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.trim_ascii())
    }

    /// The elements of a list field: RFC 9110 5.6.1.
    pub fn list<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.values(name)
            .flat_map(|v| v.split(|&b| b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|e| !e.is_empty())
    }
}

impl fmt::Debug for Request<'_> {
    /// No field and no query: what is secret stands there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method.name(), self.path)
    }
}

/// Cuts a whole head into tokens, judges it, and lends it to `use_it`.
pub(super) fn parse<T>(
    head: &[u8],
    now: Now,
    house: &dyn House,
    use_it: impl FnOnce(&Request<'_>) -> T,
) -> Result<T, Refusal> {
    let mut fields = [const { MaybeUninit::uninit() }; limits::HEADER_FIELDS];
    let mut raw = httparse::Request::new(&mut []);
    match raw.parse_with_uninit_headers(head, &mut fields) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(refuse(400, "the head is not complete")),
        Err(httparse::Error::TooManyHeaders) => return Err(refuse(431, "too many header fields")),
        Err(httparse::Error::Version) => return parse(&as_known_version(head)?, now, house, use_it),
        Err(_) => return Err(refuse(400, "the head is malformed")),
    }
    let version = if raw.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let method =
        Method::parse(raw.method.unwrap_or_default()).ok_or(refuse(501, "the method is not known"))?;
    let target = target::parse(method, raw.path.unwrap_or_default())?;
    let mut request = Request {
        method,
        path: target.path,
        query: target.query,
        version,
        host: "",
        now,
        house,
        captured: &[],
        fields: raw.headers,
        body: BodyLength::Exactly(0),
        keeps: false,
        expects_continue: false,
    };
    request.host = host(&request, target.authority)?;
    request.body = body_length(&request)?;
    let closes = request.list("Connection").any(|t| t.eq_ignore_ascii_case(b"close"));
    let keeps = request.list("Connection").any(|t| t.eq_ignore_ascii_case(b"keep-alive"));
    request.keeps = !closes && (version == Version::Http11 || keeps);
    request.expects_continue = expects_continue(&request)?;
    Ok(use_it(&request))
}

/// A head of HTTP/1.2 or later as one of 1.1, which RFC 9110 6.2 takes it for, and `httparse` does not read. 505 for
/// another major version (RFC 9110 15.6.6), 400 for what is no version.
fn as_known_version(head: &[u8]) -> Result<Vec<u8>, Refusal> {
    let end = head.iter().position(|&b| b == b'\r').unwrap_or(head.len());
    match head[..end].rsplit(|&b| b == b' ').next() {
        Some(b"HTTP/1.0" | b"HTTP/1.1") | None => Err(refuse(400, "the head is malformed")),
        Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor]) if minor.is_ascii_digit() => {
            let mut head = head.to_vec();
            head[end - 1] = b'1';
            Ok(head)
        }
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(refuse(505, "only the versions 1.1 and 1.0 are spoken here"))
        }
        _ => Err(refuse(400, "the request line is malformed")),
    }
}

/// RFC 9112 3.2: one Host, required by HTTP/1.1. Where an absolute target names another host, RFC 9112 3.2.2 lets the
/// target win; here it is refused, since two programs may each believe the other of the two.
fn host<'a>(request: &Request<'a>, authority: Option<&'a str>) -> Result<&'a str, Refusal> {
    const MALFORMED: Refusal = refuse(400, "the host is malformed");
    let mut hosts = request.values("Host");
    let field = match (hosts.next(), hosts.next()) {
        _ if fault::is(Fault::HostUnchecked) => return Ok(""),
        (Some(_), Some(_)) => return Err(refuse(400, "more than one Host")),
        (None, _) if request.version == Version::Http11 => return Err(refuse(400, "no Host")),
        (host, _) => str::from_utf8(host.unwrap_or_default()).map_err(|_| MALFORMED)?,
    };
    let host = Authority::parse(field).ok_or(MALFORMED)?;
    let Some(target) = authority else { return Ok(field) };
    let named = Authority::parse(target).ok_or(MALFORMED)?;
    if named.is_empty() {
        return Err(refuse(400, "the request target has no host"));
    }
    if request.version == Version::Http11 && !named.agrees_with(&host) {
        return Err(refuse(400, "Host and the request target do not agree"));
    }
    Ok(target)
}

/// RFC 9112 6.3, and every doubt is a refusal: what two programs read in two ways smuggles requests.
fn body_length(request: &Request<'_>) -> Result<BodyLength, Refusal> {
    let mut lengths = request.values("Content-Length");
    let mut codings = request.values("Transfer-Encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(BodyLength::Exactly(0)),
        (Some(_), Some(_)) => Err(refuse(400, "both Content-Length and Transfer-Encoding")),
        (Some(length), None) => {
            if lengths.next().is_some() {
                return Err(refuse(400, "more than one Content-Length"));
            }
            let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let number = str::from_utf8(length).ok().and_then(|l| l.parse().ok()).filter(|_| is_number);
            number.map(BodyLength::Exactly).ok_or(refuse(400, "Content-Length is no number of bytes"))
        }
        (None, Some(coding)) => {
            if request.version == Version::Http10 {
                return Err(refuse(400, "Transfer-Encoding in HTTP/1.0"));
            }
            if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") {
                return Ok(BodyLength::Chunked);
            }
            let mut all = request.list("Transfer-Encoding").collect::<Vec<_>>();
            let ends_chunked = all.pop().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
            let chunked_once = !all.iter().any(|c| c.eq_ignore_ascii_case(b"chunked"));
            if ends_chunked && chunked_once && !all.is_empty() {
                return Err(refuse(501, "no transfer coding but chunked is known"));
            }
            Err(refuse(400, "Transfer-Encoding is not exactly chunked"))
        }
    }
}

/// RFC 9110 10.1.1.
fn expects_continue(request: &Request<'_>) -> Result<bool, Refusal> {
    match request.field("Expect") {
        None => Ok(false),
        Some(e) if e.eq_ignore_ascii_case(b"100-continue") => Ok(request.version == Version::Http11),
        Some(_) => Err(refuse(417, "only 100-continue can be expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scanner::{Scan, Scanner};
    use super::super::testing::{Alone, NOW};
    use super::*;

    /// The status of the refusal, or 0.
    fn judge(head: &str) -> u16 {
        match Scanner::default().scan(head.as_bytes()) {
            Err(refusal) => refusal.status.0,
            Ok(Scan::NeedMore | Scan::Blank(_)) => 1,
            Ok(Scan::Head(len)) => {
                parse(&head.as_bytes()[..len], NOW, &Alone, |_| 0).unwrap_or_else(|r| r.status.0)
            }
        }
    }

    fn with_fields(fields: &str) -> u16 {
        judge(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"))
    }

    #[test]
    fn request_lines_are_judged() {
        for (line, status) in [
            ("GET / HTTP/1.1", 0),
            ("\r\nGET / HTTP/1.1", 1),
            ("GET http://a/b?c HTTP/1.1", 0),
            ("OPTIONS * HTTP/1.1", 0),
            ("GET * HTTP/1.1", 400),
            ("GET b HTTP/1.1", 400),
            ("GET http://b/ HTTP/1.1", 400),
            ("GET /a#b HTTP/1.1", 400),
            ("GET  / HTTP/1.1", 400),
            (" GET / HTTP/1.1", 400),
            ("GET /", 400),
            ("GET / HTTP/1.1 x", 400),
            ("GET /\u{e9} HTTP/1.1", 400),
            ("G@T / HTTP/1.1", 400),
            ("BREW / HTTP/1.1", 501),
            ("get / HTTP/1.1", 501),
            ("CONNECT a:80 HTTP/1.1", 501),
            ("GET / HTTP/2.0", 505),
            ("GET / HTTP/1.2", 0),
            ("GET / HTTP/1.x", 400),
            ("GET / http/1.1", 400),
        ] {
            assert_eq!(judge(&format!("{line}\r\nHost: a\r\n\r\n")), status, "{line:?}");
        }
    }

    #[test]
    fn hosts_are_judged() {
        assert_eq!(judge("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(judge("GET / HTTP/1.0\r\n\r\n"), 0);
        assert_eq!(with_fields("Host: a"), 400);
        assert_eq!(judge("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
        assert_eq!(judge("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 0);
    }

    #[test]
    fn lengths_that_smuggle_are_refused() {
        for (fields, status) in [
            ("Content-Length: 5", 0),
            ("Transfer-Encoding: chunked", 0),
            ("transfer-encoding: CHUNKED", 0),
            ("Content-Length: 5\r\nContent-Length: 5", 400),
            ("Content-Length: 5, 5", 400),
            ("Content-Length: +5", 400),
            ("Content-Length: 0x5", 400),
            ("Content-Length:", 400),
            ("Content-Length: 99999999999999999999999", 400),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked, gzip", 400),
            ("Transfer-Encoding: xchunked", 400),
            ("Transfer-Encoding: gzip, chunked", 501),
            ("Transfer-Encoding: \"chunked\"", 400),
            ("Content-Length : 5", 400),
            (" Content-Length: 5", 400),
            ("X: a\r\n b", 400),
            ("X: a\nY: b", 400),
            ("X: a\rb", 400),
            ("X: a\0b", 400),
            ("Expect: 100-continue", 0),
            ("Expect: tea", 417),
        ] {
            assert_eq!(with_fields(fields), status, "{fields:?}");
        }
        assert_eq!(judge("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    }

    #[test]
    fn limits_have_their_answers() {
        assert_eq!(judge(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000))), 414);
        assert_eq!(judge(&format!("GET /{}", "a".repeat(9000))), 414);
        assert_eq!(with_fields(&"X: y\r\n".repeat(101)[..101 * 6 - 2]), 431);
        assert_eq!(with_fields(&"X: y\r\n".repeat(99)[..99 * 6 - 2]), 0);
        assert_eq!(judge(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(70_000))), 431);
    }
}
