//! A peer without a wire: hands bytes to a connection in parts, sends its messages back, and judges what it says.

use bytes::Bytes;
use taphouse::quota::Quota;
use taphouse::time::{Duration, Instant, Now};
use taphouse::ws::{
    Agreement, Closed, Code, Codecs, Config, Connection, Event, Fate, Message, Role, Scope, SendError,
};

use crate::case::{Case, End, judge_said};
use crate::wire::{self, Said, Sent, TEXT, Transcript};

/// Up to here what is sent is cut at each offset, and beyond at some.
const CUT_EVERYWHERE: usize = 600;

/// Up to here it is also sent byte by byte, and beyond in parts of a prime number of bytes.
const BYTE_BY_BYTE: usize = 20_000;

/// A turn of the work that does not fit into one.
const TURN: Duration = Duration::from_micros(100);

/// One connection, and its peer.
pub(crate) struct Peer {
    pub(crate) ws: Connection,
    role: Role,
    agreed: Option<Agreement>,
    codecs: Codecs,
    quota: Quota,
    pub(crate) now: Now,
    pub(crate) output: Vec<u8>,
    /// The peer takes what is said.
    pub(crate) is_taking: bool,
    /// Messages are sent back.
    pub(crate) is_echoing: bool,
    /// Messages that came.
    pub(crate) messages: Vec<Message>,
    pub(crate) closed: Option<Closed>,
    /// Turns that were used for work that was left.
    pub(crate) turns: usize,
}

impl Peer {
    pub(crate) fn new(role: Role, config: Config, agreed: Option<Agreement>) -> Self {
        let now = Now { mono: Instant::ZERO + Duration::from_secs(1), wall: 784_111_777 };
        let mut ws = Connection::new(now.mono, role, config, agreed);
        ws.seed_masks(7);
        Self {
            ws,
            role,
            agreed,
            codecs: Codecs::default(),
            quota: Quota::default(),
            now,
            output: Vec::new(),
            is_taking: true,
            is_echoing: true,
            messages: Vec::new(),
            closed: None,
            turns: 0,
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Connection, &mut Scope<'_>) -> T) -> T {
        f(&mut self.ws, &mut Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota })
    }

    /// Hands in bytes as they are wanted; what is not wanted any more is thrown away.
    pub(crate) fn give(&mut self, bytes: &[u8]) {
        self.work();
        if self.ws.wants_input() {
            self.ws.handle_input(self.now.mono, Bytes::copy_from_slice(bytes));
        }
        self.work();
    }

    /// The peer sends no more.
    pub(crate) fn end(&mut self) {
        self.ws.handle_end();
        self.work();
    }

    pub(crate) fn send(&mut self, message: &Message) -> Result<(), SendError> {
        self.with(|ws, scope| ws.send(scope, message))
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.ws.close(self.now.mono, Code(code), reason);
        self.work();
    }

    /// Does what can be done now, and as many turns of what is left as that takes.
    pub(crate) fn work(&mut self) {
        for _ in 0..10_000 {
            self.turn();
            if self.ws.poll_timeout().is_none_or(|at| at > self.now.mono) {
                return;
            }
            self.now.mono += TURN;
            self.turns += 1;
            self.with(|ws, scope| ws.handle_timeout(scope));
        }
        panic!("a turn that never ends");
    }

    /// What one turn does.
    pub(crate) fn turn(&mut self) {
        self.take();
        while let Some(event) = self.with(|ws, scope| ws.poll_event(scope)) {
            match event {
                Event::Message(message) => {
                    if self.is_echoing {
                        // What is refused is missed in what was said.
                        let _ = self.send(&message);
                    }
                    self.messages.push(message);
                }
                Event::Closed(closed) => assert_eq!(self.closed.replace(closed), None, "it ends once"),
            }
            self.take();
        }
        self.take();
    }

    /// Takes what is to be sent; the connection may then have more to do.
    fn take(&mut self) {
        while self.is_taking {
            let Some(bytes) = self.with(|ws, scope| ws.poll_output(scope)) else { return };
            assert!(!bytes.is_empty(), "output is never empty");
            self.output.extend_from_slice(&bytes);
        }
    }

    /// Takes one piece of what is to be sent, and lets the connection go on.
    pub(crate) fn take_one(&mut self) -> bool {
        let bytes = self.with(|ws, scope| ws.poll_output(scope));
        self.output.extend_from_slice(bytes.as_deref().unwrap_or_default());
        self.turn();
        bytes.is_some()
    }

