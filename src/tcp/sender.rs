//! The sending half: RFC 9293 3.3.1 (send sequence variables), 3.7.4 (Nagle), 3.8.6 (windows).
//!
//! ```text
//!        una            nxt          una + wnd        end
//!  acked | in flight     | may be sent   | must wait     | [FIN]
//!        [------------- buffer --------------------------]
//! ```

use super::send_buffer::SendBuffer;
use crate::fault::{self, Fault};
use crate::wire::seq::SeqNum;
use crate::wire::tcp::Header;

/// Send sequence variables, under the names of the RFC, and what is queued.
#[derive(Debug)]
pub struct Sender {
    /// SND.UNA: the oldest sequence number not acknowledged.
    pub una: SeqNum,
    /// SND.NXT: the next sequence number that was never sent.
    pub nxt: SeqNum,
    /// SND.WND, scaled.
    pub wnd: u32,
    /// The largest window that the peer ever offered: Max(SND.WND).
    pub max_wnd: u32,
    /// SND.WL1.
    wl1: SeqNum,
    /// SND.WL2.
    wl2: SeqNum,
    /// SND.UP: where urgent data ends, if some was not acknowledged.
    up: Option<SeqNum>,
    /// Eff.snd.MSS: payload bytes of a full segment.
    pub mss: u16,
    /// Snd.Wind.Shift.
    pub shift: u8,
    /// What is queued; its first byte has the sequence number `una`, once our SYN is acknowledged.
    pub buffer: SendBuffer,
    /// Bytes that may be queued.
    pub capacity: usize,
    /// Our SYN was acknowledged: `una` is a byte's number and not the SYN's.
    is_syn_acked: bool,
    fin: Fin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    /// The user may still write.
    Open,
    /// To be sent after the last byte.
    Queued,
    /// Sent at least once; it stands at the end of the buffer.
    Sent,
    /// Acknowledged.
    Acked,
}

/// What is kept of a sender that has nothing to send (`dormant.rs`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    una: SeqNum,
    wnd: u32,
    max_wnd: u32,
    wl1: SeqNum,
    wl2: SeqNum,
    mss: u16,
    shift: u8,
    is_finished: bool,
}

/// Which new segment may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewData {
    /// So many bytes, and the FIN with them or not. (0, true) is a FIN alone.
    Segment(usize, bool),
    /// Nothing is queued.
    Nothing,
    /// The peer's window is closed, or too small to be worth a segment.
    BlockedByWindow,
    /// The congestion window is full.
    BlockedByCongestion,
    /// A small segment waits for the ACK of those before it.
    BlockedByNagle,
}

impl Sender {
    /// A sender whose SYN has the sequence number `iss`, with room for `capacity` bytes.
    pub fn new(iss: SeqNum, mss: u16, capacity: usize) -> Self {
        Self {
            una: iss,
            nxt: iss,
            wnd: 0,
            max_wnd: 0,
            wl1: SeqNum(0),
            wl2: SeqNum(0),
            up: None,
            mss,
            shift: 0,
            buffer: SendBuffer::default(),
            capacity,
            is_syn_acked: false,
            fin: Fin::Open,
        }
    }

    /// Nothing is queued, and all that was sent is acknowledged.
    pub(super) fn is_resting(&self) -> bool {
        self.is_syn_acked && self.una == self.nxt && !self.has_outstanding()
    }

    pub(super) fn rest(&self) -> Resting {
        let Self { una, wnd, max_wnd, wl1, wl2, mss, shift, .. } = *self;
        Resting { una, wnd, max_wnd, wl1, wl2, mss, shift, is_finished: self.is_fin_acked() }
    }

    pub(super) fn resume(resting: &Resting, capacity: usize) -> Self {
        let Resting { una, wnd, max_wnd, wl1, wl2, mss, shift, is_finished } = *resting;
        let fin = if is_finished { Fin::Acked } else { Fin::Open };
        let new = Self::new(una, mss, capacity);
        Self { wnd, max_wnd, wl1, wl2, shift, fin, is_syn_acked: true, ..new }
    }

