//! Opening when segments are lost, come again, or come from elsewhere: SYN-RECEIVED, the backlog, the schedules.
//! RFC 9293 3.5, 3.8.3, 3.10.7.4; RFC 6298 5.

use taphouse::drops::Drop;
use taphouse::tcp::State;

use crate::harness::{MSS, PORT, Setup, Talk, full_segments, seg};

const SYN: &str = "S 0+0 win 65535 mss 1460 ws 0";
const SYN_ACK: &str = "SA 0+0 ack 1 win 65535 mss 1460";

/// A half-open connection at the listener.
fn half_open(setup: Setup) -> Talk {
    let mut talk = Talk::listening(setup);
    talk.hears(talk.syn("S"));
    talk.says(&[SYN_ACK]);
    talk
}

// --- SYN-RECEIVED ------------------------------------------------------------------------------------------

#[test]
fn a_syn_that_comes_again_is_answered_again() {
    // RFC 9293 3.5: the SYN-ACK was lost.
    let mut talk = half_open(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&[SYN_ACK]);
    assert_eq!(talk.stack.population(), (0, 1, 0));
}

#[test]
fn another_syn_in_syn_received_begins_anew() {
    // RFC 9293 3.10.7.4, fourth: a passive open returns to LISTEN, where this SYN belongs; MUST-11: the new
    // SYN's handshake is the one that completes.
    let mut talk = half_open(Setup::default());
    talk.passes_silently(100);
    talk.hears(seg("S", 1000, 0).mss(1460));
    talk.says(&["SA 0+0 ack 1001 win 65535 mss 1460"]);
    talk.hears(seg("A", 1001, 1));
    talk.is_silent();
    assert_eq!((talk.events(), talk.stack.population()), (vec!["Accepted".to_owned()], (1, 0, 0)));
}

#[test]
fn a_reset_of_a_half_open_connection_is_not_told() {
    // RFC 9293 3.10.7.4, second: "return this connection to LISTEN state; the user need not be informed".
    let mut talk = half_open(Setup::default());
    talk.hears(seg("R", 1, 0));
    talk.is_silent();
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 0, 0)));
    talk.passes_silently(5000);
    talk.hears(talk.syn("S"));
    talk.says(&[SYN_ACK]);
}

#[test]
fn a_reset_outside_the_window_of_a_half_open_connection_is_ignored() {
    // RFC 9293 3.10.7.4, second, check 1.
    let mut talk = half_open(Setup::default());
    for seq in [0, 65_600, -5] {
        talk.hears(seg("R", seq, 0));
        talk.is_silent();
    }
    assert_eq!(talk.stack.population(), (0, 1, 0));
}

#[test]
fn a_reset_inside_the_window_of_a_half_open_connection_is_challenged() {
    // RFC 9293 3.10.7.4, second, check 3 (MUST send a challenge ACK); RFC 5961 3.2.
    let mut talk = half_open(Setup::default());
    talk.hears(seg("R", 100, 0));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!(talk.stack.population(), (0, 1, 0));
}

#[test]
fn a_wrong_ack_in_syn_received_is_reset() {
    // RFC 9293 3.10.7.4, fifth: <SEQ=SEG.ACK><CTL=RST>; the half-open connection stays.
    let mut talk = half_open(Setup::default());
    for ack in [0, 2, 5000] {
        talk.hears(seg("A", 1, ack));
        talk.says(&[format!("R {ack}+0 win 0")]);
    }
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 1, 0)));
    talk.hears(seg("A", 1, 1));
    assert_eq!(talk.events(), ["Accepted"]);
}

#[test]
fn neither_ack_nor_syn_in_syn_received_is_dropped() {
    // RFC 9293 3.10.7.4, fifth: "if the ACK bit is off, drop the segment".
    let mut talk = half_open(Setup::default());
    talk.hears(seg("F", 1, 0).data(b"x"));
    talk.is_silent();
    assert_eq!((talk.drops(Drop::TcpNoAck), talk.stack.population()), (1, (0, 1, 0)));
}

#[test]
fn an_ack_outside_the_window_does_not_complete_the_handshake() {
    // RFC 9293 3.10.7.4, first: not acceptable, so an ACK, and the handshake stays where it is.
    let mut talk = half_open(Setup::default());
    talk.hears(seg("A", 70_000, 1));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 1, 0)));
    talk.pass_says(1001, &[(1000, SYN_ACK)]);
}

#[test]
fn a_port_that_no_longer_listens_resets_the_end_of_the_handshake() {
    // RFC 9293 3.10.7.1: nothing is there any more.
    let mut talk = half_open(Setup::default());
    talk.stack.unlisten(PORT);
    talk.hears(seg("A", 1, 1));
    talk.says(&["R 1+0 win 0"]);
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 0, 0)));
}

// --- how many ----------------------------------------------------------------------------------------------

#[test]
pub(crate) fn a_full_backlog_answers_syns_by_cookies_until_a_handshake_ends() {
    // RFC 9293 3.10.7.2 leaves it open; RFC 4987 3.6.
    let mut talk = half_open(Setup { backlog: 2, ..Setup::default() });
    talk.hears_from(50_001, seg("S", 0, 0));
    assert_eq!(talk.take().len(), 1);
    let second = talk.iss;
    talk.hears_from(50_002, seg("S", 0, 0));
    assert_eq!(talk.take().len(), 1);
    assert_eq!((talk.stack.counters().cookies_sent, talk.stack.population()), (1, (0, 2, 0)));
    talk.iss = second;
    talk.hears_from(50_001, seg("A", 1, 1));
    talk.hears_from(50_002, seg("S", 0, 0));
    talk.says(&[SYN_ACK]);
    assert_eq!((talk.events(), talk.stack.population()), (vec!["Accepted".to_owned()], (1, 2, 0)));
}

