//! The chunked coding: sizes, extensions, data, trailers. RFC 9112 7.1.

use crate::case::Case;
use crate::case::Raw::{Chunks, Made};

pub(crate) const SIZES: &[Case] = &[
    Case::kept("last chunk alone", "9112 7.1", Chunks(b"0\r\n\r\n"), &[200]).body(b""),
    Case::kept("last chunk of zeros", "9112 7.1", Chunks(b"000\r\n\r\n"), &[200]).body(b""),
    Case::kept(
        "some chunks",
        "9112 7.1",
        Chunks(
            b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\
        \r\n",
        ),
        &[200],
    )
    .body(b"hello world"),
    Case::kept("size in capitals", "9112 7.1", Chunks(b"B\r\nhello world\r\n0\r\n\r\n"), &[200])
        .body(b"hello world"),
    Case::kept("size in small letters", "9112 7.1", Chunks(b"b\r\nhello world\r\n0\r\n\r\n"), &[200])
        .body(b"hello world"),
    Case::kept("size with leading zeros", "9112 7.1", Chunks(b"0005\r\nhello\r\n0\r\n\r\n"), &[200])
        .body(b"hello"),
    Case::kept(
        "size of twenty digits",
        "9112 7.1",
        Chunks(b"00000000000000000005\r\nhello\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"hello"),
    Case::kept("last chunk of twenty zeros", "9112 7.1", Chunks(b"00000000000000000000\r\n\r\n"), &[200]),
    Case::bad("size of 2^64", "9112 7.1", Chunks(b"10000000000000000\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size of 2^64 + 5", "9112 7.1", Chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    Case::bad(
        "size of 2^32 times 2^32 + 5",
        "9112 7.1",
        Chunks(b"100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n"),
    ),
    Case::bad("no size", "9112 7.1", Chunks(b"\r\nhello\r\n0\r\n\r\n")),
    Case::bad("no size but an extension", "9112 7.1", Chunks(b";a=b\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size with plus", "9112 7.1", Chunks(b"+5\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size with minus", "9112 7.1", Chunks(b"-5\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size minus zero", "9112 7.1", Chunks(b"-0\r\n\r\n")),
    Case::bad("size with 0x", "9112 7.1", Chunks(b"0x5\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size with h", "9112 7.1", Chunks(b"5h\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size with underscore", "9112 7.1", Chunks(b"0_5\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size in quotes", "9112 7.1", Chunks(b"\"5\"\r\nhello\r\n0\r\n\r\n")),
    Case::bad("space before a size", "9112 7.1", Chunks(b" 5\r\nhello\r\n0\r\n\r\n")),
    Case::bad("tab before a size", "9112 7.1", Chunks(b"\t5\r\nhello\r\n0\r\n\r\n")),
    Case::bad("space behind a size", "9112 7.1", Chunks(b"5 \r\nhello\r\n0\r\n\r\n")),
    Case::bad("tab behind a size", "9112 7.1", Chunks(b"5\t\r\nhello\r\n0\r\n\r\n")),
    Case::bad("space behind the last size", "9112 7.1", Chunks(b"0 \r\n\r\n")),
    Case::bad("two sizes", "9112 7.1", Chunks(b"5 5\r\nhello\r\n0\r\n\r\n")),
    Case::bad("comma behind a size", "9112 7.1", Chunks(b"5,\r\nhello\r\n0\r\n\r\n")),
    Case::bad("fraction of a size", "9112 7.1", Chunks(b"5.0\r\nhello\r\n0\r\n\r\n")),
    Case::bad("size of a letter", "9112 7.1", Chunks(b"g\r\nhello\r\n0\r\n\r\n")),
    Case::bad("digit beyond ASCII", "9112 7.1", Chunks(b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n")),
    Case::bad("NUL behind a size", "9112 7.1", Chunks(b"5\0\r\nhello\r\n0\r\n\r\n")),
    Case::kept(
        "an extension",
        "9112 7.1.1",
        Chunks(
            b"5;a=b\r\nhello\r\n0;c\r\n\
        \r\n",
        ),
        &[200],
    )
    .body(b"hello"),
    Case::kept(
        "an extension in white space",
        "9112 7.1.1",
        Chunks(b"5 ; a = b\t;\tc\r\nhello\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"hello"),
    Case::kept(
        "an extension in quotes",
        "9112 7.1.1",
        Chunks(b"5;a=\"b;\\\"c\"\r\nhello\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"hello"),
    Case::kept(
        "an extension beyond ASCII",
        "9112 7.1.1",
        Chunks(b"5;a=\"\xc3\xa9\"\r\nhello\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"hello"),
    Case::bad("an extension with a NUL", "9112 7.1.1", Chunks(b"5;a=\0\r\nhello\r\n0\r\n\r\n")),
    Case::bad("an extension with a bare LF", "9112 7.1.1", Chunks(b"5;a\nhello\r\n0\r\n\r\n")),
    Case::bad("an extension with a bare CR", "9112 7.1.1", Chunks(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    Case::bad("an extension without a name", "9112 7.1.1", Chunks(b"5;\r\nhello\r\n0\r\n\r\n")),
    Case::bad("an extension of two words", "9112 7.1.1", Chunks(b"5;a b\r\nhello\r\n0\r\n\r\n")),
    Case::bad("an extension with an open quote", "9112 7.1.1", Chunks(b"5;a=\"\r\nhello\r\n0\r\n\r\n")),
];

pub(crate) const DATA: &[Case] = &[
    Case::kept("a chunk of line ends", "9112 7.1", Chunks(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), &[200])
        .body(b"\r\n0\r\n\r\n"),
    Case::bad("a chunk longer than its size", "9112 7.1", Chunks(b"5\r\nhello!\r\n0\r\n\r\n")),
    Case::bad("a chunk shorter than its size", "9112 7.1", Chunks(b"5\r\nhell\r\n0\r\n\r\n")),
    Case::bad("no line end behind a chunk", "9112 7.1", Chunks(b"5\r\nhello0\r\n\r\n")),
    Case::bad("bare LF behind a chunk", "9112 7.1", Chunks(b"5\r\nhello\n0\r\n\r\n")),
    Case::bad("bare CR behind a chunk", "9112 7.1", Chunks(b"5\r\nhello\r0\r\n\r\n")),
    Case::bad("two line ends behind a chunk", "9112 7.1", Chunks(b"5\r\nhello\r\n\r\n0\r\n\r\n")),
    Case::bad("two letters for a line end", "9112 7.1", Chunks(b"5\r\nhelloXX0\r\n\r\n")),
    Case::bad("bare LF behind a size", "9112 7.1", Chunks(b"5\nhello\r\n0\r\n\r\n")),
    Case::bad("bare CR behind a size", "9112 7.1", Chunks(b"5\rhello\r\n0\r\n\r\n")),
    Case::bad("two CRs behind a size", "9112 7.1", Chunks(b"5\r\r\nhello\r\n0\r\n\r\n")),
    Case::bad("bare LF behind the last size", "9112 7.1", Chunks(b"0\n\r\n")),
    Case::bad("bare LF at the end", "9112 7.1", Chunks(b"0\r\n\n")),
    Case::bad("bare CR at the end", "9112 7.1", Chunks(b"0\r\n\rX")),
    Case::bad(
        "a request in place of a chunk",
        "9112 11.2",
        Chunks(
            b"GET /evil HTTP/1.1\r\n\
        Host: a\r\n\r\n",
        ),
    ),
    Case::bad(
        "a request in place of the last line",
        "9112 11.2",
        Chunks(
            b"0\r\n\
        GET /evil HTTP/1.1\r\n\r\n",
        ),
    ),
];

pub(crate) const TRAILERS: &[Case] = &[
    Case::kept("a trailer", "9112 7.1.2", Chunks(b"1\r\na\r\n0\r\nX: y\r\n\r\n"), &[200]).body(b"a"),
    Case::kept("some trailers", "9112 7.1.2", Chunks(b"0\r\nX: y\r\nX:z\r\nY:\r\nZ: \t \r\n\r\n"), &[200]),
    Case::kept("a trailer beyond ASCII", "9110 5.5", Chunks(b"0\r\nX: \xc3\xa9\r\n\r\n"), &[200]),
    Case::kept(
        "a length among the trailers",
        "9110 6.5.1",
        Chunks(b"1\r\na\r\n0\r\nContent-Length: 33\r\n\r\n"),
        &[200],
    )
    .body(b"a"),
    Case::kept(
        "a coding among the trailers",
        "9110 6.5.1",
        Chunks(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        &[200],
    ),
    Case::kept("close among the trailers", "9110 6.5.1", Chunks(b"0\r\nConnection: close\r\n\r\n"), &[200])
        .lacks(&["Connection: close"]),
    Case::kept(
        "a type among the trailers",
        "9110 6.5.1",
        Chunks(b"1\r\na\r\n0\r\nContent-Type: text/html\r\n\r\n"),
        &[200],
    )
    .lacks(&["text/html"]),
    Case::bad("a trailer without a colon", "9112 7.1.2", Chunks(b"0\r\nX\r\n\r\n")),
    Case::bad("a trailer without a name", "9112 7.1.2", Chunks(b"0\r\n: y\r\n\r\n")),
    Case::bad("a trailer with a space before its colon", "9112 5.1", Chunks(b"0\r\nX : y\r\n\r\n")),
    Case::bad("a folded trailer", "9112 5.2", Chunks(b"0\r\nX: y\r\n z\r\n\r\n")),
    Case::bad("a space before the first trailer", "9112 5.2", Chunks(b"0\r\n X: y\r\n\r\n")),
    Case::bad("NUL in a trailer", "9110 5.5", Chunks(b"0\r\nX: \0\r\n\r\n")),
    Case::bad("escape in a trailer", "9110 5.5", Chunks(b"0\r\nX: \x1b\r\n\r\n")),
    Case::bad("bare LF in a trailer", "9112 2.2", Chunks(b"0\r\nX: y\nY: z\r\n\r\n")),
    Case::bad("bare CR in a trailer", "9112 2.2", Chunks(b"0\r\nX: y\rz\r\n\r\n")),
    Case::kept("as many trailers as may be", "9112 7.1.2", Made(|| with_trailers(8, 1024)), &[200]),
    Case::last("too many trailers", "6585 5", Made(|| with_trailers(9, 1024)), &[431]),
    Case::kept("one long trailer", "9112 7.1.2", Made(|| with_trailers(1, 5000)), &[200]),
    Case::last("one trailer that is too long", "6585 5", Made(|| with_trailers(1, 9000)), &[431]),
    Case::kept("as long a size line as may be", "9112 7.1.1", Made(|| with_extension(4096)), &[200]),
    Case::kept("a long size line", "9112 7.1.1", Made(|| with_extension(4095)), &[200]),
    Case::bad("a size line that is too long", "9112 7.1.1", Made(|| with_extension(4097))),
    Case::bad(
        "a size of very many digits",
        "9112 7.1",
        Made(|| [&Chunks(b"").bytes()[..], &[b'0'; 5000]].concat()),
    ),
];

/// An empty body with trailers of `len` bytes each, without their line ends.
fn with_trailers(count: usize, len: usize) -> Vec<u8> {
    let trailer = [b"X: ", &vec![b'y'; len - 3][..], b"\r\n"].concat();
    [&Chunks(b"0\r\n").bytes()[..], &trailer.repeat(count), b"\r\n"].concat()
}

/// A chunk whose size line has `len` bytes, without its line end.
fn with_extension(len: usize) -> Vec<u8> {
    [&Chunks(b"1;").bytes()[..], &vec![b'x'; len - 2], b"\r\na\r\n0\r\n\r\n"].concat()
}
