//! How large the segments of a connection are: what the peer takes (RFC 9293 3.7.1), what the path takes (RFC 1191, RFC
//! 4821) and what the options leave.
//!
//! What is known of the path stands in `path_mtu.rs`; here it is found out, and heeded.

use super::connection::Connection;
use super::handshake;
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;

/// Bytes of the option in every segment (RFC 7323 A).
const TIMESTAMPS_LEN: u16 = 12;

impl Connection {
    /// Bytes of payload of a full segment in packets of up to `mtu` bytes.
    pub(super) fn mss_for(&self, mtu: u16) -> u16 {
        let options = if self.ts.is_on() { TIMESTAMPS_LEN } else { 0 };
        self.peer_mss.min(handshake::local_mss(usize::from(mtu))) - options
    }

    /// The path takes larger or smaller packets than it did.
    pub(super) fn handle_path_mtu(&mut self) {
        self.snd.mss = self.mss_for(self.path.current());
        self.congestion.set_mss(u32::from(self.snd.mss));
    }

    /// A router could not forward a packet of `len` bytes whose segment began at `seq`, and can forward `mtu`; 0 if
    /// it does not say. Believed only for what is in flight (RFC 5927 4.1 and 7.2). False when it was about nothing
    /// that we sent.
    pub fn handle_too_big(&mut self, now: Instant, seq: SeqNum, mtu: u16, len: u16) -> bool {
        if self.cause.is_some() || !seq.is_within(self.snd.una, self.snd.flight()) {
            return false;
        }
        // One report for what is in flight, or each would bring it again.
        let is_heeded = self.state.is_synchronized() && !self.path.has_lowered_since(self.snd.una);
        if is_heeded && self.path.handle_too_big(now, mtu, len) {
            self.path.handle_lowered(self.snd.nxt);
            self.tally.mechanisms.mtu_reductions += 1;
            self.handle_path_mtu();
            let longest = u32::from(self.snd.mss);
            self.resend_flight(now, longest);
        }
        true
    }

    /// Bytes of payload that a segment has room for which leaves now.
    pub(super) fn room_in_segment(&self) -> usize {
        usize::from(self.snd.mss) - self.rcv.sack_len(self.ts.is_on())
    }

    /// As `room_in_segment`, or more when the path is to be probed for whether it takes more, which only a segment
    /// can do behind which others tell of its loss (RFC 4821 7.4).
    pub(super) fn room_in_new_segment(&self, now: Instant) -> usize {
        let room = self.room_in_segment();
        let probe = self.path.poll_probe(now).map(|mtu| usize::from(self.mss_for(mtu)));
        let may_probe = |len: &usize| {
            self.uses_sack
                && self.recovery.is_open()
                && self.board.lost_bytes() == 0
                && self.snd.unsent() > len + 3 * room
                && self.pipe() as usize + len + 3 * room <= self.congestion.window() as usize
                && self.snd.flight() as usize + len + 3 * room <= self.snd.wnd as usize
        };
        probe.filter(may_probe).map_or(room, |len| len - self.rcv.sack_len(self.ts.is_on()))
    }

    /// RFC 4821 7.6.1: the larger segment that probes the path has arrived.
    pub(super) fn judge_path_probe_delivered(&mut self, now: Instant) {
        if self.path.probe().is_some_and(|end| self.snd.una.ge(end) || self.board.has_sacked(end)) {
            self.path.handle_probe_delivered(now);
            self.handle_path_mtu();
        }
    }

    /// RFC 4821 7.6.2, 7.6.4: that segment is lost, perhaps; if nothing else is, it is no sign of congestion, but for
    /// its size.
    pub(super) fn is_path_probe_alone(&mut self, now: Instant) -> bool {
        let Some(end) = self.path.probe() else { return false };
        let lost = self.board.lost_len_of(self.snd.una, end);
        let is_alone = lost > 0 && lost == self.board.lost_bytes() && self.recovery.is_open();
        if is_alone {
            self.path.handle_probe_lost(now, self.probe_pause());
        } else if lost > 0 {
            self.path.handle_probe_inconclusive();
        }
        self.recovery.is_first_due |= is_alone;
        is_alone
    }

    /// RFC 4821 7.6.2: a probe that was lost and reduced nothing is not to come more often than losses do.
    fn probe_pause(&self) -> Duration {
        let srtt = self.rtt.smoothed().map_or(Duration::ZERO, |(srtt, _)| srtt);
        srtt * u64::from(self.congestion.window() / u32::from(self.snd.mss))
    }

    /// RFC 4821 7.7: a full segment that does not get through for the third time may be too large.
    pub(super) fn detect_black_hole(&mut self, now: Instant) {
        let first_end = self.board.first().map(|first| first.end);
        if self.path.probe().is_some() {
            if self.path.probe() == first_end {
                // 7.6.3.
                return self.path.handle_probe_lost(now, self.probe_pause() * 5);
            }
            self.path.handle_probe_inconclusive();
        }
        let is_repeated = self.recovery.is_after_timeout() && self.rtt.backoff() > 2;
        let is_full = first_end.is_some_and(|end| end - self.snd.una >= u32::from(self.snd.mss));
        if is_repeated && is_full && self.path.handle_black_hole(now) {
            log::debug!("{:?} tries smaller segments", self.flow);
            self.tally.mechanisms.mtu_reductions += 1;
            self.handle_path_mtu();
        }
    }
}
