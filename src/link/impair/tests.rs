use super::*;
use crate::link::memory::{self, Memory};
use crate::link::{Medium, Properties};

const WIRE: Properties = Properties { medium: Medium::Ip, mtu: 1500 };

fn link(spec: &str, seed: u64) -> (Impair<Memory>, Memory) {
    let (near, far) = memory::pair(WIRE);
    let both: spec::Both = spec.parse().unwrap();
    (Impair::new(near, both.incoming, both.outgoing, &Seed::from_u64(seed)), far)
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn frame(n: u32) -> Frame {
    let mut frame = Frame::default();
    frame.push_payload(n.to_be_bytes().repeat(25).into());
    frame
}

/// Sends `n` numbered frames, one a millisecond, and gives what came out at the far end, in order.
fn through(spec: &str, n: u32) -> (Vec<Vec<u8>>, Tally) {
    let (mut near, mut far) = link(spec, 1);
    let mut out = Vec::new();
    for i in 0..n {
        assert!(matches!(near.send(at(u64::from(i)), &frame(i)), Sent::Done));
        out.extend(std::iter::from_fn(|| far.take()));
    }
    near.recv(at(1_000_000), &mut [0; 10]);
    out.extend(std::iter::from_fn(|| far.take()));
    (out, near.tallies().1)
}

#[test]
fn nothing_set_changes_nothing() {
    let (out, _) = through("", 100);
    assert_eq!(out, (0..100).map(|i| frame(i).to_vec()).collect::<Vec<_>>());
}

#[test]
fn loss_is_near_its_share_alone_and_in_bursts() {
    for spec in ["loss=10%", "loss=10%,burst=4"] {
        let (out, tally) = through(spec, 10_000);
        assert_eq!(out.len() as u64 + tally.lost, 10_000);
        assert!((700..1_300).contains(&tally.lost), "{spec}: {}", tally.lost);
    }
    assert!(through("loss=100%", 50).0.is_empty());
    assert!(through("loss=100%,burst=2", 50).0.is_empty());
}

#[test]
fn bursts_are_as_long_as_asked() {
    let (out, tally) = through("loss=10%,burst=5", 20_000);
    let numbers: Vec<u32> = out.iter().map(|f| u32::from_be_bytes(f[..4].try_into().unwrap())).collect();
    let runs = numbers.windows(2).filter(|w| w[1] != w[0] + 1).count() as f64;
    let mean = tally.lost as f64 / runs;
    assert!((4.0..6.0).contains(&mean), "{mean}");
}

#[test]
fn jitter_keeps_the_order_and_reorder_does_not() {
    let sorted = |frames: &[Vec<u8>]| frames.is_sorted();
    let (out, _) = through("delay=5ms,jitter=20ms", 1000);
    assert!(out.len() == 1000 && sorted(&out));
    let (out, tally) = through("delay=5ms,reorder=10%/5ms", 1000);
    assert!(out.len() == 1000 && !sorted(&out) && (50..200).contains(&tally.reordered));
}

#[test]
fn damage_is_counted_and_small() {
    let (out, tally) = through("corrupt=100%", 20);
    for (i, damaged) in out.iter().enumerate() {
        let whole = frame(i as u32).to_vec();
        let bits: u32 = damaged.iter().zip(&whole).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(bits, 1);
    }
    assert_eq!(tally.corrupted, 20);
    assert!(through("truncate=100%", 20).0.iter().all(|f| f.len() < 100));
    assert_eq!(through("duplicate=100%", 20).0.len(), 40);
}

#[test]
fn a_rate_limit_spaces_frames_and_its_queue_is_bounded() {
    // 100 bytes at 8 kbit/s take 100 ms; the queue holds five.
    let (mut near, mut far) = link("rate=8kbit,queue=500b", 1);
    (0..10).for_each(|i| assert!(matches!(near.send(at(0), &frame(i)), Sent::Done)));
    assert_eq!(near.tallies().1.queue_full, 5);
    for turn in 1..=5 {
        assert_eq!(near.poll_timeout(), Some(at(turn * 100)));
        near.recv(at(turn * 100), &mut [0; 10]);
        assert!(far.take().is_some() && far.take().is_none());
    }
    assert_eq!(near.poll_timeout(), None);
}

#[test]
fn incoming_frames_wait_their_time() {
    let (mut near, mut far) = link("in.delay=20ms", 1);
    far.inject(vec![1, 2, 3]);
    let mut buffer = [0; 10];
    assert!(matches!(near.recv(at(0), &mut buffer), Received::Nothing));
    assert_eq!(near.poll_timeout(), Some(at(20)));
    assert!(matches!(near.recv(at(20), &mut buffer), Received::Frame(3)));
}

/// A packet of 100 bytes with this ECN codepoint, as a frame of `Medium::Ip`.
fn packet(ecn: u8) -> Vec<u8> {
    let mut bytes = vec![0; 100];
    let (src, dst) = (std::net::Ipv4Addr::new(192, 0, 2, 1), std::net::Ipv4Addr::new(192, 0, 2, 2));
    let header = crate::wire::ipv4::Header { ecn, ..crate::wire::ipv4::Header::new(6, src, dst) };
    header.emit(80, bytes.first_chunk_mut().unwrap());
    bytes
}

fn carry(bytes: Vec<u8>) -> Frame {
    let mut frame = Frame::default();
    frame.push_payload(bytes.into());
    frame
}

/// What comes out of a frame with each of the four codepoints, as often as said, and how many were marked.
fn marked(spec: &str, times: usize) -> (Vec<u8>, Tally) {
    let (mut near, mut far) = link(spec, 1);
    for ecn in (0..4).cycle().take(4 * times) {
        assert!(matches!(near.send(at(0), &carry(packet(ecn))), Sent::Done));
    }
    near.recv(at(1_000_000), &mut [0; 10]);
    let out = std::iter::from_fn(|| far.take()).map(|frame| {
        assert_eq!(crate::wire::checksum::checksum(&frame[..20]), 0);
        frame[1]
    });
    (out.collect(), near.tallies().1)
}

#[test]
fn only_ecn_capable_packets_are_marked() {
    let (out, tally) = marked("mark=100%", 2);
    assert_eq!((out, tally.marked, tally.lost), (vec![0, 3, 3, 3, 0, 3, 3, 3], 4, 0));
    let (out, tally) = marked("mark=10%", 1_000);
    let ce = out.iter().filter(|&&ecn| ecn == 3).count() as u64;
    assert!(out.len() == 4_000 && (140..260).contains(&tally.marked) && ce == 1_000 + tally.marked);
}

#[test]
fn a_packet_that_comes_twice_is_marked_in_both_and_counted_once() {
    let (out, tally) = marked("mark=100%,duplicate=100%", 1);
    assert_eq!((out, tally.marked), (vec![0, 0, 3, 3, 3, 3, 3, 3], 2));
}

#[test]
fn a_queue_marks_what_finds_it_too_long() {
    // 100 bytes at 8 kbit/s take 100 ms. The sixth finds 500 bytes waiting, the seventh 600.
    let (mut near, mut far) = link("rate=8kbit,queue=1kb,mark=500b", 1);
    let send = |near: &mut Impair<Memory>, ms, ecn| {
        assert!(matches!(near.send(at(ms), &carry(packet(ecn))), Sent::Done));
    };
    (0..8).for_each(|_| send(&mut near, 0, 2));
    send(&mut near, 0, 0);
    // Four of nine are gone by then: 500 bytes wait.
    send(&mut near, 400, 1);
    near.recv(at(10_000), &mut [0; 10]);
    let out: Vec<u8> = std::iter::from_fn(|| far.take()).map(|frame| frame[1]).collect();
    assert_eq!(out, [2, 2, 2, 2, 2, 2, 3, 3, 0, 1]);
    assert_eq!((near.tallies().1.marked, near.tallies().1.queue_full), (2, 0));
}
