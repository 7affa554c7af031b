//! The table of connections, and what follows when one was touched.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use slab::Slab;

use super::budget::{Budget, Share};
use super::{Event, Place, Stack, TimerKey};
use crate::fault::{self, Fault};
use crate::mail::Address;
use crate::tcp::dormant::Dormant;
use crate::tcp::info::ConnectionInfo;
use crate::tcp::pressure::Pressure;
use crate::tcp::signal::Signal;
use crate::tcp::time_wait::Last;
use crate::tcp::{Cause, Connection, State};
use crate::time::Instant;
use crate::wheel::TimerId;

/// Names a connection. Never names another one later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    index: u32,
    generation: u32,
}

impl ConnId {
    /// The place in a table of at most as many entries as there are connections at once.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl From<ConnId> for Address {
    fn from(id: ConnId) -> Self {
        Self { slot: id.index, generation: id.generation }
    }
}

impl From<Address> for ConnId {
    fn from(address: Address) -> Self {
        Self { index: address.slot, generation: address.generation }
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

impl FromStr for ConnId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('.').and_then(|(index, generation)| {
            Some(Self { index: index.parse().ok()?, generation: generation.parse().ok()? })
        });
        parts.ok_or_else(|| format!("{text:?} is no connection's ID; one looks like 3.17"))
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

/// All connections.
pub(super) struct Connections {
    slots: Slab<Slot>,
    generation: u32,
    pub(super) budget: Budget,
    /// Who had something behind a gap, the oldest first.
    gaps: VecDeque<ConnId>,
    /// Connections that may have something to send, or may come to rest, each once.
    dirty: VecDeque<u32>,
    dormant: usize,
}

pub(super) struct Slot {
    body: Body,
    generation: u32,
    timer: TimerId,
    is_dirty: bool,
    /// The flow is no longer ours: in TIME-WAIT, or closed.
    is_detached: bool,
    is_released: bool,
    /// It stands among those with something behind a gap.
    is_in_gaps: bool,
    share: Share,
}

/// Boxed, so that a growing table does not move them.
enum Body {
    Awake(Box<Connection>),
    Dormant(Box<Dormant>),
}

impl Connections {
    pub(super) fn new(memory: usize) -> Self {
        Self {
            slots: Slab::new(),
            generation: 0,
            budget: Budget::new(memory),
            gaps: VecDeque::new(),
            dirty: VecDeque::new(),
            dormant: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many are at rest.
    pub(super) fn dormant(&self) -> usize {
        self.dormant
    }

    /// Reports of connections from an index on, with their ids.
    pub(super) fn infos(&self, index: usize, now: Instant) -> impl Iterator<Item = (ConnId, ConnectionInfo)> {
        let slots = (index..self.slots.capacity()).filter_map(|i| Some((i, self.slots.get(i)?)));
        slots.map(move |(i, slot)| {
            let info = match &slot.body {
                Body::Awake(connection) => connection.info(now),
                Body::Dormant(dormant) => ConnectionInfo { is_at_rest: true, ..dormant.wake().info(now) },
            };
            (ConnId { index: i as u32, generation: slot.generation }, info)
        })
    }

    /// Those that are not at rest.
    pub(super) fn awake(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|(_, slot)| match &slot.body {
            Body::Awake(connection) => Some(&**connection),
            Body::Dormant(_) => None,
        })
    }

    /// The connection at an index that the stack itself keeps; if it is at rest, that is over.
    pub(super) fn at(&mut self, index: u32) -> &mut Connection {
        if let Body::Dormant(_) = self.slots[index as usize].body {
            self.wake(index);
        }
        self.slots[index as usize].awake()
    }

    /// As `of`, for what depends on how short memory is.
    pub(super) fn of_now(&mut self, id: ConnId) -> &mut Connection {
        let pressure = self.budget.pressure();
        let connection = self.of(id);
        connection.set_pressure(pressure);
        connection
    }

    /// The connection of a user's id; if it is at rest, that is over.
    ///
    /// # Panics
    /// If it was released or aborted before: the user has forgotten what it did.
    pub(super) fn of(&mut self, id: ConnId) -> &mut Connection {
        let is_known = self.slots.get(id.index()).is_some_and(|slot| slot.generation == id.generation);
        assert!(is_known, "an id lives until it is released or aborted");
        self.at(id.index)
    }

    /// A connection that may have something to send. It is marked no more, once that is [settled](Stack::settle).
    pub(super) fn next_dirty(&mut self) -> Option<u32> {
        self.dirty.pop_front()
    }

    /// Its turn comes again, behind the others.
    pub(super) fn queue_again(&mut self, index: u32) {
        self.dirty.push_back(index);
    }

    #[inline]
    fn mark(&mut self, index: u32) {
        if !std::mem::replace(&mut self.slots[index as usize].is_dirty, true) {
            self.dirty.push_back(index);
        }
    }

    #[cold]
    fn wake(&mut self, index: u32) {
        let body = &mut self.slots[index as usize].body;
        if let Body::Dormant(dormant) = body {
            let mut connection = Box::new(dormant.wake());
            connection.set_pressure(self.budget.pressure());
            *body = Body::Awake(connection);
            self.dormant -= 1;
            // So that it comes to rest again, whatever it was woken for.
            self.mark(index);
        }
    }

    /// Puts a connection to rest.
    fn rest(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.body = Body::Dormant(Box::new(slot.awake().sleep()));
        self.budget.set(&mut slot.share, 0);
        self.dormant += 1;
    }

    fn remove(&mut self, index: u32) {
        let mut slot = self.slots.remove(index as usize);
        self.budget.set(&mut slot.share, 0);
    }

    /// Notes what the buffers of a connection take up.
    fn account(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let connection = slot.awake();
        let (memory, has_gaps) = (connection.memory(), connection.has_gaps());
        self.budget.set(&mut slot.share, memory);
        if has_gaps && !std::mem::replace(&mut slot.is_in_gaps, true) {
            self.gaps.push_back(ConnId { index, generation: slot.generation });
            if self.gaps.len() > 2 * self.slots.len() + 64 {
                // Those that are gone left their places behind.
                let slots = &self.slots;
                let is_alive =
                    |id: &ConnId| slots.get(id.index()).is_some_and(|s| s.generation == id.generation);
                self.gaps.retain(is_alive);
            }
        }
    }

    /// While memory is short, throws away what waits behind gaps, of one connection after the other, in the order in
    /// which they first had any. Gives the number of bytes.
    fn prune(&mut self) -> usize {
        let mut total = 0;
        while self.budget.pressure() >= Pressure::High && !fault::is(Fault::NoPruning) {
            let Some(ConnId { index, generation }) = self.gaps.pop_front() else { break };
            let slot = self.slots.get_mut(index as usize).filter(|slot| slot.generation == generation);
            let Some(slot) = slot else { continue };
            slot.is_in_gaps = false;
            let Body::Awake(connection) = &mut slot.body else { continue };
            connection.set_pressure(self.budget.pressure());
            let pruned = connection.prune();
            self.budget.set(&mut slot.share, connection.memory());
            if pruned > 0 {
                // It may come to rest now.
                self.mark(index);
            }
            total += pruned;
        }
        total
    }
}

impl Slot {
    fn awake(&mut self) -> &mut Connection {
        match &mut self.body {
            Body::Awake(connection) => connection,
            Body::Dormant(_) => unreachable!("whoever is touched is woken"),
        }
    }
}

impl Stack {
    /// Takes a new connection into the tables.
    pub(super) fn insert_connection(&mut self, connection: Connection) -> ConnId {
        let flow = connection.flow();
        self.connections.generation = self.connections.generation.wrapping_add(1);
        let generation = self.connections.generation;
        let entry = self.connections.slots.vacant_entry();
        let index = u32::try_from(entry.key()).expect("fewer than 2^32 connections");
        let timer = self.wheel.insert(TimerKey::Connection(index));
        entry.insert(Slot {
            body: Body::Awake(Box::new(connection)),
            generation,
            timer,
            is_dirty: false,
            is_detached: false,
            is_released: false,
            is_in_gaps: false,
            share: Share::default(),
        });
        self.flows.insert(flow, Place::Connection(index));
        self.touch(index);
        ConnId { index, generation }
    }

    /// A connection was given data: its buffers take up more.
    pub(super) fn account(&mut self, index: u32) {
        self.connections.account(index);
        if self.connections.budget.pressure() >= Pressure::High {
            self.counters.pruned += self.connections.prune() as u64;
        }
    }

    /// A connection, which is awake, was given something: it may have something to send.
    pub(super) fn touch(&mut self, index: u32) {
        // As in `mark` and `tell`, but the place is looked up once: this is done many times for a segment.
        let slot = &mut self.connections.slots[index as usize];
        if !std::mem::replace(&mut slot.is_dirty, true) {
            self.connections.dirty.push_back(index);
        }
        if slot.awake().has_signals() {
            self.tell_signals(index);
        }
    }

    pub(super) fn touch_id(&mut self, id: ConnId) {
        self.touch(id.index);
    }

    /// A connection has nothing more to send for now: reads its timer once, puts it to rest if it has been idle for
    /// long enough, and lets it go if it is over.
    pub(super) fn settle(&mut self, index: u32) {
        self.tell(index);
        self.connections.account(index);
        let slot = &mut self.connections.slots[index as usize];
        slot.is_dirty = false;
        let connection = slot.awake();
        connection.count_mechanisms(&mut self.counters.mechanisms);
        let (state, flow, last) = (connection.state(), connection.flow(), connection.last());
        let (mut deadline, idle_from) = (connection.poll_timeout(), connection.idle_from());
        let is_idle = idle_from <= self.now;
        let rests = is_idle && connection.may_rest() && !fault::is(Fault::NoRest);
        let (timer, is_released) = (slot.timer, slot.is_released);
        let is_over = matches!(state, State::Closed | State::TimeWait);
        if is_over && !std::mem::replace(&mut slot.is_detached, true) {
            self.flows.remove(&flow);
            if state == State::TimeWait && !fault::is(Fault::NoTimeWait) {
                self.enter_time_wait(flow, last);
            }
        }
        if is_over && is_released {
            self.wheel.remove(timer);
            self.connections.remove(index);
            return;
        }
        if rests {
            self.connections.rest(index);
        } else if !is_idle {
            deadline = Some(deadline.map_or(idle_from, |deadline| deadline.min(idle_from)));
        }
        self.wheel.set(timer, deadline);
    }

    /// The user of a connection is gone.
    pub(super) fn release(&mut self, id: ConnId) {
        let now = self.now;
        let connection = self.connections.of(id);
        if connection.release(now) {
            self.reset_connection(id);
        } else {
            connection.shutdown();
        }
        self.connections.slots[id.index()].is_released = true;
        self.touch(id.index);
    }

    /// The user of a connection wants it gone, with a RST where the peer must hear of it (RFC 9293 3.10.5).
    pub(super) fn abort(&mut self, id: ConnId) {
        let now = self.now;
        self.reset_connection(id);
        self.connections.of(id).release(now);
        self.connections.slots[id.index()].is_released = true;
        self.touch(id.index);
    }

    fn reset_connection(&mut self, id: ConnId) {
        let now = self.now;
        let connection = self.connections.of(id);
        let (flow, state) = (connection.flow(), connection.state());
        let Last { snd_nxt, rcv_nxt, .. } = connection.last();
        let timestamps = connection.timestamps(now);
        connection.close(Cause::Aborted);
        let hears_of_it = matches!(
            state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
        );
        if hears_of_it {
            self.reset_peer(flow, snd_nxt, Some(rcv_nxt), timestamps);
        }
    }

    /// Passes a connection's signals on to its user, if there are any.
    #[inline]
    fn tell(&mut self, index: u32) {
        if self.connections.slots[index as usize].awake().has_signals() {
            self.tell_signals(index);
        }
    }

    fn tell_signals(&mut self, index: u32) {
        let slot = &mut self.connections.slots[index as usize];
        let connection = slot.awake();
        let signals = connection.take_signals();
        let (cause, port) = (connection.cause(), connection.flow().local_port);
        let is_active = connection.is_active();
        let id = ConnId { index, generation: slot.generation };
        if signals.has(Signal::Closed) && cause != Some(Cause::Finished) {
            self.counters.failed += 1;
        }
        if slot.is_released {
            return;
        }
        let is_accepted = signals.has(Signal::Connected) && !is_active;
        if is_accepted && let Some(listener) = self.listeners.get_mut(&port) {
            listener.waiting += 1;
        }
        let mut tell = |told: bool, event: Event| {
            if told {
                self.events.push_back(event);
            }
        };
        tell(signals.has(Signal::Connected) && is_active, Event::Connected(id));
        tell(is_accepted, Event::Accepted { port, id });
        tell(signals.has(Signal::Readable), Event::Readable(id));
        tell(signals.has(Signal::Urgent), Event::Urgent(id));
        tell(signals.has(Signal::Writable), Event::Writable(id));
        tell(signals.has(Signal::Alarm), Event::Alarm(id));
        tell(signals.has(Signal::Trouble), Event::Trouble(id));
        if let Some(cause) = cause {
            tell(signals.has(Signal::Closed), Event::Closed(id, cause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::Flow;
    use crate::wheel::Wheel;

    #[test]
    fn a_connection_at_rest_takes_512_bytes_at_most_with_its_places_in_all_tables() {
        let in_tables = size_of::<Slot>() + size_of::<(Flow, Place)>() + Wheel::<TimerKey>::ENTRY_BYTES;
        let all = size_of::<Dormant>() + in_tables;
        assert!(all <= 512 - 32, "{all}, and 32 for what the allocator and the hash table waste");
    }
}
