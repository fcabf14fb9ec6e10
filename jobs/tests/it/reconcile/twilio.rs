//! What Twilio knows: never counted twice, whoever said it first.

use std::collections::BTreeSet;

use tallyline_testkit::twilio::{Twilio, stamp as rfc2822};

use super::*;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "twilio-token-of-a-test";
const AGENT_NUMBER: &str = "+12025550100";

pub(super) fn sid(n: u32) -> String {
    format!("CA{n:032x}")
}

/// A record of the API of an unanswered call to a customer.
fn unanswered(n: u32, status: &str, began: DateTime<Utc>) -> Value {
    json!({
        "sid": sid(n), "account_sid": ACCOUNT, "parent_call_sid": null, "status": status, "duration": "0",
        "from": AGENT_NUMBER, "to": "+12025550143", "direction": "outbound-api", "answered_by": null,
        "start_time": rfc2822(began), "end_time": rfc2822(began + TimeDelta::seconds(30)), "price": null, "price_unit": "USD"
    })
}

pub(super) fn answered(n: u32, began: DateTime<Utc>) -> Value {
    let mut record = unanswered(n, "completed", began);
    record["duration"] = json!("42");
    record
}

/// The status callback of the same call.
pub(super) fn callback(n: u32, status: &str) -> Vec<u8> {
    let (from, to) = ("%2B12025550100", "%2B12025550143");
    format!(
        "AccountSid={ACCOUNT}&ApiVersion=2010-04-01&CallSid={}&From={from}&To={to}&Direction=outbound-api&CallStatus={status}\
         &CallDuration=0&SequenceNumber=2&CallbackSource=call-progress-events",
        sid(n)
    )
    .into_bytes()
}

/// A tenant with an account at this Twilio, whose number belongs to its agent.
async fn twilio_tenant(db: &TestDb, twilio: &Twilio) -> Uuid {
    let user = tenant(db, "UTC").await;
    account(db, user, Provider::Twilio, &twilio.front.base_url, Some(ACCOUNT), TOKEN).await;
    sqlx::query(
        "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, created_by_admin_id, assigned_to_user_id, assigned_to_agent_id)
         SELECT 'Main', $2, 'number-1', gen_random_uuid(), a.user_id, a.id FROM agents a WHERE a.user_id = $1",
    )
    .bind(user)
    .bind(AGENT_NUMBER)
    .execute(&db.admin)
    .await
    .unwrap();
    user
}

pub(super) async fn start() -> (TestDb, Twilio, Uuid, DateTime<Utc>) {
    let (db, twilio) = (TestDb::new().await, Twilio::start(ACCOUNT, TOKEN).await);
    let user = twilio_tenant(&db, &twilio).await;
    let began = now(&db).await - TimeDelta::hours(3);
    (db, twilio, user, began)
}

async fn poll(db: &TestDb, user: Uuid) {
    run_with(db, user, &reconcile_options()).await.unwrap();
    process_after_the_wait(db).await;
}

const NOT_CONNECTED: &str = "SELECT coalesce(sum(not_connected), 0)::bigint FROM contacts";
const PURGE: &str = "DELETE FROM twilio_processed_calls";

/// A purge of the ledger and then a poll of the same CallSids counts nothing again. Break tried:
/// `known_sids.sql` looks into `twilio_processed_calls` instead of the call's events.
#[tokio::test]
async fn defect_55_what_a_callback_said_is_not_counted_again_by_polls() {
    let (db, twilio, user, began) = start().await;
    twilio.put(unanswered(1, "no-answer", began));
    deliver(&db, user, "twilio", &callback(1, "no-answer")).await;
    process_after_the_wait(&db).await;
    assert_eq!(number(&db, NOT_CONNECTED).await, 1);
    let inbox = number(&db, INBOX).await;
    for purge in [false, true, false] {
        if purge {
            sql(&db, PURGE).await;
        }
        poll(&db, user).await;
        assert_eq!(number(&db, NOT_CONNECTED).await, 1, "after a purge: {purge}");
    }
    assert_eq!((number(&db, INBOX).await, twilio.fetched().len()), (inbox, 0));
    assert_eq!(twilio.listed(), 3);
}

/// Break tried: `StartTime` not read (the call lies at the time of the poll).
#[tokio::test]
async fn what_a_poll_found_is_not_counted_again_by_callbacks_or_polls() {
    let (db, twilio, user, began) = start().await;
    twilio.put(unanswered(1, "busy", began));
    poll(&db, user).await;
    poll(&db, user).await;
    assert_eq!((number(&db, NOT_CONNECTED).await, number(&db, INBOX).await), (1, 1));
    // A call that only Twilio spoke of lies where it began, not where it was found.
    let at: DateTime<Utc> = sqlx::query_scalar("SELECT started_at FROM calls").fetch_one(&db.admin).await.unwrap();
    assert_eq!(at.timestamp(), began.timestamp());
    deliver(&db, user, "twilio", &callback(1, "busy")).await;
    process_after_the_wait(&db).await;
    sql(&db, PURGE).await;
    poll(&db, user).await;
    assert_eq!((number(&db, NOT_CONNECTED).await, number(&db, INBOX).await), (1, 2));
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
}

