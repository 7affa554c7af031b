# The routes over the TAP, as bytes on a socket: right answers, right refusals, however the request is cut.
import re
import socket
import time

HOST = ("192.0.2.2", 80)


def talk(data, pause=0.0, pieces=None, close=True):
    """Sends the pieces, finishes, and reads to the end."""
    s = socket.create_connection(HOST, 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces or [data]:
        s.sendall(piece)
        time.sleep(pause)
    if close:
        s.shutdown(socket.SHUT_WR)
    out = b""
    while chunk := s.recv(65536):
        out += chunk
    s.close()
    return out


def statuses(answer):
    return [int(m) for m in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def check(name, got, wanted):
    assert got == wanted, f"{name}: got {got!r}, wanted {wanted!r}"


def request(line, fields="Host: x\r\n", body=b""):
    return f"{line}\r\n{fields}\r\n".encode() + body


get = request("GET /hello HTTP/1.1")
for name, data, wanted in [
    ("hello", get, [200]),
    ("page", request("GET / HTTP/1.1"), [200]),
    ("health", request("GET /healthz HTTP/1.1"), [200]),
    ("metrics", request("GET /metrics HTTP/1.1"), [200]),
    ("nothing there", request("GET /nothing HTTP/1.1"), [404]),
    ("wrong method", request("DELETE /hello HTTP/1.1"), [405]),
    ("unknown method", request("BREW /hello HTTP/1.1"), [501]),
    ("coding", request("POST /echo HTTP/1.1", "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n"), [501]),
    ("version", request("GET / HTTP/3.0"), [505]),
    ("no host", request("GET / HTTP/1.1", ""), [400]),
    ("two hosts", request("GET / HTTP/1.1", "Host: a\r\nHost: b\r\n"), [400]),
    ("bare LF", b"GET / HTTP/1.1\nHost: x\n\n", [400]),
    ("both lengths", request("POST /echo HTTP/1.1", "Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"), [400]),
    ("long target", request("GET /" + "a" * 9000 + " HTTP/1.1"), [414]),
    ("long head", request("GET / HTTP/1.1", "Host: x\r\nX: " + "a" * 70000 + "\r\n"), [431]),
    ("many fields", request("GET / HTTP/1.1", "Host: x\r\n" + "X: y\r\n" * 101), [431]),
    ("large echo", request("POST /echo HTTP/1.1", "Host: x\r\nContent-Length: 8388609\r\n"), [413]),
    ("length", request("GET /bytes/-1 HTTP/1.1"), [422]),
    ("pipeline", get * 50, [200] * 50),
    ("options", request("OPTIONS * HTTP/1.1") + request("OPTIONS /echo HTTP/1.1"), [204, 204]),
    ("http/1.0", b"GET /hello HTTP/1.0\r\n\r\n", [200]),
]:
    check(name, statuses(talk(data)), wanted)

answer = talk(request("HEAD /hello HTTP/1.1"))
assert answer.endswith(b"\r\n\r\n") and b"Content-Length: 13" in answer, answer
answer = talk(request("DELETE /hello HTTP/1.1"))
assert b"Allow: GET, HEAD, OPTIONS" in answer and b"application/problem+json" in answer, answer
answer = talk(get)
assert re.search(rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", answer), answer

body = bytes(range(256)) * 2000
chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[i : i + 7001] for i in range(0, len(body), 7001)))
chunked = request("POST /echo HTTP/1.1", "Host: x\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n", chunks + b"0\r\n\r\n")
for name, data in [
    ("chunked echo", chunked),
    ("echo", request("POST /echo HTTP/1.1", f"Host: x\r\nContent-Type: a/b\r\nContent-Length: {len(body)}\r\n", body)),
]:
    answer = talk(data)
    head, _, echoed = answer.partition(b"\r\n\r\n")
    assert echoed == body and b"Content-Type: a/b" in head, (name, head, len(echoed))

two = get + request("POST /echo HTTP/1.1", "Host: x\r\nContent-Length: 5\r\n", b"12345")
whole = re.sub(rb"Date: [^\r]*", b"", talk(two))
for cut in range(0, len(two), 3):
    check(f"cut at {cut}", re.sub(rb"Date: [^\r]*", b"", talk(b"", pieces=[two[:cut], two[cut:]])), whole)
check("byte by byte", re.sub(rb"Date: [^\r]*", b"", talk(b"", pieces=[bytes([b]) for b in two])), whole)

# 100-continue comes at once; a refusal comes instead of it.
s = socket.create_connection(HOST, 5)
s.sendall(request("PUT /sink HTTP/1.1", "Host: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n"))
check("continue", statuses(s.recv(1000)), [100])
s.sendall(b"abc")
assert b'{"bytes":3}' in s.recv(1000)
s.sendall(request("POST /echo HTTP/1.1", "Host: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n"))
check("early refusal", statuses(s.recv(1000)), [413])

# An answer is not lost when more was sent than is taken: no RST overtakes it.
for _ in range(20):
    s = socket.create_connection(HOST, 5)
    s.sendall(request("POST /nothing HTTP/1.1", "Host: x\r\nContent-Length: 3000000\r\n"))
    try:
        for _ in range(30):
            s.sendall(b"x" * 100000)
    except (BrokenPipeError, ConnectionResetError):
        raise AssertionError("the connection was reset under an answer")
    out = b""
    while chunk := s.recv(65536):
        out += chunk
    check("answer under load", statuses(out), [404])
