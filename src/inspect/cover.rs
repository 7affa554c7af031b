//! What must not be shown unasked: credentials in header fields and in request targets.
//!
//! No list of names is complete, so whatever sounds like a secret is one, and whatever cannot be told apart is hidden.
//! Too little shown is a nuisance; too much cannot be taken back.

use crate::fault::{self, Fault};

/// Parts of names that sound like secrets, wherever they stand.
const SOUNDS: &[&str] = &[
    "auth",
    "token",
    "cookie",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "session",
    "signature",
    "csrf",
    "xsrf",
    "jwt",
    "apikey",
    "private",
];
/// Whole words of names that are secrets.
const WORDS: &[&str] =
    &["key", "keys", "pwd", "pass", "pw", "sig", "sid", "code", "otp", "pin", "ticket", "nonce", "hash"];
/// Names that sound like secrets and hold none.
const HARMLESS: &[&str] = &["sec-websocket-key"];

const COVER: &str = "***";

/// The value of this header field, or of this parameter, is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if HARMLESS.contains(&&*name) || fault::is(Fault::SecretsShown) {
        return false;
    }
    // A name that is spelled with escapes hides something, or might.
    let is_odd = !name.bytes().all(is_token_byte) || name.contains('%');
    // A browser can hand a token to a WebSocket only as a subprotocol.
    let is_browsers = name == "sec-websocket-protocol";
    is_odd
        || is_browsers
        || SOUNDS.iter().any(|sound| name.contains(sound))
        || name.split(['-', '_', '.']).any(|word| WORDS.contains(&word))
}

/// RFC 9110 5.6.2: what the name of a field is made of.
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The value of a field, each URI in it covered. A value with control characters is not one value, and hidden.
pub(super) fn cover_value(value: &str) -> Option<String> {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    let mut out = String::with_capacity(value.len());
    for word in value.split_inclusive([' ', '\t', ',', '<', '>', '"', '\'', '(', ')']) {
        let is_uri = word.contains("//") || word.contains('@') || word.contains('?');
        if is_uri { out.push_str(&cover_target(word)) } else { out.push_str(word) }
    }
    Some(out)
}

/// A request target without user information, and without the values of parameters that are or may be secrets.
pub(super) fn cover_target(target: &str) -> String {
    if fault::is(Fault::SecretsShown) {
        return target.to_owned();
    }
    let (rest, fragment) = match target.split_once('#') {
        Some((rest, _)) => (rest, "#***"),
        None => (target, ""),
    };
    let end = rest.find(['?', '&', ';']).unwrap_or(rest.len());
    let (path, parameters) = rest.split_at(end);
    let mut out = match path.rsplit_once('@') {
        // Whatever stands before it, back to a slash, may be a user's name and password.
        Some((before, host)) => {
            let kept = before.rfind('/').map_or("", |slash| &before[..=slash]);
            format!("{kept}{COVER}@{host}")
        }
        None => path.to_owned(),
    };
    let mut left = parameters;
    while let Some(separator) = left.chars().next() {
        let text = &left[separator.len_utf8()..];
        let end = text.find(['?', '&', ';']).unwrap_or(text.len());
        out.push(separator);
        out.push_str(&cover_parameter(&text[..end]));
        left = &text[end..];
    }
    out + fragment
}

/// `name=value` as far as it may be shown.
fn cover_parameter(parameter: &str) -> String {
    // Longer than any word, so perhaps a token without a name.
    const LONG: usize = 32;
    match parameter.split_once('=') {
        Some((name, value)) if is_secret_name(name) || holds_another(value) => format!("{name}={COVER}"),
        None if parameter.len() > LONG || holds_another(parameter) => COVER.to_owned(),
        _ => parameter.to_owned(),
    }
}

/// The value holds a URI or parameters of its own, plain or escaped.
fn holds_another(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    ["=", "@", "//", "%3d", "%40", "%2f%2f", "%25"].iter().any(|sign| value.contains(sign))
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
            "Ocp-Apim-Subscription-Key",
            "x-amz-server-side-encryption-customer-key",
            "X-Pass",
            "WWW-Authenticate",
            "X-To\u{212a}en",
            "%6bey",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in
            ["Host", "Content-Type", "Sec-WebSocket-Key", "Accept", "ETag", "Date", "keyboard", "details"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn targets_keep_what_is_no_secret() {
        for (target, covered) in [
            ("/users/123?details=full", "/users/123?details=full"),
            ("/ws?table_id=1&client_id=2&access_token=abc", "/ws?table_id=1&client_id=2&access_token=***"),
            ("/x?key=1&keyboard=de&%6bey=2", "/x?key=***&keyboard=de&%6bey=***"),
            ("http://bob:pw@host/a?b", "http://***@host/a?b"),
            ("//bob:pw@host/", "//***@host/"),
            ("bob:pw@host:443", "***@host:443"),
            ("/a;jsessionid=1;x=2", "/a;jsessionid=***;x=2"),
            ("/a?x=1;token=2", "/a?x=1;token=***"),
            ("/a?x=1?token=2", "/a?x=1?token=***"),
            ("/a?url=http://bob:pw@h/", "/a?url=***"),
            ("/a?next=%2Fx%3Ftoken%3Dabc", "/a?next=***"),
            (
                "/a?subscription-key=1&user_pass=2&pw=3&ticket=4",
                "/a?subscription-key=***&user_pass=***&pw=***&ticket=***",
            ),
            ("/a#secret", "/a#***"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(cover_target(target), covered);
        }
    }

    #[test]
    fn values_keep_what_is_no_uri() {
        for (value, covered) in [
            ("text/html, */*;q=0.8", Some("text/html, */*;q=0.8")),
            ("<http://a/>, <http://u:pw@b/?token=1>", Some("<http://a/>, <http://***@b/?token=***")),
            ("/a?token=1", Some("/a?token=***")),
            ("a\rAuthorization: b", None),
        ] {
            assert_eq!(cover_value(value).as_deref(), covered);
        }
    }
}
