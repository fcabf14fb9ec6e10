//! All figures of a range of calls, from the calls themselves.
//!
//! Each call gets the starts of its four buckets as columns, then plain
//! `group_by` does the rest. Every grain is grouped from the calls, none from
//! the grain below: that quarters fill hours, hours days and days months is
//! what the comparison is to prove.

use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, LazyFrame, NamedFrom, Series, col, len, lit};
use uuid::Uuid;

use crate::calendar::{Calendar, LocalBucket, quarter_start};
use crate::calls::{Calls, LEAD_TYPES, OUTCOMES, QUALITIES, SCORES, SOURCES};
use crate::error::HistoryError;
use crate::figures::{BucketKey, COUNTER_COUNT, COUNTERS, Figures, Grain};

/// Counts the calls, for each grain, per agent and for all agents together.
///
/// Needs the processor for about a second per million calls: call it where
/// blocking is allowed.
///
/// # Errors
/// When Polars refuses, which would be a mistake here or a frame not made by
/// [`crate::CallsBuilder`].
pub fn recompute(calls: &Calls, calendar: &Calendar) -> Result<Figures, HistoryError> {
    let mut figures = Figures::default();
    if calls.is_empty() {
        return Ok(figures);
    }
    let frame = with_buckets(calls, calendar, &mut figures)?;
    for grain in Grain::ALL {
        count(&frame, grain, calls, &mut figures)?;
        if grain.has_sets() {
            collect_contacts(&frame, grain, calls, &mut figures)?;
            collect_durations(&frame, grain, calls, &mut figures)?;
        }
    }
    Ok(figures)
}

/// Adds a column per grain, named after it: the start of the call's bucket, in
/// microseconds; null where the calendar ends.
fn with_buckets(calls: &Calls, calendar: &Calendar, figures: &mut Figures) -> Result<DataFrame, HistoryError> {
    let mut frame = calls.frame.clone();
    let started_at = frame.column("started_at")?.i64()?.clone();
    for grain in Grain::ALL {
        let mut starts: Vec<Option<i64>> = Vec::with_capacity(started_at.len());
        // Calls come in runs of the same bucket, so the last answer is tried first.
        let mut last: Option<LocalBucket> = None;
        for instant in started_at.iter().flatten() {
            let known = last.filter(|b| b.start_micros <= instant && instant < b.end_micros);
            last = known.or_else(|| calendar.bucket(grain, instant));
            if last.is_none() {
                *figures.outside_calendar.entry((grain, quarter_start(instant))).or_default() += 1;
            }
            starts.push(last.map(|b| b.start_micros));
        }
        frame.with_column(Series::new(grain.as_str().into(), starts).into())?;
    }
    Ok(frame)
}

fn is(column: &str, list: &[&str], value: &str, name: &str) -> Expr {
    // An unknown value gives a code that no call has.
    let code = list.iter().position(|v| *v == value).and_then(|p| i32::try_from(p).ok()).unwrap_or(-1);
    col(column).eq(lit(code)).sum().cast(DataType::Int64).alias(name)
}

fn truths(column: &str, name: &str) -> Expr {
    col(column).sum().cast(DataType::Int64).alias(name)
}

/// Widened before it is summed: Polars adds 32-bit numbers in 32 bits.
fn sum(column: &str, name: &str) -> Expr {
    col(column).cast(DataType::Int64).sum().alias(name)
}

fn counters() -> Vec<Expr> {
    let mut list = vec![
        len().cast(DataType::Int64).alias("total_calls"),
        is("outcome", &OUTCOMES, "answered", "successful_calls"),
        is("outcome", &OUTCOMES, "voicemail", "voicemail_calls"),
        is("outcome", &OUTCOMES, "no_answer", "no_answer_calls"),
        is("outcome", &OUTCOMES, "busy", "busy_calls"),
        is("outcome", &OUTCOMES, "failed", "failed_outcome_calls"),
        is("outcome", &OUTCOMES, "cancelled", "cancelled_calls"),
        is("outcome", &OUTCOMES, "in_progress", "in_progress_calls"),
        is("lead_type", &LEAD_TYPES, "inbound", "inbound_calls"),
        is("lead_type", &LEAD_TYPES, "outbound", "outbound_calls"),
        is("call_source", &SOURCES, "phone", "phone_calls"),
        is("call_source", &SOURCES, "internet", "internet_calls"),
        is("call_source", &SOURCES, "unknown", "unknown_source_calls"),
        sum("duration_minutes", "total_duration_minutes"),
        truths("is_lead", "leads_generated"),
        is("quality", &QUALITIES, "hot", "hot_leads"),
        is("quality", &QUALITIES, "warm", "warm_leads"),
        is("quality", &QUALITIES, "cold", "cold_leads"),
        is("quality", &QUALITIES, "unqualified", "unqualified_leads"),
        truths("has_company", "leads_with_company"),
        truths("high_intent", "high_intent_leads"),
        truths("high_budget", "high_budget_leads"),
        truths("urgent", "urgent_leads"),
        truths("cta_pricing_clicked", "cta_pricing_clicks"),
        truths("cta_demo_clicked", "cta_demo_clicks"),
        truths("cta_followup_clicked", "cta_followup_clicks"),
        truths("cta_sample_clicked", "cta_sample_clicks"),
        truths("cta_escalated_to_human", "cta_human_escalations"),
        any_cta().sum().cast(DataType::Int64).alias("leads_with_cta"),
        sum("duration_seconds", "talk_seconds"),
        sum("credits_micros", "credits_micros"),
        sum("cost_micros", "cost_micros"),
        sum("fingerprint_hi", "fingerprint_hi"),
        sum("fingerprint_lo", "fingerprint_lo"),
    ];
    for score in SCORES {
        list.push(col(score).count().cast(DataType::Int64).alias(format!("{score}_count")));
        list.push(sum(score, &format!("{score}_sum")));
    }
    list
}

