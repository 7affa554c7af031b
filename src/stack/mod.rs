//! The stack: frames in, frames out, connections between them.
//!
//! ```text
//! handle_frame --> ingress --> icmp | segments --> Connection --> Event
//! poll_transmit <-- egress <-- replies | dirty connections
//! ```
//!
//! It has no I/O, clock or thread. Whoever drives it hands in frames and the time, asks for frames until there
//! are none, and comes back at `poll_timeout` at the latest. Connections are found by hash, timers by a wheel:
//! nothing here looks at all connections.

mod budget;
mod connections;
mod egress;
mod event;
mod icmp;
mod ingress;
mod segments;
mod stream;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use slab::Slab;

pub use budget::Memory;
pub use connections::ConnId;
pub use event::{Event, Trouble};
pub use stream::Stream;

use crate::arp::{Claim, Neighbours, ProbeMode};
use crate::drops::{Drop, DropCounters};
use crate::fault::{self, Fault};
use crate::frame::{Frame, Medium, Properties};
use crate::ip::limiter::{Limiter, Lottery};
use crate::ip::reassembly::Reassembly;
use crate::ip::subnet::Subnet;
use crate::limits;
use crate::rand::{KeyedHash, Purpose, Rng, Seed};
use crate::tcp::handshake::HalfOpen;
use crate::tcp::pressure::Pressure;
use crate::tcp::time_wait::TimeWaits;
use crate::tcp::{self, Flow};
use crate::time::Instant;
use crate::wheel::Wheel;
use crate::wire::ethernet::Mac;
use connections::Connections;
use egress::{Parked, Reply};

/// What a stack is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the link carries.
    pub link: Properties,
    /// Our hardware address.
    pub mac: Mac,
    /// Our address and subnet.
    pub subnet: Subnet,
    /// Who forwards to addresses off the subnet.
    pub gateway: Option<Ipv4Addr>,
    /// How carefully to claim the address.
    pub probe: ProbeMode,
    /// Connections at once.
    pub max_connections: usize,
    /// Bytes that the buffers of all connections may take up together, 256 KiB at least, beyond what is set apart for
    /// each ([`limits::CONNECTION_RESERVE`]).
    pub memory: usize,
}

/// How a port listens.
#[derive(Clone, Copy, Debug)]
pub struct ListenConfig {
    /// How its connections behave.
    pub tcp: tcp::Config,
    /// Half-open connections at once.
    pub backlog: usize,
    /// Connections that are established and of which the user has not heard yet.
    pub accept_queue: usize,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self { tcp: tcp::Config::default(), backlog: limits::BACKLOG, accept_queue: limits::ACCEPT_QUEUE }
    }
}

/// Why a connection cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Not an address of another host.
    BadAddress,
    /// The table of connections is full.
    TooMany,
    /// The memory of all connections is used up.
    NoMemory,
    /// No ephemeral port is free for this peer.
    NoPort,
    /// The local port is in use for this peer.
    InUse,
}

/// What happened so far, drops aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames handed in.
    pub frames_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Frames given out.
    pub frames_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// Connections that came to us and were established.
    pub accepted: u64,
    /// Connections that we opened.
    pub opened: u64,
    /// Connections that ended other than by both sides finishing.
    pub failed: u64,
    /// Segments sent more than once.
    pub resent: u64,
    /// RSTs sent.
    pub resets_sent: u64,
    /// ACKs sent in answer to what RFC 5961 challenges.
    pub challenges_sent: u64,
    /// SYN-ACKs sent with a cookie in place of an entry.
    pub cookies_sent: u64,
    /// Connections that a cookie brought about.
    pub cookies_accepted: u64,
    /// Bytes of out-of-order data that were thrown away because memory was short.
    pub pruned: u64,
    /// What the mechanisms of all connections did.
    pub mechanisms: tcp::info::MechanismTotals,
    /// Echo requests answered.
    pub echoes: u64,
    /// ICMP errors sent.
    pub icmp_errors_sent: u64,
}

#[derive(Clone, Copy, Debug)]
enum TimerKey {
    Connection(u32),
    HalfOpen(u32),
}

/// Where a flow's state is kept.
#[derive(Clone, Copy, Debug)]
enum Place {
    Connection(u32),
    HalfOpen(u32),
    TimeWait(u32),
}

#[derive(Debug)]
struct Listener {
    tcp: Arc<tcp::Config>,
    backlog: usize,
    accept_queue: usize,
    half_open: usize,
    /// Connections in the queue of events.
    waiting: usize,
}

struct Limiters {
    echo: Limiter,
    fragmented: Limiter,
    icmp_error: Limiter,
    reset: Limiter,
    challenge: Lottery,
    /// ACKs for flows without a connection.
    stray: Lottery,
}

