//! Which segment leaves next: RFC 9293 3.8 and 3.10.
//!
//! In this order: a SYN, what was lost, a loss probe, what is new, a probe of the window, an ACK. Every segment but the
//! first SYN carries an ACK, so one that is owed rides on whatever leaves.

use bytes::Bytes;

use super::connection::Connection;
use super::ecn::{self, Codepoint};
use super::handshake;
use super::receiver::Acknowledge;
use super::recovery::{Phase, Probe};
use super::scoreboard::Fate;
use super::sender::NewData;
use super::state::State;
use super::timers::Timer;
use crate::fault::{self, Fault};
use crate::limits;
use crate::time::Instant;
use crate::wire::seq::SeqNum;
use crate::wire::tcp::{Flags, Header};
use crate::wire::tcp_options::Options;

/// A segment that leaves, but for its payload.
#[derive(Clone, Copy, Debug)]
pub struct Departure {
    /// Its header.
    pub header: Header,
    /// Its options.
    pub options: Options,
    /// What its IP header says of ECN.
    pub codepoint: Codepoint,
}

impl Connection {
    /// The next segment, its payload added to `payload`; `None` when there is nothing to send now.
    pub fn poll_segment(&mut self, now: Instant, payload: &mut Vec<Bytes>) -> Option<Departure> {
        let segment = match self.state {
            State::Closed | State::Listen => None,
            State::SynSent | State::SynReceived => self.poll_syn(now).or_else(|| self.poll_ack(now)),
            _ => self
                .poll_lost(now, payload)
                .or_else(|| self.poll_loss_probe(now, payload))
                .or_else(|| self.poll_new(now, payload))
                .or_else(|| self.poll_probe(now))
                .or_else(|| self.poll_ack(now)),
        };
        self.tally.segments_sent += u64::from(segment.is_some());
        segment
    }

    fn poll_syn(&mut self, now: Instant) -> Option<Departure> {
        if !std::mem::take(&mut self.due.syn) {
            return None;
        }
        let config = self.config;
        let iss = self.snd.una;
        let capacity = config.receive_buffer;
        let mut options = Options {
            mss: Some(handshake::local_mss(usize::from(self.path.current()))),
            window_scale: Some(handshake::window_scale_for(capacity)),
            sack_permitted: config.sack,
            timestamps: config.timestamps.then(|| (self.ts.value(now), 0)),
            ..Options::default()
        };
        let mut header = self.header(iss, Flags::SYN);
        if self.state == State::SynReceived {
            self.stamp(&mut header);
            let ecn = if self.ecn.is_on() { Flags::ECE } else { Flags(0) };
            header.flags = Flags::SYN | Flags::ACK | ecn;
            options.window_scale = options.window_scale.filter(|_| self.rcv.shift > 0 || self.snd.shift > 0);
            options.sack_permitted = self.uses_sack;
            options.timestamps = self.ts.option(now, self.rcv.nxt);
        } else if config.ecn == ecn::Mode::Ask && self.syns_resent == 0 {
            // RFC 3168 6.1.1.1: what may not have got through for its flags is tried without them.
            header.flags = Flags::SYN | Flags::ECE | Flags::CWR;
        }
        header.window = handshake::unscaled_window(capacity);
        self.last_data_sent = now;
        if self.snd.flight() == 0 {
            self.rto_from = now;
        }
        self.snd.handle_syn_sent();
        self.arm_guard(now);
        Some(Departure { header, options, codepoint: Codepoint::NotEct })
    }

    /// What is lost leaves again, as the window allows.
    fn poll_lost(&mut self, now: Instant, payload: &mut Vec<Bytes>) -> Option<Departure> {
        if self.recovery.prefers_new_data() || self.snd.wnd == 0 {
            return None;
        }
        let (index, start, _) = self.board.next_lost(self.snd.una)?;
        let room = self.room_in_segment();
        let end = self.board.join_lost(index, start, room as u32);
        let (len, fin) = self.snd.resend_segment(start, end, room);
        let is_first = self.recovery.is_first_due;
        if !is_first && self.pipe() + len as u32 > self.congestion.window().max(len as u32) {
            self.is_cwnd_limited = true;
            return None;
        }
        if !is_first && self.must_wait(now) {
            return None;
        }
        let was_resent = self.board.is_resent(index);
        let timestamp = self.ts.is_on().then(|| self.ts.value(now));
        if let Some(undo) = &mut self.recovery.undo {
            undo.handle_resent(timestamp, was_resent);
        }
        self.recovery.is_first_due = false;
        if index == 0 {
            self.rto_from = now;
        }
        Some(self.resend(now, (index, start), (len, fin), payload))
    }

