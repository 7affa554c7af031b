//! How much of a path a flow gets: goodput under loss, beside others, and under reordering, ours against smoltcp, in
//! virtual time. What a run gives depends on its seed alone.
//!
//! One cell, for whoever tunes the core (`single/KIB/PERMILLE`, `reordered/KIB`, `shared/KIB/FLOWS`; `OF` is some of
//! `ours,none,reno,cubic`, the last three being smoltcp's; `SEED=n` is one seed; `SERIES=1` is the course of the
//! first flow, a line each 100 ms, of one seed):
//!
//! ```sh
//! CELL=single/32/10 OF=ours,cubic cargo test --test goodput one_cell -- --ignored --nocapture
//! CELL=single/1024/0 SEED=3 SERIES=1 cargo test --test goodput one_cell -- --ignored --nocapture
//! ```

mod arrivals;
mod cells;
mod host;
mod one;
mod theirs;
mod wire;
mod world;

/// Prints what the environment asks for.
#[test]
#[ignore = "prints one cell, for whoever tunes the core"]
fn one_cell() {
    one::print();
}
