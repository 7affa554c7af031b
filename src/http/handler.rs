//! What stands behind an HTTP connection: whoever answers requests.

use bytes::Bytes;

use super::head::Request;
use super::response::Response;
use crate::time::Now;

/// Answers requests.
pub trait Handler {
    /// Looks at a request's head, which is lent for the call only, and says what to do.
    fn handle_request(&mut self, now: Now, request: &Request<'_>) -> Outcome;
}

/// What to do with a request.
pub enum Outcome {
    /// Answer now. A body that comes all the same is read and thrown away, within limits.
    Respond(Response),
    /// Take the body first; the sink answers at its end.
    Read(Box<dyn BodySink>),
}

/// Takes a request's body.
pub trait BodySink: Send {
    /// The largest body that it takes; a larger one is answered by 413, before a byte of it if its length is
    /// told.
    fn limit(&self) -> u64;

    /// Takes the next piece.
    fn handle_piece(&mut self, piece: Bytes);

    /// The body is complete: the answer.
    fn finish(self: Box<Self>) -> Response;
}