    /// Time passes, in tenths of a second.
    pub(crate) fn wait(&mut self, tenths: u64) {
        for _ in 0..tenths {
            self.now.mono += Duration::from_millis(100);
            if self.ws.poll_timeout().is_some_and(|at| at <= self.now.mono) {
                self.with(|ws, scope| ws.handle_timeout(scope));
            }
            self.work();
        }
    }

    pub(crate) fn gone(&mut self) -> Option<Closed> {
        self.with(|ws, scope| ws.handle_gone(scope))
    }

    /// Codecs that are out: compressors, decompressors.
    pub(crate) fn lent(&self) -> (usize, usize) {
        self.codecs.lent()
    }

    pub(crate) fn transcript(&self) -> Result<Transcript, String> {
        wire::read(&self.output, self.role, self.agreed)
    }
}

/// What came of a delivery.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    said: Vec<Said>,
    closed: Option<Closed>,
    fate: Fate,
}

fn deliver<'a>(case: &Case, parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Outcome, String> {
    let config = Config { message: case.limit, queue: usize::MAX, ..Config::default() };
    let mut peer = Peer::new(case.role, config, case.agreed);
    parts.into_iter().for_each(|part| peer.give(part));
    let said = peer.transcript()?.said;
    let fate = peer.ws.fate();
    if fate != Fate::Open && peer.ws.wants_input() {
        return Err("more is wanted after the end".to_owned());
    }
    if peer.closed.is_some() && peer.lent().1 != 0 {
        return Err("a decompressor was not given back".to_owned());
    }
    Ok(Outcome { said, closed: peer.closed, fate })
}

/// Where to cut: everywhere, or near both ends, and here and there.
fn cuts(wire: &[u8]) -> Vec<usize> {
    let len = wire.len();
    if len <= CUT_EVERYWHERE {
        return (1..len).collect();
    }
    (1..16).chain(len - 8..len).chain((1..8).map(|i| i * len / 8)).collect()
}

fn pieces(wire: &[u8]) -> std::slice::Chunks<'_, u8> {
    wire.chunks(if wire.len() <= BYTE_BY_BYTE { 1 } else { 4099 })
}

/// Runs a case in all its deliveries.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let wire: Vec<u8> = case.sent.iter().flat_map(|sent| sent.bytes(case.role)).collect();
    let whole = deliver(case, [&wire[..]])?;
    judge(case, &whole).map_err(|e| format!("whole: {e}"))?;
    let check = |what: &str, wire: &[u8], must: &Outcome| {
        let same = |how: String, is: Result<Outcome, String>| match is {
            Ok(is) if is == *must => Ok(()),
            is => Err(format!("{what}, {how}: {is:?} instead of {must:?}")),
        };
        same("whole".to_owned(), deliver(case, [wire]))?;
        same("in small pieces".to_owned(), deliver(case, pieces(wire)))?;
        cuts(wire)
            .into_iter()
            .try_for_each(|at| same(format!("cut at {at}"), deliver(case, [&wire[..at], &wire[at..]])))
    };
    check("alone", &wire, &whole)?;
    let hello = Sent::Frame(TEXT, b"hi").bytes(case.role);
    let greeted = Said::Text(b"hi".to_vec());
    let after = Outcome { said: [std::slice::from_ref(&greeted), &whole.said].concat(), ..whole };
    check("behind another", &[&hello[..], &wire].concat(), &after)?;
    if case.is_cut && matches!(case.end, End::Open) {
        return Ok(());
    }
    let mut said = after.said[1..].to_vec();
    said.extend(matches!(case.end, End::Open).then_some(greeted));
    check("before another", &[&wire[..], &hello].concat(), &Outcome { said, ..after })
}

fn judge(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let mut said = &outcome.said[..];
    let is_closed = |code, is_clean| {
        outcome.closed.as_ref().is_some_and(|closed| closed.code.0 == code && closed.is_clean == is_clean)
    };
    let (is_as_told, fate) = match case.end {
        End::Open => (outcome.closed.is_none(), Fate::Open),
        End::Clean(code, reason) => {
            let is_reason = outcome.closed.as_ref().is_some_and(|closed| closed.reason == reason);
            (is_closed(code, true) && is_reason, Fate::Finish)
        }
        End::Failed(code) => {
            let Some((Said::Close(is, reason), before)) = said.split_last() else {
                return Err(format!("no Close frame: {said:?}"));
            };
            if *is != Some(code) || reason.is_empty() {
                return Err(format!("closed by {is:?} {reason:?}, not by {code}"));
            }
            said = before;
            (is_closed(code, false), Fate::Finish)
        }
    };
    judge_said(said, case.said)?;
    if !is_as_told || outcome.fate != fate {
        return Err(format!("it ends so: {:?}, {:?}", outcome.closed, outcome.fate));
    }
    Ok(())
}
