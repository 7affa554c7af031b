//! Requirements of RFC 9293 and its neighbours that no other conversation is about.

use taphouse::stack::ListenConfig;
use taphouse::tcp::ecn::Mode;
use taphouse::tcp::{self, Algorithm};
use taphouse::time::Duration;

use crate::harness::{HOST, MSS, PEER_PORT, PORT, Setup, Talk, full_segments, seg};

#[test]
fn a_window_of_a_gigabyte_is_believed() {
    // RFC 9293 3.1, MUST-1, REC-1: unsigned, and 32 bits. 65,535 would be negative in 16 bits.
    let mut talk = Talk::accepted_with(Setup { peer_scale: Some(14), ..Setup::default() });
    talk.write(20_000);
    assert_eq!(talk.take().len(), 10);
    talk.hears(seg("A", 1, 1 + MSS as i64));
    assert_eq!(talk.report().snd_wnd, 65_535 << 14);
}

#[test]
fn what_lies_beyond_a_window_that_shrank_is_sent_again_too() {
    // RFC 9293 3.8.6, SHLD-16, MAY-7, RFC 7323 2.4: whatever the window says, unless it is closed.
    let mut talk = Talk::accepted();
    talk.write(10 * MSS as usize);
    assert_eq!(talk.take().len(), 10);
    talk.hears(seg("A", 1, 1).win(MSS as u16));
    assert_eq!(talk.pass(201).len(), 1, "inside it");
    talk.hears(seg("A", 1, 1 + i64::from(MSS)).win(0));
    talk.is_silent();
    talk.hears(seg("A", 1, 1 + i64::from(MSS)).win(1));
    let said = talk.pass(2000);
    assert!(said.iter().any(|(_, line)| *line == full_segments(1 + MSS, 1)[0]), "{said:?}");
}

#[test]
fn the_segment_size_is_told_in_syns_alone() {
    // RFC 9293 3.7.1, MUST-65; RFC 7323 2.2: the scale likewise.
    let mut talk = Talk::connecting(Setup { peer_scale: Some(2), ..Setup::default() });
    let syn = talk.pass_time(Duration::from_millis(1001));
    assert!(syn[0].1.options.mss.is_some() && syn[0].1.options.window_scale.is_some());
    talk.hears(talk.syn("SA"));
    talk.write(5000);
    talk.stream().shutdown();
    let said = talk.take();
    assert!(said.len() >= 4);
    assert!(said.iter().all(|s| s.options.mss.is_none() && s.options.window_scale.is_none()));
}

#[test]
fn a_port_listens_while_connections_of_it_begin() {
    // RFC 9293 3.9.1.1, MUST-42: while one of the same local port is in SYN-SENT, or SYN-RECEIVED.
    let mut talk = Talk::connecting(Setup::default());
    talk.stack.listen(PORT, ListenConfig { tcp: talk.setup.tcp, backlog: 4, ..ListenConfig::default() });
    for n in 1..=2 {
        talk.hears_from(PEER_PORT + n, seg("S", 0, 0).mss(1460));
        let said = talk.take();
        assert_eq!((said.len(), said[0].header.dst_port), (1, PEER_PORT + n));
        assert!(said[0].line.starts_with("SA"));
    }
    assert_eq!(talk.stack.population(), (1, 2, 0));
}

#[test]
fn a_connection_that_stands_or_begins_is_not_touched_by_listening_again() {
    // RFC 9293 3.9.1.1, MUST-41.
    for is_half_open in [false, true] {
        let mut talk = if is_half_open { Talk::listening(Setup::default()) } else { Talk::accepted() };
        if is_half_open {
            talk.hears(seg("S", 0, 0).mss(1460));
            talk.take();
        }
        let smaller = tcp::Config { receive_buffer: 1000, ..talk.setup.tcp };
        talk.stack.listen(PORT, ListenConfig { tcp: smaller, backlog: 1, ..ListenConfig::default() });
        if is_half_open {
            talk.pass_says(1001, &[(1000, "SA 0+0 ack 1 win 65535 mss 1460")]);
            talk.hears(seg("A", 1, 1));
            assert_eq!(talk.events(), ["Accepted"]);
        }
        talk.write(10);
        talk.says(&["PA 1+10 ack 1 win 65535"]);
    }
}

#[test]
fn all_segments_of_a_connection_look_alike_to_routers() {
    // RFC 9293 3.9.1.1, MUST-45: the address stays; 3.8.1, MAY-4: so does the identification, which is 0 beside DF (RFC
    // 6864 4.1); RFC 1122 3.2.1.7: the TTL is not zero. RFC 9293 3.9.1.9: without a DSCP.
    let tcp = tcp::Config { ecn: Mode::Off, ..Setup::default().tcp };
    let mut talk = Talk::listening(Setup { tcp, ..Setup::default() });
    talk.hears(talk.syn("S"));
    let mut said = talk.take();
    talk.hears(seg("A", 1, 1));
    talk.events();
    talk.write(3000);
    said.extend(talk.take());
    said.extend(talk.pass_time(Duration::from_millis(300)).into_iter().map(|(_, s)| s));
    talk.stream().shutdown();
    talk.hears(seg("A", 1, 3001));
    said.extend(talk.take());
    assert!(said.len() >= 5, "{said:?}");
    for s in said {
        let ip = s.ip;
        assert_eq!((ip.src, ip.id, ip.dont_fragment, ip.ttl, ip.dscp), (HOST, 0, true, 64, 0), "{}", s.line);
    }
}

#[test]
fn a_reset_may_carry_words() {
    // RFC 9293 3.5.3, SHLD-2; with a closed window too (3.10.7.4, MUST-66).
    let mut talk = Talk::accepted();
    talk.hears(seg("R", 1, 0).data(b"out of memory"));
    assert_eq!(talk.events(), ["Closed(Reset)"]);

    let mut talk = Talk::accepted();
    let mut seq = 1;
    while seq < 65_536 {
        let len = (65_536 - seq).min(1460);
        talk.hears(seg("A", seq, 1).len(len as usize));
        talk.take();
        seq += len;
    }
    talk.events();
    talk.hears(seg("R", seq, 0).data(b"enough"));
    assert_eq!(talk.events(), ["Closed(Reset)"]);
}

#[test]
fn what_limited_transmit_let_out_does_not_raise_the_threshold() {
    // RFC 5681 3.2 (2): FlightSize is what is in flight, less what limited transmit let out.
    let tcp = tcp::Config { congestion: Algorithm::Reno, ..Setup::default().tcp };
    let mut talk = Talk::accepted_with(Setup { tcp, ..Setup::default() });
    talk.write(400_000);
    assert_eq!(talk.take().len(), 10);
    for _ in 0..3 {
        talk.hears(seg("A", 1, 1));
        talk.take();
    }
    assert_eq!(talk.report().ssthresh, 5 * MSS, "twelve are in flight");
}

#[test]
fn a_syn_ack_that_comes_again_is_acknowledged_again() {
    // RFC 9293 3.10.7.4, RFC 5961 4.2: our ACK of the handshake was lost; the answer completes it.
    let mut talk = Talk::connected_with(Setup::default());
    talk.hears(talk.syn("SA"));
    talk.says(&["A 1+0 ack 1 win 65535"]);
}
