//! What a page needs, read from the roll-ups: cost is independent of the number
//! of calls.
//!
//! Figures are read as `tallyline_api` inside the tenant's own transaction, so
//! row-level security stands behind every WHERE. The calendar, the marks and
//! the inbox belong to schema `tally`, which that role cannot see; they are read
//! by the pool's own role.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::TryStreamExt as _;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::breakdown::{self, Breakdown};
use super::figures::Figures;
use super::trends::{self, CachedTrends};

/// Tenants that the picker lists at most.
const MAX_LISTED_TENANTS: i64 = 500;
/// Waiting rows are counted up to this; more would cost more than it tells.
pub const MAX_COUNTED: i64 = 100_000;

/// A line of the picker.
#[derive(Debug)]
pub struct TenantName {
    pub id: Uuid,
    pub name: String,
    pub is_active: bool,
}

/// The tenant itself.
#[derive(Debug)]
pub struct Tenant {
    pub id: Uuid,
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// Balance in micro-credits.
    pub credits_micros: i64,
}

/// How far the figures lag behind what was received.
#[derive(Debug)]
pub struct Freshness {
    /// The database's clock when this was read, before the figures were.
    pub now: DateTime<Utc>,
    /// Events of the inbox that no call shows yet, counted up to [`MAX_COUNTED`] + 1.
    pub waiting_events: i64,
    pub oldest_event_at: Option<DateTime<Utc>>,
    /// Changes that no figure shows yet, counted up to [`MAX_COUNTED`] + 1.
    pub marks: i64,
    pub oldest_mark_at: Option<DateTime<Utc>>,
    pub quarantined: i64,
}

impl Freshness {
    /// Everything acknowledged before this instant is in the figures, unless it
    /// is in quarantine.
    pub fn complete_until(&self) -> DateTime<Utc> {
        [self.oldest_event_at, self.oldest_mark_at].into_iter().flatten().fold(self.now, Ord::min)
    }

    /// Zero when nothing waits.
    pub fn lag(&self) -> TimeDelta {
        self.now - self.complete_until()
    }

    pub fn is_complete(&self) -> bool {
        self.oldest_event_at.is_none() && self.oldest_mark_at.is_none()
    }
}

/// A local day with its figures; zeros where no roll-up row exists.
#[derive(Debug)]
pub struct Day {
    pub date: NaiveDate,
    pub figures: Figures,
    /// Different contacts of the day; none without a row.
    pub contacts: Option<i64>,
}

/// How talk time spreads over the calls of a period that had any, and with how
/// many different contacts they were. Exact; none where there is nothing to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    pub contacts: Option<i64>,
    /// Half, 95 and 99 of a hundred calls talked no longer than this, in seconds.
    pub percentiles: Option<[i32; 3]>,
}

/// A local hour of the last day.
#[derive(Debug)]
pub struct Hour {
    pub start: DateTime<Utc>,
    /// The hour of the wall clock, 0 to 23; repeats where the clock goes back.
    pub hour: i32,
    pub figures: Figures,
}

/// An agent over the period; no name when the agent was deleted.
#[derive(Debug)]
pub struct Agent {
    pub name: Option<String>,
    pub figures: Figures,
}

/// Everything that one page shows.
#[derive(Debug)]
pub struct Page {
    pub tenant: Tenant,
    /// Whose figures they are; none: all agents'.
    pub agent: Option<Uuid>,
    pub zone: String,
    pub freshness: Freshness,
    /// Oldest first.
    pub days: Vec<Day>,
    /// Whether the last of them is not over yet.
    pub is_open: bool,
    pub previous_from: NaiveDate,
    pub previous_until: NaiveDate,
    pub total: Figures,
    pub previous: Figures,
    pub hours: Vec<Hour>,
    /// Most calls first.
    pub agents: Vec<Agent>,
    pub spread: Spread,
    pub previous_spread: Spread,
    pub breakdown: Breakdown,
    /// None: never computed.
    pub trends: Option<CachedTrends>,
}

