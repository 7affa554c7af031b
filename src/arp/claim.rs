//! Claiming our own address: RFC 5227, address conflict detection.
//!
//! ```text
//! Probing --no conflict--> Announcing --2 announcements--> Held
//!    `--conflict--> Taken
//! ```
//!
//! Deviations: `quick` (the default) sends its three probes within 300 ms, where RFC 5227 1.1 takes 4 to 7 s
//! (`full`). A held address is defended for ever (RFC 5227 2.4 c, which is for hosts whose address must not
//! change): a server with no address serves nobody.

use std::net::Ipv4Addr;

use crate::fault::{self, Fault};
use crate::rand::Rng;
use crate::time::{Duration, Instant};
use crate::wire::arp::{Operation, Packet};
use crate::wire::ethernet::Mac;

/// How carefully to ask before using the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeMode {
    /// RFC 5227 as it stands: 4 to 7 seconds.
    Full,
    /// Three probes within 300 ms.
    Quick,
    /// Use the address at once.
    Off,
}

/// What an ARP packet means for our address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    NoConflict,
    /// Somebody has the address already; we must not use it.
    Taken(Mac),
    /// Somebody uses our address.
    Contested {
        /// Who.
        mac: Mac,
        /// It is defended now; otherwise that was done a moment ago, and is not worth telling again (RFC 5227
        /// 2.4 c).
        is_defended: bool,
    },
}

/// The claim to one address.
#[derive(Debug)]
pub struct Claim {
    mac: Mac,
    ip: Ipv4Addr,
    mode: ProbeMode,
    phase: Phase,
    last_defence: Option<Instant>,
    /// A defence is due.
    wants_defence: bool,
    /// Spread of the waits of `full`, drawn at the start.
    spread: [Duration; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Probing { sent: u8, next: Instant },
    Announcing { sent: u8, next: Instant },
    Held,
    Taken,
}

// RFC 5227 1.1.
const PROBE_NUM: u8 = 3;
const ANNOUNCE_NUM: u8 = 2;
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// Between the probes of `quick`, and after the last.
const QUICK_INTERVAL: Duration = Duration::from_millis(100);

impl Claim {
    /// Begins to claim `ip` for the station `mac`.
    pub fn new(now: Instant, mac: Mac, ip: Ipv4Addr, mode: ProbeMode, rng: &mut Rng) -> Self {
        // PROBE_WAIT is 1 s, PROBE_MIN to PROBE_MAX 1 to 2 s.
        let spread = [(); 3].map(|()| Duration::from_micros(rng.below(1_000_001)));
        let phase = match mode {
            _ if fault::is(Fault::ArpNotProbed) => Phase::Announcing { sent: 0, next: now },
            ProbeMode::Full => Phase::Probing { sent: 0, next: now + spread[0] },
            ProbeMode::Quick => Phase::Probing { sent: 0, next: now },
            ProbeMode::Off => Phase::Announcing { sent: 0, next: now },
        };
        Self { mac, ip, mode, phase, last_defence: None, wants_defence: false, spread }
    }

