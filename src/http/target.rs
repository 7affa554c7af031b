//! Request targets and hosts: RFC 9112 3.2, RFC 9110 4.2 and 7.2, RFC 3986 3.
//!
//! A target is taken apart and nothing in it is decoded: that is done once, by whoever wants a segment of the path or a
//! parameter of the query. What a browser sends raw against the grammar of RFC 3986 (`[ ] { } | ^` and the backtick) is
//! let through, since the URL standard that browsers follow has it so.
//!
//! Left out: the authority-form, which is for proxies; schemes but `http`.

use super::head::{Method, Refusal, refuse};
use crate::fault::{self, Fault};

/// A target in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The authority of the absolute-form.
    pub(super) authority: Option<&'a str>,
    /// The path; `*` for the server as a whole.
    pub(super) path: &'a str,
    /// The query, without its question mark.
    pub(super) query: Option<&'a str>,
}

/// RFC 9112 3.2: origin-form, absolute-form, `*`. The scanner has seen that all of it is visible ASCII.
pub(super) fn parse(method: Method, target: &str) -> Result<Target<'_>, Refusal> {
    let malformed = refuse(400, "the request target is malformed");
    if method == Method::Connect {
        return Err(refuse(501, "CONNECT is for proxies"));
    }
    if target == "*" {
        let is_options = method == Method::Options;
        let whole = Target { authority: None, path: "*", query: None };
        return if is_options { Ok(whole) } else { Err(refuse(400, "* is a target of OPTIONS only")) };
    }
    if !is_well_formed(target) && !fault::is(Fault::TargetsUnchecked) {
        return Err(malformed);
    }
    let (authority, rest) = if target.starts_with('/') {
        (None, target)
    } else {
        let scheme = target.get(..7).filter(|s| s.eq_ignore_ascii_case("http://"));
        let rest = scheme.map(|_| &target[7..]).ok_or(malformed)?;
        let end = rest.bytes().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
        (Some(&rest[..end]), &rest[end..])
    };
    let (path, query) = match rest.bytes().position(|b| b == b'?') {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    Ok(Target { authority, path: if path.is_empty() { "/" } else { path }, query })
}

/// No delimiter that ends a URI, and each percent sign with its two digits (RFC 3986 2.1).
fn is_well_formed(target: &str) -> bool {
    let bytes = target.as_bytes();
    bytes.iter().enumerate().all(|(at, &byte)| match byte {
        b'"' | b'#' | b'<' | b'>' | b'\\' => false,
        b'%' => has_digits(&bytes[at + 1..]),
        _ => true,
    })
}

fn has_digits(rest: &[u8]) -> bool {
    rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit)
}

/// A host and its port, the default one where none is told: RFC 9110 4.2.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    host: &'a str,
    port: u16,
}

impl<'a> Authority<'a> {
    /// Reads `uri-host [ ":" port ]` (RFC 9110 7.2); `None` if it is something else. The host may be empty.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (&text[..address.len() + 2], after)
            }
            None => {
                let end = text.bytes().position(|b| b == b':').unwrap_or(text.len());
                let (host, after) = text.split_at(end);
                let bytes = host.as_bytes();
                let is_name = bytes.iter().enumerate().all(|(at, &byte)| match byte {
                    b'%' => has_digits(&bytes[at + 1..]),
                    _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
                });
                (is_name.then_some(host)?, after)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => 80,
            Some("") => 80,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// Nobody is named.
    pub(super) fn is_empty(&self) -> bool {
        self.host.is_empty()
    }

    /// Both name the same (RFC 9110 4.2.3).
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(other.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_read_by_their_grammar() {
        for (text, host, port) in [
            ("", "", 80),
            ("a", "a", 80),
            ("a:", "a", 80),
            ("a:8080", "a", 8080),
            ("a%2db", "a%2db", 80),
            ("[::1]:81", "[::1]", 81),
            (":80", "", 80),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((authority.host, authority.port), (host, port), "{text}");
        }
        let wrong =
            ["a b", "a:b", "a:+1", "a:1:2", "a:65536", "::1", "[::1", "a]", "[::1]a", "[]", "a%zz", "u@a"];
        for wrong in wrong {
            assert!(Authority::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_browsers_send_raw_is_let_through() {
        assert_eq!(
            parse(Method::Get, "/a[0]?b[]={c}|^`"),
            Ok(Target { authority: None, path: "/a[0]", query: Some("b[]={c}|^`") })
        );
        for wrong in ["/a%", "/a%4", "/a?%zz", "/\"", "/<", "/a\\b", "/a#b", "a", "?a", "https://a/"] {
            assert!(parse(Method::Get, wrong).is_err(), "{wrong}");
        }
    }
}
