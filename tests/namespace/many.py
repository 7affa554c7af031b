# A thousand connections at once, each with a request of its own; then the memory is back where it was.
import os
import select
import socket
import time
import urllib.request

PID = os.environ["TAPHOUSE_PID"]


def anonymous_kib():
    for line in open(f"/proc/{PID}/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1])


def gauge(name):
    text = urllib.request.urlopen("http://192.0.2.2/metrics", timeout=10).read().decode()
    return int(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def round_of(count):
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("192.0.2.2", 80))
        sockets.append(s)
    poller, left = select.epoll(), {}
    for i, s in enumerate(sockets):
        poller.register(s, select.EPOLLOUT)
        left[s.fileno()] = (s, 1000 + i, b"")
    deadline = time.time() + 60
    while left and time.time() < deadline:
        for fd, event in poller.poll(1):
            s, size, got = left[fd]
            assert not event & select.EPOLLERR, "a connection failed"
            if event & select.EPOLLOUT:
                s.send(f"GET /bytes/{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                poller.modify(fd, select.EPOLLIN)
                continue
            got += s.recv(65536)
            left[fd] = (s, size, got)
            head, _, body = got.partition(b"\r\n\r\n")
            if len(body) == size:
                assert body == bytes(i % 251 for i in range(size)), "altered"
                poller.unregister(fd)
                del left[fd]
    assert not left, f"{len(left)} of {count} were not answered"
    assert gauge("taphouse_tcp_connections") == count + 1, "all are open at once"
    for s in sockets:
        s.close()


round_of(1000)
time.sleep(0.5)
before = anonymous_kib()
for _ in range(5):
    round_of(1000)
time.sleep(0.5)
after = anonymous_kib()
assert gauge("taphouse_tcp_connections") == 1, "connections are left over"
assert gauge("taphouse_tcp_half_open") == 0
assert after <= before + 4096, f"anonymous memory went from {before} to {after} KiB"
