//! Backfills as an operator meets them: by the command line and by the API.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tallyline_testkit::{TestDb, wait_until};
use tower::ServiceExt;
use uuid::Uuid;

use crate::daemon::{Site, text};
use crate::web;

/// A tenant with a call on each of ten days, of which nothing was counted.
async fn site() -> (TestDb, Site) {
    let db = TestDb::new().await;
    sqlx::query(
        "WITH u AS (INSERT INTO users (email, name) VALUES ('a@example.test', 'Tenant') RETURNING id),
              a AS (INSERT INTO agents (user_id, name, bolna_agent_id) SELECT id, 'Agent', 'agent' FROM u RETURNING user_id, id)
         INSERT INTO calls (user_id, agent_id, started_at)
         SELECT user_id, id, timestamptz '2026-03-01 12:00Z' + n * interval '1 day' FROM a, generate_series(0, 9) n",
    )
    .execute(&db.admin)
    .await
    .unwrap();
    sqlx::query("TRUNCATE tally.rollup_marks").execute(&db.admin).await.unwrap();
    let site = Site::new(&db);
    (db, site)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn json(output: &Output) -> Value {
    assert_eq!(code(output), 0, "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn backfills(db: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM tally.backfills").fetch_one(&db.admin).await.unwrap()
}

/// Break tried: the question left out where there is no terminal.
#[tokio::test]
async fn nothing_starts_unasked_and_wrong_orders_have_their_codes() {
    let (db, site) = site().await;
    let preview =
        json(&site.run(&["backfill", "start", "--preview", "--json", "--from", "2026-03-03", "--to", "2026-03-05"]));
    assert_eq!((&preview["days"], &preview["calls"], &preview["method"]), (&3.into(), &3.into(), &"marks".into()));
    let unasked = site.run(&["backfill", "start"]);
    assert_eq!(code(&unasked), 4, "{}", text(&unasked));
    assert!(text(&unasked).contains("10 days") && text(&unasked).contains("--yes"), "{}", text(&unasked));
    assert_eq!(backfills(&db).await, 0);

    let unknown = Uuid::new_v4().to_string();
    for (order, expected) in [
        (["start", "--yes", "--mode", "everything"], 2),
        (["start", "--yes", "--tenant", &unknown], 2),
        (["start", "--yes", "--rate", "0"], 2),
    ] {
        let output = site.run(&[&["backfill"], order.as_slice()].concat());
        assert_eq!(code(&output), expected, "{order:?}: {}", text(&output));
    }
    let reversed = site.run(&["backfill", "start", "--yes", "--from", "2026-03-02", "--to", "2026-03-01"]);
    assert_eq!(code(&reversed), 2, "{}", text(&reversed));
    assert_eq!(code(&site.run(&["backfill", "pause", &unknown])), 2);
    assert_eq!(backfills(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_is_steered_and_watched_to_its_end() {
    let (db, site) = site().await;
    let started = json(&site.run(&["backfill", "start", "--yes", "--method", "scan", "--json", "--reason", "a test"]));
    let id = started["id"].as_str().unwrap().to_owned();
    assert!(text(&site.run(&["backfill", "pause", &id])).contains("paused; 0 of 1 units"));
    assert_eq!(code(&site.run(&["backfill", "pause", &id])), 4, "it is paused already");
    let _daemon = site.start().await;
    assert!(text(&site.run(&["status"])).contains(&id));
    assert_eq!(code(&site.run(&["backfill", "resume", &id])), 0);
    let watched = site.run(&["backfill", "show", &id, "--watch"]);
    assert_eq!(code(&watched), 0, "{}", text(&watched));
    assert!(text(&watched).contains("done; 1 of 1 units, 10 of 10 calls"), "{}", text(&watched));
    assert_eq!(code(&site.run(&["backfill", "cancel", &id])), 4, "it is over");
    let listed = json(&site.run(&["backfill", "list", "--json"]));
    assert_eq!((&listed[0]["id"], &listed[0]["reason"]), (&id.as_str().into(), &"a test".into()));
    let days: i64 = sqlx::query_scalar("SELECT count(*) FROM user_analytics WHERE grain = 'day' AND total_calls = 1")
        .fetch_one(&db.admin)
        .await
        .unwrap();
    assert_eq!(days, 10);
    let metrics = format!("http://{}/metrics", site.address);
    // The figures of the installation are read every few seconds.
    wait_until("the metrics tell of the end", Duration::from_secs(30), || async {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        text.contains("tallyline_backfill_calls_read_total 10")
            && text.contains("tallyline_backfill_units{state=\"ready\"} 0")
    })
    .await;
}

/// Asks as a peer does; the answer's JSON, null where it is none.
pub async fn ask(router: &Router, peer: &str, uri: &str) -> (StatusCode, Value) {
    let mut request = Request::get(uri).header("host", "localhost").body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Break tried: the router without the guard; the stranger reads.
#[tokio::test]
async fn the_api_shows_progress_to_this_machine_only() {
    let (db, site) = site().await;
    let router = web::site(&db, false);
    let local = "127.0.0.1:50000";
    assert_eq!(
        ask(&router, local, "/api/v1/backfills").await,
        (StatusCode::OK, serde_json::json!({ "backfills": [] }))
    );
    let id = json(&site.run(&["backfill", "start", "--yes", "--json"]))["id"].as_str().unwrap().to_owned();
    let (status, list) = ask(&router, local, "/api/v1/backfills").await;
    assert_eq!((status, &list["backfills"][0]["id"]), (StatusCode::OK, &id.as_str().into()));
    let one = format!("/api/v1/backfills/{id}");
    let (status, details) = ask(&router, local, &one).await;
    assert_eq!(status, StatusCode::OK);
    let backfill = &details["backfill"];
    assert_eq!(
        (&backfill["state"], &backfill["units"], &backfill["calls"]),
        (&"running".into(), &1.into(), &10.into())
    );
    assert_eq!((&backfill["eta_seconds"], &details["faults"]), (&Value::Null, &serde_json::json!([])));
    for wrong in [Uuid::new_v4().to_string(), "1".to_owned()] {
        assert_eq!(ask(&router, local, &format!("/api/v1/backfills/{wrong}")).await.0, StatusCode::NOT_FOUND);
    }
    for uri in ["/api/v1/backfills", one.as_str()] {
        assert_eq!(ask(&router, "192.0.2.9:4000", uri).await.0, StatusCode::FORBIDDEN);
    }
}
