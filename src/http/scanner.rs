//! Finds the end of a request's head, wherever it is cut: RFC 9112 2.1, 2.2, 3.
//!
//! It looks at each byte once, and what it refuses it refuses at the first byte that is wrong. So the answer does not
//! depend on how the head arrives: neither on how much of it is there, nor on which of two faults is noticed first.
//! `httparse` then cuts the whole head into tokens, once; it takes a bare LF for a line end, so those are judged here.

use super::head::{Refusal, refuse};
use crate::fault::{self, Fault};
use crate::limits;

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// No end yet.
    NeedMore,
    /// Empty lines of this length, and nothing else so far. RFC 9112 2.2 has them ignored.
    Blank(usize),
    /// A head of this length.
    Head(usize),
}

/// Where it stands in a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    scanned: usize,
    line_start: usize,
    word: Word,
    /// The last byte was a CR, so the next must be its LF.
    after_cr: bool,
}

/// The words of the request line, each with where it begins, and the lines after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    #[default]
    Method,
    Target {
        start: usize,
    },
    Version {
        start: usize,
    },
    Fields,
}

/// The longest method that is known has 7 letters, and `HTTP/1.1` has 8.
const LONGEST_METHOD: usize = 64;
const LONGEST_VERSION: usize = 64;

const MALFORMED_LINE: Refusal = refuse(400, "the request line is malformed");

impl Scanner {
    /// Looks at what of `head` it has not seen.
    pub(super) fn scan(&mut self, head: &[u8]) -> Result<Scan, Refusal> {
        loop {
            if !self.after_cr {
                self.scanned += self.word.run(&head[self.scanned..]);
                self.word.check_length(self.line_start, self.scanned)?;
            }
            if self.scanned > limits::HEAD_BYTES
                || self.scanned == limits::HEAD_BYTES && head.len() > self.scanned
            {
                return Err(refuse(431, "the head is too long"));
            }
            let Some(&byte) = head.get(self.scanned) else { return Ok(Scan::NeedMore) };
            let at = self.scanned;
            self.scanned += 1;
            match byte {
                b'\n' if self.after_cr || fault::is(Fault::BareLfAccepted) => {
                    let is_empty = at == self.line_start + usize::from(self.after_cr);
                    self.after_cr = false;
                    self.line_start = at + 1;
                    match (is_empty, self.word) {
                        (true, Word::Method) => return Ok(Scan::Blank(at + 1)),
                        (true, Word::Fields) => return Ok(Scan::Head(at + 1)),
                        (false, Word::Version { .. } | Word::Fields) => self.word = Word::Fields,
                        _ => return Err(MALFORMED_LINE),
                    }
                }
                0 => return Err(refuse(400, "a NUL in the head")),
                _ if self.after_cr => return Err(refuse(400, "a CR without LF")),
                b'\n' => return Err(refuse(400, "a line ends in a bare LF")),
                b'\r' => self.after_cr = true,
                _ => self.word = self.word.after(at - self.line_start, byte)?,
            }
        }
    }
}

impl Word {
    /// How many of these bytes belong to the word, or to the lines.
    fn run(self, bytes: &[u8]) -> usize {
        let is_of = match self {
            Self::Method => is_token,
            Self::Target { .. } | Self::Version { .. } => |b: u8| b.is_ascii_graphic(),
            Self::Fields => return bytes.iter().take_while(|b| !matches!(b, b'\r' | b'\n' | 0)).count(),
        };
        bytes.iter().take_while(|&&b| is_of(b)).count()
    }

    /// It is not longer than it may be, where `end` is seen and the line begins at `line`.
    fn check_length(self, line: usize, end: usize) -> Result<(), Refusal> {
        let at = end - line;
        match self {
            Self::Method if at > LONGEST_METHOD => Err(refuse(501, "the method is not known")),
            Self::Target { start } if at > start + limits::TARGET_BYTES => {
                Err(refuse(414, "the request target is too long"))
            }
            Self::Version { start } if at > start + LONGEST_VERSION => Err(MALFORMED_LINE),
            _ => Ok(()),
        }
    }

    /// What follows behind a byte that is not of the word, and stands `at` so far from the start of its line.
    fn after(self, at: usize, byte: u8) -> Result<Self, Refusal> {
        match (self, byte) {
            (Self::Method, b' ') if at > 0 => Ok(Self::Target { start: at + 1 }),
            (Self::Target { start }, b' ') if at > start => Ok(Self::Version { start: at + 1 }),
            (Self::Target { .. }, _) => Err(refuse(400, "the request target is malformed")),
            _ => Err(MALFORMED_LINE),
        }
    }
}

/// RFC 9110 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    const IS_TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            let other = b"!#$%&'*+-.^_`|~";
            let mut at = 0;
            while at < other.len() {
                table[other[at] as usize] = true;
                at += 1;
            }
            if (byte as u8).is_ascii_alphanumeric() {
                table[byte] = true;
            }
            byte += 1;
        }
        table
    };
    IS_TOKEN[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_head_is_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for cut in 0..head.len() {
            let mut scanner = Scanner::default();
            let first = scanner.scan(&head[..cut]).unwrap();
            let found = if first == Scan::NeedMore { scanner.scan(head).unwrap() } else { first };
            assert_eq!(found, Scan::Head(head.len() - 4), "{cut}");
        }
    }

    #[test]
    fn faults_are_noticed_at_their_first_byte() {
        for (head, at) in [
            (&b" GET / HTTP/1.1"[..], 0),
            (b"G\x01T / HTTP/1.1", 1),
            (b"GET  / HTTP/1.1", 4),
            (b"GET / HTTP/1.1 x", 14),
            (b"GET /\x7f HTTP/1.1", 5),
            (b"GET /\r\n", 6),
            (b"GET / HTTP/1.1\nHost", 14),
            (b"GET / HTTP/1.1\r\nA: \0", 19),
            (b"GET / HTTP/1.1\r\nA: \rb", 20),
        ] {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.scan(&head[..at]), Ok(Scan::NeedMore), "{head:?}");
            assert!(scanner.scan(&head[..=at]).is_err(), "{head:?}");
        }
    }
}
