//! Connections to the contestant, and the heads of its answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use taphouse_rivals::sys::{self, Epoll, READ, WRITE};

/// How long anything may take that should take no time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where to, and from where in turn.
pub(crate) struct Target {
    to: SocketAddrV4,
    from: Vec<Ipv4Addr>,
    next: usize,
}

impl Target {
    pub(crate) fn new(to: &str, from: &str) -> Result<Self, String> {
        let to = to.parse().map_err(|e| format!("--to: {to:?}: {e}"))?;
        let from = from.split(',').filter(|t| !t.is_empty());
        let from =
            from.map(|t| t.parse().map_err(|e| format!("--from: {t:?}: {e}"))).collect::<Result<_, _>>()?;
        Ok(Self { to, from, next: 0 })
    }

    /// A connection that is on its way.
    pub(crate) fn start(&mut self) -> Result<TcpStream, String> {
        let from = self.from.get(self.next % self.from.len().max(1)).copied();
        self.next += 1;
        let stream = sys::connect(from, self.to).map_err(|e| format!("connecting to {}: {e}", self.to))?;
        match sys::congestion(&stream) {
            Ok(name) if name == "cubic" => Ok(stream),
            Ok(name) => Err(format!("the congestion control is {name}, not cubic; see docs/performance.md")),
            Err(error) => Err(format!("the congestion control cannot be read back: {error}")),
        }
    }

    /// Waits until the contestant answers: its kernel may listen before it does.
    pub(crate) fn wait_until_ready(&mut self) -> Result<(), String> {
        let start = Instant::now();
        let is_http = self.to.port() == 80;
        loop {
            let answered = self.connect(1).and_then(|streams| match is_http {
                true => ask(&streams[0], b"GET /bytes/612 HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n").map(drop),
                false => Ok(()),
            });
            match answered {
                Err(error) if start.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// So many connections that are there, none of which waits when it is read or written.
    pub(crate) fn connect(&mut self, count: usize) -> Result<Vec<TcpStream>, String> {
        // A few at a time: what is asked is not how a contestant bears a burst of SYNs.
        const AT_ONCE: usize = 64;
        let mut streams = Vec::new();
        while streams.len() < count {
            let more = AT_ONCE.min(count - streams.len());
            let started = (0..more).map(|_| self.start()).collect::<Result<Vec<_>, _>>()?;
            for stream in started {
                wait(&stream, WRITE)?;
                if let Some(error) = stream.take_error().map_err(|e| e.to_string())? {
                    return Err(format!("connecting to {}: {error}", self.to));
                }
                streams.push(stream);
            }
        }
        Ok(streams)
    }
}

/// Waits for one socket.
pub(crate) fn wait(stream: &TcpStream, interest: u32) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    let epoll = Epoll::new().map_err(text)?;
    epoll.add(stream, interest, 0).map_err(text)?;
    let (mut ready, start) = (Vec::new(), Instant::now());
    while start.elapsed() < PATIENCE {
        epoll.wait(&mut ready, Some(PATIENCE)).map_err(text)?;
        if !ready.is_empty() {
            return Ok(());
        }
    }
    Err("nothing came of a socket for 10 s".to_owned())
}

/// Writes all of it, waiting where that must be.
pub(crate) fn write_all(mut stream: &TcpStream, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(stream, WRITE)?,
            Err(error) => return Err(format!("writing: {error}")),
        }
    }
    Ok(())
}

/// Asks for something, and reads the answer: its head and its body.
pub(crate) fn ask(mut stream: &TcpStream, request: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    write_all(stream, request)?;
    let (mut all, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(head) = Head::find(&all)? {
            let whole = head.len + head.body as usize;
            if all.len() > whole {
                return Err(format!("{} bytes behind the end of an answer", all.len() - whole));
            }
            if all.len() == whole {
                let body = all.split_off(head.len);
                return Ok((all, body));
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err("the connection ended within an answer".to_owned()),
            Ok(len) => all.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(stream, READ)?,
            Err(error) => return Err(format!("reading: {error}")),
        }
    }
}

/// The head of an answer: its own length, and that of the body behind it.
pub(crate) struct Head {
    pub(crate) len: usize,
    pub(crate) body: u64,
}

impl Head {
    /// None if it has not come whole.
    pub(crate) fn find(bytes: &[u8]) -> Result<Option<Self>, String> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut fields);
        let len = match answer.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("an answer: {error}")),
        };
        if answer.code.is_none_or(|code| code / 100 != 2) {
            return Err(format!("the answer is {:?}", answer.code));
        }
        let length = answer.headers.iter().find(|f| f.name.eq_ignore_ascii_case("content-length"));
        let body = length.and_then(|f| std::str::from_utf8(f.value).ok()?.parse().ok());
        Ok(Some(Self { len, body: body.ok_or("an answer without Content-Length")? }))
    }
}
