// Who is signed in: the requests of accounts, and the tokens.
//
// The access token stays in memory. The refresh token is in a cookie that no script can read; it is good once, so of
// all windows one alone may ask for the next pair at a time.

const LEASE = "taphouse.refreshing";
const LEASE_MS = 2000; // from when its holder has last said that he is there

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What a page asked that is being left is answered to nobody: it shall not take that for a failure.
let isLeft = false;
addEventListener("pagehide", () => {
  isLeft = true;
});
addEventListener("pageshow", () => {
  isLeft = false;
});

// An answer: its status, 0 if there was none, and what its JSON says.
export async function request(method, path, { body, token, keepalive = false } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const response = await fetch(path, {
      method, headers, keepalive, cache: "no-store", signal: AbortSignal.timeout(15_000),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const retryAfter = Number(response.headers.get("Retry-After")) || 0;
    return { status: response.status, json: text ? JSON.parse(text) : {}, retryAfter };
  } catch {
    if (isLeft) await new Promise(() => {});
    return { status: 0, json: {}, retryAfter: 0 };
  }
}

export class Account {
  user = null;
  token = null;
  #timer = 0;
  #expires = 0;
  #changed;

  // `changed(account)` is called when somebody else is signed in, and when there is a new token.
  constructor(changed) {
    this.#changed = changed;
  }

  may(permission) {
    return this.user?.permissions?.includes(permission) ?? false;
  }

  // Goes on with the session of the cookie. "over": there is none; "later": the house could not be asked.
  async refresh() {
    const known = this.token;
    return alone(async () => {
      // Somebody may have signed in, or out, while this waited.
      if (this.token !== known) return this.token ? "on" : "over";
      // It ends in order though its page is left, so that the next cookie is kept.
      const answer = await request("POST", "/sessions/refresh", { keepalive: true });
      if (this.token !== known) return this.token ? "on" : "over";
      if (answer.status === 200) {
        this.#take(answer.json);
        return "on";
      }
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
        this.#forget();
        return "over";
      }
      this.#refreshIn(5000);
      return "later";
    });
  }

  async signUp(fields) {
    const answer = await request("POST", "/users", { body: fields });
    return answer.status === 201 ? this.signIn(fields) : answer;
  }

  async signIn({ email, password }) {
    const answer = await request("POST", "/sessions", { body: { email, password, cookies: true } });
    if (answer.status === 200) this.#take(answer.json);
    return answer;
  }

  async signOut() {
    const answer = await request("DELETE", "/sessions", { token: this.token });
    if (answer.status === 204 || answer.status === 401) this.#forget();
    return answer;
  }

  #take(granted) {
    this.token = granted.access_token;
    this.user = granted.user;
    const life = granted.expires_in * 1000;
    this.#expires = Date.now() + life;
    this.#refreshIn(life > 120_000 ? life - 60_000 : life / 2);
    this.#changed(this);
  }

  #forget() {
    clearTimeout(this.#timer);
    const had = this.token;
    this.token = null;
    this.user = null;
    if (had) this.#changed(this);
  }

  #refreshIn(ms) {
    clearTimeout(this.#timer);
    if (this.token) this.#timer = setTimeout(() => this.refresh(), ms);
  }

  // A window that slept may have an old token.
  refreshIfOld() {
    if (this.token && Date.now() > this.#expires - 30_000) this.refresh();
  }
}

// Does this while no other window does. Locks are for secure pages; others have a note in the storage of the house,
// which says who asks, and until when, and no more.
async function alone(work) {
  if (navigator.locks) return navigator.locks.request(LEASE, work);
  const mine = crypto.getRandomValues(new Uint32Array(2)).join("");
  const hold = () => localStorage.setItem(LEASE, JSON.stringify({ by: mine, until: Date.now() + LEASE_MS }));
  let holding = 0;
  try {
    for (let i = 0; i < 100; i++) {
      const held = lease();
      if (held.until > Date.now() && held.until <= Date.now() + LEASE_MS) {
        await pause(50 + Math.random() * 50);
        continue;
      }
      hold();
      // Of two who found it free, the one who wrote last has it.
      await pause(20);
      if (lease().by === mine) break;
    }
    holding = setInterval(hold, LEASE_MS / 4);
  } catch {
    // Without storage there is nobody to wait for.
  }
  try {
    return await work();
  } finally {
    clearInterval(holding);
    try {
      if (lease().by === mine) localStorage.removeItem(LEASE);
    } catch {
      // It ends by itself.
    }
  }
}

function lease() {
  try {
    return JSON.parse(localStorage.getItem(LEASE)) ?? {};
  } catch {
    return {};
  }
}
