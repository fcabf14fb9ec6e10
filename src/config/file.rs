//! The layer of the configuration file.

use std::path::Path;

use toml::{Spanned, Table, Value};

use super::keys;
use super::load::Setting;
use super::origin::Origin;
use super::problem::Problem;

/// A key as written, with the number of its line.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
    /// Where every key of the first two levels begins.
    spans: Vec<(String, Option<String>, usize)>,
}

impl Place<'_> {
    fn of(&self, area: &str, key: Option<&str>) -> Origin {
        let found = self.spans.iter().find(|(a, k, _)| a == area && k.as_deref() == key);
        let line = found.map(|(.., at)| self.text.get(..*at).map_or(0, |before| before.matches('\n').count()) + 1);
        Origin::File { path: self.path.to_owned(), line }
    }
}

/// The values that a file sets, and what of it is no key.
pub(super) fn read(path: &Path, defaults: &Table) -> (Vec<Setting>, Vec<Problem>) {
    let whole = |message: String| {
        (Vec::new(), vec![Problem::at(Origin::File { path: path.to_owned(), line: None }, None, message)])
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return whole(format!("cannot be read: {error}")),
    };
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return whole(error.to_string().trim_end().to_owned()),
    };
    let place = Place { path, text: &text, spans: spans(&text) };
    let (mut settings, mut problems) = (Vec::new(), Vec::new());
    for (area, value) in table {
        match (defaults.get(&area), value) {
            (Some(Value::Table(known)), Value::Table(given)) => {
                read_area(&place, &area, known, given, &mut settings, &mut problems);
            }
            (Some(Value::Array(_)), value) => {
                let origin = place.of(&area, None);
                problems.extend(unknown_in_schedules(&origin, &value));
                settings.push(Setting { area, key: String::new(), entry: None, value, origin });
            }
            (Some(_), value) => {
                let message = format!("expected a table, not {}", keys::kind_of(&value));
                problems.push(Problem::at(place.of(&area, None), Some(&area), message));
            }
            (None, _) => {
                let hint = keys::did_you_mean(&area, defaults.keys().map(String::as_str));
                let message = format!("there is no such area of the configuration{hint}");
                problems.push(Problem::at(place.of(&area, None), Some(&area), message));
            }
        }
    }
    (settings, problems)
}

fn read_area(
    place: &Place<'_>,
    area: &str,
    known: &Table,
    given: Table,
    settings: &mut Vec<Setting>,
    problems: &mut Vec<Problem>,
) {
    let area = area.to_owned();
    for (key, value) in given {
        let origin = place.of(&area, Some(&key));
        if !known.contains_key(&key) {
            let hint = keys::did_you_mean(&key, known.keys().map(String::as_str));
            problems.push(Problem::at(origin, Some(&format!("{area}.{key}")), format!("there is no such key{hint}")));
            continue;
        }
        match value {
            Value::Table(entries) if keys::is_free(&area, &key) => {
                settings.extend(entries.into_iter().map(|(entry, value)| Setting {
                    area: area.clone(),
                    key: key.clone(),
                    entry: Some(entry),
                    value,
                    origin: origin.clone(),
                }));
            }
            value => settings.push(Setting { area: area.clone(), key, entry: None, value, origin }),
        }
    }
}

fn unknown_in_schedules(origin: &Origin, value: &Value) -> Vec<Problem> {
    let tables = value.as_array().into_iter().flatten().filter_map(Value::as_table);
    let keys = tables.flat_map(|table| {
        let name = table.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
        table.keys().map(move |key| (name.clone(), key))
    });
    keys.filter(|(_, key)| !keys::SCHEDULE_KEYS.contains(&key.as_str()))
        .map(|(name, key)| {
            let hint = keys::did_you_mean(key, keys::SCHEDULE_KEYS);
            Problem::at(origin.clone(), Some(&format!("schedule {name}: {key}")), format!("there is no such key{hint}"))
        })
        .collect()
}

/// Where the keys of the first two levels begin, in bytes.
fn spans(text: &str) -> Vec<(String, Option<String>, usize)> {
    let Ok(table) = toml::de::DeTable::parse(text) else { return Vec::new() };
    let mut found = Vec::new();
    for (area, value) in table.get_ref() {
        let name = area.get_ref().to_string();
        found.push((name.clone(), None, area.span().start));
        let toml::de::DeValue::Table(keys) = Spanned::get_ref(value) else { continue };
        found.extend(keys.keys().map(|key| (name.clone(), Some(key.get_ref().to_string()), key.span().start)));
    }
    found
}
