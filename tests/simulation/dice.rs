//! Random choices of a run, from its seed alone.

use taphouse::rand::{Purpose, Rng, Seed};
use taphouse::time::Duration;

/// A stream of choices.
pub(crate) struct Dice(Rng);

impl Dice {
    /// The stream of `seed` for one use; uses of one seed are independent.
    pub(crate) fn new(seed: u64, salt: u64) -> Self {
        Self(derive(seed, salt).stream(Purpose::Jitter))
    }

    /// A number from `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.0.below(n) == 0
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.chance(probability)
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.below(of.len() as u64) as usize]
    }

    /// A number up to `max`, each order of magnitude as likely as the others, zero among them.
    pub(crate) fn magnitude(&mut self, max: u64) -> u64 {
        let bits = self.between(0, u64::from(64 - max.leading_zeros()));
        (self.between(0, (1 << bits) - 1)).min(max)
    }

    /// A share up to `max`, often small.
    pub(crate) fn share(&mut self, max: f64) -> f64 {
        let x = self.between(0, 1000) as f64 / 1000.0;
        x * x * max
    }

    /// A time from `low` to `high` microseconds, each order of magnitude as likely as the others.
    pub(crate) fn micros(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros((low + self.magnitude(high)).min(high))
    }
}

/// A seed of its own for one part of a run.
pub(crate) fn derive(seed: u64, salt: u64) -> Seed {
    Seed::from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd134_2543_de82_ef95))
}
