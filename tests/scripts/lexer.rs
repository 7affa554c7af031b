//! The words of a line, where they stand, and the numbers that they are.

use std::fmt;

use taphouse::time::Duration;

/// What is wrong with a script, and where.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// A number in an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) least: i64,
    pub(crate) most: i64,
}

impl Bounds {
    pub(crate) const ANY: Self = Self { least: i64::MIN, most: i64::MAX };

    pub(crate) fn has(self, n: i64) -> bool {
        (self.least..=self.most).contains(&n)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (i64::MIN, i64::MAX) => f.write_str("*"),
            (least, most) if least == most => write!(f, "{least}"),
            (i64::MIN, most) => write!(f, "..{most}"),
            (least, i64::MAX) => write!(f, "{least}.."),
            (least, most) => write!(f, "{least}..{most}"),
        }
    }
}

struct Word<'a> {
    text: &'a str,
    column: usize,
}

/// One line, read word by word. `<`, `>` and `,` are words of their own; `#` ends the line.
pub(crate) struct Words<'a> {
    pub(crate) line: usize,
    words: Vec<Word<'a>>,
    at: usize,
    end: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: usize, text: &'a str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let mut words = Vec::new();
        let mut start = None;
        for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
            let is_mark = matches!(c, '<' | '>' | ',');
            if is_mark || c.is_whitespace() {
                if let Some(from) = start.take() {
                    words.push(Word { text: &text[from..at], column: from + 1 });
                }
                if is_mark {
                    words.push(Word { text: &text[at..=at], column: at + 1 });
                }
            } else {
                start = start.or(Some(at));
            }
        }
        Self { line, words, at: 0, end: text.trim_end().len() + 1 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(|w| w.text)
    }

    /// The next word, which is `expected`.
    pub(crate) fn next(&mut self, expected: &str) -> Result<&'a str, Error> {
        let word = self.peek().ok_or_else(|| self.error(expected))?;
        self.at += 1;
        Ok(word)
    }

    pub(crate) fn accept(&mut self, text: &str) -> bool {
        let found = self.peek() == Some(text);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, text: &str) -> Result<(), Error> {
        if self.accept(text) { Ok(()) } else { Err(self.error(&format!("`{text}`"))) }
    }

    /// Nothing follows.
    pub(crate) fn end(&self) -> Result<(), Error> {
        self.peek().map_or(Ok(()), |_| Err(self.error("the end of the line")))
    }

    /// The next word is not what was expected.
    pub(crate) fn error(&self, expected: &str) -> Error {
        let found = self.peek().map_or("the end of the line".to_owned(), |w| format!("`{w}`"));
        let column = self.words.get(self.at).map_or(self.end, |w| w.column);
        Error { line: self.line, column, message: format!("expected {expected}, found {found}") }
    }

    /// What was wrong with the word before.
    pub(crate) fn error_before(&mut self, message: &str) -> Error {
        self.at = self.at.saturating_sub(1);
        let column = self.words.get(self.at).map_or(self.end, |w| w.column);
        Error { line: self.line, column, message: message.to_owned() }
    }

    fn parsed<T>(&mut self, expected: &str, parse: fn(&str) -> Option<T>) -> Result<T, Error> {
        let parsed = self.peek().and_then(parse).ok_or_else(|| self.error(expected))?;
        self.at += 1;
        Ok(parsed)
    }

    /// A number that fits its type, as `7`, `-1` or `1+10*1460`.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self, expected: &str) -> Result<T, Error> {
        self.parsed(expected, |word| T::try_from(number(word)?).ok())
    }

    /// `N`, `A..B`, `A..`, `..B`, or `*` for any.
    pub(crate) fn bounds(&mut self, expected: &str) -> Result<Bounds, Error> {
        self.parsed(expected, bounds)
    }

    /// `A:B`.
    pub(crate) fn span(&mut self, expected: &str) -> Result<(i64, i64), Error> {
        self.parsed(expected, |word| {
            let (from, to) = word.split_once(':')?;
            Some((number(from)?, number(to)?))
        })
    }

    /// Seconds, as `0.2`.
    pub(crate) fn seconds(&mut self, expected: &str) -> Result<Duration, Error> {
        self.parsed(expected, seconds)
    }
}

/// A sum of products.
pub(crate) fn number(word: &str) -> Option<i64> {
    let (sign, word) = word.strip_prefix('-').map_or((1, word), |rest| (-1, rest));
    let term =
        |term: &str| term.split('*').map(|n| n.parse::<u32>().ok().map(i64::from)).product::<Option<i64>>();
    Some(sign * word.split('+').map(term).sum::<Option<i64>>()?)
}

fn bounds(word: &str) -> Option<Bounds> {
    if word == "*" {
        return Some(Bounds::ANY);
    }
    let Some((least, most)) = word.split_once("..") else {
        return number(word).map(|n| Bounds { least: n, most: n });
    };
    let side = |word: &str, open| if word.is_empty() { Some(open) } else { number(word) };
    Some(Bounds { least: side(least, i64::MIN)?, most: side(most, i64::MAX)? })
}

/// Seconds with up to nine decimals.
pub(crate) fn seconds(word: &str) -> Option<Duration> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::from_nanos(whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}
