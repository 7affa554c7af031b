//! How large a packet the path takes: path MTU discovery, RFC 1191, with the checks of RFC 5927 7.2; black holes, and
//! the way back up, by probing with segments, RFC 4821.
//!
//! ```text
//! link MTU --"too big" of a router---> less --10 min--> probe with the link's MTU --arrived--> link MTU
//!    `---three timeouts in a row---> much less --1 min--.             |
//!                                                       |            lost
//!                                                       v             |
//!                       .--> probe half way to what did not pass <----'
//!                       `--larger if it arrives, until 16 bytes are left; again in 10 min
//! ```
//! What is learned belongs to one connection; others to the same host learn for themselves.

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
/// RFC 1191 6.3, RFC 4821 7.3: how long to wait before a larger size is tried.
const RAISE_AFTER: Duration = Duration::from_secs(600);
/// The same after a black hole, of which nobody has said how large it is.
const SEARCH_AFTER: Duration = Duration::from_secs(60);
/// A search has converged when so many bytes are left.
const STEP: u16 = 16;

/// The path of one connection.
#[derive(Clone, Debug)]
pub struct PathMtu {
    /// That of our link: more than this the path cannot take.
    link: u16,
    current: u16,
    /// No larger packet got through: search_high of RFC 4821 7.2.
    high: u16,
    /// When a larger one is tried.
    raise_at: Option<Instant>,
    /// It is one between `current` and `high`, and not the link's.
    is_searching: bool,
    /// Where the probe ends that is on its way, and the size of its packet.
    probe: Option<(SeqNum, u16)>,
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
    high: u16,
    is_searching: bool,
}

impl PathMtu {
    pub(super) fn rest(&self) -> Resting {
        let Self { link, current, high, raise_at, is_searching, full_at, .. } = *self;
        Resting { raise_at, full_at, link, current, high, is_searching }
    }

    pub(super) fn resume(resting: &Resting) -> Self {
        let Resting { raise_at, full_at, link, current, high, is_searching } = *resting;
        Self { current, high, raise_at, is_searching, full_at, ..Self::new(usize::from(link)) }
    }

    /// A path that is thought to take what the link takes.
    pub fn new(link: usize) -> Self {
        let link = u16::try_from(link).unwrap_or(u16::MAX);
        Self {
            link,
            current: link,
            high: link,
            raise_at: None,
            is_searching: false,
            probe: None,
            lowered_until: None,
            full_at: None,
        }
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
        mtu < len && !fault::is(Fault::NoPathMtu) && self.lower(mtu, now + RAISE_AFTER)
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
        // Of what a search knows already an outage takes nothing.
        let high = if self.is_searching { self.high } else { self.current - 1 };
        let is_less = !fault::is(Fault::NoBlackHoleDetection) && self.lower(mtu, now + SEARCH_AFTER);
        if is_less {
            (self.is_searching, self.high) = (true, high);
        }
        is_less
    }

    /// A full segment has got through: a path that takes it now and then is bad, and no black hole.
    pub fn handle_full_delivered(&mut self, now: Instant) {
        self.full_at = Some(now);
    }

    fn lower(&mut self, mtu: u16, raise_at: Instant) -> bool {
        let is_less = mtu < self.current;
        if is_less {
            (self.current, self.raise_at, self.probe) = (mtu, Some(raise_at), None);
            (self.is_searching, self.full_at) = (false, None);
        }
        is_less
    }

    /// The size of the packet that should probe the path now, if one should.
    pub fn poll_probe(&self, now: Instant) -> Option<u16> {
        let is_due = self.probe.is_none() && self.raise_at.is_some_and(|at| at <= now);
        let half_way = self.current + (self.high.saturating_sub(self.current)).div_ceil(2);
        let is_search = self.is_searching && !fault::is(Fault::NoPathSearch);
        is_due.then_some(if is_search { half_way } else { self.link })
    }

    /// The probe leaves; the segment ends at `end`, its packet has `size` bytes.
    pub fn handle_probe_sent(&mut self, end: SeqNum, size: u16) {
        self.probe = Some((end, size));
    }

    /// Where the segment ends that probes the path, while it is on its way.
    pub fn probe(&self) -> Option<SeqNum> {
        self.probe.map(|(end, _)| end)
    }

