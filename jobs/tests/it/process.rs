//! From webhooks to calls, contacts, leads and charges.

use std::time::Duration;

use serde_json::json;
use tallyline_jobs::process_call_events;
use tallyline_testkit::{TestDb, wait_until};

use crate::support::*;

const CALL: &str = "00000000-0000-4000-8000-000000000001";

/// The call's row and what hangs on it, as text that must not depend on arrival.
async fn picture(db: &TestDb) -> String {
    sqlx::query_scalar(
        "SELECT jsonb_build_object(
             'call', to_jsonb(c) - 'user_id' - 'id' - 'agent_id' - 'contact_id' - 'created_at' - 'updated_at',
             'contact', (SELECT jsonb_agg(jsonb_build_array(k.phone_number, k.name, k.company, k.not_connected)) FROM contacts k),
             'transcript', (SELECT jsonb_agg(t.content) FROM transcripts t),
             'attempts', (SELECT jsonb_agg(jsonb_build_array(a.attempt, a.lifecycle, a.outcome) ORDER BY a.attempt) FROM tally.call_attempts a),
             'lead', (SELECT jsonb_agg(jsonb_build_array(l.total_score, l.quality, l.extracted_name)) FROM lead_analytics l),
             'charged', (SELECT sum(x.amount_micros) FROM credit_transactions x),
             'balance', (SELECT u.credits_micros FROM users u))::text
         FROM calls c",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_answered_call_becomes_one_exact_row() {
    let db = TestDb::new().await;
    let user = tenant(&db, "Asia/Kolkata").await;
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
    }
    deliver(&db, user, "analysis", &analysis(CALL, 13, "2026-03-03T10:20:00Z")).await;
    process(&db).await;

    let row: (String, String, i32, i32, i64, i64, Option<String>, String) = sqlx::query_as(
        "SELECT outcome, status, duration_seconds, duration_minutes, credits_micros, cost_micros, recording_url, started_at::text
         FROM calls",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap();
    assert_eq!(
        row,
        (
            "answered".into(),
            "completed".into(),
            27,
            1,
            1_000_000,
            35_400,
            Some("https://api.bolna.ai/recordings/call/1".into()),
            "2026-03-03 10:11:09.5512+00".into()
        )
    );
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 14_000_000);
    assert_eq!(number(&db, "SELECT count(*) FROM lead_analytics WHERE quality = 'hot'").await, 1);
    assert_eq!(
        number(&db, "SELECT count(*) FROM contacts WHERE phone_e164 = '+12025550143' AND name = 'Asha'").await,
        1
    );
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending").await, 0);
    roll_up(&db).await;
    check_exact(&db).await;
    assert_eq!(number(&db, "SELECT sum(total_calls) FROM user_analytics WHERE grain = 'month'").await, 1);
}

/// The state of a call does not depend on order, on repetition, or on how the
/// events fall into batches. Break tried: loading only the batch's own events
/// instead of all events of the call makes this fail.
#[tokio::test]
async fn any_order_and_any_batching_give_the_same_rows() {
    let mut events: Vec<(&str, Vec<u8>)> = answered_call(CALL).into_iter().map(|body| ("bolna", body)).collect();
    events.push(("analysis", analysis(CALL, 13, "2026-03-03T10:20:00Z")));
    let orders: [[usize; 6]; 5] =
        [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [4, 0, 5, 3, 1, 2], [3, 4, 2, 5, 0, 1], [5, 0, 4, 1, 3, 2]];
    let mut first = None;
    for order in orders {
        for batch in [1, 2, 6] {
            let db = TestDb::new().await;
            let user = tenant(&db, "UTC").await;
            for chunk in order.chunks(batch) {
                for &i in chunk {
                    deliver(&db, user, events[i].0, &events[i].1).await;
                    deliver(&db, user, events[i].0, &events[i].1).await;
                }
                process(&db).await;
            }
            let picture = picture(&db).await;
            let expected = first.get_or_insert_with(|| picture.clone());
            assert_eq!(&picture, expected, "order {order:?} in batches of {batch}");
            roll_up(&db).await;
            check_exact(&db).await;
        }
    }
}

