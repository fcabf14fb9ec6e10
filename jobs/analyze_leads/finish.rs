//! Ending claims: results into the inbox, failures with their reason, costs settled.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::{LeadAnalysis, analysis_body};
use uuid::Uuid;

use super::claim::{Item, Subject, Tenant};
use super::provider::{Failure, Outcome, Usage, Verdict};
use super::retry::{After, not_before};
use super::{AnalysisError, Analyzer};

/// Longest detail that is kept, in characters.
const DETAIL_CHARS: usize = 500;

#[derive(Debug, Serialize)]
struct EndRow {
    id: Uuid,
    claim: i64,
    state: &'static str,
    not_before: Option<DateTime<Utc>>,
    error_code: Option<&'static str>,
    error_detail: Option<String>,
    model: Option<String>,
    input_tokens: i64,
    output_tokens: i64,
    cost_micros: i64,
}

/// Ends what was claimed together; returns how many results went into the inbox. A
/// claim that was taken back meanwhile has no effect but its cost.
pub(super) async fn end(
    analyzer: &Analyzer,
    tenant: &Tenant,
    provider: &'static str,
    reserved: i64,
    outcomes: Vec<(Item, Outcome)>,
) -> Result<i64, AnalysisError> {
    let claimed = outcomes.len();
    let usages: Vec<Usage> = outcomes.iter().filter_map(|(_, outcome)| outcome.usage.clone()).collect();
    let mut tx = analyzer.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *tx).await?;
    let mut rows = Vec::with_capacity(outcomes.len());
    let (mut bodies, mut contact) = (Vec::new(), None);
    for (item, outcome) in outcomes {
        let row = end_row(analyzer, now, &item, &outcome);
        match item.subject {
            Subject::Call(call_id) => {
                if let Ok(analysis) = outcome.result {
                    bodies.push((call_id, analysis_body(&item.execution_id, item.analyzed_at, &analysis)));
                }
                rows.push(row);
            }
            Subject::Contact(_) => contact = Some((row, outcome.result.ok())),
        }
    }
    let ended = end_calls(&mut tx, tenant.user_id, &rows, now).await?;
    let contact_ended = match contact {
        Some((row, analysis)) => end_contact(&mut tx, tenant.user_id, row, analysis).await?,
        None => false,
    };
    let cost: i64 = usages.iter().map(|usage| usage.cost_micros).sum();
    if cost != reserved {
        sqlx::query_file!("../sql/analyses/spend.sql", tenant.user_id, tenant.today, cost - reserved)
            .execute(&mut *tx)
            .await?;
    }
    let kept = bodies.into_iter().filter(|(call_id, _)| ended.iter().any(|(id, _)| id == call_id));
    let stored = store(&mut tx, tenant.user_id, kept.map(|(_, body)| body).collect()).await?;
    mark_transcripts(&mut tx, tenant.user_id, &ended).await?;
    tallyline_failpoints::pass::<sqlx::Error>(tallyline_failpoints::Point::AnalysesEnded)?;
    tx.commit().await?;
    record_metrics(provider, &usages, claimed - ended.len() - usize::from(contact_ended));
    Ok(stored)
}

fn end_row(analyzer: &Analyzer, now: DateTime<Utc>, item: &Item, outcome: &Outcome) -> EndRow {
    let (Subject::Call(id) | Subject::Contact(id)) = item.subject;
    let usage = outcome.usage.clone().unwrap_or_default();
    let failure = outcome.result.as_ref().err();
    let (state, not_before) = match failure {
        None => ("succeeded", None),
        Some(failure) => verdict_of(analyzer, now, item, failure),
    };
    let detail = failure.map(|failure| failure.detail.chars().take(DETAIL_CHARS).collect::<String>());
    EndRow {
        id,
        claim: item.claim,
        state,
        not_before,
        error_code: failure.map(|failure| failure.code),
        error_detail: detail.filter(|detail| !detail.is_empty()),
        model: usage.model,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost_micros: usage.cost_micros,
    }
}