/// A host on one link with one address.
pub struct Stack {
    config: Config,
    /// The time that was last handed in.
    now: Instant,
    claim: Claim,
    neighbours: Neighbours<Parked>,
    reassembly: Reassembly,
    limiters: Limiters,
    /// The next identification of a datagram that is fragmented.
    next_id: u16,
    flows: HashMap<Flow, Place, KeyedHash>,
    connections: Connections,
    half_open: Slab<HalfOpen>,
    time_waits: TimeWaits,
    listeners: HashMap<u16, Listener>,
    wheel: Wheel<TimerKey>,
    /// Something must leave before the next frame is handed in.
    is_urgent: bool,
    events: VecDeque<Event>,
    replies: VecDeque<Reply>,
    /// Frames whose neighbour has become known.
    ready: VecDeque<Frame>,
    isn_secret: KeyedHash,
    cookie_key: KeyedHash,
    /// Until when an ACK may bring a cookie back.
    cookies_until: Instant,
    jitter: Rng,
    counters: Counters,
    drops: DropCounters,
}

impl Stack {
    /// A stack that begins to claim its address now.
    pub fn new(config: Config, seed: &Seed, now: Instant) -> Self {
        let mut secrets = seed.stream(Purpose::Secrets);
        let mut jitter = seed.stream(Purpose::Jitter);
        Self {
            now,
            claim: Claim::new(now, config.mac, config.subnet.address, config.probe, &mut jitter),
            neighbours: Neighbours::new(secrets.key()),
            reassembly: Reassembly::new(secrets.key()),
            limiters: Limiters {
                echo: Limiter::new(limits::ECHO_RATE),
                fragmented: Limiter::new(limits::FRAGMENTED_RATE),
                icmp_error: Limiter::new(limits::ICMP_ERROR_RATE),
                reset: Limiter::new(limits::RESET_RATE),
                challenge: Lottery::new(limits::CHALLENGES),
                stray: Lottery::new(limits::CHALLENGES),
            },
            next_id: jitter.u32() as u16,
            flows: HashMap::with_hasher(secrets.key()),
            connections: Connections::new(config.memory),
            half_open: Slab::new(),
            time_waits: TimeWaits::default(),
            listeners: HashMap::new(),
            wheel: Wheel::default(),
            is_urgent: false,
            events: VecDeque::new(),
            replies: VecDeque::new(),
            ready: VecDeque::new(),
            isn_secret: secrets.key(),
            cookie_key: secrets.key(),
            cookies_until: Instant::ZERO,
            jitter,
            counters: Counters::default(),
            drops: DropCounters::default(),
            config,
        }
    }

    /// Listens on a port; listening again changes how, but not for those that are half open (RFC 9293 MUST-41).
    pub fn listen(&mut self, port: u16, config: ListenConfig) {
        let ListenConfig { tcp, backlog, accept_queue } = config;
        let tcp = Arc::new(self.connections.budget.limited(tcp));
        let counts = self.listeners.get(&port).map(|l| (l.half_open, l.waiting));
        let (half_open, waiting) = counts.unwrap_or_else(|| self.count_waiting(port));
        self.listeners.insert(port, Listener { tcp, backlog, accept_queue, half_open, waiting });
    }

    /// Half-open connections to a port, and those of which its user has not heard yet, that it left behind when it
    /// listened before.
    fn count_waiting(&self, port: u16) -> (usize, usize) {
        let half_open = self.half_open.iter().filter(|(_, half_open)| half_open.flow.local_port == port);
        let is_waiting =
            |event: &&Event| matches!(event, Event::Accepted { port: other, .. } if *other == port);
        (half_open.count(), self.events.iter().filter(is_waiting).count())
    }

    /// Takes no more connections on a port. Those that are half open are forgotten when they are acknowledged.
    pub fn unlisten(&mut self, port: u16) {
        self.listeners.remove(&port);
    }

