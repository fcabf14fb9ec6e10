//! `tallyline follow-up`.

use chrono::NaiveDate;
use serde_json::json;
use sqlx::PgPool;
use tallyline_jobs::admin_log::COMMAND_LINE;
use uuid::Uuid;

use super::context::Database;
use super::table::table;
use super::{Outcome, trail};
use crate::config::Config;
use crate::tenants::{self, FollowUpChange, FollowUpRow, NewFollowUp};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a follow-up
    Add(Add),
    /// A tenant's follow-ups, the next first
    List {
        #[arg(long)]
        tenant: Uuid,
        /// pending, completed or cancelled [default: all]
        #[arg(long, value_parser = ["pending", "completed", "cancelled"])]
        status: Option<String>,
        /// How many
        #[arg(long, default_value_t = 100)]
        limit: i64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// It was done
    Complete {
        #[arg(long)]
        tenant: Uuid,
        follow_up: Uuid,
    },
    /// It is not to be done
    Cancel {
        #[arg(long)]
        tenant: Uuid,
        follow_up: Uuid,
    },
    /// Put it on another day; the tenant is reminded again
    Reschedule {
        #[arg(long)]
        tenant: Uuid,
        follow_up: Uuid,
        /// Day of the tenant's zone
        #[arg(long)]
        date: NaiveDate,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    #[arg(long)]
    tenant: Uuid,
    /// Day of the tenant's zone
    #[arg(long)]
    date: NaiveDate,
    /// The lead's number
    #[arg(long, required_unless_present = "email")]
    phone: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// The lead's name [default: the contact's of that number]
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    remark: Option<String>,
    /// The call that it comes from
    #[arg(long)]
    call: Option<Uuid>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
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
        Command::Add(add) => {
            let (tenant, date, json) = (add.tenant, add.date, add.json);
            let new = NewFollowUp {
                phone: add.phone,
                email: add.email,
                name: add.name,
                date,
                remark: add.remark,
                call_id: add.call,
            };
            let mut tx = pool.begin().await?;
            let id = tenants::add_follow_up(&mut tx, tenant, &new, COMMAND_LINE).await?;
            // The lead is no part of the trail: it is kept longer than leads are.
            let details = json!({ "date": date, "call_id": new.call_id });
            trail::record(&mut tx, "follow_up.add", ("follow_up", id.to_string()), tenant, details).await?;
            tx.commit().await?;
            match json {
                true => println!("{}", json!({ "follow_up": id })),
                false => println!("follow-up {id}"),
            }
        }
        Command::List { tenant, status, limit, json } => {
            let mut connection = pool.acquire().await?;
            let rows = tenants::list_follow_ups(&mut connection, tenant, status.as_deref(), limit).await?;
            print(&rows, json)?;
        }
        Command::Complete { tenant, follow_up } => change(pool, tenant, follow_up, FollowUpChange::Complete).await?,
        Command::Cancel { tenant, follow_up } => change(pool, tenant, follow_up, FollowUpChange::Cancel).await?,
        Command::Reschedule { tenant, follow_up, date } => {
            change(pool, tenant, follow_up, FollowUpChange::Reschedule(date)).await?;
        }
    }
    Ok(Outcome::Fine)
}

async fn change(pool: &PgPool, tenant: Uuid, id: Uuid, change: FollowUpChange) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    let before = tenants::change_follow_up(&mut tx, tenant, id, change, COMMAND_LINE).await?;
    let (action, said, details) = match change {
        FollowUpChange::Complete => ("follow_up.complete", "completed".to_owned(), json!({ "date": before })),
        FollowUpChange::Cancel => ("follow_up.cancel", "cancelled".to_owned(), json!({ "date": before })),
        FollowUpChange::Reschedule(date) => {
            ("follow_up.reschedule", format!("now on {date}"), json!({ "before": before, "after": date }))
        }
    };
    trail::record(&mut tx, action, ("follow_up", id.to_string()), tenant, details).await?;
    tx.commit().await?;
    println!("follow-up {id}: {said}");
    Ok(())
}

fn print(rows: &[FollowUpRow], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(rows)?);
        return Ok(());
    }
    let mut table = table(&["follow-up", "date", "status", "from", "number", "name", "remark"], 7);
    for row in rows {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        table.add_row([
            row.id.to_string(),
            row.follow_up_date.to_string(),
            row.status.clone(),
            row.source.clone(),
            row.phone_e164.clone().unwrap_or_else(|| text(&row.lead_phone)),
            text(&row.lead_name),
            text(&row.remark),
        ]);
    }
    println!("{table}");
    Ok(())
}
