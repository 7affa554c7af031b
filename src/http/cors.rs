//! Which pages of other origins may read answers: the CORS protocol of the Fetch standard, 3.2.
//!
//! Without it no answer names an origin, and browsers keep what they get from such pages.

use std::borrow::Cow;

use super::head::{Method, Request};
use super::response::Response;
use crate::fault::{self, Fault};

/// Who may read answers.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Allowed,
    has_credentials: bool,
    fields: String,
    max_age: u32,
}

#[derive(Clone, Debug)]
enum Allowed {
    Any,
    Listed(Vec<String>),
}

impl Cors {
    /// Pages of all origins, without credentials.
    pub fn any() -> Self {
        Self::new(Allowed::Any)
    }

    /// Pages of these origins, as `https://example.com`.
    pub fn listed(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Allowed::Listed(origins.into_iter().map(Into::into).collect()))
    }

    fn new(origins: Allowed) -> Self {
        let fields = "Authorization, Content-Type".to_owned();
        Self { origins, has_credentials: false, fields, max_age: 600 }
    }

    /// Also with cookies and client certificates.
    ///
    /// # Panics
    /// All origins are allowed: every page of the world would act for its visitors.
    #[must_use]
    pub fn with_credentials(mut self) -> Self {
        assert!(matches!(self.origins, Allowed::Listed(_)), "credentials are for origins that are listed");
        self.has_credentials = true;
        self
    }

    /// Fields that such pages may send, as `Authorization, Content-Type` (which is what they may without this).
    #[must_use]
    pub fn fields(mut self, fields: impl Into<String>) -> Self {
        self.fields = fields.into();
        self
    }

    /// How many seconds a browser may remember what is allowed; 600 without this.
    #[must_use]
    pub fn max_age(mut self, seconds: u32) -> Self {
        self.max_age = seconds;
        self
    }

    /// What is added to every answer to this request.
    pub(super) fn grant(&self, request: &Request<'_>) -> Grant {
        let origin = request.field("Origin").and_then(|origin| std::str::from_utf8(origin).ok());
        let allowed = match (&self.origins, origin) {
            (_, None) => None,
            (Allowed::Any, Some(_)) => Some("*".to_owned()),
            (Allowed::Listed(_), Some(origin)) if fault::is(Fault::CorsForAll) => Some(origin.to_owned()),
            (Allowed::Listed(list), Some(origin)) => list.iter().find(|listed| *listed == origin).cloned(),
        };
        Grant {
            allowed,
            has_credentials: self.has_credentials,
            varies: matches!(self.origins, Allowed::Listed(_)),
        }
    }

    /// The answer to a preflight (Fetch 4.8), if it is one: `methods` are those of the path.
    pub(super) fn preflight(&self, request: &Request<'_>, methods: &str, response: Response) -> Response {
        let is_preflight = request.method == Method::Options
            && request.field("Origin").is_some()
            && request.field("Access-Control-Request-Method").is_some();
        if !is_preflight || self.grant(request).allowed.is_none() {
            return response;
        }
        response
            .with("Access-Control-Allow-Methods", methods.to_owned())
            .with("Access-Control-Allow-Headers", self.fields.clone())
            .with("Access-Control-Max-Age", self.max_age.to_string())
    }
}

/// What an answer says of it.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    allowed: Option<String>,
    has_credentials: bool,
    /// The answer depends on who asks, which caches must know.
    varies: bool,
}

impl Grant {
    /// Nothing need be added.
    pub(super) fn is_empty(&self) -> bool {
        self.allowed.is_none() && !self.varies
    }

    pub(super) fn add_to(self, mut response: Response) -> Response {
        if self.varies {
            response = response.with("Vary", Cow::Borrowed("Origin"));
        }
        if let Some(allowed) = self.allowed {
            response = response.with("Access-Control-Allow-Origin", allowed);
            if self.has_credentials {
                response = response.with("Access-Control-Allow-Credentials", "true");
            }
        }
        response
    }
}
