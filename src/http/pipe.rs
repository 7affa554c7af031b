//! A response's body that somebody else writes, while it is sent: another thread, a job, another connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::handler::Wake;
use super::head::Request;
use super::response::{Body, BodySource, Piece};
use crate::limits;
use crate::mail::Line;

/// The end of a pipe that is written to. When it is dropped, the body is at its end.
pub struct PipeWriter {
    pipe: Arc<Mutex<Pipe>>,
    line: Line<Wake>,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeError {
    /// What was written before has not been taken.
    Full,
    /// Nobody reads any more.
    Closed,
}

#[derive(Default)]
struct Pipe {
    pieces: VecDeque<Bytes>,
    waiting: usize,
    is_ended: bool,
    is_unread: bool,
}

/// A pipe for the answer to this request. Its body has no known length.
pub fn pipe(request: &Request<'_>) -> (PipeWriter, Body) {
    let pipe = Arc::new(Mutex::new(Pipe::default()));
    let reader = PipeReader(Arc::clone(&pipe));
    (PipeWriter { pipe, line: request.wake_line() }, Body::Source(Box::new(reader)))
}

impl PipeWriter {
    /// Writes a piece, which is sent as soon as there is room.
    ///
    /// # Errors
    /// There is no room, or nobody reads.
    pub fn write(&self, piece: impl Into<Bytes>) -> Result<(), PipeError> {
        let piece = piece.into();
        let mut pipe = lock(&self.pipe);
        if pipe.is_unread {
            return Err(PipeError::Closed);
        }
        if pipe.waiting > 0 && pipe.waiting + piece.len() > limits::PIPE {
            return Err(PipeError::Full);
        }
        if !piece.is_empty() {
            pipe.waiting += piece.len();
            pipe.pieces.push_back(piece);
        }
        drop(pipe);
        self.wake();
        Ok(())
    }

    /// Bytes that were written and not taken.
    pub fn waiting(&self) -> usize {
        lock(&self.pipe).waiting
    }

    fn wake(&self) {
        // What finds no room on the way comes with the next, or when the body is asked again all the same.
        let _ = self.line.send(Wake);
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        lock(&self.pipe).is_ended = true;
        self.wake();
    }
}

struct PipeReader(Arc<Mutex<Pipe>>);

impl BodySource for PipeReader {
    fn len(&self) -> Option<u64> {
        None
    }

    fn poll_body(&mut self, room: usize) -> Piece {
        let mut pipe = lock(&self.0);
        let Some(front) = pipe.pieces.front_mut() else {
            return if pipe.is_ended { Piece::End } else { Piece::Pending };
        };
        let piece = front.split_to(room.min(front.len()));
        if front.is_empty() {
            pipe.pieces.pop_front();
        }
        pipe.waiting -= piece.len();
        Piece::Chunk(piece)
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut pipe = lock(&self.0);
        pipe.is_unread = true;
        pipe.pieces.clear();
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    // It is whole between any two statements that could panic.
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}
