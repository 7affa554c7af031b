use std::net::{Ipv4Addr, SocketAddrV4};

use super::*;
use crate::arp::ProbeMode;
use crate::frame::{Frame, Medium, Properties};
use crate::inspect::capture::Reader;
use crate::link::impair::{Impair, Impairment};
use crate::link::memory::{self, Memory};
use crate::link::watch::Watched;
use crate::rand::Seed;
use crate::serve::vitals::ServeCounters;
use crate::stack::{self, Stack};
use crate::tcp;
use crate::wire::ethernet::Mac;

const PROPERTIES: Properties = Properties { medium: Medium::Ethernet { fcs: false }, mtu: 1500 };

struct Desk {
    stack: Stack,
    link: Instrumented<Memory>,
    wire: Memory,
}

impl Desk {
    fn new() -> Self {
        let config = stack::Config {
            link: PROPERTIES,
            mac: Mac([2, 0, 0, 0, 0, 2]),
            subnet: "192.0.2.2/24".parse().unwrap(),
            gateway: None,
            probe: ProbeMode::Off,
            max_connections: 1000,
            memory: crate::limits::TCP_MEMORY,
        };
        let (near, wire) = memory::pair(PROPERTIES);
        let none = Impairment::default();
        let seed = Seed::from_u64(1);
        let link = Watched::new(Impair::new(near, none, none, &seed), "tap7", 5_000_000_000);
        Self { stack: Stack::new(config, &seed, Instant::ZERO), link, wire }
    }

    fn house(&mut self) -> House<'_, Memory> {
        const NONE: &ServeCounters =
            &ServeCounters { requests: 0, messages: 0, letters_lost: 0, panics: 0, turns: 0 };
        let vitals = Snapshot { stack: &self.stack, gathered: 0, serve: NONE };
        House { now: Instant::ZERO, vitals, link: &mut self.link }
    }

    /// Asks, and takes everything that is said until the caller is sent away, with the number of pieces.
    fn ask(&mut self, request: &str) -> (Vec<Json>, usize) {
        let mut caller = Caller::default();
        caller.handle_bytes(&mut self.house(), request.as_bytes());
        caller.handle_bytes(&mut self.house(), b"\n");
        let (mut all, mut pieces) = (Vec::new(), 0);
        while !caller.is_over() && pieces < 100 {
            let len = caller.poll_output(&mut self.house()).len();
            all.extend_from_slice(caller.poll_output(&mut self.house()));
            caller.handle_sent(len);
            pieces += 1;
        }
        assert!(caller.is_over(), "{request} comes to an end");
        let lines = all.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        let mut lines: Vec<Json> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        if lines[0].get("error").is_none() {
            assert_eq!(lines.pop(), Some(json!({ "end": true })), "{request}");
        }
        (lines, pieces)
    }
}

#[test]
fn every_command_has_its_answer() {
    let mut desk = Desk::new();
    let remote = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 9), 80);
    let id = desk.stack.connect(remote, tcp::Config::default()).unwrap();
    let mut frame = Frame::default();
    while desk.stack.poll_transmit(Instant::ZERO, &mut frame) {}

    let (lines, _) = desk.ask(r#"{"command":"connections"}"#);
    assert_eq!((lines.len(), &lines[0]["tcp_connections"]), (2, &json!(1)));
    assert_eq!((&lines[1]["id"], &lines[1]["state"]), (&json!(id.to_string()), &json!("SYN-SENT")));

    let (lines, _) = desk.ask(&format!(r#"{{"command":"connection","id":"{id}"}}"#));
    assert_eq!(lines[1]["remote"], "192.0.2.9:80");
    assert_eq!(lines[1]["rto_us"], 1_000_000);

    let (lines, _) = desk.ask(r#"{"command":"arp"}"#);
    assert_eq!((&lines[1]["address"], &lines[1]["state"]), (&json!("192.0.2.9"), &json!("incomplete")));

    let (lines, _) = desk.ask(r#"{"command":"counters"}"#);
    let drops = lines[1]["drops"].as_object().unwrap();
    assert_eq!(drops.len(), crate::drops::Drop::ALL.len());

    let (lines, _) = desk.ask(r#"{"command":"impair","set":"loss=1%,in.delay=20ms"}"#);
    assert_eq!(lines[1]["in"]["impairment"], "loss=1%,delay=20ms");
    assert_eq!(lines[1]["out"]["impairment"], "loss=1%");
    assert_eq!(desk.link.inner().current().outgoing.loss, 0.01);
    let (lines, _) = desk.ask(r#"{"command":"impair"}"#);
    assert_eq!(lines[1]["out"]["impairment"], "loss=1%");
}

#[test]
fn what_cannot_be_answered_says_why() {
    let mut desk = Desk::new();
    for request in [
        "",
        "hello",
        "{}",
        r#"{"command":7}"#,
        r#"{"command":"reboot"}"#,
        r#"{"command":"connection"}"#,
        r#"{"command":"connection","id":"1"}"#,
        r#"{"command":"connection","id":"1.1"}"#,
        r#"{"command":"impair","set":"loss=much"}"#,
        r#"{"command":"impair","set":5}"#,
        &"x".repeat(5000),
    ] {
        let (lines, _) = desk.ask(request);
        assert_eq!(lines.len(), 1, "{request}");
        assert!(lines[0]["error"].as_str().is_some_and(|why| why.len() > 5), "{request}: {lines:?}");
    }
}

#[test]
fn a_long_list_comes_in_pieces_and_each_connection_once() {
    let mut desk = Desk::new();
    for port in 1..=600 {
        let remote = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 9), port);
        desk.stack.connect(remote, tcp::Config::default()).unwrap();
    }
    let (lines, pieces) = desk.ask(r#"{"command":"connections"}"#);
    let mut remotes: Vec<_> = lines[1..].iter().map(|l| l["remote"].to_string()).collect();
    remotes.sort_unstable();
    remotes.dedup();
    assert_eq!(remotes.len(), 600);
    assert!(pieces >= 3, "{pieces}");
}

#[test]
fn a_watcher_gets_a_pcapng_until_he_goes() {
    let mut desk = Desk::new();
    let mut caller = Caller::default();
    assert!(!desk.link.is_watched());
    caller.handle_bytes(&mut desk.house(), b"{\"command\":\"watch\"}\n");
    assert!(desk.link.is_watched());
    let mut stream = Vec::new();
    for n in 0..3u8 {
        desk.wire.inject([&[0xff; 6][..], &[2, 0, 0, 0, 0, n], &[8, 6], &[n; 28]].concat());
        desk.link.recv(Instant::ZERO, &mut [0; 100]);
        let len = caller.poll_output(&mut desk.house()).len();
        stream.extend_from_slice(caller.poll_output(&mut desk.house()));
        caller.handle_sent(len);
    }
    let (first, capture) = stream.split_at(stream.iter().position(|&b| b == b'\n').unwrap() + 1);
    assert_eq!(first, b"{\"ok\":true}\n");
    // The first piece is the answer alone, so the last frame still waits.
    let rest = caller.poll_output(&mut desk.house()).to_vec();
    let mut reader = Reader::new([capture, &rest].concat().leak() as &[u8]);
    for n in 0..3u8 {
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!((frame.bytes[11], frame.time), (n, Some(5_000_000_000)));
        assert_eq!(frame.interface.as_deref(), Some("tap7"));
    }
    assert!(reader.next_frame().unwrap().is_none());
    caller.handle_gone(&mut desk.house());
    assert!(!desk.link.is_watched());
}
