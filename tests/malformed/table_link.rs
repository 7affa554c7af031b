//! The table up to IPv4: Ethernet, ARP, headers, fragments.

use std::net::Ipv4Addr;

use taphouse::drops::Drop;
use taphouse::wire::ethernet::Mac;
use taphouse::wire::fcs;
use taphouse::wire::icmpv4::Unreachable;

use super::build::*;
use super::case::{Case, On, Shot, answered, case, on, raw, silent, silent_ip, unreachable};
use super::harness::{MTU, World, arp_asks};

pub(crate) const ETHERNET: &[Case] = &[
    on(On::Tap, "frame_empty", Drop::FrameTooShort, |_| raw(vec![])),
    on(On::Tap, "frame_13_bytes", Drop::FrameTooShort, |_| raw(vec![2; 13])),
    on(On::Wire, "frame_shorter_than_fcs", Drop::FrameTooShort, |_| raw(vec![2; 3])),
    on(On::Wire, "frame_13_bytes_and_fcs", Drop::FrameTooShort, |_| raw(with_right_fcs(vec![2; 13]))),
    on(On::Wire, "runt_of_63_bytes", Drop::FrameTooShort, |_| {
        let mut frame = arp_request(PEER_MAC, PEER, US);
        frame.resize(59, 0);
        raw(with_right_fcs(frame))
    }),
    case("frame_one_byte_too_long", Drop::FrameTooLong, |_| silent(vec![2; 14 + MTU + 1])),
    case("frame_64_kib", Drop::FrameTooLong, |_| silent(ethernet(US_MAC, PEER_MAC, 0x0800, &[0x45; 65_535]))),
    on(On::Wire, "fcs_one_bit_off", Drop::BadFcs, |_| {
        let mut frame = with_fcs(&ping());
        *frame.last_mut().expect("not empty") ^= 1;
        raw(frame)
    }),
    on(On::Wire, "fcs_wrong_way_round", Drop::BadFcs, |_| {
        let mut frame = with_fcs(&ping());
        let at = frame.len() - fcs::LEN;
        frame[at..].reverse();
        raw(frame)
    }),
    on(On::Wire, "fcs_missing", Drop::BadFcs, |_| {
        let mut frame = ping();
        frame.resize(64, 0);
        raw(frame)
    }),
    on(On::Wire, "damaged_on_the_way", Drop::BadFcs, |_| {
        let mut frame = with_fcs(&ping());
        frame[30] ^= 0x10;
        raw(frame)
    }),
    case("frame_to_another_station", Drop::FrameNotForUs, |_| silent(readdressed(OTHER_MAC, PEER_MAC))),
    case("frame_to_a_group", Drop::FrameNotForUs, |_| {
        silent(readdressed(Mac([1, 0, 0x5e, 0, 0, 1]), PEER_MAC))
    }),
    case("frame_to_ipv6_group", Drop::FrameNotForUs, |_| {
        silent(ethernet(Mac([0x33, 0x33, 0, 0, 0, 1]), PEER_MAC, 0x86dd, &[0x60; 40]))
    }),
    case("frame_from_broadcast", Drop::FrameGroupSource, |_| silent(readdressed(US_MAC, Mac::BROADCAST))),
    case("frame_from_a_group", Drop::FrameGroupSource, |_| {
        silent(readdressed(US_MAC, Mac([3, 0, 0, 0, 0, 1])))
    }),
    case("type_ipv6", Drop::UnknownEtherType, |_| silent(ethernet(US_MAC, PEER_MAC, 0x86dd, &[0x60; 40]))),
    case("type_vlan", Drop::UnknownEtherType, |_| silent(ethernet(US_MAC, PEER_MAC, 0x8100, &ping()[10..]))),
    case("length_of_802_3", Drop::UnknownEtherType, |_| silent(ethernet(US_MAC, PEER_MAC, 46, &[0xaa; 46]))),
    case("type_zero_broadcast", Drop::UnknownEtherType, |_| {
        silent(ethernet(Mac::BROADCAST, PEER_MAC, 0, &[0; 46]))
    }),
];

