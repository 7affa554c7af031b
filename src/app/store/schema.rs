//! What the file holds, version by version.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | number: `schema`, `next_user`, `epoch`, `floor` |
//! | `users` | id | the user, in JSON |
//! | `emails` | e-mail address in small letters | id of its user |
//! | `sessions` | id of the session | the session, in JSON |
//! | `sessions_of` | id of the user, id of the session | nothing |
//! | `tables` | id | the table, in JSON |
//! | `tables_in_order` | whether something was said, when something happened last, id | nothing |
//! | `talk` | id of the table, number of the message | the message, in JSON |
//! | `seats` | id of the table, id of the client | id of the user, and when he sat there last |
//! | `seats_of` | id of the user, when he sat there last, id of the table, id of the client | nothing |
//! | `ended` | until when its tokens would live, id of the session | nothing |
//!
//! `epoch` is random, and of this file alone; `floor` is the largest number of a message at a table that was forgotten.
//! Of `tables_in_order` the first go first.

use redb::{ReadableTable as _, TableDefinition, WriteTransaction};

use super::Store;

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
pub(super) const USERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("users");
pub(super) const EMAILS: TableDefinition<'_, &str, u64> = TableDefinition::new("emails");
pub(super) const SESSIONS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("sessions");
pub(super) const SESSIONS_OF: TableDefinition<'_, (u64, u128), ()> = TableDefinition::new("sessions_of");
pub(super) const ENDED: TableDefinition<'_, (u64, u128), ()> = TableDefinition::new("ended");

pub(super) const TABLES: TableDefinition<'_, i64, &[u8]> = TableDefinition::new("tables");
pub(super) const TABLES_IN_ORDER: TableDefinition<'_, (bool, u64, i64), ()> =
    TableDefinition::new("tables_in_order");
pub(super) const TALK: TableDefinition<'_, (i64, u64), &[u8]> = TableDefinition::new("talk");
pub(super) const SEATS: TableDefinition<'_, (i64, i64), (u64, u64)> = TableDefinition::new("seats");
pub(super) const SEATS_OF: TableDefinition<'_, (u64, u64, i64, i64), ()> = TableDefinition::new("seats_of");

pub(super) const SCHEMA: &str = "schema";
pub(super) const NEXT_USER: &str = "next_user";
pub(super) const EPOCH: &str = "epoch";
pub(super) const FLOOR: &str = "floor";

/// Makes a file of one version one of the next.
type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The first makes version 1 of an empty file.
const STEPS: &[Step] = &[users_and_sessions, tables];

/// Brings a file up to date, in one step: it is of the old version or of the new one, never between.
pub(super) fn migrate(store: &Store) -> Result<(), String> {
    migrate_to(store, STEPS.len())
}

pub(super) fn migrate_to(store: &Store, version: usize) -> Result<(), String> {
    let migrated = store.write(|transaction| {
        let found = transaction.open_table(META)?.get(SCHEMA)?.map_or(0, |version| version.value());
        let Some(steps) = usize::try_from(found).ok().and_then(|found| STEPS.get(found..version)) else {
            return Ok(Err(super::failed(format!(
                "it was written by a newer taphouse (version {found} of the file; here is {version}); run that one"
            ))));
        };
        for step in steps {
            step(transaction)?;
        }
        transaction.open_table(META)?.insert(SCHEMA, version as u64)?;
        Ok(Ok(()))
    });
    migrated.map_err(|error| match error {
        super::StoreError::Failed(what) => what,
        other => other.to_string(),
    })
}

fn users_and_sessions(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(USERS)?;
    transaction.open_table(EMAILS)?;
    transaction.open_table(SESSIONS)?;
    transaction.open_table(SESSIONS_OF)?;
    transaction.open_table(ENDED)?;
    transaction.open_table(META)?.insert(NEXT_USER, 1)?;
    Ok(())
}

fn tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(TABLES)?;
    transaction.open_table(TABLES_IN_ORDER)?;
    transaction.open_table(TALK)?;
    transaction.open_table(SEATS)?;
    transaction.open_table(SEATS_OF)?;
    Ok(())
}
