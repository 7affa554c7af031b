//! Texts are UTF-8, and where they are not it is noticed at the first byte that shows it. RFC 6455 5.6, 8.1, RFC 3629.

use crate::case::Case;
use crate::case::Echo::{Binary, Pong, Text};
use crate::wire::Sent::{Bytes, Frame, Made, Part};
use crate::wire::{BINARY, BINARY_BEGINS, LAST, MORE, PING, TEXT, TEXT_BEGINS, masked};

pub(crate) const GOOD: &[Case] = &[
    Case::open(
        "ascii, from its first to its last",
        "6455 5.6",
        &[Frame(TEXT, "\u{0}\u{41}\u{7f}".as_bytes())],
        &[Text("\u{0}\u{41}\u{7f}")],
    ),
    Case::open(
        "characters of two bytes",
        "6455 5.6",
        &[Frame(TEXT, "\u{80}\u{7ff}".as_bytes())],
        &[Text("\u{80}\u{7ff}")],
    ),
    Case::open(
        "characters of three bytes",
        "6455 5.6",
        &[Frame(TEXT, "\u{800}\u{ffff}".as_bytes())],
        &[Text("\u{800}\u{ffff}")],
    ),
    Case::open(
        "characters around the surrogates",
        "6455 5.6",
        &[Frame(TEXT, "\u{d7ff}\u{e000}".as_bytes())],
        &[Text("\u{d7ff}\u{e000}")],
    ),
    Case::open(
        "characters of four bytes",
        "6455 5.6",
        &[Frame(TEXT, "\u{10000}\u{10ffff}".as_bytes())],
        &[Text("\u{10000}\u{10ffff}")],
    ),
    Case::open(
        "noncharacters",
        "6455 5.6",
        &[Frame(TEXT, "\u{fffe}\u{ffff}\u{1fffe}\u{fdd0}".as_bytes())],
        &[Text("\u{fffe}\u{ffff}\u{1fffe}\u{fdd0}")],
    ),
    Case::open(
        "a byte order mark",
        "6455 5.6",
        &[Frame(TEXT, "\u{feff}\u{61}".as_bytes())],
        &[Text("\u{feff}\u{61}")],
    ),
    Case::open(
        "several scripts",
        "6455 5.6",
        &[Frame(TEXT, "\u{3ba}\u{1f79}\u{3c3}\u{65e5}\u{1f600}".as_bytes())],
        &[Text("\u{3ba}\u{1f79}\u{3c3}\u{65e5}\u{1f600}")],
    ),
    Case::open(
        "a character in two frames",
        "6455 5.6",
        &[Frame(TEXT_BEGINS, b"a\xe2\x82"), Frame(LAST, b"\xacb")],
        &[Text("a\u{20ac}b")],
    ),
    Case::open(
        "a character in four frames",
        "6455 5.6",
        &[
            Frame(TEXT_BEGINS, b"\xf0"),
            Frame(MORE, b"\x9f"),
            Frame(MORE, b""),
            Frame(MORE, b"\x98"),
            Frame(PING, b""),
            Frame(LAST, b"\x80"),
        ],
        &[Pong(b""), Text("\u{1f600}")],
    ),
    Case::open(
        "bytes are not judged",
        "6455 5.6",
        &[Frame(BINARY, b"\xff\xc0\x80")],
        &[Binary(b"\xff\xc0\x80")],
    ),
    Case::open(
        "bytes in frames are not judged",
        "6455 5.6",
        &[Frame(BINARY_BEGINS, b"\xed"), Frame(MORE, b"\xa0"), Frame(LAST, b"\xff")],
        &[Binary(b"\xed\xa0\xff")],
    ),
    Case::open("a text that may go on", "6455 8.1", &[Part(TEXT, 9, b"a\xf4\x8f\xbf")], &[]).cut(),
    Case::open(
        "a text that may go on in the next frame",
        "6455 8.1",
        &[Frame(TEXT_BEGINS, b"\xf4\x8f")],
        &[],
    )
    .cut(),
];

const fn bad(name: &'static str, sent: &'static [crate::wire::Sent]) -> Case {
    Case::failed(name, "6455 8.1", sent, &[], 1007)
}

