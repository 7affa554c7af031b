//! What `--so_flags` says: `name=value`, joined by commas.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// How the host is to be.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Our address: `local=192.168.0.1`.
    pub(crate) local: Ipv4Addr,
    /// Bytes of the largest packet: `mtu=1500`.
    pub(crate) mtu: usize,
    /// Bytes that a connection may hold unread: `rcvbuf=15728640`.
    pub(crate) receive_buffer: usize,
    /// Bytes that a connection may have queued: `sndbuf=4194304`.
    pub(crate) send_buffer: usize,
    /// Segments at the beginning that are acknowledged at once: `quickack=16`.
    pub(crate) quick_acks: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            local: Ipv4Addr::new(192, 168, 0, 1),
            mtu: 1500,
            receive_buffer: 15 << 20,
            send_buffer: 4 << 20,
            quick_acks: 16,
        }
    }
}

impl FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is no name=value"))?;
            let number = || value.parse().map_err(|_| format!("{name}: {value:?} is no number"));
            match name {
                "local" => {
                    settings.local =
                        value.parse().map_err(|_| format!("{name}: {value:?} is no IPv4 address"))?;
                }
                "mtu" => settings.mtu = number()?,
                "rcvbuf" => settings.receive_buffer = number()?,
                "sndbuf" => settings.send_buffer = number()?,
                "quickack" => settings.quick_acks = number()?.min(255) as u8,
                _ => return Err(format!("{name:?} is none of local, mtu, rcvbuf, sndbuf, quickack")),
            }
        }
        Ok(settings)
    }
}
