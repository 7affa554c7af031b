//! A wire between two TAP devices, with the misfortunes of a real network: loss, delay, reordering, a rate limit, and
//! what else `link::impair` knows, from a seed. For whoever must impair a link without netem; docs/wire.md shows how.
//!
//! One thread joins them, frame by frame. What a device cannot take, because it is down or its queue is full, is lost,
//! as on a real wire.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use bytes::Bytes;
use clap::Parser;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use taphouse::frame::{Frame, Properties};
use taphouse::link::impair::{Impair, Tally, spec};
use taphouse::link::tap::Tap;
use taphouse::link::{Link, Received, Sent};
use taphouse::rand::Seed;
use taphouse::shard::alarm::Alarm;
use taphouse::shard::runner::Start;
use taphouse::time::{Duration, Instant};

/// Joins two TAP devices by a wire that loses, delays and reorders frames as it is told.
///
/// Each device is one side's network card: what the kernel sends on A comes out of B and the other way round. It runs
/// until SIGTERM, SIGINT, or until a device is gone, and then prints what became of the frames.
#[derive(Debug, Parser)]
#[command(name = "wire", after_help = EXAMPLES)]
struct Options {
    /// The first device: tap0, or tap0 of a network namespace as NAMESPACE:tap0 or /proc/PID/ns/net:tap0
    #[arg(long, value_name = "DEVICE")]
    a: Place,

    /// The second device
    #[arg(long, value_name = "DEVICE")]
    b: Place,

    /// Make the devices; they are gone when the wire is
    #[arg(long)]
    make: bool,

    /// What happens to frames: loss=1%, burst=3, duplicate=1%, reorder=5%, corrupt=0.1%, truncate=0.1%, delay=20ms,
    /// jitter=5ms, rate=100mbit, queue=64kb, mark=1% or mark=32kb; both ways alike, or towards A alone as in.NAME, or
    /// away from it as out.NAME
    #[arg(long, value_name = "LIST", default_value = "")]
    impair: spec::Both,

    /// The seed of all chance, to repeat a run: up to 64 hexadecimal digits [default: from the system]
    #[arg(long, value_name = "HEX")]
    seed: Option<Seed>,

    /// Print what became of the frames every so many seconds, too
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    stats: Option<u32>,
}

const EXAMPLES: &str = "\
Two namespaces, 40 ms apart, that lose one frame in a hundred each way:
  ip netns add left; ip netns add right
  wire --make --a left:tap0 --b right:tap0 --impair delay=20ms,loss=1% &
  ip -n left addr add 192.0.2.1/24 dev tap0; ip -n left link set tap0 up
  ip -n right addr add 192.0.2.2/24 dev tap0; ip -n right link set tap0 up
  ip netns exec left ping 192.0.2.2

A slow way up and a fast way down, between devices that exist:
  wire --a tapA --b tapB --impair out.rate=5mbit,in.rate=50mbit,queue=64kb

The line at the end, and every --stats seconds, has for each way: given, delivered, lost by chance, queue_full (lost at
the rate limit), refused (the device was down or full), duplicated, reordered, corrupted, truncated and marked frames,
those that are not zero, and the Mbit/s delivered since the last line. At the end they are over the whole run.";

/// A device, and the network namespace where it is if that is not ours.
#[derive(Clone, Debug)]
struct Place {
    text: String,
    namespace: Option<PathBuf>,
    device: String,
}

/// A device that loses what it cannot take, and counts.
struct End {
    tap: Tap,
    count: Count,
}

#[derive(Clone, Copy, Default)]
struct Count {
    delivered: u64,
    bytes: u64,
    refused: u64,
}

/// The wire: frames from A go out through `far`, those from B come in through it.
struct Wire {
    near: End,
    far: Impair<End>,
    buffer: Vec<u8>,
    carrier: Frame,
}

/// When a line was last printed, and the bytes that had been delivered then: to B, to A.
struct Line {
    at: Instant,
    bytes: [u64; 2],
}

/// Bytes of the longest frame that a TAP gives.
const MAX_FRAME: usize = 65_535 + 18;
/// Frames taken each way in a turn, so that neither way waits long for the other.
const BATCH: usize = 64;

