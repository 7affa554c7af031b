//! The messages of a table: what comes, judged, and what goes, in JSON. `docs/protocol.md` describes them, and
//! `docs/protocol.schema.json` says it for programs.

use serde_json::{Map, Value, json};

use super::{ClientId, TableId};
use crate::app::accounts::UserId;
use crate::limits;
use crate::ws::{Message, Prepared};

/// What somebody at a table wants.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    Say { text: String, id: Option<String> },
    Whisper { to: ClientId, text: String, id: Option<String> },
    Typing,
    History { before: Option<u64>, limit: usize },
    Leave,
    Auth { token: String },
    Mute { who: ClientId, seconds: u64 },
    Remove { who: ClientId, seconds: u64 },
}

/// What is wrong with a message, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) code: &'static str,
    pub(super) detail: String,
    /// The name that the message gave itself.
    pub(super) id: Option<String>,
}

impl Complaint {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), id: None }
    }

    pub(super) fn about(self, id: Option<String>) -> Self {
        Self { id, ..self }
    }

    pub(super) fn to_message(&self) -> Message {
        let mut error = json!({"type": "error", "code": self.code, "detail": self.detail});
        if let Some(id) = &self.id {
            error["id"] = (&**id).into();
        }
        Message::text(error.to_string())
    }
}

impl Incoming {
    /// Reads what came.
    pub(super) fn read(message: &Message) -> Result<Self, Complaint> {
        let text =
            message.as_text().ok_or_else(|| Complaint::new("not_json", "messages are texts, in JSON"))?;
        let read: Result<Map<String, Value>, _> = serde_json::from_str(text);
        let fields = read.map_err(|error| {
            let what = if error.is_data() { "a message is a JSON object" } else { "the JSON cannot be read" };
            Complaint::new("not_json", format!("{what} (line {}, column {})", error.line(), error.column()))
        })?;
        let id = match fields.get("id") {
            None => None,
            Some(Value::String(id)) if id.len() <= limits::MESSAGE_ID_BYTES => Some(id.clone()),
            Some(_) => return Err(Complaint::new("invalid", "id is no text of up to 64 bytes")),
        };
        Self::read_fields(&Fields(&fields), &id).map_err(|complaint| complaint.about(id))
    }

    fn read_fields(fields: &Fields<'_>, id: &Option<String>) -> Result<Self, Complaint> {
        let id = || id.clone();
        Ok(match fields.0.get("type").and_then(Value::as_str) {
            Some("say") => Self::Say { text: fields.speech()?, id: id() },
            Some("whisper") => {
                Self::Whisper { to: ClientId(fields.integer("to")?), text: fields.speech()?, id: id() }
            }
            Some("typing") => Self::Typing,
            Some("history") => {
                let limit = fields.optional("limit")?.unwrap_or(limits::WELCOME_MESSAGES as u64);
                let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(limits::HISTORY_PAGE);
                Self::History { before: fields.optional("before")?, limit }
            }
            Some("leave") => Self::Leave,
            Some("auth") => Self::Auth { token: fields.text("token")?.to_owned() },
            Some("mute") => {
                Self::Mute { who: ClientId(fields.integer("client_id")?), seconds: fields.seconds()? }
            }
            Some("remove") => {
                Self::Remove { who: ClientId(fields.integer("client_id")?), seconds: fields.seconds()? }
            }
            Some(_) => {
                let known = "say, whisper, typing, history, leave, auth, mute and remove";
                return Err(Complaint::new("unknown_type", format!("type is none of {known}")));
            }
            None => return Err(Complaint::new("invalid", "type is missing, or no text")),
        })
    }
}

