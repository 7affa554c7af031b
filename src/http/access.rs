//! What an access log may know of a request: no body, no value of its query, no field.

use std::fmt;

use super::head::{Method, Request, Version};
use crate::fault::{self, Fault};
use crate::time::Duration;

/// One request and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The method; `None` where the head could not be read.
    pub method: Option<Method>,
    /// The path, as it was sent, and the names of the query's parameters.
    pub target: String,
    /// The version.
    pub version: Version,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
    /// Bytes of the answer's content.
    pub sent: u64,
    /// Bytes of the request's content.
    pub taken: u64,
    /// From the whole head to the end of the answer.
    pub took: Duration,
    /// The connection ended before the answer did.
    pub is_cut: bool,
}

impl Entry {
    /// What is known when the head is.
    pub(super) fn of(request: &Request<'_>) -> Self {
        let mut target = request.path.to_owned();
        if let Some(query) = request.query {
            if fault::is(Fault::QueryLogged) {
                target.push_str(query);
            }
            names_alone(query, &mut target);
        }
        Self { method: Some(request.method), target, version: request.version, ..Self::of_nothing() }
    }

    /// A head that could not be read.
    pub(super) fn of_nothing() -> Self {
        Self {
            method: None,
            target: "-".to_owned(),
            version: Version::Http11,
            status: 0,
            sent: 0,
            taken: 0,
            took: Duration::ZERO,
            is_cut: false,
        }
    }
}

/// The query with an ellipsis for each value, and for what has no name.
fn names_alone(query: &str, out: &mut String) {
    let mut separator = '?';
    for piece in query.split('&') {
        out.push(separator);
        separator = '&';
        match piece.split_once('=') {
            Some((name, _)) => {
                out.push_str(name);
                out.push_str("=…");
            }
            None if piece.is_empty() => {}
            None => out.push('…'),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.map_or("-", Method::name);
        let version = if self.version == Version::Http11 { "HTTP/1.1" } else { "HTTP/1.0" };
        write!(
            f,
            "\"{method} {} {version}\" {} {} in, {} out, {}{}",
            self.target,
            self.status,
            self.taken,
            self.sent,
            self.took,
            if self.is_cut { ", cut" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_queries_stay_out() {
        for (query, shown) in [
            ("a=1&b=&c", "?a=…&b=…&…"),
            ("", "?"),
            ("token=secret=1", "?token=…"),
            ("secret", "?…"),
            ("=secret", "?=…"),
            ("&a=b", "?&a=…"),
        ] {
            let mut out = String::new();
            names_alone(query, &mut out);
            assert_eq!(out, shown);
        }
    }
}
