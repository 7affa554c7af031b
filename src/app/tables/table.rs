//! One table: its log, its seats, and who knows that whom is there.
//!
//! ```text
//! say -> pending -- the journal keeps it --> heard by whoever may, in its order
//! ```
//!
//! It knows no store and no socket: what is to be kept is taken by `pending`, and told to be kept by `handle_kept`;
//! seats are woken by their senders, and read by `read_from`. It is shared by shards and held for a moment at a time.
//!
//! Comings and goings are told at once while few are there. The more there are, the longer they are gathered: what is
//! told then is who has come and who has gone on balance, so that a crowd that comes costs no square of its number.

use std::collections::{BTreeMap, VecDeque};

use super::message::{self, Person};
use super::{Addition, ClientId, Kept, Party, Record, TableId};
use crate::app::accounts::UserId;
use crate::fault::{self, Fault};
use crate::limits;
use crate::time::{Duration, Instant, Now};
use crate::ws::{Code, Message, Prepared, Sender};

/// A table.
pub(in crate::app) struct Table {
    id: TableId,
    /// In the order of their numbers, of which some are missing: what grew old.
    log: VecDeque<Entry>,
    /// Bytes of what was said in it.
    talk_bytes: usize,
    /// How much of it was said, and how much is about people who came and went.
    talk: usize,
    /// The number of the last message.
    seq: u64,
    /// The number of the last message that is kept; those behind it nobody hears yet.
    kept: u64,
    /// The number of the last message that was at hand to the journal.
    taken: u64,
    /// What was said up to this number may be gone.
    talk_gone: u64,
    /// Any message up to this number may be gone.
    any_gone: u64,
    /// When something was said or happened last, in seconds since 1970.
    at: u64,
    seats: BTreeMap<ClientId, Seat>,
    presence: Presence,
    /// Until when somebody may not speak, or not sit here.
    muted: Vec<(Party, Instant)>,
    barred: Vec<(Party, Instant)>,
    /// It was put away; who still has it looks for it anew.
    is_closed: bool,
}

/// A message of the log.
struct Entry {
    seq: u64,
    between: Option<[Party; 2]>,
    is_talk: bool,
    prepared: Prepared,
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

/// Somebody at the table.
struct Seat {
    party: Party,
    person: Person,
    /// How he is reached, once his socket is open.
    sender: Option<Sender>,
    /// Others know of him, or will when that is told.
    is_present: bool,
    /// He was woken, and has not looked yet.
    is_woken: bool,
}

/// Who has come and gone since that was told.
#[derive(Default)]
struct Presence {
    /// Whether others know of him, of those about whom that has changed.
    changed: BTreeMap<ClientId, Change>,
    /// When it was told last.
    told: Instant,
    /// Who comes back to tell it.
    keeper: Option<ClientId>,
}

struct Change {
    person: Person,
    was_here: bool,
    is_here: bool,
}

/// Why somebody cannot sit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseated {
    /// Somebody without a name sits there, and lives.
    Occupied,
    /// He was removed a while ago.
    Barred,
    /// The table was put away meanwhile.
    Closed,
    /// There are as many as there may be.
    Full,
}

/// What somebody gets who opens his socket.
pub(super) struct Opening {
    pub(super) welcome: Message,
    /// What he missed.
    pub(super) missed: Vec<Prepared>,
    /// The number of the last message that he has then.
    pub(super) cursor: u64,
}

/// What somebody says, or what becomes of others by it.
pub(super) enum Speech {
    Said { text: String, id: Option<String> },
    Whispered { to: ClientId, text: String, id: Option<String> },
    Muted { who: ClientId, seconds: u64 },
    Removed { who: ClientId, seconds: u64 },
}

/// Why something was not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// Nobody sits there.
    NobodyThere,
    /// He was told to be silent.
    Muted,
    /// Nothing can be kept now.
    NotKept,
}