#[test]
fn a_full_table_drops_syns_and_the_ends_of_handshakes() {
    // The peer sends either again; nothing is reset.
    let mut talk = half_open(Setup { max_connections: 1, ..Setup::default() });
    let first = talk.iss;
    talk.hears_from(50_001, seg("S", 0, 0));
    assert_eq!(talk.take().len(), 1);
    talk.hears_from(50_001, seg("A", 1, 1));
    assert_eq!(talk.events(), ["Accepted"]);
    talk.iss = first;
    talk.hears(seg("A", 1, 1));
    talk.hears_from(50_002, seg("S", 0, 0));
    talk.is_silent();
    assert_eq!((talk.drops(Drop::TcpConnectionLimit), talk.stack.population()), (2, (1, 1, 0)));
}

#[test]
pub(crate) fn a_full_accept_queue_drops_syns_and_the_ends_of_handshakes() {
    // As Linux has it: the peer sends either again, and the user has time to look.
    let mut talk = half_open(Setup { accept_queue: 1, ..Setup::default() });
    let first = talk.iss;
    talk.hears_from(50_001, seg("S", 0, 0));
    assert_eq!(talk.take().len(), 1);
    talk.hears_from(50_001, seg("A", 1, 1));
    talk.iss = first;
    talk.hears(seg("A", 1, 1));
    talk.hears_from(50_002, seg("S", 0, 0));
    talk.is_silent();
    assert_eq!((talk.drops(Drop::TcpAcceptQueueFull), talk.stack.population()), (2, (1, 1, 0)));
    assert_eq!(talk.events(), ["Accepted"]);
    talk.hears(seg("A", 1, 1));
    assert_eq!((talk.events(), talk.stack.population()), (vec!["Accepted".to_owned()], (2, 0, 0)));
}

// --- schedules ---------------------------------------------------------------------------------------------

#[test]
fn a_syn_ack_is_sent_again_five_times_and_then_forgotten() {
    // RFC 6298 2.1, 5.5. Named deviation from RFC 9293 3.8.3 (MUST-23): 63 s, as Linux has.
    let mut talk = half_open(Setup::default());
    let times = [1000, 3000, 7000, 15_000, 31_000];
    talk.pass_says(200_000, &times.map(|at| (at, SYN_ACK)));
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 0, 0)));
    talk.hears(seg("A", 1, 1));
    talk.says(&["R 1+0 win 0"]);
}

#[test]
fn a_half_open_connection_is_forgotten_63_seconds_after_its_syn() {
    // As above, from both sides of the moment.
    let mut talk = half_open(Setup::default());
    assert_eq!(talk.pass(62_990).len(), 5);
    assert_eq!(talk.stack.population(), (0, 1, 0));
    talk.passes_silently(20);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn a_syn_is_sent_again_for_three_minutes_and_then_given_up() {
    // RFC 9293 3.8.3, MUST-23: at least 3 minutes; RFC 6298 2.1 (1 s), 5.5 (doubled), 2.5 (at most 60 s).
    let mut talk = Talk::connecting(Setup::default());
    let times = [1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000];
    talk.pass_says(179_990, &times.map(|at| (at, SYN)));
    assert_eq!((talk.events(), talk.state()), (vec![], State::SynSent));
    talk.passes_silently(20);
    assert_eq!((talk.events(), talk.state()), (vec!["Closed(TimedOut)".to_owned()], State::Closed));
}

#[test]
fn the_first_timeout_after_a_lost_syn_is_three_seconds() {
    // RFC 6298 5.7: "the RTO MUST be re-initialized to 3 seconds when data transmission begins".
    let mut talk = Talk::connecting(Setup::default());
    talk.pass_says(1001, &[(1000, SYN)]);
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.write(100);
    let data = "PA 1+100 ack 1 win 65535";
    talk.pass_says(9100, &[(0, data), (3000, data), (9000, data)]);
}

#[test]
fn the_first_timeout_after_a_lost_syn_ack_is_three_seconds() {
    // RFC 6298 5.7, for the side that listens.
    let mut talk = half_open(Setup::default());
    talk.pass_says(1001, &[(1000, SYN_ACK)]);
    talk.hears(seg("A", 1, 1));
    assert_eq!(talk.events(), ["Accepted"]);
    talk.write(100);
    let data = "PA 1+100 ack 1 win 65535";
    talk.pass_says(3100, &[(0, data), (3000, data)]);
}

#[test]
fn the_handshake_gives_the_first_sample_of_the_round_trip_time() {
    // RFC 6298 2.2: RTO = 100 ms + 4 * 50 ms.
    let mut talk = Talk::connecting(Setup::default());
    talk.passes_silently(100);
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.write(100);
    let data = "PA 1+100 ack 1 win 65535";
    talk.pass_says(950, &[(0, data), (300, data), (900, data)]);
}

#[test]
fn one_lost_syn_leaves_the_initial_window_alone() {
    // RFC 6928 2: RECOMMENDED unless more than one SYN was sent again.
    let mut talk = Talk::connecting(Setup::default());
    talk.pass_says(1001, &[(1000, SYN)]);
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.write(20 * MSS as usize);
    talk.says(&full_segments(1, 10));
}

#[test]
fn two_lost_syns_make_the_initial_window_one_segment() {
    // RFC 5681 3.1: "MUST be one segment"; RFC 6928 2 excepts a single retransmission only.
    let mut talk = Talk::connecting(Setup::default());
    talk.pass_says(3001, &[(1000, SYN), (3000, SYN)]);
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.write(20 * MSS as usize);
    talk.says(&full_segments(1, 1));
}
