//! How permessage-deflate is agreed upon: RFC 7692 5 and 7.1, in the header of RFC 6455 9.1.

use std::fmt::Write as _;

/// What a server is willing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Our compressor remembers earlier messages. It then belongs to its connection, some 256 KiB; else it is lent
    /// for a message.
    pub server_takeover: bool,
    /// The client's compressor may remember earlier messages. Our decompressor, some 48 KiB, then belongs to its
    /// connection from the first compressed message on.
    pub client_takeover: bool,
    /// The base-2 logarithm of our window at most, 9 to 15.
    pub server_window_bits: u8,
    /// The base-2 logarithm of the client's window at most, 9 to 15, where the client lets itself be told.
    pub client_window_bits: u8,
    /// Bytes below which a message goes as it is.
    pub threshold: usize,
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            server_takeover: false,
            client_takeover: false,
            server_window_bits: 15,
            client_window_bits: 15,
            threshold: 64,
        }
    }
}

/// What both sides agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The server's compressor remembers earlier messages.
    pub server_takeover: bool,
    /// The client's compressor may.
    pub client_takeover: bool,
    /// The base-2 logarithm of the server's window.
    pub server_window_bits: u8,
    /// The base-2 logarithm of the client's window.
    pub client_window_bits: u8,
    /// Bytes below which a message goes as it is.
    pub threshold: usize,
}

/// A header that is not made after RFC 6455 9.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Deflate {
    /// Takes the first of a client's offers that it can: the agreement, and the header's value that says so.
    ///
    /// # Errors
    /// A value is not made after the grammar, for which RFC 6455 9.1 fails the handshake.
    pub fn negotiate<'a>(
        &self,
        offers: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<(Agreement, String)>, Malformed> {
        let mut agreed = None;
        for value in offers {
            for offer in extensions(value)? {
                if agreed.is_none() && offer.name == b"permessage-deflate" {
                    agreed = self.accept(&offer.parameters);
                }
            }
        }
        Ok(agreed)
    }

    /// `None` declines: RFC 7692 7.1, a parameter that is unknown, doubled or has a value that it must not have.
    fn accept(&self, parameters: &[Parameter]) -> Option<(Agreement, String)> {
        let mut server_takeover = self.server_takeover;
        let mut client_takeover = self.client_takeover;
        let mut server_bits = None;
        let mut client_bits = None;
        for (at, (name, value)) in parameters.iter().enumerate() {
            if parameters[..at].iter().any(|(earlier, _)| earlier == name) {
                return None;
            }
            match (&name[..], value) {
                (b"server_no_context_takeover", None) => server_takeover = false,
                (b"client_no_context_takeover", None) => client_takeover = false,
                // zlib makes no raw stream with a window of 8 bits.
                (b"server_max_window_bits", Some(value)) => {
                    server_bits = Some(window_bits(value).filter(|&bits| bits > 8)?);
                }
                (b"client_max_window_bits", None) => client_bits = Some(15),
                (b"client_max_window_bits", Some(value)) => client_bits = Some(window_bits(value)?),
                _ => return None,
            }
        }
        let server_window_bits = server_bits.unwrap_or(15).min(self.server_window_bits);
        let mut answer = "permessage-deflate".to_owned();
        if !server_takeover {
            answer.push_str("; server_no_context_takeover");
        }
        if !client_takeover {
            answer.push_str("; client_no_context_takeover");
        }
        let mut say =
            |name, bits: u8| write!(answer, "; {name}={bits}").expect("a string takes what is written");
        if server_bits.is_some() || server_window_bits < 15 {
            say("server_max_window_bits", server_window_bits);
        }
        // It must not be said to a client that did not offer it (RFC 7692 7.1.2.2).
        let client_window_bits = client_bits.map_or(15, |bits| bits.min(self.client_window_bits));
        if client_window_bits < 15 {
            say("client_max_window_bits", client_window_bits);
        }
        let threshold = self.threshold;
        let agreement =
            Agreement { server_takeover, client_takeover, server_window_bits, client_window_bits, threshold };
        Some((agreement, answer))
    }
}

/// RFC 7692 7.1.2: 8 to 15, without leading zeros.
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

type Parameter = (Vec<u8>, Option<Vec<u8>>);

struct Extension {
    name: Vec<u8>,
    parameters: Vec<Parameter>,
}

