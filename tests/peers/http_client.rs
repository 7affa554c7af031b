//! hyper asks, the house answers: what comes back is what a model of the routes says.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Version};
use sha2::{Digest as _, Sha256};
use taphouse::fate::Fate;
use taphouse::fault::Fault;

use crate::dice::Dice;
use crate::http_server::Server;
use crate::last_words;
use crate::payload::Payload;
use crate::routes::pattern;
use crate::wire::{End, Pipe, wire};

/// Rounds after which a run in which no byte has moved is stuck.
const PATIENCE: usize = 2000;

/// A question, and what is to become of it.
struct Ask {
    request: Request<Payload>,
    /// It goes without a body, until it is told to go on.
    waits: bool,
    wanted: Wanted,
}

/// What is to come back.
struct Wanted {
    status: u16,
    /// Nothing where the answer is the house's explanation of what was wrong.
    body: Option<Vec<u8>>,
    trailers: Option<&'static str>,
    /// The connection ends with this answer.
    closes: bool,
    /// The answer breaks off.
    breaks: bool,
}

impl Wanted {
    fn body(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: Some(body.into()), trailers: None, closes: false, breaks: false }
    }

    fn problem(status: u16, closes: bool) -> Self {
        Self { status, body: None, trailers: None, closes, breaks: false }
    }
}

/// One connection of hyper to the house.
struct Talk {
    sender: SendRequest<Payload>,
    rest: Rest,
}

/// All of it that goes on by itself.
struct Rest {
    connection: Option<Pin<Box<http1::Connection<End, Payload>>>>,
    result: Option<hyper::Result<()>>,
    server: Server,
    end: End,
}

impl Rest {
    /// Goes on until that is done.
    fn drive<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut moved, mut idle) = (self.end.moved(), 0);
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return result;
            }
            if let Some(connection) = &mut self.connection
                && let Poll::Ready(result) = connection.as_mut().poll(cx)
            {
                self.result = Some(result);
                self.connection = None;
            }
            self.server.step();
            idle = if moved == self.end.moved() { idle + 1 } else { 0 };
            moved = self.end.moved();
            assert!(idle < PATIENCE, "nothing moves");
        }
    }
}

impl Talk {
    fn new(dice: &mut Dice, cut: usize) -> Self {
        let (near, far) = wire(dice, cut);
        let mut server = Server::new(far, Dice::new(dice.below(1 << 40) as u64, 3));
        server.step();
        let mut rest = Rest { connection: None, result: None, server, end: near.clone() };
        let (sender, connection) = rest.drive(http1::handshake(near)).unwrap();
        rest.connection = Some(Box::pin(connection));
        Self { sender, rest }
    }

    /// Asks, and judges the answer. True if the connection goes on.
    fn exchange(&mut self, ask: Ask) -> bool {
        let Ask { mut request, waits, wanted } = ask;
        let what = format!("{} {}", request.method(), request.uri());
        let (method, version) = (request.method().clone(), request.version());
        if waits {
            request.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
            let gate = request.body_mut().close_gate();
            hyper::ext::on_informational(&mut request, move |answer| {
                assert_eq!(answer.status(), 100);
                gate.store(true, Ordering::Relaxed);
            });
        }
        let answer = self.sender.send_request(request);
        let answer = self.rest.drive(answer).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        judge_head(&what, &answer, &wanted, version);
        let promised = answer.headers().get("content-length").cloned();
        let mut body = answer.into_body();
        let body = self.rest.drive(collect(&mut body));
        if wanted.breaks {
            assert!(body.is_err(), "{what}: a body that was cut off is taken for whole");
            return false;
        }
        let body = body.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        if method == Method::HEAD {
            assert!(body.is_empty(), "{what}: a body");
        } else {
            match &wanted.body {
                Some(wanted) => assert!(*wanted == body, "{what}: another body"),
                None => assert!(body.starts_with(b"{\"type\":\"about:blank\""), "{what}: no explanation"),
            }
            let length = promised.map(|length| length.to_str().unwrap().parse().unwrap());
            assert!(length.is_none_or(|length: usize| length == body.len()), "{what}: another length");
        }
        if wanted.closes {
            return false;
        }
        let sender = &mut self.sender;
        self.rest.drive(poll_fn(|cx| sender.poll_ready(cx))).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        true
    }

