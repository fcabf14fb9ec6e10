//! The keys that there are, and the nearest one to a name that is none.

use toml::{Table, Value};

/// The one table whose keys are free: kinds of jobs.
const FREE_TABLES: [(&str, &str); 1] = [("queue", "kinds")];

/// Keys of a `[[schedule]]`, optional ones too.
pub(super) const SCHEDULE_KEYS: [&str; 11] = [
    "name",
    "job",
    "cron",
    "timezone",
    "missed",
    "catch_up_max",
    "catch_up_within_seconds",
    "overlap",
    "gap",
    "fold",
    "jitter_seconds",
];

/// Whether the keys of `area.key` are free.
pub(super) fn is_free(area: &str, key: &str) -> bool {
    FREE_TABLES.contains(&(area, key))
}

/// Every key `area.key`, from the defaults, which have them all.
pub(super) fn all(defaults: &Table) -> Vec<(String, String)> {
    let areas = defaults.iter().filter_map(|(area, value)| Some((area, value.as_table()?)));
    areas.flat_map(|(area, keys)| keys.keys().map(move |key| (area.clone(), key.clone()))).collect()
}

/// The variable that sets a key.
pub(super) fn variable(area: &str, key: &str) -> String {
    format!("{}{}__{}", super::load::ENV_PREFIX, area.to_uppercase(), key.to_uppercase())
}

/// ` (did you mean …?)` with the candidate that looks most like `name`; empty when none does.
pub(super) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let alike = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    match alike.filter(|(likeness, _)| *likeness > 0.75).max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((_, nearest)) => format!(" (did you mean {nearest}?)"),
        None => String::new(),
    }
}

/// What a value of TOML is called in messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a point",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
