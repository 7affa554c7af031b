//! What the tests of this room share: a house with nobody in it, and whole exchanges in one call.

use std::cell::RefCell;
use std::net::SocketAddrV4;
use std::sync::Arc;

use bytes::Bytes;

use super::{Connection, Date, Entry, Handler, House, Limits, Scope, Wake};
use crate::mail::{Address, Carrier, Line, Undelivered};
use crate::quota::Quota;
use crate::time::{Instant, Now};

/// 1994-11-06 08:49:37, the example of RFC 9110 5.6.7.
pub(super) const NOW: Now = Now { mono: Instant::ZERO, wall: 784_111_777 };

/// A house with nobody in it.
pub(super) struct Alone;

impl House for Alone {
    fn peer(&self) -> SocketAddrV4 {
        SocketAddrV4::new([192, 0, 2, 1].into(), 50_000)
    }

    fn write_metrics(&self, _: &mut String) {}

    fn wake_line(&self) -> Line<Wake> {
        Line::new(Address { slot: 0, generation: 0 }, Arc::new(Self))
    }
}

impl Carrier<Wake> for Alone {
    fn carry(&self, _: Address, _: Wake) -> Result<(), Undelivered> {
        Ok(())
    }
}

/// A house that keeps an access log.
#[derive(Default)]
pub(super) struct Logbook(pub(super) RefCell<Vec<String>>);

impl House for Logbook {
    fn peer(&self) -> SocketAddrV4 {
        Alone.peer()
    }

    fn write_metrics(&self, _: &mut String) {}

    fn wake_line(&self) -> Line<Wake> {
        Alone.wake_line()
    }

    fn wants_access(&self) -> bool {
        true
    }

    fn handle_access(&self, entry: &Entry) {
        self.0.borrow_mut().push(entry.to_string());
    }
}

/// What a connection with this handler says to these bytes; jobs are done at once.
pub(super) fn exchange(handler: &mut dyn Handler, request: &str) -> String {
    exchange_in(&Alone, handler, request)
}

/// The same, in a house.
pub(super) fn exchange_in(house: &dyn House, handler: &mut dyn Handler, request: &str) -> String {
    let mut connection = Connection::new(NOW.mono, Limits::default());
    let mut date = Date::default();
    let quota = Quota::default();
    let mut scope = Scope { now: NOW, date: &mut date, handler, house, quota: &quota };
    connection.handle_input(&mut scope, Bytes::copy_from_slice(request.as_bytes()));
    while let Some((ticket, job)) = connection.poll_job() {
        connection.handle_job(&mut scope, ticket, job.run());
    }
    let mut output = Vec::new();
    while let Some(bytes) = connection.poll_output(&mut scope, 1000) {
        output.extend(bytes);
    }
    String::from_utf8(output).expect("the tests speak UTF-8")
}
