//! What the programs of the benchmark share: HTTP as `taphouse serve` speaks it, the pattern of its bodies, and the
//! calls to the kernel.
//!
//! The programs are small on purpose: what is measured is a TCP stack below them, not their cleverness.

pub mod http;
pub mod options;
pub mod pattern;
pub mod sys;
