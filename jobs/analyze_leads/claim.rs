//! Taking work: whose turn it is, what is due, what the tenant's day may still cost.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use sqlx::PgConnection;
use tallyline_model::Scales;
use uuid::Uuid;

use super::bolna::Bolna;
use super::gate::Permit;
use super::input::{CallInput, Input};
use super::openai::OpenAi;
use super::provider::{Provider, Refusal};
use super::rules::Rules;
use super::{AnalysisError, Analyzer, key_context};

/// A claim of work that needs no request is held no longer than this: it takes milliseconds,
/// and if its process dies, somebody else goes on soon.
const LOCAL_LEASE: Duration = Duration::from_secs(10);

/// Items that are looked at for one request, in case the first ones cost too much.
const LOOKED_AT: i64 = 4;

/// What a unit works on.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) tenant: Tenant,
    pub(super) work: Option<Work>,
    /// Items that wait for the tenant's next day.
    pub(super) put_off: usize,
    pub(super) permit: Option<Permit>,
}

#[derive(Debug)]
pub(super) struct Work {
    pub(super) provider: Box<dyn Provider>,
    pub(super) items: Vec<Item>,
    /// What the day was charged with, in micro-units.
    pub(super) reserved: i64,
}

/// The tenant whose turn it is, as it was at the claim.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) user_id: Uuid,
    pub(super) now: DateTime<Utc>,
    pub(super) today: NaiveDate,
    day_end: DateTime<Utc>,
    zone: Tz,
    scales: Scales,
}

/// One analysis to make.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) subject: Subject,
    pub(super) claim: i64,
    /// This one included.
    pub(super) attempts: i32,
    pub(super) execution_id: String,
    pub(super) analyzed_at: DateTime<Utc>,
    pub(super) input: Input,
    pub(super) refusal: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Call(Uuid),
    Contact(Uuid),
}

