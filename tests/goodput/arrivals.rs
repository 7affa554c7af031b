//! What arrives at a receiver, seen on the wire before it: how many bytes of the stream for the first time, and how
//! many once more. A byte that arrives twice was sent again without need.

use std::collections::{BTreeMap, VecDeque};

use taphouse::time::{Duration, Instant};

/// A flow has reached its limit when one RTT brought so much of what the limit allows.
const REACHED: f64 = 0.95;

/// The ledger of one flow.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The number of the first byte.
    first: Option<u32>,
    /// All before this offset has arrived.
    edge: u64,
    /// What arrived beyond the edge: from, to.
    pieces: BTreeMap<u64, u64>,
    /// Bytes that arrived for the first time.
    pub(crate) fresh: u64,
    /// Bytes that arrived again.
    pub(crate) again: u64,
    /// Of those, bytes that stand in the second half of the stream.
    pub(crate) again_late: u64,
    half: u64,
    rtt: Duration,
    /// Bytes in one RTT from which on the limit counts as reached.
    reached_at: f64,
    /// When what arrived in the last RTT arrived.
    recent: VecDeque<(Instant, u64)>,
    recent_bytes: u64,
    /// When one RTT first brought what the limit allows, and the bytes that had arrived by then.
    pub(crate) reached: Option<(Instant, u64)>,
}

impl Arrivals {
    /// Of a stream of so many bytes, and with a limit in bytes a second.
    pub(crate) fn new(bytes: u64, rtt: Duration, limit: f64) -> Self {
        let reached_at = limit * rtt.as_nanos() as f64 / 1e9 * REACHED;
        Self { half: bytes / 2, rtt, reached_at, ..Self::default() }
    }

    /// A packet of the data direction arrives.
    pub(crate) fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        let header = usize::from(packet[0] & 0x0f) * 4;
        let end = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        let segment = &packet[header..end];
        let seq = u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]);
        let is_syn = segment[13] & 0x02 != 0;
        let len = segment.len() - usize::from(segment[12] >> 4) * 4;
        if is_syn {
            self.first.get_or_insert(seq.wrapping_add(1));
        }
        let (Some(first), true) = (self.first, len > 0) else { return };
        let from = u64::from(seq.wrapping_sub(first));
        let fresh = self.insert(from, from + len as u64);
        self.fresh += fresh;
        self.again += len as u64 - fresh;
        if from >= self.half {
            self.again_late += len as u64 - fresh;
        }
        self.note(now, fresh);
    }

    /// Adds a range; says how much of it is new.
    fn insert(&mut self, from: u64, to: u64) -> u64 {
        if to <= self.edge {
            return 0;
        }
        let mut fresh = 0;
        let mut at = from.max(self.edge);
        let start = at;
        let mut end = to;
        // The pieces that touch the range become one with it.
        let before = self.pieces.range(..=at).next_back().filter(|&(_, &to)| to >= at).map(|(&from, _)| from);
        let touched: Vec<u64> =
            before.into_iter().chain(self.pieces.range(at + 1..=to).map(|(&from, _)| from)).collect();
        let mut lowest = start;
        for piece in touched {
            let piece_end = self.pieces.remove(&piece).expect("it was just found");
            lowest = lowest.min(piece);
            fresh += piece.saturating_sub(at).min(to.saturating_sub(at));
            at = at.max(piece_end);
            end = end.max(piece_end);
        }
        fresh += to.saturating_sub(at);
        if lowest <= self.edge {
            self.edge = end;
        } else {
            self.pieces.insert(lowest, end);
        }
        fresh
    }

    fn note(&mut self, now: Instant, fresh: u64) {
        if self.reached.is_some() {
            return;
        }
        self.recent.push_back((now, fresh));
        self.recent_bytes += fresh;
        while let Some(&(at, bytes)) = self.recent.front()
            && now.since(at) >= self.rtt
        {
            self.recent.pop_front();
            self.recent_bytes -= bytes;
        }
        if self.recent_bytes as f64 >= self.reached_at {
            self.reached = Some((now, self.fresh));
        }
    }
}

#[test]
fn bytes_that_arrive_twice_are_told_from_new_ones() {
    let mut arrivals = Arrivals::new(1000, Duration::from_millis(100), 1.0);
    assert_eq!(arrivals.insert(0, 10), 10);
    assert_eq!(arrivals.insert(20, 30), 10);
    assert_eq!(arrivals.insert(40, 50), 10);
    assert_eq!(arrivals.insert(20, 30), 0);
    assert_eq!(arrivals.insert(15, 45), 15);
    assert_eq!(arrivals.insert(5, 16), 5);
    assert_eq!((arrivals.edge, arrivals.pieces.len()), (50, 0));
    assert_eq!(arrivals.insert(0, 60), 10);
}
