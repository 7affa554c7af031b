# outside
"""A house that is stopped: what is under way is finished, WebSockets hear of it, and nobody can keep it longer than
the bound. And what it writes of its guests: a line for each request, and nothing that is theirs.
"""

import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools"))
from house import HOST, House, make_tap
from websocket import BINARY, CLOSE, PING, PONG, TEXT, Seat

# limits::SHUTDOWN, with something for the machine.
BOUND = 11.5


def connect(data=b"", receive_buffer=None):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(15)
    s.connect(HOST)
    s.sendall(data)
    return s


def answer(s):
    """One answer with a Content-Length: head and body."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += s.recv(65536) or sys.exit(f"cut in the midst of {got!r}")
    head, body = got.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < length:
        body += s.recv(65536) or sys.exit(f"cut behind {len(body)} of {length} bytes")
    return head, body


def request(line, *fields, body=b""):
    lines = [line, "Host: x", *fields, *([f"Content-Length: {len(body)}"] if body else [])]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def everybody_is_served_to_the_end():
    with House(log="polite.log") as house:
        ann, bob = Seat(), Seat()
        ann.send(TEXT, b"hello")
        assert ann.receive() == (TEXT, b"hello")
        # What is echoed is under way when the end comes: it arrives before the Close frame.
        bob.send(BINARY, bytes(3 << 20))
        idle = connect(request("GET /hello HTTP/1.1"))
        assert answer(idle)[1] == b"Hello, world!"
        silent = connect()
        half_head = connect(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
        half_body = connect(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        opcode, payload = bob.receive()
        assert (opcode, len(payload)) == (BINARY, 3 << 20)
        bob.send(BINARY, bytes(3 << 20))
        bob.wait()
        began = house.stop()

        for s in (idle, silent):
            assert s.recv(100) == b"", "an idle connection is told something"
            took = time.monotonic() - began
            assert took < 1, f"an idle connection is closed after {took:.1f} s"
            s.close()
        try:
            socket.create_connection(HOST, 1)
            sys.exit("a new connection is taken while the house stops")
        except (ConnectionRefusedError, TimeoutError):
            pass
        # They go on slowly, and are answered all the same.
        time.sleep(1)
        half_head.sendall(b"\r\n")
        head, body = answer(half_head)
        assert body == b"Hello, world!" and b"\r\nConnection: close" in head, head
        half_body.sendall(b"67890")
        head, body = answer(half_body)
        assert body == b"1234567890" and b"\r\nConnection: close" in head, head
        opcode, payload = bob.receive()
        assert (opcode, len(payload)) == (BINARY, 3 << 20), "what was under way is cut"
        for seat in (ann, bob):
            code = seat.closing_code()
            assert code == 1001, f"closed by {code}"
            seat.send(CLOSE, b"\x03\xe9")
            assert seat.is_finished()
            seat.close()
        for s in (half_head, half_body):
            assert s.recv(100) == b""
            s.close()
        took = house.ended(within=5) - began
        assert took < 4, f"it took {took:.1f} s though nobody held it up"
        assert "stopped; 0 connections were left" in house.said(), house.said()
        print(f"served to the end: {took:.1f} s")


def nobody_holds_it_up():
    with House(log="rude.log") as house:
        deaf = Seat()
        deaf.send(PING, b"?")
        assert deaf.receive() == (PONG, b"?")
        # It takes nothing of what it asked for.
        full = Seat(receive_buffer=4096)
        full.send(BINARY, bytes(8 << 20))
        lazy = connect(request("GET /bytes/68719476736 HTTP/1.1"), 4096)
        endless = connect(b"PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        time.sleep(0.5)
        began = house.stop()
        # The Close comes at once; it is not answered, and others go on as if nothing were.
        assert deaf.closing_code() == 1001
        told = time.monotonic() - began
        assert told < 1, f"told after {told:.1f} s"
        took = house.ended(within=20) - began
        assert 4 < took < BOUND, f"it took {took:.1f} s"
        print(f"held up for {took:.1f} s")
        for s in (deaf, full, lazy, endless):
            s.close()


# --- what is written of the guests ---------------------------------------------------------------------

SECRET = "zebra"


def guests_with_secrets():
    """Says how many requests there were."""
    requests = [
        request(f"GET /hello?token={SECRET}&x&{SECRET}2&=%7A{SECRET} HTTP/1.1", f"Authorization: Bearer {SECRET}",
                f"Cookie: id={SECRET}", f"X-Key: {SECRET}", f"Referer: http://x/?q={SECRET}"),
        request(f"POST /echo?k={SECRET} HTTP/1.1", f"Content-Type: text/{SECRET}", body=SECRET.encode() * 3),
        request("PUT /sink?sha256=1 HTTP/1.1", f"Proxy-Authorization: Basic {SECRET}", body=SECRET.encode() * 1000),
        request(f"GET http://x/bytes/3?{SECRET}=1&name={SECRET} HTTP/1.1".replace(f"{SECRET}=1", "n=1")),
        request(f"GET /nothing?q={SECRET} HTTP/1.1"),
        request(f"DELETE /hello?q={SECRET} HTTP/1.1", f"X: {SECRET}"),
    ]
    s = connect()
    for one in requests:
        s.sendall(one)
        answer(s)
    s.close()
    # These cannot be read, or end early.
    broken = [
        request(f"GET /{SECRET}{SECRET} HTTP/9.9", f"X: {SECRET}"),
        request(f"GET /hello?{SECRET}=\x01 HTTP/1.1"),
        request(f"GET http://user:{SECRET}@x/ HTTP/1.1"),
        request("GET /hello HTTP/1.1", f"{SECRET} : x"),
        request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked") + f"5;x={SECRET}\r\n{SECRET}\r\n!\r\n".encode(),
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{SECRET}".encode(),
    ]
    for one in broken:
        s = connect(one)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        assert re.match(rb"HTTP/1\.1 [45]", got), got
        s.close()
    seat = Seat(f"/ws/echo?ticket={SECRET}", fields=[f"Sec-WebSocket-Protocol: {SECRET}", f"Origin: https://{SECRET}"])
    for opcode in (TEXT, BINARY, PING):
        seat.send(opcode, SECRET.encode(), mask=b"abcd")
        assert seat.receive()[1] == SECRET.encode()
    seat.send(CLOSE, b"\x03\xe8" + SECRET.encode())
    assert seat.closing_code() == 1000
    seat.close()
    bad = Seat()
    bad.send(TEXT, SECRET.encode() + b"\xff")
    assert bad.closing_code() == 1007
    bad.close()
    return len(requests) + len(broken) + 2


def written(log, form):
    """How often the secret is in a log, in one of the ways in which bytes are written."""
    raw = SECRET.encode()
    forms = {
        "as it is": re.escape(SECRET),
        "as hexadecimal": r"[ :,]?".join(f"(?:0x)?{byte:02x}" for byte in raw),
        "as numbers": r",\s*".join(str(byte) for byte in raw),
    }
    return len(re.findall(forms[form], log, re.IGNORECASE))


def guests_are_not_written_down():
    # The search finds what it looks for.
    for form, text in (("as it is", "Zebra"), ("as hexadecimal", SECRET.encode().hex(" ")),
                       ("as numbers", str(list(SECRET.encode())))):
        assert written(f"x {text} x", form) == 1, form
    for level in ("trace", None):
        environment = {"RUST_LOG": level} if level else {}
        with House("--access-log", log=f"{level}.log", environment=environment) as house:
            count = guests_with_secrets()
            house.stop()
            house.ended(within=BOUND)
            log = house.said()
        assert "lines of the log were dropped" not in log, "a line that is lost cannot be looked at"
        lines = re.findall(r'access\] 192\.0\.2\.1:\d+ "(\S+) (\S+) HTTP/1\.[01]" (\d{3}) \d+ in, \d+ out, ', log)
        assert len(lines) == count, f"{len(lines)} lines for {count} requests: {lines}"
        for line in (("GET", "/hello?token=…&…&…&=…", "200"), ("POST", "/echo?k=…", "200"),
                     ("PUT", "/sink?sha256=…", "200"), ("GET", "/nothing?q=…", "404"),
                     ("GET", "/ws/echo?ticket=…", "101"), ("-", "-", "505")):
            assert line in lines, f"{line} is not among {lines}"
        for form in ("as it is", "as hexadecimal", "as numbers"):
            found = written(log, form)
            assert not found, f"{found} secrets {form} in the log at {level or 'its default'}"
        if level:
            assert log.count("TRACE") > 100, "the log says too little to be looked at"
        print(f"log at {level or 'its default'}: {count} requests, {len(log)} bytes, none of them theirs")


make_tap()
guests_are_not_written_down()
everybody_is_served_to_the_end()
nobody_holds_it_up()
