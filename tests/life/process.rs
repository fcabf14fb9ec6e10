//! A daemon to which signals are sent.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tallyline_testkit::wait_until;

use crate::daemon::Site;

/// Generous: test machines are small and busy.
pub const LONG: Duration = Duration::from_secs(60);

pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `tallyline run`.
    pub fn start(site: &Site, variables: &[(&str, &str)]) -> Self {
        let mut command = site.command(&["run"]);
        command.envs(variables.iter().copied());
        Process::spawn(site, command)
    }

    /// Starts any daemon; what it logs goes to a file of the site.
    pub fn spawn(site: &Site, mut command: Command) -> Self {
        let log = site.file("daemon.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        command.env("TALLYLINE_LOG__LEVEL", "info");
        let child = command.stdout(Stdio::null()).stderr(Stdio::from(file)).spawn().unwrap();
        Process { child, log }
    }

    pub async fn ready(&self, site: &Site) {
        let url = format!("http://{}/readyz", site.address);
        wait_until("the daemon is ready", LONG, async || {
            reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Everything logged so far, by this process and those before it.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub async fn until_logged(&self, text: &str) {
        wait_until(text, LONG, async || self.logged().contains(text)).await;
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> ExitStatus {
        let mut ended = None;
        for _ in 0..LONG.as_millis() / 20 {
            ended = self.child.try_wait().unwrap();
            if ended.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ended.unwrap_or_else(|| panic!("it has not ended:\n{}", self.logged()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
