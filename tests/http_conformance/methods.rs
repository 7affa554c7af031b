//! Methods, and what their answers hold. RFC 9110 9, 10.2.1, 15.

use crate::case::Case;
use crate::case::Raw::{Bytes, Echo, Line, Made};

const GET_ALLOW: &[&str] = &["\r\nAllow: GET, HEAD, OPTIONS\r\n"];
const STREAM: &[u8] = b"one\n0\r\n\r\na third, longer word\n";

pub(crate) const METHODS: &[Case] = &[
    Case::kept("GET", "9110 9.3.1", Line(b"GET /hello HTTP/1.1"), &[200]).body(b"Hello, world!"),
    Case::kept("HEAD", "9110 9.3.2", Line(b"HEAD /hello HTTP/1.1"), &[200])
        .head_only()
        .has(&["\r\nContent-Length: 13\r\n", "\r\nContent-Type: text/plain; charset=utf-8\r\n"]),
    Case::kept("HEAD of a large answer", "9110 9.3.2", Line(b"HEAD /bytes/68719476736 HTTP/1.1"), &[200])
        .head_only()
        .has(&["\r\nContent-Length: 68719476736\r\n"]),
    Case::kept("HEAD of nothing", "9110 9.3.2", Line(b"HEAD /nothing HTTP/1.1"), &[404]).head_only(),
    Case::kept("HEAD where it is not allowed", "9110 9.3.2", Line(b"HEAD /echo HTTP/1.1"), &[405])
        .head_only()
        .has(&["\r\nAllow: POST, OPTIONS\r\n"]),
    Case::last("HEAD in 1.0", "9110 9.3.2", Bytes(b"HEAD /hello HTTP/1.0\r\n\r\n"), &[200]).head_only(),
    Case::bad("a refused HEAD without host", "9110 9.3.2", Bytes(b"HEAD /hello HTTP/1.1\r\n\r\n"))
        .head_only(),
    Case::bad(
        "a refused HEAD with two lengths",
        "9110 9.3.2",
        Bytes(b"HEAD /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
    )
    .head_only(),
    Case::last(
        "a refused HEAD with an expectation",
        "9110 9.3.2",
        Bytes(b"HEAD /hello HTTP/1.1\r\nHost: a\r\nExpect: foo\r\n\r\n"),
        &[417],
    )
    .head_only(),
    Case::last("a refused HEAD of another version", "9110 9.3.2", Line(b"HEAD /hello HTTP/2.0"), &[505])
        .head_only(),
    Case::kept("POST", "9110 9.3.3", Echo(b"Content-Length: 2", b"hi"), &[200]).body(b"hi"),
    Case::kept("PUT", "9110 9.3.4", Line(b"PUT /sink HTTP/1.1"), &[200]).body(b"{\"bytes\":0}\n"),
    Case::kept("DELETE", "9110 15.5.6", Line(b"DELETE /hello HTTP/1.1"), &[405]).has(GET_ALLOW),
    Case::kept("PATCH", "9110 15.5.6", Line(b"PATCH /hello HTTP/1.1"), &[405]).has(GET_ALLOW),
    Case::kept("TRACE", "9110 15.5.6", Line(b"TRACE /hello HTTP/1.1"), &[405]).has(GET_ALLOW),
    Case::kept("POST where it is not allowed", "9110 15.5.6", Line(b"POST /hello HTTP/1.1"), &[405])
        .has(GET_ALLOW),
    Case::kept("GET where it is not allowed", "9110 15.5.6", Line(b"GET /echo HTTP/1.1"), &[405])
        .has(&["\r\nAllow: POST, OPTIONS\r\n"]),
    Case::kept("GET of a sink", "9110 10.2.1", Line(b"GET /sink HTTP/1.1"), &[405])
        .has(&["\r\nAllow: PUT, OPTIONS\r\n"]),
    Case::kept("OPTIONS of a path", "9110 9.3.7", Line(b"OPTIONS /hello HTTP/1.1"), &[204]).has(GET_ALLOW),
    Case::kept("OPTIONS of an echo", "9110 9.3.7", Line(b"OPTIONS /echo HTTP/1.1"), &[204])
        .has(&["\r\nAllow: POST, OPTIONS\r\n"]),
    Case::kept("OPTIONS of nothing", "9110 15.5.5", Line(b"OPTIONS /nothing HTTP/1.1"), &[404]),
    Case::kept(
        "OPTIONS of a whole server in absolute form",
        "9112 3.2.4",
        Bytes(b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[204],
    ),
    Case::last(
        "OPTIONS and close",
        "9110 15.3.5",
        Bytes(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        &[204],
    )
    .lacks(&["Content-Length"]),
    Case::last("a method nobody knows", "9110 15.6.2", Line(b"BREW /hello HTTP/1.1"), &[501]),
    Case::last("a method of WebDAV", "9110 15.6.2", Line(b"PROPFIND /hello HTTP/1.1"), &[501]),
    Case::last("methods have a case", "9110 9.1", Line(b"get /hello HTTP/1.1"), &[501]),
    Case::last("a method in mixed case", "9110 9.1", Line(b"Get /hello HTTP/1.1"), &[501]),
    Case::last("a method that begins like GET", "9110 9.1", Line(b"GETT /hello HTTP/1.1"), &[501]),
    Case::last(
        "a method of all token characters",
        "9112 3.1",
        Line(b"!#$%&'*+-.^_`|~09aZ /hello HTTP/1.1"),
        &[501],
    ),
    Case::last("a method of 300 letters", "9112 3", Made(|| long_line(300, "/hello", "HTTP/1.1")), &[501]),
    Case::last("a method of 9000 letters", "9112 3", Made(|| long_line(9000, "/hello", "HTTP/1.1")), &[501]),
];

fn long_line(method: usize, target: &str, version: &str) -> Vec<u8> {
    format!("{} {target} {version}\r\nHost: a\r\n\r\n", "X".repeat(method)).into_bytes()
}

pub(crate) const ANSWERS: &[Case] = &[
    Case::kept("no bytes", "9110 8.6", Line(b"GET /bytes/0 HTTP/1.1"), &[200])
        .has(&["\r\nContent-Length: 0\r\n"])
        .body(b""),
    Case::kept("some bytes", "9110 8.6", Line(b"GET /bytes/5 HTTP/1.1"), &[200]).body(b"\0\x01\x02\x03\x04"),
    Case::kept("many bytes", "9110 8.6", Line(b"GET /bytes/65537 HTTP/1.1"), &[200])
        .has(&["\r\nContent-Length: 65537\r\n"]),
    Case::kept("bytes that are no number", "9110 15.5.21", Line(b"GET /bytes/-1 HTTP/1.1"), &[422]),
    Case::kept("too many bytes", "9110 15.5.21", Line(b"GET /bytes/68719476737 HTTP/1.1"), &[422]),
    Case::kept("the page", "9110 8.3", Line(b"GET / HTTP/1.1"), &[200])
        .has(&["\r\nContent-Type: text/html; charset=utf-8\r\n"]),
    Case::kept(
        "a type comes back",
        "9110 8.3",
        Echo(
            b"Content-Type: a/b; c=d\r\n\
        Content-Length: 1",
            b"x",
        ),
        &[200],
    )
    .has(&["\r\nContent-Type: a/b; c=d\r\n"])
    .body(b"x"),
    Case::kept("no type is bytes", "9110 8.3", Echo(b"Content-Length: 1", b"x"), &[200])
        .has(&["\r\nContent-Type: application/octet-stream\r\n"]),
    Case::kept(
        "an empty type is no type",
        "9110 8.3",
        Echo(
            b"Content-Type:\r\n\
        Content-Length: 1",
            b"x",
        ),
        &[200],
    ),
    Case::kept(
        "a type beyond UTF-8",
        "9110 8.3",
        Echo(
            b"Content-Type: \xff\r\n\
        Content-Length: 1",
            b"x",
        ),
        &[200],
    )
    .has(&["\r\nContent-Type: application/octet-stream\r\n"]),
    Case::kept(
        "a type with spaces around it",
        "9112 5.1",
        Echo(
            b"Content-Type: \t a/b \t\r\n\
        Content-Length: 1",
            b"x",
        ),
        &[200],
    )
    .has(&["\r\nContent-Type: a/b\r\n"]),
    Case::kept(
        "a hash of a body",
        "9112 6.3",
        Bytes(
            b"PUT /sink?sha256=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\
            a\r\n2\r\nbc\r\n0\r\n\r\n",
        ),
        &[200],
    )
    .body(b"{\"bytes\":3,\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}\n"),
    Case::kept(
        "ranges can be ignored",
        "9110 14.2",
        Bytes(
            b"GET /hello HTTP/1.1\r\nHost: a\r\n\
        Range: bytes=0-1\r\n\r\n",
        ),
        &[200],
    )
    .body(b"Hello, world!"),
    Case::kept(
        "no answer quotes its request",
        "9112 11.1",
        Line(b"GET /%3Cscript%3Ealert(1)%3C/script%3E HTTP/1.1"),
        &[404],
    )
    .lacks(&["script"]),
    Case::kept("content of unknown length is chunked", "9112 7.1", Line(b"GET /stream HTTP/1.1"), &[200])
        .has(&["\r\nTransfer-Encoding: chunked\r\n"])
        .lacks(&["Content-Length"])
        .body(STREAM),
    Case::last(
        "content of unknown length, then close",
        "9112 9.6",
        Bytes(b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        &[200],
    )
    .has(&["\r\nTransfer-Encoding: chunked\r\n", "\r\nConnection: close\r\n"])
    .body(STREAM),
    Case::kept("HEAD of unknown length", "9110 9.3.2", Line(b"HEAD /stream HTTP/1.1"), &[200])
        .head_only()
        .lacks(&["Content-Length"]),
    Case::last("1.0 gets no chunks", "9112 6.1", Bytes(b"GET /stream HTTP/1.0\r\n\r\n"), &[200])
        .lacks(&["Transfer-Encoding", "Content-Length"])
        .body(STREAM),
    Case::last(
        "what ends with the connection cannot keep it",
        "9112 9.3",
        Bytes(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n"),
        &[200],
    )
    .lacks(&["Transfer-Encoding", "Content-Length", "keep-alive"])
    .body(STREAM),
    Case::kept(
        "an unwanted body behind chunks",
        "9112 9.3",
        Bytes(
            b"GET /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n\
            GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
        ),
        &[200],
    )
    .body(STREAM),
];
