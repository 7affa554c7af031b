//! HTTP/1.1 as far as the benchmark asks for it: the answers of `taphouse serve`, in heads of the same length.
//!
//! A [`Session`] knows no socket. Bytes go in, bytes to send come out; keep-alive and pipelining work, and while a
//! long body is being sent no further request is looked at. What is left out: chunked bodies, `Expect`, every limit
//! but the one on heads. A request that is none of ours ends the session.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::pattern;

/// Bodies of at most this many bytes leave together with their head, in one write.
const SMALL: u64 = 16 << 10;
/// Bytes of answers to be sent, beyond which no further request is looked at.
const WAITING: usize = 64 << 10;
/// Bytes of a request head.
const HEAD: usize = 64 << 10;

/// The text of the `Date` field, made anew each second.
#[derive(Debug)]
pub struct Date {
    second: u64,
    text: String,
}

impl Default for Date {
    fn default() -> Self {
        Self { second: 0, text: httpdate::fmt_http_date(UNIX_EPOCH) }
    }
}

impl Date {
    /// Called once a turn of the loop.
    pub fn refresh(&mut self) {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
        if second != self.second {
            self.second = second;
            self.text = httpdate::fmt_http_date(now);
        }
    }
}

/// A request that ends the session.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad;

#[derive(Debug)]
enum Route {
    Bytes(u64),
    Sink(u64),
    Hello,
}

#[derive(Debug)]
struct Request {
    route: Route,
    closes: bool,
}

/// One connection's HTTP.
#[derive(Debug)]
pub struct Session {
    /// The `Server` field: eight letters, as many as taphouse has.
    name: &'static str,
    /// The beginning of a head whose end has not come yet.
    held: Vec<u8>,
    /// Heads and small bodies, and how far they are sent.
    out: Vec<u8>,
    out_sent: usize,
    /// The long body behind them, and how much of it is left.
    body_at: u64,
    body_left: u64,
    /// The body that is coming in: bytes left, and of the whole.
    sink: Option<(u64, u64)>,
    closes: bool,
}

impl Session {
    /// A new one. `name` is what the `Server` field says.
    pub fn new(name: &'static str) -> Self {
        assert_eq!(name.len(), "taphouse".len(), "the heads have the same length");
        Self {
            name,
            held: Vec::new(),
            out: Vec::new(),
            out_sent: 0,
            body_at: 0,
            body_left: 0,
            sink: None,
            closes: false,
        }
    }

    /// Takes bytes from the peer and says how many were taken; the others must be handed in again once the output is
    /// sent. To be called without bytes, too, once the output is sent.
    ///
    /// # Errors
    /// [`Bad`].
    pub fn handle_input(&mut self, bytes: &[u8], date: &Date) -> Result<usize, Bad> {
        if self.held.is_empty() {
            return self.take(bytes, date);
        }
        if self.is_full() {
            return Ok(0);
        }
        if self.held.len() + bytes.len() > HEAD + WAITING {
            return Err(Bad);
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        let taken = self.take(&held, date)?;
        held.drain(..taken);
        // What `take` itself holds back is all that was left.
        if self.held.is_empty() {
            self.held = held;
        }
        Ok(bytes.len())
    }

    /// As [`handle_input`](Self::handle_input), but keeps what is not taken yet.
    ///
    /// # Errors
    /// [`Bad`].
    pub fn handle_all(&mut self, bytes: &[u8], date: &Date) -> Result<(), Bad> {
        let taken = self.handle_input(bytes, date)?;
        self.held.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], date: &Date) -> Result<usize, Bad> {
        let mut at = 0;
        loop {
            if let Some((left, whole)) = &mut self.sink {
                let len = (*left).min((bytes.len() - at) as u64);
                *left -= len;
                at += len as usize;
                if *left > 0 {
                    return Ok(at);
                }
                let body = format!("{{\"bytes\":{whole}}}\n");
                self.sink = None;
                self.head("application/json", body.len() as u64, date);
                self.out.extend_from_slice(body.as_bytes());
            }
            if self.is_full() || at == bytes.len() {
                return Ok(at);
            }
            let Some((request, len)) = parse(&bytes[at..])? else {
                if bytes.len() - at > HEAD {
                    return Err(Bad);
                }
                self.held = bytes[at..].to_vec();
                return Ok(bytes.len());
            };
            at += len;
            self.respond(&request, date);
        }
    }

    fn is_full(&self) -> bool {
        self.body_left > 0 || (self.closes && self.sink.is_none()) || self.out.len() > WAITING
    }

