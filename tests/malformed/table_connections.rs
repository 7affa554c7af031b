//! The table for TCP in its states: half open, SYN-SENT, established, closing, TIME-WAIT.

use taphouse::drops::Drop;
use taphouse::time::Duration;
use taphouse::wire::tcp::Flags;

use super::case::{Case, Shot, answered, case, silent};
use super::harness::{Conn, World};

const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
const FIN: Flags = Flags::FIN;
const RST: Flags = Flags::RST;

pub(crate) const HALF_OPEN: &[Case] = &[
    case("half_open_ack_of_nothing", Drop::TcpHandshakeBadAck, |w| {
        let conn = w.half_open();
        answered(conn.segment_at(ACK, 0, -1, b""), [conn.answer_at(RST, conn.ack.wrapping_sub(1), 0)])
    }),
    case("half_open_ack_of_unsent", Drop::TcpHandshakeBadAck, |w| {
        let conn = w.half_open();
        answered(conn.segment_at(ACK, 0, 1000, b"GET"), [conn.answer_at(RST, conn.ack.wrapping_add(1000), 0)])
    }),
    case("half_open_fin_without_ack", Drop::TcpNoAck, |w| silent(w.half_open().segment(FIN, b""))),
    // RFC 5961 3.2: in the window, but not at its edge.
    case("half_open_rst_next_to_the_edge", Drop::TcpResetChallenged, |w| {
        let conn = w.half_open();
        acked(&conn, conn.segment_at(RST, 1, 0, b""))
    }),
    case("half_open_rst_out_of_window", Drop::TcpResetOutOfWindow, |w| {
        silent(w.half_open().segment_at(RST, -5000, 0, b""))
    }),
    // RFC 9293 3.10.7.4, first: the right ACK does not make up for a wrong sequence number.
    case("half_open_ack_out_of_window", Drop::TcpOutOfWindow, |w| {
        let conn = w.half_open();
        acked(&conn, conn.segment_at(ACK, -5000, 0, b""))
    }),
    case("half_open_data_beyond_the_window", Drop::TcpOutOfWindow, |w| {
        let conn = w.half_open();
        acked(&conn, conn.segment_at(ACK, 1 << 20, 0, b"GET"))
    }),
    case("half_open_syn_ack_elsewhere", Drop::TcpSynChallenged, |w| {
        let conn = w.half_open();
        acked(&conn, conn.segment_at(SYN | ACK, 7, 0, b""))
    }),
];

pub(crate) const SYN_SENT: &[Case] = &[
    case("syn_sent_syn_ack_of_nothing", Drop::TcpHandshakeBadAck, |w| {
        let conn = w.dial();
        answered(conn.segment_at(SYN | ACK, 0, -1, b""), [conn.answer_at(RST, conn.ack.wrapping_sub(1), 0)])
    }),
    case("syn_sent_ack_of_unsent", Drop::TcpHandshakeBadAck, |w| {
        let conn = w.dial();
        answered(conn.segment_at(ACK, 0, 1, b""), [conn.answer_at(RST, conn.ack.wrapping_add(1), 0)])
    }),
    case("syn_sent_rst_with_wrong_ack", Drop::TcpHandshakeBadAck, |w| {
        silent(w.dial().segment_at(RST | ACK, 0, 1, b""))
    }),
    case("syn_sent_rst_without_ack", Drop::TcpResetOutOfWindow, |w| silent(w.dial().segment(RST, b""))),
    case("syn_sent_ack_without_syn", Drop::TcpBadFlags, |w| silent(w.dial().segment(ACK, b"data"))),
    case("syn_sent_fin_alone", Drop::TcpBadFlags, |w| silent(w.dial().segment(FIN, b""))),
];

