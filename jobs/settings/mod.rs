//! Run-time settings of the platform: rows of `public.system_config`, typed here.
//!
//! `config.toml` says how a process runs; these say how the platform behaves, are
//! the same for every process, and are read again every few seconds. A value that
//! cannot be used changes nothing: the one before it stays in force, and the row is
//! named in the log and in `tallyline settings list`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How old a process' view of the settings may be.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(5);
/// Reading them takes no longer.
const RELOAD_DEADLINE: Duration = Duration::from_secs(20);

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// First balance of a new tenant, in credits.
    pub new_user_bonus_credits: i64,
    /// Pulse by which a new tenant is charged, in seconds.
    pub billing_pulse_seconds: i32,
    /// Price of a minute for a new tenant, in micro-credits.
    pub credits_per_minute_micros: i64,
    /// Days from a call to its follow-up where the analysis names no time.
    pub follow_up_default_days: i32,
    /// Local hour (0 to 23) from which a day's follow-ups are reminded of.
    pub follow_up_reminder_hour: i32,
    /// Balances that are told of, in credits, at most three. The database reads this
    /// one itself (`tally.low_credit_levels`), since every charge looks at it.
    pub low_credit_levels: Vec<i64>,
    /// Hours after which somebody must sign in again.
    pub session_duration_hours: i32,
    /// Failed sign-ins from one network to one account before it is shut out.
    pub max_login_attempts: i32,
    /// Minutes that failures count.
    pub lockout_duration_minutes: i32,
    /// Fewest characters of a new password.
    pub password_min_length: i32,
    /// Hours that a link for setting a password is good.
    pub password_reset_token_expiry_hours: i32,
}

/// One setting: what it is called, what it means, how its text is read.
pub struct Spec {
    /// `config_key` of its row.
    pub key: &'static str,
    /// The value in force without a row.
    pub default: &'static str,
    pub description: &'static str,
    read: fn(&mut Settings, &str) -> Result<(), Unusable>,
}

/// Every setting, one entry each.
pub static SPECS: &[Spec] = &[
    Spec {
        key: "new_user_bonus_credits",
        default: "15",
        description: "credits that a new tenant begins with",
        read: |settings, text| whole(text, 0..=1_000_000).map(|value| settings.new_user_bonus_credits = value),
    },
    Spec {
        key: "billing_pulse_seconds",
        default: "60",
        description: "seconds of a billing pulse, for new tenants",
        read: |settings, text| whole(text, 1..=3600).map(|value| settings.billing_pulse_seconds = value),
    },
    Spec {
        key: "credits_per_minute",
        default: "1",
        description: "credits for a minute of conversation, for new tenants; up to six decimals",
        read: |settings, text| micros(text, 0..=1_000_000_000).map(|value| settings.credits_per_minute_micros = value),
    },
    Spec {
        key: "follow_up_default_days",
        default: "1",
        description: "days from a call to the follow-up that its analysis asks for without a date",
        read: |settings, text| whole(text, 0..=365).map(|value| settings.follow_up_default_days = value),
    },
    Spec {
        key: "follow_up_reminder_hour",
        default: "9",
        description: "hour of the tenant's clock from which a day's follow-ups are reminded of",
        read: |settings, text| whole(text, 0..=23).map(|value| settings.follow_up_reminder_hour = value),
    },
    Spec {
        key: "low_credit_levels",
        default: "15,5,0",
        description: "up to three balances in whole credits that a tenant is told of; empty: none",
        read: |settings, text| levels(text).map(|value| settings.low_credit_levels = value),
    },
    Spec {
        key: "session_duration_hours",
        default: "24",
        description: "hours after which somebody must sign in again",
        read: |settings, text| whole(text, 1..=720).map(|value| settings.session_duration_hours = value),
    },
    Spec {
        key: "max_login_attempts",
        default: "5",
        description: "failed sign-ins from one network to one account before it is shut out",
        read: |settings, text| whole(text, 3..=100).map(|value| settings.max_login_attempts = value),
    },
    Spec {
        key: "lockout_duration_minutes",
        default: "30",
        description: "minutes that failed sign-ins count",
        read: |settings, text| whole(text, 1..=1440).map(|value| settings.lockout_duration_minutes = value),
    },
    Spec {
        key: "password_min_length",
        default: "12",
        description: "fewest characters of a new password",
        read: |settings, text| whole(text, 8..=128).map(|value| settings.password_min_length = value),
    },
    Spec {
        key: "password_reset_token_expiry_hours",
        default: "1",
        description: "hours that a link for setting a password is good",
        read: |settings, text| whole(text, 1..=168).map(|value| settings.password_reset_token_expiry_hours = value),
    },
];

