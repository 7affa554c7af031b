//! Who asks: by the token in the request, RFC 6750.
//!
//! A token comes in the Authorization field, or in a cookie, which a browser sends along whoever made it ask. So
//! where something is changed, or a socket opened, a cookie counts only if the request says that a page of this house
//! makes it.

use super::accounts::{Permission, SessionId};
use super::service::Service;
use super::tokens::{Claims, Refusal};
use crate::fault::{self, Fault};
use crate::http::{Problem, Request, Response};

/// The cookie with the access token.
pub(super) const ACCESS_COOKIE: &str = "taphouse_access";
/// The cookie with the refresh token.
pub(super) const REFRESH_COOKIE: &str = "taphouse_refresh";

/// What stands before a token in the name of a subprotocol: for browsers, whose scripts can set no field.
const BEARER: &str = "bearer.";

/// What a request wants to do, as far as cookies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// To see something.
    ToRead,
    /// To change something.
    ToChange,
}

/// What a request shows of who asks.
enum Shown<'a> {
    /// A token that was put there by whoever asks.
    Token(&'a str),
    /// One that a browser sends along.
    Cookie(&'a str),
}

impl Service {
    /// Who asks.
    ///
    /// # Errors
    /// 401, with what is wrong with the token; 403 for a cookie from elsewhere.
    pub(super) fn identify(&self, request: &Request<'_>, wants: Wants) -> Result<Claims, Response> {
        self.identify_by(request, shown(request).map_err(unauthorized)?, wants)
    }

    /// Who wants to see tables, or to sit at one: nobody in particular, where that is allowed.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    pub(super) fn identify_guest(
        &self,
        request: &Request<'_>,
        wants: Wants,
    ) -> Result<Option<Claims>, Response> {
        let by_protocol = bearer_protocol(request).and_then(|name| name.strip_prefix(BEARER));
        let shown = match shown(request) {
            Ok(Shown::Token(token)) => Ok(Shown::Token(token)),
            other => by_protocol.map(Shown::Token).map_or(other, Ok),
        };
        match shown {
            Ok(shown) => self.identify_by(request, shown, wants).map(Some),
            Err(Refusal::Missing) if self.settings.open_tables => Ok(None),
            Err(refusal) => Err(unauthorized(refusal)),
        }
    }

    fn identify_by(&self, request: &Request<'_>, shown: Shown<'_>, wants: Wants) -> Result<Claims, Response> {
        let token = match shown {
            Shown::Token(token) => token,
            Shown::Cookie(token) => {
                if wants == Wants::ToChange {
                    self.must_be_own(request)?;
                }
                token
            }
        };
        self.judge(request.now.wall, token).map_err(unauthorized)
    }

    /// What a token says that is good now.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn judge(&self, now: u64, token: &str) -> Result<Claims, Refusal> {
        let claims = self.tokens.judge(now, token)?;
        if self.has_ended(claims.sid) { Err(Refusal::Revoked) } else { Ok(claims) }
    }

    /// The session has not ended since somebody was identified by it.
    ///
    /// # Errors
    /// 401.
    pub(super) fn must_live(&self, session: SessionId) -> Result<(), Response> {
        if self.has_ended(session) { Err(unauthorized(Refusal::Revoked)) } else { Ok(()) }
    }

    /// The request says that a page of this house makes it.
    ///
    /// # Errors
    /// 403.
    pub(super) fn must_be_own(&self, request: &Request<'_>) -> Result<(), Response> {
        if self.settings.origins.name(request) || fault::is(Fault::CookiesFromAnywhere) {
            return Ok(());
        }
        let wrong = "a cookie is taken from pages of this house alone, whose requests have its Origin; others send \
                     the token in the Authorization field";
        Err(Problem::new(403, wrong).into())
    }
}

fn shown<'a>(request: &Request<'a>) -> Result<Shown<'a>, Refusal> {
    match bearer(request) {
        Ok(token) => Ok(Shown::Token(token)),
        Err(Refusal::Missing) => cookie(request, ACCESS_COOKIE).map(Shown::Cookie).ok_or(Refusal::Missing),
        Err(refusal) => Err(refusal),
    }
}

/// The token in the Authorization field: RFC 6750 2.1.
fn bearer<'a>(request: &Request<'a>) -> Result<&'a str, Refusal> {
    let mut values = request.values("Authorization");
    let Some(value) = values.next() else { return Err(Refusal::Missing) };
    if values.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let (scheme, token) = value.split_at(value.iter().position(|&b| b == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(Refusal::Missing);
    }
    std::str::from_utf8(token.trim_ascii()).ok().filter(|token| !token.is_empty()).ok_or(Refusal::Malformed)
}

/// The subprotocol that is offered to show a token.
pub(super) fn bearer_protocol<'a>(request: &Request<'a>) -> Option<&'a str> {
    let mut offered =
        request.list("Sec-WebSocket-Protocol").filter_map(|name| std::str::from_utf8(name).ok());
    offered.find(|name| name.starts_with(BEARER))
}

/// The value of a cookie. One that stands there twice may have been put there by somebody else (RFC 6265 8.6), and is
/// none.
pub(super) fn cookie<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    let mut found = request.cookies().filter(|(known, _)| *known == name).map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

/// 401, and why: RFC 6750 3.
pub(super) fn unauthorized(refusal: Refusal) -> Response {
    let challenge = match refusal {
        // RFC 6750 3.1: who has shown nothing is told no error.
        Refusal::Missing => "Bearer realm=\"taphouse\"".to_owned(),
        _ => format!(
            "Bearer realm=\"taphouse\", error=\"invalid_token\", error_description=\"{}\"",
            refusal.reason()
        ),
    };
    let response: Response = Problem::new(401, refusal.reason()).into();
    response.with("WWW-Authenticate", challenge).with("Cache-Control", "no-store")
}

/// He may do this.
///
/// # Errors
/// 403.
pub(super) fn must_have(claims: &Claims, permission: Permission) -> Result<(), Response> {
    if claims.may(permission) {
        return Ok(());
    }
    let response: Response = Problem::new(403, "this needs a permission that the token does not have").into();
    // RFC 6750 3.1.
    Err(response.with("WWW-Authenticate", "Bearer realm=\"taphouse\", error=\"insufficient_scope\""))
}
