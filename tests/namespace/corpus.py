#!/usr/bin/env python3
# fetches
"""Somebody else's opinion of HTTP: the request corpus of gunicorn's test suite, replayed over the TAP.

Each of its raw requests has a file beside it that says whether it is valid, and what it means. The house need not
agree: each disagreement stands in the table below with the section of RFC 9110 or 9112 that decides it, and in
docs/http-corpus.md. One that is not in the table fails the test; so does an entry that is not met any more.

    corpus.py --fetch     puts the archive into the cache (a lab has no network); scripts/test does so before
    corpus.py             in a lab: replays it, exit status 77 if the archive is not there
    corpus.py --all       the same, and prints every verdict

Nothing of the archive is executed or kept here. The decoder and the judge are the house's own.
"""

import argparse
import ast
import asyncio
import collections
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time

VERSION = "27.0.1"
SHA256 = "b1514965361c8b7e8107a80aa2a92636878df1ccfac6dd204a676426e04d9e3e"
FILES = {"valid": 62, "invalid": 81}

SERVER = ("192.0.2.2", 80)
# Follows what is sent; answered only if the connection is kept, and its framing was understood.
SENTINEL, SENTINEL_BODY = b"GET /hello HTTP/1.1\r\nHost: corpus\r\n\r\n", b"Hello, world!"
PATIENCE, AT_ONCE = 10.0, 48
# So many places to cut a request in two; so many bytes of one that is also sent byte by byte.
CUTS, BYTEWISE = 16, 220

AS_IT_IS, WITH_HOST, TO_ECHO = "as it is", "with Host", "to /echo"

# --- the tables ---------------------------------------------------------------------------------------------

# Why the house is right, what it does instead in which variant, and with which files.
DISAGREEMENTS = [
    ("RFC 9112 3.2: HTTP/1.1 without Host MUST be answered by 400",
     {AS_IT_IS: "400 closed"},
     "valid/004 valid/005 valid/006 valid/007 valid/010 valid/011 valid/012 valid/013 valid/014 valid/018 valid/021 "
     "valid/023 valid/025 valid/025_line valid/029 valid/030 valid/100"),
    ("RFC 9112 3.2: the same, of the second of two requests",
     {AS_IT_IS: "404 400 closed"}, "valid/022"),
    ("RFC 9112 3.2.1: a target has no fragment; 3.2: an invalid request line is answered by 400",
     {WITH_HOST: "400 closed"}, "valid/005"),
    ("RFC 3986 3.3: a target has no quotation marks; RFC 9112 3.2: an invalid request line is answered by 400",
     {WITH_HOST: "400 closed"}, "valid/014"),
    ("RFC 9112 6.1: a transfer coding that is not understood is answered by 501",
     {WITH_HOST: "501 closed", TO_ECHO: "501 closed"}, "valid/025 valid/025_line"),
    ("RFC 9112 6.1: the same; gunicorn hands the body on as it is coded",
     {AS_IT_IS: "501 closed", TO_ECHO: "501 closed"}, "valid/rfc9112_smuggle_gzip_chunked_01"),
    ("RFC 9112 6.1: the same; RFC 9112 7 has no coding `identity`",
     {WITH_HOST: "501 closed", TO_ECHO: "501 closed"}, "valid/029 valid/030"),
    ("RFC 9112 6.1: the same; RFC 9112 7 has no coding `identity`",
     {AS_IT_IS: "501 closed", TO_ECHO: "501 closed"}, "valid/rfc9112_smuggle_te_identity_chunked_01"),
    ("RFC 9110 9.1: a method that is not known is answered by 501",
     {AS_IT_IS: "501 closed", WITH_HOST: "501 closed"}, "valid/031"),
    ("RFC 9110 9.3.6: CONNECT is for proxies; 9.1: a method that is not implemented is answered by 501",
     {AS_IT_IS: "501 closed"}, "valid/rfc9112_target_authority_connect_01 valid/rfc9112_target_authority_ipv6_01"),
    ("RFC 9110 7.4: `https` MUST be rejected on a connection that is not secured",
     {AS_IT_IS: "400 closed"}, "valid/rfc9112_target_absolute_https_01"),
    ("RFC 9110 4.2.4: userinfo is to be treated as an error",
     {AS_IT_IS: "400 closed"}, "valid/rfc9112_target_absolute_userinfo_01"),
    ("RFC 9112 6.3: a body that ends before its Content-Length MUST be taken for incomplete; gunicorn hands it on",
     {AS_IT_IS: "404 closed", TO_ECHO: "400 closed"}, "valid/099"),
    ("RFC 9110 8.3 knows of Content-Type sent twice, and wants no refusal; at this path nobody reads it",
     {AS_IT_IS: "404 kept"}, "invalid/041"),
    ("RFC 9112 7.1.2: received trailers MAY be discarded, and only MUST NOT be merged into the head",
     {AS_IT_IS: "404 kept", TO_ECHO: "200 kept"},
     "invalid/rfc9110_trailer_forbidden_cl_01 invalid/rfc9110_trailer_forbidden_host_01 "
     "invalid/rfc9110_trailer_forbidden_te_01"),
    ("RFC 9112 2.2: at least one empty line before a request is ignored, so two may be",
     {AS_IT_IS: "200 kept"}, "invalid/rfc9112_leading_crlf_02"),
]

