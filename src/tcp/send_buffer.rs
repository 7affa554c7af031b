//! What was queued and not yet acknowledged: a rope of reference-counted chunks.
//!
//! A segment takes slices of it without copying. Small writes are gathered in the last chunk, so that a rope of
//! tiny pieces does not come about.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Writes below this size are copied into the last chunk.
const SMALL: usize = 1024;
/// Size of a chunk that gathers small writes.
const GATHER: usize = 4096;
/// Beyond so many places the memory is given back once nothing is queued.
const KEPT: usize = 16;
/// Bytes of the first of them: a short answer, head and body, fits one chunk, and so one slice of a segment.
const FIRST: usize = 512;

/// The rope. Positions are counted from its beginning, which is the oldest byte not acknowledged.
#[derive(Debug, Default)]
pub struct SendBuffer {
    chunks: VecDeque<Chunk>,
    /// Small writes that are not a chunk yet. They come after all chunks.
    tail: BytesMut,
    /// Bytes that ever left at the front.
    released: u64,
    len: usize,
    /// Bytes of the chunks, the first of them whole.
    in_chunks: usize,
    /// Little room is kept for what may come.
    is_frugal: bool,
}

#[derive(Debug)]
struct Chunk {
    /// Position in the whole stream.
    start: u64,
    bytes: Bytes,
}

impl SendBuffer {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that it takes up: an acknowledged part of a chunk is only given back with the rest of it.
    pub fn memory(&self) -> usize {
        self.in_chunks + self.chunks.capacity() * size_of::<Chunk>() + self.tail.capacity()
    }

    /// Memory is short: little room is kept for what may come.
    pub fn set_frugal(&mut self, is_frugal: bool) {
        self.is_frugal = is_frugal;
    }

    /// Adds at the end.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if bytes.len() < SMALL {
            if self.tail.capacity() - self.tail.len() < bytes.len() {
                self.close_tail();
                let is_small = self.is_empty() || self.is_frugal;
                self.tail.reserve(if is_small { bytes.len().max(FIRST) } else { GATHER });
            }
            self.tail.extend_from_slice(&bytes);
            self.len += bytes.len();
            return;
        }
        self.close_tail();
        let start = self.released + self.len as u64;
        self.len += bytes.len();
        self.push_chunk(Chunk { start, bytes });
    }

    /// Drops `n` bytes at the front: they are acknowledged.
    pub fn release(&mut self, n: usize) {
        assert!(n <= self.len, "only what is here can be acknowledged");
        self.close_tail();
        self.released += n as u64;
        self.len -= n;
        while let Some(first) = self.chunks.front_mut() {
            let skip = (self.released - first.start) as usize;
            if skip < first.bytes.len() {
                // Gives the memory of whole chunks back, not of parts: a slice keeps its chunk alive.
                break;
            }
            self.in_chunks -= first.bytes.len();
            self.chunks.pop_front();
        }
        if self.is_empty() {
            self.tail = BytesMut::new();
            if self.chunks.capacity() > KEPT {
                self.chunks = VecDeque::new();
            }
        }
    }

    /// Adds the slices of `from..from + len` to `out`.
    pub fn slices(&mut self, from: usize, len: usize, out: &mut Vec<Bytes>) {
        assert!(from + len <= self.len, "a segment is cut from what is queued");
        if len == 0 {
            return;
        }
        self.close_tail();
        let (mut at, end) = (self.released + from as u64, self.released + (from + len) as u64);
        let first = self.chunks.partition_point(|c| c.start + c.bytes.len() as u64 <= at);
        for chunk in self.chunks.range(first..) {
            let begin = (at - chunk.start) as usize;
            let stop = chunk.bytes.len().min((end - chunk.start) as usize);
            out.push(chunk.bytes.slice(begin..stop));
            at = chunk.start + stop as u64;
            if at == end {
                break;
            }
        }
    }

    /// Makes a chunk of the small writes gathered so far; what room is left is used for the next ones.
    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let bytes = self.tail.split().freeze();
            let start = self.released + (self.len - bytes.len()) as u64;
            self.push_chunk(Chunk { start, bytes });
        }
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        self.in_chunks += chunk.bytes.len();
        self.chunks.push_back(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(buffer: &mut SendBuffer, from: usize, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        buffer.slices(from, len, &mut out);
        out.concat()
    }

    #[test]
    fn large_writes_are_not_copied_and_small_ones_are_gathered() {
        let mut buffer = SendBuffer::default();
        let large = Bytes::from(vec![7u8; 5000]);
        buffer.push(large.clone());
        (0..100u8).for_each(|n| buffer.push(Bytes::from(vec![n])));
        let mut out = Vec::new();
        buffer.slices(1000, 4100, &mut out);
        assert_eq!(out[0].as_ptr(), large[1000..].as_ptr());
        assert_eq!(out.len(), 2);
    }

    proptest! {
        #[test]
        fn it_is_a_queue_of_bytes(steps in proptest::collection::vec((0usize..3000, 0usize..4000, any::<u8>()), 1..60)) {
            let (mut buffer, mut model) = (SendBuffer::default(), Vec::<u8>::new());
            for (write, release, value) in steps {
                let bytes: Vec<u8> = (0..write).map(|i| value.wrapping_add(i as u8)).collect();
                model.extend(&bytes);
                buffer.push(bytes.into());
                prop_assert_eq!(buffer.len(), model.len());
                let from = release.min(model.len());
                let len = (model.len() - from).min(1460);
                prop_assert_eq!(read(&mut buffer, from, len), &model[from..from + len]);
                buffer.release(from);
                model.drain(..from);
                prop_assert_eq!(read(&mut buffer, 0, model.len()), model.clone());
                prop_assert!(buffer.memory() >= buffer.len());
                prop_assert!(!buffer.is_empty() || buffer.memory() <= KEPT * size_of::<Chunk>());
            }
        }
    }
}
