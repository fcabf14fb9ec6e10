//! `complete_leads`: keeps one complete analysis a contact, folded from the
//! individual analyses of its calls.
//!
//! A standing drain over `tally.lead_marks`, by the protocol of the roll-ups: lock
//! the contact's fold, take its marks, read, replace, each in a statement of its
//! own in READ COMMITTED. What is read after the marks are gone includes every change
//! that they stand for; the lock keeps an older fold from overwriting a newer one.
//!
//! For tenants whose provider is `openai` a contact with several analysed calls is
//! also a request to the provider (`analyze_leads` makes it). Until that has answered
//! for just the present input, the fold stands.

mod rows;

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use tallyline_model::complete::{Analysed, Complete, fold};
use tallyline_model::{LeadAnalysis, Scales, Thresholds, analysis_object, scores};
use uuid::Uuid;

use self::rows::{CompleteRow, FoldRow};

/// Marks that one transaction looks at.
const BATCH_MARKS: i64 = 500;

/// A tenant's contact.
pub(crate) type ContactKey = (Uuid, Uuid);

/// What bears on the folds of a tenant.
#[derive(Debug, Clone, Copy)]
struct Tenant {
    scales: Scales,
    thresholds: Thresholds,
    asks_provider: bool,
}

/// A contact's analyses, in the order of their calls.
#[derive(Debug, Default)]
struct Contact {
    phone_number: String,
    analyses: Vec<Analysed>,
}

/// What the provider said last of all calls of a contact, and of which input.
#[derive(Debug)]
struct Answer {
    analysis: Json<LeadAnalysis>,
    input_sha256: Vec<u8>,
}

/// Folds the contacts of the oldest marks; returns how many were looked at.
///
/// # Errors
/// When the database refused; the marks are still there then.
pub async fn run_unit(pool: &PgPool) -> Result<usize, sqlx::Error> {
    let marked = sqlx::query_file!("../sql/leads/marked_contacts.sql", BATCH_MARKS).fetch_all(pool).await?;
    if marked.is_empty() {
        return Ok(0);
    }
    let (user_ids, contact_ids): (Vec<Uuid>, Vec<Uuid>) =
        marked.into_iter().map(|row| (row.user_id, row.contact_id)).unzip();
    sqlx::query_file!("../sql/leads/ensure_folds.sql", &user_ids, &contact_ids).execute(pool).await?;
    let gone = sqlx::query_file!("../sql/leads/drop_marks_of_gone.sql", &user_ids, &contact_ids).execute(pool).await?;

    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let folded = fold_locked(&mut tx, &user_ids, &contact_ids).await?;
    tallyline_failpoints::pass::<sqlx::Error>(tallyline_failpoints::Point::ContactsFolded)?;
    tx.commit().await?;
    Ok(folded + usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}

async fn fold_locked(tx: &mut PgConnection, user_ids: &[Uuid], contact_ids: &[Uuid]) -> Result<usize, sqlx::Error> {
    let held = sqlx::query_file!("../sql/leads/lock_folds.sql", user_ids, contact_ids).fetch_all(&mut *tx).await?;
    let keys: Vec<ContactKey> = held.iter().map(|row| (row.user_id, row.contact_id)).collect();
    if keys.is_empty() {
        return Ok(0);
    }
    let mut answers = HashMap::new();
    for row in held {
        // One that cannot be read back is as if it had not been given.
        let analysis = row.result.and_then(|result| serde_json::from_value(result).ok());
        if let Some((analysis, input_sha256)) = analysis.zip(row.result_sha256) {
            answers.insert((row.user_id, row.contact_id), Answer { analysis: Json(analysis), input_sha256 });
        }
    }
    let (user_ids, contact_ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    sqlx::query_file!("../sql/leads/consume_marks.sql", &user_ids, &contact_ids).execute(&mut *tx).await?;
    let tenants = tenants(tx, &user_ids).await?;
    let contacts = read_contacts(tx, &user_ids, &contact_ids).await?;
    let inputs = provider_inputs(tx, &tenants, &contacts).await?;

    let (mut complete, mut saved, mut empty) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for &key in &keys {
        let input = inputs.get(&key);
        saved.push(FoldRow { user_id: key.0, contact_id: key.1, input_sha256: input.map(hex::encode) });
        let found = tenants.get(&key.0).zip(contacts.get(&key)).and_then(|(tenant, contact)| {
            let folded = fold(&contact.analyses, tenant.scales)?;
            let answer = answers.get(&key).filter(|answer| input == Some(&answer.input_sha256));
            let folded = answer.map_or(folded.clone(), |answer| answered(folded, answer, tenant.scales));
            Some(CompleteRow::new(key, &contact.phone_number, folded, tenant.scales, tenant.thresholds))
        });
        match found {
            Some(row) => complete.push(row),
            None => {
                empty.0.push(key.0);
                empty.1.push(key.1);
            }
        }
    }
    write(tx, &complete, &saved, &empty).await?;
    Ok(keys.len())
}

/// The provider's view of all calls in the place of the fold's.
fn answered(folded: Complete, answer: &Answer, scales: Scales) -> Complete {
    let mut analysis = answer.analysis.0.clone();
    scores::fit(&mut analysis, scales);
    Complete { analysis, ..folded }
}

async fn write(
    tx: &mut PgConnection,
    complete: &[CompleteRow],
    saved: &[FoldRow],
    empty: &(Vec<Uuid>, Vec<Uuid>),
) -> Result<(), sqlx::Error> {
    if !complete.is_empty() {
        let (user_ids, call_ids): (Vec<Uuid>, Vec<Uuid>) = complete.iter().map(CompleteRow::call).unzip();
        sqlx::query_file!("../sql/leads/lock_calls.sql", &user_ids, &call_ids).fetch_all(&mut *tx).await?;
        let (user_ids, contact_ids): (Vec<Uuid>, Vec<Uuid>) = complete.iter().map(CompleteRow::contact).unzip();
        sqlx::query_file!("../sql/leads/lock_contacts.sql", &user_ids, &contact_ids).fetch_all(&mut *tx).await?;
        sqlx::query_file!("../sql/leads/upsert_complete.sql", Json(complete) as _).execute(&mut *tx).await?;
    }
    if !empty.0.is_empty() {
        sqlx::query_file!("../sql/leads/delete_complete.sql", &empty.0, &empty.1).execute(&mut *tx).await?;
    }
    sqlx::query_file!("../sql/leads/save_folds.sql", Json(saved) as _).execute(tx).await?;
    Ok(())
}

async fn tenants(tx: &mut PgConnection, user_ids: &[Uuid]) -> Result<HashMap<Uuid, Tenant>, sqlx::Error> {
    let rows = sqlx::query_file!("../sql/process/tenant_settings.sql", user_ids).fetch_all(tx).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let tenant = Tenant {
                scales: Scales { total: row.score_scale.into(), dimension: row.dimension_scale.into() },
                thresholds: Thresholds {
                    hot_percent: row.hot_threshold_percent.into(),
                    warm_percent: row.warm_threshold_percent.into(),
                    cold_percent: row.cold_threshold_percent.into(),
                },
                asks_provider: row.analysis_provider == "openai",
            };
            (row.user_id, tenant)
        })
        .collect())
}

