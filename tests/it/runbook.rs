//! docs/runbook: a page for each alert, and nothing in it that does not exist.

use std::collections::BTreeSet;
use std::fs;

use tallyline_testkit::TestDb;

use crate::promql::{at, labels_of, recorded, rules};

/// Name and text of every page, the list of pages apart.
fn pages() -> Vec<(String, String)> {
    let entries = fs::read_dir(at("docs/runbook")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    let mut pages: Vec<_> = entries.map(read).filter(|(name, _)| name != "README").collect();
    pages.sort();
    pages
}

/// Blocks of a language, and `code` in running text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

fn inline(text: &str) -> Vec<String> {
    let running: String = text.split("```").step_by(2).collect();
    running.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Breaks: a page removed; a page without an alert; a page that the list leaves out.
#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let alerts: BTreeSet<String> = rules().into_iter().filter(|rule| rule.is_alert).map(|rule| rule.name).collect();
    let pages = pages();
    let named: BTreeSet<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(alerts, named);
    let list = fs::read_to_string(at("docs/runbook/README.md")).unwrap();
    for (name, text) in &pages {
        assert!(list.contains(&format!("({name}.md)")), "docs/runbook/README.md does not list {name}");
        assert!(text.starts_with(&format!("# {name}\n")), "{name}");
        for part in ["**What it means.**", "**What users notice.**", "## Look first", "## Causes", "## Over when"] {
            assert!(text.contains(part), "{name}: no {part}");
        }
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            assert!(at("docs/runbook").join(link).exists(), "{name}: {link} leads nowhere");
        }
    }
}

/// Words of a command line; quotes hold blanks, and what follows `#` is a remark.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.split(" #").next().unwrap().trim().chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Break tried: `jobs discard` without an id.
#[test]
fn every_command_of_the_runbook_is_one_of_ours() {
    let tenant = "6f6f6f6f-6f6f-4f6f-8f6f-6f6f6f6f6f6f";
    let mut found = 0;
    for (page, text) in pages() {
        let in_blocks =
            blocks(&text, "sh").into_iter().flat_map(str::lines).flat_map(|line| line.split("; ")).map(str::to_owned);
        for line in in_blocks.chain(inline(&text)).filter(|line| line.starts_with("tallyline ")) {
            // An id is a number or a UUID, depending on what it is of.
            let parsed = ["1", tenant].map(|id| {
                let words = words(&line).into_iter().map(|word| match word.as_str() {
                    "TENANT" => tenant.to_owned(),
                    "ID" => id.to_owned(),
                    _ => word,
                });
                tallyline::cli::command().try_get_matches_from(words)
            });
            let [first, second] = parsed;
            if let Err(error) = first.or(second) {
                panic!("{page}: {line}\n{error}");
            }
            found += 1;
        }
    }
    assert!(found > 60, "{found} commands were found");
}

/// Break: a metric that was renamed.
#[test]
fn every_metric_of_the_runbook_is_in_the_list() {
    let recorded = recorded();
    for (page, text) in pages() {
        for code in inline(&text).iter().filter(|code| code.starts_with("tallyline_") || code.starts_with("tallyline:"))
        {
            let name = code.split('{').next().unwrap();
            if let Err(fault) = labels_of(name, &recorded) {
                panic!("{page}: {fault}");
            }
        }
    }
}

/// Every key that a page names is one of the configuration. Break: `queue.workers`.
#[test]
fn every_key_of_the_runbook_is_one_of_the_configuration() {
    let config = fs::read_to_string(at("config.toml")).unwrap();
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in config.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.starts_with('#')) {
            keys.insert(format!("{section}.{key}"));
        }
    }
    let sections: BTreeSet<&str> = keys.iter().filter_map(|key| key.split('.').next()).collect();
    for (page, text) in pages() {
        for code in inline(&text) {
            let is_key = code.split_once('.').is_some_and(|(section, key)| {
                sections.contains(section) && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            });
            assert!(!is_key || keys.contains(&code), "{page}: there is no key {code}");
        }
    }
}

/// Break: a column that does not exist.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the statements are read from the pages")]
async fn every_statement_of_the_runbook_runs() {
    let db = TestDb::new().await;
    let mut found = 0;
    for (page, text) in pages() {
        let in_text = inline(&text).into_iter().filter(|code| code.starts_with("UPDATE "));
        for sql in blocks(&text, "sql").into_iter().map(str::to_owned).chain(in_text) {
            for statement in sql.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
                let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&db.admin).await;
                assert!(done.is_ok(), "{page}: {statement}\n{done:?}");
                found += 1;
            }
        }
    }
    assert!(found > 12, "{found} statements were found");
}