# Why the file says nothing of the house, the setting of gunicorn (or its default limit) that it is about, and the
# files.
DO_NOT_APPLY = [
    ("smaller limits than the house has; RFC 9112 3 wants 8,000 bytes of request line at least",
     "LimitRequestLine", "invalid/006"),
    ("smaller limits than the house has; RFC 9110 5.4 sets none",
     "LimitRequestHeaders", "invalid/007 invalid/008 invalid/017"),
    ("smaller limits than the house has; RFC 9110 5.4 sets none",
     "limit_request_field_size", "invalid/010 invalid/012 invalid/013 invalid/limit_header_default_01"),
    ("smaller limits than the house has; RFC 9110 5.4 sets none", "limit_request_fields", "invalid/011"),
    ("trusts fields that proxies add; the house reads none of them", "forwarded_allow_ips", "invalid/019"),
    ("refuses underscores in names, for the sake of CGI; RFC 9110 5.6.2 has them in tokens",
     "header_map", "invalid/040 invalid/chunked_07"),
    ("begins with a PROXY header, which is not HTTP", "proxy_protocol",
     "invalid/pp_01 invalid/pp_02 invalid/pp_03 valid/pp_01 valid/pp_02 valid/pp_04 valid/pp_05"),
    ("takes a space before the colon; the default refuses it, as invalid/020", "strip_header_spaces", "valid/028"),
    ("lifts or changes rules for names of methods that gunicorn has made itself",
     "permit_unconventional_http_method", "valid/031compat valid/031compat2"),
    ("takes folded fields; the default refuses them, as invalid/obs_fold_01", "permit_obsolete_folding",
     "valid/compat_obs_fold valid/compat_obs_fold_huge"),
]

# Files with a setting that makes gunicorn do what the house always does.
APPLY_AS_THEY_ARE = [
    ("limits as large as the house's", "limit_request_field_size", "valid/024 valid/026"),
    ("underscores in names are as good as any", "header_map", "valid/040_compat"),
    ("no PROXY header is sent", "proxy_protocol", "valid/pp_03"),
]

# Errors of gunicorn in what follows the head, which the house may have answered already.
IN_BODY = {"InvalidChunkSize", "InvalidChunkExtension", "ChunkMissingTerminator"}
# Errors of gunicorn because the input ends.
CUT_SHORT = {"NoMoreData", "ChunkMissingTerminator"}


# --- the archive --------------------------------------------------------------------------------------------


