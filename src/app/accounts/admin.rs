//! What the keeper of the house does to users: by `taphouse user`, on a house that runs or on its data.

use serde::{Deserialize, Serialize};

use super::names::judge_nickname;
use super::users::NewUser;
use super::{Change, Role, User, UserId};
use crate::app::service::Service;

/// What to do. A user is named by his e-mail address, or by his id.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Make a user.
    Add {
        /// His e-mail address.
        email: String,
        /// His nickname.
        nickname: String,
        /// What he is.
        role: Role,
        /// His password.
        password: String,
    },
    /// Show all users.
    List,
    /// He may not sign in any more, and is signed out everywhere.
    Disable(String),
    /// He may sign in again.
    Enable(String),
    /// He has another password, and is signed out everywhere.
    Reset {
        /// Who.
        user: String,
        /// The new one.
        password: String,
    },
    /// He is something else from now on, and must sign in again.
    Role {
        /// Who.
        user: String,
        /// What.
        role: Role,
    },
    /// A new key signs tokens from now on.
    Rotate {
        /// What the old ones have signed is good no more.
        forget: bool,
    },
}

impl Service {
    /// Does it, and says what was done. Waits for the disk.
    ///
    /// # Errors
    /// What was wrong, and what to do.
    pub fn administrate(&self, now: u64, command: Command) -> Result<String, String> {
        match command {
            Command::Add { email, nickname, role, password } => {
                let new = NewUser { email, nickname, password };
                let wrong = self.judge_new(&new);
                if !wrong.is_empty() {
                    let wrong: Vec<_> =
                        wrong.iter().map(|(name, wrong)| format!("the {name} {wrong}")).collect();
                    return Err(wrong.join("; "));
                }
                let user = self.add(now, new, role).map_err(|error| error.to_string())?;
                Ok(format!("user {} is a new {}\n", user.id, user.role.name()))
            }
            Command::List => self.table(),
            Command::Disable(user) => self.alter(now, &user, "is disabled", |user| user.is_disabled = true),
            Command::Enable(user) => self.alter(now, &user, "is enabled", |user| user.is_disabled = false),
            Command::Reset { user, password } => {
                let found = self.named(&user)?;
                if let Some(wrong) = self.passwords.judge(&password, &[&found.email, &found.nickname]) {
                    return Err(format!("the password {wrong}"));
                }
                let hash = self.passwords.hash(&password);
                self.alter(now, &user, "has a new password", |user| user.password = hash.clone())
            }
            Command::Role { user, role } => {
                self.alter(now, &user, &format!("is a {} now", role.name()), |user| user.role = role)
            }
            Command::Rotate { forget } => {
                self.tokens
                    .rotate(now, forget)
                    .map_err(|error| format!("the key cannot be kept: {error}"))?;
                if !forget {
                    return Ok(
                        "a new key signs tokens; those of the old one live out their time\n".to_owned()
                    );
                }
                self.hall.close_all();
                Ok("new keys sign tokens, and nothing else is good; all must sign in again\n".to_owned())
            }
        }
    }

    fn alter(&self, now: u64, who: &str, what: &str, alter: impl Fn(&mut User)) -> Result<String, String> {
        let id = self.named(who)?.id;
        let at = self.moment(now);
        let altered = self.users.update(id, at, &mut |user| {
            alter(user);
            Change::EndsSessions
        });
        let (user, ended) = altered.map_err(|error| error.to_string())?;
        self.forget(&ended, at);
        Ok(format!("user {} {what}\n", user.id))
    }

    fn named(&self, who: &str) -> Result<User, String> {
        let found = match who.parse() {
            Ok(id) => self.users.by_id(UserId(id)),
            Err(_) => self.users.by_email(who),
        };
        found.map_err(|error| error.to_string())?.ok_or_else(|| {
            let known = judge_nickname(who).is_none();
            let who = if known { who } else { "that" };
            format!("there is no user {who}; taphouse user list shows all")
        })
    }

    fn table(&self) -> Result<String, String> {
        let mut out = format!("{:>8}  {:<9}  {:<8}  {:<32}  nickname\n", "id", "role", "", "e-mail");
        let mut after = UserId(0);
        loop {
            let page = self.users.list(after, 1000).map_err(|error| error.to_string())?;
            let Some(last) = page.last() else { return Ok(out) };
            after = last.id;
            for user in page {
                let state = if user.is_disabled { "disabled" } else { "" };
                out += &format!(
                    "{:>8}  {:<9}  {state:<8}  {:<32}  {}\n",
                    user.id.0,
                    user.role.name(),
                    user.email,
                    user.nickname
                );
            }
        }
    }
}
