//! The memory of a shard that its peers can make grow: what is gathered of bodies and messages until somebody can use
//! it, and what WebSockets keep for peers who do not take it. Not counted is what a handler makes of its own for an
//! answer, which it must bound itself, and what vectors reserve beyond what they hold.
//!
//! Each connection has limits of its own; this one holds for all of them together. Who would go beyond it is told to
//! try again later (503, 1013), and all others go on.

use std::cell::Cell;

use crate::fault::{self, Fault};
use crate::limits;

/// The memory of a shard.
#[derive(Debug)]
pub struct Quota {
    used: Cell<usize>,
    limit: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self::new(limits::GATHERED_BYTES)
    }
}

/// What one holder has of it. It must be set to nothing before it is dropped, or the shard's memory shrinks for ever.
#[derive(Debug, Default)]
pub struct Share(usize);

impl Quota {
    /// So many bytes.
    pub fn new(limit: usize) -> Self {
        Self { used: Cell::new(0), limit }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// The holder has this much now. False, and nothing changed, if it is more than before and there is no room.
    #[must_use]
    pub fn set(&self, share: &mut Share, held: usize) -> bool {
        let others = self.used.get() - share.0;
        let fits =
            held <= share.0 || others.saturating_add(held) <= self.limit || fault::is(Fault::QuotaUnlimited);
        if fits {
            self.used.set(others + held);
            share.0 = held;
        }
        fits
    }

    /// So many bytes more would fit.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used.get().saturating_add(bytes) <= self.limit || fault::is(Fault::QuotaUnlimited)
    }

    /// The holder has nothing any more.
    pub fn clear(&self, share: &mut Share) {
        self.used.set(self.used.get() - share.0);
        share.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_holders_together_stay_within_the_limit() {
        let quota = Quota::new(100);
        let (mut one, mut two) = (Share::default(), Share::default());
        assert!(quota.set(&mut one, 60) && !quota.set(&mut two, 41) && quota.set(&mut two, 40));
        assert_eq!(quota.used(), 100);
        assert!(quota.set(&mut one, 10) && quota.set(&mut two, 90) && !quota.set(&mut two, 91));
        quota.clear(&mut two);
        assert!(!quota.set(&mut two, usize::MAX) && quota.used() == 10);
    }
}
