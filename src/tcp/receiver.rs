//! The receiving half: RFC 9293 3.3.1 (receive sequence variables), 3.8.6.2.2 (window), 3.8.6.3 (when to
//! acknowledge).
//!
//! ```text
//!   read   |  unread (buffer)  | nxt    out of order, gaps     | right_edge
//!          [------------------ capacity -----------------------]
//! ```
//! The right edge, once offered, never moves to the left (RFC 9293 3.8.6, SHLD-14), but for less than the unit of
//! scaled windows. What stands behind a gap is told in blocks of SACK (`sack.rs`).

use super::assembler::{Assembler, Full};
use super::pressure::Room;
use super::receive_buffer::ReceiveBuffer;
use super::round::Round;
use super::sack::Reported;
use crate::fault::{self, Fault};
use crate::wire::seq::SeqNum;
use crate::wire::tcp_options::SackBlocks;

/// Full segments of room beyond what is wanted.
const SLACK: usize = 16;
/// Smallest segment that counts as full when every second one is acknowledged.
const MIN_FULL: usize = 536;

/// Receive sequence variables, and what was received.
#[derive(Debug)]
pub struct Receiver {
    /// RCV.NXT: the next sequence number expected.
    pub nxt: SeqNum,
    /// RCV.NXT + RCV.WND: the furthest that was offered.
    right_edge: SeqNum,
    /// What was offered last, which is behind that where it was rounded down.
    told_edge: SeqNum,
    /// RCV.UP: where the peer's urgent data ends.
    up: Option<SeqNum>,
    /// Rcv.Wind.Shift.
    pub shift: u8,
    /// Bytes that may wait unread.
    capacity: usize,
    /// Bytes that may wait unread at most while memory is short.
    ceiling: usize,
    pub(super) round: Round,
    buffer: ReceiveBuffer,
    assembler: Assembler,
    /// Bytes that came in order since the beginning.
    received: u64,
    /// Where the FIN stands, once one was seen.
    fin: Option<SeqNum>,
    is_finished: bool,
    acknowledge: Acknowledge,
    /// Bytes that came in order since the last ACK.
    unacked: usize,
    /// The largest payload seen: the peer's full segment.
    full: usize,
    /// So many segments more are acknowledged at once.
    quick: u8,
    /// What the next ACK reports of what waits behind a gap; `None` when the peer does not want to know.
    reported: Option<Reported>,
}

/// Whether an ACK is owed; what is more urgent is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acknowledge {
    /// No.
    No,
    /// Within the delay, or with the next segment.
    Delayed,
    /// With the next frame that leaves.
    Now,
    /// Like that, and before another segment is taken: the peer counts these (RFC 5681 3.2).
    Duplicate,
}

/// What is kept of a receiver that holds nothing and owes nothing (`dormant.rs`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    nxt: SeqNum,
    right_edge: SeqNum,
    received: u64,
    full: u32,
    shift: u8,
    quick: u8,
    is_finished: bool,
    reports_gaps: bool,
}

/// What came of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The user has more to read.
    InOrder,
    /// It waits for what comes before it.
    OutOfOrder,
    /// There was no room for it.
    NoRoom,
    /// All connections together have no memory for it.
    NoMemory,
}

impl Receiver {
    /// A receiver with room for `capacity` unread bytes, before the peer's SYN. It acknowledges the first `quick_acks`
    /// segments at once.
    pub fn new(capacity: usize, quick_acks: u8) -> Self {
        Self {
            nxt: SeqNum(0),
            right_edge: SeqNum(0),
            told_edge: SeqNum(0),
            up: None,
            shift: 0,
            capacity,
            ceiling: usize::MAX,
            round: Round::default(),
            buffer: ReceiveBuffer::default(),
            assembler: Assembler::default(),
            received: 0,
            fin: None,
            is_finished: false,
            acknowledge: Acknowledge::No,
            unacked: 0,
            full: MIN_FULL,
            quick: quick_acks,
            reported: None,
        }
    }

    /// Nothing waits to be read or to be acknowledged.
    pub(super) fn is_resting(&self) -> bool {
        self.buffer.is_empty()
            && self.assembler.is_empty()
            && self.acknowledge == Acknowledge::No
            && self.up.is_none()
            && self.fin.is_some() == self.is_finished
            && self.reported.as_ref().is_none_or(Reported::is_resting)
    }

