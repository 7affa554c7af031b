//! Tables, where people sit and JSON messages pass between them.
//!
//! A table is a log of numbered messages and the seats that read it. Whoever sits has a place in the log, and is woken
//! when there is more: so a message is encoded once, nobody who is slow holds up another, and who comes back with the
//! number of the last message that he saw goes on from there, by the same road.
//!
//! A message is heard when it is kept, and not before, so what was heard is still there after a kill, and no number is
//! used twice.
//!
//! What keeps tables stands behind [`Tables`], so that another engine can take its place.

mod hall;
mod journal;
mod log;
mod message;
mod rate;
mod routes;
mod seat;
mod table;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::accounts::{StoreError, UserId};
pub(super) use hall::Hall;
pub(super) use journal::Shared;
pub(super) use message::ping;
pub(super) use routes::{list, show, sit_by_path, sit_by_query};

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId(pub i64);

/// Which seat at its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClientId(pub i64);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One who speaks or is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The seat.
    pub client: ClientId,
    /// Whose it is; nobody's, if somebody sits there without a name.
    pub user: Option<UserId>,
    /// Which time that somebody sat there: a random number, so that it is another one also when the house begins again.
    /// Who has no name is the same for this time alone.
    pub occupancy: u64,
}

impl Party {
    /// Both are the same person in the same seat.
    fn is(&self, other: &Self) -> bool {
        self.client == other.client && self.is_person(other)
    }

    /// Both are the same person, whichever seats they have.
    fn is_person(&self, other: &Self) -> bool {
        match (self.user, other.user) {
            (None, None) => self.client == other.client && self.occupancy == other.occupancy,
            (mine, theirs) => mine == theirs,
        }
    }
}

/// A message as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number at its table.
    pub seq: u64,
    /// Who may hear it, if not all.
    pub between: Option<[Party; 2]>,
    /// What is sent, in JSON.
    pub text: String,
}

impl fmt::Debug for Record {
    /// Never what it says: no message reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({}, {} bytes)", self.seq, self.text.len())
    }
}

/// What is kept of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The number of its last message, also of one that is not kept.
    pub seq: u64,
    /// What was said up to this number is gone.
    pub gone: u64,
    /// What was said last, in its order.
    pub talk: Vec<Record>,
    /// Nothing is kept of it.
    pub is_new: bool,
}

/// What a table adds to what is kept of it.
#[derive(Clone, Debug)]
pub struct Addition {
    /// The table.
    pub table: TableId,
    /// The number of its last message.
    pub seq: u64,
    /// When that was, in seconds since 1970.
    pub at: u64,
    /// What was said.
    pub talk: Vec<Record>,
    /// What was said up to this number goes.
    pub gone: u64,
    /// Nothing was kept of it when it was fetched.
    pub is_new: bool,
}

/// A table, as it stands in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The number of its last message.
    pub seq: u64,
    /// When that was, in seconds since 1970.
    pub at: u64,
}

/// Keeps tables. What a call has returned is kept, whatever happens to the program then.
pub trait Tables: Send + Sync {
    /// What is kept of a table.
    ///
    /// # Errors
    /// The store failed.
    fn load(&self, table: TableId) -> Result<Kept, StoreError>;

    /// Keeps what tables add, all of it as one step. Where there are too many tables, those go at which nothing was
    /// said, and then those that were silent for longest. Tables that are new to the store begin behind the numbers of
    /// those.
    ///
    /// # Errors
    /// The store failed.
    fn append(&self, additions: &[Addition]) -> Result<(), StoreError>;

    /// Whose seat this is.
    ///
    /// # Errors
    /// The store failed.
    fn owner(&self, table: TableId, client: ClientId) -> Result<Option<UserId>, StoreError>;

    /// A user sits in a seat, which becomes his if it is nobody's: whose it is then. If he has too many, he loses the
    /// one where he has not sat for longest.
    ///
    /// # Errors
    /// The store failed.
    fn bind(&self, table: TableId, client: ClientId, user: UserId, now: u64) -> Result<UserId, StoreError>;

    /// So many tables at most, by their ids, from behind this one on.
    ///
    /// # Errors
    /// The store failed.
    fn list(&self, after: Option<TableId>, limit: usize) -> Result<Vec<(TableId, Summary)>, StoreError>;
}
