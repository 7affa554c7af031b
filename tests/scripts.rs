//! Packet conversations as scripts: `tests/scripts/MECHANISM/NAME.pkt`, each played against a host in virtual time.
//!
//! The form is described in `docs/scripts.md`; in short, a line is a step, and its time counts from the step before:
//!
//! ```text
//! config    nagle=off
//! listen    80
//! +0        < SYN seq 0 win 65535 <mss 1460, wscale 7>
//! +0        > SYN ACK seq 0 ack 1 <mss 1460, wscale 4>
//! +0.010    < ACK seq 1 ack 1 win 512
//! +0        accept
//! +0        write 100
//! +0        > ACK seq 1:101 ack 1
//! +0.2..0.3 > ACK seq 1:101 ack 1      # sent again
//! +0        state ESTABLISHED
//! ```
//!
//! `SCRIPT=part/of/name cargo test --test scripts` plays those alone whose paths have it, those ahead of the stack too,
//! and shows what was said.

#[path = "scripts/faults.rs"]
mod faults;
#[path = "scripts/host.rs"]
mod host;
#[path = "scripts/lexer.rs"]
mod lexer;
#[path = "scripts/matching.rs"]
mod matching;
#[path = "scripts/packets.rs"]
mod packets;
#[path = "scripts/parser.rs"]
mod parser;
#[path = "scripts/peer.rs"]
mod peer;
#[path = "scripts/refused.rs"]
mod refused;
#[path = "scripts/report.rs"]
mod report;
#[path = "scripts/runner.rs"]
mod runner;
#[path = "scripts/script.rs"]
mod script;
#[path = "scripts/setup.rs"]
mod setup;

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use runner::Failure;
use script::Script;
use taphouse::fault;

/// Directories that are read, and not played: what they ask for is not in the stack yet.
const AHEAD: &[(&str, &str)] = &[("pmtud", "reports of a smaller MTU are not heeded yet")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

/// Every script, by its path below `tests/scripts`.
fn scripts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for directory in fs::read_dir(root()).expect("the scripts are there").flatten() {
        for file in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|e| e == "pkt") {
                let name = path.strip_prefix(root()).expect("it is below").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("scripts are text")));
            }
        }
    }
    found.sort();
    let chosen = std::env::var("SCRIPT").unwrap_or_default();
    found.retain(|(name, _)| name.contains(&chosen));
    assert!(!found.is_empty(), "no script is called like {chosen:?}");
    found
}

/// Not played, unless it was asked for by name.
fn is_ahead(name: &str) -> bool {
    std::env::var("SCRIPT").is_err()
        && AHEAD.iter().any(|(directory, _)| name.split('/').next() == Some(directory))
}

/// Plays a script; a panic is a failure too.
fn play(script: &Script) -> Result<Vec<String>, Failure> {
    let played = catch_unwind(AssertUnwindSafe(|| runner::run(script)));
    fault::set(None);
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of another kind");
        Err(Failure { line: 0, message: format!("a panic: {text}"), transcript: Vec::new() })
    })
}

/// What a person needs to find out why.
fn tell(name: &str, text: &str, failure: &Failure) -> String {
    let mut told = format!("tests/scripts/{name}:{}: {}\n", failure.line, failure.message);
    if let Some(line) = failure.line.checked_sub(1).and_then(|n| text.lines().nth(n)) {
        writeln!(told, "    line: {}", line.trim()).expect("strings grow");
    }
    told += "    the conversation so far:\n";
    failure.transcript.iter().for_each(|line| writeln!(told, "      {line}").expect("strings grow"));
    told
}

#[test]
fn every_script_goes_as_it_says() {
    let shows = std::env::var("SCRIPT").is_ok();
    let mut failures = String::new();
    let (mut played, mut failed) = (0, 0);
    for (name, text) in scripts().into_iter().filter(|(name, _)| !is_ahead(name)) {
        let script = match parser::parse(&text) {
            Ok(script) => script,
            Err(error) => {
                failed += 1;
                writeln!(failures, "tests/scripts/{name}:{error}\n").expect("strings grow");
                continue;
            }
        };
        played += 1;
        match play(&script) {
            Err(failure) => {
                failed += 1;
                writeln!(failures, "{}", tell(&name, &text, &failure)).expect("strings grow");
            }
            Ok(transcript) if shows => eprintln!("{name}\n  {}\n", transcript.join("\n  ")),
            Ok(_) => {}
        }
    }
    assert!(failed == 0, "{failed} scripts failed of {played} that were played\n\n{failures}");
}

#[test]
fn a_script_that_names_a_fault_breaks_with_it() {
    let mut unnoticed = Vec::new();
    for (name, text) in scripts().into_iter().filter(|(name, _)| !is_ahead(name)) {
        let Ok(script) = parser::parse(&text) else { continue };
        let Some((line, broken)) = script.breaks_with else { continue };
        fault::set(Some(broken));
        if play(&script).is_ok() {
            unnoticed.push(format!("tests/scripts/{name}:{line}: {broken:?} is not noticed"));
        }
    }
    assert!(unnoticed.is_empty(), "\n{}\n", unnoticed.join("\n"));
}

#[test]
fn scripts_ahead_of_the_stack_are_read() {
    let mut wrong = String::new();
    let all = scripts();
    for (name, text) in all.iter().filter(|(name, _)| is_ahead(name)) {
        if let Err(error) = parser::parse(text) {
            writeln!(wrong, "tests/scripts/{name}:{error}").expect("strings grow");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    for (directory, reason) in AHEAD {
        assert!(root().join(directory).is_dir() && !reason.is_empty(), "{directory}");
    }
}

#[test]
fn there_are_scripts_enough_and_each_says_what_it_is() {
    if std::env::var("SCRIPT").is_ok() {
        return;
    }
    let all = scripts();
    assert!(all.len() >= 120, "{} scripts", all.len());
    let silent: Vec<_> =
        all.iter().filter(|(_, text)| !text.starts_with("# ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "these begin without a word on what they are: {silent:?}");
}
