//! Migrations run while the daemon works: the old program and the new one share the
//! schema for as long as an upgrade lasts, and a table that is locked is a webhook
//! that waits. CONTRIBUTING.md has the rules for people; this holds new migrations to
//! them. Those up to [`BASELINE`] are older than the rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

/// The last migration that is not looked at. Never raised to let one pass.
const BASELINE: i64 = 20_260_601_004_700;

/// Words that make a value anew for each row, so that adding the column writes the table.
const VOLATILE: &[&str] =
    &["NEXTVAL(", "RANDOM(", "CLOCK_TIMESTAMP(", "TIMEOFDAY(", "GEN_RANDOM_UUID(", "UUIDV4(", "UUIDV7("];

/// A migration as the rules see it.
struct Migration<'a> {
    text: &'a str,
    statements: Vec<String>,
}

impl<'a> Migration<'a> {
    fn new(text: &'a str) -> Self {
        Migration { text, statements: statements(text) }
    }

    /// `-- blocks: …` and the like: what is said must be said in a sentence.
    fn says(&self, word: &str) -> bool {
        let lines =
            self.text.lines().filter_map(|line| line.strip_prefix("-- ")?.strip_prefix(word)?.strip_prefix(": "));
        lines.into_iter().any(|reason| reason.split_whitespace().count() >= 4)
    }

    fn creates(&self, table: &str) -> bool {
        self.statements.iter().any(|it| {
            it.strip_prefix("CREATE TABLE ").is_some_and(|rest| same(rest.trim_start_matches("IF NOT EXISTS "), table))
        })
    }

    /// Every rule that a statement breaks, with what to do.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (place, statement) in self.statements.iter().enumerate() {
            let mut broken = |rule: &str| found.push(format!("{}: {rule}", shortened(statement)));
            self.contract(statement, &mut broken);
            self.indexes(statement, &mut broken);
            self.tables(statement, &self.statements[..place], &mut broken);
            self.rows(statement, &mut broken);
            if statement.starts_with("SET LOCK_TIMEOUT") || statement.starts_with("SET LOCAL LOCK_TIMEOUT") {
                broken("`tallyline migrate` sets lock_timeout and tries again: leave it alone");
            }
        }
        found
    }

    /// The old program is still running when this is applied.
    fn contract(&self, statement: &str, broken: &mut impl FnMut(&str)) {
        let takes_away =
            ["DROP TABLE ", "DROP VIEW ", "DROP MATERIALIZED VIEW ", "DROP FUNCTION ", "DROP TYPE ", "DROP SCHEMA "]
                .iter()
                .any(|it| statement.starts_with(it))
                || [" DROP COLUMN ", " RENAME TO ", " RENAME COLUMN "].iter().any(|it| statement.contains(it));
        if takes_away && !self.says("contract") {
            broken(
                "takes away what the program before this one uses: do it one release later, in a migration \
                 with a line `-- contract: since which release nothing uses it`",
            );
        }
    }

    fn indexes(&self, statement: &str, broken: &mut impl FnMut(&str)) {
        if statement.contains(" CONCURRENTLY ") {
            let whole = self.statements.len() == 1 && self.text.starts_with("-- no-transaction");
            if !whole {
                broken("CONCURRENTLY stands alone in its file, whose first line is `-- no-transaction`");
            }
            if statement.starts_with("CREATE ") && !statement.contains(" IF NOT EXISTS ") {
                broken("say IF NOT EXISTS: a process may end between the index and the note that it is there");
            }
            return;
        }
        let is_index = statement.starts_with("CREATE INDEX ") || statement.starts_with("CREATE UNIQUE INDEX ");
        let table = statement.split_once(" ON ").map_or("", |(_, rest)| rest.trim_start_matches("ONLY "));
        let table = word(table);
        if is_index && !self.creates(table) && !self.says("blocks") {
            broken("writes to the table wait while it is built: CREATE INDEX CONCURRENTLY, or say `-- blocks: …`");
        }
    }

    /// What reads or writes a whole table while nobody else may.
    fn tables(&self, statement: &str, before: &[String], broken: &mut impl FnMut(&str)) {
        let Some(rest) = statement.strip_prefix("ALTER TABLE ") else { return };
        let rest = rest.trim_start_matches("IF EXISTS ").trim_start_matches("ONLY ");
        if self.creates(word(rest)) || self.says("blocks") {
            return;
        }
        for action in actions(rest) {
            if action.starts_with("ALTER ") && (action.contains(" TYPE ") || action.contains(" SET DATA TYPE ")) {
                broken("rewrites the table: a new column, filled by a job, and the old one dropped a release later");
            }
            if action.starts_with("ADD COLUMN ") {
                let fills = VOLATILE.iter().any(|it| action.contains(it)) || action.contains("SERIAL");
                if fills || action.contains(" GENERATED ") {
                    broken("rewrites the table: add the column empty, set the default after it, fill it by a job");
                }
                if action.contains(" CHECK ") || action.contains(" REFERENCES ") || action.contains(" UNIQUE") {
                    broken("reads the whole table: add the column alone, the constraint NOT VALID, then VALIDATE it");
                }
            }
            let constrains = action.starts_with("ADD CONSTRAINT ")
                || action.starts_with("ADD CHECK ")
                || action.starts_with("ADD FOREIGN ");
            let built = [" PRIMARY KEY", " UNIQUE", " EXCLUDE "].iter().any(|it| action.contains(it));
            if constrains && built && !action.contains(" USING INDEX ") {
                broken("builds an index while nobody may write: CREATE UNIQUE INDEX CONCURRENTLY, then USING INDEX");
            } else if constrains && !built && !action.contains(" NOT VALID") {
                broken("reads the whole table while nobody may write: NOT VALID, and VALIDATE in a later migration");
            }
            if action.contains(" SET NOT NULL") && !before.iter().any(|it| it.contains(" VALIDATE CONSTRAINT ")) {
                broken(
                    "reads the whole table: a CHECK (… IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT, then SET NOT NULL",
                );
            }
            if action.starts_with("VALIDATE CONSTRAINT ") && before.iter().any(|it| it.contains(" NOT VALID")) {
                broken("in one transaction with NOT VALID it holds that lock: VALIDATE in a migration of its own");
            }
        }
    }

    /// What locks rows or tables for as long as their number takes.
    fn rows(&self, statement: &str, broken: &mut impl FnMut(&str)) {
        let table = [
            "UPDATE ",
            "DELETE FROM ",
            "TRUNCATE ",
            "LOCK TABLE ",
            "CLUSTER ",
            "VACUUM FULL ",
            "REFRESH MATERIALIZED VIEW ",
        ]
        .iter()
        .find_map(|it| statement.strip_prefix(it));
        let Some(table) = table else { return };
        if !self.creates(word(table.trim_start_matches("TABLE ").trim_start_matches("ONLY "))) && !self.says("blocks") {
            broken("locks what is there until the migration ends: a job does it in steps, or say `-- blocks: …`");
        }
    }
}

