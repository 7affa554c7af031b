//! One core's loop: a link, a stack, and the sessions on it.
//!
//! ```text
//! Link::recv -> Stack::handle_frame -> Session::advance -> Stack::poll_transmit -> Link::send
//! ```
//!
//! A turn takes the frames that have arrived, up to a bound, gives what each brought to the sessions, and then sends:
//! ACKs ride on answers, and one covers many segments. Only a duplicate ACK goes before the next frame is taken, since
//! the peer counts them.

pub mod alarm;
mod desk;
pub mod runner;
pub mod scribe;
mod workers;

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::control::House;
use crate::fault::{self, Fault};
use crate::frame::Frame;
use crate::http::{Date, Handler, Limits};
use crate::limits;
use crate::link::{Instrumented, Link, Received, Sent};
use crate::quota::Quota;
use crate::rand::Seed;
use crate::serve::session::Next;
use crate::serve::vitals::{ServeCounters, Snapshot};
use crate::serve::{Jobs, Letter, Post, Session, Surroundings, Work};
use crate::stack::{self, ConnId, Event, ListenConfig, Stack, Trouble};
use crate::time::{Duration, Instant, Now};
use crate::wire::ethernet::Mac;
use crate::ws::Codecs;

/// What a shard is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The stack below.
    pub stack: stack::Config,
    /// The port of HTTP.
    pub port: u16,
    /// How it listens.
    pub listen: ListenConfig,
    /// How long HTTP waits.
    pub http: Limits,
    /// Bytes that all connections together may make it gather.
    pub memory: usize,
}

/// What a turn leaves to be done.
#[derive(Debug)]
pub enum Turn {
    /// Nothing until something happens, or until `poll_timeout`.
    Idle,
    /// There are more frames; come back at once.
    Busy,
    /// The shard cannot go on.
    Ended(End),
}

/// Why a shard cannot go on.
#[derive(Debug)]
pub enum End {
    /// The link is gone.
    LinkGone(io::Error),
    /// Somebody else has our address.
    AddressTaken(Mac),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkGone(error) => write!(f, "the interface is gone: {error}"),
            Self::AddressTaken(mac) => write!(
                f,
                "the address is taken: {mac} uses it already; choose another with --addr, or stop the other host"
            ),
        }
    }
}

/// How often to see what is due while the link takes nothing.
const STALLED_PAUSE: Duration = Duration::from_millis(10);

/// One core's share of the house.
pub struct Shard<L> {
    link: L,
    stack: Stack,
    sessions: Vec<Option<Session>>,
    live: usize,
    handler: Box<dyn Handler>,
    codecs: Codecs,
    quota: Quota,
    jobs: Jobs,
    post: Arc<Post>,
    date: Date,
    counters: ServeCounters,
    config: Config,
    buffer: Vec<u8>,
    frame: Frame,
    /// `frame` waits for the link.
    is_stalled: bool,
    /// When the last turn was.
    turned: Instant,
    end: Option<End>,
}

impl<L: Link> Shard<L> {
    /// A shard that begins to claim its address now.
    pub fn new(link: L, config: Config, handler: Box<dyn Handler>, seed: &Seed, now: Instant) -> Self {
        let mut stack = Stack::new(config.stack.clone(), seed, now);
        stack.listen(config.port, config.listen);
        Self {
            link,
            stack,
            sessions: Vec::new(),
            live: 0,
            handler,
            codecs: Codecs::default(),
            quota: Quota::new(config.memory),
            jobs: Jobs::default(),
            post: Post::new(),
            date: Date::default(),
            counters: ServeCounters::default(),
            config,
            buffer: vec![0; 65_536 + 64],
            frame: Frame::default(),
            is_stalled: false,
            turned: now,
            end: None,
        }
    }

