//! What is recorded at the link reads as what passed it: by our own reader here, by tshark in tests/namespace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use proptest::prelude::*;
use taphouse::fault::{self, Fault};
use taphouse::frame::{Frame, Medium, Properties};
use taphouse::inspect::boxes::{Look, draw};
use taphouse::inspect::capture::{Direction, Error, Reader};
use taphouse::inspect::{Framing, Secrecy, dissect};
use taphouse::link::memory::{self, Memory};
use taphouse::link::recorder::Keep;
use taphouse::link::watch::Watched;
use taphouse::link::{Link, Received};
use taphouse::time::{Duration, Instant};

#[expect(dead_code, unreachable_pub, reason = "an example has a main of its own")]
#[path = "../examples/notes_frame.rs"]
mod notes_frame;

const PROPERTIES: Properties = Properties { medium: Medium::Ethernet { fcs: false }, mtu: 1500 };
const EPOCH: u64 = 1_700_000_000_123_456_789;

fn watched(properties: Properties) -> (Watched<Memory>, Memory) {
    let (near, far) = memory::pair(properties);
    (Watched::new(near, "tap0", EPOCH), far)
}

/// The notes' frame as the stack would send it: headers in the head, the rest in two slices.
fn outgoing(bytes: &[u8]) -> Frame {
    let mut frame = Frame::default();
    frame.grow_head(54).copy_from_slice(&bytes[..54]);
    frame.push_payload(Bytes::copy_from_slice(&bytes[54..100]));
    frame.push_payload(Bytes::copy_from_slice(&bytes[100..]));
    frame
}

fn frames(capture: &[u8]) -> Vec<taphouse::inspect::capture::Frame> {
    let mut reader = Reader::new(capture);
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        frames.push(frame);
    }
    frames
}

#[test]
fn both_ways_are_recorded_with_time_direction_and_length() {
    let notes = notes_frame::frame();
    for (keep, kept) in [(Keep::Headers, 54), (Keep::All, notes.len())] {
        let (mut link, mut wire) = watched(PROPERTIES);
        let id = link.watch(keep);
        wire.inject(notes.clone());
        let later = Instant::ZERO + Duration::from_millis(5);
        assert!(matches!(link.recv(Instant::ZERO, &mut [0; 2000]), Received::Frame(_)));
        link.send(later, &outgoing(&notes));
        let found = frames(&link.take(later, id).unwrap());
        assert_eq!(found.len(), 2);
        for frame in &found {
            assert_eq!(frame.bytes, notes[..kept]);
            assert_eq!(frame.original_len, notes.len());
            assert_eq!(frame.framing, Ok(Framing::Known(PROPERTIES.medium)));
        }
        assert_eq!(found[0].direction, Some(Direction::In));
        assert_eq!(found[1].direction, Some(Direction::Out));
        assert_eq!((found[0].time, found[1].time), (Some(EPOCH), Some(EPOCH + 5_000_000)));
    }
}

#[test]
fn no_byte_of_a_body_is_in_a_capture_that_was_not_asked_for_it() {
    let notes = notes_frame::frame();
    let (mut link, mut wire) = watched(PROPERTIES);
    let id = link.watch(Keep::Headers);
    for bit in 0..notes.len() * 8 {
        let mut damaged = notes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        wire.inject(damaged);
        link.recv(Instant::ZERO, &mut [0; 2000]);
    }
    let capture = link.take(Instant::ZERO, id).unwrap();
    let holds = |text: &[u8]| capture.windows(text.len()).any(|window| window == text);
    assert!(!holds(b"GET ") && !holds(b"GET") && !holds(b"users") && !holds(b"token"));
}

#[test]
fn a_link_without_watchers_records_nothing_and_each_watcher_has_his_own() {
    let notes = notes_frame::frame();
    let (mut link, _wire) = watched(PROPERTIES);
    link.send(Instant::ZERO, &outgoing(&notes));
    let first = link.watch(Keep::Headers);
    link.send(Instant::ZERO, &outgoing(&notes));
    let second = link.watch(Keep::All);
    link.send(Instant::ZERO, &outgoing(&notes));
    assert_eq!(frames(&link.take(Instant::ZERO, first).unwrap()).len(), 2);
    assert_eq!(frames(&link.take(Instant::ZERO, second).unwrap()).len(), 1);
    link.unwatch(first);
    assert_eq!(link.take(Instant::ZERO, first), None);
    assert!(link.is_watched());
    link.unwatch(second);
    assert!(!link.is_watched());
}

