//! What operators steer by the API; each change leaves its trace.

use axum::http::StatusCode;
use serde_json::json;
use tallyline::accounts::Role;
use tallyline_testkit::TestDb;

use super::{Program, assert_problem, json as body, operator};
use crate::schema::fixture;
use crate::web::{account, site};

const CHANGES: [&str; 12] = [
    "/api/v1/jobs/1/retry",
    "/api/v1/jobs/1/cancel",
    "/api/v1/jobs/1/discard",
    "/api/v1/queues/default/pause",
    "/api/v1/queues/default/resume",
    "/api/v1/schedules/x/run",
    "/api/v1/schedules/x/pause",
    "/api/v1/schedules/x/resume",
    "/api/v1/backfills",
    "/api/v1/backfills/00000000-0000-0000-0000-000000000000/pause",
    "/api/v1/backfills/00000000-0000-0000-0000-000000000000/resume",
    "/api/v1/backfills/00000000-0000-0000-0000-000000000000/cancel",
];

async fn trail(db: &TestDb) -> Vec<String> {
    let sql = "DELETE FROM admin_audit_log RETURNING action || ' ' || host(ip_address)";
    fixture::texts(&db.admin, sql).await
}

/// Break tried: `may_change` not asked in `Changer`; the reading token pauses the queue.
#[tokio::test]
async fn a_reading_token_changes_nothing_and_others_see_nothing() {
    let db = TestDb::new().await;
    let site = site(&db, true);
    let admin = account(&db, "reader@example.com", Role::Admin).await;
    let mut reader = Program::of(&db, &site, admin, false).await;
    let user = fixture::tenant(&db, "user").await;
    let mut user = Program::of(&db, &site, user.user_id, true).await;
    for uri in CHANGES {
        assert_problem(&reader.post(uri, json!({ "reason": "r", "mode": "all" })).await, StatusCode::FORBIDDEN);
        assert_problem(&user.post(uri, json!({ "reason": "r", "mode": "all" })).await, StatusCode::NOT_FOUND);
    }
    for uri in ["jobs", "queues", "schedules", "backfills", "audit-log", "jobs/1", "schedules/x/history"] {
        assert_problem(&user.get(&format!("/api/v1/{uri}")).await, StatusCode::NOT_FOUND);
    }
    assert!(trail(&db).await.is_empty());
}

#[tokio::test]
async fn queues_are_paused_and_go_on() {
    let db = TestDb::new().await;
    let (_, mut operator) = operator(&db, &site(&db, true)).await;
    let why = json!({ "reason": "provider is down" });
    let paused = operator.post("/api/v1/queues/reconcile/pause", why.clone()).await;
    assert_eq!(paused.status, StatusCode::NO_CONTENT, "{}", paused.text);
    let queues = operator.read("/api/v1/queues").await;
    let queue = queues["queues"].as_array().unwrap().iter().find(|line| line["queue"] == "reconcile").unwrap();
    assert_eq!(queue["paused_reason"], "provider is down");
    let resumed = operator.post("/api/v1/queues/reconcile/resume", json!({})).await;
    assert_eq!(resumed.status, StatusCode::NO_CONTENT);
    assert_problem(&operator.post("/api/v1/queues/nothing/pause", why).await, StatusCode::NOT_FOUND);
    let blank = operator.post("/api/v1/queues/reconcile/pause", json!({ "reason": " " })).await;
    assert_problem(&blank, StatusCode::BAD_REQUEST);
    assert_eq!(trail(&db).await, ["queue.pause 127.0.0.1", "queue.resume 127.0.0.1"]);
}

