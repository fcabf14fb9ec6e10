//! Names of test databases, and the few statements that need them as text:
//! `CREATE DATABASE` and its like take no parameters.

use anyhow::{Context, ensure};
use sqlx::PgConnection;

/// A name of lower-case letters, digits and underscores; needs no quoting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseName(String);

impl DatabaseName {
    pub(crate) fn new(name: impl Into<String>) -> anyhow::Result<Self> {
        let name = name.into();
        let harmless = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        ensure!(name.len() < 64 && name.starts_with("tl_") && name.bytes().all(harmless), "bad database name {name:?}");
        Ok(Self(name))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Runs `template` with `{name}` and `{other}` replaced by the names.
pub(crate) async fn run(
    connection: &mut PgConnection,
    template: &str,
    name: &DatabaseName,
    other: Option<&DatabaseName>,
) -> anyhow::Result<()> {
    let sql = template.replace("{name}", &name.0).replace("{other}", other.map_or("", |other| &other.0));
    run_text(connection, sql).await.with_context(|| format!("cannot run {template} for {}", name.0))
}

#[expect(clippy::disallowed_methods, reason = "the names are checked when they are made")]
async fn run_text(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
