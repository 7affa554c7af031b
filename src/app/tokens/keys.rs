//! The keys of the tokens: made here, kept in a file that its owner alone can read, and replaced in time.
//!
//! A token names the key that made it (`kid`), and a key is for one algorithm alone, so that no token can choose how
//! it is judged (RFC 8725 3.1, 3.2). A key that was replaced stays until the last token that it made has expired.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use crate::app::entropy::Entropy;
use crate::limits;

/// The algorithm of new tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037): who has the public key can check tokens, and make none.
    #[default]
    EdDSA,
    /// HMAC with SHA-256 (RFC 7518 3.2): faster, and who checks can also make.
    HS256,
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EdDSA => Self::EdDSA,
            Algorithm::HS256 => Self::HS256,
        }
    }
}

/// A key as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    kid: String,
    alg: Algorithm,
    /// In Base64: the seed of Ed25519, the secret of HMAC.
    secret: String,
    /// Seconds since 1970.
    created: u64,
}

/// The file.
#[derive(Clone, Serialize, Deserialize)]
struct Ring {
    /// Of the tags of refresh tokens, in Base64.
    refresh: String,
    /// From the oldest to the one that makes tokens now.
    keys: Vec<Kept>,
}

/// A key that is ready for use.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
}

/// All keys.
pub struct Keys {
    path: Option<PathBuf>,
    algorithm: Algorithm,
    entropy: Entropy,
    ring: Ring,
    ready: Vec<Arc<Key>>,
    refresh: [u8; 32],
}

impl Keys {
    /// The keys in this directory, made if there are none. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn open(directory: &Path, algorithm: Algorithm, entropy: Entropy, now: u64) -> Result<Self, String> {
        let path = directory.join("keys.json");
        let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let ring = match fs::read(&path) {
            Ok(bytes) => {
                let mode = fs::metadata(&path).map_err(|e| wrong(&e))?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(wrong(&format_args!(
                        "others can read the keys (mode {mode:o}); make new ones by removing the file, or, if nobody \
                         else has looked, chmod 600 it"
                    )));
                }
                let ring = serde_json::from_slice(&bytes);
                ring.map_err(|_| {
                    wrong(&"is damaged; without it new keys are made, and all must sign in again")
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => new_ring(&entropy),
            Err(error) => return Err(wrong(&error)),
        };
        let mut keys = Self::new(Some(path.clone()), ring, algorithm, entropy).map_err(|e| wrong(&e))?;
        keys.rotate_if_due(now).map_err(|e| wrong(&e))?;
        Ok(keys)
    }

    /// Keys that end with the program.
    pub fn in_memory(algorithm: Algorithm, entropy: Entropy, now: u64) -> Self {
        let ring = new_ring(&entropy);
        let mut keys = Self::new(None, ring, algorithm, entropy).expect("it was made just now");
        keys.rotate_if_due(now).expect("there is no file to write");
        keys
    }

    fn new(
        path: Option<PathBuf>,
        ring: Ring,
        algorithm: Algorithm,
        entropy: Entropy,
    ) -> Result<Self, &'static str> {
        let bytes = |text: &str| BASE64.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let refresh = bytes(&ring.refresh).ok_or("the key of refresh tokens is damaged")?;
        let ready: Option<Vec<_>> =
            ring.keys.iter().map(|kept| Some(Arc::new(ready(kept, bytes(&kept.secret)?)))).collect();
        let ready = ready.ok_or("a key is damaged")?;
        Ok(Self { path, algorithm, entropy, ring, ready, refresh })
    }

    /// The key that makes tokens.
    pub(super) fn newest(&self) -> &Arc<Key> {
        self.ready.last().expect("there is a key from the beginning on")
    }

    /// The key of this name.
    pub(super) fn named(&self, kid: &str) -> Option<&Arc<Key>> {
        self.ready.iter().find(|key| key.kid == kid)
    }

    /// Of the tags of refresh tokens.
    pub(super) fn refresh(&self) -> &[u8; 32] {
        &self.refresh
    }

    /// Whether [`rotate_if_due`](Self::rotate_if_due) would do something.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.ring.keys.last().is_none_or(|newest| {
            newest.alg != self.algorithm || now >= newest.created.saturating_add(limits::KEY_AGE)
        })
    }

    /// Makes a new key if the newest is old, or of another algorithm than is wanted now.
    ///
    /// # Errors
    /// The file cannot be written; nothing has changed then.
    pub fn rotate_if_due(&mut self, now: u64) -> io::Result<()> {
        if self.is_due(now) { self.rotate(now) } else { Ok(()) }
    }

    /// Makes a new key, and forgets those whose last token has expired.
    ///
    /// # Errors
    /// The file cannot be written; nothing has changed then.
    pub fn rotate(&mut self, now: u64) -> io::Result<()> {
        let (mut kid, mut secret) = ([0; 8], [0; 32]);
        (self.entropy)(&mut kid);
        (self.entropy)(&mut secret);
        let kept = Kept {
            kid: BASE64.encode(kid),
            alg: self.algorithm,
            secret: BASE64.encode(secret),
            created: now,
        };
        let mut ring = self.ring.clone();
        ring.keys.push(kept.clone());
        // A key made its last token when the next one was made.
        let replaced: Vec<u64> = ring.keys.iter().skip(1).map(|key| key.created).collect();
        let is_over = |replaced: &u64| replaced.saturating_add(limits::TOKEN_LIFE_MAX) < now;
        let over = replaced.iter().take_while(|at| is_over(at)).count();
        ring.keys.drain(..over);
        if let Some(path) = &self.path {
            write(path, &ring)?;
        }
        self.ready.push(Arc::new(ready(&kept, secret)));
        self.ready.drain(..over);
        self.ring = ring;
        Ok(())
    }
}

fn new_ring(entropy: &Entropy) -> Ring {
    let mut refresh = [0; 32];
    entropy(&mut refresh);
    Ring { refresh: BASE64.encode(refresh), keys: Vec::new() }
}

fn ready(kept: &Kept, secret: [u8; 32]) -> Key {
    let (encoding, decoding) = match kept.alg {
        Algorithm::HS256 => (EncodingKey::from_secret(&secret), DecodingKey::from_secret(&secret)),
        Algorithm::EdDSA => {
            let public = SigningKey::from_bytes(&secret).verifying_key().to_bytes();
            (EncodingKey::from_ed_der(&secret), DecodingKey::from_ed_der(&public))
        }
    };
    Key { kid: kept.kid.clone(), algorithm: kept.alg, encoding, decoding }
}

/// Whole or not at all: beside the file, then in its place.
fn write(path: &Path, ring: &Ring) -> io::Result<()> {
    let beside = path.with_extension("new");
    // What a run left there that was killed would keep its mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(ring)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
