//! A WebSocket of a session: the machine, who stands behind it, and how others reach it.

use bytes::Bytes;

use crate::fate::Fate;
use crate::limits;
use crate::time::{Instant, Now};
use crate::ws::{self, Closed, Code, Connection, Event, Parcel, Scope, Sender, Socket, Wishes};

/// A WebSocket.
pub(super) struct Seat {
    connection: Connection,
    handler: Box<dyn ws::Handler>,
    sender: Sender,
    /// Of what the handler wants to be told.
    wishes: Wishes,
    messages: u64,
}

impl Seat {
    pub(super) fn new(connection: Connection, handler: Box<dyn ws::Handler>, sender: Sender) -> Self {
        Self { connection, handler, sender, wishes: Wishes::default(), messages: 0 }
    }

    /// The handshake is done.
    pub(super) fn open(&mut self, scope: &mut Scope<'_>) {
        self.with_handler(scope, |handler, socket| handler.handle_open(socket));
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
        [self.connection.poll_timeout(), self.wishes.alarm].into_iter().flatten().min()
    }

    pub(super) fn handle_input(&mut self, scope: &mut Scope<'_>, bytes: Bytes) {
        self.connection.handle_input(scope.now.mono, bytes);
        self.advance(scope);
    }

    pub(super) fn handle_progress(&mut self, now: Instant) {
        self.connection.handle_progress(now);
    }

    pub(super) fn handle_end(&mut self, scope: &mut Scope<'_>) {
        self.connection.handle_end();
        self.advance(scope);
    }

    pub(super) fn handle_timeout(&mut self, scope: &mut Scope<'_>) {
        self.connection.handle_timeout(scope);
        if self.wishes.alarm.take_if(|at| *at <= scope.now.mono).is_some() {
            self.with_handler(scope, |handler, socket| handler.handle_alarm(socket));
        }
        self.advance(scope);
    }

    pub(super) fn handle_parcel(&mut self, scope: &mut Scope<'_>, parcel: Parcel) {
        match parcel {
            // Who has sent it is not here to be told: what does not fit is the overflow's business.
            Parcel::Send(prepared) => {
                let _ = self.connection.send_prepared(scope, &prepared);
            }
            Parcel::Wake => self.with_handler(scope, |handler, socket| handler.handle_wake(socket)),
            Parcel::Close(code, reason) => self.connection.close(scope.now.mono, code, &reason),
        }
    }

    pub(super) fn poll_output(&mut self, scope: &mut Scope<'_>) -> Option<Bytes> {
        self.connection.poll_output(scope)
    }

    pub(super) fn close(&mut self, now: Now, code: Code, reason: &str) {
        self.connection.close(now.mono, code, reason);
    }

    /// The stream is gone.
    pub(super) fn handle_gone(&mut self, scope: &mut Scope<'_>) {
        if let Some(closed) = self.connection.handle_gone(scope) {
            self.handle_closed(&closed);
        }
    }

    /// Tells the handler what has come.
    pub(super) fn advance(&mut self, scope: &mut Scope<'_>) {
        while let Some(event) = self.connection.poll_event(scope) {
            match event {
                Event::Message(message) => {
                    self.messages += 1;
                    self.with_handler(scope, |handler, socket| handler.handle_message(socket, message));
                }
                Event::Closed(closed) => self.handle_closed(&closed),
            }
        }
        if self.wishes.room && self.connection.waiting() < limits::WS_LOW_WATER / 2 {
            self.wishes.room = false;
            self.with_handler(scope, |handler, socket| handler.handle_room(socket));
        }
    }

    fn handle_closed(&mut self, closed: &Closed) {
        self.wishes = Wishes::default();
        self.handler.handle_close(closed);
    }

    fn with_handler(&mut self, scope: &mut Scope<'_>, f: impl FnOnce(&mut dyn ws::Handler, &mut Socket<'_>)) {
        let mut socket = Socket::new(&mut self.connection, scope.reborrow(), &self.sender, &mut self.wishes);
        f(&mut *self.handler, &mut socket);
    }
}
