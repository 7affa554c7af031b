//! Compressors and decompressors of a shard, lent to the connections that need one: RFC 7692 7.2.
//!
//! A compressor is some 256 KiB and a decompressor some 48, so they are made when they are needed, kept when they come
//! back, and bounded: without a compressor a message goes as it is, without a decompressor its connection is closed by
//! 1013 (try again later).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::limits;
use crate::time::Instant;

/// What every flushed block ends with on the wire, and not in a frame: RFC 7692 7.2.1.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Codecs that are not in use, how many are, and how much all of them may do in a turn.
#[derive(Default)]
pub struct Codecs {
    /// By window bits, from 9.
    deflaters: [Vec<Deflater>; 7],
    inflaters: Vec<Inflater>,
    deflaters_lent: usize,
    inflaters_lent: usize,
    /// Of which turn it is, and the bytes of work that are left of it.
    turn: Option<Instant>,
    left: usize,
}

impl Codecs {
    /// Bytes of work that all connections together may do in the turn of this time.
    pub(super) fn budget(&mut self, now: Instant) -> usize {
        if self.turn != Some(now) {
            (self.turn, self.left) = (Some(now), limits::WS_SHARD_TURN_BYTES);
        }
        self.left
    }

    /// So much of it was done.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// Codecs in use: compressors, decompressors.
    pub fn lent(&self) -> (usize, usize) {
        (self.deflaters_lent, self.inflaters_lent)
    }

    pub(super) fn lend_deflater(&mut self, bits: u8) -> Option<Deflater> {
        if self.deflaters_lent >= limits::DEFLATERS {
            return None;
        }
        self.deflaters_lent += 1;
        Some(self.deflaters[usize::from(bits - 9)].pop().unwrap_or_else(|| Deflater::new(bits)))
    }

    /// Takes a compressor back. One that stopped within a message is not kept: a reset of zlib-rs 0.6 forgets how
    /// much of the output waits, and not where, which later ends in a panic.
    pub(super) fn take_deflater(&mut self, mut deflater: Deflater) {
        self.deflaters_lent -= 1;
        let idle = &mut self.deflaters[usize::from(deflater.bits - 9)];
        if idle.len() < limits::IDLE_CODECS && !deflater.is_within {
            deflater.codec.reset();
            idle.push(deflater);
        }
    }

    pub(super) fn lend_inflater(&mut self) -> Option<Inflater> {
        if self.inflaters_lent >= limits::INFLATERS {
            return None;
        }
        self.inflaters_lent += 1;
        Some(self.inflaters.pop().unwrap_or_else(Inflater::new))
    }

    pub(super) fn take_inflater(&mut self, mut inflater: Inflater) {
        self.inflaters_lent -= 1;
        if self.inflaters.len() < limits::IDLE_CODECS {
            inflater.reset();
            self.inflaters.push(inflater);
        }
    }

    /// A whole message, compressed by itself, as the content of one frame.
    pub(super) fn deflate_whole(&mut self, bits: u8, data: &[u8]) -> Option<Vec<u8>> {
        let mut deflater = self.lend_deflater(bits)?;
        let mut out = Vec::with_capacity(data.len() / 2 + 64);
        let mut at = 0;
        loop {
            let step = deflater.step(&data[at..], true, &mut out);
            at += step.taken;
            if step.is_done {
                break;
            }
            out.reserve(out.capacity());
        }
        self.take_deflater(deflater);
        Some(out)
    }
}

/// A compressor of raw deflate streams.
pub(super) struct Deflater {
    codec: Compress,
    bits: u8,
    /// The last bytes of the output, which may be the tail of the message.
    held: Vec<u8>,
    /// A message has begun, and not all of it is out.
    is_within: bool,
}

/// What a step of compression did.
pub(super) struct Step {
    /// Bytes of input that were taken.
    pub(super) taken: usize,
    /// All of the message is out.
    pub(super) is_done: bool,
}

impl Deflater {
    fn new(bits: u8) -> Self {
        Self {
            codec: Compress::new_with_window_bits(Compression::fast(), false, bits),
            bits,
            held: Vec::new(),
            is_within: false,
        }
    }

