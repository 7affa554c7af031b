//! The house's own routes. They know requests and responses, and nothing of what carries them.

mod bodies;
mod page;

use crate::fault::{self, Fault};
use crate::http::{Body, Handler, Method, Origins, Outcome, Request, Response, WebSocket};
use crate::limits;
use crate::ws::{Message, Socket};
use bodies::{Echo, Sink};

/// The routes.
#[derive(Debug)]
pub struct App {
    generated: bodies::Pattern,
    echo: WebSocket,
}

impl Default for App {
    fn default() -> Self {
        Self { generated: bodies::Pattern::default(), echo: WebSocket::default().origins(Origins::Any) }
    }
}

impl Handler for App {
    fn handle_request(&mut self, request: &Request<'_>) -> Outcome {
        assert!(!fault::is(Fault::HandlerPanics), "a seeded fault");
        match request.path {
            "/" => get(request, || Response::new(200, "text/html; charset=utf-8", page::index())),
            "/hello" => get(request, || Response::text(200, &b"Hello, world!"[..])),
            "/healthz" => get(request, || Response::text(200, &b"ok\n"[..])),
            "/metrics" => get(request, || metrics(request)),
            "/echo" => {
                only(request, Method::Post, "POST, OPTIONS", || Outcome::Read(Box::new(Echo::new(request))))
            }
            "/sink" => {
                only(request, Method::Put, "PUT, OPTIONS", || Outcome::Read(Box::new(Sink::new(request))))
            }
            "/ws/echo" => match request.method {
                Method::Get => self.echo.accept(request, |socket: &mut Socket<'_>, message: Message| {
                    // One who does not take his answers is not read, so they fit; one who closes wants none.
                    let _ = socket.send(&message);
                }),
                method => Outcome::Respond(not_this_method(method, "GET, OPTIONS")),
            },
            "*" => Outcome::Respond(no_content("GET, HEAD, POST, PUT, OPTIONS")),
            path => match path.strip_prefix("/bytes/") {
                Some(n) => get(request, || self.bytes(n)),
                None => Outcome::Respond(Response::problem(404, "there is nothing at this path")),
            },
        }
    }
}

impl App {
    /// `GET /bytes/{n}`: byte i is i mod 251.
    fn bytes(&self, n: &str) -> Response {
        let number = Some(n).filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        match number.and_then(|n| n.parse().ok()).filter(|&n: &u64| n <= limits::GENERATED_BYTES) {
            Some(n) => Response::new(200, "application/octet-stream", self.generated.body(n)),
            None => Response::problem(422, "the length is a whole number from 0 to 68719476736"),
        }
    }
}

fn get(request: &Request<'_>, respond: impl FnOnce() -> Response) -> Outcome {
    match request.method {
        Method::Get | Method::Head => Outcome::Respond(respond()),
        method => Outcome::Respond(not_this_method(method, "GET, HEAD, OPTIONS")),
    }
}

fn only(
    request: &Request<'_>,
    method: Method,
    allow: &'static str,
    then: impl FnOnce() -> Outcome,
) -> Outcome {
    if request.method == method { then() } else { Outcome::Respond(not_this_method(request.method, allow)) }
}

/// RFC 9110 9.3.7 and 15.5.6.
fn not_this_method(method: Method, allow: &'static str) -> Response {
    if method == Method::Options {
        return no_content(allow);
    }
    Response::problem(405, "this path has no such method").with("Allow", allow)
}

fn no_content(allow: &'static str) -> Response {
    Response {
        status: crate::http::Status(204),
        content_type: None,
        fields: vec![("Allow", allow.into())],
        body: Body::Empty,
    }
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

    #[test]
    fn lengths_are_checked() {
        let app = App::default();
        for (n, status) in [
            ("0", 200),
            ("68719476736", 200),
            ("68719476737", 422),
            ("-1", 422),
            ("", 422),
            ("x", 422),
            ("99999999999999999999", 422),
        ] {
            assert_eq!(app.bytes(n).status.0, status, "{n}");
        }
    }
}
