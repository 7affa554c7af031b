//! TCP segments and UDP datagrams: RFC 9293 3.1 and 3.2, RFC 7323, RFC 2018, RFC 768.

use super::network::{Carrier, judge};
use super::{Context, Key, Layer, Part, Protocol, Remark, Secrecy, Value, Verdict, message};
use crate::wire::checksum::Sum;
use crate::wire::ipv4::protocol;
use crate::wire::tcp::{CHECKSUM_AT, HEADER_LEN};
use crate::wire::tcp_options::Options;

/// A segment.
pub(super) fn tcp(context: &mut Context<'_>, part: Part<'_>, carrier: Carrier) {
    let mut layer = Layer::new(Protocol::Tcp, part.at);
    ports(&mut layer, part, Key::TcpSrcPort, Key::TcpDstPort);
    for (at, key) in [(4, Key::TcpSeq), (8, Key::TcpAck)] {
        if let Some(n) = part.u32(at) {
            layer.add(key, Value::Number(n.into(), ""));
        }
    }
    let header_len = part.u8(12).map(|b| usize::from(b >> 4) * 4);
    let is_possible =
        header_len.is_some_and(|len| (HEADER_LEN..=part.full_len().max(HEADER_LEN)).contains(&len));
    if let Some(len) = header_len {
        let remark = (!is_possible).then_some(Remark::BadHeaderLength);
        layer.add_with(Key::TcpHeaderLen, Value::Number(len as u64, "bytes"), remark);
    }
    let flags = part.u16(12).map(|bits| bits & 0xfff);
    if let Some(flags) = flags {
        let reserved = part.u8(12).map_or(0, |b| b >> 1 & 7);
        layer.add_with(
            Key::TcpReserved,
            Value::Number(reserved.into(), ""),
            (reserved != 0).then_some(Remark::ReservedBit),
        );
        layer.add_with(
            Key::TcpFlags,
            Value::Flags { bits: flags.into(), digits: 3, names: names_of_flags(flags) },
            is_odd(flags).then_some(Remark::OddFlags),
        );
    }
    if let Some(window) = part.u16(14) {
        // Its unit depends on the handshake.
        layer.add(Key::TcpWindow, Value::Number(window.into(), ""));
    }
    if let Some(carried) = part.u16(CHECKSUM_AT) {
        let verdict = judge_transport(context, part, carrier, protocol::TCP, CHECKSUM_AT, carried);
        layer.add(Key::TcpChecksum, Value::Check { value: Some(carried.into()), digits: 4, verdict });
    }
    if let Some(urgent) = part.u16(18) {
        layer.add(Key::TcpUrgent, Value::Number(urgent.into(), ""));
    }
    let header_len = header_len.unwrap_or(HEADER_LEN);
    layer.remarks.extend(part.shortfall(header_len.max(HEADER_LEN)));
    if header_len > HEADER_LEN && !is_believed(context, &layer, part.first(header_len).after(HEADER_LEN)) {
        context.push(layer);
        message::data(context, part.after(HEADER_LEN), None);
        return;
    }
    options(&mut layer, part.first(header_len).after(HEADER_LEN), flags.unwrap_or(0) & 0x02 != 0);
    if !is_possible {
        return context.push(layer);
    }
    let payload = part.after(header_len);
    layer.add(Key::TcpLen, Value::Number(payload.full_len() as u64, "bytes"));
    context.push(layer);
    message::application(context, payload);
}

/// What the data offset takes for options may be shown: a damaged one would let a body pass for them. Where the
/// checksum cannot tell, they must at least read as options from the first to the last.
fn is_believed(context: &Context<'_>, layer: &Layer, area: Part<'_>) -> bool {
    let Some(Value::Check { verdict, .. }) = layer.field(Key::TcpChecksum) else { return false };
    match verdict {
        _ if context.secrecy == Secrecy::Shown => true,
        Verdict::Good | Verdict::Partial(_) => true,
        Verdict::Bad(_) => false,
        _ => area.cut == 0 && Options::parse(area.bytes).is_ok(),
    }
}

/// A datagram.
pub(super) fn udp(context: &mut Context<'_>, part: Part<'_>, carrier: Carrier) {
    const HEADER_LEN: usize = 8;
    let mut layer = Layer::new(Protocol::Udp, part.at);
    layer.remarks.extend(part.shortfall(HEADER_LEN));
    ports(&mut layer, part, Key::UdpSrcPort, Key::UdpDstPort);
    let (mut whole, mut carrier) = (part, carrier);
    if let Some(len) = part.u16(4).map(usize::from) {
        let remark = if len < HEADER_LEN {
            Some(Remark::LengthUnderHeader)
        } else if len > part.full_len() && carrier.is_whole && !context.is_quoted {
            Some(Remark::LengthOver { there: part.full_len() })
        } else {
            None
        };
        layer.add_with(Key::UdpLength, Value::Number(len as u64, "bytes"), remark);
        carrier.is_whole &= remark.is_none();
        if len >= HEADER_LEN {
            whole = part.first(len);
        }
    }
    if let Some(carried) = part.u16(6) {
        let verdict = match carried {
            0 => Verdict::Unused,
            carried => judge_transport(context, whole, carrier, protocol::UDP, 6, carried),
        };
        layer.add(Key::UdpChecksum, Value::Check { value: Some(carried.into()), digits: 4, verdict });
    }
    context.push(layer);
    message::data(context, whole.after(HEADER_LEN), None);
}

