//! The queue beside its peers: passes everything on to `bench/queues`, which is
//! built on demand in a workspace of its own, so that what the peers depend on
//! never enters this build.

use std::{
    ffi::OsString,
    path::Path,
    process::{ExitCode, Stdio},
};

use anyhow::Context;
use tokio::process::Command;

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// See `bench queue --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Builds and runs it; returns what it returned.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("cargo");
    command.args(["run", "--release", "--manifest-path"]).arg(bench.join("queues/Cargo.toml"));
    // Beside the builds of this workspace, where it is ignored and cleaned like them.
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    if let Some(target) = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists()) {
        command.arg("--target-dir").arg(target.join("queues"));
    }
    // For `.cargo/config.toml`, whose settings hold there too.
    command.arg("--").args(args.args).current_dir(bench).stdin(Stdio::null());
    let status = command.status().await.context("cannot run cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    // Ended by a signal: there is no code.
    Ok(ExitCode::from(code.unwrap_or(3)))
}
