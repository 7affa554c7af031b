//! A link with the misfortunes of a real network, from a seed: loss (also in bursts), duplication, reordering,
//! corruption, truncation, marks of congestion, delay with jitter, and a rate limit with a bounded queue; each way for
//! itself.
//!
//! It acts on frames as a wire has them, FCS included where the link carries one. Jitter alone never changes
//! the order; only `reorder` does. The parser of `--impair` lives in [`spec`].

mod mark;
pub mod spec;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub use spec::Impairment;

use super::{Link, Medium, Properties, Received, Sent};
use crate::frame::Frame;
use crate::rand::{Purpose, Rng, Seed};
use crate::time::{Duration, Instant};

/// Frames that one direction holds back; beyond, they are lost as in any full queue.
const HELD: usize = 16_384;
/// Frames taken from the inner link in one call.
const PULL: usize = 64;

/// A link whose frames suffer.
#[derive(Debug)]
pub struct Impair<L> {
    inner: L,
    incoming: Direction,
    outgoing: Direction,
    scratch: Vec<u8>,
    carrier: Frame,
    /// The inner link refused a frame that is due: it goes first when the link takes frames again.
    is_stalled: bool,
}

/// What one direction did with the frames it was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames given.
    pub given: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because the queue of the rate limit was full.
    pub queue_full: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Delivered late, behind others.
    pub reordered: u64,
    /// Delivered with a flipped bit.
    pub corrupted: u64,
    /// Delivered without their end.
    pub truncated: u64,
    /// Delivered with the mark of congestion.
    pub marked: u64,
}

#[derive(Debug)]
struct Direction {
    medium: Medium,
    impairment: Impairment,
    /// It is the default: asked for every frame, so not compared each time.
    does_nothing: bool,
    rng: Rng,
    tally: Tally,
    is_in_burst: bool,
    /// When the rate limit has sent all that it accepted.
    busy_until: Instant,
    /// When the last frame that keeps its order comes out.
    last_out: Instant,
    held: BinaryHeap<Reverse<Held>>,
    sequence: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    due: Instant,
    sequence: u64,
    bytes: Vec<u8>,
}

impl<L: Link> Impair<L> {
    /// Impairs `inner`: `incoming` towards us, `outgoing` away from us.
    pub fn new(inner: L, incoming: Impairment, outgoing: Impairment, seed: &Seed) -> Self {
        let medium = inner.properties().medium;
        Self {
            inner,
            incoming: Direction::new(medium, incoming, seed.stream(Purpose::ImpairIn)),
            outgoing: Direction::new(medium, outgoing, seed.stream(Purpose::ImpairOut)),
            scratch: Vec::new(),
            carrier: Frame::default(),
            is_stalled: false,
        }
    }

    /// Changes what happens to frames from now on; those held keep their time.
    pub fn set(&mut self, both: spec::Both) {
        self.incoming.set(both.incoming);
        self.outgoing.set(both.outgoing);
    }

    /// What happens to frames now.
    pub fn current(&self) -> spec::Both {
        spec::Both { incoming: self.incoming.impairment, outgoing: self.outgoing.impairment }
    }

    /// Frames pass as they are, and none is held.
    fn is_clear(&self) -> bool {
        self.incoming.is_clear() && self.outgoing.is_clear()
    }

    /// What happened so far: incoming, outgoing.
    pub fn tallies(&self) -> (Tally, Tally) {
        (self.incoming.tally, self.outgoing.tally)
    }

    /// The link below.
    pub fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Hands frames that are due to the inner link.
    fn release(&mut self, now: Instant) -> Sent {
        while let Some(held) = self.outgoing.pop_due(now) {
            self.carrier.clear();
            self.carrier.push_payload(held.bytes.into());
            match self.inner.send(now, &self.carrier) {
                Sent::Done => {}
                Sent::Full => {
                    let bytes = self.carrier.to_vec();
                    self.outgoing.held.push(Reverse(Held { bytes, ..held }));
                    self.is_stalled = true;
                    return Sent::Full;
                }
                gone @ Sent::Gone(_) => return gone,
            }
        }
        self.is_stalled = false;
        Sent::Done
    }
}

impl<L: Link> Link for Impair<L> {
    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn recv(&mut self, now: Instant, buffer: &mut [u8]) -> Received {
        if self.is_clear() {
            let received = self.inner.recv(now, buffer);
            self.incoming.tally.given += u64::from(matches!(received, Received::Frame(_)));
            return received;
        }
        if let Sent::Gone(error) = self.release(now) {
            return Received::Gone(error);
        }
        for _ in 0..PULL {
            match self.inner.recv(now, buffer) {
                Received::Frame(len) => self.incoming.take(now, &buffer[..len]),
                Received::Nothing => break,
                gone @ Received::Gone(_) => return gone,
            }
        }
        match self.incoming.pop_due(now) {
            Some(held) => {
                let len = held.bytes.len().min(buffer.len());
                buffer[..len].copy_from_slice(&held.bytes[..len]);
                Received::Frame(len)
            }
            None => Received::Nothing,
        }
    }

