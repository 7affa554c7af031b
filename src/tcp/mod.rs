//! TCP: RFC 9293, one file a noun of the RFC.
//!
//! The pieces are machines over values: a [`Connection`] takes segments
//! (`handle_segment`), gives segments (`poll_segment`) and says when it wants to be called (`poll_timeout`).
//! Half-open connections, those at rest and those in TIME-WAIT are small entries of their own; the stack holds all
//! four and finds them through [`flow::Flow`].

pub mod assembler;
pub mod config;
pub mod congestion;
pub mod connection;
pub mod cookie;
pub mod dormant;
pub mod ecn;
pub mod error;
pub mod flow;
pub mod handshake;
pub mod info;
pub mod isn;
pub mod pacing;
pub mod path_mtu;
pub mod pressure;
pub mod prr;
pub mod rack;
pub mod receive_buffer;
pub mod receiver;
pub mod recovery;
pub mod rtt;
pub mod sack;
pub mod scoreboard;
pub mod send_buffer;
pub mod sender;
pub mod signal;
pub mod state;
pub mod time_wait;
pub mod timers;
pub mod timestamps;

mod acknowledgment;
mod arrival;
mod response;
mod round;
mod segment_size;
mod sizing;
mod timeout;
mod transmit;

pub use arrival::Outcome;
pub use config::Config;
pub use congestion::Algorithm;
pub use connection::Connection;
pub use error::{Cause, ReadError, WriteError};
pub use flow::Flow;
pub use isn::Numbers;
pub use state::State;
pub use transmit::Departure;
