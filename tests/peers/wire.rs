//! What lies between two peers: two pipes of bytes, of which nobody takes as much at once as he would like.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::ReadBufCursor;

use crate::dice::Dice;

/// Bytes on their way. Beyond: the writer must wait.
const CAPACITY: usize = 96 << 10;

/// One direction.
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    is_finished: bool,
    /// Bytes that a reader gets at once, at most.
    cut: usize,
    dice: Dice,
    /// All that went through.
    pub(crate) log: Vec<u8>,
    /// The byte at this offset arrives damaged.
    pub(crate) damaged: Option<usize>,
}

/// What a reader finds.
pub(crate) enum Found {
    Bytes(Vec<u8>),
    Nothing,
    End,
}

impl Pipe {
    fn new(dice: Dice, cut: usize) -> Self {
        let (bytes, log) = (VecDeque::new(), Vec::new());
        Self { bytes, is_finished: false, cut, dice, log, damaged: None }
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let room = CAPACITY - self.bytes.len();
        let mut len = bytes.len().min(room);
        if len > 1 && self.dice.one_in(4) {
            len = 1 + self.dice.below(len);
        }
        for &byte in &bytes[..len] {
            let damage = u8::from(self.damaged == Some(self.log.len()));
            self.bytes.push_back(byte ^ damage);
            self.log.push(byte);
        }
        len
    }

    fn read(&mut self, max: usize) -> Found {
        if self.bytes.is_empty() {
            return if self.is_finished { Found::End } else { Found::Nothing };
        }
        if self.dice.one_in(5) {
            return Found::Nothing;
        }
        let len = 1 + self.dice.below(self.cut.min(max).min(self.bytes.len()));
        Found::Bytes(self.bytes.drain(..len).collect())
    }
}

/// One end of both pipes.
#[derive(Clone)]
pub(crate) struct End {
    pub(crate) incoming: Rc<RefCell<Pipe>>,
    pub(crate) outgoing: Rc<RefCell<Pipe>>,
}

/// A wire whose readers get at most `cut` bytes at once.
pub(crate) fn wire(dice: &mut Dice, cut: usize) -> (End, End) {
    let mut pipe = || Rc::new(RefCell::new(Pipe::new(Dice::new(dice.below(1 << 40) as u64, 1), cut)));
    let (up, down) = (pipe(), pipe());
    let near = End { incoming: Rc::clone(&down), outgoing: Rc::clone(&up) };
    (near, End { incoming: up, outgoing: down })
}

impl End {
    pub(crate) fn receive(&self, max: usize) -> Found {
        self.incoming.borrow_mut().read(max)
    }

    /// How many of the bytes were taken.
    pub(crate) fn give(&self, bytes: &[u8]) -> usize {
        let mut pipe = self.outgoing.borrow_mut();
        if pipe.is_finished { bytes.len() } else { pipe.write(bytes) }
    }

    /// Nothing more comes from here.
    pub(crate) fn finish(&self) {
        self.outgoing.borrow_mut().is_finished = true;
    }

    /// From here on readers get at most so many bytes at once.
    pub(crate) fn cut(&self, at: usize) {
        self.incoming.borrow_mut().cut = at;
        self.outgoing.borrow_mut().cut = at;
    }

    /// Bytes that have come and gone here, and those not taken yet: it stands still while nothing moves.
    pub(crate) fn moved(&self) -> (usize, usize, usize, usize) {
        let (incoming, outgoing) = (self.incoming.borrow(), self.outgoing.borrow());
        (incoming.log.len(), outgoing.log.len(), incoming.bytes.len(), outgoing.bytes.len())
    }
}

impl io::Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.receive(buf.len()) {
            Found::Bytes(bytes) => {
                buf[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Found::Nothing => Err(ErrorKind::WouldBlock.into()),
            Found::End => Ok(0),
        }
    }
}

impl io::Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.give(buf) {
            0 if !buf.is_empty() => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl hyper::rt::Read for End {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.receive(buf.remaining()) {
            Found::Bytes(bytes) => buf.put_slice(&bytes),
            Found::Nothing => return Poll::Pending,
            Found::End => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for End {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.give(buf) {
            0 if !buf.is_empty() => Poll::Pending,
            len => Poll::Ready(Ok(len)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}
