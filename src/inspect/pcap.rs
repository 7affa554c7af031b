//! The blocks of pcap and pcapng files, by the `pcap-parser` crate, as frames.

use pcap_parser::pcapng::{Block, InterfaceDescriptionBlock, parse_block_be, parse_block_le};
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};

use super::Framing;
use super::capture::{Direction, Frame, UnknownLinkType};
use super::hex::MAX_FRAME;
use crate::frame::Medium;

/// Where a file stands between its blocks.
pub(super) enum Blocks {
    /// A pcapng; the interfaces of the section so far.
    Ng { is_big_endian: bool, interfaces: Vec<Interface> },
    /// A pcap whose header has not been read.
    LegacyHeader,
    /// A pcap after its header.
    Legacy(PcapHeader),
}

/// What came of looking at the next bytes.
pub(super) enum Step {
    /// A frame, in so many bytes.
    Frame(Frame, usize),
    /// So many frames were lost to the capture so far, in so many bytes.
    Lost(u64, usize),
    /// So many bytes that hold no frame.
    Skip(usize),
    /// Not enough bytes.
    NeedMore,
    /// What is wrong.
    Damaged(String),
}

/// An interface of a pcapng.
pub(super) struct Interface {
    framing: Result<Framing, UnknownLinkType>,
    name: Option<String>,
    /// Units in a second.
    resolution: u64,
    offset: i64,
}

impl Blocks {
    /// Looks at the first bytes of a file; `None` if it is neither format.
    pub(super) fn begin(bytes: &[u8]) -> Option<Self> {
        match bytes.first_chunk()? {
            [0x0a, 0x0d, 0x0d, 0x0a] => Some(Self::Ng { is_big_endian: false, interfaces: Vec::new() }),
            [0xd4, 0xc3, 0xb2, 0xa1] | [0xa1, 0xb2, 0xc3, 0xd4] => Some(Self::LegacyHeader),
            [0x4d, 0x3c, 0xb2, 0xa1] | [0xa1, 0xb2, 0x3c, 0x4d] => Some(Self::LegacyHeader),
            _ => None,
        }
    }

    /// Takes the next block.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Self::Ng { is_big_endian, interfaces } => ng(bytes, is_big_endian, interfaces),
            Self::LegacyHeader => match parse_pcap_header(bytes) {
                Ok((rest, header)) => {
                    *self = Self::Legacy(header);
                    Step::Skip(bytes.len() - rest.len())
                }
                Err(error) => from_nom(error),
            },
            Self::Legacy(header) => {
                let parse = if header.is_bigendian() { parse_pcap_frame_be } else { parse_pcap_frame };
                let (rest, block) = match parse(bytes) {
                    Ok(parsed) => parsed,
                    Err(error) => return from_nom(error),
                };
                let unit = if header.is_nanosecond_precision() { 1 } else { 1000 };
                let time = u64::from(block.ts_sec) * 1_000_000_000 + u64::from(block.ts_usec) * unit;
                let frame = Frame {
                    bytes: bounded(block.data),
                    original_len: block.origlen as usize,
                    framing: framing_of_header(header.network.0),
                    time: Some(time),
                    direction: None,
                    interface: None,
                };
                Step::Frame(frame, bytes.len() - rest.len())
            }
        }
    }
}

/// No link has frames as long as a capture may claim; what is beyond counts as cut.
fn bounded(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(MAX_FRAME)].to_vec()
}

