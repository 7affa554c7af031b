//! From a request to its handler: by the segments of its path and its method.
//!
//! Routes stand in a tree of segments, in which what is written out goes before a parameter. What no route answers is
//! answered here: 404, 405 with Allow (RFC 9110 15.5.6), OPTIONS also of `*` (9.3.7), and HEAD by the route of GET
//! (9.3.2).

use std::borrow::Cow;

use super::cors::Cors;
use super::handler::{Handler, IntoOutcome, Outcome};
use super::head::{Method, Request};
use super::response::{Body, Response, Status};
use super::urlencoded::percent_decode;

type Route = Box<dyn Fn(&Request<'_>) -> Outcome + Send + Sync>;

/// Routes, and who answers there.
#[derive(Default)]
pub struct Router {
    root: Node,
    cors: Option<Cors>,
}

/// What can follow in a path.
#[derive(Default)]
struct Node {
    /// Segments that are written out.
    fixed: Vec<(String, Self)>,
    /// Any one segment, and how it is called.
    parameter: Option<Box<(String, Self)>>,
    /// All the rest, and how it is called.
    rest: Option<(String, Methods)>,
    /// Who answers where the path ends here.
    methods: Methods,
}

/// Who answers a path, by method.
#[derive(Default)]
struct Methods {
    routes: Vec<(Method, Route)>,
    /// The value of Allow.
    allow: String,
}

/// Parameters that a path may have.
const PARAMETERS: usize = 8;

/// The parameters of a path, as they were sent.
#[derive(Clone, Copy)]
struct Captured<'a> {
    list: [(&'a str, &'a str); PARAMETERS],
    len: usize,
}

