//! How the congestion window grows, asked of the machine alone: rounds of ACKs without the segments between. RFC 9438, RFC
//! 9406.

use taphouse::tcp::Algorithm;
use taphouse::tcp::congestion::{Ack, Congestion};
use taphouse::time::{Duration, Instant};
use taphouse::wire::seq::SeqNum;

const MSS: u32 = 1000;

/// A sender whose window is full in each round trip of 100 ms.
struct Rounds {
    congestion: Congestion,
    now: Instant,
    una: SeqNum,
}

impl Rounds {
    fn new() -> Self {
        let congestion = Congestion::new(MSS, Algorithm::Cubic, false);
        Self { congestion, now: Instant::ZERO, una: SeqNum(1) }
    }

    /// A round trip of which all samples are of `ms`; an ACK for each second segment. Gives the window.
    fn pass(&mut self, ms: u64) -> u32 {
        let flight = self.congestion.window() / MSS * MSS;
        self.now += Duration::from_millis(100);
        let mut left = flight;
        while left > 0 {
            let acked = left.min(2 * MSS);
            left -= acked;
            self.una += acked;
            let rtt = Duration::from_millis(ms);
            self.congestion.handle_sample(rtt);
            let nxt = self.una + self.congestion.window();
            self.congestion.handle_ack(&Ack { now: self.now, acked, una: self.una, nxt, srtt: rtt });
        }
        self.congestion.window()
    }
}

#[test]
pub(crate) fn a_small_window_grows_as_fast_as_renos() {
    // RFC 9438 4.3: from seven segments the cubic function alone reaches 9.2 of ten in this time.
    let mut rounds = Rounds::new();
    rounds.congestion.handle_loss(10 * MSS);
    rounds.congestion.set_window(7 * MSS);
    let grown = [(); 6].map(|()| rounds.pass(100))[5];
    assert!((9_700..=10_500).contains(&grown), "{grown}");
}

#[test]
pub(crate) fn slow_start_ends_when_the_round_trips_grow_longer() {
    // RFC 9406 4.2: a quarter of the growth from the round on that is an eighth longer, and an end after five of them.
    let mut rounds = Rounds::new();
    let windows = [100, 100, 100, 120, 120, 120, 120, 120, 120, 120].map(|ms| rounds.pass(ms));
    assert!(windows[2] >= 60 * MSS, "doubled three times, nearly: {windows:?}");
    assert!(!rounds.congestion.is_in_slow_start(), "{windows:?}");
    assert!(windows[9] < 8 * windows[2], "{windows:?}");
}
