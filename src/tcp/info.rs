//! What a connection tells of itself, as `tcp_info` does in Linux: the variables of RFC 9293 3.3.1, 6298, 5681 and
//! 8985, and what it has moved.

use super::congestion::Algorithm;
use super::connection::Connection;
use super::flow::Flow;
use super::state::State;
use super::timers::Timer;
use crate::time::{Duration, Instant};

/// What passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Segments handed in.
    pub segments_received: u64,
    /// Segments given out.
    pub segments_sent: u64,
    /// Payload bytes sent for the first time.
    pub bytes_sent: u64,
    /// Segments with data or FIN that were sent again.
    pub segments_resent: u64,
    /// Payload bytes sent again.
    pub bytes_resent: u64,
    /// How often each mechanism was at work.
    pub mechanisms: Mechanisms,
}

macro_rules! mechanisms {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// How often each mechanism of recovery and congestion control was at work.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Mechanisms { $($(#[doc = $doc])+ pub $name: u32,)+ }

        /// The same of many connections.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct MechanismTotals { $($(#[doc = $doc])+ pub $name: u64,)+ }

        impl MechanismTotals {
            /// Adds what is in `now` and was not in `before`.
            pub fn add(&mut self, before: &Mechanisms, now: &Mechanisms) {
                $(self.$name += u64::from(now.$name.wrapping_sub(before.$name));)+
            }

            /// Name, explanation and value of each.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), concat!($($doc),+), self.$name),)+].into_iter()
            }
        }
    };
}

mechanisms! {
    /// Times that the retransmission timer expired.
    timeouts,
    /// Times that fast recovery began.
    fast_recoveries,
    /// Loss probes sent (RFC 8985 7).
    loss_probes,
    /// Losses that a loss probe repaired.
    probe_repairs,
    /// Reductions of the window that were taken back (RFC 3522, RFC 3708, RFC 5682).
    spurious_undos,
    /// Reductions of the window that the peer asked for by ECE (RFC 3168).
    ecn_reductions,
    /// D-SACKs received: the peer had what came again (RFC 2883).
    dsacks,
    /// Times that packets became smaller, since the path takes no larger ones (RFC 1191, RFC 4821).
    mtu_reductions,
}

/// Everything about a connection that a person may want to know.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Which connection.
    pub flow: Flow,
    /// Its state.
    pub state: State,
    /// It began with our SYN.
    pub is_active: bool,
    /// It is idle, and takes up little.
    pub is_at_rest: bool,
    /// Since it was opened.
    pub age: Duration,
    /// Since something was heard of the peer.
    pub idle: Duration,
    /// SND.UNA.
    pub snd_una: u32,
    /// SND.NXT.
    pub snd_nxt: u32,
    /// SND.WND in bytes.
    pub snd_wnd: u32,
    /// Snd.Wind.Shift.
    pub snd_shift: u8,
    /// Eff.snd.MSS.
    pub mss: u16,
    /// Bytes of the largest packet that the path is thought to take.
    pub path_mtu: u16,
    /// Bytes queued and never sent.
    pub unsent: usize,
    /// Bytes that may be queued, as of now.
    pub send_buffer: usize,
    /// Sequence numbers in flight.
    pub flight: u32,
    /// RCV.NXT.
    pub rcv_nxt: u32,
    /// RCV.WND in bytes, as last offered.
    pub rcv_wnd: u32,
    /// Rcv.Wind.Shift.
    pub rcv_shift: u8,
    /// Bytes received and not read.
    pub unread: usize,
    /// Bytes that may wait unread, as of now.
    pub receive_buffer: usize,
    /// Bytes of memory that its buffers take up.
    pub memory: usize,
    /// Payload bytes that came in order.
    pub bytes_received: u64,
    /// SRTT and RTTVAR, once there was a sample.
    pub rtt: Option<(Duration, Duration)>,
    /// The retransmission timeout, with its backoff.
    pub rto: Duration,
    /// The least RTT of late.
    pub min_rtt: Option<Duration>,
    /// The algorithm of congestion avoidance.
    pub congestion_control: Algorithm,
    /// The congestion window in bytes.
    pub cwnd: u32,
    /// The slow start threshold in bytes; `u32::MAX` until there was a loss.
    pub ssthresh: u32,
    /// Bytes thought to be in the network.
    pub pipe: u32,
    /// Bytes that the peer has out of order.
    pub sacked: u32,
    /// Bytes that are lost and not sent again.
    pub lost: u32,
    /// Bytes a second at which segments leave; 0 when they are not paced.
    pub pacing_rate: u64,
    /// Segments were seen to overtake each other.
    pub has_seen_reordering: bool,
    /// SACK is in use.
    pub uses_sack: bool,
    /// Timestamps are in use.
    pub uses_timestamps: bool,
    /// ECN is in use.
    pub uses_ecn: bool,
    /// Lost data is being sent again.
    pub is_recovering: bool,
    /// Timers that run, and when they fire.
    pub timers: Vec<(&'static str, Duration)>,
    /// What passed.
    pub tally: Tally,
}

impl Connection {
    /// What there is to tell at this moment.
    pub fn info(&self, now: Instant) -> ConnectionInfo {
        let timers = Timer::ALL
            .into_iter()
            .filter_map(|timer| self.timers.deadline(timer).map(|at| (timer.name(), at.since(now))));
        ConnectionInfo {
            flow: self.flow,
            state: self.state,
            is_active: self.is_active,
            is_at_rest: false,
            age: now.since(self.opened),
            idle: now.since(self.last_received),
            snd_una: self.snd.una.0,
            snd_nxt: self.snd.nxt.0,
            snd_wnd: self.snd.wnd,
            snd_shift: self.snd.shift,
            mss: self.snd.mss,
            path_mtu: self.path.current(),
            unsent: self.snd.unsent(),
            send_buffer: self.send_capacity(),
            flight: self.snd.flight(),
            rcv_nxt: self.rcv.nxt.0,
            rcv_wnd: self.rcv.window(),
            rcv_shift: self.rcv.shift,
            unread: self.rcv.unread(),
            receive_buffer: self.rcv.capacity(),
            memory: self.memory(),
            bytes_received: self.rcv.received(),
            rtt: self.rtt.smoothed(),
            rto: self.rtt.rto(),
            min_rtt: self.rtt.least(),
            congestion_control: self.congestion.algorithm(),
            cwnd: self.congestion.window(),
            ssthresh: self.congestion.slow_start_threshold(),
            pipe: self.pipe(),
            sacked: self.board.sacked_bytes(),
            lost: self.board.lost_bytes(),
            pacing_rate: self.pacing.rate(),
            has_seen_reordering: self.rack.has_seen_reordering(),
            uses_sack: self.uses_sack,
            uses_timestamps: self.ts.is_on(),
            uses_ecn: self.ecn.is_on(),
            is_recovering: !self.recovery.is_open(),
            timers: timers.collect(),
            tally: self.tally,
        }
    }
}
