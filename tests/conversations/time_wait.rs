//! TIME-WAIT: RFC 9293 3.6.1, 3.10.7.4; RFC 1122 4.2.2.13; RFC 1337.

use taphouse::drops::Drop;
use taphouse::stack::ListenConfig;
use taphouse::tcp::State;

use crate::harness::{PORT, Setup, Talk, seg};

/// SND.NXT is 2, RCV.NXT is 2, and the user has let go.
fn waiting() -> Talk {
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("FA", 1, 2));
    talk.says(&["A 2+0 ack 2 win 65534"]);
    assert_eq!(talk.state(), State::TimeWait);
    talk.events();
    talk.stream().release();
    talk.passes_silently(0);
    assert_eq!(talk.stack.population(), (0, 0, 1));
    talk
}

#[test]
pub(crate) fn the_wait_lasts_a_minute() {
    // RFC 9293 3.6.1, MUST-13 wants 2 MSL = 4 minutes; 60 s is the named deviation.
    let mut talk = waiting();
    talk.passes_silently(59_990);
    assert_eq!(talk.stack.population(), (0, 0, 1));
    talk.passes_silently(20);
    assert_eq!(talk.stack.population(), (0, 0, 0));
    talk.hears(seg("FA", 1, 2));
    talk.says(&["R 2+0 win 0"]);
}

