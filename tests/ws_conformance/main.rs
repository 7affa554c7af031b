//! WebSocket as its RFCs have it, against `ws::Connection`, and against `http::Connection` up to the handshake: no socket,
//! no real time.
//!
//! The tables say for each thing that a peer sends its section, what it must get, and how the connection ends. Messages
//! are sent back, so that what is said tells what was heard. Every case is delivered whole, byte by byte, in two parts at
//! each offset, behind another message and before one; each delivery must come to the same. `waits` has what needs
//! time, a peer that takes nothing, or words of our own; `pair` has both sides talk with each other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod case;
mod closing;
mod deflate;
mod driver;
mod fragments;
mod handshake;
mod headers;
mod opening;
mod pair;
mod sizes;
mod text;
mod waits;
mod wire;

use case::Case;
use deflate::{AGREED, BOTH_WAYS, noise};
use driver::{Peer, run};
use taphouse::fault::{self, Fault};
use taphouse::limits;
use taphouse::ws::{Agreement, Config, Message, Role};
use wire::{BINARY, PING, RSV1, masked, squeeze};

const TABLES: &[&[Case]] = &[
    headers::BITS,
    headers::OPCODES,
    headers::LENGTHS,
    headers::MASKS,
    headers::AT_CLIENTS,
    fragments::FRAGMENTS,
    fragments::CONTROL,
    text::GOOD,
    text::BAD,
    closing::CODES,
    closing::FRAMES,
    closing::ORDER,
    deflate::EXAMPLES,
    deflate::FRAMES,
    deflate::GARBAGE,
    sizes::PLAIN,
    sizes::SQUEEZED,
];

fn judge(case: &Case) -> Result<(), String> {
    run(case).map_err(|e| format!("{} (RFC {}): {e}", case.name, case.section))
}

