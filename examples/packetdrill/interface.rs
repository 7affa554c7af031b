//! packetdrill's table of C functions, and what stands in it: each reads its arguments, asks the host, and gives the
//! answer back as C has it, -1 and `errno` for an error.

use std::ffi::{c_int, c_long, c_longlong, c_uint, c_ulong, c_void};
use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use libc::{
    epoll_event, iovec, msghdr, nfds_t, pollfd, size_t, sockaddr, sockaddr_in, socklen_t, ssize_t, timeval,
};
use taphouse::time::{Duration, Instant};

use crate::host::Host;
use crate::memory::{self, gather, one, pieces, scatter};
use crate::options::{TCP_INQ, Value};
use crate::plug::Plug;
use crate::socket::Outcome;
use crate::transfer::Writing;

type User = *mut c_void;

macro_rules! table {
    ($($name:ident: ($($argument:ty),*) -> $result:ty;)*) => {
        /// `struct packetdrill_interface`, filled by the plug-in. No entry may be missing.
        #[repr(C)]
        pub struct Interface {
            userdata: User,
            free: unsafe extern "C" fn(User),
            $($name: unsafe extern "C" fn(User $(, $argument)*) -> $result,)*
        }

        impl Interface {
            /// The table over a [`Plug`] that was boxed.
            pub(crate) fn new(userdata: User) -> Self {
                Self { userdata, free, $($name,)* }
            }
        }
    };
}

