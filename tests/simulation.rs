//! Whole runs under virtual time: two hosts, impaired wires between them, applications that behave as they like.
//!
//! Each run is drawn from a seed. First come the faults, and safety is checked at every frame; then the wires are
//! healed, and everything must finish. A failure prints a line that replays it. `TAPHOUSE_SEEDS=N` runs N seeds
//! of each kind, `TAPHOUSE_SEED=n` runs one.

#[path = "simulation/application.rs"]
mod application;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/flow.rs"]
mod flow;
#[path = "simulation/foreign.rs"]
mod foreign;
#[path = "simulation/ledger.rs"]
mod ledger;
#[path = "simulation/monitor.rs"]
mod monitor;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/station.rs"]
mod station;
#[path = "simulation/wire.rs"]
mod wire;
#[path = "simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use plan::Opposite;
use taphouse::fault::{self, Fault};

/// Runs the seeds of one test: `count` of them from `first` on, unless the environment asks for others.
fn run_seeds(name: &str, opposite: Opposite, first: u64, count: u64) {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match (number("TAPHOUSE_SEED"), number("TAPHOUSE_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => first..first + count,
        (None, None) => first..first + count,
    };
    if seeds.end - seeds.start == 1 {
        // A replay says more with RUST_LOG=taphouse=trace.
        let _ = env_logger::builder().is_test(true).try_init();
    }
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world::run(seed, opposite))) {
            eprintln!("replay: TAPHOUSE_SEED={seed} cargo test --test simulation {name}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn stack_against_itself() {
    run_seeds("stack_against_itself", Opposite::Itself, 0, 6000);
}

#[test]
fn stack_against_itself_again() {
    run_seeds("stack_against_itself_again", Opposite::Itself, 1_000_000, 6000);
}

#[test]
fn smoltcp_as_server() {
    run_seeds("smoltcp_as_server", Opposite::SmoltcpServer, 2_000_000, 2500);
}

#[test]
fn smoltcp_as_client() {
    run_seeds("smoltcp_as_client", Opposite::SmoltcpClient, 3_000_000, 2500);
}

/// Mechanisms whose absence the runs must notice, and how many seeds that may take.
const NOTICED: [Fault; 13] = [
    Fault::FcsUnchecked,
    Fault::TcpChecksumUnchecked,
    Fault::NoRetransmission,
    Fault::NoBackoff,
    Fault::NoFastRetransmit,
    Fault::NoPartialAck,
    Fault::NoReassembly,
    Fault::NoZeroWindowProbe,
    Fault::WindowShrinks,
    Fault::NoCongestionWindow,
    Fault::NoTimeWait,
    Fault::FinBeforeData,
    Fault::BusyLoop,
];
const PATIENCE: u64 = 1500;

#[test]
fn every_seeded_fault_is_noticed() {
    let mut unnoticed = Vec::new();
    for fault in NOTICED {
        fault::set(Some(fault));
        let is_red =
            |seed: &u64| catch_unwind(AssertUnwindSafe(|| world::run(*seed, Opposite::Itself))).is_err();
        match (0..PATIENCE).find(is_red) {
            Some(seed) => println!("{fault:?} is noticed by seed {seed}"),
            None => unnoticed.push(fault),
        }
        fault::set(None);
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}
