//! A borrowed view of one connection, with the verbs of its user: RFC 9293 3.9.1.

use std::net::SocketAddrV4;

use bytes::Bytes;

use super::{ConnId, Stack};
use crate::tcp::info::ConnectionInfo;
use crate::tcp::{Connection, ReadError, State, WriteError};
use crate::time::{Duration, Instant};

/// A connection, borrowed from its stack.
pub struct Stream<'a> {
    stack: &'a mut Stack,
    id: ConnId,
}

impl<'a> Stream<'a> {
    pub(super) fn new(stack: &'a mut Stack, id: ConnId) -> Self {
        Self { stack, id }
    }

    /// Takes the next chunk that arrived.
    ///
    /// # Errors
    /// [`ReadError`]; `Blocked` until [`Event::Readable`](super::Event::Readable).
    pub fn read(&mut self) -> Result<Bytes, ReadError> {
        self.read_at_most(usize::MAX)
    }

    /// As [`read`](Self::read), no more than so many bytes: as there is [`room`](Self::room) for elsewhere.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_at_most(&mut self, most: usize) -> Result<Bytes, ReadError> {
        let result = self.stack.connections.of_now(self.id).read(most);
        if result.is_ok() {
            // The window may have opened.
            self.stack.touch_id(self.id);
        }
        result
    }

    /// Queues data, as much as there is room for; says how much that was.
    ///
    /// # Errors
    /// [`WriteError`]; `Blocked` until [`Event::Writable`](super::Event::Writable).
    pub fn write(&mut self, data: Bytes) -> Result<usize, WriteError> {
        let now = self.stack.now;
        let taken = self.stack.connections.of_now(self.id).write(now, data)?;
        self.stack.account(self.id.index() as u32);
        self.stack.touch_id(self.id);
        Ok(taken)
    }

    /// Nothing more will be written: the peer gets a FIN after what is queued. Reading goes on.
    pub fn shutdown(&mut self) {
        self.connection().shutdown();
        self.stack.touch_id(self.id);
    }

    /// Lets the connection go: what is queued is still sent, then it is closed. The id is no more.
    pub fn release(self) {
        self.stack.release(self.id);
    }

    /// Resets the connection (RFC 9293 3.10.5). The id is no more.
    pub fn abort(self) {
        self.stack.abort(self.id);
    }

    /// Bytes that [`write`](Self::write) would take.
    pub fn room(&mut self) -> usize {
        self.stack.connections.of_now(self.id).room()
    }

    /// Bytes queued and not yet acknowledged.
    pub fn queued(&mut self) -> usize {
        self.connection().queued()
    }

    /// Since when the peer has taken nothing of what is queued, if something is.
    pub fn untaken_since(&mut self) -> Option<Instant> {
        self.connection().untaken_since()
    }

    /// Bytes queued and not yet sent.
    pub fn unsent(&mut self) -> usize {
        self.connection().unsent()
    }

    /// Asks for [`Event::Writable`](super::Event::Writable) when no more than `bytes` wait to
    /// be sent, and a quarter of the buffer or 16 KiB is free.
    pub fn notify_below(&mut self, bytes: usize) {
        self.stack.connections.of_now(self.id).notify_below(bytes);
        self.stack.touch_id(self.id);
    }

    /// Sets or stops the user's own timer: [`Event::Alarm`](super::Event::Alarm).
    pub fn set_alarm(&mut self, at: Option<Instant>) {
        self.connection().set_alarm(at);
        self.stack.touch_id(self.id);
    }

    /// Switches Nagle's algorithm on or off (RFC 9293 MUST-17).
    pub fn set_nagle(&mut self, on: bool) {
        self.connection().set_nagle(on);
        self.stack.touch_id(self.id);
    }

    /// Switches keep-alive on, after so long an idle time, or off.
    pub fn set_keep_alive(&mut self, after: Option<Duration>) {
        let now = self.stack.now;
        self.connection().set_keep_alive(now, after);
        self.stack.touch_id(self.id);
    }

    /// Sets how long data may stay unacknowledged before the connection is given up.
    pub fn set_user_timeout(&mut self, timeout: Duration) {
        self.connection().set_user_timeout(timeout);
    }

    /// Marks all that is queued as urgent (RFC 6093; new protocols should not).
    pub fn mark_urgent(&mut self) {
        self.connection().mark_urgent();
    }

    /// Unread bytes up to the end of the peer's urgent data.
    pub fn urgent(&mut self) -> Option<usize> {
        self.connection().urgent()
    }

    /// All that there is to tell of the connection.
    pub fn info(&mut self) -> ConnectionInfo {
        let now = self.stack.now;
        self.connection().info(now)
    }

    /// The state of RFC 9293.
    pub fn state(&mut self) -> State {
        self.connection().state()
    }

    /// The peer.
    pub fn remote(&mut self) -> SocketAddrV4 {
        self.connection().flow().remote()
    }

    fn connection(&mut self) -> &mut Connection {
        self.stack.connections.of(self.id)
    }
}
