//! `analyze_trends`: one tenant's moving averages, changes from week to week and
//! unusual days, into its `dashboard_cache` under the key `trends`.
//!
//! Of complete days only, so that today's traffic does not ask for it: it is
//! asked for by the clock, at the tenant's midnight and when a past day changed.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use tallyline_history::trends::{self, Anomaly, DayRow, MetricTrend, Trends};
use tallyline_queue::{Job, JobContext, JobError};
use uuid::Uuid;

use crate::Deps;

/// The tenant is the job's own; the payload is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnalyzeTrends {}

impl Job for AnalyzeTrends {
    type State = Deps;
    const KIND: &'static str = "analyze_trends";
    const PRIORITY: i16 = 3;

    async fn run(self, ctx: JobContext<Deps>) -> Result<(), JobError> {
        let Some(user_id) = ctx.job.user_id else {
            return Err(JobError::Fatal("analyze_trends needs a tenant".into()));
        };
        let Some(head) = head(&ctx.state.pool, user_id).await? else { return Ok(()) };
        let rows = rows(&ctx.state.pool, user_id, &head).await?;
        // Some milliseconds a hundred agents: not on a thread that serves others.
        let (days, history_start) = (head.dates.clone(), head.history_start);
        let found = tokio::task::spawn_blocking(move || trends::trends(&days, history_start, &rows)).await??;
        let data = document(&head, &found);

        let mut tx = ctx.state.pool.begin().await?;
        sqlx::query_file!("../sql/cache/upsert_trends.sql", user_id, data, head.generation, head.expires_at)
            .execute(&mut *tx)
            .await?;
        ctx.complete_in(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What the trends are of.
struct Head {
    zone: String,
    now: DateTime<Utc>,
    dates: Vec<NaiveDate>,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    history_start: Option<NaiveDate>,
    generation: i64,
}

async fn head(pool: &PgPool, user_id: Uuid) -> Result<Option<Head>, sqlx::Error> {
    let days = i64::try_from(trends::NEEDED_DAYS).unwrap_or(i64::MAX);
    sqlx::query_file_as!(Head, "../sql/cache/trends_head.sql", user_id, days).fetch_optional(pool).await
}

async fn rows(pool: &PgPool, user_id: Uuid, head: &Head) -> Result<Vec<DayRow>, sqlx::Error> {
    let found = sqlx::query_file!("../sql/cache/trends_days.sql", user_id, head.zone, head.since, head.until)
        .fetch_all(pool)
        .await?;
    let rows = found.into_iter().map(|r| DayRow {
        agent_id: r.agent_id,
        date: r.date,
        values: [r.total_calls, r.successful_calls, r.leads_generated, r.talk_seconds, r.credits_micros],
    });
    Ok(rows.collect())
}

/// As it is cached: the lists of a metric have one entry a day of `days`.
fn document(head: &Head, trends: &Trends) -> Value {
    let metrics: serde_json::Map<String, Value> =
        trends.metrics.iter().map(|m| (m.metric.to_owned(), series(m))).collect();
    let agents: BTreeMap<Uuid, Vec<Value>> =
        trends.agents.iter().map(|(id, list)| (*id, list.iter().map(anomaly).collect())).collect();
    json!({
        "userTimezone": head.zone,
        "calculatedAt": head.now,
        "windowStart": trends.days.first(),
        "windowEnd": trends.days.last(),
        "historyStart": head.history_start,
        "days": trends.days,
        "metrics": metrics,
        "anomalies": trends.anomalies.iter().map(anomaly).collect::<Vec<_>>(),
        "agentAnomalies": agents,
    })
}

fn series(metric: &MetricTrend) -> Value {
    json!({
        "values": metric.values,
        "ma7": metric.mean_7,
        "ma28": metric.mean_28,
        "wowDay": metric.day_change,
        "wowWeek": metric.week_change,
    })
}

fn anomaly(anomaly: &Anomaly) -> Value {
    json!({
        "metric": anomaly.metric,
        "date": anomaly.date,
        "value": anomaly.value,
        // Twice the median is whole; a half is exact in binary.
        "usual": anomaly.usual_doubled as f64 / 2.0,
        "weeks": anomaly.weeks,
    })
}
