//! Cookies read and written, and what cannot be.

use super::*;
use proptest::prelude::*;

fn read(value: &str) -> Vec<(&str, &str)> {
    cookies(value.as_bytes()).collect()
}

#[test]
fn pairs_are_read_and_malformed_ones_skipped() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        // RFC 6265 4.2.1: the grammar.
        ("SID=31d4d96e407aad42", &[("SID", "31d4d96e407aad42")]),
        ("SID=31d4; lang=en-US", &[("SID", "31d4"), ("lang", "en-US")]),
        ("a=b=c==", &[("a", "b=c==")]),
        ("a=", &[("a", "")]),
        // RFC 6265 4.2.2: two of one name.
        ("a=1; a=2", &[("a", "1"), ("a", "2")]),
        // RFC 6265 4.1.1: names keep their case.
        ("A=1; a=2", &[("A", "1"), ("a", "2")]),
        // RFC 6265 4.1.1: quotes around the whole value.
        ("a=\"b\"; c=\"\"", &[("a", "b"), ("c", "")]),
        ("a=\"; b=b\"; c=x\"y", &[("a", "\""), ("b", "b\""), ("c", "x\"y")]),
        ("a=\"b; c=d\"", &[("a", "\"b"), ("c", "d\"")]),
        // RFC 6265 5.2: blanks around names and values; what user agents were once given.
        ("a=1;b=2 ;\t c = 3 ", &[("a", "1"), ("b", "2"), ("c", "3")]),
        ("a=b c, d\\e", &[("a", "b c, d\\e")]),
        // RFC 6265 5.2: what is no pair, or has no name.
        ("", &[]),
        (";;; ;", &[]),
        ("a; b=2", &[("b", "2")]),
        ("=1; b=2", &[("b", "2")]),
        (" =1; b=2", &[("b", "2")]),
        // RFC 6265 4.1.1: names that are no token, values with controls.
        ("a b=1; c[0]=1; d=2", &[("d", "2")]),
        ("a=\x01; b=\x7f; c=x\ty; \0d=1; e=2", &[("e", "2")]),
        // RFC 6265 4.1.1: ASCII alone, and other white space is none.
        ("a=\u{e9}; \u{e9}=1; \u{a0}b=1; c=\u{2000}; d=2", &[("d", "2")]),
    ];
    for (value, wanted) in cases {
        assert_eq!(&read(value), wanted, "{value:?}");
    }
    assert_eq!(cookies(b"a=\xff; b=2").collect::<Vec<_>>(), [("b", "2")]);
}

#[test]
fn cookies_beyond_the_limit_are_ignored() {
    let value = "x; a=1; ".repeat(limits::COOKIES + 10);
    assert_eq!(read(&value).len(), limits::COOKIES);
}

#[test]
fn a_cookie_is_written_as_rfc_6265_says() {
    let plain = SetCookie::new("SID", "31d4d96e407aad42").unwrap();
    assert_eq!(plain.value().unwrap(), "SID=31d4d96e407aad42");
    let full = plain
        .path("/sub")
        .domain("example.com")
        .max_age(Duration::from_millis(1500))
        .expires(784_111_777)
        .secure()
        .http_only()
        .same_site(SameSite::Lax);
    assert_eq!(
        full.value().unwrap(),
        "SID=31d4d96e407aad42; Path=/sub; Domain=example.com; Max-Age=2; \
         Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; SameSite=Lax"
    );
    let twice = full.path("/").same_site(SameSite::Strict);
    assert_eq!(twice.value().unwrap().matches("Path=").count(), 1);
    assert!(twice.value().unwrap().ends_with("; SameSite=Strict"));
    assert_eq!(format!("{twice:?}"), "SetCookie(SID, 16 bytes)");
}

