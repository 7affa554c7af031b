//! A stack with a peer made by hand, in virtual time: frames in, answers out, decoded and verified.

use std::net::{Ipv4Addr, SocketAddrV4};

use taphouse::arp::ProbeMode;
use taphouse::drops::{Drop, DropCounters};
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::ip::subnet::Subnet;
use taphouse::rand::Seed;
use taphouse::stack::{Config, ConnId, Event, ListenConfig, Stack};
use taphouse::tcp;
use taphouse::time::{Duration, Instant};
use taphouse::wire::arp::{self, Operation};
use taphouse::wire::ethernet::{self, EtherType, Mac};
use taphouse::wire::icmpv4::Message;
use taphouse::wire::tcp::{Flags, Segment};
use taphouse::wire::{fcs, ipv4};

use super::build::*;

pub(crate) const MTU: usize = 1500;

/// What a frame from the stack says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Arp { to: Mac, packet: arp::Packet },
    Icmp { dst: Ipv4Addr, message: Message, data: Vec<u8> },
    Tcp { dst: SocketAddrV4, port: u16, flags: Flags, seq: u32, ack: u32, payload: Vec<u8> },
}

/// A connection as the peer by hand sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conn {
    /// The peer's port.
    pub(crate) port: u16,
    /// The stack's port.
    pub(crate) local: u16,
    /// The next sequence number of the peer.
    pub(crate) seq: u32,
    /// The next sequence number of the stack.
    pub(crate) ack: u32,
    pub(crate) id: Option<ConnId>,
}

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) fcs: bool,
    pub(crate) events: Vec<Event>,
    next_port: u16,
}

pub(crate) fn config(fcs: bool) -> Config {
    Config {
        link: Properties { medium: Medium::Ethernet { fcs }, mtu: MTU },
        mac: US_MAC,
        subnet: Subnet { address: US, prefix: 24 },
        gateway: None,
        probe: ProbeMode::Off,
        max_connections: 100,
        memory: taphouse::limits::TCP_MEMORY,
    }
}

impl World {
    /// A stack that holds its address, knows the peer, and listens on port 80.
    pub(crate) fn new(fcs: bool) -> Self {
        let mut world = Self::with(config(fcs));
        world.pass(Duration::from_secs(3));
        world.introduce();
        world
    }

    /// A stack at its start.
    pub(crate) fn with(config: Config) -> Self {
        let Medium::Ethernet { fcs } = config.link.medium else { panic!("these are tests of Ethernet") };
        let now = Instant::ZERO + Duration::from_secs(1);
        let mut stack = Stack::new(config, &Seed::from_u64(7), now);
        let tcp = tcp::Config { quick_acks: 0, ..tcp::Config::default() };
        stack.listen(80, ListenConfig { tcp, ..ListenConfig::default() });
        Self { stack, now, fcs, events: Vec::new(), next_port: 4000 }
    }

    /// The peer asks for our address, so that the stack knows the peer's.
    pub(crate) fn introduce(&mut self) {
        let answers = self.give(&arp_request(PEER_MAC, PEER, US));
        assert!(matches!(answers[..], [Answer::Arp { to: PEER_MAC, .. }]), "{answers:?}");
    }

    /// Puts a frame on the wire, with the padding and FCS that it wants; gives the answers.
    pub(crate) fn give(&mut self, frame: &[u8]) -> Vec<Answer> {
        let bytes = if self.fcs { with_fcs(frame) } else { frame.to_vec() };
        self.give_raw(&bytes)
    }

    /// Puts bytes on the wire as they are.
    pub(crate) fn give_raw(&mut self, bytes: &[u8]) -> Vec<Answer> {
        self.stack.handle_frame(self.now, bytes);
        self.drain()
    }

    /// All that the stack wants to send now.
    pub(crate) fn drain(&mut self) -> Vec<Answer> {
        self.drain_raw().iter().map(|frame| decode(frame)).collect()
    }

