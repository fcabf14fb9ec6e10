//! What people do at their desks in the demonstration, by the functions that commands
//! and pages call: they buy credits, make customers of contacts, and note whom to call back.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use tallyline_jobs::admin_log::COMMAND_LINE;

use super::trail;
use crate::simulate::Target;
use crate::tenants::credits::{self, Reason};
use crate::tenants::customers::{self, ContactKey, Conversion};
use crate::tenants::{self, NewFollowUp};

/// More than a made-up call is charged on average.
const CREDITS_A_CALL: u64 = 4;
/// Credits are bought by the thousand.
const CREDITS_A_PURCHASE: u64 = 1_000;
const MICROS: u64 = 1_000_000;
/// Contacts of each tenant that become customers, and others that are to be called
/// back: one the day before today, one today, the rest on the days after.
const CUSTOMERS: i64 = 6;
const CALLED_BACK: i64 = 6;

/// Buys each tenant enough for `calls` calls among all of them, before the first.
pub(super) async fn buy_credits(pool: &PgPool, targets: &[Target], calls: u64) -> anyhow::Result<()> {
    let share = calls.div_ceil(u64::try_from(targets.len().max(1))?);
    let bought = (share * CREDITS_A_CALL).next_multiple_of(CREDITS_A_PURCHASE);
    let amount_micros = i64::try_from(bought * MICROS)?;
    for target in targets {
        let mut tx = pool.begin().await?;
        let reason = Reason::Purchase { payment_id: format!("demo-{}", target.user_id) };
        let entry = credits::enter(&mut tx, target.user_id, &reason, amount_micros, "Purchase").await?.entry;
        let details = json!({ "type": entry.kind, "amount_micros": entry.amount_micros,
            "balance_after_micros": entry.balance_after_micros, "payment_id": entry.payment_id });
        let of = ("credit_transaction", entry.id.to_string());
        trail::record(&mut tx, "credits.add", of, target.user_id, details).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Makes customers of each tenant's best leads, and follow-ups for the next best.
pub(super) async fn customers_and_follow_ups(pool: &PgPool, targets: &[Target]) -> anyhow::Result<()> {
    for target in targets {
        let mut tx = pool.begin().await?;
        let leads = sqlx::query_file_as!(Lead, "sql/tenants/best_leads.sql", target.user_id, CUSTOMERS + CALLED_BACK)
            .fetch_all(&mut *tx)
            .await?;
        for (at, lead) in (0_i64..).zip(leads) {
            match at - CUSTOMERS {
                ..0 => convert(&mut tx, target, lead).await?,
                after => call_back(&mut tx, target, lead, after - 1).await?,
            }
        }
        tx.commit().await?;
    }
    Ok(())
}

struct Lead {
    contact_id: uuid::Uuid,
    name: String,
    phone_number: String,
    /// The tenant's day.
    today: chrono::NaiveDate,
}

async fn convert(conn: &mut PgConnection, target: &Target, lead: Lead) -> anyhow::Result<()> {
    let conversion = Conversion { source: Some("Voice call".to_owned()), ..Conversion::default() };
    let key = ContactKey::Id(lead.contact_id);
    let customer = customers::convert(conn, target.user_id, &key, &conversion).await?;
    let details = json!({ "reference": customer.reference, "contact_id": customer.contact_id });
    let of = ("customer", customer.id.to_string());
    Ok(trail::record(conn, "customer.convert", of, target.user_id, details).await?)
}

/// So many days from today.
async fn call_back(conn: &mut PgConnection, target: &Target, lead: Lead, days: i64) -> anyhow::Result<()> {
    let new = NewFollowUp {
        phone: Some(lead.phone_number),
        name: Some(lead.name),
        date: lead.today + TimeDelta::days(days),
        remark: Some("Asked to be called back".to_owned()),
        ..NewFollowUp::default()
    };
    let id = tenants::add_follow_up(conn, target.user_id, &new, COMMAND_LINE).await?;
    let of = ("follow_up", id.to_string());
    Ok(trail::record(conn, "follow_up.add", of, target.user_id, json!({ "date": new.date })).await?)
}
