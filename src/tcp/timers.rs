//! The timers of a connection, in a table.

use crate::time::Instant;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Send again what was not acknowledged (RFC 6298).
    Retransmit,
    /// Probe a closed window, or send less than a full segment after all (RFC 9293 3.8.6.1, 3.8.6.2.1).
    Persist,
    /// Acknowledge (RFC 9293 3.8.6.3).
    DelayedAck,
    /// Ask whether the peer is still there (RFC 9293 3.8.4).
    KeepAlive,
    /// Stop waiting for a FIN for which no user waits.
    FinWait2,
    /// The user's own.
    Alarm,
}

impl Timer {
    pub(super) const ALL: [Self; 6] =
        [Self::Retransmit, Self::Persist, Self::DelayedAck, Self::KeepAlive, Self::FinWait2, Self::Alarm];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retransmit => "retransmit",
            Self::Persist => "persist",
            Self::DelayedAck => "delayed_ack",
            Self::KeepAlive => "keep_alive",
            Self::FinWait2 => "fin_wait_2",
            Self::Alarm => "user",
        }
    }
}

/// When each timer fires.
#[derive(Clone, Debug, Default)]
pub struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    /// Starts a timer, or moves it.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }
    /// Starts a timer that does not run.
    pub fn set_if_idle(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize].get_or_insert(at);
    }
    /// Stops a timer.
    pub fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }
    /// Stops all but the user's.
    pub fn stop_protocol(&mut self) {
        let alarm = self.0[Timer::Alarm as usize];
        *self = Self::default();
        self.0[Timer::Alarm as usize] = alarm;
    }
    /// The timer runs.
    pub fn is_running(&self, timer: Timer) -> bool {
        self.deadline(timer).is_some()
    }
    /// When the timer fires, if it runs.
    pub fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }
    /// The earliest of all.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }
    /// Stops and gives a timer that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|&t| self.0[t as usize].is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }
}
