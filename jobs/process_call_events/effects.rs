//! Everything that a batch writes about its calls, one statement a table.

use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_failpoints::{Point, pass};
use tallyline_model::{CallState, normalise_e164};
use uuid::Uuid;

use super::Options;
use super::ProcessError;
use super::analyses;
use super::calls::Folded;
use super::claim::{Lanes, Tenant};
use super::contacts;
use super::follow_ups;
use super::ledger::{self, Charge};
use super::legs;
use super::rows::{AttemptRow, CallRow, LeadRow, TranscriptRow, UnansweredRow, cut, speaker_segments};

/// Writes calls, contacts, attempts, legs, aliases, transcripts, leads, follow-ups and charges.
pub(super) async fn write(
    tx: &mut PgConnection,
    lanes: &Lanes,
    mut folded: Vec<Folded>,
    options: &Options,
) -> Result<(), ProcessError> {
    if folded.is_empty() {
        return Ok(());
    }
    folded.iter_mut().for_each(|call| fit_analysis(lanes, call));
    let numbers: Vec<Option<String>> = folded.iter().map(|call| number_of(lanes, call)).collect();
    let contacts = contacts::find_or_make(tx, &folded, &numbers).await?;
    let contact_ids: Vec<Option<Uuid>> =
        folded.iter().zip(&numbers).map(|(call, number)| contacts.of(call, number.as_deref())).collect();

    let mut charges = Vec::new();
    let mut rows = Vec::with_capacity(folded.len());
    for (call, &contact_id) in folded.iter().zip(&contact_ids) {
        let Some(tenant) = tenant_of(lanes, call) else { continue };
        let bill = ledger::bill(&call.state, call.before.as_ref().and_then(|before| before.terms), tenant);
        let charged = call.before.as_ref().map_or(0, |before| before.credits_micros);
        charges.push(Charge { user_id: call.user_id, call_id: call.id, micros: bill.credits_micros - charged });
        rows.push(CallRow::new(
            (call.user_id, call.id),
            call.agent_id,
            contact_id,
            bill,
            &call.state,
            call.unanswered.len(),
        ));
    }
    sqlx::query_file!("../sql/process/upsert_calls.sql", Json(&rows) as _).execute(&mut *tx).await?;
    pass::<sqlx::Error>(Point::CallsWritten)?;
    write_attempts(tx, &folded).await?;
    legs::write(tx, &folded).await?;
    write_aliases(tx, &folded).await?;
    legs::delete_vanished(tx, &folded).await?;
    analyses::request(tx, lanes, &folded).await?;
    write_transcripts(tx, lanes, &folded).await?;
    write_leads(tx, lanes, &folded).await?;
    follow_ups::write(tx, &folded, &numbers, options.follow_up_default_days).await?;
    note_unanswered(tx, &folded, &contact_ids).await?;
    ledger::write(tx, charges).await?;
    Ok(())
}

/// Holds the analysis against the tenant's scales, before anything is made of it.
fn fit_analysis(lanes: &Lanes, call: &mut Folded) {
    let Some(scales) = lanes.get(&call.user_id).map(|tenant| tenant.scales) else { return };
    if let Some(analysis) = &mut call.state.analysis {
        call.state.flags.extend(tallyline_model::scores::fit(analysis, scales));
        call.state.flags.sort();
        call.state.flags.dedup();
    }
}

fn tenant_of<'a>(lanes: &'a Lanes, call: &Folded) -> Option<&'a Tenant> {
    lanes.get(&call.user_id)
}

/// The customer's number in E.164; none for web calls and anonymous callers. Of
/// several the last that can be dialled, so that a later word such as `anonymous`
/// unties no contact that an earlier batch has tied.
fn number_of(lanes: &Lanes, call: &Folded) -> Option<String> {
    let country_code = tenant_of(lanes, call)?.default_country_code.as_deref();
    call.state.customer_numbers.iter().find_map(|number| normalise_e164(number, country_code))
}

