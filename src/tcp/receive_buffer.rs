//! What arrived in order and was not yet read.
//!
//! A payload is copied once, while it is in the cache, into the chunk at the end; reading lends slices of the
//! chunks. A chunk has the size of what came first, and grows with a stream, so that a small request does not
//! hold a large buffer.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

const MIN_CHUNK: usize = 256;
const MAX_CHUNK: usize = 16 << 10;
/// What a chunk costs that shares its memory with others.
const SHARED: usize = 64;
/// Beyond so many places the memory is given back once nothing is there.
const KEPT: usize = 16;

/// The queue.
#[derive(Debug, Default)]
pub struct ReceiveBuffer {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
    next_chunk: usize,
    /// Bytes of the first chunk that were taken, and are held with the rest of it.
    taken: usize,
    /// No room is kept for what may come.
    is_frugal: bool,
}

impl ReceiveBuffer {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it takes up.
    pub fn memory(&self) -> usize {
        let places = self.chunks.capacity() * size_of::<Bytes>() + self.chunks.len() * SHARED;
        self.taken + self.len - self.tail.len() + self.tail.capacity() + places
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a copy of these bytes.
    pub fn push_copy(&mut self, mut bytes: &[u8]) {
        if self.is_frugal {
            let (first, rest) = bytes.split_at(bytes.len().min(self.tail.capacity() - self.tail.len()));
            self.tail.extend_from_slice(first);
            self.len += first.len();
            bytes = rest;
        }
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            self.close_tail();
            let next = if self.is_frugal { MIN_CHUNK } else { self.next_chunk * 2 };
            self.next_chunk = next.clamp(MIN_CHUNK, MAX_CHUNK);
            self.tail = BytesMut::with_capacity(self.next_chunk.max(bytes.len()));
        }
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Adds a chunk as it is, unless it is small: a chunk of one byte takes sixty.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.len() < MIN_CHUNK {
            return self.push_copy(&chunk);
        }
        self.close_tail();
        self.len += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// Takes the next chunk, or its first `most` bytes if it has more.
    pub fn pop(&mut self, most: usize) -> Option<Bytes> {
        if self.chunks.is_empty() {
            self.close_tail();
        }
        let first = self.chunks.front_mut()?;
        let chunk = if most < first.len() {
            self.taken += most;
            first.split_to(most)
        } else {
            self.taken = 0;
            self.chunks.pop_front()?
        };
        self.len -= chunk.len();
        self.drop_spare(if self.is_frugal { usize::MAX } else { MAX_CHUNK / 4 });
        Some(chunk)
    }

    /// Memory is short: no room is kept for what may come.
    pub fn set_frugal(&mut self, is_frugal: bool) {
        self.is_frugal = is_frugal;
        if is_frugal {
            self.drop_spare(usize::MAX);
        }
    }

    fn drop_spare(&mut self, below: usize) {
        if self.is_empty() && self.tail.capacity() < below {
            self.tail = BytesMut::new();
        }
        if self.chunks.is_empty() && self.chunks.capacity() > KEPT {
            self.chunks = VecDeque::new();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self { is_frugal: self.is_frugal, ..Self::default() };
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_in_few_chunks() {
        let mut buffer = ReceiveBuffer::default();
        let mut expected = Vec::new();
        for n in 0..200u8 {
            buffer.push_copy(&[n; 700]);
            expected.extend([n; 700]);
        }
        buffer.push(Bytes::from_static(b"end"));
        expected.extend(b"end");
        assert_eq!(buffer.len(), expected.len());
        let chunks: Vec<_> = std::iter::from_fn(|| buffer.pop(20_000)).collect();
        assert!(chunks.len() < 20, "{}", chunks.len());
        assert_eq!(chunks.concat(), expected);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_small_request_leaves_nothing_behind() {
        let mut buffer = ReceiveBuffer::default();
        buffer.push_copy(b"GET / HTTP/1.1\r\n\r\n");
        buffer.pop(1).unwrap();
        buffer.pop(100).unwrap();
        assert_eq!(buffer.tail.capacity(), 0);
    }

    #[test]
    fn small_chunks_are_gathered() {
        let mut buffer = ReceiveBuffer::default();
        for n in 0..100_000u32 {
            buffer.push(Bytes::from(vec![n as u8]));
        }
        assert_eq!(buffer.len(), 100_000);
        assert!(buffer.chunks.len() < 20, "{}", buffer.chunks.len());
        let all: Vec<u8> = std::iter::from_fn(|| buffer.pop(777)).flatten().collect();
        assert!(all.iter().enumerate().all(|(n, &b)| b == n as u8) && all.len() == 100_000);
    }
}
