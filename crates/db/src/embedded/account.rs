//! The account under which PostgreSQL's programs run. PostgreSQL refuses to
//! run as root, so root hands its children to an unprivileged account that
//! exists already; accounts are never created.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use nix::unistd::{User, geteuid};
use tokio::process::Command;

use super::EmbeddedError;

/// Accounts that root may use, in order.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Whose rights the server has.
#[derive(Debug, Clone)]
pub(crate) enum Account {
    /// Those of this process.
    Own,
    /// Those of another account, since this process is root's.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn choose() -> Result<Self, EmbeddedError> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        CANDIDATES
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::Other { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
            .ok_or(EmbeddedError::NoUnprivilegedUser)
    }

    /// Gives `path` to the account, if it is not ours already.
    pub(crate) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => std::os::unix::fs::chown(path, Some(*uid), Some(*gid))
                .map_err(EmbeddedError::io("change the owner of", path)),
        }
    }

    /// Whether the account can make `dir` its working directory. Asked of the
    /// system and not computed from mode bits, which miss access lists.
    pub(crate) async fn can_enter(&self, dir: &Path) -> bool {
        if matches!(self, Self::Own) {
            return fs::metadata(dir).is_ok();
        }
        let mut command = self.command(Path::new("/bin/sh"), Path::new("/"));
        command.args(["-c", r#"cd "$1""#, "sh"]).arg(dir);
        matches!(command.output().await, Ok(output) if output.status.success())
    }

    /// A program that runs as the account, in a process group of its own: a
    /// Ctrl-C meant for us must not interrupt it half-way.
    pub(crate) fn command(&self, program: &Path, working_dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(working_dir).process_group(0).stdin(Stdio::null()).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }
}

/// Runs a program of PostgreSQL to its end.
pub(crate) async fn run(program: &'static str, mut command: Command) -> Result<Output, EmbeddedError> {
    let output = command.output().await.map_err(EmbeddedError::io("run", Path::new(program)))?;
    if output.status.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    Err(EmbeddedError::Program { program, output: last_lines(&format!("{stdout}\n{stderr}"), 8) })
}

/// The last `count` lines that are not empty, separated by ` | `.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join(" | ")
}
