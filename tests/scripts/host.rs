//! A host in virtual time: its stack, its clock, what it has said and what it was told.

use std::collections::{BTreeMap, VecDeque};

use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::ip::subnet::Subnet;
use taphouse::rand::Seed;
use taphouse::stack::{Config, ConnId, Event, Stack};
use taphouse::tcp::{Cause, State};
use taphouse::time::{Duration, Instant};
use taphouse::wire::arp::{self, Operation};
use taphouse::wire::ethernet::{self, EtherType, Mac};
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::Flags;

use super::peer::{self, HOST, Origins, PEER, Seen};
use super::setup::Setup;

const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// Timers that may fire between two steps.
const MAX_TURNS: usize = 100_000;

/// The host, and the wire to it.
pub(crate) struct Host {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    setup: Setup,
    frame: Frame,
    /// What left and no step has looked at yet.
    pub(crate) said: VecDeque<(Instant, Seen)>,
    pub(crate) events: VecDeque<(ConnId, String)>,
    /// By the ports of the peer and the host.
    origins: BTreeMap<(u16, u16), Origins>,
    /// The conversation so far, as a script would say it.
    pub(crate) transcript: Vec<String>,
    /// What it has to say waits.
    pub(crate) is_holding: bool,
    /// Something came from the host that is no segment.
    pub(crate) trouble: Option<String>,
}

impl Host {
    pub(crate) fn new(setup: &Setup) -> Self {
        let start = Instant::ZERO + setup.start;
        let config = Config {
            link: Properties { medium: setup.medium, mtu: setup.mtu },
            mac: HOST_MAC,
            subnet: Subnet { address: HOST, prefix: 24 },
            gateway: None,
            probe: ProbeMode::Off,
            max_connections: setup.max_connections,
            memory: setup.memory,
        };
        let mut host = Self {
            stack: Stack::new(config, &Seed::from_u64(setup.seed), start),
            now: start,
            start,
            setup: setup.clone(),
            frame: Frame::default(),
            said: VecDeque::new(),
            events: VecDeque::new(),
            origins: BTreeMap::new(),
            transcript: Vec::new(),
            is_holding: false,
            trouble: None,
        };
        host.stack.handle_timeout(start);
        host.collect();
        host
    }

    /// From where the numbers of a flow are counted.
    pub(crate) fn origins(&self, peer: u16, port: u16) -> Origins {
        let unknown = Origins { iss: SeqNum(0), irs: SeqNum(self.setup.irs) };
        self.origins.get(&(peer, port)).copied().unwrap_or(unknown)
    }

    pub(crate) fn note(&mut self, line: &str) {
        let at = self.now.since(self.start).as_nanos();
        self.transcript.push(format!("{:>6}.{:06} {line}", at / 1_000_000_000, at / 1000 % 1_000_000));
    }

    /// Time passes up to an instant, or until the host says something.
    pub(crate) fn pass(&mut self, until: Instant, stops: bool) {
        let mut turns = 0;
        self.collect();
        while let Some(at) = self.stack.poll_timeout().filter(|&at| at <= until) {
            if stops && !self.said.is_empty() {
                return;
            }
            turns += 1;
            assert!(turns < MAX_TURNS, "a timer that is due at {at:?} does nothing at {:?}", self.now);
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            self.collect();
        }
        if stops && !self.said.is_empty() {
            return;
        }
        self.now = until;
        self.stack.handle_timeout(until);
        self.collect();
    }

    /// An IP packet of the peer arrives.
    pub(crate) fn hears(&mut self, packet: &[u8]) {
        match self.setup.medium {
            Medium::Ip => self.stack.handle_frame(self.now, packet),
            Medium::Ethernet { .. } => {
                let header = ethernet::Header { dst: HOST_MAC, src: PEER_MAC, ether_type: EtherType::Ipv4 };
                self.hears_ethernet(&header, packet);
            }
        }
        self.collect();
    }

