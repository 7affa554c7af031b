//! How large a packet the path takes: path MTU discovery, RFC 1191, with the checks of RFC 5927 7.2; black holes, and
//! the way back up, by probing with segments, RFC 4821.
//!
//! ```text
//! link MTU --"too big" of a router, or three timeouts in a row--> less --10 min--> probe with the link's MTU
//!                                                                 ^--lost-----------'   `--arrived--> link MTU
//! ```
//! What is learned belongs to one connection. Left out: sizes between the one that works and that of the link are not
//! searched for, and other connections to the same host learn for themselves.

use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;

/// No report makes it less, as in Linux: a router that asks for less is more likely to be an attacker.
const FLOOR: u16 = 552;
/// What nearly every path takes (RFC 4821 7.2 suggests some 1024 bytes).
const BASE: u16 = 1006;
/// RFC 1191 7, table 7-1, as far as they are above the floor: what a router may mean that does not say.
const PLATEAUS: [u16; 7] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006];
/// How long a full segment that got through shows that such segments do.
const PROVEN: Duration = Duration::from_secs(60);
/// RFC 1191 6.3: how long to wait before a larger size is tried.
const RAISE_AFTER: Duration = Duration::from_secs(600);

/// The path of one connection.
#[derive(Clone, Debug)]
pub struct PathMtu {
    /// That of our link: more than this the path cannot take.
    link: u16,
    current: u16,
    /// When the link's is tried again.
    raise_at: Option<Instant>,
    /// The probe that is on its way ends here.
    probe: Option<SeqNum>,
    /// Until everything before this is acknowledged, no other report is heeded.
    lowered_until: Option<SeqNum>,
    /// When a full segment last got through.
    full_at: Option<Instant>,
}

/// What is kept of it when nothing is in flight (`dormant.rs`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    raise_at: Option<Instant>,
    full_at: Option<Instant>,
    link: u16,
    current: u16,
}

impl PathMtu {
    pub(super) fn rest(&self) -> Resting {
        let Self { link, current, raise_at, full_at, .. } = *self;
        Resting { raise_at, full_at, link, current }
    }

    pub(super) fn resume(resting: &Resting) -> Self {
        let Resting { raise_at, full_at, link, current } = *resting;
        Self { current, raise_at, full_at, ..Self::new(usize::from(link)) }
    }

    /// A path that is thought to take what the link takes.
    pub fn new(link: usize) -> Self {
        let link = u16::try_from(link).unwrap_or(u16::MAX);
        Self { link, current: link, raise_at: None, probe: None, lowered_until: None, full_at: None }
    }

    /// Bytes of the largest packet.
    pub fn current(&self) -> u16 {
        self.current
    }

    /// A router could not forward a packet of `len` bytes, and can forward `mtu`; 0 if it does not say. True when the
    /// size is less now.
    pub fn handle_too_big(&mut self, now: Instant, mtu: u16, len: u16) -> bool {
        let mtu = if mtu == 0 { plateau_below(len.min(self.current)) } else { mtu.max(FLOOR) };
        // What would have fitted was not too big.
        mtu < len && !fault::is(Fault::NoPathMtu) && self.lower(now, mtu)
    }

    /// A report was heeded when everything before `nxt` had been sent.
    pub fn handle_lowered(&mut self, nxt: SeqNum) {
        self.lowered_until = Some(nxt);
    }

    /// A report was heeded, and what was in flight then is not acknowledged yet.
    pub fn has_lowered_since(&mut self, una: SeqNum) -> bool {
        self.lowered_until = self.lowered_until.filter(|until| una.lt(*until));
        self.lowered_until.is_some()
    }

    /// The same segment was lost again and again, and no router says why. True when the size is less now.
    pub fn handle_black_hole(&mut self, now: Instant) -> bool {
        if self.full_at.is_some_and(|at| now.since(at) < PROVEN) {
            return false;
        }
        let mtu = if self.current > BASE { BASE } else { FLOOR };
        !fault::is(Fault::NoBlackHoleDetection) && self.lower(now, mtu)
    }

