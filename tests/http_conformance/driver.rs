//! A client without a wire: hands bytes to a connection in parts, takes what it says, and judges both.

use std::net::SocketAddrV4;
use std::sync::Arc;

use bytes::Bytes;
use taphouse::app::{self, Choices};
use taphouse::http::{
    Body, BodySource, Connection, Date, Fate, Handler, House, Limits, Outcome as Decision, Piece, Request,
    Response, Router, Scope, Wake,
};
use taphouse::mail::{Address, Carrier, Line, Undelivered};
use taphouse::quota::Quota;
use taphouse::time::{Duration, Instant, Now};

use crate::answers::{self, Answer};
use crate::case::Case;

/// The moment of all cases: 1994-11-06 08:49:37, the example of RFC 9110 5.6.7.
const WALL: u64 = 784_111_777;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// Up to here a request is cut at each offset, and beyond at some.
const CUT_EVERYWHERE: usize = 700;

/// Beyond here it is cut at three offsets.
const CUT_SELDOM: usize = 1 << 20;

/// Up to here it is also sent byte by byte, and beyond in parts of a prime number of bytes.
const BYTE_BY_BYTE: usize = 80_000;

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

/// The house's routes, and one whose answer has no length that is known before: `/stream`.
struct Routes(Router);

impl Handler for Routes {
    fn handle_request(&mut self, request: &Request<'_>) -> Decision {
        match request.path {
            "/stream" => {
                Decision::Respond(Response::new(200, "text/plain", Body::Source(Box::new(Words(0)))))
            }
            _ => self.0.handle_request(request),
        }
    }
}

/// How many of its words were given.
struct Words(usize);

const WORDS: &[&[u8]] = &[b"one\n", b"0\r\n\r\n", b"a third, longer word\n"];

impl BodySource for Words {
    fn len(&self) -> Option<u64> {
        None
    }

    fn poll_body(&mut self, _room: usize) -> Piece {
        self.0 += 1;
        WORDS.get(self.0 - 1).map_or(Piece::End, |word| Piece::Chunk(Bytes::from_static(word)))
    }
}

/// One connection, and its client.
pub(crate) struct Client {
    http: Connection,
    routes: Routes,
    date: Date,
    quota: Quota,
    now: Now,
    pub(crate) output: Vec<u8>,
}

impl Client {
    pub(crate) fn new() -> Self {
        let now = Now { mono: Instant::ZERO, wall: WALL };
        Self {
            http: Connection::new(now.mono, Limits::default()),
            routes: Routes(app::routes(Choices::default())),
            date: Date::default(),
            quota: Quota::default(),
            now,
            output: Vec::new(),
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Connection, &mut Scope<'_>) -> T) -> T {
        let (handler, date) = (&mut self.routes, &mut self.date);
        let mut scope = Scope { now: self.now, date, handler, house: &Alone, quota: &self.quota };
        f(&mut self.http, &mut scope)
    }

    /// Hands in bytes, if any are wanted now, and takes nothing.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> bool {
        let is_wanted = self.http.wants_input();
        if is_wanted {
            self.with(|http, scope| http.handle_input(scope, Bytes::copy_from_slice(bytes)));
        }
        is_wanted
    }

    /// Takes all there is to take.
    pub(crate) fn take(&mut self) {
        while let Some(bytes) = self.with(|http, scope| http.poll_output(scope, 10_000)) {
            assert!(!bytes.is_empty(), "output is never empty");
            self.output.extend_from_slice(&bytes);
        }
        assert!(!self.http.has_output(), "what was not given is not there");
    }

    pub(crate) fn give(&mut self, bytes: &[u8]) {
        self.offer(bytes);
        self.take();
    }

    /// The client sends no more.
    pub(crate) fn end(&mut self) {
        self.with(|http, scope| http.handle_end(scope));
        self.take();
    }

    /// Time passes, second by second.
    pub(crate) fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.mono += Duration::from_secs(1);
            if self.http.poll_timeout().is_some_and(|at| at <= self.now.mono) {
                self.with(|http, scope| http.handle_timeout(scope));
            }
            self.take();
        }
    }

    pub(crate) fn fate(&self) -> Fate {
        self.http.fate()
    }
}

/// What came of a delivery, interim answers taken out.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    output: Vec<u8>,
    interim: usize,
    fate: Fate,
}

fn deliver<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut client = Client::new();
    for part in parts {
        client.give(part);
    }
    let mut output = client.output;
    let mut interim = 0;
    while let Some(at) = output.windows(CONTINUE.len()).position(|w| w == CONTINUE) {
        output.drain(at..at + CONTINUE.len());
        interim += 1;
    }
    Outcome { output, interim, fate: client.http.fate() }
}

