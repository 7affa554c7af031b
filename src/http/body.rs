//! Request bodies on the wire: RFC 9112 6 (Content-Length) and 7 (chunked).

use bytes::{Buf, Bytes};

use super::head::{BodyLength, Refusal};
use super::response::Status;
use crate::limits;

/// Takes the framing off a body.
#[derive(Debug)]
pub(super) enum Decoder {
    Length { left: u64 },
    Chunked { state: Chunked, line: Vec<u8>, trailers: usize },
}

/// Where in a chunked body the decoder stands: RFC 9112 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    Size,
    Data { left: u64 },
    DataEnd,
    Trailer,
    End,
}

/// What the decoder makes of its input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Piece(Bytes),
    NeedMore,
    End,
}

const fn malformed(detail: &'static str) -> Refusal {
    Refusal { status: Status(400), detail }
}

impl Decoder {
    pub(super) fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::Exactly(left) => Self::Length { left },
            BodyLength::Chunked => Self::Chunked { state: Chunked::Size, line: Vec::new(), trailers: 0 },
        }
    }

    /// Bytes that are still to come, if that is known.
    pub(super) fn known_left(&self) -> Option<u64> {
        match self {
            Self::Length { left } => Some(*left),
            Self::Chunked { .. } => None,
        }
    }

    /// Takes the next piece off the front of `input`.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Decoded, Refusal> {
        match self {
            Self::Length { left: 0 } => Ok(Decoded::End),
            Self::Length { left } => Ok(take(input, left)),
            Self::Chunked { state, line, trailers } => decode_chunked(state, line, trailers, input),
        }
    }
}

/// At most `left` bytes of the input.
fn take(input: &mut Bytes, left: &mut u64) -> Decoded {
    if input.is_empty() {
        return Decoded::NeedMore;
    }
    let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= len as u64;
    Decoded::Piece(input.split_to(len))
}

fn decode_chunked(
    state: &mut Chunked,
    line: &mut Vec<u8>,
    trailers: &mut usize,
    input: &mut Bytes,
) -> Result<Decoded, Refusal> {
    loop {
        match state {
            Chunked::Data { left: 0 } => *state = Chunked::DataEnd,
            Chunked::Data { left } => return Ok(take(input, left)),
            Chunked::End => return Ok(Decoded::End),
            Chunked::Size | Chunked::DataEnd | Chunked::Trailer => {
                if !read_line(line, input)? {
                    return Ok(Decoded::NeedMore);
                }
                *state = match state {
                    Chunked::Size => match chunk_size(line)? {
                        0 => Chunked::Trailer,
                        left => Chunked::Data { left },
                    },
                    Chunked::DataEnd if line.is_empty() => Chunked::Size,
                    Chunked::DataEnd => return Err(malformed("a chunk is longer than its size")),
                    _ if line.is_empty() => Chunked::End,
                    _ => {
                        check_trailer(line, trailers)?;
                        Chunked::Trailer
                    }
                };
                line.clear();
            }
        }
    }
}

/// Collects a line without its CRLF; true when it is complete. Only CRLF ends a line.
fn read_line(line: &mut Vec<u8>, input: &mut Bytes) -> Result<bool, Refusal> {
    while input.has_remaining() {
        let byte = input.get_u8();
        match (line.last(), byte) {
            (Some(b'\r'), b'\n') => {
                line.pop();
                return Ok(true);
            }
            (Some(b'\r'), _) => return Err(malformed("a CR without LF in a chunked body")),
            (_, b'\n') => return Err(malformed("a bare LF in a chunked body")),
            _ => line.push(byte),
        }
        if line.len() > limits::CHUNK_LINE_BYTES {
            return Err(malformed("a line of a chunked body is too long"));
        }
    }
    Ok(false)
}

/// RFC 9112 7.1 and 7.1.1: hexadecimal digits, then extensions that are not looked at.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let extension = &line[digits..];
    let is_extension = extension.is_empty() || extension.trim_ascii_start().first() == Some(&b';');
    let is_clean = extension.iter().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    if !(1..=15).contains(&digits) || !is_extension || !is_clean {
        return Err(malformed("a chunk size is malformed"));
    }
    let digits = line[..digits].iter().filter_map(|&b| (b as char).to_digit(16));
    Ok(digits.fold(0, |size, digit| size << 4 | u64::from(digit)))
}

/// RFC 9112 7.1.2: trailers are read as fields and forgotten.
fn check_trailer(line: &[u8], total: &mut usize) -> Result<(), Refusal> {
    *total += line.len();
    if *total > limits::TRAILER_BYTES {
        return Err(Refusal { status: Status(431), detail: "the trailers are too long" });
    }
    let name = line.iter().position(|&b| b == b':').map(|at| &line[..at]).unwrap_or_default();
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let is_field = !name.is_empty() && name.iter().all(is_token);
    let is_clean = line.iter().all(|b| matches!(b, b'\t' | b' '..=b'~' | 0x80..));
    if is_field && is_clean { Ok(()) } else { Err(malformed("a trailer is malformed")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type BodyAndRest = (Vec<u8>, Vec<u8>);

    /// Decodes input that comes in these parts: the body and what is left, or the refusal.
    fn decode(parts: &[&[u8]]) -> Result<Option<BodyAndRest>, u16> {
        let mut decoder = Decoder::new(BodyLength::Chunked);
        let mut body = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let mut input = Bytes::copy_from_slice(part);
            loop {
                match decoder.decode(&mut input).map_err(|r| r.status.0)? {
                    Decoded::Piece(piece) => body.extend(piece),
                    Decoded::NeedMore => break,
                    Decoded::End => return Ok(Some((body, [&input[..], &parts[i + 1..].concat()].concat()))),
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn bodies_come_out_wherever_they_are_cut() {
        let wire = b"5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nX-T: v\r\n\r\nGET /";
        for cut in 0..=wire.len() {
            let (body, rest) = decode(&[&wire[..cut], &wire[cut..]]).unwrap().unwrap();
            assert_eq!((&body[..], &rest[..]), (&b"hello world"[..], &b"GET /"[..]), "{cut}");
        }
        let bytewise: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(decode(&bytewise).unwrap().unwrap().0, b"hello world");
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let long = format!("5;{}\r\n", "x".repeat(5000));
        for bad in [
            "\r\n",
            "x\r\n",
            "+5\r\n",
            "-5\r\n",
            " 5\r\n",
            "5 \r\n",
            "0x5\r\n",
            "5\n",
            "5\rhello",
            "5;\0\r\n",
            "ffffffffffffffff\r\n",
            "10000000000000000\r\n",
            "5\r\nhelloX\r\n",
            "5\r\nhello\n",
            "0\r\nbad trailer\r\n\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
            "5,5\r\n",
            &long,
        ] {
            assert_eq!(decode(&[bad.as_bytes()]), Err(400), "{bad:?}");
        }
        let trailers = format!("0\r\n{}", "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(300));
        assert_eq!(decode(&[trailers.as_bytes()]), Err(431));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[&bytes]);
        }
    }
}
