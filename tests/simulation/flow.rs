//! What one host may and must do in one connection, as far as the frames tell.
//!
//! Positions are relative: the SYN of a direction has 0, its first byte 1.

use std::collections::BTreeMap;

use taphouse::time::{Duration, Instant};

use super::wire::{ACK, FIN, SYN, Tcp};

/// The SYN of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syn {
    seq: u32,
    mss: i64,
    shift: Option<u8>,
    window: i64,
    takes_sack: bool,
}

impl Syn {
    pub(crate) fn read(segment: &Tcp) -> Self {
        Self {
            seq: segment.seq,
            mss: i64::from(segment.mss.unwrap_or(536)),
            shift: segment.shift,
            window: i64::from(segment.window),
            takes_sack: segment.takes_sack,
        }
    }
}

/// One connection.
pub(crate) struct Flow {
    key: (u16, u16),
    pub(crate) iss: u32,
    our_shift: Option<u8>,
    our_mss: i64,
    peer: Option<Peer>,
    /// Nothing has happened that could have ended it unseen.
    pub(crate) is_certain: bool,
    /// The segment that leaves waited for its neighbour, and tells of an earlier moment.
    pub(crate) is_stale: bool,

    // What it sends.
    sent_end: i64,
    una: i64,
    fin_at: Option<i64>,
    /// The rightmost byte that the peer ever offered to take, and the one after it.
    peer_edge: i64,
    /// No congestion window can be larger: an initial one, and what was reported to have arrived.
    allowance: i64,
    /// The rightmost byte that the peer reported, and the one after it. What lies before is in flight no more, or lost.
    reported: i64,
    /// Both SYNs said so.
    has_sack: bool,
    offers_sack: bool,
    /// The newest timestamp that arrived. What is older may be refused (RFC 7323 5).
    newest_timestamp: Option<u32>,
    losses: Losses,
    repeated: Repeated,

    // What it receives.
    perhaps: Coverage,
    surely: Coverage,
    peer_fin: Option<i64>,
    acked: i64,
    edge: i64,
    has_offered: bool,
}

struct Peer {
    irs: u32,
    mss: i64,
    shift: u32,
}

/// Duplicate ACKs, as far as they surely count as such (RFC 5681 2), and what follows.
#[derive(Default)]
struct Losses {
    duplicates: u32,
    /// Where the last loss was noticed: the end of what had been sent then.
    recover: i64,
    phase: Phase,
    /// The segment here must be sent again before the turn ends.
    must_resend: Option<i64>,
    /// Window field and sequence number of the last ACK.
    window: Option<i64>,
    newest: i64,
    was_closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Fast,
    /// Sent again for reasons that cannot be told from here.
    Other,
}

/// The same segment sent again and again with no sign of the peer in between.
#[derive(Default)]
struct Repeated {
    at: i64,
    last: Option<Instant>,
    interval: Option<Duration>,
    times: u32,
}

/// What part of a direction has arrived.
#[derive(Default)]
struct Coverage {
    next: i64,
    islands: BTreeMap<i64, i64>,
}

impl Coverage {
    fn insert(&mut self, start: i64, end: i64) {
        if end > start && end > self.next {
            let longest = self.islands.entry(start).or_insert(end);
            *longest = end.max(*longest);
        }
        while let Some(first) = self.islands.first_entry() {
            if *first.key() > self.next {
                break;
            }
            self.next = self.next.max(first.remove());
        }
    }
}

impl Flow {
    pub(crate) fn new(key: (u16, u16), syn: &Tcp) -> Self {
        Self {
            key,
            iss: syn.seq,
            our_shift: syn.shift,
            our_mss: i64::from(syn.mss.unwrap_or(536)),
            peer: None,
            is_certain: true,
            is_stale: false,
            sent_end: 0,
            una: 0,
            fin_at: None,
            peer_edge: 0,
            allowance: 0,
            reported: 0,
            has_sack: false,
            offers_sack: syn.takes_sack,
            newest_timestamp: None,
            losses: Losses::default(),
            repeated: Repeated::default(),
            perhaps: Coverage::default(),
            surely: Coverage::default(),
            peer_fin: None,
            acked: 0,
            edge: 0,
            has_offered: false,
        }
    }

