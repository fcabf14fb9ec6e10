//! `tallyline jobs retry`, `cancel` and `discard`: for jobs by their ids, or
//! for all that a filter names, in batches that are each one transaction.

use std::time::Duration;

use serde_json::json;
use sqlx::{PgConnection, PgPool};
use tallyline_queue::admin::{self, Filter, Standing};
use tallyline_queue::store::{self, Cancelled};
use uuid::Uuid;

use super::report::{self, Became, Fate};
use crate::cli::{Outcome, WrongUsage, announce, trail};
use crate::config::Config;

/// Jobs of one transaction: locks are held for a moment only.
const BATCH: i64 = 1_000;

/// A job that is held by another transaction is tried so often, with this pause.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

const RETRY_EXAMPLES: &str = "\
Examples:
  tallyline jobs retry 4711 4712
  tallyline jobs retry --dead --kind reconcile_calls --dry-run
  tallyline jobs retry --dead --all
  tallyline jobs retry --failing --kind rebuild_dashboards   now, not after their delay";

#[derive(Debug, clap::Args)]
#[command(after_help = RETRY_EXAMPLES)]
pub(in crate::cli) struct Retry {
    #[arg(value_name = "ID", required_unless_present_any = ["dead", "failing"])]
    jobs: Vec<i64>,
    /// All dead letters that the filters name
    #[arg(long, conflicts_with = "jobs")]
    dead: bool,
    /// All jobs that wait for another attempt and that the filters name
    #[arg(long, conflicts_with_all = ["jobs", "dead"])]
    failing: bool,
    #[command(flatten)]
    which: Which,
}

const CANCEL_EXAMPLES: &str = "\
Examples:
  tallyline jobs cancel 4711 --reason 'wrong tenant'
  tallyline jobs cancel --kind rebuild_dashboards --state waiting --dry-run
  tallyline jobs cancel --tenant 6f6f… --reason 'tenant is leaving'";

#[derive(Debug, clap::Args)]
#[command(after_help = CANCEL_EXAMPLES)]
pub(in crate::cli) struct Cancel {
    #[arg(value_name = "ID")]
    jobs: Vec<i64>,
    /// Only jobs in this state
    #[arg(long, conflicts_with = "jobs", value_parser = clap::builder::PossibleValuesParser::new(LIVE))]
    state: Option<String>,
    /// Why, for whoever looks at it later
    #[arg(long, default_value = "by hand")]
    reason: String,
    #[command(flatten)]
    which: Which,
}

const LIVE: [&str; 3] = ["waiting", "delayed", "running"];

const DISCARD_EXAMPLES: &str = "\
Examples:
  tallyline jobs discard 4711 --reason 'made up for by hand'
  tallyline jobs discard --dead --kind reconcile_calls --dry-run";

#[derive(Debug, clap::Args)]
#[command(after_help = DISCARD_EXAMPLES)]
pub(in crate::cli) struct Discard {
    #[arg(value_name = "ID", required_unless_present = "dead")]
    jobs: Vec<i64>,
    /// All dead letters that the filters name
    #[arg(long, conflicts_with = "jobs")]
    dead: bool,
    /// Why, for whoever looks at it later
    #[arg(long, default_value = "by hand")]
    reason: String,
    #[command(flatten)]
    which: Which,
}

/// Which of many.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Which {
    /// Only this kind
    #[arg(long, conflicts_with = "jobs")]
    kind: Option<String>,
    /// Only this queue
    #[arg(long, conflicts_with = "jobs")]
    queue: Option<String>,
    /// Only of this tenant
    #[arg(long, conflicts_with = "jobs")]
    tenant: Option<Uuid>,
    /// Without any filter
    #[arg(long, conflicts_with_all = ["jobs", "kind", "queue", "tenant"])]
    all: bool,
    /// Only say how many there are of each kind
    #[arg(long, conflicts_with = "jobs")]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Which {
    fn filter(self, state: Option<&'static str>) -> Result<Filter, WrongUsage> {
        let filter = Filter { state, kind: self.kind, queue: self.queue, tenant: self.tenant };
        let named = filter.kind.is_some() || filter.queue.is_some() || filter.tenant.is_some();
        // Failing jobs are no choice of the caller's, but what is retried at all.
        let chosen = named || state.is_some_and(|state| state != FAILING);
        if chosen || self.all { Ok(filter) } else { Err(WrongUsage("name a filter, or --all")) }
    }
}

const FAILING: &str = "failing";

