//! The house's end of a WebSocket: the machine, with a script of what it says.

use std::collections::VecDeque;

use bytes::Bytes;
use taphouse::fate::Fate;
use taphouse::quota::Quota;
use taphouse::time::{Duration, Instant, Now};
use taphouse::ws::{Closed, Code, Codecs, Config, Connection, Event, Message, Prepared, Role, Scope};

use crate::dice::Dice;
use crate::websockets::Say;
use crate::wire::{End, Found};

/// One end.
pub(crate) struct Ours {
    end: End,
    connection: Connection,
    codecs: Codecs,
    quota: Quota,
    config: Config,
    now: Now,
    early: Bytes,
    carry: Bytes,
    has_heard_end: bool,
    script: VecDeque<Say>,
    pub(crate) heard: Vec<Say>,
    pub(crate) closed: Option<Closed>,
    dice: Dice,
}

impl Ours {
    pub(crate) fn new(
        end: End,
        role: Role,
        config: Config,
        early: Bytes,
        script: Vec<Say>,
        mut dice: Dice,
    ) -> Self {
        let now = Now { mono: Instant::ZERO, wall: 784_111_777 };
        let mut connection = Connection::new(now.mono, role, config, None);
        connection.seed_masks(dice.below(1 << 40) as u64);
        Self {
            end,
            connection,
            codecs: Codecs::default(),
            quota: Quota::new(usize::MAX),
            config,
            now,
            early,
            carry: Bytes::new(),
            has_heard_end: false,
            script: script.into(),
            heard: Vec::new(),
            closed: None,
            dice,
        }
    }

    /// Does some of what can be done now.
    pub(crate) fn step(&mut self) {
        self.now.mono += Duration::from_nanos(100);
        self.read();
        if self.dice.one_in(3) && self.connection.is_open() {
            self.say();
        }
        self.write();
        if self.carry.is_empty() && self.connection.fate() != Fate::Open && !self.connection.has_output() {
            self.end.finish();
            let _ = self.end.receive(usize::MAX);
        }
    }

    /// A silence after which it looks whether the peer is there.
    pub(crate) fn pause(&mut self) {
        self.now.mono += self.config.ping_after;
        let mut scope = Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota };
        self.connection.handle_timeout(&mut scope);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some() && self.carry.is_empty() && !self.connection.has_output()
    }

    fn read(&mut self) {
        if self.connection.wants_input() {
            let early = std::mem::take(&mut self.early);
            let found =
                if early.is_empty() { self.end.receive(usize::MAX) } else { Found::Bytes(early.into()) };
            match found {
                Found::Bytes(bytes) => self.connection.handle_input(self.now.mono, bytes.into()),
                Found::End if !std::mem::replace(&mut self.has_heard_end, true) => {
                    self.connection.handle_end();
                }
                Found::End | Found::Nothing => {}
            }
        }
        let mut scope = Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota };
        while let Some(event) = self.connection.poll_event(&mut scope) {
            match event {
                Event::Message(message) => self.heard.push(match message.as_text() {
                    Some(text) => Say::Text(text.to_owned()),
                    // With a fault on, a text need not be one.
                    None => Say::Binary(message.data().to_vec()),
                }),
                Event::Closed(closed) => assert_eq!(self.closed.replace(closed), None, "it ends once"),
            }
        }
    }

    fn say(&mut self) {
        // What does not fit would close the connection.
        let fits = |len: usize| {
            let waiting = self.connection.waiting();
            waiting == 0 || waiting + len <= self.config.queue
        };
        let message = match self.script.front() {
            Some(Say::Text(text)) if fits(text.len()) => Message::text(&**text),
            Some(Say::Binary(data)) if fits(data.len()) => Message::binary(data.clone()),
            Some(Say::Close(code, reason)) => {
                self.connection.close(self.now.mono, code.map_or(Code::NONE, Code), reason);
                self.script.clear();
                return;
            }
            _ => return,
        };
        self.script.pop_front();
        let mut scope = Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota };
        let sent = if self.dice.one_in(2) {
            self.connection.send(&mut scope, &message)
        } else {
            self.connection.send_prepared(&mut scope, &Prepared::new(message))
        };
        assert_eq!(sent, Ok(()));
    }

    fn write(&mut self) {
        if self.carry.is_empty() {
            let mut scope = Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota };
            self.carry = self.connection.poll_output(&mut scope).unwrap_or_default();
        }
        if !self.carry.is_empty() {
            let taken = self.end.give(&self.carry);
            let _ = self.carry.split_to(taken);
        }
    }
}
