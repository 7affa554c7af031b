//! Initial sequence numbers: RFC 6528. `ISN = M + F(flow, secret)`, with M a clock of 4 microseconds.

use super::flow::Flow;
use crate::fault::{self, Fault};
use crate::rand::KeyedHash;
use crate::time::Instant;
use crate::wire::seq::SeqNum;

/// The initial sequence number of a flow that begins now (RFC 9293 MUST-8).
pub fn initial_sequence(now: Instant, flow: Flow, secret: &KeyedHash) -> SeqNum {
    if fault::is(Fault::IsnConstant) {
        return SeqNum(1);
    }
    let clock = (now.as_nanos() / 4_000) as u32;
    SeqNum(secret.hash(&flow.to_bytes()) as u32) + clock
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
        let first = initial_sequence(Instant::ZERO, flow(1000), &secret);
        assert_eq!(initial_sequence(later, flow(1000), &secret) - first, 1000);
        assert_ne!(initial_sequence(Instant::ZERO, flow(1001), &secret), first);
        let other = Seed::from_u64(2).stream(Purpose::Secrets).key();
        assert_ne!(initial_sequence(Instant::ZERO, flow(1000), &other), first);
    }
}
