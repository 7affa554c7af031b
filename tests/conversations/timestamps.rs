//! Timestamps: RFC 7323 3 to 5; what they tell the sender of retransmissions (RFC 3522), and TIME-WAIT (RFC 6191).

use taphouse::drops::Drop;
use taphouse::stack::ListenConfig;
use taphouse::tcp::{self, Algorithm};
use taphouse::time::Duration;

use crate::harness::{PORT, Setup, Talk, seg};

/// The peer's clock at its SYN.
const THEN: u32 = 5000;
/// A full segment beside the option.
const FULL: usize = 1448;

fn setup() -> Setup {
    let tcp = tcp::Config { congestion: Algorithm::Reno, pacing: false, ..Setup::default().tcp };
    Setup { tcp, peer_time: Some(THEN), ..Setup::default() }
}

/// A connection with timestamps, whose handshake took 40 ms.
fn stamped() -> Talk {
    Talk::accepted_after(40, setup())
}

#[test]
fn timestamps_are_in_every_segment_if_both_syns_have_them() {
    // RFC 7323 3.2: in the SYN-ACK if the SYN has it, and then in each segment. 3.2: TSecr of a SYN is zero.
    let mut talk = Talk::listening(setup());
    talk.hears(talk.syn("S"));
    let said = talk.take();
    let (first, echo) = said[0].options.timestamps.expect("as in the SYN");
    assert_eq!(echo, THEN);
    talk.passes_silently(40);
    talk.hears(seg("A", 1, 1).ts(THEN + 40, first));
    talk.events();
    talk.write(2 * FULL);
    let said = talk.take();
    assert_eq!(
        said.iter().map(|s| s.payload.len()).collect::<Vec<_>>(),
        [FULL, FULL],
        "RFC 6691: the option takes 12"
    );
    assert!(said.iter().all(|s| s.options.timestamps == Some((first + 40, THEN + 40))), "a clock of 1 ms");

    let mut talk = Talk::accepted();
    talk.write(10);
    assert_eq!(talk.take()[0].options.timestamps, None);

    let mut talk = Talk::connecting(setup());
    assert_eq!(talk.pass_time(Duration::from_millis(1001))[0].1.options.timestamps.unwrap().1, 0);
    talk.hears(talk.syn("SA"));
    assert_eq!(talk.take()[0].options.timestamps.unwrap().1, THEN);
}

#[test]
fn an_ack_echoes_the_segment_that_it_is_for() {
    // RFC 7323 4.3: with a delayed ACK the first of them; behind a gap the last that was in order; then what filled it.
    let mut talk = stamped();
    let echo = |talk: &mut Talk| talk.take().last().expect("an ACK").options.timestamps.unwrap().1;
    talk.hears(seg("PA", 1, 1).len(536).ts(THEN + 50, 0));
    talk.hears(seg("PA", 537, 1).len(536).ts(THEN + 60, 0));
    assert_eq!(echo(&mut talk), THEN + 50);
    talk.hears(seg("PA", 1173, 1).len(100).ts(THEN + 70, 0));
    assert_eq!(echo(&mut talk), THEN + 50);
    talk.hears(seg("PA", 1073, 1).len(100).ts(THEN + 80, 0));
    assert_eq!(echo(&mut talk), THEN + 80);
}

#[test]
pub(crate) fn an_old_timestamp_is_dropped_and_answered() {
    // RFC 7323 5.3, R1: PAWS.
    let mut talk = stamped();
    talk.hears(seg("PA", 1, 1).data(b"old").ts(THEN - 1, 0));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!(talk.drops(Drop::TcpOldTimestamp), 1);
    talk.hears(seg("PA", 1, 1).data(b"new").ts(THEN, 0));
    assert_eq!(talk.read(), b"new");
}

#[test]
fn a_reset_is_believed_whatever_its_timestamp() {
    // RFC 7323 5.2: RSTs are exempt from PAWS, and need not carry the option (3.2).
    for reset in [seg("R", 1, 0), seg("R", 1, 0).ts(THEN - 1, 0)] {
        let mut talk = stamped();
        talk.hears(reset);
        assert_eq!(talk.events(), ["Closed(Reset)"]);
    }
}

#[test]
fn an_abort_carries_a_timestamp() {
    // RFC 7323 3.2, 5.2: SHOULD.
    let mut talk = stamped();
    talk.stream().abort();
    let said = talk.take();
    assert_eq!((said.len(), said[0].options.timestamps.map(|(_, echo)| echo)), (1, Some(THEN)));
}

#[test]
fn a_segment_without_the_option_is_dropped() {
    // RFC 7323 3.2: "SHOULD silently drop".
    let mut talk = stamped();
    talk.hears(seg("PA", 1, 1).data(b"bare"));
    talk.passes_silently(100);
    assert_eq!((talk.events().len(), talk.drops(Drop::TcpNoTimestamp)), (0, 1));
}

