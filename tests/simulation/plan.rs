//! What happens in a run: drawn from the seed before it begins.

use taphouse::frame::{Medium, Properties};
use taphouse::limits;
use taphouse::link::impair::Impairment;
use taphouse::stack::ListenConfig;
use taphouse::tcp::ecn::Mode;
use taphouse::tcp::{self, Algorithm};
use taphouse::time::{Duration, Instant};

use super::dice::Dice;

/// Who is opposite our stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opposite {
    /// Our stack once more.
    Itself,
    /// smoltcp, which accepts connections.
    SmoltcpServer,
    /// smoltcp, which opens connections.
    SmoltcpClient,
}

/// A whole run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) link: Properties,
    pub(crate) opposite: Opposite,
    /// Impairments of the wire from the first host to the second, and back.
    pub(crate) wire: [Impairment; 2],
    /// The same once the faults are over.
    pub(crate) healed_wire: Impairment,
    /// From when to when nothing at all gets through.
    pub(crate) blackout: Option<(Instant, Instant)>,
    pub(crate) heal_at: Instant,
    pub(crate) listeners: [ListenConfig; LISTENERS],
    pub(crate) max_connections: usize,
    pub(crate) memory: usize,
    pub(crate) connections: Vec<ConnectionPlan>,
}

/// One connection, from the side that opens it.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionPlan {
    /// When it is opened.
    pub(crate) at: Instant,
    /// The host that opens it.
    pub(crate) opener: usize,
    pub(crate) opener_port: u16,
    pub(crate) listener: usize,
    /// Both sides open: the acceptor does not listen.
    pub(crate) is_simultaneous: bool,
    pub(crate) config: tcp::Config,
    /// What the opener does, and the acceptor.
    pub(crate) scripts: [Script; 2],
}

/// What one side of a connection does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    /// Bytes to write.
    pub(crate) total: u64,
    pub(crate) largest_write: u64,
    /// How often to pause between writes and between reads, and how long at most.
    pub(crate) write_pause: f64,
    pub(crate) read_pause: f64,
    pub(crate) longest_pause: Duration,
    pub(crate) nagle: bool,
    pub(crate) is_urgent: bool,
    /// Writes before the connection is established.
    pub(crate) writes_early: bool,
    pub(crate) ending: Ending,
    /// Waits to be told that the connection is closed before letting it go.
    pub(crate) waits_for_closed: bool,
}

/// How one side ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Says that it is through, and reads to the end.
    Finish,
    /// Reads to the end, and only then says that it is through.
    AfterPeer,
    /// Lets go once so many bytes are written.
    Release(u64),
    /// Resets once so many bytes are written or read.
    Abort(u64),
}

impl Ending {
    /// Everything arrives.
    pub(crate) fn is_polite(self) -> bool {
        matches!(self, Self::Finish | Self::AfterPeer)
    }
}

pub(crate) const LISTENERS: usize = 2;
/// The port of the first listener.
pub(crate) const FIRST_PORT: u16 = 80;

impl Plan {
    pub(crate) fn draw(seed: u64, opposite: Opposite) -> Self {
        let mut dice = Dice::new(seed, 1);
        let is_large = dice.one_in(60);
        let fcs = !dice.one_in(3);
        let mtu =
            dice.pick(&[296, 576, 1500, 1500, 1500, if opposite == Opposite::Itself { 9000 } else { 1400 }]);
        let fault_micros = dice.between(1_000, 30_000_000);
        let heal_at = Instant::ZERO + Duration::from_micros(fault_micros);
        let calm = dice.one_in(6);
        let wire = [0, 1].map(|_| if calm { base_wire(&mut dice) } else { faulty_wire(&mut dice, mtu) });
        let blackout = dice.one_in(3).then(|| {
            let from = dice.between(0, fault_micros);
            let until = from + dice.magnitude(fault_micros - from);
            [from, until].map(|micros| Instant::ZERO + Duration::from_micros(micros)).into()
        });
        let healed_wire = Impairment { delay: dice.pick(&DELAYS), ..Impairment::default() };
        let count = if is_large { dice.between(10, 60) } else { dice.between(1, 4) };
        let largest = if is_large { 1 << 21 } else { 1 << 16 };
        let listeners = std::array::from_fn(|_| ListenConfig {
            tcp: draw_config(&mut dice),
            // smoltcp asks again for ever, and in step.
            backlog: if dice.one_in(4) && opposite == Opposite::Itself { 1 } else { 64 },
            ..ListenConfig::default()
        });
        let draw = |n| {
            let mut connection = draw_connection(&mut dice, n, opposite, fault_micros, largest);
            connection.bound_rounds(listeners[connection.listener].tcp, mtu);
            connection
        };
        let connections = (0..count).map(draw).collect();
        let memory = dice.pick(&[256 << 10, 1 << 20, limits::TCP_MEMORY, limits::TCP_MEMORY]);
        let max_connections = if dice.one_in(8) && opposite == Opposite::Itself { 2 } else { 1000 };
        Self {
            link: Properties { medium: Medium::Ethernet { fcs }, mtu },
            opposite,
            wire,
            healed_wire,
            blackout,
            heal_at,
            listeners,
            max_connections,
            memory,
            connections,
        }
    }
}

