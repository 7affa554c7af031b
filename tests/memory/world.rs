//! One host, and thousands of peers that are played segment by segment. The link is bare IPv4 without delay.

use std::net::Ipv4Addr;

use bytes::Bytes;
use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::ip::subnet::Subnet;
use taphouse::rand::Seed;
use taphouse::stack::{Config, ConnId, Event, ListenConfig, Stack};
use taphouse::time::{Duration, Instant};
use taphouse::wire::checksum::Sum;
use taphouse::wire::ethernet::Mac;
use taphouse::wire::ipv4::{self, protocol};
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{self, Flags, Header, Segment};
use taphouse::wire::tcp_options::Options;

const HOST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const PORT: u16 = 80;
const PEER_PORT: u16 = 40_000;
const ISS: SeqNum = SeqNum(1000);
/// Bytes that the application writes at once.
const PIECE: usize = 16 << 10;

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) peers: Vec<Peer>,
    frame: Frame,
    packet: Vec<u8>,
}

/// A peer, and what the application does with its connection.
pub(crate) struct Peer {
    id: Option<ConnId>,
    pub(crate) seq: SeqNum,
    /// What it expects next.
    pub(crate) next: SeqNum,
    /// What the host expects next.
    pub(crate) acked: SeqNum,
    /// Up to where the host takes data.
    pub(crate) edge: SeqNum,
    shift: u8,
    /// The window that it announces, unscaled.
    pub(crate) window: u16,
    /// It acknowledges what comes.
    pub(crate) acknowledges: bool,
    /// The application reads what it sends.
    pub(crate) is_read: bool,
    pub(crate) read: usize,
    /// Bytes that the application has still to write to it.
    pub(crate) to_write: usize,
}

fn address_of(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 1 + (number / 250) as u8, 1 + (number % 250) as u8)
}

fn number_of(address: Ipv4Addr) -> usize {
    let [_, _, high, low] = address.octets();
    (usize::from(high) - 1) * 250 + usize::from(low) - 1
}

impl World {
    pub(crate) fn new(memory: usize, max_connections: usize) -> Self {
        let config = Config {
            link: Properties { medium: Medium::Ip, mtu: 1500 },
            mac: Mac([2, 0, 0, 0, 0, 1]),
            subnet: Subnet { address: HOST, prefix: 16 },
            gateway: None,
            probe: ProbeMode::Off,
            max_connections,
            memory,
        };
        let mut stack = Stack::new(config, &Seed::from_u64(1), Instant::ZERO);
        stack.listen(PORT, ListenConfig::default());
        let now = Instant::ZERO + Duration::from_secs(1);
        Self { stack, now, peers: Vec::new(), frame: Frame::default(), packet: Vec::new() }
    }

    /// Connections that come from now on behave so.
    pub(crate) fn listen(&mut self, tcp: taphouse::tcp::Config) {
        self.stack.listen(PORT, ListenConfig { tcp, ..ListenConfig::default() });
    }

    /// A peer knocks; `None` when it is not let in.
    pub(crate) fn open(&mut self, mss: u16, window_scale: Option<u8>) -> Option<usize> {
        let number = self.peers.len();
        self.peers.push(Peer {
            id: None,
            seq: ISS,
            next: SeqNum(0),
            acked: ISS,
            edge: ISS,
            shift: 0,
            window: 0xffff,
            acknowledges: true,
            is_read: false,
            read: 0,
            to_write: 0,
        });
        let options = Options { mss: Some(mss), window_scale, sack_permitted: true, ..Options::default() };
        self.give(number, Flags::SYN, ISS, &options, b"");
        self.peers[number].seq = ISS + 1;
        self.say(number, b"");
        if self.peers[number].id.is_none() {
            self.peers.pop();
            return None;
        }
        Some(number)
    }

    /// A segment where the peer stands, which moves it on.
    pub(crate) fn say(&mut self, number: usize, payload: &[u8]) {
        let seq = self.peers[number].seq;
        self.peers[number].seq += payload.len() as u32;
        self.say_at(number, seq, payload);
    }

    /// A segment from anywhere.
    pub(crate) fn say_at(&mut self, number: usize, seq: SeqNum, payload: &[u8]) {
        self.give(number, Flags::ACK, seq, &Options::default(), payload);
    }

