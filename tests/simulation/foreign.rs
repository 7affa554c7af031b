//! smoltcp as the opposite host: an independent peer over the same impaired wires.

use std::collections::BTreeSet;

use bytes::Bytes;
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::socket::tcp::{RecvError, Socket as Tcp, SocketBuffer, State};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use taphouse::frame::{Frame, Medium};
use taphouse::link::impair::spec::Both;
use taphouse::link::impair::{Impair, Impairment};
use taphouse::link::memory::Memory;
use taphouse::link::{Link, Received, Sent};
use taphouse::tcp::Config;
use taphouse::time::{Duration, Instant};

use super::application::{Conversation, Fate, Read, Socket, Write};
use super::dice::Dice;
use super::ledger::Shared;
use super::plan::{ConnectionPlan, FIRST_PORT, LISTENERS, Opposite, Plan};
use super::station::{ADDRESSES, LONGEST, MACS, Station};
use super::wire::{self, ACK, Content, Damage, SYN};

const HOST: usize = 1;

/// smoltcp with its applications.
pub(crate) struct Foreign {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    connections: Vec<Connection>,
    listening: Vec<(SocketHandle, usize)>,
    ledger: Shared,
    plan: Plan,
    seed: u64,
}

struct Connection {
    handle: SocketHandle,
    /// `None` once the application has let it go.
    conversation: Option<Conversation>,
    wake: Option<Instant>,
}

/// The end of the wire as smoltcp wants it: without FCS, which is made and verified here.
struct Wire {
    link: Impair<Memory>,
    now: Instant,
    has_fcs: bool,
    frames: usize,
    /// Ports whose SYN has come. Several sockets listen on a port of smoltcp, so the same SYN once more would
    /// begin a second connection, which then resets the first.
    begun: BTreeSet<u16>,
    buffer: Vec<u8>,
}

impl Foreign {
    pub(crate) fn new(link: Impair<Memory>, plan: &Plan, seed: u64, ledger: &Shared) -> Self {
        let has_fcs = link.properties().medium == Medium::Ethernet { fcs: true };
        let mut wire = Wire {
            link,
            now: Instant::ZERO,
            has_fcs,
            frames: 0,
            begun: BTreeSet::new(),
            buffer: vec![0; LONGEST],
        };
        let mut config = iface::Config::new(EthernetAddress(MACS[HOST]).into());
        config.random_seed = Dice::new(seed, 30).between(1, u64::MAX - 1);
        let mut interface = Interface::new(config, &mut wire, time(Instant::ZERO));
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::Ipv4(ADDRESSES[HOST]), 24)).expect("room for one address");
        });
        Self {
            wire,
            interface,
            sockets: SocketSet::new(Vec::new()),
            connections: Vec::new(),
            listening: Vec::new(),
            ledger: ledger.clone(),
            plan: plan.clone(),
            seed,
        }
    }

    fn new_socket(&mut self, config: Config, nagle: bool) -> SocketHandle {
        let buffer = |len: usize| SocketBuffer::new(vec![0; len.min(256 << 10)]);
        let mut socket = Tcp::new(buffer(config.receive_buffer), buffer(config.send_buffer));
        socket.set_nagle_enabled(nagle);
        self.sockets.add(socket)
    }

    /// A socket of smoltcp takes one connection, so there is always one for each that may still come.
    fn listen(&mut self) {
        let may_come =
            self.plan.connections.len() + 1 - self.connections.len().min(self.plan.connections.len());
        for n in 0..LISTENERS {
            while self.listening.iter().filter(|(_, listener)| *listener == n).count() < may_come {
                let handle = self.new_socket(self.plan.listeners[n].tcp, true);
                let socket = self.sockets.get_mut::<Tcp>(handle);
                socket.listen(FIRST_PORT + n as u16).expect("a new socket can listen");
                self.listening.push((handle, n));
            }
        }
    }

    /// Takes the connections that came to listening sockets.
    fn accept(&mut self) {
        let mut ledger = self.ledger.borrow_mut();
        let (sockets, connections, plan, seed) =
            (&mut self.sockets, &mut self.connections, &self.plan, self.seed);
        self.listening.retain(|&(handle, _)| {
            let socket = sockets.get_mut::<Tcp>(handle);
            if matches!(socket.state(), State::Listen | State::SynReceived) {
                return true;
            }
            let Some(remote) = socket.remote_endpoint() else {
                sockets.remove(handle);
                return false;
            };
            let number = ledger.number(1 - HOST, remote.port).expect("somebody opened it");
            let script = plan.connections[number].scripts[1];
            let mut conversation = Conversation::new(number, 1, script, seed, &mut ledger);
            conversation.is_connected = true;
            connections.push(Connection { handle, conversation: Some(conversation), wake: None });
            false
        });
    }

    fn advance(&mut self, now: Instant) {
        let mut ledger = self.ledger.borrow_mut();
        for connection in &mut self.connections {
            let Some(conversation) = &mut connection.conversation else { continue };
            let socket = self.sockets.get_mut::<Tcp>(connection.handle);
            if !conversation.is_connected {
                match socket.state() {
                    State::SynSent | State::SynReceived => continue,
                    State::Closed => {
                        conversation.handle_unopened(&mut ledger);
                        connection.conversation = None;
                        continue;
                    }
                    _ => conversation.is_connected = true,
                }
            }
            conversation.is_closed = matches!(socket.state(), State::Closed | State::TimeWait);
            match conversation.advance(now, &mut Theirs(socket), &mut ledger) {
                Fate::GoOn(wake) => connection.wake = wake,
                Fate::Release => {
                    socket.close();
                    connection.conversation = None;
                }
                Fate::Abort => {
                    socket.abort();
                    connection.conversation = None;
                }
            }
        }
    }

    /// Forgets sockets that nobody uses and that are over.
    fn bury(&mut self) {
        let sockets = &mut self.sockets;
        self.connections.retain(|connection| {
            let socket = sockets.get_mut::<Tcp>(connection.handle);
            // An aborted socket still has its RST to send, and then forgets its peer.
            let is_over = socket.state() == State::Closed && socket.remote_endpoint().is_none();
            if is_over && connection.conversation.is_none() {
                sockets.remove(connection.handle);
                return false;
            }
            if connection.conversation.is_none() && socket.recv_queue() > 0 {
                // Nobody reads any more; smoltcp would keep the window closed for ever.
                let _ = socket.recv(|bytes| (bytes.len(), ()));
            }
            true
        });
    }
}

