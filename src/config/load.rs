//! Layers: compiled-in defaults, a file, the environment, flags.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;

/// The defaults, and the documentation of every key.
pub const DEFAULTS: &str = include_str!("../../config.toml");

const ENV_PREFIX: &str = "TALLYLINE_";

/// What the command line sets; the strongest layer.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    /// A file to read instead of `tallyline.toml` in the working directory.
    pub file: Option<PathBuf>,
    pub database_url: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub pg_bin: Option<PathBuf>,
    pub listen: Option<String>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{origin}: {message}")]
    Invalid { origin: String, message: String },
}

/// Merges the layers and checks the result.
///
/// `environment` is the process's environment, passed in so that tests need
/// not change their own.
///
/// # Errors
/// When a file cannot be read, a key is unknown, or a value does not fit.
pub fn load(
    overrides: &Overrides,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut merged = parse(DEFAULTS, "built-in defaults")?;
    let mut origin = "configuration".to_owned();
    if let Some(path) = config_file(overrides) {
        let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        origin = path.display().to_string();
        merge(&mut merged, parse(&text, &origin)?);
    }
    apply_environment(&mut merged, environment)?;
    apply_overrides(&mut merged, overrides);
    Value::Table(merged)
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError::Invalid { origin, message: error.message().to_owned() })
}

fn config_file(overrides: &Overrides) -> Option<PathBuf> {
    overrides.file.clone().or_else(|| {
        let default = Path::new("tallyline.toml");
        default.exists().then(|| default.to_path_buf())
    })
}

fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>()
        .map_err(|error| ConfigError::Invalid { origin: origin.to_owned(), message: error.to_string() })
}

/// Tables are merged key by key; everything else, lists too, is replaced.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// `TALLYLINE_HTTP__LISTEN=…` sets `http.listen`; `DATABASE_URL` sets `database.url`.
fn apply_environment(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (name, text) in environment {
        if name == "DATABASE_URL" {
            set(table, "database", "url", Value::String(text));
            continue;
        }
        let Some(path) = name.strip_prefix(ENV_PREFIX) else { continue };
        // A name without two underscores is no key of ours (TALLYLINE_SQLX_URL …).
        let Some((area, key)) = path.split_once("__") else { continue };
        let (area, key) = (area.to_lowercase(), key.to_lowercase());
        let like = table.get(&area).and_then(|t| t.get(&key)).cloned();
        set(table, &area, &key, typed_like(like.as_ref(), &name, text)?);
    }
    Ok(())
}

/// An environment variable has the type of the default that it replaces.
fn typed_like(like: Option<&Value>, name: &str, text: String) -> Result<Value, ConfigError> {
    let invalid = |kind: &str| ConfigError::Invalid {
        origin: format!("environment variable {name}"),
        message: format!("expected {kind}"),
    };
    match like {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).map_err(|_| invalid("a whole number")),
        Some(Value::Float(_)) => text.parse().map(Value::Float).map_err(|_| invalid("a number")),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).map_err(|_| invalid("true or false")),
        // Such as 10.0.0.0/8,192.0.2.7: what stands between commas; nothing is an empty list.
        Some(Value::Array(list)) if list.iter().all(Value::is_str) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        _ => Ok(Value::String(text)),
    }
}

fn apply_overrides(table: &mut Table, overrides: &Overrides) {
    let path = |p: &PathBuf| Value::String(p.display().to_string());
    let values = [
        ("database", "url", overrides.database_url.clone().map(Value::String)),
        ("database", "data_dir", overrides.data_dir.as_ref().map(path)),
        ("database", "pg_bin", overrides.pg_bin.as_ref().map(path)),
        ("http", "listen", overrides.listen.clone().map(Value::String)),
    ];
    for (area, key, value) in values {
        if let Some(value) = value {
            set(table, area, key, value);
        }
    }
}

fn set(table: &mut Table, area: &str, key: &str, value: Value) {
    if let Value::Table(inner) = table.entry(area).or_insert_with(|| Value::Table(Table::new())) {
        inner.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_env(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        load(
            &Overrides { file: Some("/dev/null".into()), ..Overrides::default() },
            vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        let config = with_env(&[]).unwrap();
        assert_eq!(config.public_origin(), "http://127.0.0.1:8080");
        assert!(!config.schedule.is_empty());
    }

    #[test]
    fn the_environment_overrides_the_defaults_with_their_types() {
        let config = with_env(&[("TALLYLINE_PROCESS__BATCH_EVENTS", "7"), ("DATABASE_URL", "postgres://x/y")]).unwrap();
        assert_eq!(config.process.batch_events, 7);
        assert_eq!(config.database.url, "postgres://x/y");
    }

    #[test]
    fn a_list_in_the_environment_is_separated_by_commas_and_its_items_are_checked() {
        let proxies = |text: &str| {
            with_env(&[("TALLYLINE_HTTP__TRUSTED_PROXIES", text)]).map(|config| config.http.trusted_proxies)
        };
        assert!(proxies("10.0.0.0/8, ::1").unwrap().contains("::1".parse().unwrap()));
        assert!(!proxies("").unwrap().contains("::1".parse().unwrap()));
        let error = proxies("10.0.0.0/8,proxy.example").unwrap_err().to_string();
        assert!(error.contains("proxy.example"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = with_env(&[("TALLYLINE_HTTP__LISTNE", "x")]).unwrap_err().to_string();
        assert!(error.contains("listne"), "{error}");
    }

    #[test]
    fn a_word_where_a_number_belongs_is_an_error_that_names_the_variable() {
        let error = with_env(&[("TALLYLINE_PROCESS__BATCH_EVENTS", "many")]).unwrap_err().to_string();
        assert!(error.contains("TALLYLINE_PROCESS__BATCH_EVENTS"), "{error}");
    }
}