    /// Takes a bounded number of frames all the way, and does what is due.
    pub fn turn(&mut self, now: Now) -> Turn {
        self.counters.turns += 1;
        self.turned = now.mono;
        let mut is_drained = false;
        for _ in 0..limits::FRAMES_PER_TURN {
            match self.link.recv(now.mono, &mut self.buffer) {
                Received::Frame(len) => self.stack.handle_frame(now.mono, &self.buffer[..len]),
                Received::Nothing => {
                    is_drained = true;
                    break;
                }
                Received::Gone(error) => return Turn::Ended(End::LinkGone(error)),
            }
            self.serve(now);
            if self.stack.is_urgent() {
                self.send(now);
            }
        }
        self.stack.handle_timeout(now.mono);
        self.serve_and_send(now);
        match self.end.take() {
            Some(end) => Turn::Ended(end),
            None if is_drained => Turn::Idle,
            None => Turn::Busy,
        }
    }

    /// When the next turn is due without anything happening.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.stack.poll_timeout();
        // What is due may be to send something. That cannot be done before the link takes frames again, of which
        // it tells: coming back for it at once would be to spin.
        let due = if self.is_stalled { due.map(|at| at.max(self.turned + STALLED_PAUSE)) } else { due };
        [due, self.link.poll_timeout()].into_iter().flatten().min()
    }

    /// A frame waits for the link to take it.
    pub fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// The stack, to look at.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The link.
    pub fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// Slow work to be done elsewhere; what comes of it is posted as [`Letter::Done`].
    pub fn poll_job(&mut self) -> Option<Work> {
        self.jobs.poll()
    }

    /// Where mail for the sessions goes.
    pub fn post(&self) -> &Arc<Post> {
        &self.post
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.live
    }

    /// Nothing is in flight any more.
    pub fn is_quiet(&self) -> bool {
        self.live == 0 && self.stack.population().0 == 0
    }

    /// Takes no further connections and requests. What is in flight goes on.
    pub fn stop(&mut self, now: Now) {
        self.stack.unlisten(self.config.port);
        let ids: Vec<ConnId> = self.sessions.iter().flatten().map(Session::id).collect();
        for id in ids {
            self.with_session(now, id, Session::stop);
        }
        self.serve_and_send(now);
    }

    fn serve_and_send(&mut self, now: Now) {
        self.serve(now);
        // Sending can make room, which is an event again.
        while self.send(now) {
            self.serve(now);
        }
    }

    /// Tells the sessions what happened.
    fn serve(&mut self, now: Now) {
        loop {
            self.deliver(now);
            let Some(event) = self.stack.poll_event() else { break };
            self.handle_event(now, event);
        }
    }

    /// Takes the mail to its sessions. What each of them sends on is delivered as well, within a bound.
    fn deliver(&mut self, now: Now) {
        for _ in 0..limits::LETTERS {
            let Some((to, letter)) = self.post.take() else { break };
            if let Letter::Done(ticket, _) = &letter {
                self.jobs.handle_done(*ticket);
            }
            if fault::is(Fault::MailLost) {
                continue;
            }
            let was_there =
                self.with_session(now, to.into(), |session, around| session.handle_letter(around, letter));
            self.counters.letters_lost += u64::from(!was_there);
        }
    }

    /// Gives frames to the link until there is none, or no room; true when users were told something by it.
    fn send(&mut self, now: Now) -> bool {
        if self.end.is_some() {
            return false;
        }
        loop {
            if !self.is_stalled && !self.stack.poll_transmit(now.mono, &mut self.frame) {
                return self.stack.has_events();
            }
            match self.link.send(now.mono, &self.frame) {
                Sent::Done => self.is_stalled = false,
                Sent::Full => {
                    self.is_stalled = true;
                    return false;
                }
                Sent::Gone(error) => {
                    self.end = Some(End::LinkGone(error));
                    return false;
                }
            }
        }
    }

    fn handle_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Accepted { id, .. } => {
                let session = Session::new(now.mono, id, &mut self.stack, self.config.http);
                if self.sessions.len() <= id.index() {
                    self.sessions.resize_with(id.index() + 1, || None);
                }
                self.sessions[id.index()] = Some(session);
                self.live += 1;
                self.with_session(now, id, Session::advance);
            }
            Event::Readable(id) | Event::Writable(id) => {
                self.with_session(now, id, Session::advance);
            }
            Event::Alarm(id) => {
                self.with_session(now, id, Session::handle_alarm);
            }
            Event::Closed(id, cause) => {
                self.with_session(now, id, |session, around| {
                    session.handle_closed(around, &cause.to_string())
                });
            }
            Event::Connected(_) | Event::Urgent(_) | Event::Trouble(_) => {}
            Event::Host(Trouble::AddressTaken(mac)) => self.end = Some(End::AddressTaken(mac)),
            Event::Host(Trouble::AddressContested(mac)) => {
                log::warn!("{mac} uses our address {} too; it is defended", self.config.stack.subnet.address);
            }
        }
    }

    /// Calls a session, if it still is there; says whether it was.
    fn with_session(
        &mut self,
        now: Now,
        id: ConnId,
        f: impl FnOnce(&mut Session, &mut Surroundings<'_>) -> Next,
    ) -> bool {
        let Some(slot) = self.sessions.get_mut(id.index()) else { return false };
        let Some(session) = slot.as_mut().filter(|s| s.id() == id) else { return false };
        let mut around = Surroundings {
            now,
            date: &mut self.date,
            stack: &mut self.stack,
            handler: &mut *self.handler,
            counters: &mut self.counters,
            codecs: &mut self.codecs,
            quota: &self.quota,
            jobs: &mut self.jobs,
            post: &self.post,
        };
        if f(session, &mut around) == Next::Gone {
            *slot = None;
            self.live -= 1;
        }
        true
    }
}

