//! The host that is drilled: the stack, a virtual clock, the packets it sent, and the descriptors.
//!
//! Time passes only when packetdrill asks for it; timers fire in their order on the way, each at its own time.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;
use std::os::fd::RawFd;

use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::ip::subnet::Subnet;
use taphouse::rand::Seed;
use taphouse::stack::{Config, ConnId, Event, Stack};
use taphouse::tcp::State;
use taphouse::time::{Duration, Instant};
use taphouse::wire::ethernet::Mac;

use crate::settings::Settings;
use crate::socket::{Connection, Kind, Outcome, Phase, Socket};

/// A packet on its way out, and when it left.
pub(crate) type Sent = (Vec<u8>, Instant);

/// The host.
pub(crate) struct Host {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) settings: Settings,
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) sockets: BTreeMap<RawFd, Socket>,
    /// What the ICMP error that is being handed in says, as an `errno`.
    complaint: Option<i32>,
    frame: Frame,
}

/// Where the virtual clock begins: not at zero, which scripts and programs take for "never".
const START: Instant = Instant::from_nanos(1_000_000_000_000);

impl Host {
    pub(crate) fn new(settings: &Settings) -> Self {
        let config = Config {
            link: Properties { medium: Medium::Ip, mtu: settings.mtu },
            mac: Mac::local(1),
            subnet: Subnet { address: settings.local, prefix: 24 },
            gateway: None,
            probe: ProbeMode::Quick,
            max_connections: 1000,
            memory: taphouse::limits::TCP_MEMORY,
        };
        Self {
            stack: Stack::new(config, &Seed::from_u64(1), START),
            now: START,
            settings: settings.clone(),
            sent: VecDeque::new(),
            sockets: BTreeMap::new(),
            complaint: None,
            frame: Frame::default(),
        }
    }

    /// A packet of the script arrives.
    pub(crate) fn handle_packet(&mut self, packet: &[u8]) {
        self.complaint = complaint(packet);
        self.stack.handle_frame(self.now, packet);
        self.turn();
        self.complaint = None;
    }

