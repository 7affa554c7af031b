//! What both sides of every connection did, seen from above: the truth that the stacks are judged by.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use super::plan::Plan;

/// All connections of a run.
pub(crate) struct Ledger {
    pub(crate) entries: Vec<Entry>,
    by_port: BTreeMap<(usize, u16), usize>,
    stream: Bytes,
    /// The faults are over.
    pub(crate) is_healed: bool,
}

pub(crate) type Shared = Rc<RefCell<Ledger>>;

/// One connection.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The opener, and the acceptor.
    pub(crate) sides: [Side; 2],
    /// Both sides mean to read to the end.
    pub(crate) is_polite: bool,
}

/// One side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) has_begun: bool,
    /// Bytes that the stack took from the application.
    pub(crate) written: u64,
    /// The application said that it is through.
    pub(crate) is_shut: bool,
    /// Bytes that the stack gave to the application.
    pub(crate) read: u64,
    pub(crate) outcome: Option<Outcome>,
}

/// How one side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Read to the end, and wrote all that it had.
    Complete,
    /// It left on its own account.
    Left,
    /// The stack told it that the connection is over.
    Failed,
    /// There never was a connection.
    Unopened,
}

/// The stream repeats after so many bytes: a prime, so that no buffer or segment size divides it.
const PERIOD: u64 = 65_521;

impl Ledger {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut state = 1u32;
        let stream = (0..3 * PERIOD).map(|i| {
            if i >= PERIOD {
                return 0;
            }
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let mut stream: Vec<u8> = stream.collect();
        stream.copy_within(..PERIOD as usize, PERIOD as usize);
        stream.copy_within(..PERIOD as usize, 2 * PERIOD as usize);
        let entries = plan.connections.iter().map(|c| Entry {
            sides: Default::default(),
            is_polite: !plan.is_crowded() && c.scripts.iter().all(|s| s.ending.is_polite()),
        });
        let by_port = plan.connections.iter().enumerate().map(|(n, c)| ((c.opener, c.opener_port), n));
        Self {
            entries: entries.collect(),
            by_port: by_port.collect(),
            stream: stream.into(),
            is_healed: false,
        }
    }

    /// The connection that this host opened from this port.
    pub(crate) fn number(&self, opener: usize, port: u16) -> Option<usize> {
        self.by_port.get(&(opener, port)).copied()
    }

    /// Up to `len` bytes of what a side writes, from `position` on.
    pub(crate) fn bytes(&self, number: usize, side: usize, position: u64, len: usize) -> Bytes {
        let start = ((number * 2 + side) as u64 * 7919 + position) % PERIOD;
        let start = start as usize;
        let end = (start + len).min(self.stream.len());
        self.stream.slice(start..end)
    }

    /// These bytes are what the side wrote at that position.
    pub(crate) fn is_right(&self, number: usize, side: usize, mut position: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let expected = self.bytes(number, side, position, bytes.len());
            let (now, later) = bytes.split_at(expected.len());
            if now != &expected[..] {
                return false;
            }
            position += now.len() as u64;
            bytes = later;
        }
        true
    }

    /// The other side has gone and cannot be waited for.
    pub(crate) fn is_abandoned(&self, number: usize, side: usize) -> bool {
        let other = &self.entries[number].sides[1 - side];
        matches!(other.outcome, Some(Outcome::Left | Outcome::Failed | Outcome::Unopened))
    }

    /// Everybody who began has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.entries.iter().flat_map(|e| &e.sides).all(|s| !s.has_begun || s.outcome.is_some())
    }

    /// What must hold when a run is over.
    pub(crate) fn check_end(&self) {
        for (number, entry) in self.entries.iter().enumerate() {
            let [opener, acceptor] = &entry.sides;
            if opener.outcome == Some(Outcome::Unopened) || !entry.is_polite {
                continue;
            }
            for side in [opener, acceptor] {
                assert_eq!(side.outcome, Some(Outcome::Complete), "connection {number} completes: {entry:?}");
            }
            assert_eq!(
                (opener.written, acceptor.written),
                (acceptor.read, opener.read),
                "connection {number}"
            );
        }
    }
}
