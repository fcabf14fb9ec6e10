//! What a backfill would do, and the one transaction that begins it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::{BackfillError, Method, Mode};

/// Calls of one unit at most, unless one local day has more: what a scan holds at once.
pub const UNIT_CALLS: i64 = 500_000;
/// A unit under a rate limit takes at most so many seconds of it.
const UNIT_SECONDS: i64 = 10;
/// Calls a second that a preview reckons with before any unit has been done here.
/// What a debug build did in `backfill_full` on two busy processors: rather too slow than too fast.
pub const ASSUMED_CALLS_PER_SECOND: f64 = 750.0;

/// What is asked for. The days are local days of each tenant, both included.
#[derive(Debug, Clone)]
pub struct Request {
    /// Only this tenant.
    pub tenant: Option<Uuid>,
    /// None: from the first call or row on.
    pub first_day: Option<NaiveDate>,
    /// None: up to the last call or row.
    pub last_day: Option<NaiveDate>,
    pub mode: Mode,
    /// None: marks for up to `short_calls` calls, else a scan.
    pub method: Option<Method>,
    /// See [`Self::method`].
    pub short_calls: i64,
    /// Over all processes; none: as fast as it goes.
    pub max_calls_per_second: Option<i32>,
    /// Why, for whoever looks at it later.
    pub reason: String,
}

/// What will be done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// Tenants with something to do.
    pub tenants: usize,
    pub days: i64,
    /// Quarters of an hour with calls.
    pub quarters: i64,
    pub calls: i64,
    pub units: usize,
    pub method: Method,
    pub estimated_seconds: f64,
    /// Whether the estimate rests on units done before, or on [`ASSUMED_CALLS_PER_SECOND`].
    pub estimate_is_measured: bool,
    /// Calls before or after the calendar, which no backfill reaches.
    pub calls_outside_calendar: i64,
}

/// A local day with something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    calls: i64,
    quarters: i64,
}

/// Units of one tenant in parallel arrays, as the statement takes them.
#[derive(Debug, Default)]
struct Units {
    from: Vec<DateTime<Utc>>,
    to: Vec<DateTime<Utc>>,
    days: Vec<i32>,
    calls: Vec<i64>,
}

/// The units of a tenant, and its months in the range.
struct TenantUnits {
    user_id: Uuid,
    units: Units,
    months: Vec<DateTime<Utc>>,
}

/// Tells what [`start`] would do. Writes nothing.
///
/// # Errors
/// When the tenant is unknown, and on database errors.
pub async fn preview(pool: &PgPool, request: &Request) -> Result<Plan, BackfillError> {
    Ok(plan(pool, request).await?.0)
}

/// A backfill that is planned and not begun.
pub struct Prepared<'a> {
    pub plan: Plan,
    request: &'a Request,
    tenants: Vec<TenantUnits>,
}

/// Plans a backfill. Counted before anything is written, so that no tenant's row is
/// held meanwhile.
///
/// # Errors
/// When the tenant is unknown, and on database errors.
pub async fn prepare<'a>(pool: &PgPool, request: &'a Request) -> Result<Prepared<'a>, BackfillError> {
    let (plan, tenants) = plan(pool, request).await?;
    Ok(Prepared { plan, request, tenants })
}

impl Prepared<'_> {
    /// Begins it in the caller's transaction: its units, and marks for the months (which
    /// are put together from their days and need no unit). Workers find it when that
    /// transaction has committed.
    ///
    /// # Errors
    /// On database errors.
    pub async fn begin(&self, tx: &mut PgConnection) -> Result<Uuid, BackfillError> {
        let request = self.request;
        let id = sqlx::query_file_scalar!(
            "../sql/backfill/insert_backfill.sql",
            request.tenant as Option<Uuid>,
            request.first_day as Option<NaiveDate>,
            request.last_day as Option<NaiveDate>,
            request.mode.as_str(),
            self.plan.method.as_str(),
            request.max_calls_per_second as Option<i32>,
            request.reason
        )
        .fetch_one(&mut *tx)
        .await?;
        for tenant in &self.tenants {
            insert(tx, id, tenant).await?;
        }
        Ok(id)
    }
}

