//! All tables that somebody sits at, or did a while ago; the others are in the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::journal::{Journal, Shared, lock};
use super::log::Budget;
use super::message::Person;
use super::table::{Table, Unseated};
use super::{Party, TableId, Tables};
use crate::app::accounts::{SessionId, StoreError};
use crate::app::entropy::Entropy;
use crate::fault::{self, Fault};
use crate::limits;
use crate::time::Instant;
use crate::ws::{Code, Sender};

/// The tables.
pub(in crate::app) struct Hall {
    pub(super) store: Arc<dyn Tables>,
    entropy: Entropy,
    budget: Arc<Budget>,
    pub(super) journal: Journal,
    tables: Mutex<BTreeMap<TableId, Shared>>,
    /// Held while a table is fetched from the store, or put away, so that none is there twice.
    moving: Mutex<()>,
    sockets: Mutex<Sockets>,
}

/// Sockets by the session whose token opened them, each under a number of its own.
#[derive(Default)]
struct Sockets {
    by_session: BTreeMap<(SessionId, u64), Sender>,
    count: u64,
}

/// Somebody has a seat: at which table, and as whom. Whoever drops it has left.
pub(super) struct Place {
    pub(super) table: Shared,
    pub(super) party: Party,
}

impl Hall {
    pub(in crate::app) fn new(store: Arc<dyn Tables>, entropy: Entropy) -> Self {
        Self {
            store,
            entropy,
            budget: Arc::default(),
            journal: Journal::default(),
            tables: Mutex::default(),
            moving: Mutex::default(),
            sockets: Mutex::default(),
        }
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<TableId, Shared>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table, if it is at hand.
    pub(super) fn at_hand(&self, id: TableId) -> Option<Shared> {
        self.tables().get(&id).cloned()
    }

    /// The table, from the store if need be: for a job.
    pub(super) fn fetch(&self, id: TableId, now: Instant) -> Result<Shared, StoreError> {
        if let Some(table) = self.at_hand(id) {
            return Ok(table);
        }
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = self.at_hand(id) {
            return Ok(table);
        }
        self.put_away(now);
        let table = Arc::new(Mutex::new(Table::new(id, self.store.load(id)?, Arc::clone(&self.budget))));
        self.tables().insert(id, Arc::clone(&table));
        Ok(table)
    }

    /// Lets go of tables that nobody needs, if there are many: while none is fetched.
    fn put_away(&self, now: Instant) {
        let mut tables = self.tables();
        if tables.len() >= limits::TABLES_AT_HAND {
            tables.retain(|_, table| !lock(table).close(now));
        }
    }

    /// Has somebody sit down at a table: for a job.
    pub(super) fn sit(
        &self,
        id: TableId,
        person: &Person,
        now: Instant,
    ) -> Result<Result<Place, Unseated>, StoreError> {
        loop {
            let table = self.fetch(id, now)?;
            let party = match lock(&table).sit(person.clone(), self.occupancy(), now) {
                Ok(party) => party,
                // It was put away before he sat, and is fetched anew.
                Err(Unseated::Closed) => continue,
                Err(unseated) => return Ok(Err(unseated)),
            };
            return Ok(Ok(Place { table, party }));
        }
    }

    fn occupancy(&self) -> u64 {
        let mut bytes = [0; 8];
        (self.entropy)(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// What this table has said is to be kept.
    pub(in crate::app) fn keep(&self, table: &Shared) {
        self.journal.add(table);
    }

    /// Keeps what waits. Says whether there was something.
    pub(in crate::app) fn work(&self) -> bool {
        self.journal.work(&*self.store)
    }

    /// Does that, without end.
    pub(in crate::app) fn work_on(&self) -> ! {
        self.journal.run(&*self.store)
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket is good as long as this session is. Gives the number under which it is known.
    pub(super) fn watch(&self, session: SessionId, sender: Sender) -> u64 {
        let mut sockets = self.sockets();
        sockets.count += 1;
        let number = sockets.count;
        sockets.by_session.insert((session, number), sender);
        number
    }

    pub(super) fn unwatch(&self, session: SessionId, number: u64) {
        self.sockets().by_session.remove(&(session, number));
    }

    /// No token is good any more.
    pub(in crate::app) fn close_all(&self) {
        for sender in self.sockets().by_session.values() {
            let _ = sender.close(Code(limits::CLOSE_UNAUTHORIZED), "the token is revoked");
        }
    }

    /// This session has ended: its sockets are closed. One that this does not reach looks by itself, when its clock
    /// rings or something comes.
    pub(in crate::app) fn close_sockets(&self, session: SessionId) {
        let sockets = self.sockets();
        if fault::is(Fault::SocketsStay) {
            return;
        }
        for (_, sender) in sockets.by_session.range((session, 0)..=(session, u64::MAX)) {
            let _ = sender.close(Code(limits::CLOSE_UNAUTHORIZED), "the token is revoked");
        }
    }
}
