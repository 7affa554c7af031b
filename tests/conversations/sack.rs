//! Selective acknowledgments of the host: which blocks its ACKs carry. RFC 2018, RFC 2883. Segments of 100 bytes.

use crate::harness::{Seg, Setup, Talk, seg};

/// A connection with SACK.
fn sacking() -> Talk {
    Talk::accepted_with(Setup { peer_sack: true, ..Setup::default() })
}

/// The peer's segment number `n`, counted from 0.
fn nth(n: i64) -> Seg {
    seg("PA", 1 + 100 * n, 1).len(100)
}

/// The bytes of the segments `first..last`, as a block.
fn block(first: u32, last: u32) -> (u32, u32) {
    (1 + 100 * first, 1 + 100 * last)
}

/// The blocks of the one ACK that a segment calls forth.
#[track_caller]
fn told(talk: &mut Talk, segment: Seg) -> Vec<(u32, u32)> {
    talk.hears(segment);
    let said = talk.take();
    assert_eq!(said.len(), 1, "{said:?}");
    talk.blocks(&said[0])
}

#[test]
fn sack_is_permitted_in_syns_alone() {
    // RFC 2018 2: "MUST NOT be sent on non-SYN segments"; a passive side says so if the peer does.
    for peer_sack in [true, false] {
        let mut talk = Talk::listening(Setup { peer_sack, ..Setup::default() });
        talk.hears(talk.syn("S"));
        assert_eq!(talk.take()[0].options.sack_permitted, peer_sack);
        talk.hears(seg("A", 1, 1));
        talk.events();
        talk.write(10);
        assert!(!talk.take()[0].options.sack_permitted);
    }
    let mut talk = Talk::connecting(Setup { peer_sack: true, ..Setup::default() });
    assert_eq!(talk.pass(1001).len(), 1, "the SYN again");
    talk.hears(talk.syn("SA"));
    assert!(!talk.take()[0].options.sack_permitted);
    assert_eq!(told(&mut talk, nth(1)), [block(1, 2)]);
}

#[test]
fn nothing_is_reported_to_a_peer_that_does_not_permit_it() {
    // RFC 2018 3: only if the SYN of the other side said so.
    let mut talk = Talk::accepted();
    assert_eq!(told(&mut talk, nth(1)), []);
}

#[test]
pub(crate) fn the_block_of_what_came_last_stands_first() {
    // RFC 2018 4: the first block holds the segment that called the ACK forth, then the blocks that were reported last.
    let mut talk = sacking();
    assert_eq!(told(&mut talk, nth(1)), [block(1, 2)]);
    assert_eq!(told(&mut talk, nth(3)), [block(3, 4), block(1, 2)]);
    assert_eq!(told(&mut talk, nth(5)), [block(5, 6), block(3, 4), block(1, 2)]);
    let four = [block(7, 8), block(5, 6), block(3, 4), block(1, 2)];
    assert_eq!(told(&mut talk, nth(7)), four);
    let rest = [block(7, 8), block(5, 6), block(3, 4)];
    assert_eq!(told(&mut talk, nth(9)), [&[block(9, 10)], &rest[..]].concat(), "as many as fit");
    let joined = [block(1, 4), block(9, 10), block(7, 8), block(5, 6)];
    assert_eq!(told(&mut talk, nth(2)), joined, "two runs become one");
    assert_eq!(told(&mut talk, nth(0)), joined[1..], "what is acknowledged is no block");
}

#[test]
fn every_segment_that_leaves_tells_of_the_gap() {
    // RFC 2018 4: "in all ACKs which do not ACK the highest sequence number in the data receiver's queue".
    let mut talk = sacking();
    assert_eq!(told(&mut talk, nth(1)), [block(1, 2)]);
    talk.write(10);
    let said = talk.take();
    assert_eq!((said[0].payload.len(), talk.blocks(&said[0])), (10, vec![block(1, 2)]));
    assert_eq!(told(&mut talk, nth(0)), []);
}

#[test]
fn data_makes_room_for_the_blocks() {
    // RFC 9293 3.7.1, RFC 6691: options shorten the payload.
    let mut talk = sacking();
    told(&mut talk, nth(1));
    talk.write(2 * 1448);
    let lengths: Vec<_> = talk.take().iter().map(|said| said.payload.len()).collect();
    assert_eq!(lengths, [1448, 1448]);
}

#[test]
pub(crate) fn what_came_twice_is_the_first_block() {
    // RFC 2883 4.1: below the acknowledgment; 4.2: within a block, which then follows. Each is told once.
    let mut talk = sacking();
    talk.hears(nth(0));
    talk.hears(nth(1));
    talk.is_silent();
    assert_eq!(told(&mut talk, nth(0)), [block(0, 1)]);
    assert_eq!(told(&mut talk, nth(3)), [block(3, 4)]);
    assert_eq!(told(&mut talk, nth(4)), [block(3, 5)]);
    assert_eq!(told(&mut talk, nth(4)), [block(4, 5), block(3, 5)]);
    assert_eq!(told(&mut talk, nth(5)), [block(3, 6)]);
}

#[test]
fn the_part_that_came_twice_is_told() {
    // RFC 2883 4.2.3: only the bytes that were here.
    let mut talk = sacking();
    talk.hears(nth(0));
    talk.passes_silently(10);
    assert_eq!(told(&mut talk, seg("PA", 51, 1).len(100)), [(51, 101)]);
    assert_eq!(talk.read().len(), 150);
}
