//! Proportional rate reduction: how much may leave with each ACK of a recovery. RFC 9937, which replaces RFC 6937.
//!
//! The window shrinks to the threshold in step with what is delivered, so that the sender neither falls silent for half
//! a round trip nor sends a burst at its end.

use crate::fault::{self, Fault};

/// The variables of RFC 9937 6, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Prr {
    ssthresh: u32,
    /// RecoverFS: what was in flight when recovery began.
    recover_fs: u32,
    delivered: u32,
    out: u32,
}

/// What an ACK told that came during recovery.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Bytes newly acknowledged, cumulatively or selectively.
    pub delivered: u32,
    /// SND.UNA moved, and no further loss was found.
    pub is_safe: bool,
}

impl Prr {
    /// Recovery begins with `flight` bytes in flight, and shall end at `ssthresh`.
    pub fn new(flight: u32, ssthresh: u32) -> Self {
        Self { ssthresh, recover_fs: flight.max(1), delivered: 0, out: 0 }
    }

    /// The window at which recovery ends.
    pub fn target(&self) -> u32 {
        self.ssthresh
    }

    /// An ACK arrived; `pipe` bytes are in flight after it. Gives the congestion window.
    pub fn handle_ack(&mut self, ack: Delivery, pipe: u32, mss: u32) -> u32 {
        if fault::is(Fault::NoRateReduction) {
            return self.ssthresh;
        }
        self.delivered = self.delivered.saturating_add(ack.delivered);
        let share = u64::from(self.delivered) * u64::from(self.ssthresh);
        let budget = if pipe > self.ssthresh {
            let share = share.div_ceil(u64::from(self.recover_fs));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(self.out)
        } else {
            // Slow start back to the threshold when all goes well, one for one otherwise.
            let limit = self.delivered.saturating_sub(self.out).max(ack.delivered);
            let limit = if ack.is_safe { limit + mss } else { limit };
            limit.min(self.ssthresh - pipe)
        };
        pipe + budget
    }

    /// Bytes left, new or again.
    pub fn handle_sent(&mut self, len: u32) {
        self.out = self.out.saturating_add(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    /// What leaves with each of the ACKs of RFC 6937 4: 20 segments, the first `lost` of them lost, Reno.
    fn sent(lost: u32) -> Vec<u32> {
        let mut prr = Prr::new(20 * MSS, 10 * MSS);
        let mut pipe = (20 - lost) * MSS;
        let mut sent = Vec::new();
        for _ in lost..20 {
            pipe -= MSS;
            let cwnd = prr.handle_ack(Delivery { delivered: MSS, is_safe: false }, pipe, MSS);
            let len = cwnd.saturating_sub(pipe) / MSS * MSS;
            prr.handle_sent(len);
            pipe += len;
            sent.push(len / MSS);
        }
        sent
    }

    #[test]
    fn with_one_loss_every_second_ack_lets_a_segment_out() {
        // 19 ACKs, 10 segments at most.
        let sent = sent(1);
        assert_eq!(sent.iter().sum::<u32>(), 10);
        assert!(sent.windows(2).all(|pair| pair[0] + pair[1] <= 2) && sent[..4] == [0, 1, 0, 1], "{sent:?}");
    }

    #[test]
    fn below_the_threshold_what_arrives_is_replaced() {
        // Ten ACKs for ten segments: never more than what has left the network.
        assert_eq!(sent(15), [1; 5]);
    }

    #[test]
    fn an_ack_that_repairs_without_further_loss_lets_one_more_out() {
        let mut prr = Prr::new(20 * MSS, 10 * MSS);
        let window =
            |prr: &mut Prr, is_safe| prr.handle_ack(Delivery { delivered: MSS, is_safe }, 4 * MSS, MSS);
        assert_eq!(window(&mut prr, false), 5 * MSS);
        prr.handle_sent(MSS);
        assert_eq!(window(&mut prr, true), 6 * MSS);
        assert_eq!(prr.target(), 10 * MSS);
    }

    #[test]
    fn a_rate_that_falls_at_once_is_noticed() {
        assert!(fault::is_noticed(Fault::NoRateReduction, with_one_loss_every_second_ack_lets_a_segment_out));
    }
}
