//! Frames made by hand, byte by byte, so that each can be wrong in one place.

use std::net::Ipv4Addr;

use taphouse::wire::checksum::{Sum, checksum};
use taphouse::wire::ethernet::Mac;
use taphouse::wire::fcs;
use taphouse::wire::tcp::Flags;

pub(crate) const US_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
pub(crate) const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub(crate) const OTHER_MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);
pub(crate) const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
pub(crate) const BROADCAST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 255);

// --- Ethernet and ARP --------------------------------------------------------------------------------------

pub(crate) fn ethernet(dst: Mac, src: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&dst.0[..], &src.0, &kind.to_be_bytes(), payload].concat()
}

/// A frame padded to the length that a wire wants, and its FCS.
pub(crate) fn with_fcs(frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    bytes.resize(bytes.len().max(60), 0);
    bytes.extend(fcs::of(&bytes));
    bytes
}

/// An ARP packet of Ethernet and IPv4.
pub(crate) fn arp(op: u16, sha: Mac, spa: Ipv4Addr, tha: Mac, tpa: Ipv4Addr) -> Vec<u8> {
    [&[0, 1, 8, 0, 6, 4], &op.to_be_bytes()[..], &sha.0, &spa.octets(), &tha.0, &tpa.octets()].concat()
}

pub(crate) fn arp_frame(src: Mac, packet: &[u8]) -> Vec<u8> {
    ethernet(Mac::BROADCAST, src, 0x0806, packet)
}

pub(crate) fn arp_request(sha: Mac, spa: Ipv4Addr, tpa: Ipv4Addr) -> Vec<u8> {
    arp_frame(sha, &arp(1, sha, spa, Mac::ZERO, tpa))
}

pub(crate) fn arp_reply_frame(sha: Mac, spa: Ipv4Addr, tha: Mac, tpa: Ipv4Addr) -> Vec<u8> {
    ethernet(tha, sha, 0x0806, &arp(2, sha, spa, tha, tpa))
}

// --- IPv4 --------------------------------------------------------------------------------------------------

/// A packet from the peer to us.
pub(crate) fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    packet_from(PEER, US, protocol, payload)
}

pub(crate) fn packet_from(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut out = vec![0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol, 0, 0];
    out[2..4].copy_from_slice(&total.to_be_bytes());
    out.extend(src.octets());
    out.extend(dst.octets());
    out.extend(payload);
    seal_ip(out)
}

/// The packet with options in its header.
pub(crate) fn with_options(mut packet: Vec<u8>, options: &[u8]) -> Vec<u8> {
    packet.splice(20..20, options.iter().copied());
    packet[0] += (options.len() / 4) as u8;
    let total = packet.len() as u16;
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    seal_ip(packet)
}

/// The packet as a fragment: `offset` in bytes.
pub(crate) fn fragment(id: u16, offset: usize, more: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = packet(protocol, payload);
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    let field = (offset / 8) as u16 | u16::from(more) << 13;
    packet[6..8].copy_from_slice(&field.to_be_bytes());
    seal_ip(packet)
}

/// The packet with its header checksum put right.
pub(crate) fn seal_ip(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let header = (usize::from(packet[0] & 0xf) * 4).clamp(20, packet.len());
    let sum = checksum(&packet[..header]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The packet with one byte of its header changed and the checksum right again.
pub(crate) fn patched(mut packet: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    packet[at] = value;
    seal_ip(packet)
}

/// A frame from the peer to us.
pub(crate) fn ip_frame(packet: &[u8]) -> Vec<u8> {
    ethernet(US_MAC, PEER_MAC, 0x0800, packet)
}

/// What an ICMP error quotes of a packet: RFC 792, header and 8 bytes.
pub(crate) fn quote(packet: &[u8]) -> Vec<u8> {
    let len = usize::from(packet[0] & 0xf) * 4 + 8;
    packet[..len.min(packet.len())].to_vec()
}

// --- ICMP and UDP ------------------------------------------------------------------------------------------

pub(crate) fn icmp(kind: u8, code: u8, word: u32, rest: &[u8]) -> Vec<u8> {
    let mut out = [&[kind, code, 0, 0], &word.to_be_bytes()[..], rest].concat();
    let sum = checksum(&out);
    out[2..4].copy_from_slice(&sum.to_be_bytes());
    out
}

pub(crate) fn echo(id: u16, seq: u16, data: &[u8]) -> Vec<u8> {
    icmp(8, 0, u32::from(id) << 16 | u32::from(seq), data)
}

/// A datagram of UDP from the peer, with a right checksum.
pub(crate) fn udp(dst: Ipv4Addr, src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let mut out = [src_port.to_be_bytes(), dst_port.to_be_bytes(), len.to_be_bytes(), [0, 0]].concat();
    out.extend(payload);
    let sum = Sum::pseudo_header(PEER, dst, 17, out.len()).with(&out).finish();
    out[6..8].copy_from_slice(&sum.to_be_bytes());
    out
}

// --- TCP ---------------------------------------------------------------------------------------------------

/// A segment from the peer to us. `options` are padded with zeros to whole words.
pub(crate) fn segment(
    src_port: u16,
    dst_port: u16,
    flags: Flags,
    seq: u32,
    ack: u32,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut out = [src_port.to_be_bytes(), dst_port.to_be_bytes()].concat();
    out.extend(seq.to_be_bytes());
    out.extend(ack.to_be_bytes());
    let header_len = 20 + options.len().next_multiple_of(4);
    out.extend([(header_len as u8 / 4) << 4, flags.0, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend(options);
    out.resize(header_len, 0);
    out.extend(payload);
    seal_tcp(PEER, US, out)
}

pub(crate) fn seal_tcp(src: Ipv4Addr, dst: Ipv4Addr, mut segment: Vec<u8>) -> Vec<u8> {
    segment[16..18].fill(0);
    let sum = Sum::pseudo_header(src, dst, 6, segment.len()).with(&segment).finish();
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}
