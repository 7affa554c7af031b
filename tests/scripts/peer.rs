//! The peer's pen: packets from what a script says, and what a script would say from packets.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use taphouse::wire::checksum::Sum;
use taphouse::wire::icmpv4::{self, Message};
use taphouse::wire::ipv4::{self, Packet, protocol};
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{CHECKSUM_AT, Flags, HEADER_LEN, Header, Segment as Parsed};
use taphouse::wire::tcp_options::Options;

use super::script::{Choice, End, Icmp, Segment};

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The host's port where a line names none.
pub(crate) const PORT: u16 = 80;
/// The peer's port where a line names none.
pub(crate) const PEER_PORT: u16 = 50_000;

/// From where the numbers of a flow are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    /// The host's initial sequence number; zero until its SYN was seen.
    pub(crate) iss: SeqNum,
    /// The peer's.
    pub(crate) irs: SeqNum,
}

impl Origins {
    fn of_host(self, n: i64) -> SeqNum {
        SeqNum(self.iss.0.wrapping_add(n as u32))
    }
    fn of_peer(self, n: i64) -> SeqNum {
        SeqNum(self.irs.0.wrapping_add(n as u32))
    }
    pub(crate) fn host_number(self, n: SeqNum) -> i64 {
        i64::from((n - self.iss) as i32)
    }
    pub(crate) fn peer_number(self, n: SeqNum) -> i64 {
        i64::from((n - self.irs) as i32)
    }
}

/// A byte of either stream tells where it stands, counted from its SYN.
pub(crate) fn stream(from: i64, len: usize) -> Vec<u8> {
    (from..from + len as i64).map(|n| n.rem_euclid(251) as u8).collect()
}

/// The bytes of the peer's options, with the values of its timestamps.
pub(crate) fn option_bytes(options: &[Choice], origins: Origins, stamps: Option<(u32, u32)>) -> Vec<u8> {
    let mut out = Vec::new();
    for option in options {
        match option {
            Choice::Mss(mss) => {
                out.extend([2, 4]);
                out.extend((mss.least as u16).to_be_bytes());
            }
            Choice::WindowScale(shift) => out.extend([3, 3, shift.least as u8]),
            Choice::SackPermitted => out.extend([4, 2]),
            Choice::Sack(blocks) => {
                let blocks = blocks.as_deref().unwrap_or_default();
                out.extend([5, 2 + 8 * blocks.len() as u8]);
                for &(left, right) in blocks {
                    out.extend(origins.of_host(left).0.to_be_bytes());
                    out.extend(origins.of_host(right).0.to_be_bytes());
                }
            }
            Choice::Timestamps(..) => {
                let (value, echo) = stamps.unwrap_or_default();
                out.extend([8, 10]);
                out.extend(value.to_be_bytes());
                out.extend(echo.to_be_bytes());
            }
            Choice::Raw(bytes) => out.extend(bytes),
            Choice::Absent(_) => {}
        }
    }
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// The IP packet of a segment that the peer sends.
pub(crate) fn packet(segment: &Segment, origins: Origins, stamps: Option<(u32, u32)>) -> Vec<u8> {
    let (seq, end) = segment.seq.unwrap_or((0, End::At(0)));
    let len = if let End::At(end) = end { (end - seq) as usize } else { 0 };
    let header = Header {
        src_port: segment.peer.unwrap_or(PEER_PORT),
        dst_port: segment.port.unwrap_or(PORT),
        seq: origins.of_peer(seq),
        ack: segment.ack.map_or(SeqNum(0), |ack| origins.of_host(ack.least)),
        flags: segment.flags,
        window: segment.window.map_or(65_535, |w| w.least as u16),
        urgent: segment.urgent.unwrap_or(0),
    };
    let options = option_bytes(&segment.options, origins, stamps);
    let mut bytes = vec![0; HEADER_LEN];
    header.emit(&Options::default(), &mut bytes);
    bytes[12] = (((HEADER_LEN + options.len()) / 4) as u8) << 4;
    bytes.extend(options);
    let payload = stream(seq + i64::from(segment.flags.has(Flags::SYN)), len);
    bytes.extend(payload.iter().map(|byte| if segment.is_garbled { !byte } else { *byte }));
    let sum = Sum::pseudo_header(PEER, HOST, protocol::TCP, bytes.len()).with(&bytes).finish();
    let sum = if segment.has_bad_checksum { !sum } else { sum };
    bytes[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    let ip = ipv4::Header {
        ecn: segment.ecn.unwrap_or(0),
        ttl: segment.ttl.unwrap_or(64),
        dont_fragment: segment.dont_fragment.unwrap_or(true),
        ..ipv4::Header::new(protocol::TCP, PEER, HOST)
    };
    let mut packet = datagram(&ip, &bytes);
    packet[10] ^= u8::from(segment.has_bad_ip_checksum);
    packet
}

/// The IP packet of an ICMP error about a segment of the host.
pub(crate) fn icmp_packet(icmp: &Icmp, origins: Origins) -> Vec<u8> {
    let mut quote = vec![0; ipv4::HEADER_LEN];
    let ip = ipv4::Header::new(protocol::TCP, HOST, PEER);
    ip.emit(HEADER_LEN + icmp.payload_len, quote.first_chunk_mut().expect("made with this length"));
    quote.extend(icmp.port.unwrap_or(PORT).to_be_bytes());
    quote.extend(icmp.peer.unwrap_or(PEER_PORT).to_be_bytes());
    quote.extend(origins.of_host(icmp.seq).0.to_be_bytes());
    let mut bytes = vec![icmp.kind, icmp.code, 0, 0, 0, 0];
    bytes.extend(icmp.mtu.to_be_bytes());
    bytes.extend(quote);
    let sum = Sum::default().with(&bytes).finish();
    let sum = if icmp.has_bad_checksum { !sum } else { sum };
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    debug_assert!(icmp.has_bad_checksum || Message::parse(&bytes).is_ok());
    debug_assert!(bytes.len() > icmpv4::HEADER_LEN);
    datagram(&ipv4::Header::new(protocol::ICMP, PEER, HOST), &bytes)
}

fn datagram(header: &ipv4::Header, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; ipv4::HEADER_LEN];
    header.emit(payload.len(), packet.first_chunk_mut().expect("made with this length"));
    packet.extend(payload);
    packet
}

/// A segment that left the host.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) ip: ipv4::Header,
    pub(crate) header: Header,
    pub(crate) options: Options,
    pub(crate) payload: Vec<u8>,
}

