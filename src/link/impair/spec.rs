//! The text form of impairments: `loss=1%,delay=20ms,reorder=5%`.

use std::fmt;
use std::str::FromStr;

use crate::time::Duration;

/// What happens to frames in one direction. The default is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Impairment {
    /// Share of frames lost, 0 to 1.
    pub loss: f64,
    /// Mean length of a run of losses; 0 or 1 for independent ones.
    pub burst: f64,
    /// Share delivered twice.
    pub duplicate: f64,
    /// Share delivered `reorder_by` late, past those behind them.
    pub reorder: f64,
    /// How late reordered frames are.
    pub reorder_by: Duration,
    /// Share delivered with one bit flipped.
    pub corrupt: f64,
    /// Share delivered without their end.
    pub truncate: f64,
    /// Share of packets of ECN-capable senders that get the mark of congestion.
    pub mark: f64,
    /// Bytes that wait for the rate limit above which each of them gets it; 0 for never.
    pub mark_above: usize,
    /// Time on the way.
    pub delay: Duration,
    /// Up to this much more, evenly spread, order kept.
    pub jitter: Duration,
    /// Bits a second; 0 for no limit.
    pub rate: u64,
    /// Bytes that wait for the rate limit; beyond, they are lost.
    pub queue: usize,
}

/// Impairments of both directions, as `--impair` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Both {
    /// Towards us.
    pub incoming: Impairment,
    /// Away from us.
    pub outgoing: Impairment,
}

/// What the text form looks like, for `--help` and for errors.
pub const HELP: &str = "loss=1%, burst=3 (mean run of losses), duplicate=1%, reorder=5% or reorder=5%/10ms \
    (how late), corrupt=0.1%, truncate=0.1%, delay=20ms, jitter=5ms, rate=100mbit, queue=64kb, mark=1% or \
    mark=32kb (CE on ECN-capable packets, by chance or above so long a queue); \
    in.NAME or out.NAME for one direction";

impl FromStr for Both {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut both = Self::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| unknown(part))?;
            match key.split_once('.') {
                Some(("in", key)) => both.incoming.set(key, value)?,
                Some(("out", key)) => both.outgoing.set(key, value)?,
                Some(_) => return Err(unknown(part)),
                None => {
                    both.incoming.set(key, value)?;
                    both.outgoing.set(key, value)?;
                }
            }
        }
        let wants_mark = [both.incoming, both.outgoing].iter().any(|way| way.mark_above > 0);
        both.incoming.complete();
        both.outgoing.complete();
        both.judge_marks(wants_mark)?;
        Ok(both)
    }
}

impl Both {
    /// A length above which to mark needs a queue that can be so long.
    fn judge_marks(&self, is_wanted: bool) -> Result<(), String> {
        let ways = [self.incoming, self.outgoing];
        if is_wanted && ways.iter().all(|way| way.mark_above == 0) {
            return Err(
                "mark=BYTES needs a queue, which comes with a rate: rate=100mbit,queue=64kb,mark=32kb".into(),
            );
        }
        let Some(never) = ways.iter().find(|way| way.mark_above > 0 && way.mark_above >= way.queue) else {
            return Ok(());
        };
        let Impairment { mark_above, queue, .. } = *never;
        Err(format!("mark={mark_above}b marks nothing: the queue is never longer than {queue} bytes"))
    }
}

