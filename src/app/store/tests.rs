use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::schema::migrate_to;
use super::*;
use crate::app::accounts::{
    Change, Moment, PasswordHash, Renewal, Role, Session, SessionId, Sessions, User, UserId, Users,
};
use crate::app::tables::{Addition, ClientId, Kept, Record, Summary, TableId, Tables};
use crate::limits;
use crate::rand::{Purpose, Rng, Seed};

const AT: Moment = Moment { now: 1000, until: 2000 };

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("taphouse-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("taphouse.redb")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn user(email: &str) -> User {
    User {
        id: UserId(0),
        email: email.to_owned(),
        nickname: "somebody".to_owned(),
        role: Role::Member,
        password: PasswordHash::default(),
        is_disabled: false,
        created: 1000,
    }
}

fn session(user: UserId, expires: u64) -> Session {
    Session { user, generation: 0, expires }
}

#[test]
fn users_are_found_by_id_and_address() {
    let store = Store::in_memory();
    let ada = store.insert(user("Ada@Example.com")).unwrap();
    assert_eq!(ada.id, UserId(1));
    assert!(matches!(store.insert(user("ada@example.COM")), Err(StoreError::Taken)));
    assert_eq!(store.by_email("aDa@example.com").unwrap(), Some(ada.clone()));
    assert_eq!(store.by_id(ada.id).unwrap(), Some(ada.clone()));
    let bob = store.insert(user("bob@example.com")).unwrap();
    assert_eq!(bob.id, UserId(2), "the one that was refused took no id");

    let rename = |to: &str, id| {
        store.update(id, AT, &mut |user| {
            user.email = to.to_owned();
            Change::Made
        })
    };
    assert!(matches!(rename("ADA@example.com", bob.id), Err(StoreError::Taken)));
    assert_eq!(
        rename("ada@Example.com", ada.id).unwrap().0.email,
        "ada@Example.com",
        "his own, written otherwise"
    );
    rename("lady@example.com", ada.id).unwrap();
    assert_eq!(store.by_email("ada@example.com").unwrap(), None);
    assert_eq!(store.by_email("lady@example.com").unwrap().map(|user| user.id), Some(ada.id));
    assert!(matches!(rename("x@y", UserId(9)), Err(StoreError::Unknown)));

    assert_eq!(Users::list(&store, UserId(0), 1).unwrap()[0].id, ada.id);
    assert_eq!(Users::list(&store, ada.id, 10).unwrap(), std::slice::from_ref(&bob));
    store.remove(ada.id, AT).unwrap();
    assert!(matches!(store.remove(ada.id, AT), Err(StoreError::Unknown)));
    assert_eq!(store.insert(user("lady@example.com")).unwrap().id, UserId(3), "an id is never used again");
}

#[test]
fn sessions_are_renewed_once_for_each_token() {
    let store = Store::in_memory();
    let ada = store.insert(user("ada@example.com")).unwrap();
    let id = SessionId(7);
    store.begin(id, session(ada.id, 5000), &ada.password, AT).unwrap();
    let renewed = session(ada.id, 6000);
    let renewed = Session { generation: 1, ..renewed };
    assert_eq!(store.renew(id, 0, 6000, AT).unwrap(), Renewal::Renewed(renewed));
    assert_eq!(store.renew(id, 0, 6000, AT).unwrap(), Renewal::Reused);
    assert_eq!(store.renew(id, 1, 6000, AT).unwrap(), Renewal::Over, "that ended it for the other one too");
    assert_eq!(store.ended(1000).unwrap(), [(id, 2000)]);
    assert_eq!(store.ended(2001).unwrap(), []);

    store.begin(id, session(ada.id, 5000), &ada.password, AT).unwrap();
    assert_eq!(store.renew(id, 0, 9000, Moment { now: 5000, until: 5900 }).unwrap(), Renewal::Expired);
    assert_eq!(store.renew(id, 0, 9000, Moment { now: 5000, until: 5900 }).unwrap(), Renewal::Over);
    assert_eq!(store.ended(0).unwrap(), [(id, 5900)], "what was ended long ago is forgotten");
}

