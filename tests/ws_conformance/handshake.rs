//! The opening handshake, and what is agreed upon there. RFC 6455 4.2, 4.4, 9.1, 10.2, RFC 7692 5, 7.1.

/// A request, written as short as its topic allows.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// A good handshake for this path, with these field lines, each with its CRLF.
    With(&'static str, &'static str),
    /// One in which the line of this field is replaced by these.
    But(&'static str, &'static str),
    /// One with this request line.
    Line(&'static str),
    /// All of it.
    Whole(&'static str),
}

const FIELDS: &[(&str, &str)] = &[
    ("Host", "Host: a.example\r\n"),
    ("Upgrade", "Upgrade: websocket\r\n"),
    ("Connection", "Connection: Upgrade\r\n"),
    ("Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
    ("Version", "Sec-WebSocket-Version: 13\r\n"),
];

impl Ask {
    pub(crate) fn text(self) -> String {
        let all = |field: &str, lines: &str| {
            let line =
                |&(name, line): &(&str, &'static str)| if name == field { lines } else { line }.to_owned();
            FIELDS.iter().map(line).collect::<String>()
        };
        match self {
            Self::With(path, more) => format!("GET {path} HTTP/1.1\r\n{}{more}\r\n", all("", "")),
            Self::But(field, lines) => {
                assert!(FIELDS.iter().any(|(name, _)| *name == field), "{field}");
                format!("GET /ws HTTP/1.1\r\n{}\r\n", all(field, lines))
            }
            Self::Line(line) => format!("{line}\r\n{}\r\n", all("", "")),
            Self::Whole(text) => text.to_owned(),
        }
    }
}

pub(crate) struct Handshake {
    pub(crate) name: &'static str,
    /// The RFC and its section, as `6455 4.2.1`.
    pub(crate) section: &'static str,
    pub(crate) ask: Ask,
    pub(crate) status: u16,
    /// Field lines that the answer has, and what it has not.
    pub(crate) has: &'static [&'static str],
    pub(crate) lacks: &'static [&'static str],
    /// A refusal after which the connection goes on.
    pub(crate) is_kept: bool,
}

const ACCEPTED: &[&str] =
    &["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="];
const NO_LISTS: &[&str] = &["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"];

/// Taken, with no subprotocol and no extension.
const fn taken(name: &'static str, section: &'static str, ask: Ask) -> Handshake {
    Handshake { name, section, ask, status: 101, has: ACCEPTED, lacks: NO_LISTS, is_kept: false }
}

/// Taken, and this is in the answer.
const fn agrees(
    name: &'static str,
    section: &'static str,
    ask: Ask,
    has: &'static [&'static str],
) -> Handshake {
    Handshake { has, lacks: &[], ..taken(name, section, ask) }
}

/// Refused, and the connection goes on.
const fn refused(name: &'static str, section: &'static str, ask: Ask, status: u16) -> Handshake {
    let lacks = &["Sec-WebSocket-Accept", "Switching"];
    Handshake { name, section, ask, status, has: &[], lacks, is_kept: true }
}

const fn old(name: &'static str, section: &'static str, ask: Ask) -> Handshake {
    let has = &["Sec-WebSocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade"];
    Handshake { has, ..refused(name, section, ask, 426) }
}

impl Handshake {
    /// It goes on no more.
    const fn last(self) -> Self {
        Self { is_kept: false, ..self }
    }
}

use Ask::{But, Line, Whole, With};