#[test]
fn after_24_days_of_silence_an_old_timestamp_is_none() {
    // RFC 7323 5.5.
    let mut talk = stamped();
    talk.passes_silently(24 * 24 * 3600 * 1000);
    talk.hears(seg("PA", 1, 1).data(b"late").ts(THEN - 1, 0));
    assert_eq!(talk.read(), b"late");
}

#[test]
fn the_echo_makes_a_sample_of_what_was_sent_twice() {
    // RFC 7323 4.1, RFC 6298 3: Karn's rule does not hold with timestamps. RTO = 40 + 200 ms.
    let mut talk = stamped();
    talk.write(100);
    talk.take();
    let again = talk.pass_time(Duration::from_millis(241))[0].1.options.timestamps.unwrap().0;
    assert_eq!(talk.report().rto.as_millis(), 480);
    talk.passes_silently(40);
    talk.hears(seg("A", 1, 101).ts(THEN + 300, again));
    assert!(talk.report().rto.as_millis() < 300, "{:?}", talk.report().rto);
}

#[test]
fn an_echo_older_than_the_connection_makes_no_sample() {
    // Whoever sends one would have the next timeout wait for a minute.
    for peer_sack in [false, true] {
        let mut talk = Talk::accepted_after(40, Setup { peer_sack, ..setup() });
        talk.write(100);
        let first = talk.take()[0].options.timestamps.unwrap().0;
        talk.pass(241);
        let before = talk.report().rto;
        talk.hears(seg("A", 1, 101).ts(THEN + 300, first.wrapping_sub(100_000)));
        assert_eq!((talk.report().flight, talk.report().rto), (0, before));
    }
}

#[test]
fn a_timeout_that_was_not_needed_is_taken_back() {
    // RFC 3522 3.2, RFC 5682: the echo is of what left before the timeout.
    let mut talk = stamped();
    talk.write(400_000);
    let first = talk.take()[0].options.timestamps.unwrap().0;
    assert_eq!(talk.pass(241).len(), 1);
    assert!(talk.report().is_recovering);
    talk.hears(seg("A", 1, 1 + FULL as i64).ts(THEN + 250, first));
    let report = talk.report();
    assert_eq!(
        (report.tally.mechanisms.spurious_undos, report.is_recovering, report.ssthresh),
        (1, false, u32::MAX)
    );
    assert!(report.cwnd as usize >= 10 * FULL);
}

/// Such a connection in TIME-WAIT.
fn waiting() -> Talk {
    let mut talk = stamped();
    talk.stream().shutdown();
    talk.take();
    talk.hears(seg("FA", 1, 2).ts(THEN + 50, 0));
    talk.take();
    talk.stream().release();
    talk.passes_silently(100);
    talk.events();
    talk
}

#[test]
fn a_cookie_that_comes_back_ends_the_wait() {
    // RFC 6191 2, RFC 4987 3.6: when there is no room for a half-open connection, the wait lasts until the ACK is here.
    let mut talk = waiting();
    let tcp = talk.setup.tcp;
    talk.stack.listen(PORT, ListenConfig { tcp, backlog: 0, ..ListenConfig::default() });
    talk.hears(seg("S", 9000, 0).mss(1460).ts(THEN + 100, 0));
    let said = talk.take();
    assert_eq!((said.len(), talk.stack.population()), (1, (0, 0, 1)));
    assert!(said[0].line.starts_with("SA"), "{said:?}");
    let (value, _) = said[0].options.timestamps.expect("as in the SYN");
    // What belongs to the old one is answered for it, and ends nothing.
    talk.hears(seg("FA", 1, 2).ts(THEN + 50, 0));
    assert_eq!((talk.take().len(), talk.stack.population()), (1, (0, 0, 1)));
    let number = i64::from(said[0].header.seq - talk.iss);
    talk.hears(seg("A", 9001, number + 1).ts(THEN + 101, value));
    assert_eq!((talk.events(), talk.stack.population()), (vec!["Accepted".to_owned()], (1, 0, 0)));
}

#[test]
fn a_syn_with_a_newer_timestamp_ends_the_wait() {
    // RFC 6191 2: its sequence number may be lower then; with an older one it may not be higher either.
    for (seq, time, opens) in [(-50, THEN + 100, true), (1000, THEN + 1, false)] {
        let mut talk = waiting();
        let syn = seg("S", seq, 0).mss(1460).ts(time, 0);
        talk.hears(syn);
        let said = talk.take();
        assert_eq!(said[0].line.starts_with("SA"), opens, "{said:?}");
    }
}
