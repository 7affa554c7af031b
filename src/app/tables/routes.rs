//! The ways to a table: sockets at `/ws`, and lists at `/tables`.

use std::sync::Arc;

use serde_json::json;

use super::journal::lock;
use super::message::{self, Person};
use super::seat::Seat;
use super::table::Unseated;
use super::{ClientId, TableId};
use crate::app::accounts::UserId;
use crate::app::identity::{Wants, bearer_protocol, unauthorized};
use crate::app::service::{Service, refused};
use crate::app::throttle::{Key, too_many};
use crate::app::tokens::Refusal;
use crate::fault::{self, Fault};
use crate::http::{Body, Job, Outcome, Problem, Request, Response};
use crate::limits;

/// The subprotocol that is spoken at tables; for browsers, which want one of those that they offer beside a token.
const PROTOCOL: &str = "taphouse";

/// `GET /ws/{table_id}/{client_id}`.
pub(in crate::app) fn sit_by_path(
    service: &Arc<Service>,
    request: &Request<'_>,
) -> Result<Outcome, Response> {
    let (table, client): (i64, i64) = request.parameter(["table_id", "client_id"])?;
    sit(service, request, TableId(table), ClientId(client))
}

/// `GET /ws?table_id=…&client_id=…`.
pub(in crate::app) fn sit_by_query(
    service: &Arc<Service>,
    request: &Request<'_>,
) -> Result<Outcome, Response> {
    let (table, client): (i64, i64) = request.query_parameter(["table_id", "client_id"])?;
    sit(service, request, TableId(table), ClientId(client))
}

fn sit(
    service: &Arc<Service>,
    request: &Request<'_>,
    table: TableId,
    client: ClientId,
) -> Result<Outcome, Response> {
    let since: Option<u64> = request.query_parameter("since")?;
    let handshake = service.socket.clone().protocols(spoken(request)).handshake(request)?;
    let claims = service.identify_guest(request, Wants::ToChange)?;
    let user = claims.as_ref().map(|claims| claims.sub);
    let nickname =
        claims.as_ref().map_or_else(|| format!("guest {client}"), |claims| claims.nickname.clone());
    let person = Person { client, user, nickname };
    let (now, address) = (request.now, *request.peer().ip());
    let mut seat = Seat::new(Arc::clone(service), claims, since, now);
    let service = Arc::clone(service);
    Ok(Outcome::Later(Job::new(move || {
        let store = &service.hall.store;
        let owner = store.owner(table, client).map_err(refused)?;
        if owner != user && (owner.is_some() || user.is_none()) && !fault::is(Fault::SeatsUnbound) {
            return Err(not_his(user));
        }
        if owner.is_none() && user.is_some() || service.hall.at_hand(table).is_none() {
            let key = user.map_or(Key::SeatsFrom(address), Key::SeatsOf);
            service.throttles.attempt(now.wall, &[key]).map_err(too_many)?;
        }
        // He sits down first: who is turned away has taken nothing.
        let place = service.hall.sit(table, &person, now.mono).map_err(refused)?.map_err(turned_away)?;
        seat.place(place);
        if let Some(user) = user
            && store.bind(table, client, user, now.wall).map_err(refused)? != user
            && !fault::is(Fault::SeatsUnbound)
        {
            return Err(not_his(Some(user)));
        }
        Ok(handshake.accept(seat))
    })))
}

/// A browser wants one of the subprotocols that it has offered. The one with the token is spoken only for want of
/// another, so that no answer repeats it.
fn spoken<'a>(request: &Request<'a>) -> Option<&'a str> {
    let names_ours = request.list("Sec-WebSocket-Protocol").any(|name| name == PROTOCOL.as_bytes());
    if names_ours { Some(PROTOCOL) } else { bearer_protocol(request) }
}

fn not_his(user: Option<UserId>) -> Response {
    match user {
        Some(_) => Problem::new(403, "this seat is another user's").into(),
        None => unauthorized(Refusal::Missing),
    }
}

fn turned_away(unseated: Unseated) -> Response {
    let (status, detail) = match unseated {
        Unseated::Occupied => (409, "somebody sits there; take another client_id"),
        Unseated::Barred => (403, "a moderator has removed you from this table for a while"),
        Unseated::Full | Unseated::Closed => (503, "this table is full"),
    };
    Problem::new(status, detail).into()
}

/// `GET /tables?after=…&limit=…`.
pub(in crate::app) fn list(service: &Arc<Service>, request: &Request<'_>) -> Result<Outcome, Response> {
    service.identify_guest(request, Wants::ToRead)?;
    let (after, limit): (Option<i64>, Option<u32>) = request.query_parameter(["after", "limit"])?;
    let limit = limit.map_or(limits::TABLES_LISTED, |limit| (limit as usize).clamp(1, limits::TABLES_LISTED));
    let service = Arc::clone(service);
    Ok(Outcome::Later(Job::new(move || {
        let page = service.hall.store.list(after.map(TableId), limit).map_err(refused)?;
        let next = page.last().filter(|_| page.len() == limit).map(|(id, _)| *id);
        let tables = page.into_iter().map(|(id, summary)| {
            let count = service.hall.at_hand(id).map_or(0, |table| lock(&table).count());
            json!({"table_id": id, "count": count, "seq": summary.seq, "last": message::time(summary.at)})
        });
        let tables: Vec<_> = tables.collect();
        let answer = json!({"tables": tables, "next": next});
        Ok::<_, Response>(Response::json(200, &answer).with("Cache-Control", "no-store"))
    })))
}

/// `GET /tables/{table_id}`: who is there, and what was said to all.
pub(in crate::app) fn show(service: &Arc<Service>, request: &Request<'_>) -> Result<Outcome, Response> {
    let id = TableId(request.parameter("table_id")?);
    service.identify_guest(request, Wants::ToRead)?;
    let (service, now) = (Arc::clone(service), request.now.mono);
    Ok(Outcome::Later(Job::new(move || {
        let table = service.hall.fetch(id, now).map_err(refused)?;
        let table = lock(&table);
        if !table.is_known() {
            return Err(Response::problem(404, "nobody has sat at this table"));
        }
        let head = json!({"table_id": id, "seq": table.last_kept(), "count": table.count(), "clients": table.people()});
        // What was said is JSON already.
        let mut text = head.to_string();
        text.pop();
        text += &format!(",\"messages\":[{}]}}\n", table.public_talk(limits::WELCOME_MESSAGES).join(","));
        Ok(Response::new(200, "application/json", Body::Whole(text.into())).with("Cache-Control", "no-store"))
    })))
}