    pub(crate) fn reset(&mut self, number: usize) {
        let seq = self.peers[number].acked;
        self.give(number, Flags::RST, seq, &Options::default(), b"");
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            self.run();
        }
        self.now = end;
    }

    /// The application writes to a peer, as much as is taken.
    pub(crate) fn write(&mut self, number: usize) {
        if let Some(id) = self.peers[number].id {
            self.fill(number, id);
        }
        self.run();
    }

    fn fill(&mut self, number: usize, id: ConnId) {
        while self.peers[number].to_write > 0 {
            let piece = self.peers[number].to_write.min(PIECE);
            let Ok(taken) = self.stack.stream(id).write(Bytes::from(vec![7; piece])) else { return };
            self.peers[number].to_write -= taken;
        }
    }

    /// Segments leave and are heard, and what follows from it, until there is nothing more to say.
    fn run(&mut self) {
        loop {
            let mut answers = Vec::new();
            while self.stack.poll_transmit(self.now, &mut self.frame) {
                self.packet.clear();
                self.frame.write_to(&mut self.packet);
                answers.extend(self.hear());
            }
            let mut worked = !answers.is_empty();
            for number in answers {
                let seq = self.peers[number].seq;
                self.hand_in(number, Flags::ACK, seq, &Options::default(), b"");
            }
            while let Some(event) = self.stack.poll_event() {
                self.handle(event);
                worked = true;
            }
            if !worked {
                return;
            }
        }
    }

    /// The packet reaches its peer; gives who answers.
    fn hear(&mut self) -> Option<usize> {
        let packet = ipv4::Packet::parse(&self.packet).expect("the host is correct");
        let (dst, bytes) = (packet.header.dst, &self.packet[packet.header_len..]);
        let segment = Segment::parse(HOST, dst, bytes).expect("the host is correct");
        let number = number_of(dst);
        let peer = &mut self.peers[number];
        let Header { flags, seq, ack, window, .. } = segment.header;
        let len = (bytes.len() - segment.header_len) as u32;
        if flags.has(Flags::SYN) {
            (peer.next, peer.acked) = (seq + 1, ack);
            peer.edge = ack + u32::from(window);
            peer.shift = segment.options.window_scale.unwrap_or(0);
            peer.edge = ack + u32::from(window);
            return None;
        }
        if !flags.has(Flags::ACK) {
            return None;
        }
        peer.acked = peer.acked.max(ack);
        peer.edge = peer.edge.max(ack + (u32::from(window) << peer.shift));
        if seq.le(peer.next) && peer.next.lt(seq + len) {
            peer.next = seq + len;
        }
        (len > 0 && peer.acknowledges).then_some(number)
    }

    fn handle(&mut self, event: Event) {
        let (id, is_over) = match event {
            Event::Accepted { id, .. } => {
                let number = number_of(*self.stack.stream(id).remote().ip());
                self.peers[number].id = Some(id);
                return;
            }
            Event::Readable(id) | Event::Writable(id) => (id, false),
            Event::Closed(id, _) => (id, true),
            _ => return,
        };
        let number = number_of(*self.stack.stream(id).remote().ip());
        if is_over {
            self.peers[number].id = None;
            return self.stack.stream(id).release();
        }
        while self.peers[number].is_read
            && let Ok(chunk) = self.stack.stream(id).read()
        {
            self.peers[number].read += chunk.len();
        }
        self.fill(number, id);
    }

    fn give(&mut self, number: usize, flags: Flags, seq: SeqNum, options: &Options, payload: &[u8]) {
        self.hand_in(number, flags, seq, options, payload);
        self.run();
    }

    fn hand_in(&mut self, number: usize, flags: Flags, seq: SeqNum, options: &Options, payload: &[u8]) {
        let src = address_of(number);
        let peer = &self.peers[number];
        let ack = if flags.has(Flags::ACK) { peer.next } else { SeqNum(0) };
        let (src_port, dst_port) = (PEER_PORT, PORT);
        let header = Header { src_port, dst_port, seq, ack, flags, window: peer.window, urgent: 0 };
        let head = tcp::HEADER_LEN + options.len();
        let mut packet = vec![0; ipv4::HEADER_LEN + head + payload.len()];
        let (ip, segment) = packet.split_at_mut(ipv4::HEADER_LEN);
        header.emit(options, &mut segment[..head]);
        segment[head..].copy_from_slice(payload);
        let sum = Sum::pseudo_header(src, HOST, protocol::TCP, segment.len()).with(segment).finish();
        segment[tcp::CHECKSUM_AT..tcp::CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
        let ip: &mut [u8; ipv4::HEADER_LEN] = ip.try_into().expect("split there");
        ipv4::Header::new(protocol::TCP, src, HOST).emit(segment.len(), ip);
        self.stack.handle_frame(self.now, &packet);
    }
}
