//! Whether a segment that left is the one that was expected.

use std::collections::BTreeMap;

use taphouse::wire::tcp::Flags;

use super::lexer::Bounds;
use super::peer::{Origins, PEER_PORT, PORT, Seen, stream};
use super::script::{Choice, End, Segment, Stamp};

/// The names of timestamps that were bound.
pub(crate) type Names = BTreeMap<String, u32>;

/// Everything in which a segment is not as expected, for people; nothing when it is.
pub(crate) fn differences(
    expected: &Segment,
    seen: &Seen,
    origins: Origins,
    names: &mut Names,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, wanted: String, got: String| {
        if wanted != got {
            found.push(format!("{what} {got} instead of {wanted}"));
        }
    };
    let header = &seen.header;
    differ("peer", expected.peer.unwrap_or(PEER_PORT).to_string(), header.dst_port.to_string());
    differ("port", expected.port.unwrap_or(PORT).to_string(), header.src_port.to_string());
    let ignored = if expected.is_exact || expected.flags.has(Flags::PSH) { 0 } else { Flags::PSH.0 };
    let flags = |flags: Flags| format!("{:?}", Flags(flags.0 & !ignored));
    differ("flags", flags(expected.flags), flags(header.flags));
    let seq = origins.host_number(header.seq);
    let end = seq + seen.payload.len() as i64;
    if let Some((from, to)) = expected.seq {
        let got = format!("{seq}:{end}");
        match to {
            End::At(to) => differ("seq", format!("{from}:{to}"), got),
            End::Anywhere if from == seq && end > seq => {}
            End::Anywhere => differ("seq", format!("{from}:*"), got),
        }
    }
    let ack = origins.peer_number(header.ack);
    if let Some(wanted) = expected.ack
        && !wanted.has(ack)
    {
        differ("ack", wanted.to_string(), ack.to_string());
    }
    if let Some(window) = expected.window
        && !window.has(i64::from(header.window))
    {
        differ("win", window.to_string(), header.window.to_string());
    }
    let urgent = expected.urgent.or(expected.is_exact.then_some(0));
    urgent.into_iter().for_each(|urgent| differ("urg", urgent.to_string(), header.urgent.to_string()));
    let ecn = expected.ecn.or(expected.is_exact.then_some(0));
    ecn.into_iter().for_each(|ecn| differ("ecn", ecn.to_string(), seen.ip.ecn.to_string()));
    let ttl = expected.ttl.or(expected.is_exact.then_some(64));
    ttl.into_iter().for_each(|ttl| differ("ttl", ttl.to_string(), seen.ip.ttl.to_string()));
    if let Some(df) = expected.dont_fragment {
        differ("df", df.to_string(), seen.ip.dont_fragment.to_string());
    }
    let data = seq + i64::from(header.flags.has(Flags::SYN));
    if seen.payload != stream(data, seen.payload.len()) {
        differ("payload", "the bytes that were written".into(), "other bytes".into());
    }
    found.extend(option_differences(expected, seen, origins, names));
    found
}

fn option_differences(expected: &Segment, seen: &Seen, origins: Origins, names: &mut Names) -> Vec<String> {
    let options = &seen.options;
    let mut found = Vec::new();
    let mut number = |what: &str, wanted: Bounds, got: Option<i64>| match got {
        Some(got) if wanted.has(got) => {}
        Some(got) => found.push(format!("{what} {got} instead of {wanted}")),
        None => found.push(format!("no {what}")),
    };
    let mut kinds = Vec::new();
    let mut others = Vec::new();
    for option in &expected.options {
        match option {
            Choice::Mss(mss) => {
                kinds.push(2);
                number("mss", *mss, options.mss.map(i64::from));
            }
            Choice::WindowScale(shift) => {
                kinds.push(3);
                number("wscale", *shift, options.window_scale.map(i64::from));
            }
            Choice::SackPermitted => {
                kinds.push(4);
                others.extend((!options.sack_permitted).then(|| "no sackOK".to_owned()));
            }
            Choice::Sack(wanted) => {
                kinds.push(5);
                others.extend(sack_difference(wanted.as_deref(), seen, origins));
            }
            Choice::Timestamps(value, echo) => {
                kinds.push(8);
                let Some((got_value, got_echo)) = options.timestamps else {
                    others.push("no ts".into());
                    continue;
                };
                others.extend(stamp_difference("TSval", value, got_value, names));
                others.extend(stamp_difference("TSecr", echo, got_echo, names));
            }
            Choice::Raw(_) => {}
            Choice::Absent(kind) => {
                if present(seen).contains(kind) {
                    others.push(format!("an option of kind {kind}, which should not be there"));
                }
            }
        }
    }
    if expected.is_exact {
        let extra = present(seen).into_iter().filter(|kind| !kinds.contains(kind));
        others.extend(extra.map(|kind| format!("an option of kind {kind}, which nobody named")));
    }
    found.extend(others);
    found
}

/// The kinds of the options that are there.
fn present(seen: &Seen) -> Vec<u8> {
    let options = &seen.options;
    let all = [
        (2, options.mss.is_some()),
        (3, options.window_scale.is_some()),
        (4, options.sack_permitted),
        (5, !options.sack.as_slice().is_empty()),
        (8, options.timestamps.is_some()),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(kind, _)| kind).collect()
}

fn sack_difference(wanted: Option<&[(i64, i64)]>, seen: &Seen, origins: Origins) -> Option<String> {
    let blocks = seen.options.sack.as_slice().iter();
    let got: Vec<_> = blocks.map(|&(l, r)| (origins.peer_number(l), origins.peer_number(r))).collect();
    match wanted {
        None => got.is_empty().then(|| "no sack".to_owned()),
        Some(wanted) => (wanted != got).then(|| format!("sack {got:?} instead of {wanted:?}")),
    }
}

/// Binds a name that is new; otherwise tells how the value differs from it.
fn stamp_difference(what: &str, wanted: &Stamp, got: u32, names: &mut Names) -> Option<String> {
    match wanted {
        Stamp::Any => None,
        Stamp::Is(n) => (*n != got).then(|| format!("{what} {got} instead of {n}")),
        Stamp::Named { name, plus, or_later } => {
            let Some(&bound) = names.get(name) else {
                names.insert(name.clone(), got.wrapping_sub(*plus));
                return None;
            };
            let wanted = bound.wrapping_add(*plus);
            let is_later = *or_later && (got.wrapping_sub(wanted) as i32) >= 0;
            (wanted != got && !is_later).then(|| format!("{what} {got} instead of {wanted} ({name})"))
        }
    }
}