impl Plan {
    /// There may be more connections than a host takes, so that some cannot be opened.
    pub(crate) fn is_crowded(&self) -> bool {
        let count = self.connections.len();
        // SYNs that were lost come again in step, so a short backlog takes one of them each time.
        self.max_connections < count || self.listeners.iter().any(|l| l.backlog * 8 < count)
    }
}

impl ConnectionPlan {
    /// Buffers of a few bytes are fine, but not for long transfers: each way goes at most so many times round.
    fn bound_rounds(&mut self, acceptor: tcp::Config, mtu: usize) {
        let acceptor = if self.is_simultaneous { self.config } else { acceptor };
        let rounds = |from: tcp::Config, to: tcp::Config| {
            (from.send_buffer.min(to.receive_buffer) * 200).min(mtu * 1000) as u64
        };
        let [opener, other] = &mut self.scripts;
        opener.bound(rounds(self.config, acceptor));
        other.bound(rounds(acceptor, self.config));
    }
}

impl Script {
    fn bound(&mut self, total: u64) {
        self.total = self.total.min(total);
        if let Ending::Release(at) | Ending::Abort(at) = &mut self.ending {
            *at = self.total.min(*at);
        }
    }
}

const DELAYS: [Duration; 4] =
    [Duration::ZERO, Duration::from_micros(30), Duration::from_millis(1), Duration::from_millis(40)];

fn base_wire(dice: &mut Dice) -> Impairment {
    let rate = if dice.one_in(3) { dice.between(200_000, 100_000_000) } else { 0 };
    Impairment {
        delay: dice.micros(1, 120_000),
        rate,
        queue: if rate > 0 { dice.between(10_000, 300_000) as usize } else { 0 },
        ..Impairment::default()
    }
}

fn faulty_wire(dice: &mut Dice, mtu: usize) -> Impairment {
    let mut wire = base_wire(dice);
    wire.queue = wire.queue.max(3 * mtu);
    let mut some = |max: f64| if dice.one_in(2) { dice.share(max) } else { 0.0 };
    wire.loss = some(0.3);
    wire.duplicate = some(0.3);
    wire.reorder = some(0.3);
    wire.corrupt = some(0.1);
    wire.truncate = some(0.1);
    if dice.one_in(3) {
        wire.burst = dice.between(1, 20) as f64;
    }
    wire.reorder_by = dice.micros(1, 200_000);
    if dice.one_in(2) {
        wire.jitter = dice.micros(1, 50_000);
    }
    wire
}

fn draw_connection(
    dice: &mut Dice,
    n: u64,
    opposite: Opposite,
    fault_micros: u64,
    largest: u64,
) -> ConnectionPlan {
    let at = if dice.one_in(2) { dice.magnitude(1000) } else { dice.between(0, fault_micros) };
    let opener = match opposite {
        Opposite::Itself => dice.between(0, 1) as usize,
        Opposite::SmoltcpServer => 0,
        Opposite::SmoltcpClient => 1,
    };
    let mut scripts = [0, 1].map(|_| draw_script(dice, largest));
    if scripts[0].ending == Ending::AfterPeer {
        scripts[0].ending = Ending::Finish;
    }
    let is_simultaneous = opposite == Opposite::Itself && dice.one_in(8);
    if is_simultaneous && scripts[1].ending == Ending::AfterPeer {
        scripts[1].ending = Ending::Finish;
    }
    ConnectionPlan {
        at: Instant::ZERO + Duration::from_micros(at),
        opener,
        opener_port: 10_000 + n as u16,
        listener: dice.between(0, LISTENERS as u64 - 1) as usize,
        is_simultaneous,
        config: draw_config(dice),
        scripts,
    }
}

fn draw_script(dice: &mut Dice, largest: u64) -> Script {
    let total = if dice.one_in(8) { 0 } else { dice.magnitude(largest) };
    let ending = match dice.between(0, 11) {
        0 => Ending::Abort(dice.magnitude(total.max(1))),
        1 => Ending::Release(dice.magnitude(total.max(1)).min(total)),
        2..=4 => Ending::AfterPeer,
        _ => Ending::Finish,
    };
    let pauses = |dice: &mut Dice| if dice.one_in(2) { dice.share(0.5) } else { 0.0 };
    Script {
        total,
        largest_write: 1 + dice.magnitude(80_000),
        write_pause: pauses(dice),
        read_pause: pauses(dice),
        longest_pause: dice.micros(1, 5_000_000),
        nagle: dice.one_in(2),
        is_urgent: dice.one_in(10),
        writes_early: dice.one_in(4),
        ending,
        waits_for_closed: dice.one_in(2),
    }
}

fn draw_config(dice: &mut Dice) -> tcp::Config {
    let buffer = |dice: &mut Dice| match dice.between(0, 3) {
        0 => 1 + dice.magnitude(4_000) as usize,
        1 => 65_536,
        _ => 1_000 + dice.magnitude(512 << 10) as usize,
    };
    tcp::Config {
        send_buffer: buffer(dice),
        receive_buffer: buffer(dice),
        ack_delay: Duration::from_millis(dice.pick(&[0, 1, 40, 100])),
        congestion: dice.pick(&[Algorithm::Cubic, Algorithm::Cubic, Algorithm::Reno]),
        sack: !dice.one_in(4),
        timestamps: !dice.one_in(4),
        ecn: dice.pick(&[Mode::Off, Mode::Accept, Mode::Ask]),
        pacing: !dice.one_in(4),
        ..tcp::Config::default()
    }
}
