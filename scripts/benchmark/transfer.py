"""One transfer between two sockets of the kernel, or from one to taphouse: HTTP as plain as it can be.

    transfer.py serve   --buffer BYTES                       GET /bytes/N and PUT /sink, one connection at a time
    transfer.py get N   --buffer BYTES --limit SECONDS       one line of JSON: bytes, seconds, whether it was cut
    transfer.py put N   --buffer BYTES --limit SECONDS
    transfer.py plain DEVICE                                 switches the device's offloads off
    transfer.py announce DEVICE                              one ARP announcement of the server's address

Every socket has cubic, buffers and a window of the size that is asked for, or nothing is sent: all three are read back.
The time is from the first byte of the request to the last of the answer, on a connection that stands already; so what
SYNs and questions for hardware addresses suffer does not count. A transfer that takes longer than the limit is cut, and
counts with what had arrived by then.
"""

from __future__ import annotations

import argparse
import array
import fcntl
import json
import socket
import struct
import sys
import time

SERVER = ("192.0.2.2", 80)
PIECE = 256 << 10
SO_SNDBUFFORCE, SO_RCVBUFFORCE, SIOCOUTQ, SIOCETHTOOL = 32, 33, 0x5411, 0x8946
TCP_WINDOW_CLAMP = 10
# ETHTOOL_GTSO and so on: the request that reads and the one that sets.
OFFLOADS = {"tso": (0x1E, 0x1F), "gso": (0x23, 0x24), "gro": (0x2B, 0x2C)}


class Refused(Exception):
    """The kernel gives something else than what both contestants must have."""


def prepare(end: socket.socket, buffer: int) -> None:
    """Before it listens or connects: the window's scale is agreed upon with the SYN."""
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    for force, plain in ((SO_SNDBUFFORCE, socket.SO_SNDBUF), (SO_RCVBUFFORCE, socket.SO_RCVBUF)):
        try:
            end.setsockopt(socket.SOL_SOCKET, force, buffer)
        except PermissionError:
            end.setsockopt(socket.SOL_SOCKET, plain, buffer)
    clamp(end, buffer)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def clamp(end: socket.socket, buffer: int) -> None:
    """Linux undoes it when it sees how much memory the packets take that come, so it is said again with each read."""
    end.setsockopt(socket.IPPROTO_TCP, TCP_WINDOW_CLAMP, buffer)


def judge(end: socket.socket, buffer: int) -> None:
    """The kernel doubles what is asked for, for what it spends on each packet beside the payload."""
    congestion = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()
    if congestion != "cubic":
        raise Refused(f"the kernel's side has {congestion}, not cubic")
    for name, option in (("send", socket.SO_SNDBUF), ("receive", socket.SO_RCVBUF)):
        found = end.getsockopt(socket.SOL_SOCKET, option)
        if found != 2 * buffer:
            raise Refused(f"the kernel gives a {name} buffer of {found // 2} bytes, not {buffer}; it takes root")
    most = end.getsockopt(socket.IPPROTO_TCP, TCP_WINDOW_CLAMP)
    # It may be rounded down to whole segments.
    if not buffer - 1500 < most <= buffer:
        raise Refused(f"the kernel's window goes to {most} bytes, not {buffer}")


