//! tungstenite's end of a WebSocket, with a script of what it says.

use std::collections::VecDeque;
use std::io::ErrorKind;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Error, Message, WebSocket};

use crate::dice::Dice;
use crate::websockets::Say;
use crate::wire::End;

/// One end.
pub(crate) struct Theirs {
    socket: WebSocket<End>,
    end: End,
    /// What it is still to say.
    script: VecDeque<Message>,
    pub(crate) heard: Vec<Say>,
    /// What came back of its pings.
    pub(crate) pongs: Vec<Vec<u8>>,
    /// Pings that came.
    pub(crate) pings: usize,
    /// The Close frame that came.
    pub(crate) close: Option<(Option<u16>, String)>,
    /// How it ended.
    pub(crate) error: Option<Error>,
    dice: Dice,
}

impl Theirs {
    pub(crate) fn new(socket: WebSocket<End>, end: End, script: Vec<Message>, dice: Dice) -> Self {
        let (heard, pongs) = (Vec::new(), Vec::new());
        Self { socket, end, script: script.into(), heard, pongs, pings: 0, close: None, error: None, dice }
    }

    /// Does some of what can be done now.
    pub(crate) fn step(&mut self) {
        if self.error.is_some() {
            return self.end.finish();
        }
        let result = self.advance();
        self.error = result.err().filter(|error| !is_blocked(error));
    }

    fn advance(&mut self) -> Result<(), Error> {
        if self.socket.can_write()
            && self.dice.one_in(3)
            && let Some(message) = self.script.pop_front()
        {
            // What it cannot write now it keeps.
            self.socket.write(message).or_else(unless_blocked)?;
            self.socket.flush().or_else(unless_blocked)?;
        }
        if !self.socket.can_write() {
            self.script.clear();
        }
        if self.dice.one_in(3) {
            self.socket.flush().or_else(unless_blocked)?;
        }
        match self.socket.read()? {
            Message::Text(text) => self.heard.push(Say::Text(text.as_str().to_owned())),
            Message::Binary(data) => self.heard.push(Say::Binary(data.to_vec())),
            Message::Ping(_) => self.pings += 1,
            Message::Pong(content) => self.pongs.push(content.to_vec()),
            Message::Close(frame) => {
                let close = match frame {
                    Some(CloseFrame { code, reason }) => (Some(code.into()), reason.as_str().to_owned()),
                    None => (None, String::new()),
                };
                assert_eq!(self.close.replace(close), None, "it closes once");
            }
            Message::Frame(_) => panic!("it gives none"),
        }
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.error.is_some()
    }
}

fn is_blocked(error: &Error) -> bool {
    matches!(error, Error::Io(io) if io.kind() == ErrorKind::WouldBlock)
}

fn unless_blocked(error: Error) -> Result<(), Error> {
    if is_blocked(&error) { Ok(()) } else { Err(error) }
}

/// The frames of what is to be said: messages in one or in many, with pings between them; the pings' contents.
pub(crate) fn frames(dice: &mut Dice, script: &[Say]) -> (Vec<Message>, Vec<Vec<u8>>) {
    let (mut frames, mut pings) = (Vec::new(), Vec::new());
    let mut ping = |dice: &mut Dice, frames: &mut Vec<Message>| {
        if dice.one_in(3) {
            let len = dice.magnitude(125);
            let content = dice.bytes(len);
            frames.push(Message::Ping(content.clone().into()));
            pings.push(content);
        }
    };
    for say in script {
        ping(dice, &mut frames);
        let (kind, data) = match say {
            Say::Text(text) => (Data::Text, text.as_bytes()),
            Say::Binary(data) => (Data::Binary, &data[..]),
            Say::Close(code, reason) => {
                let frame = code.map(|code| CloseFrame { code: code.into(), reason: reason.clone().into() });
                frames.push(Message::Close(frame));
                continue;
            }
        };
        if dice.one_in(2) {
            frames.push(match say {
                Say::Text(text) => Message::text(text.clone()),
                _ => Message::binary(data.to_vec()),
            });
            continue;
        }
        // Cut anywhere, also within a character; some have nothing in them, the last one too.
        let mut parts = dice.parts(data);
        if dice.one_in(4) {
            parts.insert(dice.below(parts.len() + 1), b"");
        }
        if parts.is_empty() {
            parts.push(b"");
        }
        for (i, part) in parts.iter().enumerate() {
            let opcode = if i == 0 { kind } else { Data::Continue };
            let frame = Frame::message(part.to_vec(), OpCode::Data(opcode), i == parts.len() - 1);
            frames.push(Message::Frame(frame));
            ping(dice, &mut frames);
        }
    }
    (frames, pings)
}
