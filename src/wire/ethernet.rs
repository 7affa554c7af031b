//! Ethernet II frames: RFC 894, IEEE 802.3 3.2.
//!
//! Left out: VLAN tags and IEEE 802.3 length fields (RFC 1042), which count as unknown types.

use std::fmt;
use std::str::FromStr;

use super::be16;
use crate::drops::Drop;

/// Bytes of a header.
pub const HEADER_LEN: usize = 14;
/// Bytes of the shortest frame on a wire, FCS excluded. A TAP gives and takes shorter ones.
pub const MIN_LEN: usize = 60;

/// A station's address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mac(pub [u8; 6]);

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtherType {
    /// RFC 826.
    Arp,
    /// RFC 894.
    Ipv4,
    /// Anything else.
    Other(u16),
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Destination.
    pub dst: Mac,
    /// Source.
    pub src: Mac,
    /// Type of the payload.
    pub ether_type: EtherType,
}

impl Header {
    /// The header and what follows it. Padding is still there: only the payload knows its own length.
    ///
    /// # Errors
    /// [`Drop::FrameTooShort`].
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Drop> {
        let (header, payload) = frame.split_first_chunk::<HEADER_LEN>().ok_or(Drop::FrameTooShort)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, _, _] = *header;
        let header = Self {
            dst: Mac([d0, d1, d2, d3, d4, d5]),
            src: Mac([s0, s1, s2, s3, s4, s5]),
            ether_type: EtherType::from(be16(header, 12)),
        };
        Ok((header, payload))
    }

    /// Fills the first [`HEADER_LEN`] bytes of a frame.
    pub fn emit(&self, out: &mut [u8; HEADER_LEN]) {
        out[0..6].copy_from_slice(&self.dst.0);
        out[6..12].copy_from_slice(&self.src.0);
        out[12..14].copy_from_slice(&u16::from(self.ether_type).to_be_bytes());
    }
}

impl Mac {
    /// Every station.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No station; the target of an ARP request.
    pub const ZERO: Self = Self([0; 6]);

    /// A multicast or broadcast address: the lowest bit of the first byte.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// A locally administered unicast address from random bits.
    pub fn local(random: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = random.to_be_bytes();
        Self([a & 0xfc | 0x02, b, c, d, e, f])
    }
}

impl From<u16> for EtherType {
    fn from(n: u16) -> Self {
        match n {
            0x0800 => Self::Ipv4,
            0x0806 => Self::Arp,
            n => Self::Other(n),
        }
    }
}
impl From<EtherType> for u16 {
    fn from(t: EtherType) -> Self {
        match t {
            EtherType::Ipv4 => 0x0800,
            EtherType::Arp => 0x0806,
            EtherType::Other(n) => n,
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Mac {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let bytes: Option<Vec<u8>> = s
            .split([':', '-'])
            .map(|part| {
                (part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
                    .then(|| u8::from_str_radix(part, 16).ok())
                    .flatten()
            })
            .collect();
        let octets = bytes.and_then(|b| <[u8; 6]>::try_from(b).ok());
        octets.map(Self).ok_or_else(|| format!("{s:?} is no MAC address such as 02:00:00:00:00:02"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_its_prefixes_do_not() {
        let header = Header { dst: Mac::BROADCAST, src: Mac::local(42), ether_type: EtherType::Arp };
        let mut frame = [0; HEADER_LEN + 3];
        header.emit(frame.first_chunk_mut().unwrap());
        assert_eq!(Header::parse(&frame).unwrap(), (header, &[0u8; 3][..]));
        for len in 0..HEADER_LEN {
            assert_eq!(Header::parse(&frame[..len]), Err(Drop::FrameTooShort));
        }
    }

    #[test]
    fn addresses_read_and_write() {
        let mac: Mac = "02:1a:2b:3c:4d:5e".parse().unwrap();
        assert_eq!(mac.to_string().parse::<Mac>().unwrap(), mac);
        assert_eq!("02-1A-2B-3C-4D-5E".parse::<Mac>().unwrap(), mac);
        for bad in ["", "02:1a:2b:3c:4d", "02:1a:2b:3c:4d:5e:6f", "2:1a:2b:3c:4d:5e", "+2:1a:2b:3c:4d:5e"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
        assert!(!Mac::local(u64::MAX).is_group() && Mac::BROADCAST.is_group());
    }
}
