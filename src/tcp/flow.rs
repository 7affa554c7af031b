//! Which connection a segment belongs to. Our address is one, so three of the four-tuple tell flows apart.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// A flow, seen from here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The peer's address.
    pub remote_ip: Ipv4Addr,
    /// The peer's port.
    pub remote_port: u16,
    /// Our port.
    pub local_port: u16,
}

impl Flow {
    /// The peer.
    pub fn remote(self) -> SocketAddrV4 {
        SocketAddrV4::new(self.remote_ip, self.remote_port)
    }

    /// The flow as eight bytes, to be hashed.
    pub fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.remote_ip.octets();
        let ([e, f], [g, h]) = (self.remote_port.to_be_bytes(), self.local_port.to_be_bytes());
        [a, b, c, d, e, f, g, h]
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}->{}", self.remote_ip, self.remote_port, self.local_port)
    }
}