#[tokio::test]
async fn a_corrected_price_or_length_moves_the_charge_by_the_difference() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
    }
    process(&db).await;
    let longer = bolna(CALL, "completed", 90, json!({ "conversation_duration": 61.0, "total_cost": 5 }));
    deliver(&db, user, "bolna", &longer).await;
    process(&db).await;
    let shorter = bolna(CALL, "completed", 95, json!({ "conversation_duration": 59.9, "total_cost": 5 }));
    deliver(&db, user, "bolna", &shorter).await;
    process(&db).await;

    let entries: Vec<(String, i64, i64, i32)> = sqlx::query_as(
        "SELECT type, amount_micros, balance_after_micros, charge_no FROM credit_transactions WHERE call_id IS NOT NULL ORDER BY entry_no",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(
        entries,
        [
            ("usage".into(), -1_000_000, 14_000_000, 0),
            ("usage".into(), -1_000_000, 13_000_000, 1),
            ("refund".into(), 1_000_000, 14_000_000, 2)
        ]
    );
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 14_000_000);
    assert_eq!(number(&db, "SELECT credits_micros FROM calls").await, 1_000_000);
    roll_up(&db).await;
    check_exact(&db).await;
}

/// The ledger refused a negative balance before, and the call was free. Break tried: that very check.
#[tokio::test]
async fn defect_29_a_tenant_without_credits_is_still_charged() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    sqlx::query("UPDATE users SET credits_micros = 0").execute(&db.admin).await.unwrap();
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
    }
    process(&db).await;
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, -1_000_000);
    assert_eq!(
        number(&db, "SELECT balance_after_micros FROM credit_transactions WHERE type = 'usage'").await,
        -1_000_000
    );
}

#[tokio::test]
async fn events_that_cannot_be_applied_are_kept_with_their_reason() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let foreign = tenant(&db, "UTC").await;
    let foreign_agent = "00000000-0000-4000-8000-0000000000b2";
    agent(&db, foreign, foreign_agent).await;
    deliver(&db, user, "bolna", &bolna("x1", "completed", 10, json!({ "agent_id": foreign_agent }))).await;
    deliver(&db, user, "bolna", &bolna("x2", "completed", 10, json!({ "agent_id": null }))).await;
    deliver(&db, user, "bolna", b"{\"id\": \"x3\"").await;
    deliver(&db, user, "twilio", b"CallSid=CA00000000000000000000000000000009&CallStatus=completed&ParentCallSid=CA8")
        .await;
    deliver(&db, user, "bolna", &answered_call(CALL)[4]).await;
    process(&db).await;

    let reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM tally.quarantine ORDER BY reason").fetch_all(&db.admin).await.unwrap();
    assert_eq!(reasons, ["bad_sid", "no_agent", "not_json", "unknown_agent"]);
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending").await, 0);
}

/// Only the event that the database refuses goes to quarantine. Break tried:
/// without splitting, the whole batch stays pending and the drain fails for ever.
#[tokio::test]
async fn a_batch_is_split_until_the_bad_event_is_alone() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    sqlx::query("ALTER TABLE calls ADD CONSTRAINT no_thirteen CHECK (hangup_provider_code <> 13)")
        .execute(&db.admin)
        .await
        .unwrap();
    for i in 0..20 {
        let code = if i == 7 { 13 } else { 4000 };
        let body = bolna(
            &format!("call-{i}"),
            "completed",
            10,
            json!({
                "conversation_duration": 5, "telephony_data": { "hangup_provider_code": code, "provider_call_id": null }
            }),
        );
        deliver(&db, user, "bolna", &body).await;
    }
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 19);
    let (reason, detail): (String, String) =
        sqlx::query_as("SELECT reason, detail FROM tally.quarantine").fetch_one(&db.admin).await.unwrap();
    assert_eq!((reason.as_str(), detail.as_str()), ("data_error", "SQLSTATE 23514"));
    roll_up(&db).await;
    check_exact(&db).await;
}

const SID: &str = "CA00000000000000000000000000000001";

fn twilio(status: &str, sequence: u32, more: &str) -> Vec<u8> {
    format!(
        "AccountSid=AC00000000000000000000000000000001&CallSid={SID}&CallStatus={status}&Direction=outbound-api\
         &From=%2B12025550100&To=%2B12025550143&SequenceNumber={sequence}\
         &Timestamp=Tue%2C+03+Mar+2026+10%3A12%3A{sequence:02}+%2B0000{more}"
    )
    .into_bytes()
}

