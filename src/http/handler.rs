//! What stands behind an HTTP connection: whoever answers requests, and how answers are said.

use std::fmt;
use std::net::SocketAddrV4;

use bytes::Bytes;

use super::access::Entry;
use super::head::Request;
use super::response::Response;
use super::websocket::Upgrade;
use crate::mail::Line;

/// Answers requests.
pub trait Handler {
    /// Looks at a request's head, which is lent for the call only, and says what to do.
    fn handle_request(&mut self, request: &Request<'_>) -> Outcome;
}

/// What a connection and its handlers can ask of the house around them.
pub trait House {
    /// Whose connection it is.
    fn peer(&self) -> SocketAddrV4;

    /// Appends what the house counts, in the text format of Prometheus.
    fn write_metrics(&self, out: &mut String);

    /// A line to this connection, for whoever has more of a body for it later.
    fn wake_line(&self) -> Line<Wake>;

    /// Somebody keeps an access log.
    fn wants_access(&self) -> bool {
        false
    }

    /// A request was answered, or cannot be any more.
    fn handle_access(&self, _entry: &Entry) {}
}

/// Tells a connection that a body which had nothing to give, or wanted nothing, is to be asked again.
#[derive(Clone, Copy, Debug)]
pub struct Wake;

/// What to do with a request.
pub enum Outcome {
    /// Answer now. A body that comes all the same is read and thrown away, within limits.
    Respond(Response),
    /// Take the body first; the sink says at its end what to do then.
    Read(Box<dyn BodySink>),
    /// Do slow work elsewhere, and then what that says. No further request of the connection is looked at meanwhile.
    Later(Job),
    /// Leave HTTP for a WebSocket.
    Upgrade(Box<Upgrade>),
}

impl Outcome {
    /// The same, with the answer that comes of it changed.
    #[must_use]
    pub fn map(self, change: impl FnOnce(Response) -> Response + Send + 'static) -> Self {
        match self {
            Self::Respond(response) => Self::Respond(change(response)),
            Self::Read(sink) => Self::Read(Box::new(Mapped { sink, change })),
            Self::Later(job) => {
                Self::Later(Job { lane: job.lane, ..Job::new(move || job.run().map(change)) })
            }
            Self::Upgrade(upgrade) => Self::Upgrade(upgrade),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Respond(response) => f.debug_tuple("Respond").field(response).finish(),
            Self::Read(_) => f.write_str("Read"),
            Self::Later(_) => f.write_str("Later"),
            Self::Upgrade(_) => f.write_str("Upgrade"),
        }
    }
}

/// What a handler may give back: an outcome, a response, or a result of such, so that `?` refuses.
pub trait IntoOutcome {
    /// The outcome.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl IntoOutcome for Response {
    fn into_outcome(self) -> Outcome {
        Outcome::Respond(self)
    }
}

impl<T: IntoOutcome, E: IntoOutcome> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(outcome) => outcome.into_outcome(),
            Err(outcome) => outcome.into_outcome(),
        }
    }
}

/// Slow work, which owns all that it needs. It runs beside the loop, on a thread for such work.
pub struct Job {
    work: Box<dyn FnOnce() -> Outcome + Send>,
    lane: Lane,
}

/// Whom a job waits behind. Each lane has a queue and threads of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Work that mostly waits: for a file, a database.
    Waiting,
    /// Work that keeps a core busy: the hash of a password. Few of these are done at once, and few may wait.
    Computing,
}

impl Job {
    /// Work that mostly waits, and ends with what is to be done then.
    pub fn new<R: IntoOutcome>(work: impl FnOnce() -> R + Send + 'static) -> Self {
        Self { work: Box::new(move || work().into_outcome()), lane: Lane::Waiting }
    }

    /// Work that keeps a core busy.
    pub fn computing<R: IntoOutcome>(work: impl FnOnce() -> R + Send + 'static) -> Self {
        Self { lane: Lane::Computing, ..Self::new(work) }
    }

    /// Whom it waits behind.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Does it, here and now.
    pub fn run(self) -> Outcome {
        (self.work)()
    }
}

/// Takes a request's body.
pub trait BodySink: Send {
    /// The largest body that it takes; a larger one is answered by 413, before a byte of it if its length is
    /// told.
    fn limit(&self) -> u64;

    /// It takes pieces now. One that does not is asked again after a [`Wake`]; what comes meanwhile stays where it is,
    /// and holds the peer back by its window. The time limits of bodies go on.
    fn wants_piece(&self) -> bool {
        true
    }

    /// Takes the next piece.
    fn handle_piece(&mut self, piece: Bytes);

    /// Bytes that it holds, and its answer will: they count against the memory of the shard. Beyond: 503.
    fn held(&self) -> usize {
        0
    }

    /// Takes a field of the trailer section (RFC 9110 6.5). Most have no use for them.
    fn handle_trailer(&mut self, _name: &str, _value: &[u8]) {}

    /// The body is complete: what to do now.
    fn finish(self: Box<Self>) -> Outcome;
}

/// A sink whose answer is changed.
struct Mapped<F> {
    sink: Box<dyn BodySink>,
    change: F,
}

impl<F: FnOnce(Response) -> Response + Send + 'static> BodySink for Mapped<F> {
    fn limit(&self) -> u64 {
        self.sink.limit()
    }

    fn wants_piece(&self) -> bool {
        self.sink.wants_piece()
    }

    fn handle_piece(&mut self, piece: Bytes) {
        self.sink.handle_piece(piece);
    }

    fn held(&self) -> usize {
        self.sink.held()
    }

    fn handle_trailer(&mut self, name: &str, value: &[u8]) {
        self.sink.handle_trailer(name, value);
    }

    fn finish(self: Box<Self>) -> Outcome {
        self.sink.finish().map(self.change)
    }
}
