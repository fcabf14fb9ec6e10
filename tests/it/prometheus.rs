//! A real Prometheus reads a real process, by the files of deploy/prometheus.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tallyline_testkit::{TestDb, wait_until};

use crate::daemon::Site;
use crate::exporter::HTTP;
use crate::promql::{absent, at, rules};

const LONG: Duration = Duration::from_secs(60);

/// Prometheus on this machine, with a directory of its own; ends with the test.
struct Prometheus {
    child: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The files as they are, but quick: everything each second, and no alert waits.
fn quick_files(directory: &Path, target: &str) {
    for file in ["prometheus.yml", "recording.rules.yml", "alerts.rules.yml"] {
        let text = fs::read_to_string(at("deploy/prometheus").join(file)).unwrap();
        let quick = |line: &str| {
            let name = line.trim_start();
            let indent = &line[..line.len() - name.len()];
            match name.split_once(": ") {
                Some((key @ ("scrape_interval" | "evaluation_interval"), _)) => format!("{indent}{key}: 1s"),
                Some(("for", _)) => format!("{indent}for: 0s"),
                _ => line.replace("127.0.0.1:8080", target),
            }
        };
        let lines: Vec<String> = text.lines().map(quick).collect();
        fs::write(directory.join(file), lines.join("\n") + "\n").unwrap();
    }
}

impl Prometheus {
    /// None where there is none, unless this is CI.
    fn start(directory: &Path, target: &str) -> Option<Self> {
        quick_files(directory, target);
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let log = fs::File::create(directory.join("prometheus.log")).unwrap();
        let started = Command::new("prometheus")
            .arg(format!("--config.file={}", directory.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn();
        match started {
            Ok(child) => Some(Self { child, address }),
            Err(error) => {
                absent("prometheus", &error);
                None
            }
        }
    }

    /// `data` of an answer; null while there is none.
    async fn ask(&self, path: &str) -> Value {
        let Ok(answer) = HTTP.get(format!("http://{}/api/v1/{path}", self.address)).send().await else {
            return Value::Null;
        };
        let body: Value = answer.json().await.unwrap_or_default();
        body["data"].clone()
    }

    /// What fires, apart from what other tests on this machine may bring about.
    async fn alerts(&self) -> Vec<Value> {
        let mut alerts = self.ask("alerts").await["alerts"].as_array().cloned().unwrap_or_default();
        let busy = ["TallylineDbConnectionsHigh", "TallylineDbPoolExhausted"];
        alerts.retain(|alert| !busy.iter().any(|name| alert["labels"]["alertname"] == *name));
        alerts
    }
}

/// Breaks: another job_name; a healthy process for which `ScheduleMissed` fires; no
/// gauge of dead jobs.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_records_and_alerts() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let directory = tempfile::tempdir().unwrap();
    let Some(prometheus) = Prometheus::start(directory.path(), &site.address) else { return };
    let _daemon = site.start().await;

    wait_until("the target is up", LONG, async || {
        let targets = prometheus.ask("targets").await;
        targets["activeTargets"].as_array().is_some_and(|all| all.len() == 1 && all[0]["health"] == "up")
    })
    .await;
    wait_until("the rules have recorded something of every tier", LONG, async || {
        let answer = prometheus.ask("query?query=tallyline:data_lag_seconds").await;
        answer["result"].as_array().is_some_and(|all| all.len() == 4)
    })
    .await;
    wait_until("every rule was evaluated", LONG, async || {
        let groups = prometheus.ask("rules").await;
        let groups = groups["groups"].as_array().cloned().unwrap_or_default();
        let all: Vec<Value> = groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap()).collect();
        let bad = all.iter().find(|rule| rule["health"] == "err");
        assert!(bad.is_none(), "{bad:?}");
        all.len() == rules().len() && all.iter().all(|rule| rule["health"] == "ok")
    })
    .await;
    wait_until("nothing is wrong with a healthy process", LONG, async || prometheus.alerts().await.is_empty()).await;

    let dead = "INSERT INTO tally.dead_jobs
             (job_id, kind, queue, payload, priority, attempts, max_attempts, reason, created_at, dead_at, claims)
         VALUES (900001, 'verify_rollups', 'default', '{}', 1, 5, 5, 'timed out', now(), now(), 5)";
    sqlx::query(dead).execute(&db.admin).await.unwrap();
    wait_until("the alert of dead jobs fires", LONG, async || {
        prometheus.alerts().await.iter().any(|alert| {
            let (labels, notes) = (&alert["labels"], &alert["annotations"]);
            labels["alertname"] == "TallylineDeadJobs"
                && alert["state"] == "firing"
                && labels["kind"] == "verify_rollups"
                && notes["summary"] == "Jobs of kind verify_rollups were given up"
                && notes["runbook_url"] == "docs/runbook/TallylineDeadJobs.md"
        })
    })
    .await;
    let alerts = prometheus.alerts().await;
    assert_eq!(alerts.len(), 1, "and nothing else: {alerts:?}");
}
