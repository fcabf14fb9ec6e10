//! `tallyline backfill`.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use chrono::NaiveDate;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use sqlx::PgPool;
use tallyline_jobs::backfill::{self, Change, Method, Mode, Plan, Progress, Request};
use uuid::Uuid;

use super::context::Database;
use super::table::{grouped, table};
use super::{Outcome, Refused, WrongUsage, trail};
use crate::config::Config;
use crate::dashboard::format::duration;

/// Between two looks at a backfill that is watched.
const PAUSE: Duration = Duration::from_millis(500);
/// Units with a fault that are shown.
const FAULTS: i64 = 20;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make figures of past days anew; shows first what that means, and asks
    Start(Start),
    /// The newest backfills
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: i64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// One backfill, how far it is, what failed
    Show {
        backfill: Uuid,
        #[command(flatten)]
        view: View,
    },
    /// Begin no further unit; those under way end
    Pause { backfill: Uuid },
    /// Go on with a paused one; try the failed units of a failed one again
    Resume { backfill: Uuid },
    /// End it; what was done stays done
    Cancel { backfill: Uuid },
}

#[derive(Debug, clap::Args)]
pub(super) struct View {
    /// Follow it to its end
    #[arg(long)]
    watch: bool,
    /// Print as JSON, one object a line while watching
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// Only this tenant
    #[arg(long)]
    tenant: Option<Uuid>,
    /// First day, in each tenant's zone [default: that of the first call]
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// Last day, itself included [default: that of the last call]
    #[arg(long, value_name = "DATE")]
    to: Option<NaiveDate>,
    /// missing: days with calls and without their rows; stale: days that differ from the calls; all
    #[arg(long, default_value = "missing")]
    mode: Mode,
    /// marks: the roll-up recomputes; scan: in memory from one read of the calls [default: by size]
    #[arg(long)]
    method: Option<Method>,
    /// Up to so many calls go by marks, more by a scan
    #[arg(long, value_name = "CALLS", default_value_t = 100_000)]
    short: i64,
    /// Calls a second at most
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(i32).range(1..))]
    rate: Option<i32>,
    /// Why, for whoever looks at it later
    #[arg(long, default_value = "")]
    reason: String,
    /// Show what would be done, and end
    #[arg(long)]
    preview: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    view: View,
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = execute(&pool, command).await;
    pool.close().await;
    database.close().await?;
    outcome
}

async fn execute(pool: &PgPool, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Start(start) => return begin(pool, start).await,
        Command::List { limit, json } => list(&backfill::list(pool, limit).await?, json)?,
        Command::Show { backfill, view } if view.watch => return watch(pool, backfill, view.json).await,
        Command::Show { backfill, view } => show(pool, backfill, view.json).await?,
        Command::Pause { backfill } => change(pool, backfill, Change::Pause).await?,
        Command::Resume { backfill } => change(pool, backfill, Change::Resume).await?,
        Command::Cancel { backfill } => change(pool, backfill, Change::Cancel).await?,
    }
    Ok(Outcome::Fine)
}

async fn begin(pool: &PgPool, start: Start) -> anyhow::Result<Outcome> {
    let json = start.view.json;
    if start.from.zip(start.to).is_some_and(|(from, to)| from > to) {
        return Err(WrongUsage("--from lies after --to").into());
    }
    let request = Request {
        tenant: start.tenant,
        first_day: start.from,
        last_day: start.to,
        mode: start.mode,
        method: start.method,
        short_calls: start.short,
        max_calls_per_second: start.rate,
        reason: start.reason,
    };
    if start.preview || !start.yes {
        let plan = backfill::preview(pool, &request).await?;
        if json && start.preview {
            println!("{}", serde_json::to_string(&plan)?);
        } else if !json {
            print_plan(&plan);
        }
        if start.preview {
            return Ok(Outcome::Fine);
        }
        confirm()?;
    }
    let prepared = backfill::prepare(pool, &request).await?;
    let mut tx = pool.begin().await?;
    let id = prepared.begin(&mut tx).await?;
    let plan = prepared.plan;
    let details = json!({ "mode": request.mode, "first_day": request.first_day, "last_day": request.last_day,
        "reason": request.reason, "units": plan.units });
    trail::record(&mut tx, "backfill.start", ("backfill", id.to_string()), request.tenant, details).await?;
    tx.commit().await?;
    if json {
        println!("{}", json!({ "id": id, "plan": plan }));
    } else {
        if start.yes {
            print_plan(&plan);
        }
        println!("backfill {id}");
        if !a_process_works(pool).await? {
            println!("No process works at present: it begins when `tallyline run` does.");
        }
    }
    if start.view.watch { watch(pool, id, json).await } else { Ok(Outcome::Fine) }
}

fn print_plan(plan: &Plan) {
    let basis = match plan.estimate_is_measured {
        true => "at the speed of the last units",
        false => "assumed: none was done here yet",
    };
    println!(
        "{} tenants, {} days, {} quarters of an hour with {} calls; {} units by {}; about {} ({basis})",
        plan.tenants,
        grouped(plan.days),
        grouped(plan.quarters),
        grouped(plan.calls),
        plan.units,
        plan.method.as_str(),
        duration(plan.estimated_seconds.ceil() as i64),
    );
    if plan.calls_outside_calendar > 0 {
        println!("{} calls lie outside the calendar and are not reached.", grouped(plan.calls_outside_calendar));
    }
}

