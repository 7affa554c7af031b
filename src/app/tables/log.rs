//! What was said and what happened at a table, twice bounded: all of it for those who read on, and what was said for
//! those who come later. A message stands in both as one.
//!
//! ```text
//! gone | history: what was said ........................|
//!          gone | live: all ......................| kept | not kept yet
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Kept, Party, Record};
use crate::fault::{self, Fault};
use crate::limits;
use crate::ws::{Message, Prepared};

/// Bytes of messages that all tables together have at hand.
#[derive(Debug, Default)]
pub(super) struct Budget(AtomicUsize);

/// The messages of a table.
pub(super) struct Log {
    live: Bounded,
    history: Bounded,
    /// The number of the last message.
    seq: u64,
    /// The number of the last message that is kept; those behind it nobody hears yet.
    kept: u64,
    /// The number of the last message that the journal has taken.
    taken: u64,
    /// Bytes of those that are not kept.
    unkept: usize,
    budget: Arc<Budget>,
}

/// Messages in the order of their numbers, of which the oldest go.
#[derive(Default)]
struct Bounded {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Those up to this number are gone.
    gone: u64,
}

/// A message. Cheap to clone.
#[derive(Clone)]
struct Entry {
    seq: u64,
    between: Option<[Party; 2]>,
    prepared: Prepared,
}

/// What somebody reads at once.
pub(super) struct Reading {
    pub(super) messages: Vec<Prepared>,
    /// The number from which to read on.
    pub(super) cursor: u64,
    /// There is more.
    pub(super) has_more: bool,
}

impl Log {
    pub(super) fn new(kept: Kept, budget: Arc<Budget>) -> Self {
        let Kept { seq, gone, talk, .. } = kept;
        let mut log = Self {
            live: Bounded { gone: seq, ..Bounded::default() },
            history: Bounded { gone, ..Bounded::default() },
            seq,
            kept: seq,
            taken: seq,
            unkept: 0,
            budget,
        };
        for Record { seq, between, text } in talk {
            let prepared = Prepared::new(Message::text(text));
            log.history.push(Entry { seq, between, prepared });
        }
        log
    }

    /// The number that the next message has.
    pub(super) fn next(&self) -> u64 {
        self.seq + 1
    }

    /// The number of the last message that is kept.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// There is room for more that is not kept.
    pub(super) fn has_room(&self) -> bool {
        self.seq - self.kept < limits::UNKEPT_MESSAGES && self.unkept < limits::UNKEPT_BYTES
    }

    /// Appends the message of the next number.
    pub(super) fn append(&mut self, text: String, between: Option<[Party; 2]>, is_talk: bool) {
        self.seq += 1;
        self.unkept += text.len();
        self.budget.0.fetch_add(text.len(), Ordering::Relaxed);
        let entry = Entry { seq: self.seq, between, prepared: Prepared::new(Message::text(text)) };
        if is_talk {
            self.history.push(entry.clone());
        }
        self.live.push(entry);
        self.forget();
    }

    /// What is too much goes, the oldest first, but nothing that is not kept.
    fn forget(&mut self) {
        let is_short = self.budget.0.load(Ordering::Relaxed) > limits::TABLES_BYTES;
        let bytes = if is_short { limits::LOG_FLOOR } else { limits::LOG_BYTES };
        let freed = self.live.forget(self.kept, limits::LOG_MESSAGES, bytes);
        self.budget.0.fetch_sub(freed, Ordering::Relaxed);
        self.history.forget(self.kept, limits::HISTORY, limits::HISTORY_BYTES);
    }

    /// What somebody may hear behind this number, some of it. `None` if some of that is gone. Who comes back hears up
    /// to `until` what was said, though all that happened beside it is gone.
    pub(super) fn read(&self, party: &Party, cursor: u64, until: u64) -> Option<Reading> {
        let of = if cursor >= self.live.gone || fault::is(Fault::SlowSeatsStay) {
            &self.live
        } else if cursor < until {
            &self.history
        } else {
            return None;
        };
        let last = if fault::is(Fault::HeardUnkept) { self.seq } else { self.kept };
        let from = if fault::is(Fault::HeardTwice) { cursor.saturating_sub(1) } else { cursor };
        let mut reading = Reading { messages: Vec::new(), cursor: last.max(cursor), has_more: false };
        let mut bytes = 0;
        for entry in of.behind(from).take_while(|entry| entry.seq <= last) {
            if bytes >= limits::READING_BYTES {
                reading.has_more = true;
                break;
            }
            reading.cursor = entry.seq;
            if entry.is_for(party) {
                bytes += entry.text().len();
                reading.messages.push(entry.prepared.clone());
            }
        }
        if !reading.has_more {
            reading.cursor = last.max(cursor);
        }
        Some(reading)
    }

    /// Nothing that was said behind this number is gone.
    pub(super) fn is_complete_from(&self, cursor: u64) -> bool {
        cursor >= self.history.gone.min(self.live.gone) && cursor <= self.kept
    }

    /// The last that was said and that somebody may hear, before this number if there is one, from the oldest on; and
    /// whether that is all that was ever said.
    pub(super) fn talk_before(&self, party: &Party, before: Option<u64>, limit: usize) -> (Vec<&str>, bool) {
        let is_before =
            |entry: &&Entry| entry.seq <= self.kept && before.is_none_or(|before| entry.seq < before);
        let mut talk =
            self.history.entries.iter().rev().filter(|entry| is_before(entry) && entry.is_for(party));
        let mut last: Vec<&str> = talk.by_ref().take(limit).map(Entry::text).collect();
        last.reverse();
        (last, talk.next().is_none() && self.history.gone == 0)
    }

