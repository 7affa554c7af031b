//! The post of a shard: what others send to its connections, until the shard takes it.
//!
//! It is shared, so it has a lock, which is held for a push or a pop and contended by workers alone. It is bounded:
//! what does not fit is not taken. A shard that sleeps is rung for; one that is awake looks by itself.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::http::{Outcome, Ticket, Wake};
use crate::limits;
use crate::mail::{Address, Carrier, Undelivered};
use crate::ws::Parcel;

/// What reaches a session.
#[derive(Debug)]
pub enum Letter {
    /// Slow work is done.
    Done(Ticket, Outcome),
    /// A body is to be asked again.
    Wake,
    /// Something for its WebSocket.
    Parcel(Parcel),
}

/// The letters on their way.
#[derive(Default)]
pub struct Post {
    letters: Mutex<VecDeque<(Address, Letter)>>,
    /// How many they are, so that who finds none needs no lock.
    count: AtomicUsize,
    /// The shard sleeps, or is about to.
    is_asleep: AtomicBool,
    bell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Post {
    /// An empty post.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Rings this bell when a letter comes while the shard sleeps. The first bell stays.
    pub fn set_bell(&self, bell: impl Fn() + Send + Sync + 'static) {
        // Whoever comes second finds a bell that rings.
        let _ = self.bell.set(Box::new(bell));
    }

    /// The shard goes to sleep, unless there is a letter: then false.
    pub fn try_sleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::SeqCst);
        let is_empty = self.letters().is_empty();
        if !is_empty {
            self.is_asleep.store(false, Ordering::SeqCst);
        }
        is_empty
    }

    /// The shard is awake.
    pub fn handle_awake(&self) {
        self.is_asleep.store(false, Ordering::SeqCst);
    }

    /// The oldest letter.
    pub fn take(&self) -> Option<(Address, Letter)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut letters = self.letters();
        let letter = letters.pop_front();
        self.count.store(letters.len(), Ordering::Release);
        letter
    }

    /// Takes a letter along; what is done for a request always fits, since there are only so many jobs.
    ///
    /// # Errors
    /// Too many are on the way already.
    pub fn send(&self, to: Address, letter: Letter) -> Result<(), Undelivered> {
        let mut letters = self.letters();
        if letters.len() >= limits::LETTERS && !matches!(letter, Letter::Done(..)) {
            return Err(Undelivered);
        }
        letters.push_back((to, letter));
        self.count.store(letters.len(), Ordering::Release);
        drop(letters);
        if self.is_asleep.swap(false, Ordering::SeqCst)
            && let Some(bell) = self.bell.get()
        {
            bell();
        }
        Ok(())
    }

    fn letters(&self) -> MutexGuard<'_, VecDeque<(Address, Letter)>> {
        // A push or a pop leaves the queue whole, whoever panics elsewhere.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Post({} letters)", self.letters().len())
    }
}

impl Carrier<Parcel> for Post {
    fn carry(&self, to: Address, parcel: Parcel) -> Result<(), Undelivered> {
        self.send(to, Letter::Parcel(parcel))
    }
}

impl Carrier<Wake> for Post {
    fn carry(&self, to: Address, _: Wake) -> Result<(), Undelivered> {
        self.send(to, Letter::Wake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const TO: Address = Address { slot: 1, generation: 2 };

    #[test]
    fn a_bell_rings_once_for_who_sleeps() {
        static RINGS: AtomicUsize = AtomicUsize::new(0);
        let post = Post::new();
        post.set_bell(|| {
            RINGS.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(post.send(TO, Letter::Wake), Ok(()));
        assert!(!post.try_sleep(), "there is a letter");
        assert!(post.take().is_some() && post.try_sleep());
        assert_eq!((post.send(TO, Letter::Wake), post.send(TO, Letter::Wake)), (Ok(()), Ok(())));
        assert_eq!(RINGS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_post_is_bounded() {
        let post = Post::new();
        let sent = (0..limits::LETTERS * 2).take_while(|_| post.send(TO, Letter::Wake).is_ok()).count();
        assert_eq!(sent, limits::LETTERS);
    }
}
