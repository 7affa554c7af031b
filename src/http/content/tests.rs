use super::*;
use crate::http::{Body, Status};
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
struct Person {
    name: String,
    age: u8,
}

fn of(content_type: &str, body: &str) -> Content {
    Content::new(Some(content_type.to_owned()), body.as_bytes().to_vec())
}

fn refusal<T>(result: Result<T, Response>) -> (u16, String) {
    let response = result.err().expect("it is refused");
    let Body::Whole(body) = response.body else { panic!("a problem has a body") };
    (response.status.0, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn a_body_is_read_as_what_it_says_it_is() {
    let person = || Person { name: "Hong é".to_owned(), age: 7 };
    for (content_type, body) in [
        ("application/json", "{\"name\":\"Hong é\",\"age\":7}"),
        ("Application/JSON; charset=utf-8", " {\"age\":7,\"name\":\"Hong \\u00e9\"} "),
        ("application/merge-patch+json", "{\"name\":\"Hong é\",\"age\":7}"),
        ("application/x-www-form-urlencoded", "name=Hong+%C3%A9&age=7"),
        ("application/xml", "<?xml version=\"1.0\"?><person><name>Hong é</name><age>7</age></person>"),
        ("text/xml", "<p><age>7</age><name>Hong &#233;</name></p>"),
    ] {
        assert_eq!(of(content_type, body).read::<Person>().ok(), Some(person()), "{content_type} {body}");
    }
    assert_eq!(of("text/plain", "é").text().ok(), Some("é"));
    assert_eq!(of("text/html; charset=utf-8", "<p>").html().ok(), Some("<p>"));
}

#[test]
fn what_is_not_taken_is_415_and_says_what_is() {
    let response = of("text/plain", "x").read::<Person>().err().unwrap();
    assert_eq!(response.status, Status(415));
    assert!(response.fields.iter().any(|(name, value)| *name == "Accept" && value.contains(JSON)));
    assert_eq!(refusal(Content::new(None, "{}").json::<Person>()).0, 415);
    assert_eq!(refusal(of("text/html", "x").text()).0, 415);
    assert_eq!(refusal(of("application/jsonx", "{}").json::<Person>()).0, 415);
}

#[test]
fn what_is_malformed_is_400() {
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", ""),
        ("application/json", "{\"name\":\"a\",\"age\":7} x"),
        ("application/json", "{\"name\":\"\u{0}\"}"),
        ("application/x-www-form-urlencoded", "name=%zz&age=7"),
        ("application/xml", "<a><b></a>"),
        ("application/xml", "<a></a><b></b>"),
        ("application/xml", ""),
        ("application/xml", "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>"),
    ] {
        assert_eq!(refusal(of(content_type, body).read::<Person>()).0, 400, "{content_type} {body}");
    }
    let deep = format!("{}{}", "<a>".repeat(1000), "</a>".repeat(1000));
    assert_eq!(refusal(of("application/xml", &deep).read::<Person>()).0, 400);
    let json = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refusal(of("application/json", &json).json::<serde_json::Value>()).0, 400);
}

#[test]
fn what_has_other_content_is_422_and_is_not_quoted() {
    for (content_type, body, named) in [
        ("application/json", "{\"name\":\"secret\"}", "missing field `age`"),
        ("application/json", "{\"name\":\"a\",\"age\":\"secret\"}", "age is not what it must be: u8"),
        ("application/json", "{\"name\":\"a\",\"age\":-1}", "age is not what it must be: u8"),
        ("application/x-www-form-urlencoded", "name=secret", "missing field `age`"),
        ("application/xml", "<p><name>secret</name></p>", "missing field `age`"),
    ] {
        let (status, said) = refusal(of(content_type, body).read::<Person>());
        assert_eq!(status, 422, "{body}: {said}");
        assert!(said.contains(named) && !said.contains("secret"), "{body}: {said}");
    }
    assert_eq!(refusal(of("application/x-www-form-urlencoded", "name=a&age=secret").read::<Person>()).0, 422);
}

#[test]
fn a_seeded_fault_is_noticed() {
    fault::set(Some(Fault::TypesUnchecked));
    let result = std::panic::catch_unwind(what_is_not_taken_is_415_and_says_what_is);
    fault::set(None);
    assert!(result.is_err());
}

#[test]
fn a_multipart_form_is_taken_apart() {
    let body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\n\
                Content-Disposition: form-data; name=\"b\"; filename=\"f\"\r\n\r\n\r\n--x--\r\n";
    let parts = of("multipart/form-data; boundary=x", body).multipart().ok().unwrap();
    let parts: Vec<_> =
        parts.iter().map(|p| (&p.head.name[..], p.head.file_name.as_deref(), &p.data[..])).collect();
    assert_eq!(parts, [("a", None, &b"1"[..]), ("b", Some("f"), b"")]);
    assert_eq!(refusal(of("multipart/form-data; boundary=x", &body[..60]).multipart()).0, 400);
}
