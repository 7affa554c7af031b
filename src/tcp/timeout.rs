//! A timer of a connection fires: RFC 9293 3.8.1 (retransmission), 3.8.3 (giving up), 3.8.4 (keep-alive), 3.8.6.1
//! (probes of a closed window), RFC 6298 5.
//!
//! Nothing is sent here: what is due is noted, and leaves through `poll_segment`.

use super::connection::Connection;
use super::error::Cause;
use super::timers::Timer;
use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};

/// RFC 9293 3.8.3 (MUST-23): how long a SYN is tried.
const SYN_TIMEOUT: Duration = Duration::from_secs(180);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(75);
const KEEP_ALIVE_PROBES: u8 = 9;
/// Longest time between two probes of a closed window.
const MAX_PERSIST: Duration = Duration::from_secs(60);

impl Connection {
    /// Does what is due. Segments that follow from it come from `poll_segment`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Retransmit => self.handle_retransmission_timeout(now),
                Timer::Persist => self.handle_persist_timeout(now),
                Timer::DelayedAck => self.rcv.acknowledge_now(),
                Timer::KeepAlive => self.handle_keep_alive_timeout(now),
                Timer::FinWait2 => self.close(Cause::Finished),
                Timer::Alarm => self.signals.alarm = true,
            }
        }
    }

    /// Which of the two timers guards what is outstanding: retransmission while the window is open, probes
    /// while it is closed.
    pub(super) fn arm_send_timers(&mut self, now: Instant, is_blocked_by_window: bool) {
        let is_closed = self.snd.wnd == 0 && self.state.is_synchronized();
        if self.snd.flight() > 0 && !is_closed {
            self.timers.set_if_idle(Timer::Retransmit, now + self.rtt.rto());
            self.timers.stop(Timer::Persist);
        } else {
            self.timers.stop(Timer::Retransmit);
            if is_blocked_by_window || (is_closed && self.snd.has_outstanding()) {
                self.timers.set_if_idle(Timer::Persist, now + self.persist_interval());
            } else {
                self.timers.stop(Timer::Persist);
            }
        }
    }

    fn persist_interval(&self) -> Duration {
        (self.rtt.rto() * (1 << self.persist_backoff.min(16))).min(MAX_PERSIST)
    }

    /// RFC 9293 3.8.3: nothing is heard for R2.
    fn has_given_up(&mut self, now: Instant, since: Instant, patience: Duration) -> bool {
        let since = *self.stalled_since.get_or_insert(since);
        now.since(since) >= patience && !fault::is(Fault::NoUserTimeout)
    }

    fn handle_retransmission_timeout(&mut self, now: Instant) {
        self.tally.timeouts += 1;
        if fault::is(Fault::NoRetransmission) {
            return;
        }
        let is_synchronized = self.state.is_synchronized();
        let patience = if is_synchronized { self.config.user_timeout } else { SYN_TIMEOUT };
        let is_first = self.stalled_since.is_none();
        if self.has_given_up(now, self.last_data_sent, patience) {
            log::debug!("{:?} gives up after {patience}", self.flow);
            return self.close(Cause::TimedOut);
        }
        // RFC 6298 5.4 to 5.6.
        self.rtt.handle_timeout();
        if !is_synchronized {
            self.due.syn = true;
            self.syns_resent = self.syns_resent.saturating_add(1);
            return;
        }
        let flight = self.snd.flight();
        self.recovery.handle_timeout(self.snd.una, self.snd.nxt);
        self.congestion.handle_timeout(flight, is_first);
    }

    fn handle_persist_timeout(&mut self, now: Instant) {
        if fault::is(Fault::NoZeroWindowProbe) {
            return;
        }
        if self.has_given_up(now, now, self.config.user_timeout) {
            return self.close(Cause::TimedOut);
        }
        self.persist_backoff += 1;
        if self.snd.forced_segment().is_some() {
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
