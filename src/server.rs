//! A server on a TAP device: what a program needs that has a handler and wants to be reached.
//!
//! ```no_run
//! use taphouse::http::{Response, Router};
//! use taphouse::server::Server;
//!
//! let mut router = Router::new();
//! router.get("/", |_| Response::text(200, "hello\n"));
//! Server::new(router).tap("tap0").run()?;
//! # Ok::<(), taphouse::server::ServerError>(())
//! ```

use std::fmt;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};

use siphasher::sip::SipHasher13;

use crate::arp::ProbeMode;
use crate::frame::{Medium, Properties};
use crate::http::{Handler, Limits};
use crate::ip::subnet::Subnet;
use crate::limits;
use crate::link::impair::{Impair, spec};
use crate::link::recorder::Keep;
use crate::link::tap::Tap;
use crate::link::watch::Watched;
use crate::rand::Seed;
use crate::shard::runner::{Ended, Runner, Start};
use crate::shard::scribe::Scribe;
use crate::shard::{Config, Shard};
use crate::stack::{self, ListenConfig};
use crate::tcp::{self, Algorithm};
use crate::wire::ethernet::Mac;

/// A server that is not open yet, and how it will be.
pub struct Server {
    tap: String,
    subnet: Subnet,
    gateway: Gateway,
    mac: Option<Mac>,
    mtu: u16,
    port: u16,
    probe: ProbeMode,
    max_connections: usize,
    http: Limits,
    memory: usize,
    tcp_memory: usize,
    tcp: tcp::Config,
    impair: spec::Both,
    seed: Option<Seed>,
    handler: Box<dyn Handler>,
}

/// Who forwards to addresses off the subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// The first address of the subnet, or the second if the first is ours.
    Usual,
    /// Nobody.
    None,
    /// This host.
    At(Ipv4Addr),
}

/// Why a server cannot be, or could not go on: what was wrong and what to do.
#[derive(Debug)]
pub struct ServerError(String);

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerError {}

impl Server {
    /// A server for this handler: on `tap0`, with 192.0.2.2/24 and port 80, unless it is told otherwise.
    pub fn new(handler: impl Handler + 'static) -> Self {
        Self {
            tap: "tap0".to_owned(),
            subnet: Subnet { address: Ipv4Addr::new(192, 0, 2, 2), prefix: 24 },
            gateway: Gateway::Usual,
            mac: None,
            mtu: 1500,
            port: 80,
            probe: ProbeMode::Quick,
            max_connections: 65_536,
            http: Limits::default(),
            memory: limits::GATHERED_BYTES,
            tcp_memory: limits::TCP_MEMORY,
            tcp: tcp::Config::default(),
            impair: spec::Both::default(),
            seed: None,
            handler: Box::new(handler),
        }
    }

    /// The device, which must exist.
    #[must_use]
    pub fn tap(self, name: impl Into<String>) -> Self {
        Self { tap: name.into(), ..self }
    }

    /// Our address with the length of its network prefix.
    #[must_use]
    pub fn address(self, subnet: Subnet) -> Self {
        Self { subnet, ..self }
    }

    /// Who forwards to addresses off the subnet.
    #[must_use]
    pub fn gateway(self, gateway: Gateway) -> Self {
        Self { gateway, ..self }
    }

    /// Our hardware address; without this one is made from the address.
    #[must_use]
    pub fn mac(self, mac: Option<Mac>) -> Self {
        Self { mac, ..self }
    }

    /// Bytes of the largest IP packet, the same as the device's.
    #[must_use]
    pub fn mtu(self, mtu: u16) -> Self {
        Self { mtu, ..self }
    }

    /// The port of HTTP.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// How carefully to ask whether the address is free.
    #[must_use]
    pub fn probe(self, probe: ProbeMode) -> Self {
        Self { probe, ..self }
    }

