//! The command line.

pub(crate) mod ctl;
pub(crate) mod data;
pub(crate) mod explain;
pub(crate) mod logger;
pub(crate) mod serve;
pub(crate) mod socket;
pub(crate) mod user;

use clap::{Parser, Subcommand};

/// A TCP/IP stack of its own on a TAP device, with a web server living on it.
///
/// A TAP device hands raw Ethernet frames to this program; its own ARP, IPv4 and TCP turn them into byte
/// streams, and its HTTP server answers on those. The kernel's TCP is not in the path.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve HTTP on a TAP device
    Serve(Box<serve::Options>),
    /// Draw frames of a capture, layer by layer
    Explain(explain::Options),
    /// Ask a running house, and change its link
    Ctl(ctl::Options),
    /// Make users, and keep them
    User(user::Options),
}

const EXAMPLES: &str = "\
Try it in a network namespace of its own, with nothing to clean up:
  scripts/lab -- curl -i http://192.0.2.2/hello

Or on this host:
  sudo ip tuntap add dev tap0 mode tap user $USER
  sudo ip addr add 192.0.2.1/24 dev tap0
  sudo ip link set tap0 up
  taphouse serve
  curl -i http://192.0.2.2/hello        (from another terminal)

RUST_LOG=info logs a line for each connection, RUST_LOG=trace one for each segment; never a body.";
