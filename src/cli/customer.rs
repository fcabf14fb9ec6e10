//! `tallyline customer`.

use serde_json::json;
use uuid::Uuid;

use super::context::Database;
use super::table::{grouped, micros, table};
use super::{Outcome, trail};
use crate::config::Config;
use crate::tenants::customers::{self, ContactKey, Conversion, CustomerRow};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a customer of a contact
    Convert {
        #[arg(long)]
        tenant: Uuid,
        /// The contact's id
        #[arg(long, required_unless_present = "phone", conflicts_with = "phone")]
        contact: Option<Uuid>,
        /// The contact's number
        #[arg(long)]
        phone: Option<String>,
        /// Where the lead came from
        #[arg(long)]
        source: Option<String>,
        /// Who looks after the customer
        #[arg(long)]
        sales_rep: Option<String>,
        #[arg(long)]
        notes: Option<String>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Customers with what they have come to, calls in history included
    List {
        #[arg(long)]
        tenant: Uuid,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Active, Inactive, Churned or On Hold; customers are never deleted
    SetStatus {
        #[arg(long)]
        tenant: Uuid,
        /// Such as CUST-2026-0001
        reference: String,
        status: String,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let mut tx = pool.begin().await?;
    match command {
        Command::Convert { tenant, contact, phone, source, sales_rep, notes, json } => {
            let key = match contact {
                Some(id) => ContactKey::Id(id),
                None => ContactKey::Phone(phone.unwrap_or_default()),
            };
            let details = json!({ "source": source, "sales_rep": sales_rep });
            let conversion = Conversion { source, sales_rep, notes };
            let customer = customers::convert(&mut tx, tenant, &key, &conversion).await?;
            let resource = ("customer", customer.id.to_string());
            trail::record(&mut tx, "customer.convert", resource, tenant, details).await?;
            match json {
                true => println!("{}", json!({ "customer": customer.reference, "contact": customer.contact_id })),
                false => println!("customer {} of contact {}", customer.reference, customer.contact_id),
            }
        }
        Command::List { tenant, json } => print(&customers::list(&mut tx, tenant).await?, json),
        Command::SetStatus { tenant, reference, status } => {
            let (id, before) = customers::set_status(&mut tx, tenant, &reference, &status).await?;
            let details = json!({ "before": before, "after": status });
            trail::record(&mut tx, "customer.set_status", ("customer", id.to_string()), tenant, details).await?;
            println!("{reference}: {before} → {status}");
        }
    }
    tx.commit().await?;
    pool.close().await;
    database.close().await?;
    Ok(Outcome::Fine)
}

fn print(customers: &[CustomerRow], json: bool) {
    if json {
        let rows: Vec<_> = customers
            .iter()
            .map(|c| {
                json!({ "id": c.id, "contact_id": c.contact_id, "reference": c.reference, "name": c.name, "status": c.status,
                    "conversion_date": c.conversion_date, "total_calls": c.total_calls, "answered_calls": c.answered_calls,
                    "talk_seconds": c.talk_seconds, "total_minutes": c.total_minutes, "credits_micros": c.credits_micros,
                    "cost_micros": c.cost_micros, "leads": c.leads, "first_call_at": c.first_call_at,
                    "last_call_at": c.last_call_at, "last_interaction_date": c.last_interaction_date })
            })
            .collect();
        println!("{}", serde_json::Value::Array(rows));
        return;
    }
    let header =
        ["customer", "name", "status", "last call", "calls", "answered", "minutes", "credits", "cost", "leads"];
    let mut table = table(&header, 4);
    for c in customers {
        table.add_row([
            c.reference.clone(),
            c.name.clone(),
            c.status.clone(),
            c.last_call_at.map(|at| at.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
            grouped(c.total_calls),
            grouped(c.answered_calls),
            grouped(c.total_minutes),
            micros(c.credits_micros),
            micros(c.cost_micros),
            grouped(c.leads),
        ]);
    }
    println!("{table}");
}
