//! tungstenite on the other side of a WebSocket, as client and as server: what one says the other hears, in its order,
//! and both tell the same of the end.

use bytes::Bytes;
use taphouse::fault::Fault;
use taphouse::time::Duration;
use taphouse::ws::{Closed, Code, Config, Role, accept_key};
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::{ClientRequestBuilder, Error, Message, WebSocket};

use crate::dice::Dice;
use crate::http_server::Server;
use crate::last_words;
use crate::wire::{End, Found, wire};
use crate::ws_ours::Ours;
use crate::ws_theirs::{Theirs, frames};

/// What is said.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Say {
    Text(String),
    Binary(Vec<u8>),
    /// The code, if there is one, and the reason.
    Close(Option<u16>, String),
}

impl std::fmt::Debug for Say {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(data) => write!(f, "Binary({} bytes)", data.len()),
            Self::Close(code, reason) => write!(f, "Close({code:?}, {reason:?})"),
        }
    }
}

/// Rounds after which a run in which nothing has moved is stuck.
const PATIENCE: usize = 2000;

/// Bytes of a message at most, in most runs.
const MAX: usize = 300_000;

/// tungstenite takes a handshake in smaller parts for an attack.
const HANDSHAKE_CUT: usize = 100;

/// Both ends of a WebSocket that is open.
struct Pair {
    ours: Ours,
    theirs: Theirs,
    end: End,
}

/// tungstenite asks the house for a WebSocket.
fn opened_by_them(seed: u64, cut: usize, config: Config, ours: Vec<Say>, theirs: Vec<Message>) -> Pair {
    let mut dice = Dice::new(seed, 10);
    let (near, far) = wire(&mut dice, cut.max(HANDSHAKE_CUT));
    let mut server = Server::new(far.clone(), Dice::new(seed, 11));
    let uri = "ws://peer.test/ws/echo".parse().unwrap();
    let request = ClientRequestBuilder::new(uri).with_header("Origin", "http://elsewhere.test");
    let mut step = tungstenite::client(request, near.clone());
    let (socket, answer) = loop {
        server.step();
        step = match step {
            Ok(done) => break done,
            Err(HandshakeError::Interrupted(middle)) => middle.handshake(),
            Err(HandshakeError::Failure(error)) => panic!("seed {seed}: no handshake: {error}"),
        };
    };
    assert_eq!(answer.headers().get("sec-websocket-extensions"), None, "nobody has offered one");
    let (upgrade, early) = server.take_upgrade().expect("the handshake is done");
    let (_, agreement, _) = upgrade.into_parts();
    assert_eq!(agreement, None);
    let ours = Ours::new(far, Role::Server, config, early, ours, Dice::new(seed, 12));
    near.cut(cut);
    let theirs = Theirs::new(socket, near.clone(), theirs, Dice::new(seed, 13));
    Pair { ours, theirs, end: near }
}