    /// The host has taken the peer's SYN, for its segment acknowledges it.
    pub(crate) fn handle_peer_syn(&mut self, syn: &Syn, emitted: &Tcp) {
        if self.peer.is_some() || (emitted.has(SYN) && emitted.ack != syn.seq.wrapping_add(1)) {
            return;
        }
        if emitted.has(SYN) {
            self.our_shift = emitted.shift;
            self.offers_sack = emitted.takes_sack;
        }
        self.has_sack = self.offers_sack && syn.takes_sack;
        let both_scale = self.our_shift.is_some() && syn.shift.is_some();
        let shift = if both_scale { u32::from(syn.shift.unwrap_or(0)) } else { 0 };
        if !both_scale {
            self.our_shift = None;
        }
        let mss = syn.mss.max(64).min(self.our_mss);
        self.peer = Some(Peer { irs: syn.seq, mss, shift });
        self.peer_edge = self.peer_edge.max(1 + syn.window);
        // RFC 6928 2, and RFC 3042.
        self.allowance = (10 * mss).min((2 * mss).max(14_600)) + 2 * mss;
        self.perhaps.insert(0, 1);
        self.surely.insert(0, 1);
    }

    fn theirs(&self, seq: u32) -> Option<i64> {
        self.peer.as_ref().map(|peer| i64::from(seq.wrapping_sub(peer.irs) as i32))
    }

    fn ours(&self, seq: u32) -> i64 {
        i64::from(seq.wrapping_sub(self.iss) as i32)
    }

    pub(crate) fn handle_delivered(&mut self, _now: Instant, segment: &Tcp) {
        self.repeated = Repeated::default();
        if self.peer.is_none() && segment.has(SYN) {
            // The answer to our SYN, or a SYN across ours.
            let acks_ours = segment.has(ACK) && self.ours(segment.ack) == 1 && self.sent_end >= 1;
            if acks_ours {
                let ours = Tcp { flags: ACK, ..segment.clone() };
                self.handle_peer_syn(&Syn::read(segment), &ours);
            }
        }
        let Some(start) = self.theirs(segment.seq) else { return };
        if segment.has(SYN) {
            if segment.has(ACK) && start == 0 {
                self.handle_ack(segment, self.ours(segment.ack), i64::from(segment.window), false);
            }
            return;
        }
        let end = start + segment.payload.len() as i64;
        let (key, ack) = (self.key, self.ours(segment.ack));
        log::trace!("{key:?} takes {start}..{end} ack {ack} window {}", segment.window);
        if start < 0 || end > self.edge.max(1) + (1 << 20) {
            return;
        }
        let is_old = match (segment.timestamp, self.newest_timestamp) {
            (Some(now), Some(newest)) => (now.wrapping_sub(newest) as i32) < 0,
            _ => false,
        };
        if !is_old {
            self.newest_timestamp = segment.timestamp;
        }
        let is_ahead = start >= self.perhaps.next;
        self.perhaps.insert(start, end + i64::from(segment.has(FIN)));
        if segment.has(FIN) {
            self.peer_fin = Some(end);
        }
        if !segment.has(ACK) {
            return;
        }
        let ack = self.ours(segment.ack);
        let is_sure = self.is_certain
            && !is_old
            && self.has_offered
            && (self.una..=self.sent_end).contains(&ack)
            && start <= self.edge
            // RFC 9293 table 6 refuses what sticks out of the window on both sides.
            && (is_ahead || end <= self.edge)
            && self.surely.islands.len() < 500
            && self.peer_fin.is_none_or(|fin| end <= fin);
        if is_sure {
            self.surely.insert(start.max(self.surely.next), end.min(self.edge));
        }
        let shift = self.peer.as_ref().map_or(0, |peer| peer.shift);
        self.handle_ack(segment, ack, i64::from(segment.window) << shift, is_old);
    }

