//! Service metrics beyond the status: PostgreSQL itself, verification, schedules.

use std::collections::HashSet;

use ::metrics::{counter, gauge};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tallyline_queue::Cron;

use super::names;
use super::service::labelled;

/// Names of `audit_differences.tier`; null is the ledger.
const TIERS: [&str; 5] = ["quarter", "hour", "day", "month", "money"];

/// Fires that are looked ahead for the longest interval: a week of a daily
/// schedule, the weekend of one of working days.
const FIRES_AHEAD: usize = 8;

/// Figures that are read as often as the status.
pub(super) struct Server {
    row: ServerRow,
    differences: [i64; TIERS.len()],
    last_full_verify: Option<f64>,
}

struct ServerRow {
    oldest_seconds: Option<f64>,
    active: i64,
    idle: i64,
    idle_in_transaction: i64,
    other: i64,
    max_sessions: f64,
    size_bytes: f64,
    committed: i64,
    rolled_back: i64,
    blocks_cached: i64,
    blocks_read: i64,
    deadlocks: i64,
    temp_bytes: i64,
    wal_bytes: i64,
}

/// Reads PostgreSQL's figures and what verification found.
pub(super) async fn read_server(pool: &PgPool) -> Result<Server, sqlx::Error> {
    let row = sqlx::query_file_as!(ServerRow, "sql/telemetry/database.sql").fetch_one(pool).await?;
    let found = sqlx::query_file!("sql/telemetry/differences.sql").fetch_all(pool).await?;
    let last_full_verify = sqlx::query_file_scalar!("sql/telemetry/last_full_verify.sql").fetch_optional(pool).await?;
    let mut differences = [0; TIERS.len()];
    for row in found {
        let tier = row.tier.map_or(TIERS.len() - 1, |tier| usize::from(tier.unsigned_abs()));
        if let Some(count) = differences.get_mut(tier) {
            *count += row.differences;
        }
    }
    Ok(Server { row, differences, last_full_verify })
}

impl Server {
    pub(super) fn export(&self) {
        for (tier, found) in TIERS.into_iter().zip(self.differences) {
            gauge!(names::RECENT_DIFFERENCES, "tier" => tier).set(found as f64);
        }
        if let Some(at) = self.last_full_verify {
            gauge!(names::LAST_FULL_VERIFY).set(at);
        }
        let row = &self.row;
        gauge!(names::DB_OLDEST_TRANSACTION).set(row.oldest_seconds.unwrap_or(0.0).max(0.0));
        let sessions = [
            ("active", row.active),
            ("idle", row.idle),
            ("idle_in_transaction", row.idle_in_transaction),
            ("other", row.other),
        ];
        for (state, count) in sessions {
            gauge!(names::DB_SESSIONS, "state" => state).set(count as f64);
        }
        gauge!(names::DB_MAX_SESSIONS).set(row.max_sessions);
        gauge!(names::DB_SIZE).set(row.size_bytes);
        let total = i64::unsigned_abs;
        counter!(names::DB_TRANSACTIONS, "outcome" => "committed").absolute(total(row.committed));
        counter!(names::DB_TRANSACTIONS, "outcome" => "rolled_back").absolute(total(row.rolled_back));
        counter!(names::DB_BLOCKS, "source" => "cache").absolute(total(row.blocks_cached));
        counter!(names::DB_BLOCKS, "source" => "disk").absolute(total(row.blocks_read));
        counter!(names::DB_DEADLOCKS).absolute(total(row.deadlocks));
        counter!(names::DB_TEMP_BYTES).absolute(total(row.temp_bytes));
        counter!(names::DB_WAL_BYTES).absolute(total(row.wal_bytes));
    }
}

/// A schedule's name, last success (Unix time) and longest interval (seconds).
pub(super) struct Schedule {
    name: String,
    success: f64,
    interval: Option<f64>,
}

/// Reads when schedules last succeeded. Costs more than the status: ask seldom.
pub(super) async fn read_schedules(pool: &PgPool) -> Result<Vec<Schedule>, sqlx::Error> {
    let rows = sqlx::query_file!("sql/telemetry/schedules.sql").fetch_all(pool).await?;
    let now: DateTime<Utc> = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Schedule {
            name: row.name,
            success: row.success,
            // Of another version's expression that this one cannot read nothing is known.
            interval: Cron::parse(&row.cron, &row.timezone).ok().and_then(|cron| longest_interval(&cron, now)),
        })
        .collect())
}

fn longest_interval(cron: &Cron, now: DateTime<Utc>) -> Option<f64> {
    let fires: Vec<_> = cron.fires(now, now + TimeDelta::days(5 * 366)).take(FIRES_AHEAD).collect();
    fires.windows(2).filter_map(|pair| Some((*pair.get(1)? - *pair.first()?).as_seconds_f64())).max_by(f64::total_cmp)
}

pub(super) fn export_schedules(schedules: &[Schedule], known: &mut HashSet<String>) {
    let intervals = schedules.iter().map(|s| (&s.name, s.interval.unwrap_or(0.0)));
    labelled(names::SCHEDULE_INTERVAL, "schedule", &mut known.clone(), intervals);
    labelled(names::SCHEDULE_SUCCESS, "schedule", known, schedules.iter().map(|s| (&s.name, s.success)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_longest_of_those_to_come() {
        let friday: DateTime<Utc> = "2026-01-02T12:00:00Z".parse().unwrap();
        let hours = |cron: &str| longest_interval(&Cron::parse(cron, "UTC").unwrap(), friday).map(|s| s / 3600.0);
        assert_eq!(hours("*/15 * * * *"), Some(0.25));
        assert_eq!(hours("30 2 * * *"), Some(24.0));
        assert_eq!(hours("0 9 * * 1-5"), Some(72.0), "over the weekend");
        assert_eq!(hours("0 0 30 2 *"), None, "never");
    }
}
