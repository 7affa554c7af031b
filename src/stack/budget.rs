//! The memory that the buffers of all connections take up together, and how short it is.
//!
//! What is set apart for each connection (`limits::CONNECTION_RESERVE`) is not counted, so that each can go on, however
//! short memory is. No buffer may grow to more than a sixteenth of the whole, so that no single step leads from enough
//! to more than there is.

use crate::fault::{self, Fault};
use crate::limits;
use crate::tcp;
use crate::tcp::pressure::Pressure;

/// The budget.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: usize,
    pressure: Pressure,
}

/// What one connection has of it, in bytes.
#[derive(Debug, Default)]
pub(super) struct Share(u32);

/// The memory of all connections as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes that their buffers take up beyond what is set apart for each.
    pub used: usize,
    /// As many as there may be.
    pub limit: usize,
    /// How short it is.
    pub pressure: Pressure,
}

impl Budget {
    /// So many bytes, 256 KiB at least.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(256 << 10), used: 0, pressure: Pressure::None }
    }

    pub(super) fn memory(&self) -> Memory {
        Memory { used: self.used, limit: self.limit, pressure: self.pressure }
    }

    pub(super) fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Buffers of a connection no larger than this allows.
    pub(super) fn limited(&self, config: tcp::Config) -> tcp::Config {
        let most = self.limit / 16;
        let (send_buffer, receive_buffer) = (config.send_buffer.min(most), config.receive_buffer.min(most));
        tcp::Config { send_buffer, receive_buffer, ..config }
    }

    /// The buffers of a connection take up so much now.
    #[inline]
    pub(super) fn set(&mut self, share: &mut Share, memory: usize) {
        let held = memory.saturating_sub(limits::CONNECTION_RESERVE).min(u32::MAX as usize);
        if held != share.0 as usize {
            self.change(share, held);
        }
    }

    fn change(&mut self, share: &mut Share, held: usize) {
        self.used = self.used - share.0 as usize + held;
        share.0 = held as u32;
        self.pressure = self.judge();
    }

    fn judge(&self) -> Pressure {
        let eighths = self.used / (self.limit / 8);
        match eighths {
            _ if fault::is(Fault::MemoryUnlimited) => Pressure::None,
            0..=3 => Pressure::None,
            4..=5 => Pressure::Low,
            6 => Pressure::High,
            _ => Pressure::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_rises_with_what_is_used_and_falls_again() {
        let mut budget = Budget::new(8 << 20);
        let (mut share, reserve) = (Share::default(), limits::CONNECTION_RESERVE);
        let at = |budget: &mut Budget, share: &mut Share, mib: usize| {
            budget.set(share, (mib << 20) + reserve);
            (budget.used >> 20, budget.pressure())
        };
        let levels = [0, 3, 4, 5, 6, 7, 9, 3].map(|mib| at(&mut budget, &mut share, mib));
        use Pressure::{Full, High, Low, None};
        let expected = [(0, None), (3, None), (4, Low), (5, Low), (6, High), (7, Full), (9, Full), (3, None)];
        assert_eq!(levels, expected);
        budget.set(&mut share, reserve);
        assert_eq!((budget.used, share.0), (0, 0), "what is set apart is not counted");
    }
}
