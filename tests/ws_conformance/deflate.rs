//! Compressed messages, where that was agreed upon. RFC 7692 6, 7.2.

use taphouse::ws::Agreement;

use crate::case::Case;
use crate::case::Echo::{Binary, BinaryMade, BinaryOf, Close, Pong, Text};
use crate::wire::Sent::{Bytes, Close as CloseFrame, Frame, Made, Part};
use crate::wire::{
    BINARY, BINARY_BEGINS, CLOSE, LAST, MORE, PING, PONG, RSV1, TEXT, TEXT_BEGINS, masked, squeeze,
};

/// Each message by itself, in the largest windows; what is said goes as it is.
pub(crate) const AGREED: Agreement = Agreement {
    server_takeover: false,
    client_takeover: false,
    server_window_bits: 15,
    client_window_bits: 15,
    threshold: usize::MAX,
};

/// The client's compressor remembers.
pub(crate) const REMEMBERED: Agreement = Agreement { client_takeover: true, ..AGREED };

/// All that is not empty is compressed on its way back, by a compressor that remembers.
pub(crate) const BOTH_WAYS: Agreement =
    Agreement { server_takeover: true, client_takeover: true, threshold: 1, ..AGREED };

/// The smallest window that is made here.
const NARROW: Agreement = Agreement { server_window_bits: 9, client_window_bits: 9, threshold: 1, ..AGREED };

const SQUEEZED_TEXT: u8 = TEXT | RSV1;
const SQUEEZED: u8 = BINARY | RSV1;

/// "Hello", as 7.2.3.1 has it.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
/// The same where it was said before, as 7.2.3.2 has it.
const HELLO_AGAIN: &[u8] = b"\xf2\x00\x11\x00\x00";

/// Bytes that do not compress.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// What is 600 bytes long, and comes twice: within 10 bits, beyond 9.
fn twice() -> Vec<u8> {
    noise(600).repeat(2)
}

const fn says(name: &'static str, section: &'static str, sent: &'static [crate::wire::Sent]) -> Case {
    Case::open(name, section, sent, &[Text("Hello")]).agreed(AGREED)
}

