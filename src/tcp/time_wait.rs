//! Connections in TIME-WAIT: RFC 9293 3.6.1, in entries without buffers.
//!
//! All wait equally long, so they stand in one list, the next to expire first; a FIN that comes again moves its
//! entry to the end. When there are too many, the oldest goes.
//!
//! Deviations: 60 s instead of four minutes (MUST-13), as Linux does; a RST is ignored (RFC 1337 3, remedy F1).

use slab::Slab;

use super::flow::Flow;
use super::timestamps;
use crate::limits;
use crate::time::Instant;
use crate::wire::seq::SeqNum;

/// The entries.
#[derive(Debug)]
pub struct TimeWaits {
    entries: Slab<Entry>,
    oldest: u32,
    newest: u32,
}

/// The last that is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// The sequence number of an ACK from us.
    pub snd_nxt: SeqNum,
    /// What an ACK from us says.
    pub rcv_nxt: SeqNum,
    /// TS.Recent, if timestamps were in use.
    pub ts_recent: Option<u32>,
}

impl Last {
    /// A SYN with this sequence number, and this timestamp if both sides want them, may begin a new connection: RFC
    /// 6191 2, RFC 1122 4.2.2.13.
    pub fn gives_way_to(&self, seq: SeqNum, timestamp: Option<u32>) -> bool {
        match (self.ts_recent, timestamp) {
            (Some(recent), Some(value)) if value != recent => timestamps::is_before(recent, value),
            (None, Some(_)) => true,
            _ => seq.gt(self.rcv_nxt),
        }
    }
}

/// A connection in TIME-WAIT.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which one.
    pub flow: Flow,
    /// What is known of it.
    pub last: Last,
    expires: Instant,
    prev: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

impl Default for TimeWaits {
    fn default() -> Self {
        Self { entries: Slab::new(), oldest: NONE, newest: NONE }
    }
}

impl TimeWaits {
    /// Adds a connection. Gives its index, and the flow that had to go for it.
    pub fn insert(&mut self, now: Instant, flow: Flow, last: Last) -> (u32, Option<Flow>) {
        let displaced = (self.entries.len() >= limits::TIME_WAITS).then(|| self.remove(self.oldest));
        let entry = Entry { flow, last, expires: now + limits::TIME_WAIT, prev: NONE, next: NONE };
        let index = u32::try_from(self.entries.insert(entry)).expect("bounded by limits::TIME_WAITS");
        self.append(index);
        (index, displaced)
    }

    /// An entry.
    pub fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    /// Begins the wait anew: the peer has not heard our last ACK.
    pub fn restart(&mut self, now: Instant, index: u32) {
        self.detach(index);
        self.entries[index as usize].expires = now + limits::TIME_WAIT;
        self.append(index);
    }

    /// Forgets an entry.
    pub fn remove(&mut self, index: u32) -> Flow {
        self.detach(index);
        self.entries.remove(index as usize).flow
    }

    /// Forgets an entry whose wait is over.
    pub fn poll_expired(&mut self, now: Instant) -> Option<Flow> {
        self.poll_timeout().filter(|&at| at <= now)?;
        Some(self.remove(self.oldest))
    }

    /// When the next wait is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.entries.get(self.oldest as usize).map(|e| e.expires)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn append(&mut self, index: u32) {
        let newest = std::mem::replace(&mut self.newest, index);
        self.entries[index as usize].prev = newest;
        self.entries[index as usize].next = NONE;
        match self.entries.get_mut(newest as usize) {
            Some(before) => before.next = index,
            None => self.oldest = index,
        }
    }

    fn detach(&mut self, index: u32) {
        let Entry { prev, next, .. } = self.entries[index as usize];
        match self.entries.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => self.oldest = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(after) => after.prev = prev,
            None => self.newest = prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use std::net::Ipv4Addr;

    fn flow(port: u16) -> Flow {
        Flow { remote_ip: Ipv4Addr::new(192, 0, 2, 1), remote_port: port, local_port: 80 }
    }

    const LAST: Last = Last { snd_nxt: SeqNum(1), rcv_nxt: SeqNum(2), ts_recent: None };

    #[test]
    fn a_new_connection_must_be_newer() {
        let with = Last { ts_recent: Some(u32::MAX), ..LAST };
        for (last, seq, timestamp, gives_way) in [
            (LAST, 3, None, true),
            (LAST, 2, None, false),
            (LAST, 2, Some(9), true),
            (with, 1, Some(0), true),
            (with, 3, Some(u32::MAX - 1), false),
            (with, 3, Some(u32::MAX), true),
            (with, 2, Some(u32::MAX), false),
            (with, 3, None, true),
        ] {
            assert_eq!(last.gives_way_to(SeqNum(seq), timestamp), gives_way, "{last:?} {seq} {timestamp:?}");
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 64, "{}", size_of::<Entry>());
    }

    #[test]
    fn entries_expire_in_order_and_a_restart_goes_to_the_end() {
        let mut waits = TimeWaits::default();
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let ids: Vec<_> = (0..4).map(|n| waits.insert(at(n), flow(n as u16), LAST).0).collect();
        waits.restart(at(10), ids[1]);
        waits.remove(ids[2]);
        assert_eq!(waits.poll_expired(at(59)), None);
        assert_eq!(waits.poll_expired(at(69)), Some(flow(0)));
        assert_eq!(waits.poll_expired(at(69)), Some(flow(3)));
        assert_eq!(waits.poll_expired(at(69)), None);
        assert_eq!(waits.poll_expired(at(70)), Some(flow(1)));
        assert!(waits.is_empty() && waits.poll_timeout().is_none());
        assert_eq!(waits.insert(at(80), flow(9), LAST).1, None);
        assert_eq!(waits.poll_timeout(), Some(at(140)));
    }
}
