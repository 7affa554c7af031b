//! What is fuzzed: everything that reads bytes of strangers above TCP. Each target takes any bytes, and holds what came
//! of them against a law that is always true: most of all, that it does not matter where the bytes are cut.
//!
//! `cargo fuzz` runs them one at a time (`fuzz_targets/`), and `tests/fuzz_seeds.rs` all of them over the seeds.

use std::fmt::Write as _;
use std::net::SocketAddrV4;
use std::sync::Arc;

use bytes::Bytes;
use taphouse::app::{self, Choices};
use taphouse::http::{
    BodySink, Connection, Content, Date, Form, FormEvent, Handler, House, IntoOutcome as _, Limits,
    Multipart, Outcome, Refusal, Request, Response, Router, Scope, SetCookie, Wake, boundary_of, cookies,
    form_pairs, percent_decode,
};
use taphouse::limits;
use taphouse::mail::{Address, Carrier, Line, Undelivered};
use taphouse::quota::Quota;
use taphouse::time::{Duration, Instant, Now};
use taphouse::ws::{self, Agreement, Codecs, Config, Deflate, Event, Fate, Role, accept_key, is_key};

/// A target, by the name of its directory of seeds.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: &[Target] = &[
    ("boundary", boundary),
    ("chunked", chunked),
    ("connection", connection),
    ("content", content),
    ("cookies", read_cookies),
    ("deflate", deflate),
    ("frames_client", frames_client),
    ("frames_server", frames_server),
    ("handshake", handshake),
    ("head", head),
    ("inflate", inflate),
    ("multipart", multipart),
    ("urlencoded", urlencoded),
];

// --- HTTP ------------------------------------------------------------------------------------------------

struct Alone;

impl Carrier<Wake> for Alone {
    fn carry(&self, _: Address, _: Wake) -> Result<(), Undelivered> {
        Ok(())
    }
}

impl House for Alone {
    fn peer(&self) -> SocketAddrV4 {
        SocketAddrV4::new([192, 0, 2, 1].into(), 50_000)
    }

    fn write_metrics(&self, out: &mut String) {
        out.push_str("none 0\n");
    }

    fn wake_line(&self) -> Line<Wake> {
        Line::new(Address { slot: 0, generation: 0 }, Arc::new(Self))
    }
}

/// Bytes that are taken from a connection at most: `/bytes/{n}` has more than anybody wants.
const OUTPUT: usize = 1 << 20;

/// All that a server says to bytes that come in these parts.
fn serve<'a>(handler: &mut dyn Handler, parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Fate) {
    let now = Now { mono: Instant::ZERO, wall: 784_111_777 };
    let (mut date, mut output, quota) = (Date::default(), Vec::new(), Quota::new(usize::MAX));
    let mut http = Connection::new(now.mono, Limits::default());
    let mut scope = Scope { now, date: &mut date, handler, house: &Alone, quota: &quota };
    for part in parts {
        if !http.wants_input() {
            break;
        }
        http.handle_input(&mut scope, Bytes::copy_from_slice(part));
        while output.len() < OUTPUT
            && let Some(bytes) = http.poll_output(&mut scope, 10_000)
        {
            assert!(!bytes.is_empty(), "output is never empty");
            output.extend(bytes);
        }
    }
    (output, http.fate())
}

/// The first byte says where the others are cut in two; the cut, and they.
fn cut(data: &[u8]) -> Option<(usize, &[u8])> {
    let (&at, rest) = data.split_first()?;
    Some((usize::from(at).min(rest.len()), rest))
}

/// Tells what it was asked, as the answer's content.
struct Tell;

impl Handler for Tell {
    fn handle_request(&mut self, request: &Request<'_>) -> Outcome {
        let mut told = format!("{} {} {:?}\n", request.method.name(), request.path, request.query);
        for name in ["Accept", "Connection", "Cookie", "Host", "X"] {
            for value in request.list(name) {
                let _ = writeln!(told, "{name}: {}", value.escape_ascii());
            }
        }
        assert!(request.host.is_ascii() && !request.host.contains(['/', '@', ' ']), "a host is one");
        assert!(request.path.starts_with('/') || request.path == "*", "a path begins so");
        assert!(!told.contains(['\0', '\r']), "nothing that a head has not");
        Response::text(200, told).into_outcome()
    }
}

