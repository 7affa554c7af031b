//! Does the contestant serve what it should, byte for byte?

use std::net::TcpStream;

use taphouse_rivals::pattern;

use super::peer::{Target, ask, write_all};

/// Says how long the head of the small answer is.
pub(crate) fn run(target: &mut Target) -> Result<String, String> {
    let streams = target.connect(1)?;
    let stream = &streams[0];
    let mut head_len = 0;
    for len in [1_000_000, 251, 612] {
        let request = format!("GET /bytes/{len} HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n");
        let (head, body) = ask(stream, request.as_bytes())?;
        if body.len() != len || !pattern::matches(0, &body) {
            return Err(format!("/bytes/{len} is not what it should be"));
        }
        head_len = head.len();
    }
    // nginx has no sink, and is asked for no uploads: it answers 405, or ends the connection.
    let has_sink = match put(stream) {
        Ok(body) if body == format!("{{\"bytes\":{SENT}}}\n").as_bytes() => true,
        Ok(body) => return Err(format!("/sink answers {:?}", String::from_utf8_lossy(&body))),
        Err(_) => false,
    };
    Ok(format!("{{\"head\":{head_len},\"sink\":{has_sink}}}"))
}

const SENT: u64 = 1_000_000;

fn put(stream: &TcpStream) -> Result<Vec<u8>, String> {
    let head = format!("PUT /sink HTTP/1.1\r\nHost: 192.0.2.2\r\nContent-Length: {SENT}\r\n\r\n");
    write_all(stream, head.as_bytes())?;
    let mut at = 0;
    while at < SENT - 1 {
        let slice = pattern::slice(at, SENT - 1 - at);
        write_all(stream, slice)?;
        at += slice.len() as u64;
    }
    ask(stream, pattern::slice(at, 1)).map(|(_, body)| body)
}
