//! The walls of the house, read off its sources: which room may import which, how long files and functions are, and
//! where clocks and `unsafe` may stand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up. A room imports only from rooms before it.
const ROOMS: &[&str] = &[
    "time", "rand", "limits", "drops", "fault", "fate", "mail", "quota", "wire", "wheel", "frame", "arp",
    "ip", "tcp", "stack", "link", "ws", "http", "inspect", "serve", "control", "shard", "server", "app",
];

/// Islands: what stands beside the stack must not know it.
const NEVER: &[(&str, &[&str])] = &[
    ("link", &["arp", "ip", "tcp", "stack"]),
    ("http", &["wire", "frame", "arp", "ip", "tcp", "stack", "link", "wheel"]),
    ("ws", &["wire", "frame", "arp", "ip", "tcp", "stack", "link", "wheel"]),
    (
        "app",
        &[
            "wire", "frame", "arp", "ip", "tcp", "stack", "link", "wheel", "serve", "control", "shard",
            "server",
        ],
    ),
    ("inspect", &["arp", "ip", "tcp", "stack", "link", "wheel"]),
    ("serve", &["link"]),
];

const MAX_FILE: usize = 700;
const MAX_FUNCTION: usize = 80;
const MAX_LINE: usize = 120;

struct Source {
    path: String,
    /// The lines before the tests.
    lines: Vec<String>,
    whole: String,
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "pkt") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    walk(&root.join("src"), &mut paths);
    paths.sort();
    let sources: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let whole = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().display().to_string();
            let is_test = path.ends_with("/tests.rs");
            let lines =
                whole.lines().take_while(|l| !is_test && !l.starts_with("#[cfg(test)]")).map(String::from);
            Source { lines: lines.collect(), path, whole }
        })
        .collect();
    assert!(sources.len() > 40, "the sources are where they are looked for");
    sources
}

/// `src/tcp/rtt.rs` is in the room `tcp`, `src/time.rs` in `time`; the program and the map are in none.
fn room(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    (!["lib", "main", "cli"].contains(&name)).then_some(name)
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn imports_point_down() {
    let floor = |name: &str| ROOMS.iter().position(|r| *r == name);
    let mut problems = Vec::new();
    for source in sources() {
        let Some(from) = room(&source.path) else { continue };
        let Some(own) = floor(from) else {
            problems.push(format!("{}: the room {from} is not on the plan in tests/tidy.rs", source.path));
            continue;
        };
        for line in &source.lines {
            let line = line.split("//").next().unwrap_or_default();
            for (at, _) in line.match_indices("crate::") {
                let name: String =
                    line[at + 7..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let forbidden = NEVER.iter().any(|(room, others)| *room == from && others.contains(&&*name));
                if floor(&name).is_some_and(|to| to > own) || forbidden {
                    problems.push(format!("{}: {from} must not import {name}", source.path));
                }
            }
        }
    }
    report(problems);
}

/// The service is what anybody could have built: what it imports from has nothing that is for this crate alone.
#[test]
fn the_app_lives_on_the_public_face() {
    let below = ["time", "rand", "limits", "fault", "mail", "quota", "ws", "http"];
    let mut problems = Vec::new();
    for source in sources() {
        let Some(room) = room(&source.path) else { continue };
        for (n, line) in source.lines.iter().enumerate() {
            let name = line.split("crate::").nth(1);
            let name = name.and_then(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()).next());
            if room == "app" && name.is_some_and(|name| name != "app" && !below.contains(&name)) {
                problems.push(format!("{}:{}: {}", source.path, n + 1, line.trim()));
            }
            if below.contains(&room) && line.contains("pub(crate)") {
                problems.push(format!("{}:{}: the app could use this, and nobody else", source.path, n + 1));
            }
        }
    }
    report(problems);
}

#[test]
fn files_and_functions_are_short() {
    let mut problems = Vec::new();
    for source in sources() {
        if source.lines.len() > MAX_FILE {
            problems.push(format!("{}: {} lines, at most {MAX_FILE}", source.path, source.lines.len()));
        }
        let mut start: Option<(usize, usize, String)> = None;
        for (n, line) in source.lines.iter().enumerate() {
            if line.chars().count() > MAX_LINE {
                problems.push(format!("{}:{}: longer than {MAX_LINE} characters", source.path, n + 1));
            }
            let text = line.trim_start();
            let indent = line.len() - text.len();
            let is_fn = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "const fn ", "pub const fn "]
                .iter()
                .any(|head| text.starts_with(head));
            if is_fn && !text.ends_with(';') && !text.ends_with('}') {
                start = Some((n, indent, text.to_owned()));
            }
            if let Some((from, depth, name)) = &start
                && text == "}"
                && indent == *depth
            {
                if n - from > MAX_FUNCTION {
                    problems.push(format!("{}:{}: {} lines: {name}", source.path, from + 1, n - from));
                }
                start = None;
            }
        }
    }
    report(problems);
}

#[test]
fn clocks_and_unsafe_stay_in_their_rooms() {
    let mut problems = Vec::new();
    for source in sources() {
        for (n, line) in source.lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let reads_clock = ["Instant::now(", "SystemTime::now(", "Clock::now(", ".elapsed("];
            if reads_clock.iter().any(|c| code.contains(c)) && source.path != "src/shard/runner.rs" {
                problems.push(format!("{}:{}: reads a clock", source.path, n + 1));
            }
            let is_unsafe = code.contains("unsafe ") && !source.path.starts_with("src/link/");
            if is_unsafe {
                problems.push(format!("{}:{}: unsafe outside src/link", source.path, n + 1));
            }
            let prints = ["println!(", "print!(", "dbg!(", "todo!(", "unimplemented!("];
            if prints.iter().any(|p| code.contains(p)) && !source.path.starts_with("src/main.rs") {
                problems.push(format!("{}:{}: {}", source.path, n + 1, code.trim()));
            }
        }
    }
    report(problems);
}

#[test]
fn every_file_says_what_it_is() {
    let silent =
        sources().into_iter().filter(|s| !s.path.ends_with("/tests.rs") && !s.whole.starts_with("//! "));
    report(silent.map(|s| format!("{}: begins without a word on what it is", s.path)).collect());
}

#[test]
fn every_seeded_fault_is_wired_and_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = sources();
    let declared = all.iter().find(|s| s.path == "src/fault.rs").unwrap();
    let names =
        declared.whole.split("pub enum Fault {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    // Tests are the files below tests/, and what stands behind `#[cfg(test)]` or in a tests.rs.
    let mut paths = Vec::new();
    walk(&root.join("tests"), &mut paths);
    let own = |p: &PathBuf| p.ends_with("tests/tidy.rs");
    let mut tests: String =
        paths.iter().filter(|p| !own(p)).map(|p| fs::read_to_string(p).unwrap()).collect();
    tests.extend(all.iter().map(|s| s.whole.lines().skip(s.lines.len()).collect::<String>()));
    let mut problems = Vec::new();
    for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        let switch = format!("Fault::{name}");
        if !all.iter().any(|s| s.path != "src/fault.rs" && s.lines.iter().any(|l| l.contains(&switch))) {
            problems.push(format!("{switch} breaks nothing"));
        }
        let by_a_script = tests.contains(&format!("breaks-with: {name}\n"));
        if !tests.contains(&switch) && !by_a_script {
            problems.push(format!("{switch} is in no test"));
        }
    }
    report(problems);
}
