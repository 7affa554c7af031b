//! What was sent and is not acknowledged yet, segment by segment: the scoreboard of RFC 6675, with what RFC 8985
//! keeps of each segment.
//!
//! ```text
//!  una                                                     nxt
//!   | lost, | sacked | resent | sacked | in flight | in flight |
//!   | to be |        |        |        |           |           |
//!   | resent|        |        |        |           |           |
//! ```
//! Segments stand in the order of their sequence numbers, each known by its end; it begins where the one before it
//! ends, the first at `una`. Those that were never resent also stand in the order of their times, and whatever
//! was resent left later than all that stood before it when it was first sent. So a search for what left before a
//! given moment ends at the first that was not resent and left later.
//!
//! A block of SACK that covers a part of a segment counts for nothing: the peer gets that segment again. Segments that
//! the peer has and that touch become one, so that no ACK leads over all of them again.

use std::collections::VecDeque;

use crate::time::Instant;
use crate::wire::seq::SeqNum;

/// A segment that was sent, or several that the peer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it left last.
    pub at: Instant,
    /// The sequence number after its last.
    pub end: SeqNum,
    /// Whether the peer has it, as far as is known.
    pub fate: Fate,
    /// It left more than once.
    pub is_resent: bool,
    /// How many segments it stands for, `COUNTED` at most.
    count: u8,
}

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// On its way.
    InFlight,
    /// With the peer, out of order.
    Sacked,
    /// Taken for lost, and not sent again since.
    Lost,
}

/// The segments between SND.UNA and SND.NXT.
#[derive(Clone, Debug, Default)]
pub struct Scoreboard {
    segments: VecDeque<Sent>,
    sacked_bytes: u32,
    sacked_segments: u32,
    lost_bytes: u32,
    /// No segment before this one is lost.
    first_lost: usize,
    /// No segment before this one is in flight.
    first_in_flight: usize,
}

/// Nobody asks whether the peer has more segments than these out of order (RFC 5681 3.2, RFC 8985 6.2).
const COUNTED: u8 = 3;
/// Beyond so many places the memory is given back once nothing is in flight.
const KEPT: usize = 64;

impl Scoreboard {
    /// Segments in it.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of memory that it takes up.
    pub fn memory(&self) -> usize {
        self.segments.capacity() * size_of::<Sent>()
    }

    /// Nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes that the peer has out of order.
    pub fn sacked_bytes(&self) -> u32 {
        self.sacked_bytes
    }

    /// Segments that the peer has out of order; of those that touch, three at most.
    pub fn sacked_segments(&self) -> u32 {
        self.sacked_segments
    }

    /// Bytes that are lost and not sent again.
    pub fn lost_bytes(&self) -> u32 {
        self.lost_bytes
    }

    /// The first segment that was sent and is not acknowledged.
    pub fn first(&self) -> Option<&Sent> {
        self.segments.front()
    }

    /// A segment up to `end` leaves for the first time.
    pub fn handle_sent(&mut self, now: Instant, end: SeqNum) {
        self.segments.push_back(Sent { at: now, end, fate: Fate::InFlight, is_resent: false, count: 1 });
    }

    /// Everything before `ack` is acknowledged; gives each segment that is wholly so to `delivered`, with the sequence
    /// number at which it began.
    pub fn handle_ack(&mut self, mut una: SeqNum, ack: SeqNum, mut delivered: impl FnMut(SeqNum, &Sent)) {
        while let Some(first) = self.segments.front().copied() {
            if first.end.gt(ack) {
                self.forget(&first, ack.max(una) - una);
                break;
            }
            self.segments.pop_front();
            self.first_lost = self.first_lost.saturating_sub(1);
            self.first_in_flight = self.first_in_flight.saturating_sub(1);
            self.forget(&first, first.end - una);
            if first.fate == Fate::Sacked {
                self.sacked_segments -= u32::from(first.count);
            }
            delivered(una, &first);
            una = first.end;
        }
        if self.segments.is_empty() {
            self.search_from(0);
            if self.segments.capacity() > KEPT {
                self.segments = VecDeque::new();
            }
        }
    }

    /// `len` bytes of a segment are in none of the sums any more.
    fn forget(&mut self, segment: &Sent, len: u32) {
        match segment.fate {
            Fate::InFlight => {}
            Fate::Sacked => self.sacked_bytes -= len,
            Fate::Lost => self.lost_bytes -= len,
        }
    }

