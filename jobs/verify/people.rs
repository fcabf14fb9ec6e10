//! The tenant's contacts and customers, counted again from what lies below them.

use sqlx::PgConnection;
use uuid::Uuid;

use super::VerifyReport;
use super::charges::compare;
use super::difference::Against;

/// Counters of contacts are sums over their calls, and calls count their own
/// attempts; here from the attempts and events themselves. A call has one
/// individual analysis at most.
pub(super) async fn check(tx: &mut PgConnection, user_id: Uuid, report: &mut VerifyReport) -> Result<(), sqlx::Error> {
    let wrong = sqlx::query_file!("../sql/verify/contacts.sql", user_id).fetch_one(tx).await?;
    for (figure, found) in [
        ("calls_with_wrong_dials", wrong.calls),
        ("contacts_counted_wrongly", wrong.contacts),
        ("contacts_with_wrong_last_contact", wrong.last_contacts),
        ("customers_with_wrong_last_interaction", wrong.last_interactions),
        ("calls_with_two_leads", wrong.calls_with_two_leads),
    ] {
        compare(report, (user_id, Against::Calls), figure, 0, found);
    }
    Ok(())
}
