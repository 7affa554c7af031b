# Clients that never read, and clients that disappear: others are served, and what they held is given back.
import os
import socket
import subprocess
import time
import urllib.request

PID = os.environ["TAPHOUSE_PID"]


def anonymous_kib():
    for line in open(f"/proc/{PID}/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1])


def metric(name):
    text = urllib.request.urlopen("http://192.0.2.2/metrics", timeout=10).read().decode()
    return int(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def ask(path, receive_buffer=None):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.connect(("192.0.2.2", 80))
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s


metric("taphouse_turns_total")
before = anonymous_kib()
began = time.time()

# Never read.
lazy = [ask("/bytes/68719476736", 4096) for _ in range(50)]
# Never send the rest of a head; never send the rest of a body.
slow = [socket.create_connection(("192.0.2.2", 80)) for _ in range(50)]
for i, s in enumerate(slow):
    s.sendall(b"GET / HTTP/1.1\r\nX: " if i % 2 else b"PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nab")
# Disappear: the kernel forgets the connection without a word, and answers nothing about it.
gone = [ask("/bytes/100000000", 65536) for _ in range(20)]
time.sleep(0.5)
ports = [s.getsockname()[1] for s in gone]
subprocess.run(["ip", "addr", "add", "192.0.2.9/24", "dev", "tap0"], check=True)
vanished = []
for _ in range(20):
    s = socket.socket()
    s.bind(("192.0.2.9", 0))
    s.connect(("192.0.2.2", 80))
    s.sendall(b"GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    vanished.append(s)
time.sleep(0.3)
subprocess.run(["ip", "addr", "del", "192.0.2.9/24", "dev", "tap0"], check=True)

held = metric("taphouse_tcp_connections")
assert held >= 121, f"only {held} connections are open"
for _ in range(20):
    assert urllib.request.urlopen("http://192.0.2.2/hello", timeout=2).read() == b"Hello, world!"
peak = anonymous_kib()
assert peak < before + 110 * 1024, f"rude clients cost {peak - before} KiB"

deadline = began + 100
while metric("taphouse_tcp_connections") > 1 and time.time() < deadline:
    time.sleep(1)
left = metric("taphouse_tcp_connections")
assert left == 1, f"{left} connections are left after {time.time() - began:.0f} s"
time.sleep(1)
after = anonymous_kib()
assert after <= before + 6 * 1024, f"anonymous memory went from {before} to {after} KiB (peak {peak})"
