//! A house with its service, and somebody who asks it.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use taphouse::app::entropy::Entropy;
use taphouse::app::service::{Service, Settings};
use taphouse::app::store::Store;
use taphouse::app::tokens::{Algorithm, Keys};
use taphouse::app::{Choices, routes};
use taphouse::time::Duration;

use crate::world::{Guest, World};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const BEGAN: u64 = 1_800_000_000;

pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) service: Arc<Service>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The same in each run.
pub(crate) fn entropy() -> Entropy {
    entropy_of(0)
}

fn entropy_of(run: u64) -> Entropy {
    let state = Mutex::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_add(run));
    Arc::new(move |buffer| {
        let mut state = state.lock().unwrap();
        for byte in buffer {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 56) as u8;
        }
    })
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::of(Service::in_memory(settings, entropy(), BEGAN).unwrap())
    }

    /// The house as it begins for this time with what is kept; tables are for everybody.
    pub(crate) fn on(store: &Arc<Store>, run: u64) -> Self {
        let settings = Settings { open_tables: true, ..Settings::default() };
        let keys = Keys::in_memory(Algorithm::HS256, &entropy(), BEGAN);
        Self::of(Service::new(Arc::clone(store), keys, settings, entropy_of(run), BEGAN).unwrap())
    }

    fn of(service: Service) -> Self {
        let service = Arc::new(service);
        let mut world = world_of(&service, "", 1);
        let tables = Arc::clone(&service);
        world.chore = Box::new(move || {
            tables.work();
        });
        Self { world, service }
    }

    /// Somebody sits down, or is told why not.
    pub(crate) fn sit(&mut self, path: &str, fields: &str) -> Result<Guest, Box<Answer>> {
        let id = self.world.connect();
        self.world.write(id, Guest::handshake(path, fields));
        self.world.pass(30);
        let (answer, _) = self.world.read(id);
        Guest::on(&self.world, id, &answer).map_err(|answer| Box::new(Answer::of(&answer)))
    }

    /// A whole exchange; `fields` are lines of the head.
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        let id = self.send(method, path, fields, body);
        self.world.pass(60);
        self.answer_on(id)
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> taphouse::stack::ConnId {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let id = self.world.connect();
        self.world.write(id, format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{length}{fields}\r\n{body}"));
        id
    }

    pub(crate) fn answer_on(&mut self, id: taphouse::stack::ConnId) -> Answer {
        let text = String::from_utf8(self.world.read(id).0).unwrap();
        self.world.abort(id);
        Answer::of(&text)
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, "Content-Type: application/json\r\n", &body.to_string())
    }

    pub(crate) fn sign_up(&mut self, name: &str) -> Answer {
        let email = format!("{name}@example.com");
        self.post("/users", &serde_json::json!({"email": email, "nickname": name, "password": PASSWORD}))
    }

    pub(crate) fn sign_in(&mut self, name: &str) -> Session {
        let email = format!("{name}@example.com");
        let answer = self.post("/sessions", &serde_json::json!({"email": email, "password": PASSWORD}));
        assert_eq!(answer.status, 200, "{}", answer.head);
        Session::of(&answer)
    }

    /// Somebody who is signed up and in.
    pub(crate) fn guest(&mut self, name: &str) -> Session {
        assert_eq!(self.sign_up(name).status, 201);
        self.sign_in(name)
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.world.now += Duration::from_secs(seconds);
        self.world.pass(1);
    }
}

pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) id: u64,
}

impl Session {
    pub(crate) fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.body[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            id: answer.body["user"]["id"].as_u64().unwrap(),
        }
    }

    /// The line of the head.
    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.access)
    }
}

/// A world whose house has this service. Nobody keeps what its tables say, unless somebody is told to.
pub(crate) fn world_of(service: &Arc<Service>, impairment: &str, seed: u64) -> World {
    let choices = Choices { service: Some(Arc::clone(service)), ..Choices::default() };
    let mut world = World::new(routes(choices), impairment, seed);
    world.began = BEGAN;
    world
}

impl Answer {
    pub(crate) fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
            head: head.to_owned(),
        }
    }

    pub(crate) fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.fields(name).next()
    }

    pub(crate) fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A 401 says why, in its head and in its body.
    pub(crate) fn is_unauthorized(&self, why: &str) -> bool {
        let challenge = self.field("WWW-Authenticate").unwrap_or_default();
        let is_told = match why {
            "missing" => challenge == "Bearer realm=\"taphouse\"",
            why => challenge.contains("error=\"invalid_token\"") && challenge.contains(why),
        };
        self.status == 401
            && is_told
            && self.body["detail"].as_str().is_some_and(|detail| detail.contains(why))
    }
}
