//! What an application does with one connection: a script over whatever kind of socket.

use bytes::Bytes;
use taphouse::time::{Duration, Instant};

use super::dice::Dice;
use super::ledger::{Ledger, Outcome};
use super::plan::{Ending, Script};

/// The verbs that both kinds of sockets have.
pub(crate) trait Socket {
    fn read(&mut self) -> Read;
    fn write(&mut self, data: Bytes) -> Write;
    fn shutdown(&mut self);
    /// Both sides open at once, and neither SYN is acknowledged.
    fn is_half_open(&mut self) -> bool {
        false
    }
    /// Marks what was written as urgent, where that exists.
    fn mark_urgent(&mut self) {}
}

pub(crate) enum Read {
    Data(Bytes),
    Blocked,
    Finished,
    Dead,
}

pub(crate) enum Write {
    Taken(usize),
    Blocked,
    Dead,
}

/// What shall become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on; come back at that time at the latest.
    GoOn(Option<Instant>),
    Release,
    Abort,
}

/// One side of a connection.
pub(crate) struct Conversation {
    pub(crate) number: usize,
    pub(crate) side: usize,
    script: Script,
    dice: Dice,
    read_after: Instant,
    write_after: Instant,
    has_finished: bool,
    /// The handshake is over.
    pub(crate) is_connected: bool,
    /// The stack said that it is over.
    pub(crate) is_closed: bool,
    /// Since when the other side is known to have gone.
    abandoned_since: Option<Instant>,
}

/// How long to wait, once the faults are over, for somebody who has gone: a RST that was lost is not repeated.
const PATIENCE: Duration = Duration::from_secs(20);

impl Conversation {
    pub(crate) fn new(number: usize, side: usize, script: Script, seed: u64, ledger: &mut Ledger) -> Self {
        let entry = &mut ledger.entries[number].sides[side];
        assert!(!entry.has_begun, "connection {number} is accepted once");
        entry.has_begun = true;
        Self {
            number,
            side,
            script,
            dice: Dice::new(seed, 1000 + number as u64 * 2 + side as u64),
            read_after: Instant::ZERO,
            write_after: Instant::ZERO,
            has_finished: false,
            is_connected: false,
            is_closed: false,
            abandoned_since: None,
        }
    }

    /// Reads and writes as far as it goes.
    pub(crate) fn advance(&mut self, now: Instant, socket: &mut dyn Socket, ledger: &mut Ledger) -> Fate {
        if ledger.is_healed {
            (self.read_after, self.write_after) = (now, now);
        }
        let fate = if self.is_connected {
            self.read(now, socket, ledger)
                .or_else(|| self.write(now, socket, ledger))
                .or_else(|| self.end(now, socket, ledger))
        } else if self.script.writes_early {
            let fate = self.write(now, socket, ledger);
            // In SYN-SENT an end would end everything; in SYN-RECEIVED it waits (RFC 9293 3.10.4).
            if fate.is_none() && socket.is_half_open() { self.end(now, socket, ledger) } else { fate }
        } else {
            None
        };
        let fate = fate.unwrap_or_else(|| Fate::GoOn(self.next_wake(now)));
        if fate == Fate::Abort && ledger.entries[self.number].sides[self.side].outcome.is_none() {
            self.set_outcome(ledger, Outcome::Left);
        }
        fate
    }

    /// The connection was never opened.
    pub(crate) fn handle_unopened(&self, ledger: &mut Ledger) {
        self.set_outcome(ledger, Outcome::Unopened);
    }

    fn read(&mut self, now: Instant, socket: &mut dyn Socket, ledger: &mut Ledger) -> Option<Fate> {
        while !self.has_finished && self.read_after <= now {
            match socket.read() {
                Read::Data(bytes) => self.handle_data(&bytes, ledger),
                Read::Blocked => return None,
                Read::Finished => self.handle_finished(ledger),
                Read::Dead => return Some(self.handle_dead(ledger)),
            }
            let read = ledger.entries[self.number].sides[self.side].read;
            if matches!(self.script.ending, Ending::Abort(at) if read >= at) && !self.has_finished {
                return Some(Fate::Abort);
            }
            if !ledger.is_healed && self.dice.chance(self.script.read_pause) {
                self.read_after = now + self.pause();
            }
        }
        None
    }

