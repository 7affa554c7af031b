//! The memory of all connections: thousands of peers want as much of it as they can get, in each way there is, and get
//! no more than there is; others are served meanwhile, and all is well when the many are gone.

#![allow(unsafe_code, reason = "what the heap holds is counted")]

mod heap;
mod world;

use taphouse::drops::Drop;
use taphouse::fault::{self, Fault};
use taphouse::limits;
use taphouse::tcp;
use taphouse::tcp::pressure::Pressure;
use taphouse::time::Duration;
use world::World;

const MEMORY: usize = 32 << 20;
/// Times that each attacks, a second apart.
const ROUNDS: usize = 3;
const FULL: [u8; 1460] = [b'x'; 1460];
/// Bytes of the heap for a connection, however short memory is: what is set apart, the connection itself and its places
/// in the tables, and what allocators and growing vectors round up.
const EACH: usize = limits::CONNECTION_RESERVE + 4096;

/// How a peer attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attack {
    /// It asks for much, and acknowledges nothing.
    NeverReads,
    /// It announces windows of one byte, for segments of 64.
    OneByteWindows,
    /// It sends full segments behind a gap.
    Gaps,
    /// It sends single bytes, each behind a gap of its own.
    Specks,
    /// It sends what nobody reads, byte by byte and then in full segments.
    Unread,
}

impl Attack {
    /// One attacker does its worst.
    fn run(self, world: &mut World, number: usize) {
        match self {
            Self::NeverReads => {
                world.peers[number].acknowledges = false;
                world.peers[number].to_write = 1 << 20;
                world.write(number);
            }
            Self::OneByteWindows => {
                world.peers[number].window = 1;
                world.say(number, b"");
                world.peers[number].to_write = 1 << 20;
                world.write(number);
            }
            Self::Gaps => {
                let start = world.peers[number].seq + 1;
                for n in 0..20 {
                    world.say_at(number, start + n * 1460, &FULL);
                }
            }
            Self::Specks => {
                let start = world.peers[number].seq + 1;
                for n in 0..40 {
                    world.say_at(number, start + n * 2, b"x");
                }
            }
            Self::Unread => {
                for n in 0..30 {
                    world.say(number, if n < 10 { b"x" } else { &FULL });
                }
            }
        }
    }
}

/// Sends `len` bytes to the host and as many back, with patience.
fn exchange(world: &mut World, number: usize, len: usize) {
    let peer = &mut world.peers[number];
    (peer.is_read, peer.acknowledges) = (true, true);
    let (first, expected) = (peer.seq, peer.next + len as u32);
    let read = peer.read + len;
    peer.to_write = len;
    world.write(number);
    for _ in 0..1000 {
        let peer = &mut world.peers[number];
        if peer.read == read && peer.next == expected {
            return;
        }
        // What was not taken is sent again.
        peer.seq = peer.acked;
        let sent = (peer.seq - first) as usize;
        let room = (peer.edge - peer.seq) as usize;
        let mut left = (len - sent).min(room).min(20 * 1460);
        while left > 0 {
            let piece = left.min(1460);
            world.say(number, &FULL[..piece]);
            left -= piece;
        }
        world.pass(Duration::from_millis(10));
    }
    let peer = &world.peers[number];
    panic!(
        "{number} is not served: {} of {read} read, {} missing, {} to write",
        peer.read,
        expected - peer.next,
        peer.to_write
    );
}

struct Outcome {
    /// The most that was held, of the heap and by the stack's own count.
    heap: usize,
    used: usize,
    pressure: Pressure,
    /// Bytes behind gaps that were thrown away.
    pruned: u64,
}

