//! How fast the road without a device is.
//!
//! `cargo bench --bench road` prints nanoseconds a request and gigabytes a second for both ends together; no wall
//! between them but the wire. Compare only runs on the same machine in the same minutes; `scripts/instructions`
//! compares over machines' moods and over months.

mod in_memory;

use std::time::Duration as Wall;

use in_memory::Road;
use taphouse::shard::runner::Start;

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn time(f: impl FnOnce()) -> Wall {
    let start = Start::now();
    f();
    Wall::from_nanos(start.read().mono.as_nanos())
}

fn main() {
    const REQUESTS: usize = 100_000;
    const BODY: usize = 256 << 20;
    const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    const DOWN: &[u8] = b"GET /bytes/268435456 HTTP/1.1\r\nHost: x\r\n\r\n";
    const UP: &[u8] = b"PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 268435456\r\n\r\n";
    let (mut small, mut down, mut up) = (Vec::new(), Vec::new(), Vec::new());
    let mut frames = (0, 0);
    for _ in 0..7 {
        let mut road = Road::new();
        let id = road.connect();
        let took = time(|| (0..REQUESTS).for_each(|_| road.ask(id, HELLO, 13)));
        small.push(took.as_nanos() as f64 / REQUESTS as f64);
        let took = time(|| road.ask(id, DOWN, BODY));
        down.push(BODY as f64 / took.as_nanos() as f64);
        let took = time(|| road.give(id, UP, BODY, b"{\"bytes\":268435456}\n"));
        up.push(BODY as f64 / took.as_nanos() as f64);
        road.close(id);
        frames = road.frames();
    }
    println!("small requests: {:.0} ns each, client included (median of 7)", median(small));
    println!("bulk download:  {:.2} GB/s, client included (median of 7)", median(down));
    println!("bulk upload:    {:.2} GB/s, client included (median of 7)", median(up));
    println!("frames:         {} to the house and {} from it, each time", frames.0, frames.1);
}
