//! taphouse as an echo server: `taphouse::stack` on `taphouse::link::tap`, no HTTP; `examples/echo.rs` with the
//! choice not to sleep.
//!
//! `stack-echo [--tap NAME] [--spin]`; it serves port 7 of 192.0.2.2 until it is ended.

use std::error::Error;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use taphouse::arp::ProbeMode;
use taphouse::frame::Frame;
use taphouse::limits;
use taphouse::link::tap::Tap;
use taphouse::link::{Link, Received, Sent};
use taphouse::rand::Seed;
use taphouse::shard::alarm::Alarm;
use taphouse::shard::runner::Start;
use taphouse::stack::{Config, ConnId, Event, ListenConfig, Stack};
use taphouse::tcp::ReadError;
use taphouse::wire::ethernet::Mac;
use taphouse_rivals::options::Options;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_env(&["spin"], &["tap"])?;
    let mut tap = Tap::open(&options.named("tap", "tap0".to_owned())?, 1500)?;
    let start = Start::now();
    let config = Config {
        link: tap.properties(),
        mac: Mac::local(7),
        subnet: "192.0.2.2/24".parse()?,
        gateway: None,
        probe: ProbeMode::Off,
        max_connections: 65_536,
        memory: taphouse::limits::TCP_MEMORY,
    };
    let mut stack = Stack::new(config, &Seed::from_os()?, start.read().mono);
    let mut alarm = Alarm::new()?;
    stack.listen(7, ListenConfig::default());
    let (mut buffer, mut frame) = (vec![0; 2048], Frame::default());
    loop {
        let now = start.read().mono;
        let mut is_idle = true;
        for _ in 0..limits::FRAMES_PER_TURN {
            let Received::Frame(len) = tap.recv(now, &mut buffer) else { break };
            stack.handle_frame(now, &buffer[..len]);
            is_idle = false;
        }
        stack.handle_timeout(now);
        while let Some(event) = stack.poll_event() {
            match event {
                Event::Readable(id) | Event::Writable(id) => echo(&mut stack, id),
                Event::Closed(id, _) => stack.stream(id).release(),
                _ => {}
            }
        }
        while stack.poll_transmit(now, &mut frame) {
            while let Sent::Full = send(&mut tap, &frame, &start)? {}
        }
        if is_idle && !options.has("spin") {
            if let Some(at) = stack.poll_timeout() {
                alarm.set(now, at)?;
            }
            let mut fds =
                [PollFd::new(tap.as_fd(), PollFlags::POLLIN), PollFd::new(alarm.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::NONE)?;
            if fds[1].any() == Some(true) {
                alarm.handle_fired();
            }
        }
    }
}

fn send(tap: &mut Tap, frame: &Frame, start: &Start) -> Result<Sent, std::io::Error> {
    match tap.send(start.read().mono, frame) {
        Sent::Gone(error) => Err(error),
        sent => Ok(sent),
    }
}

/// Writes back what came, as far as there is room, and closes when the peer has closed.
fn echo(stack: &mut Stack, id: ConnId) {
    let mut stream = stack.stream(id);
    loop {
        let room = stream.room();
        if room == 0 {
            return stream.notify_below(usize::MAX);
        }
        match stream.read_at_most(room).map(|bytes| stream.write(bytes)) {
            Ok(Ok(_)) => {}
            Err(ReadError::Finished) => return stream.release(),
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
