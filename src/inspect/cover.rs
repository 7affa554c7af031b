//! What must not be shown unasked: credentials in header fields and in request targets.
//!
//! No list of names is complete, so a name that only sounds like a secret is one.

use crate::fault::{self, Fault};

/// Parts of names that sound like secrets.
const SOUNDS: &[&str] = &[
    "auth",
    "token",
    "cookie",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "session",
    "signature",
    "csrf",
    "xsrf",
    "jwt",
    "apikey",
    "api-key",
    "api_key",
    "access-key",
    "access_key",
    "private",
];

/// Parameters that are secrets though they do not sound so.
const SHORT: &[&str] = &["key", "pwd", "pass", "sig", "sid", "code", "otp", "pin"];

/// The value of this header field is a credential.
pub(super) fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Asks for credentials, and has none.
    let asks = name == "www-authenticate" || name == "proxy-authenticate";
    // A browser can hand a token to a WebSocket only as a subprotocol.
    let is_shown = asks || fault::is(Fault::SecretsShown);
    !is_shown && (name == "sec-websocket-protocol" || SOUNDS.iter().any(|sound| name.contains(sound)))
}

/// The value of this header field is a URI, which may hold a credential.
pub(super) fn is_uri_field(name: &str) -> bool {
    ["referer", "location", "content-location", "destination", "refresh", "link"]
        .contains(&&*name.to_ascii_lowercase())
}

/// A request target without user information, and without the values of parameters that are secrets.
pub(super) fn cover_target(target: &str) -> String {
    const COVER: &str = "***";
    let (rest, fragment) = match target.split_once('#') {
        Some((rest, _)) => (rest, "#***"),
        None => (target, ""),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let mut out = match path.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            match authority.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://{COVER}@{host}{path}"),
                None => format!("{scheme}://{authority}{path}"),
            }
        }
        None => path.to_owned(),
    };
    for (i, parameter) in query.iter().flat_map(|q| q.split('&')).enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if is_secret_parameter(name) => {
                out.push_str(name);
                out.push('=');
                out.push_str(COVER);
            }
            _ => out.push_str(parameter),
        }
    }
    out + fragment
}

fn is_secret_parameter(name: &str) -> bool {
    // A name that is spelled with escapes hides something, or might.
    let name = name.to_ascii_lowercase();
    name.contains('%') || SHORT.contains(&&*name) || SOUNDS.iter().any(|sound| name.contains(sound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_names() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "Set-Cookie",
            "X-Api-Key",
            "X-Auth-Token",
            "X-CSRF-Token",
            "Sec-WebSocket-Protocol",
            "X-Amz-Security-Token",
        ] {
            assert!(is_secret_field(name), "{name}");
        }
        for name in
            ["Host", "Content-Type", "Sec-WebSocket-Key", "WWW-Authenticate", "Accept", "ETag", "Date"]
        {
            assert!(!is_secret_field(name), "{name}");
        }
    }

    #[test]
    fn targets_keep_what_is_no_secret() {
        for (target, covered) in [
            ("/users/123?details=full", "/users/123?details=full"),
            ("/ws?table_id=1&client_id=2&access_token=abc", "/ws?table_id=1&client_id=2&access_token=***"),
            ("/x?key=1&keyboard=de&%6bey=2", "/x?key=***&keyboard=de&%6bey=***"),
            ("http://bob:pw@host/a?b", "http://***@host/a?b"),
            ("http://host/a@b", "http://host/a@b"),
            ("/a#secret", "/a#***"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(cover_target(target), covered);
        }
    }
}
