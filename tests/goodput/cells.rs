//! The cells of the tables: what is run for each, and what is counted.

use taphouse::rand::{Purpose, Seed};
use taphouse::time::{Duration, Instant};

use super::host::MSS;
use super::world::{Make, Outcome, Outcomes, Scenario, run};

/// Bytes of a single flow.
pub(crate) const BYTES: u64 = 10 << 20;
/// The round-trip time of a single flow.
pub(crate) const RTT: Duration = Duration::from_millis(100);
/// Losses of a single flow, in a thousand packets.
pub(crate) const LOSSES: [u32; 7] = [0, 1, 10, 20, 50, 100, 200];
/// Buffers of a single flow, in KiB.
pub(crate) const BUFFERS: [usize; 2] = [32, 1024];
/// Seeds of a single flow.
pub(crate) const SEEDS: u64 = 20;

/// How many flows share the bottleneck.
pub(crate) const CROWDS: [usize; 4] = [1, 4, 16, 64];
/// Their buffers in KiB: those of smoltcp's own test, and some that fill the bottleneck with few flows.
pub(crate) const SHARED_BUFFERS: [usize; 2] = [256, 1024];
/// Seeds of shared cells. They draw the round-trip times.
pub(crate) const SHARED_SEEDS: u64 = 5;
/// What is the limit of a flow with a buffer of 1 MiB, all of which the queue holds: bits a second, bytes of the queue.
const NARROW: (u64, usize) = (20_000_000, 2 << 20);
/// What the flows share: bits a second, bytes of the queue.
const NECK: (u64, usize) = (200_000_000, 64 << 10);
/// Flows begin within the first second; what the first five bring does not count.
const SHARED_WARM_UP: Duration = Duration::from_secs(5);
const SHARED_END: Duration = Duration::from_secs(30);

/// One cell of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// One flow of 10 MiB under random loss.
    Single { buffer: usize, loss: u32 },
    /// One flow of 10 MiB of whose packets a tenth is late by a quarter of the round-trip time.
    Reordered { buffer: usize },
    /// One flow of 10 MiB behind a bottleneck that is its limit, and not its buffer; in order, or reordered like that.
    Behind { is_reordered: bool },
    /// Flows that share a bottleneck.
    Shared { buffer: usize, flows: usize },
}

/// What is said of a cell: means over the seeds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// kB/s from the beginning to the last byte, of all flows together.
    pub(crate) goodput: f64,
    /// kB/s from the moment in which the flow first reached its limit; from the beginning if it never did.
    pub(crate) at_limit: f64,
    /// Share of the runs that reached the limit.
    pub(crate) reached: f64,
    /// Bytes that arrived more than once, to those of the stream.
    pub(crate) again: f64,
    /// The same in the second half of the stream.
    pub(crate) again_late: f64,
    /// Jain's index of the flows.
    pub(crate) jain: f64,
    /// Share of the packets that the bottleneck dropped.
    pub(crate) dropped: f64,
    /// Retransmission timeouts of a run, where the sender counts them.
    pub(crate) timeouts: f64,
}

impl Cell {
    pub(crate) fn singles() -> impl Iterator<Item = Self> {
        BUFFERS.into_iter().flat_map(|buffer| LOSSES.map(|loss| Self::Single { buffer, loss }))
    }

    pub(crate) fn reordered() -> impl Iterator<Item = Self> {
        BUFFERS.into_iter().map(|buffer| Self::Reordered { buffer })
    }

    pub(crate) fn behind() -> impl Iterator<Item = Self> {
        [false, true].into_iter().map(|is_reordered| Self::Behind { is_reordered })
    }

    pub(crate) fn shared() -> impl Iterator<Item = Self> {
        SHARED_BUFFERS.into_iter().flat_map(|buffer| CROWDS.map(|flows| Self::Shared { buffer, flows }))
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::singles().chain(Self::reordered()).chain(Self::shared())
    }