    /// Bytes sent and not acknowledged, SYN and FIN included.
    pub fn flight(&self) -> u32 {
        self.nxt - self.una
    }

    /// Our SYN leaves, for the first time or again.
    pub fn handle_syn_sent(&mut self) {
        self.nxt = self.una + 1;
    }

    /// The user will write no more.
    pub fn close(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Queued;
        }
    }

    /// The user said so.
    pub fn is_closed(&self) -> bool {
        self.fin != Fin::Open
    }

    /// The connection is over: nothing is queued or in flight any more.
    pub fn discard(&mut self) {
        self.buffer = SendBuffer::default();
        self.una = self.nxt;
        self.fin = Fin::Acked;
    }

    /// Our FIN was acknowledged.
    pub fn is_fin_acked(&self) -> bool {
        self.fin == Fin::Acked
    }

    /// Bytes queued and never sent.
    pub fn unsent(&self) -> usize {
        self.buffer.len() - self.sent_bytes()
    }

    /// There is something that the peer does not have, be it sent or not.
    pub fn has_outstanding(&self) -> bool {
        !self.buffer.is_empty() || matches!(self.fin, Fin::Queued | Fin::Sent)
    }

    /// Takes the ACK of everything before `ack`, which is within what was sent. Gives the number of bytes that
    /// leave the buffer.
    pub fn handle_ack(&mut self, ack: SeqNum) -> usize {
        let acked = (ack - self.una) as usize - usize::from(!self.is_syn_acked);
        let bytes = acked.min(self.buffer.len());
        self.buffer.release(bytes);
        if acked > bytes {
            debug_assert!(self.fin == Fin::Sent, "only a FIN follows the last byte");
            self.fin = Fin::Acked;
        }
        self.una = ack;
        self.is_syn_acked = true;
        if self.up.is_some_and(|up| up.le(ack)) {
            self.up = None;
        }
        bytes
    }

    /// Takes the window of a segment, unless an older one told a newer (RFC 9293 3.10.7.4, MUST-34 on shrinking:
    /// a smaller window is believed). True when it changed. Comes before [`handle_ack`](Self::handle_ack).
    ///
    /// Deviation, as in Linux: what acknowledges new data is newer whatever its sequence number is. By WL1 alone
    /// the window of a segment that the peer sends again is ignored while its ACK is taken, so that an old
    /// window, counted from a new UNA, reaches beyond what the peer ever offered.
    pub fn handle_window(&mut self, header: &Header) -> bool {
        let is_newer = header.ack.gt(self.una)
            || self.wl1.lt(header.seq)
            || (self.wl1 == header.seq && self.wl2.le(header.ack));
        if !is_newer {
            return false;
        }
        let wnd = u32::from(header.window) << self.shift;
        let changed = wnd != self.wnd;
        self.set_window(header, wnd);
        changed
    }

    /// Takes the window of a SYN, which is not scaled, or of the first segment of a handshake.
    pub fn set_window(&mut self, header: &Header, wnd: u32) {
        self.wnd = wnd;
        self.max_wnd = self.max_wnd.max(wnd);
        (self.wl1, self.wl2) = (header.seq, header.ack);
    }

    /// Marks everything queued so far as urgent (RFC 9293 3.8.5, RFC 6093).
    pub fn mark_urgent(&mut self) {
        let end = self.end();
        if end != self.una {
            self.up = Some(end);
        }
    }

    /// The urgent pointer of a segment that begins at `seq`: the sequence number after the urgent data, as RFC
    /// 6093 4 settles it.
    pub fn urgent_pointer(&self, seq: SeqNum) -> Option<u16> {
        let up = self.up.filter(|up| seq.lt(*up))?;
        Some(u16::try_from(up - seq).unwrap_or(u16::MAX))
    }

    /// The next segment of what was never sent, with room for `mss` bytes. `cwnd` bytes may be in the network, of which
    /// `pipe` are.
    pub fn next_segment(&self, cwnd: u32, pipe: u32, nagle: bool, mss: usize) -> NewData {
        let unsent = self.unsent();
        let wants_fin = self.fin == Fin::Queued;
        if unsent == 0 && !wants_fin {
            return NewData::Nothing;
        }
        let usable = (self.una + self.wnd - self.nxt) as usize;
        let usable = if self.nxt.le(self.una + self.wnd) { usable } else { 0 };
        let cwnd = if fault::is(Fault::NoCongestionWindow) { u32::MAX } else { cwnd };
        let usable = if fault::is(Fault::NoWindowCheck) { usize::MAX } else { usable };
        let room = cwnd.saturating_sub(pipe) as usize;
        let len = unsent.min(usable).min(mss);
        if unsent == 0 {
            // A FIN takes no room; a closed window holds it back only while something is in flight.
            return if usable > 0 || self.flight() == 0 {
                NewData::Segment(0, true)
            } else {
                NewData::BlockedByWindow
            };
        }
        // RFC 9293 3.8.6.2.1: a full segment, or all there is, or half the largest window.
        let is_all = len == unsent;
        let nagle = nagle && !fault::is(Fault::NoNagle);
        let is_half_window =
            len >= (self.max_wnd as usize).div_ceil(2).max(1) && (!nagle || self.flight() == 0);
        let is_silly = len < mss && !is_all && !is_half_window;
        if is_silly && !fault::is(Fault::SillyWindowSender) {
            return NewData::BlockedByWindow;
        }
        if len == 0 {
            return NewData::BlockedByWindow;
        }
        // RFC 9293 3.7.4: a small segment waits while something is in flight.
        if len < mss && is_all && nagle && self.flight() > 0 && !wants_fin {
            return NewData::BlockedByNagle;
        }
        if room < len {
            return NewData::BlockedByCongestion;
        }
        NewData::Segment(len, is_all && wants_fin)
    }

    /// What a probe of a window may carry that is too small for a whole segment.
    pub fn forced_segment(&self, mss: usize) -> Option<usize> {
        let usable = self.una + self.wnd;
        let len = if self.nxt.lt(usable) { (usable - self.nxt) as usize } else { 0 };
        Some(len.min(self.unsent()).min(mss)).filter(|&len| len > 0)
    }

    /// `len` bytes and perhaps the FIN leave for the first time.
    pub fn handle_sent(&mut self, len: usize, fin: bool) {
        self.nxt += len as u32 + u32::from(fin);
        if fin {
            self.fin = Fin::Sent;
        }
    }

    /// What to send again from `from` on, before `until`, with room for `mss` bytes: bytes, and the FIN or not.
    pub fn resend_segment(&self, from: SeqNum, until: SeqNum, mss: usize) -> (usize, bool) {
        let at = (from - self.una) as usize;
        let sent = self.sent_bytes();
        let len = (until - from) as usize;
        let len = len.min(mss).min(sent.saturating_sub(at));
        let fin = self.fin == Fin::Sent && at + len == sent && until.gt(from + len as u32);
        (len, fin)
    }

    /// The sequence number after the last queued byte.
    fn end(&self) -> SeqNum {
        let syn = u32::from(!self.is_syn_acked);
        self.una + syn + self.buffer.len() as u32
    }

    fn sent_bytes(&self) -> usize {
        let has_syn_in_flight = !self.is_syn_acked && self.flight() > 0;
        self.flight() as usize - usize::from(self.fin == Fin::Sent) - usize::from(has_syn_in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tcp::Flags;

    fn sender(wnd: u32) -> Sender {
        let mut s = Sender::new(SeqNum(u32::MAX - 5), 1000, 60_000);
        (s.wnd, s.max_wnd) = (wnd, wnd);
        s.is_syn_acked = true;
        s
    }

    fn queue(s: &mut Sender, len: usize) {
        s.buffer.push(vec![1; len].into());
    }

    #[test]
    fn nagle_holds_a_small_segment_while_others_fly() {
        let mut s = sender(60_000);
        queue(&mut s, 1500);
        assert_eq!(s.next_segment(10_000, 0, true, 1000), NewData::Segment(1000, false));
        s.handle_sent(1000, false);
        assert_eq!(s.next_segment(10_000, 1000, true, 1000), NewData::BlockedByNagle);
        assert_eq!(s.next_segment(10_000, 1000, false, 1000), NewData::Segment(500, false));
        s.close();
        assert_eq!(
            s.next_segment(10_000, 1000, true, 1000),
            NewData::Segment(500, true),
            "a FIN pushes it out"
        );
        s.handle_sent(500, true);
        assert_eq!(s.next_segment(10_000, 1501, true, 1000), NewData::Nothing);
        assert_eq!(s.resend_segment(s.una, s.nxt, 1000), (1000, false));
        assert_eq!(s.resend_segment(s.una + 1000, s.nxt, 1000), (500, true));
        assert_eq!(s.resend_segment(s.una + 1500, s.nxt, 1000), (0, true));
        assert_eq!(s.handle_ack(s.nxt), 1500);
        assert!(s.is_fin_acked() && !s.has_outstanding());
    }

    #[test]
    fn a_syn_in_flight_is_no_byte_of_the_buffer() {
        let mut s = Sender::new(SeqNum(u32::MAX - 5), 1000, 60_000);
        s.handle_syn_sent();
        assert_eq!((s.flight(), s.unsent()), (1, 0));
        queue(&mut s, 10);
        assert_eq!(s.unsent(), 10);
        s.handle_ack(s.nxt);
        assert_eq!((s.flight(), s.unsent(), s.buffer.len()), (0, 10, 10));
    }

    #[test]
    fn nothing_is_left_of_what_was_in_flight_when_it_is_over() {
        let mut s = sender(10_000);
        queue(&mut s, 3000);
        s.handle_sent(1000, false);
        s.discard();
        assert_eq!((s.flight(), s.unsent(), s.has_outstanding()), (0, 0, false));
    }

    #[test]
    fn silly_windows_are_not_filled() {
        let mut s = sender(10_000);
        s.wnd = 400;
        queue(&mut s, 5000);
        assert_eq!(s.next_segment(50_000, 0, false, 1000), NewData::BlockedByWindow);
        assert_eq!(s.forced_segment(1000), Some(400));
        s.max_wnd = 800;
        assert_eq!(
            s.next_segment(50_000, 0, false, 1000),
            NewData::Segment(400, false),
            "half the largest window"
        );
        s.wnd = 0;
        assert_eq!(
            (s.next_segment(50_000, 0, false, 1000), s.forced_segment(1000)),
            (NewData::BlockedByWindow, None)
        );
    }

    #[test]
    fn a_window_that_shrank_below_what_flies_blocks() {
        let mut s = sender(2000);
        queue(&mut s, 5000);
        s.handle_sent(2000, false);
        s.wnd = 500;
        assert_eq!(s.next_segment(50_000, 2000, false, 1000), NewData::BlockedByWindow);
        assert_eq!(s.forced_segment(1000), None);
    }

    #[test]
    fn older_windows_are_not_believed() {
        let mut s = sender(0);
        s.una = SeqNum(6);
        let header = |seq, ack, window| Header {
            src_port: 1,
            dst_port: 2,
            seq: SeqNum(seq),
            ack: SeqNum(ack),
            flags: Flags::ACK,
            window,
            urgent: 0,
        };
        assert!(s.handle_window(&header(10, 5, 100)));
        assert!(!s.handle_window(&header(9, 6, 200)), "an older segment");
        assert!(!s.handle_window(&header(10, 4, 200)), "an older acknowledgment");
        assert!(s.handle_window(&header(10, 5, 50)), "the same again may tell a new one");
        assert_eq!((s.wnd, s.max_wnd), (50, 100));
        assert!(s.handle_window(&header(4, 7, 20)), "sent again, yet it acknowledges more");
        assert_eq!(s.wnd, 20);
    }

    #[test]
    fn the_urgent_pointer_points_behind_the_urgent_data() {
        let mut s = sender(60_000);
        queue(&mut s, 10);
        s.mark_urgent();
        queue(&mut s, 10);
        assert_eq!(s.urgent_pointer(s.una), Some(10));
        assert_eq!(s.urgent_pointer(s.una + 10), None);
        s.handle_sent(20, false);
        s.handle_ack(s.una + 10);
        assert_eq!(s.urgent_pointer(s.una), None);
    }
}
