//! A session: one TCP stream with a protocol on it, until both are over.
//!
//! ```text
//! Serving --fate Finish, all written--> Closing --peer finished, or the bound is met--> gone
//! ```
//!
//! The end is what servers get wrong: a close while the peer still sends makes a RST, and that overtakes the
//! answer. So: send all, then FIN, then read and throw away within a bound (RFC 9112 9.6).

use std::net::SocketAddrV4;
use std::sync::Arc;

use bytes::Bytes;

use super::jobs::Jobs;
use super::post::{Letter, Post};
use super::protocol::{Peer, Protocol};
use super::vitals::ServeCounters;
use crate::fate::Fate;
use crate::fault::{self, Fault};
use crate::http::{Date, Handler, Limits};
use crate::limits;
use crate::quota::Quota;
use crate::stack::{ConnId, Stack};
use crate::tcp::ReadError;
use crate::time::{Instant, Now};
use crate::ws::Codecs;

/// What a session needs from around it, for the time of a call.
pub struct Surroundings<'a> {
    /// The time.
    pub now: Now,
    /// The rendered date.
    pub date: &'a mut Date,
    /// Where its stream is.
    pub stack: &'a mut Stack,
    /// Who answers.
    pub handler: &'a mut dyn Handler,
    /// What is counted.
    pub counters: &'a mut ServeCounters,
    /// Compressors and decompressors.
    pub codecs: &'a mut Codecs,
    /// What peers can make grow.
    pub quota: &'a Quota,
    /// Slow work.
    pub jobs: &'a mut Jobs,
    /// Where mail for sessions goes.
    pub post: &'a Arc<Post>,
}

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    Open,
    /// It is over, and its stream released.
    Gone,
}

/// One session.
pub struct Session {
    id: ConnId,
    remote: SocketAddrV4,
    protocol: Protocol,
    phase: Phase,
    /// Output for which there was no room.
    carry: Bytes,
    peer_finished: bool,
    opened: Instant,
    bytes_in: u64,
    bytes_out: u64,
    /// Bytes that the peer has taken, as far as was looked.
    taken: u64,
    /// Its TCP asks from time to time whether the peer is there.
    is_probed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Closing { until: Instant, discarded: u64 },
}

impl Session {
    /// A session on a stream that was just accepted.
    pub fn new(now: Instant, id: ConnId, stack: &mut Stack, limits: Limits) -> Self {
        let mut stream = stack.stream(id);
        // Answers are written whole before anything is sent; holding their last segment back would cost a round trip.
        stream.set_nagle(false);
        let remote = stream.remote();
        Self {
            id,
            remote,
            protocol: Protocol::new(now, Peer { remote, address: id.into() }, limits),
            phase: Phase::Serving,
            carry: Bytes::new(),
            peer_finished: false,
            opened: now,
            bytes_in: 0,
            bytes_out: 0,
            taken: 0,
            is_probed: false,
        }
    }

    /// Its stream.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// Does what can be done now: called whenever something happened to the stream.
    pub fn advance(&mut self, around: &mut Surroundings<'_>) -> Next {
        self.note_progress(around);
        if self.phase == Phase::Serving {
            loop {
                self.read(around);
                // What was written, or became of a request, may make it want more.
                if !(self.write(around) | self.protocol.follow(around)) {
                    break;
                }
            }
            if self.is_stalled(around) {
                return self.give_up(around, "takes nothing");
            }
            match self.protocol.fate() {
                Fate::Drop => return self.give_up(around, "cannot be answered"),
                Fate::Finish if !self.has_output() => self.begin_closing(around),
                Fate::Finish | Fate::Open => {}
            }
        }
        if let Phase::Closing { .. } = self.phase {
            if self.is_stalled(around) {
                return self.give_up(around, "takes nothing");
            }
            if self.is_closed(around) {
                return self.release(around, "done");
            }
        }
        self.set_alarm(around);
        Next::Open
    }

    /// The stream's alarm.
    pub fn handle_alarm(&mut self, around: &mut Surroundings<'_>) -> Next {
        self.note_progress(around);
        self.protocol.handle_timeout(around);
        self.advance(around)
    }

