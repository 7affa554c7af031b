//! TCP sequence numbers: RFC 9293 3.4.
//!
//! The space is a circle of 2^32, so two numbers have a distance but no order: [`SeqNum`] has no `Ord`, and
//! every comparison says from where it looks. All are right as long as the two are less than 2^31 apart.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A point on the circle of sequence numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// This is earlier than `other`.
    pub const fn lt(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }
    /// This is `other` or earlier.
    pub const fn le(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) <= 0
    }
    /// This is later than `other`.
    pub const fn gt(self, other: Self) -> bool {
        other.lt(self)
    }
    /// This is `other` or later.
    pub const fn ge(self, other: Self) -> bool {
        other.le(self)
    }
    /// The later of the two.
    pub const fn max(self, other: Self) -> Self {
        if self.lt(other) { other } else { self }
    }
    /// The earlier of the two.
    pub const fn min(self, other: Self) -> Self {
        if self.lt(other) { self } else { other }
    }
    /// `start <= self < start + len`.
    pub const fn is_within(self, start: Self, len: u32) -> bool {
        self.0.wrapping_sub(start.0) < len
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;
    fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
}
impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, n: u32) {
        *self = *self + n;
    }
}
impl Sub<u32> for SeqNum {
    type Output = Self;
    fn sub(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }
}
/// The distance from `other` forward to `self`.
impl Sub for SeqNum {
    type Output = u32;
    fn sub(self, other: Self) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}
impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_holds_within_half_the_circle(a: u32, d in 1u32..(1 << 31)) {
            let (a, b) = (SeqNum(a), SeqNum(a) + d);
            prop_assert!(a.lt(b) && b.gt(a) && a.le(b) && !b.le(a) && a.le(a) && !a.lt(a));
            prop_assert_eq!(b - a, d);
            prop_assert_eq!(a.max(b), b);
            prop_assert_eq!(b.min(a), a);
        }

        #[test]
        fn within_is_half_open(a: u32, len in 0u32..(1 << 30), off in 0u32..(1 << 30)) {
            prop_assert_eq!((SeqNum(a) + off).is_within(SeqNum(a), len), off < len);
        }
    }
}
