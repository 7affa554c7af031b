//! Bytes to values and back, one file a format. No state, no time, no allocation.
//!
//! Parsing takes any bytes and never panics: what is wrong is a [`Drop`](crate::drops::Drop). Emitting fills a
//! buffer of exactly the size it was told. `parse(emit(x)) == x` for every value `x`.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod fcs;
pub mod icmpv4;
pub mod ipv4;
pub mod seq;
pub mod tcp;
pub mod tcp_options;
pub mod udp;

/// The 16 bits at `at`, in network order. The caller has checked the length.
pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The 32 bits at `at`, in network order. The caller has checked the length.
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