/// The house asks tungstenite. The asking is this test's own: the house has no client for it.
fn opened_by_us(seed: u64, cut: usize, config: Config, ours: Vec<Say>, theirs: Vec<Message>) -> Pair {
    let mut dice = Dice::new(seed, 20);
    let (near, far) = wire(&mut dice, cut.max(HANDSHAKE_CUT));
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let request = format!(
        "GET / HTTP/1.1\r\nHost: peer.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    let mut given = 0;
    while given < request.len() {
        given += near.give(&request.as_bytes()[given..]);
    }
    let (mut step, mut answer) = (tungstenite::accept(far.clone()), Vec::new());
    let socket = loop {
        step = match step {
            Ok(done) => break done,
            Err(HandshakeError::Interrupted(middle)) => middle.handshake(),
            Err(HandshakeError::Failure(error)) => panic!("seed {seed}: no handshake: {error}"),
        };
    };
    while !answer.ends_with(b"\r\n\r\n") {
        if let Found::Bytes(bytes) = near.receive(1) {
            answer.extend(bytes);
        }
    }
    let accept = format!("sec-websocket-accept: {}\r\n", accept_key(key.as_bytes()));
    assert!(String::from_utf8(answer).unwrap().to_lowercase().contains(&accept.to_lowercase()));
    let ours = Ours::new(near.clone(), Role::Client, config, Bytes::new(), ours, Dice::new(seed, 22));
    near.cut(cut);
    let theirs = Theirs::new(socket, far, theirs, Dice::new(seed, 23));
    Pair { ours, theirs, end: near }
}

impl Pair {
    /// Goes on until both have said all, and have closed.
    fn run(&mut self, dice: &mut Dice) {
        let (mut moved, mut idle, mut pings) = (self.end.moved(), 0, 0);
        while !(self.ours.is_over() && self.theirs.is_over()) {
            self.ours.step();
            self.theirs.step();
            if dice.one_in(500) && self.theirs.pings == pings && self.ours.is_open() {
                // The next one goes when this one has come.
                self.ours.pause();
                pings += 1;
            }
            idle = if moved == self.end.moved() { idle + 1 } else { 0 };
            moved = self.end.moved();
            assert!(idle < PATIENCE, "nothing moves: {:?}, {:?}", self.ours.closed, self.theirs.error);
        }
    }
}

/// Some messages.
fn script(dice: &mut Dice, max: usize) -> Vec<Say> {
    let count = dice.below(12);
    let mut say = || {
        let len = dice.magnitude(max);
        if dice.one_in(2) { Say::Text(dice.text(len)) } else { Say::Binary(dice.bytes(len)) }
    };
    (0..count).map(|_| say()).collect()
}

fn close(dice: &mut Dice) -> (Option<u16>, String) {
    const CODES: [u16; 12] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4000, 4999];
    // A code beside no reason, or a reason of up to 123 bytes, or nothing.
    let len = dice.magnitude(119);
    match dice.below(4) {
        0 => (None, String::new()),
        1 => (Some(dice.pick(&CODES)), String::new()),
        _ => (Some(dice.pick(&CODES)), dice.text(len)),
    }
}

/// Who closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closer {
    We,
    They,
    Both,
}

fn is_prefix(part: &[Say], whole: &[Say]) -> bool {
    whole.starts_with(part)
}

/// One WebSocket from its handshake to its end: how many messages were heard on both sides, and pings or pongs on theirs.
fn converse(seed: u64, role: Role) -> (usize, usize) {
    let mut dice = Dice::new(seed, 30);
    let cut = dice.pick(&[1, 2, 60, 1460, 20_000, 100_000]);
    let max = (cut * 3000).min(MAX);
    let closer = dice.pick(&[Closer::We, Closer::They, Closer::Both]);
    let (we_say, they_say) = (script(&mut dice, max), script(&mut dice, max));
    let (code, reason) = close(&mut dice);
    let closing = vec![Say::Close(code, reason.clone())];
    let (mut ours, mut theirs) = (we_say.clone(), they_say.clone());
    if closer != Closer::They {
        ours.extend(closing.clone());
    }
    if closer != Closer::We {
        theirs.extend(closing);
    }
    let (theirs, pings) = frames(&mut dice, &theirs);
    let open = if role == Role::Server { opened_by_them } else { opened_by_us };
    // Its silences may fall within a message.
    let config = Config { message_pause: Duration::from_secs(1 << 20), ..Config::default() };
    let mut pair = open(seed, cut, config, ours, theirs);
    pair.run(&mut dice);

    let (ours, theirs) = (pair.ours, pair.theirs);
    let what = format!("seed {seed}, {role:?}, {closer:?} closing");
    // What was said before a Close frame is heard; what was said against one may be lost.
    assert!(is_prefix(&theirs.heard, &we_say), "{what}: they have heard {:?} of {we_say:?}", theirs.heard);
    assert!(is_prefix(&ours.heard, &they_say), "{what}: we have heard {:?} of {they_say:?}", ours.heard);
    match closer {
        Closer::We => assert_eq!(theirs.heard.len(), we_say.len(), "{what}"),
        Closer::They => assert_eq!(ours.heard.len(), they_say.len(), "{what}"),
        Closer::Both => {}
    }
    assert!(matches!(theirs.error, Some(Error::ConnectionClosed)), "{what}: {:?}", theirs.error);
    let is_clean = role == Role::Server || has_closed(&pair.end, code, &reason);
    let closed = Closed { code: code.map_or(Code::NONE, Code), reason: reason.clone(), is_clean };
    assert_eq!(ours.closed.unwrap(), closed, "{what}");
    // RFC 6455 5.5.1: a Close frame is answered by one that says the same.
    assert_eq!(theirs.close, Some((code, reason)), "{what}");
    // Every ping is answered, in its order, unless we have closed.
    assert!(pings.starts_with(&theirs.pongs), "{what}: other pongs");
    assert!(closer != Closer::They || theirs.pongs.len() == pings.len(), "{what}: a ping without an answer");
    (ours.heard.len() + theirs.heard.len(), theirs.pings + theirs.pongs.len())
}