fn shortened(statement: &str) -> String {
    statement.chars().take(70).collect()
}

fn word(text: &str) -> &str {
    text.split(|c: char| c.is_whitespace() || c == '(' || c == ',').next().unwrap_or("")
}

fn same(definition: &str, table: &str) -> bool {
    let plain = |name: &'_ str| name.strip_prefix("PUBLIC.").unwrap_or(name).to_owned();
    plain(word(definition)) == plain(table)
}

/// What follows the table's name, split where a comma is in no bracket.
fn actions(rest: &str) -> Vec<String> {
    let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
    let (mut depth, mut found) = (0, vec![String::new()]);
    for c in rest.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().unwrap().push(c);
    }
    found.into_iter().map(|it| format!("{} ", it.trim())).collect()
}

/// Statements in capitals, with single blanks, without comments, strings and bodies of functions.
fn statements(text: &str) -> Vec<String> {
    let (mut found, mut rest) = (vec![String::new()], text);
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if c == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |at| at + 2)
        } else if let Some(tag) = dollar_tag(rest) {
            rest[tag.len()..].find(tag).map_or(rest.len(), |at| at + 2 * tag.len())
        } else {
            match c {
                ';' => found.push(String::new()),
                c => found.last_mut().unwrap().push(c.to_ascii_uppercase()),
            }
            rest = &rest[c.len_utf8()..];
            continue;
        };
        found.last_mut().unwrap().push(' ');
        rest = &rest[skipped..];
    }
    let single = |it: &String| format!("{} ", it.split_whitespace().collect::<Vec<_>>().join(" "));
    found.iter().map(single).filter(|it| it != " ").collect()
}

