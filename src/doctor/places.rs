//! Checks of files and directories: the key, the data directory, the spool.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tallyline_secrets::sealing::{KEY_FILE, SealingKey};

use super::{About, Check, Limits, is_embedded};
use crate::config::Config;

const KEY: About = About {
    name: "secrets-key",
    looks_at: "the key that seals providers' secrets",
    meaning: "no webhook of Twilio can be checked and no provider asked; receiver and worker do not start",
};
const KEY_MODE: About = About {
    name: "key-file",
    looks_at: "that the key file can be read by its owner only",
    meaning: "other accounts of this machine can open every stored secret; the daemon does not start",
};
const DATA_DIR: About = About {
    name: "data-dir",
    looks_at: "that database.data_dir can be written to",
    meaning: "neither the embedded database nor a generated key can be kept",
};
const DISK: About = About {
    name: "disk-space",
    looks_at: "free space where we write: database.data_dir, the spool, history.dir",
    meaning: "the database stops when its disk is full, and what should be kept cannot be",
};
const SPOOL_DIR: About = About {
    name: "spool-dir",
    looks_at: "that receiver.spool_dir can be written to",
    meaning: "the receiver does not start",
};
const SPOOL_ROOM: About = About {
    name: "spool-room",
    looks_at: "that the disk has room for receiver.spool_max_bytes",
    meaning: "in an outage the disk is full before the spool is, and webhooks are refused with 503",
};
const SPOOL_LOCK: About = About {
    name: "spool-lock",
    looks_at: "whether another process than the daemon of http.listen holds the spool",
    meaning: "the receiver does not start: two of them would write over each other",
};
const SPOOL_SEGMENTS: About = About {
    name: "spool-segments",
    looks_at: "webhooks that have waited in the spool for ten minutes, and damaged files",
    meaning: "webhooks that were answered 202 are not counted yet",
};

/// A segment that is older has been forgotten, or the database is away for long.
const STALE: Duration = Duration::from_secs(600);

/// All of them.
pub(super) async fn checks(config: &Config, limits: &Limits) -> Vec<Check> {
    let mut checks = key(config);
    checks.push(data_dir(config));
    checks.push(disk(config, limits));
    checks.extend(spool(config).await);
    checks
}

/// The key, and its file where it is one. Nothing is made here.
fn key(config: &Config) -> Vec<Check> {
    let file = config.database.data_dir.join(KEY_FILE);
    if !config.secrets.key.is_empty() {
        let usable = SealingKey::from_config(&config.secrets.key, &config.database.data_dir);
        let check = match usable {
            Ok(_) => KEY.ok("set"),
            // Told by `config-ranges` already.
            Err(_) => KEY.not_applicable("secrets.key is no key"),
        };
        return vec![check, KEY_MODE.not_applicable("secrets.key is set")];
    }
    let Ok(meta) = fs::metadata(&file) else {
        let check = match is_embedded(config) {
            true => KEY.ok(format!("{} is made at the first start", file.display())),
            false => KEY.problem(
                "secrets.key is not set; with database.url every process needs the same",
                "TALLYLINE_SECRETS__KEY=\"$(openssl rand -hex 32)\" tallyline run",
            ),
        };
        return vec![check, KEY_MODE.not_applicable("there is no key file")];
    };
    if meta.permissions().mode() & 0o077 != 0 {
        let finding = format!("{} has mode {:o}", file.display(), meta.permissions().mode() & 0o777);
        let check = KEY_MODE.problem(finding, format!("chmod 600 {}", file.display()));
        return vec![KEY.not_applicable("its file is open to others"), check];
    }
    let check = match SealingKey::from_config("", &config.database.data_dir) {
        Ok(_) => KEY.ok(file.display().to_string()),
        Err(error) => KEY.problem(error.to_string(), format!("openssl rand -hex 32 > {}", file.display())),
    };
    vec![check, KEY_MODE.ok(file.display().to_string())]
}

/// Fails when no file can be made there; leaves none.
fn try_writing(directory: &Path) -> std::io::Result<()> {
    tempfile::Builder::new().prefix(".doctor").tempfile_in(directory).map(drop)
}

fn data_dir(config: &Config) -> Check {
    let directory = &config.database.data_dir;
    if !is_embedded(config) && !config.secrets.key.is_empty() {
        return DATA_DIR.not_applicable("database.url and secrets.key are set");
    }
    if !directory.exists() {
        return DATA_DIR.ok(format!("{} is made at the first start", directory.display()));
    }
    match try_writing(directory) {
        Ok(()) => DATA_DIR.ok(directory.display().to_string()),
        Err(error) => DATA_DIR
            .problem(format!("{}: {error}", directory.display()), format!("install -d -m 700 {}", directory.display())),
    }
}

/// The directories that we write to and that are there.
fn written(config: &Config) -> Vec<PathBuf> {
    let named = [&config.receiver.spool_dir, &config.history.dir];
    let named = named.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from);
    named.chain([config.database.data_dir.clone()]).filter(|path| path.is_dir()).collect()
}

