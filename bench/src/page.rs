//! Every page and every GET of the API at two sizes of the database: the routes are
//! those of the router itself, asked over HTTP by somebody who is signed in.
//!
//! What grows between the sizes is the calls of each tenant, their leads, contacts,
//! ledger and webhooks, a hundred times; tenants, days and agents stay as they are.

mod asked;
mod fill;
mod visitor;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use futures::StreamExt as _;
use tallyline::accounts::{self, Role, people};
use tallyline::config::{self, Config};
use tallyline::daemon::{self, Daemon};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use self::asked::{Platform, Sample, addresses};
use self::fill::Tenant;
use self::visitor::{EMAIL, PASSWORD, Visitor};

/// The recorder behind the server's metrics.
type Handle = metrics_exporter_prometheus::PrometheusHandle;

/// A page may take so long at the larger size, 95 of 100 times.
const MOST_MS: f64 = 300.0;
/// And so many times what it takes at the smaller size …
const MOST_RATIO: f64 = 1.5;
/// … where it takes longer than this: below, the ratio is of noise.
const RATIO_FROM_MS: f64 = 20.0;
/// Pages behind the first that lists are read at.
const DEEP: usize = 10;
/// Tenants that are looked at, by their place among those with most calls.
const LOOKED_AT: [usize; 4] = [0, 1, 20, 199];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Calls in the database, the smaller size first
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 10_000_000])]
    calls: Vec<i64>,
    #[arg(long, default_value_t = 200)]
    tenants: i32,
    /// Requests a route at least
    #[arg(long, default_value_t = 40)]
    requests: usize,
    /// Requests at once
    #[arg(long, default_value_t = 1)]
    at_once: usize,
    /// Only routes with this in them
    #[arg(long, default_value = "")]
    only: String,
    /// Names the slowest address of each route
    #[arg(long)]
    slowest: bool,
    /// After each size, keep the database until a line comes in, to look at its plans
    #[arg(long)]
    hold: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Milliseconds of one route at one size.
#[derive(Debug, Clone, serde::Serialize)]
struct Measured {
    p50: f64,
    p95: f64,
    max: f64,
    requests: usize,
    #[serde(skip)]
    slowest: String,
}

type Routes = BTreeMap<String, Measured>;

/// Measures all routes at all sizes; false when one is too slow or grows too much.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let metrics = tallyline::telemetry::metrics::install()?;
    let mut sizes = Vec::new();
    for calls in &args.calls {
        sizes.push((*calls, measure(&args, &metrics, *calls).await?));
    }
    let mut verdicts = Vec::new();
    println!(
        "\n{:<52} {}  ratio of p95",
        "milliseconds",
        sizes.iter().map(|(calls, _)| format!("{calls:>10} calls: p50   p95   max")).collect::<String>()
    );
    for route in sizes.iter().flat_map(|(_, routes)| routes.keys()).collect::<std::collections::BTreeSet<_>>() {
        let all: Vec<&Measured> = sizes.iter().filter_map(|(_, routes)| routes.get(route)).collect();
        let (Some(first), Some(last)) = (all.first(), all.last()) else { continue };
        let ratio = last.p95 / first.p95;
        let is_slow = last.p95 > MOST_MS;
        let grows = all.len() > 1 && last.p95 > RATIO_FROM_MS && ratio > MOST_RATIO;
        let figures: String = all.iter().map(|m| format!("{:>19.1} {:>6.1} {:>6.1} ", m.p50, m.p95, m.max)).collect();
        let word = if is_slow {
            "TOO SLOW"
        } else if grows {
            "GROWS"
        } else {
            ""
        };
        println!("{route:<52} {figures} {ratio:>6.2} {word}");
        if args.slowest {
            println!("    {}", last.slowest);
        }
        verdicts.push(!is_slow && !grows);
    }
    let good = verdicts.iter().all(|good| *good);
    println!(
        "The rule: p95 at most {MOST_MS} ms at the largest size, and at most {MOST_RATIO} × that of the smallest where it is over {RATIO_FROM_MS} ms. {}",
        if good { "All hold it." } else { "Not all hold it." }
    );
    if args.json {
        let sizes: BTreeMap<String, &Routes> =
            sizes.iter().map(|(calls, routes)| (calls.to_string(), routes)).collect();
        println!("{}", serde_json::json!({ "bench": "page", "good": good, "at_once": args.at_once, "sizes": sizes }));
    }
    Ok(good)
}