    /// There is something that the journal has not taken.
    pub(super) fn has_pending(&self) -> bool {
        self.seq > self.taken
    }

    /// What the journal has to keep: what was said since it took the last of it, the number of the last message, and up
    /// to which number what was said goes.
    pub(super) fn take_pending(&mut self) -> (Vec<Record>, u64, u64) {
        let talk = self.history.behind(self.taken).map(|entry| Record {
            seq: entry.seq,
            between: entry.between,
            text: entry.text().to_owned(),
        });
        let talk = talk.collect();
        self.taken = self.seq;
        (talk, self.seq, self.history.gone)
    }

    /// All up to this number is kept. Says who may hear more now: all, or these.
    pub(super) fn handle_kept(&mut self, seq: u64) -> Option<Vec<Party>> {
        let mut parties = Vec::new();
        let mut is_for_all = false;
        for entry in self.live.behind(self.kept).take_while(|entry| entry.seq <= seq) {
            self.unkept = self.unkept.saturating_sub(entry.text().len());
            match entry.between {
                Some(between) => parties.extend(between),
                None => is_for_all = true,
            }
        }
        self.kept = self.kept.max(seq);
        (!is_for_all).then_some(parties)
    }

    /// The journal could not keep what it took.
    pub(super) fn handle_unkept(&mut self) {
        self.taken = self.kept;
    }

    /// Everything is kept.
    pub(super) fn is_kept(&self) -> bool {
        self.seq == self.kept
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.live.bytes, Ordering::Relaxed);
    }
}

impl Bounded {
    fn push(&mut self, entry: Entry) {
        self.bytes += entry.text().len();
        self.entries.push_back(entry);
    }

    /// Bytes that were freed.
    fn forget(&mut self, kept: u64, count: usize, bytes: usize) -> usize {
        let before = self.bytes;
        while self.entries.len() > count || self.bytes > bytes {
            if self.entries.front().is_none_or(|entry| entry.seq > kept) {
                break;
            }
            let Some(entry) = self.entries.pop_front() else { break };
            self.bytes -= entry.text().len();
            self.gone = entry.seq;
        }
        before - self.bytes
    }

    /// What has a larger number.
    fn behind(&self, cursor: u64) -> impl Iterator<Item = &Entry> {
        self.entries.range(self.entries.partition_point(|entry| entry.seq <= cursor)..)
    }
}

impl Entry {
    fn text(&self) -> &str {
        self.prepared.message().as_text().unwrap_or_default()
    }

    fn is_for(&self, party: &Party) -> bool {
        self.between.as_ref().is_none_or(|between| between.iter().any(|one| one.is(party)))
            || fault::is(Fault::WhispersLeak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::accounts::UserId;
    use crate::app::tables::ClientId;

    fn party(client: i64) -> Party {
        Party { client: ClientId(client), user: Some(UserId(client as u64)), occupancy: 0 }
    }

    fn log() -> Log {
        Log::new(Kept::default(), Arc::default())
    }

    fn keep(log: &mut Log) {
        let (_, seq, _) = log.take_pending();
        log.handle_kept(seq);
    }

    fn read_all(log: &Log, mut cursor: u64, until: u64) -> Option<(usize, u64)> {
        let mut count = 0;
        loop {
            let reading = log.read(&party(1), cursor, until)?;
            (count, cursor) = (count + reading.messages.len(), reading.cursor);
            if !reading.has_more {
                return Some((count, cursor));
            }
        }
    }

    #[test]
    fn what_was_just_kept_is_there_to_be_read() {
        let mut log = log();
        let mut said = 0;
        while log.has_room() {
            log.append("x".repeat(8000), None, true);
            said += 1;
        }
        for _ in 0..3 {
            keep(&mut log);
            (0..said).for_each(|_| log.append("x".repeat(8000), None, true));
        }
        keep(&mut log);
        assert_eq!(read_all(&log, said, 0), Some((3 * said as usize, 4 * said)), "three commits behind");
    }

    #[test]
    fn who_reads_too_slowly_is_told_and_who_comes_back_hears_what_was_said() {
        let mut log = log();
        log.append("first".to_owned(), None, true);
        for _ in 0..limits::LOG_MESSAGES {
            log.append("came".to_owned(), None, false);
            keep(&mut log);
        }
        assert!(log.read(&party(1), 0, 0).is_none(), "he was there");
        assert_eq!(read_all(&log, 0, log.kept()), Some((1, log.kept())), "he was away");
        assert!(log.is_complete_from(0));
        assert_eq!(
            log.talk_before(&party(1), None, 10),
            (vec!["first"], true),
            "no coming and going pushes it out"
        );
        for _ in 0..=limits::HISTORY {
            log.append("more".to_owned(), None, true);
            keep(&mut log);
        }
        assert!(!log.is_complete_from(0));
    }

    #[test]
    fn all_tables_together_hold_so_much() {
        let budget = Arc::new(Budget::default());
        let mut logs: Vec<Log> = (0..100).map(|_| Log::new(Kept::default(), Arc::clone(&budget))).collect();
        for log in &mut logs {
            for _ in 0..limits::LOG_BYTES / 8000 {
                log.append("x".repeat(8000), None, true);
                keep(log);
            }
        }
        let held = budget.0.load(Ordering::Relaxed);
        assert!(held <= limits::TABLES_BYTES + 100 * (limits::LOG_FLOOR + 8000), "{held}");
        drop(logs);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }
}
