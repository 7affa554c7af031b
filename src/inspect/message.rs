//! What TCP carries: the heads of HTTP/1.1 messages (RFC 9112), TLS records (RFC 8446 5.1), or just data.

use super::cover::{cover_target, is_secret_field, is_uri_field};
use super::{Context, Key, Layer, Part, Protocol, Remark, Secrecy, Value};

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

/// It begins as a request or a response does.
fn is_http(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT "];
    bytes.starts_with(b"HTTP/1.") || METHODS.iter().any(|method| bytes.starts_with(method))
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
            // A line that goes on in the next segment. What begins as a credential is one.
            if !rest.is_empty() {
                let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
                line(context, &mut layer, rest, is_first, &mut length);
            }
            at = part.bytes.len();
            break false;
        };
        at += end + 1;
        let text = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if text.is_empty() {
            break true;
        }
        line(context, &mut layer, text, is_first, &mut length);
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

/// One line of a head.
fn line(context: &Context<'_>, layer: &mut Layer, line: &[u8], is_first: bool, length: &mut Option<usize>) {
    let line = String::from_utf8_lossy(line);
    let text = |text: &str| Value::Text(text.to_owned());
    if !is_first {
        // Without a colon, or folded, it may be a part of a credential: nothing to show unasked.
        let is_folded = line.starts_with([' ', '\t']);
        let (name, value) = line.split_once(':').filter(|_| !is_folded).unwrap_or(("", &line));
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            *length = value.parse().ok();
        }
        let is_secret = name.is_empty() || is_secret_field(name);
        let shown = match context.secrecy {
            Secrecy::Hidden if is_secret => Value::Hidden(value.len()),
            Secrecy::Hidden if is_uri_field(name) => Value::Text(cover_target(value)),
            _ => text(value),
        };
        layer.add(Key::HttpField, Value::Pair(name.to_owned(), Box::new(shown)));
    } else if line.starts_with("HTTP/") {
        let mut words = line.splitn(3, ' ');
        let keys = [Key::HttpResponseVersion, Key::HttpStatus, Key::HttpReason];
        for (key, word) in keys.into_iter().zip(words.by_ref()) {
            let number = word.parse().ok().filter(|_| key == Key::HttpStatus);
            layer.add(key, number.map_or_else(|| text(word), |n| Value::Number(n, "")));
        }
    } else {
        let mut words = line.splitn(2, ' ');
        layer.fields.extend(words.next().map(|w| super::Field {
            key: Key::HttpMethod,
            value: text(w),
            remark: None,
        }));
        let rest = words.next().unwrap_or_default();
        let (target, version) = match rest.rsplit_once(' ') {
            Some((target, version)) => (target, Some(version)),
            None => (rest, None),
        };
        let target = match context.secrecy {
            Secrecy::Hidden => cover_target(target),
            Secrecy::Shown => target.to_owned(),
        };
        layer.add(Key::HttpTarget, Value::Text(target));
        if let Some(version) = version.filter(|version| !version.is_empty()) {
            layer.add(Key::HttpRequestVersion, text(version));
        }
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