impl Table {
    /// A table of which this is kept.
    pub(super) fn new(id: TableId, kept: Kept) -> Self {
        let Kept { seq, gone, talk } = kept;
        let mut table = Self {
            id,
            log: VecDeque::new(),
            talk_bytes: 0,
            talk: 0,
            seq,
            kept: seq,
            taken: seq,
            talk_gone: gone,
            any_gone: seq,
            at: 0,
            seats: BTreeMap::new(),
            presence: Presence::default(),
            muted: Vec::new(),
            barred: Vec::new(),
            is_closed: false,
        };
        for Record { seq, between, text } in talk {
            let prepared = Prepared::new(Message::text(text));
            table.push(Entry { seq, between, is_talk: true, prepared });
        }
        table
    }

    // --- who is there ---------------------------------------------------------------------------------

    /// Somebody wants this seat. A user's other socket there is closed. `occupancy` is a number that nobody had before,
    /// here or when the house ran the last time.
    pub(super) fn sit(&mut self, person: Person, occupancy: u64, now: Instant) -> Result<Party, Unseated> {
        if self.is_closed {
            return Err(Unseated::Closed);
        }
        let client = person.client;
        // Without a name he is whoever sits there.
        let party = Party { client, user: person.user, occupancy };
        self.barred.retain(|(_, until)| *until > now);
        let is_same = |other: &Party| match party.user {
            Some(_) => other.user == party.user,
            None => other.user.is_none() && other.client == client,
        };
        if self.barred.iter().any(|(barred, _)| is_same(barred)) {
            return Err(Unseated::Barred);
        }
        match self.seats.get(&client) {
            Some(seat) if seat.party.user.is_none() || seat.party.user != party.user => {
                return Err(Unseated::Occupied);
            }
            None if self.seats.len() >= limits::SEATS => return Err(Unseated::Full),
            _ => {}
        }
        let replaced = self.seats.remove(&client);
        let is_present = replaced.as_ref().is_some_and(|seat| seat.is_present);
        self.seats.insert(client, Seat { party, person, sender: None, is_present, is_woken: false });
        if let Some(sender) = replaced.and_then(|seat| seat.sender) {
            // What is not delivered is closed when it looks at its seat.
            let _ = sender.close(Code(limits::CLOSE_REPLACED), "the same user sits here by another socket");
        }
        Ok(party)
    }

    /// His socket is open: what he hears first. `since` is the number of the last message that he saw.
    pub(super) fn open(
        &mut self,
        party: &Party,
        sender: Sender,
        since: Option<u64>,
        now: Now,
    ) -> Option<Opening> {
        let kept = self.kept;
        let seat = self.seats.get_mut(&party.client).filter(|seat| seat.party == *party)?;
        seat.sender = Some(sender);
        let person = seat.person.clone();
        let is_new = !std::mem::replace(&mut seat.is_present, true);
        // Who claims to have seen what was not yet said has missed all that there is.
        let complete = since.is_none_or(|since| since >= self.talk_gone && since <= kept);
        let (last, missed) = match since {
            Some(since) => (Vec::new(), self.heard(party, if since <= kept { since } else { 0 })),
            None => (self.talk_before(party, None, limits::WELCOME_MESSAGES).0, Vec::new()),
        };
        let welcome = message::Welcome {
            table: self.id,
            you: &person,
            seq: kept,
            people: message::people(self.present().map(|seat| &seat.person)),
            count: self.present().count(),
            messages: &last,
            complete,
        }
        .to_message();
        if is_new {
            self.presence.note(person, true);
        }
        self.settle_presence(now);
        Some(Opening { welcome, missed, cursor: kept })
    }

    /// He is gone, or another socket of his has taken his place already.
    pub(super) fn leave(&mut self, party: &Party, now: Now) {
        let Some(seat) = self.seats.get(&party.client).filter(|seat| seat.party == *party) else { return };
        if seat.is_present && !fault::is(Fault::LeaversStay) {
            self.presence.note(seat.person.clone(), false);
        }
        self.seats.remove(&party.client);
        self.settle_presence(now);
    }

    /// The seat is still his.
    pub(super) fn has(&self, party: &Party) -> bool {
        self.seats.get(&party.client).is_some_and(|seat| seat.party == *party)
    }

    fn present(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(|seat| seat.is_present)
    }

