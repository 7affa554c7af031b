use proptest::prelude::*;

use super::boxes::{Look, draw};
use super::*;
use crate::fault::{self, Fault};
use crate::wire::{checksum::Sum, fcs};

#[expect(dead_code, unreachable_pub, reason = "an example has a main of its own")]
#[path = "../../examples/notes_frame.rs"]
mod notes;

/// The notes' frame: Ethernet to 14, IPv4 to 34, TCP to 54, HTTP to the end.
fn notes_frame() -> Vec<u8> {
    notes::frame()
}

fn whole(bytes: &[u8]) -> Captured<'_> {
    Captured { bytes, original_len: bytes.len(), medium: Framing::Ethernet }
}

fn verdict(dissection: &Dissection, key: Key) -> Verdict {
    let value = dissection.layers.iter().find_map(|layer| layer.field(key));
    match value {
        Some(Value::Check { verdict, .. }) => *verdict,
        other => panic!("{key:?} is {other:?}"),
    }
}

fn protocols(dissection: &Dissection) -> Vec<Protocol> {
    dissection.layers.iter().map(|layer| layer.protocol).collect()
}

fn remarks(dissection: &Dissection) -> Vec<Remark> {
    let of = |layer: &Layer| {
        let fields = layer.fields.iter().chain(&layer.trailer).filter_map(|f| f.remark);
        layer.remarks.iter().copied().chain(fields).collect::<Vec<_>>()
    };
    dissection.layers.iter().flat_map(of).collect()
}

/// Puts the right IPv4 checksum in, or after a change of the segment the right TCP one.
fn mend(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let sum = crate::wire::checksum::checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame[50..52].fill(0);
    let address = |at: usize| <[u8; 4]>::try_from(&frame[at..at + 4]).unwrap().into();
    let sum = Sum::pseudo_header(address(26), address(30), 6, frame.len() - 34).with(&frame[34..]).finish();
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn the_frame_of_the_notes_is_right_but_for_its_source() {
    let frame = notes_frame();
    let dissection = dissect(&whole(&frame), Secrecy::Shown);
    use Protocol::{Ethernet, Http, Ipv4, Tcp};
    assert_eq!(protocols(&dissection), [Ethernet, Ipv4, Tcp, Http]);
    assert_eq!(remarks(&dissection), [Remark::GroupSource]);
    assert_eq!(verdict(&dissection, Key::IpChecksum), Verdict::Good);
    assert_eq!(verdict(&dissection, Key::TcpChecksum), Verdict::Good);
    let right = u32::from_be_bytes(fcs::of(&frame));
    assert_eq!(verdict(&dissection, Key::EthFcs), Verdict::Computed(right.into()));
}

#[test]
fn checksums_are_judged_each_by_itself() {
    for (at, key) in [(22, Key::IpChecksum), (49, Key::TcpChecksum), (240, Key::TcpChecksum)] {
        let mut frame = notes_frame();
        let right = dissect(&whole(&frame), Secrecy::Shown);
        frame[at] ^= 1;
        let wrong = dissect(&whole(&frame), Secrecy::Shown);
        for other in [Key::IpChecksum, Key::TcpChecksum] {
            assert_eq!(verdict(&right, other), Verdict::Good);
            assert_eq!(matches!(verdict(&wrong, other), Verdict::Bad(_)), other == key, "{at} {other:?}");
        }
    }
}

#[test]
fn a_sum_of_the_pseudo_header_alone_was_left_to_the_device() {
    let mut frame = notes_frame();
    let right = u16::from_be_bytes([frame[50], frame[51]]);
    let pseudo = Sum::pseudo_header([192, 0, 2, 1].into(), [203, 0, 113, 1].into(), 6, frame.len() - 34);
    frame[50..52].copy_from_slice(&(!pseudo.finish()).to_be_bytes());
    let dissection = dissect(&whole(&frame), Secrecy::Hidden);
    assert_eq!(verdict(&dissection, Key::TcpChecksum), Verdict::Partial(right.into()));
}

#[test]
fn a_cut_frame_is_not_judged() {
    let frame = notes_frame();
    let cut = Captured { bytes: &frame[..54], original_len: frame.len(), medium: Framing::Ethernet };
    let dissection = dissect(&cut, Secrecy::Shown);
    assert_eq!(verdict(&dissection, Key::IpChecksum), Verdict::Good);
    assert_eq!(verdict(&dissection, Key::TcpChecksum), Verdict::Cut);
    assert_eq!(verdict(&dissection, Key::EthFcs), Verdict::Absent);
    assert_eq!(remarks(&dissection), [Remark::GroupSource, Remark::Cut]);
    let payload = dissection.layers[2].field(Key::TcpLen);
    assert_eq!(payload, Some(&Value::Number(frame.len() as u64 - 54, "bytes")));
}

#[test]
fn an_fcs_is_found_judged_or_computed() {
    let mut frame = notes_frame();
    frame.extend(fcs::of(&frame.clone()));
    assert_eq!(verdict(&dissect(&whole(&frame), Secrecy::Hidden), Key::EthFcs), Verdict::Good);
    frame[20] ^= 1;
    let told = Framing::Known(Medium::Ethernet { fcs: true });
    let bad = dissect(&Captured { medium: told, ..whole(&frame) }, Secrecy::Hidden);
    assert!(matches!(verdict(&bad, Key::EthFcs), Verdict::Bad(_)));
    // Nobody said that it is one, and it is not right: four bytes that follow the packet.
    let guess = dissect(&whole(&frame), Secrecy::Hidden);
    assert_eq!(guess.layers[0].field(Key::EthTrailer), Some(&Value::Number(4, "bytes")));
    // The FCS of a short frame covers the padding that a wire wants.
    let arp = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[8, 6], &[0; 28]].concat();
    let mut padded = arp.clone();
    padded.resize(60, 0);
    let right = u32::from_be_bytes(fcs::of(&padded));
    let dissection = dissect(&whole(&arp), Secrecy::Hidden);
    assert_eq!(verdict(&dissection, Key::EthFcs), Verdict::Computed(right.into()));
    padded.extend(fcs::of(&padded.clone()));
    let dissection = dissect(&whole(&padded), Secrecy::Hidden);
    assert_eq!(verdict(&dissection, Key::EthFcs), Verdict::Good);
    assert_eq!(dissection.layers[0].field(Key::EthPadding), Some(&Value::Number(18, "bytes")));
}

