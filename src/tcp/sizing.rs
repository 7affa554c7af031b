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
use super::pressure::{Pressure, RESERVE, Room, reserve_left};
use super::timestamps;
use crate::fault::{self, Fault};
use crate::time::Instant;
use crate::wire::tcp_options::Options;

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

    /// Bytes that [`write`](Self::write) would take. What is set apart for sending is enough to go on: while nothing is
    /// queued there is room, and what is queued brings ACKs.
    pub fn room(&self) -> usize {
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

    /// Throws away what waits behind gaps, as memory is short, if what was received takes up more than is set apart for
    /// it, or memory is full. Gives the number of bytes.
    pub fn prune(&mut self) -> usize {
        let is_beyond = self.rcv.memory() > RESERVE || self.pressure == Pressure::Full;
        if is_beyond { self.rcv.prune() } else { 0 }
    }

    fn may_grow(&self) -> bool {
        self.pressure == Pressure::None && !fault::is(Fault::BuffersFixed)
    }
}
