//! HTTP/1.1 as a machine over bytes: RFC 9110, RFC 9112. It knows nothing of TCP.
//!
//! [`Connection`] takes bytes, asks a [`Handler`] what to answer, and gives bytes. Heads are tokenized by
//! `httparse`; line ends, limits, Host, lengths and chunks are judged here.
//!
//! Beside it stand what handlers read bodies and fields with: [`cookies`] and [`SetCookie`], [`Form`], [`Multipart`].
//!
//! Left out so far: content codings, ranges, conditional requests, upgrades, trailers for the handler.

mod access;
mod body;
mod connection;
mod cookie;
mod date;
mod handler;
mod head;
mod multipart;
mod parameters;
mod response;
mod scanner;
mod target;
mod urlencoded;
mod websocket;

pub use crate::fate::Fate;
pub use access::Entry;
pub use connection::{Connection, Limits, Scope, Ticket};
pub use cookie::{CookieError, SameSite, SetCookie, cookies};
pub use date::Date;
pub use handler::{BodySink, Handler, House, IntoOutcome, Job, Outcome, Wake};
pub use head::{Method, Refusal, Request, Version};
pub use multipart::{Event as FormEvent, Multipart, PartHead, boundary_of};
pub use response::{Body, BodySource, Piece, Response, Status};
pub use urlencoded::{BadEncoding, Form, pairs as form_pairs, percent_decode};
pub use websocket::{Origins, Upgrade, WebSocket};
