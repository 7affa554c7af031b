//! A segment arrives: RFC 9293 3.10.7.3 and 3.10.7.4, in their order, with RFC 5961 where it differs.
//!
//! The state CLOSED is the stack's (no connection, so a RST), LISTEN and TIME-WAIT have entries of their own.

use super::acknowledgment::Acknowledgment;
use super::connection::Connection;
use super::ecn::Codepoint;
use super::error::Cause;
use super::handshake::Peer;
use super::receiver::Received;
use super::recovery::{Frto, Phase};
use super::scoreboard::{Sent, Verdict};
use super::signal::Signal;
use super::state::{State, Step};
use super::timestamps::Echo;
use crate::drops::Drop;
use crate::fault::{self, Fault};
use crate::time::Instant;
use crate::wire::seq::SeqNum;
use crate::wire::tcp::{Flags, Header, Segment};
use crate::wire::tcp_options::Options;

/// What came of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken, in part at least.
    Taken,
    /// It was not; an ACK is owed where the RFC wants one.
    Dropped(Drop),
    /// It was not, and an ACK should say what we expect, as far as the rate limit of such ACKs goes.
    Challenged(Drop),
    /// It was not, and a RST with this sequence number is the answer.
    Reset(Drop, SeqNum),
}

/// A step of the processing either goes on or ends it.
type Checked = Result<(), Outcome>;

impl Connection {
    /// Takes a segment with its payload; `codepoint` stood in its IP header.
    pub fn handle_segment(
        &mut self,
        now: Instant,
        segment: &Segment,
        payload: &[u8],
        codepoint: Codepoint,
    ) -> Outcome {
        self.tally.segments_received += 1;
        let result = match self.state {
            State::Closed | State::Listen | State::TimeWait => self.handle_in_time_wait(&segment.header),
            State::SynSent => self.handle_in_syn_sent(now, segment, payload),
            _ => self.handle_synchronized(now, *segment, payload, codepoint),
        };
        result.err().unwrap_or(Outcome::Taken)
    }

    /// The last moments of a connection that the user has not let go yet.
    fn handle_in_time_wait(&mut self, header: &Header) -> Checked {
        if header.flags.has(Flags::FIN) {
            self.rcv.acknowledge_now();
        }
        Err(Outcome::Dropped(Drop::TcpTimeWait))
    }

    /// RFC 9293 3.10.7.3.
    fn handle_in_syn_sent(&mut self, now: Instant, segment: &Segment, payload: &[u8]) -> Checked {
        let Header { flags, seq, ack, .. } = segment.header;
        let acks_syn = flags.has(Flags::ACK) && self.snd.una.lt(ack) && ack.le(self.snd.nxt);
        if flags.has(Flags::ACK) && !acks_syn {
            let drop = Drop::TcpHandshakeBadAck;
            return Err(if flags.has(Flags::RST) {
                Outcome::Dropped(drop)
            } else {
                Outcome::Reset(drop, ack)
            });
        }
        if flags.has(Flags::RST) {
            if !acks_syn {
                return Err(Outcome::Dropped(Drop::TcpResetOutOfWindow));
            }
            self.close(Cause::Refused);
            return Ok(());
        }
        if !flags.has(Flags::SYN) {
            return Err(Outcome::Dropped(Drop::TcpBadFlags));
        }
        self.apply(now, &Peer::from_syn(&segment.header, &segment.options, usize::from(self.path.current())));
        self.snd.set_window(&segment.header, u32::from(segment.header.window));
        if !acks_syn {
            // Simultaneous open: RFC 9293 3.5, figure 7.
            self.step(Step::Syn);
            self.due.syn = true;
            return Ok(());
        }
        self.step(Step::SynAck);
        self.handle_syn_acked(now, ack);
        self.rcv.acknowledge_now();
        let header = Header { seq: seq + 1, ..segment.header };
        self.handle_payload_and_fin(now, &header, &segment.options, payload)
    }

