//! What takes time, words of our own, and peers that take nothing: scripts of steps. RFC 6455 5.5, 7.1, 10.4.

use taphouse::limits::WS_TURN_BYTES;
use taphouse::time::Duration;
use taphouse::ws::{Agreement, Config, Fate, Message, Overflow, Role, SendError};

use crate::case::{Echo, judge_said};
use crate::deflate::{BOTH_WAYS, noise};
use crate::driver::Peer;
use crate::wire::{BINARY, CLOSE, LAST, PING, PONG, Said, Sent, TEXT, TEXT_BEGINS, masked};

pub(crate) enum Step {
    /// The peer sends this.
    Give(Sent),
    /// Tenths of a second.
    Wait(u64),
    /// The peer sends no more.
    End,
    /// The stream is gone.
    Gone,
    /// We send so many of these bytes.
    Say(u8, usize),
    /// We send bytes that do not compress.
    SayNoise(usize),
    /// We cannot send so many bytes.
    Refused(usize, SendError),
    /// We close.
    CloseBy(u16, &'static str),
    /// The peer takes nothing.
    Hold,
    /// The peer takes one piece.
    TakeOne,
    /// The peer takes all, now and from now on.
    Take,
    /// This was said since the last such step.
    Hears(&'static [Echo]),
    /// So many messages were compressed, of all that was said.
    Squeezed(usize),
    /// So many messages came.
    Came(usize),
}

/// How it ends.
pub(crate) enum End {
    Open,
    /// With this code, both Close frames, and a stream that is finished.
    Clean(u16),
    /// With this code, and not cleanly.
    Unclean(u16, Fate),
}

pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    steps: &'static [Step],
    end: End,
    setup: Setup,
}

/// How the connection is made.
#[derive(Clone, Copy)]
struct Setup {
    queue: usize,
    overflow: Overflow,
    agreed: Option<Agreement>,
}

use Echo::{Bare, BinaryMade, BinaryOf, Close, Ping, Pong, Text};
use End::{Clean, Open, Unclean};
use Fate::{Drop, Finish};
use Sent::{Close as CloseFrame, Filled, Frame, Made, Part};
use Step::{
    Came, CloseBy, End as Ends, Give, Gone, Hears, Hold, Refused, Say, SayNoise, Squeezed, Take, TakeOne,
    Wait,
};

const fn script(name: &'static str, section: &'static str, steps: &'static [Step], end: End) -> Script {
    let setup = Setup { queue: 1 << 20, overflow: Overflow::Close, agreed: None };
    Script { name, section, steps, end, setup }
}

impl Script {
    /// So many bytes may wait, and this becomes of what does not fit.
    const fn queue(self, queue: usize, overflow: Overflow) -> Self {
        Self { setup: Setup { queue, overflow, ..self.setup }, ..self }
    }

    const fn agreed(self, agreed: Agreement) -> Self {
        Self { setup: Setup { agreed: Some(agreed), ..self.setup }, ..self }
    }

    pub(crate) fn judge(&self) -> Result<(), String> {
        self.run().map_err(|e| format!("{} (RFC {}): {e}", self.name, self.section))
    }

    fn run(&self) -> Result<(), String> {
        let Setup { queue, overflow, agreed } = self.setup;
        let config = Config {
            queue,
            overflow,
            ping_after: Duration::from_secs(30),
            pong_within: Duration::from_secs(20),
            close_within: Duration::from_secs(5),
            ..Config::default()
        };
        let mut peer = Peer::new(Role::Server, config, agreed);
        let mut heard = 0;
        for (at, step) in self.steps.iter().enumerate() {
            self.step(step, &mut peer, &mut heard).map_err(|e| format!("step {at}: {e}"))?;
        }
        self.judge_end(&mut peer, heard)
    }