/// A segment in a packet.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn read(bytes: &[u8], src: Ipv4Addr, dst: Ipv4Addr) -> Result<Seen, String> {
    let packet = Packet::parse(bytes).map_err(|drop| format!("a packet that is {}", drop.name()))?;
    let ip = packet.header;
    if (ip.src, ip.dst, packet.total_len) != (src, dst, bytes.len()) {
        return Err(format!("a packet of {} bytes: {ip:?}", bytes.len()));
    }
    if ip.protocol != protocol::TCP {
        return Err(format!("a packet of protocol {}: {:02x?}", ip.protocol, &bytes[packet.header_len..]));
    }
    let bytes = &bytes[packet.header_len..];
    let Parsed { header, options, header_len } =
        Parsed::parse(src, dst, bytes).map_err(|drop| format!("a segment that is {}", drop.name()))?;
    Ok(Seen { ip, header, options, payload: bytes[header_len..].to_vec() })
}

impl Seen {
    /// As a script says it. `by_host` tells whose numbers are whose.
    pub(crate) fn describe(&self, origins: Origins, by_host: bool) -> String {
        let relative =
            |own: bool, n| if own == by_host { origins.host_number(n) } else { origins.peer_number(n) };
        let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        let flags: Vec<_> = names
            .iter()
            .enumerate()
            .filter(|(i, _)| self.header.flags.0 >> i & 1 == 1)
            .map(|(_, n)| *n)
            .collect();
        let mut line = if flags.is_empty() { "none".to_owned() } else { flags.join(" ") };
        let seq = relative(true, self.header.seq);
        write!(line, " seq {seq}").expect("strings grow");
        if !self.payload.is_empty() {
            write!(line, ":{}", seq + self.payload.len() as i64).expect("strings grow");
        }
        if self.header.flags.has(Flags::ACK) {
            write!(line, " ack {}", relative(false, self.header.ack)).expect("strings grow");
        }
        write!(line, " win {}", self.header.window).expect("strings grow");
        if self.header.flags.has(Flags::URG) {
            write!(line, " urg {}", self.header.urgent).expect("strings grow");
        }
        let port = if by_host {
            (self.header.dst_port, self.header.src_port)
        } else {
            (self.header.src_port, self.header.dst_port)
        };
        if port.0 != PEER_PORT {
            write!(line, " peer {}", port.0).expect("strings grow");
        }
        if port.1 != PORT {
            write!(line, " port {}", port.1).expect("strings grow");
        }
        line += ["", " ect1", " ect0", " ce"][usize::from(self.ip.ecn)];
        let options = self.describe_options(|n| relative(false, n));
        if options.is_empty() { line } else { format!("{line} <{}>", options.join(", ")) }
    }

    fn describe_options(&self, relative: impl Fn(SeqNum) -> i64) -> Vec<String> {
        let Options { mss, window_scale, sack_permitted, sack, timestamps } = self.options;
        let mut all = Vec::new();
        all.extend(mss.map(|mss| format!("mss {mss}")));
        all.extend(sack_permitted.then(|| "sackOK".to_owned()));
        all.extend(timestamps.map(|(value, echo)| format!("ts {value} {echo}")));
        all.extend(window_scale.map(|shift| format!("wscale {shift}")));
        if !sack.as_slice().is_empty() {
            let blocks = sack.as_slice().iter().map(|(l, r)| format!(" {}:{}", relative(*l), relative(*r)));
            all.push(format!("sack{}", blocks.collect::<String>()));
        }
        all
    }
}
