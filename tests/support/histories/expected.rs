//! What the rows of a call must hold, from the fold of its stored events. Written out
//! anew: it shares the fold with the worker, and nothing of what writes the rows.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use tallyline_model::{CallState, Event, Provider, bills, charge_micro_credits, merge, normalise_e164};
use uuid::Uuid;

use super::Report;

/// Columns that are no part of what events tell.
const CALLS_OWN: [&str; 3] = ["updated_at", "credits_used", "metadata"];
/// The pulse and the price of the schema.
const TERMS: (i32, i64) = (60, 1_000_000);

type Key = (Uuid, Uuid);

/// Ids that the database gave, by what events call them.
struct Names {
    agents: HashMap<(Uuid, String), Uuid>,
    contacts: HashMap<(Uuid, String), Uuid>,
}

/// Compares every column of calls, dials and legs, and the ledger.
pub(super) async fn compare(admin: &PgPool, report: &mut Report) -> anyhow::Result<()> {
    let names = names(admin).await?;
    let mut states: BTreeMap<Key, (CallState, usize)> = BTreeMap::new();
    for (key, events) in events(admin).await? {
        match merge(&events) {
            Some(state) => {
                let unanswered = unanswered_sids(&events, &state);
                states.insert(key, (state, unanswered));
            }
            None => report.differences.push(format!("events of {} make no call", key.1)),
        }
    }
    let mut calls = rows(admin, "SELECT user_id, id, '', to_jsonb(c) FROM calls c").await?;
    let mut dials =
        rows(admin, "SELECT user_id, call_id, attempt::text, to_jsonb(a) FROM tally.call_attempts a").await?;
    let legs = "SELECT user_id, call_id, leg_key, to_jsonb(l) || jsonb_build_object('cost_reported', cost_reported::text) FROM tally.call_legs l";
    let mut legs = rows(admin, legs).await?;
    (report.calls, report.attempts, report.legs) = (calls.len(), dials.len(), legs.len());
    for (&key, (state, unanswered)) in &states {
        let (user_id, id) = key;
        let call = (user_id, id, String::new());
        let found = calls.remove(&call);
        let mut want = expected_call(&names, key, state, found.as_ref());
        want["unanswered_sids"] = json!(unanswered);
        differ(report, "call", &call, &want, found);
        for (attempt, want) in expected_dials(key, state) {
            let at = (user_id, id, attempt.to_string());
            let found = dials.remove(&at);
            differ(report, "dial", &at, &want, found);
        }
        for (leg, want) in expected_legs(key, state) {
            let at = (user_id, id, leg);
            let found = legs.remove(&at);
            differ(report, "leg", &at, &want, found);
        }
    }
    for (kind, left) in [("call", calls), ("dial", dials), ("leg", legs)] {
        report.differences.extend(left.keys().map(|at| format!("{kind} {at:?} is of no event")));
    }
    check_contacts(admin, report).await?;
    check_money(admin, report).await
}

async fn names(admin: &PgPool) -> anyhow::Result<Names> {
    let agents: Vec<(Uuid, String, Uuid)> =
        sqlx::query_as("SELECT user_id, bolna_agent_id, id FROM agents").fetch_all(admin).await?;
    let contacts: Vec<(Uuid, String, Uuid)> =
        sqlx::query_as("SELECT user_id, phone_e164, id FROM contacts WHERE phone_e164 IS NOT NULL")
            .fetch_all(admin)
            .await?;
    let map = |rows: Vec<(Uuid, String, Uuid)>| rows.into_iter().map(|(user, name, id)| ((user, name), id)).collect();
    Ok(Names { agents: map(agents), contacts: map(contacts) })
}

async fn events(admin: &PgPool) -> anyhow::Result<BTreeMap<Key, Vec<Event>>> {
    let rows: Vec<(Uuid, Uuid, Value)> =
        sqlx::query_as("SELECT user_id, call_id, facts FROM tally.call_events").fetch_all(admin).await?;
    let mut events: BTreeMap<Key, Vec<Event>> = BTreeMap::new();
    for (user_id, call_id, facts) in rows {
        events.entry((user_id, call_id)).or_default().push(serde_json::from_value(facts)?);
    }
    Ok(events)
}

type Rows = BTreeMap<(Uuid, Uuid, String), Value>;

async fn rows(admin: &PgPool, sql: &'static str) -> anyhow::Result<Rows> {
    let rows: Vec<(Uuid, Uuid, String, Value)> = sqlx::query_as(sql).fetch_all(admin).await?;
    Ok(rows.into_iter().map(|(user_id, id, name, row)| ((user_id, id, name), row)).collect())
}