    /// All that the stack wants to send now, without padding's FCS.
    pub(crate) fn drain_raw(&mut self) -> Vec<Vec<u8>> {
        let mut frame = Frame::default();
        let mut out = Vec::new();
        while self.stack.poll_transmit(self.now, &mut frame) {
            let bytes = frame.to_vec();
            let body = if self.fcs {
                assert!(bytes.len() >= ethernet::MIN_LEN + fcs::LEN, "a runt: {bytes:02x?}");
                fcs::check(&bytes).expect("a good FCS").to_vec()
            } else {
                bytes
            };
            assert!(body.len() <= ethernet::HEADER_LEN + MTU);
            out.push(body);
        }
        self.events.extend(std::iter::from_fn(|| self.stack.poll_event()));
        out
    }

    /// Time passes in steps of its timers; gives what was sent, and when.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<(Instant, Answer)> {
        let end = self.now + time;
        let mut out = Vec::new();
        loop {
            out.extend(self.drain().into_iter().map(|answer| (self.now, answer)));
            match self.stack.poll_timeout().filter(|&at| at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            self.stack.handle_timeout(self.now);
        }
        self.now = end;
        self.stack.handle_timeout(end);
        out.extend(self.drain().into_iter().map(|answer| (end, answer)));
        out
    }

    pub(crate) fn count(&self, drop: Drop) -> u64 {
        self.stack.drops().of(drop)
    }

    /// Which counters moved since then.
    pub(crate) fn moved(&self, before: &DropCounters) -> Vec<(Drop, u64)> {
        let moved = self.stack.drops().iter().map(|(drop, n)| (drop, n - before.of(drop)));
        moved.filter(|(_, n)| *n > 0).collect()
    }

    // --- connections -----------------------------------------------------------------------------------

    fn fresh_port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    /// A connection in SYN-RECEIVED.
    pub(crate) fn half_open(&mut self) -> Conn {
        let mut conn = Conn { port: self.fresh_port(), local: 80, seq: 1000, ack: 0, id: None };
        let answers = self.give(&conn.segment(Flags::SYN, b""));
        let [Answer::Tcp { flags, seq, ack: 1001, .. }] = answers[..] else { panic!("{answers:?}") };
        assert_eq!(flags, Flags::SYN | Flags::ACK);
        conn.seq += 1;
        conn.ack = seq.wrapping_add(1);
        conn
    }

    /// An established connection from the peer.
    pub(crate) fn open(&mut self) -> Conn {
        let mut conn = self.half_open();
        self.events.clear();
        assert_eq!(self.give(&conn.segment(Flags::ACK, b"")), []);
        let Some(Event::Accepted { port: 80, id }) = self.events.pop() else { panic!("{:?}", self.events) };
        conn.id = Some(id);
        conn
    }

    /// A connection in SYN-SENT, to a port of the peer. Its `seq` is what the peer's SYN would have.
    pub(crate) fn dial(&mut self) -> Conn {
        let port = self.fresh_port();
        let remote = SocketAddrV4::new(PEER, port);
        let id = self.stack.connect_from(50_000 + port, remote, tcp::Config::default()).expect("a free port");
        let answers = self.drain();
        let [Answer::Tcp { flags: Flags::SYN, seq, .. }] = answers[..] else { panic!("{answers:?}") };
        Conn { port, local: 50_000 + port, seq: 9000, ack: seq.wrapping_add(1), id: Some(id) }
    }

    /// A connection in TIME-WAIT.
    pub(crate) fn time_wait(&mut self) -> Conn {
        let mut conn = self.open();
        self.stack.stream(conn.id.expect("open")).release();
        let answers = self.drain();
        assert!(matches!(answers[..], [Answer::Tcp { .. }]), "our FIN: {answers:?}");
        conn.ack += 1;
        let answers = self.give(&conn.segment(Flags::FIN | Flags::ACK, b""));
        conn.seq += 1;
        assert_eq!(answers, [conn.answer(Flags::ACK)]);
        conn
    }

    /// Data goes both ways.
    pub(crate) fn assert_works(&mut self, conn: &mut Conn) {
        let id = conn.id.expect("open");
        assert_eq!(self.give(&conn.segment(Flags::ACK | Flags::PSH, b"a question")), []);
        assert_eq!(self.stack.stream(id).read().expect("it arrived"), &b"a question"[..]);
        conn.seq = conn.seq.wrapping_add(10);
        self.stack.stream(id).write("an answer".into()).expect("there is room");
        let answers = self.drain();
        let [Answer::Tcp { seq, ack, payload, .. }] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!((*seq, *ack, &payload[..]), (conn.ack, conn.seq, &b"an answer"[..]));
        conn.ack = conn.ack.wrapping_add(9);
        assert_eq!(self.give(&conn.segment(Flags::ACK, b"")), []);
    }