/// A head, cut in two: the same answer, and the same as byte by byte.
pub fn head(data: &[u8]) {
    let Some((at, wire)) = cut(data) else { return };
    // A second request in its tail is looked at when the answer to the first was taken: the same in all three.
    let whole = serve(&mut Tell, [wire]);
    let (first, second) = wire.split_at(at);
    let parts = [first, second].into_iter().filter(|part| !part.is_empty());
    assert_eq!(serve(&mut Tell, parts), whole);
    assert_eq!(serve(&mut Tell, wire.chunks(1)), whole);
    judge_answers(&whole.0);
}

/// Takes a body, and gives it back with what was behind it.
#[derive(Default)]
struct Mirror(Vec<u8>);

impl BodySink for Mirror {
    fn limit(&self) -> u64 {
        limits::COLLECTED_BODY
    }

    fn handle_piece(&mut self, piece: Bytes) {
        assert!(!piece.is_empty(), "a piece is never empty");
        self.0.extend(piece);
    }

    fn handle_trailer(&mut self, name: &str, value: &[u8]) {
        assert!(!name.is_empty() && !name.contains([' ', ':']), "a name is a token");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(value);
    }

    fn finish(self: Box<Self>) -> Outcome {
        Response::text(200, self.0).into_outcome()
    }
}

struct Reflect;

impl Handler for Reflect {
    fn handle_request(&mut self, _: &Request<'_>) -> Outcome {
        Outcome::Read(Box::<Mirror>::default())
    }
}

/// A body in chunks, cut in two: the same content, and the same as byte by byte.
pub fn chunked(data: &[u8]) {
    let Some((at, wire)) = cut(data) else { return };
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = serve(&mut Reflect, [HEAD, wire].into_iter().filter(|part| !part.is_empty()));
    let (first, second) = wire.split_at(at);
    let parts = [HEAD, first, second].into_iter().filter(|part| !part.is_empty());
    assert_eq!(serve(&mut Reflect, parts), whole);
    assert_eq!(serve(&mut Reflect, [HEAD].into_iter().chain(wire.chunks(1))), whole);
}

/// Requests to the house itself: answers that can be read, and the same however the requests are cut.
pub fn connection(data: &[u8]) {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let Some((at, wire)) = cut(data) else { return };
    let mut routes: Router = app::routes(Choices::default());
    let mut answers = |parts: &[&[u8]]| {
        let parts = parts.iter().copied().filter(|part| !part.is_empty());
        let (mut output, fate) = serve(&mut routes, parts);
        // Whether it is needed depends on the cut.
        while let Some(at) = output.windows(CONTINUE.len()).position(|w| w == CONTINUE) {
            output.drain(at..at + CONTINUE.len());
        }
        (output, fate)
    };
    let whole = answers(&[wire]);
    let (first, second) = wire.split_at(at);
    let parts = answers(&[first, second]);
    if whole.0.len() < OUTPUT && parts.0.len() < OUTPUT {
        assert_eq!(parts, whole);
    }
    judge_answers(&whole.0);
}

/// RFC 9112 4 to 6, as far as it can be judged without the questions.
fn judge_answers(mut wire: &[u8]) {
    let is_next = |wire: &[u8]| wire.is_empty() || wire.starts_with(b"HTTP/1.1 ");
    while !wire.is_empty() {
        assert!(is_next(wire), "an answer begins so: {}", wire.escape_ascii());
        let end = wire.windows(4).position(|w| w == b"\r\n\r\n").expect("a head has an end") + 4;
        let head = std::str::from_utf8(&wire[..end]).expect("a head is text");
        wire = &wire[end..];
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length is a number"));
        match wire.get(length..) {
            Some(rest) if is_next(rest) => wire = rest,
            // The answer to a HEAD, or one that was not taken to its end.
            _ if is_next(wire) => {}
            None => return,
            Some(rest) => panic!("behind an answer of {length} bytes: {}", rest.escape_ascii()),
        }
    }
}

