//! How much of a frame is headers: what a capture may keep, since no body may reach it unasked.
//!
//! What a damaged frame says of its own lengths is not believed: a data offset that lost a bit would let forty bytes
//! of a body pass for options. So a header that claims to be longer than its fixed part must be part of a packet
//! whose checksum is right.

use std::net::Ipv4Addr;

use crate::fault::{self, Fault};
use crate::frame::Medium;
use crate::wire::checksum::{Sum, checksum};
use crate::wire::ethernet::EtherType;
use crate::wire::ipv4::protocol;
use crate::wire::{arp, ethernet, ipv4, tcp};

/// Bytes that hold every header of a frame.
pub(super) const MOST: usize = ethernet::HEADER_LEN + 60 + tcp::MAX_HEADER_LEN;
/// Bytes of the header of UDP, and of ICMP.
const SHORT_HEADER: usize = 8;

/// Bytes of the headers of a frame. `is_ours` frames are believed, and may be cut to [`MOST`] bytes.
pub(super) fn len(medium: Medium, frame: &[u8], is_ours: bool) -> usize {
    if fault::is(Fault::CaptureKeepsBodies) {
        return frame.len();
    }
    let link = match medium {
        Medium::Ip => 0,
        Medium::Ethernet { .. } => ethernet::HEADER_LEN,
    };
    let Some(packet) = frame.get(link..) else { return frame.len() };
    let inner = match medium {
        Medium::Ip => ipv4_len(packet, is_ours),
        Medium::Ethernet { .. } => match EtherType::from(u16::from_be_bytes([frame[12], frame[13]])) {
            EtherType::Arp => arp::LEN,
            EtherType::Ipv4 => ipv4_len(packet, is_ours),
            EtherType::Other(_) => 0,
        },
    };
    (link + inner).min(frame.len())
}

fn ipv4_len(packet: &[u8], is_ours: bool) -> usize {
    if packet.len() < ipv4::HEADER_LEN || packet[0] >> 4 != 4 {
        return ipv4::HEADER_LEN;
    }
    let header_len = usize::from(packet[0] & 0xf) * 4;
    let is_right = packet.get(..header_len).is_some_and(|h| h.len() >= ipv4::HEADER_LEN && checksum(h) == 0);
    if !is_right {
        return ipv4::HEADER_LEN;
    }
    let flags = u16::from_be_bytes([packet[6], packet[7]]);
    if flags & 0x1fff != 0 {
        return header_len;
    }
    // What follows the packet in its frame is nobody's header.
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]])).max(header_len);
    let transport = match packet[9] {
        protocol::TCP => tcp_len(packet, header_len, flags & 0x2000 == 0, is_ours),
        protocol::UDP | protocol::ICMP => SHORT_HEADER,
        _ => 0,
    };
    (header_len + transport).min(total)
}

fn tcp_len(packet: &[u8], start: usize, is_whole: bool, is_ours: bool) -> usize {
    let Some(&offset) = packet.get(start + 12) else { return tcp::HEADER_LEN };
    let len = usize::from(offset >> 4) * 4;
    if len <= tcp::HEADER_LEN || is_ours || fault::is(Fault::DamagedLengthsBelieved) {
        return len.max(tcp::HEADER_LEN);
    }
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let is_right = is_whole
        && packet.get(start..total).filter(|segment| segment.len() >= len).is_some_and(|segment| {
            let address =
                |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
            let pseudo = Sum::pseudo_header(address(12), address(16), protocol::TCP, segment.len());
            pseudo.with(segment).finish() == 0
        });
    if is_right { len } else { tcp::HEADER_LEN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ethernet::Mac;
    use crate::wire::seq::SeqNum;
    use crate::wire::tcp::Flags;
    use crate::wire::tcp_options::Options;

    const ETHERNET: Medium = Medium::Ethernet { fcs: false };

    /// A frame with TCP options and a body of `0xbb`.
    fn frame() -> Vec<u8> {
        let (src, dst) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let options = Options { timestamps: Some((1, 2)), ..Options::default() };
        let mut segment = vec![0; tcp::HEADER_LEN + options.len()];
        let header = tcp::Header {
            src_port: 1,
            dst_port: 2,
            seq: SeqNum(3),
            ack: SeqNum(4),
            flags: Flags::ACK,
            window: 5,
            urgent: 0,
        };
        header.emit(&options, &mut segment);
        segment.extend([0xbb; 300]);
        let sum = Sum::pseudo_header(src, dst, protocol::TCP, segment.len()).with(&segment).finish();
        segment[tcp::CHECKSUM_AT..][..2].copy_from_slice(&sum.to_be_bytes());
        let mut head = [0; ethernet::HEADER_LEN + ipv4::HEADER_LEN];
        ethernet::Header { dst: Mac::local(1), src: Mac::local(2), ether_type: EtherType::Ipv4 }
            .emit(head.first_chunk_mut().unwrap());
        ipv4::Header::new(protocol::TCP, src, dst).emit(segment.len(), head[14..].first_chunk_mut().unwrap());
        [&head[..], &segment].concat()
    }

    #[test]
    fn a_good_frame_keeps_its_options_and_loses_its_body() {
        let frame = frame();
        assert_eq!(len(ETHERNET, &frame, false), 14 + 20 + 32);
        assert_eq!(len(ETHERNET, &frame[..MOST], true), 14 + 20 + 32);
        assert_eq!(len(Medium::Ip, &frame[14..], false), 20 + 32);
    }

    #[test]
    fn no_flipped_bit_lets_a_byte_of_the_body_pass() {
        let frame = frame();
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let kept = len(ETHERNET, &damaged, false);
            assert!(kept <= 14 + 20 + 32, "bit {bit}: {kept}");
        }
    }

    #[test]
    fn every_prefix_has_a_length_of_its_own() {
        let frame = frame();
        for cut in 0..frame.len() {
            for is_ours in [false, true] {
                assert!(len(ETHERNET, &frame[..cut], is_ours) <= cut.min(14 + 20 + 32));
                assert!(len(Medium::Ip, &frame[..cut], is_ours) <= cut);
            }
        }
    }
}
