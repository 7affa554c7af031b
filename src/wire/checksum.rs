//! The Internet checksum: RFC 1071, with the pseudo-header of RFC 9293 3.1.
//!
//! A payload may come in several slices, of odd length too: [`Sum`] remembers on which byte of a pair it stands, and
//! folds at the end.

use std::net::Ipv4Addr;

/// A checksum under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    total: u64,
    odd: bool,
}

impl Sum {
    /// The sum over the pseudo-header of TCP and UDP: addresses, protocol and length (header and payload).
    pub fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: usize) -> Self {
        let total = u64::from(u32::from(src))
            + u64::from(u32::from(dst))
            + u64::from(protocol)
            + u64::try_from(len).expect("a length fits 64 bits");
        Self { total, odd: false }
    }

    /// This sum with the bytes that follow.
    #[must_use]
    pub fn with(mut self, mut bytes: &[u8]) -> Self {
        if self.odd && !bytes.is_empty() {
            self.total += u64::from(bytes[0]);
            bytes = &bytes[1..];
            self.odd = false;
        }
        self.total += sum_words(bytes);
        self.odd ^= bytes.len() % 2 == 1;
        self
    }

    /// The checksum to put into the packet, or zero when a packet with its checksum in place is right.
    pub fn finish(self) -> u16 {
        let mut total = self.total;
        while total >> 16 != 0 {
            total = (total & 0xffff) + (total >> 16);
        }
        !(total as u16)
    }
}

/// The checksum of one slice.
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::default().with(bytes).finish()
}

/// A checksum after one 16-bit word of what it covers has changed: RFC 1624 3, equation 3. What was wrong stays wrong.
pub fn adjusted(checksum: u16, old: u16, new: u16) -> u16 {
    let total = u64::from(!checksum) + u64::from(!old) + u64::from(new);
    Sum { total, odd: false }.finish()
}

/// The sum of big-endian 16-bit words, folded to 16 bits; an odd last byte counts as its high half.
///
/// The order of bytes does not matter to the sum (RFC 1071 2 B), so words are added as the machine has them, 64 bits
/// at a time with the carry put back in (2 C), and only the result is turned round.
fn sum_words(bytes: &[u8]) -> u64 {
    let mut total = 0u64;
    let mut add = |word: u64| {
        let (sum, carry) = total.overflowing_add(word);
        total = sum + u64::from(carry);
    };
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        words.iter().for_each(|word| add(u64::from_ne_bytes(*word)));
    }
    let (pairs, last) = rest.as_chunks::<2>();
    pairs.iter().for_each(|pair| add(u64::from(u16::from_ne_bytes(*pair))));
    if let [last] = last {
        add(u64::from(u16::from_ne_bytes([*last, 0])));
    }
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    u64::from(u16::from_be(total as u16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word by word.
    fn reference(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624() {
        // Where the equation of RFC 1141 gives 0xffff.
        assert_eq!(adjusted(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest! {
        #[test]
        fn an_adjusted_checksum_is_one_made_anew(mut bytes in proptest::collection::vec(any::<u8>(), 4..60),
                                                 at: prop::sample::Index, new: u16) {
            // Of nothing but zeros, a checksum has two forms.
            bytes[0] |= 1;
            let (before, at) = (checksum(&bytes), 2 + at.index(bytes.len() / 2 - 1) * 2);
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(adjusted(before, old, new), checksum(&bytes));
        }

        #[test]
        fn fast_equals_reference(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(checksum(&bytes), reference(&bytes));
        }

        #[test]
        fn slices_sum_as_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..300),
                                   cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5)) {
            let mut at: Vec<_> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let sum = at.windows(2).fold(Sum::default(), |s, w| s.with(&bytes[w[0]..w[1]]));
            prop_assert_eq!(sum.finish(), checksum(&bytes));
        }
    }
}