fn ports(layer: &mut Layer, part: Part<'_>, src: Key, dst: Key) {
    for (at, key) in [(0, src), (2, dst)] {
        if let Some(port) = part.u16(at) {
            layer.add_with(key, Value::Number(port.into(), ""), (port == 0).then_some(Remark::PortZero));
        }
    }
}

/// Judges a checksum that covers the pseudo-header and all of `part`.
fn judge_transport(
    context: &Context<'_>,
    part: Part<'_>,
    carrier: Carrier,
    protocol: u8,
    at: usize,
    carried: u16,
) -> Verdict {
    if context.is_quoted || !carrier.is_whole {
        return Verdict::Incomplete;
    }
    if part.cut > 0 {
        return Verdict::Cut;
    }
    let pseudo = Sum::pseudo_header(carrier.src, carrier.dst, protocol, part.bytes.len());
    let right = pseudo.with(&part.bytes[..at]).with(&[0, 0]).with(&part.bytes[at + 2..]).finish();
    match judge(carried, right) {
        Verdict::Bad(right) if carried == !pseudo.finish() => Verdict::Partial(right),
        verdict => verdict,
    }
}

fn names_of_flags(flags: u16) -> Vec<&'static str> {
    const NAMES: [&str; 9] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];
    NAMES.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

/// SYN with FIN or RST, FIN with RST, or none of SYN, RST and ACK.
fn is_odd(flags: u16) -> bool {
    (flags & 0x07).count_ones() > 1 || flags & 0x16 == 0
}

fn options(layer: &mut Layer, mut area: Part<'_>, is_syn: bool) {
    while let Some(kind) = area.u8(0) {
        let number = |n: u32| Value::Number(n.into(), "");
        let len = match kind {
            0 => {
                layer.add(Key::TcpEol, Value::Number(area.full_len() as u64, "bytes"));
                return;
            }
            1 => {
                layer.add(Key::TcpNop, number(1));
                area = area.after(1);
                continue;
            }
            _ => area.u8(1).map(usize::from),
        };
        let Some(len) = len.filter(|len| *len >= 2) else {
            layer.add_with(Key::TcpOption, number(kind.into()), Some(Remark::BadOption));
            return;
        };
        let overruns = len > area.full_len();
        if overruns {
            // What there is of it is shown all the same.
            layer.add_with(Key::TcpOption, number(kind.into()), Some(Remark::BadOption));
        }
        let body = area.first(len).after(2);
        area = area.after(len);
        match (kind, len) {
            (2, 4) => layer.fields.extend(body.u16(0).map(|mss| field(Key::TcpMss, mss.into(), "bytes"))),
            (3, 3) => {
                if let Some(shift) = body.u8(0) {
                    // RFC 7323 2.3: a shift over 14 counts as 14.
                    let remark = is_syn.then(|| Remark::Scaled { factor: 1 << shift.min(14) });
                    layer.add_with(Key::TcpWindowScale, number(shift.into()), remark);
                }
            }
            (4, 2) => layer.add(Key::TcpSackPermitted, Value::Number(1, "")),
            (5, 10 | 18 | 26 | 34) => {
                for at in (0..len - 2).step_by(8) {
                    layer.fields.extend(body.u32(at).map(|n| field(Key::TcpSackLeft, n, "")));
                    layer.fields.extend(body.u32(at + 4).map(|n| field(Key::TcpSackRight, n, "")));
                }
            }
            (8, 10) => {
                layer.fields.extend(body.u32(0).map(|n| field(Key::TcpTsVal, n, "")));
                layer.fields.extend(body.u32(4).map(|n| field(Key::TcpTsEcr, n, "")));
            }
            _ if overruns => {}
            (2 | 3 | 4 | 5 | 8, _) => {
                layer.add_with(Key::TcpOption, number(kind.into()), Some(Remark::BadOption));
            }
            (kind, _) => layer.add(Key::TcpOption, Value::Number(kind.into(), name_of_option(kind))),
        }
    }
}

fn field(key: Key, value: u32, unit: &'static str) -> super::Field {
    super::Field { key, value: Value::Number(value.into(), unit), remark: None }
}

fn name_of_option(kind: u8) -> &'static str {
    match kind {
        19 => "MD5 signature",
        28 => "user timeout",
        29 => "authentication",
        30 => "multipath",
        34 => "fast open",
        253 | 254 => "experimental",
        _ => "",
    }
}
