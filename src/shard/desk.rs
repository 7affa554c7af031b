//! The control socket's I/O: who calls, and the bytes of each.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::poll::{PollFd, PollFlags};

use super::Shard;
use crate::control::Caller;
use crate::link::{Instrumented, Link};
use crate::time::Instant;

/// Callers at once. Beyond: the one who has waited longest goes.
pub(super) const CALLERS: usize = 8;

/// The listening socket and its callers.
#[derive(Debug)]
pub(super) struct Desk {
    listener: UnixListener,
    seats: Vec<Seat>,
}

#[derive(Debug)]
struct Seat {
    stream: UnixStream,
    caller: Caller,
    /// There is more for the caller than he took so far.
    is_behind: bool,
    /// The caller has said all he will say.
    is_silent: bool,
}

impl Desk {
    pub(super) fn new(listener: UnixListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, seats: Vec::new() })
    }

    /// Nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// What to wait for: the listener, then each caller.
    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listener = PollFd::new(self.listener.as_fd(), PollFlags::POLLIN);
        let callers = self.seats.iter().map(|seat| {
            let words = if seat.is_silent { PollFlags::empty() } else { PollFlags::POLLIN };
            let room = if seat.is_behind { PollFlags::POLLOUT } else { PollFlags::empty() };
            PollFd::new(seat.stream.as_fd(), words | room)
        });
        std::iter::once(listener).chain(callers)
    }

    /// Takes new callers, and what all of them say. Called when one of the interests is ready.
    pub(super) fn handle_ready<D: Link>(&mut self, shard: &mut Shard<Instrumented<D>>, now: Instant) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.seats.len() >= CALLERS {
                self.seats.remove(0).caller.handle_gone(&mut shard.house(now));
            }
            self.seats.push(Seat { stream, caller: Caller::default(), is_behind: false, is_silent: false });
        }
        self.keep(shard, now, Seat::listen);
    }

    /// Tells every caller what there is for him.
    pub(super) fn answer<D: Link>(&mut self, shard: &mut Shard<Instrumented<D>>, now: Instant) {
        self.keep(shard, now, Seat::tell);
    }

    /// Calls all seats, and sends those away whose call says that they are done.
    fn keep<D: Link>(
        &mut self,
        shard: &mut Shard<Instrumented<D>>,
        now: Instant,
        call: impl Fn(&mut Seat, &mut Shard<Instrumented<D>>, Instant) -> bool,
    ) {
        self.seats.retain_mut(|seat| {
            let is_here = call(seat, shard, now);
            if !is_here {
                seat.caller.handle_gone(&mut shard.house(now));
            }
            is_here
        });
    }
}

impl Seat {
    /// Takes what the caller says; false when he is gone.
    fn listen<D: Link>(&mut self, shard: &mut Shard<Instrumented<D>>, now: Instant) -> bool {
        if self.is_silent {
            return true;
        }
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            // Half a close: the answer is still wanted, if it is one that ends.
            Ok(0) => {
                self.is_silent = true;
                self.caller.is_answered()
            }
            Ok(len) => {
                self.caller.handle_bytes(&mut shard.house(now), &bytes[..len]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Tells the caller one piece, the rest when he has room for it, so that no turn becomes long; false when
    /// there is no more to tell, or nobody to tell it to.
    fn tell<D: Link>(&mut self, shard: &mut Shard<Instrumented<D>>, now: Instant) -> bool {
        let output = self.caller.poll_output(&mut shard.house(now));
        if !output.is_empty() {
            match self.stream.write(output) {
                Ok(len) => self.caller.handle_sent(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        self.is_behind = self.caller.has_more();
        !self.caller.is_over()
    }
}
