//! Windows: closed ones and their probes, silly ones and their avoidance, shrinking and opening. RFC 9293 3.8.6.

use taphouse::tcp::{self, State};
use taphouse::time::Duration;

use crate::harness::{MSS, Setup, Talk, full_segments, seg, stream_bytes};

/// A probe: nothing, just left of the window, which the peer must answer (named deviation from 3.8.6.1).
const PROBE: &str = "A 0+0 ack 1 win 65535";

// --- the peer's window -------------------------------------------------------------------------------------

/// 1000 bytes wait for a window that is closed.
fn closed() -> Talk {
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 1, 1).win(0));
    talk.write(1000);
    talk.is_silent();
    talk
}

#[test]
fn a_closed_window_holds_data_back() {
    // RFC 9293 3.8.6.1: nothing new is sent; the first probe comes after the retransmission timeout (SHLD-29).
    let mut talk = closed();
    talk.passes_silently(199);
}

#[test]
pub(crate) fn a_closed_window_is_probed_at_growing_intervals() {
    // RFC 9293 3.8.6.1, MUST-36, SHLD-30; at most a minute apart.
    let mut talk = closed();
    let said = talk.pass_time(Duration::from_secs(110));
    let times: Vec<_> = said.iter().map(|(at, _)| at.as_millis()).collect();
    assert!(said.iter().all(|(_, said)| said.line == PROBE), "{said:?}");
    assert_eq!(times, [200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200]);
}

#[test]
fn a_closed_window_whose_probes_are_answered_stays_for_hours() {
    // RFC 9293 3.8.6.1, MUST-37: "MUST allow the connection to stay open".
    let mut talk = closed();
    let mut probes = 0;
    for _ in 0..5 * 3600 {
        let said = talk.pass(1000);
        probes += said.len();
        said.iter().for_each(|_| talk.hears(seg("A", 1, 1).win(0)));
    }
    assert_eq!((talk.state(), talk.events()), (State::Established, vec![]));
    assert!((300..320).contains(&probes), "{probes} probes in five hours, one a minute");
    talk.hears(seg("A", 1, 1).win(1000));
    talk.says(&["PA 1+1000 ack 1 win 65535"]);
}

#[test]
fn a_closed_window_whose_probes_are_not_answered_is_given_up() {
    // RFC 9293 3.8.3, R2: as with data, at the first probe after 120 s.
    let mut talk = closed();
    assert_eq!(talk.pass(162_100).len(), 9);
    assert_eq!(talk.events(), Vec::<String>::new());
    talk.passes_silently(200);
    assert_eq!(talk.events(), ["Closed(TimedOut)"]);
}

#[test]
fn a_closed_window_is_probed_however_long_ago_something_was_sent() {
    // RFC 9293 3.8.6.1, MUST-36; 3.8.3: R2 counts from when something waits.
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 1, 1).win(0));
    talk.passes_silently(600_000);
    talk.write(1000);
    talk.pass_says(650, &[(200, PROBE), (600, PROBE)]);
    assert_eq!(talk.events(), Vec::<String>::new());
}

#[test]
fn a_window_that_opens_is_used_at_once() {
    // RFC 9293 3.8.6.1.
    let mut talk = closed();
    talk.pass_says(250, &[(200, PROBE)]);
    talk.hears(seg("A", 1, 1).win(65_535));
    talk.says(&["PA 1+1000 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 1001));
    talk.passes_silently(100_000);
}

#[test]
fn what_was_in_flight_when_the_window_closed_is_sent_again_when_it_opens() {
    // RFC 9293 3.8.6, MUST-35: probing is the way out; what the peer could not take it did not acknowledge.
    let mut talk = Talk::accepted();
    talk.write(3 * MSS as usize);
    assert_eq!(talk.take().len(), 3);
    talk.hears(seg("A", 1, 1461).win(0));
    talk.pass_says(650, &[(200, "A 1460+0 ack 1 win 65535"), (600, "A 1460+0 ack 1 win 65535")]);
    talk.hears(seg("A", 1, 1461).win(65_535));
    talk.says(&["A 1461+1460 ack 1 win 65535", "A 2921+1460 ack 1 win 65535"]);
}

#[test]
fn a_window_that_shrank_is_borne() {
    // RFC 9293 3.8.6, MUST-34, SHLD-15: no new data, and no panic with a usable window below zero.
    let mut talk = Talk::accepted();
    talk.write(20_000);
    talk.says(&full_segments(1, 10));
    talk.hears(seg("A", 1, 1).win(2 * MSS as u16));
    talk.is_silent();
    talk.hears(seg("A", 1, 1 + 10 * 1460).win(65_535));
    talk.says(&[
        "A 14601+1460 ack 1 win 65535",
        "A 16061+1460 ack 1 win 65535",
        "A 17521+1460 ack 1 win 65535",
    ]);
}

#[test]
fn what_a_shrunken_window_leaves_outside_ends_nothing() {
    // RFC 9293 3.8.6, SHLD-17: no timeout for data beyond the right edge while the peer answers, here for ten times R2.
    let mut talk = Talk::accepted();
    talk.write(20_000);
    talk.says(&full_segments(1, 10));
    for acked in [0, 2 * 1460] {
        for _ in 0..20 * 60 {
            talk.hears(seg("A", 1, 1 + acked).win(0));
            talk.pass(1000);
        }
        assert_eq!((talk.state(), talk.events()), (State::Established, vec![]));
    }
    talk.hears(seg("A", 1, 1 + 2 * 1460).win(65_535));
    assert_eq!(talk.take()[0].line, "A 2921+1460 ack 1 win 65535");
}

#[test]
pub(crate) fn a_small_window_is_not_filled_with_a_small_segment() {
    // RFC 9293 3.8.6.2.1, MUST-38: neither a full segment, nor all, nor half of the largest window.
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 1, 1).win(500));
    talk.write(5000);
    talk.is_silent();
    // (4): the override timeout, which belongs between 0.1 and 1 s.
    talk.pass_says(250, &[(200, "A 1+500 ack 1 win 65535")]);
}

