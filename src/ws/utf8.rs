//! UTF-8 judged as it streams: a text may be cut anywhere, also within a character.

use crate::fault::{self, Fault};

/// What is left of a character that is not complete yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    tail: [u8; 4],
    len: usize,
}

/// The text is not UTF-8, whatever comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

impl Utf8 {
    /// Judges the next bytes.
    pub(super) fn push(&mut self, mut data: &[u8]) -> Result<(), NotUtf8> {
        if fault::is(Fault::Utf8Unchecked) {
            return Ok(());
        }
        while self.len > 0 {
            let Some((&byte, rest)) = data.split_first() else { return Ok(()) };
            data = rest;
            self.tail[self.len] = byte;
            self.len += 1;
            match std::str::from_utf8(&self.tail[..self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(NotUtf8),
                Err(_) => {}
            }
        }
        match simdutf8::compat::from_utf8(data) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(NotUtf8),
            Err(error) => {
                let tail = &data[error.valid_up_to()..];
                self.tail[..tail.len()].copy_from_slice(tail);
                self.len = tail.len();
                Ok(())
            }
        }
    }

    /// The text ends here, and not within a character.
    pub(super) fn is_complete(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(parts: &[&[u8]]) -> Option<bool> {
        let mut utf8 = Utf8::default();
        parts.iter().try_for_each(|part| utf8.push(part)).ok()?;
        Some(utf8.is_complete())
    }

    #[test]
    fn what_is_wrong_is_noticed_at_its_first_byte() {
        assert_eq!(judge(&[b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4"]), Some(false));
        assert_eq!(judge(&[b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4", b"\x90"]), None);
        assert_eq!(judge(&[b"\xed", b"\xa0"]), None);
        assert_eq!(judge(&[b"\xf0\x9f", b"\x98", b"\x80"]), Some(true));
    }

    proptest! {
        #[test]
        fn the_verdict_is_that_of_the_whole(data in prop_oneof![
            any::<Vec<u8>>(),
            any::<String>().prop_map(String::into_bytes),
            "[a\u{e9}\u{20ac}\u{1f600}]{0,12}".prop_map(String::into_bytes),
        ], cut in any::<prop::sample::Index>()) {
            let at = cut.index(data.len() + 1);
            let verdict = judge(&[&data[..at], &data[at..]]);
            prop_assert_eq!(verdict == Some(true), std::str::from_utf8(&data).is_ok());
            prop_assert_eq!(verdict, judge(&data.chunks(1).collect::<Vec<_>>()));
        }
    }
}
