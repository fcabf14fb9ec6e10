//! `tallyline tenant`.

use std::time::Duration;

use serde_json::json;
use tallyline_jobs::settings::{self, Settings};
use tallyline_model::Provider;
use uuid::Uuid;

use super::context::Database;
use super::table::{grouped, micros, table};
use super::{Outcome, announce, provider, tenant_analysis, tenant_data, trail};
use crate::config::Config;
use crate::daemon::sealing_key;
use crate::tenants::{self, CreatedEndpoint, NewTenant, Qualification, TwilioAccount};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a tenant with its three webhook endpoints; the secrets are shown once
    Add(Add),
    /// All tenants
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a tenant's settings
    Set(Set),
    /// Who analyses the tenant's leads
    #[command(subcommand)]
    Analysis(tenant_analysis::Command),
    /// Give an endpoint a new secret; the old one is accepted for a while
    RotateSecret {
        tenant: Uuid,
        /// bolna, twilio or analysis
        provider: String,
        /// Hours that the old secret is still accepted
        #[arg(long, default_value_t = 24)]
        overlap_hours: u64,
        /// Secret to use, read from standard input, instead of a random one
        #[arg(long)]
        from_stdin: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a provider send from these addresses only; each must be named again
    AllowIps {
        tenant: Uuid,
        /// bolna, twilio or analysis
        provider: String,
        /// Addresses and networks; Bolna's are 13.203.39.153 13.126.9.249 13.202.133.53
        #[arg(required_unless_present = "any", conflicts_with = "any")]
        addresses: Vec<String>,
        /// From everywhere, as at first
        #[arg(long)]
        any: bool,
    },
    /// Accounts at the providers, asked for what no webhook told
    #[command(subcommand)]
    Provider(provider::Command),
    /// Write everything of a tenant to files, one for each table
    Export(tenant_data::Export),
    /// Remove everything of a tenant, for good
    Erase(tenant_data::Erase),
}

#[derive(Debug, clap::Args)]
pub(super) struct Set {
    tenant: Uuid,
    /// IANA zone; hours, days and months are rebuilt in the new one
    #[arg(long)]
    timezone: Option<String>,
    /// Whether the tenant appears in the KPI view and gets caches
    #[arg(long)]
    active: Option<bool>,
    /// What the analysis calls a full total score; leads are put into their bands anew
    #[arg(long)]
    score_scale: Option<i16>,
    /// What the analysis calls a full single score
    #[arg(long)]
    dimension_scale: Option<i16>,
    /// Percentage of a full total from which on a lead is hot
    #[arg(long)]
    hot: Option<i16>,
    #[arg(long)]
    warm: Option<i16>,
    #[arg(long)]
    cold: Option<i16>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    #[arg(long)]
    name: String,
    #[arg(long)]
    email: String,
    /// IANA zone such as Asia/Kolkata
    #[arg(long, default_value = "UTC")]
    timezone: String,
    /// Currency of the provider's prices
    #[arg(long, default_value = "USD")]
    currency: String,
    /// What the analysis calls a full total score
    #[arg(long, default_value_t = 15)]
    score_scale: i16,
    /// What the analysis calls a full single score
    #[arg(long, default_value_t = 3)]
    dimension_scale: i16,
    /// Calls are charged by begun pulses of this length [default: the setting billing_pulse_seconds]
    #[arg(long)]
    billing_pulse_seconds: Option<i32>,
    /// Calling code for numbers without one, such as 91
    #[arg(long)]
    default_country_code: Option<String>,
    /// Twilio's account; events of another one are held back
    #[arg(long)]
    twilio_account_sid: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    let outcome = match command {
        Command::Export(args) => tenant_data::export(&pool, args).await,
        Command::Erase(args) => tenant_data::erase(&config, &pool, args).await,
        command => change(&config, &pool, command).await,
    };
    pool.close().await;
    database.close().await?;
    outcome
}

/// The commands that are one transaction.
async fn change(config: &Config, pool: &sqlx::PgPool, command: Command) -> anyhow::Result<Outcome> {
    let mut tx = pool.begin().await?;
    match command {
        Command::Add(add) => {
            let json = add.json;
            let (settings, _) = settings::read(pool, &Settings::default()).await?;
            let tenant = new_tenant(add, &settings);
            let details = json!({ "name": tenant.name, "timezone": tenant.timezone });
            let created = tenants::create_tenant(&mut tx, &sealing_key(config)?, tenant).await?;
            let resource = ("tenant", created.user_id.to_string());
            trail::record(&mut tx, "tenant.add", resource, created.user_id, details).await?;
            tx.commit().await?;
            print_created(config, created.user_id, &created.endpoints, json);
        }
        Command::List { json } => {
            list(&mut tx, json).await?;
            tx.commit().await?;
        }
        Command::Set(change) => {
            set(&mut tx, change).await?;
            tx.commit().await?;
            // Other thresholds qualify leads anew.
            announce::jobs(config, pool).await;
        }
        Command::Analysis(command) => {
            tenant_analysis::run(&mut tx, || sealing_key(config), read_secret, command).await?;
            tx.commit().await?;
        }
        Command::RotateSecret { tenant, provider, overlap_hours, from_stdin, json } => {
            let provider = parse_provider(&provider)?;
            let supplied = if from_stdin { Some(read_secret()?) } else { None };
            let overlap = Duration::from_secs(overlap_hours.saturating_mul(3600));
            let endpoint =
                tenants::rotate_secret(&mut tx, &sealing_key(config)?, tenant, provider, supplied.as_deref(), overlap)
                    .await?;
            let resource = ("endpoint", endpoint.endpoint.clone());
            let details = json!({ "provider": provider.as_str(), "overlap_hours": overlap_hours });
            trail::record(&mut tx, "endpoint.rotate_secret", resource, tenant, details).await?;
            tx.commit().await?;
            print_created(config, tenant, &[endpoint], json);
        }
        Command::AllowIps { tenant, provider, addresses, any } => {
            let provider = parse_provider(&provider)?;
            let allowed = (!any).then_some(addresses);
            tenants::set_allowed_ips(&mut tx, tenant, provider, allowed.as_deref()).await?;
            let details = json!({ "provider": provider.as_str(), "allowed_ips": allowed });
            trail::record(&mut tx, "endpoint.allow_ips", ("tenant", tenant.to_string()), tenant, details).await?;
            tx.commit().await?;
            println!("{provider} may send from {}", allowed.map_or("everywhere".to_owned(), |list| list.join(" ")));
        }
        Command::Provider(command) => {
            provider::run(&mut tx, config, command).await?;
            tx.commit().await?;
        }
        Command::Export(_) | Command::Erase(_) => anyhow::bail!("no command of one transaction"),
    }
    Ok(Outcome::Fine)
}

