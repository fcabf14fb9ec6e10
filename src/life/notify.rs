//! What systemd is told about the process, where it started it (`Type=notify`);
//! nowhere else does any of this do anything.

use sd_notify::NotifyState;

/// The process serves; `status` is the line that `systemctl status` shows.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The process was asked to stop, or stops by itself.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// The line that `systemctl status` shows.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The loops of the process turn. Without this for `WatchdogSec` systemd kills it
/// and starts it anew.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// The configuration is being read anew until what this returns is dropped.
#[must_use = "the reload ends when this is dropped"]
pub fn reloading() -> Reloading {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the service manager is not told of the reload"),
    }
    Reloading(())
}

/// A reload that is under way.
#[derive(Debug)]
pub struct Reloading(());

impl Drop for Reloading {
    fn drop(&mut self) {
        tell(&[NotifyState::Ready]);
    }
}

/// Nothing depends on it: a manager that cannot be told is no reason to end.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
