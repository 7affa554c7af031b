//! What a session speaks: HTTP, until a request makes it a WebSocket.
//!
//! A panic of whoever stands behind it ends this connection and no other. What it says is not logged here; a program
//! that embeds the house has a panic hook of its own, which may say more.

use std::net::SocketAddrV4;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use super::jobs::Work;
use super::post::{Letter, Post};
use super::seat::Seat;
use super::session::Surroundings;
use super::vitals::Snapshot;
use crate::fate::Fate;
use crate::fault::{self, Fault};
use crate::http::{Connection, Entry, House, Limits, Outcome, Response, Scope, Wake};
use crate::mail::{Address, Line};
use crate::time::Instant;
use crate::ws::{self, Code, Role, Sender};

/// The target of the access log's lines.
const ACCESS: &str = "access";

/// Who is at the other end, and where mail for this connection goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) remote: SocketAddrV4,
    pub(super) address: Address,
}

/// The protocol of a session.
pub(super) struct Protocol {
    peer: Peer,
    speaks: Speaks,
    requests: u64,
    /// The program stops.
    is_stopping: bool,
}

#[expect(clippy::large_enum_variant, reason = "nearly all sessions speak HTTP to their end")]
enum Speaks {
    Http(Connection),
    Ws(Box<Seat>),
}

impl Protocol {
    pub(super) fn new(now: Instant, peer: Peer, limits: Limits) -> Self {
        let speaks = Speaks::Http(Connection::new(now, limits));
        Self { peer, speaks, requests: 0, is_stopping: false }
    }

    /// Requests whose heads were taken, and messages that came.
    pub(super) fn taken(&self) -> (u64, u64) {
        match &self.speaks {
            Speaks::Http(http) => (http.requests(), 0),
            Speaks::Ws(seat) => (self.requests, seat.messages()),
        }
    }

    pub(super) fn wants_input(&self) -> bool {
        match &self.speaks {
            Speaks::Http(http) => http.wants_input(),
            Speaks::Ws(seat) => seat.wants_input(),
        }
    }

    pub(super) fn has_output(&self) -> bool {
        match &self.speaks {
            Speaks::Http(http) => http.has_output(),
            Speaks::Ws(seat) => seat.has_output(),
        }
    }

