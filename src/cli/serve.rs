//! `taphouse serve`.

use std::fs::{File, Permissions};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};
use siphasher::sip::SipHasher13;
use taphouse::app::{self, Choices};
use taphouse::arp::ProbeMode;
use taphouse::frame::{Medium, Properties};
use taphouse::http::Limits;
use taphouse::ip::subnet::Subnet;
use taphouse::limits;
use taphouse::link::impair::{Impair, spec};
use taphouse::link::recorder::Keep;
use taphouse::link::tap::Tap;
use taphouse::link::watch::Watched;
use taphouse::rand::Seed;
use taphouse::shard::runner::{Ended, Runner, Start};
use taphouse::shard::scribe::Scribe;
use taphouse::shard::{Config, Shard};
use taphouse::stack::{self, ListenConfig};
use taphouse::time::Duration;
use taphouse::wire::ethernet::Mac;

use super::socket;

/// Serves until SIGTERM or SIGINT, then finishes what is in flight, for at most 10 seconds.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The TAP device, which must exist. To make one:
    /// ip tuntap add dev tap0 mode tap user $USER && ip link set tap0 up
    #[arg(long, value_name = "NAME", default_value = "tap0")]
    tap: String,

    /// Our address with the length of its network prefix; not the address of the kernel's side
    #[arg(long, value_name = "ADDR/LEN", default_value = "192.0.2.2/24")]
    addr: Subnet,

    /// Who forwards to addresses off the subnet; "none" to reach the subnet alone [default: the first address
    /// of the subnet, or the second if that is ours]
    #[arg(long, value_name = "ADDR")]
    gateway: Option<String>,

    /// Our hardware address; "auto" makes one from the address, the same each time
    #[arg(long, value_name = "MAC", default_value = "auto")]
    mac: String,

    /// Bytes of the largest IP packet; the same as the device's
    #[arg(long, value_name = "BYTES", default_value_t = 1500)]
    #[arg(value_parser = clap::value_parser!(u16).range(576..=9000))]
    mtu: u16,

    /// The port of HTTP
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Queues of the device; this version serves one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1))]
    queues: u16,

    /// Large segments and checksums by the kernel; this version does without them, whichever is asked for
    #[arg(long, default_value = "auto")]
    offload: Offload,

    /// Make the link worse than it is: loss=1%, burst=3, duplicate=1%, reorder=5%, corrupt=0.1%, truncate=0.1%,
    /// delay=20ms, jitter=5ms, rate=100mbit, queue=64kb; each way, or one way as in.NAME or out.NAME
    #[arg(long, value_name = "LIST", default_value = "")]
    impair: spec::Both,

    /// The seed of all randomness, to repeat a run: up to 64 hexadecimal digits [default: from the system]
    #[arg(long, value_name = "HEX")]
    seed: Option<Seed>,

    /// Connections at once; more are not answered
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    max_connections: u32,

    /// How long a connection may be idle between requests, as 75s, 500ms or 10m
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = parse_duration)]
    idle_timeout: Duration,

    /// How carefully to ask whether the address is free (RFC 5227): full takes 4 to 7 s, quick 300 ms
    #[arg(long, default_value = "quick")]
    probe: Probe,

    /// Write the frames that pass to this file, for Wireshark or taphouse explain; - is standard output. Cut after
    /// the TCP header: no body reaches the file
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,

    /// Write whole frames, with bodies and credentials
    #[arg(long, requires = "pcap")]
    pcap_payload: bool,

    /// Where taphouse ctl finds this house; "none" for nowhere [default: the TAP's name and .sock, in
    /// $XDG_RUNTIME_DIR/taphouse, for root /run/taphouse]
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// Give up root for this user once the device is open
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Offload {
    Auto,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Probe {
    Full,
    Quick,
    Off,
}

/// Runs the server.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let gateway = gateway(options)?;
    let mac = mac(options)?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => Seed::from_os().map_err(|e| format!("the system gives no randomness: {e}"))?,
    };
    let user = options.user.as_deref().map(find_user).transpose()?;
    let tap = Tap::open(&options.tap, usize::from(options.mtu)).map_err(|e| e.to_string())?;
    let device = tap.as_fd().try_clone_to_owned().map_err(|e| format!("{}: {e}", options.tap))?;
    let capture = options.pcap.as_deref().map(|path| open_capture(path, options.pcap_payload)).transpose()?;
    let socket = socket::listen(options.control.as_deref(), &options.tap)?;
    if let Some(user) = user {
        become_user(&user)?;
    }
    let config = Config {
        stack: stack::Config {
            link: Properties { medium: Medium::Ethernet { fcs: false }, mtu: usize::from(options.mtu) },
            mac,
            subnet: options.addr,
            gateway,
            probe: options.probe.into(),
            max_connections: options.max_connections as usize,
        },
        port: options.port,
        listen: ListenConfig::default(),
        http: Limits { idle: options.idle_timeout, ..Limits::default() },
    };
    log::info!(
        target: "life",
        "taphouse {} on {}: {} at {mac}, port {}",
        env!("CARGO_PKG_VERSION"),
        options.tap,
        options.addr,
        options.port
    );
    let spec::Both { incoming, outgoing } = options.impair;
    if options.impair != spec::Both::default() {
        log::info!(target: "life", "the link is impaired: in {incoming}, out {outgoing}");
    }
    let start = Start::now();
    let link = Watched::new(Impair::new(tap, incoming, outgoing, &seed), &options.tap, start.epoch());
    let mut shard =
        Shard::new(link, config, Box::new(app::routes(Choices::default())), &seed, start.read().mono);
    let watch = capture.map(|(keep, scribe)| (shard.link_mut().watch(keep), scribe));
    let mut runner =
        Runner::new(shard, device, start).map_err(|e| format!("signals cannot be handled: {e}"))?;
    if let Some((watch, scribe)) = watch {
        runner.capture(watch, scribe);
    }
    // Gone with its guard when this returns.
    let _socket = match socket {
        Some((listener, guard)) => {
            runner.answer_at(listener).map_err(|e| format!("--control: {e}"))?;
            Some(guard)
        }
        None => None,
    };
    match catch_unwind(AssertUnwindSafe(|| runner.run())) {
        Ok(Ok(Ended::Stopped)) => Ok(()),
        Ok(Ok(Ended::Failed(end))) => Err(format!("{}: {end}", options.tap)),
        Ok(Err(error)) => Err(format!("{}: {error}", options.tap)),
        Err(_) => Err(format!("a broken invariant ended the run; to repeat it: --seed {seed}")),
    }
}