    /// The probe has arrived: RFC 4821 7.6.1.
    pub fn handle_probe_delivered(&mut self, now: Instant) {
        let Some((_, size)) = self.probe.take() else { return };
        self.current = self.current.max(size);
        if self.current == self.link {
            *self = Self::new(usize::from(self.link));
        } else {
            self.search_on(now, now);
        }
    }

    /// The probe is lost, and nothing else is: RFC 4821 7.6.2. The next waits for so long at least.
    pub fn handle_probe_lost(&mut self, now: Instant, pause: Duration) {
        let Some((_, size)) = self.probe.take() else { return };
        self.high = size - 1;
        self.search_on(now, now + pause.max(SEARCH_AFTER));
    }

    /// The probe is lost, and other segments too: that tells nothing, RFC 4821 7.6.4.
    pub fn handle_probe_inconclusive(&mut self) {
        self.probe = None;
    }

    /// RFC 4821 7.3: goes on with the search, or rests until the path may have changed.
    fn search_on(&mut self, now: Instant, next: Instant) {
        self.is_searching = self.high.saturating_sub(self.current) >= STEP;
        self.raise_at = Some(if self.is_searching { next } else { now + RAISE_AFTER });
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
        assert!(path.handle_too_big(NOW, 1400, 1500));
        let later = NOW + RAISE_AFTER;
        assert_eq!((path.poll_probe(NOW), path.poll_probe(later)), (None, Some(1500)));
        path.handle_probe_sent(SeqNum(9), 1500);
        assert_eq!(path.poll_probe(later), None, "one at a time");
        path.handle_probe_inconclusive();
        assert_eq!(path.poll_probe(later), Some(1500), "once more");
        path.handle_probe_sent(SeqNum(9), 1500);
        path.handle_probe_delivered(later);
        assert_eq!((path.current(), path.poll_probe(later + RAISE_AFTER)), (1500, None));
    }

    /// Searches a path that takes `mtu` bytes, of which nobody says so: the sizes that were tried, and the one found.
    fn search(mtu: u16, now: &mut Instant) -> (Vec<u16>, u16) {
        let mut path = PathMtu::new(1500);
        assert!(path.handle_black_hole(*now));
        *now += SEARCH_AFTER;
        let mut tried = Vec::new();
        while let Some(size) = path.poll_probe(*now) {
            tried.push(size);
            path.handle_probe_sent(SeqNum(9), size);
            if size <= mtu {
                path.handle_probe_delivered(*now);
            } else {
                path.handle_probe_lost(*now, Duration::ZERO);
                assert_eq!(path.poll_probe(*now), None, "a lost probe costs");
                *now += SEARCH_AFTER;
            }
        }
        assert_eq!((path.poll_probe(*now), path.poll_probe(*now + RAISE_AFTER)), (None, Some(1500)));
        (tried, path.current())
    }

    fn assert_sizes_between_are_found() {
        for mtu in [1006, 1280, 1400, 1492, 1499] {
            let mut now = NOW;
            let (tried, found) = search(mtu, &mut now);
            assert!(found <= mtu && mtu < found + STEP && tried.len() <= 7, "{mtu}: {found} by {tried:?}");
            assert!(now.since(NOW) <= SEARCH_AFTER * 7);
        }
    }

    #[test]
    fn an_outage_that_lowers_twice_leaves_the_search_whole() {
        let mut path = PathMtu::new(1500);
        assert!(path.handle_black_hole(NOW) && path.handle_black_hole(NOW));
        let now = NOW + SEARCH_AFTER;
        while let Some(size) = path.poll_probe(now) {
            path.handle_probe_sent(SeqNum(9), size);
            path.handle_probe_delivered(now);
        }
        assert!(path.current() > 1480, "{}", path.current());
    }

    #[test]
    fn the_largest_link_is_searched_too() {
        let mut path = PathMtu::new(65_535);
        assert!(path.handle_too_big(NOW, 65_530, 65_535));
        path.handle_probe_sent(SeqNum(9), 65_535);
        path.handle_probe_lost(NOW + RAISE_AFTER, Duration::ZERO);
        assert_eq!(
            path.poll_probe(NOW + RAISE_AFTER + SEARCH_AFTER),
            None,
            "there is little left to be found"
        );
    }

    #[test]
    fn after_a_black_hole_the_size_that_gets_through_is_searched_for() {
        assert_sizes_between_are_found();
        assert!(fault::is_noticed(Fault::NoPathSearch, assert_sizes_between_are_found));
    }
}
