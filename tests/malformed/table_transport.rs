//! The table above IPv4: ICMP, UDP, and TCP without a connection.

use taphouse::drops::Drop;
use taphouse::wire::icmpv4::Unreachable;
use taphouse::wire::tcp::Flags;

use super::build::*;
use super::case::{Case, Shot, case, ignored, refused, silent_ip, unreachable};

const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
const FIN: Flags = Flags::FIN;
const RST: Flags = Flags::RST;

pub(crate) const ICMP: &[Case] = &[
    case("icmp_empty", Drop::IcmpTruncated, |_| silent_ip(packet(1, b""))),
    case("icmp_7_bytes", Drop::IcmpTruncated, |_| silent_ip(packet(1, &echo(1, 1, b"")[..7]))),
    case("icmp_bad_checksum", Drop::IcmpBadChecksum, |_| {
        let mut message = echo(1, 1, b"data");
        message[9] ^= 1;
        silent_ip(packet(1, &message))
    }),
    case("icmp_checksum_zero", Drop::IcmpBadChecksum, |_| {
        let mut message = echo(1, 1, b"data");
        message[2..4].fill(0);
        silent_ip(packet(1, &message))
    }),
    case("icmp_redirect", Drop::IcmpUnknownType, |_| error(5, 1, &ours(6, &[0; 8]))),
    case("icmp_source_quench", Drop::IcmpUnknownType, |_| error(4, 0, &ours(6, &[0; 8]))),
    case("icmp_router_advertisement", Drop::IcmpUnknownType, |_| {
        silent_ip(packet(1, &icmp(9, 0, 0, &[0; 8])))
    }),
    case("icmp_timestamp_request", Drop::IcmpUnknownType, |_| {
        silent_ip(packet(1, &icmp(13, 0, 1, &[0; 12])))
    }),
    case("icmp_mask_request", Drop::IcmpUnknownType, |_| silent_ip(packet(1, &icmp(17, 0, 1, &[0; 4])))),
    case("icmp_type_255", Drop::IcmpUnknownType, |_| silent_ip(packet(1, &icmp(255, 255, 0, &[0; 8])))),
    case("icmp_echo_with_code", Drop::IcmpUnknownType, |_| silent_ip(packet(1, &icmp(8, 1, 1, b"data")))),
    case("icmp_reply_unasked", Drop::IcmpUnexpectedReply, |_| silent_ip(packet(1, &icmp(0, 0, 1, b"data")))),
    // Smurf.
    case("icmp_echo_to_subnet_broadcast", Drop::IcmpBroadcast, |_| {
        silent_ip(packet_from(PEER, BROADCAST, 1, &echo(1, 1, b"data")))
    }),
    case("icmp_echo_to_limited_broadcast", Drop::IcmpBroadcast, |_| {
        silent_ip(packet_from(PEER, [255; 4].into(), 1, &echo(1, 1, b"data")))
    }),
    case("icmp_echo_to_network", Drop::IcmpBroadcast, |_| {
        silent_ip(packet_from(PEER, [192, 0, 2, 0].into(), 1, &echo(1, 1, b"data")))
    }),
    case("icmp_error_without_quote", Drop::IcmpBadQuote, |_| error(3, 3, b"")),
    case("icmp_quote_of_19_bytes", Drop::IcmpBadQuote, |_| error(3, 3, &ours(6, &[0; 8])[..19])),
    case("icmp_quote_of_version_6", Drop::IcmpBadQuote, |_| error(11, 0, &[0x60; 48])),
    case("icmp_quote_header_of_16_bytes", Drop::IcmpBadQuote, |_| {
        error(12, 0, &patched(ours(6, &[0; 8]), 0, 0x44))
    }),
    case("icmp_quote_header_past_the_end", Drop::IcmpBadQuote, |_| {
        error(3, 0, &patched(ours(6, &[0; 8]), 0, 0x4f))
    }),
    case("icmp_quote_with_7_bytes_of_tcp", Drop::IcmpBadQuote, |_| error(3, 1, &ours(6, &[0; 7]))),
    case("icmp_about_another_host", Drop::IcmpUnmatchedError, |_| {
        error(3, 3, &packet_from(OTHER, PEER, 6, &[0; 8]))
    }),
    case("icmp_about_udp", Drop::IcmpUnmatchedError, |_| error(3, 3, &ours(17, &[0; 8]))),
    case("icmp_about_no_connection", Drop::IcmpUnmatchedError, |_| {
        error(3, 3, &ours(6, &[0, 80, 1, 2, 0, 0, 0, 0]))
    }),
    case("icmp_about_a_half_open_connection", Drop::IcmpUnmatchedError, |w| {
        let conn = w.half_open();
        about(&conn, conn.ack.wrapping_sub(1))
    }),
    // RFC 5927 4.1: only what is in flight can have met trouble.
    case("icmp_about_what_was_not_sent_yet", Drop::IcmpUnmatchedError, |w| {
        let conn = w.open();
        about(&conn, conn.ack.wrapping_add(1000))
    }),
    case("icmp_about_what_was_acknowledged", Drop::IcmpUnmatchedError, |w| {
        let conn = w.open();
        about(&conn, conn.ack.wrapping_sub(1))
    }),
];

