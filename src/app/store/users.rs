//! Users, kept.

use redb::ReadableTable as _;

use super::schema::{EMAILS, META, NEXT_USER, USERS};
use super::sessions::end_all;
use super::tables::unbind_all;
use super::{Store, parse, record};
use crate::app::accounts::{Change, Moment, SessionId, StoreError, User, UserId, Users};

/// As an e-mail address is looked for.
fn folded(email: &str) -> String {
    email.to_ascii_lowercase()
}

impl Users for Store {
    fn insert(&self, mut user: User) -> Result<User, StoreError> {
        self.write(|transaction| {
            let mut emails = transaction.open_table(EMAILS)?;
            let email = folded(&user.email);
            if emails.get(&*email)?.is_some() {
                return Ok(Err(StoreError::Taken));
            }
            let mut meta = transaction.open_table(META)?;
            let id = meta.get(NEXT_USER)?.map_or(1, |next| next.value());
            meta.insert(NEXT_USER, id + 1)?;
            emails.insert(&*email, id)?;
            user.id = UserId(id);
            transaction.open_table(USERS)?.insert(id, &*record(&user))?;
            Ok(Ok(user))
        })
    }

    fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read(|transaction| {
            let users = transaction.open_table(USERS)?;
            users.get(id.0)?.map(|user| parse(user.value())).transpose()
        })
    }

    fn by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.read(|transaction| {
            let Some(id) = transaction.open_table(EMAILS)?.get(&*folded(email))? else { return Ok(None) };
            let users = transaction.open_table(USERS)?;
            users.get(id.value())?.map(|user| parse(user.value())).transpose()
        })
    }

    fn update(
        &self,
        id: UserId,
        at: Moment,
        change: &mut dyn FnMut(&mut User) -> Change,
    ) -> Result<(User, Vec<SessionId>), StoreError> {
        self.write(|transaction| {
            let Some(before) = super::user(transaction, id)? else { return Ok(Err(StoreError::Unknown)) };
            let mut user = before.clone();
            let ended = match change(&mut user) {
                Change::Made => Vec::new(),
                Change::EndsSessions => end_all(transaction, id, at)?,
            };
            let (old, new) = (folded(&before.email), folded(&user.email));
            if old != new {
                let mut emails = transaction.open_table(EMAILS)?;
                if emails.get(&*new)?.is_some() {
                    return Ok(Err(StoreError::Taken));
                }
                emails.remove(&*old)?;
                emails.insert(&*new, id.0)?;
            }
            transaction.open_table(USERS)?.insert(id.0, &*record(&user))?;
            Ok(Ok((user, ended)))
        })
    }

    fn remove(&self, id: UserId, at: Moment) -> Result<Vec<SessionId>, StoreError> {
        self.write(|transaction| {
            let Some(user) = super::user(transaction, id)? else { return Ok(Err(StoreError::Unknown)) };
            transaction.open_table(USERS)?.remove(id.0)?;
            transaction.open_table(EMAILS)?.remove(&*folded(&user.email))?;
            unbind_all(transaction, id)?;
            Ok(Ok(end_all(transaction, id, at)?))
        })
    }

    fn list(&self, after: UserId, limit: usize) -> Result<Vec<User>, StoreError> {
        self.read(|transaction| {
            let users = transaction.open_table(USERS)?;
            let behind = users.range(after.0.saturating_add(1)..)?.take(limit);
            behind.map(|entry| parse(entry?.1.value())).collect()
        })
    }
}
