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
mod headers;
mod limits;
mod text;
mod wire;

use case::Case;
use driver::run;

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
    limits::PLAIN,
    limits::SQUEEZED,
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
