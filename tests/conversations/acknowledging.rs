//! When data is acknowledged, and when it waits: RFC 9293 3.8.6.3 (delayed ACK), 3.7.4 (Nagle), RFC 5681 4.2.

use bytes::Bytes;
use taphouse::tcp;
use taphouse::time::Duration;

use crate::harness::{Setup, Talk, seg};

#[test]
pub(crate) fn one_segment_is_acknowledged_after_40_ms() {
    // RFC 9293 3.8.6.3, SHLD-18, MUST-40: less than 0.5 s.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).len(100));
    talk.passes_silently(39);
    talk.pass_says(2, &[(1, "A 1+0 ack 101 win 65435")]);
    talk.passes_silently(10_000);
}

#[test]
pub(crate) fn the_second_full_segment_is_acknowledged_at_once() {
    // RFC 9293 3.8.6.3, SHLD-19; RFC 5681 4.2.
    let mut talk = Talk::accepted();
    for n in 0..3 {
        talk.hears(seg("A", 1 + n * 2920, 1).len(1460));
        talk.is_silent();
        talk.hears(seg("A", 1461 + n * 2920, 1).len(1460));
        let ack = 1 + (n + 1) * 2920;
        talk.says(&[format!("A 1+0 ack {ack} win {}", 65_536 - ack)]);
    }
    talk.passes_silently(1000);
}

#[test]
fn small_segments_wait_together() {
    // RFC 9293 3.8.6.3: it is full-sized ones of which every second counts.
    let mut talk = Talk::accepted();
    for n in 0..5 {
        talk.hears(seg("PA", 1 + n * 10, 1).len(10));
        talk.is_silent();
    }
    talk.pass_says(41, &[(40, "A 1+0 ack 51 win 65485")]);
}

#[test]
fn the_delay_counts_from_the_first_segment() {
    // RFC 5681 4.2: "within 500 ms of the arrival of the first unacknowledged packet".
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).len(10));
    talk.passes_silently(30);
    talk.hears(seg("PA", 11, 1).len(10));
    talk.pass_says(11, &[(10, "A 1+0 ack 21 win 65515")]);
    talk.passes_silently(1000);
}

#[test]
fn the_delay_can_be_set() {
    // RFC 9293 3.8.6.3.
    let tcp = tcp::Config { ack_delay: Duration::from_millis(200), ..Setup::default().tcp };
    let mut talk = Talk::accepted_with(Setup { tcp, ..Setup::default() });
    talk.hears(seg("PA", 1, 1).len(10));
    talk.pass_says(201, &[(200, "A 1+0 ack 11 win 65525")]);
}

#[test]
fn an_answer_carries_the_ack() {
    // RFC 9293 3.8.6.3, MUST-59: one segment, no ACK of its own, and none later.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"question"));
    assert_eq!(talk.read(), b"question");
    assert_eq!(talk.stream().write(Bytes::from("answer")), Ok(6));
    talk.says(&["PA 1+6 ack 9 win 65527"]);
    talk.hears(seg("A", 9, 7));
    talk.passes_silently(1000);
}

#[test]
fn segments_that_arrive_together_are_acknowledged_together() {
    // RFC 9293 3.10.7.4, first, MUST-58, MUST-59: "process them all before sending any ACK segments".
    let mut talk = Talk::accepted();
    (0..10).for_each(|n| talk.hears(seg("A", 1 + n * 1460, 1).len(1460)));
    talk.says(&["A 1+0 ack 14601 win 50935"]);
}

#[test]
pub(crate) fn a_small_segment_waits_while_another_is_in_flight() {
    // RFC 9293 3.7.4, SHLD-7: Nagle's algorithm.
    let mut talk = Talk::accepted();
    talk.write(10);
    talk.says(&["PA 1+10 ack 1 win 65535"]);
    talk.write(10);
    talk.write(10);
    talk.is_silent();
    talk.hears(seg("A", 1, 11));
    talk.says(&["PA 11+20 ack 1 win 65535"]);
}

#[test]
fn a_full_segment_does_not_wait() {
    // RFC 9293 3.7.4: "or until the TCP can send a full-sized segment".
    let mut talk = Talk::accepted();
    talk.write(10);
    talk.says(&["PA 1+10 ack 1 win 65535"]);
    talk.write(1400);
    talk.is_silent();
    talk.write(200);
    talk.says(&["A 11+1460 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 1471));
    talk.says(&["PA 1471+140 ack 1 win 65535"]);
}

#[test]
fn a_close_pushes_the_last_small_segment_out() {
    // RFC 9293 3.10.4: nothing more can come to fill it.
    let mut talk = Talk::accepted();
    talk.write(10);
    talk.says(&["PA 1+10 ack 1 win 65535"]);
    talk.write(10);
    talk.stream().shutdown();
    talk.says(&["FPA 11+10 ack 1 win 65535"]);
}

#[test]
fn without_nagle_small_segments_leave_at_once() {
    // RFC 9293 3.7.4, MUST-17: "a way for an application to disable the Nagle algorithm on an individual
    // connection". Off, on again.
    let mut talk = Talk::accepted();
    talk.stream().set_nagle(false);
    for n in 0..3 {
        talk.write(10);
        talk.says(&[format!("PA {}+10 ack 1 win 65535", 1 + n * 10)]);
    }
    talk.stream().set_nagle(true);
    talk.write(10);
    talk.is_silent();
    talk.stream().set_nagle(false);
    talk.says(&["PA 31+10 ack 1 win 65535"]);
}

#[test]
fn the_last_segment_of_what_is_queued_is_pushed() {
    // RFC 9293 3.9.1.2, MUST-61: "MUST set the PSH bit in the last buffered segment".
    let mut talk = Talk::accepted();
    talk.write(3000);
    talk.stream().set_nagle(false);
    talk.says(&["A 1+1460 ack 1 win 65535", "A 1461+1460 ack 1 win 65535", "PA 2921+80 ack 1 win 65535"]);
}

#[test]
fn the_first_segments_are_acknowledged_at_once_until_the_user_answers() {
    // RFC 5681 4.2 allows it; the peer is in slow start.
    let tcp = tcp::Config { quick_acks: 3, ..Setup::default().tcp };
    let mut talk = Talk::accepted_with(Setup { tcp, ..Setup::default() });
    for n in 0..3 {
        talk.hears(seg("PA", 1 + 10 * n, 1).data(b"0123456789"));
        assert_eq!(talk.take().len(), 1);
    }
    talk.hears(seg("PA", 31, 1).data(b"0123456789"));
    talk.is_silent();
    let mut talk = Talk::accepted_with(Setup { tcp, ..Setup::default() });
    talk.write(100);
    talk.take();
    talk.hears(seg("PA", 1, 101).data(b"0123456789"));
    talk.is_silent();
}
