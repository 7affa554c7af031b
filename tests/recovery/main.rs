//! Recovery as a whole, two hosts of ours on one wire in virtual time: that no loss which RACK-TLP can find costs a
//! timeout, and that CUBIC and Reno share a bottleneck.

mod world;

use std::collections::HashSet;

use taphouse::fault::{self, Fault};
use taphouse::tcp::{self, Algorithm};
use taphouse::time::Duration;
use world::{Packet, World};

const MSS: usize = 1448;

/// What became of 40 segments of which the wire lost these, counted in the order in which data left.
struct Outcome {
    /// Timeouts of the sender.
    timeouts: u32,
    /// One of those lost was sent for the second time.
    has_lost_again: bool,
    took: Duration,
}

fn transfer(lost: &[usize]) -> Outcome {
    let mut world = World::new(Duration::from_millis(50), None);
    let flow = world.open(tcp::Config::default());
    world.write(flow, 40 * MSS);
    let mut seen = HashSet::new();
    let (mut count, mut has_lost_again) = (0, false);
    world.run_until_read(flow, 40 * MSS, |packet: &Packet| {
        if packet.len == 0 {
            return false;
        }
        let is_again = !seen.insert(packet.seq);
        let is_lost = lost.contains(&count);
        has_lost_again |= is_lost && is_again;
        count += 1;
        is_lost
    });
    Outcome { timeouts: world.info(flow).tally.mechanisms.timeouts, has_lost_again, took: world.passed() }
}

#[test]
fn no_single_loss_costs_a_timeout() {
    // RFC 8985: RACK finds it by what is sent after it, a loss probe when nothing is.
    for n in 0..40 {
        let outcome = transfer(&[n]);
        assert_eq!(outcome.timeouts, 0, "segment {n} is lost");
        assert!(outcome.took < Duration::from_millis(1_000), "segment {n} is lost: {}", outcome.took);
    }
}

#[test]
fn no_two_losses_cost_a_timeout_unless_the_repair_is_lost_too() {
    for first in 0..40 {
        for second in first + 1..44 {
            let outcome = transfer(&[first, second]);
            assert!(
                outcome.timeouts == 0 || outcome.has_lost_again,
                "segments {first} and {second} are lost"
            );
        }
    }
}

#[test]
fn no_run_of_losses_costs_a_timeout_unless_the_repair_is_lost_too() {
    for first in 0..38 {
        for len in 3..12 {
            if first == 0 && len > 10 {
                // The whole first window and the probe behind it: nothing is left that could tell.
                continue;
            }
            let lost: Vec<_> = (first..first + len).collect();
            let outcome = transfer(&lost);
            assert!(
                outcome.timeouts == 0 || outcome.has_lost_again,
                "{len} segments from {first} on are lost"
            );
        }
    }
}

#[test]
fn a_tail_that_nobody_probes_for_is_noticed() {
    assert!(fault::is_noticed(Fault::NoLossProbe, no_single_loss_costs_a_timeout));
}

/// What flows with these algorithms bring in a minute through 20 Mbit/s with a queue of 64 KiB, RTT 40 ms, as shares of
/// all that came, and how much of the rate that is.
fn shares(algorithms: &[Algorithm]) -> (Vec<f64>, f64) {
    let mut world = World::new(Duration::from_millis(20), Some((20_000_000, 64 << 10)));
    let open =
        |algorithm: &Algorithm| world.open(tcp::Config { congestion: *algorithm, ..tcp::Config::default() });
    let flows: Vec<_> = algorithms.iter().map(open).collect();
    let end = Duration::from_secs(60);
    let read = world.run_for(&flows, end);
    let sum: usize = read.iter().sum();
    let share = |bytes: &usize| *bytes as f64 / sum as f64;
    (read.iter().map(share).collect(), sum as f64 * 8.0 / 60.0 / 20_000_000.0)
}

#[test]
fn cubic_and_reno_share_a_bottleneck() {
    // RFC 9438 4.3: where Reno gets along, CUBIC is no more aggressive than it.
    for algorithms in [[Algorithm::Cubic, Algorithm::Reno], [Algorithm::Reno, Algorithm::Cubic]] {
        let (shares, used) = shares(&algorithms);
        assert!(shares.iter().all(|share| (0.3..0.7).contains(share)), "{algorithms:?}: {shares:?}");
        assert!(used > 0.85, "{algorithms:?}: {used:.2} of the rate");
    }
    let four = [Algorithm::Cubic, Algorithm::Cubic, Algorithm::Reno, Algorithm::Reno];
    let (shares, used) = shares(&four);
    assert!(shares.iter().all(|share| (0.1..0.45).contains(share)), "{shares:?}");
    assert!(used > 0.85, "{used:.2} of the rate");
}
