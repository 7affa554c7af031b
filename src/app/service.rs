//! The service of the house: what its routes share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::accounts::{Blocklist, Moment, Passwords, SessionId, Sessions, StoreError, Users};
use super::entropy::Entropy;
use super::store::Store;
use super::tables::{self, Hall};
use super::throttle::{Counted, Throttles};
use super::tokens::{Algorithm, Keys, Tokens};
use crate::fault::{self, Fault};
use crate::http::{Origins, Problem, Response, WebSocket};
use crate::limits;
use crate::time::{Instant, Now};
use crate::ws::{self, Overflow, Prepared};

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The algorithm of new tokens; with none as they were before, and no key is made by itself.
    pub algorithm: Option<Algorithm>,
    /// How long an access token lives, in seconds.
    pub token_life: u64,
    /// How long a session lives after its last refresh, in seconds.
    pub session_life: u64,
    /// Characters that a new password has at least.
    pub password_chars: usize,
    /// Passwords that are refused, beside the house's own list.
    pub blocklist: Blocklist,
    /// Pages whose cookies are taken for what changes something, and which may open sockets at tables.
    pub origins: Origins,
    /// Tables are for everybody, also without a name.
    pub open_tables: bool,
    /// How the sockets at tables behave, but for what becomes of those who do not read.
    pub socket: ws::Config,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            algorithm: Some(Algorithm::default()),
            token_life: limits::TOKEN_LIFE,
            session_life: limits::SESSION_LIFE,
            password_chars: limits::PASSWORD_CHARS.0,
            blocklist: Blocklist::default(),
            origins: Origins::SameHost,
            open_tables: false,
            socket: ws::Config::default(),
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
    pub(super) hall: Hall,
    /// How sockets at tables are taken.
    pub(super) socket: WebSocket,
    pub(super) ping: Prepared,
    /// How many who sign up wait for their hash.
    pub(super) signing_up: Arc<AtomicUsize>,
    ended: Ended,
    latest: Mutex<Now>,
}

impl Service {
    /// The service whose data is in this directory. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong there, and what to do.
    pub fn open(directory: &Path, settings: Settings, entropy: Entropy, now: u64) -> Result<Self, String> {
        // The store first: where another house is at work, its keys are left alone.
        let store = Store::open(directory)?;
        let epoch = store.epoch(&entropy).map_err(|error| error.to_string())?;
        let keys = Keys::open(directory, epoch, settings.algorithm, &entropy, now)?;
        Self::new(Arc::new(store), keys, settings, entropy, now)
    }

    /// A service whose data ends with the program.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn in_memory(settings: Settings, entropy: Entropy, now: u64) -> Result<Self, String> {
        let keys = Keys::in_memory(settings.algorithm.unwrap_or_default(), &entropy, now);
        Self::new(Arc::new(Store::in_memory()), keys, settings, entropy, now)
    }

    /// A service on this store, with these keys.
    ///
    /// # Errors
    /// The store failed, or as [`Tokens::new`].
    pub fn new(
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
        // A message that is dropped would be missed: who does not read comes back for what he missed.
        let message = settings.socket.message.min(limits::TABLE_MESSAGE);
        let socket = ws::Config { overflow: Overflow::Close, message, ..settings.socket };
        Ok(Self {
            users: Arc::<Store>::clone(&store),
            sessions: Arc::<Store>::clone(&store),
            hall: Hall::new(store, Arc::clone(&entropy)),
            socket: WebSocket::default().config(socket).origins(settings.origins.clone()),
            ping: tables::ping(),
            signing_up: Arc::default(),
            throttles: Box::new(Counted::default()),
            tokens: Tokens::new(keys, entropy, settings.token_life)?,
            passwords: passwords.min_chars(settings.password_chars),
            settings,
            ended,
            latest: Mutex::new(Now { mono: Instant::ZERO, wall: now }),
        })
    }

    /// It is now, somewhere.
    pub(super) fn see(&self, now: Now) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if now.mono > latest.mono {
            *latest = now;
        }
    }

    /// The latest time that was seen, for those who are not told it.
    pub(super) fn latest(&self) -> Now {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, and until when a token that was made now lives.
    pub(super) fn moment(&self, now: u64) -> Moment {
        // Tokens of this run may live shorter than those of the last one.
        Moment { now, until: now.saturating_add(limits::TOKEN_LIFE_MAX + limits::TOKEN_SKEW) }
    }

    /// Sessions have ended: their tokens are good no more.
    pub(super) fn forget(&self, sessions: &[SessionId], at: Moment) {
        self.ended.add(sessions, at);
        sessions.iter().for_each(|session| self.hall.close_sockets(*session));
    }

    /// What a table has said is to be kept.
    pub(super) fn keep(&self, table: &tables::Shared) {
        self.hall.keep(table);
    }

    /// Keeps what tables have said, so that it is heard. Says whether there was something.
    pub fn work(&self) -> bool {
        self.hall.work()
    }

    /// Does that, without end: for a thread of its own.
    pub fn work_on(&self) -> ! {
        self.hall.work_on()
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
