//! The header of a frame, and its mask. RFC 6455 5.1, 5.2, 5.3, 5.7.

use crate::case::Case;
use crate::case::Echo::{Binary, BinaryOf, Pong, Text, TextOf};
use crate::wire::Sent::{Bytes, Filled, Frame};
use crate::wire::{BINARY, BINARY_BEGINS, LAST, PING, RSV1, TEXT, TEXT_BEGINS};

pub(crate) const BITS: &[Case] = &[
    Case::bad("rsv1 without an agreement", "6455 5.2", &[Frame(TEXT | RSV1, b"a")]),
    Case::bad("rsv1 on bytes without an agreement", "6455 5.2", &[Frame(BINARY | RSV1, b"a")]),
    Case::bad("rsv2", "6455 5.2", &[Frame(TEXT | 0x20, b"a")]),
    Case::bad("rsv3", "6455 5.2", &[Frame(TEXT | 0x10, b"a")]),
    Case::bad("all reserved bits", "6455 5.2", &[Frame(TEXT | 0x70, b"a")]),
    Case::bad("rsv1 on a ping", "6455 5.2", &[Frame(PING | RSV1, b"a")]),
    Case::bad("rsv2 on a pong", "6455 5.2", &[Frame(0x8a | 0x20, b"a")]),
    Case::bad("rsv3 on a close", "6455 5.2", &[Frame(0x88 | 0x10, b"\x03\xe8")]),
    Case::failed(
        "rsv1 on a continuation without an agreement",
        "6455 5.2",
        &[Frame(TEXT, b"x"), Frame(TEXT_BEGINS, b"a"), Frame(LAST | RSV1, b"b")],
        &[Text("x")],
        1002,
    ),
    Case::failed(
        "a reserved bit is noticed behind a good message",
        "6455 5.2",
        &[Frame(TEXT, b"a"), Frame(TEXT | 0x10, b"b")],
        &[Text("a")],
        1002,
    ),
];

pub(crate) const OPCODES: &[Case] = &[
    Case::bad("opcode 3", "6455 5.2", &[Frame(0x83, b"a")]),
    Case::bad("opcode 4", "6455 5.2", &[Frame(0x84, b"a")]),
    Case::bad("opcode 5", "6455 5.2", &[Frame(0x85, b"a")]),
    Case::bad("opcode 6", "6455 5.2", &[Frame(0x86, b"a")]),
    Case::bad("opcode 7", "6455 5.2", &[Frame(0x87, b"")]),
    Case::bad("opcode 11", "6455 5.2", &[Frame(0x8b, b"a")]),
    Case::bad("opcode 12", "6455 5.2", &[Frame(0x8c, b"a")]),
    Case::bad("opcode 13", "6455 5.2", &[Frame(0x8d, b"a")]),
    Case::bad("opcode 14", "6455 5.2", &[Frame(0x8e, b"")]),
    Case::bad("opcode 15", "6455 5.2", &[Frame(0x8f, b"a")]),
    Case::bad("opcode 3 without fin", "6455 5.2", &[Frame(0x03, b"a")]),
    Case::bad(
        "an opcode that is unknown within a message",
        "6455 5.2",
        &[Frame(TEXT_BEGINS, b"a"), Frame(0x83, b"b")],
    ),
];

