//! A folder for whoever helps: what `doctor`, `status` and `config show` say,
//! versions, migrations, sizes of tables. No bodies, no numbers, no keys.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sqlx::PgPool;

use super::Report;
use crate::config::Loaded;
use crate::status;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Size of a table with its indexes.
#[derive(Debug, Serialize, sqlx::FromRow)]
struct TableSize {
    table: String,
    bytes: i64,
    /// By the server's statistics.
    live_rows: i64,
    dead_rows: i64,
}

/// Writes the folder, readable by its owner only; it must not be there yet.
/// `pool`: where the database can be asked.
///
/// # Errors
/// When a file cannot be written. What the database does not say is left out.
pub async fn write(
    directory: &Path,
    loaded: &Loaded,
    report: &Report,
    pool: Option<&PgPool>,
) -> Result<(), BundleError> {
    let failed = |source| BundleError::Write { path: directory.to_owned(), source };
    DirBuilder::new().mode(0o700).create(directory).map_err(failed)?;
    let mut files = vec![
        ("doctor.json", serde_json::to_string_pretty(report)?),
        ("config.json", serde_json::to_string_pretty(&loaded.shown())?),
        ("versions.json", serde_json::to_string_pretty(&versions())?),
    ];
    if let Some(pool) = pool {
        if let Ok(status) = status::collect(pool).await {
            files.push(("status.json", serde_json::to_string_pretty(&status)?));
        }
        let applied = sqlx::query_scalar::<_, i64>(include_str!("../../sql/telemetry/applied_migrations.sql"));
        if let Ok(applied) = applied.fetch_all(pool).await {
            files.push(("migrations.json", serde_json::to_string_pretty(&applied)?));
        }
        let sizes = sqlx::query_as::<_, TableSize>(include_str!("../../sql/doctor/table_sizes.sql"));
        if let Ok(sizes) = sizes.fetch_all(pool).await {
            files.push(("tables.json", serde_json::to_string_pretty(&sizes)?));
        }
    }
    for (name, text) in files {
        let path = directory.join(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| writeln!(file, "{text}"));
        written.map_err(|source| BundleError::Write { path, source })?;
    }
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn versions() -> serde_json::Value {
    serde_json::json!({
        "tallyline": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
    })
}
