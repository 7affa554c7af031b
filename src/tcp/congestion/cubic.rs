//! CUBIC: RFC 8312, with what RFC 9438 changed: the Reno-friendly window grows by what is acknowledged, and as fast as
//! Reno's once it has reached the window before the reduction.
//!
//! Windows are in segments here, times in seconds, as in the RFC.

use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};

const C: f64 = 0.4;
const BETA: f64 = 0.7;
/// 3 (1 - beta) / (1 + beta): what makes a flow with this beta as fast as one of Reno.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// The state of RFC 9438 4.1.2.
#[derive(Clone, Debug, Default)]
pub(super) struct Cubic {
    w_max: f64,
    /// The window before the last reduction.
    cwnd_prior: f64,
    epoch: Option<Epoch>,
    /// When the window was last looked at.
    last: Option<Instant>,
    /// What is missing to a whole byte of the window.
    fraction: f64,
}

/// What is kept of it when nothing is in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resting {
    w_max: f64,
    cwnd_prior: f64,
}

/// A stage of congestion avoidance.
#[derive(Clone, Debug)]
struct Epoch {
    start: Instant,
    k: f64,
    w_est: f64,
}

impl Cubic {
    pub(super) fn rest(&self) -> Resting {
        Resting { w_max: self.w_max, cwnd_prior: self.cwnd_prior }
    }

    pub(super) fn resume(resting: Resting) -> Self {
        let Resting { w_max, cwnd_prior } = resting;
        Self { w_max, cwnd_prior, ..Self::default() }
    }

    /// The window after `acked` more bytes.
    pub(super) fn grow(&mut self, now: Instant, srtt: Duration, cwnd: u32, acked: u32, mss: u32) -> u32 {
        let mss = f64::from(mss);
        let w = (f64::from(cwnd) + self.fraction) / mss;
        let acked = f64::from(acked) / mss;
        self.last = Some(now);
        if self.epoch.is_none() {
            self.w_max = self.w_max.max(w);
            let k = cube_root((self.w_max - w) / C);
            self.epoch = Some(Epoch { start: now, k, w_est: w });
        }
        let (w_max, cwnd_prior) = (self.w_max, self.cwnd_prior);
        let epoch = self.epoch.as_mut().expect("set above");
        let alpha = if epoch.w_est >= cwnd_prior { 1.0 } else { ALPHA };
        epoch.w_est += alpha * acked / w;
        let t = seconds(now.since(epoch.start));
        let cubic = |t: f64| C * (t - epoch.k) * (t - epoch.k) * (t - epoch.k) + w_max;
        let is_reno_faster = cubic(t) < epoch.w_est && !fault::is(Fault::CubicUnfriendly);
        let next = if is_reno_faster {
            epoch.w_est.max(w)
        } else {
            let target = cubic(t + seconds(srtt)).clamp(w, 1.5 * w);
            w + (target - w) / w * acked
        };
        let bytes = (next * mss).min(f64::from(u32::MAX / 2));
        self.fraction = bytes.fract();
        bytes as u32
    }

    /// Time passed in which the window was not used up: it does not count.
    pub(super) fn handle_unused(&mut self, now: Instant) {
        if let (Some(epoch), Some(last)) = (&mut self.epoch, self.last) {
            epoch.start += now.since(last);
        }
        self.last = Some(now);
    }

    /// The threshold after a loss with this window and so much in flight: RFC 9438 4.6 and 4.7.
    pub(super) fn reduce(&mut self, cwnd: u32, flight: u32, mss: u32) -> u32 {
        let w = f64::from(cwnd) / f64::from(mss);
        self.w_max = if w < self.w_max { w * (1.0 + BETA) / 2.0 } else { w };
        self.cwnd_prior = w;
        self.epoch = None;
        self.fraction = 0.0;
        let beta = if fault::is(Fault::NoReduction) { 1.0 } else { BETA };
        ((f64::from(flight) * beta) as u32).max(2 * mss)
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e9
}

/// The cube root of a number that is not negative, by Newton: the same bits on every machine, which `cbrt` does not
/// promise.
fn cube_root(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let mut root = x.sqrt().max(1e-3);
    for _ in 0..64 {
        let next = (2.0 * root + x / (root * root)) / 3.0;
        if (next - root).abs() <= 1e-12 * root {
            break;
        }
        root = next;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;
    const RTT: Duration = Duration::from_millis(100);

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Grows for `rounds` round trips, all of the window acknowledged in each.
    fn grown(cubic: &mut Cubic, mut cwnd: u32, from_ms: u64, rounds: u64) -> u32 {
        for round in 0..rounds {
            let mut left = cwnd;
            while left > 0 {
                let acked = left.min(2 * MSS);
                cwnd = cubic.grow(at(from_ms + round * 100), RTT, cwnd, acked, MSS);
                left -= acked;
            }
        }
        cwnd
    }

    #[test]
    fn roots_are_roots() {
        for x in [0.0, 1e-6, 0.5, 1.0, 27.0, 1e9] {
            let root = cube_root(x);
            assert!((root * root * root - x).abs() <= 1e-6 * x.max(1e-6), "{x}: {root}");
        }
    }

    #[test]
    fn a_reduction_is_made_good_in_k_seconds() {
        // RFC 9438 4.2: K = cbrt(Wmax (1 - beta) / C) = cbrt(1000 * 0.3 / 0.4) = 9.09 s.
        let mut cubic = Cubic::default();
        let cwnd = cubic.reduce(1000 * MSS, 1000 * MSS, MSS);
        assert_eq!(cwnd, 700 * MSS);
        let after_8_s = grown(&mut cubic, cwnd, 0, 80);
        let after_9_s = grown(&mut cubic, after_8_s, 8_000, 11);
        assert!((980 * MSS..1000 * MSS).contains(&after_8_s), "{after_8_s}");
        assert!((995 * MSS..1005 * MSS).contains(&after_9_s), "{after_9_s}");
        let later = grown(&mut cubic, after_9_s, 9_100, 60);
        assert!(later > 1060 * MSS, "convex: {later}");
    }

    #[test]
    fn a_small_window_grows_as_fast_as_renos() {
        // From 7 segments the cubic needs 2 s; Reno with alpha 0.53 has made good 3 segments after 6 round trips.
        let mut cubic = Cubic::default();
        let cwnd = cubic.reduce(10 * MSS, 10 * MSS, MSS);
        let after = grown(&mut cubic, cwnd, 0, 6);
        assert!((9_800..=10_500).contains(&after), "{after}");
        let further = grown(&mut cubic, after, 600, 4);
        assert!(further >= after + 3_500, "alpha is 1 from there on: {further}");
    }

    #[test]
    fn whoever_is_reduced_before_he_is_back_makes_room() {
        let mut cubic = Cubic::default();
        cubic.reduce(1000 * MSS, 1000 * MSS, MSS);
        cubic.reduce(800 * MSS, 800 * MSS, MSS);
        assert!((cubic.w_max - 680.0).abs() < 1e-9);
    }

    #[test]
    fn time_without_use_does_not_count() {
        let mut cubic = Cubic::default();
        let cwnd = cubic.reduce(1000 * MSS, 1000 * MSS, MSS);
        let used = grown(&mut cubic, cwnd, 0, 10);
        cubic.handle_unused(at(60_000));
        let next = cubic.grow(at(60_100), RTT, used, 2 * MSS, MSS);
        assert!(next < used + MSS, "{used} {next}");
    }

    #[test]
    fn unfairness_to_reno_is_noticed() {
        assert!(fault::is_noticed(Fault::CubicUnfriendly, a_small_window_grows_as_fast_as_renos));
    }
}