/// Bytes that we may still write there; `None` where there is no disk behind it.
fn free_bytes(directory: &Path) -> Option<u64> {
    let stat = statvfs(directory).ok()?;
    // The types differ between systems; a float holds what any disk has.
    (stat.blocks() > 0).then_some((stat.blocks_available() as f64 * stat.fragment_size() as f64) as u64)
}

fn disk(config: &Config, limits: &Limits) -> Check {
    let directories = written(config);
    let measured = directories.iter().filter_map(|directory| Some((free_bytes(directory)?, directory)));
    let Some((free, directory)) = measured.min_by_key(|(free, _)| *free) else {
        return DISK.not_applicable("nothing is written on this machine");
    };
    let finding = format!("{} MiB free in {}", free >> 20, directory.display());
    match free < limits.free_bytes {
        true => DISK.problem(finding, format!("df -h {}", directory.display())),
        false => DISK.ok(finding),
    }
}

async fn spool(config: &Config) -> Vec<Check> {
    let receiver = &config.receiver;
    let all = [SPOOL_DIR, SPOOL_ROOM, SPOOL_LOCK, SPOOL_SEGMENTS];
    if receiver.spool_dir.is_empty() {
        return all.iter().map(|about| about.not_applicable("receiver.spool_dir is not set")).collect();
    }
    let directory = Path::new(&receiver.spool_dir);
    // The receiver makes the directory itself, but not its parents.
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let writable = if directory.exists() { try_writing(directory) } else { try_writing(parent) };
    if let Err(error) = writable {
        let finding = format!("{}: {error}", directory.display());
        let mend = format!("install -d -m 700 {}", directory.display());
        let others = all[1..].iter().map(|about| about.not_applicable("the spool cannot be used"));
        return [SPOOL_DIR.problem(finding, mend)].into_iter().chain(others).collect();
    }
    let segments = segments(directory);
    vec![
        SPOOL_DIR.ok(receiver.spool_dir.clone()),
        room(directory, receiver.spool_max_bytes, segments.bytes),
        lock(config, directory).await,
        stale(directory, &segments),
    ]
}

#[derive(Debug, Default)]
struct Segments {
    bytes: u64,
    stale: usize,
    damaged: usize,
}

fn segments(directory: &Path) -> Segments {
    let mut found = Segments::default();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = PathBuf::from(entry.file_name());
        let Ok(meta) = entry.metadata() else { continue };
        match name.extension().and_then(|extension| extension.to_str()) {
            Some("spool") => {
                found.bytes += meta.len();
                let age = meta.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
                found.stale += usize::from(age > STALE && meta.len() > 0);
            }
            Some("damaged") => found.damaged += 1,
            _ => {}
        }
    }
    found
}

fn room(directory: &Path, quota: u64, used: u64) -> Check {
    let place = if directory.exists() { directory } else { directory.parent().unwrap_or(Path::new(".")) };
    match free_bytes(place) {
        Some(free) if free.saturating_add(used) < quota => SPOOL_ROOM.warning(
            format!("{} MiB free, {} MiB may be needed", free >> 20, quota.saturating_sub(used) >> 20),
            format!("TALLYLINE_RECEIVER__SPOOL_MAX_BYTES={} tallyline run", (free.saturating_add(used)) / 2),
        ),
        Some(free) => SPOOL_ROOM.ok(format!("{} MiB free", free >> 20)),
        None => SPOOL_ROOM.not_applicable("the disk does not say"),
    }
}

/// A lock that is held is the daemon's, when one answers.
async fn lock(config: &Config, directory: &Path) -> Check {
    let path = directory.join("spool.lock");
    let Ok(file) = fs::OpenOptions::new().read(true).write(true).open(&path) else {
        return SPOOL_LOCK.ok("never used");
    };
    match file.try_lock() {
        Ok(()) => SPOOL_LOCK.ok("free"),
        Err(fs::TryLockError::WouldBlock) => match tokio::net::TcpStream::connect(&config.http.listen).await {
            Ok(_) => SPOOL_LOCK.ok("held by the daemon"),
            Err(_) => SPOOL_LOCK.problem(
                format!("held, and no daemon answers on {}", config.http.listen),
                format!("fuser -v {}", path.display()),
            ),
        },
        Err(fs::TryLockError::Error(error)) => SPOOL_LOCK.unknown(error),
    }
}

fn stale(directory: &Path, segments: &Segments) -> Check {
    match (segments.damaged, segments.stale) {
        (0, 0) => SPOOL_SEGMENTS.ok("nothing waits for long"),
        (0, n) => SPOOL_SEGMENTS.warning(format!("{n} files in {}", directory.display()), "tallyline run"),
        (n, _) => SPOOL_SEGMENTS
            .problem(format!("{n} damaged files in {}", directory.display()), format!("ls -l {}", directory.display())),
    }
}
