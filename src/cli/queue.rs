//! `tallyline queue`: what the queues hold, who serves them, and how to hold them up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use tallyline_queue::Queue;
use tallyline_queue::admin::{self, Idle, PausedKind, QueueLine, WorkerLine};
use tokio::time::Instant;

use super::context::Database;
use super::table::{grouped, table};
use super::{Outcome, announce, names, span, trail};
use crate::config::Config;
use crate::dashboard::format::duration;

/// Between two looks at a queue that is being drained.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every queue: what waits and runs, what is paused, who serves it
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Begin no more jobs of a queue, or of a kind; those that run go on
    Pause(Pause),
    /// Let a paused queue or kind go on
    Resume(Resume),
    /// Pause a queue and wait until nothing of it runs; it stays paused
    Drain(Drain),
    /// How many jobs of one tenant may run at once in a queue, over all processes
    Cap(Cap),
    /// The processes that take jobs, and what they hold
    Workers {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Pause {
    #[arg(required_unless_present = "kind")]
    queue: Option<String>,
    /// This kind, in whatever queue
    #[arg(long, conflicts_with = "queue")]
    kind: Option<String>,
    /// Why, for whoever wonders
    #[arg(long)]
    reason: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    #[arg(required_unless_present = "kind")]
    queue: Option<String>,
    /// This kind
    #[arg(long, conflicts_with = "queue")]
    kind: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Drain {
    queue: String,
    /// Wait no longer than this
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = span::parse)]
    timeout: Duration,
    /// Why, for whoever wonders
    #[arg(long, default_value = "drained by hand")]
    reason: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Cap {
    queue: String,
    /// A number, or none
    #[arg(value_parser = cap)]
    jobs: CapValue,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy)]
struct CapValue(Option<i32>);

fn cap(text: &str) -> Result<CapValue, String> {
    match (text, text.parse()) {
        ("none", _) => Ok(CapValue(None)),
        // Each is a row per tenant.
        (_, Ok(jobs)) if (1..=1_000).contains(&jobs) => Ok(CapValue(Some(jobs))),
        _ => Err("expected a number from 1 to 1000, or none".to_owned()),
    }
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = execute(&config, &pool, command).await;
    pool.close().await;
    database.close().await?;
    outcome
}

async fn execute(config: &Config, pool: &PgPool, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::List { json } => list(pool, json).await?,
        Command::Pause(args) => pause(pool, args).await?,
        Command::Resume(args) => return resume(config, pool, args).await,
        Command::Drain(args) => return drain(pool, args).await,
        Command::Cap(args) => set_cap(config, pool, args).await?,
        Command::Workers { json } => workers(pool, json).await?,
    }
    Ok(Outcome::Fine)
}

async fn list(pool: &PgPool, json: bool) -> anyhow::Result<()> {
    let mut db = pool.acquire().await?;
    let queues = admin::queues(&mut db, &names::registry()?.queues()).await?;
    let kinds = admin::paused_kinds(&mut db).await?;
    if json {
        println!("{}", json!({ "queues": queues, "paused_kinds": kinds }));
        return Ok(());
    }
    print_queues(&queues);
    print_kinds(&kinds);
    Ok(())
}

