//! A table of the house's protocol: everybody sits, one speaks at a time, and every message must reach every seat, once and in
//! order. What is measured is how many of these deliveries there are in a second, and how long a message takes from the one
//! who speaks to the last who hears it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use taphouse_rivals::sys::{Epoll, READ};

use super::peer::{PATIENCE, Target, wait, write_all};

/// Seats that ask for their WebSocket before the first of them is answered.
const AT_ONCE: usize = 256;
/// Silence after which everybody has heard who else came.
const QUIET: Duration = Duration::from_millis(700);
const WARM_UP: Duration = Duration::from_millis(300);
/// Messages of one seat before another one speaks: nobody may speak without end.
const TURN: u64 = 50;
/// A text of about a hundred bytes, as people write them.
const WORDS: &str =
    "the quick brown fox jumps over the lazy dog, and what he says is neither short nor long at all";

struct Seat {
    stream: TcpStream,
    unread: Vec<u8>,
    /// The number of the next message that is to come.
    next: u64,
}

/// A message on its way: when it was sent, and how many have not heard it.
struct Flight {
    sent: Instant,
    missing: usize,
}

struct Room {
    seats: Vec<Seat>,
    epoll: Epoll,
    flights: VecDeque<Flight>,
    /// The number of the first of them.
    first: u64,
    sent: u64,
    took: Vec<u64>,
    buffer: Vec<u8>,
}

pub(crate) fn run(target: &mut Target, count: usize, seconds: f64, window: usize) -> Result<String, String> {
    let mut room = Room::sit(target, count)?;
    room.listen_until_quiet()?;
    room.speak_for(WARM_UP, window)?;
    room.took.clear();
    let start = Instant::now();
    room.speak_for(Duration::from_secs_f64(seconds), window)?;
    let length = start.elapsed().as_secs_f64();
    let messages = room.took.len();
    if messages == 0 {
        return Err("no message has reached all".to_owned());
    }
    room.took.sort_unstable();
    let at = |share: f64| room.took[((messages - 1) as f64 * share).round() as usize] as f64 / 1e6;
    let rate = messages as f64 * count as f64 / length;
    let (p50, p99) = (at(0.5), at(0.99));
    Ok(format!(
        "{{\"seats\":{count},\"messages\":{messages},\"rate\":{rate:.0},\"p50\":{p50:.3},\"p99\":{p99:.3}}}"
    ))
}

