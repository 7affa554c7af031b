//! Connections in TIME-WAIT: RFC 9293 3.6.1, in entries without buffers.
//!
//! All wait equally long, so they stand in one list, the next to expire first; a FIN that comes again moves its
//! entry to the end. When there are too many, the oldest goes.
//!
//! Deviations: 60 s instead of four minutes (MUST-13), as Linux does; a RST is ignored (RFC 1337 3, remedy F1).

use slab::Slab;

use super::flow::Flow;
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

/// A connection in TIME-WAIT.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which one.
    pub flow: Flow,
    /// What an ACK from us says.
    pub rcv_nxt: SeqNum,
    /// The sequence number of an ACK from us.
    pub snd_nxt: SeqNum,
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
    pub fn insert(
        &mut self,
        now: Instant,
        flow: Flow,
        snd_nxt: SeqNum,
        rcv_nxt: SeqNum,
    ) -> (u32, Option<Flow>) {
        let displaced = (self.entries.len() >= limits::TIME_WAITS).then(|| self.remove(self.oldest));
        let entry =
            Entry { flow, rcv_nxt, snd_nxt, expires: now + limits::TIME_WAIT, prev: NONE, next: NONE };
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

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 64, "{}", size_of::<Entry>());
    }

    #[test]
    fn entries_expire_in_order_and_a_restart_goes_to_the_end() {
        let mut waits = TimeWaits::default();
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let ids: Vec<_> =
            (0..4).map(|n| waits.insert(at(n), flow(n as u16), SeqNum(1), SeqNum(2)).0).collect();
        waits.restart(at(10), ids[1]);
        waits.remove(ids[2]);
        assert_eq!(waits.poll_expired(at(59)), None);
        assert_eq!(waits.poll_expired(at(69)), Some(flow(0)));
        assert_eq!(waits.poll_expired(at(69)), Some(flow(3)));
        assert_eq!(waits.poll_expired(at(69)), None);
        assert_eq!(waits.poll_expired(at(70)), Some(flow(1)));
        assert!(waits.is_empty() && waits.poll_timeout().is_none());
        assert_eq!(waits.insert(at(80), flow(9), SeqNum(1), SeqNum(2)).1, None);
        assert_eq!(waits.poll_timeout(), Some(at(140)));
    }
}
