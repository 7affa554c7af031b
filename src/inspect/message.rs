//! What TCP carries: the heads of HTTP/1.1 messages (RFC 9112), TLS records (RFC 8446 5.1), or just data.

use super::cover::{cover_target, cover_value, is_secret_name, is_token};
use super::{Context, Key, Layer, Part, Protocol, Remark, Secrecy, Value};

/// Fields of a head that are shown; more is nobody's head.
const MOST_FIELDS: usize = 1000;

/// The payload of a segment.
pub(super) fn application(context: &mut Context<'_>, part: Part<'_>) {
    if is_http(part.bytes) {
        http(context, part);
    } else if tls_record(part).is_some() {
        tls(context, part);
    } else {
        data(context, part, None);
    }
}

/// What is not taken apart; gives its length.
pub(super) fn data(context: &mut Context<'_>, part: Part<'_>, remark: Option<Remark>) -> usize {
    if part.full_len() > 0 {
        let mut layer = Layer::new(Protocol::Data, part.at);
        layer.add(Key::DataLen, Value::Number(part.full_len() as u64, "bytes"));
        if !part.bytes.is_empty() {
            layer.add(Key::Data, bytes(context, part.bytes));
        }
        layer.remarks.extend(remark);
        layer.remarks.extend(part.shortfall(part.full_len()));
        context.push(layer);
    }
    part.full_len()
}

/// Bytes as text if they are, and only if they may be shown.
fn bytes(context: &Context<'_>, bytes: &[u8]) -> Value {
    match (context.secrecy, std::str::from_utf8(bytes)) {
        (Secrecy::Hidden, _) => Value::Hidden(bytes.len()),
        (Secrecy::Shown, Ok(text)) if !text.contains('\0') => Value::Text(text.to_owned()),
        (Secrecy::Shown, _) => Value::Bytes(bytes.to_vec()),
    }
}

/// It begins as a request or a response does: a whole first line must be one, so that a body which begins like one is
/// a body.
fn is_http(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT "];
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or(bytes);
    let is_whole = first.len() < bytes.len();
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    let has_version = first.ends_with(b" HTTP/1.1") || first.ends_with(b" HTTP/1.0");
    let is_response =
        first.starts_with(b"HTTP/1.") && first.len() >= 12 && first[9..12].iter().all(u8::is_ascii_digit);
    is_response || METHODS.iter().any(|method| first.starts_with(method)) && (has_version || !is_whole)
}

/// A message's head, as far as this segment has it, and the body behind it.
fn http(context: &mut Context<'_>, part: Part<'_>) {
    let mut layer = Layer::new(Protocol::Http, part.at);
    let mut at = 0;
    let mut is_first = true;
    let mut length = None;
    let is_finished = loop {
        let rest = &part.bytes[at..];
        let Some(end) = rest.iter().position(|&b| b == b'\n') else {
            // A line that goes on in the next segment.
            at = part.bytes.len();
            let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
            match (rest, is_first) {
                ([], _) => {}
                (rest, true) => first_line(context, &mut layer, &String::from_utf8_lossy(rest), false),
                (rest, false) => {
                    field(context, &mut layer, &String::from_utf8_lossy(rest), false, &mut length)
                }
            }
            break false;
        };
        at += end + 1;
        let text = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if text.is_empty() {
            break true;
        }
        let text = String::from_utf8_lossy(text);
        if is_first {
            first_line(context, &mut layer, &text, true);
        } else if layer.fields.len() < MOST_FIELDS {
            field(context, &mut layer, &text, true, &mut length);
        }
        is_first = false;
    };
    let behind = part.after(at);
    if !is_finished {
        layer.remarks.push(if behind.cut > 0 { Remark::Cut } else { Remark::HeadUnfinished });
        return context.push(layer);
    }
    let body = length.map_or(behind, |len| behind.first(len));
    if body.full_len() > 0 {
        let value =
            if body.bytes.is_empty() { Value::Hidden(body.full_len()) } else { bytes(context, body.bytes) };
        layer.add_with(Key::HttpBody, value, body.shortfall(body.full_len()));
    }
    context.push(layer);
    data(context, behind.after(body.full_len()), None);
}

/// A field of a head. Without a name, folded, or not whole, it may be a part of a credential: nothing to show unasked.
fn field(context: &Context<'_>, layer: &mut Layer, line: &str, is_whole: bool, length: &mut Option<usize>) {
    let (name, value) = line.split_once(':').filter(|(name, _)| is_token(name)).unwrap_or(("", line));
    let value = value.trim();
    if name.eq_ignore_ascii_case("content-length") {
        *length = value.parse().ok();
    }
    let shown = if context.secrecy == Secrecy::Shown {
        Some(value.to_owned())
    } else if name.is_empty() || is_secret_name(name) || !is_whole {
        None
    } else {
        cover_value(value)
    };
    let shown = shown.map_or(Value::Hidden(value.len()), Value::Text);
    layer.add(Key::HttpField, Value::Pair(name.to_owned(), Box::new(shown)));
}

/// A request line or a status line.
fn first_line(context: &Context<'_>, layer: &mut Layer, line: &str, is_whole: bool) {
    let text = |text: &str| Value::Text(text.to_owned());
    if line.starts_with("HTTP/") {
        let keys = [Key::HttpResponseVersion, Key::HttpStatus, Key::HttpReason];
        for (key, word) in keys.into_iter().zip(line.splitn(3, ' ')) {
            let number = word.parse().ok().filter(|_| key == Key::HttpStatus);
            layer.add(key, number.map_or_else(|| text(word), |n| Value::Number(n, "")));
        }
        return;
    }
    let (method, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (target, version) = match rest.rsplit_once(' ') {
        Some((target, version)) => (target, version),
        None => (rest, ""),
    };
    layer.add(Key::HttpMethod, text(method));
    let shown = match context.secrecy {
        Secrecy::Shown => text(target),
        Secrecy::Hidden if is_whole => Value::Text(cover_target(target)),
        // Cut before what would say whether it is a secret.
        Secrecy::Hidden => Value::Hidden(rest.len()),
    };
    layer.add(Key::HttpTarget, shown);
    if !version.is_empty() && (is_whole || context.secrecy == Secrecy::Shown) {
        layer.add(Key::HttpRequestVersion, text(version));
    }
}

/// The type, version and length of the record that begins here.
fn tls_record(part: Part<'_>) -> Option<(u8, u16, usize)> {
    let (kind, version, len) = (part.u8(0)?, part.u16(1)?, usize::from(part.u16(3)?));
    let is_one =
        (20..=23).contains(&kind) && (0x0300..=0x0304).contains(&version) && (1..=18_432).contains(&len);
    is_one.then_some((kind, version, len))
}

fn tls(context: &mut Context<'_>, mut part: Part<'_>) {
    let mut layer = Layer::new(Protocol::Tls, part.at);
    while let Some((kind, version, len)) = tls_record(part) {
        let meaning =
            ["change cipher spec", "alert", "handshake", "application data"][usize::from(kind) - 20];
        layer.add(Key::TlsType, Value::Number(kind.into(), meaning));
        layer.add(Key::TlsVersion, Value::Hex { value: version.into(), digits: 4, meaning: "" });
        layer.add(Key::TlsLength, Value::Number(len as u64, "bytes"));
        if kind == 23 {
            layer.add(Key::TlsData, Value::Hidden(len));
        }
        part = part.after(5 + len);
    }
    context.push(layer);
    data(context, part, None);
}