    /// RFC 9293 3.10.7.4.
    fn handle_synchronized(
        &mut self,
        now: Instant,
        mut segment: Segment,
        payload: &[u8],
        codepoint: Codepoint,
    ) -> Checked {
        let header = &mut segment.header;
        let is_syn_ack = header.flags.has(Flags::SYN) && header.flags.has(Flags::ACK);
        if self.state == State::SynReceived && is_syn_ack && header.seq + 1 == self.rcv.nxt {
            // The SYN once more, with the ACK of ours: both sides opened at once.
            header.seq += 1;
            header.flags.0 &= !Flags::SYN.0;
            // The window of a SYN is not scaled (RFC 7323 2.2), and what follows scales it.
            header.window >>= self.snd.shift;
        }
        let header = segment.header;
        self.check_timestamp(now, &segment, payload)?;
        self.check_sequence(&header, payload)?;
        self.check_reset(&header)?;
        if !header.flags.has(Flags::ACK) {
            return Err(Outcome::Dropped(Drop::TcpNoAck));
        }
        self.ecn.handle_segment(codepoint, header.flags);
        self.handle_heard(now);
        if self.state == State::SynReceived {
            self.handle_ack_of_syn(now, &segment)?;
        }
        self.handle_ack(now, &segment, payload)?;
        if let Some((value, _)) = segment.options.timestamps.filter(|_| self.ts.is_on()) {
            self.ts.handle_value(now, value, header.seq);
        }
        if header.flags.has(Flags::URG) && self.state.can_receive() {
            // RFC 6093 4: the pointer names the byte after the urgent data.
            if self.rcv.handle_urgent(header.seq + u32::from(header.urgent)) {
                self.signals.add(Signal::Urgent);
            }
        }
        self.handle_payload_and_fin(now, &header, &segment.options, payload)
    }

    /// Before all else: PAWS, RFC 7323 5.3, R1. A RST is exempt, and a segment without the option is dropped (3.2).
    fn check_timestamp(&mut self, now: Instant, segment: &Segment, payload: &[u8]) -> Checked {
        if !self.ts.is_on() || segment.header.flags.has(Flags::RST | Flags::SYN) {
            return Ok(());
        }
        match segment.options.timestamps {
            None => Err(Outcome::Dropped(Drop::TcpNoTimestamp)),
            Some((value, _)) if self.ts.is_old(now, value) => {
                if payload.is_empty() && self.is_overtaken_ack(segment, value) {
                    let ack = Acknowledgment {
                        ack: segment.header.ack,
                        sack: &segment.options.sack,
                        echo: None,
                        is_duplicate: false,
                        has_ece: false,
                    };
                    self.handle_acknowledgment(now, ack);
                    return Err(Outcome::Taken);
                }
                self.note_old(&segment.header, payload);
                Err(Outcome::Challenged(Drop::TcpOldTimestamp))
            }
            Some(_) => Ok(()),
        }
    }

    /// An empty ACK that others have overtaken: its blocks of SACK are news all the same. Deviation, as in Linux: PAWS
    /// would drop it, and where ACKs overtake each other what it reported would be sent again.
    fn is_overtaken_ack(&self, segment: &Segment, value: u32) -> bool {
        let Header { flags, seq, ack, .. } = segment.header;
        let is_recent = self.ts.behind(value) <= self.rtt.rto();
        self.uses_sack
            && !segment.options.sack.as_slice().is_empty()
            && !flags.has(Flags::SYN | Flags::FIN)
            && flags.has(Flags::ACK)
            && seq == self.rcv.nxt
            && ack.le(self.snd.una)
            && ack.ge(self.snd.una - self.snd.max_wnd)
            && is_recent
    }