    fn step(&self, step: &Step, peer: &mut Peer, heard: &mut usize) -> Result<(), String> {
        let is = |is: bool, what: &str| if is { Ok(()) } else { Err(what.to_owned()) };
        match step {
            Give(sent) => peer.give(&sent.bytes(Role::Server)),
            Wait(tenths) => peer.wait(*tenths),
            Ends => peer.end(),
            Gone => {
                if let Some(closed) = peer.gone() {
                    is(peer.closed.replace(closed).is_none(), "it has ended before")?;
                }
            }
            Say(byte, len) => {
                let sent = peer.send(&Message::binary(vec![*byte; *len]));
                is(sent == Ok(()), "refused")?;
                peer.turn();
            }
            SayNoise(len) => {
                is(peer.send(&Message::binary(noise(*len))) == Ok(()), "refused")?;
                peer.turn();
            }
            Refused(len, error) => {
                is(peer.send(&Message::binary(vec![0; *len])) == Err(*error), "another answer")?;
                peer.turn();
            }
            CloseBy(code, reason) => peer.close(*code, reason),
            Hold => peer.is_taking = false,
            TakeOne => is(peer.take_one(), "there is nothing to take")?,
            Take => {
                peer.is_taking = true;
                peer.work();
            }
            Hears(must) => {
                let said = peer.transcript()?.said;
                let since = &said[*heard..];
                *heard = said.len();
                judge_said(since, must)?;
            }
            Squeezed(count) => is(peer.transcript()?.squeezed == *count, "another number was compressed")?,
            Came(count) => is(peer.messages.len() == *count, "another number of messages came")?,
        }
        Ok(())
    }

