#!/usr/bin/env python3
"""Makes every kind of frame pass a live server's link: what the kernel and the stack say to each other, and what
nobody should say.

Run as root in a network namespace where `tap0` (192.0.2.1/24) leads to the server at 192.0.2.2. Standard library
only. The frames made by hand come from a host that is not there, 192.0.2.77.
"""

import contextlib
import os
import socket
import struct
import subprocess
import time

SERVER = "192.0.2.2"
GHOST_MAC = bytes.fromhex("020000000077")
GHOST, HOST = socket.inet_aton("192.0.2.77"), socket.inet_aton(SERVER)


def run(*command: str) -> None:
    """Runs a client for a while; what it thinks of the answer does not matter here."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=4, check=False)


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4(payload: bytes, protocol: int, options: bytes = b"", flags: int = 0x4000, tos: int = 0,
         ttl: int = 64, ident: int = 7) -> bytes:
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, tos, words * 4 + len(payload), ident, flags, ttl,
                       protocol, 0, GHOST, HOST) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(payload: bytes = b"", flags: int = 0x10, options: bytes = b"", seq: int = 1000, ack: int = 2000,
        urgent: int = 0, ports: tuple[int, int] = (5555, 9), reserved: int = 0) -> bytes:
    offset = 5 + len(options) // 4
    head = struct.pack("!HHIIBBHHH", *ports, seq, ack, offset << 4 | reserved, flags, 4096, 0, urgent)
    segment = head + options + payload
    pseudo = GHOST + HOST + struct.pack("!BBH", 0, 6, len(segment))
    return segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]


def udp(payload: bytes, summed: bool = True) -> bytes:
    datagram = struct.pack("!HHHH", 5555, 9, 8 + len(payload), 0) + payload
    pseudo = GHOST + HOST + struct.pack("!BBH", 0, 17, len(datagram))
    total = checksum(pseudo + datagram) or 0xFFFF
    return datagram[:6] + struct.pack("!H", total if summed else 0) + datagram[8:]


def icmp(kind: int, code: int, rest: bytes) -> bytes:
    message = struct.pack("!BBH", kind, code, 0) + rest
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def handmade() -> list[bytes]:
    """Payloads of Ethernet frames of type IPv4 that no client makes."""
    quoted = ipv4(tcp(), 6)[:28]
    kinds = [
        ipv4(tcp(flags=flag), 6) for flag in (0x01, 0x02, 0x04, 0x08, 0x20, 0x40, 0x80, 0x12, 0x14, 0x03, 0xC2, 0xFF, 0)
    ]
    kinds += [
        ipv4(tcp(options=options), 6)
        for options in (
            bytes([2, 4, 5, 0xB4]), bytes([3, 3, 14, 0]), bytes([4, 2, 1, 1]), bytes([8, 10, *range(8), 1, 1]),
            bytes([5, 10, *range(8), 1, 1]), bytes([5, 18, *range(16), 1, 1]), bytes([5, 26, *range(24), 1, 1]),
            bytes([1, 1, 1, 0]), bytes([0, 0, 0, 0]), bytes([254, 4, 1, 2]), bytes([34, 2, 1, 1]),
            bytes([28, 4, 0, 5]), bytes([19, 18, *range(16), 1, 1]), bytes([2, 4, 5, 0xB4, 4, 2, 8, 10, *range(8), 1, 3, 3, 7]),
        )
    ]
    kinds += [ipv4(tcp(flags=0x30, urgent=n, payload=b"x" * 9), 6) for n in (0, 1, 9, 65535)]
    kinds += [ipv4(tcp(reserved=n), 6) for n in (1, 2, 8)]
    kinds += [ipv4(tcp(payload=b"y" * n), 6) for n in (1, 2, 3, 100, 1400)]
    kinds += [ipv4(tcp(payload=text, ports=(5555, 80)), 6) for text in (
        b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
        b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"DELETE /c HTTP/1.0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    )]
    kinds += [ipv4(udp(b"z" * n, summed), 17) for n in (0, 1, 8, 500) for summed in (True, False)]
    kinds += [ipv4(icmp(kind, code, bytes(4) + quoted), 1) for kind, code in (
        (3, 0), (3, 1), (3, 2), (3, 3), (3, 13), (11, 0), (11, 1))]
    kinds += [ipv4(icmp(3, 4, struct.pack("!HH", 0, 1400) + quoted), 1), ipv4(icmp(12, 0, bytes([20, 0, 0, 0]) + quoted), 1)]
    kinds += [ipv4(icmp(kind, 0, struct.pack("!HH", 3, 4) + b"q" * n), 1) for kind in (0, 8) for n in (0, 1, 56)]
    kinds += [ipv4(b"?" * 20, protocol) for protocol in (2, 47, 50, 132, 255)]
    kinds += [ipv4(udp(b"options"), 17, options=options) for options in (
        bytes([1, 1, 1, 0]), bytes([7, 7, 4, 0, 0, 0, 0, 0]), bytes([148, 4, 0, 0]), bytes([131, 7, 4, 1, 2, 3, 4, 0]))]
    kinds += [ipv4(udp(b"traffic"), 17, tos=tos) for tos in (0x01, 0x02, 0x03, 0xB8, 0xFF)]
    kinds += [ipv4(udp(b"far"), 17, ttl=ttl) for ttl in (0, 1, 255)]
    kinds += [ipv4(b"f" * 64, 17, flags=flags, ident=99 + flags) for flags in (0x2000, 0x2008, 0x0010, 0x8000, 0x1FFF)]
    return kinds


def damaged() -> list[bytes]:
    """Packets whose own fields lie."""
    whole = ipv4(tcp(options=bytes([2, 4, 5, 0xB4]), payload=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 6)

    def changed(at: int, value: int) -> bytes:
        return whole[:at] + bytes([value]) + whole[at + 1:]

    lies = [changed(0, v) for v in (0x55, 0x41, 0x44, 0x4F, 0x00)]
    lies += [changed(2, 0xFF), changed(3, 0x00), changed(3, 0x13), changed(10, 0x77), changed(8, 0)]
    lies += [changed(32, v) for v in (0x00, 0x40, 0x50, 0x70, 0xF0)]
    lies += [changed(36, 0x77), changed(40, 0), changed(41, 0), changed(41, 1), changed(41, 60), changed(40, 8)]
    lies += [changed(20, 0) [:21] + b"\0" + whole[22:], whole[:22] + b"\0\0" + whole[24:]]
    # Cut on the way: behind each layer's beginning and in the middle of it.
    lies += [whole[:n] for n in (0, 1, 10, 19, 20, 21, 27, 30, 39, 40, 43, 44, 50)]
    return lies


def raw_frames(mac: bytes) -> None:
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind(("tap0", 0))

    def send(payload: bytes, kind: int = 0x0800, dst: bytes = mac, src: bytes = GHOST_MAC) -> None:
        link.send(dst + src + struct.pack("!H", kind) + payload)
        time.sleep(0.001)

    for packet in handmade():
        send(packet)
        send(packet.ljust(46, b"\0"))
    for packet in damaged():
        send(packet)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    for operation in (1, 2, 3, 8):
        send(struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + GHOST_MAC + GHOST + bytes(6) + HOST, 0x0806)
    send(arp + GHOST_MAC + bytes(4) + bytes(6) + GHOST, 0x0806, b"\xff" * 6)
    send(arp + GHOST_MAC + GHOST + bytes(6) + GHOST, 0x0806, b"\xff" * 6)
    send(struct.pack("!HHBBH", 6, 0x0800, 6, 4, 1) + bytes(20), 0x0806)
    send((arp + GHOST_MAC + GHOST)[:18], 0x0806)
    for kind in (0x86DD, 0x88CC, 0x9000, 0x0600):
        send(b"\x60" + bytes(50), kind)
    send(b"\x42\x42\x03" + bytes(43), 46)
    send(ipv4(tcp(), 6), dst=b"\xff" * 6)
    send(ipv4(udp(b"group"), 17), dst=bytes.fromhex("01005e000001"))
    link.send(mac + GHOST_MAC + b"\x08\x00")


def streams() -> None:
    """What applications do with connections."""
    url = f"http://{SERVER}"
    run("curl", "-s", f"{url}/hello", f"{url}/", f"{url}/healthz", f"{url}/nothing")
    run("curl", "-sI", f"{url}/hello")
    run("curl", "-s", "-H", "Authorization: Bearer abc", "-H", "Cookie: a=b", f"{url}/hello?token=x&page=1")
    run("curl", "-s", "-d", '{"nickname":"hong"}', "-H", "Content-Type: application/json", f"{url}/echo")
    run("curl", "-s", "-T", "/etc/services", f"{url}/sink?sha256=1")
    run("curl", "-s", "-X", "OPTIONS", f"{url}/echo")
    run("curl", "-s", "-o", "/dev/null", f"{url}/bytes/100000")
    run("curl", "-s", "-0", f"{url}/hello")
    run("curl", "-s", "-m", "1", f"http://{SERVER}:81/")
    with contextlib.suppress(OSError):
        split_request()
        slow_reader()


def split_request() -> None:
    with socket.create_connection((SERVER, 80), timeout=5) as stream:
        stream.send(b"GET /hello HTTP/1.1\r\nHo")
        time.sleep(0.01)
        stream.send(b"st: x\r\n\r\n")
        stream.recv(1000)
        stream.send(b"u", socket.MSG_OOB)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def slow_reader() -> None:
    slow = socket.socket()
    slow.settimeout(5)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect((SERVER, 80))
    slow.send(b"GET /bytes/200000 HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.6)
    for _ in range(20):
        slow.recv(20000)
    slow.close()


def main() -> None:
    streams()
    run("ping", "-c", "2", "-i", "0.1", SERVER)
    run("ping", "-c", "1", "-s", "4000", SERVER)
    run("ping", "-c", "1", "-R", SERVER)
    run("ping", "-c", "1", "-T", "tsonly", SERVER)
    for summed in (0, 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            datagram.setsockopt(socket.SOL_SOCKET, 11, summed)
            datagram.sendto(b"nobody listens", (SERVER, 9))
            datagram.sendto(b"n" * 3000, (SERVER, 9))
    neighbour = subprocess.run(["ip", "neigh", "show", SERVER], capture_output=True, text=True, check=True)
    words = neighbour.stdout.split()
    raw_frames(bytes.fromhex(words[words.index("lladdr") + 1].replace(":", "")))
    time.sleep(0.3)


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    main()
