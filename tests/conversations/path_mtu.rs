//! Probes of the path: RFC 4821 7. The sizes themselves are in `tcp/path_mtu.rs`, the way down in `tests/scripts/pmtud`.

use taphouse::tcp;
use taphouse::wire::icmpv4::{Message, Unreachable};

use crate::harness::{Setup, Talk, seg};

/// A connection whose path takes `mtu` bytes, as a router has said ten minutes ago; a probe is due. Both sides are at 1.
fn lowered(mtu: u16) -> Talk {
    let tcp = tcp::Config { pacing: false, ..Setup::default().tcp };
    let mut talk = Talk::accepted_after(50, Setup { tcp, peer_sack: true, ..Setup::default() });
    talk.write(1460);
    talk.take();
    talk.hears_icmp_about(Message::Unreachable { code: Unreachable::FragmentationNeeded, mtu }, 1, 1460);
    talk.take();
    talk.hears(seg("A", 1, 1461));
    assert_eq!(talk.report().path_mtu, mtu);
    talk.passes_silently(601_000);
    talk
}

/// Bytes of the packets that the host has sent, and where the segments begin.
fn packets(talk: &mut Talk) -> Vec<(u32, usize)> {
    let iss = talk.iss;
    talk.take()
        .iter()
        .filter(|said| !said.payload.is_empty())
        .map(|said| (said.header.seq - iss, 40 + said.options.len() + said.payload.len()))
        .collect()
}

#[test]
fn a_probe_fits_the_peers_window() {
    // RFC 4821 7.4. A full segment is sent where a probe would not fit.
    let mut talk = lowered(1006);
    talk.hears(seg("A", 1, 1461).win(1200));
    talk.write(20_000);
    assert_eq!(packets(&mut talk), [(1461, 1006)]);
}

#[test]
fn there_is_one_probe_at_a_time_beside_blocks_of_sack_too() {
    // The block takes 12 bytes of each segment.
    let mut talk = lowered(1490);
    talk.hears(seg("PA", 1001, 1461).len(100));
    talk.take();
    talk.write(20_000);
    let larger = packets(&mut talk).iter().filter(|(_, len)| *len > 1490).count();
    assert_eq!(larger, 1);
    talk.hears(seg("A", 1, 1461 + 1448));
    assert_eq!(talk.report().path_mtu, 1500);
}

#[test]
fn a_probe_that_was_reported_has_arrived_whatever_else_is_lost() {
    let mut talk = lowered(1006);
    talk.write(966);
    assert_eq!(packets(&mut talk), [(1461, 1006)]);
    talk.write(20_000);
    let sent = packets(&mut talk);
    let (probe, len) = *sent.iter().find(|(_, len)| *len > 1006).expect("a probe");
    talk.hears_sack(seg("A", 1, 1461), &[(probe, probe + len as u32 - 40)]);
    talk.pass(5_000);
    assert_eq!(talk.report().path_mtu, 1500);
}

#[test]
fn a_timeout_for_another_segment_tells_nothing_of_the_probe() {
    // RFC 4821 7.6.4: the same size is tried again as soon as the window has room for it.
    let mut talk = lowered(1006);
    talk.write(966);
    assert_eq!(packets(&mut talk), [(1461, 1006)]);
    talk.write(60_000);
    assert!(packets(&mut talk).iter().any(|(_, len)| *len > 1006));
    assert!(!talk.pass(1_000).is_empty());
    for _ in 0..20 {
        let next = i64::from(talk.report().snd_nxt.wrapping_sub(talk.iss.0));
        talk.hears(seg("A", 1, next));
        if packets(&mut talk).iter().any(|(_, len)| *len == 1500) {
            return;
        }
    }
    panic!("no other probe");
}
