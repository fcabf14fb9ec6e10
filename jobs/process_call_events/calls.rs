//! The affected calls, folded from all their events.

use std::collections::HashMap;

use sqlx::PgConnection;
use tallyline_model::{CallState, Event, merge};
use uuid::Uuid;

use super::ProcessError;
use super::assign::Assigned;
use super::ledger::Terms;

/// A call as it is to be written.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) user_id: Uuid,
    pub(super) id: Uuid,
    pub(super) agent_id: Uuid,
    pub(super) state: CallState,
    /// Twilio's own last words on each of its unanswered dials: CallSid and status.
    pub(super) unanswered: Vec<(String, String)>,
    /// The row as it was, if there was one.
    pub(super) before: Option<Before>,
}

/// What later steps need of a call's row before this batch.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub(super) agent_id: Uuid,
    pub(super) contact_id: Option<Uuid>,
    pub(super) credits_micros: i64,
    pub(super) terms: Option<Terms>,
}

type CallKey = (Uuid, Uuid);

/// A call's key, its state, and what Twilio says was not connected.
type Merged = (CallKey, CallState, Vec<(String, String)>);

/// Loads all events of the assigned calls, locks their rows and folds.
pub(super) async fn fold(tx: &mut PgConnection, assigned: &Assigned) -> Result<Vec<Folded>, ProcessError> {
    let (user_ids, call_ids): (Vec<Uuid>, Vec<Uuid>) = assigned.calls.iter().copied().unzip();
    let mut events = load_events(tx, &user_ids, &call_ids).await?;
    let before = lock_calls(tx, &user_ids, &call_ids).await?;

    let mut states = Vec::with_capacity(assigned.calls.len());
    for &key in &assigned.calls {
        let events = events.remove(&key).unwrap_or_default();
        // Analyses without their call stay filed until it comes.
        if let Some(state) = merge(&events) {
            let unanswered = unanswered(&events, &state);
            states.push((key, state, unanswered));
        }
    }
    let agents = agents(tx, &states).await?;
    let mut folded = Vec::with_capacity(states.len());
    for (key, state, unanswered) in states {
        let before = before.get(&key).cloned();
        let named = state.agent_ref.as_ref().and_then(|agent| agents.get(&(key.0, agent.clone())).copied());
        let agent_id = named
            .or_else(|| before.as_ref().map(|b| b.agent_id))
            .or_else(|| assigned.agents_by_number.get(&key).copied());
        let Some(agent_id) = agent_id else {
            // Every event was checked against the tenant's agents when it was
            // filed, so only an agent deleted since then leads here: its calls
            // went with it.
            tracing::warn!(call_id = %key.1, "call has no agent any more, left out");
            continue;
        };
        folded.push(Folded { user_id: key.0, id: key.1, agent_id, state, unanswered, before });
    }
    Ok(folded)
}

/// CallSids of the call's own dials that Twilio says were not connected, with the
/// status.
fn unanswered(events: &[Event], state: &CallState) -> Vec<(String, String)> {
    let is_dial = |sid: &String| state.call_sids.binary_search_by(|(dial, _)| dial.cmp(sid)).is_ok();
    let mut found: Vec<(String, String)> = events
        .iter()
        .filter(|e| e.provider == tallyline_model::Provider::Twilio)
        .filter(|e| matches!(e.status.as_str(), "busy" | "no-answer" | "failed" | "canceled"))
        .filter(|e| e.parent_call_sid.is_none())
        .filter_map(|e| Some((e.call_sid.clone().filter(is_dial)?, e.status.clone())))
        .collect();
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

async fn load_events(
    tx: &mut PgConnection,
    user_ids: &[Uuid],
    call_ids: &[Uuid],
) -> Result<HashMap<CallKey, Vec<Event>>, ProcessError> {
    let rows = sqlx::query_file!("../sql/process/load_events.sql", user_ids, call_ids).fetch_all(tx).await?;
    let mut events: HashMap<CallKey, Vec<Event>> = HashMap::new();
    for row in rows {
        let event: Event =
            serde_json::from_value(row.facts).map_err(|source| ProcessError::Facts { user_id: row.user_id, source })?;
        events.entry((row.user_id, row.call_id)).or_default().push(event);
    }
    Ok(events)
}

async fn lock_calls(
    tx: &mut PgConnection,
    user_ids: &[Uuid],
    call_ids: &[Uuid],
) -> Result<HashMap<CallKey, Before>, sqlx::Error> {
    let rows = sqlx::query_file!("../sql/process/lock_calls.sql", user_ids, call_ids).fetch_all(tx).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let terms = row.billing_pulse_seconds.zip(row.credits_per_minute_micros);
            let before = Before {
                agent_id: row.agent_id,
                contact_id: row.contact_id,
                credits_micros: row.credits_micros,
                terms: terms.map(|(pulse_seconds, credits_per_minute_micros)| Terms {
                    pulse_seconds,
                    credits_per_minute_micros,
                }),
            };
            ((row.user_id, row.id), before)
        })
        .collect())
}

async fn agents(tx: &mut PgConnection, states: &[Merged]) -> Result<HashMap<(Uuid, String), Uuid>, sqlx::Error> {
    let mut named: Vec<(Uuid, String)> =
        states.iter().filter_map(|(key, state, _)| Some((key.0, state.agent_ref.clone()?))).collect();
    named.sort();
    named.dedup();
    let (user_ids, refs): (Vec<Uuid>, Vec<String>) = named.into_iter().unzip();
    let rows = sqlx::query_file!("../sql/process/agents_by_ref.sql", &user_ids, &refs).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| ((row.user_id, row.bolna_agent_id), row.id)).collect())
}
