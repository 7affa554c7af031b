//! A house with routes of the test's own on one end of a wire, and its clients on the other, in virtual time.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::http::{Limits, Router};
use taphouse::limits;
use taphouse::link::impair::{Impair, spec};
use taphouse::link::memory::{self, Memory};
use taphouse::link::{Link, Received, Sent};
use taphouse::quota::Quota;
use taphouse::rand::Seed;
use taphouse::serve::{Letter, Work};
use taphouse::shard::{Config, Shard};
use taphouse::stack::{self, ConnId, ListenConfig, Stack};
use taphouse::tcp::{self, ReadError};
use taphouse::time::{Duration, Instant, Now};
use taphouse::wire::ethernet::Mac;
use taphouse::ws::{self, Closed, Codecs, Connection, Event, Message, Role, Scope};

const WIRE: Properties = Properties { medium: Medium::Ethernet { fcs: true }, mtu: 1500 };
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

pub(crate) struct World {
    pub(crate) shard: Shard<Impair<Memory>>,
    client: Stack,
    wire: Memory,
    pub(crate) now: Instant,
    /// What the wall clock showed when the world began, in seconds since 1970.
    pub(crate) began: u64,
    /// Jobs that nobody has done yet; by itself the world does them at once.
    pub(crate) undone: Vec<Work>,
    pub(crate) is_lazy: bool,
    /// Nothing reaches the clients any more, and nothing comes from them.
    pub(crate) is_cut: bool,
    /// What else is done in each turn, by itself.
    pub(crate) chore: Box<dyn FnMut()>,
}

fn host(address: Ipv4Addr, mac: u8) -> stack::Config {
    stack::Config {
        link: WIRE,
        mac: Mac([2, 0, 0, 0, 0, mac]),
        subnet: format!("{address}/24").parse().unwrap(),
        gateway: None,
        probe: ProbeMode::Off,
        max_connections: 5000,
        memory: taphouse::limits::TCP_MEMORY,
    }
}

impl World {
    pub(crate) fn new(router: Router, impairment: &str, seed: u64) -> Self {
        Self::with_memory(router, impairment, seed, limits::GATHERED_BYTES)
    }

    pub(crate) fn with_memory(router: Router, impairment: &str, seed: u64, memory: usize) -> Self {
        let seed = Seed::from_u64(seed);
        let (near, wire) = memory::pair(WIRE);
        let both: spec::Both = impairment.parse().unwrap();
        let link = Impair::new(near, both.incoming, both.outgoing, &seed);
        let config = Config {
            stack: host(SERVER, 2),
            port: 80,
            listen: ListenConfig::default(),
            http: Limits::default(),
            memory,
        };
        let shard = Shard::new(link, config, Box::new(router), &seed, Instant::ZERO);
        let client = Stack::new(host(Ipv4Addr::new(192, 0, 2, 1), 1), &Seed::from_u64(99), Instant::ZERO);
        Self {
            shard,
            client,
            wire,
            now: Instant::ZERO,
            began: 784_111_777,
            undone: Vec::new(),
            is_lazy: false,
            is_cut: false,
            chore: Box::new(|| ()),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: self.now, wall: self.began + self.now.since(Instant::ZERO).as_secs() }
    }

    fn turn(&mut self) {
        self.shard.turn(self.now());
        while let Some(work) = self.shard.poll_job() {
            self.undone.push(work);
        }
        if !self.is_lazy {
            self.work();
            (self.chore)();
        }
        let mut buffer = [0; 2048];
        while let Received::Frame(len) = self.wire.recv(self.now, &mut buffer) {
            if !self.is_cut {
                self.client.handle_frame(self.now, &buffer[..len]);
            }
        }
        if self.is_cut {
            return;
        }
        self.client.handle_timeout(self.now);
        while self.client.poll_event().is_some() {}
        let mut frame = Frame::default();
        while self.client.poll_transmit(self.now, &mut frame) {
            assert!(matches!(self.wire.send(self.now, &frame), Sent::Done));
        }
    }

    /// Does all jobs, as workers would.
    pub(crate) fn work(&mut self) {
        for Work { from, ticket, job } in self.undone.drain(..) {
            let done = Letter::Done(ticket, job.run());
            self.shard.post().send(from, done).unwrap();
        }
    }

