# lab: --closed-tables --token-life 4s
# Tables as those who sit at them meet them, over a TAP: tokens in three ways, messages both ways, whispers, one who comes
# back and misses nothing, a kill of the house between, moderators, and sockets that end with their tokens. Whatever is sent
# and heard is held against docs/protocol.schema.json.
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tools"))
import schema  # noqa: E402
from websocket import CLOSE, PING, PONG, TEXT, Seat, opening  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/protocol.schema.json").read_text())
BIN, DATA, SCRATCH = os.environ["TAPHOUSE_BIN"], os.environ["TAPHOUSE_DATA"], os.environ["SCRATCH"]
HOST = ("192.0.2.2", 80)
PASSWORD = "correct horse battery"
seen_types = set()


def valid(which, message):
    wrong = schema.errors(SCHEMA["$defs"][which], message, SCHEMA)
    assert not wrong, (which, message, wrong)
    return message


def ask(method, path, fields=None, token=None, headers=None):
    body = json.dumps(fields).encode() if fields is not None else None
    headers = {"Content-Type": "application/json", **(headers or {})}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"http://{HOST[0]}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null"), error.headers


def sign_up(name):
    status, user, _ = ask("POST", "/users", {"email": f"{name}@example.com", "nickname": name, "password": PASSWORD})
    assert status == 201, user
    return sign_in(name)


def sign_in(name):
    status, session, _ = ask("POST", "/sessions", {"email": f"{name}@example.com", "password": PASSWORD})
    assert status == 200, session
    return session


class Guest(Seat):
    """One at a table. Everything that is heard is judged."""

    def __init__(self, path, token=None, fields=(), host=HOST):
        bearer = [f"Authorization: Bearer {token}"] if token else []
        super().__init__(path, host, [*bearer, *fields])

    def hear(self, kind=None):
        """The next message, or the next of this type."""
        while True:
            opcode, payload = self.receive()
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                self.send(CLOSE, payload[:2])
                return code
            else:
                assert opcode == TEXT
                message = valid("out", json.loads(payload))
                seen_types.add(message["type"])
                if kind in (None, message["type"]):
                    return message

    def tell(self, kind, **fields):
        message = {"type": kind, **fields}
        valid("in", message)
        self.send(TEXT, json.dumps(message).encode())


def refused(path, token=None, fields=()):
    """The status, and the problem."""
    bearer = [f"Authorization: Bearer {token}"] if token else []
    line = socket.create_connection(HOST, 10)
    line.sendall(opening(path, [*bearer, *fields]))
    out = b""
    while b"\r\n\r\n" not in out or b"Content-Length" in out and not out.endswith(b"}\n"):
        piece = line.recv(65536)
        if not piece:
            break
        out += piece
    line.close()
    head, _, body = out.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body or b"null")


# --- who may sit ----------------------------------------------------------------------------------------

ada, bob = sign_up("ada"), sign_up("bob")
token = ada["access_token"]
assert refused("/ws/1/1")[0] == 401
status, problem = refused("/ws/one/1.5", token)
assert status == 422 and [e["name"] for e in problem["errors"]] == ["table_id", "client_id"], problem
assert refused("/ws?table_id=1", token)[0] == 422
assert refused("/ws/1/1", "x" + token)[0] == 401
assert refused("/ws/1/1", token, ["Origin: http://elsewhere.example"])[0] == 403

first = Guest("/ws/1/1", token)
welcome = first.hear()
assert welcome["type"] == "welcome" and welcome["you"] == {"client_id": 1, "nickname": "ada", "user_id": 1}, welcome
assert first.hear("joined")["count"] == 1
by_protocol = Guest("/ws?table_id=1&client_id=2", None, [f"Sec-WebSocket-Protocol: taphouse, bearer.{bob['access_token']}"])
assert b"Sec-WebSocket-Protocol: taphouse" in by_protocol.head and b"bearer" not in by_protocol.head
assert by_protocol.hear("welcome")["count"] == 2
assert first.hear("joined")["clients"][0]["nickname"] == "bob"
assert refused("/ws/1/1", bob["access_token"])[0] == 403
again = Guest("/ws/1/1", None, [f"Cookie: taphouse_access={token}", "Origin: http://x"])
assert first.hear() == 4409
first = again
first.hear("welcome")

# --- what passes between them -----------------------------------------------------------------------------

first.tell("say", text="hello \"bob\" \U0001f980", id="1")
for guest in (first, by_protocol):
    said = guest.hear("said")
    assert (said["text"], said["id"], said["client_id"]) == ("hello \"bob\" \U0001f980", "1", 1), said
