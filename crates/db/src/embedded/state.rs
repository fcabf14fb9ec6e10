//! `server.json`: where the server's files lie, its port and its passwords.
//!
//! It stays in the state directory (`.tallyline/`), readable by its owner
//! alone, even when the data have to lie elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::EmbeddedError;

const FILE_NAME: &str = "server.json";
const PASSWORD_BYTES: usize = 24;

/// What must outlive the process that created the server.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServerState {
    /// Directory with `data/` and the log; relative to the state directory
    /// where possible, so that a project that is moved keeps its database.
    pub home: PathBuf,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Password of the superuser.
    pub admin_password: String,
    /// Password of the login role.
    pub login_password: String,
    /// Whether `initdb` has finished: from then on missing data are an error.
    pub initialized: bool,
}

impl ServerState {
    pub(crate) fn new(home: PathBuf, port: u16) -> Self {
        Self { home, port, admin_password: password(), login_password: password(), initialized: false }
    }

    pub(crate) fn path(state_dir: &Path) -> PathBuf {
        state_dir.join(FILE_NAME)
    }

    pub(crate) fn load(state_dir: &Path) -> Result<Option<Self>, EmbeddedError> {
        let path = Self::path(state_dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(EmbeddedError::io("read", &path)(error)),
        };
        // The parser's message quotes no values, hence no password.
        serde_json::from_slice(&text).map(Some).map_err(|error| EmbeddedError::StateDamaged {
            path,
            reason: format!("{:?} at line {}", error.classify(), error.line()),
        })
    }

    /// Written beside and renamed, so that a crash leaves the old or the new.
    pub(crate) fn save(&self, state_dir: &Path) -> Result<(), EmbeddedError> {
        let path = Self::path(state_dir);
        let scratch = state_dir.join(format!("{FILE_NAME}.new"));
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&scratch)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&scratch, &path)?;
            File::open(state_dir)?.sync_all()
        };
        write().map_err(EmbeddedError::io("write", &path))
    }
}

impl std::fmt::Debug for ServerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerState")
            .field("home", &self.home)
            .field("port", &self.port)
            .field("initialized", &self.initialized)
            .finish_non_exhaustive()
    }
}

fn password() -> String {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}
