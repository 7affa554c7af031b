//! What takes more than one frame: limits met, and time run out.

use taphouse::drops::Drop;
use taphouse::limits;
use taphouse::stack::{Config, Event, ListenConfig};
use taphouse::time::Duration;
use taphouse::wire::icmpv4::Message;
use taphouse::wire::tcp::Flags;

use super::build::*;
use super::harness::{Answer, World, config};

const ACK: Flags = Flags::ACK;

/// How many of so many identical frames at one instant are answered, each with one frame.
fn answered(world: &mut World, frame: &[u8], times: usize) -> usize {
    (0..times).map(|_| world.give(frame).len()).sum()
}

fn datagram() -> Vec<u8> {
    ip_frame(&packet(17, &udp(US, 1, 53, b"data")))
}

#[test]
fn a_datagram_in_too_many_fragments_is_dropped() {
    let mut world = World::new(false);
    for n in 0..limits::FRAGMENTS_PER_DATAGRAM {
        assert_eq!(world.give(&ip_frame(&fragment(1, n * 16, true, 17, &[0; 8]))), []);
    }
    assert_eq!(world.count(Drop::FragmentLimit), 0);
    world.give(&ip_frame(&fragment(1, 32_000, true, 17, &[0; 8])));
    assert_eq!(world.count(Drop::FragmentLimit), 1);
}

#[test]
fn too_many_datagrams_in_fragments_make_room_for_each_other() {
    let mut world = World::new(true);
    for id in 0..limits::REASSEMBLIES as u16 + 10 {
        world.give(&ip_frame(&fragment(id, 0, true, 17, &[0; 8])));
    }
    assert_eq!(world.count(Drop::FragmentLimit), 10);
    // 16 that reach to the end fill the memory.
    for id in 1000..1020 {
        world.give(&ip_frame(&fragment(id, 65_000, true, 17, &[0; 8])));
    }
    assert!(world.count(Drop::FragmentLimit) > 30);
    world.assert_answers_ping();
}

#[test]
fn a_datagram_that_stays_incomplete_is_told_of_if_its_beginning_came() {
    let mut world = World::new(false);
    let first = fragment(1, 0, true, 17, &[1; 64]);
    world.give(&ip_frame(&first));
    world.give(&ip_frame(&fragment(2, 64, true, 17, &[2; 64])));
    // RFC 1122 3.2.2: an ICMP error is not answered, a question may be.
    let error = fragment(3, 0, true, 1, &icmp(3, 3, 0, &[0; 56]));
    let question = fragment(4, 0, true, 1, &echo(1, 1, &[0; 56]));
    let broadcast = fragment(5, 0, true, 17, &[5; 64]);
    let broadcast = patched(broadcast, 19, 255);
    [error, question.clone(), broadcast]
        .iter()
        .for_each(|packet| assert_eq!(world.give(&ip_frame(packet)), []));
    let sent = world.pass(limits::REASSEMBLY_TIMEOUT);
    let told: Vec<_> = sent.into_iter().filter(|(_, answer)| matches!(answer, Answer::Icmp { .. })).collect();
    let about = |packet: &[u8]| {
        let message = Message::TimeExceeded { code: 1 };
        (world.now, Answer::Icmp { dst: PEER, message, data: quote(packet) })
    };
    assert_eq!(told, [about(&first), about(&question)]);
    assert_eq!(world.count(Drop::FragmentTimeout), 5);
}

#[test]
fn icmp_errors_are_limited() {
    let mut world = World::new(false);
    let (rate, burst) = limits::ICMP_ERROR_RATE;
    assert_eq!(answered(&mut world, &datagram(), 100), burst as usize);
    assert_eq!(world.count(Drop::IcmpRateLimited), 100 - burst);
    assert_eq!(world.count(Drop::UdpNoListener), 100);
    world.now += Duration::from_secs(1) / rate * 5;
    assert_eq!(answered(&mut world, &datagram(), 100), 5);
    // One kind of answer does not use up another's tokens.
    world.assert_answers_ping();
}