#[test]
fn a_fin_once_more_is_acknowledged_and_begins_the_wait_anew() {
    // RFC 9293 3.10.7.4, eighth, TIME-WAIT: "restart the 2 MSL time-wait timeout".
    let mut talk = waiting();
    talk.passes_silently(50_000);
    talk.hears(seg("FA", 1, 2));
    talk.says(&["A 2+0 ack 2 win 0"]);
    talk.passes_silently(59_900);
    assert_eq!(talk.stack.population(), (0, 0, 1));
    talk.passes_silently(200);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn a_reset_does_not_end_the_wait() {
    // RFC 1337 3, remedy F1; named deviation from RFC 9293 3.10.7.4, second.
    let mut talk = waiting();
    for seq in [1, 2, 3, 50_000] {
        talk.hears(seg("R", seq, 0));
        talk.hears(seg("RA", seq, 2));
    }
    talk.is_silent();
    assert_eq!((talk.drops(Drop::TcpTimeWait), talk.stack.population()), (8, (0, 0, 1)));
}

#[test]
fn old_data_is_acknowledged() {
    // RFC 9293 3.10.7.4, first: not acceptable, so an ACK. The wait is not begun anew.
    let mut talk = waiting();
    talk.passes_silently(30_000);
    talk.hears(seg("PA", -3, 2).data(b"dupe"));
    talk.says(&["A 2+0 ack 2 win 0"]);
    talk.passes_silently(30_050);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn an_ack_that_is_in_order_is_not_answered() {
    // RFC 9293 3.10.7.4: the first check passes it, and no later one asks for an answer.
    let mut talk = waiting();
    talk.hears(seg("A", 2, 2));
    talk.is_silent();
    assert_eq!(talk.stack.population(), (0, 0, 1));
}

#[test]
pub(crate) fn a_syn_with_a_higher_number_opens_a_new_connection() {
    // RFC 9293 3.6.1, MAY-2; RFC 1122 4.2.2.13: our number is larger than all of the old connection's.
    let mut talk = waiting();
    let old_end = talk.iss + 2;
    talk.hears(seg("S", 5000, 0).mss(1460));
    talk.says(&["SA 0+0 ack 5001 win 65535 mss 1460"]);
    assert!(talk.iss.gt(old_end), "{:?} after {old_end:?}", talk.iss);
    assert_eq!(talk.stack.population(), (0, 1, 0));
    talk.hears(seg("PA", 5001, 1).data(b"again"));
    assert_eq!(talk.events(), ["Accepted", "Readable"]);
    assert_eq!(talk.read(), b"again");
}

#[test]
pub(crate) fn a_new_connection_begins_after_a_long_old_one() {
    // RFC 9293 3.6.1 (1), though the clock of RFC 6528 stands far below what was sent.
    let mut talk = Talk::accepted();
    for n in 0..10 {
        talk.write(1 << 15);
        while !talk.take().is_empty() {
            let acked = i64::from((n + 1) << 15);
            let queued = talk.stream().unsent() as i64;
            talk.hears(seg("A", 1, 1 + acked - queued));
        }
        talk.hears(seg("A", 1, 1 + i64::from((n + 1) << 15)));
    }
    talk.stream().shutdown();
    assert_eq!(talk.take().len(), 1);
    let fin = 1 + (10 << 15);
    talk.hears(seg("FA", 1, fin + 1));
    talk.says(&[format!("A {}+0 ack 2 win 65534", fin + 1)]);
    talk.stream().release();
    let old_end = talk.iss + (fin + 1) as u32;
    talk.hears(seg("S", 3, 0).mss(1460));
    talk.says(&["SA 0+0 ack 4 win 65535 mss 1460"]);
    assert_eq!(talk.iss - old_end, 65_536);
}

#[test]
fn a_syn_with_a_lower_number_is_acknowledged() {
    // RFC 9293 3.10.7.4: an old duplicate; not acceptable, so an ACK, which a living peer resets.
    let mut talk = waiting();
    for seq in [0, 1, -70_000] {
        talk.hears(seg("S", seq, 0));
        talk.says(&["A 2+0 ack 2 win 0"]);
    }
    assert_eq!(talk.stack.population(), (0, 0, 1));
}

#[test]
fn a_syn_without_a_listener_does_not_end_the_wait() {
    // RFC 9293 3.6.1, MAY-2: TIME-WAIT is left to reopen; RFC 1337: what else ends it early is a hazard.
    let mut talk = waiting();
    talk.stack.unlisten(PORT);
    talk.hears(seg("S", 5000, 0));
    talk.take();
    assert_eq!(talk.stack.population(), (0, 0, 1));
}

#[test]
fn a_syn_that_meets_a_full_backlog_does_not_end_the_wait() {
    // As above.
    let mut talk = waiting();
    talk.stack.listen(PORT, ListenConfig { tcp: talk.setup.tcp, backlog: 0, ..ListenConfig::default() });
    talk.hears(seg("S", 5000, 0));
    talk.is_silent();
    assert_eq!(talk.stack.population(), (0, 0, 1));
}

#[test]
fn a_duplicate_syn_returns_to_the_wait() {
    // RFC 9293 3.6.1 (2): "returns to TIME-WAIT state if the SYN turns out to be an old duplicate".
    let mut talk = waiting();
    talk.hears(seg("S", 5000, 0).mss(1460));
    assert_eq!(talk.take().len(), 1);
    talk.hears(seg("R", 5001, 0));
    assert_eq!(talk.stack.population(), (0, 0, 1));
}

#[test]
fn two_duplicate_syns_return_to_the_wait_too() {
    // As above: the second takes the place of the first, and the wait is not forgotten over it.
    let mut talk = waiting();
    for number in [5000, 6000] {
        talk.hears(seg("S", number, 0).mss(1460));
        assert_eq!(talk.take().len(), 1);
    }
    talk.hears(seg("R", 6001, 0));
    assert_eq!(talk.stack.population(), (0, 0, 1));
}

#[test]
fn the_passive_side_does_not_wait() {
    // RFC 9293 3.6.1: it is the one that closed first which lingers.
    let mut talk = Talk::connected_with(Setup::default());
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 1+0 ack 2 win 65534"]);
    talk.stream().release();
    talk.says(&["FA 1+0 ack 2 win 65534"]);
    talk.hears(seg("A", 2, 2));
    talk.is_silent();
    assert_eq!(talk.stack.population(), (0, 0, 0));
}