    /// The peer has `left..right`; gives each segment that is news to `delivered`, in order.
    pub fn handle_sack(
        &mut self,
        una: SeqNum,
        (left, right): (SeqNum, SeqNum),
        mut delivered: impl FnMut(SeqNum, &Sent),
    ) {
        let mut index = self.segments.partition_point(|s| s.end.le(left));
        let mut start = self.start(una, index);
        if start.lt(left) {
            let Some(partly) = self.segments.get(index) else { return };
            start = partly.end;
            index += 1;
        }
        let first = index;
        while let Some(&segment) = self.segments.get(index).filter(|s| s.end.le(right)) {
            if segment.fate != Fate::Sacked {
                let len = segment.end - start;
                self.forget(&segment, len);
                self.segments[index].fate = Fate::Sacked;
                self.sacked_bytes += len;
                self.sacked_segments += u32::from(segment.count);
                delivered(start, &segment);
            }
            start = segment.end;
            index += 1;
        }
        self.join_sacked(first, index);
    }

    /// Makes one of the segments in `first..end`, which the peer has, and of those beside them that it has too.
    fn join_sacked(&mut self, first: usize, end: usize) {
        let is_sacked = |index: usize| self.segments.get(index).is_some_and(|s| s.fate == Fate::Sacked);
        let first = first.checked_sub(1).filter(|&before| is_sacked(before)).unwrap_or(first);
        let end = end + usize::from(is_sacked(end));
        if end < first + 2 {
            return;
        }
        let mut whole = self.segments[first];
        for joined in self.segments.drain(first + 1..end) {
            whole.end = joined.end;
            // When it left is asked of those that were resent.
            whole.at = match (whole.is_resent, joined.is_resent) {
                (true, false) => whole.at,
                (false, true) => joined.at,
                _ => whole.at.max(joined.at),
            };
            whole.is_resent |= joined.is_resent;
            let both = whole.count + joined.count;
            whole.count = both.min(COUNTED);
            self.sacked_segments -= u32::from(both - whole.count);
        }
        self.segments[first] = whole;
        self.search_from(first + 1);
    }

    /// The places of segments have changed from this one on. To search from an earlier one is never wrong.
    fn search_from(&mut self, index: usize) {
        self.first_lost = self.first_lost.min(index);
        self.first_in_flight = self.first_in_flight.min(index);
    }

    /// Takes for lost what `judge` says so of among the segments that are in flight, in order, until it says
    /// [`Verdict::Stop`]. It is told where each begins. True when any was.
    pub fn mark_lost(&mut self, una: SeqNum, mut judge: impl FnMut(SeqNum, &Sent) -> Verdict) -> bool {
        while self.segments.get(self.first_in_flight).is_some_and(|s| s.fate != Fate::InFlight) {
            self.first_in_flight += 1;
        }
        let first = self.first_in_flight;
        let mut start = self.start(una, first);
        let mut any = false;
        for (index, segment) in (first..).zip(self.segments.range_mut(first..)) {
            let verdict = if segment.fate == Fate::InFlight { judge(start, segment) } else { Verdict::Keep };
            match verdict {
                Verdict::Lost => {
                    segment.fate = Fate::Lost;
                    self.lost_bytes += segment.end - start;
                    if !any {
                        self.first_lost = self.first_lost.min(index);
                    }
                    any = true;
                }
                Verdict::Keep => {}
                Verdict::Stop => break,
            }
            start = segment.end;
        }
        any
    }

    /// What was taken for lost is in flight after all.
    pub fn clear_lost(&mut self) {
        for segment in self.segments.iter_mut().filter(|s| s.fate == Fate::Lost) {
            segment.fate = Fate::InFlight;
        }
        self.lost_bytes = 0;
        self.search_from(0);
    }

    /// The peer has thrown away what it had out of order (RFC 2018 8).
    pub fn clear_sacked(&mut self) {
        for segment in self.segments.iter_mut().filter(|s| s.fate == Fate::Sacked) {
            (segment.fate, segment.count) = (Fate::InFlight, 1);
        }
        (self.sacked_bytes, self.sacked_segments) = (0, 0);
        self.search_from(0);
    }

    /// The first lost segment: its index, and where it begins and ends.
    pub fn next_lost(&mut self, una: SeqNum) -> Option<(usize, SeqNum, SeqNum)> {
        if self.lost_bytes == 0 {
            return None;
        }
        while self.segments.get(self.first_lost)?.fate != Fate::Lost {
            self.first_lost += 1;
        }
        let index = self.first_lost;
        Some((index, self.start(una, index), self.segments[index].end))
    }

