//! What the users of a stack are told.

use super::ConnId;
use crate::tcp::Cause;
use crate::wire::ethernet::Mac;

/// Something happened. Each of the events of a connection is told once until it happens again. An event that was
/// queued before its connection was released still comes; whoever keeps the ids ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection came to a port that listens.
    Accepted {
        /// The port.
        port: u16,
        /// The new connection.
        id: ConnId,
    },
    /// A connection that we opened is established.
    Connected(ConnId),
    /// There is something to read, or the end.
    Readable(ConnId),
    /// There is room, and no more waits to be sent than `notify_below` asked for.
    Writable(ConnId),
    /// The peer has urgent data.
    Urgent(ConnId),
    /// The alarm that was set.
    Alarm(ConnId),
    /// The network reports trouble with a connection that may pass.
    Trouble(ConnId),
    /// A connection is at its end. Its id lives on until it is released.
    Closed(ConnId, Cause),
    /// Trouble of the whole host.
    Host(Trouble),
}

/// Trouble of the whole host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody has our address already. Nothing will be answered.
    AddressTaken(Mac),
    /// Somebody else uses our address; we defend it.
    AddressContested(Mac),
}
