//! A round trip of what is received, by which the receive buffer is sized.

use crate::time::Instant;

/// A round trip of what is received, and what the user took in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) began: Instant,
    /// TSval of what left at its beginning.
    pub(super) stamp: u32,
    taken: usize,
    /// The most that was taken in a round trip.
    most: usize,
}

impl Round {
    /// The first begins.
    pub(super) fn begin(&mut self, now: Instant, stamp: u32) {
        (self.began, self.stamp, self.taken) = (now, stamp, 0);
    }

    /// The user has taken so many bytes.
    pub(super) fn handle_taken(&mut self, len: usize) {
        self.taken += len;
    }

    /// It is over. Gives what the buffer should hold, if that is more than before: twice what was taken, so that a loss
    /// can be repaired meanwhile, and what a peer in slow start adds.
    pub(super) fn end(&mut self) -> Option<usize> {
        let grown_by = self.taken.checked_sub(self.most).filter(|&by| by > 0)?;
        self.most = self.taken;
        Some(2 * self.taken + 4 * grown_by)
    }
}
