//! Explicit congestion notification: RFC 3168 6.1, RFC 9293 3.8.4 (SHLD-8).

use taphouse::tcp::ecn::{Codepoint, Mode};
use taphouse::tcp::{self, Algorithm};

use crate::harness::{MSS, Setup, Talk, seg};

fn setup() -> Setup {
    let tcp =
        tcp::Config { ecn: Mode::Ask, congestion: Algorithm::Reno, pacing: false, ..Setup::default().tcp };
    Setup { tcp, ..Setup::default() }
}

/// A connection with ECN that the peer opened.
fn capable() -> Talk {
    let mut talk = Talk::listening(setup());
    talk.hears(talk.syn("SEC"));
    talk.says(&["SAE 0+0 ack 1 win 65535 mss 1460"]);
    talk.hears(seg("A", 1, 1));
    assert_eq!(talk.events(), ["Accepted"]);
    talk
}

/// Flags and codepoint of what the host says.
fn marks(talk: &mut Talk) -> Vec<(String, u8)> {
    talk.take().into_iter().map(|said| (format!("{:?}", said.header.flags), said.ip.ecn)).collect()
}

#[test]
fn a_syn_asks_and_a_syn_ack_agrees() {
    // RFC 3168 6.1.1: ECE and CWR; then ECE alone. No SYN is itself marked as capable.
    let mut talk = Talk::idle(setup());
    let peer = std::net::SocketAddrV4::new(crate::harness::PEER, crate::harness::PEER_PORT);
    let id = talk.stack.connect_from(crate::harness::PORT, peer, setup().tcp).unwrap();
    talk.id = Some(id);
    assert_eq!(marks(&mut talk), [("SEC".to_owned(), 0)]);
    // 6.1.1.1: what may have been dropped for its flags is tried without them.
    assert!(talk.pass(1001)[0].1.starts_with("S 0+0"));

    for (flags, agrees) in [("SAE", true), ("SAEC", false), ("SA", false)] {
        let mut talk = Talk::connecting(setup());
        talk.hears(talk.syn(flags));
        talk.take();
        assert_eq!(talk.report().uses_ecn, agrees, "{flags}");
    }
    for flags in ["S", "SE", "SC"] {
        let mut talk = Talk::listening(setup());
        talk.hears(talk.syn(flags));
        assert_eq!(marks(&mut talk), [("SA".to_owned(), 0)], "{flags}");
    }
}

#[test]
fn crossing_syns_agree_too() {
    // RFC 3168 6.1.1; RFC 9293 3.5, figure 7.
    for (flags, agrees) in [("SEC", true), ("S", false)] {
        let mut talk = Talk::connecting(setup());
        talk.hears(talk.syn(flags));
        let expected = if agrees { "SAE" } else { "SA" };
        assert_eq!(marks(&mut talk), [(expected.to_owned(), 0)]);
        talk.hears(talk.syn("SA"));
        assert_eq!(talk.report().uses_ecn, agrees);
    }
}

#[test]
fn only_new_data_is_marked_as_capable() {
    // RFC 3168 6.1.4 (bare ACKs), 6.1.5 (what is sent again).
    let mut talk = capable();
    talk.write(100);
    assert_eq!(marks(&mut talk), [("PA".to_owned(), Codepoint::Ect0.bits())]);
    let again = talk.pass_time(taphouse::time::Duration::from_millis(210));
    assert_eq!((again.len(), again[0].1.ip.ecn), (1, 0));
    talk.hears(seg("PA", 1, 101).data(b"x"));
    let ack = talk.pass_time(taphouse::time::Duration::from_millis(50));
    assert_eq!((ack.len(), ack[0].1.ip.ecn), (1, 0));
    // Without ECN nothing is.
    let mut talk = Talk::accepted_with(setup());
    talk.write(100);
    assert_eq!(marks(&mut talk), [("PA".to_owned(), 0)]);
}

#[test]
pub(crate) fn a_mark_is_echoed_until_the_peer_has_reduced_its_window() {
    // RFC 3168 6.1.3: ECE in every ACK until CWR comes.
    let mut talk = capable();
    let mut seq = 1;
    let mut told = Vec::new();
    for (flags, codepoint) in
        [("A", Codepoint::Ect0), ("A", Codepoint::Ce), ("A", Codepoint::Ect0), ("AC", Codepoint::Ect0)]
    {
        talk.hears(seg(flags, seq, 1).len(2000).codepoint(codepoint));
        seq += 2000;
        told.extend(talk.pass(50).into_iter().map(|(_, line)| line.starts_with("AE")));
    }
    assert_eq!(told, [false, true, true, false]);
}

#[test]
pub(crate) fn an_echo_reduces_the_window_once_a_round_trip() {
    // RFC 3168 6.1.2: as a loss does; CWR goes with the next new data.
    let mut talk = capable();
    talk.write(400_000);
    assert_eq!(talk.take().len(), 10);
    for n in 1..=10 {
        talk.hears(seg("AE", 1, i64::from(1 + n * MSS)));
    }
    let report = talk.report();
    assert_eq!((report.tally.mechanisms.ecn_reductions, report.ssthresh), (1, 5 * MSS));
    assert_eq!(report.tally.segments_resent, 0, "nothing was lost");
    let said = marks(&mut talk);
    assert_eq!(said[0].0, "AC");
    assert!(said[1..].iter().all(|(flags, _)| !flags.contains('C')), "{said:?}");
    // In the next round trip an echo counts again.
    talk.hears(seg("AE", 1, i64::from(1 + 11 * MSS)));
    assert_eq!(talk.report().tally.mechanisms.ecn_reductions, 2);
}
