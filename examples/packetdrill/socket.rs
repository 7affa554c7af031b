//! What stands behind a descriptor.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use bytes::{Bytes, BytesMut};
use taphouse::stack::ConnId;
use taphouse::tcp::{Cause, State};
use taphouse::time::{Duration, Instant};

use crate::options::Options;

/// What a call gives, or its `errno`.
pub(crate) type Outcome<T> = Result<T, i32>;

/// What stands behind a descriptor.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) is_nonblocking: bool,
    pub(crate) options: Options,
    pub(crate) bound: Option<SocketAddrV4>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// Neither listening nor connected.
    Idle,
    Listener {
        port: u16,
        waiting: VecDeque<Connection>,
    },
    Connection(Box<Connection>),
    Epoll(BTreeMap<i32, Interest>),
}

/// What an epoll descriptor was asked to watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    pub(crate) events: u32,
    pub(crate) data: u64,
    /// The edges of which the caller was told.
    pub(crate) told: Option<Edges>,
    /// EPOLLONESHOT has fired.
    pub(crate) is_spent: bool,
}

/// How often something came, and how often room did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edges {
    pub(crate) readable: u64,
    pub(crate) writable: u64,
}

/// A connection of the stack, and what a BSD socket keeps beside it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) remote: SocketAddrV4,
    /// The handshake is over, and a second `connect` has not yet said so.
    pub(crate) phase: Phase,
    /// The state after the last turn.
    pub(crate) state: State,
    pub(crate) end: Option<Cause>,
    /// SO_ERROR, until somebody asks.
    pub(crate) error: Option<i32>,
    /// What the network complained of, for the day when the connection times out.
    pub(crate) soft_error: Option<i32>,
    /// The peer's FIN was seen: the end of the data is the end, whatever came later.
    pub(crate) is_done: bool,
    pub(crate) is_read_shut: bool,
    pub(crate) is_write_shut: bool,
    /// Read of the stack, but not by the caller, who asked for less.
    pub(crate) unread: VecDeque<Bytes>,
    /// Less than a segment, held back by TCP_CORK or MSG_MORE, and until when.
    pub(crate) held: BytesMut,
    pub(crate) held_until: Option<Instant>,
    /// A writer, or a poller, found no room.
    pub(crate) wants_room: bool,
    pub(crate) edges: Edges,
    /// Payload bytes received after the last turn.
    pub(crate) received: u64,
}

/// How far `connect` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The SYN is out.
    Connecting,
    /// Established; the next `connect` is told so.
    Connected,
    /// Established, and the caller knows.
    Known,
}

/// How long TCP_CORK and MSG_MORE hold back less than a segment; Linux does so as long.
pub(crate) const CORK: Duration = Duration::from_millis(200);

impl Socket {
    pub(crate) fn new(is_nonblocking: bool, options: Options, kind: Kind) -> Self {
        Self { is_nonblocking, options, bound: None, kind }
    }

    /// The connections that hang on this descriptor.
    pub(crate) fn connections_mut(&mut self) -> Box<dyn Iterator<Item = &mut Connection> + '_> {
        match &mut self.kind {
            Kind::Connection(connection) => Box::new(std::iter::once(&mut **connection)),
            Kind::Listener { waiting, .. } => Box::new(waiting.iter_mut()),
            Kind::Idle | Kind::Epoll(_) => Box::new(std::iter::empty()),
        }
    }
}

impl Connection {
    pub(crate) fn new(id: ConnId, remote: SocketAddrV4, phase: Phase, state: State) -> Self {
        Self {
            id,
            remote,
            phase,
            state,
            end: None,
            error: None,
            soft_error: None,
            is_done: false,
            is_read_shut: false,
            is_write_shut: false,
            unread: VecDeque::new(),
            held: BytesMut::new(),
            held_until: None,
            wants_room: false,
            edges: Edges::default(),
            received: 0,
        }
    }

    /// Takes SO_ERROR.
    pub(crate) fn take_error(&mut self) -> Outcome<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// The end came: what Linux would leave in SO_ERROR. `complaint` is what an ICMP error said just now.
    pub(crate) fn handle_end(&mut self, cause: Cause, complaint: Option<i32>) {
        self.end = Some(cause);
        self.error = match cause {
            Cause::Finished | Cause::Aborted => self.error,
            Cause::Reset if self.state == State::CloseWait => Some(libc::EPIPE),
            Cause::Reset => Some(libc::ECONNRESET),
            Cause::Refused => Some(libc::ECONNREFUSED),
            Cause::TimedOut => Some(self.soft_error.unwrap_or(libc::ETIMEDOUT)),
            Cause::Unreachable => Some(complaint.unwrap_or(libc::EHOSTUNREACH)),
        };
        self.edges.readable += 1;
        self.edges.writable += 1;
    }

    /// Bytes that the caller has not read, and the stack no longer has.
    pub(crate) fn unread_len(&self) -> usize {
        self.unread.iter().map(Bytes::len).sum()
    }
}