    fn respond(&mut self, request: &Request, date: &Date) {
        self.closes |= request.closes;
        match request.route {
            Route::Bytes(n) => {
                self.head("application/octet-stream", n, date);
                if n <= SMALL {
                    self.out.extend_from_slice(pattern::slice(0, n));
                } else {
                    (self.body_at, self.body_left) = (0, n);
                }
            }
            Route::Sink(n) => self.sink = Some((n, n)),
            Route::Hello => {
                self.head("text/plain; charset=utf-8", 13, date);
                self.out.extend_from_slice(b"Hello, world!");
            }
        }
    }

    fn head(&mut self, media_type: &str, len: u64, date: &Date) {
        let (name, date) = (self.name, &date.text);
        let close = if self.closes { "Connection: close\r\n" } else { "" };
        write!(
            self.out,
            "HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: {name}\r\nContent-Type: {media_type}\r\n\
             Content-Length: {len}\r\n{close}\r\n"
        )
        .expect("a vector takes what is written");
    }

    /// What is to be sent next; empty if there is nothing.
    pub fn output(&self) -> &[u8] {
        if self.out_sent < self.out.len() {
            &self.out[self.out_sent..]
        } else {
            pattern::slice(self.body_at, self.body_left)
        }
    }

    /// This much of the output is sent.
    pub fn sent(&mut self, len: usize) {
        if self.out_sent < self.out.len() {
            self.out_sent += len;
            if self.out_sent == self.out.len() {
                self.out.clear();
                self.out_sent = 0;
            }
        } else {
            self.body_at += len as u64;
            self.body_left -= len as u64;
        }
    }

    /// All is sent, and the connection ends now.
    pub fn is_finished(&self) -> bool {
        self.closes && self.sink.is_none() && self.output().is_empty()
    }
}

/// A request, and the bytes of its head, if it is whole.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Bad> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Bad),
    };
    let (mut body, mut closes) = (0, false);
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            body = number(field.value)?;
        } else if field.name.eq_ignore_ascii_case("connection") {
            closes = field.value.eq_ignore_ascii_case(b"close");
        }
    }
    let route = match (request.method, request.path) {
        (Some("GET"), Some("/hello")) => Route::Hello,
        (Some("GET"), Some(path)) => {
            Route::Bytes(number(path.strip_prefix("/bytes/").ok_or(Bad)?.as_bytes())?)
        }
        (Some("PUT"), Some("/sink")) => Route::Sink(body),
        _ => return Err(Bad),
    };
    Ok(Some((Request { route, closes }, len)))
}

fn number(text: &[u8]) -> Result<u64, Bad> {
    std::str::from_utf8(text).ok().and_then(|t| t.trim().parse().ok()).ok_or(Bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_output(session: &mut Session) -> Vec<u8> {
        let mut all = Vec::new();
        while !session.output().is_empty() {
            let len = session.output().len().min(1000);
            all.extend_from_slice(&session.output()[..len]);
            session.sent(len);
        }
        all
    }

    fn answers(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut session, date) = (Session::new("a-rival."), Date::default());
        let mut all = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let taken = session.handle_input(rest, &date).unwrap();
                rest = &rest[taken..];
                let output = all_output(&mut session);
                if output.is_empty() && taken == 0 {
                    break;
                }
                all.extend(output);
            }
            assert!(rest.is_empty());
        }
        all
    }

    #[test]
    fn it_does_not_matter_how_requests_are_cut() {
        let requests = b"GET /bytes/612 HTTP/1.1\r\nHost: x\r\n\r\nGET /bytes/100000 HTTP/1.1\r\nHost: x\r\n\r\n\
            PUT /sink HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdeGET /hello HTTP/1.1\r\nConnection: close\r\n\r\n";
        let whole = answers(&[requests]);
        assert_eq!(whole, answers(&requests.chunks(7).collect::<Vec<_>>()));
        assert_eq!(whole, answers(&requests.chunks(1).collect::<Vec<_>>()));
        assert!(whole.windows(11).any(|w| w == b"{\"bytes\":5}"));
        assert!(whole.ends_with(b"Connection: close\r\n\r\nHello, world!"));
    }

    #[test]
    fn what_is_no_request_of_ours_is_bad() {
        for text in [&b"GET /secret HTTP/1.1\r\n\r\n"[..], b"nonsense\r\n\r\n"] {
            assert_eq!(Session::new("a-rival.").handle_input(text, &Date::default()), Err(Bad));
        }
    }
}
