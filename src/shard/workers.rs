//! Threads for slow work, so that it never delays another connection's frame.
//!
//! They are started when there is something to do, and end with the house; what is at work then is given up.

use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::http::{Lane, Outcome, Response};
use crate::limits;
use crate::serve::{Letter, Post, Work};

/// The threads of each lane, and the work handed to them.
pub(super) struct Workers {
    post: Arc<Post>,
    waiting: Option<Sender<Work>>,
    computing: Option<Sender<Work>>,
}

impl Workers {
    pub(super) fn new(post: &Arc<Post>) -> Self {
        Self { post: Arc::clone(post), waiting: None, computing: None }
    }

    /// Hands over work. How much there is at once is bounded by who gives it.
    pub(super) fn give(&mut self, work: Work) -> io::Result<()> {
        let lane = work.job.lane();
        let queue = match lane {
            Lane::Waiting => &mut self.waiting,
            Lane::Computing => &mut self.computing,
        };
        let queue = match queue {
            Some(queue) => queue,
            None => queue.insert(start(&self.post, lane)?),
        };
        // The threads end when the sender is dropped, and not before.
        queue.send(work).map_err(|_| io::Error::other("the threads for slow work have ended"))
    }
}

fn start(post: &Arc<Post>, lane: Lane) -> io::Result<Sender<Work>> {
    let (name, threads) = match lane {
        Lane::Waiting => ("waiting", limits::WORKERS),
        Lane::Computing => {
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            ("computing", (cores / 2).clamp(1, limits::COMPUTING_WORKERS))
        }
    };
    let (sender, receiver) = channel();
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..threads {
        let (post, receiver) = (Arc::clone(post), Arc::clone(&receiver));
        thread::Builder::new().name(format!("{name} {number}")).spawn(move || work_all(&post, &receiver))?;
    }
    Ok(sender)
}

fn work_all(post: &Post, receiver: &Mutex<Receiver<Work>>) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { from, ticket, job }) = next else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| job.run())).unwrap_or_else(|_| {
            log::error!("a job panicked; its request is answered by 500");
            Outcome::Respond(Response::problem(500, "the work for this request failed"))
        });
        // What is done always fits.
        let _ = post.send(from, Letter::Done(ticket, outcome));
    }
}
