//! The states of a connection and the only table of their transitions: RFC 9293 3.3.2, figure 5.
//!
//! Other files ask [`State::next`]; none writes a state of its own making. Drawn in `docs/tcp-states.md`.

/// RFC 9293 3.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the RFC names them")]
pub enum State {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl State {
    /// The name that RFC 9293 gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

/// What moves a connection from state to state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The user listens.
    PassiveOpen,
    /// The user connects.
    ActiveOpen,
    /// A SYN without ACK arrived.
    Syn,
    /// A SYN that acknowledges ours arrived.
    SynAck,
    /// Our SYN was acknowledged.
    SynAcked,
    /// The user has no more to send.
    Close,
    /// A FIN arrived, after all data before it.
    Fin,
    /// Our FIN was acknowledged.
    FinAcked,
    /// A RST arrived, the user aborted, or the peer is gone.
    Reset,
    /// Twice the maximum segment lifetime is over.
    Expire,
}

impl State {
    /// All states.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The state after `step`; `None` where the step cannot happen or changes nothing.
    pub const fn next(self, step: Step) -> Option<Self> {
        Some(match (self, step) {
            (Self::Closed, Step::PassiveOpen) => Self::Listen,
            (Self::Closed | Self::Listen, Step::ActiveOpen) => Self::SynSent,
            (Self::Listen, Step::Syn) => Self::SynReceived,
            (Self::Listen, Step::Close) => Self::Closed,

            (Self::SynSent, Step::Syn) => Self::SynReceived,
            (Self::SynSent, Step::SynAck) => Self::Established,
            (Self::SynSent, Step::Close) => Self::Closed,

            (Self::SynReceived, Step::SynAcked) => Self::Established,
            (Self::SynReceived, Step::Close) => Self::FinWait1,

            (Self::Established, Step::Close) => Self::FinWait1,
            (Self::Established, Step::Fin) => Self::CloseWait,
            (Self::CloseWait, Step::Close) => Self::LastAck,
            (Self::LastAck, Step::FinAcked) => Self::Closed,

            (Self::FinWait1, Step::FinAcked) => Self::FinWait2,
            (Self::FinWait1, Step::Fin) => Self::Closing,
            (Self::FinWait2, Step::Fin) => Self::TimeWait,
            (Self::Closing, Step::FinAcked) => Self::TimeWait,
            (Self::TimeWait, Step::Expire) => Self::Closed,

            (Self::Closed | Self::Listen, Step::Reset) => return None,
            (_, Step::Reset) => Self::Closed,
            _ => return None,
        })
    }

    /// Both sides know each other's sequence numbers.
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived)
    }

    /// Data of the peer may still arrive.
    pub const fn can_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Data may still be queued: the user has not closed.
    pub const fn can_send(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 10] = [
        Step::PassiveOpen,
        Step::ActiveOpen,
        Step::Syn,
        Step::SynAck,
        Step::SynAcked,
        Step::Close,
        Step::Fin,
        Step::FinAcked,
        Step::Reset,
        Step::Expire,
    ];

    /// The table as `docs/tcp-states.md` shows it.
    fn table() -> String {
        let mut rows = String::new();
        for state in State::ALL {
            for step in STEPS {
                if let Some(next) = state.next(step) {
                    rows +=
                        &format!("{:<12} --{:-<12}> {:?}\n", format!("{state:?}"), format!("{step:?}"), next);
                }
            }
        }
        rows
    }

    #[test]
    fn the_table_is_the_one_in_the_documentation() {
        let page = include_str!("../../docs/tcp-states.md");
        let shown = page.split("```text\n").nth(2).and_then(|rest| rest.split("```").next());
        assert_eq!(shown, Some(table().as_str()), "the table in docs/tcp-states.md should be:\n{}", table());
    }

    #[test]
    fn every_state_can_be_reached_and_left() {
        for state in State::ALL {
            let reached = State::ALL.iter().any(|s| STEPS.iter().any(|&e| s.next(e) == Some(state)));
            assert!(reached, "{state:?}");
            assert!(STEPS.iter().any(|&e| state.next(e).is_some_and(|n| n != state)), "{state:?}");
        }
    }
}
