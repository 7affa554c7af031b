//! Echo: 64 bytes there and back. Each connection has one message under way; what is measured is how long each takes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use taphouse_rivals::pattern;
use taphouse_rivals::sys::{Epoll, READ};

use super::peer::{PATIENCE, Target};

const MESSAGE: usize = 64;
const WARM_UP: Duration = Duration::from_millis(50);

struct Line {
    stream: TcpStream,
    sent_at: Instant,
    got: usize,
}

pub(crate) fn run(target: &mut Target, count: usize, seconds: f64, spins: bool) -> Result<String, String> {
    let text = |e: std::io::Error| e.to_string();
    let epoll = Epoll::new().map_err(text)?;
    let mut lines = Vec::new();
    for stream in target.connect(count)? {
        epoll.add(&stream, READ, lines.len()).map_err(text)?;
        let mut line = Line { stream, sent_at: Instant::now(), got: 0 };
        line.send()?;
        lines.push(line);
    }
    let limit = if spins { Duration::ZERO } else { Duration::from_millis(20) };
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    let (mut ready, mut took, mut last) = (Vec::new(), Vec::<u64>::new(), start);
    while start.elapsed() < WARM_UP + length {
        epoll.wait(&mut ready, Some(limit)).map_err(text)?;
        for &(at, _) in &ready {
            let line = &mut lines[at];
            if let Some(time) = line.receive()? {
                last = Instant::now();
                if start.elapsed() >= WARM_UP {
                    took.push(time.as_nanos() as u64);
                }
                line.send()?;
            }
        }
        if last.elapsed() > PATIENCE {
            return Err("no echo for 10 s".to_owned());
        }
    }
    if took.is_empty() {
        return Err("no echo at all".to_owned());
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize] as f64 / 1e3;
    let (rate, messages) = (took.len() as f64 / length.as_secs_f64(), took.len());
    Ok(format!(
        "{{\"messages\":{messages},\"rate\":{rate:.1},\"p50\":{:.2},\"p99\":{:.2}}}",
        at(0.5),
        at(0.99)
    ))
}

impl Line {
    fn send(&mut self) -> Result<(), String> {
        self.sent_at = Instant::now();
        self.got = 0;
        // It fits: nothing else is under way.
        self.stream.write_all(pattern::slice(0, MESSAGE as u64)).map_err(|e| format!("writing: {e}"))
    }

    /// How long it took, once it is back.
    fn receive(&mut self) -> Result<Option<Duration>, String> {
        let mut buffer = [0; MESSAGE];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the connection ended".to_owned()),
            Ok(len) if !pattern::matches(self.got as u64, &buffer[..len]) => {
                Err("what came back is not what was sent".to_owned())
            }
            Ok(len) => {
                self.got += len;
                Ok((self.got == MESSAGE).then(|| self.sent_at.elapsed()))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(format!("reading: {error}")),
        }
    }
}