/// Asks on a terminal; without one nobody can answer.
fn confirm() -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Refused("nothing was started: pass --yes to start it".to_owned()).into());
    }
    print!("Start? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Refused("not started".to_owned()).into()) }
}

pub(super) async fn a_process_works(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM tally.job_leases WHERE expires_at > now()) AS "works!""#)
        .fetch_one(pool)
        .await
}

async fn change(pool: &PgPool, id: Uuid, change: Change) -> anyhow::Result<()> {
    let action = match change {
        Change::Pause => "backfill.pause",
        Change::Resume => "backfill.resume",
        Change::Cancel => "backfill.cancel",
    };
    let mut tx = pool.begin().await?;
    let changed = backfill::change_in(&mut tx, id, change).await?;
    let details = json!({ "before": changed.before, "after": changed.after });
    trail::record(&mut tx, action, ("backfill", id.to_string()), changed.tenant, details).await?;
    tx.commit().await?;
    println!("{}", line(&backfill::show(pool, id).await?));
    Ok(())
}

fn list(backfills: &[Progress], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(backfills)?);
        return Ok(());
    }
    let mut table =
        table(&["backfill", "begun (UTC)", "tenant", "mode", "method", "state", "units", "calls", "left"], 6);
    for b in backfills {
        table.add_row([
            b.id.to_string(),
            b.created_at.format("%Y-%m-%d %H:%M").to_string(),
            b.user_id.map_or_else(|| "all".to_owned(), |id| id.to_string()),
            b.mode.clone(),
            b.method.clone(),
            b.state.clone(),
            format!("{}/{}", b.units_done, b.units),
            format!("{}/{}", grouped(b.calls_done), grouped(b.calls)),
            b.eta_seconds.map_or_else(|| "–".to_owned(), |s| duration(s.ceil() as i64)),
        ]);
    }
    println!("{table}");
    Ok(())
}

async fn show(pool: &PgPool, id: Uuid, json: bool) -> anyhow::Result<()> {
    let (progress, faults) = (backfill::show(pool, id).await?, backfill::faults(pool, id, FAULTS).await?);
    if json {
        println!("{}", serde_json::json!({ "backfill": progress, "faults": faults }));
        return Ok(());
    }
    println!("{}", line(&progress));
    println!(
        "{} calls read, {} buckets written, {} left to the roll-up because live work had recomputed them",
        grouped(progress.calls_read),
        grouped(progress.buckets_written),
        grouped(progress.buckets_discarded)
    );
    for fault in faults {
        println!(
            "{} {} – {}: {} after {} attempts: {}",
            fault.user_id,
            fault.from_time.format("%Y-%m-%d %H:%M"),
            fault.to_time.format("%Y-%m-%d %H:%M UTC"),
            fault.state,
            fault.attempts,
            fault.error.unwrap_or_default()
        );
    }
    Ok(())
}

fn line(b: &Progress) -> String {
    let left = b.eta_seconds.map(|s| format!(", about {} left", duration(s.ceil() as i64))).unwrap_or_default();
    let failed = if b.units_failed > 0 { format!(", {} failed", b.units_failed) } else { String::new() };
    format!(
        "backfill {} ({}, by {}): {}; {} of {} units{failed}, {} of {} calls{left}",
        b.id,
        b.mode,
        b.method,
        b.state,
        b.units_done,
        b.units,
        grouped(b.calls_done),
        grouped(b.calls)
    )
}

/// Follows a backfill to its end: a bar on a terminal, else a line for each change.
async fn watch(pool: &PgPool, id: Uuid, json: bool) -> anyhow::Result<Outcome> {
    let bar = bar()?;
    let mut shown = String::new();
    loop {
        let progress = backfill::show(pool, id).await?;
        let text = if json { serde_json::to_string(&progress)? } else { line(&progress) };
        if bar.is_hidden() || json {
            // The time left alone is no change.
            let key = format!("{} {} {}", progress.state, progress.units_done, progress.units_failed);
            if key != shown {
                println!("{text}");
                shown = key;
            }
        } else {
            draw(&bar, &progress);
        }
        if progress.is_over() {
            bar.finish_and_clear();
            if !bar.is_hidden() && !json {
                println!("{text}");
            }
            return Ok(if progress.state == "done" { Outcome::Fine } else { Outcome::ProblemsFound });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn bar() -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} units, {msg}")?);
    Ok(bar)
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.units.unsigned_abs());
    bar.set_position((progress.units_done + progress.units_failed).unsigned_abs());
    let left = match progress.eta_seconds {
        Some(seconds) => format!("about {} left", duration(seconds.ceil() as i64)),
        None => progress.state.clone(),
    };
    bar.set_message(format!("{}/{} calls, {left}", grouped(progress.calls_done), grouped(progress.calls)));
}