    pub(super) fn rest(&self) -> Resting {
        let Self { nxt, right_edge, received, shift, quick, is_finished, .. } = *self;
        let (full, reports_gaps) = (self.full as u32, self.reported.is_some());
        Resting { nxt, right_edge, received, full, shift, quick, is_finished, reports_gaps }
    }

    pub(super) fn resume(resting: &Resting, capacity: usize) -> Self {
        let Resting { nxt, right_edge, received, full, shift, quick, is_finished, reports_gaps } = *resting;
        Self {
            nxt,
            right_edge,
            told_edge: right_edge,
            shift,
            received,
            fin: is_finished.then_some(nxt - 1),
            is_finished,
            full: full as usize,
            reported: reports_gaps.then(Reported::default),
            ..Self::new(capacity, quick)
        }
    }

    /// The peer wants to know what stands behind gaps (RFC 2018 2).
    pub fn report_gaps(&mut self) {
        self.reported = Some(Reported::default());
    }

    /// The blocks of SACK of a segment that leaves now.
    pub fn sack_blocks(&mut self, has_timestamps: bool) -> SackBlocks {
        let origin = (self.nxt, self.received);
        let Some(reported) = &mut self.reported else { return SackBlocks::default() };
        reported.blocks(&self.assembler, origin, has_timestamps)
    }

    /// Bytes of options that [`sack_blocks`](Self::sack_blocks) would take up.
    pub fn sack_len(&self, has_timestamps: bool) -> usize {
        self.reported.as_ref().map_or(0, |reported| reported.option_len(&self.assembler, has_timestamps))
    }

    /// The peer's SYN had the sequence number `irs`; ours offers this window.
    pub fn start(&mut self, irs: SeqNum, offered: u16) {
        self.nxt = irs + 1;
        self.right_edge = self.nxt + u32::from(offered);
        self.told_edge = self.right_edge;
    }

    /// RCV.WND as last offered.
    pub fn window(&self) -> u32 {
        self.right_edge - self.nxt
    }

    /// Bytes that came in order since the beginning.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Room for unread bytes, which a window can be offered for.
    pub fn capacity(&self) -> usize {
        self.capacity.min(self.ceiling)
    }

    /// Memory is short: no more than this may wait unread, as far as no window was offered for it.
    pub(super) fn set_ceiling(&mut self, ceiling: usize) {
        self.ceiling = ceiling;
        self.buffer.set_frugal(ceiling < usize::MAX);
    }

    /// There is room for so many bytes from now on, though no more than `most`.
    pub(super) fn grow(&mut self, wanted: usize, most: usize) {
        let wanted = wanted + SLACK * self.full;
        self.capacity = self.capacity.max(wanted.min(most));
    }

    /// RFC 9293 3.10.7.4, table 6: some of the segment lies in the window. `len` counts SYN and FIN.
    ///
    /// Deviation, as in Linux: an empty segment may also stand at the right edge. There stand the ACKs of a peer
    /// that has filled the window, and while a part of what it sent is lost, all of them would be refused.
    pub fn is_acceptable(&self, seq: SeqNum, len: u32) -> bool {
        let window = self.window();
        match (len, window) {
            (0, 0) => seq == self.nxt,
            (0, _) => seq.is_within(self.nxt, window + 1),
            (_, 0) => false,
            _ => seq.is_within(self.nxt, window) || (seq + (len - 1)).is_within(self.nxt, window),
        }
    }

    /// The user has something to say: his answers carry the ACKs.
    pub fn delay_acks(&mut self) {
        self.quick = 0;
    }

