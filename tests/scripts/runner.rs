//! Plays a script against a host, step by step.

use bytes::Bytes;
use taphouse::drops::Drop;
use taphouse::fault;
use taphouse::stack::{ConnId, ListenConfig, Stream};
use taphouse::tcp::{ReadError, WriteError};
use taphouse::time::{Duration, Instant};

use super::host::{Host, cause_name, state_named};
use super::lexer::Bounds;
use super::matching::{Names, differences};
use super::peer::{self, HOST, PEER, PEER_PORT, PORT};
use super::report;
use super::script::{Action, Check, Choice, End, Icmp, Script, Segment, Stamp, Step, Verb};

/// A script that did not go as it says.
pub(crate) struct Failure {
    pub(crate) line: usize,
    pub(crate) message: String,
    /// What was said until then.
    pub(crate) transcript: Vec<String>,
}

/// Plays a script.
///
/// # Errors
/// The first step that goes otherwise than the script says.
pub(crate) fn run(script: &Script) -> Result<Vec<String>, Failure> {
    let mut player = Player::new(script);
    let mut line = 0;
    for step in &script.steps {
        line = step.line;
        player.step(step).map_err(|message| player.failure(line, message))?;
    }
    player.end().map_err(|message| player.failure(line, message))?;
    Ok(player.host.transcript)
}

struct Player<'a> {
    script: &'a Script,
    host: Host,
    /// When the last step was.
    last: Instant,
    /// The connection that verbs are about.
    id: Option<ConnId>,
    /// Where the application stands in either stream.
    written: i64,
    read: i64,
    names: Names,
}

type Done = Result<(), String>;

impl<'a> Player<'a> {
    fn new(script: &'a Script) -> Self {
        let host = Host::new(&script.setup);
        let last = host.now;
        Self { script, host, last, id: None, written: 1, read: 1, names: Names::default() }
    }

    fn failure(&self, line: usize, message: String) -> Failure {
        Failure { line, message, transcript: self.host.transcript.clone() }
    }

    fn step(&mut self, step: &Step) -> Done {
        let is_instant = step.when.earliest == Duration::ZERO;
        let looks = matches!(step.action, Action::Expect(_) | Action::Quiet | Action::Ignore);
        self.host.is_holding &= is_instant && !looks;
        if let Action::Expect(segment) = &step.action {
            return self.expect_all(step, segment);
        }
        let at = self.last + step.when.earliest;
        self.host.pass(at, false);
        if matches!(step.action, Action::Ignore) {
            self.host.said.clear();
        }
        // What leaves at the very end of a quiet time is for the next step.
        let is_quiet = matches!(step.action, Action::Quiet);
        let is_early = |when: Instant| !is_quiet || is_instant || when < at;
        if self.host.said.front().is_some_and(|(when, _)| is_early(*when)) {
            return Err(self.unexpected());
        }
        self.last = at;
        match &step.action {
            Action::Inject(segment) => self.inject(segment),
            Action::InjectIcmp(icmp) => self.inject_icmp(icmp, step),
            Action::Expect(_) | Action::Quiet | Action::Ignore => Ok(()),
            Action::Hold => {
                self.host.is_holding = true;
                Ok(())
            }
            Action::Do(verb) => {
                let text = step.text.split_once(' ').filter(|(time, _)| time.starts_with('+'));
                self.host.note(&format!("= {}", text.map_or(&*step.text, |(_, rest)| rest.trim())));
                self.perform(verb)
            }
            Action::Check(check) => self.check(check),
        }?;
        self.host.trouble.take().map_or(Ok(()), Err)
    }

    fn unexpected(&self) -> String {
        let (at, seen) = self.host.said.front().expect("there is one");
        let origins = self.host.origins(seen.header.dst_port, seen.header.src_port);
        let after = self.host.after_start(*at).as_nanos();
        let line = seen.describe(origins, true);
        format!("a segment left that no line expects, at {}: > {line}", clock(after))
    }

    /// After the last step nothing more may have left, and no connection may have ended unnoticed.
    fn end(&mut self) -> Done {
        self.host.is_holding = false;
        self.host.collect();
        if !self.host.said.is_empty() {
            return Err(self.unexpected());
        }
        let closed = self.host.events.iter().find(|(_, name)| name.starts_with("closed"));
        closed.map_or(Ok(()), |(_, name)| Err(format!("the event `{name}`, which no line expects")))
    }

