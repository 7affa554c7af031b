//! Where recovery from losses stands, and what it takes to see that there were none.
//!
//! ```text
//! Open --something is lost, or ECE--> Fast --all of it acknowledged--> Open
//!   `-----------timeout-------------> Loss --all of it acknowledged--> Open
//! ```
//! What is lost the scoreboard knows (`scoreboard.rs`); RACK and duplicate ACKs find it (`rack.rs`,
//! `acknowledgment.rs`); how fast it is sent again PRR says (`prr.rs`); and `response.rs` leads from phase to phase.
//! From any phase a reduction that turns out to be unfounded leads back to Open with the window of before (RFC 3522,
//! RFC 5682, RFC 3708).

use super::congestion::Congestion;
use super::prr::Prr;
use super::rack::DUPLICATE_THRESHOLD;
use super::timestamps;
use crate::wire::seq::SeqNum;

/// Recovery of one connection.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Where it stands.
    pub phase: Phase,
    /// Recovery is over when everything before this is acknowledged. Without SACK no fast retransmit for losses of a
    /// window that was recovered already (RFC 6582 3.2, step 1).
    pub recover: SeqNum,
    /// Something was lost, and fast recovery is not for a mark (RFC 3168) alone.
    pub is_lossy: bool,
    /// Duplicate ACKs of a peer without SACK: segments of which only the number is known to have arrived.
    pub duplicates: u32,
    /// Bytes that arrived behind a gap, for which the window has not grown yet.
    pub uncounted: u32,
    /// The next of the lost leaves whatever the window says.
    pub is_first_due: bool,
    /// What the last reduction did away with, while it may prove unfounded.
    pub undo: Option<Box<Undo>>,
    /// The loss probe that is not answered yet (RFC 8985 7).
    pub probe: Option<Probe>,
    /// No RTT was measured since the last loss probe.
    pub has_probed: bool,
}

/// Where recovery stands.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    /// Nothing is lost.
    Open,
    /// Fast recovery.
    Fast(Prr),
    /// After a timeout.
    Loss(Frto),
}

/// F-RTO: was the timeout needed? RFC 5682 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frto {
    /// It was, or nobody asks.
    Off,
    /// Step 2: the first segment was sent again.
    First,
    /// Step 3: new segments were sent.
    Second,
}

/// A loss probe (RFC 8985 7.3).
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// TLP.end_seq.
    pub end: SeqNum,
    /// TLP.is_retrans.
    pub is_resent: bool,
}

/// What an unfounded reduction is undone with.
#[derive(Clone, Debug)]
pub struct Undo {
    /// Congestion control as it was before.
    pub before: Congestion,
    /// TSval of the first segment that was sent again (RFC 3522 3.2).
    pub stamp: Option<u32>,
    /// Copies that no D-SACK has reported yet, of a loss probe before it too; `None` when one was sent again twice.
    pub unreported: Option<u32>,
    /// Segments sent again.
    pub resent: u32,
    /// SND.UNA at the beginning: D-SACKs of what stood before it tell nothing.
    pub una: SeqNum,
    /// It began with a timeout.
    pub is_timeout: bool,
    /// Where the round trip ends that has begun since recovery was over, and how many have begun. D-SACKs come for two:
    /// what was sent again last may be overtaken, and so may its ACK.
    pub until: Option<(SeqNum, u8)>,
}

impl Undo {
    /// Begins to watch a reduction; `before` is what it reduced.
    pub fn new(before: &Congestion, una: SeqNum, is_timeout: bool) -> Box<Self> {
        let before = before.clone();
        Box::new(Self { before, stamp: None, unreported: Some(0), resent: 0, una, is_timeout, until: None })
    }

    /// A segment is sent again, with this TSval if timestamps are in use, and was sent again before or not.
    pub fn handle_resent(&mut self, timestamp: Option<u32>, was_resent: bool) {
        self.stamp = self.stamp.or(timestamp);
        self.resent += 1;
        self.unreported = self.unreported.filter(|_| !was_resent).map(|n| n + 1);
    }

    /// RFC 2883: what began at `left` had arrived when it came again. It counts for one segment, however much it
    /// claims.
    pub fn handle_dsack(&mut self, left: SeqNum) {
        if left.ge(self.una) {
            self.unreported = self.unreported.map(|n| n.saturating_sub(1));
        }
    }

    /// All that was sent again had arrived (RFC 3708).
    pub fn is_all_reported(&self) -> bool {
        self.resent > 0 && self.unreported == Some(0)
    }

    /// An ACK that echoes what left before the first segment was sent again is for the original (RFC 3522).
    pub fn is_for_original(&self, echo: u32) -> bool {
        self.stamp.is_some_and(|stamp| timestamps::is_before(echo, stamp))
    }
}

impl Recovery {
    /// A connection that begins with the sequence number `iss`.
    pub fn new(iss: SeqNum) -> Self {
        Self {
            phase: Phase::Open,
            recover: iss,
            is_lossy: false,
            duplicates: 0,
            uncounted: 0,
            is_first_due: false,
            undo: None,
            probe: None,
            has_probed: false,
        }
    }

