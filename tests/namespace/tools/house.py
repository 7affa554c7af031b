"""A house on a TAP of its own, for tests that look at how it ends. They run in a network namespace of their own."""

import os
import signal
import socket
import subprocess
import sys
import time

HOST = ("192.0.2.2", 80)


def make_tap():
    """The device, unless this is somebody's real network."""
    outer = os.environ.get("OUTER_NETWORK")
    if not outer or os.readlink("/proc/self/ns/net") == outer:
        sys.exit(f"this test makes network devices; run it as: scripts/test --only {os.path.basename(sys.argv[0])}")
    for command in ("link set lo up", "tuntap add dev tap0 mode tap", "addr add 192.0.2.1/24 dev tap0",
                    "link set tap0 up"):
        subprocess.run(["ip", *command.split()], check=True)


class House:
    """`taphouse serve` from its start to its end, which is a context's."""

    def __init__(self, *options, log, environment=None):
        self.log = os.path.join(os.environ["SCRATCH"], log)
        base = {name: value for name, value in os.environ.items() if name != "RUST_LOG"}
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [os.environ["TAPHOUSE_BIN"], "serve", "--control", "none", *options],
                env=base | (environment or {}), stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def __enter__(self):
        for _ in range(100):
            try:
                socket.create_connection(HOST, 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the server did not come up: {self.said()}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        """Asks it to end; when that was."""
        self.process.send_signal(signal.SIGTERM)
        return time.monotonic()

    def ended(self, within):
        """Waits for its end, which must be in order; when that was."""
        status = self.process.wait(within)
        assert status == 0, f"exit status {status}: {self.said()[-2000:]}"
        return time.monotonic()
