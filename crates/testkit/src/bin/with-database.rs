//! `with-database COMMAND…`: runs a command with a migrated throw-away database.
//!
//! The command finds its administrator's URL in `TALLYLINE_SQLX_URL`; its exit
//! code is passed on.

use std::process::{Command, ExitCode};

use anyhow::Context;
use tallyline_testkit::TestDb;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: with-database COMMAND [ARGUMENT…]")?;
    let database = TestDb::try_new().await?;
    let mut command = Command::new(&program);
    command.args(arguments).env("TALLYLINE_SQLX_URL", &database.admin_url);
    let status = tokio::task::spawn_blocking(move || command.status()).await??;
    drop(database);
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
