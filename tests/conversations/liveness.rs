//! Whether the peer is there, and what the network says: keep-alive (RFC 9293 3.8.4), ICMP (3.9.2.2, RFC 5927),
//! challenge ACKs and their limit (RFC 5961 7).

use taphouse::drops::Drop;
use taphouse::tcp::{self, State};
use taphouse::time::Duration;
use taphouse::wire::icmpv4::{Message, Unreachable};

use crate::harness::{Setup, Talk, seg};

// --- keep-alive --------------------------------------------------------------------------------------------

const PROBE: &str = "A 0+0 ack 1 win 65535";
const DAY: u64 = 24 * 3600 * 1000;

fn kept_alive(after: u64) -> Talk {
    let tcp = tcp::Config { keep_alive: Some(Duration::from_secs(after)), ..Setup::default().tcp };
    Talk::accepted_with(Setup { tcp, ..Setup::default() })
}

#[test]
fn an_idle_connection_is_left_alone_by_default() {
    // RFC 9293 3.8.4, MUST-25.
    let mut talk = Talk::accepted();
    talk.passes_silently(30 * DAY);
    assert_eq!(talk.state(), State::Established);
}

#[test]
fn a_keep_alive_that_is_answered_goes_on() {
    // RFC 9293 3.8.4, MUST-26, MUST-27, SHLD-12: SEG.SEQ = SND.NXT - 1, no data, after the idle time.
    let mut talk = kept_alive(7200);
    for _ in 0..3 {
        talk.passes_silently(7_199_900);
        talk.pass_says(200, &[(100, PROBE)]);
        talk.hears(seg("A", 1, 1));
    }
    assert_eq!((talk.state(), talk.events()), (State::Established, vec![]));
}

#[test]
pub(crate) fn a_keep_alive_that_is_never_answered_gives_up_after_nine() {
    // RFC 9293 3.8.4, MUST-29: not for one unanswered probe. Nine, 75 s apart, as Linux has it.
    let mut talk = kept_alive(7200);
    let times: Vec<_> = (0..9).map(|n| (7_200_000 + n * 75_000, PROBE)).collect();
    talk.pass_says(7_874_990, &times);
    assert_eq!((talk.state(), talk.events()), (State::Established, vec![]));
    talk.passes_silently(20);
    assert_eq!((talk.state(), talk.events()), (State::Closed, vec!["Closed(TimedOut)".to_owned()]));
}

#[test]
fn one_answer_in_nine_is_enough() {
    // RFC 9293 3.8.4, MUST-29.
    let mut talk = kept_alive(7200);
    assert_eq!(talk.pass(7_200_000 + 8 * 75_000 + 10).len(), 9);
    talk.hears(seg("A", 1, 1));
    talk.passes_silently(7_199_000);
    assert_eq!(talk.pass(2000).len(), 1);
    assert_eq!(talk.events(), Vec::<String>::new());
}

#[test]
fn what_is_heard_puts_a_keep_alive_off() {
    // RFC 9293 3.8.4, MUST-26: "no data or acknowledgment packets have been received within an interval".
    let mut talk = kept_alive(60);
    talk.passes_silently(50_000);
    talk.hears(seg("A", 1, 1));
    talk.passes_silently(59_900);
    talk.pass_says(200, &[(100, PROBE)]);
}

#[test]
fn keep_alive_can_be_switched_on_and_off() {
    // RFC 9293 3.8.4, MUST-24.
    let mut talk = Talk::accepted();
    talk.passes_silently(10_000);
    talk.stream().set_keep_alive(Some(Duration::from_secs(60)));
    talk.pass_says(60_100, &[(60_000, PROBE)]);
    talk.stream().set_keep_alive(None);
    talk.passes_silently(DAY);
    assert_eq!(talk.state(), State::Established);
}

