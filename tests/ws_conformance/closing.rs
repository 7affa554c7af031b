//! Closing: the content of Close frames, what goes before and behind them. RFC 6455 5.5.1, 7.1, 7.4.

use crate::case::Case;
use crate::case::Echo::{Bare, Binary, Close, Text};
use crate::wire::Sent::{Bytes, Close as CloseFrame, Frame, Part};
use crate::wire::{BINARY, CLOSE, LAST, PING, PONG, TEXT, TEXT_BEGINS};

const LONGEST: &[u8; 123] = &[b'r'; 123];
const TOO_LONG: &[u8; 124] = &[b'r'; 124];

pub(crate) const CODES: &[Case] = &[
    Case::closed("code 1000", "6455 7.4.1", &[CloseFrame(1000, b"")], &[Close(1000)], 1000, ""),
    Case::closed("code 1001", "6455 7.4.1", &[CloseFrame(1001, b"")], &[Close(1001)], 1001, ""),
    Case::closed("code 1002", "6455 7.4.1", &[CloseFrame(1002, b"")], &[Close(1002)], 1002, ""),
    Case::closed("code 1003", "6455 7.4.1", &[CloseFrame(1003, b"")], &[Close(1003)], 1003, ""),
    Case::closed("code 1007", "6455 7.4.1", &[CloseFrame(1007, b"")], &[Close(1007)], 1007, ""),
    Case::closed("code 1008", "6455 7.4.1", &[CloseFrame(1008, b"")], &[Close(1008)], 1008, ""),
    Case::closed("code 1009", "6455 7.4.1", &[CloseFrame(1009, b"")], &[Close(1009)], 1009, ""),
    Case::closed("code 1010", "6455 7.4.1", &[CloseFrame(1010, b"")], &[Close(1010)], 1010, ""),
    Case::closed("code 1011", "6455 7.4.1", &[CloseFrame(1011, b"")], &[Close(1011)], 1011, ""),
    Case::closed("code 1012", "6455 11.7", &[CloseFrame(1012, b"")], &[Close(1012)], 1012, ""),
    Case::closed("code 1013", "6455 11.7", &[CloseFrame(1013, b"")], &[Close(1013)], 1013, ""),
    Case::closed("code 1014", "6455 11.7", &[CloseFrame(1014, b"")], &[Close(1014)], 1014, ""),
    Case::closed("code 3000", "6455 7.4.2", &[CloseFrame(3000, b"")], &[Close(3000)], 3000, ""),
    Case::closed("code 3999", "6455 7.4.2", &[CloseFrame(3999, b"")], &[Close(3999)], 3999, ""),
    Case::closed("code 4000", "6455 7.4.2", &[CloseFrame(4000, b"")], &[Close(4000)], 4000, ""),
    Case::closed("code 4999", "6455 7.4.2", &[CloseFrame(4999, b"")], &[Close(4999)], 4999, ""),
    Case::bad("code 0", "6455 7.4.2", &[CloseFrame(0, b"")]),
    Case::bad("code 1", "6455 7.4.2", &[CloseFrame(1, b"")]),
    Case::bad("code 999", "6455 7.4.2", &[CloseFrame(999, b"")]),
    Case::bad("code 1004", "6455 7.4.1", &[CloseFrame(1004, b"")]),
    Case::bad("code 1005", "6455 7.4.1", &[CloseFrame(1005, b"")]),
    Case::bad("code 1006", "6455 7.4.1", &[CloseFrame(1006, b"")]),
    Case::bad("code 1015", "6455 7.4.1", &[CloseFrame(1015, b"")]),
    Case::bad("code 1016", "6455 7.4.2", &[CloseFrame(1016, b"")]),
    Case::bad("code 1100", "6455 7.4.2", &[CloseFrame(1100, b"")]),
    Case::bad("code 1999", "6455 7.4.2", &[CloseFrame(1999, b"")]),
    Case::bad("code 2000", "6455 7.4.2", &[CloseFrame(2000, b"")]),
    Case::bad("code 2999", "6455 7.4.2", &[CloseFrame(2999, b"")]),
    Case::bad("code 5000", "6455 7.4.2", &[CloseFrame(5000, b"")]),
    Case::bad("code 32768", "6455 7.4.2", &[CloseFrame(32768, b"")]),
    Case::bad("code 65535", "6455 7.4.2", &[CloseFrame(65535, b"")]),
];