/// There is a Close frame in the last that has come from the server, if only a pong behind it. As server, tungstenite
/// goes without one if there was no room for it when the other's had come.
fn has_closed(end: &End, code: Option<u16>, reason: &str) -> bool {
    let content = code.map_or(Vec::new(), |code| [&code.to_be_bytes(), reason.as_bytes()].concat());
    let frame = [&[0x88, content.len() as u8], &content[..]].concat();
    let log = &end.incoming.borrow().log;
    log[log.len().saturating_sub(400)..].windows(frame.len()).any(|window| window == frame)
}

#[test]
fn tungstenite_and_the_house_hear_each_other() {
    for role in [Role::Server, Role::Client] {
        let (mut messages, mut pings) = (0, 0);
        for seed in 0..300 {
            let (heard, pinged) = converse(seed, role);
            messages += heard;
            pings += pinged;
        }
        assert!(messages > 2000 && pings > 1000, "{messages} messages, {pings} pings");
    }
}

/// A frame that tungstenite sends because it is told to, whatever it is.
fn raw(opcode: OpCode, is_final: bool, content: &[u8]) -> Message {
    let header = FrameHeader { is_final, opcode, ..FrameHeader::default() };
    Message::Frame(Frame::from_payload(header, content.to_vec().into()))
}

const TEXT: OpCode = OpCode::Data(Data::Text);
const MORE: OpCode = OpCode::Data(Data::Continue);

/// Frames that break the protocol, and the code that they are worth.
fn broken() -> Vec<(&'static str, Vec<Message>, u16)> {
    let with = |header: FrameHeader| Message::Frame(Frame::from_payload(header, Bytes::new()));
    let plain = FrameHeader { opcode: TEXT, ..FrameHeader::default() };
    let ping = OpCode::Control(Control::Ping);
    let close = |content: &[u8]| raw(OpCode::Control(Control::Close), true, content);
    vec![
        ("a text that is not UTF-8", vec![raw(TEXT, true, b"caf\xe9")], 1007),
        ("a surrogate in two frames", vec![raw(TEXT, false, b"\xed"), raw(MORE, true, b"\xa0\x80")], 1007),
        (
            "a text that ends within a character",
            vec![raw(TEXT, true, "é".as_bytes().split_last().unwrap().1)],
            1007,
        ),
        ("a continuation of nothing", vec![raw(MORE, true, b"x")], 1002),
        ("a message within a message", vec![raw(TEXT, false, b"a"), raw(TEXT, true, b"b")], 1002),
        ("a first reserved bit", vec![with(FrameHeader { rsv1: true, ..plain.clone() })], 1002),
        ("a second reserved bit", vec![with(FrameHeader { rsv2: true, ..plain.clone() })], 1002),
        ("a third reserved bit", vec![with(FrameHeader { rsv3: true, ..plain })], 1002),
        ("a reserved opcode", vec![raw(OpCode::Data(Data::Reserved(3)), true, b"")], 1002),
        ("a reserved opcode of control", vec![raw(OpCode::Control(Control::Reserved(11)), true, b"")], 1002),
        ("a ping in parts", vec![raw(ping, false, b"")], 1002),
        ("a ping of 126 bytes", vec![raw(ping, true, &[0; 126])], 1002),
        ("a close of one byte", vec![close(b"\x03")], 1002),
        ("a close code that is never sent", vec![close(b"\x03\xed")], 1002),
        ("a close reason that is not UTF-8", vec![close(b"\x03\xe8\xff")], 1007),
        ("a message of 1001 bytes", vec![raw(TEXT, true, &[b'x'; 1001])], 1009),
        ("one in two frames", vec![raw(TEXT, false, &[b'x'; 501]), raw(MORE, true, &[b'x'; 500])], 1009),
    ]
}

