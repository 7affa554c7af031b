"""A WebSocket as a client sees it, by hand: RFC 6455, with the standard library alone."""

import base64
import os
import socket
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, rsv1=False, length=None, mask=bytes(4)):
    """A masked frame. The mask is zero unless given, so that the payload is seen as it is; `length` lies about it."""
    length = len(payload) if length is None else length
    first = opcode | fin << 7 | rsv1 << 6
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    if any(mask):
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + mask + payload


def opening(path, fields=()):
    """The request, with a key of its own."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Seat:
    """One WebSocket, on a socket that waits."""

    def __init__(self, path="/ws/echo", host=("192.0.2.2", 80), fields=(), timeout=10, receive_buffer=None, source=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(host)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(opening(path, fields))
        self.left = b""
        while b"\r\n\r\n" not in self.left:
            self.left += self._more()
        self.head, self.left = self.left.split(b"\r\n\r\n", 1)
        assert self.head.startswith(b"HTTP/1.1 101 "), self.head

    def _more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the connection is finished")
        return data

    def _take(self, n):
        while len(self.left) < n:
            self.left += self._more()
        taken, self.left = self.left[:n], self.left[n:]
        return taken

    def send(self, opcode, payload=b"", **how):
        self.socket.sendall(frame(opcode, payload, **how))

    def receive(self):
        """The next frame: opcode and payload. EOFError when the connection is finished in order."""
        first, second = self._take(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self._take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._take(8))[0]
        return first & 0x0F, self._take(length)

    def wait(self):
        """Waits until there is something to receive."""
        if not self.left:
            self.left = self._more()

    def closing_code(self):
        """The code of the Close frame that comes next, whatever else is under way before it."""
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0]

    def is_finished(self):
        """The server closes its side, in order, with nothing more to say."""
        try:
            self.receive()
        except EOFError:
            return True
        return False

    def close(self):
        self.socket.close()
