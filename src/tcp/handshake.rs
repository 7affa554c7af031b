//! Opening a connection: what the SYNs agree on, and half-open connections.
//!
//! A connection in SYN-RECEIVED that came from LISTEN is an entry of 80 bytes without buffers; it becomes a
//! [`Connection`](super::connection::Connection) when its SYN is acknowledged. Deviation: it is given up after
//! five SYN-ACKs sent again (63 s), as in Linux, where RFC 1122 4.2.3.5 asks for three minutes.

use std::sync::Arc;

use super::config::Config;
use super::ecn;
use super::flow::Flow;
use super::isn::Numbers;
use super::rtt::Rtt;
use super::time_wait::Last;
use super::timestamps;
use crate::drops::Drop;
use crate::time::{Duration, Instant};
use crate::wheel::TimerId;
use crate::wire::seq::SeqNum;
use crate::wire::tcp::{Flags, Header};
use crate::wire::tcp_options::Options;

/// RFC 9293 3.7.1 (MUST-15): what a peer takes that does not say.
const DEFAULT_MSS: u16 = 536;
/// A peer that asks for less gets this: smaller segments are an attack on our processor.
const MIN_MSS: u16 = 64;
/// RFC 7323 2.3.
const MAX_WINDOW_SCALE: u8 = 14;
const MAX_SYN_ACKS: u8 = 6;

/// What the peer's SYN said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its initial sequence number.
    pub irs: SeqNum,
    /// Bytes of payload that our segments may have.
    pub mss: u16,
    /// The shift of its windows; `None` when it does not scale, and then neither do we.
    pub window_scale: Option<u8>,
    /// The window of its SYN, which is never scaled.
    pub window: u16,
    /// It takes SACK (RFC 2018 2).
    pub sack: bool,
    /// TSval of its SYN, if it uses timestamps (RFC 7323 3.2).
    pub timestamp: Option<u32>,
    /// Its SYN asked for ECN, or its SYN-ACK agreed to it (RFC 3168 6.1.1).
    pub ecn: bool,
}

impl Peer {
    /// Reads a SYN, for segments that leave on a link with `mtu` (RFC 9293 3.7.1, MUST-16).
    pub fn from_syn(header: &Header, options: &Options, mtu: usize) -> Self {
        let link_mss = local_mss(mtu);
        let ecn_flags = [Flags::ECE, Flags::CWR].map(|flag| header.flags.has(flag));
        Self {
            irs: header.seq,
            mss: options.mss.unwrap_or(DEFAULT_MSS).max(MIN_MSS).min(link_mss),
            window_scale: options.window_scale.map(|s| s.min(MAX_WINDOW_SCALE)),
            window: header.window,
            sack: options.sack_permitted,
            timestamp: options.timestamps.map(|(value, _)| value),
            ecn: ecn_flags == [true, !header.flags.has(Flags::ACK)],
        }
    }

    /// Without what we do not want.
    pub fn limited_to(mut self, config: &Config) -> Self {
        self.sack &= config.sack;
        self.timestamp = self.timestamp.filter(|_| config.timestamps);
        self.ecn &= config.ecn != ecn::Mode::Off;
        self
    }

    /// RFC 9293 3.10.7.4, first, while a half-open connection offers `window`. A segment from elsewhere must not
    /// make a connection: that would refuse it, and wait without a timer for one that it takes.
    ///
    /// # Errors
    /// [`Drop::TcpOutOfWindow`]; [`Drop::TcpSynChallenged`] for a SYN, with an ACK, that is not the peer's first.
    pub fn check_sequence(&self, header: &Header, payload_len: usize, window: u16) -> Result<(), Drop> {
        if header.flags.has(Flags::SYN) {
            return if header.seq == self.irs { Ok(()) } else { Err(Drop::TcpSynChallenged) };
        }
        let is_inside = |seq: SeqNum| seq.is_within(self.irs + 1, u32::from(window));
        let len = payload_len as u32 + u32::from(header.flags.has(Flags::FIN));
        if is_inside(header.seq) || (len > 0 && is_inside(header.seq + (len - 1))) {
            Ok(())
        } else {
            Err(Drop::TcpOutOfWindow)
        }
    }

    /// RFC 7323 3.2 and 5.3: a segment that would not be taken must not make a connection either.
    ///
    /// # Errors
    /// [`Drop::TcpNoTimestamp`], [`Drop::TcpOldTimestamp`].
    pub fn check_timestamp(&self, options: &Options) -> Result<(), Drop> {
        match (self.timestamp, options.timestamps) {
            (Some(_), None) => Err(Drop::TcpNoTimestamp),
            (Some(first), Some((value, _))) if timestamps::is_before(value, first) => {
                Err(Drop::TcpOldTimestamp)
            }
            _ => Ok(()),
        }
    }

    /// The first window, as a segment other than a SYN tells it to this peer.
    pub fn window_field(&self, capacity: usize) -> u16 {
        let shift = self.window_scale.map_or(0, |_| window_scale_for(capacity));
        unscaled_window(capacity) >> shift
    }
}

/// The MSS that we announce: the MTU less both headers without options (RFC 9293 3.7.1, RFC 6691).
pub fn local_mss(mtu: usize) -> u16 {
    u16::try_from(mtu.saturating_sub(40)).unwrap_or(u16::MAX).max(MIN_MSS)
}

/// The shift with which a buffer of `capacity` bytes fits a window field.
pub fn window_scale_for(capacity: usize) -> u8 {
    (0..MAX_WINDOW_SCALE).find(|shift| capacity >> shift <= 0xffff).unwrap_or(MAX_WINDOW_SCALE)
}

