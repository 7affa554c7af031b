//! The way out: messages become frames, compressed as they are asked for. RFC 6455 5.4, 5.5; RFC 7692 6.1.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::codecs::{Codecs, Deflater};
use super::connection::Role;
use super::deflate::Agreement;
use super::frame::{Header, MAX_HEADER, Opcode, apply_mask};
use super::message::{Message, Prepared};
use crate::limits;
use crate::quota::{Quota, Share};

/// How messages go out.
pub(super) struct Transmitter {
    role: Role,
    agreement: Option<Agreement>,
    queue: VecDeque<Out>,
    /// Bytes of content that wait, and how many of them wait elsewhere as well.
    waiting: usize,
    shared: usize,
    deflater: Option<Deflater>,
    /// What of the waiting bytes is nobody else's.
    share: Share,
    /// Of the masks, on a client.
    masks: u64,
}

enum Out {
    /// A frame, or its header where its content follows.
    Frame(Bytes),
    /// A frame that others wait for as well.
    Shared(Bytes),
    /// The content of the frame whose header went before.
    Content(Bytes),
    /// A control frame, which may go between the frames of a message (RFC 6455 5.4).
    Control(Bytes),
    /// A message, or the rest of one, to be compressed.
    Squeeze { opcode: Opcode, left: Bytes },
}

impl Out {
    fn len(&self) -> usize {
        match self {
            Self::Frame(bytes) | Self::Shared(bytes) | Self::Content(bytes) | Self::Control(bytes) => {
                bytes.len()
            }
            Self::Squeeze { left, .. } => left.len(),
        }
    }
}

/// Bytes of one frame of a message that is compressed as it goes.
const FRAGMENT: usize = 32 << 10;

impl Transmitter {
    pub(super) fn new(role: Role, agreement: Option<Agreement>) -> Self {
        Self {
            role,
            agreement,
            queue: VecDeque::new(),
            waiting: 0,
            shared: 0,
            deflater: None,
            share: Share::default(),
            masks: 0,
        }
    }

