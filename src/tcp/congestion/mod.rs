//! Congestion control: RFC 5681. How much may be in flight; not what, and not when it is lost.
//!
//! What all algorithms share stands here: slow start (with HyStart++ for the first), the loss window after a timeout,
//! the restart after an idle time. Where they differ is `Avoidance`: how the window grows once slow start is over, and
//! by how much a loss reduces it.

mod cubic;
mod hystart;
mod reno;

use std::fmt;
use std::str::FromStr;

use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;
use cubic::Cubic;
use hystart::{Growth, HyStart};
use reno::Reno;

/// How the window grows after slow start, and by how much a loss reduces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8312, RFC 9438.
    #[default]
    Cubic,
    /// RFC 5681.
    Reno,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cubic => "cubic",
            Self::Reno => "reno",
        })
    }
}

impl FromStr for Algorithm {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Cubic, Self::Reno]
            .into_iter()
            .find(|a| a.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no congestion control; there are cubic and reno"))
    }
}

/// The congestion window of one connection. Bytes throughout.
#[derive(Clone, Debug)]
pub struct Congestion {
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    /// L of RFC 9406 4.2 and RFC 3465 2.3, in segments.
    slow_start_limit: u8,
    /// Segments do not leave in bursts, so L need not bound them.
    is_paced: bool,
    hystart: HyStart,
    avoidance: Avoidance,
}

/// The algorithm after slow start.
#[derive(Clone, Debug)]
enum Avoidance {
    Reno(Reno),
    Cubic(Cubic),
}

/// What is kept of it when nothing is in flight (`dormant.rs`). How the window grew since the last loss is forgotten:
/// after an idle time that says nothing about the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    cwnd: u32,
    ssthresh: u32,
    before_loss: cubic::Resting,
}

/// What an ACK told, outside fast recovery.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// When it came.
    pub now: Instant,
    /// Bytes that it tells to have arrived.
    pub acked: u32,
    /// SND.UNA.
    pub una: SeqNum,
    /// SND.NXT.
    pub nxt: SeqNum,
    /// SRTT.
    pub srtt: Duration,
}

/// RFC 9406 4.3, without pacing.
const SLOW_START_LIMIT: u8 = 8;

impl Congestion {
    /// A new connection with segments of up to `mss` bytes.
    pub fn new(mss: u32, algorithm: Algorithm, is_paced: bool) -> Self {
        Self {
            mss,
            cwnd: initial_window(mss),
            ssthresh: u32::MAX,
            slow_start_limit: SLOW_START_LIMIT,
            is_paced,
            hystart: HyStart::new(),
            avoidance: match algorithm {
                Algorithm::Reno => Avoidance::Reno(Reno::default()),
                Algorithm::Cubic => Avoidance::Cubic(Cubic::default()),
            },
        }
    }

    pub(super) fn rest(&self) -> Resting {
        let before_loss = match &self.avoidance {
            Avoidance::Reno(_) => cubic::Resting::default(),
            Avoidance::Cubic(cubic) => cubic.rest(),
        };
        Resting { cwnd: self.restart_window(), ssthresh: self.ssthresh, before_loss }
    }

    pub(super) fn resume(resting: &Resting, mss: u32, algorithm: Algorithm, is_paced: bool) -> Self {
        let Resting { cwnd, ssthresh, before_loss } = *resting;
        let mut new = Self::new(mss, algorithm, is_paced);
        if let Avoidance::Cubic(cubic) = &mut new.avoidance {
            *cubic = Cubic::resume(before_loss);
        }
        Self { cwnd, ssthresh, ..new }
    }