pub(in crate::cli) async fn retry(config: &Config, pool: &PgPool, args: Retry) -> anyhow::Result<Outcome> {
    let (json, dry_run) = (args.which.json, args.which.dry_run);
    if !args.jobs.is_empty() {
        let mut fates = Vec::new();
        for job in args.jobs {
            fates.push(retry_one(pool, job).await?);
        }
        announce::jobs(config, pool).await;
        return report::each(&fates, json);
    }
    let filter = args.which.filter(args.failing.then_some(FAILING))?;
    let mut db = pool.acquire().await?;
    let kinds = match args.dead {
        true => admin::count_letters(&mut db, &filter).await?,
        false => admin::count_live(&mut db, &filter).await?,
    };
    if dry_run {
        report::preview(&kinds, json);
        return Ok(Outcome::Fine);
    }
    let mut walk = Walk::begin(&mut db, args.dead, filter).await?;
    let mut changed = 0;
    while let Some(ids) = walk.next(&mut db).await? {
        let mut tx = pool.begin().await?;
        let batch = match args.dead {
            true => admin::replay(&mut tx, &ids).await?.len(),
            false => admin::due_now(&mut tx, &ids).await?.len(),
        };
        walk.record(&mut tx, if args.dead { "job.replay" } else { "job.due_now" }, batch, None).await?;
        tx.commit().await?;
        announce::jobs(config, pool).await;
        changed += batch;
    }
    let what = if args.dead { "replayed" } else { "due now" };
    Ok(report::many(what, changed, walk.seen - changed, json))
}

async fn retry_one(pool: &PgPool, job: i64) -> anyhow::Result<Fate> {
    let mut tx = pool.begin().await?;
    let Some(standing) = standing(&mut tx, job).await? else { return Ok(Fate::of(job, Became::NotThere)) };
    if !standing.letters.is_empty() {
        let replayed = admin::replay(&mut tx, &standing.letters).await?;
        let Some(last) = replayed.last() else { return Ok(Fate::of(job, Became::Busy)) };
        let joined = last.now_id != job || standing.live.is_some();
        let details = json!({ "letters": replayed.len(), "now": last.now_id });
        trail::record(&mut tx, "job.replay", ("job", job.to_string()), last.tenant, details).await?;
        tx.commit().await?;
        let became = if joined { Became::Joined } else { Became::Replayed };
        return Ok(Fate { now: joined.then_some(last.now_id), ..Fate::of(job, became) });
    }
    match standing.live.as_deref() {
        Some("running") => Ok(Fate::of(job, Became::Runs)),
        Some("waiting") => Ok(Fate::of(job, Became::IsDue)),
        Some(_) => {
            let Some(changed) = admin::due_now(&mut tx, &[job]).await?.pop() else {
                return Ok(Fate::of(job, Became::Busy));
            };
            trail::record(&mut tx, "job.due_now", ("job", job.to_string()), changed.tenant, json!({})).await?;
            tx.commit().await?;
            Ok(Fate::of(job, Became::DueNow))
        }
        None => Ok(ended(standing)),
    }
}

pub(in crate::cli) async fn cancel(config: &Config, pool: &PgPool, args: Cancel) -> anyhow::Result<Outcome> {
    let (json, dry_run) = (args.which.json, args.which.dry_run);
    if !args.jobs.is_empty() {
        let mut fates = Vec::new();
        for job in args.jobs {
            fates.push(cancel_one(pool, job, &args.reason).await?);
        }
        announce::cancel(config, pool).await;
        return report::each(&fates, json);
    }
    let state = args.state.as_deref().and_then(|state| LIVE.into_iter().find(|live| *live == state));
    let filter = args.which.filter(state)?;
    let mut db = pool.acquire().await?;
    if dry_run {
        report::preview(&admin::count_live(&mut db, &filter).await?, json);
        return Ok(Outcome::Fine);
    }
    let mut walk = Walk::begin(&mut db, false, filter).await?;
    let mut changed = 0;
    while let Some(ids) = walk.next(&mut db).await? {
        let mut tx = pool.begin().await?;
        let batch = store::cancel_many(&mut *tx, &ids, &args.reason).await?.len();
        walk.record(&mut tx, "job.cancel", batch, Some(&args.reason)).await?;
        tx.commit().await?;
        announce::cancel(config, pool).await;
        changed += batch;
    }
    Ok(report::many("removed, or asked to end", changed, walk.seen - changed, json))
}

