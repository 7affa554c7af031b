//! The one seed of randomness, split into independent streams.
//!
//! A run is replayed by its seed, so every random choice of the stack is drawn from here, and what protects
//! against strangers (ISNs, the flow hash) is never drawn from the stream whose values can be seen on the wire.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};
use siphasher::sip::SipHasher13;

/// The seed of a whole run: 32 bytes, written as up to 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

/// What a stream of randomness is for. Streams of one seed are independent of each other.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Purpose {
    /// Keys that must not be guessed from outside.
    Secrets = 1,
    /// Spreading timers, identifications, ephemeral ports: values that others may see.
    Jitter = 2,
    /// The misfortunes of an impaired link, towards us.
    ImpairIn = 3,
    /// The misfortunes of an impaired link, away from us.
    ImpairOut = 4,
}

impl Seed {
    /// A seed from a small number, for tests and simulation.
    pub fn from_u64(n: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Self(bytes)
    }

    /// A fresh seed from the operating system.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn from_os() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// The stream of this seed for one purpose.
    pub fn stream(&self, purpose: Purpose) -> Rng {
        let mut rng = ChaCha8Rng::from_seed(self.0);
        rng.set_stream(purpose as u64);
        Rng(rng)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().rposition(|&b| b != 0).map_or(1, |last| last + 1);
        self.0[..shown].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed({self})")
    }
}

impl FromStr for Seed {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if s.is_empty() || s.len() > 64 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("a seed is 1 to 64 hexadecimal digits".into());
        }
        let padded = if s.len() % 2 == 1 { format!("{s}0") } else { s.to_owned() };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(padded.as_bytes().chunks(2)) {
            let digit = |c: u8| (c as char).to_digit(16).expect("checked above") as u8;
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        Ok(Self(bytes))
    }
}

/// One stream of randomness.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }
    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }
    /// A number below `bound`, which is not zero. The bias is under bound / 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }
    /// True with this probability (0.0 to 1.0).
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && ((self.u64() >> 11) as f64) < probability * (1u64 << 53) as f64
    }
    /// A key for [`KeyedHash`].
    pub fn key(&mut self) -> KeyedHash {
        KeyedHash { k0: self.u64(), k1: self.u64() }
    }
}

/// SipHash-1-3 under a secret key: a hash whose collisions a stranger cannot choose.
#[derive(Clone)]
pub struct KeyedHash {
    k0: u64,
    k1: u64,
}

impl KeyedHash {
    /// The hash of these bytes.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.k0, self.k1).hash(bytes)
    }
}

impl std::hash::BuildHasher for KeyedHash {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.k0, self.k1)
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_reads_back_as_written() {
        for text in ["1", "deadbeef", "00000000000000ff", &"ab".repeat(32)] {
            let seed: Seed = text.parse().unwrap();
            assert_eq!(seed.to_string().parse::<Seed>().unwrap(), seed);
        }
        for bad in ["", "xyz", &"a".repeat(65)] {
            assert!(bad.parse::<Seed>().is_err());
        }
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let seed = Seed::from_u64(7);
        let a: Vec<_> = std::iter::repeat_with({
            let mut r = seed.stream(Purpose::Secrets);
            move || r.u64()
        })
        .take(4)
        .collect();
        let b: Vec<_> = std::iter::repeat_with({
            let mut r = seed.stream(Purpose::Jitter);
            move || r.u64()
        })
        .take(4)
        .collect();
        assert_ne!(a, b);
        assert_eq!(a[0], seed.stream(Purpose::Secrets).u64());
    }

    #[test]
    fn chance_is_close_to_its_probability() {
        let mut r = Seed::from_u64(1).stream(Purpose::Jitter);
        let hits = (0..100_000).filter(|_| r.chance(0.05)).count();
        assert!((4_600..5_400).contains(&hits), "{hits}");
        assert!(!(0..1000).any(|_| r.chance(0.0)));
        assert!((0..1000).all(|_| r.chance(1.0)));
    }
}
