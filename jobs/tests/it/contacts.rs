//! Contacts: one a number, with counters that are sums over its calls.

use std::time::Duration;

use serde_json::json;
use sqlx::Connection;
use tallyline_jobs::process_call_events::run_unit;
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::support::*;
use crate::verify_fixture::verified;

const CALL: &str = "00000000-0000-4000-8000-000000000001";
const OTHER: &str = "00000000-0000-4000-8000-000000000002";
const SID: &str = "CA00000000000000000000000000000001";

/// Number, busy, no answer and failed dials, CallSids not connected, latest call; by number.
pub async fn counters(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', phone_number, call_attempted_busy, call_attempted_no_answer, call_attempted_failed, not_connected,
                to_char(last_contact_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS'))
         FROM contacts ORDER BY phone_number",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap()
}

/// Fails unless attempts, events and history come to what contacts say, and the ledger to the balance.
pub async fn check_people(db: &TestDb) {
    let differences = verified(db).await.differences;
    let differences: Vec<String> = differences.iter().filter(|d| d.grain.is_none()).map(|d| d.describe()).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

pub fn twilio(sid: &str, status: &str, sequence: u32) -> Vec<u8> {
    format!(
        "AccountSid=AC00000000000000000000000000000001&CallSid={sid}&CallStatus={status}&Direction=outbound-api\
         &From=%2B12025550100&To=%2B12025550143&SequenceNumber={sequence}\
         &Timestamp=Tue%2C+03+Mar+2026+10%3A12%3A{sequence:02}+%2B0000"
    )
    .into_bytes()
}

fn number_of(sid: usize) -> String {
    format!("CA{sid:032}")
}

/// One execution that was busy, rang out and was answered at last, with Twilio's word on each dial.
fn three_dials() -> Vec<(&'static str, Vec<u8>)> {
    let dial = |status: &str, attempt: usize, second, seconds| {
        let sid = number_of(attempt + 1);
        let more = json!({ "retry_count": attempt, "conversation_duration": seconds, "telephony_data": { "provider_call_id": sid } });
        ("bolna", bolna(CALL, status, second, more))
    };
    vec![
        dial("busy", 0, 10, 0),
        dial("no-answer", 1, 20, 0),
        dial("completed", 2, 50, 27),
        ("twilio", twilio(&number_of(1), "busy", 1)),
        ("twilio", twilio(&number_of(2), "no-answer", 2)),
        ("twilio", twilio(&number_of(3), "completed", 3)),
    ]
}

/// Break tried: only new rows summed in `tally.count_contacts`.
#[tokio::test]
async fn defect_27_each_dial_counts_once_whatever_the_order_and_repetition() {
    let events = three_dials();
    for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 4, 0, 3, 5, 1]] {
        for batch in [1, 2, 6] {
            let db = TestDb::new().await;
            let user = tenant(&db, "UTC").await;
            for chunk in order.chunks(batch) {
                for &at in chunk.iter().chain(chunk).chain(chunk) {
                    deliver(&db, user, events[at].0, &events[at].1).await;
                }
                process(&db).await;
                check_people(&db).await;
            }
            assert_eq!(counters(&db).await, ["+12025550143 1 1 0 2 03-03 10:11:09"], "{order:?} by {batch}");
        }
    }
}

/// Break tried: the old side left out of `tally.count_contacts`.
#[tokio::test]
async fn a_call_whose_number_turns_out_to_be_another_takes_its_counts_along() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (provider, body) in three_dials() {
        deliver(&db, user, provider, &body).await;
    }
    let older = json!({ "initiated_at": "2026-02-01T00:00:00", "telephony_data": { "provider_call_id": "plivo-1" } });
    deliver(&db, user, "bolna", &bolna(OTHER, "failed", 10, older)).await;
    process(&db).await;
    assert_eq!(counters(&db).await, ["+12025550143 1 1 1 2 03-03 10:11:09"]);

    let elsewhere = json!({ "retry_count": 2, "conversation_duration": 27, "telephony_data": { "provider_call_id": null },
                            "context_details": { "recipient_phone_number": "+12025550199" } });
    deliver(&db, user, "bolna", &bolna(CALL, "completed", 55, elsewhere)).await;
    process(&db).await;
    assert_eq!(counters(&db).await, ["+12025550143 0 0 1 0 02-01 00:00:00", "+12025550199 1 1 0 2 03-03 10:11:09"]);
    let ledger = "SELECT count(*) FROM twilio_processed_calls t JOIN contacts k ON k.id = t.contact_id WHERE k.phone_number = '+12025550199'";
    assert_eq!(number(&db, ledger).await, 2, "the ledger of CallSids goes along");
    check_people(&db).await;
}

