//! `tallyline number`.

use serde_json::{Value, json};
use sqlx::PgConnection;
use tallyline_jobs::admin_log::{self, COMMAND_LINE, Entry};
use uuid::Uuid;

use super::Outcome;
use super::context::Database;
use super::table::table;
use crate::config::Config;
use crate::tenants::numbers::{self, NewNumber, NumberRow};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a number that the platform has got
    Add {
        /// With + and country code, such as +12025550100
        number: String,
        #[arg(long)]
        name: String,
        /// The number's id at Bolna
        #[arg(long)]
        bolna_id: String,
    },
    /// The numbers in use
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<Uuid>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a number to an agent; events that waited for it are applied
    Assign {
        number: String,
        #[arg(long)]
        tenant: Uuid,
        /// The agent's id, as `agent list` prints it
        #[arg(long)]
        agent: Uuid,
    },
    /// Take a number from its tenant
    Release { number: String },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let mut tx = pool.begin().await?;
    match command {
        Command::Add { number, name, bolna_id } => {
            let new = NewNumber { number, name, bolna_phone_number_id: bolna_id, created_by: COMMAND_LINE };
            let id = numbers::add(&mut tx, &new).await?;
            let details = json!({ "name": new.name, "bolna_phone_number_id": new.bolna_phone_number_id });
            record(&mut tx, "number.add", id, None, details).await?;
            println!("number {id}");
        }
        Command::List { tenant, json } => print(&numbers::list(&mut tx, tenant).await?, json),
        Command::Assign { number, tenant, agent } => {
            let assigned = numbers::assign(&mut tx, &number, tenant, agent).await?;
            let details = json!({ "agent_id": agent, "released_events": assigned.released_events });
            record(&mut tx, "number.assign", assigned.number_id, Some(tenant), details).await?;
            println!("assigned; {} events that waited for it are applied now", assigned.released_events);
        }
        Command::Release { number } => {
            let (id, tenant) = numbers::release(&mut tx, &number).await?;
            record(&mut tx, "number.release", id, tenant, json!({})).await?;
            println!("released");
        }
    }
    tx.commit().await?;
    pool.close().await;
    database.close().await?;
    Ok(Outcome::Fine)
}

/// A number is the platform's, so a change of it may concern no tenant.
async fn record(
    conn: &mut PgConnection,
    action: &str,
    id: Uuid,
    tenant: Option<Uuid>,
    details: Value,
) -> Result<(), sqlx::Error> {
    let entry = Entry {
        admin_user_id: COMMAND_LINE,
        action,
        resource_type: "phone_number",
        resource_id: Some(id.to_string()),
        target_user_id: tenant,
        details,
        address: None,
        user_agent: None,
    };
    admin_log::record(conn, &entry).await
}

fn print(numbers: &[NumberRow], json: bool) {
    if json {
        let rows: Vec<_> = numbers
            .iter()
            .map(|n| {
                json!({ "id": n.id, "name": n.name, "phone_number": n.phone_number, "phone_e164": n.phone_e164,
                    "bolna_phone_number_id": n.bolna_phone_number_id, "user_id": n.user_id, "agent_id": n.agent_id })
            })
            .collect();
        println!("{}", Value::Array(rows));
        return;
    }
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let mut table = table(&["number", "name", "Bolna id", "tenant", "agent"], 5);
    for n in numbers {
        table.add_row([
            n.phone_e164.clone().unwrap_or_else(|| n.phone_number.clone()),
            n.name.clone(),
            n.bolna_phone_number_id.clone(),
            text(n.user_id),
            text(n.agent_id),
        ]);
    }
    println!("{table}");
}
