//! `tallyline account`.

use serde_json::json;
use tallyline_jobs::settings::SettingsHandle;
use uuid::Uuid;

use super::context::Database;
use super::table::table;
use super::{NotFound, Outcome, trail};
use crate::accounts::{self, Role, api_tokens, people};
use crate::config::Config;

/// Accounts in one listing.
const MOST: i64 = 10_000;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add an account; prints a link that sets its password
    Add {
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: String,
        /// user reads its own tenant, admin runs the pipeline, super_admin makes accounts
        #[arg(long, default_value = "user")]
        role: Role,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// The accounts
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a link that sets the password of an account; one made before is void
    Link {
        email: String,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Give an account another role
    Role { email: String, role: Role },
    /// Close an account: its sessions end and nobody signs in to it
    Close { email: String },
    /// Open an account that was closed
    Open { email: String },
    /// Make a token for a program; it is printed this once
    AddToken {
        email: String,
        /// What it is for
        #[arg(long)]
        name: String,
        /// It may change what the account may change; else it reads only
        #[arg(long)]
        may_change: bool,
        /// Days that it is good; without, until it is revoked
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..=3650))]
        days: Option<i32>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// The tokens of an account
    Tokens {
        email: String,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token out of use, for good
    RevokeToken { email: String, token: Uuid },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<Outcome> {
    let database = Database::open(&config).await?;
    let pool = database.pool(&config).await?;
    match command {
        Command::Add { email, name, role, json } => add(&config, &pool, (&email, &name), role, json).await?,
        Command::List { json } => list(&pool, json).await?,
        Command::Link { email, json } => link(&config, &pool, &email, json).await?,
        Command::Role { email, role } => change(&pool, &email, Some(role), None).await?,
        Command::Close { email } => change(&pool, &email, None, Some(false)).await?,
        Command::Open { email } => change(&pool, &email, None, Some(true)).await?,
        Command::AddToken { email, name, may_change, days, json } => {
            add_token(&pool, (&email, &name), may_change, days, json).await?;
        }
        Command::Tokens { email, json } => tokens(&pool, &email, json).await?,
        Command::RevokeToken { email, token } => revoke(&pool, &email, token).await?,
    }
    pool.close().await;
    database.close().await?;
    Ok(Outcome::Fine)
}

async fn known(pool: &sqlx::PgPool, email: &str) -> anyhow::Result<Uuid> {
    let found = people::by_email(pool, email).await?;
    Ok(found.ok_or_else(|| NotFound(format!("no account has the e-mail address {email}")))?.0)
}

async fn add(
    config: &Config,
    pool: &sqlx::PgPool,
    (email, name): (&str, &str),
    role: Role,
    json: bool,
) -> anyhow::Result<()> {
    let settings = SettingsHandle::load(pool).await?.current();
    let mut tx = pool.begin().await?;
    let user_id = people::add(&mut tx, email, name, role).await?;
    let link = accounts::make_link(&mut tx, &settings, user_id).await?;
    trail::record(&mut tx, "account.add", ("account", user_id.to_string()), user_id, json!({ "role": role.as_str() }))
        .await?;
    tx.commit().await?;
    let hours = settings.password_reset_token_expiry_hours;
    if json {
        println!("{}", json!({ "account": user_id, "link": address(config, &link), "good_for_hours": hours }));
    } else {
        println!("account {user_id}\n{}", told(config, &link, hours));
    }
    Ok(())
}

fn told(config: &Config, link: &str, hours: i32) -> String {
    format!("password {}   (good once, for {hours} h)", address(config, link))
}

fn address(config: &Config, link: &str) -> String {
    format!("{}/password/{link}", config.public_origin())
}

async fn link(config: &Config, pool: &sqlx::PgPool, email: &str, json: bool) -> anyhow::Result<()> {
    let user_id = known(pool, email).await?;
    let settings = SettingsHandle::load(pool).await?.current();
    let mut tx = pool.begin().await?;
    let link = accounts::make_link(&mut tx, &settings, user_id).await?;
    trail::record(&mut tx, "account.link", ("account", user_id.to_string()), user_id, json!({})).await?;
    tx.commit().await?;
    let hours = settings.password_reset_token_expiry_hours;
    if json {
        println!("{}", json!({ "account": user_id, "link": address(config, &link), "good_for_hours": hours }));
    } else {
        println!("{}", told(config, &link, hours));
    }
    Ok(())
}

async fn change(pool: &sqlx::PgPool, email: &str, role: Option<Role>, is_active: Option<bool>) -> anyhow::Result<()> {
    let user_id = known(pool, email).await?;
    let mut tx = pool.begin().await?;
    let (role_before, was_active) = people::change(&mut tx, user_id, role, is_active).await?;
    let details = json!({
        "before": { "role": role_before.as_str(), "is_active": was_active },
        "after": { "role": role.unwrap_or(role_before).as_str(), "is_active": is_active.unwrap_or(was_active) },
    });
    trail::record(&mut tx, "account.change", ("account", user_id.to_string()), user_id, details).await?;
    tx.commit().await?;
    Ok(())
}

async fn list(pool: &sqlx::PgPool, json: bool) -> anyhow::Result<()> {
    let accounts = people::list(pool, "", MOST).await?;
    if json {
        println!("{}", serde_json::to_string(&accounts)?);
        return Ok(());
    }
    let mut table = table(&["account", "e-mail", "name", "role", "open", "password", "last sign-in", "sessions"], 7);
    for a in accounts {
        let last = a.last_login.map_or("never".to_owned(), |at| at.format("%F %R UTC").to_string());
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let (open, password) = (yes(a.is_active), yes(a.has_password));
        table.add_row([a.user_id.to_string(), a.email, a.name, a.role, open, password, last, a.sessions.to_string()]);
    }
    println!("{table}");
    Ok(())
}

async fn add_token(
    pool: &sqlx::PgPool,
    (email, name): (&str, &str),
    may_change: bool,
    days: Option<i32>,
    json: bool,
) -> anyhow::Result<()> {
    let user_id = known(pool, email).await?;
    let mut tx = pool.begin().await?;
    let (id, token) = api_tokens::create(&mut tx, user_id, name, may_change, days).await?;
    let details = json!({ "name": name, "may_change": may_change, "days": days });
    trail::record(&mut tx, "api_token.add", ("api_token", id.to_string()), user_id, details).await?;
    tx.commit().await?;
    if json {
        println!("{}", json!({ "id": id, "token": token }));
    } else {
        println!("token {id}\n{token}");
    }
    Ok(())
}

async fn tokens(pool: &sqlx::PgPool, email: &str, json: bool) -> anyhow::Result<()> {
    let tokens = api_tokens::list(pool, known(pool, email).await?).await?;
    if json {
        println!("{}", serde_json::to_string(&tokens)?);
        return Ok(());
    }
    let mut table = table(&["token", "name", "may", "made", "until", "last used"], 6);
    for t in tokens {
        let at = |at: chrono::DateTime<chrono::Utc>| at.format("%F %R UTC").to_string();
        let until = match (t.revoked_at, t.expires_at) {
            (Some(revoked), _) => format!("revoked {}", at(revoked)),
            (None, expires) => expires.map_or("revoked".to_owned(), at),
        };
        let may = if t.may_change { "change" } else { "read" }.to_owned();
        let used = t.last_used_at.map_or("never".to_owned(), at);
        table.add_row([t.id.to_string(), t.name, may, at(t.created_at), until, used]);
    }
    println!("{table}");
    Ok(())
}

async fn revoke(pool: &sqlx::PgPool, email: &str, token: Uuid) -> anyhow::Result<()> {
    let user_id = known(pool, email).await?;
    let mut tx = pool.begin().await?;
    if !api_tokens::revoke(&mut tx, user_id, token).await? {
        return Err(NotFound(format!("the account has no token {token} in use")).into());
    }
    trail::record(&mut tx, "api_token.revoke", ("api_token", token.to_string()), user_id, json!({})).await?;
    tx.commit().await?;
    Ok(())
}
