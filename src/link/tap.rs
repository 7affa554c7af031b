//! The plain TAP device, through the `tun-tap` crate: one frame a read, one frame a write, no FCS, no padding.
//!
//! `TUNSETOFFLOAD` outlives the process that set it, so it is reset here on every attach: a device that
//! somebody used with offloads would otherwise hand us 64 KB frames without the header that explains them.
//! Left out: multi-queue and `IFF_VNET_HDR`, which `tun-tap` does not know.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::{fmt, fs, io};

use nix::errno::Errno;
use tun_tap::{Iface, Mode};

use super::{Link, Medium, Properties, Received, Sent};
use crate::frame::Frame;
use crate::time::Instant;

/// A TAP device that this process is attached to.
#[derive(Debug)]
pub struct Tap {
    iface: Iface,
    mtu: usize,
    /// The frame in one piece, as `write` wants it.
    scratch: Vec<u8>,
    has_warned_of_down: bool,
}

/// Why a TAP could not be opened, with what to do about it.
#[derive(Debug)]
pub enum OpenError {
    /// /dev/net/tun is not there.
    NoTun,
    /// There is no interface of this name.
    NoSuchInterface(String),
    /// There is one already, where a new one was wanted.
    Exists(String),
    /// Neither root nor the owner of the interface.
    NotPermitted(String),
    /// Another process is attached.
    Busy(String),
    /// The interface is a TUN, or was made with several queues.
    WrongKind(String, &'static str),
    /// A name that no interface can have.
    BadName(String),
    /// Anything else.
    Other(String, io::Error),
}

impl Tap {
    /// Attaches to an interface that exists.
    ///
    /// # Errors
    /// [`OpenError`], each with what to do.
    pub fn open(name: &str, mtu: usize) -> Result<Self, OpenError> {
        Self::attach(name, mtu, true)
    }

    /// Makes an interface, down and without addresses, which goes away with this.
    ///
    /// # Errors
    /// [`OpenError`], each with what to do.
    pub fn make(name: &str, mtu: usize) -> Result<Self, OpenError> {
        Self::attach(name, mtu, false)
    }

    fn attach(name: &str, mtu: usize, is_there: bool) -> Result<Self, OpenError> {
        let owned = || name.to_owned();
        // IFNAMSIZ is 16, the final zero included.
        if name.is_empty() || name.len() > 15 || name.bytes().any(|b| b <= b' ' || b == b'/' || b == b'%') {
            return Err(OpenError::BadName(owned()));
        }
        if !fs::exists("/dev/net/tun").unwrap_or(false) {
            return Err(OpenError::NoTun);
        }
        // Without this a missing interface would be made, without address and down, and go away with us.
        match (nix::net::if_::if_nametoindex(name).is_ok(), is_there) {
            (false, true) => return Err(OpenError::NoSuchInterface(owned())),
            (true, false) => return Err(OpenError::Exists(owned())),
            _ => {}
        }
        let iface = Iface::without_packet_info(name, Mode::Tap).map_err(|error| match errno(&error) {
            Errno::EPERM | Errno::EACCES => OpenError::NotPermitted(owned()),
            Errno::EBUSY => OpenError::Busy(owned()),
            Errno::EINVAL => OpenError::WrongKind(owned(), kind_of(name)),
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => OpenError::NoTun,
            _ => OpenError::Other(owned(), error),
        })?;
        let other = |error| OpenError::Other(owned(), error);
        reset_offloads(&iface).map_err(other)?;
        iface.set_non_blocking().map_err(other)?;
        Ok(Self { iface, mtu, scratch: Vec::new(), has_warned_of_down: false })
    }
}

impl Link for Tap {
    fn properties(&self) -> Properties {
        Properties { medium: Medium::Ethernet { fcs: false }, mtu: self.mtu }
    }

    fn recv(&mut self, _now: Instant, buffer: &mut [u8]) -> Received {
        match self.iface.recv(buffer) {
            Ok(len) => Received::Frame(len),
            Err(error) => match errno(&error) {
                // EIO: the interface is down. It may come up again.
                Errno::EAGAIN | Errno::EINTR | Errno::EIO => Received::Nothing,
                _ => Received::Gone(error),
            },
        }
    }

    fn send(&mut self, _now: Instant, frame: &Frame) -> Sent {
        self.scratch.clear();
        frame.write_to(&mut self.scratch);
        match self.iface.send(&self.scratch) {
            Ok(_) => {
                self.has_warned_of_down = false;
                Sent::Done
            }
            Err(error) => match errno(&error) {
                Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS => Sent::Full,
                // Shorter than an Ethernet header, as only an impaired link makes them: lost on the wire.
                Errno::EINVAL => Sent::Done,
                Errno::EIO => {
                    if !std::mem::replace(&mut self.has_warned_of_down, true) {
                        let name = self.iface.name();
                        log::warn!("{name} is down, waiting; to raise it: ip link set {name} up");
                    }
                    Sent::Full
                }
                _ => Sent::Gone(error),
            },
        }
    }
}

impl AsFd for Tap {
    #[expect(unsafe_code, reason = "tun-tap gives a raw descriptor only")]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the interface that `self` owns.
        unsafe { BorrowedFd::borrow_raw(self.iface.as_raw_fd()) }
    }
}

#[expect(unsafe_code, reason = "tun-tap has no call for TUNSETOFFLOAD")]
fn reset_offloads(iface: &Iface) -> io::Result<()> {
    const TUNSETOFFLOAD: libc::Ioctl = 0x4004_54d0;
    // SAFETY: this request takes its argument by value and touches no memory of ours.
    let result = unsafe { libc::ioctl(iface.as_raw_fd(), TUNSETOFFLOAD, 0 as libc::c_ulong) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

/// Why the kernel calls attaching to this interface invalid, as far as sysfs tells.
fn kind_of(name: &str) -> &'static str {
    const IFF_TUN: u32 = 0x0001;
    const IFF_MULTI_QUEUE: u32 = 0x0100;
    let flags = fs::read_to_string(format!("/sys/class/net/{name}/tun_flags")).ok();
    match flags.and_then(|f| u32::from_str_radix(f.trim().trim_start_matches("0x"), 16).ok()) {
        Some(flags) if flags & IFF_TUN != 0 => "is a TUN, not a TAP",
        Some(flags) if flags & IFF_MULTI_QUEUE != 0 => "was made with multi_queue, and one queue is served",
        _ => "is no TAP with a single queue",
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTun => f.write_str(
                "/dev/net/tun is missing; load the module (modprobe tun), or give the container the device \
                 (--device /dev/net/tun)",
            ),
            Self::NoSuchInterface(name) => write!(
                f,
                "there is no interface {name} here; to make it: ip tuntap add dev {name} mode tap user $USER && \
                 ip addr add 192.0.2.1/24 dev {name} && ip link set {name} up"
            ),
            Self::Exists(name) => {
                write!(f, "there is an interface {name} already; choose another name, or attach to that one")
            }
            Self::NotPermitted(name) => write!(
                f,
                "no right to open {name}; run as root, or make it yours: ip tuntap add dev {name} mode tap user \
                 $USER"
            ),
            Self::Busy(name) => {
                write!(f, "{name} is in use by another process; stop that one, or choose another interface")
            }
            Self::WrongKind(name, why) => write!(
                f,
                "{name} {why}; make it anew: ip link del {name} && ip tuntap add dev {name} mode tap"
            ),
            Self::BadName(name) => {
                write!(f, "{name:?} cannot be an interface; a name has 1 to 15 characters, such as tap0")
            }
            Self::Other(name, error) => write!(f, "{name} cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}