// `fcntl` and `ioctl` are variadic in C; on the 64-bit Linux that packetdrill runs on, one fixed argument is the same.
table! {
    socket: (c_int, c_int, c_int) -> c_int;
    bind: (c_int, *const sockaddr, socklen_t) -> c_int;
    listen: (c_int, c_int) -> c_int;
    accept: (c_int, *mut sockaddr, *mut socklen_t) -> c_int;
    connect: (c_int, *const sockaddr, socklen_t) -> c_int;
    read: (c_int, *mut c_void, size_t) -> ssize_t;
    readv: (c_int, *const iovec, c_int) -> ssize_t;
    recv: (c_int, *mut c_void, size_t, c_int) -> ssize_t;
    recvfrom: (c_int, *mut c_void, size_t, c_int, *mut sockaddr, *mut socklen_t) -> ssize_t;
    recvmsg: (c_int, *mut msghdr, c_int) -> ssize_t;
    write: (c_int, *const c_void, size_t) -> ssize_t;
    writev: (c_int, *const iovec, c_int) -> ssize_t;
    send: (c_int, *const c_void, size_t, c_int) -> ssize_t;
    sendto: (c_int, *const c_void, size_t, c_int, *const sockaddr, socklen_t) -> ssize_t;
    sendmsg: (c_int, *const msghdr, c_int) -> ssize_t;
    fcntl: (c_int, c_int, c_long) -> c_int;
    ioctl: (c_int, c_ulong, *mut c_int) -> c_int;
    close: (c_int) -> c_int;
    shutdown: (c_int, c_int) -> c_int;
    getsockopt: (c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int;
    setsockopt: (c_int, c_int, c_int, *const c_void, socklen_t) -> c_int;
    poll: (*mut pollfd, nfds_t, c_int) -> c_int;
    netdev_send: (*const c_void, size_t) -> c_int;
    netdev_receive: (*mut c_void, *mut size_t, *mut c_longlong) -> c_int;
    usleep: (c_uint) -> c_int;
    gettimeofday: (*mut timeval, *mut c_void) -> c_int;
    epoll_create: (c_int) -> c_int;
    epoll_ctl: (c_int, c_int, c_int, *mut epoll_event) -> c_int;
    epoll_wait: (c_int, *mut epoll_event, c_int, c_int) -> c_int;
    pipe: (*mut c_int) -> c_int;
    splice: (c_int, *mut i64, c_int, *mut i64, size_t, c_uint) -> ssize_t;
}

/// The plug-in behind `userdata`.
fn plug<'a>(user: User) -> &'a Plug {
    // SAFETY: packetdrill gives back what it was given, until it calls `free`.
    unsafe { &*user.cast::<Plug>() }
}

/// -1 and `errno`, or the answer.
fn answer<T: TryInto<R>, R: From<i8>>(outcome: Outcome<T>) -> R {
    let errno = match outcome.map(TryInto::try_into) {
        Ok(Ok(value)) => return value,
        Ok(Err(_)) => libc::EOVERFLOW,
        Err(errno) => errno,
    };
    // SAFETY: the C library's own place for it, one for each thread.
    unsafe { *libc::__errno_location() = errno };
    R::from(-1)
}

fn done(outcome: Outcome<()>) -> c_int {
    answer(outcome.map(|()| 0))
}

fn address(pointer: *const sockaddr, len: socklen_t) -> Outcome<SocketAddrV4> {
    if (len as usize) < size_of::<sockaddr_in>() {
        return Err(libc::EINVAL);
    }
    let address: sockaddr_in = memory::read(pointer.cast())?;
    if i32::from(address.sin_family) != libc::AF_INET {
        return Err(libc::EAFNOSUPPORT);
    }
    let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
    Ok(SocketAddrV4::new(ip, u16::from_be(address.sin_port)))
}

fn tell_address(address: SocketAddrV4, pointer: *mut sockaddr, len: *mut socklen_t) -> Outcome<()> {
    if pointer.is_null() {
        return Ok(());
    }
    let room = memory::read(len)? as usize;
    let value = sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: a plain C value, which has no padding.
    let bytes: [u8; size_of::<sockaddr_in>()] = unsafe { std::mem::transmute(value) };
    scatter(&one(pointer.cast(), room), &bytes)?;
    memory::write(len, bytes.len() as socklen_t)
}

/// The deadline of a call that waits at most `timeout`.
fn within(timeout: Option<Duration>) -> impl FnOnce(&Host) -> Option<Instant> {
    move |host| timeout.map(|timeout| host.now + timeout)
}

/// `poll`'s timeout: negative is for ever.
fn milliseconds(timeout: c_int) -> Option<Duration> {
    u64::try_from(timeout).ok().map(Duration::from_millis)
}

unsafe extern "C" fn free(user: User) {
    // SAFETY: made by `packetdrill_interface_init`, and no longer used.
    drop(unsafe { Box::from_raw(user.cast::<Plug>()) });
}

// --- opening and closing -------------------------------------------------------------------------------

unsafe extern "C" fn socket(user: User, domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    answer(plug(user).now(|host| host.open(domain, kind, protocol)))
}

unsafe extern "C" fn bind(user: User, fd: c_int, to: *const sockaddr, len: socklen_t) -> c_int {
    done(address(to, len).and_then(|to| plug(user).now(|host| host.bind(fd, to))))
}

unsafe extern "C" fn listen(user: User, fd: c_int, backlog: c_int) -> c_int {
    done(plug(user).now(|host| host.listen(fd, backlog)))
}

unsafe extern "C" fn accept(user: User, fd: c_int, from: *mut sockaddr, len: *mut socklen_t) -> c_int {
    let accepted = plug(user)
        .wait(|host| host.receive_deadline(fd), |host| host.accept(fd, 0))
        .unwrap_or(Err(libc::EAGAIN));
    answer(accepted.and_then(|(fd, remote)| tell_address(remote, from, len).map(|()| fd)))
}

unsafe extern "C" fn connect(user: User, fd: c_int, to: *const sockaddr, len: socklen_t) -> c_int {
    let mut is_begun = false;
    let connected = address(to, len).and_then(|to| {
        plug(user)
            .wait(|host| host.send_deadline(fd), |host| host.connect(fd, to, &mut is_begun))
            .unwrap_or(Err(libc::EINPROGRESS))
    });
    done(connected)
}

unsafe extern "C" fn close(user: User, fd: c_int) -> c_int {
    done(plug(user).now(|host| host.close(fd)))
}

unsafe extern "C" fn shutdown(user: User, fd: c_int, how: c_int) -> c_int {
    done(plug(user).now(|host| host.shut_down(fd, how)))
}

// --- in ------------------------------------------------------------------------------------------------

fn take(user: User, fd: c_int, len: usize, flags: c_int) -> Outcome<Vec<u8>> {
    let mut data = Vec::new();
    let outcome =
        plug(user).wait(|host| host.receive_deadline(fd), |host| host.read(fd, len, flags, &mut data));
    match outcome {
        Some(outcome) => outcome.map(|()| data),
        None if data.is_empty() => Err(libc::EAGAIN),
        None => Ok(data),
    }
}

fn take_into(user: User, fd: c_int, to: &[iovec], flags: c_int) -> Outcome<usize> {
    // Memory that is not there must not cost data.
    scatter(to, &gather(to)?)?;
    take(user, fd, memory::len(to), flags).and_then(|data| scatter(to, &data))
}

unsafe extern "C" fn read(user: User, fd: c_int, to: *mut c_void, len: size_t) -> ssize_t {
    answer(take_into(user, fd, &one(to, len), 0))
}

unsafe extern "C" fn readv(user: User, fd: c_int, to: *const iovec, count: c_int) -> ssize_t {
    answer(pieces(to, count as usize).and_then(|to| take_into(user, fd, &to, 0)))
}

unsafe extern "C" fn recv(user: User, fd: c_int, to: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
    answer(take_into(user, fd, &one(to, len), flags))
}

unsafe extern "C" fn recvfrom(
    user: User,
    fd: c_int,
    to: *mut c_void,
    len: size_t,
    flags: c_int,
    _from: *mut sockaddr,
    from_len: *mut socklen_t,
) -> ssize_t {
    // tcp(7): a stream says nothing of where it comes from.
    if !from_len.is_null()
        && let Err(error) = memory::write(from_len, 0)
    {
        return answer(Err::<isize, _>(error));
    }
    answer(take_into(user, fd, &one(to, len), flags))
}

unsafe extern "C" fn recvmsg(user: User, fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    let outcome = memory::read(message).and_then(|mut header: msghdr| {
        let len = take_into(user, fd, &pieces(header.msg_iov, header.msg_iovlen)?, flags)?;
        header.msg_flags = 0;
        header.msg_namelen = 0;
        header.msg_controllen = tell_unread(user, fd, &header)?;
        memory::write(message, header)?;
        Ok(len)
    });
    answer(outcome)
}

/// The control message of TCP_INQ, if it was asked for; says how long it is.
fn tell_unread(user: User, fd: c_int, header: &msghdr) -> Outcome<usize> {
    let Some(unread) = plug(user).now(|host| host.unread_to_tell(fd)) else { return Ok(0) };
    let control = libc::cmsghdr {
        cmsg_len: size_of::<libc::cmsghdr>() + size_of::<c_int>(),
        cmsg_level: libc::IPPROTO_TCP,
        cmsg_type: TCP_INQ,
    };
    if header.msg_controllen < control.cmsg_len {
        return Ok(0);
    }
    let place = header.msg_control.cast::<libc::cmsghdr>();
    memory::write(place, control)?;
    memory::write(place.wrapping_add(1).cast(), unread)?;
    // Whole words, as CMSG_SPACE counts.
    Ok(control.cmsg_len.next_multiple_of(size_of::<usize>()))
}

// --- out -----------------------------------------------------------------------------------------------

fn put(user: User, fd: c_int, from: &[iovec], flags: c_int) -> Outcome<usize> {
    let mut writing = Writing { rest: Bytes::from(gather(from)?), flags, written: 0, was_cut: false };
    let outcome = plug(user).wait(|host| host.send_deadline(fd), |host| host.write(fd, &mut writing));
    match outcome {
        Some(outcome) => outcome,
        None if writing.written == 0 => Err(libc::EAGAIN),
        None => Ok(writing.written),
    }
}

unsafe extern "C" fn write(user: User, fd: c_int, from: *const c_void, len: size_t) -> ssize_t {
    answer(put(user, fd, &one(from, len), 0))
}

unsafe extern "C" fn writev(user: User, fd: c_int, from: *const iovec, count: c_int) -> ssize_t {
    answer(pieces(from, count as usize).and_then(|from| put(user, fd, &from, 0)))
}

unsafe extern "C" fn send(user: User, fd: c_int, from: *const c_void, len: size_t, flags: c_int) -> ssize_t {
    answer(put(user, fd, &one(from, len), flags))
}

unsafe extern "C" fn sendto(
    user: User,
    fd: c_int,
    from: *const c_void,
    len: size_t,
    flags: c_int,
    _to: *const sockaddr,
    _to_len: socklen_t,
) -> ssize_t {
    answer(put(user, fd, &one(from, len), flags))
}

unsafe extern "C" fn sendmsg(user: User, fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let outcome = memory::read(message)
        .and_then(|header| pieces(header.msg_iov, header.msg_iovlen))
        .and_then(|from| put(user, fd, &from, flags));
    answer(outcome)
}

// --- options -------------------------------------------------------------------------------------------

unsafe extern "C" fn fcntl(user: User, fd: c_int, command: c_int, argument: c_long) -> c_int {
    // The caller passed an `int`; what stands above it is not defined.
    answer(plug(user).now(|host| host.control(fd, command, argument as c_int)))
}

unsafe extern "C" fn ioctl(user: User, fd: c_int, request: c_ulong, to: *mut c_int) -> c_int {
    let request = request & 0xffff_ffff;
    done(plug(user).now(|host| host.queued(fd, request)).and_then(|bytes| memory::write(to, bytes)))
}

unsafe extern "C" fn getsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    to: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    let outcome = memory::read(len).and_then(|room| {
        let bytes = match plug(user).now(|host| host.option(fd, level, name))? {
            Value::Number(number) => number.to_ne_bytes().to_vec(),
            Value::Linger(linger) => [linger.l_onoff.to_ne_bytes(), linger.l_linger.to_ne_bytes()].concat(),
            Value::Time(time) => [time.tv_sec.to_ne_bytes(), time.tv_usec.to_ne_bytes()].concat(),
        };
        let written = scatter(&one(to, room as usize), &bytes)?;
        memory::write(len, written as socklen_t)
    });
    done(outcome)
}

