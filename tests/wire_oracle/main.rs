//! The formats of `wire/` against an independent reader and writer: smoltcp's `wire` module.
//!
//! What we emit, smoltcp must parse to the same values with a right checksum, and the other way round. On bytes
//! that nobody emitted, neither may panic, and the two must agree whether to accept them; where they do not,
//! the difference is a [`judges::Difference`], which says why.

mod judges;
mod values;

use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire as theirs;
use taphouse::drops::Drop;
use taphouse::wire::arp::{self, Operation};
use taphouse::wire::checksum::checksum;
use taphouse::wire::ethernet::{self, EtherType, Mac};
use taphouse::wire::icmpv4::{Message, Unreachable};
use taphouse::wire::ipv4;
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{self, Flags, Segment};
use taphouse::wire::tcp_options::Options;

use judges::*;
use values::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    // --- what we emit, read by both, and what it comes back as -----------------------------------------------

    #[test]
    fn our_ethernet_and_arp_are_read_alike(header in ethernet_header(), packet in arp_packet(), rest in bytes(64)) {
        let frame = emit_ethernet(&header, &rest);
        prop_assert_eq!(ethernet::Header::parse(&frame).unwrap(), (header, &rest[..]));
        prop_assert_eq!(judge_ethernet(&frame), None);
        let emitted = emit_arp(&packet);
        prop_assert_eq!(arp::Packet::parse(&emitted), Ok(packet));
        prop_assert_eq!(judge_arp(&emitted), None);
    }

    #[test]
    fn our_ipv4_is_read_alike(header in any_ipv4(), payload in bytes(64)) {
        let packet = emit_ipv4(&header, &payload);
        prop_assert_eq!(ipv4::Packet::parse(&packet).unwrap().header, header);
        prop_assert!(theirs::Ipv4Packet::new_checked(&packet[..]).unwrap().verify_checksum());
        prop_assert_eq!(judge_ipv4(&packet), None);
    }

    #[test]
    fn our_icmp_is_read_alike(message in icmp_message(), about in any_ipv4(), data in bytes(80)) {
        let rest = match message {
            Message::Unreachable { .. } | Message::TimeExceeded { .. } => emit_ipv4(&about, &data),
            _ => data.clone(),
        };
        let packet = emit_icmp(&message, &rest);
        prop_assert_eq!(Message::parse(&packet), Ok((message, &rest[..])));
        prop_assert!(theirs::Icmpv4Packet::new_checked(&packet[..]).unwrap().verify_checksum());
        let expected = match message {
            Message::Other { .. } | Message::ParameterProblem { .. } => Some(Difference::IcmpKind),
            Message::Unreachable { .. } | Message::TimeExceeded { .. } if data.len() < 8 => Some(Difference::IcmpQuote),
            _ => None,
        };
        prop_assert_eq!(judge_icmp(&packet), expected);
    }

    #[test]
    fn our_tcp_is_read_alike(header in any_tcp(), options in tcp_options(), payload in bytes(64)) {
        let packet = emit_tcp(&header, &options, &payload);
        let header_len = packet.len() - payload.len();
        prop_assert_eq!(Segment::parse(A, B, &packet), Ok(Segment { header, options, header_len }));
        let read = theirs::TcpPacket::new_checked(&packet[..]).unwrap();
        prop_assert!(read.verify_checksum(&A.into(), &B.into()));
        prop_assert_eq!(tcp_header(&read), header);
        judge_tcp(&packet);
    }

    // --- what they emit, read by us ---------------------------------------------------------------------------

    #[test]
    fn their_ethernet_and_arp_are_read_alike(header in ethernet_header(), packet in arp_packet()) {
        let repr = theirs::EthernetRepr {
            dst_addr: theirs::EthernetAddress(header.dst.0),
            src_addr: theirs::EthernetAddress(header.src.0),
            ethertype: u16::from(header.ether_type).into(),
        };
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut theirs::EthernetFrame::new_unchecked(&mut out));
        prop_assert_eq!(ethernet::Header::parse(&out).unwrap().0, header);
        let repr = arp_repr(&packet);
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut theirs::ArpPacket::new_unchecked(&mut out));
        prop_assert_eq!(arp::Packet::parse(&out), Ok(packet));
    }

    #[test]
    fn their_ipv4_is_read_alike(header in any_ipv4(), payload in bytes(64)) {
        let mut out = vec![0; 20 + payload.len()];
        out[20..].copy_from_slice(&payload);
        let mut packet = theirs::Ipv4Packet::new_unchecked(&mut out);
        packet.set_version(4);
        packet.set_header_len(20);
        packet.set_total_len(20 + payload.len() as u16);
        packet.clear_flags();
        packet.set_dscp(header.dscp);
        packet.set_ecn(header.ecn);
        packet.set_ident(header.id);
        packet.set_dont_frag(header.dont_fragment);
        packet.set_more_frags(header.more_fragments);
        packet.set_frag_offset(header.fragment_offset);
        packet.set_hop_limit(header.ttl);
        packet.set_next_header(header.protocol.into());
        packet.set_src_addr(header.src);
        packet.set_dst_addr(header.dst);
        packet.fill_checksum();
        prop_assert_eq!(ipv4::Packet::parse(&out).unwrap().header, header);
        prop_assert_eq!(emit_ipv4(&header, &payload), out, "byte for byte");
    }

    #[test]
    fn their_icmp_is_read_alike(kind in 0usize..4, code: u8, id: u16, seq: u16, about in any_ipv4(), data in bytes(80)) {
        let quoted = theirs::Ipv4Repr {
            src_addr: about.src, dst_addr: about.dst, next_header: about.protocol.into(),
            payload_len: data.len(), hop_limit: about.ttl,
        };
        let (repr, expected) = match kind {
            0 => (theirs::Icmpv4Repr::EchoRequest { ident: id, seq_no: seq, data: &data }, Message::EchoRequest { id, seq }),
            1 => (theirs::Icmpv4Repr::EchoReply { ident: id, seq_no: seq, data: &data }, Message::EchoReply { id, seq }),
            2 => (
                theirs::Icmpv4Repr::DstUnreachable { reason: code.into(), header: quoted, data: &data },
                Message::Unreachable { code: code.into(), mtu: 0 },
            ),
            _ => (
                theirs::Icmpv4Repr::TimeExceeded { reason: code.into(), header: quoted, data: &data },
                Message::TimeExceeded { code },
            ),
        };
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut theirs::Icmpv4Packet::new_unchecked(&mut out[..]), &ChecksumCapabilities::default());
        let (message, rest) = Message::parse(&out).unwrap();
        prop_assert_eq!(message, expected);
        prop_assert!(rest.ends_with(&data));
        if kind >= 2 {
            let (header, transport) = ipv4::Packet::parse_quote(rest).unwrap();
            prop_assert_eq!((header.src, header.dst, header.protocol), (about.src, about.dst, about.protocol));
            prop_assert_eq!(transport, &data[..]);
        }
    }

    #[test]
    fn their_tcp_is_read_alike(header in any_tcp(), options in tcp_options(), control in 0usize..5, acks: bool, payload in bytes(64)) {
        use theirs::TcpControl::{Fin, None as Plain, Psh, Rst, Syn};
        let mut sack_ranges = [None; 3];
        let blocks = options.sack.as_slice().iter().take(2).map(|(l, r)| (l.0, r.0));
        sack_ranges.iter_mut().zip(blocks).for_each(|(slot, block)| *slot = Some(block));
        let repr = theirs::TcpRepr {
            src_port: header.src_port,
            dst_port: header.dst_port,
            control: [Plain, Psh, Syn, Fin, Rst][control],
            seq_number: theirs::TcpSeqNumber(header.seq.0 as i32),
            ack_number: acks.then_some(theirs::TcpSeqNumber(header.ack.0 as i32)),
            window_len: header.window,
            window_scale: options.window_scale,
            max_seg_size: options.mss,
            sack_permitted: options.sack_permitted,
            // They send blocks in segments with an ACK and without SACK-permitted only.
            sack_ranges: if acks && !options.sack_permitted { sack_ranges } else { [None; 3] },
            timestamp: options.timestamps.map(|(value, echo)| theirs::TcpTimestampRepr::new(value, echo)),
            payload: &payload,
        };
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut theirs::TcpPacket::new_unchecked(&mut out[..]), &A.into(), &B.into(), &ChecksumCapabilities::default());
        let segment = Segment::parse(A, B, &out).unwrap();
        prop_assert_eq!(segment.options.window_scale, options.window_scale);
        let capped = theirs::TcpRepr { window_scale: repr.window_scale.map(|s| s.min(14)), ..repr };
        assert_options(&segment.options, &capped);
        let bits = [Flags(0), Flags::PSH, Flags::SYN, Flags::FIN, Flags::RST][control];
        let flags = if acks { bits | Flags::ACK } else { bits };
        let ack = if acks { header.ack } else { SeqNum(0) };
        prop_assert_eq!(segment.header, tcp::Header { flags, ack, urgent: 0, ..header });
        prop_assert_eq!(&out[segment.header_len..], &payload[..]);
    }

    // --- what nobody should emit --------------------------------------------------------------------------------

    #[test]
    fn damaged_packets_are_judged_alike(
        damage in damage(), ethernet in ethernet_header(), arp in arp_packet(), ip in any_ipv4(),
        message in icmp_message(), header in any_tcp(), options in tcp_options(), area in bytes(40), payload in bytes(48),
    ) {
        judge_ethernet(&damage.apply(emit_ethernet(&ethernet, &payload), |_| ()));
        judge_arp(&damage.apply(emit_arp(&arp), |_| ()));
        judge_ipv4(&damage.apply(emit_ipv4(&ip, &payload), seal_ipv4));
        judge_icmp(&damage.apply(emit_icmp(&message, &emit_ipv4(&ip, &payload)), seal_icmp));
        judge_tcp(&damage.apply(emit_tcp(&header, &options, &payload), seal_tcp));
        // Options of any content, for IPv4 and TCP.
        let area = &area[..area.len() & !3];
        let mut packet = emit_ipv4(&ip, &[area, &payload[..]].concat());
        packet[0] += (area.len() / 4) as u8;
        judge_ipv4(&damage.apply(packet, seal_ipv4));
        let mut packet = emit_tcp(&header, &Options::default(), &[area, &payload[..]].concat());
        packet[12] += (area.len() as u8 / 4) << 4;
        seal_tcp(&mut packet);
        judge_tcp(&packet);
        judge_tcp(&damage.apply(packet, seal_tcp));
    }

    #[test]
    fn random_bytes_are_judged_alike(mut random in bytes(120)) {
        judge_ethernet(&random);
        judge_arp(&random);
        for seal in [|_: &mut [u8]| (), seal_ipv4, seal_icmp, seal_tcp] {
            seal(&mut random);
            judge_ipv4(&random);
            judge_icmp(&random);
            judge_tcp(&random);
            let _ = ipv4::Packet::parse_quote(&random);
        }
    }
}

