//! The frames of `tests/namespace/malformed.py` mean here what the script says that they mean to a live server.

use std::process::Command;

use taphouse::drops::Drop;
use taphouse::time::Duration;
use taphouse::wire::ethernet::Mac;

use super::build::*;
use super::harness::World;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
#[ignore = "needs python3; run it after a change to the script"]
fn the_frames_of_the_namespace_test_are_counted_as_it_says() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/namespace/malformed.py");
    let output = Command::new("python3").args([script, "--dump"]).output().expect("python3 runs");
    let text = String::from_utf8(output.stdout).expect("ASCII");
    let mut world = World::new(false);
    assert!(text.lines().count() >= 45, "{text}");
    for line in text.lines() {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("name, reason, count");
        let (name, reason, count) = (word(), word(), word().parse().expect("a number"));
        let reason = Drop::ALL.iter().find(|drop| drop.name() == reason);
        world.pass(Duration::from_millis(100));
        world.give(&arp_request(Mac([2, 0, 0, 0, 0, 0x77]), OTHER, US));
        let before = world.stack.drops().clone();
        words.for_each(|frame| drop(world.give(&bytes(frame))));
        assert_eq!(world.moved(&before), [(*reason.expect("a reason that there is"), count)], "{name}");
    }
    world.introduce();
    world.assert_answers_ping();
}
