//! A frame goes out: what is to be said, then IPv4, then the neighbour, then Ethernet.
//!
//! In this order: frames that waited for a neighbour, ARP, answers without a connection, connections in turn.

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::{Place, Stack};
use crate::arp::neighbours::Parked as Waiting;
use crate::drops::Drop;
use crate::frame::{Frame, Medium};
use crate::limits;
use crate::tcp::ecn::Codepoint;
use crate::tcp::{Departure, Flow};
use crate::time::Instant;
use crate::wire::arp::{self, Operation};
use crate::wire::checksum::Sum;
use crate::wire::ethernet::{self, EtherType, Mac};
use crate::wire::fcs;
use crate::wire::icmpv4::{self, Message};
use crate::wire::ipv4::{self, protocol};
use crate::wire::seq::SeqNum;
use crate::wire::tcp::{self, Flags, Header};
use crate::wire::tcp_options::Options;

/// An answer that no connection gives.
#[derive(Debug)]
pub(super) enum Reply {
    Arp(Mac, arp::Packet),
    Ip { header: ipv4::Header, transport: Transport, payload: Bytes },
    Tcp { remote_ip: Ipv4Addr, header: Header, options: Options },
}

/// An ICMP header in place, or nothing in the later fragments of a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transport(Option<[u8; icmpv4::HEADER_LEN]>);

impl Transport {
    pub(super) fn icmp(message: &Message, rest: &[u8]) -> Self {
        let mut bytes = [0; icmpv4::HEADER_LEN];
        message.emit(rest, &mut bytes);
        Self(Some(bytes))
    }

    pub(super) fn len(self) -> usize {
        self.0.map_or(0, |bytes| bytes.len())
    }
}

/// A frame that waits for its neighbour, and which segment it carries, if it is one.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) frame: Frame,
    segment: Option<(Flow, SeqNum)>,
}

impl Stack {
    /// Fills `frame` with the next frame to send; false when there is none.
    pub fn poll_transmit(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.now = now;
        frame.clear();
        let found = self.poll_ready(frame)
            || self.poll_arp(frame)
            || (self.is_ready() && (self.poll_reply(frame) || self.poll_connection(frame)));
        if found {
            self.complete(frame);
        } else {
            self.is_urgent = false;
        }
        found
    }

    /// Queues an answer.
    pub(super) fn reply(&mut self, reply: Reply) {
        if self.replies.len() >= limits::REPLIES {
            return self.count(Drop::ReplyQueueFull);
        }
        self.replies.push_back(reply);
    }

    pub(super) fn reply_arp(&mut self, packet: arp::Packet) {
        self.reply(Reply::Arp(packet.target_mac, packet));
    }

    /// Sends a frame whose neighbour is known now.
    pub(super) fn send_to(&mut self, mut frame: Frame, mac: Mac) {
        set_destination(&mut frame, mac);
        self.ready.push_back(frame);
    }

    /// A packet whose neighbour did not answer to three requests: its flow should know. A connection that is being
    /// opened ends by it, which is harder than RFC 9293 MUST-56 has it for what routers say: this is our own link.
    pub(super) fn handle_unresolved(&mut self, parked: Parked) {
        self.count(Drop::NeighbourUnreachable);
        if let Some((flow, seq)) = parked.segment
            && let Some(&Place::Connection(index)) = self.flows.get(&flow)
        {
            self.connections.at(index).handle_unreachable(seq, true);
            self.touch(index);
        }
    }

    fn poll_ready(&mut self, frame: &mut Frame) -> bool {
        self.ready.pop_front().map(|ready| *frame = ready).is_some()
    }

    fn poll_arp(&mut self, frame: &mut Frame) -> bool {
        if self.config.link.medium == Medium::Ip {
            return false;
        }
        if let Some(packet) = self.claim.poll_packet(self.now) {
            return self.build_arp(frame, Mac::BROADCAST, &packet);
        }
        let Some(request) = self.neighbours.poll_request() else { return false };
        let packet = arp::Packet {
            operation: Operation::Request,
            sender_mac: self.config.mac,
            sender_ip: self.config.subnet.address,
            target_mac: Mac::ZERO,
            target_ip: request.ip,
        };
        self.build_arp(frame, request.to.unwrap_or(Mac::BROADCAST), &packet)
    }

    fn poll_reply(&mut self, frame: &mut Frame) -> bool {
        while let Some(reply) = self.replies.pop_front() {
            frame.clear();
            let sent = match reply {
                Reply::Arp(to, packet) => self.build_arp(frame, to, &packet),
                Reply::Ip { header, transport, payload } => {
                    let len = transport.len() + payload.len();
                    self.grow_ip(frame, &header, len);
                    if let Some(bytes) = transport.0 {
                        frame.grow_head(bytes.len()).copy_from_slice(&bytes);
                    }
                    frame.push_payload(payload);
                    self.route(frame, header.dst, None)
                }
                Reply::Tcp { remote_ip, header, options } => {
                    self.build_tcp(frame, remote_ip, Codepoint::NotEct, &header, &options);
                    let flow = Flow { remote_ip, remote_port: header.dst_port, local_port: header.src_port };
                    self.route(frame, remote_ip, Some((flow, header.seq)))
                }
            };
            if sent {
                return true;
            }
        }
        false
    }