/// The fields of a message.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, name: &str) -> Result<&str, Complaint> {
        let text = self.0.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Complaint::new("invalid", format!("{name} is missing, or no text")))
    }

    fn integer(&self, name: &str) -> Result<i64, Complaint> {
        let number = self.0.get(name).and_then(Value::as_i64);
        number.ok_or_else(|| Complaint::new("invalid", format!("{name} is missing, or no integer")))
    }

    fn optional(&self, name: &str) -> Result<Option<u64>, Complaint> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let wrong = || Complaint::new("invalid", format!("{name} is no integer from 0 on"));
                value.as_u64().map(Some).ok_or_else(wrong)
            }
        }
    }

    fn seconds(&self) -> Result<u64, Complaint> {
        let seconds = self.optional("seconds")?.unwrap_or(limits::SANCTION);
        if seconds <= limits::SANCTION_MAX {
            return Ok(seconds);
        }
        Err(Complaint::new("invalid", format!("seconds is over {}", limits::SANCTION_MAX)))
    }

    fn speech(&self) -> Result<String, Complaint> {
        let text = self.text("text")?;
        if text.trim().is_empty() {
            return Err(Complaint::new("invalid", "text is empty"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(Complaint::new("invalid", "text has control characters in it"));
        }
        if text.len() > limits::SPEECH_BYTES {
            return Err(Complaint::new(
                "invalid",
                format!("text is longer than {} bytes", limits::SPEECH_BYTES),
            ));
        }
        Ok(text.to_owned())
    }
}

/// Why a socket is closed whose seat another one of the same user has taken.
pub(super) const REPLACED: &str = "the same user sits here by another socket";
/// Why a socket is closed whose holder was removed.
pub(super) const REMOVED: &str = "a moderator has removed you";

/// Somebody at a table, as others see him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) client: ClientId,
    pub(super) user: Option<UserId>,
    pub(super) nickname: String,
}

impl Person {
    fn to_json(&self) -> Value {
        let mut person = json!({"client_id": self.client, "nickname": self.nickname});
        if let Some(user) = self.user {
            person["user_id"] = user.0.into();
        }
        person
    }
}

/// All that these are, as far as they are shown.
pub(super) fn people<'a>(people: impl IntoIterator<Item = &'a Person>) -> Value {
    people.into_iter().take(limits::PEOPLE_SHOWN).map(Person::to_json).collect()
}

/// Seconds since 1970 as people and programs read it: RFC 3339.
pub(super) fn time(wall: u64) -> Value {
    let at = i64::try_from(wall).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or(Value::Null, |at| at.to_string().into())
}

/// A numbered message without what is its own: its type, its number, and when it was.
fn numbered(kind: &str, seq: u64, wall: u64) -> Value {
    json!({"type": kind, "seq": seq, "time": time(wall)})
}

/// `said`, or `whispered` if it is to one alone.
pub(super) fn spoken(
    seq: u64,
    wall: u64,
    from: &Person,
    to: Option<ClientId>,
    text: &str,
    id: Option<String>,
) -> String {
    let mut message = numbered(if to.is_some() { "whispered" } else { "said" }, seq, wall);
    message["client_id"] = from.client.0.into();
    message["nickname"] = (&*from.nickname).into();
    if let Some(to) = to {
        message["to"] = to.0.into();
    }
    message["text"] = text.into();
    if let Some(id) = id {
        message["id"] = id.into();
    }
    message.to_string()
}

/// `joined` or `left`: some have come, or gone, and so many are there now.
pub(super) fn presence(kind: &str, seq: u64, wall: u64, who: &[Person], count: usize) -> String {
    let mut message = numbered(kind, seq, wall);
    message["clients"] = people(who);
    message["more"] = who.len().saturating_sub(limits::PEOPLE_SHOWN).into();
    message["count"] = count.into();
    message.to_string()
}

/// `muted` or `removed`, and for how long.
pub(super) fn sanction(kind: &str, seq: u64, wall: u64, who: ClientId, seconds: u64) -> String {
    let mut message = numbered(kind, seq, wall);
    message["client_id"] = who.0.into();
    message["seconds"] = seconds.into();
    message.to_string()
}

/// `typing`, which has no number and is not kept.
pub(super) fn typing(who: &Person) -> Message {
    let message = json!({"type": "typing", "client_id": who.client, "nickname": who.nickname});
    Message::text(message.to_string())
}

