//! Slow work that waits for a worker.

use std::collections::VecDeque;

use crate::fault::{self, Fault};
use crate::http::{Job, Lane, Ticket};
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
    waiting: Queue,
    computing: Queue,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    at_work: usize,
}

impl Jobs {
    /// Takes work, unless there is too much of its kind already.
    pub(super) fn submit(&mut self, work: Work) -> bool {
        let lane = work.job.lane();
        let limit = match lane {
            Lane::Waiting => limits::JOBS,
            Lane::Computing => limits::COMPUTING_JOBS,
        };
        let queue = self.queue(lane);
        let has_room = queue.waiting.len() + queue.at_work < limit || fault::is(Fault::JobsUnlimited);
        if has_room {
            queue.waiting.push_back(work);
        }
        has_room
    }

    /// Work for a worker.
    pub fn poll(&mut self) -> Option<Work> {
        [Lane::Waiting, Lane::Computing].into_iter().find_map(|lane| {
            let queue = self.queue(lane);
            let work = queue.waiting.pop_front()?;
            queue.at_work += 1;
            Some(work)
        })
    }

    /// A worker is done.
    pub(crate) fn handle_done(&mut self, ticket: Ticket) {
        let queue = self.queue(ticket.lane());
        queue.at_work = queue.at_work.saturating_sub(1);
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Waiting => &mut self.waiting,
            Lane::Computing => &mut self.computing,
        }
    }
}
