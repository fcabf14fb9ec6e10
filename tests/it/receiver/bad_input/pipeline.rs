//! A receiver and the processing behind it, with a database of their own, and the
//! questions that each row asks of them.

use std::io;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::stream;
use metrics_exporter_prometheus::PrometheusRecorder;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tallyline::telemetry::metrics as recording;
use tallyline::tenants::add_agent;
use tallyline_jobs::{process_call_events, roll_up};
use tallyline_model::Provider;
use uuid::Uuid;

use crate::receiver::support::{ORIGIN, Running, add_tenant, answer, config, endpoint};

/// The agent of both tenants, since its id is theirs to choose.
pub const AGENT: &str = "00000000-0000-4000-8000-0000000000a1";
/// A whole record, with all that one can hold.
pub const RICH: &str = include_str!("../../../../crates/model/tests/fixtures/completed.json");
/// The customer of [`record`], without the `+`.
pub const CUSTOMER: &str = "12025550143";

/// Requests under way at once where there are many.
const AT_ONCE: usize = 16;

const DIFFERENCES: &str = include_str!("../../../../jobs/tests/it/differences.sql");

/// A call and what hangs on it, as one JSON object.
const CALL: &str = "
    SELECT to_jsonb(c) || jsonb_build_object(
        'charged', (SELECT coalesce(-sum(t.amount_micros), 0) FROM credit_transactions t WHERE (t.user_id, t.call_id) = (c.user_id, c.id)),
        'charges', (SELECT count(*) FROM credit_transactions t WHERE (t.user_id, t.call_id) = (c.user_id, c.id)),
        'transcript', (SELECT t.content FROM transcripts t WHERE (t.user_id, t.call_id) = (c.user_id, c.id)),
        'contact', (SELECT jsonb_build_object('name', k.name, 'phone_e164', k.phone_e164, 'email', k.email)
                    FROM contacts k WHERE (k.user_id, k.id) = (c.user_id, c.contact_id)),
        'attempts', (SELECT jsonb_agg(jsonb_build_array(a.attempt, a.lifecycle, a.outcome, a.duration_seconds) ORDER BY a.attempt)
                     FROM tally.call_attempts a WHERE (a.user_id, a.call_id) = (c.user_id, c.id)),
        'legs', (SELECT jsonb_agg(jsonb_build_array(l.leg_key, l.kind, l.outcome, l.duration_seconds) ORDER BY l.leg_key)
                 FROM tally.call_legs l WHERE (l.user_id, l.call_id) = (c.user_id, c.id)),
        'facts', (SELECT jsonb_agg(e.facts ORDER BY e.inbox_id) FROM tally.call_events e WHERE (e.user_id, e.call_id) = (c.user_id, c.id)))
    FROM calls c WHERE c.user_id = $1 AND (c.bolna_execution_id = $2 OR c.id = (
        SELECT a.call_id FROM tally.call_aliases a WHERE a.user_id = $1 AND a.call_sid = $2))";

/// Rows that a tenant who sent nothing must not have.
const ROWS: &str = "
    SELECT (SELECT count(*) FROM calls WHERE user_id = $1) + (SELECT count(*) FROM contacts WHERE user_id = $1)
         + (SELECT count(*) FROM tally.inbox WHERE user_id = $1) + (SELECT count(*) FROM tally.quarantine WHERE user_id = $1)
         + (SELECT count(*) FROM tally.call_events WHERE user_id = $1) + (SELECT count(*) FROM tally.call_aliases WHERE user_id = $1)
         + (SELECT count(*) FROM user_analytics WHERE user_id = $1) + (SELECT count(*) FROM transcripts WHERE user_id = $1)
         + (SELECT count(*) FROM credit_transactions WHERE user_id = $1 AND call_id IS NOT NULL)";

/// Calls that were charged something else than they cost, and tenants whose balance
/// is not the sum of their ledger.
const MONEY: &str = "
    SELECT (SELECT count(*) FROM calls c WHERE c.credits_micros <> (SELECT coalesce(-sum(t.amount_micros), 0)
                FROM credit_transactions t WHERE (t.user_id, t.call_id) = (c.user_id, c.id)))
         + (SELECT count(*) FROM users u WHERE u.credits_micros <> (SELECT coalesce(sum(t.amount_micros), 0)
                FROM credit_transactions t WHERE t.user_id = u.id))";

