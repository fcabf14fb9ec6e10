//! What went wrong in the platform before, where it shows outside: `docs/defects.md`
//! has the list, `jobs/tests/it/defects` the tests of the pipeline.

use std::time::Duration;

use axum::http::StatusCode;
use tallyline::config::{self, Overrides};
use tallyline::telemetry::page::Page;
use tallyline::telemetry::{metrics as recording, names, readiness, service};
use tallyline_testkit::{TestDb, wait_until};
use tokio_util::sync::CancellationToken;

use crate::backfill::ask;
use crate::daemon::{Site, text};
use crate::telemetry::{parse, value};
use crate::verify::fixture::{roll_up_all, tenant};
use crate::web;

const LONG: Duration = Duration::from_secs(60);

async fn run(db: &TestDb, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&db.admin).await.unwrap();
}

/// The query of the monitoring named a column that its table lacked; the error was swallowed and all looked well.
///
/// Break tried: `turn` without its counter.
#[tokio::test]
async fn defect_18_a_monitoring_query_that_fails_is_seen_to_fail() {
    let db = TestDb::new().await;
    let recorder = recording::recorder().unwrap();
    let _local = metrics::set_default_local_recorder(&recorder);
    let page = Page::from(recorder.handle());
    let shown = |name: &str| value(&parse(&page.render()).1, name, "");
    run(&db, "ALTER TABLE tally.quarantine RENAME reason TO cause").await;
    let stop = CancellationToken::new();
    let (pools, ready) = (vec![("main", db.pool.clone())], readiness::database(db.pool.clone()));
    let exporter = service::run(pools, page.clone(), ready, stop.clone());
    let watched = async {
        wait_until("the error is counted", LONG, async || shown(names::SERVICE_ERRORS) == Some(1.0)).await;
        assert_eq!(shown(names::SERVICE_READ), None, "nothing was read, and nothing says so");
        assert_eq!(shown(names::INBOX_OLDEST), None, "no figure instead of a good one");
        let status = Site::new(&db).run(&["status"]);
        assert!(!status.status.success() && text(&status).contains("cannot read the status"), "{}", text(&status));

        run(&db, "ALTER TABLE tally.quarantine RENAME cause TO reason").await;
        wait_until("the figures are read", LONG, async || shown(names::SERVICE_READ).is_some()).await;
        assert_eq!(shown(names::INBOX_OLDEST), Some(0.0));
        stop.cancel();
    };
    tokio::join!(exporter, watched);
}

/// 0 of 0 was NaN, and a missing column an error of the server.
///
/// Break tried: `tally.percentile` gives 0 for an empty histogram.
#[tokio::test]
async fn defect_42_the_api_gives_nulls_where_there_is_nothing() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "Asia/Kolkata").await;
    let in_progress =
        "INSERT INTO calls (user_id, agent_id, started_at) SELECT user_id, id, '2026-03-09 12:00Z' FROM agents";
    run(&db, in_progress).await;
    for rolled_up in [false, true] {
        let uri = format!("/api/v1/tenants/{user_id}/figures?grain=day&from=2026-03-01&to=2026-03-31&sets=true");
        let (status, answer) = ask(&web::site(&db, false), "127.0.0.1:50000", &uri).await;
        assert_eq!(status, StatusCode::OK);
        let day = &answer["figures"][0];
        assert_eq!((&day["total_calls"], &day["successful_calls"]), (&2.into(), &0.into()), "rolled up: {rolled_up}");
        for none in ["duration_p50_seconds", "duration_p95_seconds", "duration_p99_seconds"] {
            assert!(day[none].is_null(), "{none} of no durations: {day}");
        }
        assert!(!answer.to_string().contains("NaN"));
        roll_up_all(&db.pool).await;
    }
}

/// Jobs that the documents spoke of were on no schedule, and nobody could see it.
///
/// Breaks: tried, a schedule left out by `schedule_specs`; seen, no gauge of jobs that complete in their own transaction.
#[tokio::test(flavor = "multi_thread")]
async fn defect_54_every_schedule_is_in_the_table_fires_and_shows_its_last_success() {
    let db = TestDb::new().await;
    let defaults = config::load(&Overrides { file: Some("/dev/null".into()), ..Overrides::default() }, []).unwrap();
    let mut configured: Vec<String> = defaults.schedule.iter().map(|schedule| schedule.name.clone()).collect();
    configured.sort();
    let site = Site::new(&db);
    let _daemon = site.start().await;
    let names =
        async |sql: &'static str| -> Vec<String> { sqlx::query_scalar(sql).fetch_all(&db.admin).await.unwrap() };
    let written = "SELECT name FROM tally.schedules WHERE NOT paused ORDER BY name COLLATE \"C\"";
    wait_until("the schedules are written", LONG, async || names(written).await == configured).await;

    run(&db, "UPDATE tally.schedules SET next_fire_at = now() - interval '1 second'").await;
    let fired =
        "SELECT DISTINCT s.name COLLATE \"C\" FROM tally.schedules s JOIN tally.schedule_fires f ON f.schedule = s.name
                 WHERE f.outcome = 'enqueued' AND s.next_fire_at > now() ORDER BY 1";
    wait_until("all have fired", LONG, async || names(fired).await == configured).await;
    let metrics = format!("http://{}/metrics", site.address);
    wait_until("all are seen to have succeeded", LONG, async || {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        let (_, samples) = parse(&text);
        let success =
            |job: &str| value(&samples, "tallyline_cron_last_success_timestamp_seconds", &format!("\"{job}\""));
        defaults.schedule.iter().all(|schedule| success(&schedule.job).is_some_and(|at| at > 1.0e9))
    })
    .await;
    let screen = text(&site.run(&["status"]));
    for schedule in &defaults.schedule {
        let line = screen.lines().find(|line| line.contains(&schedule.name));
        assert!(line.is_some_and(|line| line.contains("enqueued")), "{}: {screen}", schedule.name);
    }
}
