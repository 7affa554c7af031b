//! Links: where frames come from and go to. The only room that may use `unsafe`.
//!
//! A link tells its medium, its MTU and whether its frames carry an FCS; the stack acts on that. It never
//! blocks: what cannot be sent now is [`Sent::Full`], and the caller keeps the frame.

mod headers;
pub mod impair;
pub mod memory;
pub mod recorder;
pub mod tap;
pub mod watch;

use std::io;

use crate::frame::Frame;
pub use crate::frame::{Medium, Properties};
use crate::time::Instant;

/// What came of a call to receive.
#[derive(Debug)]
pub enum Received {
    /// A frame of this many bytes stands in the buffer.
    Frame(usize),
    /// There is none now.
    Nothing,
    /// There will be none any more.
    Gone(io::Error),
}

/// What came of a call to send.
#[derive(Debug)]
pub enum Sent {
    /// The link has it.
    Done,
    /// Not now; try the same frame again.
    Full,
    /// Never again.
    Gone(io::Error),
}

/// Something that carries frames.
pub trait Link {
    /// What it can carry. Does not change.
    fn properties(&self) -> Properties;

    /// Takes the next frame that has arrived, cut to the buffer if that is shorter.
    fn recv(&mut self, now: Instant, buffer: &mut [u8]) -> Received;

    /// Sends a frame.
    fn send(&mut self, now: Instant, frame: &Frame) -> Sent;

    /// When frames will move without anybody's doing.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A device as the house runs on it: it can be made worse and watched at any time, and costs nothing extra while
/// nobody does.
pub type Instrumented<D> = watch::Watched<impair::Impair<D>>;

impl<L: Link + ?Sized> Link for Box<L> {
    fn properties(&self) -> Properties {
        (**self).properties()
    }
    fn recv(&mut self, now: Instant, buffer: &mut [u8]) -> Received {
        (**self).recv(now, buffer)
    }
    fn send(&mut self, now: Instant, frame: &Frame) -> Sent {
        (**self).send(now, frame)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }
}
