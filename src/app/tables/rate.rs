//! How fast somebody at a table may speak: the generic cell rate algorithm, for each kind of what he does.

use crate::limits;
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
    fn new((burst, period): (u64, Duration)) -> Self {
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

/// All that is counted of somebody at a table, also when he leaves and comes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) speech: Rate,
    pub(super) typing: Rate,
    pub(super) auth: Rate,
    /// Messages that are no good.
    pub(super) bad: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            speech: Rate::new(limits::SPEECH_RATE),
            typing: Rate::new(limits::TYPING_RATE),
            auth: Rate::new(limits::AUTH_RATE),
            bad: Rate::new(limits::BAD_MESSAGES),
        }
    }
}

impl Rates {
    /// All of it has had its time.
    pub(super) fn is_at_rest(&self, now: Instant) -> bool {
        [self.speech, self.typing, self.auth, self.bad].iter().all(|rate| rate.until <= now)
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