    /// Mail has come.
    pub fn handle_letter(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Next {
        self.protocol.handle_letter(around, letter);
        self.advance(around)
    }

    /// The connection ended without us.
    pub fn handle_closed(&mut self, around: &mut Surroundings<'_>, why: &str) -> Next {
        self.release(around, why)
    }

    /// The program stops: no further request is taken.
    pub fn stop(&mut self, around: &mut Surroundings<'_>) -> Next {
        self.protocol.stop(around);
        self.advance(around)
    }

    /// Moves what has arrived to the protocol, as far as that wants it.
    fn read(&mut self, around: &mut Surroundings<'_>) {
        while self.protocol.wants_input() {
            match around.stack.stream(self.id).read() {
                Ok(bytes) => {
                    self.bytes_in += bytes.len() as u64;
                    self.protocol.handle_input(around, bytes);
                }
                Err(ReadError::Finished) => {
                    if std::mem::replace(&mut self.peer_finished, true) {
                        break;
                    }
                    self.protocol.handle_end(around);
                }
                Err(ReadError::Blocked | ReadError::Closed(_)) => break,
            }
        }
    }

    /// Moves output to the stream, while little of it waits there; true when something was.
    fn write(&mut self, around: &mut Surroundings<'_>) -> bool {
        let mut has_moved = false;
        if !self.has_output() {
            return false;
        }
        loop {
            let mut stream = around.stack.stream(self.id);
            let (room, unsent) = (stream.room(), stream.unsent());
            if room == 0 || unsent >= limits::BODY_LOW_WATER {
                break;
            }
            if self.carry.is_empty() {
                match self.protocol.poll_output(around, room) {
                    Some(bytes) => self.carry = bytes,
                    None => return has_moved,
                }
            }
            match around.stack.stream(self.id).write(self.carry.clone()) {
                Ok(taken) => {
                    let _ = self.carry.split_to(taken);
                    self.bytes_out += taken as u64;
                    has_moved = true;
                }
                Err(_) => break,
            }
        }
        around.stack.stream(self.id).notify_below(limits::BODY_LOW_WATER / 2);
        has_moved
    }

    fn has_output(&self) -> bool {
        !self.carry.is_empty() || self.protocol.has_output()
    }

    /// Sees whether the peer has taken some of what is queued.
    fn note_progress(&mut self, around: &mut Surroundings<'_>) {
        let queued = around.stack.stream(self.id).queued() as u64;
        let taken = self.bytes_out - queued;
        if queued > 0 && taken > self.taken {
            self.protocol.handle_progress(around.now.mono);
        }
        self.taken = taken;
    }

    /// The peer has taken nothing of what is queued for too long.
    fn is_stalled(&self, around: &mut Surroundings<'_>) -> bool {
        let since = around.stack.stream(self.id).untaken_since();
        since.is_some_and(|since| around.now.mono.since(since) >= limits::WRITE_TIMEOUT)
    }

    fn begin_closing(&mut self, around: &mut Surroundings<'_>) {
        around.stack.stream(self.id).shutdown();
        let until = around.now.mono + limits::LINGER.0;
        self.phase = Phase::Closing { until, discarded: 0 };
    }

    /// Throws away what still arrives; true when there is nothing more to wait for.
    fn is_closed(&mut self, around: &mut Surroundings<'_>) -> bool {
        if fault::is(Fault::NoLinger) {
            return true;
        }
        let Phase::Closing { until, mut discarded } = self.phase else { return false };
        let mut stream = around.stack.stream(self.id);
        let mut is_over = false;
        loop {
            match stream.read() {
                Ok(bytes) => discarded += bytes.len() as u64,
                Err(ReadError::Blocked) => break,
                Err(ReadError::Finished | ReadError::Closed(_)) => {
                    is_over = true;
                    break;
                }
            }
        }
        // While our own data is under way the wait is not for the peer's.
        let until = if stream.queued() > 0 { around.now.mono + limits::LINGER.0 } else { until };
        self.phase = Phase::Closing { until, discarded };
        is_over || discarded > limits::LINGER.1 || around.now.mono >= until
    }

    fn set_alarm(&mut self, around: &mut Surroundings<'_>) {
        let mut stream = around.stack.stream(self.id);
        let is_pending = self.protocol.is_pending();
        if std::mem::replace(&mut self.is_probed, is_pending) != is_pending {
            stream.set_keep_alive(is_pending.then_some(limits::PENDING_KEEP_ALIVE));
        }
        let writing = stream.untaken_since().map(|since| since + limits::WRITE_TIMEOUT);
        let waiting = match self.phase {
            Phase::Serving => self.protocol.poll_timeout(),
            Phase::Closing { until, .. } => Some(until),
        };
        stream.set_alarm([writing, waiting].into_iter().flatten().min());
    }

    fn give_up(&mut self, around: &mut Surroundings<'_>, why: &str) -> Next {
        self.report(around, why);
        around.stack.stream(self.id).abort();
        Next::Gone
    }

    fn release(&mut self, around: &mut Surroundings<'_>, why: &str) -> Next {
        self.report(around, why);
        around.stack.stream(self.id).release();
        Next::Gone
    }

    fn report(&mut self, around: &mut Surroundings<'_>, why: &str) {
        self.protocol.handle_gone(around);
        let (requests, messages) = self.protocol.taken();
        around.counters.requests += requests;
        around.counters.messages += messages;
        log::info!(
            "{} {why}: {requests} requests, {messages} messages, {} bytes in, {} bytes out, {}",
            self.remote,
            self.bytes_in,
            self.bytes_out,
            around.now.mono.since(self.opened)
        );
    }
}
