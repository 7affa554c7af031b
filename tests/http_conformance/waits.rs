//! What takes time, and what comes of a client that ends its side: scripts of steps. RFC 9112 8, 9.5, 9.6.

use taphouse::http::Fate;

use crate::answers;
use crate::driver::{Client, judge_answers};

pub(crate) enum Step {
    Give(&'static [u8]),
    /// So many bytes of a body.
    Body(usize),
    /// Seconds.
    Wait(u64),
    /// The client sends no more.
    End,
    /// These are all answers so far, interim ones included.
    Gives(&'static [u16]),
}

pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    steps: &'static [Step],
    /// The statuses of all answers, interim ones included, and what becomes of the connection.
    answers: &'static [u16],
    fate: Fate,
}

use Fate::{Finish, Open};
use Step::{Body, End, Give, Gives, Wait};

const GET: Step = Give(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
const POST: Step = Give(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
const CHUNKED: Step = Give(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
const EXPECT: Step =
    Give(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
const UNWANTED: Step = Give(b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
const SINK: Step = Give(b"PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");

const fn script(
    name: &'static str,
    section: &'static str,
    steps: &'static [Step],
    answers: &'static [u16],
    fate: Fate,
) -> Script {
    Script { name, section, steps, answers, fate }
}

impl Script {
    pub(crate) fn judge(&self) -> Result<(), String> {
        self.run().map_err(|e| format!("{} (RFC {}): {e}", self.name, self.section))
    }

    fn run(&self) -> Result<(), String> {
        let mut client = Client::new();
        for step in self.steps {
            match step {
                Give(bytes) => client.give(bytes),
                Body(len) => client.give(&vec![b'x'; *len]),
                Wait(seconds) => client.wait(*seconds),
                End => client.end(),
                Gives(statuses) => {
                    let answers = answers::parse(&client.output, false)?;
                    let are: Vec<_> = answers.iter().map(|a| a.status).collect();
                    if are != *statuses {
                        return Err(format!("{are:?} instead of {statuses:?} on the way"));
                    }
                }
            }
        }
        let answers = answers::parse(&client.output, false)?;
        judge_answers(&answers, self.answers, client.fate(), self.fate)?;
        // RFC 9110 15.5.9 and RFC 9112 9.6: who refuses says that this was all.
        let is_refused = answers.last().is_some_and(|a| matches!(a.status, 400 | 408 | 413) && !a.closes());
        if is_refused { Err("a refusal that does not say close".to_owned()) } else { Ok(()) }
    }
}

pub(crate) const SCRIPTS: &[Script] = &[
    script("a connection without a request", "9112 9.5", &[Wait(75)], &[], Finish),
    script("almost too long without a request", "9112 9.5", &[Wait(74), GET], &[200], Open),
    script("a kept connection without a request", "9112 9.5", &[GET, Wait(75)], &[200], Finish),
    script(
        "each request begins the wait anew",
        "9112 9.5",
        &[GET, Wait(70), GET, Wait(70), GET],
        &[200, 200, 200],
        Open,
    ),
    script("a head that is never completed", "9110 15.5.9", &[Give(b"GET / HT"), Wait(15)], &[408], Finish),
    script(
        "a head that is completed late",
        "9110 15.5.9",
        &[Give(b"GET /hello HT"), Wait(14), Give(b"TP/1.1\r\nHost: a\r\n\r\n")],
        &[200],
        Open,
    ),
    script(
        "a head that comes drop by drop",
        "9110 15.5.9",
        &[Give(b"G"), Wait(5), Give(b"E"), Wait(5), Give(b"T"), Wait(4), Give(b" "), Gives(&[]), Wait(1)],
        &[408],
        Finish,
    ),
    script(
        "the time of a head begins with it",
        "9110 15.5.9",
        &[Wait(70), Give(b"GET /hello HTTP/1.1\r\n"), Wait(14), Give(b"Host: a\r\n\r\n")],
        &[200],
        Open,
    ),
    script(
        "a second head that is never completed",
        "9110 15.5.9",
        &[GET, Give(b"GET"), Wait(15)],
        &[200, 408],
        Finish,
    ),
    script("nothing is read after 408", "9112 9.6", &[Give(b"GET /"), Wait(15), GET], &[408], Finish),
    script(
        "a body that pauses",
        "9110 15.5.9",
        &[POST, Body(3), Wait(14), Gives(&[]), Wait(1)],
        &[408],
        Finish,
    ),
    script(
        "a fast body that pauses",
        "9110 15.5.9",
        &[SINK, Body(50_000), Wait(14), Gives(&[]), Wait(1)],
        &[408],
        Finish,
    ),
    script("a body that never begins", "9110 15.5.9", &[POST, Wait(15)], &[408], Finish),
    script("a body that goes on in time", "9110 15.5.9", &[POST, Body(3), Wait(14), Body(6)], &[200], Open),
    script(
        "a body that comes drop by drop",
        "9110 15.5.9",
        &[POST, Body(1), Wait(7), Body(1), Wait(7), Body(1), Gives(&[]), Wait(2)],
        &[408],
        Finish,
    ),
    script(
        "a body that comes fast enough for long",
        "9110 15.5.9",
        &[
            SINK,
            Body(12_000),
            Wait(10),
            Body(12_000),
            Wait(10),
            Body(12_000),
            Wait(10),
            Body(12_000),
            Wait(10),
            Body(12_000),
        ],
        &[200],
        Open,
    ),
    script("chunks that pause", "9110 15.5.9", &[CHUNKED, Give(b"5\r\nhel"), Wait(15)], &[408], Finish),
    script(
        "a chunk size that is never completed",
        "9110 15.5.9",
        &[CHUNKED, Give(b"5"), Wait(15)],
        &[408],
        Finish,
    ),
    script(
        "trailers that are never completed",
        "9110 15.5.9",
        &[CHUNKED, Give(b"0\r\nX: y\r\n"), Wait(15)],
        &[408],
        Finish,
    ),
    script("an unwanted body that pauses", "9112 9.3", &[UNWANTED, Body(3), Wait(15)], &[200], Finish),
    script(
        "an unwanted body that comes late",
        "9112 9.3",
        &[UNWANTED, Wait(10), Body(5), GET],
        &[200, 200],
        Open,
    ),
    script("an end without a request", "9112 9.6", &[End], &[], Finish),
    script("an end behind a request", "9112 9.6", &[GET, End], &[200], Finish),
    script(
        "an end behind two requests",
        "9112 9.6",
        &[Give(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/70000 HTTP/1.1\r\nHost: a\r\n\r\n"), End],
        &[200, 200],
        Finish,
    ),
    script("an end in a request line", "9112 8", &[Give(b"GET /hel"), End], &[400], Finish),
    script(
        "an end before the last LF",
        "9112 8",
        &[Give(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r"), End],
        &[400],
        Finish,
    ),
    script("an end in a second head", "9112 8", &[GET, Give(b"GET"), End], &[200, 400], Finish),
    script("an end in a body", "9112 8", &[POST, Body(8), End], &[400], Finish),
    script(
        "an end before the last chunk",
        "9112 8",
        &[CHUNKED, Give(b"5\r\nhello\r\n"), End],
        &[400],
        Finish,
    ),
    script(
        "an end before the last line of chunks",
        "9112 8",
        &[CHUNKED, Give(b"5\r\nhello\r\n0\r\n"), End],
        &[400],
        Finish,
    ),
    script("an end in a chunk", "9112 8", &[CHUNKED, Give(b"5\r\nhel"), End], &[400], Finish),
    script(
        "an end behind chunks",
        "9112 9.6",
        &[CHUNKED, Give(b"5\r\nhello\r\n0\r\n\r\n"), End],
        &[200],
        Finish,
    ),
    script("an end in an unwanted body", "9112 8", &[UNWANTED, Body(3), End], &[200], Finish),
    script(
        "an end in the place of a body that waits",
        "9112 8",
        &[EXPECT, Gives(&[100]), End],
        &[100, 400],
        Finish,
    ),
    script(
        "an empty line behind a request, and the end",
        "9112 2.2",
        &[GET, Give(b"\r\n"), End],
        &[200],
        Finish,
    ),
    script(
        "an empty line behind a request, and a wait",
        "9112 2.2",
        &[GET, Give(b"\r\n"), Wait(20), GET],
        &[200, 200],
        Open,
    ),
    script(
        "continue is not repeated",
        "9110 10.1.1",
        &[EXPECT, Gives(&[100]), Wait(10), Body(2), Wait(4), Body(3)],
        &[100, 200],
        Open,
    ),
    script(
        "continue that nobody follows",
        "9110 10.1.1",
        &[EXPECT, Gives(&[100]), Wait(15)],
        &[100, 408],
        Finish,
    ),
    script(
        "continue for two requests",
        "9110 10.1.1",
        &[EXPECT, Body(5), EXPECT, Gives(&[100, 200, 100]), Body(5)],
        &[100, 200, 100, 200],
        Open,
    ),
    script(
        "1.0 waits for continue in vain",
        "9110 10.1.1",
        &[
            Give(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
            Gives(&[]),
            Wait(14),
            Body(5),
        ],
        &[200],
        Finish,
    ),
    script(
        "413 comes before the body",
        "9110 10.1.1",
        &[Give(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
            Content-Length: 8388609\r\n\r\n",
        )],
        &[413],
        Finish,
    ),
    script(
        "413 comes to who does not expect it",
        "9110 15.5.14",
        &[
            Give(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n"),
            Gives(&[413]),
            Body(100),
        ],
        &[413],
        Finish,
    ),
    script(
        "an answer does not wait for an unwanted body",
        "9110 10.1.1",
        &[UNWANTED, Gives(&[200]), Body(5)],
        &[200],
        Open,
    ),
];
