//! What was wrong, for programs and for people: RFC 9457 (which replaces 7807).
//!
//! Beside its members of the RFC a problem has `errors`, one for each part of the request that is not as it must be. No
//! value of the request is ever said again.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value, json};

use super::handler::{IntoOutcome, Outcome};
use super::response::{Body, Response, Status};

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: Status,
    detail: Cow<'static, str>,
    errors: Vec<Invalid>,
}

/// A part of a request that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where it stands.
    pub place: Place,
    /// Its name there.
    pub name: Cow<'static, str>,
    /// What is wrong with it, to be read behind the name.
    pub detail: Cow<'static, str>,
}

/// Where a part of a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A segment of the path.
    Path,
    /// A parameter of the query.
    Query,
    /// A field of the body.
    Body,
    /// A field of the head.
    Field,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
            Self::Field => "header",
        }
    }
}

impl Problem {
    /// A problem of this status.
    pub fn new(status: u16, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status(status), detail: detail.into(), errors: Vec::new() }
    }

    /// Parts of a request that are not as they must be: 422 (RFC 9110 15.5.21).
    pub fn invalid(errors: Vec<Invalid>) -> Self {
        let parts: Vec<String> = errors.iter().map(|e| format!("{} {}", e.name, e.detail)).collect();
        Self { status: Status(422), detail: parts.join("; ").into(), errors }
    }

    /// Its status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The parts that are not as they must be.
    pub fn errors(&self) -> &[Invalid] {
        &self.errors
    }

    fn to_json(&self) -> String {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("type", "about:blank".into());
        put("title", self.status.reason().into());
        put("status", self.status.0.into());
        put("detail", (&*self.detail).into());
        if !self.errors.is_empty() {
            let error = |e: &Invalid| json!({"in": e.place.name(), "name": e.name, "detail": e.detail});
            put("errors", self.errors.iter().map(error).collect());
        }
        format!("{}\n", Value::Object(members))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.0, self.status.reason(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        Self::new(problem.status.0, "application/problem+json", Body::Whole(problem.to_json().into()))
    }
}

impl IntoOutcome for Problem {
    fn into_outcome(self) -> Outcome {
        Outcome::Respond(self.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_json_whatever_it_quotes() {
        let json = Problem::new(400, "a \"quote\", an é").to_json();
        assert_eq!(
            json,
            "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\
             \"detail\":\"a \\\"quote\\\", an é\"}\n"
        );
    }

    #[test]
    fn all_that_is_invalid_is_named() {
        let invalid = |name: &'static str| Invalid {
            place: Place::Path,
            name: name.into(),
            detail: "is not an integer".into(),
        };
        let problem = Problem::invalid(vec![invalid("a"), invalid("b")]);
        assert!(problem.to_json().contains("\"detail\":\"a is not an integer; b is not an integer\""));
        let errors = "\"errors\":[{\"in\":\"path\",\"name\":\"a\",\"detail\":\"is not an integer\"},";
        assert!(problem.to_json().contains(errors));
    }
}
