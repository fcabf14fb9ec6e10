//! Another scale or other thresholds: every lead comes into the band that it has by them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tallyline_jobs::{complete_leads, requalify_leads};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use super::support::*;

const DEADLINE: Duration = Duration::from_secs(60);

async fn analysed(db: &TestDb, user: Uuid, id: &str, total: i32) {
    call(db, user, id, json!({})).await;
    let body = json!({ "execution_id": id, "analysis_type": "individual", "analyzed_at": "2026-03-06T10:00:00Z",
                       "analysis": { "intent_score": total / 5, "total_score": total } });
    deliver(db, user, "analysis", body.to_string().as_bytes()).await;
    process(db).await;
}

async fn requalify(db: &TestDb, user: Uuid) {
    requalify_leads::run(&db.pool, user).await.unwrap();
    while complete_leads::run_unit(&db.pool).await.unwrap() > 0 {}
    roll_up(db).await;
    check_exact(db).await;
}

const INDIVIDUAL: &str = "SELECT string_agg(coalesce(total_score::text, '-') || coalesce(quality, ''), ' ' ORDER BY call_id) FROM lead_analytics WHERE analysis_type = 'individual'";
const COMPLETE: &str = "SELECT quality FROM lead_analytics WHERE analysis_type = 'complete'";

#[tokio::test]
async fn thresholds_and_scales_converge_and_what_was_edited_stays() {
    let db = TestDb::new().await;
    let user = tenant(&db, "UTC").await;
    analysed(&db, user, "call-1", 12).await;
    while complete_leads::run_unit(&db.pool).await.unwrap() > 0 {}
    assert_eq!(
        (text(&db, INDIVIDUAL).await.as_deref(), text(&db, COMPLETE).await.as_deref()),
        (Some("12hot"), Some("hot"))
    );
    let asked = "SELECT count(*) FROM tally.jobs WHERE kind = 'requalify_leads'";
    run(&db, "UPDATE users SET name = 'Other', hot_threshold_percent = 80").await;
    assert_eq!(number(&db, asked).await, 0, "what does not change asks for nothing");
    run(&db, "UPDATE users SET hot_threshold_percent = 90").await;
    run(&db, "UPDATE users SET hot_threshold_percent = 95").await;
    assert_eq!(number(&db, asked).await, 1, "coalesced");
    requalify(&db, user).await;
    assert_eq!(
        (text(&db, INDIVIDUAL).await.as_deref(), text(&db, COMPLETE).await.as_deref()),
        (Some("12warm"), Some("warm"))
    );

    // The scale was set wrong: what it could not hold comes back from the analysis.
    analysed(&db, user, "call-1", 12).await;
    run(&db, "UPDATE users SET score_scale = 10").await;
    requalify(&db, user).await;
    assert_eq!(text(&db, INDIVIDUAL).await.as_deref(), Some("-"));
    run(&db, "UPDATE users SET score_scale = 100, dimension_scale = 20").await;
    requalify(&db, user).await;
    assert_eq!(text(&db, INDIVIDUAL).await.as_deref(), Some("12unqualified"));

    // An edit by hand is nobody's to undo.
    run(&db, "UPDATE lead_analytics SET total_score = 70, quality = 'cold' WHERE analysis_type = 'individual'").await;
    run(&db, "UPDATE users SET warm_threshold_percent = 65").await;
    requalify(&db, user).await;
    assert_eq!(text(&db, INDIVIDUAL).await.as_deref(), Some("70warm"));
}

/// A batch that was begun by the old thresholds commits after they were changed.
/// Break tried: `lock_lane` of `requalify_leads` left out; the lead is then still hot at the end.
#[tokio::test]
async fn a_lead_that_is_written_meanwhile_by_the_old_thresholds_is_put_right() {
    let db = Arc::new(TestDb::new().await);
    let user = tenant(&db, "UTC").await;
    analysed(&db, user, "call-1", 3).await;
    let body = json!({ "execution_id": "call-1", "analysis_type": "individual", "analyzed_at": "2026-03-07T10:00:00Z",
                       "analysis": { "intent_score": 3, "total_score": 12 } });
    deliver(&db, user, "analysis", body.to_string().as_bytes()).await;

    // The batch has read the thresholds and stands before its call.
    let mut barrier = db.admin.begin().await.unwrap();
    sqlx::query("SELECT FROM calls FOR UPDATE").execute(&mut *barrier).await.unwrap();
    let batch = tokio::spawn({
        let db = Arc::clone(&db);
        async move { process(&db).await }
    });
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("the condition holds", DEADLINE, async || number(&db, waiting).await == 1).await;
    run(&db, "UPDATE users SET hot_threshold_percent = 90").await;
    let job = tokio::spawn({
        let db = Arc::clone(&db);
        async move { requalify_leads::run(&db.pool, user).await.unwrap() }
    });
    wait_until("the condition holds", DEADLINE, async || number(&db, waiting).await == 2 || job.is_finished()).await;
    barrier.commit().await.unwrap();
    batch.await.unwrap();
    job.await.unwrap();
    assert_eq!(text(&db, INDIVIDUAL).await.as_deref(), Some("12warm"));
    requalify(&db, user).await;
}
