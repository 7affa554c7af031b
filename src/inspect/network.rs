//! IPv4 packets and ICMP messages: RFC 791, RFC 792.

use std::net::Ipv4Addr;

use super::{Context, Key, Layer, Part, Protocol, Remark, Secrecy, Value, Verdict, message, transport};
use crate::fault::{self, Fault};
use crate::wire::checksum::checksum;
use crate::wire::ipv4::{HEADER_LEN, protocol};

/// What a transport layer must know of the packet that carries it.
#[derive(Clone, Copy)]
pub(super) struct Carrier {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    /// All of the datagram is in this packet, as it says itself.
    pub(super) is_whole: bool,
}

/// A packet; gives its length, as far as it can be told.
pub(super) fn ipv4(context: &mut Context<'_>, part: Part<'_>) -> usize {
    let mut layer = Layer::new(Protocol::Ipv4, part.at);
    let Some(first) = part.u8(0) else {
        layer.remarks.extend(part.shortfall(HEADER_LEN));
        context.push(layer);
        return part.full_len();
    };
    let version = first >> 4;
    if version != 4 {
        layer.add_with(Key::IpVersion, Value::Number(version.into(), ""), Some(Remark::BadVersion));
        context.push(layer);
        message::data(context, part.after(1), None);
        return part.full_len();
    }
    layer.add(Key::IpVersion, Value::Number(4, ""));
    let header_len = usize::from(first & 0xf) * 4;
    let is_possible = (HEADER_LEN..=part.full_len().max(HEADER_LEN)).contains(&header_len);
    layer.add_with(
        Key::IpHeaderLen,
        Value::Number(header_len as u64, "bytes"),
        (!is_possible).then_some(Remark::BadHeaderLength),
    );
    let total = lengths(context, &mut layer, part, header_len);
    let flags = fixed_fields(&mut layer, part, header_len, is_possible);
    layer.remarks.extend(part.shortfall(header_len.max(HEADER_LEN)));
    if !is_believed(context, &layer, header_len) {
        context.push(layer);
        message::data(context, part.after(HEADER_LEN), None);
        return total.min(part.full_len());
    }
    let last_stop =
        if is_possible { options(&mut layer, part.first(header_len).after(HEADER_LEN)) } else { None };
    let (Some(protocol), Some(src), Some(dst), true) =
        (part.u8(9), part.array(12).map(Ipv4Addr::from), part.array(16).map(Ipv4Addr::from), is_possible)
    else {
        context.push(layer);
        return total.min(part.full_len());
    };
    let payload = part.first(total).after(header_len);
    // RFC 1122 3.2.1.8 (c), 4.1.3.4: the pseudo-header has the destination behind a source route.
    let dst = last_stop.unwrap_or(dst);
    let carrier = Carrier { src, dst, is_whole: flags & 0x3fff == 0 && total <= part.full_len() };
    if flags & 0x1fff != 0 {
        layer.remarks.push(Remark::LaterFragment);
        context.push(layer);
        message::data(context, payload, None);
    } else {
        context.push(layer);
        match protocol {
            protocol::TCP => transport::tcp(context, payload, carrier),
            protocol::UDP => transport::udp(context, payload, carrier),
            protocol::ICMP => icmp(context, payload, carrier),
            _ => {
                message::data(context, payload, Some(Remark::NotDecoded));
            }
        }
    }
    total.min(part.full_len())
}

/// What stands behind the fixed part of the header may be taken for what it claims to be. A damaged length, protocol or
/// fragment offset would let a body pass for options, ports and sequence numbers.
fn is_believed(context: &Context<'_>, layer: &Layer, header_len: usize) -> bool {
    let verdict = match layer.field(Key::IpChecksum) {
        Some(Value::Check { verdict, .. }) => *verdict,
        _ => Verdict::Absent,
    };
    match verdict {
        _ if context.secrecy == Secrecy::Shown => true,
        Verdict::Good => true,
        Verdict::Bad(_) => false,
        _ => header_len <= HEADER_LEN,
    }
}