fn judge_tables(tables: &[&'static [Case]]) {
    let wrong: Vec<_> = tables.iter().copied().flatten().filter_map(|case| judge(case).err()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn headers_of_frames() {
    judge_tables(&TABLES[..5]);
}

#[test]
fn fragments_and_control_frames() {
    judge_tables(&TABLES[5..7]);
}

#[test]
fn texts() {
    judge_tables(&TABLES[7..9]);
}

#[test]
fn closing_handshakes() {
    judge_tables(&TABLES[9..12]);
}

#[test]
fn compressed_messages() {
    judge_tables(&TABLES[12..15]);
}

#[test]
fn limits_of_messages() {
    judge_tables(&TABLES[15..]);
}

#[test]
fn waits_and_words_of_our_own() {
    let wrong: Vec<_> = waits::SCRIPTS.iter().filter_map(|script| script.judge().err()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// RFC 6455 5.5: a control frame has room for 123 bytes of it, and 8.1: no half characters.
#[test]
fn a_long_reason_of_ours_is_cut_between_characters() {
    assert_eq!(waits::reason_of("bye"), "bye");
    assert_eq!(waits::reason_of(&"r".repeat(123)), "r".repeat(123));
    assert_eq!(waits::reason_of(&"r".repeat(200)), "r".repeat(123));
    assert_eq!(waits::reason_of(&"\u{e9}".repeat(100)), "\u{e9}".repeat(61));
}

fn large() -> Config {
    Config { message: 16 << 20, queue: usize::MAX, ..Config::default() }
}

/// Work has a budget each turn, and what is left says by `poll_timeout` that it goes on.
#[test]
fn a_large_message_is_spread_over_turns() {
    const LEN: usize = 8 << 20;
    let least = LEN / limits::WS_TURN_BYTES - 1;
    let data = vec![b'x'; LEN];
    let squeezed = masked(BINARY | RSV1, &squeeze(&data));
    for (what, wire, agreed) in [
        ("unmasked", masked(BINARY, &data), None),
        ("inflated", squeezed.clone(), Some(AGREED)),
        ("inflated and compressed", squeezed, Some(BOTH_WAYS)),
    ] {
        let mut peer = Peer::new(Role::Server, large(), agreed);
        peer.give(&wire);
        assert!(peer.turns >= least, "{what}: {} turns, not {least}", peer.turns);
        assert!(peer.transcript().unwrap().said == [wire::Said::Binary(data.clone())], "{what}");
    }
}

/// RFC 6455 5.4: pings are answered while a large message is on its way out.
#[test]
fn a_ping_is_answered_within_a_large_compressed_answer() {
    let mut peer = Peer::new(Role::Server, large(), Some(BOTH_WAYS));
    peer.is_taking = false;
    peer.send(&Message::binary(noise(120_000))).unwrap();
    let mut pings = 0;
    while peer.take_one() {
        if pings < 3 {
            peer.give(&masked(PING, &[pings]));
            pings += 1;
        }
    }
    let transcript = peer.transcript().unwrap();
    let pongs = (0..3).map(|i| wire::Said::Pong(vec![i]));
    assert!(transcript.said == pongs.chain([wire::Said::Binary(noise(120_000))]).collect::<Vec<_>>());
    assert!(transcript.frames > 3, "{}", transcript.frames);
}

/// RFC 7692 7.1.1.1: the window of earlier messages is used where it may be, and nowhere else.
#[test]
fn a_compressor_remembers_where_it_may() {
    let lengths = |server_takeover| {
        let agreed = Agreement { server_takeover, ..BOTH_WAYS };
        let mut peer = Peer::new(Role::Server, large(), Some(agreed));
        let said = [(); 2].map(|()| {
            peer.send(&Message::binary(noise(500))).unwrap();
            peer.work();
            std::mem::take(&mut peer.output).len()
        });
        (said, peer.lent())
    };
    let ([first, second], lent) = lengths(true);
    assert!(second * 5 < first, "{first} and {second}");
    assert_eq!(lent, (1, 0));
    let ([first, second], lent) = lengths(false);
    assert_eq!((first, lent), (second, (0, 0)));
}

/// RFC 6455 sets no bound to messages that wait; a peer that takes nothing meets one all the same.
#[test]
fn a_peer_that_takes_nothing_is_not_read_any_further() {
    for wire in [masked(BINARY, &[7; 10_000]), masked(PING, &[7; 125])] {
        let mut peer = Peer::new(Role::Server, Config::default(), None);
        peer.is_taking = false;
        let mut sent = 0;
        while peer.ws.wants_input() {
            peer.give(&wire);
            sent += 1;
            assert!(peer.ws.waiting() < limits::WS_LOW_WATER + 11_000, "what waits is bounded");
        }
        assert!(sent > 10, "and there is room for some");
        peer.is_taking = true;
        peer.work();
        assert!(peer.ws.wants_input(), "once all is taken it goes on");
        assert_eq!(peer.transcript().unwrap().said.len(), sent);
    }
}

#[test]
fn opening_handshakes() {
    let all = handshake::TABLES.iter().copied().flatten();
    let wrong: Vec<_> = all.filter_map(|handshake| handshake.judge().err()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn names() -> Vec<(&'static str, &'static str)> {
    let cases = TABLES.iter().copied().flatten().map(|case| (case.name, case.section));
    let scripts = waits::SCRIPTS.iter().map(|script| (script.name, script.section));
    let handshakes = handshake::TABLES.iter().copied().flatten();
    cases.chain(scripts).chain(handshakes.map(|handshake| (handshake.name, handshake.section))).collect()
}

#[test]
fn the_tables_are_large_and_name_each_case_once() {
    let mut all = names();
    assert!(all.len() >= 400, "{}", all.len());
    for (name, section) in &all {
        let is_known = ["6455 ", "7692 "].iter().any(|rfc| section.starts_with(rfc));
        assert!(is_known && section.len() > 5, "{name}: {section}");
    }
    all.sort_unstable();
    all.windows(2).for_each(|pair| assert_ne!(pair[0].0, pair[1].0));
}

/// Each mechanism of WebSockets, broken on purpose, and the case that must go wrong then.
const NOTICED: &[(Fault, &str)] = &[
    (Fault::KeyUnchecked, "an empty key"),
    (Fault::KeyUnchecked, "a key of 17 bytes"),
    (Fault::OriginUnchecked, "the origin of another host"),
    (Fault::OriginUnchecked, "an origin that is not listed"),
    (Fault::MaskUnchecked, "a text without a mask"),
    (Fault::MaskUnchecked, "a mask from a server"),
    (Fault::FrameLengthUnchecked, "125 bytes in the form of 16 bits"),
    (Fault::FrameLengthUnchecked, "65535 bytes in the form of 64 bits"),
    (Fault::CloseCodeUnchecked, "code 1005"),
    (Fault::CloseCodeUnchecked, "code 5000"),
    (Fault::Utf8Unchecked, "the first surrogate"),
    (Fault::Utf8Unchecked, "a wrong byte before the frame ends"),
    (Fault::Utf8Unchecked, "a text that ends within a character of two bytes"),
    (Fault::Utf8Unchecked, "a compressed text that is not UTF-8"),
    (Fault::MessageUnlimited, "one frame beyond the limit"),
    (Fault::MessageUnlimited, "many small fragments beyond the limit"),
    (Fault::CutMessagesTaken, "a message cut within a stored block"),
    (Fault::BombsUnlimited, "a bomb"),
    (Fault::BombsUnlimited, "compressed, beyond the limit"),
    (Fault::QueueUnlimited, "too much for a peer that takes nothing"),
    (Fault::QueueUnlimited, "what is too much is dropped"),
    (Fault::DeadPeersStay, "a dead peer"),
];

fn verdict(name: &str) -> Result<(), String> {
    if let Some(case) = TABLES.iter().copied().flatten().find(|case| case.name == name) {
        return judge(case);
    }
    if let Some(script) = waits::SCRIPTS.iter().find(|script| script.name == name) {
        return script.judge();
    }
    handshake::TABLES.iter().copied().flatten().find(|handshake| handshake.name == name).unwrap().judge()
}

#[test]
fn every_broken_mechanism_is_noticed() {
    for &(fault, name) in NOTICED {
        assert_eq!(verdict(name), Ok(()), "{name} without a fault");
        fault::set(Some(fault));
        let broken = verdict(name);
        fault::set(None);
        assert!(broken.is_err(), "{fault:?} is not noticed by {name:?}");
    }
}
