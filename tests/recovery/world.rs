//! Two hosts on a wire of bare IPv4 packets, in virtual time: each way a delay, and perhaps a rate with a queue that the
//! data shares. The first host opens connections and writes, the second reads.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use taphouse::arp::ProbeMode;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::ip::subnet::Subnet;
use taphouse::rand::Seed;
use taphouse::stack::{Config, ConnId, Event, ListenConfig, Stack};
use taphouse::tcp;
use taphouse::tcp::info::ConnectionInfo;
use taphouse::time::{Duration, Instant};
use taphouse::wire::ethernet::Mac;

const PORT: u16 = 80;
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// What is known of a packet of the data direction.
pub(crate) struct Packet {
    pub(crate) seq: u32,
    /// Bytes of payload.
    pub(crate) len: usize,
}

/// A connection, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowId(usize);

pub(crate) struct World {
    now: Instant,
    stacks: [Stack; 2],
    /// Towards each host, in the order in which they arrive.
    wires: [VecDeque<(Instant, Vec<u8>)>; 2],
    delay: Duration,
    /// Bits a second and bytes of the queue, of the data direction.
    neck: Option<(u64, usize)>,
    busy_until: Instant,
    flows: Vec<Flow>,
    by_port: HashMap<u16, usize>,
}

struct Flow {
    id: ConnId,
    to_write: usize,
    read: usize,
}

impl World {
    pub(crate) fn new(delay: Duration, neck: Option<(u64, usize)>) -> Self {
        let stack = |n: usize| {
            let config = Config {
                link: Properties { medium: Medium::Ip, mtu: 1500 },
                mac: Mac([2, 0, 0, 0, 0, n as u8]),
                subnet: Subnet { address: ADDRESSES[n], prefix: 24 },
                gateway: None,
                probe: ProbeMode::Off,
                max_connections: 100,
                memory: taphouse::limits::TCP_MEMORY,
            };
            Stack::new(config, &Seed::from_u64(n as u64), Instant::ZERO)
        };
        let mut stacks = [stack(0), stack(1)];
        stacks[1].listen(PORT, ListenConfig::default());
        let wires = [VecDeque::new(), VecDeque::new()];
        let now = Instant::ZERO;
        Self { now, stacks, wires, delay, neck, busy_until: now, flows: Vec::new(), by_port: HashMap::new() }
    }

    pub(crate) fn open(&mut self, config: tcp::Config) -> FlowId {
        let port = 50_000 + self.flows.len() as u16;
        let remote = SocketAddrV4::new(ADDRESSES[1], PORT);
        let id = self.stacks[0].connect_from(port, remote, config).expect("the port is free");
        self.by_port.insert(port, self.flows.len());
        self.flows.push(Flow { id, to_write: 0, read: 0 });
        FlowId(self.flows.len() - 1)
    }

    pub(crate) fn write(&mut self, flow: FlowId, len: usize) {
        self.flows[flow.0].to_write += len;
    }

    pub(crate) fn info(&self, flow: FlowId) -> ConnectionInfo {
        self.stacks[0].info(self.flows[flow.0].id).expect("it lives")
    }

    pub(crate) fn passed(&self) -> Duration {
        self.now.since(Instant::ZERO)
    }

    /// Runs until a flow has brought so many bytes.
    pub(crate) fn run_until_read(
        &mut self,
        flow: FlowId,
        len: usize,
        mut is_lost: impl FnMut(&Packet) -> bool,
    ) {
        while self.flows[flow.0].read < len {
            assert!(self.passed() < Duration::from_secs(100), "{} of {len}", self.flows[flow.0].read);
            self.turn(&mut is_lost);
        }
    }

    /// Runs for a time in which all flows have more to write than they can; what each has brought.
    pub(crate) fn run_for(&mut self, flows: &[FlowId], time: Duration) -> Vec<usize> {
        flows.iter().for_each(|&flow| self.write(flow, usize::MAX / 4));
        while self.passed() < time {
            self.turn(&mut |_| false);
        }
        flows.iter().map(|flow| self.flows[flow.0].read).collect()
    }

    /// What is due happens, and what follows from it at once; then the time of the next.
    fn turn(&mut self, is_lost: &mut dyn FnMut(&Packet) -> bool) {
        for host in 0..2 {
            self.stacks[host].handle_timeout(self.now);
            while self.wires[host].front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, bytes) = self.wires[host].pop_front().expect("looked at above");
                self.stacks[host].handle_frame(self.now, &bytes);
                // A host says what is urgent before it takes the next.
                if self.stacks[host].is_urgent() {
                    self.transmit(host, is_lost);
                }
            }
            self.serve(host);
            self.transmit(host, is_lost);
        }
        let timers = self.stacks.iter().filter_map(Stack::poll_timeout);
        let arrivals = self.wires.iter().filter_map(|wire| wire.front().map(|(at, _)| *at));
        let next = timers.chain(arrivals).min().expect("something is always due");
        self.now = self.now.max(next);
    }

    fn serve(&mut self, host: usize) {
        while let Some(event) = self.stacks[host].poll_event() {
            if let (1, Event::Readable(id)) = (host, event) {
                let mut stream = self.stacks[1].stream(id);
                let flow = self.by_port[&stream.remote().port()];
                while let Ok(chunk) = stream.read() {
                    self.flows[flow].read += chunk.len();
                }
            }
        }
        if host == 0 {
            for flow in self.flows.iter_mut().filter(|flow| flow.to_write > 0) {
                let mut stream = self.stacks[0].stream(flow.id);
                let piece = Bytes::from(vec![7; stream.room().min(flow.to_write).min(64 << 10)]);
                flow.to_write -= stream.write(piece).unwrap_or(0);
            }
        }
    }

    fn transmit(&mut self, host: usize, is_lost: &mut dyn FnMut(&Packet) -> bool) {
        let mut frame = Frame::default();
        while self.stacks[host].poll_transmit(self.now, &mut frame) {
            let bytes = frame.to_vec();
            let mut leaves = Some(self.now);
            if host == 0 {
                let data_at = 20 + usize::from(bytes[32] >> 4) * 4;
                let seq = u32::from_be_bytes(bytes[24..28].try_into().expect("four bytes"));
                let is_syn = bytes[33] & 2 != 0;
                let packet = Packet { seq, len: if is_syn { 0 } else { bytes.len() - data_at } };
                leaves = self.pass_neck(bytes.len()).filter(|_| !is_lost(&packet));
            }
            if let Some(at) = leaves {
                self.wires[1 - host].push_back((at + self.delay, bytes));
            }
        }
    }

    /// When a packet has left the bottleneck; `None` when its queue is full.
    fn pass_neck(&mut self, len: usize) -> Option<Instant> {
        let Some((rate, queue)) = self.neck else { return Some(self.now) };
        let nanos = |bytes: usize| Duration::from_nanos(bytes as u64 * 8_000_000_000 / rate);
        if self.busy_until.since(self.now) + nanos(len) > nanos(queue) {
            return None;
        }
        self.busy_until = self.busy_until.max(self.now) + nanos(len);
        Some(self.busy_until)
    }
}
