//! A WebSocket of a session: the machine, who stands behind it, and how others reach it.

use bytes::Bytes;

use crate::fate::Fate;
use crate::time::{Instant, Now};
use crate::ws::{self, Closed, Code, Codecs, Connection, Event, Parcel, Scope, Sender, Socket};

/// A WebSocket.
pub(super) struct Seat {
    connection: Connection,
    handler: Box<dyn ws::Handler>,
    sender: Sender,
    /// The handler's alarm.
    alarm: Option<Instant>,
    messages: u64,
}

impl Seat {
    pub(super) fn new(connection: Connection, handler: Box<dyn ws::Handler>, sender: Sender) -> Self {
        Self { connection, handler, sender, alarm: None, messages: 0 }
    }

    /// The handshake is done.
    pub(super) fn open(&mut self, now: Now, codecs: &mut Codecs) {
        self.with_handler(now, codecs, |handler, socket| handler.handle_open(socket));
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    pub(super) fn wants_input(&self) -> bool {
        self.connection.wants_input()
    }

    pub(super) fn has_output(&self) -> bool {
        self.connection.has_output()
    }

    pub(super) fn fate(&self) -> Fate {
        self.connection.fate()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.connection.poll_timeout(), self.alarm].into_iter().flatten().min()
    }

    pub(super) fn handle_input(&mut self, now: Now, codecs: &mut Codecs, bytes: Bytes) {
        self.connection.handle_input(now.mono, bytes);
        self.advance(now, codecs);
    }

    pub(super) fn handle_end(&mut self, now: Now, codecs: &mut Codecs) {
        self.connection.handle_end();
        self.advance(now, codecs);
    }

    pub(super) fn handle_timeout(&mut self, now: Now, codecs: &mut Codecs) {
        self.connection.handle_timeout(&mut Scope { now, codecs });
        if self.alarm.take_if(|at| *at <= now.mono).is_some() {
            self.with_handler(now, codecs, |handler, socket| handler.handle_alarm(socket));
        }
        self.advance(now, codecs);
    }

    pub(super) fn handle_parcel(&mut self, now: Now, codecs: &mut Codecs, parcel: Parcel) {
        match parcel {
            // Who has sent it is not here to be told: what does not fit is the overflow's business.
            Parcel::Send(prepared) => {
                let _ = self.connection.send_prepared(&mut Scope { now, codecs }, &prepared);
            }
            Parcel::Close(code, reason) => self.connection.close(now.mono, code, &reason),
        }
    }

    pub(super) fn poll_output(&mut self, now: Now, codecs: &mut Codecs) -> Option<Bytes> {
        let output = self.connection.poll_output(&mut Scope { now, codecs });
        // There may be room again for what was not read meanwhile.
        self.advance(now, codecs);
        output
    }

    pub(super) fn close(&mut self, now: Now, code: Code, reason: &str) {
        self.connection.close(now.mono, code, reason);
    }

    /// The stream is gone.
    pub(super) fn handle_gone(&mut self, now: Now, codecs: &mut Codecs) {
        if let Some(closed) = self.connection.handle_gone(&mut Scope { now, codecs }) {
            self.handle_closed(&closed);
        }
    }

    fn advance(&mut self, now: Now, codecs: &mut Codecs) {
        while let Some(event) = self.connection.poll_event(&mut Scope { now, codecs }) {
            match event {
                Event::Message(message) => {
                    self.messages += 1;
                    self.with_handler(now, codecs, |handler, socket| handler.handle_message(socket, message));
                }
                Event::Closed(closed) => self.handle_closed(&closed),
            }
        }
    }

    fn handle_closed(&mut self, closed: &Closed) {
        self.alarm = None;
        self.handler.handle_close(closed);
    }

    fn with_handler(
        &mut self,
        now: Now,
        codecs: &mut Codecs,
        f: impl FnOnce(&mut dyn ws::Handler, &mut Socket<'_>),
    ) {
        let scope = Scope { now, codecs };
        let mut socket = Socket::new(&mut self.connection, scope, &self.sender, &mut self.alarm);
        f(&mut *self.handler, &mut socket);
    }
}
