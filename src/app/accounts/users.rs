//! `/users`: sign up, see, change, delete.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::names::{judge_email, judge_nickname};
use super::{Change, PasswordHash, Permission, StoreError, User, UserId};
use crate::app::fields::Fields;
use crate::app::identity::{Wants, must_have};
use crate::app::service::{Service, refused};
use crate::app::throttle::{Key, too_many};
use crate::app::tokens::Claims;
use crate::fault::{self, Fault};
use crate::http::{Content, Invalid, Job, Outcome, Place, Problem, Request, Response, collect};
use crate::limits;

/// How much of a user is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Details {
    Brief,
    Full,
}

/// `POST /users`.
pub(in crate::app) fn sign_up(service: &Arc<Service>, request: &Request<'_>) -> Outcome {
    let (service, now, address) = (Arc::clone(service), request.now.wall, *request.peer().ip());
    collect(request, limits::ACCOUNT_BODY, move |content| -> Result<Outcome, Response> {
        let mut fields = Fields::read(&content)?;
        let new = NewUser::read(&mut fields, &service);
        fields.finish()?;
        service.throttles.attempt(now, &[Key::SignUps(address)]).map_err(too_many)?;
        // Those who sign in have their half of the queue.
        let place = Waiting::new(&service.signing_up, limits::SIGNING_UP).ok_or_else(busy)?;
        Ok(Outcome::Later(Job::computing(move || {
            let _place = place;
            let user = service.add(now, new, super::Role::Member).map_err(refused)?;
            let location = format!("/users/{}", user.id);
            Ok::<_, Response>(shown(201, &user, Details::Full).with("Location", location))
        })))
    })
}

/// A place among those who wait, until it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let place = Self(Arc::clone(count));
        let before = count.fetch_add(1, Ordering::Relaxed);
        (before < limit || fault::is(Fault::JobsUnlimited)).then_some(place)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn busy() -> Response {
    Response::problem(503, "too many sign up now").with("Retry-After", "1")
}

/// What somebody says who signs up.
pub(super) struct NewUser {
    pub(super) email: String,
    pub(super) nickname: String,
    pub(super) password: String,
}

impl NewUser {
    /// Reads it, and notes all that is wrong.
    fn read(fields: &mut Fields, service: &Service) -> Self {
        let new = Self {
            email: fields.text("email"),
            nickname: fields.text("nickname"),
            password: fields.text("password"),
        };
        for (name, wrong) in service.judge_new(&new) {
            if !fields.is_wrong(name) {
                fields.refuse(name, wrong);
            }
        }
        new
    }
}

