//! The calls to the kernel that std does not have: epoll, connecting without waiting, what a socket says of itself.

#![expect(unsafe_code, reason = "calls to the kernel")]

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// To be told when a descriptor can be read.
pub const READ: u32 = libc::EPOLLIN as u32;
/// To be told when a descriptor can be written.
pub const WRITE: u32 = libc::EPOLLOUT as u32;

/// Many descriptors to wait for, each with a number of one's own.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    /// None yet.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call touches no memory of ours, and what it gives is a new descriptor that nobody else owns.
        unsafe {
            let fd = check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            Ok(Self { fd: OwnedFd::from_raw_fd(fd) })
        }
    }

    /// Waits for this one as well. A closed descriptor leaves by itself.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn add(&self, fd: &impl AsRawFd, interest: u32, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), interest, token)
    }

    /// Waits for something else of it.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn change(&self, fd: &impl AsRawFd, interest: u32, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_raw_fd(), interest, token)
    }

    fn control(&self, what: i32, fd: RawFd, interest: u32, token: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: token as u64 };
        // SAFETY: the kernel reads `event` during the call alone.
        unsafe { check(libc::epoll_ctl(self.fd.as_raw_fd(), what, fd, &raw mut event)) }.map(drop)
    }

    /// Fills `ready` with the numbers of those that can be served, and whether they can be read and written. An error
    /// or a hang-up counts as both: the next call tells. Without a limit it waits for ever.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn wait(&self, ready: &mut Vec<(usize, u32)>, limit: Option<Duration>) -> io::Result<()> {
        const AT_ONCE: usize = 512;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; AT_ONCE];
        ready.clear();
        // SAFETY: `events` has room for as many as it is said to have.
        let count = unsafe {
            libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), AT_ONCE as i32, milliseconds(limit))
        };
        let count = match check(count) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => other?,
        };
        const ENDED: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
        ready.extend(events.iter().take(count as usize).map(|event| {
            let flags = event.events;
            (event.u64 as usize, if flags & ENDED == 0 { flags } else { flags | READ | WRITE })
        }));
        Ok(())
    }
}

/// Waits until the descriptor can be read, or for the time.
///
/// # Errors
/// As the kernel says.
pub fn wait_readable(fd: &impl AsRawFd, limit: Option<Duration>) -> io::Result<()> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: there is one entry, as it is said.
    match unsafe { check(libc::poll(&raw mut entry, 1, milliseconds(limit))) } {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        other => other.map(drop),
    }
}

/// Rounded up, so that nobody wakes too early and spins; -1 is for ever.
fn milliseconds(limit: Option<Duration>) -> i32 {
    limit.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX))
}

/// A connection that is on its way: writable once it is there. `from` is the address to come from.
///
/// # Errors
/// As the kernel says.
pub fn connect(from: Option<Ipv4Addr>, to: SocketAddrV4) -> io::Result<TcpStream> {
    // SAFETY: the descriptor is new and owned by the stream from the next line on; the addresses are read during
    // the calls alone, with the length that they have.
    unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = check(libc::socket(libc::AF_INET, kind, 0))?;
        let stream = TcpStream::from_raw_fd(fd);
        if let Some(from) = from {
            // The port is chosen at the connect, where it need be free for this peer alone.
            set_option(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
            let address = sockaddr(SocketAddrV4::new(from, 0));
            check(libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as u32))?;
        }
        let address = sockaddr(to);
        match check(libc::connect(fd, (&raw const address).cast(), size_of_val(&address) as u32)) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// A listener that does not wait, with room for `backlog` connections that nobody has taken yet.
///
/// # Errors
/// As the kernel says.
pub fn listen(port: u16, backlog: i32) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    listener.set_nonblocking(true)?;
    // SAFETY: touches no memory; listening again changes the backlog.
    unsafe { check(libc::listen(listener.as_raw_fd(), backlog)) }?;
    Ok(listener)
}

/// The congestion control of a socket, as the kernel names it.
///
/// # Errors
/// As the kernel says.
pub fn congestion(socket: &impl AsRawFd) -> io::Result<String> {
    let mut name = [0_u8; 16];
    let mut len = name.len() as libc::socklen_t;
    // SAFETY: `name` has the room that `len` says.
    unsafe {
        let (level, option) = (libc::IPPROTO_TCP, libc::TCP_CONGESTION);
        check(libc::getsockopt(socket.as_raw_fd(), level, option, name.as_mut_ptr().cast(), &raw mut len))?;
    }
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    Ok(String::from_utf8_lossy(&name[..end]).into_owned())
}

/// Bytes written to a socket that its peer has not acknowledged.
///
/// # Errors
/// As the kernel says.
pub fn unacknowledged(socket: &impl AsRawFd) -> io::Result<u64> {
    let mut bytes = 0_i32;
    // SAFETY: SIOCOUTQ writes an int.
    unsafe { check(libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes)) }?;
    Ok(bytes.max(0) as u64)
}

/// As many descriptors as this process may have.
///
/// # Errors
/// As the kernel says.
pub fn raise_open_files() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls read and write `limit` alone.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)).map(drop)
    }
}

/// Attaches to a TAP with frames of up to 64 KB each way: a virtio header of 10 bytes stands before each, checksums
/// are left to the kernel, and TCP over IPv4 may be handed over in one piece.
///
/// # Errors
/// As the kernel says.
pub fn open_vnet_tap(name: &str) -> io::Result<OwnedFd> {
    const TUN_F_CSUM: libc::c_ulong = 1;
    const TUN_F_TSO4: libc::c_ulong = 2;
    const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
    const TUNSETOFFLOAD: libc::Ioctl = 0x4004_54d0;
    const TUNSETVNETHDRSZ: libc::Ioctl = 0x4004_54d8;
    // SAFETY: an ifreq is plain memory for which all zeros are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no name of an interface"));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: the descriptor is new and owned from the second line on; each request gets the argument that it is
    // documented to take: a pointer to an ifreq, a pointer to an int, a number.
    unsafe {
        let fd =
            check(libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC))?;
        let fd = OwnedFd::from_raw_fd(fd);
        check(libc::ioctl(fd.as_raw_fd(), TUNSETIFF, &raw mut request))?;
        let header = VNET_HEADER as i32;
        check(libc::ioctl(fd.as_raw_fd(), TUNSETVNETHDRSZ, &raw const header))?;
        check(libc::ioctl(fd.as_raw_fd(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4))?;
        Ok(fd)
    }
}

/// Bytes of the header before each frame of [`open_vnet_tap`].
pub const VNET_HEADER: usize = 10;

/// Reads once.
///
/// # Errors
/// As the kernel says.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer has the length that it is said to have.
    let len = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(len).map_err(|_| io::Error::last_os_error())
}

/// Writes once.
///
/// # Errors
/// As the kernel says.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer has the length that it is said to have.
    let len = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(len).map_err(|_| io::Error::last_os_error())
}

fn set_option(fd: RawFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the kernel reads `value` during the call alone.
    unsafe {
        check(libc::setsockopt(fd, level, option, (&raw const value).cast(), size_of::<i32>() as u32))
            .map(drop)
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