pub(crate) const FRAMES: &[Case] = &[
    Case::closed("a close without a code", "6455 7.1.5", &[Frame(CLOSE, b"")], &[Bare], 1005, ""),
    Case::bad("a close of one byte", "6455 5.5.1", &[Frame(CLOSE, b"\x03")]),
    Case::closed(
        "a close with a reason",
        "6455 7.1.6",
        &[CloseFrame(1000, b"bye")],
        &[Close(1000)],
        1000,
        "bye",
    ),
    Case::closed(
        "a reason of several bytes a character",
        "6455 7.1.6",
        &[CloseFrame(4000, "\u{e9}\u{20ac}\u{1f600}".as_bytes())],
        &[Close(4000)],
        4000,
        "\u{e9}\u{20ac}\u{1f600}",
    ),
    Case::closed(
        "the longest reason",
        "6455 5.5",
        &[CloseFrame(1000, LONGEST)],
        &[Close(1000)],
        1000,
        "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\
         rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr",
    ),
    Case::bad("a reason that is too long", "6455 5.5", &[CloseFrame(1000, TOO_LONG)]),
    Case::failed("a reason that is no text", "6455 8.1", &[CloseFrame(1000, b"\xff")], &[], 1007),
    Case::failed(
        "a reason that ends within a character",
        "6455 8.1",
        &[CloseFrame(1000, b"a\xe2\x82")],
        &[],
        1007,
    ),
    Case::failed("a reason with a surrogate", "6455 8.1", &[CloseFrame(1000, b"\xed\xa0\x80")], &[], 1007),
    Case::bad("a bad code beside a reason that is no text", "6455 7.4.1", &[CloseFrame(1006, b"\xff")]),
];

pub(crate) const ORDER: &[Case] = &[
    Case::closed(
        "a message before a close",
        "6455 5.5.1",
        &[Frame(TEXT, b"a"), CloseFrame(1000, b"")],
        &[Text("a"), Close(1000)],
        1000,
        "",
    ),
    Case::closed(
        "messages before a close",
        "6455 5.5.1",
        &[Frame(TEXT, b"a"), Frame(BINARY, b"b"), Frame(TEXT, b"c"), CloseFrame(3000, b"r")],
        &[Text("a"), Binary(b"b"), Text("c"), Close(3000)],
        3000,
        "r",
    ),
    Case::closed(
        "a close within a message",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"a"), CloseFrame(1001, b"")],
        &[Close(1001)],
        1001,
        "",
    ),
    Case::closed(
        "a close between the bytes of a character",
        "6455 5.4",
        &[Frame(TEXT_BEGINS, b"\xe2\x82"), CloseFrame(1001, b"")],
        &[Close(1001)],
        1001,
        "",
    ),
    Case::closed(
        "the rest of a message behind a close",
        "6455 5.5.1",
        &[Frame(TEXT_BEGINS, b"a"), CloseFrame(1000, b""), Frame(LAST, b"b")],
        &[Close(1000)],
        1000,
        "",
    ),
    Case::closed(
        "a message behind a close",
        "6455 5.5.1",
        &[CloseFrame(1000, b""), Frame(TEXT, b"a")],
        &[Close(1000)],
        1000,
        "",
    ),
    Case::closed(
        "a ping behind a close",
        "6455 5.5.2",
        &[CloseFrame(1000, b""), Frame(PING, b"a"), Frame(PONG, b"")],
        &[Close(1000)],
        1000,
        "",
    ),
    Case::closed(
        "two closes",
        "6455 5.5.1",
        &[CloseFrame(1000, b"one"), CloseFrame(1001, b"two")],
        &[Close(1000)],
        1000,
        "one",
    ),
    Case::closed(
        "garbage behind a close",
        "6455 7.1.1",
        &[CloseFrame(1000, b""), Bytes(b"\xff\xff\xff\xff")],
        &[Close(1000)],
        1000,
        "",
    ),
    Case::bad("a message behind a failure", "6455 7.1.7", &[Frame(0x83, b""), Frame(TEXT, b"a")]),
    Case::bad("a close behind a failure", "6455 7.1.7", &[Frame(0x83, b""), CloseFrame(1000, b"")]),
    Case::bad("a ping behind a failure", "6455 7.1.7", &[Frame(0x83, b""), Frame(PING, b"")]),
    Case::bad("two failures", "6455 7.1.7", &[Frame(0x83, b""), Frame(0x84, b"")]),
    Case::open("a close that stops", "6455 5.5.1", &[Part(CLOSE, 5, b"\x03\xe8a")], &[]).cut(),
];