impl Impairment {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "loss" => self.loss = share(value)?,
            "burst" => {
                self.burst = value.parse().ok().filter(|b| (1.0..=1e6).contains(b)).ok_or_else(|| {
                    format!("burst={value}: the mean run of losses is a number from 1 to 1000000")
                })?;
            }
            "duplicate" => self.duplicate = share(value)?,
            "reorder" => {
                let (part, by) = value.split_once('/').unwrap_or((value, "0ms"));
                self.reorder = share(part)?;
                self.reorder_by = duration(by)?;
            }
            "corrupt" => self.corrupt = share(value)?,
            "truncate" => self.truncate = share(value)?,
            "delay" => self.delay = duration(value)?,
            "jitter" => self.jitter = duration(value)?,
            "rate" => self.rate = rate(value)?,
            "queue" => self.queue = bytes(value)?,
            "mark" => match (share(value), bytes(value)) {
                (Ok(share), _) => self.mark = share,
                (_, Ok(bytes)) => self.mark_above = bytes,
                _ => {
                    return Err(format!("mark={value}: write a share (1%), or the length of a queue (32kb)"));
                }
            },
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    /// Fills in what depends on other fields: a reordered frame is half the delay late, at least 1 ms; the
    /// queue of a rate limit holds 64 KiB; without one there is no queue above whose length to mark.
    fn complete(&mut self) {
        if self.reorder > 0.0 && self.reorder_by == Duration::ZERO {
            self.reorder_by = (self.delay / 2).max(Duration::from_millis(1));
        }
        if self.rate > 0 && self.queue == 0 {
            self.queue = 64 << 10;
        }
        if self.rate == 0 {
            self.mark_above = 0;
        }
    }
}

impl fmt::Display for Impairment {
    /// What [`Both`] would read as the same; "none" for nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loss,
            burst,
            duplicate,
            reorder,
            reorder_by,
            corrupt,
            truncate,
            mark,
            mark_above,
            delay,
            jitter,
            rate,
            queue,
        } = *self;
        let mut parts = Vec::new();
        let mut add = |is_set: bool, name: &str, value: String| {
            parts.extend(is_set.then(|| format!("{name}={value}")));
        };
        add(loss > 0.0, "loss", share_text(loss));
        add(burst > 0.0, "burst", burst.to_string());
        add(duplicate > 0.0, "duplicate", share_text(duplicate));
        add(reorder > 0.0, "reorder", format!("{}/{}", share_text(reorder), duration_text(reorder_by)));
        add(corrupt > 0.0, "corrupt", share_text(corrupt));
        add(truncate > 0.0, "truncate", share_text(truncate));
        add(mark > 0.0, "mark", share_text(mark));
        add(delay > Duration::ZERO, "delay", duration_text(delay));
        add(jitter > Duration::ZERO, "jitter", duration_text(jitter));
        add(rate > 0, "rate", format!("{rate}bit"));
        add(rate > 0, "queue", format!("{queue}b"));
        add(mark_above > 0, "mark", format!("{mark_above}b"));
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(","))
    }
}

fn share_text(share: f64) -> String {
    // Nine digits are more than anybody wrote, and hide what binary fractions add.
    format!("{}%", (share * 1e11).round() / 1e9)
}

fn duration_text(duration: Duration) -> String {
    match duration.as_nanos() {
        n if n % 1_000_000_000 == 0 => format!("{}s", n / 1_000_000_000),
        n if n % 1_000_000 == 0 => format!("{}ms", n / 1_000_000),
        n => format!("{}us", n as f64 / 1e3),
    }
}

fn unknown(part: &str) -> String {
    format!("{part:?} is no impairment; there are: {HELP}")
}

/// A number and its unit.
fn split_unit(value: &str) -> Option<(f64, String)> {
    let at = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let number: f64 = value[..at].parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| (number, value[at..].trim().to_ascii_lowercase()))
}

fn share(value: &str) -> Result<f64, String> {
    let share = match split_unit(value) {
        Some((n, unit)) if unit == "%" => n / 100.0,
        Some((n, unit)) if unit.is_empty() => n,
        _ => -1.0,
    };
    (0.0..=1.0)
        .contains(&share)
        .then_some(share)
        .ok_or_else(|| format!("{value:?} is no share; write 5% or 0.05 (at most 100%)"))
}

fn duration(value: &str) -> Result<Duration, String> {
    let scale = match split_unit(value) {
        Some((n, unit)) => match unit.as_str() {
            "us" => Some(n * 1e3),
            "ms" => Some(n * 1e6),
            "s" => Some(n * 1e9),
            _ => None,
        },
        None => None,
    };
    scale
        .filter(|&n| n <= 60e9)
        .map(|n| Duration::from_nanos(n as u64))
        .ok_or_else(|| format!("{value:?} is no time; write 500us, 20ms or 1s (at most 60s)"))
}

