//! The Date field: RFC 9110 5.6.7, rendered once a second.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// The rendered date of the second that was last asked for.
#[derive(Debug, Default)]
pub struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// The date of a moment in seconds since 1970, as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn at(&mut self, wall: u64) -> &str {
        if self.second != wall || self.text.is_empty() {
            self.second = wall;
            self.text.clear();
            // What comes after the year 9999 has no date.
            let at = UNIX_EPOCH + Duration::from_secs(wall.min(253_402_300_799));
            write!(self.text, "{}", httpdate::HttpDate::from(at)).expect("a string takes what is written");
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9110() {
        let mut date = Date::default();
        assert_eq!(date.at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date.at(784_111_778), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(date.at(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
