//! What the stack and a link tell each other: what frames look like, and a frame on its way out, with its headers in
//! place and its payload as slices of shared buffers, joined only by the link.
//!
//! ```text
//! [ head: Ethernet + IPv4 + TCP, written here | payload: slices of what the application queued ]
//! ```
//!
//! The payload may be longer than one segment where the link cuts it itself: `segment_size` says how.

use bytes::Bytes;

use crate::wire::ethernet;
use crate::wire::ipv4;
use crate::wire::tcp;

/// Bytes of the longest head: Ethernet, IPv4 without options, TCP with all options.
pub const MAX_HEAD: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + tcp::MAX_HEADER_LEN;

/// What frames of a link look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Ethernet II.
    Ethernet {
        /// Frames end in a frame check sequence.
        fcs: bool,
    },
    /// Bare IPv4 packets: no addresses of stations, no ARP.
    Ip,
}

/// What a link can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// What frames look like.
    pub medium: Medium,
    /// Bytes of the largest IP packet.
    pub mtu: usize,
}

/// A frame to send. Reused from one to the next, so that a warm one allocates nothing.
#[derive(Clone, Debug)]
pub struct Frame {
    head: [u8; MAX_HEAD],
    head_len: usize,
    payload: Vec<Bytes>,
    /// Payload bytes of each segment into which the link cuts the frame; 0 when it is one segment already.
    pub segment_size: u16,
}

impl Default for Frame {
    fn default() -> Self {
        Self { head: [0; MAX_HEAD], head_len: 0, payload: Vec::new(), segment_size: 0 }
    }
}

impl Frame {
    /// Empties the frame.
    pub fn clear(&mut self) {
        self.head_len = 0;
        self.payload.clear();
        self.segment_size = 0;
    }

    /// The headers.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }

    /// The headers, to be filled in.
    pub fn head_mut(&mut self) -> &mut [u8] {
        &mut self.head[..self.head_len]
    }

    /// Room for one more header, at the end of the head.
    pub fn grow_head(&mut self, len: usize) -> &mut [u8] {
        let start = self.head_len;
        self.head_len += len;
        &mut self.head[start..self.head_len]
    }

    /// The slices of the payload.
    pub fn payload(&self) -> &[Bytes] {
        &self.payload
    }

    /// The slices of the payload, to be added to.
    pub fn payload_mut(&mut self) -> &mut Vec<Bytes> {
        &mut self.payload
    }

    /// Adds a slice to the payload.
    pub fn push_payload(&mut self, slice: Bytes) {
        self.payload.push(slice);
    }

    /// Bytes of the payload.
    pub fn payload_len(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }

    /// Bytes of the whole frame.
    pub fn len(&self) -> usize {
        self.head_len + self.payload_len()
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the whole frame to `out`: the one copy on a link that wants it in one piece.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head());
        self.payload.iter().for_each(|slice| out.extend_from_slice(slice));
    }

    /// The whole frame in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        self.write_to(&mut out);
        out
    }
}
