//! `tallyline inbox show`.

use sqlx::PgPool;

use super::{body_json, moment, print_body};
use crate::cli::Outcome;
use crate::cli::names::NotThere;
use crate::cli::table::grouped;
use crate::inbox::{self, Details, Held};

const EXAMPLES: &str = "\
Examples:
  tallyline inbox show 4711
  tallyline inbox show 4711 --body            with the body, which may hold what is nobody's business
  tallyline inbox show --quarantined 17       an entry of the quarantine, by its own id";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// Of the webhook
    #[arg(required_unless_present = "quarantined")]
    id: Option<i64>,
    /// The entry of the quarantine with this id
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    quarantined: Option<i64>,
    /// Show the body, too: it may hold what is nobody's business
    #[arg(long)]
    body: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(pool: &PgPool, args: Args) -> anyhow::Result<Outcome> {
    let mut db = pool.acquire().await?;
    let (mut value, body) = if let Some(id) = args.quarantined {
        let found = inbox::held_one(&mut db, id, args.body).await?;
        let found = found.ok_or_else(|| NotThere(format!("there is no entry {id} in quarantine")))?;
        if !args.json {
            print_held(&found);
        }
        (serde_json::to_value(&found)?, found.body)
    } else {
        let id = args.id.unwrap_or_default();
        let found = inbox::show(&mut db, id, args.body).await?;
        let found = found.ok_or_else(|| NotThere(format!("there is no webhook {id} in the inbox")))?;
        if !args.json {
            print_details(&found);
        }
        (serde_json::to_value(&found)?, found.body)
    };
    if args.json {
        if args.body {
            value["body"] = body_json(body);
        }
        println!("{value}");
    } else if args.body {
        match body {
            Some(body) => print_body(&body)?,
            None => println!("\nthe body is past its retention"),
        }
    }
    Ok(Outcome::Fine)
}

fn line(name: &str, value: impl std::fmt::Display) {
    println!("{name:<12} {value}");
}

fn size(bytes: Option<i32>) -> String {
    bytes.map_or_else(|| "stripped, past its retention".to_owned(), |bytes| format!("{} bytes", grouped(bytes.into())))
}

fn print_details(it: &Details) {
    line("webhook", it.id);
    line("tenant", it.tenant);
    line("provider", format!("{} at endpoint {}", it.provider, it.endpoint));
    line("received", moment(it.received_at));
    line("state", &it.state);
    if let Some(claims) = it.claims.filter(|claims| *claims > 0) {
        line("claims", format!("{claims}: begun alone so often, and not ended"));
    }
    if let Some(sid) = &it.waits_for {
        line("waits for", sid);
    }
    if let Some(at) = it.not_before {
        line("tried next", moment(at));
    }
    if let Some(reason) = &it.reason {
        line("reason", format!("{reason} {}", it.detail.as_deref().unwrap_or_default()).trim_end());
        line("quarantine", it.quarantine_id.unwrap_or_default());
        line("since", it.held_since.map(moment).unwrap_or_default());
    }
    if let Some(key) = &it.held_for {
        line("held for", key);
    }
    line("headers", &it.headers);
    line("body", size(it.bytes));
    line("sha256", &it.sha256);
}

fn print_held(it: &Held) {
    line("quarantine", it.id);
    match it.inbox_id {
        Some(id) => line("webhook", id),
        None => line("webhook", "refused at the door"),
    }
    line("tenant", it.tenant);
    line("provider", format!("{} at endpoint {}", it.provider, it.endpoint));
    line("received", moment(it.received_at));
    line("since", moment(it.held_since));
    line("reason", format!("{} {}", it.reason, it.detail).trim_end());
    if let Some(key) = &it.waits_for {
        line("held for", key);
    }
    line("body", size(it.bytes));
}
