//! A host on the wire: our stack with its applications, driven as a runner would drive it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use taphouse::arp::ProbeMode;
use taphouse::drops::Drop;
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::limits;
use taphouse::link::impair::spec::Both;
use taphouse::link::impair::{Impair, Impairment};
use taphouse::link::memory::Memory;
use taphouse::link::{Link, Received, Sent};
use taphouse::stack::{Config, ConnId, Event, Stack, Stream};
use taphouse::tcp::{Cause, ReadError, State, WriteError};
use taphouse::time::Instant;
use taphouse::wire::ethernet::Mac;

use super::application::{Conversation, Fate, Read, Socket, Write};
use super::dice::derive;
use super::ledger::Shared;
use super::monitor::Monitor;
use super::plan::{ConnectionPlan, FIRST_PORT, Opposite, Plan};
use super::wire::{self, Damage};

/// A host of any make.
pub(crate) trait Station {
    /// Everything that can be done now; false if that was nothing.
    fn turn(&mut self, now: Instant) -> bool;
    /// When a turn is due.
    fn poll_timeout(&mut self, now: Instant) -> Option<Instant>;
    /// Opens a connection, or takes part in a simultaneous opening.
    fn open(&mut self, now: Instant, number: usize, plan: &ConnectionPlan);
    /// Changes what the wire away from here does.
    fn set_wire(&mut self, outgoing: Impairment);
    /// The faults are over.
    fn heal(&mut self, now: Instant);
    /// Nothing is left of any connection.
    fn is_empty(&self) -> bool;
    /// Why it is not empty, for the report.
    fn describe(&mut self) -> String;
}

/// Neither the addresses of the hosts nor their MACs turn into each other by a flipped bit or two.
pub(crate) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 14)];
pub(crate) const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 7, 0x0e]];
pub(crate) const LONGEST: usize = 9100;

/// Our stack, what it is connected to, and who uses it.
pub(crate) struct Host {
    index: usize,
    has_fcs: bool,
    stack: Stack,
    link: Impair<Memory>,
    monitor: Monitor,
    ledger: Shared,
    seed: u64,
    plan: Plan,
    conversations: BTreeMap<ConnId, Conversation>,
    frame: Frame,
    is_stalled: bool,
    buffer: Vec<u8>,
    /// Connections that were seen in TIME-WAIT, and when.
    time_waits: Vec<Instant>,
    heal_at: Instant,
}

impl Host {
    pub(crate) fn new(index: usize, link: Impair<Memory>, plan: &Plan, seed: u64, ledger: &Shared) -> Self {
        let properties: Properties = link.properties();
        let config = Config {
            link: properties,
            mac: Mac(MACS[index]),
            subnet: format!("{}/24", ADDRESSES[index]).parse().expect("an address with a prefix"),
            gateway: None,
            probe: if seed.is_multiple_of(5) { ProbeMode::Quick } else { ProbeMode::Off },
            max_connections: plan.max_connections,
            memory: plan.memory,
        };
        let mut stack = Stack::new(config, &derive(seed, 10 + index as u64), Instant::ZERO);
        for (n, &listener) in plan.listeners.iter().enumerate() {
            stack.listen(FIRST_PORT + n as u16, listener);
        }
        Self {
            index,
            has_fcs: properties.medium == Medium::Ethernet { fcs: true },
            stack,
            link,
            monitor: Monitor::new(index, properties, plan.opposite == Opposite::Itself),
            ledger: ledger.clone(),
            seed,
            plan: plan.clone(),
            conversations: BTreeMap::new(),
            frame: Frame::default(),
            is_stalled: false,
            buffer: vec![0; LONGEST],
            time_waits: Vec::new(),
            heal_at: plan.heal_at,
        }
    }

    fn receive(&mut self, now: Instant) -> usize {
        for n in 0..limits::FRAMES_PER_TURN {
            let len = match self.link.recv(now, &mut self.buffer) {
                Received::Frame(len) => len,
                Received::Nothing => return n,
                Received::Gone(error) => panic!("a wire in memory is never gone: {error}"),
            };
            let frame = &self.buffer[..len];
            let content = wire::read(frame, self.has_fcs, Some(MACS[self.index]));
            if let Ok(content) = &content {
                self.monitor.handle_delivered(now, content);
            }
            let before = self.drop_count(&content);
            self.stack.handle_frame(now, frame);
            assert!(
                self.drop_count(&content) > before || content.is_ok(),
                "a damaged frame is dropped: {content:?}"
            );
        }
        limits::FRAMES_PER_TURN
    }

    /// How often frames with such a damage were dropped so far.
    fn drop_count(&self, content: &Result<wire::Content, Damage>) -> u64 {
        let drops = self.stack.drops();
        match content {
            Ok(_) => 0,
            Err(Damage::Fcs) => drops.of(Drop::BadFcs) + drops.of(Drop::FrameTooShort),
            Err(Damage::TcpChecksum) => drops.of(Drop::TcpBadChecksum) + drops.of(Drop::TcpTruncated),
            Err(_) => drops.iter().map(|(_, n)| n).sum(),
        }
    }