#[test]
fn sessions_end_with_what_they_rest_upon() {
    let store = Store::in_memory();
    let ada = store.insert(user("ada@example.com")).unwrap();
    let bob = store.insert(user("bob@example.com")).unwrap();
    let begin =
        |id, user: &User| store.begin(SessionId(id), session(user.id, 5000 + id as u64), &user.password, AT);
    begin(1, &ada).unwrap();
    begin(2, &ada).unwrap();
    begin(3, &bob).unwrap();
    let set = |change: Change| {
        let changed = store.update(ada.id, AT, &mut |user| {
            user.password.clone_from(&PasswordHash::default());
            user.nickname.push('!');
            change
        });
        changed.unwrap().1
    };
    assert_eq!(set(Change::Made), []);
    assert_eq!(set(Change::EndsSessions), [SessionId(1), SessionId(2)]);
    assert_eq!(store.renew(SessionId(1), 0, 9000, AT).unwrap(), Renewal::Over);
    assert!(matches!(store.renew(SessionId(3), 0, 9000, AT).unwrap(), Renewal::Renewed(_)));
    assert_eq!(store.end_all(bob.id, AT).unwrap(), [SessionId(3)]);

    let disabled = store.update(ada.id, AT, &mut |user| {
        user.is_disabled = true;
        Change::EndsSessions
    });
    assert!(disabled.is_ok() && matches!(begin(4, &ada), Err(StoreError::Unknown)));
    begin(5, &bob).unwrap();
    assert_eq!(store.remove(bob.id, AT).unwrap(), [SessionId(5)]);
    assert!(matches!(begin(6, &bob), Err(StoreError::Unknown)), "compared before, begun after");
}

#[test]
fn a_user_has_so_many_sessions() {
    let store = Store::in_memory();
    let ada = store.insert(user("ada@example.com")).unwrap();
    for n in 0..limits::SESSIONS_OF_ONE as u64 + 3 {
        // The first ends last.
        let ended = store.begin(SessionId(n.into()), session(ada.id, 9000 - n), &ada.password, AT).unwrap();
        let expected: Vec<_> =
            (n >= limits::SESSIONS_OF_ONE as u64).then(|| SessionId((n - 1).into())).into_iter().collect();
        assert_eq!(ended, expected, "{n}");
    }
    assert_eq!(store.end_all(ada.id, AT).unwrap().len(), limits::SESSIONS_OF_ONE);
}

#[test]
fn a_store_is_opened_once() {
    let directory = Directory::new("once");
    let store = Store::open(&directory.0).unwrap();
    let error = Store::open(&directory.0).err().unwrap();
    assert!(error.contains("taphouse.redb: another taphouse has it open"), "{error}");
    let ada = store.insert(user("ada@example.com")).unwrap();
    drop(store);
    assert_eq!(Store::open(&directory.0).unwrap().by_id(ada.id).unwrap(), Some(ada));
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let directory = Directory::new("newer");
    let store = Store::open(&directory.0).unwrap();
    store
        .write(|t| Ok(Ok(t.open_table(super::schema::META)?.insert(super::schema::SCHEMA, 99)?.is_some())))
        .unwrap();
    drop(store);
    let error = Store::open(&directory.0).err().unwrap();
    assert!(error.contains("a newer taphouse (version 99"), "{error}");
}

#[test]
fn a_file_of_an_older_version_is_brought_up_to_date() {
    for version in 0..=2 {
        let db = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let store = Store { db: RwLock::new(Some(db)), path: None };
        migrate_to(&store, version).unwrap();
        let ada = (version > 0).then(|| store.insert(user("ada@example.com")).unwrap());
        super::schema::migrate(&store).unwrap();
        super::schema::migrate(&store).unwrap();
        assert_eq!(store.by_email("ada@example.com").unwrap(), ada);
        assert!(store.insert(user("bob@example.com")).is_ok());
    }
}

/// What a disk may do to a file is told in one line, or does not matter: it is never a panic.
#[test]
fn a_damaged_file_is_a_clear_error() {
    let directory = Directory::new("damaged");
    let store = Store::open(&directory.0).unwrap();
    for n in 0..50 {
        store.insert(user(&format!("user{n}@example.com"))).unwrap();
    }
    drop(store);
    let whole = std::fs::read(directory.file()).unwrap();
    let mut rng = Seed::from_u64(3).stream(Purpose::Jitter);
    let mut refused = 0;
    for round in 0..120 {
        let mut bytes = whole.clone();
        match round % 4 {
            0 => bytes.truncate(rng.below(whole.len() as u64) as usize),
            1 => bytes.iter_mut().take(4096).for_each(|byte| *byte = rng.u64() as u8),
            _ => {
                for _ in 0..=round {
                    let at = rng.below(whole.len() as u64) as usize;
                    bytes[at] ^= 1 << rng.below(8);
                }
            }
        }
        std::fs::write(directory.file(), &bytes).unwrap();
        match Store::open(&directory.0) {
            Err(error) => {
                refused += 1;
                let is_clear =
                    error.contains("is damaged") && error.contains("put back a copy") || bytes.is_empty();
                assert!(is_clear, "round {round}: {error}");
            }
            // What was hit was of no use, or could be repaired: then nobody is missing.
            Ok(store) if !bytes.is_empty() => {
                assert_eq!(Users::list(&store, UserId(0), 100).unwrap().len(), 50, "round {round}")
            }
            Ok(_) => {}
        }
    }
    assert!(refused > 40, "{refused}");
    std::fs::write(directory.file(), "this is a text, and no store").unwrap();
    assert!(Store::open(&directory.0).err().unwrap().contains("is damaged, or none of taphouse's"));
    assert_eq!(
        std::fs::read(directory.file()).unwrap(),
        b"this is a text, and no store",
        "it is left as it was"
    );
}

