//! Where a stream meets a protocol: sessions, mail for them, their slow work, and what `/metrics` tells.

pub mod jobs;
pub mod post;
mod protocol;
mod seat;
pub mod session;
pub mod vitals;

pub use jobs::{Jobs, Work};
pub use post::{Letter, Post};
pub use session::{Session, Surroundings};
