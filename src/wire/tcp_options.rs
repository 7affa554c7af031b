//! TCP options: RFC 9293 3.2 (MSS), RFC 7323 (window scale, timestamps), RFC 2018 (SACK).

use super::seq::SeqNum;
use super::{be16, be32};
use crate::drops::Drop;

/// The largest options area of a segment.
pub const MAX_LEN: usize = 40;

/// The options of one segment. Unknown ones are skipped (RFC 9293 MUST-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Maximum segment size, SYN only.
    pub mss: Option<u16>,
    /// Window scale shift, SYN only. As sent: RFC 7323 2.3 asks the receiver to cap it at 14.
    pub window_scale: Option<u8>,
    /// SACK is permitted, SYN only.
    pub sack_permitted: bool,
    /// Blocks of data that arrived out of order.
    pub sack: SackBlocks,
    /// Timestamp value and echo reply.
    pub timestamps: Option<(u32, u32)>,
}

/// Up to four blocks `left..right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SackBlocks {
    blocks: [(SeqNum, SeqNum); 4],
    len: u8,
}

impl SackBlocks {
    /// The blocks, in the order of the option.
    pub fn as_slice(&self) -> &[(SeqNum, SeqNum)] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Adds a block; a fifth one is not taken.
    pub fn push(&mut self, left: SeqNum, right: SeqNum) {
        if let Some(slot) = self.blocks.get_mut(usize::from(self.len)) {
            *slot = (left, right);
            self.len += 1;
        }
    }
}

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

impl Options {
    /// The options in the area between header and payload.
    ///
    /// # Errors
    /// [`Drop::TcpBadOptions`] for a length that cannot be (RFC 9293 MUST-7).
    pub fn parse(mut area: &[u8]) -> Result<Self, Drop> {
        let mut options = Self::default();
        while let [kind, rest @ ..] = area {
            match *kind {
                END => break,
                NOP => area = rest,
                kind => {
                    let len = usize::from(*rest.first().ok_or(Drop::TcpBadOptions)?);
                    let option = area.get(..len).filter(|o| o.len() >= 2).ok_or(Drop::TcpBadOptions)?;
                    options.read(kind, &option[2..])?;
                    area = &area[len..];
                }
            }
        }
        Ok(options)
    }

    fn read(&mut self, kind: u8, data: &[u8]) -> Result<(), Drop> {
        match (kind, data.len()) {
            (MSS, 2) => self.mss = Some(be16(data, 0)),
            (WINDOW_SCALE, 1) => self.window_scale = Some(data[0]),
            (SACK_PERMITTED, 0) => self.sack_permitted = true,
            (TIMESTAMPS, 8) => self.timestamps = Some((be32(data, 0), be32(data, 4))),
            (SACK, 8 | 16 | 24 | 32) => {
                self.sack = SackBlocks::default();
                for block in data.chunks_exact(8) {
                    self.sack.push(SeqNum(be32(block, 0)), SeqNum(be32(block, 4)));
                }
            }
            (MSS | WINDOW_SCALE | SACK_PERMITTED | TIMESTAMPS | SACK, _) => return Err(Drop::TcpBadOptions),
            _ => {}
        }
        Ok(())
    }

    /// Bytes of the area that [`emit`](Self::emit) fills: a multiple of 4, at most [`MAX_LEN`].
    pub fn len(&self) -> usize {
        let sack = self.fitting_sack_blocks();
        self.fixed_len() + if sack == 0 { 0 } else { 4 + 8 * sack }
    }

    /// There is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the options area. Layout as Linux has it: every option on a 4-byte boundary by NOPs before it, for which
    /// SACK-permitted stands before timestamps. SACK blocks that do not fit are left out, from the last.
    pub fn emit(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.len(), "the buffer has the size that len() told");
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        if let Some(mss) = self.mss {
            put(&[MSS, 4]);
            put(&mss.to_be_bytes());
        }
        match (self.sack_permitted, self.timestamps) {
            (true, None) => put(&[NOP, NOP, SACK_PERMITTED, 2]),
            (true, Some(_)) => put(&[SACK_PERMITTED, 2]),
            (false, Some(_)) => put(&[NOP, NOP]),
            (false, None) => {}
        }
        if let Some((value, echo)) = self.timestamps {
            put(&[TIMESTAMPS, 10]);
            put(&value.to_be_bytes());
            put(&echo.to_be_bytes());
        }
        if let Some(shift) = self.window_scale {
            put(&[NOP, WINDOW_SCALE, 3, shift]);
        }
        let blocks = &self.sack.as_slice()[..self.fitting_sack_blocks()];
        if !blocks.is_empty() {
            put(&[NOP, NOP, SACK, 2 + 8 * blocks.len() as u8]);
            for (left, right) in blocks {
                put(&left.0.to_be_bytes());
                put(&right.0.to_be_bytes());
            }
        }
    }

    fn fixed_len(&self) -> usize {
        4 * usize::from(self.mss.is_some())
            + 12 * usize::from(self.timestamps.is_some())
            + 4 * usize::from(self.window_scale.is_some())
            + 4 * usize::from(self.sack_permitted && self.timestamps.is_none())
    }

    fn fitting_sack_blocks(&self) -> usize {
        let room = MAX_LEN - self.fixed_len();
        self.sack.as_slice().len().min(room.saturating_sub(4) / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn emitted(options: &Options) -> Vec<u8> {
        let mut out = vec![0; options.len()];
        options.emit(&mut out);
        out
    }

    #[test]
    fn unknown_options_are_skipped_and_impossible_lengths_refused() {
        let parsed = Options::parse(&[254, 4, 1, 2, 1, 2, 4, 5, 0xb4, 0, 99, 99]).unwrap();
        assert_eq!(parsed.mss, Some(1460));
        for bad in [&[2u8][..], &[2, 0], &[2, 1], &[254, 1, 0], &[2, 4, 5], &[3, 4, 0, 0], &[5, 9], &[8, 2]] {
            assert_eq!(Options::parse(bad), Err(Drop::TcpBadOptions), "{bad:?}");
        }
    }

    #[test]
    fn sack_gives_way_to_timestamps() {
        let mut options = Options { timestamps: Some((1, 2)), ..Options::default() };
        (0..4).for_each(|i| options.sack.push(SeqNum(i * 10), SeqNum(i * 10 + 5)));
        assert_eq!(options.len(), 40);
        assert_eq!(Options::parse(&emitted(&options)).unwrap().sack.as_slice().len(), 3);
    }

    proptest! {
        #[test]
        fn emit_then_parse_gives_the_same(
            mss: Option<u16>, window_scale: Option<u8>, sack_permitted: bool,
            timestamps: Option<(u32, u32)>, blocks in proptest::collection::vec(any::<(u32, u32)>(), 0..=2),
        ) {
            let mut options = Options { mss, window_scale, sack_permitted, timestamps, ..Options::default() };
            for (l, r) in &blocks[..blocks.len().min((40 - options.len()).saturating_sub(4) / 8)] {
                options.sack.push(SeqNum(*l), SeqNum(*r));
            }
            prop_assert_eq!(options.len() % 4, 0);
            prop_assert_eq!(Options::parse(&emitted(&options)), Ok(options));
        }

        #[test]
        fn any_bytes_are_survived(area in proptest::collection::vec(any::<u8>(), 0..=40)) {
            let _ = Options::parse(&area);
        }
    }
}
