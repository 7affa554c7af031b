//! The flows of a scenario, the wires between their hosts, and the time, which jumps to whatever is due next.

use smoltcp::socket::tcp::CongestionControl;
use taphouse::time::{Duration, Instant};

use super::arrivals::Arrivals;
use super::host::{End, Host, Ours, PACKETS_PER_TURN, Probe, Setup};
use super::theirs::Theirs;
use super::wire::{Air, Bottleneck, Path};

/// Whose hosts these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Ours,
    /// smoltcp without congestion control.
    None,
    /// smoltcp with Reno.
    Reno,
    /// smoltcp with CUBIC.
    Cubic,
}

impl Make {
    pub(crate) const RIVALS: [Self; 3] = [Self::None, Self::Reno, Self::Cubic];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::None => "none",
            Self::Reno => "reno",
            Self::Cubic => "cubic",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Ours].into_iter().chain(Self::RIVALS).find(|make| make.name() == name)
    }

    fn host(self, setup: Setup, now: Instant) -> Box<dyn Host> {
        let control = match self {
            Self::Ours => return Box::new(Ours::new(setup, now)),
            Self::None => CongestionControl::None,
            Self::Reno => CongestionControl::Reno,
            Self::Cubic => CongestionControl::Cubic,
        };
        Box::new(Theirs::new(setup, control, now))
    }
}

/// What is to happen.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Round-trip time of each flow, and when it begins.
    pub(crate) flows: Vec<(Duration, Instant)>,
    /// Bytes of every buffer.
    pub(crate) buffer: usize,
    /// Bytes of each flow.
    pub(crate) bytes: u64,
    /// Share of the packets that is lost, each way.
    pub(crate) loss: f64,
    /// Share of the packets that is late, each way, and by how much.
    pub(crate) reorder: (f64, Duration),
    /// Bits a second of the bottleneck that all flows share, each way, and the bytes of its queue.
    pub(crate) neck: Option<(u64, usize)>,
    /// The bytes a second that a flow may reach at most.
    pub(crate) limit: f64,
    /// What comes before does not count.
    pub(crate) warm_up: Instant,
    /// The end, at the latest.
    pub(crate) until: Instant,
    pub(crate) seed: u64,
}

/// What became of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Bytes that the receiver's application had read: when the warm-up was over, and at the end.
    pub(crate) read: (u64, u64),
    /// When the last byte was read.
    pub(crate) finished: Option<Instant>,
    /// When the flow first reached its limit, and the bytes that had arrived by then.
    pub(crate) reached: Option<(Instant, u64)>,
    /// Bytes that arrived for the first time, again, and again in the second half of the stream.
    pub(crate) arrived: (u64, u64, u64),
    /// What the sender says at the end.
    pub(crate) probe: Probe,
}

/// What became of all.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes {
    pub(crate) flows: Vec<Outcome>,
    /// Packets of the data direction that came to the bottleneck, and those that it dropped.
    pub(crate) neck: (u64, u64),
    /// Turns of hosts.
    pub(crate) turns: u64,
}

/// One end of a flow, its way to the other end, and when it is due.
struct Station {
    host: Box<dyn Host>,
    path: Path,
    due: Instant,
    /// What arrives here, where it is a receiver.
    arrivals: Option<Arrivals>,
    /// Bytes read when the warm-up was over.
    warm: u64,
    finished: Option<Instant>,
}

/// Runs a scenario to its end. Whoever watches a flow is called for each 100 ms that pass.
pub(crate) fn run(make: Make, scenario: &Scenario, watch: Option<(usize, &mut Watch)>) -> Outcomes {
    World::new(make, scenario).run(scenario, watch)
}

/// Who is told of a flow: the time, what its sender says, bytes that arrived in all.
pub(crate) type Watch<'a> = dyn FnMut(Instant, Probe, u64) + 'a;

/// How often the watcher is called.
const WATCHED: Duration = Duration::from_millis(100);
/// Later than any run lasts.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

struct World {
    now: Instant,
    /// Senders stand at even places, their receivers behind them.
    stations: Vec<Station>,
    necks: [Bottleneck; 2],
    air: Air,
    turns: u64,
    unfinished: usize,
}