/// A line for each column that is not as expected, and for each that is not known here.
fn differ(report: &mut Report, kind: &str, at: &(Uuid, Uuid, String), want: &Value, found: Option<Value>) {
    let Some(Value::Object(mut found)) = found else {
        report.differences.push(format!("no {kind} {at:?}"));
        return;
    };
    let wanted = want.as_object().into_iter().flatten();
    for (column, want) in wanted {
        let found = found.remove(column).unwrap_or(json!("no such column"));
        if !is_same(want, &found) {
            report.differences.push(format!("{kind} {at:?}: {column} is {found}, its events come to {want}"));
        }
    }
    let unknown = found.keys().filter(|column| kind != "call" || !CALLS_OWN.contains(&column.as_str()));
    report.differences.extend(unknown.map(|column| format!("{kind}: column {column} is not compared")));
}

/// Times are written in two ways.
fn is_same(a: &Value, b: &Value) -> bool {
    let time = |value: &Value| value.as_str()?.parse::<DateTime<Utc>>().ok();
    a == b || time(a).is_some_and(|a| time(b) == Some(a))
}

/// Members that hold something.
fn filled<const N: usize>(members: [(&str, Value); N]) -> Value {
    let is_empty = |value: &Value| *value == json!(null) || *value == json!({}) || *value == json!([]);
    let members = members.into_iter().filter(|(_, value)| !is_empty(value));
    Value::Object(members.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

/// CallSids of the call's own dials that Twilio reported unanswered.
fn unanswered_sids(events: &[Event], state: &CallState) -> usize {
    let unanswered = |sid: &str| {
        events.iter().any(|event| {
            event.provider == Provider::Twilio
                && event.parent_call_sid.is_none()
                && event.call_sid.as_deref() == Some(sid)
                && ["busy", "no-answer", "failed", "canceled"].contains(&event.status.as_str())
        })
    };
    state.call_sids.iter().filter(|(sid, _)| unanswered(sid)).count()
}

fn expected_call(names: &Names, (user_id, id): Key, state: &CallState, found: Option<&Value>) -> Value {
    let agent = state.agent_ref.as_ref().and_then(|agent| names.agents.get(&(user_id, agent.clone())));
    let number = state.customer_numbers.iter().find_map(|number| normalise_e164(number, None));
    let contact = number.and_then(|number| names.contacts.get(&(user_id, number)));
    let credits = if bills(state) { charge_micro_credits(state.duration_seconds, TERMS.0, TERMS.1) } else { 0 };
    // The terms of a first charge stay, also when a retry opens the call again.
    let is_charged = bills(state) || found.is_some_and(|row| row["billing_pulse_seconds"] == json!(TERMS.0));
    let mut row = json!({
        "user_id": user_id, "id": id, "agent_id": agent, "contact_id": contact, "phone_number": state.customer_number,
        "duration_minutes": state.duration_minutes, "credits_micros": credits, "status": state.outcome.status(),
        "outcome": state.outcome.as_str(), "call_lifecycle_status": state.lifecycle, "recording_url": state.recording_url,
        "created_at": state.first_received_at, "started_at": state.started_at, "completed_at": state.completed_at,
        "call_source": state.source.as_str(), "caller_name": state.customer_name, "caller_email": state.customer_email,
        "lead_type": state.direction.map(|direction| direction.as_str()), "duration_seconds": state.duration_seconds,
        "bolna_execution_id": state.execution_id, "bolna_conversation_id": state.execution_id, "attempt": state.attempt,
        "cost_micros": state.cost_micros, "billing_settled": state.billing_settled, "hangup_by": state.hangup_by,
        "hangup_reason": state.hangup_reason, "hangup_provider_code": state.hangup_provider_code,
        "ringing_started_at": state.ringing_started_at, "call_answered_at": state.call_answered_at,
        "call_disconnected_at": state.call_disconnected_at, "summary": state.summary, "flags": state.flags,
    });
    row["billing_pulse_seconds"] = json!(is_charged.then_some(TERMS.0));
    row["credits_per_minute_micros"] = json!(is_charged.then_some(TERMS.1));
    for outcome in ["busy", "no_answer", "failed"] {
        let dials = state.attempts.iter().filter(|dial| dial.outcome.as_str() == outcome).count();
        row[format!("{outcome}_dials")] = json!(dials);
    }
    row["bolna_call_config"] = call_config(state);
    row["bolna_voice_settings"] = voice_settings(state);
    row["bolna_metadata"] = metadata(state);
    row
}

fn call_config(state: &CallState) -> Value {
    let setup = &state.setup;
    let retry = setup.retry.clone().unwrap_or_default();
    filled([
        ("scheduled_at", json!(setup.scheduled_at)),
        ("rescheduled_at", json!(setup.rescheduled_at)),
        ("batch_id", json!(setup.batch_id)),
        ("campaign_id", json!(setup.campaign_id)),
        ("retry", json!(retry)),
    ])
}

fn voice_settings(state: &CallState) -> Value {
    let usage = &state.usage;
    let part = |model: &Option<String>, provider: &Option<String>| {
        filled([("model", json!(model)), ("provider", json!(provider))])
    };
    let models: Vec<&str> = usage.llm_models.keys().map(String::as_str).collect();
    filled([
        ("llm", filled([("models", json!(models)), ("providers", json!(usage.llm_providers))])),
        ("synthesizer", part(&usage.synthesizer_model, &usage.synthesizer_provider)),
        ("transcriber", part(&usage.transcriber_model, &usage.transcriber_provider)),
    ])
}

fn metadata(state: &CallState) -> Value {
    let usage = &state.usage;
    let mut row = filled([
        ("extracted_data", json!(state.extracted_data)),
        ("termination_reason", json!(state.termination_reason)),
        ("error_message", json!(state.error_message)),
        ("smart_status", json!(state.smart_status)),
        ("answered_by_voice_mail", json!(state.answered_by_voice_mail)),
        ("agent_number", json!(state.agent_number)),
        ("conversation_seconds", json!(state.conversation_seconds.map(|seconds| seconds.to_string()))),
        (
            "usage",
            filled([
                ("llm_tokens", json!(usage.llm_tokens)),
                ("llm_tokens_by_model", json!(usage.llm_models)),
                ("synthesizer_characters", json!(usage.synthesizer_characters)),
                ("transcriber_seconds", json!(usage.transcriber_seconds.map(|seconds| seconds.to_string()))),
            ]),
        ),
    ]);
    row["event_count"] = json!(state.event_count);
    row["cost_legs_micros"] = json!(state.cost_legs);
    row
}

fn expected_dials((user_id, call_id): Key, state: &CallState) -> Vec<(i32, Value)> {
    let row = |dial: &tallyline_model::AttemptState| {
        json!({
            "user_id": user_id, "call_id": call_id, "attempt": dial.attempt, "lifecycle": dial.lifecycle,
            "outcome": dial.outcome.as_str(), "call_sid": dial.call_sid, "started_at": dial.started_at,
            "ended_at": dial.ended_at, "duration_seconds": dial.duration_seconds,
        })
    };
    state.attempts.iter().map(|dial| (dial.attempt, row(dial))).collect()
}

fn expected_legs((user_id, call_id): Key, state: &CallState) -> Vec<(String, Value)> {
    let row = |leg: &tallyline_model::LegState| {
        json!({
            "user_id": user_id, "call_id": call_id, "leg_key": leg.key, "kind": leg.kind.as_str(),
            "lifecycle": leg.lifecycle, "outcome": leg.outcome.as_str(), "duration_seconds": leg.duration_seconds,
            "cost_reported": leg.cost_reported.map(|cost| cost.to_string()), "to_number": leg.to_number,
            "from_number": leg.from_number, "recording_url": leg.recording_url, "hangup_by": leg.hangup_by,
            "hangup_reason": leg.hangup_reason, "hangup_provider_code": leg.hangup_provider_code,
            "termination_reason": leg.termination_reason, "started_at": leg.started_at, "ended_at": leg.ended_at,
        })
    };
    state.legs.iter().map(|leg| (leg.key.clone(), row(leg))).collect()
}

/// Counters of contacts are the sums of their calls, whose columns are compared above.
async fn check_contacts(admin: &PgPool, report: &mut Report) -> anyhow::Result<()> {
    let wrong: Vec<String> = sqlx::query_scalar(
        "SELECT 'counters of contact ' || k.id
         FROM contacts k
         CROSS JOIN LATERAL (
             SELECT coalesce(sum(busy_dials), 0) AS busy, coalesce(sum(no_answer_dials), 0) AS no_answer,
                    coalesce(sum(failed_dials), 0) AS failed, coalesce(sum(unanswered_sids), 0) AS unanswered, max(started_at) AS last_at
             FROM calls c WHERE c.user_id = k.user_id AND c.contact_id = k.id) s
         WHERE (k.call_attempted_busy, k.call_attempted_no_answer, k.call_attempted_failed, k.not_connected, k.last_contact_at)
             IS DISTINCT FROM (s.busy, s.no_answer, s.failed, s.unanswered, s.last_at)",
    )
    .fetch_all(admin)
    .await?;
    report.differences.extend(wrong);
    Ok(())
}

/// Σ ledger = Σ calls, for each call and each balance.
async fn check_money(admin: &PgPool, report: &mut Report) -> anyhow::Result<()> {
    let wrong: Vec<String> = sqlx::query_scalar(
        "SELECT 'charges of call ' || c.id FROM calls c
         WHERE c.credits_micros <> (SELECT coalesce(-sum(t.amount_micros), 0) FROM credit_transactions t
                                    WHERE t.user_id = c.user_id AND t.call_id = c.id)
         UNION ALL
         SELECT 'balance of ' || u.id FROM users u
         WHERE u.credits_micros <> 15000000 - (SELECT coalesce(sum(c.credits_micros), 0) FROM calls c WHERE c.user_id = u.id)",
    )
    .fetch_all(admin)
    .await?;
    report.differences.extend(wrong);
    Ok(())
}
