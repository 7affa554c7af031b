//! The fields of a report by their names, so that scripts may ask for those that come later too.

use taphouse::tcp::info::ConnectionInfo;
use taphouse::time::Duration;
use taphouse::wire::seq::SeqNum;

use super::peer::Origins;
use super::script::Value;

/// Whether a field of a report is as expected.
///
/// # Errors
/// What it is, for people.
pub(crate) fn check(
    report: &ConnectionInfo,
    origins: Origins,
    name: &str,
    wanted: &Value,
) -> Result<(), String> {
    let got = read(report, origins, name).ok_or_else(|| format!("`{name}` is not in the report"))?;
    let matches = match (&got, wanted) {
        (Got::Number(got), Value::Number(wanted)) => wanted.has(*got),
        (Got::Time(got), Value::Time(from, to)) => from <= got && got <= to,
        (Got::Text(got), Value::Text(wanted)) => got == wanted,
        _ => false,
    };
    if matches { Ok(()) } else { Err(format!("{name} is {got:?}")) }
}

#[derive(Debug)]
enum Got {
    Number(i64),
    Time(Duration),
    Text(String),
}

fn read(report: &ConnectionInfo, origins: Origins, name: &str) -> Option<Got> {
    let host_number = |n| Some(Got::Number(origins.host_number(SeqNum(n))));
    match name {
        "snd_una" => host_number(report.snd_una),
        "snd_nxt" => host_number(report.snd_nxt),
        "rcv_nxt" => Some(Got::Number(origins.peer_number(SeqNum(report.rcv_nxt)))),
        "srtt" => report.rtt.map(|(srtt, _)| Got::Time(srtt)),
        "rttvar" => report.rtt.map(|(_, rttvar)| Got::Time(rttvar)),
        "rto" => Some(Got::Time(report.rto)),
        "age" => Some(Got::Time(report.age)),
        "idle" => Some(Got::Time(report.idle)),
        _ => {
            let text = field(&format!("{report:#?}"), name)?;
            Some(text.parse().map_or(Got::Text(text), Got::Number))
        }
    }
}

/// The field of a structure as its `{:#?}` shows it; `tally.mechanisms.timeouts` for one of a structure in it. Text loses its
/// quotes, and `Some(7)` its `Some`.
pub(crate) fn field(shown: &str, path: &str) -> Option<String> {
    let mut lines = shown.lines();
    let mut depth = 0;
    let mut value = None;
    for name in path.split('.') {
        depth += 4;
        let head = format!("{}{name}: ", " ".repeat(depth));
        value = lines.find_map(|line| line.strip_prefix(&head));
        value?;
    }
    let value = value?.trim_end_matches(',').trim_matches('"');
    if value == "Some(" {
        return lines.next().map(|line| line.trim().trim_end_matches(',').to_owned());
    }
    Some(value.to_owned())
}
