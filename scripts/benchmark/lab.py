"""Network namespaces of our own, processes in them, and what the kernel says of both.

Nothing here touches the namespace that the script was started in. A namespace lives as long as a process of ours that
waits for its standard input to end; so it is gone when the script is, however the script ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, Sequence

SUBNET = "192.0.2.0/24"
CLIENT = "192.0.2.1"
SERVER = "192.0.2.2"
# More addresses of the client, so that new connections never wait for a port.
MORE_CLIENTS = [f"192.0.2.{n}" for n in range(11, 18)]
TAP = "tap0"
PATIENCE = 10.0


class Failure(Exception):
    """Something that ends a run, or one sample of it, in one line."""


def cpus() -> tuple[int | None, int | None]:
    """The CPU of the client and that of the server: each has one, so that no scheduler's mood is measured."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (None, None)


def _prepare(cpu: int | None) -> None:
    """In a child before it becomes another program."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it does not outlive the script
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the script's affair
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


@dataclass
class Namespace:
    """A network namespace, and the process that holds it."""

    holder: subprocess.Popen

    @staticmethod
    def make(stack: contextlib.ExitStack) -> Namespace:
        holder = subprocess.Popen(["unshare", "--net", "--", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  preexec_fn=lambda: _prepare(None))
        stack.callback(end, holder)
        own = os.readlink("/proc/self/ns/net")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{holder.pid}/ns/net") != own:
                    return Namespace(holder)
            if holder.poll() is not None:
                break
            time.sleep(0.002)
        raise Failure("no network namespace can be made here; run it as root, or allow user namespaces")

    def start(self, command: Sequence[str], cpu: int | None = None, **options) -> subprocess.Popen:
        """Starts a program in it. nsenter becomes that program: the process is the program's own."""
        enter = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]
        return subprocess.Popen([*enter, *command], preexec_fn=lambda: _prepare(cpu), **options)

    def run(self, command: Sequence[str], cpu: int | None = None, timeout: float = PATIENCE) -> str:
        """Runs a program to its end, and gives what it printed."""
        process = self.start(command, cpu, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            end(process)
            raise Failure(f"{Path(command[0]).name} did not end within {timeout:.0f} s") from None
        except BaseException:
            end(process)
            raise
        if process.returncode != 0:
            words = " ".join(f"{out} {err}".split())
            raise Failure(words[-300:] or f"{command[0]} ended with {process.returncode}")
        return out

    def set(self, name: str, value: object) -> None:
        """A setting of this namespace below /proc/sys/net; one that this kernel does not have stays away."""
        with contextlib.suppress(Failure):
            self.run(["sh", "-c", f"echo '{value}' >/proc/sys/net/{name}"])


def end(process: subprocess.Popen) -> None:
    """Ends one process of ours and waits for it: kindly, then not."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class Lab:
    """Where one contestant serves: the namespace of the client, that of the server, the device between them."""

    client: Namespace
    server: Namespace
    device: str
    extra: dict = field(default_factory=dict)

    @staticmethod
    def with_tap(stack: contextlib.ExitStack) -> Lab:
        """One namespace: the kernel's side of the TAP is the client's, the contestant reads and writes the other."""
        namespace = Namespace.make(stack)
        namespace.run(["ip", "tuntap", "add", "dev", TAP, "mode", "tap"])
        bring_up(namespace, TAP, CLIENT)
        _settle_client(namespace, TAP)
        return Lab(namespace, namespace, TAP)

    @staticmethod
    def with_veth(stack: contextlib.ExitStack) -> Lab:
        """Two namespaces with a kernel each side (the same one, of course)."""
        client, server = Namespace.make(stack), Namespace.make(stack)
        client.run(["ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1", "netns",
                    str(server.holder.pid)])
        bring_up(client, "veth0", CLIENT)
        _settle_client(client, "veth0")
        bring_up(server, "veth1", SERVER)
        server.set("core/somaxconn", 8192)
        server.set("ipv4/tcp_max_syn_backlog", 8192)
        return Lab(client, server, "veth0")

    def set_queue(self, frames: int) -> None:
        """How many frames the kernel holds for the contestant; only a TAP holds any."""
        if self.device == TAP and self.extra.get("queue") != frames:
            self.client.run(["ip", "link", "set", TAP, "txqueuelen", str(frames)])
            self.extra["queue"] = frames


def bring_up(namespace: Namespace, device: str, address: str) -> None:
    namespace.run(["ip", "link", "set", "lo", "up"])
    namespace.run(["ip", "addr", "add", f"{address}/24", "dev", device])
    namespace.run(["ip", "link", "set", device, "up"])
    # A new namespace inherits the congestion control of the host. Only a route can say otherwise without a change
    # for all of the host; what sockets really have is read back later.
    namespace.run(["ip", "route", "replace", SUBNET, "dev", device, "proto", "kernel", "scope", "link", "src", address,
                   "congctl", "cubic"])
    namespace.set("ipv4/tcp_no_metrics_save", 1)


def _settle_client(namespace: Namespace, device: str) -> None:
    for address in MORE_CLIENTS:
        namespace.run(["ip", "addr", "add", f"{address}/24", "dev", device])
    namespace.set("ipv4/ip_local_port_range", "1024 65535")
    namespace.set("ipv4/tcp_tw_reuse", 1)


@contextlib.contextmanager
def running(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """A process that ends with the block."""
    try:
        yield process
    finally:
        end(process)


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(pids: Sequence[int]) -> float:
    """Time on a CPU of all threads of these processes so far."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def busy_seconds() -> float:
    """Time that all CPUs of the machine were not idle so far."""
    numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def resident(pids: Sequence[int]) -> int:
    """Bytes of memory of these processes."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total


def slab() -> int:
    """Bytes that the kernel holds for its own small objects, sockets among them: those in use, where it tells them
    (root alone may know), else all of its slabs, with what was freed and not given back."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/slabinfo").read_text().splitlines()[2:]
        return sum(int(words[1]) * int(words[3]) for words in map(str.split, lines))
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0
