//! Tokens: what a user shows instead of a password. RFC 7519 (JWT), RFC 9068 (the type), RFC 8725 (what to beware of).
//!
//! An access token says who somebody is and what he may do, until it expires; a refresh token brings the next one. No
//! password is in either. What of an access token is believed was signed by a key of this house, by the one algorithm
//! of that key, with a header that has the three fields of ours and no other: no `crit`, `jku`, `jwk`, `x5u` is ever
//! looked at.
//!
//! Left out: encryption (RFC 7516), an audience, since no two houses share keys, and a way to check tokens elsewhere.

mod keys;
mod provider;
mod refresh;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};

use super::accounts::{Permission, SessionId, User, UserId};
use super::entropy::Entropy;
use crate::fault::{self, Fault};
use crate::limits;
pub use keys::{Algorithm, Keys};
pub use refresh::RefreshToken;

const ISSUER: &str = "taphouse";
/// RFC 9068 2.1: so that no other kind of token is taken for one (RFC 8725 3.11).
const TYPE: &str = "at+jwt";

/// What an access token says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    iss: String,
    /// Whose it is.
    #[serde(with = "as_text")]
    pub sub: UserId,
    /// His e-mail address when it was made.
    pub email: String,
    /// His nickname when it was made.
    pub nickname: String,
    /// What he may do.
    pub permissions: Vec<Permission>,
    /// When it was made, in seconds since 1970.
    pub iat: u64,
    /// When it expires, in seconds since 1970.
    pub exp: u64,
    /// Its own name.
    pub jti: String,
    /// The session that it belongs to: with that it is revoked.
    pub sid: SessionId,
}

/// RFC 7519 4.1.2: the subject is a text.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::UserId;

    pub(super) fn serialize<S: Serializer>(id: &UserId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UserId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(UserId).map_err(|_| serde::de::Error::custom("expected the id of a user"))
    }
}

impl Claims {
    /// He may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claims(user {})", self.sub)
    }
}

/// Why somebody is not let in: RFC 6750 3.1 knows one word for all of it but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no token.
    Missing,
    /// It is none of ours: it cannot be read, or its signature is wrong.
    Malformed,
    /// It was one of ours.
    Expired,
    /// Its session is over: signed out, its user is gone, or an old refresh token came again.
    Revoked,
}

impl Refusal {
    /// What is wrong.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "the token is missing",
            Self::Malformed => "the token is malformed, or not of this house",
            Self::Expired => "the token is expired",
            Self::Revoked => "the token is revoked",
        }
    }
}

/// Makes and judges tokens.
pub struct Tokens {
    keys: RwLock<Keys>,
    /// Held by who changes the keys; and when that failed last.
    changing: Mutex<Option<u64>>,
    entropy: Entropy,
    /// How long an access token lives, in seconds.
    life: u64,
}

impl Tokens {
    /// Tokens by these keys, which live for so many seconds, at most [`limits::TOKEN_LIFE_MAX`].
    ///
    /// # Errors
    /// Another program around this one has chosen a cryptography for `jsonwebtoken` that takes other keys.
    pub fn new(keys: Keys, entropy: Entropy, life: u64) -> Result<Self, String> {
        provider::install();
        let tokens = Self {
            keys: RwLock::new(keys),
            changing: Mutex::new(None),
            entropy,
            life: life.clamp(1, limits::TOKEN_LIFE_MAX),
        };
        let trial = tokens.claims(0, &User::nobody(), SessionId::default());
        let token = tokens.sign(&trial);
        if token.is_none_or(|token| tokens.judge(0, &token) != Ok(trial)) {
            return Err(
                "tokens cannot be signed: the program has installed another provider of cryptography for \
                        jsonwebtoken"
                    .to_owned(),
            );
        }
        Ok(tokens)
    }

    /// How long an access token lives, in seconds.
    pub fn life(&self) -> u64 {
        self.life
    }

    /// A token for a user in a session. The keys are renewed when they are due, which may write a file: this belongs in
    /// a job.
    pub fn issue(&self, now: u64, user: &User, session: SessionId) -> (String, Claims) {
        if self.keys().is_due(now) {
            self.rotate_if_due(now);
        }
        let claims = self.claims(now, user, session);
        let token = self.sign(&claims).expect("it was tried with the first key");
        debug_assert!(token.len() <= limits::TOKEN_BYTES);
        (token, claims)
    }