    fn handle_data(&mut self, bytes: &[u8], ledger: &mut Ledger) {
        let entry = &ledger.entries[self.number];
        let position = entry.sides[self.side].read;
        let name = (self.number, self.side);
        assert!(!bytes.is_empty(), "{name:?}: a read gives something");
        let written = entry.sides[1 - self.side].written;
        assert!(position + bytes.len() as u64 <= written, "{name:?}: more was read than written");
        let is_right = ledger.is_right(self.number, 1 - self.side, position, bytes);
        assert!(is_right, "{name:?}: {} bytes at {position} arrive in order and unaltered", bytes.len());
        ledger.entries[self.number].sides[self.side].read += bytes.len() as u64;
    }

    fn handle_finished(&mut self, ledger: &Ledger) {
        let [me, other] = [self.side, 1 - self.side].map(|s| &ledger.entries[self.number].sides[s]);
        assert!(other.is_shut, "{}: the end comes after the peer said so", self.number);
        assert_eq!(me.read, other.written, "{}: the end comes after all data", self.number);
        self.has_finished = true;
    }

    fn handle_dead(&self, ledger: &mut Ledger) -> Fate {
        let is_expected =
            ledger.is_abandoned(self.number, self.side) || !ledger.entries[self.number].is_polite;
        assert!(
            is_expected,
            "connection {} fails though both sides are polite: {:?}",
            self.number, ledger.entries[self.number]
        );
        self.set_outcome(ledger, Outcome::Failed);
        Fate::Release
    }

    fn write(&mut self, now: Instant, socket: &mut dyn Socket, ledger: &mut Ledger) -> Option<Fate> {
        let total = match self.script.ending {
            Ending::Release(at) => at,
            _ => self.script.total,
        };
        loop {
            let me = &ledger.entries[self.number].sides[self.side];
            let written = me.written;
            if matches!(self.script.ending, Ending::Abort(at) if written >= at) && self.write_after <= now {
                return Some(Fate::Abort);
            }
            if written >= total || me.is_shut || self.write_after > now {
                return None;
            }
            let len = self.dice.between(1, self.script.largest_write).min(total - written);
            let data = ledger.bytes(self.number, self.side, written, len as usize);
            match socket.write(data) {
                Write::Taken(n) => ledger.entries[self.number].sides[self.side].written += n as u64,
                Write::Blocked => return None,
                Write::Dead => return if self.has_finished { Some(self.handle_dead(ledger)) } else { None },
            }
            if self.script.is_urgent {
                socket.mark_urgent();
            }
            if !ledger.is_healed && self.dice.chance(self.script.write_pause) {
                self.write_after = now + self.pause();
            }
        }
    }

    fn end(&mut self, now: Instant, socket: &mut dyn Socket, ledger: &mut Ledger) -> Option<Fate> {
        let has_written = ledger.entries[self.number].sides[self.side].written >= self.script.total;
        match self.script.ending {
            Ending::Release(at) if ledger.entries[self.number].sides[self.side].written >= at => {
                ledger.entries[self.number].sides[self.side].is_shut = true;
                self.set_outcome(ledger, Outcome::Left);
                return Some(Fate::Release);
            }
            Ending::Finish if has_written => self.shutdown(socket, ledger),
            Ending::AfterPeer if has_written && self.has_finished => self.shutdown(socket, ledger),
            Ending::Abort(_) if self.has_finished => return Some(Fate::Abort),
            _ => {}
        }
        let is_shut = ledger.entries[self.number].sides[self.side].is_shut;
        if is_shut && self.has_finished && (self.is_closed || !self.script.waits_for_closed) {
            self.set_outcome(ledger, Outcome::Complete);
            return Some(Fate::Release);
        }
        if ledger.is_healed && ledger.is_abandoned(self.number, self.side) {
            let since = *self.abandoned_since.get_or_insert(now);
            if now.since(since) >= PATIENCE {
                return Some(Fate::Abort);
            }
        }
        None
    }

    fn shutdown(&self, socket: &mut dyn Socket, ledger: &mut Ledger) {
        let me = &mut ledger.entries[self.number].sides[self.side];
        if !std::mem::replace(&mut me.is_shut, true) {
            socket.shutdown();
        }
    }

    fn set_outcome(&self, ledger: &mut Ledger, outcome: Outcome) {
        ledger.entries[self.number].sides[self.side].outcome = Some(outcome);
    }

    fn pause(&mut self) -> Duration {
        self.dice.micros(1, self.script.longest_pause.as_micros().max(1))
    }

    fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        if !self.is_connected && self.script.writes_early {
            // Nothing tells an application of SYN-RECEIVED: it has to look.
            return Some(now + self.dice.micros(1, 500_000));
        }
        let pauses = [self.read_after, self.write_after].into_iter().filter(|&at| at > now).min();
        let gives_up = self.abandoned_since.map(|since| since + PATIENCE);
        [pauses, gives_up].into_iter().flatten().min()
    }
}
