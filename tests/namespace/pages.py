#!/usr/bin/env python3
"""The pages as people meet them: two browsers at one table, over the TAP.

They sign up and in, sit down, talk, whisper and type; one loses its connection and gets what it missed, once; a page that is
loaded again goes on where it was. No page may break its own policy or have an error, each can be used by whoever sees
little or nothing (labels, headings, contrast), in the dark and on a telephone. Pictures of all of it are in $SCRATCH.
Needs chromium and chromium-driver (Debian), which scripts/test installs.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import browser  # noqa: E402

URL, BIN, DATA = os.environ["TAPHOUSE_URL"], os.environ["TAPHOUSE_BIN"], os.environ["TAPHOUSE_DATA"]
PASSWORD = "marker correct horse"
PHONE, DESK = (360, 740), (1280, 800)


def check(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")


# --- what the server says -----------------------------------------------------------------------------------


def fetch(path, **fields):
    request = urllib.request.Request(URL + path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read().decode()


def check_heads():
    for path in ("/", "/tables.html", "/openapi.html"):
        for wanted, query, field in [
            ("en", "", None), ("ko", "", "ko-KR,ko;q=0.9,en;q=0.8"), ("en", "", "ko;q=0.8, en-GB"), ("ko", "", "de, ko;q=0.1"),
            ("ko", "?lang=ko", "en"), ("en", "?lang=en", "ko"), ("ko", "?lang=de", "ko"),
        ]:
            head, page = fetch(path + query, **({"Accept_Language": field} if field else {}))
            case = f"{path}{query} {field}"
            check(case, head["Content-Language"], wanted)
            assert f'<html lang="{wanted}">' in page, case
            check(case, (head["Vary"], head["Cache-Control"], head["Referrer-Policy"], head["X-Content-Type-Options"]),
                  ("Accept-Language", "no-cache", "no-referrer", "nosniff"))
            policy = head["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and len(head.get_all("Content-Security-Policy")) == 1, policy


# --- what anybody must be able to use ------------------------------------------------------------------------

AUDIT = """
const problems = [];
const isSeen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
if (!["en", "ko"].includes(document.documentElement.lang)) problems.push("no lang");
if (!document.title) problems.push("no title");
if (document.querySelectorAll("main").length !== 1) problems.push("not one main");
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => problems.push(`id ${id} twice`));
for (const name of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
  for (const e of document.querySelectorAll(`[${name}]`)) {
    for (const id of e.getAttribute(name).split(" ")) if (!document.getElementById(id)) problems.push(`${name} ${id}`);
  }
}
for (const e of document.querySelectorAll("input, select, textarea")) {
  if (isSeen(e) && ![...e.labels].some((label) => label.textContent.trim())) problems.push(`no label: ${e.id}`);
}
for (const e of document.querySelectorAll("button, a")) {
  const hasName = e.textContent.trim() || e.getAttribute("aria-label");
  if (isSeen(e) && !hasName) problems.push(`no name: ${e.outerHTML}`);
}
for (const e of document.querySelectorAll("img")) if (!e.hasAttribute("alt")) problems.push("no alt");
let level = 0;
for (const e of [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(isSeen)) {
  const own = Number(e.tagName[1]);
  if (own > level + 1) problems.push(`heading ${own} behind ${level}: ${e.textContent}`);
  level = own;
}
if ([...document.querySelectorAll("h1")].filter(isSeen).length !== 1) problems.push("not one h1");
if (document.documentElement.scrollWidth > document.documentElement.clientWidth) {
  problems.push(`wider than the window: ${document.documentElement.scrollWidth}`);
}
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (e) => {
  for (let at = e; at; at = at.parentElement) {
    const color = rgb(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
for (const e of document.querySelectorAll("body *")) {
  const hasText = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || e.matches("input, textarea, select");
  if (!hasText || !isSeen(e)) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(2)}: ${e.tagName} ${e.textContent.slice(0, 40)}`);
  const box = e.getBoundingClientRect();
  if (box.right > innerWidth + 1 && !e.closest("pre") && !e.closest(".skip")) problems.push(`over the edge: ${e.textContent.slice(0, 40)}`);
}
for (const e of document.querySelectorAll("button, input, select, textarea")) {
  const box = e.getBoundingClientRect();
  if (isSeen(e) && (box.height < 24 || box.width < 24)) problems.push(`small to touch: ${e.textContent || e.id}`);
}
return problems;
"""


found = []


def audit(who, name, shoots=True):
    """In the light and in the dark, with pictures."""
    for scheme in ("light", "dark"):
        who.scheme(scheme)
        # Colours change by and by.
        time.sleep(0.2)
        found.extend(f"{name}, {who.name}, {scheme}: {problem}" for problem in who.run(AUDIT))
        if shoots:
            who.shoot(f"{name}-{who.name}-{scheme}")
    who.scheme("light")


def check_logs(who):
    """Nothing is noted but answers that are no success where that was to be expected, and what the cut wire did."""
    answers = [("/sessions/refresh", "401"), ("/sessions", "401"), ("/users", "422"), ("/tables/1", "404"), ("/tables/1", "403")]
    for entry in who.logs():
        message = entry["message"]
        is_expected = any(path in message and f"status of {status} " in message for path, status in answers)
        is_cut = "ERR_SOCKS_CONNECTION" in message or "ERR_EMPTY_RESPONSE" in message
        assert entry["level"] in ("INFO", "DEBUG") or is_expected or is_cut, entry


# --- what people do ------------------------------------------------------------------------------------------

SAID = "return [...document.querySelectorAll('#log .said:not(.pending) .text')].map((e) => e.textContent)"
CONNECTED = "return document.getElementById('state').dataset.state === 'connected'"


def sign_up(who, nickname, email):
    who.click("#choose-up")
    who.type("#email", email)
    who.type("#new-nickname", nickname)
    who.type("#password", PASSWORD + "\n")
    who.wait("signed in", "return !document.getElementById('sign-out').hidden")
    check("name", who.text("#nickname"), nickname)


def sit(who):
    who.click("#sit-down")
    who.wait("connected", CONNECTED)


def say(who, text):
    who.type("#text", text + "\n")


def hears(who, text, within=10):
    who.wait(f"hears {text}", f"return ((all) => all.includes(arguments[0]))((() => {{ {SAID} }})())", text, within=within)


def main():
    if reason := browser.is_missing():
        print(reason)
        sys.exit(78)
    check_heads()
    with browser.Driver() as driver:
        ada = browser.Browser(driver, "desk-en", DESK, "en-US,en")
        wire = browser.Wire()
        bom = browser.Browser(driver, "phone-ko", PHONE, "ko-KR,ko,en", wire)
        look_around(ada, bom)
        come_in(ada, bom)
        talk(ada, bom)
        cut_off(ada, bom, wire)
        reload(ada, bom)
        keep_order(ada, bom)
        go(ada, bom)
        for who in (ada, bom):
            check_logs(who)
    check("what is hard to use", found, [])


def look_around(ada, bom):
    for who in (ada, bom):
        who.open(f"{URL}/")
        audit(who, "index")
        who.open(f"{URL}/openapi.html")
        who.wait("the operations", "return document.querySelectorAll('.operation').length === 14")
        audit(who, "openapi")
        who.open(f"{URL}/tables.html")
        who.wait("the door", "return !document.getElementById('door').hidden")
        audit(who, "door")
    check("language", ada.run("return [document.documentElement.lang, navigator.language]"), ["en", "en-US"])
    check("language", bom.run("return document.documentElement.lang"), "ko")


def come_in(ada, bom):
    ada.click("#choose-up")
    ada.type("#email", "ada")
    ada.type("#new-nickname", "Ada")
    ada.type("#password", "password\n")
    ada.wait_text("#password-wrong", "among the first")
    ada.wait_text("#email-wrong", "no e-mail address")
    check("focus", ada.run("return document.activeElement.id"), "email")
    audit(ada, "wrong")
    for field in ("#email", "#new-nickname", "#password"):
        ada.fill(field, "")
    sign_up(ada, "Ada", "ada@example.com")
    audit(ada, "signed-in")
    sit(ada)
    sign_up(bom, "봄이", "bom@example.com")
    audit(bom, "signed-in")
    sit(bom)
    ada.wait_text("#people-list", "봄이")


def talk(ada, bom):
    say(ada, "Hello, who is there? <b>No markup</b> & \"quotes\"")
    hears(bom, "Hello, who is there? <b>No markup</b> & \"quotes\"")
    bom.type("#text", "안녕하세요")
    ada.wait_text("#typing", "봄이 is typing")
    audit(ada, "typing")
    bom.type("#text", "!\n")
    hears(ada, "안녕하세요!")
    ada.wait("no typing any more", "return document.getElementById('typing').textContent === ''")

    ada.click("#people-list [data-what^=whisper]")
    check("whisper", ada.run("return document.activeElement.id"), "text")
    say(ada, "Only for you")
    hears(bom, "Only for you")
    bom.wait_text("#log .whispered", "나에게 귓속말")
    ada.run("const to = document.getElementById('to'); to.value = ''; to.dispatchEvent(new Event('change'))")
    say(ada, "First line of several.\nThen a wordwithoutanyspacewhichgoesonandonandonandonandonandonandonandonandon")
    say(bom, "네, 잘 보입니다. 이 메시지는 좁은 화면에서도 줄바꿈이 자연스럽게 되는지 보려고 조금 길게 씁니다.")
    hears(ada, "네, 잘 보입니다. 이 메시지는 좁은 화면에서도 줄바꿈이 자연스럽게 되는지 보려고 조금 길게 씁니다.")
    audit(ada, "room")
    audit(bom, "room")
    bom.click("#show-people")
    audit(bom, "people")
    bom.click("#show-people")


def cut_off(ada, bom, wire):
    """Nobody tells the page that its connection is gone: it finds out, and comes back for what it missed."""
    wire.cut()
    for n in range(3):
        say(ada, f"missed {n}")
    hears(ada, "missed 2")
    say(bom, "끊긴 동안 쓴 말")
    bom.wait_text("#log .pending", "끊긴 동안 쓴 말")
    bom.wait_text("#state", "연결 끊김", within=15)
    audit(bom, "cut")
    wire.mend()
    hears(ada, "끊긴 동안 쓴 말", within=15)
    bom.wait("connected", CONNECTED)
    hears(bom, "끊긴 동안 쓴 말")
    # One that is told comes back at once, and has nothing to say again.
    wire.drop()
    bom.wait("not connected", "return document.getElementById('state').dataset.state !== 'connected'")
    say(ada, "missed 3")
    hears(bom, "missed 3", within=15)
    say(bom, "다시 왔어요")
    hears(ada, "다시 왔어요", within=15)
    for who in (ada, bom):
        said = who.run(SAID)
        check("each once", len(said), len(set(said)))
        check("in order", [text for text in said if "missed" in text], [f"missed {n}" for n in range(4)])
        check("pending", who.run("return document.querySelectorAll('.pending').length"), 0)


def reload(ada, bom):
    """A page that is loaded again goes on where it was, as whom it was; also one that is loaded again at once."""
    for who in (ada, bom):
        before = who.run(SAID)
        who.open(f"{URL}/tables.html")
        who.open(f"{URL}/tables.html")
        who.wait("connected", CONNECTED)
        check("still signed in", who.run("return document.getElementById('sign-out').hidden"), False)
        who.wait("the same words", f"return JSON.stringify((() => {{ {SAID} }})()) === arguments[0]",
                 json.dumps(before, ensure_ascii=False, separators=(",", ":")))
        check("no token is kept", who.run("return Object.values({...localStorage, ...sessionStorage}).some((v) => v.length > 40)"), False)
        check("cookies", who.run("return document.cookie"), "")


def keep_order(ada, bom):
    """A moderator has buttons of his own."""
    check("no button", ada.run("return document.querySelectorAll('#people-list [data-what^=mute]').length"), 0)
    subprocess.run([BIN, "user", "--data", DATA, "role", "ada@example.com", "moderator"], check=True, capture_output=True)
    # That ends her sessions.
    ada.wait_text("#notice", "Your session has ended")
    ada.type("#email", "ada@example.com")
    ada.type("#password", PASSWORD + "\n")
    ada.wait("signed in", "return !document.getElementById('sign-out').hidden")
    sit(ada)
    ada.wait("a button", "return document.querySelector('#people-list [data-what^=mute]')")
    ada.click("#people-list [data-what^=mute]")
    bom.wait_text("#log .event", "발언을 10분 동안 막았습니다")
    say(bom, "들리나요?")
    bom.wait_text("#log .failed", "관리자가 발언을 막았습니다")
    audit(bom, "muted")
    audit(ada, "moderator")
    ada.click("#people-list [data-what^=mute]")
    bom.wait_text("#log .event", "다시 말할 수 있습니다")
    bom.click("#log .failed button")
    hears(ada, "들리나요?")
    ada.click("#people-list [data-what^=remove]")
    ada.wait_text("#people-list", "Really?")
    ada.click("#people-list [data-what^=remove]")
    bom.wait_text("#notice", "내보냈습니다")
    bom.wait("the door", "return document.getElementById('room').hidden")
    ada.wait_text("#log .event", "removed 봄이")


def go(ada, bom):
    bom.click("#sign-out")
    bom.wait_text("#notice", "로그아웃했습니다")
    bom.open(f"{URL}/tables.html")
    bom.wait("the door", "return !document.getElementById('strangers').hidden && !document.getElementById('door').hidden")
    bom.type("#email", "BOM@example.com")
    bom.type("#password", "wrong horse battery\n")
    bom.wait_text("#account-error", "올바르지 않습니다")
    bom.fill("#password", PASSWORD + "\n")
    bom.wait("signed in", "return !document.getElementById('sign-out').hidden")
    # A guest sits where a house lets him.
    bom.click("#sign-out")
    bom.wait_text("#notice", "로그아웃했습니다")
    bom.fill("#table", "-7")
    sit(bom)
    check("guest", "손님" in bom.text("#people-list"), True)
    ada.click("#leave")
    ada.wait_text("#table-list", "Table -7 · 1 person")
    ada.wait_text("#table-list", "Table 1 · 0 people")
    audit(ada, "left")


if __name__ == "__main__":
    main()