    /// Neither recovering nor suspecting a loss.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Data is being sent again after a timeout, or was and is not acknowledged yet.
    pub fn is_after_timeout(&self) -> bool {
        matches!(self.phase, Phase::Loss(_))
    }

    /// New data goes before what is lost: RFC 5682 2.1, step 2b.
    pub fn prefers_new_data(&self) -> bool {
        matches!(self.phase, Phase::Loss(Frto::Second))
    }

    /// Begins to watch a reduction of `before`. If the one before may still prove unfounded, both must, and what was
    /// before that one is what comes back.
    pub fn watch(&mut self, before: &Congestion, una: SeqNum, is_timeout: bool) {
        let copies = u32::from(self.probe.is_some_and(|probe| probe.is_resent));
        match &mut self.undo {
            Some(undo) if !is_timeout && !undo.is_timeout => {
                undo.until = None;
                undo.unreported = undo.unreported.map(|n| n + copies);
            }
            undo => undo.insert(Undo::new(before, una, is_timeout)).unreported = Some(copies),
        }
    }

    /// A phase begins that ends when everything before `nxt` is acknowledged. The first of the lost, if there are any,
    /// is sent again at once.
    pub fn begin(&mut self, phase: Phase, nxt: SeqNum, is_lossy: bool) {
        self.phase = phase;
        self.recover = nxt;
        self.is_lossy = is_lossy && matches!(self.phase, Phase::Fast(_));
        self.is_first_due = is_lossy;
        self.uncounted = 0;
        self.probe = None;
    }

    /// All is well. An unfounded reduction may still be noticed for two round trips, the first of which ends when
    /// everything before `nxt` is acknowledged.
    pub fn end(&mut self, nxt: SeqNum) {
        self.phase = Phase::Open;
        self.is_lossy = false;
        self.is_first_due = false;
        self.duplicates = 0;
        if let Some(undo) = &mut self.undo {
            undo.until = Some((nxt, 1));
        }
    }

    /// SND.UNA may have moved in phase Open: keeps `recover` near enough to be compared, and forgets what is past.
    pub fn handle_una(&mut self, una: SeqNum, nxt: SeqNum) {
        self.recover = self.recover.max(una - 1);
        let Some(undo) = &mut self.undo else { return };
        match undo.until {
            Some((until, _)) if una.lt(until) => {}
            Some((_, 1)) => undo.until = Some((nxt, 2)),
            _ => self.undo = None,
        }
    }

    /// A duplicate ACK without SACK: true when it is the third and a fast retransmit is called for (RFC 6582 3.2, step
    /// 2).
    pub fn handle_duplicate(&mut self, una: SeqNum) -> bool {
        self.duplicates += 1;
        // A mark has begun fast recovery perhaps; a loss may follow it.
        let may_begin = match self.phase {
            Phase::Open => una.gt(self.recover),
            Phase::Fast(_) => !self.is_lossy,
            Phase::Loss(_) => false,
        };
        let is_third = may_begin && self.duplicates == DUPLICATE_THRESHOLD;
        self.is_lossy |= is_third && !self.is_open();
        is_third
    }
}

#[cfg(test)]
mod tests {
    use super::super::congestion::Algorithm;
    use super::*;

    #[test]
    fn duplicates_of_a_recovered_window_do_not_begin_anew() {
        let mut r = Recovery::new(SeqNum(0));
        let told = |r: &mut Recovery, una| [(); 4].map(|()| r.handle_duplicate(una));
        assert_eq!(told(&mut r, SeqNum(1)), [false, false, true, false]);
        r.begin(Phase::Loss(Frto::Off), SeqNum(1000), true);
        r.end(SeqNum(1000));
        assert_eq!(told(&mut r, SeqNum(1000)), [false; 4]);
        r.duplicates = 0;
        assert_eq!(told(&mut r, SeqNum(1001)), [false, false, true, false]);
    }

    #[test]
    fn a_reduction_is_unfounded_when_all_that_was_sent_again_had_arrived() {
        let congestion = Congestion::new(1000, Algorithm::Cubic, true);
        let mut undo = Undo::new(&congestion, SeqNum(100), false);
        assert!(!undo.is_all_reported(), "nothing was sent again");
        undo.handle_resent(Some(7), false);
        undo.handle_resent(Some(9), false);
        undo.handle_dsack(SeqNum(50));
        undo.handle_dsack(SeqNum(100));
        assert!(!undo.is_all_reported());
        undo.handle_dsack(SeqNum(1100));
        assert!(undo.is_all_reported());
        assert!(undo.is_for_original(6) && !undo.is_for_original(7));
        undo.handle_resent(Some(10), true);
        undo.handle_dsack(SeqNum(100));
        assert!(!undo.is_all_reported(), "one of the two copies may have been lost");
    }
}
