//! A hierarchical timing wheel (Varghese and Lauck, 1987): one entry a machine, armed and moved in constant time.
//!
//! Eight levels of 64 slots; a tick is 2^16 ns, about 66 us, so the levels reach as far as an [`Instant`]. An entry
//! stands in the level of the highest six-bit digit in which its tick differs from the wheel's, and comes down a level
//! each time its slot is reached. Nothing fires early; it fires at most a tick late.
//!
//! Entries are **lazy**: moving a deadline later (which nearly every segment does to some timer) only writes it
//! down, and the entry is put into its new place when the old one comes up.

use slab::Slab;

use crate::time::Instant;

const TICK_SHIFT: u32 = 16;
const LEVELS: usize = 8;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const NONE: u32 = u32::MAX;
/// The last tick that there is.
const LAST_TICK: u64 = (1 << (SLOT_BITS * LEVELS as u32)) - 1;

/// An entry of the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(u32);

/// Timers of many machines, each known by a key.
pub struct Wheel<K> {
    entries: Slab<Entry<K>>,
    levels: [Level; LEVELS],
    /// The tick up to which everything has fired.
    elapsed: u64,
}

struct Entry<K> {
    key: K,
    /// When the machine wants to be called; `u64::MAX` for never. Not before `linked_tick`.
    wanted_tick: u64,
    /// The tick of the slot in which the entry stands; meaningful while it is linked.
    linked_tick: u64,
    level: u8,
    is_linked: bool,
    prev: u32,
    next: u32,
}

#[derive(Clone, Copy)]
struct Level {
    occupied: u64,
    heads: [u32; SLOTS],
}

impl<K: Copy> Default for Wheel<K> {
    fn default() -> Self {
        Self {
            entries: Slab::new(),
            levels: [Level { occupied: 0, heads: [NONE; SLOTS] }; LEVELS],
            elapsed: 0,
        }
    }
}

impl<K: Copy> Wheel<K> {
    /// Bytes that an entry takes up.
    pub const ENTRY_BYTES: usize = size_of::<Entry<K>>();

    /// A new entry for the machine `key`, not armed.
    pub fn insert(&mut self, key: K) -> TimerId {
        let entry = Entry {
            key,
            wanted_tick: u64::MAX,
            linked_tick: 0,
            level: 0,
            is_linked: false,
            prev: NONE,
            next: NONE,
        };
        TimerId(u32::try_from(self.entries.insert(entry)).expect("fewer than 2^32 timers"))
    }

    /// Forgets an entry.
    pub fn remove(&mut self, id: TimerId) {
        self.unlink(id.0);
        self.entries.remove(id.0 as usize);
    }

    /// Sets when the machine wants to be called: what its `poll_timeout` said.
    pub fn set(&mut self, id: TimerId, deadline: Option<Instant>) {
        let tick = deadline.map_or(u64::MAX, tick_after).max(self.elapsed);
        let entry = &mut self.entries[id.0 as usize];
        entry.wanted_tick = tick;
        if entry.is_linked && entry.linked_tick <= tick {
            return;
        }
        self.unlink(id.0);
        if tick != u64::MAX {
            self.link(id.0, tick);
        }
    }