/// Cookies are read, and what was read can be set, unless it has what must not be set.
pub fn read_cookies(data: &[u8]) {
    let mut count = 0;
    for (name, value) in cookies(data) {
        count += 1;
        assert!(!name.is_empty() && !name.contains([';', '=', ' ']), "{name:?}");
        assert!(!value.contains([';', '\r', '\n', '\0']), "{value:?}");
        if let Ok(set) = SetCookie::new(name, value).and_then(|cookie| cookie.path("/").value()) {
            let pair = set.split(';').next().unwrap_or_default();
            assert_eq!(cookies(pair.as_bytes()).collect::<Vec<_>>(), [(name, value)]);
        }
    }
    assert!(count <= limits::COOKIES);
}

/// Queries, forms and percent signs.
pub fn urlencoded(data: &[u8]) {
    let pairs: Result<Vec<_>, _> = form_pairs(data).collect();
    if let Ok(form) = Form::parse(data) {
        let pairs = pairs.expect("a form is pairs");
        assert!(pairs.len() <= limits::FORM_FIELDS);
        assert!(form.iter().eq(pairs.iter().map(|(name, value)| (&**name, &**value))));
        for (name, value) in form.iter() {
            assert!(form.all(name).any(|of_it| of_it == value) && form.get(name).is_some());
        }
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(decoded) = percent_decode(text)
    {
        assert!(decoded.len() <= text.len());
        let encoded: String = decoded.iter().fold(String::new(), |mut encoded, byte| {
            let _ = write!(encoded, "%{byte:02x}");
            encoded
        });
        assert_eq!(percent_decode(&encoded).as_deref(), Ok(&*decoded));
    }
}

/// What the type of a form says of its boundary.
pub fn boundary(data: &[u8]) {
    if let Ok(boundary) = boundary_of(data) {
        assert!((1..=70).contains(&boundary.len()), "{boundary:?}");
        assert!(Multipart::new(&boundary).is_ok(), "{boundary:?} can be used");
    }
}

/// A form that comes in these parts: its events, data that belongs together joined, and how it ends.
fn parts_of<'a>(
    boundary: &str,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<FormEvent>, Result<(), Refusal>), Refusal> {
    let mut form = Multipart::new(boundary)?;
    let mut events: Vec<FormEvent> = Vec::new();
    let mut poll = |form: &mut Multipart| loop {
        match (form.poll_event(), events.last_mut()) {
            (Ok(None), _) => return Ok(()),
            (Err(refusal), _) => return Err(refusal),
            (Ok(Some(FormEvent::Data(more))), Some(FormEvent::Data(data))) => {
                assert!(!more.is_empty(), "data is never empty");
                *data = [&data[..], &more].concat().into();
            }
            (Ok(Some(event)), _) => events.push(event),
        }
    };
    let mut end = Ok(());
    for part in parts {
        form.handle_bytes(Bytes::copy_from_slice(part));
        end = poll(&mut form);
        if end.is_err() {
            break;
        }
    }
    let end = end.and_then(|()| form.handle_end());
    Ok((events, end))
}

/// A form: its first line is the boundary. Cut in two, and byte by byte, it is the same.
pub fn multipart(data: &[u8]) {
    let Some((at, rest)) = cut(data) else { return };
    let Some(end) = rest.iter().position(|&b| b == b'\n') else { return };
    let Ok(boundary) = std::str::from_utf8(&rest[..end]) else { return };
    let wire = &rest[end + 1..];
    let whole = parts_of(boundary, [wire]);
    let (first, second) = wire.split_at(at.min(wire.len()));
    assert_eq!(parts_of(boundary, [first, second]), whole, "cut at {at}");
    assert_eq!(parts_of(boundary, wire.chunks(1)), whole, "byte by byte");
}

/// Bodies that are read whole. The first byte says which.
pub fn content(data: &[u8]) {
    const TYPES: [&str; 6] = [
        "application/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "text/plain",
        "text/html",
    ];
    let Some((&which, data)) = data.split_first() else { return };
    let content_type = TYPES[usize::from(which) % TYPES.len()].to_owned();
    let content = Content::new(Some(content_type), Bytes::copy_from_slice(data));
    if let Ok(value) = content.json::<serde_json::Value>() {
        assert!(content.json::<serde::de::IgnoredAny>().is_ok());
        let again = Content::new(Some(TYPES[0].to_owned()), value.to_string());
        assert!(again.json::<serde_json::Value>().is_ok_and(|again| again == value) || has_float(&value));
    }
    let _ = content.xml::<serde::de::IgnoredAny>();
    let _ = content.xml::<serde_json::Value>();
    let _ = content.read::<serde_json::Value>();
    let _ = (content.form(), content.text(), content.media_type());
    let _ = content.multipart().map(|parts| parts.len());
}

