//! What a script sets up before its first step: `config key=value …`.

use taphouse::frame::Medium;
use taphouse::limits;
use taphouse::tcp;
use taphouse::tcp::ecn::Mode;
use taphouse::time::Duration;

use super::lexer::{number, seconds};

/// The host, the link and the peer's first number.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) tcp: tcp::Config,
    pub(crate) medium: Medium,
    pub(crate) mtu: usize,
    pub(crate) backlog: usize,
    pub(crate) max_connections: usize,
    pub(crate) memory: usize,
    pub(crate) irs: u32,
    pub(crate) seed: u64,
    /// When the script begins.
    pub(crate) start: Duration,
    /// How much later than it should a segment may leave: timers of the stack have ticks of 66 us.
    pub(crate) tolerance: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tcp: tcp::Config { buffer_start: usize::MAX, ..tcp::Config::default() },
            medium: Medium::Ip,
            mtu: 1500,
            backlog: 16,
            max_connections: 64,
            memory: limits::TCP_MEMORY,
            irs: 0x1000_0000,
            seed: 7,
            start: Duration::from_secs(10),
            tolerance: Duration::from_micros(100),
        }
    }
}

impl Setup {
    /// One `key=value`.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "medium" => self.medium = medium(value)?,
            "mtu" => self.mtu = natural(value, 68..=9000)?,
            "backlog" => self.backlog = natural(value, 1..=65_536)?,
            "memory" => self.memory = natural(value, 1..=1 << 40)?,
            "max_connections" => self.max_connections = natural(value, 1..=65_536)?,
            "irs" => self.irs = natural(value, 0..=u32::MAX as usize)? as u32,
            "seed" => self.seed = natural(value, 0..=u32::MAX as usize)? as u64,
            "start" => self.start = time(value)?,
            "tolerance" => self.tolerance = time(value)?,
            "nagle" => self.tcp.nagle = switch(value)?,
            "ack_delay" => self.tcp.ack_delay = time(value)?,
            "keepalive" => self.tcp.keep_alive = if value == "off" { None } else { Some(time(value)?) },
            "user_timeout" => self.tcp.user_timeout = time(value)?,
            "send_buffer" => self.tcp.send_buffer = natural(value, 1..=1 << 30)?,
            "buffer_start" => self.tcp.buffer_start = natural(value, 1..=1 << 30)?,
            "receive_buffer" => self.tcp.receive_buffer = natural(value, 1..=1 << 30)?,
            // What the core does not offer yet is read and judged; each becomes `self.tcp.KEY = …`.
            "sack" => self.tcp.sack = switch(value)?,
            "timestamps" => self.tcp.timestamps = switch(value)?,
            "ecn" => self.tcp.ecn = if switch(value)? { Mode::Ask } else { Mode::Off },
            "pacing" => self.tcp.pacing = switch(value)?,
            "congestion" => self.tcp.congestion = value.parse()?,
            "quick_acks" => self.tcp.quick_acks = natural(value, 0..=255)? as u8,
            _ => return Err("a key of the configuration".into()),
        }
        Ok(())
    }
}

fn natural(value: &str, range: std::ops::RangeInclusive<usize>) -> Result<usize, String> {
    let n = number(value).and_then(|n| usize::try_from(n).ok()).filter(|n| range.contains(n));
    n.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}

fn time(value: &str) -> Result<Duration, String> {
    seconds(value).ok_or_else(|| "seconds".into())
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("`on` or `off`".into()),
    }
}

fn medium(value: &str) -> Result<Medium, String> {
    match value {
        "ip" => Ok(Medium::Ip),
        "ethernet" => Ok(Medium::Ethernet { fcs: false }),
        _ => Err("`ip` or `ethernet`".into()),
    }
}