def head_of(end: socket.socket) -> tuple[bytes, bytes]:
    """A head, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = end.recv(PIECE)
        if not piece:
            return b"", b""
        data += piece
    head, rest = data.split(b"\r\n\r\n", 1)
    return head, rest


def length_of(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Refused(f"no length in {head!r}")


# --- the server ----------------------------------------------------------------------------------------


def serve(buffer: int) -> None:
    with socket.socket() as listener:
        prepare(listener, buffer)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(SERVER)
        listener.listen(16)
        print("ready", flush=True)
        while True:
            peer, _ = listener.accept()
            with peer:
                # What a connection inherits from its listener is not all of it.
                prepare(peer, buffer)
                judge(peer, buffer)
                try:
                    answer(peer, buffer)
                except OSError:
                    continue  # it was cut
                judge(peer, buffer)


def answer(peer: socket.socket, buffer: int) -> None:
    head, rest = head_of(peer)
    words = head.split(b" ")
    if words[0] == b"GET":
        send_body(peer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", int(words[1].rsplit(b"/", 1)[1]))
    elif words[0] == b"PUT":
        left, whole = length_of(head) - len(rest), length_of(head)
        room = memoryview(bytearray(PIECE))
        while left > 0:
            count = peer.recv_into(room)
            if count == 0:
                return
            clamp(peer, buffer)
            left -= count
        said = b'{"bytes":%d}' % whole
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))


def send_body(end: socket.socket, head: bytes, count: int) -> None:
    piece = memoryview(bytes(i % 251 for i in range(PIECE)))
    end.sendall(head % count)
    while count > 0:
        count -= end.send(piece[:count])


# --- the client ----------------------------------------------------------------------------------------


def connect(buffer: int) -> socket.socket:
    """As soon as there is somebody to answer."""
    until = time.monotonic() + 15
    while True:
        end = socket.socket()
        prepare(end, buffer)
        end.settimeout(5)
        try:
            end.connect(SERVER)
        except OSError as error:
            end.close()
            if time.monotonic() > until:
                raise Refused(f"nobody answers: {error}") from None
            time.sleep(0.02)
            continue
        judge(end, buffer)
        return end


def transfer(way: str, count: int, buffer: int, limit: float) -> dict:
    with connect(buffer) as end:
        start = time.monotonic()
        done, until = 0, start + limit
        try:
            if way == "get":
                for done in get(end, count, until):
                    clamp(end, buffer)
            else:
                for done in put(end, count, until):
                    pass
        except TimeoutError:
            pass
        took = time.monotonic() - start
        judge(end, buffer)
        if way == "put" and done < count:
            unsent = array.array("i", [0])
            fcntl.ioctl(end, SIOCOUTQ, unsent)
            done = max(0, done - unsent[0])
        return {"bytes": done, "seconds": took, "cut": done < count}


def patience(end: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    end.settimeout(left)


def get(end: socket.socket, count: int, until: float):
    """Gives the bytes of the body that are there so far."""
    patience(end, until)
    end.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n" % count)
    head, rest = head_of(end)
    check(head)
    if length_of(head) != count:
        raise Refused(f"{length_of(head)} bytes were announced, not {count}")
    done, room = len(rest), memoryview(bytearray(PIECE))
    yield done
    while done < count:
        patience(end, until)
        got = end.recv_into(room)
        if got == 0:
            raise Refused(f"it closed after {done} bytes of {count}")
        done += got
        yield done


def put(end: socket.socket, count: int, until: float):
    """Gives the bytes of the body that were handed to the kernel so far, all of them once the answer is there."""
    piece = memoryview(bytes(i % 251 for i in range(PIECE)))
    patience(end, until)
    end.sendall(b"PUT /sink HTTP/1.1\r\nHost: 192.0.2.2\r\nContent-Length: %d\r\n\r\n" % count)
    done = 0
    while done < count:
        patience(end, until)
        done += end.send(piece[: count - done])
        # Handed over is not arrived: the last byte counts with the answer.
        yield min(done, count - 1)
    patience(end, until)
    head, _ = head_of(end)
    check(head)
    yield count


def check(head: bytes) -> None:
    if not head.startswith(b"HTTP/1.1 200 "):
        raise Refused("it answers " + (head.split(b"\r\n")[0].decode(errors="replace") or "nothing"))


# --- the device ----------------------------------------------------------------------------------------


def plain(device: str) -> None:
    """Frames as a wire has them, on the kernel's side too: none is joined or cut there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        for name, (read, write) in OFFLOADS.items():
            _ethtool(end, device, write, 0)
            if _ethtool(end, device, read, 0) != 0:
                raise Refused(f"{name} stays on at {device}")


def announce(device: str) -> None:
    """taphouse sends one before anything else, and each frame has a draw of the wire's: so the next have the same."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as end:
        end.bind((device, 0))
        mac, own = end.getsockname()[4], socket.inet_aton(SERVER[0])
        ethernet = b"\xff" * 6 + mac + b"\x08\x06"
        end.send(ethernet + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + own + bytes(6) + own)


def _ethtool(end: socket.socket, device: str, command: int, value: int) -> int:
    room = array.array("I", [command, value])
    fcntl.ioctl(end, SIOCETHTOOL, struct.pack("16sP", device.encode(), room.buffer_info()[0]) + bytes(16))
    return room[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["serve", "get", "put", "plain", "announce"])
    parser.add_argument("of", nargs="?", default="0")
    parser.add_argument("--buffer", type=int, default=512 << 10)
    parser.add_argument("--limit", type=float, default=30)
    options = parser.parse_args()
    try:
        if options.what == "serve":
            serve(options.buffer)
        elif options.what == "plain":
            plain(options.of)
        elif options.what == "announce":
            announce(options.of)
        else:
            print(json.dumps(transfer(options.what, int(options.of), options.buffer, options.limit)))
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