async fn write_attempts(tx: &mut PgConnection, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let rows: Vec<AttemptRow> = folded
        .iter()
        .flat_map(|call| {
            call.state.attempts.iter().map(|dial| AttemptRow {
                user_id: call.user_id,
                call_id: call.id,
                attempt: dial.attempt,
                lifecycle: dial.lifecycle.clone(),
                outcome: dial.outcome.as_str(),
                call_sid: dial.call_sid.clone(),
                started_at: dial.started_at,
                ended_at: dial.ended_at,
                duration_seconds: dial.duration_seconds,
            })
        })
        .collect();
    sqlx::query_file!("../sql/process/upsert_attempts.sql", Json(&rows) as _).execute(tx).await?;
    Ok(())
}

async fn write_aliases(tx: &mut PgConnection, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let (mut user_ids, mut sids, mut call_ids) = (Vec::new(), Vec::new(), Vec::new());
    for call in folded {
        for (sid, _) in &call.state.call_sids {
            user_ids.push(call.user_id);
            sids.push(sid.clone());
            call_ids.push(call.id);
        }
    }
    if !sids.is_empty() {
        sqlx::query_file!("../sql/process/insert_aliases.sql", &user_ids, &sids, &call_ids).execute(tx).await?;
    }
    Ok(())
}

async fn write_transcripts(tx: &mut PgConnection, lanes: &Lanes, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let rows: Vec<TranscriptRow> = folded
        .iter()
        .filter_map(|call| {
            let content = call.state.transcript.clone()?;
            Some(TranscriptRow {
                user_id: call.user_id,
                call_id: call.id,
                speaker_segments: speaker_segments(&content),
                content,
                analysed: call.state.analysis.is_some() && !analyses::is_unanswered(&call.state),
                unanalysed_status: analyses::unanalysed_status(&call.state, tenant_of(lanes, call)?),
            })
        })
        .collect();
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/upsert_transcripts.sql", Json(&rows) as _).execute(tx).await?;
    }
    Ok(())
}

async fn write_leads(tx: &mut PgConnection, lanes: &Lanes, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let row = |call: &Folded, state: &CallState| {
        Some(LeadRow::new((call.user_id, call.id), tenant_of(lanes, call)?, state, state.analysis.as_ref()?))
    };
    let (unanswered, others): (Vec<&Folded>, Vec<&Folded>) = folded
        .iter()
        .filter(|call| call.state.analysis.is_some())
        .partition(|call| analyses::is_unanswered(&call.state));
    if !unanswered.is_empty() {
        let (user_ids, call_ids): (Vec<Uuid>, Vec<Uuid>) =
            unanswered.iter().map(|call| (call.user_id, call.id)).unzip();
        sqlx::query_file!("../sql/process/delete_leads.sql", &user_ids, &call_ids).execute(&mut *tx).await?;
    }
    let rows: Vec<LeadRow> = others.into_iter().filter_map(|call| row(call, &call.state)).collect();
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/upsert_leads.sql", Json(&rows) as _).execute(tx).await?;
    }
    Ok(())
}

async fn note_unanswered(
    tx: &mut PgConnection,
    folded: &[Folded],
    contact_ids: &[Option<Uuid>],
) -> Result<(), sqlx::Error> {
    let rows: Vec<UnansweredRow> = folded
        .iter()
        .zip(contact_ids)
        .flat_map(|(call, &contact_id)| {
            call.unanswered.iter().map(move |(sid, status)| UnansweredRow {
                user_id: call.user_id,
                call_sid: sid.clone(),
                phone_number: cut(call.state.customer_number.as_deref().unwrap_or_default(), 50),
                call_status: status.clone(),
                contact_id,
            })
        })
        .collect();
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/note_unanswered.sql", Json(&rows) as _).execute(&mut *tx).await?;
    }
    let legs = folded.iter().flat_map(|call| call.state.legs.iter().map(|leg| (call.user_id, leg.key.clone())));
    let (user_ids, sids): (Vec<Uuid>, Vec<String>) = legs.unzip();
    if !sids.is_empty() {
        sqlx::query_file!("../sql/process/forget_legs.sql", &user_ids, &sids).execute(tx).await?;
    }
    Ok(())
}
