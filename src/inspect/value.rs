//! What a field holds, and what there is to say about it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::Key;
use super::key::Language;
use crate::wire::ethernet::Mac;

/// A field with its value.
#[derive(Clone, Debug)]
pub struct Field {
    /// Which.
    pub key: Key,
    /// What it holds.
    pub value: Value,
    /// What is wrong or noteworthy about it.
    pub remark: Option<Remark>,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, with what it means or is measured in.
    Number(u64, &'static str),
    /// A number that is written in hexadecimal digits, with what it means.
    Hex {
        /// The number.
        value: u64,
        /// How many digits.
        digits: usize,
        /// What it means.
        meaning: &'static str,
    },
    /// Bits that have names.
    Flags {
        /// All bits.
        bits: u64,
        /// Hexadecimal digits to write them with.
        digits: usize,
        /// The names of those that are set.
        names: Vec<&'static str>,
    },
    /// A checksum or FCS with its judgement.
    Check {
        /// The value carried, if one is.
        value: Option<u64>,
        /// Hexadecimal digits to write it with.
        digits: usize,
        /// The judgement.
        verdict: Verdict,
    },
    /// A hardware address.
    Mac(Mac),
    /// An Internet address.
    Ip(Ipv4Addr),
    /// Text from the network. Whoever shows it must escape it.
    Text(String),
    /// A name with a text, as a header field of HTTP.
    Pair(String, Box<Self>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// So many bytes that are not shown.
    Hidden(usize),
}

/// What came of a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Good,
    /// It should be this.
    Bad(u64),
    /// It is the sum of the pseudo-header alone: left to the device, which was to complete it.
    Partial(u64),
    /// Not all that it covers was captured.
    Cut,
    /// Not all that it covers is in this frame: a fragment, or a quotation.
    Incomplete,
    /// The sender left it out (UDP: RFC 768).
    Unused,
    /// An FCS that the capture does not carry; on a wire it would be this.
    Computed(u64),
    /// An FCS that is not there, and cannot be computed.
    Absent,
}

/// What is wrong, or noteworthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts below say it")]
pub enum Remark {
    Cut,
    EndsEarly { need: usize, have: usize },
    GroupSource,
    GroupDestination,
    Broadcast,
    BadVersion,
    BadHeaderLength,
    LengthUnderHeader,
    LengthOver { there: usize },
    ReservedBit,
    LaterFragment,
    BadOption,
    PortZero,
    OddFlags,
    NotDecoded,
    Scaled { factor: u32 },
    FcsPadded,
    HeadUnfinished,
    ArpProbe,
    ArpAnnouncement,
}

impl Remark {
    /// It says that something is wrong, not only noteworthy.
    pub fn is_fault(self) -> bool {
        !matches!(
            self,
            Self::Cut
                | Self::GroupDestination
                | Self::Broadcast
                | Self::LaterFragment
                | Self::NotDecoded
                | Self::Scaled { .. }
                | Self::FcsPadded
                | Self::HeadUnfinished
                | Self::ArpProbe
                | Self::ArpAnnouncement
        )
    }

    /// For people.
    pub fn text(self, language: Language) -> String {
        let pick = |english: &str, korean: &str| language.pick(english, korean).to_owned();
        match self {
            Self::Cut => pick("the rest was not captured", "나머지는 캡처되지 않았음"),
            Self::EndsEarly { need, have } => match language {
                Language::English => format!("ends early: {have} of at least {need} bytes"),
                Language::Korean => format!("도중에 끝남: 최소 {need}바이트 중 {have}바이트"),
            },
            Self::GroupSource => pick(
                "a group address, which no station sends from",
                "그룹 주소: 어떤 장치의 출발지도 될 수 없음",
            ),
            Self::GroupDestination => pick("a group of stations", "장치 그룹"),
            Self::Broadcast => pick("every station", "모든 장치"),
            Self::BadVersion => pick("not version 4", "버전 4가 아님"),
            Self::BadHeaderLength => pick("no possible header length", "있을 수 없는 헤더 길이"),
            Self::LengthUnderHeader => pick("less than the header has", "헤더보다 짧음"),
            Self::LengthOver { there } => match language {
                Language::English => format!("more than the {there} bytes that are there"),
                Language::Korean => format!("실제로 있는 {there}바이트보다 김"),
            },
            Self::ReservedBit => pick("a reserved bit is set", "예약 비트가 설정됨"),
            Self::LaterFragment => pick(
                "a later part of its datagram; its header went ahead",
                "뒤쪽 단편: 상위 헤더는 앞선 단편에 있음",
            ),
            Self::BadOption => pick("an option with an impossible length", "있을 수 없는 옵션 길이"),
            Self::PortZero => pick("no port", "쓸 수 없는 포트"),
            Self::OddFlags => pick("no sender should combine these", "함께 쓸 수 없는 플래그 조합"),
            Self::NotDecoded => pick("not taken apart here", "여기서는 해석하지 않음"),
            Self::Scaled { factor } => match language {
                Language::English => format!("later windows count times {factor}"),
                Language::Korean => format!("이후의 윈도우 값 × {factor}"),
            },
            Self::FcsPadded => pick("after padding to 60 bytes", "60바이트로 채운 뒤의 값"),
            Self::HeadUnfinished => {
                pick("the head goes on in a later segment", "헤더가 다음 세그먼트로 이어짐")
            }
            Self::ArpProbe => {
                pick("a probe: is the target address free?", "주소 탐사: 대상 IP가 비어 있는가?")
            }
            Self::ArpAnnouncement => pick("an announcement of one's own address", "자기 주소 알림"),
        }
    }

