//! A TCP segment finds its connection: RFC 9293 3.10.7.1 (CLOSED), 3.10.7.2 (LISTEN), and the small states.

use std::sync::Arc;

use super::egress::Reply;
use super::{Place, Stack, TimerKey};
use crate::drops::Drop;
use crate::fault::{self, Fault};
use crate::tcp::ecn::Codepoint;
use crate::tcp::handshake::{HalfOpen, Opening, Overdue, Peer};
use crate::tcp::pressure::Pressure;
use crate::tcp::time_wait::{Entry, Last};
use crate::tcp::{Config, Connection, Flow, Outcome, cookie, isn, timestamps};
use crate::wire::ipv4;
use crate::wire::seq::SeqNum;
use crate::wire::tcp::{Flags, Header, Segment};
use crate::wire::tcp_options::Options;

/// A segment with its payload, and what its IP header says of ECN.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    segment: &'a Segment,
    payload: &'a [u8],
    codepoint: Codepoint,
}

impl Stack {
    pub(super) fn handle_tcp(&mut self, ip: &ipv4::Header, bytes: &[u8]) -> Result<(), Drop> {
        let segment = Segment::parse(ip.src, ip.dst, bytes)?;
        let payload = &bytes[segment.header_len..];
        let Header { flags, src_port, dst_port, .. } = segment.header;
        let syn_with_other = flags.has(Flags::SYN) && flags.has(Flags::FIN | Flags::RST);
        if syn_with_other || !flags.has(Flags::SYN | Flags::ACK | Flags::RST | Flags::FIN) {
            return Err(Drop::TcpBadFlags);
        }
        let arrival = Arrival { segment: &segment, payload, codepoint: Codepoint::from_bits(ip.ecn) };
        let flow = Flow { remote_ip: ip.src, remote_port: src_port, local_port: dst_port };
        log::trace!("{flow:?} <- {:?} {:?} +{}", segment.header.flags, segment.header.seq, payload.len());
        match self.flows.get(&flow).copied() {
            Some(Place::Connection(index)) => self.handle_connection(index, arrival),
            Some(Place::HalfOpen(index)) => self.handle_half_open(index, arrival),
            Some(Place::TimeWait(index)) => self.handle_time_wait(index, arrival),
            None => self.handle_unknown(flow, arrival),
        }
    }

    fn handle_connection(&mut self, index: u32, arrival: Arrival<'_>) -> Result<(), Drop> {
        let Arrival { segment, payload, codepoint } = arrival;
        let now = self.now;
        let pressure = self.connections.budget.pressure();
        let connection = self.connections.at(index);
        let flow = connection.flow();
        connection.set_pressure(pressure);
        if pressure == Pressure::Full {
            // What fills a gap must find room.
            self.counters.pruned += connection.prune() as u64;
        }
        let outcome = connection.handle_segment(now, segment, payload, codepoint);
        self.is_urgent |= connection.owes_duplicate_ack() && !fault::is(Fault::DuplicateAcksJoined);
        if !payload.is_empty() {
            self.account(index);
        }
        let result = match outcome {
            Outcome::Taken => Ok(()),
            Outcome::Dropped(drop) => Err(drop),
            Outcome::Challenged(drop) => {
                // Keep-alives and probes of the window come this way, and nobody else may use up their answers.
                let is_plain = matches!(drop, Drop::TcpOutOfWindow | Drop::TcpOldTimestamp);
                self.challenge(index, is_plain);
                Err(drop)
            }
            Outcome::Reset(drop, seq) => {
                self.send_reset(flow, seq, None);
                Err(drop)
            }
        };
        self.touch(index);
        result
    }

    /// RFC 5961 7: challenge ACKs are limited, those of each connection and those of all, the latter so that nobody can
    /// tell from outside how many were left (CVE-2016-5696).
    fn challenge(&mut self, index: u32, is_plain: bool) {
        let now = self.now;
        // The connection's own limit first: what it refuses uses up nothing of the others'.
        let allows = self.connections.at(index).may_challenge(now) || fault::is(Fault::ChallengesUnlimited);
        if allows && (is_plain || self.limiters.challenge.allows(now, &mut self.jitter)) {
            self.counters.challenges_sent += 1;
            self.connections.at(index).acknowledge_now();
        } else {
            self.count(Drop::TcpChallengeLimited);
        }
    }

