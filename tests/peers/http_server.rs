//! The house's end of a wire: the HTTP machine with its routes, and what a session does for it.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use taphouse::fate::Fate;
use taphouse::http::{Connection, Date, House, Job, Limits, Scope, Ticket, Upgrade, Wake};
use taphouse::mail::{Address, Carrier, Line, Undelivered};
use taphouse::quota::Quota;
use taphouse::time::{Duration, Instant, Now};

use crate::dice::Dice;
use crate::routes::{PIECE, Routes};
use crate::wire::{End, Found};

/// What is around a connection: nobody but who wakes it.
struct Around(Arc<Bell>);

#[derive(Default)]
struct Bell(AtomicBool);

impl Carrier<Wake> for Bell {
    fn carry(&self, _: Address, _: Wake) -> Result<(), Undelivered> {
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl House for Around {
    fn peer(&self) -> SocketAddrV4 {
        SocketAddrV4::new([192, 0, 2, 1].into(), 50_000)
    }

    fn write_metrics(&self, out: &mut String) {
        out.push_str("none 0\n");
    }

    fn wake_line(&self) -> Line<Wake> {
        let bell: Arc<Bell> = Arc::clone(&self.0);
        Line::new(Address { slot: 0, generation: 0 }, bell)
    }
}

/// A server.
pub(crate) struct Server {
    end: End,
    http: Connection,
    routes: Routes,
    around: Around,
    date: Date,
    now: Now,
    quota: Quota,
    job: Option<(Ticket, Job)>,
    carry: Bytes,
    has_heard_end: bool,
    dice: Dice,
}

impl Server {
    pub(crate) fn new(end: End, dice: Dice) -> Self {
        let now = Now { mono: Instant::ZERO, wall: 784_111_777 };
        Self {
            end,
            http: Connection::new(now.mono, Limits::default()),
            routes: Routes::default(),
            around: Around(Arc::default()),
            date: Date::default(),
            now,
            quota: Quota::new(usize::MAX),
            job: None,
            carry: Bytes::new(),
            has_heard_end: false,
            dice,
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Connection, &mut Scope<'_>) -> T) -> T {
        let Self { http, routes, around, date, now, quota, .. } = self;
        f(http, &mut Scope { now: *now, date, handler: routes, house: around, quota })
    }

    /// Does some of what can be done now.
    pub(crate) fn step(&mut self) {
        self.now.mono += Duration::from_nanos(100);
        if self.http.wants_input() {
            match self.end.receive(usize::MAX) {
                Found::Bytes(bytes) => self.with(|http, scope| http.handle_input(scope, bytes.into())),
                Found::End if !std::mem::replace(&mut self.has_heard_end, true) => {
                    self.with(|http, scope| http.handle_end(scope));
                }
                Found::End | Found::Nothing => {}
            }
        }
        if self.around.0.0.swap(false, Ordering::Relaxed) {
            self.with(|http, scope| http.handle_wake(scope));
        }
        self.job = self.job.take().or_else(|| self.http.poll_job());
        if self.dice.one_in(3)
            && let Some((ticket, job)) = self.job.take()
        {
            self.with(|http, scope| http.handle_job(scope, ticket, job.run()));
        }
        self.write();
        if self.carry.is_empty() && self.http.fate() != Fate::Open && !self.http.has_output() {
            self.end.finish();
            // A session reads on for a while, so that no RST overtakes its answer.
            let _ = self.end.receive(usize::MAX);
        }
    }

    fn write(&mut self) {
        if self.carry.is_empty() {
            let room = PIECE + self.dice.magnitude(100_000);
            let output = self.with(|http, scope| http.poll_output(scope, room));
            assert!(output.as_ref().is_none_or(|bytes| !bytes.is_empty()), "output is never empty");
            self.carry = output.unwrap_or_default();
        }
        if !self.carry.is_empty() {
            let taken = self.end.give(&self.carry);
            let _ = self.carry.split_to(taken);
        }
    }

    pub(crate) fn fate(&self) -> Fate {
        self.http.fate()
    }

    /// What has become of it if that is a WebSocket, and what of that has come already.
    pub(crate) fn take_upgrade(&mut self) -> Option<(Upgrade, Bytes)> {
        if self.carry.is_empty() { self.http.take_upgrade() } else { None }
    }
}
