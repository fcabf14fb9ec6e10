//! Runs `initdb` and `pg_ctl`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::account::{Account, last_lines, run};
use super::binaries::Binaries;
use super::postmaster::{self, Postmaster};
use super::state::ServerState;
use super::{EmbeddedError, config};

/// After a killed postmaster the next one refuses to start until the last of
/// its children has noticed; on a busy machine that took 6 s.
const START_RETRY: Duration = Duration::from_secs(45);
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Recovery after a crash reads up to `max_wal_size` of log.
const PG_CTL_WAIT_SECONDS: &str = "300";
/// The server's log is put aside at a start beyond this size.
const LOG_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// Everything that the programs need to know.
pub(crate) struct Launch<'a> {
    pub account: &'a Account,
    pub binaries: &'a Binaries,
    /// Holds `data/` and the log; belongs to the account.
    pub home: &'a Path,
    pub durable: bool,
    /// Set when the user asked for this port and no other.
    pub fixed_port: Option<u16>,
}

pub(crate) fn data_dir(home: &Path) -> PathBuf {
    home.join("data")
}

pub(crate) fn log_file(home: &Path) -> PathBuf {
    home.join("postgres.log")
}

/// A port of 127.0.0.1 that is free now; the start retries if it is taken then.
pub(crate) fn free_port() -> Result<u16, EmbeddedError> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(EmbeddedError::io("bind a port of", Path::new("127.0.0.1")))
}

/// Creates the cluster beside its final place and renames it, so that a run
/// that is killed half-way leaves nothing that looks like a cluster.
pub(crate) async fn initdb(launch: &Launch<'_>, state: &ServerState) -> Result<(), EmbeddedError> {
    remove_unfinished(launch.home);
    let scratch = launch.home.join(format!("unfinished-{}", std::process::id()));
    let password_file = launch.home.join("initdb-password");
    write_secret(&password_file, &state.admin_password)?;
    launch.account.own(&password_file)?;
    let mut command = launch.account.command(&launch.binaries.bin_dir.join("initdb"), launch.home);
    command.args(["--username=postgres", "--auth=scram-sha-256", "--data-checksums"]);
    command.args(["--encoding=UTF8", "--locale=C", "--no-instructions"]);
    command.arg("--pwfile").arg(&password_file).arg("--pgdata").arg(&scratch);
    let result = run("initdb", command).await;
    fs::remove_file(&password_file).map_err(EmbeddedError::io("remove", &password_file))?;
    result?;
    let conf = scratch.join("postgresql.conf");
    let append = || {
        OpenOptions::new()
            .append(true)
            .open(&conf)?
            .write_all(format!("\ninclude = '{}'\n", config::FILE_NAME).as_bytes())
    };
    append().map_err(EmbeddedError::io("write", &conf))?;
    let data_dir = data_dir(launch.home);
    fs::rename(&scratch, &data_dir).map_err(EmbeddedError::io("create", &data_dir))?;
    File::open(launch.home).and_then(|dir| dir.sync_all()).map_err(EmbeddedError::io("sync", launch.home))
}

/// What an interrupted `initdb` left: never used, so nothing is lost.
fn remove_unfinished(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("unfinished-") {
            // An orphan may still be writing to it; then the next start removes it.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn write_secret(path: &Path, secret: &str) -> Result<(), EmbeddedError> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        writeln!(file, "{secret}")
    };
    write().map_err(EmbeddedError::io("write", path))
}

/// Starts the server unless it runs; the answer says whether it was started.
/// A port that is taken is replaced in `state` by a free one.
pub(crate) async fn ensure_running(launch: &Launch<'_>, state: &mut ServerState) -> Result<bool, EmbeddedError> {
    let data_dir = data_dir(launch.home);
    let began = Instant::now();
    loop {
        match postmaster::inspect(&data_dir) {
            Postmaster::Running { port, .. } => {
                state.port = port.unwrap_or(state.port);
                return Ok(false);
            }
            Postmaster::Stale { pid } => {
                let aside = postmaster::put_stale_file_aside(&data_dir)?;
                tracing::warn!(pid, put_aside = aside, "postmaster.pid names a process that is not our server");
            }
            Postmaster::Absent => {}
        }
        config::write(&data_dir, state.port, launch.durable, launch.account)?;
        let Some(log) = start_once(launch, &data_dir).await? else {
            return Ok(true);
        };
        if port_was_taken(&log) {
            replace_port(launch, state)?;
        } else {
            sleep(RETRY_PAUSE).await;
        }
        if began.elapsed() > START_RETRY {
            return Err(EmbeddedError::StartTimeout {
                waited_seconds: began.elapsed().as_secs(),
                log_file: log_file(launch.home),
                log_tail: last_lines(&log, 6),
            });
        }
        tracing::info!(port = state.port, log = last_lines(&log, 2), "PostgreSQL did not start; trying again");
    }
}

fn replace_port(launch: &Launch<'_>, state: &mut ServerState) -> Result<(), EmbeddedError> {
    if let Some(port) = launch.fixed_port {
        return Err(EmbeddedError::PortTaken { port });
    }
    state.port = free_port()?;
    Ok(())
}

/// `None` when the server runs; else what this attempt wrote to the log.
async fn start_once(launch: &Launch<'_>, data_dir: &Path) -> Result<Option<String>, EmbeddedError> {
    let log = log_file(launch.home);
    rotate(&log)?;
    let log_start = fs::metadata(&log).map_or(0, |meta| meta.len());
    // pg_ctl starts the server in a session of its own and goes away, so the
    // server is nobody's child here: it survives us and leaves no zombie.
    let mut command = launch.account.command(&launch.binaries.bin_dir.join("pg_ctl"), launch.home);
    command.arg("start").arg("--pgdata").arg(data_dir).arg("--log").arg(&log);
    command.args(["--wait", "--timeout", PG_CTL_WAIT_SECONDS, "--silent"]);
    match run("pg_ctl", command).await {
        Ok(_) => Ok(None),
        Err(EmbeddedError::Program { output, .. }) => Ok(Some(format!("{output}\n{}", read_from(&log, log_start)))),
        Err(other) => Err(other),
    }
}

fn rotate(log: &Path) -> Result<(), EmbeddedError> {
    if fs::metadata(log).is_ok_and(|meta| meta.len() > LOG_LIMIT_BYTES) {
        fs::rename(log, log.with_extension("log.1")).map_err(EmbeddedError::io("rename", log))?;
    }
    Ok(())
}

fn read_from(log: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(log not readable: {error})"),
    }
}

fn port_was_taken(log: &str) -> bool {
    log.contains("could not bind") || log.contains("could not create any TCP/IP sockets")
}

/// Stops the server in fast mode: open transactions are rolled back, then a
/// checkpoint. Never in immediate mode.
pub(crate) async fn stop(launch: &Launch<'_>) -> Result<(), EmbeddedError> {
    let mut command = launch.account.command(&launch.binaries.bin_dir.join("pg_ctl"), launch.home);
    command.arg("stop").arg("--pgdata").arg(data_dir(launch.home));
    command.args(["--mode", "fast", "--wait", "--timeout", PG_CTL_WAIT_SECONDS, "--silent"]);
    run("pg_ctl", command).await.map(drop)
}
