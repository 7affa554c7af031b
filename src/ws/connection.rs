//! One WebSocket connection, from the end of its handshake on: RFC 6455 5 to 7.
//!
//! ```text
//! Open --close, ours or theirs, or a failure--> Closing --both sides' Close, or the bound is met--> Over
//! ```
//!
//! Bytes come by `handle_input`, as many as `wants_input` asks for, and messages by `poll_event`; messages go by
//! `send`, bytes by `poll_output`. A peer who does not take what is sent to it is not read any further, so one who
//! floods us is held back by its own window. What costs work (unmasking, inflating, compressing, judging UTF-8) has a
//! budget each turn; a connection with more to do says so by `poll_timeout`.

use bytes::Bytes;

use super::close::{self, Closed, Code, Failure, fail};
use super::codecs::Codecs;
use super::deflate::{Agreement, Deflate};
use super::frame::Opcode;
use super::message::{Message, Prepared};
use super::receiver::{Incoming, Receiver, Takeover};
use super::transmitter::Transmitter;
use crate::fate::Fate;
use crate::fault::{self, Fault};
use crate::limits;
use crate::quota::Quota;
use crate::time::{Duration, Instant, Now};

/// Which side of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was asked.
    Server,
    /// It has asked; its frames are masked.
    Client,
}

/// What happens to a message for a peer whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The connection is closed by 1013, and what waits is dropped.
    Close,
    /// The message is dropped.
    Drop,
}

/// How a connection behaves.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Bytes of a message at most, after decompression. Beyond: closed by 1009.
    pub message: usize,
    /// Bytes that may wait for a peer who does not take them. A single message may be larger, if less than an eighth
    /// of this waits before it.
    pub queue: usize,
    /// What becomes of what does not fit.
    pub overflow: Overflow,
    /// A ping goes to a peer who has been silent for so long.
    pub ping_after: Duration,
    /// A peer who stays silent for so long after it is dead.
    pub pong_within: Duration,
    /// How long a message that is begun may pause; it must also bring [`limits::BODY_MIN_RATE`]. Beyond: closed by
    /// 1008.
    pub message_pause: Duration,
    /// How long the peer may take to answer our Close frame.
    pub close_within: Duration,
    /// Compression, if it is offered.
    pub deflate: Option<Deflate>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            message: limits::WS_MESSAGE,
            queue: limits::WS_QUEUE,
            overflow: Overflow::Close,
            ping_after: limits::WS_PING_AFTER,
            pong_within: limits::WS_PONG_WITHIN,
            message_pause: limits::WS_MESSAGE_PAUSE,
            close_within: limits::WS_CLOSE_WITHIN,
            deflate: Some(Deflate::default()),
        }
    }
}

/// What a connection needs from around it, for the time of a call.
pub struct Scope<'a> {
    /// The time.
    pub now: Now,
    /// Compressors and decompressors to borrow.
    pub codecs: &'a mut Codecs,
    /// What all connections may hold.
    pub quota: &'a Quota,
}

impl Scope<'_> {
    /// The same, for a shorter time.
    pub fn reborrow(&mut self) -> Scope<'_> {
        Scope { now: self.now, codecs: self.codecs, quota: self.quota }
    }
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// A message came.
    Message(Message),
    /// The connection is at its end. Nothing follows.
    Closed(Closed),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is closing.
    Closed,
    /// Too much waits for this peer already.
    Full,
}

/// The machine.
pub struct Connection {
    config: Config,
    receiver: Receiver,
    transmitter: Transmitter,
    pending: Bytes,
    phase: Phase,
    /// When the last bytes came.
    heard: Instant,
    /// When a ping went that is not answered.
    pinged: Option<Instant>,
    /// Bytes of work left in the turn of this time.
    budget: (Instant, usize),
    peer_finished: bool,
}

enum Phase {
    Open,
    /// A Close frame of ours is on its way; the peer's has not come.
    Closing {
        until: Instant,
        closed: Closed,
    },
    /// Both are, or none will come any more. Not told yet.
    Ended(Closed, Fate),
    Over(Fate),
}

