//! `tallyline notify`: what tenants are told, and where to.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use tallyline_jobs::notify::{self, Created, EndpointRow, KINDS, NotificationRow, STATES};
use uuid::Uuid;

use super::context::Database;
use super::table::{grouped, table};
use super::{Outcome, WrongUsage, trail};
use crate::config::Config;
use crate::daemon::sealing_key;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Where notifications are posted to
    #[command(subcommand)]
    Endpoint(Endpoint),
    /// A tenant's newest notifications and what has become of them
    List {
        #[arg(long)]
        tenant: Uuid,
        /// waiting, unwanted, pending, delivered, failed or cancelled [default: all]
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(STATES))]
        state: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Send again: one notification, or with --failed all that were given up or cancelled
    Replay {
        #[arg(long)]
        tenant: Uuid,
        #[arg(required_unless_present = "failed")]
        notification: Option<Uuid>,
        #[arg(long, conflicts_with = "notification")]
        failed: bool,
        /// Only to this endpoint
        #[arg(long)]
        endpoint: Option<Uuid>,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Endpoint {
    /// Add an endpoint; its secret is shown once
    Add {
        #[arg(long)]
        tenant: Uuid,
        /// https address (http for this machine only)
        #[arg(long)]
        url: String,
        /// Only this kind; may be repeated [default: all]
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(KINDS))]
        kind: Vec<String>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// A tenant's endpoints
    List {
        #[arg(long)]
        tenant: Uuid,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Give an endpoint a new secret; for a while messages are signed with both
    Rotate {
        #[arg(long)]
        tenant: Uuid,
        endpoint: Uuid,
        /// Hours that the old secret signs too
        #[arg(long, default_value_t = 24)]
        overlap_hours: u64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Send nothing to it any more; what it was still to get is cancelled
    Disable {
        #[arg(long)]
        tenant: Uuid,
        endpoint: Uuid,
        /// Why, for whoever looks at it later
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Send to it again, first of all what was cancelled
    Enable {
        #[arg(long)]
        tenant: Uuid,
        endpoint: Uuid,
    },
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
        Command::Endpoint(command) => endpoint(config, pool, command).await?,
        Command::List { tenant, state, limit, json } => {
            let mut connection = pool.acquire().await?;
            print_notifications(&notify::list(&mut connection, tenant, state.as_deref(), limit).await?, json);
        }
        Command::Replay { tenant, notification, endpoint, .. } => {
            let mut tx = pool.begin().await?;
            let deliveries = notify::replay(&mut tx, tenant, notification, endpoint).await?;
            let resource = notification.map_or_else(|| "all".to_owned(), |id| id.to_string());
            let details = json!({ "endpoint": endpoint, "deliveries": deliveries });
            trail::record(&mut tx, "notification.replay", ("notification", resource), tenant, details).await?;
            tx.commit().await?;
            println!("{} to be sent again", grouped(i64::try_from(deliveries).unwrap_or(i64::MAX)));
        }
    }
    Ok(Outcome::Fine)
}

async fn endpoint(config: &Config, pool: &PgPool, command: Endpoint) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    match command {
        Endpoint::Add { tenant, url, kind, json } => {
            let created = notify::add_endpoint(&mut tx, &sealing_key(config)?, tenant, &url, Some(&kind)).await?;
            // A path or query may be a secret of its own.
            let host = notify::checked_url(&url)?.host_str().map(str::to_owned);
            let details = json!({ "host": host, "kinds": kind });
            record(&mut tx, "notification_endpoint.add", created.id, tenant, details).await?;
            tx.commit().await?;
            print_created(&created, json);
        }
        Endpoint::List { tenant, json } => print_endpoints(&notify::list_endpoints(&mut tx, tenant).await?, json),
        Endpoint::Rotate { tenant, endpoint, overlap_hours, json } => {
            let seconds = overlap_hours.checked_mul(3600).ok_or(WrongUsage("the overlap is too long"))?;
            let overlap = Duration::from_secs(seconds);
            let created = notify::rotate_endpoint(&mut tx, &sealing_key(config)?, tenant, endpoint, overlap).await?;
            let details = json!({ "overlap_hours": overlap_hours });
            record(&mut tx, "notification_endpoint.rotate", endpoint, tenant, details).await?;
            tx.commit().await?;
            print_created(&created, json);
        }
        Endpoint::Disable { tenant, endpoint, reason } => {
            let changed = notify::disable_endpoint(&mut tx, tenant, endpoint, &reason).await?;
            record(&mut tx, "notification_endpoint.disable", endpoint, tenant, json!({ "reason": reason })).await?;
            tx.commit().await?;
            println!("{}", if changed { "disabled" } else { "was disabled already" });
        }
        Endpoint::Enable { tenant, endpoint } => {
            let changed = notify::enable_endpoint(&mut tx, tenant, endpoint).await?;
            record(&mut tx, "notification_endpoint.enable", endpoint, tenant, json!({})).await?;
            tx.commit().await?;
            println!("{}", if changed { "enabled" } else { "was enabled already" });
        }
    }
    Ok(())
}

async fn record(
    tx: &mut sqlx::PgConnection,
    action: &str,
    endpoint: Uuid,
    tenant: Uuid,
    details: Value,
) -> Result<(), sqlx::Error> {
    trail::record(tx, action, ("notification_endpoint", endpoint.to_string()), tenant, details).await
}

fn print_created(created: &Created, json: bool) {
    if json {
        println!("{}", json!({ "endpoint": created.id, "secret": created.secret }));
    } else {
        println!("endpoint {}\nsecret   {}   (shown once)", created.id, created.secret);
    }
}

fn print_endpoints(rows: &[EndpointRow], json: bool) {
    if json {
        let rows = rows.iter().map(|e| {
            json!({ "endpoint": e.id, "url": e.url, "kinds": e.kinds, "created_at": e.created_at,
                "previous_expires_at": e.previous_expires_at, "disabled_at": e.disabled_at,
                "disabled_reason": e.disabled_reason, "failures": e.failures, "pending": e.pending, "failed": e.failed })
        });
        println!("{}", rows.collect::<Value>());
        return;
    }
    let mut table = table(&["endpoint", "url", "kinds", "state", "failures", "pending", "failed"], 4);
    for e in rows {
        table.add_row([
            e.id.to_string(),
            e.url.clone(),
            e.kinds.as_ref().map_or_else(|| "all".to_owned(), |kinds| kinds.join(", ")),
            e.disabled_reason.as_ref().map_or_else(|| "enabled".to_owned(), |why| format!("disabled: {why}")),
            e.failures.to_string(),
            grouped(e.pending),
            grouped(e.failed),
        ]);
    }
    println!("{table}");
}

fn print_notifications(rows: &[NotificationRow], json: bool) {
    if json {
        let rows = rows.iter().map(|n| {
            json!({ "notification": n.id, "kind": n.kind, "created_at": n.created_at, "endpoint": n.endpoint_id,
                "state": n.state, "attempts": n.attempts, "next_attempt_at": n.next_attempt_at,
                "last_status": n.last_status, "last_error": n.last_error })
        });
        println!("{}", rows.collect::<Value>());
        return;
    }
    let header =
        ["notification", "kind", "written (UTC)", "endpoint", "state", "attempts", "next (UTC)", "last answer"];
    let mut table = table(&header, header.len());
    for n in rows {
        let answer = [n.last_status.map(|status| status.to_string()), n.last_error.clone()];
        table.add_row([
            n.id.to_string(),
            n.kind.clone(),
            n.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            n.endpoint_id.map(|id| id.to_string()).unwrap_or_default(),
            n.state.clone(),
            n.attempts.map(|attempts| attempts.to_string()).unwrap_or_default(),
            n.next_attempt_at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default(),
            answer.into_iter().flatten().collect::<Vec<_>>().join(" "),
        ]);
    }
    println!("{table}");
}