    /// Bytes that wait to be taken.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Tells the shard how much waits here that is nobody else's. Whether there is room was asked before.
    pub(super) fn account(&mut self, quota: &Quota) {
        let _ = quota.set(&mut self.share, self.waiting - self.shared);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Where the masks of a client begin (RFC 6455 5.3: not to be foreseen by who writes the content).
    pub(super) fn seed_masks(&mut self, seed: u64) {
        self.masks = seed;
    }

    pub(super) fn message(&mut self, message: &Message) {
        let (opcode, data) = (message.opcode(), message.data().clone());
        if self.compresses(&data) {
            self.push(Out::Squeeze { opcode, left: data });
        } else {
            let (frame, content) = self.frame(opcode, data);
            self.push(Out::Frame(frame));
            content.into_iter().for_each(|content| self.push(Out::Content(content)));
        }
    }

    /// Queues a message that was encoded for many.
    pub(super) fn prepared(&mut self, prepared: &Prepared, codecs: &mut Codecs) {
        let is_shared = |agreed: &Agreement| !agreed.server_takeover;
        let frame = match self.agreement {
            _ if self.role == Role::Client => None,
            Some(agreed) if self.compresses(prepared.message().data()) => {
                is_shared(&agreed).then(|| prepared.deflated(agreed.server_window_bits, codecs)).flatten()
            }
            _ => Some(prepared.plain()),
        };
        match frame {
            Some(frame) => {
                self.shared += frame.len();
                self.push(Out::Shared(frame));
            }
            None => self.message(prepared.message()),
        }
    }

    /// Queues a Ping or Pong before all messages that are not begun. Of many Pongs that wait the latest is enough (RFC
    /// 6455 5.5.3), so a peer that pings and takes nothing gathers no more than a few.
    pub(super) fn control(&mut self, opcode: Opcode, content: Bytes) {
        let (frame, _) = self.frame(opcode, content);
        let goes_before = |out: &&Out| matches!(out, Out::Content(_) | Out::Control(_));
        let at = self.queue.iter().take_while(goes_before).count();
        self.waiting += frame.len();
        match self.queue.get_mut(at.wrapping_sub(1)) {
            Some(Out::Control(last)) if at > limits::WS_CONTROLS && opcode == Opcode::Pong => {
                self.waiting -= last.len();
                *last = frame;
            }
            _ => self.queue.insert(at, Out::Control(frame)),
        }
    }

    /// Queues a Close frame behind everything.
    pub(super) fn close(&mut self, content: Bytes) {
        let (frame, _) = self.frame(Opcode::Close, content);
        self.push(Out::Frame(frame));
    }

    fn compresses(&self, data: &Bytes) -> bool {
        self.agreement.is_some_and(|agreed| data.len() >= agreed.threshold.max(1)) && self.window().is_some()
    }

    /// Of the window and memory of our compressor.
    fn window(&self) -> Option<(u8, bool)> {
        let agreed = self.agreement?;
        let (bits, takeover) = match self.role {
            Role::Server => (agreed.server_window_bits, agreed.server_takeover),
            Role::Client => (agreed.client_window_bits, agreed.client_takeover),
        };
        // zlib makes no window of 8 bits.
        (bits > 8).then_some((bits, takeover))
    }

    fn push(&mut self, out: Out) {
        self.waiting += out.len();
        self.queue.push_back(out);
    }

    /// A frame as it is: its header and, apart from that where it is large, its content.
    fn frame(&mut self, opcode: Opcode, content: Bytes) -> (Bytes, Option<Bytes>) {
        let len = content.len() as u64;
        let header = Header { fin: true, rsv1: false, opcode, mask: self.next_mask(), len };
        let is_joined = header.mask.is_some() || content.len() < limits::WS_JOINED_BYTES;
        let mut head = Vec::with_capacity(MAX_HEADER + if is_joined { content.len() } else { 0 });
        header.emit(&mut head);
        if is_joined {
            append(&mut head, header.mask, &content);
        }
        (head.into(), (!is_joined).then_some(content))
    }

    /// Drops what is not begun, so that the next frame is the last. The content of a frame whose header is on its way
    /// stays: what comes instead of it would be taken for it.
    pub(super) fn clear_unbegun(&mut self, codecs: &mut Codecs) {
        let begun = self.queue.pop_front().filter(|out| matches!(out, Out::Content(_)));
        self.clear(codecs);
        begun.into_iter().for_each(|content| self.push(content));
    }

    /// Drops everything.
    pub(super) fn clear(&mut self, codecs: &mut Codecs) {
        self.queue.clear();
        self.waiting = 0;
        self.shared = 0;
        self.release(codecs);
    }

    /// Gives back what was lent.
    pub(super) fn release(&mut self, codecs: &mut Codecs) {
        if let Some(deflater) = self.deflater.take() {
            codecs.take_deflater(deflater);
        }
    }

    /// The next bytes to send: of large content a piece, so that what is not taken yet is still counted. Nothing,
    /// although the queue is not empty, when the budget of work is used up.
    pub(super) fn poll(&mut self, codecs: &mut Codecs, budget: &mut usize) -> Option<Bytes> {
        match self.queue.pop_front()? {
            Out::Shared(bytes) => {
                self.shared -= bytes.len();
                self.waiting -= bytes.len();
                Some(bytes)
            }
            Out::Content(mut bytes) if bytes.len() > limits::BODY_PIECE => {
                let piece = bytes.split_to(limits::BODY_PIECE);
                self.waiting -= piece.len();
                self.queue.push_front(Out::Content(bytes));
                Some(piece)
            }
            Out::Frame(bytes) | Out::Content(bytes) | Out::Control(bytes) => {
                self.waiting -= bytes.len();
                Some(bytes)
            }
            out @ Out::Squeeze { .. } if *budget == 0 => {
                self.queue.push_front(out);
                None
            }
            Out::Squeeze { opcode, left } => {
                self.waiting -= left.len();
                let (frame, rest) = self.squeeze(opcode, left, codecs, budget);
                if let Some(rest) = rest {
                    self.waiting += rest.len();
                    self.queue.push_front(rest);
                }
                Some(frame)
            }
        }
    }

    /// The next frame of a message, and what follows it.
    fn squeeze(
        &mut self,
        opcode: Opcode,
        mut left: Bytes,
        codecs: &mut Codecs,
        budget: &mut usize,
    ) -> (Bytes, Option<Out>) {
        let (bits, takeover) = self.window().expect("only what is to be compressed is queued so");
        if self.deflater.is_none() {
            self.deflater = codecs.lend_deflater(bits);
        }
        let Some(deflater) = &mut self.deflater else {
            // None is left: the message goes as it is, for which nothing need be agreed upon.
            let (frame, content) = self.frame(opcode, left);
            return (frame, content.map(Out::Content));
        };
        let mut content = Vec::with_capacity(FRAGMENT);
        let part = left.len().min(*budget);
        let step = deflater.step(&left[..part], part == left.len(), &mut content);
        *budget -= step.taken;
        left.advance(step.taken);
        if step.is_done && !takeover {
            self.release(codecs);
        }
        let mask = self.next_mask();
        let rsv1 = opcode != Opcode::Continuation;
        let header = Header { fin: step.is_done, rsv1, opcode, mask, len: content.len() as u64 };
        let mut frame = Vec::with_capacity(MAX_HEADER + content.len());
        header.emit(&mut frame);
        append(&mut frame, mask, &content);
        let rest = (!step.is_done).then_some(Out::Squeeze { opcode: Opcode::Continuation, left });
        (frame.into(), rest)
    }

    fn next_mask(&mut self) -> Option<[u8; 4]> {
        (self.role == Role::Client).then(|| {
            // The splitmix64 sequence, from a seed that the peer does not know.
            self.masks = self.masks.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.masks;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) as u32).to_be_bytes()
        })
    }
}

fn append(frame: &mut Vec<u8>, mask: Option<[u8; 4]>, content: &[u8]) {
    let start = frame.len();
    frame.extend_from_slice(content);
    if let Some(mask) = mask {
        apply_mask(mask, 0, &mut frame[start..]);
    }
}