#[test]
fn echo_replies_are_limited() {
    let mut world = World::new(true);
    let burst = limits::ECHO_RATE.1 as usize;
    assert_eq!(answered(&mut world, &ip_frame(&packet(1, &echo(1, 1, b""))), burst + 7), burst);
    assert_eq!(world.count(Drop::IcmpRateLimited), 7);
    world.now += Duration::from_secs(1);
    world.assert_answers_ping();
}

#[test]
fn echo_replies_in_fragments_are_limited_more() {
    let mut world = World::new(false);
    let message = echo(1, 1, &[0; 1600]);
    let burst = limits::FRAGMENTED_RATE.1;
    for id in 0..burst as u16 + 3 {
        world.give(&ip_frame(&fragment(id, 0, true, 1, &message[..800])));
        world.stack.handle_frame(world.now, &ip_frame(&fragment(id, 800, false, 1, &message[800..])));
        let frames = world.drain_raw().len();
        assert_eq!(frames, if u64::from(id) < burst { 2 } else { 0 });
    }
    assert_eq!(world.count(Drop::IcmpRateLimited), 3);
    world.assert_answers_ping();
}

#[test]
fn resets_are_limited() {
    let mut world = World::new(false);
    let frame = ip_frame(&packet(6, &segment(3999, 81, Flags::SYN, 1, 0, &[], b"")));
    let burst = limits::RESET_RATE.1;
    assert_eq!(answered(&mut world, &frame, burst as usize + 9), burst as usize);
    assert_eq!(world.count(Drop::TcpResetLimited), 9);
    assert_eq!(world.stack.counters().resets_sent, burst);
}

#[test]
fn challenges_are_limited_over_all_connections() {
    let mut world = World::with(Config { max_connections: 1000, ..config(false) });
    world.pass(Duration::from_secs(3));
    world.introduce();
    let (conn, other, gone) = (world.open(), world.open(), world.time_wait());
    let burst = limits::CHALLENGES_OF_ONE.1 as usize;
    world.now += Duration::from_secs(1);
    assert_eq!(answered(&mut world, &conn.segment(Flags::SYN, b""), 5 * burst), burst);
    assert_eq!(answered(&mut world, &other.segment_at(Flags::RST, 5, 0, b""), 3), 3, "others have their own");
    assert_eq!(answered(&mut world, &gone.segment_at(ACK, -1, 0, b""), 2), 2);
    assert_eq!(world.count(Drop::TcpChallengeLimited), 4 * burst as u64);
    // How many there are for all of them in a second, nobody can count on.
    let open: Vec<_> = (0..2 * limits::CHALLENGES / burst as u64).map(|_| world.open()).collect();
    let mut total = || {
        world.now += Duration::from_secs(10);
        open.iter().map(|conn| answered(&mut world, &conn.segment(Flags::SYN, b""), burst)).sum::<usize>()
    };
    let (first, second) = (total(), total());
    let bounds = limits::CHALLENGES as usize / 2..=limits::CHALLENGES as usize * 3 / 2;
    assert!(bounds.contains(&first) && bounds.contains(&second) && first != second, "{first} {second}");
}

#[test]
fn a_full_backlog_remembers_no_more() {
    let mut world = World::new(true);
    world.stack.listen(80, ListenConfig { backlog: 2, ..ListenConfig::default() });
    let conn = world.half_open();
    world.half_open();
    let one_more = ip_frame(&packet(6, &segment(3999, 80, Flags::SYN, 1, 0, &[], b"")));
    assert_eq!(world.give(&one_more).len(), 1, "a cookie");
    assert_eq!(world.stack.population().1, 2);
    // One that ends makes room.
    world.give(&conn.segment(ACK, b""));
    assert_eq!(world.give(&one_more).len(), 1);
    assert_eq!(world.stack.population(), (1, 2, 0));
}

#[test]
fn a_listener_under_a_flood_of_syns_still_serves_a_good_client() {
    let mut world = World::new(true);
    world.stack.listen(80, ListenConfig { backlog: 128, ..ListenConfig::default() });
    let flood = |world: &mut World, round: u32| {
        for port in 20_000..22_000 {
            let syn = segment(port, 80, Flags::SYN, round * 7919, 0, &[], b"");
            world.give(&ip_frame(&packet(6, &syn)));
        }
    };
    for round in 0..20 {
        flood(&mut world, round);
        let conn = world.half_open();
        flood(&mut world, round + 100);
        let before = world.stack.population().0;
        world.give(&conn.segment(ACK, b"GET / HTTP/1.1\r\n"));
        assert_eq!(world.stack.population().0, before + 1, "round {round}");
    }
    assert_eq!(world.stack.population().1, 128);
    assert!(world.stack.counters().cookies_sent > 70_000);
}

