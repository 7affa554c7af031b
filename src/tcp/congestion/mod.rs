//! Congestion control: RFC 5681. How much may be in flight; not what, and not when it is lost.
//!
//! What all algorithms share stands here: slow start, the loss window after a timeout, the restart after an
//! idle time, the inflation of fast recovery. Where they differ is `Avoidance`: how the window grows once
//! slow start is over, and by how much a loss reduces it.

mod reno;

use reno::Reno;

/// The congestion window of one connection. Bytes throughout.
#[derive(Clone, Debug)]
pub struct Congestion {
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    /// L of RFC 3465 2.3, in segments.
    slow_start_limit: u32,
    avoidance: Avoidance,
}

/// The algorithm after slow start.
#[derive(Clone, Debug)]
enum Avoidance {
    Reno(Reno),
}

impl Congestion {
    /// A new connection with segments of up to `mss` bytes.
    pub fn new(mss: u32) -> Self {
        Self {
            mss,
            cwnd: initial_window(mss),
            ssthresh: u32::MAX,
            slow_start_limit: 2,
            avoidance: Avoidance::Reno(Reno::default()),
        }
    }

    /// The name of the algorithm after slow start.
    pub fn algorithm(&self) -> &'static str {
        match self.avoidance {
            Avoidance::Reno(_) => "newreno",
        }
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> u32 {
        self.cwnd
    }

    /// Where slow start ends.
    pub fn slow_start_threshold(&self) -> u32 {
        self.ssthresh
    }

    /// `acked` bytes left the network, outside recovery, and the window was in use.
    pub fn handle_ack(&mut self, acked: u32) {
        if self.cwnd < self.ssthresh {
            // RFC 5681 3.1 with the limit of RFC 3465 2.3: two segments, since peers acknowledge every second one;
            // one segment after a timeout. A deviation from RFC 5681, which knows only one.
            self.cwnd = self.cwnd.saturating_add(acked.min(self.slow_start_limit * self.mss));
            return;
        }
        self.slow_start_limit = 2;
        self.cwnd = match &mut self.avoidance {
            Avoidance::Reno(reno) => reno.grow(self.cwnd, acked, self.mss),
        };
    }

    /// Three duplicate ACKs: RFC 5681 3.2, steps 2 and 3.
    pub fn handle_fast_retransmit(&mut self, flight: u32) {
        self.reduce(flight);
        self.cwnd = self.ssthresh + 3 * self.mss;
    }

    /// One more duplicate ACK in fast recovery: RFC 5681 3.2, step 4.
    pub fn handle_duplicate_ack(&mut self) {
        self.cwnd = self.cwnd.saturating_add(self.mss);
    }

    /// An ACK for a part of what was in flight when recovery began: RFC 6582 3.2, step 3.
    pub fn handle_partial_ack(&mut self, acked: u32) {
        self.cwnd = self.cwnd.saturating_sub(acked).max(self.mss);
        if acked >= self.mss {
            self.cwnd += self.mss;
        }
    }

    /// Recovery is over: RFC 6582 3.2, step 3, the first of its two ways, which lets no burst out.
    pub fn handle_recovered(&mut self, flight: u32) {
        self.cwnd = self.ssthresh.min(flight.max(self.mss) + self.mss);
    }

    /// The retransmission timer expired: RFC 5681 3.1, equation 4; the threshold is set only the first time.
    pub fn handle_timeout(&mut self, flight: u32, is_first: bool) {
        if is_first {
            self.reduce(flight);
        }
        self.slow_start_limit = 1;
        self.cwnd = self.mss;
    }

    /// More than one SYN was lost before the connection began: RFC 6928 2.
    pub fn handle_lost_syns(&mut self) {
        self.cwnd = self.mss;
    }

    /// Nothing was sent for longer than a timeout: RFC 5681 4.1.
    pub fn handle_idle(&mut self) {
        self.cwnd = self.cwnd.min(initial_window(self.mss));
    }

    fn reduce(&mut self, flight: u32) {
        self.ssthresh = match &mut self.avoidance {
            Avoidance::Reno(reno) => reno.reduce(flight, self.mss),
        };
    }
}

/// RFC 6928 2: ten segments, at most 14,600 bytes unless two segments are more.
fn initial_window(mss: u32) -> u32 {
    (10 * mss).min((2 * mss).max(14_600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1460;

    #[test]
    fn slow_start_doubles_and_avoidance_adds_a_segment_a_round() {
        let mut c = Congestion::new(MSS);
        assert_eq!(c.window(), 10 * MSS);
        (0..10).for_each(|_| c.handle_ack(MSS));
        assert_eq!(c.window(), 20 * MSS);
        c.handle_timeout(20 * MSS, true);
        assert_eq!((c.window(), c.slow_start_threshold()), (MSS, 10 * MSS));
        (0..9).for_each(|_| c.handle_ack(MSS));
        assert_eq!(c.window(), 10 * MSS);
        (0..10).for_each(|_| c.handle_ack(MSS));
        assert_eq!(c.window(), 11 * MSS);
    }

    #[test]
    fn a_second_timeout_does_not_halve_again() {
        let mut c = Congestion::new(MSS);
        c.handle_timeout(20 * MSS, true);
        c.handle_timeout(MSS, false);
        assert_eq!(c.slow_start_threshold(), 10 * MSS);
    }

    #[test]
    fn fast_recovery_inflates_and_deflates() {
        let mut c = Congestion::new(MSS);
        c.handle_fast_retransmit(20 * MSS);
        assert_eq!(c.window(), 13 * MSS);
        c.handle_duplicate_ack();
        assert_eq!(c.window(), 14 * MSS);
        c.handle_partial_ack(4 * MSS);
        assert_eq!(c.window(), 11 * MSS);
        c.handle_recovered(20 * MSS);
        assert_eq!(c.window(), 10 * MSS);
        c.handle_recovered(0);
        assert_eq!(c.window(), 2 * MSS);
    }

    #[test]
    fn large_segments_begin_with_few() {
        assert_eq!(initial_window(9000), 18_000);
        assert_eq!(initial_window(536), 5360);
    }
}
