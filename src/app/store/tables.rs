//! Tables and seats, kept.

use std::ops::RangeInclusive;

use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::schema::{FLOOR, META, SEATS, SEATS_OF, TABLES, TABLES_IN_ORDER, TALK};
use super::{Store, parse, record};
use crate::app::accounts::{StoreError, UserId};
use crate::app::tables::{Addition, ClientId, Kept, Summary, TableId, Tables};
use crate::limits;

/// A table, as it is kept.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    summary: Summary,
    gone: u64,
    /// Something was said there.
    has_talk: bool,
}

impl Tables for Store {
    fn load(&self, table: TableId) -> Result<Kept, StoreError> {
        self.read(|transaction| {
            let tables = transaction.open_table(TABLES)?;
            let Some(row) = tables.get(table.0)? else {
                // It may be one that was forgotten: then its numbers are not used again.
                let floor = transaction.open_table(META)?.get(FLOOR)?.map_or(0, |floor| floor.value());
                return Ok(Kept { seq: floor, gone: floor, talk: Vec::new(), is_new: true });
            };
            let row: Row = parse(row.value())?;
            let talk = transaction.open_table(TALK)?;
            let talk = talk.range((table.0, 0)..=(table.0, u64::MAX))?;
            let talk = talk.map(|entry| parse(entry?.1.value())).collect::<Result<_, redb::Error>>()?;
            Ok(Kept { seq: row.summary.seq, gone: row.gone, talk, is_new: false })
        })
    }

    fn append(&self, additions: &[Addition]) -> Result<(), StoreError> {
        self.write(|transaction| {
            additions.iter().try_for_each(|addition| append(transaction, addition))?;
            let tables = transaction.open_table(TABLES)?.len()?;
            for _ in limits::TABLES as u64..tables {
                forget_first(transaction)?;
            }
            Ok(Ok(()))
        })
    }

    fn owner(&self, table: TableId, client: ClientId) -> Result<Option<UserId>, StoreError> {
        self.read(|transaction| {
            let seats = transaction.open_table(SEATS)?;
            Ok(seats.get((table.0, client.0))?.map(|owner| UserId(owner.value().0)))
        })
    }

    fn bind(&self, table: TableId, client: ClientId, user: UserId, now: u64) -> Result<UserId, StoreError> {
        let seat = (table.0, client.0);
        let before = self
            .read(|transaction| Ok(transaction.open_table(SEATS)?.get(seat)?.map(|owner| owner.value())))?;
        match before {
            Some((owner, _)) if owner != user.0 => return Ok(UserId(owner)),
            // Where he sat a moment ago need not be noted again.
            Some((_, since)) if now.saturating_sub(since) < limits::SEAT_NOTED => return Ok(user),
            _ => {}
        }
        self.write(|transaction| {
            let mut seats = transaction.open_table(SEATS)?;
            let mut seats_of = transaction.open_table(SEATS_OF)?;
            let before = seats.get(seat)?.map(|owner| owner.value());
            match before {
                // Somebody else was faster.
                Some((owner, _)) if owner != user.0 => return Ok(Ok(UserId(owner))),
                Some((_, since)) => drop(seats_of.remove((user.0, since, table.0, client.0))?),
                None => {}
            }
            let his: Vec<_> = seats_of
                .range(all_of(user))?
                .map(|entry| Ok(entry?.0.value()))
                .collect::<Result<_, redb::Error>>()?;
            let too_many = (his.len() + 1).saturating_sub(limits::SEATS_OF_ONE);
            for &(_, since, table, client) in &his[..too_many] {
                seats_of.remove((user.0, since, table, client))?;
                seats.remove((table, client))?;
            }
            seats_of.insert((user.0, now, table.0, client.0), ())?;
            seats.insert(seat, (user.0, now))?;
            Ok(Ok(user))
        })
    }

    fn list(&self, after: Option<TableId>, limit: usize) -> Result<Vec<(TableId, Summary)>, StoreError> {
        self.read(|transaction| {
            let tables = transaction.open_table(TABLES)?;
            let behind = match after {
                None => tables.range::<i64>(..)?,
                Some(TableId(i64::MAX)) => return Ok(Vec::new()),
                Some(TableId(after)) => tables.range(after + 1..)?,
            };
            let rows = behind.take(limit).map(|entry| {
                let (id, row) = entry?;
                let row: Row = parse(row.value())?;
                Ok((TableId(id.value()), row.summary))
            });
            rows.collect()
        })
    }
}

fn append(transaction: &WriteTransaction, addition: &Addition) -> Result<(), redb::Error> {
    let Addition { table, seq, at, talk, gone, is_new } = addition;
    let mut tables = transaction.open_table(TABLES)?;
    let before = tables.get(table.0)?.map(|row| parse::<Row>(row.value())).transpose()?;
    let gone = match before {
        // It was forgotten since it was fetched, and all that was said before with it.
        None if !is_new => talk.first().map_or(*seq, |first| first.seq - 1),
        None => *gone,
        Some(before) => before.gone.max(*gone),
    };
    let has_talk = !talk.is_empty() || before.is_some_and(|before| before.has_talk);
    let row = Row { summary: Summary { seq: *seq, at: *at }, gone, has_talk };
    tables.insert(table.0, &*record(&row))?;
    let mut order = transaction.open_table(TABLES_IN_ORDER)?;
    if let Some(before) = before {
        order.remove((before.has_talk, before.summary.at, table.0))?;
    }
    order.insert((has_talk, *at, table.0), ())?;
    let mut kept = transaction.open_table(TALK)?;
    if before.is_some_and(|before| before.gone < gone) {
        kept.retain_in((table.0, 0)..=(table.0, gone), |_, _| false)?;
    }
    for message in talk {
        kept.insert((table.0, message.seq), &*record(message))?;
    }
    Ok(())
}

/// Its seats stay whose they are.
fn forget_first(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut order = transaction.open_table(TABLES_IN_ORDER)?;
    let Some(first) = order.pop_first()?.map(|(key, _)| key.value().2) else { return Ok(()) };
    let mut tables = transaction.open_table(TABLES)?;
    let seq = tables.remove(first)?.map(|row| parse::<Row>(row.value())).transpose()?;
    transaction.open_table(TALK)?.retain_in((first, 0)..=(first, u64::MAX), |_, _| false)?;
    let mut meta = transaction.open_table(META)?;
    let floor = meta.get(FLOOR)?.map_or(0, |floor| floor.value());
    meta.insert(FLOOR, floor.max(seq.map_or(0, |row| row.summary.seq)))?;
    Ok(())
}

/// The seats of a user are anybody's again.
pub(super) fn unbind_all(transaction: &WriteTransaction, user: UserId) -> Result<(), redb::Error> {
    let mut seats = transaction.open_table(SEATS)?;
    let mut seats_of = transaction.open_table(SEATS_OF)?;
    for entry in seats_of.range(all_of(user))? {
        let (_, _, table, client) = entry?.0.value();
        seats.remove((table, client))?;
    }
    seats_of.retain_in(all_of(user), |_, ()| false)?;
    Ok(())
}

/// The seats of a user, from the one where he has not sat for longest.
fn all_of(user: UserId) -> RangeInclusive<(u64, u64, i64, i64)> {
    (user.0, 0, i64::MIN, i64::MIN)..=(user.0, u64::MAX, i64::MAX, i64::MAX)
}