/// Not every number that is read is written as it was.
fn has_float(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(list) => list.iter().any(has_float),
        serde_json::Value::Object(map) => map.values().any(has_float),
        _ => false,
    }
}

// --- WebSockets ------------------------------------------------------------------------------------------

/// Fields of a handshake: one that is taken has a key, and the right answer to it.
pub fn handshake(data: &[u8]) {
    const LINE: &[u8] = b"GET /ws/echo HTTP/1.1\r\nHost: a\r\n";
    let wire = [LINE, data, b"\r\n\r\n"].concat();
    let (output, _) = serve(&mut app::routes(Choices::default()), [&wire[..]]);
    if !output.starts_with(b"HTTP/1.1 101 ") {
        return judge_answers(&output);
    }
    let head = std::str::from_utf8(&output).expect("a head is text");
    let values = |text: &str, name: &str| {
        let field = |line: &str| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim_matches([' ', '\t']).to_owned())
        };
        text.lines().filter_map(field).collect::<Vec<_>>()
    };
    // What is no text, such as a value of another field, is none of the key's business.
    let asked = String::from_utf8_lossy(data);
    let asked = asked.split("\r\n\r\n").next().unwrap_or_default();
    let keys = values(asked, "Sec-WebSocket-Key");
    assert!(keys.len() == 1 && is_key(keys[0].as_bytes()), "{keys:?}");
    assert_eq!(values(head, "Sec-WebSocket-Accept"), [accept_key(keys[0].as_bytes())]);
    assert!(head.ends_with("\r\n\r\n") && head.matches("\r\n\r\n").count() == 1, "a head and nothing else");
    let offered = values(asked, "Sec-WebSocket-Extensions");
    assert!(values(head, "Sec-WebSocket-Extensions").is_empty() || !offered.is_empty());
}

/// Offers of compression, to servers that are willing to do different things.
pub fn deflate(data: &[u8]) {
    let Some((&willing, offers)) = data.split_first() else { return };
    let deflate = Deflate {
        server_takeover: willing & 1 != 0,
        client_takeover: willing & 2 != 0,
        server_window_bits: 9 + (willing >> 2) % 7,
        client_window_bits: 9 + (willing >> 5) % 7,
        threshold: 0,
    };
    // Each line is a field.
    let lines = || offers.split(|&b| b == b'\n');
    let Ok(Some((agreed, answer))) = deflate.negotiate(lines()) else { return };
    assert!(answer.starts_with("permessage-deflate"), "{answer}");
    assert!((9..=deflate.server_window_bits).contains(&agreed.server_window_bits), "{answer}");
    assert!((8..=15).contains(&agreed.client_window_bits), "{answer}");
    assert!(!agreed.server_takeover || deflate.server_takeover, "{answer}");
    assert!(!agreed.client_takeover || deflate.client_takeover, "{answer}");
    let says = |words: &str| answer.contains(words);
    assert_eq!(says("server_no_context_takeover"), !agreed.server_takeover, "{answer}");
    assert_eq!(says("client_no_context_takeover"), !agreed.client_takeover, "{answer}");
    // RFC 7692 7.1.2.2: not to be said to a client that has not offered it.
    let has_offered = lines().any(|line| line.windows(22).any(|window| window == b"client_max_window_bits"));
    assert!(!says("client_max_window_bits") || has_offered, "{answer}");
}

/// Bytes of a message in these targets.
const MESSAGE: usize = 20_000;

/// What a connection makes of bytes that come in these parts: what it hears, how it ends, and what it sends.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    messages: Vec<(bool, Bytes)>,
    closed: Option<ws::Closed>,
    fate: Fate,
    sent: Vec<u8>,
}

