//! smoltcp 0.14 as a contestant: HTTP on port 80 or echo on port 7 of 192.0.2.2, on a TAP.
//!
//! What was done so that it is at its best:
//! * CUBIC, as the kernel has it here; no Nagle; no delayed ACKs (an answer carries the ACK, and a batch of segments is
//!   acknowledged at once after it, so that it sends fewer ACKs than with its own delay of 10 ms);
//! * wakers tell which sockets have something to do, so that the program itself never looks at all of them;
//! * frames are taken in batches, sockets are served after each, then everything is sent: more batches of smaller size
//!   than `Interface::poll` makes, whose receiving never ends while a sender keeps up;
//! * as many sockets as the row needs and no more, since smoltcp asks one after the other for each segment; where
//!   memory is measured (`--grows`), one more for each connection that is taken, so that what none uses is not held;
//! * sockets in TIME-WAIT serve again at once, instead of keeping their buffers for 10 s;
//! * the sizes of the buffers are chosen by row (`scripts/bench`).
//!
//! What smoltcp cannot do: listen with a backlog. Each socket accepts one connection, and a SYN that finds none
//! listening is answered by RST. See `vnet.rs` for what it cannot do on any device.
//!
//! `smoltcp-server --device tuntap|vnet [--tap NAME] [--port 80|7] [--sockets N] [--receive BYTES] [--send BYTES]
//! [--grows] [--spin]`

mod vnet;

use std::collections::VecDeque;
use std::error::Error;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, Medium, TunTapInterface};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use taphouse_rivals::http::{Date, Session};
use taphouse_rivals::options::Options;
use taphouse_rivals::sys;

/// Frames taken before the sockets are served.
const BATCH: usize = 64;
/// Rounds of sending before frames are taken again.
const SENDING: usize = 64;
const HTTP: u16 = 80;

fn main() -> Result<(), Box<dyn Error>> {
    let names = ["device", "tap", "port", "sockets", "receive", "send"];
    let options = Options::from_env(&["spin", "grows"], &names)?;
    let tap = options.named("tap", "tap0".to_owned())?;
    match options.named("device", "tuntap".to_owned())?.as_str() {
        "tuntap" => serve(TunTapInterface::new(&tap, Medium::Ethernet)?, &options),
        "vnet" => serve(vnet::Vnet::open(&tap, 1500)?, &options),
        other => Err(format!("--device: {other:?} is neither tuntap nor vnet").into()),
    }
}

fn serve<D: Device + AsRawFd>(mut device: D, options: &Options) -> Result<(), Box<dyn Error>> {
    let mac = EthernetAddress([0x02, 0, 0, 0, 0, 0x53]);
    let mut config = Config::new(mac.into());
    config.random_seed = u64::from(std::process::id());
    let mut interface = Interface::new(config, &mut device, Instant::now());
    let mut is_set = Ok(());
    interface.update_ip_addrs(|addresses| {
        is_set = addresses.push(IpCidr::new(IpAddress::v4(192, 0, 2, 2), 24));
    });
    is_set.map_err(|_| "there is room for an address")?;
    let mut house = House::new(options)?;
    loop {
        let now = Instant::now();
        house.date.refresh();
        let mut taken = 0;
        while taken < BATCH
            && interface.poll_ingress_single(now, &mut device, &mut house.sockets)
                != PollIngressSingleResult::None
        {
            taken += 1;
        }
        interface.poll_maintenance(now);
        let is_busy = house.serve_woken();
        let mut sent = 0;
        while sent < SENDING
            && interface.poll_egress(now, &mut device, &mut house.sockets) != PollResult::None
        {
            sent += 1;
        }
        house.recycle();
        if taken == 0 && sent == 0 && !is_busy && !options.has("spin") {
            let limit = interface.poll_delay(now, &house.sockets);
            sys::wait_readable(&device, limit.map(|t| Duration::from_micros(t.total_micros())))?;
        }
    }
}

/// Tells that a socket has something to do: puts its number into the list, once.
struct Bell {
    number: usize,
    is_rung: AtomicBool,
    rung: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::Relaxed) {
            self.rung.lock().expect("one thread").push_back(self.number);
        }
    }
}

struct Seat {
    handle: SocketHandle,
    bell: Arc<Bell>,
    waker: Waker,
    /// None where it echoes.
    session: Option<Session>,
    /// A connection has come.
    is_taken: bool,
}

struct House {
    port: u16,
    /// Bytes of each socket's buffers.
    receive: usize,
    send: usize,
    /// Each connection that comes makes a socket for one more.
    grows: bool,
    sockets: SocketSet<'static>,
    seats: Vec<Seat>,
    rung: Arc<Mutex<VecDeque<usize>>>,
    /// Those whose connection has ended, to listen again once their last ACK is sent.
    ended: Vec<usize>,
    date: Date,
}