#[test]
fn a_keep_alive_of_no_time_asks_each_second() {
    // And not without end in one moment.
    for is_set_later in [false, true] {
        let mut talk = kept_alive(u64::from(is_set_later));
        if is_set_later {
            talk.stream().set_keep_alive(Some(Duration::ZERO));
        }
        talk.write(1);
        talk.pass_says(10, &[(0, "PA 1+1 ack 1 win 65535")]);
        talk.hears(seg("A", 1, 2));
        talk.pass_says(2_100, &[(1_000, "A 1+0 ack 1 win 65535"), (2_000, "A 1+0 ack 1 win 65535")]);
    }
}

#[test]
fn keep_alive_rests_while_data_is_outstanding() {
    // RFC 9293 3.8.4, MUST-26: "only ... when no sent data is outstanding". The user timeout decides then, here
    // longer than nine probes.
    let mut talk = kept_alive(10);
    talk.stream().set_user_timeout(Duration::from_secs(1000));
    talk.write(100);
    let said = talk.pass(150_000);
    assert!(said.iter().all(|(_, line)| line == "PA 1+100 ack 1 win 65535"), "{said:?}");
    assert_eq!(talk.events(), Vec::<String>::new());
}

#[test]
fn the_peers_keep_alive_is_answered() {
    // RFC 9293 3.8.4, 3.10.7.4, first: with no data, and with a byte of garbage.
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 0, 1));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.hears(seg("A", 0, 1).data(b"?"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!(talk.read(), b"");
}

// --- ICMP --------------------------------------------------------------------------------------------------

const fn unreachable(code: Unreachable) -> Message {
    Message::Unreachable { code, mtu: 0 }
}

#[test]
fn a_hard_error_ends_an_attempt_to_connect() {
    // RFC 9293 3.9.2.2, SHLD-26; RFC 5927 5.2 leaves it for SYN-SENT alone.
    for code in [Unreachable::Port, Unreachable::Protocol] {
        let mut talk = Talk::connecting(Setup::default());
        talk.hears_icmp(unreachable(code), 0);
        assert_eq!((talk.state(), talk.events()), (State::Closed, vec!["Closed(Unreachable)".to_owned()]));
        talk.passes_silently(10_000);
    }
}

#[test]
fn a_soft_error_is_told_and_the_attempt_goes_on() {
    // RFC 9293 3.9.2.2, MUST-56, SHLD-25.
    for message in [
        unreachable(Unreachable::Network),
        unreachable(Unreachable::Host),
        unreachable(Unreachable::Other(5)),
        Message::TimeExceeded { code: 0 },
        Message::ParameterProblem { pointer: 0 },
    ] {
        let mut talk = Talk::connecting(Setup::default());
        talk.hears_icmp(message, 0);
        assert_eq!((talk.state(), talk.events()), (State::SynSent, vec!["Trouble".to_owned()]));
        assert_eq!(talk.pass(1001).len(), 1);
    }
}

#[test]
fn no_error_ends_an_established_connection() {
    // RFC 5927 5.2, RFC 5461; MUST-56. Hard errors are told as soft ones are.
    for message in [
        unreachable(Unreachable::Host),
        unreachable(Unreachable::Port),
        unreachable(Unreachable::Protocol),
        Message::TimeExceeded { code: 1 },
    ] {
        let mut talk = Talk::accepted();
        talk.write(2000);
        assert_eq!(talk.take().len(), 1);
        talk.hears_icmp(message, 1);
        assert_eq!((talk.state(), talk.events()), (State::Established, vec!["Trouble".to_owned()]));
        talk.pass_says(201, &[(200, "A 1+1460 ack 1 win 65535")]);
    }
}

#[test]
fn an_error_about_what_is_not_in_flight_is_ignored() {
    // RFC 5927 4.1: SND.UNA =< SEG.SEQ < SND.NXT.
    let mut talk = Talk::accepted();
    talk.write(100);
    assert_eq!(talk.take().len(), 1);
    for seq in [0, -100, 101, 5000] {
        talk.hears_icmp(unreachable(Unreachable::Port), seq);
    }
    assert_eq!((talk.events(), talk.drops(Drop::IcmpUnmatchedError)), (vec![], 4));
    let mut talk = Talk::connecting(Setup::default());
    for seq in [-1, 1, 70_000] {
        talk.hears_icmp(unreachable(Unreachable::Port), seq);
    }
    assert_eq!((talk.state(), talk.events()), (State::SynSent, vec![]));
}

#[test]
fn source_quench_is_ignored() {
    // RFC 9293 3.9.2.2, MUST-55; RFC 6633.
    let mut talk = Talk::accepted();
    talk.write(100);
    assert_eq!(talk.take().len(), 1);
    talk.hears_icmp(Message::Other { kind: 4, code: 0 }, 1);
    assert_eq!((talk.events(), talk.drops(Drop::IcmpUnknownType)), (vec![], 1));
}

#[test]
fn an_error_about_a_half_open_connection_is_ignored() {
    // RFC 5927 4.1 in spirit: a stranger cannot cut a handshake short.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(talk.syn("S"));
    assert_eq!(talk.take().len(), 1);
    talk.hears_icmp(unreachable(Unreachable::Port), 0);
    assert_eq!(talk.stack.population(), (0, 1, 0));
    talk.hears(seg("A", 1, 1));
    assert_eq!(talk.events(), ["Accepted"]);
}

// --- challenges --------------------------------------------------------------------------------------------

#[test]
pub(crate) fn challenge_acks_come_at_a_limited_rate() {
    // RFC 5961 7; limits::CHALLENGES_OF_ONE: ten at once, two a second.
    let mut talk = Talk::accepted();
    let said = |talk: &mut Talk| {
        let mut said = 0;
        for _ in 0..300 {
            talk.hears(seg("S", 500, 0));
            said += talk.take().len();
        }
        said
    };
    assert_eq!(said(&mut talk), 10);
    assert_eq!(talk.drops(Drop::TcpChallengeLimited), 290);
    talk.passes_silently(1000);
    assert_eq!(said(&mut talk), 2);
    assert_eq!(talk.state(), State::Established);
}

#[test]
fn a_connection_without_challenges_left_still_works() {
    // RFC 5961 7: the limit is on challenges, not on the ACKs of data.
    let mut talk = Talk::accepted();
    for _ in 0..300 {
        talk.hears(seg("R", 500, 0));
        talk.take();
    }
    talk.hears(seg("A", 1, 1).len(1460));
    talk.hears(seg("A", 1461, 1).len(1460));
    talk.says(&["A 1+0 ack 2921 win 62615"]);
}

#[test]
fn acks_of_what_was_never_sent_are_answered_at_a_limited_rate() {
    // RFC 5961 5.2 and 7: challenges too; two hosts out of step answer each other for ever.
    let mut talk = Talk::accepted();
    let mut said = 0;
    for _ in 0..300 {
        talk.hears(seg("A", 1, 1000));
        said += talk.take().len();
    }
    assert_eq!(said, 10);
}

#[test]
fn a_peer_that_takes_a_byte_now_and_then_does_not_hold_a_connection_without_a_user_for_ever() {
    // RFC 9293 3.9.1.4: what is queued is still sent; at 1 KiB a second at least, and R2 on top.
    let mut talk = Talk::accepted();
    talk.write(100_000);
    talk.stream().release();
    talk.take();
    let mut acked = 1;
    for _ in 0..20 {
        talk.pass(10_000);
        acked += 1;
        talk.hears(seg("A", 1, acked).win(100));
    }
    assert_eq!(talk.stack.population().0, 1, "after 200 s");
    for _ in 0..5 {
        talk.pass(10_000);
        acked += 1;
        talk.hears(seg("A", 1, acked).win(100));
    }
    assert_eq!(talk.stack.population(), (0, 0, 0), "after 250 s");
}
