//! The table as packetdrill has it: 33 pointers by their numbers, written down here once more, so that a slip in the
//! order of the plug-in's own declaration is seen.

use std::env;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::transmute;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::peer::HOST;

type User = *mut c_void;

/// The table, filled.
pub(crate) struct Table {
    entries: [*mut c_void; 33],
}

// SAFETY: the plug-in is made to be called from two threads.
unsafe impl Sync for Table {}

/// The library, built with the profile of this test.
fn library() -> &'static PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let own = env::current_exe().expect("the test has a path");
        let profile_dir =
            own.parent().and_then(|deps| deps.parent()).expect("it is in target/<profile>/deps");
        let profile = match profile_dir.file_name().and_then(|name| name.to_str()).expect("a name") {
            "debug" => "test",
            other => other,
        };
        let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let built = Command::new(&cargo)
            .args(["build", "--quiet", "--offline", "--example", "packetdrill", "--profile", profile])
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .arg("--target-dir")
            .arg(profile_dir.parent().expect("target"))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "{cargo} build --example packetdrill failed");
        let library = profile_dir.join("examples/libpacketdrill.so");
        assert!(library.exists(), "{} was built, but is not there", library.display());
        library
    })
}

/// The last error of `dlopen` and `dlsym`.
fn complaint() -> String {
    // SAFETY: a C string, or null when there is none.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() { "nothing".into() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
}

impl Table {
    /// Loads the library and lets it fill the table, with the flags of `dlopen` that packetdrill has.
    pub(crate) fn load(flags: &str) -> Self {
        let path = CString::new(library().as_os_str().as_encoded_bytes()).expect("no NUL in a path");
        let mode = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE | libc::RTLD_DEEPBIND;
        let flags = CString::new(flags).expect("no NUL in it");
        let mut entries = [std::ptr::null_mut(); 33];
        // SAFETY: the library is our own; the function has this type.
        unsafe {
            let handle = libc::dlopen(path.as_ptr(), mode);
            assert!(!handle.is_null(), "{}", complaint());
            let init = libc::dlsym(handle, c"packetdrill_interface_init".as_ptr());
            assert!(!init.is_null(), "{}", complaint());
            type Init = unsafe extern "C" fn(*const c_char, *mut [*mut c_void; 33]);
            transmute::<*mut c_void, Init>(init)(flags.as_ptr(), &raw mut entries);
        }
        for (n, entry) in entries.iter().enumerate() {
            assert!(!entry.is_null(), "entry {n} is a call to nowhere");
        }
        Self { entries }
    }

    fn user(&self) -> User {
        self.entries[0]
    }

    pub(crate) fn socket(&self, flags: c_int) -> c_int {
        type F = unsafe extern "C" fn(User, c_int, c_int, c_int) -> c_int;
        // SAFETY: entry 2 has this type.
        let call = unsafe { transmute::<*mut c_void, F>(self.entries[2]) };
        // SAFETY: no pointers but `userdata`.
        let fd = unsafe { call(self.user(), libc::AF_INET, libc::SOCK_STREAM | flags, libc::IPPROTO_TCP) };
        // SAFETY: asks only whether the descriptor is one.
        assert!(unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0, "packetdrill closes it itself");
        fd
    }

    pub(crate) fn bind(&self, fd: c_int, port: u16) -> Result<c_int, c_int> {
        self.with_address(3, fd, SocketAddrV4::new(HOST, port))
    }

    pub(crate) fn connect(&self, fd: c_int, to: SocketAddrV4) -> Result<c_int, c_int> {
        self.with_address(6, fd, to)
    }

