//! Reassembly of fragmented datagrams: RFC 815, with the limits of RFC 1122 3.3.2.
//!
//! A datagram under way is its bytes so far and the list of its holes. A fragment must fill one hole in part
//! or whole. The same fragment once more is ignored; any other overlap poisons the datagram (RFC 1858 and RFC
//! 3128 tell why; RFC 5722 does so for IPv6): nothing of it is delivered, whatever else comes.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

use crate::drops::Drop;
use crate::fault::{self, Fault};
use crate::limits;
use crate::rand::KeyedHash;
use crate::time::Instant;
use crate::wire::ipv4::{self, Header};

/// Datagrams under way.
#[derive(Debug)]
pub struct Reassembly {
    datagrams: HashMap<Key, Datagram, KeyedHash>,
    /// In the order of arrival, which is the order of their deadlines. May name some that are gone.
    agenda: VecDeque<(Instant, Key, u64)>,
    bytes: usize,
    born: u64,
    /// Datagrams that made room for others, not told yet.
    evicted: usize,
}

/// RFC 791 3.2: what fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    id: u16,
}

#[derive(Debug)]
struct Datagram {
    born: u64,
    /// The header of the first fragment, and what of its packet an ICMP error quotes.
    first: Option<(Header, Vec<u8>)>,
    data: Vec<u8>,
    /// `start..end` not yet filled, in order. The last one ends at `usize::MAX` until the end is known.
    holes: Vec<(usize, usize)>,
    /// `start..end` of every fragment taken.
    fragments: Vec<(usize, usize)>,
    /// Codepoints of ECN that fragments carried, a bit each.
    codepoints: u8,
    is_poisoned: bool,
}

/// A datagram that is whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// The header of its first fragment.
    pub header: Header,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A datagram that did not become whole in time.
#[derive(Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// Header and beginning of its first fragment, if that came: what ICMP time exceeded quotes.
    pub first: Option<(Header, Vec<u8>)>,
}

impl Reassembly {
    /// Nothing under way.
    pub fn new(hash: KeyedHash) -> Self {
        Self { datagrams: HashMap::with_hasher(hash), agenda: VecDeque::new(), bytes: 0, born: 0, evicted: 0 }
    }

    /// Takes a fragment: the packet `bytes`, whose payload begins at `header_len`. Gives the datagram when it
    /// is whole.
    ///
    /// # Errors
    /// The `Fragment…` values of [`Drop`].
    pub fn handle_fragment(
        &mut self,
        now: Instant,
        header: &Header,
        bytes: &[u8],
        header_len: usize,
    ) -> Result<Option<Whole>, Drop> {
        let payload = &bytes[header_len..];
        let start = usize::from(header.fragment_offset);
        let end = start + payload.len();
        if header.more_fragments && (!payload.len().is_multiple_of(8) || payload.is_empty()) {
            return Err(Drop::FragmentBadLength);
        }
        if header_len + end > ipv4::MAX_LEN {
            return Err(Drop::FragmentTooBig);
        }
        let key = Key { src: header.src, dst: header.dst, protocol: header.protocol, id: header.id };
        self.make_room(now, key, end)?;
        let datagram = self.datagrams.get_mut(&key).expect("made above");
        let before = datagram.data.len();
        let taken = datagram.take(start, end, !header.more_fragments, payload);
        self.bytes = self.bytes + datagram.data.len() - before;
        if let Err(drop) = taken {
            if datagram.is_poisoned {
                self.bytes -= std::mem::take(&mut datagram.data).len();
            }
            return Err(drop);
        }
        if start == 0 {
            let quoted = bytes.len().min(header_len + 8);
            datagram.first = Some((*header, bytes[..quoted].to_vec()));
        }
        datagram.codepoints |= 1 << (header.ecn & 3);
        if !datagram.holes.is_empty() {
            return Ok(None);
        }
        let whole = self.remove(key).expect("found above");
        let (first, _) = whole.first.expect("without holes the first fragment is there");
        let ecn = joined_codepoint(first.ecn, whole.codepoints)?;
        Ok(Some(Whole {
            header: Header { more_fragments: false, fragment_offset: 0, ecn, ..first },
            payload: whole.data,
        }))
    }

