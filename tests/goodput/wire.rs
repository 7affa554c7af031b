//! What lies between the two hosts of a flow: a bottleneck that flows may share, then the flow's own path with its
//! delay, loss and reordering. Packets in flight wait in one heap, ordered by when they arrive.
//!
//! A packet is lost behind the bottleneck, so that what is lost by chance takes its share of the rate, as a damaged
//! frame does. Without reordering a path keeps the order, for its delay never changes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use taphouse::rand::{Purpose, Rng, Seed};
use taphouse::time::{Duration, Instant};

/// A packet takes this much more of the bottleneck than its IP length: the Ethernet header.
const LINK_HEADER: usize = 14;

/// A rate with a drop-tail queue before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bottleneck {
    /// Bits a second; 0 is no limit.
    rate: u64,
    /// Bytes that may wait.
    queue: usize,
    busy_until: Instant,
    /// Packets that came.
    pub(crate) given: u64,
    /// Packets for which there was no room.
    pub(crate) dropped: u64,
}

impl Bottleneck {
    pub(crate) fn new(rate: u64, queue: usize) -> Self {
        Self { rate, queue, ..Self::default() }
    }

    /// When the packet has passed; `None` if the queue is full.
    fn pass(&mut self, now: Instant, len: usize) -> Option<Instant> {
        self.given += 1;
        if self.rate == 0 {
            return Some(now);
        }
        let len = len + LINK_HEADER;
        let waiting = self.busy_until.since(now).as_nanos() as u128 * u128::from(self.rate) / 8_000_000_000;
        if waiting as usize + len > self.queue {
            self.dropped += 1;
            return None;
        }
        let took = (len as u128 * 8_000_000_000 / u128::from(self.rate)) as u64;
        self.busy_until = self.busy_until.max(now) + Duration::from_nanos(took);
        Some(self.busy_until)
    }
}

/// One direction of one flow.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) delay: Duration,
    pub(crate) loss: f64,
    pub(crate) reorder: f64,
    /// How much later a reordered packet arrives.
    pub(crate) reorder_by: Duration,
    rng: Rng,
}

impl Path {
    /// A path that only takes its time. What happens on it is drawn from the seed, the flow and the direction.
    pub(crate) fn new(delay: Duration, seed: u64, salt: u64) -> Self {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (salt + 1).wrapping_mul(0xd134_2543_de82_ef95);
        let rng = Seed::from_u64(seed).stream(Purpose::ImpairOut);
        Self { delay, loss: 0.0, reorder: 0.0, reorder_by: Duration::ZERO, rng }
    }

    /// When a packet arrives that the bottleneck let go at `sent`; `None` if it is lost.
    fn cross(&mut self, sent: Instant) -> Option<Instant> {
        if self.rng.chance(self.loss) {
            return None;
        }
        let late = if self.rng.chance(self.reorder) { self.reorder_by } else { Duration::ZERO };
        Some(sent + self.delay + late)
    }
}

/// A packet on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    due: Instant,
    sequence: u64,
    to: usize,
    bytes: Vec<u8>,
}

/// All packets that are on their way, and buffers for more.
#[derive(Debug, Default)]
pub(crate) struct Air {
    flying: BinaryHeap<Reverse<Flying>>,
    sequence: u64,
    spare: Vec<Vec<u8>>,
    /// What the host that has its turn sends.
    sent: Vec<Vec<u8>>,
}

impl Air {
    /// An empty buffer.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.spare.push(buffer);
    }

    /// A host sends a packet.
    pub(crate) fn send(&mut self, bytes: Vec<u8>) {
        self.sent.push(bytes);
    }

    /// Puts what was sent on its way to a host; says whether there was anything.
    pub(crate) fn launch(&mut self, now: Instant, neck: &mut Bottleneck, path: &mut Path, to: usize) -> bool {
        let mut sent = std::mem::take(&mut self.sent);
        let is_some = !sent.is_empty();
        for bytes in sent.drain(..) {
            match neck.pass(now, bytes.len()).and_then(|at| path.cross(at)) {
                Some(due) => {
                    self.sequence += 1;
                    self.flying.push(Reverse(Flying { due, sequence: self.sequence, to, bytes }));
                }
                None => self.recycle(bytes),
            }
        }
        self.sent = sent;
        is_some
    }

    /// When the next packet arrives, and where.
    pub(crate) fn next(&self) -> Option<(Instant, usize)> {
        self.flying.peek().map(|Reverse(flying)| (flying.due, flying.to))
    }

    /// The packet that arrives next, if that is by now and at this place.
    pub(crate) fn land(&mut self, now: Instant, at: usize) -> Option<Vec<u8>> {
        self.next().filter(|&(due, to)| due <= now && to == at)?;
        self.flying.pop().map(|Reverse(flying)| flying.bytes)
    }
}

#[test]
fn a_bottleneck_keeps_its_rate_and_drops_what_its_queue_has_no_room_for() {
    // A packet of 1000 bytes on the link takes a millisecond, and four of them may wait.
    let mut neck = Bottleneck::new(8_000_000, 4000);
    let mut pass = |at| neck.pass(Instant::ZERO + Duration::from_millis(at), 1000 - LINK_HEADER);
    let after = |millis| Some(Instant::ZERO + Duration::from_millis(millis));
    assert_eq!([pass(0), pass(0), pass(0), pass(0), pass(0)], [after(1), after(2), after(3), after(4), None]);
    assert_eq!([pass(1), pass(1), pass(9)], [after(5), None, after(10)]);
    assert_eq!((neck.given, neck.dropped), (8, 2));
}
