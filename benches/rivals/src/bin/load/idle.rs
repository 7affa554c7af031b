//! Idle connections: each has asked once, so that the contestant has accepted it and holds whatever it holds for a
//! connection that is kept alive.

use std::io::Read;

use super::peer::{Target, ask};

pub(crate) fn run(target: &mut Target, count: usize) -> Result<String, String> {
    let streams = target.connect(count)?;
    for stream in &streams {
        ask(stream, b"GET /bytes/612 HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n")?;
    }
    println!("{{\"held\":{}}}", streams.len());
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(|e| e.to_string())?;
    Ok("{}".to_owned())
}
