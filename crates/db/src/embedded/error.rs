//! What can go wrong with the embedded server, in words that say what to do.

use std::path::{Path, PathBuf};

/// Why the embedded server could not be found, started, reached or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// Nothing usable in any of the places where binaries are looked for.
    #[error(
        "no PostgreSQL server of version 15 or newer was found (looked for initdb, pg_ctl and postgres in {searched}). \
         Install it with `{install}`, or name its directory with --pg-bin, or set database.url to use a server of your own"
    )]
    BinariesMissing {
        /// The places, separated by commas.
        searched: String,
        /// The command that installs the server on this system.
        install: &'static str,
    },
    /// The data belongs to another major version than all binaries found.
    #[error(
        "the data in {data_dir} was written by PostgreSQL {data_major}, but only {found} was found. \
         Install PostgreSQL {data_major}, or move the data with pg_upgrade; nothing was changed"
    )]
    VersionMismatch {
        /// The data directory.
        data_dir: PathBuf,
        /// Its major version.
        data_major: u32,
        /// The versions found, with their directories.
        found: String,
    },
    /// PostgreSQL refuses to run as root and there is no other account to use.
    #[error("PostgreSQL does not run as root, and neither of the accounts `postgres` and `nobody` exists to run it")]
    NoUnprivilegedUser,
    /// The unprivileged account cannot reach something that it needs.
    #[error("the account `{user}`, which runs PostgreSQL because we are root, cannot enter {path}")]
    Unreachable {
        /// The account.
        user: String,
        /// What it cannot enter.
        path: PathBuf,
    },
    /// `server.json` says that there is a cluster, but it is not there.
    #[error(
        "{data_dir} is missing, although {state_file} says that a database was created there. \
         Bring the directory back, or delete {state_file} to begin with an empty database"
    )]
    DataMissing {
        /// The data directory.
        data_dir: PathBuf,
        /// The file that names it.
        state_file: PathBuf,
    },
    /// There is a cluster, but the file with its passwords is gone.
    #[error(
        "{data_dir} holds a database, but {state_file} with its passwords is missing; bring that file back or move the data away"
    )]
    StateMissing {
        /// The data directory.
        data_dir: PathBuf,
        /// The file that is missing.
        state_file: PathBuf,
    },
    /// `server.json` cannot be understood.
    #[error("{path} is damaged: {reason}")]
    StateDamaged {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// Another process holds the lock and does not let go.
    #[error(
        "another process has been starting or stopping the embedded database for {waited_seconds} s (lock file {path})"
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long we waited.
        waited_seconds: u64,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{program} failed: {output}")]
    Program {
        /// initdb, pg_ctl …
        program: &'static str,
        /// Its last lines.
        output: String,
    },
    /// The server did not come up in time.
    #[error("PostgreSQL did not start within {waited_seconds} s; its log {log_file} ends with: {log_tail}")]
    StartTimeout {
        /// How long we tried.
        waited_seconds: u64,
        /// Where to read more.
        log_file: PathBuf,
        /// The last lines.
        log_tail: String,
    },
    /// The port that was asked for is in use.
    #[error("port {port} on 127.0.0.1 is taken by another program")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// What answers on the port is not our server.
    #[error("the server on port {port} has its data in {found}, not in {expected}")]
    WrongServer {
        /// The port.
        port: u16,
        /// What the server says.
        found: PathBuf,
        /// What it should be.
        expected: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {what} {path}: {source}{hint}")]
    Io {
        /// A verb: create, read …
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// What may help; empty or begins with a space.
        hint: &'static str,
    },
    /// The server answered with an error.
    #[error("cannot {what}: {source}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// Roles could not be created.
    #[error(transparent)]
    Roles(#[from] crate::roles::RolesError),
}

impl EmbeddedError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            let denied = source.kind() == std::io::ErrorKind::PermissionDenied;
            let hint = if denied { " (use the account that created it)" } else { "" };
            Self::Io { what, path, source, hint }
        }
    }

    pub(crate) fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }
}
