//! What the user of a connection chooses: RFC 9293 3.9.1, and the mechanisms around it.

use super::congestion::Algorithm;
use super::ecn;
use crate::limits;
use crate::time::Duration;

/// As many as in Linux.
const QUICK_ACKS: u8 = 16;

/// How a connection behaves. The default is what RFC 9293 wants.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Hold small segments back while others are in flight (RFC 9293 3.7.4).
    pub nagle: bool,
    /// The longest delay of an ACK (RFC 9293 MUST-40: under 500 ms).
    pub ack_delay: Duration,
    /// Segments at the beginning that are acknowledged at once, unless the user answers.
    pub quick_acks: u8,
    /// After how long an idle time, a second at least, to ask whether the peer is there. Off by default (RFC 9293
    /// MUST-25).
    pub keep_alive: Option<Duration>,
    /// How long data may stay unacknowledged: R2 of RFC 9293 3.8.3, at least 100 s there (SHLD-11).
    pub user_timeout: Duration,
    /// Bytes that may be queued, once the buffer has grown.
    pub send_buffer: usize,
    /// Bytes that may wait unread, once the buffer has grown: what the window offers.
    pub receive_buffer: usize,
    /// Bytes that either buffer may hold in the beginning, and after an idle time. The SYN offers what its field can
    /// say all the same.
    pub buffer_start: usize,
    /// How the congestion window grows, and by how much a loss reduces it.
    pub congestion: Algorithm,
    /// Selective acknowledgments (RFC 2018), if the peer wants them too; and with them RACK-TLP (RFC 8985).
    pub sack: bool,
    /// Timestamps (RFC 7323), if the peer wants them too.
    pub timestamps: bool,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: ecn::Mode,
    /// Spread what leaves over the round trip.
    pub pacing: bool,
}

impl Config {
    /// Bytes that may be queued in the beginning.
    pub(super) fn first_send_buffer(&self) -> usize {
        self.send_buffer.min(self.buffer_start)
    }

    /// Bytes that may wait unread in the beginning.
    pub(super) fn first_receive_buffer(&self) -> usize {
        self.receive_buffer.min(self.buffer_start)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nagle: true,
            ack_delay: Duration::from_millis(40),
            quick_acks: QUICK_ACKS,
            keep_alive: None,
            user_timeout: Duration::from_secs(120),
            send_buffer: limits::SEND_BUFFER,
            receive_buffer: limits::RECEIVE_BUFFER,
            buffer_start: limits::BUFFER_START,
            congestion: Algorithm::default(),
            sack: true,
            timestamps: true,
            ecn: ecn::Mode::default(),
            pacing: true,
        }
    }
}
