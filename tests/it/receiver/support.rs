//! A receiver on a port of its own, with a database and a tenant of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusHandle, PrometheusRecorder};
use reqwest::{Client, RequestBuilder, Response};
use sqlx::{PgConnection, PgPool};
use tallyline::config::{Config, Overrides, load};
use tallyline::receiver::spool::Spool;
use tallyline::receiver::{Receiver, serve};
use tallyline::telemetry::metrics as recording;
use tallyline::tenants::{CreatedEndpoint, CreatedTenant, NewTenant, TwilioAccount, create_tenant};
use tallyline_jobs::process_call_events::{Options, run_unit};
use tallyline_model::Provider;
use tallyline_secrets::SealingKey;
use tallyline_secrets::signature::{standard, twilio};
use tallyline_testkit::TestDb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing here should take so long on any machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The origin that Twilio was told; requests go elsewhere, to 127.0.0.1.
pub const ORIGIN: &str = "https://hooks.example.test";
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";

pub struct Running {
    pub db: TestDb,
    pub tenant: CreatedTenant,
    pub address: SocketAddr,
    pub inbox_hint: Arc<Notify>,
    pub http: Client,
    shutdown: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
    receiver: Receiver,
}

/// The defaults, but secrets are looked up anew for each request.
pub fn config() -> Config {
    let none = Overrides { file: Some("/dev/null".into()), ..Overrides::default() };
    let mut config = load(&none, []).unwrap();
    config.receiver.endpoint_cache_seconds = 0;
    config.http.public_origin = ORIGIN.to_owned();
    config
}

pub fn key() -> SealingKey {
    SealingKey::new([7; 32])
}

pub fn new_tenant(email: &str) -> NewTenant {
    let twilio = TwilioAccount {
        auth_token: Some("test_token_0123456789abcdef012345".to_owned()),
        account_sid: Some(ACCOUNT.to_owned()),
    };
    NewTenant { twilio, ..NewTenant::new("Acme", email) }
}

pub async fn add_tenant(conn: &mut PgConnection, email: &str) -> CreatedTenant {
    create_tenant(conn, &key(), new_tenant(email)).await.unwrap()
}

pub fn endpoint(tenant: &CreatedTenant, provider: Provider) -> CreatedEndpoint {
    tenant.endpoints.iter().find(|endpoint| endpoint.provider == provider).unwrap().clone()
}

impl Running {
    pub async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub async fn start_with(config: Config) -> Self {
        let db = TestDb::new().await;
        let pool = db.pool.clone();
        Self::start_on(db, pool, config).await
    }

    /// A receiver that reaches the database through `pool`.
    pub async fn start_on(db: TestDb, pool: PgPool, config: Config) -> Self {
        Self::start_with_spool(db, pool, config, None).await
    }

    /// The same with a spool.
    pub async fn start_with_spool(db: TestDb, pool: PgPool, config: Config, spool: Option<Spool>) -> Self {
        let tenant = add_tenant(&mut db.pool.acquire().await.unwrap(), "a@example.test").await;
        Self::start_for(tenant, db, pool, config, spool).await
    }

    /// The same for a tenant that is there.
    pub async fn start_for(
        tenant: CreatedTenant,
        db: TestDb,
        pool: PgPool,
        config: Config,
        spool: Option<Spool>,
    ) -> Self {
        let (shutdown, inbox_hint) = (CancellationToken::new(), Arc::new(Notify::new()));
        let config = Arc::new(config);
        let receiver =
            Receiver::start(pool, Arc::clone(&config), key(), Arc::clone(&inbox_hint), spool, shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, stop) = (receiver.router(), shutdown.clone());
        let server = tokio::spawn(async move { serve(listener, router, &config.http, stop).await });
        Self { db, tenant, address, inbox_hint, http: Client::new(), shutdown, server, receiver }
    }

    /// Ends as the daemon does: requests under way first, then their COMMITs.
    pub async fn stop(self) -> TestDb {
        self.shutdown.cancel();
        timeout(PATIENCE, self.server).await.unwrap().unwrap().unwrap();
        timeout(PATIENCE, self.receiver.finish()).await.unwrap();
        self.db
    }

    pub fn path(&self, provider: Provider) -> String {
        format!("/webhooks/{provider}/{}", endpoint(&self.tenant, provider).endpoint)
    }

    pub fn post(&self, path: &str, body: impl Into<String>) -> RequestBuilder {
        self.http.post(format!("http://{}{path}", self.address)).timeout(PATIENCE).body(body.into())
    }

    /// A request of the tenant's Bolna.
    pub fn bolna(&self, body: impl Into<String>) -> RequestBuilder {
        self.post(&self.path(Provider::Bolna), body)
            .bearer_auth(endpoint(&self.tenant, Provider::Bolna).secret)
            .header("content-type", "application/json")
    }

    /// A request of the tenant's Twilio, signed for the configured origin.
    pub fn twilio(&self, body: &str) -> RequestBuilder {
        let path = self.path(Provider::Twilio);
        let secret = endpoint(&self.tenant, Provider::Twilio).secret;
        let content = twilio::Content::Form(body.as_bytes());
        self.post(&path, body)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", twilio::sign(secret.as_bytes(), &format!("{ORIGIN}{path}"), content))
    }

    /// A request of the tenant's analysis, signed `age_seconds` ago.
    pub async fn analysis(&self, body: &str, age_seconds: i64) -> RequestBuilder {
        let secret = endpoint(&self.tenant, Provider::Analysis).secret;
        self.analysis_signed_with(&secret, body, age_seconds).await
    }

