//! `taphouse serve`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use clap::{Args, ValueEnum};
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};
use taphouse::app::accounts::Blocklist;
use taphouse::app::entropy;
use taphouse::app::service::{Service, Settings};
use taphouse::app::tokens::Algorithm;
use taphouse::app::{self, Choices};
use taphouse::arp::ProbeMode;
use taphouse::http::{Cors, Limits, Origins};
use taphouse::ip::subnet::Subnet;
use taphouse::limits;
use taphouse::link::impair::spec;
use taphouse::link::recorder::Keep;
use taphouse::rand::Seed;
use taphouse::server::{Gateway, Server};
use taphouse::shard::runner::Start;
use taphouse::shard::scribe::Scribe;
use taphouse::tcp;
use taphouse::time::Duration;
use taphouse::wire::ethernet::Mac;
use taphouse::ws::{self, Deflate, Overflow};

use super::data::Directory;
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
    /// delay=20ms, jitter=5ms, rate=100mbit, queue=64kb, mark=1% or mark=32kb (CE on ECN-capable packets, by
    /// chance or above so long a queue); each way, or one way as in.NAME or out.NAME
    #[arg(long, value_name = "LIST", default_value = "")]
    impair: spec::Both,

    /// Congestion control: cubic or reno
    #[arg(long, value_name = "NAME", default_value_t)]
    congestion: tcp::Algorithm,

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

    /// Let pages of this origin read the answers (CORS), as https://example.com; may be repeated; * for all
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,

    /// Compression of WebSockets: shared compresses a message for many once; takeover remembers earlier messages,
    /// which costs some 300 KiB a connection
    #[arg(long, value_name = "HOW", default_value = "shared")]
    ws_compression: Compression,

    /// What becomes of a message for a WebSocket whose peer does not take what was sent: close the connection (1013),
    /// or drop the message
    #[arg(long, value_name = "HOW", default_value = "close")]
    ws_overflow: OnOverflow,

    /// MiB of bodies and messages that all connections together may make it gather; beyond, 503 and 1013
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    memory: u32,

    /// KiB that the buffers of a connection may grow to, either way: as much as the path holds (its rate by its round
    /// trip) twice
    #[arg(long, value_name = "KIB", default_value_t = 4096)]
    #[arg(value_parser = clap::value_parser!(u32).range(4..=1_048_576))]
    tcp_buffer: u32,

    /// MiB that TCP may hold for all connections together, beyond 8 KiB of each. From a half on buffers grow no more,
    /// from 3/4 on they are small and data behind gaps is thrown away, from 7/8 on new connections are refused
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    tcp_memory: u32,

    /// Log a line for each request: its path without the values of its query, no field, no body
    #[arg(long)]
    pub(crate) access_log: bool,

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

    /// Where users and their keys are kept, made if need be; "none" to forget them at the end [default:
    /// $XDG_STATE_HOME/taphouse, for root /var/lib/taphouse]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// How tokens are signed: eddsa or hs256. Those that were signed otherwise before live out their time
    #[arg(long, value_name = "NAME", default_value = "eddsa")]
    token_algorithm: TokenAlgorithm,

    /// How long an access token lives, up to 24h
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_token_life)]
    token_life: u64,

    /// How long somebody stays signed in after his last refresh
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_life)]
    session_life: u64,

    /// Characters that a new password has at least, from 8 on (NIST SP 800-63B-4 wants 15 where there is no second
    /// factor)
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(8..=64))]
    password_length: u16,

    /// Passwords that are refused, a line each, beside the common ones: a list of leaked ones, say
    #[arg(long, value_name = "FILE")]
    password_blocklist: Option<PathBuf>,

    /// Let everybody sit at tables, and see them, without a token
    #[arg(long)]
    open_tables: bool,

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
enum TokenAlgorithm {
    Eddsa,
    Hs256,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compression {
    Off,
    Shared,
    Takeover,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnOverflow {
    Close,
    Drop,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Probe {
    Full,
    Quick,
    Off,
}

/// Runs the server.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let user = options.user.as_deref().map(find_user).transpose()?;
    let directory = Directory::find(options.data.as_deref(), user.as_ref())?;
    let service = Arc::new(open_service(options, directory.as_ref())?);
    let tables = Arc::clone(&service);
    let keep_tables = thread::Builder::new().name("tables".to_owned()).spawn(move || tables.work_on());
    keep_tables.map_err(|error| format!("there is no thread for the tables: {error}"))?;
    let mut router = app::routes(options.choices(&service));
    if let Some(cors) = cors(&options.cors_origin)? {
        router.cors(cors);
    }
    let server = Server::new(router)
        .tap(&*options.tap)
        .address(options.addr)
        .gateway(gateway(options)?)
        .mac(mac(options)?)
        .mtu(options.mtu)
        .port(options.port)
        .probe(options.probe.into())
        .max_connections(options.max_connections as usize)
        .limits(Limits { idle: options.idle_timeout, ..Limits::default() })
        .memory((options.memory as usize) << 20)
        .tcp_buffer((options.tcp_buffer as usize) << 10)
        .tcp_memory((options.tcp_memory as usize) << 20)
        .impair(options.impair)
        .congestion(options.congestion)
        .seed(options.seed)
        .open()
        .map_err(|e| e.to_string())?;
    let capture = options.pcap.as_deref().map(|path| open_capture(path, options.pcap_payload)).transpose()?;
    let (listener, _gone_with_this) = socket::listen(options.control.as_deref(), &options.tap)?.unzip();
    if let Some(directory) = &directory {
        directory.obey_keeper(&service)?;
    }
    if let Some(user) = user {
        become_user(&user)?;
    }
    server.capture(capture).control(listener).run().map_err(|e| e.to_string())
}

fn open_service(options: &Options, directory: Option<&Directory>) -> Result<Service, String> {
    let settings = options.settings()?;
    match directory {
        Some(directory) => directory.open(settings),
        None => Service::in_memory(settings, entropy::system(), Start::now().read().wall),
    }
}

impl Options {
    fn settings(&self) -> Result<Settings, String> {
        let blocklist = match &self.password_blocklist {
            None => Blocklist::default(),
            Some(path) => {
                let lines = fs::read_to_string(path);
                let wrong = |error| format!("--password-blocklist: {}: {error}", path.display());
                Blocklist::with(&lines.map_err(wrong)?)
            }
        };
        Ok(Settings {
            algorithm: Some(match self.token_algorithm {
                TokenAlgorithm::Eddsa => Algorithm::EdDSA,
                TokenAlgorithm::Hs256 => Algorithm::HS256,
            }),
            token_life: self.token_life,
            session_life: self.session_life,
            password_chars: self.password_length.into(),
            blocklist,
            open_tables: self.open_tables,
            socket: self.socket(),
            // A page of anywhere may read what is public; it may act for nobody.
            origins: Origins::Listed(
                self.cors_origin.iter().filter(|origin| *origin != "*").cloned().collect(),
            ),
        })
    }

    fn choices(&self, service: &Arc<Service>) -> Choices {
        Choices { socket: self.socket(), service: Some(Arc::clone(service)) }
    }

    fn socket(&self) -> ws::Config {
        let deflate = match self.ws_compression {
            Compression::Off => None,
            Compression::Shared => Some(Deflate::default()),
            Compression::Takeover => {
                Some(Deflate { server_takeover: true, client_takeover: true, ..Deflate::default() })
            }
        };
        let overflow = match self.ws_overflow {
            OnOverflow::Close => Overflow::Close,
            OnOverflow::Drop => Overflow::Drop,
        };
        ws::Config { deflate, overflow, ..ws::Config::default() }
    }
}

fn cors(origins: &[String]) -> Result<Option<Cors>, String> {
    match origins {
        [] => Ok(None),
        [any] if any == "*" => Ok(Some(Cors::any())),
        list => match list.iter().find(|origin| !is_origin(origin)) {
            Some(wrong) => Err(format!(
                "--cors-origin: {wrong:?} is no origin such as https://example.com, and no * alone"
            )),
            None => Ok(Some(Cors::listed(list))),
        },
    }
}

/// As browsers write it: a scheme and a host, in small letters, with a port unless it is the scheme's own.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b);
    !host.is_empty() && host.bytes().all(is_plain)
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

fn gateway(options: &Options) -> Result<Gateway, String> {
    match options.gateway.as_deref() {
        None => Ok(Gateway::Usual),
        Some("none") => Ok(Gateway::None),
        Some(text) => {
            let wrong = |_| format!("--gateway: {text:?} is no IPv4 address such as 192.0.2.1");
            text.parse().map(Gateway::At).map_err(wrong)
        }
    }
}

fn mac(options: &Options) -> Result<Option<Mac>, String> {
    match &*options.mac {
        "auto" => Ok(None),
        mac => mac.parse().map(Some).map_err(|e| format!("--mac: {e}")),
    }
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
    let millis = parse_millis(text)?;
    if (100..=24 * 3_600_000).contains(&millis) {
        Ok(Duration::from_millis(millis))
    } else {
        Err(format!("{text} is out of range; it goes from 100ms to 24h"))
    }
}

/// How long somebody is let in, in seconds.
fn parse_life(text: &str) -> Result<u64, String> {
    match parse_millis(text)? / 1000 {
        0 => Err(format!("{text} is too short; it goes from 1s on")),
        seconds => Ok(seconds),
    }
}

fn parse_token_life(text: &str) -> Result<u64, String> {
    let life = parse_life(text)?;
    if life <= limits::TOKEN_LIFE_MAX {
        Ok(life)
    } else {
        Err(format!("{text} is too long; it goes up to 24h"))
    }
}

fn parse_millis(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time; write 75s, 500ms, 10m, 12h or 30d");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    let unit = match &text[at..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
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
