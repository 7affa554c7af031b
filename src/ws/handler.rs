//! What stands behind a WebSocket on a server, and how others reach it.

use super::close::{Closed, Code};
use super::connection::{Connection, Scope, SendError};
use super::message::{Message, Prepared};
use crate::mail::{Address, Line, Undelivered};
use crate::time::{Instant, Now};

/// Stands behind one WebSocket, from its opening to its end.
pub trait Handler: Send {
    /// The handshake is done.
    fn handle_open(&mut self, _socket: &mut Socket<'_>) {}

    /// A message came.
    fn handle_message(&mut self, socket: &mut Socket<'_>, message: Message);

    /// Somebody woke it by its [`Sender`]: there is something for it elsewhere.
    fn handle_wake(&mut self, _socket: &mut Socket<'_>) {}

    /// The peer has taken most of what waited for it, of which the handler wanted to hear.
    fn handle_room(&mut self, _socket: &mut Socket<'_>) {}

    /// The alarm that was set.
    fn handle_alarm(&mut self, _socket: &mut Socket<'_>) {}

    /// The WebSocket is over.
    fn handle_close(&mut self, _closed: &Closed) {}
}

/// A function that takes messages is a handler.
impl<F: FnMut(&mut Socket<'_>, Message) + Send> Handler for F {
    fn handle_message(&mut self, socket: &mut Socket<'_>, message: Message) {
        self(socket, message);
    }
}

/// What is sent to a WebSocket from elsewhere.
#[derive(Debug)]
pub enum Parcel {
    /// A message.
    Send(Prepared),
    /// Its handler is to look for what there is.
    Wake,
    /// It is to close.
    Close(Code, String),
}

/// Reaches a WebSocket from elsewhere, also from another thread. What is sent to one that is over is lost.
#[derive(Clone, Debug)]
pub struct Sender(Line<Parcel>);

impl Sender {
    /// A sender on this line.
    pub fn new(line: Line<Parcel>) -> Self {
        Self(line)
    }

    /// Where it leads.
    pub(super) fn address(&self) -> Address {
        self.0.to()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Too much mail is on the way; the message is not sent.
    pub fn send(&self, message: Message) -> Result<(), Undelivered> {
        self.send_prepared(&Prepared::new(message))
    }

    /// Sends a message that goes to many: it is encoded once, and compressed once for all who can share that.
    ///
    /// # Errors
    /// Too much mail is on the way; the message is not sent.
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), Undelivered> {
        self.0.send(Parcel::Send(prepared.clone()))
    }

    /// Wakes its handler, which looks by itself for what there is: a queue of its own, say, so that many messages need
    /// one wake.
    ///
    /// # Errors
    /// Too much mail is on the way; it is not woken.
    pub fn wake(&self) -> Result<(), Undelivered> {
        self.0.send(Parcel::Wake)
    }

    /// Closes the WebSocket, behind what was sent before.
    ///
    /// # Errors
    /// Too much mail is on the way; it is not closed.
    pub fn close(&self, code: Code, reason: impl Into<String>) -> Result<(), Undelivered> {
        self.0.send(Parcel::Close(code, reason.into()))
    }
}

/// Both lead to the same WebSocket.
impl PartialEq for Sender {
    fn eq(&self, other: &Self) -> bool {
        self.0.to() == other.0.to()
    }
}

impl Eq for Sender {}

/// Of what a handler wants to be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// That it is so late.
    pub alarm: Option<Instant>,
    /// That the peer has taken what waited for it.
    pub room: bool,
}

/// A WebSocket, lent to its handler for the time of a call.
pub struct Socket<'a> {
    connection: &'a mut Connection,
    scope: Scope<'a>,
    sender: &'a Sender,
    wishes: &'a mut Wishes,
}

impl<'a> Socket<'a> {
    /// Lends out a connection.
    pub fn new(
        connection: &'a mut Connection,
        scope: Scope<'a>,
        sender: &'a Sender,
        wishes: &'a mut Wishes,
    ) -> Self {
        Self { connection, scope, sender, wishes }
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.scope.now
    }

    /// Sends a message, at once.
    ///
    /// # Errors
    /// The WebSocket is closing, or its peer has not taken too much already.
    pub fn send(&mut self, message: &Message) -> Result<(), SendError> {
        self.connection.send(&mut self.scope, message)
    }

    /// Sends a message that goes to many: it is encoded once, and compressed once for all who can share that.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.connection.send_prepared(&mut self.scope, prepared)
    }

    /// Closes, behind what was sent before.
    pub fn close(&mut self, code: Code, reason: &str) {
        self.connection.close(self.scope.now.mono, code, reason);
    }

    /// Bytes that wait for the peer to take them.
    pub fn waiting(&self) -> usize {
        self.connection.waiting()
    }

    /// Sets the alarm, or takes it back: [`Handler::handle_alarm`] is called once at that time.
    pub fn set_alarm(&mut self, at: Option<Instant>) {
        self.wishes.alarm = at;
    }

    /// Has [`Handler::handle_room`] called once when the peer has taken most of what waits for it: who has much to say
    /// says some of it at a time.
    pub fn notify_room(&mut self) {
        self.wishes.room = true;
    }

    /// How others reach this WebSocket.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }
}
