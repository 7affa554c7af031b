//! Two hosts, two wires and the time, which jumps to whatever is due next.

use std::cell::RefCell;
use std::rc::Rc;

use taphouse::link::impair::{Impair, Impairment};
use taphouse::link::memory;
use taphouse::time::{Duration, Instant};

use super::dice::derive;
use super::foreign::Foreign;
use super::ledger::{Ledger, Shared};
use super::plan::{Opposite, Plan};
use super::station::{Host, Station};

struct World {
    plan: Plan,
    now: Instant,
    stations: [Box<dyn Station>; 2],
    ledger: Shared,
    agenda: Vec<(Instant, Act)>,
    turns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Open(usize),
    Darken,
    Lighten,
    Heal,
}

/// How long everything may take once the faults are over: the longest timeouts (60 s) twice, ARP's half minute of
/// believing in a wrong neighbour, and the transfers themselves.
const LIVELY: Duration = Duration::from_secs(300);
/// How long connections may linger once the applications are through: TIME-WAIT begun anew, or FIN-WAIT-2.
const LINGER: Duration = Duration::from_secs(400);
/// Turns at one instant, and turns altogether.
const MOST_TURNS_AT_ONCE: u64 = 20_000;

/// Runs a seed to its end. Panics when something is wrong.
pub(crate) fn run(seed: u64, opposite: Opposite) {
    let plan = Plan::draw(seed, opposite);
    let ledger: Shared = Rc::new(RefCell::new(Ledger::new(&plan)));
    let (a, b) = memory::pair(plan.link);
    let wire =
        |end, n: usize| Impair::new(end, Impairment::default(), plan.wire[n], &derive(seed, 20 + n as u64));
    let (a, b) = (wire(a, 0), wire(b, 1));
    let second: Box<dyn Station> = match opposite {
        Opposite::Itself => Box::new(Host::new(1, b, &plan, seed, &ledger)),
        _ => Box::new(Foreign::new(b, &plan, seed, &ledger)),
    };
    let stations = [Box::new(Host::new(0, a, &plan, seed, &ledger)) as Box<dyn Station>, second];
    let mut agenda: Vec<_> = plan.connections.iter().enumerate().map(|(n, c)| (c.at, Act::Open(n))).collect();
    if let Some((from, until)) = plan.blackout {
        agenda.extend([(from, Act::Darken), (until, Act::Lighten)]);
    }
    agenda.push((plan.heal_at, Act::Heal));
    agenda.sort_unstable();
    agenda.reverse();
    let mut world = World { plan, now: Instant::ZERO, stations, ledger, agenda, turns: 0 };
    world.run();
}

impl World {
    fn run(&mut self) {
        while !self.agenda.is_empty() {
            if !self.step() {
                break;
            }
        }
        let lively_until = self.now + LIVELY;
        while !self.ledger.borrow().is_over() {
            let is_late = self.now > lively_until;
            let goes_on = self.step();
            if !self.ledger.borrow().is_over() && (is_late || !goes_on) {
                panic!("healed, yet not everything finishes within {LIVELY}\n{}", self.describe());
            }
        }
        self.ledger.borrow().check_end();
        let gone_by = self.now + LINGER;
        while !self.is_empty() {
            let is_late = self.now > gone_by;
            let goes_on = self.step();
            if !self.is_empty() && (is_late || !goes_on) {
                panic!("after {LINGER} something is left of connections\n{}", self.describe());
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.stations.iter().all(|station| station.is_empty())
    }

    /// All turns of one instant, then the jump to the next; false when there is none.
    fn step(&mut self) -> bool {
        while let Some((_, act)) = self.agenda.pop_if(|(at, _)| *at <= self.now) {
            self.act(act);
        }
        let mut idle = 0;
        let before = self.turns;
        // What one host releases at its turn, the other sees at its own; so twice nothing is nothing.
        while idle < 2 {
            let mut has_worked = false;
            for station in &mut self.stations {
                has_worked |= station.turn(self.now);
            }
            idle = if has_worked { 0 } else { idle + 1 };
            self.turns += 1;
            assert!(self.turns - before < MOST_TURNS_AT_ONCE, "time stands still at {:?}", self.now);
        }
        let due = self.stations.iter_mut().filter_map(|s| s.poll_timeout(self.now));
        let next = due.chain(self.agenda.last().map(|(at, _)| *at)).min();
        let Some(next) = next else { return false };
        // A wheel counts in ticks and may ask for a moment that has passed; but never for long.
        self.now = next.max(self.now + Duration::from_nanos(1));
        true
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Open(number) => {
                let plan = self.plan.connections[number].clone();
                self.stations[plan.opener].open(self.now, number, &plan);
                if plan.is_simultaneous {
                    self.stations[1 - plan.opener].open(self.now, number, &plan);
                }
            }
            Act::Darken => {
                let dark = self.plan.wire.map(|wire| Impairment { loss: 1.0, burst: 0.0, ..wire });
                self.set_wires(dark);
            }
            Act::Lighten => self.set_wires(self.plan.wire),
            Act::Heal => {
                self.set_wires([self.plan.healed_wire; 2]);
                self.ledger.borrow_mut().is_healed = true;
                self.stations.iter_mut().for_each(|s| s.heal(self.now));
            }
        }
    }

    fn set_wires(&mut self, wires: [Impairment; 2]) {
        for (station, wire) in self.stations.iter_mut().zip(wires) {
            station.set_wire(wire);
        }
    }

    fn describe(&mut self) -> String {
        let stations: Vec<_> = self.stations.iter_mut().map(|s| s.describe()).collect();
        let ledger = self.ledger.borrow();
        let open =
            ledger.entries.iter().enumerate().filter(|(_, e)| e.sides.iter().any(|s| s.outcome.is_none()));
        let open: Vec<_> = open.map(|(n, e)| format!("connection {n}: {e:?}")).collect();
        format!("{}\n{}", stations.join("\n"), open.join("\n"))
    }
}