    fn resend(
        &mut self,
        now: Instant,
        (index, start): (usize, SeqNum),
        (len, fin): (usize, bool),
        payload: &mut Vec<Bytes>,
    ) -> Departure {
        let end = start + len as u32 + u32::from(fin);
        self.board.handle_resent(now, index, start, end);
        self.tally.segments_resent += 1;
        self.tally.bytes_resent += len as u64;
        self.handle_left(now, end - start);
        self.data_segment(now, start, (len, fin), false, payload)
    }

    /// RFC 8985 7.3: new data if there is some, else the last segment again; whatever the congestion window says.
    fn poll_loss_probe(&mut self, now: Instant, payload: &mut Vec<Bytes>) -> Option<Departure> {
        if !std::mem::take(&mut self.due.loss_probe) {
            return None;
        }
        self.recovery.has_probed = true;
        self.rto_from = now;
        let (index, start, end) = self.board.last(self.snd.una)?;
        if self.board.fate(index) != Fate::InFlight {
            return None;
        }
        self.tally.mechanisms.loss_probes += 1;
        let room = self.room_in_segment();
        if let NewData::Segment(len, fin) = self.snd.next_segment(u32::MAX, 0, false, room) {
            let departure = self.send_new(now, len, fin, payload);
            self.recovery.probe = Some(Probe { end: self.snd.nxt, is_resent: false });
            return Some(departure);
        }
        if (end - start) as usize > room + 1 {
            // Segments have become smaller since it left: it would not be the last one any more.
            return None;
        }
        let (len, fin) = self.snd.resend_segment(start, end, room);
        self.recovery.probe = Some(Probe { end: self.snd.nxt, is_resent: true });
        Some(self.resend(now, (index, start), (len, fin), payload))
    }

    fn poll_new(&mut self, now: Instant, payload: &mut Vec<Bytes>) -> Option<Departure> {
        self.restart_after_idle(now);
        let is_resending = self.board.lost_bytes() > 0 && !self.recovery.prefers_new_data();
        let room = self.room_in_new_segment(now);
        let next = match self.snd.next_segment(self.congestion.window(), self.pipe(), self.config.nagle, room)
        {
            // What was lost goes before what is new.
            NewData::Segment(..) if is_resending || self.board.len() >= limits::SEGMENTS_IN_FLIGHT => {
                NewData::BlockedByCongestion
            }
            NewData::BlockedByWindow if std::mem::take(&mut self.due.small) => self
                .snd
                .forced_segment(room)
                .map_or(NewData::BlockedByWindow, |len| NewData::Segment(len, false)),
            next => next,
        };
        self.due.small = false;
        self.judge_window_use(next, is_resending);
        self.is_window_limited = next == NewData::BlockedByWindow;
        let NewData::Segment(len, fin) = next else {
            self.arm_guard(now);
            return None;
        };
        if self.must_wait(now) {
            self.arm_guard(now);
            return None;
        }
        self.probe_from = now;
        let larger = len.saturating_sub(self.room_in_segment());
        if larger > 0 {
            self.path.handle_probe_sent(self.snd.nxt + len as u32, self.path.current() + larger as u16);
        }
        Some(self.send_new(now, len, fin, payload))
    }

    fn send_new(&mut self, now: Instant, len: usize, fin: bool, payload: &mut Vec<Bytes>) -> Departure {
        let seq = self.snd.nxt;
        if self.snd.flight() == 0 {
            self.rto_from = now;
        }
        let is_burst = self.board.ends_with_new(now);
        self.snd.handle_sent(len, fin);
        self.board.handle_sent(now, self.snd.nxt);
        self.tally.bytes_sent += len as u64;
        self.check_room();
        self.handle_left(now, self.snd.nxt - seq);
        let mut departure = self.data_segment(now, seq, (len, fin), true, payload);
        if is_burst && !self.is_followed(now) {
            // Whoever gathers segments at the other end need not wait for more. As in Linux.
            departure.header.flags = departure.header.flags | Flags::PSH;
        }
        departure
    }

    /// Another new segment leaves right behind the last.
    fn is_followed(&self, now: Instant) -> bool {
        if self.pacing.wait(now).is_some() {
            return false;
        }
        // For nearly all of many segments this is all there is to ask.
        let full = u32::from(self.snd.mss);
        let window_end = self.snd.una + self.snd.wnd;
        if self.snd.unsent() >= full as usize
            && (self.snd.nxt + full).le(window_end)
            && self.pipe() + full <= self.congestion.window()
        {
            return true;
        }
        let next = self.snd.next_segment(
            self.congestion.window(),
            self.pipe(),
            self.config.nagle,
            self.room_in_segment(),
        );
        matches!(next, NewData::Segment(..))
    }