/// A good client among so many attackers: what they get, and how it fares.
fn run(attack: Attack, attackers: usize) -> Outcome {
    let before = heap::held();
    let mut world = World::new(MEMORY, attackers + 10);
    let good = world.open(1460, Some(7)).expect("there is room");
    exchange(&mut world, good, 100_000);
    let (mss, scale) = if attack == Attack::OneByteWindows { (64, None) } else { (1460, Some(7)) };
    let numbers: Vec<_> = (0..attackers).map(|_| world.open(mss, scale).expect("there is room")).collect();
    let mut outcome = Outcome { heap: 0, used: 0, pressure: Pressure::None, pruned: 0 };
    for _ in 0..ROUNDS {
        for &number in &numbers {
            attack.run(&mut world, number);
            let memory = world.stack.memory();
            outcome.used = outcome.used.max(memory.used);
            outcome.pressure = outcome.pressure.max(memory.pressure);
            outcome.heap = outcome.heap.max((heap::held() - before) as usize);
        }
        world.pass(Duration::from_secs(1));
    }
    if outcome.pressure == Pressure::Full {
        assert_eq!(world.open(1460, Some(7)), None, "new connections are refused");
        assert!(world.stack.drops().of(Drop::TcpMemoryFull) > 0);
    }
    outcome.pruned = world.stack.counters().pruned;
    exchange(&mut world, good, 100_000);
    for &number in &numbers {
        world.reset(number);
    }
    world.pass(Duration::from_secs(2));
    assert_eq!((world.stack.population(), world.stack.dormant()), ((1, 0, 0), 1));
    assert_eq!((world.stack.memory().used, world.stack.memory().pressure), (0, Pressure::None));
    let late = world.open(1460, Some(7)).expect("there is room again");
    exchange(&mut world, late, 100_000);
    outcome
}

fn assert_bounded(attack: Attack, attackers: usize) {
    let outcome = run(attack, attackers);
    assert!(outcome.used <= MEMORY, "{} bytes by its own count", outcome.used);
    assert!(outcome.heap <= MEMORY + attackers * EACH, "{} bytes of the heap", outcome.heap);
    // What can be thrown away is, before anybody has to do with less.
    let is_behind_gaps = matches!(attack, Attack::Gaps | Attack::Specks);
    assert_eq!(outcome.pressure < Pressure::High, is_behind_gaps);
    assert_eq!(outcome.pruned > 0, is_behind_gaps);
}

#[test]
fn peers_that_never_read_get_no_more_than_there_is() {
    assert_bounded(Attack::NeverReads, 10_000);
}

#[test]
fn windows_of_one_byte_get_no_more_than_there_is() {
    assert_bounded(Attack::OneByteWindows, 10_000);
}

#[test]
fn full_segments_behind_gaps_get_no_more_than_there_is() {
    assert_bounded(Attack::Gaps, 10_000);
}

#[test]
fn single_bytes_behind_gaps_get_no_more_than_there_is() {
    assert_bounded(Attack::Specks, 10_000);
}

#[test]
fn what_nobody_reads_gets_no_more_than_there_is() {
    assert_bounded(Attack::Unread, 10_000);
}

/// Bytes of the heap that each of so many connections takes up which have said something and are idle.
fn idle_bytes(connections: usize) -> usize {
    let mut world = World::new(limits::TCP_MEMORY, connections);
    world.peers.reserve(connections);
    let before = heap::held();
    for _ in 0..connections {
        let number = world.open(1460, Some(7)).expect("there is room");
        exchange(&mut world, number, 3000);
    }
    world.pass(Duration::from_secs(2));
    assert_eq!((world.stack.population(), world.stack.dormant()), ((connections, 0, 0), connections));
    (heap::held() - before) as usize / connections
}

fn assert_idle_ones_are_small() {
    // As many as fill the tables, which double.
    let bytes = idle_bytes(7000);
    assert!(bytes <= 512, "{bytes}");
}