/// `ping`: a page cannot see the pings of its WebSocket, and wants to know that the house is there.
pub(in crate::app) fn ping() -> Prepared {
    Prepared::new(Message::text(r#"{"type":"ping"}"#))
}

/// `history`: what was said before, from the oldest on.
pub(super) fn history(messages: &[&str], complete: bool) -> Message {
    let text = format!(r#"{{"type":"history","messages":[{}],"complete":{complete}}}"#, messages.join(","));
    Message::text(text)
}

/// `authenticated`: until when the new token is good.
pub(super) fn authenticated(expires: u64) -> Message {
    Message::text(json!({"type": "authenticated", "expires": time(expires)}).to_string())
}

/// What somebody hears first.
pub(super) struct Welcome<'a> {
    pub(super) table: TableId,
    pub(super) you: &'a Person,
    /// The number of the last message.
    pub(super) seq: u64,
    pub(super) people: Value,
    pub(super) count: usize,
    /// What was said last, for who does not come back.
    pub(super) messages: &'a [&'a str],
    /// Nothing is missing between what was seen last and what follows.
    pub(super) complete: bool,
}

impl Welcome<'_> {
    pub(super) fn to_message(&self) -> Message {
        let head = json!({
            "type": "welcome",
            "table_id": self.table,
            "you": self.you.to_json(),
            "seq": self.seq,
            "clients": self.people,
            "count": self.count,
            "complete": self.complete,
        });
        // The messages are JSON already.
        let mut text = head.to_string();
        text.pop();
        text += &format!(",\"messages\":[{}]}}", self.messages.join(","));
        Message::text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Incoming, Complaint> {
        Incoming::read(&Message::text(text))
    }

    #[test]
    fn messages_are_read() {
        let say = |text: &str, id: Option<&str>| Incoming::Say { text: text.into(), id: id.map(Into::into) };
        for (text, wanted) in [
            (r#"{"type":"say","text":"hi"}"#, say("hi", None)),
            (r#" {"id":"a","text":"hi","more":[1],"type":"say"} "#, say("hi", Some("a"))),
            (r#"{"type":"typing"}"#, Incoming::Typing),
            (r#"{"type":"leave"}"#, Incoming::Leave),
            (r#"{"type":"history"}"#, Incoming::History { before: None, limit: limits::WELCOME_MESSAGES }),
            (
                r#"{"type":"history","before":7,"limit":1000000}"#,
                Incoming::History { before: Some(7), limit: limits::HISTORY_PAGE },
            ),
            (
                r#"{"type":"mute","client_id":-3}"#,
                Incoming::Mute { who: ClientId(-3), seconds: limits::SANCTION },
            ),
            (
                r#"{"type":"remove","client_id":3,"seconds":0}"#,
                Incoming::Remove { who: ClientId(3), seconds: 0 },
            ),
        ] {
            assert!(read(text) == Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let long = format!(r#"{{"type":"say","text":"{}"}}"#, "a".repeat(limits::SPEECH_BYTES + 1));
        for (text, code, detail) in [
            ("", "not_json", "the JSON cannot be read"),
            ("{\"type\":", "not_json", "line 1, column 8"),
            ("[]", "not_json", "a message is a JSON object"),
            ("{}", "invalid", "type is missing"),
            (r#"{"type":1}"#, "invalid", "type is missing, or no text"),
            (r#"{"type":"shout"}"#, "unknown_type", "none of say"),
            (r#"{"type":"say"}"#, "invalid", "text is missing"),
            (r#"{"type":"say","text":"  "}"#, "invalid", "text is empty"),
            (r#"{"type":"say","text":{}}"#, "invalid", "no text"),
            (r#"{"type":"say","text":"a\u0000"}"#, "invalid", "control characters"),
            (&long, "invalid", "text is longer than 4000 bytes"),
            (r#"{"type":"whisper","text":"a"}"#, "invalid", "to is missing"),
            (r#"{"type":"whisper","text":"a","to":"7"}"#, "invalid", "to is missing, or no integer"),
            (r#"{"type":"whisper","text":"a","to":1.5}"#, "invalid", "no integer"),
            (r#"{"type":"history","before":-1}"#, "invalid", "before is no integer"),
            (r#"{"type":"mute","client_id":1,"seconds":1000000}"#, "invalid", "seconds is over"),
            (r#"{"type":"say","text":"a","id":7}"#, "invalid", "id is no text"),
        ] {
            let complaint = read(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(complaint.code == code && complaint.detail.contains(detail), "{text}: {complaint:?}");
        }
        let complaint = read(r#"{"type":"say","id":"mine"}"#).err().unwrap();
        assert_eq!(complaint.id.as_deref(), Some("mine"), "so that a program knows which one is meant");
        assert!(Incoming::read(&Message::binary(&b"{}"[..])).is_err());
    }

    #[test]
    fn what_people_say_cannot_break_the_json() {
        let person = Person { client: ClientId(1), user: None, nickname: "a\"b".to_owned() };
        let text = spoken(7, 0, &person, None, "\"}\u{0} {\n", None);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&read["text"], &read["nickname"], &read["time"]),
            (&json!("\"}\u{0} {\n"), &json!("a\"b"), &json!("1970-01-01T00:00:00Z"))
        );
    }
}