/// Rows that jobs keep for themselves: when the KPI view was refreshed, how far the
/// verification has come.
const NOTES: [&str; 3] = ["last_kpi_refresh", "audit_cursor", "last_full_verify"];

/// Why a text is no value of its setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("must be a whole number from {0} to {1}")]
    NotInRange(i64, i64),
    #[error("must be a number with at most six decimals, from {0} to {1} millionths")]
    NotMicros(i64, i64),
    #[error("must be up to three whole numbers of at most nine digits with commas between them")]
    NotLevels,
    #[error("there is no setting of this name")]
    Unknown,
    #[error("is marked as encrypted, which no setting is")]
    Encrypted,
}

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self {
            new_user_bonus_credits: 0,
            billing_pulse_seconds: 0,
            credits_per_minute_micros: 0,
            follow_up_default_days: 0,
            follow_up_reminder_hour: 0,
            low_credit_levels: Vec::new(),
            session_duration_hours: 0,
            max_login_attempts: 0,
            lockout_duration_minutes: 0,
            password_min_length: 0,
            password_reset_token_expiry_hours: 0,
        };
        for spec in SPECS {
            let read = (spec.read)(&mut settings, spec.default);
            debug_assert!(read.is_ok(), "the default of {} is unusable", spec.key);
        }
        settings
    }
}

impl Settings {
    /// Takes `text` as the value of `key`; unchanged when it is unusable.
    ///
    /// # Errors
    /// When there is no such setting, or the text is no value of it.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), Unusable> {
        let spec = SPECS.iter().find(|spec| spec.key == key).ok_or(Unusable::Unknown)?;
        (spec.read)(self, text.trim())
    }
}

fn whole<T: TryFrom<i64>>(text: &str, range: RangeInclusive<i64>) -> Result<T, Unusable> {
    let refused = Unusable::NotInRange(*range.start(), *range.end());
    let value: i64 = text.parse().map_err(|_| refused.clone())?;
    if range.contains(&value) { T::try_from(value).map_err(|_| refused) } else { Err(refused) }
}

/// The same texts that `tally.low_credit_levels` takes; highest first.
fn levels(text: &str) -> Result<Vec<i64>, Unusable> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let level = |part: &str| {
        let digits = part.strip_prefix('-').unwrap_or(part);
        let is_whole = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole { part.parse().map_err(|_| Unusable::NotLevels) } else { Err(Unusable::NotLevels) }
    };
    let mut levels = text.split(',').map(|part| level(part.trim())).collect::<Result<Vec<i64>, _>>()?;
    levels.sort_unstable_by(|a, b| b.cmp(a));
    levels.dedup();
    if text.split(',').count() <= 3 { Ok(levels) } else { Err(Unusable::NotLevels) }
}

/// A decimal number in millionths; more than six decimals would be rounded, so they are refused.
fn micros(text: &str, range: RangeInclusive<i64>) -> Result<i64, Unusable> {
    let refused = || Unusable::NotMicros(*range.start(), *range.end());
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || part.len() > 6 || !digits(whole) || !digits(part) {
        return Err(refused());
    }
    let value: i64 = format!("{whole}{part:0<6}").parse().map_err(|_| refused())?;
    if range.contains(&value) { Ok(value) } else { Err(refused()) }
}

/// A row that is not in force, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub key: String,
    pub reason: Unusable,
}