by_protocol.tell("whisper", to=1, text="psst")
assert first.hear("whispered")["text"] == "psst"
first.tell("typing")
assert by_protocol.hear("typing")["client_id"] == 1
first.send(TEXT, b"no json")
assert first.hear("error")["code"] == "not_json"
first.tell("history", limit=1)
assert [m["type"] for m in first.hear("history")["messages"]] == ["whispered"]
first.tell("mute", client_id=2)
assert first.hear("error")["code"] == "forbidden"
status, table, _ = ask("GET", "/tables/1", token=token)
assert status == 200 and table["count"] == 2 and [m["type"] for m in table["messages"]] == ["said"], table
status, tables, _ = ask("GET", "/tables", token=token)
assert [t["table_id"] for t in tables["tables"]] == [1], tables
assert ask("GET", "/tables")[0] == 401

# --- tokens expire, and are renewed -------------------------------------------------------------------------

_, renewed, _ = ask("POST", "/sessions/refresh", {"refresh_token": ada["refresh_token"]})
time.sleep(1.1)
_, renewed, _ = ask("POST", "/sessions/refresh", {"refresh_token": renewed["refresh_token"]})
first.tell("auth", token=renewed["access_token"])
assert first.hear("authenticated")["expires"]
while (heard := by_protocol.hear()) != 4401:
    assert isinstance(heard, dict), heard
assert first.hear("left")["clients"][0]["client_id"] == 2
ask("DELETE", "/sessions", token=renewed["access_token"])
while (heard := first.hear()) != 4401:
    assert isinstance(heard, dict), heard

# --- who comes back misses nothing, nor after a kill ----------------------------------------------------------


def other_house(data, *options):
    """Another house on the same data as it was copied, on a TAP of its own."""
    log = open(f"{SCRATCH}/second.log", "a")
    house = subprocess.Popen([BIN, "serve", "--tap", "tap9", "--addr", "198.51.100.2/24", "--data", data, *options], stdout=log, stderr=log)
    for _ in range(200):
        if subprocess.run(["curl", "-sf", "-m", "2", "-o", "/dev/null", "http://198.51.100.2/healthz"]).returncode == 0:
            return house
        time.sleep(0.05)
    sys.exit(open(f"{SCRATCH}/second.log").read())


subprocess.run(["ip", "tuntap", "add", "dev", "tap9", "mode", "tap"], check=True)
subprocess.run(["ip", "addr", "add", "198.51.100.1/24", "dev", "tap9"], check=True)
subprocess.run(["ip", "link", "set", "tap9", "up"], check=True)
data = f"{SCRATCH}/data"
HOST = ("198.51.100.2", 80)
house = other_house(data)
carol, dave = sign_up("carol")["access_token"], sign_up("dave")["access_token"]
talker, reader = Guest("/ws/7/1", carol, host=HOST), Guest("/ws/7/2", dave, host=HOST)
heard, last = [], 0
for count in range(60):
    talker.tell("say", text=str(count), id=str(count))
    assert talker.hear("said")["id"] == str(count)
    if count % 20 == 9:
        # The reader's line is cut, while the talker goes on.
        reader.socket.close()
        talker.hear("left")
    if count % 20 == 15:
        reader = Guest(f"/ws/7/2?since={last}", dave, host=HOST)
        assert reader.hear()["complete"] is True
    if count % 20 == 17:
        # The house is killed while somebody speaks: what he heard himself is kept.
        house.kill()
        house.wait()
        house = other_house(data)
        talker = Guest("/ws/7/1", carol, host=HOST)
        reader = Guest(f"/ws/7/2?since={last}", dave, host=HOST)
        assert reader.hear()["complete"] is True
    if count % 20 not in range(9, 15):
        while not heard or heard[-1] != str(count):
            message = reader.hear()
            if "seq" in message and message["type"] != "welcome":
                assert message["seq"] > last, (message, last)
                last = message["seq"]
            if message["type"] == "said":
                heard.append(message["text"])
assert heard == [str(n) for n in range(60)], heard

# --- moderators ---------------------------------------------------------------------------------------------

made = subprocess.run([BIN, "user", "--data", data, "add", "mod@example.com", "--role", "moderator"], input=PASSWORD, text=True,
                      capture_output=True)
assert made.returncode == 0, made
moderator = Guest("/ws/7/3", sign_in("mod")["access_token"], host=HOST)
moderator.hear("welcome")
moderator.tell("mute", client_id=1, seconds=60)
assert talker.hear("muted")["client_id"] == 1
talker.tell("say", text="x")
assert talker.hear("error")["code"] == "muted"
moderator.tell("remove", client_id=2)
assert moderator.hear("removed")["client_id"] == 2
while (message := reader.hear()) != 4403:
    assert isinstance(message, dict), message
assert refused("/ws/7/2", dave)[0] == 403
disabled = subprocess.run([BIN, "user", "--data", data, "disable", "carol@example.com"], capture_output=True, text=True)
assert disabled.returncode == 0, disabled
while (message := talker.hear()) != 4401:
    assert isinstance(message, dict), message
house.terminate()
while (message := moderator.hear()) != 1001:
    assert isinstance(message, dict), message
assert house.wait(20) == 0
missing = {"welcome", "joined", "left", "said", "whispered", "typing", "history", "muted", "removed", "authenticated", "error"} - seen_types
assert not missing, missing
