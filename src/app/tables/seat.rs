//! A socket at a table: what comes is done, what is there is sent, some of it at a time.

use std::sync::Arc;

use super::hall::Place;
use super::journal::lock;
use super::message::{self, Complaint, Incoming};
use super::table::{Speech, Standing, Unsaid};
use crate::app::accounts::Permission;
use crate::app::service::Service;
use crate::app::tokens::{Claims, Refusal};
use crate::limits;
use crate::time::{Duration, Instant, Now};
use crate::ws::{Closed, Code, Handler, Message, Prepared, Socket};

/// A socket at a table.
pub(super) struct Seat {
    service: Arc<Service>,
    /// His seat, from when he was given it until he leaves.
    place: Option<Place>,
    /// Who he is, if he has shown a token, and the number under which his socket is known then.
    claims: Option<(Claims, u64)>,
    /// The number of the last message that he saw, when he came.
    since: Option<u64>,
    /// The number of the last message that he was sent.
    cursor: u64,
    /// The number up to which he comes back.
    until: u64,
    /// When he was sent something last.
    sent: Instant,
}

impl Seat {
    /// A socket that is not open yet, of somebody who has no seat yet.
    pub(super) fn new(service: Arc<Service>, claims: Option<Claims>, since: Option<u64>, now: Now) -> Self {
        service.see(now);
        Self {
            service,
            place: None,
            claims: claims.map(|claims| (claims, 0)),
            since,
            cursor: 0,
            until: 0,
            sent: now.mono,
        }
    }

    /// He was given a seat.
    pub(super) fn place(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Sends what there is behind what he has, as long as he takes it.
    fn read(&mut self, socket: &mut Socket<'_>) {
        loop {
            if socket.waiting() >= limits::WS_LOW_WATER {
                return socket.notify_room();
            }
            let Some(place) = &self.place else { return };
            let reading = lock(&place.table).read(&place.party, self.cursor, self.until);
            let Some(reading) = reading else {
                return self.leave(socket, Code::TRY_AGAIN_LATER, "you read too slowly");
            };
            self.cursor = reading.cursor;
            reading.messages.iter().for_each(|message| self.send_prepared(socket, message));
            if !reading.has_more {
                return;
            }
        }
    }

    fn send(&mut self, socket: &mut Socket<'_>, message: &Message) {
        self.sent = socket.now().mono;
        // One who does not take what he is sent is closed by the socket's own policy.
        let _ = socket.send(message);
    }

    fn send_prepared(&mut self, socket: &mut Socket<'_>, message: &Prepared) {
        self.sent = socket.now().mono;
        let _ = socket.send_prepared(message);
    }

    /// He goes, or is sent away.
    fn leave(&mut self, socket: &mut Socket<'_>, code: Code, reason: &str) {
        self.let_go();
        socket.set_alarm(None);
        socket.close(code, reason);
    }

    fn let_go(&mut self) {
        if let Some(Place { table, party }) = self.place.take() {
            lock(&table).leave(&party, self.service.latest());
            self.service.keep(&table);
        }
        if let Some((claims, number)) = self.claims.take() {
            self.service.hall.unwatch(claims.sid, number);
        }
    }

    /// What he has shown is good still, and his seat is his.
    fn is_welcome(&mut self, socket: &mut Socket<'_>) -> bool {
        let now = socket.now();
        self.service.see(now);
        let refusal = match &self.claims {
            Some((claims, _)) if self.service.has_ended(claims.sid) => Some(Refusal::Revoked),
            Some((claims, _)) if now.wall >= claims.exp => Some(Refusal::Expired),
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.leave(socket, Code(limits::CLOSE_UNAUTHORIZED), refusal.reason());
            return false;
        }
        self.is_seated(socket)
    }

    fn is_seated(&mut self, socket: &mut Socket<'_>) -> bool {
        let Some(place) = &self.place else { return false };
        let standing = lock(&place.table).standing(&place.party);
        match standing {
            Standing::Sits => return true,
            Standing::Replaced => self.leave(socket, Code(limits::CLOSE_REPLACED), message::REPLACED),
            Standing::Removed => self.leave(socket, Code(limits::CLOSE_REMOVED), message::REMOVED),
        }
        false
    }

    /// He is to be looked at when his token expires, when he was silent for long, and when he has to tell who has come.
    fn set_alarm(&self, socket: &mut Socket<'_>) {
        let Some(place) = &self.place else { return };
        let now = socket.now();
        let left = |claims: &Claims| now.mono + Duration::from_secs(claims.exp.saturating_sub(now.wall));
        let expires = self.claims.as_ref().map(|(claims, _)| left(claims));
        let presence = lock(&place.table).keeper_due(&place.party);
        let ping = self.sent + limits::TABLE_PING;
        socket.set_alarm([expires, presence, Some(ping)].into_iter().flatten().min());
    }

    fn handle(&mut self, socket: &mut Socket<'_>, incoming: Incoming) -> Result<(), Complaint> {
        let now = socket.now();
        let Some(place) = &self.place else { return Ok(()) };
        let has_time = match incoming {
            Incoming::Typing | Incoming::Leave => true,
            Incoming::Auth { .. } => lock(&place.table).rates(&place.party, now.mono).auth.take(now.mono),
            _ => lock(&place.table).rates(&place.party, now.mono).speech.take(now.mono),
        };
        if !has_time {
            return Err(Complaint::new("too_fast", "you speak too fast; wait a moment"));
        }
        match incoming {
            Incoming::Say { text, id } => self.speak(now, Speech::Said { text, id: id.clone() }, id),
            Incoming::Whisper { to, text, id } => {
                self.speak(now, Speech::Whispered { to, text, id: id.clone() }, id)
            }
            Incoming::Typing => {
                let mut table = lock(&place.table);
                if table.rates(&place.party, now.mono).typing.take(now.mono) {
                    table.type_in(&place.party, now.mono);
                }
                Ok(())
            }
            Incoming::History { before, limit } => {
                let answer = {
                    let table = lock(&place.table);
                    let (talk, complete) = table.talk_before(&place.party, before, limit);
                    message::history(&talk, complete)
                };
                self.send(socket, &answer);
                Ok(())
            }
            Incoming::Leave => {
                self.leave(socket, Code::NORMAL, "you left");
                Ok(())
            }
            Incoming::Auth { token } => self.renew(socket, &token),
            Incoming::Mute { who, seconds } => self.moderate(now, Speech::Muted { who, seconds }),
            Incoming::Remove { who, seconds } => self.moderate(now, Speech::Removed { who, seconds }),
        }
    }

    /// He may say something that is no good once more.
    fn may_err(&self, now: Instant) -> bool {
        let Some(place) = &self.place else { return true };
        lock(&place.table).rates(&place.party, now).bad.take(now)
    }

    fn speak(&mut self, now: Now, speech: Speech, id: Option<String>) -> Result<(), Complaint> {
        let Some(place) = &self.place else { return Ok(()) };
        let said = lock(&place.table).speak(&place.party, speech, now);
        self.service.keep(&place.table);
        said.map_err(|unsaid| {
            let (code, detail) = match unsaid {
                Unsaid::NobodyThere => ("nobody_there", "nobody sits there"),
                Unsaid::Muted => ("muted", "a moderator has muted you for a while"),
                Unsaid::NotKept => {
                    ("not_kept", "nothing can be kept now, so it was not said; try again later")
                }
            };
            Complaint::new(code, detail).about(id)
        })
    }

    fn moderate(&mut self, now: Now, speech: Speech) -> Result<(), Complaint> {
        let may = self.claims.as_ref().is_some_and(|(claims, _)| claims.may(Permission::Moderator));
        if may {
            self.speak(now, speech, None)
        } else {
            Err(Complaint::new("forbidden", "this is for moderators"))
        }
    }

    /// He shows a new token, of the same user.
    fn renew(&mut self, socket: &mut Socket<'_>, token: &str) -> Result<(), Complaint> {
        let wrong = |detail: &str| Complaint::new("unauthorized", detail);
        let Some((claims, number)) = &mut self.claims else {
            return Err(wrong("you sit here without a name; open another socket to sit as a user"));
        };
        let shown =
            self.service.judge(socket.now().wall, token).map_err(|refusal| wrong(refusal.reason()))?;
        if shown.sub != claims.sub {
            return Err(wrong("the token is another user's"));
        }
        self.service.hall.unwatch(claims.sid, *number);
        *number = self.service.hall.watch(shown.sid, socket.sender());
        let expires = shown.exp;
        *claims = shown;
        self.send(socket, &message::authenticated(expires));
        Ok(())
    }
}

impl Handler for Seat {
    fn handle_open(&mut self, socket: &mut Socket<'_>) {
        if let Some((claims, number)) = &mut self.claims {
            *number = self.service.hall.watch(claims.sid, socket.sender());
        }
        // What ended his session between the handshake and now was told to nobody.
        if !self.is_welcome(socket) {
            return;
        }
        let Some(place) = &self.place else { return };
        let opening = lock(&place.table).open(&place.party, socket.sender(), self.since, socket.now());
        self.service.keep(&place.table);
        let Some(opening) = opening else {
            self.is_seated(socket);
            return;
        };
        (self.cursor, self.until) = (opening.cursor, opening.until);
        self.send(socket, &opening.welcome);
        self.read(socket);
        self.set_alarm(socket);
    }

