//! What tables say, on its way into the store: whatever waits is kept by one commit, so a busy table costs no more of
//! them than a quiet one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::table::Table;
use super::{Addition, Tables};

/// A table that several hold.
pub(in crate::app) type Shared = Arc<Mutex<Table>>;

/// Takes a table for a moment.
pub(super) fn lock(table: &Shared) -> MutexGuard<'_, Table> {
    // Its parts are set together, and the methods that set them do not panic between.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tables that have something to be kept.
#[derive(Default)]
pub(super) struct Journal {
    dirty: Mutex<Dirty>,
    bell: Condvar,
}

#[derive(Default)]
struct Dirty {
    tables: Vec<Shared>,
    is_failing: bool,
}

/// How long it waits after the store has failed.
const PAUSE: Duration = Duration::from_secs(1);

impl Journal {
    /// This table may have something to be kept.
    pub(super) fn add(&self, table: &Shared) {
        if lock(table).queue() {
            self.dirty().tables.push(Arc::clone(table));
            self.bell.notify_one();
        }
    }

    /// Keeps all that waits. Says whether there was something.
    pub(super) fn work(&self, store: &dyn Tables) -> bool {
        let tables = std::mem::take(&mut self.dirty().tables);
        let taken: Vec<(Shared, Addition)> = tables
            .into_iter()
            .filter_map(|table| {
                let addition = lock(&table).take_pending()?;
                Some((table, addition))
            })
            .collect();
        if taken.is_empty() {
            return false;
        }
        let (tables, additions): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        match store.append(&additions) {
            Ok(()) => {
                for (table, addition) in tables.iter().zip(&additions) {
                    lock(table).handle_kept(addition.seq);
                }
                self.dirty().is_failing = false;
                true
            }
            Err(error) => {
                tables.iter().for_each(|table| lock(table).handle_unkept());
                let mut dirty = self.dirty();
                dirty.tables.extend(tables);
                if !std::mem::replace(&mut dirty.is_failing, true) {
                    log::error!("what tables say cannot be kept, and is not heard until it can: {error}");
                }
                false
            }
        }
    }

    /// Keeps what comes, without end: for a thread of its own.
    pub(super) fn run(&self, store: &dyn Tables) -> ! {
        loop {
            let dirty = self.dirty();
            let dirty = if dirty.is_failing {
                let waited = self.bell.wait_timeout_while(dirty, PAUSE, |_| true);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                let waited = self.bell.wait_while(dirty, |dirty| dirty.tables.is_empty());
                waited.unwrap_or_else(PoisonError::into_inner)
            };
            drop(dirty);
            self.work(store);
        }
    }

    fn dirty(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
