//! The choices of a run, from its seed alone.

use taphouse::rand::{Purpose, Rng, Seed};

/// A stream of choices.
#[derive(Clone)]
pub(crate) struct Dice(Rng);

impl Dice {
    /// The stream of `seed` for one use; uses of one seed are independent.
    pub(crate) fn new(seed: u64, salt: u64) -> Self {
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd134_2543_de82_ef95);
        Self(Seed::from_u64(mixed).stream(Purpose::Jitter))
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A number up to `max`, each order of magnitude as likely as the others, zero among them.
    pub(crate) fn magnitude(&mut self, max: usize) -> usize {
        let bits = self.below(max.ilog2() as usize + 2);
        self.below(1 << bits).min(max)
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.0.u64().to_be_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// A text of about so many bytes, in which characters have one to four of them.
    pub(crate) fn text(&mut self, len: usize) -> String {
        const LETTERS: [char; 8] = ['a', ' ', '\u{0}', '\u{7f}', 'é', '€', '\u{ffff}', '\u{1f600}'];
        let mut text = String::with_capacity(len + 4);
        while text.len() < len {
            text.push(self.pick(&LETTERS));
        }
        text
    }

    /// Cuts something into parts, none of them empty.
    pub(crate) fn parts<'a>(&mut self, mut of: &'a [u8]) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        while !of.is_empty() {
            let (part, rest) = of.split_at(1 + self.magnitude(of.len()).min(of.len() - 1));
            parts.push(part);
            of = rest;
        }
        parts
    }
}
