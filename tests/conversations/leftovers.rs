//! Three ports of a peer that throw dice, and an application that may let go at any time: SYNs, RSTs, FINs, data and
//! timestamps from anywhere. When all is over nothing must be left, neither a connection nor a timer.
//!
//! `TAPHOUSE_SEEDS` plays more of them. A failure names its seed.

use std::collections::HashMap;
use std::net::SocketAddrV4;

use bytes::Bytes;
use taphouse::rand::{Purpose, Rng, Seed};
use taphouse::stack::{ConnId, Event};
use taphouse::tcp::ecn::Mode;
use taphouse::tcp::{self, Algorithm};
use taphouse::time::Duration;
use taphouse::wire::tcp::Flags;

use crate::harness::{PEER, PEER_PORT, PORT, Said, Setup, Talk, seg};

const FLAGS: [&str; 14] = ["S", "A", "A", "A", "PA", "FA", "F", "R", "RA", "SA", "SEC", "AE", "FPA", "UA"];

struct Game {
    dice: Rng,
    talk: Talk,
    /// Connections that the application holds.
    held: Vec<ConnId>,
    /// By the peer's port: the host's next sequence number, and the one that it expects.
    known: HashMap<u16, (i64, i64)>,
}

impl Game {
    fn new(seed: u64) -> Self {
        let tcp = tcp::Config { ecn: Mode::Ask, congestion: Algorithm::Cubic, ..Setup::default().tcp };
        Self {
            dice: Seed::from_u64(seed).stream(Purpose::Jitter),
            talk: Talk::listening(Setup { tcp, ..Setup::default() }),
            held: Vec::new(),
            known: HashMap::new(),
        }
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.dice.below(of.len() as u64) as usize]
    }

    fn hear_anything(&mut self) {
        let port = PEER_PORT + self.dice.below(3) as u16;
        let (snd, rcv) = self.known.get(&port).copied().unwrap_or_default();
        let flags = self.one_of(&FLAGS);
        let seq = self.one_of(&[0, 1, 1, rcv, rcv, rcv, rcv + 1, rcv + 500, rcv - 1, 100_000]);
        let ack = self.one_of(&[snd, snd, snd, snd + 1, snd - 1, 5]);
        let mut segment = seg(flags, seq, ack).win(self.one_of(&[0, 1000, 65_535]));
        if self.dice.below(3) == 0 {
            segment = segment.len(self.dice.below(600) as usize);
        }
        if self.dice.below(2) == 0 {
            segment = segment.ts(self.dice.below(100) as u32, 0);
        }
        let segment = if flags.starts_with('S') { segment.mss(1460) } else { segment };
        self.talk.hears_from(port, segment);
        if self.dice.below(40) == 0 {
            let remote = SocketAddrV4::new(PEER, port);
            self.held.extend(self.talk.stack.connect_from(PORT, remote, self.talk.setup.tcp));
        }
    }

    fn pass(&mut self, ms: u64) {
        for (_, said) in self.talk.pass_time(Duration::from_millis(ms)) {
            self.note(&said);
        }
        while let Some(event) = self.talk.stack.poll_event() {
            match event {
                Event::Accepted { id, .. } => self.held.push(id),
                Event::Closed(id, _) if self.held.contains(&id) => {
                    self.held.retain(|held| *held != id);
                    self.talk.stack.stream(id).release();
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, Said { header, payload, .. }: &Said) {
        let controls = [Flags::SYN, Flags::FIN].map(|flag| i64::from(header.flags.has(flag)));
        let known = self.known.entry(header.dst_port).or_default();
        let next = i64::from(header.seq.0) + payload.len() as i64 + controls[0] + controls[1];
        known.0 = next - i64::from(self.talk.iss.0);
        if header.flags.has(Flags::ACK) {
            known.1 = i64::from(header.ack.0.wrapping_sub(self.talk.setup.irs));
        }
    }

    /// The application does something with one of its connections.
    fn act(&mut self) {
        let Some(last) = self.held.len().checked_sub(1) else { return };
        let index = self.dice.below(last as u64 + 1) as usize;
        let id = self.held[index];
        let mut stream = self.talk.stack.stream(id);
        match self.dice.below(20) {
            // A stream that was shut down takes none of it.
            0 => drop(stream.write(Bytes::from(vec![1; 3000]))),
            1 => stream.shutdown(),
            2 => {
                stream.release();
                self.held.remove(index);
            }
            3 => {
                stream.abort();
                self.held.remove(index);
            }
            4 => while stream.read().is_ok() {},
            _ => {}
        }
    }

    fn play(&mut self) {
        for _ in 0..200 {
            self.hear_anything();
            let ms = self.one_of(&[0, 0, 0, 1, 50, 1000, 70_000]);
            self.pass(ms);
            self.act();
            self.pass(0);
        }
        for id in self.held.drain(..) {
            self.talk.stack.stream(id).release();
        }
        self.pass(1_000_000);
        assert_eq!(self.talk.stack.population(), (0, 0, 0), "{:?}", self.talk.stack.infos(0, 9));
        assert_eq!(self.talk.stack.poll_timeout(), None);
    }
}

#[test]
fn nothing_is_left_when_all_is_over() {
    let more = std::env::var("TAPHOUSE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..more.unwrap_or(400) {
        let played = std::panic::catch_unwind(|| Game::new(seed).play());
        assert!(played.is_ok(), "seed {seed}");
    }
}
