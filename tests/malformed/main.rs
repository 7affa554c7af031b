//! Malformed and hostile frames against a whole stack, in memory and virtual time.
//!
//! A table says for each frame the reason under which it is counted, alone, and what is answered. Every reason
//! that a frame can cause has a case; the few that take more than one have tests of their own in `limits`.
//! `rules` has what ICMP must not answer and what it must; `neighbours` has whole conversations of ARP; `script`
//! holds the frames of the namespace test against the same stack.

mod build;
mod case;
mod harness;
mod limits;
mod neighbours;
mod rules;
mod script;
mod table_connections;
mod table_link;
mod table_transport;

use case::{Case, On};
use harness::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use taphouse::drops::Drop;
use taphouse::fault::{self, Fault};

const TABLE: &[&[Case]] = &[
    table_link::ETHERNET,
    table_link::ARP,
    table_link::IPV4,
    table_link::FRAGMENTS,
    table_transport::ICMP,
    table_transport::UDP,
    table_transport::TCP,
    table_connections::HALF_OPEN,
    table_connections::SYN_SENT,
    table_connections::ESTABLISHED,
    table_connections::CLOSING,
];

/// What no single frame causes; each has its own test in `limits`, in `neighbours`, in `ip/reassembly.rs`, in the
/// conversations about timestamps and about opening, or in `tests/memory`.
const NOT_BY_ONE_FRAME: &[Drop] = &[
    Drop::AddressNotReady,
    Drop::FragmentMixedEcn,
    Drop::FragmentLimit,
    Drop::FragmentTimeout,
    Drop::IcmpRateLimited,
    Drop::TcpOldTimestamp,
    Drop::TcpNoTimestamp,
    Drop::TcpChallengeLimited,
    Drop::TcpResetLimited,
    Drop::TcpBacklogFull,
    Drop::TcpConnectionLimit,
    Drop::TcpAcceptQueueFull,
    Drop::TcpReassemblyLimit,
    Drop::TcpMemoryFull,
    Drop::NeighbourQueueFull,
    Drop::NeighbourUnreachable,
    Drop::ReplyQueueFull,
];

fn cases() -> impl Iterator<Item = &'static Case> {
    TABLE.iter().copied().flatten()
}

/// Every case in one life of a stack, which is as well afterwards as it was before.
fn run_table(fcs: bool) {
    let mut world = World::new(fcs);
    let mut conn = world.open();
    world.assert_works(&mut conn);
    let here = if fcs { On::Wire } else { On::Tap };
    let cases = cases().filter(|case| case.on == On::Both || case.on == here);
    let wrong: Vec<_> = cases.filter_map(|case| case.run(&mut world)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.assert_answers_ping();
    world.assert_works(&mut conn);
    let mut another = world.open();
    world.assert_works(&mut another);
}

#[test]
fn the_table_on_a_tap() {
    run_table(false);
}

#[test]
fn the_table_on_a_wire() {
    run_table(true);
}

#[test]
fn every_reason_has_a_case_or_a_test_of_its_own() {
    for &drop in Drop::ALL {
        let has_case = cases().any(|case| case.drop == drop);
        assert!(has_case != NOT_BY_ONE_FRAME.contains(&drop), "{drop:?} has a case: {has_case}");
    }
    let mut names: Vec<_> = cases().map(|case| case.name).collect();
    assert!(names.len() >= 70, "{}", names.len());
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
}

/// Each mechanism below TCP, broken on purpose, and the test that must go wrong then.
const NOTICED: &[(Fault, fn())] = &[
    (Fault::FcsUnchecked, the_table_on_a_wire),
    (Fault::Ipv4ChecksumUnchecked, the_table_on_a_tap),
    (Fault::TcpChecksumUnchecked, the_table_on_a_tap),
    (Fault::PaddingNotTrimmed, the_table_on_a_wire),
    (Fault::FragmentOverlapTaken, the_table_on_a_tap),
    (Fault::EchoNotFragmented, rules::echo_of_every_size_comes_back_whole),
    (Fault::ArpLearnsFromAll, neighbours::who_asks_for_us_is_learned_and_who_asks_for_others_is_not),
    (Fault::ArpNeverGivesUp, neighbours::after_three_requests_what_waits_is_told),
    (Fault::ArpNotProbed, neighbours::while_the_address_is_probed_nothing_is_answered),
];

#[test]
fn every_broken_mechanism_is_noticed() {
    let mut unnoticed = Vec::new();
    for &(fault, test) in NOTICED {
        fault::set(Some(fault));
        let result = catch_unwind(AssertUnwindSafe(test));
        fault::set(None);
        if result.is_ok() {
            unnoticed.push(fault);
        }
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}
