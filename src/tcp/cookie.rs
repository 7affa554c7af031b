//! SYN cookies: RFC 4987 3.6. When there is no room for another half-open connection, all that must be remembered of it
//! goes out in the SYN-ACK and comes back in the ACK.
//!
//! ```text
//! our ISN:   | age 5 | MSS 3 |  keyed hash of flow, peer's ISN, age and MSS 24  |
//! our TSval: |              clock 26              | ECN 1 | SACK 1 | shift 4    |
//! ```
//! The age is a count of 64 s, and a cookie is good for the span in which it was made and the one after. What is in the
//! timestamp is not protected by the hash: a peer who changes it harms itself. Without timestamps neither window
//! scaling nor SACK nor ECN is agreed on.

use super::flow::Flow;
use super::handshake::Peer;
use super::isn::Numbers;
use super::timestamps;
use crate::fault::{self, Fault};
use crate::rand::KeyedHash;
use crate::time::{Duration, Instant};
use crate::wire::seq::SeqNum;
use crate::wire::tcp::{Flags, Header};
use crate::wire::tcp_options::Options;

/// How long a cookie is good for, at least; at most twice as long.
pub const LIFETIME: Duration = Duration::from_secs(64);
/// The MSS that a cookie can hold: the largest that the peer's is not below.
const MSS: [u16; 8] = [64, 536, 1024, 1220, 1360, 1440, 1460, 8960];
const HASH: u32 = (1 << 24) - 1;
/// Bits of the timestamp that are used.
const STAMP_BITS: u32 = 6;
const STAMP: u32 = (1 << STAMP_BITS) - 1;
/// The shift of a peer that does not scale.
const NO_SHIFT: u32 = 15;

/// Our ISN for a SYN that is not remembered.
pub fn sequence(now: Instant, flow: Flow, peer: &Peer, key: &KeyedHash) -> SeqNum {
    let mss = MSS.iter().rposition(|&mss| mss <= peer.mss).unwrap_or(0) as u32;
    made(age(now), mss, flow, peer.irs, key)
}

/// What our TSval tells beside the time, which is at most 64 ms before `now`.
pub fn timestamp(now: Instant, numbers: Numbers, peer: &Peer) -> u32 {
    let shift = peer.window_scale.map_or(NO_SHIFT, u32::from);
    let told = u32::from(peer.ecn) << 5 | u32::from(peer.sack) << 4 | shift;
    let clock = timestamps::value(now, numbers.ts_offset);
    let stamped = clock & !STAMP | told;
    if stamped.wrapping_sub(clock) as i32 > 0 { stamped.wrapping_sub(STAMP + 1) } else { stamped }
}

/// What a peer said whose ACK brings a cookie back; `None` if it is none of ours, or too old.
pub fn peer(now: Instant, flow: Flow, header: &Header, options: &Options, key: &KeyedHash) -> Option<Peer> {
    let (cookie, irs) = (header.ack - 1, header.seq - 1);
    let mss = cookie.0 >> 24 & 7;
    let made_at = age(now).wrapping_sub(spans_since(now, cookie));
    let is_ours = made(made_at, mss, flow, irs, key) == cookie || fault::is(Fault::CookiesUnchecked);
    if !(may_be_ours(now, header) && is_ours) || header.flags.has(Flags::SYN | Flags::RST) {
        return None;
    }
    let told = options.timestamps.map(|(_, echo)| echo & STAMP);
    Some(Peer {
        irs,
        mss: MSS[mss as usize],
        window_scale: told.map(|told| (told & 15) as u8).filter(|&shift| u32::from(shift) != NO_SHIFT),
        window: header.window,
        sack: told.is_some_and(|told| told >> 4 & 1 == 1),
        timestamp: options.timestamps.map(|(value, _)| value),
        ecn: told.is_some_and(|told| told >> 5 & 1 == 1),
    })
}

/// An ACK may be for a cookie, for all that can be told when what it carries is not the first that follows.
pub fn may_be_ours(now: Instant, header: &Header) -> bool {
    spans_since(now, header.ack - 1) <= 1
}