    pub(crate) fn assert_answers_ping(&mut self) {
        let answers = self.give(&ip_frame(&packet(1, &echo(7, 8, b"still there?"))));
        let message = Message::EchoReply { id: 7, seq: 8 };
        assert_eq!(answers, [Answer::Icmp { dst: PEER, message, data: b"still there?".to_vec() }]);
    }
}

impl Conn {
    /// A frame of the peer with the numbers as they should be.
    pub(crate) fn segment(&self, flags: Flags, payload: &[u8]) -> Vec<u8> {
        self.segment_at(flags, 0, 0, payload)
    }

    /// A frame of the peer with numbers that are off by so much.
    pub(crate) fn segment_at(&self, flags: Flags, seq_off: i64, ack_off: i64, payload: &[u8]) -> Vec<u8> {
        let seq = self.seq.wrapping_add(seq_off as u32);
        let ack = if flags.has(Flags::ACK) { self.ack.wrapping_add(ack_off as u32) } else { 0 };
        ip_frame(&packet(6, &segment(self.port, self.local, flags, seq, ack, &[], payload)))
    }

    /// The stack's answer without payload, with the numbers as they should be.
    pub(crate) fn answer(&self, flags: Flags) -> Answer {
        self.answer_at(flags, self.ack, if flags.has(Flags::ACK) { self.seq } else { 0 })
    }

    pub(crate) fn answer_at(&self, flags: Flags, seq: u32, ack: u32) -> Answer {
        let dst = SocketAddrV4::new(PEER, self.port);
        Answer::Tcp { dst, port: self.local, flags, seq, ack, payload: Vec::new() }
    }
}

/// Reads a frame of the stack; every checksum and length must be right.
pub(crate) fn decode(frame: &[u8]) -> Answer {
    let (header, payload) = ethernet::Header::parse(frame).expect("a header");
    assert_eq!(header.src, US_MAC);
    if header.ether_type == EtherType::Arp {
        let packet = arp::Packet::parse(payload).expect("an ARP packet");
        assert_eq!(packet.sender_mac, US_MAC);
        return Answer::Arp { to: header.dst, packet };
    }
    assert!(!header.dst.is_group(), "nothing of IP is broadcast by us");
    let parsed = ipv4::Packet::parse(payload).expect("an IPv4 packet");
    let ip = parsed.header;
    assert!(payload[parsed.total_len..].iter().all(|&b| b == 0), "padding is zero");
    assert_eq!((ip.src, ip.ttl), (US, 64));
    assert!(!ip.is_fragment(), "no answer here is that long");
    let payload = &payload[parsed.header_len..parsed.total_len];
    match ip.protocol {
        1 => {
            let (message, data) = Message::parse(payload).expect("an ICMP message");
            Answer::Icmp { dst: ip.dst, message, data: data.to_vec() }
        }
        6 => {
            let Segment { header, header_len, .. } =
                Segment::parse(ip.src, ip.dst, payload).expect("a segment");
            Answer::Tcp {
                dst: SocketAddrV4::new(ip.dst, header.dst_port),
                port: header.src_port,
                flags: header.flags,
                seq: header.seq.0,
                ack: header.ack.0,
                payload: payload[header_len..].to_vec(),
            }
        }
        other => panic!("protocol {other} from the stack"),
    }
}

/// The reply to an ARP request.
pub(crate) fn arp_reply(to_mac: Mac, to_ip: Ipv4Addr) -> Answer {
    let packet = arp::Packet {
        operation: Operation::Reply,
        sender_mac: US_MAC,
        sender_ip: US,
        target_mac: to_mac,
        target_ip: to_ip,
    };
    Answer::Arp { to: to_mac, packet }
}

/// A request of the stack for an address; with its own, an announcement.
pub(crate) fn arp_asks(to: Option<Mac>, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Answer {
    let operation = Operation::Request;
    let packet = arp::Packet { operation, sender_mac: US_MAC, sender_ip, target_mac: Mac::ZERO, target_ip };
    Answer::Arp { to: to.unwrap_or(Mac::BROADCAST), packet }
}
