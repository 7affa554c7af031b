//! Request lines: methods' tokens, targets, versions, and what stands between them. RFC 9112 2, 3.

use crate::case::Case;
use crate::case::Raw::{Bytes, Line};

const WORDS: &str = "a line of too many words that ends in a version is taken for another version";

pub(crate) const TARGETS: &[Case] = &[
    Case::kept("origin form", "9112 3.2.1", Line(b"GET /hello HTTP/1.1"), &[200]).body(b"Hello, world!"),
    Case::kept("origin form with a query", "9112 3.2.1", Line(b"GET /hello?a=b&c HTTP/1.1"), &[200])
        .body(b"Hello, world!"),
    Case::kept("empty query", "9112 3.2.1", Line(b"GET /hello? HTTP/1.1"), &[200]).body(b"Hello, world!"),
    Case::kept(
        "question marks and slashes in a query",
        "9112 3.2.1",
        Line(b"GET /hello?/?:@ HTTP/1.1"),
        &[200],
    ),
    Case::kept("a path that is not there", "9110 15.5.5", Line(b"GET /nothing HTTP/1.1"), &[404]),
    Case::kept("paths are compared with their case", "9110 4.2.3", Line(b"GET /HELLO HTTP/1.1"), &[404]),
    Case::kept("two slashes are a path", "9112 3.2.1", Line(b"GET //hello HTTP/1.1"), &[404]),
    Case::kept("a path that looks absolute", "9112 3.2.1", Line(b"GET /http://a/hello HTTP/1.1"), &[404]),
    Case::kept("dot segments stay in the house", "9112 3.2.1", Line(b"GET /../hello HTTP/1.1"), &[404]),
    Case::kept("a percent-encoded NUL is a path", "9112 3.2.1", Line(b"GET /%00 HTTP/1.1"), &[404]),
    Case::kept(
        "an encoded line break splits no answer",
        "9112 11.1",
        Line(b"GET /%0d%0aX:%20y HTTP/1.1"),
        &[404],
    )
    .lacks(&["X: y"]),
    Case::bad("fragment", "9112 3.2.1", Line(b"GET /hello#a HTTP/1.1")),
    Case::bad("relative path", "9112 3.2", Line(b"GET hello HTTP/1.1")),
    Case::bad("empty target", "9112 3", Line(b"GET  HTTP/1.1")),
    Case::bad("query alone", "9112 3.2.1", Line(b"GET ?a HTTP/1.1")),
    Case::bad("backslash in front", "9112 3.2", Line(b"GET \\hello HTTP/1.1")),
    Case::bad("space in the target", "9112 3.2", Line(b"GET /hel lo HTTP/1.1"))
        .known_gap("[505] and Finish", WORDS),
    Case::bad("tab in the target", "9112 3.2", Line(b"GET /hel\tlo HTTP/1.1")),
    Case::bad("DEL in the target", "9112 3.2", Line(b"GET /hel\x7flo HTTP/1.1")),
    Case::bad("control in the target", "9112 3.2", Line(b"GET /hel\x01lo HTTP/1.1")),
    Case::bad("UTF-8 in the target", "9112 3.2", Line(b"GET /h\xc3\xa9 HTTP/1.1")),
    Case::bad("broken UTF-8 in the target", "9112 3.2", Line(b"GET /h\xff HTTP/1.1")),
    Case::bad("UTF-8 in a query", "9112 3.2", Line(b"GET /hello?\xe2\x82\xac HTTP/1.1")),
    Case::bad("no-break space in the target", "9112 3.2", Line(b"GET /hello\xa0 HTTP/1.1")),
    Case::bad("percent without digits", "9112 3.2.1", Line(b"GET /hello?%zz HTTP/1.1"))
        .known_gap("[200] and Open", "targets are not held against the grammar of RFC 3986"),
    Case::bad("characters outside the grammar", "9112 3.2.1", Line(b"GET /hello?{\"<>\"} HTTP/1.1"))
        .known_gap("[200] and Open", "targets are not held against the grammar of RFC 3986"),
    Case::kept("asterisk form", "9112 3.2.4", Line(b"OPTIONS * HTTP/1.1"), &[204])
        .has(&["\r\nAllow: GET, HEAD, POST, PUT, OPTIONS\r\n"]),
    Case::bad("asterisk for another method", "9112 3.2.4", Line(b"GET * HTTP/1.1")),
    Case::bad("asterisk with a query", "9112 3.2.4", Line(b"OPTIONS *?a HTTP/1.1")),
    Case::bad("two asterisks", "9112 3.2.4", Line(b"OPTIONS ** HTTP/1.1")),
    Case::bad("authority form for another method", "9112 3.2.3", Line(b"GET a:80 HTTP/1.1")),
    Case::last("authority form", "9110 9.3.6", Line(b"CONNECT a:80 HTTP/1.1"), &[501]),
];

