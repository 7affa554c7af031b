//! The grammar of whole scripts: a head (`config`, `breaks-with:`), then a step a line.

use taphouse::time::Duration;

use super::faults;
use super::lexer::{Error, Words, seconds};
use super::packets::{self, Side};
use super::script::{Action, Check, Script, Step, Value, Verb, When};
use super::setup::Setup;

/// A script.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub(crate) fn parse(text: &str) -> Result<Script, Error> {
    let mut script = Script { setup: Setup::default(), breaks_with: None, steps: Vec::new() };
    for (n, line) in text.lines().enumerate() {
        let mut words = Words::new(n + 1, line);
        if words.is_empty() {
            continue;
        }
        if words.accept("config") {
            head_only(&mut words, &script)?;
            config(&mut words, &mut script.setup)?;
        } else if words.accept("breaks-with:") {
            head_only(&mut words, &script)?;
            let name = words.next("the name of a fault")?;
            let fault = faults::named(name).ok_or_else(|| words.error_before("expected a fault of TCP"))?;
            script.breaks_with = Some((n + 1, fault));
        } else {
            script.steps.push(step(&mut words, line, script.setup.tolerance)?);
        }
        words.end()?;
    }
    if script.steps.is_empty() {
        return Err(Error { line: 1, column: 1, message: "expected a step, found none".into() });
    }
    Ok(script)
}

fn head_only(words: &mut Words<'_>, script: &Script) -> Result<(), Error> {
    if script.steps.is_empty() { Ok(()) } else { Err(words.error_before("it belongs before the first step")) }
}

fn config(words: &mut Words<'_>, setup: &mut Setup) -> Result<(), Error> {
    let mut any = false;
    while let Some(word) = words.peek() {
        words.next("key=value")?;
        let Some((key, value)) = word.split_once('=') else {
            return Err(words.error_before(&format!("expected key=value, found `{word}`")));
        };
        setup
            .set(key, value)
            .map_err(|expected| words.error_before(&format!("expected {expected}, found `{word}`")))?;
        any = true;
    }
    if any { Ok(()) } else { Err(words.error("key=value")) }
}

fn step(words: &mut Words<'_>, text: &str, tolerance: Duration) -> Result<Step, Error> {
    let timed = words.peek().and_then(|w| w.strip_prefix('+'));
    let (when, is_window) = match timed {
        None => (When { earliest: Duration::ZERO, latest: Duration::ZERO }, false),
        Some(word) => {
            words.next("a time")?;
            time(word).ok_or_else(|| {
                words.error_before("expected a time, as `+0.2`, `+0.2~0.001` or `+0.2..0.25`")
            })?
        }
    };
    let action = action(words)?;
    let is_expected = matches!(action, Action::Expect(_));
    if is_window && !is_expected {
        return Err(words.error("one point in time: only what is expected may have two"));
    }
    let latest = if is_expected && !is_window { when.latest + tolerance } else { when.latest };
    let text = text.split('#').next().unwrap_or_default().trim().to_owned();
    Ok(Step { line: words.line, text, when: When { latest, ..when }, action })
}

/// The time without its `+`, and whether it is more than a point.
fn time(word: &str) -> Option<(When, bool)> {
    if let Some((from, to)) = word.split_once("..") {
        let when = When { earliest: seconds(from)?, latest: seconds(to)? };
        return (when.earliest <= when.latest).then_some((when, true));
    }
    if let Some((at, around)) = word.split_once('~') {
        let (at, around) = (seconds(at)?, seconds(around)?);
        return Some((When { earliest: at.saturating_sub(around), latest: at + around }, true));
    }
    let at = seconds(word)?;
    Some((When { earliest: at, latest: at }, false))
}

fn action(words: &mut Words<'_>) -> Result<Action, Error> {
    match words.next("`<`, `>`, `quiet`, a verb or a check")? {
        "<" if words.accept("icmp") => Ok(Action::InjectIcmp(packets::icmp(words)?)),
        "<" => Ok(Action::Inject(packets::segment(words, Side::Sent)?)),
        ">" => Ok(Action::Expect(packets::segment(words, Side::Expected)?)),
        "quiet" => Ok(Action::Quiet),
        "hold" => Ok(Action::Hold),
        "ignore" => Ok(Action::Ignore),
        word => match check(words, word)? {
            Some(check) => Ok(Action::Check(check)),
            None => verb(words, word).map(Action::Do),
        },
    }
}

