//! A token bucket, for answers that strangers can ask for.

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
        let full_at = self.full_at.max(now);
        let allowed = full_at.since(now) + self.interval <= self.interval * self.burst;
        if allowed {
            self.full_at = full_at + self.interval;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