pub(crate) const UDP: &[Case] = &[
    case("udp_empty", Drop::UdpTruncated, |_| silent_ip(packet(17, b""))),
    case("udp_7_bytes", Drop::UdpTruncated, |_| silent_ip(packet(17, &udp(US, 1, 53, b"")[..7]))),
    case("udp_length_past_the_end", Drop::UdpTruncated, |_| udp_with(4, &[0, 13])),
    case("udp_length_of_7", Drop::UdpTruncated, |_| udp_with(4, &[0, 7])),
    case("udp_length_zero", Drop::UdpTruncated, |_| udp_with(4, &[0, 0])),
    case("udp_bad_checksum", Drop::UdpBadChecksum, |_| udp_with(9, b"X")),
    case("udp_without_listener", Drop::UdpNoListener, |_| {
        unreachable(packet(17, &udp(US, 1, 53, b"data")), Unreachable::Port)
    }),
    case("udp_without_checksum", Drop::UdpNoListener, |_| {
        let mut datagram = udp(US, 1, 53, b"data");
        datagram[6..8].fill(0);
        unreachable(packet(17, &datagram), Unreachable::Port)
    }),
    case("udp_to_port_zero_empty", Drop::UdpNoListener, |_| {
        unreachable(packet(17, &udp(US, 0, 0, b"")), Unreachable::Port)
    }),
    case("udp_with_options", Drop::UdpNoListener, |_| {
        unreachable(with_options(packet(17, &udp(US, 1, 53, b"data")), &[1, 1, 1, 0]), Unreachable::Port)
    }),
    case("udp_to_subnet_broadcast", Drop::UdpBroadcast, |_| {
        silent_ip(packet_from(PEER, BROADCAST, 17, &udp(BROADCAST, 68, 67, b"data")))
    }),
    case("udp_to_limited_broadcast", Drop::UdpBroadcast, |_| {
        silent_ip(packet_from(PEER, [255; 4].into(), 17, &udp([255; 4].into(), 68, 67, b"data")))
    }),
];