/// Opens the file of a capture, and starts the thread that writes it.
fn open_capture(path: &Path, payload: bool) -> Result<(Keep, Scribe), String> {
    let wrong = |error: io::Error| format!("--pcap: {}: {error}", path.display());
    let keep = if payload { Keep::All } else { Keep::Headers };
    if path.as_os_str() == "-" {
        return Ok((keep, Scribe::new(io::stdout(), "standard output").map_err(wrong)?));
    }
    // With bodies in it or not, it is nobody else's business.
    let file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(wrong)?;
    // A file that was there keeps its mode otherwise; a device is not ours to change.
    if file.metadata().map_err(wrong)?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(wrong)?;
    }
    Ok((keep, Scribe::new(file, &path.display().to_string()).map_err(wrong)?))
}

/// The usual gateway of a subnet, unless one is named.
fn gateway(options: &Options) -> Result<Option<Ipv4Addr>, String> {
    let subnet = options.addr;
    match options.gateway.as_deref() {
        Some("none") => Ok(None),
        Some(text) => {
            let gateway: Ipv4Addr = text
                .parse()
                .map_err(|_| format!("--gateway: {text:?} is no IPv4 address such as 192.0.2.1"))?;
            if !subnet.contains(gateway) || gateway == subnet.address {
                return Err(format!("--gateway: {gateway} is not another host of {subnet}"));
            }
            Ok(Some(gateway))
        }
        None if subnet.prefix > 30 => Ok(None),
        None => {
            let network = u32::from(subnet.address) & (u32::MAX << (32 - u32::from(subnet.prefix)));
            let first = Ipv4Addr::from(network + 1);
            Ok(Some(if first == subnet.address { Ipv4Addr::from(network + 2) } else { first }))
        }
    }
}

fn mac(options: &Options) -> Result<Mac, String> {
    if options.mac == "auto" {
        let name = format!("{} {}", options.tap, options.addr);
        return Ok(Mac::local(SipHasher13::new().hash(name.as_bytes())));
    }
    let mac: Mac = options.mac.parse().map_err(|e| format!("--mac: {e}"))?;
    if mac.is_group() || mac == Mac::ZERO {
        return Err(format!("--mac: {mac} is no address of a single station; its first byte must be even"));
    }
    Ok(mac)
}

fn find_user(name: &str) -> Result<User, String> {
    if !Uid::effective().is_root() {
        return Err("--user: only root can become another user; leave it out".to_owned());
    }
    match User::from_name(name) {
        Ok(Some(user)) if user.uid.is_root() => Err("--user: root is what is to be given up".to_owned()),
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(format!("--user: there is no user {name:?}; nobody is one")),
        Err(error) => Err(format!("--user: {name:?} cannot be looked up: {error}")),
    }
}

fn become_user(user: &User) -> Result<(), String> {
    let name = std::ffi::CString::new(user.name.as_str()).map_err(|e| e.to_string())?;
    let gid: Gid = user.gid;
    initgroups(&name, gid)
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(user.uid))
        .map_err(|error| format!("--user: cannot become {}: {error}", user.name))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 75s, 500ms or 10m");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    let unit = match &text[at..] {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => return Err(wrong()),
    };
    let duration = unit * number;
    if (Duration::from_millis(100)..=Duration::from_secs(24 * 3600)).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("{text} is out of range; it goes from 100ms to 1440m"))
    }
}

impl From<Probe> for ProbeMode {
    fn from(probe: Probe) -> Self {
        match probe {
            Probe::Full => Self::Full,
            Probe::Quick => Self::Quick,
            Probe::Off => Self::Off,
        }
    }
}

const _: () = assert!(limits::BACKLOG >= 1_000, "1,000 connections can come at once");
