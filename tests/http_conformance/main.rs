//! HTTP/1.1 as its RFCs have it, against `http::Connection` with the house's own routes: no socket, no real time.
//!
//! The tables say for each request its section, the answers that it must get, and whether the connection goes on.
//! Every case is delivered whole, byte by byte, in two parts at each offset, behind another request and before
//! one; each delivery must give the same bytes. `waits` has what needs time or an end of the client's side.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod case;
mod chunked;
mod connection;
mod driver;
mod fields;
mod framing;
mod host;
mod limits;
mod methods;
mod request_line;
mod waits;

use case::Case;
use driver::{Client, run};
use taphouse::fault::{self, Fault};

const TABLES: &[&[Case]] = &[
    request_line::TARGETS,
    request_line::LINES,
    request_line::VERSIONS,
    fields::NAMES,
    fields::VALUES,
    host::HOSTS,
    host::ABSOLUTE,
    framing::LENGTHS,
    framing::CODINGS,
    framing::BODIES,
    chunked::SIZES,
    chunked::DATA,
    chunked::TRAILERS,
    connection::PERSISTENCE,
    connection::PIPELINES,
    connection::EXPECTATIONS,
    methods::METHODS,
    methods::ANSWERS,
    limits::HEADS,
    limits::BODIES,
];

fn cases() -> impl Iterator<Item = &'static Case> {
    TABLES.iter().copied().flatten()
}

fn judge(case: &Case) -> Result<(), String> {
    run(case).map_err(|e| format!("{} (RFC {}): {e}", case.name, case.section))
}

fn judge_tables(tables: &[&'static [Case]]) {
    let wrong: Vec<_> = tables.iter().copied().flatten().filter_map(|case| judge(case).err()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn request_lines() {
    judge_tables(&TABLES[..3]);
}

#[test]
fn fields_and_hosts() {
    judge_tables(&TABLES[3..7]);
}

#[test]
fn framing_of_bodies() {
    judge_tables(&TABLES[7..10]);
}

#[test]
fn chunked_bodies() {
    judge_tables(&TABLES[10..13]);
}

#[test]
fn connections_and_methods() {
    judge_tables(&TABLES[13..18]);
}

#[test]
fn limits_have_their_answers() {
    judge_tables(&TABLES[18..]);
}

#[test]
fn waits_and_ends() {
    let wrong: Vec<_> = waits::SCRIPTS.iter().filter_map(|script| script.judge().err()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_tables_are_large_and_name_each_case_once() {
    let names = cases().map(|case| (case.name, case.section));
    let mut all: Vec<_> = names.chain(waits::SCRIPTS.iter().map(|s| (s.name, s.section))).collect();
    assert!(all.len() >= 500, "{}", all.len());
    for (name, section) in &all {
        let is_known = ["9112 ", "9110 ", "6585 "].iter().any(|rfc| section.starts_with(rfc));
        assert!(is_known && section.len() > 5, "{name}: {section}");
    }
    all.sort_unstable();
    all.windows(2).for_each(|pair| assert_ne!(pair[0].0, pair[1].0));
}

/// RFC 9112 9.3.2 sets no bound to pipelines; a client that reads nothing meets one all the same.
#[test]
fn a_client_that_takes_no_answers_is_not_read_any_further() {
    let get = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::new();
    let mut sent = 0;
    while client.offer(&get.repeat(16)) {
        sent += 16;
        assert!(sent < 2000, "the look-ahead is bounded");
    }
    assert!(sent >= 16, "and there is one");
    client.take();
    let answers = answers::parse(&client.output, false).unwrap();
    assert!(answers.len() >= sent, "{} of {sent}", answers.len());
    assert!(answers.iter().all(|a| a.status == 200 && a.body == b"Hello, world!"));
    assert!(client.offer(get), "once the answers are taken it goes on");
}

/// Each mechanism of HTTP, broken on purpose, and the case that must go wrong then.
const NOTICED: &[(Fault, &str)] = &[
    (Fault::HostUnchecked, "no host"),
    (Fault::HostUnchecked, "two hosts"),
    (Fault::BareLfAccepted, "bare lf after the request line"),
    (Fault::BareLfAccepted, "bare lf as the empty line"),
    (Fault::NoContinue, "continue before a body of known length"),
    (Fault::NoHeadTimeout, "a head that is never completed"),
    (Fault::TargetsUnchecked, "characters outside the grammar"),
    (Fault::BlankLinesCount, "an empty line behind a request, and a wait"),
    (Fault::HeadHasBody, "HEAD of nothing"),
    (Fault::BodyReadAsRequest, "a request inside a body nobody wants"),
];

#[test]
fn every_broken_mechanism_is_noticed() {
    for &(fault, name) in NOTICED {
        let case = cases().find(|case| case.name == name);
        let script = waits::SCRIPTS.iter().find(|script| script.name == name);
        let verdict = || case.map_or_else(|| script.unwrap().judge(), judge);
        assert_eq!(verdict(), Ok(()), "{name} without a fault");
        fault::set(Some(fault));
        let broken = verdict();
        fault::set(None);
        assert!(broken.is_err(), "{fault:?} is not noticed by {name:?}");
    }
}
