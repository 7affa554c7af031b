//! Mail: how somebody else reaches a connection, from another connection or from another thread.
//!
//! Who carries it, and how, is the business of the rooms above: here is only what a sender holds.

use std::fmt;
use std::sync::Arc;

/// Where a connection is, as long as it is there. The carrier knows what the numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The place.
    pub slot: u32,
    /// Which of those that have been in that place.
    pub generation: u32,
}

/// Carries parcels to their addresses.
pub trait Carrier<T>: Send + Sync {
    /// Takes a parcel along. What is for nobody is lost on the way.
    ///
    /// # Errors
    /// Too much is on the way already.
    fn carry(&self, to: Address, parcel: T) -> Result<(), Undelivered>;
}

/// Too much is on the way already, or nobody carries any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered;

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too much mail is on the way")
    }
}

impl std::error::Error for Undelivered {}

/// A line to one connection.
pub struct Line<T> {
    to: Address,
    carrier: Arc<dyn Carrier<T>>,
}

impl<T> Line<T> {
    /// A line to this address.
    pub fn new(to: Address, carrier: Arc<dyn Carrier<T>>) -> Self {
        Self { to, carrier }
    }

    /// Where it leads.
    pub fn to(&self) -> Address {
        self.to
    }

    /// Sends a parcel.
    ///
    /// # Errors
    /// Too much is on the way already.
    pub fn send(&self, parcel: T) -> Result<(), Undelivered> {
        self.carrier.carry(self.to, parcel)
    }
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self { to: self.to, carrier: Arc::clone(&self.carrier) }
    }
}

impl<T> fmt::Debug for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line(to {}.{})", self.to.slot, self.to.generation)
    }
}
