//! Cookies as a server reads and sets them: RFC 6265 4.1 and 4.2, with `SameSite` and the prefixes of names from its
//! successor (draft-ietf-httpbis-rfc6265bis 4.1.2.7 and 4.1.3), which every browser heeds.
//!
//! Left out: what a user agent does (section 5), attributes beyond these, and what a value means: who needs more
//! than cookie-octets encodes them (4.1.1), who must trust a value signs it.
//!
//! A [`SetCookie`] can say nothing but what it was given: no part of it can begin another attribute or another
//! field.

use std::fmt::{self, Write as _};
use std::str;

use super::date::Date;
use super::parameters::trim;
use super::scanner::is_token;
use crate::limits;
use crate::time::Duration;

/// The cookies in the value of a Cookie field, in their order, at most [`limits::COOKIES`] of them.
///
/// A pair is skipped, and the others are read, if it has no equals sign, if its name is no token, or if its value
/// has controls or bytes beyond ASCII in it. Spaces, commas, backslashes and quotes in a value are taken as they
/// are, since user agents keep and send what they were once given (RFC 6265 5.2). Quotes around a whole value are
/// taken off: 4.1.1 lets a server set them, and they mean nothing. A semicolon ends a pair, in quotes too (5.4
/// knows no quotes), so that no cookie can hide another.
///
/// Two cookies may have one name, and their order means nothing (4.2.2).
pub fn cookies(value: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    value.split(|&b| b == b';').filter_map(pair).take(limits::COOKIES)
}

fn pair(piece: &[u8]) -> Option<(&str, &str)> {
    let equals = piece.iter().position(|&b| b == b'=')?;
    let (name, value) = (trim(&piece[..equals]), trim(&piece[equals + 1..]));
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    if !is_name(name) || !value.iter().all(|b| matches!(b, b' '..=b'~')) {
        return None;
    }
    Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?))
}

/// With requests of which other sites a cookie is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With none.
    Strict,
    /// With those that follow a link.
    Lax,
    /// With all. The cookie must be [`SetCookie::secure`].
    None,
}

/// A cookie to set.
///
/// Judged in two steps: [`SetCookie::new`] takes a name and a value that can be sent, [`SetCookie::value`] looks at
/// the attributes, also beside each other. An attribute that is given twice is the one that was given last (RFC
/// 6265 4.1.1).
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie {
    name: String,
    value: String,
    path: Option<String>,
    domain: Option<String>,
    max_age: Option<Duration>,
    expires: Option<u64>,
    is_secure: bool,
    is_http_only: bool,
    same_site: Option<SameSite>,
}

/// Why a cookie cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// The name is no token.
    Name,
    /// The value has something else than cookie-octets in it.
    Value,
    /// The name and the value are longer than [`limits::COOKIE_BYTES`] together.
    TooLong,
    /// The path is no path, or over 1,024 bytes long.
    Path,
    /// The domain is no name of a host.
    Domain,
    /// A name with `__Secure-` at its front, without Secure.
    SecurePrefix,
    /// A name with `__Host-` at its front, without Secure or `Path=/`, or with a domain.
    HostPrefix,
    /// `SameSite=None` without Secure.
    NotSecure,
}

