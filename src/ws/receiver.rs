//! The way in: frames become messages, judged as they stream. RFC 6455 5.2 to 5.6, 8.1; RFC 7692 6.2.
//!
//! What is wrong is noticed as soon as it can be known: a bad header before its content, a text that is not UTF-8 in
//! the midst of a frame, a message that will be too large at the frame that makes it so. Nothing is reserved for what
//! a header merely announces.

use bytes::Bytes;

use super::close::{self, Code, Failure, fail};
use super::codecs::{Garbage, Inflater};
use super::connection::{Role, Scope};
use super::frame::{Header, MAX_CONTROL, MAX_HEADER, Opcode, Parsed, apply_mask};
use super::message::Message;
use super::utf8::Utf8;
use crate::fault::{self, Fault};
use crate::limits;
use crate::quota::{Quota, Share};
use crate::time::{Duration, Instant};

/// What has come in whole.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Message),
    Ping(Bytes),
    Pong,
    Close(Code, String),
}

/// How messages come in.
pub(super) struct Receiver {
    role: Role,
    /// Bytes of a message at most, as it is and compressed.
    limit: usize,
    /// How long a message that is begun may pause.
    pause: Duration,
    compression: Option<Takeover>,
    header: [u8; MAX_HEADER],
    header_len: usize,
    frame: Option<(Header, u64)>,
    /// The content of a control frame so far.
    control: Vec<u8>,
    message: Option<Partial>,
    inflater: Option<Inflater>,
    /// Compressed bytes of the message that were not looked at.
    squeezed: Vec<u8>,
    squeezed_at: usize,
    /// What of the shard's memory the message takes so far.
    share: Share,
}

/// Whether the peer's compressor remembers earlier messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Takeover(pub(super) bool);

/// A message that is not complete.
struct Partial {
    is_text: bool,
    is_compressed: bool,
    data: Vec<u8>,
    /// Bytes of it on the wire.
    len: u64,
    utf8: Utf8,
    /// Its last frame is in.
    is_closed: bool,
    /// When the next piece of it must be here.
    due: Instant,
}

const TOO_LARGE: Failure = fail(Code::TOO_LARGE, "the message is larger than what is taken here");
const NO_ROOM: Failure = fail(Code::TRY_AGAIN_LATER, "too much is gathered here already");
const NOT_UTF8: Failure = fail(Code::INVALID_DATA, "a text that is not UTF-8");

/// Room that is made for inflated bytes at a time, at most.
const INFLATE_ROOM: usize = 16 << 10;

/// Bytes of content that a frame's header is as much work as.
const FRAME_WORK: usize = 64;

impl Receiver {
    pub(super) fn new(role: Role, limit: usize, pause: Duration, compression: Option<Takeover>) -> Self {
        Self {
            role,
            limit,
            pause,
            compression,
            header: [0; MAX_HEADER],
            header_len: 0,
            frame: None,
            control: Vec::new(),
            message: None,
            inflater: None,
            squeezed: Vec::new(),
            squeezed_at: 0,
            share: Share::default(),
        }
    }

    /// When the next piece of a message that is begun must be here.
    pub(super) fn due(&self) -> Option<Instant> {
        let is_awaited = |message: &&Partial| !message.is_closed && !fault::is(Fault::MessagesWait);
        self.message.as_ref().filter(is_awaited).map(|message| message.due)
    }

    /// The peer was not read for a while, so what is due is due later.
    pub(super) fn postpone(&mut self, now: Instant) {
        if let Some(message) = &mut self.message {
            message.due = now + self.pause;
        }
    }

    /// There is work that needs no further input.
    pub(super) fn is_busy(&self) -> bool {
        self.squeezed_at < self.squeezed.len()
    }

    /// Gives back what was lent.
    pub(super) fn release(&mut self, scope: &mut Scope<'_>) {
        if let Some(inflater) = self.inflater.take() {
            scope.codecs.take_inflater(inflater);
        }
        scope.quota.clear(&mut self.share);
        self.message = None;
        self.squeezed = Vec::new();
        self.squeezed_at = 0;
    }