    /// The algorithm after slow start.
    pub fn algorithm(&self) -> Algorithm {
        match self.avoidance {
            Avoidance::Reno(_) => Algorithm::Reno,
            Avoidance::Cubic(_) => Algorithm::Cubic,
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

    /// Slow start goes on.
    pub fn is_in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// The least RTT of what an ACK told to have arrived.
    pub fn handle_sample(&mut self, rtt: Duration) {
        if self.ssthresh == u32::MAX {
            self.hystart.handle_sample(rtt);
        }
    }

    /// Bytes left the network, outside fast recovery, and the window was in use.
    pub fn handle_ack(&mut self, ack: &Ack) {
        if self.is_in_slow_start() {
            return self.handle_ack_in_slow_start(ack);
        }
        self.slow_start_limit = SLOW_START_LIMIT;
        self.cwnd = match &mut self.avoidance {
            Avoidance::Reno(reno) => reno.grow(self.cwnd, ack.acked, self.mss),
            Avoidance::Cubic(cubic) => cubic.grow(ack.now, ack.srtt, self.cwnd, ack.acked, self.mss),
        };
    }

    /// RFC 5681 3.1, with HyStart++ while no loss has told where the path ends.
    fn handle_ack_in_slow_start(&mut self, ack: &Ack) {
        let is_limited = !self.is_paced || self.slow_start_limit == 1;
        let limit = if is_limited { u32::from(self.slow_start_limit) * self.mss } else { u32::MAX };
        let mut growth = ack.acked.min(limit);
        if self.ssthresh == u32::MAX {
            match self.hystart.handle_ack(ack.una, ack.nxt) {
                Growth::Full => {}
                Growth::Conservative => growth /= hystart::CSS_GROWTH_DIVISOR,
                Growth::Over => self.ssthresh = self.cwnd,
            }
        }
        self.cwnd = self.cwnd.saturating_add(growth).min(self.ssthresh.max(self.cwnd));
    }

    /// Bytes left the network, but the window was not in use, so it was not tested (RFC 9438 5.8).
    pub fn handle_unused(&mut self, now: Instant) {
        if let Avoidance::Cubic(cubic) = &mut self.avoidance {
            cubic.handle_unused(now);
        }
    }

    /// Something was lost, or the network is congested: sets the threshold. What the window becomes is for the
    /// recovery to say.
    pub fn handle_loss(&mut self, flight: u32) {
        // What limited transmit let out does not count (RFC 5681 3.2, step 2).
        let flight = flight.min(self.cwnd);
        self.ssthresh = match &mut self.avoidance {
            Avoidance::Reno(reno) => reno.reduce(flight, self.mss),
            Avoidance::Cubic(cubic) => cubic.reduce(self.cwnd, flight, self.mss),
        };
    }

    /// Segments have another size.
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = mss;
    }

    /// Recovery says what the window is.
    pub fn set_window(&mut self, cwnd: u32) {
        self.cwnd = cwnd.max(self.mss);
    }

    /// The retransmission timer expired: RFC 5681 3.1, equation 4; the threshold is set only the first time.
    pub fn handle_timeout(&mut self, flight: u32, is_first: bool) {
        if is_first {
            self.handle_loss(flight);
        }
        self.slow_start_limit = 1;
        self.cwnd = self.mss;
    }

    /// The reduction was not called for: back to what was `before` it.
    pub fn undo(&mut self, before: Self) {
        let (cwnd, mss) = (self.cwnd.max(before.cwnd), self.mss);
        *self = Self { cwnd, mss, ..before };
    }

    /// More than one SYN was lost before the connection began: RFC 6928 2.
    pub fn handle_lost_syns(&mut self) {
        self.cwnd = self.mss;
    }

    /// Nothing was sent for longer than a timeout: RFC 5681 4.1.
    pub fn handle_idle(&mut self, now: Instant) {
        self.cwnd = self.restart_window();
        self.handle_unused(now);
    }

    fn restart_window(&self) -> u32 {
        if fault::is(Fault::NoIdleRestart) { self.cwnd } else { self.cwnd.min(initial_window(self.mss)) }
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

    fn reno() -> Congestion {
        Congestion::new(MSS, Algorithm::Reno, false)
    }

    fn ack(c: &mut Congestion, acked: u32) {
        let (now, una, nxt) = (Instant::ZERO, SeqNum(1), SeqNum(1_000_000));
        c.handle_ack(&Ack { now, acked, una, nxt, srtt: Duration::from_millis(10) });
    }

    #[test]
    fn slow_start_doubles_and_avoidance_adds_a_segment_a_round() {
        let mut c = reno();
        assert_eq!(c.window(), 10 * MSS);
        (0..10).for_each(|_| ack(&mut c, MSS));
        assert_eq!(c.window(), 20 * MSS);
        c.handle_timeout(20 * MSS, true);
        assert_eq!((c.window(), c.slow_start_threshold()), (MSS, 10 * MSS));
        (0..9).for_each(|_| ack(&mut c, MSS));
        assert_eq!(c.window(), 10 * MSS);
        (0..10).for_each(|_| ack(&mut c, MSS));
        assert_eq!(c.window(), 11 * MSS);
    }

    #[test]
    fn an_ack_of_many_segments_counts_as_eight_unless_they_are_paced_and_as_one_after_a_timeout() {
        let mut c = reno();
        ack(&mut c, 20 * MSS);
        assert_eq!(c.window(), 18 * MSS);
        let mut c = Congestion::new(MSS, Algorithm::Cubic, true);
        ack(&mut c, 20 * MSS);
        assert_eq!(c.window(), 30 * MSS);
        c.handle_timeout(30 * MSS, true);
        ack(&mut c, 20 * MSS);
        assert_eq!(c.window(), 2 * MSS);
    }

    #[test]
    fn a_second_timeout_does_not_reduce_again() {
        let mut c = reno();
        c.set_window(20 * MSS);
        c.handle_timeout(20 * MSS, true);
        c.handle_timeout(MSS, false);
        assert_eq!(c.slow_start_threshold(), 10 * MSS);
    }

    #[test]
    fn what_is_in_flight_beyond_the_window_does_not_raise_the_threshold() {
        for (algorithm, threshold) in [(Algorithm::Reno, 5 * MSS), (Algorithm::Cubic, 7 * MSS)] {
            let mut c = Congestion::new(MSS, algorithm, false);
            c.handle_loss(12 * MSS);
            assert_eq!(c.slow_start_threshold(), threshold);
        }
    }

    #[test]
    fn an_undo_brings_back_what_was_and_keeps_what_is_more() {
        let mut c = Congestion::new(MSS, Algorithm::Cubic, true);
        let before = c.clone();
        c.handle_timeout(10 * MSS, true);
        c.undo(before.clone());
        assert_eq!((c.window(), c.slow_start_threshold()), (10 * MSS, u32::MAX));
        c.set_window(15 * MSS);
        c.undo(before);
        assert_eq!(c.window(), 15 * MSS);
    }

    #[test]
    fn names_are_read_back() {
        for algorithm in [Algorithm::Cubic, Algorithm::Reno] {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert!("bbr".parse::<Algorithm>().is_err());
    }

    #[test]
    fn large_segments_begin_with_few() {
        assert_eq!(initial_window(9000), 18_000);
        assert_eq!(initial_window(536), 5360);
    }
}
