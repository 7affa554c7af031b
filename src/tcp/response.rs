//! What the sender does about what an ACK told: recovery begins, goes on and ends, and the congestion window shrinks
//! and grows.
//!
//! RFC 5681 3, RFC 8985 6.2 and 7.4, RFC 9937, RFC 5682, RFC 3522, RFC 3708. The phases are those of `recovery.rs`.
//!
//! Deviation: a retransmission that is lost reduces the window no further within one recovery, as in Linux, where RFC
//! 5681 4.3 has it (MUST); RFC 8985 9.3 asks for it only in the absence of PRR.

use super::acknowledgment::{Acknowledgment, News};
use super::congestion::Ack;
use super::connection::Connection;
use super::prr::{Delivery, Prr};
use super::rack::Circumstances;
use super::recovery::{Frto, Phase};
use super::sender::NewData;
use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};

impl Connection {
    /// RFC 8985 7.4.2: was a loss repaired by the loss probe, so that nothing else tells of it?
    pub(super) fn has_probe_repaired(&mut self, ack: Acknowledgment<'_>, news: &News) -> bool {
        let Some(probe) = self.recovery.probe.filter(|probe| ack.ack.ge(probe.end)) else { return false };
        let is_past = ack.ack.gt(probe.end);
        let had_arrived = news.dsack == Some(probe.end);
        let is_plain_duplicate = ack.is_duplicate && ack.sack.as_slice().is_empty();
        if !probe.is_resent || had_arrived || is_past || is_plain_duplicate {
            self.recovery.probe = None;
        }
        let has_repaired = probe.is_resent && is_past && !had_arrived;
        self.tally.mechanisms.probe_repairs += u32::from(has_repaired);
        has_repaired && self.recovery.is_open()
    }

    /// The reduction that is watched was not called for.
    pub(super) fn was_unfounded(&self, ack: Acknowledgment<'_>, news: &News) -> bool {
        let Some(undo) = &self.recovery.undo else { return false };
        if fault::is(Fault::NoUndo) {
            return false;
        }
        // Without SACK a partial ACK tells of another loss, of which nothing else would.
        // And with it, one segment that had not been lost says nothing of the others; D-SACKs do.
        let is_one_of_many = self.recovery.is_lossy && (undo.resent != 1 || self.board.lost_bytes() > 0);
        let tells_of_loss = if self.uses_sack { is_one_of_many } else { news.is_lossy };
        let is_for_original =
            news.has_moved && !tells_of_loss && ack.echo.is_some_and(|echo| undo.is_for_original(echo.value));
        let is_original_in_second = self.recovery.prefers_new_data() && news.has_original;
        // What was taken for lost has come before any of it was sent again.
        let has_come = self.recovery.is_lossy && undo.resent == 0 && self.board.lost_bytes() == 0;
        is_for_original
            || is_original_in_second
            || has_come
            || (news.dsack.is_some() && undo.is_all_reported())
    }

    /// Back to the window of before; what was taken for lost is in flight.
    pub(super) fn undo_reduction(&mut self, now: Instant) {
        let Some(undo) = self.recovery.undo.take() else { return };
        log::debug!("{:?} takes back a reduction of its window", self.flow);
        self.tally.mechanisms.spurious_undos += 1;
        self.congestion.undo(undo.before);
        if undo.is_timeout {
            self.rtt.handle_spurious_timeout();
        } else {
            self.rack.handle_spurious();
        }
        if undo.resent == 0 {
            // No duplicate ACKs can follow from copies that never left.
            self.recovery.recover = self.snd.una - 1;
        }
        self.board.clear_lost();
        self.end_recovery();
        self.rto_from = now;
    }