#[derive(Debug)]
struct Row {
    part: String,
    bucket_start: Option<DateTime<Utc>>,
    agent_name: Option<String>,
    calls: i64,
    answered: i64,
    voicemail: i64,
    no_answer: i64,
    busy: i64,
    failed: i64,
    cancelled: i64,
    in_progress: i64,
    minutes: i64,
    talk_seconds: i64,
    leads: i64,
    qualified_leads: i64,
    credits_micros: i64,
    cost_micros: i64,
    contacts: Option<i64>,
    p50_seconds: Option<i32>,
    p95_seconds: Option<i32>,
    p99_seconds: Option<i32>,
    contact_ids: Option<Vec<Uuid>>,
}

impl Row {
    fn figures(&self) -> Figures {
        Figures {
            calls: self.calls,
            outcomes: [
                self.answered,
                self.voicemail,
                self.no_answer,
                self.busy,
                self.failed,
                self.cancelled,
                self.in_progress,
            ],
            minutes: self.minutes,
            talk_seconds: self.talk_seconds,
            leads: self.leads,
            qualified_leads: self.qualified_leads,
            credits_micros: self.credits_micros,
            cost_micros: self.cost_micros,
        }
    }

    fn percentiles(&self) -> Option<[i32; 3]> {
        let percentiles = self.p50_seconds.zip(self.p95_seconds).zip(self.p99_seconds);
        percentiles.map(|((p50, p95), p99)| [p50, p95, p99])
    }
}

#[derive(Debug)]
struct Bucket {
    date: NaiveDate,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// The first tenants by name.
///
/// # Errors
/// When the database cannot be asked; likewise below.
pub async fn tenants(pool: &PgPool) -> Result<Vec<TenantName>, sqlx::Error> {
    sqlx::query_file_as!(TenantName, "sql/dashboard/tenants.sql", MAX_LISTED_TENANTS).fetch_all(pool).await
}

/// The days that a page is about, as days of the tenant's zone.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// The last so many, today included.
    Last(u16),
    /// Both included.
    Dates(NaiveDate, NaiveDate),
}

/// The page of one tenant over some days, of one agent or all; `None` when there is no
/// such tenant, or its calendar has none of the days.
pub async fn page(pool: &PgPool, user_id: Uuid, span: Span, agent: Option<Uuid>) -> Result<Option<Page>, sqlx::Error> {
    let Some(zone) = sqlx::query_file_scalar!("sql/dashboard/zone.sql", user_id).fetch_optional(pool).await? else {
        return Ok(None);
    };
    // Before the figures: what was complete then is still complete below.
    let freshness = freshness(pool, user_id).await?;
    let freshness_now = freshness.now;
    let (buckets, middle) = days(pool, &zone, span).await?;
    // The last day, which is today where the span does not end before.
    let (Some(first), Some(period), Some(today)) = (buckets.first(), buckets.get(middle), buckets.last()) else {
        return Ok(None);
    };
    let hour_buckets =
        sqlx::query_file!("sql/dashboard/hours.sql", zone, today.start, today.end).fetch_all(pool).await?;

    let mut tx = tallyline_db::pool::tenant_tx(pool, user_id).await?;
    let tenant = sqlx::query_file_as!(Tenant, "sql/dashboard/tenant.sql", user_id).fetch_optional(&mut *tx).await?;
    let (rows, [contacts, contacts_before]) =
        figures(&mut tx, user_id, agent, [first.start, period.start, today.end, today.start]).await?;
    let breakdown = breakdown::read(&mut tx, user_id, period.start, today.end, agent).await?;
    // Trends are of the tenant as a whole.
    let trends = if agent.is_none() { trends::read(&mut tx, user_id).await? } else { None };
    tx.commit().await?;
    let Some(tenant) = tenant else { return Ok(None) };

    let by_day = by_start(&rows, "day");
    let by_hour = by_start(&rows, "hour");
    let mut all_days: Vec<Day> = buckets
        .iter()
        .map(|b| {
            let row = by_day.get(&b.start);
            Day {
                date: b.date,
                figures: row.map(|r| r.figures()).unwrap_or_default(),
                contacts: row.and_then(|r| r.contacts),
            }
        })
        .collect();
    let period_days = all_days.split_off(middle);
    let hours = hour_buckets
        .into_iter()
        .map(|h| Hour {
            start: h.bucket_start,
            hour: h.hour,
            figures: by_hour.get(&h.bucket_start).map(|r| r.figures()).unwrap_or_default(),
        })
        .collect();
    Ok(Some(Page {
        tenant,
        agent,
        zone,
        freshness,
        is_open: freshness_now < today.end,
        previous_from: first.date,
        previous_until: all_days.last().map_or(first.date, |d| d.date),
        total: period_days.iter().map(|d| d.figures).sum(),
        previous: all_days.iter().map(|d| d.figures).sum(),
        days: period_days,
        hours,
        agents: agents(&rows),
        spread: spread(&rows, "now", contacts),
        previous_spread: spread(&rows, "before", contacts_before),
        breakdown,
        trends,
    }))
}