/// A tenant whose number belongs to its agent, so that Twilio's word alone makes a call.
async fn tenant_with_number(db: &TestDb) -> Uuid {
    let user = tenant(db, "UTC").await;
    sqlx::query(
        "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, assigned_to_user_id, assigned_to_agent_id, created_by_admin_id)
         SELECT 'Line', '+12025550100', 'n1', user_id, id, gen_random_uuid() FROM agents",
    )
    .execute(&db.admin)
    .await
    .unwrap();
    user
}

/// Break tried: `calls_contacts_deleted` dropped; the CallSid counts for both rows.
#[tokio::test]
async fn an_absorbed_call_is_not_counted_beside_the_one_that_stays() {
    let db = TestDb::new().await;
    let user = tenant_with_number(&db).await;
    let no_sid = json!({ "telephony_data": { "provider_call_id": "" } });
    deliver(&db, user, "bolna", &bolna(CALL, "initiated", 10, no_sid)).await;
    deliver(&db, user, "twilio", &twilio(SID, "no-answer", 3)).await;
    process_after_the_wait(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 2);
    assert_eq!(number(&db, "SELECT sum(not_connected) FROM contacts").await, 1);
    deliver(&db, user, "bolna", &bolna(CALL, "no-answer", 50, json!({}))).await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
    assert_eq!(counters(&db).await, ["+12025550143 0 1 0 1 03-03 10:11:09"]);
    check_people(&db).await;
}

/// Break tried: `calls_contacts_deleted` dropped.
#[tokio::test]
async fn deleted_calls_count_no_more() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (id, day) in [(CALL, "04"), (OTHER, "02")] {
        let more =
            json!({ "initiated_at": format!("2026-03-{day}T00:00:00"), "telephony_data": { "provider_call_id": id } });
        deliver(&db, user, "bolna", &bolna(id, "busy", 10, more)).await;
    }
    process(&db).await;
    assert_eq!(counters(&db).await, ["+12025550143 2 0 0 0 03-04 00:00:00"]);
    for (statement, left) in [
        ("DELETE FROM calls WHERE bolna_execution_id LIKE '%1'", "+12025550143 1 0 0 0 03-02 00:00:00"),
        ("TRUNCATE calls CASCADE", "+12025550143 0 0 0 0"),
    ] {
        sqlx::query(statement).execute(&db.admin).await.unwrap();
        assert_eq!(counters(&db).await, [left], "{statement}");
    }
}

/// An answered call is five events; each is a batch here. Its contact is written once, when it is made.
/// Break tried: the conditions of the UPDATE in `tally.move_contacts` left out.
#[tokio::test]
async fn a_contact_whose_counts_do_not_change_is_not_written() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for body in answered_call(CALL) {
        deliver(&db, user, "bolna", &body).await;
        process(&db).await;
        // The first place in the table: no version has come after it.
        let place: String = sqlx::query_scalar("SELECT ctid::text FROM contacts").fetch_one(&db.admin).await.unwrap();
        assert_eq!(place, "(0,1)");
    }
    assert_eq!(counters(&db).await, ["+12025550143 0 0 0 0 03-03 10:11:09"]);
}

