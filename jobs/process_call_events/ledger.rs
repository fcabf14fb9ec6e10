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

/// Pulse and price that a call is charged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) pulse_seconds: i32,
    pub(super) credits_per_minute_micros: i64,
}

/// What a call costs, and by which terms once it has been charged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bill {
    pub(super) credits_micros: i64,
    pub(super) terms: Option<Terms>,
}

/// What a call costs as it stands; nothing before its end. A call that was
/// charged before keeps the terms of then.
pub(super) fn bill(state: &CallState, charged_by: Option<Terms>, tenant: &Tenant) -> Bill {
    if !bills(state) {
        return Bill { credits_micros: 0, terms: charged_by };
    }
    let terms = charged_by.unwrap_or(Terms {
        pulse_seconds: tenant.billing_pulse_seconds,
        credits_per_minute_micros: tenant.credits_per_minute_micros,
    });
    let credits_micros =
        charge_micro_credits(state.duration_seconds, terms.pulse_seconds, terms.credits_per_minute_micros);
    Bill { credits_micros, terms: Some(terms) }
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
