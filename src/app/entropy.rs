//! Bytes that nobody can guess, for what lasts: keys, salts, names of sessions. They are never drawn from the seed of a
//! run, and a test brings its own.

use std::sync::Arc;

/// Fills a buffer with such bytes.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The entropy of the operating system.
pub fn system() -> Entropy {
    Arc::new(|buffer| getrandom::fill(buffer).expect("the operating system has randomness"))
}
