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
        compare(report, user_id, "credits_micros", expected, balance.credits_micros);
    }
    Ok(())
}

/// Every call is charged what it says, so that the sums are equal too.
pub(super) async fn check_charges(
    tx: &mut PgConnection,
    user_id: Uuid,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let charges = sqlx::query_file!("../sql/verify/charges.sql", user_id).fetch_one(tx).await?;
    compare(report, user_id, "charged_micros", charges.calls_micros, charges.charged_micros);
    compare(report, user_id, "calls_charged_wrongly", 0, charges.calls_charged_wrongly);
    Ok(())
}

fn compare(report: &mut VerifyReport, user_id: Uuid, figure: &'static str, expected: i64, found: i64) {
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
        compared_with: Against::Ledger,
        expected: Value::Number(expected),
        found: Value::Number(found),
        explanation: None,
    });
}