fn spans_since(now: Instant, cookie: SeqNum) -> u64 {
    age(now).wrapping_sub(u64::from(cookie.0 >> 27)) & 31
}

/// Spans of 64 s. The cookie shows the last five bits, and the hash is over all, so that none comes round again.
fn age(now: Instant) -> u64 {
    now.as_nanos() / LIFETIME.as_nanos()
}

fn made(age: u64, mss: u32, flow: Flow, irs: SeqNum, key: &KeyedHash) -> SeqNum {
    let mut bytes = [0; 21];
    bytes[..8].copy_from_slice(&flow.to_bytes());
    bytes[8..12].copy_from_slice(&irs.0.to_be_bytes());
    bytes[12..20].copy_from_slice(&age.to_be_bytes());
    bytes[20] = mss as u8;
    SeqNum((age as u32 & 31) << 27 | mss << 24 | key.hash(&bytes) as u32 & HASH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::{Purpose, Seed};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const FLOW: Flow = Flow { remote_ip: Ipv4Addr::new(192, 0, 2, 1), remote_port: 9, local_port: 80 };

    fn key() -> KeyedHash {
        Seed::from_u64(1).stream(Purpose::Secrets).key()
    }

    fn ack(seq: SeqNum, ack: SeqNum) -> Header {
        Header { src_port: 9, dst_port: 80, seq, ack, flags: Flags::ACK, window: 500, urgent: 0 }
    }

    proptest! {
        #[test]
        fn what_the_syn_said_comes_back(
            irs: u32, mss in 64u16..9000, shift in proptest::option::of(0u8..=14), sack: bool, ecn: bool,
            seconds in 0u64..1_000_000, offset: u32, later in 0u64..64,
        ) {
            let now = Instant::ZERO + Duration::from_secs(seconds);
            let said = Peer {
                irs: SeqNum(irs), mss, window_scale: shift, window: 500, sack, timestamp: Some(7), ecn,
            };
            let numbers = Numbers { iss: SeqNum(0), ts_offset: offset };
            let (iss, stamp) = (sequence(now, FLOW, &said, &key()), timestamp(now, numbers, &said));
            let behind = timestamps::value(now, offset).wrapping_sub(stamp);
            prop_assert!(behind <= 64, "{}", behind);
            let options = Options { timestamps: Some((7, stamp)), ..Options::default() };
            let header = ack(SeqNum(irs) + 1, iss + 1);
            let then = now + Duration::from_secs(later);
            let heard = peer(then, FLOW, &header, &options, &key()).unwrap();
            prop_assert_eq!(Some(&heard.mss), MSS.iter().rfind(|&&known| known <= mss));
            prop_assert_eq!(Peer { mss, ..heard }, said);
            let plain = peer(then, FLOW, &header, &Options::default(), &key()).unwrap();
            prop_assert_eq!((plain.window_scale, plain.sack, plain.timestamp), (None, false, None));
        }
    }

    #[test]
    fn cookies_of_others_and_old_ones_are_none() {
        let said = Peer {
            irs: SeqNum(100),
            mss: 1460,
            window_scale: None,
            window: 500,
            sack: false,
            timestamp: None,
            ecn: false,
        };
        let now = Instant::ZERO + Duration::from_secs(64 * 40);
        let iss = sequence(now, FLOW, &said, &key());
        let judge = |later: u64, flow: Flow, seq: u32, ack_of: SeqNum| {
            let at = now + Duration::from_secs(later);
            peer(at, flow, &ack(SeqNum(seq), ack_of), &Options::default(), &key()).is_some()
        };
        assert!(judge(0, FLOW, 101, iss + 1) && judge(127, FLOW, 101, iss + 1));
        assert!(!judge(128, FLOW, 101, iss + 1), "too old");
        assert!(!judge(64 * 32, FLOW, 101, iss + 1), "its five bits have come round");
        assert!(!judge(0, FLOW, 102, iss + 1), "of another SYN");
        assert!(!judge(0, Flow { remote_port: 10, ..FLOW }, 101, iss + 1), "of another flow");
        let guessed = (0..100_000).filter(|&n| judge(0, FLOW, 101, iss + 2 + n)).count();
        assert_eq!(guessed, 0);
    }
}
