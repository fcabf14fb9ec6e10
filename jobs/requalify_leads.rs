//! `requalify_leads`: puts a tenant's leads into their bands anew, after its scale or
//! its thresholds were changed. The request commits with the change (a trigger on
//! `users` makes it).
//!
//! Batches run under the tenant's lane: once it is held, whatever was applied by the
//! old settings has committed and is found here, and whatever is applied afterwards
//! goes by the new ones. Scores that are still what their analysis gave are taken
//! from it again, so that what the old scale could not hold comes back; a score that
//! somebody edited is kept. The mark triggers do the rest.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use tallyline_model::{Event, LeadAnalysis, Scales, Thresholds, latest_analysis, scores};
use tallyline_queue::{Job, JobContext, JobError};
use uuid::Uuid;

use crate::Deps;

/// Leads that one transaction looks at.
const BATCH_LEADS: i64 = 500;

/// The tenant is the job's own; the payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct RequalifyLeads {}

impl Job for RequalifyLeads {
    type State = Deps;
    const KIND: &'static str = "requalify_leads";

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let Some(user_id) = ctx.job.user_id else {
            return Err(JobError::Fatal("requalify_leads needs a tenant".into()));
        };
        run(&ctx.state.pool, user_id).await?;
        Ok(())
    }
}

#[derive(Debug, Serialize)]
struct Row {
    id: Uuid,
    intent_score: Option<i32>,
    urgency_score: Option<i32>,
    budget_score: Option<i32>,
    fit_score: Option<i32>,
    engagement_score: Option<i32>,
    total_score: Option<i32>,
    score_scale: i32,
    dimension_scale: i32,
    quality: Option<&'static str>,
}

/// Requalifies all leads of a tenant; returns how many changed.
///
/// # Errors
/// When the database refused; batches that were committed stay.
pub async fn run(pool: &PgPool, user_id: Uuid) -> Result<u64, sqlx::Error> {
    let (mut after, mut changed) = (Uuid::nil(), 0);
    let mut tx = pool.begin().await?;
    lock_lane(&mut tx, user_id).await?;
    // Their totals are of several calls, so that their band may change alone.
    sqlx::query_file!("../sql/leads/mark_complete.sql", user_id).execute(&mut *tx).await?;
    tx.commit().await?;
    loop {
        let mut tx = pool.begin().await?;
        lock_lane(&mut tx, user_id).await?;
        let (last, written) = batch(&mut tx, user_id, after).await?;
        tx.commit().await?;
        changed += written;
        let Some(last) = last else { return Ok(changed) };
        after = last;
    }
}

async fn lock_lane(tx: &mut PgConnection, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT turn FROM tally.lanes WHERE user_id = $1 FOR UPDATE", user_id).fetch_optional(tx).await?;
    Ok(())
}

/// The id of the last lead that was looked at, if there was one, and how many changed.
async fn batch(tx: &mut PgConnection, user_id: Uuid, after: Uuid) -> Result<(Option<Uuid>, u64), sqlx::Error> {
    let settings = sqlx::query_file!("../sql/process/tenant_settings.sql", &[user_id]).fetch_optional(&mut *tx).await?;
    // A tenant that is gone has taken its leads along.
    let Some(settings) = settings else { return Ok((None, 0)) };
    let scales = Scales { total: settings.score_scale.into(), dimension: settings.dimension_scale.into() };
    let thresholds = Thresholds {
        hot_percent: settings.hot_threshold_percent.into(),
        warm_percent: settings.warm_threshold_percent.into(),
        cold_percent: settings.cold_threshold_percent.into(),
    };
    let leads =
        sqlx::query_file!("../sql/leads/requalify_batch.sql", user_id, after, BATCH_LEADS).fetch_all(&mut *tx).await?;
    let call_ids: Vec<Uuid> = leads.iter().map(|lead| lead.call_id).collect();
    let given = analyses(tx, user_id, &call_ids).await?;
    let last = leads.last().map(|lead| lead.id);
    let rows: Vec<Row> = leads
        .into_iter()
        .map(|lead| {
            let stored = LeadAnalysis {
                intent_score: lead.intent_score,
                urgency_score: lead.urgency_score,
                budget_score: lead.budget_score,
                fit_score: lead.fit_score,
                engagement_score: lead.engagement_score,
                total_score: lead.total_score,
                ..LeadAnalysis::default()
            };
            let before = Scales { total: lead.score_scale.into(), dimension: lead.dimension_scale.into() };
            let now = rescaled(stored, given.get(&lead.call_id), before, scales);
            row(lead.id, &now, scales, thresholds)
        })
        .collect();
    let done = sqlx::query_file!("../sql/leads/requalify.sql", user_id, Json(&rows) as _).execute(tx).await?;
    Ok((last, done.rows_affected()))
}

fn row(id: Uuid, lead: &LeadAnalysis, scales: Scales, thresholds: Thresholds) -> Row {
    Row {
        id,
        intent_score: lead.intent_score,
        urgency_score: lead.urgency_score,
        budget_score: lead.budget_score,
        fit_score: lead.fit_score,
        engagement_score: lead.engagement_score,
        total_score: lead.total_score,
        score_scale: scales.total,
        dimension_scale: scales.dimension,
        quality: lead.total_score.map(|total| thresholds.quality(total, scales)),
    }
}

/// The scores by the new scales: of the analysis where the stored ones are still its
/// own by the old scales, else as they are stored.
fn rescaled(stored: LeadAnalysis, given: Option<&LeadAnalysis>, before: Scales, now: Scales) -> LeadAnalysis {
    let fitted = |scales| {
        given.map(|given| {
            let mut given = given.clone();
            scores::fit(&mut given, scales);
            given
        })
    };
    let same = |a: &LeadAnalysis, b: &LeadAnalysis| a.scores() == b.scores() && a.total_score == b.total_score;
    match (fitted(before), fitted(now)) {
        (Some(old), Some(new)) if same(&stored, &old) => new,
        _ => stored,
    }
}

/// The analysis that counts of each call, as it was given.
async fn analyses(
    tx: &mut PgConnection,
    user_id: Uuid,
    call_ids: &[Uuid],
) -> Result<HashMap<Uuid, LeadAnalysis>, sqlx::Error> {
    let rows = sqlx::query_file!("../sql/leads/analysis_events.sql", user_id, call_ids).fetch_all(tx).await?;
    let mut events: HashMap<Uuid, Vec<Event>> = HashMap::new();
    for row in rows {
        // What cannot be read back was not applied either.
        if let Ok(event) = serde_json::from_value(row.facts) {
            events.entry(row.call_id).or_default().push(event);
        }
    }
    Ok(events.into_iter().filter_map(|(call_id, events)| Some((call_id, latest_analysis(&events)?))).collect())
}