    fn handle_events(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while let Some(event) = self.stack.poll_event() {
            count += 1;
            self.handle_event(now, event);
        }
        count
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        // What was told before a connection was let go is still in the queue.
        let is_known = |id: &ConnId| self.conversations.contains_key(id);
        let id = match event {
            Event::Accepted { port, id } => {
                self.accept(port, id);
                id
            }
            Event::Connected(id) if is_known(&id) => {
                self.conversation(id).is_connected = true;
                id
            }
            Event::Closed(id, cause) if is_known(&id) => {
                self.handle_closed(now, id, cause);
                id
            }
            Event::Connected(id) | Event::Closed(id, _) => id,
            Event::Readable(id)
            | Event::Writable(id)
            | Event::Urgent(id)
            | Event::Alarm(id)
            | Event::Trouble(id) => id,
            Event::Host(trouble) => panic!("nobody else has this address: {trouble:?}"),
        };
        self.advance(now, id);
    }

    fn conversation(&mut self, id: ConnId) -> &mut Conversation {
        self.conversations.get_mut(&id).expect("events are about connections that the application has")
    }

    fn accept(&mut self, port: u16, id: ConnId) {
        let remote = self.stack.stream(id).remote();
        assert_eq!(*remote.ip(), ADDRESSES[1 - self.index]);
        let mut ledger = self.ledger.borrow_mut();
        let number = ledger.number(1 - self.index, remote.port()).expect("somebody opened it");
        let plan = &self.plan.connections[number];
        assert_eq!(FIRST_PORT + plan.listener as u16, port);
        let has_cookies = self.plan.listeners[plan.listener].backlog == 1;
        if has_cookies && ledger.entries[number].sides[1].has_begun {
            // An old duplicate brought a cookie once more, which is good for a minute.
            return self.stack.stream(id).abort();
        }
        let mut conversation = Conversation::new(number, 1, plan.scripts[1], self.seed, &mut ledger);
        conversation.is_connected = true;
        self.stack.stream(id).set_nagle(plan.scripts[1].nagle);
        self.conversations.insert(id, conversation);
    }

    fn handle_closed(&mut self, now: Instant, id: ConnId, cause: Cause) {
        if cause == Cause::Finished && self.stack.stream(id).state() == State::TimeWait {
            self.time_waits.push(now);
        }
        let is_soon = now.since(self.heal_at).as_secs() < 5;
        let conversation = self.conversations.get_mut(&id).expect("told about a connection that it has");
        let (number, side) = (conversation.number, conversation.side);
        if conversation.is_connected {
            conversation.is_closed = true;
            return;
        }
        let ledger = self.ledger.borrow();
        let may_fail = match cause {
            // Nobody answered three ARP requests.
            Cause::Unreachable => is_soon,
            Cause::Refused | Cause::Reset => {
                ledger.is_abandoned(number, side) || self.plan.opposite != Opposite::Itself
            }
            Cause::TimedOut => self.plan.is_crowded(),
            _ => false,
        };
        assert!(may_fail, "connection {number} cannot be opened: {cause}");
        drop(ledger);
        conversation.handle_unopened(&mut self.ledger.borrow_mut());
        self.conversations.remove(&id);
        self.stack.stream(id).release();
    }

    fn advance(&mut self, now: Instant, id: ConnId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let mut socket = Ours(self.stack.stream(id));
        let (queued, unsent) = (socket.0.queued(), socket.0.unsent());
        assert!(unsent <= queued);
        match conversation.advance(now, &mut socket, &mut self.ledger.borrow_mut()) {
            Fate::GoOn(wake) => socket.0.set_alarm(wake),
            Fate::Release => {
                socket.0.release();
                self.conversations.remove(&id);
            }
            Fate::Abort => {
                socket.0.abort();
                self.conversations.remove(&id);
            }
        }
    }

    fn transmit(&mut self, now: Instant) -> usize {
        for n in 0.. {
            assert!(n < MOST_FRAMES, "one turn sends frames without end");
            if !self.is_stalled {
                if !self.stack.poll_transmit(now, &mut self.frame) {
                    return n;
                }
                let bytes = self.frame.to_vec();
                self.monitor.handle_emitted(now, &bytes, &self.ledger.borrow());
            }
            match self.link.send(now, &self.frame) {
                Sent::Done => self.is_stalled = false,
                Sent::Full => {
                    self.is_stalled = true;
                    return n;
                }
                Sent::Gone(error) => panic!("a wire in memory is never gone: {error}"),
            }
        }
        unreachable!("the loop ends by itself")
    }

