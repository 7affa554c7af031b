//! Sessions, kept.

use redb::{ReadableTable as _, WriteTransaction};

use super::schema::{ENDED, SESSIONS, SESSIONS_OF};
use super::{Store, parse, record};
use crate::app::accounts::{Moment, PasswordHash, Renewal, Session, SessionId, Sessions, StoreError, UserId};
use crate::fault::{self, Fault};
use crate::limits;

impl Sessions for Store {
    fn begin(
        &self,
        id: SessionId,
        session: Session,
        compared: &PasswordHash,
        at: Moment,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.write(|transaction| {
            let user = super::user(transaction, session.user)?;
            if user.is_none_or(|user| user.is_disabled || user.password != *compared) {
                return Ok(Err(StoreError::Unknown));
            }
            let mut others = sessions_of(transaction, session.user)?;
            others.sort_by_key(|(_, other)| other.expires);
            others.truncate((others.len() + 1).saturating_sub(limits::SESSIONS_OF_ONE));
            for (other, _) in &others {
                end(transaction, *other, session.user, at)?;
            }
            transaction.open_table(SESSIONS)?.insert(id.0, &*record(&session))?;
            transaction.open_table(SESSIONS_OF)?.insert((session.user.0, id.0), ())?;
            Ok(Ok(others.into_iter().map(|(other, _)| other).collect()))
        })
    }

    fn renew(&self, id: SessionId, generation: u32, expires: u64, at: Moment) -> Result<Renewal, StoreError> {
        self.write(|transaction| {
            let Some(session) = session(transaction, id)? else { return Ok(Ok(Renewal::Over)) };
            let is_expired = at.now >= session.expires;
            let is_old = generation != session.generation && !fault::is(Fault::OldTokensTaken);
            if is_expired || is_old {
                end(transaction, id, session.user, at)?;
                return Ok(Ok(if is_expired { Renewal::Expired } else { Renewal::Reused }));
            }
            let renewed = Session { generation: generation.wrapping_add(1), expires, ..session };
            transaction.open_table(SESSIONS)?.insert(id.0, &*record(&renewed))?;
            Ok(Ok(Renewal::Renewed(renewed)))
        })
    }

    fn end(&self, id: SessionId, at: Moment) -> Result<(), StoreError> {
        self.write(|transaction| {
            if let Some(session) = session(transaction, id)? {
                end(transaction, id, session.user, at)?;
            }
            Ok(Ok(()))
        })
    }

    fn end_all(&self, user: UserId, at: Moment) -> Result<Vec<SessionId>, StoreError> {
        self.write(|transaction| Ok(Ok(end_all(transaction, user, at)?)))
    }

    fn ended(&self, now: u64) -> Result<Vec<(SessionId, u64)>, StoreError> {
        self.read(|transaction| {
            let ended = transaction.open_table(ENDED)?;
            let rest = ended.range((now, 0)..)?;
            let rest = rest.map(|entry| {
                let (until, id) = entry?.0.value();
                Ok((SessionId(id), until))
            });
            rest.collect()
        })
    }
}

fn session(transaction: &WriteTransaction, id: SessionId) -> Result<Option<Session>, redb::Error> {
    let sessions = transaction.open_table(SESSIONS)?;
    sessions.get(id.0)?.map(|session| parse(session.value())).transpose()
}

fn sessions_of(
    transaction: &WriteTransaction,
    user: UserId,
) -> Result<Vec<(SessionId, Session)>, redb::Error> {
    let index = transaction.open_table(SESSIONS_OF)?;
    let ids = index.range((user.0, 0)..=(user.0, u128::MAX))?;
    let ids: Result<Vec<_>, redb::Error> = ids.map(|entry| Ok(SessionId(entry?.0.value().1))).collect();
    let mut sessions = Vec::new();
    for id in ids? {
        sessions.extend(session(transaction, id)?.map(|session| (id, session)));
    }
    Ok(sessions)
}

pub(super) fn end_all(
    transaction: &WriteTransaction,
    user: UserId,
    at: Moment,
) -> Result<Vec<SessionId>, redb::Error> {
    let ids: Vec<_> = sessions_of(transaction, user)?.into_iter().map(|(id, _)| id).collect();
    for &id in &ids {
        end(transaction, id, user, at)?;
    }
    Ok(ids)
}

/// What was ended so long ago that its tokens have expired is forgotten on the way.
fn end(transaction: &WriteTransaction, id: SessionId, user: UserId, at: Moment) -> Result<(), redb::Error> {
    transaction.open_table(SESSIONS)?.remove(id.0)?;
    transaction.open_table(SESSIONS_OF)?.remove((user.0, id.0))?;
    let mut ended = transaction.open_table(ENDED)?;
    ended.retain_in(..(at.now, 0), |_, ()| false)?;
    ended.insert((at.until, id.0), ())?;
    Ok(())
}
