//! Close codes and the reasons beside them: RFC 6455 7.4, with the registry that it opens.

use bytes::Bytes;

use crate::fault::{self, Fault};

/// A close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u16);

impl Code {
    /// What was to be done is done.
    pub const NORMAL: Self = Self(1000);
    /// The server stops, or the page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// Never on the wire: a Close frame without a code.
    pub const NONE: Self = Self(1005);
    /// Never on the wire: the connection ended without a Close frame.
    pub const ABNORMAL: Self = Self(1006);
    /// A text that is not UTF-8, or compressed data that is none.
    pub const INVALID_DATA: Self = Self(1007);
    /// A message that is not allowed here.
    pub const POLICY: Self = Self(1008);
    /// A message that is too large.
    pub const TOO_LARGE: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server has no room for this connection now.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// It may stand in a Close frame: RFC 6455 7.4.1, 7.4.2 and the registry (1012 to 1014).
    pub fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code: the peer's, or ours if we closed first, or one that is never on the wire.
    pub code: Code,
    /// The reason beside it.
    pub reason: String,
    /// Both sides have sent a Close frame: RFC 6455 7.1.4.
    pub is_clean: bool,
}

/// Why a connection is failed: RFC 6455 7.1.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) reason: &'static str,
}

pub(super) const fn fail(code: Code, reason: &'static str) -> Failure {
    Failure { code, reason }
}

/// The content of a Close frame: RFC 6455 5.5.1.
pub(super) fn parse(content: &[u8]) -> Result<(Code, String), Failure> {
    let (code, reason) = match content {
        [] => return Ok((Code::NONE, String::new())),
        [_] => return Err(fail(Code::PROTOCOL_ERROR, "a Close frame of one byte")),
        [high, low, reason @ ..] => (Code(u16::from_be_bytes([*high, *low])), reason),
    };
    if !code.is_sendable() && !fault::is(Fault::CloseCodeUnchecked) {
        return Err(fail(Code::PROTOCOL_ERROR, "a close code that may not be sent"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok((code, reason.to_owned())),
        Err(_) => Err(fail(Code::INVALID_DATA, "a close reason that is not UTF-8")),
    }
}

/// The content of our Close frame; a reason too long for it is cut, and a code that may not be sent is left out.
pub(super) fn content(code: Code, reason: &str) -> Bytes {
    if !code.is_sendable() {
        return Bytes::new();
    }
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    [&code.0.to_be_bytes()[..], &reason.as_bytes()[..end]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_judged() {
        for good in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
            assert!(Code(good).is_sendable(), "{good}");
        }
        for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert!(!Code(bad).is_sendable(), "{bad}");
        }
    }

    #[test]
    fn contents_are_judged() {
        let code = |content: &[u8]| parse(content).map(|c| c.0.0).map_err(|f| f.code.0);
        assert_eq!(code(b""), Ok(1005));
        assert_eq!(code(b"\x03"), Err(1002));
        assert_eq!(code(b"\x03\xe8bye"), Ok(1000));
        assert_eq!(code(b"\x03\xed"), Err(1002));
        assert_eq!(code(b"\x03\xe8\xff"), Err(1007));
    }

    #[test]
    fn codes_that_are_never_on_the_wire_are_not_sent() {
        for code in [Code::NONE, Code::ABNORMAL, Code(1015), Code(0), Code(5000)] {
            assert_eq!(content(code, "why"), &b""[..], "{code:?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let content = content(Code::NORMAL, &"é".repeat(100));
        assert_eq!(content.len(), 2 + 122);
        assert!(parse(&content).is_ok());
    }
}