    /// Makes one of the lost segment at `index` and the lost ones behind it, up to `len` sequence numbers from `start`
    /// (RFC 9293 3.8.1: what is sent again may be cut anew). Gives its end.
    pub fn join_lost(&mut self, index: usize, start: SeqNum, len: u32) -> SeqNum {
        while let Some(next) = self.segments.get(index + 1)
            && next.fate == Fate::Lost
            && next.end - start <= len
        {
            let (end, is_resent) = (next.end, next.is_resent);
            self.segments.remove(index + 1);
            let whole = &mut self.segments[index];
            (whole.end, whole.is_resent) = (end, whole.is_resent | is_resent);
            self.search_from(index);
        }
        self.segments[index].end
    }

    /// The last segment: its index, and where it begins and ends.
    pub fn last(&self, una: SeqNum) -> Option<(usize, SeqNum, SeqNum)> {
        let index = self.segments.len().checked_sub(1)?;
        Some((index, self.start(una, index), self.segments[index].end))
    }

    /// The segment at `index`, which the peer does not have, leaves again, from its beginning `start` up to `end`.
    /// What remains of it behind `end` becomes a segment of its own.
    pub fn handle_resent(&mut self, now: Instant, index: usize, start: SeqNum, end: SeqNum) {
        self.first_in_flight = self.first_in_flight.min(index);
        let whole = self.segments[index];
        if end.lt(whole.end) {
            self.segments.insert(index + 1, whole);
            self.segments[index].end = end;
        }
        let segment = &mut self.segments[index];
        if std::mem::replace(&mut segment.fate, Fate::InFlight) == Fate::Lost {
            self.lost_bytes -= end - start;
        }
        (segment.at, segment.is_resent) = (now, true);
    }

    /// The segment at `index` left more than once.
    pub fn is_resent(&self, index: usize) -> bool {
        self.segments[index].is_resent
    }

    /// Bytes of the segment that ends at `end`, if it is lost, else 0.
    pub fn lost_len_of(&self, una: SeqNum, end: SeqNum) -> u32 {
        let index = self.segments.partition_point(|s| s.end.lt(end));
        let found = self.segments.get(index).filter(|s| s.end == end && s.fate == Fate::Lost);
        found.map_or(0, |segment| segment.end - self.start(una, index))
    }

    /// The peer has what stands before `end`, out of order.
    pub fn has_sacked(&self, end: SeqNum) -> bool {
        let index = self.segments.partition_point(|s| s.end.lt(end));
        self.segments.get(index).is_some_and(|s| s.fate == Fate::Sacked)
    }

    /// The last segment left at this moment, for the first time.
    pub fn ends_with_new(&self, now: Instant) -> bool {
        self.segments.back().is_some_and(|last| last.at == now && !last.is_resent)
    }

    /// What is known of the segment at `index`.
    pub fn fate(&self, index: usize) -> Fate {
        self.segments[index].fate
    }

    fn start(&self, una: SeqNum, index: usize) -> SeqNum {
        index.checked_sub(1).map_or(una, |before| self.segments[before].end)
    }
}

