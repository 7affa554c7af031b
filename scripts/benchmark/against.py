"""taphouse and the kernel as servers behind the same bad wire, for one and the same client of the kernel.

    ours     client, kernel --- tap0 === impairment in `taphouse serve` --- its own TCP --- server
    kernel   client, kernel --- tap0 === impairment in examples/wire === tap1 --- the kernel's TCP --- server

`in.` is towards the server in both, and the code of the impairment is the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from . import lab
from .lab import Failure, Namespace

NAMES = ("ours", "kernel")
WAYS = {"get": "the server sends", "put": "the server receives"}
TRANSFER = Path(__file__).with_name("transfer.py")
MTU = 1500

# What the wire does, by the name of a cell. With the buffers that both have, a connection moves 105 Mbit/s at 40 ms; so
# the cell with a rate has a shorter way, or its queue would never fill. RACK waits for a quarter of the RTT, here 10
# ms, before it calls a frame lost: one cell reorders within that, one beyond it, none just there, where chance decides.
CELLS = {
    "delay": "delay=20ms",
    "loss-0.1": "loss=0.1%,delay=20ms",
    "loss-1": "loss=1%,delay=20ms",
    "loss-5": "loss=5%,delay=20ms",
    "reorder": "reorder=5%/5ms,delay=20ms",
    "reorder-late": "reorder=5%/15ms,delay=20ms",
    "rate": "rate=100mbit,queue=256kb,delay=5ms",
    "near-loss-0.1": "loss=0.1%",
    "near-loss-1": "loss=1%",
    "near-loss-5": "loss=5%",
    "near-reorder": "reorder=5%",
    "near-rate": "rate=100mbit,queue=64kb",
}
USUAL = [name for name in CELLS if not name.startswith("near-")]


@dataclass
class Place:
    """The namespaces, and what both contestants have in common."""

    client: Namespace
    server: Namespace | None
    buffer: int
    taphouse: Path
    wire: Path
    scratch: Path


def open_place(name: str, buffer: int, programs: tuple[Path, Path], scratch: Path, stack) -> Place:
    client = Namespace.make(stack)
    _make_device(client, "tap0", lab.CLIENT)
    server = None
    if name == "kernel":
        server = Namespace.make(stack)
        _make_device(server, "tap1", lab.SERVER)
    return Place(client, server, buffer, *programs, scratch)


def _make_device(namespace: Namespace, device: str, address: str) -> None:
    # No frames that nobody has asked for.
    namespace.set("ipv6/conf/default/disable_ipv6", 1)
    namespace.run(["ip", "tuntap", "add", "dev", device, "mode", "tap"])
    namespace.run(["ip", "link", "set", device, "mtu", str(MTU)])
    lab.bring_up(namespace, device, address)


def transfer(place: Place, *words: str, namespace: Namespace | None = None, timeout: float = 60) -> str:
    command = [sys.executable, "-B", str(TRANSFER), *words, "--buffer", str(place.buffer)]
    return (namespace or place.client).run(command, timeout=timeout)


@contextlib.contextmanager
def serving(place: Place, impair: str, seed: str) -> Iterator[None]:
    """The wire and the server behind it, both fresh, with offloads off at every device of the kernel.

    No client asks before the server listens, and the frames before the first SYN are the same in both: an announcement
    of the server's address, and the client's question for it. So the first frames meet the same draws.
    """
    with contextlib.ExitStack() as stack:
        if place.server is None:
            command = [str(place.taphouse), "serve", "--tap", "tap0", "--mtu", str(MTU), "--offload", "off",
                       "--probe", "off", "--control", "none", "--impair", impair, "--seed", seed,
                       "--tcp-buffer", str(place.buffer // 1024)]
            server = _start(stack, place, "taphouse", place.client, command)
            _wait_for_word(place, "taphouse", "serving http", server)
        else:
            command = [sys.executable, "-B", str(TRANSFER), "serve", "--buffer", str(place.buffer)]
            server = _start(stack, place, "server", place.server, command)
            _wait_for_word(place, "server", "ready", server)
            namespace = f"/proc/{place.server.holder.pid}/ns/net"
            command = [str(place.wire), "--a", f"{namespace}:tap1", "--b", "tap0",
                       "--impair", impair, "--seed", seed]
            wire = _start(stack, place, "wire", place.client, command)
            _wait_for_carrier(place.server, "tap1", wire)
            transfer(place, "plain", "tap1", namespace=place.server)
            place.server.run(["ip", "neigh", "flush", "dev", "tap1"])
            transfer(place, "announce", "tap1", namespace=place.server)
        _wait_for_carrier(place.client, "tap0", server)
        transfer(place, "plain", "tap0")
        place.client.run(["ip", "neigh", "flush", "dev", "tap0"])
        yield
        if server.poll() is not None:
            raise Failure("the server has ended meanwhile: " + _log_of(place))


def _start(stack, place: Place, name: str, namespace: Namespace, command: list[str]) -> subprocess.Popen:
    log = stack.enter_context(open(place.scratch / f"{name}.log", "wb"))
    # What is waited for in the log must get there.
    environment = {name: value for name, value in os.environ.items() if name != "RUST_LOG"}
    process = namespace.start(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    return stack.enter_context(lab.running(process))


def _log_of(place: Place) -> str:
    words = [path.read_text(errors="replace") for path in sorted(place.scratch.glob("*.log"))]
    return " ".join(" ".join(words).split())[-300:]


def _wait_for_word(place: Place, name: str, word: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + lab.PATIENCE
    while word not in (place.scratch / f"{name}.log").read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > until:
            raise Failure(f"{name} does not come up: {_log_of(place)}")
        time.sleep(0.005)


def _wait_for_carrier(namespace: Namespace, device: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + lab.PATIENCE
    while "LOWER_UP" not in namespace.run(["ip", "-o", "link", "show", device]):
        if process.poll() is not None or time.monotonic() > until:
            raise Failure(f"nobody attaches to {device}")
        time.sleep(0.005)


def measure(place: Place, way: str, impair: str, seed: str, count: int, limit: float) -> dict:
    """One transfer: its bytes, its seconds, whether it was cut, and its goodput in Mbit/s."""
    with serving(place, impair, seed):
        try:
            said = transfer(place, way, str(count), "--limit", str(limit), timeout=limit + 30)
        except Failure as failure:
            raise Failure(f"{failure}; {_log_of(place)}") from None
    found = json.loads(said)
    if found["bytes"] == 0:
        raise Failure(f"nothing came within {limit:.0f} s")
    return found | {"mbit": found["bytes"] * 8e-6 / max(found["seconds"], 1e-9)}


def size_for(place: Place, way: str, impair: str, seed: str, seconds: float) -> int:
    """Bytes that the kernel takes about so long for: the median of a few seeds, since they differ much."""
    def rate(count: int, number: int) -> float:
        found = measure(place, way, impair, f"{seed}f{number}", count, 3 * seconds)
        return found["bytes"] / max(found["seconds"], 1e-3)

    count = 256 << 10
    for number in range(4):
        wanted = rate(count, number) * seconds
        is_near = 0.5 <= wanted / count <= 2
        # A short one is slow start for the most part, so its rate tells little.
        count = _within(min(wanted, 12 * count))
        if is_near:
            break
    return _within(statistics.median(rate(count, number) for number in range(5, 8)) * seconds)


def _within(count: float) -> int:
    return min(max(int(count), 64 << 10), 4 << 30)
