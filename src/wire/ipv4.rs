//! IPv4 headers: RFC 791, and what RFC 1122 3.2.1 asks of hosts.
//!
//! Options are walked and judged when they arrive, and never sent. Left out: acting on any of them
//! (a source route is refused by the stack; record route and timestamp are for routers).

use std::net::Ipv4Addr;

use super::checksum::checksum;
use super::{be16, be32};
use crate::drops::Drop;
use crate::fault::{self, Fault};

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// The largest datagram.
pub const MAX_LEN: usize = 65_535;

/// Protocol numbers that the stack knows.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
}

/// Every field of a header but the lengths, which follow from the payload, and the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Differentiated services code point (RFC 2474), 6 bits.
    pub dscp: u8,
    /// Explicit congestion notification (RFC 3168), 2 bits.
    pub ecn: u8,
    /// Identification: tells the fragments of a datagram from others' (RFC 6864).
    pub id: u16,
    /// Do not fragment.
    pub dont_fragment: bool,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Where the payload lies in its datagram, in bytes; a multiple of 8.
    pub fragment_offset: u16,
    /// Time to live, in hops.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
}

/// A packet as it arrived: the header, where the payload begins and ends, and what its options hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The header.
    pub header: Header,
    /// Where the payload begins: 20 to 60.
    pub header_len: usize,
    /// Total length, header included; what follows it in the frame is padding.
    pub total_len: usize,
    /// A loose or strict source route is among the options.
    pub has_source_route: bool,
}

impl Packet {
    /// The packet in a frame's payload. The payload is `bytes[header_len..total_len]`.
    ///
    /// # Errors
    /// The `Ipv4…` values of [`Drop`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Drop> {
        if bytes.len() < HEADER_LEN {
            return Err(Drop::Ipv4Truncated);
        }
        if bytes[0] >> 4 != 4 {
            return Err(Drop::Ipv4BadVersion);
        }
        let header_len = usize::from(bytes[0] & 0xf) * 4;
        if header_len < HEADER_LEN || header_len > bytes.len() {
            return Err(Drop::Ipv4BadHeaderLength);
        }
        let total_len = usize::from(be16(bytes, 2));
        if total_len < header_len || total_len > bytes.len() {
            return Err(Drop::Ipv4BadTotalLength);
        }
        if checksum(&bytes[..header_len]) != 0 && !fault::is(Fault::Ipv4ChecksumUnchecked) {
            return Err(Drop::Ipv4BadChecksum);
        }
        let has_source_route = find_source_route(&bytes[HEADER_LEN..header_len])?;
        Ok(Self { header: Header::read(bytes), header_len, total_len, has_source_route })
    }

    /// The header of a packet that an ICMP error quotes: cut short, so only its own bytes are judged.
    ///
    /// # Errors
    /// [`Drop::IcmpBadQuote`].
    pub fn parse_quote(bytes: &[u8]) -> Result<(Header, &[u8]), Drop> {
        let header_len = usize::from(bytes.first().copied().unwrap_or(0) & 0xf) * 4;
        if bytes.len() < HEADER_LEN || bytes[0] >> 4 != 4 || !(HEADER_LEN..=bytes.len()).contains(&header_len)
        {
            return Err(Drop::IcmpBadQuote);
        }
        Ok((Header::read(bytes), &bytes[header_len..]))
    }
}

impl Header {
    /// A header for a datagram of this host: DF, TTL 64 (RFC 1122 3.2.1.7), identification 0 as RFC 6864 4.1
    /// allows for what is never fragmented.
    pub fn new(protocol: u8, src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        Self {
            dscp: 0,
            ecn: 0,
            id: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            src,
            dst,
        }
    }