/// Break: `run_now` without the look at the job before; the second run is enqueued.
#[tokio::test]
async fn schedules_are_run_paused_and_go_on() {
    let db = TestDb::new().await;
    let (_, mut operator) = operator(&db, &site(&db, true)).await;
    let nightly = "INSERT INTO tally.schedules (name, kind, queue, priority, max_attempts, cron, timezone, payload, missed, overlap,
                       next_fire_at, updated_at)
                   VALUES ('nightly', 'purge_expired', 'default', 2, 5, '30 3 * * *', 'UTC', '{}', 'skip', 'skip', now() + interval '1 hour', now())";
    sqlx::query(nightly).execute(&db.admin).await.unwrap();
    let uri = "/api/v1/schedules/nightly";

    let ran = operator.post(&format!("{uri}/run"), json!({})).await;
    assert_eq!(ran.status, StatusCode::OK, "{}", ran.text);
    let job = body(&ran)["job_id"].as_i64().unwrap();
    let shown = operator.read(&format!("/api/v1/jobs/{job}")).await;
    assert_eq!(
        (&shown["job"]["live"]["kind"], &shown["job"]["live"]["state"]),
        (&"purge_expired".into(), &"waiting".into())
    );
    let fires = operator.read(&format!("{uri}/history")).await;
    assert_eq!((&fires["fires"][0]["job_id"], &fires["fires"][0]["manual"]), (&job.into(), &true.into()), "{fires}");
    assert_problem(&operator.post(&format!("{uri}/run"), json!({})).await, StatusCode::CONFLICT);
    let forced = operator.post(&format!("{uri}/run"), json!({ "force": true })).await;
    assert!(body(&forced)["job_id"].as_i64().unwrap() > job, "{}", forced.text);

    let paused = operator.post(&format!("{uri}/pause"), json!({ "reason": "holidays" })).await;
    assert_eq!(paused.status, StatusCode::NO_CONTENT, "{}", paused.text);
    let listed = operator.read("/api/v1/schedules").await;
    assert!(listed["schedules"][0]["paused_at"].is_string(), "{listed}");
    assert_eq!(listed["schedules"][0]["paused_reason"], "holidays");
    let resumed = operator.post(&format!("{uri}/resume"), json!({})).await;
    assert_eq!(resumed.status, StatusCode::NO_CONTENT, "{}", resumed.text);
    assert!(operator.read("/api/v1/schedules").await["schedules"][0]["paused_at"].is_null());
    let changes = ["schedule.run", "schedule.run", "schedule.pause", "schedule.resume"];
    assert_eq!(trail(&db).await, changes.map(|change| format!("{change} 127.0.0.1")));
    assert_problem(&operator.post("/api/v1/schedules/nothing/run", json!({})).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn dead_letters_are_retried_and_discarded_jobs_cancelled() {
    let db = TestDb::new().await;
    let (_, mut operator) = operator(&db, &site(&db, true)).await;
    let dead = "INSERT INTO tally.dead_jobs (job_id, claims, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at)
                SELECT nextval('tally.jobs_id_seq'), 1, 'work', 'default', '{}', 1, 1, 1, 'failed', now(), now()
                FROM generate_series(1, 2) RETURNING job_id";
    let jobs: Vec<i64> = sqlx::query_scalar(dead).fetch_all(&db.admin).await.unwrap();
    let listed = operator.read("/api/v1/jobs?state=dead").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let (first, second) = (format!("/api/v1/jobs/{}", jobs[0]), format!("/api/v1/jobs/{}", jobs[1]));
    let retried = operator.post(&format!("{first}/retry"), json!({})).await;
    assert_eq!(body(&retried)["became"], "replayed", "{}", retried.text);
    assert_eq!(operator.read(&first).await["job"]["live"]["state"], "waiting");
    let why = json!({ "reason": "made up for" });
    let discarded = operator.post(&format!("{second}/discard"), why.clone()).await;
    assert_eq!(body(&discarded)["became"], "discarded", "{}", discarded.text);
    assert_problem(&operator.post(&format!("{first}/discard"), why.clone()).await, StatusCode::CONFLICT);
    let cancelled = operator.post(&format!("{first}/cancel"), why.clone()).await;
    assert_eq!(body(&cancelled)["became"], "removed", "{}", cancelled.text);
    assert_problem(&operator.post("/api/v1/jobs/999999/cancel", why).await, StatusCode::NOT_FOUND);
    assert_problem(&operator.get("/api/v1/jobs?state=live&cursor=WzEsMl0").await, StatusCode::BAD_REQUEST);
    assert_problem(&operator.get("/api/v1/jobs?state=nowhere").await, StatusCode::BAD_REQUEST);
    assert_eq!(trail(&db).await, ["job.replay 127.0.0.1", "job.discard 127.0.0.1", "job.cancel 127.0.0.1"]);
}

#[tokio::test]
async fn backfills_are_started_and_steered() {
    let db = TestDb::new().await;
    let tenant = fixture::tenant(&db, "filled").await;
    let (_, mut operator) = operator(&db, &site(&db, true)).await;
    let what = json!({ "tenant": tenant.user_id, "mode": "all", "reason": "test" });
    let plan = operator.post("/api/v1/backfills/preview", what.clone()).await;
    assert_eq!((plan.status, &body(&plan)["plan"]["tenants"]), (StatusCode::OK, &1.into()), "{}", plan.text);
    let started = operator.post("/api/v1/backfills", what).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text);
    let uri = format!("/api/v1/backfills/{}", body(&started)["id"].as_str().unwrap());
    for (change, state) in [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")] {
        let changed = operator.post(&format!("{uri}/{change}"), json!({})).await;
        assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
        assert_eq!(operator.read(&uri).await["backfill"]["state"], state);
    }
    assert_problem(&operator.post(&format!("{uri}/pause"), json!({})).await, StatusCode::CONFLICT);
    for bad in
        [json!({ "mode": "some" }), json!({ "mode": "all", "first_day": "2026-02-01", "last_day": "2026-01-01" })]
    {
        assert_problem(&operator.post("/api/v1/backfills", bad).await, StatusCode::BAD_REQUEST);
    }
    let log = operator.read("/api/v1/audit-log?limit=2").await;
    assert_eq!(log["items"][0]["action"], "backfill.cancel");
    assert!(log["next"].is_string());
    assert_eq!(trail(&db).await.len(), 4);
}

