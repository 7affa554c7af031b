// The socket of one seat: it comes back by itself, with what was missed, and hands on each message.
//
// docs/protocol.md has the messages. A handshake that is refused tells a script nothing about why; whoever owns this
// finds out, and says whether to go on.

const SILENCE_MS = 60_000; // the house says `ping` after 25 seconds
const OPENING_MS = 10_000;
const UNHEARD_MS = 10_000; // something was sent, and nothing came back
const STEADY_MS = 10_000; // a connection that held so long was a good one
const FIRST_MS = 1000;
const LAST_MS = 30_000;

// Closed by the house for good, or by the reader.
const FINAL = new Set([1000, 4401, 4403, 4409]);

export class Connection {
  // The number of the last message that was seen.
  seen = null;
  #socket = null;
  #house;
  #seat;
  #tries = 0;
  #timer = 0;
  #watch = 0;
  #opened = 0;
  #heard = 0;
  #asked = 0;
  #isClosed = false;

  // `house` has token(), message(object), state(name, seconds), refused() and closed(code).
  constructor(seat, house) {
    this.#seat = seat;
    this.#house = house;
  }

  open() {
    this.#isClosed = false;
    clearTimeout(this.#timer);
    this.#drop();
    this.#house.state(this.seen === null && this.#tries === 0 ? "connecting" : "retrying");
    const { table, client } = this.#seat;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const since = this.seen === null ? "" : `?since=${this.seen}`;
    const token = this.#house.token();
    const socket = new WebSocket(`${scheme}//${location.host}/ws/${table}/${client}${since}`,
      token ? ["taphouse", `bearer.${token}`] : ["taphouse"]);
    this.#socket = socket;
    this.#opened = 0;
    this.#asked = 0;
    this.#heard = Date.now();
    this.#watch = setInterval(() => this.#look(), 1000);
    socket.onopen = () => {
      this.#opened = this.#heard = Date.now();
    };
    socket.onmessage = (event) => {
      this.#heard = Date.now();
      this.#asked = 0;
      this.#house.message(JSON.parse(event.data));
    };
    socket.onclose = (event) => this.#handleClose(event.code);
  }

  // Sends it, if that can be now.
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    if (message.type !== "typing") this.#asked ||= Date.now();
    return true;
  }

  // Leaves for good.
  close() {
    this.send({ type: "leave" });
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  // There may be a way again: no need to wait.
  hurry() {
    if (!this.#isClosed && !this.#socket) this.open();
  }

  // Another seat at the same table, for the next time.
  move(client) {
    this.#seat = { ...this.#seat, client };
  }

  #look() {
    const now = Date.now();
    const isDead = this.#opened
      ? now - this.#heard > SILENCE_MS || (this.#asked && now - this.#asked > UNHEARD_MS)
      : now - this.#heard > OPENING_MS;
    if (isDead) {
      this.#drop();
      this.#retry();
    }
  }

  async #handleClose(code) {
    const wasOpen = this.#opened;
    this.#drop();
    if (FINAL.has(code)) {
      this.#isClosed = true;
      this.#house.closed(code);
    } else if (wasOpen) {
      this.#retry();
    } else if (await this.#house.refused() && !this.#isClosed && !this.#socket) {
      this.#retry();
    }
  }

  #retry() {
    if (this.#isClosed) return;
    const most = Math.min(LAST_MS, FIRST_MS * 2 ** this.#tries);
    this.#tries += 1;
    // Those who lost the house together shall not come back together.
    const wait = Math.max(FIRST_MS, most * (0.5 + Math.random() / 2));
    const due = Date.now() + wait;
    const tell = () => {
      const left = due - Date.now();
      if (left <= 0) return this.open();
      this.#house.state("waiting", Math.ceil(left / 1000));
      this.#timer = setTimeout(tell, Math.min(1000, left));
    };
    clearTimeout(this.#timer);
    tell();
  }

  #drop() {
    clearInterval(this.#watch);
    const socket = this.#socket;
    if (!socket) return;
    if (this.#opened && Date.now() - this.#opened > STEADY_MS) this.#tries = 0;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
