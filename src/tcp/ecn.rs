//! Explicit congestion notification: RFC 3168 6.1.
//!
//! Negotiated in the SYNs. New data then leaves as ECN-capable; a router marks it instead of dropping it, the receiver
//! says so with ECE in its ACKs until it hears CWR, and the sender reduces its window once a round trip. What is sent
//! again, probes and bare ACKs are not marked as capable (6.1.4 to 6.1.6).

use crate::fault::{self, Fault};
use crate::wire::seq::SeqNum;
use crate::wire::tcp::Flags;

/// The two bits of the IP header (RFC 3168 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codepoint {
    /// The transport does not know of it.
    #[default]
    NotEct,
    /// ECN-capable, ECT(1).
    Ect1,
    /// ECN-capable, ECT(0).
    Ect0,
    /// Congestion experienced.
    Ce,
}

impl Codepoint {
    /// Reads the two bits.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub fn bits(self) -> u8 {
        self as u8
    }
}

/// Whether a connection uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Never.
    Off,
    /// When the peer asks for it. Old routers may drop what asks, so this is the default, as in Linux.
    #[default]
    Accept,
    /// Asks for it, too.
    Ask,
}

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub struct Ecn {
    is_on: bool,
    /// ACKs carry ECE: a CE has come, and no CWR since.
    owes_echo: bool,
    /// The next new data carries CWR: the window was reduced.
    owes_cwr: bool,
    /// Echoes of before this was sent ask for no further reduction.
    reduced_at: Option<SeqNum>,
}

impl Ecn {
    /// Both sides want it.
    pub fn start(&mut self) {
        self.is_on = true;
    }

    /// Data may leave as ECN-capable.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A segment came in: what its IP header says, and CWR.
    pub fn handle_segment(&mut self, codepoint: Codepoint, flags: Flags) {
        if flags.has(Flags::CWR) {
            self.owes_echo = false;
        }
        if codepoint == Codepoint::Ce && self.is_on {
            self.owes_echo = true;
        }
    }

    /// An ACK with ECE came: true when the window is to be reduced, once a round trip.
    pub fn handle_echo(&mut self, una: SeqNum, nxt: SeqNum) -> bool {
        if !self.is_on || self.reduced_at.is_some_and(|at| una.lt(at)) || fault::is(Fault::EcnIgnored) {
            return false;
        }
        self.handle_reduced(nxt);
        true
    }

    /// The window was reduced, for whatever reason.
    pub fn handle_reduced(&mut self, nxt: SeqNum) {
        if self.is_on {
            (self.reduced_at, self.owes_cwr) = (Some(nxt), true);
        }
    }

    /// Everything before `una` was acknowledged: keeps what was noted from coming round again.
    pub fn handle_una(&mut self, una: SeqNum) {
        self.reduced_at = self.reduced_at.filter(|at| una.lt(*at));
    }

    /// The flags of a segment that leaves, of new data or not.
    pub fn flags(&mut self, is_new_data: bool) -> Flags {
        let echo = if self.owes_echo && !fault::is(Fault::EcnNotEchoed) { Flags::ECE } else { Flags(0) };
        let cwr = is_new_data && std::mem::take(&mut self.owes_cwr);
        if cwr { echo | Flags::CWR } else { echo }
    }

    /// How a segment leaves, of new data or not.
    pub fn codepoint(&self, is_new_data: bool) -> Codepoint {
        if self.is_on && is_new_data { Codepoint::Ect0 } else { Codepoint::NotEct }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_echoed_until_the_peer_has_reduced() {
        let mut ecn = Ecn::default();
        ecn.start();
        ecn.handle_segment(Codepoint::Ce, Flags::ACK);
        ecn.handle_segment(Codepoint::Ect0, Flags::ACK);
        assert!(ecn.flags(false).has(Flags::ECE) && ecn.flags(true).has(Flags::ECE));
        ecn.handle_segment(Codepoint::Ect0, Flags::ACK | Flags::CWR);
        assert!(!ecn.flags(true).has(Flags::ECE));
        ecn.handle_segment(Codepoint::Ce, Flags::ACK | Flags::CWR);
        assert!(ecn.flags(true).has(Flags::ECE), "marked anew");
    }

    #[test]
    fn an_echo_reduces_once_a_round_trip_and_is_answered_by_new_data() {
        let mut ecn = Ecn::default();
        assert!(!ecn.handle_echo(SeqNum(1), SeqNum(100)), "not negotiated");
        ecn.start();
        assert!(ecn.handle_echo(SeqNum(1), SeqNum(100)));
        assert!(!ecn.handle_echo(SeqNum(99), SeqNum(200)));
        assert!(!ecn.flags(false).has(Flags::CWR));
        assert!(ecn.flags(true).has(Flags::CWR) && !ecn.flags(true).has(Flags::CWR));
        assert!(ecn.handle_echo(SeqNum(100), SeqNum(300)));
    }

    #[test]
    fn codepoints_are_the_bits_of_the_ip_header() {
        for bits in 0..4 {
            assert_eq!(Codepoint::from_bits(bits).bits(), bits);
        }
    }
}
