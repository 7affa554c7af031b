//! Where a request's body ends: Content-Length, Transfer-Encoding, and all that smuggles. RFC 9112 6, 11.2.

use crate::case::Case;
use crate::case::Raw::{Bytes, Echo, Made};

pub(crate) const LENGTHS: &[Case] = &[
    Case::kept("a length", "9112 6.2", Echo(b"Content-Length: 5", b"hello"), &[200]).body(b"hello"),
    Case::kept("length zero", "9110 8.6", Echo(b"Content-Length: 0", b""), &[200]).body(b""),
    Case::kept("no length is no body", "9112 6.3", Echo(b"X: y", b""), &[200]).body(b""),
    Case::kept("a length with leading zeros", "9110 8.6", Echo(b"Content-Length: 0005", b"hello"), &[200])
        .body(b"hello"),
    Case::kept(
        "a length with white space around it",
        "9112 5.1",
        Echo(b"Content-Length: \t5 \t", b"hello"),
        &[200],
    )
    .body(b"hello"),
    Case::kept("a body of line ends", "9112 6.3", Echo(b"Content-Length: 8", b"\r\n\r\n\n\r\0\0"), &[200])
        .body(b"\r\n\r\n\n\r\0\0"),
    Case::bad(
        "the same length twice",
        "9112 6.3",
        Echo(
            b"Content-Length: 5\r\n\
        Content-Length: 5",
            b"hello",
        ),
    ),
    Case::bad("two lengths", "9112 6.3", Echo(b"Content-Length: 5\r\nContent-Length: 6", b"hello!")),
    Case::bad(
        "two lengths far apart",
        "9112 6.3",
        Echo(b"Content-Length: 0\r\nX: y\r\ncontent-length: 5", b"hello"),
    ),
    Case::bad("a list of one length", "9110 8.6", Echo(b"Content-Length: 5, 5", b"hello")),
    Case::bad("a list of two lengths", "9112 6.3", Echo(b"Content-Length: 5, 6", b"hello!")),
    Case::bad("a length and a comma", "9110 8.6", Echo(b"Content-Length: 5,", b"hello")),
    Case::bad("two lengths and a space", "9110 8.6", Echo(b"Content-Length: 5 5", b"hello")),
    Case::bad("empty length", "9110 8.6", Echo(b"Content-Length:", b"")),
    Case::bad(
        "empty length and another",
        "9110 8.6",
        Echo(b"Content-Length:\r\nContent-Length: 5", b"hello"),
    ),
    Case::bad("a length with plus", "9110 8.6", Echo(b"Content-Length: +5", b"hello")),
    Case::bad("a length with minus", "9110 8.6", Echo(b"Content-Length: -5", b"hello")),
    Case::bad("minus zero", "9110 8.6", Echo(b"Content-Length: -0", b"")),
    Case::bad("hexadecimal length", "9110 8.6", Echo(b"Content-Length: 0x5", b"hello")),
    Case::bad("hexadecimal digit", "9110 8.6", Echo(b"Content-Length: a", b"hellohello")),
    Case::bad("fraction", "9110 8.6", Echo(b"Content-Length: 5.0", b"hello")),
    Case::bad("exponent", "9110 8.6", Echo(b"Content-Length: 5e0", b"hello")),
    Case::bad("underscore between digits", "9110 8.6", Echo(b"Content-Length: 1_0", b"hellohello")),
    Case::bad("a length in quotes", "9110 8.6", Echo(b"Content-Length: \"5\"", b"hello")),
    Case::bad("a length with a parameter", "9110 8.6", Echo(b"Content-Length: 5;a=b", b"hello")),
    Case::bad("a length and letters", "9110 8.6", Echo(b"Content-Length: 5bytes", b"hello")),
    Case::bad("digits beyond ASCII", "9110 8.6", Echo(b"Content-Length: \xef\xbc\x95", b"hello")),
    Case::bad("no-break space before a length", "9110 8.6", Echo(b"Content-Length: \xa05", b"hello")),
    Case::bad("a length of 2^64", "9110 8.6", Echo(b"Content-Length: 18446744073709551616", b"hello")),
    Case::bad("a length of 2^64 + 5", "9110 8.6", Echo(b"Content-Length: 18446744073709551621", b"hello")),
    Case::bad(
        "a length of forty digits",
        "9110 8.6",
        Echo(b"Content-Length: 5000000000000000000000000000000000000005", b"hello"),
    ),
    Case::last(
        "a length of 2^64 - 1",
        "9110 8.6",
        Echo(b"Content-Length: 18446744073709551615", b"hello"),
        &[413],
    ),
];

