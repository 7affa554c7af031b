//! A connection: the transmission control block of RFC 9293 3.3.1, and the verbs of its user (3.9.1).
//!
//! Segments come in through `handle_segment` (`arrival.rs`) and leave through `poll_segment`
//! (`transmit.rs`). Time passes through `handle_timeout` (`timeout.rs`). What the user should know is a set of
//! [`Signals`] that whoever owns the connection takes and passes on.

use bytes::Bytes;

use super::config::Config;
use super::congestion::Congestion;
use super::ecn::Ecn;
use super::error::{Cause, ReadError, WriteError};
use super::flow::Flow;
use super::handshake::{self, Opening, Peer};
use super::info::{MechanismTotals, Mechanisms, Tally};
use super::isn::Numbers;
use super::pacing::Pacing;
use super::path_mtu::PathMtu;
use super::pressure::Pressure;
use super::rack::Rack;
use super::receiver::Receiver;
use super::recovery::Recovery;
use super::rtt::Rtt;
use super::scoreboard::Scoreboard;
use super::sender::Sender;
use super::signal::{Signal, Signals};
use super::state::{State, Step};
use super::time_wait::Last;
use super::timers::{Timer, Timers};
use super::timestamps::Timestamps;
use crate::ip::limiter;
use crate::limits;
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;
use crate::wire::tcp::Header;

/// Room that is worth a wake, in bytes.
const ENOUGH_ROOM: usize = 16 << 10;
/// Shortest idle time after which to ask whether the peer is there, as in Linux.
const MIN_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long to wait for a FIN when the user is gone; Linux waits as long.
const FIN_WAIT_2: Duration = Duration::from_secs(60);
/// Bytes a second that a peer must take of what is queued when the user is gone.
const ORPHAN_RATE: u64 = 1024;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) flow: Flow,
    pub(super) state: State,
    pub(super) snd: Sender,
    pub(super) rcv: Receiver,
    pub(super) rtt: Rtt,
    pub(super) board: Scoreboard,
    pub(super) rack: Rack,
    pub(super) congestion: Congestion,
    pub(super) recovery: Recovery,
    pub(super) pacing: Pacing,
    pub(super) ts: Timestamps,
    pub(super) ecn: Ecn,
    pub(super) timers: Timers,
    pub(super) config: Config,
    pub(super) pressure: Pressure,
    pub(super) signals: Signals,
    pub(super) due: Due,
    pub(super) cause: Option<Cause>,
    /// The user is gone: nothing is read any more.
    pub(super) is_released: bool,
    /// The connection began with our SYN.
    pub(super) is_active: bool,
    pub(super) syns_resent: u8,
    /// It is known when our SYN left.
    pub(super) is_syn_timed: bool,
    /// The window held data back when the last segment was looked for.
    pub(super) is_cwnd_limited: bool,
    /// The peer's window held data back when the last segment was looked for.
    pub(super) is_window_limited: bool,
    /// Since when something has waited for an ACK that does not come.
    pub(super) stalled_since: Option<Instant>,
    pub(super) persist_backoff: u32,
    pub(super) keep_alive_probes: u8,
    pub(super) last_received: Instant,
    /// When something that takes sequence numbers left last.
    pub(super) last_data_sent: Instant,
    /// When the peer last took something of what is queued, or the first of that was queued.
    pub(super) last_taken: Instant,
    /// Both sides take SACK.
    pub(super) uses_sack: bool,
    /// From when the retransmission timer counts.
    pub(super) rto_from: Instant,
    /// From when the timer of the loss probe counts.
    pub(super) probe_from: Instant,
    /// When the reordering window of what was overtaken is over.
    pub(super) reorder_at: Option<Instant>,
    /// Tell the user when no more than so many bytes wait to be sent.
    pub(super) notify_below: Option<usize>,
    /// When as many challenges as ever may be sent at once again.
    pub(super) challenges_full_at: Instant,
    pub(super) path: PathMtu,
    /// Bytes of payload that the peer takes in a segment without options.
    pub(super) peer_mss: u16,
    pub(super) opened: Instant,
    pub(super) tally: Tally,
    /// What of the tally's mechanisms was added to those of all connections.
    pub(super) counted: Mechanisms,
}

/// What must leave although it is neither data nor an ACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Our SYN, or SYN and ACK.
    pub(super) syn: bool,
    /// A segment that makes the peer tell its window, or that it lives.
    pub(super) probe: bool,
    /// New data although the window is small: the override of RFC 9293 3.8.6.2.1.
    pub(super) small: bool,
    /// A segment that shows whether the last ones were lost (RFC 8985 7).
    pub(super) loss_probe: bool,
}