/// A disk that is cut off from its power at some write: of what was written since it last said that all is safe, some
/// has reached it, in any order, and one write in part.
#[derive(Clone, Debug)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    safe: Vec<u8>,
    /// Writes, and lengths, since then.
    since: Vec<(u64, Result<Vec<u8>, u64>)>,
    now: Vec<u8>,
    /// Calls until the power goes.
    left: u64,
}

impl Disk {
    fn new(content: Vec<u8>, left: u64) -> Self {
        Self(Arc::new(Mutex::new(Platter { safe: content.clone(), since: Vec::new(), now: content, left })))
    }

    /// What is there when the power comes back.
    fn after_crash(&self, rng: &mut Rng) -> Vec<u8> {
        let platter = self.0.lock().unwrap();
        let mut content = platter.safe.clone();
        for (at, change) in &platter.since {
            if rng.chance(0.5) {
                continue;
            }
            match change {
                Ok(data) => {
                    let len =
                        if rng.chance(0.2) { rng.below(data.len() as u64 + 1) as usize } else { data.len() };
                    write_at(&mut content, *at, &data[..len]);
                }
                Err(len) => content.resize((*len as usize).max(content.len()), 0),
            }
        }
        content
    }
}

fn write_at(content: &mut Vec<u8>, at: u64, data: &[u8]) {
    let (from, to) = (at as usize, at as usize + data.len());
    if content.len() < to {
        content.resize(to, 0);
    }
    content[from..to].copy_from_slice(data);
}

