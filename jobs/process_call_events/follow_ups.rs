//! Follow-ups that analyses ask for: one a call, as its latest analysis says.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::LeadAnalysis;
use uuid::Uuid;

use super::calls::Folded;
use super::rows::{NAME_CHARS, NUMBER_CHARS, cut};

/// Under which a call's follow-up gets its id; the call is the namespace. Taken
/// back and asked for again it is the same one, and nobody is reminded twice.
const ID_NAME: &[u8] = b"follow-up";

#[derive(Debug, Serialize)]
struct FollowUpRow {
    user_id: Uuid,
    call_id: Uuid,
    id: Uuid,
    started_at: DateTime<Utc>,
    follow_up_at: Option<DateTime<Utc>>,
    follow_up_date: Option<NaiveDate>,
    lead_phone: Option<String>,
    phone_e164: Option<String>,
    lead_email: Option<String>,
    lead_name: Option<String>,
    remark: Option<String>,
}

impl FollowUpRow {
    fn new(call: &Folded, number: Option<&str>, lead: &LeadAnalysis) -> Self {
        let name = lead.extracted_name.as_deref().or(call.state.customer_name.as_deref());
        FollowUpRow {
            user_id: call.user_id,
            call_id: call.id,
            id: Uuid::new_v5(&call.id, ID_NAME),
            started_at: call.state.started_at,
            follow_up_at: lead.follow_up_at,
            follow_up_date: lead.follow_up_date,
            lead_phone: call.state.customer_number.as_deref().map(|text| cut(text, NUMBER_CHARS)),
            phone_e164: number.map(str::to_owned),
            lead_email: lead.extracted_email.as_deref().map(|text| cut(text, NAME_CHARS)),
            lead_name: name.map(|text| cut(text, NAME_CHARS)),
            remark: lead.smart_notification.clone(),
        }
    }
}

/// Writes what the calls' analyses ask for and takes back what they no longer do.
/// `numbers` are the calls' numbers in E.164, in their order; `default_days` lie
/// between a call and its follow-up where no time is named.
pub(super) async fn write(
    tx: &mut PgConnection,
    folded: &[Folded],
    numbers: &[Option<String>],
    default_days: i32,
) -> Result<(), sqlx::Error> {
    let mut asked = Vec::new();
    let (mut user_ids, mut call_ids) = (Vec::new(), Vec::new());
    for (call, number) in folded.iter().zip(numbers) {
        match &call.state.analysis {
            Some(lead) if lead.asks_follow_up() => asked.push(FollowUpRow::new(call, number.as_deref(), lead)),
            Some(_) => {
                user_ids.push(call.user_id);
                call_ids.push(call.id);
            }
            None => {}
        }
    }
    if !call_ids.is_empty() {
        sqlx::query_file!("../sql/follow_ups/delete_unasked.sql", &user_ids, &call_ids).execute(&mut *tx).await?;
    }
    if !asked.is_empty() {
        sqlx::query_file!("../sql/follow_ups/upsert_asked.sql", Json(&asked) as _, default_days).execute(tx).await?;
    }
    Ok(())
}
