//! `tallyline` as processes that are started, frozen, killed; none outlives its test.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tallyline_testkit::wait_until;
use tokio::time::Instant;

use crate::daemon::program;

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(120);

/// A folder for processes' files, the address they listen on, the database they use.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub address: String,
    pub database_url: String,
}

impl Place {
    pub fn new(database_url: &str) -> Self {
        // Chosen here and not by the daemon, since a restarted one must have the same.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Place { dir: tempfile::tempdir().unwrap(), address, database_url: database_url.to_owned() }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        program(self.dir.path(), &self.address, &self.database_url, arguments)
    }

    /// Runs a command to its end, while the runtime goes on.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// Starts a daemon with some variables of its environment, and waits for nothing.
    pub fn spawn(&self, variables: &[(&str, &str)]) -> Process {
        self.spawn_as(&["run"], variables)
    }

    /// The same by another command.
    pub fn spawn_as(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(self.file("daemon.log")).unwrap();
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        command.stdout(Stdio::from(log.try_clone().unwrap())).stderr(Stdio::from(log));
        Process { child: command.spawn().unwrap(), url: format!("http://{}/readyz", self.address) }
    }

    /// Starts a daemon and waits until it is ready.
    pub async fn start(&self, variables: &[(&str, &str)]) -> Process {
        let mut process = self.spawn(variables);
        assert!(process.ready().await, "the daemon ended at once:\n{}", self.log());
        process
    }

    /// The end of what the daemons have logged.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.file("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// A daemon; killed when it is dropped.
pub struct Process {
    child: Child,
    url: String,
}

impl Process {
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Waits until it is ready; false when it has ended before.
    pub async fn ready(&mut self) -> bool {
        let (mut ended, url) = (false, self.url.clone());
        let child = &mut self.child;
        wait_until("the daemon is ready", LONG, || {
            ended = child.try_wait().unwrap().is_some();
            let (answer, ended) = (client().get(&url).send(), ended);
            async move { ended || answer.await.is_ok_and(|answer| answer.status().is_success()) }
        })
        .await;
        !ended
    }

    /// `kill -9`: no hand-over, no clean-up.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, but not for longer than `patience`.
    pub async fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.ended()
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        // The state is behind the name, which is in brackets.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// SIGCONT.
    pub fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Like [`wait_until`], for conditions that change what they look at. Two minutes at most.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < LONG, "waited {LONG:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process was ended by its own `abort`.
pub fn is_abort(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGABRT as i32)
}

fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    // No connection is kept: each belongs to a process that may be killed.
    CLIENT.get_or_init(|| reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap())
}