/// Claims the next work; none when nothing is due.
pub(super) async fn next(analyzer: &Analyzer) -> Result<Option<Claimed>, AnalysisError> {
    let (urls, resting) = analyzer.gate.blocked();
    let mut tx = analyzer.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let turn =
        sqlx::query_scalar!(r#"SELECT nextval('tally.analysis_turn_seq') AS "turn!""#).fetch_one(&mut *tx).await?;
    let found = sqlx::query_file!("../sql/analyses/next_tenant.sql", &urls, &resting).fetch_optional(&mut *tx).await?;
    let Some(row) = found else { return Ok(None) };
    sqlx::query!("UPDATE tally.analysis_settings SET turn = $2 WHERE user_id = $1", row.user_id, turn)
        .execute(&mut *tx)
        .await?;
    let tenant = Tenant {
        user_id: row.user_id,
        now: row.now,
        today: row.today,
        day_end: row.day_end,
        zone: row.timezone.parse().unwrap_or(Tz::UTC),
        scales: Scales { total: row.score_scale.into(), dimension: row.dimension_scale.into() },
    };
    let claimed = match row.provider.as_str() {
        "bolna" => local(analyzer, &mut tx, tenant, Box::new(Bolna)).await?,
        "rules" => local(analyzer, &mut tx, tenant, Box::new(Rules)).await?,
        _ => {
            let (Some(base_url), Some(model)) = (row.base_url, row.model) else { return Ok(None) };
            let api_key = match row.sealed_api_key {
                None => None,
                Some(sealed) => match opened_key(analyzer, row.user_id, &sealed) {
                    Some(key) => Some(key),
                    None => return Ok(None),
                },
            };
            let Some(permit) = analyzer.gate.permit(&base_url) else { return Ok(None) };
            let provider = OpenAi {
                http: analyzer.http.clone(),
                url: format!("{base_url}/chat/completions"),
                api_key,
                model,
                max_output_tokens: row.max_output_tokens.into(),
                input_price_micros: row.input_price_micros.unwrap_or(0),
                output_price_micros: row.output_price_micros.unwrap_or(0),
                timeout: analyzer.options.request_timeout,
                max_transcript_bytes: analyzer.options.max_transcript_bytes,
            };
            let limits = Limits { cap: row.daily_cap_micros, concurrency: row.concurrency.into() };
            match request(analyzer, &mut tx, tenant, provider, &limits).await {
                Ok(Some(claimed)) if claimed.work.is_some() => Claimed { permit: Some(permit), ..claimed },
                other => {
                    permit.unused();
                    let Some(claimed) = other? else { return Ok(None) };
                    claimed
                }
            }
        }
    };
    tx.commit().await?;
    Ok(Some(claimed))
}

/// The tenant's API key. One that does not open is an error of this installation, not
/// of the analysis: its work waits.
fn opened_key(analyzer: &Analyzer, user_id: Uuid, sealed: &[u8]) -> Option<String> {
    let opened = analyzer.sealing_key.unseal(&key_context(user_id), sealed);
    match opened.map(String::from_utf8) {
        Ok(Ok(key)) => Some(key),
        _ => {
            tracing::error!(%user_id, "the API key for analyses does not open: it was sealed with another secrets.key");
            analyzer.gate.rest_long(user_id);
            None
        }
    }
}

async fn local(
    analyzer: &Analyzer,
    tx: &mut PgConnection,
    tenant: Tenant,
    provider: Box<dyn Provider>,
) -> Result<Claimed, AnalysisError> {
    let items = due_calls(analyzer, tx, &tenant, provider.name(), analyzer.options.batch).await?;
    claim(tx, &tenant, &items, analyzer.options.lease.min(LOCAL_LEASE)).await?;
    let work = (!items.is_empty()).then_some(Work { provider, items, reserved: 0 });
    Ok(Claimed { tenant, work, put_off: 0, permit: None })
}

struct Limits {
    cap: Option<i64>,
    concurrency: i64,
}

/// One item for a request, if the tenant may make one now.
async fn request(
    analyzer: &Analyzer,
    tx: &mut PgConnection,
    tenant: Tenant,
    provider: OpenAi,
    limits: &Limits,
) -> Result<Option<Claimed>, AnalysisError> {
    let load = sqlx::query_file!("../sql/analyses/load.sql", tenant.user_id, tenant.today).fetch_one(&mut *tx).await?;
    if load.running >= limits.concurrency {
        return Ok(None);
    }
    let left = limits.cap.map(|cap| cap - load.spent_micros);
    if left.is_some_and(|left| left <= 0) {
        let put_off = hold(tx, &tenant, None, None).await?;
        return Ok(Some(Claimed { tenant, work: None, put_off, permit: None }));
    }
    let mut items = due_calls(analyzer, tx, &tenant, provider.name(), LOOKED_AT).await?;
    if items.is_empty() {
        items = due_contacts(analyzer, tx, &tenant).await?;
    }
    let (mut chosen, mut too_dear) = (None, Vec::new());
    for item in items {
        let most = if item.refusal.is_some() { 0 } else { provider.most_micros(&item.input) };
        if left.is_some_and(|left| most > left) {
            too_dear.push(item.subject);
        } else {
            chosen = Some((item, most));
            break;
        }
    }
    let mut put_off = 0;
    if !too_dear.is_empty() {
        let of =
            |pick: fn(Subject) -> Option<Uuid>| -> Vec<Uuid> { too_dear.iter().copied().filter_map(pick).collect() };
        let calls = of(|subject| if let Subject::Call(id) = subject { Some(id) } else { None });
        let contacts = of(|subject| if let Subject::Contact(id) = subject { Some(id) } else { None });
        put_off = hold(tx, &tenant, Some(calls), Some(contacts)).await?;
    }
    let Some((item, reserved)) = chosen else {
        return Ok(Some(Claimed { tenant, work: None, put_off, permit: None }));
    };
    let items = vec![item];
    claim(tx, &tenant, &items, analyzer.options.lease).await?;
    if reserved > 0 {
        sqlx::query_file!("../sql/analyses/spend.sql", tenant.user_id, tenant.today, reserved).execute(tx).await?;
    }
    Ok(Some(Claimed {
        tenant,
        work: Some(Work { provider: Box::new(provider), items, reserved }),
        put_off,
        permit: None,
    }))
}

/// Lets items wait for the tenant's next day: the given ones, or all that are due.
async fn hold(
    tx: &mut PgConnection,
    tenant: &Tenant,
    calls: Option<Vec<Uuid>>,
    contacts: Option<Vec<Uuid>>,
) -> Result<usize, sqlx::Error> {
    let held = sqlx::query_file!("../sql/analyses/hold_calls.sql", tenant.user_id, calls as _, tenant.day_end)
        .execute(&mut *tx)
        .await?
        .rows_affected()
        + sqlx::query_file!("../sql/analyses/hold_contacts.sql", tenant.user_id, contacts as _, tenant.day_end)
            .execute(tx)
            .await?
            .rows_affected();
    metrics::counter!("tallyline_analysis_put_off_total").increment(held);
    Ok(usize::try_from(held).unwrap_or(usize::MAX))
}

async fn due_calls(
    analyzer: &Analyzer,
    tx: &mut PgConnection,
    tenant: &Tenant,
    provider: &str,
    limit: i64,
) -> Result<Vec<Item>, sqlx::Error> {
    let claim = next_claim(tx).await?;
    let rows =
        sqlx::query_file!("../sql/analyses/due_calls.sql", tenant.user_id, provider, limit).fetch_all(tx).await?;
    let item = |row: CallRow| {
        let refusal = match row.attempts {
            attempts if attempts >= analyzer.options.max_attempts => Some(Refusal::NeverEnded),
            _ if !row.is_answered => Some(Refusal::NotAnswered),
            _ if row.execution_id.is_none() || (row.transcript.is_none() && provider != "bolna") => {
                Some(Refusal::NoInput)
            }
            _ => None,
        };
        Item {
            subject: Subject::Call(row.call_id),
            claim,
            attempts: row.attempts + 1,
            execution_id: row.execution_id.unwrap_or_default(),
            analyzed_at: row.analyzed_at,
            input: Input { scales: tenant.scales, zone: tenant.zone, calls: vec![row.input], is_complete: false },
            refusal,
        }
    };
    let rows = rows.into_iter().map(|row| CallRow {
        call_id: row.call_id,
        attempts: row.attempts,
        analyzed_at: row.analyzed_at,
        execution_id: row.bolna_execution_id,
        is_answered: row.is_answered,
        transcript: row.transcript.clone(),
        input: CallInput {
            started_at: row.started_at,
            direction: row.lead_type,
            transcript: row.transcript,
            extracted_data: row.extracted_data,
            custom_extractions: row.custom_extractions,
            agent_extraction: row.agent_extraction,
            analysis: None,
        },
    });
    Ok(rows.map(item).collect())
}

struct CallRow {
    call_id: Uuid,
    attempts: i32,
    analyzed_at: DateTime<Utc>,
    execution_id: Option<String>,
    is_answered: bool,
    transcript: Option<String>,
    input: CallInput,
}

async fn due_contacts(analyzer: &Analyzer, tx: &mut PgConnection, tenant: &Tenant) -> Result<Vec<Item>, sqlx::Error> {
    let claim = next_claim(tx).await?;
    let rows =
        sqlx::query_file!("../sql/analyses/due_contacts.sql", tenant.user_id, LOOKED_AT).fetch_all(&mut *tx).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let calls = contact_calls(analyzer, tx, tenant.user_id, row.contact_id).await?;
        let refusal = match calls.len() {
            _ if row.attempts >= analyzer.options.max_attempts => Some(Refusal::NeverEnded),
            0 | 1 => Some(Refusal::NoInput),
            _ => None,
        };
        items.push(Item {
            subject: Subject::Contact(row.contact_id),
            claim,
            attempts: row.attempts + 1,
            execution_id: String::new(),
            analyzed_at: tenant.now,
            input: Input { scales: tenant.scales, zone: tenant.zone, calls, is_complete: true },
            refusal,
        });
    }
    Ok(items)
}

