"""A headless Chromium, driven over WebDriver with the standard library alone."""

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def is_missing():
    """What of it is not installed, if something is not."""
    if shutil.which("chromedriver") is None or not chromium():
        return "chromium or chromium-driver (Debian) is missing"
    return None


def chromium():
    return shutil.which("chromium") or shutil.which("google-chrome")


class Driver:
    """chromedriver, on a port of the loopback, from its start to its end, which is a context's."""

    def __init__(self, port=9515):
        self.port = port
        with open(os.path.join(os.environ["SCRATCH"], "chromedriver.log"), "wb") as log:
            self.process = subprocess.Popen(["chromedriver", f"--port={port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.browsers = []

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise WebDriverError(json.load(error)["value"]["message"]) from None

    def __enter__(self):
        for _ in range(200):
            try:
                self.call("GET", "/status")
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("chromedriver did not come up")

    def __exit__(self, *_):
        for browser in self.browsers:
            try:
                browser.quit()
            except (OSError, WebDriverError):
                pass
        self.process.terminate()
        self.process.wait(20)


class WebDriverError(Exception):
    pass


class Wire:
    """A way to the house that can be cut, as a browser's SOCKS proxy (RFC 1928), from its start to its end."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.is_cut = False
        self.ends = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """What goes over it is lost from now on, and nobody is told. Who asks anew is refused."""
        self.is_cut = True

    def mend(self):
        """It is there again; connections of before are not."""
        self.drop()
        self.is_cut = False

    def drop(self):
        """All connections end."""
        ends, self.ends = self.ends, []
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near):
        with near:
            near.recv(near.recv(2, socket.MSG_WAITALL)[1], socket.MSG_WAITALL)
            near.sendall(b"\5\0")
            # Chromium gives an address as a name, too.
            if near.recv(4, socket.MSG_WAITALL) != b"\5\1\0\3":
                return
            name = near.recv(near.recv(1)[0], socket.MSG_WAITALL).decode()
            port = int.from_bytes(near.recv(2, socket.MSG_WAITALL), "big")
            if self.is_cut:
                near.sendall(b"\5\4\0\1" + bytes(6))
                return
            try:
                far = socket.create_connection((name, port), 10)
            except OSError:
                return
            far.settimeout(None)
            near.sendall(b"\5\0\0\1" + bytes(6))
            self.ends += [near, far]
            with far:
                back = threading.Thread(target=self._copy, args=(far, near), daemon=True)
                back.start()
                self._copy(near, far)
                back.join()

    def _copy(self, source, sink):
        try:
            while data := source.recv(1 << 16):
                if not self.is_cut:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Browser:
    """A browser with nothing in it yet, whose window has this size, and whose user reads these languages."""

    def __init__(self, driver, name, size, languages, wire=None):
        self.driver, self.name = driver, name
        profile = os.path.join(os.environ["SCRATCH"], f"profile-{name}")
        arguments = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
                     "--force-device-scale-factor=1", f"--user-data-dir={profile}", f"--accept-lang={languages}",
                     f"--window-size={size[0]},{size[1]}"]
        if wire:
            arguments.append(f"--proxy-server=socks5://127.0.0.1:{wire.port}")
        if os.geteuid() == 0:
            # Chromium has no sandbox for root; what it sees is this house alone.
            arguments.append("--no-sandbox")
        options = {"binary": chromium(), "args": arguments, "prefs": {"intl.accept_languages": languages}}
        wish = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = driver.call("POST", "/session", {"capabilities": {"alwaysMatch": wish}})
        self.path = f"/session/{session['sessionId']}"
        driver.browsers.append(self)
        self.resize(*size)

    def call(self, method, path, body=None):
        return self.driver.call(method, self.path + path, body)

    def post(self, path, **body):
        return self.call("POST", path, body)

    def cdp(self, command, **parameters):
        return self.post("/goog/cdp/execute", cmd=command, params=parameters)

    def resize(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name):
        """light or dark"""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, url):
        self.post("/url", url=url)

    def run(self, script, *arguments):
        """What the body of a function returns in the page."""
        return self.post("/execute/sync", script=script, args=list(arguments))

    def find(self, selector):
        return self.post("/element", using="css selector", value=selector)[ELEMENT]

    def click(self, selector):
        self.post(f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self.post(f"/element/{self.find(selector)}/value", text=text)

    def fill(self, selector, text):
        self.post(f"/element/{self.find(selector)}/clear")
        self.type(selector, text)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def wait(self, what, script, *arguments, within=10):
        """Until the script says something that counts as true, which is given."""
        end = time.monotonic() + within
        while True:
            try:
                value = self.run(script, *arguments)
            except WebDriverError as failure:
                # A page that is on its way has no elements yet.
                if "javascript error" not in str(failure) or time.monotonic() > end:
                    raise
                value = None
            if value:
                return value
            if time.monotonic() > end:
                self.shoot(f"failed-{self.name}")
                raise AssertionError(f"{self.name}: not within {within} s: {what}\n{self.text('body')[-1500:]}\n{self.logs()}")
            time.sleep(0.05)

    def wait_text(self, selector, text, within=10):
        script = "return [...document.querySelectorAll(arguments[0])].some((e) => e.innerText.includes(arguments[1]))"
        self.wait(f"{text!r} in {selector}", script, selector, text, within=within)

    def shoot(self, name):
        """A picture of what the window shows, into $SCRATCH."""
        with open(os.path.join(os.environ["SCRATCH"], f"{name}.png"), "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def logs(self):
        """What the console was told since this was asked last."""
        return self.post("/se/log", type="browser")

    def quit(self):
        self.call("DELETE", "")