    /// What a token says, if it is one of ours and lives. That its session lives is judged elsewhere.
    ///
    /// # Errors
    /// What is wrong.
    pub fn judge(&self, now: u64, token: &str) -> Result<Claims, Refusal> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
        let kid = header.kid.clone().ok_or(Refusal::Malformed)?;
        let key = self.keys().named(&kid).cloned().ok_or(Refusal::Malformed)?;
        if header != self::header(&key) {
            return Err(Refusal::Malformed);
        }
        let mut validation = Validation::new(key.algorithm.into());
        // It would look at a clock of its own.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        validation.set_issuer(&[ISSUER]);
        let claims = match jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation) {
            Ok(token) => token.claims,
            Err(error) => match error.kind() {
                ErrorKind::InvalidSignature if fault::is(Fault::TokensUnsigned) => {
                    jsonwebtoken::dangerous::insecure_decode(token).map_err(|_| Refusal::Malformed)?.claims
                }
                _ => return Err(Refusal::Malformed),
            },
        };
        // What was made later than now was not made here, unless a clock was set back.
        if claims.iat > now.saturating_add(limits::TOKEN_SKEW) {
            return Err(Refusal::Malformed);
        }
        if now >= claims.exp && !fault::is(Fault::TokensStay) {
            return Err(Refusal::Expired);
        }
        Ok(claims)
    }

    /// A refresh token of this generation of a session.
    pub fn refresh(&self, session: SessionId, generation: u32) -> RefreshToken {
        RefreshToken::new(self.keys().refresh(), session, generation)
    }

    /// What session a refresh token is of, and of which generation, if it is one of ours.
    ///
    /// # Errors
    /// It is none.
    pub fn judge_refresh(&self, token: &str) -> Result<(SessionId, u32), Refusal> {
        refresh::judge(self.keys().refresh(), token).ok_or(Refusal::Malformed)
    }

    /// Makes a new key of tokens; those of the old one live out their time, or are good no more.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn rotate(&self, now: u64, forget: bool) -> io::Result<()> {
        let _changing = self.changing();
        self.change(
            |keys, entropy| if forget { keys.renewed(entropy, now) } else { keys.rotated(entropy, now) },
        )
    }

    fn rotate_if_due(&self, now: u64) {
        let mut failed = self.changing();
        // Somebody may have done it meanwhile, or failed a moment ago.
        let is_soon = failed.is_some_and(|failed| now < failed.saturating_add(limits::KEY_PAUSE));
        if is_soon || !self.keys().is_due(now) {
            return;
        }
        if let Err(error) = self.change(|keys, entropy| keys.rotated(entropy, now)) {
            *failed = Some(now);
            log::error!("no new key of tokens could be kept, so the old one stays: {error}");
        }
    }

    /// The disk is waited for by who changes the keys alone, and not by those who look at them.
    fn change(&self, change: impl FnOnce(&Keys, &Entropy) -> io::Result<keys::Next>) -> io::Result<()> {
        let now = self.keys().clone();
        let next = change(&now, &self.entropy)?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).become_next(next);
        Ok(())
    }

    fn changing(&self) -> MutexGuard<'_, Option<u64>> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for something that nobody can guess.
    pub fn session_id(&self) -> SessionId {
        let mut id = [0; 16];
        (self.entropy)(&mut id);
        SessionId(u128::from_be_bytes(id))
    }

    fn claims(&self, now: u64, user: &User, session: SessionId) -> Claims {
        let mut jti = [0; 16];
        (self.entropy)(&mut jti);
        Claims {
            iss: ISSUER.to_owned(),
            sub: user.id,
            email: user.email.clone(),
            nickname: user.nickname.clone(),
            permissions: user.role.permissions(),
            iat: now,
            exp: now.saturating_add(self.life),
            jti: BASE64.encode(jti),
            sid: session,
        }
    }

    fn sign(&self, claims: &Claims) -> Option<String> {
        let key = Arc::clone(self.keys().newest());
        jsonwebtoken::encode(&header(&key), claims, &key.encoding).ok()
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        // Keys are replaced whole, whoever panics elsewhere.
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header(key: &keys::Key) -> Header {
    let mut header = Header::new(key.algorithm.into());
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key.kid.clone());
    header
}

#[cfg(test)]
mod tests;
