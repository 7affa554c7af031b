//! Messages in fragments, and control frames. RFC 6455 5.4, 5.5.

use crate::case::Case;
use crate::case::Echo::{Binary, BinaryOf, Close, Pong, PongOf, Text};
use crate::wire::Sent::{Bytes, Close as CloseFrame, Filled, Frame, Made};
use crate::wire::{BINARY, BINARY_BEGINS, CLOSE, LAST, MORE, PING, PONG, TEXT, TEXT_BEGINS, masked};

pub(crate) const FRAGMENTS: &[Case] = &[
    Case::open(
        "two fragments",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"Hel"), Frame(LAST, b"lo")],
        &[Text("Hello")],
    ),
    Case::open(
        "three fragments of bytes",
        "6455 5.4",
        &[Frame(BINARY_BEGINS, &[0]), Frame(MORE, &[1, 2]), Frame(LAST, &[3])],
        &[Binary(&[0, 1, 2, 3])],
    ),
    Case::open(
        "an empty first fragment",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b""), Frame(LAST, b"a")],
        &[Text("a")],
    ),
    Case::open(
        "an empty last fragment",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"a"), Frame(LAST, b"")],
        &[Text("a")],
    ),
    Case::open(
        "empty fragments alone",
        "6455 5.4",
        &[Frame(BINARY_BEGINS, b""), Frame(MORE, b""), Frame(MORE, b""), Frame(LAST, b"")],
        &[Binary(b"")],
    ),
    Case::open(
        "empty fragments in between",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"a"), Frame(MORE, b""), Frame(MORE, b"b"), Frame(LAST, b"")],
        &[Text("ab")],
    ),
    Case::open(
        "a fragment for each byte",
        "6455 5.4",
        &[Made(|| {
            let more = (0..198).flat_map(|_| masked(MORE, b"x"));
            masked(BINARY_BEGINS, b"x").into_iter().chain(more).chain(masked(LAST, b"x")).collect()
        })],
        &[BinaryOf(b'x', 200)],
    ),
    Case::open(
        "fragments of all forms of length",
        "6455 5.4",
        &[Filled(BINARY_BEGINS, 7, 100), Filled(MORE, 7, 60_000), Filled(LAST, 7, 66_000)],
        &[BinaryOf(7, 126_100)],
    ),
    Case::open(
        "a message behind one in fragments",
        "6455 6.2",
        &[Frame(TEXT_BEGINS, b"a"), Frame(LAST, b"b"), Frame(BINARY, b"c"), Frame(TEXT, b"d")],
        &[Text("ab"), Binary(b"c"), Text("d")],
    ),
    Case::bad("a continuation of nothing", "6455 5.4", &[Frame(LAST, b"a")]),
    Case::bad("a continuation of nothing, and not the last", "6455 5.4", &[Frame(MORE, b"a")]),
    Case::bad("an empty continuation of nothing", "6455 5.4", &[Frame(LAST, b"")]),
    Case::failed(
        "a continuation of a whole message",
        "6455 5.4",
        &[Frame(TEXT, b"a"), Frame(LAST, b"b")],
        &[Text("a")],
        1002,
    ),
    Case::failed(
        "a continuation behind the last",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"a"), Frame(LAST, b"b"), Frame(LAST, b"c")],
        &[Text("ab")],
        1002,
    ),
    Case::bad("a text within a text", "6455 5.4", &[Frame(TEXT_BEGINS, b"a"), Frame(TEXT, b"b")]),
    Case::bad(
        "a text begins within a text",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"a"), Frame(TEXT_BEGINS, b"b")],
    ),
    Case::bad("bytes within a text", "6455 5.4", &[Frame(TEXT_BEGINS, b"a"), Frame(BINARY, b"b")]),
    Case::bad(
        "a text within bytes",
        "6455 5.4",
        &[Frame(BINARY_BEGINS, b"a"), Frame(MORE, b"b"), Frame(TEXT, b"c")],
    ),
    Case::bad(
        "a message within a fragment of nothing",
        "6455 5.4",
        &[Frame(BINARY_BEGINS, b""), Frame(BINARY, b"")],
    ),
    Case::open("a message that stops", "6455 5.4", &[Frame(TEXT_BEGINS, b"a"), Frame(MORE, b"b")], &[]).cut(),
];

