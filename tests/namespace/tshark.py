#!/usr/bin/env python3
# outside
"""tshark reads our captures, and agrees with `taphouse explain` on every field of every frame; and `explain` survives
every prefix of them.

The frames are those of tools/traffic.py and the answers to them, once on a good link and once on one that damages.
Needs tshark (Debian), which scripts/test installs.
"""

import json
import os
import shutil
import struct
import subprocess
import sys

ROOT, SCRATCH = os.environ["ROOT"], os.environ["SCRATCH"]
TAPHOUSE = os.environ["TAPHOUSE_BIN"]
TRAFFIC = os.path.join(ROOT, "tests/namespace/tools/traffic.py")

# How tshark is to look at frames: each by itself, every checksum judged.
SETTINGS = [
    "eth.fcs:FALSE", "ip.defragment:FALSE", "ip.check_checksum:TRUE", "tcp.check_checksum:TRUE",
    "udp.check_checksum:TRUE", "tcp.desegment_tcp_streams:FALSE", "tcp.relative_sequence_numbers:FALSE",
    "tcp.analyze_sequence_numbers:FALSE", "http.desegment_headers:FALSE", "http.desegment_body:FALSE",
    "tcp.try_heuristic_first:FALSE",
]
STATUS = {"0": "bad", "1": "good", "2": "not_judged", "3": "unused", "4": "bad"}


def die(message: str) -> None:
    print(message)
    sys.exit(1)


def number(text: str) -> str:
    """Numbers compare as numbers, however they are written."""
    lowered = text.lower()
    if lowered in ("true", "false"):
        return str(int(lowered == "true"))
    try:
        return str(int(text, 0))
    except ValueError:
        return text


def ours(capture: str) -> list[dict]:
    """What `taphouse explain --json` says, as lists of texts under tshark's names."""
    output = subprocess.run([TAPHOUSE, "explain", "--json", "--payload", "--fcs", "no", capture],
                            capture_output=True, text=True, check=True).stdout
    frames = []
    for line in output.splitlines():
        frame = json.loads(line)
        fields, faults = {}, set()
        for layer in frame["layers"]:
            for remark in layer.get("remarks", []):
                faults.add(remark["name"])
            for name, value in layer["fields"].items():
                if name.endswith("_calculated") or value is None:
                    continue
                values = value if isinstance(value, list) and name != "http.field" else [value]
                fields.setdefault(name, []).extend(str(v) for v in values)
        frames.append({"fields": fields, "faults": faults, "line": line})
    return frames


