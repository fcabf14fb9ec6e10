//! A few buckets of one tenant, in one snapshot, at a cost that does not grow
//! with its tables: quarters against a live count of their calls, larger
//! buckets against the rows below them and against the rows of the agents.
//!
//! For every tier and age an instant is drawn, and from there a few buckets are
//! taken in the order of an index, beginning again at the front where the age
//! ends: with more buckets asked for than there are, all are taken.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};
use tallyline_history::{BucketFigures, BucketKey, Calendar, Grain};
use uuid::Uuid;

use super::children::Children;
use super::compare::{Comparison, Sums};
use super::difference::Against;
use super::marks::Marks;
use super::rows::StoredRow;
use super::sampling::fraction;
use super::tenant::{BEGIN, instant, names};
use super::{VerifyError, VerifyReport, explain};

/// Ages in days, from young to old: today, the week, the quarter of a year.
const AGES: [i64; 3] = [1, 7, 90];

/// Calendars by zone, kept while tenants are looked at one after the other.
pub type Calendars = HashMap<String, Arc<Calendar>>;

/// Checks about `buckets` quarters and hours, half as many days and a quarter as
/// many months of each age of a tenant. The same seed takes the same buckets.
/// Reads only. A tenant that is gone is passed over.
///
/// # Errors
/// On database errors, and when the tenant's zone has no calendar.
pub async fn sample_tenant(
    connection: &mut PgConnection,
    calendars: &mut Calendars,
    user_id: Uuid,
    buckets: i64,
    seed: u64,
) -> Result<VerifyReport, VerifyError> {
    let mut tx = connection.begin_with(BEGIN).await?;
    let mut report = VerifyReport::default();
    let zone = sqlx::query_scalar!("SELECT timezone FROM public.users WHERE id = $1", user_id)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(zone) = zone else { return Ok(report) };
    let calendar = match calendars.get(&zone) {
        Some(calendar) => Arc::clone(calendar),
        None => {
            let calendar = Arc::new(Calendar::load(&mut tx, &zone).await?);
            calendars.insert(zone, Arc::clone(&calendar));
            calendar
        }
    };
    let mut sample = TenantSample { tx: &mut tx, user_id, calendar: &calendar, report: &mut report };
    for grain in Grain::ALL {
        let wanted = match grain {
            Grain::Quarter | Grain::Hour => buckets,
            Grain::Day => (buckets + 1) / 2,
            Grain::Month => (buckets + 3) / 4,
        };
        sample.tier(grain, wanted, seed).await?;
    }
    forget_repetitions(&mut report);
    explain::explain(&mut tx, user_id, &mut report.differences).await?;
    report.tenants_checked = 1;
    tx.rollback().await?;
    Ok(report)
}

/// Ages overlap by a bucket, so that one may have been looked at twice.
fn forget_repetitions(report: &mut VerifyReport) {
    let mut seen = HashSet::new();
    report.differences.retain(|d| seen.insert((d.grain, d.bucket_start, d.agent_id, d.figure, d.compared_with)));
}

struct TenantSample<'a> {
    tx: &'a mut PgConnection,
    user_id: Uuid,
    calendar: &'a Calendar,
    report: &'a mut VerifyReport,
}

