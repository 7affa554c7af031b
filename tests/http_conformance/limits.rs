//! Limits, each with its own answer, and each one more than what is still taken. RFC 9112 3, RFC 9110 15.5.

use crate::case::Case;
use crate::case::Raw::{Chunks, Echo, Made};

pub(crate) const HEADS: &[Case] = &[
    Case::kept("a request line of 8000 bytes", "9112 3", Made(|| with_target(7987)), &[200])
        .body(b"Hello, world!"),
    Case::kept("as long a target as may be", "9112 3", Made(|| with_target(8192)), &[200]),
    Case::last("a target that is too long", "9110 15.5.15", Made(|| with_target(8193)), &[414]),
    Case::last("a target that is much too long", "9110 15.5.15", Made(|| with_target(20_000)), &[414]),
    Case::last("a target longer than any head", "9110 15.5.15", Made(|| with_target(70_000)), &[414]),
    Case::last(
        "a long target in absolute form",
        "9110 15.5.15",
        Made(|| [b"GET http://a/", &[b'x'; 9000][..], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()),
        &[414],
    ),
    Case::last("a long target in a long head", "9110 15.5.15", Made(|| with_head(9000, 70_000)), &[414]),
    Case::bad("a version of 9000 letters", "9112 2.3", Made(long_version)),
    Case::kept("as many fields as may be", "6585 5", Made(|| with_fields(100)), &[200]),
    Case::last("too many fields", "6585 5", Made(|| with_fields(101)), &[431]),
    Case::last("far too many fields", "6585 5", Made(|| with_fields(2000)), &[431]),
    Case::kept("as long a head as may be", "6585 5", Made(|| with_head(6, 65_536)), &[200]),
    Case::last("a head one byte too long", "6585 5", Made(|| with_head(6, 65_537)), &[431]),
    Case::last("a head two bytes too long", "6585 5", Made(|| with_head(6, 65_538)), &[431]),
    Case::last("a head that is much too long", "6585 5", Made(|| with_head(6, 75_000)), &[431]),
    Case::last("a field without end", "6585 5", Made(|| with_head(6, 75_000)[..70_000].to_vec()), &[431]),
    Case::last("fields without end", "6585 5", Made(|| with_fields(15_000)[..75_000].to_vec()), &[431]),
    Case::last(
        "a name without end",
        "6585 5",
        Made(|| [b"GET /hello HTTP/1.1\r\nHost: a\r\n", &[b'x'; 70_000][..]].concat()),
        &[431],
    ),
    Case::kept("a field of 60000 bytes", "9110 5.4", Made(|| with_head(6, 60_100)), &[200]),
];

pub(crate) const BODIES: &[Case] = &[
    Case::kept("as large a body as may be", "9110 15.5.14", Made(|| with_body(8 << 20)), &[200]),
    Case::last(
        "a body that is told to be too large",
        "9110 15.5.14",
        Echo(b"Content-Length: 8388609", b""),
        &[413],
    ),
    Case::last("chunks that are too large", "9110 15.5.14", Made(too_many_chunks), &[413]),
    Case::kept("a sink takes more", "9112 6.3", Made(sink), &[200]).body(b"{\"bytes\":8388609}\n"),
];

/// `GET /hello` with a target of so many bytes.
fn with_target(len: usize) -> Vec<u8> {
    format!("GET /hello?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 7)).into_bytes()
}

/// `GET /hello` with so many fields.
fn with_fields(count: usize) -> Vec<u8> {
    format!("GET /hello HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1)).into_bytes()
}

/// `GET /hello` with a head of so many bytes, and a target of so many, at least.
fn with_head(target: usize, len: usize) -> Vec<u8> {
    let query = if target > 7 { format!("?{}", "x".repeat(target - 7)) } else { String::new() };
    let start = format!("GET /hello{query} HTTP/1.1\r\nHost: a\r\nX: ");
    [start.as_bytes(), &vec![b'y'; len - start.len() - 4], b"\r\n\r\n"].concat()
}

fn long_version() -> Vec<u8> {
    [b"GET /hello HTTP/1.1", &[b'1'; 9000][..], b"\r\nHost: a\r\n\r\n"].concat()
}

fn with_body(len: usize) -> Vec<u8> {
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
    [head.as_bytes(), &vec![b'x'; len]].concat()
}

fn too_many_chunks() -> Vec<u8> {
    let chunk = [b"100000\r\n", &vec![b'x'; 1 << 20][..], b"\r\n"].concat();
    [&Chunks(b"").bytes()[..], &chunk.repeat(8), b"1\r\nx\r\n0\r\n\r\n"].concat()
}

fn sink() -> Vec<u8> {
    let head = b"PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n";
    [&head[..], &vec![b'x'; (8 << 20) + 1]].concat()
}