    /// How many datagrams made room for others since this was asked last.
    pub fn take_evicted(&mut self) -> usize {
        std::mem::take(&mut self.evicted)
    }

    /// A datagram whose time is over.
    pub fn poll_timed_out(&mut self, now: Instant) -> Option<TimedOut> {
        loop {
            let (_, key, born) = *self.agenda.front().filter(|(at, ..)| *at <= now)?;
            self.agenda.pop_front();
            if self.datagrams.get(&key).is_some_and(|d| d.born == born) {
                let datagram = self.remove(key)?;
                return Some(TimedOut { first: datagram.first.filter(|_| !datagram.is_poisoned) });
            }
        }
    }

    /// When [`poll_timed_out`](Self::poll_timed_out) may have something.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.front().map(|(at, ..)| *at)
    }

    /// Finds or begins the datagram `key`, with room for it to reach `end`: the oldest others go if need be.
    fn make_room(&mut self, now: Instant, key: Key, end: usize) -> Result<(), Drop> {
        if !self.datagrams.contains_key(&key) {
            if self.datagrams.len() >= limits::REASSEMBLIES {
                self.evict_oldest(None);
            }
            self.born += 1;
            self.agenda.push_back((now + limits::REASSEMBLY_TIMEOUT, key, self.born));
            self.datagrams.insert(key, Datagram::new(self.born));
        }
        while self.bytes + end > limits::REASSEMBLY_BYTES {
            if !self.evict_oldest(Some(key)) {
                return Err(Drop::FragmentLimit);
            }
        }
        Ok(())
    }

    fn evict_oldest(&mut self, keep: Option<Key>) -> bool {
        let oldest = self.agenda.iter().position(|(_, key, born)| {
            Some(*key) != keep && self.datagrams.get(key).is_some_and(|d| d.born == *born)
        });
        let Some((_, key, _)) = oldest.and_then(|at| self.agenda.remove(at)) else { return false };
        self.remove(key);
        self.evicted += 1;
        true
    }

    fn remove(&mut self, key: Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(&key)?;
        self.bytes -= datagram.data.len();
        while let Some((_, key, born)) = self.agenda.front()
            && self.datagrams.get(key).is_none_or(|d| d.born != *born)
        {
            self.agenda.pop_front();
        }
        if self.agenda.len() > 2 * limits::REASSEMBLIES {
            // Behind one that does not become whole, those that do leave their places behind.
            self.agenda.retain(|(_, key, born)| self.datagrams.get(key).is_some_and(|d| d.born == *born));
        }
        Some(datagram)
    }
}

/// RFC 3168 5.3: no mark of congestion is lost, and none reaches a transport that does not know of it.
fn joined_codepoint(first: u8, codepoints: u8) -> Result<u8, Drop> {
    const NOT_ECT: u8 = 0;
    const CE: u8 = 3;
    let has = |codepoint: u8| codepoints & 1 << codepoint != 0;
    if !has(CE) || fault::is(Fault::MarksLostInReassembly) {
        return Ok(first);
    }
    if has(NOT_ECT) { Err(Drop::FragmentMixedEcn) } else { Ok(CE) }
}

impl Datagram {
    fn new(born: u64) -> Self {
        Self {
            born,
            first: None,
            data: Vec::new(),
            holes: vec![(0, usize::MAX)],
            fragments: Vec::new(),
            codepoints: 0,
            is_poisoned: false,
        }
    }

