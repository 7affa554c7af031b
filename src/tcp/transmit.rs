//! Which segment leaves next: RFC 9293 3.8 and 3.10.
//!
//! In this order: a SYN, what was lost, what is new, a probe, an ACK. Every segment but the first SYN carries an
//! ACK, so one that is owed rides on whatever leaves.

use bytes::Bytes;

use super::connection::Connection;
use super::handshake;
use super::receiver::Acknowledge;
use super::sender::NewData;
use super::state::State;
use super::timers::Timer;
use crate::fault::{self, Fault};
use crate::time::Instant;
use crate::wire::seq::SeqNum;
use crate::wire::tcp::{Flags, Header};
use crate::wire::tcp_options::Options;

impl Connection {
    /// The next segment, its payload added to `payload`; `None` when there is nothing to send now.
    pub fn poll_segment(&mut self, now: Instant, payload: &mut Vec<Bytes>) -> Option<(Header, Options)> {
        let segment = match self.state {
            State::Closed | State::Listen => None,
            State::SynSent | State::SynReceived => self.poll_syn(now).or_else(|| self.poll_ack(now)),
            _ => self
                .poll_resent(now, payload)
                .or_else(|| self.poll_new(now, payload))
                .or_else(|| self.poll_probe())
                .or_else(|| self.poll_ack(now)),
        };
        self.tally.segments_sent += u64::from(segment.is_some());
        segment
    }

    fn poll_syn(&mut self, now: Instant) -> Option<(Header, Options)> {
        if !std::mem::take(&mut self.due.syn) {
            return None;
        }
        let iss = self.snd.una;
        let capacity = self.rcv.capacity();
        let mut header = self.header(iss, Flags::SYN);
        header.window = handshake::unscaled_window(capacity);
        let mut window_scale = Some(handshake::window_scale_for(capacity));
        if self.state == State::SynReceived {
            self.stamp(&mut header);
            header.flags = Flags::SYN | Flags::ACK;
            header.window = handshake::unscaled_window(capacity);
            window_scale = window_scale.filter(|_| self.rcv.shift > 0 || self.snd.shift > 0);
        }
        self.last_data_sent = now;
        if self.syns_resent > 0 {
            self.rtt.handle_resent();
        } else {
            self.rtt.handle_sent(now, iss + 1);
        }
        self.snd.handle_syn_sent();
        self.arm_send_timers(now, false);
        let mss = Some(handshake::local_mss(self.mtu));
        Some((header, Options { mss, window_scale, ..Options::default() }))
    }

    fn poll_resent(&mut self, now: Instant, payload: &mut Vec<Bytes>) -> Option<(Header, Options)> {
        let resend = self.recovery.resend_from(self.snd.una)?;
        let (len, fin) = self.snd.resend_segment(resend.from, resend.until);
        let flight = self.recovery.flight_end(self.snd.nxt) - self.snd.una;
        if self.snd.wnd == 0 {
            return None;
        }
        if !resend.is_free && flight + len as u32 > self.congestion.window().max(len as u32) {
            self.is_cwnd_limited = true;
            return None;
        }
        let end = resend.from + len as u32 + u32::from(fin);
        self.recovery.handle_resent(end);
        self.tally.segments_resent += 1;
        self.tally.bytes_resent += len as u64;
        self.rtt.handle_resent();
        self.timers.set_if_idle(Timer::Retransmit, now + self.rtt.rto());
        self.last_data_sent = now;
        Some(self.data_segment(resend.from, len, fin, payload))
    }

    fn poll_new(&mut self, now: Instant, payload: &mut Vec<Bytes>) -> Option<(Header, Options)> {
        self.restart_after_idle(now);
        let mss = u32::from(self.snd.mss);
        let flight = self.recovery.flight_end(self.snd.nxt) - self.snd.una;
        let is_resending = flight != self.snd.flight();
        let cwnd = self.congestion.window() + self.recovery.limited_transmit() * mss;
        let next = match self.snd.next_segment(cwnd, flight, self.config.nagle) {
            // What was lost goes before what is new.
            NewData::Segment(..) if is_resending => NewData::BlockedByCongestion,
            NewData::BlockedByWindow if std::mem::take(&mut self.due.small) => {
                self.snd.forced_segment().map_or(NewData::BlockedByWindow, |len| NewData::Segment(len, false))
            }
            next => next,
        };
        self.due.small = false;
        self.judge_window_use(next, is_resending);
        let NewData::Segment(len, fin) = next else {
            self.arm_send_timers(now, next == NewData::BlockedByWindow);
            return None;
        };
        let seq = self.snd.nxt;
        if flight + len as u32 > self.congestion.window() {
            self.limited_sent += len as u32;
        }
        self.snd.handle_sent(len, fin);
        self.tally.bytes_sent += len as u64;
        self.check_room();
        self.rtt.handle_sent(now, self.snd.nxt);
        self.arm_send_timers(now, false);
        self.last_data_sent = now;
        Some(self.data_segment(seq, len, fin, payload))
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
    fn poll_probe(&mut self) -> Option<(Header, Options)> {
        if !std::mem::take(&mut self.due.probe) {
            return None;
        }
        let mut header = self.header(self.snd.una - 1, Flags::ACK);
        self.stamp(&mut header);
        Some((header, Options::default()))
    }

    /// A duplicate ACK is owed, which no later one stands for.
    pub fn owes_duplicate_ack(&self) -> bool {
        self.rcv.acknowledge() == Acknowledge::Duplicate
    }

    fn poll_ack(&mut self, now: Instant) -> Option<(Header, Options)> {
        match self.rcv.acknowledge() {
            Acknowledge::No => None,
            Acknowledge::Delayed if !fault::is(Fault::NoDelayedAck) => {
                self.timers.set_if_idle(Timer::DelayedAck, now + self.config.ack_delay);
                None
            }
            Acknowledge::Now | Acknowledge::Duplicate if self.state == State::SynSent => None,
            Acknowledge::Now | Acknowledge::Duplicate | Acknowledge::Delayed => {
                let mut header = self.header(self.snd.nxt, Flags::ACK);
                self.stamp(&mut header);
                Some((header, Options::default()))
            }
        }
    }

    fn data_segment(
        &mut self,
        seq: SeqNum,
        len: usize,
        fin: bool,
        payload: &mut Vec<Bytes>,
    ) -> (Header, Options) {
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
        self.stamp(&mut header);
        (header, Options::default())
    }

    /// RFC 5681 4.1: after an idle time the old window says nothing about the path.
    fn restart_after_idle(&mut self, now: Instant) {
        let is_idle = self.snd.flight() == 0 && now.since(self.last_data_sent) > self.rtt.rto();
        if is_idle && self.snd.unsent() > 0 && !fault::is(Fault::NoIdleRestart) {
            self.congestion.handle_idle();
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
