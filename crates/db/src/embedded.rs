//! The embedded PostgreSQL: a server of our own, started from the binaries that
//! are installed on the machine, with its data under `.tallyline/`.
//!
//! It listens on 127.0.0.1 with a password, keeps `fsync` on, outlives the
//! process that started it and is reattached by the next one. Nothing here ever
//! deletes data. For evaluation and single-machine use.

mod account;
mod binaries;
mod config;
mod connect;
mod error;
mod home;
mod launch;
mod lock;
mod postmaster;
mod state;

use std::fs;
use std::path::{Path, PathBuf};

pub use binaries::{Binaries, OLDEST_MAJOR, locate_binaries};
pub use error::EmbeddedError;

use account::Account;
use launch::Launch;
use lock::Lock;
use postmaster::Postmaster;
use state::ServerState;

/// How to find or create an embedded server.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The state directory: lock, `server.json` (port, passwords) and, unless
    /// root's server account cannot enter it, the data.
    pub data_dir: PathBuf,
    /// Directory with `initdb`, `pg_ctl` and `postgres`; searched when `None`.
    pub pg_bin: Option<PathBuf>,
    /// Port on 127.0.0.1; a free one is chosen and kept when `None`. Has no
    /// effect on a server that runs already.
    pub port: Option<u16>,
    /// Where the data go when root's server account cannot enter `data_dir`.
    pub outside_dir: PathBuf,
    /// False turns `fsync` off: for throw-away servers of tests only.
    pub durable: bool,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(".tallyline"),
            pg_bin: None,
            port: None,
            outside_dir: PathBuf::from("/var/lib/tallyline"),
            durable: true,
        }
    }
}

/// What there is, without starting anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddedStatus {
    /// No database has been created here.
    NotCreated,
    /// There is one, and it is not running.
    Stopped {
        /// PostgreSQL's data directory.
        data_dir: PathBuf,
    },
    /// It is running.
    Running {
        /// PostgreSQL's data directory.
        data_dir: PathBuf,
        /// Process id of the postmaster.
        pid: i32,
        /// Port on 127.0.0.1.
        port: u16,
    },
}

/// A running embedded server. Dropping this does not stop it.
#[derive(Debug)]
pub struct EmbeddedServer {
    state_dir: PathBuf,
    home: PathBuf,
    state: ServerState,
    account: Account,
    binaries: Binaries,
    durable: bool,
    started: bool,
}

