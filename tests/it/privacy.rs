//! What people said, their numbers and addresses, and every secret stay out of
//! logs, spans, metrics and answers, also when things go wrong.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tallyline_secrets::signature::{standard, twilio};
use tallyline_testkit::otlp::Collector;
use tallyline_testkit::{Proxy, TestDb, wait_until};

use crate::daemon::{Site, text};

const LONG: Duration = Duration::from_secs(60);

/// Each occurs in a field of its own, and nowhere else in the world.
const MARKERS: [&str; 16] = [
    "5550199", // begins every telephone number
    "mkTranscript",
    "mkSummary",
    "mkExtracted",
    "mkCompany",
    "mkMail",
    "mkName",
    "mkRecording",
    "mkAnalysis",
    "mkNonsense",
    "mkAgentName",
    "mkTenantName",
    "mkTenantMail",
    "mkWrongSecret",
    "mkHeader",
    "mkQuery",
];

struct Tenant {
    urls: Vec<String>,
    secrets: Vec<String>,
    id: String,
}

fn add_tenant(site: &Site) -> Tenant {
    let output = site.run(&[
        "tenant",
        "add",
        "--name",
        "mkTenantName",
        "--email",
        "mkTenantMail@example.com",
        "--twilio-account-sid",
        "AC00000000000000000000000000000001",
        "--json",
    ]);
    let added: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    let of = |provider: &str, field: &str| {
        let endpoints = added["endpoints"].as_array().unwrap();
        endpoints.iter().find(|e| e["provider"] == provider).unwrap()[field].as_str().unwrap().to_owned()
    };
    let providers = ["bolna", "twilio", "analysis"];
    let id = added["user_id"].as_str().unwrap().to_owned();
    Tenant { urls: providers.map(|p| of(p, "url")).to_vec(), secrets: providers.map(|p| of(p, "secret")).to_vec(), id }
}

fn execution(n: u32, agent: &str, transcript: &str) -> String {
    json!({
        "id": format!("00000000-0000-4000-8000-00000000{n:04}"), "agent_id": agent, "status": "completed",
        "conversation_duration": 31.5, "total_cost": 3.5, "created_at": "2026-01-05T10:00:00Z", "updated_at": "2026-01-05T10:05:00Z",
        "transcript": format!("assistant: hello\nuser:  {transcript}"), "summary": "mkSummary",
        "user_number": format!("+120{n:02}5550199"), "agent_number": "+12025550199",
        "extracted_data": { "lead": { "name": "mkName", "email": "mkMail@example.com", "company": "mkCompany", "note": "mkExtracted" } },
        "telephony_data": { "to_number": format!("+120{n:02}5550199"), "from_number": "+12025550199", "provider": "plivo",
            "recording_url": "https://example.com/mkRecording", "duration": "42" },
    })
    .to_string()
}

/// Sends everything that may come, well formed and not; returns all that was answered.
async fn traffic(it: &Tenant, from: u32) -> String {
    let http = reqwest::Client::new();
    let mut answers = String::new();
    let bolna =
        |body: String| http.post(&it.urls[0]).bearer_auth(&it.secrets[0]).header("x-note", "mkHeader").body(body);
    let form = "AccountSid=AC00000000000000000000000000000001&CallSid=CA00000000000000000000000000000077&CallStatus=completed\
        &CallDuration=42&Direction=outbound-api&From=%2B12025550199&To=%2B12035550199";
    let signature = twilio::sign(it.secrets[1].as_bytes(), &it.urls[1], twilio::Content::Form(form.as_bytes()));
    let form = http.post(&it.urls[1]).header("content-type", "application/x-www-form-urlencoded").body(form);
    let analysis = json!({ "type": "individual", "call_id": format!("00000000-0000-4000-8000-00000000{from:04}"),
        "analysis": { "total_score": 12, "reasoning": "mkAnalysis", "email": "mkMail@example.com" } })
    .to_string();
    let key = standard::key_of_secret(&it.secrets[2]).unwrap();
    let signed = standard::sign(&key, "msg_1", 1, analysis.as_bytes());
    let analysis = http.post(&it.urls[2]).header("webhook-id", "msg_1").header("webhook-timestamp", "1");
    let requests = [
        bolna(execution(from, "agent-1", "mkTranscript")),
        bolna(execution(from + 1, "agent-1", "mkTranscript refuse this")),
        bolna(execution(from + 2, "agent-2", "mkTranscript")),
        bolna("{\"id\": mkNonsense".to_owned()),
        bolna("{\"id\": \"a\", \"mkNonsense\": 1, \"mkNonsense\": 2}".to_owned()),
        http.post(format!("{}?q=mkQuery", it.urls[0])).bearer_auth("mkWrongSecret").body(execution(
            from,
            "agent-1",
            "mkTranscript",
        )),
        form.header("x-twilio-signature", signature),
        analysis
            .header("webhook-signature", signed)
            .header("content-type", "application/json")
            .body("{\"mkAnalysis\": 1}"),
    ];
    for request in requests {
        let response = request.send().await.unwrap();
        answers +=
            &format!("{} {:?} {}\n", response.status(), response.headers().clone(), response.text().await.unwrap());
    }
    answers
}