    /// Opens a connection. [`Event::Connected`] or [`Event::Closed`] tells how it went.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(&mut self, remote: SocketAddrV4, config: tcp::Config) -> Result<ConnId, ConnectError> {
        // RFC 6056 3.3.1: a random start in the dynamic range, then the next that is free.
        const FIRST: u16 = 49_152;
        const COUNT: u16 = u16::MAX - FIRST + 1;
        let offset = self.jitter.below(u64::from(COUNT)) as u16;
        let port = (0..COUNT).map(|n| FIRST + (offset + n) % COUNT).find(|&local_port| {
            let flow = Flow { remote_ip: *remote.ip(), remote_port: remote.port(), local_port };
            !self.flows.contains_key(&flow)
        });
        self.connect_from(port.ok_or(ConnectError::NoPort)?, remote, config)
    }

    /// Opens a connection from a port of one's choice.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect_from(
        &mut self,
        local_port: u16,
        remote: SocketAddrV4,
        config: tcp::Config,
    ) -> Result<ConnId, ConnectError> {
        let flow = Flow { remote_ip: *remote.ip(), remote_port: remote.port(), local_port };
        let subnet = self.config.subnet;
        if crate::ip::subnet::check_host(subnet, flow.remote_ip).is_err()
            || flow.remote_ip == subnet.address
            || flow.remote_port == 0
            || local_port == 0
        {
            return Err(ConnectError::BadAddress);
        }
        if self.connections.len() >= self.config.max_connections {
            return Err(ConnectError::TooMany);
        }
        if self.connections.budget.pressure() == Pressure::Full {
            return Err(ConnectError::NoMemory);
        }
        if self.flows.contains_key(&flow) {
            return Err(ConnectError::InUse);
        }
        let config = self.connections.budget.limited(config);
        let numbers = tcp::isn::numbers(self.now, flow, &self.isn_secret);
        let connection = tcp::Connection::connect(self.now, flow, numbers, self.config.link.mtu, config);
        let id = self.insert_connection(connection);
        self.counters.opened += 1;
        Ok(id)
    }

    /// A view of a connection, for its user's verbs. An id lives until it is released or aborted.
    pub fn stream(&mut self, id: ConnId) -> Stream<'_> {
        Stream::new(self, id)
    }

    /// What the users should know, in the order in which it happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Accepted { port, .. } = event
            && let Some(listener) = self.listeners.get_mut(&port)
        {
            listener.waiting = listener.waiting.saturating_sub(1);
        }
        Some(event)
    }

    /// There is something to tell.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Something must leave before the next frame is handed in: a duplicate ACK, which the peer counts. All else may
    /// wait until the frames that have arrived are handed in, and one ACK then covers many.
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if fault::is(Fault::BusyLoop) {
            return Some(self.now);
        }
        // On bare IP there is no address to claim.
        let claim = self.claim.poll_timeout().filter(|_| self.config.link.medium != Medium::Ip);
        [
            claim,
            self.neighbours.poll_timeout(),
            self.reassembly.poll_timeout(),
            self.time_waits.poll_timeout(),
            self.wheel.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.neighbours.handle_timeout(now);
        while let Some((_, parked)) = self.neighbours.poll_failed() {
            parked.into_iter().for_each(|packet| self.handle_unresolved(packet));
        }
        while let Some(timed_out) = self.reassembly.poll_timed_out(now) {
            self.handle_reassembly_timeout(timed_out);
        }
        while let Some(flow) = self.time_waits.poll_expired(now) {
            self.flows.remove(&flow);
        }
        while let Some(key) = self.wheel.poll(now) {
            match key {
                TimerKey::Connection(index) => {
                    self.connections.at(index).handle_timeout(now);
                    self.touch(index);
                }
                TimerKey::HalfOpen(index) => self.handle_half_open_timeout(index),
            }
        }
    }

    /// The address may be used: the claim to it is made.
    pub fn is_ready(&self) -> bool {
        self.config.link.medium == Medium::Ip || self.claim.is_held()
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What went no further so far.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// What it was told at its start.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Connections, half-open ones, and those in TIME-WAIT.
    pub fn population(&self) -> (usize, usize, usize) {
        (self.connections.len(), self.half_open.len(), self.time_waits.len())
    }

    /// The memory of all connections.
    pub fn memory(&self) -> Memory {
        self.connections.budget.memory()
    }

    /// Connections at rest, which take up little.
    pub fn dormant(&self) -> usize {
        self.connections.dormant()
    }

    /// Up to `count` connections whose places in the table are `from` or later, and where to go on. Looks at as many
    /// places as it must: for rare reports.
    pub fn infos(&self, from: usize, count: usize) -> Vec<(ConnId, tcp::info::ConnectionInfo)> {
        self.connections.infos(from, self.now).take(count).collect()
    }

    /// What there is to tell of a connection, if it still is there.
    pub fn info(&self, id: ConnId) -> Option<tcp::info::ConnectionInfo> {
        let found = self.connections.infos(id.index(), self.now).next();
        found.filter(|(other, _)| *other == id).map(|(_, info)| info)
    }

    /// What is known of the neighbours.
    pub fn neighbours(&self) -> impl Iterator<Item = crate::arp::Entry> + '_ {
        self.neighbours.iter()
    }

    /// Bytes of memory that the buffers of all connections take up. Looks at each of them: for tests and rare reports.
    pub fn buffer_memory(&self) -> usize {
        self.connections.awake().map(tcp::Connection::memory).sum()
    }

    fn count(&mut self, drop: Drop) {
        self.drops.count(drop);
    }
}