fn ng(bytes: &[u8], is_big_endian: &mut bool, interfaces: &mut Vec<Interface>) -> Step {
    let parse = if *is_big_endian { parse_block_be } else { parse_block_le };
    let (rest, block) = match parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return from_nom(error),
    };
    let len = bytes.len() - rest.len();
    match block {
        Block::SectionHeader(section) => {
            *is_big_endian = section.big_endian();
            interfaces.clear();
        }
        Block::InterfaceDescription(description) => {
            interfaces.push(Interface::new(&description, *is_big_endian));
        }
        Block::EnhancedPacket(packet) => {
            let Some(interface) = interfaces.get(packet.if_id as usize) else {
                return Step::Damaged(format!(
                    "a frame of interface {}, which is not described",
                    packet.if_id
                ));
            };
            let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            let flags = packet.options.iter().find(|option| option.code.0 == 2);
            let flags = flags.and_then(|option| number(&option.value, *is_big_endian));
            let frame = Frame {
                bytes: bounded(packet.packet_data()),
                original_len: packet.origlen as usize,
                framing: interface.framing,
                time: interface.time(ticks),
                direction: flags.and_then(|flags| match flags & 3 {
                    1 => Some(Direction::In),
                    2 => Some(Direction::Out),
                    _ => None,
                }),
                interface: interface.name.clone(),
            };
            return Step::Frame(frame, len);
        }
        Block::SimplePacket(packet) => {
            let Some(interface) = interfaces.first() else {
                return Step::Damaged("a frame before any interface is described".to_owned());
            };
            let frame = Frame {
                bytes: bounded(packet.packet_data()),
                original_len: packet.origlen as usize,
                framing: interface.framing,
                time: None,
                direction: None,
                interface: interface.name.clone(),
            };
            return Step::Frame(frame, len);
        }
        Block::InterfaceStatistics(statistics) => {
            // isb_ifdrop.
            let dropped = statistics.options.iter().find(|o| o.code.0 == 5);
            let bytes = dropped.and_then(|o| o.value.first_chunk().copied());
            let number = if *is_big_endian { u64::from_be_bytes } else { u64::from_le_bytes };
            return Step::Lost(bytes.map_or(0, number), len);
        }
        _ => {}
    }
    Step::Skip(len)
}

/// The first four bytes of an option as a number.
fn number(value: &[u8], is_big_endian: bool) -> Option<u32> {
    let bytes = value.first_chunk().copied()?;
    Some(if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

impl Interface {
    fn new(description: &InterfaceDescriptionBlock<'_>, is_big_endian: bool) -> Self {
        // Its code is 13 (draft-ietf-opsawg-pcapng, 4.2).
        let fcs_len =
            description.options.iter().find(|o| o.code.0 == 13).and_then(|o| o.value.first().copied());
        let offset = description.options.iter().find(|o| o.code.0 == 14).and_then(|o| {
            let bytes = o.value.first_chunk().copied()?;
            Some(if is_big_endian { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) })
        });
        Self {
            framing: framing(description.linktype.0, fcs_len.map(|len| len != 0)),
            name: description.if_name().and_then(Result::ok).map(str::to_owned),
            resolution: description.ts_resolution().filter(|&r| r != 0).unwrap_or(1_000_000),
            offset: offset.unwrap_or(0),
        }
    }

    /// Nanoseconds since 1970 of a time in this interface's units.
    fn time(&self, ticks: u64) -> Option<u64> {
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(self.resolution);
        u64::try_from(nanos + i128::from(self.offset) * 1_000_000_000).ok()
    }
}

/// The link type field of a pcap header: its upper bits may tell the length of the FCS.
fn framing_of_header(network: i32) -> Result<Framing, UnknownLinkType> {
    let bits = network as u32;
    let is_told = bits & 0x0400_0000 != 0;
    framing((bits & 0xffff) as i32, is_told.then_some(bits >> 28 != 0))
}

fn framing(link_type: i32, has_fcs: Option<bool>) -> Result<Framing, UnknownLinkType> {
    match (link_type, has_fcs) {
        (1, Some(fcs)) => Ok(Framing::Known(Medium::Ethernet { fcs })),
        (1, None) => Ok(Framing::Ethernet),
        (101 | 12 | 14 | 228, _) => Ok(Framing::Known(Medium::Ip)),
        (other, _) => Err(UnknownLinkType(other)),
    }
}

fn from_nom<E: std::fmt::Debug>(error: pcap_parser::nom::Err<E>) -> Step {
    match error {
        pcap_parser::nom::Err::Incomplete(_) => Step::NeedMore,
        pcap_parser::nom::Err::Error(_) | pcap_parser::nom::Err::Failure(_) => {
            Step::Damaged("a block that is none".to_owned())
        }
    }
}
