//! What ICMP must not answer (RFC 1122 3.2.2), and the echo that it must (3.2.2.6), whole and in fragments.

use std::net::SocketAddrV4;

use taphouse::drops::Drop;
use taphouse::wire::ethernet::Mac;
use taphouse::wire::icmpv4::{Message, Unreachable};
use taphouse::wire::ipv4;

use super::build::*;
use super::harness::{Answer, MTU, World};

/// RFC 1122 3.2.2: the five things about which no ICMP error is sent.
#[test]
fn icmp_errors_are_not_sent_about_what_must_not_be_answered() {
    let port = |dst| udp(dst, 1, 53, b"data");
    let group = [224, 0, 0, 5].into();
    let mut frames = Vec::new();
    // An ICMP error, whatever it says and quotes.
    for kind in [3, 4, 5, 11, 12] {
        for quoted in [packet_from(US, PEER, 17, &port(PEER)), packet_from(PEER, US, 99, &[0; 8]), vec![]] {
            frames.push(ip_frame(&packet(1, &icmp(kind, 0, 0, &quoted))));
        }
    }
    // A datagram to a broadcast or multicast address.
    for dst in [BROADCAST, [255; 4].into(), [192, 0, 2, 0].into(), group] {
        frames.push(ip_frame(&packet_from(PEER, dst, 17, &port(dst))));
        frames.push(ip_frame(&packet_from(PEER, dst, 99, &[0; 8])));
    }
    // A datagram in a broadcast or multicast frame.
    for station in [Mac::BROADCAST, Mac([1, 0, 0x5e, 0, 0, 5])] {
        frames.push(ethernet(station, PEER_MAC, 0x0800, &packet(17, &port(US))));
        frames.push(ethernet(station, PEER_MAC, 0x0800, &packet(99, &[0; 8])));
    }
    // A fragment that is not the first.
    frames.push(ip_frame(&fragment(1, 8, false, 17, &port(US))));
    frames.push(ip_frame(&fragment(2, 64, true, 99, &[0; 8])));
    // A source that is no single host.
    for src in
        [[0; 4], [127, 0, 0, 1], [255; 4], [224, 0, 0, 1], [240, 0, 0, 1], [192, 0, 2, 255], [192, 0, 2, 2]]
    {
        frames.push(ip_frame(&packet_from(src.into(), US, 17, &port(US))));
        frames.push(ip_frame(&packet_from(src.into(), US, 99, &[0; 8])));
    }
    for fcs in [false, true] {
        let mut world = World::new(fcs);
        for frame in &frames {
            assert_eq!(world.give(frame), [], "{frame:02x?}");
        }
        assert_eq!(world.stack.counters().icmp_errors_sent, 0);
    }
}

/// A whole datagram out of frames, every fragment verified on the way.
fn put_together(frames: &[Vec<u8>]) -> (ipv4::Header, Vec<u8>) {
    let mut data = Vec::new();
    let mut first = None;
    for (n, frame) in frames.iter().enumerate() {
        let bytes = &frame[14..];
        let parsed = ipv4::Packet::parse(bytes).expect("a good packet");
        let (header, is_last) = (parsed.header, n + 1 == frames.len());
        let payload = &bytes[parsed.header_len..parsed.total_len];
        assert!(parsed.total_len <= MTU);
        assert_eq!(usize::from(header.fragment_offset), data.len(), "they leave in order, without gaps");
        assert_eq!(header.more_fragments, !is_last);
        assert_eq!(header.dont_fragment, frames.len() == 1, "DF where nothing is cut");
        if !is_last {
            assert!(payload.len() % 8 == 0 && payload.len() > MTU - 20 - 8, "as full as can be");
        }
        let id = first.get_or_insert(header).id;
        assert_eq!((header.id, header.src, header.dst), (id, US, PEER));
        data.extend(payload);
    }
    (first.expect("at least one frame"), data)
}

/// The request, cut as small as a network might: pieces of `size` bytes of payload.
fn cut(message: &[u8], id: u16, size: usize) -> Vec<Vec<u8>> {
    if message.len() <= MTU - 20 {
        return vec![ip_frame(&packet(1, message))];
    }
    let pieces = message.chunks(size).enumerate();
    pieces
        .map(|(n, piece)| {
            let offset = n * size;
            ip_frame(&fragment(id, offset, offset + piece.len() < message.len(), 1, piece))
        })
        .collect()
}

