//! `taphouse explain`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use taphouse::frame::Medium;
use taphouse::inspect::boxes::{self, Look};
use taphouse::inspect::capture::{Direction, Frame, Reader};
use taphouse::inspect::value::escape;
use taphouse::inspect::{Framing, Language, Secrecy, dissect, json};

/// Draws frames as boxes in boxes: Ethernet around IPv4 around TCP around HTTP, each field with its name and value.
///
/// Checksums are judged, and the FCS at the tail is present, computed or absent. Damaged frames are shown as far as
/// they go. Each frame is explained by itself: fragments and streams are not put together.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// A pcap, a pcapng, or hexadecimal text; - is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,

    /// Explain so many frames, then stop
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,

    /// Whether Ethernet frames end in an FCS, where the capture does not say; auto: if the last 4 bytes are one
    #[arg(long, default_value = "auto")]
    fcs: Fcs,

    #[command(flatten)]
    show: Show,
}

/// How frames are shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Show bodies and credentials too: they are left out unless asked for
    #[arg(long)]
    pub(crate) payload: bool,

    /// The language: en or ko
    #[arg(long, value_name = "LANG", default_value = "en")]
    lang: Language,

    /// No colour, and lines of ASCII characters
    #[arg(long)]
    plain: bool,

    /// One JSON object a line for each frame, with the names of Wireshark's display filters
    #[arg(long, conflicts_with_all = ["plain", "width"])]
    json: bool,

    /// Columns at most [default: the terminal's, or 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(40..=1000))]
    width: Option<u16>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Fcs {
    Auto,
    Yes,
    No,
}

const EXAMPLES: &str = "\
Examples:
  taphouse explain trace.pcapng
  tcpdump -i tap0 -U -w - | taphouse explain
  taphouse explain --json trace.pcap | jq '.layers[] | select(.protocol == \"tcp\") | .fields'
  echo 'ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202' \\
    | taphouse explain --lang ko

Hexadecimal text is bare digits, or a dump of xxd, hexdump -C, tcpdump -xx or Wireshark; a blank line ends a frame.";

/// Explains all frames of the input.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let is_stdin = options.file.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { options.file.display().to_string() };
    let input: Box<dyn Read> = if is_stdin {
        if io::stdin().is_terminal() {
            return Err(
                "nothing to read: name a file, or pipe frames in (taphouse explain --help)".to_owned()
            );
        }
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&options.file).map_err(|error| format!("{name}: {error}"))?)
    };
    let fcs = match options.fcs {
        Fcs::Auto => None,
        Fcs::Yes => Some(true),
        Fcs::No => Some(false),
    };
    explain(input, &name, &options.show, fcs, options.count)
}

/// Explains frames as they come, until there are no more, or as many as were asked for.
pub(crate) fn explain(
    input: impl Read,
    name: &str,
    show: &Show,
    fcs: Option<bool>,
    count: Option<u64>,
) -> Result<(), String> {
    let mut printer = Printer::new(show);
    let mut reader = Reader::new(input);
    while count.is_none_or(|count| printer.shown < count) {
        let mut frame = match reader.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                let after = match printer.shown {
                    0 => String::new(),
                    n => format!(" (after frame {n})"),
                };
                printer.finish();
                return Err(format!("{name} {error}{after}"));
            }
        };
        if let (Ok(Framing::Ethernet), Some(fcs)) = (frame.framing, fcs) {
            frame.framing = Ok(Framing::Known(Medium::Ethernet { fcs }));
        }
        if !printer.print(&frame) {
            return Ok(());
        }
    }
    printer.finish();
    if reader.lost() > 0 {
        log::warn!("{name}: {} frames were lost to the capture, which could not keep up", reader.lost());
    }
    if printer.shown == 0 {
        return Err(format!("{name} holds no frame"));
    }
    Ok(())
}

struct Printer {
    out: BufWriter<io::Stdout>,
    secrecy: Secrecy,
    /// `None` for JSON.
    look: Option<Look>,
    shown: u64,
}

impl Printer {
    fn new(show: &Show) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let wants_color = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let columns = terminal_size::terminal_size().map(|(width, _)| width.0).filter(|_| is_terminal);
        let look = Look {
            language: show.lang,
            is_colored: is_terminal && wants_color && !show.plain,
            is_ascii: show.plain,
            width: usize::from(show.width.or(columns).unwrap_or(100)).max(40),
        };
        Self {
            out: BufWriter::new(io::stdout()),
            secrecy: if show.payload { Secrecy::Shown } else { Secrecy::Hidden },
            look: (!show.json).then_some(look),
            shown: 0,
        }
    }

    /// Prints a frame; false when nobody reads any more.
    fn print(&mut self, frame: &Frame) -> bool {
        self.shown += 1;
        let text = match self.look {
            Some(look) => self.drawing(frame, look),
            None => self.json(frame),
        };
        // A frame at a time, so that a watcher sees each when it comes.
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).is_ok()
    }

    fn drawing(&self, frame: &Frame, look: Look) -> String {
        let heading = self.heading(frame, look);
        match frame.captured() {
            Ok(captured) => format!("{heading}\n{}\n", boxes::draw(&dissect(&captured, self.secrecy), look)),
            Err(unknown) => format!("{heading}\n  {unknown}\n\n"),
        }
    }

    fn heading(&self, frame: &Frame, look: Look) -> String {
        let is_korean = look.language == Language::Korean;
        let pick = |english: &'static str, korean: &'static str| if is_korean { korean } else { english };
        let mut parts = vec![format!("{} {}", pick("Frame", "프레임"), self.shown)];
        parts.extend(frame.time.map(time_text));
        parts.extend(frame.direction.map(|direction| match direction {
            Direction::In => pick("in", "수신").to_owned(),
            Direction::Out => pick("out", "송신").to_owned(),
        }));
        parts.extend(frame.interface.as_deref().map(escape));
        parts.push(format!("{} {}", frame.original_len, pick("bytes", "바이트")));
        let captured = frame.bytes.len();
        if captured < frame.original_len {
            parts.push(format!("{captured} {}", pick("captured", "바이트 캡처됨")));
        }
        let text = parts.join(if look.is_ascii { ", " } else { " · " });
        if look.is_colored { format!("\x1b[1m{text}\x1b[0m") } else { text }
    }

    fn json(&self, frame: &Frame) -> String {
        let mut object = match frame.captured() {
            Ok(captured) => json::object(&dissect(&captured, self.secrecy)),
            Err(unknown) => [("error".to_owned(), json!(unknown.to_string()))]
                .into_iter()
                .collect::<serde_json::Map<_, _>>(),
        };
        object.insert("number".into(), json!(self.shown));
        object.insert("time".into(), json!(frame.time.map(time_text)));
        object.insert(
            "direction".into(),
            json!(frame.direction.map(|d| match d {
                Direction::In => "in",
                Direction::Out => "out",
            })),
        );
        object.insert("interface".into(), json!(frame.interface));
        object.insert("length".into(), json!(frame.original_len));
        object.insert("captured".into(), json!(frame.bytes.len()));
        json::line(&serde_json::Value::Object(object)) + "\n"
    }

    fn finish(&mut self) {
        // Nobody reads: then nobody misses it.
        let _ = self.out.flush();
    }
}

/// RFC 3339, in UTC.
fn time_text(nanos: u64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(nanos));
    time.map_or_else(|_| format!("{nanos} ns"), |time| format!("{time:.6}"))
}
