//! The neighbours on our link: RFC 826's translation table, with ageing (RFC 1122 2.3.2).
//!
//! ```text
//! Incomplete --answer--> Reachable --30 s--> Stale --used--> Probing --answer--> Reachable
//!     `--3 requests--> failed          (10 min unused: forgotten)  `--3 requests--> Incomplete
//! ```
//!
//! A stale neighbour is used while it is probed, by unicast first (RFC 1122 2.3.2.1, method 2), so that ageing
//! costs no packet. What is sent to an unresolved one is parked (RFC 1122 2.3.2.2), generic as `P`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::Ipv4Addr;

use crate::fault::{self, Fault};
use crate::limits;
use crate::rand::KeyedHash;
use crate::time::{Duration, Instant};
use crate::wire::ethernet::Mac;

const REACHABLE: Duration = Duration::from_secs(30);
const FORGET: Duration = Duration::from_secs(600);
/// RFC 1122 2.3.2.1: at most one request a second for one address.
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
const MAX_REQUESTS: u8 = 3;

/// The table, with packets of type `P` parked in it.
#[derive(Debug)]
pub struct Neighbours<P> {
    table: HashMap<Ipv4Addr, Neighbour<P>, KeyedHash>,
    /// One deadline for each neighbour, the same as in its entry.
    agenda: BTreeSet<(Instant, Ipv4Addr)>,
    requests: VecDeque<Request>,
    failed: VecDeque<(Ipv4Addr, VecDeque<P>)>,
}

/// A request to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose address is asked for.
    pub ip: Ipv4Addr,
    /// The station to ask; `None` asks all.
    pub to: Option<Mac>,
}

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// What RFC 4861 7.3.2 calls such a state.
    pub state: &'static str,
    /// Packets that wait for the hardware address.
    pub parked: usize,
    /// When something happens to the entry.
    pub deadline: Instant,
}

#[derive(Debug)]
struct Neighbour<P> {
    state: State,
    deadline: Instant,
    parked: VecDeque<P>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Incomplete { sent: u8 },
    Reachable(Mac),
    Stale(Mac),
    Probing { mac: Mac, sent: u8 },
}

/// What [`Neighbours::park`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Parked<P> {
    /// It waits.
    Waiting,
    /// It waits, and an older one had to go.
    Displaced(P),
}

impl<P> Neighbours<P> {
    /// An empty table.
    pub fn new(hash: KeyedHash) -> Self {
        Self {
            table: HashMap::with_hasher(hash),
            agenda: BTreeSet::new(),
            requests: VecDeque::new(),
            failed: VecDeque::new(),
        }
    }

    /// The hardware address of a neighbour to whom something is sent now, if it is known.
    pub fn resolve(&mut self, now: Instant, ip: Ipv4Addr) -> Option<Mac> {
        match self.table.get(&ip)?.state {
            State::Reachable(mac) | State::Probing { mac, .. } => Some(mac),
            State::Stale(mac) => {
                self.set(ip, State::Probing { mac, sent: 1 }, now + REQUEST_INTERVAL);
                self.requests.push_back(Request { ip, to: Some(mac) });
                Some(mac)
            }
            State::Incomplete { .. } => None,
        }
    }

    /// Keeps a packet until its neighbour is known, and asks for it.
    pub fn park(&mut self, now: Instant, ip: Ipv4Addr, packet: P) -> Parked<P> {
        if !self.table.contains_key(&ip) {
            self.set(ip, State::Incomplete { sent: 1 }, now + REQUEST_INTERVAL);
            self.requests.push_back(Request { ip, to: None });
        }
        let parked = &mut self.table.get_mut(&ip).expect("put in above").parked;
        parked.push_back(packet);
        if parked.len() <= limits::PARKED_PER_NEIGHBOUR {
            return Parked::Waiting;
        }
        parked.pop_front().map_or(Parked::Waiting, Parked::Displaced)
    }

