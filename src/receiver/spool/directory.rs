//! The spool's directory: its lock, its files, and that both outlive a loss of power.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::record::{self, Contents};

const LOCK: &str = "spool.lock";
const EXTENSION: &str = "spool";
/// What of a file that did not end whole is kept under, for whoever wants to look.
const DAMAGED: &str = "damaged";

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("receiver.spool_dir {path}: {error}", path = .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("receiver.spool_dir {path} is in use by another process", path = .0.display())]
    InUse(PathBuf),
}

/// A directory that this process alone uses, as long as this lives.
#[derive(Debug)]
pub struct Directory {
    pub path: PathBuf,
    /// The same for as long as the directory exists.
    pub id: Uuid,
    _lock: File,
}

impl Directory {
    /// Takes the directory; makes it, readable by its owner alone, when it is not there.
    ///
    /// # Errors
    /// When it cannot be used, or another process does.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Io { path: path.to_owned(), error };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let path = path.canonicalize().map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(OpenError::InUse(path)),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let id = identity(&mut lock).map_err(failed)?;
        let directory = Self { path, id, _lock: lock };
        directory.sync().map_err(failed)?;
        Ok(directory)
    }

    /// Numbers of the files, ascending.
    pub fn segments(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = PathBuf::from(entry?.file_name());
            if name.extension().is_some_and(|extension| extension == EXTENSION)
                && let Some(number) = name.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
            {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes a file that is there after a loss of power as well.
    pub fn create(&self, number: u64) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.file(number))?;
        file.write_all(record::HEADER)?;
        self.sync()?;
        Ok(file)
    }

    /// All that a file holds, and its size.
    pub fn read(&self, number: u64) -> io::Result<(Contents, u64)> {
        let file = fs::read(self.file(number))?;
        let bytes = file.len() as u64;
        Ok((record::decode(&Bytes::from(file)), bytes))
    }

    /// Removes a file for good.
    pub fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.file(number))?;
        self.sync()
    }

    /// Puts a damaged file out of the way.
    pub fn set_aside(&self, number: u64) -> io::Result<()> {
        fs::rename(self.file(number), self.file(number).with_extension(DAMAGED))?;
        self.sync()
    }

    fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}.{EXTENSION}"))
    }

    /// Names of files are data of the directory, which has to be synced itself.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// The id in the lock file; a new one is written into an empty one.
fn identity(lock: &mut File) -> io::Result<Uuid> {
    let mut text = String::new();
    lock.read_to_string(&mut text)?;
    if let Ok(id) = text.trim().parse() {
        return Ok(id);
    }
    let id = Uuid::new_v4();
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(id.to_string().as_bytes())?;
    lock.sync_all()?;
    Ok(id)
}