pub struct Pipeline {
    pub it: Running,
    pub agent_id: Uuid,
    neighbour: Uuid,
    metrics: &'static PrometheusRecorder,
    logged: Logged,
    _guards: (metrics::LocalRecorderGuard<'static>, tracing::subscriber::DefaultGuard),
}

impl Pipeline {
    /// A tenant with an agent, and another one with an agent of the same id to whom
    /// nothing may happen. Metrics and logs are those of this thread.
    pub async fn start() -> Self {
        let metrics: &'static PrometheusRecorder = Box::leak(Box::new(recording::recorder().unwrap()));
        let logged = Logged::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _guards = (metrics::set_default_local_recorder(metrics), tracing::subscriber::set_default(subscriber));
        // On a busy machine some would be answered 503 in time, which is right and not
        // what is asked here.
        let mut config = config();
        config.receiver.acknowledge_deadline_milliseconds = 20_000;
        let it = Running::start_with(config).await;
        let mut conn = it.db.pool.acquire().await.unwrap();
        let agent_id = add_agent(&mut conn, it.tenant.user_id, AGENT, "Agent").await.unwrap();
        let neighbour = add_tenant(&mut conn, "neighbour@example.test").await.user_id;
        add_agent(&mut conn, neighbour, AGENT, "Agent").await.unwrap();
        drop(conn);
        Self { it, agent_id, neighbour, metrics, logged, _guards }
    }

    /// What was logged so far.
    pub fn log(&self) -> String {
        self.logged.text()
    }

    pub fn tenant(&self) -> Uuid {
        self.it.tenant.user_id
    }

    /// A request of the tenant's Bolna, whatever the bytes.
    pub fn request(&self, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.it.bolna("").body(body.into())
    }

    pub async fn bolna(&self, body: impl Into<Vec<u8>>) -> (u16, String) {
        answer(self.request(body)).await
    }

