//! The host behind a lock, and calls that wait.
//!
//! packetdrill makes a call that it expects to wait on a second thread, which must sleep in the kernel, while its
//! main thread goes on with the script. In virtual time the main thread would be far ahead before the other one wakes
//! and reads the clock. So whoever changes something hands over to the sleepers: each looks again and either sleeps
//! on, or leaves and reads the clock once; only then time goes on.
//!
//! The main thread itself never sleeps: where it must wait it lets time pass.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use taphouse::time::{Duration, Instant};

use crate::host::Host;
use crate::settings::Settings;

/// What `userdata` points to.
pub(crate) struct Plug {
    state: Mutex<State>,
    changed: Condvar,
    main: ThreadId,
}

struct State {
    host: Host,
    /// Deadlines of the calls that sleep.
    sleepers: Vec<(ThreadId, Option<Instant>)>,
    /// Sleepers that have not looked since the last change.
    unaware: Vec<ThreadId>,
    /// Sleepers that left and have not read the clock.
    leaving: Vec<ThreadId>,
    /// Somebody left since the main thread slept last.
    has_left: bool,
}

/// How long to wait for a sleeper in real time, should it have died.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
/// Real time for a thread that left to get packetdrill's own lock, which is handed to nobody in particular.
const HAND_OVER: std::time::Duration = std::time::Duration::from_millis(1);
/// Virtual time after which nothing is expected any more.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// The time that a look at the clock takes.
const LOOK: u64 = 1;

impl Plug {
    pub(crate) fn new(settings: &Settings) -> Self {
        let state = State {
            host: Host::new(settings),
            sleepers: Vec::new(),
            unaware: Vec::new(),
            leaving: Vec::new(),
            has_left: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), main: thread::current().id() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something at once.
    pub(crate) fn now<T>(&self, verb: impl FnOnce(&mut Host) -> T) -> T {
        let mut state = self.lock();
        state.host.catch_up();
        let result = verb(&mut state.host);
        state.host.turn();
        drop(self.hand_over(state));
        result
    }

    /// Asks again and again, until there is an answer, or the time is `until`.
    pub(crate) fn wait<T>(
        &self,
        until: impl FnOnce(&Host) -> Option<Instant>,
        mut ask: impl FnMut(&mut Host) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        let until = until(&state.host);
        let mut ask = |host: &mut Host| {
            let answer = ask(host);
            host.turn();
            answer
        };
        let first = ask(&mut state.host);
        state = self.hand_over(state);
        match first {
            Some(answer) => Some(answer),
            None if thread::current().id() == self.main => self.wait_on_main(state, until, ask),
            None => self.sleep(state, until, ask),
        }
    }

    /// Lets time pass until there is an answer.
    fn wait_on_main<'a, T>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        until: Option<Instant>,
        mut ask: impl FnMut(&mut Host) -> Option<T>,
    ) -> Option<T> {
        let end = until.unwrap_or(state.host.now + FOR_EVER);
        while state.host.now < end {
            let next = state.next().filter(|at| *at < end);
            state = self.advance(state, next.unwrap_or(end));
            if let Some(answer) = ask(&mut state.host) {
                drop(self.hand_over(state));
                return Some(answer);
            }
        }
        None
    }

    /// Sleeps until another thread brought an answer.
    fn sleep<'a, T>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        until: Option<Instant>,
        mut ask: impl FnMut(&mut Host) -> Option<T>,
    ) -> Option<T> {
        let me = thread::current().id();
        state.sleepers.push((me, until));
        loop {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            if !state.unaware.contains(&me) {
                continue;
            }
            let answer = ask(&mut state.host);
            state.unaware.retain(|other| *other != me);
            let is_over = until.is_some_and(|until| until <= state.host.now);
            if answer.is_some() || is_over {
                state.sleepers.retain(|(other, _)| *other != me);
                state.leaving.push(me);
                state.has_left = true;
                self.changed.notify_all();
                return answer;
            }
            self.changed.notify_all();
        }
    }

    /// Something may have changed: every sleeper looks, and who leaves reads the clock.
    fn hand_over<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.sleepers.is_empty() || thread::current().id() != self.main {
            return state;
        }
        state.unaware = state.sleepers.iter().map(|(thread, _)| *thread).collect();
        self.changed.notify_all();
        let is_busy = |state: &mut State| !(state.unaware.is_empty() && state.leaving.is_empty());
        let waited = self.changed.wait_timeout_while(state, PATIENCE, is_busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.unaware.clear();
        state.leaving.clear();
        state
    }

    /// Lets time pass up to `to`, with all that is due on the way.
    fn advance<'a>(&'a self, mut state: MutexGuard<'a, State>, to: Instant) -> MutexGuard<'a, State> {
        while let Some(at) = state.next().filter(|at| *at <= to) {
            let before = state.host.poll_timeout();
            state.host.handle_timeout(at);
            let has_stuck = state.host.poll_timeout().is_some_and(|next| Some(next) == before && next <= at);
            state = self.hand_over(state);
            if has_stuck {
                // A timer that does not move on must not hold the clock.
                break;
            }
        }
        state.host.now = state.host.now.max(to);
        state
    }

    // --- the clock and the wire ------------------------------------------------------------------------

    /// The time in microseconds. Looking takes one, so that who spins on the clock gets somewhere.
    pub(crate) fn look_at_clock(&self) -> u64 {
        let mut state = self.lock();
        let me = thread::current().id();
        if let Some(at) = state.leaving.iter().position(|other| *other == me) {
            state.leaving.swap_remove(at);
            self.changed.notify_all();
        } else {
            let to = state.host.after(LOOK);
            state = self.advance(state, to);
        }
        Host::micros(state.host.now)
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, micros: u64) {
        let mut state = self.lock();
        if std::mem::take(&mut state.has_left) {
            drop(state);
            thread::sleep(HAND_OVER);
            state = self.lock();
        }
        let to = state.host.after(micros);
        drop(self.advance(state, to));
    }

    /// A packet of the script.
    pub(crate) fn handle_packet(&self, packet: &[u8]) {
        let mut state = self.lock();
        state.host.handle_packet(packet);
        drop(self.hand_over(state));
    }

    /// The next packet that the stack sent, and when; lets time pass until there is one.
    pub(crate) fn next_packet(&self) -> Option<(Vec<u8>, u64)> {
        let mut state = self.lock();
        let end = state.host.now + FOR_EVER;
        loop {
            if let Some((packet, at)) = state.host.sent.pop_front() {
                return Some((packet, Host::micros(at)));
            }
            let next = state.next().filter(|at| *at < end)?;
            state = self.advance(state, next);
        }
    }
}

impl State {
    /// When something happens by itself.
    fn next(&self) -> Option<Instant> {
        let deadlines = self.sleepers.iter().filter_map(|(_, until)| *until);
        deadlines.chain(self.host.poll_timeout()).min()
    }
}
