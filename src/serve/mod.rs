//! Where a stream meets a protocol: sessions, and what `/metrics` tells.

pub mod session;
pub mod vitals;

pub use session::{Session, Surroundings};
