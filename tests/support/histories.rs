//! Random histories through the real door: receiver, inbox, worker; then each stored
//! call beside the fold of its stored events. Part of `bench` and of the tests.

#[path = "histories/expected.rs"]
mod expected;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sqlx::PgPool;
use tallyline::config::{self, Config};
use tallyline::daemon::{Daemon, Role, sealing_key};
use tallyline::tenants::{self, CreatedTenant, NewTenant, TwilioAccount};
use tallyline_model::Provider;
use tallyline_secrets::signature::{standard, twilio};
use tallyline_testkit::TestDb;
use tallyline_testkit::histories::{Delivery, Dice, History, Party, history};
use tokio::task::JoinSet;
use uuid::Uuid;

/// The origin that Twilio was told.
const ORIGIN: &str = "https://hooks.example.test";
const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// Longest time without any event applied before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at the inbox.
const LOOK: Duration = Duration::from_millis(50);
/// Tries of one delivery; a full receiver answers 503 and wants it again.
const TRIES: usize = 50;

/// What is sent.
#[derive(Debug, Clone)]
pub struct Plan {
    pub histories: u64,
    pub seed: u64,
    pub tenants: usize,
    /// Requests under way at once.
    pub senders: usize,
    /// Webhooks in a hundred that are sent twice.
    pub duplicates_percent: usize,
    /// Short, so that many a call is at first only the carrier's.
    pub twilio_wait_seconds: i64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    pub distinct: usize,
    pub sent: usize,
    pub calls: usize,
    pub attempts: usize,
    pub legs: usize,
    /// Executions that took over the row of a call which only the carrier had spoken of.
    pub adopted: usize,
    pub sending: Duration,
    pub applying: Duration,
    /// One line each; empty when every row is what its events come to.
    pub differences: Vec<String>,
}

/// A tenant, and what is to be sent for it.
struct Sender {
    tenant: CreatedTenant,
    party: Party,
}

/// One request.
#[derive(Clone)]
struct Post {
    sender: usize,
    delivery: Delivery,
}

/// Sends the plan's histories in any order, waits until all is applied, and compares.
///
/// # Errors
/// When something does not work; differences are no error.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let db = TestDb::try_new().await?;
    let folder = tempfile::tempdir()?;
    let config = Arc::new(configuration(&db, folder.path(), plan)?);
    let metrics = tallyline::telemetry::metrics::recorder()?.handle();
    let daemon = Daemon::start(Arc::clone(&config), &db.url, &Role::ALL, metrics).await?;
    let senders = provision(&db, &daemon.pool, &config, plan.tenants).await?;
    let histories: Vec<(usize, History)> = (0..plan.histories)
        .map(|number| {
            let sender = usize::try_from(number).unwrap_or_default() % senders.len();
            (sender, history(plan.seed, number, &senders[sender].party))
        })
        .collect();

    let posts = posts(plan, &histories);
    let mut report = Report { sent: posts.len(), ..Report::default() };
    let begun = Instant::now();
    send(&db.admin, &daemon, &Arc::new(senders), posts, plan.senders).await?;
    report.sending = begun.elapsed();
    drain(&db.admin).await?;
    report.applying = begun.elapsed();
    daemon.stop().await?;

    check_assignment(&db.admin, &histories, &mut report).await?;
    expected::compare(&db.admin, &mut report).await?;
    Ok(report)
}

fn configuration(db: &TestDb, folder: &std::path::Path, plan: &Plan) -> anyhow::Result<Config> {
    let none = config::Overrides { file: Some("/dev/null".into()), ..config::Overrides::default() };
    let mut config = config::load(&none, std::iter::empty())?;
    config.database.url.clone_from(&db.url);
    config.database.data_dir = folder.to_owned();
    config.secrets.key = "07".repeat(32);
    config.http.listen = "127.0.0.1:0".to_owned();
    config.http.public_origin = ORIGIN.to_owned();
    config.process.twilio_wait_seconds = plan.twilio_wait_seconds;
    Ok(config)
}

async fn provision(db: &TestDb, pool: &PgPool, config: &Config, count: usize) -> anyhow::Result<Vec<Sender>> {
    let key = sealing_key(config)?;
    let mut conn = pool.acquire().await?;
    let mut senders = Vec::new();
    for n in 0..count.max(1) {
        let twilio =
            TwilioAccount { auth_token: Some(format!("token-{n:032}")), account_sid: Some(ACCOUNT.to_owned()) };
        let new = NewTenant { twilio, ..NewTenant::new("Histories", format!("histories-{n}@example.test")) };
        let tenant = tenants::create_tenant(&mut conn, &key, new).await?;
        let agents = [0, 1].map(|_| Uuid::new_v4().to_string());
        for agent in &agents {
            tenants::add_agent(&mut conn, tenant.user_id, agent, "Agent").await?;
        }
        let party =
            Party { agents: agents.into(), number: format!("+1202555{:04}", 100 + n), account_sid: ACCOUNT.into() };
        // A call that the carrier alone speaks of is one, since its number has an agent.
        sqlx::query(
            "INSERT INTO phone_numbers (name, phone_number, bolna_phone_number_id, assigned_to_user_id, assigned_to_agent_id, created_by_admin_id)
             SELECT 'Line', $1, $1, user_id, id, gen_random_uuid() FROM agents WHERE user_id = $2 AND bolna_agent_id = $3",
        )
        .bind(&party.number)
        .bind(tenant.user_id)
        .bind(&party.agents[0])
        .execute(&db.admin)
        .await?;
        senders.push(Sender { tenant, party });
    }
    Ok(senders)
}

