// The page of tables: the door, where one signs up and in and chooses a table, and the room, where one talks.

import { Account, request } from "./account.js";
import { Connection } from "./connection.js";
import { Log, People } from "./talk.js";
import { detail, make, problem, t, words } from "./words.js";

const SPEECH_BYTES = 4000;
const TYPING_MS = 3000;
const SETTLE_MS = 500; // until what was said just before a connection was lost is surely among what was missed
const RETRY_MS = 3000;
const PAGE = 50;

const $ = (id) => document.getElementById(id);

// --- the door ---------------------------------------------------------------------------------------------

const account = new Account(showAccount);
let signsUp = false;
let lastUser = null;

function notice(text, { isBad = false, action = null } = {}) {
  $("notice").hidden = !text;
  $("notice").classList.toggle("bad", isBad);
  $("notice").replaceChildren(text ?? "");
  if (action) $("notice").append(" ", make("button", { type: "button", click: action.click }, action.text));
}

function showAccount() {
  const { user } = account;
  $("who").hidden = $("sign-out").hidden = !user;
  $("nickname").textContent = user?.nickname ?? "";
  $("strangers").hidden = Boolean(user);
  $("sit-down").textContent = user ? t("sit_down") : t("sit_as_guest");
  $("sit-down").classList.toggle("main", Boolean(user));
  const isOther = (user?.id ?? null) !== lastUser;
  lastUser = user?.id ?? null;
  seat?.handleAccount(isOther);
}

function showDoor(focus = $("door-title")) {
  document.body.classList.remove("in-room");
  $("room").hidden = true;
  $("door").hidden = false;
  focus?.focus();
  listTables();
}

function choose(isUp) {
  signsUp = isUp;
  const word = isUp ? t("sign_up") : t("sign_in");
  $("choose-in").setAttribute("aria-pressed", String(!isUp));
  $("choose-up").setAttribute("aria-pressed", String(isUp));
  $("account-send").textContent = word;
  $("nickname-field").hidden = $("password-hint").hidden = !isUp;
  $("password").autocomplete = isUp ? "new-password" : "current-password";
  showErrors([]);
}

// What is wrong, next to its field; the first of them is where one goes on.
function showErrors(errors) {
  const fields = { email: $("email"), nickname: $("new-nickname"), password: $("password") };
  let first = null;
  for (const [name, input] of Object.entries(fields)) {
    const wrong = errors.find((error) => error.name === name);
    $(`${name}-wrong`).textContent = wrong ? detail(wrong.detail) : "";
    if (wrong) {
      input.setAttribute("aria-invalid", "true");
      first ??= input;
    } else {
      input.removeAttribute("aria-invalid");
    }
  }
  showAccountError("");
  first?.focus();
  return first !== null;
}

function showAccountError(text) {
  $("account-error").textContent = text;
  $("account-error").hidden = !text;
}

async function handleAccount(event) {
  event.preventDefault();
  const button = $("account-send");
  if (button.getAttribute("aria-disabled")) return;
  const fields = { email: $("email").value.trim(), password: $("password").value };
  if (signsUp) fields.nickname = $("new-nickname").value.trim();
  const empty = Object.entries(fields).filter(([, value]) => !value);
  if (showErrors(empty.map(([name]) => ({ name, detail: "is missing" })))) return;
  button.setAttribute("aria-disabled", "true");
  button.textContent = t("working");
  const wasUp = signsUp;
  const answer = await (wasUp ? account.signUp(fields) : account.signIn(fields));
  button.removeAttribute("aria-disabled");
  button.textContent = signsUp ? t("sign_up") : t("sign_in");
  if (answer.status === 200) {
    $("account").reset();
    choose(false);
    notice(wasUp ? t("welcome_new", { name: account.user.nickname }) : null);
    listTables();
    $("table").focus();
    return;
  }
  if (answer.status === 409) return void showErrors([{ name: "email", detail: t("email_taken") }]);
  const isShown = answer.status === 422 && showErrors(answer.json.errors ?? []);
  if (!isShown) {
    showAccountError(answer.status === 401 ? t("wrong_password") : problem(answer));
    $(answer.status === 401 ? "password" : "account-send").focus();
  }
}

async function handleSignOut() {
  const answer = await account.signOut();
  if (account.user) return notice(problem(answer), { isBad: true });
  seat?.leave();
  notice(t("signed_out"));
  showDoor($("email"));
}

