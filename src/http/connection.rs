//! One HTTP connection: heads, bodies and answers in their order. RFC 9112 9.
//!
//! ```text
//! Head --head--> [Body --end--> | Later --done-->] Answer --all given--> Head (kept) | Over (closed)
//! ```
//!
//! Bytes come by `handle_input`, as many as `wants_input` asks for; a next head is not looked at before the answer
//! to this one was given. Bytes go by `poll_output`, slow work by `poll_job`. [`Fate`] says what is to become of the
//! connection.

mod answers;
mod bodies;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::access::Entry;
use super::body::Decoder;
use super::date::Date;
use super::handler::{BodySink, Handler, House, Job, Lane, Outcome};
use super::head::{self, Request, Version, refuse};
use super::response::{BodySource, Framing};
use super::scanner::{Scan, Scanner};
use super::websocket::Upgrade;
use crate::fate::Fate;
use crate::fault::{self, Fault};
use crate::limits;
use crate::quota::{Quota, Share};
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
    /// A job, with its wait for a worker.
    pub job: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: limits::HEAD_TIMEOUT,
            body_idle: limits::BODY_IDLE_TIMEOUT,
            idle: limits::IDLE_TIMEOUT,
            job: limits::JOB_TIMEOUT,
        }
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
    /// What is around.
    pub house: &'a dyn House,
    /// What all connections may hold.
    pub quota: &'a Quota,
}

/// Which request a job belongs to: one whose request is over comes back too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    request: u64,
    lane: Lane,
}

impl Ticket {
    /// Whom its job waited behind.
    pub fn lane(self) -> Lane {
        self.lane
    }
}

/// The machine.
pub struct Connection {
    limits: Limits,
    phase: Phase,
    /// Input that was handed in and not looked at.
    pending: Bytes,
    head: BytesMut,
    scanner: Scanner,
    /// Empty lines before a head (RFC 9112 2.2).
    blanks: u8,
    output: VecDeque<Bytes>,
    /// Bytes of it.
    waiting: usize,
    /// Output that was taken off, while the next request is looked at: a handler that panics must not lose it.
    polled: Option<Bytes>,
    fate: Fate,
    /// When the wait of this phase is over.
    deadline: Instant,
    /// When the wait for a request began.
    idle_since: Instant,
    peer_finished: bool,
    /// The program stops: what is being asked is answered, and nothing after it.
    is_stopping: bool,
    requests: u64,
    /// The request at hand is a HEAD, whose answer has no content (RFC 9110 9.3.2).
    is_head: bool,
    /// The job of this request, until somebody takes it.
    job: Option<Job>,
    /// What of the shard's memory a body takes, until its answer is taken.
    share: Share,
    /// The answer's body has nothing to give at the moment.
    is_waiting: bool,
    /// What the access log will be told, and when its request was whole.
    entry: Option<Box<(Entry, Instant)>>,
}

enum Phase {
    /// A head, or the wait for one.
    Head,
    /// A body.
    Body { ask: Ask, wanted: Wanted, taken: u64 },
    /// A job is at work on the answer.
    Later { ask: Ask },
    /// The rest of an answer's body.
    Answer {
        source: Box<dyn BodySource>,
        framing: Framing,
        given: u64,
        exchange: Exchange,
        drain: Option<Decoder>,
    },
    /// What comes now is no HTTP.
    Upgraded(Option<Upgrade>),
    /// Nothing is read any more.
    Over,
}

/// Who wants a body.
enum Wanted {
    Sink(Box<dyn BodySink>),
    /// Nobody: it was answered already.
    Nobody,
}

/// A request that is not answered yet.
struct Ask {
    /// What of its body was not read.
    decoder: Decoder,
    /// It waits for 100 (Continue) before it sends that.
    expects: bool,
    exchange: Exchange,
}