    /// Takes from the input until something is whole, the input is used up, or so are the bytes of work in `budget`.
    pub(super) fn poll(
        &mut self,
        input: &mut Bytes,
        scope: &mut Scope<'_>,
        budget: &mut usize,
    ) -> Result<Option<Incoming>, Failure> {
        loop {
            if self.is_busy() && !self.inflate(scope, budget)? {
                return Ok(None);
            }
            if self.message.as_ref().is_some_and(|message| message.is_closed) {
                return self.finish_message(scope).map(Some);
            }
            match self.frame {
                None => {
                    if *budget == 0 || !self.read_header(scope.now.mono, input)? {
                        return Ok(None);
                    }
                    // A frame without content is work as well.
                    *budget = budget.saturating_sub(FRAME_WORK);
                }
                Some((header, at)) if at < header.len => {
                    if input.is_empty() || *budget == 0 {
                        return Ok(None);
                    }
                    self.read_content(scope.now.mono, header, at, input, budget)?;
                    self.account(scope.quota)?;
                }
                Some((header, _)) => {
                    self.frame = None;
                    if header.opcode.is_control() {
                        return self.finish_control(header.opcode).map(Some);
                    }
                    self.finish_frame(header);
                }
            }
        }
    }

    /// True when a header is complete.
    fn read_header(&mut self, now: Instant, input: &mut Bytes) -> Result<bool, Failure> {
        loop {
            match Header::parse(&self.header[..self.header_len])? {
                Parsed::NeedMore(need) => {
                    let len = (need - self.header_len).min(input.len());
                    if len == 0 {
                        return Ok(false);
                    }
                    let part = input.split_to(len);
                    self.header[self.header_len..][..len].copy_from_slice(&part);
                    self.header_len += len;
                }
                Parsed::Header(header, _) => {
                    self.header_len = 0;
                    self.begin_frame(now, header)?;
                    return Ok(true);
                }
            }
        }
    }

    /// Judges a header beside what came before it.
    fn begin_frame(&mut self, now: Instant, header: Header) -> Result<(), Failure> {
        let is_masked = header.mask.is_some();
        // RFC 6455 5.1: a client masks, a server does not.
        if is_masked != (self.role == Role::Server) && !fault::is(Fault::MaskUnchecked) {
            let reason =
                if is_masked { "a masked frame from a server" } else { "an unmasked frame from a client" };
            return Err(fail(Code::PROTOCOL_ERROR, reason));
        }
        let may_be_compressed =
            self.compression.is_some() && matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.rsv1 && !may_be_compressed {
            return Err(fail(Code::PROTOCOL_ERROR, "a reserved bit is set"));
        }
        match (header.opcode, &mut self.message) {
            (Opcode::Continuation, None) => {
                return Err(fail(Code::PROTOCOL_ERROR, "a continuation of nothing"));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(fail(Code::PROTOCOL_ERROR, "a message within a message"));
            }
            (Opcode::Text | Opcode::Binary, none) => {
                *none = Some(Partial {
                    is_text: header.opcode == Opcode::Text,
                    is_compressed: header.rsv1,
                    data: Vec::new(),
                    len: 0,
                    utf8: Utf8::default(),
                    is_closed: false,
                    due: now + self.pause,
                });
            }
            _ => {}
        }
        if let (Some(message), false) = (&mut self.message, header.opcode.is_control()) {
            message.len = message.len.saturating_add(header.len);
            // Compressed, it may be a little longer than as it is.
            let slack = if message.is_compressed { self.limit / 8 + 64 } else { 0 };
            if message.len > self.limit.saturating_add(slack) as u64 && !fault::is(Fault::MessageUnlimited) {
                return Err(TOO_LARGE);
            }
        }
        self.frame = Some((header, 0));
        Ok(())
    }

    fn read_content(
        &mut self,
        now: Instant,
        header: Header,
        at: u64,
        input: &mut Bytes,
        budget: &mut usize,
    ) -> Result<(), Failure> {
        let left = usize::try_from(header.len - at).unwrap_or(usize::MAX);
        let part = input.split_to(left.min(input.len()).min(*budget));
        *budget -= part.len();
        self.frame = Some((header, at + part.len() as u64));
        if let (Some(message), false) = (&mut self.message, header.opcode.is_control()) {
            message.due = limits::next_piece(message.due, now, part.len() as u64, self.pause);
        }
        let (buffer, utf8) = match &mut self.message {
            _ if header.opcode.is_control() => (&mut self.control, None),
            Some(Partial { is_compressed: true, .. }) => (&mut self.squeezed, None),
            Some(Partial { is_text: true, data, utf8, .. }) => (data, Some(utf8)),
            Some(Partial { data, .. }) => (data, None),
            None => return Ok(()),
        };
        let before = buffer.len();
        buffer.extend_from_slice(&part);
        if let Some(mask) = header.mask {
            apply_mask(mask, at, &mut buffer[before..]);
        }
        match utf8.map(|utf8| utf8.push(&buffer[before..])) {
            Some(Err(_)) => Err(NOT_UTF8),
            _ => Ok(()),
        }
    }