/// DSCP, ECN and total length; gives what is taken for the total length.
fn lengths(context: &Context<'_>, layer: &mut Layer, part: Part<'_>, header_len: usize) -> usize {
    if let Some(tos) = part.u8(1) {
        layer.add(Key::IpDscp, Value::Number((tos >> 2).into(), ""));
        let meaning = ["", "ECT(1)", "ECT(0)", "CE"][usize::from(tos & 3)];
        layer.add(Key::IpEcn, Value::Number((tos & 3).into(), meaning));
    }
    let Some(total) = part.u16(2).map(usize::from) else { return part.full_len() };
    let remark = if total < header_len {
        Some(Remark::LengthUnderHeader)
    } else if total > part.full_len() && !context.is_quoted {
        Some(Remark::LengthOver { there: part.full_len() })
    } else {
        None
    };
    layer.add_with(Key::IpLen, Value::Number(total as u64, "bytes"), remark);
    if total < header_len { part.full_len() } else { total }
}

/// The fields from the identification on; gives the flags with the fragment offset.
fn fixed_fields(layer: &mut Layer, part: Part<'_>, header_len: usize, is_possible: bool) -> u16 {
    if let Some(id) = part.u16(4) {
        layer.add(Key::IpId, Value::Number(id.into(), ""));
    }
    let flags = part.u16(6);
    if let Some(flags) = flags {
        let names = [(0x8000, "reserved"), (0x4000, "DF"), (0x2000, "MF")];
        let set = names.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect();
        layer.add_with(
            Key::IpFlags,
            Value::Flags { bits: u64::from(flags >> 13), digits: 1, names: set },
            (flags & 0x8000 != 0).then_some(Remark::ReservedBit),
        );
        layer.add(Key::IpFragmentOffset, Value::Number(u64::from(flags & 0x1fff) * 8, "bytes"));
    }
    if let Some(ttl) = part.u8(8) {
        layer.add(Key::IpTtl, Value::Number(ttl.into(), "hops"));
    }
    if let Some(protocol) = part.u8(9) {
        layer.add(Key::IpProtocol, Value::Number(protocol.into(), name_of_protocol(protocol)));
    }
    if let Some(carried) = part.u16(10) {
        let verdict = match part.bytes.get(..header_len) {
            Some(header) if is_possible => {
                let mut copy = header.to_vec();
                copy[10..12].fill(0);
                judge(carried, checksum(&copy))
            }
            None if part.cut > 0 && is_possible => Verdict::Cut,
            _ => Verdict::Incomplete,
        };
        layer.add(Key::IpChecksum, Value::Check { value: Some(carried.into()), digits: 4, verdict });
    }
    for (at, key) in [(12, Key::IpSrc), (16, Key::IpDst)] {
        if let Some(ip) = part.array(at).map(Ipv4Addr::from) {
            layer.add(key, Value::Ip(ip));
        }
    }
    flags.unwrap_or(0)
}

/// Judges a checksum by the right one. Zero has two forms in ones' complement, so the sum decides, not the bits.
pub(super) fn judge(carried: u16, right: u16) -> Verdict {
    let is_zero = |n: u16| n == 0 || n == 0xffff;
    if carried == right || (is_zero(carried) && is_zero(right)) || fault::is(Fault::ChecksumsBelieved) {
        Verdict::Good
    } else {
        Verdict::Bad(right.into())
    }
}

