//! What is lost and must be sent again: fast retransmit and fast recovery without SACK (RFC 5681 3.2, RFC 6582),
//! and the way back after a timeout.
//!
//! ```text
//! Open --3 duplicate ACKs--> Fast --all of it acknowledged--> Open
//!   `------timeout---------> Loss --all of it acknowledged--> Open
//! ```

use crate::fault::{self, Fault};
use crate::wire::seq::SeqNum;

/// RFC 5681 3.2.
const DUPLICATE_THRESHOLD: u32 = 3;

/// Where recovery stands.
#[derive(Clone, Debug)]
pub struct Recovery {
    phase: Phase,
    duplicates: u32,
    /// RFC 6582 3.2, step 1: no fast retransmit for losses of a window that was recovered already.
    recover: SeqNum,
    /// The first segment not acknowledged is to be sent again.
    resend_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Fast,
    /// Everything from `cursor` to `recover` is taken for lost and sent again as the window allows.
    Loss {
        cursor: SeqNum,
    },
}

/// What an ACK for new data means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was lost.
    Normal,
    /// Something more of that window is lost, and is sent again now.
    Partial,
    /// That window is recovered.
    Recovered,
    /// Data is being sent again after a timeout.
    Resending,
}

/// What a duplicate ACK means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicate {
    /// One of the first two: a new segment may leave for it (RFC 3042).
    Early,
    /// The third: fast retransmit.
    Retransmit,
    /// One more segment has left the network.
    Inflate,
    /// It tells nothing.
    Ignore,
}

impl Recovery {
    /// A connection that begins with the sequence number `iss`.
    pub fn new(iss: SeqNum) -> Self {
        Self { phase: Phase::Open, duplicates: 0, recover: iss - 1, resend_first: false }
    }

    /// Everything before `una` was acknowledged; `una` has moved.
    pub fn handle_ack(&mut self, una: SeqNum) -> Progress {
        self.duplicates = 0;
        self.resend_first = false;
        match self.phase {
            Phase::Open => {
                // Keeps `recover` within half the circle, yet far enough behind for a fast retransmit.
                self.recover = self.recover.max(una - 2);
                Progress::Normal
            }
            Phase::Fast if una.gt(self.recover) => {
                self.phase = Phase::Open;
                Progress::Recovered
            }
            Phase::Fast => {
                self.resend_first = !fault::is(Fault::NoPartialAck);
                Progress::Partial
            }
            Phase::Loss { .. } if una.gt(self.recover) => {
                self.phase = Phase::Open;
                Progress::Normal
            }
            Phase::Loss { cursor } => {
                self.phase = Phase::Loss { cursor: cursor.max(una) };
                Progress::Resending
            }
        }
    }

    /// A duplicate ACK in the sense of RFC 5681 2, with `una` and `nxt` as they are.
    pub fn handle_duplicate(&mut self, una: SeqNum, nxt: SeqNum) -> Duplicate {
        match self.phase {
            _ if fault::is(Fault::NoFastRetransmit) => Duplicate::Ignore,
            Phase::Open => {
                self.duplicates += 1;
                if self.duplicates < DUPLICATE_THRESHOLD {
                    return Duplicate::Early;
                }
                // RFC 6582 3.2, step 2.
                if self.duplicates > DUPLICATE_THRESHOLD || (una - 1).le(self.recover) {
                    return Duplicate::Ignore;
                }
                self.phase = Phase::Fast;
                self.recover = nxt - 1;
                self.resend_first = true;
                Duplicate::Retransmit
            }
            Phase::Fast => Duplicate::Inflate,
            Phase::Loss { .. } => Duplicate::Ignore,
        }
    }

    /// The retransmission timer expired: all that is in flight is taken for lost.
    pub fn handle_timeout(&mut self, una: SeqNum, nxt: SeqNum) {
        self.phase = Phase::Loss { cursor: una };
        self.recover = nxt - 1;
        self.duplicates = 0;
        self.resend_first = false;
    }

