//! Slow work that waits for a worker.

use std::collections::VecDeque;

use crate::fault::{self, Fault};
use crate::http::{Job, Ticket};
use crate::limits;
use crate::mail::Address;

/// Work for a request, and whose it is.
pub struct Work {
    /// The connection.
    pub from: Address,
    /// Its request.
    pub ticket: Ticket,
    /// What to do.
    pub job: Job,
}

/// The work of a shard, in the order in which it was asked for, and what of it is at work.
#[derive(Default)]
pub struct Jobs {
    waiting: VecDeque<Work>,
    at_work: usize,
}

impl Jobs {
    /// Takes work, unless there is too much already.
    pub(super) fn submit(&mut self, work: Work) -> bool {
        let has_room = self.waiting.len() + self.at_work < limits::JOBS || fault::is(Fault::JobsUnlimited);
        if has_room {
            self.waiting.push_back(work);
        }
        has_room
    }

    /// Work for a worker.
    pub fn poll(&mut self) -> Option<Work> {
        let work = self.waiting.pop_front()?;
        self.at_work += 1;
        Some(work)
    }

    /// A worker is done.
    pub(crate) fn handle_done(&mut self) {
        self.at_work = self.at_work.saturating_sub(1);
    }
}
