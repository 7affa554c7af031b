// What was said at a table, and who is there, as the page shows it.

import { language, make, t, words } from "./words.js";

// So many messages are shown. Beyond: the oldest go, and can be asked for again.
const SHOWN = 1000;
const NEAR_END = 60; // pixels from the end of the log from which it follows

const clock = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const lists = new Intl.ListFormat(language, { type: "conjunction" });

const $ = (id) => document.getElementById(id);

// Those who have no account are called by the house in its own language.
export function called(nickname) {
  const guest = /^guest (-?\d+)$/.exec(nickname);
  return guest ? t("guest", { id: guest[1] }) : nickname;
}

function when(time) {
  const at = new Date(time);
  const isToday = at.toDateString() === new Date().toDateString();
  return make("time", { datetime: time, title: calendar.format(at) }, isToday ? clock.format(at) : calendar.format(at));
}

// The log: messages by their numbers, each once, and behind them what is under way.
export class Log {
  #items = new Map();
  #spoken = [];
  #last = 0;
  #list = $("log");
  #scroll = $("scroll");
  #isMine;
  #name;

  // `isMine(client)` and `name(client)` know people.
  constructor(isMine, name) {
    this.#isMine = isMine;
    this.#name = name;
    this.#scroll.addEventListener("scroll", () => {
      if (this.#isAtEnd()) $("newest").hidden = true;
    }, { passive: true });
    $("newest").addEventListener("click", () => {
      this.toEnd();
      $("text").focus();
    });
  }

  clear() {
    this.#items.clear();
    this.#spoken = [];
    this.#last = 0;
    this.#list.replaceChildren();
    $("newest").hidden = true;
    this.#tellEmpty();
  }

  // The number of the oldest message that somebody said.
  get oldest() {
    return this.#spoken[0] ?? null;
  }

  // Shows a message that somebody said. False if it is there already.
  say(message) {
    const { seq, time, client_id: client, nickname, text, to } = message;
    if (this.#items.has(seq)) return false;
    const isMine = this.#isMine(client);
    const whispers = to === undefined ? []
      : [make("span", { class: "aside" },
        isMine ? t("whispered_by_you", { name: this.#name(to) }) : t("whispered_to_you"))];
    const head = make("p", { class: "by" }, make("b", { dir: "auto" }, called(nickname)),
      ...(isMine ? [make("span", { class: "tag" }, t("you"))] : []), ...whispers, when(time));
    const kind = `said${isMine ? " mine" : ""}${to === undefined ? "" : " whispered"}`;
    const item = make("li", { class: kind }, head, make("p", { class: "text", dir: "auto" }, text));
    item.dataset.by = `${client}/${nickname}/${to ?? ""}`;
    item.dataset.minute = Math.floor(Date.parse(time) / 300_000);
    this.#insert(seq, item);
    const at = this.#spoken.findLastIndex((other) => other < seq);
    this.#spoken.splice(at + 1, 0, seq);
    this.#trim();
    return true;
  }

  // Shows something that happened.
  tell(seq, text) {
    if (seq !== null && this.#items.has(seq)) return;
    this.#insert(seq, make("li", { class: "event" }, text));
  }

  // Shows older messages, where the reader stays where he is, and is not read all of them.
  prepend(messages) {
    const fromEnd = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    this.#list.setAttribute("aria-live", "off");
    messages.forEach((message) => this.say(message));
    this.#scroll.scrollTop = this.#scroll.scrollHeight - fromEnd;
    setTimeout(() => this.#list.setAttribute("aria-live", "polite"), 500);
  }

  // An element behind all that has a number.
  append(item) {
    this.follow(() => this.#list.append(item), true);
    this.#tellEmpty();
  }

  toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    $("newest").hidden = true;
  }

  #insert(seq, item) {
    // What has no number stands where it was when it happened.
    this.#last = Math.max(this.#last, seq ?? 0);
    item.dataset.seq = seq ?? this.#last;
    let next = null;
    // Most belong at the end, where what is under way stays last.
    for (let last = this.#list.lastElementChild; last; last = last.previousElementSibling) {
      if (Number(last.dataset.seq ?? Infinity) <= Number(item.dataset.seq)) break;
      next = last;
    }
    this.follow(() => this.#list.insertBefore(item, next), item.classList.contains("mine"));
    if (seq !== null) this.#items.set(seq, item);
    this.#join(item);
    if (item.nextElementSibling) this.#join(item.nextElementSibling);
    this.#tellEmpty();
  }

  // What one person says in one go has one head.
  #join(item) {
    const before = item.previousElementSibling;
    const goesOn = before?.dataset.by !== undefined && before.dataset.by === item.dataset.by
      && before.dataset.minute === item.dataset.minute;
    item.classList.toggle("goes-on", goesOn);
  }

  #trim() {
    while (this.#spoken.length > SHOWN && this.#isAtEnd()) {
      const gone = this.#spoken.shift();
      while (this.#list.firstElementChild && Number(this.#list.firstElementChild.dataset.seq ?? 0) <= gone) {
        this.#items.delete(Number(this.#list.firstElementChild.dataset.seq));
        this.#list.firstElementChild.remove();
      }
      $("older").hidden = false;
    }
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  // Changes something, and stays at the end if that is where the reader is.
  follow(change, always = false) {
    const follows = always || this.#isAtEnd();
    change();
    if (follows) this.toEnd();
    else $("newest").hidden = false;
  }

  #tellEmpty() {
    $("empty").hidden = this.#list.childElementCount > 0;
  }
}

// Who is at the table, as a list and as those whom one may whisper to.
export class People {
  #here = new Map();
  #names = new Map();
  #muted = new Map();
  #typing = new Map();
  #count = 0;
  #me = null;
  #house;

  // `house` has may(permission), whisper(client), mute(client, seconds) and remove(client).
  constructor(house) {
    this.#house = house;
    setInterval(() => this.#showTyping(), 1000);
  }

  welcome(me, clients, count) {
    this.#me = me.client_id;
    this.#here.clear();
    this.#typing.clear();
    this.#set([...clients, me], count);
  }

  join(clients, count) {
    this.#set(clients, count);
  }

  leave(clients, count) {
    clients.forEach(({ client_id: client }) => {
      this.#here.delete(client);
      this.#typing.delete(client);
    });
    this.#set([], count);
  }

  name(client) {
    return called(this.#names.get(client) ?? `guest ${client}`);
  }

  // Names in one text, and how many more there are.
  list(clients, more) {
    const names = lists.format(clients.slice(0, 8).map(({ nickname }) => called(nickname)));
    const rest = more + Math.max(0, clients.length - 8);
    return rest ? t("names_more", { names, count: rest }) : names;
  }

  heard({ client_id: client, nickname }) {
    this.#names.set(client, nickname);
    this.#typing.delete(client);
    this.#showTyping();
  }

  types({ client_id: client, nickname }) {
    this.#names.set(client, nickname);
    this.#typing.set(client, Date.now() + 5000);
    this.#showTyping();
  }

  mute(client, seconds) {
    if (seconds) this.#muted.set(client, Date.now() + seconds * 1000);
    else this.#muted.delete(client);
    this.show();
  }

  #set(clients, count) {
    clients.forEach((person) => {
      this.#here.set(person.client_id, person);
      this.#names.set(person.client_id, person.nickname);
    });
    this.#count = count;
    this.show();
    this.#showTyping();
  }

  show() {
    const count = this.#count;
    $("count").textContent = count === 1 ? t("count_one") : t("count_many", { count });
    const people = [...this.#here.values()];
    people.sort((a, b) => (b.client_id === this.#me) - (a.client_id === this.#me)
      || a.nickname.localeCompare(b.nickname, language));
    this.#keepFocus(() => $("people-list").replaceChildren(...people.map((person) => this.#row(person))));
    const more = count - people.length;
    $("people-more").hidden = more <= 0;
    $("people-more").textContent = t("and_more", { count: more });
    this.#showTo(people);
  }

  // The list is made anew, and the button that had the focus has it again.
  #keepFocus(change) {
    const focused = document.activeElement?.closest("#people-list button")?.dataset.what;
    change();
    if (focused) document.querySelector(`#people-list button[data-what="${focused}"]`)?.focus();
  }

  #row({ client_id: client, nickname }) {
    const name = called(nickname);
    const isMe = client === this.#me;
    const isMuted = this.#muted.get(client) > Date.now();
    const row = make("li", {}, make("span", { class: "name", dir: "auto" }, name));
    if (isMe) row.append(make("span", { class: "tag" }, t("you")));
    if (isMuted) row.append(make("span", { class: "tag bad" }, t("is_muted")));
    if (isMe) return row;
    const button = (what, word, label, click) => {
      const text = make("button", { class: "plain small", type: "button", "aria-label": label, click }, word);
      text.dataset.what = `${what} ${client}`;
      return text;
    };
    const buttons = [button("whisper", t("whisper"), t("whisper_to", { name }), () => this.#house.whisper(client))];
    if (this.#house.may("moderator")) {
      const word = isMuted ? "unmute" : "mute";
      const seconds = isMuted ? 0 : 600;
      buttons.push(button("mute", t(word), t(`${word}_who`, { name }), () => this.#house.mute(client, seconds)));
      buttons.push(button("remove", t("remove"), t("remove_who", { name }), (event) => {
        // It is done at the second time, shortly after the first.
        const asked = event.currentTarget;
        if (asked.classList.contains("sure")) return this.#house.remove(client);
        asked.classList.add("sure");
        asked.textContent = t("remove_sure");
        setTimeout(() => {
          asked.classList.remove("sure");
          asked.textContent = t("remove");
        }, 4000);
      }));
    }
    row.append(make("span", { class: "deeds" }, ...buttons));
    return row;
  }

  // Whom to speak to. Somebody who has gone stays chosen: what was meant for him is not for everybody.
  #showTo(people) {
    const select = $("to");
    const chosen = select.value;
    const others = people.filter(({ client_id: client }) => client !== this.#me);
    const options = [make("option", { value: "" }, t("everybody"))];
    for (const { client_id: client, nickname } of others) {
      options.push(make("option", { value: client }, called(nickname)));
    }
    if (chosen && !others.some(({ client_id: client }) => String(client) === chosen)) {
      options.push(make("option", { value: chosen }, t("gone", { name: this.name(Number(chosen)) })));
    }
    select.replaceChildren(...options);
    select.value = chosen;
  }

  #showTyping() {
    const now = Date.now();
    for (const [client, until] of this.#typing) if (until < now) this.#typing.delete(client);
    const [name, other] = [...this.#typing.keys()].map((client) => this.name(client));
    const word = ["", t("typing_one", { name }), t("typing_two", { name, other })][this.#typing.size];
    const text = word ?? words.typing_many;
    if ($("typing").textContent !== text) $("typing").textContent = text;
  }
}