    /// CLOSED and LISTEN.
    fn handle_unknown(&mut self, flow: Flow, arrival: Arrival<'_>) -> Result<(), Drop> {
        let Arrival { segment, payload, .. } = arrival;
        let header = &segment.header;
        if header.flags.has(Flags::RST) {
            return Err(Drop::TcpResetUnmatched);
        }
        if !self.listeners.contains_key(&flow.local_port) {
            self.refuse(flow, header, payload);
            return Err(Drop::TcpNoListener);
        }
        if header.flags.has(Flags::ACK) {
            if let Some(opening) = self.take_cookie(flow, segment) {
                return self.accept_cookie(&opening, arrival);
            }
            if !self.may_overtake_cookie(header) {
                self.refuse(flow, header, payload);
            }
            return Err(Drop::TcpAckUnmatched);
        }
        if !header.flags.has(Flags::SYN) {
            return Err(Drop::TcpNoAck);
        }
        self.open_half(flow, segment, None)
    }

    /// There is a listener, and room for one more half-open connection.
    fn can_open(&self, port: u16) -> Result<(), Drop> {
        let listener = self.listeners.get(&port).ok_or(Drop::TcpNoListener)?;
        if listener.half_open >= listener.backlog && !fault::is(Fault::NoBacklogLimit) {
            return Err(Drop::TcpBacklogFull);
        }
        self.check_room(port)
    }

    /// There is room for one more connection. What the peer has sent is not acknowledged otherwise, so it comes again,
    /// and finds room then or does not.
    fn check_room(&self, port: u16) -> Result<(), Drop> {
        let is_queue_full = self.listeners.get(&port).is_some_and(|l| l.waiting >= l.accept_queue);
        if is_queue_full && !fault::is(Fault::NoAcceptLimit) {
            return Err(Drop::TcpAcceptQueueFull);
        }
        if self.connections.len() >= self.config.max_connections {
            return Err(Drop::TcpConnectionLimit);
        }
        if self.connections.budget.pressure() == Pressure::Full {
            return Err(Drop::TcpMemoryFull);
        }
        Ok(())
    }

    /// A SYN to a listener. `previous` is what TIME-WAIT remembers of a connection that this one takes the place of.
    fn open_half(&mut self, flow: Flow, segment: &Segment, previous: Option<Last>) -> Result<(), Drop> {
        match self.can_open(flow.local_port) {
            Err(Drop::TcpBacklogFull) if !fault::is(Fault::NoCookies) => {
                self.send_cookie(flow, segment);
                return Ok(());
            }
            other => other?,
        }
        let listener = self.listeners.get_mut(&flow.local_port).expect("can_open has looked");
        listener.half_open += 1;
        let tcp = Arc::clone(&listener.tcp);
        let mut numbers = isn::numbers(self.now, flow, &self.isn_secret);
        if let Some(Last { snd_nxt: used, .. }) = previous
            && !numbers.iss.gt(used)
        {
            // RFC 1122 4.2.2.13: larger than all that the previous incarnation used.
            numbers.iss = used + (1 << 16);
        }
        let peer = Peer::from_syn(&segment.header, &segment.options, self.config.link.mtu).limited_to(&tcp);
        let entry = self.half_open.vacant_entry();
        let index = u32::try_from(entry.key()).expect("bounded by the backlogs");
        let timer = self.wheel.insert(TimerKey::HalfOpen(index));
        let half_open = entry.insert(HalfOpen::new(self.now, flow, numbers, peer, tcp, timer));
        half_open.previous = previous;
        self.wheel.set(timer, Some(self.now + half_open.retransmit_after()));
        self.flows.insert(flow, Place::HalfOpen(index));
        self.send_syn_ack(index);
        Ok(())
    }

    /// There is no room for another half-open connection: what must be remembered of it goes out and comes back.
    fn send_cookie(&mut self, flow: Flow, segment: &Segment) {
        let Some(listener) = self.listeners.get(&flow.local_port) else { return };
        let (mtu, capacity) = (self.config.link.mtu, listener.tcp.receive_buffer);
        let mut peer = Peer::from_syn(&segment.header, &segment.options, mtu).limited_to(&listener.tcp);
        if peer.timestamp.is_none() {
            // There is nothing to remember these in.
            (peer.window_scale, peer.sack, peer.ecn) = (None, false, false);
        }
        let mut numbers = isn::numbers(self.now, flow, &self.isn_secret);
        numbers.iss = cookie::sequence(self.now, flow, &peer, &self.cookie_key);
        let stamp = cookie::timestamp(self.now, numbers, &peer);
        let opening = Opening { flow, numbers, peer, began: None, resent: 0 };
        let timestamps = peer.timestamp.map(|echo| (stamp, echo));
        let (header, options) = opening.syn_ack(timestamps, mtu, capacity);
        self.cookies_until = self.now + cookie::LIFETIME * 2;
        self.counters.cookies_sent += 1;
        self.reply(Reply::Tcp { remote_ip: flow.remote_ip, header, options });
    }