    fn take(&mut self, start: usize, end: usize, is_last: bool, payload: &[u8]) -> Result<(), Drop> {
        if self.is_poisoned {
            return Err(Drop::FragmentOverlap);
        }
        if self.fragments.contains(&(start, end)) {
            return Err(Drop::FragmentDuplicate);
        }
        if self.fragments.len() >= limits::FRAGMENTS_PER_DATAGRAM {
            self.is_poisoned = true;
            return Err(Drop::FragmentLimit);
        }
        let hole = self.holes.iter().position(|&(first, last)| first <= start && end <= last);
        let Some(at) = hole.filter(|_| end > start || is_last) else {
            if fault::is(Fault::FragmentOverlapTaken) && end <= self.data.len() {
                self.data[start..end].copy_from_slice(payload);
                return Ok(());
            }
            self.is_poisoned = true;
            let known_end = self.holes.last().is_none_or(|h| h.1 != usize::MAX);
            return Err(if known_end && is_last { Drop::FragmentBadEnd } else { Drop::FragmentOverlap });
        };
        // RFC 815 3: the hole gives way to what is left of it before and after the fragment.
        let (first, last) = self.holes.remove(at);
        if is_last && (last != usize::MAX || at != self.holes.len()) {
            // Something beyond this end is known already.
            self.is_poisoned = true;
            return Err(Drop::FragmentBadEnd);
        }
        if !is_last && end < last {
            self.holes.insert(at, (end, last));
        }
        if first < start {
            self.holes.insert(at, (first, start));
        }
        self.fragments.push((start, end));
        self.data.resize(self.data.len().max(end), 0);
        self.data[start..end].copy_from_slice(payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::{Purpose, Seed};
    use crate::time::Duration;
    use proptest::prelude::*;

    fn reassembly() -> Reassembly {
        Reassembly::new(Seed::from_u64(1).stream(Purpose::Secrets).key())
    }

    fn header(id: u16, offset: usize, more: bool) -> Header {
        Header {
            id,
            dont_fragment: false,
            more_fragments: more,
            fragment_offset: offset as u16,
            ..Header::new(17, Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2))
        }
    }

    fn give(
        r: &mut Reassembly,
        id: u16,
        offset: usize,
        more: bool,
        payload: &[u8],
    ) -> Result<Option<Whole>, Drop> {
        let bytes = [&[0u8; 20][..], payload].concat();
        r.handle_fragment(Instant::ZERO, &header(id, offset, more), &bytes, 20)
    }

    #[test]
    fn wrong_lengths_and_ends_have_their_names() {
        let mut r = reassembly();
        assert_eq!(give(&mut r, 1, 0, true, &[0; 7]), Err(Drop::FragmentBadLength));
        assert_eq!(give(&mut r, 1, 0, true, &[]), Err(Drop::FragmentBadLength));
        assert_eq!(give(&mut r, 1, 65_528, false, &[0; 100]), Err(Drop::FragmentTooBig));
        assert_eq!(give(&mut r, 2, 16, false, &[0; 8]), Ok(None));
        assert_eq!(give(&mut r, 2, 32, false, &[0; 8]), Err(Drop::FragmentBadEnd));
        assert_eq!(give(&mut r, 3, 16, true, &[0; 8]), Ok(None));
        assert_eq!(give(&mut r, 3, 0, false, &[0; 8]), Err(Drop::FragmentBadEnd));
    }

    #[test]
    fn the_same_again_is_ignored_and_an_overlap_poisons() {
        let mut r = reassembly();
        assert_eq!(give(&mut r, 1, 0, true, &[1; 16]), Ok(None));
        assert_eq!(give(&mut r, 1, 0, true, &[1; 16]), Err(Drop::FragmentDuplicate));
        assert_eq!(give(&mut r, 1, 16, false, &[2; 5]).unwrap().unwrap().payload.len(), 21);

        assert_eq!(give(&mut r, 2, 0, true, &[1; 16]), Ok(None));
        assert_eq!(give(&mut r, 2, 8, true, &[1; 16]), Err(Drop::FragmentOverlap));
        assert_eq!(
            give(&mut r, 2, 16, false, &[1; 16]),
            Err(Drop::FragmentOverlap),
            "nothing of it comes through"
        );
        assert_eq!(r.bytes, 0);
    }

    fn assert_no_mark_is_lost() {
        let join = |codepoints: [u8; 3]| {
            let mut r = reassembly();
            let given = codepoints.iter().enumerate().map(|(n, &ecn)| {
                let header = Header { ecn, ..header(1, n * 8, n < 2) };
                r.handle_fragment(Instant::ZERO, &header, &[0; 28], 20)
            });
            given.last().expect("there are three").map(|whole| whole.expect("whole").header.ecn)
        };
        // RFC 3168 5.3; 0 is Not-ECT, 1 and 2 are ECT, 3 is CE.
        assert_eq!([join([0, 0, 0]), join([2, 2, 2]), join([2, 1, 1])], [Ok(0), Ok(2), Ok(2)]);
        assert_eq!([join([2, 3, 2]), join([1, 2, 3]), join([3, 3, 3])], [Ok(3), Ok(3), Ok(3)]);
        assert_eq!([join([0, 3, 0]), join([3, 2, 0])], [Err(Drop::FragmentMixedEcn); 2]);
    }

    #[test]
    fn a_mark_on_any_fragment_is_kept() {
        assert_no_mark_is_lost();
        assert!(fault::is_noticed(Fault::MarksLostInReassembly, assert_no_mark_is_lost));
    }

    #[test]
    fn time_out_tells_whether_the_first_fragment_came() {
        let mut r = reassembly();
        give(&mut r, 1, 0, true, &[1; 16]).unwrap();
        give(&mut r, 2, 8, true, &[1; 16]).unwrap();
        let late = Instant::ZERO + limits::REASSEMBLY_TIMEOUT;
        assert_eq!(r.poll_timed_out(late + Duration::ZERO).unwrap().first.unwrap().1.len(), 28);
        assert_eq!(r.poll_timed_out(late), Some(TimedOut { first: None }));
        assert_eq!((r.poll_timed_out(late), r.bytes), (None, 0));
    }

    #[test]
    fn memory_and_number_are_bounded() {
        let mut r = reassembly();
        for id in 0..1000 {
            give(&mut r, id, 48_000, true, &[1; 16]).unwrap();
            assert!(r.bytes <= limits::REASSEMBLY_BYTES && r.datagrams.len() <= limits::REASSEMBLIES);
            assert!(r.agenda.len() <= 2 * limits::REASSEMBLIES);
        }
        assert_eq!(r.take_evicted(), 1000 - r.datagrams.len());
        for id in 2000..4000 {
            give(&mut r, id, 0, true, &[1; 8]).unwrap();
            give(&mut r, id, 8, false, &[1; 8]).unwrap().expect("whole");
            assert!(r.agenda.len() <= 2 * limits::REASSEMBLIES, "{}", r.agenda.len());
        }
        r.take_evicted();
        for n in 0..limits::FRAGMENTS_PER_DATAGRAM {
            give(&mut r, 5000, n * 16, true, &[1; 8]).unwrap();
        }
        assert_eq!(give(&mut r, 5000, 32_000, true, &[1; 8]), Err(Drop::FragmentLimit));
    }

    proptest! {
        #[test]
        fn any_cut_in_any_order_comes_together(
            payload in proptest::collection::vec(any::<u8>(), 9..4000),
            cuts in proptest::collection::btree_set(1usize..500, 1..20),
            order in any::<u64>(),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|c| c * 8).filter(|c| *c < payload.len()).collect();
            at.insert(0, 0);
            at.push(payload.len());
            let mut pieces: Vec<(usize, usize)> = at.windows(2).map(|w| (w[0], w[1])).collect();
            let mut rng = Seed::from_u64(order).stream(Purpose::Jitter);
            (1..pieces.len()).rev().for_each(|i| pieces.swap(i, rng.below(i as u64 + 1) as usize));
            prop_assume!(pieces.len() > 1);
            let mut r = reassembly();
            let mut whole = None;
            for (i, &(start, end)) in pieces.iter().enumerate() {
                prop_assert!(whole.is_none(), "{i}");
                whole = give(&mut r, 7, start, end < payload.len(), &payload[start..end]).unwrap();
            }
            prop_assert_eq!(whole.unwrap().payload, payload);
            prop_assert_eq!((r.bytes, r.datagrams.len(), r.agenda.len()), (0, 0, 0));
        }
    }
}
