//! The store of the house: one file of `redb`, which is safe against a crash at any moment.
//!
//! A write is answered when it is on the disk. Records are JSON under keys that sort as they are looked for; which
//! tables there are, and how older files become newer ones, stands in `schema`. All calls may wait for the disk.

mod schema;
mod sessions;
mod tables;
mod users;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::accounts::{StoreError, User, UserId};
use super::entropy::Entropy;
use crate::fault::{self, Fault};

/// Bytes of the file that are kept in memory.
const CACHE: usize = 16 << 20;

/// The store.
pub struct Store {
    /// `None` while it cannot be opened again.
    db: RwLock<Option<Database>>,
    /// Its file, if it has one.
    path: Option<PathBuf>,
}

impl Store {
    /// The store in this directory, made if there is none, and brought up to date.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do: another program has it open, it is damaged, or of a newer version.
    pub fn open(directory: &Path) -> Result<Self, String> {
        let path = directory.join("taphouse.redb");
        let wrong = |what: &dyn Display| format!("{}: {what}", path.display());
        // What is damaged is found by the check, and not by an assertion later; but for what the check misses.
        let opened = catch_unwind(AssertUnwindSafe(|| open_file(&path)));
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => {
                return Err(wrong(
                    &"another taphouse has it open; stop that one, or choose another directory by --data",
                ));
            }
            Ok(Err(error)) if is_damage(&error) => return Err(wrong(&damaged(&error))),
            Ok(Err(error)) => return Err(wrong(&error)),
            Err(_) => return Err(wrong(&damaged(&"it contradicts itself"))),
        };
        let store = Self { db: RwLock::new(Some(db)), path: Some(path.clone()) };
        schema::migrate(&store).map_err(|error| wrong(&error))?;
        Ok(store)
    }

    /// A store that ends with the program.
    pub fn in_memory() -> Self {
        let db = Builder::new().set_cache_size(CACHE).create_with_backend(InMemoryBackend::new());
        let store = Self { db: RwLock::new(Some(db.expect("there is memory"))), path: None };
        schema::migrate(&store).expect("a new store can be brought up to date");
        store
    }

    /// A random number of this file: with another one it is another store.
    pub(super) fn epoch(&self, entropy: &Entropy) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let mut meta = transaction.open_table(schema::META)?;
            if let Some(epoch) = meta.get(schema::EPOCH)? {
                return Ok(Ok(epoch.value()));
            }
            let mut bytes = [0; 8];
            entropy(&mut bytes);
            let epoch = u64::from_be_bytes(bytes);
            meta.insert(schema::EPOCH, epoch)?;
            Ok(Ok(epoch))
        })
    }

    /// Reads at one moment.
    fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.with(|db| read(&db.begin_read()?).map(Ok))
    }

    /// Changes all that is said, or nothing if that ends in an error.
    fn write<T>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<Result<T, StoreError>, redb::Error>,
    ) -> Result<T, StoreError> {
        self.with(|db| {
            let mut transaction = db.begin_write()?;
            if fault::is(Fault::CommitsUnsynced) {
                transaction.set_durability(Durability::None)?;
            }
            let written = write(&transaction)?;
            match written {
                Ok(_) => transaction.commit()?,
                Err(_) => transaction.abort()?,
            }
            Ok(written)
        })
    }

    /// Uses the file. After an error of the disk the database takes no more, so it is opened again for the next one.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<Result<T, StoreError>, redb::Error>,
    ) -> Result<T, StoreError> {
        let worked = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            db.as_ref().map(work)
        };
        match worked {
            Some(Ok(result)) => return result,
            Some(Err(error)) => {
                if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) {
                    self.open_again();
                }
                return Err(failed(error));
            }
            None => self.open_again(),
        }
        Err(StoreError::Failed("it could not be opened again after an error of the disk".to_owned()))
    }

    fn open_again(&self) {
        let Some(path) = &self.path else { return };
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // The lock of the file is given up first.
        *db = None;
        match catch_unwind(AssertUnwindSafe(|| open_file(path))) {
            Ok(Ok(opened)) => *db = Some(opened),
            Ok(Err(error)) => log::error!("{} cannot be opened again: {error}", path.display()),
            Err(_) => log::error!("{} cannot be opened again: it contradicts itself", path.display()),
        }
    }
}

fn open_file(path: &Path) -> Result<Database, DatabaseError> {
    Builder::new().set_cache_size(CACHE).set_check_integrity_on_open(true).create(path)
}

fn is_damage(error: &DatabaseError) -> bool {
    use redb::StorageError;
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::UpgradeRequired(_) => true,
        DatabaseError::Storage(StorageError::Io(error)) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

fn damaged(how: &dyn Display) -> String {
    format!(
        "the file is damaged, or none of taphouse's ({how}); put back a copy of it, or move it away to begin anew"
    )
}

fn failed(error: impl Display) -> StoreError {
    StoreError::Failed(error.to_string())
}

/// The user of this id, as he is while something is changed.
fn user(transaction: &WriteTransaction, id: UserId) -> Result<Option<User>, redb::Error> {
    let users = transaction.open_table(schema::USERS)?;
    users.get(id.0)?.map(|user| parse(user.value())).transpose()
}

fn record(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have texts for names")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    // What serde says may quote what it read, which no log shall hold.
    serde_json::from_slice(bytes).map_err(|_| redb::Error::Corrupted("a record cannot be read".to_owned()))
}

#[cfg(test)]
mod tests;
