//! Request bodies on the wire: RFC 9112 6 (Content-Length) and 7 (chunked).

use bytes::{Buf, Bytes};

use super::head::{BodyLength, Refusal, refuse};
use super::scanner::is_token;
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
    /// A field line of the trailer section, without its line end.
    Trailer(Vec<u8>),
    NeedMore,
    End,
}

const fn malformed(detail: &'static str) -> Refusal {
    refuse(400, detail)
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
            Self::Chunked { state: Chunked::End, .. } => Some(0),
            Self::Chunked { .. } => None,
        }
    }

    /// Takes what it can off the front of the input.
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
    const SIZE_TOO_LONG: Refusal = malformed("a chunk-size line is too long");
    const TRAILERS_TOO_LONG: Refusal = refuse(431, "the trailers are too long");
    loop {
        let is_whole = match state {
            Chunked::Data { left: 0 } => {
                *state = Chunked::DataEnd;
                continue;
            }
            Chunked::Data { left } => return Ok(take(input, left)),
            Chunked::End => return Ok(Decoded::End),
            Chunked::Size => read_line(line, input, limits::CHUNK_LINE_BYTES, SIZE_TOO_LONG)?,
            Chunked::DataEnd => read_line(line, input, 0, malformed("a chunk is longer than its size"))?,
            Chunked::Trailer => read_line(line, input, limits::TRAILER_BYTES - *trailers, TRAILERS_TOO_LONG)?,
        };
        if !is_whole {
            return Ok(Decoded::NeedMore);
        }
        match state {
            Chunked::Trailer if !line.is_empty() => {
                *trailers += line.len();
                check_trailer(line)?;
                return Ok(Decoded::Trailer(std::mem::take(line)));
            }
            Chunked::Trailer => *state = Chunked::End,
            Chunked::Size => {
                *state = match chunk_size(line)? {
                    0 => Chunked::Trailer,
                    left => Chunked::Data { left },
                }
            }
            _ => *state = Chunked::Size,
        }
        line.clear();
    }
}

/// Collects a line of at most `limit` bytes without its CRLF; true when it is complete. Only CRLF ends a line.
fn read_line(
    line: &mut Vec<u8>,
    input: &mut Bytes,
    limit: usize,
    too_long: Refusal,
) -> Result<bool, Refusal> {
    while input.has_remaining() {
        let byte = input.get_u8();
        match (line.last(), byte) {
            (Some(b'\r'), b'\n') => {
                line.pop();
                return Ok(true);
            }
            (Some(b'\r'), _) => return Err(malformed("a CR without LF in a chunked body")),
            (_, b'\n') => return Err(malformed("a bare LF in a chunked body")),
            (_, b'\r') => line.push(byte),
            _ if line.len() >= limit => return Err(too_long),
            _ => line.push(byte),
        }
    }
    Ok(false)
}

/// RFC 9112 7.1: hexadecimal digits, as many zeros before them as there is room for, then extensions, which are held
/// against their grammar and forgotten.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let len = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at(len);
    let significant = digits.iter().skip_while(|&&b| b == b'0');
    // Sixteen digits would still fit; nobody sends an exbibyte in earnest.
    if len == 0 || significant.clone().count() > 15 || !are_extensions(extensions) {
        return Err(malformed("a chunk size is malformed"));
    }
    let digits = significant.filter_map(|&b| (b as char).to_digit(16));
    Ok(digits.fold(0, |size, digit| size << 4 | u64::from(digit)))
}

/// RFC 9112 7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
fn are_extensions(mut rest: &[u8]) -> bool {
    fn skip<'a>(rest: &mut &'a [u8], matches: impl Fn(u8) -> bool) -> &'a [u8] {
        let (taken, left) = rest.split_at(rest.iter().take_while(|&&b| matches(b)).count());
        *rest = left;
        taken
    }
    let is_space = |byte| matches!(byte, b' ' | b'\t');
    while !rest.is_empty() {
        skip(&mut rest, is_space);
        let Some(after) = rest.strip_prefix(b";") else { return false };
        rest = after;
        skip(&mut rest, is_space);
        if skip(&mut rest, is_token).is_empty() {
            return false;
        }
        let mut value = rest;
        skip(&mut value, is_space);
        let Some(mut value) = value.strip_prefix(b"=") else { continue };
        skip(&mut value, is_space);
        rest = match value.strip_prefix(b"\"") {
            Some(quoted) => match after_quoted(quoted) {
                Some(after) => after,
                None => return false,
            },
            None if skip(&mut value, is_token).is_empty() => return false,
            None => value,
        };
    }
    true
}

/// What follows a quoted-string (RFC 9110 5.6.4) whose first quote is taken already.
fn after_quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = match byte {
            b'"' => return Some(after),
            b'\\' => match after.split_first()? {
                (b'\t' | b' '..=b'~' | 0x80.., after) => after,
                _ => return None,
            },
            b'\t' | b' '..=b'~' | 0x80.. => after,
            _ => return None,
        };
    }
}

/// RFC 9112 7.1.2: trailers are fields.
fn check_trailer(line: &[u8]) -> Result<(), Refusal> {
    let name = line.iter().position(|&b| b == b':').map(|at| &line[..at]).unwrap_or_default();
    let is_field = !name.is_empty() && name.iter().all(|&b| is_token(b));
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
                    Decoded::Trailer(line) => assert!(line.starts_with(b"X")),
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
            "5;\r\n",
            "5;a b\r\n",
            "5;a=\r\n",
            "5;a=\"\r\n",
            "5;a=\"b\"c\r\n",
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