/// An event that overtook the answer of the provider's API made a second row of the call before. Break tried:
/// `waiting_for_sids.sql` finds nothing.
#[tokio::test]
async fn defect_28_bolna_and_twilio_events_of_one_call_make_one_call() {
    for twilio_first in [true, false] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        let carrier = [twilio("ringing", 1, ""), twilio("completed", 3, "&CallDuration=42&Duration=1")];
        if twilio_first {
            for body in &carrier {
                deliver(&db, user, "twilio", body).await;
            }
            process(&db).await;
            assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 0, "a CallSid alone is no call yet");
            assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending WHERE state = 'waiting'").await, 2);
        }
        for body in answered_call(CALL) {
            deliver(&db, user, "bolna", &body).await;
        }
        process(&db).await;
        if !twilio_first {
            for body in &carrier {
                deliver(&db, user, "twilio", body).await;
            }
            process(&db).await;
        }
        let seconds: Vec<i32> =
            sqlx::query_scalar("SELECT duration_seconds FROM calls").fetch_all(&db.admin).await.unwrap();
        assert_eq!(seconds, [27], "one call, with the conversation and not the time on the line");
        assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox_pending").await, 0);
        assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events").await, 7);
    }
}

async fn map_the_agents_number(db: &TestDb) {
    sqlx::query(
        "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, assigned_to_user_id, assigned_to_agent_id, created_by_admin_id)
         SELECT 'Line', '+12025550100', 'n1', user_id, id, gen_random_uuid() FROM agents",
    )
    .execute(&db.admin)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_twilio_call_that_nobody_else_speaks_of_counts_if_its_number_has_an_agent() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    map_the_agents_number(&db).await;
    deliver(&db, user, "twilio", &twilio("no-answer", 3, "")).await;
    let other = String::from_utf8(twilio("no-answer", 3, "")).unwrap().replace("%2B12025550100", "%2B12025550177");
    let other = other.replace(SID, "CA00000000000000000000000000000002");
    deliver(&db, user, "twilio", other.as_bytes()).await;
    process_after_the_wait(&db).await;

    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE outcome = 'no_answer'").await, 1);
    assert_eq!(number(&db, "SELECT sum(not_connected) FROM contacts").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine WHERE reason = 'no_call'").await, 1);

    // The execution turns up late and adopts the row; nothing is counted twice.
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
    }
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE bolna_execution_id IS NOT NULL").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM twilio_processed_calls").await, 1);
    roll_up(&db).await;
    check_exact(&db).await;
}

/// Bolna's first events name no CallSid, Twilio's become a call of their own, and
/// only then Bolna says that both are one. Break tried: without `absorb` there
/// are two calls, both charged.
#[tokio::test]
async fn defect_28_two_rows_that_turn_out_to_be_one_call_become_one_and_are_charged_once() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    map_the_agents_number(&db).await;
    let no_sid = json!({ "telephony_data": { "provider_call_id": "" } });
    deliver(&db, user, "bolna", &bolna(CALL, "initiated", 10, no_sid)).await;
    deliver(&db, user, "twilio", &twilio("completed", 3, "&CallDuration=142")).await;
    process_after_the_wait(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 2);
    roll_up(&db).await;

    for body in &answered_call(CALL)[1..] {
        deliver(&db, user, "bolna", body).await;
    }
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
    assert_eq!(number(&db, "SELECT credits_micros FROM calls").await, 1_000_000);
    assert_eq!(
        number(&db, "SELECT (-sum(amount_micros))::bigint FROM credit_transactions WHERE call_id IS NOT NULL").await,
        1_000_000
    );
    assert_eq!(number(&db, "SELECT credits_micros FROM users").await, 14_000_000);
    roll_up(&db).await;
    check_exact(&db).await;
}

#[tokio::test]
async fn events_in_quarantine_come_back_with_the_call_that_they_belong_to() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    deliver(&db, user, "twilio", &twilio("ringing", 1, "")).await;
    deliver(&db, user, "bolna", &bolna(CALL, "ringing", 12, json!({ "agent_id": null }))).await;
    process_after_the_wait(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine WHERE reason IN ('no_call', 'no_agent')").await, 2);

    deliver(&db, user, "bolna", &answered_call(CALL)[4]).await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.call_events").await, 3);
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
}

