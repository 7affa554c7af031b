//! A dissection drawn as boxes in boxes: what is around is drawn around.
//!
//! Widths are those of a terminal, where a Korean letter takes two columns.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::value::escape;
use super::{Dissection, Field, Key, Language, Layer, Protocol, Remark, Value, Verdict};

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The language of labels and remarks.
    pub language: Language,
    /// With the colours of a terminal.
    pub is_colored: bool,
    /// Lines of ASCII characters alone.
    pub is_ascii: bool,
    /// Columns at most.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { language: Language::English, is_colored: false, is_ascii: false, width: 100 }
    }
}

/// Lines of a hexadecimal dump; the rest is counted.
const DUMP_LINES: usize = 64;
/// The narrowest box inside that is still drawn.
const NARROWEST: usize = 24;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Label,
    Good,
    Fault,
    Note,
    Title(Protocol),
}

/// A line as pieces of one style each.
type Line = Vec<(Style, String)>;

/// Draws a dissection; ends with a line feed.
pub fn draw(dissection: &Dissection, look: Look) -> String {
    let mut blocks = Vec::new();
    for (depth, layer) in dissection.layers.iter().enumerate() {
        let room = look.width.saturating_sub(4 * (depth + 1)).max(NARROWEST);
        blocks.push(Block::new(layer, look, room));
    }
    let depth_of = |i: usize| 4 * (i + 1);
    let needed = blocks.iter().enumerate().map(|(i, block)| block.width() + depth_of(i)).max().unwrap_or(0);
    let mut out = String::new();
    let mut painter = Painter { look, out: &mut out };
    let lines = nest(&blocks, needed.saturating_sub(4), look);
    lines.into_iter().for_each(|line| painter.paint(&line));
    out
}

/// One box before it is drawn.
struct Block {
    protocol: Protocol,
    title: String,
    head: Vec<Line>,
    tail: Vec<Line>,
}

impl Block {
    fn new(layer: &Layer, look: Look, room: usize) -> Self {
        let labels = layer.fields.iter().chain(&layer.trailer).map(|f| label(f, look).width());
        let column = labels.max().unwrap_or(0).min(room / 3).max(14);
        let lines = |fields: &[Field]| fields.iter().flat_map(|f| field(f, look, column, room)).collect();
        let mut head: Vec<Line> = lines(&layer.fields);
        for remark in &layer.remarks {
            head.extend(wrap(vec![remark_piece(*remark, look)], room, 0));
        }
        Self { protocol: layer.protocol, title: title(layer, look), head, tail: lines(&layer.trailer) }
    }

    fn width(&self) -> usize {
        let lines = self.head.iter().chain(&self.tail).map(width);
        lines.max().unwrap_or(0).max(self.title.width() + 4)
    }
}

/// The blocks, each in the one before, as lines of `inner` columns between the bars.
fn nest(blocks: &[Block], inner: usize, look: Look) -> Vec<Line> {
    let Some((block, rest)) = blocks.split_first() else { return Vec::new() };
    let [top_left, top_right, bottom_left, bottom_right, across, bar] = if look.is_ascii {
        ["+", "+", "+", "+", "-", "|"]
    } else {
        ["┌", "┐", "└", "┘", "─", "│"]
    };
    let style = Style::Title(block.protocol);
    let between = |line: Line| {
        let fill = " ".repeat(inner.saturating_sub(width(&line)));
        let mut out = vec![(style, format!("{bar} "))];
        out.extend(line);
        out.extend([(Style::Plain, fill), (style, format!(" {bar}"))]);
        out
    };
    let dashes = across.repeat((inner + 2).saturating_sub(block.title.width() + 3));
    let mut out = vec![vec![
        (style, format!("{top_left}{across} ")),
        (style, block.title.clone()),
        (style, format!(" {dashes}{top_right}")),
    ]];
    out.extend(block.head.iter().cloned().map(between));
    out.extend(nest(rest, inner.saturating_sub(4), look).into_iter().map(between));
    out.extend(block.tail.iter().cloned().map(between));
    out.push(vec![(style, format!("{bottom_left}{}{bottom_right}", across.repeat(inner + 2)))]);
    out
}

fn title(layer: &Layer, look: Look) -> String {
    let l = look.language;
    let is_request = layer.field(Key::HttpMethod).is_some();
    let name = match layer.protocol {
        Protocol::Ethernet => l.pick("Ethernet", "이더넷 프레임"),
        Protocol::Arp => l.pick("ARP", "ARP 패킷"),
        Protocol::Ipv4 => l.pick("IPv4", "IPv4 패킷"),
        Protocol::Icmp => l.pick("ICMP", "ICMP 메시지"),
        Protocol::Udp => l.pick("UDP", "UDP 데이터그램"),
        Protocol::Tcp => l.pick("TCP", "TCP 세그먼트"),
        Protocol::Http if is_request => l.pick("HTTP request", "HTTP 요청"),
        Protocol::Http => l.pick("HTTP response", "HTTP 응답"),
        Protocol::Tls => l.pick("TLS: the application layer, encrypted", "TLS: 암호화된 응용 계층"),
        Protocol::Data => l.pick("Data", "데이터"),
    };
    let quoted = if layer.is_quoted { l.pick(", quoted", " (인용)") } else { "" };
    format!("{name}{quoted}")
}

fn label(field: &Field, look: Look) -> String {
    match &field.value {
        Value::Pair(name, _) => escape(name),
        _ => field.key.label(look.language).to_owned(),
    }
}

