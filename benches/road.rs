//! The road without a device: a house and a client in one thread, frames passed in memory, time standing still.
//!
//! `cargo bench` prints nanoseconds a request and gigabytes a second for both ends together; no wall between them
//! but the wire. Compare only runs on the same machine in the same minutes.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration as Wall;

use bytes::Bytes;
use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::http::Limits;
use taphouse::link::memory::{self, Memory};
use taphouse::link::{Link, Received, Sent};
use taphouse::rand::Seed;
use taphouse::shard::runner::Start;
use taphouse::shard::{Config, Shard};
use taphouse::stack::{self, ConnId, ListenConfig, Stack};
use taphouse::tcp;
use taphouse::time::{Duration, Instant, Now};
use taphouse::wire::ethernet::Mac;

const WIRE: Properties = Properties { medium: Medium::Ethernet { fcs: false }, mtu: 1500 };

struct Road {
    shard: Shard<Memory>,
    client: Stack,
    wire: Memory,
    now: Instant,
    frame: Frame,
}

fn host(last: u8) -> stack::Config {
    stack::Config {
        link: WIRE,
        mac: Mac([2, 0, 0, 0, 0, last]),
        subnet: format!("192.0.2.{last}/24").parse().expect("an address"),
        gateway: None,
        probe: ProbeMode::Off,
        max_connections: 10,
    }
}

impl Road {
    fn new() -> Self {
        let (near, wire) = memory::pair(WIRE);
        let config =
            Config { stack: host(2), port: 80, listen: ListenConfig::default(), http: Limits::default() };
        let now = Instant::ZERO;
        Self {
            shard: Shard::new(near, config, &Seed::from_u64(1), now),
            client: Stack::new(host(1), &Seed::from_u64(2), now),
            wire,
            now,
            frame: Frame::default(),
        }
    }

    fn turn(&mut self) {
        // A microsecond a turn, so that timers do not stand in the way.
        self.now += Duration::from_micros(1);
        let mut buffer = [0; 2048];
        while let Received::Frame(len) = self.wire.recv(self.now, &mut buffer) {
            self.client.handle_frame(self.now, &buffer[..len]);
        }
        self.client.handle_timeout(self.now);
        while self.client.poll_transmit(self.now, &mut self.frame) {
            assert!(matches!(self.wire.send(self.now, &self.frame), Sent::Done), "the wire has room");
        }
        self.shard.turn(Now { mono: self.now, wall: 0 });
    }

    fn connect(&mut self) -> ConnId {
        let server = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 80);
        let id = self.client.connect(server, tcp::Config::default()).expect("nothing is open yet");
        (0..20).for_each(|_| self.turn());
        id
    }

    /// Asks, and reads the answer to the end of its body, which has `len` bytes.
    fn ask(&mut self, id: ConnId, request: &'static [u8], len: usize) {
        self.client.stream(id).write(Bytes::from_static(request)).expect("there is room");
        let (mut got, mut wanted) = (0, usize::MAX);
        while got < wanted {
            self.turn();
            while let Ok(bytes) = self.client.stream(id).read() {
                if wanted == usize::MAX {
                    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head in one piece");
                    wanted = end + 4 + len;
                }
                got += bytes.len();
            }
        }
        assert_eq!(got, wanted, "an answer and nothing more");
    }
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn time(f: impl FnOnce()) -> Wall {
    let start = Start::now();
    f();
    Wall::from_nanos(start.read().mono.as_nanos())
}

fn main() {
    const REQUESTS: usize = 100_000;
    const BODY: usize = 256 << 20;
    let mut small = Vec::new();
    let mut bulk = Vec::new();
    for _ in 0..7 {
        let mut road = Road::new();
        let id = road.connect();
        let hello = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
        let took = time(|| (0..REQUESTS).for_each(|_| road.ask(id, hello, 13)));
        small.push(took.as_nanos() as f64 / REQUESTS as f64);
        let took = time(|| road.ask(id, b"GET /bytes/268435456 HTTP/1.1\r\nHost: x\r\n\r\n", BODY));
        bulk.push(BODY as f64 / took.as_nanos() as f64);
    }
    println!("small requests: {:.0} ns each, client included (median of 7)", median(small));
    println!("bulk download:  {:.2} GB/s, client included (median of 7)", median(bulk));
}