pub(crate) const LENGTHS: &[Case] = &[
    Case::open("empty text", "6455 5.2", &[Frame(TEXT, b"")], &[Text("")]),
    Case::open("empty bytes", "6455 5.2", &[Frame(BINARY, b"")], &[Binary(b"")]),
    Case::open("1 byte", "6455 5.2", &[Filled(BINARY, 7, 1)], &[BinaryOf(7, 1)]),
    Case::open("125 bytes", "6455 5.2", &[Filled(BINARY, 7, 125)], &[BinaryOf(7, 125)]),
    Case::open("126 bytes", "6455 5.2", &[Filled(BINARY, 7, 126)], &[BinaryOf(7, 126)]),
    Case::open("127 bytes", "6455 5.2", &[Filled(BINARY, 7, 127)], &[BinaryOf(7, 127)]),
    Case::open("128 bytes of text", "6455 5.2", &[Filled(TEXT, b'x', 128)], &[TextOf(b'x', 128)]),
    Case::open("256 bytes", "6455 5.7", &[Filled(BINARY, 7, 256)], &[BinaryOf(7, 256)]),
    Case::open("65535 bytes", "6455 5.2", &[Filled(BINARY, 7, 65_535)], &[BinaryOf(7, 65_535)]),
    Case::open("65536 bytes", "6455 5.7", &[Filled(BINARY, 7, 65_536)], &[BinaryOf(7, 65_536)]),
    Case::open("65537 bytes of text", "6455 5.2", &[Filled(TEXT, b'x', 65_537)], &[TextOf(b'x', 65_537)]),
    Case::bad("no bytes in the form of 16 bits", "6455 5.2", &[Bytes(b"\x82\xfe\0\0\0\0\0\0")]),
    Case::bad("125 bytes in the form of 16 bits", "6455 5.2", &[Bytes(b"\x82\xfe\0\x7d\0\0\0\0")]),
    Case::bad("the example of 124 bytes", "6455 5.2", &[Bytes(b"\x81\xfe\0\x7c\0\0\0\0")]),
    Case::bad("no bytes in the form of 64 bits", "6455 5.2", &[Bytes(b"\x82\xff\0\0\0\0\0\0\0\0\0\0\0\0")]),
    Case::bad(
        "125 bytes in the form of 64 bits",
        "6455 5.2",
        &[Bytes(b"\x82\xff\0\0\0\0\0\0\0\x7d\0\0\0\0")],
    ),
    Case::bad(
        "126 bytes in the form of 64 bits",
        "6455 5.2",
        &[Bytes(b"\x82\xff\0\0\0\0\0\0\0\x7e\0\0\0\0")],
    ),
    Case::bad(
        "65535 bytes in the form of 64 bits",
        "6455 5.2",
        &[Bytes(b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0")],
    ),
    Case::bad(
        "a continuation longer written than need be",
        "6455 5.2",
        &[Frame(BINARY_BEGINS, b"a"), Bytes(b"\x80\xfe\0\x01\0\0\0\0")],
    ),
    Case::bad("a length of 64 bits", "6455 5.2", &[Bytes(b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0")]),
    Case::bad(
        "all bits of a length",
        "6455 5.2",
        &[Bytes(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0")],
    ),
    Case::failed(
        "the largest length there is",
        "6455 10.4",
        &[Bytes(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0")],
        &[],
        1009,
    ),
    Case::failed(
        "two lengths whose sum is too large for 64 bits",
        "6455 10.4",
        &[Frame(BINARY_BEGINS, b"a"), Bytes(b"\0\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0")],
        &[],
        1009,
    ),
    Case::open("a header that stops", "6455 5.2", &[Bytes(b"\x82\xff\0\0\0\0")], &[]).cut(),
    Case::open("a mask that stops", "6455 5.2", &[Bytes(b"\x82\x85\x01\x02")], &[]).cut(),
];

pub(crate) const MASKS: &[Case] = &[
    Case::open(
        "the masked Hello",
        "6455 5.7",
        &[Bytes(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")],
        &[Text("Hello")],
    ),
    Case::open("a mask of zeros", "6455 5.3", &[Bytes(b"\x81\x85\0\0\0\0Hello")], &[Text("Hello")]),
    Case::open(
        "a mask of ones",
        "6455 5.3",
        &[Bytes(b"\x82\x83\xff\xff\xff\xff\xff\xfe\xfd")],
        &[Binary(&[0, 1, 2])],
    ),
    Case::open(
        "each frame has a mask of its own",
        "6455 5.3",
        &[Bytes(b"\x01\x82\0\x01\0\0He"), Bytes(b"\x80\x83\0\0\0\0llo")],
        &[Text("Hdllo")],
    ),
    Case::bad("a text without a mask", "6455 5.1", &[Bytes(b"\x81\x05Hello")]),
    Case::bad("bytes without a mask", "6455 5.1", &[Bytes(b"\x82\x01a")]),
    Case::bad("a frame of nothing without a mask", "6455 5.1", &[Bytes(b"\x81\0")]),
    Case::bad("a ping without a mask", "6455 5.1", &[Bytes(b"\x89\0")]),
    Case::bad("a close without a mask", "6455 5.1", &[Bytes(b"\x88\x02\x03\xe8")]),
    Case::bad("a long frame without a mask", "6455 5.1", &[Bytes(b"\x82\x7e\x01\0")]),
    Case::bad("a continuation without a mask", "6455 5.1", &[Frame(TEXT_BEGINS, b"a"), Bytes(b"\x80\x01b")]),
    Case::failed(
        "no mask behind a good message",
        "6455 5.1",
        &[Frame(TEXT, b"a"), Bytes(b"\x81\x01b")],
        &[Text("a")],
        1002,
    ),
];

/// What a server says to the side that has asked.
pub(crate) const AT_CLIENTS: &[Case] = &[
    Case::open("the unmasked Hello", "6455 5.7", &[Bytes(b"\x81\x05Hello")], &[Text("Hello")]).at_client(),
    Case::open(
        "the unmasked Hello in fragments",
        "6455 5.7",
        &[Bytes(b"\x01\x03Hel"), Bytes(b"\x80\x02lo")],
        &[Text("Hello")],
    )
    .at_client(),
    Case::open("the unmasked ping", "6455 5.7", &[Bytes(b"\x89\x05Hello")], &[Pong(b"Hello")]).at_client(),
    Case::open("65536 unmasked bytes", "6455 5.7", &[Filled(BINARY, 7, 65_536)], &[BinaryOf(7, 65_536)])
        .at_client(),
    Case::bad("a mask from a server", "6455 5.1", &[Bytes(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")])
        .at_client(),
    Case::bad("a mask of zeros from a server", "6455 5.1", &[Bytes(b"\x89\x80\0\0\0\0")]).at_client(),
    Case::closed(
        "a close from a server",
        "6455 5.5.1",
        &[Bytes(b"\x88\x02\x03\xe9")],
        &[crate::case::Echo::Close(1001)],
        1001,
        "",
    )
    .at_client(),
];