    /// hyper has nothing more to ask: both sides come to an end, and agree that nothing is missing.
    fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let Self { sender, mut rest } = self;
        drop(sender);
        while rest.connection.is_some() {
            rest.drive(poll_once());
        }
        rest.result.unwrap().expect("hyper has nothing against the end");
        // The server hears of it, behind what it has not read yet.
        let (mut moved, mut idle) = (rest.end.moved(), 0);
        while idle < PATIENCE && rest.server.fate() == Fate::Open {
            rest.server.step();
            idle = if moved == rest.end.moved() { idle + 1 } else { 0 };
            moved = rest.end.moved();
        }
        assert_eq!(rest.server.fate(), Fate::Finish);
        let log = |pipe: &RefCell<Pipe>| pipe.borrow().log.clone();
        (log(&rest.end.outgoing), log(&rest.end.incoming))
    }
}

/// Lets everybody else go on once.
fn poll_once() -> impl Future<Output = ()> {
    let mut is_second = false;
    poll_fn(move |_| if std::mem::replace(&mut is_second, true) { Poll::Ready(()) } else { Poll::Pending })
}

async fn collect(body: &mut Incoming) -> hyper::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        all.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(all)
}

fn judge_head(what: &str, answer: &Response<Incoming>, wanted: &Wanted, version: Version) {
    assert_eq!(answer.status(), wanted.status, "{what}");
    let field = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(field("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "{what}");
    assert_eq!(field("server"), Some("taphouse"), "{what}");
    assert_eq!(answer.headers().contains_key("content-type"), answer.status() != 204, "{what}");
    let closes = field("connection") == Some("close");
    assert_eq!(closes, wanted.closes, "{what}: {:?}", answer.headers());
    if wanted.trailers.is_some() {
        assert_eq!(field("x-trailers"), wanted.trailers, "{what}");
    }
    if version == Version::HTTP_10 {
        assert_eq!(field("transfer-encoding"), None, "{what}");
    }
}

fn request(method: Method, target: &str, payload: Payload) -> Request<Payload> {
    let request = Request::builder().method(method).uri(target).header("host", "peer.test");
    request.body(payload).unwrap()
}

/// A question that the house can answer, or refuse, and how.
fn ask(dice: &mut Dice, max: usize) -> Ask {
    let n = dice.magnitude(max);
    let body = dice.bytes(n);
    let is_sized = dice.one_in(2);
    let payload = Payload::new(dice, &body, is_sized);
    let nothing = Payload::new(dice, b"", true);
    let mut waits = false;
    let looks = dice.pick(&[Method::GET, Method::HEAD].each_ref()).clone();
    let (mut request, mut wanted) = match dice.below(12) {
        0 => (request(looks, "http://peer.test/hello", nothing), Wanted::body("Hello, world!")),
        1 => (request(looks, &format!("/bytes/{n}"), nothing), Wanted::body(pattern(n))),
        2 => (request(looks, &format!("/stream/{n}"), nothing), Wanted::body(pattern(n))),
        3 => (request(looks, &format!("/later/{n}"), nothing), Wanted::body(pattern(n))),
        4 => {
            let digits: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
            let json = format!("{{\"bytes\":{n},\"sha256\":\"{digits}\"}}\n");
            (request(Method::PUT, "/sink?sha256=1", payload), Wanted::body(json))
        }
        5 => {
            let trailers = HeaderMap::from_iter([
                (HeaderName::from_static("x-sum"), HeaderValue::from_static("12")),
                // RFC 9110 6.5.1: not one to be taken from there, and hyper sends it all the same.
                (HeaderName::from_static("authorization"), HeaderValue::from_static("no")),
            ]);
            let payload = Payload::new(dice, &body, false).with_trailers(trailers);
            let mut request = request(Method::POST, "/mirror", payload);
            request.headers_mut().insert("trailer", HeaderValue::from_static("x-sum, authorization"));
            (request, Wanted { trailers: Some("[x-sum=12;]"), ..Wanted::body(body) })
        }
        6 => {
            (request(Method::POST, "/mirror", payload), Wanted { trailers: Some("[]"), ..Wanted::body(body) })
        }
        7 => {
            waits = n > 0;
            (request(Method::POST, "/echo", payload), Wanted::body(body))
        }
        // What nobody wants is read and thrown away, so that the connection can be kept.
        8 => {
            let payload = Payload::new(dice, &body[..n.min(200_000)], is_sized);
            (request(Method::DELETE, "/hello", payload), Wanted::problem(405, false))
        }
        9 => (request(Method::OPTIONS, "/echo", nothing), Wanted { status: 204, ..Wanted::body("") }),
        10 => (request(looks, "/bytes/none", nothing), Wanted::problem(422, false)),
        _ => (request(Method::POST, "/echo", payload), Wanted::body(body)),
    };
    match dice.below(12) {
        0 => {
            request.headers_mut().insert("connection", HeaderValue::from_static("close"));
            wanted.closes = true;
        }
        1 if request.method() == Method::GET => {
            *request.version_mut() = Version::HTTP_10;
            wanted.closes = true;
        }
        _ => {}
    }
    Ask { request, waits, wanted }
}

/// So many exchanges, over as many connections as they take. The bytes of both directions of each.
fn run(seed: u64, exchanges: usize, damaged: Option<usize>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut dice = Dice::new(seed, 0);
    let cut = dice.pick(&[1, 3, 50, 1460, 20_000, 100_000]);
    let max = (cut * 3000).min(300_000);
    let mut logs = Vec::new();
    let mut left = exchanges;
    while left > 0 {
        let mut talk = Talk::new(&mut dice, cut);
        talk.rest.end.incoming.borrow_mut().damaged = damaged;
        loop {
            left = left.saturating_sub(1);
            if !talk.exchange(ask(&mut dice, max)) || left == 0 {
                break;
            }
        }
        logs.push(talk.finish());
    }
    logs
}

/// What hyper has asked over a connection, asked at once: hyper itself waits for each answer before it asks again.
fn replay(seed: u64, (asked, answered): &(Vec<u8>, Vec<u8>)) {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut dice = Dice::new(seed, 4);
    let (near, far) = wire(&mut dice, 100_000);
    let mut server = Server::new(far, Dice::new(seed, 5));
    let (mut asked, mut idle, mut moved) = (Bytes::copy_from_slice(asked), 0, near.moved());
    while idle < PATIENCE {
        let taken = near.give(&asked);
        let _ = asked.split_to(taken);
        server.step();
        let _ = near.receive(usize::MAX);
        idle = if moved == near.moved() { idle + 1 } else { 0 };
        moved = near.moved();
    }
    // Whether it is needed depends on whether something of the body has come.
    let without = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        while let Some(at) = bytes.windows(CONTINUE.len()).position(|w| w == CONTINUE) {
            bytes.drain(at..at + CONTINUE.len());
        }
        bytes
    };
    let log = &near.incoming.borrow().log;
    assert!(
        without(log) == without(answered),
        "seed {seed}: other answers to the same questions, asked at once"
    );
}

#[test]
fn hyper_is_answered_what_it_has_asked() {
    let (mut connections, mut bytes) = (0, 0);
    for seed in 0..60 {
        let logs = run(seed, 20, None);
        for log in &logs {
            replay(seed, log);
            bytes += log.0.len() + log.1.len();
        }
        connections += logs.len();
    }
    // Of 1,200 exchanges, so that nobody counts on questions that are not asked.
    assert!((60..600).contains(&connections) && bytes > 10 << 20, "{connections} connections, {bytes} bytes");
}

/// One exchange on a connection of its own.
fn alone(seed: u64, ask: Ask) {
    let mut talk = Talk::new(&mut Dice::new(seed, 0), 20_000);
    let closes = ask.wanted.closes;
    assert_eq!(talk.exchange(ask), !closes);
}

#[test]
fn large_bodies_arrive_whole() {
    let dice = &mut Dice::new(1, 0);
    let body = dice.bytes(8 << 20);
    for is_sized in [false, true] {
        let payload = Payload::new(dice, &body, is_sized);
        let request = request(Method::POST, "/echo", payload);
        alone(1, Ask { request, waits: false, wanted: Wanted::body(&body[..]) });
    }
    let request = request(Method::GET, "/bytes/20000000", Payload::new(dice, b"", true));
    alone(2, Ask { request, waits: false, wanted: Wanted::body(pattern(20_000_000)) });
}

#[test]
fn bodies_that_are_too_large_are_refused_by_413() {
    let dice = &mut Dice::new(3, 0);
    let body = dice.bytes((8 << 20) + 1);
    // Whose length is told, and who waits, has not sent it by then.
    for (is_sized, waits) in [(false, false), (true, false), (true, true), (false, true)] {
        let request = request(Method::POST, "/echo", Payload::new(dice, &body, is_sized));
        alone(3, Ask { request, waits, wanted: Wanted::problem(413, true) });
    }
}

#[test]
fn who_waits_may_be_answered_otherwise() {
    let dice = &mut Dice::new(4, 0);
    for (method, target, status) in [(Method::POST, "/hello", 405), (Method::PUT, "/nothing", 404)] {
        let request = request(method, target, Payload::new(dice, b"body", true));
        // The body may come or not: only a closed connection is clear.
        alone(4, Ask { request, waits: true, wanted: Wanted::problem(status, true) });
    }
}

#[test]
fn what_cannot_be_served_ends_the_connection() {
    let dice = &mut Dice::new(5, 0);
    let nothing = |dice: &mut Dice| Payload::new(dice, b"", true);
    let brew = Method::from_bytes(b"BREW").unwrap();
    let mut long = request(Method::GET, "/hello", nothing(dice));
    long.headers_mut().insert("x", HeaderValue::from_str(&"x".repeat(70_000)).unwrap());
    let mut expects = request(Method::GET, "/hello", nothing(dice));
    expects.headers_mut().insert("expect", HeaderValue::from_static("miracles"));
    let mut hostless = request(Method::GET, "/hello", nothing(dice));
    hostless.headers_mut().remove("host");
    // More than is read and thrown away.
    let unwanted = Payload::new(dice, &pattern(300_000), true);
    for (request, status) in [
        (request(brew, "/", nothing(dice)), 501),
        (request(Method::GET, &format!("/{}", "x".repeat(9000)), nothing(dice)), 414),
        (long, 431),
        (expects, 417),
        (hostless, 400),
        (request(Method::POST, "/hello", unwanted), 405),
    ] {
        alone(5, Ask { request, waits: false, wanted: Wanted::problem(status, true) });
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_taken_for_whole() {
    for n in [0, 1, 5000, 200_000] {
        let dice = &mut Dice::new(6, n as u64);
        let request = request(Method::GET, &format!("/short/{n}"), Payload::new(dice, b"", true));
        let mut talk = Talk::new(dice, 20_000);
        talk.exchange(Ask { request, waits: false, wanted: Wanted { breaks: true, ..Wanted::body("") } });
    }
}

#[test]
fn a_broken_server_is_noticed() {
    let all = || (0..20).for_each(|seed| drop(run(seed, 20, None)));
    let noticed = last_words(Some(Fault::BodyReadAsRequest), all).unwrap();
    assert!(noticed.contains("DELETE /hello"), "{noticed}");
    assert_eq!(last_words(Some(Fault::NoContinue), all).unwrap(), "nothing moves");
}

#[test]
fn a_damaged_byte_is_noticed() {
    let mut noticed = 0;
    for at in (0..2000).step_by(97) {
        noticed += usize::from(last_words(None, || drop(run(8, 10, Some(at)))).is_some());
    }
    // Of 21: what a reason phrase says is not looked at, nor which media type it is.
    assert!(noticed >= 18, "{noticed}");
}

#[test]
fn a_body_that_is_out_of_turn_is_noticed() {
    let mut dice = Dice::new(9, 0);
    let request = request(Method::GET, "/bytes/1000", Payload::new(&mut dice, b"", true));
    let mut other = pattern(1000);
    other.swap(500, 501);
    let words = last_words(None, || alone(9, Ask { request, waits: false, wanted: Wanted::body(other) }));
    assert_eq!(words.unwrap(), "GET /bytes/1000: another body");
}