#[test]
fn damaged_lengths_are_named_and_the_rest_is_shown() {
    for (at, value, remark) in [
        (14, 0x65, Remark::BadVersion),
        (14, 0x43, Remark::BadHeaderLength),
        (16, 0x00, Remark::LengthUnderHeader),
        (16, 0x05, Remark::LengthOver { there: 233 }),
        (20, 0xc0, Remark::ReservedBit),
        (46, 0x40, Remark::BadHeaderLength),
        (46, 0xf0, Remark::BadOption),
        (46, 0x58, Remark::ReservedBit),
        (47, 0x03, Remark::OddFlags),
        (47, 0x00, Remark::OddFlags),
    ] {
        let mut frame = notes_frame();
        frame[at] = value;
        if at == 16 {
            frame[17] = if value == 0 { 19 } else { 220 };
        }
        let found = remarks(&dissect(&whole(&frame), Secrecy::Shown));
        assert!(found.contains(&remark), "{at} {value:#x}: {found:?}");
    }
}

#[test]
fn a_later_fragment_has_no_header_of_its_own() {
    let mut frame = notes_frame();
    frame[20..22].copy_from_slice(&[0x20, 0x05]);
    let dissection = dissect(&whole(&frame), Secrecy::Shown);
    assert_eq!(protocols(&dissection), [Protocol::Ethernet, Protocol::Ipv4, Protocol::Data]);
    assert!(remarks(&dissection).contains(&Remark::LaterFragment));
    // A first fragment has one, but its checksum covers what follows in others.
    frame[20..22].copy_from_slice(&[0x20, 0x00]);
    assert_eq!(verdict(&dissect(&whole(&frame), Secrecy::Shown), Key::TcpChecksum), Verdict::Incomplete);
}

#[test]
fn an_icmp_error_quotes_the_packet_it_is_about() {
    let notes = notes_frame();
    let mut frame = notes[..34].to_vec();
    frame[23] = 1;
    frame.extend([3, 4, 0, 0, 0, 0, 0x05, 0x78]);
    frame.extend(&notes[14..42]);
    let len = frame.len() as u16 - 14;
    frame[16..18].copy_from_slice(&len.to_be_bytes());
    let sum = crate::wire::checksum::checksum(&frame[34..]);
    frame[36..38].copy_from_slice(&sum.to_be_bytes());
    let dissection = dissect(&whole(&frame), Secrecy::Shown);
    use Protocol::{Ethernet, Icmp, Ipv4, Tcp};
    assert_eq!(protocols(&dissection), [Ethernet, Ipv4, Icmp, Ipv4, Tcp]);
    assert_eq!(verdict(&dissection, Key::IcmpChecksum), Verdict::Good);
    let quoted: Vec<bool> = dissection.layers.iter().map(|l| l.is_quoted).collect();
    assert_eq!(quoted, [false, false, false, true, true]);
    assert_eq!(dissection.layers[2].field(Key::IcmpMtu), Some(&Value::Number(1400, "bytes")));
    assert_eq!(dissection.layers[4].field(Key::TcpSeq), Some(&Value::Number(123_456_789, "")));
}