    /// Notes what an ARP packet said. RFC 826: a known address is updated whoever was asked ("merge"); an
    /// unknown one is added only when we were the target. True when the address is known now; then the caller
    /// takes what waited for it.
    pub fn learn(&mut self, now: Instant, ip: Ipv4Addr, mac: Mac, we_were_target: bool) -> bool {
        if !we_were_target && !self.table.contains_key(&ip) && !fault::is(Fault::ArpLearnsFromAll) {
            return false;
        }
        self.set(ip, State::Reachable(mac), now + REACHABLE);
        true
    }

    /// What is known of every neighbour: address, state, hardware address if it is known, and packets that wait. Looks
    /// at all of them: for rare reports.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.agenda.iter().map(|&(deadline, ip)| {
            let neighbour = &self.table[&ip];
            let (state, mac) = match neighbour.state {
                State::Incomplete { .. } => ("incomplete", None),
                State::Reachable(mac) => ("reachable", Some(mac)),
                State::Stale(mac) => ("stale", Some(mac)),
                State::Probing { mac, .. } => ("probing", Some(mac)),
            };
            Entry { ip, mac, state, parked: neighbour.parked.len(), deadline }
        })
    }

    /// A packet that waited for a neighbour that is known now.
    pub fn unpark(&mut self, ip: Ipv4Addr) -> Option<P> {
        self.table.get_mut(&ip)?.parked.pop_front()
    }

    /// Ages what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(_, ip)) = self.agenda.first().filter(|&&(at, _)| at <= now) {
            match self.table[&ip].state {
                State::Reachable(mac) => self.set(ip, State::Stale(mac), now + FORGET),
                State::Stale(_) => {
                    self.forget(ip);
                }
                State::Probing { mac, sent } if sent < MAX_REQUESTS => {
                    self.set(ip, State::Probing { mac, sent: sent + 1 }, now + REQUEST_INTERVAL);
                    self.requests.push_back(Request { ip, to: Some(mac) });
                }
                State::Probing { .. } => {
                    self.set(ip, State::Incomplete { sent: 1 }, now + REQUEST_INTERVAL);
                    self.requests.push_back(Request { ip, to: None });
                }
                State::Incomplete { sent } if sent < MAX_REQUESTS || fault::is(Fault::ArpNeverGivesUp) => {
                    let sent = sent.saturating_add(1);
                    self.set(ip, State::Incomplete { sent }, now + REQUEST_INTERVAL);
                    self.requests.push_back(Request { ip, to: None });
                }
                State::Incomplete { .. } => {
                    let parked = self.forget(ip);
                    self.failed.push_back((ip, parked));
                }
            }
        }
    }

    /// The next request to send.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// A neighbour that did not answer, with what was parked for it.
    pub fn poll_failed(&mut self) -> Option<(Ipv4Addr, VecDeque<P>)> {
        self.failed.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.first().map(|&(at, _)| at)
    }

    /// Neighbours in the table.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Nobody is known or asked for.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn set(&mut self, ip: Ipv4Addr, state: State, deadline: Instant) {
        if let Some(neighbour) = self.table.get_mut(&ip) {
            self.agenda.remove(&(neighbour.deadline, ip));
            (neighbour.state, neighbour.deadline) = (state, deadline);
        } else {
            self.make_room();
            self.table.insert(ip, Neighbour { state, deadline, parked: VecDeque::new() });
        }
        self.agenda.insert((deadline, ip));
    }

    fn make_room(&mut self) {
        if self.table.len() >= limits::NEIGHBOURS
            && let Some(&(_, ip)) = self.agenda.first()
        {
            let parked = self.forget(ip);
            self.failed.push_back((ip, parked));
        }
    }

    fn forget(&mut self, ip: Ipv4Addr) -> VecDeque<P> {
        let Some(neighbour) = self.table.remove(&ip) else { return VecDeque::new() };
        self.agenda.remove(&(neighbour.deadline, ip));
        neighbour.parked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::{Purpose, Seed};

    const IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn table() -> Neighbours<u32> {
        Neighbours::new(Seed::from_u64(1).stream(Purpose::Secrets).key())
    }

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    /// Everything asked for from now to the end, one entry a request: (second, unicast).
    fn requests(table: &mut Neighbours<u32>, until: u64) -> Vec<(u64, bool)> {
        let mut seen = Vec::new();
        for second in 0..=until {
            table.handle_timeout(at(second));
            while let Some(request) = table.poll_request() {
                seen.push((second, request.to.is_some()));
            }
        }
        seen
    }

    #[test]
    fn three_requests_a_second_apart_then_failure_with_all_that_waited() {
        let mut table = table();
        assert_eq!(table.resolve(at(0), IP), None);
        assert_eq!(table.park(at(0), IP, 1), Parked::Waiting);
        assert_eq!(table.park(at(0), IP, 2), Parked::Waiting);
        assert_eq!(requests(&mut table, 10), [(0, false), (1, false), (2, false)]);
        assert_eq!(table.poll_failed(), Some((IP, VecDeque::from([1, 2]))));
        assert!(table.is_empty() && table.poll_timeout().is_none());
    }

    #[test]
    fn only_so_many_wait_and_the_oldest_goes_first() {
        let mut table = table();
        let limit = limits::PARKED_PER_NEIGHBOUR as u32;
        assert!((0..limit).all(|n| table.park(at(0), IP, n) == Parked::Waiting));
        assert_eq!(table.park(at(0), IP, 99), Parked::Displaced(0));
        assert!(table.learn(at(0), IP, MAC, true));
        assert_eq!(table.unpark(IP), Some(1));
    }

    #[test]
    fn rfc_826_learns_from_strangers_only_when_asked_itself() {
        let mut table = table();
        assert!(!table.learn(at(0), IP, MAC, false));
        assert!(table.learn(at(0), IP, MAC, true));
        let moved = Mac([2, 0, 0, 0, 0, 5]);
        assert!(table.learn(at(1), IP, moved, false), "a known one is merged");
        assert_eq!(table.resolve(at(1), IP), Some(moved));
    }

    #[test]
    fn a_stale_neighbour_is_used_while_it_is_asked_by_unicast_first() {
        let mut table = table();
        table.learn(at(0), IP, MAC, true);
        table.handle_timeout(at(31));
        assert_eq!(table.poll_request(), None, "nobody asks for one that nobody uses");
        assert_eq!(table.resolve(at(31), IP), Some(MAC));
        let mut asked = Vec::new();
        for second in 31..45 {
            table.handle_timeout(at(second));
            asked.extend(std::iter::from_fn(|| table.poll_request()).map(|r| (second, r.to.is_some())));
            if second < 34 {
                assert_eq!(table.resolve(at(second), IP), Some(MAC));
            }
        }
        assert_eq!(asked, [(31, true), (32, true), (33, true), (34, false), (35, false), (36, false)]);
        assert_eq!(table.poll_failed(), Some((IP, VecDeque::new())));
    }

    #[test]
    fn an_unused_neighbour_is_forgotten() {
        let mut table = table();
        table.learn(at(0), IP, MAC, true);
        table.handle_timeout(at(31));
        table.handle_timeout(at(700));
        assert!(table.is_empty());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = table();
        for n in 0..limits::NEIGHBOURS as u32 + 100 {
            table.learn(at(u64::from(n) / 100), Ipv4Addr::from(0x0a00_0000 + n), MAC, true);
        }
        assert_eq!(table.len(), limits::NEIGHBOURS);
        assert_eq!(table.agenda.len(), limits::NEIGHBOURS);
        assert_eq!(table.resolve(at(11), Ipv4Addr::from(0x0a00_0000)), None, "the oldest made room");
    }
}