    fn hears_ethernet(&mut self, header: &ethernet::Header, payload: &[u8]) {
        let mut frame = vec![0; ethernet::HEADER_LEN];
        header.emit(frame.first_chunk_mut().expect("made with this length"));
        frame.extend(payload);
        self.stack.handle_frame(self.now, &frame);
    }

    /// Takes what the host has to say and to tell.
    pub(crate) fn collect(&mut self) {
        while !self.is_holding && self.stack.poll_transmit(self.now, &mut self.frame) {
            let bytes = self.frame.to_vec();
            match self.setup.medium {
                Medium::Ip => self.take_packet(&bytes),
                Medium::Ethernet { .. } => self.take_frame(&bytes),
            }
        }
        while let Some(event) = self.stack.poll_event() {
            let (id, name) = match event {
                Event::Accepted { id, .. } => (id, "accepted".to_owned()),
                Event::Connected(id) => (id, "connected".to_owned()),
                Event::Readable(id) => (id, "readable".to_owned()),
                Event::Writable(id) => (id, "writable".to_owned()),
                Event::Urgent(id) => (id, "urgent".to_owned()),
                Event::Alarm(id) => (id, "alarm".to_owned()),
                Event::Trouble(id) => (id, "trouble".to_owned()),
                Event::Closed(id, cause) => (id, format!("closed {}", cause_name(cause))),
                Event::Host(trouble) => {
                    self.trouble = Some(format!("the host has trouble: {trouble:?}"));
                    continue;
                }
            };
            self.note(&format!("* {name}"));
            self.events.push_back((id, name));
        }
    }

    fn take_frame(&mut self, bytes: &[u8]) {
        let Ok((header, payload)) = ethernet::Header::parse(bytes) else {
            return self.trouble = Some("a frame that does not parse".into());
        };
        let payload = payload.to_vec();
        match header.ether_type {
            EtherType::Ipv4 if header.dst == PEER_MAC => self.take_packet(&payload),
            EtherType::Arp => {
                let request = arp::Packet::parse(&payload).ok().filter(|p| p.target_ip == PEER);
                if request.is_some_and(|p| p.operation == Operation::Request) {
                    self.answer_arp();
                }
            }
            _ => self.trouble = Some(format!("a frame to {:?} of {:?}", header.dst, header.ether_type)),
        }
    }

    fn answer_arp(&mut self) {
        let answer = arp::Packet {
            operation: Operation::Reply,
            sender_mac: PEER_MAC,
            sender_ip: PEER,
            target_mac: HOST_MAC,
            target_ip: HOST,
        };
        let mut payload = vec![0; arp::LEN];
        answer.emit(payload.first_chunk_mut().expect("made with this length"));
        let header = ethernet::Header { dst: HOST_MAC, src: PEER_MAC, ether_type: EtherType::Arp };
        self.hears_ethernet(&header, &payload);
    }

    fn take_packet(&mut self, bytes: &[u8]) {
        let seen = match peer::read(bytes, HOST, PEER) {
            Ok(seen) => seen,
            Err(wrong) => {
                self.note(&format!("> {wrong}"));
                return self.trouble = Some(format!("the host sent {wrong}"));
            }
        };
        let flow = (seen.header.dst_port, seen.header.src_port);
        let mut origins = self.origins(flow.0, flow.1);
        if seen.header.flags.has(Flags::SYN) {
            origins.iss = seen.header.seq;
            self.origins.insert(flow, origins);
        }
        let line = format!("> {}", seen.describe(origins, true));
        self.note(&line);
        self.said.push_back((self.now, seen));
    }

    /// How long after the start something was.
    pub(crate) fn after_start(&self, at: Instant) -> Duration {
        at.since(self.start)
    }
}

/// Why a connection ended, as scripts say it.
pub(crate) fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Finished => "finished",
        Cause::Reset => "reset",
        Cause::Refused => "refused",
        Cause::TimedOut => "timed-out",
        Cause::Unreachable => "unreachable",
        Cause::Aborted => "aborted",
    }
}

/// The state of this name.
pub(crate) fn state_named(name: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.name() == name)
}
