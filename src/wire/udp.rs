//! UDP datagrams: RFC 768, as far as a host without UDP has to: is this one, so that it can be refused?

use std::net::Ipv4Addr;

use super::be16;
use super::checksum::Sum;
use super::ipv4::protocol;
use crate::drops::Drop;

/// Bytes of a header.
pub const HEADER_LEN: usize = 8;

/// Judges the datagram in an IPv4 payload. What follows its length is not part of it.
///
/// # Errors
/// [`Drop::UdpTruncated`]; [`Drop::UdpBadChecksum`], which must not be answered (RFC 1122 4.1.3.4).
pub fn check(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Result<(), Drop> {
    if bytes.len() < HEADER_LEN {
        return Err(Drop::UdpTruncated);
    }
    let len = usize::from(be16(bytes, 4));
    if !(HEADER_LEN..=bytes.len()).contains(&len) {
        return Err(Drop::UdpTruncated);
    }
    // RFC 768: a checksum of zero means that the sender made none.
    let has_checksum = be16(bytes, 6) != 0;
    let sum = Sum::pseudo_header(src, dst, protocol::UDP, len).with(&bytes[..len]);
    if has_checksum && sum.finish() != 0 {
        return Err(Drop::UdpBadChecksum);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    fn datagram(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 1, 0, 53, 0, (HEADER_LEN + payload.len()) as u8, 0, 0];
        out.extend(payload);
        let sum = Sum::pseudo_header(A, B, protocol::UDP, out.len()).with(&out).finish();
        out[6..8].copy_from_slice(&sum.to_be_bytes());
        out
    }

    #[test]
    fn lengths_and_checksums_are_judged() {
        let good = datagram(b"odd");
        assert_eq!(check(A, B, &good), Ok(()));
        assert_eq!(
            check(A, B, &[&good[..], b"tail"].concat()),
            Ok(()),
            "bytes after the length are not its own"
        );
        for len in 0..good.len() {
            assert_eq!(check(A, B, &good[..len]), Err(Drop::UdpTruncated));
        }
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            check(A, B, &bytes)
        };
        assert_eq!(
            (with(5, 7), with(5, 12), with(4, 1)),
            (Err(Drop::UdpTruncated), Err(Drop::UdpTruncated), Err(Drop::UdpTruncated))
        );
        assert_eq!((with(10, 0), with(0, 9)), (Err(Drop::UdpBadChecksum), Err(Drop::UdpBadChecksum)));
        let mut without = good.clone();
        without[6..8].fill(0);
        assert_eq!(check(A, B, &without), Ok(()));
    }
}