    /// When [`poll`](Self::poll) should be called next; it may then find that nothing is due after all.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_slot().map(|(_, _, tick)| Instant::from_nanos(tick << TICK_SHIFT))
    }

    /// The key of an entry whose deadline has come; its entry is no longer armed.
    pub fn poll(&mut self, now: Instant) -> Option<K> {
        let now_tick = now.as_nanos() >> TICK_SHIFT;
        while let Some((level, slot, tick)) = self.next_slot().filter(|&(_, _, tick)| tick <= now_tick) {
            self.elapsed = tick;
            if level > 0 {
                self.cascade(level, slot);
                continue;
            }
            let index = self.levels[0].heads[slot];
            self.unlink(index);
            let entry = &self.entries[index as usize];
            match entry.wanted_tick {
                u64::MAX => {}
                wanted if wanted <= tick => return Some(entry.key),
                wanted => self.link(index, wanted),
            }
        }
        self.elapsed = self.elapsed.max(now_tick);
        None
    }

    /// The first occupied slot in time. Lower levels come first: all that stands in a higher one is later.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        self.levels.iter().enumerate().find(|(_, l)| l.occupied != 0).map(|(level, l)| {
            let slot = l.occupied.trailing_zeros() as usize;
            let shift = SLOT_BITS * level as u32;
            let start = self.elapsed & !((1 << (shift + SLOT_BITS)) - 1);
            (level, slot, (start + ((slot as u64) << shift)).max(self.elapsed))
        })
    }

    /// Brings a whole slot, whose first tick has come, to the levels below: what stayed behind would be passed.
    fn cascade(&mut self, level: usize, slot: usize) {
        while self.levels[level].occupied & 1 << slot != 0 {
            let index = self.levels[level].heads[slot];
            self.unlink(index);
            match self.entries[index as usize].wanted_tick {
                u64::MAX => {}
                wanted => self.link(index, wanted),
            }
        }
    }

    fn link(&mut self, index: u32, tick: u64) {
        let level = (63 - ((tick ^ self.elapsed) | 1).leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (SLOT_BITS * level)) as usize % SLOTS;
        let head = std::mem::replace(&mut self.levels[level as usize].heads[slot], index);
        self.levels[level as usize].occupied |= 1 << slot;
        if head != NONE {
            self.entries[head as usize].prev = index;
        }
        let entry = &mut self.entries[index as usize];
        (entry.prev, entry.next) = (NONE, head);
        (entry.level, entry.is_linked) = (level as u8, true);
        entry.linked_tick = tick;
    }

    fn unlink(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        if !std::mem::take(&mut entry.is_linked) {
            return;
        }
        let (prev, next, level) = (entry.prev, entry.next, usize::from(entry.level));
        let slot = (entry.linked_tick >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
        if prev != NONE {
            self.entries[prev as usize].next = next;
        } else {
            self.levels[level].heads[slot] = next;
            if next == NONE {
                self.levels[level].occupied &= !(1 << slot);
            }
        }
    }
}

/// The first tick that does not begin before the deadline.
fn tick_after(deadline: Instant) -> u64 {
    deadline.as_nanos().div_ceil(1 << TICK_SHIFT).min(LAST_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;

    const TICK: u64 = 1 << TICK_SHIFT;

    fn fire_all(wheel: &mut Wheel<usize>, now: Instant) -> Vec<usize> {
        let mut fired: Vec<_> = std::iter::from_fn(|| wheel.poll(now)).collect();
        fired.sort_unstable();
        fired
    }

    #[test]
    fn a_later_deadline_is_lazy_and_an_earlier_one_is_not() {
        let mut wheel = Wheel::default();
        let id = wheel.insert(0usize);
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        wheel.set(id, Some(at(10)));
        wheel.set(id, Some(at(500)));
        assert!(wheel.next_deadline().unwrap() <= at(11));
        assert_eq!(wheel.poll(at(499)), None);
        wheel.set(id, Some(at(499)));
        assert_eq!(wheel.poll(at(500)), Some(0));
        wheel.set(id, Some(at(600)));
        wheel.set(id, None);
        assert_eq!(wheel.poll(at(1000)), None);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn the_end_of_time_is_reached() {
        let mut wheel = Wheel::default();
        let id = wheel.insert(0usize);
        wheel.set(id, Some(Instant::from_nanos(u64::MAX)));
        assert_eq!(wheel.poll(Instant::from_nanos(u64::MAX - 2 * TICK)), None);
        assert_eq!(wheel.poll(Instant::from_nanos(u64::MAX)), Some(0));
    }

    proptest! {
        #[test]
        fn fires_like_a_sorted_list(
            steps in proptest::collection::vec((0usize..8, 0u64..1 << 38, any::<bool>(), 0u64..1 << 34), 1..60),
        ) {
            let mut wheel = Wheel::default();
            let ids: Vec<_> = (0..8usize).map(|key| wheel.insert(key)).collect();
            let mut wanted = [None; 8];
            let mut now = Instant::ZERO;
            for (key, delay, never, step) in steps {
                wanted[key] = (!never).then(|| now + Duration::from_nanos(delay));
                wheel.set(ids[key], wanted[key]);
                if let (Some(first), Some(next)) = (wanted.iter().flatten().min(), wheel.next_deadline()) {
                    prop_assert!(next.as_nanos() < first.as_nanos() + TICK);
                }
                now += Duration::from_nanos(step);
                let fired = fire_all(&mut wheel, now);
                for (key, slot) in wanted.iter_mut().enumerate() {
                    // Not early, and at most a tick late.
                    let due = slot.is_some_and(|d| tick_after(d) <= now.as_nanos() >> TICK_SHIFT);
                    prop_assert_eq!(fired.contains(&key), due);
                    if due { *slot = None; }
                }
            }
        }
    }
}
