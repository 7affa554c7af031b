//! Closing, from either side and both: RFC 9293 3.6, 3.10.4, 3.10.7.4 eighth.

use bytes::Bytes;
use taphouse::tcp::{Cause, ReadError, State, WriteError};

use crate::harness::{Talk, seg, stream_bytes};

#[test]
fn a_normal_close_passes_through_all_its_states() {
    // RFC 9293 3.6, figure 12.
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    assert_eq!(talk.state(), State::FinWait1);
    talk.hears(seg("A", 1, 2));
    talk.is_silent();
    assert_eq!(talk.state(), State::FinWait2);
    talk.hears(seg("FA", 1, 2));
    talk.says(&["A 2+0 ack 2 win 65534"]);
    assert_eq!(
        (talk.state(), talk.events()),
        (State::TimeWait, vec!["Readable".into(), "Closed(Finished)".into()])
    );
    assert_eq!(talk.read_end(), ReadError::Finished);
}

#[test]
fn the_peer_closes_first_and_the_host_follows() {
    // RFC 9293 3.6, case 2.
    let mut talk = Talk::accepted();
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 1+0 ack 2 win 65534"]);
    assert_eq!((talk.state(), talk.events()), (State::CloseWait, vec!["Readable".to_owned()]));
    assert_eq!(talk.read_end(), ReadError::Finished);
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 2 win 65534"]);
    assert_eq!(talk.state(), State::LastAck);
    talk.hears(seg("A", 2, 2));
    talk.is_silent();
    assert_eq!((talk.state(), talk.events()), (State::Closed, vec!["Closed(Finished)".to_owned()]));
    talk.stream().release();
    talk.passes_silently(100_000);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn a_simultaneous_close_ends_in_time_wait() {
    // RFC 9293 3.6, figure 13.
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 2+0 ack 2 win 65534"]);
    assert_eq!(talk.state(), State::Closing);
    talk.hears(seg("A", 2, 2));
    talk.is_silent();
    assert_eq!((talk.state(), talk.stack.population().2), (State::TimeWait, 1));
}

#[test]
fn a_lost_fin_is_sent_again_in_each_state_that_waits_for_its_ack() {
    // RFC 9293 3.8.1: a FIN is retransmitted like data. CLOSING and LAST-ACK.
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 2+0 ack 2 win 65534"]);
    talk.pass_says(650, &[(200, "FA 1+0 ack 2 win 65534"), (600, "FA 1+0 ack 2 win 65534")]);
    let mut talk = Talk::accepted();
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 1+0 ack 2 win 65534"]);
    talk.stream().shutdown();
    talk.pass_says(250, &[(0, "FA 1+0 ack 2 win 65534"), (200, "FA 1+0 ack 2 win 65534")]);
}

#[test]
fn a_half_closed_host_still_receives() {
    // RFC 9293 3.6: "the user who CLOSEs may continue to RECEIVE until the TCP receiver is told that the remote
    // peer has CLOSED also".
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    assert_eq!(talk.stream().write(Bytes::from("no")), Err(WriteError::Shutdown));
    talk.hears(seg("A", 1, 2));
    for n in 0..5 {
        talk.hears(seg("PA", 1 + n * 1000, 2).len(1000));
        talk.passes_silently(30);
        talk.pass(20);
    }
    talk.events();
    assert_eq!(talk.read(), stream_bytes(1, 5000));
    talk.passes_silently(600_000);
    assert_eq!(talk.state(), State::FinWait2, "it waits as long as its user does");
    talk.hears(seg("FPA", 5001, 2).data(b"end"));
    talk.says(&["A 2+0 ack 5005 win 65532"]);
    assert_eq!((talk.read(), talk.state()), (b"end".to_vec(), State::TimeWait));
}

#[test]
fn a_host_whose_peer_is_half_closed_still_sends() {
    // RFC 9293 3.6, case 2: data goes on in CLOSE-WAIT.
    let mut talk = Talk::accepted();
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 1+0 ack 2 win 65534"]);
    talk.write(2000);
    talk.says(&["A 1+1460 ack 2 win 65534"]);
    talk.hears(seg("A", 2, 1461));
    talk.says(&["PA 1461+540 ack 2 win 65534"]);
    talk.stream().shutdown();
    talk.hears(seg("A", 2, 2001));
    talk.says(&["FA 2001+0 ack 2 win 65534"]);
    talk.hears(seg("A", 2, 2002));
    assert_eq!(talk.state(), State::Closed);
}

#[test]
fn what_is_queued_goes_before_the_fin() {
    // RFC 9293 3.10.4, ESTABLISHED: "queue this until all preceding SENDs have been segmentized".
    let mut talk = Talk::accepted();
    talk.write(2000);
    talk.stream().shutdown();
    talk.says(&["A 1+1460 ack 1 win 65535", "FPA 1461+540 ack 1 win 65535"]);
    assert_eq!(talk.state(), State::FinWait1);
    talk.hears(seg("A", 1, 2001));
    talk.is_silent();
    assert_eq!(talk.state(), State::FinWait1, "the data is acknowledged, the FIN is not");
    talk.hears(seg("A", 1, 2002));
    assert_eq!(talk.state(), State::FinWait2);
}

#[test]
fn a_fin_with_data_is_taken_after_the_data() {
    // RFC 9293 3.10.7.4, eighth: "a FIN implies PUSH for any segment text not yet delivered to the user".
    let mut talk = Talk::accepted();
    talk.hears(seg("FPA", 1, 1).data(b"last words"));
    talk.says(&["A 1+0 ack 12 win 65524"]);
    assert_eq!((talk.events(), talk.state()), (vec!["Readable".to_owned()], State::CloseWait));
    assert_eq!(talk.stream().read(), Ok(Bytes::from("last words")));
    assert_eq!(talk.stream().read(), Err(ReadError::Finished));
}

#[test]
pub(crate) fn a_fin_before_its_data_is_held_until_the_gap_is_filled() {
    // RFC 9293 3.10.7.4, first: segments with higher numbers SHOULD be held (SHLD-31), the FIN among them.
    let mut talk = Talk::accepted();
    talk.hears(seg("FPA", 6, 1).data(b"world"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!((talk.events(), talk.state()), (vec![], State::Established));
    talk.hears(seg("PA", 1, 1).data(b"hello"));
    talk.says(&["A 1+0 ack 12 win 65524"]);
    assert_eq!((talk.read(), talk.state()), (b"helloworld".to_vec(), State::CloseWait));
}

#[test]
fn a_bare_fin_before_its_data_is_held_too() {
    // As above.
    let mut talk = Talk::accepted();
    talk.hears(seg("FA", 3, 1));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    talk.hears(seg("PA", 1, 1).data(b"h"));
    assert_eq!(talk.state(), State::Established);
    talk.hears(seg("PA", 2, 1).data(b"i"));
    talk.says(&["A 1+0 ack 4 win 65532"]);
    assert_eq!((talk.read(), talk.state()), (b"hi".to_vec(), State::CloseWait));
}

#[test]
fn a_fin_outside_the_window_is_not_taken() {
    // RFC 9293 3.10.7.4, first: what lies outside the window is trimmed, "including SYN and FIN".
    let mut talk = Talk::accepted();
    talk.hears(seg("FA", 65_600, 1));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!((talk.events(), talk.state()), (vec![], State::Established));
}

#[test]
fn an_old_fin_below_the_window_is_not_taken() {
    // As above: a FIN of something earlier.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"data"));
    talk.pass_says(41, &[(40, "A 1+0 ack 5 win 65531")]);
    talk.hears(seg("FA", 3, 1));
    talk.says(&["A 1+0 ack 5 win 65531"]);
    assert_eq!(talk.state(), State::Established);
}

#[test]
fn a_released_host_sends_what_it_has_and_then_closes() {
    // RFC 9293 3.10.4; the user is gone, and the connection ends by itself.
    let mut talk = Talk::accepted();
    talk.write(100);
    talk.stream().release();
    talk.says(&["FPA 1+100 ack 1 win 65535"]);
    talk.pass_says(250, &[(200, "FPA 1+100 ack 1 win 65535")]);
    talk.hears(seg("A", 1, 102));
    talk.hears(seg("FA", 1, 102));
    talk.says(&["A 102+0 ack 2 win 65534"]);
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 0, 1)));
}