    /// Connections at once.
    #[must_use]
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self { max_connections, ..self }
    }

    /// How long HTTP waits.
    #[must_use]
    pub fn limits(self, http: Limits) -> Self {
        Self { http, ..self }
    }

    /// Bytes that TCP may hold for all connections together, 256 KiB at least, beyond 8 KiB of each.
    #[must_use]
    pub fn tcp_memory(self, tcp_memory: usize) -> Self {
        Self { tcp_memory, ..self }
    }

    /// Bytes of bodies and messages that all connections together may make it gather.
    #[must_use]
    pub fn memory(self, memory: usize) -> Self {
        Self { memory, ..self }
    }

    /// How the congestion windows of its connections grow, and by how much a loss reduces them.
    #[must_use]
    pub fn congestion(self, congestion: Algorithm) -> Self {
        Self { tcp: tcp::Config { congestion, ..self.tcp }, ..self }
    }

    /// Bytes that the buffers of a connection may grow to, either way.
    #[must_use]
    pub fn tcp_buffer(self, bytes: usize) -> Self {
        let (send_buffer, receive_buffer) = (bytes, bytes);
        Self { tcp: tcp::Config { send_buffer, receive_buffer, ..self.tcp }, ..self }
    }

    /// Makes the link worse than it is.
    #[must_use]
    pub fn impair(self, impair: spec::Both) -> Self {
        Self { impair, ..self }
    }

    /// The seed of all randomness, to repeat a run.
    #[must_use]
    pub fn seed(self, seed: Option<Seed>) -> Self {
        Self { seed, ..self }
    }

    /// Opens the device. Whoever may do that need not be root for what follows.
    ///
    /// # Errors
    /// The device cannot be opened, or what was chosen does not fit together.
    pub fn open(self) -> Result<OpenServer, ServerError> {
        let gateway = self.choose_gateway()?;
        let mac = self.choose_mac()?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => Seed::from_os().map_err(|e| wrong(format!("the system gives no randomness: {e}")))?,
        };
        let tap = Tap::open(&self.tap, usize::from(self.mtu)).map_err(|e| wrong(e.to_string()))?;
        let device = tap.as_fd().try_clone_to_owned().map_err(|e| wrong(format!("{}: {e}", self.tap)))?;
        log::info!(
            target: "life",
            "taphouse {} on {}: {} at {mac}, port {}",
            env!("CARGO_PKG_VERSION"),
            self.tap,
            self.subnet,
            self.port
        );
        let spec::Both { incoming, outgoing } = self.impair;
        if self.impair != spec::Both::default() {
            log::info!(target: "life", "the link is impaired: in {incoming}, out {outgoing}");
        }
        let config = Config {
            stack: stack::Config {
                link: Properties { medium: Medium::Ethernet { fcs: false }, mtu: usize::from(self.mtu) },
                mac,
                subnet: self.subnet,
                gateway,
                probe: self.probe,
                max_connections: self.max_connections,
                memory: self.tcp_memory,
            },
            port: self.port,
            listen: ListenConfig { tcp: self.tcp, ..ListenConfig::default() },
            http: self.http,
            memory: self.memory,
        };
        let start = Start::now();
        let link = Watched::new(Impair::new(tap, incoming, outgoing, &seed), &self.tap, start.epoch());
        let shard = Shard::new(link, config, self.handler, &seed, start.read().mono);
        Ok(OpenServer { tap: self.tap, seed, shard, device, start, capture: None, control: None })
    }

    /// Opens the device and serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`OpenServer::run`].
    pub fn run(self) -> Result<(), ServerError> {
        self.open()?.run()
    }

    fn choose_gateway(&self) -> Result<Option<Ipv4Addr>, ServerError> {
        let subnet = self.subnet;
        match self.gateway {
            Gateway::None => Ok(None),
            Gateway::At(gateway) if !subnet.contains(gateway) || gateway == subnet.address => {
                Err(wrong(format!("--gateway: {gateway} is not another host of {subnet}")))
            }
            Gateway::At(gateway) => Ok(Some(gateway)),
            Gateway::Usual if subnet.prefix > 30 => Ok(None),
            Gateway::Usual => {
                let network = u32::from(subnet.address) & subnet.mask();
                let first = Ipv4Addr::from(network + 1);
                Ok(Some(if first == subnet.address { Ipv4Addr::from(network + 2) } else { first }))
            }
        }
    }

    fn choose_mac(&self) -> Result<Mac, ServerError> {
        match self.mac {
            None => {
                let name = format!("{} {}", self.tap, self.subnet);
                Ok(Mac::local(SipHasher13::new().hash(name.as_bytes())))
            }
            Some(mac) if mac.is_group() || mac == Mac::ZERO => Err(wrong(format!(
                "--mac: {mac} is no address of a single station; its first byte must be even"
            ))),
            Some(mac) => Ok(mac),
        }
    }
}

/// A server whose device is open.
pub struct OpenServer {
    tap: String,
    seed: Seed,
    shard: Shard<Watched<Impair<Tap>>>,
    device: OwnedFd,
    start: Start,
    capture: Option<(Keep, Scribe)>,
    control: Option<UnixListener>,
}

impl OpenServer {
    /// Writes what passes the link.
    #[must_use]
    pub fn capture(self, capture: Option<(Keep, Scribe)>) -> Self {
        Self { capture, ..self }
    }

    /// Answers those who call at this socket.
    #[must_use]
    pub fn control(self, control: Option<UnixListener>) -> Self {
        Self { control, ..self }
    }

    /// Serves until SIGTERM or SIGINT, then finishes what is in flight, for a bounded time.
    ///
    /// # Errors
    /// The device went away, the address is taken, or an invariant broke.
    pub fn run(self) -> Result<(), ServerError> {
        let Self { tap, seed, mut shard, device, start, capture, control } = self;
        let capture = capture.map(|(keep, scribe)| (shard.link_mut().watch(keep), scribe));
        let mut runner = Runner::new(shard, device, start)
            .map_err(|e| wrong(format!("signals cannot be handled: {e}")))?;
        if let Some((watch, scribe)) = capture {
            runner.capture(watch, scribe);
        }
        if let Some(listener) = control {
            runner.answer_at(listener).map_err(|e| wrong(format!("--control: {e}")))?;
        }
        match catch_unwind(AssertUnwindSafe(|| runner.run())) {
            Ok(Ok(Ended::Stopped)) => Ok(()),
            Ok(Ok(Ended::Failed(end))) => Err(wrong(format!("{tap}: {end}"))),
            Ok(Err(error)) => Err(wrong(format!("{tap}: {error}"))),
            Err(_) => Err(wrong(format!("a broken invariant ended the run; to repeat it: --seed {seed}"))),
        }
    }
}

fn wrong(what: String) -> ServerError {
    ServerError(what)
}

const _: () = assert!(limits::BACKLOG >= 1_000, "1,000 connections can come at once");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Router;

    #[test]
    fn the_usual_gateway_is_the_first_host_of_the_subnet() {
        for (subnet, gateway) in [
            ("192.0.2.2/24", Some(Ipv4Addr::new(192, 0, 2, 1))),
            ("192.0.2.1/24", Some(Ipv4Addr::new(192, 0, 2, 2))),
            ("192.0.2.2/0", Some(Ipv4Addr::new(0, 0, 0, 1))),
            ("192.0.2.2/31", None),
        ] {
            let server = Server::new(Router::new()).address(subnet.parse().unwrap());
            assert_eq!(server.choose_gateway().unwrap(), gateway, "{subnet}");
        }
    }
}
