//! A form taken apart: as it is, however it is cut, and when it is malformed.

use super::*;
use proptest::prelude::*;

/// A part with all of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    head: PartHead,
    data: Vec<u8>,
    is_whole: bool,
}

/// Parts, and how the form ended: well, or with the status of its refusal.
type Outcome = (Vec<Part>, Result<(), u16>);

/// Reads a body that comes in these pieces.
fn read(boundary: &str, pieces: impl IntoIterator<Item = Bytes>) -> Outcome {
    let mut form = Multipart::new(boundary).unwrap();
    let mut parts: Vec<Part> = Vec::new();
    let mut has_ended = false;
    for piece in pieces {
        form.handle_bytes(piece);
        loop {
            let event = match form.poll_event() {
                Ok(None) => break,
                Ok(Some(event)) => event,
                Err(refusal) => {
                    assert_eq!(form.poll_event(), Err(refusal), "a refusal stays");
                    assert_eq!(form.handle_end(), Err(refusal), "a refusal stays");
                    return (parts, Err(refusal.status.0));
                }
            };
            assert!(!has_ended, "nothing comes behind the end");
            match event {
                Event::Part(head) => {
                    assert!(parts.last().is_none_or(|p| p.is_whole), "parts end before others begin");
                    parts.push(Part { head, data: Vec::new(), is_whole: false });
                }
                Event::Data(data) => {
                    let part = parts.last_mut().filter(|p| !p.is_whole).expect("data is of a part");
                    assert!(!data.is_empty(), "there is data in data");
                    part.data.extend_from_slice(&data);
                }
                Event::PartEnd => {
                    let part = parts.last_mut().filter(|p| !p.is_whole).expect("a part ends once");
                    part.is_whole = true;
                }
                Event::End => has_ended = true,
            }
        }
    }
    let end = form.handle_end().map_err(|r| r.status.0);
    assert!(has_ended || end.is_err(), "a form that ends well says so");
    (parts, end)
}

fn whole(body: &[u8]) -> Outcome {
    read("b", [Bytes::copy_from_slice(body)])
}

/// The outcome, which is the same whole, byte by byte, and cut at each offset.
fn read_each_way(body: &[u8]) -> Outcome {
    let outcome = whole(body);
    let bytes = Bytes::copy_from_slice(body);
    assert_eq!(read("b", body.chunks(1).map(Bytes::copy_from_slice)), outcome, "byte by byte");
    for cut in 0..=body.len().min(2_000) {
        assert_eq!(read("b", [bytes.slice(..cut), bytes.slice(cut..)]), outcome, "cut at {cut}");
    }
    outcome
}

fn part(name: &str, data: &[u8]) -> Part {
    let head = PartHead { name: name.to_owned(), file_name: None, content_type: None };
    Part { head, data: data.to_vec(), is_whole: true }
}

const FIELD: &str = "Content-Disposition: form-data; name=\"a\"\r\n";

#[test]
fn a_browser_s_form_is_taken_apart() {
    let body = b"--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nOn\r\nbirds\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"sp\xc3\xa4tzle.png\"\r\n\
        Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\0\r\n--\r\n--a\r\n\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n";
    let file = |file_name: &str, content_type: &str, data: &[u8]| {
        let mut part = part("file", data);
        part.head.file_name = Some(file_name.to_owned());
        part.head.content_type = Some(content_type.to_owned());
        part
    };
    let (parts, end) = read_each_way(body);
    assert_eq!(end, Ok(()));
    assert_eq!(
        parts,
        [
            part("title", b"On\r\nbirds"),
            file("sp\u{e4}tzle.png", "image/png", b"\x89PNG\r\n\x1a\n\0\r\n--\r\n--a\r\n"),
            file("", "application/octet-stream", b""),
        ]
    );
}

