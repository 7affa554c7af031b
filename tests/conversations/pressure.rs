//! Memory is short for all: what one connection may still do, and what it does when there is enough again.

use bytes::Bytes;
use taphouse::limits::{BUFFER_START, CONNECTION_RESERVE};
use taphouse::stack::ListenConfig;
use taphouse::tcp::pressure::Pressure;
use taphouse::tcp::{self, WriteError};

use crate::harness::{PORT, Setup, Talk, seg};

const FIRST_OTHER: u16 = 50_001;
const FULL: usize = 1400;

/// A host with 256 KiB, of which no connection may have more than 16.
fn little() -> Setup {
    let tcp = tcp::Config { receive_buffer: 64 << 10, buffer_start: BUFFER_START, ..Setup::default().tcp };
    let (backlog, accept_queue, max_connections) = (1000, 1000, 1000);
    let memory = 256 << 10;
    Setup { tcp, memory, backlog, accept_queue, max_connections, peer_sack: true, ..Setup::default() }
}

/// Others whom nobody reads fill the memory; what each has sent.
fn fill(talk: &mut Talk, until: Pressure) -> Vec<(u16, i64)> {
    let mut others = Vec::new();
    let (iss, id) = (talk.iss, talk.id);
    for port in FIRST_OTHER..FIRST_OTHER + 500 {
        talk.hears_from(port, talk.syn("S"));
        talk.take();
        talk.hears_from(port, seg("A", 1, 1));
        let mut next = 1;
        while next < 1 + 11 * FULL as i64 && talk.stack.memory().pressure < until {
            talk.hears_from(port, seg("A", next, 1).len(FULL));
            next += FULL as i64;
        }
        talk.take();
        others.push((port, next));
        if talk.stack.memory().pressure >= until {
            break;
        }
    }
    assert_eq!(talk.stack.memory().pressure, until);
    talk.events();
    (talk.iss, talk.id) = (iss, id);
    others
}

/// The others are gone.
fn empty(talk: &mut Talk, others: &[(u16, i64)]) {
    let id = talk.id;
    for &(port, next) in others {
        talk.hears_from(port, seg("R", next, 0));
        talk.take();
    }
    assert_eq!(talk.stack.memory().pressure, Pressure::None, "{:?}", talk.stack.memory());
    talk.id = id;
}

#[test]
fn an_answer_finds_room_whatever_waits_unread() {
    // Requests in a pipeline wait while the first is answered.
    let mut talk = Talk::accepted_with(little());
    for n in 0..4 {
        talk.hears(seg("A", 1 + n * 1000, 1).len(1000));
    }
    talk.take();
    fill(&mut talk, Pressure::Full);
    let taken = talk.stream().write(Bytes::from(vec![1; 5000])).expect("there is room");
    assert!((1000..CONNECTION_RESERVE / 2).contains(&taken), "{taken}");
    assert_eq!(talk.stream().write(Bytes::from(vec![1; 5000])), Err(WriteError::Blocked));
    talk.events();
    let mut acked = 1;
    for _ in 0..2 {
        assert!(!talk.take().is_empty());
        acked += i64::from(talk.report().flight);
        talk.hears(seg("A", 4001, acked));
    }
    assert_eq!((talk.events(), acked), (vec!["Writable".to_owned()], 1 + taken as i64));
}

#[test]
fn a_writer_is_told_when_there_is_enough_again() {
    let mut talk = Talk::accepted_with(little());
    let others = fill(&mut talk, Pressure::Full);
    let taken = talk.stream().write(Bytes::from(vec![1; 5000])).expect("there is room");
    talk.stream().notify_below(usize::MAX);
    talk.events();
    empty(&mut talk, &others);
    // It is told with the next that happens to it.
    talk.hears(seg("PA", 1, 1).len(10));
    assert!(talk.stream().room() > 2 * taken);
    assert!(talk.events().contains(&"Writable".to_owned()));
}

#[test]
fn a_gap_can_be_filled_however_short_memory_is() {
    for is_before in [true, false] {
        let mut talk = Talk::accepted_with(little());
        let gaps = |talk: &mut Talk| {
            talk.hears(seg("A", 1461, 1).len(1460));
            talk.hears(seg("A", 2921, 1).len(1460));
        };
        if is_before {
            gaps(&mut talk);
        }
        fill(&mut talk, Pressure::Full);
        if !is_before {
            gaps(&mut talk);
        }
        for n in 0..3 {
            talk.hears(seg("A", 1 + n * 1460, 1).len(1460));
            assert_eq!(talk.read().len(), 1460);
            talk.pass(1000);
        }
        assert_eq!(talk.report().bytes_received, 3 * 1460);
    }
}

#[test]
fn a_segment_larger_than_what_is_set_apart_is_taken_in_part() {
    let mut talk = Talk::accepted_with(Setup { mtu: 9000, peer_mss: Some(8960), ..little() });
    fill(&mut talk, Pressure::Full);
    let mut next = 1;
    for _ in 0..10 {
        talk.hears(seg("FA", next, 1).len(8960));
        let read = talk.read().len();
        assert!(read > 2000, "{read}");
        next += read as i64;
        talk.pass(1000);
    }
    assert_eq!(talk.state(), tcp::State::Established, "a FIN behind what was cut off does not count");
}

#[test]
fn what_was_thrown_away_keeps_nobody_awake() {
    let mut talk = Talk::accepted_with(little());
    for n in 0..8 {
        talk.hears(seg("A", 1461 + n * 1400, 1).len(1400));
    }
    talk.take();
    talk.pass(5000);
    let others = fill(&mut talk, Pressure::Full);
    assert!(talk.stack.counters().pruned > 0);
    empty(&mut talk, &others);
    talk.pass(5000);
    assert_eq!(talk.stack.dormant(), 1);
}

#[test]
fn the_window_of_who_is_not_read_does_not_creep() {
    // Each ACK rounds the window up to a multiple of 128 bytes. RFC 7323 2.3, 2.4.
    let tcp = tcp::Config { receive_buffer: 4 << 20, buffer_start: BUFFER_START, ..Setup::default().tcp };
    let mut talk = Talk::accepted_after(20, Setup { tcp, peer_scale: Some(7), ..Setup::default() });
    let mut next = 1;
    for _ in 0..20_000 {
        let window = talk.report().rcv_wnd as usize;
        if window == 0 {
            break;
        }
        talk.hears(seg("A", next, 1).len(window.min(127)));
        talk.hears(seg("A", 0, 1));
        talk.take();
        next = 1 + talk.report().bytes_received as i64;
    }
    let received = talk.report().bytes_received as usize;
    assert!(received <= BUFFER_START + BUFFER_START / 16 + 128, "{received}");
}

#[test]
fn who_listens_anew_counts_those_who_wait_from_before() {
    let mut talk = Talk::listening(Setup { accept_queue: 4, ..little() });
    let open = |talk: &mut Talk, ports: std::ops::Range<u16>| {
        for port in ports {
            talk.hears_from(port, talk.syn("S"));
            talk.take();
            talk.hears_from(port, seg("A", 1, 1));
            talk.take();
        }
    };
    open(&mut talk, 50_000..50_010);
    talk.stack.unlisten(PORT);
    talk.stack.listen(PORT, ListenConfig { tcp: little().tcp, backlog: 100, accept_queue: 4 });
    open(&mut talk, 51_000..51_010);
    assert_eq!(std::iter::from_fn(|| talk.stack.poll_event()).count(), 4);
}
