//! Drives a shard on a real device: the one clock read of a turn, the wait, the signals, and those who watch.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Instant as Clock, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::alarm::Alarm;
use super::desk::{CALLERS, Desk};
use super::scribe::Scribe;
use super::workers::Workers;
use super::{End, Shard, Turn};
use crate::limits;
use crate::link::watch::WatchId;
use crate::link::{Instrumented, Link};
use crate::time::{Instant, Now};

/// Bytes of a capture that are worth a call to its thread while there is other work.
const CAPTURE_PIECE: usize = 32 << 10;

/// Where the turns of a run begin to count.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    mono: Clock,
    epoch: u64,
}

impl Start {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the runner is the one place that reads clocks")]
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        Self { mono: Clock::now(), epoch: u64::try_from(wall).unwrap_or(0) }
    }

    /// Nanoseconds since 1970 at the start.
    pub fn epoch(self) -> u64 {
        self.epoch
    }

    /// The time of a turn.
    #[expect(clippy::disallowed_methods, reason = "the runner is the one place that reads clocks")]
    pub fn read(self) -> Now {
        let mono = u64::try_from(self.mono.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Now { mono: Instant::from_nanos(mono), wall }
    }
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// A signal asked for it.
    Stopped,
    /// The shard could not go on.
    Failed(End),
}

/// A shard with everything around it.
pub struct Runner<D> {
    shard: Shard<Instrumented<D>>,
    /// The descriptor to wait on.
    device: OwnedFd,
    start: Start,
    signals: UnixStream,
    alarm: Alarm,
    desk: Option<Desk>,
    capture: Option<(WatchId, Scribe)>,
    workers: Workers,
    /// Readable when mail has come for a sleeping shard.
    bell: Arc<EventFd>,
    stop_at: Option<Instant>,
}

/// What woke the runner.
#[derive(Clone, Copy, Default)]
struct Woken {
    by_signal: bool,
    by_caller: bool,
}

impl<D: Link> Runner<D> {
    /// A runner that has not run. `device` is the descriptor of the shard's link.
    ///
    /// # Errors
    /// The operating system takes no signal handlers, or has no timer.
    pub fn new(shard: Shard<Instrumented<D>>, device: OwnedFd, start: Start) -> io::Result<Self> {
        let (signals, handler) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        for signal in [SIGTERM, SIGINT] {
            pipe::register(signal, handler.try_clone()?)?;
        }
        let alarm = Alarm::new()?;
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let rung = Arc::clone(&bell);
        // One that is full already rings as well.
        shard.post().set_bell(move || {
            let _ = rung.write(1);
        });
        let workers = Workers::new(shard.post());
        Ok(Self {
            shard,
            device,
            start,
            signals,
            alarm,
            desk: None,
            capture: None,
            workers,
            bell,
            stop_at: None,
        })
    }

    /// Answers those who call at this socket.
    ///
    /// # Errors
    /// The operating system does not let the socket be used without waiting.
    pub fn answer_at(&mut self, listener: UnixListener) -> io::Result<()> {
        self.desk = Some(Desk::new(listener)?);
        Ok(())
    }

    /// Writes what is recorded for this watcher.
    pub fn capture(&mut self, watch: WatchId, scribe: Scribe) {
        self.capture = Some((watch, scribe));
    }

    /// Runs until a signal stops it or its link goes away.
    ///
    /// # Errors
    /// The operating system cannot wait.
    pub fn run(mut self) -> io::Result<Ended> {
        let ended = self.turns();
        if let Some((watch, scribe)) = self.capture.take() {
            let now = self.start.read().mono;
            scribe.finish(self.shard.link_mut().take(now, watch));
        }
        ended
    }

