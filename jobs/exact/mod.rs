//! Exact reads: figures that equal the calls at the instant at which they are read.
//!
//! One statement takes clean buckets from the roll-ups and counts marked ones
//! live, in one snapshot. A call and its mark commit together, and a recomputed
//! bucket and the end of its marks do, so whatever snapshot is taken, each change
//! is either in the stored figures or marked, never neither.
//!
//! Where more is marked than may be counted live, the stored figures are given
//! instead, and the reading says so.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgExecutor;
use tallyline_history::COUNTERS;
use uuid::Uuid;

/// Sizes of bucket that can be read, in the tenant's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    Hour,
    Day,
    Month,
}

impl Grain {
    /// The word for it in the column `grain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Grain::Hour => "hour",
            Grain::Day => "day",
            Grain::Month => "month",
        }
    }
}

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub user_id: Uuid,
    pub grain: Grain,
    /// Buckets that start at this instant or later …
    pub from: DateTime<Utc>,
    /// … and before this one.
    pub to: DateTime<Utc>,
    /// A row an agent instead of one for all of the tenant's agents together.
    pub by_agent: bool,
    /// Percentiles and distinct contacts too; costs a look at quarters or days.
    pub with_sets: bool,
    /// Marked quarters that may be counted live; beyond, stored figures are read.
    pub at_most_marked: i32,
}

/// What was read, all of one snapshot.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The database's clock.
    pub as_of: DateTime<Utc>,
    /// Whether the figures equal the calls at `as_of`. If not, they are stored ones.
    pub fresh: bool,
    /// Zero when fresh; else the age of the tenant's oldest mark.
    pub lag_seconds: f64,
    /// Oldest first; a bucket without calls is absent.
    pub rows: Vec<Figures>,
}

/// A bucket, of an agent or of the whole tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// None for all agents together.
    pub agent_id: Option<Uuid>,
    pub bucket_start: DateTime<Utc>,
    pub bucket_end: DateTime<Utc>,
    /// Local date; of a month its first day.
    pub date: NaiveDate,
    /// Local hour, of hours only.
    pub hour: Option<i32>,
    /// In the order of [`COUNTERS`].
    pub counters: Vec<i64>,
    /// Percentiles of the conversations longer than 0 s, in seconds; none without one or when not asked for.
    pub duration_p50: Option<i32>,
    pub duration_p95: Option<i32>,
    pub duration_p99: Option<i32>,
    /// Different contacts; none when not asked for.
    pub distinct_contacts: Option<i32>,
}

impl Figures {
    /// A counter by the name of its column; none for a name that is no counter.
    pub fn counter(&self, name: &str) -> Option<i64> {
        let position = COUNTERS.iter().position(|counter| *counter == name)?;
        self.counters.get(position).copied()
    }
}

/// Reads exactly. To read several things of one instant, give it a connection
/// inside a REPEATABLE READ transaction.
///
/// # Errors
/// When the database cannot be asked.
pub async fn read(executor: impl PgExecutor<'_>, question: &Question) -> Result<Reading, sqlx::Error> {
    let rows = sqlx::query_file!(
        "../sql/exact/read.sql",
        question.user_id,
        question.grain.as_str(),
        question.from,
        question.to,
        question.by_agent,
        question.with_sets,
        question.at_most_marked
    )
    .fetch_all(executor)
    .await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let (as_of, fresh, lag_seconds) = (first.as_of, first.fresh, first.lag_seconds);
    let mut figures: Vec<Figures> = rows
        .into_iter()
        .filter_map(|row| {
            Some(Figures {
                agent_id: row.agent_id,
                bucket_start: row.bucket_start?,
                bucket_end: row.bucket_end?,
                date: row.date?,
                hour: row.hour,
                counters: row.counters?,
                duration_p50: row.duration_p50,
                duration_p95: row.duration_p95,
                duration_p99: row.duration_p99,
                distinct_contacts: row.distinct_contacts,
            })
        })
        .collect();
    figures.sort_by_key(|f| (f.bucket_start, f.agent_id));
    Ok(Reading { as_of, fresh, lag_seconds, rows: figures })
}
