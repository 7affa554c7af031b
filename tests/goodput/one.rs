//! One cell by itself, for whoever tunes the core: its figures for each seed, or the course of one flow.

use super::cells::Cell;
use super::world::{Make, run};

/// Reads the environment and prints. `CELL=single/32/10 OF=ours,cubic SEED=3 SERIES=1`.
pub(crate) fn print() {
    let get = |name: &str| std::env::var(name).ok();
    let name = get("CELL").unwrap_or_else(|| "single/32/10".into());
    let cell = Cell::of_name(&name).expect("CELL is single/KIB/PERMILLE, reordered/KIB or shared/KIB/FLOWS");
    let makes = get("OF").unwrap_or_else(|| "ours".into());
    let seed: Option<u64> = get("SEED").map(|seed| seed.parse().expect("SEED is a number"));
    for make in makes.split(',') {
        let make = Make::of_name(make).expect("OF has some of ours, none, reno, cubic");
        if get("SERIES").is_some() {
            print_series(make, cell, seed.unwrap_or(0));
            continue;
        }
        let seeds = seed.map_or(0..cell.seeds(), |seed| seed..seed + 1);
        for seed in seeds {
            let outcomes = run(make, &cell.scenario(seed), None);
            let turns = outcomes.turns;
            let figures = cell.measure(&outcomes);
            println!("{} {name} seed {seed}: {figures:.4?}, {turns} turns", make.name());
        }
        let begun = std::time::Instant::now();
        let figures = cell.figures(make);
        println!("{} {name} mean: {figures:.4?}", make.name());
        println!("{} {name} took {:.1?} for {} seeds", make.name(), begun.elapsed(), cell.seeds());
    }
}

/// The course of the first flow, a line each 100 ms: times in ms, the rest in bytes.
fn print_series(make: Make, cell: Cell, seed: u64) {
    println!("ms,cwnd,ssthresh,flight,srtt,rto,recovering,resent,timeouts,arrived");
    let mut watch = |now: taphouse::time::Instant, probe: super::host::Probe, arrived: u64| {
        println!(
            "{},{},{},{},{},{},{},{},{},{arrived}",
            now.as_nanos() / 1_000_000,
            probe.cwnd,
            probe.ssthresh,
            probe.flight,
            probe.srtt.as_millis(),
            probe.rto.as_millis(),
            u8::from(probe.is_recovering),
            probe.resent,
            probe.timeouts,
        );
    };
    let outcomes = run(make, &cell.scenario(seed), Some(&mut watch));
    println!("{:.4?}", cell.measure(&outcomes));
}
