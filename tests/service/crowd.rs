//! People at tables in three shards that share them, on wires that lose and reorder: they come, speak, vanish, come back, and
//! the house is killed and begins again with what was kept. Nothing that was said is lost, doubled, or out of order, and
//! nobody hears what is not for him.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use taphouse::app::service::{Service, Settings};
use taphouse::app::store::Store;
use taphouse::app::tables::{Kept, TableId, Tables as _};
use taphouse::app::tokens::{Algorithm, Keys};
use taphouse::rand::{Purpose, Rng, Seed};
use taphouse::stack::ConnId;

use crate::house::{BEGAN, House, entropy, world_of};
use crate::world::{Guest, World};

const SHARDS: usize = 3;
const TABLES: i64 = 2;
const MEMBERS: i64 = 10;
const WIRE: &str = "loss=2%,reorder=3%,delay=1ms";

struct Crowd {
    store: Arc<Store>,
    service: Arc<Service>,
    worlds: Vec<World>,
    members: Vec<Member>,
    rng: Rng,
    seed: u64,
    said: u64,
}

struct Member {
    shard: usize,
    table: i64,
    client: i64,
    /// The line of the head with his token, if he has one.
    bearer: String,
    place: Place,
    /// The number that he knew of when he first sat.
    first: Option<u64>,
    last: u64,
    /// What he has heard that has a number.
    heard: Vec<(u64, Value)>,
    /// How many there are, as he was told last.
    count: u64,
}

enum Place {
    Away,
    Dialing(ConnId, bool, Vec<u8>),
    Sitting(Box<Guest>),
}

fn settings() -> Settings {
    Settings { open_tables: true, ..Settings::default() }
}

impl Crowd {
    fn new(seed: u64) -> Self {
        let store = Arc::new(Store::in_memory());
        let service = Self::begin(&store);
        let mut crowd = Self {
            worlds: Self::shards(&service, seed),
            store,
            service,
            members: Vec::new(),
            rng: Seed::from_u64(seed).stream(Purpose::Jitter),
            seed,
            said: 0,
        };
        for client in 0..MEMBERS {
            // Every third has no name.
            let bearer = if client % 3 == 2 { String::new() } else { crowd.sign_up(client) };
            crowd.members.push(Member {
                shard: client as usize % SHARDS,
                table: client % TABLES,
                client,
                bearer,
                place: Place::Away,
                first: None,
                last: 0,
                heard: Vec::new(),
                count: 0,
            });
        }
        crowd
    }

    /// The house as it begins with what is kept; its keys are the same, since its entropy is.
    fn begin(store: &Arc<Store>) -> Arc<Service> {
        let keys = Keys::in_memory(Algorithm::HS256, &entropy(), BEGAN);
        Arc::new(Service::new(Arc::clone(store), keys, settings(), entropy(), BEGAN).unwrap())
    }

    fn shards(service: &Arc<Service>, seed: u64) -> Vec<World> {
        (0..SHARDS as u64).map(|shard| world_of(service, WIRE, seed * 100 + shard)).collect()
    }