#[test]
fn all_that_is_queued_fits_a_small_window() {
    // RFC 9293 3.8.6.2.1 (2).
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 1, 1).win(500));
    talk.write(500);
    talk.says(&["PA 1+500 ack 1 win 65535"]);
}

#[test]
fn half_of_the_largest_window_is_worth_a_segment() {
    // RFC 9293 3.8.6.2.1 (3), with Fs = 1/2.
    let mut talk = Talk::accepted_with(Setup { peer_window: 1000, ..Setup::default() });
    talk.hears(seg("A", 1, 1).win(499));
    talk.write(5000);
    talk.is_silent();
    talk.hears(seg("A", 1, 1).win(500));
    talk.says(&["A 1+500 ack 1 win 65535"]);
}

#[test]
fn nagle_holds_half_of_the_largest_window_back_too() {
    // RFC 9293 3.8.6.2.1 (3): "[SND.NXT = SND.UNA and]".
    let mut talk = Talk::accepted_with(Setup { peer_window: 1000, ..Setup::default() });
    talk.write(5000);
    talk.says(&["A 1+1000 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 501).win(1000));
    talk.is_silent();
    talk.hears(seg("A", 1, 1001).win(1000));
    talk.says(&["A 1001+1000 ack 1 win 65535"]);
}

#[test]
fn an_old_segment_does_not_change_the_window() {
    // RFC 9293 3.10.7.4, fifth: SND.WL1, SND.WL2.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).len(10));
    talk.hears(seg("PA", 11, 1).len(10).win(0));
    talk.pass(50);
    // It begins before the last one, and reaches beyond it.
    talk.hears(seg("PA", 5, 1).len(20).win(60_000));
    talk.pass_says(50, &[(40, "A 1+0 ack 25 win 65511")]);
    talk.write(100);
    talk.passes_silently(150);
}

#[test]
fn a_fin_waits_for_no_window() {
    // Nothing is in flight, so that the FIN may serve as the probe of a closed window (RFC 9293 3.8.6.1).
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 1, 1).win(0));
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 2).win(0));
    assert_eq!(talk.state(), State::FinWait2);
}

// --- the host's window -------------------------------------------------------------------------------------

/// A host with room for 8000 bytes.
fn small_buffer() -> Talk {
    let tcp = tcp::Config { receive_buffer: 8000, quick_acks: 0, ..tcp::Config::default() };
    Talk::accepted_with(Setup { tcp, ..Setup::default() })
}

/// Fills the window of `small_buffer` with segments of 1000 bytes.
fn filled() -> Talk {
    let mut talk = small_buffer();
    for n in 0..8 {
        talk.hears(seg("PA", 1 + n * 1000, 1).len(1000));
        talk.take();
    }
    talk
}

#[test]
fn unread_data_narrows_the_window_to_nothing() {
    // RFC 9293 3.8.6: "the window ... the range of sequence numbers the receiver is prepared to accept".
    let mut talk = small_buffer();
    let mut windows = Vec::new();
    for n in 0..8 {
        talk.hears(seg("PA", 1 + n * 1000, 1).len(1000));
        windows.extend(talk.take().iter().map(|said| said.header.window));
    }
    assert_eq!(windows, [6000, 4000, 2000, 0]);
}

