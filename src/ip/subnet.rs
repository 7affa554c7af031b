//! Our address, its subnet, and which addresses can be a host's: RFC 1122 3.2.1.3, RFC 6890.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An address with the length of its network prefix, written `192.0.2.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The host's address.
    pub address: Ipv4Addr,
    /// Length of the prefix, 0 to 32.
    pub prefix: u8,
}

impl Subnet {
    /// The mask of the prefix.
    pub(crate) fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// The address is on this subnet.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (u32::from(address) ^ u32::from(self.address)) & self.mask() == 0
    }

    /// The address is the limited broadcast, or this subnet's: all ones, or all zeros as of old (RFC 1122
    /// 3.3.6). A /31 (RFC 3021) and a /32 have none of their own.
    pub fn is_broadcast(self, address: Ipv4Addr) -> bool {
        let host = u32::from(address) & !self.mask();
        address.is_broadcast()
            || (self.prefix < 31 && self.contains(address) && (host == !self.mask() || host == 0))
    }
}

/// What is wrong with a source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAHost {
    /// In 0.0.0.0/8.
    Zero,
    /// In 127.0.0.0/8.
    Loopback,
    /// In 224.0.0.0/3, the limited broadcast excepted.
    MulticastOrReserved,
    /// A broadcast address.
    Broadcast,
}

/// Whether an address can be the source of a packet.
///
/// # Errors
/// [`NotAHost`].
pub fn check_host(subnet: Subnet, address: Ipv4Addr) -> Result<(), NotAHost> {
    match address.octets()[0] {
        0 => Err(NotAHost::Zero),
        127 => Err(NotAHost::Loopback),
        _ if subnet.is_broadcast(address) => Err(NotAHost::Broadcast),
        224.. => Err(NotAHost::MulticastOrReserved),
        _ => Ok(()),
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| format!("{text:?} lacks the length of its network prefix; write {text}/24"))?;
        let address: Ipv4Addr =
            address.parse().map_err(|_| format!("{address:?} is no IPv4 address such as 192.0.2.2"))?;
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|p| *p <= 32)
            .ok_or_else(|| format!("/{prefix} is no prefix length; it goes from /0 to /32"))?;
        let subnet = Self { address, prefix };
        match check_host(subnet, address) {
            Ok(()) => Ok(subnet),
            Err(NotAHost::Broadcast) => {
                Err(format!("{address} is the network or broadcast address of /{prefix}, not a host's"))
            }
            Err(_) => Err(format!("{address} cannot be a host's address")),
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_read_and_mistakes_are_named() {
        let subnet: Subnet = "192.0.2.2/24".parse().unwrap();
        assert_eq!(subnet.to_string(), "192.0.2.2/24");
        assert!(
            subnet.contains(Ipv4Addr::new(192, 0, 2, 255)) && !subnet.contains(Ipv4Addr::new(192, 0, 3, 2))
        );
        for bad in [
            "192.0.2.2",
            "192.0.2.2/33",
            "192.0.2/24",
            "192.0.2.0/24",
            "192.0.2.255/24",
            "127.0.0.1/8",
            "224.0.0.1/4",
            "0.0.0.0/0",
            "255.255.255.255/32",
            "x/24",
            "192.0.2.2/-1",
        ] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
        assert!("10.0.0.0/31".parse::<Subnet>().is_ok() && "10.1.2.3/32".parse::<Subnet>().is_ok());
    }

    #[test]
    fn hosts_are_told_from_the_rest() {
        let subnet: Subnet = "192.0.2.2/24".parse().unwrap();
        for (address, expected) in [
            ("0.1.2.3", Err(NotAHost::Zero)),
            ("127.9.9.9", Err(NotAHost::Loopback)),
            ("224.0.0.1", Err(NotAHost::MulticastOrReserved)),
            ("240.0.0.1", Err(NotAHost::MulticastOrReserved)),
            ("255.255.255.255", Err(NotAHost::Broadcast)),
            ("192.0.2.255", Err(NotAHost::Broadcast)),
            ("192.0.2.0", Err(NotAHost::Broadcast)),
            ("192.0.3.255", Ok(())),
            ("203.0.113.1", Ok(())),
        ] {
            assert_eq!(check_host(subnet, address.parse().unwrap()), expected, "{address}");
        }
    }
}