pub(crate) const EXAMPLES: &[Case] = &[
    says("one block", "7692 7.2.3.1", &[Frame(SQUEEZED_TEXT, HELLO)]),
    says(
        "one block in two fragments",
        "7692 7.2.3.1",
        &[Frame(TEXT_BEGINS | RSV1, b"\xf2\x48\xcd"), Frame(LAST, b"\xc9\xc9\x07\x00")],
    ),
    Case::open(
        "the window is shared",
        "7692 7.2.3.2",
        &[Frame(SQUEEZED_TEXT, HELLO), Frame(SQUEEZED_TEXT, HELLO_AGAIN)],
        &[Text("Hello"), Text("Hello")],
    )
    .agreed(REMEMBERED),
    Case::open(
        "what was not compressed is not in the window",
        "7692 7.2.3.2",
        &[
            Frame(SQUEEZED_TEXT, HELLO),
            Frame(TEXT, b"something else"),
            Frame(BINARY, b"more"),
            Frame(SQUEEZED_TEXT, HELLO_AGAIN),
        ],
        &[Text("Hello"), Text("something else"), Binary(b"more"), Text("Hello")],
    )
    .agreed(REMEMBERED),
    Case::open(
        "a window that may be shared need not be",
        "7692 7.2.3.2",
        &[Frame(SQUEEZED_TEXT, HELLO), Frame(SQUEEZED_TEXT, HELLO)],
        &[Text("Hello"), Text("Hello")],
    )
    .agreed(REMEMBERED),
    Case::open(
        "no window is shared",
        "7692 7.2.3.2",
        &[Frame(SQUEEZED_TEXT, HELLO), Frame(SQUEEZED_TEXT, HELLO)],
        &[Text("Hello"), Text("Hello")],
    )
    .agreed(AGREED),
    Case::failed(
        "a window is shared against the agreement",
        "7692 7.2.1",
        &[Frame(SQUEEZED_TEXT, HELLO), Frame(SQUEEZED_TEXT, HELLO_AGAIN)],
        &[Text("Hello")],
        1007,
    )
    .agreed(AGREED),
    says("a block without compression", "7692 7.2.3.3", &[Frame(SQUEEZED_TEXT, b"\0\x05\0\xfa\xffHello\0")]),
    says("a last block", "7692 7.2.3.4", &[Frame(SQUEEZED_TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")]),
    Case::open(
        "a message behind a last block",
        "7692 7.2.3.4",
        &[Frame(SQUEEZED_TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), Frame(SQUEEZED_TEXT, HELLO)],
        &[Text("Hello"), Text("Hello")],
    )
    .agreed(REMEMBERED),
    Case::open(
        "a block behind a last block",
        "7692 7.2.1",
        &[Frame(SQUEEZED_TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00")],
        &[Text("HelloHello")],
    )
    .agreed(AGREED),
    says(
        "two blocks",
        "7692 7.2.3.5",
        &[Frame(SQUEEZED_TEXT, b"\xf2\x48\x05\0\0\0\xff\xff\xca\xc9\xc9\x07\0")],
    ),
    Case::open("nothing", "7692 7.2.3.6", &[Frame(SQUEEZED_TEXT, b"\0")], &[Text("")]).agreed(AGREED),
    says(
        "an empty last fragment of its own block",
        "7692 7.2.3.6",
        &[Frame(TEXT_BEGINS | RSV1, b"\xf2\x48\xcd\xc9\xc9\x07\0\0\0\xff\xff"), Frame(LAST, b"\0")],
    ),
    says(
        "a tail that is in the last fragment alone",
        "7692 7.2.1",
        &[Frame(TEXT_BEGINS | RSV1, HELLO), Frame(LAST, b"")],
    ),
    says("one block at a client", "7692 7.2.3.1", &[Bytes(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00")])
        .at_client(),
    says(
        "two frames at a client",
        "7692 7.2.3.1",
        &[Bytes(b"\x41\x03\xf2\x48\xcd"), Bytes(b"\x80\x04\xc9\xc9\x07\x00")],
    )
    .at_client(),
];

pub(crate) const FRAMES: &[Case] = &[
    says("what is not compressed where it could be", "7692 6.1", &[Frame(TEXT, b"Hello")]),
    says(
        "what is not compressed, in fragments",
        "7692 6.1",
        &[Frame(TEXT_BEGINS, b"Hel"), Frame(MORE, b""), Frame(LAST, b"lo")],
    ),
    Case::open(
        "compressed and not, by turns",
        "7692 6.2",
        &[Frame(SQUEEZED_TEXT, HELLO), Frame(TEXT, b"a"), Frame(SQUEEZED, HELLO), Frame(BINARY, b"b")],
        &[Text("Hello"), Text("a"), Binary(b"Hello"), Binary(b"b")],
    )
    .agreed(AGREED),
    Case::bad(
        "rsv1 on a continuation",
        "7692 6.1",
        &[Frame(TEXT_BEGINS | RSV1, b"\xf2\x48\xcd"), Frame(LAST | RSV1, b"\xc9\xc9\x07\x00")],
    )
    .agreed(AGREED),
    Case::bad(
        "rsv1 on a continuation alone",
        "7692 6.1",
        &[Frame(TEXT_BEGINS, b"Hel"), Frame(LAST | RSV1, b"lo")],
    )
    .agreed(AGREED),
    Case::bad("rsv1 on a ping where messages may have it", "7692 6.1", &[Frame(PING | RSV1, b"")])
        .agreed(AGREED),
    Case::bad("rsv1 on a pong where messages may have it", "7692 6.1", &[Frame(PONG | RSV1, b"")])
        .agreed(AGREED),
    Case::bad("rsv1 on a close where messages may have it", "7692 6.1", &[Frame(CLOSE | RSV1, b"\x03\xe8")])
        .agreed(AGREED),
    Case::bad("rsv2 where rsv1 was agreed upon", "6455 5.2", &[Frame(TEXT | 0x20, b"a")]).agreed(AGREED),
    Case::bad("rsv1 and rsv3", "6455 5.2", &[Frame(TEXT | RSV1 | 0x10, HELLO)]).agreed(AGREED),
    Case::open(
        "a ping between compressed fragments",
        "6455 5.4",
        &[
            Frame(TEXT_BEGINS | RSV1, b"\xf2\x48\xcd"),
            Frame(PING, b"1"),
            Frame(MORE, b""),
            Frame(PING, b"2"),
            Frame(LAST, b"\xc9\xc9\x07\x00"),
        ],
        &[Pong(b"1"), Pong(b"2"), Text("Hello")],
    )
    .agreed(AGREED),
    Case::open(
        "control frames are never compressed",
        "7692 6.1",
        &[Frame(PING, b"Hello"), Frame(PING, HELLO)],
        &[Pong(b"Hello"), Pong(HELLO)],
    )
    .agreed(BOTH_WAYS),
    Case::closed(
        "a close within a compressed message",
        "6455 5.4",
        &[Frame(TEXT_BEGINS | RSV1, b"\xf2\x48\xcd"), CloseFrame(1000, b"")],
        &[Close(1000)],
        1000,
        "",
    )
    .agreed(REMEMBERED),
    Case::open(
        "what is said is compressed too",
        "7692 6.1",
        &[Frame(SQUEEZED_TEXT, HELLO), Frame(TEXT, b"Hello"), Frame(TEXT, b""), Frame(SQUEEZED, HELLO_AGAIN)],
        &[Text("Hello"), Text("Hello"), Text(""), Binary(b"Hello")],
    )
    .agreed(BOTH_WAYS),
    Case::open(
        "a large message, compressed both ways",
        "7692 6.1",
        &[Made(|| masked(SQUEEZED, &squeeze(&[7; 300_000])))],
        &[BinaryOf(7, 300_000)],
    )
    .agreed(BOTH_WAYS),
    Case::open(
        "a large message that does not compress",
        "7692 6.1",
        &[Made(|| masked(SQUEEZED, &squeeze(&noise(100_000))))],
        &[BinaryMade(|| noise(100_000))],
    )
    .agreed(BOTH_WAYS),
    Case::open(
        "a small window for what is said",
        "7692 7.1.2.1",
        &[Made(|| masked(BINARY, &twice()))],
        &[BinaryMade(twice)],
    )
    .agreed(NARROW),
    Case::open(
        "a window of 10 bits for what is said",
        "7692 7.1.2.1",
        &[Made(|| masked(BINARY, &noise(1000).repeat(3)))],
        &[BinaryMade(|| noise(1000).repeat(3))],
    )
    .agreed(Agreement { server_window_bits: 10, ..NARROW }),
    Case::open(
        "the largest window for what comes",
        "7692 7.2.2",
        &[Made(|| masked(SQUEEZED, &squeeze(&noise(32_000).repeat(2))))],
        &[BinaryMade(|| noise(32_000).repeat(2))],
    )
    .agreed(AGREED),
];

const fn bad(name: &'static str, sent: &'static [crate::wire::Sent]) -> Case {
    Case::failed(name, "7692 7.2.2", sent, &[], 1007).agreed(AGREED)
}

pub(crate) const GARBAGE: &[Case] = &[
    bad("a block of a type that is none", &[Frame(SQUEEZED, b"\xff\xff\xff\xff")]),
    bad("a type that is none, before the frame ends", &[Part(SQUEEZED, 1000, b"\xff\xff\xff\xff")]),
    bad("a type that is none, before the message ends", &[Frame(BINARY_BEGINS | RSV1, b"\xff\xff\xff\xff")]),
    bad("a block whose length is not confirmed", &[Frame(SQUEEZED, b"\0\x05\0\xfa\xfeHello\0")]),
    bad("a distance to before the beginning", &[Frame(SQUEEZED, HELLO_AGAIN)]),
    bad("a text that is not compressed at all", &[Frame(SQUEEZED_TEXT, b"Hello")]),
    bad("a message cut within a stored block", &[Frame(SQUEEZED, b"\x00\x09\x00\xf6\xffHel")]),
    bad("a message cut within a compressed block", &[Frame(SQUEEZED, b"\xf2\x48\xcd\xc9")]),
    bad("a message cut before its first block is whole", &[Frame(SQUEEZED, b"\xf2")]),
    bad("garbage behind a good block", &[Frame(TEXT_BEGINS | RSV1, HELLO), Frame(LAST, b"\xff\xff\xff\xff")]),
    bad("a message that ends within a block", &[Frame(SQUEEZED, b"\0\x05\0\xfa\xffHel")]),
    Case::failed(
        "garbage behind a good message",
        "7692 7.2.2",
        &[Frame(SQUEEZED_TEXT, HELLO), Frame(SQUEEZED, b"\x07")],
        &[Text("Hello")],
        1007,
    )
    .agreed(REMEMBERED),
    Case::failed(
        "a compressed text that is not UTF-8",
        "7692 6.1",
        &[Frame(SQUEEZED_TEXT, b"\0\x02\0\xfd\xffa\xff\0")],
        &[],
        1007,
    )
    .agreed(AGREED),
    Case::failed(
        "a compressed text that is not UTF-8, before it ends",
        "7692 6.1",
        &[Part(TEXT_BEGINS | RSV1, 99, b"\0\x05\0\xfa\xffa\xff")],
        &[],
        1007,
    )
    .agreed(AGREED),
    Case::failed(
        "a compressed text that ends within a character",
        "7692 6.1",
        &[Frame(SQUEEZED_TEXT, b"\0\x02\0\xfd\xff\xe2\x82\0")],
        &[],
        1007,
    )
    .agreed(AGREED),
    Case::open(
        "a character in two compressed frames",
        "7692 6.1",
        &[Frame(TEXT_BEGINS | RSV1, b"\0\x03\0\xfc\xff\xe2\x82"), Frame(LAST, b"\xac\0")],
        &[Text("\u{20ac}")],
    )
    .agreed(AGREED),
    Case::open(
        "compressed bytes are not judged as text",
        "7692 6.1",
        &[Frame(SQUEEZED, b"\0\x02\0\xfd\xff\xe2\xff\0")],
        &[Binary(b"\xe2\xff")],
    )
    .agreed(AGREED),
    Case::open("a compressed message that stops", "7692 6.2", &[Frame(TEXT_BEGINS | RSV1, HELLO)], &[])
        .agreed(AGREED)
        .cut(),
];
