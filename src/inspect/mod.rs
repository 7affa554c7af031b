//! Frames made readable for people: taken apart leniently, named as the field names them, drawn as boxes in boxes.
//!
//! ```text
//! capture::Reader (pcap, pcapng, hex) -> Captured -> dissect() -> Dissection -> boxes::draw | json::line
//! ```
//!
//! The stack's own parsers (`wire`) refuse what is wrong; [`dissect`] shows what is there, as far as it goes, and
//! says what is wrong with it. Keys are the names of Wireshark's display filters, so that both can be compared.
//!
//! Bodies and credentials are left out unless [`Secrecy::Shown`] is asked for. Left out: reassembly of fragments and
//! of streams. A frame is explained by itself, so an HTTP head that began in an earlier segment is data.

pub mod boxes;
pub mod capture;
mod cover;
mod hex;
pub mod json;
mod key;
mod link_layer;
mod message;
mod network;
mod pcap;
mod transport;
pub mod value;

pub use key::{Key, Language};
pub use value::{Field, Remark, Value, Verdict};

use crate::frame::Medium;

/// A frame as a capture holds it.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// Bytes it had on the link; more than `bytes` when it was cut.
    pub original_len: usize,
    /// What it begins with.
    pub medium: Framing,
}

/// What a frame begins and ends with, as far as its capture tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As a link says of itself.
    Known(Medium),
    /// Ethernet, and nobody said whether an FCS is there: it is, if the last four bytes happen to be one.
    Ethernet,
}

/// Whether bodies and credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Only how long they are.
    Hidden,
    /// As they are.
    Shown,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names")]
pub enum Protocol {
    Ethernet,
    Arp,
    Ipv4,
    Icmp,
    Udp,
    Tcp,
    Http,
    Tls,
    /// What is not taken apart further.
    Data,
}

impl Protocol {
    /// The name in JSON, which is Wireshark's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "eth",
            Self::Arp => "arp",
            Self::Ipv4 => "ip",
            Self::Icmp => "icmp",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Data => "data",
        }
    }
}

/// One box: a header with its fields, and what stands behind the payload.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Whose header it is.
    pub protocol: Protocol,
    /// Quoted by an ICMP error: part of a packet that went the other way.
    pub is_quoted: bool,
    /// Where it begins in the frame.
    pub offset: usize,
    /// The fields, in the order of the wire.
    pub fields: Vec<Field>,
    /// What is behind the payload: padding, the FCS.
    pub trailer: Vec<Field>,
    /// What is wrong or noteworthy about the whole.
    pub remarks: Vec<Remark>,
}

impl Layer {
    fn new(protocol: Protocol, offset: usize) -> Self {
        Self {
            protocol,
            is_quoted: false,
            offset,
            fields: Vec::new(),
            trailer: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn add(&mut self, key: Key, value: Value) {
        self.fields.push(Field { key, value, remark: None });
    }

    fn add_with(&mut self, key: Key, value: Value, remark: Option<Remark>) {
        self.fields.push(Field { key, value, remark });
    }

    /// The field of this key, if it is there.
    pub fn field(&self, key: Key) -> Option<&Value> {
        self.fields.iter().chain(&self.trailer).find(|f| f.key == key).map(|f| &f.value)
    }
}

/// A frame taken apart: the layers from the outside in.
#[derive(Clone, Debug)]
pub struct Dissection {
    /// The boxes. Each holds the next.
    pub layers: Vec<Layer>,
    /// Bytes of the frame that were not captured.
    pub cut: usize,
}

/// Takes a frame apart, as far as it goes.
pub fn dissect(frame: &Captured<'_>, secrecy: Secrecy) -> Dissection {
    let cut = frame.original_len.saturating_sub(frame.bytes.len());
    let mut out = Dissection { layers: Vec::new(), cut };
    let mut context = Context { secrecy, is_quoted: false, layers: &mut out.layers };
    let known = Part { bytes: frame.bytes, at: 0, cut };
    match frame.medium {
        Framing::Known(Medium::Ip) => {
            network::ipv4(&mut context, known);
        }
        Framing::Known(Medium::Ethernet { fcs }) => link_layer::ethernet(&mut context, known, Some(fcs)),
        Framing::Ethernet => link_layer::ethernet(&mut context, known, None),
    }
    out
}

/// What dissectors share.
struct Context<'a> {
    secrecy: Secrecy,
    is_quoted: bool,
    layers: &'a mut Vec<Layer>,
}

impl Context<'_> {
    fn push(&mut self, mut layer: Layer) {
        layer.is_quoted = self.is_quoted;
        self.layers.push(layer);
    }
}

/// Bytes of a frame, where they begin in it, and how many more the capture left out behind them.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    at: usize,
    cut: usize,
}

impl<'a> Part<'a> {
    /// What follows the first `len` bytes.
    fn after(self, len: usize) -> Self {
        let here = len.min(self.bytes.len());
        Self { bytes: &self.bytes[here..], at: self.at + here, cut: self.cut.saturating_sub(len - here) }
    }

    /// The first `len` bytes, and what was cut off them.
    fn first(self, len: usize) -> Self {
        let here = len.min(self.bytes.len());
        Self { bytes: &self.bytes[..here], at: self.at, cut: self.cut.min(len - here) }
    }

    /// Bytes of it, whether captured or not.
    fn full_len(self) -> usize {
        self.bytes.len() + self.cut
    }

    fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    /// What to say of a header of `need` bytes that is not all here.
    fn shortfall(self, need: usize) -> Option<Remark> {
        if self.bytes.len() >= need {
            None
        } else if self.full_len() >= need {
            Some(Remark::Cut)
        } else {
            Some(Remark::EndsEarly { need, have: self.full_len() })
        }
    }
}

#[cfg(test)]
mod tests;
