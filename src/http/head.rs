//! Request heads: RFC 9112 2 to 6, RFC 9110 5 to 9.
//!
//! [`Scanner`] looks at each byte once, wherever the head is cut, and finds its end; `httparse` then cuts it into
//! tokens, once. It takes a bare LF for a line end and knows no relation between fields, so both are judged here.

use std::mem::MaybeUninit;
use std::str;

use super::response::Status;
use crate::fault::{self, Fault};
use crate::limits;

/// Finds the end of a head that arrives in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    scanned: usize,
    line_start: usize,
    has_request_line: bool,
}

/// Why a request is refused, before anybody looks at what it asks for. The connection ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: Status,
    /// What was wrong.
    pub detail: &'static str,
}

const fn refuse(status: u16, detail: &'static str) -> Refusal {
    Refusal { status: Status(status), detail }
}

impl Scanner {
    /// Looks at what of `head` it has not seen. Gives the length of the head once its empty line has come.
    pub(super) fn scan(&mut self, head: &[u8]) -> Result<Option<usize>, Refusal> {
        while let Some(&byte) = head.get(self.scanned) {
            let at = self.scanned;
            self.scanned += 1;
            match byte {
                b'\n' => {
                    let follows_cr = at > self.line_start && head[at - 1] == b'\r';
                    if !follows_cr && !fault::is(Fault::BareLfAccepted) {
                        return Err(refuse(400, "a line ends in a bare LF"));
                    }
                    let is_empty = at == self.line_start + usize::from(follows_cr);
                    self.line_start = at + 1;
                    match (is_empty, self.has_request_line) {
                        (true, true) => return Ok(Some(at + 1)),
                        // RFC 9112 2.2: an empty line before the request line is ignored, a few of them here.
                        (true, false) if at > 8 => {
                            return Err(refuse(400, "empty lines instead of a request"));
                        }
                        (true, false) => {}
                        (false, _) => self.has_request_line = true,
                    }
                }
                0 => return Err(refuse(400, "a NUL in the head")),
                _ if at > self.line_start && head[at - 1] == b'\r' => {
                    return Err(refuse(400, "a CR without LF"));
                }
                _ => {}
            }
        }
        // The method and the version take some room beside the target.
        if !self.has_request_line && self.scanned - self.line_start > limits::TARGET_BYTES + 64 {
            return Err(refuse(414, "the request target is too long"));
        }
        if self.scanned > limits::HEAD_BYTES {
            return Err(refuse(431, "the head is too long"));
        }
        Ok(None)
    }
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
#[derive(Debug)]
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
    fields: &'a [httparse::Header<'a>],
    pub(super) body: BodyLength,
    pub(super) keeps: bool,
    pub(super) expects_continue: bool,
}

impl<'a> Request<'a> {
    /// The value of the first field of this name, white space around it removed.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.fields.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.trim_ascii())
    }

    /// The elements of a list field: RFC 9110 5.6.1.
    fn list<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.values(name)
            .flat_map(|v| v.split(|&b| b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|e| !e.is_empty())
    }
}

/// Cuts a whole head into tokens, judges it, and lends it to `use_it`.
pub(super) fn parse<T>(head: &[u8], use_it: impl FnOnce(&Request<'_>) -> T) -> Result<T, Refusal> {
    let mut fields = [const { MaybeUninit::uninit() }; limits::HEADER_FIELDS];
    let mut raw = httparse::Request::new(&mut []);
    match raw.parse_with_uninit_headers(head, &mut fields) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(refuse(400, "the head is not complete")),
        Err(httparse::Error::TooManyHeaders) => return Err(refuse(431, "too many header fields")),
        Err(httparse::Error::Version) => return Err(wrong_version(head)),
        Err(_) => return Err(refuse(400, "the head is malformed")),
    }
    let version = if raw.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let method =
        Method::parse(raw.method.unwrap_or_default()).ok_or(refuse(501, "the method is not known"))?;
    let target = raw.path.unwrap_or_default();
    if target.len() > limits::TARGET_BYTES {
        return Err(refuse(414, "the request target is too long"));
    }
    let (authority, path, query) = split_target(method, target)?;
    let mut request = Request {
        method,
        path,
        query,
        version,
        host: "",
        fields: raw.headers,
        body: BodyLength::Exactly(0),
        keeps: false,
        expects_continue: false,
    };
    request.host = host(&request, authority)?;
    request.body = body_length(&request)?;
    let closes = request.list("Connection").any(|t| t.eq_ignore_ascii_case(b"close"));
    let keeps = request.list("Connection").any(|t| t.eq_ignore_ascii_case(b"keep-alive"));
    request.keeps = !closes && (version == Version::Http11 || keeps);
    request.expects_continue = expects_continue(&request)?;
    Ok(use_it(&request))
}

