//! What the user of a connection can be told.

use std::fmt;

/// Why a connection is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Both sides finished, and all was acknowledged.
    Finished,
    /// The peer reset it.
    Reset,
    /// The peer refused it.
    Refused,
    /// The peer did not answer in time (RFC 9293 3.8.3).
    TimedOut,
    /// The network cannot reach the peer.
    Unreachable,
    /// We reset it.
    Aborted,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Nothing has arrived yet.
    Blocked,
    /// The peer has sent all it will ever send.
    Finished,
    /// The connection is at its end.
    Closed(Cause),
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The send buffer is full.
    Blocked,
    /// This side was shut down before.
    Shutdown,
    /// The connection is at its end.
    Closed(Cause),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "finished",
            Self::Reset => "reset by the peer",
            Self::Refused => "refused",
            Self::TimedOut => "timed out",
            Self::Unreachable => "unreachable",
            Self::Aborted => "aborted",
        })
    }
}