fn hear<'a>(role: Role, agreement: Option<Agreement>, parts: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    let config = Config { message: MESSAGE, ..Config::default() };
    let mut now = Now { mono: Instant::ZERO, wall: 0 };
    let (mut codecs, mut messages, mut closed) = (Codecs::default(), Vec::new(), None);
    let mut socket = ws::Connection::new(now.mono, role, config, agreement);
    let (mut sent, quota) = (Vec::new(), Quota::new(usize::MAX));
    let mut turn = |socket: &mut ws::Connection, now: &mut Now, codecs: &mut Codecs| {
        loop {
            let mut scope = ws::Scope { now: *now, codecs, quota: &quota };
            while let Some(event) = socket.poll_event(&mut scope) {
                match event {
                    Event::Message(message) => {
                        assert!(message.data().len() <= MESSAGE, "no larger than was allowed");
                        assert!(!message.is_text() || message.as_text().is_some(), "a text is one");
                        messages.push((message.is_text(), message.data().clone()));
                    }
                    Event::Closed(end) => assert_eq!(closed.replace(end), None, "it ends once"),
                }
            }
            while let Some(bytes) = socket.poll_output(&mut scope) {
                sent.extend(bytes);
            }
            now.mono += Duration::from_nanos(1);
            // Work that did not fit into the turn.
            if socket.poll_timeout().is_none_or(|at| at >= now.mono) {
                break;
            }
        }
    };
    for part in parts {
        if !socket.wants_input() {
            break;
        }
        socket.handle_input(now.mono, Bytes::copy_from_slice(part));
        turn(&mut socket, &mut now, &mut codecs);
    }
    let fate = socket.fate();
    let _ = socket.handle_gone(&mut ws::Scope { now, codecs: &mut codecs, quota: &quota });
    assert_eq!((codecs.lent(), quota.used()), ((0, 0), 0), "what was lent comes back");
    Heard { messages, closed, fate, sent }
}

fn frames(role: Role, data: &[u8]) {
    let Some((at, wire)) = cut(data) else { return };
    let whole = hear(role, None, [wire]);
    let (first, second) = wire.split_at(at);
    assert_eq!(hear(role, None, [first, second].into_iter().filter(|part| !part.is_empty())), whole);
    let bytewise = hear(role, None, wire.chunks(1));
    // The masks of a client's own frames come from one sequence: the same in all three.
    assert_eq!(bytewise, whole);
    assert!(whole.sent.len() <= 2 * wire.len() + 200, "pongs and a Close frame, and nothing else");
}

/// Frames from a client.
pub fn frames_server(data: &[u8]) {
    frames(Role::Server, data);
}

/// Frames from a server.
pub fn frames_client(data: &[u8]) {
    frames(Role::Client, data);
}

/// Compressed messages, whole or not: the second byte says how long the frames are into which they are cut, and the
/// third whether the decompressor remembers, and what they are. Each 0xFE ends a message.
pub fn inflate(data: &[u8]) {
    let Some((at, rest)) = cut(data) else { return };
    let [step, takeover, content @ ..] = rest else { return };
    let agreement = Agreement {
        server_takeover: false,
        client_takeover: takeover & 1 != 0,
        server_window_bits: 15,
        client_window_bits: 15,
        threshold: 0,
    };
    let mut wire = Vec::new();
    let step = usize::from(*step).clamp(1, 125);
    for message in content.split(|&byte| byte == 0xFE) {
        let mut frames = message.chunks(step).peekable();
        let mut opcode = 0x41 + (takeover >> 1 & 1);
        while let Some(frame) = frames.next() {
            let fin = if frames.peek().is_none() { 0x80 } else { 0 };
            wire.extend_from_slice(&[fin | opcode, 0x80 | frame.len() as u8, 0, 0, 0, 0]);
            wire.extend_from_slice(frame);
            opcode = 0;
        }
    }
    // Which of several errors is noticed first depends on the cut.
    let hear = |parts: &[&[u8]]| {
        let parts = parts.iter().copied().filter(|part| !part.is_empty());
        let mut heard = hear(Role::Server, Some(agreement), parts);
        let is_about_data = |code| code == ws::Code::INVALID_DATA || code == ws::Code::TOO_LARGE;
        if let Some(closed) = heard.closed.as_mut().filter(|closed| is_about_data(closed.code)) {
            closed.code = ws::Code::INVALID_DATA;
            closed.reason.clear();
            heard.sent.clear();
        }
        heard
    };
    let whole = hear(&[&wire]);
    let (first, second) = wire.split_at(at.min(wire.len()));
    assert_eq!(hear(&[first, second]), whole);
    assert_eq!(hear(&wire.chunks(1).collect::<Vec<_>>()), whole);
}
