//! `/sessions`: sign in, go on, sign out.

use std::sync::Arc;

use serde_json::json;

use super::{Renewal, Session, SessionId, StoreError, User, users};
use crate::app::fields::Fields;
use crate::app::identity::{ACCESS_COOKIE, REFRESH_COOKIE, Wants, cookie, unauthorized};
use crate::app::service::{Service, refused};
use crate::app::throttle::{Key, too_many};
use crate::app::tokens::{RefreshToken, Refusal};
use crate::fault::{self, Fault};
use crate::http::{Job, Outcome, Problem, Request, Response, SameSite, SetCookie, collect};
use crate::limits;
use crate::time::Duration;

/// Below which path a browser sends the refresh token.
const REFRESH_PATH: &str = "/sessions";

/// `POST /sessions`.
pub(in crate::app) fn sign_in(service: &Arc<Service>, request: &Request<'_>) -> Outcome {
    let (service, now, address) = (Arc::clone(service), request.now.wall, *request.peer().ip());
    // A page of elsewhere could have its visitor sign in as somebody else.
    let own = service.settings.origins.allow(request);
    collect(request, limits::ACCOUNT_BODY, move |content| -> Result<Outcome, Response> {
        let mut fields = Fields::read(&content)?;
        let (email, password) = (fields.text("email"), fields.text("password"));
        let as_cookies = fields.flag("cookies");
        fields.finish()?;
        if as_cookies && !own {
            return Err(Problem::new(403, "cookies are set for pages of this house alone").into());
        }
        let keys = [Key::account(&email), Key::Address(address)];
        service.throttles.look(now, &keys).map_err(too_many)?;
        Ok(Outcome::Later(Job::computing(move || {
            // It is counted when it is made, since the house may be too busy; and before it is known whether there is
            // such an account.
            service.throttles.attempt(now, &keys).map_err(too_many)?;
            let (user, session) = service.begin(now, &email, &password)?;
            service.throttles.forgive(&keys);
            Ok::<_, Response>(service.granted(now, &user, session, 0, as_cookies))
        })))
    })
}

impl Service {
    /// Compares a password, and begins a session. That there is no such user, or that he may not sign in, shows neither
    /// in the answer nor in its time.
    fn begin(&self, now: u64, email: &str, password: &str) -> Result<(User, SessionId), Response> {
        let user = self.users.by_email(email).map_err(refused)?;
        let is_right = match &user {
            None if fault::is(Fault::StrangersTold) => return Err(wrong_password()),
            user => self.passwords.is_right(password, user.as_ref().map(|user| &user.password)),
        };
        let user = user.filter(|_| is_right).ok_or_else(wrong_password)?;
        let id = self.tokens.session_id();
        let session =
            Session { user: user.id, generation: 0, expires: now.saturating_add(self.settings.session_life) };
        let at = self.moment(now);
        match self.sessions.begin(id, session, &user.password, at) {
            Ok(ended) => {
                self.forget(&ended, at);
                Ok((user, id))
            }
            Err(StoreError::Unknown) => Err(wrong_password()),
            Err(error) => Err(refused(error)),
        }
    }

    /// The answer with the tokens of a session (RFC 6749 5.1).
    fn granted(
        &self,
        now: u64,
        user: &User,
        session: SessionId,
        generation: u32,
        as_cookies: bool,
    ) -> Response {
        let (access, _) = self.tokens.issue(now, user, session);
        let refresh = self.tokens.refresh(session, generation);
        let mut answer = json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.tokens.life(),
            "user": users::full(user),
        });
        if !as_cookies {
            answer["refresh_token"] = refresh.reveal().into();
        }
        let response = Response::json(200, &answer).with("Cache-Control", "no-store");
        if as_cookies { self.with_cookies(response, &access, &refresh) } else { response }
    }

    fn with_cookies(&self, response: Response, access: &str, refresh: &RefreshToken) -> Response {
        let access = (access, "/", self.tokens.life());
        let refresh = (refresh.reveal(), REFRESH_PATH, self.settings.session_life);
        [(ACCESS_COOKIE, access), (REFRESH_COOKIE, refresh)].into_iter().fold(
            response,
            |response, (name, (value, path, life))| {
                let cookie = SetCookie::new(name, value).map(|cookie| {
                    let cookie = cookie.path(path).max_age(Duration::from_secs(life));
                    cookie.http_only().same_site(SameSite::Strict)
                });
                let set = cookie.and_then(|cookie| response.with_cookie(&cookie));
                set.expect("tokens are of characters that a cookie takes, and short")
            },
        )
    }
}

