//! Refresh tokens: a session, and how often it was refreshed, under a tag that only this house can make.
//!
//! Each is good once. That an old one is known for what it is, and not for noise, is what tells that a token was
//! stolen: then the whole session ends, since nobody knows which of the two is the thief (RFC 9700 4.14.2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::provider::Hs256;
use crate::app::accounts::SessionId;
use crate::fault::{self, Fault};

/// A refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// The session in 16 bytes, the generation in 4, both with their highest byte first; then the tag.
const NAMES: usize = 20;

impl RefreshToken {
    pub(super) fn new(key: &[u8; 32], session: SessionId, generation: u32) -> Self {
        let mut bytes = [&session.0.to_be_bytes()[..], &generation.to_be_bytes()].concat();
        bytes.extend(Hs256::new(key).tag(&bytes));
        Self(BASE64.encode(bytes))
    }

    /// As it is given to its user, and to nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken")
    }
}

pub(super) fn judge(key: &[u8; 32], token: &str) -> Option<(SessionId, u32)> {
    let bytes = BASE64.decode(token).ok().filter(|bytes| bytes.len() == NAMES + 32)?;
    let (names, tag) = bytes.split_at(NAMES);
    if !Hs256::new(key).is_tag(names, tag) && !fault::is(Fault::TokensUnsigned) {
        return None;
    }
    let (session, generation) = names.split_at(16);
    let session = SessionId(u128::from_be_bytes(session.try_into().ok()?));
    Some((session, u32::from_be_bytes(generation.try_into().ok()?)))
}
