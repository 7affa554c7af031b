//! Opening, listening, connecting, closing.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

use taphouse::stack::{ConnectError, ListenConfig};
use taphouse::tcp::State;

use crate::host::Host;
use crate::options::Options;
use crate::socket::{Connection, Kind, Outcome, Phase, Socket};

/// A descriptor of the kernel's, which stands for a socket of ours and does nothing: packetdrill closes by itself what
/// a script left open.
fn token() -> Outcome<RawFd> {
    let file = std::fs::File::open("/dev/null").map_err(|e| e.raw_os_error().unwrap_or(libc::EMFILE))?;
    Ok(OwnedFd::from(file).into_raw_fd())
}

impl Host {
    pub(crate) fn open(&mut self, domain: i32, kind: i32, protocol: i32) -> Outcome<RawFd> {
        if domain != libc::AF_INET {
            return Err(libc::EAFNOSUPPORT);
        }
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        if kind & !flags != libc::SOCK_STREAM {
            return Err(libc::ESOCKTNOSUPPORT);
        }
        if protocol != 0 && protocol != libc::IPPROTO_TCP {
            return Err(libc::EPROTONOSUPPORT);
        }
        let is_nonblocking = kind & libc::SOCK_NONBLOCK != 0;
        let options = Options::new(&self.settings);
        self.insert(Socket::new(is_nonblocking, options, Kind::Idle))
    }

    pub(crate) fn open_epoll(&mut self) -> Outcome<RawFd> {
        let options = Options::new(&self.settings);
        self.insert(Socket::new(false, options, Kind::Epoll(BTreeMap::new())))
    }

    fn insert(&mut self, socket: Socket) -> Outcome<RawFd> {
        let fd = token()?;
        // packetdrill may have closed a descriptor behind our back.
        if self.sockets.contains_key(&fd) {
            self.forget(fd)?;
        }
        self.sockets.insert(fd, socket);
        Ok(fd)
    }

    pub(crate) fn bind(&mut self, fd: RawFd, address: SocketAddrV4) -> Outcome<()> {
        let local = self.settings.local;
        let port = if address.port() == 0 { self.free_port() } else { address.port() };
        let others = self.sockets.iter().filter(|(other, _)| **other != fd);
        let is_taken = others.map(|(_, socket)| socket).any(|socket| {
            let is_shared = socket.options.reuses_address && !self.is_listening(port);
            socket.bound.is_some_and(|bound| bound.port() == port) && !is_shared
        });
        let socket = self.socket(fd)?;
        if socket.bound.is_some() || !matches!(socket.kind, Kind::Idle) {
            return Err(libc::EINVAL);
        }
        if *address.ip() != local && *address.ip() != Ipv4Addr::UNSPECIFIED {
            return Err(libc::EADDRNOTAVAIL);
        }
        if is_taken {
            return Err(libc::EADDRINUSE);
        }
        socket.bound = Some(SocketAddrV4::new(local, port));
        Ok(())
    }

    pub(crate) fn listen(&mut self, fd: RawFd, backlog: i32) -> Outcome<()> {
        let free_port = self.free_port();
        let bound = self.socket(fd)?.bound.map_or(free_port, |bound| bound.port());
        let is_taken = self.is_listening(bound);
        let local = self.local(bound);
        let socket = self.socket(fd)?;
        match &socket.kind {
            Kind::Idle if is_taken => return Err(libc::EADDRINUSE),
            Kind::Idle => socket.kind = Kind::Listener { port: bound, waiting: VecDeque::new() },
            Kind::Listener { .. } => {}
            Kind::Connection(_) => return Err(libc::EINVAL),
            Kind::Epoll(_) => return Err(libc::ENOTSOCK),
        }
        socket.bound = Some(local);
        let tcp = socket.options.to_config();
        let backlog = usize::try_from(backlog).unwrap_or(usize::MAX).clamp(1, 4096);
        self.stack.listen(bound, ListenConfig { tcp, backlog, ..ListenConfig::default() });
        Ok(())
    }

    /// Whoever waits at a listener gets a descriptor; `None` while nobody does.
    pub(crate) fn accept(&mut self, fd: RawFd, flags: i32) -> Option<Outcome<(RawFd, SocketAddrV4)>> {
        let socket = match self.socket(fd) {
            Ok(socket) => socket,
            Err(error) => return Some(Err(error)),
        };
        let (is_nonblocking, mut options) = (socket.is_nonblocking, socket.options);
        let Kind::Listener { waiting, port } = &mut socket.kind else { return Some(Err(libc::EINVAL)) };
        let port = *port;
        let Some(connection) = waiting.pop_front() else {
            return is_nonblocking.then_some(Err(libc::EAGAIN));
        };
        options.handle_accepted();
        let (remote, local) = (connection.remote, self.local(port));
        let mut socket =
            Socket::new(flags & libc::SOCK_NONBLOCK != 0, options, Kind::Connection(Box::new(connection)));
        socket.bound = Some(local);
        Some(self.insert(socket).map(|fd| (fd, remote)))
    }