fn print_queues(queues: &[QueueLine]) {
    let mut table = table(&["queue", "waiting", "delayed", "running", "oldest", "cap", "paused", "served by"], 1);
    for column in table.column_iter_mut().skip(6) {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    for queue in queues {
        let paused =
            queue.paused_at.map(|at| format!("{}: {}", since(at), queue.paused_reason.as_deref().unwrap_or("")));
        table.add_row([
            queue.queue.clone(),
            grouped(queue.waiting),
            grouped(queue.delayed),
            grouped(queue.running),
            queue.oldest_seconds.map(|s| duration(s as i64)).unwrap_or_default(),
            queue.tenant_cap.map(|cap| format!("{cap} a tenant")).unwrap_or_default(),
            paused.unwrap_or_default(),
            if queue.processes.is_empty() { "nobody".to_owned() } else { queue.processes.join(", ") },
        ]);
    }
    println!("{table}");
}

fn print_kinds(kinds: &[PausedKind]) {
    if kinds.is_empty() {
        return;
    }
    let mut table = table(&["paused kind", "", "reason"], 3);
    for kind in kinds {
        table.add_row([kind.kind.clone(), since(kind.paused_at), kind.reason.clone()]);
    }
    println!("{table}");
}

fn since(at: DateTime<Utc>) -> String {
    at.format("since %Y-%m-%d %H:%M:%S UTC").to_string()
}

async fn pause(pool: &PgPool, args: Pause) -> anyhow::Result<()> {
    let (what, name) = target(pool, args.queue, args.kind).await?;
    let mut tx = pool.begin().await?;
    match what {
        KIND => Queue::new().pause_kind(&mut tx, &name, &args.reason).await?,
        _ => Queue::new().pause(&mut tx, &name, &args.reason).await?,
    }
    record(&mut tx, what, "pause", &name, json!({ "reason": args.reason })).await?;
    tx.commit().await?;
    if args.json {
        println!("{}", json!({ what: name, "paused": true }));
    } else {
        println!("{what} {name} is paused; what runs goes on");
    }
    Ok(())
}

async fn resume(config: &Config, pool: &PgPool, args: Resume) -> anyhow::Result<Outcome> {
    let (what, name) = target(pool, args.queue, args.kind).await?;
    let mut tx = pool.begin().await?;
    let was_paused = match what {
        KIND => Queue::new().resume_kind(&mut tx, &name).await?,
        _ => Queue::new().resume(&mut tx, &name).await?,
    };
    if was_paused {
        record(&mut tx, what, "resume", &name, json!({})).await?;
    }
    tx.commit().await?;
    announce::jobs(config, pool).await;
    if args.json {
        println!("{}", json!({ what: name, "paused": false, "was_paused": was_paused }));
    } else {
        println!("{what} {name} {}", if was_paused { "goes on" } else { "was not paused" });
    }
    Ok(Outcome::Fine)
}

async fn drain(pool: &PgPool, args: Drain) -> anyhow::Result<Outcome> {
    let (what, name) = target(pool, Some(args.queue), None).await?;
    let deadline = Instant::now() + args.timeout;
    let mut tx = pool.begin().await?;
    Queue::new().pause(&mut tx, &name, &args.reason).await?;
    record(&mut tx, what, "drain", &name, json!({ "reason": args.reason })).await?;
    tx.commit().await?;

    let mut db = pool.acquire().await?;
    let mut idle = Idle::of(&mut db, &name).await?;
    let mut shown = None;
    let running = loop {
        let running = idle.running(&mut db).await?;
        if running.is_none() || Instant::now() >= deadline {
            break running;
        }
        if running != shown && !args.json {
            eprintln!("{} still run", running.unwrap_or_default());
            shown = running;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    if args.json {
        println!("{}", json!({ "queue": name, "paused": true, "idle": running.is_none(), "running": running }));
    } else {
        match running {
            None => println!("nothing of queue {name} runs; it stays paused until `tallyline queue resume {name}`"),
            Some(running) => println!(
                "the time is over and {running} of queue {name} still run; it stays paused until \
                 `tallyline queue resume {name}`"
            ),
        }
    }
    Ok(if running.is_none() { Outcome::Fine } else { Outcome::ProblemsFound })
}

async fn set_cap(config: &Config, pool: &PgPool, args: Cap) -> anyhow::Result<()> {
    let (what, name) = target(pool, Some(args.queue), None).await?;
    let CapValue(jobs) = args.jobs;
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!("SELECT tenant_cap FROM tally.queue_caps WHERE queue = $1", name)
        .fetch_optional(&mut *tx)
        .await?;
    Queue::new().cap_tenants(&mut tx, &name, jobs).await?;
    record(&mut tx, what, "cap", &name, json!({ "before": before, "after": jobs })).await?;
    tx.commit().await?;
    announce::jobs(config, pool).await;
    match (args.json, jobs) {
        (true, _) => println!("{}", json!({ "queue": name, "tenant_cap": jobs })),
        (false, Some(jobs)) => println!("queue {name}: {jobs} jobs of a tenant at once, over all processes"),
        (false, None) => println!("queue {name} has no cap"),
    }
    Ok(())
}

async fn workers(pool: &PgPool, json: bool) -> anyhow::Result<()> {
    let workers = admin::workers(&mut *pool.acquire().await?).await?;
    if json {
        println!("{}", serde_json::to_string(&workers)?);
    } else {
        print_workers(&workers);
    }
    Ok(())
}

fn print_workers(workers: &[WorkerLine]) {
    let mut table = table(&["process", "queues", "state", "up", "last beat", "jobs", "lease"], 100);
    for worker in workers {
        table.add_row([
            worker.label.clone(),
            worker.queues.join(", "),
            if worker.alive { "alive" } else { "silent: its jobs are taken back" }.to_owned(),
            duration(worker.age_seconds as i64),
            format!("{} ago", duration(worker.beat_age_seconds as i64)),
            grouped(worker.held),
            worker.lease_id.to_string(),
        ]);
    }
    if workers.is_empty() { println!("no process takes jobs") } else { println!("{table}") }
}

const QUEUE: &str = "queue";
const KIND: &str = "kind";

/// What is to be changed, `queue` or `kind`, and its name, which has to be known.
async fn target(pool: &PgPool, queue: Option<String>, kind: Option<String>) -> anyhow::Result<(&'static str, String)> {
    let registry = names::registry()?;
    match (queue, kind) {
        (_, Some(kind)) => {
            names::known_kind(&registry, &kind)?;
            Ok((KIND, kind))
        }
        (queue, None) => {
            let queue = queue.unwrap_or_default();
            names::known_queue(&mut *pool.acquire().await?, &registry, &queue).await?;
            Ok((QUEUE, queue))
        }
    }
}

async fn record(
    db: &mut PgConnection,
    what: &str,
    action: &str,
    name: &str,
    details: serde_json::Value,
) -> Result<(), sqlx::Error> {
    trail::record(db, &format!("{what}.{action}"), (what, name.to_owned()), None, details).await
}
