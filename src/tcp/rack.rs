//! RACK: a segment is lost when one that was sent later has arrived and the reordering window is over. RFC 8985 6.
//!
//! The names are those of the RFC. `RACK.segment` is the most recently sent segment that is known to have arrived.
//!
//! ```text
//!  sent:      1    2    3    4    5
//!  arrived:             3              at t: rtt = t - sent(3)
//!  lost:      1 at sent(1) + rtt + reo_wnd, 2 at sent(2) + rtt + reo_wnd
//! ```

use super::scoreboard::{Scoreboard, Sent, Verdict};
use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;

/// RFC 5681 3.2.
pub const DUPLICATE_THRESHOLD: u32 = 3;
/// How many recoveries without a D-SACK bring a widened window back (RFC 8985 6.2, step 4).
const PERSIST: u8 = 16;

/// RACK.
#[derive(Clone, Debug)]
pub struct Rack {
    /// RACK.segment: when it left, and where it ends.
    newest: Option<(Instant, SeqNum)>,
    rtt: Duration,
    /// The highest sequence number that is known to have arrived.
    fack: SeqNum,
    reordering_seen: bool,
    reo_wnd_mult: u8,
    reo_wnd_persist: u8,
    dsack_round: Option<SeqNum>,
}

/// What is kept of it when nothing is in flight (`dormant.rs`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    reordering_seen: bool,
    reo_wnd_mult: u8,
    reo_wnd_persist: u8,
}

/// What the reordering window depends on besides RACK's own state.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The least RTT of late.
    pub min_rtt: Duration,
    /// SRTT.
    pub srtt: Duration,
    /// In recovery, fast or after a timeout.
    pub is_recovering: bool,
}

impl Rack {
    /// A connection whose first byte has the sequence number `iss + 1`.
    pub fn new(iss: SeqNum) -> Self {
        Self {
            newest: None,
            rtt: Duration::ZERO,
            fack: iss + 1,
            reordering_seen: false,
            reo_wnd_mult: 1,
            reo_wnd_persist: 0,
            dsack_round: None,
        }
    }

    pub(super) fn rest(&self) -> Resting {
        let Self { reordering_seen, reo_wnd_mult, reo_wnd_persist, .. } = *self;
        Resting { reordering_seen, reo_wnd_mult, reo_wnd_persist }
    }

    /// Everything before `una` is acknowledged.
    pub(super) fn resume(resting: &Resting, una: SeqNum) -> Self {
        let Resting { reordering_seen, reo_wnd_mult, reo_wnd_persist } = *resting;
        Self { reordering_seen, reo_wnd_mult, reo_wnd_persist, ..Self::new(una - 1) }
    }

    /// Segments were seen to arrive out of order.
    pub fn has_seen_reordering(&self) -> bool {
        self.reordering_seen
    }

    /// A segment is known to have arrived: steps 2 and 3. `may_be_copy` says that it was sent again and this may be the
    /// answer to an earlier copy of it.
    pub fn handle_delivered(&mut self, now: Instant, segment: &Sent, may_be_copy: bool) {
        if segment.end.gt(self.fack) {
            self.fack = segment.end;
        } else if segment.end.lt(self.fack) && !segment.is_resent {
            self.reordering_seen = true;
        }
        if may_be_copy {
            return;
        }
        self.rtt = now.since(segment.at);
        if self.newest.is_none_or(|newest| is_later((segment.at, segment.end), newest)) {
            self.newest = Some((segment.at, segment.end));
        }
    }

    /// The ACK carried a D-SACK: what was sent again had arrived. Step 4.
    pub fn handle_dsack(&mut self, una: SeqNum, nxt: SeqNum) {
        self.handle_una(una);
        if self.dsack_round.is_none() {
            self.dsack_round = Some(nxt);
            self.reo_wnd_mult = self.reo_wnd_mult.saturating_add(1);
            self.reo_wnd_persist = PERSIST;
        }
    }

    /// A recovery has ended. Step 4.
    pub fn handle_recovered(&mut self) {
        self.reo_wnd_persist = self.reo_wnd_persist.saturating_sub(1);
        if self.reo_wnd_persist == 0 {
            self.reo_wnd_mult = 1;
        }
    }

    /// What was sent again had not been lost: segments overtake each other.
    pub fn handle_spurious(&mut self) {
        self.reordering_seen = true;
    }

    /// Keeps FACK near enough to be compared when nothing else moves it, and forgets a round that is over.
    pub fn handle_una(&mut self, una: SeqNum) {
        self.fack = self.fack.max(una);
        self.dsack_round = self.dsack_round.filter(|round| una.lt(*round));
    }

    /// The reordering window.
    pub fn reordering_window(&self, sacked_segments: u32, circumstances: Circumstances) -> Duration {
        let Circumstances { min_rtt, srtt, is_recovering } = circumstances;
        if fault::is(Fault::NoReorderingWindow) {
            return Duration::ZERO;
        }
        if !self.reordering_seen && (is_recovering || sacked_segments >= DUPLICATE_THRESHOLD) {
            return Duration::ZERO;
        }
        (min_rtt * u64::from(self.reo_wnd_mult) / 4).min(srtt)
    }