pub(crate) const LINES: &[Case] = &[
    Case::bad("two spaces after the method", "9112 3", Line(b"GET  /hello HTTP/1.1")),
    Case::bad("two spaces before the version", "9112 3", Line(b"GET /hello  HTTP/1.1"))
        .known_gap("[505] and Finish", WORDS),
    Case::bad("space in front of the line", "9112 3", Line(b" GET /hello HTTP/1.1")),
    Case::bad("space at the end of the line", "9112 3", Line(b"GET /hello HTTP/1.1 ")),
    Case::bad("tab at the end of the line", "9112 3", Line(b"GET /hello HTTP/1.1\t")),
    Case::bad("tab after the method", "9112 3", Line(b"GET\t/hello HTTP/1.1")),
    Case::bad("tab before the version", "9112 3", Line(b"GET /hello\tHTTP/1.1")),
    Case::bad("vertical tab as a separator", "9112 3", Line(b"GET\x0b/hello HTTP/1.1")),
    Case::bad("form feed as a separator", "9112 3", Line(b"GET /hello\x0cHTTP/1.1")),
    Case::bad("bare CR as a separator", "9112 2.2", Line(b"GET\r/hello HTTP/1.1")),
    Case::bad("bare CR in the target", "9112 2.2", Line(b"GET /hel\rlo HTTP/1.1")),
    Case::bad("bare CR before the line end", "9112 2.2", Line(b"GET /hello HTTP/1.1\r")),
    Case::bad("NUL in the method", "9112 2.2", Line(b"G\0ET /hello HTTP/1.1")),
    Case::bad("NUL in the target", "9112 2.2", Line(b"GET /hello\0 HTTP/1.1")),
    Case::bad("NUL in the version", "9112 2.2", Line(b"GET /hello HTTP/1.\x001")),
    Case::bad("bare lf after the request line", "9112 2.2", Bytes(b"GET /hello HTTP/1.1\nHost: a\r\n\r\n")),
    Case::bad("bare LF everywhere", "9112 2.2", Bytes(b"GET /hello HTTP/1.1\nHost: a\n\n")),
    Case::bad("LF CR", "9112 2.2", Bytes(b"GET /hello HTTP/1.1\n\rHost: a\n\r\n\r")),
    Case::kept(
        "empty line in front",
        "9112 2.2",
        Bytes(b"\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    ),
    Case::kept(
        "some empty lines",
        "9112 2.2",
        Bytes(b"\r\n\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    ),
    Case::bad(
        "empty lines without end",
        "9112 2.2",
        Bytes(b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"),
    ),
    Case::bad("empty line of a bare LF", "9112 2.2", Bytes(b"\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case::bad("a bare CR in front", "9112 2.2", Bytes(b"\rGET /hello HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case::bad(
        "a line of one space in front",
        "9112 2.2",
        Bytes(b" \r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ),
    Case::bad("method alone", "9112 3", Line(b"GET")),
    Case::bad("no version", "9112 3", Line(b"GET /hello")),
    Case::bad("no version but a space", "9112 3", Line(b"GET /hello ")),
    Case::bad("no method", "9112 3", Line(b"/hello HTTP/1.1")),
    Case::bad("empty method", "9112 3.1", Line(b" /hello HTTP/1.1")),
    Case::bad("four words", "9112 3", Line(b"GET /hello HTTP/1.1 HTTP/1.1")),
    Case::bad("method that is no token", "9112 3.1", Line(b"GET, /hello HTTP/1.1")),
    Case::bad("method in quotes", "9112 3.1", Line(b"\"GET\" /hello HTTP/1.1")),
    Case::bad("method beyond ASCII", "9112 3.1", Line(b"G\xc3\x89T /hello HTTP/1.1")),
    Case::bad("byte order mark", "9112 2.2", Bytes(b"\xef\xbb\xbfGET /hello HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case::bad("a status line", "9112 2.1", Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
    Case::bad("TLS", "9112 2.2", Bytes(b"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03\x5b\x0a\x20\x7f")),
    Case::bad("SSH", "9112 2.2", Bytes(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")),
];

pub(crate) const VERSIONS: &[Case] = &[
    Case::last("1.0 needs no host", "9112 3.2", Bytes(b"GET /hello HTTP/1.0\r\n\r\n"), &[200])
        .body(b"Hello, world!"),
    Case::kept("1.2 is answered as 1.1", "9110 6.2", Line(b"GET /hello HTTP/1.2"), &[200])
        .known_gap("[505] and Finish", "a higher minor version should be processed as the highest one known"),
    Case::last("2.0 in the old form", "9110 15.6.6", Line(b"GET /hello HTTP/2.0"), &[505]),
    Case::last("3.0", "9110 15.6.6", Line(b"GET /hello HTTP/3.0"), &[505]),
    Case::last("0.9 by its name", "9110 15.6.6", Line(b"GET /hello HTTP/0.9"), &[505]),
    Case::last("9.9", "9110 15.6.6", Line(b"GET /hello HTTP/9.9"), &[505]),
    Case::last("the preface of HTTP/2", "9110 15.6.6", Bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), &[505]),
    Case::last(
        "2.0 behind empty lines",
        "9110 15.6.6",
        Bytes(b"\r\n\r\nGET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        &[505],
    ),
    Case::bad("version in lower case", "9112 2.3", Line(b"GET /hello http/1.1")),
    Case::bad("version in mixed case", "9112 2.3", Line(b"GET /hello Http/1.1")),
    Case::bad("version of one digit", "9112 2.3", Line(b"GET /hello HTTP/1")),
    Case::bad("version without its minor digit", "9112 2.3", Line(b"GET /hello HTTP/1.")),
    Case::bad("version of two minor digits", "9112 2.3", Line(b"GET /hello HTTP/1.10")),
    Case::bad("version of two major digits", "9112 2.3", Line(b"GET /hello HTTP/11.1")),
    Case::bad("version with a leading zero", "9112 2.3", Line(b"GET /hello HTTP/01.1")),
    Case::bad("version with a comma", "9112 2.3", Line(b"GET /hello HTTP/1,1")),
    Case::bad("version with a sign", "9112 2.3", Line(b"GET /hello HTTP/+1.1")),
    Case::bad("version of letters", "9112 2.3", Line(b"GET /hello HTTP/x.y")),
    Case::bad("another protocol", "9112 2.3", Line(b"GET /hello HTTPS/1.1")),
    Case::bad("a space inside the version", "9112 2.3", Line(b"GET /hello HTTP /1.1")),
    Case::bad("icy", "9112 2.3", Line(b"GET /hello ICY/1.1")),
];
