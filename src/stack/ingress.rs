//! A frame comes in: Ethernet, then ARP or IPv4, then what IPv4 carries.
//!
//! RFC 894, RFC 826, RFC 791, RFC 1122 3.2.1. Whatever is wrong is counted by its name and goes no further.

use super::{Event, Stack, Trouble};
use crate::arp::Verdict;
use crate::drops::Drop;
use crate::fault::{self, Fault};
use crate::frame::Medium;
use crate::ip::subnet::{NotAHost, check_host};
use crate::time::Instant;
use crate::wire::arp::{self, Operation};
use crate::wire::ethernet::{self, EtherType, Mac};
use crate::wire::ipv4::{self, Packet, protocol};
use crate::wire::{fcs, icmpv4, udp};

impl Stack {
    /// Takes a frame as the link gave it.
    pub fn handle_frame(&mut self, now: Instant, frame: &[u8]) {
        self.now = now;
        self.counters.frames_received += 1;
        self.counters.bytes_received += frame.len() as u64;
        let result = match self.config.link.medium {
            Medium::Ethernet { fcs } => self.handle_ethernet(frame, fcs),
            Medium::Ip => self.handle_ipv4(frame, false),
        };
        if let Err(drop) = result {
            self.count(drop);
        }
    }

    fn handle_ethernet(&mut self, frame: &[u8], has_fcs: bool) -> Result<(), Drop> {
        let frame = match has_fcs {
            true if fault::is(Fault::FcsUnchecked) => &frame[..frame.len().saturating_sub(fcs::LEN)],
            true => fcs::check(frame)?,
            false => frame,
        };
        if has_fcs && frame.len() < ethernet::MIN_LEN {
            // What a collision leaves (IEEE 802.3 4.2.4.2.2). A TAP has none, and does not pad.
            return Err(Drop::FrameTooShort);
        }
        if frame.len() > ethernet::HEADER_LEN + self.config.link.mtu {
            return Err(Drop::FrameTooLong);
        }
        let (header, payload) = ethernet::Header::parse(frame)?;
        if header.src.is_group() {
            return Err(Drop::FrameGroupSource);
        }
        if header.dst != self.config.mac && header.dst != Mac::BROADCAST {
            return Err(Drop::FrameNotForUs);
        }
        match header.ether_type {
            EtherType::Arp => self.handle_arp(payload),
            EtherType::Ipv4 if !self.claim.is_held() => Err(Drop::AddressNotReady),
            EtherType::Ipv4 => self.handle_ipv4(payload, header.dst == Mac::BROADCAST),
            EtherType::Other(_) => Err(Drop::UnknownEtherType),
        }
    }

    /// RFC 826, "Packet Reception", after RFC 5227 has had its look.
    fn handle_arp(&mut self, payload: &[u8]) -> Result<(), Drop> {
        let packet = arp::Packet::parse(payload)?;
        if packet.sender_mac.is_group() || packet.sender_mac == Mac::ZERO {
            return Err(Drop::ArpBadSenderHardware);
        }
        match self.claim.handle_packet(self.now, &packet) {
            Verdict::NoConflict => {}
            Verdict::Taken(mac) => {
                self.events.push_back(Event::Host(Trouble::AddressTaken(mac)));
                return Err(Drop::ArpConflict);
            }
            Verdict::Contested { mac, is_defended } => {
                if is_defended {
                    self.events.push_back(Event::Host(Trouble::AddressContested(mac)));
                }
                return Err(Drop::ArpConflict);
            }
        }
        if !self.claim.is_held() {
            return Err(Drop::AddressNotReady);
        }
        let we_are_target = packet.target_ip == self.config.subnet.address;
        let is_probe = packet.sender_ip.is_unspecified();
        if !is_probe {
            self.learn_neighbour(&packet, we_are_target)?;
        }
        if !we_are_target {
            return if is_probe { Err(Drop::ArpNotForUs) } else { Ok(()) };
        }
        if packet.operation == Operation::Request {
            self.reply_arp(arp::Packet {
                operation: Operation::Reply,
                sender_mac: self.config.mac,
                sender_ip: packet.target_ip,
                target_mac: packet.sender_mac,
                target_ip: packet.sender_ip,
            });
        }
        Ok(())
    }

