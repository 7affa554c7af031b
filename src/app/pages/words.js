// The words of the page's language, which its head has.

export const language = document.documentElement.lang;

export const words = JSON.parse(document.querySelector("meta[name=words]").content);

// A word, with values in place of its {names}.
export function t(name, values = {}) {
  return words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

// What is wrong with a field, in words of the page's language if it is known.
export function detail(text) {
  const numbers = text.match(/\d+/g) ?? [];
  const known = words.details[text.replace(/\d+/g, "#")];
  return known ? known.replace("#", () => numbers.shift()) : text;
}

// What an answer that is no success means.
export function problem({ status, json, retryAfter }) {
  if (status === 0) return t("offline");
  if (status === 429) return t("too_many", { seconds: retryAfter || 30 });
  if (status === 503) return t("busy");
  if (status === 409) return t("email_taken");
  return t("failed", { detail: json.detail ?? json.title ?? status });
}

// An element, with attributes, properties and children. Text is only ever text.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
