//! `taphouse ctl`: asks a running house, and shows what it says.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use taphouse::inspect::json;
use taphouse::inspect::value::escape;

use super::explain::{self, Show};
use super::socket;

/// Asks a running house what it does, and changes its link while it runs.
///
/// It finds the house by its control socket, which only the user who started the house (or root) can open.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The control socket [default: what TAPHOUSE_CONTROL says, or that of the house on tap0]
    #[arg(long, value_name = "PATH", conflicts_with = "tap")]
    control: Option<PathBuf>,

    /// The TAP whose house is asked
    #[arg(long, value_name = "NAME")]
    tap: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All connections, a line each
    Connections(Output),
    /// One connection: state, windows, RTT, RTO, congestion window, what was sent again, timers
    Connection {
        /// As `connections` lists it, for example 3.17
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// The neighbours, and what is known of them
    Arp(Output),
    /// Everything that is counted, every kind of dropped frame by name
    Counters {
        /// Those that are zero too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        output: Output,
    },
    /// What happens to frames on the link; with LIST, changes it, "none" for nothing
    Impair {
        /// As --impair of serve takes it: loss=1%, delay=20ms, out.rate=10mbit, …; it replaces what was there
        list: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Draws frames as they pass, until Ctrl-C
    Explain {
        /// Explain so many frames, then stop
        #[arg(long, short = 'n', value_name = "N")]
        count: Option<u64>,
        #[command(flatten)]
        show: Show,
    },
}

#[derive(Debug, Args)]
struct Output {
    /// Lines of JSON, as the house says them; times in microseconds, sizes in bytes
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  taphouse ctl connections
  taphouse ctl connection 0.1 --json | jq .rtt_us
  taphouse ctl impair loss=2%,delay=30ms      then: taphouse ctl impair none
  taphouse ctl explain -n 4                   draws the next four frames
  scripts/lab -- sh -c 'curl -s $TAPHOUSE_URL/hello; taphouse ctl counters'";

/// Asks, and prints the answer.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let path = match (&options.control, &options.tap) {
        (Some(path), _) => path.clone(),
        (None, Some(tap)) => socket::default_path(tap),
        (None, None) => std::env::var_os("TAPHOUSE_CONTROL")
            .filter(|path| !path.is_empty())
            .map_or_else(|| socket::default_path("tap0"), PathBuf::from),
    };
    let stream = UnixStream::connect(&path).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                "no house runs there; is it on another TAP (--tap), or socket (--control)?"
            }
            io::ErrorKind::PermissionDenied => "it is another user's; ask as that user, or as root",
            _ => "is it a control socket?",
        };
        format!("{}: {error}; {hint}", path.display())
    })?;
    match &options.command {
        Command::Connections(output) => {
            print(stream, &json!({"command": "connections"}), output, connections)
        }
        Command::Connection { id, output } => {
            print(stream, &json!({"command": "connection", "id": id}), output, |lines| tree(&lines[1..]))
        }
        Command::Arp(output) => print(stream, &json!({"command": "arp"}), output, neighbours),
        Command::Counters { all, output } => {
            print(stream, &json!({"command": "counters"}), output, |lines| counters(lines, *all))
        }
        Command::Impair { list, output } => {
            // Nothing is written "none", since an empty argument looks like a mistake.
            let set = list.as_deref().map(|list| if list == "none" { "" } else { list });
            let request = json!({"command": "impair", "set": set});
            print(stream, &request, output, |lines| tree(&lines[1..]))
        }
        Command::Explain { count, show } => {
            let mut answer = ask(stream, &json!({"command": "watch", "payload": show.payload}))?;
            let mut first = String::new();
            answer.read_line(&mut first).map_err(gone)?;
            check(&first)?;
            explain::explain(answer, "the house", show, None, *count)
        }
    }
}

fn ask(mut stream: UnixStream, request: &Json) -> Result<BufReader<UnixStream>, String> {
    stream.write_all(format!("{request}\n").as_bytes()).map_err(gone)?;
    Ok(BufReader::new(stream))
}

fn gone(error: io::Error) -> String {
    format!("the house did not answer: {error}")
}

/// The first line of an answer, unless it tells of an error.
fn check(line: &str) -> Result<Json, String> {
    let first: Json = serde_json::from_str(line).map_err(|_| "the house did not answer".to_owned())?;
    match first.get("error").and_then(Json::as_str) {
        Some(error) => Err(escape(error)),
        None => Ok(first),
    }
}

/// Asks, and prints the lines as they are or as a table.
fn print(
    stream: UnixStream,
    request: &Json,
    output: &Output,
    table: impl FnOnce(&[Json]) -> String,
) -> Result<(), String> {
    let answer = ask(stream, request)?;
    let mut lines = Vec::new();
    let mut raw = String::new();
    let mut is_whole = false;
    for line in answer.lines() {
        let line = line.map_err(gone)?;
        let json = if lines.is_empty() { check(&line)? } else { parse(&line)? };
        is_whole = json == json!({ "end": true });
        if !is_whole {
            raw.push_str(&json::line(&json));
            raw.push('\n');
            lines.push(json);
        }
    }
    if !is_whole || lines.is_empty() {
        return Err("the house hung up in the middle of its answer".to_owned());
    }
    let text = if output.json { raw } else { table(&lines) };
    match io::stdout().write_all(text.as_bytes()) {
        // Nobody reads any more, as behind `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| error.to_string()),
    }
}