/// The ledger of CallSids may be emptied at any time. Break tried: not_connected added to with each new row of it (by a
/// trigger).
#[tokio::test]
async fn defect_55_a_purged_ledger_of_callsids_counts_nothing_again() {
    let db = TestDb::new().await;
    let user = tenant_with_number(&db).await;
    let body = twilio(SID, "no-answer", 3);
    deliver(&db, user, "twilio", &body).await;
    process_after_the_wait(&db).await;
    let before = counters(&db).await;
    assert_eq!(number(&db, "SELECT sum(not_connected) FROM contacts").await, 1);
    sqlx::query("UPDATE twilio_processed_calls SET processed_at = now() - interval '91 days'")
        .execute(&db.admin)
        .await
        .unwrap();
    let purge = sqlx::query(include_str!("../../../sql/purge/twilio_processed_calls.sql")).bind(90);
    assert_eq!(purge.execute(&db.pool).await.unwrap().rows_affected(), 1);

    assert!(!deliver(&db, user, "twilio", &body).await, "the same webhook is a duplicate");
    // As a poll finds it: the same CallSid, another body.
    deliver(&db, user, "twilio", &twilio(SID, "no-answer", 4)).await;
    process_after_the_wait(&db).await;
    assert_eq!(counters(&db).await, before);
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
    check_people(&db).await;
}