#[test]
fn fin_wait_2_without_a_user_ends_after_a_minute() {
    // RFC 9293 3.6 knows no such limit; as Linux has it, named.
    let mut talk = Talk::accepted();
    talk.stream().release();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 2));
    talk.passes_silently(59_900);
    assert_eq!(talk.stack.population(), (1, 0, 0));
    talk.passes_silently(200);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn shutting_down_twice_sends_one_fin() {
    // RFC 9293 3.10.4, FIN-WAIT-1: "a second FIN should not be emitted".
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 2));
    talk.stream().shutdown();
    talk.is_silent();
    assert_eq!(talk.state(), State::FinWait2);
}

#[test]
fn a_reset_flushes_what_was_queued_and_not_read() {
    // RFC 9293 3.10.7.4, second: "all segment queues should be flushed"; MUST-12: the user learns of it.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"unread"));
    talk.write(10);
    talk.says(&["PA 1+10 ack 7 win 65529"]);
    talk.hears(seg("R", 7, 0));
    assert_eq!(talk.events(), ["Readable", "Closed(Reset)"]);
    assert_eq!(talk.stream().read(), Err(ReadError::Closed(Cause::Reset)));
    assert_eq!(talk.stream().write(Bytes::from("x")), Err(WriteError::Closed(Cause::Reset)));
    assert_eq!((talk.stream().queued(), talk.stack.buffer_memory()), (0, 0));
    talk.passes_silently(10_000);
}
