//! One webhook through the whole process, as its logs and a collector of spans see it.

use std::time::Duration;

use serde_json::{Value, json};
use tallyline_testkit::otlp::{Collector, Span};
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, text};

const LONG: Duration = Duration::from_secs(60);
/// A machine that is busy with other tests is not to answer 503.
const PATIENT: (&str, &str) = ("TALLYLINE_RECEIVER__ACKNOWLEDGE_DEADLINE_MILLISECONDS", "30000");
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Address and secret of a new tenant's Bolna endpoint, and the tenant's id. Its agent is `agent-1`.
fn tenant(site: &Site) -> (String, String, String) {
    let output = site.run(&["tenant", "add", "--name", "A", "--email", "a@a.example", "--json"]);
    let added: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    let endpoints = added["endpoints"].as_array().unwrap();
    let bolna = endpoints.iter().find(|endpoint| endpoint["provider"] == "bolna").unwrap();
    let id = added["user_id"].as_str().unwrap();
    assert!(site.run(&["agent", "add", id, "--bolna-agent-id", "agent-1", "--name", "A"]).status.success());
    (bolna["url"].as_str().unwrap().to_owned(), bolna["secret"].as_str().unwrap().to_owned(), id.to_owned())
}

fn execution() -> String {
    json!({ "id": "00000000-0000-4000-8000-000000000001", "agent_id": "agent-1", "status": "completed",
        "conversation_duration": 31.5, "total_cost": 3.5, "created_at": "2026-01-05T10:00:00Z",
        "updated_at": "2026-01-05T10:05:00Z", "user_number": "+12025550101" })
    .to_string()
}

/// The first span of this name that is linked to `cause`.
fn linked<'a>(spans: &'a [Span], name: &str, cause: Option<&Span>) -> Option<&'a Span> {
    spans.iter().find(|span| span.text("name") == name && cause.is_none_or(|cause| span.links_to(cause)))
}

/// The way of the webhook, as far as it has been told: its request, the batch, the
/// roll-up, and a job that this asked for.
fn way(spans: &[Span]) -> Option<[&Span; 4]> {
    let request = linked(spans, "POST /webhooks/bolna/{endpoint}", None)?;
    let batch = linked(spans, "process_call_events", Some(request))?;
    let roll_up = linked(spans, "roll_up", Some(batch))?;
    let rolled: Vec<&Span> = spans.iter().filter(|span| span.text("name") == "roll_up").collect();
    let job = spans.iter().find(|span| {
        span.text("name") == "rebuild_dashboards"
            && rolled.iter().any(|above| above.text("spanId") == span.text("parentSpanId"))
    })?;
    Some([request, batch, roll_up, job])
}

/// Breaks tried: the header taken out of the inbox (the batch is linked to nothing); the
/// default of the marks' column dropped (the roll-up is linked to nothing); that of the
/// jobs' column (no job is below a roll-up).
#[tokio::test(flavor = "multi_thread")]
async fn spans_lead_from_the_webhook_to_the_job_and_lines_name_the_request() {
    let (db, collector) = (TestDb::new().await, Collector::start().await);
    let site = Site::new(&db);
    let (url, secret, user_id) = tenant(&site);
    let variables = [
        PATIENT,
        ("TALLYLINE_TRACE__OTLP_URL", collector.url()),
        ("TALLYLINE_LOG__LEVEL", "info,tallyline=debug"),
        ("TALLYLINE_REBUILD_DASHBOARDS__DEBOUNCE_SECONDS", "0"),
    ];
    let daemon = site.start_with(&variables).await;

    let http = reqwest::Client::new();
    let answer = http
        .post(&url)
        .bearer_auth(&secret)
        .header("x-request-id", "sent-by-the-test")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .body(execution())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-request-id"], "sent-by-the-test");
    wait_until("the spans have come", LONG, async || way(&collector.spans()).is_some()).await;
    let spans = collector.spans();
    let [request, batch, roll_up, job] = way(&spans).unwrap();
    assert_eq!((request.text("traceId"), request.text("parentSpanId")), (TRACE, CALLER));
    assert_eq!(request.attribute("http.response.status_code").as_deref(), Some("200"));
    assert_eq!(request.attribute("tallyline.request.id").as_deref(), Some("sent-by-the-test"));
    assert_ne!(batch.text("traceId"), TRACE, "a batch has many causes and is no part of one");
    assert_ne!(batch.ids(), roll_up.ids());
    assert_eq!(job.attribute("tallyline.tenant").as_deref(), Some(user_id.as_str()));
    assert!(spans.iter().all(|span| !span.text("name").contains("/readyz")), "probes are nobody's traffic");

    // Who has not proved who it is begins no trace of ours, and what is no id is not taken over.
    let refused = http
        .post(&url)
        .header("x-request-id", "no id")
        .header("traceparent", format!("00-{}-{CALLER}-01", "a".repeat(32)))
        .body(execution())
        .send()
        .await
        .unwrap();
    let own = refused.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!((refused.status().as_u16(), own.len()), (401, 32));
    let problem = http.get(format!("http://{}/api/v1/tenants", site.address)).send().await.unwrap();
    let id = problem.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(problem.json::<Value>().await.unwrap()["request_id"], id);
    wait_until("the refusal's span has come", LONG, async || collector.text().contains(&own)).await;
    assert!(!collector.text().contains(&"a".repeat(32)));
    drop(daemon);

    let log = std::fs::read_to_string(site.file("daemon.log")).unwrap();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for (id, status) in [("sent-by-the-test", 200), (own.as_str(), 401), (id.as_str(), 401)] {
        let of: Vec<&Value> = lines.iter().filter(|line| line["span"]["request_id"] == id).collect();
        let ends: Vec<&&Value> = of.iter().filter(|line| line["message"] == "answered").collect();
        assert_eq!(ends.len(), 1, "one line a request: {of:?}");
        assert_eq!(ends[0]["status"], status);
        assert!(ends[0]["duration_ms"].is_u64());
    }
    let ended =
        lines.iter().find(|line| line["message"] == "job ended" && line["kind"] == "rebuild_dashboards").unwrap();
    assert!(ended["job_id"].is_i64() && ended["duration_ms"].is_u64() && ended["outcome"] == "succeeded", "{ended}");
}

/// Break: with the columns filled whether or not spans are exported.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_export_nothing_is_stored_of_a_trace() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let (url, secret, _) = tenant(&site);
    let daemon = site.start_with(&[PATIENT]).await;
    let sent = reqwest::Client::new()
        .post(&url)
        .bearer_auth(&secret)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .body(execution());
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let counted = "SELECT count(*) FROM user_analytics WHERE grain = 'month'";
    wait_until("it is counted", LONG, async || {
        sqlx::query_scalar::<_, i64>(counted).fetch_one(&db.admin).await.unwrap() == 1
    })
    .await;
    let kept = "SELECT count(*) FROM tally.inbox WHERE headers ? 'traceparent'";
    assert_eq!(sqlx::query_scalar::<_, i64>(kept).fetch_one(&db.admin).await.unwrap(), 0);
    drop(daemon);
}
