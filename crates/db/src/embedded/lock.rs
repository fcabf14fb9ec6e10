//! One process at a time may create, start or stop the server.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::EmbeddedError;

/// Longer than a start may take after a crash.
const WAIT: Duration = Duration::from_secs(360);
const PAUSE: Duration = Duration::from_millis(100);

/// Held until dropped. The system releases it also when the process is killed.
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file is what unlocks")] File);

impl Lock {
    pub(crate) async fn take(state_dir: &Path) -> Result<Self, EmbeddedError> {
        let path = state_dir.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(EmbeddedError::io("open", &path))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if began.elapsed() < WAIT => sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(EmbeddedError::Locked { path, waited_seconds: WAIT.as_secs() });
                }
                Err(TryLockError::Error(error)) => return Err(EmbeddedError::io("lock", &path)(error)),
            }
        }
    }
}
