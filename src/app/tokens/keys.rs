//! The keys of the tokens: made here, kept in a file that its owner alone can read, and replaced in time.
//!
//! A token names the key that made it (`kid`), and a key is for one algorithm alone, so that no token can choose how
//! it is judged (RFC 8725 3.1, 3.2). A key that was replaced stays until the last token that it made has expired.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
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
    /// Of which store they are.
    store: u64,
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

/// All keys. A change is two steps, so that nobody who only looks at them waits for a disk: the next ones are made and
/// kept, and then they become that.
#[derive(Clone)]
pub struct Keys {
    path: Option<PathBuf>,
    /// Of new keys; with none they are as the newest, and none is made by itself.
    algorithm: Option<Algorithm>,
    ring: Ring,
    ready: Vec<Arc<Key>>,
    refresh: [u8; 32],
}

/// What keys become.
pub(super) struct Next(Keys);

impl Keys {
    /// The keys in this directory, made if there are none, or if they are of another store. `now` is in seconds since
    /// 1970.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn open(
        directory: &Path,
        store: u64,
        algorithm: Option<Algorithm>,
        entropy: &Entropy,
        now: u64,
    ) -> Result<Self, String> {
        let path = directory.join("keys.json");
        let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let ring = match read(&path) {
            Ok(Some(bytes)) => {
                let ring: Result<Ring, _> = serde_json::from_slice(&bytes);
                ring.map_err(|_| {
                    wrong(&"is damaged; without it new keys are made, and all must sign in again")
                })?
            }
            Ok(None) => new_ring(store, entropy),
            Err(what) => return Err(wrong(&what)),
        };
        // With another store users have other ids: what was signed for the old ones is for nobody.
        let ring = if ring.store == store { ring } else { new_ring(store, entropy) };
        let keys = Self::new(Some(path.clone()), ring, algorithm).map_err(|e| wrong(&e))?;
        keys.begin(entropy, now).map_err(|e| wrong(&e))
    }

    /// Keys that end with the program.
    pub fn in_memory(algorithm: Algorithm, entropy: &Entropy, now: u64) -> Self {
        let keys = Self::new(None, new_ring(0, entropy), Some(algorithm)).expect("it was made just now");
        keys.begin(entropy, now).expect("there is no file to write")
    }

    fn begin(self, entropy: &Entropy, now: u64) -> io::Result<Self> {
        if self.ready.is_empty() || self.is_due(now) {
            return self.rotated(entropy, now).map(|Next(keys)| keys);
        }
        Ok(self)
    }

    fn new(path: Option<PathBuf>, ring: Ring, algorithm: Option<Algorithm>) -> Result<Self, &'static str> {
        let bytes = |text: &str| BASE64.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let refresh = bytes(&ring.refresh).ok_or("the key of refresh tokens is damaged")?;
        let ready: Option<Vec<_>> =
            ring.keys.iter().map(|kept| Some(Arc::new(ready(kept, bytes(&kept.secret)?)))).collect();
        let ready = ready.ok_or("a key is damaged")?;
        Ok(Self { path, algorithm, ring, ready, refresh })
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

    /// The newest is old, or of another algorithm than is wanted now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let Some(algorithm) = self.algorithm else { return false };
        self.ring.keys.last().is_none_or(|newest| {
            newest.alg != algorithm || now >= newest.created.saturating_add(limits::KEY_AGE)
        })
    }

    /// With a new key, and without those whose last token has expired. It is on the disk.
    pub(super) fn rotated(&self, entropy: &Entropy, now: u64) -> io::Result<Next> {
        let mut ring = self.ring.clone();
        let newest = self.ring.keys.last().map(|newest| newest.alg);
        ring.keys.push(new_key(self.algorithm.or(newest).unwrap_or_default(), entropy, now));
        // A key made its last token when the next one was made.
        let replaced: Vec<u64> = ring.keys.iter().skip(1).map(|key| key.created).collect();
        let is_over = |replaced: &u64| replaced.saturating_add(limits::TOKEN_LIFE_MAX) < now;
        let over = replaced.iter().take_while(|at| is_over(at)).count();
        ring.keys.drain(..over);
        self.with(ring)
    }

    /// With new keys alone: nothing that the old ones have signed is good any more. It is on the disk.
    pub(super) fn renewed(&self, entropy: &Entropy, now: u64) -> io::Result<Next> {
        let mut ring = new_ring(self.ring.store, entropy);
        let newest = self.ring.keys.last().map(|newest| newest.alg);
        ring.keys.push(new_key(self.algorithm.or(newest).unwrap_or_default(), entropy, now));
        self.with(ring)
    }

    fn with(&self, ring: Ring) -> io::Result<Next> {
        if let Some(path) = &self.path {
            write(path, &ring)?;
        }
        Self::new(self.path.clone(), ring, self.algorithm).map(Next).map_err(io::Error::other)
    }

    /// Becomes what was kept.
    pub(super) fn become_next(&mut self, Next(next): Next) {
        *self = next;
    }
}

fn new_key(alg: Algorithm, entropy: &Entropy, now: u64) -> Kept {
    let (mut kid, mut secret) = ([0; 8], [0; 32]);
    entropy(&mut kid);
    entropy(&mut secret);
    Kept { kid: BASE64.encode(kid), alg, secret: BASE64.encode(secret), created: now }
}

/// The file, if there is one that nobody else can read or has made.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "others can read the keys (mode {mode:o}); make new ones by removing the file, or, if nobody else has \
             looked, chmod 600 it"
        ));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}

fn new_ring(store: u64, entropy: &Entropy) -> Ring {
    let mut refresh = [0; 32];
    entropy(&mut refresh);
    Ring { store, refresh: BASE64.encode(refresh), keys: Vec::new() }
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
    // Whoever runs the keeper's command: it stays whose it was.
    let before =
        fs::symlink_metadata(path).or_else(|_| fs::metadata(path.parent().unwrap_or(Path::new("."))))?;
    if before.uid() != file.metadata()?.uid() {
        fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
