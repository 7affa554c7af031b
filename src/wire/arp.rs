//! ARP packets for IPv4 over Ethernet: RFC 826.

use std::net::Ipv4Addr;

use super::be16;
use super::ethernet::Mac;
use crate::drops::Drop;

/// Bytes of a packet.
pub const LEN: usize = 28;

/// What the sender wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// A packet, under the field names of RFC 826 (`ar$sha` is `sender_mac` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Request or reply.
    pub operation: Operation,
    /// Hardware address of the sender.
    pub sender_mac: Mac,
    /// Protocol address of the sender; zero in a probe (RFC 5227 1.1).
    pub sender_ip: Ipv4Addr,
    /// Hardware address of the target; meaningless in a request.
    pub target_mac: Mac,
    /// Protocol address of the target.
    pub target_ip: Ipv4Addr,
}

impl Packet {
    /// The packet in a frame's payload; padding after it is ignored.
    ///
    /// # Errors
    /// The `Arp…` values of [`Drop`], in the order of RFC 826's questions.
    pub fn parse(payload: &[u8]) -> Result<Self, Drop> {
        let bytes = payload.first_chunk::<LEN>().ok_or(Drop::ArpTruncated)?;
        if be16(bytes, 0) != 1 {
            return Err(Drop::ArpBadHardware);
        }
        if be16(bytes, 2) != 0x0800 {
            return Err(Drop::ArpBadProtocol);
        }
        if bytes[4] != 6 || bytes[5] != 4 {
            return Err(Drop::ArpBadLengths);
        }
        let operation = match be16(bytes, 6) {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return Err(Drop::ArpBadOperation),
        };
        let mac = |at: usize| {
            Mac([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3], bytes[at + 4], bytes[at + 5]])
        };
        let ip = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        Ok(Self { operation, sender_mac: mac(8), sender_ip: ip(14), target_mac: mac(18), target_ip: ip(24) })
    }

    /// Fills a buffer with the packet.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        let operation = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        out[0..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
        out[8..14].copy_from_slice(&self.sender_mac.0);
        out[14..18].copy_from_slice(&self.sender_ip.octets());
        out[18..24].copy_from_slice(&self.target_mac.0);
        out[24..28].copy_from_slice(&self.target_ip.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Packet {
        Packet {
            operation: Operation::Request,
            sender_mac: Mac::local(1),
            sender_ip: Ipv4Addr::new(192, 0, 2, 1),
            target_mac: Mac::ZERO,
            target_ip: Ipv4Addr::new(192, 0, 2, 2),
        }
    }

    #[test]
    fn a_packet_comes_back_and_its_prefixes_do_not() {
        let mut out = [0; LEN];
        packet().emit(&mut out);
        assert_eq!(Packet::parse(&out), Ok(packet()));
        let mut padded = out.to_vec();
        padded.extend([0; 18]);
        assert_eq!(Packet::parse(&padded), Ok(packet()));
        for len in 0..LEN {
            assert_eq!(Packet::parse(&out[..len]), Err(Drop::ArpTruncated));
        }
    }

    #[test]
    fn each_wrong_field_has_its_name() {
        for (at, value, drop) in [
            (1, 6, Drop::ArpBadHardware),
            (2, 0x86, Drop::ArpBadProtocol),
            (4, 8, Drop::ArpBadLengths),
            (5, 16, Drop::ArpBadLengths),
            (7, 3, Drop::ArpBadOperation),
        ] {
            let mut out = [0; LEN];
            packet().emit(&mut out);
            out[at] = value;
            assert_eq!(Packet::parse(&out), Err(drop));
        }
    }
}
