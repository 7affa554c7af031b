//! Many WebSockets that hear the same.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handler::Sender;
use super::message::{Message, Prepared};
use crate::mail::Address;

/// A group of WebSockets. Clones are the same group.
#[derive(Clone, Default)]
pub struct Group(Arc<Mutex<BTreeMap<Address, Sender>>>);

impl Group {
    /// A group of nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one in.
    pub fn join(&self, sender: Sender) {
        self.members().insert(sender.address(), sender);
    }

    /// Lets one go.
    pub fn leave(&self, sender: &Sender) {
        self.members().remove(&sender.address());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members().len()
    }

    /// There is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a message to all, encoded once and compressed once for all who can share that. Says how many it could not
    /// be sent to, since too much mail was on the way.
    pub fn send(&self, message: Message) -> usize {
        let prepared = Prepared::new(message);
        self.members().values().filter(|sender| sender.send_prepared(&prepared).is_err()).count()
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<Address, Sender>> {
        // The map is whole whoever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({} members)", self.len())
    }
}
