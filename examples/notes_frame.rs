//! The frame of the notes this project began with: an HTTP request, in TCP, in IPv4, in Ethernet.
//!
//! ```sh
//! cargo run --example notes_frame | cargo run -- explain --payload
//! ```
//!
//! The README draws it and says what the notes had wrong. The checksums are computed here, not copied from there.

use std::net::Ipv4Addr;

use taphouse::wire::checksum::Sum;
use taphouse::wire::ethernet::{self, EtherType, Mac};
use taphouse::wire::ipv4::{self, protocol};
use taphouse::wire::seq::SeqNum;
use taphouse::wire::tcp::{self, Flags};
use taphouse::wire::tcp_options::Options;

const BODY: &str = r#"{"nickname":"hong","email":"hong@example.com"}"#;

/// The frame without an FCS, as a TAP carries it.
pub fn frame() -> Vec<u8> {
    let request = format!(
        "GET /users/123?details=full HTTP/1.1\r\n\
         Host: www.example.com\r\n\
         Authorization: Bearer token123\r\n\
         Content-Type: application/json\r\n\
         Content-Length: {}\r\n\
         \r\n\
         {BODY}",
        BODY.len()
    );
    let (src, dst) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(203, 0, 113, 1));
    let segment = tcp::Header {
        src_port: 12345,
        dst_port: 80,
        seq: SeqNum(123_456_789),
        ack: SeqNum(987_654_321),
        flags: Flags::PSH | Flags::ACK,
        window: 8192,
        urgent: 0,
    };
    let packet = ipv4::Header { id: 54321, ttl: 64, ..ipv4::Header::new(protocol::TCP, src, dst) };
    let ethernet = ethernet::Header {
        dst: Mac([0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]),
        src: Mac([0x01, 0x2b, 0x3c, 0x4d, 0x5e, 0x6f]),
        ether_type: EtherType::Ipv4,
    };

    let mut ethernet_header = [0; ethernet::HEADER_LEN];
    ethernet.emit(&mut ethernet_header);
    let mut ip_header = [0; ipv4::HEADER_LEN];
    packet.emit(tcp::HEADER_LEN + request.len(), &mut ip_header);
    let mut tcp_header = [0; tcp::HEADER_LEN];
    segment.emit(&Options::default(), &mut tcp_header);
    let pseudo = Sum::pseudo_header(src, dst, protocol::TCP, tcp::HEADER_LEN + request.len());
    let checksum = pseudo.with(&tcp_header).with(request.as_bytes()).finish();
    tcp_header[tcp::CHECKSUM_AT..tcp::CHECKSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());

    [&ethernet_header[..], &ip_header, &tcp_header, request.as_bytes()].concat()
}

fn main() {
    for line in frame().chunks(32) {
        let digits: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{}", digits.join(" "));
    }
}
