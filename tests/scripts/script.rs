//! A script as values: what is set up, and the steps in their order.

use taphouse::fault::Fault;
use taphouse::time::Duration;
use taphouse::wire::tcp::Flags;

use super::lexer::Bounds;
use super::setup::Setup;

/// A whole script.
pub(crate) struct Script {
    pub(crate) setup: Setup,
    /// The line, and the fault with which the script must fail.
    pub(crate) breaks_with: Option<(usize, Fault)>,
    pub(crate) steps: Vec<Step>,
}

/// One line.
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) when: When,
    pub(crate) action: Action,
}

/// When a step happens, counted from the step before. Only what is expected may have two different ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    pub(crate) earliest: Duration,
    pub(crate) latest: Duration,
}

pub(crate) enum Action {
    /// The peer's segment arrives.
    Inject(Segment),
    /// An ICMP error arrives.
    InjectIcmp(Icmp),
    /// The host's segment leaves.
    Expect(Segment),
    /// Nothing leaves.
    Quiet,
    /// Whatever leaves meanwhile is not looked at.
    Ignore,
    /// The host is not asked for segments before time passes or one is expected.
    Hold,
    /// The application does something.
    Do(Verb),
    /// Something is so.
    Check(Check),
}

pub(crate) enum Verb {
    Listen { port: u16, backlog: Option<usize> },
    Unlisten(u16),
    Connect,
    Accept,
    Write { len: usize, taken: usize },
    WriteFails(String),
    Read(usize),
    ReadAll(Option<usize>),
    ReadFails(String),
    Shutdown,
    Close,
    Abort,
    Alarm(Option<Duration>),
    Urgent,
    NotifyBelow(usize),
    SetNagle(bool),
    SetKeepAlive(Option<Duration>),
    SetUserTimeout(Duration),
    SetFault(Option<Fault>),
}

pub(crate) enum Check {
    Event(String),
    NoEvent,
    State(String),
    Report { field: String, value: Value },
    Counter { name: String, value: Bounds },
    Timer { name: String, value: Option<(Duration, Duration)> },
    Population([usize; 3]),
    UrgentLeft(Option<usize>),
}

/// What a field of a report is.
pub(crate) enum Value {
    Number(Bounds),
    Time(Duration, Duration),
    Text(String),
}

/// A segment, to be sent or to be matched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    pub(crate) flags: Flags,
    /// Where it begins and ends.
    pub(crate) seq: Option<(i64, End)>,
    pub(crate) ack: Option<Bounds>,
    pub(crate) window: Option<Bounds>,
    pub(crate) urgent: Option<u16>,
    pub(crate) options: Vec<Choice>,
    /// The two ECN bits of the IP header.
    pub(crate) ecn: Option<u8>,
    pub(crate) ttl: Option<u8>,
    pub(crate) dont_fragment: Option<bool>,
    pub(crate) peer: Option<u16>,
    pub(crate) port: Option<u16>,
    /// One line stands for many segments, each of so many bytes.
    pub(crate) by: Option<u32>,
    pub(crate) is_exact: bool,
    pub(crate) has_bad_checksum: bool,
    pub(crate) has_bad_ip_checksum: bool,
    /// Not the bytes that belong there.
    pub(crate) is_garbled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    At(i64),
    /// At least one byte.
    Anywhere,
}

/// A TCP option, to be sent or to be matched.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    Mss(Bounds),
    WindowScale(Bounds),
    SackPermitted,
    /// `None`: any blocks.
    Sack(Option<Vec<(i64, i64)>>),
    Timestamps(Stamp, Stamp),
    /// Any bytes; only sent.
    Raw(Vec<u8>),
    /// The option of this kind is not there; only matched.
    Absent(u8),
}

/// A value of the timestamps option.
#[derive(Clone, Debug)]
pub(crate) enum Stamp {
    Any,
    Is(u32),
    /// A name, which an expectation binds when it is new; what is added to it; and that more than that will do.
    Named {
        name: String,
        plus: u32,
        or_later: bool,
    },
}

/// An ICMP error about a segment of the host.
#[derive(Clone, Debug)]
pub(crate) struct Icmp {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// The MTU of the next hop.
    pub(crate) mtu: u16,
    pub(crate) seq: i64,
    pub(crate) payload_len: usize,
    pub(crate) peer: Option<u16>,
    pub(crate) port: Option<u16>,
    pub(crate) has_bad_checksum: bool,
}
