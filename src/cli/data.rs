//! Where the house keeps its data, and how the keeper reaches a house that has it open.

use std::fmt::Display;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::unistd::{Gid, Uid, User, chown, setegid, seteuid};
use serde::{Deserialize, Serialize};
use taphouse::app::accounts::admin::Command;
use taphouse::app::entropy;
use taphouse::app::service::{Service, Settings};
use taphouse::shard::runner::Start;

/// Bytes of a command or an answer.
const LINE: u64 = 64 << 20;
/// How long somebody may take to say his command.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the data is, unless it was told otherwise.
fn default_directory() -> Result<PathBuf, String> {
    let set = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(state), _) => Ok(state.join("taphouse")),
        (None, _) if Uid::effective().is_root() => Ok(PathBuf::from("/var/lib/taphouse")),
        (None, Some(home)) => Ok(home.join(".local/state/taphouse")),
        (None, None) => Err("there is no HOME to keep the data in; choose a directory by --data".to_owned()),
    }
}

/// A directory for data, which is there.
pub(crate) struct Directory {
    path: PathBuf,
    /// Who works on it, if that is not who has started the program.
    owner: Option<User>,
}

impl Directory {
    /// The directory that was chosen, or the default one, made if need be. `None` for "none".
    pub(crate) fn find(chosen: Option<&Path>, owner: Option<&User>) -> Result<Option<Self>, String> {
        let path = match chosen {
            Some(path) if path.as_os_str() == "none" => return Ok(None),
            Some(path) => path.to_owned(),
            None => default_directory()?,
        };
        let wrong = |what: &dyn Display| format!("--data: {}: {what}", path.display());
        let above = path.parent().map_or(Ok(()), fs::create_dir_all);
        match above.and_then(|()| DirBuilder::new().mode(0o700).create(&path)) {
            Ok(()) => {
                // It was made just now, so it is no link.
                let owner = owner.map(|owner| (owner.uid, owner.gid)).unzip();
                chown(&path, owner.0, owner.1).map_err(|error| wrong(&error))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(wrong(&format_args!(
                    "it cannot be made: {error}; choose a directory that you may write to"
                )));
            }
        }
        let metadata = fs::metadata(&path).map_err(|error| wrong(&error))?;
        let own = [0, Uid::effective().as_raw(), owner.map_or(0, |owner| owner.uid.as_raw())];
        if !own.contains(&metadata.uid()) {
            return Err(wrong(&"it belongs to another user, who could change what is in it"));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(wrong(&"others can write there; chmod go-w it if all that is in it is yours"));
        }
        Ok(Some(Self { path, owner: owner.cloned() }))
    }

    /// The service whose data is here.
    pub(crate) fn open(&self, settings: Settings) -> Result<Service, String> {
        self.as_owner(|| {
            let wrong = |error: io::Error| format!("--data: {}: {error}", self.path.display());
            // What the store makes would be everybody's to read.
            let file = self.path.join("taphouse.redb");
            match File::options().write(true).create_new(true).mode(0o600).open(&file) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(wrong(error)),
            }
            let now = Start::now().read().wall;
            let opened = Service::open(&self.path, settings, entropy::system(), now);
            opened.map_err(|error| format!("--data: {error}"))
        })
    }

    /// Does something with no more rights than the owner has: what stands in his directory is his word, and may be a
    /// link to what is not his.
    fn as_owner<T>(&self, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let Some(owner) = &self.owner else { return work() };
        let wrong = |error: nix::errno::Errno| format!("--user: cannot act as {}: {error}", owner.name);
        let group = Gid::effective();
        setegid(owner.gid).and_then(|()| seteuid(owner.uid)).map_err(wrong)?;
        let result = work();
        seteuid(Uid::from_raw(0)).and_then(|()| setegid(group)).map_err(wrong)?;
        result
    }

    fn socket(&self) -> PathBuf {
        self.path.join("admin.sock")
    }

    /// Does what the keeper says, on a thread of its own, as long as the program runs.
    pub(crate) fn obey_keeper(&self, service: &Arc<Service>) -> Result<(), String> {
        let path = self.socket();
        let wrong = |error: io::Error| format!("--data: {}: {error}", path.display());
        let listener = self.as_owner(|| {
            // The store is ours, so a socket that is there is of a house that is gone.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(wrong(error)),
                _ => {}
            }
            let listener = UnixListener::bind(&path).map_err(wrong)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(wrong)?;
            Ok(listener)
        })?;
        let service = Arc::clone(service);
        let obey = move || {
            for stream in listener.incoming().flatten() {
                if let Err(error) = answer(&service, &stream) {
                    log::warn!("the keeper was not answered: {error}");
                }
            }
        };
        thread::Builder::new().name("keeper".to_owned()).spawn(obey).map_err(wrong)?;
        Ok(())
    }

    /// Has a command done: by the house that has the data open, or here.
    pub(crate) fn administrate(&self, command: Command) -> Result<String, String> {
        match UnixStream::connect(self.socket()) {
            Ok(stream) => match ask(&stream, &command) {
                Ok(Answer::Done(said)) => Ok(said),
                Ok(Answer::Refused(why)) => Err(why),
                Err(error) => Err(format!("the house that is running has not answered: {error}")),
            },
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                let service = self.open(Settings { algorithm: None, ..Settings::default() })?;
                service.administrate(Start::now().read().wall, command)
            }
            Err(error) => Err(format!("{}: {error}", self.socket().display())),
        }
    }
}

/// What came of a command.
#[derive(Serialize, Deserialize)]
enum Answer {
    Done(String),
    Refused(String),
}

fn answer(service: &Service, stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE)).read_line(&mut line)?;
    // What it says is not repeated: there may be a password in it.
    let answer = match serde_json::from_str(&line) {
        Ok(command) => match service.administrate(Start::now().read().wall, command) {
            Ok(said) => Answer::Done(said),
            Err(why) => Answer::Refused(why),
        },
        Err(_) => Answer::Refused(
            "the house that is running does not know this command; is it of another version?".to_owned(),
        ),
    };
    write_line(stream, &answer)
}

fn ask(stream: &UnixStream, command: &Command) -> io::Result<Answer> {
    write_line(stream, command)?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE)).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn write_line(mut stream: &UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}
