//! What is asked for, and the providers that ask nobody.

use serde_json::json;
use tallyline_testkit::TestDb;

use super::support::*;

const STATUS: &str = "SELECT analysis_status FROM transcripts";

#[tokio::test]
async fn without_a_provider_nothing_is_asked_for() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    for (name, status) in [("off", "off"), ("webhook", "pending")] {
        provider(&db, user, name).await;
        call(&db, user, &format!("call-of-{name}"), json!({})).await;
        assert_eq!(analyzer(&db).run_unit().await.unwrap(), 0);
        assert_eq!(states(&db).await, []);
        let found =
            "SELECT string_agg(DISTINCT analysis_status, ',') FROM transcripts t JOIN calls c ON c.id = t.call_id
                     WHERE c.bolna_execution_id LIKE '%' || (SELECT provider FROM tally.analysis_settings)";
        assert_eq!(text(&db, found).await.as_deref(), Some(status));
    }
}

/// Breaks tried: the outcome not looked at in `request`, so that a call is analysed while it lasts (first assertion);
/// the clock as `analyzed_at`, which makes two bodies of one analysis.
#[tokio::test]
async fn rules_make_one_lead_of_an_answered_call_however_often_they_are_run() {
    let db = TestDb::new().await;
    let user = tenant(&db, "Asia/Kolkata").await;
    provider(&db, user, "rules").await;
    let mut events = answered_call("call-1");
    let last = events.pop().unwrap();
    for event in &events {
        deliver(&db, user, "bolna", event).await;
    }
    process(&db).await;
    assert_eq!(states(&db).await, [], "it is not over");
    deliver(&db, user, "bolna", &last).await;
    process(&db).await;
    assert_eq!((state(&db).await, text(&db, STATUS).await.as_deref()), (is("pending", None), Some("pending")));
    settle(&db, &analyzer(&db)).await;
    assert_eq!((state(&db).await, text(&db, STATUS).await.as_deref()), (is("succeeded", None), Some("completed")));
    let found = leads(&db, "individual").await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["total_score"], &found[0]["quality"]), (&json!(5), &json!("unqualified")));
    assert_eq!(
        text(&db, "SELECT endpoint FROM tally.inbox WHERE provider = 'analysis'").await.as_deref(),
        Some("analyze_leads")
    );

    // Made again, it is the same event again.
    run(&db, "UPDATE tally.call_analyses SET state = 'pending', finished_at = NULL").await;
    settle(&db, &analyzer(&db)).await;
    assert_eq!(number(&db, "SELECT count(*) FROM tally.inbox WHERE provider = 'analysis'").await, 1);
    assert_eq!(leads(&db, "individual").await, found);

    // The same transcript in another event asks for nothing; another transcript does, and its result counts.
    deliver(
        &db,
        user,
        "bolna",
        &bolna(
            "call-1",
            "completed",
            55,
            json!({
        "conversation_duration": 27.2, "total_cost": 3.9, "transcript": "assistant: Hello\nuser:  hi\n" }),
        ),
    )
    .await;
    process(&db).await;
    assert_eq!(state(&db).await, is("succeeded", None));
    deliver(
        &db,
        user,
        "bolna",
        &bolna(
            "call-1",
            "completed",
            56,
            json!({
        "conversation_duration": 27.2, "total_cost": 4.0, "transcript": TRANSCRIPT }),
        ),
    )
    .await;
    process(&db).await;
    assert_eq!(state(&db).await, is("pending", None));
    settle(&db, &analyzer(&db)).await;
    assert_eq!(leads(&db, "individual").await[0]["total_score"], json!(13));
    assert_eq!(number(&db, "SELECT count(*) FROM lead_analytics WHERE analysis_type = 'individual'").await, 1);
    check_exact_after_roll_up(&db).await;
}

async fn check_exact_after_roll_up(db: &TestDb) {
    roll_up(db).await;
    check_exact(db).await;
    assert_eq!(number(db, "SELECT leads_generated::bigint FROM user_analytics WHERE grain = 'day'").await, 1);
}

