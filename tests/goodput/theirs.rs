//! smoltcp as both hosts of a flow.
//!
//! It is driven as its own `tests/netsim.rs` drives it: polled whenever a packet arrives or it asks for it, with
//! checksums left out, ACKs delayed by its default of 10 ms, and an assembler of 32 pieces.

use std::collections::VecDeque;

use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities};
use smoltcp::socket::tcp::{CongestionControl, Socket as Tcp, SocketBuffer};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use taphouse::time::{Duration, Instant};

use super::host::{End, Host, MTU, PORT, Probe, SENDER_PORT, Setup};
use super::wire::Air;

/// A host of smoltcp.
pub(crate) struct Theirs {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    arrived: VecDeque<Vec<u8>>,
    to_write: u64,
    read: u64,
}

impl Theirs {
    pub(crate) fn new(setup: Setup, control: CongestionControl, now: Instant) -> Self {
        let mut config = iface::Config::new(HardwareAddress::Ip);
        config.random_seed = setup.seed * 2 + u64::from(setup.end != End::Receiver) + 1;
        let mut arrived = VecDeque::new();
        let mut air = Air::default();
        let mut port = Port { arrived: &mut arrived, air: &mut air };
        let mut interface = Interface::new(config, &mut port, time(now));
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::Ipv4(setup.address()), 24)).expect("room for an address");
        });
        let buffer = || SocketBuffer::new(vec![0; setup.buffer]);
        let mut socket = Tcp::new(buffer(), buffer());
        socket.set_congestion_control(control);
        let to_write = match setup.end {
            End::Sender(bytes) => {
                let remote = (IpAddress::Ipv4(setup.peer()), PORT);
                socket.connect(interface.context(), remote, SENDER_PORT).expect("a new socket can connect");
                bytes
            }
            End::Receiver => {
                socket.listen(PORT).expect("a new socket can listen");
                0
            }
        };
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Self { interface, sockets, handle, arrived, to_write, read: 0 }
    }

    /// Reads and writes all that can be; says whether there was anything.
    fn serve(&mut self) -> bool {
        let socket = self.sockets.get_mut::<Tcp>(self.handle);
        let before = (self.read, self.to_write);
        while socket.can_recv() {
            let taken = socket.recv(|bytes| (bytes.len(), bytes.len())).expect("it can be read");
            self.read += taken as u64;
        }
        while socket.can_send() && self.to_write > 0 {
            let most = self.to_write as usize;
            let put = |room: &mut [u8]| (room.len().min(most), room.len().min(most));
            self.to_write -= socket.send(put).expect("it can be written") as u64;
        }
        before != (self.read, self.to_write)
    }
}

impl Host for Theirs {
    fn handle_packet(&mut self, _: Instant, packet: Vec<u8>, _: &mut Air) {
        self.arrived.push_back(packet);
    }

    fn turn(&mut self, now: Instant, air: &mut Air) {
        loop {
            let mut port = Port { arrived: &mut self.arrived, air };
            self.interface.poll(time(now), &mut port, &mut self.sockets);
            if !self.serve() {
                break;
            }
        }
    }

    fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(time(now), &self.sockets)?;
        // It counts in microseconds; what is due now has been done.
        let at = Instant::from_nanos(at.total_micros().max(0) as u64 * 1000);
        Some(at.max(now + Duration::from_micros(1)))
    }

    fn read(&self) -> u64 {
        self.read
    }

    fn probe(&self) -> Option<Probe> {
        None
    }
}

fn time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros((now.as_nanos() / 1000) as i64)
}

/// The link as smoltcp wants it.
struct Port<'a> {
    arrived: &'a mut VecDeque<Vec<u8>>,
    air: &'a mut Air,
}

impl Device for Port<'_> {
    type RxToken<'b>
        = Arrived
    where
        Self: 'b;
    type TxToken<'b>
        = Leaving<'b>
    where
        Self: 'b;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = phy::Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let packet = self.arrived.pop_front()?;
        Some((Arrived(packet), Leaving(self.air)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Self::TxToken<'_>> {
        Some(Leaving(self.air))
    }
}

struct Arrived(Vec<u8>);

impl phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Leaving<'a>(&'a mut Air);

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = self.0.buffer();
        bytes.resize(len, 0);
        let result = f(&mut bytes);
        self.0.send(bytes);
        result
    }
}