/// The rows of figures.sql or, for an agent, agent_figures.sql, and how many different
/// contacts the period and the one before it had. `instants`: begin of the period before,
/// of the period, end of today, begin of today.
async fn figures(
    conn: &mut PgConnection,
    user_id: Uuid,
    agent: Option<Uuid>,
    [previous, period, end, today]: [DateTime<Utc>; 4],
) -> Result<(Vec<Row>, [Option<i64>; 2]), sqlx::Error> {
    let mut found = match agent {
        None => {
            sqlx::query_file_as!(Row, "sql/dashboard/figures.sql", user_id, previous, period, end, today).fetch(conn)
        }
        Some(agent) => {
            sqlx::query_file_as!(Row, "sql/dashboard/agent_figures.sql", user_id, previous, period, end, today, agent)
                .fetch(conn)
        }
    };
    // Sets of a day at a time: together they may be many times their union.
    let (mut rows, mut now, mut before) = (Vec::new(), HashSet::new(), HashSet::new());
    while let Some(mut row) = found.try_next().await? {
        let is_now = row.bucket_start.is_some_and(|start| start >= period);
        let contacts = if is_now { &mut now } else { &mut before };
        contacts.extend(row.contact_ids.take().unwrap_or_default());
        rows.push(row);
    }
    let count = |contacts: HashSet<Uuid>| i64::try_from(contacts.len()).ok().filter(|count| *count > 0);
    Ok((rows, [count(now), count(before)]))
}

fn by_start<'a>(rows: &'a [Row], part: &str) -> BTreeMap<DateTime<Utc>, &'a Row> {
    rows.iter().filter(|r| r.part == part).filter_map(|r| Some((r.bucket_start?, r))).collect()
}

fn spread(rows: &[Row], period: &str, contacts: Option<i64>) -> Spread {
    let row = rows.iter().find(|r| r.part == "spread" && r.agent_name.as_deref() == Some(period));
    Spread { contacts, percentiles: row.and_then(Row::percentiles) }
}

/// How far the figures of a tenant lag.
///
/// # Errors
/// When the database cannot be asked.
pub async fn freshness(pool: &PgPool, user_id: Uuid) -> Result<Freshness, sqlx::Error> {
    sqlx::query_file_as!(Freshness, "sql/dashboard/freshness.sql", user_id, MAX_COUNTED + 1).fetch_one(pool).await
}

/// The days of the span and as many before it, oldest first, and the place of the first of the span.
async fn days(pool: &PgPool, zone: &str, span: Span) -> Result<(Vec<Bucket>, usize), sqlx::Error> {
    let mut buckets = match span {
        Span::Last(count) => {
            sqlx::query_file_as!(Bucket, "sql/dashboard/days.sql", zone, i64::from(count) * 2).fetch_all(pool).await?
        }
        Span::Dates(from, to) => {
            let before = from - (to - from) - TimeDelta::days(1);
            sqlx::query_file_as!(Bucket, "sql/dashboard/days_between.sql", zone, before, to).fetch_all(pool).await?
        }
    };
    buckets.reverse();
    let middle = match span {
        Span::Last(count) => buckets.len().saturating_sub(usize::from(count)),
        Span::Dates(from, _) => buckets.partition_point(|bucket| bucket.date < from),
    };
    Ok((buckets, middle))
}

fn agents(rows: &[Row]) -> Vec<Agent> {
    let of_agents = rows.iter().filter(|r| r.part == "agent");
    let mut agents: Vec<Agent> =
        of_agents.map(|r| Agent { name: r.agent_name.clone(), figures: r.figures() }).collect();
    agents.sort_by(|a, b| b.figures.calls.cmp(&a.figures.calls).then_with(|| a.name.cmp(&b.name)));
    agents
}
