use super::*;
use crate::http::testing::{Alone, NOW};

use crate::http::response::{Body, Piece, Response};
use crate::http::{Method, collect};

/// Answers everything with its own description, takes bodies up to 100 bytes on PUT, and gives seven bytes of
/// unknown length on /stream.
struct Describe;

struct Collect(Vec<u8>);

impl BodySink for Collect {
    fn limit(&self) -> u64 {
        100
    }
    fn handle_piece(&mut self, piece: Bytes) {
        self.0.extend(piece);
    }
    fn handle_trailer(&mut self, name: &str, value: &[u8]) {
        self.0.extend([name.as_bytes(), b"=", value, b";"].concat());
    }
    fn finish(self: Box<Self>) -> Outcome {
        Outcome::Respond(Response::text(200, self.0))
    }
}

struct Seven(usize);

impl BodySource for Seven {
    fn len(&self) -> Option<u64> {
        None
    }
    fn poll_body(&mut self, room: usize) -> Piece {
        let len = room.min(self.0).min(4);
        self.0 -= len;
        if len == 0 { Piece::End } else { Piece::Chunk(Bytes::from(vec![b'7'; len])) }
    }
}

impl Handler for Describe {
    fn handle_request(&mut self, request: &Request<'_>) -> Outcome {
        match (request.method, request.path) {
            (Method::Put, _) => Outcome::Read(Box::new(Collect(Vec::new()))),
            (_, "/stream") => {
                Outcome::Respond(Response::new(200, "text/plain", Body::Source(Box::new(Seven(7)))))
            }
            (_, path) => Outcome::Respond(Response::text(200, format!("<{path}>"))),
        }
    }
}

struct Bench {
    http: Connection,
    now: Now,
    date: Date,
    quota: Quota,
    out: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        Self {
            http: Connection::new(NOW.mono, Limits::default()),
            now: NOW,
            date: Date::default(),
            quota: Quota::default(),
            out: Vec::new(),
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Connection, &mut Scope<'_>) -> T) -> T {
        let mut scope = Scope {
            now: self.now,
            date: &mut self.date,
            handler: &mut Describe,
            house: &Alone,
            quota: &self.quota,
        };
        f(&mut self.http, &mut scope)
    }

    /// Hands in bytes as far as they are wanted, and takes all output.
    fn give(&mut self, bytes: &[u8]) -> &mut Self {
        if self.http.wants_input() {
            self.with(|http, scope| http.handle_input(scope, Bytes::copy_from_slice(bytes)));
        }
        while let Some(out) = self.with(|http, scope| http.poll_output(scope, 1000)) {
            self.out.extend(out);
        }
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now.mono += Duration::from_secs(seconds);
        self.with(|http, scope| http.handle_timeout(scope));
        self.give(b"")
    }

