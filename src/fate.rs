//! What a machine over a stream says is to become of that.

/// What is to become of a stream, once all output was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Open,
    /// It is over: send what is left, finish, and let the peer finish.
    Finish,
    /// It is over, and nobody waits for anything.
    Drop,
}