    // --- packets ---------------------------------------------------------------------------------------

    /// The segments for which a line stands.
    fn pieces(segment: &Segment) -> Vec<Segment> {
        let (Some(size), Some((from, End::At(to)))) = (segment.by, segment.seq) else {
            return vec![segment.clone()];
        };
        let starts = (from..to).step_by(size as usize);
        let piece = |start: i64| {
            let end = to.min(start + i64::from(size));
            let mut piece = Segment { seq: Some((start, End::At(end))), ..segment.clone() };
            if end < to {
                // What is said of the end of the data is said of the last alone.
                piece.flags.0 &= !(taphouse::wire::tcp::Flags::FIN | taphouse::wire::tcp::Flags::PSH).0;
            }
            piece
        };
        starts.map(piece).collect()
    }

    fn expect_all(&mut self, step: &Step, segment: &Segment) -> Done {
        let (mut from, mut to) = (step.when.earliest, step.when.latest);
        for piece in Self::pieces(segment) {
            let (earliest, latest) = (self.last + from, self.last + to);
            self.host.pass(latest, true);
            if let Some(trouble) = self.host.trouble.take() {
                return Err(trouble);
            }
            let Some((at, seen)) = self.host.said.pop_front() else {
                let due = self.host.after_start(earliest).as_nanos();
                return Err(format!(
                    "nothing left by {}, where this was due at {}",
                    self.clock(latest),
                    clock(due)
                ));
            };
            let origins = self.host.origins(seen.header.dst_port, seen.header.src_port);
            let wrong = differences(&piece, &seen, origins, &mut self.names);
            let line = seen.describe(origins, true);
            if !wrong.is_empty() {
                return Err(format!("{}\n    came: > {line}", wrong.join("; ")));
            }
            if at < earliest || at > latest {
                let (earliest, latest) = (self.clock(earliest), self.clock(latest));
                return Err(format!(
                    "it left at {}, not from {earliest} to {latest}\n    came: > {line}",
                    self.clock(at)
                ));
            }
            self.last = at;
            (from, to) = (Duration::ZERO, self.script.setup.tolerance);
        }
        Ok(())
    }

    fn clock(&self, at: Instant) -> String {
        clock(self.host.after_start(at).as_nanos())
    }

    fn inject(&mut self, segment: &Segment) -> Done {
        let (peer, port) = (segment.peer.unwrap_or(PEER_PORT), segment.port.unwrap_or(PORT));
        let origins = self.host.origins(peer, port);
        for piece in Self::pieces(segment) {
            let stamps = self.stamps(&piece)?;
            let packet = peer::packet(&piece, origins, stamps);
            let line = match peer::read(&packet, PEER, HOST) {
                Ok(seen) => seen.describe(origins, false),
                Err(wrong) => wrong,
            };
            self.host.note(&format!("< {line}"));
            self.host.hears(&packet);
        }
        Ok(())
    }

    fn stamps(&self, segment: &Segment) -> Result<Option<(u32, u32)>, String> {
        let value = |stamp: &Stamp| match stamp {
            Stamp::Is(n) => Ok(*n),
            Stamp::Named { name, plus, or_later: false } => {
                let bound =
                    self.names.get(name).ok_or_else(|| format!("no expectation has bound `{name}`"))?;
                Ok(bound.wrapping_add(*plus))
            }
            _ => Err("a timestamp that is sent has one value".to_owned()),
        };
        let found = segment.options.iter().find_map(|option| match option {
            Choice::Timestamps(val, ecr) => Some(value(val).and_then(|val| Ok((val, value(ecr)?)))),
            _ => None,
        });
        found.transpose()
    }

    fn inject_icmp(&mut self, icmp: &Icmp, step: &Step) -> Done {
        let origins = self.host.origins(icmp.peer.unwrap_or(PEER_PORT), icmp.port.unwrap_or(PORT));
        let text = step.text.split_once('<').map_or("", |(_, rest)| rest);
        self.host.note(&format!("<{text}"));
        self.host.hears(&peer::icmp_packet(icmp, origins));
        Ok(())
    }