impl SetCookie {
    /// A cookie for the rest of the browser's session, for the host that sets it and the directory of the request.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self, CookieError> {
        let (name, value) = (name.into(), value.into());
        if !is_name(name.as_bytes()) {
            return Err(CookieError::Name);
        }
        if !value.bytes().all(is_cookie_octet) {
            return Err(CookieError::Value);
        }
        if name.len() + value.len() > limits::COOKIE_BYTES {
            return Err(CookieError::TooLong);
        }
        Ok(Self {
            name,
            value,
            path: None,
            domain: None,
            max_age: None,
            expires: None,
            is_secure: false,
            is_http_only: false,
            same_site: None,
        })
    }

    /// Takes a cookie away. Path and domain must be those that it was set with (RFC 6265 4.1.2), and what its prefix
    /// asks for is asked here too.
    ///
    /// The grammar of 4.1.1 has no `Max-Age=0`, but 5.2.2 says what it means, and it beats a user agent's wrong
    /// clock; the date is for those that know no Max-Age.
    pub fn removal(name: impl Into<String>) -> Result<Self, CookieError> {
        Ok(Self::new(name, "")?.max_age(Duration::ZERO).expires(0))
    }

    /// Below which path it is sent, as `/`. RFC 6265 8.5: no protection of one path from another.
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// To which host it is sent, and to all hosts below that.
    pub fn domain(self, domain: impl Into<String>) -> Self {
        Self { domain: Some(domain.into()), ..self }
    }

    /// How long it is kept, in whole seconds, rounded up.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Until when it is kept, in seconds since 1970.
    pub fn expires(self, wall: u64) -> Self {
        Self { expires: Some(wall), ..self }
    }

    /// Sent by TLS alone.
    pub fn secure(self) -> Self {
        Self { is_secure: true, ..self }
    }

    /// Not shown to scripts.
    pub fn http_only(self) -> Self {
        Self { is_http_only: true, ..self }
    }

    /// With which other sites' requests it is sent.
    pub fn same_site(self, same_site: SameSite) -> Self {
        Self { same_site: Some(same_site), ..self }
    }

    /// The value of a Set-Cookie field.
    pub fn value(&self) -> Result<String, CookieError> {
        self.judge()?;
        let mut out = format!("{}={}", self.name, self.value);
        let mut add = |attribute: fmt::Arguments<'_>| {
            write!(out, "; {attribute}").expect("a string takes what is written");
        };
        if let Some(path) = &self.path {
            add(format_args!("Path={path}"));
        }
        if let Some(domain) = &self.domain {
            add(format_args!("Domain={domain}"));
        }
        if let Some(age) = self.max_age {
            add(format_args!("Max-Age={}", age.as_nanos().div_ceil(1_000_000_000)));
        }
        if let Some(wall) = self.expires {
            add(format_args!("Expires={}", Date::default().at(wall)));
        }
        if self.is_secure {
            add(format_args!("Secure"));
        }
        if self.is_http_only {
            add(format_args!("HttpOnly"));
        }
        match self.same_site {
            Some(SameSite::Strict) => add(format_args!("SameSite=Strict")),
            Some(SameSite::Lax) => add(format_args!("SameSite=Lax")),
            Some(SameSite::None) => add(format_args!("SameSite=None")),
            None => {}
        }
        Ok(out)
    }

    /// What user agents would ignore, or refuse in silence, is an error here.
    fn judge(&self) -> Result<(), CookieError> {
        if !self.path.as_deref().is_none_or(is_path) {
            return Err(CookieError::Path);
        }
        if !self.domain.as_deref().is_none_or(is_domain) {
            return Err(CookieError::Domain);
        }
        if has_prefix(&self.name, "__Secure-") && !self.is_secure {
            return Err(CookieError::SecurePrefix);
        }
        let is_of_host = self.is_secure && self.domain.is_none() && self.path.as_deref() == Some("/");
        if has_prefix(&self.name, "__Host-") && !is_of_host {
            return Err(CookieError::HostPrefix);
        }
        if self.same_site == Some(SameSite::None) && !self.is_secure {
            return Err(CookieError::NotSecure);
        }
        Ok(())
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the value: no credential reaches a log.
        write!(f, "SetCookie({}, {} bytes)", self.name, self.value.len())
    }
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a cookie's name must be a token: letters, digits and !#$%&'*+-.^_`|~",
            Self::Value => {
                "a cookie's value must be of printable ASCII without spaces, quotes, commas, semicolons and \
                 backslashes: encode it, by Base64 for instance"
            }
            Self::TooLong => "a cookie's name and value must not be over 4096 bytes long: send a key to it instead",
            Self::Path => {
                "a cookie's path must begin with a slash, be of printable ASCII without semicolons, and not be over \
                 1024 bytes long"
            }
            Self::Domain => "a cookie's domain must be the name of a host, without a dot at its ends",
            Self::SecurePrefix => "a cookie named __Secure-… must be Secure",
            Self::HostPrefix => "a cookie named __Host-… must be Secure, have the path / and no domain",
            Self::NotSecure => "a cookie with SameSite=None must be Secure",
        })
    }
}

impl std::error::Error for CookieError {}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| is_token(b))
}

/// RFC 6265 4.1.1.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

/// RFC 6265 4.1.1 and 5.2.4; user agents ignore attributes of over 1,024 bytes (rfc6265bis 5.6).
fn is_path(path: &str) -> bool {
    let is_clean = path.bytes().all(|b| matches!(b, b' '..=b'~') && b != b';');
    path.starts_with('/') && path.len() <= 1024 && is_clean
}

/// RFC 1034 3.5 as RFC 1123 2.1 has it: labels of letters, digits and hyphens inside. A dot in front would be
/// ignored, one at the end the whole attribute (RFC 6265 4.1.2.3).
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.len() <= 253 && domain.split('.').all(is_label)
}

/// In capitals or not: rfc6265bis 5.4.
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|front| front.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests;