impl Service {
    /// What is wrong with a new user: names of fields, and what to read behind them.
    pub(super) fn judge_new(&self, new: &NewUser) -> Vec<(&'static str, String)> {
        let password = self.passwords.judge(&new.password, &[&new.email, &new.nickname]);
        [
            judge_email(&new.email).map(|wrong| ("email", wrong.to_owned())),
            judge_nickname(&new.nickname).map(|wrong| ("nickname", wrong.to_owned())),
            password.map(|wrong| ("password", wrong)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Keeps a new user, who was judged.
    pub(super) fn add(&self, now: u64, new: NewUser, role: super::Role) -> Result<User, StoreError> {
        if self.users.by_email(&new.email)?.is_some() {
            return Err(StoreError::Taken);
        }
        self.users.insert(User {
            id: UserId::default(),
            password: self.passwords.hash(&new.password),
            email: new.email,
            nickname: new.nickname,
            role,
            is_disabled: false,
            created: now,
        })
    }
}

/// `GET /users/{id}?details=full`.
pub(in crate::app) fn see(service: &Arc<Service>, request: &Request<'_>) -> Result<Outcome, Response> {
    let claims = service.identify(request, Wants::ToRead)?;
    let id = UserId(request.parameter("id")?);
    let details: Option<String> = request.query_parameter("details")?;
    let wanted = match details.as_deref() {
        None | Some("brief") => Details::Brief,
        Some("full") => Details::Full,
        Some(_) => {
            let detail = "is neither brief nor full".into();
            return Err(Problem::invalid(vec![Invalid {
                place: Place::Query,
                name: "details".into(),
                detail,
            }])
            .into());
        }
    };
    let sees_all = claims.sub == id || claims.may(Permission::Admin);
    let details = if sees_all { wanted } else { Details::Brief };
    let service = Arc::clone(service);
    Ok(Outcome::Later(Job::new(move || {
        let user = service.users.by_id(id).map_err(refused)?;
        // To others, somebody who may not sign in is nobody.
        let user =
            user.filter(|user| sees_all || !user.is_disabled).ok_or_else(|| refused(StoreError::Unknown))?;
        Ok::<_, Response>(shown(200, &user, details))
    })))
}

/// Whose record somebody wants to change: his own, or any for an admin. Who may not is told so whether there is such a
/// user or not.
fn target(claims: &Claims, request: &Request<'_>) -> Result<UserId, Response> {
    let id = UserId(request.parameter("id")?);
    if claims.sub != id {
        must_have(claims, Permission::Admin)?;
    }
    Ok(id)
}

/// `PUT /users/{id}`.
pub(in crate::app) fn change(service: &Arc<Service>, request: &Request<'_>) -> Result<Outcome, Response> {
    let claims = service.identify(request, Wants::ToChange)?;
    let id = target(&claims, request)?;
    let (service, now) = (Arc::clone(service), request.now.wall);
    Ok(collect(request, limits::ACCOUNT_BODY, move |content| -> Result<Outcome, Response> {
        let wish = Wish::read(&content, &service, &claims, id)?;
        // The body may have taken its time.
        let session = claims.sid;
        service.must_live(session)?;
        let Some((old, _)) = &wish.password else {
            return Ok(Outcome::Later(Job::new(move || {
                service.must_live(session)?;
                wish.fulfil(&service, now, id, None)
            })));
        };
        // Who has found a token shall not find the password by it.
        let keys = [Key::Password(id)];
        service.throttles.attempt(now, &keys).map_err(too_many)?;
        let old = old.clone();
        Ok(Outcome::Later(Job::computing(move || {
            let user =
                service.users.by_id(id).map_err(refused)?.ok_or_else(|| refused(StoreError::Unknown))?;
            if !service.passwords.is_right(&old, Some(&user.password)) {
                return Err(wrong_old_password());
            }
            service.must_live(session)?;
            let changed = wish.fulfil(&service, now, id, Some(user.password))?;
            service.throttles.forgive(&keys);
            Ok(changed)
        })))
    }))
}

fn wrong_old_password() -> Response {
    Problem::new(403, "the old password is wrong").into()
}

/// What is to become of a user.
struct Wish {
    email: Option<String>,
    nickname: Option<String>,
    /// The old one and the new one.
    password: Option<(String, String)>,
}

impl Wish {
    fn read(content: &Content, service: &Service, claims: &Claims, id: UserId) -> Result<Self, Response> {
        let mut fields = Fields::read(content)?;
        let (email, nickname) = (fields.optional_text("email"), fields.optional_text("nickname"));
        let password = fields.optional_text("password");
        let old_password = fields.optional_text("old_password");
        if let Some(wrong) = email.as_deref().and_then(judge_email) {
            fields.refuse("email", wrong);
        }
        if let Some(wrong) = nickname.as_deref().and_then(judge_nickname) {
            fields.refuse("nickname", wrong);
        }
        let password = password.map(|new| {
            let own =
                [email.as_deref().unwrap_or(&claims.email), nickname.as_deref().unwrap_or(&claims.nickname)];
            if claims.sub != id {
                fields.refuse(
                    "password",
                    "is changed by its user alone; an admin gives a new one by taphouse user reset",
                );
            } else if let Some(wrong) = service.passwords.judge(&new, &own) {
                fields.refuse("password", wrong);
            }
            if old_password.is_none() && !fields.is_wrong("old_password") {
                fields.refuse("old_password", "is missing");
            }
            (old_password.unwrap_or_default(), new)
        });
        fields.finish()?;
        if email.is_none() && nickname.is_none() && password.is_none() {
            let nothing = "there is nothing to change: email, nickname, or password with old_password";
            return Err(Problem::new(422, nothing).into());
        }
        Ok(Self { email, nickname, password })
    }

    /// In a job. The old password, if there is one, was compared with this.
    fn fulfil(
        self,
        service: &Service,
        now: u64,
        id: UserId,
        compared: Option<PasswordHash>,
    ) -> Result<Response, Response> {
        let Self { email, nickname, password } = self;
        let hash = password.map(|(_, new)| service.passwords.hash(&new));
        let at = service.moment(now);
        let mut is_late = false;
        let changed = service.users.update(id, at, &mut |user| {
            // Another request may have changed it since.
            is_late = compared.as_ref().is_some_and(|compared| user.password != *compared);
            if is_late {
                return Change::Made;
            }
            user.email = email.clone().unwrap_or(std::mem::take(&mut user.email));
            user.nickname = nickname.clone().unwrap_or(std::mem::take(&mut user.nickname));
            match &hash {
                Some(hash) => {
                    user.password = hash.clone();
                    Change::EndsSessions
                }
                None => Change::Made,
            }
        });
        let (user, ended) = changed.map_err(refused)?;
        service.forget(&ended, at);
        if is_late {
            return Err(wrong_old_password());
        }
        Ok(shown(200, &user, Details::Full))
    }
}

/// `DELETE /users/{id}`.
pub(in crate::app) fn delete(service: &Arc<Service>, request: &Request<'_>) -> Result<Outcome, Response> {
    let claims = service.identify(request, Wants::ToChange)?;
    let id = target(&claims, request)?;
    let (service, now) = (Arc::clone(service), request.now.wall);
    Ok(Outcome::Later(Job::new(move || {
        let at = service.moment(now);
        let ended = service.users.remove(id, at).map_err(refused)?;
        service.forget(&ended, at);
        Ok::<_, Response>(Response::empty(204))
    })))
}

fn shown(status: u16, user: &User, details: Details) -> Response {
    let view =
        if details == Details::Full { full(user) } else { json!({"id": user.id, "nickname": user.nickname}) };
    Response::json(status, &view).with("Cache-Control", "no-store")
}

/// All that a user may see of himself.
pub(super) fn full(user: &User) -> Value {
    let created = i64::try_from(user.created).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    json!({
        "id": user.id,
        "nickname": user.nickname,
        "email": user.email,
        "permissions": user.role.permissions(),
        "created": created.map(|at| at.to_string()),
        "disabled": user.is_disabled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::accounts::{Role, SessionId};
    use crate::app::service::Settings;
    use crate::http::Body;

    /// What is wrong with a wish to change oneself.
    fn wrong(body: &str) -> String {
        let entropy = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        let service = Service::in_memory(Settings::default(), entropy, 0).unwrap();
        let user = User {
            id: UserId(1),
            password: super::super::PasswordHash::default(),
            email: "ada@example.com".to_owned(),
            nickname: "Ada".to_owned(),
            role: Role::Member,
            is_disabled: false,
            created: 0,
        };
        let (token, _) = service.tokens.issue(0, &user, SessionId::default());
        let claims = service.judge(0, &token).unwrap();
        let content = Content::new(Some("application/json".to_owned()), body.to_owned());
        match Wish::read(&content, &service, &claims, user.id) {
            Ok(_) => String::new(),
            Err(Response { body: Body::Whole(problem), .. }) => String::from_utf8(problem.to_vec()).unwrap(),
            Err(response) => panic!("{response:?}"),
        }
    }

    #[test]
    fn an_old_password_is_a_text_whether_it_is_needed_or_not() {
        for (body, detail) in [
            (r#"{"nickname":"b","old_password":"x"}"#, ""),
            (r#"{"nickname":"b","old_password":null}"#, ""),
            (r#"{"nickname":"b","old_password":1}"#, "\"detail\":\"old_password is not a text\""),
            (r#"{"password":"some other words"}"#, "\"detail\":\"old_password is missing\""),
            (
                r#"{"password":"some other words","old_password":[]}"#,
                "\"detail\":\"old_password is not a text\"",
            ),
            (r#"{"password":"some other words","old_password":"x"}"#, ""),
        ] {
            let problem = wrong(body);
            assert!(problem.contains(detail) && problem.is_empty() == detail.is_empty(), "{body}: {problem}");
        }
    }
}
