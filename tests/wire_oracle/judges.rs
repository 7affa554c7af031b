//! One packet before two judges, and where they differ.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire as theirs;
use taphouse::drops::Drop;
use taphouse::wire::arp::{self, Operation};
use taphouse::wire::ethernet;
use taphouse::wire::icmpv4::Message;
use taphouse::wire::ipv4;
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{self, Flags, Segment};
use taphouse::wire::tcp_options::Options;

use super::values::{A, B};

/// Where the two disagree about what is well-formed, and why that is all right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// An ARP operation other than request and reply: smoltcp hands it on as unknown, we refuse it here.
    ArpOperation,
    /// IPv4 options: smoltcp never looks at them; we walk them, because a source route must be found.
    Ipv4Options,
    /// ICMP types and codes that smoltcp has no value for: we hand them on, to be counted or understood.
    IcmpKind,
    /// An ICMP error whose quotation is not a whole packet (RFC 792 quotes 8 bytes of it): smoltcp refuses the
    /// message, unless the quoted total length is short too; we judge the quotation when it is used.
    IcmpQuote,
    /// SYN, FIN and RST together: smoltcp's parser refuses two of them; we read bits here, and the stack
    /// judges them.
    TcpFlags,
    /// A timestamps option whose length is not 10: unknown to smoltcp, impossible to us (RFC 9293 MUST-7).
    TcpTimestampsLength,
}

// --- one packet before both judges -------------------------------------------------------------------------

/// Both read an Ethernet header.
pub(crate) fn judge_ethernet(bytes: &[u8]) -> Option<Difference> {
    let ours = ethernet::Header::parse(bytes);
    let frame = theirs::EthernetFrame::new_checked(bytes);
    match (ours, frame) {
        (Err(_), Err(_)) => {}
        (Ok((header, payload)), Ok(frame)) => {
            assert_eq!(header.dst.0, frame.dst_addr().0);
            assert_eq!(header.src.0, frame.src_addr().0);
            assert_eq!(u16::from(header.ether_type), u16::from(frame.ethertype()));
            assert_eq!(payload, frame.payload());
            assert_eq!(header.src.is_group(), frame.src_addr().is_multicast());
        }
        (ours, _) => panic!("only one of us accepts this frame, we say {ours:?}: {bytes:02x?}"),
    }
    None
}

pub(crate) fn judge_arp(bytes: &[u8]) -> Option<Difference> {
    let ours = arp::Packet::parse(bytes);
    let repr = theirs::ArpPacket::new_checked(bytes).and_then(|p| theirs::ArpRepr::parse(&p));
    match (ours, repr) {
        (Err(_), Err(_)) => None,
        (Ok(packet), Ok(repr)) => {
            assert_eq!(repr, arp_repr(&packet));
            None
        }
        (Err(Drop::ArpBadOperation), Ok(_)) => Some(Difference::ArpOperation),
        other => panic!("{other:?}: {bytes:02x?}"),
    }
}

pub(crate) fn judge_ipv4(bytes: &[u8]) -> Option<Difference> {
    let ours = ipv4::Packet::parse(bytes);
    let packet = theirs::Ipv4Packet::new_checked(bytes).and_then(|packet| {
        theirs::Ipv4Repr::parse(&packet, &ChecksumCapabilities::default()).map(|repr| (packet, repr))
    });
    match (ours, packet) {
        (Err(_), Err(_)) => None,
        (Ok(ours), Ok((packet, repr))) => {
            assert_eq!(ours.header, ipv4_header(&packet));
            assert_eq!(ours.header_len, usize::from(packet.header_len()));
            assert_eq!(ours.total_len, usize::from(packet.total_len()));
            assert_eq!(ours.total_len - ours.header_len, repr.payload_len);
            assert_eq!(&bytes[ours.header_len..ours.total_len], packet.payload());
            None
        }
        (Err(Drop::Ipv4BadOptions), Ok((packet, _))) if packet.header_len() > 20 => {
            Some(Difference::Ipv4Options)
        }
        other => panic!("{other:?}: {bytes:02x?}"),
    }
}

pub(crate) fn judge_icmp(bytes: &[u8]) -> Option<Difference> {
    let ours = Message::parse(bytes);
    let packet = theirs::Icmpv4Packet::new_checked(bytes);
    let repr = packet.and_then(|p| theirs::Icmpv4Repr::parse(&p, &ChecksumCapabilities::default()));
    match (ours, repr) {
        (Err(_), Err(_)) => None,
        (Ok((Message::EchoRequest { id, seq }, rest)), Ok(repr)) => {
            assert_eq!(repr, theirs::Icmpv4Repr::EchoRequest { ident: id, seq_no: seq, data: rest });
            None
        }
        (Ok((Message::EchoReply { id, seq }, rest)), Ok(repr)) => {
            assert_eq!(repr, theirs::Icmpv4Repr::EchoReply { ident: id, seq_no: seq, data: rest });
            None
        }
        (Ok((Message::Unreachable { code, .. }, rest)), Ok(repr)) => {
            let theirs::Icmpv4Repr::DstUnreachable { reason, header, data } = repr else {
                panic!("{repr:?}")
            };
            assert_eq!(u8::from(code), u8::from(reason));
            assert_quote(rest, &header, data);
            None
        }
        (Ok((Message::TimeExceeded { code }, rest)), Ok(repr)) => {
            let theirs::Icmpv4Repr::TimeExceeded { reason, header, data } = repr else { panic!("{repr:?}") };
            assert_eq!(code, u8::from(reason));
            assert_quote(rest, &header, data);
            None
        }
        (Ok((Message::Other { .. } | Message::ParameterProblem { .. }, _)), Err(_)) => {
            Some(Difference::IcmpKind)
        }
        (Ok((Message::Unreachable { .. } | Message::TimeExceeded { .. }, rest)), Err(_)) => {
            let is_whole = theirs::Ipv4Packet::new_checked(rest)
                .is_ok_and(|p| rest.len() >= usize::from(p.header_len()) + 8);
            assert!(!is_whole, "they refuse a whole quotation: {bytes:02x?}");
            Some(Difference::IcmpQuote)
        }
        other => panic!("{other:?}: {bytes:02x?}"),
    }
}

