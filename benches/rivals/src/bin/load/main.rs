//! The client of the benchmark: kernel sockets, one thread, epoll. Each command prints one line of JSON.
//!
//! ```text
//! load ready                          waits until a connection comes about
//! load check                          bodies of /bytes and /sink, byte for byte, and the length of a head
//! load bulk-down CONNECTIONS SECONDS  bytes a second of GET /bytes/{n}, one after the other
//! load bulk-up CONNECTIONS SECONDS    bytes a second of PUT /sink, one after the other
//! load new-connections SECONDS        connect, GET with Connection: close, read to the end, close; 32 at a time
//! load echo CONNECTIONS SECONDS       64 bytes there and back, each connection one at a time; --spin never sleeps
//! load tables SEATS SECONDS WINDOW    sits down at one table, and has one seat speak: so many messages at once are on
//!                                     their way; each must reach every seat, once and in order
//! load idle CONNECTIONS               opens them, asks once on each, says so, and holds them until its stdin ends
//! ```
//!
//! `--to ADDRESS:PORT` and `--from ADDRESS[,ADDRESS...]` say where to and from. Every socket's congestion control is
//! read back, and anything but cubic ends the run: rates under another would be compared with nothing.

mod bulk;
mod check;
mod connections;
mod echo;
mod idle;
mod peer;
mod tables;

use std::process::ExitCode;

use taphouse_rivals::options::Options;
use taphouse_rivals::sys;

use peer::Target;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let options = Options::from_env(&["spin"], &["to", "from"])?;
    sys::raise_open_files().map_err(|e| e.to_string())?;
    let command: String = options.word(0, "the command")?;
    let default = if command == "echo" { "192.0.2.2:7" } else { "192.0.2.2:80" };
    let mut target =
        Target::new(&options.named("to", default.to_owned())?, &options.named("from", String::new())?)?;
    match command.as_str() {
        "ready" => target.wait_until_ready().map(|()| "{}".to_owned()),
        "check" => check::run(&mut target),
        "bulk-down" | "bulk-up" => {
            let (count, seconds) = (options.word(1, "connections")?, options.word(2, "seconds")?);
            bulk::run(&mut target, command == "bulk-up", count, seconds)
        }
        "new-connections" => connections::run(&mut target, options.word(1, "seconds")?),
        "echo" => {
            let (count, seconds) = (options.word(1, "connections")?, options.word(2, "seconds")?);
            echo::run(&mut target, count, seconds, options.has("spin"))
        }
        "tables" => {
            let (seats, seconds) = (options.word(1, "seats")?, options.word(2, "seconds")?);
            tables::run(&mut target, seats, seconds, options.word(3, "messages at once")?)
        }
        "idle" => idle::run(&mut target, options.word(1, "connections")?),
        other => Err(format!("there is no command {other:?}")),
    }
    .map_err(|error| format!("{command}: {error}"))
}