    /// Sends one that must be accepted as new.
    pub async fn accept(&self, what: &str, body: impl Into<Vec<u8>>) {
        assert_eq!(self.bolna(body).await, (200, r#"{"status":"accepted"}"#.to_owned()), "{what}");
    }

    /// Sends a record of [`record`] for each list of members; the executions are
    /// named `e-0`, `e-1` …
    pub async fn accept_records(&self, variants: impl IntoIterator<Item = Vec<(&str, String)>>) {
        for (number, members) in variants.into_iter().enumerate() {
            let what = format!("{:.200}", format!("{members:?}"));
            self.accept(&what, record(&format!("e-{number}"), &members)).await;
        }
    }

    pub async fn accept_form(&self, form: &str) {
        let sent = answer(self.it.twilio(form)).await;
        assert_eq!(sent, (200, r#"{"status":"accepted"}"#.to_owned()), "{form}");
    }

    /// Sends bodies that must be refused, each for its reason, and finds each of them
    /// in quarantine as it came. Nothing else may be stored.
    pub async fn refuse(&self, bodies: &[(&[u8], &str)]) {
        let (events, pending, kept) = self.it.stored().await;
        for (position, (body, reason)) in bodies.iter().enumerate() {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let expected = (400, format!(r#"{{"error":"{reason}"}}"#));
            assert_eq!(self.bolna(*body).await, expected, "{position}: {shown}");
            let row: (String, Vec<u8>) =
                sqlx::query_as("SELECT reason, body FROM tally.quarantine ORDER BY id DESC LIMIT 1")
                    .fetch_one(&self.it.db.admin)
                    .await
                    .unwrap();
            assert_eq!(row, ((*reason).to_owned(), body[..body.len().min(65_536)].to_vec()), "{position}: {shown}");
        }
        let count = i64::try_from(bodies.len()).unwrap();
        assert_eq!(self.it.stored().await, (events, pending, kept + count));
        let mut reasons: Vec<&str> = bodies.iter().map(|(_, reason)| *reason).collect();
        reasons.sort_unstable();
        for same in reasons.chunk_by(|a, b| a == b) {
            let counted = self.counted("tallyline_events_quarantined_total", &[&format!("reason=\"{}\"", same[0])]);
            assert_eq!(counted, same.len() as u64, "{}", same[0]);
        }
        assert_eq!(self.answered("bolna", "rejected"), bodies.len() as u64);
    }

    /// Sends many at once; their answers in no order.
    pub async fn send_many(&self, bodies: impl IntoIterator<Item = Vec<u8>>) -> Vec<(u16, String)> {
        stream::iter(bodies).map(|body| self.bolna(body)).buffer_unordered(AT_ONCE).collect().await
    }

    /// Requests of a provider that ended so.
    pub fn answered(&self, provider: &str, outcome: &str) -> u64 {
        let labels = [&format!("provider=\"{provider}\"")[..], &format!("outcome=\"{outcome}\"")];
        self.counted("tallyline_webhook_requests_total", &labels)
    }

    /// Sum of a counter's series that have all these labels.
    pub fn counted(&self, metric: &str, labels: &[&str]) -> u64 {
        let text = self.metrics.handle().render();
        let series = text.lines().filter(|line| line.starts_with(&format!("{metric}{{")));
        let chosen = series.filter(|line| labels.iter().all(|label| line.contains(label)));
        chosen.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }

    /// Applies all that is due.
    pub async fn process(&self) {
        self.process_with(900.0).await;
    }

    /// The same as if every event that waits had waited long enough.
    pub async fn process_after_the_wait(&self) {
        self.process_with(0.0).await;
    }

    async fn process_with(&self, twilio_wait_seconds: f64) {
        let options = process_call_events::Options {
            batch_events: 500,
            batch_bytes: 16 << 20,
            batch_tenants: 16,
            twilio_wait_seconds,
            max_lane_claims: 3,
            max_event_claims: 3,
            follow_up_default_days: 1,
        };
        while process_call_events::run_unit(&self.it.db.pool, &options).await.unwrap() > 0 {}
    }

    /// Applies and rolls up what is due, then holds everything against everything:
    /// roll-ups against calls, charges against balances; nothing is left pending, no
    /// answer was ours to be sorry for, each stored event was counted, the neighbour has
    /// nothing, the logs know nobody.
    pub async fn settle(&self) {
        self.process().await;
        self.check().await;
        assert_eq!(self.it.stored().await.1, 0, "nothing is pending");
    }

    /// [`Pipeline::settle`] without a look at what is pending.
    pub async fn check(&self) {
        while roll_up::run_unit(&self.it.db.pool, &roll_up::Options::default()).await.unwrap() > 0 {}
        let differences: Vec<String> = sqlx::query_scalar(DIFFERENCES).fetch_all(&self.it.db.admin).await.unwrap();
        assert_eq!(differences, Vec::<String>::new(), "roll-ups and calls");
        assert_eq!(self.it.count(MONEY).await, 0, "charges and balances");
        let rows: i64 = sqlx::query_scalar(ROWS).bind(self.neighbour).fetch_one(&self.it.db.admin).await.unwrap();
        assert_eq!(rows, 0, "rows of the other tenant");
        for outcome in ["outcome=\"failed\"", "outcome=\"unavailable\""] {
            assert_eq!(self.counted("tallyline_webhook_requests_total", &[outcome]), 0, "{outcome}");
        }
        let stored = self.it.count("SELECT count(*) FROM tally.inbox").await;
        assert_eq!(self.counted("tallyline_events_stored_total", &[]), stored as u64, "what is counted as stored");
        let log = self.log();
        assert!(!log.contains(&CUSTOMER[1..]), "a number was logged:\n{log}");
    }

    /// The call of an execution or a CallSid; null if there is none.
    pub async fn call(&self, id: &str) -> Value {
        let found: Option<Value> =
            sqlx::query_scalar(CALL).bind(self.tenant()).bind(id).fetch_optional(&self.it.db.admin).await.unwrap();
        found.unwrap_or_default()
    }

    /// The calls of `e-0`, `e-1` … ; each must be there.
    pub async fn calls(&self, count: usize) -> Vec<Value> {
        let mut calls = Vec::new();
        for number in 0..count {
            let call = self.call(&format!("e-{number}")).await;
            assert!(call.is_object(), "no call e-{number}");
            calls.push(call);
        }
        assert_eq!(self.it.count("SELECT count(*) FROM calls").await, i64::try_from(count).unwrap());
        calls
    }

    /// Reasons of the events in quarantine that were accepted at the door, sorted.
    pub async fn quarantined(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT reason FROM tally.quarantine WHERE inbox_id IS NOT NULL ORDER BY 1")
            .fetch_all(&self.it.db.admin)
            .await
            .unwrap()
    }

    /// Calls, answered ones, talk seconds and cost of the tenant by its month rows.
    pub async fn months(&self) -> (i64, i64, i64, i64) {
        sqlx::query_as(
            "SELECT coalesce(sum(total_calls), 0)::bigint, coalesce(sum(successful_calls), 0)::bigint,
                    coalesce(sum(talk_seconds), 0)::bigint, coalesce(sum(cost_micros), 0)::bigint
             FROM user_analytics WHERE grain = 'month'",
        )
        .fetch_one(&self.it.db.admin)
        .await
        .unwrap()
    }

    /// Gives the tenant's agent the number that [`record`] and [`form`] are dialled from.
    pub async fn map_number(&self) {
        sqlx::query(
            "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, assigned_to_user_id, assigned_to_agent_id, created_by_admin_id)
             VALUES ('Line', '+12025550100', 'n1', $1, $2, gen_random_uuid())",
        )
        .bind(self.tenant())
        .bind(self.agent_id)
        .execute(&self.it.db.admin)
        .await
        .unwrap();
    }

    /// Twilio's JSON: the hash of the body is in the signed address.
    pub fn twilio_json(&self, body: &str) -> RequestBuilder {
        use tallyline_secrets::signature::twilio;
        let hash = hex::encode(Sha256::digest(body));
        let path = format!("{}?bodySHA256={hash}", self.it.path(Provider::Twilio));
        let token = endpoint(&self.it.tenant, Provider::Twilio).secret;
        let signature = twilio::sign(token.as_bytes(), &format!("{ORIGIN}{path}"), twilio::Content::None);
        self.it.post(&path, body).header("content-type", "application/json").header(twilio::HEADER, signature)
    }
}

/// A record of an answered call of 27.2 s for 3.54 cents; `members` are put over it,
/// each as the JSON text that is to be sent. `telephony_data.x` is a member of that
/// object; an empty text leaves the member out.
pub fn record(id: &str, members: &[(&str, String)]) -> String {
    let mut top = fields(&[
        ("id", json!(id)),
        ("agent_id", json!(AGENT)),
        ("status", json!("completed")),
        ("created_at", json!("2026-03-03T10:11:08.193399")),
        ("updated_at", json!("2026-03-03T10:14:25.219095")),
        ("initiated_at", json!("2026-03-03T10:11:09.551200")),
        ("conversation_duration", json!(27.2)),
        ("total_cost", json!(3.54)),
        ("transcript", json!("assistant: Hello\nuser:  hi\n")),
        ("context_details", json!({ "recipient_data": { "customer_name": "Asha" } })),
    ]);
    let mut telephony = fields(&[
        ("duration", json!("28")),
        ("to_number", json!(format!("+{CUSTOMER}"))),
        ("from_number", json!("+12025550100")),
        ("call_type", json!("outbound")),
        ("provider", json!("twilio")),
        ("recording_url", json!(null)),
    ]);
    for (key, text) in members {
        let (into, key) = match key.strip_prefix("telephony_data.") {
            Some(key) => (&mut telephony, key),
            None => (&mut top, *key),
        };
        into.retain(|(known, _)| known != key);
        if !text.is_empty() {
            into.push((key.to_owned(), text.clone()));
        }
    }
    if !top.iter().any(|(key, _)| key == "telephony_data") {
        top.push(("telephony_data".to_owned(), object(&telephony)));
    }
    object(&top)
}

fn fields(members: &[(&str, Value)]) -> Vec<(String, String)> {
    members.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect()
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(key, text)| format!("{}:{text}", json!(key))).collect();
    format!("{{{}}}", members.join(","))
}

/// One member, as [`record`] takes it.
pub fn with(key: &str, value: impl ToString) -> Vec<(&str, String)> {
    vec![(key, value.to_string())]
}

/// A status callback of the dial with this number, a second apart by `sequence`.
pub fn form(dial: u32, status: &str, sequence: u32, more: &str) -> String {
    format!(
        "AccountSid=AC00000000000000000000000000000001&CallSid={}&CallStatus={status}&Direction=outbound-api\
         &From=%2B12025550100&To=%2B{CUSTOMER}&SequenceNumber={sequence}\
         &Timestamp=Tue%2C+03+Mar+2026+10%3A12%3A{sequence:02}+%2B0000{more}",
        sid(dial)
    )
}

pub fn sid(dial: u32) -> String {
    format!("CA{dial:032x}")
}

/// Whether the call says that something was wrong, by its flag.
pub fn flagged(call: &Value, flag: &str) -> bool {
    call["flags"].as_array().unwrap().iter().any(|found| found == flag)
}

#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