    /// Tells the shard how much of the message is here.
    fn account(&mut self, quota: &Quota) -> Result<(), Failure> {
        let data = self.message.as_ref().map_or(0, |message| message.data.len());
        if quota.set(&mut self.share, data + self.squeezed.len()) { Ok(()) } else { Err(NO_ROOM) }
    }

    fn finish_control(&mut self, opcode: Opcode) -> Result<Incoming, Failure> {
        debug_assert!(self.control.len() as u64 <= MAX_CONTROL, "the header was judged");
        let content = std::mem::take(&mut self.control);
        Ok(match opcode {
            Opcode::Ping => Incoming::Ping(content.into()),
            Opcode::Pong => Incoming::Pong,
            _ => {
                let (code, reason) = close::parse(&content)?;
                Incoming::Close(code, reason)
            }
        })
    }

    fn finish_frame(&mut self, header: Header) {
        let Some(message) = self.message.as_mut().filter(|_| header.fin) else { return };
        message.is_closed = true;
        if message.is_compressed {
            self.squeezed.extend_from_slice(&Inflater::TAIL);
            if self.compression == Some(Takeover(false)) {
                self.squeezed.extend_from_slice(&Inflater::END);
            }
        }
    }

    fn finish_message(&mut self, scope: &mut Scope<'_>) -> Result<Incoming, Failure> {
        let message = self.message.take().expect("somebody has looked");
        if !message.utf8.is_complete() && !fault::is(Fault::Utf8Unchecked) {
            return Err(NOT_UTF8);
        }
        if let Some(inflater) = self.inflater.take_if(|_| self.compression == Some(Takeover(false))) {
            let is_whole = inflater.is_at_end();
            scope.codecs.take_inflater(inflater);
            if !is_whole && !fault::is(Fault::CutMessagesTaken) {
                return Err(fail(Code::INVALID_DATA, "compressed data that breaks off"));
            }
        }
        scope.quota.clear(&mut self.share);
        Ok(Incoming::Message(Message::received(message.is_text, message.data.into())))
    }

    /// Inflates what there is of the message; false when the budget ends before.
    fn inflate(&mut self, scope: &mut Scope<'_>, budget: &mut usize) -> Result<bool, Failure> {
        let Some(message) = &mut self.message else { return Ok(true) };
        if self.inflater.is_none() {
            const NONE_LEFT: Failure = fail(Code::TRY_AGAIN_LATER, "too many compressed messages at once");
            self.inflater = Some(scope.codecs.lend_inflater().ok_or(NONE_LEFT)?);
        }
        let inflater = self.inflater.as_mut().expect("it was just lent");
        loop {
            if *budget == 0 {
                return Ok(false);
            }
            // One byte beyond the limit tells that it is passed.
            let limit =
                if fault::is(Fault::BombsUnlimited) { usize::MAX } else { self.limit.saturating_add(1) };
            // Most messages are small, and few are compressed to less than a quarter.
            let wanted = 4 * (self.squeezed.len() - self.squeezed_at);
            let room = wanted.clamp(1024, INFLATE_ROOM).min(limit - message.data.len());
            let before = message.data.len();
            let taken = inflater
                .step(&self.squeezed[self.squeezed_at..], &mut message.data, room)
                .map_err(|Garbage| fail(Code::INVALID_DATA, "compressed data that is none"))?;
            self.squeezed_at += taken;
            let made = message.data.len() - before;
            *budget = budget.saturating_sub(made.max(1));
            if message.data.len() > self.limit && !fault::is(Fault::BombsUnlimited) {
                return Err(TOO_LARGE);
            }
            if !scope.quota.set(&mut self.share, message.data.len() + self.squeezed.len()) {
                return Err(NO_ROOM);
            }
            if message.is_text && message.utf8.push(&message.data[before..]).is_err() {
                return Err(NOT_UTF8);
            }
            if self.squeezed_at == self.squeezed.len() && made < room {
                self.squeezed.clear();
                self.squeezed_at = 0;
                return Ok(true);
            }
            if taken == 0 && made == 0 {
                return Err(fail(Code::INVALID_DATA, "compressed data that is none"));
            }
        }
    }
}