def archive_path():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "taphouse", f"gunicorn-{VERSION}.tar.gz")


def is_whole(path):
    try:
        with open(path, "rb") as archive:
            return hashlib.sha256(archive.read()).hexdigest() == SHA256
    except OSError:
        return False


# pip saves an archive only after it has asked the archive's build backend for metadata. This one is found in its
# place, so that nothing is built, installed or executed.
BACKEND = f"""
import os
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    name = "gunicorn-{VERSION}.dist-info"
    os.mkdir(os.path.join(directory, name))
    with open(os.path.join(directory, name, "METADATA"), "w") as metadata:
        metadata.write("Metadata-Version: 2.1\\nName: gunicorn\\nVersion: {VERSION}\\n")
    return name
"""


def fetch():
    """Puts the archive into the cache, if it is not there."""
    path = archive_path()
    if is_whole(path):
        return
    with tempfile.TemporaryDirectory() as scratch:
        backend, wanted = os.path.join(scratch, "backend", "setuptools"), os.path.join(scratch, "wanted")
        os.makedirs(backend)
        for name, text in [("__init__.py", ""), ("build_meta.py", BACKEND)]:
            with open(os.path.join(backend, name), "w") as file:
                file.write(text)
        with open(wanted, "w") as file:
            file.write(f"gunicorn=={VERSION} --hash=sha256:{SHA256}\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--no-binary", ":all:", "--no-build-isolation", "--ignore-requires-python", "--require-hashes",
             "--dest", scratch, "--requirement", wanted],
            env={**os.environ, "PYTHONPATH": os.path.dirname(backend)}, check=True, timeout=110,
        )
        os.makedirs(os.path.dirname(path), exist_ok=True)
        partial = f"{path}.{os.getpid()}"
        with open(os.path.join(scratch, os.path.basename(path)), "rb") as had, open(partial, "wb") as kept:
            kept.write(had.read())
        os.replace(partial, path)


def corpus():
    """The cases, by name."""
    texts = {}
    with tarfile.open(archive_path()) as archive:
        for member in archive:
            found = re.fullmatch(r"[^/]+/tests/requests/(\w+/[\w-]+\.(?:http|py))", member.name)
            if found and member.isfile():
                texts[found[1]] = archive.extractfile(member).read()
    names = sorted(name[:-5] for name in texts if name.endswith(".http"))
    return {name: Case(name, texts[name + ".http"], texts[name + ".py"]) for name in names}


ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(r\\n|[0nt]))")
PLAIN = {b"r\\n": b"\r\n", b"0": b"\0", b"n": b"\n", b"t": b"\t"}


def decode(text):
    """The bytes of a request. Ends of lines are for the reader; what is sent is written as escapes."""
    text = text.replace(b"\n", b"")
    assert b"\\" not in ESCAPE.sub(b"", text), f"an escape that is not known: {text!r}"
    return ESCAPE.sub(lambda m: PLAIN[m[2]] if m[2] else bytes([int(m[1], 16)]), text)


class Case:
    """A file of the corpus, and what gunicorn makes of it."""

    def __init__(self, name, http, py):
        self.name, self.data = name, decode(http)
        # The settings of gunicorn that it needs; the error that it is to raise, or the requests that are read.
        self.settings, self.error, self.requests = {}, None, []
        self.read(py)
        assert (self.error is None) == name.startswith("valid/"), name

    def read(self, py):
        """Reads off what the Python file would do, without doing it."""
        names = {}
        for statement in ast.parse(py).body:
            if isinstance(statement, ast.Assign):
                target = statement.targets[0].id
                if isinstance(statement.value, ast.Name) and statement.value.id not in names:
                    names[target] = statement.value.id
                elif target != "cfg":
                    names[target] = value_of(statement.value, names)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                assert ast.unparse(statement.value.func) == "cfg.set", ast.unparse(statement)
                setting, value = (value_of(argument, names) for argument in statement.value.args)
                self.settings[setting] = value
            else:
                # Imports, and texts that say what the file is about.
                assert isinstance(statement, (ast.ImportFrom, ast.Expr)), ast.unparse(statement)
        expected = names["request"]
        if isinstance(expected, str):
            self.error = expected
        else:
            self.requests = expected if isinstance(expected, list) else [expected]