/// The database refuses some transcripts, and quotes them as its own refusals do.
async fn refuse_some(db: &TestDb) {
    sqlx::raw_sql(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.content LIKE '%refuse this%' THEN
                 RAISE EXCEPTION 'no: %', NEW.content USING ERRCODE = '22P05', DETAIL = NEW.content;
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON public.transcripts FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    )
    .execute(&db.admin)
    .await
    .unwrap();
}

/// Everything goes wrong that can, with logs of our own crates at their most talkative.
///
/// Broken by hand: with the body logged at trace level where it is received; with the
/// database's own message logged when it refuses an event.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_people_and_no_secret_is_in_logs_spans_metrics_or_answers() {
    let db = TestDb::new().await;
    let site = Site::new(&db);
    let tenant = add_tenant(&site);
    let agent = ["agent", "add", &tenant.id, "--bolna-agent-id", "agent-1", "--name", "mkAgentName"];
    assert!(site.run(&agent).status.success());
    refuse_some(&db).await;
    let (url, proxy) = Proxy::before(&db.url).await;
    let spool = site.file("spool").display().to_string();
    let collector = Collector::start().await;
    let variables = [
        ("TALLYLINE_TRACE__OTLP_URL", collector.url()),
        ("DATABASE_URL", url.as_str()),
        ("TALLYLINE_LOG__LEVEL", "info,tallyline=trace"),
        ("TALLYLINE_RECEIVER__SPOOL_DIR", spool.as_str()),
        ("TALLYLINE_RECEIVER__ENDPOINT_CACHE_SECONDS", "60"),
        ("TALLYLINE_PROCESS__TWILIO_WAIT_SECONDS", "1"),
    ];
    let daemon = site.start_with(&variables).await;

    let mut seen = traffic(&tenant, 1).await;
    let count = async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap() };
    let reasons = "SELECT count(DISTINCT reason) FROM tally.quarantine
                   WHERE reason IN ('data_error', 'unknown_agent', 'not_json', 'no_call')";
    wait_until("events are applied, and in quarantine for four reasons", LONG, async || {
        count("SELECT count(*) FROM calls").await == 1 && count(reasons).await == 4
    })
    .await;
    proxy.cut();
    seen += &traffic(&tenant, 11).await;
    assert!(seen.contains("202 Accepted") && seen.contains("401 Unauthorized"), "{seen}");
    proxy.mend();
    wait_until("the spool is drained and applied", LONG, async || count("SELECT count(*) FROM calls").await == 2).await;
    wait_until("spans have come", LONG, async || collector.text().contains("process_call_events")).await;
    let spans = collector.text();
    let metrics = reqwest::get(format!("http://{}/metrics", site.address)).await.unwrap().text().await.unwrap();
    let commands = [
        &["inbox", "list"][..],
        &["inbox", "list", "--json"],
        &["inbox", "quarantined"],
        &["inbox", "quarantined", "--json"],
        &["inbox", "show", "--quarantined", "1"],
        &["inbox", "replay", "--all"],
        &["status"],
    ];
    let shown = commands.map(|arguments| {
        let mut command = site.command(arguments);
        text(&command.env("TALLYLINE_LOG__LEVEL", "info,tallyline=trace").stderr(Stdio::piped()).output().unwrap())
    });
    drop(daemon);
    let logs = std::fs::read_to_string(site.file("daemon.log")).unwrap();
    assert!(logs.contains("TRACE") || logs.contains("DEBUG"), "the logs are talkative: {logs}");
    assert!(logs.contains("quarantined") && logs.contains("database is away"), "{logs}");

    let secrets = tenant.secrets.iter().map(String::as_str).chain(MARKERS);
    for secret in secrets {
        for (place, text) in [
            ("logs", &logs),
            ("spans", &spans),
            ("metrics", &metrics),
            ("answers", &seen),
            ("commands", &shown.concat()),
        ] {
            let line = text.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
            assert!(line.is_none(), "{secret} is in the {place}: {line:?}");
        }
    }
}