/// `$$` or `$name$` at the beginning.
fn dollar_tag(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix('$')?;
    let length = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    inner[length..].starts_with('$').then(|| &rest[..length + 2])
}

#[test]
fn new_migrations_can_be_applied_while_the_daemon_works() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut violations = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(version) = name.strip_suffix(".up.sql").and_then(|it| it.split_once('_')) else { continue };
        if version.0.parse::<i64>().unwrap() > BASELINE {
            let text = fs::read_to_string(&path).unwrap();
            violations.extend(Migration::new(&text).violations().into_iter().map(|it| format!("{name}: {it}")));
        }
    }
    assert!(violations.is_empty(), "\n  {}\n", violations.join("\n  "));
}

/// What each rule is there for.
#[test]
fn what_would_hold_up_the_daemon_is_found() {
    let wrong = [
        ("ALTER TABLE calls ALTER COLUMN id TYPE text;", "rewrites"),
        ("ALTER TABLE calls ADD COLUMN a uuid DEFAULT gen_random_uuid();", "rewrites"),
        ("ALTER TABLE calls ADD COLUMN a int GENERATED ALWAYS AS (b + 1) STORED;", "rewrites"),
        ("ALTER TABLE calls ADD COLUMN a int CHECK (a > 0);", "reads the whole table"),
        ("ALTER TABLE calls ADD CONSTRAINT c CHECK (a > 0);", "NOT VALID"),
        ("ALTER TABLE calls ADD CONSTRAINT c UNIQUE (a);", "USING INDEX"),
        ("ALTER TABLE calls ADD COLUMN b int, ALTER COLUMN a SET NOT NULL;", "IS NOT NULL"),
        (
            "ALTER TABLE calls ADD CONSTRAINT c CHECK (a > 0) NOT VALID;\nALTER TABLE calls VALIDATE CONSTRAINT c;",
            "of its own",
        ),
        ("CREATE INDEX i ON public.calls (user_id);", "CONCURRENTLY"),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON calls (a);", "no-transaction"),
        ("-- no-transaction\nCREATE INDEX CONCURRENTLY i ON calls (a);", "IF NOT EXISTS"),
        ("ALTER TABLE calls DROP COLUMN a;", "release later"),
        ("ALTER TABLE calls RENAME COLUMN a TO b;", "release later"),
        ("DROP FUNCTION tally.f(int);", "release later"),
        ("UPDATE calls SET a = 1;", "locks"),
        ("LOCK TABLE calls;", "locks"),
        ("SET LOCAL lock_timeout = '1min';", "lock_timeout"),
        ("-- blocks: yes\nCREATE INDEX i ON calls (a);", "CONCURRENTLY"),
        ("-- contract: because\nDROP TABLE a;", "release later"),
    ];
    for (text, expected) in wrong {
        let violations = Migration::new(text).violations();
        assert!(violations.iter().any(|it| it.contains(expected)), "{text}\n{violations:?}");
    }
}

#[test]
fn what_holds_up_nobody_passes() {
    let right = [
        "CREATE TABLE a (b int CHECK (b > 0)); CREATE INDEX i ON a (b); ALTER TABLE a ADD CONSTRAINT c CHECK (b < 9);",
        "ALTER TABLE calls ADD COLUMN a int NOT NULL DEFAULT 0, ADD COLUMN b timestamptz DEFAULT now();",
        "ALTER TABLE calls ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID;",
        "ALTER TABLE calls VALIDATE CONSTRAINT c; ALTER TABLE calls ALTER COLUMN a SET NOT NULL;",
        "-- no-transaction\n-- For the list.\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON calls (a);",
        "-- contract: since 0.2 nothing reads it\nALTER TABLE calls DROP COLUMN a;",
        "-- blocks: fifty rows at the most\nUPDATE tally.schedules SET a = 1;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE calls SET a = 1; DROP TABLE b; END $$;",
        "COMMENT ON TABLE calls IS 'DROP TABLE; ALTER TABLE calls RENAME TO x';",
        "CREATE OR REPLACE VIEW v AS SELECT 1; GRANT SELECT ON v TO tallyline_api;",
    ];
    for text in right {
        assert_eq!(Migration::new(text).violations(), Vec::<String>::new(), "{text}");
    }
}
