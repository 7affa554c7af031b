//! How large the buffers of a connection may be. They begin small and grow with what the path carries, up to the limits
//! of the [configuration](super::Config); what is short of memory grows no more, and then has to do with less.
//!
//! ```text
//! receive:  what the user took in a round trip, twice, and what slow start will add to it
//! send:     twice the congestion window: what is in flight, and as much behind it
//! ```
//! Dynamic right-sizing (Fisk and Feng, 2001), as in Linux. A round trip is over when data comes that was sent after
//! the peer had heard of its beginning, which timestamps (RFC 7323) tell; without them, when an RTT has passed. Only
//! what is read counts, so that nothing grows for a user who does not read. A window once offered is not taken back.

use super::connection::Connection;
use super::timestamps;
use crate::fault::{self, Fault};
use crate::limits;
use crate::time::Instant;
use crate::wire::tcp_options::Options;

/// What a byte may take up in the worst case, in either buffer or behind a gap.
const ROUNDING: usize = 512;

/// How short the memory of all connections is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// Buffers do not grow any more.
    Low,
    /// Out-of-order data is thrown away, and buffers are as small as in the beginning.
    High,
    /// A connection has what is set apart for it, nothing waits behind gaps, and new connections are refused.
    Full,
}

impl Pressure {
    /// Bytes that a buffer may hold at most.
    pub(super) fn ceiling(self) -> usize {
        match self {
            Self::None | Self::Low => usize::MAX,
            Self::High => limits::BUFFER_START,
            Self::Full => RESERVE / 2,
        }
    }
}

/// Bytes of a payload that there is memory for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// In order.
    pub(super) in_order: usize,
    /// Behind a gap.
    pub(super) behind_a_gap: usize,
}

impl Room {
    pub(super) const UNLIMITED: Self = Self { in_order: usize::MAX, behind_a_gap: usize::MAX };
}

/// A round trip of what is received, and what the user took in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    began: Instant,
    /// TSval of what left at its beginning.
    stamp: u32,
    taken: usize,
    /// The most that was taken in a round trip.
    most: usize,
}

impl Round {
    /// The first begins.
    pub(super) fn begin(&mut self, now: Instant, stamp: u32) {
        (self.began, self.stamp, self.taken) = (now, stamp, 0);
    }

    /// The user has taken so many bytes.
    pub(super) fn handle_taken(&mut self, len: usize) {
        self.taken += len;
    }

    /// It is over. Gives what the buffer should hold, if that is more than before: twice what was taken, so that a loss
    /// can be repaired meanwhile, and what a peer in slow start adds.
    fn end(&mut self) -> Option<usize> {
        let grown_by = self.taken.checked_sub(self.most).filter(|&by| by > 0)?;
        self.most = self.taken;
        Some(2 * self.taken + 4 * grown_by)
    }
}

/// Bytes that are set apart for either direction.
const RESERVE: usize = limits::CONNECTION_RESERVE / 2;

/// What is left of them for one that takes up so much, less what may be lost to rounding up.
fn reserve_left(memory: usize) -> usize {
    RESERVE.saturating_sub(memory + ROUNDING)
}

impl Connection {
    /// How short memory is, as of now.
    pub fn set_pressure(&mut self, pressure: Pressure) {
        if pressure != self.pressure {
            self.pressure = pressure;
            self.rcv.set_ceiling(pressure.ceiling());
            self.snd.buffer.set_frugal(pressure >= Pressure::High);
            self.check_room();
        }
    }

    /// Data came in order.
    pub(super) fn size_receive_buffer(&mut self, now: Instant, options: &Options) {
        let round = &self.rcv.round;
        let is_over = match options.timestamps.filter(|_| self.ts.is_on()) {
            Some((_, echo)) => timestamps::is_before(round.stamp, echo),
            None => now.since(round.began) >= self.rtt.smoothed().map_or(self.rtt.rto(), |(srtt, _)| srtt),
        };
        if !is_over {
            return;
        }
        let wanted = self.rcv.round.end();
        self.rcv.round.begin(now, self.ts.value(now));
        if let Some(wanted) = wanted.filter(|_| self.may_grow()) {
            self.rcv.grow(wanted, self.config.receive_buffer);
        }
    }

    /// The congestion window may have grown.
    pub(super) fn size_send_buffer(&mut self) {
        if self.may_grow() {
            let wanted = (2 * self.congestion.window() as usize).min(self.config.send_buffer);
            self.snd.capacity = self.snd.capacity.max(wanted);
        }
    }

    /// Bytes that may be queued, as of now.
    pub(super) fn send_capacity(&self) -> usize {
        self.snd.capacity.min(self.pressure.ceiling())
    }

    /// Bytes that the user may add to what is queued. What is set apart for sending is enough to go on: while nothing
    /// is queued there is room, and what is queued brings ACKs.
    pub(super) fn send_room(&self) -> usize {
        let room = self.send_capacity().saturating_sub(self.snd.buffer.len());
        if self.pressure < Pressure::Full || fault::is(Fault::MemoryUnlimited) {
            return room;
        }
        room.min(reserve_left(self.snd.buffer.memory() + self.board.memory()))
    }

    /// Room for what arrives.
    pub(super) fn receive_room(&self) -> Room {
        if self.pressure < Pressure::High || fault::is(Fault::MemoryUnlimited) {
            return Room::UNLIMITED;
        }
        let left = reserve_left(self.rcv.memory());
        if self.pressure == Pressure::High {
            Room { behind_a_gap: left, ..Room::UNLIMITED }
        } else {
            // What waits behind a gap might take the room of what fills it.
            Room { in_order: left, behind_a_gap: 0 }
        }
    }

    /// Throws away what waits behind gaps, as memory is short: all that is beyond what is set apart, and when there is
    /// nothing else, everything. Gives the number of bytes.
    pub fn prune(&mut self) -> usize {
        let is_beyond = self.rcv.memory() > RESERVE || self.pressure == Pressure::Full;
        if is_beyond { self.rcv.prune() } else { 0 }
    }

    fn may_grow(&self) -> bool {
        self.pressure == Pressure::None && !fault::is(Fault::BuffersFixed)
    }
}