    /// An ACK that belongs to nothing, if it brings a cookie back.
    fn take_cookie(&mut self, flow: Flow, segment: &Segment) -> Option<Opening> {
        if self.now >= self.cookies_until {
            return None;
        }
        let peer = cookie::peer(self.now, flow, &segment.header, &segment.options, &self.cookie_key)?;
        let peer = peer.limited_to(&self.listeners.get(&flow.local_port)?.tcp);
        let mut numbers = isn::numbers(self.now, flow, &self.isn_secret);
        numbers.iss = segment.header.ack - 1;
        Some(Opening { flow, numbers, peer, began: None, resent: 0 })
    }

    fn accept_cookie(&mut self, opening: &Opening, arrival: Arrival<'_>) -> Result<(), Drop> {
        let port = opening.flow.local_port;
        self.check_room(port)?;
        self.counters.cookies_accepted += 1;
        let config = self.listeners.get(&port).map(|listener| Arc::clone(&listener.tcp)).unwrap_or_default();
        self.accept(opening, &config, arrival)
    }

    /// What a peer with a cookie sends may overtake the ACK that brings it back, and a RST would end what is about to
    /// begin.
    fn may_overtake_cookie(&self, header: &Header) -> bool {
        self.now < self.cookies_until && cookie::may_be_ours(self.now, header)
    }

    /// SYN-RECEIVED that came from LISTEN: RFC 9293 3.10.7.4, as far as it applies before the connection is made.
    fn handle_half_open(&mut self, index: u32, arrival: Arrival<'_>) -> Result<(), Drop> {
        let Arrival { segment, payload, .. } = arrival;
        let half_open = &self.half_open[index as usize];
        let (flow, iss, peer) = (half_open.flow, half_open.numbers.iss, half_open.peer);
        let Header { flags, seq, ack, .. } = segment.header;
        if flags.has(Flags::RST) {
            return self.handle_half_open_reset(index, seq);
        }
        if flags.has(Flags::SYN) && !flags.has(Flags::ACK) {
            if seq == peer.irs {
                // Our SYN-ACK was lost. RFC 7323 4.3: the answer echoes what came last.
                let newest = segment.options.timestamps.map(|(value, _)| value);
                let half_open = &mut self.half_open[index as usize];
                half_open.peer.timestamp = half_open.peer.timestamp.and(newest.or(half_open.peer.timestamp));
                half_open.is_answered_again = true;
                let (timer, next) = (half_open.timer, self.now + half_open.retransmit_after());
                // The peer is there: it is not given up before it could have heard this answer.
                self.wheel.set(timer, Some(next));
                self.send_syn_ack(index);
                return Ok(());
            }
            // The peer has begun anew: back to LISTEN (RFC 9293 3.10.7.4, fourth), which takes this SYN at once and
            // does not wait for the next.
            return match self.remove_half_open(index).previous {
                None => self.handle_unknown(flow, arrival),
                previous => self.open_half(flow, segment, previous),
            };
        }
        if !flags.has(Flags::ACK) {
            return Err(Drop::TcpNoAck);
        }
        let window = half_open.window();
        if let Err(drop) = peer.check_sequence(&segment.header, payload.len(), window) {
            self.acknowledge_half_open(index);
            return Err(drop);
        }
        if let Err(drop) = peer.check_timestamp(&segment.options) {
            if drop == Drop::TcpOldTimestamp {
                self.acknowledge_half_open(index);
            }
            return Err(drop);
        }
        if ack != iss + 1 {
            // The SYN came twice, and was answered by a cookie the first time.
            if let Some(opening) = self.take_cookie(flow, segment) {
                self.remove_half_open(index);
                return self.accept_cookie(&opening, arrival);
            }
            if !self.may_overtake_cookie(&segment.header) {
                self.send_reset(flow, ack, None);
            }
            return Err(Drop::TcpHandshakeBadAck);
        }
        self.check_room(flow.local_port)?;
        let half_open = self.remove_half_open(index);
        self.accept(&half_open.opening(), &half_open.config, arrival)
    }

