//! The same exchange every time, for a tool that counts instructions: a handshake, 1,000 small requests, 16 MiB down,
//! 16 MiB up, a close.
//!
//! Run by hand it only prints what was done, a line a phase; `scripts/instructions` runs it under callgrind, which
//! counts in the house alone (see `in_memory`) and puts its counts down whenever [`phase_ends`] is called.
//!
//! A line is: name, units of work, unit, frames to the house, frames from it.

mod in_memory;

use std::hint::black_box;

use in_memory::Road;

const REQUESTS: u64 = 1000;
const BODY: usize = 16 << 20;

/// 33 bytes, answered by 13 and a head.
const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
const DOWN: &[u8] = b"GET /bytes/16777216 HTTP/1.1\r\nHost: x\r\n\r\n";
const UP: &[u8] = b"PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n";

fn main() {
    let mut road = Road::new();
    let kibibytes = BODY as u64 / 1024;
    let id = phase(&mut road, "handshake", 1, "connection", |road| road.connect());
    phase(&mut road, "requests", REQUESTS, "request", |road| {
        (0..REQUESTS).for_each(|_| road.ask(id, HELLO, 13));
    });
    phase(&mut road, "download", kibibytes, "KiB", |road| road.ask(id, DOWN, BODY));
    phase(&mut road, "upload", kibibytes, "KiB", |road| road.give(id, UP, BODY, b"{\"bytes\":16777216}\n"));
    phase(&mut road, "close", 1, "connection", |road| road.close(id));
}

fn phase<T>(road: &mut Road, name: &str, units: u64, unit: &str, f: impl FnOnce(&mut Road) -> T) -> T {
    let before = road.frames();
    let result = f(road);
    phase_ends(name);
    let after = road.frames();
    println!("{name} {units} {unit} {} {}", after.0 - before.0, after.1 - before.1);
    result
}

/// Does nothing, where it can be seen.
#[inline(never)]
fn phase_ends(name: &str) {
    black_box(name);
}
