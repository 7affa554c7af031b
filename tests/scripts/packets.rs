//! The grammar of segments and of ICMP errors, as they are sent and as they are expected.

use taphouse::wire::tcp::Flags;

use super::lexer::{Error, Words, number};
use super::script::{Choice, End, Icmp, Segment, Stamp};

/// Which side of the wire a segment is from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The peer's: every field has a value.
    Sent,
    /// The host's: what is not named is not looked at.
    Expected,
}

const FLAGS: [(&str, Flags); 8] = [
    ("FIN", Flags::FIN),
    ("SYN", Flags::SYN),
    ("RST", Flags::RST),
    ("PSH", Flags::PSH),
    ("ACK", Flags::ACK),
    ("URG", Flags::URG),
    ("ECE", Flags::ECE),
    ("CWR", Flags::CWR),
];

const ECN: [(&str, u8); 4] = [("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)];

/// A segment, from its flags on.
pub(crate) fn segment(words: &mut Words<'_>, side: Side) -> Result<Segment, Error> {
    let mut segment = Segment::default();
    let mut has_flags = words.accept("none");
    while let Some((_, flag)) = words.peek().and_then(|w| FLAGS.iter().find(|(name, _)| *name == w)) {
        words.next("a flag")?;
        segment.flags = segment.flags | *flag;
        has_flags = true;
    }
    if !has_flags {
        return Err(words.error("the flags of a segment (or `none`)"));
    }
    while words.peek().is_some() {
        field(words, &mut segment, side)?;
    }
    let is_acking = segment.flags.has(Flags::ACK);
    if side == Side::Sent && (segment.seq.is_none() || (is_acking && segment.ack.is_none())) {
        return Err(words.error("`seq` and, with ACK, `ack` for a segment that is sent"));
    }
    if segment.by.is_some() && !matches!(segment.seq, Some((from, End::At(to))) if to > from) {
        return Err(words.error("`seq A:B` where there is `by`"));
    }
    Ok(segment)
}

fn once<T>(words: &mut Words<'_>, slot: &mut Option<T>, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(words.error_before("it was said before")),
    }
}

fn field(words: &mut Words<'_>, segment: &mut Segment, side: Side) -> Result<(), Error> {
    let is_sent = side == Side::Sent;
    let word = words.next("a field")?;
    if let Some((_, bits)) = ECN.iter().find(|(name, _)| *name == word) {
        return once(words, &mut segment.ecn, *bits);
    }
    match word {
        "seq" => {
            let seq = sequence(words, side)?;
            once(words, &mut segment.seq, seq)
        }
        "ack" => {
            let ack = words.bounds("an acknowledgment number")?;
            if is_sent && ack.least != ack.most {
                return Err(words.error_before("what is sent acknowledges one number"));
            }
            once(words, &mut segment.ack, ack)
        }
        "win" => {
            let window = words.bounds("a window")?;
            let is_field = (0..=65_535).contains(&window.least) && window.least == window.most;
            if is_sent && !is_field {
                return Err(words.error_before("a window that is sent is a number up to 65535"));
            }
            once(words, &mut segment.window, window)
        }
        "urg" => {
            let pointer = words.number("an urgent pointer")?;
            once(words, &mut segment.urgent, pointer)
        }
        "ttl" => {
            let ttl = words.number("a time to live")?;
            once(words, &mut segment.ttl, ttl)
        }
        "by" => {
            let size = words.number::<u32>("bytes of each segment")?;
            once(words, &mut segment.by, size.max(1))
        }
        "peer" => {
            let port = words.number("the peer's port")?;
            once(words, &mut segment.peer, port)
        }
        "port" => {
            let port = words.number("the host's port")?;
            once(words, &mut segment.port, port)
        }
        "df" => once(words, &mut segment.dont_fragment, true),
        "no-df" => once(words, &mut segment.dont_fragment, false),
        "exact" if !is_sent => flag(words, &mut segment.is_exact),
        "bad-checksum" if is_sent => flag(words, &mut segment.has_bad_checksum),
        "bad-ip-checksum" if is_sent => flag(words, &mut segment.has_bad_ip_checksum),
        "garbled" if is_sent => flag(words, &mut segment.is_garbled),
        "<" => options(words, segment, side),
        _ => Err(words.error_before(&format!("expected a field of a segment, found `{word}`"))),
    }
}

fn flag(words: &mut Words<'_>, slot: &mut bool) -> Result<(), Error> {
    if std::mem::replace(slot, true) { Err(words.error_before("it was said before")) } else { Ok(()) }
}

/// `A` for no payload, `A:B`, and in expectations `A:*`.
fn sequence(words: &mut Words<'_>, side: Side) -> Result<(i64, End), Error> {
    const WHAT: &str = "a sequence number, or `from:to` with the number after the last byte";
    let word = words.peek().unwrap_or_default();
    if let Some(from) = word.strip_suffix(":*").and_then(number)
        && side == Side::Expected
    {
        words.next(WHAT)?;
        return Ok((from, End::Anywhere));
    }
    if word.contains(':') {
        let (from, to) = words.span(WHAT)?;
        if to < from {
            return Err(words.error_before("it ends before it begins"));
        }
        return Ok((from, End::At(to)));
    }
    let at = words.number(WHAT)?;
    Ok((at, End::At(at)))
}

fn options(words: &mut Words<'_>, segment: &mut Segment, side: Side) -> Result<(), Error> {
    if !segment.options.is_empty() {
        return Err(words.error_before("there were options before"));
    }
    loop {
        segment.options.push(option(words, side)?);
        if words.accept(">") {
            return Ok(());
        }
        words.expect(",")?;
    }
}

fn option(words: &mut Words<'_>, side: Side) -> Result<Choice, Error> {
    let word = words.next("an option")?;
    let absent = [("no-mss", 2), ("no-wscale", 3), ("no-sackOK", 4), ("no-sack", 5), ("no-ts", 8)];
    if let Some((_, kind)) = absent.iter().find(|(name, _)| *name == word && side == Side::Expected) {
        return Ok(Choice::Absent(*kind));
    }
    match word {
        "mss" => Ok(Choice::Mss(words.bounds("a segment size")?)),
        "wscale" => Ok(Choice::WindowScale(words.bounds("a shift")?)),
        "sackOK" => Ok(Choice::SackPermitted),
        "sack" if side == Side::Expected && words.accept("*") => Ok(Choice::Sack(None)),
        "sack" => {
            let mut blocks = vec![words.span("a block, as `1461:2921`")?];
            while words.peek().is_some_and(|w| w.contains(':')) {
                blocks.push(words.span("a block")?);
            }
            Ok(Choice::Sack(Some(blocks)))
        }
        "ts" => Ok(Choice::Timestamps(stamp(words)?, stamp(words)?)),
        "raw" if side == Side::Sent => {
            let digits = words.next("bytes in hexadecimal digits")?;
            let pairs = digits.as_bytes().chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
                u8::from_str_radix(pair, 16).ok()
            });
            let bytes: Option<Vec<u8>> = pairs.collect();
            bytes.map(Choice::Raw).ok_or_else(|| words.error_before("expected bytes in hexadecimal digits"))
        }
        _ => Err(words.error_before(&format!("expected an option, found `{word}`"))),
    }
}

