//! Congestion control on the wire, with Reno and a peer without SACK: RFC 5681, RFC 6582, RFC 3042, RFC 6928, RFC 9937.
//! Counted in segments that leave.

use taphouse::tcp::{self, Algorithm};

use crate::harness::{MSS, Setup, Talk, full_segments, seg};

/// The acknowledgment of the first `n` full segments.
fn ack(n: u32) -> crate::harness::Seg {
    seg("A", 1, i64::from(1 + n * MSS))
}

/// The full segment number `n`, counted from 0.
fn full(n: u32) -> String {
    format!("A {}+{MSS} ack 1 win 65535", 1 + n * MSS)
}

fn fulls(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(full).collect()
}

/// A connection with Reno.
fn reno() -> Talk {
    let tcp = tcp::Config { congestion: Algorithm::Reno, ..Setup::default().tcp };
    Talk::accepted_with(Setup { tcp, ..Setup::default() })
}

/// A connection with a lot queued, of which the first ten segments are in flight.
fn ten_in_flight() -> Talk {
    let mut talk = reno();
    talk.write(400_000);
    talk.says(&full_segments(1, 10));
    talk
}

#[test]
pub(crate) fn the_first_flight_is_ten_segments() {
    // RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)).
    let mut talk = ten_in_flight();
    talk.passes_silently(199);
}

#[test]
fn in_slow_start_each_ack_lets_out_what_it_acknowledged_and_as_much_again() {
    // RFC 5681 3.1; RFC 9406 4.3: segments that are paced need no bound L.
    let mut talk = ten_in_flight();
    talk.hears(ack(1));
    talk.says(&fulls(10..12));
    talk.hears(ack(3));
    talk.says(&fulls(12..16));
    talk.hears(ack(8));
    talk.says(&fulls(16..26));
}

#[test]
fn in_slow_start_acks_that_arrive_together_all_count() {
    // RFC 5681 3.1: "for each ACK received that cumulatively acknowledges new data".
    let mut talk = ten_in_flight();
    (1..=10).for_each(|n| talk.hears(ack(n)));
    talk.says(&fulls(10..30));
}

#[test]
pub(crate) fn the_peers_window_bounds_the_flight_too() {
    // RFC 5681 3.1: the minimum of cwnd and rwnd; RFC 9293 3.8.6.
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 1, 1).win(4 * MSS as u16));
    talk.write(100_000);
    talk.says(&fulls(0..4));
    talk.hears(ack(1).win(4 * MSS as u16));
    talk.says(&fulls(4..5));
}

#[test]
fn two_duplicate_acks_let_out_a_new_segment_each() {
    // RFC 3042 2, RFC 5681 3.2 (1): limited transmit.
    let mut talk = ten_in_flight();
    talk.hears(ack(0));
    talk.says(&[full(10)]);
    talk.hears(ack(0));
    talk.says(&[full(11)]);
}

#[test]
pub(crate) fn the_third_duplicate_ack_sends_the_lost_segment_again() {
    // RFC 5681 3.2 (2), (3).
    let mut talk = ten_in_flight();
    for line in [full(10), full(11), full(0)] {
        talk.hears(ack(0));
        talk.says(&[line]);
    }
    talk.passes_silently(100);
}

#[test]
fn what_is_no_duplicate_is_not_counted() {
    // RFC 5681 2: data, a FIN, a new window, or nothing outstanding.
    let mut talk = ten_in_flight();
    for n in 0..6 {
        talk.hears(seg("A", 1, 1).win(65_534 - n));
        talk.is_silent();
    }
    for n in 0..6 {
        talk.hears(seg("PA", 1 + n, 1).data(b"x").win(65_000));
    }
    assert!(talk.take().iter().all(|said| said.payload.is_empty()));
    let mut talk = Talk::accepted();
    (0..6).for_each(|_| talk.hears(seg("A", 1, 1)));
    talk.write(100);
    talk.says(&["PA 1+100 ack 1 win 65535"]);
}

#[test]
fn further_duplicates_let_out_a_new_segment_for_every_second() {
    // RFC 9937 6: from 10 segments to ssthresh = 5, what limited transmit let out not counted (RFC 5681 3.2 (2)): half a
    // segment for each, less the one that was sent again. At ssthresh nothing leaves but what replaces what arrives.
    let mut talk = ten_in_flight();
    for line in [full(10), full(11), full(0)] {
        talk.hears(ack(0));
        talk.says(&[line]);
    }
    let mut told = Vec::new();
    for _ in 4..=12 {
        talk.hears(ack(0));
        told.push(talk.take().len());
    }
    assert_eq!(told, [0, 0, 1, 0, 0, 1, 1, 1, 1]);
}

#[test]
pub(crate) fn a_partial_ack_sends_the_next_hole_again() {
    // RFC 6582 3.2, step 3: no further duplicates are waited for.
    let mut talk = ten_in_flight();
    for line in [full(10), full(11), full(0)] {
        talk.hears(ack(0));
        talk.says(&[line]);
    }
    talk.hears(ack(4));
    let lines: Vec<_> = talk.take().into_iter().map(|s| s.line).collect();
    assert_eq!(lines[0], full(4));
    talk.hears(ack(7));
    let lines: Vec<_> = talk.take().into_iter().map(|s| s.line).collect();
    assert_eq!(lines[0], full(7));
}

