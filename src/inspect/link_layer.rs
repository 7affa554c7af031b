//! Ethernet frames and ARP packets: IEEE 802.3, RFC 894, RFC 826.

use std::net::Ipv4Addr;

use super::{Context, Key, Layer, Part, Protocol, Remark, Value, Verdict, message, network};
use crate::wire::ethernet::{self, HEADER_LEN, MIN_LEN, Mac};
use crate::wire::{arp, fcs};

/// A frame. `carries_fcs` is `None` when nobody said.
pub(super) fn ethernet(context: &mut Context<'_>, frame: Part<'_>, carries_fcs: Option<bool>) {
    let mut layer = Layer::new(Protocol::Ethernet, frame.at);
    if let Some(mac) = frame.array(0).map(Mac) {
        let remark = if mac == Mac::BROADCAST {
            Some(Remark::Broadcast)
        } else {
            mac.is_group().then_some(Remark::GroupDestination)
        };
        layer.add_with(Key::EthDst, Value::Mac(mac), remark);
    }
    if let Some(mac) = frame.array(6).map(Mac) {
        layer.add_with(Key::EthSrc, Value::Mac(mac), mac.is_group().then_some(Remark::GroupSource));
    }
    let kind = frame.u16(12);
    match kind {
        Some(len @ ..0x600) => layer.add(Key::EthLen, Value::Number(len.into(), "bytes")),
        Some(kind) => {
            layer.add(Key::EthType, Value::Hex { value: kind.into(), digits: 4, meaning: name_of_type(kind) })
        }
        None => layer.remarks.extend(frame.shortfall(HEADER_LEN)),
    }

    let has_fcs = carries_fcs.unwrap_or_else(|| {
        frame.cut == 0 && frame.bytes.len() >= HEADER_LEN + fcs::LEN && fcs::check(frame.bytes).is_ok()
    });
    let body_len = if has_fcs { frame.full_len().saturating_sub(fcs::LEN) } else { frame.full_len() };
    let check = judge_fcs(frame, body_len, has_fcs);
    let index = context.layers.len();
    context.push(layer);

    let payload = frame.first(body_len).after(HEADER_LEN);
    let used = match kind.map(ethernet::EtherType::from) {
        Some(ethernet::EtherType::Ipv4) => network::ipv4(context, payload),
        Some(ethernet::EtherType::Arp) => arp(context, payload),
        Some(ethernet::EtherType::Other(_)) => message::data(context, payload, Some(Remark::NotDecoded)),
        None => return,
    };
    let rest = payload.after(used);
    let trailer = &mut context.layers[index].trailer;
    if rest.full_len() > 0 {
        // What fills a short frame up is padding; anything else that follows a packet is somebody's trailer.
        let is_padding = body_len <= MIN_LEN && rest.bytes.iter().all(|&b| b == 0);
        let key = if is_padding { Key::EthPadding } else { Key::EthTrailer };
        let value = Value::Number(rest.full_len() as u64, "bytes");
        trailer.push(super::Field { key, value, remark: None });
    }
    trailer.push(check);
}

/// The FCS: present and judged, or computed, or absent.
fn judge_fcs(frame: Part<'_>, body_len: usize, has_fcs: bool) -> super::Field {
    let as_number = |bytes: [u8; 4]| u64::from(u32::from_be_bytes(bytes));
    let mut remark = None;
    let (value, verdict) = if has_fcs {
        let carried = frame.array(body_len).map(as_number);
        let verdict = match carried {
            _ if frame.cut > 0 => Verdict::Cut,
            None => Verdict::Absent,
            Some(value) => {
                let right = as_number(fcs::of(&frame.bytes[..body_len]));
                if right == value { Verdict::Good } else { Verdict::Bad(right) }
            }
        };
        (carried, verdict)
    } else if frame.cut > 0 || frame.bytes.len() < HEADER_LEN {
        (None, Verdict::Absent)
    } else if body_len < MIN_LEN {
        let mut padded = frame.bytes.to_vec();
        padded.resize(MIN_LEN, 0);
        remark = Some(Remark::FcsPadded);
        (None, Verdict::Computed(as_number(fcs::of(&padded))))
    } else {
        (None, Verdict::Computed(as_number(fcs::of(frame.bytes))))
    };
    super::Field { key: Key::EthFcs, value: Value::Check { value, digits: 8, verdict }, remark }
}

fn name_of_type(kind: u16) -> &'static str {
    match kind {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x86dd => "IPv6",
        0x8100 | 0x88a8 => "VLAN",
        0x8847 | 0x8848 => "MPLS",
        0x8863 | 0x8864 => "PPPoE",
        0x88cc => "LLDP",
        _ => "",
    }
}

/// An ARP packet; gives its length.
fn arp(context: &mut Context<'_>, part: Part<'_>) -> usize {
    let mut layer = Layer::new(Protocol::Arp, part.at);
    layer.remarks.extend(part.shortfall(arp::LEN));
    if let Some(kind) = part.u16(0) {
        let meaning = if kind == 1 { "Ethernet" } else { "" };
        layer.add(Key::ArpHardwareType, Value::Number(kind.into(), meaning));
    }
    if let Some(kind) = part.u16(2) {
        layer.add(
            Key::ArpProtocolType,
            Value::Hex { value: kind.into(), digits: 4, meaning: name_of_type(kind) },
        );
    }
    let sizes = (part.u8(4), part.u8(5));
    if let Some(size) = sizes.0 {
        layer.add(Key::ArpHardwareSize, Value::Number(size.into(), "bytes"));
    }
    if let Some(size) = sizes.1 {
        layer.add(Key::ArpProtocolSize, Value::Number(size.into(), "bytes"));
    }
    let sender = part.array(14).map(Ipv4Addr::from);
    let target = part.array(24).map(Ipv4Addr::from);
    if let Some(operation) = part.u16(6) {
        let meaning = match operation {
            1 => "request",
            2 => "reply",
            _ => "",
        };
        let remark = match (sizes, sender, target) {
            ((Some(6), Some(4)), Some(Ipv4Addr::UNSPECIFIED), Some(_)) => Some(Remark::ArpProbe),
            ((Some(6), Some(4)), Some(from), Some(to)) if from == to => Some(Remark::ArpAnnouncement),
            _ => None,
        };
        layer.add_with(Key::ArpOpcode, Value::Number(operation.into(), meaning), remark);
    }
    if sizes == (Some(6), Some(4)) {
        for (at, key) in [(8, Key::ArpSenderMac), (18, Key::ArpTargetMac)] {
            if let Some(mac) = part.array(at).map(Mac) {
                layer.add(key, Value::Mac(mac));
            }
            let (key, ip) = if at == 8 { (Key::ArpSenderIp, sender) } else { (Key::ArpTargetIp, target) };
            if let Some(ip) = ip {
                layer.add(key, Value::Ip(ip));
            }
        }
    } else if sizes.1.is_some() {
        layer.remarks.push(Remark::NotDecoded);
    }
    context.push(layer);
    arp::LEN.min(part.full_len())
}
