//! Urgent data in both directions: RFC 9293 3.8.5, RFC 6093.

use crate::harness::{Setup, Talk, seg, stream_bytes};

#[test]
fn urgent_data_is_told_and_its_end_is_known() {
    // RFC 9293 3.8.5, MUST-62 (the pointer names the byte after it), MUST-32, MUST-33.
    let mut talk = Talk::accepted();
    talk.hears(seg("PUA", 1, 1).len(10).urg(4));
    assert_eq!(talk.events(), ["Readable", "Urgent"]);
    assert_eq!(talk.stream().urgent(), Some(4));
    assert_eq!(talk.read(), stream_bytes(1, 10));
    assert_eq!(talk.stream().urgent(), None);
}

#[test]
fn urgent_data_is_told_before_it_arrives() {
    // RFC 9293 3.8.5: the pointer may stand beyond the segment, and the segment may be empty.
    let mut talk = Talk::accepted();
    talk.hears(seg("UA", 1, 1).urg(300));
    assert_eq!((talk.events(), talk.stream().urgent()), (vec!["Urgent".to_owned()], Some(300)));
    talk.hears(seg("PA", 1, 1).len(200));
    assert_eq!(talk.read().len(), 200);
    assert_eq!(talk.stream().urgent(), Some(100));
    talk.hears(seg("PA", 201, 1).len(200));
    assert_eq!(talk.read().len(), 200);
    assert_eq!(talk.stream().urgent(), None);
}

#[test]
fn urgent_data_that_is_here_and_unread_is_told_too() {
    // RFC 9293 3.8.5, MUST-32; 3.10.7.4, sixth: "in advance of the data consumed", which is less than what has come.
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).len(100));
    assert_eq!(talk.events(), ["Readable"]);
    talk.hears(seg("UA", 101, 1).urg(0));
    assert_eq!((talk.events(), talk.stream().urgent()), (vec!["Urgent".to_owned()], Some(100)));
    talk.hears(seg("UA", 101, 1).urg(0));
    assert_eq!(talk.events(), Vec::<String>::new());
    talk.read();
    assert_eq!(talk.stream().urgent(), None);
}

#[test]
fn the_same_urgent_data_is_told_once() {
    // RFC 9293 3.10.7.4, sixth: "do not signal the user again"; MUST-32: when there was none before, or more.
    let mut talk = Talk::accepted();
    talk.hears(seg("PUA", 1, 1).len(10).urg(50));
    assert_eq!(talk.events(), ["Readable", "Urgent"]);
    talk.hears(seg("PUA", 11, 1).len(10).urg(40));
    assert_eq!(talk.events(), ["Readable"]);
    // RCV.UP <- max(RCV.UP, SEG.UP): an earlier one is no news.
    talk.hears(seg("PUA", 21, 1).len(10).urg(5));
    assert_eq!((talk.events(), talk.stream().urgent()), (vec!["Readable".to_owned()], Some(50)));
    talk.read();
    talk.hears(seg("PUA", 31, 1).len(10).urg(100));
    assert!(talk.events().contains(&"Urgent".to_owned()));
    assert_eq!(talk.stream().urgent(), Some(100));
}

#[test]
fn an_urgent_pointer_to_what_was_read_is_no_news() {
    // RFC 9293 3.10.7.4, sixth: "if the urgent pointer is in advance of the data consumed".
    let mut talk = Talk::accepted();
    talk.hears(seg("PA", 1, 1).len(100));
    talk.read();
    talk.events();
    talk.hears(seg("UA", 101, 1).urg(0));
    assert_eq!((talk.events(), talk.stream().urgent()), (vec![], None));
}

#[test]
fn a_closed_window_takes_the_urgent_pointer() {
    // RFC 9293 3.10.7.4, first: "special allowance should be made to accept valid ACKs, URGs, and RSTs".
    let mut talk = Talk::accepted();
    for n in 0..7 {
        talk.hears(seg("A", 1 + n * 10_000, 1).len(10_000.min(65_535 - n as usize * 10_000)));
    }
    talk.take();
    talk.events();
    talk.hears(seg("UA", 65_536, 1).urg(7));
    assert_eq!((talk.events(), talk.stream().urgent()), (vec!["Urgent".to_owned()], Some(65_542)));
}

#[test]
fn what_is_marked_urgent_says_so_until_it_is_sent() {
    // RFC 9293 3.8.5, MUST-62; RFC 6093 4: the pointer counts from the segment to the byte after the urgent data.
    let mut talk = Talk::accepted();
    talk.write(2000);
    talk.stream().mark_urgent();
    talk.write(3000);
    talk.stream().set_nagle(false);
    talk.says(&[
        "AU 1+1460 ack 1 win 65535 urg 2000",
        "AU 1461+1460 ack 1 win 65535 urg 540",
        "A 2921+1460 ack 1 win 65535",
        "PA 4381+620 ack 1 win 65535",
    ]);
}

#[test]
fn what_is_sent_again_is_urgent_again() {
    // RFC 9293 3.8.5: SND.UP stands until it is acknowledged.
    let mut talk = Talk::accepted();
    talk.write(10);
    talk.stream().mark_urgent();
    let line = "PAU 1+10 ack 1 win 65535 urg 10";
    talk.pass_says(250, &[(0, line), (200, line)]);
    talk.hears(seg("A", 1, 11));
    talk.write(10);
    talk.says(&["PA 11+10 ack 1 win 65535"]);
}

#[test]
fn urgent_data_longer_than_the_pointer_reaches_is_urgent_to_its_end() {
    // RFC 9293 3.8.5, MUST-31: "a sequence of urgent data of any length".
    let mut talk = Talk::accepted();
    talk.write(100_000);
    talk.stream().mark_urgent();
    let (mut acked, mut pointers) = (1, Vec::new());
    while acked < 100_001 {
        for said in talk.take() {
            let seq = (said.header.seq - talk.iss) as i64;
            pointers.push((seq, i64::from(said.header.urgent)));
            acked = seq + said.payload.len() as i64;
        }
        talk.hears(seg("A", 1, acked));
    }
    assert!(pointers.len() >= 69, "{}", pointers.len());
    for (seq, pointer) in pointers {
        assert_eq!(pointer, (100_001 - seq).min(65_535));
    }
}

#[test]
fn what_is_marked_urgent_before_the_handshake_is_urgent_after_it() {
    // RFC 9293 3.8.5, MUST-62.
    let mut talk = Talk::connecting(Setup::default());
    talk.write(5);
    talk.stream().mark_urgent();
    talk.hears(talk.syn("SA"));
    talk.says(&["PAU 1+5 ack 1 win 65535 urg 5"]);
}
