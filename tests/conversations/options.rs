//! What the SYNs agree on: segment size and window scale. RFC 9293 3.2, 3.7.1; RFC 7323 2.

use taphouse::tcp;

use crate::harness::{Setup, Talk, seg};

/// The lengths of the first two full segments.
fn segment_lengths(mut talk: Talk) -> Vec<usize> {
    talk.write(10_000);
    talk.take().iter().take(2).map(|said| said.payload.len()).collect()
}

#[test]
fn a_peer_that_says_no_segment_size_gets_536_bytes() {
    // RFC 9293 3.7.1, MUST-15.
    let setup = Setup { peer_mss: None, ..Setup::default() };
    assert_eq!(segment_lengths(Talk::accepted_with(setup)), [536, 536]);
    assert_eq!(segment_lengths(Talk::connected_with(setup)), [536, 536]);
}

#[test]
fn a_peer_that_says_its_segment_size_gets_that() {
    // RFC 9293 3.7.1, MUST-16: the smaller of the two.
    let setup = Setup { peer_mss: Some(1200), ..Setup::default() };
    assert_eq!(segment_lengths(Talk::accepted_with(setup)), [1200, 1200]);
    assert_eq!(segment_lengths(Talk::connected_with(setup)), [1200, 1200]);
}

#[test]
fn a_peer_that_wants_more_than_the_link_carries_gets_what_it_carries() {
    // RFC 9293 3.7.1, MUST-16: the MTU less 40 bytes of headers.
    let setup = Setup { peer_mss: Some(8960), ..Setup::default() };
    assert_eq!(segment_lengths(Talk::accepted_with(setup)), [1460, 1460]);
    let setup = Setup { peer_mss: Some(1460), mtu: 576, ..Setup::default() };
    assert_eq!(segment_lengths(Talk::accepted_with(setup)), [536, 536]);
}

#[test]
fn an_absurdly_small_segment_size_is_bounded() {
    // Not an RFC's: smaller segments are an attack on the host's processor.
    for mss in [0, 1, 63] {
        let setup = Setup { peer_mss: Some(mss), ..Setup::default() };
        assert_eq!(segment_lengths(Talk::accepted_with(setup)), [64, 64]);
    }
}

#[test]
fn the_hosts_segment_size_is_what_its_link_carries() {
    // RFC 9293 3.7.1, MUST-14, MUST-67: sent in every SYN, MTU less 40.
    for (mtu, line) in [(1500, "mss 1460"), (9000, "mss 8960"), (576, "mss 536")] {
        let mut talk = Talk::listening(Setup { mtu, ..Setup::default() });
        talk.hears(talk.syn("S"));
        talk.says(&[format!("SA 0+0 ack 1 win 65535 {line}")]);
    }
}

#[test]
fn an_option_in_a_later_segment_changes_nothing() {
    // RFC 9293 3.2, MUST-65: the MSS option is a SYN's.
    let mut talk = Talk::accepted();
    talk.hears(seg("A", 1, 1).mss(100).scale(7));
    assert_eq!(segment_lengths(talk), [1460, 1460]);
}

/// A host with room for 512 KiB, whose windows need a shift of 4.
fn roomy(peer_scale: Option<u8>) -> Setup {
    let tcp = tcp::Config { receive_buffer: 512 << 10, ..Setup::default().tcp };
    Setup { tcp, peer_scale, ..Setup::default() }
}

#[test]
fn windows_scale_when_both_say_so() {
    // RFC 7323 2.2, 2.3: unscaled in SYNs, scaled after them; the peer's by 2, the host's by 4.
    let mut talk = Talk::listening(Setup { peer_window: 1000, ..roomy(Some(2)) });
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65520 mss 1460 ws 4"]);
    talk.hears(seg("A", 1, 1).win(1000));
    assert_eq!(talk.events(), ["Accepted"]);
    talk.write(10_000);
    let said = talk.take();
    assert_eq!(said.iter().map(|s| s.payload.len()).sum::<usize>(), 2920);
    assert_eq!(said[0].line, "A 1+1460 ack 1 win 32768");
    talk.hears(seg("A", 1, 2921).win(1000));
    assert_eq!(talk.take().len(), 2, "two full segments of the 4000 bytes");
}

#[test]
fn windows_do_not_scale_when_the_peer_does_not_say_so() {
    // RFC 7323 2.2: both must.
    let mut talk = Talk::listening(roomy(None));
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65520 mss 1460"]);
    talk.hears(seg("A", 1, 1));
    assert_eq!(talk.events(), ["Accepted"]);
    talk.write(100);
    talk.says(&["PA 1+100 ack 1 win 65520"]);

    let mut talk = Talk::connecting(roomy(None));
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 65520"]);
}

#[test]
fn a_host_that_connects_offers_to_scale() {
    // RFC 7323 2.2: in its SYN; the window of the SYN-ACK is not scaled, those after it are.
    let mut talk = Talk::connecting(Setup { peer_window: 3000, ..roomy(Some(3)) });
    assert_eq!(talk.take().len(), 0);
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 32768"]);
    talk.write(20_000);
    assert_eq!(talk.take().len(), 2, "3000 bytes of the SYN-ACK, as they are");
    talk.hears(seg("A", 1, 1).win(3000));
    assert_eq!(talk.take().len(), 8, "24,000 bytes now, but ten segments in flight");
}

#[test]
fn a_shift_beyond_14_is_14() {
    // RFC 7323 2.3: "MUST use 14 instead". One unit of the window field is 16,384 bytes then.
    let mut talk = Talk::accepted_with(Setup { peer_window: 1, ..roomy(Some(200)) });
    talk.write(20_000);
    let lengths: Vec<_> = talk.take().iter().map(|s| s.payload.len()).collect();
    assert_eq!(lengths, vec![1460; 10], "14,600 bytes of the initial window");
    talk.hears(seg("A", 1, 14_601).win(0));
    talk.is_silent();
    talk.hears(seg("A", 1, 14_601).win(1));
    assert_eq!(talk.take().iter().map(|s| s.payload.len()).sum::<usize>(), 4380);
}

#[test]
fn crossed_syns_scale_when_both_say_so() {
    // RFC 7323 2.2; RFC 9293 3.5, figure 7.
    let mut talk = Talk::connecting(roomy(Some(2)));
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65520 mss 1460 ws 4"]);
    talk.hears(talk.syn("SA"));
    talk.write(10);
    talk.says(&["PA 1+10 ack 1 win 32768"]);

    let mut talk = Talk::connecting(roomy(None));
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65520 mss 1460"]);
}
