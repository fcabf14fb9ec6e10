//! Credits: what a call is to cost, and the entries that make it so.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use tallyline_model::{CallState, bills, charge_micro_credits};
use uuid::Uuid;

use super::claim::Tenant;

/// A difference to settle: positive is taken from the balance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub(super) user_id: Uuid,
    pub(super) call_id: Uuid,
    pub(super) micros: i64,
}

/// What a call costs as it stands, in micro-credits; nothing before its end.
pub(super) fn due(state: &CallState, tenant: &Tenant) -> i64 {
    if bills(state) {
        charge_micro_credits(state.duration_seconds, tenant.billing_pulse_seconds, tenant.credits_per_minute_micros)
    } else {
        0
    }
}

/// Settles differences: balances first, then one ledger entry for each. The
/// balance may go negative; a call is never free because it is used up.
pub(super) async fn write(tx: &mut PgConnection, charges: Vec<Charge>) -> Result<(), sqlx::Error> {
    let charges: Vec<Charge> = charges.into_iter().filter(|charge| charge.micros != 0).collect();
    if charges.is_empty() {
        return Ok(());
    }
    let mut taken: BTreeMap<Uuid, i64> = BTreeMap::new();
    for charge in &charges {
        *taken.entry(charge.user_id).or_default() += charge.micros;
    }
    let (user_ids, amounts): (Vec<Uuid>, Vec<i64>) = taken.iter().map(|(&id, &micros)| (id, micros)).unzip();
    let rows = sqlx::query_file!("../sql/process/charge_balances.sql", &user_ids, &amounts).fetch_all(&mut *tx).await?;
    // The balance before the first entry; each entry then moves it on.
    let mut balances: HashMap<Uuid, i64> =
        rows.into_iter().map(|row| (row.id, row.credits_micros + taken.get(&row.id).copied().unwrap_or(0))).collect();

    let (mut users, mut calls, mut entries, mut after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for charge in charges {
        let balance = balances.entry(charge.user_id).or_default();
        *balance -= charge.micros;
        users.push(charge.user_id);
        calls.push(charge.call_id);
        entries.push(-charge.micros);
        after.push(*balance);
    }
    sqlx::query_file!("../sql/process/insert_charges.sql", &users, &calls, &entries, &after).execute(tx).await?;
    Ok(())
}