    /// RFC 5961 3.2: only a RST at the left edge is believed; one in the window is challenged.
    fn handle_half_open_reset(&mut self, index: u32, seq: SeqNum) -> Result<(), Drop> {
        let half_open = &self.half_open[index as usize];
        let peer = half_open.peer;
        if seq == peer.irs + 1 {
            self.end_half_open(index);
            return Ok(());
        }
        if !seq.is_within(peer.irs + 1, u32::from(half_open.window())) {
            return Err(Drop::TcpResetOutOfWindow);
        }
        self.acknowledge_half_open(index);
        Err(Drop::TcpResetChallenged)
    }

    /// Says what a half-open connection expects.
    fn acknowledge_half_open(&mut self, index: u32) {
        let half_open = &self.half_open[index as usize];
        let HalfOpen { flow, numbers, peer, .. } = *half_open;
        let (field, timestamps) = (half_open.window_field(), half_open.timestamps(self.now));
        self.acknowledge_small(flow, numbers.iss + 1, peer.irs + 1, field, timestamps);
    }

    /// The handshake did not come about. If it was in place of a connection in TIME-WAIT, that goes on waiting: the
    /// SYN was an old duplicate (RFC 9293 3.6.1, MAY-2).
    fn end_half_open(&mut self, index: u32) {
        let half_open = self.remove_half_open(index);
        if let Some(last) = half_open.previous {
            self.enter_time_wait(half_open.flow, last);
        }
    }

    /// The handshake is over: a connection begins, and takes the segment.
    fn accept(&mut self, opening: &Opening, config: &Config, arrival: Arrival<'_>) -> Result<(), Drop> {
        if !self.listeners.contains_key(&opening.flow.local_port) {
            self.refuse(opening.flow, &arrival.segment.header, arrival.payload);
            return Err(Drop::TcpNoListener);
        }
        let connection = Connection::accept(self.now, opening, self.config.link.mtu, *config);
        let id = self.insert_connection(connection);
        self.counters.accepted += 1;
        self.handle_connection(id.index() as u32, arrival)
    }

    pub(super) fn handle_half_open_timeout(&mut self, index: u32) {
        let half_open = &mut self.half_open[index as usize];
        match half_open.handle_timeout(self.now) {
            Overdue::Resend(next) => {
                let timer = half_open.timer;
                self.wheel.set(timer, Some(next));
                self.counters.resent += 1;
                self.send_syn_ack(index);
            }
            Overdue::GiveUp => self.end_half_open(index),
        }
    }

    fn remove_half_open(&mut self, index: u32) -> HalfOpen {
        let half_open = self.half_open.remove(index as usize);
        self.wheel.remove(half_open.timer);
        self.flows.remove(&half_open.flow);
        if let Some(listener) = self.listeners.get_mut(&half_open.flow.local_port) {
            listener.half_open = listener.half_open.saturating_sub(1);
        }
        half_open
    }

    fn send_syn_ack(&mut self, index: u32) {
        let half_open = &self.half_open[index as usize];
        let (header, options) = half_open.syn_ack(self.now, self.config.link.mtu);
        let remote_ip = half_open.flow.remote_ip;
        self.reply(Reply::Tcp { remote_ip, header, options });
    }

    /// An ACK for a flow that has no connection to send it, as far as the rate limit of such ACKs goes.
    fn acknowledge_small(
        &mut self,
        flow: Flow,
        seq: SeqNum,
        ack: SeqNum,
        window: u16,
        timestamps: Option<(u32, u32)>,
    ) {
        let now = self.now;
        if !self.limiters.stray.allows(now, &mut self.jitter) {
            return self.count(Drop::TcpChallengeLimited);
        }
        self.counters.challenges_sent += 1;
        let (src_port, dst_port) = (flow.local_port, flow.remote_port);
        let header = Header { src_port, dst_port, seq, ack, flags: Flags::ACK, window, urgent: 0 };
        let options = Options { timestamps, ..Options::default() };
        self.reply(Reply::Tcp { remote_ip: flow.remote_ip, header, options });
    }

    // --- TIME-WAIT -------------------------------------------------------------------------------------

    pub(super) fn enter_time_wait(&mut self, flow: Flow, last: Last) {
        let (index, displaced) = self.time_waits.insert(self.now, flow, last);
        if let Some(displaced) = displaced {
            self.flows.remove(&displaced);
        }
        self.flows.insert(flow, Place::TimeWait(index));
    }

