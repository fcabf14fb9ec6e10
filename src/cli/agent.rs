//! `tallyline agent`.

use serde_json::json;
use uuid::Uuid;

use super::context::Database;
use super::table::table;
use super::{Outcome, trail};
use crate::config::Config;
use crate::tenants;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add an agent; events that waited for it are applied
    Add {
        tenant: Uuid,
        /// The agent's id at Bolna, as webhooks name it
        #[arg(long)]
        bolna_agent_id: String,
        #[arg(long)]
        name: String,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// The agents of a tenant
    List {
        tenant: Uuid,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let mut tx = pool.begin().await?;
    match command {
        Command::Add { tenant, bolna_agent_id, name, json } => {
            let id = tenants::add_agent(&mut tx, tenant, &bolna_agent_id, &name).await?;
            let details = json!({ "bolna_agent_id": bolna_agent_id, "name": name });
            trail::record(&mut tx, "agent.add", ("agent", id.to_string()), tenant, details).await?;
            tx.commit().await?;
            match json {
                true => println!("{}", json!({ "agent": id })),
                false => println!("agent {id}"),
            }
        }
        Command::List { tenant, json } => {
            let agents = tenants::list_agents(&mut tx, tenant).await?;
            tx.commit().await?;
            if json {
                let rows: Vec<_> = agents
                    .iter()
                    .map(|a| serde_json::json!({ "id": a.id, "bolna_agent_id": a.bolna_agent_id, "name": a.name, "is_active": a.is_active }))
                    .collect();
                println!("{}", serde_json::Value::Array(rows));
            } else {
                let mut table = table(&["agent", "name", "Bolna id", "active"], 4);
                for a in agents {
                    table.add_row([a.id.to_string(), a.name, a.bolna_agent_id, a.is_active.to_string()]);
                }
                println!("{table}");
            }
        }
    }
    pool.close().await;
    database.close().await?;
    Ok(Outcome::Fine)
}
