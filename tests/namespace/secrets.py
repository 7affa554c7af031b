# outside
# No secret in any log: the whole service at the trace level, with an access log and a capture, is told marked passwords,
# addresses, messages, tokens and cookies; then it is made to crash. Whatever it wrote is searched for every mark, as it is and
# as it would be encoded.
import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tools"))
from websocket import CLOSE, TEXT, Seat  # noqa: E402

SCRATCH = pathlib.Path(os.environ["SCRATCH"])
BIN = os.environ["TAPHOUSE_BIN"]
WRITTEN = SCRATCH / "written"
HOST = "192.0.2.2"

PASSWORD, OLD, WRONG, KEEPERS = "Zebra+pass&word-1", "Zebra-pass-word-0", "Zebra-wrong-word-9", "Zebra-keeper-word-3"
EMAIL, NICKNAME = "marked.zebra@example.com", "Zebranick"
SAID, WHISPERED, NOISE = "zebra says this aloud", "zebra whispers this", "zebra noise that is no json"
AGENT, QUERY, NAME = "zebra-agent-in-a-field", "zebra-in-a-query", "zebra-name-of-a-message"


def ask(method, path, body=None, content_type="application/json", headers=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    headers = {"User-Agent": AGENT, **(headers or {})}
    if data is not None:
        headers["Content-Type"] = content_type
    request = urllib.request.Request(f"http://{HOST}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null"), error.headers


def inside():
    """In the lab: everything that a service is told. Gives the tokens and cookies that it made."""
    made = []

    def tokens(answer):
        made.extend(answer[name] for name in ("access_token", "refresh_token") if name in answer)
        return answer

    form = urllib.parse.urlencode({"email": EMAIL, "nickname": NICKNAME, "password": OLD}).encode()
    assert ask("POST", "/users", form, "application/x-www-form-urlencoded")[0] == 201
    xml = f"<u><email>x{EMAIL}</email><nickname>{NICKNAME}</nickname><password>{OLD}</password></u>".encode()
    assert ask("POST", "/users", xml, "application/xml")[0] == 201
    assert ask("POST", "/users", {"email": EMAIL, "nickname": NICKNAME, "password": OLD})[0] == 409
    assert ask("POST", "/users", {"email": NOISE, "nickname": "", "password": WRONG[:7]})[0] == 422
    assert ask("POST", "/users", f"{{{NOISE}".encode())[0] == 400
    assert ask("POST", "/sessions", {"email": EMAIL, "password": WRONG})[0] == 401
    session = tokens(ask("POST", "/sessions", {"email": EMAIL, "password": OLD})[1])
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    assert ask("PUT", "/users/1", {"password": PASSWORD, "old_password": OLD}, headers=bearer)[0] == 200
    assert ask("GET", "/users/1", headers=bearer)[0] == 401
    status, session, headers = ask("POST", "/sessions", {"email": EMAIL, "password": PASSWORD, "cookies": True},
                                   headers={"Origin": f"http://{HOST}"})
    assert status == 200
    tokens(session)
    cookies = [value.split(";")[0] for value in headers.get_all("Set-Cookie")]
    made.extend(cookie.partition("=")[2] for cookie in cookies)
    jar = {"Cookie": "; ".join(cookies), "Origin": f"http://{HOST}"}
    status, session, headers = ask("POST", "/sessions/refresh", b"", headers=jar)
    assert status == 200, session
    tokens(session)
    made.extend(value.split(";")[0].partition("=")[2] for value in headers.get_all("Set-Cookie"))
    access = session["access_token"]
    assert ask("GET", f"/users/1?details=full&extra={QUERY}", headers={"Authorization": f"Bearer {access}"})[0] == 200

    one = Seat("/ws/1/1", (HOST, 80), [f"Authorization: Bearer {access}", f"User-Agent: {AGENT}"])
    two = Seat("/ws?table_id=1&client_id=2", (HOST, 80), [f"Sec-WebSocket-Protocol: taphouse, bearer.{access}"])
    for text in (json.dumps({"type": "say", "text": SAID, "id": NAME}), json.dumps({"type": "whisper", "to": 2, "text": WHISPERED}),
                 NOISE, json.dumps({"type": "auth", "token": access})):
        one.send(TEXT, text.encode())
    heard = b""
    while SAID.encode() not in heard or WHISPERED.encode() not in heard:
        heard += two.receive()[1]
    one.send(CLOSE, b"\x03\xe8" + NOISE.encode())
    assert ask("GET", "/tables/1", headers={"Authorization": f"Bearer {access}"})[0] == 200
    added = subprocess.run([BIN, "user", "add", f"keeper.{EMAIL}", "--nickname", NICKNAME, "--role", "admin"], input=KEEPERS,
                           capture_output=True, text=True)
    assert added.returncode == 0, added
    for words in (["connections", "--json"], ["counters", "--all"], ["arp"], ["explain", "-n", "3"]):
        with open(WRITTEN / f"ctl-{words[0]}", "wb") as out:
            ctl = subprocess.Popen([BIN, "ctl", *words], stdout=out, stderr=out)
            ask("GET", "/users/1", headers={"Authorization": f"Bearer {access}"})
            ctl.wait(20)
    with urllib.request.urlopen(f"http://{HOST}/metrics", timeout=10) as answer:
        (WRITTEN / "metrics").write_bytes(answer.read())
    (SCRATCH / "made.json").write_text(json.dumps(made))
    # What is kept: addresses and messages are, passwords and tokens are not.
    kept = b"".join(path.read_bytes() for path in pathlib.Path(os.environ["TAPHOUSE_DATA"]).iterdir() if path.is_file())
    assert EMAIL.encode() in kept and SAID.encode() in kept
    not_kept = {name: value for name, value in marks().items() if name not in ("address", "nickname", "said", "whispered", "a name")}
    search({"the data": kept}, not_kept)
    # A crash: what a house writes in its last moment.
    os.kill(int(os.environ["TAPHOUSE_PID"]), signal.SIGABRT)
    time.sleep(0.5)


def marks():
    """Everything secret, by name."""
    made = json.loads((SCRATCH / "made.json").read_text())
    found = {"password": PASSWORD, "old password": OLD, "wrong password": WRONG, "keeper's password": KEEPERS, "address": EMAIL,
             "nickname": NICKNAME, "said": SAID, "whispered": WHISPERED, "noise": NOISE, "a field": AGENT, "a query": QUERY, "a name": NAME}
    for at, token in enumerate(made):
        # Each part of a token is one that nobody else should have.
        for part_at, part in enumerate(token.split(".")):
            if part_at > 0 or "." not in token:
                found[f"token {at}.{part_at}"] = part
    return found


def search(written, secrets):
    """Fails if a mark is in what was written: as it is, in other encodings, or in pieces as lines are wrapped."""
    for where, content in written.items():
        small = content.lower()
        for name, secret in secrets.items():
            raw = secret.encode()
            forms = {raw, urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(), raw.hex().encode(),
                     json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le"),
                     *(base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3))}
            for form in forms:
                at = small.find(form.lower()) if len(form) > 6 else -1
                assert at < 0, f"{name} stands in {where}: …{content[max(0, at - 80):at + 80]!r}…"


