//! What is news in an ACK: what has arrived, how long that took, and what is lost.
//!
//! ```text
//! ACK --> scoreboard: what has arrived --> RTT --> was a reduction unfounded? --> RACK: what is lost
//!     --> recovery and the congestion window (response.rs)
//! ```
//! RFC 5681 3.2, RFC 6675, RFC 2883, RFC 6298 3, RFC 7323 4. Peers without SACK are counted by their duplicate ACKs,
//! each of which stands for a segment that has left the network (RFC 6582); the rest is the same.

use super::connection::Connection;
use super::rack::DUPLICATE_THRESHOLD;
use super::recovery::Phase;
use super::scoreboard::{Fate, Scoreboard, Sent, Verdict};
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
pub(super) struct News {
    /// SND.UNA has moved.
    pub(super) has_moved: bool,
    /// Bytes by which it has.
    pub(super) acked: u32,
    /// Bytes newly known to have arrived.
    pub(super) delivered: u32,
    /// A sample of the RTT.
    pub(super) rtt: Option<Duration>,
    /// How long ago that left which was selectively acknowledged.
    pub(super) sack_rtt: Option<Duration>,
    /// The least RTT of what arrived.
    pub(super) least_rtt: Option<Duration>,
    /// When that left last which is acknowledged and was sent again: which of its copies arrived is not known.
    pub(super) resent_at: Option<Instant>,
    /// Something arrived that had been sent before the timeout, and only then.
    pub(super) has_original: bool,
    /// A D-SACK: where it ends.
    pub(super) dsack: Option<SeqNum>,
    /// A full segment arrived.
    pub(super) has_full: bool,
    /// Something more is lost.
    pub(super) is_lossy: bool,
    /// A peer without SACK has sent a duplicate ACK.
    pub(super) is_duplicate: bool,
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
        self.judge_path_probe_delivered(now);
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
