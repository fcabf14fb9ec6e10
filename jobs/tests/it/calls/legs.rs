//! Transfers and child legs: rows of their own, in no figure of their call.

use serde_json::{Value, json};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::{EXECUTION, LEG, SID, applied_in_any_order, apply, call, callback, child, these, transfer};
use crate::support::*;

/// All of a call but its legs and the flags.
fn without_legs(mut row: Value) -> Value {
    row.as_object_mut().unwrap().remove("legs");
    row
}

fn ended(more: Value) -> (&'static str, Vec<u8>) {
    let mut body = json!({ "conversation_duration": 27.2, "total_cost": 3.54 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("bolna", bolna(EXECUTION, "completed", 50, body))
}

#[tokio::test]
async fn a_transfer_is_a_leg_with_seconds_and_a_price_of_its_own() {
    let plain = applied_in_any_order(&[ended(json!({}))]).await;
    let row = applied_in_any_order(&[ended(transfer(json!({})))]).await;
    let leg = json!({
        "leg_key": LEG, "kind": "transfer", "lifecycle": "completed", "outcome": "answered", "duration_seconds": 95,
        "cost_reported": 0.012, "to_number": "+12025550177", "from_number": "+12025550100",
        "recording_url": "https://api.bolna.ai/recordings/transfer/1", "hangup_by": "Callee", "hangup_reason": "Normal Hangup",
        "hangup_provider_code": 4000, "termination_reason": "transferred_party_hangup", "started_at": null, "ended_at": null
    });
    assert_eq!(row["legs"], json!([leg]));
    assert_eq!(row["sids"], json!([SID]), "the leg's CallSid is no alias of the call");
    assert_eq!(without_legs(row), without_legs(plain));
}

/// Nothing of a leg is added to its call, whoever tells of it and in whatever order.
///
/// Breaks tried: children waiting by their own CallSid, and only the CallSid of the dial
/// looked at (callbacks that name no parent wait for ever).
#[tokio::test]
async fn one_leg_that_both_providers_tell_of_is_one_leg_and_adds_nothing() {
    let plain = applied_in_any_order(&[ended(json!({}))]).await;
    let record = || ended(transfer(json!({ "status": "in-progress", "duration": "" })));
    let ringing = || ("twilio", child(LEG, SID, "ringing", 20, ""));
    let done = || ("twilio", child(LEG, SID, "completed", 122, "&CallDuration=95"));
    let row = applied_in_any_order(&[record(), ringing(), done()]).await;
    let keys = ["leg_key", "kind", "lifecycle", "outcome", "duration_seconds", "started_at", "ended_at", "to_number"];
    let (started, ended_at) = ("2026-03-03T10:12:20+00:00", "2026-03-03T10:14:02+00:00");
    let want = json!([LEG, "transfer", "completed", "answered", 95, started, ended_at, "+12025550177"]);
    assert_eq!(row["legs"].as_array().unwrap().len(), 1);
    assert_eq!(these(&row["legs"][0], &keys), want);
    assert_eq!(without_legs(row), without_legs(plain.clone()));

    // The carrier alone, which does not say why it connects the leg.
    let row = applied_in_any_order(&[ended(json!({})), ringing(), done()]).await;
    assert_eq!(these(&row["legs"][0], &keys[..3]), json!([LEG, "child", "completed"]));
    assert_eq!(without_legs(row), without_legs(plain.clone()));

    // The platform may dial a transfer by itself: then its callbacks name no parent.
    let by_itself = ("twilio", callback(LEG, "busy", 30, ""));
    let row = applied_in_any_order(&[ended(transfer(json!({ "status": null, "duration": null }))), by_itself]).await;
    assert_eq!(these(&row["legs"][0], &["lifecycle", "outcome", "duration_seconds"]), json!(["busy", "busy", null]));
    assert_eq!(without_legs(row), without_legs(plain));
}

#[tokio::test]
async fn transfers_of_several_dials_and_without_an_id_are_told_apart() {
    let none = json!({ "provider_call_id": null, "status": "busy", "duration": "0" });
    let mut second = transfer(json!({ "provider_call_id": "p-2", "cost": "123" }));
    second["retry_count"] = json!(1);
    let row = applied_in_any_order(&[
        ("bolna", bolna(EXECUTION, "completed", 50, transfer(none.clone()))),
        ("bolna", bolna(EXECUTION, "completed", 500, second)),
    ])
    .await;
    let legs: Vec<_> = row["legs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leg| these(leg, &["leg_key", "outcome", "cost_reported"]))
        .collect();
    assert_eq!(legs, [json!(["p-2", "answered", 123]), json!(["transfer:0", "busy", 0.012])]);

    // The id comes with a later record: it was that leg all along.
    let row = applied_in_any_order(&[
        ("bolna", bolna(EXECUTION, "in-progress", 30, transfer(none))),
        ("bolna", bolna(EXECUTION, "completed", 50, transfer(json!({})))),
    ])
    .await;
    assert_eq!(row["legs"].as_array().unwrap().len(), 1);
    assert_eq!(these(&row["legs"][0], &["leg_key", "outcome"]), json!([LEG, "answered"]));
}

async fn waiting(db: &TestDb) -> i64 {
    number(db, "SELECT count(*) FROM tally.inbox_pending WHERE state = 'waiting'").await
}

async fn legs(db: &TestDb) -> i64 {
    number(db, "SELECT count(*) FROM tally.call_legs").await
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

/// A leg whose parent nobody knows waits, ends in quarantine, and comes back by itself.
/// Its number belongs to an agent, but a leg is no call.
///
/// Break tried: children waiting by their own CallSid (they stay in quarantine).
#[tokio::test]
async fn a_child_leg_waits_for_its_parent_and_never_makes_a_call() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    map_the_agents_number(&db).await;
    deliver(&db, user, "twilio", &child(LEG, SID, "ringing", 20, "")).await;
    process(&db).await;
    assert_eq!((waiting(&db).await, number(&db, "SELECT count(*) FROM calls").await), (1, 0));
    deliver(&db, user, "twilio", &child(LEG, SID, "completed", 122, "&CallDuration=95")).await;
    process(&db).await;
    sqlx::query("UPDATE tally.inbox_pending SET not_before = now()").execute(&db.admin).await.unwrap();
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine WHERE reason = 'no_call'").await, 2);
    assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 0);

    deliver(&db, user, "bolna", &answered_call(EXECUTION)[4]).await;
    process(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
    let row = call(&db, EXECUTION).await;
    assert_eq!(these(&row["legs"][0], &["leg_key", "duration_seconds"]), json!([LEG, 95]));
    assert_eq!(these(&row, &["duration_seconds", "charged"]), json!([27, 1_000_000]));
    roll_up(&db).await;
    check_exact(&db).await;
}

/// The person who is not there is not the contact.
///
/// Break tried: every unanswered callback counted, whatever it is of.
#[tokio::test]
async fn an_unanswered_transfer_is_no_unanswered_contact() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let no_answer = ("twilio", child(LEG, SID, "no-answer", 60, ""));
    let by_itself = ("twilio", callback("CA000000000000000000000000000000f2", "busy", 70, ""));
    let other = transfer(json!({ "provider_call_id": "CA000000000000000000000000000000f2" }));
    apply(&db, user, &[ended(other), no_answer, by_itself]).await;
    assert_eq!(number(&db, "SELECT sum(not_connected) FROM contacts").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM twilio_processed_calls").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM contacts").await, 1, "nor does it make one");
    assert_eq!(legs(&db).await, 2);
}

/// A call that only the carrier speaks of has legs too, and legs of legs; they may have
/// been in quarantine before it. The execution that turns out to be this call gets them.
#[tokio::test]
async fn legs_go_with_a_call_that_is_taken_into_another() {
    let grandchild = "CA000000000000000000000000000000f2";
    for has_row_already in [true, false] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        map_the_agents_number(&db).await;
        if has_row_already {
            let no_sid = json!({ "telephony_data": { "provider_call_id": "" } });
            deliver(&db, user, "bolna", &bolna(EXECUTION, "initiated", 10, no_sid)).await;
        }
        deliver(&db, user, "twilio", &child(grandchild, LEG, "completed", 90, "&CallDuration=7")).await;
        process_after_the_wait(&db).await;
        deliver(&db, user, "twilio", &child(LEG, SID, "completed", 122, "&CallDuration=95")).await;
        process(&db).await;
        deliver(&db, user, "twilio", &callback(SID, "completed", 3, "&CallDuration=142")).await;
        process_after_the_wait(&db).await;
        assert_eq!((waiting(&db).await, legs(&db).await), (0, 2));
        assert_eq!(number(&db, "SELECT count(*) FROM tally.quarantine").await, 0);
        roll_up(&db).await;

        for body in &answered_call(EXECUTION)[1..] {
            deliver(&db, user, "bolna", body).await;
        }
        process(&db).await;
        assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1);
        let row = call(&db, EXECUTION).await;
        let keys: Vec<_> = row["legs"].as_array().unwrap().iter().map(|leg| leg["leg_key"].clone()).collect();
        assert_eq!(keys, [LEG, grandchild]);
        assert_eq!(these(&row, &["duration_seconds", "charged", "balance"]), json!([27, 1_000_000, 14_000_000]));
        roll_up(&db).await;
        check_exact(&db).await;
    }
}

