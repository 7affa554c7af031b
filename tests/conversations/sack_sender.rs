//! What the host makes of selective acknowledgments: RFC 2018 5 and 8, RFC 2883, RFC 6675, RFC 8985, RFC 9937. Reno, a
//! round trip of 40 ms, segments that leave without pacing.

use taphouse::tcp::{self, Algorithm};

use crate::harness::{MSS, Setup, Talk, full_segments, seg};

/// A connection with SACK.
fn sacking() -> Talk {
    let tcp = tcp::Config { congestion: Algorithm::Reno, pacing: false, ..Setup::default().tcp };
    Talk::accepted_after(40, Setup { tcp, peer_sack: true, ..Setup::default() })
}

/// A connection with a lot queued, of which ten segments left a round trip ago.
fn ten_in_flight() -> Talk {
    let mut talk = sacking();
    talk.write(400_000);
    talk.says(&full_segments(1, 10));
    talk.passes_silently(40);
    talk
}

/// The full segment number `n`, counted from 0.
fn full(n: u32) -> String {
    format!("A {}+{MSS} ack 1 win 65535", 1 + n * MSS)
}

/// The first `acked` segments have arrived, and those of the ranges.
fn hears(talk: &mut Talk, acked: u32, ranges: &[(u32, u32)]) {
    let blocks: Vec<_> = ranges.iter().map(|&(first, last)| (1 + first * MSS, 1 + last * MSS)).collect();
    talk.hears_sack(seg("A", 1, i64::from(1 + acked * MSS)), &blocks);
}

/// The lines that the host says now.
fn lines(talk: &mut Talk) -> Vec<String> {
    talk.take().into_iter().map(|said| said.line).collect()
}

#[test]
pub(crate) fn three_reported_segments_send_the_lost_one_again() {
    // RFC 6675 5 (1), RFC 8985 6.2: at the third the reordering window is nothing. Limited transmit before (RFC 6675 5
    // (3), RFC 3042).
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 2)]);
    talk.says(&[full(10)]);
    hears(&mut talk, 0, &[(1, 3)]);
    talk.says(&[full(11)]);
    hears(&mut talk, 0, &[(1, 4)]);
    talk.says(&[full(0)]);
}

#[test]
pub(crate) fn fewer_wait_for_the_reordering_window() {
    // RFC 8985 6.2: a quarter of the least RTT, 10 ms, in which what was overtaken may still come.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 2)]);
    talk.says(&[full(10)]);
    talk.passes_silently(9);
    assert_eq!(talk.pass(2), [(1, full(0))]);

    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 2)]);
    talk.says(&[full(10)]);
    talk.passes_silently(9);
    hears(&mut talk, 2, &[]);
    assert_eq!(lines(&mut talk), [full(11), full(12), full(13)]);
    talk.passes_silently(30);
    assert!(talk.report().has_seen_reordering);
}

#[test]
pub(crate) fn what_was_reported_is_not_sent_again() {
    // RFC 2018 5, RFC 6675 4: only the segments 0 and 4 are missing.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 4), (5, 10)]);
    let said = lines(&mut talk);
    assert_eq!(said[..2], [full(0), full(4)]);
    assert!(said[2..].iter().all(|line| (10..20).any(|n| *line == full(n))), "{said:?}");
}

#[test]
fn what_is_acknowledged_selectively_only_is_kept() {
    // RFC 2018 8: "MUST NOT discard data before being acknowledged by the Acknowledgment Number field"; a receiver may
    // throw away what it reported. RFC 6675 5.1, RFC 2018 8: after a timeout it is sent again.
    let mut talk = sacking();
    talk.write(2 * MSS as usize);
    assert_eq!(talk.take().len(), 2);
    talk.passes_silently(40);
    hears(&mut talk, 0, &[(0, 2)]);
    assert_eq!(talk.stream().queued(), 2 * MSS as usize);
    assert_eq!(talk.pass(300).first().map(|(_, line)| line.clone()), Some(full(0)));
}

