//! Finds PostgreSQL's server programs on this machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// The oldest major version that the schema works with (views with
/// `security_invoker`, `NULLS NOT DISTINCT`).
pub const OLDEST_MAJOR: u32 = 15;

/// All three must lie in one directory, so that their versions agree.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Directories that hold one installation per version: (parent, name prefix).
const INSTALLATION_ROOTS: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
    ("/usr", "pgsql-"),
];

/// A directory with PostgreSQL's server programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The directory, without symbolic links.
    pub bin_dir: PathBuf,
    /// The major version, for example 15.
    pub major: u32,
}

/// Where to look, in order: an explicit directory excludes all others.
#[derive(Debug, Clone)]
pub(crate) struct SearchPlaces {
    pub pg_bin: Option<PathBuf>,
    pub path: Option<OsString>,
    pub roots: Vec<(PathBuf, &'static str)>,
}

impl SearchPlaces {
    pub(crate) fn of_this_machine(pg_bin: Option<&Path>) -> Self {
        Self {
            pg_bin: pg_bin.map(Path::to_owned),
            path: std::env::var_os("PATH"),
            roots: INSTALLATION_ROOTS.iter().map(|(parent, prefix)| (PathBuf::from(parent), *prefix)).collect(),
        }
    }

    fn describe(&self) -> String {
        if let Some(dir) = &self.pg_bin {
            return dir.display().to_string();
        }
        let roots = self.roots.iter().map(|(parent, prefix)| format!("{}/{prefix}*/bin", parent.display()));
        std::iter::once("PATH".to_owned()).chain(roots).collect::<Vec<_>>().join(", ")
    }

    /// Every directory that may hold the programs; `PATH` first, then the
    /// installations, newest first.
    fn directories(&self) -> Vec<PathBuf> {
        if let Some(dir) = &self.pg_bin {
            return vec![dir.clone()];
        }
        let mut found: Vec<PathBuf> = self.path.iter().flat_map(std::env::split_paths).collect();
        for (parent, prefix) in &self.roots {
            let mut versions: Vec<PathBuf> = fs::read_dir(parent)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                .map(|entry| entry.path().join("bin"))
                .collect();
            versions.sort_by_key(|dir| std::cmp::Reverse(digits_in(dir)));
            found.append(&mut versions);
        }
        found
    }
}

/// The server programs to use.
///
/// `data_major` is the version of an existing data directory: then only that
/// version will do.
///
/// # Errors
/// [`EmbeddedError::BinariesMissing`] names the package to install;
/// [`EmbeddedError::VersionMismatch`] when there are only other versions.
pub fn locate_binaries(pg_bin: Option<&Path>, data: Option<(&Path, u32)>) -> Result<Binaries, EmbeddedError> {
    locate_in(&SearchPlaces::of_this_machine(pg_bin), data)
}

pub(crate) fn locate_in(places: &SearchPlaces, data: Option<(&Path, u32)>) -> Result<Binaries, EmbeddedError> {
    let mut usable: Vec<Binaries> = Vec::new();
    for dir in places.directories() {
        if let Some(binaries) = inspect(&dir)
            && binaries.major >= OLDEST_MAJOR
            && !usable.contains(&binaries)
        {
            usable.push(binaries);
        }
    }
    let missing = || EmbeddedError::BinariesMissing { searched: places.describe(), install: install_command() };
    let Some((data_dir, data_major)) = data else {
        return usable.into_iter().next().ok_or_else(missing);
    };
    if usable.is_empty() {
        return Err(missing());
    }
    let found = usable.iter().map(|b| format!("{} in {}", b.major, b.bin_dir.display())).collect::<Vec<_>>().join(", ");
    usable.into_iter().find(|binaries| binaries.major == data_major).ok_or_else(|| EmbeddedError::VersionMismatch {
        data_dir: data_dir.to_owned(),
        data_major,
        found,
    })
}

/// `dir` if all programs are there and `postgres` tells its version. Symbolic
/// links are followed, since `postgres` finds its libraries beside itself.
fn inspect(dir: &Path) -> Option<Binaries> {
    if dir.as_os_str().is_empty() || !PROGRAMS.iter().all(|program| dir.join(program).is_file()) {
        return None;
    }
    let postgres = dir.join("postgres").canonicalize().ok()?;
    let bin_dir = postgres.parent()?.to_owned();
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major_in(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { bin_dir, major })
}

/// 15 in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_in(version_line: &str) -> Option<u32> {
    let (_, version) = version_line.split_once("(PostgreSQL) ")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// 17 in `/opt/homebrew/opt/postgresql@17/bin`; 0 without digits.
fn digits_in(dir: &Path) -> u32 {
    let digits: String = dir.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn install_command() -> &'static str {
    if cfg!(target_os = "macos") { "brew install postgresql@17" } else { "apt-get install postgresql" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn fake_installation(bin_dir: &Path, version: &str) {
        fs::create_dir_all(bin_dir).unwrap();
        for program in PROGRAMS {
            let file = bin_dir.join(program);
            fs::write(&file, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn places(root: &Path, path: Option<&Path>) -> SearchPlaces {
        SearchPlaces { pg_bin: None, path: path.map(|p| p.as_os_str().to_owned()), roots: vec![(root.to_owned(), "")] }
    }

    #[test]
    fn the_newest_installation_wins_and_old_ones_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6.24", "14.9", "16.4", "17.2"] {
            let major = version.split('.').next().unwrap();
            fake_installation(&root.path().join(major).join("bin"), version);
        }
        assert_eq!(locate_in(&places(root.path(), None), None).unwrap().major, 17);
    }

    #[test]
    fn existing_data_asks_for_its_own_version() {
        let root = tempfile::tempdir().unwrap();
        fake_installation(&root.path().join("16/bin"), "16.4");
        fake_installation(&root.path().join("17/bin"), "17.2 (Debian 17.2-1)");
        let data = Path::new("/somewhere/data");
        let chosen = locate_in(&places(root.path(), None), Some((data, 16))).unwrap();
        assert_eq!(chosen.bin_dir, root.path().canonicalize().unwrap().join("16/bin"));
        let error = locate_in(&places(root.path(), None), Some((data, 15))).unwrap_err().to_string();
        assert!(error.contains("written by PostgreSQL 15"), "{error}");
        assert!(error.contains("17 in "), "{error}");
    }

    #[test]
    fn the_path_comes_before_the_installations() {
        let root = tempfile::tempdir().unwrap();
        let on_path = tempfile::tempdir().unwrap();
        fake_installation(&root.path().join("17/bin"), "17.2");
        fake_installation(on_path.path(), "16.1");
        assert_eq!(locate_in(&places(root.path(), Some(on_path.path())), None).unwrap().major, 16);
    }

    #[test]
    fn without_any_the_message_names_the_package() {
        let empty = tempfile::tempdir().unwrap();
        let error = locate_in(&places(empty.path(), None), None).unwrap_err().to_string();
        assert!(error.contains(install_command()), "{error}");
        assert!(error.contains("--pg-bin"), "{error}");
    }

    #[test]
    fn an_explicit_directory_excludes_all_others() {
        let root = tempfile::tempdir().unwrap();
        let empty = tempfile::tempdir().unwrap();
        fake_installation(&root.path().join("17/bin"), "17.2");
        let mut places = places(root.path(), None);
        places.pg_bin = Some(empty.path().to_owned());
        let error = locate_in(&places, None).unwrap_err();
        assert!(matches!(error, EmbeddedError::BinariesMissing { .. }), "{error}");
    }
}