pub(crate) const ARP: &[Case] = &[
    on(On::Tap, "arp_empty", Drop::ArpTruncated, |_| silent(arp_frame(PEER_MAC, &[]))),
    on(On::Tap, "arp_27_bytes", Drop::ArpTruncated, |_| silent(arp_frame(PEER_MAC, &request()[..27]))),
    case("arp_of_ieee_802", Drop::ArpBadHardware, |_| silent(arp_changed(1, 6))),
    case("arp_hardware_zero", Drop::ArpBadHardware, |_| silent(arp_changed(1, 0))),
    case("arp_of_ipv6", Drop::ArpBadProtocol, |_| silent(arp_changed(2, 0x86))),
    case("arp_hardware_length_8", Drop::ArpBadLengths, |_| silent(arp_changed(4, 8))),
    case("arp_protocol_length_16", Drop::ArpBadLengths, |_| silent(arp_changed(5, 16))),
    case("arp_lengths_zero", Drop::ArpBadLengths, |_| silent(arp_changed(4, 0))),
    case("arp_operation_zero", Drop::ArpBadOperation, |_| silent(arp_changed(7, 0))),
    case("arp_reverse_request", Drop::ArpBadOperation, |_| silent(arp_changed(7, 3))),
    case("arp_operation_65281", Drop::ArpBadOperation, |_| silent(arp_changed(6, 0xff))),
    case("arp_sender_hardware_zero", Drop::ArpBadSenderHardware, |_| silent(arp_from(Mac::ZERO, PEER))),
    case("arp_sender_hardware_broadcast", Drop::ArpBadSenderHardware, |_| {
        silent(arp_from(Mac::BROADCAST, PEER))
    }),
    case("arp_sender_hardware_group", Drop::ArpBadSenderHardware, |_| {
        silent(arp_from(Mac([1, 0, 0x5e, 0, 0, 1]), PEER))
    }),
    case("arp_sender_loopback", Drop::ArpBadSenderAddress, |_| silent(arp_of([127, 0, 0, 1]))),
    case("arp_sender_in_net_zero", Drop::ArpBadSenderAddress, |_| silent(arp_of([0, 1, 2, 3]))),
    case("arp_sender_broadcast", Drop::ArpBadSenderAddress, |_| silent(arp_of([192, 0, 2, 255]))),
    case("arp_sender_limited_broadcast", Drop::ArpBadSenderAddress, |_| silent(arp_of([255; 4]))),
    case("arp_sender_network", Drop::ArpBadSenderAddress, |_| silent(arp_of([192, 0, 2, 0]))),
    case("arp_sender_multicast", Drop::ArpBadSenderAddress, |_| silent(arp_of([224, 0, 0, 1]))),
    case("arp_sender_off_subnet", Drop::ArpBadSenderAddress, |_| silent(arp_of([203, 0, 113, 1]))),
    case("arp_request_for_another", Drop::ArpNotForUs, |_| {
        silent(arp_request(OTHER_MAC, OTHER, Ipv4Addr::new(192, 0, 2, 78)))
    }),
    case("arp_reply_to_another", Drop::ArpNotForUs, |_| {
        let other = Ipv4Addr::new(192, 0, 2, 78);
        silent(arp_frame(OTHER_MAC, &arp(2, OTHER_MAC, OTHER, Mac([2, 0, 0, 0, 0, 8]), other)))
    }),
    case("arp_announcement_of_a_stranger", Drop::ArpNotForUs, |_| {
        silent(arp_request(OTHER_MAC, OTHER, OTHER))
    }),
    case("arp_probe_for_another", Drop::ArpNotForUs, |_| {
        silent(arp_request(OTHER_MAC, Ipv4Addr::UNSPECIFIED, OTHER))
    }),
    case("arp_announcement_of_our_address", Drop::ArpConflict, |_| {
        answered(arp_request(OTHER_MAC, US, US), [arp_asks(None, US, US)])
    }),
    // Within 10 s of the last: noted, not answered (RFC 5227 2.4 c).
    case("arp_reply_with_our_address", Drop::ArpConflict, |_| {
        silent(arp_reply_frame(OTHER_MAC, US, US_MAC, US))
    }),
];

