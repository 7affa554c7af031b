//! Seeded faults: switches that break one mechanism each, so that tests can show that they would notice.
//!
//! Without the feature `faults`, which only tests turn on, [`is`] is `false` and nothing of this is compiled in.

/// One mechanism that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each names the mechanism that it breaks")]
pub enum Fault {
    FcsUnchecked,
    Ipv4ChecksumUnchecked,
    TcpChecksumUnchecked,
    PaddingNotTrimmed,
    FragmentOverlapTaken,
    MarksLostInReassembly,
    EchoNotFragmented,
    ArpLearnsFromAll,
    ArpNeverGivesUp,
    ArpNotProbed,
    NoRetransmission,
    NoBackoff,
    NoFastRetransmit,
    NoPartialAck,
    NoReassembly,
    NoWindowCheck,
    NoZeroWindowProbe,
    WindowShrinks,
    SillyWindowSender,
    SillyWindowReceiver,
    NoNagle,
    NoDelayedAck,
    AckEveryThird,
    NoCongestionWindow,
    ResetAnywhere,
    SynResets,
    NoTimeWait,
    NoTimeWaitReopen,
    IsnConstant,
    NoBacklogLimit,
    FinBeforeData,
    NoKeepAlive,
    NoUserTimeout,
    NoIdleRestart,
    RttFromResent,
    HostUnchecked,
    BareLfAccepted,
    NoContinue,
    NoHeadTimeout,
    NoLinger,
    BodyReadAsRequest,
    BusyLoop,
    HandlerPanics,
    DuplicateAcksJoined,
    CaptureKeepsBodies,
    DamagedLengthsBelieved,
    WatchersStay,
    SecretsShown,
    ChecksumsBelieved,
    KeyUnchecked,
    OriginUnchecked,
    MaskUnchecked,
    FrameLengthUnchecked,
    CloseCodeUnchecked,
    Utf8Unchecked,
    MessageUnlimited,
    BombsUnlimited,
    QueueUnlimited,
    DeadPeersStay,
    MailLost,
    JobsUnlimited,
    QuietStop,
    SinksNotAsked,
    CorsForAll,
    DecodedTwice,
    QueryLogged,
    NoBodyRate,
    LookAheadUnbounded,
    TargetsUnchecked,
    BlankLinesCount,
    HeadHasBody,
    TypesUnchecked,
    QuotaUnlimited,
    CutMessagesTaken,
    ProgressUnheard,
    MessagesWait,
    SharedUncounted,
    NoSack,
    SackIgnored,
    NoDsack,
    NoRack,
    NoReorderingWindow,
    NoLossProbe,
    NoRateReduction,
    NoReduction,
    CubicUnfriendly,
    NoHyStart,
    NoFrto,
    NoUndo,
    NoPacing,
    NoPaws,
    EcnIgnored,
    EcnNotEchoed,
    ChallengesUnlimited,
    NoCookies,
    CookiesUnchecked,
    NoPathMtu,
    NoBlackHoleDetection,
    NoPathSearch,
    NoAcceptLimit,
    NoRest,
    BuffersFixed,
    MemoryUnlimited,
    NoPruning,
    TokensUnsigned,
    TokensStay,
    OldTokensTaken,
    SessionsStay,
    StrangersTold,
    CookiesFromAnywhere,
    CommitsUnsynced,
    WhispersLeak,
    LeaversStay,
    MutedSpeak,
    HeardTwice,
    HeardUnkept,
    SeatsUnbound,
    SocketsStay,
    SlowSeatsStay,
    AttemptsUnlimited,
}

#[cfg(feature = "faults")]
mod switch {
    use super::Fault;
    use std::cell::Cell;

    thread_local! {
        static BROKEN: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Breaks one mechanism in this thread, or none.
    pub fn set(fault: Option<Fault>) {
        BROKEN.set(fault);
    }

    /// This mechanism is broken.
    pub fn is(fault: Fault) -> bool {
        BROKEN.get() == Some(fault)
    }

    /// A test fails while this mechanism is broken.
    pub fn is_noticed(fault: Fault, test: impl FnOnce() + std::panic::UnwindSafe) -> bool {
        set(Some(fault));
        let result = std::panic::catch_unwind(test);
        set(None);
        result.is_err()
    }
}

#[cfg(feature = "faults")]
pub use switch::{is, is_noticed, set};

/// This mechanism is broken: never, outside tests.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn is(_: Fault) -> bool {
    false
}