pub(crate) const TCP: &[Case] = &[
    case("tcp_empty", Drop::TcpTruncated, |_| silent_ip(packet(6, b""))),
    case("tcp_19_bytes", Drop::TcpTruncated, |_| silent_ip(packet(6, &syn(&[])[..19]))),
    case("tcp_offset_4", Drop::TcpBadOffset, |_| syn_with(12, 0x40)),
    case("tcp_offset_0", Drop::TcpBadOffset, |_| syn_with(12, 0)),
    case("tcp_offset_past_the_segment", Drop::TcpBadOffset, |_| syn_with(12, 0xf0)),
    case("tcp_bad_checksum", Drop::TcpBadChecksum, |_| {
        let mut segment = syn(&[]);
        segment[16] ^= 0x80;
        silent_ip(packet(6, &segment))
    }),
    case("tcp_checksum_zero", Drop::TcpBadChecksum, |_| {
        let mut segment = syn(&[]);
        segment[16..18].fill(0);
        silent_ip(packet(6, &segment))
    }),
    case("tcp_checksum_for_another_host", Drop::TcpBadChecksum, |_| {
        silent_ip(packet(6, &seal_tcp(OTHER, US, syn(&[]))))
    }),
    case("tcp_cut_short", Drop::TcpBadChecksum, |_| silent_ip(packet(6, &syn(&[2, 4, 5, 0xb4])[..22]))),
    case("tcp_option_of_length_0", Drop::TcpBadOptions, |_| silent_ip(packet(6, &syn(&[2, 0, 5, 0xb4])))),
    case("tcp_option_of_length_1", Drop::TcpBadOptions, |_| silent_ip(packet(6, &syn(&[254, 1, 0, 0])))),
    case("tcp_mss_of_3_bytes", Drop::TcpBadOptions, |_| silent_ip(packet(6, &syn(&[2, 3, 5, 0])))),
    case("tcp_window_scale_of_4_bytes", Drop::TcpBadOptions, |_| silent_ip(packet(6, &syn(&[3, 4, 1, 0])))),
    case("tcp_sack_of_9_bytes", Drop::TcpBadOptions, |_| {
        silent_ip(packet(6, &syn(&[5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])))
    }),
    case("tcp_timestamps_of_6_bytes", Drop::TcpBadOptions, |_| {
        silent_ip(packet(6, &syn(&[8, 6, 0, 0, 0, 1, 1, 1])))
    }),
    case("tcp_option_past_the_header", Drop::TcpBadOptions, |_| silent_ip(packet(6, &syn(&[1, 1, 2, 4])))),
    case("tcp_option_without_length", Drop::TcpBadOptions, |_| silent_ip(packet(6, &syn(&[1, 1, 1, 2])))),
    case("tcp_from_port_zero", Drop::TcpPortZero, |_| {
        silent_ip(packet(6, &segment(0, 80, SYN, 1, 0, &[], b"")))
    }),
    case("tcp_to_port_zero", Drop::TcpPortZero, |_| {
        silent_ip(packet(6, &segment(3999, 0, SYN, 1, 0, &[], b"")))
    }),
    case("tcp_null_scan", Drop::TcpBadFlags, |_| ignored(80, Flags(0))),
    case("tcp_push_and_urgent_alone", Drop::TcpBadFlags, |_| ignored(81, Flags::PSH | Flags::URG)),
    case("tcp_syn_fin", Drop::TcpBadFlags, |_| ignored(80, SYN | FIN)),
    case("tcp_syn_rst", Drop::TcpBadFlags, |_| ignored(80, SYN | RST)),
    case("tcp_every_flag", Drop::TcpBadFlags, |_| ignored(80, Flags(0xff))),
    case("tcp_to_subnet_broadcast", Drop::TcpBroadcast, |_| {
        silent_ip(packet_from(PEER, BROADCAST, 6, &seal_tcp(PEER, BROADCAST, syn(&[]))))
    }),
    case("tcp_to_limited_broadcast", Drop::TcpBroadcast, |_| {
        silent_ip(packet_from(PEER, [255; 4].into(), 6, &seal_tcp(PEER, [255; 4].into(), syn(&[]))))
    }),
    // RFC 9293 3.10.7.1: the RST takes its numbers from the segment (seq 700, ack 900).
    case("tcp_syn_to_closed_port", Drop::TcpNoListener, |_| refused(81, SYN, b"", (RST | ACK, 0, 701))),
    case("tcp_syn_with_data_to_closed_port", Drop::TcpNoListener, |_| {
        refused(81, SYN, b"four", (RST | ACK, 0, 705))
    }),
    case("tcp_ack_to_closed_port", Drop::TcpNoListener, |_| refused(81, ACK, b"data", (RST, 900, 0))),
    case("tcp_syn_ack_to_closed_port", Drop::TcpNoListener, |_| refused(81, SYN | ACK, b"", (RST, 900, 0))),
    case("tcp_fin_to_closed_port", Drop::TcpNoListener, |_| refused(81, FIN, b"ab", (RST | ACK, 0, 703))),
    case("tcp_xmas_to_closed_port", Drop::TcpNoListener, |_| {
        refused(81, FIN | Flags::PSH | Flags::URG, b"", (RST | ACK, 0, 701))
    }),
    case("tcp_rst_to_closed_port", Drop::TcpResetUnmatched, |_| ignored(81, RST)),
    case("tcp_rst_ack_to_closed_port", Drop::TcpResetUnmatched, |_| ignored(81, RST | ACK)),
    case("tcp_rst_to_listener", Drop::TcpResetUnmatched, |_| ignored(80, RST)),
    case("tcp_ack_to_listener", Drop::TcpAckUnmatched, |_| refused(80, ACK, b"", (RST, 900, 0))),
    case("tcp_syn_ack_to_listener", Drop::TcpAckUnmatched, |_| refused(80, SYN | ACK, b"", (RST, 900, 0))),
    case("tcp_fin_ack_to_listener", Drop::TcpAckUnmatched, |_| refused(80, FIN | ACK, b"xy", (RST, 900, 0))),
    case("tcp_fin_to_listener", Drop::TcpNoAck, |_| ignored(80, FIN)),
];

/// An ICMP error of the peer that quotes this.
fn error(kind: u8, code: u8, quoted: &[u8]) -> Shot {
    silent_ip(packet(1, &icmp(kind, code, 0, quoted)))
}

/// A packet that we could have sent.
fn ours(protocol: u8, payload: &[u8]) -> Vec<u8> {
    packet_from(US, PEER, protocol, payload)
}

/// Port unreachable about our segment with this sequence number.
fn about(conn: &super::harness::Conn, seq: u32) -> Shot {
    let mut head = [conn.local.to_be_bytes(), conn.port.to_be_bytes()].concat();
    head.extend(seq.to_be_bytes());
    error(3, 3, &ours(6, &head))
}

fn udp_with(at: usize, bytes: &[u8]) -> Shot {
    let mut datagram = udp(US, 1, 53, b"data");
    datagram[at..at + bytes.len()].copy_from_slice(bytes);
    silent_ip(packet(17, &datagram))
}

/// A SYN to the listener, from a port that no connection has.
fn syn(options: &[u8]) -> Vec<u8> {
    segment(3999, 80, SYN, 700, 0, options, b"")
}

fn syn_with(at: usize, value: u8) -> Shot {
    let mut segment = syn(&[]);
    segment[at] = value;
    silent_ip(packet(6, &seal_tcp(PEER, US, segment)))
}