#[test]
fn what_surrounds_the_parts_is_passed_over() {
    let field = |data: &str| format!("{FIELD}\r\n{data}");
    let one = &[part("a", b"x")][..];
    for (body, wanted) in [
        // RFC 2046 5.1.1: preamble and epilogue are ignored, and a boundary stands at the start of a line alone.
        (format!("pre\r\namble --b\r\n--\r\n--b\r\n{}\r\n--b--\r\nepi\r\n--b\r\nlogue", field("x")), one),
        (format!("\r\n--b\r\n{}\r\n--b--", field("x")), one),
        // RFC 2046 5.1.1: padding behind the boundary, and the close delimiter with or without CRLF.
        (format!("--b \t \r\n{}\r\n--b-- \t\r\n", field("x")), one),
        (format!("--b\r\n{}\r\n--b-- \t", field("x")), one),
        (format!("--b\r\n{}\r\n--b--\r\n--b--\r\n", field("x")), one),
        // RFC 2046 5.1.1: one CRLF may end the head and begin the delimiter.
        (format!("--b\r\n{}--b\r\n{}\r\n--b--", field(""), field("x")), &[part("a", b""), part("a", b"x")]),
        // RFC 7578 5.2: parts of one name are not one part.
        (
            format!("--b\r\n{}\r\n--b\r\n{}\r\n--b--", field("x"), field("y")),
            &[part("a", b"x"), part("a", b"y")],
        ),
        // What browsers send for a form without fields, which RFC 2046 5.1.1 has no grammar for.
        ("--b--\r\n".to_owned(), &[]),
    ] {
        assert_eq!(read_each_way(body.as_bytes()), (wanted.to_vec(), Ok(())), "{body:?}");
    }
}

#[test]
fn heads_are_read_as_rfc_7578_says() {
    let head = |name: &str, file_name: Option<&str>, content_type: Option<&str>| PartHead {
        name: name.to_owned(),
        file_name: file_name.map(str::to_owned),
        content_type: content_type.map(str::to_owned),
    };
    for (fields, wanted) in [
        // RFC 9110 5.1, 5.6.6: names of fields and parameters in capitals or not, values as tokens or quoted.
        ("CONTENT-DISPOSITION:FORM-DATA;NAME=a;fileName=\"b c\"", head("a", Some("b c"), None)),
        ("Content-Disposition: form-data; name=\"\"", head("", None, None)),
        // HTML, multipart/form-data encoding algorithm; quoted pairs as other clients send them.
        ("Content-Disposition: form-data; name=\"%22a%0D%0Ab%41%22\"", head("\"a\r\nb%41\"", None, None)),
        (
            r#"Content-Disposition: form-data; name="a\"b"; filename="C:\x""#,
            head("a\"b", Some("C:\\x"), None),
        ),
        // RFC 7578 4.2: filename* must not be used.
        ("Content-Disposition: form-data; name=a; filename*=UTF-8''x", head("a", None, None)),
        (
            "Content-Disposition: form-data; filename*=UTF-8''x; filename=y; name=a",
            head("a", Some("y"), None),
        ),
        // RFC 7578 4.4, 4.5, 4.7, 4.8.
        (
            "Content-Type: text/plain;charset=UTF-8\r\nContent-Disposition: form-data; name=a",
            head("a", None, Some("text/plain;charset=UTF-8")),
        ),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: Binary",
            head("a", None, None),
        ),
        ("Content-Disposition: form-data; name=a\r\nContent-Length: 7\r\nX: y", head("a", None, None)),
    ] {
        let (parts, end) = read_each_way(format!("--b\r\n{fields}\r\n\r\nx\r\n--b--").as_bytes());
        assert_eq!((end, &parts[0].head), (Ok(()), &wanted), "{fields:?}");
    }
}