#[test]
pub(crate) fn echo_of_every_size_comes_back_whole() {
    let sizes = (0..=64)
        .chain([100, 512, 1000, 1400])
        .chain(1460..=1490)
        .chain([2047, 2048, 2943, 2944, 2951, 2952, 2953, 2960, 4096, 8191, 9000, 16_384, 30_000, 32_768])
        .chain([50_001, 65_000, 65_499, 65_500, 65_505, 65_506, 65_507]);
    for fcs in [false, true] {
        let mut world = World::new(fcs);
        let mut ids = Vec::new();
        for (n, size) in sizes.clone().enumerate() {
            let data: Vec<u8> = (0..size).map(|i| (i * 7 + n) as u8).collect();
            let mut frames = cut(&echo(3, n as u16, &data), n as u16, [1480, 800, 1016][n % 3]);
            if n % 2 == 1 {
                frames.reverse();
            }
            let (last, others) = frames.split_last().expect("one at least");
            others.iter().for_each(|frame| assert_eq!(world.give(frame), []));
            let last = if fcs { with_fcs(last) } else { last.clone() };
            world.stack.handle_frame(world.now, &last);
            let replies = world.drain_raw();
            let expected = if size + 8 <= MTU - 20 { 1 } else { (size + 8).div_ceil(1480) };
            assert_eq!(replies.len(), expected, "{size} bytes");
            let (header, message) = put_together(&replies);
            let (reply, echoed) = Message::parse(&message).expect("one checksum over the whole");
            assert_eq!(reply, Message::EchoReply { id: 3, seq: n as u16 });
            assert_eq!(echoed, data, "{size} bytes");
            if replies.len() > 1 {
                ids.push(header.id);
            }
        }
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "RFC 6864 4.3");
    }
}

#[test]
fn echo_keeps_the_type_of_service_and_takes_options() {
    let mut world = World::new(false);
    let request = patched(packet(1, &echo(1, 2, b"data")), 1, 0xb9);
    let answers = {
        world.stack.handle_frame(world.now, &ip_frame(&with_options(request, &[7, 7, 4, 0, 0, 0, 0, 0])));
        world.drain_raw()
    };
    let (header, message) = put_together(&answers);
    // The DSCP comes back; what ECN says is between routers and transports.
    assert_eq!((header.dscp, header.ecn), (0xb8 >> 2, 0));
    assert_eq!(Message::parse(&message), Ok((Message::EchoReply { id: 1, seq: 2 }, &b"data"[..])));
}

#[test]
fn a_hard_error_does_not_end_an_established_connection() {
    let mut world = World::new(false);
    let mut conn = world.open();
    let id = conn.id.expect("open");
    world.stack.stream(id).write("in flight".into()).expect("room");
    assert!(matches!(world.drain()[..], [Answer::Tcp { .. }]));
    let head = [&conn.local.to_be_bytes()[..], &conn.port.to_be_bytes(), &conn.ack.to_be_bytes()].concat();
    let before = world.stack.drops().clone();
    for code in [0, 1, 2, 3, 4, 13] {
        let error = icmp(3, code, 0, &packet_from(US, PEER, 6, &head));
        assert_eq!(world.give(&ip_frame(&packet(1, &error))), []);
    }
    // RFC 5927 5.2: it is told as trouble, no more.
    assert_eq!(world.moved(&before), []);
    conn.ack = conn.ack.wrapping_add(9);
    world.give(&conn.segment(taphouse::wire::tcp::Flags::ACK, b""));
    world.assert_works(&mut conn);
}

#[test]
fn a_packet_at_the_end_of_its_life_is_taken() {
    // RFC 1122 3.2.1.7: "MUST NOT discard a datagram just because it was received with TTL less than 2".
    let mut world = World::new(false);
    for ttl in [0, 1] {
        let request = patched(packet(1, &echo(1, 2, b"data")), 8, ttl);
        assert_eq!(world.give(&ip_frame(&request)).len(), 1, "{ttl}");
    }
}

#[test]
fn an_error_has_no_type_of_service_and_quotes_the_header_and_eight_bytes() {
    // RFC 1122 3.2.2.
    let mut world = World::new(false);
    let about = patched(packet(17, &udp(US, 1000, 53, b"some words more than eight bytes")), 1, 0xb8);
    world.stack.handle_frame(world.now, &ip_frame(&about));
    let (header, message) = put_together(&world.drain_raw());
    assert_eq!((header.dscp, header.ecn), (0, 0));
    let (message, quote) = Message::parse(&message).expect("an ICMP message");
    assert_eq!(message, Message::Unreachable { code: Unreachable::Port, mtu: 0 });
    assert_eq!(quote, &about[..28]);
}

#[test]
fn a_redirect_is_counted_and_changes_nothing() {
    // RFC 1122 3.2.2.2 would have the route changed; a host at the end of a TAP has one way only.
    let mut world = World::new(false);
    let quoted = packet_from(US, [203, 0, 113, 1].into(), 6, &[0; 8]);
    let redirect = icmp(5, 1, u32::from_be_bytes([192, 0, 2, 9]), &quote(&quoted));
    assert_eq!(world.give(&ip_frame(&packet(1, &redirect))), []);
    assert_eq!(world.count(Drop::IcmpUnknownType), 1);
}

#[test]
fn ephemeral_ports_are_dynamic_and_in_no_order() {
    // RFC 6056 3.2 and 3.3.1.
    let mut world = World::new(false);
    world.introduce();
    let config = taphouse::tcp::Config::default();
    let mut ports = Vec::new();
    for _ in 0..8 {
        world.stack.connect(SocketAddrV4::new(PEER, 7), config).expect("a free port");
        let [Answer::Tcp { port, .. }] = world.drain()[..] else { panic!("a SYN") };
        ports.push(port);
    }
    assert!(ports.iter().all(|port| *port >= 49_152), "{ports:?}");
    assert!(ports.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1), "{ports:?}");
}
