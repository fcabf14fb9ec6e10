//! From the acceptance of a webhook to its figures: the whole daemon in this
//! process, real HTTP, one finished call a webhook.
//!
//! Every call is new, so that the k-th accepted call of a tenant is visible when
//! the tenant's figure of the tier has reached k.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use tallyline::config::{self, Config};
use tallyline::daemon::{Daemon, Role, sealing_key};
use tallyline::tenants::{self, NewTenant};
use tallyline_testkit::TestDb;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

const ZONES: [&str; 4] = ["Asia/Kolkata", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"];
/// Between two looks at the figures.
const LOOK: Duration = Duration::from_millis(20);
/// Longest wait for the last figures.
const PATIENCE: Duration = Duration::from_secs(60);
const GRAINS: [&str; 3] = ["hour", "day", "month"];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Webhooks a second
    #[arg(long, default_value_t = 500)]
    rate: u32,
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[arg(long, default_value_t = 20)]
    tenants: usize,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// A tenant and what its provider knows of us.
pub(crate) struct Tenant {
    user_id: Uuid,
    pub(crate) endpoint: String,
    pub(crate) secret: String,
    pub(crate) agent: String,
}

/// When the calls of each tenant were accepted, in order.
type Accepted = Arc<Mutex<HashMap<Uuid, Vec<Instant>>>>;

/// Sends at a steady rate and watches three tiers.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let db = TestDb::try_new().await?;
    let folder = tempfile::tempdir()?;
    let config = Arc::new(configuration(&db, folder.path())?);
    let handle = tallyline::telemetry::metrics::install()?;
    let daemon = Daemon::start(Arc::clone(&config), &db.url, &Role::ALL, handle).await?;
    let tenants = provision(&daemon.pool, &config, args.tenants).await?;
    let accepted: Accepted = Arc::default();
    let stop = tokio_util::sync::CancellationToken::new();
    let watching = tokio::spawn(watch(db.admin.clone(), Arc::clone(&accepted), stop.clone()));

    let refused = send(&args, &daemon, &Arc::new(tenants), &accepted).await?;
    let total: usize = accepted.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum();
    stop.cancel();
    let lags = watching.await??;
    daemon.stop().await?;

    println!("{total} webhooks accepted at {}/s, {refused} refused", args.rate);
    let mut tiers = serde_json::Map::new();
    let mut complete = true;
    for (grain, mut lags) in GRAINS.into_iter().zip(lags) {
        complete &= lags.len() == total;
        lags.sort_unstable();
        let at = |fraction: f64| lags.get(((lags.len() as f64 * fraction) as usize).min(lags.len().saturating_sub(1)));
        let seconds = [0.5, 0.95, 0.99].map(|f| at(f).map_or(f64::NAN, Duration::as_secs_f64));
        println!(
            "visible in its {grain:<6} p50 {:.3} s  p95 {:.3} s  p99 {:.3} s  ({} of {total})",
            seconds[0],
            seconds[1],
            seconds[2],
            lags.len()
        );
        tiers.insert(grain.to_owned(), serde_json::json!({ "p50": seconds[0], "p95": seconds[1], "p99": seconds[2] }));
    }
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "bench": "fresh", "rate": args.rate, "accepted": total, "refused": refused, "seconds": tiers })
        );
    }
    Ok(complete && refused == 0)
}

pub(crate) fn configuration(db: &TestDb, folder: &std::path::Path) -> anyhow::Result<Config> {
    let mut config = config::load(&config::Overrides::default(), std::iter::empty())?;
    config.database.url.clone_from(&db.url);
    config.database.data_dir = folder.to_owned();
    config.secrets.key = "07".repeat(32);
    config.http.listen = "127.0.0.1:0".to_owned();
    Ok(config)
}

pub(crate) async fn provision(pool: &PgPool, config: &Config, count: usize) -> anyhow::Result<Vec<Tenant>> {
    let key = sealing_key(config)?;
    let mut conn = pool.acquire().await?;
    let mut made = Vec::new();
    for n in 0..count {
        let tenant = NewTenant {
            timezone: ZONES[n % ZONES.len()].to_owned(),
            ..NewTenant::new("Bench", format!("bench-{n}@example.test"))
        };
        let created = tenants::create_tenant(&mut conn, &key, tenant).await?;
        let agent = Uuid::new_v4().to_string();
        tenants::add_agent(&mut conn, created.user_id, &agent, "Agent").await?;
        let bolna = created.endpoints.first().context("a tenant without endpoints")?;
        made.push(Tenant {
            user_id: created.user_id,
            endpoint: bolna.endpoint.clone(),
            secret: bolna.secret.clone(),
            agent,
        });
    }
    Ok(made)
}

