//! A PostgreSQL server of a run's own, which may be killed. It syncs as a real one does.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tallyline_db::embedded::{EmbeddedOptions, EmbeddedServer, EmbeddedStatus};
use tokio::time::Instant;

use super::process::{LONG, until};

/// The server, with a migrated database.
pub struct Cluster {
    options: EmbeddedOptions,
    /// For the daemon.
    pub url: String,
    pub admin_url: String,
    _dir: Option<tempfile::TempDir>,
}

impl Cluster {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut cluster = Self::start_in(dir.path()).await;
        cluster._dir = Some(dir);
        cluster
    }

    /// The same with its data in a folder that is the caller's.
    pub async fn start_in(dir: &Path) -> Self {
        // PostgreSQL runs as somebody else when we are root.
        std::fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
        let mut options = EmbeddedOptions {
            data_dir: dir.join("state"),
            outside_dir: dir.join("outside"),
            durable: true,
            ..EmbeddedOptions::default()
        };
        let server = EmbeddedServer::start(options.clone()).await.unwrap();
        // Where it is found again, whoever wants the port meanwhile.
        options.port = Some(server.port());
        let (url, admin_url) = (server.url(), server.admin_url());
        tallyline_db::migrate::migrate(&admin_url).await.unwrap();
        Cluster { options, url, admin_url, _dir: None }
    }

    /// `SIGKILL`: killed; `SIGQUIT`: immediate stop. Returns when the server is gone.
    pub async fn strike(&self, signal: Signal) {
        let Some(pid) = self.postmaster() else { return };
        kill(Pid::from_raw(pid), signal).unwrap();
        until("the server is gone", async || self.postmaster() != Some(pid)).await;
    }

    /// Starts it unless it runs; returns when it takes connections.
    pub async fn revive(&self) {
        let began = Instant::now();
        loop {
            match EmbeddedServer::start(self.options.clone()).await {
                Ok(server) => return assert_eq!(server.url(), self.url, "the server has moved"),
                // It was there when it was looked for, and then gave up or started anew.
                Err(error) => assert!(began.elapsed() < LONG, "the server does not start: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn postmaster(&self) -> Option<i32> {
        match EmbeddedServer::status(&self.options.data_dir).unwrap() {
            EmbeddedStatus::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(pid) = self.postmaster() else { return };
        let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        // Its folder is removed next; whatever it still writes there would be left behind.
        for _ in 0..500 {
            if self.postmaster().is_none() {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "a drop cannot await")]
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
