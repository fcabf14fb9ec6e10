//! `tallyline schedule`: what runs by the clock, and when.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tallyline_queue::schedules::{self, FireView, RunNow, ScheduleView};

use super::backfill::a_process_works;
use super::context::Database;
use super::table::table;
use super::{Outcome, Refused, trail};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every schedule, its next fire and its last; exit code 1 when one cannot fire
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// One schedule: its policies and its next five fires
    Show {
        schedule: String,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Enqueue its job now, whether it is paused or not
    Run {
        schedule: String,
        /// Even while an earlier job of it lives; they then run side by side
        #[arg(long)]
        force: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Fire it no more, over restarts too, until it is resumed
    Pause {
        schedule: String,
        /// Why, for whoever looks at it later
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Fire it again, from its next time on: what passed meanwhile is not made up for
    Resume { schedule: String },
    /// The newest fires and what became of their jobs
    History {
        schedule: String,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: i64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
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
        Command::List { json } => return list(&schedules::list(pool).await?, json),
        Command::Show { schedule, json } => show(&schedules::show(pool, &schedule).await?, json)?,
        Command::Run { schedule, force, json } => run_now(pool, &schedule, force, json).await?,
        Command::Pause { schedule, reason } => {
            let mut tx = pool.begin().await?;
            let changed = schedules::pause(&mut tx, &schedule, &reason).await?;
            if changed {
                record(&mut tx, "schedule.pause", &schedule, json!({ "reason": reason })).await?;
            }
            tx.commit().await?;
            println!("{schedule}: {}", if changed { "paused" } else { "was paused already" });
        }
        Command::Resume { schedule } => {
            let mut tx = pool.begin().await?;
            let passed = schedules::resume(&mut tx, &schedule).await?;
            if let Some(passed) = passed {
                record(&mut tx, "schedule.resume", &schedule, json!({ "passed_by": passed })).await?;
            }
            tx.commit().await?;
            match passed {
                Some(passed) => println!("{schedule}: resumed; fires that passed meanwhile: {passed}"),
                None => println!("{schedule}: was not paused"),
            }
        }
        Command::History { schedule, limit, json } => {
            history(&schedules::history(pool, &schedule, limit).await?, json)?;
        }
    }
    Ok(Outcome::Fine)
}

async fn record(conn: &mut PgConnection, action: &str, schedule: &str, details: Value) -> Result<(), sqlx::Error> {
    trail::record(conn, action, ("schedule", schedule.to_owned()), None, details).await
}

async fn run_now(pool: &PgPool, schedule: &str, forced: bool, json: bool) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    let job_id = match schedules::run_now(&mut tx, schedule, forced).await? {
        RunNow::Enqueued { job_id } => job_id,
        RunNow::StillLives { job_id } => {
            let job = job_id.map_or_else(|| "its last job".to_owned(), |id| format!("job {id}"));
            return Err(Refused(format!("{schedule}: {job} has not ended; --force runs another beside it")).into());
        }
    };
    record(&mut tx, "schedule.run", schedule, json!({ "job_id": job_id, "forced": forced })).await?;
    tx.commit().await?;
    if json {
        println!("{}", json!({ "schedule": schedule, "job_id": job_id }));
        return Ok(());
    }
    println!("{schedule}: job {job_id}");
    if !a_process_works(pool).await? {
        println!("No process works at present: it begins when `tallyline run` does.");
    }
    Ok(())
}

fn list(schedules: &[ScheduleView], json: bool) -> anyhow::Result<Outcome> {
    if json {
        println!("{}", serde_json::to_string(schedules)?);
    } else {
        let header = ["schedule", "job", "cron", "zone", "next (UTC)", "last (UTC)", "last outcome"];
        let mut table = table(&header, header.len());
        for schedule in schedules {
            let row = &schedule.row;
            table.add_row([
                row.name.clone(),
                row.kind.clone(),
                row.cron.clone(),
                row.timezone.clone(),
                next(schedule),
                row.last_fire_at.map(second).unwrap_or_default(),
                row.last_outcome.clone().unwrap_or_default(),
            ]);
        }
        println!("{table}");
    }
    let problems = schedules.iter().any(|schedule| schedule.problem.is_some());
    Ok(if problems { Outcome::ProblemsFound } else { Outcome::Fine })
}

fn next(schedule: &ScheduleView) -> String {
    let row = &schedule.row;
    match (&schedule.problem, &row.paused_reason, row.next_fire_at) {
        (Some(_), ..) => "cannot fire".to_owned(),
        (None, Some(reason), _) => format!("paused: {reason}"),
        (None, None, Some(at)) => second(at),
        (None, None, None) => "never".to_owned(),
    }
}

fn show(schedule: &ScheduleView, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(schedule)?);
        return Ok(());
    }
    let row = &schedule.row;
    let bound = |what: &str, value: Option<i32>, unit: &str| value.map(|value| format!(", {what} {value}{unit}"));
    let bounds = [bound("at most", row.catch_up_max, ""), bound("none older than", row.catch_up_within_seconds, " s")];
    println!("{}: job {}, queue {}, priority {}", row.name, row.kind, row.queue, row.priority);
    println!("times     {} in {}; gap {}, fold {}", row.cron, row.timezone, row.gap, row.fold);
    println!("missed    {}{}", row.missed, bounds.into_iter().flatten().collect::<String>());
    println!("overlap   {}", row.overlap);
    println!("jitter    {} s", row.jitter_seconds);
    if let (Some(at), Some(reason)) = (row.paused_at, &row.paused_reason) {
        println!("paused    since {} UTC: {reason}", second(at));
    }
    if let (Some(at), Some(outcome)) = (row.last_fire_at, &row.last_outcome) {
        let job = row.last_job_id.map(|id| format!(", job {id}")).unwrap_or_default();
        println!("last      {} UTC: {outcome}{job}", second(at));
    }
    if let Some(problem) = &schedule.problem {
        println!("cannot fire: {problem}");
    }
    let zone: Option<Tz> = row.timezone.parse().ok();
    for (position, at) in schedule.upcoming.iter().enumerate() {
        let title = match (position, row.paused_at) {
            (0, None) => "next      ",
            (0, Some(_)) => "if resumed",
            _ => "          ",
        };
        let local = zone.map(|zone| at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string());
        println!("{title}{} UTC = {}", second(*at), local.unwrap_or_default());
    }
    if schedule.upcoming.is_empty() && schedule.problem.is_none() {
        println!("next      never");
    }
    Ok(())
}

fn history(fires: &[FireView], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(fires)?);
        return Ok(());
    }
    let header = ["fire", "time (UTC)", "entered (UTC)", "by", "outcome", "job", "state", "error"];
    let mut table = table(&header, header.len());
    for fire in fires {
        table.add_row([
            fire.fire_id.to_string(),
            second(fire.fire_at),
            second(fire.fired_at),
            if fire.manual { "hand" } else { "clock" }.to_owned(),
            fire.outcome.clone(),
            fire.job_id.map(|id| id.to_string()).unwrap_or_default(),
            fire.job_state.clone().unwrap_or_default(),
            fire.job_error.clone().unwrap_or_default(),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn second(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
