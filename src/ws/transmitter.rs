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
    /// Control frames at the front, behind the rest of a frame at most.
    controls: usize,
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
    /// A frame that others wait for as well, and what of it is not counted here.
    Shared(Bytes, usize),
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
            Self::Frame(bytes) | Self::Shared(bytes, _) | Self::Content(bytes) | Self::Control(bytes) => {
                bytes.len()
            }
            Self::Squeeze { left, .. } => left.len(),
        }
    }
}

/// What a place in the queue and an allocation take, about.
const OVERHEAD: usize = 96;

/// Bytes of one frame of a message that is compressed as it goes.
const FRAGMENT: usize = 32 << 10;

impl Transmitter {
    pub(super) fn new(role: Role, agreement: Option<Agreement>) -> Self {
        Self {
            role,
            agreement,
            queue: VecDeque::new(),
            controls: 0,
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

    /// Bytes that wait, with what it takes to keep them: a pong of two bytes holds a hundred.
    pub(super) fn held(&self) -> usize {
        self.waiting + self.queue.len() * OVERHEAD
    }

    /// Tells the shard how much waits here that is nobody else's. Whether there is room was asked before.
    pub(super) fn account(&mut self, quota: &Quota) {
        let held = self.held() - self.shared;
        let _ = quota.set(&mut self.share, held);
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
                let others = frame.len() - prepared.part_of(frame.len());
                self.shared += others;
                self.push(Out::Shared(frame, others));
            }
            None => self.message(prepared.message()),
        }
    }

    /// Queues a Ping or Pong before all messages that are not begun. What it holds counts, so a peer who takes none is
    /// not read any further.
    pub(super) fn control(&mut self, opcode: Opcode, content: Bytes) {
        let (frame, _) = self.frame(opcode, content);
        let is_within_frame = matches!(self.queue.front(), Some(Out::Content(_)));
        let at = usize::from(is_within_frame) + self.controls;
        self.waiting += frame.len();
        self.queue.insert(at, Out::Control(frame));
        self.controls += 1;
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

    /// What is left of the entry that was just taken.
    fn push_front(&mut self, rest: Out) {
        self.waiting += rest.len();
        self.queue.push_front(rest);
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
        self.controls = 0;
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
        let out = self.queue.pop_front()?;
        self.waiting -= out.len();
        match out {
            Out::Shared(bytes, others) => {
                self.shared -= others;
                Some(bytes)
            }
            Out::Control(bytes) => {
                self.controls -= 1;
                Some(bytes)
            }
            // In pieces: whoever takes a large one holds it, and nobody would count it.
            Out::Frame(mut bytes) | Out::Content(mut bytes) => {
                let piece = bytes.split_to(bytes.len().min(limits::BODY_PIECE));
                if !bytes.is_empty() {
                    self.push_front(Out::Content(bytes));
                }
                Some(piece)
            }
            out @ Out::Squeeze { .. } if *budget == 0 => {
                self.push_front(out);
                None
            }
            Out::Squeeze { opcode, left } => {
                let (frame, rest) = self.squeeze(opcode, left, codecs, budget);
                if let Some(rest) = rest {
                    self.push_front(rest);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all(transmitter: &mut Transmitter) -> Vec<u8> {
        let mut codecs = Codecs::default();
        std::iter::from_fn(|| transmitter.poll(&mut codecs, &mut usize::MAX.clone())).flatten().collect()
    }

    #[test]
    fn what_is_not_taken_is_counted() {
        let mut transmitter = Transmitter::new(Role::Server, None);
        let message = Message::binary(vec![7; 1 << 20]);
        transmitter.message(&message);
        let mut codecs = Codecs::default();
        let mut taken = 0;
        while taken < 100_000 {
            taken += transmitter.poll(&mut codecs, &mut 0).unwrap().len();
        }
        assert!(taken < 200_000 && transmitter.waiting() > (1 << 20) - 200_000, "{taken}");
        transmitter.prepared(&Prepared::new(message), &mut codecs);
        assert!(transmitter.waiting() > (2 << 20) - 200_000);
        assert_eq!(taken + all(&mut transmitter).len(), (2 << 20) + 20);
        assert_eq!(transmitter.waiting(), 0);
    }

    #[test]
    fn empty_pongs_cost_what_they_take() {
        let mut transmitter = Transmitter::new(Role::Server, None);
        (0..2000).for_each(|_| transmitter.control(Opcode::Pong, Bytes::new()));
        assert_eq!(transmitter.waiting(), 4000);
        assert!(transmitter.held() > limits::WS_LOW_WATER);
        assert_eq!(all(&mut transmitter).len(), 4000);
        assert_eq!(transmitter.held(), 0);
    }

    #[test]
    fn control_frames_keep_their_order_between_frames() {
        let mut transmitter = Transmitter::new(Role::Server, None);
        let mut codecs = Codecs::default();
        transmitter.message(&Message::binary(vec![7; 100_000]));
        let mut out: Vec<u8> = transmitter.poll(&mut codecs, &mut 0).unwrap().into();
        transmitter.message(&Message::binary(vec![8]));
        transmitter.control(Opcode::Ping, Bytes::from_static(b"1"));
        out.extend(transmitter.poll(&mut codecs, &mut 0).unwrap());
        transmitter.control(Opcode::Ping, Bytes::from_static(b"2"));
        out.extend(all(&mut transmitter));
        assert_eq!(&out[..10], b"\x82\x7f\0\0\0\0\0\x01\x86\xa0");
        assert_eq!(&out[100_010..], b"\x89\x011\x89\x012\x82\x01\x08");
    }
}