/// Polled again before the first was applied: the same bytes, so one event. Break tried: `to_form` with the
/// time of the poll in it.
#[tokio::test]
async fn a_record_is_one_event_however_often_it_is_read() {
    let (db, twilio, user, began) = start().await;
    twilio.put(unanswered(1, "failed", began));
    for _ in 0..3 {
        run_with(&db, user, &reconcile_options()).await.unwrap();
    }
    assert_eq!(number(&db, INBOX).await, 1);
    process_after_the_wait(&db).await;
    assert_eq!(number(&db, NOT_CONNECTED).await, 1);
}

/// Breaks tried: the first page only; child legs, calls of another account, completed calls of nobody let in.
#[tokio::test]
async fn every_page_is_read_and_only_unanswered_calls_of_the_account_are_taken() {
    let (db, twilio, user, began) = start().await;
    for n in 1..=450 {
        let status = ["completed", "busy", "no-answer", "canceled", "in-progress"][n as usize % 5];
        twilio.put(unanswered(n, status, began - TimeDelta::minutes(i64::from(n))));
    }
    let mut child = unanswered(451, "busy", began);
    child["parent_call_sid"] = json!(sid(1));
    let mut foreign = unanswered(452, "busy", began);
    foreign["account_sid"] = json!("AC00000000000000000000000000000002");
    twilio.put(child);
    twilio.put(foreign);
    poll(&db, user).await;
    assert_eq!(twilio.listed(), 3);
    assert_eq!(number(&db, INBOX).await, 270);
    assert_eq!(number(&db, NOT_CONNECTED).await, 270);
    assert_eq!(
        number(&db, "SELECT count(*) FROM calls WHERE outcome IN ('busy', 'no_answer', 'cancelled')").await,
        270
    );
}

/// A call of Bolna's has one row and one charge, whatever Twilio adds; what Bolna measured stays. Twilio's
/// record lags behind at first. Break tried: records that are not over made into events.
#[tokio::test]
async fn the_end_of_a_bolna_call_is_asked_for_by_its_sid() {
    let (db, twilio, user, began) = start().await;
    let mut ended = completed(CALL, began);
    ended["telephony_data"]["provider_call_id"] = json!(sid(7));
    webhook(&db, user, &ended).await;
    process(&db).await;
    let options = Options { first_days: 0, look_back_hours: 0, ..reconcile_options() };
    // The list does not go back so far; the record is behind for two reads.
    let old = began - TimeDelta::days(5);
    sqlx::query("UPDATE calls SET started_at = $1").bind(old).execute(&db.admin).await.unwrap();
    twilio.put_lagging(answered(7, old), 2);
    let picture_before = picture(&db).await;
    for reads in 1..=3 {
        run_with(&db, user, &options).await.unwrap();
        assert_eq!(twilio.fetched().len(), reads);
        assert_eq!(number(&db, INBOX).await, if reads < 3 { 1 } else { 2 });
        sql(&db, "UPDATE tally.provider_checks SET next_check_at = now()").await;
    }
    process(&db).await;
    run_with(&db, user, &options).await.unwrap();
    assert_eq!(twilio.fetched().len(), 3, "its end is known now");
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE duration_seconds = 27 AND cost_micros = 35400").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM credit_transactions WHERE call_id IS NOT NULL").await, 1);
    assert_ne!(picture(&db).await, picture_before, "the body is there");
}

#[tokio::test]
async fn a_call_that_twilio_does_not_know_is_shown_and_left_as_it_is() {
    let (db, twilio, user, began) = start().await;
    let mut live = in_status(CALL, "in-progress", began);
    live["telephony_data"]["provider_call_id"] = json!(sid(9));
    webhook(&db, user, &live).await;
    process(&db).await;
    poll(&db, user).await;
    poll(&db, user).await;
    assert_eq!(twilio.fetched().into_iter().collect::<BTreeSet<_>>(), [sid(9)].into());
    assert_eq!(twilio.fetched().len(), 1, "asked again after an hour, not at once");
    assert_eq!(text(&db, "SELECT result FROM tally.provider_checks").await.as_deref(), Some("unknown"));
    assert_eq!(text(&db, "SELECT outcome FROM calls").await.as_deref(), Some("in_progress"));
    assert_eq!(number(&db, INBOX).await, 1);
}

#[tokio::test]
async fn a_wrong_token_takes_the_account_out_of_use() {
    let (db, twilio, user, _) = start().await;
    account(&db, user, Provider::Twilio, &twilio.front.base_url, Some(ACCOUNT), "not-the-token").await;
    poll(&db, user).await;
    poll(&db, user).await;
    assert_eq!(twilio.front.requests().len(), 1);
    assert_eq!(text(&db, "SELECT disabled_reason FROM tally.provider_accounts").await.as_deref(), Some("http_401"));
}