pub(crate) const BAD: &[Case] = &[
    bad("a continuation byte alone", &[Frame(TEXT, b"\x80")]),
    bad("the last continuation byte alone", &[Frame(TEXT, b"\xbf")]),
    bad("a continuation byte behind ascii", &[Frame(TEXT, b"abc\x80")]),
    bad("a continuation byte behind a character", &[Frame(TEXT, b"\xc3\xa9\xa9")]),
    bad("a slash of two bytes", &[Frame(TEXT, b"\xc0\xaf")]),
    bad("the longest overlong form of two bytes", &[Frame(TEXT, b"\xc1\xbf")]),
    bad("a NUL of two bytes", &[Frame(TEXT, b"\xc0\x80")]),
    bad("an overlong form of three bytes", &[Frame(TEXT, b"\xe0\x80\x80")]),
    bad("the longest overlong form of three bytes", &[Frame(TEXT, b"\xe0\x9f\xbf")]),
    bad("an overlong form of four bytes", &[Frame(TEXT, b"\xf0\x80\x80\x80")]),
    bad("the longest overlong form of four bytes", &[Frame(TEXT, b"\xf0\x8f\xbf\xbf")]),
    bad("the first surrogate", &[Frame(TEXT, b"\xed\xa0\x80")]),
    bad("the last surrogate", &[Frame(TEXT, b"\xed\xbf\xbf")]),
    bad("a pair of surrogates", &[Frame(TEXT, b"\xed\xa0\xbd\xed\xb8\x80")]),
    bad("beyond the last character", &[Frame(TEXT, b"\xf4\x90\x80\x80")]),
    bad("a first byte of f5", &[Frame(TEXT, b"\xf5\x80\x80\x80")]),
    bad("a form of five bytes", &[Frame(TEXT, b"\xf8\x88\x80\x80\x80")]),
    bad("a form of six bytes", &[Frame(TEXT, b"\xfc\x84\x80\x80\x80\x80")]),
    bad("a byte of fe", &[Frame(TEXT, b"\xfe")]),
    bad("a byte of ff", &[Frame(TEXT, b"\xff")]),
    bad("ascii within a character of two bytes", &[Frame(TEXT, b"\xc3A")]),
    bad("ascii within a character of three bytes", &[Frame(TEXT, b"\xe2\x82A")]),
    bad("ascii within a character of four bytes", &[Frame(TEXT, b"\xf0\x9f\x98A")]),
    bad("a character within a character", &[Frame(TEXT, b"\xe2\xc3\xa9")]),
    bad("a text that ends within a character of two bytes", &[Frame(TEXT, b"a\xc3")]),
    bad("a text that ends within a character of three bytes", &[Frame(TEXT, b"\xe2\x82")]),
    bad("a text that ends within a character of four bytes", &[Frame(TEXT, b"\xf0\x9f\x98")]),
    bad(
        "wrong bytes behind a long good text",
        &[Made(|| masked(TEXT, &[&b"x".repeat(9000)[..], b"\xf8", &b"x".repeat(99)].concat()))],
    ),
    bad("a text that ends within a character, in frames", &[Frame(TEXT_BEGINS, b"a"), Frame(LAST, b"\xe2")]),
    bad(
        "a text whose last frame is empty ends within a character",
        &[Frame(TEXT_BEGINS, b"\xe2\x82"), Frame(LAST, b"")],
    ),
    bad("a wrong byte in the second frame", &[Frame(TEXT_BEGINS, b"a"), Frame(LAST, b"\xff")]),
    bad(
        "a character that goes on wrong in the next frame",
        &[Frame(TEXT_BEGINS, b"\xe2"), Frame(LAST, b"A")],
    ),
    bad("a surrogate in two frames", &[Frame(TEXT_BEGINS, b"\xed"), Frame(LAST, b"\xa0\x80")]),
    bad("a wrong byte before the frame ends", &[Part(TEXT, 1000, b"abc\xff")]),
    bad("what cannot become a character before it ends", &[Part(TEXT, 1000, b"\xf4\x90")]),
    bad("a surrogate before it ends", &[Part(TEXT, 70_000, b"\xed\xa0")]),
    bad("a wrong byte before the message ends", &[Frame(TEXT_BEGINS, b"abc\xff")]),
    bad(
        "what cannot become a character before the message ends",
        &[Frame(TEXT_BEGINS, b"\xf4"), Frame(PING, b""), Part(MORE, 50, b"\x90")],
    )
    .says(&[Pong(b"")]),
    Case::failed(
        "a wrong text behind a good one",
        "6455 8.1",
        &[Frame(TEXT, b"\xc3\xa9"), Frame(TEXT, b"\xa9")],
        &[Text("\u{e9}")],
        1007,
    ),
    bad("a wrong text at a client", &[Bytes(b"\x81\x01\xff")]).at_client(),
];