#[test]
fn tcp_options_are_read_one_by_one() {
    let mut frame = notes_frame()[..54].to_vec();
    frame.extend([2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 1, 3, 3, 7]);
    frame.extend([5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 254, 4, 1, 2, 1, 0]);
    frame[46] = ((20 + 36) / 4) << 4;
    frame[47] = 0x02;
    frame[16..18].copy_from_slice(&76u16.to_be_bytes());
    mend(&mut frame);
    let dissection = dissect(&whole(&frame), Secrecy::Hidden);
    let tcp = &dissection.layers[2];
    for (key, value) in [
        (Key::TcpMss, 1460),
        (Key::TcpSackPermitted, 1),
        (Key::TcpTsVal, 7),
        (Key::TcpTsEcr, 9),
        (Key::TcpWindowScale, 7),
        (Key::TcpSackLeft, 1),
        (Key::TcpSackRight, 2),
        (Key::TcpOption, 254),
        (Key::TcpLen, 0),
    ] {
        assert!(matches!(tcp.field(key), Some(Value::Number(n, _)) if *n == value), "{key:?}");
    }
    assert_eq!(verdict(&dissection, Key::TcpChecksum), Verdict::Good);
    assert_eq!(remarks(&dissection), [Remark::GroupSource, Remark::Scaled { factor: 128 }]);
}

/// A frame with this payload, whole and right.
fn carrying(payload: &[u8]) -> Vec<u8> {
    let mut frame = notes_frame()[..54].to_vec();
    frame.extend(payload);
    let len = frame.len() as u16 - 14;
    frame[16..18].copy_from_slice(&len.to_be_bytes());
    mend(&mut frame);
    frame
}

fn everything_shown(frame: &[u8], secrecy: Secrecy) -> String {
    let dissection = dissect(&whole(frame), secrecy);
    let json = serde_json::Value::Object(json::object(&dissection)).to_string();
    draw(&dissection, Look { width: 1000, ..Look::default() }) + &json
}

#[test]
fn bodies_and_credentials_are_shown_on_request_alone() {
    let secret = "hunter2";
    for payload in [
        format!("POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{secret}"),
        format!("GET /?access_token={secret} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nAuthorization: Bearer {secret}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nAuthorization: Bearer {secret}"),
        format!("GET / HTTP/1.1\r\nAuthorization: Bearer\r\n {secret}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nCookie: a={secret}; b=2\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nReferer: http://x/?a=b&token={secret}\r\n\r\n"),
        format!("HTTP/1.1 302 Found\r\nLocation: /next?code={secret}\r\n\r\n"),
        format!("GET http://bob:{secret}"),
        format!("GET {secret} and so on\r\n"),
        format!("GET / HTTP/1.1\r\nReferer: http://bob:{secret}"),
        format!("GET / HTTP/1.1\r\nX: a\rAuthorization: {secret}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nBearer {secret}: x\r\n\r\n"),
        format!("CONNECT bob:{secret}@h:443 HTTP/1.1\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nSet-Cookie: id={secret}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc{secret}"),
        format!("{secret} in the middle of a stream"),
        format!("oken: {secret}\r\nHost: x\r\n\r\n"),
    ] {
        let frame = carrying(payload.as_bytes());
        assert!(!everything_shown(&frame, Secrecy::Hidden).contains(secret), "{payload}");
        assert!(everything_shown(&frame, Secrecy::Shown).contains(secret), "{payload}");
    }
}

#[test]
fn no_damaged_length_shows_a_byte_of_a_body() {
    let frame = carrying(&[b'S'; 120]);
    for (at, values) in [(14, 0x40..=0x4f), (46, 0x00..=0xff)] {
        for value in values {
            let mut damaged = frame.clone();
            damaged[at] = value;
            let shown = everything_shown(&damaged, Secrecy::Hidden);
            // 0x53 is an S; 0x5353 is 21331.
            assert!(
                !shown.contains("21331") && !shown.contains("SS") && !shown.contains("1397969747"),
                "{value:#x}"
            );
        }
    }
}