    /// For scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::EndsEarly { .. } => "ends_early",
            Self::GroupSource => "group_source",
            Self::GroupDestination => "group_destination",
            Self::Broadcast => "broadcast",
            Self::BadVersion => "bad_version",
            Self::BadHeaderLength => "bad_header_length",
            Self::LengthUnderHeader => "length_under_header",
            Self::LengthOver { .. } => "length_over",
            Self::ReservedBit => "reserved_bit",
            Self::LaterFragment => "later_fragment",
            Self::BadOption => "bad_option",
            Self::PortZero => "port_zero",
            Self::OddFlags => "odd_flags",
            Self::NotDecoded => "not_decoded",
            Self::Scaled { .. } => "scaled",
            Self::FcsPadded => "fcs_padded",
            Self::HeadUnfinished => "head_unfinished",
            Self::ArpProbe => "arp_probe",
            Self::ArpAnnouncement => "arp_announcement",
        }
    }
}

impl Verdict {
    /// It says that something is wrong.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Bad(_))
    }

    /// For scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad(_) => "bad",
            Self::Partial(_) => "partial",
            Self::Cut | Self::Incomplete => "not_judged",
            Self::Unused => "unused",
            Self::Computed(_) => "computed",
            Self::Absent => "absent",
        }
    }

    /// The right value, where the one carried is not it.
    pub fn calculated(self) -> Option<u64> {
        match self {
            Self::Bad(right) | Self::Partial(right) | Self::Computed(right) => Some(right),
            _ => None,
        }
    }

    /// For people.
    pub fn text(self, language: Language, digits: usize) -> String {
        let pick = |english: &str, korean: &str| language.pick(english, korean).to_owned();
        match (self, language) {
            (Self::Good, _) => pick("right", "맞음"),
            (Self::Bad(right), Language::English) => format!("wrong, should be 0x{right:0digits$x}"),
            (Self::Bad(right), Language::Korean) => format!("틀림, 옳은 값은 0x{right:0digits$x}"),
            (Self::Partial(right), Language::English) => {
                format!("left to the device to complete, to 0x{right:0digits$x}")
            }
            (Self::Partial(right), Language::Korean) => {
                format!("장치가 완성할 값 (옳은 값은 0x{right:0digits$x})")
            }
            (Self::Cut, _) => pick("not judged: the frame was cut", "판정 안 함: 프레임이 잘려 있음"),
            (Self::Incomplete, _) => {
                pick("not judged: a part of what it covers", "판정 안 함: 대상의 일부만 있음")
            }
            (Self::Unused, _) => pick("not used by the sender", "보낸 쪽이 쓰지 않음"),
            (Self::Computed(value), Language::English) => {
                format!("0x{value:0digits$x} (computed; the capture has none)")
            }
            (Self::Computed(value), Language::Korean) => {
                format!("0x{value:0digits$x} (계산한 값, 캡처에는 없음)")
            }
            (Self::Absent, _) => pick("absent", "없음"),
        }
    }
}

impl Value {
    /// For people, on one line; text from the network is escaped.
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Number(n, "") => n.to_string(),
            Self::Number(n, meaning) => format!("{n} {}", unit(meaning, language)),
            Self::Hex { value, digits, meaning: "" } => format!("0x{value:0digits$x}"),
            Self::Hex { value, digits, meaning } => format!("0x{value:0digits$x} {meaning}"),
            Self::Flags { bits, digits, names } if names.is_empty() => format!("0x{bits:0digits$x}"),
            Self::Flags { bits, digits, names } => format!("0x{bits:0digits$x} {}", names.join(" ")),
            Self::Check { value: Some(value), digits, verdict } => {
                format!("0x{value:0digits$x} ({})", verdict.text(language, *digits))
            }
            Self::Check { value: None, digits, verdict } => verdict.text(language, *digits),
            Self::Mac(mac) => mac.to_string(),
            Self::Ip(ip) => ip.to_string(),
            Self::Text(text) => escape(text),
            Self::Pair(_, value) => value.text(language),
            Self::Bytes(bytes) => hex(bytes),
            Self::Hidden(n) => match language {
                Language::English => format!("{n} bytes, not shown"),
                Language::Korean => format!("{n}바이트, 표시하지 않음"),
            },
        }
    }
}

fn unit(word: &'static str, language: Language) -> &'static str {
    match word {
        "bytes" => language.pick("bytes", "바이트"),
        "hops" => language.pick("hops", "홉"),
        other => other,
    }
}

/// Bytes as pairs of hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes what is written");
        out
    })
}

/// Text from the network must not steer a terminal: controls and what turns the direction of writing are spelled out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// It would steer a terminal, or turn the direction of writing, or hide.
pub(super) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}
