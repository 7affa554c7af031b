//! Socket options, `fcntl` and `ioctl`.

use std::os::fd::RawFd;

use taphouse::stack::Stack;
use taphouse::tcp;
use taphouse::time::{Duration, Instant};

use crate::host::Host;
use crate::settings::Settings;
use crate::socket::{Connection, Kind, Outcome};

/// What the options of a socket say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) reuses_address: bool,
    pub(crate) is_corked: bool,
    /// SO_LINGER, when on: seconds.
    pub(crate) linger: Option<i32>,
    pub(crate) send_buffer: usize,
    /// TCP_NOTSENT_LOWAT.
    pub(crate) unsent_low_water: Option<usize>,
    /// Whether `recvmsg` tells how much more there is: TCP_INQ.
    pub(crate) tells_unread: bool,
    /// SO_RCVTIMEO and SO_SNDTIMEO.
    pub(crate) receive_timeout: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
    receive_buffer: usize,
    quick_acks: u8,
    /// SO_RCVBUF as it is told.
    receive_buffer_told: usize,
    has_no_delay: bool,
    keeps_alive: bool,
    keep_idle: i32,
    keep_interval: i32,
    keep_count: i32,
    /// TCP_USER_TIMEOUT in milliseconds; 0 when the stack chooses.
    user_timeout: i32,
    max_segment: i32,
    low_water: i32,
}

/// An MSS that no link has brought about yet: RFC 9293 3.7.1.
const DEFAULT_MSS: i32 = 536;

impl Options {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            reuses_address: false,
            is_corked: false,
            linger: None,
            send_buffer: settings.send_buffer,
            unsent_low_water: None,
            tells_unread: false,
            receive_timeout: None,
            send_timeout: None,
            receive_buffer: settings.receive_buffer,
            quick_acks: settings.quick_acks,
            receive_buffer_told: settings.receive_buffer,
            has_no_delay: false,
            keeps_alive: false,
            keep_idle: 7200,
            keep_interval: 75,
            keep_count: 9,
            user_timeout: 0,
            max_segment: DEFAULT_MSS,
            low_water: 1,
        }
    }

    /// What an accepted socket does not inherit.
    pub(crate) fn handle_accepted(&mut self) {
        (self.receive_timeout, self.send_timeout) = (None, None);
    }

    /// How a connection of this socket behaves.
    pub(crate) fn to_config(self) -> tcp::Config {
        let default = tcp::Config::default();
        tcp::Config {
            nagle: !self.has_no_delay,
            keep_alive: self.keep_alive(),
            user_timeout: self.user_timeout().unwrap_or(default.user_timeout),
            send_buffer: self.send_buffer,
            receive_buffer: self.receive_buffer,
            // Who sets a size has that one.
            buffer_start: usize::MAX,
            quick_acks: self.quick_acks,
            // As Linux is without a queueing discipline that paces.
            pacing: false,
            ..default
        }
    }

    fn keep_alive(&self) -> Option<Duration> {
        self.keeps_alive.then(|| Duration::from_secs(self.keep_idle as u64))
    }

    fn user_timeout(&self) -> Option<Duration> {
        (self.user_timeout > 0).then(|| Duration::from_millis(self.user_timeout as u64))
    }

    /// Takes an option that is a number.
    fn set(&mut self, level: i32, name: i32, value: i32) -> Outcome<()> {
        let positive = || if value > 0 { Ok(value) } else { Err(libc::EINVAL) };
        match (level, name) {
            (libc::SOL_SOCKET, libc::SO_REUSEADDR | libc::SO_REUSEPORT) => self.reuses_address = value != 0,
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => self.keeps_alive = value != 0,
            (libc::SOL_SOCKET, libc::SO_RCVLOWAT) => self.low_water = value.max(1),
            // socket(7): the kernel keeps twice of what it is told, and half of that is for itself.
            (libc::SOL_SOCKET, libc::SO_RCVBUF) => {
                self.receive_buffer = value.max(1152) as usize;
                self.receive_buffer_told = self.receive_buffer * 2;
            }
            (libc::SOL_SOCKET, libc::SO_SNDBUF) => self.send_buffer = value.max(2304) as usize * 2,
            (libc::SOL_SOCKET, libc::SO_ERROR | libc::SO_TYPE | libc::SO_ACCEPTCONN) => {
                return Err(libc::ENOPROTOOPT);
            }
            (libc::IPPROTO_TCP, libc::TCP_NODELAY) => self.has_no_delay = value != 0,
            (libc::IPPROTO_TCP, libc::TCP_CORK) => self.is_corked = value != 0,
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => self.keep_idle = positive()?,
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => self.keep_interval = positive()?,
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => self.keep_count = positive()?,
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => self.max_segment = value,
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) if value < 0 => return Err(libc::EINVAL),
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => self.user_timeout = value,
            (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT) => {
                self.unsent_low_water = usize::try_from(value).ok().filter(|low| *low > 0);
            }
            (libc::IPPROTO_TCP, TCP_INQ) => self.tells_unread = value != 0,
            // The others have nothing to act on.
            (libc::SOL_SOCKET | libc::IPPROTO_TCP | libc::IPPROTO_IP, _) => {}
            _ => return Err(libc::ENOPROTOOPT),
        }
        Ok(())
    }

    /// An option that is a number.
    fn number(&self, level: i32, name: i32) -> Outcome<i32> {
        let size = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        Ok(match (level, name) {
            (libc::SOL_SOCKET, libc::SO_REUSEADDR | libc::SO_REUSEPORT) => i32::from(self.reuses_address),
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => i32::from(self.keeps_alive),
            (libc::SOL_SOCKET, libc::SO_RCVLOWAT) => self.low_water,
            (libc::SOL_SOCKET, libc::SO_RCVBUF) => size(self.receive_buffer_told),
            (libc::SOL_SOCKET, libc::SO_SNDBUF) => size(self.send_buffer),
            (libc::SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_STREAM,
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => libc::IPPROTO_TCP,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_INET,
            (libc::IPPROTO_TCP, libc::TCP_NODELAY) => i32::from(self.has_no_delay),
            (libc::IPPROTO_TCP, libc::TCP_CORK) => i32::from(self.is_corked),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => self.keep_idle,
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => self.keep_interval,
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => self.keep_count,
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => self.max_segment,
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => self.user_timeout,
            (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT) => self.unsent_low_water.map_or(0, size),
            (libc::IPPROTO_TCP, TCP_INQ) => i32::from(self.tells_unread),
            _ => return Err(libc::ENOPROTOOPT),
        })
    }
}

