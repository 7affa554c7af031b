//! Drives a shard on a real device: the one clock read of a turn, the wait, the signals.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Instant as Clock, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::{End, Shard, Turn};
use crate::limits;
use crate::link::Link;
use crate::time::{Duration, Instant, Now};

/// Where the turns of a run begin to count.
#[derive(Clone, Copy, Debug)]
pub struct Start(Clock);

impl Start {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the runner is the one place that reads clocks")]
    pub fn now() -> Self {
        Self(Clock::now())
    }

    /// The time of a turn.
    #[expect(clippy::disallowed_methods, reason = "the runner is the one place that reads clocks")]
    pub fn read(self) -> Now {
        let mono = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
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

/// Runs a shard until a signal stops it or its link goes away. `device` is the descriptor to wait on.
///
/// # Errors
/// The operating system cannot wait, or takes no signal handlers.
pub fn run<L: Link>(mut shard: Shard<L>, device: &OwnedFd, start: Start) -> io::Result<Ended> {
    let (signals, handler) = UnixStream::pair()?;
    signals.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        pipe::register(signal, handler.try_clone()?)?;
    }
    let mut stop_at = None;
    let mut was_ready = false;
    loop {
        let now = start.read();
        match shard.turn(now) {
            Turn::Ended(end) => return Ok(Ended::Failed(end)),
            Turn::Busy => {}
            Turn::Idle => wait(&shard, device, &signals, now.mono, stop_at)?,
        }
        if !was_ready && shard.stack().is_ready() {
            was_ready = true;
            log::info!(target: "life", "serving http://{}/", shard.stack().config().subnet.address);
        }
        if has_signal(&signals) {
            if stop_at.is_some() {
                log::info!(target: "life", "stopped at once by a second signal");
                return Ok(Ended::Stopped);
            }
            log::info!(target: "life", "stopping; {} connections are open", shard.sessions());
            let now = start.read();
            shard.stop(now);
            stop_at = Some(now.mono + limits::SHUTDOWN);
        }
        if let Some(at) = stop_at
            && (shard.is_quiet() || start.read().mono >= at)
        {
            log::info!(target: "life", "stopped; {} connections were left", shard.sessions());
            return Ok(Ended::Stopped);
        }
    }
}

/// Sleeps until there is a frame, room for one, a signal, or something due.
fn wait<L: Link>(
    shard: &Shard<L>,
    device: &OwnedFd,
    signals: &UnixStream,
    now: Instant,
    stop_at: Option<Instant>,
) -> io::Result<()> {
    let mut interest = PollFlags::POLLIN;
    if shard.is_stalled() {
        interest |= PollFlags::POLLOUT;
    }
    let mut fds = [PollFd::new(device.as_fd(), interest), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let due = [shard.poll_timeout(), stop_at].into_iter().flatten().min();
    let timeout = due.map(|at| TimeSpec::from_duration(std_duration(at.since(now))));
    match ppoll(&mut fds, timeout, None) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    let trouble = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    let has_trouble = fds[0].revents().is_some_and(|events| events.intersects(trouble));
    if has_trouble {
        // It stays so until the device is up again or gone; without this the loop would spin.
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(())
}

fn std_duration(d: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(d.as_nanos())
}

fn has_signal(signals: &UnixStream) -> bool {
    use std::io::Read as _;
    let mut bytes = [0; 16];
    matches!((&mut &*signals).read(&mut bytes), Ok(n) if n > 0)
}
