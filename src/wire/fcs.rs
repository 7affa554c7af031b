//! The frame check sequence of Ethernet: IEEE 802.3 3.2.9, CRC-32, least significant byte first.
//!
//! A TAP carries none; a simulated wire and some captures do.

use crate::drops::Drop;

/// Bytes of an FCS.
pub const LEN: usize = 4;

/// The FCS of a frame, as it follows the frame on the wire.
pub fn of(frame: &[u8]) -> [u8; LEN] {
    crc32fast::hash(frame).to_le_bytes()
}

/// The frame without its FCS, if that is right.
///
/// # Errors
/// [`Drop::FrameTooShort`] without room for an FCS, [`Drop::BadFcs`] if it does not match.
pub fn check(frame: &[u8]) -> Result<&[u8], Drop> {
    let (body, fcs) = frame.split_last_chunk::<LEN>().ok_or(Drop::FrameTooShort)?;
    if of(body) == *fcs { Ok(body) } else { Err(Drop::BadFcs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_crc_catalogue() {
        assert_eq!(of(b"123456789"), 0xcbf4_3926u32.to_le_bytes());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut frame: Vec<u8> = (0..60).collect();
        frame.extend(of(&frame.clone()));
        assert!(check(&frame).is_ok());
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&frame), Err(Drop::BadFcs));
            frame[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(check(&frame[..3]), Err(Drop::FrameTooShort));
    }
}