    /// Takes for lost what the window is over for: step 5. Gives whether any was, and when to look again.
    pub fn detect_losses(
        &self,
        now: Instant,
        una: SeqNum,
        board: &mut Scoreboard,
        circumstances: Circumstances,
    ) -> (bool, Option<Instant>) {
        let Some(newest) = self.newest.filter(|_| !fault::is(Fault::NoRack)) else { return (false, None) };
        let patience = self.rtt + self.reordering_window(board.sacked_segments(), circumstances);
        let mut look_again = None;
        let any = board.mark_lost(una, |_, segment| {
            if !is_later(newest, (segment.at, segment.end)) {
                return if segment.is_resent { Verdict::Keep } else { Verdict::Stop };
            }
            let due = segment.at + patience;
            if due <= now {
                return Verdict::Lost;
            }
            look_again = look_again.max(Some(due));
            Verdict::Keep
        });
        (any, look_again)
    }

    /// After a timeout: the first segment is lost, and the others whose window is over. RFC 8985 6.3.
    pub fn mark_losses_on_timeout(
        &self,
        now: Instant,
        una: SeqNum,
        board: &mut Scoreboard,
        circumstances: Circumstances,
    ) {
        let patience = self.rtt + self.reordering_window(board.sacked_segments(), circumstances);
        let mut is_first = true;
        board.mark_lost(una, |_, segment| {
            let is_lost = std::mem::take(&mut is_first) || segment.at + patience <= now;
            if is_lost { Verdict::Lost } else { Verdict::Keep }
        });
    }
}

/// `RACK_sent_after` of step 2.
fn is_later(a: (Instant, SeqNum), b: (Instant, SeqNum)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1.gt(b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNA: SeqNum = SeqNum(u32::MAX - 1500);
    const CALM: Circumstances = Circumstances {
        min_rtt: Duration::from_millis(40),
        srtt: Duration::from_millis(50),
        is_recovering: false,
    };

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Six segments of 100 bytes, a millisecond apart, of which the peer reports those from `first` up to `last`.
    fn reported(first: u32, last: u32, now: Instant) -> (Rack, Scoreboard) {
        let (mut rack, mut board) = (Rack::new(UNA - 1), Scoreboard::default());
        (1..=6).for_each(|n| board.handle_sent(at(n), UNA + 100 * n as u32));
        board.handle_sack(UNA, (UNA + 100 * (first - 1), UNA + 100 * last), |_, s| {
            rack.handle_delivered(now, s, false);
        });
        (rack, board)
    }

    #[test]
    fn one_reported_segment_makes_the_others_wait_for_the_reordering_window() {
        let (rack, mut board) = reported(3, 3, at(43));
        assert_eq!(rack.detect_losses(at(43), UNA, &mut board, CALM), (false, Some(at(2 + 40 + 10))));
        assert_eq!(rack.detect_losses(at(51), UNA, &mut board, CALM), (true, Some(at(52))));
        assert_eq!(rack.detect_losses(at(52), UNA, &mut board, CALM), (true, None));
        assert_eq!(board.lost_bytes(), 200);
    }

    #[test]
    fn three_reported_segments_do_not() {
        let (rack, mut board) = reported(2, 4, at(44));
        assert_eq!(rack.detect_losses(at(44), UNA, &mut board, CALM), (true, None));
        assert_eq!(board.lost_bytes(), 100);
    }

    #[test]
    fn once_reordering_was_seen_the_window_counts_again_and_dsacks_widen_it() {
        let (mut rack, mut board) = reported(2, 4, at(44));
        board.handle_ack(UNA, UNA + 100, |_, s| rack.handle_delivered(at(45), s, false));
        assert!(rack.has_seen_reordering());
        let window = |rack: &Rack| rack.reordering_window(9, CALM).as_millis();
        assert_eq!(window(&rack), 10);
        rack.handle_dsack(UNA, UNA + 600);
        rack.handle_dsack(UNA + 599, UNA + 700);
        assert_eq!(window(&rack), 20, "once a round");
        rack.handle_dsack(UNA + 600, UNA + 700);
        assert_eq!(window(&rack), 30);
        (0..9).for_each(|n| rack.handle_dsack(UNA + 700 + n, UNA + 701 + n));
        assert_eq!(window(&rack), 50, "SRTT at most");
        (0..PERSIST).for_each(|_| rack.handle_recovered());
        assert_eq!(window(&rack), 10);
    }

    #[test]
    fn a_lost_retransmission_is_found_by_what_was_sent_after_it() {
        let (mut rack, mut board) = reported(2, 4, at(44));
        rack.detect_losses(at(44), UNA, &mut board, CALM);
        let (index, start, end) = board.next_lost(UNA).unwrap();
        board.handle_resent(at(45), index, start, end);
        board.handle_sent(at(46), UNA + 700);
        let recovering = Circumstances { is_recovering: true, ..CALM };
        assert_eq!(rack.detect_losses(at(80), UNA, &mut board, recovering), (false, None));
        board.handle_sack(UNA, (UNA + 400, UNA + 700), |_, s| rack.handle_delivered(at(86), s, false));
        assert_eq!(rack.detect_losses(at(86), UNA, &mut board, recovering), (true, None));
        assert_eq!(board.lost_bytes(), 100);
    }

    #[test]
    fn after_a_timeout_only_the_first_and_the_old_are_lost() {
        let (mut rack, mut board) = reported(2, 2, at(42));
        board.handle_sent(at(240), UNA + 700);
        rack.mark_losses_on_timeout(at(245), UNA, &mut board, CALM);
        assert_eq!(board.lost_bytes(), 500, "all but the reported one and the young one");
        rack.handle_una(UNA + 900);
        assert_eq!(rack.fack, UNA + 900);
    }
}
