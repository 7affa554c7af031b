//! One line of a table: what a peer sends, where the RFC speaks of it, and what must come of it.

use taphouse::ws::{Agreement, Role};

use crate::wire::{Said, Sent};

/// What must be said, written as short as possible.
#[derive(Clone, Copy)]
pub(crate) enum Echo {
    Text(&'static str),
    Binary(&'static [u8]),
    /// So many of these bytes.
    TextOf(u8, usize),
    BinaryOf(u8, usize),
    BinaryMade(fn() -> Vec<u8>),
    Ping,
    Pong(&'static [u8]),
    PongOf(u8, usize),
    /// A Close frame with this code, whatever its reason.
    Close(u16),
    /// One without a code.
    Bare,
}

impl Echo {
    pub(crate) fn is(self, said: &Said) -> bool {
        let filled = |data: &[u8], byte, len| data.len() == len && data.iter().all(|&b| b == byte);
        match (self, said) {
            (Self::Text(text), Said::Text(data)) => text.as_bytes() == data,
            (Self::Binary(bytes), Said::Binary(data)) => bytes == data,
            (Self::TextOf(byte, len), Said::Text(data)) => filled(data, byte, len),
            (Self::BinaryOf(byte, len), Said::Binary(data)) => filled(data, byte, len),
            (Self::BinaryMade(make), Said::Binary(data)) => make() == *data,
            (Self::Ping, Said::Ping(data)) => data.is_empty(),
            (Self::Pong(bytes), Said::Pong(data)) => bytes == data,
            (Self::PongOf(byte, len), Said::Pong(data)) => filled(data, byte, len),
            (Self::Close(code), Said::Close(Some(is), _)) => code == *is,
            (Self::Bare, Said::Close(None, reason)) => reason.is_empty(),
            _ => false,
        }
    }
}

/// All of these were said, in this order, and nothing else.
pub(crate) fn judge_said(said: &[Said], must: &[Echo]) -> Result<(), String> {
    if said.len() == must.len() && must.iter().zip(said).all(|(must, said)| must.is(said)) {
        return Ok(());
    }
    Err(format!("{} things were said, and not the {}: {said:?}", said.len(), must.len()))
}

/// How the connection ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// Not at all.
    Open,
    /// By a Close frame of both sides, with this code and reason.
    Clean(u16, &'static str),
    /// By a failure, of which our Close frame tells.
    Failed(u16),
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The RFC and its section, as `6455 5.2`.
    pub(crate) section: &'static str,
    pub(crate) sent: &'static [Sent],
    pub(crate) said: &'static [Echo],
    pub(crate) end: End,
    /// Which side is tested.
    pub(crate) role: Role,
    /// Bytes of a message at most.
    pub(crate) limit: usize,
    pub(crate) agreed: Option<Agreement>,
    /// What is sent stops within a frame or message.
    pub(crate) is_cut: bool,
}

impl Case {
    /// All is said, and the connection goes on.
    pub(crate) const fn open(
        name: &'static str,
        section: &'static str,
        sent: &'static [Sent],
        said: &'static [Echo],
    ) -> Self {
        Self {
            name,
            section,
            sent,
            said,
            end: End::Open,
            role: Role::Server,
            limit: 1 << 20,
            agreed: None,
            is_cut: false,
        }
    }

    /// After what is said there comes a Close frame with this code, and the end.
    pub(crate) const fn failed(
        name: &'static str,
        section: &'static str,
        sent: &'static [Sent],
        said: &'static [Echo],
        code: u16,
    ) -> Self {
        Self { end: End::Failed(code), ..Self::open(name, section, sent, said) }
    }

    /// A failure before anything is said: 1002.
    pub(crate) const fn bad(name: &'static str, section: &'static str, sent: &'static [Sent]) -> Self {
        Self::failed(name, section, sent, &[], 1002)
    }

    /// The peer closes: the last of what is said is our Close frame.
    pub(crate) const fn closed(
        name: &'static str,
        section: &'static str,
        sent: &'static [Sent],
        said: &'static [Echo],
        code: u16,
        reason: &'static str,
    ) -> Self {
        Self { end: End::Clean(code, reason), ..Self::open(name, section, sent, said) }
    }

    /// The side that has asked is tested, and its server sends.
    pub(crate) const fn at_client(self) -> Self {
        Self { role: Role::Client, ..self }
    }

    /// And so much is said before.
    pub(crate) const fn says(self, said: &'static [Echo]) -> Self {
        Self { said, ..self }
    }

    pub(crate) const fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(crate) const fn agreed(self, agreed: Agreement) -> Self {
        Self { agreed: Some(agreed), ..self }
    }

    pub(crate) const fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }
}