    /// Takes a payload that begins at `seq`; what lies outside the window is cut off. Owes the ACK that RFC 9293
    /// 3.8.6.3 and RFC 5681 4.2 ask for.
    ///
    /// While memory is short, a payload in order is cut to `room`, and one behind a gap must fit.
    pub fn handle_payload(&mut self, seq: SeqNum, payload: &[u8], room: Room) -> Received {
        self.note_duplicate(seq, payload.len() as u32);
        let (seq, payload) = self.trim(seq, payload);
        self.full = self.full.max(payload.len());
        if payload.is_empty() {
            self.owe(Acknowledge::Now);
            return Received::NoRoom;
        }
        let is_in_order = seq == self.nxt;
        let most = if is_in_order { room.in_order } else { room.behind_a_gap };
        if payload.len() > most {
            self.owe(Acknowledge::Now);
            if !is_in_order || most == 0 {
                return Received::NoMemory;
            }
        }
        let payload = &payload[..payload.len().min(most)];
        if !is_in_order && fault::is(Fault::NoReassembly) {
            return Received::NoRoom;
        }
        if !is_in_order {
            // RFC 5681 4.2: an immediate duplicate ACK.
            self.owe(Acknowledge::Duplicate);
            let position = self.received + u64::from(seq - self.nxt);
            let result = self.assembler.insert(position, payload);
            if let Some(reported) = &mut self.reported {
                reported.handle_arrival(position, &self.assembler);
            }
            return match result {
                Ok(()) => Received::OutOfOrder,
                Err(Full) => Received::NoRoom,
            };
        }
        self.buffer.push_copy(payload);
        self.advance(payload.len());
        // RFC 5681 4.2: at once also when a gap is filled in part or whole.
        let had_gap = !self.assembler.is_empty();
        while let Some(piece) = self.assembler.pop(self.received) {
            self.advance(piece.len());
            self.buffer.push(piece);
        }
        self.unacked += payload.len();
        let full_segments = if fault::is(Fault::AckEveryThird) { 3 } else { 2 };
        let is_second_full = self.unacked >= full_segments * self.full;
        if had_gap || is_second_full {
            self.owe(Acknowledge::Now);
        } else if self.quick > 0 {
            // The peer is in slow start, which each ACK brings forward.
            self.owe(Acknowledge::Now);
        } else {
            self.owe(Acknowledge::Delayed);
        }
        self.quick = self.quick.saturating_sub(1);
        Received::InOrder
    }

    /// `len` bytes that begin at `seq` have come: if some were here already, the peer is told which (RFC 2883 4), with
    /// an ACK that no later one stands for.
    pub fn note_duplicate(&mut self, seq: SeqNum, len: u32) {
        let Some(reported) = self.reported.as_mut().filter(|_| len > 0 && !fault::is(Fault::NoDsack)) else {
            return;
        };
        let end = seq + len;
        if seq.lt(self.nxt) {
            reported.handle_duplicate(seq, end.min(self.nxt));
        } else {
            let at = self.received + u64::from(seq - self.nxt);
            let Some((left, right)) = self.assembler.first_overlap(at, at + u64::from(len)) else { return };
            reported.handle_duplicate(seq + (left - at) as u32, seq + (right - at) as u32);
        }
        self.owe(Acknowledge::Duplicate);
    }

    /// Notes a FIN that stands at `seq`. True when everything before it is here, which happens once.
    pub fn handle_fin(&mut self, seq: SeqNum) -> bool {
        self.owe(Acknowledge::Now);
        self.fin = Some(seq);
        self.take_fin()
    }

    /// Steps over a FIN that was seen before, if all data before it is here now.
    pub fn take_fin(&mut self) -> bool {
        let is_in_order =
            self.fin == Some(self.nxt) || (self.fin.is_some() && fault::is(Fault::FinBeforeData));
        if self.is_finished || !is_in_order {
            return false;
        }
        self.is_finished = true;
        self.nxt += 1;
        self.right_edge = self.right_edge.max(self.nxt);
        self.owe(Acknowledge::Now);
        true
    }

    /// Notes an urgent pointer; true when it is news (RFC 9293 3.8.5, MUST-32).
    pub fn handle_urgent(&mut self, up: SeqNum) -> bool {
        if up.le(self.first_unread()) || self.up.is_some_and(|old| up.le(old)) {
            return false;
        }
        self.up = Some(up);
        true
    }

    /// Unread bytes up to the end of the urgent data, those included that have not arrived (MUST-33).
    pub fn urgent(&self) -> Option<usize> {
        let first_unread = self.first_unread();
        self.up.filter(|up| first_unread.lt(*up)).map(|up| (up - first_unread) as usize)
    }

    fn first_unread(&self) -> SeqNum {
        self.nxt - self.buffer.len() as u32
    }

    /// Takes the next chunk of what was received, `most` bytes at most.
    pub fn read(&mut self, most: usize) -> Option<bytes::Bytes> {
        let chunk = self.buffer.pop(most)?;
        self.round.handle_taken(chunk.len());
        // Numbers come round: what is past must not be ahead again.
        let first_unread = self.first_unread();
        self.up = self.up.filter(|up| first_unread.lt(*up));
        if self.wants_window_update() {
            self.owe(Acknowledge::Now);
        }
        Some(chunk)
    }

    /// Unread bytes.
    pub fn unread(&self) -> usize {
        self.buffer.len()
    }

    /// The FIN is here, and all before it.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether an ACK is owed.
    pub fn acknowledge(&self) -> Acknowledge {
        self.acknowledge
    }