    /// Who is there, as far as they are shown, and how many that are.
    pub(super) fn people(&self) -> (serde_json::Value, usize) {
        (message::people(self.present().map(|seat| &seat.person)), self.present().count())
    }

    /// Tells comings and goings if that is due; else somebody comes back for it then.
    fn settle_presence(&mut self, now: Now) {
        if self.presence.changed.is_empty() {
            return;
        }
        let is_there = |client: &ClientId| self.seats.get(client).is_some_and(|seat| seat.sender.is_some());
        let is_kept = self.presence.keeper.as_ref().is_some_and(is_there);
        let is_due = self.presence_due() <= now.mono;
        let keeper = if is_kept { None } else { self.seats.values_mut().find(|seat| seat.sender.is_some()) };
        if is_due || !is_kept && keeper.is_none() {
            self.tell_presence(now);
        } else if let Some(keeper) = keeper {
            self.presence.keeper = Some(keeper.party.client);
            keeper.wake();
        }
    }

    /// When comings and goings may be told again.
    fn presence_due(&self) -> Instant {
        match self.seats.len() {
            ..=limits::PRESENCE_AT_ONCE => Instant::ZERO,
            many => self.presence.told + limits::PRESENCE_PAUSE * many as u64,
        }
    }

    /// When he is to come back to tell comings and goings, if it is he who does.
    pub(super) fn keeper_due(&self, party: &Party) -> Option<Instant> {
        let is_keeper = self.presence.keeper == Some(party.client) && !self.presence.changed.is_empty();
        is_keeper.then(|| self.presence_due())
    }

    /// He came back. True if something was told.
    pub(super) fn handle_keeper(&mut self, party: &Party, now: Now) -> bool {
        let is_due = self.keeper_due(party).is_some_and(|due| due <= now.mono);
        if is_due {
            self.tell_presence(now);
        }
        is_due
    }

    /// Tells who has come and who has gone, on balance.
    fn tell_presence(&mut self, now: Now) {
        let changed = std::mem::take(&mut self.presence.changed).into_values();
        self.presence.told = now.mono;
        self.presence.keeper = None;
        let changed: Vec<Change> = changed.filter(|change| change.was_here != change.is_here).collect();
        let count = self.present().count();
        for (kind, is_here) in [("left", false), ("joined", true)] {
            let who = changed.iter().filter(|change| change.is_here == is_here);
            let who: Vec<Person> = who.map(|change| change.person.clone()).collect();
            if !who.is_empty() {
                let text = message::presence(kind, self.seq + 1, now.wall, &who, count);
                self.append(text, None, false, now);
            }
        }
    }

    // --- what is said ---------------------------------------------------------------------------------

    /// Somebody speaks. It is heard when it is kept.
    pub(super) fn speak(&mut self, party: &Party, speech: Speech, now: Now) -> Result<(), Unsaid> {
        if self.seq - self.kept >= limits::UNKEPT_MESSAGES {
            return Err(Unsaid::NotKept);
        }
        let seat = self.seats.get(&party.client).filter(|seat| seat.party == *party);
        let from = seat.ok_or(Unsaid::NobodyThere)?.person.clone();
        self.muted.retain(|(_, until)| *until > now.mono);
        let is_sanction = matches!(speech, Speech::Muted { .. } | Speech::Removed { .. });
        if !is_sanction && self.is_muted(party) {
            return Err(Unsaid::Muted);
        }
        let seq = self.seq + 1;
        match speech {
            Speech::Said { text, id } => {
                let text = message::spoken(seq, now.wall, &from, None, &text, id);
                self.append(text, None, true, now);
            }
            Speech::Whispered { to, text, id } => {
                let other = self.seats.get(&to).ok_or(Unsaid::NobodyThere)?.party;
                let text = message::spoken(seq, now.wall, &from, Some(to), &text, id);
                self.append(text, Some([*party, other]), true, now);
            }
            Speech::Muted { who, seconds } => {
                let other = self.seats.get(&who).ok_or(Unsaid::NobodyThere)?.party;
                self.muted.retain(|(muted, _)| !muted.is_person(&other));
                self.muted.push((other, now.mono + Duration::from_secs(seconds)));
                self.muted.drain(..self.muted.len().saturating_sub(limits::SANCTIONS));
                self.append(message::sanction("muted", seq, now.wall, who, seconds), None, false, now);
            }
            Speech::Removed { who, seconds } => {
                let seat = self.seats.get(&who).ok_or(Unsaid::NobodyThere)?;
                let (other, sender) = (seat.party, seat.sender.clone());
                self.barred.push((other, now.mono + Duration::from_secs(seconds)));
                self.barred.drain(..self.barred.len().saturating_sub(limits::SANCTIONS));
                self.append(message::sanction("removed", seq, now.wall, who, seconds), None, false, now);
                if let Some(sender) = sender {
                    let _ = sender.close(Code(limits::CLOSE_REMOVED), "a moderator has removed you");
                }
                self.leave(&other, now);
            }
        }
        Ok(())
    }

