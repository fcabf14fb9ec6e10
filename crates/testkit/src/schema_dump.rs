//! The schema as `pg_dump` prints it, without what differs from run to run.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;

/// Dumps the schema of the database. The first line names the major version,
/// since versions print the same schema differently.
///
/// # Errors
/// When `pg_dump` is not there, is older than the server, or fails.
pub async fn schema_dump(admin_url: &str) -> anyhow::Result<String> {
    let major = server_major(admin_url).await?;
    let url = admin_url.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(pg_dump())
            .args(["--schema-only", "--no-owner", "--exclude-table=public._sqlx_migrations"])
            .arg(url)
            .output()
    });
    let output = output.await?.context("cannot run pg_dump")?;
    ensure!(output.status.success(), "pg_dump failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(format!("{}\n\n{}", heading(major), normalize(&String::from_utf8_lossy(&output.stdout))))
}

/// Whether `dump` was printed by the version that serves `admin_url`, so that
/// two dumps can be compared.
///
/// # Errors
/// When the server cannot be reached.
pub async fn is_comparable(dump: &str, admin_url: &str) -> anyhow::Result<bool> {
    Ok(dump.starts_with(&heading(server_major(admin_url).await?)))
}

fn heading(major: i32) -> String {
    format!("-- The schema after all migrations, printed by PostgreSQL {major}. Written by `./dev schema`.")
}

async fn server_major(url: &str) -> anyhow::Result<i32> {
    let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
    let version: i32 =
        sqlx::query_scalar("SELECT current_setting('server_version_num')::int").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(version / 10_000)
}

/// Beside the server's programs, else from `PATH`.
fn pg_dump() -> PathBuf {
    let beside = tallyline_db::embedded::locate_binaries(None, None).map(|binaries| binaries.bin_dir.join("pg_dump"));
    beside.ok().filter(|program| program.exists()).unwrap_or_else(|| PathBuf::from("pg_dump"))
}

/// Drops settings, pg_dump's comments and its random `\restrict` tokens, and
/// repeated empty lines. Bodies of functions keep their comments.
fn normalize(dump: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut in_body = false;
    for line in dump.lines() {
        let noise = ["--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"];
        let is_noise = !in_body && noise.iter().any(|start| line.starts_with(start));
        let repeats = line.is_empty() && kept.last().is_none_or(|last| last.is_empty());
        if !is_noise && (in_body || !repeats) {
            kept.push(line);
        }
        in_body ^= line.matches("$$").count() % 2 == 1;
    }
    format!("{}\n", kept.join("\n").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_goes_and_bodies_stay() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET x = 0;\n\nCREATE FUNCTION f() AS $$\n-- why\n\n\nSET y = 1;\n$$;\n\n\n\nCREATE TABLE t ();\n\n\\unrestrict abc\n";
        assert_eq!(normalize(dump), "CREATE FUNCTION f() AS $$\n-- why\n\n\nSET y = 1;\n$$;\n\nCREATE TABLE t ();\n");
    }
}
