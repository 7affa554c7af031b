//! A timer to wait for beside descriptors, set again only where it must be.
//!
//! Deadlines move with almost every frame, mostly to later. A wait with a timeout sets a timer and cancels it each
//! time, which makes going to sleep and waking up slower than answering a request. This one stays as it is while it
//! fires no later than it should; when it fires early, whoever waits finds nothing due and sets it again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::time::Instant;

/// A timer that makes its descriptor readable when it fires.
#[derive(Debug)]
pub struct Alarm {
    timer: TimerFd,
    fires: Option<Instant>,
}

impl Alarm {
    /// A timer that is not set.
    ///
    /// # Errors
    /// The operating system has no timer left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self { timer: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?, fires: None })
    }

    /// Fires at this time at the latest; it may fire earlier.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn set(&mut self, now: Instant, at: Instant) -> io::Result<()> {
        if self.fires.is_none_or(|fires| at < fires) {
            // Zero would switch it off.
            let left = std::time::Duration::from_nanos(at.since(now).as_nanos().max(1));
            let expiration = Expiration::OneShot(TimeSpec::from_duration(left));
            self.timer.set(expiration, TimerSetTimeFlags::empty())?;
            self.fires = Some(at);
        }
        Ok(())
    }

    /// Its descriptor was readable.
    pub fn handle_fired(&mut self) {
        // It does not block; what it says is known.
        let _ = self.timer.wait();
        self.fires = None;
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
