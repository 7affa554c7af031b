//! A request's body as hyper takes it: in frames, which are not always there, and sometimes not before they are asked
//! for.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

use crate::dice::Dice;

/// A body.
pub(crate) struct Payload {
    frames: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// Its length is told.
    is_sized: bool,
    /// It stays where it is until this is true.
    gate: Arc<AtomicBool>,
    dice: Dice,
}

impl Payload {
    pub(crate) fn new(dice: &mut Dice, bytes: &[u8], is_sized: bool) -> Self {
        let frames = dice.parts(bytes).into_iter().map(Bytes::copy_from_slice).collect();
        let dice = Dice::new(dice.below(1 << 40) as u64, 2);
        Self { frames, trailers: None, is_sized, gate: Arc::new(AtomicBool::new(true)), dice }
    }

    /// With these fields behind it, which a body in chunks alone can have.
    pub(crate) fn with_trailers(self, trailers: HeaderMap) -> Self {
        Self { trailers: Some(trailers), ..self }
    }

    /// Nothing of it goes before this is opened.
    pub(crate) fn close_gate(&mut self) -> Arc<AtomicBool> {
        self.gate.store(false, Ordering::Relaxed);
        Arc::clone(&self.gate)
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.gate.load(Ordering::Relaxed) || self.dice.one_in(4) {
            return Poll::Pending;
        }
        let frame = self.frames.pop_front().map(Frame::data);
        Poll::Ready(frame.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.is_sized
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.frames.iter().map(|frame| frame.len() as u64).sum();
        if self.is_sized { SizeHint::with_exact(left) } else { SizeHint::default() }
    }
}