#[test]
fn every_prefix_of_a_valid_frame_is_refused() {
    let header = tcp::Header {
        src_port: 4000,
        dst_port: 80,
        seq: SeqNum(7),
        ack: SeqNum(9),
        flags: Flags::ACK | Flags::PSH,
        window: 1000,
        urgent: 0,
    };
    let options =
        Options { mss: Some(1460), window_scale: Some(4), timestamps: Some((1, 2)), ..Options::default() };
    let segment = emit_tcp(&header, &options, b"some data");
    let echo = emit_icmp(&Message::EchoRequest { id: 3, seq: 4 }, b"more data");
    let arp = arp::Packet {
        operation: Operation::Request,
        sender_mac: Mac::local(1),
        sender_ip: A,
        target_mac: Mac::ZERO,
        target_ip: B,
    };
    let ip = |protocol, payload: &[u8]| emit_ipv4(&ipv4::Header::new(protocol, A, B), payload);
    let frame = |kind, payload: &[u8]| {
        emit_ethernet(&ethernet::Header { dst: Mac::local(2), src: Mac::local(1), ether_type: kind }, payload)
    };
    // A frame is good when every layer of it is.
    let read = |frame: &[u8]| -> Result<(), Drop> {
        let (header, payload) = ethernet::Header::parse(frame)?;
        if header.ether_type == EtherType::Arp {
            return arp::Packet::parse(payload).map(|_| ());
        }
        let packet = ipv4::Packet::parse(payload)?;
        let payload = &payload[packet.header_len..packet.total_len];
        match packet.header.protocol {
            6 => Segment::parse(A, B, payload).map(|_| ()),
            _ => Message::parse(payload).map(|_| ()),
        }
    };
    for whole in [
        frame(EtherType::Arp, &emit_arp(&arp)),
        frame(EtherType::Ipv4, &ip(6, &segment)),
        frame(EtherType::Ipv4, &ip(1, &echo)),
    ] {
        assert_eq!(read(&whole), Ok(()));
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_err(), "{len} of {whole:02x?}");
        }
    }
    // The transport alone: the checksum knows the length, or the header does.
    (0..segment.len()).for_each(|len| assert!(Segment::parse(A, B, &segment[..len]).is_err(), "{len}"));
    (0..echo.len()).for_each(|len| assert!(Message::parse(&echo[..len]).is_err(), "{len}"));
}