#[test]
fn a_removal_is_over_by_age_and_by_date() {
    let removal = SetCookie::removal("SID").unwrap().path("/").value().unwrap();
    assert_eq!(removal, "SID=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(SetCookie::removal("a b"), Err(CookieError::Name));
    assert_eq!(SetCookie::removal("__Host-a").unwrap().value(), Err(CookieError::HostPrefix));
}

#[test]
fn names_and_values_that_cannot_be_sent_are_refused() {
    use CookieError::{Name, TooLong, Value};
    for name in ["", "a b", "a=b", "a;b", "a\r\nb", "\u{e9}", "a\"", "(a)"] {
        assert_eq!(SetCookie::new(name, "v"), Err(Name), "{name:?}");
    }
    for value in ["a b", "a;b", "a,b", "a\"b", "a\\b", "a\r\nSet-Cookie: b", "\0", "\x7f", "\u{e9}"] {
        assert_eq!(SetCookie::new("n", value), Err(Value), "{value:?}");
    }
    assert!(SetCookie::new("n", "v".repeat(limits::COOKIE_BYTES - 1)).is_ok());
    assert_eq!(SetCookie::new("n", "v".repeat(limits::COOKIE_BYTES)), Err(TooLong));
    assert!(TooLong.to_string().contains(&limits::COOKIE_BYTES.to_string()));
}

#[test]
fn attributes_are_judged_alone_and_beside_each_other() {
    use CookieError::{Domain, HostPrefix, NotSecure, Path, SecurePrefix};
    let a = || SetCookie::new("a", "1").unwrap();
    let named = |name: &str| SetCookie::new(name, "1").unwrap();
    // RFC 6265 4.1.1 and 5.2.4: paths.
    for path in ["", "a", "/a;b", "/a\r\nb", "/\0", "/\u{e9}", &"/".repeat(1025)] {
        assert_eq!(a().path(path).value(), Err(Path), "{path:?}");
    }
    // RFC 6265 4.1.1 and 4.1.2.3: domains.
    let long_label = "a".repeat(64);
    let long = ["a"; 128].join(".");
    for domain in ["", ".a", "a.", "a..b", "-a", "a-", "a_b", "a;b", "a b", "\u{e9}", &long_label, &long] {
        assert_eq!(a().domain(domain).value(), Err(Domain), "{domain:?}");
    }
    // rfc6265bis 4.1.3 and 4.1.2.7.
    for (cookie, wanted) in [
        (named("__Secure-a"), Err(SecurePrefix)),
        (named("__secure-a"), Err(SecurePrefix)),
        (named("__Secure-a").secure().domain("b"), Ok(())),
        (named("__Host-a").secure(), Err(HostPrefix)),
        (named("__Host-a").path("/"), Err(HostPrefix)),
        (named("__Host-a").secure().path("/b"), Err(HostPrefix)),
        (named("__HOST-a").secure().path("/").domain("b"), Err(HostPrefix)),
        (named("__Host-a").secure().path("/"), Ok(())),
        (named("__Hosta").path("/"), Ok(())),
        (a().same_site(SameSite::None), Err(NotSecure)),
        (a().same_site(SameSite::None).secure(), Ok(())),
        (a().same_site(SameSite::Lax), Ok(())),
    ] {
        assert_eq!(cookie.value().map(drop), wanted, "{cookie:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (name, value) in cookies(&bytes) {
            prop_assert!(is_name(name.as_bytes()) && value.is_ascii() && !value.contains(';'));
        }
    }

    #[test]
    fn what_was_set_is_read(
        pairs in proptest::collection::vec(("[a-z!#$%&'*+.^_`|~-]{1,8}", "[!#-+\\--:<-\\[\\]-~]{0,20}"), 0..20),
    ) {
        let set = |(n, v): &(String, String)| SetCookie::new(n, v).unwrap().value().unwrap();
        let field = pairs.iter().map(set).collect::<Vec<_>>().join("; ");
        let wanted: Vec<_> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
        prop_assert_eq!(read(&field), wanted);
    }

    #[test]
    fn nothing_can_be_injected(name in "\\PC{0,6}|[ -~\r\n]{0,6}", value in "[ -~\r\n]{0,6}", attribute in "/?[ -~\r\n]{0,9}") {
        let Ok(cookie) = SetCookie::new(name, value) else { return Ok(()) };
        let (by_path, by_domain) = (cookie.clone().path(&attribute), cookie.domain(attribute));
        for field in [by_path.value(), by_domain.value()].into_iter().flatten() {
            prop_assert_eq!(field.matches(';').count(), 1);
            prop_assert!(field.bytes().all(|b| matches!(b, b' '..=b'~')));
        }
    }
}