/// Every webhook once, some twice, in any order.
fn posts(plan: &Plan, histories: &[(usize, History)]) -> Vec<Post> {
    let mut dice = Dice::new(plan.seed, u64::MAX);
    let mut posts = Vec::new();
    for (sender, history) in histories {
        for delivery in &history.deliveries {
            let copies = 1 + usize::from(dice.percent(plan.duplicates_percent));
            posts.extend((0..copies).map(|_| Post { sender: *sender, delivery: delivery.clone() }));
        }
    }
    dice.shuffle(&mut posts);
    posts
}

async fn send(
    admin: &PgPool,
    daemon: &Daemon,
    senders: &Arc<Vec<Sender>>,
    posts: Vec<Post>,
    at_once: usize,
) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let first_second: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(admin).await?;
    let begun = Instant::now();
    let posts = Arc::new(posts);
    let address = daemon.address;
    let at_once = at_once.max(1);
    let mut workers = JoinSet::new();
    for worker in 0..at_once {
        let (client, senders, posts) = (client.clone(), Arc::clone(senders), Arc::clone(&posts));
        workers.spawn(async move {
            for post in posts.iter().skip(worker).step_by(at_once) {
                let second = first_second + i64::try_from(begun.elapsed().as_secs())?;
                deliver(&client, address, &senders[post.sender], &post.delivery, second).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

/// Sends until it is accepted.
async fn deliver(
    client: &reqwest::Client,
    address: std::net::SocketAddr,
    sender: &Sender,
    delivery: &Delivery,
    unix_second: i64,
) -> anyhow::Result<()> {
    let endpoint = sender
        .tenant
        .endpoints
        .iter()
        .find(|endpoint| endpoint.provider.as_str() == delivery.provider)
        .context("a tenant without an endpoint")?;
    let path = format!("/webhooks/{}/{}", delivery.provider, endpoint.endpoint);
    let mut last = String::new();
    for _ in 0..TRIES {
        let request = client.post(format!("http://{address}{path}")).body(delivery.body.clone());
        let request = match endpoint.provider {
            Provider::Bolna => request.bearer_auth(&endpoint.secret).header("content-type", "application/json"),
            Provider::Twilio => {
                let content = twilio::Content::Form(delivery.body.as_bytes());
                let signature = twilio::sign(endpoint.secret.as_bytes(), &format!("{ORIGIN}{path}"), content);
                request.header("content-type", "application/x-www-form-urlencoded").header(twilio::HEADER, signature)
            }
            Provider::Analysis => {
                let key = standard::key_of_secret(&endpoint.secret).context("a secret that is none")?;
                let signature = standard::sign(&key, "msg", unix_second, delivery.body.as_bytes());
                request
                    .header("content-type", "application/json")
                    .header("webhook-id", "msg")
                    .header("webhook-timestamp", unix_second)
                    .header("webhook-signature", signature)
            }
        };
        let answer = request.send().await?;
        if answer.status().is_success() {
            return Ok(());
        }
        let is_full = answer.status().as_u16() == 503;
        last = format!("{} {}", answer.status(), answer.text().await.unwrap_or_default());
        ensure!(is_full, "a {} webhook was refused: {last}", delivery.provider);
    }
    anyhow::bail!("a webhook was answered 503 too often: {last}")
}

/// Waits until nothing is pending; gives up when nothing moves any more.
async fn drain(admin: &PgPool) -> anyhow::Result<()> {
    let mut looks = tokio::time::interval(LOOK);
    let (mut last, mut moved) = (i64::MAX, Instant::now());
    loop {
        looks.tick().await;
        let pending: i64 = sqlx::query_scalar("SELECT count(*) FROM tally.inbox_pending").fetch_one(admin).await?;
        if pending == 0 {
            return Ok(());
        }
        if pending != last {
            (last, moved) = (pending, Instant::now());
        }
        ensure!(moved.elapsed() < PATIENCE, "{pending} events are pending and nothing moves");
    }
}

/// Each history is one call, and has all of its events; nothing is left elsewhere.
async fn check_assignment(admin: &PgPool, histories: &[(usize, History)], report: &mut Report) -> anyhow::Result<()> {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for (_, history) in histories {
        let distinct: HashSet<&Delivery> = history.deliveries.iter().collect();
        report.distinct += distinct.len();
        expected.insert(history.execution_id.clone(), i64::try_from(distinct.len())?);
    }
    let found: Vec<(Uuid, Uuid, Option<String>, i64)> = sqlx::query_as(
        "SELECT c.user_id, c.id, c.bolna_execution_id, (SELECT count(*) FROM tally.call_events e WHERE e.user_id = c.user_id AND e.call_id = c.id)
         FROM calls c",
    )
    .fetch_all(admin)
    .await?;
    for (tenant, id, execution, events) in found {
        let name = format!("execution:{}", execution.as_deref().unwrap_or_default());
        report.adopted += usize::from(id != Uuid::new_v5(&tenant, name.as_bytes()));
        let wanted = execution.as_ref().and_then(|execution| expected.remove(execution));
        if wanted != Some(events) {
            report.differences.push(format!("call of {execution:?}: {events} events instead of {wanted:?}"));
        }
    }
    report.differences.extend(expected.keys().map(|execution| format!("no call of {execution}")));
    let quarantined: Vec<(String, i64)> =
        sqlx::query_as("SELECT reason, count(*) FROM tally.quarantine GROUP BY 1").fetch_all(admin).await?;
    report.differences.extend(quarantined.iter().map(|(reason, count)| format!("{count} in quarantine for {reason}")));
    Ok(())
}
