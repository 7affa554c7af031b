//! One line of the table: a frame, the reason for which it goes no further, and the answer.

use std::net::SocketAddrV4;

use taphouse::drops::Drop;
use taphouse::time::Duration;
use taphouse::wire::icmpv4::{Message, Unreachable};
use taphouse::wire::tcp::Flags;

use super::build::*;
use super::harness::{Answer, World};

/// On which of the two media the frame can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Both,
    /// Only without FCS: a wire would have padded it.
    Tap,
    /// Only with FCS.
    Wire,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) on: On,
    pub(crate) drop: Drop,
    /// Brings the world into the state that the frame needs, and makes the frame.
    pub(crate) make: fn(&mut World) -> Shot,
}

/// A frame with what must come back.
pub(crate) struct Shot {
    bytes: Vec<u8>,
    /// As it is: no padding, no FCS added.
    is_raw: bool,
    pub(crate) answers: Vec<Answer>,
}

pub(crate) const fn case(name: &'static str, drop: Drop, make: fn(&mut World) -> Shot) -> Case {
    Case { name, on: On::Both, drop, make }
}

pub(crate) const fn on(on: On, name: &'static str, drop: Drop, make: fn(&mut World) -> Shot) -> Case {
    Case { name, on, drop, make }
}

impl Case {
    /// What did not come out as the table says, if anything.
    pub(crate) fn run(&self, world: &mut World) -> Option<String> {
        // A second apart, with a fresh neighbour, so that no rate limit and no ARP of one reaches the next.
        world.pass(Duration::from_secs(1));
        world.introduce();
        let shot = (self.make)(world);
        let before = world.stack.drops().clone();
        let answers = if shot.is_raw { world.give_raw(&shot.bytes) } else { world.give(&shot.bytes) };
        let counted = world.moved(&before);
        let is_right = counted == [(self.drop, 1)] && answers == shot.answers;
        (!is_right).then(|| {
            let Self { name, drop, .. } = self;
            format!("{name}: {counted:?} and not {drop:?}, {answers:?} and not {:?}", shot.answers)
        })
    }
}

/// Nothing comes back.
pub(crate) fn silent(bytes: Vec<u8>) -> Shot {
    answered(bytes, [])
}

/// Bytes that go onto the wire as they are; nothing comes back.
pub(crate) fn raw(bytes: Vec<u8>) -> Shot {
    Shot { bytes, is_raw: true, answers: Vec::new() }
}

pub(crate) fn answered<const N: usize>(bytes: Vec<u8>, answers: [Answer; N]) -> Shot {
    Shot { bytes, is_raw: false, answers: answers.into() }
}

/// An IPv4 packet; nothing comes back.
pub(crate) fn silent_ip(packet: Vec<u8>) -> Shot {
    silent(ip_frame(&packet))
}

/// An IPv4 packet, about which an ICMP error comes that quotes it.
pub(crate) fn unreachable(packet: Vec<u8>, code: Unreachable) -> Shot {
    let message = Message::Unreachable { code, mtu: 0 };
    let data = quote(&packet);
    answered(ip_frame(&packet), [Answer::Icmp { dst: PEER, message, data }])
}

/// A segment to `port`, and the RST for it. Its source port is 3999, which no connection has.
pub(crate) fn refused(port: u16, flags: Flags, payload: &[u8], reset: (Flags, u32, u32)) -> Shot {
    let bytes = ip_frame(&packet(6, &segment(3999, port, flags, 700, 900, &[], payload)));
    let (flags, seq, ack) = reset;
    let dst = SocketAddrV4::new(PEER, 3999);
    answered(bytes, [Answer::Tcp { dst, port, flags, seq, ack, payload: Vec::new() }])
}

/// A segment from port 3999, which no connection has; nothing comes back.
pub(crate) fn ignored(port: u16, flags: Flags) -> Shot {
    silent_ip(packet(6, &segment(3999, port, flags, 700, 900, &[], b"")))
}