/// A connection in SYN-RECEIVED that came from LISTEN.
#[derive(Clone, Debug)]
pub struct HalfOpen {
    /// Which one.
    pub flow: Flow,
    /// What we begin with.
    pub numbers: Numbers,
    /// What the peer said, as far as we want it too.
    pub peer: Peer,
    /// How it will behave: as its port listened when the SYN came (RFC 9293 MUST-41).
    pub config: Arc<Config>,
    /// Its place in the timing wheel.
    pub timer: TimerId,
    /// When the first SYN-ACK left.
    pub began: Instant,
    /// What TIME-WAIT remembers of the connection that this one takes the place of.
    pub previous: Option<Last>,
    /// A SYN came again and was answered, so it is not known which answer is acknowledged.
    pub is_answered_again: bool,
    sent: u8,
}

/// What a connection begins with that came to us.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Which one.
    pub flow: Flow,
    /// What we began with.
    pub numbers: Numbers,
    /// What the peer said, as far as we want it too.
    pub peer: Peer,
    /// When the SYN-ACK left, if that is known.
    pub began: Option<Instant>,
    /// How often it was sent again.
    pub resent: u8,
}

/// What becomes of a half-open connection when its timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Send the SYN-ACK again, and come back then.
    Resend(Instant),
    /// Forget it.
    GiveUp,
}

impl HalfOpen {
    /// A connection whose first SYN-ACK leaves now.
    pub fn new(
        now: Instant,
        flow: Flow,
        numbers: Numbers,
        peer: Peer,
        config: Arc<Config>,
        timer: TimerId,
    ) -> Self {
        let (began, previous) = (now, None);
        Self { flow, numbers, peer, config, timer, began, previous, is_answered_again: false, sent: 1 }
    }

    /// The window that its SYN-ACK offers.
    pub fn window(&self) -> u16 {
        unscaled_window(self.config.receive_buffer)
    }

    /// The same, as the field of a segment other than a SYN.
    pub fn window_field(&self) -> u16 {
        self.peer.window_field(self.config.receive_buffer)
    }

    /// The timestamps of a segment that leaves now, if they are in use.
    pub fn timestamps(&self, now: Instant) -> Option<(u32, u32)> {
        self.peer.timestamp.map(|echo| (timestamps::value(now, self.numbers.ts_offset), echo))
    }

    /// When the SYN-ACK is to be sent again, counted from now.
    pub fn retransmit_after(&self) -> Duration {
        Rtt::default().rto() * (1 << (self.sent - 1))
    }

    /// The timer fired.
    pub fn handle_timeout(&mut self, now: Instant) -> Overdue {
        if self.sent == MAX_SYN_ACKS {
            return Overdue::GiveUp;
        }
        self.sent += 1;
        Overdue::Resend(now + self.retransmit_after())
    }

    /// What its connection begins with.
    pub fn opening(&self) -> Opening {
        let Self { flow, numbers, peer, began, sent, is_answered_again, .. } = *self;
        let began = Some(began).filter(|_| !is_answered_again);
        Opening { flow, numbers, peer, began, resent: sent - 1 }
    }

    /// The SYN-ACK.
    pub fn syn_ack(&self, now: Instant, mtu: usize) -> (Header, Options) {
        self.opening().syn_ack(self.timestamps(now), mtu, self.config.receive_buffer)
    }
}

impl Opening {
    /// The SYN-ACK with these timestamps, for a receive buffer of `capacity` bytes.
    pub fn syn_ack(&self, timestamps: Option<(u32, u32)>, mtu: usize, capacity: usize) -> (Header, Options) {
        let ecn = if self.peer.ecn { Flags::ECE } else { Flags(0) };
        let header = Header {
            src_port: self.flow.local_port,
            dst_port: self.flow.remote_port,
            seq: self.numbers.iss,
            ack: self.peer.irs + 1,
            flags: Flags::SYN | Flags::ACK | ecn,
            window: unscaled_window(capacity),
            urgent: 0,
        };
        let window_scale = self.peer.window_scale.map(|_| window_scale_for(capacity));
        let options = Options {
            mss: Some(local_mss(mtu)),
            window_scale,
            sack_permitted: self.peer.sack,
            timestamps,
            ..Options::default()
        };
        (header, options)
    }
}

/// The window in a SYN, which is not scaled: a multiple of what the scaled ones count in, so that the first of them
/// names the same right edge.
pub fn unscaled_window(capacity: usize) -> u16 {
    let fitting = u16::try_from(capacity).unwrap_or(u16::MAX);
    fitting & (u16::MAX << window_scale_for(capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_open_connection_is_small() {
        assert!(size_of::<HalfOpen>() <= 80, "{}", size_of::<HalfOpen>());
    }

    #[test]
    fn windows_fit_their_field() {
        for (capacity, shift) in
            [(1, 0), (65_535, 0), (65_536, 1), (512 << 10, 4), (1 << 30, 14), (usize::MAX, 14)]
        {
            assert_eq!(window_scale_for(capacity), shift, "{capacity}");
        }
    }

    #[test]
    fn an_absurd_mss_is_bounded() {
        let header = Header {
            src_port: 1,
            dst_port: 2,
            seq: SeqNum(7),
            ack: SeqNum(0),
            flags: Flags::SYN,
            window: 9,
            urgent: 0,
        };
        let mss = |mss| Peer::from_syn(&header, &Options { mss, ..Options::default() }, 1500).mss;
        assert_eq!([mss(None), mss(Some(0)), mss(Some(1200)), mss(Some(9000))], [536, 64, 1200, 1460]);
    }
}
