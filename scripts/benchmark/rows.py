"""What is measured: samples, and the rows of the table that each gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Smoltcp:
    """What smoltcp is given for a sample: sockets, and the bytes of the buffers of each; whether it makes one more for
    each connection."""

    sockets: int
    receive: int
    send: int
    grows: bool = False


@dataclass(frozen=True)
class Sample:
    """One thing to run against a contestant."""

    key: str
    kind: str  # bulk-down, bulk-up, rate, new-connections, echo, idle
    connections: int
    smoltcp: Smoltcp
    spins: bool = False
    queue: int = 1000

    @property
    def is_echo(self) -> bool:
        return self.kind == "echo"

    @property
    def is_bulk(self) -> bool:
        return self.kind in ("bulk-down", "bulk-up")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    title: str
    unit: str
    sample: str
    field: str
    higher_is_better: bool
    group: str


IDLE = 1000
# The sizes of smoltcp's buffers are the best of 64 KB to 4 MB for bulk; elsewhere they made no difference.
KIB, MIB = 1 << 10, 1 << 20

SAMPLES = [
    Sample("bulk-down-1", "bulk-down", 1, Smoltcp(4, 64 * KIB, 512 * KIB)),
    Sample("bulk-down-8", "bulk-down", 8, Smoltcp(12, 64 * KIB, 128 * KIB)),
    Sample("bulk-up-1", "bulk-up", 1, Smoltcp(4, 2 * MIB, 64 * KIB)),
    Sample("bulk-up-8", "bulk-up", 8, Smoltcp(12, 256 * KIB, 64 * KIB)),
    Sample("requests-1", "rate", 1, Smoltcp(4, 8 * KIB, 8 * KIB)),
    Sample("requests-64", "rate", 64, Smoltcp(72, 8 * KIB, 8 * KIB)),
    Sample("requests-512", "rate", 512, Smoltcp(528, 4 * KIB, 4 * KIB)),
    # All connect at once, and a SYN that is lost comes again after a second: the queue holds them all.
    Sample("requests-4096", "rate", 4096, Smoltcp(4200, 4 * KIB, 4 * KIB), queue=10_000),
    Sample("new-connections", "new-connections", 32, Smoltcp(80, 8 * KIB, 8 * KIB)),
    Sample("echo-1", "echo", 1, Smoltcp(4, 8 * KIB, 8 * KIB)),
    Sample("echo-64", "echo", 64, Smoltcp(72, 8 * KIB, 8 * KIB)),
    Sample("echo-spin-1", "echo", 1, Smoltcp(4, 8 * KIB, 8 * KIB), spins=True),
    Sample("echo-spin-64", "echo", 64, Smoltcp(72, 8 * KIB, 8 * KIB), spins=True),
    Sample("idle", "idle", IDLE, Smoltcp(100, 4 * KIB, 4 * KIB, grows=True)),
]

ROWS = [
    Row("bulk-down-1", "download, 1 connection", "MB/s", "bulk-down-1", "rate", True, "bulk"),
    Row("bulk-down-8", "download, 8 connections", "MB/s", "bulk-down-8", "rate", True, "bulk"),
    Row("bulk-up-1", "upload, 1 connection", "MB/s", "bulk-up-1", "rate", True, "bulk"),
    Row("bulk-up-8", "upload, 8 connections", "MB/s", "bulk-up-8", "rate", True, "bulk"),
    Row("requests-1", "requests, 1 connection", "1/s", "requests-1", "rate", True, "HTTP"),
    Row("requests-64", "requests, 64 connections", "1/s", "requests-64", "rate", True, "HTTP"),
    Row("requests-512", "requests, 512 connections", "1/s", "requests-512", "rate", True, "HTTP"),
    Row("requests-4096", "requests, 4,096 connections", "1/s", "requests-4096", "rate", True, "HTTP"),
    Row("new-connections", "new connections", "1/s", "new-connections", "rate", True, "HTTP"),
    Row("echo-1-p50", "echo, 1 connection, p50", "µs", "echo-1", "p50", False, "echo"),
    Row("echo-1-p99", "echo, 1 connection, p99", "µs", "echo-1", "p99", False, "echo"),
    Row("echo-64-p50", "echo, 64 connections, p50", "µs", "echo-64", "p50", False, "echo"),
    Row("echo-64-p99", "echo, 64 connections, p99", "µs", "echo-64", "p99", False, "echo"),
    Row("echo-spin-1-p50", "echo spinning, 1 connection, p50", "µs", "echo-spin-1", "p50", False, "echo"),
    Row("echo-spin-1-p99", "echo spinning, 1 connection, p99", "µs", "echo-spin-1", "p99", False, "echo"),
    Row("echo-spin-64-p50", "echo spinning, 64 connections, p50", "µs", "echo-spin-64", "p50", False, "echo"),
    Row("echo-spin-64-p99", "echo spinning, 64 connections, p99", "µs", "echo-spin-64", "p99", False, "echo"),
    Row("cpu-down", "server CPU per GB of download", "s", "bulk-down-1", "cpu", False, "cost"),
    Row("cpu-up", "server CPU per GB of upload", "s", "bulk-up-1", "cpu", False, "cost"),
    Row("cpu-request", "server CPU per request", "µs", "requests-64", "cpu", False, "cost"),
    Row("busy-down", "machine CPU per GB of download", "s", "bulk-down-1", "busy", False, "cost"),
    Row("busy-up", "machine CPU per GB of upload", "s", "bulk-up-1", "busy", False, "cost"),
    Row("busy-request", "machine CPU per request", "µs", "requests-64", "busy", False, "cost"),
    Row("idle-rss", "memory per idle connection, server", "bytes", "idle", "rss", False, "cost"),
    Row("idle-all", "memory per idle connection, with the kernel's", "bytes", "idle", "all", False, "cost"),
]

QUICK = ["bulk-down-1", "bulk-up-1", "requests-64", "new-connections", "echo-1"]
