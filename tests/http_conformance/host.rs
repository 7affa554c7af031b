//! Host, and the authority of the absolute form. RFC 9112 3.2, RFC 9110 4.2, 7.2.
//!
//! RFC 9112 3.2.2 lets the target win over Host. The house refuses where they differ, as `http/head.rs` says: two
//! programs in a row may each believe the other of the two.

use crate::case::Case;
use crate::case::Raw::{Bytes, InPlaceOfHost};

pub(crate) const HOSTS: &[Case] = &[
    Case::bad("no host", "9112 3.2", Bytes(b"GET /hello HTTP/1.1\r\n\r\n")),
    Case::bad("no host among other fields", "9112 3.2", InPlaceOfHost(b"X-Host: a\r\nHostname: a")),
    Case::bad("two hosts", "9112 3.2", InPlaceOfHost(b"Host: a\r\nHost: b")),
    Case::bad("the same host twice", "9112 3.2", InPlaceOfHost(b"Host: a\r\nHost: a")),
    Case::bad("two hosts in two cases", "9112 3.2", InPlaceOfHost(b"Host: a\r\nX: y\r\nhOST: a")),
    Case::bad("two hosts, one of them empty", "9112 3.2", InPlaceOfHost(b"Host:\r\nHost: a")),
    Case::bad("two hosts in 1.0", "9112 3.2", Bytes(b"GET /hello HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n")),
    Case::bad("a bad host in 1.0", "9112 3.2", Bytes(b"GET /hello HTTP/1.0\r\nHost: a b\r\n\r\n")),
    Case::kept("empty host", "9112 3.2", InPlaceOfHost(b"Host:"), &[200]),
    Case::kept("host with a port", "9110 7.2", InPlaceOfHost(b"Host: a.example:8080"), &[200]),
    Case::kept("host with an empty port", "9110 7.2", InPlaceOfHost(b"Host: a.example:"), &[200]),
    Case::kept("host in another case", "9110 5.1", InPlaceOfHost(b"HOST: A.EXAMPLE"), &[200]),
    Case::kept("host without a space", "9112 5.1", InPlaceOfHost(b"Host:a"), &[200]),
    Case::kept("IPv4 address", "9110 7.2", InPlaceOfHost(b"Host: 192.0.2.7:80"), &[200]),
    Case::kept("IPv6 address", "9110 7.2", InPlaceOfHost(b"Host: [2001:db8::7]"), &[200]),
    Case::kept("IPv6 address with a port", "9110 7.2", InPlaceOfHost(b"Host: [::1]:8080"), &[200]),
    Case::kept("percent-encoded host", "9110 7.2", InPlaceOfHost(b"Host: a%2db"), &[200]),
    Case::kept(
        "sub-delimiters in a host",
        "9110 7.2",
        InPlaceOfHost(b"Host: a_b~c!d$e&f'g(h)i*j+k,l;m=n"),
        &[200],
    ),
    Case::bad("space inside a host", "9112 3.2", InPlaceOfHost(b"Host: a b")),
    Case::bad("tab inside a host", "9112 3.2", InPlaceOfHost(b"Host: a\tb")),
    Case::bad("path behind a host", "9112 3.2", InPlaceOfHost(b"Host: a/b")),
    Case::bad("query behind a host", "9112 3.2", InPlaceOfHost(b"Host: a?b")),
    Case::bad("fragment behind a host", "9112 3.2", InPlaceOfHost(b"Host: a#b")),
    Case::bad("scheme before a host", "9112 3.2", InPlaceOfHost(b"Host: http://a")),
    Case::bad("userinfo before a host", "9112 3.2", InPlaceOfHost(b"Host: u@a")),
    Case::bad("backslash in a host", "9112 3.2", InPlaceOfHost(b"Host: a\\b")),
    Case::bad("UTF-8 in a host", "9112 3.2", InPlaceOfHost(b"Host: \xc3\xa9")),
    Case::bad("broken UTF-8 in a host", "9112 3.2", InPlaceOfHost(b"Host: \xff")),
    Case::bad("quotes around a host", "9112 3.2", InPlaceOfHost(b"Host: \"a\"")),
    Case::bad("angle brackets in a host", "9112 3.2", InPlaceOfHost(b"Host: <a>")),
    Case::bad("host on a folded line", "9112 5.2", InPlaceOfHost(b"Host:\r\n a")),
    Case::bad("port of letters", "9110 7.2", InPlaceOfHost(b"Host: a:b")),
    Case::bad("port with a sign", "9110 7.2", InPlaceOfHost(b"Host: a:+80")),
    Case::bad("two ports", "9110 7.2", InPlaceOfHost(b"Host: a:80:80")),
    Case::bad("IPv6 without brackets", "9110 7.2", InPlaceOfHost(b"Host: ::1")),
    Case::bad("open bracket", "9110 7.2", InPlaceOfHost(b"Host: [::1")),
    Case::bad("closing bracket alone", "9110 7.2", InPlaceOfHost(b"Host: a]")),
    Case::bad("name behind brackets", "9110 7.2", InPlaceOfHost(b"Host: [::1]a")),
    Case::bad("empty brackets", "9110 7.2", InPlaceOfHost(b"Host: []")),
    Case::bad("percent without digits in a host", "9110 7.2", InPlaceOfHost(b"Host: a%zz")),
];

