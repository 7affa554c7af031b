#!/usr/bin/env python3
# lab: --closed-tables --token-life 10s
"""The page of tables in a house that wants a token, for which one is good for ten seconds: a guest is told to sign in, a new
token reaches the socket before the old one expires, one seat is for one window, and what was said before can be read.

Needs chromium and chromium-driver (Debian), which scripts/test installs.
"""

import sys
import time

import pages
from pages import CONNECTED, DESK, SAID, URL, browser, check, hears, say

SEND = """
window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  window.sent.push(JSON.parse(data).type);
  return send.call(this, data);
};
"""


def be_refused(ada):
    ada.open(f"{URL}/tables.html")
    ada.wait("the door", "return !document.getElementById('door').hidden")
    ada.click("#sit-down")
    ada.wait_text("#notice", "for people who have signed in")
    check("focus", ada.run("return document.activeElement.id"), "email")
    pages.audit(ada, "refused")


def outlive_a_token(ada):
    ada.run(SEND)
    say(ada, "before")
    hears(ada, "before")
    time.sleep(12)
    sent = ada.run("return window.sent")
    assert sent.count("auth") >= 2, sent
    assert ada.run(CONNECTED) and "▲" not in ada.text("#state")
    say(ada, "after")
    hears(ada, "after")
    check("one socket", ada.run("return document.querySelectorAll('#log .event').length"), 0)


def sit_twice(ada):
    client = ada.run("return sessionStorage.getItem('taphouse.client')")
    first = ada.call("GET", "/window")
    second = ada.post("/window/new", type="tab")["handle"]
    ada.post("/window", handle=second)
    ada.open(f"{URL}/hello")
    ada.run("sessionStorage.setItem('taphouse.client', arguments[0])", client)
    ada.open(f"{URL}/tables.html")
    ada.wait("signed in", "return !document.getElementById('sign-out').hidden")
    pages.sit(ada)
    ada.post("/window", handle=first)
    ada.wait_text("#notice", "in another window")
    pages.audit(ada, "elsewhere")
    ada.click("#notice button")
    ada.wait("connected", CONNECTED)
    say(ada, "back here")
    hears(ada, "back here")


def read_on(ada):
    for n in range(70):
        ada.run("document.getElementById('text').value = arguments[0]; document.getElementById('say').requestSubmit()", f"line {n}")
    hears(ada, "line 69")
    ada.open(f"{URL}/tables.html")
    ada.wait("connected", CONNECTED)
    ada.wait("the last ones", "return document.querySelectorAll('.said').length === 50")
    ada.run("document.getElementById('scroll').scrollTop = 0")
    ada.click("#older")
    ada.wait("all", "return document.querySelectorAll('.said').length === 73")
    check("in order", ada.run(SAID), ["before", "after", "back here"] + [f"line {n}" for n in range(70)])
    check("nothing older", ada.run("return document.getElementById('older').hidden"), True)


def main():
    if reason := browser.is_missing():
        print(reason)
        sys.exit(78)
    with browser.Driver() as driver:
        ada = browser.Browser(driver, "strict", DESK, "en")
        be_refused(ada)
        pages.sign_up(ada, "Ada", "ada@example.com")
        pages.sit(ada)
        outlive_a_token(ada)
        sit_twice(ada)
        read_on(ada)
        wrong = [entry for entry in ada.logs() if entry["source"] in ("security", "javascript", "console-api")]
        check("errors", wrong, [])
    check("what is hard to use", pages.found, [])


if __name__ == "__main__":
    main()
