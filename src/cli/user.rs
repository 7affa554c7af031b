//! `taphouse user`: who may sign in, and as what.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use taphouse::app::accounts::Role;
use taphouse::app::accounts::admin::Command as Admin;

use super::data::Directory;

/// Makes users, and keeps them: also while a house is running on the same data.
///
/// Passwords are asked for, or read as one line from standard input; never from the command line, which others can see.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Where the data is [default: what TAPHOUSE_DATA says, $XDG_STATE_HOME/taphouse, or for root /var/lib/taphouse]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a user
    Add {
        /// The e-mail address to sign in with
        email: String,
        /// What others see [default: what stands before the @]
        #[arg(long)]
        nickname: Option<String>,
        /// member, moderator or admin
        #[arg(long, default_value = "member")]
        role: Role,
    },
    /// Show all users
    List,
    /// Let a user sign in no more, and sign him out everywhere
    Disable {
        /// An e-mail address, or an id
        user: String,
    },
    /// Let a user sign in again
    Enable {
        /// An e-mail address, or an id
        user: String,
    },
    /// Give a user a new password, and sign him out everywhere
    Reset {
        /// An e-mail address, or an id
        user: String,
    },
    /// Make a user a member, a moderator or an admin
    Role {
        /// An e-mail address, or an id
        user: String,
        /// member, moderator or admin
        role: Role,
    },
    /// Sign tokens with a new key from now on; those of the old one live out their time
    RotateKey {
        /// The old keys may be in wrong hands: nothing that they signed is good any more, and all must sign in again
        #[arg(long)]
        forget: bool,
    },
}

const EXAMPLES: &str = "\
The first admin:
  taphouse user add ada@example.com --nickname Ada --role admin

From a script:
  head -c 18 /dev/urandom | base64 | tee password.txt | taphouse user add ada@example.com --role admin";

pub(crate) fn run(options: Options) -> Result<(), String> {
    let told = options.data.or_else(|| std::env::var_os("TAPHOUSE_DATA").map(PathBuf::from));
    let directory = Directory::find(told.as_deref(), None)?;
    let directory = directory.ok_or("--data: without data there are no users")?;
    let command = match options.command {
        Command::Add { email, nickname, role } => {
            let before_at = || email.split('@').next().unwrap_or_default().to_owned();
            let nickname = nickname.unwrap_or_else(before_at);
            Admin::Add { nickname, email, role, password: read_password()? }
        }
        Command::List => Admin::List,
        Command::Disable { user } => Admin::Disable(user),
        Command::Enable { user } => Admin::Enable(user),
        Command::Reset { user } => Admin::Reset { user, password: read_password()? },
        Command::Role { user, role } => Admin::Role { user, role },
        Command::RotateKey { forget } => Admin::Rotate { forget },
    };
    let said = directory.administrate(command)?;
    let mut out = io::stdout().lock();
    // Whoever reads it may have enough of it.
    let _ = out.write_all(said.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

/// Two times from a terminal, without showing it, or one line of what is not one.
fn read_password() -> Result<String, String> {
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let first = ask("Password: ")?;
    if ask("Once more: ")? != first {
        return Err("the two are not the same; nothing was changed".to_owned());
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<String, String> {
    let wrong = |error: nix::errno::Errno| format!("the password cannot be read: {error}");
    // It is a terminal that waits, and nothing to be logged.
    let mut terminal = io::stderr();
    let _ = write!(terminal, "{prompt}");
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).map_err(wrong)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSANOW, &silent).map_err(wrong)?;
    let line = read_line();
    tcsetattr(&stdin, SetArg::TCSANOW, &before).map_err(wrong)?;
    let _ = writeln!(terminal);
    line
}

fn read_line() -> Result<String, String> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| format!("the password cannot be read: {error}"))?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err("there is no password on standard input".to_owned());
    }
    Ok(password.to_owned())
}
