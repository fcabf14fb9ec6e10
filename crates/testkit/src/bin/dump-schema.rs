//! `dump-schema [--check] FILE`: writes the migrated schema to a file, or
//! compares it with the file and exits with 1 when they differ.

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use tallyline_testkit::{TestDb, schema_dump::schema_dump};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = arguments.first().is_some_and(|argument| argument == "--check");
    if check {
        arguments.remove(0);
    }
    let file = arguments.pop().context("usage: dump-schema [--check] FILE")?;
    let database = TestDb::try_new().await?;
    let dump = schema_dump(&database.admin_url).await?;
    if !check {
        fs::write(&file, dump).with_context(|| format!("cannot write {file}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if fs::read_to_string(&file).unwrap_or_default() == dump {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{file} is not what the migrations make; run ./dev schema");
    Ok(ExitCode::FAILURE)
}
