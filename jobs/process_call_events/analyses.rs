//! Which calls are to be analysed: those that a person answered, that are over, and
//! that hold what the tenant's provider looks at.

use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::{CallState, Outcome};
use uuid::Uuid;

use super::calls::Folded;
use super::claim::{Lanes, Tenant};

#[derive(Debug, Serialize)]
struct AnalysisRow {
    user_id: Uuid,
    call_id: Uuid,
    provider: &'static str,
    input_sha256: String,
    analyzed_at: chrono::DateTime<chrono::Utc>,
}

/// Whether it is settled that nobody answered: such a call is no lead, whatever was
/// posted of it.
pub(super) fn is_unanswered(state: &CallState) -> bool {
    !matches!(state.outcome, Outcome::Answered | Outcome::InProgress)
}

/// What a transcript's status is while there is neither an analysis nor work for one.
pub(super) fn unanalysed_status(state: &CallState, tenant: &Tenant) -> &'static str {
    match tenant.analysis_provider.as_str() {
        _ if is_unanswered(state) => "skipped",
        "off" => "off",
        // Nothing to look at in what Bolna sent; more may come while the call lasts.
        "bolna" if state.is_terminal => "skipped",
        _ => "pending",
    }
}

/// Asks for the analyses of the batch's calls, and withdraws those of calls that are
/// not answered any more.
pub(super) async fn request(tx: &mut PgConnection, lanes: &Lanes, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    let (mut user_ids, mut call_ids) = (Vec::new(), Vec::new());
    for call in folded {
        let Some(tenant) = lanes.get(&call.user_id).filter(|tenant| asks(tenant)) else { continue };
        if call.state.outcome != Outcome::Answered {
            user_ids.push(call.user_id);
            call_ids.push(call.id);
        } else if let Some((provider, input)) = input_of(&call.state, tenant) {
            rows.push(AnalysisRow {
                user_id: call.user_id,
                call_id: call.id,
                provider,
                input_sha256: hex::encode(Sha256::digest(input.as_bytes())),
                analyzed_at: call.state.last_event_at,
            });
        }
    }
    if !rows.is_empty() {
        rows.sort_by_key(|row| (row.user_id, row.call_id));
        sqlx::query_file!("../sql/process/request_analyses.sql", Json(&rows) as _).execute(&mut *tx).await?;
    }
    if !user_ids.is_empty() {
        sqlx::query_file!("../sql/process/withdraw_analyses.sql", &user_ids, &call_ids).execute(tx).await?;
    }
    Ok(())
}

/// Whether analyses of the tenant's calls are made here at all.
fn asks(tenant: &Tenant) -> bool {
    matches!(tenant.analysis_provider.as_str(), "bolna" | "openai" | "rules")
}

/// What the tenant's provider would look at of a call that was answered, hence is over;
/// nothing if it would look at nothing.
fn input_of(state: &CallState, tenant: &Tenant) -> Option<(&'static str, String)> {
    state.execution_id.as_ref()?;
    match tenant.analysis_provider.as_str() {
        "bolna" => {
            let given = [&state.extracted_data, &state.custom_extractions, &state.agent_extraction];
            given.iter().any(|given| given.is_some()).then(|| ("bolna", json!(given).to_string()))
        }
        "rules" => Some(("rules", state.transcript.clone()?)),
        "openai" => {
            // The minute and the direction are in the request too.
            let minute = state.started_at.timestamp().div_euclid(60);
            let direction = state.direction.map(|direction| direction.as_str());
            Some(("openai", json!([minute, direction, state.transcript.as_deref()?]).to_string()))
        }
        _ => None,
    }
}
