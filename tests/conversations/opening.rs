//! Opening: the handshake in its three shapes, and what may arrive in SYN-SENT. RFC 9293 3.5, 3.10.1, 3.10.7.3.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use taphouse::drops::Drop;
use taphouse::stack::ConnectError;
use taphouse::tcp::{self, State, WriteError};
use taphouse::wire::ipv4::protocol;

use crate::harness::{HOST, PEER, PEER_PORT, PORT, Setup, Talk, seg};

// --- passive -----------------------------------------------------------------------------------------------

#[test]
fn a_syn_to_a_listener_opens_a_connection_with_its_ack() {
    // RFC 9293 3.5, figure 6; 3.10.7.2.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    assert_eq!((talk.events(), talk.stack.population()), (vec![], (0, 1, 0)));
    talk.hears(seg("A", 1, 1));
    talk.is_silent();
    assert_eq!((talk.events(), talk.stack.population()), (vec!["Accepted".to_owned()], (1, 0, 0)));
    assert_eq!(talk.state(), State::Established);
    assert_eq!(talk.stream().remote(), SocketAddrV4::new(PEER, PEER_PORT));
}

#[test]
fn data_with_the_ack_of_the_handshake_is_delivered() {
    // RFC 9293 3.10.7.4, fifth: "enter ESTABLISHED state and continue processing".
    let mut talk = Talk::listening(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.hears(seg("PA", 1, 1).data(b"hello"));
    assert_eq!(talk.events(), ["Accepted", "Readable"]);
    assert_eq!(talk.read(), b"hello");
    talk.pass_says(41, &[(40, "A 1+0 ack 6 win 65530")]);
}

#[test]
fn a_fin_with_the_ack_of_the_handshake_half_closes() {
    // RFC 9293 3.10.7.4, eighth: SYN-RECEIVED and ESTABLISHED enter CLOSE-WAIT.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.hears(seg("FPA", 1, 1).data(b"bye"));
    talk.says(&["A 1+0 ack 5 win 65531"]);
    assert_eq!(talk.events(), ["Accepted", "Readable"]);
    assert_eq!((talk.read(), talk.state()), (b"bye".to_vec(), State::CloseWait));
}

#[test]
fn a_half_closed_handshake_without_reading_leaves_the_window_alone() {
    // RFC 9293 3.8.6, SHLD-14: unread bytes narrow the window, and the right edge stays where it was.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).data(b"abc"));
    talk.pass_says(41, &[(40, "A 1+0 ack 4 win 65532")]);
    talk.hears(seg("PA", 4, 1).data(b"de"));
    talk.pass_says(41, &[(40, "A 1+0 ack 6 win 65530")]);
}

#[test]
fn data_with_a_syn_is_left_to_come_again() {
    // RFC 9293 3.10.7.2 has it queued; a host may leave it unacknowledged instead (RFC 9293 3.4: an ACK says
    // what was taken), and the peer sends it again.
    let mut talk = Talk::listening(Setup::default());
    talk.hears(seg("S", 0, 0).mss(1460).data(b"early"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.hears(seg("PA", 1, 1).data(b"early"));
    assert_eq!(talk.events(), ["Accepted", "Readable"]);
    assert_eq!(talk.read(), b"early");
}

#[test]
fn a_syn_to_a_broadcast_address_is_not_answered() {
    // RFC 9293 3.9.2.3, MUST-57.
    let mut talk = Talk::listening(Setup::default());
    let mut syn = vec![0; 20];
    syn[12..14].copy_from_slice(&[0x50, 0x02]);
    talk.hears_ip(protocol::TCP, Ipv4Addr::new(192, 0, 2, 255), &syn);
    talk.is_silent();
    assert_eq!((talk.drops(Drop::TcpBroadcast), talk.stack.population()), (1, (0, 0, 0)));
}

// --- active ------------------------------------------------------------------------------------------------

#[test]
fn a_syn_that_is_answered_connects() {
    // RFC 9293 3.5, figure 6; 3.10.1; 3.10.7.3, fourth.
    let mut talk = Talk::idle(Setup::default());
    let remote = SocketAddrV4::new(PEER, PEER_PORT);
    talk.id = talk.stack.connect_from(PORT, remote, talk.setup.tcp).ok();
    talk.says(&["S 0+0 win 65535 mss 1460 ws 0"]);
    assert_eq!(talk.state(), State::SynSent);
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!((talk.events(), talk.state()), (vec!["Connected".to_owned()], State::Established));
}

#[test]
fn what_was_written_before_the_handshake_rides_on_its_ack() {
    // RFC 9293 3.10.2 (SEND in SYN-SENT: queue the data for transmission after entering ESTABLISHED), 3.10.7.3.
    let mut talk = Talk::connecting(Setup::default());
    talk.write(5);
    talk.is_silent();
    talk.hears(talk.syn("SA"));
    talk.says(&["PA 1+5 ack 1 win 65535"]);
}

#[test]
fn data_with_the_syn_ack_is_delivered() {
    // RFC 9293 3.10.7.3, fourth: "if there are other controls or text in the segment, continue processing".
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(talk.syn("SA").data(b"220 ready"));
    assert_eq!(talk.events(), ["Connected", "Readable"]);
    assert_eq!(talk.read(), b"220 ready");
    talk.says(&["A 1+0 ack 10 win 65526"]);
}

#[test]
fn what_is_written_while_the_syn_is_out_is_all_unsent() {
    // RFC 9293 3.3.1: the SYN takes a sequence number and is no byte of the application's.
    let mut talk = Talk::connecting(Setup::default());
    talk.write(5);
    assert_eq!((talk.stream().queued(), talk.stream().unsent()), (5, 5));
}

#[test]
fn nothing_queued_and_nothing_unsent_while_the_syn_is_out() {
    // RFC 9293 3.3.1.
    let mut talk = Talk::connecting(Setup::default());
    assert_eq!((talk.stream().queued(), talk.stream().unsent()), (0, 0));
}

#[test]
fn an_impossible_peer_is_refused_to_the_caller() {
    // RFC 9293 3.9.1.1, MUST-46: an OPEN to a broadcast or multicast address is an error.
    let mut talk = Talk::connecting(Setup::default());
    let mut connect = |ip, remote_port, port| {
        talk.stack.connect_from(port, SocketAddrV4::new(ip, remote_port), tcp::Config::default()).err()
    };
    assert_eq!(connect(Ipv4Addr::new(192, 0, 2, 255), 80, 1), Some(ConnectError::BadAddress));
    assert_eq!(connect(Ipv4Addr::BROADCAST, 80, 1), Some(ConnectError::BadAddress));
    assert_eq!(connect(Ipv4Addr::new(224, 0, 0, 1), 80, 1), Some(ConnectError::BadAddress));
    assert_eq!(connect(HOST, 80, 1), Some(ConnectError::BadAddress));
    assert_eq!(connect(PEER, 0, 1), Some(ConnectError::BadAddress));
    // RFC 9293 3.10.1: "error: connection already exists".
    assert_eq!(connect(PEER, PEER_PORT, PORT), Some(ConnectError::InUse));
    assert_eq!(connect(PEER, PEER_PORT, PORT + 1), None);
}

#[test]
fn a_reset_that_acknowledges_the_syn_refuses() {
    // RFC 9293 3.10.7.3, second.
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(seg("RA", 0, 1));
    talk.is_silent();
    assert_eq!((talk.events(), talk.state()), (vec!["Closed(Refused)".to_owned()], State::Closed));
    talk.passes_silently(5000);
}

#[test]
fn a_reset_without_an_ack_does_not_refuse() {
    // RFC 9293 3.10.7.3, second: "otherwise (no ACK), drop the segment".
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(seg("R", 0, 0));
    talk.is_silent();
    assert_eq!((talk.events(), talk.state()), (vec![], State::SynSent));
}

#[test]
fn a_wrong_ack_in_syn_sent_is_reset_and_the_attempt_goes_on() {
    // RFC 9293 3.10.7.3, first: SEG.ACK =< ISS or SEG.ACK > SND.NXT. This is how half-open peers are cleared
    // (3.5.1, figure 9).
    for ack in [0, -1, 2, 77] {
        let mut talk = Talk::connecting(Setup::default());
        talk.hears(seg("A", 300, ack));
        talk.says(&[format!("R {ack}+0 win 0")]);
        talk.hears(seg("SA", 0, ack));
        talk.says(&[format!("R {ack}+0 win 0")]);
        assert_eq!((talk.events(), talk.state()), (vec![], State::SynSent));
        talk.hears(talk.syn("SA"));
        talk.says(&["A 1+0 ack 1 win 65535"]);
    }
}

#[test]
fn a_reset_with_a_wrong_ack_in_syn_sent_is_ignored() {
    // RFC 9293 3.10.7.3, first: "unless the RST bit is set, if so drop the segment".
    for ack in [0, 2] {
        let mut talk = Talk::connecting(Setup::default());
        talk.hears(seg("RA", 0, ack));
        talk.is_silent();
        assert_eq!((talk.events(), talk.state()), (vec![], State::SynSent));
    }
}

#[test]
fn neither_syn_nor_reset_in_syn_sent_is_dropped() {
    // RFC 9293 3.10.7.3, fifth; 3.10.7.4, eighth: a FIN cannot be validated in SYN-SENT.
    let mut talk = Talk::connecting(Setup::default());
    for segment in [seg("A", 1, 1), seg("PA", 1, 1).data(b"x"), seg("FA", 1, 1), seg("F", 1, 0)] {
        talk.hears(segment);
        talk.is_silent();
    }
    assert_eq!((talk.events(), talk.state()), (vec![], State::SynSent));
    // RFC 3168 6.1.1.1: without the flags that may have kept it from getting through.
    talk.pass_says(1001, &[(1000, "S 0+0 win 65535 mss 1460 ws 0")]);
}

#[test]
fn shutdown_and_abort_in_syn_sent_say_nothing() {
    // RFC 9293 3.10.4 and 3.10.5: delete the TCB; there is nobody to be reset yet.
    let mut talk = Talk::connecting(Setup::default());
    talk.stream().shutdown();
    assert_eq!((talk.events(), talk.state()), (vec!["Closed(Aborted)".to_owned()], State::Closed));
    assert_eq!(talk.stream().write(Bytes::from("x")), Err(WriteError::Closed(tcp::Cause::Aborted)));
    talk.passes_silently(5000);
    let mut talk = Talk::connecting(Setup::default());
    talk.stream().abort();
    talk.passes_silently(5000);
    assert_eq!(talk.stack.population(), (0, 0, 0));
    talk.hears(talk.syn("SA"));
    talk.says(&["R 1+0 win 0"]);
}

// --- both at once ------------------------------------------------------------------------------------------

#[test]
fn syns_that_cross_open_one_connection() {
    // RFC 9293 3.5, figure 7, MUST-10: both say SYN, then SYN and ACK.
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    assert_eq!((talk.events(), talk.state()), (vec![], State::SynReceived));
    talk.hears(talk.syn("SA"));
    assert_eq!((talk.events(), talk.state()), (vec!["Connected".to_owned()], State::Established));
    talk.is_silent();
    talk.write(3);
    talk.says(&["PA 1+3 ack 1 win 65535"]);
}

#[test]
fn syns_that_cross_are_acknowledged_by_data_too() {
    // RFC 9293 3.5: any acceptable ACK of our SYN establishes.
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.hears(seg("PA", 1, 1).data(b"go"));
    assert_eq!(talk.events(), ["Connected", "Readable"]);
    assert_eq!(talk.read(), b"go");
}

#[test]
fn a_lost_syn_ack_of_crossing_syns_is_sent_again() {
    // RFC 9293 3.5, figure 7; RFC 6298 5.
    let mut talk = Talk::connecting(Setup::default());
    talk.passes_silently(400);
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.pass_says(
        2700,
        &[(600, "SA 0+0 ack 1 win 65535 mss 1460"), (2600, "SA 0+0 ack 1 win 65535 mss 1460")],
    );
}

#[test]
fn a_repeated_syn_after_crossing_syns_is_acknowledged() {
    // RFC 9293 3.10.7.4, first and fourth: not acceptable, so <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>.
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.hears(talk.syn("S"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
    assert_eq!(talk.state(), State::SynReceived);
}

#[test]
fn a_reset_after_crossing_syns_refuses() {
    // RFC 9293 3.10.7.4, second: SYN-RECEIVED that came from SYN-SENT: "connection refused".
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.hears(seg("RA", 1, 1));
    talk.is_silent();
    assert_eq!((talk.events(), talk.state()), (vec!["Closed(Refused)".to_owned()], State::Closed));
}

#[test]
fn a_wrong_ack_after_crossing_syns_is_reset() {
    // RFC 9293 3.10.7.4, fifth, SYN-RECEIVED: <SEQ=SEG.ACK><CTL=RST>.
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    for ack in [0, 2] {
        talk.hears(seg("A", 1, ack));
        talk.says(&[format!("R {ack}+0 win 0")]);
        assert_eq!(talk.state(), State::SynReceived);
    }
}

#[test]
fn a_close_after_crossing_syns_sends_its_fin_once_they_are_acknowledged() {
    // RFC 9293 3.10.4, SYN-RECEIVED: a FIN at once, or queued until ESTABLISHED; either way it stands after the
    // SYN, and the SYN-ACK is not forgotten for it.
    let mut talk = Talk::connecting(Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    talk.stream().shutdown();
    let early: Vec<_> = talk.take().into_iter().map(|s| s.line).collect();
    talk.hears(seg("A", 1, 1));
    let late = talk.take().into_iter().map(|s| s.line);
    let all: Vec<_> = early.into_iter().chain(late).collect();
    assert_eq!(all, ["FA 1+0 ack 1 win 65535"]);
    assert_eq!(talk.state(), State::FinWait1);
    talk.hears(seg("A", 1, 2));
    assert_eq!(talk.state(), State::FinWait2);
}