/// Plans a backfill and begins it.
///
/// # Errors
/// When the tenant is unknown, and on database errors; nothing has happened then.
pub async fn start(pool: &PgPool, request: &Request) -> Result<(Uuid, Plan), BackfillError> {
    let prepared = prepare(pool, request).await?;
    let mut tx = pool.begin().await?;
    let id = prepared.begin(&mut tx).await?;
    tx.commit().await?;
    Ok((id, prepared.plan))
}

async fn insert(tx: &mut PgConnection, backfill: Uuid, tenant: &TenantUnits) -> Result<(), BackfillError> {
    let units = &tenant.units;
    sqlx::query_file!(
        "../sql/backfill/insert_units.sql",
        tenant.user_id,
        backfill,
        &units.from,
        &units.to,
        &units.days,
        &units.calls
    )
    .execute(&mut *tx)
    .await?;
    let (users, tiers) = (vec![tenant.user_id; tenant.months.len()], vec![3_i16; tenant.months.len()]);
    sqlx::query_file!("../sql/verify/mark_buckets.sql", &users, &tiers, &tenant.months).execute(&mut *tx).await?;
    Ok(())
}

async fn plan(pool: &PgPool, request: &Request) -> Result<(Plan, Vec<TenantUnits>), BackfillError> {
    let mut connection = pool.acquire().await?;
    let mut tx = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    // Many tenants take longer than any statement of a request may.
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let tenants =
        sqlx::query_file!("../sql/backfill/tenants.sql", request.tenant as Option<Uuid>).fetch_all(&mut *tx).await?;
    if let (Some(tenant), true) = (request.tenant, tenants.is_empty()) {
        return Err(BackfillError::UnknownTenant(tenant));
    }
    let (mut total, mut planned) = (Plan::default(), Vec::new());
    for tenant in tenants {
        planned.extend(plan_tenant(&mut tx, request, tenant.user_id, &tenant.zone, &mut total).await?);
    }
    let chosen = if total.calls <= request.short_calls { Method::Marks } else { Method::Scan };
    total.method = request.method.unwrap_or(chosen);
    estimate(&mut tx, request, &mut total).await?;
    tx.rollback().await?;
    Ok((total, planned))
}

async fn plan_tenant(
    tx: &mut PgConnection,
    request: &Request,
    user_id: Uuid,
    zone: &str,
    total: &mut Plan,
) -> Result<Option<TenantUnits>, BackfillError> {
    let extent = sqlx::query_file!("../sql/verify/extent.sql", user_id).fetch_one(&mut *tx).await?;
    let (Some(first), Some(last)) = (extent.first_instant, extent.last_instant) else { return Ok(None) };
    total.calls_outside_calendar +=
        sqlx::query_file_scalar!("../sql/backfill/outside_calendar.sql", user_id, zone).fetch_one(&mut *tx).await?;
    let (first_day, last_day) = (request.first_day as Option<NaiveDate>, request.last_day as Option<NaiveDate>);
    let months = sqlx::query_file!("../sql/backfill/months.sql", zone, first_day, last_day, first, last)
        .fetch_all(&mut *tx)
        .await?;
    let mut units = Units::default();
    for month in &months {
        let days = days(tx, request.mode, user_id, zone, month.from_time, month.to_time).await?;
        total.days += i64::try_from(days.len()).unwrap_or(i64::MAX);
        total.calls += days.iter().map(|day| day.calls).sum::<i64>();
        total.quarters += days.iter().map(|day| day.quarters).sum::<i64>();
        units.add(&days, unit_calls(request.max_calls_per_second), request.mode == Mode::All);
    }
    total.tenants += usize::from(!units.from.is_empty());
    total.units += units.from.len();
    let months = months.iter().map(|month| month.month_start).collect();
    Ok(Some(TenantUnits { user_id, units, months }))
}

