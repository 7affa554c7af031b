//! How large a message may be: exactly so large, and not a byte more. RFC 6455 10.4, and 7.4.1 for 1009.

use crate::case::Case;
use crate::case::Echo::{BinaryMade, BinaryOf, Pong, PongOf, TextOf};
use crate::deflate::{AGREED, REMEMBERED, noise};
use crate::wire::Sent::{Bytes, Filled, Frame, Made, Part};
use crate::wire::{BINARY, BINARY_BEGINS, LAST, MORE, PING, RSV1, TEXT, TEXT_BEGINS, masked, squeeze};

const LIMIT: usize = 1000;

const fn fits(name: &'static str, sent: &'static [crate::wire::Sent]) -> Case {
    Case::open(name, "6455 10.4", sent, &[BinaryOf(7, LIMIT)]).limit(LIMIT)
}

const fn beyond(name: &'static str, sent: &'static [crate::wire::Sent]) -> Case {
    Case::failed(name, "6455 10.4", sent, &[], 1009).limit(LIMIT)
}

/// A message of bytes 7, in a frame for each of its parts.
fn parts(sizes: &[usize]) -> Vec<u8> {
    let last = sizes.len() - 1;
    let first = |i| if i == 0 { BINARY_BEGINS } else { MORE } | if i == last { LAST } else { MORE };
    sizes.iter().enumerate().flat_map(|(i, &size)| masked(first(i), &vec![7; size])).collect()
}

/// Compressed bytes, in frames of so many.
fn squeezed_parts(data: &[u8], size: usize) -> Vec<u8> {
    let content = squeeze(data);
    let count = content.len().div_ceil(size);
    let first =
        |i| if i == 0 { BINARY_BEGINS | RSV1 } else { MORE } | if i + 1 == count { LAST } else { MORE };
    content.chunks(size).enumerate().flat_map(|(i, part)| masked(first(i), part)).collect()
}

pub(crate) const PLAIN: &[Case] = &[
    fits("one frame at the limit", &[Filled(BINARY, 7, LIMIT)]),
    beyond("one frame beyond the limit", &[Filled(BINARY, 7, LIMIT + 1)]),
    Case::open("a text at the limit", "6455 10.4", &[Filled(TEXT, b'x', LIMIT)], &[TextOf(b'x', LIMIT)])
        .limit(LIMIT),
    beyond("a text beyond the limit", &[Filled(TEXT, b'x', LIMIT + 1)]),
    beyond("a frame that announces too much", &[Part(BINARY, LIMIT + 1, b"")]),
    beyond("a frame that announces far too much", &[Bytes(b"\x82\xff\x10\0\0\0\0\0\0\0\0\0\0\0")]),
    fits("two fragments at the limit", &[Made(|| parts(&[500, 500]))]),
    beyond("two fragments beyond the limit", &[Made(|| parts(&[500, 501]))]),
    fits("an empty fragment at the limit", &[Made(|| parts(&[LIMIT, 0]))]),
    beyond("one byte in a fragment behind the limit", &[Made(|| parts(&[LIMIT, 1]))]),
    fits("many small fragments at the limit", &[Made(|| parts(&[1; LIMIT]))]),
    beyond("many small fragments beyond the limit", &[Made(|| parts(&[1; LIMIT + 1]))]),
    beyond("a fragment that announces too much", &[Filled(BINARY_BEGINS, 7, 999), Part(MORE, 2, b"")]),
    beyond(
        "a fragment that announces far too much",
        &[Frame(TEXT_BEGINS, b"a"), Bytes(b"\0\xff\x40\0\0\0\0\0\0\0\0\0\0\0")],
    ),
    Case::open(
        "pings do not count",
        "6455 10.4",
        &[Filled(BINARY_BEGINS, 7, 999), Filled(PING, 9, 125), Frame(PING, b"a"), Filled(LAST, 7, 1)],
        &[PongOf(9, 125), Pong(b"a"), BinaryOf(7, LIMIT)],
    )
    .limit(LIMIT),
    Case::open(
        "each message counts by itself",
        "6455 10.4",
        &[Filled(BINARY, 7, LIMIT), Filled(BINARY, 8, LIMIT), Filled(TEXT, b'x', LIMIT)],
        &[BinaryOf(7, LIMIT), BinaryOf(8, LIMIT), TextOf(b'x', LIMIT)],
    )
    .limit(LIMIT),
];

pub(crate) const SQUEEZED: &[Case] = &[
    fits("compressed, at the limit", &[Made(|| masked(BINARY | RSV1, &squeeze(&[7; LIMIT])))]).agreed(AGREED),
    beyond("compressed, beyond the limit", &[Made(|| masked(BINARY | RSV1, &squeeze(&[7; LIMIT + 1])))])
        .agreed(AGREED),
    fits("compressed in fragments, at the limit", &[Made(|| squeezed_parts(&[7; LIMIT], 3))]).agreed(AGREED),
    beyond("compressed in fragments, beyond the limit", &[Made(|| squeezed_parts(&[7; LIMIT + 1], 3))])
        .agreed(AGREED),
    Case::open(
        "compressed and longer than it is, at the limit",
        "6455 10.4",
        &[Made(|| masked(BINARY | RSV1, &squeeze(&noise(LIMIT))))],
        &[BinaryMade(|| noise(LIMIT))],
    )
    .limit(LIMIT)
    .agreed(AGREED),
    beyond("a compressed frame that announces too much", &[Part(BINARY | RSV1, 2 * LIMIT, b"")])
        .agreed(AGREED),
    beyond("a bomb", &[Made(|| masked(BINARY | RSV1, &squeeze(&vec![0; 100_000])))]).agreed(AGREED),
    beyond("a bomb in fragments", &[Made(|| squeezed_parts(&vec![0; 100_000], 50))]).agreed(AGREED),
    beyond("a bomb that does not end", &[Made(|| masked(BINARY_BEGINS | RSV1, &squeeze(&vec![0; 100_000])))])
        .agreed(REMEMBERED),
    Case::open(
        "each compressed message counts by itself",
        "6455 10.4",
        &[
            Made(|| masked(BINARY | RSV1, &squeeze(&[7; LIMIT]))),
            Made(|| masked(BINARY | RSV1, &squeeze(&[8; LIMIT]))),
        ],
        &[BinaryOf(7, LIMIT), BinaryOf(8, LIMIT)],
    )
    .limit(LIMIT)
    .agreed(REMEMBERED),
];
