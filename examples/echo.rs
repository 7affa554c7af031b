//! TCP echo on a TAP, by the stack alone: no HTTP, no sessions, one loop.
//!
//! ```sh
//! sudo ip tuntap add dev tap0 mode tap user $USER && sudo ip addr add 192.0.2.1/24 dev tap0
//! sudo ip link set tap0 up && cargo run --release --example echo
//! echo hello | nc -N 192.0.2.2 7
//! ```

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use taphouse::arp::ProbeMode;
use taphouse::frame::Frame;
use taphouse::link::tap::Tap;
use taphouse::link::{Link, Received, Sent};
use taphouse::rand::Seed;
use taphouse::shard::runner::Start;
use taphouse::stack::{Config, ConnId, Event, ListenConfig, Stack};
use taphouse::tcp::ReadError;
use taphouse::wire::ethernet::Mac;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tap = Tap::open("tap0", 1500)?;
    let start = Start::now();
    let config = Config {
        link: tap.properties(),
        mac: Mac::local(7),
        subnet: "192.0.2.2/24".parse()?,
        gateway: None,
        probe: ProbeMode::Quick,
        max_connections: 1000,
        memory: taphouse::limits::TCP_MEMORY,
    };
    let mut stack = Stack::new(config, &Seed::from_os()?, start.read().mono);
    stack.listen(7, ListenConfig::default());
    let (mut buffer, mut frame, mut is_stalled) = (vec![0; 2048], Frame::default(), false);
    loop {
        let now = start.read().mono;
        while let Received::Frame(len) = tap.recv(now, &mut buffer) {
            stack.handle_frame(now, &buffer[..len]);
        }
        stack.handle_timeout(now);
        while let Some(event) = stack.poll_event() {
            match event {
                Event::Readable(id) | Event::Writable(id) => echo(&mut stack, id),
                Event::Closed(id, _) => stack.stream(id).release(),
                _ => {}
            }
        }
        // A frame that the device does not take waits, and nothing more is pulled.
        while is_stalled || stack.poll_transmit(now, &mut frame) {
            is_stalled = match tap.send(now, &frame) {
                Sent::Done => false,
                Sent::Full => true,
                Sent::Gone(error) => return Err(error.into()),
            };
            if is_stalled {
                break;
            }
        }
        let wait = stack.poll_timeout().map_or(1000, |at| at.since(now).as_millis().min(1000) + 1);
        let interest = if is_stalled { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        poll(&mut [PollFd::new(tap.as_fd(), interest)], PollTimeout::try_from(wait as i32)?)?;
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