impl Router {
    /// A router that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `GET` (and HEAD) on a path such as `/users/{id}` or `/files/{*rest}`.
    ///
    /// # Panics
    /// As [`route`](Self::route).
    pub fn get<R: IntoOutcome>(
        &mut self,
        path: &str,
        handler: impl Fn(&Request<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.route(Method::Get, path, handler)
    }

    /// Answers `POST` on a path.
    ///
    /// # Panics
    /// As [`route`](Self::route).
    pub fn post<R: IntoOutcome>(
        &mut self,
        path: &str,
        handler: impl Fn(&Request<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.route(Method::Post, path, handler)
    }

    /// Answers `PUT` on a path.
    ///
    /// # Panics
    /// As [`route`](Self::route).
    pub fn put<R: IntoOutcome>(
        &mut self,
        path: &str,
        handler: impl Fn(&Request<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.route(Method::Put, path, handler)
    }

    /// Answers `DELETE` on a path.
    ///
    /// # Panics
    /// As [`route`](Self::route).
    pub fn delete<R: IntoOutcome>(
        &mut self,
        path: &str,
        handler: impl Fn(&Request<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.route(Method::Delete, path, handler)
    }

    /// Answers a method on a path. A segment `{name}` takes any one segment that is not empty, `{*name}` at the end all
    /// that is left.
    ///
    /// # Panics
    /// The path does not begin with a slash, names a parameter of its place in a second way, has more than eight, or
    /// has this method already: mistakes of the program, which shows them at its start.
    pub fn route<R: IntoOutcome>(
        &mut self,
        method: Method,
        path: &str,
        handler: impl Fn(&Request<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        let route: Route = Box::new(move |request| handler(request).into_outcome());
        let segments =
            path.strip_prefix('/').unwrap_or_else(|| panic!("{path:?} does not begin with a slash"));
        assert!(path.matches('{').count() <= PARAMETERS, "{path:?} has more than {PARAMETERS} parameters");
        let mut node = &mut self.root;
        for segment in segments.split('/') {
            let parameter = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            match parameter {
                Some(name) => match name.strip_prefix('*') {
                    Some(name) => {
                        let (known, methods) =
                            node.rest.get_or_insert_with(|| (name.to_owned(), Methods::default()));
                        assert_eq!(
                            known, name,
                            "{path:?}: a parameter of this place has another name already"
                        );
                        assert!(path.ends_with(segment), "{path:?}: {segment} is not its end");
                        methods.add(method, path, route);
                        return self;
                    }
                    None => {
                        let child = node
                            .parameter
                            .get_or_insert_with(|| Box::new((name.to_owned(), Node::default())));
                        assert_eq!(
                            child.0, name,
                            "{path:?}: a parameter of this place has another name already"
                        );
                        node = &mut child.1;
                    }
                },
                None => {
                    let at = node.fixed.iter().position(|(fixed, _)| fixed == segment);
                    let at = at.unwrap_or_else(|| {
                        node.fixed.push((segment.to_owned(), Node::default()));
                        node.fixed.len() - 1
                    });
                    node = &mut node.fixed[at].1;
                }
            }
        }
        node.methods.add(method, path, route);
        self
    }

    /// Lets pages of other origins read the answers.
    pub fn cors(&mut self, cors: Cors) -> &mut Self {
        self.cors = Some(cors);
        self
    }

    /// Every route: its method, and its path as it was given.
    pub fn routes(&self) -> impl Iterator<Item = (Method, String)> {
        let mut routes = Vec::new();
        self.root.list("", &mut routes);
        routes.into_iter()
    }

    fn dispatch(&self, request: &Request<'_>) -> Outcome {
        if request.path == "*" {
            let all = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Patch];
            let known: Vec<&str> =
                all.into_iter().filter(|method| self.root.has(*method)).map(Method::name).collect();
            return Outcome::Respond(no_content([&known[..], &["OPTIONS"]].concat().join(", ")));
        }
        let mut captured = Captured { list: [("", ""); PARAMETERS], len: 0 };
        let rest = request.path.strip_prefix('/').unwrap_or_default();
        let Some(methods) = self.root.find(rest, &mut captured) else {
            return Outcome::Respond(Response::problem(404, "there is nothing at this path"));
        };
        let request = Request { captured: &captured.list[..captured.len], ..*request };
        if let Some(route) = methods.of(request.method) {
            return route(&request);
        }
        let response = match request.method {
            Method::Options => no_content(methods.allow.clone()),
            _ => Response::problem(405, "this path has no such method").with("Allow", methods.allow.clone()),
        };
        Outcome::Respond(match &self.cors {
            Some(cors) => cors.preflight(&request, &methods.allow, response),
            None => response,
        })
    }
}

impl Handler for Router {
    fn handle_request(&mut self, request: &Request<'_>) -> Outcome {
        let outcome = self.dispatch(request);
        match self.cors.as_ref().map(|cors| cors.grant(request)).filter(|grant| !grant.is_empty()) {
            Some(grant) => outcome.map(move |response| grant.add_to(response)),
            None => outcome,
        }
    }
}

impl Node {
    /// Who answers a path of which `rest` is left, without its first slash.
    fn find<'a>(&'a self, rest: &'a str, captured: &mut Captured<'a>) -> Option<&'a Methods> {
        let (segment, after) = match rest.bytes().position(|b| b == b'/') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let go_on = |node: &'a Self, captured: &mut Captured<'a>| match after {
            Some(after) => node.find(after, captured),
            None => Some(&node.methods).filter(|methods| !methods.routes.is_empty()),
        };
        let decoded = match segment.bytes().any(|b| b == b'%') {
            true => percent_decode(segment).unwrap_or(Cow::Borrowed(&[])),
            false => Cow::Borrowed(segment.as_bytes()),
        };
        if let Some((_, node)) = self.fixed.iter().find(|(fixed, _)| fixed.as_bytes() == &*decoded)
            && let Some(methods) = go_on(node, captured)
        {
            return Some(methods);
        }
        let before = captured.len;
        if let Some(child) = self.parameter.as_deref().filter(|_| !segment.is_empty()) {
            captured.push(&child.0, segment);
            if let Some(methods) = go_on(&child.1, captured) {
                return Some(methods);
            }
            captured.len = before;
        }
        let (name, methods) = self.rest.as_ref()?;
        captured.push(name, rest);
        Some(methods)
    }

    /// Adds the routes here and below, whose paths begin with this.
    fn list(&self, path: &str, routes: &mut Vec<(Method, String)>) {
        routes.extend(self.methods.routes.iter().map(|(method, _)| (*method, path.to_owned())));
        for (segment, node) in &self.fixed {
            node.list(&format!("{path}/{segment}"), routes);
        }
        if let Some((name, node)) = self.parameter.as_deref() {
            node.list(&format!("{path}/{{{name}}}"), routes);
        }
        if let Some((name, methods)) = &self.rest {
            let path = format!("{path}/{{*{name}}}");
            routes.extend(methods.routes.iter().map(|(method, _)| (*method, path.clone())));
        }
    }

    /// Some path below has this method.
    fn has(&self, method: Method) -> bool {
        let below =
            self.fixed.iter().map(|(_, node)| node).chain(self.parameter.as_deref().map(|(_, node)| node));
        let here = std::iter::once(&self.methods).chain(self.rest.as_ref().map(|(_, methods)| methods));
        here.into_iter().any(|methods| methods.of(method).is_some())
            || below.into_iter().any(|node| node.has(method))
    }
}

impl<'a> Captured<'a> {
    fn push(&mut self, name: &'a str, value: &'a str) {
        self.list[self.len] = (name, value);
        self.len += 1;
    }
}

impl Methods {
    fn add(&mut self, method: Method, path: &str, route: Route) {
        assert!(
            self.routes.iter().all(|(known, _)| *known != method),
            "{path:?} has {} twice",
            method.name()
        );
        self.routes.push((method, route));
        let mut names: Vec<&str> = self.routes.iter().map(|(method, _)| method.name()).collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.insert(1 + names.iter().position(|name| *name == "GET").unwrap_or_default(), "HEAD");
        }
        if !names.contains(&"OPTIONS") {
            names.push("OPTIONS");
        }
        self.allow = names.join(", ");
    }

    fn of(&self, method: Method) -> Option<&Route> {
        let find = |wanted| self.routes.iter().find(|(method, _)| *method == wanted).map(|(_, route)| route);
        find(method).or_else(|| find(Method::Get).filter(|_| method == Method::Head))
    }
}

fn no_content(allow: String) -> Response {
    Response {
        status: Status(204),
        content_type: None,
        fields: vec![("Allow", allow.into())],
        body: Body::Empty,
    }
}

#[cfg(test)]
mod tests;
