//! The configuration in force, for people: every key, its value and where it
//! came from. Secrets are never shown.

use serde::Serialize;
use toml::Value;

use super::load::Loaded;
use super::origin::Origin;

/// One key.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub key: String,
    /// As TOML writes it; a secret is replaced.
    pub value: String,
    pub origin: Origin,
}

impl Loaded {
    /// Every key with its value, in the order of the keys.
    pub fn shown(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (area, value) in &self.table {
            match value {
                Value::Table(keys) => {
                    for (key, value) in keys {
                        self.show_key(&format!("{area}.{key}"), value, &mut shown);
                    }
                }
                Value::Array(list) => shown.extend(list.iter().enumerate().map(|(position, value)| Shown {
                    key: format!("{area}[{position}]"),
                    value: value.to_string(),
                    origin: self.origin(area),
                })),
                _ => {}
            }
        }
        shown
    }

    fn show_key(&self, key: &str, value: &Value, shown: &mut Vec<Shown>) {
        if let Value::Table(entries) = value {
            for (entry, value) in entries {
                self.show_key(&format!("{key}.{entry}"), value, shown);
            }
            return;
        }
        shown.push(Shown { key: key.to_owned(), value: redacted(key, value), origin: self.origin(key) });
    }
}

/// The value as TOML, without what nobody may read.
fn redacted(key: &str, value: &Value) -> String {
    match (key, value.as_str()) {
        (_, Some("")) => "\"\"".to_owned(),
        ("secrets.key", _) => "(set, not shown)".to_owned(),
        ("database.url", Some(url)) => format!("\"{}\"", without_password(url)),
        _ => value.to_string(),
    }
}

/// A database's address without its password; none of it where it cannot be read
/// or where its parameters may hold one.
pub fn without_password(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut parsed) if !url.to_ascii_lowercase().contains("password=") => {
            if parsed.password().is_some() && parsed.set_password(Some("***")).is_err() {
                return "(set, not shown)".to_owned();
            }
            parsed.to_string()
        }
        _ => "(set, not shown)".to_owned(),
    }
}
