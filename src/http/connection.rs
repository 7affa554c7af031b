//! One HTTP connection: heads, bodies and answers in their order. RFC 9112 9.
//!
//! ```text
//! Head --head--> Body --end--> Answer --all given--> Head (kept) | Over (closed)
//!   `--no body--------------->'
//! ```
//!
//! Bytes come by `handle_input`, as many as `wants_input` asks for; a next head is not looked at before the answer
//! to this one was given. Bytes go by `poll_output`. [`Fate`] says what is to become of the connection.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::body::{Decoded, Decoder};
use super::date::Date;
use super::handler::{BodySink, Handler, Outcome};
use super::head::{self, Method, Refusal, Request, Scanner, Version};
use super::response::{self, Body, BodySource, Framing, Piece, Response, Status};
use crate::fault::{self, Fault};
use crate::limits;
use crate::time::{Duration, Instant, Now};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request head, from its first byte.
    pub head: Duration,
    /// Between two pieces of a body.
    pub body_idle: Duration,
    /// Between requests.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: limits::HEAD_TIMEOUT, body_idle: limits::BODY_IDLE_TIMEOUT, idle: limits::IDLE_TIMEOUT }
    }
}

/// What a connection needs from around it, for the time of a call.
pub struct Scope<'a> {
    /// The time.
    pub now: Now,
    /// The rendered date.
    pub date: &'a mut Date,
    /// Who answers.
    pub handler: &'a mut dyn Handler,
}

/// What is to become of the connection, once all output was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Open,
    /// It is over: send what is left, finish, and let the peer finish.
    Finish,
    /// It is over, and nobody waits for an answer.
    Drop,
}

/// The machine.
pub struct Connection {
    limits: Limits,
    phase: Phase,
    /// Input that was handed in and not looked at.
    pending: Bytes,
    head: BytesMut,
    scanner: Scanner,
    output: VecDeque<Bytes>,
    /// Bytes of it.
    waiting: usize,
    fate: Fate,
    /// When the wait of this phase is over.
    deadline: Instant,
    peer_finished: bool,
    /// The program stops: what is being asked is answered, and nothing after it.
    is_stopping: bool,
    requests: u64,
}

enum Phase {
    /// A head, or the wait for one.
    Head,
    /// A body.
    Body { decoder: Decoder, wanted: Wanted, began: Instant, taken: u64, exchange: Exchange },
    /// The rest of an answer's body.
    Answer {
        source: Box<dyn BodySource>,
        framing: Framing,
        given: u64,
        then_drain: Option<(Decoder, Exchange)>,
    },
    /// Nothing is read any more.
    Over,
}

/// Who wants a body.
enum Wanted {
    Sink(Box<dyn BodySink>),
    /// Nobody: it was answered already.
    Nobody,
}

/// What the answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    version: Version,
    keeps: bool,
    is_head: bool,
}

