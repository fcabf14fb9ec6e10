//! `tallyline adopt`.

use std::time::Duration;

use anyhow::Context;

use super::context::Database;
use super::table::{grouped, micros, table};
use super::verify::wait_until_settled;
use super::{NotFound, Outcome, Refused};
use crate::adopt::{self, Comparison, Old, OldTenant, Taken, Terms};
use crate::config::Config;
use crate::daemon::sealing_key;
use crate::tenants;

const EXAMPLES: &str = "\
Examples:
  tallyline adopt --from-file old-url.txt --timezone Asia/Kolkata        everything
  tallyline adopt --from-file old-url.txt --tenant owner@acme.example    one tenant
  tallyline adopt --from-file old-url.txt --check                        compare, change nothing

The file holds postgres://user:password@host/db; the account may read the tables, nothing is written there. A daemon with
the role worker must run on the new database. docs/adopting.md says what is taken over and what is not.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// File with the address of the old database; - reads standard input
    #[arg(long, value_name = "FILE")]
    from_file: String,
    /// Only this tenant, by its e-mail address; may be repeated
    #[arg(long, value_name = "EMAIL")]
    tenant: Vec<String>,
    /// Take nothing over: compare what is there
    #[arg(long)]
    check: bool,
    /// Leave balances as our charges made them
    #[arg(long)]
    keep_balance: bool,
    /// Zone of tenants whose old row has none
    #[arg(long, default_value = "UTC")]
    timezone: String,
    /// What the old analyses call a full total score
    #[arg(long, default_value_t = 15)]
    score_scale: i16,
    /// What they call a full single score
    #[arg(long, default_value_t = 3)]
    dimension_scale: i16,
    /// Calling code for numbers without one, such as 91
    #[arg(long)]
    default_country_code: Option<String>,
    /// Seconds to wait until everything is applied
    #[arg(long, default_value_t = 600)]
    wait: u64,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<Outcome> {
    let url = match args.from_file.as_str() {
        "-" => std::io::read_to_string(std::io::stdin())?,
        file => std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?,
    };
    let mut old = Old::open(url.trim()).await.context("the old database cannot be opened")?;
    let tenants = old.tenants(&args.tenant).await.context("the old database has not the platform's tables")?;
    if let Some(email) = args.tenant.iter().find(|email| !tenants.iter().any(|t| t.email.eq_ignore_ascii_case(email))) {
        return Err(NotFound(format!("the old database has no tenant {email} with agents or calls")).into());
    }
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let mut taken = Vec::new();
    if !args.check {
        let key = sealing_key(&config)?;
        for tenant in &tenants {
            taken.push(adopt::adopt(&mut old, &pool, &key, tenant, &terms(&args)).await?);
        }
        if !wait_until_settled(&pool, Duration::from_secs(args.wait)).await? {
            let text =
                format!("not everything was applied within {} s: run a worker, then repeat this command", args.wait);
            return Err(Refused(text).into());
        }
    }
    let mut compared = Vec::new();
    for tenant in &tenants {
        let mut connection = pool.acquire().await?;
        let Some(user_id) = tenants::tenant_by_email(&mut connection, &tenant.email).await? else { continue };
        let corrected = match args.check || args.keep_balance {
            true => 0,
            false => adopt::settle_balance(&pool, tenant, user_id).await?,
        };
        compared.push((adopt::compare(&mut old, &pool, tenant, user_id).await?, corrected));
    }
    let is_complete = compared.len() == tenants.len() && compared.iter().all(|(of, _)| of.is_complete());
    match args.json {
        true => print_json(&taken, &compared, is_complete),
        false => print(&tenants, &taken, &compared),
    }
    pool.close().await;
    database.close().await?;
    Ok(if is_complete { Outcome::Fine } else { Outcome::ProblemsFound })
}

fn terms(args: &Args) -> Terms {
    Terms {
        timezone: args.timezone.clone(),
        score_scale: args.score_scale,
        dimension_scale: args.dimension_scale,
        default_country_code: args.default_country_code.clone(),
    }
}

fn print_json(taken: &[Taken], compared: &[(Comparison, i64)], is_complete: bool) {
    let compared: Vec<_> = compared
        .iter()
        .map(|(comparison, corrected)| serde_json::json!({ "comparison": comparison, "balance_corrected_micros": corrected }))
        .collect();
    println!("{}", serde_json::json!({ "complete": is_complete, "taken": taken, "compared": compared }));
}

fn print(tenants: &[OldTenant], taken: &[Taken], compared: &[(Comparison, i64)]) {
    for of in taken {
        println!(
            "{}: {}, {} agents, {} contacts, {} calls and {} analyses to the inbox",
            of.email,
            if of.is_new { "new tenant" } else { "known" },
            of.agents,
            of.contacts,
            of.calls,
            of.analyses
        );
    }
    for (comparison, corrected) in compared {
        println!("\n{}", comparison.email);
        let mut shown = table(&["", "old figures", "old rows", "Tallyline", "why they differ"], 5);
        for figure in &comparison.figures {
            let stored = (figure.old_stored != figure.old_counted).then_some(figure.why_stored);
            let ours = (figure.ours != figure.old_counted).then_some(figure.why_ours);
            let why: Vec<&str> = stored.into_iter().chain(ours).collect();
            let numbers = [figure.old_stored, figure.old_counted, figure.ours].map(grouped);
            let [old_stored, old_counted, ours] = numbers;
            shown.add_row([figure.name.to_owned(), old_stored, old_counted, ours, why.join("; ")]);
        }
        println!("{shown}");
        if comparison.without_id > 0 || comparison.quarantined > 0 {
            let (without_id, quarantined) = (comparison.without_id, comparison.quarantined);
            println!(
                "not taken over: {without_id} calls without the platform's id, {quarantined} events in quarantine"
            );
        }
        if *corrected != 0 {
            println!("balance put right by {}", micros(*corrected));
        }
    }
    if compared.len() < tenants.len() {
        println!("\n{} tenants are not taken over yet", tenants.len() - compared.len());
    }
}
