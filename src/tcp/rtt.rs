//! Round-trip time and retransmission timeout: RFC 6298.
//!
//! Deviation: the timeout has a floor of 200 ms where RFC 6298 2.4 says 1 s (SHOULD), as Linux has.

use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;

const INITIAL: Duration = Duration::from_secs(1);
/// RFC 6298 5.7: after a SYN that had to be sent again.
const AFTER_LOST_SYN: Duration = Duration::from_secs(3);
const MIN: Duration = Duration::from_millis(200);
const MAX: Duration = Duration::from_secs(60);
/// G of RFC 6298: a tick of the timing wheel, generously.
const GRANULARITY: Duration = Duration::from_millis(1);

/// The estimate, and the one segment that is being timed (Karn's algorithm: never one sent twice).
#[derive(Clone, Debug)]
pub struct Rtt {
    smoothed: Option<(Duration, Duration)>,
    rto: Duration,
    backoff: u32,
    timed: Option<(SeqNum, Instant)>,
}

impl Default for Rtt {
    fn default() -> Self {
        Self { smoothed: None, rto: INITIAL, backoff: 0, timed: None }
    }
}

impl Rtt {
    /// The timeout, doubled for each time that it expired in a row (RFC 6298 5.5).
    pub fn rto(&self) -> Duration {
        (self.rto * (1 << self.backoff.min(16))).min(MAX)
    }

    /// SRTT and RTTVAR, once there was a sample.
    pub fn smoothed(&self) -> Option<(Duration, Duration)> {
        self.smoothed
    }

    /// A segment that ends before `end` leaves for the first time; it is timed if none is.
    pub fn handle_sent(&mut self, now: Instant, end: SeqNum) {
        self.timed.get_or_insert((end, now));
    }

    /// Something was sent again, so an ACK no longer tells which copy it is for.
    pub fn handle_resent(&mut self) {
        if fault::is(Fault::RttFromResent) {
            return;
        }
        self.timed = None;
    }

    /// Everything before `ack` was acknowledged for the first time. The backoff lasts until there is a new sample
    /// (RFC 6298 5, last paragraph).
    pub fn handle_ack(&mut self, now: Instant, ack: SeqNum) {
        if let Some((end, sent)) = self.timed
            && end.le(ack)
        {
            self.timed = None;
            self.handle_sample(now.since(sent));
        }
    }

    /// The timeout expired.
    pub fn handle_timeout(&mut self) {
        self.backoff += u32::from(!fault::is(Fault::NoBackoff));
        self.handle_resent();
    }

    /// The handshake is over; `syn_was_resent` says that its time tells nothing.
    pub fn handle_established(&mut self, syn_was_resent: bool) {
        self.backoff = 0;
        if syn_was_resent && self.smoothed.is_none() {
            self.rto = AFTER_LOST_SYN;
        }
    }

    /// RFC 6298 2.2 and 2.3.
    pub fn handle_sample(&mut self, sample: Duration) {
        self.backoff = 0;
        let (srtt, rttvar) = match self.smoothed {
            None => (sample, sample / 2),
            Some((srtt, rttvar)) => {
                let rttvar = (rttvar * 3 + srtt.abs_diff(sample)) / 4;
                ((srtt * 7 + sample) / 8, rttvar)
            }
        };
        self.smoothed = Some((srtt, rttvar));
        self.rto = (srtt + GRANULARITY.max(rttvar * 4)).clamp(MIN, MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_formulas_of_rfc_6298() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.rto(), MS(1000));
        rtt.handle_sample(MS(100));
        assert_eq!((rtt.smoothed(), rtt.rto()), (Some((MS(100), MS(50))), MS(300)));
        rtt.handle_sample(MS(180));
        // RTTVAR = 3/4 * 50 + 1/4 * 80, SRTT = 7/8 * 100 + 1/8 * 180.
        assert_eq!(rtt.smoothed(), Some((MS(110), Duration::from_micros(57_500))));
        assert_eq!(rtt.rto(), MS(340));
    }

    #[test]
    fn floor_backoff_and_ceiling() {
        let mut rtt = Rtt::default();
        (0..50).for_each(|_| rtt.handle_sample(Duration::from_micros(100)));
        assert_eq!(rtt.rto(), MS(200));
        let doubled: Vec<_> = (0..10)
            .map(|_| {
                rtt.handle_timeout();
                rtt.rto().as_millis()
            })
            .collect();
        assert_eq!(doubled, [400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
        rtt.handle_ack(Instant::ZERO, SeqNum(1));
        assert_eq!(rtt.rto(), MS(60_000), "an ACK alone tells nothing");
        rtt.handle_sample(MS(1));
        assert_eq!(rtt.rto(), MS(200));
    }

    #[test]
    fn karn_a_resent_segment_is_not_timed() {
        let mut rtt = Rtt::default();
        rtt.handle_sent(Instant::ZERO, SeqNum(10));
        rtt.handle_resent();
        rtt.handle_ack(Instant::ZERO + MS(500), SeqNum(10));
        assert_eq!(rtt.smoothed(), None);
        rtt.handle_sent(Instant::ZERO + MS(500), SeqNum(20));
        rtt.handle_sent(Instant::ZERO + MS(600), SeqNum(30));
        rtt.handle_ack(Instant::ZERO + MS(700), SeqNum(15));
        rtt.handle_ack(Instant::ZERO + MS(800), SeqNum(30));
        assert_eq!(rtt.smoothed().unwrap().0, MS(300));
    }

    #[test]
    fn a_lost_syn_makes_the_first_timeout_three_seconds() {
        let mut rtt = Rtt::default();
        rtt.handle_timeout();
        rtt.handle_established(true);
        assert_eq!(rtt.rto(), MS(3000));
        rtt.handle_sample(MS(10));
        assert_eq!(rtt.rto(), MS(200));
    }
}