#[test]
fn a_block_of_what_was_never_sent_is_ignored() {
    // RFC 2018 5 knows only bytes between SND.UNA and SND.NXT.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(9, 40)]);
    talk.is_silent();
    assert_eq!(talk.report().sacked, 0);
}

#[test]
fn duplicates_that_report_nothing_let_nothing_out() {
    // RFC 5681 3.2, step 1: "a sender using SACK MUST NOT send new data unless the incoming duplicate acknowledgment
    // contains new SACK information"; nor do they tell of a loss.
    let mut talk = ten_in_flight();
    for _ in 0..6 {
        hears(&mut talk, 0, &[]);
        talk.is_silent();
    }
    hears(&mut talk, 0, &[(1, 2)]);
    talk.says(&[full(10)]);
    hears(&mut talk, 0, &[(1, 2)]);
    talk.is_silent();
}

#[test]
fn a_new_segment_is_sent_for_each_that_arrived_while_none_is_lost() {
    // RFC 6675 4, SetPipe(): what is reported has left the network.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 3)]);
    talk.says(&[full(10), full(11)]);
    assert_eq!((talk.report().pipe, talk.report().sacked), (10 * MSS, 2 * MSS));
}

#[test]
pub(crate) fn the_window_shrinks_in_step_with_what_arrives() {
    // RFC 9937 6: ten in flight, ssthresh five: half a segment for each that arrives while more than five are in flight, and
    // one for one at five.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 4)]);
    talk.says(&[full(0)]);
    let mut sent = Vec::new();
    for n in 5..=10 {
        hears(&mut talk, 0, &[(1, n)]);
        sent.push(talk.take().len());
    }
    assert_eq!(sent, [1, 0, 0, 1, 1, 1]);
    // At its end the window is the threshold.
    hears(&mut talk, 13, &[]);
    assert_eq!((talk.report().cwnd, talk.report().ssthresh), (5 * MSS, 5 * MSS));
}

#[test]
fn a_retransmission_that_is_lost_is_found_without_a_timeout() {
    // RFC 8985 3.2: by what was sent after it and arrived.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 4)]);
    talk.says(&[full(0)]);
    talk.passes_silently(41);
    hears(&mut talk, 0, &[(1, 10)]);
    talk.take();
    talk.passes_silently(41);
    hears(&mut talk, 0, &[(1, 12)]);
    let said = lines(&mut talk);
    assert_eq!(said[0], full(0), "{said:?}");
    assert_eq!(talk.report().tally.mechanisms.timeouts, 0);
}

#[test]
pub(crate) fn a_lost_tail_is_probed_after_two_round_trips() {
    // RFC 8985 7.2, 7.3: the last segment again; its SACK tells of those before it.
    let mut talk = sacking();
    talk.write(3 * MSS as usize);
    assert_eq!(talk.take().len(), 3);
    talk.pass_says(81, &[(80, "A 2921+1460 ack 1 win 65535")]);
    talk.passes_silently(40);
    hears(&mut talk, 0, &[(2, 3)]);
    assert_eq!(talk.pass(11).first().map(|(_, line)| line.clone()), Some(full(0)));
    assert_eq!((talk.report().tally.mechanisms.loss_probes, talk.report().tally.mechanisms.timeouts), (1, 0));
}

#[test]
fn a_probe_carries_new_data_if_there_is_some() {
    // RFC 8985 7.3: whatever the congestion window says.
    let mut talk = sacking();
    talk.write(400_000);
    assert_eq!(talk.take().len(), 10);
    assert_eq!(talk.pass(81), [(80, full(10))]);
    // Only one until it is answered; then the timeout, counted from the probe.
    assert_eq!(talk.pass(241), [(239, full(0))]);
}

#[test]
fn a_loss_that_the_probe_repaired_reduces_the_window() {
    // RFC 8985 7.4.2: no D-SACK tells that the probe was needless, and something later is acknowledged.
    for (is_reported, reductions) in [(false, 1), (true, 0)] {
        let mut talk = sacking();
        talk.write(3 * MSS as usize);
        assert_eq!(talk.take().len(), 3);
        assert_eq!(talk.pass(81).len(), 1);
        hears(&mut talk, 3, if is_reported { &[(2, 3)] } else { &[] });
        talk.write(MSS as usize);
        assert_eq!(talk.take().len(), 1);
        hears(&mut talk, 4, &[]);
        let tally = talk.report().tally;
        assert_eq!(
            (tally.mechanisms.probe_repairs, tally.mechanisms.fast_recoveries),
            (reductions, reductions)
        );
    }
}

