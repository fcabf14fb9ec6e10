//! Rules of this code base that the compiler does not know: sizes, module
//! documentation, where SQL lives, what must be registered. CONTRIBUTING.md
//! says why; every message here says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const MAX_FILE_LINES: usize = 600;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_SQL_LITERAL_LINES: usize = 3;
/// A fixture reads best where it is used, but a page of SQL is a file of its own.
const MAX_SQL_LITERAL_LINES_IN_TESTS: usize = 20;

/// Files beyond the limit with their present length. May only shrink.
const LONG_FILES: &[(&str, usize)] = &[];
/// Functions beyond the limit, as "file function", with their present length. May only shrink.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// Written by machines.
const GENERATED: &[&str] = &["migrations/schema.sql", "Cargo.lock"];

struct SourceFile {
    /// Relative to the root, with forward slashes.
    path: String,
    text: String,
}

impl SourceFile {
    fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the project, sorted.
fn all_files() -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut directories = vec![root().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !is_ignored(&name) {
                directories.push(path);
            } else if kind.is_file() {
                files.extend(read(&path));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn is_ignored(directory: &str) -> bool {
    directory == "target" || (directory.starts_with('.') && !matches!(directory, ".cargo" | ".ci"))
}

/// `None` for pictures, and for files that vanish while we look.
fn read(path: &PathBuf) -> Option<SourceFile> {
    let text = fs::read_to_string(path).ok()?;
    let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    (!GENERATED.contains(&path.as_str())).then_some(SourceFile { path, text })
}

fn rust_files() -> Vec<SourceFile> {
    all_files().into_iter().filter(|file| file.is("rs")).collect()
}

#[track_caller]
fn assert_none(rule: &str, violations: Vec<String>) {
    assert!(violations.is_empty(), "{rule}:\n  {}\n", violations.join("\n  "));
}

/// Lengths beyond `limit` that the allow-list does not cover, and entries of the
/// list that are no longer needed or no longer true.
fn beyond(limit: usize, lengths: &[(String, usize)], allowed: &[(&str, usize)]) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, lines) in lengths.iter().filter(|(_, lines)| *lines > limit) {
        match allowed.iter().find(|(known, _)| known == name) {
            Some((_, recorded)) if lines <= recorded => {}
            Some((_, recorded)) => violations.push(format!("{name} grew from {recorded} to {lines} lines")),
            None => violations.push(format!("{name} has {lines} lines")),
        }
    }
    for (name, recorded) in allowed {
        let now = lengths.iter().filter(|(known, _)| known == name).map(|(_, lines)| *lines).max().unwrap_or(0);
        if now < *recorded {
            violations.push(format!("{name} has {now} lines now: shrink or remove its entry of {recorded}"));
        }
    }
    violations
}

#[test]
fn files_are_short() {
    // A migration that was applied somewhere is never changed, so it cannot be split either.
    let is_source = |file: &SourceFile| {
        ["rs", "sql", "sh", "css", "js"].iter().any(|extension| file.is(extension))
            && !file.path.starts_with("migrations/")
    };
    let lengths: Vec<_> =
        all_files().iter().filter(|file| is_source(file)).map(|f| (f.path.clone(), f.text.lines().count())).collect();
    assert!(!lengths.is_empty());
    assert_none(
        &format!("split files longer than {MAX_FILE_LINES} lines"),
        beyond(MAX_FILE_LINES, &lengths, LONG_FILES),
    );
}

#[test]
fn functions_are_short() {
    let mut lengths = Vec::new();
    for file in rust_files() {
        let functions = functions(&Lexed::new(&file.text).code);
        lengths.extend(functions.into_iter().map(|(name, lines)| (format!("{} {name}", file.path), lines)));
    }
    assert!(!lengths.is_empty());
    let rule = format!("split functions longer than {MAX_FUNCTION_LINES} lines");
    assert_none(&rule, beyond(MAX_FUNCTION_LINES, &lengths, LONG_FUNCTIONS));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = |file: &SourceFile| !file.text.starts_with("//! ");
    let violations = rust_files().into_iter().filter(silent).map(|file| file.path).collect();
    assert_none("begin these files with a `//!` sentence", violations);
}

#[test]
fn long_sql_lives_in_sql_files() {
    let mut violations = Vec::new();
    for file in rust_files() {
        let most = if is_test(&file.path) { MAX_SQL_LITERAL_LINES_IN_TESTS } else { MAX_SQL_LITERAL_LINES };
        for literal in Lexed::new(&file.text).literals {
            if literal.text.lines().count() > most && is_sql(&literal.text) {
                violations.push(format!("{}:{}", file.path, literal.line));
            }
        }
    }
    assert_none("move SQL of more than three lines to sql/<area>/<name>.sql", violations);
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.starts_with("bench/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn is_sql(text: &str) -> bool {
    const VERBS: &[&str] =
        &["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "CREATE", "ALTER", "DROP", "COPY", "GRANT", "DO"];
    let code = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("--")).unwrap_or("");
    let verb = code.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    VERBS.contains(&verb.to_ascii_uppercase().as_str())
}

#[test]
fn every_sql_file_is_explained_single_and_used() {
    let files = all_files();
    let rust: Vec<String> = files.iter().filter(|file| file.is("rs")).map(|file| file.text.clone()).collect();
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is("sql") && file.path.starts_with("sql/")) {
        if !file.text.starts_with("-- ") {
            violations.push(format!("{}: the first line must be a comment that says what it returns", file.path));
        }
        if count_statements(&file.text) != 1 {
            violations.push(format!("{}: must hold one statement, not {}", file.path, count_statements(&file.text)));
        }
        let quoted = format!("{}\"", file.path);
        if !rust.iter().any(|text| text.contains(&quoted)) {
            violations.push(format!("{}: no query_file! or include_str! uses it", file.path));
        }
    }
    assert_none("statements in sql/", violations);
}

#[test]
fn every_job_is_in_the_registry() {
    let files = all_files();
    let registry = files.iter().find(|file| file.path == "jobs/lib.rs").unwrap();
    let code = Lexed::new(&registry.text).code;
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is("rs")) {
        let Some(job) = file.path.strip_prefix("jobs/").and_then(|name| name.strip_suffix(".rs")) else { continue };
        if job == "lib" || job.contains('/') {
            continue;
        }
        if !code.contains(&format!("mod {job};")) || !code.contains(&format!("{job}::")) {
            violations.push(format!("{}: not declared or not registered in jobs/lib.rs", file.path));
        }
    }
    assert_none("jobs", violations);
}