    fn is_muted(&self, party: &Party) -> bool {
        self.muted.iter().any(|(muted, _)| muted.is_person(party)) && !fault::is(Fault::MutedSpeak)
    }

    /// Tells all others that somebody is about to speak. Nothing of it is kept, and where many sit nobody is told.
    pub(super) fn type_in(&self, party: &Party) {
        let Some(typing) = self.seats.get(&party.client).filter(|seat| seat.party == *party) else { return };
        if self.seats.len() > limits::TYPING_SEATS || self.is_muted(party) {
            return;
        }
        let prepared = Prepared::new(message::typing(&typing.person));
        for seat in self.seats.values().filter(|seat| seat.party != *party) {
            if let Some(sender) = &seat.sender {
                // It is of no worth later.
                let _ = sender.send_prepared(&prepared);
            }
        }
    }

    fn append(&mut self, text: String, between: Option<[Party; 2]>, is_talk: bool, now: Now) {
        self.seq += 1;
        self.at = now.wall;
        let prepared = Prepared::new(Message::text(text));
        self.push(Entry { seq: self.seq, between, is_talk, prepared });
        self.forget_old();
    }

    fn push(&mut self, entry: Entry) {
        if entry.is_talk {
            self.talk += 1;
            self.talk_bytes += entry.text().len();
        }
        self.log.push_back(entry);
    }

    /// Of what is too much the oldest goes, but nothing that the journal has not kept.
    fn forget_old(&mut self) {
        loop {
            let too_much_talk = self.talk > limits::HISTORY || self.talk_bytes > limits::HISTORY_BYTES;
            let too_many_others = self.log.len() - self.talk > limits::PRESENCE_KEPT;
            let oldest = |is_talk: bool| self.log.iter().position(|entry| entry.is_talk == is_talk);
            let at = match (too_much_talk, too_many_others) {
                (true, _) => oldest(true),
                (false, true) => oldest(false),
                (false, false) => None,
            };
            let Some(at) = at.filter(|&at| self.log[at].seq <= self.kept) else { return };
            let Some(entry) = self.log.remove(at) else { return };
            self.any_gone = self.any_gone.max(entry.seq);
            if entry.is_talk {
                self.talk -= 1;
                self.talk_bytes -= entry.text().len();
                self.talk_gone = self.talk_gone.max(entry.seq);
            }
        }
    }

    // --- what is heard --------------------------------------------------------------------------------

    /// He was woken, and looks.
    pub(super) fn handle_awake(&mut self, party: &Party) {
        if let Some(seat) = self.seats.get_mut(&party.client).filter(|seat| seat.party == *party) {
            seat.is_woken = false;
        }
    }

    /// What he may hear behind this number, and the number from which to read on. `None` if some of that is gone, since
    /// he was too slow.
    pub(super) fn read_from(&self, party: &Party, cursor: u64) -> Option<(Vec<Prepared>, u64)> {
        (cursor >= self.any_gone).then(|| (self.heard(party, cursor), self.kept))
    }

    fn heard(&self, party: &Party, cursor: u64) -> Vec<Prepared> {
        let cursor = if fault::is(Fault::HeardTwice) { cursor.saturating_sub(1) } else { cursor };
        let until = if fault::is(Fault::HeardUnkept) { self.seq } else { self.kept };
        let from = self.log.partition_point(|entry| entry.seq <= cursor);
        let behind = self.log.range(from..).take_while(|entry| entry.seq <= until);
        behind.filter(|entry| entry.is_for(party)).map(|entry| entry.prepared.clone()).collect()
    }