/// Defect 41 of the platform: calls that nobody answered were shown as cold leads.
/// Break tried: `delete_leads.sql` not run, with which the lead of the first half stays.
#[tokio::test]
async fn defect_41_a_call_that_nobody_answered_is_no_lead() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    provider(&db, user, "rules").await;
    for (id, more) in [
        ("voicemail", json!({ "answered_by_voice_mail": true })),
        ("busy", json!({ "status": "busy", "conversation_duration": 0, "transcript": null })),
        ("cancelled", json!({ "status": "stopped" })),
    ] {
        call(&db, user, id, more).await;
        deliver(&db, user, "analysis", &analysis(id, 13, "2026-03-03T10:20:00Z")).await;
    }
    settle(&db, &analyzer(&db)).await;
    assert_eq!((states(&db).await, leads(&db, "individual").await), (vec![], vec![]));
    assert_eq!(number(&db, "SELECT count(*) FROM contacts WHERE name = 'Asha'").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM transcripts WHERE analysis_status <> 'skipped'").await, 0);

    // What turns out to be a machine is withdrawn, before it was analysed and after.
    call(&db, user, "later", json!({})).await;
    assert_eq!(state(&db).await, is("pending", None));
    settle(&db, &analyzer(&db)).await;
    assert_eq!((leads(&db, "individual").await.len(), leads(&db, "complete").await.len()), (1, 1));
    call(&db, user, "early", json!({})).await;
    for id in ["later", "early"] {
        call(&db, user, id, json!({ "answered_by_voice_mail": true, "updated_at": "2026-03-03T10:15:00Z" })).await;
    }
    settle(&db, &analyzer(&db)).await;
    assert_eq!((leads(&db, "individual").await, leads(&db, "complete").await), (vec![], vec![]));
    let mut found = states(&db).await;
    found.sort();
    assert_eq!(found, [is("skipped", Some("not_answered")), is("succeeded", None)]);
}

/// Defect 38 of the platform: what could not be parsed became a lead of zeros.
#[tokio::test]
async fn defect_38_an_extraction_that_gives_nothing_is_no_lead() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    provider(&db, user, "bolna").await;
    for (id, extraction, state_now, status) in [
        (
            "good",
            json!("{'intent_score': 3, 'reasoning': {'intent': \"it's what they want\"}}"),
            is("succeeded", None),
            "completed",
        ),
        (
            "cut",
            json!("{'intent_score': 3, 'reasoning': {'intent': 'it"),
            is("failed", Some("unreadable_extraction")),
            "failed",
        ),
        ("empty", json!({ "Call Outcome": "interested" }), is("skipped", Some("nothing_extracted")), "skipped"),
    ] {
        run(&db, "TRUNCATE tally.call_analyses").await;
        call(&db, user, id, json!({ "agent_extraction": extraction })).await;
        settle(&db, &analyzer(&db)).await;
        assert_eq!(state(&db).await, state_now, "{id}");
        let found = "SELECT analysis_status FROM transcripts ORDER BY created_at DESC LIMIT 1";
        assert_eq!(text(&db, found).await.as_deref(), Some(status), "{id}");
    }
    let found = leads(&db, "individual").await;
    assert_eq!((found.len(), &found[0]["intent_score"], &found[0]["total_score"]), (1, &json!(3), &json!(null)));
    assert_eq!(found[0]["reasoning"], json!({ "intent": "it's what they want" }));
    call(&db, user, "without", json!({})).await;
    assert_eq!(states(&db).await.len(), 1, "without an extraction nothing is asked for");
    let found = "SELECT analysis_status FROM transcripts ORDER BY created_at DESC LIMIT 1";
    assert_eq!(text(&db, found).await.as_deref(), Some("skipped"));
}

/// Scores by the tenant's scale, defect 13 (a missing sub-score) and flags.
#[tokio::test]
async fn defect_13_posted_scores_are_held_against_the_tenants_scale() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    call(&db, user, "call-1", json!({})).await;
    let body = json!({ "execution_id": "call-1", "analysis_type": "individual", "analyzed_at": "2026-03-03T10:20:00Z", "analysis": {
        "intent_score": 7, "urgency_score": 2, "fit_score": 3, "total_score": 40, "lead_status_tag": "Follow-Up Later" } });
    deliver(&db, user, "analysis", body.to_string().as_bytes()).await;
    process(&db).await;
    let lead = &leads(&db, "individual").await[0];
    assert_eq!(
        (&lead["intent_score"], &lead["urgency_score"], &lead["budget_score"]),
        (&json!(null), &json!(2), &json!(null))
    );
    assert_eq!(
        (&lead["total_score"], &lead["quality"], &lead["lead_status_tag"]),
        (&json!(null), &json!(null), &json!("Follow-Up Later"))
    );
    let flags = text(&db, "SELECT array_to_string(flags, ',') FROM calls").await.unwrap();
    assert!(
        flags.contains("bad_field:analysis.intent_score") && flags.contains("bad_field:analysis.total_score"),
        "{flags}"
    );

    let later = json!({ "execution_id": "call-1", "analysis_type": "individual", "analyzed_at": "2026-03-03T10:21:00Z", "analysis": {
        "intent_score": 3, "urgency_score": 2, "budget_score": 1, "fit_score": 3, "engagement_score": 3, "total_score": 15 } });
    deliver(&db, user, "analysis", later.to_string().as_bytes()).await;
    process(&db).await;
    let lead = &leads(&db, "individual").await[0];
    assert_eq!((&lead["total_score"], &lead["quality"]), (&json!(15), &json!("hot")), "kept as given");
    let flags = text(&db, "SELECT array_to_string(flags, ',') FROM calls").await.unwrap();
    assert!(flags.contains("total_score_mismatch"), "{flags}");
    roll_up(&db).await;
    check_exact(&db).await;
}