    /// Something that takes sequence numbers leaves.
    fn handle_left(&mut self, now: Instant, len: u32) {
        self.last_data_sent = now;
        self.pacing.handle_sent(now, len);
        if let Phase::Fast(prr) = &mut self.recovery.phase {
            prr.handle_sent(len);
        }
    }

    /// Data leaves later, to be spread over the round trip.
    fn must_wait(&mut self, now: Instant) -> bool {
        let until = self.pacing.wait(now);
        if let Some(until) = until {
            self.timers.set(Timer::Pace, until);
        }
        until.is_some()
    }

    /// Whether the congestion window is what holds the sender back, so that ACKs may grow it: it does while there is
    /// more to send, and also when the last of it has just filled the window.
    fn judge_window_use(&mut self, next: NewData, is_resending: bool) {
        match next {
            NewData::BlockedByCongestion => self.is_cwnd_limited = true,
            NewData::Segment(..) => {}
            _ if is_resending => {}
            _ => {
                self.is_cwnd_limited = self.snd.flight() + u32::from(self.snd.mss) > self.congestion.window()
            }
        }
    }

    /// A probe of a closed window, and a keep-alive: a segment without data just before the window. It is not
    /// acceptable to the peer, which must answer with an ACK (RFC 9293 3.10.7.4). As in Linux and BSD; RFC 9293
    /// 3.8.6.1 would send a byte of data.
    fn poll_probe(&mut self, now: Instant) -> Option<Departure> {
        if !std::mem::take(&mut self.due.probe) {
            return None;
        }
        let header = self.header(self.snd.una - 1, Flags::ACK);
        Some(self.depart(now, header, false))
    }

    /// A duplicate ACK is owed, which no later one stands for.
    pub fn owes_duplicate_ack(&self) -> bool {
        self.rcv.acknowledge() == Acknowledge::Duplicate
    }

    fn poll_ack(&mut self, now: Instant) -> Option<Departure> {
        match self.rcv.acknowledge() {
            Acknowledge::No => None,
            Acknowledge::Delayed if !fault::is(Fault::NoDelayedAck) => {
                self.timers.set_if_idle(Timer::DelayedAck, now + self.config.ack_delay);
                None
            }
            Acknowledge::Now | Acknowledge::Duplicate if self.state == State::SynSent => None,
            Acknowledge::Now | Acknowledge::Duplicate | Acknowledge::Delayed => {
                let header = self.header(self.snd.nxt, Flags::ACK);
                Some(self.depart(now, header, false))
            }
        }
    }

    fn data_segment(
        &mut self,
        now: Instant,
        seq: SeqNum,
        (len, fin): (usize, bool),
        is_new: bool,
        payload: &mut Vec<Bytes>,
    ) -> Departure {
        let from = (seq - self.snd.una) as usize;
        self.snd.buffer.slices(from, len, payload);
        let is_last = from + len == self.snd.buffer.len();
        let mut flags = Flags::ACK;
        if fin {
            flags = flags | Flags::FIN;
        }
        if len > 0 && is_last {
            // RFC 9293 3.9.1.2 (MUST-61): the last of what is queued is pushed.
            flags = flags | Flags::PSH;
        }
        let mut header = self.header(seq, flags);
        if let Some(pointer) = self.snd.urgent_pointer(seq) {
            header.flags = flags | Flags::URG;
            header.urgent = pointer;
        }
        self.depart(now, header, is_new && len > 0)
    }

    /// Acknowledgment, window, options and ECN of a segment that leaves now.
    fn depart(&mut self, now: Instant, mut header: Header, is_new_data: bool) -> Departure {
        self.stamp(&mut header);
        header.flags = header.flags | self.ecn.flags(is_new_data);
        let options = Options {
            timestamps: self.ts.option(now, header.ack),
            sack: self.rcv.sack_blocks(self.ts.is_on()),
            ..Options::default()
        };
        Departure { header, options, codepoint: self.ecn.codepoint(is_new_data) }
    }

    /// RFC 5681 4.1: after an idle time the old window says nothing about the path.
    fn restart_after_idle(&mut self, now: Instant) {
        let is_idle = self.snd.flight() == 0 && now.since(self.last_data_sent) > self.rtt.rto();
        if is_idle && self.snd.unsent() > 0 {
            self.congestion.handle_idle(now);
            self.snd.capacity = self.config.first_send_buffer();
            self.pacing.handle_idle(self.congestion.window());
            self.set_pace();
            self.last_data_sent = now;
        }
    }

    fn header(&self, seq: SeqNum, flags: Flags) -> Header {
        Header {
            src_port: self.flow.local_port,
            dst_port: self.flow.remote_port,
            seq,
            ack: SeqNum(0),
            flags,
            window: 0,
            urgent: 0,
        }
    }
}