    /// Segments beyond the window that RFC 3042 lets out: one for each of the first two duplicates.
    pub fn limited_transmit(&self) -> u32 {
        if self.phase == Phase::Open { self.duplicates.min(2) } else { 0 }
    }

    /// The end of what counts as in flight: after a timeout, only what was sent again since.
    pub fn flight_end(&self, nxt: SeqNum) -> SeqNum {
        match self.phase {
            Phase::Loss { cursor } if cursor.le(self.recover) => cursor,
            _ => nxt,
        }
    }

    /// Data is being sent again after a timeout, or was and is not acknowledged yet.
    pub fn is_resending(&self) -> bool {
        matches!(self.phase, Phase::Loss { .. })
    }

    /// Neither recovering nor suspecting a loss.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// From where to send again: the first segment whatever the window says, or the next of a lost window.
    pub fn resend_from(&self, una: SeqNum) -> Option<Resend> {
        match self.phase {
            _ if self.resend_first => Some(Resend { from: una, until: self.recover + 1, is_free: true }),
            Phase::Loss { cursor } if cursor.le(self.recover) => {
                Some(Resend { from: cursor, until: self.recover + 1, is_free: false })
            }
            _ => None,
        }
    }

    /// A segment up to `end` was sent again.
    pub fn handle_resent(&mut self, end: SeqNum) {
        if std::mem::take(&mut self.resend_first) {
            return;
        }
        if let Phase::Loss { cursor } = &mut self.phase {
            *cursor = cursor.max(end);
        }
    }
}

/// What is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// The first sequence number.
    pub from: SeqNum,
    /// The one after the last.
    pub until: SeqNum,
    /// The congestion window does not hold it back.
    pub is_free: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_duplicates_then_partial_then_full() {
        let mut r = Recovery::new(SeqNum(0));
        let (una, nxt) = (SeqNum(100), SeqNum(1000));
        assert_eq!(r.handle_duplicate(una, nxt), Duplicate::Early);
        assert_eq!((r.handle_duplicate(una, nxt), r.limited_transmit()), (Duplicate::Early, 2));
        assert_eq!(r.handle_duplicate(una, nxt), Duplicate::Retransmit);
        assert_eq!(r.resend_from(una).unwrap().from, una);
        r.handle_resent(SeqNum(200));
        assert_eq!(r.resend_from(una), None);
        assert_eq!(r.handle_duplicate(una, nxt), Duplicate::Inflate);
        assert_eq!(r.handle_ack(SeqNum(500)), Progress::Partial);
        assert_eq!(r.resend_from(SeqNum(500)).unwrap().from, SeqNum(500));
        assert_eq!(r.handle_ack(SeqNum(1000)), Progress::Recovered);
        assert!(r.is_open());
    }

    #[test]
    fn duplicates_of_a_recovered_window_do_not_begin_anew() {
        let mut r = Recovery::new(SeqNum(0));
        r.handle_timeout(SeqNum(100), SeqNum(1000));
        r.handle_ack(SeqNum(400));
        assert!((0..9).all(|_| r.handle_duplicate(SeqNum(400), SeqNum(1000)) == Duplicate::Ignore));
    }

    #[test]
    fn after_a_timeout_the_window_is_sent_again_in_order() {
        let mut r = Recovery::new(SeqNum(0));
        r.handle_timeout(SeqNum(100), SeqNum(400));
        assert_eq!(r.flight_end(SeqNum(400)), SeqNum(100));
        r.handle_resent(SeqNum(200));
        assert_eq!(r.resend_from(SeqNum(100)).unwrap().from, SeqNum(200));
        assert_eq!(r.handle_ack(SeqNum(300)), Progress::Resending, "the peer had more than we thought");
        assert_eq!(r.resend_from(SeqNum(300)).unwrap().from, SeqNum(300));
        r.handle_resent(SeqNum(400));
        assert_eq!((r.resend_from(SeqNum(300)), r.flight_end(SeqNum(900))), (None, SeqNum(900)));
        assert_eq!(r.handle_ack(SeqNum(400)), Progress::Normal);
    }
}
