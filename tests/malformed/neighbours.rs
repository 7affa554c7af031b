//! Conversations of ARP with a whole stack: RFC 826, RFC 1122 2.3.2, RFC 5227.

use std::net::{Ipv4Addr, SocketAddrV4};

use taphouse::arp::ProbeMode;
use taphouse::drops::Drop;
use taphouse::limits;
use taphouse::stack::{Config, Event, Trouble};
use taphouse::tcp::{self, Cause};
use taphouse::time::{Duration, Instant};
use taphouse::wire::icmpv4::Message;

use super::build::*;
use super::harness::{Answer, World, arp_asks, arp_reply, config};

/// A ping from an address of whom nothing is known; the frame's source address is not learned from.
fn ping_from(src: Ipv4Addr, seq: u16) -> Vec<u8> {
    ip_frame(&packet_from(src, US, 1, &echo(1, seq, b"data")))
}

fn pong(dst: Ipv4Addr, seq: u16) -> Answer {
    Answer::Icmp { dst, message: Message::EchoReply { id: 1, seq }, data: b"data".to_vec() }
}

fn held(fcs: bool) -> World {
    let mut world = World::with(config(fcs));
    world.pass(Duration::from_secs(3));
    world
}

/// When, in milliseconds from then.
fn at(start: Instant, sent: Vec<(Instant, Answer)>) -> Vec<(u64, Answer)> {
    sent.into_iter().map(|(when, answer)| (when.since(start).as_millis(), answer)).collect()
}

#[test]
pub(crate) fn who_asks_for_us_is_learned_and_who_asks_for_others_is_not() {
    for fcs in [false, true] {
        let mut world = held(fcs);
        assert_eq!(world.give(&arp_request(PEER_MAC, PEER, OTHER)), []);
        assert_eq!(world.count(Drop::ArpNotForUs), 1);
        assert_eq!(world.give(&ping_from(PEER, 1)), [arp_asks(None, US, PEER)]);
        // The answer is for us, so it is learned, and what waited leaves.
        assert_eq!(world.give(&arp_reply_frame(PEER_MAC, PEER, US_MAC, US)), [pong(PEER, 1)]);
        assert_eq!(world.give(&arp_request(OTHER_MAC, OTHER, US)), [arp_reply(OTHER_MAC, OTHER)]);
        assert_eq!(world.give(&ping_from(OTHER, 2)), [pong(OTHER, 2)]);
    }
}

#[test]
fn a_known_neighbour_that_moves_is_believed_whomever_it_tells() {
    let mut world = held(false);
    world.introduce();
    // RFC 826: "merge" comes before the question whether we are the target.
    assert_eq!(world.give(&arp_request(OTHER_MAC, PEER, PEER)), []);
    world.stack.handle_frame(world.now, &ping_from(PEER, 1));
    let frames = world.drain_raw();
    assert_eq!(frames[0][..6], OTHER_MAC.0);
}

#[test]
fn one_request_a_second_and_what_waits_leaves_in_order() {
    let mut world = held(true);
    assert_eq!(world.give(&ping_from(OTHER, 0)), [arp_asks(None, US, OTHER)]);
    let start = world.now;
    for seq in 1..5 {
        assert_eq!(world.give(&ping_from(OTHER, seq)), [], "asked already");
        world.pass(Duration::from_millis(100));
    }
    let sent = at(start, world.pass(Duration::from_millis(1_500)));
    assert_eq!(sent, [(1_000, arp_asks(None, US, OTHER))]);
    let answers = world.give(&arp_reply_frame(OTHER_MAC, OTHER, US_MAC, US));
    assert_eq!(answers, (0..5).map(|seq| pong(OTHER, seq)).collect::<Vec<_>>());
    assert_eq!(world.pass(Duration::from_secs(20)), [], "nobody asks again");
}