/// A quotation that smoltcp takes is one whose header we read alike; the version is not its business.
pub(crate) fn assert_quote(rest: &[u8], header: &theirs::Ipv4Repr, data: &[u8]) {
    match ipv4::Packet::parse_quote(rest) {
        Ok((quoted, transport)) => {
            assert_eq!(
                (quoted.src, quoted.dst, quoted.ttl),
                (header.src_addr, header.dst_addr, header.hop_limit)
            );
            assert_eq!(quoted.protocol, u8::from(header.next_header));
            assert_eq!(transport, data);
        }
        Err(drop) => assert!(drop == Drop::IcmpBadQuote && rest[0] >> 4 != 4, "{rest:02x?}"),
    }
}

pub(crate) fn judge_tcp(bytes: &[u8]) -> Option<Difference> {
    let ours = Segment::parse(A, B, bytes);
    let packet = theirs::TcpPacket::new_checked(bytes);
    let repr = packet.and_then(|p| {
        theirs::TcpRepr::parse(&p, &A.into(), &B.into(), &ChecksumCapabilities::default())
            .map(|repr| (p, repr))
    });
    match (ours, repr) {
        (Err(_), Err(_)) => None,
        (Ok(segment), Ok((packet, repr))) => {
            assert_eq!(segment.header, tcp_header(&packet));
            assert_options(&segment.options, &repr);
            assert_eq!(&bytes[segment.header_len..], repr.payload);
            None
        }
        (Ok(segment), Err(_)) => {
            let controls = segment.header.flags.0 & (Flags::SYN | Flags::FIN | Flags::RST).0;
            assert!(controls.count_ones() > 1, "{segment:?}: {bytes:02x?}");
            Some(Difference::TcpFlags)
        }
        (Err(Drop::TcpBadOptions), Ok((packet, _))) => {
            assert!(has_odd_timestamps(packet.options()), "{bytes:02x?}");
            Some(Difference::TcpTimestampsLength)
        }
        other => panic!("{other:?}: {bytes:02x?}"),
    }
}

pub(crate) fn has_odd_timestamps(mut area: &[u8]) -> bool {
    while let Ok((rest, option)) = theirs::TcpOption::parse(area) {
        match option {
            theirs::TcpOption::Unknown { kind: 8, data } if data.len() != 8 => return true,
            theirs::TcpOption::EndOfList => return false,
            _ => area = rest,
        }
    }
    false
}

pub(crate) fn assert_options(ours: &Options, repr: &theirs::TcpRepr<'_>) {
    assert_eq!(ours.mss, repr.max_seg_size);
    // smoltcp caps the shift while parsing; we do so when the handshake is judged (RFC 7323 2.3).
    assert_eq!(ours.window_scale.map(|shift| shift.min(14)), repr.window_scale);
    assert_eq!(ours.sack_permitted, repr.sack_permitted);
    assert_eq!(ours.timestamps, repr.timestamp.map(|t| (t.tsval, t.tsecr)));
    // smoltcp keeps three blocks of the four that an option may hold.
    let blocks: Vec<_> = ours.sack.as_slice().iter().take(3).map(|(l, r)| (l.0, r.0)).collect();
    assert_eq!(blocks, repr.sack_ranges.iter().flatten().copied().collect::<Vec<_>>());
}

// --- the same values in both languages ---------------------------------------------------------------------

pub(crate) fn arp_repr(packet: &arp::Packet) -> theirs::ArpRepr {
    theirs::ArpRepr::EthernetIpv4 {
        operation: match packet.operation {
            Operation::Request => theirs::ArpOperation::Request,
            Operation::Reply => theirs::ArpOperation::Reply,
        },
        source_hardware_addr: theirs::EthernetAddress(packet.sender_mac.0),
        source_protocol_addr: packet.sender_ip,
        target_hardware_addr: theirs::EthernetAddress(packet.target_mac.0),
        target_protocol_addr: packet.target_ip,
    }
}

pub(crate) fn ipv4_header(packet: &theirs::Ipv4Packet<&[u8]>) -> ipv4::Header {
    ipv4::Header {
        dscp: packet.dscp(),
        ecn: packet.ecn(),
        id: packet.ident(),
        dont_fragment: packet.dont_frag(),
        more_fragments: packet.more_frags(),
        fragment_offset: packet.frag_offset(),
        ttl: packet.hop_limit(),
        protocol: packet.next_header().into(),
        src: packet.src_addr(),
        dst: packet.dst_addr(),
    }
}

pub(crate) fn tcp_header(packet: &theirs::TcpPacket<&[u8]>) -> tcp::Header {
    let bits = [
        packet.fin(),
        packet.syn(),
        packet.rst(),
        packet.psh(),
        packet.ack(),
        packet.urg(),
        packet.ece(),
        packet.cwr(),
    ];
    tcp::Header {
        src_port: packet.src_port(),
        dst_port: packet.dst_port(),
        seq: SeqNum(packet.seq_number().0 as u32),
        ack: SeqNum(packet.ack_number().0 as u32),
        flags: Flags(bits.iter().enumerate().map(|(i, &on)| u8::from(on) << i).sum()),
        window: packet.window_len(),
        urgent: packet.urgent_at(),
    }
}
