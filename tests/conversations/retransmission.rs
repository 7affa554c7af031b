//! The retransmission timer: RFC 6298, RFC 9293 3.8.1 and 3.8.3.
//!
//! Segments are answered in the same instant, so the timeout stands at its floor of 200 ms (a named deviation from
//! RFC 6298 2.4) unless a test lets time pass.

use taphouse::tcp::{self, State};
use taphouse::time::Duration;

use crate::harness::{MSS, Setup, Talk, full_segments, seg};

const DATA: &str = "PA 1+100 ack 1 win 65535";

#[test]
pub(crate) fn what_is_not_acknowledged_is_sent_again_after_200_ms_doubled_each_time() {
    // RFC 6298 5.4 to 5.6, 2.5 (at most 60 s); RFC 9293 3.8.1, MUST-18; 3.8.3.
    let mut talk = Talk::accepted();
    talk.write(100);
    let times = [0, 200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200];
    talk.pass_says(110_000, &times.map(|at| (at, DATA)));
}

#[test]
pub(crate) fn a_peer_that_never_answers_is_given_up() {
    // RFC 9293 3.8.3, R2 (SHLD-11: at least 100 s): after 120 s.
    let mut talk = Talk::accepted();
    talk.write(100);
    assert_eq!(talk.pass(119_950).len(), 10);
    assert_eq!((talk.state(), talk.events()), (State::Established, vec![]));
    talk.passes_silently(100);
    assert_eq!((talk.state(), talk.events()), (State::Closed, vec!["Closed(TimedOut)".to_owned()]));
    talk.passes_silently(1_000_000);
}

#[test]
fn the_user_may_set_when_to_give_up() {
    // RFC 9293 3.8.3 (d), MUST-21; 3.9.1.6.
    let tcp = tcp::Config { user_timeout: Duration::from_secs(5), ..Setup::default().tcp };
    let mut talk = Talk::accepted_with(Setup { tcp, ..Setup::default() });
    talk.write(100);
    assert_eq!(talk.pass(4_950).len(), 5);
    assert_eq!(talk.events(), Vec::<String>::new());
    talk.passes_silently(100);
    assert_eq!(talk.events(), ["Closed(TimedOut)"]);

    let mut talk = Talk::accepted();
    talk.stream().set_user_timeout(Duration::from_secs(1_000));
    talk.write(100);
    assert_eq!(talk.pass(999_950).len(), 24);
    assert_eq!(talk.events(), Vec::<String>::new());
    talk.passes_silently(100);
    assert_eq!(talk.events(), ["Closed(TimedOut)"]);
}

