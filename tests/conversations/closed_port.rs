//! CLOSED and LISTEN: what belongs to nothing is reset, by numbers that its sender accepts. RFC 9293 3.5.2,
//! 3.10.7.1, 3.10.7.2.

use taphouse::drops::Drop;
use taphouse::stack::Stack;

use taphouse::frame::Frame;
use taphouse::rand::Seed;

use crate::harness::{IRS, Setup, Talk, seg};

/// Without a connection the host's numbers have no origin: what it says is read as it is.
fn says(talk: &mut Talk, flags: &str, seq: u32, ack: i64) {
    let said = talk.take();
    assert_eq!(said.len(), 1, "{said:?}");
    let header = said[0].header;
    let ack = if flags.contains('A') { IRS.wrapping_add(ack as u32) } else { 0 };
    assert_eq!((format!("{:?}", header.flags), header.seq.0, header.ack.0), (flags.to_owned(), seq, ack));
    assert_eq!((header.window, said[0].payload.len()), (0, 0));
}

#[test]
fn an_ack_to_a_closed_port_is_reset_with_its_own_number() {
    // RFC 9293 3.10.7.1: <SEQ=SEG.ACK><CTL=RST>; 3.5.2, group 1.
    let mut talk = Talk::idle(Setup::default());
    for segment in [seg("A", 0, 4711), seg("SA", 0, 4711), seg("FA", 0, 4711), seg("PA", 0, 4711).data(b"x")]
    {
        talk.hears(segment);
        says(&mut talk, "R", 4711, 0);
    }
    assert_eq!(talk.drops(Drop::TcpNoListener), 4);
}

#[test]
fn what_does_not_acknowledge_is_reset_with_an_ack_of_all_of_it() {
    // RFC 9293 3.10.7.1: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>, SYN and FIN counted.
    let mut talk = Talk::idle(Setup::default());
    for (segment, len) in [
        (seg("S", 0, 0), 1),
        (seg("S", 0, 0).data(b"early"), 6),
        (seg("F", 0, 0), 1),
        (seg("F", 0, 0).data(b"abc"), 4),
    ] {
        talk.hears(segment);
        says(&mut talk, "RA", 0, len);
    }
}

#[test]
fn a_reset_to_a_closed_port_is_not_answered() {
    // RFC 9293 3.10.7.1: "an incoming segment containing a RST is discarded".
    let mut talk = Talk::idle(Setup::default());
    talk.hears(seg("R", 0, 0));
    talk.hears(seg("RA", 0, 77));
    talk.is_silent();
    assert_eq!(talk.drops(Drop::TcpResetUnmatched), 2);
}

#[test]
fn an_ack_to_a_listener_is_reset() {
    // RFC 9293 3.10.7.2, second: "any acknowledgment is bad if it arrives on a connection still in LISTEN".
    let mut talk = Talk::listening(Setup::default());
    for segment in [seg("A", 0, 99), seg("SA", 0, 99), seg("FA", 0, 99)] {
        talk.hears(segment);
        says(&mut talk, "R", 99, 0);
    }
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 0, 0)));
}

#[test]
fn a_reset_to_a_listener_is_ignored() {
    // RFC 9293 3.10.7.2, first.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(seg("R", 0, 0));
    talk.hears(seg("RA", 0, 99));
    talk.is_silent();
    assert_eq!(talk.drops(Drop::TcpResetUnmatched), 2);
}

#[test]
fn neither_syn_nor_ack_to_a_listener_is_dropped() {
    // RFC 9293 3.10.7.2, fourth; 3.10.7.4, eighth: no FIN in LISTEN.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(seg("F", 0, 0).data(b"x"));
    talk.is_silent();
    assert_eq!((talk.drops(Drop::TcpNoAck), talk.stack.population()), (1, (0, 0, 0)));
}

#[test]
fn flags_that_contradict_each_other_are_dropped() {
    // A named deviation: no host sends SYN with FIN or RST, or no control at all; scanners do.
    let mut talk = Talk::listening(Setup::default());
    for flags in ["SF", "SR", "SFA", "SRA", "", "P", "U"] {
        talk.hears(seg(flags, 0, 0));
    }
    talk.is_silent();
    assert_eq!((talk.drops(Drop::TcpBadFlags), talk.stack.population()), (7, (0, 0, 0)));
}

#[test]
fn resets_for_strangers_come_at_a_limited_rate() {
    // limits::RESET_RATE: 200 at once, 1,000 a second.
    let mut talk = Talk::idle(Setup::default());
    let said = |talk: &mut Talk| {
        (0..300).for_each(|_| talk.hears(seg("A", 0, 1)));
        talk.take().len()
    };
    assert_eq!(said(&mut talk), 200);
    talk.passes_silently(50);
    assert_eq!(said(&mut talk), 50);
    assert_eq!(talk.drops(Drop::TcpResetLimited), 350);
}

#[test]
fn an_abort_is_told_even_when_strangers_used_up_the_resets() {
    // RFC 9293 3.10.5: "send a reset segment".
    let mut talk = Talk::accepted();
    (0..300).for_each(|_| talk.hears_from(1, seg("A", 0, 1)));
    assert_eq!(talk.take().len(), 200);
    talk.stream().abort();
    talk.says(&["RA 1+0 ack 1 win 0"]);
}

#[test]
fn a_host_on_bare_ip_with_nothing_to_do_is_left_alone() {
    // Stack::poll_timeout: whoever drives it would turn without pause.
    let setup = Setup::default();
    let mut stack = Stack::new(Talk::host(setup), &Seed::from_u64(7), setup.start);
    stack.handle_timeout(setup.start);
    assert!(!stack.poll_transmit(setup.start, &mut Frame::default()));
    assert_eq!(stack.poll_timeout(), None);
}