def value_of(node, names):
    """The value of an expression in an expectation: literals, names, `uri(...)`, and methods of texts."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.Dict(keys=keys, values=values):
            return {value_of(k, names): value_of(v, names) for k, v in zip(keys, values)}
        case ast.List(elts=elements):
            return [value_of(e, names) for e in elements]
        case ast.Tuple(elts=elements):
            return tuple(value_of(e, names) for e in elements)
        case ast.Call(func=ast.Name(id="uri"), args=[target]):
            return value_of(target, names)
        case ast.Call(func=ast.Attribute(value=text, attr="encode" | "decode" | "replace" as method), args=arguments):
            return getattr(value_of(text, names), method)(*(value_of(a, names) for a in arguments))
    raise ValueError(f"an expectation that is not understood: {ast.unparse(node)}")


# --- what is sent, and what is expected -----------------------------------------------------------------------

# So many answers that are no refusals, the last with this body if it is given; then the connection is kept or not.
Answers = collections.namedtuple("Answers", "count keeps body")
# One refusal, and the connection ends. A body may be found wrong after the answer was given; an end of input may be
# met without one (RFC 9112 8: "MAY send an error response").
Refusal = collections.namedtuple("Refusal", "after_head cut_short")
Trial = collections.namedtuple("Trial", "case variant data ends expected")


def trials(case):
    """The variants of a case: gunicorn wants no Host, so most files would be refused for that alone; and that a body
    was understood is seen only where it is given back."""
    ends = case.error in CUT_SHORT or any(promised(r) > len(r["body"]) for r in case.requests)
    yield Trial(case.name, AS_IT_IS, case.data, ends, expected(case))
    data = with_host(case)
    if data != case.data:
        yield Trial(case.name, WITH_HOST, data, ends, expected(case))
    if re.search(rb"(?i)\r\n(Content-Length|Transfer-Encoding) ?:", data) and len(case.requests) < 2:
        data, is_changed = re.subn(rb"^[A-Z]+ /\S* HTTP/", b"POST /echo HTTP/", data)
        if is_changed:
            yield Trial(case.name, TO_ECHO, data, ends, expected(case, echoed=True))


def promised(request):
    return int(dict(request["headers"]).get("CONTENT-LENGTH", 0))


def expected(case, echoed=False):
    if case.error:
        return Refusal(case.error in IN_BODY and not echoed, case.error in CUT_SHORT)
    last = case.requests[-1]
    connection = dict(last["headers"]).get("CONNECTION", "").lower()
    keeps = connection == "keep-alive" if last["version"] == (1, 0) else connection != "close"
    return Answers(len(case.requests), keeps, last["body"] if echoed else None)


def with_host(case):
    """The data, with a Host for each request of HTTP/1.1 that has none."""
    data, at = case.data, 0
    lacks = ["HOST" not in dict(r["headers"]) for r in case.requests]
    if case.error:
        head = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
        lacks = [not re.search(rb"(?i)[\r\n]Host *:", head)]
    for is_lacking in lacks:
        # The end of the next request line. Where there is none of HTTP/1.1, there is nothing to put right.
        found = re.compile(rb" HTTP/1\.([01])\r\n").search(data, at)
        if not found:
            break
        at = found.end()
        if is_lacking and found[1] == b"1":
            data = data[:at] + b"Host: corpus\r\n" + data[at:]
    return data


def ways(data):
    """How the data is cut, in words and pieces: not at all; in two, evenly and within ends of lines; into its bytes."""
    yield "whole", [data]
    inside = [m.start() + 1 for m in re.finditer(rb"\r\n", data)]
    cuts = {1, len(data) - 1, *range(1, len(data), len(data) // CUTS + 1), *inside[:CUTS], *inside[-2:]}
    for cut in sorted(cuts):
        yield f"cut at {cut}", [data[:cut], data[cut:]]
    if len(data) <= BYTEWISE:
        yield "byte by byte", [bytes([b]) for b in data]


# --- what comes back ------------------------------------------------------------------------------------------

# The answers, as status and body; how it ended: kept, closed, reset, silent (neither, for too long) or garbled.
Seen = collections.namedtuple("Seen", "answers end")


def summary(seen):
    return " ".join([*(str(status) for status, _ in seen.answers), seen.end])


async def exchange(pieces, ends):
    """Sends the pieces, then the end of input or the sentinel, and takes what comes."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection(*SERVER), PATIENCE)
    pause = 0.003 if len(pieces) == 2 else 0.0005
    got = bytearray()

    async def read():
        while not got.endswith(b"\r\n\r\n" + SENTINEL_BODY) and (chunk := await reader.read(65536)):
            got.extend(chunk)

    end = "closed"
    try:
        for i, piece in enumerate(pieces):
            is_last = i == len(pieces) - 1
            # The sentinel comes in the same segment, if it can.
            writer.write(piece + SENTINEL if is_last and not ends else piece)
            if not is_last:
                await asyncio.sleep(pause)
        if ends:
            writer.write_eof()
        await asyncio.wait_for(read(), PATIENCE)
    except asyncio.TimeoutError:
        end = "silent"
    except OSError:
        end = "reset"
    writer.close()
    return take_apart(bytes(got), end)