async function listTables() {
  const { status, json } = await request("GET", "/tables?limit=8", { token: account.token });
  const tables = status === 200 ? json.tables : [];
  $("others").hidden = tables.length === 0;
  $("table-list").replaceChildren(...tables.map(({ table_id: table, count }) => {
    const text = t(count === 1 ? "table_one" : "table_many", { table, count });
    return make("li", {}, make("button", { type: "button", click: () => sit(table) }, text));
  }));
}

function handleSit(event) {
  event.preventDefault();
  const text = $("table").value.trim();
  const isGood = /^-?\d{1,15}$/.test(text);
  $("table-wrong").textContent = isGood ? "" : t("no_integer");
  if (isGood) {
    $("table").removeAttribute("aria-invalid");
    sit(Number(text));
  } else {
    $("table").setAttribute("aria-invalid", "true");
    $("table").focus();
  }
}

// --- the room ---------------------------------------------------------------------------------------------

let seat = null;

function sit(table) {
  notice(null);
  $("door").hidden = true;
  $("room").hidden = false;
  document.body.classList.add("in-room");
  $("room-title").textContent = t("table", { table });
  sessionStorage.setItem("taphouse.table", table);
  sessionStorage.setItem("taphouse.guest", account.user ? "no" : "yes");
  seat = new Seat(table);
  $("text").focus();
}

// The number of this window's seat.
function clientId() {
  const kept = Number(sessionStorage.getItem("taphouse.client"));
  return Number.isSafeInteger(kept) && kept > 0 ? kept : newClientId();
}

function newClientId() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  const client = 100_000_000 + (number % 900_000_000);
  sessionStorage.setItem("taphouse.client", client);
  return client;
}

// One who sits at a table, from when he sits down until he leaves.
class Seat {
  #table;
  #client = clientId();
  #mine = new Set();
  #connection;
  #log;
  #pending = new Map();
  #isReady = false;
  #wasWelcome = false;
  #moves = 0;
  #asked = [];
  #typed = 0;
  #settling = 0;
  #names = crypto.getRandomValues(new Uint32Array(2)).join(".");
  #number = 0;