    fn sign_up(&mut self, client: i64) -> String {
        // On a wire that is well.
        let mut house = House { world: world_of(&self.service, "", 1), service: Arc::clone(&self.service) };
        house.guest(&format!("member{client}")).bearer()
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.worlds.iter_mut().for_each(|world| world.pass(1));
        }
    }

    /// Everybody does something, or not.
    fn step(&mut self) {
        for at in 0..self.members.len() {
            self.members[at].go_on(&mut self.worlds);
            match self.members[at].place {
                Place::Away if self.rng.chance(0.2) => self.members[at].dial(&mut self.worlds),
                Place::Sitting(_) if self.rng.chance(0.15) => self.act(at),
                _ => {}
            }
        }
        if self.rng.chance(0.5) {
            self.service.work();
        }
        let millis = 1 + self.rng.below(8);
        self.pass(millis);
    }

    fn act(&mut self, at: usize) {
        self.said += 1;
        let text = format!("{} of {}", self.said, self.members[at].client);
        let other = self.rng.below(MEMBERS as u64);
        let has_name = !self.members[at].bearer.is_empty();
        match self.rng.below(12) {
            0 => self.members[at].vanish(&mut self.worlds),
            1 => self.members[at].tell(&mut self.worlds, &json!({"type": "leave"})),
            2 if has_name => {
                let whisper = json!({"type": "whisper", "to": other, "text": text});
                self.members[at].tell(&mut self.worlds, &whisper);
            }
            3 => self.members[at].tell(&mut self.worlds, &json!({"type": "nonsense"})),
            _ => self.members[at].tell(&mut self.worlds, &json!({"type": "say", "text": text})),
        }
    }

    /// The house is killed: what was not kept is gone, and so are all connections.
    fn kill(&mut self) {
        for member in &mut self.members {
            // What has arrived was heard; what is on the wire is not.
            member.go_on(&mut self.worlds);
            member.place = Place::Away;
        }
        self.worlds.clear();
        self.service = Self::begin(&self.store);
        self.seed += 1000;
        self.worlds = Self::shards(&self.service, self.seed);
    }

    fn settle(&mut self) {
        for _ in 0..3000 {
            for member in &mut self.members {
                member.go_on(&mut self.worlds);
                if matches!(member.place, Place::Away) {
                    member.dial(&mut self.worlds);
                }
            }
            self.service.work();
            self.pass(2);
        }
    }

    fn judge(&self) {
        for table in 0..TABLES {
            let Kept { talk, gone, .. } = self.store.load(TableId(table)).unwrap();
            assert_eq!(gone, 0, "nothing is too old");
            let texts: Vec<(u64, Value)> =
                talk.iter().map(|record| (record.seq, serde_json::from_str(&record.text).unwrap())).collect();
            let mut said = BTreeMap::new();
            for (_, message) in &texts {
                *said.entry(message["text"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            assert!(said.values().all(|&count| count == 1), "what was said once is kept once");
            let members: Vec<_> = self.members.iter().filter(|member| member.table == table).collect();
            for member in &members {
                member.judge(&texts);
                assert_eq!(member.count, members.len() as u64, "member {}", member.client);
            }
        }
        let heard: usize = self.members.iter().map(|member| member.heard.len()).sum();
        assert!(heard > 100, "{heard}");
    }

    /// Some go for good: the others know.
    fn thin_out(&mut self) {
        for member in self.members.iter_mut().filter(|member| member.client % 4 == 1) {
            member.vanish(&mut self.worlds);
        }
        for _ in 0..1000 {
            self.members.iter_mut().for_each(|member| member.go_on(&mut self.worlds));
            self.service.work();
            self.pass(2);
        }
        for member in self.members.iter().filter(|member| member.client % 4 != 1) {
            let others =
                self.members.iter().filter(|other| other.table == member.table && other.client % 4 != 1);
            assert_eq!(member.count, others.count() as u64, "member {}", member.client);
        }
    }
}

impl Member {
    fn dial(&mut self, worlds: &mut [World]) {
        self.place = Place::Dialing(worlds[self.shard].dial(), false, Vec::new());
    }

    /// Takes what has come.
    fn go_on(&mut self, worlds: &mut [World]) {
        let world = &mut worlds[self.shard];
        match &mut self.place {
            Place::Away => {}
            Place::Dialing(id, is_asked, answer) => {
                if !*is_asked {
                    let since = self.first.map(|_| format!("?since={}", self.last)).unwrap_or_default();
                    let path = format!("/ws/{}/{}{since}", self.table, self.client);
                    *is_asked = world.write(*id, Guest::handshake(&path, &self.bearer)) > 0;
                }
                let (bytes, is_over) = world.read(*id);
                answer.extend(bytes);
                if answer.windows(4).any(|w| w == b"\r\n\r\n") {
                    self.place = match Guest::on(world, *id, answer) {
                        Ok(guest) => Place::Sitting(Box::new(guest)),
                        // His seat is taken still, as by himself without a name.
                        Err(answer) if answer.contains(" 409 ") => Place::Away,
                        Err(answer) => panic!("member {} is not let in: {answer}", self.client),
                    };
                    self.hear(worlds);
                } else if is_over {
                    self.place = Place::Away;
                }
            }
            Place::Sitting(guest) => {
                guest.listen(world);
                self.hear(worlds);
            }
        }
    }

    fn hear(&mut self, worlds: &[World]) {
        let _ = worlds;
        let Place::Sitting(guest) = &mut self.place else { return };
        let is_over = guest.closed.is_some() || guest.is_finished;
        for text in guest.heard.drain(..) {
            let message: Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str().unwrap() {
                "welcome" => {
                    assert_eq!(message["complete"], true, "member {}", self.client);
                    let seq = message["seq"].as_u64().unwrap();
                    assert!(seq >= self.last, "a number is used twice");
                    if self.first.is_none() {
                        (self.first, self.last) = (Some(seq), seq);
                    }
                    self.count = message["count"].as_u64().unwrap();
                }
                "error" | "ping" | "typing" => {}
                kind => {
                    let seq = message["seq"].as_u64().unwrap();
                    assert!(seq > self.last, "member {}: {seq} after {}", self.client, self.last);
                    self.last = seq;
                    if matches!(kind, "joined" | "left") {
                        self.count = message["count"].as_u64().unwrap();
                    }
                    self.heard.push((seq, message));
                }
            }
        }
        if is_over {
            self.place = Place::Away;
        }
    }

    fn tell(&mut self, worlds: &mut [World], message: &Value) {
        if let Place::Sitting(guest) = &mut self.place {
            guest.say(&mut worlds[self.shard], &message.to_string());
        }
    }

    fn vanish(&mut self, worlds: &mut [World]) {
        if let Place::Sitting(guest) = &self.place {
            worlds[self.shard].abort(guest.id());
            self.place = Place::Away;
        }
    }

    /// He has heard what he should have, as it was kept, in its order.
    fn judge(&self, talk: &[(u64, Value)]) {
        let first = self.first.expect("everybody sits in the end");
        let has_name = !self.bearer.is_empty();
        let own = json!(self.client);
        let is_for_him = |message: &Value| match message["type"].as_str().unwrap() {
            "said" => true,
            // Who has no name is another one when he comes back.
            _ => has_name && (message["client_id"] == own || message["to"] == own),
        };
        let should: Vec<_> =
            talk.iter().filter(|(seq, message)| *seq > first && is_for_him(message)).collect();
        let kinds = if has_name { &["said", "whispered"][..] } else { &["said"][..] };
        let has: Vec<_> = self
            .heard
            .iter()
            .filter(|(_, message)| kinds.iter().any(|kind| message["type"] == *kind))
            .collect();
        assert_eq!(has, should, "member {}", self.client);
        let whispers = self.heard.iter().filter(|(_, message)| message["type"] == "whispered");
        for (_, whisper) in whispers {
            assert!(whisper["client_id"] == own || whisper["to"] == own, "{whisper}");
        }
    }
}

fn run(seed: u64) {
    let mut crowd = Crowd::new(seed);
    for step in 0..400 {
        crowd.step();
        // Not while nobody has sat yet.
        if step % 97 == 96 && crowd.rng.chance(0.7) {
            crowd.kill();
        }
    }
    crowd.settle();
    crowd.judge();
    crowd.thin_out();
}

#[test]
pub(crate) fn nothing_is_lost_doubled_or_out_of_order() {
    let seeds = if std::env::var_os("TAPHOUSE_SEEDS").is_some() { 60 } else { 6 };
    for seed in 1..=seeds {
        println!("replay: seed {seed}");
        run(seed);
    }
}

/// A few seeds, for the faults.
pub(crate) fn some_crowds() {
    (1..=4).for_each(run);
}