async fn cancel_one(pool: &PgPool, job: i64, reason: &str) -> anyhow::Result<Fate> {
    for _ in 0..TRIES {
        let mut tx = pool.begin().await?;
        if let Some(cancelled) = store::cancel_many(&mut *tx, &[job], reason).await?.first() {
            let details = json!({ "reason": reason, "ran": cancelled.became == Cancelled::Requested });
            trail::record(&mut tx, "job.cancel", ("job", job.to_string()), cancelled.tenant, details).await?;
            tx.commit().await?;
            let ran = cancelled.became == Cancelled::Requested;
            return Ok(Fate::of(job, if ran { Became::Requested } else { Became::Removed }));
        }
        match standing(&mut tx, job).await? {
            None => return Ok(Fate::of(job, Became::NotThere)),
            // Whoever holds it is about to claim or to end it, most likely.
            Some(standing) if standing.live.is_some() => {}
            Some(standing) if !standing.letters.is_empty() => return Ok(Fate::of(job, Became::IsDead)),
            Some(standing) => return Ok(ended(standing)),
        }
        drop(tx);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Fate::of(job, Became::Busy))
}

pub(in crate::cli) async fn discard(pool: &PgPool, args: Discard) -> anyhow::Result<Outcome> {
    let (json, dry_run) = (args.which.json, args.which.dry_run);
    if !args.jobs.is_empty() {
        let mut fates = Vec::new();
        for job in args.jobs {
            fates.push(discard_one(pool, job, &args.reason).await?);
        }
        return report::each(&fates, json);
    }
    let filter = args.which.filter(None)?;
    let mut db = pool.acquire().await?;
    if dry_run {
        report::preview(&admin::count_letters(&mut db, &filter).await?, json);
        return Ok(Outcome::Fine);
    }
    let mut walk = Walk::begin(&mut db, true, filter).await?;
    let mut changed = 0;
    while let Some(ids) = walk.next(&mut db).await? {
        let mut tx = pool.begin().await?;
        let batch = admin::discard(&mut tx, &ids, &args.reason).await?.len();
        walk.record(&mut tx, "job.discard", batch, Some(&args.reason)).await?;
        tx.commit().await?;
        changed += batch;
    }
    Ok(report::many("discarded", changed, walk.seen - changed, json))
}

async fn discard_one(pool: &PgPool, job: i64, reason: &str) -> anyhow::Result<Fate> {
    let mut tx = pool.begin().await?;
    let Some(standing) = standing(&mut tx, job).await? else { return Ok(Fate::of(job, Became::NotThere)) };
    if standing.letters.is_empty() {
        return Ok(if standing.live.is_some() { Fate::of(job, Became::Lives) } else { ended(standing) });
    }
    let gone = admin::discard(&mut tx, &standing.letters, reason).await?;
    let Some(last) = gone.last() else { return Ok(Fate::of(job, Became::Busy)) };
    let details = json!({ "reason": reason, "letters": gone.len() });
    trail::record(&mut tx, "job.discard", ("job", job.to_string()), last.tenant, details).await?;
    tx.commit().await?;
    Ok(Fate::of(job, Became::Discarded))
}

/// How a job stands; `None` when nothing knows it.
async fn standing(db: &mut PgConnection, job: i64) -> anyhow::Result<Option<Standing>> {
    let standing = admin::standing(db, &[job]).await?.pop();
    Ok(standing.filter(|s| s.live.is_some() || !s.letters.is_empty() || s.last_outcome.is_some()))
}

fn ended(standing: Standing) -> Fate {
    Fate { outcome: standing.last_outcome, ..Fate::of(standing.job_id, Became::HasEnded) }
}

/// A walk over the jobs or dead letters that a filter names and that were there
/// when it began.
struct Walk {
    dead: bool,
    filter: Filter,
    after: i64,
    up_to: i64,
    seen: usize,
}

impl Walk {
    async fn begin(db: &mut PgConnection, dead: bool, filter: Filter) -> anyhow::Result<Self> {
        let (jobs, letters) = admin::tops(db).await?;
        Ok(Self { dead, filter, after: 0, up_to: if dead { letters } else { jobs }, seen: 0 })
    }

    /// The next batch of ids; `None` at the end.
    async fn next(&mut self, db: &mut PgConnection) -> anyhow::Result<Option<Vec<i64>>> {
        let ids = match self.dead {
            true => admin::next_letters(db, &self.filter, self.after, self.up_to, BATCH).await?,
            false => admin::next_live(db, &self.filter, self.after, self.up_to, BATCH).await?,
        };
        self.after = ids.last().copied().unwrap_or(self.up_to);
        self.seen += ids.len();
        Ok((!ids.is_empty()).then_some(ids))
    }

    /// Records what one batch came to.
    async fn record(
        &self,
        db: &mut PgConnection,
        action: &str,
        jobs: usize,
        reason: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        let details = json!({ "filter": self.filter, "jobs": jobs, "reason": reason });
        trail::record(db, action, ("job", "many".to_owned()), self.filter.tenant, details).await
    }
}
