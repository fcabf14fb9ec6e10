//! Reads `postmaster.pid` and tells whether its process really is our server:
//! the file outlives a `kill -9`, and its number may belong to somebody else.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::EmbeddedError;

const FILE_NAME: &str = "postmaster.pid";
/// The fourth line of the file is the port.
const PORT_LINE: usize = 3;

/// What the file says, compared with the processes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Postmaster {
    /// No file, or a file whose process is gone.
    Absent,
    /// A server of this data directory; without a port while it starts.
    Running { pid: i32, port: Option<u16> },
    /// The process of that number is something else.
    Stale { pid: i32 },
}

pub(crate) fn inspect(data_dir: &Path) -> Postmaster {
    let Ok(text) = fs::read_to_string(data_dir.join(FILE_NAME)) else {
        return Postmaster::Absent;
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // A server in single-user mode writes its number with a minus sign.
    let Some(pid) = lines.first().and_then(|line| line.parse::<i32>().ok()).map(i32::abs).filter(|pid| *pid > 1) else {
        return Postmaster::Absent;
    };
    if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) {
        return Postmaster::Absent;
    }
    if !serves(pid, data_dir) {
        return Postmaster::Stale { pid };
    }
    let port = lines.get(PORT_LINE).and_then(|line| line.parse().ok());
    Postmaster::Running { pid, port }
}

/// Whether the process was started as `postgres -D <data_dir>`. A process that
/// has ended and was not reaped has no arguments, and so does not count.
fn serves(pid: i32, data_dir: &Path) -> bool {
    let data_dir = data_dir.to_string_lossy();
    if let Ok(arguments) = fs::read(format!("/proc/{pid}/cmdline")) {
        return arguments.split(|byte| *byte == 0).any(|argument| argument == data_dir.as_bytes());
    }
    let Ok(output) = Command::new("/bin/ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output() else {
        return false;
    };
    let arguments = String::from_utf8_lossy(&output.stdout).into_owned();
    arguments.contains("postgres") && arguments.contains(&*data_dir)
}

/// Puts a stale file aside, so that PostgreSQL does not mistake a foreign
/// process for its predecessor. Answers false, and leaves the file, while a
/// process of the dead server still works in the directory: the file is what
/// protects the data from two servers at once.
pub(crate) fn put_stale_file_aside(data_dir: &Path) -> Result<bool, EmbeddedError> {
    if !cfg!(target_os = "linux") || someone_works_in(data_dir) {
        return Ok(false);
    }
    let file = data_dir.join(FILE_NAME);
    fs::rename(&file, data_dir.join("postmaster.pid.stale")).map_err(EmbeddedError::io("rename", &file))?;
    Ok(true)
}

/// Every process of a server has the data directory as its working directory.
fn someone_works_in(data_dir: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.into_iter().any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data_dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_process_that_is_something_else_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let own_pid = std::process::id();
        fs::write(dir.path().join(FILE_NAME), format!("{own_pid}\n{}\n1\n5432\n", dir.path().display())).unwrap();
        assert!(matches!(inspect(dir.path()), Postmaster::Stale { pid } if pid.unsigned_abs() == own_pid));
        if cfg!(target_os = "linux") {
            assert!(put_stale_file_aside(dir.path()).unwrap());
            assert_eq!(inspect(dir.path()), Postmaster::Absent);
        }
    }

    #[test]
    fn a_file_of_a_process_that_is_gone_counts_as_absent() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), format!("{}\n", child.id())).unwrap();
        assert_eq!(inspect(dir.path()), Postmaster::Absent);
    }
}