    /// How it is called on a command line and in the rival's table.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Single { buffer, loss } => format!("single/{buffer}/{loss}"),
            Self::Reordered { buffer } => format!("reordered/{buffer}"),
            Self::Behind { is_reordered } => format!("behind/{}", usize::from(is_reordered)),
            Self::Shared { buffer, flows } => format!("shared/{buffer}/{flows}"),
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let mut parts = name.split('/');
        let kind = parts.next()?;
        let numbers: Option<Vec<usize>> = parts.map(|part| part.parse().ok()).collect();
        Some(match (kind, numbers?.as_slice()) {
            ("single", &[buffer, loss]) => Self::Single { buffer, loss: loss as u32 },
            ("reordered", &[buffer]) => Self::Reordered { buffer },
            ("behind", &[is_reordered]) => Self::Behind { is_reordered: is_reordered == 1 },
            ("shared", &[buffer, flows]) => Self::Shared { buffer, flows },
            _ => return None,
        })
    }

    pub(crate) fn seeds(self) -> u64 {
        if matches!(self, Self::Shared { .. }) { SHARED_SEEDS } else { SEEDS }
    }

    /// The bytes a second that window and loss allow: at most a window in each round-trip time, and at most what
    /// AIMD gets under random loss.
    pub(crate) fn limit(self) -> f64 {
        let rtt = RTT.as_nanos() as f64 / 1e9;
        match self {
            Self::Single { buffer, loss } => {
                let window = (buffer << 10) as f64 / rtt;
                let share = f64::from(loss) / 1000.0;
                window.min(1.2 * MSS as f64 / (rtt * share.sqrt()))
            }
            Self::Reordered { buffer } => (buffer << 10) as f64 / rtt,
            Self::Behind { .. } => NARROW.0 as f64 / 8.0,
            Self::Shared { .. } => f64::INFINITY,
        }
    }

    pub(crate) fn scenario(self, seed: u64) -> Scenario {
        let single = Scenario {
            flows: vec![(RTT, Instant::ZERO)],
            buffer: 0,
            bytes: BYTES,
            loss: 0.0,
            reorder: (0.0, RTT / 4),
            neck: None,
            limit: self.limit(),
            warm_up: Instant::ZERO,
            // A day: smoltcp's slowest run takes six hours.
            until: Instant::ZERO + Duration::from_secs(86_400),
            seed,
        };
        match self {
            Self::Single { buffer, loss } => {
                Scenario { buffer: buffer << 10, loss: f64::from(loss) / 1000.0, ..single }
            }
            Self::Reordered { buffer } => {
                Scenario { buffer: buffer << 10, reorder: (0.1, RTT / 4), ..single }
            }
            Self::Behind { is_reordered } => {
                let share = if is_reordered { 0.1 } else { 0.0 };
                Scenario { buffer: 1 << 20, reorder: (share, RTT / 4), neck: Some(NARROW), ..single }
            }
            Self::Shared { buffer, flows } => {
                let mut dice = Seed::from_u64(seed).stream(Purpose::Jitter);
                let mut flow = |_| {
                    let rtt = Duration::from_micros(50_000 + dice.below(100_001));
                    (rtt, Instant::ZERO + Duration::from_micros(dice.below(1_000_000)))
                };
                Scenario {
                    flows: (0..flows).map(&mut flow).collect(),
                    buffer: buffer << 10,
                    bytes: u64::MAX,
                    neck: Some(NECK),
                    warm_up: Instant::ZERO + SHARED_WARM_UP,
                    until: Instant::ZERO + SHARED_END,
                    ..single
                }
            }
        }
    }

    /// Runs all seeds of a make.
    pub(crate) fn figures(self, make: Make) -> Figures {
        let seeds = self.seeds();
        let mut sum = Figures::default();
        for seed in 0..seeds {
            let one = self.measure(&run(make, &self.scenario(seed), None));
            sum.add(&one);
        }
        sum.divided_by(seeds as f64)
    }

    /// What is said of one run.
    pub(crate) fn measure(self, outcomes: &Outcomes) -> Figures {
        if let Self::Shared { .. } = self {
            let span = (SHARED_END - SHARED_WARM_UP).as_nanos() as f64 / 1e9;
            let rates: Vec<f64> =
                outcomes.flows.iter().map(|flow| (flow.read.1 - flow.read.0) as f64 / span).collect();
            let (given, dropped) = outcomes.neck;
            let (fresh, again) =
                outcomes.flows.iter().fold((0, 0), |sum, f| (sum.0 + f.arrived.0, sum.1 + f.arrived.1));
            return Figures {
                goodput: rates.iter().sum::<f64>() / 1e3,
                jain: jain(&rates),
                dropped: dropped as f64 / given.max(1) as f64,
                again: again as f64 / (fresh as f64).max(1.0),
                timeouts: outcomes.flows.iter().map(|flow| flow.probe.timeouts as f64).sum(),
                ..Figures::default()
            };
        }
        measure_single(&outcomes.flows[0])
    }
}

fn measure_single(flow: &Outcome) -> Figures {
    let end = flow.finished.expect("a day is enough for 10 MiB");
    let rate = |from: Instant, bytes: u64| bytes as f64 / (end.since(from).as_nanos() as f64 / 1e9) / 1e3;
    let (from, had) = flow.reached.unwrap_or((Instant::ZERO, 0));
    let (_, again, again_late) = flow.arrived;
    Figures {
        goodput: rate(Instant::ZERO, BYTES),
        at_limit: rate(from, BYTES - had),
        reached: f64::from(flow.reached.is_some()),
        again: again as f64 / BYTES as f64,
        again_late: again_late as f64 / (BYTES / 2) as f64,
        timeouts: flow.probe.timeouts as f64,
        ..Figures::default()
    }
}

/// Jain's index: 1 when all have the same, one n-th when one of n has all.
pub(crate) fn jain(rates: &[f64]) -> f64 {
    let sum: f64 = rates.iter().sum();
    let squares: f64 = rates.iter().map(|rate| rate * rate).sum();
    if squares == 0.0 { 1.0 } else { sum * sum / (rates.len() as f64 * squares) }
}

impl Figures {
    fn fields(&mut self) -> [&mut f64; 8] {
        let Self { goodput, at_limit, reached, again, again_late, jain, dropped, timeouts } = self;
        [goodput, at_limit, reached, again, again_late, jain, dropped, timeouts]
    }

    fn add(&mut self, other: &Self) {
        let mut other = *other;
        self.fields().into_iter().zip(other.fields()).for_each(|(sum, one)| *sum += *one);
    }

    fn divided_by(mut self, n: f64) -> Self {
        self.fields().into_iter().for_each(|field| *field /= n);
        self
    }
}

#[test]
fn jain_is_one_for_equals_and_an_nth_for_one_of_n() {
    assert_eq!(jain(&[3.0, 3.0, 3.0]), 1.0);
    assert_eq!(jain(&[8.0, 0.0, 0.0, 0.0]), 0.25);
}
