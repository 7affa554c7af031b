//! A timer of a connection fires: RFC 9293 3.8.1 (retransmission), 3.8.3 (giving up), 3.8.4 (keep-alive), 3.8.6.1
//! (probes of a closed window), RFC 6298 5, RFC 8985 7 (loss probes) and 8 (which timer runs).
//!
//! Nothing is sent here: what is due is noted, and leaves through `poll_segment`.

use super::connection::Connection;
use super::error::Cause;
use super::recovery::{Frto, Phase};
use super::rtt::MIN_VARIANCE;
use super::scoreboard::{Fate, Verdict};
use super::signal::Signal;
use super::state::State;
use super::timers::Timer;
use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};

/// RFC 9293 3.8.3 (MUST-23): how long a SYN is tried.
const SYN_TIMEOUT: Duration = Duration::from_secs(180);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(75);
const KEEP_ALIVE_PROBES: u8 = 9;
/// A loss probe waits so long at least: an ACK may be late by more than a short round trip.
const MIN_PROBE: Duration = Duration::from_millis(10);
/// Longest time between two probes of a closed window.
const MAX_PERSIST: Duration = Duration::from_secs(60);

impl Connection {
    /// Does what is due. Segments that follow from it come from `poll_segment`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Retransmit => self.handle_retransmission_timeout(now),
                Timer::Reorder => self.handle_reorder_timeout(now),
                Timer::LossProbe => self.due.loss_probe = true,
                // What waited is polled for now.
                Timer::Pace => {}
                Timer::Persist => self.handle_persist_timeout(now),
                Timer::DelayedAck => self.rcv.acknowledge_now(),
                Timer::KeepAlive => self.handle_keep_alive_timeout(now),
                Timer::Orphan if self.state == State::FinWait2 => self.close(Cause::Finished),
                Timer::Orphan => self.close(Cause::TimedOut),
                Timer::Alarm => self.signals.add(Signal::Alarm),
            }
        }
    }

    /// Which timer guards what is outstanding: probes of the window while it is closed; the reordering window of what
    /// was overtaken; a loss probe; or a timeout. RFC 8985 8.
    pub(super) fn arm_guard(&mut self, now: Instant) {
        let is_closed = self.snd.wnd == 0 && self.state.is_synchronized();
        let guard = if self.snd.flight() > 0 && !is_closed {
            let timeout = self.rto_from + self.rtt.rto();
            // Giving up does not wait for the next of ever longer timeouts.
            let end = self.stalled_since.map(|since| since + self.patience());
            let timeout = end.filter(|&end| end > self.rto_from).map_or(timeout, |end| timeout.min(end));
            Some(if let Some(at) = self.reorder_at {
                (Timer::Reorder, at)
            } else if let Some(at) = self.loss_probe_at(timeout) {
                (Timer::LossProbe, at)
            } else {
                (Timer::Retransmit, timeout)
            })
        } else if self.is_window_limited || (is_closed && self.snd.has_outstanding()) {
            let running = self.timers.deadline(Timer::Persist);
            Some((Timer::Persist, running.unwrap_or_else(|| now + self.persist_interval())))
        } else {
            None
        };
        self.timers.guard(guard);
    }

    /// RFC 8985 7.2. Without SACK its answer would tell nothing.
    fn loss_probe_at(&self, timeout: Instant) -> Option<Instant> {
        let recovery = &self.recovery;
        let may_probe = self.uses_sack
            && recovery.is_open()
            && recovery.probe.is_none()
            && !recovery.has_probed
            && self.board.sacked_segments() == 0
            && !self.board.is_empty()
            && !self.due.loss_probe
            && !fault::is(Fault::NoLossProbe);
        if !may_probe {
            return None;
        }
        let (srtt, _) = self.rtt.smoothed()?;
        // Whoever acknowledges every second full segment may wait with this.
        let may_be_delayed = self.snd.flight() < 2 * u32::from(self.snd.mss);
        let for_delayed_ack = if may_be_delayed { MIN_VARIANCE } else { Duration::ZERO };
        Some((self.probe_from + (srtt * 2).max(MIN_PROBE) + for_delayed_ack).min(timeout))
    }

    fn persist_interval(&self) -> Duration {
        (self.rtt.rto() * (1 << self.persist_backoff.min(16))).min(MAX_PERSIST)
    }

    /// How long something may stay unacknowledged.
    fn patience(&self) -> Duration {
        if self.state.is_synchronized() { self.config.user_timeout } else { SYN_TIMEOUT }
    }

    /// RFC 9293 3.8.3: nothing is heard for R2.
    fn has_given_up(&mut self, now: Instant, since: Instant, patience: Duration) -> bool {
        let since = *self.stalled_since.get_or_insert(since);
        now.since(since) >= patience && !fault::is(Fault::NoUserTimeout)
    }

    fn handle_retransmission_timeout(&mut self, now: Instant) {
        self.tally.mechanisms.timeouts += 1;
        if fault::is(Fault::NoRetransmission) {
            return;
        }
        let is_synchronized = self.state.is_synchronized();
        let patience = self.patience();
        if self.has_given_up(now, self.last_data_sent.max(self.last_taken), patience) {
            log::debug!("{:?} gives up after {patience}", self.flow);
            return self.close(Cause::TimedOut);
        }
        // RFC 6298 5.4 to 5.6.
        self.rtt.handle_timeout();
        self.rto_from = now;
        if !is_synchronized {
            self.due.syn = true;
            self.syns_resent = self.syns_resent.saturating_add(1);
            return;
        }
        self.begin_recovery_after_timeout(now);
        self.arm_guard(now);
    }

    /// RFC 5681 3.1, RFC 6298 5.4, RFC 8985 6.3, RFC 5682 2.1.
    fn begin_recovery_after_timeout(&mut self, now: Instant) {
        let una = self.snd.una;
        self.detect_black_hole(now);
        let is_first = !self.recovery.is_after_timeout() || una.ge(self.recovery.recover);
        let was_open = self.recovery.is_open();
        if is_first {
            self.recovery.watch(&self.congestion, una, true);
        }
        self.congestion.handle_timeout(self.snd.flight(), is_first);
        self.ecn.handle_reduced(self.snd.nxt);
        if self.board.first().is_some_and(|first| first.fate == Fate::Sacked) {
            // RFC 2018 8: the peer has thrown away what it had. What else it reported is believed, as in Linux, which
            // RFC 6675 5.1 allows.
            self.board.clear_sacked();
        }
        if self.uses_sack {
            let circumstances = self.circumstances();
            self.rack.mark_losses_on_timeout(now, una, &mut self.board, circumstances);
        } else {
            self.board.mark_lost(una, |_, _| Verdict::Lost);
        }
        let asks = is_first && was_open && self.board.len() > 1 && !fault::is(Fault::NoFrto);
        let frto = if asks { Frto::First } else { Frto::Off };
        self.recovery.begin(Phase::Loss(frto), self.snd.nxt, true);
        self.recovery.duplicates = 0;
        self.reorder_at = None;
        self.set_pace();
    }

    fn handle_persist_timeout(&mut self, now: Instant) {
        if fault::is(Fault::NoZeroWindowProbe) {
            return;
        }
        if self.has_given_up(now, now, self.config.user_timeout) {
            return self.close(Cause::TimedOut);
        }
        self.persist_backoff += 1;
        if self.snd.forced_segment(usize::from(self.snd.mss)).is_some() {
            self.due.small = true;
        } else {
            self.due.probe = true;
        }
    }

    fn handle_keep_alive_timeout(&mut self, now: Instant) {
        let Some(after) = self.config.keep_alive.filter(|_| !fault::is(Fault::NoKeepAlive)) else { return };
        if self.snd.has_outstanding() {
            // RFC 9293 3.8.4 (MUST-26): what is outstanding asks by itself.
            return self.timers.set(Timer::KeepAlive, now + after);
        }
        let idle = now.since(self.last_received);
        if idle < after {
            return self.timers.set(Timer::KeepAlive, self.last_received + after);
        }
        if self.keep_alive_probes == KEEP_ALIVE_PROBES {
            return self.close(Cause::TimedOut);
        }
        self.keep_alive_probes += 1;
        self.due.probe = true;
        self.timers.set(Timer::KeepAlive, now + KEEP_ALIVE_INTERVAL.min(after));
    }
}