fn rate(value: &str) -> Result<u64, String> {
    let bits = match split_unit(value) {
        Some((n, unit)) => match unit.as_str() {
            "bit" => Some(n),
            "kbit" => Some(n * 1e3),
            "mbit" => Some(n * 1e6),
            "gbit" => Some(n * 1e9),
            _ => None,
        },
        None => None,
    };
    bits.filter(|n| (1e3..=1e12).contains(n))
        .map(|n| n as u64)
        .ok_or_else(|| format!("{value:?} is no rate; write 800kbit, 100mbit or 1gbit (at least 1kbit)"))
}

fn bytes(value: &str) -> Result<usize, String> {
    let bytes = match split_unit(value) {
        Some((n, unit)) => match unit.as_str() {
            "" | "b" => Some(n),
            "kb" => Some(n * 1024.0),
            "mb" => Some(n * 1024.0 * 1024.0),
            _ => None,
        },
        None => None,
    };
    bytes
        .filter(|n| (1.0..=1e9).contains(n))
        .map(|n| n as usize)
        .ok_or_else(|| format!("{value:?} is no size; write 65536, 64kb or 1mb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_each_way() {
        let both: Both = "loss=5%,delay=20ms,reorder=5%,in.loss=0.1,out.rate=100mbit".parse().unwrap();
        assert_eq!((both.incoming.loss, both.outgoing.loss), (0.1, 0.05));
        assert_eq!(both.outgoing.reorder_by, Duration::from_millis(10));
        assert_eq!((both.incoming.rate, both.outgoing.rate), (0, 100_000_000));
        assert_eq!(both.outgoing.queue, 64 << 10);
        assert_eq!("".parse::<Both>().unwrap(), Both::default());
        let slow: Both = "reorder=10%/25ms,queue=1mb,rate=1.5mbit".parse().unwrap();
        assert_eq!(slow.incoming.reorder_by, Duration::from_millis(25));
        assert_eq!((slow.incoming.rate, slow.incoming.queue), (1_500_000, 1 << 20));
    }

    #[test]
    fn a_mark_is_a_share_or_a_length() {
        let both: Both = "mark=1%,out.rate=10mbit,mark=32kb".parse().unwrap();
        assert_eq!((both.incoming.mark, both.incoming.mark_above), (0.01, 0));
        assert_eq!((both.outgoing.mark, both.outgoing.mark_above), (0.01, 32 << 10));
        assert_eq!("mark=0.5".parse::<Both>().unwrap().incoming.mark, 0.5);
        assert!("mark=32kb".parse::<Both>().unwrap_err().contains("rate="));
        assert!("rate=1mbit,mark=64kb".parse::<Both>().unwrap_err().contains("65536 bytes"));
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        assert_eq!(Impairment::default().to_string(), "none");
        for text in [
            "loss=7%,burst=3,duplicate=0.1%,reorder=5%/10ms,corrupt=0.01%,truncate=33%,delay=20ms,jitter=500us",
            "rate=100mbit,queue=1mb",
            "mark=0.5%",
            "mark=25%,rate=100mbit,queue=1mb,mark=32kb",
            "delay=1s",
        ] {
            let both: Both = text.parse().unwrap();
            assert_eq!(both.incoming.to_string().parse::<Both>().unwrap(), both, "{}", both.incoming);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for bad in [
            "loss",
            "loss=",
            "loss=101%",
            "loss=-1%",
            "loss=5",
            "speed=3",
            "delay=20",
            "delay=1h",
            "rate=0bit",
            "rate=fast",
            "queue=x",
            "up.loss=1%",
            "burst=0",
            "delay=61s",
            "reorder=5%/x",
            "mark=",
            "mark=101%",
            "mark=-1",
        ] {
            let error = bad.parse::<Both>().unwrap_err();
            assert!(error.len() > 10, "{bad}: {error}");
        }
    }
}
