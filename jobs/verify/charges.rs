//! The tenant's money: calls against the ledger, the ledger against the balance.

use sqlx::PgConnection;
use uuid::Uuid;

use super::VerifyReport;
use super::difference::{Against, Difference, Value};

/// The balance is that of the newest entry of the ledger.
pub(super) async fn check_balance(
    tx: &mut PgConnection,
    user_id: Uuid,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let balance = sqlx::query_file!("../sql/verify/balance.sql", user_id).fetch_one(tx).await?;
    if let Some(expected) = balance.balance_after_micros {
        compare(report, (user_id, Against::Ledger), "credits_micros", expected, balance.credits_micros);
    }
    Ok(())
}

/// The balance is the sum of all entries, each of which follows from the one before.
pub(super) async fn check_ledger(
    tx: &mut PgConnection,
    user_id: Uuid,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let ledger = sqlx::query_file!("../sql/verify/ledger.sql", user_id).fetch_one(tx).await?;
    compare(report, (user_id, Against::Ledger), "balance_micros", ledger.ledger_micros, ledger.credits_micros);
    compare(report, (user_id, Against::Ledger), "entries_out_of_chain", 0, ledger.entries_out_of_chain);
    Ok(())
}

/// Every call is charged what it says, so that the sums are equal too.
pub(super) async fn check_charges(
    tx: &mut PgConnection,
    user_id: Uuid,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let charges = sqlx::query_file!("../sql/verify/charges.sql", user_id).fetch_one(tx).await?;
    let ledger = (user_id, Against::Ledger);
    compare(report, ledger, "charged_micros", charges.calls_micros, charges.charged_micros);
    compare(report, ledger, "calls_charged_wrongly", 0, charges.calls_charged_wrongly);
    Ok(())
}

/// Adds what differs of a figure that lies in no bucket.
pub(super) fn compare(
    report: &mut VerifyReport,
    (user_id, compared_with): (Uuid, Against),
    figure: &'static str,
    expected: i64,
    found: i64,
) {
    if expected == found {
        return;
    }
    report.add(Difference {
        user_id,
        agent_id: None,
        grain: None,
        bucket_start: None,
        bucket_end: None,
        figure,
        compared_with,
        expected: Value::Number(expected),
        found: Value::Number(found),
        explanation: None,
    });
}