    fn send(&mut self, now: Instant, frame: &Frame) -> Sent {
        if self.is_clear() {
            let sent = self.inner.send(now, frame);
            self.outgoing.tally.given += u64::from(matches!(sent, Sent::Done));
            return sent;
        }
        self.scratch.clear();
        frame.write_to(&mut self.scratch);
        self.outgoing.take(now, &self.scratch);
        match self.release(now) {
            gone @ Sent::Gone(_) => gone,
            Sent::Done | Sent::Full => Sent::Done,
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let outgoing = self.outgoing.next_due().filter(|_| !self.is_stalled);
        [self.incoming.next_due(), outgoing, self.inner.poll_timeout()].into_iter().flatten().min()
    }
}

impl Direction {
    fn new(medium: Medium, impairment: Impairment, rng: Rng) -> Self {
        Self {
            medium,
            does_nothing: impairment == Impairment::default(),
            impairment,
            rng,
            tally: Tally::default(),
            is_in_burst: false,
            busy_until: Instant::ZERO,
            last_out: Instant::ZERO,
            held: BinaryHeap::new(),
            sequence: 0,
        }
    }

    fn set(&mut self, impairment: Impairment) {
        self.does_nothing = impairment == Impairment::default();
        self.impairment = impairment;
    }

    fn is_clear(&self) -> bool {
        self.does_nothing && self.held.is_empty()
    }

    /// Decides the fate of a frame. The order of the draws is part of what a seed replays.
    fn take(&mut self, now: Instant, bytes: &[u8]) {
        self.tally.given += 1;
        if self.is_lost() {
            self.tally.lost += 1;
            return;
        }
        let backlog = self.backlog(now);
        let Some(serialized) = self.serialize(now, backlog, bytes.len()) else {
            self.tally.queue_full += 1;
            return;
        };
        let is_marked = self.is_marked(backlog, bytes);
        self.tally.marked += u64::from(is_marked);
        let copies = if self.rng.chance(self.impairment.duplicate) { 2 } else { 1 };
        self.tally.duplicated += copies - 1;
        for _ in 0..copies {
            let mut copy = bytes.to_vec();
            if is_marked {
                mark::set(&mut copy, self.medium);
            }
            let damaged = self.damage(copy);
            let due = self.due(serialized);
            self.hold(due, damaged);
        }
    }

    /// Independent loss, or with `burst` a two-state chain (Gilbert): the long-run share lost stays `loss`,
    /// and losses come in runs of `burst` on average.
    fn is_lost(&mut self) -> bool {
        let Impairment { loss, burst, .. } = self.impairment;
        if burst <= 1.0 {
            return self.rng.chance(loss);
        }
        let leave = 1.0 / burst;
        let enter = if loss >= 1.0 { 1.0 } else { (loss * leave / (1.0 - loss)).min(1.0) };
        let turn = if self.is_in_burst { leave } else { enter };
        self.is_in_burst ^= self.rng.chance(turn);
        self.is_in_burst || loss >= 1.0
    }

    /// By chance, or because the queue that it found was too long; only where its sender understands the mark.
    fn is_marked(&mut self, backlog: usize, bytes: &[u8]) -> bool {
        let Impairment { mark, mark_above, .. } = self.impairment;
        let is_above = mark_above > 0 && backlog > mark_above;
        (mark > 0.0 || is_above)
            && mark::is_capable(bytes, self.medium)
            && (self.rng.chance(mark) || is_above)
    }

    /// Bytes that wait for the rate limit.
    fn backlog(&self, now: Instant) -> usize {
        let waits = u128::from(self.busy_until.since(now).as_nanos());
        (waits * u128::from(self.impairment.rate) / 8_000_000_000) as usize
    }

    /// When the rate limit has put the frame on the wire; `None` when its queue is full.
    fn serialize(&mut self, now: Instant, backlog: usize, len: usize) -> Option<Instant> {
        let rate = self.impairment.rate;
        if rate == 0 {
            return Some(now);
        }
        if backlog + len > self.impairment.queue.max(len) {
            return None;
        }
        let took = (len as u128 * 8_000_000_000 / u128::from(rate)) as u64;
        self.busy_until = self.busy_until.max(now) + Duration::from_nanos(took);
        Some(self.busy_until)
    }

    fn due(&mut self, serialized: Instant) -> Instant {
        let Impairment { delay, jitter, reorder, reorder_by, .. } = self.impairment;
        let extra = match jitter.as_nanos() {
            0 => 0,
            jitter => self.rng.below(jitter + 1),
        };
        let due = serialized + delay + Duration::from_nanos(extra);
        if self.rng.chance(reorder) {
            self.tally.reordered += 1;
            return due + reorder_by;
        }
        self.last_out = self.last_out.max(due);
        self.last_out
    }

    fn damage(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.rng.chance(self.impairment.corrupt) && !bytes.is_empty() {
            let bit = self.rng.below(bytes.len() as u64 * 8) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
            self.tally.corrupted += 1;
        }
        if self.rng.chance(self.impairment.truncate) && !bytes.is_empty() {
            bytes.truncate(self.rng.below(bytes.len() as u64) as usize);
            self.tally.truncated += 1;
        }
        bytes
    }

    fn hold(&mut self, due: Instant, bytes: Vec<u8>) {
        if self.held.len() >= HELD {
            self.tally.queue_full += 1;
            return;
        }
        self.sequence += 1;
        self.held.push(Reverse(Held { due, sequence: self.sequence, bytes }));
    }

    fn next_due(&self) -> Option<Instant> {
        self.held.peek().map(|Reverse(held)| held.due)
    }

    fn pop_due(&mut self, now: Instant) -> Option<Held> {
        self.next_due().filter(|&due| due <= now)?;
        self.held.pop().map(|Reverse(held)| held)
    }
}

#[cfg(test)]
mod tests;
