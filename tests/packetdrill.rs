//! The plug-in for packetdrill, driven as packetdrill drives it: the library is loaded, its table is filled, and all
//! that the peer says goes in as packets, while the sockets are asked through the table.
//!
//! The library is built by the test itself, with the profile of the test: `cargo test` has then built it already.

#![allow(unsafe_code, reason = "the table is C's")]

#[path = "packetdrill/peer.rs"]
mod peer;
#[path = "packetdrill/table.rs"]
mod table;

use libc::{EAGAIN, EALREADY, ECONNREFUSED, ECONNRESET, EFAULT, EINPROGRESS, EISCONN, ENOTCONN, EPIPE};
use peer::{PORT, Peer, seg};
use table::Table;
use taphouse::wire::seq::SeqNum;

/// A connection that the peer opened: its descriptor.
fn accepted(table: &Table, peer: &mut Peer) -> i32 {
    let listener = table.socket(0);
    assert_eq!(table.bind(listener, PORT), Ok(0));
    assert_eq!(table.listen(listener, 5), Ok(0));
    table.give(&peer.packet(seg("S", 0, 0).mss(1000)));
    let (syn_ack, _) = table.take().expect("a SYN is answered");
    let segment = peer.read(&syn_ack);
    assert_eq!((segment.flags.as_str(), segment.ack), ("SA", 1));
    assert_eq!(segment.mss, Some(1460));
    table.give(&peer.packet(seg("A", 1, 1)));
    let (fd, from) = table.accept(listener).expect("the handshake is over");
    assert_eq!(from, peer.address(), "accept says who it is");
    assert_eq!(table.close(listener), Ok(0));
    fd
}

#[test]
fn handshake_data_and_close_go_through_the_table() {
    let table = Table::load("local=192.168.0.1");
    let mut peer = Peer::default();
    let fd = accepted(&table, &mut peer);

    // In.
    table.give(&peer.packet(seg("PA", 1, 1).data(b"hello")));
    table.sleep(100_000);
    let (ack, _) = table.take().expect("data is acknowledged");
    assert_eq!((peer.read(&ack).flags.as_str(), peer.read(&ack).ack), ("A", 6));
    assert_eq!(table.queued(fd), 5);
    assert_eq!(table.read(fd, 3).as_deref(), Ok(&b"hel"[..]));
    assert_eq!(table.queued(fd), 2);
    assert_eq!(table.read(fd, 100).as_deref(), Ok(&b"lo"[..]));

    // Out, in segments of the peer's size.
    let sent: Vec<u8> = (0..2500).map(|n| n as u8).collect();
    assert_eq!(table.write(fd, &sent), Ok(2500));
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let (packet, _) = table.take().expect("all is sent");
        let segment = peer.read(&packet);
        assert_eq!((segment.seq, segment.ack), (1 + received.len() as u32, 6));
        assert!((1..=1000).contains(&segment.payload.len()));
        received.extend(segment.payload);
        // The last one is small, and waits for the ACKs of those before it.
        table.give(&peer.packet(seg("A", 6, 1 + received.len() as u32)));
    }
    assert_eq!(received, sent);

    // Ours closes first.
    assert_eq!(table.close(fd), Ok(0));
    let (fin, _) = table.take().expect("a close is told");
    assert_eq!((peer.read(&fin).flags.as_str(), peer.read(&fin).seq), ("FA", 2501));
    table.give(&peer.packet(seg("A", 6, 2502)));
    table.give(&peer.packet(seg("FA", 6, 2502)));
    let (last, _) = table.take().expect("a FIN is acknowledged");
    assert_eq!((peer.read(&last).flags.as_str(), peer.read(&last).ack), ("A", 7));
    assert_eq!(table.take(), None, "and that is all");
}

#[test]
fn time_is_virtual_and_timers_fire_on_its_way() {
    let table = Table::load("local=192.168.0.1");
    let mut peer = Peer::default();
    let fd = accepted(&table, &mut peer);
    let before = table.time();
    assert_eq!(table.write(fd, b"x"), Ok(1));
    let (first, sent) = table.take().expect("sent at once");
    assert!(sent.abs_diff(before) < 10, "{sent} {before}");
    // Nobody acknowledges it. An hour passes in no time, and what was sent again left at its own time.
    table.sleep(3_600_000_000);
    assert!(table.time() - before >= 3_600_000_000);
    let (again, resent) = table.take().expect("sent again");
    assert_eq!(peer.read(&again).payload, peer.read(&first).payload);
    assert!((200_000..2_000_000).contains(&(resent - sent)), "{}", resent - sent);
}