def main():
    WRITTEN.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"RUST_LOG": "trace", "RUST_BACKTRACE": "full", "TAPHOUSE_LOG": str(WRITTEN / "server.log")}
    lab = subprocess.run(
        [os.environ["ROOT"] + "/scripts/lab", "--access-log", "--pcap", str(WRITTEN / "capture.pcapng"), "--", sys.executable, __file__,
         "--inside"], env=environment, capture_output=True, timeout=120)
    (WRITTEN / "lab").write_bytes(lab.stdout + lab.stderr)
    log = (WRITTEN / "server.log").read_bytes()
    # It ended by the signal, which the lab reports; anything else is the test's own failure.
    assert b"the server has ended meanwhile" in lab.stderr, (lab.stdout + lab.stderr).decode(errors="replace")[-2000:]
    # All of it was really written, and at length.
    assert log.count(b"TRACE") > 200 and b'"POST /users HTTP/1.1" 201' in log, log[-2000:]
    assert b"/users/1?details=\xe2\x80\xa6&extra=\xe2\x80\xa6" in log, "a query without its values"
    capture = (WRITTEN / "capture.pcapng").read_bytes()
    assert len(capture) > 5000
    explained = subprocess.run([BIN, "explain", str(WRITTEN / "capture.pcapng")], capture_output=True, timeout=60)
    assert explained.returncode == 0 and explained.stdout.count(b"TCP") > 50
    (WRITTEN / "explained").write_bytes(explained.stdout)
    cores = [path for path in [*SCRATCH.iterdir(), *pathlib.Path.cwd().iterdir()] if re.fullmatch(r"core(\.\d+)?", path.name)]
    assert not cores, cores
    written = {path.name: path.read_bytes() for path in WRITTEN.iterdir()}
    search(written, marks())
    # The search itself finds what is there.
    try:
        search({"a line": f"POST /users {urllib.parse.quote(PASSWORD)}".encode()}, marks())
    except AssertionError:
        pass
    else:
        raise AssertionError("a mark that is there is not found")
    print(f"{sum(map(len, written.values()))} bytes in {len(written)} files were searched for {len(marks())} marks")


if __name__ == "__main__":
    inside() if "--inside" in sys.argv else main()