    pub(super) fn fate(&self) -> Fate {
        match &self.speaks {
            Speaks::Http(http) => http.fate(),
            Speaks::Ws(seat) => seat.fate(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.speaks {
            Speaks::Http(http) => http.poll_timeout(),
            Speaks::Ws(seat) => seat.poll_timeout(),
        }
    }

    pub(super) fn handle_input(&mut self, around: &mut Surroundings<'_>, bytes: Bytes) {
        self.with(around, |speaks, scope, seats| match speaks {
            Speaks::Http(http) => http.handle_input(scope, bytes),
            Speaks::Ws(seat) => seat.handle_input(seats, bytes),
        });
    }

    pub(super) fn handle_end(&mut self, around: &mut Surroundings<'_>) {
        self.with(around, |speaks, scope, seats| match speaks {
            Speaks::Http(http) => http.handle_end(scope),
            Speaks::Ws(seat) => seat.handle_end(seats),
        });
    }

    pub(super) fn handle_timeout(&mut self, around: &mut Surroundings<'_>) {
        self.with(around, |speaks, scope, seats| match speaks {
            Speaks::Http(http) => http.handle_timeout(scope),
            Speaks::Ws(seat) => seat.handle_timeout(seats),
        });
    }

    /// An answer is made elsewhere, and nothing is sent meanwhile.
    pub(super) fn is_pending(&self) -> bool {
        matches!(&self.speaks, Speaks::Http(http) if http.is_pending())
    }

    /// The peer has taken some of what was sent to it, and there is more.
    pub(super) fn handle_progress(&mut self, now: Instant) {
        if let Speaks::Ws(seat) = &mut self.speaks {
            seat.handle_progress(now);
        }
    }

    pub(super) fn handle_letter(&mut self, around: &mut Surroundings<'_>, letter: Letter) {
        self.with(around, |speaks, scope, seats| match (speaks, letter) {
            (Speaks::Http(http), Letter::Done(ticket, outcome)) => http.handle_job(scope, ticket, outcome),
            (Speaks::Http(http), Letter::Wake) => http.handle_wake(scope),
            (Speaks::Ws(seat), Letter::Parcel(parcel)) => seat.handle_parcel(seats, parcel),
            // It comes too late.
            _ => {}
        });
    }

    pub(super) fn poll_output(&mut self, around: &mut Surroundings<'_>, room: usize) -> Option<Bytes> {
        let output = self.with(around, |speaks, scope, seats| match speaks {
            Speaks::Http(http) => http.poll_output(scope, room),
            Speaks::Ws(seat) => seat.poll_output(seats),
        });
        if let Speaks::Ws(_) = self.speaks {
            // There may be room again for what was not read meanwhile. That is looked at apart from what was polled,
            // which a handler that panics must not lose.
            self.with(around, |speaks, _, seats| {
                if let Speaks::Ws(seat) = speaks {
                    seat.advance(seats);
                }
            });
        }
        output.flatten()
    }

    /// No more is wanted, beyond what is under way: the program stops.
    pub(super) fn stop(&mut self, around: &mut Surroundings<'_>) {
        self.is_stopping = true;
        match &mut self.speaks {
            Speaks::Http(http) => http.stop(),
            Speaks::Ws(_) if fault::is(Fault::QuietStop) => {}
            Speaks::Ws(seat) => seat.close(around.now, Code::GOING_AWAY, "the server stops"),
        }
    }

    /// The stream is gone, or about to be.
    pub(super) fn handle_gone(&mut self, around: &mut Surroundings<'_>) {
        self.with(around, |speaks, scope, seats| match speaks {
            Speaks::Http(http) => http.handle_gone(scope),
            Speaks::Ws(seat) => seat.handle_gone(seats),
        });
    }

    /// Does what HTTP has asked for: slow work, or another protocol. True when there may be more to do.
    pub(super) fn follow(&mut self, around: &mut Surroundings<'_>) -> bool {
        let Speaks::Http(http) = &mut self.speaks else { return false };
        if let Some((ticket, job)) = http.poll_job() {
            if !around.jobs.submit(Work { from: self.peer.address, ticket, job }) {
                let busy = Response::problem(503, "too much is being done already").with("Retry-After", "1");
                self.handle_letter(around, Letter::Done(ticket, Outcome::Respond(busy)));
                return true;
            }
            return false;
        }
        let Some((upgrade, early)) = http.take_upgrade() else { return false };
        self.requests = http.requests();
        let (config, agreement, handler) = upgrade.into_parts();
        let connection = ws::Connection::new(around.now.mono, Role::Server, config, agreement);
        let post: Arc<Post> = Arc::clone(around.post);
        let sender = Sender::new(Line::new(self.peer.address, post));
        self.speaks = Speaks::Ws(Box::new(Seat::new(connection, handler, sender)));
        let is_stopping = self.is_stopping;
        self.with(around, |speaks, scope, seats| {
            let Speaks::Ws(seat) = speaks else { return };
            seat.open(seats);
            if is_stopping {
                seat.close(scope.now, Code::GOING_AWAY, "the server stops");
            }
            if !early.is_empty() {
                seat.handle_input(seats, early);
            }
        });
        true
    }

    /// Runs the protocol. A panic of a handler ends this connection: with 500 or 1011 where that can still be said.
    fn with<T>(
        &mut self,
        around: &mut Surroundings<'_>,
        f: impl FnOnce(&mut Speaks, &mut Scope<'_>, &mut ws::Scope<'_>) -> T,
    ) -> Option<T> {
        let vitals =
            Snapshot { stack: &*around.stack, gathered: around.quota.used(), serve: &*around.counters };
        let house = Around { peer: self.peer, post: around.post, vitals };
        let mut scope = Scope {
            now: around.now,
            date: around.date,
            handler: around.handler,
            house: &house,
            quota: around.quota,
        };
        let speaks = &mut self.speaks;
        let mut seats = ws::Scope { now: around.now, codecs: around.codecs, quota: around.quota };
        match catch_unwind(AssertUnwindSafe(|| f(speaks, &mut scope, &mut seats))) {
            Ok(result) => Some(result),
            Err(_) => {
                match &mut self.speaks {
                    Speaks::Http(http) => http.fail(&mut scope),
                    Speaks::Ws(seat) => seat.close(around.now, Code::INTERNAL_ERROR, "the server failed"),
                }
                around.counters.panics += 1;
                log::error!("{}: a handler panicked; the connection is closed", self.peer.remote);
                None
            }
        }
    }
}

/// The house as a request sees it.
struct Around<'a> {
    peer: Peer,
    post: &'a Arc<Post>,
    vitals: Snapshot<'a>,
}

impl House for Around<'_> {
    fn peer(&self) -> SocketAddrV4 {
        self.peer.remote
    }

    fn write_metrics(&self, out: &mut String) {
        self.vitals.write_metrics(out);
    }

    fn wake_line(&self) -> Line<Wake> {
        let post: Arc<Post> = Arc::clone(self.post);
        Line::new(self.peer.address, post)
    }

    fn wants_access(&self) -> bool {
        log::log_enabled!(target: ACCESS, log::Level::Info)
    }

    fn handle_access(&self, entry: &Entry) {
        log::info!(target: ACCESS, "{} {entry}", self.peer.remote);
    }
}