/// What becomes of a segment in [`Scoreboard::mark_lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is lost.
    Lost,
    /// It may still come.
    Keep,
    /// Like that, and all behind it.
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;

    const UNA: SeqNum = SeqNum(u32::MAX - 1500);

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Five segments of 1000 bytes, a millisecond apart.
    fn five() -> Scoreboard {
        let mut board = Scoreboard::default();
        (1..=5).for_each(|n| board.handle_sent(at(n), UNA + 1000 * n as u32));
        board
    }

    fn sack(board: &mut Scoreboard, una: SeqNum, left: u32, right: u32) -> Vec<u32> {
        let mut told = Vec::new();
        board.handle_sack(una, (UNA + left, UNA + right), |start, _| told.push(start - UNA));
        told
    }

    fn ack(board: &mut Scoreboard, una: u32, to: u32) -> Vec<(u32, Fate)> {
        let mut told = Vec::new();
        board.handle_ack(UNA + una, UNA + to, |start, s| told.push((start - UNA, s.fate)));
        told
    }

    #[test]
    fn what_is_sacked_is_told_once_and_only_whole_segments_count() {
        let mut board = five();
        assert_eq!(sack(&mut board, UNA, 1000, 2500), [1000]);
        assert_eq!(sack(&mut board, UNA, 900, 3000), [2000], "the first is covered in part");
        assert_eq!(sack(&mut board, UNA, 1000, 9000), [3000, 4000]);
        assert_eq!((board.sacked_bytes(), board.sacked_segments()), (4000, 3));
        assert_eq!(ack(&mut board, 0, 1500), [(0, Fate::InFlight)]);
        assert_eq!((board.sacked_bytes(), board.sacked_segments()), (3500, 3));
        assert_eq!(ack(&mut board, 1500, 5000), [(1500, Fate::Sacked)], "one by now");
        assert_eq!((board.sacked_bytes(), board.sacked_segments(), board.len()), (0, 0, 0));
    }

    #[test]
    fn what_the_peer_has_becomes_one_where_it_touches() {
        let mut board = five();
        assert_eq!((sack(&mut board, UNA, 1000, 2000), board.len()), (vec![1000], 5));
        assert_eq!((sack(&mut board, UNA, 3000, 4000), board.len()), (vec![3000], 5));
        board.mark_lost(UNA, |_, _| Verdict::Lost);
        assert_eq!((sack(&mut board, UNA, 2000, 3000), board.len()), (vec![2000], 3));
        assert_eq!((board.sacked_bytes(), board.sacked_segments(), board.lost_bytes()), (3000, 3, 2000));
        assert!(sack(&mut board, UNA, 1000, 4000).is_empty(), "no news");
        assert!(sack(&mut board, UNA, 2000, 3500).is_empty(), "nor is a part of it");
        board.handle_resent(at(9), 0, UNA, UNA + 1000);
        assert_eq!(board.next_lost(UNA), Some((2, UNA + 4000, UNA + 5000)));
        assert_eq!((sack(&mut board, UNA, 0, 1000), board.len()), (vec![0], 2));
        assert_eq!((board.segments[0].at, board.segments[0].is_resent), (at(9), true));
        board.clear_sacked();
        assert_eq!((board.fate(0), board.sacked_segments()), (Fate::InFlight, 0));
    }

    #[test]
    fn the_lost_are_found_in_order_and_leave_the_sum_when_they_are_sent_again() {
        let mut board = five();
        sack(&mut board, UNA, 1000, 2000);
        let lost = |_, s: &Sent| if s.at < at(4) { Verdict::Lost } else { Verdict::Stop };
        assert!(board.mark_lost(UNA, lost));
        assert!(!board.mark_lost(UNA, lost), "once");
        assert_eq!(board.lost_bytes(), 2000);
        let (index, start, end) = board.next_lost(UNA).unwrap();
        assert_eq!((index, start, end), (0, UNA, UNA + 1000));
        board.handle_resent(at(9), index, start, end);
        let (index, start, _) = board.next_lost(UNA).unwrap();
        assert_eq!((index, start), (2, UNA + 2000));
        // The segments have become smaller meanwhile.
        board.handle_resent(at(9), index, start, start + 600);
        assert_eq!(board.next_lost(UNA).unwrap(), (3, UNA + 2600, UNA + 3000));
        assert_eq!((board.lost_bytes(), board.len()), (400, 6));
        assert_eq!(ack(&mut board, 0, 2800).len(), 3);
        assert_eq!(board.lost_bytes(), 200);
        board.clear_lost();
        assert_eq!((board.lost_bytes(), board.next_lost(UNA + 2800)), (0, None));
    }

    #[test]
    fn small_lost_segments_become_one() {
        let mut board = five();
        sack(&mut board, UNA, 3000, 4000);
        board.mark_lost(UNA, |_, _| Verdict::Lost);
        assert_eq!(board.join_lost(0, UNA, 2500), UNA + 2000);
        assert_eq!(board.join_lost(0, UNA, 9000), UNA + 3000, "up to what the peer has");
        assert_eq!((board.len(), board.lost_bytes()), (3, 4000));
        board.handle_resent(at(9), 0, UNA, UNA + 3000);
        assert_eq!((board.lost_bytes(), board.next_lost(UNA)), (1000, Some((2, UNA + 4000, UNA + 5000))));
    }

    #[test]
    fn what_the_peer_threw_away_is_in_flight_again() {
        let mut board = five();
        sack(&mut board, UNA, 0, 5000);
        board.clear_sacked();
        assert_eq!((board.sacked_bytes(), board.sacked_segments()), (0, 0));
        board.mark_lost(UNA, |_, _| Verdict::Lost);
        assert_eq!(board.lost_bytes(), 5000);
        ack(&mut board, 0, 5000);
        assert_eq!(board.lost_bytes(), 0);
    }

    #[test]
    fn a_run_counts_for_three_whatever_becomes_of_it() {
        // Segments of a byte, more than would fit any small number, reported one by one from behind.
        let mut board = Scoreboard::default();
        const MANY: u32 = 100_000;
        (1..=MANY).for_each(|n| board.handle_sent(at(1), UNA + n));
        (1..MANY).rev().for_each(|n| drop(sack(&mut board, UNA, n, MANY)));
        assert_eq!((board.sacked_bytes(), board.sacked_segments(), board.len()), (MANY - 1, 3, 2));
        // The peer has thrown it away: each piece that is sent again is one.
        board.clear_sacked();
        board.mark_lost(UNA, |_, _| Verdict::Lost);
        for n in 0..10 {
            let (index, start, _) = board.next_lost(UNA).unwrap();
            board.handle_resent(at(2), index, start, start + 1);
            assert_eq!(start, UNA + n);
        }
        sack(&mut board, UNA, 4, 5);
        assert_eq!(board.sacked_segments(), 1);
        sack(&mut board, UNA, 4, 10);
        assert_eq!(board.sacked_segments(), 3);
        ack(&mut board, 0, 10);
        assert_eq!((board.sacked_bytes(), board.sacked_segments()), (0, 0));
    }

    /// The same with a segment for each that was sent, and a search from the beginning each time.
    #[derive(Default)]
    struct Model(Vec<(u32, Fate)>);

    impl Model {
        fn bytes(&self, fate: Fate) -> u32 {
            self.0.iter().filter(|(_, f)| *f == fate).count() as u32 * 1000
        }
    }

    proptest! {
        #[test]
        fn runs_and_places_to_search_from_change_nothing(
            steps in proptest::collection::vec((0u8..6, 0u32..40, 1u32..12), 1..200),
        ) {
            let (mut board, mut model, mut una, mut nxt) = (Scoreboard::default(), Model::default(), 0, 0);
            for (n, (what, from, len)) in steps.into_iter().enumerate() {
                let (left, right) = (una + from, (una + from + len).min(nxt));
                match what {
                    0 | 1 => for _ in 0..len {
                        nxt += 1;
                        board.handle_sent(at(nxt.into()), UNA + nxt * 1000);
                        model.0.push((nxt - 1, Fate::InFlight));
                    },
                    2 => {
                        let right = right.max(left);
                        let told = sack(&mut board, UNA + una * 1000, left * 1000, right * 1000);
                        let mut expected = Vec::new();
                        for (start, fate) in model.0.iter_mut().filter(|(start, _)| (left..right).contains(start)) {
                            if std::mem::replace(fate, Fate::Sacked) != Fate::Sacked {
                                expected.push(*start * 1000);
                            }
                        }
                        prop_assert_eq!(told, expected);
                    }
                    3 => {
                        // The peer acknowledges all that it has in order.
                        let reached = (una + from / 4).min(nxt);
                        let behind = model.0.iter().filter(|(start, _)| *start >= reached);
                        let run = behind.take_while(|(_, fate)| *fate == Fate::Sacked).count();
                        let to = reached + run as u32;
                        ack(&mut board, una * 1000, to * 1000);
                        model.0.retain(|(start, _)| *start >= to);
                        una = to;
                    }
                    4 => {
                        board.mark_lost(UNA + una * 1000, |start, _| {
                            if start - UNA >= right * 1000 { Verdict::Stop } else { Verdict::Lost }
                        });
                        let before = model.0.iter_mut().filter(|(start, _)| *start < right);
                        before.filter(|(_, fate)| *fate == Fate::InFlight).for_each(|(_, fate)| *fate = Fate::Lost);
                    }
                    _ => {
                        let lost = model.0.iter_mut().find(|(_, fate)| *fate == Fate::Lost);
                        let next = board.next_lost(UNA + una * 1000);
                        prop_assert_eq!(next.map(|(_, start, _)| (start - UNA) / 1000), lost.as_ref().map(|l| l.0));
                        if let (Some((index, start, _)), Some((_, fate))) = (next, lost) {
                            board.handle_resent(at(1000 + n as u64), index, start, start + 1000);
                            *fate = Fate::InFlight;
                        }
                    }
                }
                let sacked = model.bytes(Fate::Sacked);
                let sums = (board.sacked_bytes(), board.sacked_segments().min(3), board.lost_bytes());
                prop_assert_eq!(sums, (sacked, (sacked / 1000).min(3), model.bytes(Fate::Lost)));
                let fates = |until: usize| board.segments.range(..until.min(board.len())).map(|s| s.fate);
                prop_assert!(!fates(board.first_lost).any(|fate| fate == Fate::Lost));
                prop_assert!(!fates(board.first_in_flight).any(|fate| fate == Fate::InFlight));
            }
        }
    }
}
