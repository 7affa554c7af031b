//! Messages, and those that go to many: encoded once, and compressed once for all who can share that.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::codecs::Codecs;
use super::frame::{Header, Opcode};
use crate::fault::{self, Fault};
use crate::limits;

/// A message: RFC 6455 5.6.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    is_text: bool,
    data: Bytes,
}

impl Message {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { is_text: true, data: text.into().into() }
    }

    /// Bytes.
    pub fn binary(data: impl Into<Bytes>) -> Self {
        Self { is_text: false, data: data.into() }
    }

    /// Bytes that were found to be what they are said to be.
    pub(super) fn received(is_text: bool, data: Bytes) -> Self {
        Self { is_text, data }
    }

    /// It is a text.
    pub fn is_text(&self) -> bool {
        self.is_text
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.data).ok().filter(|_| self.is_text)
    }

    /// Its bytes.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    pub(super) fn opcode(&self) -> Opcode {
        if self.is_text { Opcode::Text } else { Opcode::Binary }
    }
}

impl fmt::Debug for Message {
    /// Never what it says: no message reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {} bytes)", if self.is_text { "text" } else { "binary" }, self.data.len())
    }
}

/// A message that is encoded once, however many it is sent to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    message: Message,
    /// The frame as a server sends it.
    plain: Bytes,
    /// The same compressed by itself, by window bits from 9: for seats without context takeover alone.
    deflated: [OnceLock<Option<Bytes>>; 7],
}

impl Prepared {
    /// Encodes a message.
    pub fn new(message: Message) -> Self {
        let plain = frame(message.opcode(), false, &message.data);
        Self(Arc::new(Encodings { message, plain, deflated: Default::default() }))
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    /// What each of those who hold it has to answer for, of so many bytes.
    pub(super) fn part_of(&self, bytes: usize) -> usize {
        if fault::is(Fault::SharedUncounted) { 0 } else { bytes / Arc::strong_count(&self.0) }
    }

    /// The frame as it is.
    pub(super) fn plain(&self) -> Bytes {
        self.0.plain.clone()
    }

    /// The frame compressed for this window, made by whoever needs it first. `None` if it is so large that it would
    /// hold up the turn, or if there was no compressor then.
    pub(super) fn deflated(&self, bits: u8, codecs: &mut Codecs) -> Option<Bytes> {
        let data = &self.0.message.data;
        let deflate = || {
            let is_small = data.len() <= limits::WS_TURN_BYTES;
            let content = is_small.then(|| codecs.deflate_whole(bits, data)).flatten()?;
            Some(frame(self.0.message.opcode(), true, &content))
        };
        self.0.deflated[usize::from(bits - 9)].get_or_init(deflate).clone()
    }
}

/// A whole unmasked frame.
fn frame(opcode: Opcode, rsv1: bool, content: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(content.len() + 10);
    Header { fin: true, rsv1, opcode, mask: None, len: content.len() as u64 }.emit(&mut out);
    out.extend_from_slice(content);
    out.into()
}
