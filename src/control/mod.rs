//! The control socket of a running house, as a machine over bytes: what is asked of it, and what it answers.
//!
//! A caller sends one request, a line of JSON such as `{"command":"connections"}`, and gets lines of JSON until
//! the house closes. The first is `{"ok":true}` or `{"error":"..."}`, the last `{"end":true}`. For `watch` the
//! first line is followed by a pcapng. Whoever may open the socket may ask everything, bodies included: the socket
//! is its owner's alone.
//!
//! Long answers are made piece by piece, as fast as the caller takes them, so that no turn becomes long.

mod report;

use std::str::FromStr as _;

use serde_json::{Value as Json, json};

use crate::link::impair::spec;
use crate::link::recorder::Keep;
use crate::link::watch::WatchId;
use crate::link::{Instrumented, Link};
use crate::serve::vitals::Snapshot;
use crate::stack::ConnId;
use crate::time::Instant;

/// Bytes of the longest request. Beyond: an error.
const REQUEST: usize = 4096;
/// Connections that one piece of a list tells of.
const PIECE: usize = 256;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// All connections, in short.
    Connections,
    /// One connection, in full.
    Connection(ConnId),
    /// The neighbours.
    Arp,
    /// All counters.
    Counters,
    /// What happens to frames on the link; and a change of it, if one is given.
    Impair(Option<Box<spec::Both>>),
    /// Frames as they pass, until the caller goes.
    Watch(Keep),
}

impl Request {
    /// The request in a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        match text("command").unwrap_or_default() {
            "connections" => Ok(Self::Connections),
            "connection" => ConnId::from_str(text("id").unwrap_or_default()).map(Self::Connection),
            "arp" => Ok(Self::Arp),
            "counters" => Ok(Self::Counters),
            "impair" => match json.get("set") {
                None | Some(Json::Null) => Ok(Self::Impair(None)),
                Some(Json::String(list)) => list.parse().map(|both| Self::Impair(Some(Box::new(both)))),
                Some(_) => Err("set is a string, as loss=1%".to_owned()),
            },
            "watch" => {
                let payload = json.get("payload").and_then(Json::as_bool).unwrap_or(false);
                Ok(Self::Watch(if payload { Keep::All } else { Keep::Headers }))
            }
            other => Err(format!("there is no command {other:?}")),
        }
    }
}

/// The parts of a house that answer.
pub struct House<'a, D> {
    /// The time of the turn.
    pub now: Instant,
    /// The stack, and what is counted above it.
    pub vitals: Snapshot<'a>,
    /// The link.
    pub link: &'a mut Instrumented<D>,
}

/// One who asks.
#[derive(Debug, Default)]
pub struct Caller {
    input: Vec<u8>,
    out: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    /// The request has not come yet.
    #[default]
    Asking,
    /// Connections from this place on are still to be told.
    Listing(usize),
    Watching(WatchId),
    /// What is in `out` is the last.
    Over,
}

impl Caller {
    /// Takes what the caller sent.
    pub fn handle_bytes<D: Link>(&mut self, house: &mut House<'_, D>, bytes: &[u8]) {
        if self.state != State::Asking {
            return;
        }
        self.input.extend_from_slice(bytes);
        let Some(end) = self.input.iter().position(|&b| b == b'\n') else {
            if self.input.len() > REQUEST {
                self.fail(&json!({ "error": "the request is too long" }));
            }
            return;
        };
        match Request::parse(&self.input[..end]) {
            Ok(request) => self.answer(house, request),
            Err(error) => self.fail(&json!({ "error": error })),
        }
    }

    /// What to send to the caller next; empty when there is nothing now.
    pub fn poll_output<D: Link>(&mut self, house: &mut House<'_, D>) -> &[u8] {
        if self.out.is_empty() {
            match self.state {
                State::Listing(from) => self.list(house, from),
                State::Watching(id) => self.out = house.link.take(house.now, id).unwrap_or_default(),
                State::Asking | State::Over => {}
            }
        }
        &self.out
    }

    /// So many bytes of the output were sent.
    pub fn handle_sent(&mut self, len: usize) {
        self.out.drain(..len);
    }

    /// There is more to say at once.
    pub fn has_more(&self) -> bool {
        !self.out.is_empty() || matches!(self.state, State::Listing(_))
    }

    /// The request has come, and its answer comes to an end by itself.
    pub fn is_answered(&self) -> bool {
        matches!(self.state, State::Listing(_) | State::Over)
    }

    /// There is nothing more to say.
    pub fn is_over(&self) -> bool {
        self.state == State::Over && self.out.is_empty()
    }

    /// The caller is gone, or is sent away.
    pub fn handle_gone<D: Link>(&mut self, house: &mut House<'_, D>) {
        if let State::Watching(id) = self.state {
            house.link.unwatch(id);
        }
        self.state = State::Over;
        self.out.clear();
    }

    fn answer<D: Link>(&mut self, house: &mut House<'_, D>, request: Request) {
        let ok = json!({ "ok": true });
        match request {
            Request::Connections => {
                let mut first = report::population(&house.vitals);
                first["ok"] = json!(true);
                self.say(&first);
                self.state = State::Listing(0);
            }
            Request::Connection(id) => match house.vitals.stack.info(id) {
                Some(found) => {
                    self.say(&ok);
                    self.say(&report::connection(id, &found));
                    self.end();
                }
                None => self.fail(&json!({ "error": format!("there is no connection {id}") })),
            },
            Request::Arp => {
                self.say(&ok);
                house
                    .vitals
                    .stack
                    .neighbours()
                    .for_each(|entry| self.say(&report::neighbour(&entry, house.now)));
                self.end();
            }
            Request::Counters => {
                self.say(&ok);
                self.say(&report::counters(&house.vitals));
                self.end();
            }
            Request::Impair(change) => {
                if let Some(both) = change {
                    house.link.inner_mut().set(*both);
                    log::info!(target: "life", "the link: in {}, out {}", both.incoming, both.outgoing);
                }
                self.say(&ok);
                self.say(&report::impairment(house.link.inner()));
                self.end();
            }
            Request::Watch(keep) => {
                self.say(&ok);
                self.state = State::Watching(house.link.watch(keep));
            }
        }
    }

    fn list<D: Link>(&mut self, house: &House<'_, D>, from: usize) {
        let reports = house.vitals.stack.infos(from, PIECE);
        let Some((last, _)) = reports.last() else { return self.end() };
        self.state = State::Listing(last.index() + 1);
        reports.iter().for_each(|(id, found)| self.say(&report::connection(*id, found)));
    }

    fn say(&mut self, line: &Json) {
        self.out.extend(line.to_string().into_bytes());
        self.out.push(b'\n');
    }

    /// What was said is all there was to say; without this line it was cut short.
    fn end(&mut self) {
        self.say(&json!({ "end": true }));
        self.state = State::Over;
    }

    fn fail(&mut self, error: &Json) {
        self.say(error);
        self.state = State::Over;
    }
}

#[cfg(test)]
mod tests;
