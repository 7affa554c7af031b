//! Round-trip time and retransmission timeout: RFC 6298, with the weights of RFC 7323 G for a sample with each ACK.
//!
//! Deviation: the timeout is at least SRTT + 200 ms, as in Linux, where RFC 6298 2.4 says 1 s (SHOULD): the floor is
//! under the term of the variance.

use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};

const INITIAL: Duration = Duration::from_secs(1);
/// RFC 6298 5.7: after a SYN that had to be sent again.
const AFTER_LOST_SYN: Duration = Duration::from_secs(3);
/// Least of the term of the variance. Also what a peer may wait before it acknowledges a single segment.
pub const MIN_VARIANCE: Duration = Duration::from_millis(200);
const MAX: Duration = Duration::from_secs(60);
/// How long the least RTT is remembered, at least; at most twice as long.
const MIN_RTT_WINDOW: Duration = Duration::from_secs(100);

/// The estimate.
#[derive(Clone, Debug)]
pub struct Rtt {
    /// Without a sample these two mean nothing.
    srtt: Duration,
    rttvar: Duration,
    rto: Duration,
    least: Least,
    has_sample: bool,
    backoff: u8,
}

/// The least RTT of this span of time and of the one before.
#[derive(Clone, Debug)]
struct Least {
    before: Duration,
    now: Duration,
    since: Instant,
}

impl Default for Rtt {
    fn default() -> Self {
        let least = Least { before: Duration::MAX, now: Duration::MAX, since: Instant::ZERO };
        let (srtt, rttvar) = (Duration::ZERO, Duration::ZERO);
        Self { srtt, rttvar, rto: INITIAL, least, has_sample: false, backoff: 0 }
    }
}

impl Rtt {
    /// The timeout, doubled for each time that it expired in a row (RFC 6298 5.5).
    pub fn rto(&self) -> Duration {
        (self.rto * (1 << self.backoff.min(16))).min(MAX)
    }

    /// How often the timeout has expired in a row.
    pub fn backoff(&self) -> u32 {
        u32::from(self.backoff)
    }

    /// SRTT and RTTVAR, once there was a sample.
    pub fn smoothed(&self) -> Option<(Duration, Duration)> {
        self.has_sample.then_some((self.srtt, self.rttvar))
    }

    /// The least RTT of late, once there was a sample.
    pub fn least(&self) -> Option<Duration> {
        self.has_sample.then(|| self.least.before.min(self.least.now))
    }

    /// The timeout expired.
    pub fn handle_timeout(&mut self) {
        self.backoff = self.backoff.saturating_add(u8::from(!fault::is(Fault::NoBackoff)));
    }

    /// The timeout had expired without need.
    pub fn handle_spurious_timeout(&mut self) {
        self.backoff = 0;
    }

    /// The handshake is over; `syn_was_resent` says that its time tells nothing.
    pub fn handle_established(&mut self, syn_was_resent: bool) {
        self.backoff = 0;
        if syn_was_resent && !self.has_sample {
            self.rto = AFTER_LOST_SYN;
        }
    }

    /// A sample; `a_round` of them come in a round trip. RFC 6298 2.2 and 2.3; RFC 7323 G. The backoff lasts until
    /// there is a new sample (RFC 6298 5, last paragraph).
    pub fn handle_sample(&mut self, now: Instant, sample: Duration, a_round: u32) {
        self.backoff = 0;
        self.least.handle_sample(now, sample);
        let a_round = u64::from(a_round.max(1));
        (self.srtt, self.rttvar) = match self.smoothed() {
            None => (sample, sample / 2),
            Some((srtt, rttvar)) => {
                (moved(srtt, sample, 8 * a_round), moved(rttvar, srtt.abs_diff(sample), 4 * a_round))
            }
        };
        self.has_sample = true;
        self.rto = (self.srtt + MIN_VARIANCE.max(self.rttvar * 4)).min(MAX);
    }
}

/// `from`, moved towards `to` by one `parts`th of the way.
fn moved(from: Duration, to: Duration, parts: u64) -> Duration {
    if to > from { from + (to - from) / parts } else { from - (from - to) / parts }
}

impl Least {
    fn handle_sample(&mut self, now: Instant, sample: Duration) {
        if now.since(self.since) > MIN_RTT_WINDOW {
            *self = Self { before: self.now, now: sample, since: now };
        }
        self.now = self.now.min(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn sample(rtt: &mut Rtt, ms: u64) {
        rtt.handle_sample(Instant::ZERO, MS(ms), 1);
    }

    #[test]
    fn the_formulas_of_rfc_6298() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.rto(), MS(1000));
        sample(&mut rtt, 200);
        assert_eq!((rtt.smoothed(), rtt.rto()), (Some((MS(200), MS(100))), MS(600)));
        sample(&mut rtt, 360);
        // RTTVAR = 3/4 * 100 + 1/4 * 160, SRTT = 7/8 * 200 + 1/8 * 360.
        assert_eq!(rtt.smoothed(), Some((MS(220), MS(115))));
        assert_eq!(rtt.rto(), MS(680));
        rtt.handle_sample(Instant::ZERO, MS(380), 10);
        assert_eq!(rtt.smoothed().unwrap().0, MS(222), "one of ten in a round moves a tenth as much");
    }

    #[test]
    fn floor_backoff_and_ceiling() {
        let mut rtt = Rtt::default();
        (0..90).for_each(|_| sample(&mut rtt, 100));
        assert_eq!(rtt.rto(), MS(300));
        let doubled: Vec<_> = (0..10)
            .map(|_| {
                rtt.handle_timeout();
                rtt.rto().as_millis()
            })
            .collect();
        assert_eq!(doubled, [600, 1200, 2400, 4800, 9600, 19200, 38400, 60000, 60000, 60000]);
        sample(&mut rtt, 100);
        assert_eq!(rtt.rto(), MS(300));
    }

    #[test]
    fn the_least_is_forgotten_after_a_while() {
        let mut rtt = Rtt::default();
        let mut least = |s: u64, ms| {
            rtt.handle_sample(Instant::ZERO + Duration::from_secs(s), MS(ms), 1);
            rtt.least().unwrap().as_millis()
        };
        assert_eq!(
            [least(1, 50), least(90, 70), least(150, 80), least(240, 90), least(260, 90)],
            [50, 50, 50, 50, 80]
        );
    }

    #[test]
    fn a_lost_syn_makes_the_first_timeout_three_seconds() {
        let mut rtt = Rtt::default();
        rtt.handle_timeout();
        rtt.handle_established(true);
        assert_eq!(rtt.rto(), MS(3000));
        sample(&mut rtt, 10);
        assert_eq!(rtt.rto(), MS(210));
    }
}
