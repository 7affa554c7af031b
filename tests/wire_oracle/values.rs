//! Our emitters in one call each, values to draw, and damage to what was emitted.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use taphouse::wire::arp::{self, Operation};
use taphouse::wire::checksum::Sum;
use taphouse::wire::ethernet::{self, EtherType, Mac};
use taphouse::wire::icmpv4::{self, Message, Unreachable};
use taphouse::wire::ipv4;
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{self, Flags};
use taphouse::wire::tcp_options::Options;

pub(crate) const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

// --- our emitters ------------------------------------------------------------------------------------------

pub(crate) fn emit_ethernet(header: &ethernet::Header, payload: &[u8]) -> Vec<u8> {
    let mut out = [0; ethernet::HEADER_LEN];
    header.emit(&mut out);
    [&out, payload].concat()
}

pub(crate) fn emit_arp(packet: &arp::Packet) -> Vec<u8> {
    let mut out = [0; arp::LEN];
    packet.emit(&mut out);
    out.to_vec()
}

pub(crate) fn emit_ipv4(header: &ipv4::Header, payload: &[u8]) -> Vec<u8> {
    let mut out = [0; ipv4::HEADER_LEN];
    header.emit(payload.len(), &mut out);
    [&out, payload].concat()
}

pub(crate) fn emit_icmp(message: &Message, rest: &[u8]) -> Vec<u8> {
    let mut out = [0; icmpv4::HEADER_LEN];
    message.emit(rest, &mut out);
    [&out, rest].concat()
}

pub(crate) fn emit_tcp(header: &tcp::Header, options: &Options, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; tcp::HEADER_LEN + options.len()];
    header.emit(options, &mut out);
    out.extend(payload);
    seal_tcp(&mut out);
    out
}

// --- checksums put right again, so that damage reaches what stands behind them --------------------------------

pub(crate) fn seal(bytes: &mut [u8], at: usize, covered: usize, start: Sum) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.fill(0);
        let sum = start.with(&bytes[..covered.min(bytes.len())]).finish();
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

pub(crate) fn seal_ipv4(bytes: &mut [u8]) {
    let covered = bytes.first().map_or(0, |b| usize::from(b & 0xf) * 4);
    seal(bytes, 10, covered.max(12), Sum::default());
}

pub(crate) fn seal_icmp(bytes: &mut [u8]) {
    seal(bytes, 2, bytes.len(), Sum::default());
}

pub(crate) fn seal_tcp(bytes: &mut [u8]) {
    let start = Sum::pseudo_header(A, B, 6, bytes.len());
    seal(bytes, tcp::CHECKSUM_AT, bytes.len(), start);
}

// --- values to draw ----------------------------------------------------------------------------------------

pub(crate) fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..max)
}

pub(crate) fn ethernet_header() -> impl Strategy<Value = ethernet::Header> {
    (any::<[u8; 6]>(), any::<[u8; 6]>(), any::<u16>()).prop_map(|(dst, src, kind)| ethernet::Header {
        dst: Mac(dst),
        src: Mac(src),
        ether_type: EtherType::from(kind),
    })
}

pub(crate) fn arp_packet() -> impl Strategy<Value = arp::Packet> {
    (any::<bool>(), any::<([u8; 6], Ipv4Addr)>(), any::<([u8; 6], Ipv4Addr)>()).prop_map(|(asks, s, t)| {
        arp::Packet {
            operation: if asks { Operation::Request } else { Operation::Reply },
            sender_mac: Mac(s.0),
            sender_ip: s.1,
            target_mac: Mac(t.0),
            target_ip: t.1,
        }
    })
}

pub(crate) fn any_ipv4() -> impl Strategy<Value = ipv4::Header> {
    let bits = (0u8..64, 0u8..4, any::<bool>(), any::<bool>());
    let rest = (any::<u16>(), 0u16..0x2000, any::<u8>(), any::<u8>(), any::<Ipv4Addr>(), any::<Ipv4Addr>());
    (bits, rest).prop_map(|((dscp, ecn, df, mf), (id, offset, ttl, protocol, src, dst))| ipv4::Header {
        dscp,
        ecn,
        id,
        dont_fragment: df,
        more_fragments: mf,
        fragment_offset: offset * 8,
        ttl,
        protocol,
        src,
        dst,
    })
}

pub(crate) fn icmp_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any::<(u16, u16)>().prop_map(|(id, seq)| Message::EchoRequest { id, seq }),
        any::<(u16, u16)>().prop_map(|(id, seq)| Message::EchoReply { id, seq }),
        (any::<u8>(), any::<u16>()).prop_map(|(code, mtu)| Message::Unreachable {
            code: Unreachable::from(code),
            mtu: if code == 4 { mtu } else { 0 },
        }),
        any::<u8>().prop_map(|code| Message::TimeExceeded { code }),
        any::<u8>().prop_map(|pointer| Message::ParameterProblem { pointer }),
        (13u8.., any::<u8>()).prop_map(|(kind, code)| Message::Other { kind, code }),
    ]
}

pub(crate) fn tcp_options() -> impl Strategy<Value = Options> {
    let blocks = proptest::collection::vec(any::<(u32, u32)>(), 0..=4);
    (any::<Option<u16>>(), any::<Option<u8>>(), any::<bool>(), any::<Option<(u32, u32)>>(), blocks).prop_map(
        |(mss, window_scale, sack_permitted, timestamps, blocks)| {
            let mut options = Options { mss, window_scale, sack_permitted, timestamps, ..Options::default() };
            let room = (40 - options.len()).saturating_sub(4) / 8;
            blocks.into_iter().take(room).for_each(|(l, r)| options.sack.push(SeqNum(l), SeqNum(r)));
            options
        },
    )
}

pub(crate) fn any_tcp() -> impl Strategy<Value = tcp::Header> {
    (1u16.., 1u16.., any::<(u32, u32)>(), any::<u8>(), any::<(u16, u16)>()).prop_map(
        |(src_port, dst_port, (seq, ack), flags, (window, urgent))| tcp::Header {
            src_port,
            dst_port,
            seq: SeqNum(seq),
            ack: SeqNum(ack),
            flags: Flags(flags),
            window,
            urgent,
        },
    )
}

/// What befalls a packet: some bytes change, the end is cut off or grows.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    bytes: Vec<(prop::sample::Index, u8)>,
    cut: Option<prop::sample::Index>,
    tail: Vec<u8>,
    /// Whoever did it made the checksum anew.
    is_sealed: bool,
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    // Mostly the first bytes, where the lengths and types stand.
    let byte = (any::<prop::sample::Index>(), any::<u8>());
    let cut = proptest::option::weighted(0.2, any::<prop::sample::Index>());
    let tail = prop_oneof![4 => Just(Vec::new()), 1 => bytes(8)];
    (proptest::collection::vec(byte, 0..4), cut, tail, proptest::bool::weighted(0.9))
        .prop_map(|(bytes, cut, tail, is_sealed)| Damage { bytes, cut, tail, is_sealed })
}

impl Damage {
    pub(crate) fn apply(&self, mut packet: Vec<u8>, seal: fn(&mut [u8])) -> Vec<u8> {
        for (at, value) in &self.bytes {
            let at = at.index(packet.len().min(64));
            packet[at] = *value;
        }
        if let Some(cut) = self.cut {
            packet.truncate(cut.index(packet.len() + 1));
        }
        packet.extend(&self.tail);
        if self.is_sealed {
            seal(&mut packet);
        }
        packet
    }
}
