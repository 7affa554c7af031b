//! WebSockets as a machine over bytes: RFC 6455, and permessage-deflate, RFC 7692. It knows neither HTTP nor TCP.
//!
//! [`Connection`] takes bytes and gives messages, takes messages and gives bytes, on either side of a connection that
//! was upgraded. What stands behind it on a server is a [`Handler`]; others reach the connection by its [`Sender`].
//!
//! Left out: extensions but permessage-deflate.

mod close;
mod codecs;
mod connection;
mod deflate;
mod frame;
mod group;
mod handler;
mod handshake;
mod message;
mod receiver;
mod transmitter;
mod utf8;

pub use crate::fate::Fate;
pub use close::{Closed, Code};
pub use codecs::Codecs;
pub use connection::{Config, Connection, Event, Overflow, Role, Scope, SendError};
pub use deflate::{Agreement, Deflate, Malformed};
pub use group::Group;
pub use handler::{Handler, Parcel, Sender, Socket, Wishes};
pub use handshake::{accept_key, is_key};
pub use message::{Message, Prepared};
