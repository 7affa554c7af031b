//! What arrived out of order: pieces that wait for the bytes before them (RFC 9293 3.10.7.4, SHLD-31).
//!
//! Pieces do not overlap; what came first stays. Each is copied into memory of its own size, since it may have
//! to wait. Positions count from the beginning of the stream and so never wrap.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::limits;

/// The pieces, by where they begin.
#[derive(Debug, Default)]
pub struct Assembler {
    pieces: BTreeMap<u64, Bytes>,
    len: usize,
}

/// There is no room for another piece.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Assembler {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes what of `bytes`, which begin at `start`, is not here yet.
    ///
    /// # Errors
    /// [`Full`] when a piece could not be taken; the peer will send it again.
    pub fn insert(&mut self, start: u64, bytes: &[u8]) -> Result<(), Full> {
        let end = start + bytes.len() as u64;
        let mut at = start;
        // The piece that begins before us may reach into us.
        if let Some((&first, piece)) = self.pieces.range(..=start).next_back() {
            at = at.max(first + piece.len() as u64);
        }
        while at < end {
            let next = self.pieces.range(at..end).next().map(|(&first, piece)| (first, piece.len() as u64));
            let gap_end = next.map_or(end, |(first, _)| first);
            if at < gap_end {
                if self.pieces.len() >= limits::OUT_OF_ORDER_PIECES {
                    return Err(Full);
                }
                let gap = &bytes[(at - start) as usize..(gap_end - start) as usize];
                self.pieces.insert(at, Bytes::copy_from_slice(gap));
                self.len += gap.len();
            }
            at = next.map_or(end, |(first, len)| first + len);
        }
        Ok(())
    }

    /// Takes the piece that continues the stream at `position`, if it is here. What lies before is forgotten.
    pub fn pop(&mut self, position: u64) -> Option<Bytes> {
        while let Some(entry) = self.pieces.first_entry() {
            let (start, len) = (*entry.key(), entry.get().len());
            if start > position {
                return None;
            }
            let piece = entry.remove();
            self.len -= len;
            let skip = (position - start) as usize;
            if skip < len {
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
                prop_assert_eq!(a.len(), a.pieces.values().map(Bytes::len).sum::<usize>());
            }
            prop_assert_eq!(&out[..], &stream[..at]);
        }
    }
}
