//! ICMP for IPv4: RFC 792.
//!
//! Left out: redirects, timestamps, address masks and router discovery, which a host at the end of a TAP has
//! no use for (RFC 6918 deprecates most of them).

use super::checksum::{Sum, checksum};
use super::{be16, be32};
use crate::drops::Drop;

/// Bytes of a header.
pub const HEADER_LEN: usize = 8;

/// A message, without the bytes that follow its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Echo request; what follows comes back in the reply.
    EchoRequest {
        /// Tells one asker from another.
        id: u16,
        /// Tells one question from another.
        seq: u16,
    },
    /// Echo reply.
    EchoReply {
        /// As in the request.
        id: u16,
        /// As in the request.
        seq: u16,
    },
    /// Destination unreachable; the packet it is about follows.
    Unreachable {
        /// Why.
        code: Unreachable,
        /// For [`Unreachable::FragmentationNeeded`]: the MTU of the next hop (RFC 1191 4), else zero.
        mtu: u16,
    },
    /// Time exceeded; the packet it is about follows.
    TimeExceeded {
        /// 0: in transit; 1: in reassembly.
        code: u8,
    },
    /// Parameter problem; the packet it is about follows.
    ParameterProblem {
        /// The byte of the quoted packet that is wrong.
        pointer: u8,
    },
    /// Redirect, router advertisement and others that are counted and forgotten.
    Other {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
}

/// Why a destination is unreachable: RFC 792, RFC 1122 3.2.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// 0.
    Network,
    /// 1.
    Host,
    /// 2.
    Protocol,
    /// 3.
    Port,
    /// 4.
    FragmentationNeeded,
    /// 5 and beyond.
    Other(u8),
}

impl Message {
    /// The message and what follows its header.
    ///
    /// # Errors
    /// [`Drop::IcmpTruncated`], [`Drop::IcmpBadChecksum`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Drop> {
        if bytes.len() < HEADER_LEN {
            return Err(Drop::IcmpTruncated);
        }
        if checksum(bytes) != 0 {
            return Err(Drop::IcmpBadChecksum);
        }
        let (id, seq) = (be16(bytes, 4), be16(bytes, 6));
        let message = match (bytes[0], bytes[1]) {
            (0, 0) => Self::EchoReply { id, seq },
            (8, 0) => Self::EchoRequest { id, seq },
            (3, code) => Self::Unreachable { code: code.into(), mtu: if code == 4 { seq } else { 0 } },
            (11, code) => Self::TimeExceeded { code },
            (12, 0) => Self::ParameterProblem { pointer: bytes[4] },
            (kind, code) => Self::Other { kind, code },
        };
        Ok((message, &bytes[HEADER_LEN..]))
    }

    /// Fills a header for a message that `rest` follows, checksum included.
    pub fn emit(&self, rest: &[u8], out: &mut [u8; HEADER_LEN]) {
        let (kind, code, word) = match *self {
            Self::EchoReply { id, seq } => (0, 0, u32::from(id) << 16 | u32::from(seq)),
            Self::EchoRequest { id, seq } => (8, 0, u32::from(id) << 16 | u32::from(seq)),
            Self::Unreachable { code, mtu } => (3, code.into(), u32::from(mtu)),
            Self::TimeExceeded { code } => (11, code, 0),
            Self::ParameterProblem { pointer } => (12, 0, u32::from(pointer) << 24),
            Self::Other { kind, code } => (kind, code, 0),
        };
        out[0] = kind;
        out[1] = code;
        out[2..4].fill(0);
        out[4..8].copy_from_slice(&word.to_be_bytes());
        debug_assert_eq!(be32(out, 4), word);
        let sum = Sum::default().with(out).with(rest).finish();
        out[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

impl From<u8> for Unreachable {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Network,
            1 => Self::Host,
            2 => Self::Protocol,
            3 => Self::Port,
            4 => Self::FragmentationNeeded,
            n => Self::Other(n),
        }
    }
}
impl From<Unreachable> for u8 {
    fn from(code: Unreachable) -> Self {
        match code {
            Unreachable::Network => 0,
            Unreachable::Host => 1,
            Unreachable::Protocol => 2,
            Unreachable::Port => 3,
            Unreachable::FragmentationNeeded => 4,
            Unreachable::Other(n) => n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let rest = b"abcdefgh12345";
        for message in [
            Message::EchoRequest { id: 1, seq: 0xffff },
            Message::EchoReply { id: 0xabcd, seq: 2 },
            Message::Unreachable { code: Unreachable::Protocol, mtu: 0 },
            Message::Unreachable { code: Unreachable::FragmentationNeeded, mtu: 1400 },
            Message::Unreachable { code: Unreachable::Other(13), mtu: 0 },
            Message::TimeExceeded { code: 1 },
            Message::ParameterProblem { pointer: 20 },
            Message::Other { kind: 5, code: 1 },
        ] {
            let mut out = [0; HEADER_LEN];
            message.emit(rest, &mut out);
            let whole = [&out[..], rest].concat();
            assert_eq!(Message::parse(&whole), Ok((message, &rest[..])));
            for len in 0..whole.len() {
                assert!(Message::parse(&whole[..len]).is_err(), "{message:?} {len}");
            }
        }
    }
}
