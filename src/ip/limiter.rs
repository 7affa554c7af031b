//! Limits for answers that strangers can ask for.

use crate::rand::Rng;
use crate::time::{Duration, Instant};

/// So many a second, so many at once.
#[derive(Debug)]
pub struct Limiter {
    interval: Duration,
    burst: u64,
    /// When the bucket would be full again; never more than `burst` intervals ahead.
    full_at: Instant,
}

impl Limiter {
    /// `per_second` tokens a second, at most `burst` saved up. Both at least 1.
    pub fn new((per_second, burst): (u64, u64)) -> Self {
        Self { interval: Duration::from_secs(1) / per_second, burst, full_at: Instant::ZERO }
    }

    /// Takes a token if there is one.
    pub fn allows(&mut self, now: Instant) -> bool {
        take(&mut self.full_at, self.interval, self.burst, now)
    }
}

/// Takes a token, one of which comes each `interval`, `burst` at most, from a bucket that would be full again at
/// `full_at`. False when there is none.
pub fn take(full_at: &mut Instant, interval: Duration, burst: u64, now: Instant) -> bool {
    let full = (*full_at).max(now);
    let allowed = full.since(now) + interval <= interval * burst;
    if allowed {
        *full_at = full + interval;
    }
    allowed
}

/// So many each second, about: how many exactly is drawn anew each time, from half as many to half as many again.
/// Whoever uses them up and counts learns nothing of what others used.
#[derive(Debug)]
pub struct Lottery {
    per_second: u64,
    until: Instant,
    left: u64,
}

impl Lottery {
    /// `per_second` of them on average.
    pub fn new(per_second: u64) -> Self {
        Self { per_second, until: Instant::ZERO, left: 0 }
    }

    /// Takes one if there is one left of this second.
    pub fn allows(&mut self, now: Instant, rng: &mut Rng) -> bool {
        if now >= self.until {
            self.until = now + Duration::from_secs(1);
            self.left = self.per_second / 2 + rng.below(self.per_second + 1);
        }
        let allowed = self.left > 0;
        self.left -= u64::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_a_number_of_its_own() {
        let mut rng = crate::rand::Seed::from_u64(1).stream(crate::rand::Purpose::Jitter);
        let mut lottery = Lottery::new(1000);
        let mut taken = |s| {
            let now = Instant::ZERO + Duration::from_secs(s);
            (0..5000).filter(|_| lottery.allows(now, &mut rng)).count()
        };
        let seconds: Vec<_> = (1..200).map(&mut taken).collect();
        assert!(seconds.iter().all(|n| (500..=1500).contains(n)));
        let mean = seconds.iter().sum::<usize>() / seconds.len();
        assert!((930..1070).contains(&mean), "{mean}");
        assert!(seconds.windows(2).filter(|w| w[0] == w[1]).count() < 5);
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut limiter = Limiter::new((100, 20));
        let taken = |limiter: &mut Limiter, ms: u64| {
            let now = Instant::ZERO + Duration::from_millis(ms);
            (0..1000).filter(|_| limiter.allows(now)).count()
        };
        assert_eq!(taken(&mut limiter, 5_000), 20);
        assert_eq!(taken(&mut limiter, 5_000), 0);
        assert_eq!(taken(&mut limiter, 5_050), 5);
        assert_eq!(taken(&mut limiter, 60_000), 20);
    }
}