/// One webhook at each tick, whatever became of the one before; returns how many were refused.
async fn send(args: &Args, daemon: &Daemon, tenants: &Arc<Vec<Tenant>>, accepted: &Accepted) -> anyhow::Result<usize> {
    let client = reqwest::Client::new();
    let now: chrono::DateTime<chrono::Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&daemon.pool).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / args.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut flying = JoinSet::new();
    for n in 0..(args.rate * args.seconds) as usize {
        ticks.tick().await;
        let (client, tenants, accepted) = (client.clone(), Arc::clone(tenants), Arc::clone(accepted));
        let address = daemon.address;
        let time = (now + chrono::TimeDelta::milliseconds(n as i64)).naive_utc().to_string().replace(' ', "T");
        flying.spawn(async move {
            let tenant = &tenants[n % tenants.len()];
            let answer = client
                .post(format!("http://{address}/webhooks/bolna/{}", tenant.endpoint))
                .header("authorization", format!("Bearer {}", tenant.secret))
                .header("content-type", "application/json")
                .body(body(tenant, n, &time))
                .send()
                .await?;
            if answer.status().is_success() {
                let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
                accepted.entry(tenant.user_id).or_default().push(Instant::now());
                return anyhow::Ok(true);
            }
            Ok(false)
        });
    }
    let mut refused = 0;
    while let Some(ended) = flying.join_next().await {
        refused += usize::from(!ended??);
    }
    Ok(refused)
}

/// The end of a new call.
pub(crate) fn body(tenant: &Tenant, n: usize, time: &str) -> String {
    serde_json::json!({
        "id": Uuid::new_v4(), "agent_id": tenant.agent, "status": "completed", "created_at": time, "updated_at": time,
        "initiated_at": time, "conversation_duration": 5 + n % 300, "total_cost": 3.5,
        "transcript": "assistant: Is this a good time?\nuser:  yes, go on\n".repeat(20),
        "telephony_data": {
            "to_number": format!("+1202555{:04}", n % 1500), "from_number": "+12025550100", "call_type": "outbound",
            "provider": "plivo", "provider_call_id": format!("plivo-{n}")
        }
    })
    .to_string()
}

/// How long each call of each tier took to be seen, until all are, or patience ends.
async fn watch(
    pool: PgPool,
    accepted: Accepted,
    stop: tokio_util::sync::CancellationToken,
) -> anyhow::Result<[Vec<Duration>; 3]> {
    let mut seen: HashMap<(Uuid, usize), usize> = HashMap::new();
    let mut lags: [Vec<Duration>; 3] = Default::default();
    let mut deadline = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let rows: Vec<(Uuid, String, i64)> =
            sqlx::query_as("SELECT user_id, grain, sum(total_calls)::bigint FROM user_analytics GROUP BY 1, 2")
                .fetch_all(&pool)
                .await?;
        let now = Instant::now();
        let accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
        for (user_id, grain, calls) in rows {
            let Some(tier) = GRAINS.iter().position(|known| *known == grain) else { continue };
            let from = seen.entry((user_id, tier)).or_default();
            let times = accepted.get(&user_id).map(Vec::as_slice).unwrap_or_default();
            // A call may be counted before its sender has seen the answer: no lag at all.
            let upto = usize::try_from(calls)?.min(times.len());
            if let Some(new) = times.get(*from..upto) {
                lags[tier].extend(new.iter().map(|at| now.duration_since(*at)));
                *from = upto;
            }
        }
        let total: usize = accepted.values().map(Vec::len).sum();
        drop(accepted);
        if stop.is_cancelled() {
            let ends = *deadline.get_or_insert(now + PATIENCE);
            if now >= ends || lags.iter().all(|lags| lags.len() == total) {
                return Ok(lags);
            }
        }
    }
}