/// The contact's analysed calls. The newest keep their transcripts, as many as one
/// request may hold; of the others there is what was found of them.
async fn contact_calls(
    analyzer: &Analyzer,
    tx: &mut PgConnection,
    user_id: Uuid,
    contact_id: Uuid,
) -> Result<Vec<CallInput>, sqlx::Error> {
    let rows = sqlx::query_file!("../sql/analyses/contact_calls.sql", user_id, contact_id).fetch_all(tx).await?;
    let mut left = analyzer.options.max_transcript_bytes;
    let mut calls: Vec<CallInput> = Vec::with_capacity(rows.len());
    for row in rows.into_iter().rev() {
        let transcript = row.transcript.filter(|text| text.len() <= left || calls.is_empty());
        left = left.saturating_sub(transcript.as_ref().map_or(0, String::len));
        calls.push(CallInput {
            started_at: row.started_at,
            direction: row.lead_type,
            transcript,
            extracted_data: None,
            custom_extractions: None,
            agent_extraction: None,
            analysis: Some(without_nulls(row.analysis)),
        });
    }
    calls.reverse();
    Ok(calls)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

async fn next_claim(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT nextval('tally.analysis_claim_seq') AS "claim!""#).fetch_one(tx).await
}

async fn claim(tx: &mut PgConnection, tenant: &Tenant, items: &[Item], lease: Duration) -> Result<(), sqlx::Error> {
    let until = tenant.now + TimeDelta::from_std(lease).unwrap_or(TimeDelta::minutes(2));
    let Some(first) = items.first() else { return Ok(()) };
    if let Subject::Contact(contact_id) = first.subject {
        let user_id = tenant.user_id;
        sqlx::query_file!("../sql/analyses/claim_contact.sql", user_id, contact_id, first.claim, until)
            .execute(tx)
            .await?;
        return Ok(());
    }
    let call_of = |item: &Item| if let Subject::Call(id) = item.subject { Some(id) } else { None };
    let call_ids: Vec<Uuid> = items.iter().filter_map(call_of).collect();
    sqlx::query_file!("../sql/analyses/claim_calls.sql", tenant.user_id, &call_ids, first.claim, until)
        .execute(tx)
        .await?;
    Ok(())
}