impl Platter {
    fn spend(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("the power is gone"))?;
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.0.lock().unwrap();
        let from = offset as usize;
        let data = platter.now.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.spend()?;
        platter.now.resize(len as usize, 0);
        platter.since.push((0, Err(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.spend()?;
        platter.safe = platter.now.clone();
        platter.since.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.spend()?;
        write_at(&mut platter.now, offset, data);
        platter.since.push((offset, Ok(data.to_vec())));
        Ok(())
    }
}

#[test]
fn no_acknowledged_write_is_lost_whenever_the_power_goes() {
    let rounds = 1000;
    let mut rng = Seed::from_u64(11).stream(Purpose::Jitter);
    let mut content = Vec::new();
    // Who is there, and who would be there as well or not if the last call, which was not acknowledged, was made.
    let mut known: Vec<User> = Vec::new();
    let mut other: Option<Vec<User>> = None;
    let mut crashes = 0;
    for round in 0..rounds {
        let disk = Disk::new(std::mem::take(&mut content), 1 + rng.below(160));
        let opened = Builder::new().set_cache_size(1 << 20).create_with_backend(disk.clone());
        if let Ok(db) = opened
            && let store = (Store { db: RwLock::new(Some(db)), path: None })
            && super::schema::migrate(&store).is_ok()
        {
            let found = Users::list(&store, UserId(0), usize::MAX).unwrap();
            let emails = |users: &[User]| users.iter().map(|user| user.email.clone()).collect::<Vec<_>>();
            let perhaps = other.take();
            let is_well = emails(&found) == emails(&known)
                || perhaps.is_some_and(|perhaps| emails(&found) == emails(&perhaps));
            assert!(is_well, "round {round}: {} of {}", found.len(), known.len());
            known = found;
            for step in 0..4 {
                let mut next = known.clone();
                // Few stay, so that the file stays small.
                let done = if known.len() > 20 {
                    store.remove(next.pop().unwrap().id, AT).map(drop)
                } else {
                    next.push(user(&format!("user{round}.{step}@example.com")));
                    store.insert(next.last().unwrap().clone()).map(|kept| *next.last_mut().unwrap() = kept)
                };
                if done.is_err() {
                    other = Some(next);
                    break;
                }
                known = next;
            }
        }
        crashes += u64::from(disk.0.lock().unwrap().left == 0);
        content = disk.after_crash(&mut rng);
    }
    assert!(crashes > rounds / 3, "{crashes}");
    assert!(known.len() > 3);
}

#[test]
fn a_commit_that_is_not_synced_is_noticed() {
    assert!(fault::is_noticed(Fault::CommitsUnsynced, no_acknowledged_write_is_lost_whenever_the_power_goes));
}

fn record_of(seq: u64) -> Record {
    Record { seq, between: None, text: format!("{{\"seq\":{seq}}}") }
}

fn addition(table: i64, at: u64, seqs: std::ops::RangeInclusive<u64>, gone: u64) -> Addition {
    Addition {
        table: TableId(table),
        seq: *seqs.end(),
        at,
        talk: seqs.map(record_of).collect(),
        gone,
        is_new: true,
    }
}

#[test]
fn a_table_is_kept_from_its_oldest_message_on() {
    let store = Store::in_memory();
    assert_eq!(store.load(TableId(1)).unwrap(), Kept { is_new: true, ..Kept::default() });
    store.append(&[addition(1, 1000, 1..=5, 0), addition(-1, 1000, 1..=1, 0)]).unwrap();
    store.append(&[addition(1, 1001, 6..=8, 3)]).unwrap();
    let kept = store.load(TableId(1)).unwrap();
    assert_eq!((kept.seq, kept.gone), (8, 3));
    assert_eq!(kept.talk, (4..=8).map(record_of).collect::<Vec<_>>());
    assert_eq!(store.load(TableId(-1)).unwrap().talk.len(), 1, "others keep theirs");
    let summary = |seq, at| Summary { seq, at };
    assert_eq!(
        Tables::list(&store, None, 10).unwrap(),
        [(TableId(-1), summary(1, 1000)), (TableId(1), summary(8, 1001))]
    );
    assert_eq!(Tables::list(&store, Some(TableId(-1)), 10).unwrap(), [(TableId(1), summary(8, 1001))]);
    assert_eq!(Tables::list(&store, Some(TableId(i64::MAX)), 10).unwrap(), []);
}

#[test]
fn tables_at_which_nothing_was_said_go_first_and_then_the_silent() {
    let store = Store::in_memory();
    let said: Vec<_> = (0..100).map(|n| addition(n, 1000 + n as u64, 1..=7, 0)).collect();
    store.append(&said).unwrap();
    let silent = |n: i64| Addition { talk: Vec::new(), ..addition(n, 5000 + n as u64, 1..=9, 0) };
    let sat: Vec<_> = (1000..1000 + limits::TABLES as i64).map(silent).collect();
    store.append(&sat).unwrap();
    assert_eq!(Tables::list(&store, None, usize::MAX).unwrap().len(), limits::TABLES);
    assert!(
        said.iter().all(|table| !store.load(table.table).unwrap().is_new),
        "who only sat down pushes nobody out"
    );
    let floor = store.load(TableId(1000)).unwrap();
    assert_eq!(
        (floor.is_new, floor.seq, floor.gone),
        (true, 9, 9),
        "numbers of a table that was forgotten stay used"
    );

    let more: Vec<_> =
        (500_000..500_000 + limits::TABLES as i64).map(|n| addition(n, 1_000_000, 1..=1, 0)).collect();
    store.append(&more).unwrap();
    assert!(store.load(TableId(0)).unwrap().is_new);
    // Somebody still sits there, to whom it was never new.
    store.append(&[Addition { is_new: false, ..addition(0, 2_000_000, 8..=9, 0) }]).unwrap();
    let kept = store.load(TableId(0)).unwrap();
    assert_eq!(
        (kept.seq, kept.gone, kept.talk.len()),
        (9, 7, 2),
        "what was said before is gone, and that is known"
    );
}

#[test]
fn seats_are_bound_to_users() {
    let store = Store::in_memory();
    let owner = |table, client| store.owner(TableId(table), ClientId(client)).unwrap().map(|user| user.0);
    let bind =
        |table, client, user, now| store.bind(TableId(table), ClientId(client), UserId(user), now).unwrap().0;
    assert_eq!(owner(1, 7), None);
    assert_eq!((bind(1, 7, 5, 1), bind(1, 7, 6, 2), owner(1, 7)), (5, 5, Some(5)));
    assert_eq!(bind(2, 7, 6, 2), 6);
    bind(1, 8, 5, 3);
    for n in 0..limits::SEATS_OF_ONE as i64 - 2 {
        bind(9, n, 5, 10 + n as u64);
    }
    bind(1, 7, 5, limits::SEAT_NOTED + 1);
    bind(9, 999, 5, limits::SEAT_NOTED + 2);
    assert_eq!((owner(1, 8), owner(1, 7)), (None, Some(5)), "the one where he has not sat for longest");
    let ada = store.insert(user("ada@example.com")).unwrap();
    bind(3, 3, ada.id.0, 1);
    store.remove(ada.id, AT).unwrap();
    assert_eq!(owner(3, 3), None, "it was a user's who is no more");
}
