//! Analyses through the real processes: from a webhook to a contact's complete lead.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tallyline_testkit::openai::{OpenAi, Reply};
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::{Site, text};

const DEADLINE: Duration = Duration::from_secs(60);
const KEY: &str = "sk-test-of-the-command-line";

fn fine(output: Output) -> String {
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that reads a secret.
fn with_secret(site: &Site, arguments: &[&str]) -> Output {
    let mut command = site.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{KEY}\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

async fn post(endpoint: &Value, id: &str, agent: &str) {
    let body = json!({
        "id": id, "agent_id": agent, "status": "completed", "created_at": "2026-03-03T10:11:08Z", "updated_at": "2026-03-03T10:14:25Z",
        "conversation_duration": 60.5, "total_cost": 3.0, "transcript": "assistant: Hello\nuser: how much is it?\n",
        "telephony_data": { "to_number": "+12025550143", "from_number": "+12025550100", "call_type": "outbound" },
    });
    let sent = reqwest::Client::new()
        .post(endpoint["url"].as_str().unwrap())
        .bearer_auth(endpoint["secret"].as_str().unwrap())
        .header("content-type", "application/json")
        .body(body.to_string());
    assert!(sent.send().await.unwrap().status().is_success());
}

async fn leads(db: &TestDb) -> Vec<(String, String, Option<String>)> {
    sqlx::query_as("SELECT analysis_type, quality, company_name FROM lead_analytics ORDER BY analysis_type, call_id")
        .fetch_all(&db.admin)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_becomes_an_analysed_lead_and_a_failure_is_tried_again_by_hand() {
    let db = TestDb::new().await;
    let (site, server) = (Site::new(&db), OpenAi::start(Some(KEY)).await);
    let made = fine(site.run(&["tenant", "add", "--name", "T", "--email", "t@example.test", "--json"]));
    let made: Value = serde_json::from_str(&made).unwrap();
    let tenant = made["user_id"].as_str().unwrap();
    let bolna = made["endpoints"].as_array().unwrap().iter().find(|e| e["provider"] == "bolna").unwrap();
    fine(site.run(&["agent", "add", tenant, "--bolna-agent-id", "agent-1", "--name", "A"]));

    let refused = site.run(&["tenant", "analysis", "set", tenant, "--provider", "openai"]);
    assert!(!refused.status.success() && text(&refused).contains("base URL"), "{}", text(&refused));
    let base_url = format!("{}/", server.base_url);
    let set = [
        "tenant",
        "analysis",
        "set",
        tenant,
        "--provider",
        "openai",
        "--base-url",
        &base_url,
        "--model",
        "m",
        "--api-key-from-stdin",
        "--input-price-micros",
        "1000000",
        "--output-price-micros",
        "1000000",
        "--daily-cap-micros",
        "1000000",
    ];
    let shown = fine(with_secret(&site, &set));
    assert!(shown.contains("\"has_api_key\": true") && !shown.contains(KEY), "{shown}");

    let _daemon = site.start().await;
    post(bolna, "call-1", "agent-1").await;
    wait_until("the contact has its lead", DEADLINE, || async { leads(&db).await.len() == 2 }).await;
    let lead = |of: &str| (of.to_owned(), "hot".to_owned(), Some("Example Foods".to_owned()));
    assert_eq!(leads(&db).await, [lead("complete"), lead("individual")]);

    server.otherwise(Reply::Status(403, None));
    post(bolna, "call-2", "agent-1").await;
    let list = ["analyses", "list", "--tenant", tenant, "--state", "failed", "--json"];
    wait_until("it failed", DEADLINE, || async { fine(site.run(&list)).contains("\"forbidden\"") }).await;
    let failed: Value = serde_json::from_str(&fine(site.run(&list))).unwrap();
    let call = failed[0]["call_id"].as_str().unwrap();
    assert!(fine(site.run(&["analyses", "show", "--tenant", tenant, call])).contains("HTTP 403"));
    server.otherwise(Reply::Analysis(tallyline_testkit::openai::full_answer()));
    fine(site.run(&["analyses", "retry", "--tenant", tenant, "--failed"]));
    wait_until("both are leads", DEADLINE, || async { leads(&db).await.len() == 3 }).await;

    // The operator's view: other thresholds, nobody's secrets.
    fine(site.run(&["tenant", "set", tenant, "--hot", "95"]));
    wait_until("all are warm", DEADLINE, || async { leads(&db).await.iter().all(|lead| lead.1 == "warm") }).await;
    let trail: Vec<String> =
        sqlx::query_scalar("SELECT action || details::text FROM admin_audit_log").fetch_all(&db.admin).await.unwrap();
    let trail = trail.join("\n");
    assert!(trail.contains("tenant.analysis") && trail.contains("analysis.retry") && !trail.contains(KEY), "{trail}");
    let log = std::fs::read_to_string(site.file("daemon.log")).unwrap();
    assert!(!log.contains(KEY) && !log.contains("how much"), "{log}");
    fine(site.run(&["tenant", "analysis", "set", tenant, "--provider", "off"]));
    let metrics = reqwest::get(format!("http://{}/metrics", site.address)).await.unwrap().text().await.unwrap();
    for metric in [
        "tallyline_analysis_requests_total{provider=\"openai\",result=\"forbidden\"} 1",
        "tallyline_analysis_cost_micros_total",
    ] {
        assert!(metrics.contains(metric), "{metric}\n{metrics}");
    }
}