fn check(words: &mut Words<'_>, word: &str) -> Result<Option<Check>, Error> {
    Ok(Some(match word {
        "expect" if words.accept("no") => {
            words.expect("event")?;
            Check::NoEvent
        }
        "expect" => {
            words.expect("event")?;
            let mut name = words.next("an event")?.to_owned();
            if name == "closed" {
                name = format!("closed {}", words.next("why it closed")?);
            }
            Check::Event(name)
        }
        "state" => Check::State(words.next("a state of RFC 9293")?.to_owned()),
        "report" => {
            let field = words.next("a field of the report")?.to_owned();
            Check::Report { field, value: value(words)? }
        }
        "counter" => {
            let name = words.next("the name of a counter")?.to_owned();
            Check::Counter { name, value: words.bounds("a count")? }
        }
        "timer" => {
            let name = words.next("the name of a timer")?.to_owned();
            let value = if words.accept("off") { None } else { Some(span_of_time(words)?) };
            Check::Timer { name, value }
        }
        "population" => {
            let mut count = || words.number("connections, half-open ones, those in TIME-WAIT");
            Check::Population([count()?, count()?, count()?])
        }
        "urgent-left" if words.accept("none") => Check::UrgentLeft(None),
        "urgent-left" => Check::UrgentLeft(Some(words.number("bytes, or `none`")?)),
        _ => return Ok(None),
    }))
}

/// `12`, `1..5`, `0.2s`, `0.2s..0.3s` or a word.
fn value(words: &mut Words<'_>) -> Result<Value, Error> {
    if let Ok(bounds) = words.bounds("a number") {
        return Ok(Value::Number(bounds));
    }
    let word = words.next("a value")?;
    let (from, to) = word.split_once("..").unwrap_or((word, word));
    let time = |text: &str| text.strip_suffix('s').and_then(seconds);
    Ok(match (time(from), time(to)) {
        (Some(from), Some(to)) => Value::Time(from, to),
        _ => Value::Text(word.to_owned()),
    })
}

fn span_of_time(words: &mut Words<'_>) -> Result<(Duration, Duration), Error> {
    let word = words.next("seconds, or `off`")?;
    let (from, to) = word.split_once("..").unwrap_or((word, word));
    let span = seconds(from).zip(seconds(to));
    span.ok_or_else(|| words.error_before("expected seconds, a range of them, or `off`"))
}

fn verb(words: &mut Words<'_>, word: &str) -> Result<Verb, Error> {
    Ok(match word {
        "listen" => {
            let port = words.number("a port")?;
            let backlog =
                if words.accept("backlog") { Some(words.number("half-open connections")?) } else { None };
            Verb::Listen { port, backlog }
        }
        "unlisten" => Verb::Unlisten(words.number("a port")?),
        "connect" => Verb::Connect,
        "accept" => Verb::Accept,
        "write" if words.accept("fails") => Verb::WriteFails(words.next("why")?.to_owned()),
        "write" => {
            let len = words.number("bytes")?;
            let taken = if words.accept("takes") { words.number("bytes")? } else { len };
            Verb::Write { len, taken }
        }
        "read" if words.accept("all") => {
            Verb::ReadAll(if words.peek().is_some() { Some(words.number("bytes")?) } else { None })
        }
        "read" if words.accept("fails") => {
            let mut why = words.next("why")?.to_owned();
            if why == "closed" {
                why = format!("closed {}", words.next("why it closed")?);
            }
            Verb::ReadFails(why)
        }
        "read" => Verb::Read(words.number("bytes, `all` or `fails`")?),
        "shutdown" => Verb::Shutdown,
        "close" => Verb::Close,
        "abort" => Verb::Abort,
        "alarm" => Verb::Alarm(seconds_or_off(words)?),
        "urgent" => Verb::Urgent,
        "notify" => Verb::NotifyBelow(words.number("bytes")?),
        "fault" if words.accept("off") => Verb::SetFault(None),
        "fault" => {
            let name = words.next("the name of a fault")?;
            Verb::SetFault(Some(
                faults::named(name).ok_or_else(|| words.error_before("expected a fault of TCP"))?,
            ))
        }
        "set" => match words.next("`nagle`, `keepalive` or `user-timeout`")? {
            "nagle" if words.accept("on") => Verb::SetNagle(true),
            "nagle" => words.expect("off").map(|()| Verb::SetNagle(false))?,
            "keepalive" => Verb::SetKeepAlive(seconds_or_off(words)?),
            "user-timeout" => Verb::SetUserTimeout(words.seconds("seconds")?),
            _ => return Err(words.error_before("expected `nagle`, `keepalive` or `user-timeout`")),
        },
        _ => {
            let message = format!("expected `<`, `>`, `quiet`, a verb or a check, found `{word}`");
            return Err(words.error_before(&message));
        }
    })
}

fn seconds_or_off(words: &mut Words<'_>) -> Result<Option<Duration>, Error> {
    if words.accept("off") { Ok(None) } else { words.seconds("seconds, or `off`").map(Some) }
}