pub(crate) const CONTROL: &[Case] = &[
    Case::open("an empty ping", "6455 5.5.2", &[Frame(PING, b"")], &[Pong(b"")]),
    Case::open("a ping with content", "6455 5.5.3", &[Frame(PING, b"Hello")], &[Pong(b"Hello")]),
    Case::open(
        "a ping of bytes that are no text",
        "6455 5.5.3",
        &[Frame(PING, &[0, 0xff, 0xc0])],
        &[Pong(&[0, 0xff, 0xc0])],
    ),
    Case::open("a ping of 125 bytes", "6455 5.5", &[Filled(PING, 9, 125)], &[PongOf(9, 125)]),
    Case::bad("a ping of 126 bytes", "6455 5.5", &[Filled(PING, 9, 126)]),
    Case::bad("a ping of 65536 bytes", "6455 5.5", &[Filled(PING, 9, 65_536)]),
    Case::bad("a ping whose length is written long", "6455 5.5", &[Bytes(b"\x89\xfe\0\x01\0\0\0\0a")]),
    Case::bad("a ping in fragments", "6455 5.5", &[Frame(0x09, b"a"), Frame(LAST, b"b")]),
    Case::bad(
        "a ping in fragments within a message",
        "6455 5.5",
        &[Frame(TEXT_BEGINS, b"a"), Frame(0x09, b""), Frame(LAST, b"b")],
    ),
    Case::open(
        "pings in their order",
        "6455 5.5.3",
        &[Frame(PING, b"1"), Frame(PING, b"2"), Frame(PING, b"3"), Frame(PING, b"4")],
        &[Pong(b"1"), Pong(b"2"), Pong(b"3"), Pong(b"4")],
    ),
    Case::open(
        "a ping between messages",
        "6455 5.5.2",
        &[Frame(TEXT, b"a"), Frame(PING, b"1"), Frame(TEXT, b"b")],
        &[Text("a"), Pong(b"1"), Text("b")],
    ),
    Case::open(
        "a ping between fragments",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"a"), Frame(PING, b"1"), Frame(LAST, b"b")],
        &[Pong(b"1"), Text("ab")],
    ),
    Case::open(
        "pings between all fragments",
        "6455 5.4",
        &[
            Frame(BINARY_BEGINS, b"a"),
            Frame(PING, b"1"),
            Frame(PONG, b"x"),
            Frame(MORE, b"b"),
            Frame(PING, b"2"),
            Frame(PING, b"3"),
            Frame(LAST, b"c"),
        ],
        &[Pong(b"1"), Pong(b"2"), Pong(b"3"), Binary(b"abc")],
    ),
    Case::open(
        "a ping between the bytes of a character",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, &[0xe2, 0x82]), Frame(PING, &[0xff]), Frame(LAST, &[0xac])],
        &[Pong(&[0xff]), Text("\u{20ac}")],
    ),
    Case::open("a pong nobody asked for", "6455 5.5.3", &[Frame(PONG, b"")], &[]),
    Case::open("a pong with content nobody asked for", "6455 5.5.3", &[Filled(PONG, 9, 125)], &[]),
    Case::bad("a pong of 126 bytes", "6455 5.5", &[Filled(PONG, 9, 126)]),
    Case::bad("a pong in fragments", "6455 5.5", &[Frame(0x0a, b"a")]),
    Case::bad("a close in fragments", "6455 5.5", &[Frame(0x08, b"\x03\xe8")]),
    Case::bad("a close of 126 bytes", "6455 5.5", &[Filled(CLOSE, b'a', 126)]),
    Case::closed(
        "a ping before a close",
        "6455 5.5.2",
        &[Frame(PING, b"1"), CloseFrame(1000, b"")],
        &[Pong(b"1"), Close(1000)],
        1000,
        "",
    ),
    Case::open("a ping that stops", "6455 5.5.2", &[Bytes(b"\x89\x82\0\0\0\0a")], &[]).cut(),
];