async fn read_contacts(
    tx: &mut PgConnection,
    user_ids: &[Uuid],
    contact_ids: &[Uuid],
) -> Result<BTreeMap<ContactKey, Contact>, sqlx::Error> {
    let rows = sqlx::query_file!("../sql/leads/individuals.sql", user_ids, contact_ids).fetch_all(tx).await?;
    let mut contacts: BTreeMap<ContactKey, Contact> = BTreeMap::new();
    for row in rows {
        let contact = contacts.entry((row.user_id, row.contact_id)).or_default();
        contact.phone_number = row.phone_number;
        contact.analyses.push(Analysed {
            call_id: row.call_id,
            started_at: row.started_at,
            analysed_at: row.analysis_timestamp,
            analysis: LeadAnalysis {
                intent_score: row.intent_score,
                urgency_score: row.urgency_score,
                budget_score: row.budget_score,
                fit_score: row.fit_score,
                engagement_score: row.engagement_score,
                intent_level: row.intent_level,
                urgency_level: row.urgency_level,
                budget_constraint: row.budget_constraint,
                fit_alignment: row.fit_alignment,
                engagement_health: row.engagement_health,
                total_score: row.total_score,
                lead_status_tag: row.lead_status_tag,
                reasoning: row.reasoning,
                company_name: row.company_name,
                extracted_name: row.extracted_name,
                extracted_email: row.extracted_email,
                // One line about one call says nothing about all of them.
                smart_notification: None,
                transcript_summary: row.transcript_summary,
                demo_book_datetime: row.demo_book_datetime,
                // Follow-ups are of single calls.
                follow_up_at: None,
                follow_up_date: None,
                cta_pricing_clicked: row.cta_pricing_clicked,
                cta_demo_clicked: row.cta_demo_clicked,
                cta_followup_clicked: row.cta_followup_clicked,
                cta_sample_clicked: row.cta_sample_clicked,
                cta_escalated_to_human: row.cta_escalated_to_human,
            },
        });
    }
    Ok(contacts)
}

/// The hash of what the provider would look at, for each contact whose calls it is to
/// look at together.
async fn provider_inputs(
    tx: &mut PgConnection,
    tenants: &HashMap<Uuid, Tenant>,
    contacts: &BTreeMap<ContactKey, Contact>,
) -> Result<HashMap<ContactKey, Vec<u8>>, sqlx::Error> {
    let asks = |key: &ContactKey| tenants.get(&key.0).is_some_and(|tenant| tenant.asks_provider);
    let asked: Vec<(&ContactKey, &Contact)> =
        contacts.iter().filter(|(key, contact)| asks(key) && contact.analyses.len() > 1).collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let calls = asked.iter().flat_map(|(key, contact)| contact.analyses.iter().map(|call| (key.0, call.call_id)));
    let (user_ids, call_ids): (Vec<Uuid>, Vec<Uuid>) = calls.unzip();
    let rows = sqlx::query_file!("../sql/leads/transcript_hashes.sql", &user_ids, &call_ids).fetch_all(tx).await?;
    let hashes: HashMap<(Uuid, Uuid), String> =
        rows.into_iter().map(|row| ((row.user_id, row.call_id), hex::encode(row.sha256))).collect();
    let input = |(key, contact): (&ContactKey, &Contact)| {
        let scales = tenants.get(&key.0).map(|tenant| [tenant.scales.total, tenant.scales.dimension]);
        let calls: Vec<_> = contact
            .analyses
            .iter()
            .map(|call| {
                let transcript = hashes.get(&(key.0, call.call_id));
                serde_json::json!([call.started_at.timestamp() / 60, transcript, analysis_object(&call.analysis)])
            })
            .collect();
        let text = serde_json::json!([scales, calls]).to_string();
        (*key, Sha256::digest(text.as_bytes()).to_vec())
    };
    Ok(asked.into_iter().map(input).collect())
}