#[test]
fn a_byte_beyond_a_closed_window_is_refused_and_answered() {
    // RFC 9293 3.10.7.4, first: "not acceptable", and the peer's probe wants its answer (3.8.6.1).
    let mut talk = filled();
    talk.hears(seg("PA", 8001, 1).data(b"!"));
    talk.says(&["A 1+0 ack 8001 win 0"]);
    assert_eq!(talk.read(), stream_bytes(1, 8000));
}

#[test]
fn a_closed_window_still_takes_acks_and_resets() {
    // RFC 9293 3.4, MUST-66: "special allowance should be made to accept valid ACKs, URGs, and RSTs".
    let mut talk = filled();
    talk.write(100);
    talk.says(&["PA 1+100 ack 8001 win 0"]);
    talk.hears(seg("A", 8001, 101));
    talk.is_silent();
    assert_eq!(talk.stream().queued(), 0);
    talk.write(100);
    talk.says(&["PA 101+100 ack 8001 win 0"]);
    // With a byte that is not taken its ACK is.
    talk.hears(seg("PA", 8001, 201).data(b"!"));
    talk.says(&["A 201+0 ack 8001 win 0"]);
    assert_eq!(talk.stream().queued(), 0);
    talk.hears(seg("R", 8001, 0));
    assert_eq!(talk.state(), State::Closed);
}

#[test]
fn a_closed_window_opens_in_one_step_when_the_application_reads() {
    // RFC 9293 3.8.6.2.2, MUST-39; the peer is told without asking.
    let mut talk = filled();
    assert_eq!(talk.read().len(), 8000);
    talk.says(&["A 1+0 ack 8001 win 8000"]);
    talk.is_silent();
}

#[test]
pub(crate) fn a_window_does_not_open_by_less_than_a_segment() {
    // RFC 9293 3.8.6.2.2, MUST-39: min(Fr * RCV.BUFF, Eff.snd.MSS), here a segment of the peer's 1000 bytes.
    let mut talk = small_buffer();
    talk.hears(seg("PA", 1, 1).len(1000));
    talk.hears(seg("PA", 1001, 1).len(600));
    talk.pass_says(41, &[(40, "A 1+0 ack 1601 win 6400")]);
    // Everything is read, in two portions: 1600 bytes are a segment, and the next ACK says so.
    assert_eq!(talk.read().len(), 1600);
    talk.is_silent();
    talk.hears(seg("PA", 1601, 1).len(100));
    talk.pass_says(41, &[(40, "A 1+0 ack 1701 win 7900")]);
    // 100 bytes are none: the edge stays at 9601.
    assert_eq!(talk.read().len(), 100);
    talk.hears(seg("PA", 1701, 1).len(100));
    talk.pass_says(41, &[(40, "A 1+0 ack 1801 win 7800")]);
}

#[test]
pub(crate) fn the_right_edge_never_moves_back() {
    // RFC 9293 3.8.6, SHLD-14: whatever arrives and however slowly it is read.
    let mut talk = small_buffer();
    let (mut next, mut edge) = (1i64, 8001i64);
    for n in 0..400i64 {
        let len = (n * 37 % 900 + 1).min(edge - next).max(0) as usize;
        talk.hears(seg("PA", next, 1).len(len));
        next += len as i64;
        if n % 3 == 0 {
            let _ = talk.stream().read();
        }
        for (_, said) in talk.pass_time(Duration::from_millis(50)) {
            assert_eq!((said.header.ack.0 - crate::harness::IRS) as i64, next);
            let new_edge = next + i64::from(said.header.window);
            assert!(new_edge >= edge, "from {edge} to {new_edge}");
            assert!(new_edge == edge || new_edge - edge >= 536, "a silly step of {}", new_edge - edge);
            edge = new_edge;
        }
    }
    assert!(next > 8001, "it went on: {next}");
}

#[test]
fn data_that_reaches_beyond_the_window_is_cut_there() {
    // RFC 9293 3.10.7.4, first: "trimming off any portions that lie outside the window".
    let mut talk = small_buffer();
    (0..7).for_each(|n| talk.hears(seg("PA", 1 + n * 1000, 1).len(1000)));
    talk.take();
    talk.hears(seg("PA", 7001, 1).len(1400));
    talk.pass_says(41, &[(40, "A 1+0 ack 8001 win 0")]);
    assert_eq!(talk.read(), stream_bytes(1, 8000));
}