/// What both sides say of the end when tungstenite sends these.
fn offend(role: Role, messages: Vec<Message>) -> (u16, Option<u16>) {
    let config = Config { message: 1000, ..Config::default() };
    let open = if role == Role::Server { opened_by_them } else { opened_by_us };
    let mut pair = open(1, 1000, config, Vec::new(), messages);
    pair.run(&mut Dice::new(1, 31));
    (pair.ours.closed.unwrap().code.0, pair.theirs.close.and_then(|close| close.0))
}

#[test]
fn who_breaks_the_protocol_is_told_so() {
    for role in [Role::Server, Role::Client] {
        for (what, messages, code) in broken() {
            assert_eq!(offend(role, messages), (code, Some(code)), "{what}, to a {role:?}");
        }
    }
}

#[test]
fn a_message_of_just_the_limit_is_taken() {
    let bye = Message::Close(None);
    let messages = vec![raw(TEXT, true, &[b'x'; 1000]), bye];
    assert_eq!(offend(Role::Server, messages), (1005, None));
}

/// Both sides believe that they are this one.
fn two_of_a_kind(role: Role) -> Option<u16> {
    let (near, far) = wire(&mut Dice::new(2, 0), 1000);
    let says = vec![Message::text("x"), Message::Close(None)];
    let config = Config::default();
    let ours = Ours::new(near.clone(), role, config, Bytes::new(), Vec::new(), Dice::new(2, 1));
    let their_role = match role {
        Role::Server => tungstenite::protocol::Role::Server,
        Role::Client => tungstenite::protocol::Role::Client,
    };
    let socket = WebSocket::from_raw_socket(far.clone(), their_role, None);
    let mut pair = Pair { ours, theirs: Theirs::new(socket, far, says, Dice::new(2, 2)), end: near };
    for _ in 0..PATIENCE {
        pair.ours.step();
        pair.theirs.step();
    }
    pair.ours.closed.map(|closed| closed.code.0)
}

#[test]
fn a_mask_that_is_missing_or_should_not_be_there_is_noticed() {
    for role in [Role::Server, Role::Client] {
        assert_eq!(two_of_a_kind(role), Some(1002), "{role:?}");
        let believed = last_words(Some(Fault::MaskUnchecked), || {
            assert_eq!(two_of_a_kind(role), Some(1002), "the seeded fault");
        });
        assert!(believed.unwrap().contains("the seeded fault"));
    }
}

#[test]
fn seeded_faults_are_noticed() {
    for (fault, what) in [
        (Fault::Utf8Unchecked, "a text that is not UTF-8"),
        (Fault::CloseCodeUnchecked, "a close code that is never sent"),
        (Fault::MessageUnlimited, "a message of 1001 bytes"),
    ] {
        let (_, mut messages, code) = broken().into_iter().find(|row| row.0 == what).unwrap();
        messages.push(Message::Close(None));
        let words = last_words(Some(fault), || {
            assert_eq!(offend(Role::Server, messages), (code, Some(code)), "the seeded fault");
        });
        assert!(words.unwrap().contains("the seeded fault"), "{fault:?}");
    }
    let words = last_words(Some(Fault::KeyUnchecked), || {
        converse(0, Role::Server);
    });
    assert_eq!(words, None, "and what has nothing to do with it is not");
}

#[test]
fn a_damaged_byte_is_noticed() {
    let says = vec![Message::binary(vec![7; 5000]), Message::Close(None)];
    for at in [300, 302, 350, 2000, 5000] {
        let says = says.clone();
        let run = || {
            let mut pair = opened_by_them(3, 1000, Config::default(), Vec::new(), says);
            pair.end.outgoing.borrow_mut().damaged = Some(at);
            pair.run(&mut Dice::new(3, 31));
            assert!(pair.ours.heard == [Say::Binary(vec![7; 5000])], "another message");
        };
        assert!(last_words(None, run).is_some(), "{at}");
    }
}
