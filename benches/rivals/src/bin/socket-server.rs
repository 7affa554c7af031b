//! The kernel's TCP as a contestant: HTTP on port 80 and echo on port 7 over plain sockets, one thread, epoll.
//!
//! As good as one would write it: non-blocking, level-triggered, reads and writes of up to 256 KB, bodies written
//! straight from one buffer that stays in the cache, TCP_NODELAY. What it does not do: tricks that a server which
//! looks at its data could not use (MSG_TRUNC), sendfile (nginx has that part), io_uring.
//!
//! `socket-server [--spin]`; it serves until it is ended.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use taphouse_rivals::http::{Date, Session};
use taphouse_rivals::options::Options;
use taphouse_rivals::sys::{self, Epoll, READ, WRITE};

const BUFFER: usize = 256 << 10;
const BACKLOG: i32 = 8192;
/// The tokens of the listeners; connections come behind them.
const LISTENERS: [u16; 2] = [80, 7];

enum Protocol {
    Http(Box<Session>),
    /// What was read and could not be written back yet.
    Echo(Vec<u8>),
}

struct Peer {
    stream: TcpStream,
    protocol: Protocol,
    /// Waits until it can be written.
    is_blocked: bool,
}

/// What became of a peer.
#[derive(PartialEq)]
enum Fate {
    Waits,
    Blocked,
    Ended,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_env(&["spin"], &[])?;
    let limit = options.has("spin").then_some(Duration::ZERO);
    sys::raise_open_files()?;
    let epoll = Epoll::new()?;
    let mut listeners = Vec::new();
    for (token, port) in LISTENERS.into_iter().enumerate() {
        let listener = sys::listen(port, BACKLOG)?;
        epoll.add(&listener, READ, token)?;
        listeners.push(listener);
    }
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut free = Vec::new();
    let (mut ready, mut buffer, mut date) = (Vec::new(), vec![0; BUFFER], Date::default());
    loop {
        epoll.wait(&mut ready, limit)?;
        date.refresh();
        for &(token, _) in &ready {
            if let Some(listener) = listeners.get(token) {
                accept(listener, LISTENERS[token], &epoll, &mut peers, &mut free);
                continue;
            }
            let at = token - LISTENERS.len();
            let Some(peer) = &mut peers[at] else { continue };
            let fate = match serve(peer, &mut buffer, &date) {
                Ok(fate) => fate,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Fate::Waits,
                Err(_) => Fate::Ended,
            };
            if fate == Fate::Ended {
                peers[at] = None;
                free.push(at);
            } else if peer.is_blocked != (fate == Fate::Blocked) {
                peer.is_blocked = fate == Fate::Blocked;
                // Who cannot write must not be read: that is how a slow reader is held back.
                epoll.change(&peer.stream, if peer.is_blocked { WRITE } else { READ }, token)?;
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    port: u16,
    epoll: &Epoll,
    peers: &mut Vec<Option<Peer>>,
    free: &mut Vec<usize>,
) {
    while let Ok((stream, _)) = listener.accept() {
        let at = free.pop().unwrap_or_else(|| {
            peers.push(None);
            peers.len() - 1
        });
        let protocol = match port {
            7 => Protocol::Echo(Vec::new()),
            _ => Protocol::Http(Box::new(Session::new("bsd-sock"))),
        };
        let is_set = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
        if is_set.and_then(|()| epoll.add(&stream, READ, at + LISTENERS.len())).is_ok() {
            peers[at] = Some(Peer { stream, protocol, is_blocked: false });
        } else {
            free.push(at);
        }
    }
}

fn serve(peer: &mut Peer, buffer: &mut [u8], date: &Date) -> std::io::Result<Fate> {
    match &mut peer.protocol {
        Protocol::Echo(held) => echo(&mut peer.stream, held, buffer),
        Protocol::Http(session) => http(&mut peer.stream, session, buffer, date),
    }
}

fn echo(stream: &mut TcpStream, held: &mut Vec<u8>, buffer: &mut [u8]) -> std::io::Result<Fate> {
    if held.is_empty() {
        let len = stream.read(buffer)?;
        if len == 0 {
            return Ok(Fate::Ended);
        }
        // The usual case: all of it fits.
        let sent = send(stream, &buffer[..len])?;
        held.extend_from_slice(&buffer[sent..len]);
    } else {
        let sent = send(stream, held)?;
        held.drain(..sent);
    }
    Ok(if held.is_empty() { Fate::Waits } else { Fate::Blocked })
}

fn http(
    stream: &mut TcpStream,
    session: &mut Session,
    buffer: &mut [u8],
    date: &Date,
) -> std::io::Result<Fate> {
    let bad = |_| std::io::Error::from(ErrorKind::InvalidData);
    let mut is_drained = false;
    loop {
        while !session.output().is_empty() {
            let wanted = session.output().len();
            let sent = send(stream, session.output())?;
            session.sent(sent);
            if sent < wanted {
                return Ok(Fate::Blocked);
            }
        }
        if session.is_finished() {
            return Ok(Fate::Ended);
        }
        // What was held back while a body was being sent comes first.
        session.handle_all(&[], date).map_err(bad)?;
        if !session.output().is_empty() {
            continue;
        }
        if is_drained {
            return Ok(Fate::Waits);
        }
        let len = stream.read(buffer)?;
        if len == 0 {
            return Ok(Fate::Ended);
        }
        // A short read has emptied the socket: no second one, only to be told so.
        is_drained = len < buffer.len();
        session.handle_all(&buffer[..len], date).map_err(bad)?;
    }
}

/// Writes once; nothing, if the socket is full.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