    /// A full segment has got through: a path that takes it now and then is bad, and no black hole.
    pub fn handle_full_delivered(&mut self, now: Instant) {
        self.full_at = Some(now);
    }

    fn lower(&mut self, now: Instant, mtu: u16) -> bool {
        let is_less = mtu < self.current;
        if is_less {
            (self.current, self.raise_at, self.probe) = (mtu, Some(now + RAISE_AFTER), None);
            self.full_at = None;
        }
        is_less
    }

    /// The size of the packet that should probe the path now, if one should.
    pub fn poll_probe(&self, now: Instant) -> Option<u16> {
        let is_due = self.probe.is_none() && self.raise_at.is_some_and(|at| at <= now);
        is_due.then_some(self.link)
    }

    /// The probe leaves; the segment ends at `end`.
    pub fn handle_probe_sent(&mut self, end: SeqNum) {
        self.probe = Some(end);
    }

    /// Where the segment ends that probes the path, while it is on its way.
    pub fn probe(&self) -> Option<SeqNum> {
        self.probe
    }

    /// The probe has arrived: the path takes what the link takes.
    pub fn handle_probe_delivered(&mut self) {
        *self = Self::new(usize::from(self.link));
    }

    /// The probe is lost.
    pub fn handle_probe_lost(&mut self, now: Instant) {
        (self.probe, self.raise_at) = (None, Some(now + RAISE_AFTER));
    }
}

fn plateau_below(len: u16) -> u16 {
    PLATEAUS.into_iter().find(|&plateau| plateau < len).unwrap_or(FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    #[test]
    fn a_router_lowers_the_size_down_to_a_floor_and_never_raises_it() {
        let mut path = PathMtu::new(1500);
        let told: Vec<_> = [1600, 1500, 1400, 1450, 68, 600]
            .into_iter()
            .map(|mtu| (path.handle_too_big(NOW, mtu, 1500), path.current()))
            .collect();
        assert_eq!(
            told,
            [(false, 1500), (false, 1500), (true, 1400), (false, 1400), (true, 552), (false, 552)]
        );
    }

    #[test]
    fn a_router_that_does_not_say_means_the_next_plateau() {
        let mut path = PathMtu::new(9000);
        let mut sizes = Vec::new();
        while path.handle_too_big(NOW, 0, path.current()) {
            sizes.push(path.current());
        }
        assert_eq!(sizes, [8166, 4352, 2002, 1492, 1006, 552]);
    }

    #[test]
    fn a_report_that_contradicts_itself_is_not_believed() {
        let mut path = PathMtu::new(1500);
        assert!(!path.handle_too_big(NOW, 1000, 900), "it would have fitted");
        assert!(!path.handle_too_big(NOW, 0, 100), "and so would this");
    }

    #[test]
    fn where_full_segments_get_through_now_and_then_there_is_no_black_hole() {
        let mut path = PathMtu::new(1500);
        path.handle_full_delivered(NOW);
        assert!(!path.handle_black_hole(NOW + Duration::from_secs(59)));
        assert!(path.handle_black_hole(NOW + Duration::from_secs(61)));
    }

    #[test]
    fn after_ten_minutes_the_links_size_is_tried_and_kept_if_it_arrives() {
        let mut path = PathMtu::new(1500);
        assert!(path.handle_black_hole(NOW));
        let later = NOW + RAISE_AFTER;
        assert_eq!((path.poll_probe(NOW), path.poll_probe(later)), (None, Some(1500)));
        path.handle_probe_sent(SeqNum(9));
        assert_eq!(path.poll_probe(later), None, "one at a time");
        path.handle_probe_lost(later);
        assert_eq!((path.current(), path.poll_probe(later)), (1006, None));
        path.handle_probe_sent(SeqNum(9));
        path.handle_probe_delivered();
        assert_eq!((path.current(), path.poll_probe(later + RAISE_AFTER)), (1500, None));
    }
}