#[test]
fn every_migration_can_be_taken_back() {
    let names: BTreeSet<String> =
        all_files().iter().filter_map(|file| Some(file.path.strip_prefix("migrations/")?.to_owned())).collect();
    assert!(!names.is_empty());
    let mut violations = Vec::new();
    for name in &names {
        let (twin, stem) = match (name.strip_suffix(".up.sql"), name.strip_suffix(".down.sql")) {
            (Some(stem), _) => (format!("{stem}.down.sql"), stem),
            (_, Some(stem)) => (format!("{stem}.up.sql"), stem),
            _ => continue,
        };
        if !names.contains(&twin) {
            violations.push(format!("migrations/{name}: {twin} is missing"));
        }
        let version = stem.split_once('_').map_or("", |(version, _)| version);
        if version.len() != 14 || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            violations.push(format!("migrations/{name}: the name must begin with fourteen digits"));
        }
    }
    assert_none("migrations", violations);
}

/// A member with features of its own would make cargo build a dependency twice.
#[test]
fn features_are_declared_in_the_workspace_only() {
    let mut violations = Vec::new();
    for file in all_files().iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        let mut table = "";
        for line in file.text.lines().map(str::trim) {
            if line.starts_with('[') {
                table = line;
            } else if table.ends_with("dependencies]")
                && table != "[workspace.dependencies]"
                && is_own_requirement(line)
            {
                violations.push(format!("{}: `{line}` must be `….workspace = true`", file.path));
            }
        }
        if !file.text.contains("[lints]\nworkspace = true") {
            violations.push(format!("{}: `[lints] workspace = true` is missing", file.path));
        }
    }
    assert_none("Cargo.toml", violations);
}

