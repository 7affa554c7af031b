//! One table: its log, its seats, and who knows that whom is there.
//!
//! ```text
//! speak -> not kept yet -- the journal --> kept: heard by whoever may, in its order
//! ```
//!
//! It knows no store and no socket: what is to be kept is taken by `take_pending`, and told to be kept by
//! `handle_kept`; seats are woken by their senders, and read by `read`. It is shared by shards and held for a moment at
//! a time.
//!
//! Comings and goings are told at once while few are there. The more there are, the longer they are gathered: what is
//! told then is who has come and who has gone on balance, so that a crowd that comes costs no square of its number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::log::{Budget, Log, Reading};
use super::message::{self, Person};
use super::rate::Rates;
use super::{Addition, ClientId, Kept, Party, TableId};
use crate::app::accounts::UserId;
use crate::fault::{self, Fault};
use crate::limits;
use crate::time::{Duration, Instant, Now};
use crate::ws::{Code, Message, Prepared, Sender};

/// A table.
pub(in crate::app) struct Table {
    id: TableId,
    log: Log,
    /// When something was said or happened last, in seconds since 1970.
    at: u64,
    /// Nothing of it is in the store yet.
    is_new: bool,
    seats: BTreeMap<ClientId, Seat>,
    /// How many of them others know of.
    present: usize,
    presence: Presence,
    /// Until when somebody may not speak, or not sit here.
    muted: Vec<(Party, Instant)>,
    barred: Vec<(Party, Instant)>,
    /// How fast everybody speaks, also who has left: who comes back is as fast as he was.
    rates: BTreeMap<Whom, Rates>,
    /// At so many of them, those that are at rest are looked for and forgotten.
    rates_swept_at: usize,
    /// It is on the journal's list.
    is_queued: bool,
    /// It was put away; who still has it looks for it anew.
    is_closed: bool,
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
    changed: BTreeMap<ClientId, Change>,
    /// When it was told last.
    told: Instant,
    /// Who comes back to tell it.
    keeper: Option<ClientId>,
}

/// Who was in a seat when that was told last, and who is.
struct Change {
    was: Option<Person>,
    is: Option<Person>,
}

/// Whose rates they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    User(UserId),
    Seat(ClientId),
}

impl Whom {
    fn of(party: &Party) -> Self {
        party.user.map_or(Self::Seat(party.client), Self::User)
    }
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

/// Whose a seat is by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// His.
    Sits,
    /// His, by another socket.
    Replaced,
    /// He was removed.
    Removed,
}

/// What somebody gets who opens his socket.
pub(super) struct Opening {
    pub(super) welcome: Message,
    /// The number from which he reads on.
    pub(super) cursor: u64,
    /// The number up to which he comes back.
    pub(super) until: u64,
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
    pub(super) fn new(id: TableId, kept: Kept, budget: Arc<Budget>) -> Self {
        Self {
            id,
            at: 0,
            is_new: kept.is_new,
            log: Log::new(kept, budget),
            seats: BTreeMap::new(),
            present: 0,
            presence: Presence::default(),
            muted: Vec::new(),
            barred: Vec::new(),
            rates: BTreeMap::new(),
            rates_swept_at: limits::RATES_SWEPT,
            is_queued: false,
            is_closed: false,
        }
    }

    // --- who is there ---------------------------------------------------------------------------------

