//! Parameters of a field's value: RFC 9110 5.6.6, made of the tokens of 5.6.2 and the quoted strings of 5.6.4.
//!
//! Browsers quote otherwise in the heads of a form's parts (HTML, "multipart/form-data encoding algorithm"): they
//! write `%22`, `%0D` and `%0A` for a quote, CR and LF, and every other character as itself, a backslash and a
//! percent sign too. Other clients write quoted pairs there. [`Quoting::Form`] reads both, as far as they agree.
//!
//! Left out: extended parameters (RFC 8187), which are parameters like others here, with a star in their name.

use bytes::Buf;

use super::scanner::is_token;

/// How a quoted string writes what it could not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// A backslash before any character stands for that character: RFC 9110 5.6.4.
    Http,
    /// `%22`, `%0D` and `%0A`; a backslash before a quote or another backslash stands for these, else for itself.
    Form,
}

/// What is no list of parameters. Nothing is read behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads parameters one by one: names as they were written, values without their quotes.
#[derive(Clone, Debug)]
pub(super) struct Parameters<'a> {
    rest: &'a [u8],
    quoting: Quoting,
}

impl<'a> Parameters<'a> {
    /// Of what follows a value, from the semicolon on.
    pub(super) fn new(text: &'a [u8], quoting: Quoting) -> Self {
        Self { rest: text, quoting }
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().take_while(|&&b| wanted(b)).count();
        let (skipped, rest) = self.rest.split_at(len);
        self.rest = rest;
        skipped
    }

    fn parameter(&mut self) -> Result<(&'a [u8], Vec<u8>), Malformed> {
        let name = self.skip(is_token);
        if name.is_empty() || self.rest.first() != Some(&b'=') {
            return Err(Malformed);
        }
        self.rest.advance(1);
        if self.rest.first() == Some(&b'"') {
            self.rest.advance(1);
            return Ok((name, self.quoted()?));
        }
        match self.skip(is_token) {
            [] => Err(Malformed),
            value => Ok((name, value.to_vec())),
        }
    }

    /// What stands before the closing quote, which is taken too.
    fn quoted(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut value = Vec::new();
        loop {
            let (byte, len) = match (self.rest, self.quoting) {
                ([b'"', ..], _) => {
                    self.rest.advance(1);
                    return Ok(value);
                }
                ([b'\\', byte, ..], Quoting::Http) => (*byte, 2),
                ([b'\\', byte @ (b'"' | b'\\'), ..], Quoting::Form) => (*byte, 2),
                ([b'%', b'2', b'2', ..], Quoting::Form) => (b'"', 3),
                ([b'%', b'0', b'D' | b'd', ..], Quoting::Form) => (b'\r', 3),
                ([b'%', b'0', b'A' | b'a', ..], Quoting::Form) => (b'\n', 3),
                ([byte, ..], _) => (*byte, 1),
                ([], _) => return Err(Malformed),
            };
            // RFC 9110 5.6.4: qdtext and quoted pairs are of HTAB, SP, VCHAR and obs-text.
            if !self.rest[..len].iter().all(|b| matches!(b, b'\t' | b' '..=b'~' | 0x80..)) {
                return Err(Malformed);
            }
            value.push(byte);
            self.rest.advance(len);
        }
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(&'a [u8], Vec<u8>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // RFC 9110 5.6.6: there may be nothing between two semicolons.
        let between = self.skip(|b| b == b';' || is_blank(b));
        if self.rest.is_empty() {
            return None;
        }
        let parameter = if between.contains(&b';') { self.parameter() } else { Err(Malformed) };
        if parameter.is_err() {
            self.rest = &[];
        }
        Some(parameter)
    }
}

/// RFC 9110 5.6.3.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The text without the blanks around it. Nothing else is white space: what other programs trim (U+00A0, say) would
/// make two names of one.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let from = text.iter().position(|&b| !is_blank(b)).unwrap_or(text.len());
    let to = text.iter().rposition(|&b| !is_blank(b)).map_or(from, |last| last + 1);
    &text[from..to]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `name=value|…`, or None where there is something malformed.
    fn read(text: &str, quoting: Quoting) -> Option<String> {
        let mut all = Vec::new();
        for parameter in Parameters::new(text.as_bytes(), quoting) {
            let (name, value) = parameter.ok()?;
            all.push([name, b"=", &value].concat());
        }
        String::from_utf8(all.join(&b'|')).ok()
    }

    #[test]
    fn parameters_are_read_as_rfc_9110_says() {
        for (text, wanted) in [
            ("", Some("")),
            (";", Some("")),
            (" ; ;\t; ", Some("")),
            (";a=b", Some("a=b")),
            (" ; a=b ; C=\"d;e\";;", Some("a=b|C=d;e")),
            (";a=\"\"", Some("a=")),
            (r#";a="b\"c\\d\e%22""#, Some("a=b\"c\\de%22")),
            (";a=\"\u{e9}\t \"", Some("a=\u{e9}\t ")),
            // 5.6.6: no parameter without its semicolon, name, equals sign or value, and no space inside.
            ("a=b", None),
            (";a", None),
            (";a=", None),
            (";=b", None),
            (";a =b", None),
            (";a= b", None),
            (";a=b c", None),
            (";a=b/c", None),
            (";a=\"b\"c", None),
            (";a=\"b\" c=d", None),
            (";a=\u{e9}", None),
            // 5.6.4: a string that does not end, and controls in it.
            (";a=\"b", None),
            (";a=\"b\\\"", None),
            (";a=\"b\\", None),
            (";a=\"b\0\"", None),
            (";a=\"b\\\n\"", None),
        ] {
            assert_eq!(read(text, Quoting::Http).as_deref(), wanted, "{text:?}");
        }
    }

    #[test]
    fn browsers_and_quoted_pairs_are_both_read_in_forms() {
        for (text, wanted) in [
            (r#";a="%22%0D%0A%0d%0a""#, Some("a=\"\r\n\r\n")),
            (r#";a="b\"c\\d""#, Some("a=b\"c\\d")),
            (r#";a="C:\dir\file""#, Some("a=C:\\dir\\file")),
            (r#";a="100%25 %2522 %2""#, Some("a=100%25 %2522 %2")),
            (";a=%22", Some("a=%22")),
            (r#";a="b\""#, None),
        ] {
            assert_eq!(read(text, Quoting::Form).as_deref(), wanted, "{text:?}");
        }
    }

    #[test]
    fn only_blanks_are_trimmed() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"\x0ba\n"), b"\x0ba\n");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[;=\"\\\\% a2\\PC]{0,40}", is_form: bool) {
            let _ = read(&text, if is_form { Quoting::Form } else { Quoting::Http });
        }

        #[test]
        fn what_was_quoted_comes_back(values in proptest::collection::vec("[ -~\\t]{0,12}", 0..5)) {
            let quote = |v: &String| format!(";a=\"{}\"", v.replace('\\', "\\\\").replace('"', "\\\""));
            let text: String = values.iter().map(quote).collect();
            let read: Vec<_> = Parameters::new(text.as_bytes(), Quoting::Http)
                .map(|p| String::from_utf8(p.unwrap().1).unwrap())
                .collect();
            prop_assert_eq!(read, values);
        }
    }
}
