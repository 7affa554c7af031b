//! A link that can be watched: what passes it goes to recorders as well, while there are any.
//!
//! It stands between the stack and an impaired link, so it sees what the stack sends and what it gets: a frame
//! lost on the way out was sent, one lost on the way in never came.

use super::recorder::{Keep, Recorder};
use super::{Link, Properties, Received, Sent};
use crate::fault::{self, Fault};
use crate::frame::Frame;
use crate::time::Instant;

/// Which recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchId(u64);

/// A link with recorders.
#[derive(Debug)]
pub struct Watched<L> {
    inner: L,
    interface: String,
    /// Nanoseconds since 1970 when the time of the turns was zero.
    epoch: u64,
    recorders: Vec<(WatchId, Recorder)>,
    next_id: u64,
}

impl<L: Link> Watched<L> {
    /// Nobody watches yet. `epoch` is the wall clock, in nanoseconds, at [`Instant::ZERO`].
    pub fn new(inner: L, interface: &str, epoch: u64) -> Self {
        Self { inner, interface: interface.to_owned(), epoch, recorders: Vec::new(), next_id: 0 }
    }

    /// Begins to watch.
    pub fn watch(&mut self, keep: Keep) -> WatchId {
        let id = WatchId(self.next_id);
        self.next_id += 1;
        self.recorders.push((id, Recorder::new(self.inner.properties(), &self.interface, keep)));
        id
    }

    /// Watches no more.
    pub fn unwatch(&mut self, id: WatchId) {
        self.recorders.retain(|(other, _)| *other != id || fault::is(Fault::WatchersStay));
    }

    /// Somebody watches.
    pub fn is_watched(&self) -> bool {
        !self.recorders.is_empty()
    }

    /// Bytes that wait for a watcher.
    pub fn waiting(&self, id: WatchId) -> usize {
        self.recorders.iter().find(|(other, _)| *other == id).map_or(0, |(_, recorder)| recorder.waiting())
    }

    /// Takes what was recorded for a watcher: whole blocks of a pcapng.
    pub fn take(&mut self, now: Instant, id: WatchId) -> Option<Vec<u8>> {
        let wall = self.wall(now);
        self.recorders
            .iter_mut()
            .find(|(other, _)| *other == id)
            .and_then(|(_, recorder)| recorder.take(wall))
    }

    /// The link below.
    pub fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// The link below, to look at.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    fn wall(&self, now: Instant) -> u64 {
        self.epoch + now.since(Instant::ZERO).as_nanos()
    }
}

impl<L: Link> Link for Watched<L> {
    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn recv(&mut self, now: Instant, buffer: &mut [u8]) -> Received {
        let received = self.inner.recv(now, buffer);
        if let Received::Frame(len) = received
            && self.is_watched()
        {
            let wall = self.wall(now);
            self.recorders
                .iter_mut()
                .for_each(|(_, recorder)| recorder.handle_received(wall, &buffer[..len]));
        }
        received
    }

    fn send(&mut self, now: Instant, frame: &Frame) -> Sent {
        let sent = self.inner.send(now, frame);
        if matches!(sent, Sent::Done) && self.is_watched() {
            let wall = self.wall(now);
            self.recorders.iter_mut().for_each(|(_, recorder)| recorder.handle_sent(wall, frame));
        }
        sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }
}