/// Twenty calls of one number, in twenty batches by four workers. Break tried: `ON CONFLICT DO NOTHING` left out of
/// `insert_contacts.sql`: all but the first go to quarantine.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_calls_of_one_number_at_once_make_one_contact() {
    let db = TestDb::new().await;
    let (user, other) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    let options = tallyline_jobs::process_call_events::Options { batch_events: 1, ..process_options() };
    for call in 0..20 {
        let more = json!({ "telephony_data": { "provider_call_id": format!("plivo-{call}") } });
        let body = bolna(&format!("00000000-0000-4000-8000-{call:012}"), "busy", 10, more);
        for tenant in [user, other] {
            deliver(&db, tenant, "bolna", &body).await;
        }
    }
    let workers = (0..4).map(|_| {
        let (pool, options) = (db.pool.clone(), options.clone());
        tokio::spawn(async move {
            let left = || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM tally.inbox_pending").fetch_one(&pool);
            while left().await.unwrap() > 0 {
                run_unit(&pool, &options).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    assert_eq!(counters(&db).await, ["+12025550143 20 0 0 0 03-03 10:11:09"; 2], "one for each tenant");
    assert_eq!(
        number(&db, "SELECT count(*) FROM calls c JOIN contacts k USING (user_id) WHERE c.contact_id = k.id").await,
        40
    );
    check_people(&db).await;
}

/// Somebody enters the number by hand while its first call is applied. Break tried: `ON CONFLICT DO NOTHING` left out;
/// the call goes to quarantine.
#[tokio::test]
async fn a_contact_entered_at_the_same_moment_is_the_calls_contact() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let mut hand = sqlx::PgConnection::connect(&db.admin_url).await.unwrap();
    let mut entered = hand.begin().await.unwrap();
    sqlx::query("INSERT INTO contacts (user_id, name, phone_number) VALUES ($1, 'Asha Rao', '+12025550143')")
        .bind(user)
        .execute(&mut *entered)
        .await
        .unwrap();
    deliver(&db, user, "bolna", &bolna(CALL, "busy", 10, json!({}))).await;
    let pool = db.pool.clone();
    let worker = tokio::spawn(async move { run_unit(&pool, &process_options()).await.unwrap() });
    wait_for_blocked(&db).await;
    entered.commit().await.unwrap();
    assert_eq!(worker.await.unwrap(), 1);
    assert_eq!(counters(&db).await, ["+12025550143 1 0 0 0 03-03 10:11:09"]);
    assert_eq!(
        number(&db, "SELECT count(*) FROM contacts WHERE name = 'Asha Rao' AND phone_e164 IS NOT NULL").await,
        1
    );
}

async fn wait_for_blocked(db: &TestDb) {
    let blocked =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("somebody waits", Duration::from_secs(60), || async { number(db, blocked).await > 0 }).await;
}

/// Two calls of one contact, on the 4th and the 2nd.
async fn two_calls(db: &TestDb) {
    let user = tenant(db, "UTC").await;
    for (id, day) in [(CALL, "04"), (OTHER, "02")] {
        let more =
            json!({ "initiated_at": format!("2026-03-{day}T00:00:00"), "telephony_data": { "provider_call_id": id } });
        deliver(db, user, "bolna", &bolna(id, "busy", 10, more)).await;
    }
    process(db).await;
}

/// The latest call goes away while another transaction links one, or moves one to a later time, that is not the latest
/// as long as the other is there. Breaks tried: FOR NO KEY UPDATE instead of FOR UPDATE in `tally.move_contacts`; the
/// lock FOR KEY SHARE left out of it. Each leaves the contact on the 2nd.
#[tokio::test]
async fn the_latest_call_is_looked_up_after_what_is_under_way() {
    for change in [
        "INSERT INTO calls (user_id, agent_id, contact_id, started_at) SELECT user_id, agent_id, contact_id, '2026-03-03' FROM calls LIMIT 1",
        "UPDATE calls SET started_at = '2026-03-03' WHERE started_at = '2026-03-02'",
    ] {
        let db = TestDb::new().await;
        two_calls(&db).await;
        let mut other = sqlx::PgConnection::connect(&db.admin_url).await.unwrap();
        let mut under_way = other.begin().await.unwrap();
        sqlx::query(change).execute(&mut *under_way).await.unwrap();
        let admin = db.admin.clone();
        let gone = tokio::spawn(async move {
            sqlx::query("DELETE FROM calls WHERE started_at = '2026-03-04'").execute(&admin).await.unwrap()
        });
        wait_for_blocked(&db).await;
        under_way.commit().await.unwrap();
        assert_eq!(gone.await.unwrap().rows_affected(), 1);
        assert_eq!(number(&db, "SELECT extract(day FROM last_contact_at)::bigint FROM contacts").await, 3, "{change}");
    }
}

fn web_call(id: &str) -> Vec<u8> {
    let none = json!({ "to_number": null, "from_number": null, "provider": "web", "provider_call_id": null });
    bolna(
        id,
        "completed",
        50,
        json!({ "conversation_duration": 12, "telephony_data": none, "context_details": { "recipient_phone_number": null } }),
    )
}

fn found(id: &str, email: &str) -> Vec<u8> {
    serde_json::to_vec(&json!({
        "execution_id": id, "analysis_type": "individual", "analyzed_at": "2026-03-03T10:20:00Z",
        "analysis": { "total_score": 9, "extraction": { "name": "Somebody", "email_address": email } }
    }))
    .unwrap()
}

/// Break tried: `HAVING count(*) = 1` left out of `contacts_by_email.sql`.
#[tokio::test]
async fn a_web_call_belongs_to_the_one_contact_with_its_address() {
    let db = TestDb::new().await;
    let (user, other) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    sqlx::query(
        "INSERT INTO contacts (user_id, name, phone_number, email) VALUES ($1, 'Asha', '1', 'Asha@Acme.in'),
         ($1, 'Ravi', '2', 'office@acme.in'), ($1, 'Maya', '3', 'office@acme.in'), ($2, 'Foreign', '4', 'else@acme.in')",
    )
    .bind(user)
    .bind(other)
    .execute(&db.admin)
    .await
    .unwrap();
    let calls = ["asha@ACME.in", "office@acme.in", "else@acme.in"];
    for (n, email) in calls.iter().enumerate() {
        let id = format!("00000000-0000-4000-8000-{n:012}");
        deliver(&db, user, "bolna", &web_call(&id)).await;
        deliver(&db, user, "analysis", &found(&id, email)).await;
    }
    // The caller's own word, without any analysis.
    let mut given: serde_json::Value =
        serde_json::from_slice(&web_call("00000000-0000-4000-8000-000000000003")).unwrap();
    given["context_details"] = json!({ "recipient_data": { "email": "Asha@acme.in" } });
    deliver(&db, user, "bolna", given.to_string().as_bytes()).await;
    process(&db).await;
    let linked: Vec<(String, String)> = sqlx::query_as(
        "SELECT right(c.bolna_execution_id, 1), k.name FROM calls c JOIN contacts k ON k.user_id = c.user_id AND k.id = c.contact_id ORDER BY 1",
    )
    .fetch_all(&db.admin)
    .await
    .unwrap();
    assert_eq!(linked, ["0", "3"].map(|call| (call.to_owned(), "Asha".to_owned())));
    assert_eq!(number(&db, "SELECT count(*) FROM contacts").await, 4, "no contact is made without a number");
    check_people(&db).await;
}

/// Break tried: `usable_email` left out of `email_of`: all three calls share the contact with the placeholder.
#[tokio::test]
async fn defect_37_placeholders_are_neither_a_key_nor_data() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    sqlx::query(
        "INSERT INTO contacts (user_id, name, phone_number, email) VALUES ($1, 'Entered', '1', 'lead1@example.com')",
    )
    .bind(user)
    .execute(&db.admin)
    .await
    .unwrap();
    for (n, email) in ["lead1@example.com", "LEAD1@example.com", "none"].iter().enumerate() {
        let id = format!("00000000-0000-4000-8000-{n:012}");
        deliver(&db, user, "bolna", &web_call(&id)).await;
        deliver(&db, user, "analysis", &found(&id, email)).await;
    }
    deliver(&db, user, "bolna", &bolna(CALL.replace("01", "09").as_str(), "busy", 10, json!({}))).await;
    deliver(&db, user, "analysis", &found(&CALL.replace("01", "09"), "noreply@acme.in")).await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM calls WHERE contact_id IS NOT NULL").await, 1, "that with a number");
    let emails: Vec<Option<String>> =
        sqlx::query_scalar("SELECT email FROM contacts ORDER BY phone_number").fetch_all(&db.admin).await.unwrap();
    assert_eq!(emails, [None, Some("lead1@example.com".to_owned())]);
}

/// Names are filled in where nobody has given one, and never replaced.
#[tokio::test]
async fn a_name_takes_the_place_of_anonymous_only() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let names =
        || async { sqlx::query_scalar::<_, String>("SELECT name FROM contacts").fetch_all(&db.admin).await.unwrap() };
    deliver(&db, user, "bolna", &bolna(CALL, "completed", 50, json!({ "conversation_duration": 5 }))).await;
    process(&db).await;
    assert_eq!(names().await, ["Anonymous"]);
    deliver(&db, user, "analysis", &found(CALL, "asha@acme.in")).await;
    process(&db).await;
    assert_eq!(names().await, ["Somebody"]);
    let more = json!({ "conversation_duration": 5, "telephony_data": { "provider_call_id": "x" }, "context_details": { "recipient_data": { "name": "Other" } } });
    deliver(&db, user, "bolna", &bolna(OTHER, "completed", 50, more)).await;
    process(&db).await;
    assert_eq!(names().await, ["Somebody"]);
}

/// No cache is made of contacts, so importing them asks for nothing; a thousand calls ask for one rebuild.
#[tokio::test]
async fn defect_49_a_thousand_contacts_ask_for_nothing_and_their_calls_for_one_rebuild() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (statement, jobs) in [
        (
            "INSERT INTO contacts (user_id, name, phone_number) SELECT $1, 'C' || n, '+1202555' || n FROM generate_series(1000, 1999) n",
            0,
        ),
        (
            "INSERT INTO calls (user_id, agent_id, contact_id, started_at)
          SELECT $1, a.id, k.id, now() - (right(k.name, 3) || ' minutes')::interval FROM contacts k, agents a",
            1,
        ),
    ] {
        sqlx::query(statement).bind(user).execute(&db.admin).await.unwrap();
        roll_up(&db).await;
        assert_eq!(
            number(&db, "SELECT count(*) FROM tally.jobs WHERE kind = 'rebuild_dashboards'").await,
            jobs,
            "{statement}"
        );
    }
    assert_eq!(number(&db, "SELECT count(*) FROM contacts WHERE last_contact_at IS NOT NULL").await, 1000);
}
