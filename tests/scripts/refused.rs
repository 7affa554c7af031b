//! Scripts that must be refused, and scripts that must fail: a runner that takes everything proves nothing.

use super::{parser, play};

const OPENED: &str = "config sack=off timestamps=off ecn=off quick_acks=0\nlisten 80\n\
    +0 < SYN seq 0 win 65535 <mss 1460>\n\
    +0 > SYN ACK seq 0 ack 1\n\
    +0 < ACK seq 1 ack 1 win 65535\n\
    +0 accept\n";

#[test]
fn what_is_wrong_with_a_script_is_said_with_its_place() {
    let cases = [
        ("", "1:1: expected a step, found none"),
        ("+0 < SYN seq 0 win", "1:19: expected a window, found the end of the line"),
        (
            "+0 < SYN seq zero",
            "1:14: expected a sequence number, or `from:to` with the number after the last byte",
        ),
        ("+0 < SYM seq 0", "1:6: expected the flags of a segment (or `none`), found `SYM`"),
        ("+0 < ACK seq 0", "1:15: expected `seq` and, with ACK, `ack` for a segment that is sent"),
        ("+0 < SYN seq 0 <mss 1460 wscale 7>", "1:26: expected `,`, found `wscale`"),
        ("+0 < SYN seq 0 <maximum 1460>", "1:17: expected an option, found `maximum`"),
        ("+0 < SYN seq 0 seq 1", "1:20: it was said before"),
        ("+0 < SYN seq 0 exact", "1:16: expected a field of a segment, found `exact`"),
        ("+x > SYN", "1:1: expected a time, as `+0.2`, `+0.2~0.001` or `+0.2..0.25`"),
        ("+2..1 > SYN", "1:1: expected a time"),
        ("+1..2 quiet", "1:12: expected one point in time"),
        ("# words\nlisten 80\n\nfly", "4:1: expected `<`, `>`, `quiet`, a verb or a check, found `fly`"),
        ("listen 80\nconfig mtu=1500", "2:1: it belongs before the first step"),
        ("config mtu=1", "1:8: expected a number from 68 to 9000, found `mtu=1`"),
        ("config mut=1500", "1:8: expected a key of the configuration"),
        ("breaks-with: NoGravity", "1:14: expected a fault of TCP"),
        ("listen 80 81", "1:11: expected the end of the line, found `81`"),
        ("listen 65536", "1:8: expected a port, found `65536`"),
        ("+0 < icmp unreachable often quote seq 0", "1:23: expected `net`, `host`"),
        ("+0 > ACK by 1460", "1:17: expected `seq A:B` where there is `by`"),
    ];
    for (text, expected) in cases {
        let error = parser::parse(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with(expected), "{text:?}: {error:?} does not begin with {expected:?}");
    }
}

#[test]
fn a_script_that_says_something_else_fails_at_its_line() {
    let cases = [
        (7, "+0 < ACK seq 0 ack 1 win 65535", "a segment left that no line expects"),
        (7, "+0.1 > ACK", "nothing left by 0.100100 s"),
        (8, "+0 write 10\n+0 > ACK seq 1:12", "seq 1:11 instead of 1:12"),
        (8, "+0 write 10\n+0 > ACK seq 2:*", "seq 1:11 instead of 2:*"),
        (8, "+0 write 10\n+0 > ACK ack 2", "ack 1 instead of 2"),
        (8, "+0 write 10\n+0 > FIN ACK", "flags A instead of FA"),
        (8, "+0 write 10\n+0 > ACK win 1..2", "win 65408 instead of 1..2"),
        (8, "+0 write 10\n+0 > ACK <sack 1:2>", "sack [] instead of [(1, 2)]"),
        (8, "+0 write 10\n+0 > ACK <mss 1>", "no mss"),
        (8, "+0 write 10\n+0 > PSH ACK exact urg 3", "urg 0 instead of 3"),
        (8, "+0 write 10\n+0 > ACK exact", "flags PA instead of A"),
        (8, "+0 write 10\n+0 > ACK ce", "ecn 0 instead of 3"),
        (8, "+0 write 10\n+0.01..0.02 > ACK", "it left at 0.000000 s, not from 0.010000 s"),
        (9, "+0 write 10\n+0 > ACK\n+0.3 quiet", "a segment left that no line expects"),
        (7, "+0 state CLOSE-WAIT", "the state is ESTABLISHED"),
        (7, "+0 state OPEN", "`OPEN` is no state of RFC 9293"),
        (7, "+0 report cwnd 1", "cwnd is Number(14600)"),
        (7, "+0 report nonsense 1", "`nonsense` is not in the report"),
        (7, "+0 counter tcp_no_ack 1", "the counter tcp_no_ack is 0, not 1"),
        (7, "+0 counter accepted 2", "the counter accepted is 1, not 2"),
        (7, "+0 expect event connected", "no event `connected`"),
        (8, "+0 < PSH ACK seq 1:11 ack 1\n+0 expect no event", "the event `readable`"),
        (
            8,
            "+0 < PSH ACK seq 1:11 ack 1 garbled\n+0 read all",
            "byte 1 of the stream is not what the peer sent",
        ),
        (8, "+0 < PSH ACK seq 1:11 ack 1\n+0 read 11", "read 10 bytes, not 11"),
        (7, "+0 < RST seq 1", "the event `closed reset`, which no line expects"),
        (7, "+0 write 10", "a segment left that no line expects"),
        (7, "+0 timer retransmit 1", "the timer retransmit is due after None"),
    ];
    for (line, text, expected) in cases {
        let script = parser::parse(&format!("{OPENED}{text}\n")).unwrap_or_else(|e| panic!("{text}: {e}"));
        let failure = play(&script).expect_err(text);
        assert!(failure.message.starts_with(expected), "{text:?}: {:?}, not {expected:?}", failure.message);
        assert_eq!(failure.line, line, "{text:?}");
        assert!(!failure.transcript.is_empty(), "{text:?}");
    }
}
