//! A peer that throws dice: ACKs and blocks of SACK from anywhere, windows that open and close, old timestamps, flags of
//! ECN that nothing calls for. The host must keep its sums, guard what is in flight by a timer, and bring the rest across
//! once the peer behaves.
//!
//! `TAPHOUSE_SEEDS` plays more of them. A failure names its seed.

use bytes::Bytes;
use taphouse::rand::{Purpose, Rng, Seed};
use taphouse::tcp::ecn::Mode;
use taphouse::tcp::info::ConnectionInfo;
use taphouse::tcp::{self, Algorithm};
use taphouse::time::Duration;

use crate::harness::{Seg, Setup, Talk, seg};

/// TSval of the peer's SYN: it wraps soon.
const THEN: u32 = u32::MAX - 50;
/// What must run while something is in flight.
const GUARDS: [&str; 5] = ["retransmit", "reorder", "loss_probe", "persist", "pace"];

/// A conversation, and what the peer remembers of it.
struct Game {
    dice: Rng,
    talk: Talk,
    has_timestamps: bool,
    /// The peer's clock.
    clock: u32,
    /// The host's last TSval.
    echo: u32,
    /// Beyond all that the peer has sent.
    top: i64,
    is_over: bool,
}

impl Game {
    fn new(seed: u64) -> Self {
        let mut dice = Seed::from_u64(seed).stream(Purpose::Jitter);
        let mut maybe = |of: u64| dice.below(of) == 0;
        let tcp = tcp::Config {
            ecn: Mode::Ask,
            pacing: maybe(2),
            nagle: maybe(2),
            congestion: if maybe(2) { Algorithm::Reno } else { Algorithm::Cubic },
            keep_alive: maybe(4).then_some(Duration::from_secs(5)),
            ..Setup::default().tcp
        };
        let (has_timestamps, peer_sack, scales) = (maybe(2), !maybe(4), maybe(2));
        let setup = Setup {
            tcp,
            peer_sack,
            peer_time: has_timestamps.then_some(THEN),
            peer_scale: scales.then_some(dice.below(8) as u8),
            peer_mss: Some([64, 200, 536, 1460][dice.below(4) as usize]),
            ..Setup::default()
        };
        let talk = Talk::accepted_after(dice.below(60), setup);
        Self { dice, talk, has_timestamps, clock: 0, echo: 0, top: 1, is_over: false }
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.dice.below(of.len() as u64) as usize]
    }

    /// A number relative to the host's SYN.
    fn relative(&self, seq: u32) -> i64 {
        i64::from(seq.wrapping_sub(self.talk.iss.0))
    }

    fn expected(&self) -> i64 {
        i64::from(self.talk.report().rcv_nxt.wrapping_sub(self.talk.setup.irs))
    }

    fn stamp(&self, segment: Seg, late: u32) -> Seg {
        let value = THEN.wrapping_add(self.clock).wrapping_sub(late);
        if self.has_timestamps { segment.ts(value, self.echo) } else { segment }
    }

    /// Time passes.
    fn pass(&mut self, ms: u32) {
        self.clock += ms;
        let said = self.talk.pass_time(Duration::from_millis(u64::from(ms)));
        self.echo = said.last().and_then(|(_, s)| s.options.timestamps).map_or(self.echo, |(value, _)| value);
    }

    fn hear_anything(&mut self) {
        let report = self.talk.report();
        let (una, flight) = (self.relative(report.snd_una), i64::from(report.flight));
        let within = self.dice.below(flight as u64 + 1) as i64;
        let before = self.dice.below(3000) as i64;
        let ack = self.one_of(&[una, una + flight, una - before, una + within, una + within, una + within]);
        let expected = self.expected();
        let (ahead, behind) = (self.dice.below(3000) as i64, self.dice.below(500) as i64);
        let seq = self.one_of(&[expected + ahead, expected - behind, expected, expected, expected]);
        let mut segment = seg(self.one_of(&["A", "A", "A", "AE", "AC", "PA"]), seq, ack);
        segment = segment.win(self.one_of(&[0, 1, 100, 3000, 65_535, 65_535]));
        if self.dice.below(3) == 0 {
            segment = segment.len(self.dice.below(1000) as usize);
        }
        self.top = self.top.max(seq + 1000);
        let late = self.one_of(&[0, 0, 0, 0, 0, 100]);
        let segment = self.stamp(segment, late);
        let blocks = self.blocks(&report, una, flight);
        self.talk.hears_sack(segment, &blocks);
    }

    /// Up to four blocks: of whole segments or not, within what is in flight or not, upside down at times.
    fn blocks(&mut self, report: &ConnectionInfo, una: i64, flight: i64) -> Vec<(u32, u32)> {
        let count = self.one_of(&[0, 0, 1, 2, 3, 4]);
        let block = |game: &mut Self| {
            let unit = game.one_of(&[1, u64::from(report.mss)]);
            let reach = (flight as u64 / unit).max(1) + 3;
            let left = una + (game.dice.below(reach) * unit) as i64 - game.one_of(&[0, 0, 0, 0, 0, 1000]);
            let right = left + (game.dice.below(6) * unit) as i64 + game.dice.below(3) as i64 - 1;
            (left as u32, right as u32)
        };
        (0..count).map(|_| block(self)).collect()
    }

    fn turn(&mut self) {
        match self.dice.below(12) {
            0 | 1 => {
                let len = self.dice.below(30_000) as usize + 1;
                // A full buffer, or a stream that was shut down, takes none of it.
                let _ = self.talk.stream().write(Bytes::from(vec![7; len]));
            }
            2 => {
                let ms = self.one_of(&[1, 5, 41, 210, 900, 5000]);
                self.pass(ms);
            }
            3 if self.dice.below(8) == 0 => self.talk.stream().shutdown(),
            4 => drop(self.talk.read()),
            _ => self.hear_anything(),
        }
        self.pass(0);
        self.is_over |= self.talk.events().iter().any(|event| event.starts_with("Closed"));
    }

    fn check(&self) {
        let report = self.talk.report();
        assert!(report.sacked + report.lost <= report.flight, "{report:?}");
        assert!(report.cwnd >= u32::from(report.mss), "{report:?}");
        let is_guarded = report.timers.iter().any(|(name, _)| GUARDS.contains(name));
        assert!(report.flight == 0 || is_guarded, "{report:?}");
    }

    /// The peer takes all that comes, and says so.
    fn come_to_an_end(&mut self) {
        for _ in 0..3000 {
            let report = self.talk.report();
            if report.flight == 0 && report.unsent == 0 {
                return;
            }
            self.talk.read();
            let ack = seg("A", self.top, self.relative(report.snd_nxt));
            self.talk.hears(self.stamp(ack, 0));
            self.pass(50);
            if self.talk.events().iter().any(|event| event.starts_with("Closed")) {
                return;
            }
        }
        panic!("it does not come across: {:?}", self.talk.report());
    }
}

#[test]
fn whatever_the_peer_says_the_host_goes_on() {
    let more = std::env::var("TAPHOUSE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..more.unwrap_or(400) {
        let played = std::panic::catch_unwind(|| {
            let mut game = Game::new(seed);
            for _ in 0..300 {
                game.turn();
                if game.is_over {
                    return;
                }
                game.check();
            }
            game.come_to_an_end();
        });
        assert!(played.is_ok(), "seed {seed}");
    }
}