/// The function alone, as the rows are between its end and the next fold.
#[tokio::test]
async fn absorbing_a_call_carries_its_legs_along() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    let leg = |key: &str| transfer(json!({ "provider_call_id": key }));
    let own = |key: &str, sid: &str| {
        let mut more = leg(key);
        more["telephony_data"] = json!({ "provider_call_id": sid });
        more
    };
    apply(
        &db,
        user,
        &[
            ("bolna", bolna("stays", "completed", 50, own("p-1", "p-a"))),
            ("bolna", bolna("goes", "completed", 50, own("p-1", "p-b"))),
            ("bolna", bolna("goes", "completed", 51, own("p-2", "p-b"))),
        ],
    )
    .await;
    assert_eq!(legs(&db).await, 3);
    let id = async |execution: &'static str| -> Uuid {
        sqlx::query_scalar("SELECT id FROM calls WHERE bolna_execution_id = $1")
            .bind(execution)
            .fetch_one(&db.admin)
            .await
            .unwrap()
    };
    let (stays, goes) = (id("stays").await, id("goes").await);
    sqlx::query("SELECT tally.absorb_call($1, $2, $3)")
        .bind(user)
        .bind(goes)
        .bind(stays)
        .execute(&db.pool)
        .await
        .unwrap();
    let keys: Vec<_> =
        call(&db, "stays").await["legs"].as_array().unwrap().iter().map(|leg| leg["leg_key"].clone()).collect();
    assert_eq!(keys, ["p-1", "p-2"]);
}