    fn handle_ack(&mut self, segment: &Tcp, ack: i64, window: i64, is_old: bool) {
        let mss = self.peer.as_ref().map_or(536, |peer| peer.mss);
        if ack > self.sent_end || ack < 0 {
            return;
        }
        self.peer_edge = self.peer_edge.max(ack + window);
        for &(_, right) in &segment.sacks {
            let right = self.ours(right).min(self.sent_end);
            self.allowance += (right - self.reported.max(self.una)).max(0);
            self.reported = self.reported.max(right);
        }
        let seq = self.theirs(segment.seq).unwrap_or(0);
        let is_same_window = self.losses.window == Some(window) && seq == self.losses.newest;
        self.losses.was_closed |= window == 0;
        if seq >= self.losses.newest && ack >= self.una {
            (self.losses.newest, self.losses.window) = (seq + segment.len(), Some(window));
        }
        // At the left edge of the window, so that it surely was.
        let is_at_edge = seq == self.perhaps.next && seq == self.acked && seq < self.edge;
        let is_acceptable = is_at_edge && !is_old;
        if ack > self.una {
            self.allowance += ack - self.una + mss;
            self.una = ack;
            self.losses.handle_ack(ack);
            if !is_acceptable {
                // RFC 9293 table 6 refuses an empty segment behind a window that is full, and its ACK with it.
                self.losses.give_up(self.sent_end);
            }
        } else if ack == self.una {
            self.allowance += mss;
            let is_plain = segment.payload.is_empty() && segment.flags & !8 == ACK;
            if is_plain
                && !self.has_sack
                && is_same_window
                && is_acceptable
                && self.sent_end > self.una
                && self.has_offered
            {
                self.losses.handle_duplicate(ack, self.sent_end);
            }
        }
    }

    pub(crate) fn handle_emitted(&mut self, now: Instant, segment: &Tcp) {
        self.check_received(segment);
        let start = self.ours(segment.seq);
        let end = start + segment.len();
        if segment.len() == 0 {
            return;
        }
        self.check_sent(segment, start, end);
        if start < self.sent_end {
            self.handle_resent(now, start);
        } else if start == self.una {
            self.repeated = Repeated { at: start, last: Some(now), interval: None, times: 0 };
        }
        self.sent_end = self.sent_end.max(end);
    }

    /// What a segment says of the other direction: its ACK and its window.
    fn check_received(&mut self, segment: &Tcp) {
        let key = self.key;
        let Some(ack) = self.theirs(segment.ack).filter(|_| segment.has(ACK)) else { return };
        assert!(
            ack <= self.perhaps.next,
            "{key:?}: acknowledges {ack}, but only {} arrived",
            self.perhaps.next
        );
        if !self.is_stale {
            assert!(ack >= self.acked, "{key:?}: acknowledges {ack} after {}", self.acked);
            let surely = self.surely.next;
            assert!(ack >= surely || !self.is_certain, "{key:?}: acknowledges {ack} while {surely} is here");
        }
        self.acked = self.acked.max(ack);
        let shift = if segment.has(SYN) { 0 } else { self.our_shift.unwrap_or(0) };
        let edge = ack + (i64::from(segment.window) << shift);
        let has_all = self.peer_fin.is_some_and(|fin| ack > fin);
        if !self.is_stale && !has_all {
            // RFC 7323 2.4: by less than the unit of the field, where rounding up would add too much.
            let least = self.edge - ((1 << shift) - 1);
            assert!(edge >= least, "{key:?}: the window's right edge moves from {} to {edge}", self.edge);
        }
        self.edge = self.edge.max(edge);
        // A host that has not made a connection of it yet may answer too, but takes nothing.
        let has_taken = ack > 1 || !segment.payload.is_empty();
        self.has_offered |= !segment.has(SYN) && !self.is_stale && has_taken;
    }

