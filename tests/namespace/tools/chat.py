#!/usr/bin/env python3
"""Two clients of examples/web.rs hear each other, and hear of the end, which this script asks process `argv[1]` for."""

import os
import signal
import socket
import sys
import time

from websocket import CLOSE, TEXT, Seat

ann, bob = Seat("/chat"), Seat("/chat")
for speaker, text in ((ann, b"good evening"), (bob, "안녕하세요".encode()), (ann, b"x" * 70_000)):
    speaker.send(TEXT, text, mask=os.urandom(4))
    for hearer in (ann, bob):
        heard = hearer.receive()
        assert heard == (TEXT, text), f"heard {heard[0]}, {len(heard[1])} bytes"

# Who leaves is not spoken to any more, and the others are.
eve = Seat("/chat")
eve.send(CLOSE, b"\x03\xe8")
assert eve.closing_code() == 1000 and eve.is_finished()
bob.send(TEXT, b"still here")
assert ann.receive() == bob.receive() == (TEXT, b"still here")

os.kill(int(sys.argv[1]), signal.SIGTERM)
began = time.monotonic()
for seat in (ann, bob):
    code = seat.closing_code()
    assert code == 1001, f"closed by {code}"
    seat.send(CLOSE, b"\x03\xe9")
    assert seat.is_finished(), "something came after the Close frame"
    seat.socket.shutdown(socket.SHUT_WR)
    seat.close()
took = time.monotonic() - began
assert took < 3, f"the end took {took:.1f} s"
