//! Tables and seats, kept.

use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::schema::{SEATS, SEATS_OF, TABLES, TABLES_BY_TIME, TALK};
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
}

impl Tables for Store {
    fn load(&self, table: TableId) -> Result<Kept, StoreError> {
        self.read(|transaction| {
            let tables = transaction.open_table(TABLES)?;
            let Some(row) = tables.get(table.0)? else { return Ok(Kept::default()) };
            let row: Row = parse(row.value())?;
            let talk = transaction.open_table(TALK)?;
            let talk = talk.range((table.0, 0)..=(table.0, u64::MAX))?;
            let talk = talk.map(|entry| parse(entry?.1.value())).collect::<Result<_, redb::Error>>()?;
            Ok(Kept { seq: row.summary.seq, gone: row.gone, talk })
        })
    }

    fn append(&self, additions: &[Addition]) -> Result<(), StoreError> {
        self.write(|transaction| {
            additions.iter().try_for_each(|addition| append(transaction, addition))?;
            let tables = transaction.open_table(TABLES)?.len()?;
            for _ in limits::TABLES as u64..tables {
                forget_oldest(transaction)?;
            }
            Ok(Ok(()))
        })
    }

    fn bind(
        &self,
        table: TableId,
        client: ClientId,
        user: Option<UserId>,
        now: u64,
    ) -> Result<Option<UserId>, StoreError> {
        let owner = self.read(|transaction| {
            let seats = transaction.open_table(SEATS)?;
            Ok(seats.get((table.0, client.0))?.map(|owner| UserId(owner.value().0)))
        })?;
        let Some(user) = user.filter(|_| owner.is_none()) else { return Ok(owner) };
        self.write(|transaction| {
            let mut seats = transaction.open_table(SEATS)?;
            // Somebody else may have been faster.
            if let Some(owner) = seats.get((table.0, client.0))? {
                return Ok(Ok(Some(UserId(owner.value().0))));
            }
            let mut seats_of = transaction.open_table(SEATS_OF)?;
            let his =
                seats_of.range((user.0, 0, i64::MIN, i64::MIN)..=(user.0, u64::MAX, i64::MAX, i64::MAX))?;
            let his: Vec<_> = his.map(|entry| Ok(entry?.0.value())).collect::<Result<_, redb::Error>>()?;
            let too_many = (his.len() + 1).saturating_sub(limits::SEATS_OF_ONE);
            for &(_, since, table, client) in &his[..too_many] {
                seats_of.remove((user.0, since, table, client))?;
                seats.remove((table, client))?;
            }
            seats_of.insert((user.0, now, table.0, client.0), ())?;
            seats.insert((table.0, client.0), (user.0, now))?;
            Ok(Ok(Some(user)))
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
    let Addition { table, seq, at, talk, gone } = addition;
    let mut tables = transaction.open_table(TABLES)?;
    let before = tables.get(table.0)?.map(|row| parse::<Row>(row.value())).transpose()?;
    let row = Row { summary: Summary { seq: *seq, at: *at }, gone: *gone };
    tables.insert(table.0, &*record(&row))?;
    let mut by_time = transaction.open_table(TABLES_BY_TIME)?;
    if let Some(before) = before {
        by_time.remove((before.summary.at, table.0))?;
    }
    by_time.insert((*at, table.0), ())?;
    let mut kept = transaction.open_table(TALK)?;
    if before.is_some_and(|before| before.gone < *gone) {
        kept.retain_in((table.0, 0)..=(table.0, *gone), |_, _| false)?;
    }
    for message in talk {
        kept.insert((table.0, message.seq), &*record(message))?;
    }
    Ok(())
}

/// Its seats stay whose they are.
fn forget_oldest(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut by_time = transaction.open_table(TABLES_BY_TIME)?;
    let Some(oldest) = by_time.pop_first()?.map(|(key, _)| key.value().1) else { return Ok(()) };
    transaction.open_table(TABLES)?.remove(oldest)?;
    transaction.open_table(TALK)?.retain_in((oldest, 0)..=(oldest, u64::MAX), |_, _| false)?;
    Ok(())
}

/// The seats of a user are anybody's again.
pub(super) fn unbind_all(transaction: &WriteTransaction, user: UserId) -> Result<(), redb::Error> {
    let mut seats = transaction.open_table(SEATS)?;
    let mut seats_of = transaction.open_table(SEATS_OF)?;
    let range = (user.0, 0, i64::MIN, i64::MIN)..=(user.0, u64::MAX, i64::MAX, i64::MAX);
    for entry in seats_of.range(range.clone())? {
        let (_, _, table, client) = entry?.0.value();
        seats.remove((table, client))?;
    }
    seats_of.retain_in(range, |_, ()| false)?;
    Ok(())
}
