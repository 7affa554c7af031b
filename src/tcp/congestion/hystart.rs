//! HyStart++: the end of the first slow start before it overflows a queue. RFC 9406.
//!
//! When the least RTT of a round has grown against that of the round before, slow start becomes conservative (CSS): a
//! quarter of the growth. If the RTT falls again, the growth was a false alarm; after five rounds of it slow start is
//! over.

use crate::fault::{self, Fault};
use crate::time::Duration;
use crate::wire::seq::SeqNum;

const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u64 = 8;
const N_RTT_SAMPLE: u32 = 8;
/// The growth in CSS is divided by this.
pub(super) const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;

/// The state of RFC 9406 4.2.
#[derive(Clone, Debug)]
pub(super) struct HyStart {
    /// Where the round ends; set by the first ACK.
    window_end: Option<SeqNum>,
    last_round_min: Option<Duration>,
    current_round_min: Option<Duration>,
    samples: u32,
    /// In CSS: the least RTT at its beginning, and the rounds that passed in it.
    css: Option<(Duration, u8)>,
}

/// How slow start goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// As ever.
    Full,
    /// By a quarter.
    Conservative,
    /// It is over.
    Over,
}

impl HyStart {
    pub(super) const fn new() -> Self {
        Self { window_end: None, last_round_min: None, current_round_min: None, samples: 0, css: None }
    }

    /// A sample of the RTT.
    pub(super) fn handle_sample(&mut self, rtt: Duration) {
        self.current_round_min = Some(self.current_round_min.map_or(rtt, |least| least.min(rtt)));
        self.samples += 1;
    }

    /// An ACK in slow start, after its sample.
    pub(super) fn handle_ack(&mut self, una: SeqNum, nxt: SeqNum) -> Growth {
        if fault::is(Fault::NoHyStart) {
            return Growth::Full;
        }
        self.judge();
        if self.window_end.is_none_or(|end| una.ge(end)) {
            let is_first = self.window_end.replace(nxt).is_none();
            if !is_first {
                self.last_round_min = self.current_round_min.or(self.last_round_min);
            }
            (self.current_round_min, self.samples) = (None, 0);
            if let Some((_, rounds)) = &mut self.css {
                *rounds += 1;
                if *rounds >= CSS_ROUNDS {
                    return Growth::Over;
                }
            }
        }
        if self.css.is_some() { Growth::Conservative } else { Growth::Full }
    }

    fn judge(&mut self) {
        let (Some(last), Some(current)) = (self.last_round_min, self.current_round_min) else { return };
        if self.samples < N_RTT_SAMPLE {
            return;
        }
        match self.css {
            None => {
                let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if current >= last + threshold {
                    self.css = Some((current, 0));
                }
            }
            Some((baseline, _)) if current < baseline => self.css = None,
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of ten ACKs with these RTTs in milliseconds: what each round's last ACK says.
    fn rounds(rtts: &[u64]) -> Vec<Growth> {
        let mut hystart = HyStart::new();
        let mut una = SeqNum(u32::MAX - 20);
        let mut told = Vec::new();
        for &rtt in rtts {
            let mut last = Growth::Full;
            for _ in 0..10 {
                una += 1;
                hystart.handle_sample(Duration::from_millis(rtt));
                last = hystart.handle_ack(una, una + 10);
                if last == Growth::Over {
                    break;
                }
            }
            told.push(last);
        }
        told
    }

    #[test]
    fn a_growing_rtt_slows_down_and_then_ends_slow_start() {
        use Growth::{Conservative, Full, Over};
        let told = rounds(&[100, 100, 111, 113, 128, 128, 128, 128, 128]);
        assert_eq!(
            told,
            [Full, Full, Full, Full, Conservative, Conservative, Conservative, Conservative, Conservative]
        );
        assert_eq!(rounds(&[100, 100, 113, 113, 113, 113, 113, 113, 113])[7], Over);
    }

    #[test]
    fn an_rtt_that_falls_again_was_a_false_alarm() {
        use Growth::{Conservative, Full};
        assert_eq!(rounds(&[100, 100, 120, 110, 110]), [Full, Full, Conservative, Full, Full]);
    }

    #[test]
    fn the_threshold_has_a_floor_and_a_ceiling() {
        use Growth::{Conservative, Full};
        assert_eq!(rounds(&[1, 1, 4]), [Full; 3]);
        assert_eq!(rounds(&[1, 1, 5]), [Full, Full, Conservative]);
        assert_eq!(rounds(&[800, 800, 816]), [Full, Full, Conservative]);
    }

    #[test]
    fn slow_start_without_it_is_noticed() {
        assert!(fault::is_noticed(Fault::NoHyStart, a_growing_rtt_slows_down_and_then_ends_slow_start));
    }
}
