//! The whole house in virtual time: a shard with its HTTP server on one end of a wire, a client on the other, the
//! client's TCP being a stack of its own. Everything replays from a seed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use taphouse::app::{self, Choices};
use taphouse::arp::ProbeMode;
use taphouse::fault::{self, Fault};
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::http::Limits;
use taphouse::limits;
use taphouse::link::impair::{Impair, spec};
use taphouse::link::memory::{self, Memory};
use taphouse::link::{Link, Received, Sent};
use taphouse::rand::{Purpose, Seed};
use taphouse::shard::{Config, End, Shard, Turn};
use taphouse::stack::{self, ConnId, Event, ListenConfig, Stack};
use taphouse::tcp::{self, Cause, ReadError};
use taphouse::time::{Duration, Instant, Now};
use taphouse::wire::ethernet::Mac;

const WIRE: Properties = Properties { medium: Medium::Ethernet { fcs: true }, mtu: 1500 };
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

struct House {
    shard: Shard<Impair<Memory>>,
    client: Stack,
    wire: Memory,
    now: Instant,
    turns: u64,
    /// Every byte that the server sent, hashed in order.
    sent: u64,
    ended: Option<End>,
}

/// What one connection of the client has seen.
#[derive(Debug, Default)]
struct Seen {
    bytes: Vec<u8>,
    is_finished: bool,
    closed: Option<Cause>,
}

fn host(address: Ipv4Addr, mac: u8, probe: ProbeMode) -> stack::Config {
    stack::Config {
        link: WIRE,
        mac: Mac([2, 0, 0, 0, 0, mac]),
        subnet: format!("{address}/24").parse().unwrap(),
        gateway: None,
        probe,
        max_connections: 1000,
        memory: taphouse::limits::TCP_MEMORY,
    }
}

impl House {
    fn new(impairment: &str, seed: u64) -> Self {
        let seed = Seed::from_u64(seed);
        let (near, wire) = memory::pair(WIRE);
        let both: spec::Both = impairment.parse().unwrap();
        let link = Impair::new(near, both.incoming, both.outgoing, &seed);
        let config = Config {
            stack: host(SERVER, 2, ProbeMode::Quick),
            port: 80,
            listen: ListenConfig::default(),
            // A bad wire may be silent for longer than a server waits for a body: its losses come in runs.
            http: match impairment {
                "" => Limits::default(),
                _ => Limits { head: SECONDS(100), body_idle: SECONDS(100), ..Limits::default() },
            },
            memory: limits::GATHERED_BYTES,
        };
        let shard = Shard::new(link, config, Box::new(app::routes(Choices::default())), &seed, Instant::ZERO);
        let client = Stack::new(host(CLIENT, 1, ProbeMode::Off), &Seed::from_u64(99), Instant::ZERO);
        Self { shard, client, wire, now: Instant::ZERO, turns: 0, sent: 0, ended: None }
    }

    fn connect(&mut self) -> ConnId {
        self.client.connect(SocketAddrV4::new(SERVER, 80), tcp::Config::default()).unwrap()
    }

