//! Watches the frames of one host that runs our stack, and knows from them what it may and must do.
//!
//! It shares no code with the stack. What it demands follows from frames alone, and only where they leave no
//! doubt: a delivered frame may have been refused for a reason that cannot be seen from here, so "what surely was
//! taken" and "what was perhaps taken" are counted apart.

use std::collections::BTreeMap;

use taphouse::frame::{Medium, Properties};
use taphouse::time::{Duration, Instant};

use super::flow::{Flow, Syn};
use super::ledger::Ledger;
use super::station::{ADDRESSES, MACS, SIMULTANEOUS};
use super::wire::{self, ACK, Content, RST, SYN, Tcp};

/// The watcher of one host.
pub(crate) struct Monitor {
    host: usize,
    link: Properties,
    /// By our port and the peer's.
    flows: BTreeMap<(u16, u16), Flow>,
    /// What SYN-ACKs began before the last one.
    others: Vec<((u16, u16), Flow)>,
    /// The last SYN that arrived for each.
    syns: BTreeMap<(u16, u16), Syn>,
    parking: Parking,
    idle: Idle,
}

/// Whether frames wait inside the host for its neighbour's address. They are older than they look when they leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parking {
    No,
    /// A broadcast request asks for the neighbour.
    Asked,
    /// An answer came in this turn.
    Answered,
}

/// Turns without work, in the current second of virtual time.
struct Idle {
    second: u64,
    turns: u64,
    worked: u64,
}

/// No flow of a plan is longer.
const LONGEST: u32 = 1 << 24;
/// Turns that a second may have in which something was due and yet nothing happened: timers that fire lazily.
const MOST_IDLE_TURNS: u64 = 400;

impl Monitor {
    pub(crate) fn new(host: usize, link: Properties, _is_against_itself: bool) -> Self {
        Self {
            host,
            link,
            flows: BTreeMap::new(),
            others: Vec::new(),
            syns: BTreeMap::new(),
            parking: Parking::No,
            idle: Idle { second: 0, turns: 0, worked: 0 },
        }
    }

    /// A frame that is right arrives; the stack sees it next.
    pub(crate) fn handle_delivered(&mut self, now: Instant, content: &Content) {
        match content {
            Content::Arp { .. } => {
                if self.parking == Parking::Asked {
                    self.parking = Parking::Answered;
                }
            }
            Content::Tcp { src, dst, segment } => {
                if (*src, *dst) == (ADDRESSES[1 - self.host], ADDRESSES[self.host]) {
                    self.handle_segment(now, segment);
                }
            }
            Content::Other => {}
        }
    }

    fn handle_segment(&mut self, now: Instant, segment: &Tcp) {
        let key = (segment.dst_port, segment.src_port);
        if segment.has(SYN) {
            self.syns.insert(key, Syn::read(segment));
        }
        let Some(flow) = self.flows.get_mut(&key) else { return };
        if segment.has(RST) {
            // Believed or not: nothing is certain about this flow any more.
            flow.is_certain = false;
            return;
        }
        flow.handle_delivered(now, segment);
    }

    /// The stack gives out a frame.
    pub(crate) fn handle_emitted(&mut self, now: Instant, frame: &[u8], ledger: &Ledger) {
        let has_fcs = self.link.medium == Medium::Ethernet { fcs: true };
        let content = wire::read(frame, has_fcs, None);
        let content =
            content.unwrap_or_else(|damage| panic!("every frame that leaves is right, not: {damage:?}"));
        let body = frame.len() - if has_fcs { 4 } else { 0 };
        assert!(body <= 14 + self.link.mtu, "a frame of {body} bytes does not fit the MTU {}", self.link.mtu);
        assert!(!has_fcs || body >= 60, "a frame of {body} bytes is padded");
        assert_eq!(frame[6..12], MACS[self.host], "the source is ours");
        match content {
            Content::Arp { is_request, is_broadcast, sender, target } => {
                let asks = is_request && is_broadcast && !sender.is_unspecified() && target != sender;
                if asks && self.parking == Parking::No {
                    self.parking = Parking::Asked;
                }
            }
            Content::Tcp { src, dst, segment } => {
                assert_eq!((src, dst), (ADDRESSES[self.host], ADDRESSES[1 - self.host]));
                self.check_segment(now, &segment, ledger);
            }
            Content::Other => panic!("nobody gave a reason for anything but ARP and TCP"),
        }
    }

