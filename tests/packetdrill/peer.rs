//! The peer: packets built and read by hand, in sequence numbers counted from either side's SYN.

use std::net::{Ipv4Addr, SocketAddrV4};

use taphouse::wire::checksum::Sum;
use taphouse::wire::ipv4::{self, Packet, protocol};
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{CHECKSUM_AT, Flags, HEADER_LEN, Header, Segment};
use taphouse::wire::tcp_options::Options;

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
/// The port of the host, where it listens.
pub(crate) const PORT: u16 = 8080;
const LETTERS: &str = "FSRPAU";

/// The peer of one connection.
pub(crate) struct Peer {
    isn: SeqNum,
    /// The host's, once its SYN was read.
    host_isn: SeqNum,
    host_port: u16,
}

impl Default for Peer {
    fn default() -> Self {
        Self::new(SeqNum(0x1000_0000))
    }
}

/// A segment for the host.
pub(crate) struct Seg {
    flags: Flags,
    seq: u32,
    ack: u32,
    mss: Option<u16>,
    data: Vec<u8>,
}

/// A segment with flags as letters of `FSRPAU`.
pub(crate) fn seg(flags: &str, seq: u32, ack: u32) -> Seg {
    let bits = flags.chars().map(|c| 1 << LETTERS.find(c).expect("a flag"));
    Seg { flags: Flags(bits.sum()), seq, ack, mss: None, data: Vec::new() }
}

impl Seg {
    pub(crate) fn mss(mut self, mss: u16) -> Self {
        self.mss = Some(mss);
        self
    }

    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self
    }
}

/// A segment of the host.
pub(crate) struct Read {
    pub(crate) flags: String,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) mss: Option<u16>,
    pub(crate) payload: Vec<u8>,
}

impl Peer {
    /// A peer whose SYN has this number, and who knows only of the host's listener.
    pub(crate) fn new(isn: SeqNum) -> Self {
        Self { isn, host_isn: SeqNum(0), host_port: PORT }
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 50_000)
    }

    /// The bytes of a segment, checksums in place.
    pub(crate) fn packet(&self, seg: Seg) -> Vec<u8> {
        let (from, options) = (self.address(), Options { mss: seg.mss, ..Options::default() });
        let header = Header {
            src_port: from.port(),
            dst_port: self.host_port,
            seq: self.isn + seg.seq,
            ack: if seg.flags.has(Flags::ACK) { self.host_isn + seg.ack } else { SeqNum(0) },
            flags: seg.flags,
            window: 60_000,
            urgent: 0,
        };
        let mut tcp = vec![0; HEADER_LEN + options.len()];
        header.emit(&options, &mut tcp);
        tcp.extend(seg.data);
        let sum = Sum::pseudo_header(*from.ip(), HOST, protocol::TCP, tcp.len()).with(&tcp).finish();
        tcp[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
        let mut packet = vec![0; ipv4::HEADER_LEN];
        let ip = ipv4::Header::new(protocol::TCP, *from.ip(), HOST);
        ip.emit(tcp.len(), packet.first_chunk_mut().expect("made with this length"));
        packet.extend(tcp);
        packet
    }

    /// Reads a packet of the host, whose checksums must be right.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Read {
        let packet = Packet::parse(bytes).expect("a packet");
        assert_eq!(packet.total_len, bytes.len());
        assert_eq!((packet.header.src, packet.header.dst), (HOST, *self.address().ip()));
        let tcp = &bytes[packet.header_len..];
        let segment = Segment::parse(packet.header.src, packet.header.dst, tcp).expect("a segment");
        let header = segment.header;
        assert_eq!(header.dst_port, self.address().port());
        if header.flags.has(Flags::SYN) {
            (self.host_isn, self.host_port) = (header.seq, header.src_port);
        }
        let is_set = |n: &usize| header.flags.0 & (1 << *n) != 0;
        Read {
            flags: (0..LETTERS.len()).filter(is_set).map(|n| LETTERS.as_bytes()[n] as char).collect(),
            seq: header.seq - self.host_isn,
            ack: if header.flags.has(Flags::ACK) { header.ack - self.isn } else { 0 },
            mss: segment.options.mss,
            payload: tcp[segment.header_len..].to_vec(),
        }
    }
}
