//! Reading JSON bodies that others wrote: strict about syntax, lenient about
//! fields. Numbers are handed out as the text that the sender wrote.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::exact::keep_exact;
use crate::reject::Reject;
use crate::time::{parse_instant, parse_recent};

/// Longest id that is stored; longer ones would not fit a unique index.
pub(crate) const MAX_ID_CHARS: usize = 128;

/// Deepest free-form value kept. A stored event nests it a few levels deeper,
/// and readers of JSON stop at 127.
const MAX_FREE_DEPTH: usize = 100;

/// What was wrong with single fields; each note once, sorted.
#[derive(Default)]
pub(crate) struct Flags(BTreeSet<String>);

impl Flags {
    pub(crate) fn add(&mut self, flag: impl Into<String>) {
        self.0.insert(flag.into());
    }

    pub(crate) fn bad_field(&mut self, path: &str) {
        self.add(format!("bad_field:{path}"));
    }

    pub(crate) fn into_sorted(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

/// One JSON object: its members by key, their values unread.
#[derive(Default)]
pub(crate) struct Object<'a> {
    path: &'static str,
    members: HashMap<String, &'a RawValue>,
    duplicate: Option<String>,
}

/// The members of a body, once its whole syntax has been checked.
pub(crate) fn read_body(body: &[u8]) -> Result<Object<'_>, Reject> {
    let text = std::str::from_utf8(body).map_err(|_| Reject::NotJson)?;
    // Unread values are only skimmed by serde_json: this pass is what refuses
    // lone surrogates, numbers out of range and deep nesting.
    serde_json::from_str::<WellFormed>(text).map_err(|_| Reject::NotJson)?;
    let start = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if !start.starts_with('{') {
        return Err(Reject::NotAnObject);
    }
    let object: Object<'_> = serde_json::from_str(text).map_err(|_| Reject::NotJson)?;
    Ok(object)
}

impl<'a> Object<'a> {
    /// A key that occurred twice.
    pub(crate) fn duplicate(&self) -> Option<&str> {
        self.duplicate.as_deref()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The value's own text; `None` if absent or null.
    fn raw(&self, key: &str) -> Option<&'a str> {
        let text = self.members.get(key)?.get();
        (text != "null").then_some(text)
    }

    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Non-blank text without NULs; anything but a string is flagged.
    pub(crate) fn text(&self, key: &str, flags: &mut Flags) -> Option<String> {
        match string_of(self.raw(key)?) {
            Some(text) => non_blank(text),
            None => {
                flags.bad_field(&self.path(key));
                None
            }
        }
    }

    /// As [`Object::text`], cut to `max_chars`, which is flagged.
    pub(crate) fn short_text(&self, key: &str, max_chars: usize, flags: &mut Flags) -> Option<String> {
        let text = self.text(key, flags)?;
        match text.char_indices().nth(max_chars) {
            None => Some(text),
            Some((cut, _)) => {
                flags.add(format!("truncated:{}", self.path(key)));
                Some(text[..cut].to_owned())
            }
        }
    }

    /// Text, or the JSON of an array or object, as some senders put turns here.
    pub(crate) fn text_or_json(&self, key: &str, flags: &mut Flags) -> Option<String> {
        match self.raw(key)?.as_bytes().first() {
            Some(b'[' | b'{') => {
                let value = self.free_value(key, flags)?;
                serde_json::to_string(&value).ok()
            }
            _ => self.text(key, flags),
        }
    }