fn main() -> ExitCode {
    let options = Options::parse();
    let default = env_logger::Env::default().default_filter_or("warn");
    env_logger::Builder::from_env(default).format_timestamp(None).init();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("wire: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let seed = match options.seed {
        Some(seed) => seed,
        None => {
            Seed::from_os().map_err(|e| format!("the system gives no seed: {e}; give one with --seed"))?
        }
    };
    let (a, b) = (options.a.open(options.make)?, options.b.open(options.make)?);
    let signals = signals().map_err(|e| format!("signals cannot be caught: {e}"))?;
    let spec::Both { incoming, outgoing } = options.impair;
    let mut wire = Wire {
        near: a,
        far: Impair::new(b, incoming, outgoing, &seed),
        buffer: vec![0; MAX_FRAME],
        carrier: Frame::default(),
    };
    eprintln!("wire: {} and {} are joined; to repeat it: --seed {seed}", options.a.text, options.b.text);
    let start = Start::now();
    let ended = carry(&mut wire, options, &signals, start);
    let whole = Line { at: Instant::ZERO, bytes: [0; 2] };
    wire.print(start.read().mono, &whole);
    ended
}

/// Carries frames until a signal comes.
fn carry(wire: &mut Wire, options: &Options, signals: &UnixStream, start: Start) -> Result<(), String> {
    let cannot_wait = |e: io::Error| format!("the system cannot wait: {e}");
    let mut alarm = Alarm::new().map_err(cannot_wait)?;
    let every = options.stats.map(|seconds| Duration::from_millis(u64::from(seconds) * 1000));
    let mut last = Line { at: start.read().mono, bytes: [0; 2] };
    loop {
        let now = start.read().mono;
        let is_busy = wire.turn(now).map_err(|(is_near, error)| {
            let place = if is_near { &options.a } else { &options.b };
            format!("{} is gone: {error}", place.text)
        })?;
        let mut due = wire.far.poll_timeout();
        if let Some(every) = every {
            if now >= last.at + every {
                last = wire.print(now, &last);
            }
            due = Some(due.map_or(last.at + every, |at| at.min(last.at + every)));
        }
        let sleeps = !is_busy && due.is_none_or(|at| at > now);
        if wait(wire, &mut alarm, signals, sleeps.then_some((now, due))).map_err(cannot_wait)? {
            return Ok(());
        }
    }
}

/// Waits for frames, a signal, or until something is due, if there is time for it; true when a signal has come.
fn wait(
    wire: &mut Wire,
    alarm: &mut Alarm,
    signals: &UnixStream,
    sleep: Option<(Instant, Option<Instant>)>,
) -> io::Result<bool> {
    if let Some((now, Some(at))) = sleep {
        alarm.set(now, at)?;
    }
    let far = wire.far.inner_mut();
    let of = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds = [of(wire.near.as_fd()), of(far.as_fd()), of(signals.as_fd()), of(alarm.as_fd())];
    match poll(&mut fds, if sleep.is_some() { PollTimeout::NONE } else { PollTimeout::ZERO }) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let [.., signal, fired] = fds.map(|fd| fd.any().unwrap_or(true));
    if fired {
        alarm.handle_fired();
    }
    Ok(signal && (&mut &*signals).read(&mut [0; 16]).is_ok_and(|n| n > 0))
}

/// Readable once SIGTERM or SIGINT has come.
fn signals() -> io::Result<UnixStream> {
    let (signals, handler) = UnixStream::pair()?;
    signals.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        pipe::register(signal, handler.try_clone()?)?;
    }
    Ok(signals)
}

/// Carries what has come `from` one end; true if there may be more. An error tells whether it was that end's.
fn pass(
    now: Instant,
    from: &mut impl Link,
    to: &mut impl Link,
    buffer: &mut [u8],
    carrier: &mut Frame,
) -> Result<bool, (bool, io::Error)> {
    for _ in 0..BATCH {
        match from.recv(now, buffer) {
            Received::Frame(len) => {
                carrier.clear();
                carrier.push_payload(Bytes::copy_from_slice(&buffer[..len]));
            }
            Received::Nothing => return Ok(false),
            Received::Gone(error) => return Err((true, error)),
        }
        if let Sent::Gone(error) = to.send(now, carrier) {
            return Err((false, error));
        }
    }
    Ok(true)
}

