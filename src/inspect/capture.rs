//! Reads frames from a pcap, a pcapng or hexadecimal text, as they come: a pipe is read while it is being written.

use std::fmt;
use std::io::{self, Read};

use super::hex::HexText;
use super::pcap::{Blocks, Step};
use super::{Captured, Framing};

/// A frame out of a capture, with what the capture says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What was captured.
    pub bytes: Vec<u8>,
    /// Bytes it had on the link.
    pub original_len: usize,
    /// What it begins with; an error for a link type that is not read here.
    pub framing: Result<Framing, UnknownLinkType>,
    /// Nanoseconds since 1970, if the capture has times.
    pub time: Option<u64>,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// The name of the interface, if the capture has it.
    pub interface: Option<String>,
}

impl Frame {
    /// To be dissected.
    ///
    /// # Errors
    /// Its link type is not read here.
    pub fn captured(&self) -> Result<Captured<'_>, UnknownLinkType> {
        let medium = self.framing?;
        Ok(Captured { bytes: &self.bytes, original_len: self.original_len, medium })
    }
}

/// Which way a frame went, seen from who captured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the capturing host.
    In,
    /// Away from it.
    Out,
}

/// A link type of the LINKTYPE registry that is neither Ethernet nor bare IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLinkType(pub i32);

impl fmt::Display for UnknownLinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self.0 {
            113 | 276 => "; capture on one interface instead of \"any\"",
            _ => "",
        };
        write!(f, "link type {} is neither Ethernet nor IPv4{hint}", self.0)
    }
}

/// Why no more frames come.
#[derive(Debug)]
pub enum Error {
    /// The input cannot be read.
    Io(io::Error),
    /// The input is no capture.
    Unknown(String),
    /// The capture ends in the middle of a frame.
    Truncated,
    /// The capture is damaged.
    Damaged(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Unknown(why) => write!(f, "is neither pcap, pcapng nor hexadecimal text ({why})"),
            Self::Truncated => f.write_str("ends in the middle of a frame"),
            Self::Damaged(what) => write!(f, "is damaged: {what}"),
        }
    }
}

impl std::error::Error for Error {}

/// How much is read at once.
const READ: usize = 64 << 10;
/// Bytes of the longest block or line; a longer one is damage.
const MAX_BLOCK: usize = 16 << 20;

/// Gives the frames of an input, whatever its format.
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    /// What of the buffer is taken.
    taken: usize,
    is_at_end: bool,
    format: Format,
    lost: u64,
}

enum Format {
    /// Not enough was read to tell.
    Unknown,
    Blocks(Blocks),
    Hex(HexText),
    /// Nothing more comes.
    Over,
}

impl<R: Read> Reader<R> {
    /// A reader that has read nothing yet.
    pub fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), taken: 0, is_at_end: false, format: Format::Unknown, lost: 0 }
    }

    /// The next frame, or `None` at the end. Waits for the input, as far as that waits.
    ///
    /// # Errors
    /// [`Error`]; nothing comes after it.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        let result = self.advance();
        if result.is_err() {
            self.format = Format::Over;
        }
        result
    }

    /// Frames that whoever captured them says he lost, so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn advance(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let rest = &self.buffer[self.taken..];
            match &mut self.format {
                Format::Over => return Ok(None),
                Format::Unknown if rest.len() >= 4 || self.is_at_end => match Blocks::begin(rest) {
                    Some(blocks) => self.format = Format::Blocks(blocks),
                    None => self.format = Format::Hex(HexText::default()),
                },
                Format::Unknown => self.fill()?,
                Format::Blocks(_) if rest.is_empty() && self.is_at_end => return Ok(None),
                Format::Blocks(blocks) => match blocks.step(rest) {
                    Step::Frame(frame, len) => {
                        self.taken += len;
                        return Ok(Some(frame));
                    }
                    Step::Skip(len) => self.taken += len,
                    Step::Lost(lost, len) => {
                        self.lost = lost;
                        self.taken += len;
                    }
                    Step::Damaged(what) => return Err(Error::Damaged(what)),
                    Step::NeedMore if self.is_at_end => return Err(Error::Truncated),
                    Step::NeedMore => self.fill()?,
                },
                Format::Hex(hex) => {
                    let end = rest.iter().position(|&b| b == b'\n');
                    let Some(len) = end.map(|at| at + 1).or(self.is_at_end.then_some(rest.len())) else {
                        self.fill()?;
                        continue;
                    };
                    let found = if len == 0 {
                        let last = hex.finish();
                        self.format = Format::Over;
                        last
                    } else {
                        let line = &self.buffer[self.taken..self.taken + len];
                        self.taken += len;
                        hex.handle_line(line.trim_ascii_end()).map_err(Error::Unknown)?
                    };
                    if let Some(bytes) = found {
                        return Ok(Some(from_hex(bytes)));
                    }
                }
            }
        }
    }

    /// Reads some more.
    fn fill(&mut self) -> Result<(), Error> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.len() >= MAX_BLOCK {
            return Err(Error::Damaged(format!("a block or line is longer than {} MiB", MAX_BLOCK >> 20)));
        }
        let had = self.buffer.len();
        self.buffer.resize(had + READ, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[had..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(had + read.as_ref().copied().unwrap_or(0));
        self.is_at_end = read.map_err(Error::Io)? == 0;
        Ok(())
    }
}

fn from_hex(bytes: Vec<u8>) -> Frame {
    Frame {
        original_len: bytes.len(),
        bytes,
        framing: Ok(Framing::Ethernet),
        time: None,
        direction: None,
        interface: None,
    }
}
