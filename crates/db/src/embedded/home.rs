//! Where the server's files lie.
//!
//! Normally in the state directory itself. When root starts the server, it
//! runs as an unprivileged account that may be unable to enter the project
//! (a clone under `/root` with mode 700). Then the files go to a directory
//! outside, `/var/lib/tallyline/<project>-<hash>`, which the state directory's
//! `server.json` names; `origin` in it says which project it belongs to.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::EmbeddedError;
use super::account::Account;

const INSIDE: &str = "postgres";
/// More projects of one name and hash than this would be a bug.
const MAX_NAMESAKES: u32 = 100;

/// Creates the state directory. Root's may be entered by everyone, so that the
/// server's account gets through; its secret file has mode 0600.
pub(crate) fn prepare_state_dir(dir: &Path, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let mode = if matches!(account, Account::Own) { 0o700 } else { 0o711 };
    if !dir.exists() {
        fs::DirBuilder::new().recursive(true).mode(mode).create(dir).map_err(EmbeddedError::io("create", dir))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).map_err(EmbeddedError::io("protect", dir))?;
    }
    dir.canonicalize().map_err(EmbeddedError::io("find", dir))
}

/// Chooses and creates the server's home; the answer is what `server.json`
/// stores. `state_dir` is canonical.
pub(crate) async fn choose(state_dir: &Path, account: &Account, outside: &Path) -> Result<PathBuf, EmbeddedError> {
    if account.can_enter(state_dir).await {
        create_private(&state_dir.join(INSIDE), account)?;
        return Ok(PathBuf::from(INSIDE));
    }
    if !outside.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(outside)
            .map_err(EmbeddedError::io("create", outside))?;
        fs::set_permissions(outside, fs::Permissions::from_mode(0o755))
            .map_err(EmbeddedError::io("protect", outside))?;
    }
    require_ours(outside)?;
    let home = free_name(state_dir, outside)?;
    create_private(&home, account)?;
    let origin = home.join("origin");
    fs::write(&origin, format!("{}\n", state_dir.display())).map_err(EmbeddedError::io("write", &origin))?;
    if account.can_enter(&home).await {
        return Ok(home);
    }
    let user = match account {
        Account::Other { name, .. } => name.clone(),
        Account::Own => String::new(),
    };
    Err(EmbeddedError::Unreachable { user, path: home })
}

/// A name that says whose it is and is not taken: a directory that exists
/// belongs to somebody whose `server.json` we do not have, and stays as it is.
fn free_name(state_dir: &Path, outside: &Path) -> Result<PathBuf, EmbeddedError> {
    let mut hasher = DefaultHasher::new();
    state_dir.hash(&mut hasher);
    let project = state_dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let project: String = project.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let base = format!("{project}-{:08x}", hasher.finish() & 0xffff_ffff);
    (1..MAX_NAMESAKES)
        .map(|n| outside.join(if n == 1 { base.clone() } else { format!("{base}-{n}") }))
        .find(|path| fs::symlink_metadata(path).is_err())
        .ok_or_else(|| EmbeddedError::io("find a free name in", outside)(std::io::ErrorKind::AlreadyExists.into()))
}

/// A directory of somebody else's could be swapped under our feet by him.
fn require_ours(dir: &Path) -> Result<(), EmbeddedError> {
    let meta = fs::symlink_metadata(dir).map_err(EmbeddedError::io("find", dir))?;
    if meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0 {
        return Ok(());
    }
    let reason = std::io::Error::other("it is not a directory that only we may write to");
    Err(EmbeddedError::io("use", dir)(reason))
}

fn create_private(dir: &Path, account: &Account) -> Result<(), EmbeddedError> {
    if !dir.exists() {
        fs::DirBuilder::new().mode(0o700).create(dir).map_err(EmbeddedError::io("create", dir))?;
    }
    account.own(dir)
}