    /// Connections take turns, a segment each.
    fn poll_connection(&mut self, frame: &mut Frame) -> bool {
        while let Some(index) = self.connections.next_dirty() {
            frame.clear();
            let connection = self.connections.at(index);
            let flow = connection.flow();
            let before = connection.last().snd_nxt;
            let Some(departure) = connection.poll_segment(self.now, frame.payload_mut()) else {
                self.settle(index);
                continue;
            };
            let Departure { header, options, codepoint } = departure;
            self.connections.queue_again(index);
            let is_resent = header.seq.lt(before)
                && (header.flags.has(Flags::SYN | Flags::FIN) || frame.payload_len() > 0);
            self.counters.resent += u64::from(is_resent);
            self.build_tcp(frame, flow.remote_ip, codepoint, &header, &options);
            if self.route(frame, flow.remote_ip, Some((flow, header.seq))) {
                return true;
            }
        }
        false
    }

    // --- building --------------------------------------------------------------------------------------

    fn build_arp(&mut self, frame: &mut Frame, to: Mac, packet: &arp::Packet) -> bool {
        self.grow_ethernet(frame, to, EtherType::Arp);
        packet.emit(frame.grow_head(arp::LEN).try_into().expect("grown by this length"));
        true
    }

    /// Headers and checksum for a segment whose payload is in the frame already.
    fn build_tcp(
        &mut self,
        frame: &mut Frame,
        dst: Ipv4Addr,
        codepoint: Codepoint,
        header: &Header,
        options: &Options,
    ) {
        log::trace!(
            "{dst}:{} <- {} {:?} {:?} ack {:?} win {} +{}",
            header.dst_port,
            header.src_port,
            header.flags,
            header.seq,
            header.ack,
            header.window,
            frame.payload_len()
        );
        let src = self.config.subnet.address;
        let len = tcp::HEADER_LEN + options.len() + frame.payload_len();
        let ip = ipv4::Header { ecn: codepoint.bits(), ..ipv4::Header::new(protocol::TCP, src, dst) };
        self.grow_ip(frame, &ip, len);
        let start = frame.head().len();
        header.emit(options, frame.grow_head(tcp::HEADER_LEN + options.len()));
        let sum = Sum::pseudo_header(src, dst, protocol::TCP, len).with(&frame.head()[start..]);
        let sum = frame.payload().iter().fold(sum, |sum, slice| sum.with(slice)).finish();
        let at = start + tcp::CHECKSUM_AT;
        frame.head_mut()[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }

    fn grow_ip(&self, frame: &mut Frame, header: &ipv4::Header, payload_len: usize) {
        if self.config.link.medium != Medium::Ip {
            self.grow_ethernet(frame, Mac::ZERO, EtherType::Ipv4);
        }
        let out = frame.grow_head(ipv4::HEADER_LEN);
        header.emit(payload_len, out.try_into().expect("grown by this length"));
    }

    fn grow_ethernet(&self, frame: &mut Frame, dst: Mac, ether_type: EtherType) {
        let header = ethernet::Header { dst, src: self.config.mac, ether_type };
        header.emit(frame.grow_head(ethernet::HEADER_LEN).try_into().expect("grown by this length"));
    }

    /// Finds the neighbour for a packet: RFC 1122 3.3.1. False when it waits for one, or has none.
    fn route(&mut self, frame: &mut Frame, dst: Ipv4Addr, segment: Option<(Flow, SeqNum)>) -> bool {
        if self.config.link.medium == Medium::Ip {
            return true;
        }
        let on_link = self.config.subnet.contains(dst);
        let Some(next_hop) = (if on_link { Some(dst) } else { self.config.gateway }) else {
            self.count(Drop::NoRoute);
            return false;
        };
        if let Some(mac) = self.neighbours.resolve(self.now, next_hop) {
            set_destination(frame, mac);
            return true;
        }
        let parked = Parked { frame: frame.clone(), segment };
        if let Waiting::Displaced(_) = self.neighbours.park(self.now, next_hop, parked) {
            self.count(Drop::NeighbourQueueFull);
        }
        // The request goes before anything else.
        frame.clear();
        self.poll_arp(frame)
    }

    /// What a wire wants behind a frame: padding and FCS (IEEE 802.3 3.2.8, 3.2.9). A TAP wants neither.
    fn complete(&mut self, frame: &mut Frame) {
        if self.config.link.medium == (Medium::Ethernet { fcs: true }) {
            let mut bytes = frame.to_vec();
            let body = bytes.len();
            bytes.resize(body.max(ethernet::MIN_LEN), 0);
            let check = fcs::of(&bytes);
            bytes.extend(check);
            frame.push_payload(Bytes::from(bytes).slice(body..));
        }
        self.counters.frames_sent += 1;
        self.counters.bytes_sent += frame.len() as u64;
    }
}

fn set_destination(frame: &mut Frame, mac: Mac) {
    frame.head_mut()[..6].copy_from_slice(&mac.0);
}
