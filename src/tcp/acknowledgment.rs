//! What an ACK tells the sender: what has arrived, what is lost, and so how much may leave.
//!
//! ```text
//! ACK --> scoreboard: what is news --> RTT --> was a reduction unfounded? --> RACK: what is lost
//!     --> recovery: begin, go on, end --> congestion window --> timers
//! ```
//! RFC 5681 3, RFC 6675, RFC 8985 6.2 and 7.4, RFC 9937, RFC 5682, RFC 3522, RFC 3708. Peers without SACK are counted
//! by their duplicate ACKs, each of which stands for a segment that has left the network (RFC 6582); the rest is the
//! same.
//!
//! Deviation: a retransmission that is lost reduces the window no further within one recovery, as in Linux, where RFC
//! 5681 4.3 has it (MUST); RFC 8985 9.3 asks for it only in the absence of PRR.

use super::congestion::Ack;
use super::connection::Connection;
use super::prr::{Delivery, Prr};
use super::rack::{Circumstances, DUPLICATE_THRESHOLD};
use super::recovery::{Frto, Phase};
use super::scoreboard::{Fate, Scoreboard, Sent, Verdict};
use super::sender::NewData;
use super::timestamps::{self, Echo, TICK};
use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;
use crate::wire::tcp_options::SackBlocks;

/// An ACK that has passed all checks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledgment<'a> {
    /// SEG.ACK.
    pub(super) ack: SeqNum,
    /// Blocks of SACK.
    pub(super) sack: &'a SackBlocks,
    /// What it echoes, if timestamps are in use.
    pub(super) echo: Option<Echo>,
    /// RFC 5681 2: it is nothing but a duplicate ACK.
    pub(super) is_duplicate: bool,
    /// ECE.
    pub(super) has_ece: bool,
}

/// What is news in an ACK.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    /// SND.UNA has moved.
    has_moved: bool,
    /// Bytes by which it has.
    acked: u32,
    /// Bytes newly known to have arrived.
    delivered: u32,
    /// A sample of the RTT.
    rtt: Option<Duration>,
    /// How long ago that left which was selectively acknowledged.
    sack_rtt: Option<Duration>,
    /// The least RTT of what arrived.
    least_rtt: Option<Duration>,
    /// When that left last which is acknowledged and was sent again: which of its copies arrived is not known.
    resent_at: Option<Instant>,
    /// Something arrived that had been sent before the timeout, and only then.
    has_original: bool,
    /// A D-SACK: where it ends.
    dsack: Option<SeqNum>,
    /// A full segment arrived.
    has_full: bool,
    /// Something more is lost.
    is_lossy: bool,
    /// A peer without SACK has sent a duplicate ACK.
    is_duplicate: bool,
}

impl Connection {
    /// Takes an ACK of something between SND.UNA and SND.NXT.
    pub(super) fn handle_acknowledgment(&mut self, now: Instant, ack: Acknowledgment<'_>) {
        let mut news = News { has_moved: ack.ack.gt(self.snd.una), ..News::default() };
        if news.has_moved {
            self.take_cumulative(now, ack, &mut news);
        } else if ack.is_duplicate && !self.uses_sack {
            self.take_duplicate(&mut news);
        }
        self.take_blocks(now, ack, &mut news);
        self.take_sample(now, ack, &mut news);
        let is_unfounded = self.was_unfounded(ack, &news);
        if is_unfounded {
            self.undo_reduction(now);
        }
        self.judge_path_probe_delivered();
        if news.has_full {
            self.path.handle_full_delivered(now);
        }
        // An ACK without news is cheap, whatever it repeats.
        if news.has_moved || news.delivered > 0 || is_unfounded {
            news.is_lossy |= self.detect_losses(now);
        }
        let is_congested = self.has_probe_repaired(ack, &news) | self.is_marked(ack);
        self.advance_recovery(now, &news, is_congested);
        self.set_pace();
    }

