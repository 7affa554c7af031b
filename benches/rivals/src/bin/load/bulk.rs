//! Bulk transfer: bodies of 64 MB, one after the other on each connection, until the time is over.
//!
//! The rate is that of the time after the first tenth of a second, in which connections open their windows. What is
//! counted going up is what the peer's TCP has acknowledged.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use taphouse_rivals::pattern;
use taphouse_rivals::sys::{self, Epoll, READ, WRITE};

use super::peer::{Head, Target};

const BODY: u64 = 64 << 20;
const BUFFER: usize = 256 << 10;
const WARM_UP: Duration = Duration::from_millis(100);

struct Flow {
    stream: TcpStream,
    is_up: bool,
    /// Bytes of the head of an answer that has not come whole.
    head: Vec<u8>,
    /// Bytes of the present body that are still to come, or to go.
    left: u64,
    /// Bytes of bodies so far.
    total: u64,
    interest: u32,
}

pub(crate) fn run(target: &mut Target, is_up: bool, count: usize, seconds: f64) -> Result<String, String> {
    let text = |e: std::io::Error| e.to_string();
    let epoll = Epoll::new().map_err(text)?;
    let mut flows = Vec::new();
    for stream in target.connect(count)? {
        let interest = if is_up { WRITE } else { READ };
        epoll.add(&stream, interest, flows.len()).map_err(text)?;
        let mut flow = Flow { stream, is_up, head: Vec::new(), left: 0, total: 0, interest };
        flow.ask()?;
        flows.push(flow);
    }
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    let (mut ready, mut buffer, mut first) = (Vec::new(), vec![0; BUFFER], None);
    loop {
        let elapsed = start.elapsed();
        if first.is_none() && elapsed >= WARM_UP {
            first = Some((elapsed, delivered(&flows)?));
        }
        if elapsed >= WARM_UP + length {
            break;
        }
        epoll.wait(&mut ready, Some(Duration::from_millis(20))).map_err(text)?;
        for &(at, _) in &ready {
            let flow = &mut flows[at];
            let interest = if is_up { flow.push()? } else { flow.pull(&mut buffer)? };
            if interest != flow.interest {
                flow.interest = interest;
                epoll.change(&flow.stream, interest, at).map_err(text)?;
            }
        }
    }
    let (end, total) = (start.elapsed(), delivered(&flows)?);
    let (begin, before) = first.expect("the time is over after the warm-up");
    let (bytes, time) = (total - before, (end - begin).as_secs_f64());
    if bytes == 0 {
        return Err("nothing went through".to_owned());
    }
    Ok(format!(
        "{{\"bytes\":{bytes},\"seconds\":{time:.6},\"total\":{total},\"rate\":{:.0}}}",
        bytes as f64 / time
    ))
}

fn delivered(flows: &[Flow]) -> Result<u64, String> {
    let mut total = 0;
    for flow in flows {
        let under_way = if flow.is_up { sys::unacknowledged(&flow.stream) } else { Ok(0) };
        total += flow.total.saturating_sub(under_way.map_err(|e| e.to_string())?);
    }
    Ok(total)
}

impl Flow {
    /// Sends the head of the next request. It fits: the connection is idle.
    fn ask(&mut self) -> Result<(), String> {
        let request = if self.is_up {
            self.left = BODY;
            format!("PUT /sink HTTP/1.1\r\nHost: 192.0.2.2\r\nContent-Length: {BODY}\r\n\r\n")
        } else {
            format!("GET /bytes/{BODY} HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n")
        };
        self.stream.write_all(request.as_bytes()).map_err(|e| format!("asking: {e}"))
    }

    /// Writes once, or reads the answer; says what to wait for next.
    fn push(&mut self) -> Result<u32, String> {
        if self.left == 0 {
            let mut buffer = [0; 1024];
            if let Some(len) = self.read(&mut buffer)? {
                self.head.extend_from_slice(&buffer[..len]);
                let whole =
                    Head::find(&self.head)?.is_some_and(|h| self.head.len() >= h.len + h.body as usize);
                if whole {
                    if !self.head.ends_with(format!("{{\"bytes\":{BODY}}}\n").as_bytes()) {
                        return Err("the sink has not counted right".to_owned());
                    }
                    self.head.clear();
                    self.ask()?;
                    return Ok(WRITE);
                }
            }
            return Ok(READ);
        }
        match self.stream.write(pattern::slice(BODY - self.left, self.left)) {
            Ok(len) => {
                self.left -= len as u64;
                self.total += len as u64;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(format!("writing: {error}")),
        }
        Ok(if self.left == 0 { READ } else { WRITE })
    }

    /// Reads once; says what to wait for next.
    fn pull(&mut self, buffer: &mut [u8]) -> Result<u32, String> {
        let Some(len) = self.read(buffer)? else { return Ok(READ) };
        let mut body = len as u64;
        if self.left == 0 {
            self.head.extend_from_slice(&buffer[..len]);
            let Some(head) = Head::find(&self.head)? else { return Ok(READ) };
            if head.body != BODY {
                return Err(format!("a body of {} bytes instead of {BODY}", head.body));
            }
            self.left = BODY;
            body = (self.head.len() - head.len) as u64;
            self.head.clear();
        }
        self.left = self.left.checked_sub(body).ok_or("bytes behind the end of a body")?;
        self.total += body;
        if self.left == 0 {
            self.ask()?;
        }
        Ok(READ)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, String> {
        match self.stream.read(buffer) {
            Ok(0) => Err("the connection ended".to_owned()),
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(format!("reading: {error}")),
        }
    }
}