    /// When something happens by itself.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let held = self.sockets.values().filter_map(|socket| match &socket.kind {
            Kind::Connection(connection) => connection.held_until,
            _ => None,
        });
        held.chain(self.stack.poll_timeout()).min().map(|at| at.max(self.now))
    }

    /// Tells the stack what time it is.
    pub(crate) fn catch_up(&mut self) {
        self.stack.handle_timeout(self.now);
    }

    /// Fires what is due at `at`.
    pub(crate) fn handle_timeout(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.stack.handle_timeout(self.now);
        let now = self.now;
        for socket in self.sockets.values_mut() {
            if let Kind::Connection(connection) = &mut socket.kind
                && connection.held_until.is_some_and(|until| until <= now)
            {
                connection.flush(&mut self.stack);
            }
        }
        self.turn();
    }

    /// Lets the stack say all that it has to say.
    pub(crate) fn turn(&mut self) {
        loop {
            while let Some(event) = self.stack.poll_event() {
                self.handle_event(event);
            }
            if !self.stack.poll_transmit(self.now, &mut self.frame) {
                break;
            }
            self.sent.push_back((self.frame.to_vec(), self.now));
        }
        while let Some(event) = self.stack.poll_event() {
            self.handle_event(event);
        }
        self.observe();
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Accepted { port, id } => self.handle_accepted(port, id),
            Event::Connected(id) => {
                if let Some(connection) = self.connection_of(id) {
                    connection.phase = Phase::Connected;
                    connection.edges.writable += 1;
                }
            }
            Event::Trouble(id) => {
                let complaint = self.complaint;
                if let Some(connection) = self.connection_of(id) {
                    connection.soft_error = complaint.or(Some(libc::EHOSTUNREACH));
                }
            }
            Event::Closed(id, cause) => {
                let complaint = self.complaint;
                if let Some(connection) = self.connection_of(id) {
                    connection.handle_end(cause, complaint);
                }
            }
            // What has come, and what there is room for, is looked at after the turn.
            Event::Readable(_) | Event::Writable(_) | Event::Urgent(_) | Event::Alarm(_) | Event::Host(_) => {
            }
        }
    }

    fn handle_accepted(&mut self, to: u16, id: ConnId) {
        let remote = self.stack.stream(id).remote();
        let waiting = self.sockets.values_mut().find_map(|socket| match &mut socket.kind {
            Kind::Listener { port, waiting } if *port == to => Some(waiting),
            _ => None,
        });
        match waiting {
            Some(waiting) => {
                waiting.push_back(Connection::new(id, remote, Phase::Known, State::Established));
            }
            None => self.stack.stream(id).abort(),
        }
    }

    /// Looks at what the turn has changed.
    fn observe(&mut self) {
        for socket in self.sockets.values_mut() {
            let options = socket.options;
            for connection in socket.connections_mut() {
                connection.observe(&mut self.stack, &options);
            }
        }
    }

    // --- descriptors -----------------------------------------------------------------------------------

    /// A socket by its descriptor.
    pub(crate) fn socket(&mut self, fd: RawFd) -> Outcome<&mut Socket> {
        self.sockets.get_mut(&fd).ok_or(libc::EBADF)
    }

    /// A connection by its descriptor, with what is needed to use it; `otherwise` if it is none.
    pub(crate) fn connection(
        &mut self,
        fd: RawFd,
        otherwise: i32,
    ) -> Outcome<(&mut Connection, &mut Stack, Mode)> {
        let now = self.now;
        let socket = self.sockets.get_mut(&fd).ok_or(libc::EBADF)?;
        let mode = Mode { is_nonblocking: socket.is_nonblocking, options: socket.options, now };
        match &mut socket.kind {
            Kind::Connection(connection) => Ok((connection, &mut self.stack, mode)),
            Kind::Epoll(_) => Err(libc::ENOTSOCK),
            Kind::Idle | Kind::Listener { .. } => Err(otherwise),
        }
    }

    fn connection_of(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.sockets.values_mut().flat_map(Socket::connections_mut).find(|connection| connection.id == id)
    }

    /// A local port that no socket is bound to.
    pub(crate) fn free_port(&self) -> u16 {
        let is_taken = |port: u16| self.sockets.values().any(|s| s.bound.is_some_and(|a| a.port() == port));
        (40_000..u16::MAX).find(|port| !is_taken(*port)).expect("fewer sockets than ports")
    }

    /// Somebody listens on this port.
    pub(crate) fn is_listening(&self, to: u16) -> bool {
        self.sockets.values().any(|s| matches!(s.kind, Kind::Listener { port, .. } if port == to))
    }

    /// The address of ours with a port of the caller's.
    pub(crate) fn local(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.settings.local, port)
    }

    /// The time as `gettimeofday` tells it.
    pub(crate) fn micros(at: Instant) -> u64 {
        at.as_nanos() / 1000
    }

    /// `micros` from now.
    pub(crate) fn after(&self, micros: u64) -> Instant {
        self.now + Duration::from_micros(micros)
    }
}

/// How a descriptor is used.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) is_nonblocking: bool,
    pub(crate) options: crate::options::Options,
    pub(crate) now: Instant,
}

/// The `errno` of an ICMP error, as RFC 1122 4.2.3.9 sorts them and Linux names them.
fn complaint(packet: &[u8]) -> Option<i32> {
    const ICMP: u8 = 1;
    let header_len = usize::from(packet.first()? & 15) * 4;
    let message = packet.get(header_len..).filter(|_| packet.get(9) == Some(&ICMP))?;
    match (*message.first()?, *message.get(1)?) {
        (3, 0 | 6 | 9 | 11) => Some(libc::ENETUNREACH),
        (3, 2) => Some(libc::ENOPROTOOPT),
        (3, 3) => Some(libc::ECONNREFUSED),
        (3, 4) => Some(libc::EMSGSIZE),
        (3, 5) => Some(libc::EOPNOTSUPP),
        (3, 7) => Some(libc::EHOSTDOWN),
        (3, 8) => Some(libc::ENONET),
        (3 | 11, _) => Some(libc::EHOSTUNREACH),
        (12, _) => Some(libc::EPROTO),
        _ => None,
    }
}
