//! What arrived out of order: pieces that wait for the bytes before them (RFC 9293 3.10.7.4, SHLD-31).
//!
//! Pieces that touch form a run; runs neither overlap nor touch, and each is a block of SACK. What came first stays.
//! Each piece is copied into memory of its own size, since it may have to wait. Positions count from the beginning of
//! the stream and so never wrap.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::limits;

/// What a piece costs besides its bytes: its place in the run, and what the allocator adds.
const PIECE_BYTES: usize = 64;
/// What a run costs: its place in the tree, and room for four pieces.
const RUN_BYTES: usize = 256;

/// The runs, by where they begin.
#[derive(Debug, Default)]
pub struct Assembler {
    runs: BTreeMap<u64, Run>,
    pieces: usize,
    len: usize,
}

#[derive(Debug, Default)]
struct Run {
    end: u64,
    pieces: VecDeque<Bytes>,
}

/// There is no room for another piece.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Assembler {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that they take up: a byte alone behind a gap takes hundreds.
    pub fn memory(&self) -> usize {
        self.len + self.pieces * PIECE_BYTES + self.runs.len() * RUN_BYTES
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run that holds the byte at `position`.
    pub fn run_at(&self, position: u64) -> Option<(u64, u64)> {
        let (&start, run) = self.runs.range(..=position).next_back()?;
        (position < run.end).then_some((start, run.end))
    }

    /// The first part of `start..end` that is here.
    pub fn first_overlap(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let behind = || self.runs.range(start..end).next().map(|(&begin, run)| (begin, run.end));
        let (begin, run_end) = self.run_at(start).or_else(behind)?;
        Some((begin.max(start), run_end.min(end)))
    }

    /// Takes what of `bytes`, which begin at `start`, is not here yet.
    ///
    /// # Errors
    /// [`Full`] when a piece could not be taken; the peer will send it again.
    pub fn insert(&mut self, start: u64, bytes: &[u8]) -> Result<(), Full> {
        let end = start + bytes.len() as u64;
        // The run that begins before us may reach us; otherwise ours is a new one.
        let reaching = self.runs.range(..=start).next_back().filter(|(_, run)| run.end >= start);
        let (key, mut at) = reaching.map_or((start, start), |(&key, run)| (key, run.end));
        let mut run = self.runs.remove(&key).unwrap_or(Run { end: start, pieces: VecDeque::new() });
        let mut result = Ok(());
        while at < end {
            let next = self.runs.range(at..=end).next().map(|(&next, _)| next);
            let gap_end = next.unwrap_or(end);
            if at < gap_end {
                if self.pieces >= limits::OUT_OF_ORDER_PIECES {
                    result = Err(Full);
                    break;
                }
                let gap = &bytes[(at - start) as usize..(gap_end - start) as usize];
                run.pieces.push_back(Bytes::copy_from_slice(gap));
                run.end = gap_end;
                self.pieces += 1;
                self.len += gap.len();
            }
            if let Some(mut next) = next.and_then(|next| self.runs.remove(&next)) {
                run.pieces.append(&mut next.pieces);
                run.end = next.end;
            }
            at = run.end;
        }
        if !run.pieces.is_empty() {
            self.runs.insert(key, run);
        }
        result
    }

    /// Takes the piece that continues the stream at `position`, if it is here. What lies before is forgotten.
    pub fn pop(&mut self, position: u64) -> Option<Bytes> {
        while let Some((&start, _)) = self.runs.first_key_value() {
            if start > position {
                return None;
            }
            let mut run = self.runs.remove(&start)?;
            let piece = run.pieces.pop_front().expect("a run holds a piece");
            self.pieces -= 1;
            self.len -= piece.len();
            if !run.pieces.is_empty() {
                self.runs.insert(start + piece.len() as u64, run);
            }
            let skip = (position - start) as usize;
            if skip < piece.len() {
                return Some(piece.slice(skip..));
            }
        }
        None
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_came_first_stays() {
        let mut a = Assembler::default();
        a.insert(10, b"AAAA").unwrap();
        a.insert(8, b"bbbbbbbb").unwrap();
        assert_eq!((a.pop(7), a.len()), (None, 8));
        assert_eq!(a.pop(8).unwrap(), "bb");
        assert_eq!(a.pop(10).unwrap(), "AAAA");
        assert_eq!(a.pop(15).unwrap(), "b", "what lies before the position is skipped");
        assert!(a.is_empty());
        assert_eq!(a.len, 0);
    }

    #[test]
    fn pieces_are_bounded() {
        let mut a = Assembler::default();
        for n in 0..limits::OUT_OF_ORDER_PIECES as u64 {
            a.insert(n * 2, b"x").unwrap();
        }
        assert_eq!(a.insert(1, b"y"), Err(Full));
        assert_eq!((a.insert(0, b"x"), a.insert(2, b"x")), (Ok(()), Ok(())), "what is here needs no room");
    }

    #[test]
    fn pieces_that_touch_are_one_run() {
        let mut a = Assembler::default();
        for start in [10, 30, 20, 14] {
            a.insert(start, b"aaaa").unwrap();
        }
        let runs = |a: &Assembler| [10, 17, 18, 20, 23, 30].map(|at| a.run_at(at));
        let (first, second, third) = (Some((10, 18)), Some((20, 24)), Some((30, 34)));
        assert_eq!(runs(&a), [first, first, None, second, second, third]);
        a.insert(18, b"bbbbbbbbbbbb").unwrap();
        assert_eq!(a.run_at(10), Some((10, 34)));
        let overlaps =
            [(5, 10), (5, 12), (15, 20), (30, 50), (34, 40)].map(|(from, to)| a.first_overlap(from, to));
        assert_eq!(overlaps, [None, Some((10, 12)), Some((15, 20)), Some((30, 34)), None]);
        assert_eq!(a.pop(10).unwrap(), "aaaa");
        assert_eq!(a.run_at(14), Some((14, 34)));
    }

    proptest! {
        #[test]
        fn any_order_and_overlap_gives_the_stream(
            pieces in proptest::collection::vec((0usize..300, 1usize..80), 1..60),
        ) {
            let stream: Vec<u8> = (0..400).map(|i| (i * 7) as u8).collect();
            let mut a = Assembler::default();
            let (mut at, mut out) = (0usize, Vec::new());
            for (start, len) in pieces {
                let end = (start + len).min(stream.len());
                if end > at {
                    let from = start.max(at);
                    a.insert(from as u64, &stream[from..end]).unwrap();
                }
                while let Some(piece) = a.pop(at as u64) {
                    at += piece.len();
                    out.extend(piece);
                }
                let pieces = || a.runs.values().flat_map(|run| &run.pieces);
                prop_assert_eq!((a.len(), a.pieces), (pieces().map(Bytes::len).sum(), pieces().count()));
                let spans: Vec<_> = a.runs.iter().map(|(start, run)| (*start, run.end)).collect();
                prop_assert!(spans.windows(2).all(|w| w[0].1 < w[1].0), "{spans:?}");
            }
            prop_assert_eq!(&out[..], &stream[..at]);
        }
    }
}
