//! Charges against calls, the balance against the ledger.

use tallyline_jobs::verify::{Value, VerifyOptions, verify};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::fixture::{calls, named, roll_up_all, run, tenant, verified};

/// A tenant with ten calls, all but the free first one charged, one of them in two steps.
async fn charged_tenant(db: &TestDb) -> Uuid {
    let user_id = tenant(db, "Asia/Kathmandu").await;
    calls(db, user_id, "2025-06-15T00:00:00Z", 10).await;
    for statement in [
        "UPDATE public.credit_transactions SET amount_micros = -3500 WHERE user_id = $1 AND amount_micros = -3000",
        "INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no)
         SELECT $1, 'refund', 500, u.credits_micros, 'less', c.id, 1
         FROM public.users u JOIN public.calls c ON c.user_id = u.id AND c.credits_micros = 3000 WHERE u.id = $1",
    ] {
        assert_eq!(run(db, statement, user_id).await, 1);
    }
    run(db, CHAIN, user_id).await;
    roll_up_all(&db.pool).await;
    user_id
}

/// What each entry makes of the balance, and the balance.
const CHAIN: &str = "
    WITH chain AS (
        UPDATE public.credit_transactions t SET balance_after_micros = s.balance
        FROM (SELECT id, sum(amount_micros) OVER (ORDER BY entry_no) AS balance FROM public.credit_transactions WHERE user_id = $1) s
        WHERE t.user_id = $1 AND t.id = s.id)
    UPDATE public.users SET credits_micros = (SELECT sum(amount_micros) FROM public.credit_transactions WHERE user_id = $1) WHERE id = $1";

#[tokio::test]
async fn charges_and_corrections_add_up_to_the_calls() {
    let db = TestDb::new().await;
    charged_tenant(&db).await;
    assert_eq!(named(&verified(&db).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_charge_that_is_lost_is_named() {
    let db = TestDb::new().await;
    let user_id = charged_tenant(&db).await;
    run(&db, "DELETE FROM public.credit_transactions WHERE user_id = $1 AND amount_micros = -4000", user_id).await;
    let report = verified(&db).await;
    assert_eq!(
        named(&report),
        [
            "tenant money balance_micros",
            "tenant money calls_charged_wrongly",
            "tenant money charged_micros",
            "tenant money entries_out_of_chain"
        ]
    );
    let described: Vec<String> = report.differences.iter().map(|d| d.describe()).collect();
    let tenant = format!("tenant {user_id}");
    assert_eq!(
        described,
        [
            format!("{tenant}: balance_micros is 14955000 in users, 14959000 in the sum of credit_transactions"),
            format!("{tenant}: entries_out_of_chain is 1 in credit_transactions, 0 in the entries before them"),
            format!("{tenant}: charged_micros is 41000 in credit_transactions, 45000 in calls"),
            format!("{tenant}: calls_charged_wrongly is 1 in credit_transactions, 0 in calls"),
        ]
    );
    // A bounded check does not add up the whole ledger.
    let options = VerifyOptions { from: "2025-06-15T00:00:00Z".parse().ok(), ..VerifyOptions::default() };
    assert_eq!(named(&verify(&db.pool, options, |_| {}).await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn two_wrong_charges_that_cancel_out_are_found() {
    // Fails when only the sums are compared.
    let db = TestDb::new().await;
    let user_id = charged_tenant(&db).await;
    let swapped = "UPDATE public.credit_transactions SET amount_micros = -9000 - amount_micros WHERE user_id = $1 AND amount_micros IN (-4000, -5000)";
    assert_eq!(run(&db, swapped, user_id).await, 2);
    let report = verified(&db).await;
    assert_eq!(named(&report), ["tenant money calls_charged_wrongly", "tenant money entries_out_of_chain"]);
    assert!(report.differences.iter().all(|difference| difference.found == Value::Number(2)));
}

#[tokio::test]
async fn the_balance_is_that_of_the_newest_entry() {
    let db = TestDb::new().await;
    let user_id = charged_tenant(&db).await;
    run(&db, "UPDATE public.users SET credits_micros = credits_micros + 1 WHERE id = $1", user_id).await;
    let report = verified(&db).await;
    assert_eq!(named(&report), ["tenant money balance_micros", "tenant money credits_micros"]);
    assert_eq!(report.differences[0].expected, Value::Number(14_955_000));
    assert_eq!(report.differences[0].found, Value::Number(14_955_001));
}