    fn handle_time_wait(&mut self, index: u32, arrival: Arrival<'_>) -> Result<(), Drop> {
        let Arrival { segment, payload, .. } = arrival;
        let Entry { flow, last, .. } = *self.time_waits.entry(index);
        let Header { flags, seq, .. } = segment.header;
        if flags.has(Flags::RST) {
            // RFC 1337 3: it would let an old duplicate end the wait.
            return Err(Drop::TcpTimeWait);
        }
        let wants_timestamps = self.listeners.get(&flow.local_port).is_some_and(|l| l.tcp.timestamps);
        let timestamp = segment.options.timestamps.filter(|_| wants_timestamps).map(|(value, _)| value);
        let reopens = flags.has(Flags::SYN) && !flags.has(Flags::ACK) && last.gives_way_to(seq, timestamp);
        if reopens && !fault::is(Fault::NoTimeWaitReopen) {
            // RFC 1122 4.2.2.13, RFC 6191: a new connection in place of the old one, if there can be one.
            match self.can_open(flow.local_port) {
                // A cookie is no number that follows the old ones, so timestamps must tell the two apart.
                Err(Drop::TcpBacklogFull) if timestamp.is_some() && !fault::is(Fault::NoCookies) => {
                    self.send_cookie(flow, segment);
                    return Ok(());
                }
                other => other?,
            }
            self.end_time_wait(index, flow);
            return self.open_half(flow, segment, Some(last));
        }
        if flags.has(Flags::ACK)
            && timestamp.is_some()
            && let Some(opening) = self.take_cookie(flow, segment)
        {
            self.check_room(flow.local_port)?;
            self.end_time_wait(index, flow);
            return self.accept_cookie(&opening, arrival);
        }
        if !flags.has(Flags::ACK | Flags::SYN) {
            return Err(Drop::TcpNoAck);
        }
        if seq == last.rcv_nxt && payload.is_empty() && !flags.has(Flags::SYN | Flags::FIN) {
            // In order and empty: an answer would be answered, if the peer waits as we do.
            return Err(Drop::TcpTimeWait);
        }
        if flags.has(Flags::FIN) {
            self.time_waits.restart(self.now, index);
        }
        let timestamps = last.ts_recent.map(|recent| {
            let offset = isn::numbers(self.now, flow, &self.isn_secret).ts_offset;
            (timestamps::value(self.now, offset), recent)
        });
        self.acknowledge_small(flow, last.snd_nxt, last.rcv_nxt, 0, timestamps);
        Err(Drop::TcpTimeWait)
    }

    fn end_time_wait(&mut self, index: u32, flow: Flow) {
        self.time_waits.remove(index);
        self.flows.remove(&flow);
    }

    // --- resets ----------------------------------------------------------------------------------------

    /// RFC 9293 3.10.7.1: a segment that belongs to nothing. Its own numbers make the RST acceptable.
    fn refuse(&mut self, flow: Flow, header: &Header, payload: &[u8]) {
        if header.flags.has(Flags::ACK) {
            return self.send_reset(flow, header.ack, None);
        }
        let controls = u32::from(header.flags.has(Flags::SYN)) + u32::from(header.flags.has(Flags::FIN));
        self.send_reset(flow, SeqNum(0), Some(header.seq + payload.len() as u32 + controls));
    }

    /// A RST in answer to a segment, as far as the rate limit goes.
    pub(super) fn send_reset(&mut self, flow: Flow, seq: SeqNum, ack: Option<SeqNum>) {
        let now = self.now;
        if !self.limiters.reset.allows(now) {
            return self.count(Drop::TcpResetLimited);
        }
        self.reset_peer(flow, seq, ack, None);
    }

    /// A RST of our own accord, which no stranger can ask for and no limit holds back.
    pub(super) fn reset_peer(
        &mut self,
        flow: Flow,
        seq: SeqNum,
        ack: Option<SeqNum>,
        timestamps: Option<(u32, u32)>,
    ) {
        self.counters.resets_sent += 1;
        let header = Header {
            src_port: flow.local_port,
            dst_port: flow.remote_port,
            seq,
            ack: ack.unwrap_or_default(),
            flags: if ack.is_some() { Flags::RST | Flags::ACK } else { Flags::RST },
            window: 0,
            urgent: 0,
        };
        let options = Options { timestamps, ..Options::default() };
        self.reply(Reply::Tcp { remote_ip: flow.remote_ip, header, options });
    }
}
