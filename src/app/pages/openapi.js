// The interface for people: each operation of /openapi.json, with what it takes and what it answers.

import { make, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const METHODS = ["get", "put", "post", "delete"];

let whole;

// What a $ref stands for.
function resolve(value) {
  if (!value?.$ref) return value ?? {};
  return resolve(value.$ref.split("/").slice(1).reduce((at, name) => at[name], whole));
}

// Text in which code stands between backquotes.
function prose(text = "") {
  return text.split("`").map((piece, at) => (at % 2 ? make("code", {}, piece) : piece));
}

// What a value may be, in a few words.
function kind(schema) {
  const { type, enum: values, const: value, anyOf, minimum, maximum, minLength, maxLength } = resolve(schema);
  if (anyOf) return anyOf.map(kind).join(" | ");
  if (value !== undefined) return JSON.stringify(value);
  if (values) return values.map((each) => JSON.stringify(each)).join(" | ");
  const range = (from, to, unit) => {
    if (from === undefined && to === undefined) return "";
    return ` ${from ?? ""}…${to ?? ""}${unit}`;
  };
  // Bounds that are those of the type say nothing.
  const isWide = Math.abs(maximum ?? 0) > Number.MAX_SAFE_INTEGER;
  const bounds = isWide ? "" : range(minimum, maximum, "");
  return `${[type ?? "any"].flat().join(" | ")}${bounds}${range(minLength, maxLength, " characters")}`;
}

function row(name, schema, { description, isRequired, place }) {
  const about = resolve(schema);
  const notes = [place, kind(schema), isRequired ? t("required") : null].filter(Boolean).join(" · ");
  return make("div", {}, make("dt", {}, make("code", {}, name)),
    make("dd", {}, make("span", { class: "kind" }, notes),
      ...(description ?? about.description ? [make("br"), ...prose(description ?? about.description)] : [])));
}

function parameters(list) {
  if (!list.length) return [];
  const rows = list.map((parameter) => {
    const { name, schema, description, required, in: place } = resolve(parameter);
    return row(name, schema, { description, isRequired: required, place: t(`in_${place}`) });
  });
  return [make("h4", {}, t("parameters")), make("dl", { class: "list" }, ...rows)];
}

function body(request) {
  if (!request) return [];
  const types = Object.entries(request.content);
  const [, { schema, example }] = types[0];
  const names = make("p", { class: "kind" });
  types.forEach(([type], at) => names.append(...(at ? [" · "] : []), make("code", {}, type)));
  const { properties = {}, required = [] } = resolve(schema);
  const rows = Object.entries(properties).map(([name, property]) =>
    row(name, property, { isRequired: required.includes(name) }));
  return [make("h4", {}, t("request_body")), names,
    ...(rows.length ? [make("dl", { class: "list" }, ...rows)] : []), ...shown(example)];
}

function shown(example) {
  if (example === undefined) return [];
  const text = JSON.stringify(example, null, 2);
  return [make("pre", { tabindex: 0, role: "region", "aria-label": t("example") }, make("code", {}, text))];
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, response]) => {
    const { description, content = {}, headers = {} } = resolve(response);
    const [type, { example } = {}] = Object.entries(content)[0] ?? [];
    const notes = [type, ...Object.keys(headers)].filter(Boolean).join(" · ");
    return make("div", {}, make("dt", {}, make("code", {}, status)),
      make("dd", {}, ...prose(description), ...(notes ? [make("br"), make("span", { class: "kind" }, notes)] : []),
        ...shown(example)));
  });
  return [make("h4", {}, t("answers")), make("dl", { class: "list" }, ...rows)];
}

function operation(path, method, item) {
  const { operationId: id, summary, description, security = [], requestBody, responses } = item[method];
  const all = [...(item.parameters ?? []), ...(item[method].parameters ?? [])];
  const needsToken = security.length > 0 && security.every((scheme) => scheme.bearer || scheme.cookie);
  return make("article", { class: "operation", id, "aria-labelledby": `${id}-title` },
    make("h3", { id: `${id}-title` },
      make("code", { class: "method" }, method.toUpperCase()), " ", make("code", {}, path)),
    make("p", { lang: "en" }, make("b", {}, `${summary}. `), ...prose(description)),
    ...(needsToken ? [make("p", { class: "lock" }, t("needs_token"))] : []),
    ...parameters(all), ...body(resolve(requestBody).content ? resolve(requestBody) : null), ...answers(responses));
}

async function start() {
  const response = await fetch("/openapi.json");
  whole = await response.json();
  const { info, tags, paths } = whole;
  const parts = tags.map(({ name, description }) => {
    const own = Object.entries(paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]?.tags.includes(name)).map((method) => [path, method, item]));
    own.forEach(([path, method, item]) => $("contents").append(make("a", { href: `#${item[method].operationId}` },
      make("code", { class: "method" }, method.toUpperCase()), make("code", {}, path))));
    return make("section", { class: "part", "aria-labelledby": `part-${name}` },
      make("h2", { id: `part-${name}` }, name), make("p", { class: "quiet", lang: "en" }, ...prose(description)),
      ...own.map(([path, method, item]) => operation(path, method, item)));
  });
  $("contents").hidden = false;
  $("document").replaceChildren(make("p", { class: "part", lang: "en" }, ...prose(info.description)), ...parts);
  $("document").removeAttribute("aria-busy");
  // What was not there when the page came.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

start();