    fn owe(&mut self, ack: Acknowledge) {
        self.acknowledge = self.acknowledge.max(ack);
    }

    /// Owes an ACK with the next frame.
    pub fn acknowledge_now(&mut self) {
        self.owe(Acknowledge::Now);
    }

    /// An ACK leaves: gives its window field, and owes none any more. `may_open` lets the right edge move.
    pub fn handle_ack_sent(&mut self, may_open: bool) -> u16 {
        self.acknowledge = Acknowledge::No;
        self.unacked = 0;
        let free_edge = self.free_edge();
        // RFC 9293 3.8.6.2.2: the edge moves by at least a full segment or half of the buffer.
        let is_silly = fault::is(Fault::SillyWindowReceiver);
        let step = if is_silly { 1 } else { (self.capacity() / 2).min(self.full) };
        if fault::is(Fault::WindowShrinks) {
            self.right_edge = self.nxt + self.window() / 2;
        }
        if may_open && free_edge.gt(self.right_edge) && (free_edge - self.right_edge) as usize >= step {
            self.right_edge = free_edge;
        }
        // Rounding up keeps the edge from moving back. It adds less than 2^shift bytes, but with each ACK: where a peer
        // has gained a sixteenth of the buffer so, the window is rounded down, and what was offered is still taken (RFC
        // 7323 2.4).
        let rounded_up = self.window().div_ceil(1 << self.shift).min(0xffff);
        let edge = self.nxt + (rounded_up << self.shift);
        let capacity = self.capacity().min(0xffff << self.shift) as u32;
        let furthest = self.first_unread() + capacity + (capacity / 16).max(1 << self.shift);
        let is_too_much = edge.gt(self.right_edge) && edge.gt(furthest);
        let field = if is_too_much { (self.window() >> self.shift).min(0xffff) } else { rounded_up };
        self.told_edge = self.nxt + (field << self.shift);
        self.right_edge = self.right_edge.max(self.told_edge);
        field as u16
    }

    /// Forgets everything that was received: nobody will read it. The end is then not reached either: a stream
    /// that lost its last bytes must not look whole.
    pub fn discard(&mut self) {
        self.is_finished &= self.buffer.is_empty();
        self.buffer.clear();
        self.assembler.clear();
    }

    /// Bytes of memory that what was received takes up.
    pub fn memory(&self) -> usize {
        self.buffer.memory() + self.assembler.memory()
    }

    /// Something waits behind a gap.
    pub fn has_gaps(&self) -> bool {
        !self.assembler.is_empty()
    }

    /// Throws away what waits behind gaps; the peer sends it again (RFC 2018 8). Gives the number of bytes.
    pub fn prune(&mut self) -> usize {
        let len = self.assembler.len();
        self.assembler.clear();
        len
    }

    fn advance(&mut self, n: usize) {
        self.received += n as u64;
        self.nxt += n as u32;
    }

    fn free_edge(&self) -> SeqNum {
        // No more than the window field can say.
        let free = self.capacity().saturating_sub(self.buffer.len()).min(0xffff << self.shift);
        self.nxt + free as u32
    }

    /// The user has made so much room that the peer should hear of it without data to acknowledge: two segments
    /// when the window was all but closed, otherwise a good part of the buffer.
    fn wants_window_update(&self) -> bool {
        let free_edge = self.free_edge();
        // What has come since may stand beyond what was told last.
        let told = self.told_edge.max(self.nxt);
        if free_edge.le(told) {
            return false;
        }
        let opened = (free_edge - told) as usize;
        let is_nearly_closed = ((told - self.nxt) as usize) < 2 * self.full;
        let step = if is_nearly_closed { 2 * self.full } else { self.capacity() / 4 };
        opened >= step.min(self.capacity() / 2) || fault::is(Fault::SillyWindowReceiver)
    }

