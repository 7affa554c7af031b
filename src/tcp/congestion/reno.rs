//! Reno: RFC 5681 3.1, counting bytes as RFC 3465 does.

/// Bytes acknowledged since the window last grew.
#[derive(Clone, Debug, Default)]
pub(super) struct Reno {
    acked: u32,
}

impl Reno {
    /// The window after `acked` more bytes: a segment more for each window's worth.
    pub(super) fn grow(&mut self, cwnd: u32, acked: u32, mss: u32) -> u32 {
        self.acked = self.acked.saturating_add(acked);
        if self.acked < cwnd {
            return cwnd;
        }
        self.acked -= cwnd;
        cwnd.saturating_add(mss)
    }

    /// The threshold after a loss: RFC 5681 equation 4.
    pub(super) fn reduce(&mut self, flight: u32, mss: u32) -> u32 {
        self.acked = 0;
        (flight / 2).max(2 * mss)
    }
}
