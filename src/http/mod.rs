//! HTTP/1.1 as a machine over bytes: RFC 9110, RFC 9112. It knows nothing of TCP.
//!
//! [`Connection`] takes bytes, asks a [`Handler`] what to answer, and gives bytes. Heads are tokenized by
//! `httparse`; line ends, limits, Host, lengths and chunks are judged here.
//!
//! Beside it stand what handlers read bodies and fields with: [`cookies`] and [`SetCookie`], [`Form`], [`Multipart`].
//!
//! A [`Router`] is a handler of handlers, which are plain functions of a [`Request`]: typed parameters, bodies by
//! [`collect`] or a [`BodySink`], answers whole, by a [`BodySource`] or a [`pipe`], slow work by a [`Job`], and
//! [`WebSocket`]s.
//!
//! Left out: content codings, ranges, conditional requests, trailers of responses.

mod access;
mod arguments;
mod body;
mod connection;
mod content;
mod cookie;
mod cors;
mod date;
mod handler;
mod head;
mod multipart;
mod parameters;
mod pipe;
mod problem;
mod response;
mod router;
mod scanner;
mod target;
#[cfg(test)]
mod testing;
mod urlencoded;
mod websocket;

pub use crate::fate::Fate;
pub use access::Entry;
pub use arguments::{Argument, Arguments};
pub use connection::{Connection, Limits, Scope, Ticket};
pub use content::{Content, Part, collect};
pub use cookie::{CookieError, SameSite, SetCookie, cookies};
pub use cors::Cors;
pub use date::Date;
pub use handler::{BodySink, Handler, House, IntoOutcome, Job, Lane, Outcome, Wake};
pub use head::{Method, Refusal, Request, Version};
pub use multipart::{Event as FormEvent, Multipart, PartHead, boundary_of};
pub use pipe::{PipeError, PipeWriter, pipe};
pub use problem::{Invalid, Place, Problem};
pub use response::{Body, BodySource, Piece, Response, Status};
pub use router::Router;
pub use urlencoded::{BadEncoding, Form, pairs as form_pairs, percent_decode};
pub use websocket::{Handshake, Origins, Upgrade, WebSocket};