    fn with_address(&self, entry: usize, fd: c_int, address: SocketAddrV4) -> Result<c_int, c_int> {
        type F = unsafe extern "C" fn(User, c_int, *const libc::sockaddr_in, u32) -> c_int;
        let address = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
            sin_zero: [0; 8],
        };
        // SAFETY: entries 3 and 6 have this type; the address lives through the call.
        result(|| unsafe {
            transmute::<*mut c_void, F>(self.entries[entry])(self.user(), fd, &raw const address, 16)
        })
    }

    pub(crate) fn listen(&self, fd: c_int, backlog: c_int) -> Result<c_int, c_int> {
        type F = unsafe extern "C" fn(User, c_int, c_int) -> c_int;
        // SAFETY: entry 4 has this type.
        result(|| unsafe { transmute::<*mut c_void, F>(self.entries[4])(self.user(), fd, backlog) })
    }

    pub(crate) fn accept(&self, fd: c_int) -> Result<(c_int, SocketAddrV4), c_int> {
        type F = unsafe extern "C" fn(User, c_int, *mut libc::sockaddr_in, *mut u32) -> c_int;
        // SAFETY: all zeros is an address of no family.
        let mut from: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        let mut len = 16;
        // SAFETY: entry 5 has this type; the pointers live through the call.
        let fd = result(|| unsafe {
            transmute::<*mut c_void, F>(self.entries[5])(self.user(), fd, &raw mut from, &raw mut len)
        })?;
        assert_eq!((i32::from(from.sin_family), len), (libc::AF_INET, 16));
        let ip = Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr));
        Ok((fd, SocketAddrV4::new(ip, u16::from_be(from.sin_port))))
    }

    pub(crate) fn read(&self, fd: c_int, len: usize) -> Result<Vec<u8>, c_int> {
        let mut buffer = vec![0; len];
        let read = self.transfer(7, fd, buffer.as_mut_ptr().cast(), len)?;
        buffer.truncate(read as usize);
        Ok(buffer)
    }

    pub(crate) fn read_to_nowhere(&self, fd: c_int, len: usize) -> Result<isize, c_int> {
        self.transfer(7, fd, std::ptr::null_mut(), len)
    }

    pub(crate) fn write(&self, fd: c_int, data: &[u8]) -> Result<isize, c_int> {
        self.transfer(12, fd, data.as_ptr().cast_mut().cast(), data.len())
    }

    pub(crate) fn write_from_nowhere(&self, fd: c_int, len: usize) -> Result<isize, c_int> {
        self.transfer(12, fd, std::ptr::null_mut(), len)
    }

    fn transfer(&self, entry: usize, fd: c_int, data: *mut c_void, len: usize) -> Result<isize, c_int> {
        type F = unsafe extern "C" fn(User, c_int, *mut c_void, usize) -> isize;
        // SAFETY: entries 7 and 12 have this type, but for a `const`.
        result(|| unsafe { transmute::<*mut c_void, F>(self.entries[entry])(self.user(), fd, data, len) })
    }

    /// The flags of a descriptor, by `fcntl`.
    pub(crate) fn flags(&self, fd: c_int) -> c_int {
        type F = unsafe extern "C" fn(User, c_int, c_int, ...) -> c_int;
        // SAFETY: entry 17 is called so.
        unsafe { transmute::<*mut c_void, F>(self.entries[17])(self.user(), fd, libc::F_GETFL) }
    }

    /// What waits to be read, by `ioctl`.
    pub(crate) fn queued(&self, fd: c_int) -> c_int {
        type F = unsafe extern "C" fn(User, c_int, c_int, ...) -> c_int;
        let mut bytes = -1;
        // SAFETY: entry 18 is called so; packetdrill has the request in an `int`.
        let call = unsafe { transmute::<*mut c_void, F>(self.entries[18]) };
        // SAFETY: the pointer lives through the call.
        assert_eq!(unsafe { call(self.user(), fd, libc::FIONREAD as c_int, &raw mut bytes) }, 0);
        bytes
    }

    pub(crate) fn close(&self, fd: c_int) -> Result<c_int, c_int> {
        type F = unsafe extern "C" fn(User, c_int) -> c_int;
        // SAFETY: entry 19 has this type.
        result(|| unsafe { transmute::<*mut c_void, F>(self.entries[19])(self.user(), fd) })
    }

    /// Takes SO_ERROR.
    pub(crate) fn error(&self, fd: c_int) -> c_int {
        type F = unsafe extern "C" fn(User, c_int, c_int, c_int, *mut c_int, *mut u32) -> c_int;
        let (mut error, mut len) = (-1, 4);
        // SAFETY: entry 21 has this type; the pointers live through the call.
        let done = unsafe {
            let call = transmute::<*mut c_void, F>(self.entries[21]);
            call(self.user(), fd, libc::SOL_SOCKET, libc::SO_ERROR, &raw mut error, &raw mut len)
        };
        assert_eq!((done, len), (0, 4));
        error
    }

    pub(crate) fn set_linger(&self, fd: c_int, seconds: c_int) {
        type F = unsafe extern "C" fn(User, c_int, c_int, c_int, *const libc::linger, u32) -> c_int;
        let linger = libc::linger { l_onoff: 1, l_linger: seconds };
        // SAFETY: entry 22 has this type; the pointer lives through the call.
        let done = unsafe {
            let call = transmute::<*mut c_void, F>(self.entries[22]);
            call(self.user(), fd, libc::SOL_SOCKET, libc::SO_LINGER, &raw const linger, 8)
        };
        assert_eq!(done, 0);
    }

    /// What `poll` says at once.
    pub(crate) fn poll(&self, fd: c_int, events: i16) -> i16 {
        type F = unsafe extern "C" fn(User, *mut libc::pollfd, libc::nfds_t, c_int) -> c_int;
        let mut entry = libc::pollfd { fd, events, revents: -1 };
        // SAFETY: entry 23 has this type; the pointer lives through the call.
        let count =
            unsafe { transmute::<*mut c_void, F>(self.entries[23])(self.user(), &raw mut entry, 1, 0) };
        assert_eq!(count, c_int::from(entry.revents != 0));
        entry.revents
    }

    /// Gives the host a packet.
    pub(crate) fn give(&self, packet: &[u8]) {
        type F = unsafe extern "C" fn(User, *const c_void, usize) -> c_int;
        // SAFETY: entry 24 has this type.
        let call = unsafe { transmute::<*mut c_void, F>(self.entries[24]) };
        // SAFETY: the packet lives through the call.
        assert_eq!(unsafe { call(self.user(), packet.as_ptr().cast(), packet.len()) }, 0);
    }

    /// Takes the host's next packet, and when it left; none if none will come.
    pub(crate) fn take(&self) -> Option<(Vec<u8>, u64)> {
        type F = unsafe extern "C" fn(User, *mut c_void, *mut usize, *mut i64) -> c_int;
        let mut buffer = vec![0; 65_536];
        let (mut len, mut time) = (buffer.len(), 0);
        // SAFETY: entry 25 has this type; the pointers live through the call.
        let done = unsafe {
            let call = transmute::<*mut c_void, F>(self.entries[25]);
            call(self.user(), buffer.as_mut_ptr().cast(), &raw mut len, &raw mut time)
        };
        assert_eq!(done, 0);
        buffer.truncate(len);
        (len > 0).then_some((buffer, time as u64))
    }

    /// Lets virtual time pass.
    pub(crate) fn sleep(&self, micros: u32) {
        type F = unsafe extern "C" fn(User, u32) -> c_int;
        // SAFETY: entry 26 has this type.
        assert_eq!(unsafe { transmute::<*mut c_void, F>(self.entries[26])(self.user(), micros) }, 0);
    }

    /// The virtual time in microseconds.
    pub(crate) fn time(&self) -> u64 {
        type F = unsafe extern "C" fn(User, *mut libc::timeval, *mut c_void) -> c_int;
        let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: entry 27 has this type; the pointer lives through the call.
        let done = unsafe {
            let call = transmute::<*mut c_void, F>(self.entries[27]);
            call(self.user(), &raw mut time, std::ptr::null_mut())
        };
        assert_eq!(done, 0);
        time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64
    }
}

impl std::ops::Drop for Table {
    fn drop(&mut self) {
        type F = unsafe extern "C" fn(User);
        // SAFETY: entry 1 has this type, and nothing is called after it.
        unsafe { transmute::<*mut c_void, F>(self.entries[1])(self.user()) };
    }
}

/// The answer of a call, or its `errno`.
fn result<T: PartialEq + From<i8>>(call: impl FnOnce() -> T) -> Result<T, c_int> {
    let answer = call();
    if answer == T::from(-1) {
        return Err(std::io::Error::last_os_error().raw_os_error().expect("errno"));
    }
    Ok(answer)
}

impl Table {
    /// Waits until some other thread of this process sleeps in a call, as packetdrill does.
    pub(crate) fn await_sleeper(&self, thread: c_int) {
        let stat = format!("/proc/self/task/{thread}/stat");
        for _ in 0..1_000_000 {
            let text = std::fs::read_to_string(&stat).expect("the thread is there");
            if text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S')) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("the thread does not sleep");
    }
}