    fn handle_message(&mut self, socket: &mut Socket<'_>, message: Message) {
        let read = Incoming::read(&message);
        // A token that has expired a moment ago may be renewed.
        let is_auth = matches!(read, Ok(Incoming::Auth { .. }));
        if !is_auth && !self.is_welcome(socket) {
            return;
        }
        if let Err(complaint) = read.and_then(|incoming| self.handle(socket, incoming)) {
            self.send(socket, &complaint.to_message());
            let is_noise = !matches!(complaint.code, "muted" | "nobody_there" | "not_kept");
            if is_noise && !self.may_err(socket.now().mono) {
                self.leave(socket, Code::POLICY, "too many messages that are no good");
            }
        }
        if is_auth && !self.is_welcome(socket) {
            return;
        }
        self.set_alarm(socket);
    }

    fn handle_wake(&mut self, socket: &mut Socket<'_>) {
        if self.is_welcome(socket) {
            self.read(socket);
            self.set_alarm(socket);
        }
    }

    fn handle_room(&mut self, socket: &mut Socket<'_>) {
        self.handle_wake(socket);
    }

    fn handle_alarm(&mut self, socket: &mut Socket<'_>) {
        if !self.is_welcome(socket) {
            return;
        }
        let now = socket.now();
        if let Some(place) = &self.place {
            lock(&place.table).handle_clock(now);
            self.service.keep(&place.table);
        }
        // What may not have reached him is looked for as well.
        self.read(socket);
        if now.mono >= self.sent + limits::TABLE_PING {
            let ping = self.service.ping.clone();
            self.send_prepared(socket, &ping);
        }
        self.set_alarm(socket);
    }

    fn handle_close(&mut self, _: &Closed) {
        self.let_go();
    }
}

impl Drop for Seat {
    /// Also one whose socket never opened has had a seat.
    fn drop(&mut self) {
        self.let_go();
    }
}
