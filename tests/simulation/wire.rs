//! Frames read by somebody who shares no code with the stack: what is in them, and whether it is right.

use std::net::Ipv4Addr;

/// A TCP segment.
#[derive(Clone, Debug)]
pub(crate) struct Tcp {
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) mss: Option<u16>,
    pub(crate) shift: Option<u8>,
    pub(crate) takes_sack: bool,
    /// Blocks of SACK.
    pub(crate) sacks: Vec<(u32, u32)>,
    /// TSval.
    pub(crate) timestamp: Option<u32>,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

impl Tcp {
    /// Sequence numbers that it takes.
    pub(crate) fn len(&self) -> i64 {
        self.payload.len() as i64 + i64::from(self.has(FIN)) + i64::from(self.has(SYN))
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What a frame carries.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Arp { is_request: bool, is_broadcast: bool, sender: Ipv4Addr, target: Ipv4Addr },
    Tcp { src: Ipv4Addr, dst: Ipv4Addr, segment: Tcp },
    Other,
}

/// Why a frame is not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Fcs,
    Ethernet,
    Ipv4,
    TcpChecksum,
    TcpHeader,
}

/// Reads a frame addressed to `mac`, or to anybody.
pub(crate) fn read(frame: &[u8], has_fcs: bool, mac: Option<[u8; 6]>) -> Result<Content, Damage> {
    let body = if has_fcs {
        let (body, fcs) = frame.split_last_chunk::<4>().ok_or(Damage::Fcs)?;
        if crc32fast::hash(body).to_le_bytes() != *fcs {
            return Err(Damage::Fcs);
        }
        body
    } else {
        frame
    };
    let (header, packet) = body.split_first_chunk::<14>().ok_or(Damage::Ethernet)?;
    let is_broadcast = header[..6] == [0xff; 6];
    let is_from_group = header[6] & 1 == 1;
    if is_from_group || mac.is_some_and(|mac| header[..6] != mac && !is_broadcast) {
        return Err(Damage::Ethernet);
    }
    match [header[12], header[13]] {
        [8, 0] => read_ipv4(packet),
        [8, 6] if packet.len() >= 28 => Ok(Content::Arp {
            is_request: packet[7] == 1,
            is_broadcast,
            sender: address(&packet[14..18]),
            target: address(&packet[24..28]),
        }),
        _ => Err(Damage::Ethernet),
    }
}

fn read_ipv4(packet: &[u8]) -> Result<Content, Damage> {
    let is_whole = packet.len() >= 20 && packet[0] == 0x45 && sum(0, &packet[..20]) == 0xffff;
    let total = if is_whole { usize::from(be16(packet, 2)) } else { 0 };
    if !(20..=packet.len()).contains(&total) {
        return Err(Damage::Ipv4);
    }
    let (src, dst) = (address(&packet[12..16]), address(&packet[16..20]));
    if packet[9] != 6 {
        return Ok(Content::Other);
    }
    let bytes = &packet[20..total];
    let pseudo = sum(6 + bytes.len() as u32, &packet[12..20]);
    if bytes.len() < 20 || sum(pseudo, bytes) != 0xffff {
        return Err(Damage::TcpChecksum);
    }
    let header_len = usize::from(bytes[12] >> 4) * 4;
    if !(20..=bytes.len()).contains(&header_len) {
        return Err(Damage::TcpHeader);
    }
    let mut segment = Tcp {
        src_port: be16(bytes, 0),
        dst_port: be16(bytes, 2),
        seq: be32(bytes, 4),
        ack: be32(bytes, 8),
        flags: bytes[13],
        window: be16(bytes, 14),
        mss: None,
        shift: None,
        takes_sack: false,
        sacks: Vec::new(),
        timestamp: None,
        payload: bytes[header_len..].to_vec(),
    };
    read_options(&bytes[20..header_len], &mut segment)?;
    Ok(Content::Tcp { src, dst, segment })
}

fn read_options(mut area: &[u8], segment: &mut Tcp) -> Result<(), Damage> {
    while let Some(&kind) = area.first() {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(*area.get(1).ok_or(Damage::TcpHeader)?),
        };
        if len == 0 || len > area.len() {
            return Err(Damage::TcpHeader);
        }
        match (kind, len) {
            (2, 4) => segment.mss = Some(be16(area, 2)),
            (3, 3) => segment.shift = Some(area[2].min(14)),
            (4, 2) => segment.takes_sack = true,
            (5, 10 | 18 | 26 | 34) => {
                segment.sacks = (2..len).step_by(8).map(|at| (be32(area, at), be32(area, at + 4))).collect();
            }
            (8, 10) => segment.timestamp = Some(be32(area, 2)),
            _ => {}
        }
        area = &area[len..];
    }
    Ok(())
}

/// The sum of RFC 1071, folded, on top of `start`.
fn sum(start: u32, bytes: &[u8]) -> u32 {
    let mut sum = u64::from(start);
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u32
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
