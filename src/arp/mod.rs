//! ARP: who has which hardware address (RFC 826), and whether ours is ours (RFC 5227).

pub mod claim;
pub mod neighbours;

pub use claim::{Claim, ProbeMode, Verdict};
pub use neighbours::{Entry, Neighbours, Request};
