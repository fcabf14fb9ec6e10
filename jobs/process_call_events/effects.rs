//! Everything that a batch writes about its calls, one statement a table.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::{CallState, normalise_e164};
use uuid::Uuid;

use super::Options;
use super::ProcessError;
use super::calls::Folded;
use super::claim::{Lanes, Tenant};
use super::follow_ups;
use super::ledger::{self, Charge};
use super::rows::{
    ANONYMOUS, AttemptRow, CallRow, ContactRow, LeadRow, TranscriptRow, UnansweredRow, cut, speaker_segments,
};

/// Contacts by tenant and number.
type Contacts = HashMap<(Uuid, String), Uuid>;

/// Writes calls, contacts, attempts, aliases, transcripts, leads, follow-ups and charges.
pub(super) async fn write(
    tx: &mut PgConnection,
    lanes: &Lanes,
    folded: Vec<Folded>,
    options: &Options,
) -> Result<(), ProcessError> {
    if folded.is_empty() {
        return Ok(());
    }
    let numbers: Vec<Option<String>> = folded.iter().map(|call| number_of(lanes, call)).collect();
    let contacts = upsert_contacts(tx, &folded, &numbers).await?;
    let contact_ids: Vec<Option<Uuid>> =
        folded.iter().zip(&numbers).map(|(call, number)| contact_of(call, number.as_deref(), &contacts)).collect();

    let mut charges = Vec::new();
    let mut rows = Vec::with_capacity(folded.len());
    for (call, &contact_id) in folded.iter().zip(&contact_ids) {
        let Some(tenant) = tenant_of(lanes, call) else { continue };
        let bill = ledger::bill(&call.state, call.before.as_ref().and_then(|before| before.terms), tenant);
        let charged = call.before.as_ref().map_or(0, |before| before.credits_micros);
        charges.push(Charge { user_id: call.user_id, call_id: call.id, micros: bill.credits_micros - charged });
        rows.push(CallRow::new((call.user_id, call.id), call.agent_id, contact_id, bill, &call.state));
    }
    sqlx::query_file!("../sql/process/upsert_calls.sql", Json(&rows) as _).execute(&mut *tx).await?;
    write_attempts(tx, &folded).await?;
    write_aliases(tx, &folded).await?;
    write_transcripts(tx, &folded).await?;
    write_leads(tx, lanes, &folded).await?;
    follow_ups::write(tx, &folded, &numbers, options.follow_up_default_days).await?;
    count_not_connected(tx, &folded, &contact_ids).await?;
    ledger::write(tx, charges).await?;
    Ok(())
}

fn tenant_of<'a>(lanes: &'a Lanes, call: &Folded) -> Option<&'a Tenant> {
    lanes.get(&call.user_id)
}

/// The customer's number in E.164; none for web calls and anonymous callers.
fn number_of(lanes: &Lanes, call: &Folded) -> Option<String> {
    let country_code = tenant_of(lanes, call)?.default_country_code.as_deref();
    normalise_e164(call.state.customer_number.as_deref()?, country_code)
}

/// A call keeps its contact unless its number says another one.
fn contact_of(call: &Folded, number: Option<&str>, contacts: &Contacts) -> Option<Uuid> {
    number
        .and_then(|number| contacts.get(&(call.user_id, number.to_owned())).copied())
        .or_else(|| call.before.as_ref().and_then(|before| before.contact_id))
}

async fn upsert_contacts(
    tx: &mut PgConnection,
    folded: &[Folded],
    numbers: &[Option<String>],
) -> Result<Contacts, sqlx::Error> {
    let mut rows: HashMap<(Uuid, String), ContactRow> = HashMap::new();
    for (call, number) in folded.iter().zip(numbers) {
        let Some(number) = number else { continue };
        let said = contact_row(call, number);
        let key = (call.user_id, number.clone());
        match rows.get_mut(&key) {
            None => {
                rows.insert(key, said);
            }
            Some(known) => fill(known, said),
        }
    }
    let mut rows: Vec<ContactRow> = rows.into_values().collect();
    rows.sort_by(|a, b| (a.user_id, &a.phone_e164).cmp(&(b.user_id, &b.phone_e164)));
    if rows.is_empty() {
        return Ok(Contacts::new());
    }
    sqlx::query_file!("../sql/process/insert_contacts.sql", Json(&rows) as _).execute(&mut *tx).await?;
    let found = sqlx::query_file!("../sql/process/fill_contacts.sql", Json(&rows) as _).fetch_all(tx).await?;
    Ok(found.into_iter().map(|row| ((row.user_id, row.phone_e164), row.id)).collect())
}

fn contact_row(call: &Folded, number: &str) -> ContactRow {
    let lead = call.state.analysis.as_ref();
    let name = call
        .state
        .customer_name
        .as_deref()
        .or_else(|| lead.and_then(|l| l.extracted_name.as_deref()))
        .unwrap_or(ANONYMOUS);
    ContactRow {
        user_id: call.user_id,
        phone_e164: number.to_owned(),
        name: cut(name, 255),
        email: lead.and_then(|l| l.extracted_email.as_deref()).map(|e| cut(e, 255)),
        company: lead.and_then(|l| l.company_name.as_deref()).map(|c| cut(c, 255)),
        call_id: call.id,
    }
}

/// Takes from `said` what `known` does not have yet.
fn fill(known: &mut ContactRow, said: ContactRow) {
    if known.name == ANONYMOUS {
        known.name = said.name;
    }
    known.email = known.email.take().or(said.email);
    known.company = known.company.take().or(said.company);
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

async fn write_transcripts(tx: &mut PgConnection, folded: &[Folded]) -> Result<(), sqlx::Error> {
    let rows: Vec<TranscriptRow> = folded
        .iter()
        .filter_map(|call| {
            let content = call.state.transcript.clone()?;
            Some(TranscriptRow {
                user_id: call.user_id,
                call_id: call.id,
                speaker_segments: speaker_segments(&content),
                content,
                analysed: call.state.analysis.is_some(),
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
    let rows: Vec<LeadRow> = folded.iter().filter_map(|call| row(call, &call.state)).collect();
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/upsert_leads.sql", Json(&rows) as _).execute(tx).await?;
    }
    Ok(())
}

async fn count_not_connected(
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
        sqlx::query_file!("../sql/process/count_not_connected.sql", Json(&rows) as _).execute(tx).await?;
    }
    Ok(())
}