#[test]
fn malformed_heads_are_refused() {
    for (fields, status) in [
        // RFC 7578 4.2: form-data with a name.
        ("", 400),
        ("Content-Type: text/plain\r\n", 400),
        ("Content-Disposition: form-data\r\n", 400),
        ("Content-Disposition: attachment; name=a\r\n", 400),
        ("Content-Disposition: form-data; filename=a\r\n", 400),
        ("Content-Disposition: form-data; name*=UTF-8''a\r\n", 400),
        ("Content-Disposition: form-data; name=a; name=a\r\n", 400),
        ("Content-Disposition: form-data; name=a; filename=b; FILENAME=c\r\n", 400),
        ("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=a\r\n", 400),
        // RFC 9110 5.6.6, 5.6.4.
        ("Content-Disposition: form-data; name\r\n", 400),
        ("Content-Disposition: form-data; name=\"a\r\n", 400),
        ("Content-Disposition: form-data; name=\"a\"b\r\n", 400),
        ("Content-Disposition: form-data; name=\"a\\\"\r\n", 400),
        ("Content-Disposition: form-data name=a\r\n", 400),
        // RFC 7578 4.4: one type. 4.7: no transfer encoding.
        ("Content-Type: a/b\r\nContent-Type: a/b\r\nContent-Disposition: form-data; name=a\r\n", 400),
        ("Content-Transfer-Encoding: base64\r\n", 415),
    ] {
        let (parts, end) = read_each_way(format!("--b\r\n{fields}\r\nx\r\n--b--").as_bytes());
        assert_eq!((parts.len(), end), (0, Err(status)), "{fields:?}");
    }
    for line in [
        // RFC 9112 2.2, whose line ends heads have here.
        "X: y\n",
        "X: y\nX: z\r\n",
        "X: y\rz\r\n",
        "X: y\r\r\n",
        "\n",
        // RFC 9112 5.1, 5.2; RFC 9110 5.5: names, folding, controls.
        " X: y\r\n",
        "X : y\r\n",
        "X\r\n",
        ": y\r\n",
        "X: \0\r\n",
        "X: \x7f\r\n",
        // RFC 2046 5.1.1: a boundary is no field.
        "--b\r\n",
        "--b--\r\n",
    ] {
        let (parts, end) = read_each_way(format!("--b\r\n{FIELD}{line}\r\nx\r\n--b--").as_bytes());
        assert_eq!((parts.len(), end), (0, Err(400)), "{line:?}");
    }
    // RFC 7578 5.1.1: UTF-8.
    let body = b"--b\r\nContent-Disposition: form-data; name=\"\xf6\"\r\n\r\nx\r\n--b--";
    assert_eq!(read_each_way(body), (vec![], Err(400)));
}

#[test]
fn malformed_bodies_are_refused() {
    let head = format!("--b\r\n{FIELD}\r\n");
    for (body, parts) in [
        // RFC 2046 5.1.1: a body that ends before its close delimiter.
        (String::new(), 0),
        ("pre".to_owned(), 0),
        ("--b".to_owned(), 0),
        ("--b-".to_owned(), 0),
        ("--b\r\n".to_owned(), 0),
        (format!("--b\r\n{FIELD}"), 0),
        (head.clone(), 1),
        (format!("{head}x"), 1),
        (format!("{head}x\r\n--b"), 1),
        (format!("{head}x\r\n--b-"), 1),
        (format!("{head}x\r\n--b--\r"), 1),
        // RFC 2046 5.1.1: hyphens, padding and CRLF alone go on with a boundary.
        (format!("--bx\r\n{FIELD}\r\nx\r\n--b--"), 0),
        (format!("--b\n{FIELD}\r\nx\r\n--b--"), 0),
        (format!("--b\r{FIELD}\r\nx\r\n--b--"), 0),
        (format!("--b -\r\n{FIELD}\r\nx\r\n--b--"), 0),
        (format!("{head}x\r\n--bx\r\n--b--"), 1),
        (format!("{head}x\r\n--b-x\r\n--b--"), 1),
        (format!("{head}x\r\n--b--x"), 1),
        (format!("{head}x\r\n--b--\n"), 1),
        // RFC 2046 4.1.1: CRLF ends a line, LF does not.
        (format!("{head}x\n--b--\n"), 1),
        (format!("{head}x\r--b--\r"), 1),
    ] {
        let (read, end) = read_each_way(body.as_bytes());
        assert_eq!((read.len(), end), (parts, Err(400)), "{body:?}");
    }
}

