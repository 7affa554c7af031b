//! Writes a capture to its file on a thread of its own, so that no turn waits for a disk.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// Pieces under way to the thread; what comes while they are waits with its recorder.
const QUEUE: usize = 16;

/// The near end of the thread.
#[derive(Debug)]
pub struct Scribe {
    pieces: SyncSender<Vec<u8>>,
    thread: JoinHandle<()>,
    /// A piece that found the queue full.
    waiting: Option<Vec<u8>>,
    is_broken: bool,
}

impl Scribe {
    /// Starts the thread. `name` is what messages call the file.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn new(file: impl Write + Send + 'static, name: &str) -> io::Result<Self> {
        let (pieces, receiver) = sync_channel(QUEUE);
        let name = name.to_owned();
        let thread = thread::Builder::new().name("capture".to_owned()).spawn(move || {
            if let Err(error) = write_all(file, &receiver) {
                log::warn!("{name} cannot be written: {error}; the capture ends here, serving goes on");
            }
        })?;
        Ok(Self { pieces, thread, waiting: None, is_broken: false })
    }

    /// A piece would be taken.
    pub fn has_room(&mut self) -> bool {
        if let Some(piece) = self.waiting.take() {
            self.write(piece);
        }
        self.waiting.is_none()
    }

    /// Hands over a piece.
    pub fn write(&mut self, piece: Vec<u8>) {
        match self.pieces.try_send(piece) {
            Ok(()) => {}
            Err(TrySendError::Full(piece)) => self.waiting = Some(piece),
            Err(TrySendError::Disconnected(_)) => self.is_broken = true,
        }
    }

    /// The file takes no more.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Waits until everything, and this last piece, is written.
    pub fn finish(self, last: Option<Vec<u8>>) {
        // Blocking is right here: nothing else is left to do.
        let left = self.waiting.into_iter().chain(last);
        left.for_each(|piece| drop(self.pieces.send(piece)));
        drop(self.pieces);
        drop(self.thread.join());
    }
}

fn write_all(mut file: impl Write, pieces: &Receiver<Vec<u8>>) -> io::Result<()> {
    while let Ok(piece) = pieces.recv() {
        file.write_all(&piece)?;
        file.flush()?;
    }
    Ok(())
}
