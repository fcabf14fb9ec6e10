//! `tallyline credits`.

use serde_json::json;
use sqlx::PgConnection;
use tallyline_model::credits_text_to_micros;
use uuid::Uuid;

use super::context::Database;
use super::table::{micros, table};
use super::{Outcome, trail};
use crate::config::Config;
use crate::tenants::credits::{self, LedgerEntry, Reason};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Enter a purchase or a bonus
    Add {
        #[arg(long)]
        tenant: Uuid,
        /// Credits, with up to six decimals
        #[arg(long, value_parser = amount, value_name = "CREDITS")]
        amount: i64,
        /// A purchase: the payment's id. The same payment again changes nothing
        #[arg(long, required_unless_present = "bonus", conflicts_with = "bonus")]
        payment_id: Option<String>,
        /// A bonus
        #[arg(long)]
        bonus: bool,
        /// A name for a bonus: the same again changes nothing
        #[arg(long, requires = "bonus")]
        key: Option<String>,
        /// What the tenant reads in its ledger
        #[arg(long)]
        note: Option<String>,
    },
    /// Put a balance right, up or down
    Adjust {
        #[arg(long)]
        tenant: Uuid,
        /// Credits, with up to six decimals; below zero: taken
        #[arg(long, value_parser = amount, value_name = "CREDITS", allow_hyphen_values = true)]
        amount: i64,
        /// Why, as the tenant reads it in its ledger
        #[arg(long)]
        reason: String,
        /// A name for the adjustment: the same again changes nothing
        #[arg(long)]
        key: Option<String>,
    },
    /// The newest entries of a tenant's ledger
    List {
        #[arg(long)]
        tenant: Uuid,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: i64,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

fn amount(text: &str) -> Result<i64, &'static str> {
    credits_text_to_micros(text).ok_or("a number with at most six decimals")
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let mut tx = pool.begin().await?;
    match command {
        Command::Add { tenant, amount, payment_id, bonus: _, key, note } => {
            let (reason, described) = match payment_id {
                Some(payment_id) => (Reason::Purchase { payment_id }, "Purchase"),
                None => (Reason::Bonus { key }, "Bonus"),
            };
            enter(&mut tx, tenant, &reason, amount, note.as_deref().unwrap_or(described)).await?;
        }
        Command::Adjust { tenant, amount, reason, key } => {
            enter(&mut tx, tenant, &Reason::Adjustment { key }, amount, &reason).await?;
        }
        Command::List { tenant, limit, json } => print(&credits::list(&mut tx, tenant, limit).await?, json),
    }
    tx.commit().await?;
    pool.close().await;
    database.close().await?;
    Ok(Outcome::Fine)
}

async fn enter(
    tx: &mut PgConnection,
    tenant: Uuid,
    reason: &Reason,
    amount_micros: i64,
    description: &str,
) -> anyhow::Result<()> {
    let recorded = credits::enter(tx, tenant, reason, amount_micros, description).await?;
    let entry = &recorded.entry;
    if recorded.is_new {
        let action = if entry.kind == "admin_adjustment" { "credits.adjust" } else { "credits.add" };
        let details = json!({ "type": entry.kind, "amount_micros": entry.amount_micros,
            "balance_after_micros": entry.balance_after_micros, "payment_id": entry.payment_id });
        trail::record(tx, action, ("credit_transaction", entry.id.to_string()), tenant, details).await?;
    }
    let told = if recorded.is_new { "entered" } else { "entered already, nothing changed" };
    println!(
        "{told}: {} {}, balance after it {}",
        entry.kind,
        micros(entry.amount_micros),
        micros(entry.balance_after_micros)
    );
    Ok(())
}

fn print(entries: &[LedgerEntry], json: bool) {
    if json {
        let rows: Vec<_> = entries
            .iter()
            .map(|e| {
                json!({ "id": e.id, "entry_no": e.entry_no, "type": e.kind, "amount_micros": e.amount_micros,
                    "balance_after_micros": e.balance_after_micros, "description": e.description,
                    "payment_id": e.payment_id, "call_id": e.call_id, "created_at": e.created_at })
            })
            .collect();
        println!("{}", serde_json::Value::Array(rows));
        return;
    }
    let mut table = table(&["when", "type", "description", "call", "credits", "balance"], 4);
    for e in entries {
        table.add_row([
            e.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            e.kind.clone(),
            e.description.clone(),
            e.call_id.map(|id| id.to_string()).unwrap_or_default(),
            micros(e.amount_micros),
            micros(e.balance_after_micros),
        ]);
    }
    println!("{table}");
}
