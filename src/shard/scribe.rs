//! Writes a capture to its file on a thread of its own, so that no turn waits for a disk.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Pieces under way to the thread; what comes while they are waits with its recorder.
const QUEUE: usize = 4;
/// How long the end waits for a reader who takes nothing, for each of its two steps.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_STEPS: u32 = 20;

/// The near end of the thread.
#[derive(Debug)]
pub struct Scribe {
    pieces: SyncSender<Vec<u8>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
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
        let (ends, ended) = channel();
        let name = name.to_owned();
        thread::Builder::new().name("capture".to_owned()).spawn(move || {
            let _ends: std::sync::mpsc::Sender<()> = ends;
            if let Err(error) = write_all(file, &receiver) {
                log::warn!("{name} cannot be written: {error}; the capture ends here, serving goes on");
            }
        })?;
        Ok(Self { pieces, ended, waiting: None, is_broken: false })
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

    /// Waits until everything, and this last piece, is written, as long as somebody takes it.
    pub fn finish(self, last: Option<Vec<u8>>) {
        let mut left: VecDeque<Vec<u8>> = self.waiting.into_iter().chain(last).collect();
        for _ in 0..PATIENCE_STEPS {
            while let Some(piece) = left.pop_front() {
                match self.pieces.try_send(piece) {
                    Ok(()) => {}
                    Err(TrySendError::Disconnected(_)) => left.clear(),
                    Err(TrySendError::Full(piece)) => {
                        left.push_front(piece);
                        break;
                    }
                }
            }
            if left.is_empty() {
                break;
            }
            thread::sleep(PATIENCE / PATIENCE_STEPS);
        }
        drop(self.pieces);
        // The thread ends by dropping its end; one that still waits for a reader is left behind.
        if !left.is_empty() || self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            log::warn!("the capture is cut short: who reads it does not take it");
        }
    }
}

fn write_all(mut file: impl Write, pieces: &Receiver<Vec<u8>>) -> io::Result<()> {
    while let Ok(piece) = pieces.recv() {
        file.write_all(&piece)?;
        file.flush()?;
    }
    Ok(())
}
