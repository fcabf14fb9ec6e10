//! Which of a connection's messages make its work permanent.

use std::collections::HashSet;

/// What a connection has prepared and bound, as far as it writes.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    /// Names of prepared statements that write.
    writing: HashSet<Vec<u8>>,
    /// Whether something that writes was bound since the last sync.
    bound: bool,
}

impl Statements {
    /// Takes note of a request; answers whether the server will commit when it
    /// gets it: `COMMIT` as such, or the end of a statement that writes and is a
    /// transaction by itself.
    pub(crate) fn commits(&mut self, kind: u8, body: &[u8], in_transaction: bool) -> bool {
        let mut texts = body.split(|byte| *byte == 0);
        match kind {
            b'Q' => texts.next().is_some_and(|sql| sql.trim_ascii().eq_ignore_ascii_case(b"COMMIT")),
            b'P' => {
                let (name, sql) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
                if writes(sql) {
                    self.writing.insert(name.to_vec());
                } else {
                    self.writing.remove(name);
                }
                false
            }
            b'B' => {
                let statement = texts.nth(1).unwrap_or_default();
                self.bound |= self.writing.contains(statement);
                false
            }
            b'S' => std::mem::take(&mut self.bound) && !in_transaction,
            _ => false,
        }
    }
}

fn writes(sql: &[u8]) -> bool {
    let text = String::from_utf8_lossy(sql).to_ascii_uppercase();
    ["INSERT INTO", "UPDATE ", "DELETE FROM"].iter().any(|verb| text.contains(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, sql: &str) -> Vec<u8> {
        format!("{name}\0{sql}\0\0\0").into_bytes()
    }

    #[test]
    fn a_commit_is_one_and_so_is_a_lone_statement_that_writes() {
        let mut statements = Statements::default();
        assert!(statements.commits(b'Q', b"COMMIT\0", true));
        assert!(!statements.commits(b'Q', b"BEGIN\0", false));
        assert!(!statements.commits(b'P', &parse("s1", "INSERT INTO t VALUES ($1)"), false));
        assert!(!statements.commits(b'P', &parse("s2", "SELECT 1"), false));
        assert!(!statements.commits(b'S', b"", false), "prepared and not run");
        statements.commits(b'B', b"\0s1\0rest", false);
        assert!(statements.commits(b'S', b"", false));
        statements.commits(b'B', b"\0s1\0rest", true);
        assert!(!statements.commits(b'S', b"", true), "its transaction goes on");
        statements.commits(b'B', b"\0s2\0rest", false);
        assert!(!statements.commits(b'S', b"", false), "it only reads");
    }
}
