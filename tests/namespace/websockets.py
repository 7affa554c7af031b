#!/usr/bin/env python3
# lab: --ws-compression takeover
# fetches
"""Somebody else's WebSockets over the TAP: the library `websockets` of PyPI as client, and curl for the handshake.

    websockets.py --fetch   puts the library into the cache (a lab has no network); scripts/test does so before
    websockets.py           in a lab: all of it, exit status 77 if the library is not there

The library is the wheel without compiled parts, so that it is the same for every interpreter.
"""

import asyncio
import base64
import itertools
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.request

VERSION = "16.0"
SHA256 = "1637db62fad1dc833276dded54215f2c7fa46912301a24bd94d45d46a011ceec"

HOST, PORT, PATH = "192.0.2.2", 80, "/ws/echo"
URL = f"ws://{HOST}{PATH}"
LARGEST = 16 << 20
# The example of RFC 6455 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
DICE = random.Random(6455)


# --- the library --------------------------------------------------------------------------------------------


def library_path():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "taphouse", f"websockets-{VERSION}")


def fetch():
    """Puts the library into the cache, if it is not there."""
    path = library_path()
    if os.path.isdir(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as scratch:
        wanted, target = os.path.join(scratch, "wanted"), os.path.join(scratch, "target")
        with open(wanted, "w") as file:
            file.write(f"websockets=={VERSION} --hash=sha256:{SHA256}\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--only-binary", ":all:", "--platform", "any", "--require-hashes", "--no-compile",
             "--target", target, "--requirement", wanted],
            check=True, timeout=110,
        )
        try:
            os.rename(target, path)
        except OSError:
            # Somebody else was faster.
            assert os.path.isdir(path)


if __name__ == "__main__" and "--fetch" in sys.argv[1:]:
    fetch()
    sys.exit()

# This file has the library's name, and its directory must not be found first.
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [library_path(), *(path for path in sys.path if os.path.abspath(path or ".") != HERE)]
try:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
except ImportError as error:
    print(f"websockets {VERSION} could not be fetched: {error}")
    sys.exit(77)


def websocket(**options):
    """A connection, without compression unless that is asked for."""
    options = {"compression": None, "max_size": None, "ping_interval": None, "proxy": None, **options}
    return connect(URL, **options)


# --- messages -----------------------------------------------------------------------------------------------


