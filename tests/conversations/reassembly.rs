//! Data that comes in any order, twice, overlapping, and around the end of the sequence space. RFC 9293 3.4,
//! 3.10.7.4; RFC 5681 4.2.

use taphouse::time::{Duration, Instant};

use crate::harness::{Setup, Talk, seg, stream_bytes};

#[test]
pub(crate) fn a_gap_is_reported_at_once_and_filled_at_once() {
    // RFC 5681 4.2: an immediate duplicate ACK, and an immediate ACK for what fills the gap; SHLD-31.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 101, 1).len(100));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.hears(seg("PA", 201, 1).len(100));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!(talk.events(), Vec::<String>::new());
    talk.hears(seg("PA", 1, 1).len(100));
    talk.says(&["A 1+0 ack 301 win 65235"]);
    assert_eq!(talk.events(), ["Readable"]);
    assert_eq!(talk.read(), stream_bytes(1, 300));
}

#[test]
fn each_of_two_gaps_is_reported_when_it_is_filled() {
    // RFC 5681 4.2: "fills in all or part of a gap".
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 101, 1).len(100));
    talk.hears(seg("PA", 301, 1).len(100));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.hears(seg("PA", 1, 1).len(100));
    talk.says(&["A 1+0 ack 201 win 65335"]);
    talk.hears(seg("PA", 201, 1).len(100));
    talk.says(&["A 1+0 ack 401 win 65135"]);
    assert_eq!(talk.read(), stream_bytes(1, 400));
}

#[test]
fn what_overlaps_is_taken_once() {
    // RFC 9293 3.10.7.4, first: "only the new parts are processed".
    let mut talk = Talk::accepted();
    for (seq, len) in [(51, 100), (101, 30), (201, 100), (120, 120), (1, 80), (41, 400)] {
        talk.hears(seg("PA", seq, 1).len(len));
        talk.take();
    }
    assert_eq!(talk.read(), stream_bytes(1, 440));
    talk.write(1);
    talk.says(&["PA 1+1 ack 441 win 65095"]);
}

#[test]
fn a_copy_that_differs_does_not_change_what_was_taken() {
    // RFC 9293 3.10.7.4 leaves it open. Of two pieces that wait the first stays; what is in order is delivered at
    // once, and so goes before what waits.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 4, 1).data(b"def"));
    talk.hears(seg("PA", 2, 1).data(b"bcDEFGh"));
    talk.hears(seg("PA", 1, 1).data(b"a"));
    assert_eq!(talk.read(), b"abcdefGh");
    talk.hears(seg("PA", 7, 1).data(b"??i"));
    assert_eq!(talk.read(), b"i");
}

#[test]
fn a_segment_that_begins_before_the_window_is_cut() {
    // RFC 9293 3.10.7.4, first: "if a segment's contents straddle the boundary between old and new".
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).len(100));
    talk.pass(50);
    talk.hears(seg("PA", 51, 1).len(100));
    assert_eq!(talk.read(), stream_bytes(1, 150));
}

#[test]
fn the_same_segment_again_is_acknowledged_at_once() {
    // RFC 9293 3.10.7.4, first: the ACK was lost.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).len(100));
    talk.pass_says(41, &[(40, "A 1+0 ack 101 win 65435")]);
    talk.hears(seg("PA", 1, 1).len(100));
    talk.says(&["A 1+0 ack 101 win 65435"]);
    assert_eq!(talk.read(), stream_bytes(1, 100));
}

#[test]
fn the_peers_numbers_wrap() {
    // RFC 9293 3.4: arithmetic modulo 2^32. Wherever the end of the space falls: in the SYN, in a gap, in a
    // segment, at the FIN.
    for before in [0, 1, 2, 50, 100, 150, 200, 300, 301] {
        let mut talk = Talk::accepted_with(Setup { irs: 0u32.wrapping_sub(before), ..Setup::default() });
        talk.hears(seg("PA", 201, 1).len(100));
        talk.says(&["A 1+0 ack 1 win 65535"]);
        talk.hears(seg("PA", 51, 1).len(160));
        talk.says(&["A 1+0 ack 1 win 65535"]);
        talk.hears(seg("PA", 1, 1).len(60));
        talk.says(&["A 1+0 ack 301 win 65235"]);
        talk.hears(seg("FA", 301, 1));
        talk.says(&["A 1+0 ack 302 win 65234"]);
        assert_eq!(talk.read(), stream_bytes(1, 300));
        talk.hears(seg("R", 301, 0));
        talk.hears(seg("R", 303, 0));
        talk.says(&["A 1+0 ack 302 win 65234"]);
    }
}

/// A moment at which the host's connection to the peer begins `before` numbers before the end of the space.
fn moment_with_iss(before: u32) -> Instant {
    let start = Setup::default().start;
    let ticks = 0u32.wrapping_sub(before).wrapping_sub(Talk::connecting(Setup::default()).iss.0);
    start + Duration::from_micros(4 * u64::from(ticks))
}

#[test]
pub(crate) fn the_hosts_numbers_wrap() {
    // RFC 9293 3.4; the clock of RFC 6528 chooses where the end of the space falls.
    for before in [0, 1, 2, 1000, 1461, 1462, 2000, 2921, 3001, 3002] {
        let mut talk = Talk::connected_with(Setup { start: moment_with_iss(before), ..Setup::default() });
        assert_eq!(talk.iss.0, 0u32.wrapping_sub(before));
        talk.write(3000);
        talk.stream().shutdown();
        talk.says(&[
            "A 1+1460 ack 1 win 65535",
            "A 1461+1460 ack 1 win 65535",
            "FPA 2921+80 ack 1 win 65535",
        ]);
        talk.pass_says(201, &[(200, "A 1+1460 ack 1 win 65535")]);
        talk.hears(seg("A", 1, 1461));
        talk.says(&["A 1461+1460 ack 1 win 65535", "FPA 2921+80 ack 1 win 65535"]);
        talk.hears(seg("A", 1, 3002));
        talk.passes_silently(10_000);
        assert_eq!(talk.state(), taphouse::tcp::State::FinWait2);
    }
}

#[test]
fn a_hole_in_the_hosts_numbers_is_mended_around_the_end() {
    // RFC 9293 3.4, RFC 6582: fast retransmit and partial ACK with `recover` on the other side.
    for before in [1, 1000, 3000, 8000, 14_000] {
        let mut talk = Talk::connected_with(Setup { start: moment_with_iss(before), ..Setup::default() });
        talk.write(10 * 1460);
        assert_eq!(talk.take().len(), 10);
        (0..3).for_each(|_| talk.hears(seg("A", 1, 1)));
        talk.says(&["A 1+1460 ack 1 win 65535"]);
        talk.hears(seg("A", 1, 1 + 4 * 1460));
        talk.says(&["A 5841+1460 ack 1 win 65535"]);
        talk.hears(seg("A", 1, 14_601));
        talk.passes_silently(10_000);
        assert_eq!(talk.stream().queued(), 0);
    }
}