fn any_cta() -> Expr {
    col("cta_pricing_clicked")
        .or(col("cta_demo_clicked"))
        .or(col("cta_followup_clicked"))
        .or(col("cta_sample_clicked"))
        .or(col("cta_escalated_to_human"))
}

/// Keys of a grouping: always the bucket, then what else.
fn in_bucket(frame: &DataFrame, grain: Grain) -> LazyFrame {
    frame.clone().lazy().filter(col(grain.as_str()).is_not_null())
}

fn count(frame: &DataFrame, grain: Grain, calls: &Calls, figures: &mut Figures) -> Result<(), HistoryError> {
    let bucket = || col(grain.as_str());
    let per_agent = in_bucket(frame, grain).group_by([bucket(), col("agent")]).agg(counters()).collect()?;
    let sums: Vec<Expr> = COUNTERS.iter().map(|name| col(*name).sum()).collect();
    let per_tenant = per_agent.clone().lazy().group_by([bucket()]).agg(sums).collect()?;
    take_counters(&per_agent, grain, Some(&calls.agents), figures)?;
    take_counters(&per_tenant, grain, None, figures)
}

fn take_counters(
    grouped: &DataFrame,
    grain: Grain,
    agents: Option<&[Uuid]>,
    figures: &mut Figures,
) -> Result<(), HistoryError> {
    let keys = keys(grouped, grain, agents)?;
    let mut columns: Vec<Vec<i64>> = Vec::with_capacity(COUNTER_COUNT);
    for name in COUNTERS {
        columns.push(grouped.column(name)?.i64()?.iter().map(|v| v.unwrap_or(0)).collect());
    }
    for (row, key) in keys.into_iter().enumerate() {
        let bucket = figures.buckets.entry(key).or_default();
        for (counter, column) in bucket.counters.iter_mut().zip(&columns) {
            *counter = column[row];
        }
    }
    Ok(())
}

/// The bucket of each row of a grouping.
fn keys(grouped: &DataFrame, grain: Grain, agents: Option<&[Uuid]>) -> Result<Vec<BucketKey>, HistoryError> {
    let starts = grouped.column(grain.as_str())?.i64()?;
    let mut keys: Vec<BucketKey> =
        starts.iter().flatten().map(|start_micros| BucketKey { grain, start_micros, agent_id: None }).collect();
    if let Some(agents) = agents {
        for (key, number) in keys.iter_mut().zip(grouped.column("agent")?.u32()?.iter()) {
            key.agent_id = Some(id_of(agents, number)?);
        }
    }
    Ok(keys)
}

fn id_of(ids: &[Uuid], number: Option<u32>) -> Result<Uuid, HistoryError> {
    let position = number.and_then(|n| usize::try_from(n).ok());
    position.and_then(|p| ids.get(p)).copied().ok_or(HistoryError::File("an agent or contact without its id"))
}

fn collect_contacts(frame: &DataFrame, grain: Grain, calls: &Calls, figures: &mut Figures) -> Result<(), HistoryError> {
    let known = in_bucket(frame, grain).filter(col("contact").is_not_null());
    for (agents, by) in groupings(grain, "contact", &calls.agents) {
        let grouped = known.clone().group_by(by).agg([len().alias("calls")]).collect()?;
        let contacts = grouped.column("contact")?.u32()?;
        for (key, contact) in keys(&grouped, grain, agents)?.into_iter().zip(contacts.iter()) {
            let contact_id = id_of(&calls.contacts, contact)?;
            figures.buckets.entry(key).or_default().add_contact(contact_id);
        }
    }
    Ok(())
}

fn collect_durations(
    frame: &DataFrame,
    grain: Grain,
    calls: &Calls,
    figures: &mut Figures,
) -> Result<(), HistoryError> {
    let talked = in_bucket(frame, grain).filter(col("duration_seconds").gt(lit(0)));
    for (agents, by) in groupings(grain, "duration_seconds", &calls.agents) {
        let calls_of = len().cast(DataType::Int64).alias("calls");
        let grouped = talked.clone().group_by(by).agg([calls_of]).collect()?;
        let seconds = grouped.column("duration_seconds")?.i32()?;
        let counts = grouped.column("calls")?.i64()?;
        let entries = seconds.iter().zip(counts.iter());
        for (key, entry) in keys(&grouped, grain, agents)?.into_iter().zip(entries) {
            if let (Some(seconds), Some(calls)) = entry {
                figures.buckets.entry(key).or_default().add_duration(seconds, calls);
            }
        }
    }
    Ok(())
}

/// The two groupings of a set: per agent, and for all agents together.
fn groupings<'a>(grain: Grain, member: &str, agents: &'a [Uuid]) -> [(Option<&'a [Uuid]>, Vec<Expr>); 2] {
    let bucket = || col(grain.as_str());
    [(Some(agents), vec![bucket(), col("agent"), col(member)]), (None, vec![bucket(), col(member)])]
}

#[cfg(test)]
pub(crate) mod tests;
