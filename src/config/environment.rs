//! The layer of the environment: `TALLYLINE_HTTP__LISTEN=…` sets `http.listen`,
//! `TALLYLINE_SECRETS__KEY_FILE=…` names a file that holds the value of
//! `secrets.key`, and `DATABASE_URL` sets `database.url`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::{Table, Value};

use super::keys;
use super::load::{ENV_PREFIX, Setting};
use super::origin::Origin;
use super::problem::Problem;

const FILE_SUFFIX: &str = "_FILE";

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
    /// Names that begin like ours and are nothing we know: orchestrators make
    /// such (`TALLYLINE_SERVICE_HOST` for a service called tallyline).
    pub(super) strange: Vec<String>,
}

/// Reads what concerns us; the order of the variables does not matter.
pub(super) fn read(variables: impl IntoIterator<Item = (String, String)>, defaults: &Table) -> Environment {
    let mut ours: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Environment::default();
    for (name, text) in variables {
        // Weaker than our own name for it, since other programs share it.
        if name == "DATABASE_URL" {
            let (area, key) = ("database".to_owned(), "url".to_owned());
            let origin = Origin::Variable(name);
            found.settings.push(Setting { area, key, entry: None, value: Value::String(text), origin });
        } else if name.starts_with(ENV_PREFIX) {
            ours.insert(name, text);
        }
    }
    for (name, text) in &ours {
        read_one(name, text, &ours, defaults, &mut found);
    }
    found
}

fn read_one(name: &str, text: &str, ours: &BTreeMap<String, String>, defaults: &Table, found: &mut Environment) {
    let variable = || Origin::Variable(name.to_owned());
    let known = |name: &str| target(name, defaults);
    if let Some((area, key, entry)) = known(name) {
        found.set(area, key, entry, text, variable(), defaults);
        return;
    }
    if let Some((plain, (area, key, entry))) =
        name.strip_suffix(FILE_SUFFIX).and_then(|plain| Some((plain, known(plain)?)))
    {
        if ours.contains_key(plain) {
            found.problems.push(Problem::at(
                variable(),
                None,
                format!("{plain} is set, too: only one of the two can be"),
            ));
            return;
        }
        let path = PathBuf::from(text);
        match std::fs::read_to_string(&path) {
            Ok(content) => {
                let origin = Origin::SecretFile { variable: name.to_owned(), path };
                found.set(area, key, entry, content.trim_end_matches(['\n', '\r']), origin, defaults);
            }
            Err(error) => {
                found.problems.push(Problem::at(variable(), None, format!("cannot read {}: {error}", path.display())));
            }
        }
        return;
    }
    let names: Vec<String> = keys::all(defaults).iter().map(|(area, key)| keys::variable(area, key)).collect();
    let squeezed = |name: &str| name.replace('_', "");
    let meant = names.iter().find(|known| squeezed(known) == squeezed(name));
    match (meant, name.contains("__")) {
        (Some(meant), _) => {
            found.problems.push(Problem::at(variable(), None, format!("sets nothing (did you mean {meant}?)")));
        }
        (None, true) => {
            let hint = keys::did_you_mean(name, names.iter().map(String::as_str));
            found.problems.push(Problem::at(variable(), None, format!("there is no such key{hint}")));
        }
        (None, false) => found.strange.push(name.to_owned()),
    }
}

/// The key that a variable names: area, key and, of a free table, the entry.
fn target(name: &str, defaults: &Table) -> Option<(String, String, Option<String>)> {
    let path = name.strip_prefix(ENV_PREFIX)?.to_lowercase();
    let (area, rest) = path.split_once("__")?;
    let known = defaults.get(area)?.as_table()?;
    if let Some((key, entry)) = rest.split_once("__") {
        return keys::is_free(area, key).then(|| (area.to_owned(), key.to_owned(), Some(entry.to_owned())));
    }
    (known.contains_key(rest) && !keys::is_free(area, rest)).then(|| (area.to_owned(), rest.to_owned(), None))
}

impl Environment {
    fn set(&mut self, area: String, key: String, entry: Option<String>, text: &str, origin: Origin, defaults: &Table) {
        let like = match &entry {
            // Entries of free tables are numbers.
            Some(_) => Some(&Value::Integer(0)),
            None => defaults.get(&area).and_then(|table| table.get(&key)),
        };
        match typed_like(like, text) {
            Ok(value) => self.settings.push(Setting { area, key, entry, value, origin }),
            Err(message) => {
                self.problems.push(Problem::at(origin, Some(&format!("{area}.{key}")), message));
            }
        }
    }
}

/// An environment variable has the type of the default that it replaces.
fn typed_like(like: Option<&Value>, text: &str) -> Result<Value, String> {
    let number = |text: &str| text.parse().map(Value::Integer).map_err(|_| "expected a whole number".to_owned());
    match like {
        Some(Value::Integer(_)) => number(text),
        Some(Value::Float(_)) => text.parse().map(Value::Float).map_err(|_| "expected a number".to_owned()),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).map_err(|_| "expected true or false".to_owned()),
        // Such as 10.0.0.0/8,192.0.2.7: what stands between commas; nothing is an empty list.
        Some(Value::Array(list)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let numbers = list.first().is_some_and(Value::is_integer);
            items
                .map(|item| if numbers { number(item) } else { Ok(Value::String(item.to_owned())) })
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}
