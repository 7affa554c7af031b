//! Tests of the pages: their words, what they may do, and that the description of the routes is the routes'.

use std::collections::BTreeSet;

use super::*;
use crate::app::service::{Service, Settings};
use crate::app::{Choices, routes};

fn house() -> Router {
    let entropy = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(7));
    let service = Service::in_memory(Settings::default(), entropy, 0).unwrap();
    routes(Choices { service: Some(service.into()), ..Choices::default() })
}

fn document() -> Value {
    let (_, _, text) = FILES.into_iter().find(|(path, ..)| *path == "/openapi.json").unwrap();
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_language_has_every_word() {
    let all = words();
    let names = |value: &Value| {
        let mut names = BTreeSet::new();
        let mut left = vec![(String::new(), value.clone())];
        while let Some((path, value)) = left.pop() {
            match value {
                Value::Object(members) => {
                    left.extend(members.into_iter().map(|(name, value)| (format!("{path}/{name}"), value)));
                }
                value => {
                    let text = value.as_str().unwrap();
                    assert!(!text.trim().is_empty(), "{path}");
                    // What a script puts into it has the same name in every language.
                    let mut values: Vec<&str> =
                        text.split('{').skip(1).map(|s| &s[..s.find('}').unwrap()]).collect();
                    values.sort_unstable();
                    names.insert(format!("{path} {values:?}"));
                }
            }
        }
        names
    };
    let known = names(&all[Language::ALL[0].tag()]);
    for language in Language::ALL {
        assert_eq!(names(&all[language.tag()]), known, "{language:?}");
    }
}

#[test]
fn every_word_is_said_somewhere() {
    let all = words();
    let scripts: String =
        FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT).map(|(.., text)| *text).collect();
    let templates: String = PAGES.iter().map(|(_, text)| *text).collect();
    for name in all["en"]["page"].as_object().unwrap().keys() {
        assert!(templates.contains(&format!("{{{{{name}}}}}")), "{name} is on no page");
    }
    for name in all["en"]["script"].as_object().unwrap().keys() {
        let is_built = name.starts_with("in_") || name.ends_with("_who");
        let is_said = scripts.contains(&format!("\"{name}\"")) || scripts.contains(&format!("words.{name}"));
        assert!(is_built || is_said, "{name} is in no script");
    }
}

#[test]
fn pages_have_nothing_inline() {
    for (path, template) in PAGES {
        let page = Page::new(template);
        for text in page.wanted.iter().chain(&page.chosen) {
            let text = std::str::from_utf8(text).unwrap();
            for tag in text.split('<').skip(1) {
                // Words may have a sign of their own in quotation marks.
                let (tag, behind) = tag.split_once('>').unwrap();
                let name = tag.split_whitespace().next().unwrap();
                assert!(name != "style", "{path}: a style");
                assert!(
                    name != "script"
                        || tag.contains(" src=\"/pages/") && behind.is_empty()
                        || behind == "\n"
                        || name == "/script",
                    "{path}: {tag}"
                );
                let has = |start: &str| tag.split_whitespace().skip(1).any(|word| word.starts_with(start));
                let is_words = tag.starts_with("meta name=\"words\"");
                assert!(
                    is_words || !has("style=") && !has("on") && !tag.contains("javascript:"),
                    "{path}: {tag}"
                );
            }
            assert!(!text.contains("{{"), "{path}");
        }
    }
    let scripts = FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT);
    for (path, _, text) in scripts {
        for unsafe_name in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", ".style", "Function("]
        {
            assert!(!text.contains(unsafe_name), "{path}: {unsafe_name}");
        }
    }
    for directive in POLICY.split("; ") {
        let (name, values) = directive.split_once(' ').unwrap();
        assert!(["'self'", "'none'"].contains(&values), "{name} {values}");
    }
}

#[test]
fn what_pages_load_is_there() {
    let paths: Vec<String> = house().routes().map(|(_, path)| path).collect();
    let templates = PAGES.iter().map(|(_, text)| *text);
    let scripts = FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT).map(|(.., text)| *text);
    for text in templates.chain(scripts) {
        let named = ["src=\"", "href=\"", "from \"."].into_iter().flat_map(|start| text.split(start).skip(1));
        for path in named.map(|rest| rest.split(['"', '?', '{']).next().unwrap()) {
            let path =
                path.replace("/pages", "").replace("/tables/1", "/tables").replace("/bytes/1000", "/hello");
            let is_file = paths.iter().any(|known| known.replace("/pages", "") == path);
            assert!(path.is_empty() || path.starts_with('#') || is_file, "{path}");
        }
    }
}

#[test]
fn the_description_is_of_the_routes() {
    let document = document();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|name| (path.clone(), name.to_uppercase()))
        })
        .filter(|(_, method)| method != "PARAMETERS")
        .collect();
    let others: Vec<&str> =
        PAGES.iter().map(|(path, _)| *path).chain(FILES.iter().map(|(path, ..)| *path)).collect();
    let is_rest = |path: &str| !others.contains(&path) && !path.starts_with("/ws") && path != "/metrics";
    let there: BTreeSet<(String, String)> = house()
        .routes()
        .filter(|(_, path)| is_rest(path))
        .map(|(method, path)| (path, method.name().to_owned()))
        .collect();
    assert_eq!(described, there);
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    let document = document();
    let mut left = vec![&document];
    let mut count = 0;
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                if let Some(to) = members.get("$ref").and_then(Value::as_str) {
                    let to = to.strip_prefix('#').unwrap();
                    assert!(document.pointer(to).is_some(), "{to}");
                    count += 1;
                }
                left.extend(members.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    assert!(count > 50);
}
