//! The service of the house: what its routes share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::accounts::{Blocklist, Moment, Passwords, SessionId, Sessions, StoreError, Users};
use super::store::Store;
use super::throttle::{Counted, Throttles};
use super::tokens::{Algorithm, Entropy, Keys, Tokens};
use crate::fault::{self, Fault};
use crate::http::{Origins, Problem, Response};
use crate::limits;

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The algorithm of new tokens.
    pub algorithm: Algorithm,
    /// How long an access token lives, in seconds.
    pub token_life: u64,
    /// How long a session lives after its last refresh, in seconds.
    pub session_life: u64,
    /// Characters that a new password has at least.
    pub password_chars: usize,
    /// Passwords that are refused, beside the house's own list.
    pub blocklist: Blocklist,
    /// Pages whose cookies are taken for what changes something.
    pub origins: Origins,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            token_life: limits::TOKEN_LIFE,
            session_life: limits::SESSION_LIFE,
            password_chars: limits::PASSWORD_CHARS.0,
            blocklist: Blocklist::default(),
            origins: Origins::SameHost,
        }
    }
}

/// The service.
pub struct Service {
    pub(super) users: Arc<dyn Users>,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) throttles: Box<dyn Throttles>,
    pub(super) tokens: Tokens,
    pub(super) passwords: Passwords,
    pub(super) settings: Settings,
    ended: Ended,
}

impl Service {
    /// The service whose data is in this directory. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong there, and what to do.
    pub fn open(directory: &Path, settings: Settings, entropy: Entropy, now: u64) -> Result<Self, String> {
        // The store first: where another house is at work, its keys are left alone.
        let store = Store::open(directory)?;
        let keys = Keys::open(directory, settings.algorithm, Arc::clone(&entropy), now)?;
        Self::new(Arc::new(store), keys, settings, entropy, now)
    }

    /// A service whose data ends with the program.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn in_memory(settings: Settings, entropy: Entropy, now: u64) -> Result<Self, String> {
        let keys = Keys::in_memory(settings.algorithm, Arc::clone(&entropy), now);
        Self::new(Arc::new(Store::in_memory()), keys, settings, entropy, now)
    }

    fn new(
        store: Arc<Store>,
        keys: Keys,
        settings: Settings,
        entropy: Entropy,
        now: u64,
    ) -> Result<Self, String> {
        let ended = Ended::default();
        for (id, until) in store.ended(now).map_err(|error| error.to_string())? {
            ended.add(&[id], Moment { now, until });
        }
        let passwords = Passwords::new(settings.blocklist.clone(), Arc::clone(&entropy));
        Ok(Self {
            users: Arc::<Store>::clone(&store),
            sessions: store,
            throttles: Box::new(Counted::default()),
            tokens: Tokens::new(keys, entropy, settings.token_life)?,
            passwords: passwords.min_chars(settings.password_chars),
            settings,
            ended,
        })
    }

    /// Now, and until when a token that was made now lives.
    pub(super) fn moment(&self, now: u64) -> Moment {
        Moment { now, until: now.saturating_add(self.tokens.life()).saturating_add(limits::TOKEN_SKEW) }
    }

    /// Sessions have ended: their tokens are good no more.
    pub(super) fn forget(&self, sessions: &[SessionId], at: Moment) {
        self.ended.add(sessions, at);
    }

    /// The tokens of this session are good no more.
    pub(super) fn has_ended(&self, session: SessionId) -> bool {
        self.ended.sessions().until.contains_key(&session) && !fault::is(Fault::SessionsStay)
    }
}

/// Sessions that were ended and whose tokens have not expired.
#[derive(Default)]
struct Ended(Mutex<EndedSessions>);

#[derive(Default)]
struct EndedSessions {
    until: BTreeMap<SessionId, u64>,
    /// The same, by the time at which their tokens expire.
    order: BTreeSet<(u64, SessionId)>,
}

impl Ended {
    fn sessions(&self) -> MutexGuard<'_, EndedSessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many as a disk can keep in the life of a token: each was kept before it came here.
    fn add(&self, sessions: &[SessionId], Moment { now, until }: Moment) {
        let mut ended = self.sessions();
        while let Some((_, id)) = ended.order.first().copied().filter(|(until, _)| *until < now) {
            ended.order.pop_first();
            ended.until.remove(&id);
        }
        for &id in sessions {
            if ended.until.insert(id, until).is_none() {
                ended.order.insert((until, id));
            }
        }
    }
}

/// What a request is told that the store refused.
pub(super) fn refused(error: StoreError) -> Response {
    let problem = match error {
        StoreError::Taken => Problem::new(409, "another user has this e-mail address"),
        StoreError::Unknown => Problem::new(404, "there is no such user"),
        StoreError::Failed(_) => {
            log::error!("{error}");
            let response: Response =
                Problem::new(503, "nothing can be kept now, and nothing was changed").into();
            return response.with("Retry-After", "10");
        }
    };
    problem.into()
}