#[test]
fn a_full_table_takes_no_more() {
    let mut world = World::with(Config { max_connections: 1, ..config(false) });
    world.pass(Duration::from_secs(3));
    world.introduce();
    let waiting = world.half_open();
    let mut conn = world.open();
    let syn = ip_frame(&packet(6, &segment(3999, 80, Flags::SYN, 1, 0, &[], b"")));
    assert_eq!(world.give(&syn), []);
    assert_eq!(world.give(&waiting.segment(ACK, b"GET")), []);
    assert_eq!(world.count(Drop::TcpConnectionLimit), 2);
    world.assert_works(&mut conn);
    world.stack.stream(conn.id.expect("open")).abort();
    world.drain();
    world.give(&waiting.segment(ACK, b"GET"));
    assert!(
        matches!(world.events[..], [.., Event::Accepted { .. }, Event::Readable(_)]),
        "{:?}",
        world.events
    );
}

#[test]
fn a_wrong_sequence_number_makes_no_connection() {
    let mut world = World::new(false);
    let conn = world.half_open();
    for (flags, off) in [(ACK, -1), (ACK, 70_000), (Flags::SYN | ACK, 3), (Flags::FIN | ACK, -2)] {
        assert_eq!(world.give(&conn.segment_at(flags, off, 0, b"")), [conn.answer(ACK)], "{flags:?} {off}");
        assert_eq!(world.stack.population(), (0, 1, 0));
    }
    // What it was before it is still, until it is given up.
    assert_eq!(world.give(&conn.segment(ACK, b"")), []);
    assert_eq!(world.stack.population(), (1, 0, 0));
    world.half_open();
    world.pass(Duration::from_secs(300));
    assert_eq!(world.stack.population(), (1, 0, 0));
}

#[test]
fn pieces_out_of_order_are_limited() {
    let mut world = World::new(false);
    let conn = world.open();
    for n in 0..limits::OUT_OF_ORDER_PIECES as i64 {
        assert_eq!(world.give(&conn.segment_at(ACK, 10 + n * 2, 0, b"x")), [conn.answer(ACK)]);
    }
    assert_eq!(world.count(Drop::TcpReassemblyLimit), 0);
    let beyond = conn.segment_at(ACK, 10 + limits::OUT_OF_ORDER_PIECES as i64 * 2, 0, b"x");
    assert_eq!(world.give(&beyond), [conn.answer(ACK)]);
    assert_eq!(world.count(Drop::TcpReassemblyLimit), 1);
    // In order there is always room, and the first piece comes after it.
    assert_eq!(world.give(&conn.segment(ACK, b"ten bytes.")).len(), 1);
    assert_eq!(world.stack.stream(conn.id.expect("open")).read().expect("readable"), &b"ten bytes.x"[..]);
}

#[test]
fn answers_that_wait_for_the_link_are_limited() {
    let mut world = World::new(false);
    let ping = ip_frame(&packet(1, &echo(1, 1, b"")));
    (0..limits::REPLIES + 4).for_each(|_| world.stack.handle_frame(world.now, &ping));
    assert_eq!(world.count(Drop::ReplyQueueFull), 4);
    assert_eq!(world.drain().len(), limits::REPLIES);
    world.assert_answers_ping();
}

#[test]
fn strangers_do_not_use_up_the_answers_to_keep_alives() {
    // RFC 9293 3.8.4, 3.8.6.1: an empty segment just before the window asks whether we are there.
    let mut world = World::new(false);
    let (conn, gone) = (world.open(), world.time_wait());
    for round in 0..20 {
        world.now += Duration::from_secs(1);
        answered(&mut world, &gone.segment_at(ACK, -8, 0, b"old data"), 3000);
        let probe = conn.segment_at(ACK, -1, 0, b"");
        assert_eq!(answered(&mut world, &probe, 1), 1, "round {round}");
    }
}