/// What the answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    version: Version,
    keeps: bool,
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
            blanks: 0,
            output: VecDeque::new(),
            waiting: 0,
            polled: None,
            fate: Fate::Open,
            deadline: now + limits.idle,
            idle_since: now,
            peer_finished: false,
            is_stopping: false,
            requests: 0,
            is_head: false,
            job: None,
            share: Share::default(),
            is_waiting: false,
            entry: None,
        }
    }

    /// Requests whose heads were taken.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// More bytes can be handed in.
    pub fn wants_input(&self) -> bool {
        self.pending.is_empty()
            && match &self.phase {
                Phase::Head => !self.is_backed_up(),
                Phase::Body { wanted: Wanted::Sink(sink), .. } => bodies::wants_piece(&**sink),
                Phase::Body { .. } => true,
                _ => false,
            }
            && !self.peer_finished
    }

    /// What is to become of it.
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// There is output to take, or will be as soon as there is room.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
            || self.polled.is_some()
            || matches!(self.phase, Phase::Answer { .. }) && !self.is_waiting
    }

    /// An answer is made elsewhere, and nothing is sent meanwhile: whether its client is still there shows by nothing
    /// else.
    pub fn is_pending(&self) -> bool {
        self.is_waiting || matches!(self.phase, Phase::Later { .. })
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = match self.phase {
            Phase::Head | Phase::Body { .. } | Phase::Later { .. } => true,
            Phase::Answer { .. } => self.is_waiting,
            Phase::Upgraded(_) | Phase::Over => false,
        };
        (waits && !self.is_backed_up()).then_some(self.deadline)
    }

    /// The peer has not taken the answers that it has: no further request is looked at, and none is waited for.
    fn is_backed_up(&self) -> bool {
        matches!(self.phase, Phase::Head)
            && self.waiting >= limits::ANSWERS_WAITING
            && !fault::is(Fault::LookAheadUnbounded)
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
            Phase::Head => self.refuse_head(scope, refuse(408, "the request head took too long")),
            Phase::Body { wanted: Wanted::Nobody, .. } => self.end(Fate::Finish),
            Phase::Body { .. } => self.refuse(scope, refuse(408, "the request body took too long")),
            Phase::Later { .. } => self.refuse(scope, refuse(503, "the answer took too long to make")),
            // Its wake may have found no room on the way.
            Phase::Answer { .. } => self.is_waiting = false,
            Phase::Upgraded(_) | Phase::Over => {}
        }
    }

    /// The next bytes to send: of what waits already one piece, so that what is not taken yet is still counted, and of
    /// a body that is pulled at most about `room`.
    pub fn poll_output(&mut self, scope: &mut Scope<'_>, room: usize) -> Option<Bytes> {
        loop {
            if self.polled.is_none() {
                self.take_piece(scope);
            }
            if self.polled.is_some() {
                return self.polled.take();
            }
            if room == 0 || self.is_waiting || !matches!(self.phase, Phase::Answer { .. }) {
                return None;
            }
            self.pull_body(scope, room);
            self.settle(scope.quota);
        }
    }

    /// Takes a piece of what waits, and looks at the next request if that had to wait for it.
    fn take_piece(&mut self, scope: &mut Scope<'_>) {
        let Some(mut bytes) = self.output.pop_front() else { return };
        if bytes.len() > limits::BODY_PIECE {
            self.output.push_front(bytes.split_off(limits::BODY_PIECE));
        }
        let was_backed_up = self.is_backed_up();
        self.waiting -= bytes.len();
        self.polled = Some(bytes);
        self.settle(scope.quota);
        if was_backed_up && !self.is_backed_up() {
            let wait = if self.head.is_empty() { self.limits.idle } else { self.limits.head };
            self.deadline = scope.now.mono + wait;
            self.advance(scope);
        }
    }

    /// Gives back what a body took of the shard's memory, once nobody holds any of it: no sink, no job, no answer.
    fn settle(&mut self, quota: &Quota) {
        let is_held = match &self.phase {
            Phase::Body { wanted: Wanted::Sink(_), .. } | Phase::Later { .. } | Phase::Answer { .. } => true,
            Phase::Body { .. } | Phase::Head | Phase::Upgraded(_) | Phase::Over => false,
        };
        if self.output.is_empty() && !is_held {
            quota.clear(&mut self.share);
        }
    }

    /// Slow work that the handler has asked for: whoever takes it answers by [`handle_job`](Self::handle_job).
    pub fn poll_job(&mut self) -> Option<(Ticket, Job)> {
        self.job.take().map(|job| (Ticket { request: self.requests, lane: job.lane() }, job))
    }

    /// A job has said what to do. One that comes too late is ignored.
    pub fn handle_job(&mut self, scope: &mut Scope<'_>, ticket: Ticket, outcome: Outcome) {
        if !matches!(self.phase, Phase::Later { .. }) || ticket.request != self.requests {
            return;
        }
        let Phase::Later { ask } = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        self.handle_outcome(scope, ask, outcome);
        self.advance(scope);
    }

    /// A body that had nothing to give, or wanted nothing, is to be asked again.
    pub fn handle_wake(&mut self, scope: &mut Scope<'_>) {
        self.is_waiting = false;
        self.advance(scope);
    }

    /// The WebSocket that this connection has become, once all output was taken, and what of it came already.
    pub fn take_upgrade(&mut self) -> Option<(Upgrade, Bytes)> {
        let Phase::Upgraded(upgrade) = &mut self.phase else { return None };
        let upgrade = upgrade.take_if(|_| self.output.is_empty())?;
        Some((upgrade, std::mem::take(&mut self.pending)))
    }

    /// No more is wanted of this connection, beyond what it is doing: the program stops.
    pub fn stop(&mut self) {
        self.is_stopping = true;
        if matches!(self.phase, Phase::Head) && self.head.is_empty() {
            self.end(Fate::Finish);
        }
    }

    /// The stream is gone, whatever was under way.
    pub fn handle_gone(&mut self, scope: &mut Scope<'_>) {
        scope.quota.clear(&mut self.share);
        if let Some((entry, _)) = self.entry.as_deref_mut() {
            entry.is_cut = true;
        }
        self.log(scope.now.mono, scope.house);
    }

    fn advance(&mut self, scope: &mut Scope<'_>) {
        loop {
            let goes_on = match self.phase {
                Phase::Head => !self.is_backed_up() && self.advance_head(scope),
                Phase::Body { .. } => self.advance_body(scope),
                Phase::Later { .. } | Phase::Answer { .. } | Phase::Upgraded(_) | Phase::Over => false,
            };
            if !goes_on {
                break;
            }
        }
        if self.peer_finished && self.pending.is_empty() {
            match self.phase {
                Phase::Head if self.head.is_empty() => self.end(Fate::Finish),
                Phase::Head => self.refuse_head(scope, refuse(400, "the request ended early")),
                Phase::Body { wanted: Wanted::Nobody, .. } => self.end(Fate::Finish),
                Phase::Body { .. } => self.refuse(scope, refuse(400, "the request body ended early")),
                Phase::Later { .. } | Phase::Answer { .. } | Phase::Upgraded(_) | Phase::Over => {}
            }
        }
    }

    fn advance_head(&mut self, scope: &mut Scope<'_>) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        if self.head.is_empty() {
            self.deadline = scope.now.mono + self.limits.head;
        }
        let before = self.head.len();
        let taken = self.pending.len().min(limits::HEAD_BYTES + 1 - before);
        // Most heads arrive whole, and are read where they are.
        let bytes = if before == 0 {
            &self.pending[..taken]
        } else {
            self.head.extend_from_slice(&self.pending[..taken]);
            &self.head
        };
        match self.scanner.scan(bytes) {
            Ok(Scan::NeedMore) => {
                let part = self.pending.split_to(taken);
                if before == 0 {
                    self.head.extend_from_slice(&part);
                }
                !self.pending.is_empty()
            }
            Ok(Scan::Blank(len)) => {
                self.begin_head(len - before);
                self.blanks += 1;
                if !fault::is(Fault::BlankLinesCount) {
                    self.deadline = self.idle_since + self.limits.idle;
                }
                if self.blanks > limits::BLANK_LINES {
                    self.is_head = false;
                    self.refuse(scope, refuse(400, "empty lines instead of a request"));
                }
                true
            }
            Ok(Scan::Head(len)) => {
                let mut head = std::mem::take(&mut self.head);
                let rest = self.begin_head(len - before);
                if before == 0 {
                    self.handle_head(scope, &rest);
                } else {
                    head.truncate(len);
                    self.handle_head(scope, &head);
                }
                true
            }
            Err(refusal) => {
                self.refuse_head(scope, refusal);
                false
            }
        }
    }

    /// The next head begins behind so many bytes of the input, which are given back.
    fn begin_head(&mut self, len: usize) -> Bytes {
        self.scanner = Scanner::default();
        self.head.clear();
        self.pending.split_to(len)
    }

    fn handle_head(&mut self, scope: &mut Scope<'_>, head: &[u8]) {
        self.requests += 1;
        self.blanks = 0;
        self.is_head = head.starts_with(b"HEAD ");
        let logged = &mut self.entry;
        let parsed = head::parse(head, scope.now, scope.house, |request: &Request<'_>| {
            let exchange = Exchange { version: request.version, keeps: request.keeps };
            let decoder = Decoder::new(request.body);
            let ask = Ask { decoder, expects: request.expects_continue, exchange };
            *logged = scope.house.wants_access().then(|| Box::new((Entry::of(request), scope.now.mono)));
            (ask, scope.handler.handle_request(request))
        });
        match parsed {
            Err(refusal) => self.refuse(scope, refusal),
            Ok((ask, outcome)) => self.handle_outcome(scope, ask, outcome),
        }
    }

    fn handle_outcome(&mut self, scope: &mut Scope<'_>, ask: Ask, outcome: Outcome) {
        match outcome {
            Outcome::Respond(response) => self.respond(scope, ask, response),
            Outcome::Read(sink) => self.read_body(scope, ask, sink),
            Outcome::Upgrade(_) if self.is_stopping => {
                self.refuse(scope, refuse(503, "the server stops"));
            }
            Outcome::Upgrade(upgrade) => self.upgrade(scope, *upgrade),
            Outcome::Later(job) => {
                self.job = Some(job);
                self.deadline = scope.now.mono + self.limits.job;
                self.phase = Phase::Later { ask };
            }
        }
    }

    fn next_request(&mut self, now: Instant, keeps: bool) {
        if keeps && !self.is_stopping {
            self.idle_since = now;
            self.deadline = now + self.limits.idle;
            self.phase = Phase::Head;
        } else {
            self.end(Fate::Finish);
        }
    }

    /// Tells the access log what came of the request.
    fn log(&mut self, now: Instant, house: &dyn House) {
        if let Some(mut entry) = self.entry.take() {
            entry.0.took = now.since(entry.1);
            house.handle_access(&entry.0);
        }
    }

    fn end(&mut self, fate: Fate) {
        self.phase = Phase::Over;
        self.fate = fate;
        self.pending = Bytes::new();
        self.head = BytesMut::new();
        self.job = None;
    }
}

#[cfg(test)]
mod tests;