pub(crate) const IPV4: &[Case] = &[
    on(On::Tap, "ipv4_empty", Drop::Ipv4Truncated, |_| silent_ip(vec![])),
    on(On::Tap, "ipv4_19_bytes", Drop::Ipv4Truncated, |_| silent_ip(pinging()[..19].to_vec())),
    case("ipv4_version_6", Drop::Ipv4BadVersion, |_| silent_ip(patched(pinging(), 0, 0x65))),
    case("ipv4_version_0", Drop::Ipv4BadVersion, |_| silent_ip(patched(pinging(), 0, 0x05))),
    case("ipv4_header_of_16_bytes", Drop::Ipv4BadHeaderLength, |_| silent_ip(patched(pinging(), 0, 0x44))),
    case("ipv4_header_of_0_bytes", Drop::Ipv4BadHeaderLength, |_| silent_ip(patched(pinging(), 0, 0x40))),
    case("ipv4_header_past_the_packet", Drop::Ipv4BadHeaderLength, |_| {
        silent_ip(patched(packet(1, &echo(1, 1, b"")), 0, 0x4f))
    }),
    case("ipv4_total_under_header", Drop::Ipv4BadTotalLength, |_| silent_ip(patched(pinging(), 3, 19))),
    case("ipv4_total_zero", Drop::Ipv4BadTotalLength, |_| silent_ip(patched(pinging(), 3, 0))),
    case("ipv4_total_past_the_frame", Drop::Ipv4BadTotalLength, |_| silent_ip(patched(pinging(), 2, 5))),
    case("ipv4_total_65535", Drop::Ipv4BadTotalLength, |_| {
        silent_ip(patched(patched(pinging(), 2, 0xff), 3, 0xff))
    }),
    case("ipv4_bad_checksum", Drop::Ipv4BadChecksum, |_| silent_ip(with_byte(pinging(), 10, 0x55))),
    case("ipv4_checksum_zero", Drop::Ipv4BadChecksum, |_| {
        silent_ip(with_byte(with_byte(pinging(), 10, 0), 11, 0))
    }),
    case("ipv4_ttl_changed_alone", Drop::Ipv4BadChecksum, |_| silent_ip(with_byte(pinging(), 8, 63))),
    case("ipv4_option_of_length_0", Drop::Ipv4BadOptions, |_| {
        silent_ip(with_options(pinging(), &[7, 0, 0, 0]))
    }),
    case("ipv4_option_of_length_1", Drop::Ipv4BadOptions, |_| {
        silent_ip(with_options(pinging(), &[68, 1, 0, 0]))
    }),
    case("ipv4_option_past_the_header", Drop::Ipv4BadOptions, |_| {
        silent_ip(with_options(pinging(), &[1, 7, 4, 0]))
    }),
    case("ipv4_option_without_length", Drop::Ipv4BadOptions, |_| {
        silent_ip(with_options(pinging(), &[1, 1, 1, 7]))
    }),
    case("ipv4_loose_source_route", Drop::Ipv4SourceRoute, |_| {
        silent_ip(with_options(pinging(), &[131, 7, 4, 192, 0, 2, 9, 0]))
    }),
    case("ipv4_strict_source_route", Drop::Ipv4SourceRoute, |_| {
        silent_ip(with_options(pinging(), &[1, 137, 7, 8, 192, 0, 2, 2]))
    }),
    case("ipv4_source_unspecified", Drop::Ipv4SourceZero, |_| from([0; 4])),
    case("ipv4_source_in_net_zero", Drop::Ipv4SourceZero, |_| from([0, 255, 1, 2])),
    case("ipv4_source_loopback", Drop::Ipv4SourceLoopback, |_| from([127, 0, 0, 1])),
    case("ipv4_source_multicast", Drop::Ipv4SourceMulticast, |_| from([224, 0, 0, 1])),
    case("ipv4_source_class_e", Drop::Ipv4SourceMulticast, |_| from([240, 0, 0, 1])),
    case("ipv4_source_limited_broadcast", Drop::Ipv4SourceBroadcast, |_| from([255; 4])),
    case("ipv4_source_subnet_broadcast", Drop::Ipv4SourceBroadcast, |_| from([192, 0, 2, 255])),
    case("ipv4_source_network", Drop::Ipv4SourceBroadcast, |_| from([192, 0, 2, 0])),
    case("ipv4_source_our_own", Drop::Ipv4SourceOwn, |_| from([192, 0, 2, 2])),
    case("ipv4_to_another_host", Drop::Ipv4NotForUs, |_| to([192, 0, 2, 3])),
    case("ipv4_to_loopback", Drop::Ipv4NotForUs, |_| to([127, 0, 0, 1])),
    case("ipv4_to_unspecified", Drop::Ipv4NotForUs, |_| to([0; 4])),
    case("ipv4_to_another_network", Drop::Ipv4NotForUs, |_| to([203, 0, 113, 255])),
    case("ipv4_multicast", Drop::Ipv4Multicast, |_| to([224, 0, 0, 1])),
    case("ipv4_multicast_of_mdns", Drop::Ipv4Multicast, |_| to([224, 0, 0, 251])),
    case("ipv4_in_broadcast_frame", Drop::Ipv4InBroadcastFrame, |_| {
        silent(ethernet(Mac::BROADCAST, PEER_MAC, 0x0800, &pinging()))
    }),
    case("ipv4_protocol_igmp", Drop::Ipv4UnknownProtocol, |_| {
        unreachable(packet(2, &[0x16; 8]), Unreachable::Protocol)
    }),
    case("ipv4_protocol_255_empty", Drop::Ipv4UnknownProtocol, |_| {
        unreachable(packet(255, b""), Unreachable::Protocol)
    }),
    case("ipv4_protocol_0_short", Drop::Ipv4UnknownProtocol, |_| {
        unreachable(packet(0, b"12345"), Unreachable::Protocol)
    }),
    case("ipv4_protocol_sctp_long", Drop::Ipv4UnknownProtocol, |_| {
        unreachable(packet(132, &[7; 1480]), Unreachable::Protocol)
    }),
    case("ipv4_unknown_protocol_with_options", Drop::Ipv4UnknownProtocol, |_| {
        unreachable(with_options(packet(99, &[7; 40]), &[1, 7, 3, 4]), Unreachable::Protocol)
    }),
    case("ipv4_unknown_protocol_broadcast", Drop::Ipv4UnknownProtocol, |_| {
        silent_ip(packet_from(PEER, BROADCAST, 99, &[7; 40]))
    }),
    case("ping_from_off_subnet_without_gateway", Drop::NoRoute, |_| from([203, 0, 113, 1])),
];

