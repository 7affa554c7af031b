//! Frames as a pcapng: draft-ietf-opsawg-pcapng, section header, interface description, enhanced packets, and
//! interface statistics where frames were lost to the capture.
//!
//! The blocks are written here, and not by a crate, because they go into one buffer that is handed over whole:
//! recording a frame allocates nothing. Whoever takes the buffer too slowly loses frames, which are counted.

use super::headers;
use crate::frame::{Frame, Medium, Properties};

/// Bytes that wait to be taken; frames beyond are lost to the capture.
const WAITING: usize = 1 << 20;

/// How much of a frame is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Headers up to that of TCP, and no body.
    Headers,
    /// All of it, bodies and credentials included.
    All,
}

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In = 1,
    Out = 2,
}

/// Writes blocks into a buffer until that is taken.
#[derive(Debug)]
pub struct Recorder {
    medium: Medium,
    keep: Keep,
    out: Vec<u8>,
    frames: u64,
    lost: u64,
    lost_told: u64,
}

impl Recorder {
    /// A recorder whose buffer begins with the header of a file.
    pub fn new(properties: Properties, interface: &str, keep: Keep) -> Self {
        let mut out = Vec::with_capacity(64 << 10);
        // The length of the section is not known, which is -1.
        let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &(-1i64).to_le_bytes()].concat();
        let program = concat!("taphouse ", env!("CARGO_PKG_VERSION"));
        block(&mut out, 0x0a0d_0d0a, &[&section], &[(4, program.as_bytes())]);
        let (link_type, fcs) = match properties.medium {
            Medium::Ethernet { fcs } => (1u16, fcs),
            Medium::Ip => (228, false),
        };
        let description = [&link_type.to_le_bytes()[..], &[0; 6]].concat();
        // Times in nanoseconds; and the bytes of the FCS, or none.
        let options: [(u16, &[u8]); 3] =
            [(2, interface.as_bytes()), (9, &[9]), (13, &[if fcs { 4 } else { 0 }])];
        block(&mut out, 1, &[&description], &options);
        Self { medium: properties.medium, keep, out, frames: 0, lost: 0, lost_told: 0 }
    }

    /// Records a frame that arrived.
    pub(super) fn handle_received(&mut self, wall: u64, frame: &[u8]) {
        let kept = match self.keep {
            Keep::Headers => headers::len(self.medium, frame, false),
            Keep::All => frame.len(),
        };
        self.packet(wall, Direction::In, std::iter::once(&frame[..kept]), kept, frame.len());
    }

    /// Records a frame that left.
    pub(super) fn handle_sent(&mut self, wall: u64, frame: &Frame) {
        // Whatever the stack sends has its headers in the head, and in the first slice if it is no TCP.
        let mut first = [0; headers::MOST];
        let parts = std::iter::once(frame.head()).chain(frame.payload().iter().map(|slice| &slice[..]));
        if self.keep == Keep::All {
            return self.packet(wall, Direction::Out, parts, frame.len(), frame.len());
        }
        let mut filled = 0;
        for part in parts {
            let len = part.len().min(first.len() - filled);
            first[filled..filled + len].copy_from_slice(&part[..len]);
            filled += len;
        }
        let kept = headers::len(self.medium, &first[..filled], true);
        self.packet(wall, Direction::Out, std::iter::once(&first[..kept]), kept, frame.len());
    }

    /// Takes what was written. A capture that ends here is a whole file.
    pub fn take(&mut self, wall: u64) -> Option<Vec<u8>> {
        if self.lost > self.lost_told {
            self.lost_told = self.lost;
            let head = [&0u32.to_le_bytes()[..], &halves(wall)].concat();
            let counters = [(4, &self.frames.to_le_bytes()[..]), (5, &self.lost.to_le_bytes()[..])];
            block(&mut self.out, 5, &[&head], &counters);
        }
        (!self.out.is_empty()).then(|| std::mem::replace(&mut self.out, Vec::with_capacity(64 << 10)))
    }

    /// Bytes that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    fn packet<'a>(
        &mut self,
        wall: u64,
        direction: Direction,
        parts: impl Iterator<Item = &'a [u8]>,
        kept: usize,
        original: usize,
    ) {
        self.frames += 1;
        if self.out.len() + kept > WAITING {
            self.lost += 1;
            return;
        }
        let mut head = [0; 20];
        head[4..12].copy_from_slice(&halves(wall));
        head[12..16].copy_from_slice(&(kept as u32).to_le_bytes());
        head[16..].copy_from_slice(&(original as u32).to_le_bytes());
        let total = 12 + head.len() + kept.next_multiple_of(4) + 12;
        let out = &mut self.out;
        out.extend(6u32.to_le_bytes());
        out.extend((total as u32).to_le_bytes());
        out.extend(head);
        parts.for_each(|part| out.extend_from_slice(part));
        out.resize(out.len() + kept.next_multiple_of(4) - kept, 0);
        // epb_flags, and the end of the options.
        out.extend([2, 0, 4, 0, direction as u8, 0, 0, 0, 0, 0, 0, 0]);
        out.extend((total as u32).to_le_bytes());
    }
}

/// A time as the format has it: its upper half first.
fn halves(wall: u64) -> [u8; 8] {
    let mut out = [0; 8];
    out[..4].copy_from_slice(&((wall >> 32) as u32).to_le_bytes());
    out[4..].copy_from_slice(&(wall as u32).to_le_bytes());
    out
}

fn block(out: &mut Vec<u8>, kind: u32, body: &[&[u8]], options: &[(u16, &[u8])]) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body.iter().for_each(|part| out.extend_from_slice(part));
    for (code, value) in options {
        out.extend(code.to_le_bytes());
        out.extend((value.len() as u16).to_le_bytes());
        out.extend_from_slice(value);
        out.resize((out.len() - start).next_multiple_of(4) + start, 0);
    }
    out.extend([0; 4]);
    let total = (out.len() - start + 4) as u32;
    out[start + 4..start + 8].copy_from_slice(&total.to_le_bytes());
    out.extend(total.to_le_bytes());
}