#[test]
fn a_call_that_waits_is_woken_at_the_time_of_what_it_waited_for() {
    let table = Table::load("local=192.168.0.1");
    let mut peer = Peer::default();
    let fd = accepted(&table, &mut peer);
    let began = table.time();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let table = &table;
        let reader = scope.spawn(move || {
            // SAFETY: asks for the thread's own number.
            tell.send(unsafe { libc::gettid() }).expect("it is waited for");
            (table.read(fd, 10), table.time())
        });
        table.await_sleeper(told.recv().expect("the thread begins"));
        table.sleep(50_000);
        table.give(&peer.packet(seg("PA", 1, 1).data(b"late")));
        // The script goes on, and must not take the reader's time along.
        table.sleep(10_000_000);
        let (read, at) = reader.join().expect("the reader has not panicked");
        assert_eq!(read.as_deref(), Ok(&b"late"[..]));
        assert!((50_000..60_000).contains(&(at - began)), "{}", at - began);
    });
}

#[test]
fn connecting_without_waiting_tells_how_it_goes() {
    let table = Table::load("local=192.168.0.1");
    let mut peer = Peer::default();
    let fd = table.socket(libc::SOCK_NONBLOCK);
    assert_eq!(table.flags(fd), libc::O_RDWR | libc::O_NONBLOCK);
    assert_eq!(table.read(fd, 1), Err(ENOTCONN));
    assert_eq!(table.connect(fd, peer.address()), Err(EINPROGRESS));
    let (syn, _) = table.take().expect("a SYN");
    assert_eq!(peer.read(&syn).flags, "S");
    assert_eq!(table.connect(fd, peer.address()), Err(EALREADY));
    assert_eq!(table.poll(fd, libc::POLLOUT), 0);
    table.give(&peer.packet(seg("SA", 0, 1).mss(1460)));
    assert_eq!(table.poll(fd, libc::POLLOUT), libc::POLLOUT);
    assert_eq!(table.error(fd), 0);
    assert_eq!(table.connect(fd, peer.address()), Ok(0));
    assert_eq!(table.connect(fd, peer.address()), Err(EISCONN));
    let (ack, _) = table.take().expect("the third segment");
    assert_eq!(peer.read(&ack).flags, "A");

    // The peer breaks it off: the reader hears of it once, then it is over.
    assert_eq!(table.read(fd, 1), Err(EAGAIN));
    table.give(&peer.packet(seg("RA", 1, 1)));
    assert_eq!(table.read(fd, 1), Err(ECONNRESET));
    assert_eq!(table.read(fd, 1).as_deref(), Ok(&b""[..]));
    assert_eq!(table.write(fd, b"x"), Err(EPIPE));

    // And a port where nobody listens.
    let other = table.socket(libc::SOCK_NONBLOCK);
    let mut closed = Peer::default();
    assert_eq!(table.connect(other, closed.address()), Err(EINPROGRESS));
    let (syn, _) = table.take().expect("a SYN");
    closed.read(&syn);
    table.give(&closed.packet(seg("RA", 0, 1)));
    assert_eq!(table.error(other), ECONNREFUSED);
    assert_eq!(table.error(other), 0, "told once");
}

#[test]
fn lingering_for_no_time_resets() {
    let table = Table::load("local=192.168.0.1");
    let mut peer = Peer::default();
    let fd = accepted(&table, &mut peer);
    table.set_linger(fd, 0);
    assert_eq!(table.close(fd), Ok(0));
    let (reset, _) = table.take().expect("a RST");
    assert_eq!((peer.read(&reset).flags.as_str(), peer.read(&reset).seq), ("RA", 1));
}

#[test]
fn a_pointer_to_nowhere_costs_no_data() {
    let table = Table::load("local=192.168.0.1");
    let mut peer = Peer::default();
    let fd = accepted(&table, &mut peer);
    assert_eq!(table.write_from_nowhere(fd, 10), Err(EFAULT));
    table.give(&peer.packet(seg("PA", 1, 1).data(b"kept")));
    assert_eq!(table.read_to_nowhere(fd, 10), Err(EFAULT));
    assert_eq!(table.read(fd, 10).as_deref(), Ok(&b"kept"[..]));
}

#[test]
fn a_table_may_be_filled_again_in_the_same_process() {
    for iss in [1, 2] {
        let table = Table::load("local=192.168.0.1");
        let mut peer = Peer::new(SeqNum(iss));
        accepted(&table, &mut peer);
    }
}