    fn end(&mut self) -> &mut Self {
        self.with(|http, scope| http.handle_end(scope));
        self.give(b"")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// The status codes of all answers.
    fn statuses(&self) -> Vec<&str> {
        self.text().split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect()
    }
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn requests_are_answered_in_order_however_they_arrive() {
    let two = [GET, b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
    let mut whole = Bench::new();
    whole.give(&two);
    assert_eq!(whole.statuses(), ["200", "200"]);
    assert!(whole.text().find("</a>") < whole.text().find("</b>"));
    let mut bytewise = Bench::new();
    two.chunks(1).for_each(|b| {
        bytewise.give(b);
    });
    assert_eq!(bytewise.out, whole.out);
    for cut in 0..two.len() {
        let mut parts = Bench::new();
        parts.give(&two[..cut]).give(&two[cut..]);
        assert_eq!(parts.out, whole.out, "{cut}");
    }
}

#[test]
fn a_body_is_never_read_as_the_next_request() {
    let body = b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut bench = Bench::new();
    bench.give(request.as_bytes()).give(body).give(GET);
    assert_eq!(bench.statuses(), ["200", "200"]);
    assert!(!bench.text().contains("evil"));
    let mut chunked = Bench::new();
    chunked.give(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n");
    chunked.give(body).give(b"\r\n0\r\n\r\n").give(GET);
    assert_eq!(chunked.statuses(), ["200", "200"]);
}

#[test]
fn a_large_unwanted_body_ends_the_connection() {
    let mut bench = Bench::new();
    bench.give(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n");
    assert_eq!((bench.statuses(), bench.http.fate()), (vec!["200"], Fate::Finish));
    assert!(bench.text().contains("Connection: close"));
}

#[test]
fn trailers_come_to_who_wants_them_but_for_what_belongs_into_a_head() {
    let mut bench = Bench::new();
    bench.give(b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
    bench
        .give(b"X-One: 1\r\nContent-Length: 9\r\nHOST: y\r\nAuthorization: z\r\nX-Two:  2 \r\n\r\n")
        .give(GET);
    assert!(bench.text().contains("\r\n\r\naX-One=1;X-Two=2;HTTP/1.1 200"), "{}", bench.text());
}

#[test]
fn a_wanted_body_is_taken_up_to_its_limit() {
    let mut bench = Bench::new();
    bench.give(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel").give(b"lo").give(GET);
    assert_eq!(bench.statuses(), ["200", "200"]);
    assert!(bench.text().contains("\r\n\r\nhelloHTTP/1.1"));
    let mut told = Bench::new();
    told.give(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n");
    assert_eq!((told.statuses(), told.http.fate()), (vec!["413"], Fate::Finish));
    let mut untold = Bench::new();
    untold.give(b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    untold.give(format!("65\r\n{}\r\n", "x".repeat(101)).as_bytes());
    assert_eq!((untold.statuses(), untold.http.fate()), (vec!["413"], Fate::Finish));
}

#[test]
fn who_waits_for_continue_gets_it_once_and_only_before_the_body() {
    let head = b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut waits = Bench::new();
    waits.give(head);
    assert_eq!(waits.statuses(), ["100"]);
    waits.give(b"ok");
    assert_eq!(waits.statuses(), ["100", "200"]);
    let mut does_not = Bench::new();
    does_not.give(&[&head[..], b"ok"].concat());
    assert_eq!(does_not.statuses(), ["200"]);
}

#[test]
fn bodies_of_unknown_length_are_chunked_or_end_with_the_connection() {
    let mut bench = Bench::new();
    bench.give(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").give(GET);
    assert!(
        bench.text().contains("\r\n\r\n4\r\n7777\r\n3\r\n777\r\n0\r\n\r\nHTTP/1.1 200"),
        "{}",
        bench.text()
    );
    let mut old = Bench::new();
    old.give(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(old.text().ends_with("Connection: close\r\n\r\n7777777"));
    assert_eq!(old.http.fate(), Fate::Finish);
}

#[test]
fn head_gets_the_head() {
    let mut bench = Bench::new();
    bench
        .give(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
        .give(b"HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        .give(GET);
    assert_eq!(bench.statuses(), ["200", "200", "200"]);
    assert!(bench.text().contains("Content-Length: 4") && bench.text().matches("</a>").count() == 1);
}

#[test]
fn connections_are_kept_as_the_version_says() {
    for (head, fate) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Fate::Open),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", Fate::Finish),
        ("GET / HTTP/1.0\r\n\r\n", Fate::Finish),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Fate::Open),
    ] {
        let mut bench = Bench::new();
        bench.give(head.as_bytes());
        assert_eq!(bench.http.fate(), fate, "{head}");
        assert_eq!(bench.text().contains("Connection: close"), fate == Fate::Finish, "{head}");
    }
}

#[test]
fn waits_have_their_answers() {
    let mut idle = Bench::new();
    assert_eq!(idle.wait(74).http.fate(), Fate::Open);
    assert_eq!(idle.wait(1).http.fate(), Fate::Finish);
    assert_eq!(idle.text(), "", "nobody asked, so nobody is answered");

    let mut head = Bench::new();
    head.give(b"GET / HT").wait(14).give(b"TP/1.1\r\n");
    assert_eq!(head.wait(1).statuses(), ["408"]);

    let mut body = Bench::new();
    body.give(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\nabc").wait(14);
    assert!(body.statuses().is_empty());
    assert_eq!(body.wait(1).statuses(), ["408"]);

    let mut slow = Bench::new();
    slow.give(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n");
    for _ in 0..3 {
        slow.wait(5).give(b"a");
    }
    assert_eq!(slow.wait(1).statuses(), ["408"], "a byte now and then is not enough");
}

#[test]
fn a_peer_that_finishes_still_gets_its_answer() {
    let mut bench = Bench::new();
    bench.give(GET).end();
    assert_eq!((bench.statuses(), bench.http.fate()), (vec!["200"], Fate::Finish));
    let mut early = Bench::new();
    early.give(b"GET / HT").end();
    assert_eq!(early.statuses(), ["400"]);
    let mut short = Bench::new();
    short.give(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").end();
    assert_eq!(short.statuses(), ["400"]);
}

#[test]
fn refusals_end_the_connection() {
    for (bytes, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "400"),
        (b"GET / HTTP/1.1\nHost: x\n\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "505"),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"),
    ] {
        let mut bench = Bench::new();
        bench.give(bytes).give(GET);
        assert_eq!((bench.statuses(), bench.http.fate()), (vec![status], Fate::Finish), "{bytes:?}");
        assert!(bench.text().contains("application/problem+json"));
    }
}

#[test]
fn every_broken_mechanism_is_noticed() {
    let noticed: [(Fault, fn()); 7] = [
        (Fault::NoBodyRate, waits_have_their_answers),
        (Fault::LookAheadUnbounded, a_peer_that_takes_no_answers_is_not_asked_for_further_requests),
        (Fault::HostUnchecked, refusals_end_the_connection),
        (Fault::BareLfAccepted, refusals_end_the_connection),
        (Fault::NoContinue, who_waits_for_continue_gets_it_once_and_only_before_the_body),
        (Fault::NoHeadTimeout, waits_have_their_answers),
        (Fault::BodyReadAsRequest, a_body_is_never_read_as_the_next_request),
    ];
    for (fault, test) in noticed {
        fault::set(Some(fault));
        let result = std::panic::catch_unwind(test);
        fault::set(None);
        assert!(result.is_err(), "{fault:?} is not noticed");
    }
}

#[test]
fn a_peer_that_takes_no_answers_is_not_asked_for_further_requests() {
    let many = GET.repeat(2000);
    let mut bench = Bench::new();
    bench.with(|http, scope| http.handle_input(scope, Bytes::copy_from_slice(&many)));
    assert!(!bench.http.wants_input());
    assert!(bench.http.waiting < limits::ANSWERS_WAITING + 1000, "{}", bench.http.waiting);
    assert_eq!(bench.http.poll_timeout(), None, "the peer is waited for by whoever sends");
    bench.now.mono += Duration::from_secs(100);
    bench.give(b"").wait(1).end();
    assert_eq!(bench.statuses(), ["200"; 2000]);
    assert_eq!((bench.http.waiting, bench.http.fate()), (0, Fate::Finish));
}

#[test]
fn a_stop_ends_a_connection_after_what_it_is_doing() {
    let mut idle = Bench::new();
    idle.give(GET).http.stop();
    assert_eq!(idle.http.fate(), Fate::Finish);

    let mut asking = Bench::new();
    asking.give(&GET[..10]).http.stop();
    asking.give(&[&GET[10..], GET].concat());
    assert_eq!((asking.statuses(), asking.http.fate()), (vec!["200"], Fate::Finish));
    assert!(asking.text().contains("Connection: close"));

    let mut answering = Bench::new();
    let stream = Bytes::from_static(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    answering.with(|http, scope| http.handle_input(scope, stream));
    answering.http.stop();
    answering.give(b"").give(GET);
    assert!(answering.text().ends_with("0\r\n\r\n"));
    assert_eq!((answering.statuses(), answering.http.fate()), (vec!["200"], Fate::Finish));
}

/// Answers by this function.
struct By<F>(F);

impl<F: FnMut(&Request<'_>) -> Outcome> Handler for By<F> {
    fn handle_request(&mut self, request: &Request<'_>) -> Outcome {
        (self.0)(request)
    }
}

const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn the_answer_to_head_has_no_content_when_its_handler_fails() {
    let mut handler = By(|_: &Request<'_>| panic!("a handler's mistake"));
    let mut http = Connection::new(NOW.mono, Limits::default());
    let (mut date, quota, mut out) = (Date::default(), Quota::default(), Vec::new());
    let mut scope = Scope { now: NOW, date: &mut date, handler: &mut handler, house: &Alone, quota: &quota };
    let failed =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| http.handle_input(&mut scope, HEAD.into())));
    assert!(failed.is_err());
    http.fail(&mut scope);
    while let Some(bytes) = http.poll_output(&mut scope, 1000) {
        out.extend(bytes);
    }
    let said = String::from_utf8(out).unwrap();
    assert!(said.starts_with("HTTP/1.1 500") && said.ends_with("\r\n\r\n"), "{said}");
}

#[test]
fn a_request_whose_handler_failed_is_logged_as_that() {
    let house = crate::http::testing::Logbook::default();
    let mut handler = By(|_: &Request<'_>| panic!("a handler's mistake"));
    let mut http = Connection::new(NOW.mono, Limits::default());
    let (mut date, quota) = (Date::default(), Quota::default());
    let mut scope = Scope { now: NOW, date: &mut date, handler: &mut handler, house: &house, quota: &quota };
    let failed =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| http.handle_input(&mut scope, GET.into())));
    assert!(failed.is_err());
    http.fail(&mut scope);
    http.handle_gone(&mut scope);
    let log = house.0.borrow();
    assert!(log.len() == 1 && log[0].contains("/a HTTP/1.1\" 500") && !log[0].contains("cut"), "{log:?}");
}

#[test]
fn what_is_on_its_way_outlives_a_panic_of_the_next_handler() {
    let mut handler = By(|request: &Request<'_>| match request.path {
        "/large" => Outcome::Respond(Response::text(200, vec![b'Q'; limits::ANSWERS_WAITING])),
        _ => panic!("a handler's mistake"),
    });
    let mut http = Connection::new(NOW.mono, Limits::default());
    let (mut date, quota, mut out) = (Date::default(), Quota::default(), Vec::new());
    let mut scope = Scope { now: NOW, date: &mut date, handler: &mut handler, house: &Alone, quota: &quota };
    let requests = "GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /panics HTTP/1.1\r\nHost: x\r\n\r\n";
    http.handle_input(&mut scope, requests.into());
    loop {
        let polled =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| http.poll_output(&mut scope, 1 << 20)));
        match polled {
            Ok(Some(bytes)) => out.extend(bytes),
            Ok(None) => break,
            Err(_) => http.fail(&mut scope),
        }
    }
    let said = String::from_utf8(out).unwrap();
    assert_eq!(said.matches('Q').count(), limits::ANSWERS_WAITING);
    assert!(said.contains("QHTTP/1.1 500"), "the failure comes behind it");
}

/// Gives back what it was given, piece by piece.
struct Back(Vec<u8>);

impl BodySink for Back {
    fn limit(&self) -> u64 {
        u64::MAX
    }
    fn handle_piece(&mut self, piece: Bytes) {
        self.0.extend(piece);
    }
    fn held(&self) -> usize {
        self.0.len()
    }
    fn finish(self: Box<Self>) -> Outcome {
        Outcome::Respond(Response::new(200, "text/plain", Body::Source(self)))
    }
}

impl BodySource for Back {
    fn len(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
    fn poll_body(&mut self, room: usize) -> Piece {
        let rest = self.0.split_off(room.min(self.0.len()));
        let piece = std::mem::replace(&mut self.0, rest);
        if piece.is_empty() { Piece::End } else { Piece::Chunk(piece.into()) }
    }
}

#[test]
fn what_an_answer_still_holds_is_counted() {
    let mut handler = By(|_: &Request<'_>| Outcome::Read(Box::new(Back(Vec::new()))));
    let mut http = Connection::new(NOW.mono, Limits::default());
    let (mut date, quota) = (Date::default(), Quota::default());
    let mut scope = Scope { now: NOW, date: &mut date, handler: &mut handler, house: &Alone, quota: &quota };
    let request = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000));
    http.handle_input(&mut scope, request.into());
    for _ in 0..5 {
        assert!(http.poll_output(&mut scope, 1000).is_some());
    }
    assert_eq!(quota.used(), 5000, "most of it is still to be sent");
    while http.poll_output(&mut scope, 1000).is_some() {}
    assert_eq!(quota.used(), 0);
}

#[test]
fn a_large_answer_is_counted_until_it_is_taken() {
    let mut handler = By(|request: &Request<'_>| {
        collect(request, u64::MAX, |content| Response::text(200, content.data().clone()))
    });
    let mut http = Connection::new(NOW.mono, Limits::default());
    let (mut date, quota) = (Date::default(), Quota::default());
    let mut scope = Scope { now: NOW, date: &mut date, handler: &mut handler, house: &Alone, quota: &quota };
    let len = 1 << 20;
    let request = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n{}", "x".repeat(len));
    http.handle_input(&mut scope, request.into());
    let taken: usize = (0..2).map(|_| http.poll_output(&mut scope, 1000).unwrap().len()).sum();
    assert!(taken <= len / 2 || quota.used() == len, "{taken} {}", quota.used());
    while http.poll_output(&mut scope, 1000).is_some() {}
    assert_eq!(quota.used(), 0);
}

#[test]
fn what_an_answer_held_is_given_back_although_a_body_is_thrown_away() {
    let mut handler = By(|request: &Request<'_>| match request.method {
        Method::Put => Outcome::Read(Box::new(Back(Vec::new()))),
        _ => Outcome::Respond(Response::empty(204)),
    });
    let mut http = Connection::new(NOW.mono, Limits::default());
    let (mut date, quota) = (Date::default(), Quota::default());
    let mut scope = Scope { now: NOW, date: &mut date, handler: &mut handler, house: &Alone, quota: &quota };
    let put = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000));
    http.handle_input(
        &mut scope,
        [&put, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"].concat().into(),
    );
    while http.poll_output(&mut scope, 1000).is_some() {}
    assert_eq!(quota.used(), 0);
}

fn exchange(answer: impl Fn() -> Response, request: &str) -> String {
    crate::http::testing::exchange(&mut By(|_: &Request<'_>| Outcome::Respond(answer())), request)
}

#[test]
fn an_answer_that_can_have_no_content_has_none() {
    for status in [204, 205, 304] {
        let said =
            exchange(|| Response::text(status, "HTTP/1.1 200 OK"), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(said.ends_with("\r\n\r\n"), "{said}");
        let source = || Response::new(status, "text/plain", Body::Source(Box::new(Seven(7))));
        let said = exchange(source, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(said.ends_with("\r\n\r\n") && !said.contains("Transfer-Encoding"), "{said}");
        assert!(status != 204 || !said.contains("Content-Length"), "{said}");
    }
}

#[test]
fn a_media_type_is_said_once() {
    let said = exchange(|| Response::text(200, "a,b").with("Content-Type", "text/csv"), HEAD);
    assert_eq!(said.matches("Content-Type: ").count(), 1, "{said}");
}

#[test]
#[should_panic(expected = "control character")]
fn a_media_type_ends_no_field() {
    exchange(|| Response::new(200, "text/html\r\nSet-Cookie: a=b".to_owned(), Body::Empty), HEAD);
}

/// Gives pieces of these lengths, having promised so many bytes.
struct Pieces(Option<u64>, Vec<usize>);

impl BodySource for Pieces {
    fn len(&self) -> Option<u64> {
        self.0
    }
    fn poll_body(&mut self, _: usize) -> Piece {
        self.1.pop().map_or(Piece::End, |len| Piece::Chunk(vec![b'x'; len].into()))
    }
}

#[test]
fn no_body_goes_beyond_the_length_that_was_promised() {
    let answer = || Response::new(200, "text/plain", Body::Source(Box::new(Pieces(Some(5), vec![3, 3]))));
    let said = exchange(answer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(said.split("\r\n\r\n").nth(1).unwrap().len() <= 5, "{said}");
}

#[test]
#[should_panic(expected = "some bytes, not none")]
fn an_empty_piece_ends_no_body() {
    let answer = || Response::new(200, "text/plain", Body::Source(Box::new(Pieces(None, vec![3, 0, 3]))));
    exchange(answer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

/// A house in which no mail has room.
struct Crowded;

impl House for Crowded {
    fn peer(&self) -> std::net::SocketAddrV4 {
        Alone.peer()
    }
    fn write_metrics(&self, _: &mut String) {}
    fn wake_line(&self) -> crate::mail::Line<crate::http::Wake> {
        let to = crate::mail::Address { slot: 0, generation: 0 };
        crate::mail::Line::new(to, std::sync::Arc::new(Self))
    }
}

impl crate::mail::Carrier<crate::http::Wake> for Crowded {
    fn carry(&self, _: crate::mail::Address, _: crate::http::Wake) -> Result<(), crate::mail::Undelivered> {
        Err(crate::mail::Undelivered)
    }
}

#[test]
fn a_pipe_whose_wakes_are_lost_comes_to_its_end() {
    let writer = std::cell::RefCell::new(None);
    let mut handler = By(|request: &Request<'_>| {
        let (end, body) = crate::http::pipe(request);
        *writer.borrow_mut() = Some(end);
        Outcome::Respond(Response::new(200, "text/plain", body))
    });
    let mut http = Connection::new(NOW.mono, Limits::default());
    let (mut date, quota, mut out) = (Date::default(), Quota::default(), Vec::new());
    let mut scope =
        Scope { now: NOW, date: &mut date, handler: &mut handler, house: &Crowded, quota: &quota };
    http.handle_input(&mut scope, GET.into());
    while let Some(bytes) = http.poll_output(&mut scope, 1000) {
        out.extend(bytes);
    }
    let end = writer.borrow_mut().take().unwrap();
    assert_eq!(end.write("late"), Ok(()));
    drop(end);
    scope.now.mono = http.poll_timeout().expect("it is asked again");
    http.handle_timeout(&mut scope);
    while let Some(bytes) = http.poll_output(&mut scope, 1000) {
        out.extend(bytes);
    }
    assert!(out.ends_with(b"4\r\nlate\r\n0\r\n\r\n"));
}
