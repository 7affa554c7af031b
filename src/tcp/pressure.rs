//! How short the memory of all connections is, and what that leaves to one of them.

use crate::limits;

/// What a byte may take up in the worst case, in either buffer or behind a gap.
const ROUNDING: usize = 512;

/// Bytes that are set apart for either direction of a connection.
pub(super) const RESERVE: usize = limits::CONNECTION_RESERVE / 2;

/// How short the memory of all connections is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// Buffers do not grow any more.
    Low,
    /// Out-of-order data is thrown away, and buffers are as small as in the beginning.
    High,
    /// A connection has what is set apart for it, nothing waits behind gaps, and new connections are refused.
    Full,
}

impl Pressure {
    /// Bytes that a buffer may hold at most.
    pub(super) fn ceiling(self) -> usize {
        match self {
            Self::None | Self::Low => usize::MAX,
            Self::High => limits::BUFFER_START,
            Self::Full => RESERVE / 2,
        }
    }
}

/// Bytes of a payload that there is memory for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// In order.
    pub(super) in_order: usize,
    /// Behind a gap.
    pub(super) behind_a_gap: usize,
}

impl Room {
    pub(super) const UNLIMITED: Self = Self { in_order: usize::MAX, behind_a_gap: usize::MAX };
}

/// What is left of it for a direction that takes up so much, less what may be lost to rounding up.
pub(super) fn reserve_left(memory: usize) -> usize {
    RESERVE.saturating_sub(memory + ROUNDING)
}