impl<D: Link> Shard<Instrumented<D>> {
    /// What a caller at the control socket sees.
    pub fn house(&mut self, now: Instant) -> House<'_, D> {
        let vitals = Snapshot { stack: &self.stack, gathered: self.quota.used(), serve: &self.counters };
        House { now, vitals, link: &mut self.link }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arp::ProbeMode;
    use crate::frame::{Medium, Properties};
    use crate::http::{Outcome, Request, Response};

    const PROPERTIES: Properties = Properties { medium: Medium::Ethernet { fcs: false }, mtu: 1500 };

    /// An interface that is down.
    struct Down;

    impl Link for Down {
        fn properties(&self) -> Properties {
            PROPERTIES
        }
        fn recv(&mut self, _: Instant, _: &mut [u8]) -> Received {
            Received::Nothing
        }
        fn send(&mut self, _: Instant, _: &Frame) -> Sent {
            Sent::Full
        }
    }

    struct Nobody;

    impl Handler for Nobody {
        fn handle_request(&mut self, _: &Request<'_>) -> Outcome {
            Outcome::Respond(Response::text(200, ""))
        }
    }

    #[test]
    fn a_link_that_takes_nothing_is_not_asked_without_a_pause() {
        let config = Config {
            stack: stack::Config {
                link: PROPERTIES,
                mac: Mac([2, 0, 0, 0, 0, 2]),
                subnet: "192.0.2.2/24".parse().unwrap(),
                gateway: None,
                probe: ProbeMode::Quick,
                max_connections: 10,
                memory: limits::TCP_MEMORY,
            },
            port: 80,
            listen: ListenConfig::default(),
            http: Limits::default(),
            memory: limits::GATHERED_BYTES,
        };
        let mut shard = Shard::new(Down, config, Box::new(Nobody), &Seed::from_u64(1), Instant::ZERO);
        let mut now = Instant::ZERO;
        let mut turns = 0;
        while now < Instant::ZERO + Duration::from_secs(1) && turns < 1000 {
            shard.turn(Now { mono: now, wall: 0 });
            now = shard.poll_timeout().expect("there is a probe to send");
            turns += 1;
        }
        assert!(turns <= 101, "{turns}");
    }
}
