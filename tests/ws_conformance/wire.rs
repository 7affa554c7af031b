//! Frames written as a peer writes them, and a strict reader of what comes back. RFC 6455 5.2, RFC 7692 7.2.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use taphouse::ws::{Agreement, Role};

/// That of the examples of RFC 6455 5.7.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a flushed block ends with, and a frame leaves out.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// First bytes of frames: FIN, the reserved bits and the opcode.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// The first frame of several.
pub(crate) const TEXT_BEGINS: u8 = 0x01;
pub(crate) const BINARY_BEGINS: u8 = 0x02;
/// One in between, and the last.
pub(crate) const MORE: u8 = 0x00;
pub(crate) const LAST: u8 = 0x80;
/// Compressed, where that was agreed upon.
pub(crate) const RSV1: u8 = 0x40;

/// What a peer sends, written as short as its topic allows.
#[derive(Clone, Copy)]
pub(crate) enum Sent {
    /// A frame of this first byte and content, masked if a client sends it.
    Frame(u8, &'static [u8]),
    /// One of so many of these bytes.
    Filled(u8, u8, usize),
    /// The first bytes of a frame that announces so many.
    Part(u8, usize, &'static [u8]),
    /// A Close frame.
    Close(u16, &'static [u8]),
    /// These very bytes.
    Bytes(&'static [u8]),
    /// Made when it is needed, where it is long.
    Made(fn() -> Vec<u8>),
}

impl Sent {
    pub(crate) fn bytes(self, to: Role) -> Vec<u8> {
        let mask = (to == Role::Server).then_some(MASK);
        match self {
            Self::Frame(first, content) => frame(first, mask, content.len(), content),
            Self::Filled(first, byte, len) => frame(first, mask, len, &vec![byte; len]),
            Self::Part(first, len, content) => frame(first, mask, len, content),
            Self::Close(code, reason) => {
                let content = [&code.to_be_bytes()[..], reason].concat();
                frame(CLOSE, mask, content.len(), &content)
            }
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Made(make) => make(),
        }
    }
}

/// A frame of a client.
pub(crate) fn masked(first: u8, content: &[u8]) -> Vec<u8> {
    frame(first, Some(MASK), content.len(), content)
}

fn frame(first: u8, mask: Option<[u8; 4]>, len: usize, content: &[u8]) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match len {
        0..126 => out.push(bit | len as u8),
        126..65_536 => {
            out.push(bit | 126);
            out.extend((len as u16).to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    out.extend(content.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    out
}

/// A message compressed by itself, as the content of a frame.
pub(crate) fn squeeze(data: &[u8]) -> Vec<u8> {
    let mut codec = Compress::new(Compression::fast(), false);
    let mut out = Vec::with_capacity(data.len() + data.len() / 8 + 64);
    codec.compress_vec(data, &mut out, FlushCompress::Sync).expect("there is room");
    assert!(out.ends_with(&TAIL), "a flushed block ends so");
    out.truncate(out.len() - TAIL.len());
    out
}

/// What was said: a message as a whole, or a control frame.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut show = |what: &str, data: &[u8]| {
            let start = data[..data.len().min(40)].escape_ascii();
            write!(f, "{what}({} bytes: {start})", data.len())
        };
        match self {
            Self::Text(data) => show("Text", data),
            Self::Binary(data) => show("Binary", data),
            Self::Ping(data) => show("Ping", data),
            Self::Pong(data) => show("Pong", data),
            Self::Close(code, reason) => write!(f, "Close({code:?}, {reason:?})"),
        }
    }
}

/// What was said, and how.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) said: Vec<Said>,
    /// Messages that were compressed.
    pub(crate) squeezed: usize,
    /// The masks of all frames, in order.
    pub(crate) masks: Vec<[u8; 4]>,
    /// Frames of messages.
    pub(crate) frames: usize,
}

struct Frame<'a> {
    first: u8,
    mask: Option<[u8; 4]>,
    content: &'a [u8],
}

/// Takes the next frame, which must be whole.
fn take_frame<'a>(wire: &mut &'a [u8]) -> Result<Frame<'a>, String> {
    let mut take = |len: usize| -> Result<&'a [u8], String> {
        let (part, rest) = wire.split_at_checked(len).ok_or("a frame that is cut off")?;
        *wire = rest;
        Ok(part)
    };
    let head = take(2)?;
    let (first, second) = (head[0], head[1]);
    let number = |bytes: &[u8]| bytes.iter().fold(0usize, |n, &byte| n << 8 | usize::from(byte));
    let (len, least) = match second & 0x7f {
        126 => (number(take(2)?), 126),
        127 => (number(take(8)?), 65_536),
        short => (usize::from(short), 0),
    };
    if len < least {
        return Err(format!("{len} bytes, and not in the shortest form"));
    }
    let mask = if second & 0x80 == 0 { None } else { take(4)?.try_into().ok() };
    Ok(Frame { first, mask, content: take(len)? })
}

