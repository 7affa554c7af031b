//! taphouse: a userspace TCP/IP stack for Linux TAP devices, with a web server living on it.
#![warn(missing_docs)]
pub mod arp; pub mod drops; pub mod frame; pub mod ip; pub mod limits; pub mod link; pub mod rand; pub mod stack; pub mod tcp; pub mod fault; pub mod time; pub mod wheel; pub mod wire;