def take_apart(got, end):
    answers = []
    while got:
        head, found, rest = got.partition(b"\r\n\r\n")
        line = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        length = re.search(rb"(?i)\r\nContent-Length: (\d+)(?:\r\n|$)", head)
        if not found or not line or not length and line[1] not in (b"204", b"304"):
            return Seen(tuple(answers), "garbled")
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return Seen(tuple(answers), "garbled")
        answers.append((int(line[1]), rest[:size]))
        got = rest[size:]
    if answers and answers[-1] == (200, SENTINEL_BODY):
        return Seen(tuple(answers[:-1]), "kept")
    return Seen(tuple(answers), end)


def is_refusal(status):
    return status in (400, 408, 411, 413, 414, 417, 421, 431) or status >= 500


def agrees(wanted, seen):
    statuses = [status for status, _ in seen.answers]
    if isinstance(wanted, Refusal):
        if seen.end != "closed" or len(statuses) > 1:
            return False
        if not statuses:
            return wanted.cut_short
        return is_refusal(statuses[0]) or (wanted.after_head and statuses[0] == 404)
    return (
        seen.end == ("kept" if wanted.keeps else "closed")
        and len(statuses) == wanted.count
        and not any(map(is_refusal, statuses))
        and (wanted.body is None or seen.answers[-1] == (200, wanted.body))
    )


def opposite(wanted):
    """What the other verdict would want: no answer can satisfy both."""
    return Answers(1, True, None) if isinstance(wanted, Refusal) else Refusal(False, False)


async def replay(all_trials):
    """What was seen of each trial, each with one way of cutting that led to it."""
    seen, slots = collections.defaultdict(dict), asyncio.Semaphore(AT_ONCE)

    async def one(trial, way, pieces):
        async with slots:
            seen[trial].setdefault(await exchange(pieces, trial.ends), way)

    work = [one(trial, way, pieces) for trial in all_trials for way, pieces in ways(trial.data)]
    await asyncio.gather(*work)
    return seen, len(work)


# --- the verdict ------------------------------------------------------------------------------------------------


