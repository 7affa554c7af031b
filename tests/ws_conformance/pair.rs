//! Both sides in memory: what one says the other hears, unaltered and in order, however the bytes are cut. RFC 6455 5, 6.

use bytes::Bytes;
use proptest::prelude::*;
use taphouse::quota::Quota;
use taphouse::time::{Duration, Instant, Now};
use taphouse::ws::{
    Agreement, Closed, Code, Codecs, Config, Connection, Event, Fate, Message, Prepared, Role, Scope,
};

use crate::wire;

/// One side.
struct Side {
    ws: Connection,
    role: Role,
    agreed: Option<Agreement>,
    codecs: Codecs,
    now: Now,
    /// What it said, and how much of it has arrived.
    quota: Quota,
    wire: Vec<u8>,
    arrived: usize,
    heard: Vec<Message>,
    closed: Option<Closed>,
}

impl Side {
    fn new(role: Role, agreed: Option<Agreement>, seed: u64) -> Self {
        let now = Now { mono: Instant::ZERO, wall: 0 };
        let config = Config { queue: usize::MAX, ..Config::default() };
        let mut ws = Connection::new(now.mono, role, config, agreed);
        ws.seed_masks(seed);
        let (wire, heard) = (Vec::new(), Vec::new());
        Self {
            ws,
            role,
            agreed,
            codecs: Codecs::default(),
            quota: Quota::default(),
            now,
            wire,
            arrived: 0,
            heard,
            closed: None,
        }
    }

    fn send(&mut self, message: &Message, is_prepared: bool) {
        let scope = &mut Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota };
        let sent = match is_prepared {
            true => self.ws.send_prepared(scope, &Prepared::new(message.clone())),
            false => self.ws.send(scope, message),
        };
        sent.unwrap();
    }

    /// Says up to so many pieces, and hears what there is.
    fn turn(&mut self, pieces: usize) {
        self.now.mono += Duration::from_micros(10);
        let scope = &mut Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota };
        self.ws.handle_timeout(scope);
        for _ in 0..pieces {
            let Some(bytes) = self.ws.poll_output(scope) else { break };
            self.wire.extend_from_slice(&bytes);
        }
        while let Some(event) = self.ws.poll_event(scope) {
            match event {
                Event::Message(message) => self.heard.push(message),
                Event::Closed(closed) => self.closed = Some(closed),
            }
        }
    }

    /// So many bytes arrive, if the other wants any.
    fn deliver(&mut self, other: &mut Self, len: usize) {
        if other.ws.wants_input() && self.arrived < self.wire.len() {
            let end = self.wire.len().min(self.arrived + len);
            let part = Bytes::copy_from_slice(&self.wire[self.arrived..end]);
            other.ws.handle_input(other.now.mono, part);
            self.arrived = end;
        }
    }

    /// All was said and has arrived, and nothing is left for another turn.
    fn is_done(&self) -> bool {
        let is_idle = self.ws.poll_timeout().is_none_or(|at| at > self.now.mono);
        self.arrived == self.wire.len() && !self.ws.has_output() && is_idle
    }

    fn transcript(&self) -> wire::Transcript {
        wire::read(&self.wire, self.role, self.agreed).unwrap()
    }
}

/// Lets both go on until nothing is under way.
fn talk(client: &mut Side, server: &mut Side, cuts: &[usize]) {
    for &cut in cuts.iter().cycle().take(100_000) {
        client.deliver(server, cut);
        server.deliver(client, cut);
        client.turn(cut % 3 + 1);
        server.turn(cut % 2 + 1);
        let is_over = client.closed.is_some() && server.closed.is_some();
        if client.is_done() && server.is_done() && (is_over || client.ws.is_open()) {
            return;
        }
    }
    panic!("they never come to an end");
}

fn agreements() -> impl Strategy<Value = Option<Agreement>> {
    let bits = || 9..=15u8;
    let some = (any::<bool>(), any::<bool>(), bits(), bits(), 0..200usize);
    prop::option::weighted(0.8, some).prop_map(|agreed| {
        let (server_takeover, client_takeover, server_window_bits, client_window_bits, threshold) = agreed?;
        Some(Agreement {
            server_takeover,
            client_takeover,
            server_window_bits,
            client_window_bits,
            threshold,
        })
    })
}

fn messages() -> impl Strategy<Value = Vec<(bool, Message)>> {
    let one = prop_oneof![
        any::<String>().prop_map(Message::text),
        "[ab]{0,2000}".prop_map(Message::text),
        any::<Vec<u8>>().prop_map(Message::binary),
        (any::<u8>(), 0..400_000usize).prop_map(|(byte, len)| Message::binary(vec![byte; len])),
        (1..70_000usize).prop_map(|len| Message::binary(crate::deflate::noise(len))),
    ];
    prop::collection::vec((any::<bool>(), one), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_is_heard(
        agreed in agreements(), seed: u64, asks in messages(), answers in messages(),
        cuts in prop::collection::vec(prop_oneof![1..20usize, 1..70_000usize], 1..20),
    ) {
        let mut client = Side::new(Role::Client, agreed, seed);
        let mut server = Side::new(Role::Server, agreed, 0);
        asks.iter().for_each(|(prepared, message)| client.send(message, *prepared));
        answers.iter().for_each(|(prepared, message)| server.send(message, *prepared));
        // A few bytes at a time would take long for all that there is.
        let cuts: Vec<_> = cuts.iter().copied().chain([50_000]).collect();
        talk(&mut client, &mut server, &cuts);
        let said = |messages: &[(bool, Message)]| messages.iter().map(|(_, m)| m.clone()).collect::<Vec<_>>();
        prop_assert!(server.heard == said(&asks), "the server heard something else");
        prop_assert!(client.heard == said(&answers), "the client heard something else");
        client.ws.close(client.now.mono, Code(3000), "done");
        talk(&mut client, &mut server, &cuts);
        prop_assert_eq!(client.closed.as_ref().map(|c| (c.code.0, c.is_clean)), Some((3000, true)));
        let closed = server.closed.as_ref().map(|c| (c.code.0, &*c.reason, c.is_clean));
        prop_assert_eq!(closed, Some((3000, "done", true)));
        prop_assert_eq!((client.ws.fate(), server.ws.fate()), (Fate::Finish, Fate::Finish));
        // Read by others too, every frame of the client masked and no mask twice (RFC 6455 5.3).
        prop_assert_eq!(server.transcript().said.len(), answers.len() + 1);
        let mut masks = client.transcript().masks;
        let frames = masks.len();
        masks.sort_unstable();
        masks.dedup();
        prop_assert!(masks.len() == frames && frames > asks.len(), "{} masks for {} frames", masks.len(), frames);
    }
}