    // --- the application -------------------------------------------------------------------------------

    fn stream(&mut self) -> Result<Stream<'_>, String> {
        let id = self.id.ok_or("there is no connection yet, or none any more")?;
        Ok(self.host.stack.stream(id))
    }

    fn perform(&mut self, verb: &Verb) -> Done {
        let now = self.host.now;
        match verb {
            Verb::Listen { port, backlog } => {
                let backlog = backlog.unwrap_or(self.script.setup.backlog);
                self.host.stack.listen(
                    *port,
                    ListenConfig { tcp: self.script.setup.tcp, backlog, ..ListenConfig::default() },
                );
            }
            Verb::Unlisten(port) => self.host.stack.unlisten(*port),
            Verb::Connect => {
                let remote = std::net::SocketAddrV4::new(PEER, PEER_PORT);
                let id = self.host.stack.connect_from(PORT, remote, self.script.setup.tcp);
                self.take_up(id.map_err(|error| format!("connect: {error:?}"))?);
            }
            Verb::Accept => {
                let found = self.host.events.iter().position(|(_, name)| name == "accepted");
                let (id, _) =
                    found.and_then(|at| self.host.events.remove(at)).ok_or("nothing was accepted")?;
                self.take_up(id);
            }
            Verb::Write { len, taken } => self.write(*len, *taken)?,
            Verb::WriteFails(why) => self.write_fails(why)?,
            Verb::Read(len) => self.read(Some(*len), false)?,
            Verb::ReadAll(len) => self.read(*len, true)?,
            Verb::ReadFails(why) => self.read_fails(why)?,
            Verb::Shutdown => self.stream()?.shutdown(),
            Verb::Close => {
                self.stream()?.release();
                self.id = None;
            }
            Verb::Abort => {
                self.stream()?.abort();
                self.id = None;
            }
            Verb::Alarm(after) => self.stream()?.set_alarm(after.map(|after| now + after)),
            Verb::Urgent => self.stream()?.mark_urgent(),
            Verb::NotifyBelow(bytes) => self.stream()?.notify_below(*bytes),
            Verb::SetNagle(on) => self.stream()?.set_nagle(*on),
            Verb::SetKeepAlive(after) => self.stream()?.set_keep_alive(*after),
            Verb::SetUserTimeout(timeout) => self.stream()?.set_user_timeout(*timeout),
            Verb::SetFault(broken) => fault::set(*broken),
        }
        self.host.collect();
        Ok(())
    }

    fn take_up(&mut self, id: ConnId) {
        self.id = Some(id);
        (self.written, self.read) = (1, 1);
    }

    fn write(&mut self, len: usize, taken: usize) -> Done {
        let data = Bytes::from(peer::stream(self.written, len));
        let result = self.stream()?.write(data);
        if result != Ok(taken) {
            return Err(format!("the write gave {result:?}, not {taken} bytes"));
        }
        self.written += taken as i64;
        Ok(())
    }

    fn write_fails(&mut self, why: &str) -> Done {
        let got = match self.stream()?.write(Bytes::from_static(b"!")) {
            Ok(taken) => format!("{taken} bytes taken"),
            Err(WriteError::Blocked) => "blocked".into(),
            Err(WriteError::Shutdown) => "shutdown".into(),
            Err(WriteError::Closed(cause)) => cause_name(cause).into(),
        };
        if got == why { Ok(()) } else { Err(format!("the write gave `{got}`, not `{why}`")) }
    }

    /// Reads so many bytes, or all that there is, and looks at each of them.
    fn read(&mut self, wanted: Option<usize>, is_all: bool) -> Done {
        let mut got = Vec::new();
        while is_all || wanted.is_some_and(|wanted| got.len() < wanted) {
            match self.stream()?.read() {
                Ok(chunk) => got.extend(chunk),
                Err(_) => break,
            }
        }
        let expected = peer::stream(self.read, got.len());
        if let Some(at) = got.iter().zip(&expected).position(|(a, b)| a != b) {
            return Err(format!("byte {} of the stream is not what the peer sent", self.read + at as i64));
        }
        self.read += got.len() as i64;
        match wanted {
            Some(wanted) if got.len() != wanted => Err(format!("read {} bytes, not {wanted}", got.len())),
            _ => Ok(()),
        }
    }

    fn read_fails(&mut self, why: &str) -> Done {
        let got = match self.stream()?.read() {
            Ok(chunk) => format!("{} bytes", chunk.len()),
            Err(ReadError::Blocked) => "blocked".into(),
            Err(ReadError::Finished) => "finished".into(),
            Err(ReadError::Closed(cause)) => format!("closed {}", cause_name(cause)),
        };
        if got == why { Ok(()) } else { Err(format!("the read gave `{got}`, not `{why}`")) }
    }

    // --- checks ----------------------------------------------------------------------------------------

    fn check(&mut self, check: &Check) -> Done {
        match check {
            Check::Event(name) => self.check_event(name),
            Check::NoEvent => match self.host.events.front() {
                None => Ok(()),
                Some((_, name)) => Err(format!("the event `{name}`")),
            },
            Check::State(name) => self.check_state(name),
            Check::Report { field, value } => {
                let origins = self.host.origins(PEER_PORT, PORT);
                report::check(&self.report()?, origins, field, value)
            }
            Check::Counter { name, value } => self.check_counter(name, *value),
            Check::Timer { name, value } => {
                let report = self.report()?;
                let got = report.timers.iter().find(|(timer, _)| timer == name).map(|(_, after)| *after);
                match (got, value) {
                    (None, None) => Ok(()),
                    (Some(got), Some((from, to)))
                        if *from <= got && got <= *to + self.script.setup.tolerance =>
                    {
                        Ok(())
                    }
                    _ => {
                        Err(format!("the timer {name} is due after {got:?}; all timers: {:?}", report.timers))
                    }
                }
            }
            Check::Population(wanted) => {
                let (open, half, waiting) = self.host.stack.population();
                let got = [open, half, waiting];
                if got == *wanted { Ok(()) } else { Err(format!("the population is {got:?}")) }
            }
            Check::UrgentLeft(wanted) => {
                let got = self.stream()?.urgent();
                if got == *wanted { Ok(()) } else { Err(format!("unread urgent bytes: {got:?}")) }
            }
        }
    }

    /// Takes the next event; word of room and of things to read may be passed over.
    fn check_event(&mut self, wanted: &str) -> Done {
        while let Some((_, name)) = self.host.events.pop_front() {
            if name == wanted {
                return Ok(());
            }
            if !["readable", "writable"].contains(&&*name) {
                return Err(format!("the event `{name}` came, not `{wanted}`"));
            }
        }
        Err(format!("no event `{wanted}`"))
    }

    fn check_state(&mut self, name: &str) -> Done {
        let wanted = state_named(name).ok_or_else(|| format!("`{name}` is no state of RFC 9293"))?;
        let got = match self.id {
            Some(id) => self.host.stack.stream(id).state(),
            // The application is gone; the connection may be there yet.
            None => self.report()?.state,
        };
        if got == wanted { Ok(()) } else { Err(format!("the state is {}", got.name())) }
    }

    fn report(&self) -> Result<taphouse::tcp::info::ConnectionInfo, String> {
        let stack = &self.host.stack;
        let found = match self.id {
            Some(id) => stack.info(id),
            None => stack.infos(0, 1).into_iter().next().map(|(_, report)| report),
        };
        found.ok_or_else(|| "there is no connection".into())
    }

    fn check_counter(&self, name: &str, value: Bounds) -> Done {
        let stack = &self.host.stack;
        let drop = Drop::ALL.iter().find(|drop| drop.name() == name).map(|drop| stack.drops().of(*drop));
        let counted = || report::field(&format!("{:#?}", stack.counters()), name)?.parse().ok();
        let got = drop.or_else(counted).ok_or_else(|| format!("`{name}` is no counter"))?;
        if value.has(got as i64) { Ok(()) } else { Err(format!("the counter {name} is {got}, not {value}")) }
    }
}

/// Seconds for people.
fn clock(nanos: u64) -> String {
    format!("{}.{:06} s", nanos / 1_000_000_000, nanos / 1000 % 1_000_000)
}
