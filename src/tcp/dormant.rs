//! A connection at rest: what is kept of it while it has nothing to do, some 400 bytes in place of 1,200 and no
//! buffers.
//!
//! It is made by [`Connection::sleep`] after an idle time, and becomes a [`Connection`] again for whatever touches it:
//! a segment, a timer, its user. Nothing can be told from outside but for the congestion window, of whose growth only
//! the window, the threshold and what CUBIC knows of the last loss are kept; RFC 5681 4.1 holds that after such a time
//! the rest says nothing about the path.

use super::config::Config;
use super::congestion::{self, Congestion};
use super::connection::{Connection, Due};
use super::ecn::Ecn;
use super::flow::Flow;
use super::info::Tally;
use super::isn::Numbers;
use super::path_mtu::{self, PathMtu};
use super::rack::{self, Rack};
use super::receiver::{self, Receiver};
use super::rtt::Rtt;
use super::sender::{self, Sender};
use super::state::State;
use super::timers::{Timer, Timers};
use super::timestamps::Timestamps;
use crate::time::{Duration, Instant};

/// How long a connection is idle before it rests, unless its timeout is longer.
const IDLE: Duration = Duration::from_secs(1);

/// What is kept.
#[derive(Debug)]
pub struct Dormant {
    flow: Flow,
    snd: sender::Resting,
    rcv: receiver::Resting,
    rtt: Rtt,
    rack: rack::Resting,
    congestion: congestion::Resting,
    ts: Timestamps,
    ecn: Ecn,
    path: path_mtu::Resting,
    config: Config,
    alarm: Option<Instant>,
    keep_alive: Option<Instant>,
    opened: Instant,
    last_received: Instant,
    last_data_sent: Instant,
    challenges_full_at: Instant,
    tally: Tally,
    peer_mss: u16,
    state: State,
    is_active: bool,
    uses_sack: bool,
}

impl Connection {
    /// From when on it is idle, if nothing happens.
    pub fn idle_from(&self) -> Instant {
        self.last_received.max(self.last_data_sent) + self.rtt.rto().max(IDLE)
    }

    /// There is nothing to do for it but to wait.
    pub fn may_rest(&self) -> bool {
        matches!(self.state, State::Established | State::FinWait2 | State::CloseWait)
            && self.cause.is_none()
            && !self.is_released
            && self.snd.is_resting()
            && self.rcv.is_resting()
            && self.signals.is_empty()
            && self.due == Due::default()
            && self.notify_below.is_none()
            && self.keep_alive_probes == 0
            && self.timers.are_only(&[Timer::Alarm, Timer::KeepAlive])
    }

    /// What is to be kept of a connection that [may rest](Self::may_rest).
    pub fn sleep(&self) -> Dormant {
        Dormant {
            flow: self.flow,
            snd: self.snd.rest(),
            rcv: self.rcv.rest(),
            rtt: self.rtt.clone(),
            rack: self.rack.rest(),
            congestion: self.congestion.rest(),
            ts: self.ts.clone(),
            ecn: self.ecn.clone(),
            path: self.path.rest(),
            config: self.config,
            alarm: self.timers.deadline(Timer::Alarm),
            keep_alive: self.timers.deadline(Timer::KeepAlive),
            opened: self.opened,
            last_received: self.last_received,
            last_data_sent: self.last_data_sent,
            challenges_full_at: self.challenges_full_at,
            tally: self.tally,
            peer_mss: self.peer_mss,
            state: self.state,
            is_active: self.is_active,
            uses_sack: self.uses_sack,
        }
    }
}

impl Dormant {
    /// The connection as it was.
    pub fn wake(&self) -> Connection {
        let mut timers = Timers::default();
        for (timer, at) in [(Timer::Alarm, self.alarm), (Timer::KeepAlive, self.keep_alive)] {
            timers.set(timer, at.unwrap_or(Instant::NEVER));
        }
        let config = self.config;
        let snd = Sender::resume(&self.snd, config.first_send_buffer());
        let path = PathMtu::resume(&self.path);
        let (una, mss) = (snd.una, u32::from(snd.mss));
        // All the rest is as when a connection begins whose SYN was the last that was acknowledged.
        let numbers = Numbers { iss: una - 1, ts_offset: 0 };
        let new =
            Connection::new(self.last_data_sent, self.flow, numbers, usize::from(path.current()), config);
        let mut connection = Connection {
            state: self.state,
            snd,
            rcv: Receiver::resume(&self.rcv, config.first_receive_buffer()),
            rtt: self.rtt.clone(),
            rack: Rack::resume(&self.rack, una),
            congestion: Congestion::resume(&self.congestion, mss, config.congestion, config.pacing),
            ts: self.ts.clone(),
            ecn: self.ecn.clone(),
            path,
            timers,
            opened: self.opened,
            last_received: self.last_received,
            challenges_full_at: self.challenges_full_at,
            tally: self.tally,
            counted: self.tally.mechanisms,
            peer_mss: self.peer_mss,
            is_active: self.is_active,
            uses_sack: self.uses_sack,
            ..new
        };
        connection.rcv.round.begin(self.last_received, connection.ts.value(self.last_received));
        connection.set_pace();
        connection
    }
}