impl Connection {
    /// A connection whose handshake is done, with what was agreed upon there. In the role of a client it wants
    /// [`seed_masks`](Self::seed_masks) before anything is sent: without, its masks can be foreseen.
    pub fn new(now: Instant, role: Role, config: Config, agreement: Option<Agreement>) -> Self {
        let takeover = agreement.map(|agreed| match role {
            Role::Server => Takeover(agreed.client_takeover),
            Role::Client => Takeover(agreed.server_takeover),
        });
        Self {
            receiver: Receiver::new(role, config.message, config.message_pause, takeover),
            transmitter: Transmitter::new(role, agreement),
            config,
            pending: Bytes::new(),
            phase: Phase::Open,
            heard: now,
            pinged: None,
            budget: (now, limits::WS_TURN_BYTES),
            peer_finished: false,
        }
    }

    /// Where the masks of a client's frames begin: RFC 6455 10.3 wants them unforeseeable.
    pub fn seed_masks(&mut self, seed: u64) {
        self.transmitter.seed_masks(seed);
    }

    /// More bytes can be handed in.
    pub fn wants_input(&self) -> bool {
        self.pending.is_empty() && !self.peer_finished && !self.receiver.is_busy() && self.is_read()
    }

    /// The peer is still read: not after a failure, nor while it takes nothing of what waits for it.
    fn is_read(&self) -> bool {
        match self.phase {
            Phase::Open => self.transmitter.held() < limits::WS_LOW_WATER,
            Phase::Closing { .. } => true,
            Phase::Ended(..) | Phase::Over(_) => false,
        }
    }

    /// What is to become of it.
    pub fn fate(&self) -> Fate {
        match self.phase {
            Phase::Open | Phase::Closing { .. } => Fate::Open,
            Phase::Ended(_, fate) | Phase::Over(fate) => fate,
        }
    }

    /// Messages are still taken.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// There is output to take.
    pub fn has_output(&self) -> bool {
        !self.transmitter.is_empty()
    }

    /// Bytes that wait for the peer to take them.
    pub fn waiting(&self) -> usize {
        self.transmitter.waiting()
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called; a time that has come if there is work left that
    /// did not fit into this turn.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_exhausted() { Some(self.budget.0) } else { self.deadline() }
    }