    /// RFC 8985 6.2, step 5. True when something more is lost.
    pub(super) fn detect_losses(&mut self, now: Instant) -> bool {
        self.reorder_at = None;
        if !self.uses_sack || self.board.is_empty() {
            return false;
        }
        let circumstances = self.circumstances();
        let (any, look_again) = self.rack.detect_losses(now, self.snd.una, &mut self.board, circumstances);
        self.reorder_at = look_again;
        any && !self.is_path_probe_alone(now)
    }

    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances {
            min_rtt: self.rtt.least().unwrap_or_default(),
            srtt: self.rtt.smoothed().map_or(Duration::MAX, |(srtt, _)| srtt),
            is_recovering: !self.recovery.is_open(),
        }
    }

    /// RFC 3168 6.1.2: a router was congested.
    pub(super) fn is_marked(&mut self, ack: Acknowledgment<'_>) -> bool {
        let is_marked = ack.has_ece && self.ecn.handle_echo(self.snd.una, self.snd.nxt);
        self.tally.mechanisms.ecn_reductions += u32::from(is_marked && self.recovery.is_open());
        is_marked
    }

    /// `is_congested` says that the window is to be reduced though nothing is to be sent again for it.
    pub(super) fn advance_recovery(&mut self, now: Instant, news: &News, is_congested: bool) {
        let is_over = self.snd.una.ge(self.recovery.recover);
        match self.recovery.phase {
            Phase::Open if news.is_lossy || is_congested => {
                self.begin_fast_recovery(news, is_congested);
            }
            Phase::Open => {
                self.recovery.handle_una(self.snd.una, self.snd.nxt);
                self.grow_window(now, news);
            }
            Phase::Fast(prr) if is_over => {
                self.congestion.set_window(prr.target());
                self.end_recovery();
                self.begin_again(news);
            }
            Phase::Fast(mut prr) => {
                if news.is_lossy && !self.recovery.is_lossy {
                    // A loss behind a mark: the window is reduced already.
                    (self.recovery.is_lossy, self.recovery.is_first_due) = (true, true);
                }
                self.reduce_window(&mut prr, news);
                self.recovery.phase = Phase::Fast(prr);
            }
            Phase::Loss(_) if is_over => {
                self.end_recovery();
                self.grow_window(now, news);
                self.begin_again(news);
            }
            Phase::Loss(frto) => {
                self.recovery.phase = Phase::Loss(self.next_frto(frto, news));
                self.is_cwnd_limited = true;
                self.grow_window(now, news);
            }
        }
    }

    /// The reordering window is over: RFC 8985 6.2.
    pub(super) fn handle_reorder_timeout(&mut self, now: Instant) {
        if self.detect_losses(now) && self.recovery.is_open() {
            self.begin_fast_recovery(&News { is_lossy: true, ..News::default() }, false);
        }
        self.set_pace();
        self.arm_guard(now);
    }

    /// Something is lost, or a router is congested: RFC 5681 3.2, RFC 3168 6.1.2, RFC 9937 6.
    fn begin_fast_recovery(&mut self, news: &News, is_congested: bool) {
        let flight = self.snd.flight();
        if is_congested {
            // What a router or a repair tells is no guess.
            self.recovery.undo = None;
        } else {
            self.recovery.watch(&self.congestion, self.snd.una, false);
        }
        // FlightSize is what it was before the ACK; when the window was used up, that is the window, as an ACK may come
        // late in a round trip, and of most of it.
        let cwnd = self.congestion.window();
        self.congestion.handle_loss(if self.is_cwnd_limited { cwnd } else { flight + news.acked });
        self.ecn.handle_reduced(self.snd.nxt);
        self.tally.mechanisms.fast_recoveries += 1;
        let reported = self.board.sacked_bytes() + self.counted_duplicates();
        let recover_fs = (flight.saturating_sub(reported)).saturating_add(news.delivered);
        let mut prr = Prr::new(recover_fs, self.congestion.slow_start_threshold());
        self.reduce_window(&mut prr, news);
        self.recovery.begin(Phase::Fast(prr), self.snd.nxt, news.is_lossy);
        log::trace!("{:?} recovers up to {:?}", self.flow, self.recovery.recover);
    }

    /// What was sent during the recovery that is over may be lost too: that is another one (RFC 6675 5).
    fn begin_again(&mut self, news: &News) {
        if self.board.lost_bytes() > 0 {
            self.begin_fast_recovery(&News { is_lossy: true, delivered: 0, acked: 0, ..*news }, false);
        }
    }

    fn reduce_window(&mut self, prr: &mut Prr, news: &News) {
        let delivery = Delivery { delivered: news.delivered, is_safe: news.has_moved && !news.is_lossy };
        let cwnd = prr.handle_ack(delivery, self.pipe(), u32::from(self.snd.mss));
        self.congestion.set_window(cwnd);
    }

    fn end_recovery(&mut self) {
        self.recovery.end(self.snd.nxt);
        self.rack.handle_recovered();
    }

    /// RFC 5681 3.1: what arrives behind a gap counts when the gap is closed.
    fn grow_window(&mut self, now: Instant, news: &News) {
        self.recovery.uncounted = self.recovery.uncounted.saturating_add(news.delivered);
        if !news.has_moved && self.recovery.is_open() {
            return;
        }
        let acked = std::mem::take(&mut self.recovery.uncounted);
        if acked == 0 {
            return;
        }
        // RFC 5681 3.1 grows the window for what fills it; one that nobody fills is not tested.
        if !self.is_cwnd_limited {
            return self.congestion.handle_unused(now);
        }
        let srtt = self.rtt.smoothed().map_or(Duration::ZERO, |(srtt, _)| srtt);
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        self.congestion.handle_ack(&Ack { now, acked, una, nxt, srtt });
    }

    /// RFC 5682 3.1. With timestamps the first ACK has told already.
    fn next_frto(&mut self, frto: Frto, news: &News) -> Frto {
        let says_nothing = !news.has_moved && !news.is_duplicate && news.delivered == 0;
        match frto {
            _ if says_nothing => frto,
            Frto::First if news.has_moved && !self.ts.is_on() && self.has_new_segment() => Frto::Second,
            _ => Frto::Off,
        }
    }

    /// New data is there that nothing but the congestion window may hold back.
    fn has_new_segment(&self) -> bool {
        let next = self.snd.next_segment(u32::MAX, 0, self.config.nagle, self.room_in_segment());
        matches!(next, NewData::Segment(..))
    }

    /// What is thought to be in the network: RFC 6675 4, `SetPipe()`.
    pub(super) fn pipe(&self) -> u32 {
        let outside = self.board.sacked_bytes() + self.board.lost_bytes() + self.counted_duplicates();
        self.snd.flight().saturating_sub(outside)
    }

    /// Bytes that duplicate ACKs of a peer without SACK stand for.
    fn counted_duplicates(&self) -> u32 {
        self.recovery.duplicates * u32::from(self.snd.mss)
    }

    /// The window or the RTT may have changed.
    pub(super) fn set_pace(&mut self) {
        self.size_send_buffer();
        if let Some((srtt, _)) = self.rtt.smoothed().filter(|_| self.config.pacing) {
            let (cwnd, is_in_slow_start) = (self.congestion.window(), self.congestion.is_in_slow_start());
            self.pacing.set_rate(cwnd, self.snd.mss, srtt, is_in_slow_start);
        }
    }
}
