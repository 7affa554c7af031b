# lab: --tcp-memory 2
"""Hundreds of clients who ask for much and read nothing, on a house with 2 MiB for the buffers of all: it holds no more,
refuses newcomers meanwhile, still serves whom it knows, and takes everybody again when they are gone. And connections
that have nothing to do rest.
"""

import re
import socket
import sys
import time
import urllib.request

HOST = ("192.0.2.2", 80)
READERS_OF_NOTHING = 400
IDLE = 300


class Client:
    """A connection that is kept."""

    def __init__(self, receive_buffer=None, seconds=20):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(seconds)
        self.socket.connect(HOST)

    def ask(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def get(self, path):
        self.ask(path)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.socket.recv(65536) or sys.exit(f"cut in the head of {path}")
        head, body = got.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(body) < length:
            body += self.socket.recv(65536) or sys.exit(f"cut in the body of {path}")
        return body


watcher = Client()


def metrics():
    """All of them, over the connection that has been there all the time."""
    lines = watcher.get("/metrics").decode().splitlines()
    return {name: int(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def until(what, seconds):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, what.__doc__
        time.sleep(0.2)


# --- idle ones rest ------------------------------------------------------------------------------------------

idle = [Client() for _ in range(IDLE)]
for client in idle:
    assert client.get("/hello") == b"Hello, world!"
time.sleep(2)
now = metrics()
assert now["taphouse_tcp_at_rest"] >= IDLE, now["taphouse_tcp_at_rest"]
assert now["taphouse_tcp_memory_bytes"] == 0, now["taphouse_tcp_memory_bytes"]
for client in idle:
    assert client.get("/hello") == b"Hello, world!", "one that has rested"

# --- readers of nothing --------------------------------------------------------------------------------------

limit = now["taphouse_tcp_memory_limit_bytes"]
assert limit == 2 << 20
crowd = []
most = 0
for _ in range(READERS_OF_NOTHING):
    try:
        client = Client(receive_buffer=4096, seconds=0.3)
        client.ask("/bytes/100000000")
    except OSError:
        break
    crowd.append(client)
    if len(crowd) % 10 == 0:
        most = max(most, metrics()["taphouse_tcp_memory_bytes"])
now = metrics()
refused = now['taphouse_drops_total{reason="tcp_memory_full"}']
print(f"{len(crowd)} readers of nothing got {most} of {limit} bytes; {refused} newcomers were refused")
assert limit // 2 < most <= limit, most
assert now["taphouse_tcp_pressure"] == 3 and refused > 0, now["taphouse_tcp_pressure"]
# Whoever is known is served.
body = watcher.get("/bytes/300000")
assert body == bytes(n % 251 for n in range(300000))

for client in crowd:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.socket.close()


def is_well_again():
    """the memory is back"""
    now = metrics()
    return now["taphouse_tcp_pressure"] == 0 and now["taphouse_tcp_memory_bytes"] < 100_000


until(is_well_again, 10)
with urllib.request.urlopen(f"http://{HOST[0]}/hello", timeout=5) as answer:
    assert answer.read() == b"Hello, world!"
print("memory: ok")