    /// RFC 2018 5, RFC 2883 4, RFC 6675 4: `Update()`.
    fn take_blocks(&mut self, now: Instant, ack: Acknowledgment<'_>, news: &mut News) {
        if !self.uses_sack || fault::is(Fault::SackIgnored) {
            return;
        }
        let mut blocks = ack.sack.as_slice();
        if let Some(left) = duplicate_block(blocks, ack.ack) {
            let (_, right) = blocks[0];
            blocks = &blocks[1..];
            self.handle_dsack(left, right, news);
        }
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        // In ascending order, so that what one ACK tells of does not look as if it had come out of order.
        let mut ascending = [(una, una); MAX_BLOCKS];
        let ascending = &mut ascending[..blocks.len().min(MAX_BLOCKS)];
        ascending.copy_from_slice(&blocks[..ascending.len()]);
        ascending.sort_unstable_by_key(|(left, _)| *left - (una - self.snd.max_wnd));
        for &(left, right) in &*ascending {
            let left = left.max(una);
            if left.lt(right) && left.ge(ack.ack) && right.le(nxt) {
                // What such an ACK echoes is what came last in order, and tells nothing of this.
                self.deliver(now, None, news, |board, delivered| {
                    board.handle_sack(una, (left, right), delivered);
                });
            }
        }
    }

    fn handle_dsack(&mut self, left: SeqNum, right: SeqNum, news: &mut News) {
        if left.ge(right) || right.gt(self.snd.nxt) {
            return;
        }
        news.dsack = Some(right);
        self.tally.mechanisms.dsacks += 1;
        self.rack.handle_dsack(self.snd.una, self.snd.nxt);
        if let Some(undo) = &mut self.recovery.undo {
            undo.handle_dsack(left);
        }
    }

    /// RFC 9293 3.10.7.4: everything before SEG.ACK.
    fn take_cumulative(&mut self, now: Instant, ack: Acknowledgment<'_>, news: &mut News) {
        let una = self.snd.una;
        let in_order = ack.ack - una;
        let mut first = None;
        let mut resent_at = None;
        let sacked = self.board.sacked_bytes();
        self.deliver(now, ack.echo, news, |board, delivered| {
            board.handle_ack(una, ack.ack, |start, segment| {
                resent_at = resent_at.max(segment.is_resent.then_some(segment.at));
                if segment.fate != Fate::Sacked {
                    first = first.or(Some(segment.at));
                    delivered(start, segment);
                }
            });
        });
        // A segment that is acknowledged in part is not told of.
        let reported = sacked - self.board.sacked_bytes();
        news.acked = in_order;
        news.delivered = in_order - reported;
        news.resent_at = resent_at;
        let tells = resent_at.is_none() || fault::is(Fault::RttFromResent);
        news.rtt = first.filter(|_| tells).map(|at| now.since(at));
        self.snd.handle_ack(ack.ack);
        self.rack.handle_una(ack.ack);
        self.ecn.handle_una(ack.ack);
        if !self.uses_sack {
            self.forget_duplicates(in_order, news);
        }
        (self.last_taken, self.rto_from, self.probe_from) = (now, now, now);
        self.handle_progress();
    }

    /// Hands what `walk` finds to have arrived to RACK.
    fn deliver(
        &mut self,
        now: Instant,
        echo: Option<Echo>,
        news: &mut News,
        walk: impl FnOnce(&mut Scoreboard, &mut dyn FnMut(SeqNum, &Sent)),
    ) {
        let Self { board, rack, rtt, ts, recovery, snd, .. } = self;
        let least = rtt.least().unwrap_or_default();
        let full = u32::from(snd.mss);
        let (is_watched, recover) = (recovery.is_after_timeout(), recovery.recover);
        walk(board, &mut |start, segment| {
            let passed = now.since(segment.at);
            let is_for_earlier =
                echo.is_some_and(|echo| timestamps::is_before(echo.value, ts.value(segment.at)));
            rack.handle_delivered(now, segment, segment.is_resent && (is_for_earlier || passed < least));
            news.delivered += segment.end - start;
            news.has_full |= segment.end - start >= full;
            if !segment.is_resent {
                news.least_rtt = Some(news.least_rtt.map_or(passed, |rtt| rtt.min(passed)));
                // After a timeout what was reported may have arrived long ago, and the report been lost.
                news.sack_rtt = Some(passed).filter(|_| !is_watched);
                news.has_original |= is_watched && segment.end.le(recover);
            }
        });
    }