#[test]
fn no_damaged_ip_header_shows_a_byte_of_a_body() {
    // The middle of a stream, as a later fragment: what stands behind the IP header is body.
    let mut frame = notes_frame()[..34].to_vec();
    frame.extend([b'S'; 120]);
    frame[16..18].copy_from_slice(&140u16.to_be_bytes());
    frame[20..22].copy_from_slice(&[0x00, 0x40]);
    frame[24..26].fill(0);
    let sum = crate::wire::checksum::checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    for bit in 14 * 8..34 * 8 {
        let mut damaged = frame.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let shown = everything_shown(&damaged, Secrecy::Hidden);
        assert!(
            !shown.contains("21331") && !shown.contains("SS") && !shown.contains("1397969747"),
            "bit {bit}"
        );
    }
}

#[test]
fn no_option_makes_us_panic() {
    for (kind, len, pointer) in [(131, 2, 0), (131, 3, 0), (137, 3, 2), (131, 4, 0), (131, 7, 4)] {
        let mut frame = carrying(b"x");
        frame[14] = 0x47;
        frame.splice(34..34, [kind, len, pointer, 0, 0, 0, 0, 0]);
        dissect(&whole(&frame), Secrecy::Shown);
    }
}

#[test]
fn what_the_network_says_does_not_steer_the_terminal() {
    let payload =
        "GET /\u{1b}]0;owned\u{7}\u{202e} HTTP/1.1\r\nX\u{1b}[2J: \u{1b}[31m\r\n\r\n\u{1b}[0m\u{85}\nx";
    let drawing = draw(&dissect(&whole(&carrying(payload.as_bytes())), Secrecy::Shown), Look::default());
    assert!(drawing.chars().all(|c| c == '\n' || !c.is_control()), "{drawing:?}");
    assert!(!drawing.contains('\u{202e}'));
    let json = serde_json::Value::Object(json::object(&dissect(
        &whole(&carrying(payload.as_bytes())),
        Secrecy::Shown,
    )));
    let line = json::line(&json);
    assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), json);
}

#[test]
fn tls_shows_that_only_the_application_layer_is_encrypted() {
    let record = [&[23, 3, 3, 0, 5][..], b"xxxxx"].concat();
    let dissection = dissect(&whole(&carrying(&record.repeat(2))), Secrecy::Shown);
    assert_eq!(dissection.layers[3].protocol, Protocol::Tls);
    assert_eq!(dissection.layers[3].fields.len(), 8);
}

#[test]
fn a_box_is_a_rectangle_in_every_language() {
    use unicode_width::UnicodeWidthStr as _;
    let frame = carrying(
        "HTTP/1.1 200 OK\r\nX-Name: 홍길동\r\n\r\n별명은 홍길동이고 나머지는 길고 길고 긴 본문\n\u{1}\u{2}"
            .as_bytes(),
    );
    for language in [Language::English, Language::Korean] {
        for (width, is_ascii) in [(60, false), (60, true), (100, false), (45, false)] {
            let look = Look { language, is_ascii, width, is_colored: false };
            let drawing = draw(&dissect(&whole(&frame), Secrecy::Shown), look);
            let widths: Vec<usize> = drawing.lines().map(|line| line.width()).collect();
            assert!(widths.windows(2).all(|w| w[0] == w[1]), "{drawing}");
            assert!(widths[0] <= width.max(16 + NARROWEST_BOX), "{drawing}");
            assert!(!is_ascii || language == Language::Korean || !drawing.contains('│'));
        }
    }
}

const NARROWEST_BOX: usize = 24;

#[test]
fn every_broken_mechanism_is_noticed() {
    let noticed: [(Fault, fn()); 2] = [
        (Fault::SecretsShown, bodies_and_credentials_are_shown_on_request_alone),
        (Fault::ChecksumsBelieved, checksums_are_judged_each_by_itself),
    ];
    for (fault, test) in noticed {
        fault::set(Some(fault));
        let result = std::panic::catch_unwind(test);
        fault::set(None);
        assert!(result.is_err(), "{fault:?} is not noticed");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), more in 0usize..2000, medium in 0usize..4,
    ) {
        let medium: Framing = [
            Framing::Ethernet,
            Framing::Known(Medium::Ip),
            Framing::Known(Medium::Ethernet { fcs: true }),
            Framing::Known(Medium::Ethernet { fcs: false }),
        ][medium];
        let frame = Captured { bytes: &bytes, original_len: bytes.len() + more, medium };
        let dissection = dissect(&frame, Secrecy::Shown);
        draw(&dissection, Look { width: 40, ..Look::default() });
        json::object(&dissection);
    }

    #[test]
    fn a_flipped_byte_and_a_cut_are_survived(at in 0usize..247, with: u8, len in 0usize..=247) {
        let mut frame = notes_frame();
        frame[at] ^= with;
        let dissection = dissect(&whole(&frame[..len]), Secrecy::Shown);
        prop_assert!(!draw(&dissection, Look::default()).is_empty());
    }
}
