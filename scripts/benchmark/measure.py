"""One sample of one contestant: run it, and give its figures."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time

from . import contestants, lab
from .contestants import Programs
from .lab import Failure, Lab
from .rows import IDLE, SAMPLES, Sample

GB, MB = 1e9, 1e6


def sample(name: str, what: Sample, place: Lab, programs: Programs, seconds: float) -> dict[str, float]:
    """The figures of a sample, by the name that rows use."""
    with contestants.serving(name, what, place, programs) as pids:
        if what.kind == "idle":
            return _idle(what, place, programs, pids)
        cpu, busy = lab.cpu_seconds(pids), lab.busy_seconds()
        if what.kind == "rate":
            found, units, per = _wrk(what, place, programs, seconds)
        else:
            found, units, per = _load(what, place, programs, seconds)
        cpu, busy = lab.cpu_seconds(pids) - cpu, lab.busy_seconds() - busy
        return found | {"cpu": cpu / units * per, "busy": busy / units * per}


def _load(what: Sample, place: Lab, programs: Programs, seconds: float) -> tuple[dict[str, float], float, float]:
    words = [what.kind, *([] if what.kind == "new-connections" else [str(what.connections)]), str(seconds)]
    if what.spins:
        words.append("--spin")
    line = json.loads(contestants.load(place, programs, words, what, seconds + 30))
    if what.is_bulk:
        return {"rate": line["rate"] / MB}, line["total"], GB
    if what.is_echo:
        return {"p50": line["p50"], "p99": line["p99"], "rate": line["rate"]}, line["messages"], MB
    if line["failed"] > line["connections"] / 1000:
        raise Failure(f"{line['failed']} connections failed")
    return {"rate": line["rate"]}, line["connections"], MB


def _wrk(what: Sample, place: Lab, programs: Programs, seconds: float) -> tuple[dict[str, float], float, float]:
    # wrk counts whole seconds; many connections take a part of the first one to come about.
    whole = max(1, math.ceil(seconds)) + (1 if what.connections > 1000 and seconds >= 1 else 0)
    text = place.client.run([programs.wrk, "-t1", f"-c{what.connections}", f"-d{whole}s", "--timeout", "10s",
                             f"http://{lab.SERVER}/bytes/612"], lab.cpus()[0], whole + 30)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    if rate is None or count is None or int(count[1]) == 0:
        raise Failure("wrk got no answer: " + " ".join(text.split())[-200:])
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = sum(map(int, errors.groups())) if errors else 0
    if wrong or failed > what.connections / 100:
        raise Failure("wrk met errors: " + (errors or wrong)[0])
    return {"rate": float(rate[1])}, float(count[1]), MB


def _idle(what: Sample, place: Lab, programs: Programs, pids: list[int]) -> dict[str, float]:
    time.sleep(0.05)
    before, slab = lab.resident(pids), lab.slab()
    command = [str(programs.rivals / "load"), "idle", str(what.connections), "--to", f"{lab.SERVER}:80"]
    process = place.client.start(command, lab.cpus()[0], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
    with lab.running(process):
        # It is patient for 10 s itself, and says why it ends.
        line = process.stdout.readline()
        if not line:
            raise Failure(process.stderr.read().decode(errors="replace").strip()[-200:])
        time.sleep(0.2)
        rss = lab.resident(pids) - before
        return {"rss": rss / IDLE, "all": (rss + lab.slab() - slab) / IDLE}


def check(name: str, place: Lab, programs: Programs) -> int:
    """Before anything is timed: does it serve what it should, and is the kernel's congestion control cubic? Gives the
    bytes of the head of the small answer."""
    head = 0
    by_key = {s.key: s for s in SAMPLES}
    for kind, key in (("bulk", "bulk-up-1"), ("http", "requests-64")):
        what = by_key[key]
        with contestants.serving(name, what, place, programs):
            line = json.loads(contestants.load(place, programs, ["check"], what))
            head = line["head"]
            if kind == "bulk" and not line["sink"]:
                raise Failure(f"{name} takes no uploads")
            if name == "kernel":
                _check_server_congestion(place, programs)
    return head


def _check_server_congestion(place: Lab, programs: Programs) -> None:
    """The client reads its own back, each time. nginx and the socket server are asked through `ss`."""
    command = [str(programs.rivals / "load"), "idle", "1", "--to", f"{lab.SERVER}:80"]
    process = place.client.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with lab.running(process):
        if not process.stdout.readline():
            raise Failure(process.stderr.read().decode(errors="replace").strip()[-200:])
        found = contestants.server_congestion(place)
    if found != {"cubic"}:
        raise Failure(f"the server's side of veth has {', '.join(sorted(found)) or 'no'} congestion control, not cubic")