impl Connection {
    /// A connection that begins now.
    pub fn new(now: Instant, limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Head,
            pending: Bytes::new(),
            head: BytesMut::new(),
            scanner: Scanner::default(),
            output: VecDeque::new(),
            waiting: 0,
            fate: Fate::Open,
            deadline: now + limits.idle,
            peer_finished: false,
            is_stopping: false,
            requests: 0,
        }
    }

    /// Requests whose heads were taken.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// More bytes can be handed in.
    pub fn wants_input(&self) -> bool {
        self.pending.is_empty()
            && matches!(self.phase, Phase::Head | Phase::Body { .. })
            && !self.is_backed_up()
            && !self.peer_finished
    }

    /// What is to become of it.
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// There is output to take, or will be as soon as there is room.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty() || matches!(self.phase, Phase::Answer { .. })
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (matches!(self.phase, Phase::Head | Phase::Body { .. }) && !self.is_backed_up())
            .then_some(self.deadline)
    }

    /// The peer has not taken the answers that it has: no further request is looked at, and none is waited for.
    fn is_backed_up(&self) -> bool {
        matches!(self.phase, Phase::Head) && self.waiting >= limits::ANSWERS_WAITING
    }

    /// Takes bytes.
    pub fn handle_input(&mut self, scope: &mut Scope<'_>, bytes: Bytes) {
        debug_assert!(self.pending.is_empty(), "the caller has asked wants_input");
        self.pending = bytes;
        self.advance(scope);
    }

    /// The peer will send no more. What it asked for is still answered.
    pub fn handle_end(&mut self, scope: &mut Scope<'_>) {
        self.peer_finished = true;
        self.advance(scope);
    }

    /// A wait is over: RFC 9110 15.5.9.
    pub fn handle_timeout(&mut self, scope: &mut Scope<'_>) {
        if self.poll_timeout().is_none_or(|at| at > scope.now.mono) {
            return;
        }
        match &self.phase {
            Phase::Head if self.head.is_empty() => self.end(Fate::Finish),
            Phase::Head if fault::is(Fault::NoHeadTimeout) => {}
            Phase::Head => self.refuse(scope, refusal(408, "the request head took too long")),
            Phase::Body { wanted: Wanted::Nobody, .. } => self.end(Fate::Finish),
            Phase::Body { .. } => self.refuse(scope, refusal(408, "the request body took too long")),
            Phase::Answer { .. } | Phase::Over => {}
        }
    }

    /// The next bytes to send, at most about `room` of a body.
    pub fn poll_output(&mut self, scope: &mut Scope<'_>, room: usize) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.output.pop_front() {
                let was_backed_up = self.is_backed_up();
                self.waiting -= bytes.len();
                if was_backed_up && !self.is_backed_up() {
                    let wait = if self.head.is_empty() { self.limits.idle } else { self.limits.head };
                    self.deadline = scope.now.mono + wait;
                    self.advance(scope);
                }
                return Some(bytes);
            }
            if room == 0 || !matches!(self.phase, Phase::Answer { .. }) {
                return None;
            }
            self.pull_body(scope, room);
        }
    }

    /// A handler panicked: 500 where no answer has begun, a broken connection otherwise.
    pub fn fail(&mut self, now: Now, date: &mut Date) {
        if matches!(self.phase, Phase::Answer { .. }) {
            return self.end(Fate::Drop);
        }
        let response = Response::problem(500, "the handler of this request failed");
        let len = response.body.len().unwrap_or_default();
        self.queue(response::head(&response, Framing::Length(len), date.at(now.wall), true, false));
        if let Body::Whole(bytes) = response.body {
            self.queue(bytes);
        }
        self.end(Fate::Finish);
    }

    /// No more is wanted of this connection, beyond what it is doing: the program stops.
    pub fn stop(&mut self) {
        self.is_stopping = true;
        if matches!(self.phase, Phase::Head) && self.head.is_empty() {
            self.end(Fate::Finish);
        }
    }

    fn advance(&mut self, scope: &mut Scope<'_>) {
        loop {
            let goes_on = match self.phase {
                Phase::Head => !self.is_backed_up() && self.advance_head(scope),
                Phase::Body { .. } => self.advance_body(scope),
                Phase::Answer { .. } | Phase::Over => false,
            };
            if !goes_on {
                break;
            }
        }
        if self.peer_finished && self.pending.is_empty() {
            match self.phase {
                Phase::Head if self.head.is_empty() => self.end(Fate::Finish),
                Phase::Head => self.refuse(scope, refusal(400, "the request ended early")),
                Phase::Body { wanted: Wanted::Nobody, .. } => self.end(Fate::Finish),
                Phase::Body { .. } => self.refuse(scope, refusal(400, "the request body ended early")),
                Phase::Answer { .. } | Phase::Over => {}
            }
        }
    }

    // --- heads -----------------------------------------------------------------------------------------

    fn advance_head(&mut self, scope: &mut Scope<'_>) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        if self.head.is_empty() {
            self.deadline = scope.now.mono + self.limits.head;
        }
        let before = self.head.len();
        let room = limits::HEAD_BYTES + 1 - before;
        let taken = self.pending.len().min(room);
        // Most heads arrive whole, and are read where they are.
        let bytes = if before == 0 {
            &self.pending[..taken]
        } else {
            self.head.extend_from_slice(&self.pending[..taken]);
            &self.head
        };
        match self.scanner.scan(bytes) {
            Ok(None) => {
                let part = self.pending.split_to(taken);
                if before == 0 {
                    self.head.extend_from_slice(&part);
                }
                !self.pending.is_empty()
            }
            Ok(Some(len)) => {
                let rest = self.pending.split_to(len - before);
                self.scanner = Scanner::default();
                if before == 0 {
                    self.handle_head(scope, &rest);
                } else {
                    let mut head = std::mem::take(&mut self.head);
                    head.truncate(len);
                    self.handle_head(scope, &head);
                }
                true
            }
            Err(refusal) => {
                self.refuse(scope, refusal);
                false
            }
        }
    }

    fn handle_head(&mut self, scope: &mut Scope<'_>, head: &[u8]) {
        self.requests += 1;
        let now = scope.now;
        let parsed = head::parse(head, |request: &Request<'_>| {
            let exchange = Exchange {
                version: request.version,
                keeps: request.keeps,
                is_head: request.method == Method::Head,
            };
            let outcome = scope.handler.handle_request(now, request);
            (exchange, Decoder::new(request.body), request.expects_continue, outcome)
        });
        match parsed {
            Err(refusal) => self.refuse(scope, refusal),
            Ok((exchange, decoder, expects, Outcome::Respond(response))) => {
                // Who waits for 100-continue may send the body or not: only a closed connection is clear.
                let left = decoder.known_left();
                let can_drain =
                    !(expects && left != Some(0)) && left.is_none_or(|n| n <= limits::DRAINED_BODY);
                let exchange = Exchange { keeps: exchange.keeps && can_drain, ..exchange };
                let drain = (left != Some(0) && can_drain && !fault::is(Fault::BodyReadAsRequest))
                    .then_some((decoder, exchange));
                self.answer(scope, exchange, response, drain);
            }
            Ok((exchange, decoder, expects, Outcome::Read(sink))) => {
                if decoder.known_left().is_some_and(|n| n > sink.limit()) {
                    return self.refuse(scope, refusal(413, "the body is larger than what is taken here"));
                }
                let is_coming = decoder.known_left() != Some(0) && self.pending.is_empty();
                if expects && is_coming && !fault::is(Fault::NoContinue) {
                    self.queue(Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
                }
                self.begin_body(now.mono, decoder, Wanted::Sink(sink), exchange);
            }
        }
    }

    // --- bodies ----------------------------------------------------------------------------------------

    fn begin_body(&mut self, now: Instant, decoder: Decoder, wanted: Wanted, exchange: Exchange) {
        self.deadline = now + self.limits.body_idle;
        self.phase = Phase::Body { decoder, wanted, began: now, taken: 0, exchange };
    }

    fn advance_body(&mut self, scope: &mut Scope<'_>) -> bool {
        let Phase::Body { decoder, wanted, began, taken, .. } = &mut self.phase else { return false };
        let decoded = match decoder.decode(&mut self.pending) {
            Ok(decoded) => decoded,
            Err(refusal) => {
                self.refuse(scope, refusal);
                return false;
            }
        };
        match decoded {
            Decoded::NeedMore => false,
            Decoded::Piece(piece) => {
                *taken += piece.len() as u64;
                // The next piece must come in time, and the whole at the least rate.
                let at_rate =
                    *began + self.limits.body_idle + Duration::from_secs(*taken / limits::BODY_MIN_RATE);
                self.deadline = at_rate.min(scope.now.mono + self.limits.body_idle);
                let limit = match wanted {
                    Wanted::Sink(sink) => sink.limit(),
                    Wanted::Nobody => limits::DRAINED_BODY,
                };
                if *taken > limit {
                    self.refuse(scope, refusal(413, "the body is larger than what is taken here"));
                    return false;
                }
                if let Wanted::Sink(sink) = wanted {
                    sink.handle_piece(piece);
                }
                true
            }
            Decoded::End => {
                self.end_body(scope);
                true
            }
        }
    }

    fn end_body(&mut self, scope: &mut Scope<'_>) {
        let Phase::Body { wanted, exchange, .. } = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        match wanted {
            Wanted::Sink(sink) => self.answer(scope, exchange, sink.finish(), None),
            Wanted::Nobody => self.next_request(scope.now.mono, exchange.keeps),
        }
    }

    // --- answers ---------------------------------------------------------------------------------------

    /// Queues an answer. `drain` is the body of its request, if that is still to be read and thrown away.
    fn answer(
        &mut self,
        scope: &mut Scope<'_>,
        mut exchange: Exchange,
        mut response: Response,
        drain: Option<(Decoder, Exchange)>,
    ) {
        let framing = match response.body.len() {
            Some(len) => Framing::Length(len),
            None if exchange.version == Version::Http11 => Framing::Chunked,
            None => Framing::UntilClose,
        };
        exchange.keeps &= framing != Framing::UntilClose && !(self.peer_finished && self.pending.is_empty());
        exchange.keeps &= !self.is_stopping;
        let keeps_1_0 = exchange.version == Version::Http10;
        let date = scope.date.at(scope.now.wall);
        self.queue(response::head(&response, framing, date, !exchange.keeps, keeps_1_0));
        let body =
            if exchange.is_head { Body::Empty } else { std::mem::replace(&mut response.body, Body::Empty) };
        match body {
            Body::Empty => {}
            Body::Whole(bytes) => self.queue(bytes),
            Body::Pieces(pieces) => pieces.into_iter().for_each(|p| self.queue(p)),
            Body::Source(source) => {
                let then_drain = drain.map(|(decoder, _)| (decoder, exchange));
                if then_drain.is_none() && !exchange.keeps {
                    self.fate = Fate::Finish;
                }
                self.phase = Phase::Answer { source, framing, given: 0, then_drain };
                return;
            }
        }
        self.after_answer(scope.now.mono, exchange.keeps, drain.map(|(decoder, _)| (decoder, exchange)));
    }

    fn after_answer(&mut self, now: Instant, keeps: bool, drain: Option<(Decoder, Exchange)>) {
        match drain {
            Some((decoder, exchange)) => self.begin_body(now, decoder, Wanted::Nobody, exchange),
            None => self.next_request(now, keeps),
        }
    }

    fn next_request(&mut self, now: Instant, keeps: bool) {
        if keeps && !self.is_stopping {
            self.deadline = now + self.limits.idle;
            self.phase = Phase::Head;
        } else {
            self.end(Fate::Finish);
        }
    }

    fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.waiting += bytes.len();
            self.output.push_back(bytes);
        }
    }

    fn pull_body(&mut self, scope: &mut Scope<'_>, room: usize) {
        let Phase::Answer { source, framing, given, .. } = &mut self.phase else { return };
        let framing = *framing;
        match source.poll_body(room.min(limits::BODY_PIECE)) {
            Piece::Chunk(piece) => {
                *given += piece.len() as u64;
                if framing == Framing::Chunked {
                    self.queue(Bytes::from(format!("{:x}\r\n", piece.len())));
                    self.queue(piece);
                    self.queue(Bytes::from_static(b"\r\n"));
                } else {
                    self.queue(piece);
                }
            }
            Piece::End => {
                let given = *given;
                let Phase::Answer { then_drain, .. } = std::mem::replace(&mut self.phase, Phase::Over) else {
                    return;
                };
                if matches!(framing, Framing::Length(n) if n != given) {
                    // The head has promised another length: only a broken connection tells the truth.
                    return self.end(Fate::Drop);
                }
                if framing == Framing::Chunked {
                    self.queue(Bytes::from_static(b"0\r\n\r\n"));
                }
                let keeps = self.fate == Fate::Open;
                self.after_answer(scope.now.mono, keeps, then_drain);
                self.advance(scope);
            }
        }
    }

    /// Answers what cannot be served, and ends the connection.
    fn refuse(&mut self, scope: &mut Scope<'_>, refusal: Refusal) {
        let was_answered = matches!(self.phase, Phase::Body { wanted: Wanted::Nobody, .. });
        if !was_answered {
            let response = Response::problem(refusal.status.0, refusal.detail);
            let exchange = Exchange { version: Version::Http11, keeps: false, is_head: false };
            self.answer(scope, exchange, response, None);
        }
        self.end(Fate::Finish);
    }

    fn end(&mut self, fate: Fate) {
        self.phase = Phase::Over;
        self.fate = fate;
        self.pending = Bytes::new();
        self.head = BytesMut::new();
    }
}

fn refusal(status: u16, detail: &'static str) -> Refusal {
    Refusal { status: Status(status), detail }
}

#[cfg(test)]
mod tests;
