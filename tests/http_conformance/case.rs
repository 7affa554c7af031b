//! One line of a table: a request, where the RFC speaks of it, and what must come of it.

/// The bytes of a case, written as short as its topic allows.
#[derive(Clone, Copy)]
pub(crate) enum Raw {
    /// All of them.
    Bytes(&'static [u8]),
    /// A request line; a Host and the empty line follow.
    Line(&'static [u8]),
    /// Field lines of `GET /hello` beside its Host, each but the last with its CRLF.
    Fields(&'static [u8]),
    /// Field lines of `GET /hello` in place of its Host, the same way.
    InPlaceOfHost(&'static [u8]),
    /// Field lines of `POST /echo`, and what follows its head.
    Echo(&'static [u8], &'static [u8]),
    /// What follows the head of a chunked `POST /echo`.
    Chunks(&'static [u8]),
    /// Made when it is needed, where it is long.
    Made(fn() -> Vec<u8>),
}

impl Raw {
    pub(crate) fn bytes(self) -> Vec<u8> {
        const GET: &[u8] = b"GET /hello HTTP/1.1\r\nHost: a\r\n";
        const POST: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\n";
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Line(line) => [line, b"\r\nHost: a\r\n\r\n"].concat(),
            Self::Fields(fields) => [GET, fields, b"\r\n\r\n"].concat(),
            Self::InPlaceOfHost(fields) => [b"GET /hello HTTP/1.1\r\n", fields, b"\r\n\r\n"].concat(),
            Self::Echo(fields, rest) => [POST, fields, b"\r\n\r\n", rest].concat(),
            Self::Chunks(rest) => [POST, b"Transfer-Encoding: chunked\r\n\r\n", rest].concat(),
            Self::Made(make) => make(),
        }
    }
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The RFC and its section, as `9112 3.2`.
    pub(crate) section: &'static str,
    pub(crate) raw: Raw,
    /// The statuses of the final answers, in order.
    pub(crate) answers: &'static [u16],
    /// The connection goes on after them.
    pub(crate) is_kept: bool,
    /// The requests are HEAD: their answers have no body.
    pub(crate) is_head: bool,
    /// Who sends the head alone gets one 100 (Continue); nobody gets any other interim answer.
    pub(crate) continues: bool,
    /// What the answers must contain, and what they must not.
    pub(crate) has: &'static [&'static str],
    pub(crate) lacks: &'static [&'static str],
    /// The content of the last answer.
    pub(crate) body: Option<&'static [u8]>,
}

impl Case {
    /// A request that is answered so, by a connection that goes on.
    pub(crate) const fn kept(
        name: &'static str,
        section: &'static str,
        raw: Raw,
        answers: &'static [u16],
    ) -> Self {
        Self {
            name,
            section,
            raw,
            answers,
            is_kept: true,
            is_head: false,
            continues: false,
            has: &[],
            lacks: &[],
            body: None,
        }
    }

    /// A request that is answered so, and is the last one.
    pub(crate) const fn last(
        name: &'static str,
        section: &'static str,
        raw: Raw,
        answers: &'static [u16],
    ) -> Self {
        Self {
            is_kept: false,
            has: &["\r\nConnection: close\r\n"],
            ..Self::kept(name, section, raw, answers)
        }
    }

    /// 400, and the end of the connection.
    pub(crate) const fn bad(name: &'static str, section: &'static str, raw: Raw) -> Self {
        Self::last(name, section, raw, &[400])
    }

    pub(crate) const fn head_only(self) -> Self {
        Self { is_head: true, ..self }
    }

    pub(crate) const fn continues(self) -> Self {
        Self { continues: true, ..self }
    }

    pub(crate) const fn has(self, has: &'static [&'static str]) -> Self {
        Self { has, ..self }
    }

    pub(crate) const fn lacks(self, lacks: &'static [&'static str]) -> Self {
        Self { lacks, ..self }
    }

    pub(crate) const fn body(self, body: &'static [u8]) -> Self {
        Self { body: Some(body), ..self }
    }
}
