//! `tallyline` as processes, against a database of the test's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tallyline_testkit::{TestDb, wait_until};

/// A folder for a process's secrets and files, and the address it listens on.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub address: String,
    database_url: String,
}

/// The program as every test runs it.
pub fn program(dir: &Path, address: &str, database_url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallyline"));
    command
        .args(arguments)
        .current_dir(dir)
        .env("DATABASE_URL", database_url)
        .env("TALLYLINE_HTTP__LISTEN", address)
        .env("TALLYLINE_SECRETS__KEY", "07".repeat(32))
        .env("TALLYLINE_LOG__LEVEL", "warn")
        .stdin(Stdio::null());
    command
}

impl Site {
    pub fn new(db: &TestDb) -> Self {
        // Chosen here and not by the daemon, since a restarted one must have the same.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Site { dir: tempfile::tempdir().unwrap(), address, database_url: db.url.clone() }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        program(self.dir.path(), &self.address, &self.database_url, arguments)
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts a daemon and waits until it is ready.
    pub async fn start(&self) -> Daemon {
        self.start_with(&[]).await
    }

    /// The same with some variables of its environment.
    pub async fn start_with(&self, variables: &[(&str, &str)]) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.file("daemon.log")).unwrap();
        let child = self
            .command(&["run"])
            .envs(variables.iter().copied())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let daemon = Daemon { child };
        let url = format!("http://{}/readyz", self.address);
        wait_until("the daemon is ready", Duration::from_secs(60), || async {
            reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        daemon
    }

    /// Traffic in the background; its ledger is the given file.
    pub fn simulate(&self, calls: &str, seed: &str, ledger: &Path) -> Child {
        let ledger = ledger.display().to_string();
        let arguments = [
            "simulate",
            "--calls",
            calls,
            "--duplicates",
            "5%",
            "--reorder",
            "10%",
            "--late",
            "2%",
            "--seed",
            seed,
            "--tenants",
            "3",
            "--ledger",
            &ledger,
        ];
        self.command(&arguments).stdout(Stdio::null()).spawn().unwrap()
    }

    pub fn verify(&self, ledger: &Path) -> Output {
        self.run(&["verify", "--ledger", &ledger.display().to_string()])
    }
}

/// A daemon that ends with the test.
pub struct Daemon {
    child: Child,
}

impl Daemon {
    #[allow(dead_code, reason = "not every program of tests sends signals")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: no hand-over, no clean-up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits for a child without blocking the runtime; fails unless it ended well.
pub async fn ended_well(mut child: Child) {
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}