impl EmbeddedServer {
    /// Attaches to the server of `options.data_dir`; creates and starts it
    /// where needed. Several processes may call this at once: one starts, the
    /// others wait and attach.
    ///
    /// # Errors
    /// See [`EmbeddedError`]; each message says what to do.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let account = Account::choose()?;
        let state_dir = home::prepare_state_dir(&options.data_dir, &account)?;
        let _lock = Lock::take(&state_dir).await?;
        let existing = existing_state(&state_dir)?;
        let binaries = locate(&options, existing.as_ref(), &state_dir)?;
        let mut state = match existing {
            Some(state) => state,
            None => create_state(&options, &state_dir, &account).await?,
        };
        let home = state_dir.join(&state.home);
        let launch = Launch {
            account: &account,
            binaries: &binaries,
            home: &home,
            durable: options.durable,
            fixed_port: options.port,
        };
        if let Some(port) = options.port {
            state.port = port;
        }
        ensure_cluster(&launch, &mut state, &state_dir).await?;
        let started = launch::ensure_running(&launch, &mut state).await?;
        state.save(&state_dir)?;
        connect::bootstrap(&state, &launch::data_dir(&home)).await?;
        tracing::info!(port = state.port, started, data_dir = %launch::data_dir(&home).display(), "embedded database is ready");
        Ok(Self { state_dir, home, state, account, binaries, durable: options.durable, started })
    }

    /// The server of `options.data_dir` if it is running.
    ///
    /// # Errors
    /// When its state cannot be read or its binaries are gone.
    pub fn attach(options: &EmbeddedOptions) -> Result<Option<Self>, EmbeddedError> {
        let Some(state_dir) = options.data_dir.canonicalize().ok() else {
            return Ok(None);
        };
        let Some(mut state) = existing_state(&state_dir)? else {
            return Ok(None);
        };
        let home = state_dir.join(&state.home);
        let Postmaster::Running { port, .. } = postmaster::inspect(&launch::data_dir(&home)) else {
            return Ok(None);
        };
        state.port = port.unwrap_or(state.port);
        let binaries = locate(options, Some(&state), &state_dir)?;
        let account = Account::choose()?;
        Ok(Some(Self { state_dir, home, state, account, binaries, durable: options.durable, started: false }))
    }

    /// What there is at `data_dir` (the state directory), starting nothing.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn status(data_dir: &Path) -> Result<EmbeddedStatus, EmbeddedError> {
        let Some(state_dir) = data_dir.canonicalize().ok() else {
            return Ok(EmbeddedStatus::NotCreated);
        };
        let Some(state) = existing_state(&state_dir)?.filter(|state| state.initialized) else {
            return Ok(EmbeddedStatus::NotCreated);
        };
        let data_dir = launch::data_dir(&state_dir.join(&state.home));
        Ok(match postmaster::inspect(&data_dir) {
            Postmaster::Running { pid, port } => {
                EmbeddedStatus::Running { data_dir, pid, port: port.unwrap_or(state.port) }
            }
            Postmaster::Absent | Postmaster::Stale { .. } => EmbeddedStatus::Stopped { data_dir },
        })
    }

    /// URL of the database `tallyline` for the login role `tallyline`, which is
    /// no superuser. Holds a password: do not log it.
    #[must_use]
    pub fn url(&self) -> String {
        connect::url(&self.state, connect::NAME)
    }

    /// URL of the database `tallyline` for the superuser. Holds a password.
    #[must_use]
    pub fn admin_url(&self) -> String {
        connect::admin_url(&self.state, connect::NAME)
    }

    /// PostgreSQL's data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        launch::data_dir(&self.home)
    }

    /// PostgreSQL's log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        launch::log_file(&self.home)
    }

    /// Port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.state.port
    }

    /// Whether this process started it, in contrast to attaching.
    #[must_use]
    pub fn was_started_here(&self) -> bool {
        self.started
    }

    /// The programs that run it; `psql` and `pg_dump` often lie beside them.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Stops it in fast mode: open transactions are rolled back, nothing that
    /// was committed is lost. Does nothing if it is not running.
    ///
    /// # Errors
    /// When `pg_ctl` fails or the lock is held by another process.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let _lock = Lock::take(&self.state_dir).await?;
        let Postmaster::Running { .. } = postmaster::inspect(&self.data_dir()) else {
            return Ok(());
        };
        let launch = Launch {
            account: &self.account,
            binaries: &self.binaries,
            home: &self.home,
            durable: self.durable,
            fixed_port: None,
        };
        launch::stop(&launch).await
    }
}

/// `server.json`, after checking that what it names is there.
fn existing_state(state_dir: &Path) -> Result<Option<ServerState>, EmbeddedError> {
    let state = ServerState::load(state_dir)?;
    let home = state.as_ref().map_or_else(|| state_dir.join("postgres"), |state| state_dir.join(&state.home));
    let data_dir = launch::data_dir(&home);
    let state_file = ServerState::path(state_dir);
    match (&state, data_dir.join("PG_VERSION").exists()) {
        (Some(state), false) if state.initialized => Err(EmbeddedError::DataMissing { data_dir, state_file }),
        (None, true) => Err(EmbeddedError::StateMissing { data_dir, state_file }),
        _ => Ok(state),
    }
}

fn locate(options: &EmbeddedOptions, state: Option<&ServerState>, state_dir: &Path) -> Result<Binaries, EmbeddedError> {
    let data_dir = state.map(|state| launch::data_dir(&state_dir.join(&state.home)));
    let major = data_dir.as_deref().and_then(data_major);
    locate_binaries(options.pg_bin.as_deref(), data_dir.as_deref().zip(major))
}

/// The major version that wrote the data; `None` where there are none yet.
fn data_major(data_dir: &Path) -> Option<u32> {
    fs::read_to_string(data_dir.join("PG_VERSION")).ok()?.trim().parse().ok()
}

async fn create_state(
    options: &EmbeddedOptions,
    state_dir: &Path,
    account: &Account,
) -> Result<ServerState, EmbeddedError> {
    let home = home::choose(state_dir, account, &options.outside_dir).await?;
    let state = ServerState::new(home, options.port.map_or_else(launch::free_port, Ok)?);
    // Before initdb: a cluster whose password nobody kept would be lost.
    state.save(state_dir)?;
    Ok(state)
}

async fn ensure_cluster(launch: &Launch<'_>, state: &mut ServerState, state_dir: &Path) -> Result<(), EmbeddedError> {
    if !launch::data_dir(launch.home).join("PG_VERSION").exists() {
        tracing::info!(home = %launch.home.display(), "creating the embedded database");
        launch::initdb(launch, state).await?;
    }
    if !state.initialized {
        state.initialized = true;
        state.save(state_dir)?;
    }
    Ok(())
}