#[test]
fn the_full_ack_ends_recovery_at_half_the_flight() {
    // RFC 9937 6: cwnd = ssthresh, five segments; then congestion avoidance.
    let mut talk = ten_in_flight();
    for line in [full(10), full(11), full(0)] {
        talk.hears(ack(0));
        talk.says(&[line]);
    }
    talk.hears(ack(12));
    talk.says(&fulls(12..17));
    talk.hears(ack(13));
    talk.says(&fulls(17..18));
}

#[test]
fn duplicates_of_a_window_sent_again_begin_no_fast_retransmit() {
    // RFC 6582 3.2, step 2 and 4: after a timeout, ACKs of duplicates say nothing new.
    let mut talk = ten_in_flight();
    assert_eq!(talk.pass(201), [(200, full(0))]);
    for _ in 0..6 {
        talk.hears(ack(0));
        talk.is_silent();
    }
}

#[test]
pub(crate) fn after_a_timeout_two_new_segments_show_whether_it_was_needed() {
    // RFC 5682 2.1: step 2b, and 3a: a duplicate ACK says that it was.
    let mut talk = ten_in_flight();
    assert_eq!(talk.pass(201), [(200, full(0))]);
    talk.hears(ack(1));
    talk.says(&fulls(10..12));
    talk.hears(ack(1));
    talk.says(&[full(1)]);
    // Step 3b: an ACK of what was sent but once says that it was not; the window of ten is back.
    let mut talk = ten_in_flight();
    assert_eq!(talk.pass(201), [(200, full(0))]);
    talk.hears(ack(1));
    talk.says(&fulls(10..12));
    talk.hears(ack(2));
    talk.says(&fulls(12..13));
    talk.hears(ack(3));
    talk.says(&fulls(13..15));
}

#[test]
fn after_a_timeout_slow_start_does_not_need_new_data() {
    // RFC 5681 3.1, RFC 3465 2.3: cwnd is one segment after a timeout, and grows by a segment for each ACK.
    let mut talk = Talk::accepted();
    talk.write(10 * MSS as usize);
    assert_eq!(talk.take().len(), 10);
    assert_eq!(talk.pass(201), [(200, full(0))]);
    talk.hears(ack(1));
    talk.says(&fulls(1..3));
    talk.hears(ack(3));
    talk.says(&fulls(3..6));
}

#[test]
fn after_a_timeout_slow_start_ends_at_half_the_flight() {
    // RFC 5681 3.1, equation 4: ssthresh = 10 / 2; then a segment more a window.
    let mut talk = reno();
    talk.write(10 * MSS as usize);
    assert_eq!(talk.take().len(), 10);
    assert_eq!(talk.pass(201), [(200, full(0))]);
    talk.hears(ack(1));
    talk.says(&fulls(1..3));
    talk.write(400_000);
    let mut flights = Vec::new();
    let mut acked = 1;
    let mut end = 3;
    for _ in 0..7 {
        // One ACK for each segment, as if none were delayed.
        let goal = end;
        while acked < goal {
            acked += 1;
            talk.hears(ack(acked));
            end += talk.take().len() as u32;
        }
        flights.push(end - acked);
    }
    assert_eq!(flights, [4, 5, 6, 7, 8, 9, 10]);
}

#[test]
pub(crate) fn after_an_idle_time_the_window_begins_anew() {
    // RFC 5681 4.1: RW = min(IW, cwnd).
    let mut talk = grown();
    talk.passes_silently(1000);
    talk.write(60_000);
    assert_eq!(talk.take().len(), 10);
}

#[test]
fn without_an_idle_time_the_window_stays() {
    // As above, within the timeout of 200 ms.
    let mut talk = grown();
    talk.passes_silently(150);
    talk.write(60_000);
    assert_eq!(talk.take().len(), 36);
}

#[test]
fn an_idle_time_in_which_only_acks_were_sent_is_idle() {
    // RFC 5681 4.1: "if the TCP has not sent data in an interval exceeding the retransmission timeout".
    let mut talk = grown();
    talk.passes_silently(10_000);
    talk.hears(seg("PA", 1, 1 + 60 * i64::from(MSS)).data(b"GET /"));
    assert_eq!(talk.pass(50).len(), 1);
    talk.write(60_000);
    assert_eq!(talk.take().len(), 10);
}

/// A connection whose congestion window has grown to 35 segments, with nothing in flight: of 60 segments the
/// ACKs of the first 25 found the window full.
fn grown() -> Talk {
    let mut talk = Talk::accepted();
    talk.write(60 * MSS as usize);
    talk.says(&full_segments(1, 10));
    for n in 1..=60 {
        talk.hears(ack(n));
        assert_eq!(talk.take().len(), if n <= 25 { 2 } else { 0 });
    }
    talk
}
