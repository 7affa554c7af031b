//! Finds the delimiter of a multipart body, CRLF and two hyphens before its boundary: RFC 2046 5.1.1.
//!
//! A CR stands at the delimiter's front and nowhere else in it. So where one has begun and does not go on, none has
//! begun in what was passed, and each byte is looked at at most twice.

use bytes::{Buf, Bytes};

/// Looks for a delimiter in input that comes in pieces.
#[derive(Debug)]
pub(super) struct Delimiter {
    whole: Bytes,
    /// How much of it the last input ended with.
    begun: usize,
    /// How much of what has begun is no data if it does not go on: the CRLF of the line before.
    lent: usize,
}

/// What stands at the front of the input; it is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Bytes before any delimiter, not none.
    Data(Bytes),
    Delimiter,
    /// Nothing that is sure. The input is empty now.
    NeedMore,
}

impl Delimiter {
    /// At the start of the body, which is the start of a line.
    pub(super) fn new(boundary: &str) -> Self {
        let mut delimiter = Self { whole: Bytes::from(format!("\r\n--{boundary}")), begun: 0, lent: 0 };
        delimiter.begin_line();
        delimiter
    }

    /// A line has begun: its CRLF is the delimiter's, too, if the delimiter stands here.
    pub(super) fn begin_line(&mut self) {
        self.begun = 2;
        self.lent = 2;
    }

    pub(super) fn find(&mut self, input: &mut Bytes) -> Found {
        if self.begun > 0 {
            let common = common_prefix(&self.whole[self.begun..], input);
            if self.begun + common == self.whole.len() {
                return self.take(input, common);
            }
            if common == input.len() {
                return self.wait(input, common);
            }
            // What had begun is data, and the bytes in common begin no other delimiter.
            let held = self.whole.slice(self.lent..self.begun);
            (self.begun, self.lent) = (0, 0);
            if !held.is_empty() {
                return Found::Data(held);
            }
        }
        let mut from = 0;
        while let Some(at) = input[from..].iter().position(|&b| b == b'\r').map(|at| from + at) {
            let common = common_prefix(&self.whole, &input[at..]);
            let is_whole = common == self.whole.len();
            if is_whole || at + common == input.len() {
                return match (at, is_whole) {
                    (0, true) => self.take(input, common),
                    (0, false) => self.wait(input, common),
                    // The next call finds it again, at the front.
                    _ => Found::Data(input.split_to(at)),
                };
            }
            from = at + common;
        }
        if input.is_empty() { Found::NeedMore } else { Found::Data(input.split_off(0)) }
    }

    fn take(&mut self, input: &mut Bytes, len: usize) -> Found {
        input.advance(len);
        (self.begun, self.lent) = (0, 0);
        Found::Delimiter
    }

    fn wait(&mut self, input: &mut Bytes, len: usize) -> Found {
        input.clear();
        self.begun += len;
        Found::NeedMore
    }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The data before the first delimiter, and whether there is one, in a text that comes in pieces of these
    /// lengths.
    fn find(text: &[u8], lengths: &[usize]) -> (Vec<u8>, bool) {
        let mut delimiter = Delimiter::new("b");
        let (mut text, mut data) = (Bytes::copy_from_slice(text), Vec::new());
        let mut lengths = lengths.iter().cycle();
        while !text.is_empty() {
            let len = lengths.next().map_or(text.len(), |&len| len.min(text.len()));
            let mut input = text.split_to(len);
            loop {
                match delimiter.find(&mut input) {
                    Found::Data(piece) => {
                        assert!(!piece.is_empty(), "no piece is empty");
                        data.extend_from_slice(&piece);
                    }
                    Found::Delimiter => return (data, true),
                    Found::NeedMore => break,
                }
            }
            assert!(input.is_empty(), "all is taken");
        }
        data.extend_from_slice(&delimiter.whole[delimiter.lent..delimiter.begun]);
        (data, false)
    }

    #[test]
    fn data_is_lent_from_the_input() {
        let mut delimiter = Delimiter::new("b");
        let text = Bytes::from_static(b"some\r\n-data\r\n--b");
        let mut input = text.clone();
        let Found::Data(data) = delimiter.find(&mut input) else { panic!("data comes first") };
        assert_eq!((&data[..], data.as_ptr()), (&b"some\r\n-data"[..], text.as_ptr()));
        assert_eq!(delimiter.find(&mut input), Found::Delimiter);
    }

    #[test]
    fn only_what_may_be_a_delimiter_waits() {
        let mut delimiter = Delimiter::new("b");
        let mut input = Bytes::from_static(b"some\r\n-");
        assert_eq!(delimiter.find(&mut input), Found::Data(Bytes::from_static(b"some")));
        assert_eq!(delimiter.find(&mut input), Found::NeedMore);
        let mut input = Bytes::from_static(b"-c");
        assert_eq!(delimiter.find(&mut input), Found::Data(Bytes::from_static(b"\r\n-")));
        assert_eq!(delimiter.find(&mut input), Found::Data(Bytes::from_static(b"-c")));
    }

    proptest! {
        #[test]
        fn the_first_delimiter_is_found_however_the_text_is_cut(
            text in "[\r\n\\-b]{0,30}|(\r|\r\n|\r\n-|\r\n--|\r\n--b|a){0,12}",
            lengths in proptest::collection::vec(1_usize..6, 0..5),
        ) {
            let behind_line = [b"\r\n", text.as_bytes()].concat();
            let at = behind_line.windows(5).position(|w| w == b"\r\n--b");
            let data = &behind_line[2..at.unwrap_or(behind_line.len()).max(2)];
            prop_assert_eq!(find(text.as_bytes(), &lengths), (data.to_vec(), at.is_some()));
        }
    }
}
