//! What IPv4 needs beyond its header: reassembly, rate limits, and the shape of our own address.

pub mod limiter;
pub mod reassembly;
pub mod subnet;
