//! The bytes of `/bytes/{n}`: byte i is i mod 251.

use std::sync::OnceLock;

/// About 256 KB: large enough for large writes, small enough to stay in a cache.
const PERIODS: usize = 1045;
const PERIOD: usize = 251;

/// At most `left` bytes of the pattern, from byte `at` of a body on. Empty only if `left` is 0.
pub fn slice(at: u64, left: u64) -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| (0..PERIODS * PERIOD).map(|i| (i % PERIOD) as u8).collect());
    let start = (at % PERIOD as u64) as usize;
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(pattern.len() - start);
    &pattern[start..start + len]
}

/// `bytes` are those of a body from byte `at` on.
pub fn matches(mut at: u64, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let wanted = slice(at, bytes.len() as u64);
        if bytes[..wanted.len()] != *wanted {
            return false;
        }
        at += wanted.len() as u64;
        bytes = &bytes[wanted.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_index_modulo_251() {
        let body: Vec<u8> = (0..600_000_u64).map(|i| (i % 251) as u8).collect();
        assert!(matches(0, &body));
        assert!(matches(1000, &body[1000..]));
        assert!(!matches(1, &body));
    }
}