    pub async fn analysis_signed_with(&self, secret: &str, body: &str, age_seconds: i64) -> RequestBuilder {
        let time = self.count("SELECT extract(epoch FROM now())::bigint").await - age_seconds;
        let key = standard::key_of_secret(secret).unwrap();
        self.post(&self.path(Provider::Analysis), body)
            .header("content-type", "application/json")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", time)
            .header("webhook-signature", standard::sign(&key, "msg_1", time, body.as_bytes()))
    }

    /// The one number that a query gives.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db.admin).await.unwrap()
    }

    /// Rows of the inbox, of what is pending, of the quarantine.
    pub async fn stored(&self) -> (i64, i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT count(*) FROM tally.inbox), (SELECT count(*) FROM tally.inbox_pending),
                 (SELECT count(*) FROM tally.quarantine)",
        )
        .fetch_one(&self.db.admin)
        .await
        .unwrap()
    }

    /// Applies what is in the inbox, as a worker would, to the end.
    pub async fn apply(&self) {
        let options = Options {
            batch_events: 500,
            batch_bytes: 16 << 20,
            batch_tenants: 16,
            twilio_wait_seconds: 900.0,
            max_lane_claims: 3,
            max_event_claims: 3,
            follow_up_default_days: 1,
        };
        while run_unit(&self.db.pool, &options).await.unwrap() > 0 {}
    }

    /// What is in the database once everything was applied.
    pub async fn left(&self) -> Left {
        self.apply().await;
        let (inbox, refused, calls) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM tally.inbox), (SELECT array_agg(reason ORDER BY id) FROM tally.quarantine),
                 (SELECT count(*) FROM calls)",
        )
        .fetch_one(&self.db.admin)
        .await
        .unwrap();
        let refused: Option<Vec<String>> = refused;
        Left { inbox, quarantine: refused.unwrap_or_default(), calls }
    }

    /// Sends bytes as they are and reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_close(&mut stream).await
    }
}

/// Rows of the inbox and of calls, and the reasons in the quarantine.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    pub inbox: i64,
    pub quarantine: Vec<String>,
    pub calls: i64,
}

impl Left {
    pub const NOTHING: Self = Self { inbox: 0, quarantine: Vec::new(), calls: 0 };

    pub fn new(inbox: i64, quarantine: &[&str], calls: i64) -> Self {
        Self { inbox, quarantine: quarantine.iter().map(|&reason| reason.to_owned()).collect(), calls }
    }
}

/// What is counted on this thread, which is where all of a receiver runs in a
/// test with the plain `#[tokio::test]`.
pub struct Counters {
    handle: PrometheusHandle,
    _local: LocalRecorderGuard<'static>,
}

impl Counters {
    pub fn start() -> Self {
        let recorder: &'static PrometheusRecorder = Box::leak(Box::new(recording::recorder().unwrap()));
        Self { handle: recorder.handle(), _local: metrics::set_default_local_recorder(recorder) }
    }

    /// The sum of a counter's series that have this value in some label.
    pub fn count(&self, name: &str, label: &str) -> u64 {
        let label = format!("=\"{label}\"");
        let text = self.handle.render();
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(&label));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }

    /// Webhooks refused for a reason.
    pub fn refused(&self, reason: &str) -> u64 {
        self.count("tallyline_webhook_refusals_total", reason)
    }

    /// All webhooks refused.
    pub fn all_refused(&self) -> u64 {
        let providers = ["bolna", "twilio", "analysis", "none"];
        providers.iter().map(|provider| self.count("tallyline_webhook_refusals_total", provider)).sum()
    }

    /// Connections that ended before a handler saw a request.
    pub fn cut(&self, reason: &str) -> u64 {
        self.count("tallyline_http_connections_cut_total", reason)
    }
}

pub async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The head of a request of the tenant's Bolna, for raw connections.
pub fn head(it: &Running, more: &str) -> String {
    let secret = endpoint(&it.tenant, Provider::Bolna).secret;
    format!("POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n{more}\r\n", it.path(Provider::Bolna))
}

/// A request over a raw connection that is closed after its answer.
pub fn closing(it: &Running, more: &str, body: &str) -> String {
    head(it, &format!("{more}content-length: {}\r\nconnection: close\r\n", body.len())) + body
}

/// The status of a raw answer; 0 for none.
pub fn status(raw: &str) -> u16 {
    raw.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map_or(0, |code| code.parse().unwrap())
}

/// Status and body.
pub async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Everything of an answer but its date.
pub async fn whole(response: Response) -> (u16, Vec<(String, String)>, String) {
    let status = response.status().as_u16();
    let headers = response.headers().iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (status, headers, response.text().await.unwrap())
}

/// A Bolna execution; `id` makes it another one.
pub fn execution(id: &str) -> String {
    format!(r#"{{"id":"{id}","agent_id":"agent-1","status":"completed","conversation_duration":42.0}}"#)
}

pub const FORM: &str = "AccountSid=AC00000000000000000000000000000001&CallSid=CA00000000000000000000000000000001\
    &CallStatus=completed&CallDuration=42&Direction=outbound-api&From=%2B12025550100&To=%2B12025550143\
    &SequenceNumber=3&Timestamp=Tue%2C+03+Mar+2026+10%3A12%3A07+%2B0000";