#[test]
pub(crate) fn a_reduction_that_proves_needless_is_taken_back() {
    // RFC 2883, RFC 3708: the D-SACK says that the segment had arrived.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 4)]);
    talk.says(&[full(0)]);
    assert!(talk.report().is_recovering);
    talk.hears_sack(seg("A", 1, i64::from(1 + 10 * MSS)), &[(1, 1 + MSS)]);
    let report = talk.report();
    assert_eq!(
        (report.tally.mechanisms.spurious_undos, report.ssthresh, report.is_recovering),
        (1, u32::MAX, false)
    );
    assert!(report.cwnd >= 10 * MSS, "{}", report.cwnd);
}

#[test]
fn dsacks_widen_the_reordering_window() {
    // RFC 8985 6.2, step 4: by a quarter of the least RTT, once a round trip.
    let mut talk = ten_in_flight();
    hears(&mut talk, 0, &[(1, 2)]);
    talk.says(&[full(10)]);
    assert_eq!(talk.pass(11).len(), 1);
    talk.passes_silently(30);
    talk.hears_sack(seg("A", 1, i64::from(1 + 11 * MSS)), &[(1, 1 + MSS)]);
    assert!(talk.take().len() >= 10);
    talk.passes_silently(41);
    hears(&mut talk, 11, &[(12, 13)]);
    assert_eq!(talk.take().len(), 1, "a new segment");
    talk.passes_silently(19);
    assert_eq!(talk.pass(2), [(1, full(11))]);
}

#[test]
pub(crate) fn a_reduction_is_by_half_or_by_three_tenths() {
    // RFC 5681 3.2, equation 4; RFC 9438 4.6: beta is 0.7.
    for (congestion, threshold) in [(Algorithm::Reno, 5 * MSS), (Algorithm::Cubic, 7 * MSS)] {
        let tcp = tcp::Config { congestion, pacing: false, ..Setup::default().tcp };
        let mut talk = Talk::accepted_after(40, Setup { tcp, peer_sack: true, ..Setup::default() });
        talk.write(400_000);
        assert_eq!(talk.take().len(), 10);
        talk.passes_silently(41);
        hears(&mut talk, 0, &[(1, 4)]);
        assert_eq!(talk.report().ssthresh, threshold);
    }
}

#[test]
pub(crate) fn a_window_is_spread_over_the_round_trip() {
    // The initial window leaves at once (RFC 6928); what its ACK lets out is paced, at twice the window a round trip.
    let tcp = tcp::Config { pacing: true, ..Setup::default().tcp };
    let mut talk = Talk::accepted_after(40, Setup { tcp, peer_sack: true, ..Setup::default() });
    talk.write(400_000);
    assert_eq!(talk.take().len(), 10);
    talk.passes_silently(41);
    hears(&mut talk, 10, &[]);
    let at_once = talk.take().len();
    let later = talk.pass(40).len();
    assert!((2..=4).contains(&at_once) && at_once + later == 20, "{at_once} {later}");
}

#[test]
fn after_a_timeout_what_was_reported_is_still_believed() {
    // RFC 6675 5.1: only what is missing goes again. Deviation from RFC 2018 8 ("SHOULD turn off all of the SACKed bits").
    let mut talk = sacking();
    talk.write(4 * MSS as usize);
    assert_eq!(talk.take().len(), 4);
    talk.passes_silently(40);
    hears(&mut talk, 0, &[(1, 2), (3, 4)]);
    let resent = talk.pass(1500);
    assert!(
        resent.len() >= 3 && resent.iter().all(|(_, line)| *line == full(0) || *line == full(2)),
        "{resent:?}"
    );
    assert!(talk.report().tally.mechanisms.timeouts > 0);
}