  constructor(table) {
    this.#table = table;
    this.#mine.add(this.#client);
    this.#log = new Log((client) => this.#mine.has(client), (client) => people.name(client));
    this.#log.clear();
    $("older").hidden = true;
    this.#connection = new Connection({ table, client: this.#client }, {
      token: () => account.token,
      message: (message) => this.#hear(message),
      state: (name, seconds) => this.#show(name, seconds),
      refused: () => this.#handleRefusal(),
      closed: (code) => this.#handleEnd(code),
    });
    this.#connection.open();
  }

  hurry() {
    this.#connection.hurry();
  }

  leave() {
    clearTimeout(this.#settling);
    this.#connection.close();
    sessionStorage.removeItem("taphouse.table");
    seat = null;
  }

  // There is a new token: of the same user, or somebody else is signed in now.
  handleAccount(isOther) {
    people.show();
    if (!isOther && account.token) {
      this.#connection.send({ type: "auth", token: account.token });
    } else if (isOther && account.token) {
      this.#move();
      this.#connection.open();
    } else if (isOther) {
      this.leave();
      notice(t("session_over"), { isBad: true });
      showDoor($("email"));
    }
  }

  #move() {
    this.#client = newClientId();
    this.#mine.add(this.#client);
    this.#connection.move(this.#client);
  }

  #show(name, seconds) {
    if (name !== "connected") {
      this.#isReady = false;
      clearTimeout(this.#settling);
    }
    if ($("state").dataset.state !== name) {
      $("state").dataset.state = name;
      $("state-name").textContent = words[name];
    }
    $("state-next").textContent = name === "waiting" ? t("next_try", { seconds }) : "";
    for (const entry of this.#pending.values()) this.#showPending(entry);
  }

  // A handshake was refused. True if it shall be tried again.
  async #handleRefusal() {
    const answer = await request("GET", `/tables/${this.#table}`, { token: account.token });
    if (seat !== this) return false;
    if (answer.status === 401) {
      if (account.token) return (await account.refresh()) !== "over";
      this.#end(t("must_sign_in"), $("email"));
      return false;
    }
    if (answer.status !== 200 && answer.status !== 404) return true;
    // The way is free, so it was the seat, or the table.
    this.#moves += 1;
    if (this.#moves <= 3) {
      this.#move();
      return true;
    }
    this.#end(t("turned_away"));
    return false;
  }

  #end(text, focus) {
    this.leave();
    notice(text, { isBad: true });
    showDoor(focus);
  }

  async #handleEnd(code) {
    if (code === 4401) {
      const state = await account.refresh();
      // Who is not signed in any more was shown the door.
      if (seat === this && state !== "over") this.#connection.open();
    } else if (code === 4403) {
      this.#end(t("removed_you"));
    } else if (code === 4409) {
      this.#show("elsewhere");
      const again = () => {
        notice(null);
        this.#connection.open();
        $("text").focus();
      };
      notice(t("elsewhere"), { action: { text: t("sit_here"), click: again } });
    }
  }

  // --- what is heard ----------------------------------------------------------------------------------

  #hear(message) {
    const { type, seq } = message;
    if (seq !== undefined && type !== "welcome") {
      this.#connection.seen = Math.max(this.#connection.seen ?? 0, seq);
    }
    switch (type) {
      case "welcome": return this.#handleWelcome(message);
      case "said":
      case "whispered": return this.#handleSpeech(message);
      case "joined":
      case "left": {
        const { clients, more, count } = message;
        if (type === "joined") people.join(clients, count);
        else people.leave(clients, count);
        const others = clients.filter(({ client_id: client }) => !this.#mine.has(client));
        if (others.length + more) this.#log.tell(seq, t(type, { names: people.list(others, more) }));
        return undefined;
      }
      case "typing": return people.types(message);
      case "history": return this.#handleHistory(message);
      case "muted":
      case "removed": {
        const { client_id: client, seconds } = message;
        if (type === "muted") people.mute(client, seconds);
        const word = type === "muted" && !seconds ? "unmuted" : type;
        if (type === "muted" || seconds) {
          this.#log.tell(seq, t(word, { name: people.name(client), minutes: Math.ceil(seconds / 60) }));
        }
        return undefined;
      }
      case "error": return this.#handleError(message);
      default: return undefined;
    }
  }

  #handleWelcome({ you, clients, count, messages, complete, seq }) {
    this.#asked = [];
    this.#moves = 0;
    people.welcome(you, clients, count);
    if (!this.#wasWelcome) {
      this.#wasWelcome = true;
      this.#connection.seen = seq;
      this.#log.prepend(messages);
      this.#log.toEnd();
      messages.forEach(({ client_id: client, nickname }) => people.heard({ client_id: client, nickname }));
      $("older").hidden = messages.length < PAGE;
      this.#isReady = true;
      this.#show("connected");
      this.#flush();
      return;
    }
    if (!complete) this.#log.tell(null, t("gap"));
    this.#show("connected");
    // What was missed comes before the answer to this; only then is it known what was not said.
    for (const entry of this.#pending.values()) entry.isSent = false;
    this.#asked.push("missed");
    this.#connection.send({ type: "history", before: 0, limit: 1 });
  }

  #handleSpeech(message) {
    people.heard(message);
    const entry = this.#mine.has(message.client_id) ? this.#pending.get(message.id) : undefined;
    if (entry) this.#settle(entry);
    this.#log.say(message);
  }

  #handleHistory({ messages, complete }) {
    if (this.#asked.shift() === "missed") {
      this.#settling = setTimeout(() => {
        this.#isReady = true;
        this.#flush();
      }, SETTLE_MS);
      return;
    }
    this.#log.prepend(messages);
    $("older").removeAttribute("aria-disabled");
    if (complete || messages.length === 0) {
      if (document.activeElement === $("older")) $("scroll").focus();
      $("older").hidden = true;
    }
  }

  #handleError({ code, detail: text, id }) {
    const reason = words.errors[code] ?? text;
    const entry = this.#pending.get(id);
    if (entry) {
      entry.reason = reason;
      this.#showPending(entry);
    } else if (code !== "unauthorized" || !account.token) {
      this.#log.tell(null, reason);
    }
  }

  // --- what is said -----------------------------------------------------------------------------------

  say(text, to) {
    const id = `${this.#names}.${(this.#number += 1)}`;
    const element = make("li", { class: "said mine pending" });
    const entry = { id, text, to, element, isSent: false, reason: null };
    this.#pending.set(id, entry);
    this.#showPending(entry);
    this.#log.append(element);
    this.#flush();
  }

  types() {
    if (this.#isReady && Date.now() - this.#typed >= TYPING_MS) {
      this.#typed = Date.now();
      this.#connection.send({ type: "typing" });
    }
  }

  moderate(type, client, seconds) {
    this.#connection.send({ type, client_id: client, seconds });
  }

  older() {
    if ($("older").getAttribute("aria-disabled") || !this.#isReady) return;
    $("older").setAttribute("aria-disabled", "true");
    this.#asked.push("older");
    this.#connection.send({ type: "history", before: this.#log.oldest, limit: PAGE });
  }

  // Sends what was not sent, in order.
  #flush() {
    if (!this.#isReady) return;
    for (const entry of this.#pending.values()) {
      if (entry.isSent || entry.reason) continue;
      const { id, text, to } = entry;
      entry.isSent = this.#connection.send(to === null
        ? { type: "say", id, text } : { type: "whisper", id, text, to });
      this.#showPending(entry);
    }
    this.#typed = 0;
  }

  #settle(entry) {
    this.#pending.delete(entry.id);
    entry.element.remove();
  }

  #showPending(entry) {
    this.#log.follow(() => this.#fill(entry));
  }

  #fill(entry) {
    const { text, to, element, reason, isSent } = entry;
    const aside = to === null ? [] : [make("span", { class: "aside" },
      t("whispered_by_you", { name: people.name(to) }))];
    const state = reason ? t("not_sent", { reason }) : t(isSent || this.#isReady ? "pending" : "pending_later");
    const head = make("p", { class: "by" }, ...aside, make("span", { class: reason ? "wrong" : "quiet" }, state));
    element.classList.toggle("failed", Boolean(reason));
    element.classList.toggle("whispered", to !== null);
    element.replaceChildren(make("p", { class: "text", dir: "auto" }, text), head);
    if (!reason) return;
    const again = () => {
      entry.reason = null;
      entry.isSent = false;
      this.#flush();
      $("text").focus();
    };
    const discard = () => {
      this.#settle(entry);
      $("text").focus();
    };
    head.append(make("button", { class: "plain small", type: "button", click: again }, t("again")),
      make("button", { class: "plain small", type: "button", click: discard }, t("discard")));
  }
}