impl Wire {
    /// Carries what has come and what is due; true if there may be more. An error tells whether it was A's.
    fn turn(&mut self, now: Instant) -> Result<bool, (bool, io::Error)> {
        let Self { near, far, buffer, carrier } = self;
        let more_of_a = pass(now, near, far, buffer, carrier)?;
        let more_of_b = pass(now, far, near, buffer, carrier).map_err(|(is_b, error)| (!is_b, error))?;
        Ok(more_of_a || more_of_b)
    }

    /// Prints the line; gives what the next one counts from.
    fn print(&mut self, now: Instant, last: &Line) -> Line {
        let (in_tally, out_tally) = self.far.tallies();
        let (to_b, to_a) = (self.far.inner_mut().count, self.near.count);
        let seconds = now.since(last.at).as_nanos().max(1) as f64 / 1e9;
        let rate = |bytes: u64, before: u64| (bytes - before) as f64 * 8e-6 / seconds;
        // Whoever reads it may have gone; the wire goes on.
        let _ = writeln!(
            io::stdout(),
            "t={:.1} a-to-b: {} mbit={:.3} | b-to-a: {} mbit={:.3}",
            now.since(Instant::ZERO).as_nanos() as f64 / 1e9,
            words(out_tally, to_b),
            rate(to_b.bytes, last.bytes[0]),
            words(in_tally, to_a),
            rate(to_a.bytes, last.bytes[1]),
        );
        Line { at: now, bytes: [to_b.bytes, to_a.bytes] }
    }
}

/// What became of the frames of one way.
fn words(tally: Tally, count: Count) -> String {
    let Tally { given, lost, queue_full, duplicated, reordered, corrupted, truncated, marked } = tally;
    let Count { delivered, refused, bytes: _ } = count;
    let rare = [
        ("lost", lost),
        ("queue_full", queue_full),
        ("refused", refused),
        ("duplicated", duplicated),
        ("reordered", reordered),
        ("corrupted", corrupted),
        ("truncated", truncated),
        ("marked", marked),
    ];
    let rare = rare.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!(" {name}={n}"));
    format!("given={given} delivered={delivered}{}", rare.collect::<String>())
}

impl End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tap.as_fd()
    }
}

impl Link for End {
    fn properties(&self) -> Properties {
        self.tap.properties()
    }

    fn recv(&mut self, now: Instant, buffer: &mut [u8]) -> Received {
        self.tap.recv(now, buffer)
    }

    fn send(&mut self, now: Instant, frame: &Frame) -> Sent {
        match self.tap.send(now, frame) {
            Sent::Done => {
                self.count.delivered += 1;
                self.count.bytes += frame.len() as u64;
                Sent::Done
            }
            Sent::Full => {
                self.count.refused += 1;
                Sent::Done
            }
            gone @ Sent::Gone(_) => gone,
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, device) = match text.rsplit_once(':') {
            None => (None, text),
            Some(("", _)) => return Err("before the colon stands a network namespace, as left:tap0".into()),
            Some((path, device)) if path.contains('/') => (Some(PathBuf::from(path)), device),
            Some((name, device)) => (Some(Path::new("/run/netns").join(name)), device),
        };
        Ok(Self { text: text.to_owned(), namespace, device: device.to_owned() })
    }
}

impl Place {
    /// Attaches to the device, in its namespace.
    fn open(&self, make: bool) -> Result<End, String> {
        let open = || {
            let opened =
                if make { Tap::make(&self.device, MAX_FRAME) } else { Tap::open(&self.device, MAX_FRAME) };
            opened.map_err(|e| e.to_string())
        };
        let opened = match &self.namespace {
            None => open(),
            Some(path) => inside(path, open),
        };
        let tap =
            opened.map_err(|e| if self.namespace.is_some() { format!("{}: {e}", self.text) } else { e })?;
        Ok(End { tap, count: Count::default() })
    }
}

/// Does something in another network namespace, and comes back. What is opened there stays open here.
fn inside<T>(namespace: &Path, act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let open = |path: &Path| {
        File::open(path).map_err(|e| format!("there is no network namespace {}: {e}", path.display()))
    };
    let (own, other) = (open(Path::new("/proc/thread-self/ns/net"))?, open(namespace)?);
    let enter = |namespace: &File| {
        setns(namespace, CloneFlags::CLONE_NEWNET)
            .map_err(|e| format!("the network namespace cannot be entered: {e}; it takes root"))
    };
    enter(&other)?;
    let result = act();
    enter(&own)?;
    result
}
