//! ICMP: echo, errors from others, errors of our own. RFC 792, RFC 1122 3.2.2.

use bytes::Bytes;

use super::egress::{Reply, Transport};
use super::{Place, Stack};
use crate::drops::Drop;
use crate::fault::{self, Fault};
use crate::ip::reassembly::TimedOut;
use crate::tcp::Flow;
use crate::wire::icmpv4::{HEADER_LEN, Message, Unreachable};
use crate::wire::ipv4::{self, Packet, protocol};
use crate::wire::seq::SeqNum;
use crate::wire::{be16, be32};

impl Stack {
    pub(super) fn handle_icmp(
        &mut self,
        header: &ipv4::Header,
        bytes: &[u8],
        to_broadcast: bool,
    ) -> Result<(), Drop> {
        let (message, rest) = Message::parse(bytes)?;
        match message {
            // RFC 1122 3.2.2.6 lets a host ignore these; answering them serves attacks on others.
            Message::EchoRequest { .. } if to_broadcast => Err(Drop::IcmpBroadcast),
            Message::EchoRequest { id, seq } => self.reply_echo(header, Message::EchoReply { id, seq }, rest),
            Message::EchoReply { .. } => Err(Drop::IcmpUnexpectedReply),
            Message::Unreachable { code: Unreachable::FragmentationNeeded, mtu } => {
                self.handle_icmp_error(rest, Trouble::TooBig(mtu))
            }
            Message::Unreachable { code, .. } => {
                let is_hard = matches!(code, Unreachable::Protocol | Unreachable::Port);
                self.handle_icmp_error(rest, if is_hard { Trouble::Hard } else { Trouble::Soft })
            }
            Message::TimeExceeded { .. } | Message::ParameterProblem { .. } => {
                self.handle_icmp_error(rest, Trouble::Soft)
            }
            Message::Other { .. } => Err(Drop::IcmpUnknownType),
        }
    }

    fn reply_echo(&mut self, request: &ipv4::Header, reply: Message, data: &[u8]) -> Result<(), Drop> {
        let max_payload = self.config.link.mtu - ipv4::HEADER_LEN;
        let is_fragmented = HEADER_LEN + data.len() > max_payload && !fault::is(Fault::EchoNotFragmented);
        let now = self.now;
        if !self.limiters.echo.allows(now) || (is_fragmented && !self.limiters.fragmented.allows(now)) {
            return Err(Drop::IcmpRateLimited);
        }
        self.counters.echoes += 1;
        // RFC 1122 3.2.2.6: the reply goes from the address that was asked, with the same type of service.
        let header = ipv4::Header {
            dscp: request.dscp,
            ..ipv4::Header::new(protocol::ICMP, self.config.subnet.address, request.src)
        };
        let data = Bytes::copy_from_slice(data);
        let transport = Transport::icmp(&reply, &data);
        if is_fragmented {
            self.reply_in_fragments(header, transport, data);
        } else {
            self.reply(Reply::Ip { header, transport, payload: data });
        }
        Ok(())
    }

    /// RFC 791 3.2: every fragment but the last has a multiple of 8 bytes.
    fn reply_in_fragments(&mut self, header: ipv4::Header, transport: Transport, mut data: Bytes) {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let max_payload = (self.config.link.mtu - ipv4::HEADER_LEN) & !7;
        let mut offset = 0;
        let mut transport = transport;
        loop {
            let room = max_payload - transport.len();
            let piece = data.split_to(room.min(data.len()));
            let fragment = ipv4::Header {
                id,
                dont_fragment: false,
                more_fragments: !data.is_empty(),
                fragment_offset: offset,
                ..header
            };
            offset += (transport.len() + piece.len()) as u16;
            let first = std::mem::take(&mut transport);
            self.reply(Reply::Ip { header: fragment, transport: first, payload: piece });
            if data.is_empty() {
                break;
            }
        }
    }

    /// An error about a packet that we sent, perhaps: RFC 1122 4.2.3.9, RFC 5927 4.1.
    fn handle_icmp_error(&mut self, quote: &[u8], trouble: Trouble) -> Result<(), Drop> {
        let (quoted, transport) = Packet::parse_quote(quote)?;
        if quoted.src != self.config.subnet.address || quoted.protocol != protocol::TCP {
            return Err(Drop::IcmpUnmatchedError);
        }
        if transport.len() < 8 {
            return Err(Drop::IcmpBadQuote);
        }
        let flow =
            Flow { remote_ip: quoted.dst, remote_port: be16(transport, 2), local_port: be16(transport, 0) };
        let Some(&Place::Connection(index)) = self.flows.get(&flow) else {
            return Err(Drop::IcmpUnmatchedError);
        };
        let (now, seq) = (self.now, SeqNum(be32(transport, 4)));
        let connection = self.connections.at(index);
        let is_believed = match trouble {
            Trouble::Hard | Trouble::Soft => connection.handle_unreachable(seq, trouble == Trouble::Hard),
            Trouble::TooBig(mtu) => connection.handle_too_big(now, seq, mtu, be16(quote, 2)),
        };
        self.touch(index);
        if is_believed { Ok(()) } else { Err(Drop::IcmpUnmatchedError) }
    }

    /// Destination unreachable. Packets to a broadcast address and fragments other than the first never get
    /// here (RFC 1122 3.2.2).
    pub(super) fn send_unreachable(
        &mut self,
        code: Unreachable,
        about: &ipv4::Header,
        bytes: &[u8],
        header_len: usize,
    ) {
        let quote = &bytes[..bytes.len().min(header_len + 8)];
        self.send_icmp_error(Message::Unreachable { code, mtu: 0 }, about, quote);
    }

    pub(super) fn handle_reassembly_timeout(&mut self, timed_out: TimedOut) {
        self.count(Drop::FragmentTimeout);
        // RFC 792: only when fragment zero is here.
        if let Some((about, quote)) = timed_out.first
            && !self.config.subnet.is_broadcast(about.dst)
        {
            self.send_icmp_error(Message::TimeExceeded { code: 1 }, &about, &quote);
        }
    }

    fn send_icmp_error(&mut self, message: Message, about: &ipv4::Header, quote: &[u8]) {
        if about.protocol == protocol::ICMP && !quotes_icmp_query(quote) {
            // RFC 1122 3.2.2: never about an ICMP error, which may come in fragments that time out.
            return;
        }
        let now = self.now;
        if !self.limiters.icmp_error.allows(now) {
            return self.count(Drop::IcmpRateLimited);
        }
        self.counters.icmp_errors_sent += 1;
        let header = ipv4::Header::new(protocol::ICMP, self.config.subnet.address, about.src);
        let payload = Bytes::copy_from_slice(quote);
        self.reply(Reply::Ip { header, transport: Transport::icmp(&message, &payload), payload });
    }
}

/// What an error says of the way to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nobody is there for this (RFC 1122 4.2.3.9).
    Hard,
    /// It may pass.
    Soft,
    /// Packets must be no larger; 0 if the router does not say how large (RFC 1191 4).
    TooBig(u16),
}

/// The quoted ICMP message is known to be no error: an echo, or one of the other questions and answers of RFC 792.
fn quotes_icmp_query(quote: &[u8]) -> bool {
    let kind = Packet::parse_quote(quote).ok().and_then(|(_, message)| message.first().copied());
    matches!(kind, Some(0 | 8 | 13..=18))
}
