//! taphouse: a userspace TCP/IP stack for Linux TAP devices, with a web server living on it.
//!
//! # The map of the house
//!
//! | room | what it is | imports |
//! |---|---|---|
//! | [`time`] [`rand`] [`limits`] [`drops`] [`fault`] | what everybody needs | nothing |
//! | [`wire`] | bytes to values and back | drops |
//! | [`wheel`] [`frame`] | timers; frames on their way out | time, wire |
//! | [`arp`] [`ip`] [`tcp`] | the protocols, as machines | the above |
//! | [`stack`] | a host: frames in, frames out, streams between | the above |
//! | [`link`] | devices and wires | frame, time, rand |
//! | [`fate`] [`mail`] [`quota`] | what becomes of a stream, how others reach it, what all may hold | nothing |
//! | [`ws`] | WebSockets over bytes | time, limits, mail |
//! | [`http`] | HTTP/1.1 over bytes, and the way to a WebSocket | time, limits, ws |
//! | [`inspect`] | frames made readable for people | wire, frame |
//! | [`serve`] | a stream meets a protocol | stack, http, ws |
//! | [`control`] | what a running house tells its owner | stack, link, serve |
//! | [`shard`] | one core's loop | all the above |
//! | [`server`] | a shard on a TAP device, in one call | all the above |
//! | [`app`] | the house's own routes | http, ws |
//!
//! # The grammar
//!
//! Every machine is without I/O, clock, thread and waker. `handle_<input>(now, …)` changes its state,
//! `poll_<output>(…)` says what the world shall do, `poll_timeout()` says when to come back. What arrives from the
//! network is never an `Err` and never a panic: it is a [`drops::Drop`] with a counter. `Err` belongs to the
//! caller's own verbs.
//!
//! # The invariants
//!
//! * Time enters once a turn, randomness by one [`rand::Seed`]; a run is replayed by its seed.
//! * Nothing looks at all connections: flows are found by a keyed hash, timers by a wheel.
//! * Every maximum stands in [`limits`] and has a defined answer.
//! * A window's right edge, once offered, never moves back by as much as the unit of the window field.
//! * No body and no credential reaches a log.

pub mod app;
pub mod arp;
pub mod control;
pub mod drops;
pub mod fate;
pub mod fault;
pub mod frame;
pub mod http;
pub mod inspect;
pub mod ip;
pub mod limits;
pub mod link;
pub mod mail;
pub mod quota;
pub mod rand;
pub mod serve;
pub mod server;
pub mod shard;
pub mod stack;
pub mod tcp;
pub mod time;
pub mod wheel;
pub mod wire;
pub mod ws;