/// Break: the entries made after the commit; the backfill is started and paused.
#[tokio::test]
async fn a_backfill_of_which_the_trail_cannot_tell_is_not_begun() {
    let db = TestDb::new().await;
    let tenant = fixture::tenant(&db, "filled").await;
    let (_, mut operator) = operator(&db, &site(&db, true)).await;
    let refuse = "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no entry'; END $$;
                  CREATE TRIGGER refuse BEFORE INSERT ON admin_audit_log EXECUTE FUNCTION public.refuse()";
    sqlx::raw_sql(refuse).execute(&db.admin).await.unwrap();
    let what = json!({ "tenant": tenant.user_id, "mode": "all", "reason": "test" });
    let refused = operator.post("/api/v1/backfills", what.clone()).await;
    assert_problem(&refused, StatusCode::SERVICE_UNAVAILABLE);
    let states = "SELECT state FROM tally.backfills";
    assert!(fixture::texts(&db.admin, states).await.is_empty());

    sqlx::raw_sql("ALTER TABLE admin_audit_log DISABLE TRIGGER refuse").execute(&db.admin).await.unwrap();
    let id = body(&operator.post("/api/v1/backfills", what).await)["id"].as_str().unwrap().to_owned();
    sqlx::raw_sql("ALTER TABLE admin_audit_log ENABLE TRIGGER refuse").execute(&db.admin).await.unwrap();
    let refused = operator.post(&format!("/api/v1/backfills/{id}/pause"), json!({})).await;
    assert_problem(&refused, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(fixture::texts(&db.admin, states).await, ["running"]);
}

#[tokio::test]
async fn operators_see_what_was_held_and_where_providers_post() {
    let db = TestDb::new().await;
    let tenant = fixture::tenant(&db, "held").await;
    let site = site(&db, true);
    let (_, mut operator) = operator(&db, &site).await;
    let base = format!("/api/v1/tenants/{}", tenant.user_id);
    let held = operator.read(&format!("{base}/quarantine")).await;
    let event = held["items"][0]["id"].as_i64().unwrap();
    assert_eq!(operator.read(&format!("{base}/quarantine/{event}")).await["event"]["reason"], "unknown_agent");
    let endpoints = operator.get(&format!("{base}/endpoints")).await;
    assert!(endpoints.text.contains("endpoint-held") && !endpoints.text.contains("sha256"), "{}", endpoints.text);
    let mut own = Program::of(&db, &site, tenant.user_id, true).await;
    for uri in ["quarantine".to_owned(), format!("quarantine/{event}"), "endpoints".to_owned()] {
        assert_problem(&own.get(&format!("{base}/{uri}")).await, StatusCode::NOT_FOUND);
    }
}
