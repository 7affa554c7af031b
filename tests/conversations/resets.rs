//! The host ends a connection by force: abort, release with data lost, data after the release. RFC 9293 3.6.1,
//! 3.10.5; RFC 2525 2.17.

use crate::harness::{Talk, seg};

#[test]
fn an_abort_sends_a_reset_and_forgets() {
    // RFC 9293 3.10.5, ESTABLISHED: <SEQ=SND.NXT><CTL=RST>; queued data is flushed.
    let mut talk = Talk::accepted();
    talk.write(3000);
    talk.says(&["A 1+1460 ack 1 win 65535", "A 1461+1460 ack 1 win 65535"]);
    talk.stream().abort();
    talk.says(&["RA 2921+0 ack 1 win 0"]);
    assert_eq!(talk.stack.population(), (0, 0, 0));
    talk.passes_silently(100_000);
    talk.hears(seg("A", 1, 1461));
    talk.says(&["R 1461+0 win 0"]);
    assert_eq!(talk.events(), Vec::<String>::new());
}

#[test]
fn an_abort_resets_in_each_state_that_the_rfc_names() {
    // RFC 9293 3.10.5: ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT; SYN-RECEIVED by crossed SYNs.
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.stream().abort();
    talk.says(&["RA 2+0 ack 1 win 0"]);

    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("A", 1, 2));
    talk.stream().abort();
    talk.says(&["RA 2+0 ack 1 win 0"]);

    let mut talk = Talk::accepted();
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 1+0 ack 2 win 65534"]);
    talk.stream().abort();
    talk.says(&["RA 1+0 ack 2 win 0"]);

    let mut talk = Talk::connecting(crate::harness::Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.stream().abort();
    talk.says(&["RA 1+0 ack 1 win 0"]);
}

#[test]
fn an_abort_after_both_fins_says_nothing() {
    // RFC 9293 3.10.5: CLOSING, LAST-ACK: "respond to the ABORT with ok and delete the TCB".
    let mut talk = Talk::accepted();
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 1 win 65535"]);
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 2+0 ack 2 win 65534"]);
    talk.stream().abort();
    talk.passes_silently(10_000);

    let mut talk = Talk::accepted();
    talk.hears(seg("FA", 1, 1));
    talk.says(&["A 1+0 ack 2 win 65534"]);
    talk.stream().shutdown();
    talk.says(&["FA 1+0 ack 2 win 65534"]);
    talk.stream().abort();
    talk.passes_silently(10_000);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn a_release_with_unread_data_resets() {
    // RFC 9293 3.6.1, SHLD-3; RFC 2525 2.17: the peer must learn that data was lost.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"unread"));
    talk.is_silent();
    talk.stream().release();
    talk.says(&["RA 1+0 ack 7 win 0"]);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn a_release_with_unread_data_after_the_peers_fin_resets() {
    // RFC 9293 3.6.1, SHLD-3: the peer's FIN does not make its data read.
    let mut talk = Talk::accepted();
    talk.hears(seg("FPA", 1, 1).data(b"unread"));
    talk.says(&["A 1+0 ack 8 win 65528"]);
    talk.stream().release();
    talk.says(&["RA 1+0 ack 8 win 0"]);
    assert_eq!(talk.stack.population(), (0, 0, 0));
}

#[test]
fn a_release_with_everything_read_closes_in_order() {
    // RFC 9293 3.10.4.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"read"));
    assert_eq!(talk.read(), b"read");
    talk.stream().release();
    talk.says(&["FA 1+0 ack 5 win 65531"]);
}

#[test]
fn data_after_the_release_is_reset() {
    // RFC 9293 3.6.1, SHLD-3: "or if new data is received after CLOSE is called". FIN-WAIT-1 and FIN-WAIT-2.
    for ack in [1, 2] {
        let mut talk = Talk::accepted();
        talk.stream().release();
        talk.says(&["FA 1+0 ack 1 win 65535"]);
        talk.hears(seg("PA", 1, ack).data(b"too late"));
        // Where the peer expects it (RFC 9293 3.10.7.1), so that it is believed (RFC 5961 3.2).
        talk.says(&[format!("R {ack}+0 win 0")]);
        assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 0, 0)));
    }
}

#[test]
fn an_old_duplicate_after_the_release_is_acknowledged_only() {
    // RFC 9293 3.10.7.4, first: it is no new data.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"once"));
    assert_eq!(talk.read(), b"once");
    talk.stream().release();
    talk.says(&["FA 1+0 ack 5 win 65531"]);
    talk.hears(seg("PA", 1, 1).data(b"once"));
    talk.says(&["A 2+0 ack 5 win 65531"]);
    assert_eq!(talk.stack.population(), (1, 0, 0));
}

#[test]
fn the_peer_that_forgot_resets_the_host_that_did_not() {
    // RFC 9293 3.5.1, figure 9, from the side that did not crash: its data meets a RST of SEG.ACK.
    let mut talk = Talk::accepted();
    talk.write(10);
    talk.says(&["PA 1+10 ack 1 win 65535"]);
    talk.hears(seg("R", 1, 0));
    assert_eq!(talk.events(), ["Closed(Reset)"]);
}

#[test]
fn a_peer_that_begins_anew_clears_the_half_open_connection() {
    // RFC 9293 3.5.1, figure 9; RFC 5961 4.2: SYN, challenge ACK, RST with its number, SYN again.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"before the crash"));
    talk.pass(50);
    talk.events();
    talk.hears(seg("S", 900_000, 0).mss(1460));
    talk.says(&["A 1+0 ack 17 win 65519"]);
    talk.hears(seg("R", 17, 0));
    talk.is_silent();
    assert_eq!(talk.events(), ["Closed(Reset)"]);
    talk.stream().release();
    talk.passes_silently(1000);
    talk.hears(seg("S", 900_000, 0).mss(1460));
    talk.says(&["SA 0+0 ack 900001 win 65535 mss 1460"]);
}
