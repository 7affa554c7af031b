"""Who is compared: how each is started, and on what."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from . import lab
from .lab import Failure, Lab
from .rows import Sample

NAMES = {
    "taphouse": "taphouse",
    "kernel": "the kernel over veth",
    "smoltcp": "smoltcp, its TunTapInterface",
    "smoltcp-vnet": "smoltcp, vnet_hdr device",
}

# What the stacks of their own do; the kernel's is read back. To be changed with taphouse.
CONGESTION = "cubic, read back, on the kernel's sides, CUBIC in smoltcp, NewReno in taphouse"

NGINX = """
# One worker, sendfile where it is faster, files kept open, no log, heads as short as its directives allow.
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {scratch}/nginx.pid;
error_log {scratch}/error.log crit;
{user}
events {{
    use epoll;
    worker_connections 8192;
    multi_accept on;
}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    server_tokens off;
    etag off;
    max_ranges 0;
    if_modified_since off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    reset_timedout_connection on;
    open_file_cache max=100 inactive=1h;
    open_file_cache_valid 1h;
    open_file_cache_min_uses 1;
    types {{ }}
    default_type application/octet-stream;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 80 backlog=8192;
        root {scratch}/root;
        add_header Last-Modified "";
        # For a file as small as this one, reading it and writing it together with the head is faster than sendfile.
        location = /bytes/612 {{ sendfile off; }}
    }}
}}
"""


@dataclass
class Programs:
    """Where the programs are, and a directory for what they need."""

    taphouse: Path
    rivals: Path
    nginx: str
    wrk: str
    scratch: Path


def write_nginx(programs: Programs, files: int) -> None:
    """Its configuration, and the files that it serves: the same bytes as the others generate."""
    root = programs.scratch / "root" / "bytes"
    root.mkdir(parents=True)
    for size in (251, 612, 1_000_000):
        (root / str(size)).write_bytes(bytes(i % 251 for i in range(size)))
    programs.scratch.chmod(0o755)
    text = NGINX.format(scratch=programs.scratch, files=files, user="user root;")
    (programs.scratch / "nginx.conf").write_text(text)


def open_labs(names: list[str], stack: contextlib.ExitStack) -> dict[str, Lab]:
    return {name: Lab.with_veth(stack) if name == "kernel" else Lab.with_tap(stack) for name in names}


def command(name: str, sample: Sample, programs: Programs) -> list[str]:
    """How to start this contestant for this sample."""
    spin = ["--spin"] if sample.spins else []
    rivals = programs.rivals
    if name == "taphouse":
        if sample.is_echo:
            return [str(rivals / "stack-echo"), "--tap", lab.TAP, *spin]
        return [str(programs.taphouse), "serve", "--tap", lab.TAP, "--probe", "off", "--idle-timeout", "10m",
                "--data", "none"]
    if name == "kernel":
        if sample.is_echo or sample.is_bulk:
            return [str(rivals / "socket-server"), *spin]
        return [programs.nginx, "-c", str(programs.scratch / "nginx.conf"), "-e", str(programs.scratch / "error.log"),
                "-p", str(programs.scratch)]
    size = sample.smoltcp
    return [str(rivals / "smoltcp-server"), "--tap", lab.TAP, "--device", "vnet" if name.endswith("vnet") else "tuntap",
            "--port", "7" if sample.is_echo else "80", "--sockets", str(size.sockets),
            "--receive", str(size.receive), "--send", str(size.send), *(["--grows"] if size.grows else []), *spin]


@contextlib.contextmanager
def serving(name: str, sample: Sample, place: Lab, programs: Programs) -> Iterator[list[int]]:
    """The contestant, up and answering; gives its processes."""
    log = programs.scratch / f"{name}.log"
    place.set_queue(sample.queue)
    with open(log, "wb") as out:
        process = place.server.start(command(name, sample, programs), lab.cpus()[1], stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=out)
    with lab.running(process):
        try:
            _wait_for_carrier(place, process)
            load(place, programs, ["ready"], sample)
            if sample.kind == "new-connections":
                _introduce(place, programs, sample)
        except Failure as failure:
            words = " ".join(log.read_text(errors="replace").split())
            raise Failure(f"{name} does not come up: {failure}; {words[-300:]}") from None
        pids = lab.family(process.pid)
        yield pids
        if process.poll() is not None:
            words = " ".join(log.read_text(errors="replace").split())
            raise Failure(f"{name} has ended meanwhile: {words[-300:]}")


def _wait_for_carrier(place: Lab, process: subprocess.Popen) -> None:
    """A TAP is down until somebody reads it, and what is sent to it meanwhile is lost."""
    until = time.monotonic() + lab.PATIENCE
    while "LOWER_UP" not in place.client.run(["ip", "-o", "link", "show", place.device]):
        if process.poll() is not None or time.monotonic() > until:
            raise Failure("it does not attach to its device")
        time.sleep(0.005)
    place.client.run(["ip", "neigh", "flush", "dev", place.device])


def _introduce(place: Lab, programs: Programs, sample: Sample) -> None:
    """Makes each address of the client known. The kernel asks for the server with the address that it comes from, and
    whoever is asked remembers who did. smoltcp would ask itself, but for one address a second."""
    for address in lab.MORE_CLIENTS:
        place.client.run(["ip", "neigh", "flush", "dev", place.device])
        load(place, programs, ["ready", "--from", address], sample)


def load(place: Lab, programs: Programs, words: list[str], sample: Sample, timeout: float = 30) -> str:
    """Runs the client against what is served; gives the line that it prints."""
    to = f"{lab.SERVER}:{7 if sample.is_echo else 80}"
    more = ["--from", ",".join([lab.CLIENT, *lab.MORE_CLIENTS])] if words[0] == "new-connections" else []
    return place.client.run([str(programs.rivals / "load"), *words, "--to", to, *more], lab.cpus()[0], timeout)


def server_congestion(place: Lab) -> set[str]:
    """The congestion control of the connections that a kernel's server has now, as the kernel says."""
    text = place.server.run(["ss", "-H", "-t", "-i", "-n", "state", "established", "sport", "=", ":80"])
    known = {"cubic", "reno", "bbr", "bbr2", "bbr3", "bic", "cdg", "dctcp", "highspeed", "htcp", "hybla", "illinois",
             "lp", "nv", "scalable", "vegas", "veno", "westwood", "yeah"}
    return {word for word in text.split() if word in known}