const people = new People({
  may: (permission) => account.may(permission),
  whisper: (client) => {
    $("to").value = client;
    handleTo();
    $("text").focus();
  },
  mute: (client, seconds) => seat?.moderate("mute", client, seconds),
  remove: (client) => seat?.moderate("remove", client, 600),
});

function handleTo() {
  $("say").classList.toggle("whispers", $("to").value !== "");
}

function handleSay(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  const over = new TextEncoder().encode(text).length - SPEECH_BYTES;
  $("text-wrong").textContent = over > 0 ? t("too_long", { count: over }) : "";
  if (text && over <= 0) {
    seat?.say(text, $("to").value === "" ? null : Number($("to").value));
    $("text").value = "";
    fit();
  }
  $("text").focus();
}

// As high as what is in it, within what the style allows.
function fit() {
  const lines = $("text").value.split("\n").length;
  $("text").rows = Math.min(5, Math.max(lines, Math.ceil($("text").value.length / 60), 1));
}

function handleLeave() {
  seat?.leave();
  notice(t("left_table"));
  showDoor();
}

function showPeople() {
  const isShown = $("people").classList.toggle("shown");
  $("show-people").setAttribute("aria-expanded", String(isShown));
}

async function start() {
  $("choose-in").addEventListener("click", () => choose(false));
  $("choose-up").addEventListener("click", () => choose(true));
  $("account").addEventListener("submit", handleAccount);
  $("sit").addEventListener("submit", handleSit);
  $("sign-out").addEventListener("click", handleSignOut);
  $("leave").addEventListener("click", handleLeave);
  $("show-people").addEventListener("click", showPeople);
  $("older").addEventListener("click", () => seat?.older());
  $("say").addEventListener("submit", handleSay);
  $("to").addEventListener("change", handleTo);
  $("text").addEventListener("input", () => {
    fit();
    if ($("text").value) seat?.types();
  });
  $("text").addEventListener("keydown", (event) => {
    // An input method takes Enter for itself.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $("say").requestSubmit();
    }
  });
  addEventListener("online", () => seat?.hurry());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    account.refreshIfOld();
    seat?.hurry();
  });
  while (await account.refresh() === "later") {
    notice(t("offline"), { isBad: true });
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  notice(null);
  showAccount();
  const table = sessionStorage.getItem("taphouse.table");
  // Nobody becomes a guest because his session has ended.
  const isSame = account.user || sessionStorage.getItem("taphouse.guest") === "yes";
  if (table !== null && isSame) {
    sit(Number(table));
  } else {
    if (table !== null) notice(t("session_over"), { isBad: true });
    sessionStorage.removeItem("taphouse.table");
    showDoor(null);
  }
}

start();
