//! Bodies of requests: who takes them, how fast they must come, and what becomes of those that nobody wants.

use bytes::Bytes;

use super::{Ask, Connection, Phase, Wanted};
use crate::fate::Fate;
use crate::fault::{self, Fault};
use crate::http::body::{Decoded, Decoder};
use crate::http::connection::Scope;
use crate::http::handler::BodySink;
use crate::http::head::{Refusal, refuse};
use crate::limits;
use crate::time::Instant;

const NO_ROOM: Refusal = refuse(503, "too much is gathered here already");
const TOO_LARGE: Refusal = refuse(413, "the body is larger than what is taken here");

impl Connection {
    /// Begins to read a body for a sink.
    pub(super) fn read_body(&mut self, scope: &mut Scope<'_>, mut ask: Ask, sink: Box<dyn BodySink>) {
        let left = ask.decoder.known_left();
        if left.is_some_and(|n| n > sink.limit()) {
            return self.refuse(scope, TOO_LARGE);
        }
        // RFC 9110 10.1.1: not needed once some of it has come.
        let is_coming = left != Some(0) && self.pending.is_empty();
        if std::mem::take(&mut ask.expects) && is_coming && !fault::is(Fault::NoContinue) {
            self.queue(Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        self.begin_body(scope.now.mono, ask, Wanted::Sink(sink));
    }

    pub(super) fn begin_body(&mut self, now: Instant, ask: Ask, wanted: Wanted) {
        self.deadline = now + self.limits.body_idle;
        self.phase = Phase::Body { ask, wanted, taken: 0 };
    }

    pub(super) fn advance_body(&mut self, scope: &mut Scope<'_>) -> bool {
        let Phase::Body { ask, wanted, taken } = &mut self.phase else { return false };
        if matches!(wanted, Wanted::Sink(sink) if !wants_piece(&**sink)) {
            return false;
        }
        let decoded = match ask.decoder.decode(&mut self.pending) {
            Ok(decoded) => decoded,
            Err(refusal) => {
                self.refuse(scope, refusal);
                return false;
            }
        };
        match decoded {
            Decoded::NeedMore => false,
            Decoded::Piece(piece) => {
                *taken += piece.len() as u64;
                let len = if fault::is(Fault::NoBodyRate) { u64::MAX } else { piece.len() as u64 };
                self.deadline = limits::next_piece(self.deadline, scope.now.mono, len, self.limits.body_idle);
                let limit = match wanted {
                    Wanted::Sink(sink) => sink.limit(),
                    Wanted::Nobody => limits::DRAINED_BODY,
                };
                if let Some((entry, _)) = self.entry.as_deref_mut() {
                    entry.taken = *taken;
                }
                if *taken > limit {
                    self.refuse(scope, TOO_LARGE);
                    return false;
                }
                if let Wanted::Sink(sink) = wanted {
                    sink.handle_piece(piece);
                    if !scope.quota.set(&mut self.share, sink.held()) {
                        self.refuse(scope, NO_ROOM);
                        return false;
                    }
                }
                true
            }
            Decoded::Trailer(line) => {
                if let Wanted::Sink(sink) = wanted {
                    give_trailer(&mut **sink, &line);
                }
                true
            }
            Decoded::End => {
                self.end_body(scope);
                true
            }
        }
    }

    fn end_body(&mut self, scope: &mut Scope<'_>) {
        let Phase::Body { ask, wanted, .. } = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        match wanted {
            Wanted::Sink(sink) => {
                let outcome = sink.finish();
                self.handle_outcome(scope, ask, outcome);
            }
            Wanted::Nobody => self.next_request(scope.now.mono, ask.exchange.keeps),
        }
    }

    /// The body of an answered request is read and thrown away, where there is one.
    pub(super) fn drain(&mut self, now: Instant, exchange: super::Exchange, drain: Option<Decoder>) {
        match drain {
            Some(decoder) => {
                let ask = Ask { decoder, expects: false, exchange };
                self.begin_body(now, ask, Wanted::Nobody);
            }
            None => self.next_request(now, exchange.keeps),
        }
    }

    /// It is clear that nobody is answered any more.
    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Body { wanted: Wanted::Nobody, .. })
    }

    /// A panic in the midst of an answer, or while nothing is asked, can only break the connection.
    pub(super) fn can_fail_politely(&self) -> bool {
        !matches!(self.phase, Phase::Answer { .. }) && !self.is_draining() && self.fate == Fate::Open
    }
}

pub(super) fn wants_piece(sink: &dyn BodySink) -> bool {
    sink.wants_piece() || fault::is(Fault::SinksNotAsked)
}

/// RFC 9110 6.5.1: fields that say how a message is framed, routed or authenticated have no place in a trailer section.
fn give_trailer(sink: &mut dyn BodySink, line: &[u8]) {
    const FORBIDDEN: [&str; 8] = [
        "content-length",
        "transfer-encoding",
        "host",
        "authorization",
        "cookie",
        "content-type",
        "content-encoding",
        "trailer",
    ];
    let Some(colon) = line.iter().position(|&b| b == b':') else { return };
    let Ok(name) = std::str::from_utf8(&line[..colon]) else { return };
    if !FORBIDDEN.iter().any(|f| name.eq_ignore_ascii_case(f)) {
        sink.handle_trailer(name, line[colon + 1..].trim_ascii());
    }
}
