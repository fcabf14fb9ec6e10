//! `/api/v1/tenants/{id}/figures`: equal to the calls at once, whatever is rolled up.

use axum::http::StatusCode;
use serde_json::Value;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::backfill::ask;
use crate::verify::fixture::{calls, roll_up_all, tenant};
use crate::web::site;

const LOCAL: &str = "127.0.0.1:50000";
const MARCH: &str = "from=2026-03-01&to=2026-03-31";

fn sum(answer: &Value, figure: &str) -> i64 {
    answer["figures"].as_array().unwrap().iter().map(|bucket| bucket[figure].as_i64().unwrap()).sum()
}

async fn count(db: &TestDb, user_id: Uuid) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM calls WHERE user_id = $1 AND started_at < '2026-03-31 18:30Z'")
        .bind(user_id)
        .fetch_one(&db.admin)
        .await
        .unwrap()
}

/// Breaks tried: the stored figures read instead (the first answer is empty); the
/// inbox left out of `complete_until`.
#[tokio::test]
async fn figures_are_those_of_the_calls_at_this_instant() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "Asia/Kolkata").await;
    calls(&db, user_id, "2026-03-08T00:00:00Z", 300).await;
    let router = site(&db, false);
    let uri = |grain: &str, more: &str| format!("/api/v1/tenants/{user_id}/figures?grain={grain}&{MARCH}{more}");
    for rolled_up in [false, true] {
        for (grain, more) in [("hour", ""), ("day", "&sets=true"), ("month", "&by_agent=true")] {
            let (status, answer) = ask(&router, LOCAL, &uri(grain, more)).await;
            assert_eq!((status, &answer["fresh"]), (StatusCode::OK, &Value::Bool(true)), "{answer}");
            assert_eq!(sum(&answer, "total_calls"), count(&db, user_id).await, "{grain}, rolled up: {rolled_up}");
            assert_eq!(answer["as_of"], answer["complete_until"]);
        }
        roll_up_all(&db.pool).await;
    }
    sqlx::query(
        "UPDATE calls SET started_at = started_at + interval '40 days' WHERE user_id = $1 AND duration_seconds % 2 = 0",
    )
    .bind(user_id)
    .execute(&db.admin)
    .await
    .unwrap();
    let (_, answer) = ask(&router, LOCAL, &uri("day", "&sets=true")).await;
    assert_eq!(sum(&answer, "total_calls"), count(&db, user_id).await);
    assert!(answer["figures"][0]["duration_p95_seconds"].is_i64(), "{answer}");

    sqlx::query(
        "WITH stored AS (
             INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256, body, received_at)
             VALUES ($1, 'bolna', 'endpoint-of-a-test', sha256('x'), 'x', '2026-03-09 00:00Z') RETURNING *)
         INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at) SELECT user_id, id, received_at FROM stored",
    )
    .bind(user_id)
    .execute(&db.admin)
    .await
    .unwrap();
    let (_, answer) = ask(&router, LOCAL, &uri("day", "")).await;
    assert_eq!(answer["complete_until"], "2026-03-09T00:00:00Z");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "UTC").await;
    let router = site(&db, false);
    let good = format!("/api/v1/tenants/{user_id}/figures?grain=day&{MARCH}");
    assert_eq!(ask(&router, LOCAL, &good).await.0, StatusCode::OK);
    assert_eq!(ask(&router, "192.0.2.9:4000", &good).await.0, StatusCode::FORBIDDEN);
    for tenant in [Uuid::new_v4().to_string(), "1".to_owned()] {
        let uri = format!("/api/v1/tenants/{tenant}/figures?grain=day&{MARCH}");
        assert_eq!(ask(&router, LOCAL, &uri).await.0, StatusCode::NOT_FOUND);
    }
    for bad in [
        "grain=week&from=2026-03-01&to=2026-04-01",
        "grain=day&from=2026-03-01T00:00:00Z&to=2026-04-01",
        "grain=day&from=2026-04-01&to=2026-03-01",
        "grain=hour&from=2025-01-01&to=2026-03-01",
        "grain=day&from=2026-03-01&to=2026-04-01&agent=1",
        "grain=day",
    ] {
        let uri = format!("/api/v1/tenants/{user_id}/figures?{bad}");
        assert_eq!(ask(&router, LOCAL, &uri).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
}
