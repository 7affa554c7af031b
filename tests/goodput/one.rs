//! Some cells by themselves, for whoever tunes the core: their figures, for each seed, or the course of one flow.

use taphouse::time::Instant;

use super::cells::Cell;
use super::host::Probe;
use super::rivals;
use super::world::{Make, run};

/// Does what the environment asks for; the head of `main.rs` says how.
pub(crate) fn print() {
    let get = |name: &str| std::env::var(name).ok();
    let number = |name: &str| get(name).map(|value| value.parse::<u64>().expect("a number"));
    let name = get("CELL").unwrap_or_else(|| "all".into());
    let makes = get("OF").unwrap_or_else(|| "ours".into());
    let make = |name: &str| Make::of_name(name).expect("OF has some of ours, none, reno, cubic");
    let Some(cell) = Cell::of_name(&name) else {
        let kind = if name == "all" { "" } else { &name };
        let cells: Vec<_> = Cell::all().filter(|cell| cell.name().starts_with(kind)).collect();
        assert!(!cells.is_empty(), "CELL is all, single, reordered, shared, or one as in smoltcp.txt");
        for name in makes.split(',') {
            cells.iter().for_each(|&cell| print_mean(make(name), cell));
        }
        return;
    };
    for name in makes.split(',') {
        if get("SERIES").is_some() {
            print_series(make(name), cell, number("SEED").unwrap_or(0), number("FLOW").unwrap_or(0));
            continue;
        }
        for seed in number("SEED").map_or(0..cell.seeds(), |seed| seed..seed + 1) {
            let outcomes = run(make(name), &cell.scenario(seed), None);
            let turns = outcomes.turns;
            println!("{name} seed {seed}: {:.4?}, {turns} turns", cell.measure(&outcomes));
        }
        print_mean(make(name), cell);
    }
}

/// One line with what the tests judge.
fn print_mean(make: Make, cell: Cell) {
    let figures = cell.figures(make);
    let best = if let Cell::Shared { .. } = cell {
        rivals::best_of_all(cell)
    } else {
        rivals::best_controlled(cell)
    };
    println!(
        "{:5} {:16} {:9.2} kB/s, {:5.2} of smoltcp's best; from the limit on {:5.3} of it; \
         Jain {:.3}, smoltcp's {:.3}; dropped {:.4}; sent twice {:.4}, later {:.4}; timeouts {:.1}",
        make.name(),
        cell.name(),
        figures.goodput,
        figures.goodput / best.goodput,
        figures.at_limit * 1e3 / cell.limit(),
        figures.jain,
        best.jain,
        figures.dropped,
        figures.again,
        figures.again_late,
        figures.timeouts,
    );
}

/// The course of a flow, a line each 100 ms: times in ms, the rest in bytes.
fn print_series(make: Make, cell: Cell, seed: u64, flow: u64) {
    println!("ms,cwnd,ssthresh,flight,srtt,rto,recovering,resent,timeouts,arrived");
    let mut watch = |now: Instant, probe: Probe, arrived: u64| {
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
    let outcomes = run(make, &cell.scenario(seed), Some((flow as usize, &mut watch)));
    println!("{:.4?}", cell.measure(&outcomes));
}