impl Room {
    fn sit(target: &mut Target, count: usize) -> Result<Self, String> {
        let text = |e: std::io::Error| e.to_string();
        let epoll = Epoll::new().map_err(text)?;
        let mut seats = Vec::new();
        while seats.len() < count {
            let streams = target.connect(AT_ONCE.min(count - seats.len()))?;
            for (at, stream) in streams.iter().enumerate() {
                let client = seats.len() + at;
                let request = format!(
                    "GET /ws/1/{client} HTTP/1.1\r\nHost: 192.0.2.2\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                );
                write_all(stream, request.as_bytes())?;
            }
            for stream in streams {
                let unread = read_head(&stream)?;
                epoll.add(&stream, READ, seats.len()).map_err(text)?;
                seats.push(Seat { stream, unread, next: 0 });
            }
        }
        let buffer = vec![0; 256 << 10];
        Ok(Self { seats, epoll, flights: VecDeque::new(), first: 0, sent: 0, took: Vec::new(), buffer })
    }

    fn listen_until_quiet(&mut self) -> Result<(), String> {
        let mut last = Instant::now();
        let start = last;
        while last.elapsed() < QUIET {
            if self.listen(Duration::from_millis(50))? {
                last = Instant::now();
            }
            if start.elapsed() > PATIENCE * 3 {
                return Err("there is no end of who comes".to_owned());
            }
        }
        Ok(())
    }

    /// Speaks until the time is over, and then hears what is on its way.
    fn speak_for(&mut self, length: Duration, window: usize) -> Result<(), String> {
        let start = Instant::now();
        let mut last = (Instant::now(), self.took.len());
        loop {
            while start.elapsed() < length && self.flights.len() < window {
                // The next speaker begins when all is heard of the last one, so that there is one order.
                if self.sent.is_multiple_of(TURN) && !self.flights.is_empty() {
                    break;
                }
                self.speak()?;
            }
            if self.flights.is_empty() {
                return Ok(());
            }
            self.listen(Duration::from_millis(20))?;
            if self.took.len() > last.1 {
                last = (Instant::now(), self.took.len());
            } else if last.0.elapsed() > PATIENCE {
                let missing = self.flights[0].missing;
                return Err(format!("message {} did not reach {missing} seats in 10 s", self.first));
            }
        }
    }

    fn speak(&mut self) -> Result<(), String> {
        let number = self.sent;
        let text = format!("{{\"type\":\"say\",\"text\":\"#{number} {WORDS}\"}}");
        let mut frame = vec![0x81];
        match u8::try_from(text.len()).ok().filter(|&short| short < 126) {
            Some(short) => frame.push(0x80 | short),
            None => {
                frame.push(0xfe);
                frame.extend((text.len() as u16).to_be_bytes());
            }
        }
        // A mask of zeros leaves it as it is.
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.flights.push_back(Flight { sent: Instant::now(), missing: self.seats.len() });
        self.sent += 1;
        let speaker = (number / TURN) as usize % self.seats.len();
        write_all(&self.seats[speaker].stream, &frame)
    }

    /// Hears what there is; true if that was something.
    fn listen(&mut self, limit: Duration) -> Result<bool, String> {
        let mut ready = Vec::new();
        self.epoll.wait(&mut ready, Some(limit)).map_err(|e| e.to_string())?;
        for &(at, _) in &ready {
            let seat = &mut self.seats[at];
            match seat.stream.read(&mut self.buffer) {
                Ok(0) => return Err(format!("seat {at} was closed")),
                Ok(len) => {
                    let heard = seat.hear(&self.buffer[..len])?;
                    for number in heard {
                        self.arrive(number);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("seat {at}: {error}")),
            }
        }
        Ok(!ready.is_empty())
    }

    fn arrive(&mut self, number: u64) {
        let flight = &mut self.flights[(number - self.first) as usize];
        flight.missing -= 1;
        while self.flights.front().is_some_and(|flight| flight.missing == 0) {
            let flight = self.flights.pop_front();
            self.first += 1;
            self.took.extend(flight.map(|flight| flight.sent.elapsed().as_nanos() as u64));
        }
    }
}

impl Seat {
    /// The numbers of the messages that are whole by now.
    fn hear(&mut self, bytes: &[u8]) -> Result<std::ops::Range<u64>, String> {
        let first = self.next;
        // Most reads bring whole frames, and none was begun before.
        let joined = match self.unread.is_empty() {
            true => None,
            false => {
                self.unread.extend_from_slice(bytes);
                Some(std::mem::take(&mut self.unread))
            }
        };
        let mut rest = joined.as_deref().unwrap_or(bytes);
        while let Some((opcode, payload, len)) = frame(rest) {
            rest = &rest[len..];
            match opcode {
                1 => self.judge(payload)?,
                9 => {}
                8 => return Err(format!("closed: {}", String::from_utf8_lossy(payload))),
                other => return Err(format!("a frame of opcode {other}")),
            }
        }
        self.unread = rest.to_vec();
        Ok(first..self.next)
    }

    fn judge(&mut self, payload: &[u8]) -> Result<(), String> {
        if !payload.starts_with(b"{\"type\":\"said\"") {
            return match payload.starts_with(b"{\"type\":\"error\"") {
                true => Err(String::from_utf8_lossy(payload).into_owned()),
                false => Ok(()),
            };
        }
        let expected = format!("\"text\":\"#{} {WORDS}\"", self.next);
        if !payload.windows(expected.len()).any(|window| window == expected.as_bytes()) {
            return Err(format!("{} instead of message {}", String::from_utf8_lossy(payload), self.next));
        }
        self.next += 1;
        Ok(())
    }
}

/// The first frame: its opcode, its payload, and its length; `None` if it has not come whole.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, head) = match second {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    Some((first & 0x0f, bytes.get(head..head + length)?, head + length))
}

/// Reads the answer to the handshake, and gives what came behind it.
fn read_head(mut stream: &TcpStream) -> Result<Vec<u8>, String> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = all.windows(4).position(|window| window == b"\r\n\r\n") {
            if !all.starts_with(b"HTTP/1.1 101 ") {
                return Err(format!("no WebSocket: {}", String::from_utf8_lossy(&all)));
            }
            return Ok(all.split_off(end + 4));
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err("the connection ended within the handshake".to_owned()),
            Ok(len) => all.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(stream, READ)?,
            Err(error) => return Err(format!("reading: {error}")),
        }
    }
}