/// Where to cut: everywhere, or near both ends, around line ends, and here and there.
fn cuts(wire: &[u8]) -> Vec<usize> {
    if wire.len() <= CUT_EVERYWHERE {
        return (1..wire.len()).collect();
    }
    if wire.len() > CUT_SELDOM {
        return vec![1, wire.len() / 2, wire.len() - 1];
    }
    let ends = (1..20).chain(wire.len() - 20..wire.len());
    let mut cuts: Vec<_> = ends.chain((1..20).map(|i| i * wire.len() / 20)).collect();
    let heads_end = head_len(wire).into_iter().flat_map(|len| len - 3..=len + 1);
    cuts.extend(heads_end.filter(|&at| at < wire.len()));
    cuts
}

/// The length of the first head.
fn head_len(wire: &[u8]) -> Option<usize> {
    wire.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

fn pieces(wire: &[u8]) -> std::slice::Chunks<'_, u8> {
    wire.chunks(if wire.len() <= BYTE_BY_BYTE { 1 } else { 4099 })
}

/// Runs a case in all its deliveries.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let wire = case.raw.bytes();
    let whole = deliver([&wire[..]]);
    judge(case, &whole).map_err(|e| format!("whole: {e}"))?;
    let must_be = |what: &str, wire: &[u8], is: Outcome, output: &[u8]| {
        if is.output != output || is.fate != whole.fate {
            let (is, was) = (show(&is.output), show(output));
            return Err(format!("{what} of {} bytes: another answer:\n{is}\ninstead of\n{was}", wire.len()));
        }
        if is.interim > usize::from(case.continues) {
            return Err(format!("{what}: {} interim answers", is.interim));
        }
        Ok(is.interim)
    };
    let check = |what: &str, wire: &[u8], output: &[u8]| {
        must_be(&format!("{what}, byte by byte"), wire, deliver(pieces(wire)), output)?;
        for cut in cuts(wire) {
            let parts = deliver([&wire[..cut], &wire[cut..]]);
            must_be(&format!("{what}, cut at {cut}"), wire, parts, output)?;
        }
        must_be(what, wire, deliver([wire]), output).map(|_| ())
    };
    check("alone", &wire, &whole.output)?;
    let hello = deliver([HELLO]).output;
    check("after another", &[HELLO, &wire].concat(), &[&hello[..], &whole.output].concat())?;
    let output = if case.is_kept { [&whole.output[..], &hello].concat() } else { whole.output.clone() };
    check("before another", &[&wire[..], HELLO].concat(), &output)?;
    if case.continues {
        check_continue(&wire, &whole)?;
    }
    Ok(())
}

/// RFC 9110 10.1.1: at once to who has sent the head alone; none is needed once content has come.
fn check_continue(wire: &[u8], whole: &Outcome) -> Result<(), String> {
    let head = head_len(wire).unwrap();
    let mut client = Client::new();
    client.give(&wire[..head]);
    if client.output != CONTINUE {
        return Err(format!("the head alone gives {}", show(&client.output)));
    }
    let bytewise = deliver(pieces(wire)).interim;
    if (bytewise, whole.interim) != (1, 0) {
        return Err(format!("{bytewise} interim answers byte by byte, {} to the whole", whole.interim));
    }
    Ok(())
}

fn judge(case: &Case, outcome: &Outcome) -> Result<(), String> {
    if outcome.interim > 0 {
        return Err(format!("{} interim answers", outcome.interim));
    }
    let answers = answers::parse(&outcome.output, case.is_head)?;
    let fate = if case.is_kept { Fate::Open } else { Fate::Finish };
    judge_answers(&answers, case.answers, outcome.fate, fate)?;
    let text = String::from_utf8_lossy(&outcome.output);
    if let Some(missing) = case.has.iter().find(|has| !text.contains(**has)) {
        return Err(format!("no {missing:?} in {text}"));
    }
    if let Some(there) = case.lacks.iter().find(|lacks| text.contains(**lacks)) {
        return Err(format!("there is {there:?} in {text}"));
    }
    let body = answers.last().map(|answer| &answer.body[..]);
    match case.body {
        Some(_) if case.body != body => Err(format!("another body: {}", show(body.unwrap_or_default()))),
        _ => Ok(()),
    }
}

/// The statuses and the fate are these, and the last answer tells of the fate.
pub(crate) fn judge_answers(
    answers: &[Answer],
    statuses: &[u16],
    is_fate: Fate,
    fate: Fate,
) -> Result<(), String> {
    let are: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    if are != statuses || is_fate != fate {
        return Err(format!("{are:?} and {is_fate:?} instead of {statuses:?} and {fate:?}"));
    }
    if fate == Fate::Open && answers.iter().any(Answer::closes) {
        return Err("a connection that goes on says close".to_owned());
    }
    // RFC 9457: a problem says itself what it is.
    let is_told = |a: &Answer| a.status < 400 || a.values("content-type").eq(["application/problem+json"]);
    if !answers.iter().all(is_told) {
        return Err("a problem without an explanation".to_owned());
    }
    Ok(())
}

/// Bytes for people, and not too many of them.
fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned()
}