    /// One turn of both ends.
    fn turn(&mut self) {
        self.turns += 1;
        if let Turn::Ended(end) = self.shard.turn(Now { mono: self.now, wall: 784_111_777 }) {
            self.ended = Some(end);
        }
        let mut buffer = [0; 2048];
        while let Received::Frame(len) = self.wire.recv(self.now, &mut buffer) {
            for &byte in &buffer[..len] {
                self.sent = (self.sent ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            self.client.handle_frame(self.now, &buffer[..len]);
        }
        self.client.handle_timeout(self.now);
        let mut frame = Frame::default();
        while self.client.poll_transmit(self.now, &mut frame) {
            assert!(matches!(self.wire.send(self.now, &frame), Sent::Done));
        }
    }

    /// Turns until nothing is left to do before `until`; the client's events on the way.
    fn pass(&mut self, time: Duration) -> Vec<Event> {
        let until = self.now + time;
        let mut events = Vec::new();
        let limit = self.turns + 400_000;
        loop {
            assert!(self.turns < limit, "the house does not sleep");
            for _ in 0..3 {
                self.turn();
                events.extend(std::iter::from_fn(|| self.client.poll_event()));
            }
            let due = [self.shard.poll_timeout(), self.client.poll_timeout()].into_iter().flatten().min();
            match due.filter(|&at| at < until) {
                Some(at) => self.now = at.max(self.now + Duration::from_micros(1)),
                None => break,
            }
        }
        self.now = until;
        events
    }

    /// Sends a request, takes the answer to its end or until it pauses for `patience`.
    fn ask(&mut self, id: ConnId, request: &[u8], seen: &mut Seen, patience: Duration) {
        let mut left = Bytes::copy_from_slice(request);
        let mut quiet_since = self.now;
        while self.now.since(quiet_since) < patience && seen.closed.is_none() && !seen.is_finished {
            if !left.is_empty()
                && let Ok(taken) = self.client.stream(id).write(left.clone())
            {
                let _ = left.split_to(taken);
                quiet_since = self.now;
            }
            for event in self.pass(Duration::from_millis(5)) {
                if let Event::Closed(closed, cause) = event
                    && closed == id
                {
                    seen.closed = Some(cause);
                }
            }
            if self.read(id, seen) {
                quiet_since = self.now;
            }
        }
    }

    fn read(&mut self, id: ConnId, seen: &mut Seen) -> bool {
        let before = seen.bytes.len();
        loop {
            match self.client.stream(id).read() {
                Ok(bytes) => seen.bytes.extend(bytes),
                Err(ReadError::Finished) => {
                    seen.is_finished = true;
                    break;
                }
                Err(_) => break,
            }
        }
        seen.bytes.len() > before
    }

    fn get(&mut self, path: &str) -> String {
        let id = self.connect();
        let mut seen = Seen::default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        self.ask(id, request.as_bytes(), &mut seen, Duration::from_secs(100));
        assert!(seen.is_finished, "{seen:?}");
        self.client.stream(id).release();
        String::from_utf8_lossy(&seen.bytes).into_owned()
    }

    fn metric(&mut self, name: &str) -> u64 {
        let page = self.get("/metrics");
        let line = page.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

fn generated(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}

fn body(answer: &[u8]) -> &[u8] {
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    &answer[at + 4..]
}

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn a_page_comes_from_the_first_frame_to_the_last() {
    let mut house = House::new("", 1);
    let answer = house.get("/hello");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert!(answer.ends_with("Hello, world!"));
    house.pass(SECONDS(130));
    assert_eq!(house.shard.stack().population(), (0, 0, 0), "after TIME-WAIT nothing is left");
}

#[test]
fn bodies_arrive_whole_over_bad_wires() {
    let seeds =
        std::env::var("TAPHOUSE_SEEDS").ok().and_then(|n| n.parse::<u64>().ok()).map_or(100, |n| n / 20);
    for seed in 0..seeds {
        let run = || {
            let mut dice = Seed::from_u64(seed).stream(Purpose::Jitter);
            let spec = format!(
                "loss={}%,duplicate={}%,reorder={}%/8ms,corrupt={}%,truncate={}%,delay={}ms,jitter={}ms",
                dice.below(12),
                dice.below(5),
                dice.below(8),
                dice.below(4),
                dice.below(3),
                dice.below(30),
                dice.below(10)
            );
            let size = dice.below(60_000) as usize;
            let mut house = House::new(&spec, seed);
            let id = house.connect();
            let mut down = Seen::default();
            let request = format!("GET /bytes/{size} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            house.ask(id, request.as_bytes(), &mut down, SECONDS(120));
            assert!(down.is_finished, "{spec} {size}: {} bytes, {:?}", down.bytes.len(), down.closed);
            assert_eq!(body(&down.bytes), generated(size), "{spec}");

            let id = house.connect();
            let mut up = Seen::default();
            let head = format!(
                "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
            );
            let request = [head.as_bytes(), &generated(size)].concat();
            house.ask(id, &request, &mut up, SECONDS(120));
            assert!(up.is_finished, "{spec} {size}: {} bytes, {:?}", up.bytes.len(), up.closed);
            assert_eq!(body(&up.bytes), generated(size), "{spec}");
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("replay: seed {seed} of bodies_arrive_whole_over_bad_wires in tests/house.rs");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn a_run_replays_from_its_seed() {
    let run = |seed| {
        let mut house = House::new("loss=5%,reorder=5%,delay=10ms,jitter=5ms", seed);
        house.get("/bytes/50000");
        (house.sent, house.turns, house.now)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// The client sends a body that nobody wants, long after the answer was given.
fn an_answer_survives_a_client_that_keeps_sending() {
    let mut house = House::new("delay=5ms", 1);
    let id = house.connect();
    let mut seen = Seen::default();
    let head = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n";
    house.ask(id, &[&head[..], &generated(900_000)].concat(), &mut seen, SECONDS(2));
    assert!(String::from_utf8_lossy(&seen.bytes).starts_with("HTTP/1.1 404"), "{seen:?}");
    assert!(seen.is_finished && seen.closed.is_none(), "no RST came over the answer: {:?}", seen.closed);
}

#[test]
fn no_answer_is_lost_on_close() {
    an_answer_survives_a_client_that_keeps_sending();
}

/// Idle connections cost no turns, and are let go after their time.
fn an_idle_house_sleeps() {
    let mut house = House::new("", 1);
    let id = house.connect();
    let mut seen = Seen::default();
    house.ask(id, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &mut seen, SECONDS(1));
    assert_eq!(house.shard.sessions(), 1);
    let before = house.turns;
    house.pass(SECONDS(70));
    assert!(house.turns - before < 200, "{} turns in 70 idle seconds", house.turns - before);
    assert_eq!(house.shard.sessions(), 1);
    house.pass(SECONDS(5));
    house.read(id, &mut seen);
    assert!(seen.is_finished, "75 s are over");
    house.client.stream(id).release();
    house.pass(SECONDS(1));
    assert_eq!(house.shard.sessions(), 0);
}

#[test]
fn an_idle_connection_sleeps_until_its_time_is_over() {
    an_idle_house_sleeps();
}

#[test]
fn a_slow_head_is_refused_and_a_reader_that_takes_nothing_is_reset() {
    let mut house = House::new("", 1);
    let slow = house.connect();
    let mut seen = Seen::default();
    house.ask(slow, b"GET / HTTP/1.1\r\nX: ", &mut seen, SECONDS(20));
    assert!(String::from_utf8_lossy(&seen.bytes).starts_with("HTTP/1.1 408"), "{seen:?}");

    let lazy = house.connect();
    house.pass(Duration::from_millis(10));
    let request = Bytes::from_static(b"GET /bytes/68719476736 HTTP/1.1\r\nHost: x\r\n\r\n");
    house.client.stream(lazy).write(request).unwrap();
    let early = house.pass(SECONDS(29));
    assert!(!early.iter().any(|e| matches!(e, Event::Closed(id, _) if *id == lazy)));
    let late = house.pass(SECONDS(3));
    assert!(late.contains(&Event::Closed(lazy, Cause::Reset)), "{late:?}");
    assert_eq!(house.shard.stack().buffer_memory(), 0);
}

/// Who took everything is not stalled, however long ago that was.
#[test]
fn an_answer_after_a_long_pause_is_not_overdue() {
    let mut house = House::new("", 1);
    let id = house.connect();
    let mut seen = Seen::default();
    for _ in 0..3 {
        house.ask(id, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &mut seen, SECONDS(1));
        house.pass(SECONDS(70));
    }
    let answers = String::from_utf8_lossy(&seen.bytes).matches("Hello, world!").count();
    assert_eq!((answers, seen.closed), (3, None));
}

#[test]
fn a_silent_websocket_stays_as_long_as_it_answers_pings() {
    let mut house = House::new("", 1);
    let id = house.connect();
    let mut seen = Seen::default();
    let request = b"GET /ws/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    house.ask(id, request, &mut seen, SECONDS(1));
    assert!(seen.bytes.starts_with(b"HTTP/1.1 101 "), "{seen:?}");
    for _ in 0..5 {
        seen.bytes.clear();
        let events = house.pass(SECONDS(31));
        assert!(!events.iter().any(|event| matches!(event, Event::Closed(..))), "{events:?}");
        house.read(id, &mut seen);
        assert_eq!(seen.bytes, b"\x89\x00", "a ping after 30 s");
        house.ask(id, b"\x8a\x80\0\0\0\0", &mut seen, Duration::from_millis(10));
    }
    let events = house.pass(SECONDS(70));
    assert!(events.contains(&Event::Closed(id, Cause::Reset)), "{events:?}");
    assert_eq!(house.shard.sessions(), 0, "who does not answer is dropped");
}

#[test]
fn a_client_that_vanishes_is_forgotten() {
    let mut house = House::new("", 1);
    let id = house.connect();
    house.pass(Duration::from_millis(10));
    let request = Bytes::from_static(b"GET /bytes/68719476736 HTTP/1.1\r\nHost: x\r\n\r\n");
    house.client.stream(id).write(request).unwrap();
    house.pass(Duration::from_millis(2));
    let dark: spec::Both = "loss=100%".parse().unwrap();
    house.shard.link_mut().set(dark);
    house.pass(SECONDS(100));
    assert_eq!((house.shard.sessions(), house.shard.stack().population().0), (0, 0));
    assert_eq!(house.shard.stack().buffer_memory(), 0);
}

#[test]
fn a_request_after_a_long_pause_is_answered() {
    let mut house = House::new("", 1);
    house.pass(SECONDS(1));
    let id = house.connect();
    for pause in [1, 31, 60, 74] {
        let mut seen = Seen::default();
        house.ask(id, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &mut seen, Duration::from_millis(100));
        assert!(seen.bytes.ends_with(b"Hello, world!"), "{seen:?}");
        house.pass(SECONDS(pause));
    }
}

#[test]
fn a_stop_finishes_what_is_in_flight() {
    let mut house = House::new("delay=10ms", 1);
    let busy = house.connect();
    let idle = house.connect();
    let mut idle_seen = Seen::default();
    house.ask(idle, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &mut idle_seen, Duration::from_millis(500));
    house
        .client
        .stream(busy)
        .write(Bytes::from_static(b"GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\n\r\n"))
        .unwrap();
    house.pass(Duration::from_millis(40));
    house.shard.stop(Now { mono: house.now, wall: 0 });
    let mut seen = Seen::default();
    house.ask(busy, b"", &mut seen, SECONDS(3));
    assert_eq!(body(&seen.bytes), generated(3_000_000));
    house.read(idle, &mut idle_seen);
    assert!(idle_seen.is_finished, "an idle connection is let go at once");
    let late = house.connect();
    let events = house.pass(SECONDS(1));
    assert!(events.contains(&Event::Closed(late, Cause::Refused)), "{events:?}");
}

#[test]
fn a_handler_that_panics_costs_its_connection_alone() {
    let mut house = House::new("", 1);
    assert!(house.get("/hello").ends_with("Hello, world!"));
    fault::set(Some(Fault::HandlerPanics));
    let answer = house.get("/hello");
    fault::set(None);
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(house.get("/hello").ends_with("Hello, world!"));
    assert_eq!(house.metric("taphouse_handler_panics_total"), 1);
}

#[test]
fn an_address_that_is_taken_ends_the_shard() {
    let mut house = House::new("", 1);
    house.client = Stack::new(host(SERVER, 1, ProbeMode::Off), &Seed::from_u64(99), Instant::ZERO);
    house.pass(SECONDS(1));
    assert!(matches!(house.ended, Some(End::AddressTaken(mac)) if mac == Mac([2, 0, 0, 0, 0, 1])));
}

/// How many frames answer a flight of an upload that arrives all at once, without its first `lost` segments; and how
/// many segments arrived.
fn answers_to_a_flight(lost: usize) -> (usize, usize) {
    let mut house = House::new("", 7);
    house.pass(SECONDS(1));
    let id = house.connect();
    house.pass(SECONDS(1));
    let head = b"PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    house.client.stream(id).write(Bytes::from_static(head)).unwrap();
    house.pass(SECONDS(1));
    house.client.stream(id).write(Bytes::from(vec![7; 100_000])).unwrap();
    let (mut frame, mut flight) = (Frame::default(), 0);
    while house.client.poll_transmit(house.now, &mut frame) {
        flight += 1;
        if flight > lost {
            assert!(matches!(house.wire.send(house.now, &frame), Sent::Done));
        }
    }
    house.shard.turn(Now { mono: house.now, wall: 0 });
    let answers = std::iter::from_fn(|| house.wire.take()).count();
    (answers, flight - lost)
}

#[test]
fn one_ack_covers_what_has_arrived_and_duplicates_are_sent_one_by_one() {
    let (answers, arrived) = answers_to_a_flight(0);
    assert!(arrived >= 8 && answers <= 2, "{answers} to {arrived}");
    let (answers, arrived) = answers_to_a_flight(1);
    assert_eq!(answers, arrived, "a duplicate ACK for each");
}

#[test]
fn seeded_faults_are_noticed() {
    let noticed: [(Fault, fn()); 3] = [
        (Fault::NoLinger, an_answer_survives_a_client_that_keeps_sending),
        (Fault::BusyLoop, an_idle_house_sleeps),
        (Fault::DuplicateAcksJoined, one_ack_covers_what_has_arrived_and_duplicates_are_sent_one_by_one),
    ];
    for (fault, scenario) in noticed {
        fault::set(Some(fault));
        let result = catch_unwind(AssertUnwindSafe(scenario));
        fault::set(None);
        assert!(result.is_err(), "{fault:?} is not noticed");
    }
}