/// Reads all that `from` said on the wire.
pub(crate) fn read(mut wire: &[u8], from: Role, agreed: Option<Agreement>) -> Result<Transcript, String> {
    let window = agreed.map(|a| match from {
        Role::Server => (a.server_window_bits, a.server_takeover),
        Role::Client => (a.client_window_bits, a.client_takeover),
    });
    let new = |bits: u8| Decompress::new_with_window_bits(false, bits.max(9));
    let mut codec = window.map(|(bits, _)| new(bits));
    let mut out = Transcript::default();
    // The first byte of the message's first frame, and its content so far.
    let mut message: Option<(u8, Vec<u8>)> = None;
    while !wire.is_empty() {
        if matches!(out.said.last(), Some(Said::Close(..))) {
            return Err("something behind a Close frame (RFC 6455 5.5.1)".to_owned());
        }
        let Frame { first, mask, content } = take_frame(&mut wire)?;
        if mask.is_some() != (from == Role::Client) {
            return Err("a mask of a server, or none of a client (RFC 6455 5.1)".to_owned());
        }
        out.masks.extend(mask);
        let mask = mask.unwrap_or_default();
        let content: Vec<_> = content.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
        if first & 0x30 != 0 || first & RSV1 != 0 && (agreed.is_none() || ![1, 2].contains(&(first & 0x0f))) {
            return Err(format!("a reserved bit in {first:#x}"));
        }
        if first & 0x08 != 0 {
            out.said.push(control(first, content)?);
            continue;
        }
        out.frames += 1;
        let (begun, mut data) = match (first & 0x0f, message.take()) {
            (0, Some(message)) => message,
            (1 | 2, None) => (first, Vec::new()),
            (opcode, _) => return Err(format!("opcode {opcode} out of place")),
        };
        data.extend(content);
        if first & 0x80 == 0 {
            message = Some((begun, data));
            continue;
        }
        if begun & RSV1 != 0 {
            let (bits, takeover) = window.expect("it was agreed upon");
            out.squeezed += 1;
            data = inflate(codec.as_mut().expect("it was agreed upon"), &data)?;
            codec = codec.filter(|_| takeover).or_else(|| Some(new(bits)));
        }
        out.said.push(if begun & 0x0f == 1 { text(data)? } else { Said::Binary(data) });
    }
    // RFC 6455 5.4: a Close frame may come within a message, and then nothing follows.
    let is_closed = matches!(out.said.last(), Some(Said::Close(..)));
    if message.is_some() && !is_closed { Err("a message without an end".to_owned()) } else { Ok(out) }
}

fn text(data: Vec<u8>) -> Result<Said, String> {
    if std::str::from_utf8(&data).is_err() {
        return Err("a text that is none".to_owned());
    }
    Ok(Said::Text(data))
}

fn control(first: u8, content: Vec<u8>) -> Result<Said, String> {
    if first & 0x80 == 0 || content.len() > 125 {
        return Err("a control frame that is too long, or in fragments".to_owned());
    }
    match (first & 0x0f, &content[..]) {
        (9, _) => Ok(Said::Ping(content)),
        (10, _) => Ok(Said::Pong(content)),
        (8, []) => Ok(Said::Close(None, String::new())),
        (8, [high, low, reason @ ..]) => {
            let reason = std::str::from_utf8(reason).map_err(|_| "a reason that is no text")?;
            Ok(Said::Close(Some(u16::from_be_bytes([*high, *low])), reason.to_owned()))
        }
        _ => Err(format!("an odd control frame {first:#x}")),
    }
}

/// RFC 7692 7.2.2, with a window no larger than was agreed upon.
fn inflate(codec: &mut Decompress, content: &[u8]) -> Result<Vec<u8>, String> {
    let whole = [content, &TAIL[..]].concat();
    let (mut input, mut out) = (&whole[..], Vec::new());
    loop {
        out.reserve(64 << 10);
        let (taken, made) = (codec.total_in(), out.len());
        codec
            .decompress_vec(input, &mut out, FlushDecompress::Sync)
            .map_err(|e| format!("compressed: {e}"))?;
        let taken = (codec.total_in() - taken) as usize;
        input = &input[taken..];
        if input.is_empty() && out.len() < out.capacity() {
            return Ok(out);
        }
        if taken == 0 && out.len() == made {
            return Err("compressed data that is none".to_owned());
        }
    }
}