def text(length):
    """About so many bytes of UTF-8, in characters of one to four."""
    return "".join(DICE.choices("a \0é€\U0001f600", k=length // 2))


async def echoed(ws, message):
    await ws.send(message)
    answer = await ws.recv()
    assert answer == message, f"{len(message)} of a {type(message).__name__} came back as {len(answer)}"


async def messages_come_back():
    for options in ({}, {"compression": "deflate"}):
        async with websocket(**options) as ws:
            for length in (0, 1, 125, 126, 65_535, 65_536, 300_000):
                await echoed(ws, text(length))
                await echoed(ws, DICE.randbytes(length))
                await echoed(ws, b"ab" * (length // 2))


async def the_largest_message_comes_back():
    for options in ({}, {"compression": "deflate"}):
        async with websocket(**options) as ws:
            await echoed(ws, DICE.randbytes(1 << 20) * 16)
            await echoed(ws, "x" * LARGEST)


async def a_larger_one_is_refused():
    for options in ({}, {"compression": "deflate"}):
        async with websocket(**options) as ws:
            assert await end_of(ws, ws.send("x" * (LARGEST + 1))) == 1009, options


async def fragments_are_joined():
    async with websocket() as ws:
        for parts in (["", ""], ["a", "é", "€"], [text(1000) for _ in range(50)], [b"", b"x", b""],
                      [b"x" * 70_000] * 9):
            await ws.send(parts)
            assert await ws.recv() == type(parts[0])().join(parts)

        async def with_pings():
            for _ in range(10):
                await (await ws.ping())
                yield "part"

        await ws.send(with_pings())
        assert await ws.recv() == "part" * 10


async def a_ping_may_come_before_the_end_of_a_large_message():
    """What waits for the client by then is a pong of some bytes: that is not a client who takes nothing."""
    async def parts(ws):
        yield b"x" * (2 << 20)
        await ws.ping()
        yield b"y"

    async with websocket() as ws:
        for _ in range(10):
            await ws.send(parts(ws))
            assert len(await ws.recv()) == (2 << 20) + 1


async def pings_are_answered():
    async with websocket() as ws:
        for length in (0, 1, 124, 125):
            await asyncio.wait_for(await ws.ping(DICE.randbytes(length)), 5)
        waits = [await ws.ping(bytes([i])) for i in range(100)]
        await asyncio.wait_for(asyncio.gather(*waits), 5)
        await ws.pong(b"that nobody has asked for")
        await echoed(ws, "still here")


# --- compression --------------------------------------------------------------------------------------------


async def compression_is_as_it_is_asked_for():
    """All that the library can ask for. Windows of 8 bits have a test of their own."""
    bits = (None, *range(9, 16))
    asked = list(itertools.product((False, True), (False, True), bits, (True, *bits)))
    slots = asyncio.Semaphore(16)

    async def one(server_forgets, client_forgets, server_bits, client_bits):
        factory = ClientPerMessageDeflateFactory(server_forgets, client_forgets, server_bits, client_bits)
        async with slots, websocket(extensions=[factory]) as ws:
            (agreed,) = ws.protocol.extensions
            what = f"{server_forgets} {client_forgets} {server_bits} {client_bits}: {agreed}"
            assert agreed.remote_no_context_takeover == server_forgets, what
            assert agreed.local_no_context_takeover == client_forgets, what
            assert agreed.remote_max_window_bits == (server_bits or 15), what
            # `True` lets the house choose.
            assert agreed.local_max_window_bits == (15 if client_bits in (None, True) else client_bits), what
            # What is said again far behind, beyond the smaller windows, and near.
            page = DICE.randbytes(700)
            for message in (page * 3, page + bytes(40_000) + page, text(5000), "x", "", "again " * 2000):
                await echoed(ws, message)

    await asyncio.gather(*(one(*row) for row in asked))
    return f"{len(asked)} ways to ask"


def windows_of_8_bits():
    """zlib makes none: a house that must use one declines, and one that must be sent some takes it."""
    for parameters, answer in [
        ("server_max_window_bits=8", None),
        ("client_max_window_bits=8", "client_max_window_bits=8"),
        ("server_max_window_bits=8, permessage-deflate", "permessage-deflate"),
    ]:
        _, head = shake_hands(f"Sec-WebSocket-Extensions: permessage-deflate; {parameters}\r\n")
        found = re.search(r"(?i)^Sec-WebSocket-Extensions: (.*)\r$", head, re.MULTILINE)
        assert (found is None) == (answer is None) and (found is None or answer in found[1]), head


# --- the end ------------------------------------------------------------------------------------------------


async def end_of(ws, sending=None):
    """The code with which the house closes."""
    try:
        if sending is not None:
            await sending
        while True:
            await asyncio.wait_for(ws.recv(), 30)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


async def close_codes_come_back():
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999):
        async with websocket() as ws:
            await ws.send("said before")
            await ws.close(code, "né" * 40)
            received = ws.protocol.close_rcvd
            assert (received.code, ws.protocol.close_rcvd_then_sent) == (code, False), f"{code}: {received}"


async def broken_clients_are_told_so():
    def raw(opcode, data, fin=True):
        mask = b"\0\0\0\0"
        return bytes([fin << 7 | opcode, 0x80 | len(data)]) + mask + data

    for wire, code in [
        (raw(1, b"caf\xe9"), 1007),
        (raw(1, b"\xed\xa0", fin=False), 1007),
        (raw(0, b"more"), 1002),
        (raw(1, b"a", fin=False) + raw(1, b"b"), 1002),
        (raw(3, b""), 1002),
        (raw(9, b"", fin=False), 1002),
        (raw(8, b"\x03"), 1002),
        (raw(8, struct.pack("!H", 1005)), 1002),
        (b"\xc1\x80\0\0\0\0", 1002),  # compressed, which was not agreed upon
        (b"\x81\x01x", 1002),  # not masked
        (b"\x82\xff" + struct.pack("!Q", LARGEST + 1) + bytes(4), 1009),
    ]:
        async with websocket() as ws:
            ws.transport.write(wire)
            assert await end_of(ws) == code, wire
    async with websocket(compression="deflate") as ws:
        ws.transport.write(b"\xc1\x83\0\0\0\0\xff\xff\xff")
        assert await end_of(ws) == 1007, "compressed data that is none"


async def many_at_once():
    async def one(number):
        async with websocket(open_timeout=60, compression=("deflate" if number % 2 else None)) as ws:
            for i in range(20):
                await echoed(ws, f"{number}.{i} " * DICE.randrange(500))
            barrier.discard(number)
            # All of them are open at once.
            while barrier:
                await asyncio.sleep(0.05)
            await echoed(ws, "at last")

    barrier = set(range(200))
    await asyncio.gather(*(one(number) for number in range(200)))
    return "200 connections, 4,200 messages"


# --- who leaves without a word ------------------------------------------------------------------------------


def shake_hands(more=""):
    """A plain socket whose handshake is done, and the head of its answer."""
    s = socket.create_connection((HOST, PORT), timeout=20)
    s.sendall(
        f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = s.recv(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 101 "), head
    return s, head.decode()


def rest_of(s):
    rest = b""
    while part := s.recv(65_536):
        rest += part
    return rest


def half_closing_clients_are_served():
    """Who has finished sending is still answered, and then let go."""
    hello = b"\x81\x85\0\0\0\0hello"
    s, _ = shake_hands()
    s.sendall(hello)
    s.shutdown(socket.SHUT_WR)
    assert rest_of(s) == b"\x81\x05hello"
    s, _ = shake_hands()
    s.sendall(hello + b"\x88\x82\0\0\0\0" + struct.pack("!H", 1001))
    s.shutdown(socket.SHUT_WR)
    assert rest_of(s) == b"\x81\x05hello\x88\x02" + struct.pack("!H", 1001)
    # In the midst of a large message.
    s, _ = shake_hands()
    s.sendall(b"\x82\xff" + struct.pack("!Q", 100_000) + bytes(4) + bytes(50_000))
    s.shutdown(socket.SHUT_WR)
    assert rest_of(s) == b""


def connections():
    with urllib.request.urlopen(f"http://{HOST}/metrics", timeout=10) as answer:
        return int(re.search(r"(?m)^taphouse_tcp_connections (\d+)$", answer.read().decode())[1])


async def dropped_connections_are_gone():
    before = await asyncio.to_thread(connections)
    dropped = []
    for i in range(50):
        s, _ = await asyncio.to_thread(shake_hands)
        # Half a message, or a whole one whose echo nobody takes.
        s.sendall(b"\x82\xfe\x10\x00" + bytes(4) + bytes(100 if i % 2 else 4096))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dropped.append(s)
    held = await asyncio.to_thread(connections)
    assert held >= before + 50, f"{before}, then {held}"
    for s in dropped:
        s.close()
    for _ in range(100):
        left = await asyncio.to_thread(connections)
        if left <= before:
            break
        await asyncio.sleep(0.1)
    assert left <= before, f"{left} connections are left, {before} were there"
    async with websocket() as ws:
        await echoed(ws, "and nobody else has noticed")


# --- the handshake, by curl ---------------------------------------------------------------------------------

GOOD = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}


def curl(headers, *options):
    """The head of what curl is told, as curl shows it."""
    # What comes of an upgrade has no end that curl would know.
    command = ["curl", "--silent", "--include", "--no-buffer", "--max-time", "1.5", *options]
    for name, value in headers:
        command += ["--header", f"{name}: {value}"]
    shown = subprocess.run([*command, f"http://{HOST}{PATH}"], capture_output=True, timeout=30)
    return shown.stdout.decode().partition("\r\n\r\n")[0]


def curl_is_taken_or_refused():
    def with_(**changes):
        changes = {name.replace("_", "-"): value for name, value in changes.items()}
        return [(name, value) for name, value in {**GOOD, **changes}.items() if value is not None]

    head = curl(with_())
    assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n"), head
    assert f"\r\nSec-WebSocket-Accept: {ACCEPT}" in head, head
    head = curl(with_(Upgrade="h2c, WebSocket", Connection="keep-alive, upgrade", Origin="https://elsewhere.test"))
    assert head.startswith("HTTP/1.1 101 "), head

    wrong_key = base64.b64encode(bytes(15)).decode()
    for what, headers, options, status in [
        ("no upgrade", with_(Upgrade=None), [], 426),
        ("to something else", with_(Upgrade="h2c"), [], 426),
        ("an old version", with_(Sec_WebSocket_Version="8"), [], 426),
        ("no version", with_(Sec_WebSocket_Version=None), [], 400),
        ("two versions", [*with_(), ("Sec-WebSocket-Version", "13")], [], 400),
        ("Connection without Upgrade", with_(Connection="keep-alive"), [], 400),
        ("no key", with_(Sec_WebSocket_Key=None), [], 400),
        ("a key of 15 bytes", with_(Sec_WebSocket_Key=wrong_key), [], 400),
        ("two keys", [*with_(), ("Sec-WebSocket-Key", KEY)], [], 400),
        ("extensions that are none", with_(Sec_WebSocket_Extensions="permessage-deflate; ="), [], 400),
        ("a body", with_(), ["--request", "GET", "--data", "x"], 400),
        ("HTTP/1.0", with_(), ["--http1.0"], 400),
        ("another method", with_(), ["--request", "POST"], 405),
        ("what there is", with_(), ["--request", "OPTIONS"], 204),
    ]:
        head = curl(headers, *options)
        assert head.startswith(f"HTTP/1.1 {status} "), f"{what}: wanted {status}, got\n{head}"
        assert "accept:" not in head.lower(), f"{what}:\n{head}"
        if status == 426:
            assert "\r\nUpgrade: websocket" in head and "\r\nSec-WebSocket-Version: 13" in head, f"{what}:\n{head}"


# --- all of it ----------------------------------------------------------------------------------------------


async def main():
    for test in (messages_come_back, the_largest_message_comes_back, a_larger_one_is_refused, fragments_are_joined,
                 a_ping_may_come_before_the_end_of_a_large_message, pings_are_answered, compression_is_as_it_is_asked_for, windows_of_8_bits, close_codes_come_back,
                 broken_clients_are_told_so, many_at_once, half_closing_clients_are_served,
                 dropped_connections_are_gone, curl_is_taken_or_refused):
        try:
            if asyncio.iscoroutinefunction(test):
                figures = await asyncio.wait_for(test(), 90)
            else:
                figures = await asyncio.to_thread(test)
        except BaseException:
            print(f"FAILED  {test.__name__}", flush=True)
            raise
        print(f"ok      {test.__name__}{f' ({figures})' if figures else ''}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
