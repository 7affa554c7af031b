//! Answers: how they are framed, when the connection ends with them, and bodies that are pulled as there is room.

use bytes::Bytes;

use super::{Ask, Connection, Exchange, Phase, Scope};
use crate::fate::Fate;
use crate::fault::{self, Fault};
use crate::http::access::Entry;
use crate::http::body::Decoder;
use crate::http::head::{Refusal, Version};
use crate::http::response::{self, Body, Framing, Piece, Response};
use crate::http::websocket::Upgrade;
use crate::limits;

impl Connection {
    /// Answers a request, whose body may not have been read.
    pub(super) fn respond(&mut self, scope: &mut Scope<'_>, ask: Ask, response: Response) {
        let Ask { decoder, expects, mut exchange } = ask;
        let left = decoder.known_left();
        // Who waits for 100 (Continue) may send the body or not: only a closed connection is clear.
        let can_drain = !(expects && left != Some(0)) && left.is_none_or(|n| n <= limits::DRAINED_BODY);
        exchange.keeps &= can_drain;
        let is_left = left != Some(0) && can_drain && !fault::is(Fault::BodyReadAsRequest);
        self.answer(scope, exchange, response, is_left.then_some(decoder));
    }

    /// Queues an answer. `drain` is the body of its request, if that is still to be read and thrown away.
    fn answer(
        &mut self,
        scope: &mut Scope<'_>,
        mut exchange: Exchange,
        mut response: Response,
        drain: Option<Decoder>,
    ) {
        if !response.status.has_content() {
            // The client reads none, and would take it for the next answer.
            response.body = Body::Empty;
        }
        let framing = match response.body.len() {
            Some(len) => Framing::Length(len),
            None if exchange.version == Version::Http11 => Framing::Chunked,
            None => Framing::UntilClose,
        };
        exchange.keeps &= framing != Framing::UntilClose && !(self.peer_finished && self.pending.is_empty());
        exchange.keeps &= !self.is_stopping;
        let keeps_1_0 = exchange.version == Version::Http10;
        let date = scope.date.at(scope.now.wall);
        self.queue(response::head(&response, framing, date, !exchange.keeps, keeps_1_0));
        if let Some((entry, _)) = self.entry.as_deref_mut() {
            entry.status = response.status.0;
        }
        let has_body = !self.is_head || fault::is(Fault::HeadHasBody);
        let body = if has_body { response.body } else { Body::Empty };
        self.count_sent(body.len().unwrap_or(0));
        match body {
            Body::Empty => {}
            Body::Whole(bytes) => self.queue(bytes),
            Body::Pieces(pieces) => pieces.into_iter().for_each(|p| self.queue(p)),
            Body::Source(source) => {
                // What was counted is what it promises; it is counted anew as it comes.
                self.count_sent(0);
                self.is_waiting = false;
                self.phase = Phase::Answer { source, framing, given: 0, exchange, drain };
                return;
            }
        }
        self.log(scope.now.mono, scope.house);
        self.drain(scope.now.mono, exchange, drain);
    }

    pub(super) fn pull_body(&mut self, scope: &mut Scope<'_>, room: usize) {
        let Phase::Answer { source, framing, given, .. } = &mut self.phase else { return };
        let framing = *framing;
        match source.poll_body(room.min(limits::BODY_PIECE)) {
            Piece::Chunk(piece) => {
                // On the wire an empty chunk is the last one.
                assert!(!piece.is_empty(), "a body gives some bytes, not none");
                *given += piece.len() as u64;
                let given = *given;
                if matches!(framing, Framing::Length(n) if n < given) {
                    // What goes beyond the promised length would be taken for the next answer.
                    return self.end(Fate::Drop);
                }
                self.count_sent(given);
                if framing == Framing::Chunked {
                    self.queue(Bytes::from(format!("{:x}\r\n", piece.len())));
                    self.queue(piece);
                    self.queue(Bytes::from_static(b"\r\n"));
                } else {
                    self.queue(piece);
                }
            }
            Piece::Pending => {
                self.is_waiting = true;
                self.deadline = scope.now.mono + limits::BODY_ASKED_AGAIN;
            }
            Piece::End => {
                let phase = std::mem::replace(&mut self.phase, Phase::Over);
                let Phase::Answer { given, exchange, drain, .. } = phase else { return };
                if matches!(framing, Framing::Length(n) if n != given) {
                    // The head has promised another length: only a broken connection tells the truth.
                    return self.end(Fate::Drop);
                }
                if framing == Framing::Chunked {
                    self.queue(Bytes::from_static(b"0\r\n\r\n"));
                }
                self.log(scope.now.mono, scope.house);
                self.drain(scope.now.mono, exchange, drain);
                self.advance(scope);
            }
        }
    }

    fn count_sent(&mut self, bytes: u64) {
        if let Some((entry, _)) = self.entry.as_deref_mut() {
            entry.sent = bytes;
        }
    }

    /// Leaves HTTP for a WebSocket.
    pub(super) fn upgrade(&mut self, scope: &mut Scope<'_>, upgrade: Upgrade) {
        let response = upgrade.response();
        self.queue(response::head(
            &response,
            Framing::Length(0),
            scope.date.at(scope.now.wall),
            false,
            false,
        ));
        if let Some((entry, _)) = self.entry.as_deref_mut() {
            entry.status = response.status.0;
        }
        self.log(scope.now.mono, scope.house);
        self.phase = Phase::Upgraded(Some(upgrade));
    }

    /// Answers a head that cannot be read, of which nobody has looked at the method.
    pub(super) fn refuse_head(&mut self, scope: &mut Scope<'_>, refusal: Refusal) {
        let head = if self.head.is_empty() { &self.pending[..] } else { &self.head[..] };
        self.is_head = head.starts_with(b"HEAD ");
        self.refuse(scope, refusal);
    }

    /// Answers what cannot be served, and ends the connection.
    pub(super) fn refuse(&mut self, scope: &mut Scope<'_>, refusal: Refusal) {
        if !self.is_draining() {
            if self.entry.is_none() && scope.house.wants_access() {
                self.entry = Some(Box::new((Entry::of_nothing(), scope.now.mono)));
            }
            let response = Response::problem(refusal.status.0, refusal.detail);
            let response = if refusal.status.0 == 503 { response.with("Retry-After", "1") } else { response };
            let exchange = Exchange { version: Version::Http11, keeps: false };
            self.answer(scope, exchange, response, None);
        }
        self.end(Fate::Finish);
    }

    /// A handler panicked: 500 where no answer has begun, a broken connection otherwise.
    pub fn fail(&mut self, scope: &mut Scope<'_>) {
        if !self.can_fail_politely() {
            return self.end(Fate::Drop);
        }
        let exchange = Exchange { version: Version::Http11, keeps: false };
        self.answer(scope, exchange, Response::problem(500, "the handler of this request failed"), None);
        self.end(Fate::Finish);
    }

    pub(super) fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.waiting += bytes.len();
            self.output.push_back(bytes);
        }
    }
}