    /// Whether a segment that takes sequence space may be sent now.
    fn check_sent(&mut self, segment: &Tcp, start: i64, end: i64) {
        let key = self.key;
        assert!(start >= 0, "{key:?}: sends what comes before its SYN");
        if segment.has(FIN) {
            let fin = end - 1;
            assert!(self.fin_at.is_none_or(|old| old == fin), "{key:?}: the FIN moves to {fin}");
            self.fin_at = Some(fin);
        }
        let limit = self.fin_at.map_or(i64::MAX, |fin| fin + 1);
        assert!(end <= limit, "{key:?}: sends up to {end} after a FIN at {limit}");
        let Some(peer) = self.peer.as_ref().filter(|_| !segment.has(SYN)) else { return };
        let payload = segment.payload.len() as i64;
        assert!(payload <= peer.mss, "{key:?}: {payload} bytes for an MSS of {}", peer.mss);
        let last = start + payload;
        assert!(
            last <= self.peer_edge || payload == 0,
            "{key:?}: {last} is beyond the window {}",
            self.peer_edge
        );
        let flight = last - self.una.max(self.reported);
        let is_new = last > self.sent_end && payload > 0;
        assert!(!is_new || flight <= self.allowance, "{key:?}: {flight} in flight of {}", self.allowance);
    }

    fn handle_resent(&mut self, now: Instant, start: i64) {
        self.losses.handle_resent(start, self.sent_end);
        if start != self.una || self.is_stale {
            return;
        }
        let interval = self.repeated.last.filter(|_| self.repeated.at == start).map(|last| now.since(last));
        let times = if self.repeated.at == start { self.repeated.times + 1 } else { 0 };
        // The first may have been a loss probe (RFC 8985 7), after which the timeout is no longer than before.
        if let (Some(before), Some(interval)) = (self.repeated.interval.filter(|_| times > 2), interval) {
            let enough = (before * 19 / 10).min(Duration::from_secs(59));
            let key = self.key;
            assert!(
                interval >= enough,
                "{key:?}: {start} is sent again after {interval}, before that {before}"
            );
        }
        self.repeated = Repeated { at: start, last: Some(now), interval, times };
    }

    /// The host has said all that it has to say for now.
    pub(crate) fn handle_turn_end(&mut self, now: Instant, is_parking: bool) {
        let Some(at) = self.losses.must_resend.take() else { return };
        if !self.is_certain || is_parking || self.losses.was_closed {
            self.losses.phase = Phase::Other;
            return;
        }
        panic!("{:?}: {at} is lost for all that can be seen, and is not sent again ({now:?})", self.key);
    }
}

impl Losses {
    fn handle_ack(&mut self, ack: i64) {
        self.duplicates = 0;
        self.must_resend = None;
        if ack > self.recover {
            self.phase = Phase::Open;
        }
        match self.phase {
            Phase::Open => self.was_closed = self.window == Some(0),
            // RFC 6582 3.2, step 3: a partial ACK.
            Phase::Fast if ack < self.recover => self.must_resend = Some(ack),
            Phase::Fast | Phase::Other => {}
        }
    }

    /// From here on it cannot be told what the stack knows, until all that is in flight is acknowledged.
    fn give_up(&mut self, sent_end: i64) {
        self.phase = Phase::Other;
        self.recover = self.recover.max(sent_end);
        self.must_resend = None;
    }

    fn handle_duplicate(&mut self, una: i64, sent_end: i64) {
        self.duplicates += 1;
        // RFC 5681 3.2; RFC 6582 3.2, step 2, which wants more than `recover` to be acknowledged.
        if self.phase == Phase::Open && self.duplicates == 3 && una > self.recover + 1 {
            self.must_resend = Some(una);
            self.recover = sent_end;
            self.phase = Phase::Fast;
        }
    }

    fn handle_resent(&mut self, start: i64, sent_end: i64) {
        if self.must_resend == Some(start) {
            self.must_resend = None;
        } else if start < sent_end {
            self.give_up(sent_end);
        }
    }
}
