//! The host, the clock, and the pen in the peer's hand.
//!
//! A segment that the host sends reads as a line: flags, sequence number and length, acknowledgment, window,
//! options. `PA 1+5 ack 1 win 65535` is five bytes, pushed. Numbers are relative: 0 is the SYN, 1 the first byte.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use taphouse::arp::ProbeMode;
use taphouse::drops::Drop;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::ip::subnet::Subnet;
use taphouse::limits;
use taphouse::rand::Seed;
use taphouse::stack::{Config, ConnId, Event, ListenConfig, Stack, Stream};
use taphouse::tcp::ecn::Codepoint;
use taphouse::tcp::info::ConnectionInfo;
use taphouse::tcp::{self, ReadError, State};
use taphouse::time::{Duration, Instant};
use taphouse::wire::checksum::Sum;
use taphouse::wire::ethernet::Mac;
use taphouse::wire::icmpv4::{self, Message};
use taphouse::wire::ipv4::{self, Packet, protocol};
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{CHECKSUM_AT, Flags, HEADER_LEN, Header, Segment};
use taphouse::wire::tcp_options::Options;

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The host's port, be it that it listens there or that it connects from there.
pub(crate) const PORT: u16 = 80;
/// The peer's port.
pub(crate) const PEER_PORT: u16 = 50_000;
/// The peer's initial sequence number.
pub(crate) const IRS: u32 = 0x1000_0000;
/// The receive buffer of most conversations: the largest window that needs no scaling.
pub(crate) const WINDOW: usize = 65_535;
/// A full segment on this link.
pub(crate) const MSS: u32 = 1460;

/// What a conversation begins with.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) tcp: tcp::Config,
    pub(crate) backlog: usize,
    pub(crate) accept_queue: usize,
    pub(crate) max_connections: usize,
    pub(crate) memory: usize,
    pub(crate) mtu: usize,
    pub(crate) start: Instant,
    pub(crate) irs: u32,
    /// What the peer's SYN says.
    pub(crate) peer_mss: Option<u16>,
    pub(crate) peer_scale: Option<u8>,
    pub(crate) peer_window: u16,
    pub(crate) peer_sack: bool,
    /// TSval of the peer's SYN, and of the ACK after it.
    pub(crate) peer_time: Option<u32>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tcp: tcp::Config {
                receive_buffer: WINDOW,
                buffer_start: usize::MAX,
                quick_acks: 0,
                ..tcp::Config::default()
            },
            backlog: 16,
            accept_queue: 16,
            max_connections: 64,
            memory: limits::TCP_MEMORY,
            mtu: 1500,
            start: Instant::ZERO + Duration::from_secs(10),
            irs: IRS,
            peer_mss: Some(MSS as u16),
            peer_scale: None,
            peer_window: 65_535,
            peer_sack: false,
            peer_time: None,
        }
    }
}

/// A segment of the peer, in relative numbers.
#[derive(Clone, Debug)]
pub(crate) struct Seg {
    flags: Flags,
    seq: i64,
    ack: i64,
    window: u16,
    urgent: u16,
    options: Options,
    payload: Vec<u8>,
    codepoint: Codepoint,
}

/// A segment of the peer: flags as letters of `FSRPAUEC`, and its numbers.
pub(crate) fn seg(flags: &str, seq: i64, ack: i64) -> Seg {
    let bits = flags.chars().map(|c| 1 << "FSRPAUEC".find(c).expect("a flag"));
    Seg {
        flags: Flags(bits.sum()),
        seq,
        ack,
        window: 65_535,
        urgent: 0,
        options: Options::default(),
        payload: Vec::new(),
        codepoint: Codepoint::NotEct,
    }
}

impl Seg {
    pub(crate) fn win(mut self, window: u16) -> Self {
        self.window = window;
        self
    }
    pub(crate) fn urg(mut self, pointer: u16) -> Self {
        self.urgent = pointer;
        self
    }
    pub(crate) fn mss(mut self, mss: u16) -> Self {
        self.options.mss = Some(mss);
        self
    }
    pub(crate) fn scale(mut self, shift: u8) -> Self {
        self.options.window_scale = Some(shift);
        self
    }
    /// Timestamps: TSval and TSecr.
    pub(crate) fn ts(mut self, value: u32, echo: u32) -> Self {
        self.options.timestamps = Some((value, echo));
        self
    }
    /// What its IP header says of ECN.
    pub(crate) fn codepoint(mut self, codepoint: Codepoint) -> Self {
        self.codepoint = codepoint;
        self
    }
    pub(crate) fn data(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }
    /// Payload that says at every byte where in the stream it stands.
    pub(crate) fn len(mut self, len: usize) -> Self {
        self.payload = stream_bytes(self.seq, len);
        self
    }
}