pub(crate) const FRAGMENTS: &[Case] = &[
    case("fragment_of_7_bytes", Drop::FragmentBadLength, |_| silent_ip(fragment(1, 0, true, 17, &[0; 7]))),
    case("fragment_of_1479_bytes", Drop::FragmentBadLength, |_| {
        silent_ip(fragment(1, 8, true, 17, &[0; 1479]))
    }),
    case("fragment_empty", Drop::FragmentBadLength, |_| silent_ip(fragment(1, 64, true, 17, b""))),
    // The ping of death.
    case("fragment_past_65535", Drop::FragmentTooBig, |_| {
        silent_ip(fragment(2, 65_528, false, 1, &[0; 100]))
    }),
    case("fragment_one_byte_past_65535", Drop::FragmentTooBig, |_| {
        silent_ip(fragment(2, 65_512, false, 1, &[0; 4]))
    }),
    // Teardrop.
    case("fragment_overlap_inside", Drop::FragmentOverlap, |w| {
        after(w, fragment(3, 0, true, 17, &[0; 64]), fragment(3, 24, false, 17, &[0; 4]))
    }),
    case("fragment_overlap_before", Drop::FragmentOverlap, |w| {
        after(w, fragment(4, 64, true, 17, &[0; 64]), fragment(4, 8, true, 17, &[0; 64]))
    }),
    // RFC 1858: ports in the first fragment, flags rewritten by the second.
    case("fragment_tiny_overlap_of_tcp", Drop::FragmentOverlap, |w| {
        after(w, fragment(5, 0, true, 6, &[0; 16]), fragment(5, 8, false, 6, &[0; 20]))
    }),
    case("fragment_of_a_poisoned_datagram", Drop::FragmentOverlap, |w| {
        w.give(&ip_frame(&fragment(6, 0, true, 17, &[0; 16])));
        w.give(&ip_frame(&fragment(6, 8, true, 17, &[0; 16])));
        silent_ip(fragment(6, 16, false, 17, &[0; 16]))
    }),
    case("fragment_two_ends", Drop::FragmentBadEnd, |w| {
        after(w, fragment(7, 64, false, 17, &[0; 8]), fragment(7, 128, false, 17, &[0; 8]))
    }),
    case("fragment_end_before_what_came", Drop::FragmentBadEnd, |w| {
        after(w, fragment(8, 64, true, 17, &[0; 8]), fragment(8, 8, false, 17, &[0; 8]))
    }),
    case("fragment_twice", Drop::FragmentDuplicate, |w| {
        after(w, fragment(9, 8, true, 17, &[0; 8]), fragment(9, 8, true, 17, &[0; 8]))
    }),
    case("fragments_of_an_unknown_protocol", Drop::Ipv4UnknownProtocol, |w| {
        let mut shot =
            after(w, fragment(10, 8, false, 99, b"the end"), fragment(10, 0, true, 99, b"01234567"));
        // What is quoted is the datagram that came together.
        let mut whole = packet(99, b"01234567the end");
        whole[4..6].copy_from_slice(&10u16.to_be_bytes());
        shot.answers = unreachable(seal_ip(whole), Unreachable::Protocol).answers;
        shot
    }),
];

