//! Calls of which two ends were told: the provider is asked, once for each conflict.

use tallyline_testkit::front::Fault;

use super::twilio::{answered, callback, sid, start};
use super::*;

/// No list, only single calls.
fn options() -> Options {
    Options { first_days: 0, look_back_hours: 0, ..reconcile_options() }
}

/// An end without talk, told so many seconds after the call began.
fn end(id: &str, status: &str, began: DateTime<Utc>, seconds: i64) -> Value {
    let mut record = in_status(id, status, began);
    record["updated_at"] = json!(stamp(began + TimeDelta::seconds(seconds)));
    record
}

async fn reconcile(db: &TestDb, user: Uuid) {
    run_with(db, user, &options()).await.unwrap();
    process(db).await;
}

async fn outcome(db: &TestDb, id: &str) -> String {
    sqlx::query_scalar("SELECT outcome FROM calls WHERE bolna_execution_id = $1")
        .bind(id)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

/// The answer is one more event, and decides by the order of events: here by its talk. Another end than
/// those that were asked about is another conflict.
#[tokio::test]
async fn a_conflict_is_asked_about_once_and_the_answer_decides() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let began = now(&db).await - TimeDelta::hours(3);
    let plain = execution_id(2);
    for record in [end(CALL, "busy", began, 60), end(CALL, "canceled", began, 70), end(&plain, "busy", began, 60)] {
        webhook(&db, user, &record).await;
    }
    process(&db).await;
    assert_eq!(outcome(&db, CALL).await, "cancelled");
    bolna.change(|all| all.put(completed(CALL, began)));

    reconcile(&db, user).await;
    assert_eq!(bolna.fetched(), [CALL]);
    assert_eq!(outcome(&db, CALL).await, "answered");
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events").await, 4);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox WHERE endpoint = 'reconcile'").await, 1);
    assert_eq!(number(&db, "SELECT 15000000 - credits_micros FROM users").await, 1_000_000);
    for _ in 0..3 {
        reconcile(&db, user).await;
    }
    assert_eq!((bolna.fetched().len(), number(&db, INBOX).await), (1, 4), "the answer is no other conflict");

    webhook(&db, user, &end(CALL, "failed", began, 80)).await;
    process(&db).await;
    reconcile(&db, user).await;
    reconcile(&db, user).await;
    assert_eq!(bolna.fetched().len(), 2);
    assert_eq!((outcome(&db, CALL).await.as_str(), outcome(&db, &plain).await.as_str()), ("answered", "busy"));
    roll_up(&db).await;
    check_exact(&db).await;
}

/// The later of two ends without talk is what the provider says, too: nothing changes but that it was asked.
/// Ages are those of calls without an end.
#[tokio::test]
async fn an_answer_that_is_known_changes_nothing_and_ages_are_bounded() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let now = now(&db).await;
    let ids = [execution_id(1), execution_id(2), execution_id(3)];
    for (id, age) in ids.iter().zip([TimeDelta::hours(3), TimeDelta::minutes(50), TimeDelta::days(31)]) {
        for (status, seconds) in [("busy", 60), ("failed", 70)] {
            webhook(&db, user, &end(id, status, now - age, seconds)).await;
        }
        bolna.change(|all| all.put(end(id, "failed", now - age, 70)));
    }
    process(&db).await;
    let before = picture(&db).await;
    for _ in 0..3 {
        reconcile(&db, user).await;
    }
    assert_eq!(bolna.fetched(), ids[..1]);
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE outcome = 'failed'").await, 3);
    assert_eq!(picture(&db).await, before);
}

/// What the provider does not know has ended all the same: it is not shown among calls without an end, and not
/// asked for again. A failure is no answer.
#[tokio::test]
async fn an_unknown_conflict_rests_and_a_failure_is_tried_again() {
    let (db, bolna) = (TestDb::new().await, Bolna::start(KEY).await);
    let user = bolna_tenant(&db, &bolna).await;
    let began = now(&db).await - TimeDelta::hours(3);
    for (status, seconds) in [("busy", 60), ("failed", 70)] {
        webhook(&db, user, &end(CALL, status, began, seconds)).await;
    }
    process(&db).await;
    bolna.front.always(Some(Fault::Status(500)));
    run_with(&db, user, &options()).await.unwrap_err();
    assert_eq!(number(&db, "SELECT count(*) FROM tally.provider_checks").await, 0);
    bolna.front.always(None);
    bolna.front.clear_requests();
    for _ in 0..3 {
        reconcile(&db, user).await;
    }
    assert_eq!(bolna.fetched(), [CALL]);
    assert_eq!(outcome(&db, CALL).await, "failed");
    let noted = "SELECT result FROM tally.provider_checks WHERE conflict IS NOT NULL";
    assert_eq!(text(&db, noted).await.as_deref(), Some("unknown"));
}

/// Twilio is asked where Twilio contradicted itself, not where it and Bolna say different things.
#[tokio::test]
async fn twilio_is_asked_about_its_own_two_ends() {
    let (db, twilio, user, began) = start().await;
    for status in ["busy", "no-answer"] {
        deliver(&db, user, "twilio", &callback(1, status)).await;
    }
    let mut other = end(CALL, "failed", began, 60);
    other["telephony_data"]["provider_call_id"] = json!(sid(2));
    webhook(&db, user, &other).await;
    deliver(&db, user, "twilio", &callback(2, "busy")).await;
    process_after_the_wait(&db).await;
    // A callback without a time of its own lies where it was received; the check goes by the call's start.
    sqlx::query("UPDATE calls SET started_at = $1").bind(began).execute(&db.admin).await.unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE 'conflicting_terminals' = ANY (flags)").await, 2);
    twilio.put(answered(1, began));
    twilio.put(answered(2, began));
    for _ in 0..3 {
        run_with(&db, user, &options()).await.unwrap();
    }
    process(&db).await;
    assert_eq!(twilio.fetched(), [sid(1)]);
    assert_eq!(
        text(&db, "SELECT outcome FROM calls WHERE bolna_execution_id IS NULL").await.as_deref(),
        Some("answered")
    );
}
