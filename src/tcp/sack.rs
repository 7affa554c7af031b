//! Which blocks of SACK an ACK carries: RFC 2018 4, and of what came twice, RFC 2883 4.
//!
//! The first block holds what came last, so that each block is told at least three times, lest ACKs be lost.

use super::assembler::Assembler;
use crate::fault::{self, Fault};
use crate::wire::seq::SeqNum;
use crate::wire::tcp_options::SackBlocks;

/// Blocks that an option has room for; one fewer beside timestamps.
const BLOCKS: usize = 4;

/// What the next ACK says.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    /// Positions within the runs that were reported last, the latest first. A run may be named twice, or be gone.
    recent: [u64; BLOCKS],
    /// What came although it was here.
    duplicate: Option<(SeqNum, SeqNum)>,
}

impl Reported {
    /// Nothing is left to be told, if nothing waits behind a gap.
    pub(super) fn is_resting(&self) -> bool {
        self.duplicate.is_none()
    }

    /// A segment came that begins at `position`, behind a gap, and stands in a run now.
    pub fn handle_arrival(&mut self, position: u64, assembler: &Assembler) {
        let run = assembler.run_at(position);
        let same = self.recent.iter().position(|&other| assembler.run_at(other) == run);
        self.recent[..=same.unwrap_or(BLOCKS - 1)].rotate_right(1);
        self.recent[0] = position;
    }

    /// `left..right` was here when it came.
    pub fn handle_duplicate(&mut self, left: SeqNum, right: SeqNum) {
        self.duplicate = Some((left, right));
    }

    /// Bytes that the option will take up, beside timestamps or not.
    pub fn option_len(&self, assembler: &Assembler, has_timestamps: bool) -> usize {
        if self.duplicate.is_none() && assembler.is_empty() {
            return 0;
        }
        let (_, count) = self.runs(assembler);
        match (count + usize::from(self.duplicate.is_some())).min(room(has_timestamps)) {
            0 => 0,
            blocks => 4 + 8 * blocks,
        }
    }

    /// The blocks. What the RFC calls RCV.NXT has the sequence number and the position of `origin`.
    pub fn blocks(
        &mut self,
        assembler: &Assembler,
        (nxt, received): (SeqNum, u64),
        has_timestamps: bool,
    ) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        let has_none = self.duplicate.is_none() && assembler.is_empty();
        if has_none || fault::is(Fault::NoSack) {
            return blocks;
        }
        if let Some((left, right)) = self.duplicate.take() {
            blocks.push(left, right);
        }
        let seq = |position: u64| nxt + (position - received) as u32;
        let (runs, count) = self.runs(assembler);
        for &(start, end) in &runs[..count] {
            if blocks.as_slice().len() < room(has_timestamps) {
                blocks.push(seq(start), seq(end));
            }
        }
        blocks
    }

    /// The runs to tell of, each once, and how many they are.
    fn runs(&self, assembler: &Assembler) -> ([(u64, u64); BLOCKS], usize) {
        let (mut runs, mut count) = ([(0, 0); BLOCKS], 0);
        for position in self.recent {
            if let Some(run) = assembler.run_at(position)
                && !runs[..count].contains(&run)
            {
                runs[count] = run;
                count += 1;
            }
        }
        (runs, count)
    }
}

const fn room(has_timestamps: bool) -> usize {
    if has_timestamps { BLOCKS - 1 } else { BLOCKS }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2018 7: segments of 500 bytes; the first at 5000, and some of them are lost.
    fn told(arriving: &[u32]) -> Vec<(u32, u32)> {
        let (mut reported, mut assembler) = (Reported::default(), Assembler::default());
        for &seq in arriving {
            let position = u64::from(seq - 5000);
            if let Some((_, _)) = assembler.run_at(position) {
                reported.handle_duplicate(SeqNum(seq), SeqNum(seq + 500));
            }
            assembler.insert(position, &[0; 500]).unwrap();
            reported.handle_arrival(position, &assembler);
        }
        let expected = reported.option_len(&assembler, true);
        let blocks = reported.blocks(&assembler, (SeqNum(5000), 0), true);
        assert_eq!(expected, if blocks.as_slice().is_empty() { 0 } else { 4 + 8 * blocks.as_slice().len() });
        blocks.as_slice().iter().map(|(left, right)| (left.0, right.0)).collect()
    }

    #[test]
    fn the_examples_of_rfc_2018() {
        assert_eq!(told(&[5500, 6000, 6500]), [(5500, 7000)], "case 2");
        assert_eq!(told(&[5500, 6500, 7500, 8500]), [(8500, 9000), (7500, 8000), (6500, 7000)], "case 3");
        assert_eq!(
            told(&[6500, 8500, 9000, 9500]),
            [(8500, 10_000), (6500, 7000)],
            "the older one is told again"
        );
        assert_eq!(told(&[6500, 7500, 8500, 7000]), [(6500, 8000), (8500, 9000)], "one run of two");
    }

    #[test]
    fn what_came_twice_stands_before_the_run_that_holds_it() {
        // RFC 2883 4.2, the first example.
        assert_eq!(told(&[5500, 6000, 6000]), [(6000, 6500), (5500, 6500)]);
    }
}