    /// Somebody wants this seat. A user's other socket there is closed. `occupancy` is a number that nobody had before,
    /// here or when the house ran the last time.
    pub(super) fn sit(&mut self, person: Person, occupancy: u64, now: Instant) -> Result<Party, Unseated> {
        if self.is_closed {
            return Err(Unseated::Closed);
        }
        let client = person.client;
        let party = Party { client, user: person.user, occupancy };
        // Without a name he is whoever sits there.
        let is_barred =
            |(barred, until): &(Party, Instant)| *until > now && Whom::of(barred) == Whom::of(&party);
        if self.barred.iter().any(is_barred) {
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
        if let Some(replaced) = replaced.as_ref().filter(|replaced| is_present && replaced.person != person) {
            // By another nickname.
            self.presence.note(client, Some(replaced.person.clone()), Some(person.clone()));
        }
        self.seats.insert(client, Seat { party, person, sender: None, is_present, is_woken: false });
        if let Some(sender) = replaced.and_then(|seat| seat.sender) {
            // What is not delivered is closed when it looks at its seat.
            let _ = sender.close(Code(limits::CLOSE_REPLACED), message::REPLACED);
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
        let until = self.log.kept();
        let seat = self.seats.get_mut(&party.client).filter(|seat| seat.party == *party)?;
        seat.sender = Some(sender);
        let person = seat.person.clone();
        if !std::mem::replace(&mut seat.is_present, true) {
            self.present += 1;
            self.presence.note(party.client, None, Some(person.clone()));
        }
        // Who claims to have seen what was not yet said has missed all that there is.
        let cursor = since.map_or(until, |since| if since <= until { since } else { 0 });
        let complete = since.is_none_or(|since| self.log.is_complete_from(since));
        let last = match since {
            Some(_) => Vec::new(),
            None => self.log.talk_before(party, None, limits::WELCOME_MESSAGES).0,
        };
        let welcome = message::Welcome {
            table: self.id,
            you: &person,
            seq: until,
            people: self.people(),
            count: self.present,
            messages: &last,
            complete,
        }
        .to_message();
        self.settle_presence(now);
        Some(Opening { welcome, cursor, until })
    }

    /// He is gone, or another socket of his has taken his place already.
    pub(super) fn leave(&mut self, party: &Party, now: Now) {
        let Some(seat) = self.seats.get(&party.client).filter(|seat| seat.party == *party) else { return };
        if seat.is_present {
            self.present -= 1;
            if !fault::is(Fault::LeaversStay) {
                self.presence.note(party.client, Some(seat.person.clone()), None);
            }
        }
        self.seats.remove(&party.client);
        self.settle_presence(now);
    }

    /// Whose his seat is.
    pub(super) fn standing(&self, party: &Party) -> Standing {
        match self.seats.get(&party.client) {
            Some(seat) if seat.party == *party => Standing::Sits,
            Some(seat) if party.user.is_some() && seat.party.user == party.user => Standing::Replaced,
            _ => Standing::Removed,
        }
    }

    /// How fast he speaks, from whichever seat: a new socket is no faster.
    pub(super) fn rates(&mut self, party: &Party, now: Instant) -> &mut Rates {
        let whom = Whom::of(party);
        if !self.rates.contains_key(&whom) {
            if self.rates.len() >= self.rates_swept_at {
                self.rates.retain(|_, rates| !rates.is_at_rest(now));
                self.rates_swept_at = limits::RATES_SWEPT.max(2 * self.rates.len());
            }
            if self.rates.len() >= limits::RATES_REMEMBERED {
                self.rates.pop_first();
            }
        }
        self.rates.entry(whom).or_default()
    }

    /// Who is there, as far as they are shown.
    pub(super) fn people(&self) -> serde_json::Value {
        message::people(self.seats.values().filter(|seat| seat.is_present).map(|seat| &seat.person))
    }

    /// How many are there.
    pub(super) fn count(&self) -> usize {
        self.present
    }

    /// Somebody has sat here, now or before.
    pub(super) fn is_known(&self) -> bool {
        !self.is_new || self.present > 0 || self.log.kept() + 1 < self.log.next()
    }

    /// Tells comings and goings if that is due; else somebody comes back for it then.
    fn settle_presence(&mut self, now: Now) {
        if self.presence.changed.is_empty() || !self.log.has_room() {
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

    /// His clock has rung: what is due is told.
    pub(super) fn handle_clock(&mut self, now: Now) {
        if self.presence_due() <= now.mono {
            self.settle_presence(now);
        }
    }

    /// Tells who has come and who has gone, on balance.
    fn tell_presence(&mut self, now: Now) {
        let changed = std::mem::take(&mut self.presence.changed).into_values();
        self.presence.told = self.presence.told.max(now.mono);
        self.presence.keeper = None;
        let (was, is): (Vec<_>, Vec<_>) = changed.map(|change| (change.was, change.is)).unzip();
        for (kind, who) in [("left", was), ("joined", is)] {
            let who: Vec<Person> = who.into_iter().flatten().collect();
            if !who.is_empty() {
                let text = message::presence(kind, self.log.next(), self.time(now), &who, self.present);
                self.log.append(text, None, false);
            }
        }
    }

    // --- what is said ---------------------------------------------------------------------------------

    /// Somebody speaks. It is heard when it is kept.
    pub(super) fn speak(&mut self, party: &Party, speech: Speech, now: Now) -> Result<(), Unsaid> {
        let seat = self.seats.get(&party.client).filter(|seat| seat.party == *party);
        let from = seat.ok_or(Unsaid::NobodyThere)?.person.clone();
        let is_sanction = matches!(speech, Speech::Muted { .. } | Speech::Removed { .. });
        if !is_sanction && self.is_muted(party, now.mono) {
            return Err(Unsaid::Muted);
        }
        // Order can be kept whatever else waits.
        if !is_sanction && !self.log.has_room() {
            return Err(Unsaid::NotKept);
        }
        let (seq, wall) = (self.log.next(), self.time(now));
        match speech {
            Speech::Said { text, id } => {
                self.log.append(message::spoken(seq, wall, &from, None, &text, id), None, true);
            }
            Speech::Whispered { to, text, id } => {
                let other = self.party_at(to)?;
                let text = message::spoken(seq, wall, &from, Some(to), &text, id);
                self.log.append(text, Some([*party, other]), true);
            }
            Speech::Muted { who, seconds } => {
                let other = self.party_at(who)?;
                sanction(&mut self.muted, other, now.mono, seconds);
                self.log.append(message::sanction("muted", seq, wall, who, seconds), None, false);
            }
            Speech::Removed { who, seconds } => {
                let other = self.party_at(who)?;
                sanction(&mut self.barred, other, now.mono, seconds);
                self.log.append(message::sanction("removed", seq, wall, who, seconds), None, false);
                self.remove_all(&other, now);
            }
        }
        Ok(())
    }

    fn party_at(&self, client: ClientId) -> Result<Party, Unsaid> {
        self.seats.get(&client).map(|seat| seat.party).ok_or(Unsaid::NobodyThere)
    }

    /// He goes, from whichever seats he has.
    fn remove_all(&mut self, person: &Party, now: Now) {
        let his: Vec<Party> =
            self.seats.values().map(|seat| seat.party).filter(|party| party.is_person(person)).collect();
        for party in his {
            if let Some(sender) = self.seats.get(&party.client).and_then(|seat| seat.sender.as_ref()) {
                let _ = sender.close(Code(limits::CLOSE_REMOVED), message::REMOVED);
            }
            self.leave(&party, now);
        }
    }

    fn is_muted(&self, party: &Party, now: Instant) -> bool {
        let is_his = |(muted, until): &(Party, Instant)| *until > now && muted.is_person(party);
        self.muted.iter().any(is_his) && !fault::is(Fault::MutedSpeak)
    }

    /// Tells all others that somebody is about to speak. Nothing of it is kept, and where many sit nobody is told.
    pub(super) fn type_in(&self, party: &Party, now: Instant) {
        let Some(typing) = self.seats.get(&party.client).filter(|seat| seat.party == *party) else { return };
        if self.seats.len() > limits::TYPING_SEATS || self.is_muted(party, now) {
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

    /// The time of a message, which is never before that of the last.
    fn time(&mut self, now: Now) -> u64 {
        self.at = self.at.max(now.wall);
        self.at
    }

    // --- what is heard --------------------------------------------------------------------------------

    /// He looks for what there is behind this number. `None` if some of that is gone.
    pub(super) fn read(&mut self, party: &Party, cursor: u64, until: u64) -> Option<Reading> {
        if let Some(seat) = self.seats.get_mut(&party.client).filter(|seat| seat.party == *party) {
            seat.is_woken = false;
        }
        self.log.read(party, cursor, until)
    }

    /// The last that was said and that he may hear, before this number if there is one, from the oldest on; and whether
    /// that is all that was ever said.
    pub(super) fn talk_before(&self, party: &Party, before: Option<u64>, limit: usize) -> (Vec<&str>, bool) {
        self.log.talk_before(party, before, limit)
    }

    /// What was said to all, last, from the oldest on.
    pub(super) fn public_talk(&self, limit: usize) -> Vec<&str> {
        let nobody = Party { client: ClientId(0), user: Some(UserId(0)), occupancy: 0 };
        self.log.talk_before(&nobody, None, limit).0
    }

    /// The number of the last message that is kept.
    pub(super) fn last_kept(&self) -> u64 {
        self.log.kept()
    }

    // --- what is kept ---------------------------------------------------------------------------------

    /// There is something to be kept, and the journal does not know of it. From now on it does.
    pub(super) fn queue(&mut self) -> bool {
        self.log.has_pending() && !std::mem::replace(&mut self.is_queued, true)
    }

    /// What is to be kept.
    pub(super) fn take_pending(&mut self) -> Option<Addition> {
        self.is_queued = false;
        if !self.log.has_pending() {
            return None;
        }
        let (talk, seq, gone) = self.log.take_pending();
        Some(Addition { table: self.id, seq, at: self.at, talk, gone, is_new: self.is_new })
    }

    /// All up to this number is kept: it can be heard.
    pub(super) fn handle_kept(&mut self, seq: u64) {
        self.is_new = false;
        match self.log.handle_kept(seq) {
            None => self.seats.values_mut().for_each(Seat::wake),
            Some(parties) => {
                for party in parties {
                    if let Some(seat) = self.seats.get_mut(&party.client) {
                        seat.wake();
                    }
                }
            }
        }
    }

    /// It could not be kept: it is tried again.
    pub(super) fn handle_unkept(&mut self) {
        self.log.handle_unkept();
        self.is_queued = true;
    }

    /// Puts it away, if nobody needs it: what is kept of it is in the store.
    pub(super) fn close(&mut self, now: Instant) -> bool {
        let is_over = |list: &[(Party, Instant)]| list.iter().all(|(_, until)| *until <= now);
        self.is_closed |=
            self.seats.is_empty() && self.log.is_kept() && is_over(&self.muted) && is_over(&self.barred);
        self.is_closed
    }
}

/// Notes that somebody may not do something for a while; with no time, that he may again.
fn sanction(list: &mut Vec<(Party, Instant)>, party: Party, now: Instant, seconds: u64) {
    list.retain(|(other, until)| *until > now && !other.is_person(&party));
    if seconds > 0 {
        list.push((party, now + Duration::from_secs(seconds)));
    }
    list.drain(..list.len().saturating_sub(limits::SANCTIONS));
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
    fn note(&mut self, client: ClientId, was: Option<Person>, is: Option<Person>) {
        let change = self.changed.entry(client).or_insert(Change { was, is: None });
        change.is = is;
        if change.was == change.is {
            self.changed.remove(&client);
        }
    }
}
