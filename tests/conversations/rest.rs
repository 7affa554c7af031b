//! Connections at rest: what has nothing to do keeps little, and nobody can tell.

use taphouse::tcp::{self, State};
use taphouse::time::Duration;

use crate::harness::{Setup, Talk, seg};

fn with_options() -> Talk {
    Talk::accepted_after(20, Setup { peer_sack: true, peer_scale: Some(7), ..Setup::default() })
}

/// The host has answered a request, and the peer has acknowledged it.
fn exchange(talk: &mut Talk, seq: i64) {
    talk.hears(seg("PA", seq, seq).len(100));
    assert_eq!(talk.read().len(), 100);
    talk.write(100);
    assert_eq!(talk.take().len(), 1);
    talk.hears(seg("A", seq + 100, seq + 100));
    talk.is_silent();
}

#[test]
pub(crate) fn an_idle_connection_rests_after_a_second_and_goes_on_where_it_was() {
    for mut talk in [Talk::accepted(), with_options()] {
        for n in 0..5 {
            exchange(&mut talk, 1 + n * 100);
            let before = talk.report();
            assert_eq!(talk.stack.dormant(), 0);
            talk.passes_silently(1_100);
            assert_eq!(talk.stack.dormant(), 1);
            let after = talk.report();
            assert_eq!((before.snd_nxt, before.rcv_nxt), (after.snd_nxt, after.rcv_nxt));
            assert_eq!((before.rtt, before.cwnd, before.rcv_wnd), (after.rtt, after.cwnd, after.rcv_wnd));
            assert_eq!((before.tally, before.uses_sack), (after.tally, after.uses_sack));
        }
    }
}

#[test]
fn the_users_alarm_wakes_it_and_it_rests_again() {
    let mut talk = Talk::accepted();
    let at = talk.now + Duration::from_secs(60);
    talk.stream().set_alarm(Some(at));
    talk.passes_silently(59_000);
    assert_eq!((talk.stack.dormant(), talk.events()), (1, vec![]));
    talk.passes_silently(1_100);
    assert_eq!((talk.stack.dormant(), talk.events()), (1, vec!["Alarm".to_owned()]));
    assert_eq!(talk.state(), State::Established);
    talk.passes_silently(1);
    assert_eq!(talk.stack.dormant(), 1, "a look does not keep it awake");
}

#[test]
fn keep_alive_goes_on_while_it_rests() {
    let tcp = tcp::Config { keep_alive: Some(Duration::from_secs(60)), ..Setup::default().tcp };
    let mut talk = Talk::accepted_with(Setup { tcp, ..Setup::default() });
    for _ in 0..3 {
        talk.passes_silently(59_900);
        assert_eq!(talk.stack.dormant(), 1);
        talk.pass_says(200, &[(100, "A 0+0 ack 1 win 65535")]);
        talk.hears(seg("A", 1, 1));
    }
}

#[test]
fn what_is_unread_unacknowledged_or_owed_keeps_it_awake() {
    let mut unread = Talk::accepted();
    unread.hears(seg("PA", 1, 1).len(10));
    unread.pass(10_000);
    assert_eq!(unread.stack.dormant(), 0);
    unread.read();
    unread.passes_silently(1_100);
    assert_eq!(unread.stack.dormant(), 1);

    let mut unacknowledged = Talk::accepted();
    unacknowledged.write(10);
    unacknowledged.pass(10_000);
    assert_eq!(unacknowledged.stack.dormant(), 0);

    let mut behind_a_gap = Talk::accepted();
    behind_a_gap.hears(seg("PA", 11, 1).len(10));
    behind_a_gap.pass(10_000);
    assert_eq!(behind_a_gap.stack.dormant(), 0);
}

#[test]
fn a_reset_a_fin_and_a_user_find_it_at_rest() {
    let mut reset = Talk::accepted();
    reset.passes_silently(2_000);
    reset.hears(seg("R", 1, 0));
    assert_eq!(reset.events(), ["Closed(Reset)"]);

    let mut finished = Talk::accepted();
    finished.passes_silently(2_000);
    finished.hears(seg("FA", 1, 1));
    assert_eq!((finished.state(), finished.events()), (State::CloseWait, vec!["Readable".to_owned()]));
    finished.pass(2_000);
    assert_eq!((finished.stack.dormant(), finished.read_end()), (1, tcp::ReadError::Finished));
    finished.stream().shutdown();
    finished.says(&["FA 1+0 ack 2 win 65534"]);
    finished.hears(seg("A", 2, 2));
    assert_eq!(finished.state(), State::Closed);

    let mut released = Talk::accepted();
    released.passes_silently(2_000);
    released.stream().release();
    released.says(&["FA 1+0 ack 1 win 65535"]);
    assert_eq!(released.stack.dormant(), 0);
}