pub(crate) const CODINGS: &[Case] = &[
    Case::kept(
        "chunked",
        "9112 6.1",
        Echo(b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"hello"),
    Case::kept(
        "chunked in another case",
        "9112 7",
        Echo(b"TRANSFER-ENCODING: ChUnKeD", b"1\r\na\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"a"),
    Case::kept(
        "chunked without a space",
        "9112 5.1",
        Echo(b"Transfer-Encoding:chunked", b"1\r\na\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"a"),
    Case::kept(
        "chunked in white space",
        "9112 5.1",
        Echo(b"Transfer-Encoding: \tchunked\t ", b"0\r\n\r\n"),
        &[200],
    ),
    Case::bad(
        "length and coding",
        "9112 6.1",
        Echo(b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    ),
    Case::bad(
        "coding and length",
        "9112 6.1",
        Echo(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    ),
    Case::bad(
        "coding and length zero",
        "9112 6.1",
        Echo(b"Transfer-Encoding: chunked\r\nContent-Length: 0", b"0\r\n\r\n"),
    ),
    Case::bad(
        "coding and a bad length",
        "9112 6.1",
        Echo(b"Transfer-Encoding: chunked\r\nContent-Length: x", b"0\r\n\r\n"),
    ),
    Case::bad(
        "empty coding and length",
        "9112 6.1",
        Echo(b"Transfer-Encoding:\r\nContent-Length: 5", b"hello"),
    ),
    Case::bad(
        "unknown coding and length",
        "9112 6.1",
        Echo(b"Transfer-Encoding: x\r\nContent-Length: 5", b"hello"),
    ),
    Case::bad(
        "coding in 1.0",
        "9112 6.1",
        Bytes(b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ),
    Case::bad(
        "coding and length in 1.0",
        "9112 6.1",
        Bytes(b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ),
    Case::bad(
        "coding in kept 1.0",
        "9112 6.1",
        Bytes(
            b"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ),
    Case::last(
        "gzip, then chunked",
        "9112 6.1",
        Echo(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
        &[501],
    ),
    Case::last(
        "gzip and chunked on two lines",
        "9112 6.1",
        Echo(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        &[501],
    ),
    Case::last(
        "identity, then chunked",
        "9112 6.1",
        Echo(b"Transfer-Encoding: identity, chunked", b"0\r\n\r\n"),
        &[501],
    ),
    Case::bad("gzip alone", "9112 6.3", Echo(b"Transfer-Encoding: gzip", b"0\r\n\r\n")),
    Case::bad("identity alone", "9112 6.3", Echo(b"Transfer-Encoding: identity", b"")),
    Case::bad("chunked, then gzip", "9112 6.3", Echo(b"Transfer-Encoding: chunked, gzip", b"0\r\n\r\n")),
    Case::bad(
        "chunked, then identity",
        "9112 6.3",
        Echo(b"Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
    ),
    Case::bad(
        "chunked, then identity on two lines",
        "9112 6.3",
        Echo(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"0\r\n\r\n"),
    ),
    Case::bad("chunked twice", "9112 6.1", Echo(b"Transfer-Encoding: chunked, chunked", b"0\r\n\r\n")),
    Case::bad(
        "chunked twice on two lines",
        "9112 6.1",
        Echo(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    ),
    Case::bad(
        "chunked around gzip",
        "9112 6.1",
        Echo(b"Transfer-Encoding: chunked, gzip, chunked", b"0\r\n\r\n"),
    ),
    Case::bad("empty coding", "9112 6.3", Echo(b"Transfer-Encoding:", b"0\r\n\r\n")),
    Case::bad("coding of commas", "9112 6.3", Echo(b"Transfer-Encoding: ,,", b"0\r\n\r\n")),
    Case::bad("comma behind chunked", "9112 11.2", Echo(b"Transfer-Encoding: chunked,", b"0\r\n\r\n")),
    Case::bad("comma before chunked", "9112 11.2", Echo(b"Transfer-Encoding: ,chunked", b"0\r\n\r\n")),
    Case::bad("chunked with a parameter", "9112 7.1", Echo(b"Transfer-Encoding: chunked;q=1", b"0\r\n\r\n")),
    Case::bad("chunked and a semicolon", "9112 7.1", Echo(b"Transfer-Encoding: chunked;", b"0\r\n\r\n")),
    Case::bad("chunked in quotes", "9112 6.3", Echo(b"Transfer-Encoding: \"chunked\"", b"0\r\n\r\n")),
    Case::bad("a prefix of chunked", "9112 6.3", Echo(b"Transfer-Encoding: chunke", b"0\r\n\r\n")),
    Case::bad("a suffix behind chunked", "9112 6.3", Echo(b"Transfer-Encoding: chunkedx", b"0\r\n\r\n")),
    Case::bad("a letter before chunked", "9112 6.3", Echo(b"Transfer-Encoding: xchunked", b"0\r\n\r\n")),
    Case::bad("a space inside chunked", "9112 6.3", Echo(b"Transfer-Encoding: chun ked", b"0\r\n\r\n")),
    Case::bad(
        "vertical tab before chunked",
        "9112 11.2",
        Echo(b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n"),
    ),
    Case::bad("form feed behind chunked", "9112 11.2", Echo(b"Transfer-Encoding: chunked\x0c", b"0\r\n\r\n")),
    Case::bad(
        "no-break space before chunked",
        "9112 11.2",
        Echo(b"Transfer-Encoding: \xa0chunked", b"0\r\n\r\n"),
    ),
    Case::bad("NUL behind chunked", "9112 11.2", Echo(b"Transfer-Encoding: chunked\0", b"0\r\n\r\n")),
    Case::bad(
        "a Kelvin sign for the k of chunked",
        "9112 11.2",
        Echo(b"Transfer-Encoding: chun\xe2\x84\xaaed", b"0\r\n\r\n"),
    ),
    Case::last(
        "underscore in the name is another field",
        "9112 11.2",
        Echo(b"Transfer_Encoding: chunked", b"0\r\n\r\n"),
        &[200, 400],
    ),
    Case::kept(
        "coding of a GET",
        "9112 6.3",
        Bytes(b"GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        &[200],
    )
    .body(b"Hello, world!"),
];

pub(crate) const BODIES: &[Case] = &[
    Case::kept(
        "a request inside a body nobody wants",
        "9112 9.3",
        Bytes(
            b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /evil HTTP/1.1\r\n\
            Host: evil\r\n\r\n",
        ),
        &[200],
    ),
    Case::kept(
        "a request inside a body that is wanted",
        "9112 6.3",
        Echo(b"Content-Length: 34", b"GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n"),
        &[200],
    )
    .body(b"GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n"),
    Case::kept(
        "a request inside a chunk nobody wants",
        "9112 9.3",
        Bytes(
            b"POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n22\r\n\
            GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n\r\n0\r\n\r\n",
        ),
        &[405],
    ),
    Case::kept(
        "a request inside the body of a 404",
        "9112 9.3",
        Bytes(
            b"PUT /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n\
            GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
        ),
        &[404],
    ),
    Case::kept(
        "a body of HEAD is read and thrown away",
        "9110 9.3.2",
        Bytes(
            b"HEAD /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /evil HTTP/1.1\r\n\
            Host: evil\r\n\r\n",
        ),
        &[200],
    )
    .head_only(),
    Case::kept(
        "a body of OPTIONS is read and thrown away",
        "9110 9.3.7",
        Bytes(
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /evil HTTP/1.1\r\n\
            Host: evil\r\n\r\n",
        ),
        &[204],
    ),
    Case::last(
        "a request behind a refused body is not read",
        "9112 11.2",
        Echo(
            b"Content-Length: 4\r\nTransfer-Encoding: chunked",
            b"5c\r\nGET /evil HTTP/1.1\r\n\
            Host: evil\r\n\r\n",
        ),
        &[400],
    ),
    Case::last(
        "a malformed body that nobody wants ends the connection",
        "9112 9.3",
        Bytes(
            b"POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\
            GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
        ),
        &[405],
    )
    .has(&[]),
    Case::kept("as much as is thrown away", "9112 9.3", Made(|| unwanted(256 << 10)), &[200]),
    Case::last("more than is thrown away", "9112 9.3", Made(|| unwanted((256 << 10) + 1)), &[200]),
    Case::last("chunks of more than is thrown away", "9112 9.3", Made(unwanted_chunks), &[405]).has(&[]),
    Case::last(
        "an unwanted body of 2^64 - 1",
        "9112 9.3",
        Bytes(
            b"GET /hello HTTP/1.1\r\n\
        Host: a\r\nContent-Length: 18446744073709551615\r\n\r\nabc",
        ),
        &[200],
    ),
];

fn unwanted(len: usize) -> Vec<u8> {
    let head = format!("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
    [head.as_bytes(), &b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n".repeat(len / 31 + 1)[..len]].concat()
}

fn unwanted_chunks() -> Vec<u8> {
    let head = b"PATCH /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"1000\r\n", &[b'x'; 4096][..], b"\r\n"].concat();
    [&head[..], &chunk.repeat(65), b"0\r\n\r\n"].concat()
}