    fn turns(&mut self) -> io::Result<Ended> {
        let mut was_ready = false;
        loop {
            let now = self.start.read();
            let turn = self.shard.turn(now);
            let is_idle = match turn {
                Turn::Ended(end) => return Ok(Ended::Failed(end)),
                Turn::Busy => false,
                Turn::Idle => true,
            };
            if !was_ready && self.shard.stack().is_ready() {
                was_ready = true;
                let address = self.shard.stack().config().subnet.address;
                log::info!(target: "life", "serving http://{address}/");
            }
            while let Some(work) = self.shard.poll_job() {
                self.workers.give(work)?;
            }
            self.tell_watchers(now.mono, is_idle);
            let woken = self.wait(now.mono, is_idle)?;
            if woken.by_caller
                && let Some(desk) = &mut self.desk
            {
                desk.handle_ready(&mut self.shard, now.mono);
            }
            if woken.by_signal && (0..self.signals_come()).any(|_| self.is_stopped_at_once()) {
                return Ok(Ended::Stopped);
            }
            if let Some(at) = self.stop_at
                && (self.shard.is_quiet() || self.start.read().mono >= at)
            {
                log::info!(target: "life", "stopped; {} connections were left", self.shard.sessions());
                return Ok(Ended::Stopped);
            }
        }
    }

    /// Hands what was recorded to the capture's thread and to the callers.
    fn tell_watchers(&mut self, now: Instant, is_idle: bool) {
        if let Some((watch, scribe)) = &mut self.capture {
            let link = self.shard.link_mut();
            let is_worth_it = is_idle || link.waiting(*watch) >= CAPTURE_PIECE;
            if is_worth_it
                && scribe.has_room()
                && let Some(piece) = link.take(now, *watch)
            {
                scribe.write(piece);
            }
            if scribe.is_broken() {
                link.unwatch(*watch);
                self.capture = None;
            }
        }
        if let Some(desk) = self.desk.as_mut().filter(|desk| !desk.is_empty()) {
            desk.answer(&mut self.shard, now);
        }
    }

    /// Sleeps until there is a frame, room for one, a signal, a caller, or something due; not at all if there is
    /// more to do.
    fn wait(&mut self, now: Instant, is_idle: bool) -> io::Result<Woken> {
        let due = [self.shard.poll_timeout(), self.stop_at].into_iter().flatten().min();
        let sleeps = is_idle && due.is_none_or(|at| at > now) && self.shard.post().try_sleep();
        if let Some(at) = due.filter(|_| sleeps) {
            self.alarm.set(now, at)?;
        }
        let mut interest = PollFlags::POLLIN;
        if self.shard.is_stalled() {
            interest |= PollFlags::POLLOUT;
        }
        let nobody = || PollFd::new(self.device.as_fd(), PollFlags::empty());
        let mut fds: [PollFd<'_>; 5 + CALLERS] = std::array::from_fn(|_| nobody());
        fds[0] = PollFd::new(self.device.as_fd(), interest);
        fds[1] = PollFd::new(self.signals.as_fd(), PollFlags::POLLIN);
        fds[2] = PollFd::new(self.alarm.as_fd(), PollFlags::POLLIN);
        fds[3] = PollFd::new(self.bell.as_fd(), PollFlags::POLLIN);
        let mut used = 4;
        for interest in self.desk.iter().flat_map(Desk::interests) {
            fds[used] = interest;
            used += 1;
        }
        let polled = poll(&mut fds[..used], if sleeps { PollTimeout::NONE } else { PollTimeout::ZERO });
        self.shard.post().handle_awake();
        match polled {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Woken { by_signal: true, by_caller: false }),
            Err(errno) => return Err(errno.into()),
        }
        let is_ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        let trouble = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        if fds[0].revents().is_some_and(|events| events.intersects(trouble)) {
            // It stays so until the device is up again or gone; without this the loop would spin.
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let woken = Woken { by_signal: is_ready(&fds[1]), by_caller: fds[4..used].iter().any(is_ready) };
        if is_ready(&fds[3]) {
            // It was rung; how often does not matter.
            let _ = self.bell.read();
        }
        if is_ready(&fds[2]) {
            self.alarm.handle_fired();
        }
        Ok(woken)
    }

    /// How many signals have come since the last look.
    fn signals_come(&self) -> usize {
        (&mut &self.signals).read(&mut [0; 16]).unwrap_or(0)
    }

    /// The first signal begins to stop, a second one stops at once.
    fn is_stopped_at_once(&mut self) -> bool {
        if self.stop_at.is_some() {
            log::info!(target: "life", "stopped at once by a second signal");
            return true;
        }
        log::info!(target: "life", "stopping; {} connections are open", self.shard.sessions());
        let now = self.start.read();
        self.shard.stop(now);
        self.stop_at = Some(now.mono + limits::SHUTDOWN);
        false
    }
}