    fn check_segment(&mut self, now: Instant, segment: &Tcp, ledger: &Ledger) {
        let key = (segment.src_port, segment.dst_port);
        self.choose_flow(segment);
        self.check_payload(segment, ledger);
        if segment.has(RST) {
            self.flows.remove(&key);
            return;
        }
        if segment.has(SYN) && self.flows.get(&key).is_none_or(|flow| flow.iss != segment.seq) {
            let before = self.flows.insert(key, Flow::new(key, segment));
            self.others.extend(before.map(|flow| (key, flow)));
        }
        let Some(flow) = self.flows.get_mut(&key) else { return };
        if let Some(syn) = self.syns.get(&key)
            && segment.has(ACK)
        {
            flow.handle_peer_syn(syn, segment);
        }
        if self.parking != Parking::No {
            flow.is_stale = true;
        }
        flow.handle_emitted(now, segment);
        flow.is_stale = false;
    }

    /// A SYN may be answered by a cookie, and by another number when it comes again: which of the two the connection has
    /// shows only when it speaks.
    fn choose_flow(&mut self, segment: &Tcp) {
        let key = (segment.src_port, segment.dst_port);
        let is_of = |flow: &Flow| segment.seq.wrapping_sub(flow.iss) < LONGEST;
        if segment.has(SYN) || self.flows.get(&key).is_none_or(is_of) {
            return;
        }
        let found = self.others.iter().position(|(other, flow)| *other == key && is_of(flow));
        if let Some(found) = found {
            let (_, mut flow) = self.others.swap_remove(found);
            flow.is_certain = false;
            let before = self.flows.insert(key, flow);
            self.others.extend(before.map(|flow| (key, flow)));
        }
    }

    /// The bytes in a segment are those that the application wrote there.
    fn check_payload(&self, segment: &Tcp, ledger: &Ledger) {
        if segment.payload.is_empty() || segment.has(RST) {
            return;
        }
        let key = (segment.src_port, segment.dst_port);
        let Some(flow) = self.flows.get(&key) else { panic!("data without a connection: {key:?}") };
        let position = i64::from(segment.seq.wrapping_sub(flow.iss) as i32) - 1;
        let found = [(1 - self.host, segment.dst_port, 1), (self.host, segment.src_port, 0)].into_iter();
        let mut found = found.filter_map(|(host, port, side)| {
            let port = if port > SIMULTANEOUS + 10_000 - 1 { port - SIMULTANEOUS } else { port };
            ledger.number(host, port).map(|number| (number, side))
        });
        let (number, side) = found.next().expect("every flow belongs to a connection of the plan");
        let is_right = position >= 0 && ledger.is_right(number, side, position as u64, &segment.payload);
        assert!(is_right, "{key:?}: what leaves at {position} is what was written there");
        let end = position as u64 + segment.payload.len() as u64;
        assert!(end <= ledger.entries[number].sides[side].written, "{key:?}: what leaves was written before");
    }

    /// The stack has nothing more to say in this turn.
    pub(crate) fn handle_turn_end(&mut self, now: Instant) {
        for flow in self.flows.values_mut() {
            flow.handle_turn_end(now, self.parking != Parking::No);
        }
        if self.parking == Parking::Answered {
            self.parking = Parking::No;
        }
    }

    /// Counts turns that achieve nothing.
    pub(crate) fn note_turn(&mut self, now: Instant, was_due: bool, has_worked: bool) {
        let second = now.since(Instant::ZERO).as_nanos() / Duration::from_secs(1).as_nanos();
        if second != self.idle.second {
            self.idle = Idle { second, turns: 0, worked: 0 };
        }
        self.idle.worked += u64::from(has_worked);
        self.idle.turns += u64::from(was_due && !has_worked);
        let most = MOST_IDLE_TURNS + self.idle.worked;
        assert!(self.idle.turns <= most, "{} turns for nothing in one second, at {now:?}", self.idle.turns);
    }
}
