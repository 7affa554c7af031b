//! How often somebody may try: the generic cell rate algorithm (GCRA), by keys, with room for so many of them.
//!
//! It stands behind [`Throttles`], so that several houses can share one. The one here forgets what has had its time;
//! when it is full it forgets whose waiting ends first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::accounts::UserId;
use crate::fault::{self, Fault};
use crate::http::{Problem, Response};
use crate::limits;

/// Whose attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Those at an account, by its e-mail address in small letters, whether there is one or not.
    Account(String),
    /// Those from an address.
    Address(Ipv4Addr),
    /// Those at the password of a user, by who is signed in as him.
    Password(UserId),
    /// Those to sign up, from an address.
    SignUps(Ipv4Addr),
    /// Seats and tables that are new to a user.
    SeatsOf(UserId),
    /// Tables that are new to somebody without a name.
    SeatsFrom(Ipv4Addr),
}

impl Key {
    /// Those at the account of this address, which may be none, and of any length.
    pub fn account(email: &str) -> Self {
        Self::Account(email.chars().take(limits::EMAIL_BYTES).collect::<String>().to_ascii_lowercase())
    }

    /// Attempts at once, and seconds until there is one more.
    fn rate(&self) -> (u64, u64) {
        match self {
            Self::Account(_) | Self::Password(_) => limits::ACCOUNT_ATTEMPTS,
            Self::SignUps(_) => limits::SIGN_UPS,
            Self::Address(_) => limits::ADDRESS_ATTEMPTS,
            Self::SeatsOf(_) | Self::SeatsFrom(_) => limits::NEW_SEATS,
        }
    }
}

/// Counts attempts. It is asked on the turn, so it does not wait.
pub trait Throttles: Send + Sync {
    /// Whether an attempt would be counted: for those who are not worth the wait for one.
    ///
    /// # Errors
    /// How many seconds to wait.
    fn look(&self, now: u64, keys: &[Key]) -> Result<(), u64>;

    /// Counts an attempt for all of these keys, or for none. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// One of them has used up its attempts: how many seconds to wait.
    fn attempt(&self, now: u64, keys: &[Key]) -> Result<(), u64>;

    /// An attempt was well: for an account all are forgotten, for an address this one is.
    fn forgive(&self, keys: &[Key]);
}

/// Throttles of one house.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Cells>);

#[derive(Debug, Default)]
struct Cells {
    /// When all attempts of a key will have had their time.
    until: BTreeMap<Key, u64>,
    /// The same, by that time.
    order: BTreeSet<(u64, Key)>,
}

impl Counted {
    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Throttles for Counted {
    fn look(&self, now: u64, keys: &[Key]) -> Result<(), u64> {
        self.cells().look(now, keys)
    }

    fn attempt(&self, now: u64, keys: &[Key]) -> Result<(), u64> {
        let mut cells = self.cells();
        cells.look(now, keys)?;
        for key in keys {
            let until = cells.until.get(key).copied().unwrap_or(0).max(now) + key.rate().1;
            cells.set(key, until);
        }
        cells.tidy(now);
        Ok(())
    }

    fn forgive(&self, keys: &[Key]) {
        let mut cells = self.cells();
        for key in keys {
            let until = cells.until.get(key).copied().unwrap_or(0);
            match key {
                Key::Account(_) | Key::Password(_) => cells.set(key, 0),
                _ => cells.set(key, until.saturating_sub(key.rate().1)),
            }
        }
    }
}

impl Cells {
    fn look(&self, now: u64, keys: &[Key]) -> Result<(), u64> {
        let wait = |key: &Key| {
            let (burst, period) = key.rate();
            let until = self.until.get(key).copied().unwrap_or(0).max(now);
            (until + period).saturating_sub(now + burst * period)
        };
        match keys.iter().map(wait).max().unwrap_or(0) {
            0 => Ok(()),
            _ if fault::is(Fault::AttemptsUnlimited) => Ok(()),
            wait => Err(wait),
        }
    }

    fn set(&mut self, key: &Key, until: u64) {
        if let Some(before) = self.until.remove(key) {
            self.order.remove(&(before, key.clone()));
        }
        if until > 0 {
            self.until.insert(key.clone(), until);
            self.order.insert((until, key.clone()));
        }
    }

    /// Forgets a few that have had their time, more than come; and whoever is too much.
    fn tidy(&mut self, now: u64) {
        for _ in 0..4 {
            let is_full = self.order.len() > limits::THROTTLED;
            let over = self.order.first().filter(|(until, _)| *until <= now || is_full).cloned();
            let Some((_, key)) = over else { break };
            self.set(&key, 0);
        }
    }
}

/// 429, and when to try again.
pub(super) fn too_many(seconds: u64) -> Response {
    let response: Response = Problem::new(429, "there were too many attempts; wait a while").into();
    response.with("Retry-After", seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Key = Key::Address(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn attempts_come_in_bursts_and_at_a_rate() {
        let throttles = Counted::default();
        let (burst, period) = limits::ADDRESS_ATTEMPTS;
        for _ in 0..burst {
            assert_eq!(throttles.attempt(1000, &[ADDRESS]), Ok(()));
        }
        assert_eq!(throttles.attempt(1000, &[ADDRESS]), Err(period));
        assert_eq!(throttles.attempt(1000 + period - 1, &[ADDRESS]), Err(1));
        assert_eq!(throttles.attempt(1000 + period, &[ADDRESS]), Ok(()));
        assert_eq!(throttles.attempt(1000 + period, &[ADDRESS]), Err(period));
        throttles.forgive(&[ADDRESS]);
        assert_eq!(throttles.attempt(1000 + period, &[ADDRESS]), Ok(()));
        assert_eq!(throttles.attempt(10_000, &[ADDRESS]), Ok(()), "time heals");
    }

    #[test]
    fn who_is_refused_by_one_key_is_counted_for_none() {
        let throttles = Counted::default();
        let account = Key::Account("ada@example.com".to_owned());
        let (burst, period) = limits::ACCOUNT_ATTEMPTS;
        for _ in 0..burst {
            assert_eq!(throttles.attempt(1000, std::slice::from_ref(&account)), Ok(()));
        }
        for _ in 0..limits::ADDRESS_ATTEMPTS.0 {
            assert_eq!(throttles.attempt(1000, &[account.clone(), ADDRESS]), Err(period));
        }
        assert_eq!(throttles.attempt(1000, &[ADDRESS]), Ok(()));
        throttles.forgive(std::slice::from_ref(&account));
        assert_eq!(throttles.attempt(1000, &[account]), Ok(()));
    }

    #[test]
    fn no_crowd_makes_it_grow() {
        let throttles = Counted::default();
        let addresses = (0..limits::THROTTLED as u32 + 1000).map(|n| Key::Address(n.into()));
        addresses.for_each(|address| assert_eq!(throttles.attempt(1000, &[address]), Ok(())));
        assert_eq!(throttles.cells().until.len(), limits::THROTTLED);
        for n in 0..400_000_u64 {
            let _ = throttles.attempt(1_000_000 + n * 100, &[ADDRESS]);
            if throttles.cells().until.len() == 1 {
                return;
            }
        }
        panic!("what has had its time is not forgotten");
    }
}
