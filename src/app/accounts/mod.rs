//! Users and their sessions: what is known of them, and where it is kept.
//!
//! What keeps them stands behind [`Users`] and [`Sessions`], so that another engine can take its place; the one that
//! comes with the house is in `store`. Both may wait for a disk, so they are called in jobs alone.

pub mod admin;
mod names;
pub(super) mod password;
pub(super) mod sessions;
pub(super) mod users;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

pub use password::{Blocklist, PasswordHash, Passwords};

/// Which user: from 1 on, and never again for another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserId(pub u64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which session: one sign-in, until its end. Nobody can guess it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId")
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0.to_be_bytes()))
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| serde::de::Error::custom("expected 16 bytes in Base64"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Sit at tables.
    Member,
    /// Mute others at tables, and remove them.
    Moderator,
    /// See and change all users.
    Admin,
}

/// What a user is: each may do what those before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whoever signed up.
    #[default]
    Member,
    /// Keeps order at the tables.
    Moderator,
    /// Keeps the house.
    Admin,
}

impl Role {
    /// What it brings.
    pub fn permissions(self) -> Vec<Permission> {
        let all = [Permission::Member, Permission::Moderator, Permission::Admin];
        all[..=self as usize].to_vec()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Member, Self::Moderator, Self::Admin];
        let named = all.into_iter().find(|role| role.name() == text);
        named.ok_or_else(|| format!("{text:?} is none of member, moderator and admin"))
    }
}

/// A user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Which one.
    pub id: UserId,
    /// Where he gets mail, as he wrote it.
    pub email: String,
    /// What others see of him.
    pub nickname: String,
    /// What he is.
    pub role: Role,
    /// What his password is checked against.
    pub password: PasswordHash,
    /// He may not sign in.
    pub is_disabled: bool,
    /// When he signed up, in seconds since 1970.
    pub created: u64,
}

impl User {
    /// The largest that there can be, whom tokens are tried with.
    pub(super) fn nobody() -> Self {
        Self {
            id: UserId(u64::MAX),
            email: "a".repeat(crate::limits::EMAIL_BYTES),
            nickname: "\"".repeat(crate::limits::NICKNAME_CHARS),
            role: Role::Admin,
            password: PasswordHash::default(),
            is_disabled: true,
            created: 0,
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({}, {})", self.id, self.role.name())
    }
}

/// Why something was not kept.
#[derive(Debug)]
pub enum StoreError {
    /// Another user has this e-mail address.
    Taken,
    /// There is no such user.
    Unknown,
    /// The store failed: a full disk, say. Nothing has changed.
    Failed(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("another user has this e-mail address"),
            Self::Unknown => f.write_str("there is no such user"),
            Self::Failed(what) => write!(f, "the store failed: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A moment at which sessions may end, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// It is now.
    pub now: u64,
    /// Until when their tokens would live, so that it is remembered that they do not.
    pub until: u64,
}

/// What a change of a user comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is made.
    Made,
    /// It is made, and he must sign in again.
    EndsSessions,
}

/// Keeps users. What a call has returned is kept, whatever happens to the program then.
pub trait Users: Send + Sync {
    /// Keeps a new user, whose id is given here.
    ///
    /// # Errors
    /// [`StoreError::Taken`], or the store failed.
    fn insert(&self, user: User) -> Result<User, StoreError>;

    /// The user of this id.
    ///
    /// # Errors
    /// The store failed.
    fn by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user of this e-mail address, whatever of it is in capitals.
    ///
    /// # Errors
    /// The store failed.
    fn by_email(&self, email: &str) -> Result<Option<User>, StoreError>;

    /// Changes a user, who is looked up and kept as one step. If the change says that with it all sessions of the user
    /// end, they do in the same step, and are given back.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Taken`], or the store failed.
    fn update(
        &self,
        id: UserId,
        at: Moment,
        change: &mut dyn FnMut(&mut User) -> Change,
    ) -> Result<(User, Vec<SessionId>), StoreError>;

    /// Forgets a user. All his sessions end, and are given back.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or the store failed.
    fn remove(&self, id: UserId, at: Moment) -> Result<Vec<SessionId>, StoreError>;

    /// So many users at most, by their ids, from behind this one on.
    ///
    /// # Errors
    /// The store failed.
    fn list(&self, after: UserId, limit: usize) -> Result<Vec<User>, StoreError>;
}

/// A session that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub user: UserId,
    /// How often it was refreshed.
    pub generation: u32,
    /// When it ends by itself, in seconds since 1970.
    pub expires: u64,
}

/// What came of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It was the session's newest: now there is another one.
    Renewed(Session),
    /// It was an old one. The session is over.
    Reused,
    /// The session was over.
    Over,
    /// The session had expired.
    Expired,
}

/// Keeps sessions. What a call has returned is kept, whatever happens to the program then.
///
/// The tokens of a session live on for a while when it is over, so sessions that were ended are remembered until then.
pub trait Sessions: Send + Sync {
    /// Keeps a new session of a user whose password was compared with this hash. Where he has too many, those end that
    /// would end first: these are given back.
    ///
    /// # Errors
    /// [`StoreError::Unknown`]: its user is gone, disabled, or has another password by now. Or the store failed.
    fn begin(
        &self,
        id: SessionId,
        session: Session,
        compared: &PasswordHash,
        at: Moment,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// A refresh token of this generation came: the session goes on to `expires`, or it ends.
    ///
    /// # Errors
    /// The store failed.
    fn renew(&self, id: SessionId, generation: u32, expires: u64, at: Moment) -> Result<Renewal, StoreError>;

    /// Ends a session, if it has not ended.
    ///
    /// # Errors
    /// The store failed.
    fn end(&self, id: SessionId, at: Moment) -> Result<(), StoreError>;

    /// Ends all sessions of a user, and gives them back.
    ///
    /// # Errors
    /// The store failed.
    fn end_all(&self, user: UserId, at: Moment) -> Result<Vec<SessionId>, StoreError>;

    /// Sessions that were ended, and until when their tokens would live.
    ///
    /// # Errors
    /// The store failed.
    fn ended(&self, now: u64) -> Result<Vec<(SessionId, u64)>, StoreError>;
}
