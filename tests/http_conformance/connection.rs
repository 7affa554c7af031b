//! Whether a connection goes on, pipelines, and expectations. RFC 9112 9, RFC 9110 7.6.1, 10.1.1.

use crate::case::Case;
use crate::case::Raw::{Bytes, Echo, Fields};

const CLOSE: &[&str] = &["\r\nConnection: close\r\n"];
const KEEP: &[&str] = &["\r\nConnection: keep-alive\r\n"];

pub(crate) const PERSISTENCE: &[Case] = &[
    Case::kept("1.1 goes on", "9112 9.3", Fields(b"X: y"), &[200]).lacks(&["Connection:"]),
    Case::kept("1.1 with keep-alive", "9112 9.3", Fields(b"Connection: keep-alive"), &[200]),
    Case::last("close", "9112 9.6", Fields(b"Connection: close"), &[200]).body(b"Hello, world!"),
    Case::last("close in another case", "9110 7.6.1", Fields(b"CONNECTION: Close"), &[200]),
    Case::last("close in a list", "9110 7.6.1", Fields(b"Connection: foo ,\tclose, bar"), &[200]),
    Case::last("close among empty elements", "9110 5.6.1.2", Fields(b"Connection: ,, ,close,"), &[200]),
    Case::last(
        "close on a second line",
        "9110 5.2",
        Fields(
            b"Connection: foo\r\n\
        Connection: close",
        ),
        &[200],
    ),
    Case::last("close wins over keep-alive", "9112 9.3", Fields(b"Connection: keep-alive, close"), &[200]),
    Case::last("close before keep-alive", "9112 9.3", Fields(b"Connection: close, keep-alive"), &[200]),
    Case::kept("closed is not close", "9110 7.6.1", Fields(b"Connection: closed"), &[200]),
    Case::kept("close in quotes is not close", "9110 7.6.1", Fields(b"Connection: \"close\""), &[200]),
    Case::kept("the field Close says nothing", "9112 9.6", Fields(b"Close: close"), &[200]),
    Case::kept("Proxy-Connection says nothing", "9110 7.6.1", Fields(b"Proxy-Connection: close"), &[200]),
    Case::kept("Keep-Alive says nothing", "9110 7.6.1", Fields(b"Keep-Alive: timeout=1, max=1"), &[200]),
    Case::kept(
        "an upgrade can be ignored",
        "9110 7.8",
        Fields(b"Connection: upgrade\r\nUpgrade: h2c"),
        &[200],
    )
    .body(b"Hello, world!"),
    Case::kept(
        "host as a connection option removes no host",
        "9110 7.6.1",
        Fields(b"Connection: host"),
        &[200],
    ),
    Case::kept(
        "length as a connection option removes no length",
        "9110 7.6.1",
        Echo(b"Connection: content-length\r\nContent-Length: 5", b"hello"),
        &[200],
    )
    .body(b"hello"),
    Case::last(
        "close with a body",
        "9112 9.6",
        Echo(b"Connection: close\r\nContent-Length: 5", b"hello"),
        &[200],
    )
    .body(b"hello"),
    Case::last(
        "close with a body nobody wants",
        "9112 9.6",
        Bytes(b"POST /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
        &[405],
    ),
    Case::last("1.0 ends", "9112 9.3", Bytes(b"GET /hello HTTP/1.0\r\nHost: a\r\n\r\n"), &[200]).has(CLOSE),
    Case::kept(
        "1.0 with keep-alive",
        "9112 9.3",
        Bytes(b"GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
        &[200],
    )
    .has(KEEP),
    Case::last(
        "1.0 with both",
        "9112 9.3",
        Bytes(b"GET /hello HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"),
        &[200],
    ),
    Case::kept(
        "1.0 with a body",
        "9112 9.3",
        Bytes(b"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"),
        &[200],
    )
    .has(KEEP)
    .body(b"hello"),
    Case::last(
        "1.0 with the length of a body only",
        "9112 9.3",
        Bytes(b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"),
        &[200],
    )
    .body(b"hello"),
    Case::kept(
        "an error on a kept 1.0 connection",
        "9112 9.3",
        Bytes(b"GET /nothing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        &[404],
    )
    .has(KEEP),
    Case::kept(
        "204 on a kept 1.0 connection",
        "9112 9.3",
        Bytes(b"OPTIONS /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        &[204],
    )
    .has(KEEP),
];

pub(crate) const PIPELINES: &[Case] = &[
    Case::kept(
        "three requests in order",
        "9112 9.3.2",
        Bytes(
            b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/x HTTP/1.1\r\nHost: a\r\n\r\n\
            GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        &[404, 422, 200],
    )
    .body(b"Hello, world!"),
    Case::kept(
        "bodies between requests",
        "9112 9.3.2",
        Bytes(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\
            1\nPUT /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\
                \r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        &[200, 200, 204],
    ),
    Case::kept(
        "an empty line behind a body",
        "9112 2.2",
        Bytes(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n\
            GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        &[200, 200],
    ),
    Case::last(
        "nothing behind close",
        "9112 9.6",
        Bytes(
            b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\
            GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        &[200],
    ),
    Case::last(
        "nothing behind 1.0",
        "9112 9.3",
        Bytes(b"GET /hello HTTP/1.0\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    ),
    Case::last(
        "nothing behind a refusal",
        "9112 11.2",
        Bytes(
            b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\n\r\n\
            GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        &[200, 400],
    ),
    Case::last(
        "garbage behind a request",
        "9112 2.2",
        Bytes(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n\0\0\0\0"),
        &[200, 400],
    ),
    Case::last(
        "a body longer than its length is the next request",
        "9112 6.3",
        Echo(b"Content-Length: 2", b"hi there\r\n\r\n"),
        &[200, 400],
    ),
    Case::last(
        "1.1, then 1.0",
        "9112 9.3",
        Bytes(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.0\r\n\r\n"),
        &[200, 200],
    ),
    Case::kept(
        "large answers in order",
        "9112 9.3.2",
        Bytes(
            b"GET /bytes/70000 HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/65536 HTTP/1.1\r\n\
            Host: a\r\n\r\nGET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        &[200, 200, 200],
    )
    .body(b"\0\x01\x02"),
    Case::last(
        "close with a large answer",
        "9112 9.6",
        Bytes(
            b"GET /bytes/70000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\
            GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        &[200],
    ),
    Case::kept(
        "an unwanted body behind a large answer",
        "9112 9.3",
        Bytes(
            b"GET /bytes/70000 HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n\
            GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
        ),
        &[200],
    ),
];

pub(crate) const EXPECTATIONS: &[Case] = &[
    Case::kept(
        "continue before a body of known length",
        "9110 10.1.1",
        Echo(b"Expect: 100-continue\r\nContent-Length: 5", b"hello"),
        &[200],
    )
    .continues()
    .body(b"hello"),
    Case::kept(
        "continue before chunks",
        "9110 10.1.1",
        Echo(b"Expect: 100-continue\r\nTransfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
        &[200],
    )
    .continues()
    .body(b"hello"),
    Case::kept(
        "expectations have no case",
        "9110 10.1.1",
        Echo(b"expect: 100-Continue\r\nContent-Length: 5", b"hello"),
        &[200],
    )
    .continues(),
    Case::last(
        "continue, then close",
        "9110 10.1.1",
        Echo(b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 5", b"hello"),
        &[200],
    )
    .continues(),
    Case::kept(
        "no body, no continue",
        "9110 10.1.1",
        Echo(b"Expect: 100-continue\r\nContent-Length: 0", b""),
        &[200],
    ),
    Case::kept("no length, no continue", "9110 10.1.1", Echo(b"Expect: 100-continue", b""), &[200]),
    Case::kept("no continue for a GET", "9110 10.1.1", Fields(b"Expect: 100-continue"), &[200]),
    Case::last(
        "1.0 gets no continue",
        "9110 10.1.1",
        Bytes(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
        &[200],
    )
    .body(b"hello"),
    Case::last(
        "too large a body is refused in the place of continue",
        "9110 10.1.1",
        Echo(b"Expect: 100-continue\r\nContent-Length: 8388609", b"hello"),
        &[413],
    ),
    Case::last(
        "a final answer in the place of continue",
        "9110 10.1.1",
        Bytes(
            b"PUT /nothing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\
            \r\nhello",
        ),
        &[404],
    ),
    Case::last(
        "another method in the place of continue",
        "9110 10.1.1",
        Bytes(b"PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
        &[405],
    ),
    Case::last(
        "a final answer before chunks",
        "9110 10.1.1",
        Bytes(
            b"PUT /nothing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
            Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        &[404],
    ),
    Case::last("another expectation", "9110 15.5.18", Fields(b"Expect: 200-ok"), &[417]),
    Case::last(
        "an expectation with a parameter",
        "9110 15.5.18",
        Fields(b"Expect: 100-continue;a=b"),
        &[417],
    ),
    Case::last("another expectation in a list", "9110 15.5.18", Fields(b"Expect: 100-continue, foo"), &[417]),
    Case::bad(
        "a bad length in the place of continue",
        "9112 6.3",
        Echo(b"Expect: 100-continue\r\nContent-Length: x", b"hello"),
    ),
];