impl TenantSample<'_> {
    async fn tier(&mut self, grain: Grain, wanted: i64, seed: u64) -> Result<(), VerifyError> {
        for (place, (from, to)) in self.ages(grain).await?.into_iter().enumerate() {
            let thing = (u64::try_from(place).unwrap_or(0) << 8) | u64::from(grain.tier().unsigned_abs());
            let span = to.saturating_sub(from);
            let drawn = from.saturating_add((fraction(seed, self.user_id, thing) * span as f64) as i64);
            let begin = self.floor(grain, drawn.min(to.saturating_sub(1)));
            let met = self.stretch(grain, begin, to, wanted).await?;
            if met < wanted {
                self.stretch(grain, self.floor(grain, from), begin, wanted - met).await?;
            }
        }
        Ok(())
    }

    /// The ages that the tenant's rows of a tier have, as ranges of microseconds.
    async fn ages(&mut self, grain: Grain) -> Result<Vec<(i64, i64)>, VerifyError> {
        let (now, first, last) = if grain == Grain::Quarter {
            let extent =
                sqlx::query_file!("../sql/audit/extent_quarters.sql", self.user_id).fetch_one(&mut *self.tx).await?;
            (extent.now, extent.first_instant, extent.last_instant)
        } else {
            let extent = sqlx::query_file!("../sql/audit/extent_rows.sql", self.user_id, grain.as_str())
                .fetch_one(&mut *self.tx)
                .await?;
            (extent.now, extent.first_instant, extent.last_instant)
        };
        let (Some(first), Some(last)) = (first, last) else { return Ok(Vec::new()) };
        let (first, last) = (first.timestamp_micros(), last.timestamp_micros().saturating_add(1));
        // What lies in the future is an age of its own, or it would take the place of today.
        let mut cuts = vec![(now + TimeDelta::days(1)).timestamp_micros()];
        for days in AGES {
            // A month is not cut into days.
            if grain != Grain::Month || days == 90 {
                cuts.push((now - TimeDelta::days(days)).timestamp_micros());
            }
        }
        let mut ages = Vec::new();
        let mut end = last;
        for cut in cuts {
            let start = cut.max(first);
            if start < end {
                ages.push((start, end));
                end = start;
            }
        }
        if first < end {
            ages.push((first, end));
        }
        Ok(ages)
    }

    fn floor(&self, grain: Grain, at: i64) -> i64 {
        let bucket = self.calendar.bucket(grain, at).or_else(|| self.calendar.bucket(Grain::Quarter, at));
        bucket.map_or(at, |bucket| bucket.start_micros)
    }

    /// Checks up to `wanted` buckets that begin in `[from, to)`; returns how many there were.
    async fn stretch(&mut self, grain: Grain, from: i64, to: i64, wanted: i64) -> Result<i64, VerifyError> {
        if from >= to || wanted <= 0 {
            return Ok(0);
        }
        let (from, to) = (instant(from)?, instant(to)?);
        let (met, reached) = self.walk(grain, from, to, wanted).await?;
        if met > 0 {
            self.check(grain, from, reached).await?;
        }
        Ok(met)
    }

    async fn walk(
        &mut self,
        grain: Grain,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        wanted: i64,
    ) -> Result<(i64, DateTime<Utc>), sqlx::Error> {
        if grain == Grain::Quarter {
            let walk = sqlx::query_file!("../sql/audit/walk_quarters.sql", self.user_id, from, to, wanted)
                .fetch_one(&mut *self.tx)
                .await?;
            return Ok((walk.met, walk.reached));
        }
        let zone = self.calendar.zone();
        let walk = sqlx::query_file!(
            "../sql/audit/walk_rows.sql",
            self.user_id,
            from,
            to,
            grain.as_str(),
            i32::from(grain.tier()),
            zone,
            wanted
        )
        .fetch_one(&mut *self.tx)
        .await?;
        Ok((walk.met, walk.reached))
    }

    async fn check(&mut self, grain: Grain, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(), VerifyError> {
        // Frozen quarters have no calls but in files, which `tallyline verify` reads.
        let from =
            if grain == Grain::Quarter { self.frozen_before().await?.map_or(from, |at| from.max(at)) } else { from };
        if from >= to {
            return Ok(());
        }
        let marks = Marks::load_range(self.tx, self.user_id, grain, from, to).await?;
        let mut expected = Children::with_sets();
        let (rows, against) = if grain == Grain::Quarter {
            (self.quarters(from, to).await?, Against::Calls)
        } else {
            for row in self.below(grain, from, to).await? {
                expected.add(self.calendar, &row);
            }
            (self.rows(grain, from, to).await?, Against::Children)
        };
        let mut counted = match against {
            Against::Calls => self.live(from, to).await?,
            _ => expected.parents_of(grain),
        };
        let (user_id, calendar) = (self.user_id, self.calendar);
        let mut sums = Sums::default();
        let mut comparison =
            Comparison { user_id, calendar, marks: &marks, against, report: self.report, sums: &mut sums };
        for row in &rows {
            comparison.row(row, &mut counted);
            comparison.agents(row);
        }
        comparison.missing(counted);
        comparison.flush_sums();
        Ok(())
    }

    async fn quarters(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<StoredRow>, sqlx::Error> {
        sqlx::query_file_as!(StoredRow, "../sql/verify/quarter_rows.sql", self.user_id, from, to)
            .fetch_all(&mut *self.tx)
            .await
    }

    /// The agents' rows, then the tenant's.
    async fn rows(
        &mut self,
        grain: Grain,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StoredRow>, sqlx::Error> {
        let grains = names(&[grain]);
        let mut rows = sqlx::query_file_as!(StoredRow, "../sql/verify/agent_rows.sql", self.user_id, from, to, &grains)
            .fetch_all(&mut *self.tx)
            .await?;
        let own = sqlx::query_file_as!(StoredRow, "../sql/verify/user_rows.sql", self.user_id, from, to, &grains)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.extend(own);
        Ok(rows)
    }

    /// The rows that those of a tier are put together from; of a day also its quarters, for the sets.
    async fn below(
        &mut self,
        grain: Grain,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StoredRow>, sqlx::Error> {
        match grain {
            Grain::Quarter => Ok(Vec::new()),
            Grain::Hour => self.quarters(from, to).await,
            Grain::Day => {
                let mut rows = self.quarters(from, to).await?;
                rows.extend(self.rows(Grain::Hour, from, to).await?);
                Ok(rows)
            }
            Grain::Month => self.rows(Grain::Day, from, to).await,
        }
    }

    async fn frozen_before(&mut self) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        sqlx::query_scalar("SELECT frozen_before FROM tally.history_horizons WHERE user_id = $1")
            .bind(self.user_id)
            .fetch_optional(&mut *self.tx)
            .await
    }

    /// The figures of the quarters by their calls.
    async fn live(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<HashMap<BucketKey, BucketFigures>, sqlx::Error> {
        let rows = sqlx::query_file_as!(StoredRow, "../sql/audit/count_quarters.sql", self.user_id, from, to)
            .fetch_all(&mut *self.tx)
            .await?;
        Ok(rows.iter().filter_map(|row| Some((row.key()?, row.figures()))).collect())
    }
}
