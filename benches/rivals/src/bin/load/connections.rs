//! New connections: connect, ask for 612 bytes with `Connection: close`, read to the end, close; 32 at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use taphouse_rivals::sys::{Epoll, READ, WRITE};

use super::peer::{Head, PATIENCE, Target};

const AT_ONCE: usize = 32;
const BODY: u64 = 612;
const REQUEST: &[u8] = b"GET /bytes/612 HTTP/1.1\r\nHost: 192.0.2.2\r\nConnection: close\r\n\r\n";

struct Visit {
    stream: TcpStream,
    has_asked: bool,
    answer: Vec<u8>,
}

pub(crate) fn run(target: &mut Target, seconds: f64) -> Result<String, String> {
    let text = |e: std::io::Error| e.to_string();
    let epoll = Epoll::new().map_err(text)?;
    let mut visits = Vec::new();
    for token in 0..AT_ONCE {
        visits.push(visit(target, &epoll, token, Vec::new())?);
    }
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    let (mut ready, mut buffer, mut done, mut failed) = (Vec::new(), vec![0; 4096], 0_u64, 0_u64);
    let mut last = start;
    while start.elapsed() < length {
        epoll.wait(&mut ready, Some(Duration::from_millis(20))).map_err(text)?;
        for &(token, _) in &ready {
            let is_over = match visits[token].step(&mut buffer) {
                Ok(false) if !visits[token].has_asked => false,
                Ok(false) => {
                    epoll.change(&visits[token].stream, READ, token).map_err(text)?;
                    false
                }
                Ok(true) => {
                    done += 1;
                    true
                }
                Err(error) if failed > done / 100 + 100 => return Err(format!("too many failures: {error}")),
                Err(_) => {
                    failed += 1;
                    true
                }
            };
            if is_over {
                last = Instant::now();
                let mut room = std::mem::take(&mut visits[token].answer);
                room.clear();
                visits[token] = visit(target, &epoll, token, room)?;
            }
        }
        if last.elapsed() > PATIENCE {
            return Err("no connection came to its end for 10 s".to_owned());
        }
    }
    let time = start.elapsed().as_secs_f64();
    let rate = done as f64 / time;
    Ok(format!("{{\"connections\":{done},\"failed\":{failed},\"seconds\":{time:.6},\"rate\":{rate:.1}}}"))
}

fn visit(target: &mut Target, epoll: &Epoll, token: usize, answer: Vec<u8>) -> Result<Visit, String> {
    let stream = target.start()?;
    epoll.add(&stream, WRITE, token).map_err(|e| e.to_string())?;
    Ok(Visit { stream, has_asked: false, answer })
}

impl Visit {
    /// True when it is over, with all that it should have brought.
    fn step(&mut self, buffer: &mut [u8]) -> Result<bool, String> {
        if !self.has_asked {
            self.stream.write_all(REQUEST).map_err(|e| format!("asking: {e}"))?;
            self.has_asked = true;
            return Ok(false);
        }
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    let head = Head::find(&self.answer)?.ok_or("the connection ended within a head")?;
                    let is_whole = head.body == BODY && self.answer.len() == head.len + BODY as usize;
                    return if is_whole { Ok(true) } else { Err("an answer of a wrong length".to_owned()) };
                }
                Ok(len) => self.answer.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(format!("reading: {error}")),
            }
        }
    }
}