/// `extension-list` of RFC 6455 9.1.
fn extensions(value: &[u8]) -> Result<Vec<Extension>, Malformed> {
    let mut reader = Reader(value);
    let mut list = Vec::new();
    loop {
        // Empty elements of a list are ignored (RFC 9110 5.6.1).
        while reader.takes(b',') {}
        if reader.is_at_end() {
            return Ok(list);
        }
        let mut extension = Extension { name: reader.token()?, parameters: Vec::new() };
        while reader.takes(b';') {
            let name = reader.token()?;
            let value = if reader.takes(b'=') { Some(reader.word()?) } else { None };
            extension.parameters.push((name, value));
        }
        list.push(extension);
        if !reader.is_at_end() && !reader.takes(b',') {
            return Err(Malformed);
        }
    }
}

/// Reads a header's value from the front, white space between its parts passed over.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn is_at_end(&mut self) -> bool {
        self.0 = self.0.trim_ascii_start();
        self.0.is_empty()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = !self.is_at_end() && self.0[0] == byte;
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn token(&mut self) -> Result<Vec<u8>, Malformed> {
        self.is_at_end();
        let (token, rest) = self.0.split_at(self.0.iter().take_while(|&&b| is_token(b)).count());
        self.0 = rest;
        if token.is_empty() { Err(Malformed) } else { Ok(token.to_vec()) }
    }

    /// A token, or a quoted-string whose content is one.
    fn word(&mut self) -> Result<Vec<u8>, Malformed> {
        if !self.takes(b'"') {
            return self.token();
        }
        let mut word = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            let byte = match byte {
                b'"' if word.is_empty() => return Err(Malformed),
                b'"' => return Ok(word),
                b'\\' => {
                    let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
                    self.0 = rest;
                    byte
                }
                byte => byte,
            };
            if !is_token(byte) {
                return Err(Malformed);
            }
            word.push(byte);
        }
    }
}

/// `tchar` of RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(deflate: Deflate, offers: &str) -> Option<String> {
        deflate.negotiate([offers.as_bytes()].into_iter()).unwrap().map(|(_, answer)| answer)
    }

    const OURS: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn offers_are_taken_and_declined() {
        let remembering = Deflate { server_takeover: true, client_takeover: true, ..Deflate::default() };
        let narrow = Deflate { server_window_bits: 10, client_window_bits: 11, ..remembering };
        for (deflate, offer, taken) in [
            (Deflate::default(), "permessage-deflate", Some(OURS)),
            (Deflate::default(), "foo, permessage-deflate; client_max_window_bits", Some(OURS)),
            (Deflate::default(), "permessage-deflate; unknown", None),
            (Deflate::default(), "permessage-deflate; unknown, permessage-deflate", Some(OURS)),
            (Deflate::default(), "x-webkit-deflate-frame", None),
            (Deflate::default(), "", None),
            (remembering, "permessage-deflate", Some("permessage-deflate")),
            (remembering, "permessage-deflate; server_max_window_bits=8", None),
            (remembering, "permessage-deflate; server_max_window_bits=16", None),
            (remembering, "permessage-deflate; server_max_window_bits=09", None),
            (remembering, "permessage-deflate; server_max_window_bits", None),
            (remembering, "permessage-deflate; server_no_context_takeover=1", None),
            (remembering, "permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
            (
                remembering,
                "permessage-deflate; server_max_window_bits=\"9\"",
                Some("permessage-deflate; server_max_window_bits=9"),
            ),
            (
                remembering,
                "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits=8",
                Some("permessage-deflate; client_max_window_bits=8"),
            ),
            (
                narrow,
                "permessage-deflate; client_max_window_bits",
                Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=11"),
            ),
            (narrow, "permessage-deflate", Some("permessage-deflate; server_max_window_bits=10")),
        ] {
            assert_eq!(answer(deflate, offer).as_deref(), taken, "{offer}");
        }
    }

    #[test]
    fn a_malformed_header_is_no_offer() {
        for bad in [
            "a b",
            "a;",
            "a;b=",
            "a;b=\"",
            "a;b=\"\"",
            "a=b",
            "\"a\"",
            "a;;b",
            "a;b=\"c\\",
            "a;b c",
            "a;b=\"c d\"",
            "a;b=\"c,d\"",
        ] {
            assert_eq!(Deflate::default().negotiate([bad.as_bytes()].into_iter()), Err(Malformed), "{bad}");
        }
    }
}