#[test]
fn a_watcher_who_takes_nothing_loses_frames_and_is_told_how_many() {
    let notes = notes_frame::frame();
    let (mut link, mut wire) = watched(PROPERTIES);
    let id = link.watch(Keep::All);
    for _ in 0..40_000 {
        link.send(Instant::ZERO, &outgoing(&notes));
        wire.take().unwrap();
    }
    assert!(link.waiting(id) <= 5 << 20);
    let capture = link.take(Instant::ZERO, id).unwrap();
    let mut reader = Reader::new(&capture[..]);
    let mut count = 0;
    while reader.next_frame().unwrap().is_some() {
        count += 1;
    }
    assert!(count < 40_000);
    assert_eq!(reader.lost(), 40_000 - count);
}

#[test]
fn every_prefix_of_a_capture_gives_its_whole_frames_and_says_that_it_ends_early() {
    let notes = notes_frame::frame();
    let (mut link, _wire) = watched(Properties { medium: Medium::Ethernet { fcs: true }, mtu: 1500 });
    let id = link.watch(Keep::All);
    (0..3).for_each(|_| drop(link.send(Instant::ZERO, &outgoing(&notes))));
    let capture = link.take(Instant::ZERO, id).unwrap();
    for len in 0..capture.len() {
        let mut reader = Reader::new(&capture[..len]);
        let mut count = 0;
        let end = loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert_eq!(frame.framing, Ok(Framing::Known(Medium::Ethernet { fcs: true })));
                    count += 1;
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(count < 3);
        let is_good = matches!(end, None | Some(Error::Truncated | Error::Unknown(_)));
        assert!(is_good, "{len}: {end:?}");
    }
}

/// Reads to the end, whatever comes, and says how many frames there were.
fn read_all(input: &[u8]) -> usize {
    let mut reader = Reader::new(input);
    let mut count = 0;
    while let Ok(Some(frame)) = reader.next_frame() {
        count += 1;
        if let Ok(captured) = frame.captured() {
            let dissection = dissect(&captured, Secrecy::Shown);
            draw(&dissection, Look::default());
        }
        assert!(count <= input.len(), "a frame has at least a byte");
    }
    count
}

fn both_formats() -> [Vec<u8>; 2] {
    let notes = notes_frame::frame();
    let (mut link, _wire) = watched(PROPERTIES);
    let id = link.watch(Keep::All);
    (0..3).for_each(|_| drop(link.send(Instant::ZERO, &outgoing(&notes))));
    let mut legacy = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0].to_vec();
    legacy.extend([0; 8]);
    legacy.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    for seconds in 0..3u32 {
        let len = (notes.len() as u32).to_le_bytes();
        legacy.extend([&seconds.to_le_bytes()[..], &[7, 0, 0, 0], &len, &len, &notes].concat());
    }
    [link.take(Instant::ZERO, id).unwrap(), legacy]
}

#[test]
fn a_pcap_reads_as_well() {
    let [_, legacy] = both_formats();
    let found = frames(&legacy);
    assert_eq!(found.len(), 3);
    assert_eq!((found[2].time, found[2].framing), (Some(2_000_007_000), Ok(Framing::Ethernet)));
    assert_eq!(found[2].bytes, notes_frame::frame());
}

#[test]
fn every_broken_mechanism_is_noticed() {
    let noticed: [(Fault, fn()); 3] = [
        (Fault::CaptureKeepsBodies, no_byte_of_a_body_is_in_a_capture_that_was_not_asked_for_it),
        (Fault::DamagedLengthsBelieved, no_byte_of_a_body_is_in_a_capture_that_was_not_asked_for_it),
        (Fault::WatchersStay, a_link_without_watchers_records_nothing_and_each_watcher_has_his_own),
    ];
    for (fault, test) in noticed {
        fault::set(Some(fault));
        let result = std::panic::catch_unwind(test);
        fault::set(None);
        assert!(result.is_err(), "{fault:?} is not noticed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_input_is_survived(start in 0usize..4, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let magics: [&[u8]; 4] = [b"", &[0x0a, 0x0d, 0x0d, 0x0a], &[0xd4, 0xc3, 0xb2, 0xa1], b"0000  "];
        read_all(&[magics[start], &bytes].concat());
    }

    #[test]
    fn a_damaged_capture_is_survived(
        format in 0usize..2, changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut capture = both_formats()[format].clone();
        for (at, with) in changes {
            let at = at.index(capture.len());
            capture[at] = with;
        }
        capture.truncate(cut.index(capture.len()) + 1);
        read_all(&capture);
    }

    #[test]
    fn any_text_is_survived(text in "[0-9a-fx:, |\\n\\t#]{0,300}") {
        read_all(text.as_bytes());
    }
}