fn parse_provider(text: &str) -> anyhow::Result<Provider> {
    text.parse().map_err(|_| anyhow::anyhow!("provider is bolna, twilio or analysis"))
}

/// Changes what is named; the rest stays.
async fn set(tx: &mut sqlx::PgConnection, change: Set) -> anyhow::Result<()> {
    let Set { tenant, timezone, active, score_scale, dimension_scale, hot, warm, cold } = change;
    let details = json!({ "timezone": timezone, "active": active, "score_scale": score_scale,
        "dimension_scale": dimension_scale, "hot": hot, "warm": warm, "cold": cold });
    trail::record(tx, "tenant.set", ("tenant", tenant.to_string()), tenant, details).await?;
    if let Some(active) = active {
        tenants::set_active(tx, tenant, active).await?;
        println!("active: {active}");
    }
    if let Some(zone) = timezone {
        tenants::set_timezone(tx, tenant, &zone).await?;
        println!("zone is {zone}; hours, days and months are being rebuilt");
    }
    if [score_scale, dimension_scale, hot, warm, cold].iter().any(Option::is_some) {
        let change = Qualification {
            score_scale,
            dimension_scale,
            hot_threshold_percent: hot,
            warm_threshold_percent: warm,
            cold_threshold_percent: cold,
        };
        tenants::set_qualification(tx, tenant, change).await?;
        println!("leads are being put into their bands anew");
    }
    Ok(())
}

/// What is not said comes from the run-time settings.
fn new_tenant(add: Add, settings: &Settings) -> NewTenant {
    NewTenant {
        timezone: add.timezone,
        currency: add.currency,
        score_scale: add.score_scale,
        dimension_scale: add.dimension_scale,
        billing_pulse_seconds: add.billing_pulse_seconds.unwrap_or(settings.billing_pulse_seconds),
        credits_per_minute_micros: settings.credits_per_minute_micros,
        credits_micros: settings.new_user_bonus_credits * 1_000_000,
        default_country_code: add.default_country_code,
        twilio: TwilioAccount { auth_token: None, account_sid: add.twilio_account_sid },
        ..NewTenant::new(add.name, add.email)
    }
}

pub(super) fn read_secret() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn print_created(config: &Config, user_id: Uuid, endpoints: &[CreatedEndpoint], json: bool) {
    let url =
        |e: &CreatedEndpoint| format!("{}/webhooks/{}/{}", config.public_origin(), e.provider.as_str(), e.endpoint);
    if json {
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|e| serde_json::json!({ "provider": e.provider.as_str(), "url": url(e), "secret": e.secret }))
            .collect();
        println!("{}", serde_json::json!({ "user_id": user_id, "endpoints": endpoints }));
        return;
    }
    println!("tenant {user_id}");
    for endpoint in endpoints {
        println!("{:9} {}", endpoint.provider.as_str(), url(endpoint));
        println!("{:9} secret {}", "", endpoint.secret);
    }
    println!("The secrets are shown this once. Bolna: header Authorization: Bearer <secret>.");
}

async fn list(conn: &mut sqlx::PgConnection, json: bool) -> anyhow::Result<()> {
    let tenants = tenants::list_tenants(conn).await?;
    if json {
        let rows: Vec<_> = tenants
            .iter()
            .map(|t| {
                serde_json::json!({ "user_id": t.user_id, "name": t.name, "email": t.email, "timezone": t.timezone,
                    "currency": t.currency, "credits_micros": t.credits_micros, "is_active": t.is_active, "agents": t.agents })
            })
            .collect();
        println!("{}", serde_json::Value::Array(rows));
        return Ok(());
    }
    let mut table = table(&["tenant", "name", "zone", "active", "agents", "credits"], 4);
    for t in tenants {
        table.add_row([
            t.user_id.to_string(),
            t.name,
            t.timezone,
            t.is_active.to_string(),
            grouped(t.agents),
            micros(t.credits_micros),
        ]);
    }
    println!("{table}");
    Ok(())
}
