//! A client that asks for a WebSocket: hands a handshake to `http::Connection` in parts, goes on behind it, and judges both.

use std::net::SocketAddrV4;
use std::sync::Arc;

use bytes::Bytes;
use taphouse::http::{
    Connection, Date, Fate, Handler, House, Limits, Origins, Outcome as Decision, Request, Response, Scope,
    Wake, WebSocket,
};
use taphouse::mail::{Address, Carrier, Line, Undelivered};
use taphouse::quota::Quota;
use taphouse::time::{Instant, Now};
use taphouse::ws::{
    self, Agreement, Codecs, Config, Deflate, Event, Message, Parcel, Role, Sender, Socket, Wishes,
};

use crate::handshake::Handshake;
use crate::wire::{self, Said, masked};

struct Alone;

const HOME: Address = Address { slot: 0, generation: 0 };

impl Carrier<Wake> for Alone {
    fn carry(&self, _: Address, _: Wake) -> Result<(), Undelivered> {
        Ok(())
    }
}

impl Carrier<Parcel> for Alone {
    fn carry(&self, _: Address, _: Parcel) -> Result<(), Undelivered> {
        Ok(())
    }
}

impl House for Alone {
    fn peer(&self) -> SocketAddrV4 {
        SocketAddrV4::new([192, 0, 2, 1].into(), 50_000)
    }

    fn write_metrics(&self, _: &mut String) {}

    fn wake_line(&self) -> Line<Wake> {
        Line::new(HOME, Arc::new(Self))
    }
}

/// A WebSocket for each topic, and `/hello`.
struct Routes;

impl Handler for Routes {
    fn handle_request(&mut self, request: &Request<'_>) -> Decision {
        let with = |deflate| WebSocket::default().config(Config { deflate, ..Config::default() });
        let remembering = Deflate { server_takeover: true, client_takeover: true, ..Deflate::default() };
        let route = match request.path {
            "/ws" => WebSocket::default(),
            "/any" => WebSocket::default().origins(Origins::Any),
            "/listed" => {
                WebSocket::default().origins(Origins::Listed(vec!["https://good.example".to_owned()]))
            }
            "/chat" => WebSocket::default().protocols(["v2.chat", "chat"]),
            "/plain" => with(None),
            "/remembering" => with(Some(remembering)),
            "/narrow" => with(Some(Deflate { server_window_bits: 9, client_window_bits: 10, ..remembering })),
            "/hello" => return Decision::Respond(Response::text(200, &b"Hello, world!"[..])),
            _ => return Decision::Respond(Response::problem(404, "there is nothing at this path")),
        };
        route.accept(request, |socket: &mut Socket<'_>, message: Message| {
            // What is refused is missed in what was said.
            let _ = socket.send(&message);
        })
    }
}

/// A connection, from its first byte on.
struct Client {
    http: Connection,
    date: Date,
    now: Now,
    codecs: Codecs,
    quota: Quota,
    seat: Option<(ws::Connection, Box<dyn ws::Handler>, Option<Agreement>)>,
    /// What HTTP has said, and what was said behind it.
    answer: Vec<u8>,
    output: Vec<u8>,
}

impl Client {
    fn new() -> Self {
        let now = Now { mono: Instant::ZERO, wall: 784_111_777 };
        Self {
            http: Connection::new(now.mono, Limits::default()),
            date: Date::default(),
            now,
            codecs: Codecs::default(),
            quota: Quota::default(),
            seat: None,
            answer: Vec::new(),
            output: Vec::new(),
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Connection, &mut Scope<'_>) -> T) -> T {
        let date = &mut self.date;
        f(
            &mut self.http,
            &mut Scope { now: self.now, date, handler: &mut Routes, house: &Alone, quota: &self.quota },
        )
    }

    fn give(&mut self, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        if let Some((socket, ..)) = &mut self.seat {
            if socket.wants_input() {
                socket.handle_input(self.now.mono, bytes);
            }
        } else if self.http.wants_input() {
            self.with(|http, scope| http.handle_input(scope, bytes));
            while let Some(bytes) = self.with(|http, scope| http.poll_output(scope, 10_000)) {
                self.answer.extend_from_slice(&bytes);
            }
            if let Some((upgrade, early)) = self.http.take_upgrade() {
                let (config, agreed, handler) = upgrade.into_parts();
                let mut socket = ws::Connection::new(self.now.mono, Role::Server, config, agreed);
                if !early.is_empty() {
                    socket.handle_input(self.now.mono, early);
                }
                self.seat = Some((socket, handler, agreed));
            }
        }
        self.talk();
    }

    fn talk(&mut self) {
        let Some((socket, handler, _)) = &mut self.seat else { return };
        let sender = Sender::new(Line::new(HOME, Arc::new(Alone)));
        let (now, codecs, quota) = (self.now, &mut self.codecs, &self.quota);
        while let Some(event) = socket.poll_event(&mut ws::Scope { now, codecs, quota }) {
            // An end is seen by its Close frame, and by what is not sent back.
            let Event::Message(message) = event else { break };
            let scope = ws::Scope { now, codecs, quota };
            handler.handle_message(&mut Socket::new(socket, scope, &sender, &mut Wishes::default()), message);
            while let Some(bytes) = socket.poll_output(&mut ws::Scope { now, codecs, quota }) {
                self.output.extend_from_slice(&bytes);
            }
        }
        while let Some(bytes) = socket.poll_output(&mut ws::Scope { now, codecs, quota }) {
            self.output.extend_from_slice(&bytes);
        }
    }
}

/// What came of a delivery.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    answer: String,
    is_upgraded: bool,
    /// What was said behind the handshake.
    said: Vec<Said>,
    fate: Fate,
}