/// The days of a stretch that the mode asks for, newest first.
async fn days(
    tx: &mut PgConnection,
    mode: Mode,
    user_id: Uuid,
    zone: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Day>, BackfillError> {
    // One macro for three files of one signature; each is still checked at compile time.
    macro_rules! days {
        ($file:literal) => {
            sqlx::query_file!($file, user_id, zone, from, to)
                .fetch_all(&mut *tx)
                .await?
                .into_iter()
                .map(|row| Day { from: row.from_time, to: row.to_time, calls: row.calls, quarters: row.quarters })
                .collect()
        };
    }
    Ok(match mode {
        Mode::Missing => days!("../sql/backfill/days_missing.sql"),
        Mode::Stale => days!("../sql/backfill/days_stale.sql"),
        Mode::All => days!("../sql/backfill/days_all.sql"),
    })
}

/// Under a rate limit units are small, so that the pauses between them are short.
fn unit_calls(max_calls_per_second: Option<i32>) -> i64 {
    max_calls_per_second.map_or(UNIT_CALLS, |rate| (i64::from(rate) * UNIT_SECONDS).min(UNIT_CALLS))
}

impl Units {
    /// Puts the days of one month, newest first, together into units. `bridge`
    /// lets a unit run over days with nothing on them.
    fn add(&mut self, days: &[Day], unit_calls: i64, bridge: bool) {
        let mut open = false;
        for day in days {
            match (self.from.last_mut(), self.calls.last_mut(), self.days.last_mut()) {
                (Some(from), Some(calls), Some(count))
                    if open && (bridge || day.to == *from) && *calls + day.calls <= unit_calls =>
                {
                    *from = day.from;
                    *calls += day.calls;
                    *count += 1;
                }
                _ => {
                    self.from.push(day.from);
                    self.to.push(day.to);
                    self.days.push(1);
                    self.calls.push(day.calls);
                }
            }
            open = true;
        }
    }
}

async fn estimate(tx: &mut PgConnection, request: &Request, plan: &mut Plan) -> Result<(), BackfillError> {
    let past = sqlx::query_file!("../sql/backfill/speed.sql", plan.method.as_str()).fetch_one(tx).await?;
    let measured = match (past.calls, past.seconds) {
        (Some(calls), Some(seconds)) if calls > 0.0 && seconds > 0.0 => Some(calls / seconds),
        _ => None,
    };
    plan.estimate_is_measured = measured.is_some();
    let mut speed = measured.unwrap_or(ASSUMED_CALLS_PER_SECOND);
    if let Some(rate) = request.max_calls_per_second {
        speed = speed.min(f64::from(rate));
    }
    plan.estimated_seconds = plan.calls as f64 / speed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of the month, newest first, each with so many calls.
    fn days(days: &[(i64, i64)]) -> Vec<Day> {
        let at = |day: i64| DateTime::<Utc>::from_timestamp(day * 86_400, 0).unwrap();
        days.iter().map(|&(day, calls)| Day { from: at(day), to: at(day + 1), calls, quarters: 0 }).collect()
    }

    fn units(days: &[Day], unit_calls: i64, bridge: bool) -> Vec<(i64, i64, i64)> {
        let mut units = Units::default();
        units.add(days, unit_calls, bridge);
        let day = |time: &DateTime<Utc>| time.timestamp() / 86_400;
        let bounds = units.from.iter().map(day).zip(units.to.iter().map(day));
        bounds.zip(units.calls).map(|((from, to), calls)| (from, to, calls)).collect()
    }

    #[test]
    fn units_are_runs_of_days_of_bounded_size_newest_first() {
        let month = days(&[(9, 10), (8, 10), (7, 10), (4, 10), (3, 500), (2, 1)]);
        assert_eq!(units(&month, 25, false), [(8, 10, 20), (7, 8, 10), (4, 5, 10), (3, 4, 500), (2, 3, 1)]);
        assert_eq!(units(&month, 25, true), [(8, 10, 20), (4, 8, 20), (3, 4, 500), (2, 3, 1)]);
    }

    #[test]
    fn months_do_not_share_a_unit() {
        let mut both = Units::default();
        both.add(&days(&[(32, 1), (31, 1)]), 100, true);
        both.add(&days(&[(30, 1)]), 100, true);
        assert_eq!(both.from.len(), 2);
    }
}