impl Connection {
    /// A connection that we open: RFC 9293 3.10.1, active.
    pub fn connect(now: Instant, flow: Flow, numbers: Numbers, mtu: usize, config: Config) -> Self {
        let mut connection = Self::new(now, flow, numbers, mtu, config);
        connection.step(Step::ActiveOpen);
        connection.is_active = true;
        connection.due.syn = true;
        connection
    }

    /// A connection whose SYN-ACK is being acknowledged: the segment that does so comes next.
    pub fn accept(now: Instant, opening: &Opening, mtu: usize, config: Config) -> Self {
        let mut connection = Self::new(now, opening.flow, opening.numbers, mtu, config);
        connection.step(Step::PassiveOpen);
        connection.step(Step::Syn);
        connection.snd.handle_syn_sent();
        connection.syns_resent = opening.resent;
        let began = opening.began.unwrap_or(now);
        connection.apply(began, &opening.peer);
        connection.last_data_sent = began;
        connection.is_syn_timed = opening.began.is_some();
        connection
    }

    pub(super) fn new(now: Instant, flow: Flow, numbers: Numbers, mtu: usize, config: Config) -> Self {
        let (mss, iss) = (handshake::local_mss(mtu), numbers.iss);
        let keep_alive = config.keep_alive.map(|after| after.max(MIN_KEEP_ALIVE));
        let config = Config { keep_alive, ..config };
        Self {
            flow,
            state: State::Closed,
            snd: Sender::new(iss, mss, config.first_send_buffer()),
            rcv: Receiver::new(config.first_receive_buffer(), config.quick_acks),
            rtt: Rtt::default(),
            board: Scoreboard::default(),
            rack: Rack::new(iss),
            congestion: Congestion::new(u32::from(mss), config.congestion, config.pacing),
            recovery: Recovery::new(iss),
            pacing: Pacing::default(),
            ts: Timestamps::new(numbers),
            ecn: Ecn::default(),
            timers: Timers::default(),
            config,
            pressure: Pressure::None,
            signals: Signals::default(),
            due: Due::default(),
            cause: None,
            is_released: false,
            is_active: false,
            syns_resent: 0,
            is_syn_timed: true,
            is_cwnd_limited: false,
            is_window_limited: false,
            stalled_since: None,
            persist_backoff: 0,
            keep_alive_probes: 0,
            last_received: now,
            last_data_sent: now,
            last_taken: now,
            uses_sack: false,
            rto_from: now,
            probe_from: now,
            reorder_at: None,
            notify_below: None,
            challenges_full_at: Instant::ZERO,
            path: PathMtu::new(mtu),
            peer_mss: mss,
            opened: now,
            tally: Tally::default(),
            counted: Mechanisms::default(),
        }
    }

    /// What the peer's SYN said, which came at `now`, becomes what we do.
    pub(super) fn apply(&mut self, now: Instant, peer: &Peer) {
        let capacity = self.config.receive_buffer;
        let peer = peer.limited_to(&self.config);
        self.rcv.start(peer.irs, handshake::unscaled_window(capacity));
        self.rcv.round.begin(now, self.ts.value(now));
        self.peer_mss = peer.mss;
        if let Some(shift) = peer.window_scale {
            self.snd.shift = shift;
            self.rcv.shift = handshake::window_scale_for(capacity);
        }
        if let Some(timestamp) = peer.timestamp {
            self.ts.start(now, timestamp, self.rcv.nxt);
        }
        self.snd.mss = self.mss_for(self.path.current());
        if peer.sack {
            self.uses_sack = true;
            self.rcv.report_gaps();
        }
        if peer.ecn {
            self.ecn.start();
        }
        let mss = u32::from(self.snd.mss);
        self.congestion = Congestion::new(mss, self.config.congestion, self.config.pacing);
        self.pacing.handle_idle(self.congestion.window());
        (self.snd.wnd, self.snd.max_wnd) = (u32::from(peer.window), u32::from(peer.window));
    }

    // --- what it is ------------------------------------------------------------------------------------

    /// Which connection this is.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// The state of RFC 9293.
    pub fn state(&self) -> State {
        self.state
    }

    /// It began with our SYN.
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// Why it ended, once it has.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// What the peer expects next, and what we do: all that TIME-WAIT needs.
    pub fn last(&self) -> Last {
        Last { snd_nxt: self.snd.nxt, rcv_nxt: self.rcv.nxt, ts_recent: self.ts.recent() }
    }

