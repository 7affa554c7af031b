//! The house's routes, and others whose bodies come and go as the house's own do not: without a length, with pauses,
//! from a job, or shorter than was promised.

use std::cell::RefCell;

use bytes::Bytes;
use taphouse::app::{self, Choices};
use taphouse::http::{
    Body, BodySink, BodySource, Handler, IntoOutcome as _, Job, Outcome, Piece, Request, Response, Router,
    Wake,
};
use taphouse::mail::Line;

use crate::dice::Dice;

/// What stands behind the server.
pub(crate) struct Routes(Router);

impl Default for Routes {
    fn default() -> Self {
        Self(app::routes(Choices::default()))
    }
}

impl Handler for Routes {
    fn handle_request(&mut self, request: &Request<'_>) -> Outcome {
        let number = |prefix: &str| request.path.strip_prefix(prefix).and_then(|n| n.parse().ok());
        if let Some(n) = number("/stream/") {
            let source = Pieces::new(pattern(n).into(), None, request.wake_line());
            return Response::new(200, "x/stream", Body::Source(Box::new(source))).into_outcome();
        }
        if let Some(n) = number("/short/") {
            let source = Pieces::new(pattern(n).into(), Some(n as u64 + 1), request.wake_line());
            return Response::new(200, "x/short", Body::Source(Box::new(source))).into_outcome();
        }
        if let Some(n) = number("/later/") {
            return Outcome::Later(Job::new(move || Response::text(200, pattern(n))));
        }
        if request.path == "/mirror" {
            return Outcome::Read(Box::new(Mirror::new(request.wake_line())));
        }
        self.0.handle_request(request)
    }
}

/// The bytes 0 to 250 again and again.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// A body in pieces of lengths that depend on nothing but where they begin. There is nothing before each of them.
struct Pieces {
    bytes: Bytes,
    promised: Option<u64>,
    line: Line<Wake>,
    is_next_there: bool,
}

impl Pieces {
    fn new(bytes: Bytes, promised: Option<u64>, line: Line<Wake>) -> Self {
        Self { bytes, promised, line, is_next_there: false }
    }
}

/// Bytes of a piece at most; the server is never asked for less.
pub(crate) const PIECE: usize = 1000;

impl BodySource for Pieces {
    fn len(&self) -> Option<u64> {
        self.promised
    }

    fn poll_body(&mut self, room: usize) -> Piece {
        assert!(room >= PIECE, "the server asks for more");
        if !std::mem::replace(&mut self.is_next_there, true) {
            self.line.send(Wake).unwrap();
            return Piece::Pending;
        }
        if self.bytes.is_empty() {
            return Piece::End;
        }
        self.is_next_there = self.bytes.len().is_multiple_of(3);
        let len = 1 + self.bytes.len() * 7919 % PIECE;
        Piece::Chunk(self.bytes.split_to(len.min(self.bytes.len())))
    }
}

/// `/mirror`: the same body back in pieces, with its trailers in a field. It does not always want more.
struct Mirror {
    body: Vec<u8>,
    trailers: String,
    line: Line<Wake>,
    dice: RefCell<Dice>,
}

impl Mirror {
    fn new(line: Line<Wake>) -> Self {
        Self { body: Vec::new(), trailers: String::new(), line, dice: Dice::new(7, 7).into() }
    }
}

impl BodySink for Mirror {
    fn limit(&self) -> u64 {
        1 << 20
    }

    fn wants_piece(&self) -> bool {
        let wants = !self.dice.borrow_mut().one_in(4);
        if !wants {
            self.line.send(Wake).unwrap();
        }
        wants
    }

    fn handle_piece(&mut self, piece: Bytes) {
        self.body.extend_from_slice(&piece);
    }

    fn handle_trailer(&mut self, name: &str, value: &[u8]) {
        self.trailers.push_str(&format!("{name}={};", String::from_utf8_lossy(value)));
    }

    fn finish(self: Box<Self>) -> Outcome {
        let source = Pieces::new(self.body.into(), None, self.line);
        let response = Response::new(200, "x/mirror", Body::Source(Box::new(source)));
        response.with("X-Trailers", format!("[{}]", self.trailers)).into_outcome()
    }
}