pub(crate) const ESTABLISHED: &[Case] = &[
    case("established_data_once_more", Drop::TcpOutOfWindow, |w| {
        let mut conn = w.open();
        w.assert_works(&mut conn);
        acked(&conn, conn.segment_at(ACK, -10, 0, b"a question"))
    }),
    case("established_data_beyond_the_window", Drop::TcpOutOfWindow, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(ACK, 1 << 21, 0, b"far away"))
    }),
    case("established_keep_alive", Drop::TcpOutOfWindow, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(ACK, -1, 0, b""))
    }),
    case("established_empty_far_behind", Drop::TcpOutOfWindow, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(ACK, -(1 << 30), 0, b""))
    }),
    case("established_fin_far_ahead", Drop::TcpOutOfWindow, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(FIN | ACK, 1 << 30, 0, b""))
    }),
    case("established_data_after_fin", Drop::TcpOutOfWindow, |w| {
        let mut conn = w.open();
        w.give(&conn.segment(FIN | ACK, b""));
        conn.seq += 1;
        acked(&conn, conn.segment(ACK, b"one thing more"))
    }),
    case("established_rst_behind", Drop::TcpResetOutOfWindow, |w| {
        silent(w.open().segment_at(RST, -1, 0, b""))
    }),
    case("established_rst_beyond", Drop::TcpResetOutOfWindow, |w| {
        silent(w.open().segment_at(RST | ACK, 1 << 21, 0, b""))
    }),
    case("established_rst_inside", Drop::TcpResetChallenged, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(RST, 1, 0, b""))
    }),
    case("established_rst_ack_inside", Drop::TcpResetChallenged, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(RST | ACK, 1000, 0, b""))
    }),
    case("established_syn_at_the_edge", Drop::TcpSynChallenged, |w| {
        let conn = w.open();
        acked(&conn, conn.segment(SYN, b""))
    }),
    case("established_syn_anywhere", Drop::TcpSynChallenged, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(SYN, -(1 << 30), 0, b""))
    }),
    case("established_syn_ack_inside", Drop::TcpSynChallenged, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(SYN | ACK, 5, 0, b""))
    }),
    case("established_fin_without_ack", Drop::TcpNoAck, |w| silent(w.open().segment(FIN, b"data"))),
    case("established_null", Drop::TcpBadFlags, |w| silent(w.open().segment(Flags::PSH, b"data"))),
    case("established_syn_fin", Drop::TcpBadFlags, |w| silent(w.open().segment(SYN | FIN | ACK, b""))),
    case("established_ack_of_unsent", Drop::TcpAckUnsent, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(ACK, 0, 1, b"data"))
    }),
    case("established_ack_half_the_circle_ahead", Drop::TcpAckUnsent, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(ACK, 0, 0x7fff_ffff, b""))
    }),
    // RFC 5961 5.2: blind data injection needs an ACK near what was sent.
    case("established_ack_too_old", Drop::TcpAckTooOld, |w| {
        let conn = w.open();
        acked(&conn, conn.segment_at(ACK, 0, -70_000, b"injected"))
    }),
];

pub(crate) const CLOSING: &[Case] = &[
    case("released_then_data", Drop::TcpDataAfterClose, |w| {
        let mut conn = released(w);
        conn.ack += 1;
        answered(conn.segment(ACK, b"too late"), [conn.answer(RST)])
    }),
    case("released_then_data_without_ack_of_fin", Drop::TcpDataAfterClose, |w| {
        let conn = released(w);
        answered(conn.segment(ACK, b"too late"), [conn.answer_at(RST, conn.ack, 0)])
    }),
    case("time_wait_old_data", Drop::TcpTimeWait, |w| {
        let conn = w.time_wait();
        acked(&conn, conn.segment_at(ACK, -8, 0, b"old data"))
    }),
    case("time_wait_fin_once_more", Drop::TcpTimeWait, |w| {
        let conn = w.time_wait();
        acked(&conn, conn.segment_at(FIN | ACK, -1, 0, b""))
    }),
    // RFC 1337: the wait goes on.
    case("time_wait_rst", Drop::TcpTimeWait, |w| silent(w.time_wait().segment(RST, b""))),
    case("time_wait_old_syn", Drop::TcpTimeWait, |w| {
        let conn = w.time_wait();
        acked(&conn, conn.segment_at(SYN, -1000, 0, b""))
    }),
    case("closed_long_ago", Drop::TcpAckUnmatched, |w| {
        let conn = w.time_wait();
        w.pass(Duration::from_secs(61));
        w.introduce();
        answered(conn.segment(ACK, b""), [conn.answer_at(RST, conn.ack, 0)])
    }),
    case("reset_by_the_peer", Drop::TcpAckUnmatched, |w| {
        let conn = w.open();
        assert_eq!(w.give(&conn.segment(RST, b"")), []);
        w.stack.stream(conn.id.expect("open")).release();
        assert_eq!(w.drain(), []);
        answered(conn.segment(ACK, b"data"), [conn.answer_at(RST, conn.ack, 0)])
    }),
    // What a connection that we aborted leaves behind is nothing.
    case("aborted_by_us", Drop::TcpAckUnmatched, |w| {
        let conn = w.open();
        w.stack.stream(conn.id.expect("open")).abort();
        assert_eq!(w.drain(), [conn.answer(RST | ACK)]);
        answered(conn.segment(ACK, b"data"), [conn.answer_at(RST, conn.ack, 0)])
    }),
];

/// An ACK comes with the numbers as they should be.
fn acked(conn: &Conn, frame: Vec<u8>) -> Shot {
    answered(frame, [conn.answer(ACK)])
}

/// A connection whose user is gone; our FIN is sent.
fn released(world: &mut World) -> Conn {
    let conn = world.open();
    world.stack.stream(conn.id.expect("open")).release();
    assert_eq!(world.drain(), [conn.answer(FIN | ACK)]);
    conn
}