fn is_own_requirement(line: &str) -> bool {
    let inherits = line.ends_with(".workspace = true") || line.contains("{ workspace = true");
    !line.is_empty() && !line.starts_with('#') && (!inherits || line.contains("features"))
}

/// Breaks tried: a row taken out, a test renamed.
#[test]
fn every_defect_has_a_test_or_a_reason() {
    let files = all_files();
    let mut tests: BTreeSet<String> = BTreeSet::new();
    for file in files.iter().filter(|file| file.is("rs")) {
        let names = functions(&Lexed::new(&file.text).code).into_iter().map(|(name, _)| name);
        tests.extend(names.filter(|name| name.starts_with("defect_")).map(|name| format!("`{name}` ({})", file.path)));
    }
    let table = &files.iter().find(|file| file.path == "docs/defects.md").unwrap().text;
    let rows: Vec<(u32, &str)> = table.lines().filter_map(defect_row).collect();
    assert_eq!(
        rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        (1..=57).collect::<Vec<_>>(),
        "rows of docs/defects.md"
    );
    let mut violations = Vec::new();
    for (number, cell) in rows {
        let written: BTreeSet<&str> = tests
            .iter()
            .map(String::as_str)
            .filter(|test| test.starts_with(&format!("`defect_{number:02}_")))
            .collect();
        let said: BTreeSet<&str> = cell.split(", ").filter(|test| test.ends_with(".rs)")).collect();
        if written != said {
            violations.push(format!("{number:02}: the table names {said:?}, the tests are {written:?}"));
        }
        if written.is_empty() != cell.starts_with("not applicable: ") {
            violations.push(format!("{number:02}: must have a test, or a reason for having none"));
        }
    }
    assert_none("docs/defects.md and the tests named defect_NN_…", violations);
}

/// Number and last cell of a row of the table.
fn defect_row(line: &str) -> Option<(u32, &str)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    Some((cells.first()?.parse().ok()?, cells.last()?))
}

#[test]
fn nothing_depends_on_one_machine() {
    // In pieces, so that this file does not contain them.
    let pieces = [
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/ho", "me/"],
        ["/Us", "ers/"],
        ["554", "32"],
        ["index.cr", "ates.io"],
        ["static.cr", "ates.io"],
        ["pypi", ".org"],
        ["registry.npm", "js.org"],
    ];
    let words: Vec<String> = pieces.iter().map(|piece| piece.concat()).collect();
    let mut violations = Vec::new();
    for file in all_files() {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                violations.push(format!("{}:{}: {word}", file.path, number + 1));
            }
        }
    }
    assert_none("paths and hosts of one machine", violations);
}

// --- a small reader of Rust and SQL -----------------------------------------

struct Literal {
    /// Line on which it begins, from 1.
    line: usize,
    text: String,
}

/// Rust source with comments, strings and characters blanked, and its strings.
struct Lexed {
    code: String,
    literals: Vec<Literal>,
}

impl Lexed {
    fn new(source: &str) -> Self {
        let mut lexed = Self { code: String::with_capacity(source.len()), literals: Vec::new() };
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let previous = lexed.code.chars().next_back().unwrap_or(' ');
            let after_word = previous.is_alphanumeric() || previous == '_';
            let length = if rest.starts_with("//") {
                lexed.blank(rest, rest.find('\n').unwrap_or(rest.len()))
            } else if rest.starts_with("/*") {
                lexed.blank(rest, block_comment_length(rest))
            } else if let Some((open, close)) = string_delimiters(rest, after_word) {
                lexed.string(rest, open, &close)
            } else if let Some(length) = character_length(rest) {
                lexed.blank(rest, length)
            } else {
                lexed.code.push(first);
                first.len_utf8()
            };
            rest = &rest[length..];
        }
        lexed
    }

    /// Keeps the line breaks, so that lines can still be counted.
    fn blank(&mut self, rest: &str, length: usize) -> usize {
        self.code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        length
    }

    fn string(&mut self, rest: &str, open: usize, close: &str) -> usize {
        let raw = close.len() > 1 || rest[..open].contains('r');
        let end = string_end(&rest[open..], close, raw);
        let line = self.code.matches('\n').count() + 1;
        self.literals.push(Literal { line, text: rest[open..open + end].to_owned() });
        self.blank(rest, (open + end + close.len()).min(rest.len()))
    }
}