#[test]
fn limits_have_their_answers() {
    let limit = limits::PART_HEAD_BYTES;
    // The padding's CRLF, the field, and the empty line; then X: and CRLF.
    let filler = |len: usize| format!("X:{}\r\n", "x".repeat(len - 4));
    let room = limit - 2 - FIELD.len() - 2;
    let form = |head: &str| format!("--b\r\n{head}\r\nx\r\n--b--");
    let with_preamble = |len: usize| format!("{}\r\n{}", "x".repeat(len), form(FIELD));
    let with_epilogue = |len: usize| format!("{}\r\n{}", form(FIELD), "x".repeat(len));
    let parts = |count: usize| format!("{}--b--", format!("--b\r\n{FIELD}\r\n\r\n").repeat(count));
    for (body, outcome) in [
        (form(&(filler(room) + FIELD)), Ok(())),
        (form(&(filler(room + 1) + FIELD)), Err(413)),
        (format!("--b{}\r\n{FIELD}\r\nx\r\n--b--", " ".repeat(room)), Ok(())),
        (format!("--b{}\r\n{FIELD}\r\nx\r\n--b--", " ".repeat(room + 1)), Err(413)),
        (with_preamble(limit), Ok(())),
        (with_preamble(limit + 1), Err(413)),
        (with_epilogue(limit - 2), Ok(())),
        (with_epilogue(limit - 1), Err(413)),
        (parts(limits::FORM_FIELDS), Ok(())),
        (parts(limits::FORM_FIELDS + 1), Err(413)),
    ] {
        let both = [whole(body.as_bytes()), read("b", body.as_bytes().chunks(1).map(Bytes::copy_from_slice))];
        assert_eq!(both.map(|(_, end)| end), [outcome, outcome], "{} bytes: {:.90}", body.len(), body);
    }
}

#[test]
fn an_epilogue_nobody_polls_is_judged() {
    let mut form = Multipart::new("b").unwrap();
    form.handle_bytes(Bytes::from_static(b"--b--"));
    assert_eq!(form.poll_event(), Ok(Some(Event::End)));
    form.handle_bytes(Bytes::from_static(b"\r\nepilogue"));
    assert_eq!(form.handle_end(), Ok(()));

    let mut form = Multipart::new("b").unwrap();
    form.handle_bytes(Bytes::from_static(b"--b--x"));
    assert_eq!(form.poll_event(), Ok(Some(Event::End)));
    assert_eq!(form.handle_end().map_err(|r| r.status.0), Err(400));
}

#[test]
fn boundaries_are_read_off_the_type() {
    let long = format!("multipart/form-data; boundary={}", "x".repeat(70));
    let too_long = format!("{long}x");
    for (content_type, wanted) in [
        ("multipart/form-data; boundary=AaB03x", Ok("AaB03x")),
        ("Multipart/Form-Data ;charset=utf-8;BOUNDARY=\"gc0p4Jq0M2Yt08j34c0p\"", Ok("gc0p4Jq0M2Yt08j34c0p")),
        // RFC 2046 5.1.1: all of bchars, most of which need quotes; RFC 9110 5.6.4: quoted pairs.
        ("multipart/form-data; boundary=\"a'()+_,-./:=? b\"", Ok("a'()+_,-./:=? b")),
        ("multipart/form-data; boundary=\"\\a\"", Ok("a")),
        (&long, Ok(&long[30..])),
        // RFC 7578 4.1, RFC 2046 5.1.1: one boundary of 1 to 70 of these, not ending with a space.
        ("multipart/form-data", Err(400)),
        ("multipart/form-data; charset=utf-8", Err(400)),
        ("multipart/form-data; boundary=", Err(400)),
        ("multipart/form-data; boundary=\"\"", Err(400)),
        ("multipart/form-data; boundary=\"a \"", Err(400)),
        ("multipart/form-data; boundary=\"a\u{e9}\"", Err(400)),
        ("multipart/form-data; boundary=\"a\\\"b\"", Err(400)),
        ("multipart/form-data; boundary=a*b", Err(400)),
        ("multipart/form-data; boundary=a:b", Err(400)),
        ("multipart/form-data; boundary=\"a", Err(400)),
        ("multipart/form-data; boundary=a; boundary=a", Err(400)),
        ("multipart/form-data; boundary*=UTF-8''a", Err(400)),
        ("multipart/form-data; boundary=a b", Err(400)),
        (&too_long, Err(400)),
        // RFC 9110 8.3, 15.5.16: another type.
        ("", Err(415)),
        ("multipart/mixed; boundary=a", Err(415)),
        ("application/x-www-form-urlencoded", Err(415)),
        ("multipart/form-data, multipart/form-data; boundary=a", Err(415)),
    ] {
        let boundary = boundary_of(content_type.as_bytes()).map_err(|r| r.status.0);
        assert_eq!(boundary.as_deref(), wanted.as_deref(), "{content_type:?}");
    }
    assert_eq!(boundary_of(b"multipart/form-data; boundary=\"\xff\"").map_err(|r| r.status.0), Err(400));
    for boundary in ["", " ", "a\r\n", &"x".repeat(71)] {
        assert_eq!(Multipart::new(boundary).err().map(|r| r.status.0), Some(400), "{boundary:?}");
    }
}

