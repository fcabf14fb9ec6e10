//! Metrics, health and status, as a scraper, a probe and an operator meet them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use metrics_exporter_prometheus::PrometheusRecorder;
use tallyline::status;
use tallyline::telemetry::names::{self, Kind};
use tallyline::telemetry::{http, liveness, metrics as recording, readiness, routes, service};
use tallyline_queue::Heartbeats;
use tallyline_testkit::TestDb;
use tower::ServiceExt;
use uuid::Uuid;

async fn get(router: &Router, uri: &str) -> (StatusCode, String) {
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 4 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn router(db: &TestDb, recorder: &PrometheusRecorder) -> Router {
    let ready = readiness::database(db.pool.clone());
    http::measured(routes::router(recorder.handle(), ready).merge(liveness::router(Heartbeats::new())))
}

/// A sample: name, labels as written, value.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: String,
    value: f64,
}

/// The text format, as far as we use it; panics on anything else.
pub(crate) fn parse(text: &str) -> (BTreeMap<String, String>, Vec<Sample>) {
    let (mut kinds, mut samples) = (BTreeMap::new(), Vec::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (word, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match word {
                "TYPE" => assert!(kinds.insert(name.to_owned(), rest.to_owned()).is_none(), "{name} has two types"),
                "HELP" => assert!(!rest.is_empty()),
                other => panic!("unknown comment {other}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("open labels: {line}"));
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{line}");
        let value = value.parse::<f64>().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(!value.is_nan(), "{line}");
        samples.push(Sample { name: name.to_owned(), labels: labels.to_owned(), value });
    }
    (kinds, samples)
}

pub(crate) fn value(samples: &[Sample], name: &str, label: &str) -> Option<f64> {
    samples.iter().find(|s| s.name == name && s.labels.contains(label)).map(|s| s.value)
}

/// Break: set a gauge that the list does not have.
#[tokio::test]
async fn every_line_of_metrics_parses_and_is_in_the_list() {
    let db = TestDb::new().await;
    let recorder = recording::recorder().unwrap();
    let _local = metrics::set_default_local_recorder(&recorder);
    recording::describe_all();
    service::export_start(&db.pool).await.unwrap();
    service::Exporter::default().read(&db.pool).await.unwrap();
    let router = router(&db, &recorder);
    get(&router, "/readyz").await;
    for metric in names::all().filter(|m| matches!(m.kind, Kind::Histogram(_))) {
        metrics::histogram!(metric.name).record(0.3);
    }
    let (status, text) = get(&router, "/metrics").await;
    assert_eq!(status, StatusCode::OK);

    let (kinds, samples) = parse(&text);
    let listed: BTreeMap<&str, Kind> = names::all().map(|m| (m.name, m.kind)).collect();
    for (name, kind) in &kinds {
        let expected = match listed.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the list")) {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert_eq!(kind, expected, "{name}");
    }
    for sample in &samples {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| sample.name.strip_suffix(s));
        let known = kinds.contains_key(&sample.name) || base.is_some_and(|base| kinds.contains_key(base));
        assert!(known, "{} has no type", sample.name);
        assert!(!sample.labels.contains("quantile"), "a summary: {sample:?}");
    }
    assert_eq!(value(&samples, names::READY, ""), Some(1.0));
    assert_eq!(value(&samples, names::ROLLUP_LAG, "tier=\"month\""), Some(0.0), "zero is exported, not left out");
    assert_eq!(value(&samples, names::HTTP_REQUESTS, "route=\"/readyz\",code=\"2xx\""), Some(1.0));
    assert!(value(&samples, names::START_TIME, "").unwrap() > 1.0e9);
    assert_eq!(value(&samples, names::KPI_AGE, ""), None, "never refreshed: absent, not zero");
}

/// Break: leave the gauges of labels that are gone as they were.
#[tokio::test]
async fn the_service_metrics_follow_the_rows() {
    let db = TestDb::new().await;
    let recorder = recording::recorder().unwrap();
    let _local = metrics::set_default_local_recorder(&recorder);
    let tenant = Uuid::new_v4();
    let statements = [
        "INSERT INTO tally.rollup_marks (user_id, tier, bucket_start, marked_at) SELECT $1, 0, '2026-01-01Z', now() - interval '90 s' FROM generate_series(1, 3)",
        "INSERT INTO tally.rollup_marks (user_id, tier, bucket_start) VALUES ($1, 0, '2026-01-02Z')",
        "INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, body, received_at) VALUES ($1, 'bolna', 'e', 'unknown_agent', '', now())",
        "INSERT INTO tally.jobs (kind, queue, user_id, run_at, created_at) VALUES ('sweep', 'slow', $1, now() - interval '1 s', now())",
        "INSERT INTO tally.schedules (name, kind, queue, priority, max_attempts, cron, timezone, payload, missed, overlap, next_fire_at, paused, paused_at, paused_reason, updated_at)
         SELECT n, 'work', 'default', 1, 1, '@daily', 'UTC', '{}', 'skip', 'skip', '2026-01-01Z', n = 'off', CASE n WHEN 'off' THEN now() END, CASE n WHEN 'off' THEN 'test' END, now()
         FROM unnest(ARRAY['on', 'off']) n WHERE $1 IS NOT NULL",
        "INSERT INTO system_config (config_key, config_value) SELECT 'last_kpi_refresh', extract(epoch FROM now() - interval '100 s')::text WHERE $1 IS NOT NULL",
    ];
    for statement in statements {
        sqlx::query(statement).bind(tenant).execute(&db.admin).await.unwrap();
    }
    let mut exporter = service::Exporter::default();
    exporter.read(&db.pool).await.unwrap();
    let (_, samples) = parse(&recorder.handle().render());
    assert_eq!(value(&samples, names::DIRTY_BUCKETS, "quarter"), Some(2.0), "buckets, not marks");
    assert_eq!(value(&samples, names::DIRTY_BUCKETS, "hour"), Some(0.0));
    assert!(value(&samples, names::ROLLUP_LAG, "quarter").unwrap() >= 90.0, "the oldest mark");
    assert_eq!(value(&samples, names::QUARANTINE, "unknown_agent"), Some(1.0));
    assert_eq!(value(&samples, names::JOBS_READY, "queue=\"slow\""), Some(1.0));
    assert!(value(&samples, names::KPI_AGE, "").unwrap() >= 99.0);
    let schedule = |name: &str, label: &str| value(&samples, name, label);
    let (on, off) = ("schedule=\"on\"", "schedule=\"off\"");
    assert_eq!(
        (schedule(names::CRON_NEXT_FIRE, on), schedule(names::CRON_PAUSED, on)),
        (Some(1_767_225_600.0), Some(0.0))
    );
    assert_eq!((schedule(names::CRON_NEXT_FIRE, off), schedule(names::CRON_PAUSED, off)), (Some(0.0), Some(1.0)));

    for statement in [
        "DELETE FROM tally.rollup_marks",
        "DELETE FROM tally.quarantine",
        "DELETE FROM tally.jobs",
        "DELETE FROM tally.schedules",
    ] {
        sqlx::query(statement).execute(&db.admin).await.unwrap();
    }
    exporter.read(&db.pool).await.unwrap();
    let (_, samples) = parse(&recorder.handle().render());
    for (name, label) in [
        (names::DIRTY_BUCKETS, "quarter"),
        (names::ROLLUP_LAG, "quarter"),
        (names::QUARANTINE, "unknown_agent"),
        (names::JOBS_READY, "queue=\"slow\""),
        (names::QUEUE_OLDEST, "queue=\"slow\""),
        (names::CRON_NEXT_FIRE, "schedule=\"on\""),
        (names::CRON_PAUSED, "schedule=\"off\""),
    ] {
        assert_eq!(value(&samples, name, label), Some(0.0), "{name}");
    }
}

/// Break: answer /readyz with 200 whatever the reasons.
#[tokio::test]
async fn ready_is_asked_for_and_alive_is_not() {
    let db = TestDb::new().await;
    let recorder = recording::recorder().unwrap();
    let router = router(&db, &recorder);
    let (status, body) = get(&router, "/readyz").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"ready":true,"reasons":[]}"#));

    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .execute(&db.admin)
        .await
        .unwrap();
    let (status, body) = get(&router, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains(r#""component":"migrations","reason":"1 not applied"#), "{body}");

    db.pool.close().await;
    let (status, body) = get(&router, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains(r#""component":"database""#), "{body}");
    assert_eq!(get(&router, "/livez").await.0, StatusCode::OK);
}

/// Break: leave out the section of dead jobs.
#[tokio::test]
async fn the_status_is_one_screen_of_what_waits() {
    let db = TestDb::new().await;
    let tenant = Uuid::new_v4();
    sqlx::query("INSERT INTO tally.rollup_marks (user_id, tier, bucket_start, marked_at) VALUES ($1, 2, '2026-01-01Z', now() - interval '2 hours')").bind(tenant).execute(&db.admin).await.unwrap();
    sqlx::query("INSERT INTO tally.dead_jobs (job_id, claims, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at) SELECT n, 1, 'analyze_leads', 'default', '{}', 1, 10, 10, 'gave up', now(), now() FROM generate_series(1, 1234) n").execute(&db.admin).await.unwrap();
    let status = status::collect(&db.pool).await.unwrap();
    let screen = status.to_string();
    let line = |start: &str| {
        let found = screen.lines().find(|l| l.trim_start().starts_with(start));
        found
            .unwrap_or_else(|| panic!("no line {start:?} in\n{screen}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("roll-up, day"), "roll-up, day buckets 1 2 h 0 min");
    assert_eq!(line("roll-up, hour"), "roll-up, hour buckets 0 –");
    assert_eq!(line("analyze_leads"), "analyze_leads 1,234");
    assert_eq!(line("KPI view"), "KPI view, since refresh never");
    assert_eq!(line("Quarantine"), "Quarantine: empty");
    assert!(screen.contains("estimate"), "{screen}");
    assert!(screen.lines().count() <= 40, "one screen:\n{screen}");
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["tiers"][2]["dirty_buckets"], 1);
}

/// Break: change a help text without making the page anew.
#[test]
fn the_page_of_metrics_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, names::markdown()).unwrap();
    }
    let current = fs::read_to_string(&path).unwrap_or_default() == names::markdown();
    assert!(
        current,
        "docs/metrics.md is out of date; make it anew with: UPDATE_DOCS=1 cargo test --test it the_page_of_metrics"
    );
}

/// Break: count something under a name that the list does not have.
#[test]
fn every_metric_that_the_sources_name_is_in_the_list() {
    let endings = ["_total", "_seconds", "_bytes", "_info", "_events", "_differences"];
    for (file, text) in source_files() {
        for name in
            text.split('"').filter(|word| word.starts_with("tallyline_") && endings.iter().any(|e| word.ends_with(e)))
        {
            let listed = names::all().any(|metric| metric.name == name);
            assert!(listed, "{} names {name}: add it to src/telemetry/names.rs", file.display());
        }
    }
}

/// Texts of what a daemon serves: its sources without the stand-ins of providers.
pub(crate) fn sources_of_routes() -> Vec<String> {
    let is_served = |path: &Path| {
        let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
        path.starts_with("src") && !path.starts_with("src/simulate")
    };
    source_files().into_iter().filter(|(path, _)| is_served(path)).map(|(_, text)| text).collect()
}

fn source_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for directory in ["src", "jobs", "crates"] {
        rust_files(&root.join(directory), &mut files);
    }
    assert!(files.len() > 50, "the sources were found");
    let read = |file: PathBuf| (file.clone(), fs::read_to_string(file).unwrap());
    files.into_iter().map(read).collect()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