    /// First: the sequence number. A RST is judged next whatever this says; a SYN is challenged wherever it
    /// stands (RFC 5961 4.2).
    fn check_sequence(&mut self, header: &Header, payload: &[u8]) -> Checked {
        let is_reset = header.flags.has(Flags::RST);
        if header.flags.has(Flags::SYN) && !is_reset {
            if fault::is(Fault::SynResets) {
                self.close(Cause::Reset);
            }
            return Err(Outcome::Challenged(Drop::TcpSynChallenged));
        }
        // A RST may carry words of explanation (SHLD-2), which take no room, and a closed window does not stop it
        // (MUST-66).
        let len = if is_reset { 0 } else { payload.len() as u32 + u32::from(header.flags.has(Flags::FIN)) };
        if self.rcv.is_acceptable(header.seq, len) {
            return Ok(());
        }
        if is_reset {
            return Err(Outcome::Dropped(Drop::TcpResetOutOfWindow));
        }
        if self.rcv.window() == 0 && header.seq == self.rcv.nxt {
            // RFC 9293 3.10.7.4, first: with a closed window ACKs are taken all the same; the payload is not.
            return Ok(());
        }
        if len == 0 {
            // Two stacks that answer each other's empty segments would never stop.
            return Err(Outcome::Challenged(Drop::TcpOutOfWindow));
        }
        self.rcv.acknowledge_now();
        self.note_old(header, payload);
        Err(Outcome::Dropped(Drop::TcpOutOfWindow))
    }

    /// What is refused may be what was sent again without need: the peer is told (RFC 2883).
    fn note_old(&mut self, header: &Header, payload: &[u8]) {
        if header.seq.lt(self.rcv.nxt) {
            self.rcv.note_duplicate(header.seq, payload.len() as u32);
        }
    }

    /// Second: RST. RFC 5961 3.2: only one that stands exactly at the left edge is believed.
    fn check_reset(&mut self, header: &Header) -> Checked {
        if !header.flags.has(Flags::RST) {
            return Ok(());
        }
        if header.seq != self.rcv.nxt && !fault::is(Fault::ResetAnywhere) {
            return Err(Outcome::Challenged(Drop::TcpResetChallenged));
        }
        match self.state {
            State::SynReceived if self.is_active => self.close(Cause::Refused),
            State::Closing | State::LastAck if self.snd.buffer.is_empty() => self.close(Cause::Finished),
            _ => self.close(Cause::Reset),
        }
        Err(Outcome::Taken)
    }

    /// Fifth, in SYN-RECEIVED.
    fn handle_ack_of_syn(&mut self, now: Instant, segment: &Segment) -> Checked {
        let header = &segment.header;
        if !(self.snd.una.lt(header.ack) && header.ack.le(self.snd.nxt)) {
            return Err(Outcome::Reset(Drop::TcpHandshakeBadAck, header.ack));
        }
        self.step(Step::SynAcked);
        if self.snd.is_closed() {
            // The user did not wait for it.
            self.step(Step::Close);
        }
        self.snd.set_window(header, u32::from(header.window) << self.snd.shift);
        self.handle_syn_acked(now, header.ack);
        Ok(())
    }

    fn handle_syn_acked(&mut self, now: Instant, ack: SeqNum) {
        self.due.syn = false;
        self.rtt.handle_established(self.syns_resent > 0);
        if self.syns_resent == 0 && self.is_syn_timed {
            self.rtt.handle_sample(now, now.since(self.last_data_sent), 1);
        }
        if self.syns_resent > 1 {
            self.congestion.handle_lost_syns();
        }
        self.snd.handle_ack(ack);
        self.set_pace();
        self.arm_guard(now);
        self.handle_progress();
        self.handle_heard(now);
        self.signals.add(Signal::Connected);
    }

    /// Fifth, in the other states.
    fn handle_ack(&mut self, now: Instant, segment: &Segment, payload: &[u8]) -> Checked {
        let header = &segment.header;
        let ack = header.ack;
        if ack.gt(self.snd.nxt) {
            return Err(Outcome::Challenged(Drop::TcpAckUnsent));
        }
        // RFC 5961 5.2.
        if ack.lt(self.snd.una - self.snd.max_wnd) {
            return Err(Outcome::Challenged(Drop::TcpAckTooOld));
        }
        let was_closed = self.snd.wnd == 0;
        let window_changed = ack.ge(self.snd.una) && self.snd.handle_window(header);
        self.handle_acknowledgment(
            now,
            Acknowledgment {
                ack,
                sack: &segment.options.sack,
                echo: self.echo(now, &segment.options),
                is_duplicate: self.is_duplicate_ack(header, payload, window_changed),
                has_ece: header.flags.has(Flags::ECE),
            },
        );
        if was_closed && self.snd.wnd > 0 {
            self.handle_window_opened(now);
        }
        if self.snd.is_fin_acked() {
            self.handle_fin_acked(now);
        }
        Ok(())
    }