    /// Without SACK: one more segment has arrived, nobody knows which.
    fn take_duplicate(&mut self, news: &mut News) {
        news.is_duplicate = true;
        if self.recovery.duplicates >= (self.board.len() as u32).max(DUPLICATE_THRESHOLD) {
            // More than there are segments that they could stand for.
            return;
        }
        if self.recovery.is_after_timeout() && self.snd.nxt.le(self.recovery.recover) {
            // The answers to what was in flight at the timeout; all of it is taken for lost already.
            return;
        }
        if !self.recovery.is_after_timeout() {
            news.delivered += u32::from(self.snd.mss);
        }
        let is_third = self.recovery.handle_duplicate(self.snd.una);
        if is_third && !fault::is(Fault::NoFastRetransmit) {
            self.mark_first_lost(news);
        }
    }

    /// Without SACK: `acked` bytes are those of the segment that was missing and of some that duplicates stood for.
    fn forget_duplicates(&mut self, acked: u32, news: &mut News) {
        let mss = u32::from(self.snd.mss);
        let behind = (acked.saturating_sub(mss)).div_ceil(mss);
        let told = behind.min(self.recovery.duplicates);
        if !self.recovery.is_after_timeout() {
            news.delivered = news.delivered.saturating_sub(told * mss);
        }
        self.recovery.duplicates -= told;
        if !matches!(self.recovery.phase, Phase::Fast(_)) {
            self.recovery.duplicates = 0;
        }
        let is_partial = self.recovery.is_lossy && self.snd.una.lt(self.recovery.recover);
        if is_partial && !fault::is(Fault::NoPartialAck) {
            // RFC 6582 3.2, step 3: whatever the window says.
            self.mark_first_lost(news);
            self.recovery.is_first_due = true;
        }
    }

    fn mark_first_lost(&mut self, news: &mut News) {
        let mut is_first = true;
        news.is_lossy |= self.board.mark_lost(self.snd.una, |_, _| {
            if std::mem::take(&mut is_first) { Verdict::Lost } else { Verdict::Stop }
        });
    }

    /// RFC 6298 3 (Karn), RFC 7323 4. The time since what was sent once is precise, but the ACK that came first for
    /// it may have been lost: the echo tells of what called this one forth. For what was sent again the echo tells
    /// which copy arrived. An ACK that a duplicate has called forth echoes what came long before it, and gives no
    /// sample.
    fn take_sample(&mut self, now: Instant, ack: Acknowledgment<'_>, news: &mut News) {
        if let Some(echo) = ack.echo.filter(|_| news.has_moved) {
            news.rtt = match (news.rtt, news.resent_at) {
                (Some(rtt), _) => Some(rtt.min(echo.since + TICK)),
                (None, Some(at)) if !timestamps::is_before(echo.value, self.ts.value(at)) => {
                    Some(now.since(at))
                }
                (None, _) if self.uses_sack && news.dsack.is_none() => Some(echo.since),
                (None, _) => None,
            };
        }
        if let Some(rtt) = news.least_rtt {
            self.congestion.handle_sample(rtt);
        }
        let Some(sample) = news.rtt.or(news.sack_rtt.filter(|_| !news.has_moved)) else { return };
        let a_round = self.snd.flight().div_ceil(2 * u32::from(self.snd.mss));
        self.rtt.handle_sample(now, sample, a_round);
        self.recovery.has_probed = false;
    }