/// Length of what opens a string here and what closes it: `"`, `b"`, `r#"` …
fn string_delimiters(rest: &str, after_word: bool) -> Option<(usize, String)> {
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
    if prefix > 2 || (prefix > 0 && after_word) {
        return None;
    }
    let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
    let raw = rest[..prefix].contains('r');
    let opens = rest[prefix + hashes..].starts_with('"') && (hashes == 0 || raw);
    opens.then(|| (prefix + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

fn string_end(text: &str, close: &str, raw: bool) -> usize {
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(close) {
            return at;
        }
        let next = text[at..].chars().next().map_or(1, char::len_utf8);
        let escaped = !raw && text[at..].starts_with('\\');
        at += next + if escaped { text[at + next..].chars().next().map_or(0, char::len_utf8) } else { 0 };
    }
    text.len()
}

/// `'x'`, `'\n'`, `'\u{1f}'`; `None` for a lifetime.
fn character_length(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' {
        return Some(2 + inner[1..].char_indices().skip(1).find(|(_, c)| *c == '\'')?.0 + 1);
    }
    let after = first.len_utf8();
    inner[after..].starts_with('\'').then_some(after + 2)
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Name and length in lines, signature included, of every function with a body.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_word = at == 0 || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        if let Some(length) = body_length(&code[at..]) {
            found.push((name, code[at..at + length].lines().count()));
        }
    }
    found
}

/// Bytes from `fn` to the closing brace; `None` for a signature without a body.
fn body_length(code: &str) -> Option<usize> {
    let (mut braces, mut others) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            ';' if braces == 0 && others == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && others == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Statements of a SQL text: what stands between semicolons, outside of
/// comments, strings and dollar quotes.
fn count_statements(sql: &str) -> usize {
    let (mut statements, mut open, mut rest) = (0, false, sql);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_length(rest)
        } else if first == '\'' {
            open = true;
            1 + rest[1..].find('\'').map_or(rest.len() - 1, |end| end + 1)
        } else if let Some(tag) = dollar_tag(rest) {
            open = true;
            rest[tag.len()..].find(tag).map_or(rest.len(), |end| end + 2 * tag.len())
        } else {
            statements += usize::from(first == ';' && open);
            open = (open || !first.is_whitespace()) && first != ';';
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    statements + usize::from(open)
}

/// `$$` or `$name$`, but not the parameter `$1`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix('$')?;
    let end = inner.find('$')?;
    let is_tag = inner[..end].chars().all(|c| c.is_alphanumeric() || c == '_')
        && !inner.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &rest[..end + 2])
}

#[test]
fn the_reader_sees_functions_strings_and_statements() {
    let source = "fn a() { \"}\" ; '}'; /* } /* } */ */ }\n// fn no() {}\nfn b<'a>(x: &'a str)\nwhere X: Y {\n r#\"\n\"}\n\"#\n}\ntrait T { fn c(); fn d() {} }";
    let lexed = Lexed::new(source);
    let found: Vec<_> = functions(&lexed.code).into_iter().map(|(name, lines)| format!("{name}{lines}")).collect();
    assert_eq!(found, ["a1", "b6", "d1"]);
    let literals: Vec<_> = lexed.literals.iter().map(|literal| (literal.line, literal.text.as_str())).collect();
    assert_eq!(literals, [(1, "}"), (5, "\n\"}\n")]);
    assert_eq!(count_statements("-- a; b\nSELECT ';' || $1, $x$;;$x$ /* ; */;\n"), 1);
    assert_eq!(count_statements("SELECT 1; SELECT 2"), 2);
    assert!(is_sql("\n  select 1") && is_sql("-- why\nWITH x AS (") && !is_sql("usage: select\n"));
    assert_eq!(beyond(3, &[("long".into(), 5), ("ok".into(), 3)], &[]), ["long has 5 lines"]);
    assert_eq!(beyond(3, &[("long".into(), 5)], &[("long", 6), ("gone", 4)]).len(), 2);
}