    fn echo(&self, now: Instant, options: &Options) -> Option<Echo> {
        let (_, value) = options.timestamps?;
        self.ts.echo(now, value, now.since(self.opened))
    }

    /// RFC 5681 2.
    fn is_duplicate_ack(&self, header: &Header, payload: &[u8], window_changed: bool) -> bool {
        header.ack == self.snd.una
            && self.snd.flight() > 0
            && payload.is_empty()
            && !header.flags.has(Flags::FIN)
            && !window_changed
    }

    /// A closed window opened: what was in flight when it closed was perhaps not taken, and is sent again now,
    /// but once: a peer that opens and closes its window must not have all of it for each pair of ACKs.
    fn handle_window_opened(&mut self, now: Instant) {
        if !self.recovery.is_after_timeout() {
            self.resend_flight(now, 0);
        }
        self.rto_from = now;
        self.arm_guard(now);
    }

    /// What is in flight in segments of more than `longest` bytes has not arrived, though not for congestion: it
    /// leaves again as the window allows, which stays.
    pub(super) fn resend_flight(&mut self, now: Instant, longest: u32) {
        if self.board.is_empty() {
            return;
        }
        if self.path.probe().is_some() {
            self.path.handle_probe_inconclusive();
        }
        let is_lost = |start, segment: &Sent| {
            if segment.end - start > longest { Verdict::Lost } else { Verdict::Keep }
        };
        if !self.board.mark_lost(self.snd.una, is_lost) {
            return;
        }
        self.recovery.begin(Phase::Loss(Frto::Off), self.snd.nxt, true);
        self.recovery.undo = None;
        self.rto_from = now;
        self.arm_guard(now);
    }

    fn handle_fin_acked(&mut self, now: Instant) {
        let before = self.state;
        self.step(Step::FinAcked);
        if self.state == before {
            return;
        }
        match self.state {
            State::FinWait2 => self.handle_fin_wait_2(now),
            State::Closed | State::TimeWait => self.finish(Cause::Finished),
            _ => {}
        }
    }

    /// Seventh and eighth: the payload, and the FIN.
    fn handle_payload_and_fin(
        &mut self,
        now: Instant,
        header: &Header,
        options: &Options,
        payload: &[u8],
    ) -> Checked {
        let mut result = Ok(());
        if !payload.is_empty() {
            if !self.state.can_receive() {
                // After the peer's FIN: it cannot have more.
                self.rcv.acknowledge_now();
                return Err(Outcome::Dropped(Drop::TcpOutOfWindow));
            }
            if self.is_released {
                // RFC 9293 3.6.1 (SHLD-3): nobody is there to read it.
                self.close(Cause::Aborted);
                return Err(Outcome::Reset(Drop::TcpDataAfterClose, header.ack));
            }
            match self.rcv.handle_payload(header.seq, payload, self.receive_room()) {
                Received::InOrder => {
                    self.signals.add(Signal::Readable);
                    self.size_receive_buffer(now, options);
                }
                Received::OutOfOrder => {}
                Received::NoRoom if self.rcv.window() == 0 => {
                    result = Err(Outcome::Dropped(Drop::TcpOutOfWindow))
                }
                Received::NoRoom => result = Err(Outcome::Dropped(Drop::TcpReassemblyLimit)),
                Received::NoMemory => return Err(Outcome::Dropped(Drop::TcpMemoryFull)),
            }
        }
        let fin_at = header.seq + payload.len() as u32;
        let has_fin =
            header.flags.has(Flags::FIN) && fin_at.is_within(self.rcv.nxt, self.rcv.window().max(1));
        if (has_fin && self.rcv.handle_fin(fin_at)) || self.rcv.take_fin() {
            self.handle_fin();
        }
        result
    }

    fn handle_fin(&mut self) {
        self.signals.add(Signal::Readable);
        self.step(Step::Fin);
        if self.state == State::TimeWait {
            self.finish(Cause::Finished);
        }
    }
}
