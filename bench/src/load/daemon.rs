//! The daemon as a process: this program again, with the arguments of `tallyline run`.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tallyline_testkit::TestDb;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);
/// Bytes of the log that are shown when the daemon has died.
const LOG_END: usize = 2_000;

/// A running daemon with all roles; killed when dropped.
pub struct Daemon {
    pub address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it is ready. All clients are one address here, so that one
    /// may have as many connections as all together.
    pub async fn start(db: &TestDb, key: &str, folder: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = folder.join("daemon.log");
        let output = std::fs::File::create(&log)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("run")
            .current_dir(folder)
            .env("DATABASE_URL", &db.url)
            .env("TALLYLINE_HTTP__LISTEN", address.to_string())
            .env("TALLYLINE_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "4096")
            .env("TALLYLINE_SECRETS__KEY", key)
            .env("TALLYLINE_LOG__LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output))
            .spawn()
            .context("the daemon cannot be started")?;
        let mut daemon = Self { address, child, log };
        let (url, began) = (format!("http://{address}/readyz"), Instant::now());
        while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            daemon.is_alive().with_context(|| daemon.log_end())?;
            if began.elapsed() > READY_WITHIN {
                bail!("the daemon is not ready after {} s: {}", READY_WITHIN.as_secs(), daemon.log_end());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(daemon)
    }

    /// # Errors
    /// When it has ended.
    pub fn is_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the daemon ended: {status}"),
            None => Ok(()),
        }
    }

    pub fn log_end(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_END)..]).into_owned()
    }

    /// Looks at its memory until told to finish.
    pub fn watch_memory(&self) -> Watch {
        let (stop, mut stopped) = oneshot::channel();
        let process = format!("/proc/{}/status", self.child.id());
        let began = Instant::now();
        let looking = tokio::spawn(async move {
            let mut memory = Memory::default();
            loop {
                memory.look(&process, began.elapsed());
                tokio::select! {
                    _ = &mut stopped => {
                        memory.look(&process, began.elapsed());
                        return memory;
                    }
                    () = sleep(LOOK) => {}
                }
            }
        });
        Watch { stop, looking }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looking at the memory of a process.
pub struct Watch {
    stop: oneshot::Sender<()>,
    looking: JoinHandle<Memory>,
}

impl Watch {
    /// Looks a last time.
    pub async fn finish(self) -> anyhow::Result<Memory> {
        drop(self.stop);
        Ok(self.looking.await?)
    }
}

/// Resident memory, bytes; nothing where the system does not tell.
#[derive(Debug, Default, Serialize)]
pub struct Memory {
    start: Option<u64>,
    /// None in a shorter run.
    after_one_minute: Option<u64>,
    peak: Option<u64>,
    end: Option<u64>,
}

impl Memory {
    fn look(&mut self, process: &str, age: Duration) {
        let Ok(status) = std::fs::read_to_string(process) else { return };
        let bytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
        };
        let now = bytes("VmRSS:");
        self.start = self.start.or(now);
        if age >= Duration::from_secs(60) {
            self.after_one_minute = self.after_one_minute.or(now);
        }
        self.peak = bytes("VmHWM:").or(self.peak);
        self.end = now.or(self.end);
    }

    pub fn describe(&self) -> String {
        let of = |bytes: Option<u64>| bytes.map_or_else(|| "–".to_owned(), |bytes| (bytes >> 20).to_string());
        format!(
            "{} at the start, {} after a minute, {} at most, {} at the end",
            of(self.start),
            of(self.after_one_minute),
            of(self.peak),
            of(self.end)
        )
    }
}
