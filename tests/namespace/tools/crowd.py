"""Many rude peers in one loop, one polite client beside them in a process of its own, and what the server does meanwhile.

`python3 crowd.py` is the polite client: it asks for /hello every 50 ms, in turn on a connection that it keeps and on a
new one, until its input ends, and then writes down when it asked and how long each answer took.
"""

import contextlib
import heapq
import itertools
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
import urllib.request

HOST = ("192.0.2.2", 80)


def more_files(count):
    """Lets this process have so many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))


# --- the server, from outside --------------------------------------------------------------------------

def memory(field="VmRSS"):
    """MiB of the server."""
    with open(f"/proc/{os.environ['TAPHOUSE_PID']}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(field + ":"))
    return int(line.split()[1]) / 1024


def metric(name):
    with urllib.request.urlopen("http://192.0.2.2/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return int(next(line for line in lines if line.startswith(name + " ")).split()[1])


class Budget:
    """The server's memory over its start, abuse by abuse."""

    def __init__(self):
        metric("taphouse_turns_total")
        self.start = self.last = memory()
        self.virtual = memory("VmSize")

    def spend(self, what, budget, count=None, virtual=None):
        """What came on top since the last call must be within `budget` MiB, and of addresses within `virtual`."""
        now, addresses = memory(), memory("VmSize")
        cost, self.last = now - self.last, now
        taken, self.virtual = addresses - self.virtual, addresses
        each = f", {cost * 1024 / count:.1f} KiB each" if count else ""
        print(f"{what}: {cost:.1f} MiB of at most {budget}{each}")
        assert cost <= budget, f"{what}: {cost:.1f} MiB, where {budget} are allowed"
        assert virtual is None or taken <= virtual, f"{what}: {taken:.1f} MiB of addresses, where {virtual} are allowed"

    @contextlib.contextmanager
    def peak(self, what, budget):
        """Meanwhile no more than `budget` MiB may come on top, not even for a moment."""
        before = memory()
        # proc(5): the highest mark of VmHWM begins anew.
        with open(f"/proc/{os.environ['TAPHOUSE_PID']}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
        yield
        cost = memory("VmHWM") - before
        self.last, self.virtual = memory(), memory("VmSize")
        print(f"{what}: {cost:.1f} MiB at most, of {budget}")
        assert cost <= budget, f"{what}: {cost:.1f} MiB, where {budget} are allowed"

    def given_back(self, when, budget):
        """They are gone: no more than `budget` MiB over the start may be left with the allocator."""
        left = memory() - self.start
        self.last, self.virtual = memory(), memory("VmSize")
        print(f"{when}: {left:.1f} MiB over the start, of at most {budget}")
        assert left <= budget, f"{when}: {left:.1f} MiB are left, where {budget} are allowed"


# --- the polite client ---------------------------------------------------------------------------------

class Polite:
    """The client in its process."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.phases = [(time.monotonic(), "quiet")]

    def during(self, what):
        """From now on it is this that it lives with."""
        self.phases.append((time.monotonic(), what))

    def judge(self, bound):
        """Ends it. No answer may have failed, nor taken longer than `bound` seconds."""
        out, _ = self.process.communicate(timeout=60)
        asked = json.loads(out)
        assert len(asked) > 100, f"only {len(asked)} requests"
        ends = [at for at, _ in self.phases[1:]] + [float("inf")]
        wrong = []
        for (begin, what), end in zip(self.phases, ends):
            part = [one for one in asked if begin <= one["at"] < end]
            failed = [one["failed"] for one in part if one["failed"]]
            times = sorted(one["took"] for one in part) or [0.0]
            print(f"polite client, {what}: {len(part)} answers, median {times[len(times) // 2] * 1e3:.1f} ms, "
                  f"worst {times[-1] * 1e3:.1f} ms")
            if failed:
                wrong.append(f"{what}: {len(failed)} failed, the first: {failed[0]}")
            if times[-1] > bound:
                wrong.append(f"{what}: an answer took {times[-1]:.2f} s")
        assert not wrong, "; ".join(wrong)


def ask(s):
    s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    while not got.endswith(b"Hello, world!"):
        chunk = s.recv(4096)
        if not chunk:
            raise EOFError(f"cut behind {got!r}")
        got += chunk
    assert got.startswith(b"HTTP/1.1 200 "), got


def be_polite():
    asked, kept = [], None
    for number in itertools.count():
        began, failed = time.monotonic(), None
        try:
            if number % 2:
                with socket.create_connection(HOST, 10) as once:
                    ask(once)
            else:
                kept = kept or socket.create_connection(HOST, 10)
                ask(kept)
        except (OSError, EOFError, AssertionError) as error:
            failed, kept = f"{type(error).__name__}: {error}", None
        took = time.monotonic() - began
        asked.append({"at": began, "took": took, "failed": failed})
        if select.select([sys.stdin], [], [], max(0.0, 0.05 - took))[0]:
            break
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(asked), flush=True)


# --- the rude ones -------------------------------------------------------------------------------------

class Peer:
    """One connection. What it is sent is read as it comes, unless it is deaf; how it ends is noted."""

    KEPT = 4096

    def __init__(self, crowd, data, is_deaf=False, receive_buffer=None, send_buffer=None, source=None):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        for option, size in ((socket.SO_RCVBUF, receive_buffer), (socket.SO_SNDBUF, send_buffer)):
            if size:
                self.socket.setsockopt(socket.SOL_SOCKET, option, size)
        if source:
            self.socket.bind((source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(HOST)
        self.crowd, self.to_send, self.is_deaf = crowd, memoryview(data), is_deaf
        self.got, self.received = b"", 0
        self.opened = self.ended = None
        self.end = None
        self.began = time.monotonic()
        crowd.peers[self.socket.fileno()] = self
        crowd.poller.register(self.socket, select.EPOLLOUT)

    def is_sent(self):
        return not self.to_send

    def send(self, data):
        """Sends, behind what could not be sent yet."""
        if not self.end:
            self.to_send = memoryview(bytes(self.to_send) + data)
            self.handle_writable()

    def handle_writable(self):
        self.opened = self.opened or time.monotonic()
        try:
            while self.to_send:
                self.to_send = self.to_send[self.socket.send(self.to_send):]
        except BlockingIOError:
            pass
        except OSError as error:
            return self.finish(type(error).__name__)
        if not self.end:
            events = (select.EPOLLOUT if self.to_send else 0) | (0 if self.is_deaf else select.EPOLLIN)
            self.crowd.poller.modify(self.socket, events)

    def read(self, n=1 << 16):
        """Takes at most so much."""
        try:
            data = self.socket.recv(n)
        except BlockingIOError:
            return
        except OSError as error:
            return self.finish(type(error).__name__)
        if not data:
            return self.finish("finished")
        self.received += len(data)
        self.handle_data(data)

    def handle_data(self, data):
        if len(self.got) < self.KEPT:
            self.got += data

    def finish(self, how):
        self.end, self.ended = how, time.monotonic()
        self.close()

    def close(self):
        if self.crowd.peers.pop(self.socket.fileno(), None):
            self.crowd.poller.unregister(self.socket)
            self.socket.close()

    def status(self):
        return int(self.got[9:12]) if self.got.startswith(b"HTTP/1.1 ") else None

    def lasted(self):
        return (self.ended or time.monotonic()) - self.began


class Crowd:
    """All of them, and what they do from time to time."""

    def __init__(self):
        # The kernel's queue before the device drops what does not fit, be it the polite client's SYN, which then comes
        # again after a second. That is no fault of the server's, and not looked at here.
        subprocess.run(["ip", "link", "set", "tap0", "txqueuelen", "20000"], check=True)
        self.poller, self.peers, self.due, self.order = select.epoll(), {}, [], itertools.count()

    def every(self, seconds, do):
        """Does this again and again, until it says True."""
        self.at(time.monotonic(), lambda: do() or self.at(time.monotonic() + seconds, again))
        again = lambda: do() or self.at(time.monotonic() + seconds, again)  # noqa: E731

    def at(self, when, do):
        heapq.heappush(self.due, (when, next(self.order), do))

    def turn(self, patience=0.1):
        if self.due:
            patience = min(patience, max(0.0, self.due[0][0] - time.monotonic()))
        for fd, events in self.poller.poll(patience):
            peer = self.peers.get(fd)
            if peer and events & select.EPOLLOUT:
                peer.handle_writable()
            if peer and not peer.end and events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                # A deaf one is woken by its end alone.
                peer.read()
        while self.due and self.due[0][0] <= time.monotonic():
            heapq.heappop(self.due)[2]()

    def until(self, is_done, seconds, what):
        """Goes on until it is done, for at most so long."""
        deadline = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            self.turn()

    def go_on(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn(min(0.1, end - time.monotonic()))

    def gather(self, count, make, is_ready, seconds=30, at_once=100, what="the crowd"):
        """So many peers, not too many of them on their way at once."""
        peers, waiting = [], []
        deadline = time.monotonic() + seconds
        while len(peers) < count or waiting:
            assert time.monotonic() < deadline, f"{what}: {len(peers) - len(waiting)} of {count} within {seconds} s"
            while len(peers) < count and len(waiting) < at_once:
                waiting.append(make())
                peers.append(waiting[-1])
            self.turn(0.02)
            waiting = [peer for peer in waiting if not is_ready(peer)]
        return peers


def check_ends(what, peers, end, between, status=None):
    """Each has ended so (in one of these ways, if there are several), after so many seconds, and with this status if
    there is one to be read."""
    ends, ways = {peer.end for peer in peers}, {end} if isinstance(end, str) else set(end)
    assert ends <= ways, f"{what}: {ends}, not {end}"
    statuses = {peer.status() for peer in peers}
    assert status is None or statuses == {status}, f"{what}: {statuses}, not {status}"
    times = sorted(peer.lasted() for peer in peers)
    print(f"{what}: {end}, status {status or 'not read'}, after {times[0]:.1f} to {times[-1]:.1f} s")
    assert between[0] <= times[0] and times[-1] <= between[1], f"{what}: after {times[0]:.1f} to {times[-1]:.1f} s"


if __name__ == "__main__":
    be_polite()
