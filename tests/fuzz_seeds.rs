//! The targets of `fuzz/` over their seeds, and over mutations of them: what a fuzzer would do, for some seconds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "the fuzzer reaches it")]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use taphouse::fault::{self, Fault};
use taphouse::rand::{Purpose, Rng, Seed};

/// Bytes of an input at most.
const LONGEST: usize = 4096;

/// Bytes that mean something to somebody.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"=",
    b"\"",
    b"\\",
    b"%",
    b"%00",
    b"&",
    b"--",
    b"-",
    b"0",
    b"ffffffffffffffff",
    b"HTTP/1.1",
    b"Host: a\r\n",
    b"chunked",
    b"\x80",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\x88\x02\x03\xe8",
    b"\x7f\xff\xff",
    b"\0\0\xff\xff",
    b"<a>",
    b"[[[[",
    b"18446744073709551616",
];

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    rng.below(bound as u64) as usize
}

/// A part of some bytes, which may be empty.
fn range(rng: &mut Rng, len: usize) -> std::ops::Range<usize> {
    let (a, b) = (below(rng, len + 1), below(rng, len + 1));
    let end = if rng.chance(0.5) { a.max(b) } else { (a.min(b) + 8).min(len) };
    a.min(b)..end
}

/// One change.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, others: &[(String, Vec<u8>)]) {
    let at = below(rng, bytes.len() + 1);
    let part = range(rng, bytes.len());
    match below(rng, 7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << below(rng, 8),
        1 if at < bytes.len() => bytes[at] = rng.u32() as u8,
        2 => drop(bytes.drain(part)),
        3 => {
            let copy = bytes[part].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => {
            let other = &others[below(rng, others.len())].1;
            let part = range(rng, other.len());
            bytes.splice(at..at, other[part].iter().copied());
        }
        5 => bytes.truncate(at),
        _ => {
            let token = TOKENS[below(rng, TOKENS.len())];
            bytes.splice(at..at, token.iter().copied());
        }
    }
    bytes.truncate(LONGEST);
}

fn run(name: &str, target: fn(&[u8]), input: &[u8], from: &str) {
    if catch_unwind(|| target(input)).is_err() {
        panic!("{name} fails, from {from}:\nb\"{}\"", input.escape_ascii());
    }
}

#[test]
fn targets_hold_over_their_seeds_and_what_becomes_of_those() {
    let count = std::env::var("TAPHOUSE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5000);
    for (number, &(name, target)) in targets::ALL.iter().enumerate() {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "fuzz/seeds/{name} has no seeds");
        for (path, seed) in &seeds {
            assert!(seed.len() <= LONGEST, "{path} is not small");
            run(name, target, seed, path);
        }
        let mut rng = Seed::from_u64(number as u64).stream(Purpose::Jitter);
        for _ in 0..count {
            let (path, seed) = &seeds[below(&mut rng, seeds.len())];
            let mut input = seed.clone();
            for _ in 0..=below(&mut rng, 4) {
                mutate(&mut rng, &mut input, &seeds);
            }
            run(name, target, &input, path);
        }
    }
}

#[test]
fn seeded_faults_are_noticed() {
    for (fault, name) in [(Fault::Utf8Unchecked, "frames_server"), (Fault::BombsUnlimited, "inflate")] {
        let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).unwrap();
        fault::set(Some(fault));
        let is_noticed = seeds(name).iter().any(|(_, seed)| catch_unwind(|| target(seed)).is_err());
        fault::set(None);
        assert!(is_noticed, "{fault:?}");
    }
}

#[test]
fn every_target_can_be_fuzzed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    for (name, _) in targets::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml does not know {name}");
        assert!(dir.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} has no program");
    }
    let known: Vec<_> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    for entry in fs::read_dir(dir.join("seeds")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "seeds/{name} is of no target");
    }
}
