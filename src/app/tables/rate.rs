//! How fast one seat may speak: the generic cell rate algorithm, for one.

use crate::time::{Duration, Instant};

/// So many at once, and then one in each period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    burst: u64,
    period: Duration,
    /// When all that was counted will have had its time.
    until: Instant,
}

impl Rate {
    pub(super) fn new((burst, period): (u64, Duration)) -> Self {
        Self { burst, period, until: Instant::ZERO }
    }

    /// Counts one, if there is room for it.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let until = self.until.max(now) + self.period;
        let has_room = until <= now + self.period * self.burst;
        if has_room {
            self.until = until;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bursts_and_recovers() {
        let mut rate = Rate::new((3, Duration::from_secs(1)));
        let start = Instant::ZERO + Duration::from_secs(100);
        let taken = |rate: &mut Rate, now| (0..10).filter(|_| rate.take(now)).count();
        assert_eq!(taken(&mut rate, start), 3);
        assert_eq!(taken(&mut rate, start + Duration::from_secs(1)), 1);
        assert_eq!(taken(&mut rate, start + Duration::from_secs(60)), 3);
    }
}