/// `*`, a number, `name`, `name+7`, or `name+` for that and later.
fn stamp(words: &mut Words<'_>) -> Result<Stamp, Error> {
    const WHAT: &str = "a timestamp: a number, a name, `name+7`, `name+` or `*`";
    let word = words.next(WHAT)?;
    if word == "*" {
        return Ok(Stamp::Any);
    }
    if let Some(n) = number(word).and_then(|n| u32::try_from(n).ok()) {
        return Ok(Stamp::Is(n));
    }
    let (name, plus) = word.split_once('+').map_or((word, None), |(name, plus)| (name, Some(plus)));
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let or_later = plus == Some("");
    let plus = plus.filter(|p| !p.is_empty()).map_or(Some(0), |p| p.parse().ok());
    match plus {
        Some(plus) if is_name => Ok(Stamp::Named { name: name.to_owned(), plus, or_later }),
        _ => Err(words.error_before(&format!("expected {WHAT}, found `{word}`"))),
    }
}

/// An ICMP error, behind the word `icmp`.
pub(crate) fn icmp(words: &mut Words<'_>) -> Result<Icmp, Error> {
    const KINDS: &str =
        "`unreachable`, `frag-needed`, `time-exceeded`, `parameter-problem` or `source-quench`";
    let (kind, code, mtu) = match words.next(KINDS)? {
        "unreachable" => (3, unreachable(words)?, 0),
        "frag-needed" => (3, 4, words.number("the MTU of the next hop")?),
        "time-exceeded" => (11, 0, 0),
        "parameter-problem" => (12, 0, 0),
        "source-quench" => (4, 0, 0),
        other => return Err(words.error_before(&format!("expected {KINDS}, found `{other}`"))),
    };
    words.expect("quote")?;
    words.expect("seq")?;
    let (seq, end) = sequence(words, Side::Sent)?;
    let End::At(end) = end else { return Err(words.error("the end of what is quoted")) };
    let payload_len = (end - seq) as usize;
    let mut icmp =
        Icmp { kind, code, mtu, seq, payload_len, peer: None, port: None, has_bad_checksum: false };
    while let Some(word) = words.peek() {
        words.next("a field")?;
        match word {
            "peer" => icmp.peer = Some(words.number("the peer's port")?),
            "port" => icmp.port = Some(words.number("the host's port")?),
            "bad-checksum" => flag(words, &mut icmp.has_bad_checksum)?,
            _ => return Err(words.error_before("expected `peer`, `port` or `bad-checksum`")),
        }
    }
    Ok(icmp)
}

fn unreachable(words: &mut Words<'_>) -> Result<u8, Error> {
    match words.next("why")? {
        "net" => Ok(0),
        "host" => Ok(1),
        "protocol" => Ok(2),
        "port" => Ok(3),
        "code" => words.number("a code"),
        _ => Err(words.error_before("expected `net`, `host`, `protocol`, `port` or `code N`")),
    }
}
