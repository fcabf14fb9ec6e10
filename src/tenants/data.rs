//! Everything that is kept of one tenant: given away as JSON lines, or erased.

use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::TenantError;

/// Why a tenant's data was not given away.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the data cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

/// A table and how many of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rows {
    pub table: String,
    pub rows: i64,
}

/// The tenant's name, to be sure that it is the one that is meant.
///
/// # Errors
/// When there is no such tenant.
pub async fn tenant_name(conn: &mut PgConnection, user_id: Uuid) -> Result<String, TenantError> {
    let name = sqlx::query_scalar!("SELECT name FROM public.users WHERE id = $1", user_id);
    name.fetch_optional(conn).await?.ok_or(TenantError::UnknownTenant)
}

/// Files that hold the tenant's calls of past months.
///
/// # Errors
/// When the database cannot be asked.
pub async fn history_files(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<PathBuf>, sqlx::Error> {
    let paths = sqlx::query_scalar!("SELECT path FROM tally.history_files WHERE user_id = $1 ORDER BY path", user_id);
    Ok(paths.fetch_all(conn).await?.into_iter().map(PathBuf::from).collect())
}

/// Writes `<schema>.<table>.jsonl` for each table in which the tenant has rows, as
/// of one instant; without secrets, and hashes of secrets.
///
/// # Errors
/// When the database cannot be asked, or a file exists already or cannot be written.
pub async fn export(conn: &mut PgConnection, user_id: Uuid, directory: &Path) -> Result<Vec<Rows>, ExportError> {
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let tables = sqlx::query_scalar!(r#"SELECT DISTINCT table_name AS "table!" FROM tally.tenant_tables() ORDER BY 1"#)
        .fetch_all(&mut *tx)
        .await?;
    let mut written = Vec::new();
    for table in tables {
        let mut lines = sqlx::query_scalar!(
            r#"SELECT row::text AS "row!" FROM tally.export_rows($1, $2) AS e (row)"#,
            user_id,
            &table,
        )
        .fetch(&mut *tx);
        let mut file = None;
        let mut rows = 0;
        while let Some(line) = lines.try_next().await? {
            if file.is_none() {
                let path = directory.join(format!("{table}.jsonl"));
                let created = tokio::fs::OpenOptions::new().write(true).create_new(true).open(path).await?;
                file = Some(tokio::io::BufWriter::new(created));
            }
            if let Some(file) = &mut file {
                file.write_all(line.as_bytes()).await?;
                file.write_all(b"\n").await?;
            }
            rows += 1;
        }
        if let Some(mut file) = file {
            file.flush().await?;
            written.push(Rows { table, rows });
        }
    }
    tx.rollback().await?;
    Ok(written)
}

/// Removes everything of a tenant in the caller's transaction; how many rows of
/// which table. Files are the caller's to remove.
///
/// # Errors
/// When the database refuses or is away.
pub async fn erase(tx: &mut PgConnection, user_id: Uuid) -> Result<Vec<Rows>, sqlx::Error> {
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let rows = sqlx::query!(r#"SELECT table_name AS "table!", erased AS "rows!" FROM tally.erase_tenant($1)"#, user_id);
    Ok(rows.fetch_all(tx).await?.into_iter().map(|row| Rows { table: row.table, rows: row.rows }).collect())
}

/// Spools that still hold events, anybody's; those of a tenant that is gone are
/// dropped when the spool is drained.
///
/// # Errors
/// When the database cannot be asked.
pub async fn undrained_spools(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT label FROM tally.spools ORDER BY label").fetch_all(conn).await
}