    fn check_memory(&self) {
        let (connections, _, _) = self.stack.population();
        let (memory, held) = (self.stack.memory(), self.stack.buffer_memory());
        assert!(memory.used <= memory.limit, "{memory:?}");
        let accounted = memory.used + connections * limits::CONNECTION_RESERVE;
        assert!(held <= accounted, "{held} bytes in {connections} connections, and {memory:?}");
    }

    fn check_time_waits(&mut self, now: Instant) {
        self.time_waits.retain(|&at| now.since(at) < limits::TIME_WAIT);
        let (_, _, waiting) = self.stack.population();
        assert!(waiting >= self.time_waits.len(), "a connection stays in TIME-WAIT for its time");
    }
}

/// Frames of one turn: more than any window here holds.
const MOST_FRAMES: usize = 200_000;

impl Station for Host {
    fn turn(&mut self, now: Instant) -> bool {
        let is_due = self.stack.poll_timeout().is_some_and(|at| at <= now);
        if is_due {
            self.stack.handle_timeout(now);
        }
        let mut work = self.receive(now);
        loop {
            let events = self.handle_events(now);
            let frames = self.transmit(now);
            work += events + frames;
            if events == 0 && (frames == 0 || self.is_stalled) {
                break;
            }
        }
        if work > 0 {
            self.check_memory();
            self.check_time_waits(now);
        }
        self.monitor.handle_turn_end(now);
        self.monitor.note_turn(now, is_due, work > 0);
        work > 0
    }

    fn poll_timeout(&mut self, _now: Instant) -> Option<Instant> {
        [self.stack.poll_timeout(), self.link.poll_timeout()].into_iter().flatten().min()
    }

    fn open(&mut self, _now: Instant, number: usize, plan: &ConnectionPlan) {
        let side = usize::from(plan.opener != self.index);
        let remote_ip = ADDRESSES[1 - self.index];
        let (ours, theirs) = match (side, plan.is_simultaneous) {
            (0, false) => (plan.opener_port, FIRST_PORT + plan.listener as u16),
            (0, true) => (plan.opener_port, SIMULTANEOUS + plan.opener_port),
            _ => (SIMULTANEOUS + plan.opener_port, plan.opener_port),
        };
        let mut ledger = self.ledger.borrow_mut();
        let conversation = Conversation::new(number, side, plan.scripts[side], self.seed, &mut ledger);
        match self.stack.connect_from(ours, SocketAddrV4::new(remote_ip, theirs), plan.config) {
            Ok(id) => {
                self.stack.stream(id).set_nagle(plan.scripts[side].nagle);
                self.conversations.insert(id, conversation);
                drop(ledger);
                self.advance(_now, id);
            }
            Err(error) => {
                assert!(self.stack.population().0 >= self.plan.max_connections, "{error:?}");
                conversation.handle_unopened(&mut ledger);
            }
        }
    }

    fn set_wire(&mut self, outgoing: Impairment) {
        self.link.set(Both { incoming: Impairment::default(), outgoing });
    }

    fn heal(&mut self, now: Instant) {
        let ids: Vec<_> = self.conversations.keys().copied().collect();
        ids.into_iter().for_each(|id| self.advance(now, id));
    }

    fn is_empty(&self) -> bool {
        self.stack.population() == (0, 0, 0) && self.stack.buffer_memory() == 0
    }

    fn describe(&mut self) -> String {
        let mut lines = format!("host {}: population {:?}", self.index, self.stack.population());
        for (&id, conversation) in &self.conversations {
            let mut stream = self.stack.stream(id);
            let (state, queued, unsent) = (stream.state(), stream.queued(), stream.unsent());
            lines += &format!("\n  {} {id:?} {state:?} queued {queued} unsent {unsent}", conversation.number);
        }
        lines
    }
}

/// The acceptor's port of a simultaneous opening is this much above the opener's.
pub(crate) const SIMULTANEOUS: u16 = 10_000;

/// A connection of our stack.
struct Ours<'a>(Stream<'a>);

impl Socket for Ours<'_> {
    fn read(&mut self) -> Read {
        match self.0.read() {
            Ok(bytes) => Read::Data(bytes),
            Err(ReadError::Blocked) => Read::Blocked,
            Err(ReadError::Finished) => Read::Finished,
            Err(ReadError::Closed(_)) => Read::Dead,
        }
    }

    fn write(&mut self, data: Bytes) -> Write {
        match self.0.write(data) {
            Ok(n) => Write::Taken(n),
            Err(WriteError::Blocked) => Write::Blocked,
            Err(WriteError::Shutdown) => panic!("the application has not shut it down"),
            Err(WriteError::Closed(_)) => Write::Dead,
        }
    }

    fn is_half_open(&mut self) -> bool {
        self.0.state() == State::SynReceived
    }

    fn shutdown(&mut self) {
        self.0.shutdown();
    }

    fn mark_urgent(&mut self) {
        self.0.mark_urgent();
    }
}
