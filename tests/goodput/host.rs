//! A host of any make with one end of a flow, and how our own stack is one.

use bytes::Bytes;
use std::net::{Ipv4Addr, SocketAddrV4};

use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::rand::Seed;
use taphouse::stack::{Config, ConnId, Event, ListenConfig, Stack};
use taphouse::tcp::{self, ReadError};
use taphouse::time::{Duration, Instant};
use taphouse::wire::ethernet::Mac;

use super::wire::Air;

/// The largest IP packet.
pub(crate) const MTU: usize = 1500;
/// Bytes of a full segment. Timestamps take twelve of them where both sides have them.
pub(crate) const MSS: usize = 1460;
/// Where the receiver listens.
pub(crate) const PORT: u16 = 80;
/// From where the sender connects.
pub(crate) const SENDER_PORT: u16 = 50_000;
/// Packets that one turn takes before it sends, as the loop of a shard does.
pub(crate) const PACKETS_PER_TURN: usize = taphouse::limits::FRAMES_PER_TURN;

/// Which end of a flow a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Connects, and sends so many bytes.
    Sender(u64),
    /// Listens, and reads all that comes.
    Receiver,
}

/// What a host is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) end: End,
    /// Bytes of its send buffer and of its receive buffer.
    pub(crate) buffer: usize,
    pub(crate) seed: u64,
}

impl Setup {
    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, if self.end == End::Receiver { 2 } else { 1 })
    }

    pub(crate) fn peer(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, if self.end == End::Receiver { 1 } else { 2 })
    }
}

/// What a sender tells of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Probe {
    pub(crate) cwnd: u32,
    pub(crate) ssthresh: u32,
    pub(crate) flight: u32,
    pub(crate) srtt: Duration,
    pub(crate) rto: Duration,
    pub(crate) is_recovering: bool,
    pub(crate) resent: u64,
    pub(crate) timeouts: u64,
}

/// A host with one end of one flow.
pub(crate) trait Host {
    /// A packet arrives.
    fn handle_packet(&mut self, now: Instant, packet: Vec<u8>, air: &mut Air);
    /// Timers, the application, and everything that can be sent.
    fn turn(&mut self, now: Instant, air: &mut Air);
    /// When a turn is due.
    fn poll_timeout(&mut self, now: Instant) -> Option<Instant>;
    /// Bytes that the application has read.
    fn read(&self) -> u64;
    /// What the sender tells, if it tells anything.
    fn probe(&self) -> Option<Probe>;
}

/// Our stack.
pub(crate) struct Ours {
    stack: Stack,
    frame: Frame,
    id: Option<ConnId>,
    /// Bytes that are still to be written.
    to_write: u64,
    read: u64,
}

/// What is sent is all zeros.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Ours {
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let config = Config {
            link: Properties { medium: Medium::Ip, mtu: MTU },
            mac: Mac([2, 0, 0, 0, 0, 1]),
            subnet: format!("{}/24", setup.address()).parse().expect("an address with a prefix"),
            gateway: None,
            probe: ProbeMode::Off,
            max_connections: 4,
            memory: taphouse::limits::TCP_MEMORY,
        };
        let is_sender = setup.end != End::Receiver;
        let salt = setup.seed * 2 + u64::from(is_sender);
        let mut stack = Stack::new(config, &Seed::from_u64(salt), now);
        let tcp = tcp::Config {
            send_buffer: setup.buffer,
            receive_buffer: setup.buffer,
            // A fifth of all packets is lost at worst, both ways: that nothing gets through for two minutes is
            // bad luck there, and no sign of a dead peer.
            user_timeout: Duration::from_secs(3600),
            ..tcp::Config::default()
        };
        stack.handle_timeout(now);
        let (id, to_write) = match setup.end {
            End::Receiver => {
                stack.listen(PORT, ListenConfig { tcp, ..ListenConfig::default() });
                (None, 0)
            }
            End::Sender(bytes) => {
                let remote = SocketAddrV4::new(setup.peer(), PORT);
                (Some(stack.connect_from(SENDER_PORT, remote, tcp).expect("an address of a host")), bytes)
            }
        };
        Self { stack, frame: Frame::default(), id, to_write, read: 0 }
    }

    fn serve(&mut self) {
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::Accepted { id, .. } => self.id = Some(id),
                Event::Closed(_, cause) => panic!("the flow ends early: {cause}"),
                _ => {}
            }
        }
        let Some(id) = self.id else { return };
        loop {
            match self.stack.stream(id).read() {
                Ok(bytes) => self.read += bytes.len() as u64,
                Err(ReadError::Blocked) => break,
                Err(error) => panic!("the flow cannot be read: {error:?}"),
            }
        }
        while self.to_write > 0 {
            let mut stream = self.stack.stream(id);
            let len = (stream.room() as u64).min(self.to_write).min(ZEROS.len() as u64) as usize;
            if len == 0 {
                break;
            }
            let taken = stream.write(Bytes::from_static(&ZEROS[..len])).expect("there is room");
            self.to_write -= taken as u64;
        }
    }

    fn send(&mut self, now: Instant, air: &mut Air) {
        while self.stack.poll_transmit(now, &mut self.frame) {
            assert_eq!(self.frame.segment_size, 0, "the wire cuts nothing");
            let mut bytes = air.buffer();
            self.frame.write_to(&mut bytes);
            air.send(bytes);
        }
    }
}

impl Host for Ours {
    fn handle_packet(&mut self, now: Instant, packet: Vec<u8>, air: &mut Air) {
        self.stack.handle_frame(now, &packet);
        air.recycle(packet);
        self.serve();
        if self.stack.is_urgent() {
            self.send(now, air);
        }
    }

    fn turn(&mut self, now: Instant, air: &mut Air) {
        self.stack.handle_timeout(now);
        loop {
            self.serve();
            self.send(now, air);
            if !self.stack.has_events() {
                break;
            }
        }
    }

    fn poll_timeout(&mut self, _now: Instant) -> Option<Instant> {
        self.stack.poll_timeout()
    }

    fn read(&self) -> u64 {
        self.read
    }

    fn probe(&self) -> Option<Probe> {
        let report = self.stack.info(self.id?)?;
        Some(Probe {
            cwnd: report.cwnd,
            ssthresh: report.ssthresh,
            flight: report.flight,
            srtt: report.rtt.map_or(Duration::ZERO, |(srtt, _)| srtt),
            rto: report.rto,
            is_recovering: report.is_recovering,
            resent: report.tally.segments_resent,
            timeouts: report.tally.mechanisms.timeouts.into(),
        })
    }
}
