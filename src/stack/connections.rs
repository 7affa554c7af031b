//! The table of connections, and what follows when one was touched.

use std::fmt;
use std::str::FromStr;

use slab::Slab;

use super::{Event, Place, Stack, TimerKey};
use crate::fault::{self, Fault};
use crate::mail::Address;
use crate::tcp::info::Mechanisms;
use crate::tcp::time_wait::Last;
use crate::tcp::{Cause, Connection, State};
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
#[derive(Default)]
pub(super) struct Connections {
    slots: Slab<Slot>,
    generation: u32,
}

pub(super) struct Slot {
    // Boxed, so that a growing table does not move them.
    connection: Box<Connection>,
    generation: u32,
    timer: TimerId,
    is_dirty: bool,
    /// The flow is no longer ours: in TIME-WAIT, or closed.
    is_detached: bool,
    is_released: bool,
    /// What of its mechanisms is in the counters of the stack.
    counted: Mechanisms,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Connections from an index on, with their ids.
    pub(super) fn starting_at(&self, index: usize) -> impl Iterator<Item = (ConnId, &Connection)> {
        let slots = (index..self.slots.capacity()).filter_map(|i| Some((i, self.slots.get(i)?)));
        slots.map(|(i, slot)| (ConnId { index: i as u32, generation: slot.generation }, &*slot.connection))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().map(|(_, slot)| &*slot.connection)
    }

    /// The connection at an index that the stack itself keeps.
    pub(super) fn at(&mut self, index: u32) -> &mut Connection {
        &mut self.slots[index as usize].connection
    }

    /// The connection of a user's id.
    ///
    /// # Panics
    /// If it was released or aborted before: the user has forgotten what it did.
    pub(super) fn of(&mut self, id: ConnId) -> &mut Connection {
        let slot = self.slots.get_mut(id.index()).filter(|s| s.generation == id.generation);
        &mut slot.expect("an id lives until it is released or aborted").connection
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
            connection: Box::new(connection),
            generation,
            timer,
            is_dirty: false,
            is_detached: false,
            is_released: false,
            counted: Mechanisms::default(),
        });
        self.flows.insert(flow, Place::Connection(index));
        self.touch(index);
        ConnId { index, generation }
    }

    /// A connection was given something: it may have something to send.
    pub(super) fn touch(&mut self, index: u32) {
        let slot = &mut self.connections.slots[index as usize];
        if !std::mem::replace(&mut slot.is_dirty, true) {
            self.dirty.push_back(index);
        }
        self.tell(index);
    }

    pub(super) fn touch_id(&mut self, id: ConnId) {
        self.touch(id.index);
    }

    /// A connection has nothing more to send for now: reads its timer once, and lets it go if it is over.
    pub(super) fn settle(&mut self, index: u32) {
        self.connections.slots[index as usize].is_dirty = false;
        self.tell(index);
        let slot = &mut self.connections.slots[index as usize];
        let mechanisms = slot.connection.mechanisms();
        if mechanisms != slot.counted {
            self.counters.mechanisms.add(&slot.counted, &mechanisms);
            slot.counted = mechanisms;
        }
        let state = slot.connection.state();
        let is_over = matches!(state, State::Closed | State::TimeWait);
        if is_over && !std::mem::replace(&mut slot.is_detached, true) {
            let flow = slot.connection.flow();
            let last = slot.connection.last();
            self.flows.remove(&flow);
            if state == State::TimeWait && !fault::is(Fault::NoTimeWait) {
                self.enter_time_wait(flow, last);
            }
        }
        let slot = &self.connections.slots[index as usize];
        if is_over && slot.is_released {
            self.wheel.remove(slot.timer);
            self.connections.slots.remove(index as usize);
        } else {
            let (timer, deadline) = (slot.timer, slot.connection.poll_timeout());
            self.wheel.set(timer, deadline);
        }
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

    /// Passes a connection's signals on to its user.
    fn tell(&mut self, index: u32) {
        let slot = &mut self.connections.slots[index as usize];
        let id = ConnId { index, generation: slot.generation };
        let signals = slot.connection.take_signals();
        if signals == crate::tcp::connection::Signals::default() {
            return;
        }
        let (cause, port) = (slot.connection.cause(), slot.connection.flow().local_port);
        if signals.closed && cause != Some(Cause::Finished) {
            self.counters.failed += 1;
        }
        if slot.is_released {
            return;
        }
        let is_active = slot.connection.is_active();
        let mut tell = |told: bool, event: Event| {
            if told {
                self.events.push_back(event);
            }
        };
        tell(signals.connected && is_active, Event::Connected(id));
        tell(signals.connected && !is_active, Event::Accepted { port, id });
        tell(signals.readable, Event::Readable(id));
        tell(signals.urgent, Event::Urgent(id));
        tell(signals.writable, Event::Writable(id));
        tell(signals.alarm, Event::Alarm(id));
        tell(signals.trouble, Event::Trouble(id));
        if let Some(cause) = cause {
            tell(signals.closed, Event::Closed(id, cause));
        }
    }
}