    /// When the wait of this phase is over.
    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open => {
                let silence = match self.pinged {
                    Some(at) => at + self.config.pong_within,
                    None => self.heard + self.config.ping_after,
                };
                Some(self.message_due().map_or(silence, |due| due.min(silence)))
            }
            Phase::Closing { until, .. } => Some(until),
            Phase::Ended(..) | Phase::Over(_) => None,
        }
    }

    /// When the next piece of a message must be here, while the peer is read and nothing of it waits for our turn.
    fn message_due(&self) -> Option<Instant> {
        self.receiver.due().filter(|_| self.is_read() && !self.has_work())
    }

    /// There is work left that did not fit into this turn.
    fn is_exhausted(&self) -> bool {
        self.budget.1 == 0 && (self.has_work() || self.has_output())
    }

    fn has_work(&self) -> bool {
        self.receiver.is_busy() || !self.pending.is_empty()
    }

    /// Takes bytes.
    pub fn handle_input(&mut self, now: Instant, bytes: Bytes) {
        debug_assert!(self.pending.is_empty(), "the caller has asked wants_input");
        self.heard = now;
        self.pinged = None;
        self.pending = bytes;
    }

    /// The peer takes what is sent to it, and there is more: it lives, although its pongs may be behind what it takes.
    pub fn handle_progress(&mut self, now: Instant) {
        if fault::is(Fault::ProgressUnheard) {
            return;
        }
        self.heard = now;
        self.pinged = None;
    }

    /// The peer will send no more: RFC 6455 7.1.5 has 1006 for that, unless a Close frame came before.
    pub fn handle_end(&mut self) {
        self.peer_finished = true;
    }

    /// A wait is over: a silent peer is pinged, a dead one given up, and so is one that does not close.
    pub fn handle_timeout(&mut self, scope: &mut Scope<'_>) {
        let now = scope.now.mono;
        // Work that is left goes on by itself, in the turn that begins; the alarm for it may also come in the turn that
        // used its budget up, and is no silence of the peer's. What cannot go on, because the peer takes nothing, must
        // not keep asking for turns, nor the peer from being found dead.
        self.budget(now);
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        let is_dead = self.pinged.is_some_and(|at| at + self.config.pong_within <= now);
        let is_overdue = self.message_due().is_some_and(|at| at <= now);
        match &mut self.phase {
            Phase::Open if is_dead && !fault::is(Fault::DeadPeersStay) => {
                self.finish(abnormal("the peer does not answer"), Fate::Drop, scope);
            }
            Phase::Open if is_overdue => self.fail(fail(Code::POLICY, "the message took too long"), scope),
            Phase::Open => {
                self.pinged = Some(now);
                self.transmitter.control(Opcode::Ping, Bytes::new());
            }
            Phase::Closing { closed, .. } => {
                let closed = std::mem::replace(closed, abnormal(""));
                self.finish(closed, Fate::Finish, scope);
            }
            Phase::Ended(..) | Phase::Over(_) => {}
        }
    }

    /// What has happened. To be asked until there is nothing, whenever input was handed in or a wait was over.
    pub fn poll_event(&mut self, scope: &mut Scope<'_>) -> Option<Event> {
        loop {
            if let Phase::Ended(_, fate) = self.phase {
                let Phase::Ended(closed, _) = std::mem::replace(&mut self.phase, Phase::Over(fate)) else {
                    return None;
                };
                return Some(Event::Closed(closed));
            }
            if !self.is_read() {
                return None;
            }
            let granted = self.budget(scope.now.mono).min(scope.codecs.budget(scope.now.mono));
            let mut left = granted;
            let polled = self.receiver.poll(&mut self.pending, scope, &mut left);
            self.spend(granted - left, left == 0 && self.has_work(), scope.codecs);
            match polled {
                Ok(Some(Incoming::Message(message))) if self.is_open() => {
                    return Some(Event::Message(message));
                }
                // Our Close is under way: what the peer says before it has read that is not heard.
                Ok(Some(Incoming::Message(_) | Incoming::Pong)) => {}
                Ok(Some(Incoming::Ping(content))) if self.is_open() => {
                    self.transmitter.control(Opcode::Pong, content);
                }
                Ok(Some(Incoming::Ping(_))) => {}
                Ok(Some(Incoming::Close(code, reason))) => self.handle_close(code, reason, scope),
                Ok(None) if self.peer_finished && !self.has_work() => self.handle_peer_gone(scope),
                Ok(None) => return None,
                Err(failure) => self.fail(failure, scope),
            }
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// The connection is closing, or its peer has not taken too much already; [`Overflow`] says what comes of that.
    pub fn send(&mut self, scope: &mut Scope<'_>, message: &Message) -> Result<(), SendError> {
        self.admit(scope, message.data().len())?;
        self.transmitter.message(message);
        self.transmitter.account(scope.quota);
        Ok(())
    }

    /// Queues a message that goes to many.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, scope: &mut Scope<'_>, prepared: &Prepared) -> Result<(), SendError> {
        self.admit(scope, prepared.message().data().len())?;
        self.transmitter.prepared(prepared, scope.codecs);
        self.transmitter.account(scope.quota);
        Ok(())
    }

    /// Begins to close, behind what is queued.
    pub fn close(&mut self, now: Instant, code: Code, reason: &str) {
        if self.is_open() {
            self.transmitter.close(close::content(code, reason));
            let closed = Closed { code, reason: reason.to_owned(), is_clean: false };
            self.phase = Phase::Closing { until: now + self.config.close_within, closed };
        }
    }

    /// The next bytes to send.
    pub fn poll_output(&mut self, scope: &mut Scope<'_>) -> Option<Bytes> {
        let granted = self.budget(scope.now.mono).min(scope.codecs.budget(scope.now.mono));
        let mut left = granted;
        let was_read = self.is_read();
        let output = self.transmitter.poll(scope.codecs, &mut left);
        self.transmitter.account(scope.quota);
        if !was_read && self.is_read() {
            self.receiver.postpone(scope.now.mono);
        }
        self.spend(granted - left, left == 0 && output.is_none(), scope.codecs);
        output
    }

    /// The stream is gone. If the end was not told yet, this is it.
    pub fn handle_gone(&mut self, scope: &mut Scope<'_>) -> Option<Closed> {
        self.transmitter.clear(scope.codecs);
        self.transmitter.account(scope.quota);
        self.receiver.release(scope);
        match std::mem::replace(&mut self.phase, Phase::Over(Fate::Drop)) {
            Phase::Open => Some(abnormal("the connection is gone")),
            Phase::Closing { closed, .. } | Phase::Ended(closed, _) => Some(closed),
            Phase::Over(_) => None,
        }
    }

    /// What is left of the work of this turn.
    fn budget(&mut self, now: Instant) -> usize {
        if self.budget.0 != now {
            self.budget = (now, limits::WS_TURN_BYTES);
        }
        self.budget.1
    }

    /// So much of it was done. What the others have used up is gone for this connection as well.
    fn spend(&mut self, bytes: usize, is_held_up: bool, codecs: &mut Codecs) {
        codecs.spend(bytes);
        self.budget.1 = if is_held_up { 0 } else { self.budget.1.saturating_sub(bytes) };
    }

    fn admit(&mut self, scope: &mut Scope<'_>, len: usize) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        let waiting = self.transmitter.waiting();
        // So little waits for anybody: a pong, or what was just said. One message may be larger than the queue then.
        let is_little = waiting <= limits::WS_LOW_WATER.min(self.config.queue / 8);
        let fits = is_little || waiting + len <= self.config.queue || fault::is(Fault::QueueUnlimited);
        if fits && scope.quota.has_room(len) {
            return Ok(());
        }
        if self.config.overflow == Overflow::Close {
            self.transmitter.clear_unbegun(scope.codecs);
            self.close(scope.now.mono, Code::TRY_AGAIN_LATER, "too slow: what was sent was not taken");
        }
        Err(SendError::Full)
    }

    /// RFC 6455 5.5.1: a Close frame is answered by one that says the same.
    fn handle_close(&mut self, code: Code, reason: String, scope: &mut Scope<'_>) {
        let closed = match &mut self.phase {
            Phase::Closing { closed, .. } => {
                Closed { is_clean: true, ..std::mem::replace(closed, abnormal("")) }
            }
            _ => {
                self.transmitter.close(close::content(code, &reason));
                Closed { code, reason, is_clean: true }
            }
        };
        self.finish(closed, Fate::Finish, scope);
    }

    fn handle_peer_gone(&mut self, scope: &mut Scope<'_>) {
        let closed = match &mut self.phase {
            Phase::Closing { closed, .. } => std::mem::replace(closed, abnormal("")),
            _ => abnormal("the peer has finished without a Close frame"),
        };
        self.finish(closed, Fate::Finish, scope);
    }

    /// RFC 6455 7.1.7: says why, and does not wait for an answer.
    fn fail(&mut self, failure: Failure, scope: &mut Scope<'_>) {
        if self.is_open() {
            self.transmitter.close(close::content(failure.code, failure.reason));
        }
        let closed = Closed { code: failure.code, reason: failure.reason.to_owned(), is_clean: false };
        self.finish(closed, Fate::Finish, scope);
    }

    fn finish(&mut self, closed: Closed, fate: Fate, scope: &mut Scope<'_>) {
        self.receiver.release(scope);
        if fate == Fate::Drop {
            self.transmitter.clear(scope.codecs);
            self.transmitter.account(scope.quota);
        }
        self.pending = Bytes::new();
        self.phase = Phase::Ended(closed, fate);
    }
}

fn abnormal(reason: &str) -> Closed {
    Closed { code: Code::ABNORMAL, reason: reason.to_owned(), is_clean: false }
}

#[cfg(test)]
mod tests;