    /// The part of the payload that lies in the window and is not received yet.
    fn trim<'a>(&self, seq: SeqNum, payload: &'a [u8]) -> (SeqNum, &'a [u8]) {
        let skip = if seq.lt(self.nxt) { ((self.nxt - seq) as usize).min(payload.len()) } else { 0 };
        let (seq, payload) = (seq + skip as u32, &payload[skip..]);
        if seq.gt(self.right_edge) {
            return (seq, &[]);
        }
        let room = (self.right_edge - seq) as usize;
        (seq, &payload[..payload.len().min(room)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(capacity: usize) -> Receiver {
        let mut r = Receiver::new(capacity, 0);
        r.start(SeqNum(99), u16::try_from(capacity).unwrap());
        r
    }

    #[test]
    fn the_four_cases_of_table_6() {
        let mut r = receiver(100);
        assert!(r.is_acceptable(SeqNum(100), 0) && r.is_acceptable(SeqNum(199), 0));
        assert!(r.is_acceptable(SeqNum(200), 0), "the ACK of a peer that has filled the window");
        assert!(!r.is_acceptable(SeqNum(201), 0) && !r.is_acceptable(SeqNum(99), 0));
        assert!(r.is_acceptable(SeqNum(90), 11) && !r.is_acceptable(SeqNum(90), 10));
        assert!(r.is_acceptable(SeqNum(199), 50) && !r.is_acceptable(SeqNum(200), 50));
        r.handle_payload(SeqNum(100), &[0; 100], Room::UNLIMITED);
        assert!(r.is_acceptable(SeqNum(200), 0) && !r.is_acceptable(SeqNum(200), 1));
    }

    #[test]
    fn every_second_full_segment_is_acknowledged_at_once() {
        let mut r = receiver(60_000);
        let mut now = Vec::new();
        for n in 0..4 {
            r.handle_payload(SeqNum(100 + n * 1000), &[0; 1000], Room::UNLIMITED);
            now.push(r.acknowledge());
            if r.acknowledge() == Acknowledge::Now {
                r.handle_ack_sent(true);
            }
        }
        use Acknowledge::{Delayed, Now};
        assert_eq!(now, [Delayed, Now, Delayed, Now]);
    }

    #[test]
    fn gaps_are_reported_at_once_and_filled_in_order() {
        let mut r = receiver(60_000);
        assert_eq!(r.handle_payload(SeqNum(105), b"world", Room::UNLIMITED), Received::OutOfOrder);
        assert_eq!((r.acknowledge(), r.nxt), (Acknowledge::Duplicate, SeqNum(100)));
        assert!(!r.handle_fin(SeqNum(110)));
        assert_eq!(r.acknowledge(), Acknowledge::Duplicate);
        r.handle_ack_sent(true);
        assert_eq!(r.handle_payload(SeqNum(100), b"hello", Room::UNLIMITED), Received::InOrder);
        assert_eq!(r.acknowledge(), Acknowledge::Now);
        assert!(r.take_fin() && !r.take_fin());
        assert_eq!(r.nxt, SeqNum(111));
        let read: Vec<_> = std::iter::from_fn(|| r.read(usize::MAX)).collect();
        assert_eq!(read.concat(), b"helloworld");
    }

    #[test]
    fn the_right_edge_never_moves_back_and_opens_in_large_steps() {
        let mut r = receiver(10_000);
        r.full = 1000;
        let mut edge = r.right_edge;
        for n in 0..10 {
            r.handle_payload(SeqNum(100 + n * 1000), &[0; 1000], Room::UNLIMITED);
            r.handle_ack_sent(true);
            assert!(r.right_edge.ge(edge));
            edge = r.right_edge;
        }
        assert_eq!(r.window(), 0);
        assert_eq!(r.handle_payload(SeqNum(10_100), &[0; 10], Room::UNLIMITED), Received::NoRoom);
        r.handle_ack_sent(true);
        // Nothing is offered until two segments fit.
        let mut updates = Vec::new();
        while r.read(usize::MAX).is_some() {
            updates.push(r.acknowledge() == Acknowledge::Now);
        }
        assert_eq!(updates.last(), Some(&true));
        r.handle_ack_sent(true);
        assert_eq!(r.window(), 10_000);
    }

    #[test]
    fn the_end_is_not_reached_over_discarded_bytes() {
        for (unread, is_finished) in [(&b"lost"[..], false), (b"", true)] {
            let mut r = receiver(1000);
            r.handle_payload(SeqNum(100), unread, Room::UNLIMITED);
            assert!(r.handle_fin(SeqNum(100 + unread.len() as u32)));
            r.discard();
            assert_eq!(r.is_finished(), is_finished);
        }
    }

    #[test]
    fn urgent_data_is_news_once() {
        let mut r = receiver(1000);
        assert!(
            r.handle_urgent(SeqNum(110)) && !r.handle_urgent(SeqNum(110)) && !r.handle_urgent(SeqNum(105))
        );
        assert_eq!(r.urgent(), Some(10));
        r.handle_payload(SeqNum(100), &[0; 20], Room::UNLIMITED);
        assert_eq!(r.urgent(), Some(10));
        r.read(usize::MAX);
        assert_eq!(r.urgent(), None);
    }
}