#[tokio::test]
async fn a_new_price_is_for_new_calls() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
    }
    process(&db).await;
    sqlx::query("UPDATE users SET credits_per_minute_micros = 9000000").execute(&db.admin).await.unwrap();
    deliver(&db, user, "analysis", &analysis(CALL, 13, "2026-03-03T10:20:00Z")).await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT credits_micros FROM calls").await, 1_000_000);
    assert_eq!(number(&db, "SELECT count(*) FROM credit_transactions WHERE call_id IS NOT NULL").await, 1);
}

/// Three processes died with a batch, and three more with one of its events alone.
/// Break tried: one event alone and then whole batches again, which get to the
/// culprit only when it is the first.
#[tokio::test]
async fn an_event_that_kills_its_worker_is_found_wherever_it_stands() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for i in 0..5 {
        deliver(&db, user, "bolna", &bolna(&format!("call-{i}"), "completed", 10, json!({}))).await;
    }
    sqlx::query("UPDATE tally.lanes SET claims = 3").execute(&db.admin).await.unwrap();
    sqlx::query("UPDATE tally.inbox_pending SET claims = 3 WHERE inbox_id = (SELECT min(inbox_id) + 2 FROM tally.inbox_pending)")
        .execute(&db.admin)
        .await
        .unwrap();
    assert_eq!(process_call_events::run_unit(&db.pool, &process_options()).await.unwrap(), 5);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine WHERE reason = 'never_ended'").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 4);
    assert_eq!(number(&db, "SELECT sum(claims) FROM tally.lanes").await, 0);
}

/// A process that is killed again and again, for whatever reason, is not taken to die of
/// the events that it happens to be at. Break tried: without the rest the same event
/// is begun first each time, and is soon in quarantine.
#[tokio::test]
async fn an_event_whose_process_died_rests_and_others_go_first() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for i in 0..5 {
        deliver(&db, user, "bolna", &bolna(&format!("call-{i}"), "completed", 10, json!({}))).await;
    }
    sqlx::query("UPDATE tally.lanes SET claims = 3").execute(&db.admin).await.unwrap();
    let mut lock = db.admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE calls IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let begun = "SELECT count(*) FROM tally.inbox_pending WHERE claims = 1 AND not_before > now()";
    let options = process_options();
    tokio::select! {
        _ = process_call_events::run_unit(&db.pool, &options) => panic!("it should wait for the lock"),
        () = wait_until("an event is begun", Duration::from_secs(30), async || number(&db, begun).await == 1) => {}
    }
    lock.rollback().await.unwrap();

    // However slow this machine is, it rests until we say.
    let rest = "UPDATE tally.inbox_pending SET not_before = now() + interval '1 hour' WHERE claims = 1";
    sqlx::query(rest).execute(&db.admin).await.unwrap();
    wait_until("the others are applied", Duration::from_secs(30), async || {
        process_call_events::run_unit(&db.pool, &process_options()).await.unwrap();
        number(&db, "SELECT count(*) FROM calls").await == 4
    })
    .await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    sqlx::query("UPDATE tally.inbox_pending SET not_before = now()").execute(&db.admin).await.unwrap();
    wait_until("it is begun again when it has rested", Duration::from_secs(30), async || {
        process_call_events::run_unit(&db.pool, &process_options()).await.unwrap();
        number(&db, "SELECT count(*) FROM calls").await == 5
    })
    .await;
    process_call_events::run_unit(&db.pool, &process_options()).await.unwrap();
    assert_eq!(number(&db, "SELECT sum(claims) FROM tally.lanes").await, 0);
}

/// What fails for no fault of its own is tried again, and blames no event.
#[tokio::test]
async fn a_disturbance_quarantines_nothing() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    deliver(&db, user, "bolna", &answered_call(CALL)[4]).await;
    sqlx::query("REVOKE INSERT ON calls FROM tallyline_worker").execute(&db.admin).await.unwrap();
    for _ in 0..10 {
        assert!(process_call_events::run_unit(&db.pool, &process_options()).await.is_err());
    }
    sqlx::query("GRANT INSERT ON calls TO tallyline_worker").execute(&db.admin).await.unwrap();
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
}
