//! TCP headers: RFC 9293 3.1.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::BitOr;

use super::checksum::Sum;
use super::ipv4::protocol;
use super::seq::SeqNum;
use super::tcp_options::Options;
use super::{be16, be32};
use crate::drops::Drop;
use crate::fault::{self, Fault};

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Bytes of the largest header.
pub const MAX_HEADER_LEN: usize = 60;

/// The control bits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment field is significant.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x20);
    /// ECN-Echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Any of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = b"FSRPAUEC".iter().enumerate().filter(|(i, _)| self.0 & 1 << i != 0);
        letters.map(|(_, &c)| c as char).try_for_each(|c| write!(f, "{c}"))
    }
}

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first byte, or of the SYN.
    pub seq: SeqNum,
    /// The next sequence number that the sender of this expects; significant with ACK.
    pub ack: SeqNum,
    /// Control bits.
    pub flags: Flags,
    /// Window, not yet scaled.
    pub window: u16,
    /// Urgent pointer; significant with URG.
    pub urgent: u16,
}

/// A segment as it arrived, without its payload's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The fixed header.
    pub header: Header,
    /// The options.
    pub options: Options,
    /// Bytes of header and options: where the payload begins.
    pub header_len: usize,
}

impl Segment {
    /// The segment in an IPv4 payload. The checksum comes first, so that damage on the way is called by its
    /// name and not by the field that it hit.
    ///
    /// # Errors
    /// The parsing values `Tcp…` of [`Drop`].
    pub fn parse(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Result<Self, Drop> {
        if bytes.len() < HEADER_LEN {
            return Err(Drop::TcpTruncated);
        }
        let sum = Sum::pseudo_header(src, dst, protocol::TCP, bytes.len()).with(bytes).finish();
        if sum != 0 && !fault::is(Fault::TcpChecksumUnchecked) {
            return Err(Drop::TcpBadChecksum);
        }
        let header_len = usize::from(bytes[12] >> 4) * 4;
        if !(HEADER_LEN..=bytes.len()).contains(&header_len) {
            return Err(Drop::TcpBadOffset);
        }
        let options = match &bytes[HEADER_LEN..header_len] {
            [] => Options::default(),
            area => Options::parse(area)?,
        };
        let header = Header::read(bytes);
        if header.src_port == 0 || header.dst_port == 0 {
            return Err(Drop::TcpPortZero);
        }
        Ok(Self { header, options, header_len })
    }
}

impl Header {
    fn read(bytes: &[u8]) -> Self {
        Self {
            src_port: be16(bytes, 0),
            dst_port: be16(bytes, 2),
            seq: SeqNum(be32(bytes, 4)),
            ack: SeqNum(be32(bytes, 8)),
            flags: Flags(bytes[13]),
            window: be16(bytes, 14),
            urgent: be16(bytes, 18),
        }
    }

    /// Fills `out`, which is `HEADER_LEN + options.len()` bytes, checksum left zero.
    pub fn emit(&self, options: &Options, out: &mut [u8]) {
        let header_len = HEADER_LEN + options.len();
        assert_eq!(out.len(), header_len, "the buffer has the size of the header");
        out[0..2].copy_from_slice(&self.src_port.to_be_bytes());
        out[2..4].copy_from_slice(&self.dst_port.to_be_bytes());
        out[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.ack.0.to_be_bytes());
        out[12] = (header_len as u8 / 4) << 4;
        out[13] = self.flags.0;
        out[14..16].copy_from_slice(&self.window.to_be_bytes());
        out[16..18].fill(0);
        out[18..20].copy_from_slice(&self.urgent.to_be_bytes());
        options.emit(&mut out[HEADER_LEN..]);
    }
}

/// Where the checksum stands in a header.
pub const CHECKSUM_AT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    fn emitted(header: &Header, options: &Options, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; HEADER_LEN + options.len()];
        header.emit(options, &mut out);
        out.extend(payload);
        let sum = Sum::pseudo_header(A, B, protocol::TCP, out.len()).with(&out).finish();
        out[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
        out
    }

    proptest! {
        #[test]
        fn a_segment_comes_back_and_its_prefixes_do_not(
            ports: (u16, u16), numbers: (u32, u32), flags: u8, window: u16, urgent: u16,
            mss: Option<u16>, payload in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            prop_assume!(ports.0 != 0 && ports.1 != 0);
            let header = Header {
                src_port: ports.0, dst_port: ports.1, seq: SeqNum(numbers.0), ack: SeqNum(numbers.1),
                flags: Flags(flags), window, urgent,
            };
            let options = Options { mss, ..Options::default() };
            let bytes = emitted(&header, &options, &payload);
            let segment = Segment::parse(A, B, &bytes).unwrap();
            prop_assert_eq!(segment, Segment { header, options, header_len: bytes.len() - payload.len() });
            for len in 0..bytes.len() {
                // A prefix is refused by its checksum, whose pseudo-header holds the length, unless the sum
                // happens to come out right: one in 65,536.
                prop_assert!(Segment::parse(A, B, &bytes[..len]).is_err()
                    || Sum::pseudo_header(A, B, 6, len).with(&bytes[..len]).finish() == 0);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Segment::parse(A, B, &bytes);
        }
    }

    #[test]
    fn flags_read_as_letters() {
        assert_eq!(format!("{:?}", Flags::SYN | Flags::ACK | Flags::CWR), "SAC");
    }
}