/// The same for an unknown address.
fn wrong_password() -> Response {
    let response: Response = Problem::new(401, "the e-mail address or the password is wrong").into();
    // RFC 9110 15.5.2 wants a challenge.
    response.with("WWW-Authenticate", "Bearer realm=\"taphouse\"").with("Cache-Control", "no-store")
}

fn without_cookies(response: Response) -> Response {
    [(ACCESS_COOKIE, "/"), (REFRESH_COOKIE, REFRESH_PATH)].into_iter().fold(
        response,
        |response, (name, path)| {
            let removal = SetCookie::removal(name).map(|cookie| cookie.path(path));
            removal.and_then(|cookie| response.with_cookie(&cookie)).expect("a name and no value")
        },
    )
}

/// `POST /sessions/refresh`.
pub(in crate::app) fn refresh(service: &Arc<Service>, request: &Request<'_>) -> Outcome {
    let (service, now) = (Arc::clone(service), request.now.wall);
    let cookie = cookie(request, REFRESH_COOKIE).map(str::to_owned);
    let own = service.must_be_own(request);
    collect(request, limits::ACCOUNT_BODY, move |content| -> Result<Outcome, Response> {
        let (token, as_cookies) = if content.data().is_empty() {
            let token = cookie.ok_or_else(|| unauthorized(Refusal::Missing))?;
            own?;
            (token, true)
        } else {
            let mut fields = Fields::read(&content)?;
            let token = fields.text("refresh_token");
            fields.finish()?;
            (token, false)
        };
        let (id, generation) = service.tokens.judge_refresh(&token).map_err(unauthorized)?;
        Ok(Outcome::Later(Job::new(move || {
            let renewed = service.renew(now, id, generation);
            match renewed? {
                Ok((user, generation)) => Ok(service.granted(now, &user, id, generation, as_cookies)),
                Err(refusal) if as_cookies => Err(without_cookies(unauthorized(refusal))),
                Err(refusal) => Err(unauthorized(refusal)),
            }
        })))
    })
}

impl Service {
    /// A refresh token of this generation of a session came: whose it is, and the generation of the next one.
    fn renew(
        &self,
        now: u64,
        id: SessionId,
        generation: u32,
    ) -> Result<Result<(User, u32), Refusal>, Response> {
        let at = self.moment(now);
        let expires = now.saturating_add(self.settings.session_life);
        match self.sessions.renew(id, generation, expires, at).map_err(refused)? {
            Renewal::Renewed(session) => {
                let user = self.users.by_id(session.user).map_err(refused)?;
                Ok(user.map(|user| (user, session.generation)).ok_or(Refusal::Revoked))
            }
            Renewal::Reused => {
                log::warn!("an old refresh token came again; its session has ended");
                self.forget(&[id], at);
                Ok(Err(Refusal::Revoked))
            }
            Renewal::Over => Ok(Err(Refusal::Revoked)),
            Renewal::Expired => {
                self.forget(&[id], at);
                Ok(Err(Refusal::Expired))
            }
        }
    }
}

/// `DELETE /sessions`, with `?all=true` all of the user's.
pub(in crate::app) fn sign_out(service: &Arc<Service>, request: &Request<'_>) -> Result<Outcome, Response> {
    let claims = service.identify(request, Wants::ToChange)?;
    let all: Option<bool> = request.query_parameter("all")?;
    let (service, now) = (Arc::clone(service), request.now.wall);
    let had_cookies = cookie(request, ACCESS_COOKIE).or(cookie(request, REFRESH_COOKIE)).is_some();
    Ok(Outcome::Later(Job::new(move || {
        let at = service.moment(now);
        let ended = match all {
            Some(true) => service.sessions.end_all(claims.sub, at),
            _ => service.sessions.end(claims.sid, at).map(|()| vec![claims.sid]),
        };
        service.forget(&ended.map_err(refused)?, at);
        let response = Response::empty(204);
        Ok::<_, Response>(if had_cookies { without_cookies(response) } else { response })
    })))
}