fn deliver<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Outcome, String> {
    let mut client = Client::new();
    parts.into_iter().for_each(|part| client.give(part));
    let agreed = client.seat.as_ref().and_then(|(.., agreed)| *agreed);
    Ok(Outcome {
        answer: String::from_utf8(client.answer).map_err(|_| "an answer that is no text")?,
        is_upgraded: client.seat.is_some(),
        said: wire::read(&client.output, Role::Server, agreed)?.said,
        fate: client.http.fate(),
    })
}

const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

impl Handshake {
    /// Runs a handshake in all its deliveries. One that is taken has frames behind it, one that is refused a request.
    pub(crate) fn judge(&self) -> Result<(), String> {
        self.run().map_err(|e| format!("{} (RFC {}): {e}", self.name, self.section))
    }

    fn run(&self) -> Result<(), String> {
        let text = "what is long enough to be compressed, where that is agreed upon ".repeat(3);
        let is_taken = self.status == 101;
        let frames = [masked(0x81, b"hi"), masked(0x81, text.as_bytes())].concat();
        let wire = [self.ask.text().as_bytes(), if is_taken { &frames } else { HELLO }].concat();
        let whole = deliver([&wire[..]])?;
        self.judge_answer(&whole)?;
        let said = [Said::Text(b"hi".to_vec()), Said::Text(text.into_bytes())];
        if is_taken != whole.is_upgraded || whole.said != said[..if is_taken { 2 } else { 0 }] {
            return Err(format!("behind it: {whole:?}"));
        }
        let same = |how: String, is: Result<Outcome, String>| match is {
            Ok(is) if is == whole => Ok(()),
            is => Err(format!("{how}: {is:?} instead of {whole:?}")),
        };
        same("byte by byte".to_owned(), deliver(wire.chunks(1)))?;
        (1..wire.len()).try_for_each(|at| same(format!("cut at {at}"), deliver([&wire[..at], &wire[at..]])))
    }

    fn judge_answer(&self, outcome: &Outcome) -> Result<(), String> {
        let answer = &outcome.answer;
        let status: u16 = answer.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or_default();
        let head = answer.split_inclusive("\r\n\r\n").next().unwrap_or_default();
        if status != self.status {
            return Err(format!("{status} instead of {}: {answer}", self.status));
        }
        if let Some(missing) = self.has.iter().find(|has| !head.contains(**has)) {
            return Err(format!("no {missing:?} in {head}"));
        }
        if let Some(there) = self.lacks.iter().find(|lacks| head.contains(**lacks)) {
            return Err(format!("there is {there:?} in {head}"));
        }
        if status == 101 {
            // RFC 9110 8.6: no length, and nothing behind the head.
            let is_bare = head == answer && !head.contains("Content-") && !head.contains("close");
            return if is_bare { Ok(()) } else { Err(format!("an odd switch: {answer}")) };
        }
        if !head.contains("application/problem+json") {
            return Err(format!("a refusal without an explanation: {head}"));
        }
        let goes_on = answer.ends_with("Hello, world!") && outcome.fate == Fate::Open;
        if goes_on != self.is_kept || head.contains("Connection: close") == self.is_kept {
            return Err(format!("the connection goes on: {goes_on}: {answer}"));
        }
        Ok(())
    }
}
