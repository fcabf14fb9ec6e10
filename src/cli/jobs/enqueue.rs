//! `tallyline jobs enqueue`.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use tallyline_queue::{Enqueued, Queue, Unique, admin};
use uuid::Uuid;

use crate::cli::{Outcome, WrongUsage, announce, names, span, trail};
use crate::config::Config;

const EXAMPLES: &str = "\
Examples:
  tallyline jobs enqueue verify_rollups
  tallyline jobs enqueue rebuild_dashboards --tenant 6f6f… --in 5m
  tallyline jobs enqueue refresh_kpi_summary --unique by-hand   not beside another one with this key";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    kind: String,
    /// What the job is given; it has to fit the kind
    #[arg(long, value_name = "JSON", default_value = "{}")]
    payload: String,
    /// Queue it waits in [default: that of its kind]
    #[arg(long)]
    queue: Option<String>,
    /// The tenant it belongs to
    #[arg(long)]
    tenant: Option<Uuid>,
    /// Not before this time has passed
    #[arg(long = "in", value_name = "SPAN", value_parser = span::parse)]
    after: Option<Duration>,
    /// 0 runs first, 3 last [default: that of its kind]
    #[arg(long, value_parser = clap::value_parser!(i16).range(0..=3))]
    priority: Option<i16>,
    /// Not while another job of the kind and the tenant lives that was given this key
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    unique: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(config: &Config, pool: &PgPool, args: Args) -> anyhow::Result<Outcome> {
    let registry = names::registry()?;
    names::known_kind(&registry, &args.kind)?;
    // The parser's message would quote the payload no further than its position.
    let payload: Value = serde_json::from_str(&args.payload).map_err(|_| WrongUsage("--payload is no JSON"))?;
    let mut job = registry.new_job(&args.kind, payload)?;
    let mut tx = pool.begin().await?;
    if let Some(queue) = args.queue {
        names::known_queue(&mut tx, &registry, &queue).await?;
        job.queue = queue;
    }
    if let Some(tenant) = args.tenant {
        names::known_tenant(&mut tx, tenant).await?;
        job = job.for_user(tenant);
    }
    job = job.after(args.after.unwrap_or_default());
    job.priority = args.priority.unwrap_or(job.priority);
    job.unique = args.unique.map(Unique::live);

    let (queue, kind, unique) = (job.queue.clone(), job.kind.clone(), job.unique.is_some());
    let enqueued = Queue::new().enqueue(&mut tx, job).await?;
    if let Enqueued::Inserted(id) = enqueued {
        // The payload may say things about people, the trail does not.
        let details = json!({ "kind": kind, "queue": queue, "unique": unique });
        trail::record(&mut tx, "job.enqueue", ("job", id.to_string()), args.tenant, details).await?;
    }
    let served = admin::is_served(&mut tx, &queue).await?;
    tx.commit().await?;
    announce::jobs(config, pool).await;

    let id = enqueued.job_id();
    if args.json {
        println!("{}", json!({ "job": id, "inserted": enqueued.is_inserted(), "served": served }));
        return Ok(Outcome::Fine);
    }
    match enqueued {
        Enqueued::Inserted(id) => println!("{id}"),
        Enqueued::Duplicate { of } => println!("job {of} holds the key; nothing was added"),
    }
    if !served {
        eprintln!("no process takes jobs from queue {queue} at present: it waits for one that does");
    }
    Ok(Outcome::Fine)
}