fn verdict_of(
    analyzer: &Analyzer,
    now: DateTime<Utc>,
    item: &Item,
    failure: &Failure,
) -> (&'static str, Option<DateTime<Utc>>) {
    let is_contact = matches!(item.subject, Subject::Contact(_));
    let again = |after: Option<After>| {
        let options = &analyzer.options;
        if item.attempts >= options.max_attempts {
            return ("failed", None);
        }
        ("pending", Some(not_before(now, item.attempts, options.backoff, options.longest_backoff, after)))
    };
    match failure.verdict {
        // A contact has its fold: there is nothing that could be skipped.
        Verdict::Skip if is_contact => ("failed", None),
        Verdict::Skip => ("skipped", None),
        Verdict::Fail => ("failed", None),
        Verdict::Retry(after) | Verdict::Unreachable(after) => again(after),
    }
}

/// Calls whose claim was still ours, and what became of them.
async fn end_calls(
    tx: &mut PgConnection,
    user_id: Uuid,
    rows: &[EndRow],
    now: DateTime<Utc>,
) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ended = sqlx::query_file!("../sql/analyses/end_calls.sql", user_id, Json(rows) as _, now).fetch_all(tx).await?;
    Ok(ended.into_iter().map(|row| (row.call_id, row.state)).collect())
}

async fn end_contact(
    tx: &mut PgConnection,
    user_id: Uuid,
    row: EndRow,
    analysis: Option<LeadAnalysis>,
) -> Result<bool, sqlx::Error> {
    let has_result = analysis.is_some();
    let result = analysis.map(Json);
    let ended = sqlx::query_file_scalar!("../sql/analyses/end_contact.sql", user_id, Json(&[row]) as _, result as _)
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(contact_id) = ended.filter(|_| has_result) {
        // The fold takes it from here.
        sqlx::query!("INSERT INTO tally.lead_marks (user_id, contact_id) VALUES ($1, $2)", user_id, contact_id)
            .execute(tx)
            .await?;
    }
    Ok(ended.is_some())
}

async fn store(tx: &mut PgConnection, user_id: Uuid, bodies: Vec<Vec<u8>>) -> Result<i64, sqlx::Error> {
    if bodies.is_empty() {
        return Ok(0);
    }
    let hashes: Vec<Vec<u8>> = bodies.iter().map(|body| Sha256::digest(body).to_vec()).collect();
    sqlx::query_file_scalar!("../sql/analyses/store_results.sql", user_id, &hashes, &bodies).fetch_one(tx).await
}

async fn mark_transcripts(tx: &mut PgConnection, user_id: Uuid, ended: &[(Uuid, String)]) -> Result<(), sqlx::Error> {
    let without = ended.iter().filter(|(_, state)| matches!(state.as_str(), "failed" | "skipped"));
    let (call_ids, states): (Vec<Uuid>, Vec<String>) = without.cloned().unzip();
    if !call_ids.is_empty() {
        sqlx::query_file!("../sql/analyses/mark_transcripts.sql", user_id, &call_ids, &states).execute(tx).await?;
    }
    Ok(())
}

/// After the commit: what was rolled back counts nothing.
fn record_metrics(provider: &'static str, usages: &[Usage], lost: usize) {
    let sum = |of: fn(&Usage) -> i64| usages.iter().map(of).sum::<i64>().unsigned_abs();
    for (kind, tokens) in [("input", sum(|usage| usage.input_tokens)), ("output", sum(|usage| usage.output_tokens))] {
        if tokens > 0 {
            metrics::counter!("tallyline_analysis_tokens_total", "kind" => kind).increment(tokens);
        }
    }
    let cost = sum(|usage| usage.cost_micros);
    if cost > 0 {
        metrics::counter!("tallyline_analysis_cost_micros_total").increment(cost);
    }
    if lost > 0 {
        metrics::counter!("tallyline_analysis_claims_lost_total", "provider" => provider).increment(lost as u64);
    }
}
