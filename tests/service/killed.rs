//! The store, killed at random points: what was acknowledged is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use taphouse::app::accounts::admin::Command as Admin;
use taphouse::app::accounts::{Change, Moment, PasswordHash, Role, User, UserId, Users as _};
use taphouse::app::entropy;
use taphouse::app::service::{Service, Settings};
use taphouse::app::store::Store;
use taphouse::rand::{Purpose, Seed};

const DIRECTORY: &str = "TAPHOUSE_KILLED_STORE";
/// Users that are changed again and again, so that the file stays small.
const USERS: u64 = 20;

/// What the other process does: changes users, and says each time what is kept by now.
#[test]
fn changes_without_end() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let store = Store::open(Path::new(&directory)).unwrap();
    let mut out = std::io::stdout().lock();
    for count in 0_u64.. {
        let id = UserId(1 + count % USERS);
        let change = |user: &mut User| {
            user.created += 1;
            Change::Made
        };
        let kept = match store.update(id, Moment { now: 0, until: 0 }, &mut { change }) {
            Ok((user, _)) => user,
            Err(_) => store.insert(somebody(count)).unwrap(),
        };
        writeln!(out, "\nkept {} {}", kept.id, kept.created).unwrap();
    }
}

fn somebody(count: u64) -> User {
    User {
        id: UserId(0),
        email: format!("user{count}@example.com"),
        nickname: "somebody".to_owned(),
        role: Role::Member,
        password: PasswordHash::default(),
        is_disabled: false,
        created: 0,
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::changes_without_end", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let directory = std::env::temp_dir().join(format!("taphouse-killed-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut rng = Seed::from_u64(5).stream(Purpose::Jitter);
    let mut known = vec![None; USERS as usize];
    let mut kept = 0;
    for round in 0..1000 {
        let mut child = start(&directory);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = lines.map_while(Result::ok).filter_map(|line| {
            let mut words = line.strip_prefix("kept ")?.split(' ').map(|word| word.parse::<u64>().ok());
            Some((words.next()??, words.next()??))
        });
        // One is waited for, in most rounds; then it runs for a while, and what it said before its end is read.
        let mut seen: Vec<(u64, u64)> = Vec::new();
        if round % 10 != 0 {
            seen.extend(acknowledged.next());
        }
        std::thread::sleep(Duration::from_micros(rng.below(6_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        seen.extend(acknowledged);
        kept += seen.len();
        for (id, count) in seen {
            known[id as usize - 1] = Some(count);
        }
        let store = Store::open(&directory).unwrap();
        for (at, count) in known.iter_mut().enumerate() {
            let found = store.by_id(UserId(at as u64 + 1)).unwrap().map(|user| user.created);
            let next = count.map_or(0, |count| count + 1);
            assert!(found == *count || found == Some(next), "round {round}: {found:?} instead of {count:?}");
            *count = found;
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(kept > 1000, "{kept}");
}

#[test]
fn a_house_begins_again_with_what_it_knew() {
    let directory = std::env::temp_dir().join(format!("taphouse-again-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let open = |now| Service::open(&directory, Settings::default(), entropy::system(), now).unwrap();
    let add = Admin::Add {
        email: "ada@example.com".to_owned(),
        nickname: "Ada".to_owned(),
        role: Role::Admin,
        password: crate::house::PASSWORD.to_owned(),
    };
    open(1000).administrate(1000, add).unwrap();
    let listed = open(2000).administrate(2000, Admin::List).unwrap();
    assert!(listed.contains("ada@example.com"), "{listed}");
    std::fs::remove_dir_all(&directory).unwrap();
}