    fn learn_neighbour(&mut self, packet: &arp::Packet, we_are_target: bool) -> Result<(), Drop> {
        let (ip, mac) = (packet.sender_ip, packet.sender_mac);
        let can_be_neighbour = self.config.subnet.contains(ip) || self.config.gateway == Some(ip);
        if check_host(self.config.subnet, ip).is_err() || !can_be_neighbour {
            return Err(Drop::ArpBadSenderAddress);
        }
        if !self.neighbours.learn(self.now, ip, mac, we_are_target) {
            return Err(Drop::ArpNotForUs);
        }
        while let Some(parked) = self.neighbours.unpark(ip) {
            self.send_to(parked.frame, mac);
        }
        Ok(())
    }

    /// RFC 1122 3.2.1: is it well-formed, from a host, and for us?
    fn handle_ipv4(&mut self, bytes: &[u8], was_broadcast: bool) -> Result<(), Drop> {
        let packet = Packet::parse(bytes)?;
        let header = &packet.header;
        let subnet = self.config.subnet;
        check_host(subnet, header.src).map_err(|wrong| match wrong {
            NotAHost::Zero => Drop::Ipv4SourceZero,
            NotAHost::Loopback => Drop::Ipv4SourceLoopback,
            NotAHost::MulticastOrReserved => Drop::Ipv4SourceMulticast,
            NotAHost::Broadcast => Drop::Ipv4SourceBroadcast,
        })?;
        if header.src == subnet.address {
            return Err(Drop::Ipv4SourceOwn);
        }
        if header.dst.is_multicast() {
            return Err(Drop::Ipv4Multicast);
        }
        let to_broadcast = subnet.is_broadcast(header.dst);
        if header.dst != subnet.address && !to_broadcast {
            return Err(Drop::Ipv4NotForUs);
        }
        if was_broadcast && !to_broadcast {
            return Err(Drop::Ipv4InBroadcastFrame);
        }
        if packet.has_source_route {
            return Err(Drop::Ipv4SourceRoute);
        }
        let bytes = if fault::is(Fault::PaddingNotTrimmed) { bytes } else { &bytes[..packet.total_len] };
        if !header.is_fragment() {
            return self.deliver(header, bytes, packet.header_len, to_broadcast);
        }
        let result = self.reassembly.handle_fragment(self.now, header, bytes, packet.header_len);
        for _ in 0..self.reassembly.take_evicted() {
            self.count(Drop::FragmentLimit);
        }
        match result? {
            None => Ok(()),
            Some(whole) => {
                let mut bytes = vec![0; ipv4::HEADER_LEN];
                whole
                    .header
                    .emit(whole.payload.len(), bytes.first_chunk_mut().expect("made with this length"));
                bytes.extend(whole.payload);
                self.deliver(&whole.header, &bytes, ipv4::HEADER_LEN, to_broadcast)
            }
        }
    }

    /// Hands a whole datagram to its protocol.
    fn deliver(
        &mut self,
        header: &ipv4::Header,
        bytes: &[u8],
        header_len: usize,
        to_broadcast: bool,
    ) -> Result<(), Drop> {
        let payload = &bytes[header_len..];
        match header.protocol {
            protocol::TCP if to_broadcast => Err(Drop::TcpBroadcast),
            protocol::TCP => self.handle_tcp(header, payload),
            protocol::ICMP => self.handle_icmp(header, payload, to_broadcast),
            protocol::UDP => {
                udp::check(header.src, header.dst, payload)?;
                if to_broadcast {
                    return Err(Drop::UdpBroadcast);
                }
                self.send_unreachable(icmpv4::Unreachable::Port, header, bytes, header_len);
                Err(Drop::UdpNoListener)
            }
            _ => {
                if !to_broadcast {
                    self.send_unreachable(icmpv4::Unreachable::Protocol, header, bytes, header_len);
                }
                Err(Drop::Ipv4UnknownProtocol)
            }
        }
    }
}