impl House {
    fn new(options: &Options) -> Result<Self, String> {
        let mut house = Self {
            port: options.named("port", HTTP)?,
            receive: options.named("receive", 64 << 10)?,
            send: options.named("send", 64 << 10)?,
            grows: options.has("grows"),
            sockets: SocketSet::new(Vec::new()),
            seats: Vec::new(),
            rung: Arc::default(),
            ended: Vec::new(),
            date: Date::default(),
        };
        for _ in 0..options.named("sockets", 16)? {
            house.grow();
        }
        Ok(house)
    }

    /// One more socket that listens.
    fn grow(&mut self) {
        let buffer = |len| SocketBuffer::new(vec![0; len]);
        let mut socket = Socket::new(buffer(self.receive), buffer(self.send));
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let handle = self.sockets.add(socket);
        let number = self.seats.len();
        let bell = Arc::new(Bell { number, is_rung: AtomicBool::new(false), rung: self.rung.clone() });
        let waker = Waker::from(bell.clone());
        self.seats.push(Seat { handle, bell, waker, session: None, is_taken: false });
        self.listen(number);
    }

    fn listen(&mut self, number: usize) {
        let seat = &mut self.seats[number];
        let socket = self.sockets.get_mut::<Socket<'_>>(seat.handle);
        socket.abort();
        // Its state does not begin anew by itself.
        socket.set_congestion_control(CongestionControl::Cubic);
        socket.listen(self.port).expect("a closed socket can listen");
        seat.session = (self.port == HTTP).then(|| Session::new("smol-tcp"));
        seat.is_taken = false;
        socket.register_recv_waker(&seat.waker);
    }

    fn serve_woken(&mut self) -> bool {
        let mut is_busy = false;
        loop {
            // The lock is not held while a socket is served: that may ring.
            let Some(number) = self.rung.lock().expect("one thread").pop_front() else { return is_busy };
            is_busy = true;
            let has_come = self.serve(number);
            if has_come && self.grows {
                self.grow();
            }
        }
    }

    /// Serves one socket; true if a connection has just come to it.
    fn serve(&mut self, number: usize) -> bool {
        let seat = &mut self.seats[number];
        seat.bell.is_rung.store(false, Ordering::Relaxed);
        let socket = self.sockets.get_mut::<Socket<'_>>(seat.handle);
        let mut has_come = false;
        match socket.state() {
            State::Closed | State::TimeWait => {
                self.ended.push(number);
                return false;
            }
            State::Listen | State::SynSent | State::SynReceived => {}
            _ => {
                has_come = !std::mem::replace(&mut seat.is_taken, true);
                let is_good = match &mut seat.session {
                    Some(session) => http(socket, session, &self.date),
                    None => echo(socket),
                };
                if !is_good {
                    socket.abort();
                }
            }
        }
        socket.register_recv_waker(&seat.waker);
        if seat.session.as_ref().map_or(!socket.can_send(), |s| !s.output().is_empty()) {
            socket.register_send_waker(&seat.waker);
        }
        has_come
    }

    fn recycle(&mut self) {
        while let Some(number) = self.ended.pop() {
            self.listen(number);
        }
    }
}

/// False if the connection is to be broken off.
fn http(socket: &mut Socket<'_>, session: &mut Session, date: &Date) -> bool {
    loop {
        while !session.output().is_empty() {
            match socket.send_slice(session.output()) {
                Ok(0) => return true,
                Ok(len) => session.sent(len),
                // The peer has gone, and has no use for the rest.
                Err(_) => return true,
            }
        }
        if session.is_finished() {
            socket.close();
            return true;
        }
        if session.handle_all(&[], date).is_err() {
            return false;
        }
        if !session.output().is_empty() {
            continue;
        }
        let taken = socket.recv(|bytes| match session.handle_input(bytes, date) {
            Ok(taken) => (taken, Some(taken)),
            Err(_) => (0, None),
        });
        match taken {
            Ok(Some(0)) if session.output().is_empty() => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            // The peer has finished, and so do we.
            Err(_) => {
                socket.close();
                return true;
            }
        }
    }
}

fn echo(socket: &mut Socket<'_>) -> bool {
    while socket.can_recv() && socket.can_send() {
        let mut buffer = [0; 4096];
        let room = (socket.send_capacity() - socket.send_queue()).min(buffer.len());
        match socket.recv_slice(&mut buffer[..room]) {
            Ok(len) => drop(socket.send_slice(&buffer[..len])),
            Err(_) => break,
        }
    }
    if !socket.may_recv() && !socket.can_recv() {
        socket.close();
    }
    true
}
