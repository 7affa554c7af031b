//! The pages of `docs/conformance/` against the code: each row names a file, an item in it and a test that are there,
//! or says why not; each id of RFC 9293 appendix B has a row; each id that a comment cites is on a page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Pages where a requirement may be met without a known test.
const WITHOUT_TESTS: &[&str] = &["http.md", "websocket.md"];
/// Status of a row; all but the first are exceptions, which give their reason.
const STATUS: [&str; 4] = ["yes", "deviation", "not yet", "n/a"];

/// One requirement.
struct Row {
    page: String,
    line: usize,
    /// Id or section, what it asks, status, code, test.
    cells: Vec<String>,
}

impl Row {
    fn status(&self) -> (&str, &str) {
        let (status, reason) = self.cells[2].trim_start_matches('`').split_once('`').unwrap_or_default();
        (status, reason.trim_matches([' ', ':', ',']))
    }

    fn problem(&self, what: &str) -> String {
        format!("docs/conformance/{}:{}: {}: {what}", self.page, self.line, self.cells[0])
    }
}

/// Items named in a cell: ``tcp/rtt.rs `rto`, `MAX` `` is two items of one file, which may also stand alone.
fn named(cell: &str) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for (n, part) in cell.split('`').enumerate() {
        if n % 2 == 0 {
            let words = part.split([' ', ',', ';']).filter(|w| w.contains(".rs") || w.contains(".pkt"));
            found.extend(words.map(|path| (path.to_owned(), None)));
        } else {
            match found.last_mut() {
                Some((_, item @ None)) => *item = Some(part.to_owned()),
                Some((path, Some(_))) => {
                    let path = path.clone();
                    found.push((path, Some(part.to_owned())));
                }
                None => found.push((String::new(), Some(part.to_owned()))),
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("docs/conformance")).unwrap().map(|entry| entry.unwrap());
    let mut pages: Vec<_> = entries
        .map(|e| (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap()))
        .collect();
    pages.sort();
    assert!(pages.len() >= 5, "the pages are where they are looked for");
    pages
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (page, text) in pages() {
        for (n, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect();
            if cells.last().is_some_and(|last| last != "test") {
                rows.push(Row { page: page.clone(), line: n + 1, cells });
            }
        }
    }
    assert!(rows.len() > 300, "there are {} rows", rows.len());
    rows
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Something of this name is declared in the source: a function, a constant, a type, a field or a variant.
fn declares(source: &str, name: &str) -> bool {
    let name = name.rsplit("::").next().unwrap_or(name);
    let is_whole = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).any(|line| {
        let text = line.trim_start();
        let text =
            ["pub(super) ", "pub(crate) ", "pub "].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
        let item =
            ["fn ", "const fn ", "async fn ", "const ", "struct ", "enum ", "trait ", "type ", "static "]
                .iter()
                .any(|kind| text.strip_prefix(kind).and_then(|t| t.strip_prefix(name)).is_some_and(is_whole));
        let member = text.strip_prefix(name).is_some_and(|rest| {
            rest.starts_with(": ") || rest.starts_with([',', '(']) || rest.starts_with(" {")
        });
        item || member
    })
}

/// A test of this name is in the source.
fn tests(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().collect();
    lines.iter().enumerate().any(|(n, line)| {
        line.contains(&format!("fn {name}("))
            && lines[n.saturating_sub(8)..n].iter().any(|l| l.trim() == "#[test]")
    })
}

fn read(folder: &str, path: &str) -> Option<String> {
    fs::read_to_string(root().join(folder).join(path)).ok()
}

#[test]
fn every_row_names_code_and_a_test_that_are_there_or_says_why_not() {
    let mut problems = Vec::new();
    for row in rows() {
        let [_, asks, _, code, test] = &row.cells[..] else {
            problems.push(row.problem("not five cells"));
            continue;
        };
        let (status, reason) = row.status();
        let (code, test) = (named(code), named(test));
        let may_lack_test = status != STATUS[0] || WITHOUT_TESTS.contains(&&*row.page);
        if asks.is_empty() || !STATUS.contains(&status) {
            problems.push(row.problem("no status"));
        } else if status != STATUS[0] && reason.is_empty() {
            problems.push(row.problem("an exception without its reason"));
        } else if code.is_empty() && (status == STATUS[0] || status == STATUS[1]) {
            problems.push(row.problem("no code"));
        } else if test.is_empty() && !may_lack_test {
            problems.push(row.problem("no test"));
        }
        for (path, item) in code {
            match (read("src", &path), item) {
                (None, item) => problems.push(row.problem(&format!("no file src/{path} for {item:?}"))),
                (Some(source), Some(item)) if !declares(&source, &item) => {
                    problems.push(row.problem(&format!("no {item} in src/{path}")));
                }
                _ => {}
            }
        }
        for (path, item) in test {
            let source = read("tests", &path).or_else(|| read("src", &path));
            match (source, item) {
                (Some(_), None) if path.ends_with(".pkt") => {}
                (Some(source), Some(item)) if tests(&source, &item) => {}
                (source, item) => {
                    let lacks = if source.is_none() { "no such file" } else { "no such test" };
                    problems.push(row.problem(&format!("{lacks}: {path} {}", item.unwrap_or_default())));
                }
            }
        }
    }
    report(problems);
}

#[test]
fn what_is_to_be_mended_names_code_that_is_there() {
    let page = fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let table = page.split("### To be mended").nth(1).unwrap();
    let lines = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let cells: Vec<_> = lines.map(|line| line.trim_matches('|').rsplit(" | ").next().unwrap()).collect();
    assert!(!cells.is_empty(), "the table may go with its last row, and this test with it");
    let mut problems = Vec::new();
    let listed: Vec<_> = cells.into_iter().flat_map(named).collect();
    for row in rows().iter().filter(|row| row.status().1.ends_with("to be mended")) {
        if !named(&row.cells[3]).iter().any(|item| listed.contains(item)) {
            problems.push(row.problem("not in the table of what is to be mended"));
        }
    }
    for (path, item) in listed {
        let is_there = read("src", &path).is_some_and(|source| item.iter().all(|i| declares(&source, i)));
        if !is_there {
            problems.push(format!("docs/conformance.md: no src/{path} {}", item.unwrap_or_default()));
        }
    }
    report(problems);
}

#[test]
fn every_id_of_appendix_b_has_a_row_and_one_only() {
    let mut wanted: BTreeSet<String> = BTreeSet::from(["REC-1".to_owned()]);
    for (kind, count) in [("MUST", 69), ("SHLD", 31), ("MAY", 18)] {
        wanted.extend((1..=count).map(|n| format!("{kind}-{n}")));
    }
    let mut problems = Vec::new();
    for row in rows().iter().filter(|row| row.page == "rfc9293.md" && row.cells[0].contains('-')) {
        if !wanted.remove(&row.cells[0]) && !row.cells[0].starts_with('3') {
            problems.push(row.problem("no such id, or its second row"));
        }
    }
    problems.extend(wanted.into_iter().map(|id| format!("{id} has no row")));
    report(problems);
}

/// Identifiers of RFC 9293 appendix B, as `MUST-60`.
fn requirement_ids(text: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for kind in ["MUST-", "SHLD-", "MAY-"] {
        for (at, _) in text.match_indices(kind) {
            let digits: String = text[at + kind.len()..].chars().take_while(char::is_ascii_digit).collect();
            if !digits.is_empty() {
                ids.push(format!("{kind}{digits}"));
            }
        }
    }
    ids
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn every_requirement_cited_has_a_row() {
    let known: BTreeSet<_> = rows().into_iter().map(|row| row.cells[0].clone()).collect();
    let mut sources = Vec::new();
    walk(&root().join("src"), &mut sources);
    assert!(sources.len() > 40, "the sources are where they are looked for");
    let mut problems = BTreeMap::new();
    for source in sources {
        for id in requirement_ids(&fs::read_to_string(&source).unwrap()) {
            if !known.contains(&id) {
                problems.insert(id, source.clone());
            }
        }
    }
    report(problems.into_iter().map(|(id, path)| format!("{}: {id} has no row", path.display())).collect());
}

#[test]
fn the_checks_find_what_they_look_for() {
    let source = "impl A {\n    pub(super) fn poll(&self) {}\n}\nstruct B {\n    pub wnd: u32,\n}\n#[cfg(test)]\nfn late() {}";
    assert!(declares(source, "poll") && declares(source, "B::wnd") && declares(source, "B"));
    assert!(!declares(source, "pol") && !declares(source, "late") && !declares(source, "A"));
    assert!(tests("#[test]\nfn one() {}", "one") && !tests("fn one() {}", "one"));
    let items = named("a/b.rs `c`, `d`; e.rs");
    let items: Vec<_> = items.iter().map(|(path, item)| (&**path, item.as_deref())).collect();
    assert_eq!(items, [("a/b.rs", Some("c")), ("a/b.rs", Some("d")), ("e.rs", None)]);
}