#[test]
fn when_too_many_wait_the_oldest_goes() {
    let mut world = held(false);
    let count = limits::PARKED_PER_NEIGHBOUR as u16 + 3;
    (0..count).for_each(|seq| drop(world.give(&ping_from(OTHER, seq))));
    assert_eq!(world.count(Drop::NeighbourQueueFull), 3);
    let answers = world.give(&arp_request(OTHER_MAC, OTHER, US));
    let mut expected: Vec<_> = (3..count).map(|seq| pong(OTHER, seq)).collect();
    expected.push(arp_reply(OTHER_MAC, OTHER));
    assert_eq!(answers, expected);
}

#[test]
pub(crate) fn after_three_requests_what_waits_is_told() {
    let mut world = held(false);
    let id = world.stack.connect(SocketAddrV4::new(OTHER, 80), tcp::Config::default()).expect("a free port");
    let start = world.now;
    world.give(&ping_from(OTHER, 1));
    let sent = at(start, world.pass(Duration::from_millis(2_999)));
    // The first left with the ping.
    assert_eq!(sent, [(1_000, arp_asks(None, US, OTHER)), (2_000, arp_asks(None, US, OTHER))]);
    assert_eq!(world.events, []);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.events, [Event::Closed(id, Cause::Unreachable)]);
    // Two SYNs (RFC 6298: one second apart at first) and the reply.
    assert!(world.count(Drop::NeighbourUnreachable) >= 2);
    // The next attempt asks anew.
    assert_eq!(world.give(&ping_from(OTHER, 2)), [arp_asks(None, US, OTHER)]);
}

#[test]
fn a_stale_neighbour_is_used_and_asked_alone() {
    let mut world = held(true);
    world.introduce();
    assert_eq!(world.pass(Duration::from_secs(31)), [], "nobody asks for one that nobody uses");
    let start = world.now;
    world.stack.handle_frame(start, &with_fcs(&ping_from(PEER, 1)));
    let mut sent = at(start, world.pass(Duration::from_millis(2_500)));
    let reply = sent.iter().position(|(_, answer)| *answer == pong(PEER, 1)).expect("it did not wait");
    assert_eq!(sent.remove(reply).0, 0);
    let alone = arp_asks(Some(PEER_MAC), US, PEER);
    assert_eq!(sent, [(0, alone.clone()), (1_000, alone.clone()), (2_000, alone)]);
    // Silence: now all are asked, and packets wait.
    let sent = at(start, world.pass(Duration::from_millis(600)));
    assert_eq!(sent, [(3_000, arp_asks(None, US, PEER))]);
    assert_eq!(world.give(&ping_from(PEER, 2)), []);
    assert_eq!(world.give(&arp_reply_frame(OTHER_MAC, PEER, US_MAC, US)), [pong(PEER, 2)]);
}

#[test]
fn off_the_subnet_the_gateway_is_asked_for() {
    let far = Ipv4Addr::new(203, 0, 113, 9);
    let gateway = Ipv4Addr::new(192, 0, 2, 254);
    let mut world = World::with(Config { gateway: Some(gateway), ..config(false) });
    world.pass(Duration::from_secs(3));
    assert_eq!(world.give(&ping_from(far, 1)), [arp_asks(None, US, gateway)]);
    assert_eq!(world.give(&arp_reply_frame(OTHER_MAC, gateway, US_MAC, US)), [pong(far, 1)]);
    world.stack.handle_frame(world.now, &ping_from(far, 2));
    assert_eq!(world.drain_raw()[0][..6], OTHER_MAC.0);
    assert_eq!(world.count(Drop::NoRoute), 0);
    // Without one there is no way.
    let mut world = held(false);
    assert_eq!(world.give(&ping_from(far, 1)), []);
    let id = world.stack.connect(SocketAddrV4::new(far, 80), tcp::Config::default()).expect("a free port");
    assert_eq!(world.drain(), []);
    assert_eq!(world.count(Drop::NoRoute), 2);
    world.stack.stream(id).abort();
}