/// The bytes of the peer's stream from a relative sequence number on.
pub(crate) fn stream_bytes(seq: i64, len: usize) -> Vec<u8> {
    (seq..seq + len as i64).map(|n| (n % 251) as u8).collect()
}

/// A segment that the host sent.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) ip: ipv4::Header,
    pub(crate) header: Header,
    pub(crate) options: Options,
    pub(crate) payload: Vec<u8>,
    pub(crate) line: String,
}

/// A conversation.
pub(crate) struct Talk {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) setup: Setup,
    /// The host's connection, once it has an id.
    pub(crate) id: Option<ConnId>,
    /// The host's initial sequence number; zero until its SYN was seen.
    pub(crate) iss: SeqNum,
    frame: Frame,
    said: Vec<Said>,
}

impl Talk {
    /// A host that listens at [`PORT`].
    pub(crate) fn listening(setup: Setup) -> Self {
        let mut talk = Self::idle(setup);
        talk.stack.listen(
            PORT,
            ListenConfig { tcp: setup.tcp, backlog: setup.backlog, accept_queue: setup.accept_queue },
        );
        talk
    }

    /// What the host is told at its start.
    pub(crate) fn host(setup: Setup) -> Config {
        Config {
            link: Properties { medium: Medium::Ip, mtu: setup.mtu },
            mac: Mac([2, 0, 0, 0, 0, 2]),
            subnet: Subnet { address: HOST, prefix: 24 },
            gateway: None,
            probe: ProbeMode::Off,
            max_connections: setup.max_connections,
            memory: setup.memory,
        }
    }

    /// A host that does nothing yet.
    pub(crate) fn idle(setup: Setup) -> Self {
        let config = Self::host(setup);
        // Born in the far future: on bare IP nobody takes the packets that claim the address, and the time of the
        // first of them would be the next deadline for ever.
        let mut stack = Stack::new(config, &Seed::from_u64(7), Instant::from_nanos(u64::MAX));
        stack.handle_timeout(setup.start);
        Self {
            stack,
            now: setup.start,
            setup,
            id: None,
            iss: SeqNum(0),
            frame: Frame::default(),
            said: Vec::new(),
        }
    }

    /// A host that sent its SYN: state SYN-SENT. The SYN is taken from what was said.
    pub(crate) fn connecting(setup: Setup) -> Self {
        let mut talk = Self::idle(setup);
        let id = talk.stack.connect_from(PORT, SocketAddrV4::new(PEER, PEER_PORT), setup.tcp);
        talk.id = Some(id.expect("nothing stands against it"));
        assert_eq!(talk.take().len(), 1, "the SYN");
        talk
    }

    /// The blocks of SACK of a segment that the host sent, in the numbers of the peer.
    pub(crate) fn blocks(&self, said: &Said) -> Vec<(u32, u32)> {
        let irs = SeqNum(self.setup.irs);
        said.options.sack.as_slice().iter().map(|&(left, right)| (left - irs, right - irs)).collect()
    }

    /// The peer's SYN, or with `ack` its SYN-ACK, as the setup has it.
    pub(crate) fn syn(&self, flags: &str) -> Seg {
        let mut syn = seg(flags, 0, 1).win(self.setup.peer_window);
        (syn.options.mss, syn.options.window_scale) = (self.setup.peer_mss, self.setup.peer_scale);
        syn.options.sack_permitted = self.setup.peer_sack;
        syn.options.timestamps = self.setup.peer_time.map(|time| (time, 0));
        syn
    }

    /// A connection that the peer opened, whose handshake took `ms`: the first sample of the round-trip time.
    pub(crate) fn accepted_after(ms: u64, setup: Setup) -> Self {
        let mut talk = Self::listening(setup);
        talk.hears(talk.syn("S"));
        assert_eq!(talk.take().len(), 1, "the SYN-ACK");
        talk.passes_silently(ms);
        let mut ack = seg("A", 1, 1).win(setup.peer_window);
        ack.options.timestamps = setup.peer_time.map(|time| (time, 0));
        talk.hears(ack);
        assert_eq!(talk.take().len(), 0);
        assert_eq!(talk.events(), ["Accepted"]);
        talk
    }

    /// What there is to tell of the connection.
    pub(crate) fn report(&self) -> ConnectionInfo {
        self.stack.info(self.id.expect("there is a connection")).expect("it lives")
    }

    /// A connection that the peer opened, both sides having said nothing yet.
    pub(crate) fn accepted_with(setup: Setup) -> Self {
        Self::accepted_after(0, setup)
    }

    pub(crate) fn accepted() -> Self {
        Self::accepted_with(Setup::default())
    }

    /// A connection that the host opened.
    pub(crate) fn connected_with(setup: Setup) -> Self {
        let mut talk = Self::connecting(setup);
        talk.hears(talk.syn("SA"));
        assert_eq!(talk.take().len(), 1, "the ACK of the SYN-ACK");
        assert_eq!(talk.events(), ["Connected"]);
        talk
    }