pub(crate) const ABSOLUTE: &[Case] = &[
    Case::kept(
        "absolute form",
        "9112 3.2.2",
        Bytes(b"GET http://a/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    )
    .body(b"Hello, world!"),
    Case::kept(
        "absolute form with a port",
        "9112 3.2.2",
        Bytes(b"GET http://a:8080/hello HTTP/1.1\r\nHost: a:8080\r\n\r\n"),
        &[200],
    ),
    Case::kept(
        "absolute form with a query",
        "9112 3.2.2",
        Bytes(b"GET http://a/hello?b=c HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    ),
    Case::kept(
        "absolute form without a path",
        "9112 3.2.2",
        Bytes(b"HEAD http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    )
    .head_only(),
    Case::kept(
        "absolute form of a query alone",
        "9112 3.2.2",
        Bytes(b"HEAD http://a?b HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    )
    .head_only(),
    Case::kept(
        "scheme in another case",
        "9110 4.2.3",
        Bytes(b"GET HTTP://a/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    ),
    Case::kept(
        "hosts in two cases agree",
        "9110 4.2.3",
        Bytes(b"GET http://a.B/hello HTTP/1.1\r\nHost: A.b\r\n\r\n"),
        &[200],
    ),
    Case::kept(
        "IPv6 in absolute form",
        "9112 3.2.2",
        Bytes(b"GET http://[::1]:80/hello HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
        &[200],
    ),
    Case::last("absolute form in 1.0", "9112 3.2.2", Bytes(b"GET http://a/hello HTTP/1.0\r\n\r\n"), &[200])
        .body(b"Hello, world!"),
    Case::bad("absolute form needs a Host too", "9112 3.2", Bytes(b"GET http://a/hello HTTP/1.1\r\n\r\n")),
    Case::bad(
        "absolute form and another host",
        "9112 3.2.2",
        Bytes(b"GET http://a/hello HTTP/1.1\r\nHost: b\r\n\r\n"),
    ),
    Case::bad(
        "absolute form and another port",
        "9112 3.2.2",
        Bytes(b"GET http://a:1/hello HTTP/1.1\r\nHost: a:2\r\n\r\n"),
    ),
    Case::bad(
        "absolute form and an empty host",
        "9112 3.2.2",
        Bytes(b"GET http://a/hello HTTP/1.1\r\nHost:\r\n\r\n"),
    ),
    Case::bad(
        "absolute form and two hosts",
        "9112 3.2",
        Bytes(b"GET http://a/hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ),
    Case::kept(
        "the default port is no other port",
        "9110 4.2.3",
        Bytes(b"GET http://a:80/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    ),
    Case::kept(
        "an empty port is the default port",
        "9110 4.2.3",
        Bytes(b"GET http://a:/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200],
    ),
    Case::bad("empty authority", "9110 4.2.1", Bytes(b"GET http:///hello HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case::bad(
        "authority of a port alone",
        "9110 4.2.1",
        Bytes(b"GET http://:80/hello HTTP/1.1\r\nHost: :80\r\n\r\n"),
    ),
    Case::bad(
        "userinfo in absolute form",
        "9110 4.2.4",
        Bytes(b"GET http://u:p@a/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ),
    Case::bad(
        "fragment in absolute form",
        "9112 3.2.2",
        Bytes(b"GET http://a/hello#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ),
    Case::bad("https without TLS", "9110 7.4", Bytes(b"GET https://a/hello HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case::bad("ftp", "9110 7.4", Bytes(b"GET ftp://a/hello HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case::bad(
        "one slash behind the scheme",
        "9112 3.2.2",
        Bytes(b"GET http:/a/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ),
    Case::bad("no scheme", "9112 3.2.2", Bytes(b"GET ://a/hello HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case::bad(
        "backslash behind the authority",
        "9112 3.2.2",
        Bytes(b"GET http://a\\hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ),
];
