//! The seeded faults of TCP by their names.

use taphouse::fault::Fault;

macro_rules! faults {
    ($($name:ident)+) => {
        /// The fault of this name.
        pub(crate) fn named(name: &str) -> Option<Fault> {
            match name {
                $(stringify!($name) => Some(Fault::$name),)+
                _ => None,
            }
        }
    };
}

faults! {
    TcpChecksumUnchecked NoRetransmission NoBackoff NoFastRetransmit NoPartialAck NoReassembly NoWindowCheck
    NoZeroWindowProbe WindowShrinks SillyWindowSender SillyWindowReceiver NoNagle NoDelayedAck AckEveryThird
    NoCongestionWindow ResetAnywhere SynResets NoTimeWait NoTimeWaitReopen IsnConstant NoBacklogLimit
    FinBeforeData NoKeepAlive NoUserTimeout NoIdleRestart RttFromResent NoSack SackIgnored NoDsack
    NoRack NoReorderingWindow NoLossProbe NoRateReduction NoReduction NoHyStart NoFrto NoUndo NoPaws EcnIgnored
    EcnNotEchoed NoCookies CookiesUnchecked NoPathMtu NoBlackHoleDetection NoPathSearch NoRest BuffersFixed
}