    /// The packet is a part of a datagram.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Fills the first [`HEADER_LEN`] bytes of a packet with `payload_len` bytes to follow, checksum included.
    pub fn emit(&self, payload_len: usize, out: &mut [u8; HEADER_LEN]) {
        let total = u16::try_from(HEADER_LEN + payload_len).expect("a packet fits 65,535 bytes");
        debug_assert!(self.fragment_offset.is_multiple_of(8));
        let flags = u16::from(self.dont_fragment) << 14 | u16::from(self.more_fragments) << 13;
        out[0] = 0x45;
        out[1] = self.dscp << 2 | self.ecn & 3;
        out[2..4].copy_from_slice(&total.to_be_bytes());
        out[4..6].copy_from_slice(&self.id.to_be_bytes());
        out[6..8].copy_from_slice(&(flags | (self.fragment_offset / 8)).to_be_bytes());
        out[8] = self.ttl;
        out[9] = self.protocol;
        out[10..12].fill(0);
        out[12..16].copy_from_slice(&self.src.octets());
        out[16..20].copy_from_slice(&self.dst.octets());
        let sum = checksum(out);
        out[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        let flags = be16(bytes, 6);
        Self {
            dscp: bytes[1] >> 2,
            ecn: bytes[1] & 3,
            id: be16(bytes, 4),
            dont_fragment: flags & 0x4000 != 0,
            more_fragments: flags & 0x2000 != 0,
            fragment_offset: (flags & 0x1fff) * 8,
            ttl: bytes[8],
            protocol: bytes[9],
            src: Ipv4Addr::from(be32(bytes, 12)),
            dst: Ipv4Addr::from(be32(bytes, 16)),
        }
    }
}

/// Walks the options (RFC 791 3.1): single-byte end and no-operation, else type, length, data.
fn find_source_route(mut options: &[u8]) -> Result<bool, Drop> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    let mut found = false;
    while let [kind, rest @ ..] = options {
        match *kind {
            END => break,
            NOP => options = rest,
            kind => {
                let len = usize::from(*rest.first().ok_or(Drop::Ipv4BadOptions)?);
                if len < 2 || len > options.len() {
                    return Err(Drop::Ipv4BadOptions);
                }
                found |= kind == LOOSE_SOURCE_ROUTE || kind == STRICT_SOURCE_ROUTE;
                options = &options[len..];
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(options: &[u8], payload: usize) -> Vec<u8> {
        let header = Header::new(protocol::TCP, Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let mut out = vec![0; HEADER_LEN];
        header.emit(options.len() + payload, out.first_chunk_mut().unwrap());
        out[0] = 0x45 + (options.len() / 4) as u8;
        out.extend(options);
        out[10..12].fill(0);
        let sum = checksum(&out);
        out[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend(vec![7; payload]);
        out
    }

    #[test]
    fn padding_after_the_total_length_is_not_payload() {
        let mut bytes = packet(&[], 5);
        bytes.extend([0; 21]);
        let parsed = Packet::parse(&bytes).unwrap();
        assert_eq!((parsed.header_len, parsed.total_len), (20, 25));
    }

    #[test]
    fn every_prefix_is_refused() {
        let bytes = packet(&[1, 1, 1, 0], 8);
        assert!(Packet::parse(&bytes).is_ok());
        for len in 0..bytes.len() {
            assert!(Packet::parse(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn options_are_walked() {
        assert!(!Packet::parse(&packet(&[7, 7, 4, 192, 0, 2, 9, 0], 0)).unwrap().has_source_route);
        assert!(Packet::parse(&packet(&[1, 131, 7, 4, 192, 0, 2, 9], 0)).unwrap().has_source_route);
        assert!(Packet::parse(&packet(&[137, 3, 4, 0], 0)).unwrap().has_source_route);
        for bad in [[7, 0, 0, 0], [7, 1, 0, 0], [7, 5, 0, 0], [1, 1, 1, 7]] {
            assert_eq!(Packet::parse(&packet(&bad, 0)), Err(Drop::Ipv4BadOptions), "{bad:?}");
        }
    }
}