fn parse(line: &str) -> Result<Json, String> {
    serde_json::from_str(line).map_err(|error| format!("the house said something strange: {error}"))
}

/// Rows under headings, the columns as wide as they must be. Columns whose heading ends in a space are set left.
fn columns(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().map(|row| row[i].len());
        cells.chain([headings[i].trim_end().len()]).max().unwrap_or(0)
    };
    let mut out = String::new();
    let mut line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (i, cell) in cells.into_iter().enumerate() {
            let width = width(i);
            let gap = if i == 0 { "" } else { "  " };
            let padded = if headings[i].ends_with(' ') {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            };
            let _ = write!(text, "{gap}{padded}");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(headings.iter().map(|heading| heading.trim_end()).collect());
    rows.iter().for_each(|row| line(row.iter().map(String::as_str).collect()));
    out
}

fn connections(lines: &[Json]) -> String {
    let (population, found) = lines.split_first().expect("the caller has checked that there is a line");
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|c| {
            vec![
                text(&c["id"]),
                text(&c["remote"]),
                text(&c["local_port"]),
                text(&c["state"]),
                time(&c["age_us"]),
                text(&c["bytes_received"]),
                text(&c["bytes_sent"]),
                text(&c["segments_resent"]),
                text(&c["congestion"]["window"]),
                time(&c["rtt_us"]),
            ]
        })
        .collect();
    let headings = ["ID ", "peer ", "port", "state ", "age", "received", "sent", "resent", "cwnd", "RTT"];
    let mut out = columns(&headings, &rows);
    let _ = writeln!(
        out,
        "{} connections, {} half open, {} in TIME-WAIT",
        population["tcp_connections"], population["tcp_half_open"], population["tcp_time_wait"]
    );
    out
}

fn neighbours(lines: &[Json]) -> String {
    let rows: Vec<Vec<String>> = lines[1..]
        .iter()
        .map(|n| {
            vec![
                text(&n["address"]),
                text(&n["mac"]),
                text(&n["state"]),
                time(&n["changes_in_us"]),
                text(&n["waiting_packets"]),
            ]
        })
        .collect();
    columns(&["address ", "MAC ", "state ", "changes in", "packets waiting"], &rows)
}

fn counters(lines: &[Json], all: bool) -> String {
    let answer = &lines[lines.len() - 1];
    let mut out = String::new();
    for (title, key) in [("counters", "counters"), ("now", "now"), ("dropped", "drops")] {
        let values = answer[key].as_object().into_iter().flatten();
        let shown: Vec<_> = values.filter(|(_, v)| all || v.as_u64() != Some(0)).collect();
        let _ = writeln!(out, "{title}{}", if shown.is_empty() { ": nothing" } else { "" });
        for (name, value) in shown {
            let _ = writeln!(out, "  {name:<28} {value:>14}");
        }
    }
    out
}

/// Objects as indented lines.
fn tree(lines: &[Json]) -> String {
    let mut out = String::new();
    lines.iter().for_each(|line| branch(&mut out, line, 0));
    out
}

fn branch(out: &mut String, value: &Json, depth: usize) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let indent = "  ".repeat(depth);
        let width = 26 - 2 * depth.min(10);
        if value.is_object() {
            let _ = writeln!(out, "{indent}{}", name.strip_suffix("_us").unwrap_or(name));
            let is_times = name.ends_with("_us");
            let inner_width = width - 2;
            for (name, inner) in value.as_object().into_iter().flatten() {
                let shown = if is_times || name.ends_with("_us") { time(inner) } else { text(inner) };
                let name = name.strip_suffix("_us").unwrap_or(name).replace('_', " ");
                let _ = writeln!(out, "{indent}  {name:<inner_width$} {shown}");
            }
        } else {
            let shown = if name.ends_with("_us") { time(value) } else { text(value) };
            let name = name.strip_suffix("_us").unwrap_or(name).replace('_', " ");
            let _ = writeln!(out, "{indent}{name:<width$} {shown}");
        }
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => escape(text),
        Json::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// Microseconds, in the unit that suits them.
fn time(value: &Json) -> String {
    match value.as_u64() {
        None => "-".to_owned(),
        Some(us @ 0..1_000) => format!("{us}us"),
        Some(us @ 1_000..1_000_000) => format!("{:.1}ms", us as f64 / 1e3),
        Some(us @ 1_000_000..120_000_000) => format!("{:.1}s", us as f64 / 1e6),
        Some(us) => format!("{}m", us / 60_000_000),
    }
}