#[test]
fn every_difference_has_an_example() {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 3];
    arp.extend([0; 20]);
    assert_eq!(judge_arp(&arp), Some(Difference::ArpOperation));

    let mut ip = emit_ipv4(&ipv4::Header::new(6, A, B), &[7, 0, 0, 0]);
    ip[0] = 0x46;
    seal_ipv4(&mut ip);
    assert_eq!(judge_ipv4(&ip), Some(Difference::Ipv4Options));

    assert_eq!(
        judge_icmp(&emit_icmp(&Message::Other { kind: 5, code: 1 }, &[0; 28])),
        Some(Difference::IcmpKind)
    );

    // What a host sends about a packet of 1500 bytes: header and 8 bytes.
    let mut quote = emit_ipv4(&ipv4::Header::new(6, A, B), &[1; 8]);
    quote[2..4].copy_from_slice(&1500u16.to_be_bytes());
    seal_ipv4(&mut quote);
    let error = emit_icmp(&Message::Unreachable { code: Unreachable::Port, mtu: 0 }, &quote);
    assert_eq!(judge_icmp(&error), Some(Difference::IcmpQuote));

    let header = tcp::Header {
        src_port: 1,
        dst_port: 2,
        seq: SeqNum(0),
        ack: SeqNum(0),
        flags: Flags::SYN | Flags::FIN,
        window: 0,
        urgent: 0,
    };
    assert_eq!(judge_tcp(&emit_tcp(&header, &Options::default(), &[])), Some(Difference::TcpFlags));

    let header = tcp::Header { flags: Flags::SYN, ..header };
    let mut segment = emit_tcp(&header, &Options::default(), &[8, 3, 0, 0]);
    segment[12] = 6 << 4;
    seal_tcp(&mut segment);
    assert_eq!(judge_tcp(&segment), Some(Difference::TcpTimestampsLength));
}

#[test]
fn both_agree_on_the_sums() {
    let data: Vec<u8> = (0..=255).cycle().take(3001).collect();
    for len in [0, 1, 2, 3, 7, 8, 9, 1499, 1500, 3001] {
        assert_eq!(checksum(&data[..len]), !theirs_sum(&data[..len]), "{len}");
    }
}

fn theirs_sum(data: &[u8]) -> u16 {
    // smoltcp's own sum is private to its crate but for what it fills in.
    let mut out = vec![0; 8 + data.len()];
    out[8..].copy_from_slice(data);
    let mut packet = theirs::Icmpv4Packet::new_unchecked(&mut out[..]);
    packet.set_msg_type(theirs::Icmpv4Message::EchoReply);
    packet.fill_checksum();
    !packet.checksum()
}