    /// The option of a segment that leaves by the way (RFC 7323 3.2 wants it on a RST too).
    pub fn timestamps(&self, now: Instant) -> Option<(u32, u32)> {
        self.ts.recent().map(|recent| (self.ts.value(now), recent))
    }

    /// Adds to `totals` how often its mechanisms were at work since this was asked last.
    pub fn count_mechanisms(&mut self, totals: &mut MechanismTotals) {
        if self.counted != self.tally.mechanisms {
            totals.add(&self.counted, &self.tally.mechanisms);
            self.counted = self.tally.mechanisms;
        }
    }

    /// Bytes of memory that its buffers take up, with what is kept of each segment in flight.
    pub fn memory(&self) -> usize {
        self.snd.buffer.memory() + self.board.memory() + self.rcv.memory()
    }

    /// Something waits behind a gap, which [`prune`](Self::prune) would throw away.
    pub fn has_gaps(&self) -> bool {
        self.rcv.has_gaps()
    }

    // --- the user's verbs ------------------------------------------------------------------------------

    /// Takes the next chunk that arrived, `most` bytes at most.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&mut self, most: usize) -> Result<Bytes, ReadError> {
        if let Some(chunk) = self.rcv.read(most) {
            return Ok(chunk);
        }
        match self.cause {
            _ if self.rcv.is_finished() => Err(ReadError::Finished),
            Some(cause) => Err(ReadError::Closed(cause)),
            None => Err(ReadError::Blocked),
        }
    }

    /// Queues data; takes as much as there is room for, and says how much that was.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&mut self, now: Instant, mut data: Bytes) -> Result<usize, WriteError> {
        if let Some(cause) = self.cause {
            return Err(WriteError::Closed(cause));
        }
        if !self.state.can_send() || self.snd.is_closed() {
            return Err(WriteError::Shutdown);
        }
        let room = self.room();
        if room == 0 && !data.is_empty() {
            self.notify_below = Some(self.config.send_buffer);
            return Err(WriteError::Blocked);
        }
        if self.snd.buffer.is_empty() {
            self.last_taken = now;
        }
        if room < data.len() / 2 {
            // A small part would hold all of it in memory.
            data = Bytes::copy_from_slice(&data[..room]);
        }
        data.truncate(room);
        self.rcv.delay_acks();
        let taken = data.len();
        self.snd.buffer.push(data);
        Ok(taken)
    }

    /// Marks all that is queued as urgent (RFC 6093; new protocols should not).
    pub fn mark_urgent(&mut self) {
        self.snd.mark_urgent();
    }

    /// Unread bytes up to the end of the peer's urgent data.
    pub fn urgent(&self) -> Option<usize> {
        self.rcv.urgent()
    }

    /// Bytes queued and not yet acknowledged.
    pub fn queued(&self) -> usize {
        self.snd.buffer.len()
    }

    /// Since when the peer has taken nothing of what is queued, if something is.
    pub fn untaken_since(&self) -> Option<Instant> {
        (!self.snd.buffer.is_empty()).then_some(self.last_taken)
    }

    /// Bytes queued and not yet sent.
    pub fn unsent(&self) -> usize {
        self.snd.unsent()
    }

    /// Asks to be told when no more than `bytes` wait to be sent and there is room for as many as a quarter of the
    /// buffer, or 16 KiB; at once, if it is so already.
    pub fn notify_below(&mut self, bytes: usize) {
        self.notify_below = Some(bytes);
        self.check_room();
    }

    /// No more will be written: a FIN follows what is queued (RFC 9293 3.10.4). In SYN-RECEIVED it waits until the
    /// connection is established, which that section allows; our SYN must be acknowledged first.
    pub fn shutdown(&mut self) {
        if self.state == State::SynSent {
            self.close(Cause::Aborted);
        } else if self.state == State::SynReceived {
            self.snd.close();
        } else if self.state.can_send() {
            self.snd.close();
            self.step(Step::Close);
        }
    }

    /// The user is gone: nothing more is read, and what is queued is still sent. True when unread data is lost
    /// that way, or the peer's FIN was not seen with data still coming; then the peer must be reset (RFC 2525
    /// 2.17).
    pub fn release(&mut self, now: Instant) -> bool {
        self.is_released = true;
        self.timers.stop(Timer::Alarm);
        let loses_data = self.rcv.unread() > 0;
        self.rcv.discard();
        if self.state == State::FinWait2 {
            self.timers.set_if_idle(Timer::Orphan, now + FIN_WAIT_2);
        } else {
            // What is queued is still sent, but a peer that takes a byte now and then does not hold it for ever.
            let for_queued = Duration::from_secs(self.queued() as u64 / ORPHAN_RATE);
            self.timers.set_if_idle(Timer::Orphan, now + self.config.user_timeout + for_queued);
        }
        loses_data && self.cause.is_none() && self.state != State::TimeWait
    }

    /// Switches Nagle's algorithm on or off (RFC 9293 MUST-17).
    pub fn set_nagle(&mut self, on: bool) {
        self.config.nagle = on;
    }

    /// Switches keep-alive on, after so long an idle time, a second at least, or off (RFC 9293 MUST-24).
    pub fn set_keep_alive(&mut self, now: Instant, after: Option<Duration>) {
        let after = after.map(|after| after.max(MIN_KEEP_ALIVE));
        self.config.keep_alive = after;
        match after {
            Some(after) => self.timers.set(Timer::KeepAlive, now + after),
            None => self.timers.stop(Timer::KeepAlive),
        }
    }

    /// Sets how long data may stay unacknowledged.
    pub fn set_user_timeout(&mut self, timeout: Duration) {
        self.config.user_timeout = timeout;
    }

    /// Sets or stops the user's own timer.
    pub fn set_alarm(&mut self, at: Option<Instant>) {
        match at {
            Some(at) => self.timers.set(Timer::Alarm, at),
            None => self.timers.stop(Timer::Alarm),
        }
    }

    // --- the owner's verbs -----------------------------------------------------------------------------

    /// There is something that the user should know.
    pub fn has_signals(&self) -> bool {
        !self.signals.is_empty()
    }

    /// Takes what the user should know.
    pub fn take_signals(&mut self) -> Signals {
        std::mem::take(&mut self.signals)
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// An ICMP error, or a neighbour that does not answer, about a segment that began at `seq`. Believed only
    /// for what is in flight (RFC 5927 4.1); it ends a connection only before it is established (RFC 9293
    /// 3.9.2.2, RFC 5927 5.2). False when it was about nothing that we sent.
    pub fn handle_unreachable(&mut self, seq: SeqNum, is_hard: bool) -> bool {
        let is_over = self.cause.is_some();
        if is_over || !seq.is_within(self.snd.una, self.snd.flight().max(1)) {
            return false;
        }
        if self.state == State::SynSent && is_hard {
            self.close(Cause::Unreachable);
        } else {
            self.signals.add(Signal::Trouble);
        }
        true
    }

    /// One more challenge ACK is within the limit of this connection (RFC 5961 7).
    pub fn may_challenge(&mut self, now: Instant) -> bool {
        let (interval, burst) = limits::CHALLENGES_OF_ONE;
        limiter::take(&mut self.challenges_full_at, interval, burst, now)
    }

    /// Owes an ACK with the next frame: the answer to a challenge.
    pub fn acknowledge_now(&mut self) {
        self.rcv.acknowledge_now();
    }

    /// Ends the connection at once. Whether the peer hears of it is the caller's business.
    pub fn close(&mut self, cause: Cause) {
        if self.cause.is_some() {
            return;
        }
        let step = match self.state {
            State::Listen | State::Closed => None,
            State::SynSent => Some(Step::Close),
            _ => Some(Step::Reset),
        };
        if let Some(step) = step {
            self.step(step);
        }
        self.finish(cause);
    }

    // --- shared by arrival and transmit ----------------------------------------------------------------

    /// Asks the table for the next state.
    pub(super) fn step(&mut self, step: Step) {
        if let Some(next) = self.state.next(step) {
            log::trace!("{:?} {:?} --{step:?}--> {next:?}", self.flow, self.state);
            self.state = next;
        }
    }

    /// The connection has reached its end, or TIME-WAIT.
    pub(super) fn finish(&mut self, cause: Cause) {
        self.cause = Some(cause);
        self.timers.stop_protocol();
        let unread_survives = cause == Cause::Finished;
        if !unread_survives {
            self.rcv.discard();
        }
        self.snd.discard();
        self.board = Scoreboard::default();
        self.signals.add(Signal::Closed);
    }

    /// Something new was acknowledged: what waited for it has an answer.
    pub(super) fn handle_progress(&mut self) {
        self.stalled_since = None;
        self.persist_backoff = 0;
        self.check_room();
    }

    /// The peer is heard: it lives, whatever it says.
    pub(super) fn handle_heard(&mut self, now: Instant) {
        self.last_received = now;
        self.keep_alive_probes = 0;
        if let Some(after) = self.config.keep_alive
            && self.state.is_synchronized()
        {
            self.timers.set(Timer::KeepAlive, now + after);
        }
        if self.timers.is_running(Timer::Persist) && !self.is_released {
            // RFC 9293 3.8.6.1 (MUST-37): a closed window may stay so while its probes are answered; not for
            // ever when no user is left who could end it.
            self.stalled_since = None;
        }
    }

    /// Entered FIN-WAIT-2: without a user, the wait has an end.
    pub(super) fn handle_fin_wait_2(&mut self, now: Instant) {
        if self.is_released {
            self.timers.set(Timer::Orphan, now + FIN_WAIT_2);
        }
    }

    pub(super) fn check_room(&mut self) {
        // A whole quarter of a large buffer would have the path wait for it.
        let has_room = self.room() >= (self.send_capacity() / 4).clamp(1, ENOUGH_ROOM);
        if self.notify_below.is_some_and(|below| has_room && self.snd.unsent() <= below) {
            self.notify_below = None;
            self.signals.add(Signal::Writable);
        }
    }

    /// The window field and acknowledgment of a segment that leaves now.
    pub(super) fn stamp(&mut self, header: &mut Header) {
        header.ack = self.rcv.nxt;
        // Until the handshake is over our SYN may leave again, and its window is the first one.
        header.window = self.rcv.handle_ack_sent(self.state.is_synchronized());
        self.timers.stop(Timer::DelayedAck);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ecn::Codepoint;
    use super::*;
    use crate::wire::tcp::{Flags, Segment};
    use crate::wire::tcp_options::Options;
    use std::net::Ipv4Addr;

    const ISS: SeqNum = SeqNum(1000);
    const NUMBERS: Numbers = Numbers { iss: ISS, ts_offset: 0 };
    const IRS: SeqNum = SeqNum(5000);

    fn give(connection: &mut Connection, now: Instant, flags: Flags, seq: SeqNum, ack: SeqNum, window: u16) {
        let header = Header { src_port: 9, dst_port: 80, seq, ack, flags, window, urgent: 0 };
        let options = Options { mss: Some(1460), ..Options::default() };
        let segment = Segment { header, options, header_len: 20 };
        connection.handle_segment(now, &segment, b"", Codepoint::NotEct);
    }

    /// Takes all segments: bytes of their payloads.
    fn drain(connection: &mut Connection, now: Instant) -> usize {
        let mut payload = Vec::new();
        while connection.poll_segment(now, &mut payload).is_some() {}
        payload.iter().map(Bytes::len).sum()
    }

    /// A connection that has sent what it may of 100,000 bytes, and how much that was.
    fn sending() -> (Connection, usize) {
        let flow = Flow { remote_ip: Ipv4Addr::new(192, 0, 2, 1), remote_port: 9, local_port: 80 };
        let mut connection = Connection::connect(Instant::ZERO, flow, NUMBERS, 1500, Config::default());
        drain(&mut connection, Instant::ZERO);
        give(&mut connection, Instant::ZERO, Flags::SYN | Flags::ACK, IRS, ISS + 1, 60_000);
        connection.write(Instant::ZERO, Bytes::from(vec![7; 100_000])).unwrap();
        let sent = drain(&mut connection, Instant::ZERO);
        (connection, sent)
    }

    #[test]
    fn a_window_that_opens_and_closes_does_not_bring_everything_again_each_time() {
        let (mut connection, in_flight) = sending();
        let mut sent = 0;
        for _ in 0..50 {
            for window in [0, 60_000] {
                give(&mut connection, Instant::ZERO, Flags::ACK, IRS + 1, ISS + 1, window);
                sent += drain(&mut connection, Instant::ZERO);
            }
        }
        assert!((1..=2 * in_flight).contains(&sent), "{sent} of {in_flight}");
        assert!(connection.timers.is_running(Timer::Retransmit));
    }

    #[test]
    fn a_closed_window_holds_a_connection_only_while_it_has_a_user() {
        for has_user in [true, false] {
            let (mut connection, in_flight) = sending();
            let ack = ISS + 1 + in_flight as u32;
            give(&mut connection, Instant::ZERO, Flags::ACK, IRS + 1, ack, 0);
            drain(&mut connection, Instant::ZERO);
            connection.shutdown();
            if !has_user {
                connection.release(Instant::ZERO);
            }
            let end = Instant::ZERO + Duration::from_secs(600);
            while let Some(now) = connection.poll_timeout().filter(|&at| at < end) {
                connection.handle_timeout(now);
                drain(&mut connection, now);
                give(&mut connection, now, Flags::ACK, IRS + 1, ack, 0);
            }
            assert_eq!(connection.cause(), (!has_user).then_some(Cause::TimedOut));
        }
    }
}