/// RFC 9110 15.6.6 for any version but the two that are spoken, HTTP/1.2 among them (which RFC 9110 6.2 would take for
/// 1.1; nobody sends it, and httparse does not read it); 400 for what is no version.
fn wrong_version(head: &[u8]) -> Refusal {
    let line = head.split(|&b| b == b'\r').find(|l| !l.trim_ascii().is_empty()).unwrap_or_default();
    match line.rsplit(|&b| b == b' ').next() {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            refuse(505, "only the versions 1.1 and 1.0 are spoken here")
        }
        _ => refuse(400, "the request line is malformed"),
    }
}

/// RFC 9112 3.2: origin-form, absolute-form, `*`. The authority-form is for CONNECT, which a proxy would know.
fn split_target(method: Method, target: &str) -> Result<(Option<&str>, &str, Option<&str>), Refusal> {
    if !target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err(refuse(400, "the request target is malformed"));
    }
    if method == Method::Connect {
        return Err(refuse(501, "CONNECT is for proxies"));
    }
    if target == "*" {
        let is_options = method == Method::Options;
        return if is_options {
            Ok((None, "*", None))
        } else {
            Err(refuse(400, "* is a target of OPTIONS only"))
        };
    }
    let (authority, rest) = if target.starts_with('/') {
        (None, target)
    } else {
        let scheme = target.get(..7).filter(|s| s.eq_ignore_ascii_case("http://"));
        let rest = scheme.map(|_| &target[7..]).ok_or(refuse(400, "the request target is malformed"))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        (Some(&rest[..end]), &rest[end..])
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    Ok((authority, if path.is_empty() { "/" } else { path }, query))
}

/// RFC 9112 3.2: one Host, required by HTTP/1.1. Where an absolute target names another host, RFC 9112 3.2.2 lets the
/// target win; here it is refused, since two programs may each believe the other of the two.
fn host<'a>(request: &Request<'a>, authority: Option<&'a str>) -> Result<&'a str, Refusal> {
    let mut hosts = request.values("Host");
    let host = match (hosts.next(), hosts.next()) {
        _ if fault::is(Fault::HostUnchecked) => return Ok(""),
        (Some(_), Some(_)) => return Err(refuse(400, "more than one Host")),
        (None, _) if request.version == Version::Http11 => return Err(refuse(400, "no Host")),
        (host, _) => str::from_utf8(host.unwrap_or_default()).unwrap_or("\n"),
    };
    for authority in [Some(host), authority].into_iter().flatten() {
        let is_fine =
            authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&b));
        if !is_fine {
            return Err(refuse(400, "the host is malformed"));
        }
    }
    match authority {
        Some("") => Err(refuse(400, "the request target has no host")),
        Some(authority) if request.version == Version::Http11 && !authority.eq_ignore_ascii_case(host) => {
            Err(refuse(400, "Host and the request target do not agree"))
        }
        Some(authority) => Ok(authority),
        None => Ok(host),
    }
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
    use super::*;

    /// The status of the refusal, or 0.
    fn judge(head: &str) -> u16 {
        let mut scanner = Scanner::default();
        match scanner.scan(head.as_bytes()) {
            Err(refusal) => refusal.status.0,
            Ok(None) => 1,
            Ok(Some(len)) => parse(&head.as_bytes()[..len], |_| 0).unwrap_or_else(|r| r.status.0),
        }
    }

    fn with_fields(fields: &str) -> u16 {
        judge(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"))
    }

    #[test]
    fn request_lines_are_judged() {
        for (line, status) in [
            ("GET / HTTP/1.1", 0),
            ("\r\nGET / HTTP/1.1", 0),
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
            ("GET / HTTP/1.2", 505),
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
        assert_eq!(judge(&"\r\n".repeat(20)), 400);
    }

    #[test]
    fn the_end_is_found_wherever_the_head_is_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for cut in 0..head.len() {
            let mut scanner = Scanner::default();
            let first = scanner.scan(&head[..cut]).unwrap();
            assert_eq!(first.or_else(|| scanner.scan(head).unwrap()), Some(head.len() - 4), "{cut}");
        }
    }
}