impl World {
    fn new(make: Make, scenario: &Scenario) -> Self {
        let mut stations = Vec::new();
        for (n, &(rtt, start)) in scenario.flows.iter().enumerate() {
            for (side, end) in [End::Sender(scenario.bytes), End::Receiver].into_iter().enumerate() {
                let salt = (2 * n + side) as u64;
                let mut path = Path::new(rtt / 2, scenario.seed, salt);
                path.loss = scenario.loss;
                (path.reorder, path.reorder_by) = scenario.reorder;
                let seed = scenario.seed * 1000 + n as u64;
                let host = make.host(Setup { end, buffer: scenario.buffer, seed }, start);
                let arrivals = (side == 1).then(|| Arrivals::new(scenario.bytes, rtt, scenario.limit));
                stations.push(Station { host, path, due: start, arrivals, warm: 0, finished: None });
            }
        }
        let neck =
            scenario.neck.map_or_else(Bottleneck::default, |(rate, queue)| Bottleneck::new(rate, queue));
        Self {
            now: Instant::ZERO,
            unfinished: scenario.flows.len(),
            stations,
            necks: [neck.clone(), neck],
            air: Air::default(),
            turns: 0,
        }
    }

    fn run(mut self, scenario: &Scenario, mut watch: Option<(usize, &mut Watch)>) -> Outcomes {
        let mut watched = Instant::ZERO;
        let mut is_warm = false;
        while self.unfinished > 0 {
            let (at, place) = self.next();
            if at > scenario.until {
                break;
            }
            if !is_warm && at >= scenario.warm_up {
                is_warm = true;
                self.stations.iter_mut().for_each(|station| station.warm = station.host.read());
            }
            self.now = self.now.max(at);
            self.turn(place, scenario.bytes);
            if let Some((flow, watch)) = &mut watch
                && self.now >= watched
            {
                let arrivals = self.stations[*flow * 2 + 1].arrivals.as_ref().expect("a receiver");
                watch(self.now, self.stations[*flow * 2].host.probe().unwrap_or_default(), arrivals.fresh);
                watched = self.now + WATCHED;
            }
        }
        self.outcomes()
    }

    /// Who has the next turn, and when.
    fn next(&self) -> (Instant, usize) {
        let (place, station) =
            self.stations.iter().enumerate().min_by_key(|(_, s)| s.due).expect("there is a flow");
        match self.air.next() {
            Some((at, to)) if at <= station.due => (at, to),
            _ => (station.due, place),
        }
    }

    /// A host takes what has arrived by now, up to what one turn takes, and does what is due.
    fn turn(&mut self, place: usize, bytes: u64) {
        let now = self.now;
        self.turns += 1;
        let station = &mut self.stations[place];
        for _ in 0..PACKETS_PER_TURN {
            let Some(packet) = self.air.land(now, place) else { break };
            if let Some(arrivals) = &mut station.arrivals {
                arrivals.handle_packet(now, &packet);
            }
            station.host.handle_packet(now, packet, &mut self.air);
        }
        station.host.turn(now, &mut self.air);
        self.air.launch(now, &mut self.necks[place % 2], &mut station.path, place ^ 1);
        // A wheel counts in ticks and may ask for a moment that has passed; but never for long.
        let due = station.host.poll_timeout(now).unwrap_or(NEVER);
        station.due = due.max(now + Duration::from_nanos(1));
        if station.arrivals.is_some() && station.finished.is_none() && station.host.read() >= bytes {
            station.finished = Some(now);
            self.unfinished -= 1;
        }
    }

    fn outcomes(self) -> Outcomes {
        let flows = self.stations.chunks(2).map(|ends| {
            let [sender, receiver] = ends else { unreachable!("a flow has two ends") };
            let arrivals = receiver.arrivals.as_ref().expect("a receiver");
            Outcome {
                read: (receiver.warm, receiver.host.read()),
                finished: receiver.finished,
                reached: arrivals.reached,
                arrived: (arrivals.fresh, arrivals.again, arrivals.again_late),
                probe: sender.host.probe().unwrap_or_default(),
            }
        });
        Outcomes {
            flows: flows.collect(),
            neck: (self.necks[0].given, self.necks[0].dropped),
            turns: self.turns,
        }
    }
}