    /// Compresses as much of the input as there is room for in `out`, which does not grow and has 16 bytes at least
    /// (with fewer, zlib would begin its flush again and again); `is_last` says that the message ends with it. The
    /// four bytes of the tail never come out.
    pub(super) fn step(&mut self, input: &[u8], is_last: bool, out: &mut Vec<u8>) -> Step {
        out.append(&mut self.held);
        let flush = if is_last { FlushCompress::Sync } else { FlushCompress::None };
        let before = self.codec.total_in();
        // Without room there is no progress, and no error either; raw deflate has none.
        let _ = self.codec.compress_vec(input, out, flush);
        let taken = (self.codec.total_in() - before) as usize;
        let is_done = is_last && taken == input.len() && out.len() < out.capacity();
        self.is_within = !is_done;
        let end = out.len().saturating_sub(TAIL.len());
        if is_done {
            debug_assert!(out.ends_with(&TAIL), "a flushed block ends so");
            out.truncate(end);
        } else {
            self.held.extend(out.drain(end..));
        }
        Step { taken, is_done }
    }
}

/// A decompressor of raw deflate streams.
pub(super) struct Inflater {
    codec: Decompress,
    /// The stream has ended with what was taken last.
    is_at_end: bool,
}

/// The input is no deflate stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

impl Inflater {
    fn new() -> Self {
        Self { codec: Decompress::new(false), is_at_end: false }
    }

    fn reset(&mut self) {
        self.codec.reset(false);
        self.is_at_end = false;
    }

