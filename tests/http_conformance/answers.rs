//! Answers read back from the wire, strictly: RFC 9112 4 to 7, and the fields that each must have.

/// What Date says at the driver's moment.
pub(crate) const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head's bytes, empty line included.
    pub(crate) head: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(n, _)| n == name).map(|(_, v)| &**v)
    }

    /// The value of a field that stands there at most once.
    fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, String> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(format!("{name} stands there twice:\n{}", self.head)),
            (value, None) => Ok(value),
        }
    }

    pub(crate) fn closes(&self) -> bool {
        self.values("connection").any(|v| v == "close")
    }
}

/// All answers, final and interim ones, of which nothing may be left over.
pub(crate) fn parse(mut wire: &[u8], is_head: bool) -> Result<Vec<Answer>, String> {
    let mut answers: Vec<Answer> = Vec::new();
    while !wire.is_empty() {
        if answers.last().is_some_and(Answer::closes) {
            return Err("bytes after the answer that said close".to_owned());
        }
        answers.push(take_answer(&mut wire, is_head)?);
    }
    Ok(answers)
}

fn take_line<'a>(wire: &mut &'a [u8]) -> Result<&'a str, String> {
    let end = wire.windows(2).position(|w| w == b"\r\n").ok_or("a line without an end")?;
    let line = std::str::from_utf8(&wire[..end]).map_err(|_| "a line that is no text")?;
    if line.contains(['\r', '\n', '\0']) {
        return Err(format!("a bare CR, LF or NUL in {line:?}"));
    }
    *wire = &wire[end + 2..];
    Ok(line)
}

fn take_answer(wire: &mut &[u8], is_head: bool) -> Result<Answer, String> {
    let start = *wire;
    let line = take_line(wire)?;
    // RFC 9112 4: the version, a space, three digits, and a space even without a reason phrase.
    let digits = line.strip_prefix("HTTP/1.1 ").ok_or_else(|| format!("no status line: {line:?}"))?;
    let status = digits.get(..3).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let status = status.and_then(|d| d.parse().ok()).ok_or_else(|| format!("no status: {line:?}"))?;
    if digits.get(3..4) != Some(" ") || !(100..600).contains(&status) {
        return Err(format!("no status line: {line:?}"));
    }
    let mut fields = Vec::new();
    loop {
        let line = take_line(wire)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("no field: {line:?}"))?;
        let is_token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if name.is_empty() || !is_token || value.is_empty() || value.trim_ascii() != value {
            return Err(format!("no clean field: {line:?}"));
        }
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let head = String::from_utf8_lossy(&start[..start.len() - wire.len()]).into_owned();
    let mut answer = Answer { status, head, fields, body: Vec::new() };
    if status < 200 {
        let is_bare = answer.fields.is_empty() && status == 100;
        return if is_bare { Ok(answer) } else { Err(format!("an odd interim answer:\n{}", answer.head)) };
    }
    check_fields(&answer)?;
    answer.body = take_body(&answer, wire, is_head)?;
    Ok(answer)
}

/// What RFC 9110 wants of every final answer of a server with a clock: 6.6.1, 10.2.1, 10.2.4, 8.6.
fn check_fields(answer: &Answer) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}:\n{}", answer.head));
    if answer.one("date")? != Some(DATE) {
        return wrong("no Date, or another");
    }
    if answer.one("server")? != Some("taphouse") {
        return wrong("no Server, or another");
    }
    let length = answer.one("content-length")?;
    let coding = answer.one("transfer-encoding")?;
    if coding.is_some_and(|c| c != "chunked") || (coding.is_some() && length.is_some()) {
        return wrong("an odd framing");
    }
    if answer.status == 204 && (coding.is_some() || length.is_some()) {
        return wrong("204 with a framing (RFC 9110 8.6, RFC 9112 6.1)");
    }
    if answer.status == 405 && answer.one("allow")?.is_none() {
        return wrong("405 without Allow (RFC 9110 15.5.6)");
    }
    if !matches!(answer.one("connection")?, None | Some("close" | "keep-alive")) {
        return wrong("an odd Connection");
    }
    let has_content = length.is_some_and(|l| l != "0") || coding.is_some();
    if has_content && answer.one("content-type")?.is_none() {
        return wrong("content without its type");
    }
    Ok(())
}

/// RFC 9112 6.3.
fn take_body(answer: &Answer, wire: &mut &[u8], is_head: bool) -> Result<Vec<u8>, String> {
    if is_head || answer.status == 204 {
        return Ok(Vec::new());
    }
    if answer.values("transfer-encoding").next().is_some() {
        return take_chunks(wire);
    }
    let Some(length) = answer.values("content-length").next() else {
        if answer.closes() {
            return Ok(std::mem::take(wire).to_vec());
        }
        return Err(format!("no end of the content is told:\n{}", answer.head));
    };
    let is_number = length.bytes().all(|b| b.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length = length.parse().ok().filter(|_| is_number).ok_or_else(|| format!("no length: {length}"))?;
    let body = wire.get(..length).ok_or_else(|| format!("content shorter than its {length} bytes"))?;
    *wire = &wire[length..];
    Ok(body.to_vec())
}

fn take_chunks(wire: &mut &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let line = take_line(wire)?;
        let size = usize::from_str_radix(line, 16).map_err(|_| format!("no chunk size: {line:?}"))?;
        body.extend_from_slice(wire.get(..size).ok_or("a chunk shorter than its size")?);
        *wire = &wire[size..];
        if !take_line(wire)?.is_empty() {
            return Err("a chunk longer than its size, or a trailer".to_owned());
        }
        if size == 0 {
            return Ok(body);
        }
    }
}