/// The lines of a field: label, value, remark; a body gets lines of its own.
fn field(field: &Field, look: Look, column: usize, room: usize) -> Vec<Line> {
    let label = label(field, look);
    let pad = " ".repeat((column + 2).saturating_sub(label.width()).max(1));
    let mut line = vec![(Style::Label, label), (Style::Plain, pad)];
    let mut below = Vec::new();
    let value = match &field.value {
        Value::Pair(_, value) => value,
        value => value,
    };
    match value {
        Value::Text(text) if text.contains('\n') => {
            for part in text.split('\n') {
                let part = escape(part.strip_suffix('\r').unwrap_or(part));
                below.extend(wrap(vec![(Style::Plain, format!("  {part}"))], room, 2));
            }
            line.push((Style::Plain, count(text.len(), look.language)));
        }
        Value::Bytes(bytes) => {
            line.push((Style::Plain, count(bytes.len(), look.language)));
            below.extend(dump(bytes, look, room));
        }
        Value::Check { value, digits, verdict } => {
            if let Some(value) = value {
                line.push((Style::Plain, format!("0x{value:0digits$x} ")));
            }
            let style = match verdict {
                Verdict::Good => Style::Good,
                Verdict::Bad(_) => Style::Fault,
                Verdict::Computed(_) => Style::Plain,
                _ => Style::Note,
            };
            line.push((style, verdict.text(look.language, *digits)));
        }
        value => line.push((Style::Plain, value.text(look.language))),
    }
    if let Some(remark) = field.remark {
        line.push((Style::Plain, "  ".to_owned()));
        line.push(remark_piece(remark, look));
    }
    let mut lines = wrap(line, room, column + 2);
    lines.extend(below);
    lines
}

fn count(bytes: usize, language: Language) -> String {
    format!("{bytes} {}", language.pick("bytes", "바이트"))
}

fn remark_piece(remark: Remark, look: Look) -> (Style, String) {
    let text = remark.text(look.language);
    if remark.is_fault() { (Style::Fault, format!("! {text}")) } else { (Style::Note, format!("({text})")) }
}

/// Sixteen bytes a line, or eight where there is less room, with the printable ones beside them.
fn dump(bytes: &[u8], look: Look, room: usize) -> Vec<Line> {
    let each = if room >= 2 + 48 + 1 + 16 { 16 } else { 8 };
    let mut lines: Vec<Line> = Vec::new();
    for chunk in bytes.chunks(each).take(DUMP_LINES) {
        let digits: String = chunk.iter().map(|b| format!("{b:02x} ")).collect();
        let letters: String =
            chunk.iter().map(|&b| if (0x20..0x7f).contains(&b) { b as char } else { '.' }).collect();
        let columns = each * 3 + 1;
        lines.push(vec![(Style::Plain, format!("  {digits:<columns$}{letters}"))]);
    }
    let left = bytes.len().saturating_sub(each * DUMP_LINES);
    if left > 0 {
        let text = match look.language {
            Language::English => format!("  and {left} bytes more"),
            Language::Korean => format!("  외 {left}바이트"),
        };
        lines.push(vec![(Style::Note, text)]);
    }
    lines
}

fn width(line: &Line) -> usize {
    line.iter().map(|(_, text)| text.width()).sum()
}

/// Breaks a line where it must, later lines indented.
fn wrap(line: Line, room: usize, indent: usize) -> Vec<Line> {
    if width(&line) <= room {
        return vec![line];
    }
    let indent = indent.min(room / 2);
    let mut lines = Vec::new();
    let (mut current, mut used): (Line, usize) = (Vec::new(), 0);
    for (style, text) in line {
        let mut piece = String::new();
        for word in text.split_inclusive(' ') {
            let fits = used + word.trim_end().width() <= room;
            // A word that fits no line at all is broken anywhere.
            if !fits && used > indent && word.trim_end().width() <= room - indent {
                current.push((style, std::mem::take(&mut piece)));
                lines.push(std::mem::take(&mut current));
                current.push((Style::Plain, " ".repeat(indent)));
                used = indent;
            }
            for c in word.chars() {
                let columns = c.width().unwrap_or(0);
                if used + columns > room && c != ' ' {
                    current.push((style, std::mem::take(&mut piece)));
                    lines.push(std::mem::take(&mut current));
                    current.push((Style::Plain, " ".repeat(indent)));
                    used = indent;
                }
                // A space at the end of a full line is not needed.
                if used + columns <= room {
                    piece.push(c);
                    used += columns;
                }
            }
        }
        current.push((style, piece));
    }
    lines.push(current);
    lines
}

struct Painter<'a> {
    look: Look,
    out: &'a mut String,
}

impl Painter<'_> {
    fn paint(&mut self, line: &Line) {
        for (style, text) in line {
            let code = match style {
                _ if !self.look.is_colored => "",
                Style::Plain => "",
                Style::Label => "2",
                Style::Good => "32",
                Style::Fault => "1;31",
                Style::Note => "33",
                Style::Title(protocol) => color(*protocol),
            };
            if code.is_empty() || text.trim().is_empty() {
                self.out.push_str(text);
            } else {
                self.out.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
            }
        }
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        self.out.push('\n');
    }
}

fn color(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Ethernet => "34",
        Protocol::Arp | Protocol::Ipv4 => "36",
        Protocol::Icmp | Protocol::Udp | Protocol::Tcp => "35",
        Protocol::Http | Protocol::Tls | Protocol::Data => "32",
    }
}
