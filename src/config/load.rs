//! Layers: compiled-in defaults, a file, the environment, flags. Each later one
//! overrides the earlier; where every value came from is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::environment;
use super::file;
use super::keys;
use super::origin::Origin;
use super::problem::{ConfigError, Problem};
use super::{Config, check};

/// The defaults, and the documentation of every key.
pub const DEFAULTS: &str = include_str!("../../config.toml");

pub(super) const ENV_PREFIX: &str = "TALLYLINE_";

/// Read when no file is named, the first that there is.
const USUAL_FILES: [&str; 2] = ["tallyline.toml", "/etc/tallyline/config.toml"];

/// What the command line sets; the strongest layer.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    /// A file to read instead of the usual ones.
    pub file: Option<PathBuf>,
    pub database_url: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub pg_bin: Option<PathBuf>,
    pub listen: Option<String>,
}

/// One value that some layer sets.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) area: String,
    /// Empty for the list of schedules, which is set as a whole.
    pub(super) key: String,
    /// Of a free table.
    pub(super) entry: Option<String>,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Setting {
    /// As messages and `config show` name it.
    pub(super) fn name(&self) -> String {
        let parts = [Some(self.area.as_str()), Some(self.key.as_str()), self.entry.as_deref()];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// Puts the value into the table; the others stay.
    fn apply(&self, table: &mut Table) {
        if self.key.is_empty() {
            table.insert(self.area.clone(), self.value.clone());
            return;
        }
        let Some(Value::Table(area)) = table.get_mut(&self.area) else { return };
        match &self.entry {
            None => {
                area.insert(self.key.clone(), self.value.clone());
            }
            Some(entry) => {
                if let Some(Value::Table(free)) = area.get_mut(&self.key) {
                    free.insert(entry.clone(), self.value.clone());
                }
            }
        }
    }
}

/// A configuration with its history.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Made of the values that can be used; where one cannot, the weaker layer's is here.
    pub config: Config,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Values that cannot be used, and names that are no keys. Such a configuration is not to be run.
    pub problems: Vec<Problem>,
    /// Variables that begin like ours and are neither keys nor near one.
    pub strange_variables: Vec<String>,
    pub(super) table: Table,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// The layer that the value of a key came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// The text of every value, by key; schedules as one.
    pub(super) fn values(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for (area, value) in &self.table {
            match value {
                Value::Table(keys) => {
                    values.extend(keys.iter().map(|(key, value)| (format!("{area}.{key}"), value.to_string())));
                }
                value => {
                    values.insert(area.clone(), value.to_string());
                }
            }
        }
        values
    }

    /// Takes the value of `area.key` over from another configuration.
    pub(super) fn take(&mut self, key: &str, from: &Loaded) {
        let Some((area, name)) = key.split_once('.') else { return };
        let value = from.table.get(area).and_then(|keys| keys.get(name));
        if let (Some(value), Some(Value::Table(keys))) = (value, self.table.get_mut(area)) {
            keys.insert(name.to_owned(), value.clone());
        }
    }

    /// Everything that is wrong: names and types, and values that make no sense.
    pub fn all_problems(&self) -> Vec<Problem> {
        let senseless = check::ranges(&self.config).into_iter().chain(check::exposure(&self.config));
        let placed = senseless.map(|problem| match &problem.key {
            Some(key) if self.origins.contains_key(key) => Problem { origin: Some(self.origin(key)), ..problem },
            _ => problem,
        });
        self.problems.iter().cloned().chain(placed).collect()
    }
}

/// Merges the layers and checks names and types.
///
/// `environment` is the process's environment, passed in so that tests need
/// not change their own.
///
/// # Errors
/// When a file cannot be read, a key is unknown, or a value does not fit: all
/// of them at once.
pub fn load(
    overrides: &Overrides,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let loaded = load_all(overrides, environment)?;
    if loaded.problems.is_empty() { Ok(loaded.config) } else { Err(ConfigError { problems: loaded.problems }) }
}

/// The same, with where values came from; what cannot be used is left out and told.
///
/// # Errors
/// When the compiled-in defaults themselves cannot be used.
pub fn load_all(
    overrides: &Overrides,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let broken = |message: String| ConfigError { problems: vec![Problem::at(Origin::Default, None, message)] };
    let defaults = DEFAULTS.parse::<Table>().map_err(|error| broken(error.to_string()))?;
    let usual = USUAL_FILES.map(PathBuf::from);
    let file = overrides.file.clone().or_else(|| first_there(&usual));
    let (mut settings, mut problems) = match &file {
        Some(path) => file::read(path, &defaults),
        None => (Vec::new(), Vec::new()),
    };
    let from_environment = environment::read(environment, &defaults);
    settings.extend(from_environment.settings);
    problems.extend(from_environment.problems);
    settings.extend(flags(overrides));

    let mut table = defaults.clone();
    let mut origins = BTreeMap::new();
    for setting in settings {
        match fits(&defaults, &setting) {
            Ok(()) => {
                setting.apply(&mut table);
                origins.insert(setting.name(), setting.origin);
            }
            Err(message) => problems.push(Problem::at(setting.origin.clone(), Some(&setting.name()), message)),
        }
    }
    let config =
        Value::Table(table.clone()).try_into::<Config>().map_err(|error| broken(error.message().to_owned()))?;
    let strange_variables = from_environment.strange;
    Ok(Loaded { config, file, problems, strange_variables, table, origins })
}

fn first_there(candidates: &[PathBuf]) -> Option<PathBuf> {
    candidates.iter().find(|path| path.exists()).cloned()
}

/// Whether the value alone, over the defaults, makes a configuration: so every
/// value that does not is named, and not only the first.
fn fits(defaults: &Table, setting: &Setting) -> Result<(), String> {
    let mut table = defaults.clone();
    setting.apply(&mut table);
    let tried = Value::Table(table).try_into::<Config>();
    tried.map(drop).map_err(|error| {
        let default = defaults.get(&setting.area).and_then(|area| area.get(&setting.key));
        // The table of an entry is no example of its value.
        let expected = default.filter(|_| setting.entry.is_none());
        let kinds = expected.map(keys::kind_of).filter(|kind| *kind != keys::kind_of(&setting.value));
        match (kinds, setting.value.as_integer()) {
            (Some(kind), _) => format!("expected {kind}, not {}", keys::kind_of(&setting.value)),
            (None, Some(number)) => format!("{number} is out of range"),
            (None, None) => error.message().trim().to_owned(),
        }
    })
}

fn flags(overrides: &Overrides) -> Vec<Setting> {
    let path = |path: &Path| path.display().to_string();
    let values = [
        ("database", "url", "--database-url", overrides.database_url.clone()),
        ("database", "data_dir", "--data-dir", overrides.data_dir.as_deref().map(path)),
        ("database", "pg_bin", "--pg-bin", overrides.pg_bin.as_deref().map(path)),
        ("http", "listen", "--listen", overrides.listen.clone()),
    ];
    let given = values.into_iter().filter_map(|(area, key, flag, value)| Some((area, key, flag, value?)));
    given
        .map(|(area, key, flag, value)| Setting {
            area: area.to_owned(),
            key: key.to_owned(),
            entry: None,
            value: Value::String(value),
            origin: Origin::Flag(flag),
        })
        .collect()
}

#[cfg(test)]
mod tests;
