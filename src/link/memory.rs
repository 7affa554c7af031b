//! A wire between two stations in memory. It carries bytes as they are; where its medium has an FCS, whoever
//! puts a frame on it made one, and whoever takes it off verifies it, as on real Ethernet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Link, Properties, Received, Sent};
use crate::frame::Frame;
use crate::time::Instant;

/// Frames that one direction holds; beyond, [`Sent::Full`].
const QUEUE: usize = 4096;

type Queue = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// One end of a wire.
#[derive(Debug)]
pub struct Memory {
    properties: Properties,
    incoming: Queue,
    outgoing: Queue,
}

/// Both ends of a new wire.
pub fn pair(properties: Properties) -> (Memory, Memory) {
    let (a, b) = (Queue::default(), Queue::default());
    (
        Memory { properties, incoming: Arc::clone(&a), outgoing: Arc::clone(&b) },
        Memory { properties, incoming: b, outgoing: a },
    )
}

impl Memory {
    /// Puts raw bytes on the wire as they are, FCS and all: what a damaged or foreign station would send.
    pub fn inject(&mut self, bytes: Vec<u8>) {
        lock(&self.outgoing).push_back(bytes);
    }

    /// Takes raw bytes off the wire, FCS and all.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        lock(&self.incoming).pop_front()
    }
}

impl Link for Memory {
    fn properties(&self) -> Properties {
        self.properties
    }

    fn recv(&mut self, _now: Instant, buffer: &mut [u8]) -> Received {
        match lock(&self.incoming).pop_front() {
            Some(frame) => {
                let len = frame.len().min(buffer.len());
                buffer[..len].copy_from_slice(&frame[..len]);
                Received::Frame(len)
            }
            None => Received::Nothing,
        }
    }

    fn send(&mut self, _now: Instant, frame: &Frame) -> Sent {
        let mut queue = lock(&self.outgoing);
        if queue.len() >= QUEUE {
            return Sent::Full;
        }
        queue.push_back(frame.to_vec());
        Sent::Done
    }
}

/// A queue of bytes is whole whatever its last user did, so a poisoned lock is as good as any.
fn lock(queue: &Queue) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