    // --- the peer ------------------------------------------------------------------------------------------

    /// The peer's segment arrives.
    pub(crate) fn hears(&mut self, segment: Seg) {
        self.hears_from(PEER_PORT, segment);
    }

    /// A segment arrives from another port of the peer.
    pub(crate) fn hears_from(&mut self, port: u16, segment: Seg) {
        let header = Header {
            src_port: port,
            dst_port: PORT,
            seq: SeqNum(self.setup.irs.wrapping_add(segment.seq as u32)),
            ack: SeqNum(self.iss.0.wrapping_add(segment.ack as u32)),
            flags: segment.flags,
            window: segment.window,
            urgent: segment.urgent,
        };
        let header = if header.flags.has(Flags::ACK) { header } else { Header { ack: SeqNum(0), ..header } };
        let mut bytes = vec![0; HEADER_LEN + segment.options.len()];
        header.emit(&segment.options, &mut bytes);
        bytes.extend(&segment.payload);
        let sum = Sum::pseudo_header(PEER, HOST, protocol::TCP, bytes.len()).with(&bytes).finish();
        bytes[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
        self.hears_ip_with(segment.codepoint, protocol::TCP, HOST, &bytes);
    }

    /// A segment arrives that says which of the host's bytes the peer has out of order.
    pub(crate) fn hears_sack(&mut self, mut segment: Seg, blocks: &[(u32, u32)]) {
        for &(left, right) in blocks {
            segment.options.sack.push(self.iss + left, self.iss + right);
        }
        self.hears(segment);
    }

    /// An ICMP error arrives about a segment that began at `seq` of the host.
    pub(crate) fn hears_icmp(&mut self, message: Message, seq: i64) {
        self.hears_icmp_about(message, seq, 0);
    }

    /// The same, about a segment with `len` bytes of payload.
    pub(crate) fn hears_icmp_about(&mut self, message: Message, seq: i64, len: usize) {
        let mut quote = [0; ipv4::HEADER_LEN + 8];
        let ip = ipv4::Header::new(protocol::TCP, HOST, PEER);
        ip.emit(HEADER_LEN + len, quote.first_chunk_mut().expect("it is longer"));
        quote[20..22].copy_from_slice(&PORT.to_be_bytes());
        quote[22..24].copy_from_slice(&PEER_PORT.to_be_bytes());
        quote[24..28].copy_from_slice(&self.iss.0.wrapping_add(seq as u32).to_be_bytes());
        let mut bytes = [0; icmpv4::HEADER_LEN];
        message.emit(&quote, &mut bytes);
        self.hears_ip(protocol::ICMP, HOST, &[&bytes[..], &quote].concat());
    }

    /// An IPv4 packet of the peer arrives.
    pub(crate) fn hears_ip(&mut self, protocol: u8, to: Ipv4Addr, payload: &[u8]) {
        self.hears_ip_with(Codepoint::NotEct, protocol, to, payload);
    }

    fn hears_ip_with(&mut self, codepoint: Codepoint, protocol: u8, to: Ipv4Addr, payload: &[u8]) {
        let mut packet = vec![0; ipv4::HEADER_LEN];
        let header = ipv4::Header { ecn: codepoint.bits(), ..ipv4::Header::new(protocol, PEER, to) };
        header.emit(payload.len(), packet.first_chunk_mut().expect("made with this length"));
        packet.extend(payload);
        self.stack.handle_frame(self.now, &packet);
    }

    // --- the host ------------------------------------------------------------------------------------------

    /// What the host said since it was last asked.
    pub(crate) fn take(&mut self) -> Vec<Said> {
        while self.stack.poll_transmit(self.now, &mut self.frame) {
            let bytes = self.frame.to_vec();
            let said = self.parse(&bytes);
            self.said.push(said);
        }
        std::mem::take(&mut self.said)
    }

    /// The host says exactly this now.
    #[track_caller]
    pub(crate) fn says<S: AsRef<str>>(&mut self, lines: &[S]) {
        let said: Vec<_> = self.take().into_iter().map(|s| s.line).collect();
        let lines: Vec<_> = lines.iter().map(AsRef::as_ref).collect();
        assert_eq!(said, lines);
    }

    /// The host has nothing to say.
    #[track_caller]
    pub(crate) fn is_silent(&mut self) {
        self.says::<&str>(&[]);
    }

    /// Time passes. What the host says meanwhile comes with the milliseconds since.
    pub(crate) fn pass(&mut self, ms: u64) -> Vec<(u64, String)> {
        self.pass_time(Duration::from_millis(ms))
            .into_iter()
            .map(|(after, said)| (after.as_millis(), said.line))
            .collect()
    }

    /// Time passes, and the host says nothing.
    #[track_caller]
    pub(crate) fn passes_silently(&mut self, ms: u64) {
        assert_eq!(self.pass(ms), []);
    }

    /// Time passes, and the host says exactly this, at these milliseconds.
    #[track_caller]
    pub(crate) fn pass_says(&mut self, ms: u64, lines: &[(u64, &str)]) {
        let said = self.pass(ms);
        let said: Vec<_> = said.iter().map(|(at, line)| (*at, line.as_str())).collect();
        assert_eq!(said, lines);
    }

    pub(crate) fn pass_time(&mut self, time: Duration) -> Vec<(Duration, Said)> {
        let (start, end) = (self.now, self.now + time);
        let mut said = self.take();
        let mut turns = 0;
        while let Some(at) = self.stack.poll_timeout().filter(|&at| at <= end) {
            turns += 1;
            assert!(turns < 20_000, "a timer that is due at {at:?} does nothing at {:?}", self.now);
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            said.extend(self.take());
        }
        self.now = end;
        self.stack.handle_timeout(end);
        said.into_iter().map(|s| (s.at.since(start), s)).collect()
    }

    /// What the user was told, without the id. The id of a new connection is kept.
    pub(crate) fn events(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.stack.poll_event() {
            told.push(match event {
                Event::Accepted { id, .. } => {
                    self.id = Some(id);
                    "Accepted".to_owned()
                }
                Event::Connected(_) => "Connected".to_owned(),
                Event::Readable(_) => "Readable".to_owned(),
                Event::Writable(_) => "Writable".to_owned(),
                Event::Urgent(_) => "Urgent".to_owned(),
                Event::Alarm(_) => "Alarm".to_owned(),
                Event::Trouble(_) => "Trouble".to_owned(),
                Event::Closed(_, cause) => format!("Closed({cause:?})"),
                Event::Host(_) => "Host".to_owned(),
            });
        }
        told
    }

    pub(crate) fn stream(&mut self) -> Stream<'_> {
        let id = self.id.expect("there is a connection");
        self.stack.stream(id)
    }