    /// A millisecond at a time.
    pub(crate) fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.turn();
            self.now += Duration::from_millis(1);
        }
    }

    /// Begins to connect.
    pub(crate) fn dial(&mut self) -> ConnId {
        let config = tcp::Config { nagle: false, ..tcp::Config::default() };
        self.client.connect(SocketAddrV4::new(SERVER, 80), config).unwrap()
    }

    pub(crate) fn connect(&mut self) -> ConnId {
        let id = self.dial();
        self.pass(20);
        id
    }

    pub(crate) fn write(&mut self, id: ConnId, bytes: impl Into<Bytes>) -> usize {
        self.client.stream(id).write(bytes.into()).unwrap_or(0)
    }

    /// What has arrived, and whether the end has.
    pub(crate) fn read(&mut self, id: ConnId) -> (Vec<u8>, bool) {
        self.read_some(id, usize::MAX)
    }

    fn read_some(&mut self, id: ConnId, limit: usize) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        loop {
            if all.len() >= limit {
                return (all, false);
            }
            match self.client.stream(id).read() {
                Ok(bytes) => all.extend(bytes),
                Err(ReadError::Finished | ReadError::Closed(_)) => return (all, true),
                Err(ReadError::Blocked) => return (all, false),
            }
        }
    }

    pub(crate) fn abort(&mut self, id: ConnId) {
        self.client.stream(id).abort();
    }

    /// A whole exchange on a connection of its own.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        let id = self.connect();
        self.write(id, request.to_owned());
        self.pass(100);
        String::from_utf8(self.read(id).0).unwrap()
    }

    pub(crate) fn get(&mut self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
    }

    pub(crate) fn metric(&mut self, name: &str) -> u64 {
        let page = self.get("/metrics");
        let line = page.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// A WebSocket client.
pub(crate) struct Guest {
    id: ConnId,
    socket: Connection,
    codecs: Codecs,
    quota: Quota,
    unheard: Vec<u8>,
    unsent: Vec<u8>,
    pub(crate) heard: Vec<String>,
    pub(crate) closed: Option<Closed>,
    pub(crate) is_finished: bool,
}

impl Guest {
    /// Opens a WebSocket; the guest has a chance to hear before it looks.
    pub(crate) fn sit(world: &mut World, path: &str) -> Self {
        Self::sit_within(world, path, 20)
    }

    /// Over a wire that loses what it likes.
    pub(crate) fn sit_patiently(world: &mut World, path: &str) -> Self {
        Self::sit_within(world, path, 1_500)
    }

    fn sit_within(world: &mut World, path: &str, millis: u64) -> Self {
        let id = world.connect();
        world.pass(millis);
        world.write(id, Self::handshake(path, ""));
        world.pass(millis);
        let (answer, _) = world.read(id);
        Self::on(world, id, &answer).unwrap()
    }

    /// What asks for a WebSocket; `fields` are further lines of the head.
    pub(crate) fn handshake(path: &str, fields: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        )
    }

    /// The guest that this answer, which is whole, has let in. Or the answer.
    pub(crate) fn on(world: &World, id: ConnId, answer: &[u8]) -> Result<Self, String> {
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(String::from_utf8(answer.to_vec()).unwrap());
        }
        assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        assert!(!head.contains("Content-Length"), "{head}");
        let config = ws::Config { queue: 64 << 20, ..ws::Config::default() };
        let mut guest = Self {
            id,
            socket: Connection::new(world.now, Role::Client, config, None),
            codecs: Codecs::default(),
            quota: Quota::default(),
            unheard: Vec::new(),
            unsent: Vec::new(),
            heard: Vec::new(),
            closed: None,
            is_finished: false,
        };
        guest.take(world.now(), &answer[end..]);
        Ok(guest)
    }

    /// Where its connection is.
    pub(crate) fn id(&self) -> ConnId {
        self.id
    }

    pub(crate) fn say(&mut self, world: &mut World, text: &str) {
        let mut scope = Scope { now: world.now(), codecs: &mut self.codecs, quota: &self.quota };
        self.socket.send(&mut scope, &Message::text(text)).unwrap();
        self.flush(world);
    }

    /// Begins a message of which more is to come.
    pub(crate) fn begin(&mut self, world: &mut World, len: usize) {
        self.fragment(world, 0x02, len);
    }

    pub(crate) fn go_on(&mut self, world: &mut World, len: usize) {
        self.fragment(world, 0x00, len);
    }

    /// A frame with a mask of zeros.
    fn fragment(&mut self, world: &mut World, first: u8, len: usize) {
        self.unsent.push(first);
        match u16::try_from(len) {
            Ok(short) => self.unsent.extend([&[0xfe], &short.to_be_bytes()[..]].concat()),
            Err(_) => self.unsent.extend([&[0xff], &(len as u64).to_be_bytes()[..]].concat()),
        }
        self.unsent.extend([0; 4]);
        self.unsent.extend(vec![7; len]);
        self.flush(world);
    }

    pub(crate) fn close(&mut self, world: &mut World, code: u16) {
        self.socket.close(world.now, ws::Code(code), "bye");
        self.flush(world);
    }

    /// Takes what has arrived, and answers as a WebSocket must.
    pub(crate) fn listen(&mut self, world: &mut World) {
        self.listen_to(world, usize::MAX);
    }

    /// Takes about so many bytes of what has arrived.
    pub(crate) fn listen_to(&mut self, world: &mut World, limit: usize) {
        let (bytes, is_finished) = world.read_some(self.id, limit);
        self.is_finished |= is_finished;
        self.take(world.now(), &bytes);
        self.flush(world);
    }

    /// Hands in what there is as far as it is wanted: a connection has only so much work in a turn.
    fn take(&mut self, now: Now, bytes: &[u8]) {
        self.unheard.extend_from_slice(bytes);
        loop {
            let mut scope = Scope { now, codecs: &mut self.codecs, quota: &self.quota };
            while let Some(event) = self.socket.poll_event(&mut scope) {
                match event {
                    Event::Message(message) => self.heard.push(message.as_text().unwrap().to_owned()),
                    Event::Closed(closed) => self.closed = Some(closed),
                }
            }
            if self.unheard.is_empty() || !self.socket.wants_input() {
                break;
            }
            let piece = self.unheard.drain(..self.unheard.len().min(64 << 10)).collect::<Vec<_>>();
            self.socket.handle_input(now.mono, piece.into());
        }
    }

    fn flush(&mut self, world: &mut World) {
        let mut scope = Scope { now: world.now(), codecs: &mut self.codecs, quota: &self.quota };
        while let Some(bytes) = self.socket.poll_output(&mut scope) {
            self.unsent.extend_from_slice(&bytes);
        }
        let sent = world.write(self.id, self.unsent.clone());
        self.unsent.drain(..sent);
    }
}
