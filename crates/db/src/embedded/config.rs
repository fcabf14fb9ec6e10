//! `tallyline.conf`, which the cluster's `postgresql.conf` includes: everything
//! that this project wants otherwise than PostgreSQL's defaults.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::EmbeddedError;
use super::account::Account;

/// Name of the file in the data directory.
pub(crate) const FILE_NAME: &str = "tallyline.conf";

const MIB: u64 = 1024 * 1024;
const SHARED_BUFFERS_MIB: std::ops::RangeInclusive<u64> = 128..=512;

/// Writes the file for the next start.
pub(crate) fn write(data_dir: &Path, port: u16, durable: bool, account: &Account) -> Result<(), EmbeddedError> {
    let path = data_dir.join(FILE_NAME);
    let scratch = data_dir.join(format!("{FILE_NAME}.new"));
    fs::write(&scratch, render(port, durable, shared_buffers_mib(memory_bytes())))
        .map_err(EmbeddedError::io("write", &path))?;
    account.own(&scratch)?;
    fs::rename(&scratch, &path).map_err(EmbeddedError::io("write", &path))
}

/// `durable = false` is for throw-away servers of tests only.
fn render(port: u16, durable: bool, shared_buffers_mib: u64) -> String {
    let durability = if durable { "on" } else { "off" };
    format!(
        "# Written by tallyline at every start; changes here are lost.\n\
         listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         # TCP with a password only: a socket path may be too long or unreachable.\n\
         unix_socket_directories = ''\n\
         max_connections = 200\n\
         fsync = {durability}\n\
         synchronous_commit = {durability}\n\
         full_page_writes = {durability}\n\
         shared_buffers = {shared_buffers_mib}MB\n\
         wal_compression = on\n\
         max_wal_size = 2GB\n\
         min_wal_size = 128MB\n\
         checkpoint_timeout = 15min\n\
         password_encryption = 'scram-sha-256'\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         log_line_prefix = '%m [%p] %a '\n\
         # Details and contexts quote values of rows, and those are personal.\n\
         log_error_verbosity = terse\n\
         # Statements here are short and many: compiling them costs more.\n\
         jit = off\n"
    )
}

/// One eighth of the memory: the daemon and other programs need room too.
fn shared_buffers_mib(memory_bytes: Option<u64>) -> u64 {
    let eighth = memory_bytes.unwrap_or(0) / MIB / 8;
    eighth.clamp(*SHARED_BUFFERS_MIB.start(), *SHARED_BUFFERS_MIB.end())
}

fn memory_bytes() -> Option<u64> {
    if cfg!(target_os = "macos") {
        let output = Command::new("/usr/sbin/sysctl").args(["-n", "hw.memsize"]).output().ok()?;
        return String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    }
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_buffers_stay_modest() {
        assert_eq!(shared_buffers_mib(None), 128);
        assert_eq!(shared_buffers_mib(Some(2048 * MIB)), 256);
        assert_eq!(shared_buffers_mib(Some(262_144 * MIB)), 512);
    }
}
