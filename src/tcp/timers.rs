//! The timers of a connection, in a table.

use crate::time::Instant;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Send again what was not acknowledged (RFC 6298).
    Retransmit,
    /// Take for lost what was sent before what arrived (RFC 8985 6).
    Reorder,
    /// Probe for the loss of the last segments (RFC 8985 7).
    LossProbe,
    /// Send the next segment of many.
    Pace,
    /// Probe a closed window, or send less than a full segment after all (RFC 9293 3.8.6.1, 3.8.6.2.1).
    Persist,
    /// Acknowledge (RFC 9293 3.8.6.3).
    DelayedAck,
    /// Ask whether the peer is still there (RFC 9293 3.8.4).
    KeepAlive,
    /// Stop waiting when the user is gone: for the peer's FIN, or for it to take what is queued.
    Orphan,
    /// The user's own.
    Alarm,
}

impl Timer {
    pub(super) const ALL: [Self; 9] = [
        Self::Retransmit,
        Self::Reorder,
        Self::LossProbe,
        Self::Pace,
        Self::Persist,
        Self::DelayedAck,
        Self::KeepAlive,
        Self::Orphan,
        Self::Alarm,
    ];
    /// Of these one runs at most: what is outstanding is guarded by one of them (RFC 8985 8).
    pub(super) const GUARDS: [Self; 4] = [Self::Retransmit, Self::Reorder, Self::LossProbe, Self::Persist];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retransmit => "retransmit",
            Self::Reorder => "reorder",
            Self::LossProbe => "loss_probe",
            Self::Pace => "pace",
            Self::Persist => "persist",
            Self::DelayedAck => "delayed_ack",
            Self::KeepAlive => "keep_alive",
            Self::Orphan => "orphan",
            Self::Alarm => "user",
        }
    }
}

/// When each timer fires.
#[derive(Clone, Debug)]
pub struct Timers([Instant; Timer::ALL.len()]);

impl Default for Timers {
    fn default() -> Self {
        Self([Instant::NEVER; Timer::ALL.len()])
    }
}

impl Timers {
    /// Starts a timer, or moves it.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at;
    }
    /// Starts a timer that does not run.
    pub fn set_if_idle(&mut self, timer: Timer, at: Instant) {
        if !self.is_running(timer) {
            self.set(timer, at);
        }
    }
    /// Stops a timer.
    pub fn stop(&mut self, timer: Timer) {
        self.set(timer, Instant::NEVER);
    }
    /// Stops what guards the outstanding, and starts this one in its place.
    pub fn guard(&mut self, guard: Option<(Timer, Instant)>) {
        Timer::GUARDS.into_iter().for_each(|timer| self.stop(timer));
        if let Some((timer, at)) = guard {
            self.set(timer, at);
        }
    }
    /// Stops all but the user's.
    pub fn stop_protocol(&mut self) {
        let alarm = self.0[Timer::Alarm as usize];
        *self = Self::default();
        self.0[Timer::Alarm as usize] = alarm;
    }
    /// The timer runs.
    pub fn is_running(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Instant::NEVER
    }
    /// When the timer fires, if it runs.
    pub fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.is_running(timer).then(|| self.0[timer as usize])
    }
    /// None runs but these.
    pub(super) fn are_only(&self, these: &[Timer]) -> bool {
        Timer::ALL.into_iter().all(|timer| these.contains(&timer) || !self.is_running(timer))
    }
    /// The earliest of all.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().min().copied().filter(|&at| at != Instant::NEVER)
    }
    /// Stops and gives a timer that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|&t| self.0[t as usize] <= now)?;
        self.stop(due);
        Some(due)
    }
}
