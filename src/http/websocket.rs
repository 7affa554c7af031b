//! From HTTP to a WebSocket: the opening handshake of RFC 6455 4.2, with all its refusals.

use std::borrow::Cow;

use super::handler::Outcome;
use super::head::{BodyLength, Method, Request, Version};
use super::response::{Body, Response, Status};
use super::scanner::is_token;
use crate::fault::{self, Fault};
use crate::ws::{self, Agreement};

/// Which pages may open a WebSocket: RFC 6455 10.2. A client that is no browser sends no Origin, and may always.
#[derive(Clone, Debug, Default)]
pub enum Origins {
    /// Those of the host that is asked.
    #[default]
    SameHost,
    /// All.
    Any,
    /// These, as `https://example.com`, beside those of the host that is asked.
    Listed(Vec<String>),
}

impl Origins {
    /// The page that asks, if it is one, may do so.
    pub fn allow(&self, request: &Request<'_>) -> bool {
        request.field("Origin").is_none() || self.name(request)
    }

    /// The request says of itself that one of these pages makes it.
    pub fn name(&self, request: &Request<'_>) -> bool {
        let Some(origin) = one(request, "Origin") else { return false };
        // As browsers write it: the scheme, and the host with its port unless that is the scheme's own. RFC 6455 4.2.2
        // has it in lower case.
        let origin = origin.to_ascii_lowercase();
        let of_host = |scheme: &[u8]| {
            origin.strip_prefix(scheme).is_some_and(|host| host.eq_ignore_ascii_case(request.host.as_bytes()))
        };
        let is_own = of_host(b"http://") || of_host(b"https://");
        match self {
            Self::Any => true,
            Self::SameHost => is_own,
            Self::Listed(list) => {
                is_own || list.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(&origin))
            }
        }
    }
}

/// How a route takes WebSockets.
#[derive(Clone, Debug, Default)]
pub struct WebSocket {
    config: ws::Config,
    origins: Origins,
    protocols: Vec<String>,
}

/// A handshake that is well.
pub struct Handshake {
    accept: String,
    protocol: Option<String>,
    compression: Option<(Agreement, String)>,
    config: ws::Config,
}

impl Handshake {
    /// Takes it for this handler.
    pub fn accept(self, handler: impl ws::Handler + 'static) -> Outcome {
        Outcome::Upgrade(Box::new(Upgrade { handshake: self, handler: Box::new(handler) }))
    }
}

/// A handshake that is taken, and who stands behind it.
pub struct Upgrade {
    handshake: Handshake,
    handler: Box<dyn ws::Handler>,
}

impl WebSocket {
    /// With these limits and times.
    #[must_use]
    pub fn config(mut self, config: ws::Config) -> Self {
        self.config = config;
        self
    }

    /// For these pages.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// With these subprotocols (RFC 6455 1.9), of which the first that the client names is spoken.
    #[must_use]
    pub fn protocols(mut self, protocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The subprotocol that will be spoken.
    pub fn protocol<'a>(&self, request: &Request<'a>) -> Option<&'a str> {
        let mut offered =
            request.list("Sec-WebSocket-Protocol").filter_map(|name| std::str::from_utf8(name).ok());
        offered.find(|name| self.protocols.iter().any(|ours| ours == name))
    }

    /// Takes the handshake for this handler, or says what is wrong with it.
    pub fn accept(&self, request: &Request<'_>, handler: impl ws::Handler + 'static) -> Outcome {
        match self.handshake(request) {
            Err(refusal) => Outcome::Respond(refusal),
            Ok(handshake) => handshake.accept(handler),
        }
    }

    /// Judges the handshake, so that it can be taken later: in a job, say, that looks for something first.
    ///
    /// # Errors
    /// The refusal.
    pub fn handshake(&self, request: &Request<'_>) -> Result<Handshake, Response> {
        let (accept, compression) = self.judge(request)?;
        let protocol = self.protocol(request).map(str::to_owned);
        Ok(Handshake { accept, protocol, compression, config: self.config })
    }

    /// RFC 6455 4.2.1, and what of it a request has wrong.
    fn judge(&self, request: &Request<'_>) -> Result<(String, Option<(Agreement, String)>), Response> {
        if request.method != Method::Get {
            return Err(Response::problem(405, "a WebSocket is asked for by GET").with("Allow", "GET"));
        }
        if !request.list("Upgrade").any(|name| name.eq_ignore_ascii_case(b"websocket")) {
            return Err(upgrade_required("this is a WebSocket: ask for it by Upgrade: websocket"));
        }
        if request.version != Version::Http11 {
            return Err(Response::problem(400, "a WebSocket needs HTTP/1.1"));
        }
        if !request.list("Connection").any(|name| name.eq_ignore_ascii_case(b"upgrade")) {
            return Err(Response::problem(400, "Connection does not name Upgrade"));
        }
        if request.body != BodyLength::Exactly(0) {
            return Err(Response::problem(400, "a WebSocket is asked for without a body"));
        }
        match one(request, "Sec-WebSocket-Version") {
            Some(b"13") => {}
            None => return Err(Response::problem(400, "there must be one Sec-WebSocket-Version")),
            Some(_) => return Err(upgrade_required("only version 13 of WebSocket is spoken here")),
        }
        let key =
            one(request, "Sec-WebSocket-Key").filter(|key| ws::is_key(key) || fault::is(Fault::KeyUnchecked));
        let key =
            key.ok_or_else(|| Response::problem(400, "there must be one Sec-WebSocket-Key of 16 bytes"))?;
        if !request.list("Sec-WebSocket-Protocol").all(|name| name.iter().all(|&b| is_token(b))) {
            return Err(Response::problem(400, "Sec-WebSocket-Protocol is malformed"));
        }
        if !self.origins.allow(request) && !fault::is(Fault::OriginUnchecked) {
            return Err(Response::problem(403, "pages of this origin may not open this WebSocket"));
        }
        // RFC 6455 9.1: judged also where none is taken.
        let compression = self
            .config
            .deflate
            .unwrap_or_default()
            .negotiate(request.values("Sec-WebSocket-Extensions"))
            .map_err(|ws::Malformed| Response::problem(400, "Sec-WebSocket-Extensions is malformed"))?;
        Ok((ws::accept_key(key), compression.filter(|_| self.config.deflate.is_some())))
    }
}

/// The value of a field that stands there once.
fn one<'a>(request: &Request<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = request.values(name);
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

/// RFC 9110 15.5.22, RFC 6455 4.4.
fn upgrade_required(detail: &'static str) -> Response {
    Response::problem(426, detail)
        .with("Upgrade", "websocket")
        .with("Connection", "Upgrade")
        .with("Sec-WebSocket-Version", "13")
}

impl Upgrade {
    /// RFC 6455 4.2.2.
    pub(super) fn response(&self) -> Response {
        let response =
            Response { status: Status(101), content_type: None, fields: Vec::new(), body: Body::Empty };
        let mut response = response
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Accept", Cow::Owned(self.handshake.accept.clone()));
        if let Some(protocol) = &self.handshake.protocol {
            response = response.with("Sec-WebSocket-Protocol", protocol.clone());
        }
        if let Some((_, extensions)) = &self.handshake.compression {
            response = response.with("Sec-WebSocket-Extensions", extensions.clone());
        }
        response
    }

    /// The WebSocket, and who stands behind it.
    pub fn into_parts(self) -> (ws::Config, Option<Agreement>, Box<dyn ws::Handler>) {
        let Handshake { compression, config, .. } = self.handshake;
        (config, compression.map(|(agreement, _)| agreement), self.handler)
    }
}