    /// Begins to connect, or asks how that goes; `None` while it goes on.
    pub(crate) fn connect(
        &mut self,
        fd: RawFd,
        remote: SocketAddrV4,
        is_begun: &mut bool,
    ) -> Option<Outcome<()>> {
        let socket = match self.socket(fd) {
            Ok(socket) => socket,
            Err(error) => return Some(Err(error)),
        };
        let is_nonblocking = socket.is_nonblocking;
        match &mut socket.kind {
            Kind::Connection(connection) => {
                let answer = connection.connected();
                let is_refused = answer.is_some_and(|answer| answer.is_err()) && connection.end.is_some();
                if is_refused && connection.phase == Phase::Connecting {
                    // The socket may try again.
                    let id = connection.id;
                    socket.kind = Kind::Idle;
                    self.stack.stream(id).release();
                }
                match answer {
                    None if is_nonblocking => {
                        Some(Err(if *is_begun { libc::EINPROGRESS } else { libc::EALREADY }))
                    }
                    answer => answer,
                }
            }
            Kind::Idle => {
                *is_begun = true;
                match self.begin_to_connect(fd, remote) {
                    Err(error) => Some(Err(error)),
                    Ok(()) if is_nonblocking => Some(Err(libc::EINPROGRESS)),
                    Ok(()) => None,
                }
            }
            Kind::Listener { .. } => Some(Err(libc::EISCONN)),
            Kind::Epoll(_) => Some(Err(libc::ENOTSOCK)),
        }
    }

    fn begin_to_connect(&mut self, fd: RawFd, remote: SocketAddrV4) -> Outcome<()> {
        let socket = self.socket(fd)?;
        let (bound, config) = (socket.bound, socket.options.to_config());
        let begun = match bound {
            Some(bound) => self.stack.connect_from(bound.port(), remote, config),
            None => self.stack.connect(remote, config),
        };
        let id = begun.map_err(|error| match error {
            ConnectError::BadAddress => libc::ENETUNREACH,
            ConnectError::TooMany | ConnectError::NoMemory => libc::ENOBUFS,
            ConnectError::NoPort | ConnectError::InUse => libc::EADDRNOTAVAIL,
        })?;
        let connection = Connection::new(id, remote, Phase::Connecting, State::SynSent);
        self.socket(fd)?.kind = Kind::Connection(Box::new(connection));
        Ok(())
    }

    pub(crate) fn shut_down(&mut self, fd: RawFd, how: i32) -> Outcome<()> {
        if !(libc::SHUT_RD..=libc::SHUT_RDWR).contains(&how) {
            return Err(libc::EINVAL);
        }
        let socket = self.socket(fd)?;
        if let Kind::Listener { port, .. } = socket.kind {
            if how != libc::SHUT_WR {
                self.stop_listening(fd, port)?;
            }
            return Ok(());
        }
        let (connection, stack, _) = self.connection(fd, libc::ENOTCONN)?;
        if connection.end.is_some() && connection.state == State::Closed {
            return Err(libc::ENOTCONN);
        }
        if how != libc::SHUT_WR {
            connection.is_read_shut = true;
            connection.edges.readable += 1;
        }
        if how != libc::SHUT_RD {
            connection.flush(stack);
            connection.is_write_shut = true;
            connection.edges.writable += 1;
            stack.stream(connection.id).shutdown();
        }
        Ok(())
    }

    fn stop_listening(&mut self, fd: RawFd, port: u16) -> Outcome<()> {
        let kind = std::mem::replace(&mut self.socket(fd)?.kind, Kind::Idle);
        self.stack.unlisten(port);
        if let Kind::Listener { waiting, .. } = kind {
            for connection in waiting {
                self.stack.stream(connection.id).abort();
            }
        }
        Ok(())
    }

    /// Lets go of a descriptor, and closes the token that stood for it.
    pub(crate) fn close(&mut self, fd: RawFd) -> Outcome<()> {
        if self.sockets.contains_key(&fd) {
            self.forget(fd)?;
        }
        // SAFETY: packetdrill asks for it; a descriptor that is none gives EBADF.
        if unsafe { libc::close(fd) } == 0 { Ok(()) } else { Err(libc::EBADF) }
    }

    fn forget(&mut self, fd: RawFd) -> Outcome<()> {
        if let Kind::Listener { port, .. } = self.socket(fd)?.kind {
            self.stop_listening(fd, port)?;
        }
        let Some(socket) = self.sockets.remove(&fd) else { return Err(libc::EBADF) };
        for socket in self.sockets.values_mut() {
            if let Kind::Epoll(interests) = &mut socket.kind {
                interests.remove(&fd);
            }
        }
        if let Kind::Connection(mut connection) = socket.kind {
            connection.flush(&mut self.stack);
            let stream = self.stack.stream(connection.id);
            // RFC 2525 2.17: unread data that is thrown away is no orderly end.
            let loses_data = !connection.unread.is_empty() && connection.end.is_none();
            if loses_data || socket.options.linger == Some(0) {
                stream.abort();
            } else {
                stream.release();
            }
        }
        Ok(())
    }
}

impl Connection {
    /// What `connect` says of a connection; `None` while the handshake goes on.
    fn connected(&mut self) -> Option<Outcome<()>> {
        match self.phase {
            Phase::Known => Some(Err(libc::EISCONN)),
            Phase::Connected => {
                self.phase = Phase::Known;
                Some(Ok(()))
            }
            Phase::Connecting if self.end.is_some() => {
                Some(Err(self.take_error().err().unwrap_or(libc::ECONNABORTED)))
            }
            Phase::Connecting => None,
        }
    }
}
