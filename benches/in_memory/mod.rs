//! The road without a device: a house and a client in one thread, frames passed in memory, time nearly still.
//!
//! The house can be told from the rest from outside: it works in [`house_turns`] alone, except for what
//! [`wire_receives`] and [`wire_sends`] do within. These three are never inlined, so that a tool which counts
//! instructions (`scripts/instructions`) can switch itself on and off by their names.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use taphouse::app::{self, Choices};
use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::http::Limits;
use taphouse::limits;
use taphouse::link::memory::{self, Memory};
use taphouse::link::{Link, Received, Sent};
use taphouse::rand::Seed;
use taphouse::shard::{Config, Shard};
use taphouse::stack::{self, ConnId, ListenConfig, Stack};
use taphouse::tcp::{self, ReadError, State};
use taphouse::time::{Duration, Instant, Now};
use taphouse::wire::ethernet::Mac;

const WIRE: Properties = Properties { medium: Medium::Ethernet { fcs: false }, mtu: 1500 };

/// Turns in which nothing need happen. More, and the two wait for each other: a defect of the stack or of the bench.
const PATIENCE: usize = 1000;

/// Both ends and the wire between them.
pub(crate) struct Road {
    shard: Shard<HouseEnd>,
    client: Stack,
    wire: Memory,
    now: Instant,
    frame: Frame,
    buffer: Vec<u8>,
}

impl Road {
    pub(crate) fn new() -> Self {
        let (near, wire) = memory::pair(WIRE);
        let config = Config {
            stack: host(2),
            port: 80,
            listen: ListenConfig::default(),
            http: Limits::default(),
            memory: limits::GATHERED_BYTES,
        };
        let now = Instant::ZERO;
        Self {
            shard: Shard::new(
                HouseEnd(near),
                config,
                Box::new(app::routes(Choices::default())),
                &Seed::from_u64(1),
                now,
            ),
            client: Stack::new(host(1), &Seed::from_u64(2), now),
            wire,
            now,
            frame: Frame::default(),
            buffer: vec![0; 2048],
        }
    }

    /// Opens a connection, and leaves it when both ends have nothing more to say.
    pub(crate) fn connect(&mut self) -> ConnId {
        let server = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 80);
        // Without Nagle, as curl has it: time stands still, so a last small segment that waits for a delayed ACK
        // would wait for ever.
        let config = tcp::Config { nagle: false, ..tcp::Config::default() };
        let id = self.client.connect(server, config).expect("nothing is open yet");
        self.turn_until(|road| {
            (road.client.stream(id).state() == State::Established && road.shard.sessions() == 1).then_some(())
        });
        id
    }

    /// Asks, and reads the answer to the end of its body, which has `len` bytes.
    pub(crate) fn ask(&mut self, id: ConnId, request: &'static [u8], len: usize) {
        assert_eq!(self.client.stream(id).write(Bytes::from_static(request)), Ok(request.len()));
        self.read_answer(id, len);
    }

    /// Sends `head`, then a body of `len` zeros, and reads an answer with the body `answer`.
    pub(crate) fn give(&mut self, id: ConnId, head: &'static [u8], len: usize, answer: &[u8]) {
        const ZEROS: &[u8] = &[0; 64 << 10];
        assert_eq!(self.client.stream(id).write(Bytes::from_static(head)), Ok(head.len()));
        let mut left = len;
        while left > 0 {
            let mut stream = self.client.stream(id);
            while left > 0 && stream.room() > 0 {
                let piece = Bytes::from_static(&ZEROS[..left.min(ZEROS.len())]);
                left -= stream.write(piece).expect("there is room");
            }
            self.turn();
        }
        let end = self.read_answer(id, answer.len());
        assert!(end.ends_with(answer), "the whole body was taken");
    }

    /// Ends the connection, and leaves it when neither end remembers it. The client finishes first, so it is the
    /// client who keeps it in TIME-WAIT.
    pub(crate) fn close(&mut self, id: ConnId) {
        self.client.stream(id).shutdown();
        self.turn_until(|road| (road.client.stream(id).read() == Err(ReadError::Finished)).then_some(()));
        self.client.stream(id).release();
        self.turn_until(|road| {
            (road.shard.is_quiet() && road.client.population() == (0, 0, 1)).then_some(())
        });
    }

    /// Frames that the house took from the wire, and frames that it put there, so far.
    pub(crate) fn frames(&self) -> (u64, u64) {
        let counters = self.shard.stack().counters();
        (counters.frames_received, counters.frames_sent)
    }

    /// Reads an answer whose body has `len` bytes, and gives back the last piece of it.
    fn read_answer(&mut self, id: ConnId, len: usize) -> Bytes {
        let (mut got, mut wanted) = (0, usize::MAX);
        let mut last = Bytes::new();
        while got < wanted {
            let bytes = self.turn_until(|road| road.client.stream(id).read().ok());
            if wanted == usize::MAX {
                let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head in one piece");
                wanted = end + 4 + len;
            }
            got += bytes.len();
            last = bytes;
        }
        assert_eq!(got, wanted, "an answer and nothing more");
        last
    }

    fn turn_until<T>(&mut self, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        for _ in 0..PATIENCE {
            if let Some(result) = done(self) {
                return result;
            }
            self.turn();
        }
        panic!("nothing happens any more");
    }

    fn turn(&mut self) {
        // A microsecond a turn, so that timers do not stand in the way.
        self.now += Duration::from_micros(1);
        while let Received::Frame(len) = self.wire.recv(self.now, &mut self.buffer) {
            self.client.handle_frame(self.now, &self.buffer[..len]);
            // At once, and not when all frames are in: the house shall get the ACKs that a peer sends, one for every
            // second segment, not one for a hundred.
            self.client_sends();
        }
        self.client.handle_timeout(self.now);
        self.client_sends();
        house_turns(&mut self.shard, self.now);
    }

    fn client_sends(&mut self) {
        while self.client.poll_transmit(self.now, &mut self.frame) {
            assert!(matches!(self.wire.send(self.now, &self.frame), Sent::Done), "the wire has room");
        }
    }
}

fn host(last: u8) -> stack::Config {
    stack::Config {
        link: WIRE,
        mac: Mac([2, 0, 0, 0, 0, last]),
        subnet: format!("192.0.2.{last}/24").parse().expect("an address"),
        gateway: None,
        probe: ProbeMode::Off,
        max_connections: 10,
        memory: taphouse::limits::TCP_MEMORY,
    }
}

/// All that the house does.
#[inline(never)]
fn house_turns(shard: &mut Shard<HouseEnd>, now: Instant) {
    shard.turn(Now { mono: now, wall: 0 });
}

/// The end of the wire that the house has.
struct HouseEnd(Memory);

impl Link for HouseEnd {
    fn properties(&self) -> Properties {
        self.0.properties()
    }

    fn recv(&mut self, now: Instant, buffer: &mut [u8]) -> Received {
        wire_receives(&mut self.0, now, buffer)
    }

    fn send(&mut self, now: Instant, frame: &Frame) -> Sent {
        wire_sends(&mut self.0, now, frame)
    }
}

#[inline(never)]
fn wire_receives(wire: &mut Memory, now: Instant, buffer: &mut [u8]) -> Received {
    wire.recv(now, buffer)
}

#[inline(never)]
fn wire_sends(wire: &mut Memory, now: Instant, frame: &Frame) -> Sent {
    wire.send(now, frame)
}
