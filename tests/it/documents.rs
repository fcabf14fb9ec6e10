//! What the documents say can be followed: links lead somewhere, commands are
//! commands, and the tour runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tallyline::cli;

use crate::daemon::text;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page: path from the root, and text.
fn pages() -> Vec<(PathBuf, String)> {
    let (mut pages, mut directories) = (Vec::new(), vec![root().to_owned()]);
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                directories.push(path);
            } else if name.ends_with(".md") {
                pages.push((path.strip_prefix(root()).unwrap().to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(pages.len() > 10, "the pages were found");
    pages
}

/// The code blocks of a page: language, and text.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let (mut blocks, mut open): (Vec<(&str, String)>, bool) = (Vec::new(), false);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), open) {
            (Some(language), false) => blocks.push((language.trim(), String::new())),
            (None, true) => {
                let block = &mut blocks.last_mut().unwrap().1;
                block.push_str(line);
                block.push('\n');
                continue;
            }
            (None, false) => continue,
            (Some(_), true) => {}
        }
        open = !open;
    }
    assert!(!open, "a code block has no end");
    blocks
}

/// Targets of `[…](target)`, outside of code blocks.
fn links(page: &str) -> Vec<&str> {
    let (mut links, mut in_block) = (Vec::new(), false);
    for line in page.lines() {
        in_block ^= line.trim_start().starts_with("```");
        if !in_block {
            links.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
        }
    }
    links
}

/// Break: a link to a page that is not there, or to a heading that was renamed.
#[test]
fn every_link_leads_somewhere() {
    let mut lost = Vec::new();
    for (page, text) in pages() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { root().join(&page) } else { root().join(&page).with_file_name("").join(file) };
            let is_there = target.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&target).is_ok_and(|text| headings(&text).contains(&heading.to_owned())));
            if !is_there {
                lost.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// As forges make anchors of them.
fn headings(page: &str) -> Vec<String> {
    let titles = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    titles
        .map(|title| {
            let kept = title
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .collect::<String>();
            kept.replace(' ', "-")
        })
        .collect()
}

/// Words of a line of shell as far as the first that ends a command; quotes are
/// taken off, comments left out.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, '|' | ';' | '&' | '>' | '<' | ')') => {
                // A descriptor in front of a redirection is no word.
                if c == '>' && word.as_deref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
                    word = None;
                }
                break;
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Every call of the program in a block, without its name.
fn calls(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let mut calls = Vec::new();
    for line in joined.lines().map(str::trim_start).filter(|line| !line.starts_with('#')) {
        let mut from = 0;
        while let Some(found) = line[from..].find("tallyline ") {
            let (before, after) = (&line[..from + found], &line[from + found + "tallyline ".len()..]);
            let is_command = before.is_empty()
                || ["$(", "&& ", "| ", "; ", "./target/release/", "$ "].iter().any(|end| before.ends_with(end))
                || before.split_whitespace().all(|word| word.contains('=') && before.ends_with(' '));
            if is_command {
                calls.push(words(after));
            }
            from += found + "tallyline ".len();
        }
    }
    calls
}

/// What may stand for a value that the reader is to fill in, such as TENANT, 6f6f… or $ID.
const STAND_INS: [&str; 6] =
    ["6f6f0000-0000-4000-8000-000000000000", "1", "1h", "2026-01-01T00:00:00Z", "2026-01-01", "bolna"];

fn is_placeholder(word: &str) -> bool {
    word.contains('…')
        || word.contains('$')
        || word.chars().all(|c| c.is_ascii_uppercase() || "-_0123456789".contains(c))
}

/// Placeholders are replaced by whatever the program takes there.
fn check(call: &[String]) -> Result<(), String> {
    let (mut call, mut tried) = (call.to_vec(), 0);
    loop {
        let Err(error) = cli::check_line(&call) else { return Ok(()) };
        let invalid = match (error.kind(), error.get(ContextKind::InvalidValue)) {
            (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(ContextValue::String(value))) => value.clone(),
            _ => return Err(error.to_string()),
        };
        let known = STAND_INS.iter().position(|stand_in| *stand_in == invalid);
        let next = known.map_or(0, |position| position + 1);
        let word = call.iter_mut().find(|word| **word == invalid && (known.is_some() || is_placeholder(word)));
        match (word, STAND_INS.get(next)) {
            (Some(word), Some(stand_in)) if tried < 60 => *word = (*stand_in).to_owned(),
            _ => return Err(error.to_string()),
        }
        tried += 1;
    }
}

/// Break: a test that was renamed.
#[test]
fn the_tests_that_the_guarantees_name_are_there() {
    let page = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let (mut sources, mut directories) = (String::new(), vec![root().to_owned()]);
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                directories.push(path);
            } else if name.ends_with(".rs") {
                sources += &fs::read_to_string(&path).unwrap();
            }
        }
    }
    let is_name = |word: &&str| word.contains('_') && word.len() >= 20 && !word.contains(['.', ' ', ':', '/']);
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_name).collect();
    let lost: Vec<&&str> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(named.len() > 20, "the names were found");
    assert!(lost.is_empty(), "{lost:?}");
}

/// Break: a flag that was renamed, a command that never was.
#[test]
fn every_command_in_a_page_is_one() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (page, text) in pages() {
        let shell =
            blocks(&text).into_iter().filter(|(language, _)| matches!(*language, "sh" | "bash" | "console" | ""));
        for call in shell.flat_map(|(_, block)| calls(&block)) {
            checked += 1;
            if let Err(error) = check(&call) {
                wrong.push(format!("{}: tallyline {}\n{error}", page.display(), call.join(" ")));
            }
        }
    }
    assert!(checked > 40, "the commands were found: {checked}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(check(&["tenant".to_owned(), "ad".to_owned()]).is_err(), "what is no command is refused");
}

/// The blocks of the tour, one after the other in one shell, in an empty folder.
///
/// Break: a command that fails, or a figure that is another.
#[test]
fn the_tour_can_be_followed_word_for_word() {
    let page = fs::read_to_string(root().join("docs/tour.md")).unwrap();
    let blocks = blocks(&page);
    let of = |wanted: &str| {
        blocks.iter().filter(|(language, _)| *language == wanted).map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    let folder = tempfile::tempdir().unwrap();
    // The embedded server's account must be able to enter it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_tallyline")).parent().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the tour calls other programs too")]
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    // Whatever fails on the way, nothing is left running.
    let cleanup = "trap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT\n";
    let script = format!("set -euo pipefail\n{cleanup}{}tallyline db stop || true\n", of("sh").concat());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env_remove("DATABASE_URL")
        .env("PATH", path)
        .env("TALLYLINE_HTTP__LISTEN", listen)
        // A machine that is busy with other tests is not to answer 503.
        .env("TALLYLINE_RECEIVER__ACKNOWLEDGE_DEADLINE_MILLISECONDS", "30000")
        .output()
        .unwrap();
    let said = text(&output);
    let log = fs::read_to_string(folder.path().join("tally-tour/tallyline.log")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{log}");
    assert_eq!(of("text").len(), 1);
    assert!(said.contains(of("text")[0]), "the figures are those of the page: {said}");
    assert!(said.contains(" 0 differences"), "{said}");
    assert!(said.contains("not running"), "the database has ended with the daemon: {said}");
}
