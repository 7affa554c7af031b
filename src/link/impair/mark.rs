//! Marking as a router does that is congested: Congestion Experienced in the IPv4 header (RFC 3168 5).
//!
//! Only packets whose sender said that it understands the mark (ECT(0), ECT(1)) are marked. Left alone: everything
//! else, IPv6 and VLAN tags among it, and a frame that is damaged already, so that no damage is covered up by a fresh
//! FCS.

use crate::frame::Medium;
use crate::wire::ethernet::{self, EtherType};
use crate::wire::{checksum, fcs, ipv4};

/// The ECN codepoint of Congestion Experienced, and the bits that codepoints have in the TOS byte.
const CE: u8 = 0b11;
/// Where the checksum stands in an IPv4 header.
const CHECKSUM: usize = 10;

/// The frame carries a packet that can be marked and is not yet.
pub(super) fn is_capable(frame: &[u8], medium: Medium) -> bool {
    let Some(packet) = packet(frame, medium) else { return false };
    let is_whole = match medium {
        Medium::Ethernet { fcs: true } => fcs::check(frame).is_ok(),
        Medium::Ethernet { fcs: false } | Medium::Ip => true,
    };
    let is_ipv4 = packet.len() >= ipv4::HEADER_LEN && packet[0] >> 4 == 4;
    is_ipv4 && is_whole && !matches!(packet[1] & CE, 0 | CE)
}

/// Marks the packet of a frame that [`is_capable`]. The checksum of its header is mended, not made anew: a wrong one
/// stays wrong. The FCS is made anew, as whoever changes a frame on its way must.
pub(super) fn set(frame: &mut [u8], medium: Medium) {
    let at = offset(medium);
    let word = |bytes: &[u8], n: usize| u16::from_be_bytes([bytes[at + n], bytes[at + n + 1]]);
    let old = word(frame, 0);
    frame[at + 1] |= CE;
    let mended = checksum::adjusted(word(frame, CHECKSUM), old, word(frame, 0));
    frame[at + CHECKSUM..][..2].copy_from_slice(&mended.to_be_bytes());
    if let Medium::Ethernet { fcs: true } = medium {
        let (body, fcs) =
            frame.split_last_chunk_mut::<{ fcs::LEN }>().expect("it has an FCS, which was checked");
        *fcs = fcs::of(body);
    }
}

/// Where the packet begins.
fn offset(medium: Medium) -> usize {
    match medium {
        Medium::Ethernet { .. } => ethernet::HEADER_LEN,
        Medium::Ip => 0,
    }
}

/// The IPv4 packet of a frame, as far as the frame's type tells, with what follows it.
fn packet(frame: &[u8], medium: Medium) -> Option<&[u8]> {
    match medium {
        Medium::Ethernet { fcs } => {
            let (header, rest) = ethernet::Header::parse(frame).ok()?;
            let rest = rest.get(..rest.len().checked_sub(if fcs { fcs::LEN } else { 0 })?)?;
            (header.ether_type == EtherType::Ipv4).then_some(rest)
        }
        Medium::Ip => Some(frame),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::ethernet::Mac;
    use crate::wire::ipv4::Header;

    const MEDIA: [Medium; 3] = [Medium::Ethernet { fcs: false }, Medium::Ethernet { fcs: true }, Medium::Ip];

    fn header(dscp: u8, ecn: u8, id: u16) -> Header {
        let (src, dst) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        Header { dscp, ecn, id, ..Header::new(6, src, dst) }
    }

    fn frame(header: &Header, payload: &[u8], medium: Medium) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Medium::Ethernet { .. } = medium {
            bytes.resize(ethernet::HEADER_LEN, 0);
            let ethernet =
                ethernet::Header { dst: Mac::local(1), src: Mac::local(2), ether_type: EtherType::Ipv4 };
            ethernet.emit(bytes.first_chunk_mut().unwrap());
        }
        let mut head = [0; ipv4::HEADER_LEN];
        header.emit(payload.len(), &mut head);
        bytes.extend(head);
        bytes.extend(payload);
        if let Medium::Ethernet { fcs: true } = medium {
            bytes.extend(fcs::of(&bytes.clone()));
        }
        bytes
    }

    proptest! {
        /// The mark is the one difference to a packet that its sender had made with it.
        #[test]
        fn a_marked_frame_is_as_one_made_so(dscp in 0u8..64, ecn in 1u8..3, id: u16,
                                            payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            for medium in MEDIA {
                let mut bytes = frame(&header(dscp, ecn, id), &payload, medium);
                prop_assert!(is_capable(&bytes, medium));
                set(&mut bytes, medium);
                prop_assert_eq!(&bytes, &frame(&header(dscp, CE, id), &payload, medium));
                prop_assert!(!is_capable(&bytes, medium));
            }
        }

        #[test]
        fn anything_at_all_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for medium in MEDIA {
                let mut marked = bytes.clone();
                if is_capable(&bytes, medium) {
                    set(&mut marked, medium);
                    prop_assert!(!is_capable(&marked, medium));
                }
            }
        }

        #[test]
        fn a_wrong_checksum_stays_wrong(id: u16, by in 1u16..0xffff) {
            let mut bytes = frame(&header(0, 2, id), &[], Medium::Ip);
            let right = u16::from_be_bytes([bytes[10], bytes[11]]);
            bytes[10..12].copy_from_slice(&(right ^ by).to_be_bytes());
            prop_assume!(checksum::checksum(&bytes) != 0);
            set(&mut bytes, Medium::Ip);
            prop_assert_ne!(checksum::checksum(&bytes), 0);
        }
    }

    #[test]
    fn what_cannot_be_marked_is_told() {
        for medium in MEDIA {
            for ecn in [0, CE] {
                assert!(
                    !is_capable(&frame(&header(0, ecn, 1), &[1; 30], medium), medium),
                    "{ecn} on {medium:?}"
                );
            }
            let whole = frame(&header(0, 2, 1), &[], medium);
            (0..whole.len())
                .for_each(|len| assert!(!is_capable(&whole[..len], medium), "{len} of {medium:?}"));
        }
        let mut arp = frame(&header(0, 2, 1), &[], MEDIA[0]);
        arp[13] = 6;
        assert!(!is_capable(&arp, MEDIA[0]));
        let mut ipv6 = frame(&header(0, 2, 1), &[], Medium::Ip);
        ipv6[0] = 0x65;
        assert!(!is_capable(&ipv6, Medium::Ip));
    }

    #[test]
    fn damage_is_not_covered_up() {
        let mut bytes = frame(&header(0, 2, 1), &[7; 50], MEDIA[1]);
        bytes[40] ^= 1;
        assert!(!is_capable(&bytes, MEDIA[1]));
    }
}
