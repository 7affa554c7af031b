//! Timestamps: RFC 7323 3 to 5. A clock of 1 ms with an offset of each flow's own (5.4), and the protection against
//! wrapped sequence numbers (PAWS).

use super::isn::Numbers;
use crate::fault::{self, Fault};
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;

/// How long TS.Recent stays valid on an idle connection (RFC 7323 5.5).
const OUTDATED: Duration = Duration::from_secs(24 * 24 * 60 * 60);

/// The clock counts in these.
pub const TICK: Duration = Duration::from_millis(1);

/// What an ACK says of when that left which called it forth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// TSecr.
    pub value: u32,
    /// How long ago that was, to the tick below.
    pub since: Duration,
}

/// The state of RFC 7323 of one connection.
#[derive(Clone, Debug)]
pub struct Timestamps {
    is_on: bool,
    offset: u32,
    /// TS.Recent.
    recent: u32,
    recent_at: Instant,
    /// Last.ACK.sent.
    last_ack_sent: SeqNum,
}

/// A timestamp: they wrap like sequence numbers.
pub fn is_before(a: u32, b: u32) -> bool {
    SeqNum(a).lt(SeqNum(b))
}

/// The clock of a flow with this offset.
pub fn value(now: Instant, offset: u32) -> u32 {
    offset.wrapping_add((now.as_nanos() / 1_000_000) as u32)
}

impl Timestamps {
    /// A connection that may come to use them.
    pub fn new(numbers: Numbers) -> Self {
        Self {
            is_on: false,
            offset: numbers.ts_offset,
            recent: 0,
            recent_at: Instant::ZERO,
            last_ack_sent: SeqNum(0),
        }
    }

    /// Both sides want them; the peer's SYN had this value and was followed by `rcv_nxt`.
    pub fn start(&mut self, now: Instant, value: u32, rcv_nxt: SeqNum) {
        (self.is_on, self.recent, self.recent_at) = (true, value, now);
        self.last_ack_sent = rcv_nxt;
    }

    /// They are in use: every segment but a RST carries them.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// TSval of what leaves at this moment.
    pub fn value(&self, now: Instant) -> u32 {
        value(now, self.offset)
    }

    /// TS.Recent.
    pub fn recent(&self) -> Option<u32> {
        self.is_on.then_some(self.recent)
    }

    /// The option of a segment that leaves with this acknowledgment.
    pub fn option(&mut self, now: Instant, ack: SeqNum) -> Option<(u32, u32)> {
        self.last_ack_sent = ack;
        self.is_on.then(|| (self.value(now), self.recent))
    }

    /// RFC 7323 5.3, R1: the segment is older than what was taken before it.
    pub fn is_old(&self, now: Instant, value: u32) -> bool {
        is_before(value, self.recent) && now.since(self.recent_at) < OUTDATED && !fault::is(Fault::NoPaws)
    }

    /// How far a timestamp is behind TS.Recent, in a clock of 1 ms.
    pub fn behind(&self, value: u32) -> Duration {
        Duration::from_millis(u64::from(self.recent.wrapping_sub(value)))
    }

    /// RFC 7323 4.3, (2): what the next ACK echoes is the timestamp of the segment that it is for.
    pub fn handle_value(&mut self, now: Instant, value: u32, seq: SeqNum) {
        let is_newer = !is_before(value, self.recent) || now.since(self.recent_at) >= OUTDATED;
        if is_newer && seq.le(self.last_ack_sent) {
            (self.recent, self.recent_at) = (value, now);
        }
    }

    /// What a TSecr echoes on a connection that has lasted for `age`. `None` if they are not in use, and for one that
    /// is none: of the future, or older than the connection. Who sends such a one would have the timeout grow, or
    /// reductions of the window taken back.
    pub fn echo(&self, now: Instant, value: u32, age: Duration) -> Option<Echo> {
        let passed = self.value(now).wrapping_sub(value);
        let since = Duration::from_millis(u64::from(passed));
        let is_of_past = passed <= i32::MAX as u32 && since <= age + TICK;
        (self.is_on && is_of_past).then_some(Echo { value, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Timestamps {
        let mut ts = Timestamps::new(Numbers { iss: SeqNum(1), ts_offset: u32::MAX - 5 });
        ts.start(Instant::ZERO, u32::MAX, SeqNum(100));
        ts
    }

    #[test]
    fn the_clock_counts_milliseconds_from_an_offset_of_its_own() {
        let mut ts = started();
        let now = Instant::ZERO + Duration::from_millis(10);
        assert_eq!(ts.option(now, SeqNum(100)), Some((4, u32::MAX)));
        let since =
            |value, age| ts.echo(now, value, Duration::from_millis(age)).map(|echo| echo.since.as_millis());
        assert_eq!([since(u32::MAX - 5, 10), since(4, 10), since(5, 10)], [Some(10), Some(0), None]);
        assert_eq!(
            [since(u32::MAX - 6, 10), since(u32::MAX - 7, 10)],
            [Some(11), None],
            "older than the connection"
        );
    }

    #[test]
    fn only_what_the_next_ack_is_for_is_echoed() {
        let mut ts = started();
        ts.option(Instant::ZERO, SeqNum(200));
        ts.handle_value(Instant::ZERO, 3, SeqNum(201));
        assert_eq!(ts.recent(), Some(u32::MAX), "it came behind a gap");
        ts.handle_value(Instant::ZERO, 2, SeqNum(200));
        ts.handle_value(Instant::ZERO, 1, SeqNum(150));
        assert_eq!(ts.recent(), Some(2), "and never goes back");
    }

    #[test]
    fn old_is_what_stands_behind_the_last_unless_that_is_outdated() {
        let mut ts = started();
        assert!(ts.is_old(Instant::ZERO, u32::MAX - 1) && !ts.is_old(Instant::ZERO, 0));
        let later = Instant::ZERO + OUTDATED;
        assert!(!ts.is_old(later, u32::MAX - 1));
        ts.handle_value(later, u32::MAX - 1, SeqNum(100));
        assert_eq!(ts.recent(), Some(u32::MAX - 1));
    }
}