    /// The last that was said and that he may hear, before this number if there is one, from the oldest on; and whether
    /// that is all that was ever said.
    pub(super) fn talk_before(&self, party: &Party, before: Option<u64>, limit: usize) -> (Vec<&str>, bool) {
        let end =
            self.log.partition_point(|entry| entry.seq <= self.kept && before.is_none_or(|b| entry.seq < b));
        let mut talk = self.log.range(..end).rev().filter(|entry| entry.is_talk && entry.is_for(party));
        let mut last: Vec<&str> = talk.by_ref().take(limit).map(Entry::text).collect();
        last.reverse();
        (last, talk.next().is_none() && self.talk_gone == 0)
    }

    /// What was said to all, last, from the oldest on.
    pub(super) fn public_talk(&self, limit: usize) -> Vec<&str> {
        let nobody = Party { client: ClientId(0), user: Some(UserId(0)), occupancy: 0 };
        self.talk_before(&nobody, None, limit).0
    }

    /// The number of the last message that is kept.
    pub(super) fn last_kept(&self) -> u64 {
        self.kept
    }

    // --- what is kept ---------------------------------------------------------------------------------

    /// There is something to be kept.
    pub(super) fn has_pending(&self) -> bool {
        self.seq > self.taken
    }

    /// What is to be kept.
    pub(super) fn pending(&mut self) -> Option<Addition> {
        if !self.has_pending() {
            return None;
        }
        let from = self.log.partition_point(|entry| entry.seq <= self.taken);
        let talk = self.log.range(from..).filter(|entry| entry.is_talk).map(|entry| Record {
            seq: entry.seq,
            between: entry.between,
            text: entry.text().to_owned(),
        });
        let talk = talk.collect();
        self.taken = self.seq;
        Some(Addition { table: self.id, seq: self.seq, at: self.at, talk, gone: self.talk_gone })
    }

    /// All up to this number is kept: it can be heard.
    pub(super) fn handle_kept(&mut self, seq: u64) {
        let from = self.log.partition_point(|entry| entry.seq <= self.kept);
        self.kept = self.kept.max(seq);
        let new = self.log.range(from..).take_while(|entry| entry.seq <= seq);
        let mut parties = Vec::new();
        let mut all = false;
        for entry in new {
            match entry.between {
                Some(between) => parties.extend(between.map(|party| party.client)),
                None => all = true,
            }
        }
        if all {
            self.seats.values_mut().for_each(Seat::wake);
        } else {
            for client in parties {
                if let Some(seat) = self.seats.get_mut(&client) {
                    seat.wake();
                }
            }
        }
        self.forget_old();
    }

    /// It could not be kept: it is tried again.
    pub(super) fn handle_unkept(&mut self) {
        self.taken = self.kept;
    }

    /// Puts it away, if nobody needs it: what is kept of it is in the store.
    pub(super) fn close(&mut self, now: Instant) -> bool {
        self.muted.retain(|(_, until)| *until > now);
        self.barred.retain(|(_, until)| *until > now);
        let is_needed = !self.seats.is_empty()
            || self.kept < self.seq
            || !self.presence.changed.is_empty()
            || !self.muted.is_empty()
            || !self.barred.is_empty();
        self.is_closed |= !is_needed;
        self.is_closed
    }
}

impl Seat {
    /// Has him look for what there is. He is woken once, however much it is; if that does not reach him, since too much
    /// mail is on its way, the next message wakes him, or his own clock.
    fn wake(&mut self) {
        if let Some(sender) = self.sender.as_ref().filter(|_| !self.is_woken) {
            self.is_woken = sender.wake().is_ok();
        }
    }
}

impl Presence {
    fn note(&mut self, person: Person, is_here: bool) {
        let change = self.changed.entry(person.client);
        change
            .and_modify(|change| {
                change.is_here = is_here;
                change.person = person.clone();
            })
            .or_insert_with(|| Change { was_here: !is_here, is_here, person });
    }
}
