//! Frames on the wire: RFC 6455 5.2, 5.3.

use super::close::{Code, Failure, fail};
use crate::fault::{self, Fault};

/// What a frame is: RFC 6455 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn parse(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    fn nibble(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Bytes of the longest header.
pub(super) const MAX_HEADER: usize = 14;

/// Bytes of content that a control frame may have: RFC 6455 5.5.
pub(super) const MAX_CONTROL: u64 = 125;

/// All of a frame but its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    /// The first of the reserved bits: compressed, where that was agreed upon (RFC 7692 6).
    pub(super) rsv1: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) len: u64,
}

/// What there is at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A header begins, of at least so many bytes.
    NeedMore(usize),
    /// A header, and its length.
    Header(Header, usize),
}

impl Header {
    /// Reads a header, and refuses it as soon as it is clear that it is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Failure> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(Parsed::NeedMore(2)) };
        if first & 0x30 != 0 {
            return Err(fail(Code::PROTOCOL_ERROR, "a reserved bit is set"));
        }
        let Some(opcode) = Opcode::parse(first & 0x0F) else {
            return Err(fail(Code::PROTOCOL_ERROR, "a reserved opcode"));
        };
        let fin = first & 0x80 != 0;
        let short = second & 0x7F;
        if opcode.is_control() && !fin {
            return Err(fail(Code::PROTOCOL_ERROR, "a control frame in fragments"));
        }
        if opcode.is_control() && u64::from(short) > MAX_CONTROL {
            return Err(fail(Code::PROTOCOL_ERROR, "a control frame that is too long"));
        }
        let len_bytes = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_bytes = if second & 0x80 != 0 { 4 } else { 0 };
        let total = 2 + len_bytes + mask_bytes;
        if rest.len() < len_bytes + mask_bytes {
            return Ok(Parsed::NeedMore(total));
        }
        let (len, after) = rest.split_at(len_bytes);
        let len = match len_bytes {
            0 => u64::from(short),
            _ => len.iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
        };
        let is_minimal = match len_bytes {
            2 => len > 125,
            8 => len > 0xFFFF,
            _ => true,
        };
        if !is_minimal && !fault::is(Fault::FrameLengthUnchecked) {
            return Err(fail(Code::PROTOCOL_ERROR, "a frame length written longer than need be"));
        }
        if len >> 63 != 0 {
            return Err(fail(Code::PROTOCOL_ERROR, "a frame length of 64 bits"));
        }
        let mask = after.get(..mask_bytes).and_then(|mask| mask.try_into().ok());
        Ok(Parsed::Header(Self { fin, rsv1: first & 0x40 != 0, opcode, mask, len }, total))
    }

    /// Appends the header.
    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.fin) << 7 | u8::from(self.rsv1) << 6 | self.opcode.nibble());
        let masked = u8::from(self.mask.is_some()) << 7;
        match self.len {
            0..=125 => out.push(masked | self.len as u8),
            126..=0xFFFF => {
                out.push(masked | 126);
                out.extend_from_slice(&(self.len as u16).to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&self.len.to_be_bytes());
            }
        }
        out.extend(self.mask.into_iter().flatten());
    }
}

/// Masks or unmasks bytes that stand `at` so far from the start of their frame's content: RFC 6455 5.3.
pub(super) fn apply_mask(mask: [u8; 4], at: u64, data: &mut [u8]) {
    let mut key = mask;
    key.rotate_left((at % 4) as usize);
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut words = data.chunks_exact_mut(8);
    for word in &mut words {
        let bytes: [u8; 8] = (&*word).try_into().expect("a chunk has eight bytes");
        word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failure(bytes: &[u8]) -> Option<&'static str> {
        Header::parse(bytes).err().map(|f| f.reason)
    }

    #[test]
    fn headers_are_judged() {
        assert_eq!(failure(b"\xA1\x00"), Some("a reserved bit is set"));
        assert_eq!(failure(b"\x91\x00"), Some("a reserved bit is set"));
        assert_eq!(failure(b"\x83\x00"), Some("a reserved opcode"));
        assert_eq!(failure(b"\x8F\x00"), Some("a reserved opcode"));
        assert_eq!(failure(b"\x09\x00"), Some("a control frame in fragments"));
        assert_eq!(failure(b"\x89\x7E"), Some("a control frame that is too long"));
        assert_eq!(failure(b"\x81\x7E\x00\x7D"), Some("a frame length written longer than need be"));
        assert_eq!(
            failure(b"\x82\x7F\0\0\0\0\0\0\xff\xff"),
            Some("a frame length written longer than need be")
        );
        assert_eq!(failure(b"\x82\x7F\x80\0\0\0\0\0\0\0"), Some("a frame length of 64 bits"));
    }

    #[test]
    fn the_examples_of_rfc_6455_5_7() {
        let hello = Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: None, len: 5 };
        assert_eq!(Header::parse(b"\x81\x05Hello"), Ok(Parsed::Header(hello, 2)));
        let masked = Header { mask: Some([0x37, 0xfa, 0x21, 0x3d]), ..hello };
        let wire = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(Header::parse(wire), Ok(Parsed::Header(masked, 6)));
        let mut content = wire[6..].to_vec();
        apply_mask([0x37, 0xfa, 0x21, 0x3d], 0, &mut content);
        assert_eq!(content, b"Hello");
        let binary = Header { opcode: Opcode::Binary, len: 256, ..hello };
        assert_eq!(Header::parse(b"\x82\x7E\x01\x00"), Ok(Parsed::Header(binary, 4)));
        let large = Header { len: 65_536, ..binary };
        assert_eq!(Header::parse(b"\x82\x7F\0\0\0\0\0\x01\0\0"), Ok(Parsed::Header(large, 10)));
    }

    proptest! {
        #[test]
        fn emit_then_parse_gives_the_same(
            fin: bool, rsv1: bool, kind in 0..3u8, mask: Option<[u8; 4]>,
            len in prop_oneof![0..200u64, 65_500..65_600u64, 0..1u64 << 63],
        ) {
            let opcode = Opcode::parse(kind).unwrap();
            let header = Header { fin, rsv1, opcode, mask, len };
            let mut wire = Vec::new();
            header.emit(&mut wire);
            prop_assert!(wire.len() <= MAX_HEADER);
            prop_assert_eq!(Header::parse(&wire), Ok(Parsed::Header(header, wire.len())));
            for cut in 0..wire.len() {
                match Header::parse(&wire[..cut]) {
                    Ok(Parsed::NeedMore(need)) => prop_assert!(need > cut && need <= wire.len()),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }

        #[test]
        fn masking_is_byte_by_byte(mask: [u8; 4], at in 0..9u64, data: Vec<u8>) {
            let mut fast = data.clone();
            apply_mask(mask, at, &mut fast);
            let slow = data.iter().enumerate().map(|(i, b)| b ^ mask[(at as usize + i) % 4]);
            prop_assert_eq!(fast, slow.collect::<Vec<_>>());
        }
    }
}