    /// An id: text, or an integer's exact digits; UUIDs in lower case.
    pub(crate) fn id(&self, key: &str) -> Result<Option<String>, Reject> {
        let Some(raw) = self.raw(key) else {
            return Ok(None);
        };
        let text = match raw.as_bytes().first() {
            Some(b'"') => string_with_nuls(raw).ok_or(Reject::BadId)?,
            Some(b'0'..=b'9') if raw.bytes().all(|b| b.is_ascii_digit()) => raw.to_owned(),
            _ => return Err(Reject::BadId),
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        if text.contains('\0') || text.chars().nth(MAX_ID_CHARS).is_some() {
            return Err(Reject::BadId);
        }
        Ok(Some(fold_uuid(text)))
    }

    /// As [`Object::id`], but a bad one is flagged and dropped.
    pub(crate) fn lenient_id(&self, key: &str, flags: &mut Flags) -> Option<String> {
        self.id(key).unwrap_or_else(|_| {
            flags.bad_field(&self.path(key));
            None
        })
    }

    /// A number, or a string that holds one, through `read`; what `read` refuses
    /// is flagged. An empty string is absent.
    pub(crate) fn number<T>(&self, key: &str, flags: &mut Flags, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let raw = self.raw(key)?;
        let quoted = string_of(raw);
        let found = match quoted.as_deref() {
            Some(text) if text.trim().is_empty() => return None,
            Some(text) => read(text),
            None => read(raw),
        };
        if found.is_none() {
            flags.bad_field(&self.path(key));
        }
        found
    }

    /// `true` or `false`; their text and yes or no are taken too, in any case.
    pub(crate) fn boolean(&self, key: &str, flags: &mut Flags) -> Option<bool> {
        let raw = self.raw(key)?;
        let text = string_of(raw).unwrap_or_else(|| raw.to_owned()).to_ascii_lowercase();
        match text.trim() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            "" | "null" => None,
            _ => {
                flags.bad_field(&self.path(key));
                None
            }
        }
    }

    /// An instant in a documented form.
    pub(crate) fn instant(&self, key: &str, flags: &mut Flags) -> Option<DateTime<Utc>> {
        self.instant_by(key, flags, parse_instant)
    }

    /// An instant that orders events, hence of a clock that was set.
    pub(crate) fn recent_instant(&self, key: &str, flags: &mut Flags) -> Option<DateTime<Utc>> {
        self.instant_by(key, flags, parse_recent)
    }