#[test]
pub(crate) fn while_the_address_is_probed_nothing_is_answered() {
    for fcs in [false, true] {
        let mut world = World::with(Config { probe: ProbeMode::Quick, ..config(fcs) });
        let start = world.now;
        let nobody = Ipv4Addr::UNSPECIFIED;
        let mut sent = world.pass(Duration::from_millis(250));
        let questions = [
            arp_request(PEER_MAC, PEER, US),
            ping_from(PEER, 1),
            ip_frame(&packet(17, &udp(US, 1, 53, b"data"))),
            ip_frame(&packet(6, &segment(1, 80, taphouse::wire::tcp::Flags::SYN, 1, 0, &[], b""))),
        ];
        for frame in &questions {
            assert_eq!(world.give(frame), []);
        }
        assert_eq!(world.count(Drop::AddressNotReady), 4);
        assert!(!world.stack.is_ready());
        sent.extend(world.pass(Duration::from_secs(3)));
        let probe = arp_asks(None, nobody, US);
        let announcement = arp_asks(None, US, US);
        let expected = [
            (0, probe.clone()),
            (100, probe.clone()),
            (200, probe),
            (300, announcement.clone()),
            (2300, announcement),
        ];
        assert_eq!(at(start, sent), expected);
        assert!(world.stack.is_ready());
        world.introduce();
        world.assert_answers_ping();
    }
}

#[test]
fn an_address_that_is_taken_is_never_used() {
    let uses_it = arp_reply_frame(OTHER_MAC, US, US_MAC, PEER);
    let announces_it = arp_request(OTHER_MAC, US, US);
    let probes_for_it = arp_request(OTHER_MAC, Ipv4Addr::UNSPECIFIED, US);
    for frame in [uses_it, announces_it, probes_for_it] {
        let mut world = World::with(Config { probe: ProbeMode::Quick, ..config(false) });
        world.pass(Duration::from_millis(150));
        assert_eq!(world.give(&frame), []);
        assert_eq!(world.events, [Event::Host(Trouble::AddressTaken(OTHER_MAC))]);
        assert_eq!(world.count(Drop::ArpConflict), 1);
        assert_eq!(world.pass(Duration::from_secs(100)), []);
        assert_eq!(world.give(&arp_request(PEER_MAC, PEER, US)), []);
        assert_eq!(world.give(&ping_from(PEER, 1)), []);
        assert_eq!(world.count(Drop::AddressNotReady), 2);
        assert!(!world.stack.is_ready());
    }
}

#[test]
fn a_held_address_is_defended_not_more_often_than_every_ten_seconds() {
    let mut world = held(false);
    world.introduce();
    let rude = arp_request(OTHER_MAC, US, US);
    assert_eq!(world.give(&rude), [arp_asks(None, US, US)]);
    assert_eq!(world.events, [Event::Host(Trouble::AddressContested(OTHER_MAC))]);
    world.pass(Duration::from_secs(9));
    assert_eq!(world.give(&rude), []);
    world.pass(Duration::from_secs(11));
    assert_eq!(world.give(&rude), [arp_asks(None, US, US)]);
    assert_eq!(world.count(Drop::ArpConflict), 3);
    // A probe of another host is answered, which tells it to look elsewhere (RFC 5227 2.1.1).
    let probe = arp_request(OTHER_MAC, Ipv4Addr::UNSPECIFIED, US);
    assert_eq!(world.give(&probe), [arp_reply(OTHER_MAC, Ipv4Addr::UNSPECIFIED)]);
    world.assert_answers_ping();
}

#[test]
fn our_own_frames_that_come_back_are_no_conflict() {
    let mut world = held(false);
    world.introduce();
    world.give(&arp_request(US_MAC, US, US));
    world.give(&arp_request(US_MAC, Ipv4Addr::UNSPECIFIED, US));
    assert_eq!((world.count(Drop::ArpConflict), world.events.len()), (0, 0));
    world.assert_answers_ping();
}
