//! One tenant, in one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::{Connection, PgConnection};
use tallyline_history::{Archive, BucketFigures, BucketKey, Calendar, Figures, Grain};
use uuid::Uuid;

use super::compare::{Comparison, Sums};
use super::difference::Against;
use super::marks::Marks;
use super::ranges::{self, Stretch};
use super::rows::StoredRow;
use super::{VerifyError, VerifyOptions, VerifyReport, charges, explain, people};

/// One snapshot for marks, rows and calls: a difference is then never a change
/// that happened in between.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

type Counted = HashMap<BucketKey, BucketFigures>;

/// Checks a tenant and adds what it finds to the report. A tenant that is gone
/// by now is passed over.
pub(super) async fn check(
    connection: &mut PgConnection,
    user_id: Uuid,
    options: VerifyOptions,
    calls_at_once: i64,
    report: &mut VerifyReport,
    step: &(impl Fn(&VerifyReport, DateTime<Utc>) + Sync),
) -> Result<(), VerifyError> {
    let mut tx = connection.begin_with(BEGIN).await?;
    // A large tenant takes longer than any statement of a request may.
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let zone = sqlx::query_scalar!("SELECT timezone FROM public.users WHERE id = $1", user_id)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(zone) = zone else { return Ok(()) };
    let calendar = Arc::new(Calendar::load(&mut tx, &zone).await?);
    let marks = Marks::load(&mut tx, user_id).await?;
    let archive = Archive::load(&mut tx, user_id).await?;
    charges::check_balance(&mut tx, user_id, report).await?;
    if options.from.is_none() && options.to.is_none() && options.sample.is_none() {
        charges::check_ledger(&mut tx, user_id, report).await?;
        charges::check_charges(&mut tx, user_id, report).await?;
        people::check(&mut tx, user_id, report).await?;
    }
    let stretches = stretches(&mut tx, user_id, &calendar, options).await?;
    let before = report.differences.len();
    let sums = Sums::default();
    let mut check = TenantCheck { tx: &mut tx, user_id, calendar, marks, archive, calls_at_once, report, sums };
    for stretch in stretches {
        if options.sample.is_some_and(|sample| !sample.takes(user_id, stretch.from)) {
            check.report.stretches_left_out += 1;
            continue;
        }
        check.stretch(stretch).await?;
        step(check.report, instant(stretch.to)?);
    }
    if let Some(own) = report.differences.get_mut(before..) {
        explain::explain(&mut tx, user_id, own).await?;
    }
    report.tenants_checked += 1;
    tx.rollback().await?;
    Ok(())
}

async fn stretches(
    tx: &mut PgConnection,
    user_id: Uuid,
    calendar: &Calendar,
    options: VerifyOptions,
) -> Result<Vec<Stretch>, VerifyError> {
    let extent = sqlx::query_file!("../sql/verify/extent.sql", user_id).fetch_one(tx).await?;
    let (Some(first), Some(last)) = (extent.first_instant, extent.last_instant) else { return Ok(Vec::new()) };
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    let extent = (micros(first), micros(last));
    Ok(ranges::months(calendar, extent, options.from.map(micros), options.to.map(micros)))
}

struct TenantCheck<'a> {
    tx: &'a mut PgConnection,
    user_id: Uuid,
    calendar: Arc<Calendar>,
    marks: Marks,
    archive: Archive,
    calls_at_once: i64,
    report: &'a mut VerifyReport,
    /// Of the present stretch.
    sums: Sums,
}