async fn measure(args: &Args, metrics: &Handle, calls: i64) -> anyhow::Result<Routes> {
    let db = Arc::new(TestDb::try_new().await?);
    let folder = tempfile::tempdir()?;
    let config = Arc::new(configuration(&db, folder.path())?);
    println!("{calls} calls of {} tenants over 90 days", args.tenants);
    let account = operator(&db).await?;
    let tenants = fill::fill(&db, &config, metrics, calls, args.tenants).await?;
    sizes(&db, tenants.iter().map(|tenant| tenant.calls).sum()).await?;
    let (samples, platform) = (samples(&db, &tenants).await?, platform(&db, account).await?);
    let server = Daemon::start(Arc::clone(&config), &db.url, &[daemon::Role::Dashboard], metrics.clone()).await?;
    let mut visitor = Visitor::new(server.address).await?;
    let (mut routes, mut failed) = (Routes::new(), BTreeMap::new());
    for path in paths()? {
        if !path.contains(&args.only) {
            continue;
        }
        let uris = addresses(&path, &samples, &platform);
        let uris = uris.ok_or_else(|| anyhow::anyhow!("{path} is a route that the bench knows no parameters for"))?;
        visitor.stay().await?;
        match requests(&visitor, uris, args).await {
            Ok(measured) => {
                if args.hold {
                    println!("  {path:<52} p95 {:>8.1}  {}", measured.p95, measured.slowest);
                }
                routes.insert(path, measured);
            }
            Err(error) => {
                failed.insert(path, format!("{error:#}"));
            }
        }
    }
    server.stop().await?;
    if args.hold {
        println!("the database is {}", db.admin_url);
        let held = std::thread::spawn(|| std::io::stdin().read_line(&mut String::new()));
        while !held.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
    anyhow::ensure!(failed.is_empty(), "routes could not be read: {failed:#?}");
    Ok(routes)
}

/// Of pages and of the API, from where they are routed.
fn paths() -> anyhow::Result<Vec<String>> {
    let mut paths: Vec<String> = tallyline::dashboard::page_paths().into_iter().map(str::to_owned).collect();
    let document = serde_json::to_value(tallyline::api::document())?;
    let described: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_value(document["paths"].clone())?;
    paths.extend(described.into_iter().filter(|(_, methods)| methods.contains_key("get")).map(|(path, _)| path));
    Ok(paths)
}

async fn requests(visitor: &Visitor, mut uris: Vec<String>, args: &Args) -> anyhow::Result<Measured> {
    let mut deep = Vec::new();
    for uri in &uris {
        deep.extend(visitor.further(uri, DEEP).await?);
    }
    uris.append(&mut deep);
    let count = args.requests.max(uris.len() * 2);
    let asked = (0..count).map(|at| uris[at % uris.len()].clone());
    let reading = futures::stream::iter(asked).map(|uri| async move {
        let took = visitor.read(&uri).await?.1;
        anyhow::Ok((took.as_secs_f64() * 1000.0, uri))
    });
    let answers: Vec<anyhow::Result<(f64, String)>> = reading.buffer_unordered(args.at_once.max(1)).collect().await;
    let mut times = answers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |fraction: f64| times[((times.len() as f64 * fraction) as usize).min(times.len() - 1)].clone();
    let (max, slowest) = at(1.0);
    Ok(Measured { p50: at(0.5).0, p95: at(0.95).0, max, requests: times.len(), slowest })
}

fn configuration(db: &TestDb, folder: &std::path::Path) -> anyhow::Result<Config> {
    let mut config = config::load(&config::Overrides::default(), std::iter::empty())?;
    config.database.url.clone_from(&db.url);
    config.database.data_dir = folder.to_owned();
    config.secrets.key = "07".repeat(32);
    config.http.listen = "127.0.0.1:0".to_owned();
    config.dashboard.login = true;
    Ok(config)
}

async fn sizes(db: &TestDb, calls: i64) -> anyhow::Result<()> {
    let rows: Vec<(String, i64)> = sqlx::query_as(include_str!("../sql/page/sizes.sql")).fetch_all(&db.admin).await?;
    println!("  {calls} calls; MiB, and bytes a call:");
    for (name, bytes) in rows {
        println!("    {name:<32} {:>9.1} {:>7}", bytes as f64 / 1_048_576.0, bytes / calls.max(1));
    }
    Ok(())
}

async fn samples(db: &TestDb, tenants: &[Tenant]) -> anyhow::Result<Vec<Sample>> {
    type Row = (Uuid, Uuid, Uuid, Uuid, Uuid, i64);
    let mut samples = Vec::new();
    for at in LOOKED_AT {
        let Some(tenant) = tenants.get(at) else { continue };
        let row: Row =
            sqlx::query_as(include_str!("../sql/page/sample.sql")).bind(tenant.user_id).fetch_one(&db.admin).await?;
        let last_day: NaiveDate =
            sqlx::query_scalar("SELECT (now() AT TIME ZONE $1)::date").bind(&tenant.zone).fetch_one(&db.admin).await?;
        let (agent, call, contact, lead, customer, quarantined) = row;
        let first_day = last_day - chrono::TimeDelta::days(89);
        let tenant = tenant.user_id;
        samples.push(Sample { tenant, agent, call, contact, lead, customer, quarantined, first_day, last_day });
    }
    Ok(samples)
}

/// The account that reads.
async fn operator(db: &TestDb) -> anyhow::Result<Uuid> {
    let hash = accounts::hash_password(PASSWORD.to_owned(), 12).await?;
    let mut conn = db.pool.acquire().await?;
    let account = people::add(&mut conn, EMAIL, "Operator", Role::SuperAdmin).await?;
    sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(account)
        .bind(hash)
        .execute(&mut *conn)
        .await?;
    Ok(account)
}

/// What pages of operators are asked for.
async fn platform(db: &TestDb, account: Uuid) -> anyhow::Result<Platform> {
    let (job, schedule, backfill, audit_entry) = sqlx::query_as(
        "SELECT (SELECT max(id) FROM tally.jobs), (SELECT min(name) FROM tally.schedules),
                (SELECT id FROM tally.backfills LIMIT 1), (SELECT id FROM admin_audit_log LIMIT 1)",
    )
    .fetch_one(&db.admin)
    .await?;
    Ok(Platform { job, schedule, backfill, audit_entry, account })
}