/// Lists the options; gives the last address of a source route that is still to be travelled.
fn options(layer: &mut Layer, mut area: Part<'_>) -> Option<Ipv4Addr> {
    let mut last_stop = None;
    while let Some(kind) = area.u8(0) {
        let meaning = match kind {
            0 => "end",
            1 => "no operation",
            7 => "record route",
            68 => "timestamp",
            130 => "security",
            131 => "loose source route",
            137 => "strict source route",
            148 => "router alert",
            _ => "",
        };
        let len = if kind <= 1 { Some(1) } else { area.u8(1).map(usize::from).filter(|&len| len >= 2) };
        let fits = len.filter(|&len| len <= area.full_len());
        let remark = if fits.is_none() { Some(Remark::BadOption) } else { None };
        layer.add_with(Key::IpOption, Value::Number(kind.into(), meaning), remark);
        let Some(len) = fits.filter(|_| kind != 0) else { break };
        let pointer = area.u8(2).map_or(usize::MAX, usize::from);
        if matches!(kind, 131 | 137) && pointer < len && len >= 7 {
            last_stop = area.first(len).array(len - 4).map(Ipv4Addr::from);
        }
        area = area.after(len);
    }
    last_stop
}

fn name_of_protocol(protocol: u8) -> &'static str {
    match protocol {
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4 in IPv4",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6 in IPv4",
        47 => "GRE",
        50 => "ESP",
        132 => "SCTP",
        _ => "",
    }
}

fn icmp(context: &mut Context<'_>, part: Part<'_>, carrier: Carrier) {
    let mut layer = Layer::new(Protocol::Icmp, part.at);
    layer.remarks.extend(part.shortfall(8));
    let kind = part.u8(0);
    if let Some(kind) = kind {
        layer.add(Key::IcmpType, Value::Number(kind.into(), name_of_icmp(kind)));
    }
    let code = part.u8(1);
    if let (Some(kind), Some(code)) = (kind, code) {
        layer.add(Key::IcmpCode, Value::Number(code.into(), name_of_code(kind, code)));
    }
    if let Some(carried) = part.u16(2) {
        let verdict = if part.cut > 0 {
            if context.is_quoted { Verdict::Incomplete } else { Verdict::Cut }
        } else if !carrier.is_whole {
            Verdict::Incomplete
        } else {
            let mut copy = part.bytes.to_vec();
            copy[2..4].fill(0);
            judge(carried, checksum(&copy))
        };
        layer.add(Key::IcmpChecksum, Value::Check { value: Some(carried.into()), digits: 4, verdict });
    }
    match kind {
        Some(0 | 8) => {
            for (at, key) in [(4, Key::IcmpIdent), (6, Key::IcmpSeq)] {
                if let Some(n) = part.u16(at) {
                    layer.add(key, Value::Number(n.into(), ""));
                }
            }
        }
        Some(3) if code == Some(4) => {
            if let Some(mtu) = part.u16(6) {
                layer.add(Key::IcmpMtu, Value::Number(mtu.into(), "bytes"));
            }
        }
        Some(12) => {
            if let Some(pointer) = part.u8(4) {
                layer.add(Key::IcmpPointer, Value::Number(pointer.into(), ""));
            }
        }
        _ => {}
    }
    context.push(layer);
    let rest = part.after(8);
    let is_error = matches!(kind, Some(3 | 4 | 5 | 11 | 12));
    if is_error && !context.is_quoted && !rest.bytes.is_empty() {
        context.is_quoted = true;
        // The quotation is a packet's beginning: the rest of it is not in this message.
        let total = rest.u16(2).map_or(rest.full_len(), usize::from);
        ipv4(context, Part { cut: total.saturating_sub(rest.bytes.len()), ..rest });
    } else {
        message::data(context, rest, None);
    }
}

fn name_of_icmp(kind: u8) -> &'static str {
    match kind {
        0 => "echo reply",
        3 => "destination unreachable",
        4 => "source quench",
        5 => "redirect",
        8 => "echo request",
        11 => "time exceeded",
        12 => "parameter problem",
        13 => "timestamp",
        14 => "timestamp reply",
        _ => "",
    }
}

fn name_of_code(kind: u8, code: u8) -> &'static str {
    match (kind, code) {
        (3, 0) => "network",
        (3, 1) => "host",
        (3, 2) => "protocol",
        (3, 3) => "port",
        (3, 4) => "fragmentation needed",
        (3, 5) => "source route failed",
        (3, 13) => "prohibited",
        (11, 0) => "in transit",
        (11, 1) => "in reassembly",
        _ => "",
    }
}
