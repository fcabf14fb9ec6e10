//! What a scraper sees of the verifications.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tallyline::telemetry::{metrics as recording, readiness, routes, service};
use tallyline_jobs::audit_rollups::{self, Options};
use tallyline_jobs::verify_rollups;
use tallyline_testkit::TestDb;
use tower::ServiceExt;

use super::fixture::{new_york, roll_up_all, run};

#[tokio::test]
async fn verifications_reach_the_page_of_metrics() {
    let db = TestDb::new().await;
    let recorder = recording::recorder().unwrap();
    let _local = metrics::set_default_local_recorder(&recorder);
    let router = routes::router(recorder.handle(), readiness::database(db.pool.clone()));
    let page = async || {
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        String::from_utf8(to_bytes(response.into_body(), 4 << 20).await.unwrap().to_vec()).unwrap()
    };
    let user_id = new_york(&db).await;
    let damage =
        "UPDATE public.user_analytics SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND grain = 'month'";
    assert_eq!(run(&db, damage, user_id).await, 1);
    let options = Options { tenants: 10, buckets: 1_000 };
    audit_rollups::run_once(&db.pool, &options, 1).await.unwrap();
    let after_sample = page().await;
    for line in [
        r#"tallyline_verify_differences_total{kind="sample",tier="month"} 2"#,
        r#"tallyline_verify_differences_total{kind="sample",tier="day"} 0"#,
        r#"tallyline_verify_runs_total{kind="sample"} 1"#,
        r#"tallyline_verify_tenants_failed_total{kind="sample"} 0"#,
        r#"tallyline_verify_duration_seconds_count{kind="sample"} 1"#,
    ] {
        assert!(after_sample.lines().any(|found| found == line), "{line}\n{after_sample}");
    }
    service::Exporter::default().read(&db.pool).await.unwrap();
    let exported = page().await;
    assert!(!exported.contains("tallyline_verify_last_full_timestamp_seconds 1"), "{exported}");
    assert!(exported.contains(r#"tallyline_verify_recent_differences{tier="month"} 2"#), "{exported}");

    roll_up_all(&db.pool).await;
    let damage = "UPDATE public.user_analytics SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND grain = 'day'";
    assert_eq!(run(&db, damage, user_id).await, 4);
    verify_rollups::run_once(&db.pool).await.unwrap();
    service::Exporter::default().read(&db.pool).await.unwrap();
    let after_night = page().await;
    let value = |series: &str| -> f64 {
        let line = after_night.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("no {series}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(value(r#"tallyline_verify_differences{tier="day"}"#), 4.0);
    assert_eq!(value(r#"tallyline_verify_differences{tier="month"}"#), 0.0);
    assert_eq!(value(r#"tallyline_verify_recent_differences{tier="day"}"#), 4.0);
    assert!(value(r#"tallyline_verify_buckets_checked_total{kind="full"}"#) > 400.0);
    assert!(value("tallyline_verify_last_full_timestamp_seconds") > 1.0e9);
}