    fn instant_by(
        &self,
        key: &str,
        flags: &mut Flags,
        read: impl Fn(&str) -> Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        let raw = self.raw(key)?;
        let text = string_of(raw);
        if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
            return None;
        }
        let instant = text.as_deref().and_then(read);
        if instant.is_none() {
            flags.bad_field(&self.path(key));
        }
        instant
    }

    /// A nested object; `path` is how its fields are named in flags.
    pub(crate) fn object(&self, key: &str, path: &'static str, flags: &mut Flags) -> Option<Object<'a>> {
        let raw = self.raw(key)?;
        let found = raw.starts_with('{').then(|| serde_json::from_str::<Object<'a>>(raw));
        match found {
            Some(Ok(object)) => Some(Object { path, ..object }),
            _ if raw == "\"\"" => None,
            _ => {
                flags.bad_field(&self.path(key));
                None
            }
        }
    }

    /// The items of a list that are objects, at most `max` of them; a value that
    /// is no list, an item that is no object and a longer list are flagged.
    pub(crate) fn objects(&self, key: &str, path: &'static str, max: usize, flags: &mut Flags) -> Vec<Object<'a>> {
        let read = |raw: &'a str| {
            let object = raw.starts_with('{').then(|| serde_json::from_str::<Object<'a>>(raw).ok())??;
            Some(Object { path, ..object })
        };
        self.items(key, max, flags, read)
    }

    /// The same for texts, each cut to `max_chars`.
    pub(crate) fn texts(&self, key: &str, max: usize, max_chars: usize, flags: &mut Flags) -> Vec<String> {
        let read = |raw: &'a str| Some(non_blank(string_of(raw)?)?.chars().take(max_chars).collect());
        self.items(key, max, flags, read)
    }

    /// The same for numbers and strings that hold one.
    pub(crate) fn numbers<T>(
        &self,
        key: &str,
        max: usize,
        flags: &mut Flags,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        self.items(key, max, flags, |raw| read(string_of(raw).as_deref().unwrap_or(raw)))
    }

    fn items<T>(&self, key: &str, max: usize, flags: &mut Flags, read: impl Fn(&'a str) -> Option<T>) -> Vec<T> {
        let Some(raw) = self.raw(key) else {
            return Vec::new();
        };
        let Ok(items) = serde_json::from_str::<Vec<&'a RawValue>>(raw) else {
            if raw != "\"\"" {
                flags.bad_field(&self.path(key));
            }
            return Vec::new();
        };
        if items.len() > max {
            flags.add(format!("truncated:{}", self.path(key)));
        }
        let found: Vec<Option<T>> = items.iter().take(max).map(|item| read(item.get())).collect();
        if found.iter().any(Option::is_none) {
            flags.bad_field(&self.path(key));
        }
        found.into_iter().flatten().collect()
    }

    /// Names of the members, in order; blank ones, ones with a NUL and ones of
    /// more than `max_chars` are left out.
    pub(crate) fn names(&self, max_chars: usize) -> Vec<&str> {
        let usable =
            |name: &&str| !name.trim().is_empty() && !name.contains('\0') && name.chars().nth(max_chars).is_none();
        let mut names: Vec<&str> = self.members.keys().map(String::as_str).filter(usable).collect();
        names.sort_unstable();
        names
    }

    /// Whether the value is a number, or text.
    pub(crate) fn is_number(&self, key: &str) -> bool {
        self.raw(key).is_some_and(|raw| raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
    }

    /// The string behind `key`, unread by any rule but NULs; for JSON in a string.
    pub(crate) fn embedded(&self, key: &str) -> Option<String> {
        string_of(self.raw(key)?)
    }

    /// Any value, its NULs removed, numbers that nobody would read back as they are kept
    /// as text; empty ones are absent, too deep ones flagged.
    pub(crate) fn free_value(&self, key: &str, flags: &mut Flags) -> Option<Value> {
        let mut value: Value = serde_json::from_str(&keep_exact(self.raw(key)?)).ok()?;
        if depth(&value) > MAX_FREE_DEPTH {
            flags.add(format!("too_deep:{}", self.path(key)));
            return None;
        }
        strip_nuls(&mut value);
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        (!is_empty).then_some(value)
    }
}

/// Text without NULs, or nothing if only white space is left.
pub(crate) fn non_blank(mut text: String) -> Option<String> {
    if text.contains('\0') {
        text.retain(|c| c != '\0');
    }
    (!text.trim().is_empty()).then_some(text)
}

/// UUIDs compare without regard to case, other ids are opaque.
pub(crate) fn fold_uuid(mut text: String) -> String {
    if uuid::Uuid::try_parse(&text).is_ok() {
        text.make_ascii_lowercase();
    }
    text
}

fn string_with_nuls(raw: &str) -> Option<String> {
    raw.starts_with('"').then(|| serde_json::from_str(raw).ok())?
}

fn string_of(raw: &str) -> Option<String> {
    let mut text = string_with_nuls(raw)?;
    text.retain(|c| c != '\0');
    Some(text)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn strip_nuls(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(strip_nuls),
        Value::Object(members) => {
            if members.keys().any(|key| key.contains('\0')) {
                *members =
                    std::mem::take(members).into_iter().map(|(key, value)| (key.replace('\0', ""), value)).collect();
            }
            members.values_mut().for_each(strip_nuls);
        }
        _ => {}
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if object.duplicate.is_none() && object.members.contains_key(&key) {
                        object.duplicate = Some(key.clone());
                    }
                    object.members.insert(key, value);
                }
                Ok(object)
            }
        }
        from.deserialize_map(Members)
    }
}

/// Any JSON value, read in full and thrown away.
struct WellFormed;

impl<'de> Deserialize<'de> for WellFormed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WellFormed)
    }
}

impl<'de> Visitor<'de> for WellFormed {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<WellFormed>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<WellFormed, WellFormed>()?.is_some() {}
        Ok(self)
    }
}