#[test]
fn no_content_is_shown_to_a_log() {
    let mut form = Multipart::new("b").unwrap();
    form.handle_bytes(Bytes::from(format!("--b\r\n{FIELD}\r\nsecret")));
    let events: Vec<_> = std::iter::from_fn(|| form.poll_event().unwrap()).collect();
    let shown = format!("{form:?} {events:?}");
    assert!(shown.contains("Data(6 bytes)") && !shown.contains("secret"), "{shown}");
}

/// What a browser sends, its way of writing names included.
fn encode(boundary: &str, parts: &[Part]) -> Vec<u8> {
    let quote = |name: &str| name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22");
    let mut out = Vec::new();
    for Part { head: PartHead { name, file_name, content_type }, data, .. } in parts {
        out.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quote(name)).as_bytes(),
        );
        if let Some(file_name) = file_name {
            out.extend_from_slice(format!("; filename=\"{}\"", quote(file_name)).as_bytes());
        }
        if let Some(content_type) = content_type {
            out.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

/// Pieces of these lengths, in turn.
fn cut(body: Vec<u8>, lengths: Vec<usize>) -> impl Iterator<Item = Bytes> {
    let mut rest = Bytes::from(body);
    let mut lengths = lengths.into_iter().cycle();
    std::iter::from_fn(move || {
        let len = lengths.next().unwrap_or(usize::MAX).min(rest.len());
        (len > 0).then(|| rest.split_to(len))
    })
}

/// Pieces of forms in any order, and other bytes.
fn debris() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        3 => proptest::sample::select(vec![
            &b"--b"[..], b"\r\n--b", b"--", b"\r\n", b"\r", b"\n", b"-", b" ", b"\"", b";",
            b"Content-Disposition: form-data; name=\"", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n",
            b"filename=", b"Content-Type: ",
        ]).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

prop_compose! {
    fn any_part()(
        // A backslash at the end, or before a quote or another, is what the two ways of quoting do not agree on.
        name in "[^\\\\\\x00-\\x1f\\x7f%]{0,10}[\\r\\n\"]{0,2}",
        file_name in proptest::option::of("[a-z.\\r\\n\" \u{e4}]{0,10}"),
        content_type in proptest::option::of("[a-z]{1,5}/[a-z]{1,5}"),
        data in debris(),
    ) -> Part {
        Part { head: PartHead { name, file_name, content_type }, data, is_whole: true }
    }
}

proptest! {
    #[test]
    fn what_was_encoded_comes_back_however_it_is_cut(
        parts in proptest::collection::vec(any_part(), 0..5),
        lengths in proptest::collection::vec(1_usize..40, 0..8),
    ) {
        // Nothing that debris is made of has this boundary in it.
        let body = encode("b+long'boundary", &parts);
        prop_assert_eq!(read("b+long'boundary", cut(body, lengths)), (parts, Ok(())));
    }

    #[test]
    fn any_bytes_give_the_same_however_they_are_cut(
        body in debris(),
        lengths in proptest::collection::vec(1_usize..20, 0..8),
    ) {
        let outcome = whole(&body);
        prop_assert_eq!(read("b", cut(body, lengths)), outcome);
    }

    #[test]
    fn any_type_is_survived(content_type in proptest::collection::vec(any::<u8>(), 0..40), rest in "[;=\"\\\\ a-z]{0,20}") {
        let _ = boundary_of(&content_type);
        if let Ok(boundary) = boundary_of(format!("multipart/form-data;boundary{rest}").as_bytes()) {
            prop_assert!(Multipart::new(&boundary).is_ok());
        }
    }
}
