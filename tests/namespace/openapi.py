#!/usr/bin/env python3
# fetches
"""Somebody else's opinion of the interface: schemathesis makes requests of /openapi.json, good ones and bad ones, sends them over
the TAP, and holds each answer against the document.

An answer of 500 to 599 but 503 fails the test; so does a status, a media type, a field of the head or a body that the
document does not have, a method that is not refused with 405, and nonsense that is taken. Whether it is signed in is
up to each request: hooks give it a token, and keep 64 GiB off the link.

    openapi.py --fetch    makes a virtual environment in the cache (a lab has no network); scripts/test does so before
    openapi.py            in a lab: exit status 78 if it is not there
"""

import os
import subprocess
import sys

VERSION = "4.32.5"
PASSWORD = "marker correct horse"
SOURCE = "192.0.2.77"

HOOKS = '''
import http.client
import json
import os

import schemathesis

HOST = os.environ["TAPHOUSE_URL"].removeprefix("http://")
USER = {"email": "root@example.com", "password": os.environ["MARKER"]}
LARGEST = 1_000_000


def ask(method, path, body=None, token=None):
    """From an address of its own: attempts to sign in are counted by addresses."""
    line = http.client.HTTPConnection(HOST, timeout=10, source_address=(os.environ["SOURCE"], 0))
    fields = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    line.request(method, path, None if body is None else json.dumps(body), fields)
    answer = line.getresponse()
    text = answer.read()
    line.close()
    return json.loads(text) if answer.status == 200 else None


known = {}


@schemathesis.auth().apply_to(path_regex="^/(users/|sessions$|tables)")
class Token:
    """The keeper's, while it is good: some requests end it."""

    def get(self, case, context):
        if not known or ask("GET", "/users/1", token=known["access_token"]) is None:
            known.update(ask("POST", "/sessions", USER))
        return known["access_token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def filter_case(context, case):
    """In forms and in XML all is text, and there is none of another type."""
    mode = case.meta.generation.mode if case.meta else None
    is_text = case.media_type in ("application/xml", "application/x-www-form-urlencoded")
    return not (is_text and mode is not None and mode.is_negative)


@schemathesis.hook
def before_call(context, case, kwargs):
    n = str((case.path_parameters or {}).get("n", ""))
    if case.path == "/bytes/{n}" and n.isascii() and n.isdigit() and LARGEST < int(n) <= 64 << 30:
        case.path_parameters["n"] = LARGEST
    # The keeper stays: what is done to users is done to others.
    if case.path == "/users/{id}" and case.method in ("PUT", "DELETE") and str(case.path_parameters.get("id")) == "1":
        case.path_parameters["id"] = 2
'''

CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]

# A method that nobody here knows is 501 (RFC 9110 9.1).
[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "DELETE", "PATCH"]
"""


def environment():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "taphouse", f"schemathesis-{VERSION}")


def program():
    return os.path.join(environment(), "bin", "schemathesis")


def works():
    try:
        return subprocess.run([program(), "--version"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def fetch():
    """Makes the environment, if it is not there."""
    if works():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment()], check=True)
    subprocess.run([os.path.join(environment(), "bin", "pip"), "install", "--quiet", "--disable-pip-version-check",
                    f"schemathesis=={VERSION}"], check=True)


def main():
    if "--fetch" in sys.argv:
        return fetch()
    if not works():
        print("schemathesis (PyPI) is not there: tests/namespace/openapi.py --fetch")
        sys.exit(78)
    url, scratch = os.environ["TAPHOUSE_URL"], os.environ["SCRATCH"]
    keeper = [os.environ["TAPHOUSE_BIN"], "user", "--data", os.environ["TAPHOUSE_DATA"], "add"]
    for number, options in [("root", ["--role", "admin"])] + [(f"u{n}", []) for n in range(2, 6)]:
        subprocess.run([*keeper, f"{number}@example.com", *options], input=PASSWORD + "\n", text=True, check=True,
                       capture_output=True)
    subprocess.run(["ip", "addr", "add", f"{SOURCE}/24", "dev", "tap0"], check=True)
    for name, text in (("hooks.py", HOOKS), ("schemathesis.toml", CONFIG)):
        with open(os.path.join(scratch, name), "w") as file:
            file.write(text)
    checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
              "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
              "allow_header_conformance"]
    # Each case is some ten milliseconds of Python: all phases at length are for --full.
    much = os.environ.get("FULL") == "1"
    phases, examples, seconds = ("examples,coverage,fuzzing", "40", "90") if much else ("coverage,fuzzing", "5", "15")
    run = subprocess.run(
        [program(), "--config-file", os.path.join(scratch, "schemathesis.toml"), "run", f"{url}/openapi.json", "--max-examples", examples,
         "--phases", phases, "--checks", ",".join(checks), "--seed", "7", "--max-time", seconds,
         "--request-timeout", "10", "--continue-on-failure", "--no-color", "--warnings", "off"],
        cwd=scratch, env=os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": scratch, "MARKER": PASSWORD, "SOURCE": SOURCE},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)
    print(run.stdout[-12_000:], run.stderr[-4000:])
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()