def applicable(cases):
    """The cases that are replayed; and what is wrong with the tables of those that are not."""
    wrong, named = [], {}
    for table in (DO_NOT_APPLY, APPLY_AS_THEY_ARE):
        for _, about, names in table:
            for name in names.split():
                case = cases.get(name)
                named[name] = table
                if not case or about not in case.settings and about != case.error:
                    wrong.append(f"{name}: is not about {about}")
    wrong += [f"{n}: needs {c.settings}, and is in no table" for n, c in cases.items() if c.settings and n not in named]
    return [c for n, c in cases.items() if named.get(n) is not DO_NOT_APPLY], wrong


def by_variant(table):
    """What the table says is seen, by name and variant."""
    rows = {}
    for _, variants, names in table:
        for name in names.split():
            for variant, what in variants.items():
                assert (name, variant) not in rows, f"{name} {variant} is twice in the table"
                rows[name, variant] = what
    return rows


def judge(seen):
    """What is wrong, a line each."""
    differing, wrong = by_variant(DISAGREEMENTS), []
    for trial, results in seen.items():
        key, got = (trial.case, trial.variant), sorted({summary(s) for s in results})
        name = f"{trial.case} {trial.variant}: " + ", ".join(f"{summary(s)} ({way})" for s, way in results.items())
        disagreeing = [s for s in results if not agrees(trial.expected, s)]
        difference = differing.pop(key, None)
        if difference:
            is_so = got == [difference] and len(disagreeing) == len(results)
            wrong += [f"{name}, but the table of disagreements says {difference!r}"] * (not is_so)
        elif disagreeing:
            wrong.append(f"{name}, but gunicorn's verdict is {str(trial.expected)[:200]}")
        elif any(agrees(opposite(trial.expected), s) for s in results):
            wrong.append(f"{name} would also satisfy the opposite verdict: the judge is too lenient")
    return wrong + [f"{key}: is in a table, but was not sent" for key in differing]


def check_page(counts):
    """docs/http-corpus.md has these counts, and a word on each file of the tables."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    with open(os.path.join(root, "docs", "http-corpus.md")) as page:
        text = page.read()
    names = [n for _, _, names in DISAGREEMENTS + DO_NOT_APPLY for n in names.split()]
    wrong = [f"docs/http-corpus.md says nothing of {n}" for n in names if f"`{n}`" not in text]
    return wrong + [f"docs/http-corpus.md does not say {counts!r}"] * (counts not in text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fetch", action="store_true", help="put the archive into the cache, and no more")
    parser.add_argument("--all", action="store_true", help="print every verdict")
    options = parser.parse_args()
    if options.fetch:
        fetch()
        return 0
    if not is_whole(archive_path()):
        print(f"gunicorn-{VERSION}.tar.gz is not in the cache; corpus.py --fetch brings it, where there is a network")
        return 77

    began = time.monotonic()
    cases = corpus()
    for kind, count in FILES.items():
        found = sum(name.startswith(kind + "/") for name in cases)
        assert found == count, f"{found} {kind} requests in the archive, and not {count}"
    replayed, wrong = applicable(cases)
    seen, exchanges = asyncio.run(replay([trial for case in replayed for trial in trials(case)]))
    if options.all:
        for trial, results in sorted(seen.items()):
            verdict = "agrees" if all(agrees(trial.expected, s) for s in results) else "differs"
            print(f"{verdict} {trial.case} {trial.variant}: {sorted(map(summary, results))}")
    wrong += judge(seen)
    differing = {name for name, _ in by_variant(DISAGREEMENTS)}
    counts = (f"{len(replayed) - len(differing)} agree, {len(differing)} disagree for a reason, "
              f"{len(cases) - len(replayed)} do not apply")
    wrong += check_page(counts)
    print(*wrong, sep="\n", end="\n" * bool(wrong))
    print(f"{len(cases)} requests: {counts}; {exchanges} exchanges in {time.monotonic() - began:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