#[test]
fn those_who_had_gaps_leave_nothing_behind() {
    let mut world = World::new(MEMORY, 10);
    let cycle = |world: &mut World| {
        let number = world.open(1460, Some(7)).expect("there is room");
        let start = world.peers[number].seq + 1;
        world.say_at(number, start, b"x");
        world.reset(number);
        world.peers.pop();
    };
    (0..100).for_each(|_| cycle(&mut world));
    let before = heap::held();
    (0..20_000).for_each(|_| cycle(&mut world));
    assert_eq!(world.stack.population(), (0, 0, 0));
    assert!(heap::held() - before < 10_000, "{}", heap::held() - before);
}

#[test]
fn one_peer_who_is_not_read_gets_one_buffer() {
    let mut world = World::new(MEMORY, 10);
    let number = world.open(1460, Some(7)).expect("there is room");
    for _ in 0..20_000 {
        // Windows are rounded up to a multiple of 128 bytes with each ACK, which a copy calls forth.
        let peer = &world.peers[number];
        let len = ((peer.edge - peer.acked) as usize).min(63);
        world.peers[number].seq = world.peers[number].acked;
        world.say(number, &FULL[..len]);
        let seq = world.peers[number].seq;
        world.say_at(number, seq - 1, b"x");
    }
    assert!(world.stack.memory().used < 2 * limits::BUFFER_START, "{:?}", world.stack.memory());
}

#[test]
fn what_was_counted_was_held_and_is_given_back() {
    // Thousands of pieces behind a gap, which is filled, and all of it read.
    let mut world = World::new(limits::TCP_MEMORY, 10);
    world.listen(tcp::Config { buffer_start: usize::MAX, ..tcp::Config::default() });
    let good = world.open(1460, Some(7)).expect("there is room");
    exchange(&mut world, good, 10_000);
    let before = heap::held();
    let start = world.peers[good].seq;
    let pieces = ((world.peers[good].edge - start) / 256).min(4000);
    assert!(pieces > 1000, "{pieces}");
    for n in 1..pieces {
        world.say_at(good, start + n * 256, &FULL[..256]);
    }
    let (held, counted) = ((heap::held() - before) as usize, world.stack.buffer_memory());
    assert!(counted * 5 > held * 4, "{counted} of {held} are counted");
    world.say_at(good, start, &FULL[..256]);
    world.peers[good].seq += pieces * 256;
    let left = heap::held() - before;
    assert!(left < 30_000, "{left}");
}

#[test]
fn what_is_counted_is_held_when_memory_is_short() {
    for lens in [&[1460][..], &[1, 256], &[100, 157], &[129], &[1, 1460], &[16]] {
        let mut world = World::new(MEMORY, 3000);
        while world.stack.memory().pressure < Pressure::High {
            let number = world.open(1460, Some(7)).expect("there is room");
            (0..44).for_each(|_| world.say(number, &FULL));
        }
        let before = (heap::held(), world.stack.buffer_memory());
        while world.stack.memory().pressure < Pressure::Full {
            let number = world.open(1460, Some(7)).expect("there is room");
            for len in lens.iter().cycle().take(3000) {
                let peer = &world.peers[number];
                if ((peer.edge - peer.seq) as usize) < *len || world.stack.memory().pressure == Pressure::Full
                {
                    break;
                }
                world.say(number, &FULL[..*len]);
            }
        }
        let (held, counted) = ((heap::held() - before.0) as usize, world.stack.buffer_memory() - before.1);
        // A connection itself is some two KiB, and there are a few.
        assert!(held < counted * 5 / 4, "{lens:?}: {held} held, {counted} counted");
    }
}

#[test]
fn an_idle_connection_takes_512_bytes_of_the_heap() {
    assert_idle_ones_are_small();
}

#[test]
fn every_broken_mechanism_is_noticed() {
    assert!(fault::is_noticed(Fault::NoRest, assert_idle_ones_are_small));
    for (fault, attack) in [(Fault::MemoryUnlimited, Attack::NeverReads), (Fault::NoPruning, Attack::Gaps)] {
        assert_bounded(attack, 1200);
        assert!(fault::is_noticed(fault, move || assert_bounded(attack, 1200)), "{fault:?}");
    }
}
