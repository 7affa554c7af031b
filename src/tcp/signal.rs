//! What a connection has to tell its user.

/// What the user should know. Each is told once, until it happens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The handshake is over.
    Connected,
    /// There is something to read, or the end.
    Readable,
    /// There is as much room as was asked for.
    Writable,
    /// The peer has urgent data.
    Urgent,
    /// The user's alarm.
    Alarm,
    /// The network reports trouble that may pass (RFC 9293 SHLD-25, MUST-47).
    Trouble,
    /// The connection is at its end.
    Closed,
}

/// A set of them, in a byte: whether there are any is asked for each segment, more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals(u8);

impl Signals {
    /// There are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// This is one of them.
    pub fn has(self, signal: Signal) -> bool {
        self.0 & 1 << signal as u8 != 0
    }

    pub(super) fn add(&mut self, signal: Signal) {
        self.0 |= 1 << signal as u8;
    }
}
