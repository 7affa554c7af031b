//! Pacing: segments leave spread over the round trip and not in bursts, which queues on the way do not hold.
//!
//! As in Linux, at twice the window a round trip in slow start, so that the window can double, and at 1.2 times it
//! afterwards. Up to a millisecond's worth leaves at once, since timers are no finer, and two segments, since peers
//! acknowledge two at once; on a path with an RTT of a few milliseconds nothing is held back. After an idle time an
//! initial window (RFC 6928) leaves at once.

use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};

/// Worth of this time may leave early.
const QUANTUM: Duration = Duration::from_millis(1);
/// Below this RTT there is no pacing.
const SHORTEST: Duration = Duration::from_millis(4);
/// An RTT above this does not slow down any further.
const LONGEST: Duration = Duration::from_secs(1);

/// When the next segment may leave.
#[derive(Clone, Debug, Default)]
pub struct Pacing {
    /// When all that has left would have left at the rate.
    next: Instant,
    /// Nanoseconds for 2^10 bytes; 0 for no pacing.
    pace: u64,
    /// How early a segment may leave.
    slack: Duration,
    /// Bytes that may leave without it.
    free: u32,
}

impl Pacing {
    /// The window or the RTT has changed.
    pub fn set_rate(&mut self, cwnd: u32, mss: u16, srtt: Duration, is_in_slow_start: bool) {
        if srtt < SHORTEST || fault::is(Fault::NoPacing) {
            self.pace = 0;
            return;
        }
        let srtt = srtt.min(LONGEST);
        let (times, of) = if is_in_slow_start { (2, 1) } else { (6, 5) };
        self.pace = (srtt.as_nanos() << 10) * of / (u64::from(cwnd.max(1)) * times);
        self.slack = QUANTUM.max(self.time_for(2 * u32::from(mss)));
    }

    /// Data is to leave after a time without any: so many bytes may leave at once.
    pub fn handle_idle(&mut self, bytes: u32) {
        self.free = bytes;
    }

    /// `None` when a segment may leave now, else when it may.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        (self.pace > 0 && self.free == 0 && self.next > now + self.slack).then_some(self.next)
    }

    /// `len` bytes leave.
    pub fn handle_sent(&mut self, now: Instant, len: u32) {
        if self.pace == 0 {
            return;
        }
        self.free = self.free.saturating_sub(len);
        // What a timer was late is made good, as far as it may have been.
        let earliest = Instant::from_nanos(now.as_nanos().saturating_sub(QUANTUM.as_nanos()));
        self.next = self.next.max(earliest) + self.time_for(len);
    }

    fn time_for(&self, len: u32) -> Duration {
        Duration::from_nanos((u64::from(len) * self.pace) >> 10)
    }

    /// Bytes a second; 0 for no pacing.
    pub fn rate(&self) -> u64 {
        (1_000_000_000u64 << 10).checked_div(self.pace).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(us)
    }

    #[test]
    fn a_window_takes_half_a_round_trip_in_slow_start_and_five_sixths_of_one_afterwards() {
        let mut pacing = Pacing::default();
        for (is_in_slow_start, us) in [(true, 50_000), (false, 83_333)] {
            pacing.set_rate(100_000, 500, Duration::from_millis(100), is_in_slow_start);
            let start = at(1_000_000);
            (0..100).for_each(|_| pacing.handle_sent(start, 1000));
            let took = pacing.wait(start).unwrap().since(start).as_micros();
            assert!(took.abs_diff(us) < 1100, "{took}");
            pacing = Pacing::default();
        }
    }

    #[test]
    fn a_millisecond_is_let_out_early_and_the_first_window_at_once() {
        let mut pacing = Pacing::default();
        pacing.set_rate(100_000, 500, Duration::from_millis(100), true);
        let mut sent = 0;
        while pacing.wait(at(0)).is_none() {
            pacing.handle_sent(at(0), 500);
            sent += 500;
        }
        assert_eq!(sent, 2500, "2 MB/s for 1 ms, and the segment that is over it");
        pacing.handle_idle(10_000);
        (0..20).for_each(|_| pacing.handle_sent(at(0), 500));
        assert!(pacing.wait(at(0)).is_some());
    }

    #[test]
    fn a_short_path_is_not_paced() {
        let mut pacing = Pacing::default();
        pacing.set_rate(100_000, 500, Duration::from_millis(3), true);
        (0..1000).for_each(|_| pacing.handle_sent(at(0), 1000));
        assert_eq!((pacing.wait(at(0)), pacing.rate()), (None, 0));
    }

    #[test]
    fn bursts_are_noticed() {
        assert!(fault::is_noticed(
            Fault::NoPacing,
            a_window_takes_half_a_round_trip_in_slow_start_and_five_sixths_of_one_afterwards
        ));
    }
}