/// linux/tcp.h; its value is also the type of the control message.
pub(crate) const TCP_INQ: i32 = 36;

/// An option as C has it.
pub(crate) enum Value {
    Number(i32),
    Linger(libc::linger),
    Time(libc::timeval),
}

impl Host {
    pub(crate) fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &Value) -> Outcome<()> {
        let now = self.now;
        let socket = self.sockets.get_mut(&fd).ok_or(libc::EBADF)?;
        let options = &mut socket.options;
        match value {
            Value::Number(number) => options.set(level, name, *number)?,
            Value::Linger(linger) => options.linger = (linger.l_onoff != 0).then_some(linger.l_linger),
            Value::Time(time) => {
                let micros = time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
                let timeout = (micros > 0).then(|| Duration::from_micros(micros));
                match name {
                    libc::SO_RCVTIMEO => options.receive_timeout = timeout,
                    _ => options.send_timeout = timeout,
                }
            }
        }
        let options = *options;
        if let Kind::Connection(connection) = &mut socket.kind {
            let is_pushed = level == libc::IPPROTO_TCP
                && matches!(name, libc::TCP_CORK | libc::TCP_NODELAY)
                && (!options.is_corked || (name == libc::TCP_NODELAY && options.has_no_delay));
            if is_pushed {
                connection.flush(&mut self.stack);
            }
            connection.apply(&mut self.stack, &options, (level, name));
        } else if let Kind::Listener { port, .. } = socket.kind {
            let tcp = options.to_config();
            self.stack.listen(port, taphouse::stack::ListenConfig { tcp, ..Default::default() });
        }
        debug_assert!(self.now == now, "an option takes no time");
        Ok(())
    }

    pub(crate) fn option(&mut self, fd: RawFd, level: i32, name: i32) -> Outcome<Value> {
        let socket = self.sockets.get_mut(&fd).ok_or(libc::EBADF)?;
        let is_listening = matches!(socket.kind, Kind::Listener { .. });
        let mut connection = match &mut socket.kind {
            Kind::Connection(connection) => Some(connection),
            _ => None,
        };
        let time = |timeout: Option<Duration>| {
            let micros = timeout.map_or(0, Duration::as_micros) as i64;
            Value::Time(libc::timeval { tv_sec: micros / 1_000_000, tv_usec: micros % 1_000_000 })
        };
        Ok(match (level, name) {
            (libc::SOL_SOCKET, libc::SO_ERROR) => {
                let error = connection.as_mut().and_then(|connection| connection.take_error().err());
                Value::Number(error.unwrap_or(0))
            }
            (libc::SOL_SOCKET, libc::SO_ACCEPTCONN) => Value::Number(i32::from(is_listening)),
            (libc::SOL_SOCKET, libc::SO_LINGER) => Value::Linger(libc::linger {
                l_onoff: i32::from(socket.options.linger.is_some()),
                l_linger: socket.options.linger.unwrap_or(0),
            }),
            (libc::SOL_SOCKET, libc::SO_RCVTIMEO) => time(socket.options.receive_timeout),
            (libc::SOL_SOCKET, libc::SO_SNDTIMEO) => time(socket.options.send_timeout),
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) if connection.is_some() => {
                let report = connection.and_then(|connection| self.stack.info(connection.id));
                Value::Number(report.map_or(DEFAULT_MSS, |report| i32::from(report.mss)))
            }
            _ => Value::Number(socket.options.number(level, name)?),
        })
    }

    /// When a call that takes from this descriptor gives up.
    pub(crate) fn receive_deadline(&self, fd: RawFd) -> Option<Instant> {
        self.sockets.get(&fd)?.options.receive_timeout.map(|timeout| self.now + timeout)
    }

    /// When a call that gives to this descriptor gives up.
    pub(crate) fn send_deadline(&self, fd: RawFd) -> Option<Instant> {
        self.sockets.get(&fd)?.options.send_timeout.map(|timeout| self.now + timeout)
    }

    /// What TCP_INQ tells, where it is on: bytes unread, and one more for the end.
    pub(crate) fn unread_to_tell(&mut self, fd: RawFd) -> Option<i32> {
        let (connection, stack, mode) = self.connection(fd, libc::ENOTCONN).ok()?;
        let unread = i32::try_from(connection.readable(stack)).unwrap_or(i32::MAX);
        mode.options.tells_unread.then_some(if unread == 0 { i32::from(connection.is_done) } else { unread })
    }

    /// `fcntl`: the flags of the descriptor.
    pub(crate) fn control(&mut self, fd: RawFd, command: i32, argument: i32) -> Outcome<i32> {
        let socket = self.socket(fd)?;
        match command {
            libc::F_GETFL => Ok(libc::O_RDWR | if socket.is_nonblocking { libc::O_NONBLOCK } else { 0 }),
            libc::F_SETFL => {
                socket.is_nonblocking = argument & libc::O_NONBLOCK != 0;
                Ok(0)
            }
            libc::F_GETFD | libc::F_SETFD => Ok(0),
            _ => Err(libc::EINVAL),
        }
    }

    /// `ioctl`: how much waits, in or out.
    pub(crate) fn queued(&mut self, fd: RawFd, request: u64) -> Outcome<i32> {
        const SIOCOUTQNSD: u64 = 0x894b;
        let otherwise = if self.socket(fd).is_ok() { libc::EINVAL } else { libc::EBADF };
        let (connection, stack, _) = self.connection(fd, otherwise)?;
        let bytes = match request {
            libc::FIONREAD => connection.readable(stack),
            libc::TIOCOUTQ => stack.stream(connection.id).queued() + connection.held.len(),
            SIOCOUTQNSD => stack.stream(connection.id).unsent() + connection.held.len(),
            _ => return Err(libc::ENOTTY),
        };
        Ok(i32::try_from(bytes).unwrap_or(i32::MAX))
    }
}

impl Connection {
    /// Tells the stack of an option that it knows.
    fn apply(&self, stack: &mut Stack, options: &Options, option: (i32, i32)) {
        let mut stream = stack.stream(self.id);
        match option {
            (libc::IPPROTO_TCP, libc::TCP_NODELAY) => stream.set_nagle(!options.has_no_delay),
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) | (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => {
                stream.set_keep_alive(options.keep_alive());
            }
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => {
                let default = tcp::Config::default().user_timeout;
                stream.set_user_timeout(options.user_timeout().unwrap_or(default));
            }
            _ => {}
        }
    }
}
