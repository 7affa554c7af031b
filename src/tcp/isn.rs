//! The numbers that a connection begins with: its initial sequence number (RFC 6528: `ISN = M + F(flow, secret)`,
//! with M a clock of 4 microseconds), and the offset of its timestamps (RFC 7323 5.4).

use super::flow::Flow;
use crate::fault::{self, Fault};
use crate::rand::KeyedHash;
use crate::time::Instant;
use crate::wire::seq::SeqNum;

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Our initial sequence number (RFC 9293 MUST-8).
    pub iss: SeqNum,
    /// What is added to the clock of our timestamps. It is the same for all connections of a flow, so that their
    /// timestamps rise from each to the next (RFC 6191), and tells nothing of those of others.
    pub ts_offset: u32,
}

/// The numbers of a flow that begins now.
pub fn numbers(now: Instant, flow: Flow, secret: &KeyedHash) -> Numbers {
    let hash = secret.hash(&flow.to_bytes());
    let clock = (now.as_nanos() / 4_000) as u32;
    let iss = if fault::is(Fault::IsnConstant) { SeqNum(1) } else { SeqNum(hash as u32) + clock };
    Numbers { iss, ts_offset: (hash >> 32) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::{Purpose, Seed};
    use crate::time::Duration;
    use std::net::Ipv4Addr;

    #[test]
    fn numbers_of_a_flow_rise_with_the_clock_and_flows_differ() {
        let secret = Seed::from_u64(1).stream(Purpose::Secrets).key();
        let flow = |port| Flow { remote_ip: Ipv4Addr::new(192, 0, 2, 1), remote_port: port, local_port: 80 };
        let later = Instant::ZERO + Duration::from_millis(4);
        let first = numbers(Instant::ZERO, flow(1000), &secret);
        let second = numbers(later, flow(1000), &secret);
        assert_eq!((second.iss - first.iss, second.ts_offset), (1000, first.ts_offset));
        let other_flow = numbers(Instant::ZERO, flow(1001), &secret);
        assert!(other_flow.iss != first.iss && other_flow.ts_offset != first.ts_offset);
        let other_secret = Seed::from_u64(2).stream(Purpose::Secrets).key();
        assert_ne!(numbers(Instant::ZERO, flow(1000), &other_secret).iss, first.iss);
    }
}