    /// Decompresses until the input is used up, or `room` by what is appended to `out`; says how much of the input it
    /// took. The room is not that of the vector, which may have grown by far more than was asked for.
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>, room: usize) -> Result<usize, Garbage> {
        let (taken, made, start) = (self.codec.total_in(), self.codec.total_out(), out.len());
        out.resize(start + room, 0);
        let result = self.codec.decompress(input, &mut out[start..], FlushDecompress::Sync);
        let taken = (self.codec.total_in() - taken) as usize;
        out.truncate(start + (self.codec.total_out() - made) as usize);
        let status = result.map_err(|_| Garbage)?;
        if status == Status::StreamEnd {
            // RFC 7692 7.2.3.4: a block that says it is the last one; the next begins a stream of its own.
            self.reset();
            self.is_at_end = true;
        } else if taken > 0 {
            self.is_at_end = false;
        }
        Ok(taken)
    }

    /// The stream has ended, and nothing came behind it.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// The end of a message, which the wire leaves out.
    pub(super) const TAIL: [u8; 4] = TAIL;

    /// An empty last block: behind a whole message it ends the stream, and within a block it does not.
    pub(super) const END: [u8; 5] = [1, 0, 0, 0xff, 0xff];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Quota;
    use crate::time::{Duration, Now};
    use crate::ws::{Config, Connection, Role, Scope};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn inflate(message: &[u8]) -> Vec<u8> {
        let mut inflater = Inflater::new();
        let mut out = Vec::new();
        let whole = [message, &TAIL[..]].concat();
        let mut input = &whole[..];
        loop {
            let before = out.len();
            let taken = inflater.step(input, &mut out, 100).unwrap();
            input = &input[taken..];
            if input.is_empty() && out.len() - before < 100 {
                return out;
            }
        }
    }

    #[test]
    fn the_examples_of_rfc_7692_7_2_3() {
        assert_eq!(inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00"), b"Hello");
        // Stored, in two blocks, and with a last block.
        assert_eq!(inflate(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), b"Hello");
        assert_eq!(inflate(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), b"Hello");
        assert_eq!(inflate(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), b"Hello");
    }

    #[test]
    fn a_step_makes_no_more_than_its_room() {
        let message = Codecs::default().deflate_whole(15, &[0; 10_000]).unwrap();
        let mut out = Vec::with_capacity(20_000);
        assert!(Inflater::new().step(&message, &mut out, 100).is_ok());
        assert_eq!(out.len(), 100);
    }

    #[test]
    fn codecs_are_bounded_and_come_back() {
        let mut codecs = Codecs::default();
        let lent: Vec<_> = std::iter::from_fn(|| codecs.lend_deflater(9)).collect();
        assert_eq!((lent.len(), codecs.deflate_whole(9, b"x")), (limits::DEFLATERS, None));
        lent.into_iter().for_each(|deflater| codecs.take_deflater(deflater));
        assert_eq!(codecs.lent(), (0, 0));
        assert!(codecs.deflate_whole(9, b"x").is_some());
    }

    #[test]
    fn connections_share_what_a_turn_may_do() {
        let (mut codecs, quota) = (Codecs::default(), Quota::default());
        let mut now = Now { mono: Instant::ZERO, wall: 0 };
        // The header of a frame is work as well.
        let len = limits::WS_TURN_BYTES - 100;
        let head = [&[0x82, 0xff], &(len as u64).to_be_bytes()[..], &[0; 4]].concat();
        let frame = Bytes::from([head, vec![7; len]].concat());
        let mut seats: Vec<_> =
            (0..8).map(|_| Connection::new(now.mono, Role::Server, Config::default(), None)).collect();
        seats.iter_mut().for_each(|seat| seat.handle_input(now.mono, frame.clone()));
        for turn in 1..=2 {
            let has_message = |seat: &mut Connection| {
                seat.poll_event(&mut Scope { now, codecs: &mut codecs, quota: &quota }).is_some()
            };
            let served = seats.extract_if(.., has_message).count();
            assert_eq!(served, limits::WS_SHARD_TURN_BYTES / len, "turn {turn}");
            assert!(seats.iter().all(|seat| seat.poll_timeout() == Some(now.mono)), "they go on in the next");
            now.mono += Duration::from_nanos(1);
            seats
                .iter_mut()
                .for_each(|seat| seat.handle_timeout(&mut Scope { now, codecs: &mut codecs, quota: &quota }));
        }
        assert!(seats.is_empty());
    }

    /// Bytes that do not compress.
    fn noise(len: usize) -> Vec<u8> {
        let steps = std::iter::successors(Some(1u32), |n| {
            Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
        });
        steps.take(len).map(|n| (n >> 24) as u8).collect()
    }

    #[test]
    fn a_whole_message_that_does_not_compress_is_whole() {
        let data = noise(100_000);
        let whole = Codecs::default().deflate_whole(15, &data).unwrap();
        assert!(inflate(&whole) == data);
    }

    #[test]
    fn a_compressor_that_was_stopped_within_a_message_serves_nobody_else() {
        let (mut codecs, data) = (Codecs::default(), noise(300_000));
        for _ in 0..3 {
            let mut deflater = codecs.lend_deflater(15).unwrap();
            for _ in 0..5 {
                deflater.step(&data, true, &mut Vec::with_capacity(1000));
            }
            codecs.take_deflater(deflater);
        }
        let whole = codecs.deflate_whole(15, &data).unwrap();
        assert!(inflate(&whole) == data);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            data in prop_oneof![any::<Vec<u8>>(), "[ab]{0,3000}".prop_map(String::into_bytes)],
            bits in 9..=15u8, room in 16..200usize, cut in any::<prop::sample::Index>(),
        ) {
            let mut codecs = Codecs::default();
            let whole = codecs.deflate_whole(bits, &data).unwrap();
            prop_assert_eq!(inflate(&whole), &data[..]);
            let mut deflater = codecs.lend_deflater(bits).unwrap();
            let (mut at, mut sent) = (0, Vec::new());
            let pause = cut.index(data.len() + 1);
            loop {
                let mut out = Vec::with_capacity(room);
                let is_last = at >= pause;
                let end = if is_last { data.len() } else { pause };
                let step = deflater.step(&data[at..end], is_last, &mut out);
                at += step.taken;
                sent.extend(out);
                if step.is_done {
                    break;
                }
            }
            prop_assert_eq!(inflate(&sent), data);
        }
    }
}