    /// The address may be used.
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Announcing { .. } | Phase::Held)
    }

    /// Judges a packet that arrived.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet) -> Verdict {
        if packet.sender_mac == self.mac {
            return Verdict::NoConflict;
        }
        let uses_ours = packet.sender_ip == self.ip;
        match self.phase {
            Phase::Probing { .. } => {
                // RFC 5227 2.1.1: any use of the address, or another's probe for it.
                let probes_ours = packet.operation == Operation::Request
                    && packet.sender_ip.is_unspecified()
                    && packet.target_ip == self.ip;
                if !uses_ours && !probes_ours {
                    return Verdict::NoConflict;
                }
                self.phase = Phase::Taken;
                Verdict::Taken(packet.sender_mac)
            }
            Phase::Announcing { .. } | Phase::Held if uses_ours => {
                // RFC 5227 2.4 c: one announcement, unless there was a conflict in the last 10 s.
                let is_defended = self.last_defence.is_none_or(|last| now.since(last) >= DEFEND_INTERVAL);
                self.wants_defence |= is_defended;
                self.last_defence = Some(now);
                Verdict::Contested { mac: packet.sender_mac, is_defended }
            }
            _ => Verdict::NoConflict,
        }
    }

    /// The next probe or announcement to broadcast.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Packet> {
        if std::mem::take(&mut self.wants_defence) {
            return Some(self.announcement());
        }
        match self.phase {
            Phase::Probing { sent, next } if next <= now => {
                if sent == PROBE_NUM {
                    self.phase = Phase::Announcing { sent: 0, next: now };
                    return self.poll_packet(now);
                }
                self.phase = Phase::Probing { sent: sent + 1, next: now + self.interval(sent) };
                Some(self.request_from(Ipv4Addr::UNSPECIFIED))
            }
            Phase::Announcing { sent, next } if next <= now => {
                let sent = sent + 1;
                self.phase = match sent {
                    ANNOUNCE_NUM => Phase::Held,
                    _ => Phase::Announcing { sent, next: now + ANNOUNCE_INTERVAL },
                };
                Some(self.announcement())
            }
            _ => None,
        }
    }

    /// When [`poll_packet`](Self::poll_packet) has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Probing { next, .. } | Phase::Announcing { next, .. } => Some(next),
            Phase::Held | Phase::Taken => None,
        }
    }

    /// How long to wait after the probe number `sent` (from 0).
    fn interval(&self, sent: u8) -> Duration {
        match (self.mode, sent + 1) {
            (ProbeMode::Full, PROBE_NUM) => ANNOUNCE_WAIT,
            (ProbeMode::Full, next) => Duration::from_secs(1) + self.spread[usize::from(next)],
            _ => QUICK_INTERVAL,
        }
    }

    fn announcement(&self) -> Packet {
        self.request_from(self.ip)
    }

    fn request_from(&self, sender_ip: Ipv4Addr) -> Packet {
        Packet {
            operation: Operation::Request,
            sender_mac: self.mac,
            sender_ip,
            target_mac: Mac::ZERO,
            target_ip: self.ip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::{Purpose, Seed};

    const IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    const US: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn claim(mode: ProbeMode) -> Claim {
        Claim::new(Instant::ZERO, US, IP, mode, &mut Seed::from_u64(3).stream(Purpose::Jitter))
    }

    /// Runs alone until nothing is left to do: when each packet left, and whether it was a probe.
    fn alone(mut claim: Claim) -> (Vec<(u64, bool)>, Claim) {
        let mut sent = Vec::new();
        while let Some(at) = claim.poll_timeout() {
            while let Some(packet) = claim.poll_packet(at) {
                sent.push((at.since(Instant::ZERO).as_millis(), packet.sender_ip.is_unspecified()));
            }
        }
        (sent, claim)
    }

    fn from(mac: Mac, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Packet {
        Packet { operation: Operation::Request, sender_mac: mac, sender_ip, target_mac: Mac::ZERO, target_ip }
    }

    #[test]
    fn quick_probes_within_300_ms_and_announces_twice() {
        let (sent, claim) = alone(claim(ProbeMode::Quick));
        assert_eq!(sent, [(0, true), (100, true), (200, true), (300, false), (2300, false)]);
        assert!(claim.is_held());
    }

    #[test]
    fn full_keeps_the_times_of_rfc_5227() {
        let (sent, _) = alone(claim(ProbeMode::Full));
        let (probes, announcements) = sent.split_at(3);
        assert!(probes.iter().all(|p| p.1) && !announcements.iter().any(|p| p.1));
        assert!(probes[0].0 <= 1000);
        assert!(probes.windows(2).all(|w| (1000..=2000).contains(&(w[1].0 - w[0].0))));
        assert_eq!(announcements[0].0 - probes[2].0, 2000);
        assert_eq!(announcements[1].0 - announcements[0].0, 2000);
        assert!((4000..=7000).contains(&announcements[0].0));
    }

    #[test]
    fn a_conflict_while_probing_loses_the_address() {
        for packet in [from(OTHER, IP, Ipv4Addr::new(192, 0, 2, 77)), from(OTHER, Ipv4Addr::UNSPECIFIED, IP)]
        {
            let mut claim = claim(ProbeMode::Quick);
            claim.poll_packet(Instant::ZERO);
            assert_eq!(claim.handle_packet(Instant::ZERO, &packet), Verdict::Taken(OTHER));
            assert!(!claim.is_held() && claim.poll_timeout().is_none());
        }
        let mut claim = claim(ProbeMode::Quick);
        let harmless = from(OTHER, Ipv4Addr::new(192, 0, 2, 1), IP);
        assert_eq!(claim.handle_packet(Instant::ZERO, &harmless), Verdict::NoConflict);
        let own_echo = from(US, Ipv4Addr::UNSPECIFIED, IP);
        assert_eq!(claim.handle_packet(Instant::ZERO, &own_echo), Verdict::NoConflict);
    }

    #[test]
    fn a_held_address_is_defended_once_in_ten_seconds() {
        let (_, mut claim) = alone(claim(ProbeMode::Off));
        let rude = from(OTHER, IP, IP);
        let mut defences = 0;
        for second in 0..35 {
            let now = Instant::ZERO + Duration::from_secs(100 + second * 4);
            let verdict = claim.handle_packet(now, &rude);
            let is_defended = claim.poll_packet(now).is_some();
            assert_eq!(verdict, Verdict::Contested { mac: OTHER, is_defended });
            defences += usize::from(is_defended);
        }
        assert_eq!(defences, 1, "conflicts less than 10 s apart are not answered each");
        let later = Instant::ZERO + Duration::from_secs(1000);
        claim.handle_packet(later, &rude);
        assert_eq!(claim.poll_packet(later), Some(from(US, IP, IP)));
    }
}
