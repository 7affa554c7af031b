//! The pages of the house, for people, and the description of its routes, for programs.
//!
//! What a browser loads stands in the files beside this one, as it is: nothing is built. A page is filled at the start
//! with the words of each language, which `words.json` has; what a script says is handed to it in the page's head.
//! Nothing is inline, so that a page may run what comes from this house and nothing else.

mod language;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::http::{Body, Request, Response, Router};
use language::Language;

/// Pages with words in them: path and template.
const PAGES: [(&str, &str); 3] = [
    ("/", include_str!("index.html")),
    ("/tables.html", include_str!("tables.html")),
    ("/openapi.html", include_str!("openapi.html")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What pages load: path, media type and content.
const FILES: [(&str, &str, &str); 11] = [
    ("/openapi.json", "application/json", include_str!("openapi.json")),
    ("/pages/account.js", SCRIPT, include_str!("account.js")),
    ("/pages/connection.js", SCRIPT, include_str!("connection.js")),
    ("/pages/house.css", STYLE, include_str!("house.css")),
    ("/pages/icon.svg", "image/svg+xml", include_str!("icon.svg")),
    ("/pages/openapi.css", STYLE, include_str!("openapi.css")),
    ("/pages/openapi.js", SCRIPT, include_str!("openapi.js")),
    ("/pages/tables.css", STYLE, include_str!("tables.css")),
    ("/pages/tables.js", SCRIPT, include_str!("tables.js")),
    ("/pages/talk.js", SCRIPT, include_str!("talk.js")),
    ("/pages/words.js", SCRIPT, include_str!("words.js")),
];

/// What a page may do: run and show what comes from here, and talk to this house. `'self'` is the same host by ws, too
/// (CSP 3, 6.7.2.8).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the pages, and what they load.
pub(super) fn add(router: &mut Router) {
    for (path, template) in PAGES {
        let page = Page::new(template);
        router.get(path, move |request| page.respond(request));
    }
    for (path, content_type, text) in FILES {
        router.get(path, move |_| {
            let body = Body::Whole(Bytes::from_static(text.as_bytes()));
            Response::new(200, content_type, body).with("Cache-Control", "no-cache")
        });
    }
}

/// A page in each language: as the browser wants it, and as its reader has chosen, which the links of the page keep.
struct Page {
    wanted: [Bytes; Language::ALL.len()],
    chosen: [Bytes; Language::ALL.len()],
}

impl Page {
    fn new(template: &str) -> Self {
        let all = words();
        let fill = |language: Language, query: &str| {
            let words = &all[language.tag()];
            let script = words["script"].to_string();
            let own = [("lang", language.tag()), ("query", query), ("script", &script)];
            let page = words["page"].as_object().into_iter().flatten();
            let page = page.filter_map(|(name, word)| Some((&**name, word.as_str()?)));
            Bytes::from(filled(template, &page.chain(own).collect()))
        };
        Self {
            wanted: Language::ALL.map(|language| fill(language, "")),
            chosen: Language::ALL.map(|language| fill(language, &format!("?lang={}", language.tag()))),
        }
    }

    fn respond(&self, request: &Request<'_>) -> Response {
        // What is asked for and not there is as if it were not asked for: this is a page for people.
        let asked: Option<String> = request.query_parameter("lang").ok().flatten();
        let asked = asked.and_then(|tag| Language::ALL.into_iter().find(|language| language.tag() == tag));
        let (language, pages) = match asked {
            Some(language) => (language, &self.chosen),
            None => (Language::wanted(request.list("Accept-Language")), &self.wanted),
        };
        Response::html(200, pages[language as usize].clone())
            .with("Content-Security-Policy", POLICY)
            .with("Content-Language", language.tag())
            .with("Vary", "Accept-Language")
            .with("Cache-Control", "no-cache")
    }
}

fn words() -> Value {
    serde_json::from_str(include_str!("words.json")).expect("the words are built in, and tested")
}

/// The template, with a word in place of each `{{name}}`.
fn filled(template: &str, words: &BTreeMap<&str, &str>) -> String {
    let mut pieces = template.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, text) = piece.split_once("}}").expect("what opens in a template is closed");
        let word = words.get(name).unwrap_or_else(|| panic!("there is no word for {name}"));
        page += &escaped(word);
        page += text;
    }
    page
}

/// As HTML has it, in text and in quotation marks.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
