//! Bodies that the routes take and give.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::http::{Body, BodySink, BodySource, IntoOutcome as _, Outcome, Piece, Request, Response};
use crate::limits;

/// `POST /echo`: the same body, with the same media type.
pub(super) struct Echo {
    content_type: String,
    pieces: Vec<Bytes>,
    gathered: Vec<u8>,
    len: usize,
}

impl Echo {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let content_type = request.field("Content-Type").and_then(|v| std::str::from_utf8(v).ok());
        let content_type = content_type.filter(|v| !v.is_empty());
        Self {
            content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
            pieces: Vec::new(),
            gathered: Vec::new(),
            len: 0,
        }
    }
}

impl BodySink for Echo {
    fn limit(&self) -> u64 {
        limits::COLLECTED_BODY
    }

    /// Pieces are gathered in chunks of their own, so that a small one does not hold a receive buffer.
    fn handle_piece(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.gathered.extend_from_slice(&piece);
        if self.gathered.len() >= limits::BODY_PIECE {
            self.pieces.push(std::mem::take(&mut self.gathered).into());
        }
    }

    fn held(&self) -> usize {
        self.len
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        self.pieces.push(std::mem::take(&mut self.gathered).into());
        Response::new(200, self.content_type, Body::Pieces(self.pieces)).into_outcome()
    }
}

/// `PUT /sink`: counts a body, and with `?sha256=1` hashes it.
pub(super) struct Sink {
    bytes: u64,
    hash: Option<Sha256>,
}

impl Sink {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let wants_hash = request.query.is_some_and(|q| q.split('&').any(|pair| pair == "sha256=1"));
        Self { bytes: 0, hash: wants_hash.then(Sha256::new) }
    }
}

impl BodySink for Sink {
    fn limit(&self) -> u64 {
        u64::MAX
    }

    fn handle_piece(&mut self, piece: Bytes) {
        self.bytes += piece.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&piece);
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        let hash = self.hash.map(|hash| {
            let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            format!(",\"sha256\":\"{digits}\"")
        });
        let json = format!("{{\"bytes\":{}{}}}\n", self.bytes, hash.unwrap_or_default());
        Response::new(200, "application/json", Body::Whole(json.into())).into_outcome()
    }
}

/// The bytes 0 to 250 again and again: one buffer, of which every piece of every `/bytes/{n}` is a slice.
#[derive(Debug)]
pub(super) struct Pattern(Bytes);

const PERIOD: usize = 251;

impl Default for Pattern {
    fn default() -> Self {
        Self((0..limits::BODY_PIECE + PERIOD).map(|i| (i % PERIOD) as u8).collect())
    }
}

impl Pattern {
    /// `n` bytes: whole where they fit one piece, or made as they are taken.
    pub(super) fn body(&self, n: u64) -> Body {
        match usize::try_from(n) {
            Ok(n) if n <= limits::BODY_PIECE => Body::Whole(self.0.slice(..n)),
            _ => Body::Source(Box::new(Generated::new(self, n))),
        }
    }
}

/// `GET /bytes/{n}`.
pub(super) struct Generated {
    pattern: Bytes,
    len: u64,
    given: u64,
}

impl Generated {
    pub(super) fn new(pattern: &Pattern, len: u64) -> Self {
        Self { pattern: pattern.0.clone(), len, given: 0 }
    }
}

impl BodySource for Generated {
    fn len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn poll_body(&mut self, room: usize) -> Piece {
        let left = usize::try_from(self.len - self.given).unwrap_or(usize::MAX);
        let len = room.min(limits::BODY_PIECE).min(left);
        if len == 0 {
            return Piece::End;
        }
        let start = (self.given % PERIOD as u64) as usize;
        self.given += len as u64;
        Piece::Chunk(self.pattern.slice(start..start + len))
    }
}