    /// RFC 8985 7.4.2: was a loss repaired by the loss probe, so that nothing else tells of it?
    fn has_probe_repaired(&mut self, ack: Acknowledgment<'_>, news: &News) -> bool {
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
    fn was_unfounded(&self, ack: Acknowledgment<'_>, news: &News) -> bool {
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
    fn undo_reduction(&mut self, now: Instant) {
        let Some(undo) = self.recovery.undo.take() else { return };
        log::debug!("{:?} takes back a reduction of its window", self.flow);
        self.tally.mechanisms.spurious_undos += 1;
        self.congestion.undo(undo.before);
        if undo.is_timeout {
            self.rtt.handle_spurious_timeout();
        }
        if undo.resent == 0 {
            // No duplicate ACKs can follow from copies that never left.
            self.recovery.recover = self.snd.una - 1;
        }
        if !undo.is_timeout {
            self.rack.handle_spurious();
        }
        self.board.clear_lost();
        self.end_recovery();
        self.rto_from = now;
    }

    /// RFC 4821 7.6: the larger segment that probes the path has arrived.
    fn judge_path_probe_delivered(&mut self) {
        if self.path.probe().is_some_and(|end| self.snd.una.ge(end)) {
            self.path.handle_probe_delivered();
            self.handle_path_mtu();
        }
    }

    /// RFC 4821 7.6: that segment is lost, perhaps; if nothing else is, it is no sign of congestion, but for its size.
    fn is_path_probe_alone(&mut self, now: Instant) -> bool {
        let Some(end) = self.path.probe() else { return false };
        let lost = self.board.lost_len_of(self.snd.una, end);
        if lost > 0 {
            self.path.handle_probe_lost(now);
        }
        let is_alone = lost > 0 && lost == self.board.lost_bytes() && self.recovery.is_open();
        self.recovery.is_first_due |= is_alone;
        is_alone
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
    fn is_marked(&mut self, ack: Acknowledgment<'_>) -> bool {
        let is_marked = ack.has_ece && self.ecn.handle_echo(self.snd.una, self.snd.nxt);
        self.tally.mechanisms.ecn_reductions += u32::from(is_marked && self.recovery.is_open());
        is_marked
    }

    /// `is_congested` says that the window is to be reduced though nothing is to be sent again for it.
    fn advance_recovery(&mut self, now: Instant, news: &News, is_congested: bool) {
        let is_over = self.snd.una.ge(self.recovery.recover);
        match self.recovery.phase {
            Phase::Open if news.is_lossy || is_congested => {
                self.begin_fast_recovery(now, news, is_congested);
            }
            Phase::Open => {
                self.recovery.handle_una(self.snd.una, self.snd.nxt);
                self.grow_window(now, news);
            }
            Phase::Fast(prr) if is_over => {
                self.congestion.set_window(prr.target());
                self.end_recovery();
                self.begin_again(now, news);
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
                self.begin_again(now, news);
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
            self.begin_fast_recovery(now, &News { is_lossy: true, ..News::default() }, false);
        }
        self.set_pace();
        self.arm_guard(now);
    }

    /// Something is lost, or a router is congested: RFC 5681 3.2, RFC 3168 6.1.2, RFC 9937 6.
    fn begin_fast_recovery(&mut self, now: Instant, news: &News, is_congested: bool) {
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
        self.recovery.begin(Phase::Fast(prr), self.snd.nxt, news.is_lossy);
        self.reduce_window(&mut prr, news);
        self.recovery.phase = Phase::Fast(prr);
        log::trace!("{:?} recovers up to {:?} at {now:?}", self.flow, self.recovery.recover);
    }

    /// What was sent during the recovery that is over may be lost too: that is another one (RFC 6675 5).
    fn begin_again(&mut self, now: Instant, news: &News) {
        if self.board.lost_bytes() > 0 {
            self.begin_fast_recovery(now, &News { is_lossy: true, delivered: 0, acked: 0, ..*news }, false);
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
        if let Some((srtt, _)) = self.rtt.smoothed().filter(|_| self.config.pacing) {
            let (cwnd, is_in_slow_start) = (self.congestion.window(), self.congestion.is_in_slow_start());
            self.pacing.set_rate(cwnd, self.snd.mss, srtt, is_in_slow_start);
        }
    }
}

/// Blocks of SACK that an option has room for.
const MAX_BLOCKS: usize = 4;

/// RFC 2883 4: the first block reports what came twice when it stands before the ACK, or within the second block. Where
/// it begins.
fn duplicate_block(blocks: &[(SeqNum, SeqNum)], ack: SeqNum) -> Option<SeqNum> {
    let &(left, right) = blocks.first()?;
    let is_within =
        |&(outer_left, outer_right): &(SeqNum, SeqNum)| outer_left.le(left) && right.le(outer_right);
    (left.lt(ack) || blocks.get(1).is_some_and(is_within)).then_some(left)
}
