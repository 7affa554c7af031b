//! Buffers that tune themselves: they begin small, grow with what the path carries, and are small again after an idle
//! time.

use taphouse::limits::BUFFER_START;
use taphouse::tcp;
use taphouse::time::Duration;

use crate::harness::{Setup, Talk, seg};

const RTT: u64 = 100;
const SHIFT: u8 = 7;
const FULL: usize = 1460;

fn tuned() -> Setup {
    let tcp = tcp::Config {
        receive_buffer: 4 << 20,
        send_buffer: 4 << 20,
        buffer_start: BUFFER_START,
        ..Setup::default().tcp
    };
    Setup { tcp, peer_scale: Some(SHIFT), peer_sack: true, ..Setup::default() }
}

/// The peer sends as many bytes in each round trip as `rounds` says, as far as the window reaches; gives the window
/// after each.
fn receives(talk: &mut Talk, from: i64, rounds: &[usize], is_read: bool) -> Vec<u32> {
    let mut seq = from;
    let window_after = |len: &usize| {
        let len = (*len).min(talk.report().rcv_wnd as usize);
        for at in (0..len).step_by(FULL) {
            talk.hears(seg("A", seq + at as i64, 1).len(FULL.min(len - at)));
            if is_read {
                talk.read();
            }
        }
        seq += len as i64;
        talk.pass(RTT);
        talk.take();
        talk.report().rcv_wnd
    };
    rounds.iter().map(window_after).collect()
}

#[test]
pub(crate) fn the_receive_window_stays_ahead_of_a_peer_in_slow_start() {
    let mut talk = Talk::accepted_after(RTT, tuned());
    let rounds: Vec<usize> = (0..9).map(|n| 14_600 << n).collect();
    let windows = receives(&mut talk, 1, &rounds, true);
    for (round, next) in windows.iter().zip(&rounds[1..]) {
        assert!(*round as usize >= *next, "{windows:?}");
    }
    assert_eq!(windows.last(), Some(&(4 << 20)), "no more than the limit: {windows:?}");
}

#[test]
fn a_steady_stream_has_twice_what_it_brings_in_a_round_trip() {
    let mut talk = Talk::accepted_after(RTT, tuned());
    let windows = receives(&mut talk, 1, &[100_000; 20], true);
    let last = *windows.last().expect("there are some") as usize;
    assert!((200_000..600_000).contains(&last), "{windows:?}");
    assert_eq!(windows[5..].iter().min(), windows[5..].iter().max(), "{windows:?}");
}

#[test]
fn nothing_grows_for_a_user_who_does_not_read_or_for_a_few_bytes() {
    let mut talk = Talk::accepted_after(RTT, tuned());
    let windows = receives(&mut talk, 1, &[14_600; 10], false);
    assert!(windows.is_sorted_by(|a, b| a >= b), "{windows:?}");
    let mut talk = Talk::accepted_after(RTT, tuned());
    let windows = receives(&mut talk, 1, &[1000; 50], true);
    assert!(windows.iter().all(|&window| window as usize <= BUFFER_START), "{windows:?}");
}

#[test]
fn the_receive_buffer_is_small_again_after_an_idle_time_but_no_window_is_taken_back() {
    let mut talk = Talk::accepted_after(RTT, tuned());
    let windows = receives(&mut talk, 1, &[40_000, 80_000, 160_000], true);
    let edge = windows[2];
    talk.pass(5_000);
    assert_eq!((talk.stack.dormant(), talk.report().rcv_wnd), (1, edge));
    // The window does not open any further before what was offered is used up.
    let next = 1 + talk.report().bytes_received as i64;
    let windows = receives(&mut talk, next, &[1000; 10], true);
    // But for what the field rounds up.
    assert!((8_700..=10_000).contains(&(edge - windows[9])), "{windows:?}");
}

/// The application writes as much as is taken.
fn fill(talk: &mut Talk) -> usize {
    let room = talk.stream().room();
    talk.write(room);
    room
}

#[test]
pub(crate) fn the_send_buffer_is_twice_the_congestion_window() {
    let mut talk = Talk::accepted_after(RTT, tuned());
    assert_eq!(fill(&mut talk), BUFFER_START);
    let mut acked = 1;
    for _ in 0..8 {
        talk.pass(RTT);
        talk.take();
        acked += i64::from(talk.report().snd_nxt.wrapping_sub(talk.report().snd_una));
        talk.hears(seg("A", 1, acked).win(u16::MAX));
        fill(&mut talk);
        let cwnd = talk.report().cwnd as usize;
        assert_eq!(talk.stream().queued(), (2 * cwnd).clamp(BUFFER_START, 4 << 20));
    }
    assert!(talk.report().cwnd > 500_000, "{}", talk.report().cwnd);
    let all = acked + talk.stream().queued() as i64;
    while acked < all {
        talk.pass(RTT);
        talk.take();
        acked += i64::from(talk.report().snd_nxt.wrapping_sub(talk.report().snd_una));
        talk.hears(seg("A", 1, acked).win(u16::MAX));
    }
    talk.pass_time(Duration::from_secs(5));
    assert_eq!((talk.stack.dormant(), talk.stream().room()), (1, BUFFER_START));
}