def theirs(capture: str, names: list[str]) -> list[dict]:
    command = ["tshark", "-r", capture, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=\x1f", "-E", "separator=\x1e"]
    for setting in SETTINGS:
        command += ["-o", setting]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        die(f"tshark failed: {done.stderr[-500:]}")
    frames = []
    for line in done.stdout.rstrip("\n").split("\n"):
        cells = line.split("\x1e")
        frames.append({n: c.split("\x1f") for n, c in zip(names, cells) if c})
    return frames


# Ours only, or written in another way: compared elsewhere or not at all.
NOT_COMPARED = {
    "http.field", "http.file_data", "data.len", "data.data", "tcp.options.unknown", "tls.app_data", "eth.padding",
    "eth.trailer", "eth.fcs", "eth.fcs.status", "icmp.pointer", "eth.len", "ip.opt.type", "tcp.options.nop",
    "tcp.options.eol", "tcp.options.sack_perm", "tls.record.content_type", "tls.record.version", "tls.record.length",
    "tcp.flags.res",
}


# What makes tshark stop where we go on.
STOPS = {"bad_version", "bad_header_length", "length_under_header", "ends_early", "bad_option"}


def is_explained(name: str, left: list[str] | None, right: list[str] | None, ours: dict, theirs: dict) -> bool:
    """Differences that are known and meant."""
    remarks = ours["faults"]
    if name == "ip.frag_offset" and left and right:
        # tshark counts in units of eight bytes.
        return [int(v) for v in left] == [8 * int(v) for v in right]
    if name == "ip.version" and left in (None, ["6"]):
        # tshark gives the version of IPv6 the same name.
        return set(right or []) == {"6"}
    if name == "tcp.seq_raw" and right is None and left == theirs.get("tcp.seq"):
        # In a quotation, and in a segment that ends early, tshark has the same number under another name.
        return True
    if name == "ip.len" and left == ["0"]:
        # tshark takes zero for a packet that the device was to cut, and shows what is there.
        return "length_under_header" in remarks
    if name == "ip.dst" and any(kind in ours["fields"].get("ip.opt.type", []) for kind in ("131", "137")):
        # tshark shows the end of a source route for the destination.
        return True
    if name.endswith(".checksum.status") and "length_over" in remarks:
        # A packet shorter than it says: tshark judges what is there, we do not.
        return left == ["not_judged"]
    if name == "eth.type" and left is None:
        # tshark has a type of zero where we see a length of zero.
        return "eth.len" in ours["fields"]
    if name.startswith("http.request.") and any("\r" in v for v in ours["fields"].get("http.request.uri", [])):
        # A damaged line end: tshark takes a CR alone for one.
        return True
    arp_types = (ours["fields"].get("arp.hw.type"), ours["fields"].get("arp.proto.type"))
    if name.startswith("arp.") and right is None and arp_types != (["1"], ["0x0800"]):
        # tshark gives addresses these names only where the types, too, say that they are such.
        return True
    if name.startswith("http.") and left is None:
        # A segment that ends within the method: we want the space behind it.
        return "length_over" in remarks
    if name == "tcp.len" and "bad_header_length" in remarks:
        return left is None
    return right is None and bool(STOPS & remarks)


def compare(capture: str) -> tuple[int, int, list[str]]:
    mine = ours(capture)
    names = sorted({name for frame in mine for name in frame["fields"]} - NOT_COMPARED)
    wire = theirs(capture, [*names, "tcp.seq"])
    if len(mine) != len(wire):
        die(f"{capture}: {len(mine)} frames of ours, {len(wire)} of tshark's")
    compared, differences = 0, []
    for n, (a, b) in enumerate(zip(mine, wire), 1):
        for name in names:
            left, right = a["fields"].get(name), b.get(name)
            if left is None and right is None:
                continue
            if name.endswith(".status"):
                right = right and [STATUS.get(number(v), v) for v in right]
            else:
                left = left and [number(v) for v in left]
                right = right and [number(v) for v in right]
            compared += 1
            if left != right and not is_explained(name, left, right, a, b):
                differences.append(f"frame {n}: {name}: ours {left}, tshark's {right}  faults {sorted(a['faults'])}")
    return len(mine), compared, differences


def raw_frames(capture: str) -> list[bytes]:
    """The bytes of each frame, out of the enhanced packet blocks."""
    data, at, frames = open(capture, "rb").read(), 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            (captured,) = struct.unpack_from("<I", data, at + 20)
            frames.append(data[at + 28:at + 28 + captured])
        at += length
    return frames


def survive_prefixes(capture: str) -> None:
    """Every prefix of every frame is explained: all of them as hexadecimal text to one process."""
    distinct = {frame[:200] for frame in raw_frames(capture)}
    prefixes = [frame[:n] for frame in distinct for n in range(1, len(frame) + 1)]
    for form in (["--json"], ["--plain", "--payload"]):
        done = subprocess.run([TAPHOUSE, "explain", *form], input="\n\n".join(p.hex() for p in prefixes),
                              capture_output=True, text=True, check=False)
        count = done.stdout.count('"layers"') if form == ["--json"] else done.stdout.count("\nFrame ") + 1
        if done.returncode != 0 or count != len(prefixes):
            die(f"{form}: status {done.returncode}, {count} of {len(prefixes)} prefixes; {done.stderr[-300:]}")
    print(f"{len(prefixes)} prefixes explained")


def main() -> None:
    if shutil.which("tshark") is None:
        print("tshark is missing")
        sys.exit(77)
    total = 0
    for name, options in (
        ("good", []),
        ("bad", ["--impair", "corrupt=10%,truncate=5%,duplicate=5%", "--seed", "07"]),
    ):
        capture = os.path.join(SCRATCH, f"{name}.pcapng")
        command = [f"{ROOT}/scripts/lab", "--pcap", capture, "--pcap-payload", *options, "--", "python3", TRAFFIC]
        if subprocess.run(command, check=False).returncode != 0:
            die(f"the lab failed: {' '.join(command)}")
        frames, compared, differences = compare(capture)
        print(f"{name}: {frames} frames, {compared} fields compared, {len(differences)} differ")
        total += frames
        survive_prefixes(capture)
        # A link that damages at random finds new ways of being wrong, about which two decoders may disagree: it is told,
        # and fails only when it is more than one or two frames.
        print("\n".join(differences[:24]))
        disagreeing = {line.split(":")[0] for line in differences}
        if len(disagreeing) > (2 if options else 0):
            die(f"{name}: {len(disagreeing)} frames")
    if total < 300:
        die(f"only {total} frames")


if __name__ == "__main__":
    main()
