//! The house's own routes, made of what the library offers everybody.

pub mod accounts;
mod bodies;
pub mod entropy;
mod fields;
mod identity;
mod pages;
pub mod service;
pub mod store;
pub mod tables;
pub mod throttle;
pub mod tokens;

use std::sync::Arc;

use crate::fault::{self, Fault};
use crate::http::{Body, IntoOutcome as _, Origins, Outcome, Problem, Request, Response, Router, WebSocket};
use crate::limits;
use crate::ws::{Config, Message, Socket};
use accounts::{sessions, users};
use bodies::{Echo, Pattern, Sink};
use service::Service;

/// What of the routes can be chosen.
#[derive(Clone, Default)]
pub struct Choices {
    /// How `/ws/echo` behaves.
    pub socket: Config,
    /// The service behind `/users` and `/sessions`, which are not there without it.
    pub service: Option<Arc<Service>>,
}

/// The routes.
pub fn routes(choices: Choices) -> Router {
    let pattern = Pattern::default();
    let echo = WebSocket::default().config(choices.socket).origins(Origins::Any);
    let mut router = Router::new();
    pages::add(&mut router);
    router
        .get("/hello", |_| {
            assert!(!fault::is(Fault::HandlerPanics), "a seeded fault");
            Response::text(200, &b"Hello, world!"[..])
        })
        .get("/healthz", |_| Response::text(200, &b"ok\n"[..]))
        .get("/metrics", metrics)
        .get("/bytes/{n}", move |request| bytes(request, &pattern))
        .post("/echo", |request| Outcome::Read(Box::new(Echo::new(request))))
        .put("/sink", |request| Outcome::Read(Box::new(Sink::new(request))))
        .get("/ws/echo", move |request| echo.accept(request, say_back));
    if let Some(service) = &choices.service {
        add_service(&mut router, service);
    }
    router
}

fn add_service(router: &mut Router, service: &Arc<Service>) {
    let with = |handler: fn(&Arc<Service>, &Request<'_>) -> Outcome| {
        let service = Arc::clone(service);
        move |request: &Request<'_>| handler(&service, request)
    };
    router
        .post("/users", with(users::sign_up))
        .get("/users/{id}", with(|service, request| users::see(service, request).into_outcome()))
        .put("/users/{id}", with(|service, request| users::change(service, request).into_outcome()))
        .delete("/users/{id}", with(|service, request| users::delete(service, request).into_outcome()))
        .post("/sessions", with(sessions::sign_in))
        .post("/sessions/refresh", with(sessions::refresh))
        .delete("/sessions", with(|service, request| sessions::sign_out(service, request).into_outcome()))
        .get("/tables", with(|service, request| tables::list(service, request).into_outcome()))
        .get("/tables/{table_id}", with(|service, request| tables::show(service, request).into_outcome()))
        .get("/ws", with(|service, request| tables::sit_by_query(service, request).into_outcome()))
        .get(
            "/ws/{table_id}/{client_id}",
            with(|service, request| tables::sit_by_path(service, request).into_outcome()),
        );
}

/// `GET /bytes/{n}`: byte i is i mod 251.
fn bytes(request: &Request<'_>, pattern: &Pattern) -> Result<Response, Problem> {
    let n: u64 = request.parameter("n")?;
    if n > limits::GENERATED_BYTES {
        return Err(Problem::new(422, "the length is a whole number from 0 to 68719476736"));
    }
    Ok(Response::new(200, "application/octet-stream", pattern.body(n)))
}

fn say_back(socket: &mut Socket<'_>, message: Message) {
    // One who does not take his answers is not read, so they fit; one who closes wants none.
    let _ = socket.send(&message);
}

fn metrics(request: &Request<'_>) -> Response {
    Response::new(200, "text/plain; version=0.0.4; charset=utf-8", Body::Whole(request.metrics().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{BodySource, Piece};

    fn read_all(source: &mut dyn BodySource, room: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while let Piece::Chunk(piece) = source.poll_body(room) {
            assert!(!piece.is_empty() && piece.len() <= room);
            all.extend(piece);
        }
        all
    }

    #[test]
    fn generated_bytes_are_their_position_modulo_251() {
        let sizes =
            [(0, 10), (1, 1), (1000, 7), (65_536, 1), (65_537, 1000), (200_000, 65_536), (131_072, 1000)];
        for (n, room) in sizes {
            let all = match bodies::Pattern::default().body(n) {
                Body::Whole(bytes) => bytes.to_vec(),
                Body::Source(mut source) => read_all(&mut *source, room),
                _ => panic!("no body of another kind"),
            };
            assert_eq!(all.len() as u64, n);
            assert!(all.iter().enumerate().all(|(i, &b)| usize::from(b) == i % 251));
        }
    }
}