#[test]
fn a_fin_that_is_never_acknowledged_is_given_up() {
    // RFC 9293 3.8.3; nobody is left to be told.
    let mut talk = Talk::accepted();
    talk.stream().release();
    assert_eq!(talk.pass(119_950).len(), 10);
    assert_eq!(talk.stack.population(), (1, 0, 0));
    talk.passes_silently(100);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn an_ack_of_a_part_restarts_the_timer() {
    // RFC 6298 5.3: "restart the retransmission timer so that it will expire after RTO seconds".
    let mut talk = Talk::accepted();
    talk.write(3 * MSS as usize);
    talk.says(&[full_segments(1, 2), vec!["A 2921+1460 ack 1 win 65535".into()]].concat());
    talk.passes_silently(150);
    talk.hears(seg("A", 1, 1461));
    let ms = talk.pass(10_000)[0].0;
    // The sample of 150 ms after one of 0: SRTT = 1/8 * 150, RTTVAR = 1/4 * 150.
    assert_eq!(ms, 218, "SRTT, and the floor of 200 ms, since 4 * RTTVAR is below it");
}

#[test]
fn an_ack_of_everything_stops_the_timer() {
    // RFC 6298 5.2.
    let mut talk = Talk::accepted();
    talk.write(100);
    talk.says(&[DATA]);
    talk.hears(seg("A", 1, 101));
    talk.passes_silently(100_000);
}

#[test]
fn the_timer_is_not_restarted_by_further_segments() {
    // RFC 6298 5.1: "if the timer is not running, start it".
    let tcp = tcp::Config { nagle: false, ..Setup::default().tcp };
    let mut talk = Talk::accepted_with(Setup { tcp, ..Setup::default() });
    talk.write(100);
    talk.says(&[DATA]);
    talk.passes_silently(150);
    talk.write(50);
    talk.says(&["PA 101+50 ack 1 win 65535"]);
    talk.pass_says(55, &[(50, "PA 1+150 ack 1 win 65535")]);
}

#[test]
fn samples_follow_the_formulas() {
    // RFC 6298 2.2: a sample of 400 ms makes SRTT = 400, RTTVAR = 200, RTO = 1200 ms.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(talk.syn("S"));
    talk.take();
    talk.passes_silently(400);
    talk.hears(seg("A", 1, 1));
    talk.events();
    talk.write(100);
    talk.says(&[DATA]);
    // 2.3: another of 240 ms makes RTTVAR = 3/4 * 200 + 1/4 * 160, SRTT = 7/8 * 400 + 1/8 * 240, RTO = 1140 ms.
    talk.passes_silently(240);
    talk.hears(seg("A", 1, 101));
    talk.write(100);
    let data = "PA 101+100 ack 1 win 65535";
    talk.pass_says(1141, &[(0, data), (1140, data)]);
}

#[test]
pub(crate) fn a_segment_sent_twice_gives_no_sample() {
    // RFC 6298 3, Karn's algorithm, MUST-18: an answer after 3 s to what was sent twice changes nothing.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(talk.syn("S"));
    talk.take();
    talk.passes_silently(100);
    talk.hears(seg("A", 1, 1));
    talk.events();
    talk.write(100);
    talk.pass_says(850, &[(0, DATA), (300, DATA)]);
    talk.hears(seg("A", 1, 101));
    // A new sample of 20 ms: RTTVAR = 3/4 * 50 + 1/4 * 80, SRTT = 7/8 * 100 + 1/8 * 20; RTO = 320 ms.
    talk.write(100);
    talk.says(&["PA 101+100 ack 1 win 65535"]);
    talk.passes_silently(20);
    talk.hears(seg("A", 1, 201));
    talk.write(100);
    let data = "PA 201+100 ack 1 win 65535";
    talk.pass_says(325, &[(0, data), (320, data)]);
}

#[test]
fn the_backoff_lasts_until_a_new_sample() {
    // RFC 6298 5 (after 5.7) and 3: only a new measurement collapses the RTO; RFC 9293 3.8.1, MUST-18.
    let mut talk = Talk::accepted();
    talk.write(100);
    talk.pass_says(700, &[(0, DATA), (200, DATA), (600, DATA)]);
    talk.hears(seg("A", 1, 101));
    talk.write(100);
    let data = "PA 101+100 ack 1 win 65535";
    talk.pass_says(850, &[(0, data), (800, data)]);
}

#[test]
fn progress_puts_off_giving_up() {
    // RFC 9293 3.8.3: R2 counts for the same segment.
    let mut talk = Talk::accepted();
    talk.write(4 * 1460);
    for n in 1..4 {
        talk.pass(100_000);
        talk.hears(seg("A", 1, 1 + n * 1460));
        assert_eq!(talk.events(), Vec::<String>::new());
    }
    talk.pass(100_000);
    assert_eq!(talk.state(), State::Established);
    talk.pass(100_000);
    assert_eq!(talk.events(), ["Closed(TimedOut)"]);
}

#[test]
pub(crate) fn after_a_timeout_only_the_first_segment_is_sent_again() {
    // RFC 6298 5.4: "the earliest segment that has not been acknowledged"; RFC 5681 3.1: the loss window is one
    // segment.
    let mut talk = Talk::accepted();
    talk.write(5 * MSS as usize);
    assert_eq!(talk.take().len(), 5);
    talk.pass_says(650, &[(200, "A 1+1460 ack 1 win 65535"), (600, "A 1+1460 ack 1 win 65535")]);
}

#[test]
fn after_a_timeout_what_the_peer_has_is_skipped() {
    // RFC 9293 3.10.7.4, fifth: only the first was lost, and its ACK covers all.
    let mut talk = Talk::accepted();
    talk.write(5 * MSS as usize);
    assert_eq!(talk.take().len(), 5);
    talk.pass_says(201, &[(200, "A 1+1460 ack 1 win 65535")]);
    talk.hears(seg("A", 1, 7301));
    talk.passes_silently(100_000);
}

#[test]
fn a_part_of_a_segment_that_was_acknowledged_is_not_sent_again() {
    // RFC 9293 3.4: SND.UNA may stand inside a segment.
    let mut talk = Talk::accepted();
    talk.write(1000);
    talk.says(&["PA 1+1000 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 401));
    let said = talk.pass_time(Duration::from_millis(201));
    assert_eq!(said[0].1.line, "PA 401+600 ack 1 win 65535");
    assert_eq!(said[0].1.payload, crate::harness::stream_bytes(400, 600));
}