unsafe extern "C" fn setsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    from: *const c_void,
    len: socklen_t,
) -> c_int {
    let has = |size: usize| if len as usize >= size { Ok(()) } else { Err(libc::EINVAL) };
    let value = match (level, name) {
        (libc::SOL_SOCKET, libc::SO_LINGER) => {
            has(size_of::<libc::linger>()).and_then(|()| memory::read(from.cast()).map(Value::Linger))
        }
        (libc::SOL_SOCKET, libc::SO_RCVTIMEO | libc::SO_SNDTIMEO) => {
            has(size_of::<timeval>()).and_then(|()| memory::read(from.cast()).map(Value::Time))
        }
        // A name, which nobody reads.
        (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => Ok(Value::Number(0)),
        // Linux takes a single byte here too.
        (libc::IPPROTO_IP, _) if len == 1 => {
            memory::read(from.cast::<u8>()).map(|byte| Value::Number(i32::from(byte)))
        }
        _ => has(size_of::<c_int>()).and_then(|()| memory::read(from.cast()).map(Value::Number)),
    };
    done(value.and_then(|value| plug(user).now(|host| host.set_option(fd, level, name, &value))))
}

// --- readiness -----------------------------------------------------------------------------------------

unsafe extern "C" fn poll(user: User, entries: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int {
    let outcome = (0..count as usize)
        .map(|n| memory::read(entries.wrapping_add(n)))
        .collect::<Outcome<Vec<pollfd>>>()
        .and_then(|mut polled| {
            let ready = plug(user).wait(within(milliseconds(timeout)), |host| host.poll(&mut polled));
            for (n, entry) in polled.into_iter().enumerate() {
                memory::write(entries.wrapping_add(n), entry)?;
            }
            Ok(ready.unwrap_or(0))
        });
    answer(outcome)
}

unsafe extern "C" fn epoll_create(user: User, _size: c_int) -> c_int {
    answer(plug(user).now(Host::open_epoll))
}

unsafe extern "C" fn epoll_ctl(
    user: User,
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    let event = match operation {
        libc::EPOLL_CTL_DEL => Ok(epoll_event { events: 0, u64: 0 }),
        _ => memory::read(event),
    };
    done(event.and_then(|event| plug(user).now(|host| host.watch(epoll, operation, fd, event))))
}

unsafe extern "C" fn epoll_wait(
    user: User,
    epoll: c_int,
    to: *mut epoll_event,
    max: c_int,
    timeout: c_int,
) -> c_int {
    let max = usize::try_from(max).unwrap_or(0);
    let outcome = plug(user)
        .wait(within(milliseconds(timeout)), |host| host.poll_watched(epoll, max))
        .unwrap_or(Ok(Vec::new()))
        .and_then(|events| {
            for (n, event) in events.iter().enumerate() {
                memory::write(to.wrapping_add(n), *event)?;
            }
            Ok(events.len())
        });
    answer(outcome)
}

// --- the wire and the clock ----------------------------------------------------------------------------

unsafe extern "C" fn netdev_send(user: User, packet: *const c_void, len: size_t) -> c_int {
    done(gather(&one(packet, len)).map(|packet| plug(user).handle_packet(&packet)))
}

unsafe extern "C" fn netdev_receive(
    user: User,
    to: *mut c_void,
    len: *mut size_t,
    time: *mut c_longlong,
) -> c_int {
    let outcome = memory::read(len).and_then(|room| {
        // An empty packet says that none will come; any other answer would be asked for again for ever.
        let (packet, at) = plug(user).next_packet().unwrap_or((Vec::new(), plug(user).look_at_clock()));
        let written = if packet.is_empty() { 0 } else { scatter(&one(to, room), &packet)? };
        memory::write(len, written)?;
        memory::write(time, at as c_longlong)
    });
    done(outcome)
}

unsafe extern "C" fn usleep(user: User, micros: c_uint) -> c_int {
    plug(user).pass(u64::from(micros));
    0
}

unsafe extern "C" fn gettimeofday(user: User, to: *mut timeval, _zone: *mut c_void) -> c_int {
    let micros = plug(user).look_at_clock() as i64;
    done(memory::write(to, timeval { tv_sec: micros / 1_000_000, tv_usec: micros % 1_000_000 }))
}

// --- pipes, which are the kernel's ---------------------------------------------------------------------

unsafe extern "C" fn pipe(_user: User, to: *mut c_int) -> c_int {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
        return -1;
    }
    done(memory::write(to.cast::<[c_int; 2]>(), ends))
}

unsafe extern "C" fn splice(
    user: User,
    from: c_int,
    _from_offset: *mut i64,
    to: c_int,
    _to_offset: *mut i64,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    let is_ours = |fd| plug(user).now(|host| host.sockets.contains_key(&fd));
    let wait = if flags & libc::SPLICE_F_NONBLOCK != 0 { libc::MSG_DONTWAIT } else { 0 };
    let len = len.min(64 << 10);
    if is_ours(from) {
        let data = match take(user, from, len, wait) {
            Ok(data) => data,
            Err(error) => return answer(Err::<isize, _>(error)),
        };
        // SAFETY: the kernel's own pipe, and our own bytes.
        return unsafe { libc::write(to, data.as_ptr().cast(), data.len()) };
    }
    let mut data = vec![0_u8; len];
    // SAFETY: the kernel's own pipe, and our own bytes.
    let read = unsafe { libc::read(from, data.as_mut_ptr().cast(), len) };
    match usize::try_from(read) {
        Ok(read) => answer(put(user, to, &one(data.as_ptr().cast(), read), wait)),
        Err(_) => -1,
    }
}