    pub(crate) fn state(&mut self) -> State {
        self.stream().state()
    }

    /// The application writes so many bytes, all of which are taken.
    pub(crate) fn write(&mut self, len: usize) {
        assert_eq!(self.stream().write(Bytes::from(stream_bytes(0, len))), Ok(len));
    }

    /// The application reads all that there is.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(chunk) = self.stream().read() {
            all.extend(chunk);
        }
        all
    }

    /// How reading ends.
    pub(crate) fn read_end(&mut self) -> ReadError {
        self.read();
        self.stream().read().expect_err("everything was read")
    }

    pub(crate) fn drops(&self, drop: Drop) -> u64 {
        self.stack.drops().of(drop)
    }

    fn parse(&mut self, bytes: &[u8]) -> Said {
        let packet = Packet::parse(bytes).expect("the host's packets parse");
        assert_eq!((packet.header.src, packet.header.dst), (HOST, PEER));
        assert_eq!((packet.header.protocol, packet.total_len), (protocol::TCP, bytes.len()));
        let bytes = &bytes[packet.header_len..];
        let Segment { header, options, header_len } =
            Segment::parse(HOST, PEER, bytes).expect("the host's segments parse");
        assert_eq!(header.src_port, PORT);
        if header.flags.has(Flags::SYN) {
            self.iss = header.seq;
        }
        let payload = bytes[header_len..].to_vec();
        let line = self.line(&header, &options, payload.len());
        Said { at: self.now, ip: packet.header, header, options, payload, line }
    }

    fn line(&self, header: &Header, options: &Options, len: usize) -> String {
        // Full segments are told without their PSH, which says where a burst ends.
        let untold = if len == MSS as usize { Flags::PSH.0 } else { 0 };
        let flags = Flags(header.flags.0 & !untold);
        let mut line = format!("{flags:?} {}+{len}", (header.seq - self.iss) as i32);
        if header.flags.has(Flags::ACK) {
            line += &format!(" ack {}", (header.ack - SeqNum(self.setup.irs)) as i32);
        }
        line += &format!(" win {}", header.window);
        if header.flags.has(Flags::URG) {
            line += &format!(" urg {}", header.urgent);
        }
        options.mss.into_iter().for_each(|mss| line += &format!(" mss {mss}"));
        options.window_scale.into_iter().for_each(|shift| line += &format!(" ws {shift}"));
        line
    }
}

/// `count` full segments from `seq` on, none of them the last of what is queued.
pub(crate) fn full_segments(seq: u32, count: u32) -> Vec<String> {
    (0..count).map(|n| format!("A {}+{MSS} ack 1 win 65535", seq + n * MSS)).collect()
}