/// The rows of the table applied to `settings`, which keeps its value where a row is
/// unusable; settings without a row get their default.
///
/// # Errors
/// When the table cannot be read.
pub async fn read(pool: &PgPool, last: &Settings) -> Result<(Settings, Vec<Rejected>), sqlx::Error> {
    let rows = sqlx::query_file!("../sql/settings/list.sql").fetch_all(pool).await?;
    let mut given: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| !NOTES.contains(&row.config_key.as_str())) {
        given.insert(row.config_key, (row.config_value, row.is_encrypted));
    }
    let mut settings = last.clone();
    let mut rejected = Vec::new();
    for spec in SPECS.iter().filter(|spec| !given.contains_key(spec.key)) {
        let read = (spec.read)(&mut settings, spec.default);
        debug_assert!(read.is_ok(), "the default of {} is unusable", spec.key);
    }
    for (key, (text, is_encrypted)) in given {
        let taken = if is_encrypted { Err(Unusable::Encrypted) } else { settings.set(&key, &text) };
        if let Err(reason) = taken {
            rejected.push(Rejected { key, reason });
        }
    }
    Ok((settings, rejected))
}

/// The settings of a process: read from anywhere, replaced by [`watch`].
#[derive(Debug, Clone, Default)]
pub struct SettingsHandle(Arc<RwLock<Arc<Settings>>>);

impl SettingsHandle {
    /// Starts with what the table says now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn load(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let handle = Self::default();
        handle.reload(pool).await?;
        Ok(handle)
    }

    /// The settings in force. Take it once for one piece of work.
    pub fn current(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the table again; returns the rows that are not in force.
    ///
    /// # Errors
    /// When the table cannot be read; what was in force stays so.
    pub async fn reload(&self, pool: &PgPool) -> Result<Vec<Rejected>, sqlx::Error> {
        let last = self.current();
        let (settings, rejected) = read(pool, &last).await?;
        if settings != *last {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
            tracing::info!("run-time settings have changed");
        }
        metrics::gauge!("tallyline_settings_rejected").set(rejected.len() as f64);
        Ok(rejected)
    }
}

/// Keeps `handle` true until `stop`.
pub async fn watch(pool: PgPool, handle: SettingsHandle, stop: CancellationToken) {
    let mut known = Vec::new();
    let mut ticks = tokio::time::interval(RELOAD_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        // What never comes is not waited for: the connection is dead.
        let Ok(reloaded) = tokio::time::timeout(RELOAD_DEADLINE, handle.reload(&pool)).await else { continue };
        match reloaded {
            Ok(rejected) => {
                // Said once, not every few seconds.
                for row in rejected.iter().filter(|row| !known.contains(*row)) {
                    tracing::warn!(key = %row.key, reason = %row.reason, "a setting cannot be used and is ignored");
                }
                known = rejected;
            }
            Err(error) => tracing::debug!(%error, "the settings could not be read again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_usable_and_every_key_is_named_once() {
        let mut keys: Vec<&str> = SPECS.iter().map(|spec| spec.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), SPECS.len());
        for spec in SPECS {
            assert_eq!(Settings::default().set(spec.key, spec.default), Ok(()), "{}", spec.key);
        }
    }

    #[test]
    fn an_unusable_text_changes_nothing() {
        let mut settings = Settings::default();
        for (key, text) in [
            ("billing_pulse_seconds", "0"),
            ("billing_pulse_seconds", "sixty"),
            ("credits_per_minute", "0.0000001"),
            ("credits_per_minute", "-1"),
            ("credits_per_minute", "1e3"),
            ("follow_up_reminder_hour", "24"),
            ("follow_up_default_days", "-1"),
            ("low_credit_levels", "15,5,0,-5"),
            ("low_credit_levels", "15,,0"),
            ("low_credit_levels", "1.5"),
            ("no_such_key", "1"),
        ] {
            assert!(settings.set(key, text).is_err(), "{key} {text}");
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn levels_are_sorted_and_may_be_none() {
        let mut settings = Settings::default();
        assert_eq!(settings.low_credit_levels, [15, 5, 0]);
        for (text, levels) in [("0, 12", vec![12, 0]), ("-5", vec![-5]), ("", vec![]), ("3,3", vec![3])] {
            settings.set("low_credit_levels", text).unwrap();
            assert_eq!(settings.low_credit_levels, levels, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        let mut settings = Settings::default();
        for (text, micros) in [("1", 1_000_000), ("0.333333", 333_333), (" 2.5 ", 2_500_000), ("0", 0)] {
            settings.set("credits_per_minute", text).unwrap();
            assert_eq!(settings.credits_per_minute_micros, micros, "{text}");
        }
    }
}