pub(crate) const REQUESTS: &[Handshake] = &[
    taken("the handshake", "6455 4.2.2", With("/ws", "")),
    taken(
        "names and words in another case",
        "6455 4.2.1",
        Whole(
            "GET /ws HTTP/1.1\r\nHOST: a\r\nUPGRADE: WebSocket\r\nconnection: UPGRADE\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nSEC-WEBSOCKET-VERSION: 13\r\n\r\n",
        ),
    ),
    taken(
        "fields in another order",
        "6455 4.2.1",
        Whole(
            "GET /ws HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nHost: a\r\n\r\n",
        ),
    ),
    taken("an absolute target", "6455 4.2.1", Line("GET http://a.example/ws HTTP/1.1")),
    taken("a target with a query", "6455 3", Line("GET /ws?a=b HTTP/1.1")),
    taken("fields that are not known", "6455 4.2.1", With("/ws", "X-Y: z\r\nCookie: a=b\r\nPragma: x\r\n")),
    taken("an empty body", "6455 4.2.1", With("/ws", "Content-Length: 0\r\n")),
    taken("HTTP/1.2", "6455 4.2.1", Line("GET /ws HTTP/1.2")),
    refused("HTTP/1.0", "6455 4.2.1", Line("GET /ws HTTP/1.0"), 400).last(),
    refused(
        "HTTP/1.0 that would be kept",
        "6455 4.2.1",
        Whole(
            "GET /ws HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade, keep-alive\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        ),
        400,
    ),
    refused("HTTP/2.0", "6455 4.2.1", Line("GET /ws HTTP/2.0"), 505).last(),
    Handshake { has: &["Allow: GET"], ..refused("POST", "6455 4.2.1", Line("POST /ws HTTP/1.1"), 405) },
    Handshake { has: &["Allow: GET"], ..refused("PUT", "6455 4.2.1", Line("PUT /ws HTTP/1.1"), 405) },
    Handshake { has: &["Allow: GET"], ..refused("DELETE", "6455 4.2.1", Line("DELETE /ws HTTP/1.1"), 405) },
    refused("no host", "6455 4.2.1", But("Host", ""), 400).last(),
    refused("two hosts", "6455 4.2.1", But("Host", "Host: a\r\nHost: b\r\n"), 400).last(),
    refused("no such path", "6455 4.2.2", With("/nowhere", ""), 404),
    refused(
        "a body",
        "6455 4.2.1",
        Whole(
            "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nhi",
        ),
        400,
    ),
    refused(
        "a chunked body",
        "6455 4.2.1",
        Whole(
            "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        ),
        400,
    ),
    old("a request that is no handshake", "6455 4.2.1", Whole("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n")),
    old("no Upgrade", "6455 4.2.1", But("Upgrade", "")),
    old("Upgrade to something else", "6455 4.2.1", But("Upgrade", "Upgrade: h2c\r\n")),
    old("Upgrade to what begins like it", "6455 4.2.1", But("Upgrade", "Upgrade: websocket2\r\n")),
    taken("Upgrade among others", "6455 4.2.1", But("Upgrade", "Upgrade: h2c, websocket\r\n")),
    taken("Upgrade in two fields", "6455 4.2.1", But("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket\r\n")),
    refused("no Connection", "6455 4.2.1", But("Connection", ""), 400),
    refused(
        "Connection of something else",
        "6455 4.2.1",
        But("Connection", "Connection: keep-alive\r\n"),
        400,
    ),
    refused("Connection: close", "6455 4.2.1", But("Connection", "Connection: close\r\n"), 400).last(),
    taken("Connection of several", "6455 4.2.1", But("Connection", "Connection: keep-alive, Upgrade\r\n")),
    taken(
        "Connection in two fields",
        "6455 4.2.1",
        But("Connection", "Connection: keep-alive\r\nConnection: upgrade\r\n"),
    ),
    refused(
        "Connection of a word that holds it",
        "6455 4.2.1",
        But("Connection", "Connection: no-upgrade\r\n"),
        400,
    ),
];

pub(crate) const KEYS: &[Handshake] = &[
    agrees(
        "another key",
        "6455 4.2.2",
        But("Key", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"),
        &["Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk="],
    ),
    taken(
        "a key with space around it",
        "6455 4.2.1",
        But("Key", "Sec-WebSocket-Key: \t dGhlIHNhbXBsZSBub25jZQ== \t\r\n"),
    ),
    refused("no key", "6455 4.2.1", But("Key", ""), 400),
    refused("an empty key", "6455 4.2.1", But("Key", "Sec-WebSocket-Key:\r\n"), 400),
    refused(
        "a key of 15 bytes",
        "6455 4.2.1",
        But("Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n"),
        400,
    ),
    refused(
        "a key of 17 bytes",
        "6455 4.2.1",
        But("Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n"),
        400,
    ),
    refused(
        "a key without its padding",
        "6455 4.2.1",
        But("Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n"),
        400,
    ),
    refused(
        "a key that is no base64",
        "6455 4.2.1",
        But("Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n"),
        400,
    ),
    refused(
        "two keys",
        "6455 11.3.1",
        But(
            "Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n",
        ),
        400,
    ),
    refused(
        "the same key twice",
        "6455 11.3.1",
        But(
            "Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        400,
    ),
    old("version 8", "6455 4.4", But("Version", "Sec-WebSocket-Version: 8\r\n")),
    old("version 12", "6455 4.4", But("Version", "Sec-WebSocket-Version: 12\r\n")),
    old("version 25, the example", "6455 4.4", But("Version", "Sec-WebSocket-Version: 25\r\n")),
    old("version 013", "6455 4.3", But("Version", "Sec-WebSocket-Version: 013\r\n")),
    old("a version that is no number", "6455 4.3", But("Version", "Sec-WebSocket-Version: x\r\n")),
    old("two versions in one field", "6455 4.3", But("Version", "Sec-WebSocket-Version: 13, 8\r\n")),
    refused("no version", "6455 4.2.1", But("Version", ""), 400),
    refused(
        "two versions",
        "6455 11.3.5",
        But("Version", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n"),
        400,
    ),
];

pub(crate) const ORIGINS: &[Handshake] = &[
    taken("the origin of the same host", "6455 10.2", With("/ws", "Origin: http://a.example\r\n")),
    taken("the same over TLS", "6455 10.2", With("/ws", "Origin: https://a.example\r\n")),
    taken("the same host in capitals", "6455 4.2.2", With("/ws", "Origin: http://A.EXAMPLE\r\n")),
    refused("the origin of another host", "6455 10.2", With("/ws", "Origin: http://b.example\r\n"), 403),
    refused("the origin of a host below", "6455 10.2", With("/ws", "Origin: http://x.a.example\r\n"), 403),
    refused(
        "the origin of a host that begins so",
        "6455 10.2",
        With("/ws", "Origin: http://a.example.org\r\n"),
        403,
    ),
    refused("the origin of another port", "6455 10.2", With("/ws", "Origin: http://a.example:8080\r\n"), 403),
    refused("another scheme", "6455 10.2", With("/ws", "Origin: file://a.example\r\n"), 403),
    refused("no origin that could be told", "6455 10.2", With("/ws", "Origin: null\r\n"), 403),
    refused("an empty origin", "6455 10.2", With("/ws", "Origin:\r\n"), 403),
    refused(
        "two origins",
        "6455 10.2",
        With("/ws", "Origin: http://a.example\r\nOrigin: http://b.example\r\n"),
        403,
    ),
    taken("an origin in capitals", "6455 4.2.2", With("/ws", "Origin: HTTP://A.EXAMPLE\r\n")),
    taken("a listed origin in capitals", "6455 4.2.2", With("/listed", "Origin: https://GOOD.example\r\n")),
    taken("any origin", "6455 10.2", With("/any", "Origin: http://b.example\r\n")),
    taken("any origin that cannot be told", "6455 10.2", With("/any", "Origin: null\r\n")),
    taken("a listed origin", "6455 10.2", With("/listed", "Origin: https://good.example\r\n")),
    taken("the own origin beside those listed", "6455 10.2", With("/listed", "Origin: http://a.example\r\n")),
    refused(
        "an origin that is not listed",
        "6455 10.2",
        With("/listed", "Origin: https://bad.example\r\n"),
        403,
    ),
    refused(
        "a listed host of another scheme",
        "6455 10.2",
        With("/listed", "Origin: http://good.example\r\n"),
        403,
    ),
    taken("no browser, and no origin", "6455 4.2.1", With("/listed", "")),
];

pub(crate) const PROTOCOLS: &[Handshake] = &[
    agrees(
        "a subprotocol",
        "6455 4.2.2",
        With("/chat", "Sec-WebSocket-Protocol: chat\r\n"),
        &["Sec-WebSocket-Protocol: chat"],
    ),
    agrees(
        "the first that is spoken",
        "6455 1.9",
        With("/chat", "Sec-WebSocket-Protocol: soap, v2.chat, chat\r\n"),
        &["Sec-WebSocket-Protocol: v2.chat"],
    ),
    agrees(
        "in the order of the client",
        "6455 4.2.1",
        With("/chat", "Sec-WebSocket-Protocol: chat,v2.chat\r\n"),
        &["Sec-WebSocket-Protocol: chat"],
    ),
    agrees(
        "subprotocols in two fields",
        "6455 11.3.4",
        With("/chat", "Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: v2.chat\r\n"),
        &["Sec-WebSocket-Protocol: v2.chat"],
    ),
    taken(
        "no subprotocol that is spoken",
        "6455 4.2.2",
        With("/chat", "Sec-WebSocket-Protocol: soap, wamp\r\n"),
    ),
    taken("a subprotocol in another case", "6455 4.2.2", With("/chat", "Sec-WebSocket-Protocol: CHAT\r\n")),
    refused(
        "a subprotocol of two words",
        "6455 4.3",
        With("/chat", "Sec-WebSocket-Protocol: chat two\r\n"),
        400,
    ),
    refused(
        "a subprotocol that is no token",
        "6455 4.3",
        With("/ws", "Sec-WebSocket-Protocol: a/b\r\n"),
        400,
    ),
    taken("no subprotocol is asked for", "6455 4.2.2", With("/chat", "")),
    taken(
        "a subprotocol where none is spoken",
        "6455 4.2.2",
        With("/ws", "Sec-WebSocket-Protocol: chat\r\n"),
    ),
];

const NOT_KEPT: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover";

const fn offer(
    name: &'static str,
    section: &'static str,
    path: &'static str,
    offer: &'static str,
    has: &'static [&'static str],
) -> Handshake {
    agrees(name, section, With(path, offer), has)
}

const fn declined(
    name: &'static str,
    section: &'static str,
    path: &'static str,
    offer: &'static str,
) -> Handshake {
    taken(name, section, With(path, offer))
}

pub(crate) const EXTENSIONS: &[Handshake] = &[
    offer("an offer", "7692 7.1.3", "/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n", &[NOT_KEPT]),
    offer(
        "an offer of a browser",
        "7692 7.1.2.2",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        &[NOT_KEPT],
    ),
    offer(
        "an offer that remembers",
        "7692 7.1.1",
        "/remembering",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate\r\n"],
    ),
    offer(
        "the server is not to remember",
        "7692 7.1.1.1",
        "/remembering",
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"],
    ),
    offer(
        "the client does not remember",
        "7692 7.1.1.2",
        "/remembering",
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"],
    ),
    offer(
        "a window of 10 bits",
        "7692 7.1.2.1",
        "/remembering",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=10\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n"],
    ),
    offer(
        "a window in quotes",
        "6455 9.1",
        "/remembering",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"1\\0\"\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n"],
    ),
    offer(
        "windows as small as ours",
        "7692 7.1.2",
        "/narrow",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15; server_max_window_bits=15\r\n",
        &["; server_max_window_bits=9; client_max_window_bits=10\r\n"],
    ),
    offer(
        "a client that cannot be told of its window",
        "7692 7.1.2.2",
        "/narrow",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        &["; server_max_window_bits=9\r\n"],
    ),
    offer(
        "the second offer, where the first cannot be",
        "7692 7.1.3",
        "/remembering",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8, permessage-deflate\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate\r\n"],
    ),
    offer(
        "the first of two that can be",
        "7692 5",
        "/remembering",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=11, permessage-deflate\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=11\r\n"],
    ),
    offer(
        "offers in two fields",
        "6455 9.1",
        "/remembering",
        "Sec-WebSocket-Extensions: foo\r\nSec-WebSocket-Extensions: bar; baz=2, permessage-deflate\r\n",
        &["Sec-WebSocket-Extensions: permessage-deflate\r\n"],
    ),
    declined(
        "extensions that are not known",
        "6455 9.1",
        "/ws",
        "Sec-WebSocket-Extensions: mux; max=4, foo\r\n",
    ),
    declined(
        "a parameter that is not known",
        "7692 7",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; foo\r\n",
    ),
    declined(
        "a parameter twice",
        "7692 7",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; client_max_window_bits\r\n",
    ),
    declined(
        "a window of 7 bits",
        "7692 7.1.2.1",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n",
    ),
    declined(
        "a window of 8 bits, which we cannot make",
        "7692 7.1.2.1",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n",
    ),
    declined(
        "a window of 16 bits",
        "7692 7.1.2.2",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=16\r\n",
    ),
    declined(
        "a window with a leading zero",
        "7692 7.1.2.1",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=010\r\n",
    ),
    declined(
        "a window without a value",
        "7692 7.1.2.1",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits\r\n",
    ),
    declined(
        "a value where none may be",
        "7692 7.1.1.1",
        "/ws",
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover=1\r\n",
    ),
    declined(
        "an offer where nothing is compressed",
        "7692 5",
        "/plain",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ),
    refused("two words", "6455 9.1", With("/ws", "Sec-WebSocket-Extensions: permessage deflate\r\n"), 400),
    refused(
        "a parameter without a name",
        "6455 9.1",
        With("/ws", "Sec-WebSocket-Extensions: foo; =1\r\n"),
        400,
    ),
    refused(
        "a parameter that is not there",
        "6455 9.1",
        With("/ws", "Sec-WebSocket-Extensions: foo;\r\n"),
        400,
    ),
    refused(
        "a quote that does not end",
        "6455 9.1",
        With("/ws", "Sec-WebSocket-Extensions: foo; a=\"b\r\n"),
        400,
    ),
    refused(
        "a malformed offer where nothing is compressed",
        "6455 9.1",
        With("/plain", "Sec-WebSocket-Extensions: a b\r\n"),
        400,
    ),
    refused(
        "a quoted value that is no token",
        "6455 9.1",
        With("/ws", "Sec-WebSocket-Extensions: foo; a=\"b c\"\r\n"),
        400,
    ),
    refused(
        "a malformed offer behind a good one",
        "6455 9.1",
        With("/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: a b\r\n"),
        400,
    ),
];

pub(crate) const TABLES: &[&[Handshake]] = &[REQUESTS, KEYS, ORIGINS, PROTOCOLS, EXTENSIONS];