impl Station for Foreign {
    fn turn(&mut self, now: Instant) -> bool {
        self.wire.now = now;
        let before = self.wire.frames;
        if self.plan.opposite == Opposite::SmoltcpServer {
            self.listen();
        }
        for _ in 0..2 {
            self.interface.poll(time(now), &mut self.wire, &mut self.sockets);
            self.accept();
            self.advance(now);
        }
        self.interface.poll(time(now), &mut self.wire, &mut self.sockets);
        self.bury();
        self.wire.frames > before
    }

    fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(time(now), &self.sockets).map(|at| {
            // smoltcp asks for a poll at once after what an application did; but time must go on.
            Instant::from_nanos(at.total_micros().max(0) as u64 * 1000).max(now + Duration::from_millis(1))
        });
        let wakes = self.connections.iter().filter_map(|c| c.wake).filter(|&at| at > now).min();
        [at, wakes, self.wire.link.poll_timeout()].into_iter().flatten().min()
    }

    fn open(&mut self, now: Instant, number: usize, plan: &ConnectionPlan) {
        let handle = self.new_socket(plan.config, plan.scripts[0].nagle);
        let remote = (IpAddress::Ipv4(ADDRESSES[1 - HOST]), FIRST_PORT + plan.listener as u16);
        let socket = self.sockets.get_mut::<Tcp>(handle);
        socket.connect(self.interface.context(), remote, plan.opener_port).expect("a new socket can connect");
        let conversation =
            Conversation::new(number, 0, plan.scripts[0], self.seed, &mut self.ledger.borrow_mut());
        self.connections.push(Connection { handle, conversation: Some(conversation), wake: Some(now) });
    }

    fn set_wire(&mut self, outgoing: Impairment) {
        self.wire.link.set(Both { incoming: Impairment::default(), outgoing });
    }

    fn heal(&mut self, now: Instant) {
        self.advance(now);
    }

    fn is_empty(&self) -> bool {
        // smoltcp keeps a connection whose peer has gone for ever: only our own side is judged.
        true
    }

    fn describe(&mut self) -> String {
        let mut lines = "smoltcp".to_string();
        for connection in &self.connections {
            let socket = self.sockets.get_mut::<Tcp>(connection.handle);
            let (state, sends, holds) = (socket.state(), socket.send_queue(), socket.recv_queue());
            lines += &format!("\n  {:?} {state} to send {sends} to read {holds}", socket.remote_endpoint());
        }
        lines
    }
}

fn time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros((now.as_nanos() / 1000) as i64)
}

impl Wire {
    fn receive_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            let len = match self.link.recv(self.now, &mut self.buffer) {
                Received::Frame(len) => len,
                Received::Nothing => return None,
                Received::Gone(error) => panic!("a wire in memory is never gone: {error}"),
            };
            self.frames += 1;
            let frame = &self.buffer[..len];
            let content = wire::read(frame, self.has_fcs, Some(MACS[HOST]));
            if let Ok(Content::Tcp { segment, .. }) = &content
                && segment.has(SYN)
                && !segment.has(ACK)
                && !self.begun.insert(segment.src_port)
            {
                continue;
            }
            match content {
                Err(Damage::Fcs) => {}
                _ if self.has_fcs => return Some(frame[..len - 4].to_vec()),
                _ => return Some(frame.to_vec()),
            }
        }
    }
}

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = phy::Medium::Ethernet;
        capabilities.max_transmission_unit = self.link.properties().mtu + 14;
        capabilities
    }

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let frame = self.receive_frame()?;
        Some((Arrived(frame), Leaving(self)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Self::TxToken<'_>> {
        Some(Leaving(self))
    }
}

struct Arrived(Vec<u8>);

impl phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Leaving<'a>(&'a mut Wire);

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = vec![0; len];
        let result = f(&mut bytes);
        if self.0.has_fcs {
            bytes.resize(len.max(60), 0);
            bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        }
        let mut frame = Frame::default();
        frame.push_payload(bytes.into());
        self.0.frames += 1;
        assert!(
            matches!(self.0.link.send(self.0.now, &frame), Sent::Done),
            "an impaired wire takes every frame"
        );
        result
    }
}

/// A socket of smoltcp.
struct Theirs<'a>(&'a mut Tcp<'static>);

impl Socket for Theirs<'_> {
    fn read(&mut self) -> Read {
        let read = self.0.recv(|bytes| (bytes.len(), Bytes::copy_from_slice(bytes)));
        match read {
            Ok(bytes) if bytes.is_empty() => Read::Blocked,
            Ok(bytes) => Read::Data(bytes),
            Err(RecvError::Finished) => Read::Finished,
            Err(RecvError::InvalidState) => Read::Dead,
        }
    }

    fn write(&mut self, data: Bytes) -> Write {
        match self.0.send_slice(&data) {
            Ok(0) => Write::Blocked,
            Ok(n) => Write::Taken(n),
            Err(_) => Write::Dead,
        }
    }

    fn shutdown(&mut self) {
        self.0.close();
    }
}