impl TenantCheck<'_> {
    /// Checks quarters, hours and days part by part, then the month that they make up.
    async fn stretch(&mut self, stretch: Stretch) -> Result<(), VerifyError> {
        let (from, to) = (instant(stretch.from)?, instant(stretch.to)?);
        let calls = sqlx::query_scalar!(
            r#"SELECT count(*) AS "calls!" FROM public.calls WHERE user_id = $1 AND started_at >= $2 AND started_at < $3"#,
            self.user_id,
            from,
            to
        )
        .fetch_one(&mut *self.tx)
        .await?
        .saturating_add(self.archive.calls_at_most(from, to));
        let mut months = Counted::new();
        for (from, to) in ranges::days(&self.calendar, stretch, calls, self.calls_at_once) {
            let mut figures = self.count(instant(from)?, instant(to)?).await?;
            for (key, figures) in figures.buckets.extract_if(|key, _| key.grain == Grain::Month) {
                months.entry(key).or_default().add_counters(&figures);
            }
            self.part(instant(from)?, instant(to)?, figures).await?;
        }
        if stretch.whole_month {
            self.rows_of(Grain::Month, from, to, &mut months).await?;
            self.comparison().missing(months);
        }
        self.comparison().flush_sums();
        self.sums = Sums::default();
        self.report.stretches_checked += 1;
        Ok(())
    }

    /// Counts the calls, of frozen time those in files.
    async fn count(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Figures, VerifyError> {
        let calls = self.archive.scan(&mut *self.tx, from, to).await?;
        let calendar = Arc::clone(&self.calendar);
        let counting = tokio::task::spawn_blocking(move || tallyline_history::recompute(&calls, &calendar));
        Ok(counting.await.map_err(|_| VerifyError::Interrupted)??)
    }

    async fn part(&mut self, from: DateTime<Utc>, to: DateTime<Utc>, figures: Figures) -> Result<(), VerifyError> {
        let mut counted = figures.buckets;
        self.quarter_rows(from, to, &mut counted).await?;
        for grain in [Grain::Hour, Grain::Day] {
            self.rows_of(grain, from, to, &mut counted).await?;
        }
        let mut comparison = self.comparison();
        comparison.missing(counted);
        for ((grain, quarter), calls) in figures.outside_calendar {
            comparison.outside_calendar(grain, quarter, calls);
        }
        Ok(())
    }

    async fn quarter_rows(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        counted: &mut Counted,
    ) -> Result<(), sqlx::Error> {
        let (mut comparison, tx) = self.parts();
        let mut rows =
            sqlx::query_file_as!(StoredRow, "../sql/verify/quarter_rows.sql", comparison.user_id, from, to).fetch(tx);
        while let Some(row) = rows.try_next().await? {
            comparison.row(&row, counted);
            comparison.sums(&row);
        }
        Ok(())
    }

    /// The agents' rows before the tenant's: sums are compared when all parts have come.
    async fn rows_of(
        &mut self,
        grain: Grain,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        counted: &mut Counted,
    ) -> Result<(), sqlx::Error> {
        let (mut comparison, tx) = self.parts();
        let (user_id, names) = (comparison.user_id, names(&[grain]));
        let mut rows =
            sqlx::query_file_as!(StoredRow, "../sql/verify/agent_rows.sql", user_id, from, to, &names).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            comparison.row(&row, counted);
            comparison.sums(&row);
        }
        drop(rows);
        let mut rows =
            sqlx::query_file_as!(StoredRow, "../sql/verify/user_rows.sql", user_id, from, to, &names).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            comparison.row(&row, counted);
            comparison.sums(&row);
        }
        Ok(())
    }

    fn comparison(&mut self) -> Comparison<'_> {
        self.parts().0
    }

    fn parts(&mut self) -> (Comparison<'_>, &mut PgConnection) {
        let comparison = Comparison {
            user_id: self.user_id,
            calendar: &self.calendar,
            marks: &self.marks,
            against: Against::Calls,
            report: self.report,
            sums: &mut self.sums,
        };
        (comparison, self.tx)
    }
}

pub(super) fn names(grains: &[Grain]) -> Vec<String> {
    grains.iter().map(|grain| grain.as_str().to_owned()).collect()
}

/// Bounds come from instants of the database, so they fit; anything else is refused.
pub(super) fn instant(micros: i64) -> Result<DateTime<Utc>, VerifyError> {
    let out_of_range = || sqlx::Error::Protocol("a time that no calendar holds".to_owned());
    Ok(DateTime::<Utc>::from_timestamp_micros(micros).ok_or_else(out_of_range)?)
}