/// A second packet, after one that is taken without a word.
fn after(world: &mut World, first: Vec<u8>, second: Vec<u8>) -> Shot {
    assert_eq!(world.give(&ip_frame(&first)), []);
    silent_ip(second)
}

fn ping() -> Vec<u8> {
    ip_frame(&pinging())
}

fn pinging() -> Vec<u8> {
    packet(1, &echo(1, 1, &[0x61; 40]))
}

fn from(src: [u8; 4]) -> Shot {
    silent_ip(packet_from(src.into(), US, 1, &echo(1, 1, &[0x61; 40])))
}

fn to(dst: [u8; 4]) -> Shot {
    silent_ip(packet_from(PEER, dst.into(), 1, &echo(1, 1, &[0x61; 40])))
}

fn readdressed(dst: Mac, src: Mac) -> Vec<u8> {
    ethernet(dst, src, 0x0800, &pinging())
}

fn with_byte(mut packet: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    packet[at] = value;
    packet
}

fn with_right_fcs(mut frame: Vec<u8>) -> Vec<u8> {
    frame.extend(fcs::of(&frame));
    frame
}

fn request() -> Vec<u8> {
    arp(1, PEER_MAC, PEER, Mac::ZERO, US)
}

fn arp_changed(at: usize, value: u8) -> Vec<u8> {
    arp_frame(PEER_MAC, &with_byte(request(), at, value))
}

fn arp_from(sender: Mac, ip: Ipv4Addr) -> Vec<u8> {
    arp_frame(PEER_MAC, &arp(1, sender, ip, Mac::ZERO, US))
}

fn arp_of(sender: [u8; 4]) -> Vec<u8> {
    arp_frame(PEER_MAC, &arp(1, PEER_MAC, sender.into(), Mac::ZERO, US))
}