    fn judge_end(&self, peer: &mut Peer, heard: usize) -> Result<(), String> {
        let said = if peer.is_taking { peer.transcript()?.said } else { Vec::new() };
        judge_said(said.get(heard..).unwrap_or_default(), &[])?;
        let fate = peer.ws.fate();
        let closed = peer.closed.as_ref().map(|closed| (closed.code.0, closed.is_clean));
        let must = match self.end {
            Open => (None, Fate::Open),
            Clean(code) => (Some((code, true)), Finish),
            Unclean(code, fate) => (Some((code, false)), fate),
        };
        if (closed, fate) != must {
            return Err(format!("it ends with {closed:?} and {fate:?} instead of {must:?}"));
        }
        // A compressor may stay with its connection until the stream is gone, and nothing longer.
        peer.gone();
        if peer.lent() == (0, 0) { Ok(()) } else { Err(format!("{:?} codecs are lost", peer.lent())) }
    }
}

const HI: Step = Give(Frame(TEXT, b"hi"));
const BYE: Step = Give(CloseFrame(1000, b""));

pub(crate) const SCRIPTS: &[Script] = &[
    // Keep-alive.
    script("no ping before its time", "6455 5.5.2", &[Wait(299), Hears(&[])], Open),
    script("a ping after silence", "6455 5.5.2", &[Wait(300), Hears(&[Ping])], Open),
    script("one ping, and then the wait for its pong", "6455 5.5.2", &[Wait(499), Hears(&[Ping])], Open),
    script("a dead peer", "6455 7.1.5", &[Wait(500), Hears(&[Ping])], Unclean(1006, Drop)),
    script(
        "a peer that dies later",
        "6455 7.1.5",
        &[HI, Hears(&[Text("hi")]), Wait(200), HI, Hears(&[Text("hi")]), Wait(499), Hears(&[Ping]), Wait(1)],
        Unclean(1006, Drop),
    ),
    script(
        "a pong shows life",
        "6455 5.5.2",
        &[
            Wait(300),
            Hears(&[Ping]),
            Wait(199),
            Give(Frame(PONG, b"")),
            Wait(299),
            Hears(&[]),
            Wait(1),
            Hears(&[Ping]),
        ],
        Open,
    ),
    script(
        "a message shows life",
        "6455 5.5.2",
        &[Wait(499), Hears(&[Ping]), HI, Hears(&[Text("hi")]), Wait(299), Hears(&[])],
        Open,
    ),
    script(
        "part of a frame shows life",
        "6455 5.5.2",
        &[Wait(499), Hears(&[Ping]), Give(Part(BINARY, 100, b"a")), Wait(299)],
        Open,
    ),
    script(
        "who speaks is not pinged",
        "6455 5.5.2",
        &[Wait(290), HI, Wait(290), HI, Wait(290), Hears(&[Text("hi"), Text("hi")])],
        Open,
    ),
    script(
        "what we say is no sign of the peer's life",
        "6455 5.5.2",
        &[Wait(290), Say(7, 10), Wait(10), Hears(&[BinaryOf(7, 10), Ping])],
        Open,
    ),
    script(
        "a ping within a message that comes",
        "6455 5.4",
        &[
            Give(Frame(TEXT_BEGINS, b"h")),
            Wait(300),
            Hears(&[Ping]),
            Give(Frame(LAST, b"i")),
            Hears(&[Text("hi")]),
        ],
        Open,
    ),
    script(
        "a ping that is asked crosses ours",
        "6455 5.5.2",
        &[Wait(300), Give(Frame(PING, b"x")), Hears(&[Ping, Pong(b"x")]), Wait(250)],
        Open,
    ),
    script(
        "a dead peer that takes nothing, in a turn whose work was all done",
        "6455 7.1.5",
        &[Hold, Give(Filled(BINARY, 7, WS_TURN_BYTES)), Came(1), Wait(499), Wait(1)],
        Unclean(1006, Drop),
    ),
    // We close.
    script(
        "our close is answered",
        "6455 7.1.4",
        &[CloseBy(1000, "bye"), Hears(&[Close(1000)]), BYE],
        Clean(1000),
    ),
    script(
        "our close is answered by another code",
        "6455 5.5.1",
        &[CloseBy(1001, ""), Hears(&[Close(1001)]), Give(CloseFrame(4000, b"mine"))],
        Clean(1001),
    ),
    script(
        "our close is answered by no code",
        "6455 5.5.1",
        &[CloseBy(1001, ""), Hears(&[Close(1001)]), Give(Frame(CLOSE, b""))],
        Clean(1001),
    ),
    script("we close without a code", "6455 7.1.5", &[CloseBy(1005, ""), Hears(&[Bare]), BYE], Clean(1005)),
    script(
        "we close with a code that is never on the wire",
        "6455 7.4.1",
        &[CloseBy(1006, "why"), Hears(&[Bare]), BYE],
        Clean(1006),
    ),
    script(
        "our close is answered late",
        "6455 7.1.1",
        &[CloseBy(1000, ""), Hears(&[Close(1000)]), Wait(49), BYE],
        Clean(1000),
    ),
    script(
        "our close is not answered",
        "6455 7.1.1",
        &[CloseBy(1000, ""), Hears(&[Close(1000)]), Wait(50)],
        Unclean(1000, Finish),
    ),
    script(
        "our close is not answered, and messages come",
        "6455 7.1.1",
        &[CloseBy(1000, ""), Hears(&[Close(1000)]), Wait(40), HI, Wait(10), Came(0)],
        Unclean(1000, Finish),
    ),
    script(
        "two closes cross",
        "6455 5.5.1",
        &[Hold, CloseBy(1001, ""), BYE, Take, Hears(&[Close(1001)])],
        Clean(1001),
    ),
    script(
        "messages behind our close are not heard",
        "6455 5.5.1",
        &[
            CloseBy(1000, ""),
            HI,
            Give(Frame(TEXT_BEGINS, b"a")),
            Give(Frame(LAST, b"b")),
            Hears(&[Close(1000)]),
            BYE,
            Came(0),
        ],
        Clean(1000),
    ),
    // A deviation: RFC 6455 5.5.2 has a pong until the peer's Close frame is here.
    script(
        "pings behind our close are not answered",
        "6455 5.5.2",
        &[CloseBy(1000, ""), Give(Frame(PING, b"x")), Hears(&[Close(1000)]), BYE],
        Clean(1000),
    ),
    script(
        "a failure behind our close is not told",
        "6455 5.5.1",
        &[CloseBy(1000, ""), Hears(&[Close(1000)]), Give(Frame(0x83, b""))],
        Unclean(1002, Finish),
    ),
    script(
        "a bad close behind our close",
        "6455 7.4.1",
        &[CloseBy(1000, ""), Hears(&[Close(1000)]), Give(CloseFrame(1005, b""))],
        Unclean(1002, Finish),
    ),
    script(
        "our close goes behind what was sent",
        "6455 5.5.1",
        &[
            Hold,
            Say(7, 3000),
            Say(8, 10),
            CloseBy(1000, ""),
            Take,
            Hears(&[BinaryOf(7, 3000), BinaryOf(8, 10), Close(1000)]),
            BYE,
        ],
        Clean(1000),
    ),
    script(
        "our close goes behind what is compressed",
        "6455 5.5.1",
        &[
            Hold,
            SayNoise(100_000),
            TakeOne,
            CloseBy(1000, ""),
            Take,
            Hears(&[BinaryMade(|| noise(100_000)), Close(1000)]),
            BYE,
        ],
        Clean(1000),
    )
    .agreed(BOTH_WAYS),
    script(
        "nothing is sent behind our close",
        "6455 5.5.1",
        &[CloseBy(1000, ""), Refused(1, SendError::Closed), Hears(&[Close(1000)]), BYE],
        Clean(1000),
    ),
    script(
        "nothing is sent behind their close",
        "6455 5.5.1",
        &[Hold, BYE, Refused(1, SendError::Closed), Take, Hears(&[Close(1000)])],
        Clean(1000),
    ),
    script(
        "we close twice",
        "6455 5.5.1",
        &[CloseBy(1000, ""), CloseBy(1001, ""), Hears(&[Close(1000)]), BYE],
        Clean(1000),
    ),
    script(
        "we close where the peer has",
        "6455 5.5.1",
        &[BYE, CloseBy(1001, ""), Hears(&[Close(1000)])],
        Clean(1000),
    ),
    script(
        "no ping goes behind our close",
        "6455 5.5.1",
        &[Wait(280), CloseBy(1000, ""), Wait(49), Hears(&[Close(1000)])],
        Open,
    ),
    // The stream ends.
    script("an end without a close", "6455 7.1.5", &[HI, Hears(&[Text("hi")]), Ends], Unclean(1006, Finish)),
    script(
        "an end within a message",
        "6455 7.1.5",
        &[Give(Frame(TEXT_BEGINS, b"a")), Ends],
        Unclean(1006, Finish),
    ),
    script("an end within a frame", "6455 7.1.5", &[Give(Part(TEXT, 9, b"a")), Ends], Unclean(1006, Finish)),
    script(
        "an end behind our close",
        "6455 7.1.4",
        &[CloseBy(1000, ""), Hears(&[Close(1000)]), Ends],
        Unclean(1000, Finish),
    ),
    script("an end behind their close", "6455 7.1.4", &[BYE, Hears(&[Close(1000)]), Ends], Clean(1000)),
    script(
        "an end behind both",
        "6455 7.1.4",
        &[CloseBy(1001, ""), Hears(&[Close(1001)]), BYE, Ends],
        Clean(1001),
    ),
    script("a stream that is gone", "6455 7.1.5", &[Gone], Unclean(1006, Drop)),
    script(
        "a stream that is gone behind our close",
        "6455 7.1.5",
        &[CloseBy(1000, ""), Hears(&[Close(1000)]), Gone],
        Unclean(1000, Drop),
    ),
    // What waits for a peer.
    script(
        "too much for a peer that takes nothing",
        "6455 7.4.1",
        &[
            Hold,
            Say(1, 400),
            Say(2, 400),
            Say(3, 100),
            Refused(200, SendError::Full),
            Refused(1, SendError::Closed),
            Take,
            Hears(&[Close(1013)]),
            BYE,
        ],
        Clean(1013),
    )
    .queue(1000, Overflow::Close),
    script(
        "too much behind a frame that is begun",
        "6455 5.2",
        &[
            Hold,
            Say(1, 5000),
            TakeOne,
            Say(2, 400),
            Refused(5000, SendError::Full),
            Take,
            Hears(&[BinaryOf(1, 5000), Close(1013)]),
            BYE,
        ],
        Clean(1013),
    )
    .queue(6000, Overflow::Close),
    script(
        "too much behind a compressed message that is begun",
        "6455 5.4",
        &[Hold, SayNoise(100_000), TakeOne, Refused(5000, SendError::Full), Take, Hears(&[Close(1013)]), BYE],
        Clean(1013),
    )
    .queue(1000, Overflow::Close)
    .agreed(BOTH_WAYS),
    script(
        "what is too much is dropped",
        "6455 10.4",
        &[
            Hold,
            Say(1, 400),
            Say(2, 400),
            Refused(400, SendError::Full),
            Say(3, 100),
            Take,
            Hears(&[BinaryOf(1, 400), BinaryOf(2, 400), BinaryOf(3, 100)]),
            Say(4, 400),
            Hears(&[BinaryOf(4, 400)]),
        ],
        Open,
    )
    .queue(1000, Overflow::Drop),
    script(
        "one message may be larger than the queue",
        "6455 10.4",
        &[Hold, Say(1, 5000), Refused(1, SendError::Full), Take, Hears(&[BinaryOf(1, 5000)])],
        Open,
    )
    .queue(1000, Overflow::Drop),
    script(
        "a pong that waits keeps no larger one back",
        "6455 5.5.2",
        &[
            Hold,
            Give(Frame(PING, b"x")),
            Say(1, 5000),
            Refused(1, SendError::Full),
            Take,
            Hears(&[Pong(b"x"), BinaryOf(1, 5000)]),
        ],
        Open,
    )
    .queue(1000, Overflow::Drop),
    script(
        "exactly as much as the queue holds",
        "6455 10.4",
        &[
            Hold,
            Say(1, 996),
            Refused(3, SendError::Full),
            Say(2, 2),
            Take,
            Hears(&[BinaryOf(1, 996), BinaryOf(2, 2)]),
        ],
        Open,
    )
    .queue(1002, Overflow::Drop),
    // Control frames on their way between what we say.
    script(
        "a pong goes before messages that are not begun",
        "6455 5.5.2",
        &[
            Hold,
            Say(1, 5000),
            Say(2, 5000),
            Give(Frame(PING, b"x")),
            Take,
            Hears(&[Pong(b"x"), BinaryOf(1, 5000), BinaryOf(2, 5000)]),
        ],
        Open,
    ),
    script(
        "a pong goes behind the frame that is begun",
        "6455 5.5.2",
        &[
            Hold,
            Say(1, 5000),
            Say(2, 5000),
            TakeOne,
            Give(Frame(PING, b"x")),
            Give(Frame(PING, b"y")),
            Take,
            Hears(&[BinaryOf(1, 5000), Pong(b"x"), Pong(b"y"), BinaryOf(2, 5000)]),
        ],
        Open,
    ),
    script(
        "pongs go between the frames of a compressed message",
        "6455 5.4",
        &[
            Hold,
            SayNoise(200_000),
            TakeOne,
            TakeOne,
            Give(Frame(PING, b"x")),
            Give(Frame(PING, b"y")),
            TakeOne,
            Take,
            Hears(&[Pong(b"x"), Pong(b"y"), BinaryMade(|| noise(200_000))]),
        ],
        Open,
    )
    .agreed(BOTH_WAYS),
    script(
        "the answers to pings are kept for a peer that takes nothing",
        "6455 5.5.3",
        &[
            Hold,
            Give(Filled(PING, 1, 125)),
            Give(Frame(PING, b"2")),
            Wait(10),
            Take,
            Hears(&[Echo::PongOf(1, 125), Pong(b"2")]),
        ],
        Open,
    ),
    // What is compressed.
    script(
        "a close while what is said is still being compressed",
        "6455 5.5.1",
        &[
            Give(Made(|| [masked(BINARY, &[7; 150_000]), masked(CLOSE, b"")].concat())),
            Hears(&[BinaryOf(7, 150_000), Bare]),
        ],
        Clean(1005),
    )
    .agreed(BOTH_WAYS),
    script(
        "small messages are not compressed",
        "7692 7.3",
        &[
            Say(7, 63),
            Squeezed(0),
            Say(7, 64),
            Squeezed(1),
            Say(7, 65),
            Squeezed(2),
            Hears(&[BinaryOf(7, 63), BinaryOf(7, 64), BinaryOf(7, 65)]),
        ],
        Open,
    )
    .agreed(Agreement { threshold: 64, ..BOTH_WAYS }),
    script(
        "an empty message is not compressed",
        "7692 6.1",
        &[Say(7, 0), Say(7, 1), Squeezed(1), Hears(&[BinaryOf(7, 0), BinaryOf(7, 1)])],
        Open,
    )
    .agreed(Agreement { threshold: 0, ..BOTH_WAYS }),
    script(
        "nothing is compressed where nothing was agreed upon",
        "7692 5",
        &[Say(7, 5000), Squeezed(0), Hears(&[BinaryOf(7, 5000)])],
        Open,
    ),
    script(
        "a window that we cannot make",
        "7692 7.1.2",
        &[Say(7, 5000), Squeezed(0), Hears(&[BinaryOf(7, 5000)])],
        Open,
    )
    .agreed(Agreement { server_window_bits: 8, ..BOTH_WAYS }),
    script(
        "a compressed message of which the peer takes nothing",
        "7692 6.1",
        &[Hold, SayNoise(100_000), TakeOne, Gone],
        Unclean(1006, Drop),
    )
    .agreed(BOTH_WAYS),
];

/// The reason of our Close frame fits, whatever it is (RFC 6455 5.5).
pub(crate) fn reason_of(reason: &str) -> String {
    let mut peer = Peer::new(Role::Server, Config::default(), None);
    peer.close(1000, reason);
    match peer.transcript().unwrap().said.pop() {
        Some(Said::Close(Some(1000), reason)) => reason,
        other => panic!("{other:?}"),
    }
}