/// The transfer's callbacks came first and made a call, since the number has an agent:
/// the record that names it as a leg makes it one. A new execution that names two such
/// calls, its dial and its leg, is one call too.
///
/// Break tried: only the CallSid of the dial looked at (two calls, both charged).
#[tokio::test]
async fn a_call_of_the_carrier_that_turns_out_to_be_a_leg_is_a_call_no_longer() {
    for (is_known, dial_too) in [(true, false), (false, false), (false, true), (true, true)] {
        let db = TestDb::new().await;
        let user = tenant(&db, "UTC").await;
        map_the_agents_number(&db).await;
        deliver(&db, user, "twilio", &callback(LEG, "completed", 60, "&CallDuration=95")).await;
        if dial_too {
            deliver(&db, user, "twilio", &callback(SID, "completed", 3, "&CallDuration=142")).await;
        }
        if is_known {
            let no_sid = json!({ "telephony_data": { "provider_call_id": "" } });
            deliver(&db, user, "bolna", &bolna(EXECUTION, "initiated", 10, no_sid)).await;
        }
        process_after_the_wait(&db).await;
        let before = 1 + i64::from(is_known) + i64::from(dial_too);
        assert_eq!(number(&db, "SELECT count(*) FROM calls").await, before);
        roll_up(&db).await;

        deliver(&db, user, ended(json!({})).0, &ended(transfer(json!({ "duration": null }))).1).await;
        process(&db).await;
        assert_eq!(number(&db, "SELECT count(*) FROM calls").await, 1, "{is_known} {dial_too}");
        let row = call(&db, EXECUTION).await;
        assert_eq!(these(&row["legs"][0], &["leg_key", "duration_seconds", "kind"]), json!([LEG, 95, "transfer"]));
        let keys = ["duration_seconds", "charged", "balance", "sids"];
        assert_eq!(these(&row, &keys), json!([27, 1_000_000, 14_000_000, [SID]]));
        roll_up(&db).await;
        check_exact(&db).await;
    }
}

/// Legs of one tenant are no other tenant's.
#[tokio::test]
async fn a_leg_is_of_its_own_tenant() {
    let db = TestDb::new().await;
    let (user, other) = (tenant(&db, "UTC").await, tenant(&db, "UTC").await);
    apply(&db, user, &[ended(transfer(json!({})))]).await;
    apply(&db, other, &[("twilio", child(LEG, SID, "completed", 9, "")), ("twilio", callback(LEG, "ringing", 1, ""))])
        .await;
    assert_eq!(waiting(&db).await, 2);
    assert_eq!(number(&db, "SELECT count(DISTINCT user_id) FROM tally.call_legs").await, 1);
}
